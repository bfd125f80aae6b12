//! The seam: what oxbpf asks of a kernel, and who may answer.
//!
//! Everything above this crate speaks to a kernel only through [`Kernel`], a shared handle on a [`Backend`].
//! Requests carry slices and [`Handle`]s where bpf(2) has addresses and file descriptors, so a back end that lives in
//! the same process reads them as they are, and only the Linux back end turns them into `union bpf_attr`.
//!
//! Not here: any system call. `oxbpf-sys` has those; `oxbpf-runtime` is the embedded kernel.

mod backend;
mod command;
mod describe;
mod handle;
mod kernel;
mod mapping;
mod outputs;
mod perf;
mod poll;
mod record;
pub mod script;
pub mod transcript;

pub use backend::{Backend, Blob, Fact, NlError, NlMessage, Opening, SocketRole};
pub use command::*;
pub use handle::Handle;
pub use kernel::{BtfFd, Kernel, LinkFd, MapFd, ProgFd, TokenFd};
pub use mapping::{Mapping, PerfRecord, PerfRingConsumer, Prot, Reservation, RingConsumer, UserRingProducer};
pub use perf::{PerfEventSpec, PerfRequest};
pub use poll::{Interest, PollEntry, PollSet};
pub use record::{RecordScope, Recorder, RecorderLog};
pub use script::{Replay, Scripted};
pub use transcript::{Line, Transcript};
