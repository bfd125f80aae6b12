//! Attaching every program of an object: by its section, or by what the options name.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Mutex;

use anyhow::{Context, Result};
use oxbpf::link::{
    IterReader, Link, Order, PerfEventBuilder, PerfEventOpts, TcHook, TcOpts, UprobeOpts, XdpOpts,
};
use oxbpf::{AttachKind, ErrorKind, Object, Program};
use oxbpf_kernel::Fact;
use oxbpf_uapi::{AttachType, Errno, ProgType};

use super::host::Host;
use super::sink::Sink;
use super::{Args, lock, reject};

/// Samples a second of perf_event programs; a prime beside 100, so that they do not march in step with timers.
const HERTZ: u64 = 99;

/// Links of a run, and iterators to read once.
#[derive(Debug, Default)]
pub(super) struct Attached {
    links: Vec<Link>,
    iterators: Vec<(String, IterReader)>,
    /// Whether there are others than iterators.
    has_hooks: bool,
}

/// Types that a control group is the target of.
const CGROUP_TYPES: &[ProgType] = &[
    ProgType::CGROUP_SKB,
    ProgType::CGROUP_SOCK,
    ProgType::CGROUP_SOCK_ADDR,
    ProgType::CGROUP_SOCKOPT,
    ProgType::CGROUP_SYSCTL,
    ProgType::CGROUP_DEVICE,
    ProgType::SOCK_OPS,
];

/// Attaches all programs, or none: on an error those before are detached.
pub(super) fn all(object: &Object, args: &Args, host: &Host) -> Result<Attached> {
    let mut attached = Attached::default();
    let mut uses = Uses::default();
    for program in object.programs().filter(|p| p.is_loaded() && p.autoattach()) {
        let Some(link) = one(&program, args, host, &mut uses)? else { continue };
        if program.attach_kind() == AttachKind::Iter {
            attached.iterators.push((program.name().to_owned(), link.iter()?));
        } else {
            attached.has_hooks = true;
        }
        attached.links.push(link);
    }
    reject(args.iface.is_some() && !uses.iface, "--iface", "no program attaches to a network interface")?;
    reject(args.cgroup.is_some() && !uses.cgroup, "--cgroup", "no program attaches to a control group")?;
    reject(args.pid.is_some() && !uses.pid, "--pid", "no program attaches to a process")?;
    reject(args.pcap.is_some() && !uses.iface, "--pcap", "no program attaches to a network interface")?;
    anyhow::ensure!(!attached.links.is_empty(), "the object has no program to attach");
    Ok(attached)
}

/// Options that some program had a use for.
#[derive(Debug, Default)]
struct Uses {
    iface: bool,
    cgroup: bool,
    pid: bool,
}

fn one(program: &Program<'_>, args: &Args, host: &Host, uses: &mut Uses) -> Result<Option<Link>> {
    let is_cgroup = CGROUP_TYPES.contains(&program.prog_type())
        || program.expected_attach_type() == AttachType::LSM_CGROUP && program.prog_type() == ProgType::LSM;
    match (program.attach_kind(), program.prog_type()) {
        // These are called by other programs or by the command itself.
        (AttachKind::Explicit, ProgType::SYSCALL | ProgType::EXT) => Ok(None),
        (AttachKind::Explicit, ProgType::XDP)
            if matches!(program.expected_attach_type(), AttachType::XDP_DEVMAP | AttachType::XDP_CPUMAP) =>
        {
            Ok(None)
        }
        (AttachKind::Explicit, ProgType::XDP) => {
            uses.iface = true;
            let Some(ifindex) = interface(args, host)? else { return by_section(program) };
            Ok(Some(program.attach_xdp(ifindex, XdpOpts::default())?))
        }
        (AttachKind::Explicit, ProgType::SCHED_CLS) => {
            uses.iface = true;
            let Some(ifindex) = interface(args, host)? else { return by_section(program) };
            tc(program, ifindex).map(Some)
        }
        (AttachKind::Explicit, ProgType::PERF_EVENT) => {
            uses.pid = true;
            let mut event = PerfEventBuilder::cpu_clock().frequency(HERTZ);
            if let Some(pid) = args.pid {
                event = event.pid(pid);
            }
            Ok(Some(program.attach_perf_event(&event, PerfEventOpts::default())?))
        }
        (_, _) if is_cgroup => {
            uses.cgroup = true;
            let Some(path) = &args.cgroup else { return by_section(program) };
            match program.attach_cgroup(path, Order::default()) {
                Err(e) if matches!(e.kind(), ErrorKind::Unsupported { .. }) => {
                    let multi = oxbpf_uapi::flags::AttachFlags::ALLOW_MULTI;
                    Ok(Some(program.attach_cgroup_legacy(path, multi)?))
                }
                result => Ok(Some(result?)),
            }
        }
        (AttachKind::Uprobe, _) => {
            uses.pid = true;
            uprobe(program, args)
        }
        // A program without a target in its section is there for others to call, by tail call for one.
        (kind, _) if kind != AttachKind::Explicit && program.extra().is_none_or(str::is_empty) => Ok(None),
        _ => by_section(program),
    }
}

