//! The consuming side of a perf event's ring: records in, samples and counts of lost ones out.
//!
//! Layout (`kernel/events/ring_buffer.c`, Linux 6.12): a page with the kernel's position (`data_head`) and the reader's
//! (`data_tail`), and a power of two of data pages. Positions only grow; the low bits are the place in the data. A
//! record is an 8-byte header with its length, a multiple of 8, and a body; it may wrap around the end of the data.
//!
//! Records are copied out: a copy of 64 bytes is little beside the system call or interrupt that wrote them.
//! [`RingConsumer`](crate::RingConsumer) lends.

use core::ops::ControlFlow;
use core::sync::atomic::Ordering;

use oxbpf_uapi::Errno;
use oxbpf_uapi::perf_event::{PERF_RECORD_LOST, PERF_RECORD_SAMPLE, mmap_page};

use super::{Mapping, Prot};
use crate::{Handle, Kernel};

/// Bytes of `struct perf_event_header`.
const HEADER_LEN: usize = 8;

/// One record of a perf event's ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerfRecord<'a> {
    /// What a program wrote. The kernel pads it, so that there may be up to 7 bytes more than the program gave.
    Sample(&'a [u8]),
    /// That many samples found no room since the record before.
    Lost(u64),
    /// A record of another type.
    Other {
        /// `PERF_RECORD_*`.
        kind: u32,
        /// What follows the header.
        body: &'a [u8],
    },
}

/// The consuming side of one perf event's ring.
#[derive(Debug)]
pub struct PerfRingConsumer {
    header: Mapping,
    data: Mapping,
    whole: Mapping,
    scratch: Vec<u8>,
    corrupt: bool,
    /// Where the kernel was at the last drain, if it writes from the end and over what was there.
    overwrites: Option<u64>,
}

impl PerfRingConsumer {
    /// Maps the ring of `event` with `pages` pages of data.
    ///
    /// # Errors
    /// As mmap(2); `EINVAL` if `pages` is no power of two, `EPERM` if that is more than the user may lock.
    pub fn map(kernel: &Kernel, event: &Handle, pages: usize) -> Result<Self, Errno> {
        let page = rustix::param::page_size();
        let len = pages.checked_add(1).and_then(|n| n.checked_mul(page)).ok_or(Errno::EINVAL)?;
        Self::new(kernel.mmap(event, 0..len as u64, Prot::ReadWrite)?, page)
    }

