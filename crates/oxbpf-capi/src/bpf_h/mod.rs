//! What `bpf.h` declares: one command of bpf(2) a function.

pub mod attr;
pub mod link;
pub mod load;
pub mod map;
pub mod prog;
