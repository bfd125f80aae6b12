//! What can be wrong with an ELF file.

use std::fmt;
use std::sync::Arc;

use oxbpf_uapi::Errno;

/// What is wrong with an ELF file, and which file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElfError {
    file: Arc<str>,
    kind: ElfErrorKind,
}

impl ElfError {
    pub(crate) fn new(file: &Arc<str>, kind: ElfErrorKind) -> Self {
        Self { file: Arc::clone(file), kind }
    }

    /// Name of the file, as the caller gave it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// What is wrong.
    pub fn kind(&self) -> &ElfErrorKind {
        &self.kind
    }

    /// The error number that libbpf returns for the same file (positive; 4000 and up are libbpf's own).
    pub fn errno(&self) -> Errno {
        match &self.kind {
            ElfErrorKind::NotElf { .. } | ElfErrorKind::Empty => Errno(LIBBPF_ERRNO_LIBELF),
            ElfErrorKind::NoSymbolTable
            | ElfErrorKind::NoSuchSymbol { .. }
            | ElfErrorKind::NoUsdtNotes
            | ElfErrorKind::NoSuchProbe { .. }
            | ElfErrorKind::NoSuchMember { .. } => Errno::ENOENT,
            ElfErrorKind::Ambiguous { .. }
            | ElfErrorKind::BadNote { .. }
            | ElfErrorKind::BadArchive { .. } => Errno::EINVAL,
            ElfErrorKind::BadProbe { .. } => Errno::ESRCH,
            _ => Errno(LIBBPF_ERRNO_FORMAT),
        }
    }
}

/// `LIBBPF_ERRNO__LIBELF`: the file is not ELF at all.
const LIBBPF_ERRNO_LIBELF: i32 = 4000;
/// `LIBBPF_ERRNO__FORMAT`: it is ELF, and broken or of the wrong sort.
const LIBBPF_ERRNO_FORMAT: i32 = 4001;

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.kind)
    }
}

impl std::error::Error for ElfError {}

/// Ways in which a file can be broken or of the wrong sort. Offsets and sizes are in bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ElfErrorKind {
    /// There are no bytes.
    #[error("empty file")]
    Empty,
    /// The magic number is not ELF's.
    #[error("not an ELF file (it starts with {start})")]
    NotElf {
        /// The first bytes, as hex or text.
        start: String,
    },
    /// The header is cut off.
    #[error("truncated: {len} bytes are too few for an ELF header of {need}")]
    TruncatedHeader {
        /// Bytes that are there.
        len: usize,
        /// Bytes that the header takes.
        need: usize,
    },
    /// A 32-bit file where only 64-bit ones make sense.
    #[error("32-bit ELF; BPF objects are 64-bit")]
    Class32,
    /// Class, byte order or version field has an unknown value.
    #[error("ELF header field {field} has unknown value {value}")]
    BadIdent {
        /// The field.
        field: &'static str,
        /// Its value.
        value: u8,
    },
    /// Compiled for another machine.
    #[error("compiled for {machine}, not for BPF; compile with `clang --target=bpf -g -O2 -c`")]
    NotBpf {
        /// Name of the machine, or its number.
        machine: String,
    },
    /// An executable or library where an object is needed, or the other way round.
    #[error("{is}, not {wanted}")]
    WrongType {
        /// What the file is.
        is: String,
        /// What is needed.
        wanted: &'static str,
    },
    /// The section header table is outside the file or malformed.
    #[error("section header table at offset {offset:#x} with {count} entries: {why}")]
    BadSectionTable {
        /// Its file offset.
        offset: u64,
        /// How many entries the header claims.
        count: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A section's data is outside the file, or the section is malformed.
    #[error("section {index} '{name}' at offset {offset:#x}, {size:#x} bytes: {why}")]
    BadSection {
        /// Its index.
        index: u32,
        /// Its name, "?" if that cannot be read.
        name: String,
        /// Its file offset.
        offset: u64,
        /// Its size.
        size: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A symbol is malformed.
    #[error("symbol {index} of section '{section}': {why}")]
    BadSymbol {
        /// Name of the symbol table's section.
        section: String,
        /// The symbol's index.
        index: u32,
        /// What is wrong.
        why: &'static str,
    },
    /// Two symbol tables.
    #[error("sections {first} and {second} are both symbol tables")]
    TwoSymbolTables {
        /// Index of the first.
        first: u32,
        /// Index of the second.
        second: u32,
    },
    /// No symbol table.
    #[error("no symbol table; the file is stripped")]
    NoSymbolTable,
    /// No function of this name.
    #[error("no function '{name}'{hint}")]
    NoSuchSymbol {
        /// The name asked for.
        name: String,
        /// "" or what to do about it.
        hint: &'static str,
    },
    /// A name that stands for two functions of equal rank.
    #[error("'{name}' is ambiguous: functions at file offsets {first:#x} and {second:#x}")]
    Ambiguous {
        /// The name asked for.
        name: String,
        /// File offset of one.
        first: u64,
        /// File offset of the other.
        second: u64,
    },
    /// No statically defined probes.
    #[error("no statically defined probes (section .note.stapsdt)")]
    NoUsdtNotes,
    /// A probe's note is malformed.
    #[error("note at {offset:#x} of .note.stapsdt: {why}")]
    BadNote {
        /// Byte offset in the section.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// No probe of this name.
    #[error("no probe '{name}'")]
    NoSuchProbe {
        /// `provider:name`.
        name: String,
    },
    /// A probe is where none can be.
    #[error("probe '{name}': {why} (address {address:#x})")]
    BadProbe {
        /// `provider:name`.
        name: String,
        /// The address.
        address: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// An archive is malformed.
    #[error("archive, at {offset:#x}: {why}")]
    BadArchive {
        /// File offset.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// No member of this name.
    #[error("no member '{name}' in the archive")]
    NoSuchMember {
        /// The name asked for.
        name: String,
    },
    /// A member whose bytes are not in the archive as they are.
    #[error("member '{name}' is {how} in the archive, so that the kernel can't run it from there")]
    PackedMember {
        /// The name asked for.
        name: String,
        /// How it is stored.
        how: &'static str,
    },
}
