//! Events for tracing programs: a command and its descendants under ptrace(2) in, runs of the attached programs out.
//!
//! One thread does everything: it waits for the next event of the traced tree, runs what is attached to it while the task stands still, and lets
//! the task go on. Programs therefore see the task as they would in the kernel: its memory, its registers, its system call at the entry or at the
//! return.
//!
//! All events happen on CPU 0, which keeps those of one ring in order. Tasks stop at system calls only while something is
//! attached that needs it, since each stop costs some microseconds; sampled or exec-traced commands run at their own speed.
//!
//! Not here: events of processes that are not descendants of the command, and kernel functions other than the entries of system
//! calls. Calls that a 32-bit program makes are taken for 64-bit ones.

mod clock;
mod dispatch;
mod engine;
mod stop;
pub(crate) mod syscall_table;
mod uprobe;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use oxbpf_sys::process::StoppedChild;
use oxbpf_sys::trace::{TraceEvent, Tracee};
use oxbpf_uapi::Errno;
use oxbpf_vm::MemError;

use crate::Runtime;
use crate::state::State;
use crate::tasks::Task;
use clock::Clock;
use dispatch::Dispatch;
use engine::Engine;
pub use stop::Stopper;
use stop::{Asked, Escalation};
use uprobe::Uprobes;

