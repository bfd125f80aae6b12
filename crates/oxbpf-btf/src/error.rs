//! What can be wrong with BTF bytes, or with what a builder is asked for.

use oxbpf_uapi::{BtfKind, Errno};

/// What is wrong with BTF or BTF.ext bytes, a look-up in them, or a request to build them.
///
/// Offsets are in bytes from the start of the section that is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BtfError {
    /// There are fewer bytes than a header takes.
    #[error("{what} of {len} bytes is too short for its header of {need}")]
    TooShort {
        /// "BTF" or "BTF.ext".
        what: &'static str,
        /// Bytes that are there.
        len: usize,
        /// Bytes that the header takes.
        need: usize,
    },
    /// More bytes than a 32-bit offset can reach.
    #[error("BTF of {len} bytes is over the format's limit of 4 GiB")]
    TooLong {
        /// Bytes that are there.
        len: usize,
    },
    /// The first two bytes are not BTF's magic number in either byte order.
    #[error("not BTF: magic {magic:#06x} instead of 0xeb9f")]
    BadMagic {
        /// What was read, in native order.
        magic: u16,
    },
    /// The header says that it is shorter than any known header, or longer than the data.
    #[error("header length {hdr_len} is out of range ({len} bytes of data)")]
    BadHeaderLen {
        /// Header length as read.
        hdr_len: u32,
        /// Bytes that are there.
        len: usize,
    },
    /// A section is outside the data, misaligned, or overlaps the one behind it.
    #[error("{section} section at {off}, {len} bytes: {why}")]
    BadSection {
        /// Which section.
        section: &'static str,
        /// Offset from the end of the header.
        off: u32,
        /// Length in bytes.
        len: u32,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A type of a kind that this version does not know, and no layout section tells its length.
    #[error("type [{id}] at offset {offset} has unknown kind {kind}")]
    UnknownKind {
        /// The type's id.
        id: u32,
        /// Offset in the type section.
        offset: u32,
        /// The kind as read.
        kind: u32,
    },
    /// A type record runs past the end of the type section.
    #[error("type [{id}] at offset {offset} needs {need} bytes, the type section has {have} left")]
    Truncated {
        /// The type's id.
        id: u32,
        /// Offset in the type section.
        offset: u32,
        /// Bytes that its kind and element count ask for.
        need: u64,
        /// Bytes left.
        have: u64,
    },
    /// Lines of a program that cannot be looked up.
    #[error("line records of the program: {why}")]
    BadLines {
        /// What is wrong.
        why: &'static str,
    },
    /// The BTF stands alone where one is needed that adds to a base.
    #[error("the BTF is not split: it has no base")]
    NotSplit,
    /// The base to relocate to has no type for one of the distilled base.
    #[error("no type of the base matches '{name}' ({kind} [{id}] of the distilled base, {size} bytes)")]
    NoMatch {
        /// The type in the distilled base.
        id: u32,
        /// Its kind.
        kind: BtfKind,
        /// Its name.
        name: String,
        /// Its size in bytes.
        size: u32,
    },
    /// The base to relocate to has several types for one of the distilled base, and nothing tells them apart.
    #[error("'{name}' ([{id}] of the distilled base) matches both [{first}] and [{second}] of the base")]
    Ambiguous {
        /// The type in the distilled base.
        id: u32,
        /// Its name.
        name: String,
        /// The first match in the base.
        first: u32,
        /// The second match in the base.
        second: u32,
    },
    /// A string of the distilled base is no name of a type that was found in the new base.
    #[error("string at offset {offset} of the distilled base is no name of a relocated type")]
    NoString {
        /// The string's offset.
        offset: u32,
    },
    /// No type has this id.
    #[error("no type [{id}]: ids are below {count}")]
    NoSuchType {
        /// The id asked for.
        id: u32,
        /// One more than the last id.
        count: u32,
    },
    /// A type refers to an id that no type has.
    #[error("type [{id}] refers to [{target}], which does not exist")]
    BadReference {
        /// The referring type.
        id: u32,
        /// The id it names.
        target: u32,
    },
    /// A type's contents are not what its kind allows.
    #[error("type [{id}] ({kind}): {why}")]
    BadType {
        /// The type's id.
        id: u32,
        /// Its kind.
        kind: BtfKind,
        /// What is wrong.
        why: &'static str,
    },
    /// A name's offset is outside the strings.
    #[error("string offset {offset} is outside the {size} bytes of strings")]
    BadStringOffset {
        /// The offset.
        offset: u32,
        /// Bytes of strings, base included.
        size: u32,
    },
    /// A name is not UTF-8.
    #[error("string at offset {offset} is not UTF-8")]
    NotUtf8 {
        /// The string's offset.
        offset: u32,
    },
    /// A chain of references is longer than any sane type's, so probably a cycle.
    #[error("type [{id}] is nested too deep or contains itself")]
    TooDeep {
        /// Where following the chain began.
        id: u32,
    },
    /// A type needs its own definition before itself.
    #[error("type [{id}] contains itself")]
    Cycle {
        /// A type of the circle.
        id: u32,
    },
    /// The type has no size (void, a function, a forward declaration).
    #[error("type [{id}] ({kind}) has no size")]
    Unsized {
        /// The type without size.
        id: u32,
        /// Its kind.
        kind: BtfKind,
    },
    /// A size does not fit 32 bits.
    #[error("type [{id}] is larger than 4 GiB")]
    TooBig {
        /// The type asked for.
        id: u32,
    },
    /// Foreign-endian input with a kind whose fields are unknown cannot be swapped.
    #[error("type [{id}] has kind {kind}, whose byte order cannot be changed")]
    CannotSwap {
        /// The type's id.
        id: u32,
        /// The kind as read.
        kind: u32,
    },
    /// A builder was asked for something that the format does not allow.
    #[error("{what}: {why}")]
    BadArgument {
        /// The request.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Split BTF cannot be added to one that has another base, or none.
    #[error("split BTF can only be added to BTF with the same base")]
    OtherBase,
    /// BTF.ext contents are broken.
    #[error("BTF.ext {section} at offset {offset}: {why}")]
    BadExt {
        /// Which of its sections.
        section: &'static str,
        /// Offset from the end of the header.
        offset: u32,
        /// What is wrong.
        why: &'static str,
    },
    /// Text form that does not parse.
    #[error("line {line}: {why}")]
    BadText {
        /// Line number, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// Types of this kind have no values to show.
    #[error("type [{id}] ({kind}) has no value")]
    NoValue {
        /// The type.
        id: u32,
        /// Its kind.
        kind: BtfKind,
    },
    /// The value has fewer bytes than its type.
    #[error("value of {have} bytes is shorter than type [{id}], which takes {need}")]
    ShortValue {
        /// The type.
        id: u32,
        /// Its size in bytes.
        need: u32,
        /// Bytes given.
        have: usize,
    },
}

impl BtfError {
    /// The error number that libbpf's function of the same purpose returns (positive).
    pub fn errno(&self) -> Errno {
        match self {
            BtfError::TooBig { .. } | BtfError::TooLong { .. } | BtfError::ShortValue { .. } => Errno::E2BIG,
            BtfError::CannotSwap { .. } | BtfError::NoValue { .. } | BtfError::OtherBase => Errno::EOPNOTSUPP,
            BtfError::NoString { .. } => Errno::ENOENT,
            BtfError::Cycle { .. } => Errno::ELOOP,
            _ => Errno::EINVAL,
        }
    }
}
