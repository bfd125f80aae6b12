//! Loader programs: the commands that load an object in, a BPF program that makes them out.
//!
//! [`LoaderGen`] is a [`Backend`](oxbpf_kernel::Backend) that carries nothing out. It keeps what a loader asks for, and
//! [`LoaderGen::finish`] turns that into a [`LoaderProgram`]: instructions of a program of type `syscall`, and a blob of bytes that has
//! the requests, instructions, BTF and first contents of maps. A kernel that runs the program with the blob as its only map ends with the same
//! maps and programs. What a loader otherwise looks up beforehand, the program asks of the kernel that it runs in: ids of types and
//! functions with `bpf_btf_find_by_name_kind`, addresses with `bpf_kallsyms_lookup_name`; CO-RE relocations go with the program loads.
//!
//! Layout of the blob, of the context ([`Context`]) and the order of requests are those of libbpf's light skeletons
//! (`gen_loader.c`, `skel_internal.h`), so that either side's runner runs either side's programs.
//!
//! Not here: reading objects (`oxbpf`), running the result (`oxbpf::loader`).

mod attr;
mod blob;
mod code;
mod context;
mod error;
mod generator;
mod lower;
mod op;
mod program;
#[cfg(feature = "sign")]
pub mod sign;
mod step;
mod symbols;

pub use context::{Context, MapInput};
pub use error::GenError;
pub use generator::{GenHash, GenOptions, LoaderGen};
pub use program::LoaderProgram;
pub use step::Step;
