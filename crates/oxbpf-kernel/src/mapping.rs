//! Memory shared with a kernel or with a program of the embedded kernel.
//!
//! # Safety
//!
//! Another party may write the memory at any time, so no `&T` or `&mut T` to plain bytes of it is ever made, with one
//! exception, in `mapping/ring.rs` and `mapping/perf_ring.rs`: committed ring records that the producer has promised to leave alone. Everything
//! else is atomic loads and stores, and copies made of atomics.
//!
//! The invariant behind every block: `ptr` is aligned to 8 and points at `len` bytes that stay mapped, readable, and
//! writable where `prot` says so, as long as `owner` lives; whoever calls [`Mapping::from_raw`] promises that, and every
//! other constructor keeps it.
#![allow(unsafe_code)]

use core::any::Any;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

use oxbpf_uapi::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

mod perf_ring;
mod ring;
mod user_ring;

pub use perf_ring::{PerfRecord, PerfRingConsumer};
pub use ring::RingConsumer;
pub use user_ring::{Reservation, UserRingProducer};

/// What a mapping may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prot {
    /// Reading.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// A piece of shared memory. Clones share it; the last one unmaps.
#[derive(Clone)]
pub struct Mapping {
    ptr: NonNull<u8>,
    len: usize,
    prot: Prot,
    lends_records: bool,
    owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: the memory is only reached through atomics (or committed ring records), so any thread may use it, and `owner`
// is `Send + Sync` itself.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes mapped {:?}", self.len, self.prot)
    }
}

/// Pages of this process's own, given back on drop.
struct Pages {
    ptr: NonNull<u8>,
    len: usize,
}

// SAFETY: the pages belong to no thread; only `drop` uses the address.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the range is exactly what `mmap_anonymous` gave, and the last `Mapping` over it is gone.
        let result = unsafe { munmap(self.ptr.as_ptr().cast(), self.len) };
        debug_assert!(result.is_ok(), "munmap: {result:?}");
    }
}

impl Mapping {
    /// Shares `len` bytes at `ptr`, which `owner` keeps mapped.
    ///
    /// # Safety
    /// The bytes must stay mapped and readable (and writable for [`Prot::ReadWrite`]) until `owner` is dropped, and no
    /// Rust reference to them may exist in that time. `ptr` is aligned to 8, and all of this process's accesses to the
    /// bytes are atomic.
    pub unsafe fn from_raw(
        ptr: NonNull<u8>,
        len: usize,
        prot: Prot,
        owner: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        debug_assert!(ptr.as_ptr().addr() % 8 == 0);
        Self { ptr, len, prot, lends_records: false, owner }
    }

    /// Lets [`RingConsumer`] lend the records of this mapping as slices; without it records are copied out first.
    ///
    /// # Safety
    /// Nobody may write to a ring record between its commit (busy bit cleared) and the consumer position passing it:
    /// true of the ring buffers of Linux, whose verifier ends a program's access at the commit.
    #[must_use]
    pub unsafe fn lend_records(mut self) -> Self {
        self.lends_records = true;
        self
    }

