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

use oxbpf_kernel::{Mapping, Prot, SocketRole};
use oxbpf_uapi::perf_event::{PERF_FLAG_FD_CLOEXEC, PerfEventAttr};
use oxbpf_uapi::{Cmd, Errno};
use rustix::mm::{MapFlags, ProtFlags};

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

/// Whether bpf(2) takes attributes that are common to all commands: then it looks for them where there are none.
pub(crate) fn has_common_attrs() -> bool {
    const COMMON_ATTRS: u32 = 1 << 16;
    /// Bytes of `struct bpf_common_attr`.
    const LEN: usize = 24;
    let mut attr = [0u64; 19];
    let (cmd, len) = (Cmd::PROG_LOAD.0 | COMMON_ATTRS, size_of_val(&attr));
    let nothing = std::ptr::null_mut::<u8>();
    // SAFETY: `attr` is readable and writable for its length and has no address in it; the null address is refused.
    let result = check(unsafe { libc::syscall(libc::SYS_bpf, cmd, attr.as_mut_ptr(), len, nothing, LEN) });
    result == Err(Errno::EFAULT)
}

/// perf_event_open(2) with `PERF_FLAG_FD_CLOEXEC`. `name` is what `config1` of the struct is set to the address of.
pub(crate) fn perf_event_open(
    attr: &mut PerfEventAttr,
    name: Option<&CStr>,
    pid: i32,
    cpu: i32,
    group: Option<BorrowedFd<'_>>,
) -> Result<OwnedFd, Errno> {
    if let Some(name) = name {
        attr.config1 = name.as_ptr().expose_provenance() as u64;
    }
    let group = group.map_or(-1, |fd| fd.as_raw_fd());
    let attr: *mut PerfEventAttr = attr;
    // SAFETY: `attr` is a whole struct whose `size` field is its size, and the one address in it is of a text that
    // lives through the call. A number in `config1` that is no address is read by copying, which fails with `EFAULT`.
    let fd = check(unsafe {
        libc::syscall(libc::SYS_perf_event_open, attr, pid, cpu, group, PERF_FLAG_FD_CLOEXEC)
    })?;
    let fd = RawFd::try_from(fd).map_err(|_| Errno::EPROTO)?;
    // SAFETY: the kernel just made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Whether the kernel has the system call through which it serves user probes on a 5-byte `nop`. It refuses everybody but
/// its own trampoline with `ENXIO`; only 64-bit x86 has it.
pub(crate) fn has_uprobe() -> bool {
    #[cfg(all(target_arch = "x86_64", target_pointer_width = "64"))]
    {
        const SYS_UPROBE: libc::c_long = 336;
        // SAFETY: takes no arguments, and changes nothing of a process that is not in the trampoline.
        check(unsafe { libc::syscall(SYS_UPROBE) }) == Err(Errno::ENXIO)
    }
    #[cfg(not(all(target_arch = "x86_64", target_pointer_width = "64")))]
    false
}

/// Takes over a descriptor that a program of type `syscall` opened; see `Backend::adopt`.
///
/// Such a program can open and close descriptors of the process that runs it, so who loads one answers for what it does to them, as for
/// what is written to `/proc/self/mem`; numbers that are not those of BPF objects are refused all the same.
pub(crate) fn adopt(number: RawFd) -> Result<OwnedFd, Errno> {
    let link = std::fs::read_link(format!("/proc/self/fd/{number}")).map_err(|_| Errno::EBADF)?;
    let is_bpf =
        matches!(link.to_str(), Some("anon_inode:bpf-map" | "anon_inode:bpf-prog" | "anon_inode:btf"));
    if !is_bpf {
        return Err(Errno::EBADF);
    }
    // SAFETY: the program opened the descriptor and left its number to the caller, who gives it here once: nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Adds an X.509 certificate in DER to a keyring, so that signatures of its key can be verified; gives the key's serial number.
///
/// # Errors
/// As add_key(2): `EBADMSG` for bytes that are no certificate, `ENOKEY` for a keyring that is not there, `EPERM` for the system's own.
pub fn add_certificate(description: &CStr, certificate: &[u8], keyring: i32) -> Result<i32, Errno> {
    let (kind, payload, len) = (c"asymmetric".as_ptr(), certificate.as_ptr(), certificate.len());
    // SAFETY: both texts end with a zero, the payload is readable for its length, and all are only read.
    let key = check(unsafe {
        libc::syscall(libc::SYS_add_key, kind, description.as_ptr(), payload, len, keyring)
    })?;
    i32::try_from(key).map_err(|_| Errno::EPROTO)
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

/// Maps bytes of a descriptor, at `address` if that is not 0.
fn map_shared(
    fd: BorrowedFd<'_>,
    address: usize,
    range: Range<u64>,
    prot: Prot,
    flags: MapFlags,
) -> Result<Mapped, Errno> {
    let len = range.end.checked_sub(range.start).filter(|len| *len > 0).ok_or(Errno::EINVAL)?;
    let len = usize::try_from(len).map_err(|_| Errno::ENOMEM)?;
    let prot = match prot {
        Prot::Read => ProtFlags::READ,
        Prot::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
    };
    let flags = if address == 0 { flags } else { flags | MapFlags::FIXED_NOREPLACE };
    let place = std::ptr::without_provenance_mut(address);
    // SAFETY: a new mapping at an address of the kernel's choice, or where nothing is mapped (`FIXED_NOREPLACE`), disturbs
    // nothing.
    let addr = unsafe { rustix::mm::mmap(place, len, prot, flags, fd, range.start) };
    let ptr = NonNull::new(addr.map_err(errno)?.cast::<u8>()).ok_or(Errno::ENOMEM)?;
    let mapped = Mapped { ptr, len };
    // Before Linux 4.17 the flag is not known, and the address is only a wish.
    if address != 0 && ptr.as_ptr().addr() != address {
        return Err(Errno::EEXIST);
    }
    Ok(mapped)
}

/// Maps bytes of a descriptor, shared, at `address` if that is not 0. `is_ring` says that it is the read-only part of a BPF ring buffer map.
pub(crate) fn mmap(
    fd: BorrowedFd<'_>,
    address: u64,
    range: Range<u64>,
    prot: Prot,
    is_ring: bool,
) -> Result<Mapping, Errno> {
    let address = usize::try_from(address).map_err(|_| Errno::ENOMEM)?;
    let mapped = Arc::new(map_shared(fd, address, range, prot, MapFlags::SHARED)?);
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
    map_shared(fd, 0, 0..len, Prot::Read, MapFlags::PRIVATE).map(ConstantFile)
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

/// `asm-generic/socket.h`, Linux 5.3; the C library's bindings lack it.
const SO_DETACH_REUSEPORT_BPF: libc::c_int = 68;

/// Gives a program to a socket, or takes it away.
pub(crate) fn set_socket_prog(
    socket: BorrowedFd<'_>,
    role: SocketRole,
    prog: Option<BorrowedFd<'_>>,
) -> Result<(), Errno> {
    let option = match (role, prog.is_some()) {
        (SocketRole::Filter, true) => libc::SO_ATTACH_BPF,
        (SocketRole::Filter, false) => libc::SO_DETACH_BPF,
        (SocketRole::Reuseport, true) => libc::SO_ATTACH_REUSEPORT_EBPF,
        (SocketRole::Reuseport, false) => SO_DETACH_REUSEPORT_BPF,
    };
    let value: libc::c_int = prog.map_or(0, |p| p.as_raw_fd());
    let len = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the options' values are ints of this length, which the kernel only reads, and which lives through the call.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, (&raw const value).cast(), len)
    };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// What a child process does between fork(2) and execve(2), all of it made ready before the fork.
pub(crate) struct ChildPlan<'a> {
    /// Executable, already resolved.
    pub(crate) path: &'a CStr,
    pub(crate) args: &'a [std::ffi::CString],
    pub(crate) env: &'a [std::ffi::CString],
    /// The child goes on when it reads a byte here, and gives up at the end of the stream.
    pub(crate) go: BorrowedFd<'a>,
    /// The parent's end of `go`, which the child has to close to see that end.
    pub(crate) parent_go: BorrowedFd<'a>,
    /// Receives a byte when the child is ready, and the error number of a failed execve(2); closed by a successful one.
    pub(crate) failure: BorrowedFd<'a>,
}

/// Forks a child that waits for a byte and then becomes another program. Answers with its process id.
pub(crate) fn fork_and_wait(plan: &ChildPlan<'_>) -> Result<i32, Errno> {
    let pointers = |list: &[std::ffi::CString]| -> Vec<*const libc::c_char> {
        list.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (argv, envp) = (pointers(plan.args), pointers(plan.env));
    let (go, parent_go, failure) =
        (plan.go.as_raw_fd(), plan.parent_go.as_raw_fd(), plan.failure.as_raw_fd());
    // SAFETY: the child only makes the async-signal-safe calls below, on memory that was made before the fork, and
    // never returns.
    let pid = unsafe { libc::fork() };
    match pid {
        -1 => Err(last_errno()),
        0 => {
            // SAFETY: async-signal-safe; the child closes its copy of a descriptor that it does not use.
            unsafe { libc::close(parent_go) };
            default_signals();
            let mut byte = 0_u8;
            // SAFETY: async-signal-safe; one byte of this stack.
            let _ = unsafe { libc::write(failure, (&raw const byte).cast(), 1) };
            loop {
                // SAFETY: async-signal-safe; one byte of room on this stack.
                let got = unsafe { libc::read(go, (&raw mut byte).cast(), 1) };
                if got == 1 {
                    break;
                }
                if got == 0 || last_errno() != Errno::EINTR {
                    // SAFETY: async-signal-safe; ends the child without running the parent's exit handlers.
                    unsafe { libc::_exit(125) };
                }
            }
            // SAFETY: async-signal-safe; a terminated path and two arrays of terminated texts that end in null.
            unsafe { libc::execve(plan.path.as_ptr(), argv.as_ptr(), envp.as_ptr()) };
            let number = last_errno().0.to_ne_bytes();
            // SAFETY: async-signal-safe; four bytes of this stack.
            let _ = unsafe { libc::write(failure, number.as_ptr().cast(), number.len()) };
            // SAFETY: async-signal-safe; ends the child without running the parent's exit handlers.
            unsafe { libc::_exit(127) }
        }
        pid => Ok(pid),
    }
}

/// Undoes, in a child, what this process did to signals: the mask that [`block_signals`] set, and Rust's ignoring of
/// `SIGPIPE`. Async-signal-safe.
fn default_signals() {
    // SAFETY: async-signal-safe, and restores a default.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    let none = signal_set(&[]);
    // SAFETY: async-signal-safe; the set lives through the call, and the old one is not wanted.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut()) };
}

fn signal_set(signals: &[i32]) -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: writes the set, which is as large as the type says.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    for signal in signals {
        // SAFETY: the set was initialised above; a number that is no signal is refused.
        unsafe { libc::sigaddset(set.as_mut_ptr(), *signal) };
    }
    // SAFETY: initialised above.
    unsafe { set.assume_init() }
}

/// A signal mask to go back to.
pub(crate) struct SignalMask(libc::sigset_t);

/// Blocks signals in the calling thread and makes a descriptor that reads them, without blocking.
pub(crate) fn block_signals(signals: &[i32]) -> Result<(OwnedFd, SignalMask), Errno> {
    let set = signal_set(signals);
    let mut old = signal_set(&[]);
    // SAFETY: both sets live through the call.
    check(unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut old) }.into())?;
    // SAFETY: −1 asks for a new descriptor; the set lives through the call.
    let fd =
        check(unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) }.into());
    match fd.map(|fd| RawFd::try_from(fd).unwrap_or(-1)) {
        // SAFETY: the kernel just made this descriptor for us.
        Ok(fd) => Ok((unsafe { OwnedFd::from_raw_fd(fd) }, SignalMask(old))),
        Err(e) => {
            restore_signals(&SignalMask(old));
            Err(e)
        }
    }
}

