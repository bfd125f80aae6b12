//! Perf events: what perf_event_open(2) makes and programs attach to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use oxbpf_kernel::{Handle, PerfEventSpec, PerfRequest, Reply};
use oxbpf_uapi::Errno;

use crate::hooks::{Attached, Hook};
use crate::maps::PerfRing;
use crate::progs::Prog;
use crate::registry::{Object, perf_of, prog_of};
use crate::state::State;
use crate::tracepoints;

/// `PERF_TYPE_HARDWARE`, `PERF_TYPE_SOFTWARE`, `PERF_TYPE_TRACEPOINT`.
const TYPE_HARDWARE: u32 = 0;
const TYPE_SOFTWARE: u32 = 1;
const TYPE_TRACEPOINT: u32 = 2;
/// `PERF_COUNT_SW_CPU_CLOCK`, `PERF_COUNT_SW_TASK_CLOCK`, `PERF_COUNT_SW_BPF_OUTPUT`.
const SW_CPU_CLOCK: u64 = 0;
const SW_TASK_CLOCK: u64 = 1;
const SW_BPF_OUTPUT: u64 = 10;
/// Numbers of the dynamic units, as [`oxbpf_kernel::Fact::PmuType`] gives them.
pub(crate) const PMU_KPROBE: u32 = 8;
pub(crate) const PMU_UPROBE: u32 = 9;
/// Bit of `config` that asks for a return probe.
pub(crate) const RETPROBE_BIT: u32 = 0;
/// What a clock event counts in when it is given a count of cycles: a cycle is taken to be a nanosecond.
const MIN_PERIOD_NS: u64 = 100_000;

/// An open event.
#[derive(Debug)]
pub(crate) struct PerfEvent {
    pub(crate) what: PerfKind,
    /// CPU that the event was opened for, `None` for all.
    pub(crate) cpu: Option<u32>,
    enabled: Arc<AtomicBool>,
    /// Programs set by ioctl; they go with the event.
    attached: Mutex<Vec<Attached>>,
}

/// What an event is about.
#[derive(Debug)]
pub(crate) enum PerfKind {
    /// Programs run at a hook.
    Hook(Hook),
    /// Programs write to its ring.
    Output(PerfRing),
}

impl PerfEvent {
    fn open(state: &State, spec: &PerfEventSpec<'_>, pid: i32, cpu: i32) -> Result<Self, Errno> {
        let target = u32::try_from(pid).ok();
        let is_return = spec.config >> RETPROBE_BIT & 1 != 0;
        let what = match (spec.kind, spec.config) {
            (TYPE_SOFTWARE, SW_BPF_OUTPUT) => PerfKind::Output(PerfRing::new(&state.memory)),
            (TYPE_SOFTWARE, SW_CPU_CLOCK | SW_TASK_CLOCK) | (TYPE_HARDWARE, 0) => {
                let period = match (spec.freq, spec.sample_period) {
                    (_, 0) => return Err(Errno::EINVAL),
                    (true, hertz) => 1_000_000_000 / hertz,
                    (false, period) => period,
                };
                PerfKind::Hook(Hook::Clock { period_ns: period.max(MIN_PERIOD_NS), pid: target })
            }
            (TYPE_TRACEPOINT, id) => {
                let name = tracepoints::name_of(id).ok_or(Errno::EINVAL)?;
                PerfKind::Hook(Hook::Tracepoint(name.to_owned()))
            }
            (PMU_KPROBE, _) => {
                let func = spec.target.ok_or(Errno::EINVAL)?;
                if spec.config2 != 0 || !tracepoints::has_function(func) {
                    log::warn!(
                        "kprobe on `{func}`+{}: the embedded kernel serves system call entries only",
                        spec.config2
                    );
                    return Err(Errno::EINVAL);
                }
                PerfKind::Hook(Hook::Kprobe { func: func.to_owned(), is_return })
            }
            (PMU_UPROBE, _) => {
                let path = spec.target.ok_or(Errno::EINVAL)?.to_owned();
                PerfKind::Hook(Hook::Uprobe { path, offset: spec.config2, is_return, pid: target })
            }
            (kind, config) => {
                log::warn!(
                    "perf event of type {kind}, config {config:#x}: not served by the embedded kernel"
                );
                return Err(Errno::ENOENT);
            }
        };
        let enabled = Arc::new(AtomicBool::new(!spec.disabled));
        Ok(Self { what, cpu: u32::try_from(cpu).ok(), enabled, attached: Mutex::default() })
    }

    /// Attaches a program to the event's hook.
    pub(crate) fn attach(&self, state: &State, prog: &Arc<Prog>, cookie: u64) -> Result<Attached, Errno> {
        let PerfKind::Hook(hook) = &self.what else { return Err(Errno::EINVAL) };
        // One clock drives all CPUs here; of the events that a user opens one a CPU only the first runs its program.
        if matches!(hook, Hook::Clock { .. }) && self.cpu.is_some_and(|cpu| cpu != 0) {
            let off = Arc::new(AtomicBool::new(false));
            return Ok(state.hooks.attach(hook.clone(), prog.clone(), cookie, off));
        }
        Ok(state.hooks.attach(hook.clone(), prog.clone(), cookie, self.enabled.clone()))
    }

    pub(crate) fn is_readable(&self) -> bool {
        matches!(&self.what, PerfKind::Output(ring) if ring.is_readable())
    }
}

/// Answers a request about perf events.
pub(crate) fn request(state: &State, req: &mut PerfRequest<'_>) -> Result<Reply, Errno> {
    match req {
        PerfRequest::Open { spec, .. } if spec.write_backward => {
            log::warn!(
                "perf events whose rings are written from the end are not served by the embedded kernel"
            );
            Err(Errno::EOPNOTSUPP)
        }
        PerfRequest::Open { spec, pid, cpu, .. } => {
            let event = PerfEvent::open(state, spec, *pid, *cpu)?;
            Ok(Reply::Handle(state.registry.handle(Object::Perf(Arc::new(event)))))
        }
        PerfRequest::SetBpf { event, prog } => {
            let (event, prog) = (perf_of(event)?, prog_of(prog)?);
            let attached = event.attach(state, prog, 0)?;
            event.attached.lock().unwrap_or_else(PoisonError::into_inner).push(attached);
            Ok(Reply::Done)
        }
        PerfRequest::Enable(event) => switch(event, true),
        PerfRequest::Disable(event) => switch(event, false),
        // Rings that are written from the end are refused when they are opened.
        PerfRequest::Pause { .. } => Err(Errno::EOPNOTSUPP),
        PerfRequest::QueryBpf { event, ids } => {
            let attached = perf_of(event)?.attached.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, attached) in ids.iter_mut().zip(attached.iter()) {
                *id = attached.attachment.prog.id;
            }
            Ok(Reply::Value(attached.len() as u64))
        }
    }
}

fn switch(event: &Handle, on: bool) -> Result<Reply, Errno> {
    perf_of(event)?.enabled.store(on, Ordering::Release);
    Ok(Reply::Done)
}
