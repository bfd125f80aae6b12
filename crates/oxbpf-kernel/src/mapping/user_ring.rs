//! The producing side of a user ring buffer: bytes in, records that a BPF program drains out.
//!
//! Layout (`kernel/bpf/ringbuf.c`, Linux 6.1): a page that begins with the kernel's consumer position, which user space may
//! only read, a page that begins with the producer position, and the data, mapped twice in a row. A record is a header of
//! 8 bytes, whose first word is the length with two flag bits, and the sample; the whole is rounded up to 8. The kernel
//! stops at the first record whose busy bit is set.
//!
//! Nothing here is unsafe: samples are copied in by atomics, so a kernel that reads too early sees a mix of bytes and no
//! rule of Rust's is broken.

use core::sync::atomic::Ordering;

use oxbpf_uapi::Errno;
use oxbpf_uapi::ring::{BUSY_BIT, DISCARD_BIT, HEADER_LEN};

use super::{Mapping, Prot};
use crate::{Handle, Kernel};

/// The producing side of one user ring buffer. A ring has one producer at a time: two that reserve at once get the same
/// place.
#[derive(Debug)]
pub struct UserRingProducer {
    consumer: Mapping,
    producer: Mapping,
    data: Mapping,
}

/// Room for a sample, until it is submitted or discarded.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "the kernel waits at a record that is neither submitted nor discarded"]
pub struct Reservation {
    /// Of the header, in the data, not wrapped twice.
    offset: usize,
    len: u32,
}

