//! A program in, its functions and the ways between its instructions out.
//!
//! Indices are those of slots: a 64-bit immediate has two. Nothing here checks that a program makes sense; targets outside of it are
//! reported as they are.

use core::ops::Range;

use oxbpf_uapi::Insn;

use crate::decode::{Decoded, decode_all};
use crate::table::{Imm64, Kind};

/// The functions of a program, in order: the main one from 0, then one from every target of a call or function address.
pub fn functions(insns: &[Insn]) -> Vec<Range<usize>> {
    let mut starts: Vec<usize> = decode_all(insns)
        .filter_map(|(_, d)| d.ok())
        .filter(|d| matches!(d.row.kind, Kind::CallLocal | Kind::LdImm64(Imm64::Func)))
        .filter_map(|d| d.target())
        .filter(|&t| t < insns.len())
        .collect();
    starts.push(0);
    starts.sort_unstable();
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain([insns.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

/// Where control may go after an instruction of one function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Next {
    /// The instruction after it.
    pub fall_through: Option<usize>,
    /// The jump's target.
    pub jump: Option<usize>,
}

impl Next {
    /// Both, as far as there are any.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        self.fall_through.into_iter().chain(self.jump)
    }
}

/// Where control may go after `d`. A call goes to the next instruction; `exit` and `gotox` go nowhere that is known.
pub fn next(d: &Decoded) -> Next {
    let after = Some(d.index + d.slots());
    match d.row.kind {
        Kind::Exit | Kind::Gotox => Next::default(),
        Kind::Ja | Kind::Gotol => Next { fall_through: None, jump: d.target() },
        Kind::Jmp { .. } | Kind::MayGoto => Next { fall_through: after, jump: d.target() },
        _ => Next { fall_through: after, jump: None },
    }
}