    /// New zeroed memory of this process, `len` bytes rounded up to whole pages.
    ///
    /// # Errors
    /// `EINVAL` for a length of 0, `ENOMEM`.
    pub fn anonymous(len: usize) -> Result<Self, Errno> {
        let page = rustix::param::page_size();
        let len = len.checked_next_multiple_of(page).ok_or(Errno::ENOMEM)?;
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: a new mapping at an address of the kernel's choice disturbs nothing.
        let addr = unsafe { mmap_anonymous(core::ptr::null_mut(), len, prot, flags) };
        let addr = addr.map_err(|e| Errno(e.raw_os_error()))?;
        let ptr = NonNull::new(addr.cast::<u8>()).ok_or(Errno::ENOMEM)?;
        let owner = Arc::new(Pages { ptr, len });
        // SAFETY: `Pages` keeps the `len` bytes mapped for both accesses, a page is aligned to 8, and nobody else
        // knows the address.
        Ok(unsafe { Self::from_raw(ptr, len, Prot::ReadWrite, owner) })
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing mapped.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What the mapping may be used for.
    pub fn prot(&self) -> Prot {
        self.prot
    }

    /// Where the memory is in this process, for those who hand it to others by address. It stays valid as long as a
    /// clone of the mapping lives.
    pub fn as_ptr(&self) -> *mut u8 {
        self.ptr.as_ptr()
    }

    /// The part of `len` bytes at `offset`, a multiple of 8, sharing the owner.
    ///
    /// # Errors
    /// `EINVAL` if it does not fit or is not aligned.
    pub fn part(&self, offset: usize, len: usize) -> Result<Self, Errno> {
        self.check_range(offset, len)?;
        if offset % 8 != 0 {
            return Err(Errno::EINVAL);
        }
        // SAFETY: `offset <= len`, inside the same mapping.
        let ptr = unsafe { self.ptr.add(offset) };
        Ok(Self { ptr, len, owner: self.owner.clone(), ..*self })
    }

    fn atomic<T>(&self, offset: usize) -> Result<NonNull<T>, Errno> {
        let size = size_of::<T>();
        self.check_range(offset, size)?;
        if offset % size != 0 {
            return Err(Errno::EINVAL);
        }
        // SAFETY: `offset + size <= len`, so the result points into the mapping; it is aligned since `ptr` is to 8.
        Ok(unsafe { self.ptr.add(offset) }.cast())
    }

    /// The 32-bit word at a byte offset.
    ///
    /// # Errors
    /// `EINVAL` outside the mapping or off alignment, `EACCES` in a read-only one.
    pub fn atomic_u32(&self, offset: usize) -> Result<&AtomicU32, Errno> {
        self.check_writable()?;
        let p = self.atomic::<AtomicU32>(offset)?;
        // SAFETY: `atomic` checked bounds and alignment, the memory is writable, and it lives as long as `self`.
        Ok(unsafe { p.as_ref() })
    }

    /// The 64-bit word at a byte offset.
    ///
    /// # Errors
    /// `EINVAL` outside the mapping or off alignment, `EACCES` in a read-only one.
    pub fn atomic_u64(&self, offset: usize) -> Result<&AtomicU64, Errno> {
        self.check_writable()?;
        let p = self.atomic::<AtomicU64>(offset)?;
        // SAFETY: `atomic` checked bounds and alignment, the memory is writable, and it lives as long as `self`.
        Ok(unsafe { p.as_ref() })
    }

    /// Loads a 32-bit word at a byte offset.
    ///
    /// # Errors
    /// `EINVAL` outside the mapping or off alignment.
    pub fn load_u32(&self, offset: usize, order: Ordering) -> Result<u32, Errno> {
        let p = self.atomic::<AtomicU32>(offset)?;
        // SAFETY: `atomic` checked bounds and alignment; shared memory is only accessed atomically.
        Ok(unsafe { p.as_ref() }.load(order))
    }

    /// Loads a 64-bit word at a byte offset.
    ///
    /// # Errors
    /// `EINVAL` outside the mapping or off alignment.
    pub fn load_u64(&self, offset: usize, order: Ordering) -> Result<u64, Errno> {
        let p = self.atomic::<AtomicU64>(offset)?;
        // SAFETY: `atomic` checked bounds and alignment; shared memory is only accessed atomically.
        Ok(unsafe { p.as_ref() }.load(order))
    }

    /// Stores a 32-bit word at a byte offset.
    ///
    /// # Errors
    /// `EINVAL` outside the mapping or off alignment, `EACCES` in a read-only one.
    pub fn store_u32(&self, offset: usize, value: u32, order: Ordering) -> Result<(), Errno> {
        self.atomic_u32(offset)?.store(value, order);
        Ok(())
    }

    /// Stores a 64-bit word at a byte offset.
    ///
    /// # Errors
    /// `EINVAL` outside the mapping or off alignment, `EACCES` in a read-only one.
    pub fn store_u64(&self, offset: usize, value: u64, order: Ordering) -> Result<(), Errno> {
        self.atomic_u64(offset)?.store(value, order);
        Ok(())
    }

    /// Copies `out.len()` bytes at `offset` out, eight at a time where aligned: an aligned word is never torn, a larger
    /// value that changes meanwhile may be.
    ///
    /// # Errors
    /// `EINVAL` outside the mapping.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), Errno> {
        self.check_range(offset, out.len())?;
        let head_len = (offset.wrapping_neg() % 8).min(out.len());
        let (head, rest) = out.split_at_mut(head_len);
        let mut at = offset;
        for byte in head {
            *byte = self.byte(at).load(Ordering::Relaxed);
            at += 1;
        }
        let mut words = rest.chunks_exact_mut(8);
        for word in &mut words {
            word.copy_from_slice(&self.word(at).load(Ordering::Relaxed).to_ne_bytes());
            at += 8;
        }
        for byte in words.into_remainder() {
            *byte = self.byte(at).load(Ordering::Relaxed);
            at += 1;
        }
        Ok(())
    }

