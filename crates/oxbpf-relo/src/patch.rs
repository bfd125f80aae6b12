//! Changing instructions.

use oxbpf_uapi::Insn;
use oxbpf_uapi::insn::{
    BPF_ALU, BPF_ALU64, BPF_B, BPF_CALL, BPF_DW, BPF_H, BPF_JMP, BPF_LD, BPF_LDX, BPF_ST, BPF_STX, BPF_W,
    BPF_X,
};

use crate::error::ReloErrorKind;

/// Number of the helper that a poisoned instruction calls: 0xbad2310, "bad relo". There is no such helper, so the
/// verifier says `invalid func unknown#195896080` if the instruction can be reached.
pub const POISON: i32 = 195_896_080;

/// What to put into an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    /// What it should hold now.
    pub(crate) old: u64,
    /// What it should hold.
    pub(crate) new: u64,
    /// Whether to insist on `old`.
    pub(crate) is_certain: bool,
    /// Sizes of the access before and after, if both are known and differ.
    pub(crate) resize: Option<(u32, u32)>,
    /// Whether the access keeps its meaning when it is resized.
    pub(crate) may_resize: bool,
}

/// Replaces an instruction by a call that the verifier refuses; both halves of a 64-bit load.
pub(crate) fn poison(insns: &mut [Insn], at: usize) {
    let is_wide = insns.get(at).is_some_and(|i| i.is_ld_imm64());
    let count = if is_wide { 2 } else { 1 };
    for insn in insns.iter_mut().skip(at).take(count) {
        *insn = Insn::new(BPF_JMP | BPF_CALL, 0, 0, 0, POISON);
    }
}

/// Changes an instruction; `false` if it had to be poisoned.
pub(crate) fn apply(insns: &mut [Insn], at: usize, p: &Patch) -> Result<bool, ReloErrorKind> {
    let insn = insns.get_mut(at).ok_or(ReloErrorKind::NoInsn)?;
    let bad = |why| ReloErrorKind::BadInsn { code: insn.code, why };
    let unexpected = |found: i64| ReloErrorKind::Unexpected { found, expected: p.old };
    match insn.class() {
        BPF_ALU | BPF_ALU64 => {
            if insn.code & BPF_X != 0 {
                return Err(bad("has no immediate to relocate"));
            }
            if p.is_certain && i64::from(insn.imm) as u64 != p.old {
                return Err(unexpected(insn.imm.into()));
            }
            insn.imm = p.new as i32;
            Ok(true)
        }
        BPF_LDX | BPF_ST | BPF_STX => {
            if p.is_certain && i64::from(insn.off) as u64 != p.old {
                return Err(unexpected(insn.off.into()));
            }
            let off = i16::try_from(p.new).map_err(|_| ReloErrorKind::OffsetTooBig(p.new))?;
            let Some((old, new)) = p.resize else {
                insn.off = off;
                return Ok(true);
            };
            if !p.may_resize {
                poison(insns, at);
                return Ok(false);
            }
            let found = size_of(insn.code);
            if found != old {
                return Err(ReloErrorKind::SizeMismatch { found, expected: old });
            }
            let size = size_code(new).ok_or(ReloErrorKind::BadSize { size: new })?;
            insn.off = off;
            insn.code = insn.code & !BPF_DW | size;
            Ok(true)
        }
        BPF_LD => {
            let [first, second, ..] = insns.get_mut(at..).unwrap_or_default() else {
                return Err(ReloErrorKind::NoInsn);
            };
            let is_plain = first.is_ld_imm64()
                && (first.src(), first.off) == (0, 0)
                && (second.code, second.regs, second.off) == (0, 0, 0);
            if !is_plain {
                return Err(ReloErrorKind::BadInsn { code: first.code, why: "is no plain 64-bit load" });
            }
            let value = u64::from(first.imm as u32) | u64::from(second.imm as u32) << 32;
            if p.is_certain && value != p.old {
                return Err(ReloErrorKind::Unexpected { found: value as i64, expected: p.old });
            }
            first.imm = p.new as u32 as i32;
            second.imm = (p.new >> 32) as u32 as i32;
            Ok(true)
        }
        _ => Err(bad("is none that can be relocated")),
    }
}

fn size_of(code: u8) -> u32 {
    match code & BPF_DW {
        BPF_DW => 8,
        BPF_W => 4,
        BPF_H => 2,
        _ => 1,
    }
}

fn size_code(size: u32) -> Option<u8> {
    Some(match size {
        8 => BPF_DW,
        4 => BPF_W,
        2 => BPF_H,
        1 => BPF_B,
        _ => return None,
    })
}