/// Why a command could not be traced, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The list of words is empty.
    #[error("no command given")]
    NoCommand,
    /// There is no such command, or it may not be executed.
    #[error("{0}")]
    Command(#[source] io::Error),
    /// The system does not let this process trace.
    #[error("cannot trace the command: {0}")]
    Trace(#[source] io::Error),
    /// There is no room for the kernel objects of a traced thread.
    #[error("cannot trace the command: {0}")]
    Memory(#[from] MemError),
    /// Registers and system calls of this machine are not known here.
    #[error("commands are traced on x86-64 only; packets of a capture work everywhere")]
    Machine,
}

/// A command that is traced, and a source of events for the programs of a [`Runtime`]. Dropping it kills the command.
#[derive(Debug)]
pub struct Source {
    state: Arc<State>,
    tracee: Tracee,
    engine: Engine,
    dispatch: Dispatch,
    uprobes: Uprobes,
    clock: Clock,
    /// Children of processes that have ended, and the process: they get another parent once it is gone.
    orphans: HashMap<u32, u32>,
    stop: Asked,
}

/// How long a wait for an event is at most, so that a request to stop is seen.
const TICK: Duration = Duration::from_millis(100);

impl Runtime {
    /// Starts a command, stopped before its first instruction, as a source of events. What is attached later, before or while
    /// it runs, sees everything from then on. The source is tied to the calling thread.
    ///
    /// # Errors
    /// [`SourceError::Command`] for a command that does not exist, [`SourceError::Trace`] where tracing is forbidden.
    pub fn spawn(&self, argv: &[OsString]) -> Result<Source, SourceError> {
        if cfg!(not(target_arch = "x86_64")) {
            return Err(SourceError::Machine);
        }
        let (program, args) = argv.split_first().ok_or(SourceError::NoCommand)?;
        let child = StoppedChild::spawn(program, args).map_err(SourceError::Command)?;
        let tracee = Tracee::new(child).map_err(SourceError::Trace)?;
        let state = self.0.clone();
        let pid = tracee.pid();
        state.tasks.add(pid, pid, Some(state.tasks.own()))?;
        Ok(Source {
            engine: Engine::new(&state)?,
            state,
            tracee,
            dispatch: Dispatch::default(),
            uprobes: Uprobes::default(),
            clock: Clock::default(),
            orphans: HashMap::new(),
            stop: Asked::default(),
        })
    }
}

impl Source {
    /// Process id of the command.
    pub fn pid(&self) -> u32 {
        self.tracee.pid()
    }

    /// A handle that ends the command from another thread.
    pub fn stopper(&self) -> Stopper {
        self.stop.stopper()
    }

    /// Lets the command run, and programs with it, until it and all its descendants have ended; gives the command's exit
    /// status.
    ///
    /// # Errors
    /// [`SourceError::Command`] if the file turns out to be no program.
    pub fn run(mut self) -> Result<ExitStatus, SourceError> {
        let mut escalation = Escalation::default();
        let mut started = false;
        loop {
            self.attach_and_detach();
            let timeout = self.clock.timeout().map_or(TICK, |t| t.min(TICK));
            match self.tracee.next_event(Some(timeout)).map_err(SourceError::Trace)? {
                Some(TraceEvent::Done) => break,
                Some(event) => {
                    if !started && matches!(event, TraceEvent::Exec { .. } | TraceEvent::MainExited { .. }) {
                        started = true;
                        self.tracee.exec_result().map_err(SourceError::Command)?;
                    }
                    self.handle(event)?;
                }
                None => {}
            }
            self.clock.sample(&mut self.tracee, &mut self.engine);
            if self.stop.is_asked() {
                escalation.go_on(&mut self.tracee);
            }
        }
        let gone = || SourceError::Trace(io::Error::from_raw_os_error(Errno::ECHILD.0));
        self.tracee.status().ok_or_else(gone)
    }

    /// Follows what was attached and detached since the last event.
    fn attach_and_detach(&mut self) {
        if !self.dispatch.update(&self.state.hooks) {
            return;
        }
        self.uprobes.set_wanted(self.dispatch.uprobes());
        for task in self.state.tasks.all_traced() {
            self.uprobes.apply(&mut self.tracee, &task);
        }
        self.clock.set_wanted(self.dispatch.clocks());
        self.tracee.trace_syscalls(self.dispatch.needs_syscalls());
    }

    /// The thread of an event.
    fn task(&mut self, tid: u32, pid: u32) -> Result<Arc<Task>, SourceError> {
        let task = match self.state.tasks.traced(tid) {
            Some(task) => task,
            None => self.state.tasks.add(tid, pid, None)?,
        };
        if let Some(dead) = self.orphans.get(&tid) {
            if self.state.tasks.reparent(&task, *dead) {
                self.orphans.remove(&tid);
            }
        }
        Ok(task)
    }

    fn handle(&mut self, event: TraceEvent) -> Result<(), SourceError> {
        match event {
            TraceEvent::SyscallEnter { tid, pid, nr, args, .. } => {
                let task = self.task(tid, pid)?;
                self.engine.syscall_enter(&self.dispatch, &mut self.tracee, &task, nr, args);
                self.uprobes.before_syscall(&mut self.tracee, &task, nr, args);
            }
            TraceEvent::SyscallExit { tid, pid, nr, ret } => {
                let task = self.task(tid, pid)?;
                if ret == 0 && CHANGES_IDS.contains(&nr) {
                    task.refresh();
                }
                if ret == 0 && nr == PRCTL {
                    task.refresh_comm();
                }
                self.uprobes.after_syscall(&mut self.tracee, &task, nr, ret);
                self.engine.syscall_exit(&self.dispatch, &mut self.tracee, &task, nr, ret);
            }
            TraceEvent::Exec { pid, old_tid } => {
                let old = self.state.tasks.traced(old_tid).filter(|_| old_tid != pid);
                if old.is_some() {
                    self.state.tasks.remove(old_tid);
                }
                let task = match self.state.tasks.traced(pid) {
                    Some(task) => task,
                    None => self.state.tasks.add(pid, pid, old.and_then(|old| old.parent()))?,
                };
                task.refresh_all();
                self.uprobes.after_exec(&mut self.tracee, &task, old_tid);
                self.engine.process_exec(&self.dispatch, &mut self.tracee, &task, old_tid);
            }
            TraceEvent::Fork { parent, parent_pid, child, child_pid, is_thread } => {
                let parent = self.task(parent, parent_pid)?;
                let child = self.state.tasks.add(child, child_pid, Some(parent.clone()))?;
                if !is_thread {
                    self.uprobes.after_fork(&parent, &child);
                }
                self.engine.process_fork(&self.dispatch, &mut self.tracee, &parent, &child);
            }
            TraceEvent::Exit { tid, pid, status, group_dead } => {
                let task = self.task(tid, pid)?;
                task.refresh_comm();
                task.set_exit_code(status.into_raw());
                self.engine.process_exit(&self.dispatch, &mut self.tracee, &task, group_dead);
                self.uprobes.after_exit(&task, group_dead);
                self.state.tasks.remove(tid);
                self.orphans.remove(&tid);
                if group_dead {
                    let children = self.state.tasks.children_of(pid);
                    self.orphans.extend(children.into_iter().map(|child| (child, pid)));
                }
            }
            TraceEvent::Breakpoint { tid, pid, addr } => {
                let task = self.task(tid, pid)?;
                self.uprobes.hit(&mut self.tracee, &mut self.engine, &task, addr);
            }
            // Nothing is attached to signals, and the end of the command was told as the end of its last thread.
            _ => {}
        }
        Ok(())
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // A command that never ran, or did not run to its end, is killed with the tracee.
        for task in self.state.tasks.all_traced() {
            if self.tracee.pids().contains(&task.tgid()) {
                self.state.tasks.remove(task.tid());
            }
        }
    }
}

/// `prctl`, which may change a thread's name.
const PRCTL: u64 = 157;
/// `setuid`, `setgid`, `setreuid`, `setregid`, `setresuid`, `setresgid`, `setfsuid`, `setfsgid`.
const CHANGES_IDS: &[u64] = &[105, 106, 113, 114, 117, 119, 122, 123];
