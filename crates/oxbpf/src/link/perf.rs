//! Programs on perf events: samplers and counters, and the base of tracepoints, kprobes and uprobes.
//!
//! An event is opened, the program is put on it by a BPF link (since Linux 5.15) or by an ioctl, and the event is
//! enabled.

use oxbpf_kernel::{
    Fact, Handle, Kernel, LinkCreate, LinkKind, LinkSource, PerfEventSpec, PerfRequest, Target,
};
use oxbpf_uapi::perf_event::{
    PERF_COUNT_HW_CPU_CYCLES, PERF_COUNT_SW_CPU_CLOCK, PERF_TYPE_BREAKPOINT, PERF_TYPE_HARDWARE,
    PERF_TYPE_HW_CACHE, PERF_TYPE_RAW, PERF_TYPE_SOFTWARE, PerfAttrFlags,
};
use oxbpf_uapi::{AttachType, Cmd, Errno, ProgType};

use super::attach::Attach;
use super::{Held, Link};
use crate::error::{At, Error, Frame, Result};
use crate::feature::Feature;

/// Options of `attach_perf_event_handle`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_perf_event_opts")]
pub struct PerfEventOpts {
    /// What `bpf_get_attach_cookie` gives the program. Linux 5.15 if not 0.
    pub cookie: u64,
    /// Use the ioctl even where the kernel has links on perf events.
    pub force_ioctl_attach: bool,
    /// Leave the event disabled, for a caller who enables it (or its group) himself.
    pub dont_enable: bool,
}

/// Describes perf events to run a program at: what to sample, how often, where.
///
/// Unless a process or CPU is chosen, [`open`](Self::open) opens one event for each CPU that is online.
///
/// ```
/// use oxbpf::link::PerfEventBuilder;
///
/// let profile = PerfEventBuilder::cpu_clock().frequency(99);
/// let one_process = PerfEventBuilder::cpu_cycles().period(1_000_000).pid(1234);
/// # let _ = (profile, one_process);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PerfEventBuilder {
    spec: PerfEventSpec<'static>,
    pid: Option<u32>,
    cpus: Option<Vec<u32>>,
}

impl PerfEventBuilder {
    /// An event by `perf_event_attr.type` and `config`, counting without samples.
    pub fn new(kind: u32, config: u64) -> Self {
        Self { spec: PerfEventSpec { kind, config, ..PerfEventSpec::default() }, pid: None, cpus: None }
    }

    /// The CPU's clock, which needs no hardware counters. Give it a [`frequency`](Self::frequency).
    pub fn cpu_clock() -> Self {
        Self::new(PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK)
    }

    /// CPU cycles by a hardware counter, which virtual machines often lack.
    pub fn cpu_cycles() -> Self {
        Self::new(PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES)
    }

    /// An event of the kernel's own, `PERF_COUNT_SW_*`: page faults, context switches, clocks.
    pub fn software(event: u64) -> Self {
        Self::new(PERF_TYPE_SOFTWARE, event)
    }

    /// A hardware counter that every processor has under its own name, `PERF_COUNT_HW_*`.
    pub fn hardware(event: u64) -> Self {
        Self::new(PERF_TYPE_HARDWARE, event)
    }

    /// A counter of a cache: `PERF_COUNT_HW_CACHE_*`, then its operation and result.
    pub fn cache(cache: u8, operation: u8, result: u8) -> Self {
        Self::new(PERF_TYPE_HW_CACHE, u64::from(cache) | u64::from(operation) << 8 | u64::from(result) << 16)
    }

    /// A counter of the processor by its number.
    pub fn raw(event: u64) -> Self {
        Self::new(PERF_TYPE_RAW, event)
    }

    /// Accesses to `len` bytes of memory, 1, 2, 4 or 8: `access` has bits 1 for reads and 2 for writes, or is 4 for execution.
    pub fn breakpoint(address: u64, len: u64, access: u32) -> Self {
        let mut new = Self::new(PERF_TYPE_BREAKPOINT, 0).period(1);
        (new.spec.config1, new.spec.config2, new.spec.bp_type) = (address, len, access);
        new
    }

