//! Where an error happened.

use core::fmt;
use std::path::PathBuf;

use oxbpf_uapi::Cmd;

use super::VerifierLog;

/// One step of the way to where an error happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Frame {
    /// What was being done: "load", "attach", "create". Reads together with the next frame.
    Step(&'static str),
    /// An object, by its file or name.
    Object(String),
    /// A program.
    Program {
        /// Function name.
        name: String,
        /// Section name.
        section: String,
    },
    /// A map.
    Map(String),
    /// A section of the object.
    Section(String),
    /// A relocation.
    Reloc {
        /// Index among the program's relocations.
        index: u32,
        /// Symbol that it refers to.
        symbol: String,
    },
    /// A CO-RE relocation.
    CoreRelo {
        /// Index among the section's records.
        index: u32,
        /// Instruction, from the start of the program.
        insn: u32,
        /// The local access, such as "`struct task_struct.pid`".
        spec: String,
    },
    /// An instruction, from the start of the program.
    Insn(u32),
    /// A BTF type.
    BtfType {
        /// Its id.
        id: u32,
        /// Its name, may be empty.
        name: String,
    },
    /// A command of bpf(2).
    Command(Cmd),
    /// A feature probe.
    Probe(&'static str),
    /// A file.
    Path(PathBuf),
    /// An extern of the object.
    Extern(String),
    /// A global variable of the object.
    Global(String),
    /// A network interface.
    Interface(String),
    /// What a program attaches to: a function, tracepoint, cgroup.
    Target(String),
    /// A system call other than bpf(2).
    Syscall(&'static str),
    /// What the verifier said. Not shown as a frame but at the end of the line.
    Verifier(VerifierLog),
}

impl Frame {
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(what) => write!(f, "{what} "),
            Self::Object(name) => write!(f, "{name}: "),
            Self::Program { name, section } if section.is_empty() => write!(f, "program `{name}`: "),
            Self::Program { name, section } => write!(f, "program `{name}` (SEC \"{section}\"): "),
            Self::Map(name) => write!(f, "map `{name}`: "),
            Self::Section(name) => write!(f, "section `{name}`: "),
            Self::Reloc { index, symbol } => write!(f, "relocation {index} (`{symbol}`): "),
            Self::CoreRelo { index, insn, spec } => {
                write!(f, "CO-RE relocation {index} at instruction {insn} ({spec}): ")
            }
            Self::Insn(off) => write!(f, "instruction {off}: "),
            Self::BtfType { id, name } if name.is_empty() => write!(f, "BTF type [{id}]: "),
            Self::BtfType { id, name } => write!(f, "BTF type [{id}] `{name}`: "),
            Self::Command(cmd) => write!(f, "{cmd}: "),
            Self::Probe(feature) => write!(f, "probe of {feature}: "),
            Self::Path(path) => write!(f, "{}: ", path.display()),
            Self::Extern(name) => write!(f, "extern `{name}`: "),
            Self::Global(name) => write!(f, "global `{name}`: "),
            Self::Interface(name) => write!(f, "interface `{name}`: "),
            Self::Target(name) => write!(f, "{name}: "),
            Self::Syscall(name) => write!(f, "{name}: "),
            Self::Verifier(_) => Ok(()),
        }
    }
}
