//! What `libbpf.h` and `libbpf_legacy.h` declare.

pub mod attach;
pub mod handler;
pub mod linfo;
pub mod link;
pub mod linker;
pub mod map;
pub mod map_ops;
pub mod names;
pub mod netlink;
pub mod object;
pub mod perf;
pub mod program;
pub mod ring;
pub mod skeleton;
pub mod user_ring;
