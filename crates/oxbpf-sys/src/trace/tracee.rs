//! The state machine of traced tasks: wait statuses in, events out.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::marker::PhantomData;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use oxbpf_uapi::Errno;
use rustix::process::{Pid, Signal as RawSignal, WaitOptions, WaitStatus};
use zerocopy::{FromBytes, IntoBytes};

use super::breakpoints::{Breakpoints, INT3, SpaceId};
use super::step::{self, Effect};
use super::wait::{
    SyscallStop, is_job_control, is_pause, poke, process_of, read_memory, wait_any, wait_for, write_memory,
};
use super::{PtRegs, TraceEvent};
use crate::process::{StoppedChild, os_error};
use crate::syscall::{self, Interrupter, Trace};

const SIGTRAP: i32 = libc::SIGTRAP;
/// What `PTRACE_O_TRACESYSGOOD` makes of the signal of a system call stop.
const SYSCALL_STOP: i32 = SIGTRAP | 0x80;
/// The longest instruction of x86-64, in bytes.
const MAX_INSN: usize = 15;

fn options() -> usize {
    let all = libc::PTRACE_O_TRACESYSGOOD
        | libc::PTRACE_O_TRACEFORK
        | libc::PTRACE_O_TRACEVFORK
        | libc::PTRACE_O_TRACECLONE
        | libc::PTRACE_O_TRACEEXEC
        | libc::PTRACE_O_TRACEEXIT;
    usize::try_from(all).unwrap_or(0)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running,
    /// In a stop that has been waited for, so requests can be made.
    Stopped,
    /// Stopped by job control; it goes on by itself after `SIGCONT`.
    Listening,
}

#[derive(Debug)]
struct Task {
    pid: u32,
    space: SpaceId,
    state: State,
    /// To be delivered when the task goes on.
    signal: i32,
    /// Number of the system call that it is in.
    syscall: Option<u64>,
    /// Its end has been told.
    exiting: bool,
    /// The breakpoint that it stands at.
    at: Option<u64>,
    /// The child of vfork(2) that it waits for, unable to answer.
    vfork_child: Option<u32>,
    regs: Option<PtRegs>,
    /// The stop to attach interrupted a system call, whose entry will be seen again.
    enters_again: bool,
}

impl Task {
    fn new(pid: u32, space: SpaceId) -> Self {
        Self {
            pid,
            space,
            state: State::Running,
            signal: 0,
            syscall: None,
            exiting: false,
            at: None,
            vfork_child: None,
            regs: None,
            enters_again: false,
        }
    }
}

/// A command and its descendants under ptrace(2). Dropping it kills a command that was started for it, and lets go of a
/// process that was there before.
#[derive(Debug)]
pub struct Tracee {
    main: u32,
    child: Option<StoppedChild>,
    tasks: HashMap<u32, Task>,
    /// New tasks that stopped before their parent told of them.
    unannounced: HashSet<u32>,
    breakpoints: Breakpoints,
    /// Statuses that came while one task was waited for.
    statuses: VecDeque<(u32, WaitStatus)>,
    events: VecDeque<TraceEvent>,
    /// Tasks to let go on before the next event.
    held: Vec<u32>,
    status: Option<ExitStatus>,
    traces_syscalls: bool,
    lacks_syscall_info: bool,
    interrupter: Option<Interrupter>,
    /// Only the attaching thread may make requests.
    _thread: PhantomData<*const ()>,
}

impl Tracee {
    /// Traces a child from before it becomes the command. It runs when the first event is asked for.
    ///
    /// # Errors
    /// `EPERM` where tracing is forbidden (a container without the right, or a second tracer).
    pub fn new(mut child: StoppedChild) -> io::Result<Self> {
        let mut this = Self::empty(child.pid());
        let exit_kill = usize::try_from(libc::PTRACE_O_EXITKILL).unwrap_or(0);
        this.seize(this.main, this.main, options() | exit_kill)?;
        let status = wait_for(this.main).map_err(os_error)?;
        child.give_away();
        if !status.stopped() {
            return Err(os_error(Errno::ESRCH));
        }
        child.release()?;
        this.child = Some(child);
        this.stopped(this.main);
        if let Some(task) = this.tasks.get_mut(&this.main) {
            task.enters_again = true;
        }
        this.held.push(this.main);
        Ok(this)
    }

