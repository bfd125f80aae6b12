//! The consuming side of a BPF ring buffer: committed records in, slices out.
//!
//! Layout (`kernel/bpf/ringbuf.c`, Linux 6.12): a page that begins with the consumer's position, a page that begins with the
//! producer's, and the data, mapped twice in a row so that a record which wraps is whole. Positions only grow; the low
//! bits are the place in the data. A record is an 8-byte header, whose first word is the length with two flag bits, and
//! the sample; the whole is rounded up to 8.
//!
//! # Safety
//!
//! The pointers are into the two mappings, which the consumer holds. Every offset is masked to the ring's size and the
//! data area is twice that, so a record of at most the ring's size that begins anywhere lies inside; that is checked
//! for each record against what the producer has published. A sample is lent as `&[u8]` only
//! where [`Mapping::lend_records`] holds, after an `Acquire` load has seen its busy bit clear and until the consumer
//! position passes it, which ends the loan (the closure's borrow ends before). Elsewhere it is copied by atomics.
//!
//! Not here: waiting for data, and several rings at once (`oxbpf::buffer`).
#![allow(unsafe_code)]

use core::ops::ControlFlow;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use oxbpf_uapi::Errno;
use oxbpf_uapi::ring::{BUSY_BIT, DISCARD_BIT, HEADER_LEN, LEN_MASK};

use super::{Mapping, Prot};
use crate::{Handle, Kernel};

const HEADER: u64 = HEADER_LEN as u64;

/// The consuming side of one BPF ring buffer. A ring has one consumer: a second one would end the first one's loans.
#[derive(Debug)]
pub struct RingConsumer {
    consumer: Mapping,
    producer: Mapping,
    data: Mapping,
    mask: u64,
    scratch: Vec<u8>,
    overwrites: bool,
    corrupt: bool,
}

/// Where the producer's page has the end of the newest record that was overwritten (Linux 6.19).
const OVERWRITE_POS: usize = 16;

impl RingConsumer {
    /// Maps the ring of `map`, a ring buffer map whose `max_entries` is `size`.
    ///
    /// # Errors
    /// As mmap(2); `EINVAL` if `size` is no power of two.
    pub fn map(kernel: &Kernel, map: &Handle, size: u32) -> Result<Self, Errno> {
        let page = u64::try_from(rustix::param::page_size()).map_err(|_| Errno::EOVERFLOW)?;
        let consumer = kernel.mmap(map, 0..page, Prot::ReadWrite)?;
        let producer = kernel.mmap(map, page..page * 2 + u64::from(size) * 2, Prot::Read)?;
        Self::new(consumer, producer, size as usize)
    }

    /// Consumes from `consumer`, the page with the consumer's position, and `producer`, the page with the producer's
    /// position followed by the data of `size` bytes, visible twice in a row.
    ///
    /// # Errors
    /// `EINVAL` if `size` is no power of two or a mapping is too short, `EACCES` if `consumer` is read-only.
    pub fn new(consumer: Mapping, producer: Mapping, size: usize) -> Result<Self, Errno> {
        consumer.atomic_u64(0)?;
        let header =
            producer.len().checked_sub(size.checked_mul(2).ok_or(Errno::EINVAL)?).ok_or(Errno::EINVAL)?;
        if !size.is_power_of_two() || size < 8 || header < 8 {
            return Err(Errno::EINVAL);
        }
        let data = producer.part(header, size * 2)?;
        Ok(Self {
            consumer,
            producer,
            data,
            mask: size as u64 - 1,
            scratch: Vec::new(),
            overwrites: false,
            corrupt: false,
        })
    }

    /// Reads a ring of a map with `BPF_F_RB_OVERWRITE` (Linux 6.19), whose producers write over the oldest records when it is
    /// full: samples are copied out, and one that was overwritten meanwhile is dropped.
    ///
    /// # Errors
    /// `EINVAL` if the producer's page is too short.
    pub fn overwrites(mut self) -> Result<Self, Errno> {
        self.producer.load_u64(OVERWRITE_POS, Ordering::Relaxed)?;
        self.overwrites = true;
        Ok(self)
    }

    /// Bytes of data that the ring holds.
    pub fn size(&self) -> usize {
        self.data.len() / 2
    }