fn by_section(program: &Program<'_>) -> Result<Option<Link>> {
    Ok(Some(program.attach()?))
}

/// A uprobe of one process, if `--pid` names one.
fn uprobe(program: &Program<'_>, args: &Args) -> Result<Option<Link>> {
    let target = program.extra().and_then(|e| e.split_once(':'));
    match (args.pid, target) {
        (_, None) => Ok(None),
        (None, _) => by_section(program),
        (Some(pid), Some((file, function))) => {
            let (function, offset) = match function.rsplit_once('+').map(|(f, o)| (f, o.parse())) {
                Some((function, Ok(offset))) => (function, offset),
                _ => (function, 0),
            };
            let is_return = program.sec_name().starts_with("uret");
            let opts = UprobeOpts { is_return, offset, pid: Some(pid), ..UprobeOpts::default() };
            Ok(Some(program.attach_uprobe(Path::new(file), function, opts)?))
        }
    }
}

/// By a link where the kernel has them, else as a filter.
fn tc(program: &Program<'_>, ifindex: u32) -> Result<Link> {
    let is_egress = program.expected_attach_type() == AttachType::TCX_EGRESS;
    let is_tcx = is_egress || program.expected_attach_type() == AttachType::TCX_INGRESS;
    if is_tcx {
        match program.attach_tcx(ifindex, Order::default()) {
            // What a kernel before 6.6 says; a filter needs no more than the program then.
            Err(e) if e.errno() == Errno::EINVAL => log::info!("tcx: {e}; attaching a filter instead"),
            result => return Ok(result?),
        }
    }
    let hook = if is_egress { TcHook::egress(ifindex) } else { TcHook::ingress(ifindex) };
    Ok(program.attach_tc(hook, TcOpts::default())?)
}

/// Index of the interface to attach to, if one was named.
fn interface(args: &Args, host: &Host) -> Result<Option<u32>> {
    let Some(name) = args.iface.as_deref().or_else(|| host.default_interface()) else { return Ok(None) };
    let index = host.kernel().fact(Fact::InterfaceIndex(name));
    let index = index.map_err(|_| anyhow::anyhow!("no network interface `{name}`"))?;
    let index = std::str::from_utf8(&index).ok().and_then(|t| t.trim().parse().ok());
    Ok(Some(index.with_context(|| format!("network interface `{name}` has no number"))?))
}

impl Attached {
    /// Whether nothing more will happen by itself: there were only iterators.
    pub(super) fn is_done(&self) -> bool {
        !self.has_hooks
    }

    /// Shows what iterators write.
    pub(super) fn read_iterators(mut self, sink: &Mutex<Sink>) -> Result<Self> {
        for (program, reader) in std::mem::take(&mut self.iterators) {
            for line in BufReader::new(reader).split(b'\n') {
                let line = line.with_context(|| format!("cannot read iterator `{program}`"))?;
                lock(sink).iterated(&program, &String::from_utf8_lossy(&line));
            }
        }
        Ok(self)
    }
}
