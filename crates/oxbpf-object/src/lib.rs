//! A BPF ELF object and its BTF in, a pure [`ObjectSpec`] out.

mod assemble;
mod btf_fix;
mod code;
pub mod dump;
mod error;
mod ext_info;
mod externs;
mod layout;
mod map_def;
mod maps;
mod open;
mod relocs;
pub mod sec_def;
pub mod spec;

pub use assemble::{CoreReloc, Piece, ProgramCode, assemble};
pub use code::CodeId;
pub use error::{ObjectError, Place};
pub use ext_info::{ExtInfo, ExtRecords};
pub use open::{OpenOptions, open};
pub use sec_def::{AttachKind, SecDef, SecFlags};
pub use spec::*;
