//! The reserved address range that holds all guest memory, and the loads and stores that reach it.
//!
//! # Safety
//!
//! [`Cage`] owns one anonymous mapping of `len` bytes at `base`, readable and writable, from [`Cage::reserve`] until it is
//! dropped. Nothing ever unmaps a part of it: [`Cage::map_ring`] puts a memory file over a part with `MAP_FIXED`, and
//! [`Cage::unmap_ring`] anonymous memory over that, each in one `mmap` call, which others see done or not done. A refused one leaves what was
//! there: the reasons to refuse (number of mappings, accounting) are checked before the old mapping goes, and from Linux 6.12 on
//! it comes back whatever fails. The file is sealed against shrinking, so its pages stay backed. Hence the one invariant of this file:
//!
//! > **I1.** While a `Cage` lives, every byte at `base + i`, `i < len`, may be read and written.
//!
//! Guest programs run on several threads and user space may have parts mapped, so any byte may change at any time:
//!
//! > **I2.** No `&T` or `&mut T` to the memory exists, except `&Atomic*` for the length of one operation.
//!
//! All accesses are atomic operations on naturally aligned words; an unaligned access is made of several of them, and may tear, as
//! it may on hardware. That accesses of one byte by atomics of different sizes race is outside the language's memory model but
//! has the hardware's meaning (the same as for memory shared with a kernel): the bytes come from one of the writers.
//!
//! [`Windows`] keeps an `Arc<Cage>`, so its copy of `base` stays valid, and its fields are private to this file:
//!
//! > **I3.** For each window, guest addresses `lo .. lo + n` with `n - SIZE < read[SIZE]` (or `write[SIZE]`) lie in the cage.
//!
//! Which object an address belongs to and what may be done with it is decided by the callers (`mem`): a mistake there breaks
//! the isolation between objects of guests but never the memory safety of this process.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use oxbpf_kernel::{Mapping, Prot};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

use super::{AtomicOp, Rights};

/// Size of one access as the logarithm of its bytes: 0 to 3.
pub(crate) type SizeLog = usize;

/// The range that all guest memory lies in.
#[derive(Debug)]
pub(crate) struct Cage {
    base: NonNull<u8>,
    len: u64,
}

// SAFETY: the memory is reached only by atomic operations (I2), which any thread may do; `base` and `len` never change.
unsafe impl Send for Cage {}
// SAFETY: as above.
unsafe impl Sync for Cage {}

impl Cage {
    /// Reserves `len` bytes, a multiple of the page size. Nothing is committed before it is touched.
    pub(crate) fn reserve(len: u64) -> io::Result<Self> {
        let size = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
        let prot = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a null hint lets the kernel choose a free range, so no existing mapping is touched.
        let base = unsafe { mmap_anonymous(ptr::null_mut(), size, prot, flags) }?;
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::OutOfMemory)?;
        // The reservation is sparse: huge pages would commit 2 MiB for the first byte of every small object.
        // SAFETY: the advice covers exactly the mapping just made, and changes only how it is backed.
        let _ = unsafe { madvise(base.as_ptr().cast(), size, Advice::LinuxNoHugepage) };
        Ok(Self { base, len })
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The host address of `n` bytes at `off`, `None` if they are not all in the cage.
    #[inline]
    fn at(&self, off: u64, n: u64) -> Option<*mut u8> {
        if n > self.len || off > self.len - n {
            return None;
        }
        // `off <= len`, and `len` fits `usize` since the mapping exists.
        Some(self.base.as_ptr().wrapping_add(off as usize))
    }

    /// Loads `1 << log` bytes in native order; `None` outside the cage.
    #[inline]
    pub(crate) fn load(&self, off: u64, log: SizeLog) -> Option<u64> {
        let p = self.at(off, 1 << log)?;
        // SAFETY: `at` placed `1 << log` bytes in the cage, which I1 makes readable.
        Some(unsafe { load(p, log) })
    }

