//! The kernel's BPF ABI as data: structs, open newtypes and tables.
//!
//! Nothing here has logic or does I/O. Every enumeration is open: a value that this version does not know is kept
//! and prints as its number.

pub mod abi;
pub mod attach_type;
pub mod attr;
pub mod btf_kind;
pub mod cmd;
pub mod errno;
pub mod helper;
pub mod insn;
pub mod link_type;
pub mod map_type;
pub mod prog_type;
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