    /// More flags: not in the kernel, only while pinned to the hardware, and so on. They add up.
    #[must_use]
    pub fn flags(mut self, flags: PerfAttrFlags) -> Self {
        self.spec.flags |= flags;
        self
    }

    /// Samples `hertz` times a second.
    #[must_use]
    pub fn frequency(mut self, hertz: u64) -> Self {
        (self.spec.sample_period, self.spec.freq) = (hertz, true);
        self
    }

    /// Samples once every `events` events; nanoseconds for clocks.
    #[must_use]
    pub fn period(mut self, events: u64) -> Self {
        (self.spec.sample_period, self.spec.freq) = (events, false);
        self
    }

    /// Only while process or thread `pid` runs, on any CPU unless [`cpus`](Self::cpus) are chosen. 0 is the caller.
    #[must_use]
    pub fn pid(mut self, pid: u32) -> Self {
        self.pid = Some(pid);
        self
    }

    /// Only on these CPUs.
    #[must_use]
    pub fn cpus(mut self, cpus: impl Into<Vec<u32>>) -> Self {
        self.cpus = Some(cpus.into());
        self
    }

    /// Counts in processes that the followed process starts, too.
    #[must_use]
    pub fn inherit(mut self, inherit: bool) -> Self {
        self.spec.inherit = inherit;
        self
    }

    /// `PERF_SAMPLE_*` bits of what a sample records. A program that takes stacks with early samples needs
    /// the call chain.
    #[must_use]
    pub fn sample_type(mut self, bits: u64) -> Self {
        self.spec.sample_type = bits;
        self
    }

    /// Opens the events, disabled or enabled as the kernel does by itself.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if the machine has no such counter or process.
    pub fn open(&self, kernel: &Kernel) -> Result<Vec<Handle>> {
        let pid = match self.pid {
            None => -1,
            Some(pid) => {
                i32::try_from(pid).map_err(|_| Error::invalid_input(format!("{pid} is no process id")))?
            }
        };
        let cpus = match (&self.cpus, self.pid) {
            (Some(cpus), _) => cpus.iter().map(|c| i32::try_from(*c).unwrap_or(i32::MAX)).collect(),
            (None, Some(_)) => vec![-1],
            (None, None) => cpu_list(kernel, Fact::OnlineCpus)?
                .iter()
                .map(|c| i32::try_from(*c).unwrap_or(i32::MAX))
                .collect(),
        };
        cpus.into_iter().map(|cpu| open(kernel, self.spec.clone(), pid, cpu)).collect()
    }
}

pub(super) fn attach_each(a: &Attach<'_>, event: &PerfEventBuilder, opts: PerfEventOpts) -> Result<Link> {
    a.expect_type("attach_perf_event", &[ProgType::PERF_EVENT])?;
    let mut links = Vec::new();
    for handle in event.open(a.kernel)? {
        links.push(attach(a, handle, opts)?);
    }
    match links.len() {
        1 => links.pop().ok_or_else(|| Error::invalid_input("no event to attach to")),
        0 => Err(Error::invalid_input("no CPU to open the event on")),
        _ => Ok(Link::join(a.kernel, links)),
    }
}

/// Opens one event.
pub(super) fn open(kernel: &Kernel, spec: PerfEventSpec<'_>, pid: i32, cpu: i32) -> Result<Handle> {
    let kind = spec.kind;
    kernel
        .perf_event(PerfRequest::Open { spec, pid, cpu, group: None })
        .and_then(|reply| reply.handle())
        .map_err(|e| {
            let error = Error::kernel(e).at(Frame::Syscall("perf_event_open"));
            match e {
                Errno::ENOENT | Errno::EOPNOTSUPP if kind == PERF_TYPE_HARDWARE => error
                    .with_hint("the machine has no such counter; PerfEventBuilder::cpu_clock() needs none"),
                _ => error,
            }
        })
}

