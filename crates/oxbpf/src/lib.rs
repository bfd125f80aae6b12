//! Load, attach and use BPF programs.
//!
//! A compiled object file goes through three states, each its own type:
//!
//! | Type | What it is | What can be done |
//! | --- | --- | --- |
//! | [`OpenObject`] | read and checked, no kernel involved | change maps, programs and global variables |
//! | [`PreparedObject`] | maps exist, code is relocated | load |
//! | [`Object`] | programs are loaded | attach, use maps, read events |
//!
//! ```no_run
//! use oxbpf::ObjectBuilder;
//!
//! let mut open = ObjectBuilder::new().open_file("opensnoop.bpf.o")?;
//! open.set_global("targ_pid", &1234u32)?;
//! let object = open.load()?;
//! let counts = object.map("counts")?;
//! counts.update(&7u32.to_ne_bytes(), &0u64.to_ne_bytes(), Default::default())?;
//! # Ok::<(), oxbpf::Error>(())
//! ```
//!
//! Everything is asked of a [`Kernel`]: the running Linux, the embedded kernel of `oxbpf-runtime`, or a recording of
//! either. Loading is all or nothing: on an error everything that was created is released again.
//!
//! Errors are one type, [`Error`]; steps are logged through the `log` crate with the module as target.

pub mod btf;
pub mod buffer;
pub mod error;
pub mod feature;
mod ids;
pub mod kallsyms;
mod kconfig;
pub mod link;
mod linker;
pub mod loader;
pub mod map;
pub mod object;
pub mod program;
pub mod stats;
pub mod syms;
pub mod token;

pub use error::{Error, ErrorKind, Frame, Result};
pub use feature::{DeviceFeatures, Feature, Features};
pub use ids::OpenId;
pub use linker::Linker;
pub use map::{Map, OwnedMap, TypedMap};
pub use object::{Global, Object, ObjectBuilder, OpenMapMut, OpenObject, PreparedObject, SecHandler};
pub use oxbpf_kernel::Kernel;
pub use oxbpf_object::{AttachKind, MapId, ProgId};
pub use program::{OpenProgramMut, OwnedProgram, Program};

/// The running Linux kernel.
///
/// ```no_run
/// let kernel = oxbpf::kernel();
/// assert_eq!(kernel.name(), "linux");
/// ```
#[cfg(feature = "linux")]
pub fn kernel() -> Kernel {
    oxbpf_sys::kernel()
}
