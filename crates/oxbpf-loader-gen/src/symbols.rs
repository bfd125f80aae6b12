//! Symbols of the kernel: names in, instructions that look them up and write them into a program's instructions out.
//!
//! A symbol is looked up once for a program, at the first instruction that refers to it; the others copy what that one got. What is opened
//! to refer to a module's types stays open until the program is loaded, and is closed whatever became of that.

use oxbpf_kernel::LateKind;
use oxbpf_uapi::insn::*;
use oxbpf_uapi::{BtfKind, Errno, HelperId, Insn};

use crate::code::{PLACE, R0, R1, R2, R3, R4, R9, RESULT, Width};
use crate::error::GenError;
use crate::lower::Lower;
use crate::op::{Prog, Symbol};

/// Bytes of an instruction.
const INSN: u32 = 8;
/// Where in an instruction are registers, offset and immediate.
const REGS: u32 = 1;
const OFF: u32 = 2;
const IMM: u32 = 4;

/// A symbol that was looked up.
#[derive(Debug)]
pub(crate) struct Known<'o> {
    name: &'o str,
    kind: LateKind,
    /// The first instruction that refers to it: its place in the blob.
    insn: u32,
    /// Index in the array of descriptors, of functions that are called.
    slot: usize,
}

impl Lower<'_> {
    /// Writes the code that puts symbols into the instructions at `insns`.
    pub(crate) fn symbols<'o>(&mut self, prog: &'o Prog, insns: u32) -> Result<Vec<Known<'o>>, GenError> {
        let mut known: Vec<Known<'o>> = Vec::new();
        for symbol in &prog.symbols {
            let room = if symbol.kind == LateKind::Call { 1 } else { 2 };
            if symbol.insn as usize + room > prog.insns.len() {
                let (program, name) = (prog.name.as_str().into(), symbol.name.as_str().into());
                return Err(GenError::NoInsn { program, name, insn: symbol.insn });
            }
            self.code.keep_cleanup_near();
            let insn = insns + INSN * symbol.insn;
            self.code.blob_address(PLACE, insn);
            let found = known.iter().find(|k| k.kind == symbol.kind && k.name == symbol.name);
            if let Some(first) = found.map(|k| k.insn) {
                self.copy(symbol.kind, insn, first);
                continue;
            }
            let slot = match symbol.kind {
                LateKind::Address => self.address(symbol),
                LateKind::Btf(kind) => self.variable(symbol, kind),
                LateKind::Call => self.function(symbol)?,
            };
            known.push(Known { name: &symbol.name, kind: symbol.kind, insn, slot });
        }
        Ok(known)
    }

    /// Closes what the lookups of a program opened.
    pub(crate) fn close_modules(&mut self, known: &[Known<'_>]) {
        for symbol in known {
            match symbol.kind {
                LateKind::Address => {}
                LateKind::Btf(_) => self.code.close_in_blob(symbol.insn + INSN + IMM),
                LateKind::Call => {
                    self.code.close_in_blob(self.slot_at(symbol.slot));
                    self.release_slot(symbol.slot);
                }
            }
        }
    }

    /// Looks a name up in the kernel's types and its modules': the id comes in the lower half of R7, the module's descriptor in the upper.
    pub(crate) fn find_by_name(&mut self, name: &str, kind: BtfKind) {
        let (at, len) = self.blob.add_text(name);
        self.code.blob_address(R1, at);
        self.code.mov_imm(R2, len);
        self.code.mov_imm(R3, kind.0 as i32);
        self.code.mov_imm(R4, 0);
        self.code.call(HelperId::BTF_FIND_BY_NAME_KIND);
        self.code.mov(RESULT, R0);
    }

    fn copy(&mut self, kind: LateKind, insn: u32, first: u32) {
        let code = &mut self.code;
        match kind {
            LateKind::Address => {
                code.copy_blob(Width::Word, insn + IMM, first + IMM);
                code.copy_blob(Width::Word, insn + INSN + IMM, first + INSN + IMM);
            }
            LateKind::Btf(_) => {
                code.copy_blob(Width::Word, insn + INSN + IMM, first + INSN + IMM);
                code.copy_blob(Width::Word, insn + IMM, first + IMM);
                let is_found = code.jump_imm(BPF_JNE, R0, 0, 0);
                self.make_plain();
                self.code.land(is_found);
            }
            LateKind::Call => {
                code.copy_blob(Width::Word, insn + IMM, first + IMM);
                code.copy_blob(Width::Half, insn + OFF, first + OFF);
            }
        }
    }

    fn address(&mut self, symbol: &Symbol) -> usize {
        let (name, len) = self.blob.add_text(&symbol.name);
        let result = self.blob.add_zeroes(8);
        let code = &mut self.code;
        code.blob_address(R1, name);
        code.mov_imm(R2, len);
        code.mov_imm(R3, 0);
        code.blob_address(R4, result);
        code.mov(RESULT, R4);
        code.call(HelperId::KALLSYMS_LOOKUP_NAME);
        code.load(Width::Long, R9, RESULT, 0);
        code.mov(RESULT, R0);
        if symbol.is_weak {
            // The result is zero then.
            code.jump_imm(BPF_JEQ, RESULT, -Errno::ENOENT.0, 1);
        }
        code.fail_if_negative();
        code.store(Width::Word, PLACE, IMM as i16, R9);
        code.alu_imm(BPF_RSH, R9, 32);
        code.store(Width::Word, PLACE, (INSN + IMM) as i16, R9);
        0
    }

    fn variable(&mut self, symbol: &Symbol, kind: BtfKind) -> usize {
        self.find_by_name(&symbol.name, kind);
        if !symbol.is_weak {
            self.code.fail_if_negative();
        }
        let is_found = self.code.jump_imm(BPF_JSGE, RESULT, 0, 0);
        self.code.store_imm(Width::Word, PLACE, IMM as i16, 0);
        self.code.store_imm(Width::Word, PLACE, (INSN + IMM) as i16, 0);
        let to_plain = self.code.jump_imm(BPF_JA, 0, 0, 0);
        self.code.land(is_found);
        self.code.store(Width::Word, PLACE, IMM as i16, RESULT);
        self.code.alu_imm(BPF_RSH, RESULT, 32);
        self.code.store(Width::Word, PLACE, (INSN + IMM) as i16, RESULT);
        let is_done = self.code.jump_imm(BPF_JA, 0, 0, 0);
        self.code.land(to_plain);
        self.make_plain();
        self.code.land(is_done);
        0
    }

    /// Makes the load at R8 one of a number: of a type that is not there the verifier knows nothing.
    fn make_plain(&mut self) {
        let keep_dst = if self.blob.is_little() { 0x0f } else { 0xf0 };
        self.code.load(Width::Byte, R9, PLACE, REGS as i16);
        self.code.emit(Insn::new(BPF_ALU | BPF_AND | BPF_K, R9, 0, 0, keep_dst));
        self.code.store(Width::Byte, PLACE, REGS as i16, R9);
    }

    fn function(&mut self, symbol: &Symbol) -> Result<usize, GenError> {
        self.find_by_name(&symbol.name, BtfKind::FUNC);
        if !symbol.is_weak {
            self.code.fail_if_negative();
        }
        let slot = self.take_slot()?;
        let index = slot as i32;
        let at = self.slot_at(slot);
        let code = &mut self.code;
        let is_found = code.jump_imm(BPF_JSGE, RESULT, 0, 0);
        code.store_imm(Width::Word, PLACE, IMM as i16, 0);
        code.store_imm(Width::Half, PLACE, OFF as i16, 0);
        let is_missing = code.jump_imm(BPF_JA, 0, 0, 0);
        code.land(is_found);
        code.store(Width::Word, PLACE, IMM as i16, RESULT);
        code.mov(R9, RESULT);
        code.alu_imm(BPF_RSH, R9, 32);
        code.blob_address(R0, at);
        code.store(Width::Word, R0, 0, R9);
        let in_module = code.jump_imm(BPF_JNE, R9, 0, 0);
        code.store_imm(Width::Half, PLACE, OFF as i16, 0);
        let in_kernel = code.jump_imm(BPF_JA, 0, 0, 0);
        code.land(in_module);
        code.store_imm(Width::Half, PLACE, OFF as i16, index);
        code.land(is_missing);
        code.land(in_kernel);
        Ok(slot)
    }
}