    /// Traces all threads of a process that runs already, and what it starts from now on.
    ///
    /// # Errors
    /// `ESRCH` without such a process, `EPERM` where tracing is forbidden.
    pub fn attach(pid: u32) -> io::Result<Self> {
        let mut this = Self::empty(pid);
        // Threads may start others while they are attached one by one.
        loop {
            let mut is_complete = true;
            for entry in std::fs::read_dir(format!("/proc/{pid}/task"))? {
                let name = entry?.file_name();
                let Some(tid) = name.to_str().and_then(|s| s.parse().ok()) else { continue };
                if !this.tasks.contains_key(&tid) {
                    is_complete = false;
                    this.seize(tid, pid, options())?;
                }
            }
            if is_complete {
                return Ok(this);
            }
        }
    }

    fn empty(main: u32) -> Self {
        Self {
            main,
            child: None,
            tasks: HashMap::new(),
            unannounced: HashSet::new(),
            breakpoints: Breakpoints::default(),
            statuses: VecDeque::new(),
            events: VecDeque::new(),
            held: Vec::new(),
            status: None,
            traces_syscalls: true,
            lacks_syscall_info: false,
            interrupter: None,
            _thread: PhantomData,
        }
    }

    fn seize(&mut self, tid: u32, pid: u32, options: usize) -> io::Result<()> {
        syscall::trace(Trace::Seize, tid, options).map_err(os_error)?;
        // Its first stop, which is where system call stops are asked for.
        syscall::trace(Trace::Interrupt, tid, 0).map_err(os_error)?;
        let space = self.tasks.values().find(|t| t.pid == pid).map(|t| t.space);
        let space = space.unwrap_or_else(|| self.breakpoints.new_space());
        self.tasks.insert(tid, Task::new(pid, space));
        Ok(())
    }

    /// Process id of the command.
    pub fn pid(&self) -> u32 {
        self.main
    }

    /// The command's exit status, once it has ended.
    pub fn status(&self) -> Option<ExitStatus> {
        self.status
    }

