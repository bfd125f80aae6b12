//! Raw system calls behind signatures that are safe, or whose one condition is stated.
//!
//! # Safety
//!
//! A system call is unsafe for three reasons: it may read or write memory at an address, it may take over or invalidate
//! a descriptor, or it may change what the process is (its mappings, its threads). Each function below takes slices
//! and owned or borrowed descriptors, so that the first two are in its signature, and each block says which of the
//! three applies and why it holds.
#![allow(unsafe_code)]

use std::ffi::CStr;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr::NonNull;
use std::sync::Arc;

use oxbpf_kernel::{Mapping, Prot};
use oxbpf_uapi::{Cmd, Errno};
use rustix::mm::{MapFlags, ProtFlags};

/// The descriptor is closed by exec(2): `include/uapi/linux/perf_event.h`.
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 1 << 3;

/// The result of a call that answers −1 and `errno`.
fn check(result: libc::c_long) -> Result<u64, Errno> {
    u64::try_from(result).map_err(|_| last_errno())
}

fn last_errno() -> Errno {
    Errno(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO))
}

/// rustix's error number as ours.
pub(crate) fn errno(e: rustix::io::Errno) -> Errno {
    Errno(e.raw_os_error())
}

/// An I/O error's number, `EIO` where it has none.
pub(crate) fn io_errno(e: &std::io::Error) -> Errno {
    Errno(e.raw_os_error().unwrap_or(libc::EIO))
}

/// bpf(2).
///
/// # Safety
/// Every address in `attr` is valid for what `cmd` does with it, for the duration of the call.
pub(crate) unsafe fn bpf(cmd: Cmd, attr: &mut [u8]) -> Result<u64, Errno> {
    // SAFETY: `attr` is readable and writable for its length; the addresses inside are the caller's promise.
    check(unsafe { libc::syscall(libc::SYS_bpf, cmd.0, attr.as_mut_ptr(), attr.len()) })
}

/// perf_event_open(2) with `PERF_FLAG_FD_CLOEXEC`. `name` is what `config1` of the struct is set to the address of.
pub(crate) fn perf_event_open(
    attr: &mut crate::perf::Attr,
    name: Option<&CStr>,
    pid: i32,
    cpu: i32,
    group: Option<BorrowedFd<'_>>,
) -> Result<OwnedFd, Errno> {
    if let Some(name) = name {
        attr.config1 = name.as_ptr().expose_provenance() as u64;
    }
    let group = group.map_or(-1, |fd| fd.as_raw_fd());
    let attr: *mut crate::perf::Attr = attr;
    // SAFETY: `attr` is a whole struct whose `size` field is its size, and the one address in it is of a text that
    // lives through the call. A number in `config1` that is no address is read by copying, which fails with `EFAULT`.
    let fd = check(unsafe {
        libc::syscall(libc::SYS_perf_event_open, attr, pid, cpu, group, PERF_FLAG_FD_CLOEXEC)
    })?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EPROTO)?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// ioctl(2) with a number as argument.
pub(crate) fn ioctl_number(fd: BorrowedFd<'_>, request: u32, argument: u64) -> Result<u64, Errno> {
    // SAFETY: private to this crate, which only passes the perf event requests that take numbers.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request as _, argument) }.into())
}

/// ioctl(2) with a buffer that the kernel reads and writes; the buffer's second word says how long it is.
pub(crate) fn perf_query_bpf(fd: BorrowedFd<'_>, request: u32, buf: &mut [u32]) -> Result<(), Errno> {
    let room = u32::try_from(buf.len().saturating_sub(2)).map_err(|_| Errno::E2BIG)?;
    *buf.first_mut().ok_or(Errno::EINVAL)? = room;
    // SAFETY: `PERF_EVENT_IOC_QUERY_BPF` writes the count to the second word and at most as many words after it as the
    // first word says, which is what `buf` has.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request as _, buf.as_mut_ptr()) }.into())?;
    Ok(())
}

/// A mapped range, given back on drop.
struct Mapped {
    ptr: NonNull<u8>,
    len: usize,
}

// SAFETY: the range belongs to no thread; only `drop` and `as_ref` of a constant file use the address.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the range is exactly what mmap(2) gave, and nobody uses it any more.
        let result = unsafe { rustix::mm::munmap(self.ptr.as_ptr().cast(), self.len) };
        debug_assert!(result.is_ok(), "munmap: {result:?}");
    }
}

fn map_shared(fd: BorrowedFd<'_>, range: Range<u64>, prot: Prot, flags: MapFlags) -> Result<Mapped, Errno> {
    let len = range.end.checked_sub(range.start).filter(|len| *len > 0).ok_or(Errno::EINVAL)?;
    let len = usize::try_from(len).map_err(|_| Errno::ENOMEM)?;
    let prot = match prot {
        Prot::Read => ProtFlags::READ,
        Prot::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
    };
    // SAFETY: a new mapping at an address of the kernel's choice disturbs nothing.
    let addr = unsafe { rustix::mm::mmap(std::ptr::null_mut(), len, prot, flags, fd, range.start) };
    let ptr = NonNull::new(addr.map_err(errno)?.cast::<u8>()).ok_or(Errno::ENOMEM)?;
    Ok(Mapped { ptr, len })
}

/// Maps bytes of a descriptor, shared. `is_ring` says that it is the read-only part of a BPF ring buffer map.
pub(crate) fn mmap(
    fd: BorrowedFd<'_>,
    range: Range<u64>,
    prot: Prot,
    is_ring: bool,
) -> Result<Mapping, Errno> {
    let mapped = Arc::new(map_shared(fd, range, prot, MapFlags::SHARED)?);
    // SAFETY: `Mapped` keeps the bytes mapped with these rights, pages are aligned to 8, and no reference is made.
    let mapping = unsafe { Mapping::from_raw(mapped.ptr, mapped.len, prot, mapped.clone()) };
    if !is_ring {
        return Ok(mapping);
    }
    // SAFETY: the verifier ends a program's access to a ring record at its commit, and user space can't map the data
    // for writing (`ringbuf_map_mmap_kern`, `kernel/bpf/ringbuf.c`).
    Ok(unsafe { mapping.lend_records() })
}

/// A file whose contents never change, mapped.
pub(crate) struct ConstantFile(Mapped);

impl AsRef<[u8]> for ConstantFile {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `map_sysfs_btf` made sure that the file's contents don't change, and they stay mapped with `self`.
        unsafe { std::slice::from_raw_parts(self.0.ptr.as_ptr(), self.0.len) }
    }
}

/// Maps the kernel's BTF, which sysfs allows from Linux 6.16: privately and for reading only.
pub(crate) fn map_sysfs_btf(fd: BorrowedFd<'_>, len: u64) -> Result<ConstantFile, Errno> {
    // Only a file of sysfs is the kernel's own, whose contents can't change or be cut.
    let magic = rustix::fs::fstatfs(fd).map_err(errno)?.f_type as u64;
    if magic != SYSFS_MAGIC {
        return Err(Errno::EINVAL);
    }
    map_shared(fd, 0..len, Prot::Read, MapFlags::PRIVATE).map(ConstantFile)
}

const SYSFS_MAGIC: u64 = 0x6265_6572;

/// Asks for the kernel's reasons in words; kernels before 4.12 have none, so the result does not matter.
pub(crate) fn set_netlink_ext_ack(socket: &OwnedFd) {
    for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK] {
        let on: libc::c_int = 1;
        let len = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the option's value is an int of this length, which lives through the call.
        let _ = unsafe {
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_NETLINK, option, (&raw const on).cast(), len)
        };
    }
}
