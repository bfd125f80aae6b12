//! Events that programs send to user space: samples in shared memory in, callbacks with borrowed slices out.
//!
//! * [`RingBuffer`] reads maps of type ring buffer: one ring for all CPUs, in order. Linux 5.8.
//! * [`PerfBuffer`] reads maps of type perf event array: a ring for each CPU, which can overflow and then
//!   counts what it lost.
//! * [`UserRingBuffer`] goes the other way: it writes samples for a program to drain. Linux 6.1.
//!
//! None has a thread of its own. [`poll`](RingBuffer::poll) sleeps until there is something and hands it
//! to the callbacks; [`ready_fd`](RingBuffer::ready_fd) is a descriptor for a reactor to wait on, after which
//! [`consume`](RingBuffer::consume) does the same without sleeping. A sample is the kernel's memory, lent to
//! the callback; it is given back when the callback returns.

mod perf;
mod ring;
#[cfg(all(test, feature = "linux"))]
mod tests;
mod user_ring;

use oxbpf_kernel::{GetInfo, InfoBuffers, Kernel, MapFd};
use oxbpf_uapi::info::MapInfo;
use oxbpf_uapi::{Cmd, MapType};
use zerocopy::IntoBytes;

use crate::error::{At, Error, Frame, Result};
pub use perf::{PerfBuffer, PerfBufferBuilder};
pub use ring::{Ring, RingBuffer, RingBufferBuilder};
pub use user_ring::{UserRingBuffer, UserSample};

/// Asks what a map is, and refuses one of another type.
fn map_of_type(kernel: &Kernel, map: &MapFd, wanted: MapType, reader: &str) -> Result<(MapInfo, Frame)> {
    let mut info = MapInfo::default();
    kernel
        .get_info(GetInfo { object: map, info: info.as_mut_bytes(), buffers: InfoBuffers::None })
        .at(|| Frame::Command(Cmd::OBJ_GET_INFO_BY_FD))
        .at(|| {
            Frame::Step(if wanted == MapType::RINGBUF { "open ring buffer" } else { "open perf buffer" })
        })?;
    let name = info.name.split(|b| *b == 0).next().unwrap_or_default();
    let frame = Frame::Map(String::from_utf8_lossy(name).into_owned());
    if info.r#type != wanted {
        let message = format!("{reader} reads {wanted} maps, and this is a {} map", info.r#type);
        return Err(Error::invalid_input(message).at(frame));
    }
    Ok((info, frame))
}
