//! A program in, whether it is well formed out, with a log in the words of the kernel's verifier.
//!
//! Two passes. The structure: every slot is an instruction with its reserved fields clear, jumps and calls land on instructions of the right
//! function, no code is out of reach, functions do not recurse or nest too deep. The data flow: what kind of value each register holds, where
//! all ways to an instruction agree; that finds reads of registers that were never written, null checks that are missing, numbers used as
//! pointers, helpers that the program's type or licence forbids. Branches that a constant decides are followed only where they lead, so
//! code behind a relocation that gave 0 is not looked at, as in the kernel.
//!
//! This is less than the kernel's verifier does: values have no ranges and ways are joined, so a program may pass that the kernel refuses.
//! A refusal is meant to be one the kernel shares. What passes is run with every access checked (`oxbpf-vm`).
//!
//! Message texts follow `kernel/bpf/verifier.c` (v6.17) where people and tools match on them.

mod calls;
mod flow;
mod state;
mod structure;

use core::fmt;
use core::fmt::Write;
use core::ops::Range;

use oxbpf_asm::{Disasm, decode_at};
use oxbpf_uapi::{AttachType, Errno, HelperId, Insn, MapType, ProgType};

/// A map as an instruction names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MapRef {
    /// By descriptor (`BPF_PSEUDO_MAP_FD`, `BPF_PSEUDO_MAP_VALUE`).
    Fd(i32),
    /// By index in the load's array of descriptors (`BPF_PSEUDO_MAP_IDX`, `BPF_PSEUDO_MAP_IDX_VALUE`).
    Idx(i32),
}

/// What has to be known of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapInfo {
    /// Its type.
    pub map_type: MapType,
    /// Bytes of a key.
    pub key_size: u32,
    /// Bytes of a value.
    pub value_size: u32,
    /// Most entries.
    pub max_entries: u32,
    /// Whether values hold kernel pointers or other fields that are not plain numbers.
    pub has_special_fields: bool,
}

/// What the program may use; answered by the kernel that is to run it.
pub trait Env {
    /// The map that an instruction names; `None` if there is none.
    fn map(&self, map: MapRef) -> Option<MapInfo>;

    /// The number of `size` bytes at an offset of a map's only value, if it cannot change any more (`.rodata`).
    fn map_const(&self, map: MapRef, offset: u32, size: u32) -> Option<u64> {
        let _ = (map, offset, size);
        None
    }

    /// Where functions start that the kernel calls and the program does not, such as an exception callback: all starts that the function
    /// records of the load name will do.
    fn entries(&self) -> Vec<usize> {
        Vec::new()
    }

    /// Whether the kernel has a helper; the reason if not. Program type, licence and the helper's own rules are checked already.
    ///
    /// # Errors
    /// Why it may not be called.
    fn helper(&self, helper: HelperId) -> Result<(), String> {
        let _ = helper;
        Ok(())
    }

    /// Whether the kernel has a kernel function; the reason if not.
    ///
    /// # Errors
    /// Why it may not be called.
    fn kfunc(&self, id: u32, btf: i16) -> Result<(), String> {
        let _ = (id, btf);
        Ok(())
    }
}

/// A program to check.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// Its instructions, with maps named as they are loaded.
    pub insns: &'a [Insn],
    /// Its type.
    pub prog_type: ProgType,
    /// Its expected attach type.
    pub attach_type: AttachType,
    /// Whether its licence is compatible with the GPL.
    pub is_gpl: bool,
    /// Whether it may sleep (`BPF_F_SLEEPABLE`).
    pub is_sleepable: bool,
    /// What it may use.
    pub env: &'a dyn Env,
}

impl fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} instructions", self.prog_type, self.insns.len())
    }
}

/// A program that passed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The log: empty at level 0, the instructions from level 1 on, and a last line with counts unless the level is 0.
    pub log: String,
    /// How many instructions can be reached.
    pub processed: usize,
    /// Its functions.
    pub functions: Vec<Range<usize>>,
}

/// A program that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Index of the instruction at fault, unless it is the program as a whole.
    pub insn: Option<usize>,
    /// Why, in the kernel's words.
    pub cause: String,
    /// What `BPF_PROG_LOAD` fails with.
    pub errno: Errno,
    /// The log, whose last lines are the instruction, the cause and counts. At level 0 the cause alone.
    pub log: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.insn {
            Some(insn) => write!(f, "insn {insn}: {}", self.cause),
            None => f.write_str(&self.cause),
        }
    }
}

impl std::error::Error for Rejection {}

/// The most instructions that a program may have.
pub const MAX_INSNS: usize = 1_000_000;

/// Checks a program. `log_level` is that of `BPF_PROG_LOAD`: 0 for none, 1 and 2 for the instructions.
///
/// # Errors
/// The first thing that is wrong: in the structure, else in the data flow in the order of instructions.
pub fn verify(input: &Input<'_>, log_level: u32) -> Result<Verdict, Rejection> {
    let mut log = String::new();
    let mut processed = 0;
    let result = check(input, &mut |index| {
        processed += 1;
        if log_level > 0 {
            if let Ok(decoded) = decode_at(input.insns, index) {
                let _ = writeln!(log, "{index}: {:#}", Disasm(decoded));
            }
        }
    });
    let counts = format!(
        "processed {processed} insns (limit {MAX_INSNS}) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n"
    );
    match result {
        Ok(functions) => {
            if log_level > 0 {
                log.push_str(&counts);
            }
            Ok(Verdict { log, processed, functions })
        }
        Err(Cause { insn, text, errno }) => {
            let _ = writeln!(log, "{text}");
            if log_level > 0 {
                log.push_str(&counts);
            }
            Err(Rejection { insn, cause: text, errno, log })
        }
    }
}

/// A refusal before it has a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    insn: Option<usize>,
    text: String,
    errno: Errno,
}

impl Cause {
    fn new(insn: impl Into<Option<usize>>, errno: Errno, text: impl Into<String>) -> Self {
        Self { insn: insn.into(), text: text.into(), errno }
    }
}

fn check(input: &Input<'_>, each: &mut dyn FnMut(usize)) -> Result<Vec<Range<usize>>, Cause> {
    let program = structure::check(input)?;
    flow::check(input, &program, each)?;
    Ok(program.functions)
}

#[cfg(test)]
mod tests;
