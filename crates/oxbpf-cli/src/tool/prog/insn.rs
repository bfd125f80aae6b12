//! An instruction of a loaded program in, its text out, as the verifier's log and `bpftool prog dump xlated` have it.
//!
//! What the kernel made of a program is no program that it would take: calls hold distances to functions of the kernel,
//! maps are numbers of maps, and there are instructions that only the kernel writes. So these are written here, and the
//! rest by `oxbpf_asm`.

use std::collections::HashMap;
use std::fmt::Write;

use oxbpf::Kernel;
use oxbpf::kallsyms::Kallsyms;
use oxbpf_asm::{Decoded, Disasm, Imm64, Kind, decode, rows_of};
use oxbpf_uapi::{HelperId, Insn};

const CALL: u8 = 0x85;
const LD_IMM64: u8 = 0x18;
const MOV64_REG: u8 = 0xbf;
/// Class and mode of an instruction that keeps the processor from guessing, which is the kernel's alone.
const NOSPEC: u8 = 0xc2;

/// Whether an instruction has two slots.
pub(super) fn is_double(insn: Insn) -> bool {
    insn.code == LD_IMM64
}

/// Names of the functions that a program calls.
#[derive(Debug, Default)]
pub(super) struct Symbols {
    names: HashMap<u64, String>,
    /// What the distances in calls are from; 0 where the kernel hides it.
    base: u64,
    /// Addresses of the program's own functions.
    functions: Vec<u64>,
}

impl Symbols {
    /// Looks up what `insns` call, and the program's functions, in the kernel's symbols.
    pub(super) fn of(kernel: &Kernel, insns: &[Insn], functions: &[u64]) -> Self {
        let Ok(all) = Kallsyms::read(kernel) else { return Self::default() };
        let base = all.find("__bpf_call_base").map_or(0, |s| s.address);
        let mut found = Self { names: HashMap::new(), base, functions: functions.to_vec() };
        if base == 0 {
            return found;
        }
        let calls = insns.iter().filter(|i| i.code == CALL).map(|i| found.address(*i));
        found.names = calls.chain(functions.iter().copied()).map(|a| (a, String::new())).collect();
        for symbol in all.iter().filter(|s| s.address != 0) {
            if let Some(name) = found.names.get_mut(&symbol.address).filter(|n| n.is_empty()) {
                symbol.name.clone_into(name);
            }
        }
        found.names.retain(|_, name| !name.is_empty());
        found
    }

    /// Where a call goes.
    fn address(&self, call: Insn) -> u64 {
        let index = usize::try_from(call.imm).ok().filter(|_| is_local(call));
        let own = index.and_then(|i| self.functions.get(i)).copied();
        own.unwrap_or_else(|| self.base.wrapping_add_signed(i64::from(call.imm)))
    }

    /// The name of the function at an address.
    pub(super) fn name(&self, address: u64) -> Option<&str> {
        self.names.get(&address).map(String::as_str)
    }
}

/// Whether a call is of a function of the program itself (`BPF_PSEUDO_CALL`).
fn is_local(call: Insn) -> bool {
    call.src() == 1
}

/// The text of an instruction, opcode first. `second` is the slot behind it.
pub(super) fn text(insn: Insn, second: Option<Insn>, symbols: &Symbols) -> String {
    let mut text = format!("({:02x}) ", insn.code);
    let (dst, src) = (insn.dst(), insn.src());
    let result = match insn.code {
        CALL => call(&mut text, insn, symbols),
        LD_IMM64 => load(&mut text, insn, second.map_or(0, |s| s.imm)),
        NOSPEC => write!(text, "nospec"),
        // The address of a variable on the CPU that the program runs on.
        MOV64_REG if insn.off == -1 => write!(text, "r{dst} = &(void __percpu *)(r{src})"),
        _ => {
            // The kernel leaves numbers in fields that an instruction does not use.
            let row = decode(insn).ok().or_else(|| rows_of(insn.code).first());
            match row {
                Some(row) => {
                    let imm = i64::from(insn.imm);
                    write!(text, "{}", Disasm(Decoded { index: 0, insn, row, imm }))
                }
                None => write!(text, "unknown"),
            }
        }
    };
    // Writing to a string does not fail.
    debug_assert!(result.is_ok());
    text
}