    /// Copies `data` in at `offset`, eight bytes at a time where aligned.
    ///
    /// # Errors
    /// `EINVAL` outside the mapping, `EACCES` in a read-only one.
    pub fn write(&self, offset: usize, data: &[u8]) -> Result<(), Errno> {
        self.check_writable()?;
        self.check_range(offset, data.len())?;
        let head_len = (offset.wrapping_neg() % 8).min(data.len());
        let (head, rest) = data.split_at(head_len);
        let mut at = offset;
        for byte in head {
            self.byte(at).store(*byte, Ordering::Relaxed);
            at += 1;
        }
        let words = rest.chunks_exact(8);
        let tail = words.remainder();
        for word in words {
            let word = word.try_into().map_or(0, u64::from_ne_bytes);
            self.word(at).store(word, Ordering::Relaxed);
            at += 8;
        }
        for byte in tail {
            self.byte(at).store(*byte, Ordering::Relaxed);
            at += 1;
        }
        Ok(())
    }

    /// The byte at `at`, which the caller checked to be inside.
    fn byte(&self, at: usize) -> &AtomicU8 {
        debug_assert!(at < self.len);
        // SAFETY: private, and every caller has passed `check_range` for a range that has `at` (and `check_writable`
        // before a store).
        let p = unsafe { self.ptr.add(at) };
        // SAFETY: `p` is inside the mapping, which lives as long as `self`; shared memory is only accessed atomically.
        unsafe { p.cast::<AtomicU8>().as_ref() }
    }

    /// The word at `at`, which the caller checked to be inside and a multiple of 8.
    fn word(&self, at: usize) -> &AtomicU64 {
        debug_assert!(at % 8 == 0 && at + 8 <= self.len);
        // SAFETY: private, and every caller has passed `check_range` for a range that has the 8 bytes at `at` (and
        // `check_writable` before a store).
        let p = unsafe { self.ptr.add(at) };
        // SAFETY: `p` is inside the mapping, which lives as long as `self`, and aligned since `ptr` and `at` are.
        unsafe { p.cast::<AtomicU64>().as_ref() }
    }

    fn check_range(&self, offset: usize, len: usize) -> Result<(), Errno> {
        match offset.checked_add(len) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(Errno::EINVAL),
        }
    }

    fn check_writable(&self) -> Result<(), Errno> {
        if self.prot == Prot::ReadWrite { Ok(()) } else { Err(Errno::EACCES) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_in_and_out_is_the_same_at_every_alignment() {
        let mapping = Mapping::anonymous(4096).expect("memory");
        let data: Vec<u8> = (1..=40).collect();
        for offset in 0..9 {
            for len in 0..data.len() {
                let background = [0xee; 64];
                mapping.write(0, &background).expect("in range");
                mapping.write(offset, &data[..len]).expect("in range");
                let mut all = [0; 64];
                mapping.read(0, &mut all).expect("in range");
                assert_eq!(&all[offset..offset + len], &data[..len]);
                assert!(all[..offset].iter().chain(&all[offset + len..]).all(|b| *b == 0xee));
                let mut part = vec![0; len];
                mapping.read(offset, &mut part).expect("in range");
                assert_eq!(part, &data[..len]);
            }
        }
    }

    #[test]
    fn accesses_outside_a_mapping_are_refused() {
        let whole = Mapping::anonymous(1).expect("memory");
        let mapping = whole.part(8, 16).expect("a part");
        assert_eq!(mapping.read(9, &mut [0; 8]), Err(Errno::EINVAL));
        assert_eq!(mapping.write(usize::MAX, &[0; 2]), Err(Errno::EINVAL));
        assert_eq!(mapping.load_u64(16, Ordering::Relaxed), Err(Errno::EINVAL));
        assert_eq!(mapping.load_u64(4, Ordering::Relaxed), Err(Errno::EINVAL), "off alignment");
        assert_eq!(mapping.part(4, 4).map(|m| m.len()), Err(Errno::EINVAL), "off alignment");
        mapping.store_u64(8, 7, Ordering::Relaxed).expect("the last word");
        assert_eq!(whole.load_u64(16, Ordering::Relaxed), Ok(7));
    }
}