/// Sets the calling thread's mask back.
pub(crate) fn restore_signals(mask: &SignalMask) {
    // SAFETY: the set lives through the call, and the old one is not wanted.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask.0, std::ptr::null_mut()) };
}

/// Bytes of `struct signalfd_siginfo`, which begins with the signal's number.
pub(crate) const SIGNAL_INFO_LEN: usize = 128;

/// A timer that interrupts the thread that made it: while it runs, a system call that waits ends with `EINTR`.
#[derive(Debug)]
pub(crate) struct Interrupter {
    timer: libc::timer_t,
}

/// How often the timer fires once it is due, so that a signal that came just before the wait began is made up for.
const INTERRUPT_AGAIN_NS: libc::c_long = 20_000_000;

impl Interrupter {
    /// A timer for the calling thread, not running.
    pub(crate) fn new() -> Result<Self, Errno> {
        extern "C" fn nothing(_: libc::c_int) {}
        // The first real-time signals belong to the C library, the last are the least used.
        let signal = libc::SIGRTMAX() - 5;
        // SAFETY: all zeroes is a valid action: default handler, no flags, so no restart of system calls.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = nothing as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the handler does nothing, so it is async-signal-safe; the old action is not wanted.
        check(unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) }.into())?;
        // SAFETY: all zeroes is a valid event description.
        let mut event: libc::sigevent = unsafe { std::mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = signal;
        event.sigev_notify_thread_id = rustix::thread::gettid().as_raw_nonzero().get();
        let mut timer = std::ptr::null_mut();
        // SAFETY: both structs live through the call, which writes the timer's id.
        check(unsafe { libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) }.into())?;
        Ok(Self { timer })
    }

    /// Starts the timer, or stops it for `None`.
    pub(crate) fn set(&self, after: Option<std::time::Duration>) {
        let spec =
            |seconds: libc::time_t, nanos: libc::c_long| libc::timespec { tv_sec: seconds, tv_nsec: nanos };
        let value = after.map_or(spec(0, 0), |after| {
            let seconds = libc::time_t::try_from(after.as_secs()).unwrap_or(libc::time_t::MAX);
            // Zero would stop the timer.
            spec(seconds, libc::c_long::from(after.subsec_nanos()).max(1))
        });
        let times = libc::itimerspec { it_interval: spec(0, INTERRUPT_AGAIN_NS), it_value: value };
        // SAFETY: the timer exists as long as `self`, the struct lives through the call, the old one is not wanted.
        unsafe { libc::timer_settime(self.timer, 0, &raw const times, std::ptr::null_mut()) };
    }
}

