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
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use oxbpf_uapi::Errno;

use super::{Mapping, Prot};
use crate::{Handle, Kernel};

/// Header bit: the producer still writes the record.
pub const BPF_RINGBUF_BUSY_BIT: u32 = 1 << 31;
/// Header bit: the producer gave the record up.
pub const BPF_RINGBUF_DISCARD_BIT: u32 = 1 << 30;
/// Bytes of a record's header.
pub const BPF_RINGBUF_HDR_SZ: u64 = 8;

/// One record that a ring consumer lends.
#[derive(Clone, Copy, Debug)]
pub struct RingSample<'a>(pub &'a [u8]);

/// The consuming side of one BPF ring buffer.
#[derive(Debug)]
pub struct RingConsumer {
    consumer: Mapping,
    producer: Mapping,
    data: Mapping,
    mask: u64,
    scratch: Vec<u8>,
    corrupt: bool,
}

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
        Ok(Self { consumer, producer, data, mask: size as u64 - 1, scratch: Vec::new(), corrupt: false })
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
        let position = consumer_word(&self.consumer);
        let mut at = position.load(Ordering::Relaxed);
        let mut samples = 0;
        loop {
            let end = self.producer_pos();
            if at >= end {
                return samples;
            }
            while at < end {
                let header = self.header(at);
                if header & BPF_RINGBUF_BUSY_BIT != 0 {
                    return samples;
                }
                let len = header & !BPF_RINGBUF_DISCARD_BIT;
                let next = at + (u64::from(len) + BPF_RINGBUF_HDR_SZ).next_multiple_of(8);
                if next > end || next - at > self.mask + 1 {
                    log::warn!(
                        "ring buffer: a record of {len} bytes at {at} reaches past the producer at {end}"
                    );
                    self.corrupt = true;
                    return samples;
                }
                let mut flow = ControlFlow::Continue(());
                if header & BPF_RINGBUF_DISCARD_BIT == 0 {
                    flow = if self.data.lends_records {
                        f(lent(&self.data, at, self.mask, len))
                    } else {
                        self.scratch.resize(len as usize, 0);
                        let offset = (at & self.mask) as usize + BPF_RINGBUF_HDR_SZ as usize;
                        // In range: the record was checked against the ring's size above.
                        let copied = self.data.read(offset, &mut self.scratch);
                        debug_assert_eq!(copied, Ok(()));
                        f(&self.scratch)
                    };
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
    let offset = (at & mask) as usize + BPF_RINGBUF_HDR_SZ as usize;
    // SAFETY: `drain` checked that header and sample fit in the ring's size, and the area has twice that.
    let p: NonNull<u8> = unsafe { data.ptr.add(offset) };
    // SAFETY: `p` has `len` bytes inside the mapping. `lends_records` promises that nobody writes them until the
    // consumer position passes, which `drain` does only after the closure that borrows them has returned.
    unsafe { core::slice::from_raw_parts(p.as_ptr(), len as usize) }
}