    /// Stores the low `1 << log` bytes of `value`; `None` outside the cage.
    #[inline]
    pub(crate) fn store(&self, off: u64, log: SizeLog, value: u64) -> Option<()> {
        let p = self.at(off, 1 << log)?;
        // SAFETY: `at` placed `1 << log` bytes in the cage, which I1 makes writable.
        unsafe { store(p, log, value) };
        Some(())
    }

    /// Does a read-modify-write of 4 or 8 bytes at an aligned offset and gives the old value; `None` outside the cage or off
    /// alignment.
    pub(crate) fn rmw(&self, off: u64, log: SizeLog, op: AtomicOp, value: u64, expected: u64) -> Option<u64> {
        let p = self.at(off, 1 << log)?;
        if p.addr() & ((1 << log) - 1) != 0 {
            return None;
        }
        match log {
            2 => {
                // SAFETY: aligned and in the cage (I1); the reference is to an atomic and ends with this call (I2).
                let a = unsafe { AtomicU32::from_ptr(p.cast()) };
                Some(u64::from(rmw32(a, op, value as u32, expected as u32)))
            }
            3 => {
                // SAFETY: as for 4 bytes.
                let a = unsafe { AtomicU64::from_ptr(p.cast()) };
                Some(rmw64(a, op, value, expected))
            }
            _ => None,
        }
    }

    /// Copies `out.len()` bytes at `off` out; `None` if they are not all in the cage.
    pub(crate) fn copy_out(&self, off: u64, out: &mut [u8]) -> Option<()> {
        let mut p = self.at(off, out.len() as u64)?;
        let mut rest = out;
        while !rest.is_empty() {
            let log = if rest.len() >= 8 && p.addr() & 7 == 0 { 3 } else { 0 };
            let (now, later) = rest.split_at_mut(1 << log);
            // SAFETY: `p` has advanced by as much as `rest` has shrunk, so `1 << log <= rest.len()` bytes at it are in the cage.
            let word = unsafe { load(p, log) };
            if log == 3 {
                now.copy_from_slice(&word.to_ne_bytes());
            } else {
                now.fill(word as u8);
            }
            p = p.wrapping_add(1 << log);
            rest = later;
        }
        Some(())
    }

    /// Copies `data` in at `off`; `None` if it does not fit in the cage.
    pub(crate) fn copy_in(&self, off: u64, data: &[u8]) -> Option<()> {
        let mut p = self.at(off, data.len() as u64)?;
        let mut rest = data;
        while let Some(&first) = rest.first() {
            let word = if p.addr() & 7 == 0 { rest.first_chunk::<8>() } else { None };
            let (log, value) = word.map_or((0, u64::from(first)), |w| (3, u64::from_ne_bytes(*w)));
            // SAFETY: `p` has advanced by as much as `rest` has shrunk, so `1 << log <= rest.len()` bytes at it are in the cage.
            unsafe { store(p, log, value) };
            p = p.wrapping_add(1 << log);
            rest = rest.get(1 << log..).unwrap_or_default();
        }
        Some(())
    }

    /// Writes `n` zero bytes at `off`; `None` if they are not all in the cage.
    pub(crate) fn zero(&self, off: u64, n: u64) -> Option<()> {
        let mut p = self.at(off, n)?;
        let mut left = n;
        while left > 0 {
            let log = if left >= 8 && p.addr() & 7 == 0 { 3 } else { 0 };
            // SAFETY: `p` has advanced by as much as `left` has shrunk, so `1 << log <= left` bytes at it are in the cage.
            unsafe { store(p, log, 0) };
            p = p.wrapping_add(1 << log);
            left -= 1 << log;
        }
        Some(())
    }

    /// Gives whole pages of anonymous memory back to the system; they read as zeros afterwards.
    pub(crate) fn discard(&self, off: u64, n: u64) -> io::Result<()> {
        let p = self.at(off, n).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: the range is inside the cage's own mapping, which stays; only its content goes, and no Rust value lives there (I2).
        unsafe { madvise(p.cast(), n as usize, Advice::LinuxDontNeed) }?;
        Ok(())
    }

