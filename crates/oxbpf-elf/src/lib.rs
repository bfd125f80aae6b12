//! ELF files as BPF sees them.

mod error;
mod names;
mod object;

pub use error::{ElfError, ElfErrorKind};
pub use object::{Binding, ElfObject, Rel, Section, SymSection, Symbol, SymbolKind, Visibility, reloc};