    /// Processes that are traced now, in ascending order.
    pub fn pids(&self) -> Vec<u32> {
        let mut pids: Vec<u32> = self.tasks.values().map(|t| t.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        pids
    }

    /// Why the command could not be executed: to be asked at its [`TraceEvent::Exec`] or its end.
    ///
    /// # Errors
    /// As execve(2), of the child.
    pub fn exec_result(&mut self) -> io::Result<()> {
        self.child.as_mut().map_or(Ok(()), StoppedChild::exec_result)
    }

    /// Whether system calls are events, which costs every call of the tracees two stops. They are, to begin with.
    pub fn trace_syscalls(&mut self, on: bool) {
        self.traces_syscalls = on;
    }

    /// Waits for the next event, or until `timeout` is over (`None` then). The task that the last event was about goes on
    /// first.
    ///
    /// # Errors
    /// As waitpid(2) and ptrace(2); a task that dies under a request is no error.
    pub fn next_event(&mut self, timeout: Option<Duration>) -> io::Result<Option<TraceEvent>> {
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Some(event));
            }
            for tid in std::mem::take(&mut self.held) {
                self.resume(tid).map_err(os_error)?;
            }
            let next = match self.statuses.pop_front() {
                Some(next) => Some(next),
                None if self.tasks.is_empty() => return Ok(Some(TraceEvent::Done)),
                None => self.wait(deadline).map_err(os_error)?,
            };
            let Some((tid, status)) = next else { return Ok(None) };
            match self.take_status(tid, status) {
                // The task died between its stop and a request about it; its status follows.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(e) => return Err(os_error(e)),
            }
        }
    }

    /// The next status of any task of this thread, `None` after the deadline.
    fn wait(&mut self, deadline: Option<Instant>) -> Result<Option<(u32, WaitStatus)>, Errno> {
        loop {
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            if let Some(left) = left {
                match wait_any(WaitOptions::NOHANG) {
                    Ok(None) if left.is_zero() => return Ok(None),
                    Ok(None) => {}
                    other => return other,
                }
                if self.interrupter.is_none() {
                    self.interrupter = Some(Interrupter::new()?);
                }
                if let Some(timer) = &self.interrupter {
                    timer.set(Some(left));
                }
            }
            let result = wait_any(WaitOptions::empty());
            if let (Some(timer), Some(_)) = (&self.interrupter, left) {
                timer.set(None);
            }
            match result {
                Err(Errno::EINTR) => {}
                // Whatever was left has been reaped by somebody else.
                Err(Errno::ECHILD) => {
                    self.tasks.clear();
                    self.events.push_back(TraceEvent::Done);
                    return Ok(None);
                }
                other => return other,
            }
        }
    }

    /// Turns one status into events, or lets the task go on.
    fn take_status(&mut self, tid: u32, status: WaitStatus) -> Result<(), Errno> {
        if !status.stopped() {
            self.ended(tid, status);
            return Ok(());
        }
        let (signal, event) = ((status.as_raw() >> 8) & 0xff, status.as_raw() >> 16);
        if !self.tasks.contains_key(&tid) {
            // The parent's event, which says what this task is, is still to come.
            self.unannounced.insert(tid);
            return Ok(());
        }
        self.stopped(tid);
        match event {
            0 if signal == SYSCALL_STOP => self.at_syscall(tid),
            0 => self.at_signal(tid, signal),
            libc::PTRACE_EVENT_STOP if is_job_control(signal) => {
                self.set_state(tid, State::Listening);
                syscall::trace(Trace::Listen, tid, 0)
            }
            libc::PTRACE_EVENT_FORK | libc::PTRACE_EVENT_VFORK | libc::PTRACE_EVENT_CLONE => {
                self.at_fork(tid, event)
            }
            libc::PTRACE_EVENT_EXEC => self.at_exec(tid),
            libc::PTRACE_EVENT_EXIT => {
                let status = syscall::trace_event_number(tid)?;
                let status = i32::try_from(status).unwrap_or_default();
                self.held.push(tid);
                self.exits(tid, ExitStatus::from_raw(status));
                Ok(())
            }
            _ => self.resume(tid),
        }
    }

    fn set_state(&mut self, tid: u32, state: State) {
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.state = state;
        }
    }

    fn stopped(&mut self, tid: u32) {
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.state = State::Stopped;
            task.regs = None;
        }
    }

    fn tell(&mut self, tid: u32, event: TraceEvent) {
        self.events.push_back(event);
        self.held.push(tid);
    }

    fn at_syscall(&mut self, tid: u32) -> Result<(), Errno> {
        let stop = self.syscall_stop(tid)?;
        let Some(task) = self.tasks.get_mut(&tid) else { return Ok(()) };
        let pid = task.pid;
        let event = match stop {
            SyscallStop::Enter { nr, args, ip, sp } => {
                task.syscall = Some(nr);
                if std::mem::take(&mut task.enters_again) {
                    return self.resume(tid);
                }
                TraceEvent::SyscallEnter { tid, pid, nr, args, ip, sp }
            }
            SyscallStop::Exit { ret } => {
                let nr = task.syscall.take().unwrap_or(u64::MAX);
                TraceEvent::SyscallExit { tid, pid, nr, ret }
            }
        };
        self.tell(tid, event);
        Ok(())
    }

    fn syscall_stop(&mut self, tid: u32) -> Result<SyscallStop, Errno> {
        if !self.lacks_syscall_info {
            match syscall::trace_syscall_info(tid) {
                Ok(info) => return SyscallStop::parse(&info).ok_or(Errno::EPROTO),
                Err(Errno::ESRCH) => return Err(Errno::ESRCH),
                // Before Linux 5.3.
                Err(_) => self.lacks_syscall_info = true,
            }
        }
        let regs = self.regs(tid)?;
        let is_exit = self.tasks.get(&tid).is_some_and(|t| t.syscall.is_some());
        Ok(if is_exit {
            SyscallStop::Exit { ret: regs.ax as i64 }
        } else {
            let args = [regs.di, regs.si, regs.dx, regs.r10, regs.r8, regs.r9];
            SyscallStop::Enter { nr: regs.orig_ax, args, ip: regs.ip, sp: regs.sp }
        })
    }

    fn at_signal(&mut self, tid: u32, signal: i32) -> Result<(), Errno> {
        if signal == SIGTRAP && self.at_breakpoint(tid)? {
            return Ok(());
        }
        let Some(task) = self.tasks.get_mut(&tid) else { return Ok(()) };
        task.signal = signal;
        let pid = task.pid;
        self.tell(tid, TraceEvent::Signal { tid, pid, signal });
        Ok(())
    }

    /// Whether a trap is one of ours; if so the task is set back to the instruction and the event told.
    fn at_breakpoint(&mut self, tid: u32) -> Result<bool, Errno> {
        let Some((pid, space)) = self.tasks.get(&tid).map(|t| (t.pid, t.space)) else { return Ok(false) };
        if self.breakpoints.is_untouched(space) {
            return Ok(false);
        }
        let mut regs = self.regs(tid)?;
        let addr = regs.ip.wrapping_sub(1);
        let is_there = self.breakpoints.original(space, addr).is_some();
        if !is_there {
            // The task may have hit it before it was taken away; then the instruction is whole again.
            let mut code = [INT3];
            let is_late =
                self.breakpoints.was_removed(space, addr) && self.read(tid, addr, &mut code).is_ok();
            if !is_late || code == [INT3] {
                return Ok(false);
            }
        }
        regs.ip = addr;
        self.set_regs(tid, &regs)?;
        if !is_there {
            self.resume(tid)?;
            return Ok(true);
        }
        if let Some(task) = self.tasks.get_mut(&tid) {
            task.at = Some(addr);
        }
        self.tell(tid, TraceEvent::Breakpoint { tid, pid, addr });
        Ok(true)
    }

    fn at_fork(&mut self, parent: u32, event: i32) -> Result<(), Errno> {
        let child = u32::try_from(syscall::trace_event_number(parent)?).map_err(|_| Errno::EPROTO)?;
        let Some(task) = self.tasks.get_mut(&parent) else { return Ok(()) };
        let (parent_pid, space) = (task.pid, task.space);
        let is_clone = event == libc::PTRACE_EVENT_CLONE;
        let child_pid = if is_clone { process_of(child).unwrap_or(parent_pid) } else { child };
        let is_thread = child_pid == parent_pid;
        let shares_memory = is_thread || event == libc::PTRACE_EVENT_VFORK;
        if event == libc::PTRACE_EVENT_VFORK {
            task.vfork_child = Some(child);
        }
        let space = if shares_memory { space } else { self.breakpoints.copy_space(space) };
        self.tasks.insert(child, Task::new(child_pid, space));
        self.tell(parent, TraceEvent::Fork { parent, parent_pid, child, child_pid, is_thread });
        if self.unannounced.remove(&child) {
            self.stopped(child);
            self.held.push(child);
        }
        Ok(())
    }

    fn at_exec(&mut self, tid: u32) -> Result<(), Errno> {
        let old_tid = u32::try_from(syscall::trace_event_number(tid)?).map_err(|_| Errno::EPROTO)?;
        // The caller took the place of the process's first thread, so its place is empty now.
        let caller = if old_tid == tid { None } else { self.tasks.remove(&old_tid) };
        let space = self.breakpoints.new_space();
        let Some(task) = self.tasks.get_mut(&tid) else { return Ok(()) };
        let old_space = std::mem::replace(&mut task.space, space);
        task.exiting = false;
        if let Some(caller) = caller {
            task.syscall = caller.syscall;
        }
        self.drop_unused(old_space);
        self.tell(tid, TraceEvent::Exec { pid: tid, old_tid });
        Ok(())
    }

    /// Tells of a task's end, once.
    fn exits(&mut self, tid: u32, status: ExitStatus) {
        let Some(task) = self.tasks.get_mut(&tid) else { return };
        if std::mem::replace(&mut task.exiting, true) {
            return;
        }
        let pid = task.pid;
        let group_dead = !self.tasks.values().any(|t| t.pid == pid && !t.exiting);
        self.events.push_back(TraceEvent::Exit { tid, pid, status, group_dead });
    }

    fn ended(&mut self, tid: u32, status: WaitStatus) {
        let status = ExitStatus::from_raw(status.as_raw());
        self.exits(tid, status);
        self.unannounced.remove(&tid);
        if let Some(task) = self.tasks.remove(&tid) {
            self.drop_unused(task.space);
        }
        if tid == self.main {
            self.status = Some(status);
            self.events.push_back(TraceEvent::MainExited { status });
        }
    }

    fn drop_unused(&mut self, space: SpaceId) {
        if !self.tasks.values().any(|t| t.space == space) {
            self.breakpoints.drop_space(space);
        }
    }

    /// Lets a stopped task go on, over the breakpoint that it stands at.
    fn resume(&mut self, tid: u32) -> Result<(), Errno> {
        let Some(task) = self.tasks.get_mut(&tid).filter(|t| t.state == State::Stopped) else {
            return Ok(());
        };
        if let Some(addr) = task.at.take() {
            match self.step_over(tid, addr) {
                Ok(true) => {}
                // Something else came before the step; its status is in the queue.
                Ok(false) => {
                    if let Some(task) = self.tasks.get_mut(&tid) {
                        task.at = Some(addr);
                    }
                    return Ok(());
                }
                Err(Errno::ESRCH) => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        let Some(task) = self.tasks.get_mut(&tid) else { return Ok(()) };
        task.state = State::Running;
        task.regs = None;
        let signal = usize::try_from(std::mem::take(&mut task.signal)).unwrap_or(0);
        let request = if self.traces_syscalls { Trace::Syscall } else { Trace::Cont };
        match syscall::trace(request, tid, signal) {
            Err(Errno::ESRCH) => Ok(()),
            other => other,
        }
    }

    /// Executes the instruction under a breakpoint. `false` if the task stopped for another reason.
    fn step_over(&mut self, tid: u32, addr: u64) -> Result<bool, Errno> {
        let Some(space) = self.tasks.get(&tid).map(|t| t.space) else { return Ok(false) };
        let mut regs = self.regs(tid)?;
        let Some(original) = self.breakpoints.original(space, addr).filter(|_| regs.ip == addr) else {
            return Ok(true);
        };
        let mut code = [0; MAX_INSN];
        let len = self.read_some(tid, addr, &mut code)?;
        let known = code.get(..len).and_then(|code| step::decode(code, &regs));
        if let Some((effect, len)) = known {
            match effect {
                Effect::Nop => {}
                Effect::MovBpSp => regs.bp = regs.sp,
                Effect::Push(value) => {
                    let sp = regs.sp.wrapping_sub(8);
                    // A stack that has to grow first is left to the processor.
                    if self.write(tid, sp, &value.to_ne_bytes()).is_err() {
                        return self.step_alone(tid, space, addr, original);
                    }
                    regs.sp = sp;
                }
            }
            regs.ip = addr.wrapping_add(len);
            self.set_regs(tid, &regs)?;
            return Ok(true);
        }
        self.step_alone(tid, space, addr, original)
    }

    /// Steps one task over the original instruction while no other task of the space runs, so that none slips past the
    /// breakpoint.
    fn step_alone(&mut self, tid: u32, space: SpaceId, addr: u64, original: u8) -> Result<bool, Errno> {
        let paused = self.pause_others(tid, space)?;
        poke(tid, addr, original)?;
        let stepped = self.single_step(tid);
        // The task may be gone, or may have executed another program.
        let is_there = stepped != Err(Errno::ESRCH) && self.breakpoints.original(space, addr).is_some();
        let put_back = if is_there { poke(tid, addr, INT3) } else { Ok(()) };
        for other in paused {
            self.resume(other)?;
        }
        put_back?;
        stepped
    }

    fn pause_others(&mut self, tid: u32, space: SpaceId) -> Result<Vec<u32>, Errno> {
        let others: Vec<u32> = self
            .tasks
            .iter()
            .filter(|(other, t)| {
                **other != tid && t.space == space && t.state == State::Running && !self.is_in_vfork(t)
            })
            .map(|(other, _)| *other)
            .collect();
        let mut paused = Vec::new();
        for other in others {
            if syscall::trace(Trace::Interrupt, other, 0).is_err() {
                continue;
            }
            let Ok(status) = wait_for(other) else { continue };
            if status.stopped() {
                self.stopped(other);
            }
            if is_pause(status) {
                paused.push(other);
            } else {
                self.statuses.push_back((other, status));
            }
        }
        Ok(paused)
    }

    /// Whether a task waits for its child of vfork(2), unable to stop before that is another program or gone.
    fn is_in_vfork(&self, task: &Task) -> bool {
        let child = task.vfork_child.and_then(|child| self.tasks.get(&child));
        child.is_some_and(|child| child.space == task.space)
    }

    fn single_step(&mut self, tid: u32) -> Result<bool, Errno> {
        loop {
            syscall::trace(Trace::SingleStep, tid, 0)?;
            let status = wait_for(tid)?;
            self.stopped(tid);
            if is_pause(status) {
                // An interruption that another stop had been quicker than.
                continue;
            }
            if status.stopped() && status.as_raw() >> 8 == SIGTRAP {
                return Ok(true);
            }
            self.statuses.push_back((tid, status));
            return Ok(false);
        }
    }

    /// Stops a task that runs, so that its registers can be read; it goes on when the next event is asked for. `false` if it
    /// does not run, or stopped for a reason of its own, which the next events tell.
    ///
    /// Only for tasks that execute code of their own: one that sleeps in the kernel is torn out of its system call, which
    /// then starts again.
    ///
    /// # Errors
    /// `ESRCH` if the task is gone.
    pub fn interrupt(&mut self, tid: u32) -> Result<bool, Errno> {
        if self.tasks.get(&tid).is_none_or(|t| t.state != State::Running || self.is_in_vfork(t)) {
            return Ok(false);
        }
        syscall::trace(Trace::Interrupt, tid, 0)?;
        let status = wait_for(tid)?;
        if status.stopped() {
            self.stopped(tid);
        }
        if is_pause(status) {
            self.held.push(tid);
            return Ok(true);
        }
        self.statuses.push_back((tid, status));
        Ok(false)
    }

    fn space_of(&self, pid: u32) -> Result<SpaceId, Errno> {
        let task = self.tasks.get(&pid).or_else(|| self.tasks.values().find(|t| t.pid == pid));
        task.map(|t| t.space).ok_or(Errno::ESRCH)
    }

    /// Puts a breakpoint at an address of a process (or thread); it is there for all that share the memory.
    ///
    /// # Errors
    /// `EFAULT` if nothing is mapped there, `ESRCH` if the process is not traced, `EOPNOTSUPP` on machines other than
    /// x86-64.
    pub fn insert_breakpoint(&mut self, pid: u32, addr: u64) -> Result<(), Errno> {
        if cfg!(not(target_arch = "x86_64")) {
            return Err(Errno::EOPNOTSUPP);
        }
        let space = self.space_of(pid)?;
        if self.breakpoints.original(space, addr).is_some() {
            return Ok(());
        }
        let mut original = [0];
        self.read(pid, addr, &mut original)?;
        poke(pid, addr, INT3)?;
        let [original] = original;
        self.breakpoints.insert(space, addr, original);
        Ok(())
    }

    /// Takes a breakpoint away; nothing happens if there is none.
    ///
    /// # Errors
    /// `ESRCH` if the process is not traced, `EIO` if its memory can't be written.
    pub fn remove_breakpoint(&mut self, pid: u32, addr: u64) -> Result<(), Errno> {
        let space = self.space_of(pid)?;
        match self.breakpoints.remove(space, addr) {
            Some(original) => poke(pid, addr, original),
            None => Ok(()),
        }
    }

    /// Copies memory of a task out, whole or not at all. Breakpoints do not show.
    ///
    /// # Errors
    /// `EFAULT` if some of it is not mapped.
    pub fn read(&self, tid: u32, addr: u64, out: &mut [u8]) -> Result<(), Errno> {
        if self.read_some(tid, addr, out)? == out.len() { Ok(()) } else { Err(Errno::EFAULT) }
    }

    /// Copies as much memory of a task as there is without a gap, and answers with the bytes. Breakpoints do not show.
    ///
    /// # Errors
    /// `EFAULT` if there is none at the address.
    pub fn read_some(&self, tid: u32, addr: u64, out: &mut [u8]) -> Result<usize, Errno> {
        let len = read_memory(tid, addr, out)?;
        if let (Ok(space), Some(bytes)) = (self.space_of(tid), out.get_mut(..len)) {
            self.breakpoints.hide(space, addr, bytes);
        }
        Ok(len)
    }

    /// Writes memory of a task where the task itself could.
    ///
    /// # Errors
    /// `EFAULT` if some of it is not mapped or not writable; what comes before may be written.
    pub fn write(&self, tid: u32, addr: u64, data: &[u8]) -> Result<(), Errno> {
        write_memory(tid, addr, data)
    }

    /// Registers of a stopped task.
    ///
    /// # Errors
    /// `ESRCH` if it is not stopped or gone, `EOPNOTSUPP` on machines other than x86-64.
    pub fn regs(&mut self, tid: u32) -> Result<PtRegs, Errno> {
        if cfg!(not(target_arch = "x86_64")) {
            return Err(Errno::EOPNOTSUPP);
        }
        let task = self.tasks.get_mut(&tid).ok_or(Errno::ESRCH)?;
        if let Some(regs) = task.regs {
            return Ok(regs);
        }
        // The kernel's struct goes on with segment registers.
        let mut words = [0_u64; 27];
        syscall::trace_get_regs(tid, &mut words)?;
        let (regs, _) = PtRegs::read_from_prefix(words.as_bytes()).map_err(|_| Errno::EPROTO)?;
        task.regs = Some(regs);
        Ok(regs)
    }

    /// Sets the registers of a stopped task.
    ///
    /// # Errors
    /// `ESRCH` if it is not stopped or gone, `EOPNOTSUPP` on machines other than x86-64.
    pub fn set_regs(&mut self, tid: u32, regs: &PtRegs) -> Result<(), Errno> {
        if cfg!(not(target_arch = "x86_64")) {
            return Err(Errno::EOPNOTSUPP);
        }
        let task = self.tasks.get_mut(&tid).ok_or(Errno::ESRCH)?;
        let words: [u64; 21] = zerocopy::transmute!(*regs);
        syscall::trace_set_regs(tid, &words)?;
        task.regs = Some(*regs);
        Ok(())
    }

    /// Kills the command and all its descendants; their ends are still events.
    pub fn kill(&mut self) {
        for pid in self.pids() {
            if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                let _ = rustix::process::kill_process(pid, RawSignal::KILL);
            }
        }
    }

    /// Lets go of all tasks, which run on without breakpoints.
    pub fn detach(mut self) {
        self.let_go();
    }

    fn let_go(&mut self) {
        self.held.clear();
        let running = |t: &Task| t.state == State::Running;
        let mut tids: Vec<u32> = self.tasks.keys().copied().collect();
        for tid in &tids {
            if self.tasks.get(tid).is_some_and(running) && syscall::trace(Trace::Interrupt, *tid, 0).is_ok() {
                let Ok(status) = wait_for(*tid) else { continue };
                let signal = (status.as_raw() >> 8) & 0xff;
                if status.stopped() {
                    self.stopped(*tid);
                    let is_signal = status.as_raw() >> 16 == 0 && signal != SYSCALL_STOP && signal != SIGTRAP;
                    if let Some(task) = self.tasks.get_mut(tid).filter(|_| is_signal) {
                        task.signal = signal;
                    }
                }
            }
        }
        tids.sort_unstable();
        for tid in tids {
            let Some(task) = self.tasks.get(&tid) else { continue };
            let signal = usize::try_from(task.signal).unwrap_or(0);
            for (addr, original) in self.breakpoints.all(task.space) {
                let _ = poke(tid, addr, original);
            }
            self.breakpoints.drop_space(task.space);
            let _ = syscall::trace(Trace::Detach, tid, signal);
        }
        self.tasks.clear();
    }
}

impl Drop for Tracee {
    fn drop(&mut self) {
        if self.child.is_none() {
            self.let_go();
            return;
        }
        self.kill();
        while !self.tasks.is_empty() {
            match wait_any(WaitOptions::empty()) {
                Ok(Some((tid, status))) if status.stopped() => {
                    let _ = syscall::trace(Trace::Cont, tid, 0);
                }
                Ok(Some((tid, _))) => drop(self.tasks.remove(&tid)),
                Err(Errno::EINTR) => {}
                Ok(None) | Err(_) => return,
            }
        }
    }
}
