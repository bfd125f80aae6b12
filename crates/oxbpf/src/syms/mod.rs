//! Functions of user programs: a file's name and a function's name in, a path and a file offset out.
//!
//! Files are opened through the kernel ([`Opening::Binary`](oxbpf_kernel::Opening::Binary)), so that an embedded kernel
//! may have its own, and of a file only what is needed is read: headers, a hash bucket, a symbol.

pub(crate) mod binary;
mod functions;
mod path;

pub(crate) use functions::matching;
pub use functions::{function_offset, function_offsets, matching_offsets};
pub use oxbpf_elf::glob_match;
pub use path::resolve_path;