    /// Puts anonymous memory back where a ring was.
    pub(crate) fn unmap_ring(&self, off: u64, n: u64) -> io::Result<()> {
        let p = self.at(off, n).ok_or(io::ErrorKind::InvalidInput)?;
        let (prot, flags) =
            (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::NORESERVE | MapFlags::FIXED);
        // SAFETY: the range is inside the cage's own mapping and is replaced by one with the same rights (I1); no Rust value
        // lives there (I2).
        unsafe { mmap_anonymous(p.cast(), n as usize, prot, flags) }?;
        Ok(())
    }

    /// Puts a ring at `off`: `header` bytes, then `data` bytes twice over the same memory. Both are multiples of the page size.
    pub(crate) fn map_ring(&self, off: u64, header: u64, data: u64) -> io::Result<()> {
        let file = ring_file(header + data)?;
        self.map_file(&file, off, header + data, 0)?;
        self.map_file(&file, off + header + data, data, header)
    }

    fn map_file(&self, file: &OwnedFd, off: u64, n: u64, file_off: u64) -> io::Result<()> {
        let p = self.at(off, n).ok_or(io::ErrorKind::InvalidInput)?;
        let (prot, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED | MapFlags::FIXED);
        // SAFETY: the range is inside the cage's own mapping and no Rust value lives there (I2). The file is `file_off + n` bytes
        // long at least and sealed against shrinking, so its pages are always backed (I1).
        unsafe { mmap(p.cast::<c_void>(), n as usize, prot, flags, file, file_off) }?;
        Ok(())
    }

    /// The `n` bytes at `off` as shared memory; `keep` is whatever must live as long as the view besides the cage.
    pub(crate) fn view(
        self: &Arc<Self>,
        off: u64,
        n: u64,
        prot: Prot,
        keep: Arc<dyn core::any::Any + Send + Sync>,
    ) -> Option<Mapping> {
        if off % 8 != 0 {
            return None;
        }
        let p = NonNull::new(self.at(off, n)?)?;
        let owner = Arc::new((self.clone(), keep));
        // SAFETY: the bytes are in the cage, which `owner` keeps alive (I1); no reference to them exists (I2); `base` is page
        // aligned and `off` a multiple of 8.
        Some(unsafe { Mapping::from_raw(p, n as usize, prot, owner) })
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // SAFETY: this unmaps the range that `reserve` mapped; every user of it holds the `Cage`, so none is left.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.len as usize) };
    }
}

