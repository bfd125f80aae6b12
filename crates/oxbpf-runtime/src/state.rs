//! Everything that one embedded kernel knows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use oxbpf_kernel::{Interest, PollSet};
use oxbpf_uapi::Errno;
use oxbpf_vm::{MemError, Memory};

use crate::hooks::Hooks;
use crate::invoke::Runner;
use crate::maps::MapEnv;
use crate::net::Interfaces;
use crate::printk::TraceLog;
use crate::registry::{Object, Registry, object_of};
use crate::tasks::Tasks;
use crate::{RuntimeOptions, TrapReport};

/// The shared part of a [`Runtime`](crate::Runtime).
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) memory: Memory,
    pub(crate) cpus: u32,
    /// Instructions that one run may take.
    insn_limit: u64,
    pub(crate) registry: Arc<Registry>,
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) tasks: Tasks,
    pub(crate) interfaces: Interfaces,
    pub(crate) trace_log: TraceLog,
    /// Whether run counts and times are kept (`BPF_ENABLE_STATS`).
    pub(crate) stats: AtomicBool,
    /// When the embedded kernel started, for clocks.
    pub(crate) started: Instant,
    /// Runs programs for commands; event sources have their own.
    runner: Mutex<Runner>,
    wake: Wake,
    traps: Mutex<Vec<TrapReport>>,
}

/// Tells waiting readers that something changed.
#[derive(Debug, Default)]
struct Wake {
    changes: Mutex<u64>,
    changed: Condvar,
}

/// Traps that are kept; the rest go without a word, since a program with that many has been talked about.
const MAX_TRAPS: usize = 64;

impl State {
    pub(crate) fn new(options: &RuntimeOptions) -> Result<Self, MemError> {
        let memory = Memory::new(options.memory_limit)?;
        let runner = Mutex::new(Runner::new(&memory, options.insn_limit)?);
        Ok(Self {
            tasks: Tasks::new(&memory)?,
            memory,
            cpus: options.cpus.max(1),
            insn_limit: options.insn_limit,
            registry: Arc::default(),
            hooks: Arc::default(),
            interfaces: Interfaces::default(),
            trace_log: TraceLog::default(),
            stats: AtomicBool::new(false),
            started: Instant::now(),
            runner,
            wake: Wake::default(),
            traps: Mutex::default(),
        })
    }

    pub(crate) fn map_env(&self) -> MapEnv {
        MapEnv { memory: self.memory.clone(), cpus: self.cpus }
    }

    /// A runner for a source of events.
    pub(crate) fn runner(&self) -> Result<Runner, MemError> {
        Runner::new(&self.memory, self.insn_limit)
    }

    /// The runner of commands. Held for as long as a program runs for one.
    pub(crate) fn with_runner<T>(&self, use_runner: impl FnOnce(&mut Runner) -> T) -> T {
        use_runner(&mut self.runner.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes readers that wait.
    pub(crate) fn notify(&self) {
        *self.wake.changes.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.wake.changed.notify_all();
    }

    /// Waits until a handle of the set is readable.
    pub(crate) fn poll(&self, set: &mut PollSet, timeout: Option<Duration>) -> Result<usize, Errno> {
        let deadline = timeout.and_then(|t| Instant::now().checked_add(t));
        let mut changes = self.wake.changes.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let mut ready = Vec::new();
            for entry in set.entries() {
                let object = object_of(&entry.handle)?;
                // Nothing here takes data from user space piece by piece, so there is always room.
                if entry.interest == Interest::Write || self.is_readable(object) {
                    ready.push(entry.token);
                }
            }
            let left = deadline.map(|d| d.saturating_duration_since(Instant::now()));
            if !ready.is_empty() || left == Some(Duration::ZERO) {
                let count = ready.len();
                *set.ready_mut() = ready;
                return Ok(count);
            }
            changes = match left {
                Some(left) => {
                    self.wake.changed.wait_timeout(changes, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wake.changed.wait(changes).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn is_readable(&self, object: &Object) -> bool {
        match object {
            Object::Map(map) => map.ops.is_readable().unwrap_or(false),
            Object::Perf(event) => event.is_readable(),
            Object::Iter(_) => true,
            Object::TraceLog => !self.trace_log.is_empty(),
            Object::Prog(_) | Object::Link(_) | Object::Btf(_) | Object::Stats => false,
        }
    }

    /// Keeps a trap for the user; the first of each instruction is logged.
    pub(crate) fn report_trap(&self, report: TrapReport) {
        let mut traps = self.traps.lock().unwrap_or_else(PoisonError::into_inner);
        let is_room = traps.len() < MAX_TRAPS;
        match traps.iter_mut().find(|t| t.program == report.program && t.insn == report.insn) {
            Some(known) => known.count += 1,
            None if is_room => {
                log::warn!("{report}");
                traps.push(report);
            }
            None => {}
        }
    }

    pub(crate) fn traps(&self) -> Vec<TrapReport> {
        self.traps.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn keeps_stats(&self) -> bool {
        self.stats.load(Ordering::Relaxed)
    }
}