impl Drop for Interrupter {
    fn drop(&mut self) {
        // SAFETY: made by `new`, deleted once.
        unsafe { libc::timer_delete(self.timer) };
    }
}

/// The ptrace(2) requests that take numbers and touch no memory of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trace {
    /// Attach without a stop; the number is the options.
    Seize,
    /// Stop a tracee.
    Interrupt,
    /// Go on; the number is a signal to deliver, 0 for none.
    Cont,
    /// Go on to the next entry or exit of a system call.
    Syscall,
    /// Go on for one instruction.
    SingleStep,
    /// Stay in a group stop.
    Listen,
    /// Let go; the number is a signal to deliver.
    Detach,
}

type PtraceRequest = libc::c_uint;

fn ptrace(request: PtraceRequest, tid: u32, addr: usize, data: usize) -> Result<(), Errno> {
    let tid = libc::pid_t::try_from(tid).map_err(|_| Errno::ESRCH)?;
    // SAFETY: private; with each request used here `addr` and `data` are numbers, or the address of a struct
    // that the caller holds and that has the size that the request writes.
    check(unsafe { libc::ptrace(request as _, tid, addr, data) }).map(drop)
}

/// Makes a request of a tracee of the calling thread.
pub(crate) fn trace(request: Trace, tid: u32, number: usize) -> Result<(), Errno> {
    let request = match request {
        Trace::Seize => libc::PTRACE_SEIZE,
        Trace::Interrupt => libc::PTRACE_INTERRUPT,
        Trace::Cont => libc::PTRACE_CONT,
        Trace::Syscall => libc::PTRACE_SYSCALL,
        Trace::SingleStep => libc::PTRACE_SINGLESTEP,
        Trace::Listen => libc::PTRACE_LISTEN,
        Trace::Detach => libc::PTRACE_DETACH,
    };
    ptrace(request as PtraceRequest, tid, 0, number)
}