fn ring_file(len: u64) -> io::Result<OwnedFd> {
    let file = memfd_create("bpf-ring", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    ftruncate(&file, len)?;
    fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

/// The spans that a program's base registers last pointed into, so that most accesses need one comparison.
#[derive(Debug)]
pub(crate) struct Windows {
    /// `base` of the cage minus the guest address of its first byte.
    bias: *mut u8,
    entries: [Window; 16],
    /// Bit per entry that [`Windows::forget`] has to clear.
    filled: u16,
    cage: Arc<Cage>,
}

// SAFETY: `bias` is a copy of the address in `cage`, which is `Send`; a `Windows` has no other shared state.
unsafe impl Send for Windows {}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    /// Guest address of the span's first byte.
    lo: u64,
    /// For each size, how many bytes from `lo` on an access may start at: `span - size + 1`, or 0.
    read: [u32; 4],
    /// The same for writes.
    write: [u32; 4],
}

impl Windows {
    pub(crate) fn new(cage: &Arc<Cage>) -> Self {
        let bias = cage.base.as_ptr().wrapping_sub(super::Memory::BASE as usize);
        Self { bias, entries: [Window::default(); 16], filled: 0, cage: cage.clone() }
    }

    /// Remembers that register `reg` points into the `len` bytes at `off` of the cage. A span that leaves the cage is ignored.
    pub(crate) fn remember(&mut self, reg: usize, off: u64, len: u64, rights: Rights) {
        // Spans are cut to what the counts can express; the rest of a larger one is found by the table.
        let len = len.min(1 << 31);
        if self.cage.at(off, len).is_none() {
            return;
        }
        let starts = |allowed: bool| {
            core::array::from_fn(|log| if allowed { (len + 1).saturating_sub(1 << log) as u32 } else { 0 })
        };
        let window = Window {
            lo: super::Memory::BASE.wrapping_add(off),
            read: starts(rights.can_read()),
            write: starts(rights.can_write()),
        };
        self.entries[reg & 15] = window;
        // The frame pointer's span changes only when the frame does, and then it is set anew.
        if reg != 10 {
            self.filled |= 1 << (reg & 15);
        }
    }

    /// Forgets every span, since objects may have changed.
    #[inline]
    pub(crate) fn forget(&mut self) {
        while self.filled != 0 {
            let i = self.filled.trailing_zeros() as usize;
            self.entries[i & 15] = Window::default();
            self.filled &= self.filled - 1;
        }
    }

    /// Loads `1 << LOG` bytes at a guest address through register `reg`'s span; `None` if it is not in there.
    #[inline(always)]
    pub(crate) fn load<const LOG: SizeLog>(&self, reg: usize, addr: u64) -> Option<u64> {
        let w = &self.entries[reg & 15];
        if addr.wrapping_sub(w.lo) >= u64::from(w.read[LOG]) {
            return None;
        }
        let p = self.bias.wrapping_add(addr as usize);
        // SAFETY: `addr - lo < read[LOG]`, so by I3 the bytes are in the cage, which `self.cage` keeps mapped (I1). `bias + addr` is
        // `base` plus the offset in the cage, by wrapping arithmetic on `base`, whose provenance is the whole mapping.
        Some(unsafe { load(p, LOG) })
    }

    /// Stores `1 << LOG` bytes at a guest address through register `reg`'s span; false if it is not in there.
    #[inline(always)]
    pub(crate) fn store<const LOG: SizeLog>(&self, reg: usize, addr: u64, value: u64) -> bool {
        let w = &self.entries[reg & 15];
        if addr.wrapping_sub(w.lo) >= u64::from(w.write[LOG]) {
            return false;
        }
        let p = self.bias.wrapping_add(addr as usize);
        // SAFETY: as in `load`, with `write[LOG]`.
        unsafe { store(p, LOG, value) };
        true
    }
}

/// Loads `1 << log` bytes in native order, zero-extended.
///
/// # Safety
/// `1 << log` bytes at `p` are in a live cage.
#[inline(always)]
unsafe fn load(p: *mut u8, log: SizeLog) -> u64 {
    if p.addr() & ((1 << log) - 1) != 0 {
        // SAFETY: the same contract.
        return unsafe { load_unaligned(p, 1 << log) };
    }
    match log {
        0 => {
            // SAFETY: one byte in the cage (I1), reached through an atomic for this operation only (I2).
            u64::from(unsafe { AtomicU8::from_ptr(p) }.load(Ordering::Relaxed))
        }
        1 => {
            // SAFETY: as above, aligned by the test at the top.
            u64::from(unsafe { AtomicU16::from_ptr(p.cast()) }.load(Ordering::Relaxed))
        }
        2 => {
            // SAFETY: as above, aligned by the test at the top.
            u64::from(unsafe { AtomicU32::from_ptr(p.cast()) }.load(Ordering::Relaxed))
        }
        _ => {
            // SAFETY: as above, aligned by the test at the top.
            unsafe { AtomicU64::from_ptr(p.cast()) }.load(Ordering::Relaxed)
        }
    }
}

/// Stores the low `1 << log` bytes of `value` in native order.
///
/// # Safety
/// `1 << log` bytes at `p` are in a live cage.
#[inline(always)]
unsafe fn store(p: *mut u8, log: SizeLog, value: u64) {
    if p.addr() & ((1 << log) - 1) != 0 {
        // SAFETY: the same contract.
        return unsafe { store_unaligned(p, 1 << log, value) };
    }
    match log {
        0 => {
            // SAFETY: one byte in the cage (I1), reached through an atomic for this operation only (I2).
            unsafe { AtomicU8::from_ptr(p) }.store(value as u8, Ordering::Relaxed);
        }
        1 => {
            // SAFETY: as above, aligned by the test at the top.
            unsafe { AtomicU16::from_ptr(p.cast()) }.store(value as u16, Ordering::Relaxed);
        }
        2 => {
            // SAFETY: as above, aligned by the test at the top.
            unsafe { AtomicU32::from_ptr(p.cast()) }.store(value as u32, Ordering::Relaxed);
        }
        _ => {
            // SAFETY: as above, aligned by the test at the top.
            unsafe { AtomicU64::from_ptr(p.cast()) }.store(value, Ordering::Relaxed);
        }
    }
}

/// The largest aligned piece of `left` bytes at `p`, as the logarithm of its size. Network headers put words at offsets that
/// are 2 off, so pieces larger than a byte are common.
fn piece(p: *mut u8, left: usize) -> SizeLog {
    (p.addr().trailing_zeros() as usize).min(left.ilog2() as usize).min(3)
}

/// # Safety
/// As [`load`], for `n` bytes, at most 8.
#[cold]
#[inline(never)]
unsafe fn load_unaligned(p: *mut u8, n: usize) -> u64 {
    let mut bytes = [0u8; 8];
    let mut done = 0;
    while done < n {
        let at = p.wrapping_add(done);
        let log = piece(at, n - done);
        // SAFETY: `piece` keeps within the `n - done` bytes that are left.
        let part = unsafe { load(at, log) };
        for (i, byte) in bytes.iter_mut().skip(done).take(1 << log).enumerate() {
            *byte = native_byte(part, log, i);
        }
        done += 1 << log;
    }
    from_native(bytes, n)
}

/// # Safety
/// As [`store`], for `n` bytes, at most 8.
#[cold]
#[inline(never)]
unsafe fn store_unaligned(p: *mut u8, n: usize, value: u64) {
    let mut done = 0;
    while done < n {
        let at = p.wrapping_add(done);
        let log = piece(at, n - done);
        let mut part = [0u8; 8];
        for (i, byte) in part.iter_mut().take(1 << log).enumerate() {
            *byte = native_byte(value, n.ilog2() as usize, done + i);
        }
        let part = from_native(part, 1 << log);
        // SAFETY: `piece` keeps within the `n - done` bytes that are left.
        unsafe { store(at, log, part) };
        done += 1 << log;
    }
}

/// Byte `i` in memory of the low `1 << log` bytes of `value`.
fn native_byte(value: u64, log: SizeLog, i: usize) -> u8 {
    let shift = if cfg!(target_endian = "little") { i } else { (1 << log) - 1 - i };
    (value >> (8 * shift)) as u8
}

/// The first `n` bytes as a native integer.
fn from_native(bytes: [u8; 8], n: usize) -> u64 {
    let word = u64::from_ne_bytes(bytes);
    if n >= 8 {
        word
    } else if cfg!(target_endian = "little") {
        word & ((1 << (8 * n)) - 1)
    } else {
        word >> (64 - 8 * n)
    }
}

macro_rules! rmw {
    ($name:ident, $atomic:ty, $int:ty) => {
        fn $name(a: &$atomic, op: AtomicOp, value: $int, expected: $int) -> $int {
            // The kernel's atomics that return a value are fully ordered; the others need no order but cost the same here.
            let order = Ordering::SeqCst;
            match op {
                AtomicOp::Add => a.fetch_add(value, order),
                AtomicOp::Or => a.fetch_or(value, order),
                AtomicOp::And => a.fetch_and(value, order),
                AtomicOp::Xor => a.fetch_xor(value, order),
                AtomicOp::Xchg => a.swap(value, order),
                AtomicOp::CmpXchg => {
                    a.compare_exchange(expected, value, order, order).unwrap_or_else(|old| old)
                }
            }
        }
    };
}
rmw!(rmw32, AtomicU32, u32);
rmw!(rmw64, AtomicU64, u64);
