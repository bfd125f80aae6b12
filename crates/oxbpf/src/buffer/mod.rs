//! Events that programs send to user space: samples in shared memory in, callbacks with borrowed slices out.
//!
//! * [`RingBuffer`] reads maps of type ring buffer: one ring for all CPUs, in order. Linux 5.8.
//! * [`PerfBuffer`] reads maps of type perf event array: a ring for each CPU, which can overflow and then
//!   counts what it lost.
//! * [`UserRingBuffer`] goes the other way: it writes samples for a program to drain. Linux 6.1.
//!
//! [`typed`] gives a sample its type.
//!
//! None has a thread of its own, and none belongs to a runtime: [`try_consume`](RingBuffer::try_consume) is what asynchronous ones call when
//! [`ready_fd`](RingBuffer::ready_fd) is readable. [`poll`](RingBuffer::poll) sleeps until there is something and hands it
//! to the callbacks; [`ready_fd`](RingBuffer::ready_fd) is a descriptor for a reactor to wait on, after which
//! [`consume`](RingBuffer::consume) does the same without sleeping. A sample is the kernel's memory, lent to
//! the callback; it is given back when the callback returns.

mod perf;
mod ring;
#[cfg(all(test, feature = "linux"))]
mod tests;
mod user_ring;

use std::io;

use oxbpf_kernel::{GetInfo, InfoBuffers, Kernel, MapFd};
use oxbpf_uapi::info::MapInfo;
use oxbpf_uapi::{Cmd, MapType};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::error::{At, Error, Frame, Result};
pub use perf::{PerfBuffer, PerfBufferBuilder};
pub use ring::{Ring, RingBuffer, RingBufferBuilder};
pub use user_ring::{UserRingBuffer, UserSample};

/// A sample as the type that the program wrote, in place. Longer samples are cut: perf buffers pad them.
///
/// Samples of ring buffers lie at multiples of 8 bytes, those of perf buffers at multiples of 4; where a type wants more, copy it with
/// [`FromBytes::read_from_prefix`].
///
/// ```
/// let sample = [7u32, 8, 9];
/// let bytes = zerocopy::IntoBytes::as_bytes(&sample);
/// assert_eq!(oxbpf::buffer::typed::<[u32; 2]>(bytes)?, &[7, 8]);
/// assert!(oxbpf::buffer::typed::<[u64; 2]>(bytes).is_err());
/// # Ok::<(), oxbpf::Error>(())
/// ```
///
/// # Errors
/// `InvalidInput` if the sample is shorter than the type, or not aligned for it.
pub fn typed<T: FromBytes + Immutable + KnownLayout>(sample: &[u8]) -> Result<&T> {
    T::ref_from_prefix(sample).map(|(value, _)| value).map_err(|_| {
        let (have, want, align) = (sample.len(), size_of::<T>(), align_of::<T>());
        Error::invalid_input(format!(
            "a sample of {have} bytes is no type of {want} bytes at a multiple of {align}"
        ))
    })
}

/// What runtimes want to hear: that there was nothing, or how much.
fn or_would_block(consumed: Result<usize>) -> io::Result<usize> {
    match consumed {
        Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
        Ok(samples) => Ok(samples),
        Err(e) => Err(io::Error::other(e)),
    }
}

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