    /// Bytes consumed so far.
    pub fn consumer_pos(&self) -> u64 {
        consumer_word(&self.consumer).load(Ordering::Relaxed)
    }

    /// Bytes produced so far, records that are still being written included.
    pub fn producer_pos(&self) -> u64 {
        // Pairs with `smp_store_release(&rb->producer_pos)` in `__bpf_ringbuf_reserve`.
        consumer_word(&self.producer).load(Ordering::Acquire)
    }

    /// Bytes that wait to be consumed, headers and records that are still being written included.
    pub fn avail(&self) -> usize {
        let pending = self.producer_pos().saturating_sub(self.consumer_pos());
        usize::try_from(pending.min(self.mask + 1)).unwrap_or(usize::MAX)
    }

    /// Whether a record had a length that no producer writes; the ring then gives nothing more.
    pub fn is_corrupt(&self) -> bool {
        self.corrupt
    }

    /// Passes each committed sample to `f`, in order, and returns how many it got.
    ///
    /// Ends when the ring is empty, when a record is still being written, after `max` samples, or when `f` breaks; the
    /// sample that it broke at is consumed. Discarded records are consumed and not counted.
    pub fn drain(&mut self, max: usize, f: &mut impl FnMut(&[u8]) -> ControlFlow<()>) -> usize {
        if self.corrupt || max == 0 {
            return 0;
        }
        if self.data.lends_records && !self.overwrites {
            return self.drain_lent(max, f);
        }
        let position = consumer_word(&self.consumer);
        let mut at = position.load(Ordering::Relaxed);
        let mut samples = 0;
        loop {
            let end = self.producer_pos();
            if self.overwrites {
                at = at.max(self.overwritten());
            }
            if at >= end {
                return samples;
            }
            while at < end {
                let header = self.header(at);
                if header & BUSY_BIT != 0 {
                    return samples;
                }
                let len = header & LEN_MASK;
                let next = at + (u64::from(len) + HEADER).next_multiple_of(8);
                if self.overwrites && self.overwritten() > at {
                    // The header may already be somebody else's bytes.
                    break;
                }
                if next > end || next - at > self.mask + 1 {
                    log::warn!(
                        "ring buffer: a record of {len} bytes at {at} reaches past the producer at {end}"
                    );
                    self.corrupt = true;
                    return samples;
                }
                let mut flow = ControlFlow::Continue(());
                if header & DISCARD_BIT == 0 {
                    self.scratch.resize(len as usize, 0);
                    let offset = (at & self.mask) as usize + HEADER_LEN;
                    // In range: the record was checked against the ring's size above.
                    let copied = self.data.read(offset, &mut self.scratch);
                    debug_assert_eq!(copied, Ok(()));
                    if self.overwrites && self.overwritten() > at {
                        break;
                    }
                    flow = f(&self.scratch);
                    samples += 1;
                }
                at = next;
                // Pairs with `smp_load_acquire(&rb->consumer_pos)` in `__bpf_ringbuf_reserve`: the producer may write
                // over the record from here on. After every record, since `bpf_ringbuf_commit` wakes a sleeping
                // consumer only if this position is at the record that it commits.
                position.store(at, Ordering::Release);
                if flow.is_break() || samples == max {
                    return samples;
                }
            }
        }
    }

    /// [`drain`](Self::drain) of a ring that lends its records: the loop that high rates of events depend on, so that it
    /// has one branch less for each thing that can be checked once a round.
    fn drain_lent(&mut self, max: usize, f: &mut impl FnMut(&[u8]) -> ControlFlow<()>) -> usize {
        let (position, mask) = (consumer_word(&self.consumer), self.mask);
        let mut at = position.load(Ordering::Relaxed);
        let mut left = max;
        loop {
            let end = self.producer_pos();
            if at >= end {
                return max - left;
            }
            // No more than the ring holds, so that a record which ends before `end` is not longer than the ring.
            let mut is_corrupt = end - at > mask + 1;
            while at < end {
                let header = self.header(at);
                if header & BUSY_BIT != 0 {
                    return max - left;
                }
                let len = header & LEN_MASK;
                let next = at + ((u64::from(len) + HEADER + 7) & !7);
                is_corrupt |= next > end;
                if is_corrupt {
                    log::warn!(
                        "ring buffer: a record of {len} bytes at {at} reaches past the producer at {end}"
                    );
                    self.corrupt = true;
                    return max - left;
                }
                let mut flow = ControlFlow::Continue(());
                if header & DISCARD_BIT == 0 {
                    flow = f(lent(&self.data, at, mask, len));
                    left -= 1;
                }
                at = next;
                // As in `drain`.
                position.store(at, Ordering::Release);
                if flow.is_break() || left == 0 {
                    return max - left;
                }
            }
        }
    }

