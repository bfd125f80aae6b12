//! Ending a traced command early: as the terminal's Ctrl-C would, and firmer if that does not help.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use oxbpf_sys::trace::Tracee;
use rustix::process::{Pid, Signal, kill_process};

/// Ends a traced command from another thread. Clones end the same command.
#[derive(Clone, Debug)]
pub struct Stopper(Arc<AtomicBool>);

impl Stopper {
    /// Asks for the end and returns at once: the command and its descendants are interrupted, after a while terminated, in the
    /// end killed. [`Source::run`](crate::Source::run) returns when they are gone.
    pub fn stop(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Whether the end was asked for.
#[derive(Debug, Default)]
pub(super) struct Asked(Arc<AtomicBool>);

impl Asked {
    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    pub(super) fn stopper(&self) -> Stopper {
        Stopper(self.0.clone())
    }
}

/// How long each signal has to take effect.
const PATIENCE: Duration = Duration::from_secs(1);

/// What has been done about it.
#[derive(Debug, Default)]
pub(super) struct Escalation {
    step: usize,
    next: Option<Instant>,
}

impl Escalation {
    /// Sends the next signal when it is time.
    pub(super) fn go_on(&mut self, tracee: &mut Tracee) {
        const STEPS: [Signal; 2] = [Signal::INT, Signal::TERM];
        let now = Instant::now();
        if self.next.is_some_and(|next| now < next) {
            return;
        }
        match STEPS.get(self.step) {
            Some(signal) => {
                for pid in tracee.pids() {
                    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { continue };
                    // A process that is already gone is what was wanted. One that job control stopped has to wake up to end.
                    let _ = kill_process(pid, *signal);
                    let _ = kill_process(pid, Signal::CONT);
                }
            }
            None => tracee.kill(),
        }
        self.step += 1;
        self.next = now.checked_add(PATIENCE);
    }
}