/// The number that goes with the last event: a new task's id, an exit status, an old thread id.
pub(crate) fn trace_event_number(tid: u32) -> Result<u64, Errno> {
    let mut number: libc::c_ulong = 0;
    ptrace(libc::PTRACE_GETEVENTMSG as PtraceRequest, tid, 0, (&raw mut number).expose_provenance())?;
    // 32 bits on some machines.
    #[allow(clippy::useless_conversion)]
    Ok(u64::from(number))
}

/// `struct ptrace_syscall_info` as words, with the bytes that the kernel wrote. Linux 5.3.
pub(crate) fn trace_syscall_info(tid: u32) -> Result<[u64; 11], Errno> {
    const GET_SYSCALL_INFO: PtraceRequest = 0x420e;
    let mut info = [0_u64; 11];
    let (len, at) = (size_of_val(&info), info.as_mut_ptr().expose_provenance());
    ptrace(GET_SYSCALL_INFO, tid, len, at)?;
    Ok(info)
}

const NT_PRSTATUS: usize = 1;

/// General registers of a stopped tracee, as the machine's `struct user_regs_struct`; answers with the words there are.
pub(crate) fn trace_get_regs(tid: u32, regs: &mut [u64]) -> Result<usize, Errno> {
    let mut vec = libc::iovec { iov_base: regs.as_mut_ptr().cast(), iov_len: size_of_val(regs) };
    ptrace(libc::PTRACE_GETREGSET as PtraceRequest, tid, NT_PRSTATUS, (&raw mut vec).expose_provenance())?;
    Ok(vec.iov_len / size_of::<u64>())
}