    /// The position before which records are overwritten, or about to be. A copy that was made before this call is whole if its
    /// position is not below the answer.
    fn overwritten(&self) -> u64 {
        // Pairs with the release store of `producer_pos` that follows the store of `overwrite_pos` in
        // `__bpf_ringbuf_reserve`: whoever wrote over what was copied had moved this position first.
        fence(Ordering::Acquire);
        self.producer.load_u64(OVERWRITE_POS, Ordering::Acquire).unwrap_or(u64::MAX)
    }

    /// The first word of the record at position `at`.
    fn header(&self, at: u64) -> u32 {
        let offset = (at & self.mask & !7) as usize;
        // SAFETY: `offset < size` and the data area has `2 * size` bytes.
        let p = unsafe { self.data.ptr.add(offset) };
        // SAFETY: `p` is aligned to 8, inside the mapping that `self` holds, and only accessed atomically.
        let word = unsafe { p.cast::<AtomicU32>().as_ref() };
        // Pairs with `xchg(&hdr->len)` in `bpf_ringbuf_commit`: the sample is seen once the busy bit is seen clear.
        word.load(Ordering::Acquire)
    }
}

/// The position at the start of a mapping that [`RingConsumer::new`] found to be at least 8 bytes long.
fn consumer_word(mapping: &Mapping) -> &AtomicU64 {
    // SAFETY: `new` checked the length of both mappings; the memory is aligned to 8, lives as long as `mapping`, and is
    // only accessed atomically. The read-only one is only loaded from.
    unsafe { mapping.ptr.cast::<AtomicU64>().as_ref() }
}

