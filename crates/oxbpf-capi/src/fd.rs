//! Descriptors of C's as references that the loader can hold.
//!
//! C keeps its descriptors. The loader owns its references, so each is a duplicate, above the standard streams and
//! closed on exec.
//!
//! # Safety
//! A number that C passes is used with calls that fail for one that is not open; nothing is closed but what was made here
//! or what C gave away.
#![allow(unsafe_code)]

use std::os::fd::{FromRawFd, OwnedFd};

use oxbpf_kernel::Handle;

use crate::fail::Fail;

/// The first descriptor above the standard streams.
const FIRST: i32 = 3;

/// A duplicate of C's descriptor.
///
/// # Errors
/// `EBADF`, `EMFILE`.
pub fn duplicate(fd: i32) -> Result<Handle, Fail> {
    // SAFETY: the call makes a new descriptor or fails.
    let new = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, FIRST) };
    own(new)
}

/// Takes a descriptor over that C gives away, or that a call has just made; a negative one is the last error.
///
/// # Errors
/// The last error.
pub fn own(fd: i32) -> Result<Handle, Fail> {
    owned(fd).map(Handle::from_fd)
}

/// As [`own`], as a descriptor.
///
/// # Errors
/// The last error.
pub fn owned(fd: i32) -> Result<OwnedFd, Fail> {
    if fd < 0 {
        return Err(Fail::last());
    }
    // SAFETY: it is open, and whoever had it gave it away.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Moves a new descriptor above the standard streams.
///
/// # Errors
/// `EMFILE`.
pub fn above_streams(fd: i32) -> Result<i32, Fail> {
    if fd >= FIRST {
        return Ok(fd);
    }
    let low = owned(fd)?;
    // SAFETY: the call makes a new descriptor or fails.
    let new = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, FIRST) };
    drop(low);
    if new < 0 { Err(Fail::last()) } else { Ok(new) }
}

/// Whether a descriptor is open.
pub fn is_open(fd: i32) -> bool {
    // SAFETY: the call only asks.
    unsafe { libc::fcntl(fd, libc::F_GETFD) >= 0 }
}
