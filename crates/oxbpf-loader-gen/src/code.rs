//! The instructions of a loader program, while they are written.
//!
//! Registers: R6 is the context, R7 the result of the last command, R8 the instruction that a symbol is put into, R9 what is closed and
//! scratch. The stack has the descriptors of the object's BTF, of an inner map, and of each loaded program, 4 bytes each.

use oxbpf_uapi::insn::*;
use oxbpf_uapi::{Cmd, HelperId, Insn};

/// Registers.
pub(crate) const R0: u8 = 0;
pub(crate) const R1: u8 = 1;
pub(crate) const R2: u8 = 2;
pub(crate) const R3: u8 = 3;
pub(crate) const R4: u8 = 4;
pub(crate) const CTX: u8 = 6;
pub(crate) const RESULT: u8 = 7;
pub(crate) const PLACE: u8 = 8;
pub(crate) const R9: u8 = 9;
pub(crate) const STACK: u8 = 10;

/// How far from the cleanup code a branch to it may be: less than 16 bits reach, by more than a command takes.
const REACH: usize = 30_000;

/// Width of a memory access.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Width {
    Byte,
    Half,
    Word,
    Long,
}

impl Width {
    fn bits(self) -> u8 {
        match self {
            Self::Byte => BPF_B,
            Self::Half => BPF_H,
            Self::Word => BPF_W,
            Self::Long => BPF_DW,
        }
    }
}

/// Instructions, and where the code is that closes everything and gives R7 back.
#[derive(Debug, Default)]
pub(crate) struct Code {
    insns: Vec<Insn>,
    cleanup: usize,
}

impl Code {
    pub(crate) fn with_capacity(insns: usize) -> Self {
        Self { insns: Vec::with_capacity(insns), cleanup: 0 }
    }

    pub(crate) fn len(&self) -> usize {
        self.insns.len()
    }

    pub(crate) fn into_insns(self) -> Vec<Insn> {
        self.insns
    }

    /// Changes the 64-bit load at `at`.
    pub(crate) fn set_imm64(&mut self, at: usize, value: u64) {
        if let Some([first, second]) = self.insns.get_mut(at..).and_then(|i| i.first_chunk_mut::<2>()) {
            (first.imm, second.imm) = (value as i32, (value >> 32) as i32);
        }
    }

    /// Makes the instruction at `at`, a jump, lead to the next one that is written.
    pub(crate) fn land(&mut self, at: usize) {
        let off = self.insns.len().saturating_sub(at + 1) as i16;
        if let Some(insn) = self.insns.get_mut(at) {
            insn.off = off;
        }
    }

    pub(crate) fn emit(&mut self, insn: Insn) -> usize {
        self.insns.push(insn);
        self.insns.len() - 1
    }

    /// The cleanup code begins here.
    pub(crate) fn mark_cleanup(&mut self) {
        self.cleanup = self.insns.len();
    }

    /// Sees to it that the cleanup code is in reach of the branches that follow. Not to be called where a jump leads past.
    pub(crate) fn keep_cleanup_near(&mut self) {
        if self.insns.len() - self.cleanup > REACH {
            self.emit(Insn::new(BPF_JMP | BPF_JA, 0, 0, 1, 0));
            let off = self.back_to_cleanup();
            let pad = self.emit(Insn::new(BPF_JMP | BPF_JA, 0, 0, off, 0));
            self.cleanup = pad;
        }
    }

    fn back_to_cleanup(&self) -> i16 {
        // At most REACH and what one command takes.
        (self.cleanup as i64 - self.insns.len() as i64 - 1) as i16
    }

    /// Gives up if R7 is negative, with R7 as the error.
    pub(crate) fn fail_if_negative(&mut self) {
        let off = self.back_to_cleanup();
        self.emit(Insn::new(BPF_JMP | BPF_JSLT | BPF_K, RESULT, 0, off, 0));
    }

    /// Gives up if `reg` is not `imm`, with R7 as the error.
    pub(crate) fn fail_unless_imm(&mut self, reg: u8, imm: i32) {
        let off = self.back_to_cleanup();
        self.emit(Insn::new(BPF_JMP | BPF_JNE | BPF_K, reg, 0, off, imm));
    }

    /// Gives up if two registers differ, with R7 as the error.
    pub(crate) fn fail_unless_same(&mut self, a: u8, b: u8) {
        let off = self.back_to_cleanup();
        self.emit(Insn::new(BPF_JMP | BPF_JNE | BPF_X, a, b, off, 0));
    }

    /// A conditional jump over `skip` instructions.
    pub(crate) fn jump_imm(&mut self, op: u8, reg: u8, imm: i32, skip: i16) -> usize {
        self.emit(Insn::new(BPF_JMP | op | BPF_K, reg, 0, skip, imm))
    }

    pub(crate) fn mov(&mut self, to: u8, from: u8) {
        self.emit(Insn::new(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0));
    }