/// Puts the program on an event, which the link then owns.
pub(super) fn attach(a: &Attach<'_>, event: Handle, opts: PerfEventOpts) -> Result<Link> {
    let link = if !opts.force_ioctl_attach && a.features.has(Feature::PerfLink) {
        let source = LinkSource::Prog(a.prog);
        let (target, kind) = (Target::Object(&event), LinkKind::PerfEvent { bpf_cookie: opts.cookie });
        let req = LinkCreate { source, target, attach_type: AttachType::PERF_EVENT, flags: 0, kind };
        Some(a.link_create(req).at(|| Frame::Command(Cmd::LINK_CREATE))?)
    } else if opts.cookie != 0 {
        return Err(Error::unsupported("cookies of programs on perf events", "5.15"));
    } else {
        let set = a.kernel.perf_event(PerfRequest::SetBpf { event: &event, prog: a.prog });
        set.map_err(|e| {
            let error = Error::kernel(e).at(Frame::Syscall("PERF_EVENT_IOC_SET_BPF"));
            match e {
                Errno::EPROTO => error.with_hint("the program takes stacks: sample PERF_SAMPLE_CALLCHAIN"),
                _ => error,
            }
        })?;
        None
    };
    if !opts.dont_enable {
        a.kernel.perf_event(PerfRequest::Enable(&event)).at(|| Frame::Syscall("PERF_EVENT_IOC_ENABLE"))?;
    }
    Ok(Link::new(a.kernel, Held::Perf { event, link, probe: None }))
}

/// A fact that is one decimal number.
pub(super) fn number_fact(kernel: &Kernel, fact: Fact<'_>) -> Result<u64> {
    let text = kernel.fact(fact).map_err(Error::kernel)?;
    let number = core::str::from_utf8(&text).ok().and_then(|t| t.trim().parse().ok());
    number.ok_or_else(|| {
        let message = format!("{fact:?} is `{}`, not a number", String::from_utf8_lossy(&text));
        Error::kernel(Errno::EPROTO).with_message(message)
    })
}

/// The numbers of a fact such as `0-3,8`.
pub(crate) fn cpu_list(kernel: &Kernel, fact: Fact<'_>) -> Result<Vec<u32>> {
    let text = kernel.fact(fact).map_err(Error::kernel)?;
    parse_ranges(&text).ok_or_else(|| {
        let message = format!("{fact:?} is `{}`, not a list of CPUs", String::from_utf8_lossy(&text));
        Error::kernel(Errno::EPROTO).with_message(message)
    })
}

/// More CPUs than any kernel can be built for, so that a broken list does not fill the memory.
const MAX_CPUS: u32 = 1 << 16;

fn parse_ranges(text: &[u8]) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for part in core::str::from_utf8(text).ok()?.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        if first > last || last >= MAX_CPUS {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_fields_that_perf_event_open_documents() {
        let cache = PerfEventBuilder::cache(2, 1, 1).flags(PerfAttrFlags::EXCLUDE_KERNEL);
        assert_eq!((cache.spec.kind, cache.spec.config), (3, 0x1_0102));
        assert_eq!(cache.spec.flags.bits(), 1 << 5);
        let watch = PerfEventBuilder::breakpoint(0x1000, 4, 2).spec;
        assert_eq!((watch.kind, watch.config1, watch.config2), (5, 0x1000, 4));
        assert_eq!((watch.bp_type, watch.sample_period, watch.freq), (2, 1, false));
        assert_eq!(PerfEventBuilder::raw(0xc0).spec.kind, 4);
    }

    #[test]
    fn cpu_lists_are_ranges_and_single_numbers() {
        assert_eq!(parse_ranges(b"0-3,8\n"), Some(vec![0, 1, 2, 3, 8]));
        assert_eq!(parse_ranges(b"0"), Some(vec![0]));
        for bad in ["", "3-1", "a", "0-4294967295", "-1", "0,,1"] {
            assert_eq!(parse_ranges(bad.as_bytes()), None, "{bad}");
        }
    }
}
