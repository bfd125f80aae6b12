//! What the state machine asks the system: statuses of tasks, what a system call stop is about, memory.

use std::fs::File;
use std::os::unix::fs::FileExt;

use oxbpf_uapi::Errno;
use rustix::process::{Pid, WaitOptions, WaitStatus};

use crate::syscall;

const SIGTRAP: i32 = libc::SIGTRAP;

/// What `PTRACE_GET_SYSCALL_INFO` tells.
pub(super) enum SyscallStop {
    Enter { nr: u64, args: [u64; 6], ip: u64, sp: u64 },
    Exit { ret: i64 },
}

impl SyscallStop {
    /// Words of `struct ptrace_syscall_info`: kind in the first byte, instruction and stack pointer, then number and arguments
    /// at an entry, the result at an exit.
    pub(super) fn parse(info: &[u64; 11]) -> Option<Self> {
        const ENTRY: u8 = 1;
        const EXIT: u8 = 2;
        let [head, ip, sp, nr, args @ .., _] = *info;
        let [kind, ..] = head.to_ne_bytes();
        match kind {
            ENTRY => Some(Self::Enter { nr, args, ip, sp }),
            EXIT => Some(Self::Exit { ret: nr as i64 }),
            _ => None,
        }
    }
}

/// Whether a stop is what was asked for with an interruption.
pub(super) fn is_pause(status: WaitStatus) -> bool {
    status.stopped() && status.as_raw() >> 8 == SIGTRAP | libc::PTRACE_EVENT_STOP << 8
}

pub(super) fn is_job_control(signal: i32) -> bool {
    [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU].contains(&signal)
}

/// All kinds of children, but only those of this thread: other threads wait for their own.
fn wait_flags() -> WaitOptions {
    WaitOptions::from_bits_retain((libc::__WALL | libc::__WNOTHREAD) as u32)
}

pub(super) fn wait_any(options: WaitOptions) -> Result<Option<(u32, WaitStatus)>, Errno> {
    let found = rustix::process::wait(wait_flags() | options).map_err(syscall::errno)?;
    Ok(found.map(|(pid, status)| (pid.as_raw_nonzero().get().unsigned_abs(), status)))
}

/// Waits for one task.
pub(super) fn wait_for(tid: u32) -> Result<WaitStatus, Errno> {
    let pid = i32::try_from(tid).ok().and_then(Pid::from_raw).ok_or(Errno::ESRCH)?;
    loop {
        match rustix::process::waitpid(Some(pid), wait_flags()) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(syscall::errno(e)),
        }
    }
}

/// The process that a thread belongs to.
pub(super) fn process_of(tid: u32) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{tid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("Tgid:"))?.trim().parse().ok()
}

pub(super) fn memory(tid: u32, write: bool) -> Result<File, Errno> {
    let path = format!("/proc/{tid}/mem");
    File::options().read(true).write(write).open(path).map_err(|e| syscall::io_errno(&e))
}

/// Writes a byte of code, which the tracee itself could not.
pub(super) fn poke(tid: u32, addr: u64, byte: u8) -> Result<(), Errno> {
    memory(tid, true)?.write_all_at(&[byte], addr).map_err(|e| syscall::io_errno(&e))
}

/// Copies as much memory of a process out as there is without a gap, and answers with the bytes. Breakpoints show.
///
/// # Errors
/// `EFAULT` if there is none at the address, `ESRCH` without such a process, `EPERM` for one that may not be traced.
pub fn read_memory(tid: u32, addr: u64, out: &mut [u8]) -> Result<usize, Errno> {
    match syscall::process_read(tid, addr, out) {
        Err(Errno::EPERM | Errno::ENOSYS) => {
            memory(tid, false)?.read_at(out, addr).map_err(|_| Errno::EFAULT)
        }
        other => other,
    }
}

/// Writes memory of a process where it could itself.
///
/// # Errors
/// As [`read_memory`], and `EFAULT` if some of it is not writable; what comes before may be written.
pub fn write_memory(tid: u32, addr: u64, data: &[u8]) -> Result<(), Errno> {
    if syscall::process_write(tid, addr, data)? == data.len() { Ok(()) } else { Err(Errno::EFAULT) }
}
