//! Links, and which program goes to which hook.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use oxbpf_kernel::{
    Handle, LinkCreate, LinkKind, LinkSource, LinkUpdate, ObjectKind, RawTracepointOpen, Target,
};
use oxbpf_uapi::{AttachType, Errno, LinkType, ProgType};

use crate::hooks::{Attached, Hook};
use crate::progs::Prog;
use crate::registry::{Object, link_of, perf_of, prog_of};
use crate::state::State;
use crate::tracepoints;

/// A program at a hook, until the last reference goes or it is detached.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: u32,
    pub(crate) link_type: LinkType,
    pub(crate) attach_type: AttachType,
    attached: Mutex<Option<Attached>>,
    /// The perf event that the link holds open, with what else is attached to it.
    _event: Option<Arc<crate::perf::PerfEvent>>,
}

impl Link {
    /// The hook, unless detached.
    pub(crate) fn hook(&self) -> Option<Hook> {
        self.attached().as_ref().map(|a| a.attachment.hook.clone())
    }

    /// The program, unless detached.
    pub(crate) fn prog(&self) -> Option<Arc<Prog>> {
        self.attached().as_ref().map(|a| a.attachment.prog.clone())
    }

    /// Cookie of the attachment.
    pub(crate) fn cookie(&self) -> u64 {
        self.attached().as_ref().map_or(0, |a| a.attachment.cookie)
    }

    fn attached(&self) -> std::sync::MutexGuard<'_, Option<Attached>> {
        self.attached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Detaches; the link stays open.
    pub(crate) fn detach(&self) -> Result<(), Errno> {
        // As in the kernel, only links whose target may go away can be detached by force.
        match self.link_type {
            LinkType::XDP | LinkType::TCX => {
                self.attached().take();
                Ok(())
            }
            _ => Err(Errno::EOPNOTSUPP),
        }
    }
}

/// `BPF_RAW_TRACEPOINT_OPEN`.
pub(crate) fn raw_tracepoint_open(state: &State, req: &RawTracepointOpen<'_>) -> Result<Handle, Errno> {
    let prog = prog_of(req.prog)?;
    match req.name {
        None => match prog.prog_type {
            ProgType::TRACING | ProgType::LSM | ProgType::EXT => tracing(state, prog, req.cookie),
            _ => Err(Errno::EINVAL),
        },
        Some(name) => {
            if !matches!(prog.prog_type, ProgType::RAW_TRACEPOINT | ProgType::RAW_TRACEPOINT_WRITABLE) {
                return Err(Errno::EINVAL);
            }
            if !tracepoints::has_raw(name) {
                log::warn!(
                    "raw tracepoint `{name}`: the embedded kernel serves {}",
                    tracepoints::raw_names()
                );
                return Err(Errno::ENOENT);
            }
            let hook = Hook::RawTracepoint(name.to_owned());
            Ok(make(state, LinkType::RAW_TRACEPOINT, AttachType(0), hook, prog, req.cookie))
        }
    }
}

/// `BPF_LINK_CREATE`.
pub(crate) fn create(state: &State, req: &LinkCreate<'_>) -> Result<Handle, Errno> {
    let LinkSource::Prog(prog) = req.source else { return Err(Errno::EINVAL) };
    let prog = prog_of(prog)?;
    match (req.attach_type, req.kind, req.target) {
        (AttachType::PERF_EVENT, kind, Target::Object(event)) => {
            let cookie = if let LinkKind::PerfEvent { bpf_cookie } = kind { bpf_cookie } else { 0 };
            perf_event(state, prog, event, cookie)
        }
        (AttachType::TRACE_ITER, kind, _) => {
            if matches!(kind, LinkKind::Iter(info) if info.iter().any(|b| *b != 0)) {
                log::warn!(
                    "iterators over a chosen map, cgroup or task are not served by the embedded kernel"
                );
                return Err(Errno::EINVAL);
            }
            let target =
                prog.attach_name.as_deref().and_then(|n| n.strip_prefix("bpf_iter_")).ok_or(Errno::EINVAL)?;
            let hook = Hook::Iter(target.to_owned());
            Ok(make(state, LinkType::ITER, AttachType::TRACE_ITER, hook, prog, 0))
        }
        (AttachType::TRACE_RAW_TP, LinkKind::Tracing { cookie, .. }, _) => tracing(state, prog, cookie),
        (AttachType::TRACE_RAW_TP, ..) => tracing(state, prog, 0),
        (AttachType::XDP, _, Target::Ifindex(ifindex)) => {
            require(state, prog, ProgType::XDP, ifindex)?;
            if !state.hooks.at(&Hook::Xdp(ifindex)).is_empty() {
                return Err(Errno::EBUSY);
            }
            Ok(make(state, LinkType::XDP, AttachType::XDP, Hook::Xdp(ifindex), prog, 0))
        }
        (AttachType::TCX_INGRESS | AttachType::TCX_EGRESS, _, Target::Ifindex(ifindex)) => {
            require(state, prog, ProgType::SCHED_CLS, ifindex)?;
            let hook = Hook::Tc { ifindex, ingress: req.attach_type == AttachType::TCX_INGRESS };
            Ok(make(state, LinkType::TCX, req.attach_type, hook, prog, 0))
        }
        (attach_type, ..) => {
            log::warn!(
                "attaching to {attach_type}: the embedded kernel serves tracepoints, raw and typed tracepoints, ksyscall, \
                 uprobes, perf clocks, XDP, tc and task iterators"
            );
            Err(Errno::ENOTSUPP)
        }
    }
}

