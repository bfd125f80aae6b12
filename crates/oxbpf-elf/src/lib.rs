//! ELF files as BPF sees them: relocatable objects that a BPF compiler wrote, and the executables and libraries that
//! user-space probes go into.
//!
//! | What | Where |
//! | --- | --- |
//! | Sections, symbols and relocations of a BPF object | [`ElfObject`] |
//! | Function name to file offset, in an executable or a library; build id; one section's bytes | [`ExecFile`] |
//! | Statically defined probes (USDT) of such a file, and where their arguments are | [`usdt`] |
//! | A library stored in a ZIP archive | [`find_member`] |
//! | The same of a file of which only pieces are read | [`FileCache`] |
//!
//! All read borrowed bytes and touch no file. Input may be hostile: every offset and count is checked against the
//! bytes that are there, and broken input is an [`ElfError`] that names file, section and offset, never a panic.

mod data;
mod error;
mod exec;
mod names;
mod object;
mod symbols;
pub mod usdt;
mod versions;
mod zip;

pub use data::{Data, FileCache};
pub use error::{ElfError, ElfErrorKind};
pub use exec::{ExecFile, ExecFunc, glob_match};
pub use object::{Binding, ElfObject, Rel, Section, SymSection, Symbol, SymbolKind, Visibility, reloc};
pub use zip::{ZipMember, find_member};