    pub(crate) fn mov_imm(&mut self, to: u8, imm: i32) {
        self.emit(Insn::new(BPF_ALU64 | BPF_MOV | BPF_K, to, 0, 0, imm));
    }

    /// 64-bit arithmetic with a number.
    pub(crate) fn alu_imm(&mut self, op: u8, to: u8, imm: i32) {
        self.emit(Insn::new(BPF_ALU64 | op | BPF_K, to, 0, 0, imm));
    }

    pub(crate) fn load(&mut self, width: Width, to: u8, from: u8, off: i16) {
        self.emit(Insn::new(BPF_LDX | BPF_MEM | width.bits(), to, from, off, 0));
    }

    pub(crate) fn store(&mut self, width: Width, to: u8, off: i16, from: u8) {
        self.emit(Insn::new(BPF_STX | BPF_MEM | width.bits(), to, from, off, 0));
    }

    pub(crate) fn store_imm(&mut self, width: Width, to: u8, off: i16, imm: i32) {
        self.emit(Insn::new(BPF_ST | BPF_MEM | width.bits(), to, 0, off, imm));
    }

    /// A 64-bit load.
    pub(crate) fn imm64(&mut self, to: u8, pseudo: u8, low: i32, high: i32) -> usize {
        let at = self.emit(Insn::new(LD_IMM64, to, pseudo, 0, low));
        self.emit(Insn::new(0, 0, 0, 0, high));
        at
    }

    /// The address of a byte of the blob, which is the program's map number 0.
    pub(crate) fn blob_address(&mut self, to: u8, at: u32) {
        self.imm64(to, BPF_PSEUDO_MAP_IDX_VALUE, 0, at as i32);
    }

    pub(crate) fn call(&mut self, helper: HelperId) {
        self.emit(Insn::new(BPF_JMP | BPF_CALL, 0, 0, 0, helper.0 as i32));
    }

    pub(crate) fn exit(&mut self) {
        self.emit(Insn::new(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
    }

    /// Writes the address of blob byte `data` at blob byte `at`.
    pub(crate) fn point(&mut self, at: u32, data: u32) {
        self.blob_address(R0, data);
        self.blob_address(R1, at);
        self.store(Width::Long, R1, 0, R0);
    }

    /// Copies within the blob; leaves the value in R0.
    pub(crate) fn copy_blob(&mut self, width: Width, to: u32, from: u32) {
        self.blob_address(R2, from);
        self.load(width, R0, R2, 0);
        self.blob_address(R1, to);
        self.store(width, R1, 0, R0);
    }

    pub(crate) fn copy_blob_to_ctx(&mut self, to: i16, from: u32) {
        self.blob_address(R1, from);
        self.load(Width::Word, R0, R1, 0);
        self.store(Width::Word, CTX, to, R0);
    }

    pub(crate) fn copy_ctx_to_blob(&mut self, width: Width, to: u32, from: i16) {
        self.load(width, R0, CTX, from);
        self.blob_address(R1, to);
        self.store(width, R1, 0, R0);
    }

    /// The same, unless the field is zero.
    pub(crate) fn copy_ctx_to_blob_if_set(&mut self, width: Width, to: u32, from: i16) {
        self.load(width, R0, CTX, from);
        self.jump_imm(BPF_JEQ, R0, 0, 3);
        self.blob_address(R1, to);
        self.store(width, R1, 0, R0);
    }

    pub(crate) fn copy_stack_to_blob(&mut self, to: u32, from: i16) {
        self.load(Width::Word, R0, STACK, from);
        self.blob_address(R1, to);
        self.store(Width::Word, R1, 0, R0);
    }

    pub(crate) fn copy_stack_to_ctx(&mut self, to: i16, from: i16) {
        self.load(Width::Word, R0, STACK, from);
        self.store(Width::Word, CTX, to, R0);
    }

    /// Makes a command of bpf(2), with its result in R7.
    pub(crate) fn bpf(&mut self, cmd: Cmd, (attr, len): (u32, i32)) {
        self.mov_imm(R1, cmd.0 as i32);
        self.blob_address(R2, attr);
        self.mov_imm(R3, len);
        self.call(HelperId::SYS_BPF);
        self.mov(RESULT, R0);
    }

    /// Closes the descriptor in R1, if it is one.
    fn close(&mut self) {
        self.jump_imm(BPF_JSLE, R1, 0, 2);
        self.mov(R9, R1);
        self.call(HelperId::SYS_CLOSE);
    }

    pub(crate) fn close_on_stack(&mut self, at: i16) {
        self.load(Width::Word, R1, STACK, at);
        self.close();
    }

    pub(crate) fn close_in_blob(&mut self, at: u32) {
        self.blob_address(R0, at);
        self.load(Width::Word, R1, R0, 0);
        self.close();
    }
}