fn require(state: &State, prog: &Prog, prog_type: ProgType, ifindex: u32) -> Result<(), Errno> {
    if prog.prog_type != prog_type {
        return Err(Errno::EINVAL);
    }
    if state.interfaces.name(ifindex).is_some() { Ok(()) } else { Err(Errno::ENODEV) }
}

fn tracing(state: &State, prog: &Arc<Prog>, cookie: u64) -> Result<Handle, Errno> {
    let name = prog.attach_name.as_deref().ok_or(Errno::EINVAL)?;
    match (prog.attach_type, name.strip_prefix("btf_trace_")) {
        (AttachType::TRACE_RAW_TP, Some(tracepoint)) => {
            let hook = Hook::TpBtf(tracepoint.to_owned());
            Ok(make(state, LinkType::TRACING, AttachType::TRACE_RAW_TP, hook, prog, cookie))
        }
        _ => Err(Errno::ENOTSUPP),
    }
}

fn perf_event(state: &State, prog: &Arc<Prog>, event: &Handle, cookie: u64) -> Result<Handle, Errno> {
    let event = perf_of(event)?;
    let attached = event.attach(state, prog, cookie)?;
    let link = Link {
        id: state.registry.new_id(ObjectKind::Link),
        link_type: LinkType::PERF_EVENT,
        attach_type: AttachType::PERF_EVENT,
        attached: Mutex::new(Some(attached)),
        _event: Some(event.clone()),
    };
    Ok(state.registry.handle(Object::Link(Arc::new(link))))
}

fn make(
    state: &State,
    link_type: LinkType,
    attach_type: AttachType,
    hook: Hook,
    prog: &Arc<Prog>,
    cookie: u64,
) -> Handle {
    let attached = state.hooks.attach(hook, prog.clone(), cookie, Arc::new(AtomicBool::new(true)));
    let id = state.registry.new_id(ObjectKind::Link);
    let link = Link { id, link_type, attach_type, attached: Mutex::new(Some(attached)), _event: None };
    state.registry.handle(Object::Link(Arc::new(link)))
}

/// `BPF_LINK_UPDATE`.
pub(crate) fn update(state: &State, req: &LinkUpdate<'_>) -> Result<(), Errno> {
    /// `BPF_F_REPLACE`: the old program must be the one given.
    const REPLACE: u32 = 1 << 2;
    let link = link_of(req.link)?;
    let LinkSource::Prog(new) = req.new else { return Err(Errno::EINVAL) };
    let new = prog_of(new)?;
    if req.flags & !REPLACE != 0 || (req.flags & REPLACE == 0) != req.old.is_none() {
        return Err(Errno::EINVAL);
    }
    if !matches!(link.link_type, LinkType::XDP | LinkType::TCX | LinkType::ITER) {
        return Err(Errno::EINVAL);
    }
    let mut attached = link.attached();
    let current = attached.as_ref().ok_or(Errno::ENOENT)?;
    let old = &current.attachment.prog;
    if let Some(LinkSource::Prog(expected)) = req.old {
        if !Arc::ptr_eq(prog_of(expected)?, old) {
            return Err(Errno::EPERM);
        }
    }
    if old.prog_type != new.prog_type {
        return Err(Errno::EINVAL);
    }
    let (hook, cookie) = (current.attachment.hook.clone(), current.attachment.cookie);
    *attached = Some(state.hooks.attach(hook, new.clone(), cookie, Arc::new(AtomicBool::new(true))));
    Ok(())
}
