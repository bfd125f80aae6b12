//! Why a relocation cannot be made.

use oxbpf_btf::{BtfError, CoreReloKind, TypeId};
use oxbpf_uapi::Errno;

/// A relocation that cannot be made: what it asked for, and why not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("instruction {insn}: {spec}: {kind}")]
pub struct ReloError {
    /// Index of the instruction.
    pub insn: usize,
    /// What the relocation asks for, such as `<byte_off> [7] struct task_struct.signal (0:3 @ offset 8)`.
    pub spec: String,
    /// What is wrong.
    pub kind: ReloErrorKind,
}

impl ReloError {
    /// The error number that libbpf returns (positive).
    pub fn errno(&self) -> Errno {
        match &self.kind {
            ReloErrorKind::TooLong | ReloErrorKind::WideBitField => Errno::E2BIG,
            ReloErrorKind::OffsetTooBig(_) => Errno::ERANGE,
            ReloErrorKind::Target { source, .. } => source.errno(),
            _ => Errno::EINVAL,
        }
    }
}

/// What can be wrong with a relocation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReloErrorKind {
    /// The access string is not numbers between colons, or does not fit the type.
    #[error("access string \"{access}\" makes no sense for the type: {why}")]
    BadAccess {
        /// The string.
        access: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The object's types are broken.
    #[error("the object's BTF: {0}")]
    Local(#[source] BtfError),
    /// The target's types are broken.
    #[error("BTF of {target}: {source}")]
    Target {
        /// Name of the target.
        target: String,
        /// What is wrong.
        source: BtfError,
    },
    /// A type without a name cannot be looked up in the target.
    #[error("the type has no name to look it up by")]
    Anonymous,
    /// A kind of relocation that this version does not know.
    #[error("relocation {0} is not known")]
    UnknownKind(CoreReloKind),
    /// The access takes over 64 steps in the target.
    #[error("the access takes over 64 steps")]
    TooLong,
    /// Types too entangled to compare.
    #[error("the types are nested too deep")]
    TooDeep,
    /// A bit-field that crosses 8 bytes.
    #[error("the bit-field cannot be read with one load of 8 bytes")]
    WideBitField,
    /// An array element was asked for something that only members have.
    #[error("{0} does not apply to an array element")]
    NotForArrays(CoreReloKind),
    /// Two candidate types give different results.
    #[error("ambiguous: {first} of [{first_id}] and {second} of [{second_id}] in the target")]
    Ambiguous {
        /// Result of one.
        first: String,
        /// Which one.
        first_id: TypeId,
        /// Result of the other.
        second: String,
        /// Which one.
        second_id: TypeId,
    },
    /// The instruction does not hold what the compiler should have put there.
    #[error("the instruction holds {found}, not {expected} as the object's types say")]
    Unexpected {
        /// What it holds.
        found: i64,
        /// What it should hold.
        expected: u64,
    },
    /// The instruction is none that can be relocated.
    #[error("opcode {code:#04x} {why}")]
    BadInsn {
        /// Its opcode.
        code: u8,
        /// What is wrong.
        why: &'static str,
    },
    /// There is no such instruction.
    #[error("there is no such instruction")]
    NoInsn,
    /// The new offset does not fit a load or store.
    #[error("offset {0} is over the 32767 that a load or store can have")]
    OffsetTooBig(u64),
    /// The new size is none that a load or store can have.
    #[error("{size} bytes are none that a load or store can have")]
    BadSize {
        /// The size in bytes.
        size: u32,
    },
    /// The instruction's size is not the field's.
    #[error("the instruction accesses {found} bytes, but the field has {expected} in the object's types")]
    SizeMismatch {
        /// Bytes that the instruction accesses.
        found: u32,
        /// Bytes of the field.
        expected: u32,
    },
}
