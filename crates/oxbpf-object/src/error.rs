//! What can be wrong with an object, and where in it.

use std::fmt;
use std::sync::Arc;

use oxbpf_btf::BtfError;
use oxbpf_elf::ElfError;
use oxbpf_uapi::Errno;

/// `LIBBPF_ERRNO__FORMAT`: broken ELF or BTF.
pub(crate) const FORMAT: Errno = Errno(4001);
/// `LIBBPF_ERRNO__RELOC`: a relocation that makes no sense.
pub(crate) const RELOC: Errno = Errno(4005);

/// Why an object cannot be opened: what is wrong, and which part of it.
#[derive(Clone, Debug)]
pub struct ObjectError(Box<Inner>);

#[derive(Clone, Debug)]
struct Inner {
    file: Arc<str>,
    place: Place,
    why: Why,
    errno: Errno,
}

#[derive(Clone, Debug)]
enum Why {
    Elf(ElfError),
    Btf(BtfError),
    Text(String),
}

/// The part of an object that an error is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The whole object.
    #[default]
    Object,
    /// An ELF section.
    Section(String),
    /// A program or function.
    Code {
        /// Section that it is in.
        section: String,
        /// Its name.
        name: String,
    },
    /// An instruction, or the relocation of one.
    Insn {
        /// Section that it is in.
        section: String,
        /// Program or function.
        name: String,
        /// Instruction index within the program or function.
        insn: u32,
        /// Symbol that the relocation refers to, "" without one.
        symbol: String,
    },
    /// A relocation of data.
    Reloc {
        /// Section that is relocated.
        section: String,
        /// Byte offset in it.
        offset: u64,
        /// Symbol that the relocation refers to.
        symbol: String,
    },
    /// A map.
    Map(String),
    /// An extern.
    Extern(String),
    /// A struct_ops variable.
    StructOps(String),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Object => Ok(()),
            Place::Section(name) => write!(f, "section '{name}': "),
            Place::Code { section, name } => write!(f, "section '{section}': '{name}': "),
            Place::Insn { section, name, insn, symbol } if symbol.is_empty() => {
                write!(f, "section '{section}': '{name}': instruction {insn}: ")
            }
            Place::Insn { section, name, insn, symbol } => {
                write!(
                    f,
                    "section '{section}': '{name}': instruction {insn}: relocation against '{symbol}': "
                )
            }
            Place::Reloc { section, offset, symbol } => {
                write!(f, "section '{section}': offset {offset:#x}: relocation against '{symbol}': ")
            }
            Place::Map(name) => write!(f, "map '{name}': "),
            Place::Extern(name) => write!(f, "extern '{name}': "),
            Place::StructOps(name) => write!(f, "struct_ops '{name}': "),
        }
    }
}

impl ObjectError {
    pub(crate) fn new(file: &Arc<str>, place: Place, errno: Errno, why: impl Into<String>) -> Self {
        Self(Box::new(Inner { file: Arc::clone(file), place, why: Why::Text(why.into()), errno }))
    }

    pub(crate) fn btf(file: &Arc<str>, place: Place, source: BtfError) -> Self {
        let errno = source.errno();
        Self(Box::new(Inner { file: Arc::clone(file), place, why: Why::Btf(source), errno }))
    }

    pub(crate) fn elf(source: ElfError) -> Self {
        let (file, errno) = (source.file().into(), source.errno());
        Self(Box::new(Inner { file, place: Place::Object, why: Why::Elf(source), errno }))
    }

    /// Name of the file, as the caller gave it.
    pub fn file(&self) -> &str {
        &self.0.file
    }

    /// Which part of the object.
    pub fn place(&self) -> &Place {
        &self.0.place
    }

    /// The error number that libbpf returns for the same object (positive; 4000 and up are libbpf's own).
    pub fn errno(&self) -> Errno {
        self.0.errno
    }
}

impl fmt::Display for ObjectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.why {
            // The ELF error names the file itself.
            Why::Elf(e) => e.fmt(f),
            Why::Btf(e) => write!(f, "{}: {}{e}", self.0.file, self.0.place),
            Why::Text(why) => write!(f, "{}: {}{why}", self.0.file, self.0.place),
        }
    }
}

impl std::error::Error for ObjectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0.why {
            Why::Elf(e) => Some(e),
            Why::Btf(e) => Some(e),
            Why::Text(_) => None,
        }
    }
}
