//! Why a program was stopped.

use core::fmt;
use std::sync::Arc;

use crate::mem::Fault;

/// The end of a program that did what it may not, or whose kernel refused a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// Name of the program, once known.
    pub program: Option<Arc<str>>,
    /// Index of the instruction (of its first slot) in the program as it was given, once known.
    pub insn: Option<usize>,
    /// Why.
    pub kind: TrapKind,
}

/// Why a program was stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrapKind {
    /// A memory access was refused.
    Fault(Fault),
    /// More than eight functions deep.
    CallDepth,
    /// It ran for longer than the limit, in instructions.
    InsnLimit(u64),
    /// A jump or call through a value that is no code address of the program.
    BadCodeAddress(u64),
    /// Control ran past the last instruction.
    FellOff,
    /// A packet load where there is no packet.
    NoPacket,
    /// The kernel refused a call, for the reason given.
    Refused(String),
    /// [`Flow::Exit`](crate::Flow::Exit) on its way out; a caller of [`Cpu::run`](crate::Cpu::run) never sees it, a helper that calls back passes it
    /// on.
    Unwind(u64),
}

impl Trap {
    /// A refusal by a helper.
    pub fn refused(why: impl Into<String>) -> Self {
        TrapKind::Refused(why.into()).into()
    }

    /// The same with its place, unless it has one already.
    #[must_use]
    pub(crate) fn at(mut self, program: &Arc<str>, insn: usize) -> Self {
        self.program.get_or_insert_with(|| program.clone());
        self.insn.get_or_insert(insn);
        self
    }
}

impl From<TrapKind> for Trap {
    fn from(kind: TrapKind) -> Self {
        Self { program: None, insn: None, kind }
    }
}

impl From<Fault> for Trap {
    fn from(fault: Fault) -> Self {
        TrapKind::Fault(fault).into()
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(insn) = self.insn {
            write!(f, "insn {insn}: ")?;
        }
        self.kind.fmt(f)
    }
}

impl fmt::Display for TrapKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => fault.fmt(f),
            Self::CallDepth => f.write_str("more than 8 functions deep"),
            Self::InsnLimit(limit) => write!(f, "ran for more than {limit} instructions"),
            Self::BadCodeAddress(addr) => write!(f, "{addr:#x} is no instruction of this program"),
            Self::FellOff => f.write_str("ran past the last instruction"),
            Self::NoPacket => f.write_str("packet load without a packet"),
            Self::Refused(why) => f.write_str(why),
            Self::Unwind(value) => write!(f, "exception {value:#x} outside of a program"),
        }
    }
}

impl std::error::Error for Trap {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            TrapKind::Fault(fault) => Some(fault),
            _ => None,
        }
    }
}
