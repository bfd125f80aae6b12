//! The kernel's BPF ABI as data: structs, open newtypes and tables.
//!
//! Nothing here has logic or does I/O. Every enumeration is open: a value that this version does not know is kept
//! and prints as its number.
//!
//! * Tables: [`Cmd`], [`MapType`], [`ProgType`], [`AttachType`], [`LinkType`], [`HelperId`], [`BtfKind`], [`Errno`]
//!   and the small ones in [`consts`]; flag sets in [`flags`]; opcodes in [`insn`].
//! * Structs with the kernel's layout: requests of bpf(2) in [`attr`], answers in [`info`], program contexts in
//!   [`ctx`], BTF records in [`btf_ext`], and [`perf_event`], [`netlink`], [`ring`]. Each implements [`Abi`], which
//!   lists its fields by the kernel's names.
//!
//! Values and offsets are tested against listings of the BTF of running kernels (`testdata/uapi`).

// The zerocopy derives declare hidden types that have no `Debug`, and the lint blames the struct.
#![allow(missing_debug_implementations)]

pub mod abi;
pub mod attach_type;
pub mod attr;
pub mod btf_ext;
pub mod btf_kind;
pub mod cmd;
pub mod consts;
pub mod ctx;
pub mod errno;
pub mod flags;
pub mod helper;
pub mod info;
pub mod insn;
pub mod link_type;
pub mod map_type;
pub mod netlink;
pub mod perf_event;
pub mod prog_type;
pub mod ring;
mod table;

pub use abi::{Abi, Field};
pub use attach_type::AttachType;
pub use btf_kind::BtfKind;
pub use cmd::Cmd;
pub use errno::Errno;
pub use helper::HelperId;
pub use insn::Insn;
pub use link_type::LinkType;
pub use map_type::MapType;
pub use prog_type::ProgType;
pub use table::UnknownName;
