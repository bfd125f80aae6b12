//! A BPF ELF object and its BTF in, a pure [`ObjectSpec`] out.
//!
//! | What | Where |
//! | --- | --- |
//! | Read a file's bytes: programs, functions, maps, externs, struct_ops, relocations | [`open`] |
//! | What a `SEC()` name means | [`sec_def`] |
//! | A program with the functions that it calls, as the kernel wants it | [`assemble`] |
//! | Its function and line records, and its CO-RE relocations | [`ExtRecords`] |
//! | A spec as text | [`dump`] |
//!
//! ```no_run
//! use oxbpf_object::{ExtRecords, OpenOptions, ProgId, assemble, dump::Dump, open};
//!
//! let path = "opensnoop.bpf.o";
//! let spec = open(std::fs::read(path)?, &OpenOptions::from_path(path))?;
//! println!("{}", Dump(&spec));
//!
//! let records = ExtRecords::new(&spec)?;
//! let code = assemble(&spec, ProgId(0))?;
//! let info = records.ext_info(&code)?;
//! println!("{} instructions, {} bytes of line records", code.insns.len(), info.line_info.len());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Nothing here touches a file or a kernel, and the same bytes give the same spec on every machine. Input may be
//! hostile: every offset and count is checked, memory is bounded by the size of the file (`.bss` by a fixed limit), and
//! broken input is an [`ObjectError`] that names file, section and instruction, never a panic.
//!
//! # Where this differs from libbpf
//!
//! * Static functions in a program's section are functions like those in `.text`; libbpf refuses them.
//! * A call may lead to any function, and to another program; libbpf wants functions to be in `.text`.
//! * The size of ring buffers is left as it is declared, because rounding it depends on the machine's page size.
//! * A relocation that leads into the middle of a function is an error; libbpf takes the function's start.

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
pub use map_def::{BadDef, map_def};
pub use open::{OpenOptions, open};
pub use sec_def::{AttachKind, SecDef, SecFlags};
pub use spec::*;
