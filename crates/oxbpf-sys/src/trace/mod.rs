//! Traced processes: system calls, breakpoints, forks and exits of a command and all its descendants, as events.
//!
//! [`Tracee`] is ptrace(2) with the rules of that interface kept inside: a task that an event tells of stays stopped
//! until the next event is asked for, and meanwhile its memory and registers can be read and written. All calls have to come
//! from the thread that attached, so a `Tracee` is not `Send`.
//!
//! A tracer sees: the exit from the read(2) that the child waited in, its execve(2), and everything after. Signals are
//! passed on as they come. The command's group stops (`SIGSTOP`, `SIGTSTP`) work as without a tracer.
//!
//! Breakpoints and registers are those of x86-64; elsewhere they answer `Unsupported`.

mod breakpoints;
mod step;
mod tracee;
mod wait;

pub use oxbpf_uapi::ctx::PtRegsX86_64 as PtRegs;
pub use tracee::Tracee;
pub use wait::{read_memory, write_memory};

use std::process::ExitStatus;

/// What happened in a traced task. The task is stopped until the next event is asked for, where that still makes sense.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceEvent {
    /// A task is about to make a system call.
    SyscallEnter {
        /// Thread.
        tid: u32,
        /// Process.
        pid: u32,
        /// Number of the call on the task's machine.
        nr: u64,
        /// Arguments as passed.
        args: [u64; 6],
        /// Address of the instruction after the call.
        ip: u64,
        /// Stack pointer.
        sp: u64,
    },
    /// A system call is over. Some never are (`exit_group`), and the first of a task may lack its entry.
    SyscallExit {
        /// Thread.
        tid: u32,
        /// Process.
        pid: u32,
        /// Number of the call, `u64::MAX` if its entry was not seen.
        nr: u64,
        /// Result, or a negative error number.
        ret: i64,
    },
    /// A process became another program; the exit of its execve(2) follows.
    Exec {
        /// Process, which is also the only thread left.
        pid: u32,
        /// The thread that called execve(2), which has the process's number from now on.
        old_tid: u32,
    },
    /// A task made another one, which has not run yet.
    Fork {
        /// Thread that called.
        parent: u32,
        /// Process of that thread.
        parent_pid: u32,
        /// New thread.
        child: u32,
        /// Process of the new thread.
        child_pid: u32,
        /// Whether the new task is a thread of the same process.
        is_thread: bool,
    },
    /// A task is about to end; its memory is still there, unless it was killed.
    Exit {
        /// Thread.
        tid: u32,
        /// Process.
        pid: u32,
        /// Status as wait(2) gives it.
        status: ExitStatus,
        /// Whether it is the last thread of its process.
        group_dead: bool,
    },
    /// A task came to a breakpoint; the instruction there has not run.
    Breakpoint {
        /// Thread.
        tid: u32,
        /// Process.
        pid: u32,
        /// The breakpoint's address.
        addr: u64,
    },
    /// A signal is about to be delivered, and will be.
    Signal {
        /// Thread.
        tid: u32,
        /// Process.
        pid: u32,
        /// Number.
        signal: i32,
    },
    /// The command itself has ended, and no longer exists; descendants may go on.
    MainExited {
        /// Status as wait(2) gives it.
        status: ExitStatus,
    },
    /// No traced task is left. Asked again, the same answer.
    Done,
}
