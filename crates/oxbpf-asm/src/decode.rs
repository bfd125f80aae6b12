//! Instruction in, its row of the table out, or why it is none.

use oxbpf_uapi::Insn;
use oxbpf_uapi::insn::*;

use crate::table::{Field, Kind, Row, rows_of};

/// Why an instruction is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No instruction has this opcode.
    #[error("unknown opcode {0:02x}")]
    UnknownOpcode(u8),
    /// A field that must be 0, or one of a few values, holds another.
    #[error("{} uses reserved fields", name(*.0))]
    ReservedField(u8),
    /// A register beyond r10.
    #[error("R{0} is invalid")]
    BadRegister(u8),
    /// The program ends inside a 64-bit immediate, or its second slot is not one.
    #[error("invalid bpf_ld_imm64 insn")]
    BadLdImm64,
}

/// What the kernel calls the instruction group of an opcode when it complains about its fields.
fn name(code: u8) -> &'static str {
    let op = code & 0xf0;
    match code & 0x07 {
        BPF_LD if code & 0xe0 == BPF_IMM => "BPF_LD_IMM64",
        BPF_LD => "BPF_LD_[ABS|IND]",
        BPF_LDX => "BPF_LDX",
        BPF_ST => "BPF_ST",
        BPF_STX if code & 0xe0 == BPF_ATOMIC => "BPF_ATOMIC",
        BPF_STX => "BPF_STX",
        BPF_JMP | BPF_JMP32 => match op {
            BPF_JA => "BPF_JA",
            BPF_CALL => "BPF_CALL",
            BPF_EXIT => "BPF_EXIT",
            BPF_JCOND => "BPF_JCOND",
            _ => "BPF_JMP/JMP32",
        },
        _ => match op {
            BPF_NEG => "BPF_NEG",
            BPF_END => "BPF_END",
            BPF_MOV => "BPF_MOV",
            _ => "BPF_ALU",
        },
    }
}

/// Finds the row of one instruction and checks its fields.
///
/// # Errors
/// If no row has the opcode, if a field holds what no row of it allows, or if a register number is above 10.
pub fn decode(insn: Insn) -> Result<&'static Row, DecodeError> {
    let rows = rows_of(insn.code);
    if rows.is_empty() {
        return Err(DecodeError::UnknownOpcode(insn.code));
    }
    let row = rows.iter().find(|r| fits(r, insn)).ok_or(DecodeError::ReservedField(insn.code))?;
    for (field, reg) in [(row.dst, insn.dst()), (row.src, insn.src())] {
        if field == Field::Any && reg > 10 {
            return Err(DecodeError::BadRegister(reg));
        }
    }
    Ok(row)
}

fn fits(row: &Row, insn: Insn) -> bool {
    let cast_ok = row.kind != Kind::AddrSpaceCast || matches!(insn.imm, 1 | 0x1_0000);
    row.dst.allows(insn.dst().into())
        && row.src.allows(insn.src().into())
        && row.off.allows(insn.off.into())
        && row.imm.allows(insn.imm)
        && cast_ok
}

/// The instruction at `index` with its row, and its 64-bit immediate if it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// Index of the first slot.
    pub index: usize,
    /// The first slot.
    pub insn: Insn,
    /// Its row.
    pub row: &'static Row,
    /// The immediate: sign-extended, or both halves of a 64-bit one.
    pub imm: i64,
}

impl Decoded {
    /// How many slots the instruction takes: 2 for a 64-bit immediate, else 1.
    pub fn slots(&self) -> usize {
        if matches!(self.row.kind, Kind::LdImm64(_)) { 2 } else { 1 }
    }

    /// Where a jump or a call of a function of the program goes, as an instruction index, which may lie outside of the program; `None` for
    /// other instructions.
    pub fn raw_target(&self) -> Option<i64> {
        let by = match self.row.kind {
            Kind::Ja | Kind::Jmp { .. } | Kind::MayGoto => i64::from(self.insn.off),
            Kind::Gotol | Kind::CallLocal | Kind::LdImm64(crate::Imm64::Func) => i64::from(self.insn.imm),
            _ => return None,
        };
        i64::try_from(self.index).ok()?.checked_add(1)?.checked_add(by)
    }

    /// The same if it is not negative.
    pub fn target(&self) -> Option<usize> {
        self.raw_target().and_then(|t| usize::try_from(t).ok())
    }
}

/// Decodes the instruction that starts at `index`.
///
/// # Errors
/// As [`decode`], and [`DecodeError::BadLdImm64`] if a 64-bit immediate lacks its second slot.
pub fn decode_at(insns: &[Insn], index: usize) -> Result<Decoded, DecodeError> {
    let insn = *insns.get(index).ok_or(DecodeError::BadLdImm64)?;
    let row = decode(insn)?;
    let mut imm = i64::from(insn.imm);
    if matches!(row.kind, Kind::LdImm64(_)) {
        let second = insns.get(index + 1).ok_or(DecodeError::BadLdImm64)?;
        if second.code != 0 || second.regs != 0 || second.off != 0 {
            return Err(DecodeError::BadLdImm64);
        }
        imm = i64::from(second.imm) << 32 | i64::from(insn.imm as u32);
    }
    Ok(Decoded { index, insn, row, imm })
}

/// Decodes a whole program, one item per instruction (not per slot); after an error it goes on with the next slot.
pub fn decode_all(insns: &[Insn]) -> impl Iterator<Item = (usize, Result<Decoded, DecodeError>)> + '_ {
    let mut index = 0;
    std::iter::from_fn(move || {
        if index >= insns.len() {
            return None;
        }
        let at = index;
        let decoded = decode_at(insns, at);
        index += decoded.map_or(1, |d| d.slots());
        Some((at, decoded))
    })
}
