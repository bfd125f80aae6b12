//! Memory whose address C keeps: initial values of data maps, and what they become when the maps exist.
//!
//! libbpf gives out the address of a data map's first contents before the object is loaded, and the same address is the
//! map's own memory afterwards. So each such map has pages here, and the map is put in their place once it exists.
//!
//! # Safety
//! A [`Pages`] owns one mapping of its length, from `mmap` until it is dropped. C writes to it without this library
//! knowing; no reference to it is ever made, and bytes are copied in and out with raw copies. What maps over it has
//! exactly its range.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};

use crate::fail::Fail;

/// Pages of this process.
#[derive(Debug)]
pub struct Pages {
    start: *mut u8,
    /// Bytes in use; the mapping is whole pages.
    len: usize,
}

// SAFETY: the mapping belongs to no thread; what is in it is C's to synchronise.
unsafe impl Send for Pages {}
// SAFETY: as above.
unsafe impl Sync for Pages {}

/// Bytes of a page.
pub fn page_size() -> usize {
    // SAFETY: there is no condition.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

impl Pages {
    /// Pages that hold `data`.
    ///
    /// # Errors
    /// `ENOMEM`, or `EINVAL` for nothing.
    pub fn new(data: &[u8]) -> Result<Self, Fail> {
        let mut pages = Self { start: core::ptr::null_mut(), len: data.len() };
        let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
        // SAFETY: the kernel chooses a free range; nothing that exists changes.
        let start = unsafe { libc::mmap(core::ptr::null_mut(), pages.whole(), prot, flags, -1, 0) };
        if core::ptr::eq(start, libc::MAP_FAILED) {
            return Err(Fail::last());
        }
        pages.start = start.cast();
        // SAFETY: the mapping was just made, is writable and at least as long as the data.
        unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), pages.start, data.len()) };
        Ok(pages)
    }

    /// The address that C gets.
    pub fn address(&self) -> *const u8 {
        self.start
    }

    /// Bytes in use.
    pub fn size(&self) -> usize {
        self.len
    }

    fn whole(&self) -> usize {
        self.len.next_multiple_of(page_size())
    }

    /// What is there now.
    pub fn copy(&self) -> Vec<u8> {
        let mut data = vec![0; self.len];
        // SAFETY: the mapping is readable and at least as long; the vector is new, so the two do not overlap.
        unsafe { core::ptr::copy_nonoverlapping(self.start, data.as_mut_ptr(), self.len) };
        data
    }

    /// Writes from the start; what does not fit is left out.
    pub fn fill(&self, data: &[u8]) {
        let len = data.len().min(self.len);
        // SAFETY: the mapping is writable until a map takes its place, and at least `len` long.
        unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), self.start, len) };
    }

    /// Puts a map's memory in place of the pages.
    ///
    /// # Errors
    /// The kernel's; the pages stay then.
    pub fn replace(&self, map: BorrowedFd<'_>, is_writable: bool) -> Result<(), Fail> {
        let prot = if is_writable { libc::PROT_READ | libc::PROT_WRITE } else { libc::PROT_READ };
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        // SAFETY: the range is this mapping's own, which nothing in Rust refers to.
        let start = unsafe { libc::mmap(self.start.cast(), self.whole(), prot, flags, map.as_raw_fd(), 0) };
        if core::ptr::eq(start, libc::MAP_FAILED) { Err(Fail::last()) } else { Ok(()) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        if !self.start.is_null() {
            // SAFETY: the mapping is this one's, and C may no longer use it.
            unsafe { libc::munmap(self.start.cast(), self.whole()) };
        }
    }
}
