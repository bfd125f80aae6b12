//! Sampling: programs on a clock run with the registers of each thread that executes when their time comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use oxbpf_sys::trace::Tracee;
use oxbpf_uapi::ctx::PerfEventDataX86_64 as Data;
use zerocopy::IntoBytes;

use super::engine::Engine;
use crate::hooks::{Attachment, Hook};
use crate::invoke::Context;
use crate::tasks::Task;

/// Programs on clocks, with the time of their next sample.
#[derive(Debug, Default)]
pub(super) struct Clock {
    timers: Vec<Timer>,
}

#[derive(Debug)]
struct Timer {
    attachment: Arc<Attachment>,
    period: Duration,
    /// The only process to sample.
    pid: Option<u32>,
    next: Instant,
}

impl Timer {
    fn is_due(&self, now: Instant) -> bool {
        self.attachment.is_enabled() && self.next <= now
    }

    fn wants(&self, task: &Task) -> bool {
        self.pid.is_none_or(|pid| pid == task.tgid())
    }
}

impl Clock {
    /// Follows what is attached; clocks that go on keep their time.
    pub(super) fn set_wanted(&mut self, wanted: &[Arc<Attachment>]) {
        self.timers.retain(|t| wanted.iter().any(|a| Arc::ptr_eq(a, &t.attachment)));
        for attachment in wanted {
            let Hook::Clock { period_ns, pid } = attachment.hook else { continue };
            if self.timers.iter().any(|t| Arc::ptr_eq(attachment, &t.attachment)) {
                continue;
            }
            let period = Duration::from_nanos(period_ns);
            let next = Instant::now() + period.min(LONGEST);
            self.timers.push(Timer { attachment: attachment.clone(), period, pid, next });
        }
    }

    /// How long until a sample is due, `None` if nothing samples.
    pub(super) fn timeout(&self) -> Option<Duration> {
        let next = self.timers.iter().filter(|t| t.attachment.is_enabled()).map(|t| t.next).min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    /// Takes the samples that are due.
    pub(super) fn sample(&mut self, tracee: &mut Tracee, engine: &mut Engine) {
        let now = Instant::now();
        if !self.timers.iter().any(|t| t.is_due(now)) {
            return;
        }
        for task in engine.tasks() {
            let is_wanted = self.timers.iter().any(|t| t.is_due(now) && t.wants(&task));
            // A clock of a CPU does not tick for threads that sleep, and stopping one would disturb its system call.
            if !is_wanted || !task.is_running() || tracee.interrupt(task.tid()) != Ok(true) {
                continue;
            }
            let Ok(regs) = tracee.regs(task.tid()) else { continue };
            task.refresh_comm();
            for timer in self.timers.iter().filter(|t| t.is_due(now) && t.wants(&task)) {
                let sample_period = u64::try_from(timer.period.as_nanos()).unwrap_or(u64::MAX);
                let mut data = Data { regs, sample_period, addr: 0 };
                let context = Context::Record { bytes: data.as_mut_bytes(), writable: false };
                engine.run(&timer.attachment, context, &task, Some(&regs), 0);
            }
        }
        let now = Instant::now();
        for timer in self.timers.iter_mut().filter(|t| t.is_due(now)) {
            // Samples that were missed are not made up for.
            timer.next = now + timer.period.min(LONGEST);
        }
    }
}

/// So that adding a period to a time cannot overflow.
const LONGEST: Duration = Duration::from_secs(1 << 30);