impl Reservation {
    /// Bytes of the sample.
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether the sample has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl UserRingProducer {
    /// Maps the ring of `map`, a user ring buffer map whose `max_entries` is `size`.
    ///
    /// # Errors
    /// As mmap(2); `EINVAL` if `size` is no power of two.
    pub fn map(kernel: &Kernel, map: &Handle, size: u32) -> Result<Self, Errno> {
        let page = u64::try_from(rustix::param::page_size()).map_err(|_| Errno::EOVERFLOW)?;
        // The kernel refuses a writable view of its own position.
        let consumer = kernel.mmap(map, 0..page, Prot::Read)?;
        let producer = kernel.mmap(map, page..page * 2 + u64::from(size) * 2, Prot::ReadWrite)?;
        Self::new(consumer, producer, size as usize)
    }

    /// Produces into `producer`, the page with the producer's position followed by the data of `size` bytes, visible twice in a
    /// row; `consumer` begins with the position up to which the kernel has read.
    ///
    /// # Errors
    /// `EINVAL` if `size` is no power of two or a mapping is too short, `EACCES` if `producer` is read-only.
    pub fn new(consumer: Mapping, producer: Mapping, size: usize) -> Result<Self, Errno> {
        consumer.load_u64(0, Ordering::Relaxed)?;
        producer.atomic_u64(0)?;
        let twice = size.checked_mul(2).ok_or(Errno::EINVAL)?;
        let header = producer.len().checked_sub(twice).ok_or(Errno::EINVAL)?;
        if !size.is_power_of_two() || size < 8 || header < 8 {
            return Err(Errno::EINVAL);
        }
        let data = producer.part(header, twice)?;
        Ok(Self { consumer, producer, data })
    }

    /// Bytes of data that the ring holds, headers included.
    pub fn size(&self) -> usize {
        self.data.len() / 2
    }

    /// Bytes that the kernel has read so far.
    pub fn consumer_pos(&self) -> u64 {
        // Pairs with `smp_store_release(&rb->consumer_pos)` in `__bpf_user_ringbuf_sample_release`: what was there may be
        // written over from here on. `new` checked that the word is there.
        self.consumer.load_u64(0, Ordering::Acquire).unwrap_or(0)
    }

    /// Bytes reserved so far.
    pub fn producer_pos(&self) -> u64 {
        self.producer.load_u64(0, Ordering::Relaxed).unwrap_or(0)
    }

    /// Makes room for a sample of `len` bytes.
    ///
    /// # Errors
    /// `E2BIG` if the ring could never hold it, `ENOSPC` if there is no room now, `EIO` if the positions make no sense.
    pub fn reserve(&self, len: u32) -> Result<Reservation, Errno> {
        if len & (BUSY_BIT | DISCARD_BIT) != 0 {
            return Err(Errno::E2BIG);
        }
        let size = self.size();
        let total = (len as usize + HEADER_LEN).next_multiple_of(8);
        if total > size {
            return Err(Errno::E2BIG);
        }
        let (consumed, produced) = (self.consumer_pos(), self.producer_pos());
        let used = usize::try_from(produced.wrapping_sub(consumed)).map_err(|_| Errno::EIO)?;
        let free = size.checked_sub(used).ok_or(Errno::EIO)?;
        if total > free {
            return Err(Errno::ENOSPC);
        }
        let offset = (produced & (size as u64 - 1)) as usize;
        self.data.store_u32(offset, len | BUSY_BIT, Ordering::Relaxed)?;
        self.data.store_u32(offset + 4, 0, Ordering::Relaxed)?;
        // Pairs with the load-acquire in `__bpf_user_ringbuf_peek`: the kernel sees the busy header when it sees the position.
        self.producer.store_u64(0, produced.wrapping_add(total as u64), Ordering::Release)?;
        Ok(Reservation { offset, len })
    }

    /// Copies `bytes` into the sample at byte `at` of it.
    ///
    /// # Errors
    /// `EINVAL` if they do not fit.
    pub fn write(&self, sample: &Reservation, at: usize, bytes: &[u8]) -> Result<(), Errno> {
        let end = at.checked_add(bytes.len()).filter(|end| *end <= sample.len());
        if end.is_none() {
            return Err(Errno::EINVAL);
        }
        self.data.write(sample.offset + HEADER_LEN + at, bytes)
    }

    /// Where the sample's bytes are in this process, for those who fill them by address.
    pub fn sample_ptr(&self, sample: &Reservation) -> *mut u8 {
        self.data.as_ptr().wrapping_add(sample.offset + HEADER_LEN)
    }

    /// Lets the kernel see the sample.
    pub fn submit(&self, sample: Reservation) {
        self.commit(&sample, 0);
    }

    /// Gives the room back: the kernel passes over the sample.
    pub fn discard(&self, sample: Reservation) {
        self.commit(&sample, DISCARD_BIT);
    }

    fn commit(&self, sample: &Reservation, bits: u32) {
        // Pairs with the load-acquire of the header in `__bpf_user_ringbuf_peek`. A reservation's offset is inside.
        let result = self.data.store_u32(sample.offset, sample.len | bits, Ordering::Release);
        debug_assert_eq!(result, Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 64;

    /// A ring over memory of the test, with both positions at `start`, and the memory.
    fn ring(start: u64) -> (UserRingProducer, Mapping) {
        let page = rustix::param::page_size();
        let memory = Mapping::anonymous(page * 3).expect("memory");
        memory.store_u64(0, start, Ordering::Relaxed).expect("in range");
        memory.store_u64(page, start, Ordering::Relaxed).expect("in range");
        let consumer = memory.part(0, page).expect("a page");
        let producer = memory.part(page, page + SIZE * 2).expect("a page and the data");
        (UserRingProducer::new(consumer, producer, SIZE).expect("a ring"), memory)
    }

    fn header(memory: &Mapping, offset: usize) -> u32 {
        let page = rustix::param::page_size();
        memory.load_u32(page * 2 + offset, Ordering::Relaxed).expect("in range")
    }

    #[test]
    fn a_record_is_busy_until_it_is_submitted_or_discarded() {
        let (ring, memory) = ring(0);
        let (one, two) = (ring.reserve(5).expect("room"), ring.reserve(8).expect("room"));
        assert_eq!((header(&memory, 0), header(&memory, 16)), (5 | BUSY_BIT, 8 | BUSY_BIT));
        ring.write(&one, 0, b"hello").expect("fits");
        assert_eq!(ring.write(&one, 1, b"hello"), Err(Errno::EINVAL));
        ring.discard(two);
        ring.submit(one);
        assert_eq!((header(&memory, 0), header(&memory, 16)), (5, 8 | DISCARD_BIT));
        assert_eq!(ring.producer_pos(), 32);
    }

    #[test]
    fn room_is_counted_with_headers_and_comes_back_as_the_kernel_reads() {
        for start in [0, 40, u64::MAX - 39] {
            let (ring, memory) = ring(start);
            assert_eq!(ring.reserve(SIZE as u32 - 7), Err(Errno::E2BIG));
            let all = ring.reserve(SIZE as u32 - 8).expect("the whole ring");
            assert_eq!(ring.reserve(0), Err(Errno::ENOSPC));
            ring.submit(all);
            memory.store_u64(0, start.wrapping_add(8), Ordering::Release).expect("in range");
            let empty = ring.reserve(0).expect("room for a header");
            assert!(empty.is_empty());
            ring.submit(empty);
            assert_eq!(ring.reserve(0), Err(Errno::ENOSPC));
        }
    }

    #[test]
    fn lengths_that_would_be_flags_and_positions_that_cannot_be_are_refused() {
        let (ring, memory) = ring(64);
        assert_eq!(ring.reserve(BUSY_BIT), Err(Errno::E2BIG));
        assert_eq!(ring.reserve(DISCARD_BIT | 8), Err(Errno::E2BIG));
        // The kernel claims to have read what was never written.
        memory.store_u64(0, 128, Ordering::Release).expect("in range");
        assert_eq!(ring.reserve(8), Err(Errno::EIO));
    }
}
