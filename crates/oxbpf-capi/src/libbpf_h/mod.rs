//! What `libbpf.h` and `libbpf_legacy.h` declare.

pub mod attach;
pub mod handler;
pub mod link;
pub mod map;
pub mod map_ops;
pub mod names;
pub mod object;
pub mod perf;
pub mod program;
pub mod ring;
pub mod skeleton;
pub mod user_ring;
