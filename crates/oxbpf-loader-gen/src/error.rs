//! Why a load cannot be made a program.

use oxbpf_uapi::Errno;

/// Why a load cannot be made a program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GenError {
    /// Descriptors of loaded programs are kept on the stack of 512 bytes.
    #[error("{count} programs: a loader program has room for {max}")]
    TooManyPrograms {
        /// Programs that are loaded.
        count: usize,
        /// The most that there can be.
        max: usize,
    },
    /// Fields of the context are reached with offsets of 16 bits.
    #[error("{count} maps: the context of a loader program has room for {max}")]
    TooManyMaps {
        /// Maps that are created.
        count: usize,
        /// The most that there can be.
        max: usize,
    },
    /// An index does not fit into the 16 bits that a call has for the descriptor of its module.
    #[error("calls of more kernel functions than {max}")]
    TooManyFunctions {
        /// The most that there can be.
        max: usize,
    },
    /// The kernel lets a program use values of at most 512 MiB by address.
    #[error("the loader program's data would take more than {max} bytes")]
    DataTooLong {
        /// The most bytes that there can be.
        max: usize,
    },
    /// A program has at most a million instructions.
    #[error("the loader program would have {count} instructions, the kernel takes {max}")]
    CodeTooLong {
        /// Instructions that it would have.
        count: usize,
        /// The most that there can be.
        max: usize,
    },
    /// A relocation is for an instruction that is not there.
    #[error("instruction {insn} of program `{program}`, which refers to `{name}`, is not there")]
    NoInsn {
        /// Name of the program.
        program: Box<str>,
        /// Name of the symbol.
        name: Box<str>,
        /// Index of the instruction.
        insn: u32,
    },
}

impl GenError {
    /// The error number that libbpf would give.
    pub fn errno(&self) -> Errno {
        match self {
            Self::NoInsn { .. } => Errno::EINVAL,
            Self::DataTooLong { .. } | Self::CodeTooLong { .. } => Errno::ERANGE,
            _ => Errno::E2BIG,
        }
    }
}
