//! BPF objects: open, prepare, load.
//!
//! [`ObjectBuilder`] opens a file or bytes into an [`OpenObject`], whose maps, programs and globals can be changed;
//! [`OpenObject::load`] turns it into an [`Object`]. The three states are thin faces of one state machine,
//! [`state::Core`].

pub mod state;

mod arg_ctx;
mod attach_target;
mod btf;
mod builder;
mod core_relo;
mod create;
mod deferred;
mod externs;
mod face;
mod globals;
mod handler;
mod jump_table;
mod load;
mod load_log;
mod open;
mod pin;
mod prepare;
mod prepared;
mod relocate;
mod struct_ops;
pub(crate) mod token;
mod types;

pub use builder::ObjectBuilder;
pub use globals::Global;
pub use handler::SecHandler;
pub use open::{OpenMapMut, OpenObject};
pub(crate) use pin::pin;
pub use prepared::{Object, PreparedObject};
pub(crate) use struct_ops::KernelValue;
pub(crate) use types::KernelTypes;
