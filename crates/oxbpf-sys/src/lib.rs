//! The Linux back end of oxbpf: typed requests in, system calls out.
//!
//! [`Linux`] implements [`Backend`](oxbpf_kernel::Backend). Beside it are the system services that a command-line tool
//! and the embedded kernel need and that no other crate may have, because they take `unsafe` code: signals and child
//! processes ([`process`]), traced processes ([`trace`]), mounts and limits.

mod attr;
mod btf_section;
mod facts;
mod info;
pub mod limits;
mod linux;
pub mod mounts;
mod netlink;
mod perf;
mod poll;
pub mod process;
mod syscall;
pub mod trace;

pub use limits::{raise_memlock, why_not_bpf};
pub use linux::{Linux, kernel};
pub use syscall::add_certificate;
