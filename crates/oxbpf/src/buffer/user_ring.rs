//! User ring buffers: samples of this process, drained by a program with `bpf_user_ringbuf_drain`.

use core::cell::Cell;
use core::fmt;
use core::marker::PhantomData;
use std::time::{Duration, Instant};

use oxbpf_kernel::{Kernel, MapFd, PollSet, Reservation, UserRingProducer};
use oxbpf_uapi::{Errno, MapType};
use zerocopy::{Immutable, IntoBytes};

use super::map_of_type;
use crate::error::{At, Error, Frame, Result};

/// Writes samples for a program of the kernel to read. Linux 6.1.
///
/// It may move between threads but is not shared by them: two threads that reserve at once would get the same room. A map
/// has one producer at a time.
///
/// ```no_run
/// # fn example(object: &oxbpf::Object) -> oxbpf::Result<()> {
/// use oxbpf::buffer::UserRingBuffer;
///
/// let requests = UserRingBuffer::new(object.kernel(), object.map("requests")?.fd())?;
/// let mut sample = requests.reserve(8)?;
/// sample.write(0, &42u64.to_ne_bytes())?;
/// sample.submit();
/// # Ok(())
/// # }
/// ```
#[doc(alias = "user_ring_buffer")]
pub struct UserRingBuffer {
    kernel: Kernel,
    name: Frame,
    map: MapFd,
    producer: UserRingProducer,
    not_shared: PhantomData<Cell<()>>,
}

/// Room for one sample. Dropping it without [`submit`](Self::submit) discards it.
///
/// The program gets samples in the order in which they were reserved, and nothing that comes after one that is neither
/// submitted nor discarded.
#[must_use = "a sample that is dropped is discarded"]
pub struct UserSample<'r> {
    ring: &'r UserRingBuffer,
    /// Taken by submit and discard.
    reservation: Option<Reservation>,
}

impl UserRingBuffer {
    /// Maps the ring of a map of type user ring buffer.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the map is of another type; the kernel's when it is mapped.
    #[doc(alias = "user_ring_buffer__new")]
    pub fn new(kernel: &Kernel, map: &MapFd) -> Result<Self> {
        let (info, name) = map_of_type(kernel, map, MapType::USER_RINGBUF, "a user ring buffer")?;
        let producer = UserRingProducer::map(kernel, map, info.max_entries);
        let producer = producer.at(|| Frame::Syscall("mmap")).at(|| name.clone())?;
        Ok(Self { kernel: kernel.clone(), name, map: map.clone(), producer, not_shared: PhantomData })
    }

    /// The map.
    pub fn map(&self) -> &MapFd {
        &self.map
    }

    /// Bytes that the ring can hold; a sample takes 8 more than its own, rounded up to 8.
    pub fn size(&self) -> usize {
        self.producer.size()
    }

    /// Makes room for a sample of `len` bytes. Its bytes are what an earlier sample left until they are written.
    ///
    /// # Errors
    /// `E2BIG` if the ring could never hold it; `ENOSPC` if the program has not read enough of it yet.
    #[doc(alias = "user_ring_buffer__reserve")]
    pub fn reserve(&self, len: u32) -> Result<UserSample<'_>> {
        let reservation = self.try_reserve(len).map_err(|errno| self.refusal(len, errno))?;
        Ok(UserSample { ring: self, reservation: Some(reservation) })
    }

    /// As [`reserve`](Self::reserve), but waits up to `timeout` (`None` without end) for the program to make room. It does
    /// that each time it has drained the ring, unless told not to wake anyone.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve), `ENOSPC` when the time is over; [`Interrupted`](crate::ErrorKind::Interrupted) if a
    /// signal came first.
    #[doc(alias = "user_ring_buffer__reserve_blocking")]
    pub fn reserve_blocking(&self, len: u32, timeout: Option<Duration>) -> Result<UserSample<'_>> {
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        let mut set = PollSet::new();
        set.add_writer((*self.map).clone(), 0);
        loop {
            match self.try_reserve(len) {
                Ok(reservation) => return Ok(UserSample { ring: self, reservation: Some(reservation) }),
                Err(Errno::ENOSPC) => {}
                Err(errno) => return Err(self.refusal(len, errno)),
            }
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(self.refusal(len, Errno::ENOSPC));
            }
            let wait = || Frame::Step("wait for room in a user ring buffer:");
            self.kernel.poll(&mut set, left).at(wait).at(|| self.name.clone())?;
        }
    }

    /// As [`reserve`](Self::reserve) for a whole value, which is written and submitted.
    ///
    /// # Errors
    /// As [`reserve`](Self::reserve).
    pub fn send<T: IntoBytes + Immutable + ?Sized>(&self, value: &T) -> Result<()> {
        let bytes = value.as_bytes();
        let len = u32::try_from(bytes.len()).map_err(|_| self.refusal(u32::MAX, Errno::E2BIG))?;
        let mut sample = self.reserve(len)?;
        sample.write(0, bytes)?;
        sample.submit();
        Ok(())
    }

    fn try_reserve(&self, len: u32) -> Result<Reservation, Errno> {
        self.producer.reserve(len)
    }

    fn refusal(&self, len: u32, errno: Errno) -> Error {
        let size = self.size();
        let message = match errno {
            Errno::E2BIG => format!("a sample of {len} bytes does not fit in a ring of {size}"),
            Errno::ENOSPC => {
                format!("no room for a sample of {len} bytes: the program has not read the ring")
            }
            _ => "the positions of the ring make no sense: another process writes to it".to_owned(),
        };
        Error::kernel(errno).with_message(message).at(self.name.clone())
    }
}

impl UserSample<'_> {
    /// Bytes of the sample.
    pub fn len(&self) -> usize {
        self.reservation.as_ref().map_or(0, Reservation::len)
    }

    /// Whether the sample has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies `bytes` into the ring, at byte `at` of the sample.
    ///
    /// # Errors
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) if they do not fit.
    pub fn write(&mut self, at: usize, bytes: &[u8]) -> Result<()> {
        let written = match &self.reservation {
            Some(reservation) => self.ring.producer.write(reservation, at, bytes),
            None => Err(Errno::EINVAL),
        };
        written.map_err(|errno| {
            let message = format!("{} bytes at {at} do not fit in a sample of {}", bytes.len(), self.len());
            Error::invalid_input(message).with_errno(errno).at(self.ring.name.clone())
        })
    }

    /// Lets the program have it.
    #[doc(alias = "user_ring_buffer__submit")]
    pub fn submit(mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.ring.producer.submit(reservation);
        }
    }

    /// Gives the room back; the program passes over it.
    #[doc(alias = "user_ring_buffer__discard")]
    pub fn discard(self) {
        drop(self);
    }
}

impl Drop for UserSample<'_> {
    fn drop(&mut self) {
        if let Some(reservation) = self.reservation.take() {
            self.ring.producer.discard(reservation);
        }
    }
}

impl fmt::Debug for UserRingBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserRingBuffer")
            .field("map", &self.map)
            .field("producer", &self.producer)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UserSample<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserSample").field("reservation", &self.reservation).finish_non_exhaustive()
    }
}
