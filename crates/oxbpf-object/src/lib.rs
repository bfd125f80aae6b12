//! A BPF ELF object and its BTF in, a pure [`ObjectSpec`] out.

pub mod sec_def;
pub mod spec;

pub use sec_def::{AttachKind, SecDef, SecFlags};
pub use spec::*;
