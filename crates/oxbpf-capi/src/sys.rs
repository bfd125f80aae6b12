//! bpf(2) and perf_event_open(2) as C calls them: addresses whose lengths only the kernel knows.
//!
//! The functions of `bpf.h` are given a map's key and value without their sizes. So their pointers go to the kernel as
//! they came, which the typed requests of `oxbpf-kernel` cannot express.
//!
//! # Safety
//! The kernel checks every address it is given and fails with `EFAULT` for a bad one. What it writes to is memory that C
//! gave for that, or a request in this module's callers. Descriptors that it makes are returned as numbers.
#![allow(unsafe_code)]

use core::ffi::{c_int, c_long};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::arg::Raw;
use crate::fail::Fail;
use crate::fd;

/// Says that a second struct of attributes follows. Linux 7.2.
const COMMON_ATTRS: u32 = 1 << 16;

/// Tries of a load that the kernel puts off because signals came.
pub const LOAD_ATTEMPTS: i32 = 5;

/// Runs a command.
///
/// # Errors
/// The kernel's.
pub fn bpf<T>(cmd: u32, attr: &mut T) -> Result<c_int, Fail>
where
    T: FromBytes + IntoBytes + Immutable + KnownLayout,
{
    let bytes = attr.as_mut_bytes();
    // SAFETY: the request is as long as said; what it points to is C's.
    check(unsafe { libc::syscall(libc::SYS_bpf, cmd, bytes.as_mut_ptr(), bytes.len()) })
}

/// Runs a command that makes a descriptor, which is moved above the standard streams.
///
/// # Errors
/// The kernel's.
pub fn bpf_fd<T>(cmd: u32, attr: &mut T) -> Result<c_int, Fail>
where
    T: FromBytes + IntoBytes + Immutable + KnownLayout,
{
    bpf(cmd, attr).and_then(fd::above_streams)
}

/// As [`bpf_fd`] with a log for any command. Linux 7.2.
///
/// # Errors
/// The kernel's.
pub fn bpf_fd_with_log<T, C>(cmd: u32, attr: &mut T, common: &mut C) -> Result<c_int, Fail>
where
    T: FromBytes + IntoBytes + Immutable + KnownLayout,
    C: FromBytes + IntoBytes + Immutable + KnownLayout,
{
    let (bytes, common) = (attr.as_mut_bytes(), common.as_mut_bytes());
    let (address, size) = (common.as_mut_ptr(), common.len());
    // SAFETY: both requests are as long as said; what they point to is C's.
    let result = unsafe {
        libc::syscall(libc::SYS_bpf, cmd | COMMON_ATTRS, bytes.as_mut_ptr(), bytes.len(), address, size)
    };
    check(result).and_then(fd::above_streams)
}

/// Opens a perf event that C describes.
///
/// # Errors
/// The kernel's.
pub fn perf_event_open(attr: Raw, pid: i32, cpu: i32, group: i32, flags: u64) -> Result<c_int, Fail> {
    // SAFETY: the attribute is C's, with its size in it.
    check(unsafe { libc::syscall(libc::SYS_perf_event_open, attr.pointer(), pid, cpu, group, flags) })
        .and_then(fd::above_streams)
}

/// Raises the limit of locked memory.
///
/// # Errors
/// The kernel's.
pub fn set_memlock(bytes: u64) -> Result<(), Fail> {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    // SAFETY: the call reads the struct that it is given.
    check(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) }.into()).map(drop)
}

fn check(result: c_long) -> Result<c_int, Fail> {
    if result < 0 { Err(Fail::last()) } else { Ok(result as c_int) }
}
