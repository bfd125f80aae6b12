//! Why objects cannot be linked: which files, which symbol, and how each of them defines it.

use std::fmt;
use std::sync::Arc;

use oxbpf_btf::BtfError;
use oxbpf_elf::ElfError;
use oxbpf_uapi::Errno;

/// `ENOTSUP` and `EOPNOTSUPP`, which are one number.
pub(crate) const EOPNOTSUPP: Errno = Errno::EOPNOTSUPP;

/// Why objects cannot be linked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// A file is no BPF object, or broken.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// A file has something that linking does not take.
    #[error("{file}: {why}")]
    Object {
        /// The file.
        file: Arc<str>,
        /// The number that libbpf returns.
        errno: Errno,
        /// What is wrong.
        why: String,
    },
    /// The types of a file are broken.
    #[error("{file}: section '{section}': {source}")]
    Types {
        /// The file.
        file: Arc<str>,
        /// `.BTF` or `.BTF.ext`.
        section: &'static str,
        /// What is wrong.
        source: BtfError,
    },
    /// Two files have sections of one name that cannot become one.
    #[error("section '{section}' of {second} does not go with that of {first}: {why}")]
    Section {
        /// Name of the section.
        section: String,
        /// The file that came first.
        first: Arc<str>,
        /// The file that does not fit.
        second: Arc<str>,
        /// What differs.
        why: String,
    },
    /// Two files disagree about a symbol.
    #[error("symbol '{symbol}': {why}: {first}, and {second}")]
    Symbol {
        /// Name of the symbol.
        symbol: String,
        /// How the file that came first has it.
        first: Box<Definition>,
        /// How the file that does not fit has it.
        second: Box<Definition>,
        /// What differs.
        why: String,
    },
    /// What all files together give is more than an object can have.
    #[error("the linked object: {0}")]
    Result(String),
    /// The types of the linked object cannot be written.
    #[error("the linked object's types: {0}")]
    ResultTypes(BtfError),
    /// An object was refused before, and what was taken from it is in the way.
    #[error("nothing can be linked after an object was refused")]
    Broken,
}

impl LinkError {
    /// The number that libbpf returns for it.
    pub fn errno(&self) -> Errno {
        match self {
            // libbpf's linker calls all of these invalid, where its loader tells them apart.
            Self::Elf(e) if e.errno().0 >= 4000 => Errno::EINVAL,
            Self::Elf(e) => e.errno(),
            Self::Object { errno, .. } => *errno,
            Self::Types { source, .. } | Self::ResultTypes(source) => source.errno(),
            Self::Section { .. } | Self::Symbol { .. } | Self::Broken => Errno::EINVAL,
            Self::Result(_) => Errno::E2BIG,
        }
    }
}

/// How a file has a symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// The file.
    pub file: Arc<str>,
    /// Its declaration in C, "" if its type is not known.
    pub declaration: String,
    /// Whether the file defines it, or only refers to it.
    pub is_extern: bool,
    /// Whether it gives way to others.
    pub is_weak: bool,
}

impl fmt::Display for Definition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let weak = if self.is_weak { "weak " } else { "" };
        let word = if self.is_extern { "declared" } else { "defined" };
        write!(f, "{weak}{word} in {}", self.file)?;
        if self.declaration.is_empty() { Ok(()) } else { write!(f, " as `{}`", self.declaration) }
    }
}