    /// Maps the ring of an event that was opened with `write_backward`: the kernel writes over the oldest records, and
    /// [`drain`](Self::drain) gives those that are left, the newest first. Its output is to be paused meanwhile.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn map_overwritable(kernel: &Kernel, event: &Handle, pages: usize) -> Result<Self, Errno> {
        let page = rustix::param::page_size();
        let len = pages.checked_add(1).and_then(|n| n.checked_mul(page)).ok_or(Errno::EINVAL)?;
        Self::overwritable(kernel.mmap(event, 0..len as u64, Prot::Read)?, page)
    }

    /// Reads `mapping`, whose first `header_len` bytes are the page with the positions, from its end.
    ///
    /// # Errors
    /// `EINVAL` if the data's length is no power of two.
    pub fn overwritable(mapping: Mapping, header_len: usize) -> Result<Self, Errno> {
        Self::of_parts(mapping, header_len, Some(0))
    }

    /// Consumes from `mapping`, whose first `header_len` bytes are the page with the positions.
    ///
    /// # Errors
    /// `EINVAL` if the data's length is no power of two, `EACCES` if the header is read-only.
    pub fn new(mapping: Mapping, header_len: usize) -> Result<Self, Errno> {
        let ring = Self::of_parts(mapping, header_len, None)?;
        ring.header.atomic_u64(mmap_page::DATA_TAIL)?;
        Ok(ring)
    }

    fn of_parts(mapping: Mapping, header_len: usize, overwrites: Option<u64>) -> Result<Self, Errno> {
        let size = mapping.len().checked_sub(header_len).ok_or(Errno::EINVAL)?;
        if !size.is_power_of_two() || size < HEADER_LEN || header_len < mmap_page::DATA_TAIL + 8 {
            return Err(Errno::EINVAL);
        }
        let header = mapping.part(0, header_len)?;
        let data = mapping.part(header_len, size)?;
        Ok(Self { header, data, whole: mapping, scratch: Vec::new(), corrupt: false, overwrites })
    }

    /// All of its memory: the page with the positions, and the data.
    pub fn mapping(&self) -> &Mapping {
        &self.whole
    }

    /// Bytes of data that the ring holds.
    pub fn size(&self) -> usize {
        self.data.len()
    }

    /// Where the whole ring is in this process, its header page first, for those who hand it to others by address.
    pub fn as_ptr(&self) -> *mut u8 {
        self.header.as_ptr()
    }

    /// Bytes that wait to be consumed, headers included.
    ///
    /// # Errors
    /// Never in fact: the positions are inside the header.
    pub fn avail(&self) -> Result<usize, Errno> {
        let pending = match self.overwrites {
            // Positions go down.
            Some(last) => last.wrapping_sub(self.head()?),
            None => self.head()?.wrapping_sub(self.tail()?),
        };
        Ok(usize::try_from(pending).unwrap_or(usize::MAX).min(self.size()))
    }

    /// Whether a record had a length that no kernel writes; the ring then gives nothing more.
    pub fn is_corrupt(&self) -> bool {
        self.corrupt
    }

    fn head(&self) -> Result<u64, Errno> {
        // Pairs with the barrier before the store of `data_head` in `perf_output_put_handle`.
        self.header.load_u64(mmap_page::DATA_HEAD, Ordering::Acquire)
    }

    fn tail(&self) -> Result<u64, Errno> {
        self.header.load_u64(mmap_page::DATA_TAIL, Ordering::Relaxed)
    }

    /// Passes each record that is there now to `f`, in order, and returns how many it got. Ends early when `f` breaks; the record
    /// that it broke at is consumed.
    ///
    /// # Errors
    /// Never in fact: the positions are inside the header.
    pub fn drain(&mut self, f: &mut impl FnMut(PerfRecord<'_>) -> ControlFlow<()>) -> Result<usize, Errno> {
        self.drain_bytes(&mut |record| f(parse(record)))
    }

    /// As [`drain`](Self::drain), with each record as it is, header included.
    ///
    /// # Errors
    /// As there.
    pub fn drain_bytes(&mut self, f: &mut impl FnMut(&[u8]) -> ControlFlow<()>) -> Result<usize, Errno> {
        if let Some(last) = self.overwrites {
            return self.drain_newest(last, f);
        }
        let (head, mut tail) = (self.head()?, self.tail()?);
        let mut records = 0;
        while !self.corrupt && tail != head {
            let Some(len) = self.record_len(tail, head) else {
                log::warn!("perf buffer: the record at {tail} has a length that reaches past {head}");
                self.corrupt = true;
                break;
            };
            let flow = self.with_record(tail, len, f)?;
            records += 1;
            tail = tail.wrapping_add(len as u64);
            if flow.is_break() {
                break;
            }
        }
        // Pairs with the load of `data_tail` in `__perf_output_begin`: the kernel may write over the records from here
        // on.
        self.header.store_u64(mmap_page::DATA_TAIL, tail, Ordering::Release)?;
        Ok(records)
    }

    /// Passes on the records that the kernel wrote since it was at `last` and has not written over, the newest first.
    fn drain_newest(
        &mut self,
        last: u64,
        f: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<usize, Errno> {
        let head = self.head()?;
        self.overwrites = Some(head);
        let end = head.wrapping_add(last.wrapping_sub(head).min(self.size() as u64));
        let (mut at, mut records) = (head, 0);
        while at != end {
            // The oldest record may have lost its end, and what is behind it is no record.
            let Some(len) = self.record_len(at, end) else { break };
            let flow = self.with_record(at, len, f)?;
            records += 1;
            at = at.wrapping_add(len as u64);
            if flow.is_break() {
                break;
            }
        }
        Ok(records)
    }

    fn offset(&self, at: u64) -> usize {
        (at & (self.data.len() as u64 - 1)) as usize
    }

    /// Length of the record at `at`, `None` if it can't be one: too short, off alignment, or longer than what is there.
    fn record_len(&self, at: u64, head: u64) -> Option<usize> {
        // Records are aligned to 8, so that a header never wraps.
        let word = self.data.load_u64(self.offset(at), Ordering::Relaxed).ok()?;
        let [.., low, high] = word.to_ne_bytes();
        let len = usize::from(u16::from_ne_bytes([low, high]));
        let fits = len as u64 <= head.wrapping_sub(at) && len <= self.data.len();
        (len >= HEADER_LEN && len % 8 == 0 && fits).then_some(len)
    }

    /// Hands the record of `len` bytes at `at`, which `record_len` has checked, to `f`.
    fn with_record(
        &mut self,
        at: u64,
        len: usize,
        f: &mut impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, Errno> {
        let start = self.offset(at);
        let first = len.min(self.data.len() - start);
        self.scratch.resize(len, 0);
        let (before_end, wrapped) = self.scratch.split_at_mut(first);
        self.data.read(start, before_end)?;
        self.data.read(0, wrapped)?;
        Ok(f(&self.scratch))
    }
}

fn parse(record: &[u8]) -> PerfRecord<'_> {
    let (header, body) = record.split_at(HEADER_LEN.min(record.len()));
    let kind = u32_at(header, 0).unwrap_or(0);
    let parsed = match kind {
        PERF_RECORD_SAMPLE => {
            u32_at(body, 0).and_then(|size| body.get(4..)?.get(..size as usize)).map(PerfRecord::Sample)
        }
        PERF_RECORD_LOST => {
            let lost = body.get(8..16).and_then(|b| b.try_into().ok());
            lost.map(|bytes| PerfRecord::Lost(u64::from_ne_bytes(bytes)))
        }
        _ => None,
    };
    parsed.unwrap_or(PerfRecord::Other { kind, body })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_that_is_written_over_gives_what_is_left_newest_first() {
        let page = rustix::param::page_size();
        let mapping = Mapping::anonymous(page * 2).expect("memory").part(0, page + 64).expect("a part");
        let mut ring = PerfRingConsumer::overwritable(mapping.clone(), page).expect("a ring");
        let mut head = 0_u64;
        let mut write = |number: u64| {
            // A sample of 8 bytes takes 20, so 24.
            let mut body = 8_u32.to_ne_bytes().to_vec();
            body.extend_from_slice(&number.to_ne_bytes());
            body.extend_from_slice(&[0; 4]);
            head = head.wrapping_sub(24);
            for (i, byte) in record(PERF_RECORD_SAMPLE, &body).iter().enumerate() {
                let at = (head as usize).wrapping_add(i) % 64;
                mapping.write(page + at, &[*byte]).expect("in range");
            }
            mapping.store_u64(mmap_page::DATA_HEAD, head, Ordering::Relaxed).expect("in range");
        };
        let mut read = || {
            let mut seen = Vec::new();
            let drained = ring.drain(&mut |record| {
                let PerfRecord::Sample(data) = record else { panic!("{record:?}") };
                seen.push(u64::from_ne_bytes(data.try_into().expect("8 bytes")));
                ControlFlow::Continue(())
            });
            assert_eq!(drained, Ok(seen.len()));
            seen
        };
        assert_eq!(read(), []);
        write(1);
        write(2);
        assert_eq!(read(), [2, 1]);
        write(3);
        assert_eq!(read(), [3], "what was read does not come again");
        (4..20).for_each(&mut write);
        assert_eq!(read(), [19, 18], "two and a part fit");
    }

    /// A ring of 64 bytes of data whose positions start at `at`, with `bytes` written there.
    fn ring(at: u64, bytes: &[u8]) -> (Mapping, PerfRingConsumer) {
        let page = rustix::param::page_size();
        let mapping = Mapping::anonymous(page * 2).expect("memory").part(0, page + 64).expect("a part");
        for (i, byte) in bytes.iter().enumerate() {
            let offset = (at as usize).wrapping_add(i) % 64;
            mapping.write(page + offset, &[*byte]).expect("in range");
        }
        mapping.store_u64(mmap_page::DATA_TAIL, at, Ordering::Relaxed).expect("in range");
        mapping
            .store_u64(mmap_page::DATA_HEAD, at.wrapping_add(bytes.len() as u64), Ordering::Relaxed)
            .expect("in range");
        let consumer = PerfRingConsumer::new(mapping.clone(), page).expect("a ring");
        (mapping, consumer)
    }

    fn record(kind: u32, body: &[u8]) -> Vec<u8> {
        let mut out = kind.to_ne_bytes().to_vec();
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(&((body.len() + 8) as u16).to_ne_bytes());
        out.extend_from_slice(body);
        out
    }

    fn sample(data: &[u8]) -> Vec<u8> {
        record(PERF_RECORD_SAMPLE, &[&(data.len() as u32).to_ne_bytes(), data].concat())
    }

    fn drain(consumer: &mut PerfRingConsumer) -> Vec<String> {
        let mut seen = Vec::new();
        let count = consumer.drain(&mut |r| {
            seen.push(format!("{r:?}"));
            ControlFlow::Continue(())
        });
        assert_eq!(count, Ok(seen.len()));
        seen
    }

    #[test]
    fn samples_and_losses_come_in_order_wherever_the_ring_starts() {
        let lost = record(PERF_RECORD_LOST, &[0u64.to_ne_bytes(), 7u64.to_ne_bytes()].concat());
        let bytes = [sample(&[1, 2, 3, 4]), lost].concat();
        for at in (0..128).step_by(8).chain([u64::MAX - 7]) {
            let (mapping, mut consumer) = ring(at, &bytes);
            assert_eq!(consumer.avail(), Ok(bytes.len()));
            assert_eq!(drain(&mut consumer), ["Sample([1, 2, 3, 4])", "Lost(7)"], "at {at}");
            let tail = mapping.load_u64(mmap_page::DATA_TAIL, Ordering::Relaxed);
            assert_eq!(tail, Ok(at.wrapping_add(bytes.len() as u64)), "the records were given back");
            assert_eq!(drain(&mut consumer), [""; 0]);
        }
    }

    #[test]
    fn break_gives_back_what_was_seen_and_no_more() {
        let one = sample(&[1, 2, 3, 4]);
        let (_mapping, mut consumer) = ring(0, &[one.clone(), one].concat());
        assert_eq!(consumer.drain(&mut |_| ControlFlow::Break(())), Ok(1));
        assert_eq!(consumer.avail(), Ok(16));
    }

    #[test]
    fn a_record_that_can_not_be_stops_the_ring() {
        for size in [0u16, 4, 12, 24, 0xfff8] {
            let mut bytes = sample(&[1, 2, 3, 4]);
            bytes[6..8].copy_from_slice(&size.to_ne_bytes());
            let (_mapping, mut consumer) = ring(0, &bytes);
            assert_eq!(drain(&mut consumer), [""; 0], "size {size}");
            assert!(consumer.is_corrupt());
        }
    }

    #[test]
    fn a_sample_longer_than_its_record_is_not_read_past_it() {
        let mut bytes = sample(&[1, 2, 3, 4]);
        bytes[8..12].copy_from_slice(&5u32.to_ne_bytes());
        let (_mapping, mut consumer) = ring(0, &bytes);
        assert_eq!(drain(&mut consumer), ["Other { kind: 9, body: [5, 0, 0, 0, 1, 2, 3, 4] }"]);
    }
}