fn call(text: &mut String, insn: Insn, symbols: &Symbols) -> std::fmt::Result {
    let address = symbols.address(insn);
    let name = symbols.name(address);
    if is_local(insn) {
        let to = insn.off;
        return match name {
            _ if symbols.functions.is_empty() => write!(text, "call pc{to:+}"),
            Some(name) => write!(text, "call pc{to:+}#{name}"),
            None => write!(text, "call pc{to:+}#{address:#x}"),
        };
    }
    let helper = u32::try_from(insn.imm).ok().filter(|_| insn.src() == 0).map(HelperId);
    match helper.and_then(HelperId::c_name).or(name) {
        Some(name) => write!(text, "call {name}#{}", insn.imm),
        None => write!(text, "call {address:#x}#{}", insn.imm),
    }
}

fn load(text: &mut String, insn: Insn, high: i32) -> std::fmt::Result {
    let (dst, low) = (insn.dst(), insn.imm);
    let what = decode(insn).ok().map(|row| row.kind);
    match what {
        Some(Kind::LdImm64(Imm64::MapFd)) => write!(text, "r{dst} = map[id:{low}]"),
        Some(Kind::LdImm64(Imm64::MapValue)) => write!(text, "r{dst} = map[id:{low}][0]+{high}"),
        Some(Kind::LdImm64(Imm64::MapIdxValue)) => write!(text, "r{dst} = map[idx:{low}]+{high}"),
        Some(Kind::LdImm64(Imm64::Func)) => write!(text, "r{dst} = subprog[{low:+}]"),
        _ => write!(text, "r{dst} = {:#x}", (high as u32 as u64) << 32 | u64::from(low as u32)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(insn: Insn, second: Option<i32>, expect: &str) {
        let symbols = Symbols {
            names: [(0x1064, "bpf_helper".to_owned()), (0x9000, "bpf_prog_f".to_owned())].into(),
            base: 0x1000,
            functions: vec![0x8000, 0x9000],
        };
        let second = second.map(|imm| Insn { imm, ..Insn::default() });
        assert_eq!(text(insn, second, &symbols), expect);
    }

    #[test]
    fn instructions_of_the_kernel_have_its_text() {
        check(Insn::new(0xb7, 0, 0, 0, 1), None, "(b7) r0 = 1");
        check(Insn::new(CALL, 0, 0, 0, 1), None, "(85) call bpf_map_lookup_elem#1");
        check(Insn::new(CALL, 0, 0, 0, 100), None, "(85) call bpf_tcp_check_syncookie#100");
        check(Insn::new(CALL, 0, 2, 0, 0x64), None, "(85) call bpf_helper#100");
        check(Insn::new(CALL, 0, 2, 0, 0x65), None, "(85) call 0x1065#101");
        check(Insn::new(CALL, 0, 1, 7, 1), None, "(85) call pc+7#bpf_prog_f");
        check(Insn::new(CALL, 0, 1, -7, 0), None, "(85) call pc-7#0x8000");
        check(Insn::new(LD_IMM64, 1, 1, 0, 5), Some(0), "(18) r1 = map[id:5]");
        check(Insn::new(LD_IMM64, 1, 2, 0, 5), Some(16), "(18) r1 = map[id:5][0]+16");
        check(Insn::new(LD_IMM64, 1, 6, 0, 5), Some(16), "(18) r1 = map[idx:5]+16");
        check(Insn::new(LD_IMM64, 1, 4, 0, 5), Some(0), "(18) r1 = subprog[+5]");
        check(Insn::new(LD_IMM64, 1, 0, 0, -1), Some(1), "(18) r1 = 0x1ffffffff");
        check(Insn::new(LD_IMM64, 1, 0, 0, 1), None, "(18) r1 = 0x1");
        check(Insn::new(MOV64_REG, 1, 2, -1, 0), None, "(bf) r1 = &(void __percpu *)(r2)");
        check(Insn::new(NOSPEC, 0, 0, 0, 0), None, "(c2) nospec");
        check(Insn::new(0xbf, 1, 2, 0, 9), None, "(bf) r1 = r2");
        check(Insn::new(0xf7, 0, 0, 0, 0), None, "(f7) unknown");
    }
}
