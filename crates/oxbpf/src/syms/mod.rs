//! Functions of user programs: a file's name and a function's name in, a path and a file offset out.
//!
//! Files are read through the kernel's [`Fact::Binary`](oxbpf_kernel::Fact::Binary), so that an embedded
//! kernel may have its own.

mod functions;
mod path;

pub use functions::{function_offset, function_offsets, matching_offsets};
pub use oxbpf_elf::glob_match;
pub use path::resolve_path;