/// Sets the general registers of a stopped tracee.
pub(crate) fn trace_set_regs(tid: u32, regs: &[u64]) -> Result<(), Errno> {
    let mut vec = libc::iovec { iov_base: regs.as_ptr().cast_mut().cast(), iov_len: size_of_val(regs) };
    // The kernel only reads through the vector with this request.
    ptrace(libc::PTRACE_SETREGSET as PtraceRequest, tid, NT_PRSTATUS, (&raw mut vec).expose_provenance())
}

/// Copies memory of another process out; answers with the bytes copied, which stop at the first page that is not there.
pub(crate) fn process_read(pid: u32, addr: u64, out: &mut [u8]) -> Result<usize, Errno> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| Errno::ESRCH)?;
    let there = usize::try_from(addr).map_err(|_| Errno::EFAULT)?;
    let local = libc::iovec { iov_base: out.as_mut_ptr().cast(), iov_len: out.len() };
    let remote = libc::iovec { iov_base: std::ptr::without_provenance_mut(there), iov_len: out.len() };
    // SAFETY: the kernel writes at most `out.len()` bytes at `out`; the other address is of the other process.
    let copied = check(unsafe {
        libc::process_vm_readv(pid, &raw const local, 1, &raw const remote, 1, 0) as libc::c_long
    })?;
    usize::try_from(copied).map_err(|_| Errno::EPROTO)
}

/// Sends a signal to the calling thread.
#[cfg(test)]
pub(crate) fn raise(signal: i32) {
    // SAFETY: changes nothing of the process by itself; tests send signals that they have blocked.
    unsafe { libc::raise(signal) };
}

/// Copies into memory of another process, as its own rights allow; answers with the bytes copied.
pub(crate) fn process_write(pid: u32, addr: u64, data: &[u8]) -> Result<usize, Errno> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| Errno::ESRCH)?;
    let there = usize::try_from(addr).map_err(|_| Errno::EFAULT)?;
    let local = libc::iovec { iov_base: data.as_ptr().cast_mut().cast(), iov_len: data.len() };
    let remote = libc::iovec { iov_base: std::ptr::without_provenance_mut(there), iov_len: data.len() };
    // SAFETY: the kernel reads `data.len()` bytes at `data`; the other address is of the other process, which the caller
    // traces and which is not this one.
    let copied = check(unsafe {
        libc::process_vm_writev(pid, &raw const local, 1, &raw const remote, 1, 0) as libc::c_long
    })?;
    usize::try_from(copied).map_err(|_| Errno::EPROTO)
}
