//! BTF and BTF.ext on bytes: read, look up, build, edit, print.
//!
//! BTF is the kernel's compact type format: a header, a run of variable-length type records numbered from 1, and a
//! string section. [`Btf`] keeps exactly those bytes, in native byte order, and adds one table with the offset of each
//! type, so opening the running kernel's BTF (5 MB) costs one scan and no copy. Names are indexed at the first
//! look-up by name, not before.
//!
//! | What | Where |
//! | --- | --- |
//! | Parse bytes, iterate, resolve, sizes | [`Btf`], [`TypeRef`], [`Type`] |
//! | Look up by name and kind | [`Btf::find`], [`Btf::find_all`], [`Btf::find_essential`] |
//! | Make or edit BTF | [`BtfBuilder`] |
//! | Put several together, keep each type once | [`BtfBuilder::append_btf`], [`BtfBuilder::dedup`] |
//! | A split BTF for any build of its base | [`Btf::distill_base`], [`Btf::relocate`], [`Btf::parse_on`] |
//! | Either byte order, out as well as in | [`Btf::to_bytes`], [`ByteOrder`] |
//! | Function, line and CO-RE records of a program | [`BtfExt`], [`BtfExtBuilder`] |
//! | The source line of an instruction or machine address | [`ProgLines`] |
//! | Rewrite for kernels that lack newer kinds | [`sanitize`] |
//! | The text that `bpftool btf dump` prints, both ways | [`text`] |
//! | A value's bytes as a tree of Rust values | [`value`] |
//! | A value's bytes as libbpf prints them | [`dump_data`] |
//! | Offsets and holes of a struct, as `pahole` prints them | [`layout`] |
//! | A header in C that compiles to the same types | [`CDump`], [`Btf::dump_c`] |
//! | Types spelled in C | [`Btf::c_name`] |
//! | Where a raw record's ids and string offsets are | [`fields`] |
//!
//! ```
//! use oxbpf_btf::{BtfBuilder, IntFlags, Type};
//! use oxbpf_uapi::BtfKind;
//!
//! let mut b = BtfBuilder::new();
//! let int = b.add_int("int", 4, IntFlags::SIGNED)?;
//! let point = b.add_struct("point", 8)?;
//! b.add_field("x", int, 0, 0)?;
//! b.add_field("y", int, 32, 0)?;
//! let btf = b.finish()?;
//!
//! assert_eq!(btf.find("point", BtfKind::STRUCT), Some(point));
//! let Type::Struct(s) = btf.get(point)?.view() else { panic!("not a struct") };
//! let names: Vec<&str> = s.members().map(|m| m.name).collect();
//! assert_eq!(names, ["x", "y"]);
//! # Ok::<(), oxbpf_btf::BtfError>(())
//! ```
//!
//! # A tool in ten minutes
//!
//! Say you want to know where a struct wastes memory. A compiler that is given `-g` for BPF, and the kernel itself
//! (`/sys/kernel/btf/vmlinux`), store their types as BTF. Here they come as text, in the form that `bpftool btf dump`
//! prints, so that the example stands alone; a file's bytes go to [`Btf::parse`] instead.
//!
//! ```
//! use oxbpf_btf::{Btf, Type, TypeId, text};
//! use oxbpf_uapi::BtfKind;
//!
//! let btf: Btf = text::parse("\
//! [1] INT 'char' size=1 bits_offset=0 nr_bits=8 encoding=CHAR
//! [2] INT 'long' size=8 bits_offset=0 nr_bits=64 encoding=SIGNED
//! [3] PTR '(anon)' type_id=1
//! [4] TYPEDEF 'count_t' type_id=2
//! [5] STRUCT 'entry' size=24 vlen=3
//! \t'tag' type_id=1 bits_offset=0
//! \t'count' type_id=4 bits_offset=64
//! \t'name' type_id=3 bits_offset=128
//! ")?;
//!
//! // Types have numbers. Those with names are found by name and kind: C has `struct x` beside `typedef x`.
//! let id: TypeId = btf.find("entry", BtfKind::STRUCT).expect("it is there");
//!
//! // A type's view shows what its kind has. Members name their types by number again.
//! let Type::Struct(entry) = btf.get(id)?.view() else { unreachable!("it was found as a struct") };
//! let mut end = 0;
//! let mut holes = Vec::new();
//! for member in entry.members() {
//!     let begin = member.bit_offset / 8;
//!     if begin > end {
//!         holes.push((member.name, begin - end));
//!     }
//!     // The size goes through typedefs, `const`, arrays; a pointer's is that of the machine the BTF is for.
//!     end = begin + btf.size_of(member.type_id)?;
//! }
//! assert_eq!(holes, [("count", 7)]);
//!
//! // Types are spelled as in C.
//! assert_eq!(btf.c_name(TypeId(3)), "char *");
//! # Ok::<(), oxbpf_btf::BtfError>(())
//! ```
//!
//! A module of the kernel has types of its own that go on from the kernel's: a *split* BTF. Read the base first, share
//! it, and look up as before; [`Btf::find_own`] leaves out the base.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use oxbpf_btf::Btf;
//! # use oxbpf_uapi::BtfKind;
//! let vmlinux = Arc::new(Btf::parse(std::fs::read("/sys/kernel/btf/vmlinux")?)?);
//! let module = Btf::parse_split(std::fs::read("/sys/kernel/btf/nf_tables")?, vmlinux)?;
//! for t in module.own_types().filter(|t| t.kind() == BtfKind::STRUCT) {
//!     println!("{} has {} bytes", t.name(), t.size());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! To change types, take a [`BtfBuilder`] from them ([`BtfBuilder::from_btf`]), add or [`BtfBuilder::append_btf`],
//! [`BtfBuilder::dedup`], and [`BtfBuilder::finish`]; the bytes to write are [`Btf::to_bytes`]. What a program keeps per
//! instruction is in [`BtfExt`].
//!
//! # Hostile input
//!
//! Nothing here touches a file or a kernel. Input may be hostile: every length, offset and id is checked, reference
//! chains are followed to a bounded depth, and broken input is a [`BtfError`], never a panic.

mod append;
mod btf;
mod builder;
mod bytes;
mod c_name;
mod decl;
mod dedup;
mod distill;
mod dump_c;
pub mod dump_data;
mod edit;
mod error;
mod ext;
mod ext_build;
mod ext_fields;
pub mod fields;
mod intern;
pub mod layout;
mod linfo;
mod lookup;
mod lookup_many;
mod measure;
mod order;
mod permute;
mod raw;
mod record;
mod relocate;
pub mod sanitize;
mod scan;
mod selection;
mod str_set;
pub mod text;
mod validate;
pub mod value;
mod view;

pub use append::Placement;
pub use btf::{Btf, TypeId};
pub use builder::{BtfBuilder, IntFlags};
pub use bytes::Bytes;
pub use dump_c::{CDump, DeclOpts};
pub use error::BtfError;
pub use ext::{BtfExt, CoreRelo, FuncInfo, InfoSec, LineInfo};
pub use ext_build::{BtfExtBuilder, ExtTable};
pub use linfo::{JitedLines, ProgLines};
pub use lookup::essential_name;
pub use order::ByteOrder;
pub use oxbpf_uapi::consts::{CoreReloKind, FuncLinkage};
pub use raw::Header;
pub use selection::Selection;
pub use view::{
    Composite, DataSecView, EnumValue, EnumView, FuncProtoView, IntEncoding, Member, Param, SecVar, Type,
    TypeRef, VarLinkage,
};