/// The sample of the record at position `at`, which is committed, `len` bytes long, and inside the data area.
fn lent(data: &Mapping, at: u64, mask: u64, len: u32) -> &[u8] {
    let offset = (at & mask) as usize + HEADER_LEN;
    // SAFETY: `drain_lent` checked that header and sample fit in the ring's size, and the area has twice that.
    let p: NonNull<u8> = unsafe { data.ptr.add(offset) };
    // SAFETY: `p` has `len` bytes inside the mapping. `lends_records` promises that nobody writes them until the
    // consumer position passes, which `drain_lent` does only after the closure that borrows them has returned.
    unsafe { core::slice::from_raw_parts(p.as_ptr(), len as usize) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 64;

    /// The producing side, over memory where the test keeps both views of the data equal.
    struct Producer {
        page: usize,
        memory: Mapping,
        at: u64,
    }

    impl Producer {
        /// A ring whose both positions are `start`.
        fn new(start: u64) -> (Self, RingConsumer) {
            let page = rustix::param::page_size();
            let memory = Mapping::anonymous(page * 3).expect("memory");
            let consumer = memory.part(0, page).expect("a page");
            let producer = memory.part(page, page + SIZE * 2).expect("a page and the data");
            memory.store_u64(0, start, Ordering::Relaxed).expect("in range");
            memory.store_u64(page, start, Ordering::Relaxed).expect("in range");
            let ring = RingConsumer::new(consumer, producer, SIZE).expect("a ring");
            (Self { page, memory, at: start }, ring)
        }

        fn put(&self, at: u64, bytes: &[u8]) {
            for (i, byte) in bytes.iter().enumerate() {
                let offset = (at as usize + i) % SIZE;
                for copy in [0, SIZE] {
                    self.memory.write(self.page * 2 + copy + offset, &[*byte]).expect("in range");
                }
            }
        }

        /// Adds a record and answers with its position.
        fn record(&mut self, bits: u32, sample: &[u8]) -> u64 {
            let at = self.at;
            self.put(at, &(sample.len() as u32 | bits).to_ne_bytes());
            self.put(at + 8, sample);
            self.at = (at + 8 + sample.len() as u64).next_multiple_of(8);
            self.memory.store_u64(self.page, self.at, Ordering::Release).expect("in range");
            at
        }
    }

    fn drained(ring: &mut RingConsumer, max: usize) -> Vec<Vec<u8>> {
        let mut samples = Vec::new();
        let count = ring.drain(max, &mut |sample| {
            samples.push(sample.to_vec());
            ControlFlow::Continue(())
        });
        assert_eq!(count, samples.len());
        samples
    }

    #[test]
    fn samples_come_whole_and_in_order_wherever_they_wrap() {
        for start in (0..SIZE as u64 * 2).step_by(8) {
            let (mut producer, mut ring) = Producer::new(start);
            producer.record(0, b"first");
            producer.record(0, b"the second one");
            assert_eq!(ring.avail(), 16 + 24);
            assert_eq!(drained(&mut ring, 9), [&b"first"[..], b"the second one"]);
            assert_eq!((ring.avail(), ring.consumer_pos()), (0, start + 40));
        }
    }

    #[test]
    fn lent_samples_are_the_same_as_copied_ones() {
        let (mut producer, mut ring) = Producer::new(40);
        // SAFETY: the only producer is this test, which writes nothing below while samples are lent.
        ring.data = unsafe { ring.data.clone().lend_records() };
        producer.record(0, b"over the end of the data");
        assert_eq!(drained(&mut ring, 9), [b"over the end of the data"]);
    }

    #[test]
    fn a_busy_record_holds_back_those_after_it() {
        let (mut producer, mut ring) = Producer::new(0);
        producer.record(0, b"one");
        let busy = producer.record(BUSY_BIT, b"two");
        producer.record(0, b"three");
        assert_eq!(drained(&mut ring, 9), [b"one"]);
        assert_eq!(drained(&mut ring, 9), [b""; 0]);
        producer.put(busy, &3_u32.to_ne_bytes());
        assert_eq!(drained(&mut ring, 9), [&b"two"[..], b"three"]);
    }

    #[test]
    fn discarded_records_are_passed_over_and_not_counted() {
        let (mut producer, mut ring) = Producer::new(0);
        producer.record(DISCARD_BIT, b"gone");
        producer.record(0, b"here");
        assert_eq!(drained(&mut ring, 1), [b"here"]);
        assert_eq!(ring.avail(), 0);
    }

    #[test]
    fn a_drain_ends_at_its_maximum_and_at_a_break() {
        let (mut producer, mut ring) = Producer::new(0);
        for _ in 0..3 {
            producer.record(0, b"x");
        }
        assert_eq!(drained(&mut ring, 0).len(), 0);
        assert_eq!(drained(&mut ring, 1).len(), 1);
        assert_eq!(ring.drain(9, &mut |_| ControlFlow::Break(())), 1);
        assert_eq!(ring.consumer_pos(), 32, "the sample that it broke at is consumed");
        assert_eq!(drained(&mut ring, 9).len(), 1);
    }

    #[test]
    fn a_record_that_reaches_past_the_producer_ends_the_ring() {
        for len in [9_u32, 57, 0x3fff_ffff] {
            let (mut producer, mut ring) = Producer::new(0);
            let at = producer.record(0, b"12345678");
            producer.put(at, &len.to_ne_bytes());
            assert_eq!(drained(&mut ring, 9), [b""; 0], "length {len}");
            assert!(ring.is_corrupt());
        }
    }

    #[test]
    fn overwritten_records_are_skipped() {
        let (mut producer, ring) = Producer::new(0);
        let mut ring = ring.overwrites().expect("a word for the position");
        for n in 0..5_u8 {
            producer.record(0, &[n; 16]);
        }
        // Two of five records of 24 bytes are left in 64 bytes.
        let position = producer.page + OVERWRITE_POS;
        producer.memory.store_u64(position, 72, Ordering::Release).expect("in range");
        assert_eq!(drained(&mut ring, 9), [[3; 16], [4; 16]]);
        assert_eq!(ring.avail(), 0);
    }

    #[test]
    fn sizes_that_are_no_ring_are_refused() {
        let page = rustix::param::page_size();
        let memory = Mapping::anonymous(page * 2).expect("memory");
        for size in [0, 4, 24, page, page * 4] {
            let ring = RingConsumer::new(memory.clone(), memory.clone(), size);
            assert_eq!(ring.err(), Some(Errno::EINVAL), "size {size}");
        }
    }
}
