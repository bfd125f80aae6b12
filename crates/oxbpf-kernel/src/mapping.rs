//! Memory shared with a kernel or with a program of the embedded kernel.
//!
//! # Safety
//!
//! Another party may write the memory at any time, so no `&T` or `&mut T` to it is ever made, with one exception:
//! [`RingConsumer`] lends committed ring records, which the producer does not touch before the consumer position
//! passes them. Everything else is atomic loads and stores and byte copies through atomics. The invariant behind every
//! block: `ptr` points at `len` bytes that stay mapped, readable, and writable where `prot` says so, as long as `owner` lives;
//! whoever calls [`Mapping::from_raw`] promises that.
#![allow(unsafe_code)]

use core::any::Any;
use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::Arc;

use oxbpf_uapi::Errno;

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
    owner: Arc<dyn Any + Send + Sync>,
}

// SAFETY: the memory is only reached through atomics (or committed ring records), so any thread may use it, and `owner` is
// `Send + Sync` itself.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes mapped {:?}", self.len, self.prot)
    }
}

impl Mapping {
    /// Shares `len` bytes at `ptr`, which `owner` keeps mapped.
    ///
    /// # Safety
    /// The bytes must stay mapped and readable (and writable for [`Prot::ReadWrite`]) until `owner` is dropped, and no Rust reference
    /// to them may exist in that time. `ptr` is aligned to 8.
    pub unsafe fn from_raw(ptr: NonNull<u8>, len: usize, prot: Prot, owner: Arc<dyn Any + Send + Sync>) -> Self {
        Self { ptr, len, prot, owner }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is nothing mapped.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The part of `len` bytes at `offset`, a multiple of 8, sharing the owner.
    ///
    /// # Errors
    /// `EINVAL` if it does not fit or is not aligned.
    pub fn part(&self, offset: usize, len: usize) -> Result<Self, Errno> {
        let fits = offset.checked_add(len).is_some_and(|end| end <= self.len);
        if !fits || offset % 8 != 0 {
            return Err(Errno::EINVAL);
        }
        // SAFETY: `offset <= len`, inside the same mapping.
        let ptr = unsafe { self.ptr.add(offset) };
        Ok(Self { ptr, len, prot: self.prot, owner: self.owner.clone() })
    }

    fn atomic<T>(&self, offset: usize) -> Result<NonNull<T>, Errno> {
        let size = size_of::<T>();
        let fits = offset.checked_add(size).is_some_and(|end| end <= self.len);
        if !fits || offset % size != 0 {
            return Err(Errno::EINVAL);
        }
        // SAFETY: `offset + size <= len`, so the result points into the mapping, and it is aligned since the mapping is to 8.
        Ok(unsafe { self.ptr.add(offset) }.cast())
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

    /// Stores a 64-bit word at a byte offset.
    ///
    /// # Errors
    /// `EINVAL` outside the mapping or off alignment, `EACCES` in a read-only one.
    pub fn store_u64(&self, offset: usize, value: u64, order: Ordering) -> Result<(), Errno> {
        self.check_writable()?;
        let p = self.atomic::<AtomicU64>(offset)?;
        // SAFETY: `atomic` checked bounds and alignment, and the mapping is writable.
        unsafe { p.as_ref() }.store(value, order);
        Ok(())
    }

    /// Copies `out.len()` bytes at `offset` out, byte by byte: a value that changes meanwhile may be torn.
    ///
    /// # Errors
    /// `EINVAL` outside the mapping.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), Errno> {
        self.check_range(offset, out.len())?;
        for (i, byte) in out.iter_mut().enumerate() {
            let p = self.atomic::<AtomicU8>(offset + i)?;
            // SAFETY: in bounds by `atomic`; shared memory is only accessed atomically.
            *byte = unsafe { p.as_ref() }.load(Ordering::Relaxed);
        }
        Ok(())
    }

    /// Copies `data` in at `offset`, byte by byte.
    ///
    /// # Errors
    /// `EINVAL` outside the mapping, `EACCES` in a read-only one.
    pub fn write(&self, offset: usize, data: &[u8]) -> Result<(), Errno> {
        self.check_writable()?;
        self.check_range(offset, data.len())?;
        for (i, byte) in data.iter().enumerate() {
            let p = self.atomic::<AtomicU8>(offset + i)?;
            // SAFETY: in bounds by `atomic`, and the mapping is writable.
            unsafe { p.as_ref() }.store(*byte, Ordering::Relaxed);
        }
        Ok(())
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

/// One record that a ring consumer lends.
#[derive(Clone, Copy, Debug)]
pub struct RingSample<'a>(pub &'a [u8]);

/// The consuming side of a BPF ring buffer (`kernel/bpf/ringbuf.c`).
///
/// The producer page and the data follow one another in one read-only mapping, the data twice in a row, so that a record which
/// wraps is whole.
#[derive(Debug)]
pub struct RingConsumer {
    consumer: Mapping,
    producer: Mapping,
    data: Mapping,
    mask: u64,
}
