//! What attaching asks of a kernel, beside what C libbpf asks for the same: `testdata/attach/attach.c` says how the
//! goldens were made. The kernels are made up, a new one and one without perf units, links and cookies.

use std::path::Path;
use std::sync::{Arc, Mutex};

use oxbpf_kernel::{Anchor, Command, Handle, LinkFd, LinkKind, PerfRequest, Probes, Reply, Scripted, Target};

use super::*;
use crate::error::Result;
use crate::link::usdt::{self, SpecIds, UsdtMaps, UsdtOpts};
use crate::link::{
    IterOpts, IterTarget, KprobeMultiOpts, KprobeOpts, Link, Neighbour, NetfilterOpts, Order, PerfEventOpts,
    Position, ProbeMode, RawTracepointOpts, TraceOpts, TracepointOpts, UprobeMultiOpts, UprobeOpts,
    UprobeTarget, XdpOpts, kprobe, order, perf, tracepoint, tracing, uprobe, xdp,
};

const TARGET: &str = "../usdt/target";

type Lines = Arc<Mutex<Vec<String>>>;

fn list(name: &str, values: &[u64]) -> String {
    let values: Vec<String> = values.iter().map(|v| format!("{v:x}")).collect();
    if values.is_empty() { String::new() } else { format!(" {name}={}", values.join(",")) }
}

fn target(target: &Target<'_>) -> i64 {
    match target {
        Target::Object(handle) => handle.number().into(),
        Target::Ifindex(index) => i64::from(*index),
        Target::None => 0,
    }
}

/// A request as `attach.c` writes it.
fn line(cmd: &Command<'_>) -> Option<String> {
    match cmd {
        Command::LinkCreate(r) => {
            let kind = match &r.kind {
                LinkKind::PerfEvent { bpf_cookie } => format!(" cookie={bpf_cookie:x}"),
                LinkKind::KprobeMulti { flags, probes, cookies } => match probes {
                    Probes::Syms(s) => {
                        let cookies = list("cookies", cookies);
                        format!(" kind_flags={flags:x} cnt={} syms={}{cookies}", s.len(), s.join(","))
                    }
                    Probes::Addrs(a) => {
                        let cookies = list("cookies", cookies);
                        format!(" kind_flags={flags:x} cnt={}{}{cookies}", a.len(), list("addrs", a))
                    }
                },
                LinkKind::UprobeMulti { flags, path, offsets, ref_ctr_offsets, cookies, pid, .. } => format!(
                    " kind_flags={flags:x} cnt={} path={}{}{}{} pid={pid}",
                    offsets.len(),
                    path.display(),
                    list("offsets", offsets),
                    list("counters", ref_ctr_offsets),
                    list("cookies", cookies),
                ),
                LinkKind::Iter(info) => {
                    format!(" info={}", info.iter().map(|b| format!("{b:02x}")).collect::<String>())
                }
                LinkKind::Netfilter { pf, hooknum, priority, flags } => {
                    format!(" words={pf},{hooknum},{priority},{flags}")
                }
                LinkKind::Ordered { relative, expected_revision }
                    if r.attach_type != AttachType::LSM_CGROUP =>
                {
                    let relative = match relative {
                        Anchor::None => 0,
                        Anchor::Object(handle) => i64::from(handle.number()),
                        Anchor::Id(id) => i64::from(*id),
                    };
                    format!(" target={} relative={relative} revision={expected_revision}", target(&r.target))
                }
                LinkKind::Tracing { target_btf_id, cookie } => {
                    format!(" target={} btf_id={target_btf_id} cookie={cookie:x}", target(&r.target))
                }
                _ => format!(" target={} btf_id=0 cookie=0", target(&r.target)),
            };
            Some(format!("LINK_CREATE attach_type={} flags={:x}{kind}", r.attach_type.0, r.all_flags()))
        }
        Command::LinkUpdate(r) => {
            Some(format!("LINK_UPDATE flags={:x} old={}", r.flags, r.old.is_some() as u8))
        }
        Command::LinkDetach { .. } => Some("LINK_DETACH".into()),
        Command::RawTracepointOpen(r) => {
            Some(format!("RAW_TRACEPOINT_OPEN name={} cookie={:x}", r.name.unwrap_or_default(), r.cookie))
        }
        Command::MapUpdateElem(r) => {
            let key = r.key.first_chunk::<4>().map_or(0, |k| u32::from_ne_bytes(*k));
            Some(format!("MAP_UPDATE_ELEM key={key:x} flags={:x}", r.flags))
        }
        _ => None,
    }
}

fn perf_line(req: &PerfRequest<'_>) -> Option<String> {
    Some(match req {
        PerfRequest::Open { spec, pid, cpu, .. } => format!(
            "perf_event_open type={} config={:x} config1={} config2={:x} pid={pid} cpu={cpu}",
            spec.kind,
            spec.config,
            spec.target.unwrap_or_default(),
            spec.config2
        ),
        PerfRequest::SetBpf { .. } => "SET_BPF".into(),
        PerfRequest::Enable(_) => "ENABLE".into(),
        PerfRequest::Disable(_) => "DISABLE".into(),
        PerfRequest::QueryBpf { .. } | PerfRequest::Pause { .. } => return None,
    })
}

/// The kernel of `attach.c`.
fn made_up(is_new: bool, lines: &Lines) -> Kernel {
    let refused = move |cmd: &Command<'_>| match cmd {
        Command::ProgLoad(r) if !is_new => {
            r.insns.iter().any(|i| i.imm == HelperId::GET_ATTACH_COOKIE.0 as i32).then_some(Errno::EINVAL)
        }
        Command::LinkCreate(_) if !is_new => Some(Errno::EINVAL),
        // Probes of features ask for what can't be.
        Command::LinkCreate(r) => match (&r.target, &r.kind) {
            (Target::Object(target), _) if target.number() < 0 => Some(Errno::EBADF),
            (_, LinkKind::UprobeMulti { path, pid, .. }) if *path == Path::new("/") => {
                Some(if *pid == 0 { Errno::EBADF } else { Errno::EINVAL })
            }
            _ => None,
        },
        _ => None,
    };
    let (commands, perf, events) = (lines.clone(), lines.clone(), lines.clone());
    let scripted = Scripted::new()
        .on(move |cmd| {
            if let Some(e) = refused(cmd) {
                return Some(Err(e));
            }
            commands.lock().expect("one thread").extend(line(cmd));
            // Records are only written, into maps that are none.
            matches!(cmd, Command::MapUpdateElem(_) | Command::MapDeleteElem(_)).then_some(Ok(Reply::Done))
        })
        .on_perf(move |req| {
            perf.lock().expect("one thread").extend(perf_line(req));
            None
        })
        .on_define_event(move |_, text| {
            let (start, rest) = text.split_once('/').expect("a group");
            let end = rest.split_once(' ').map_or(String::new(), |(_, place)| format!(" {place}"));
            events.lock().expect("one thread").push(format!("define {start}/NAME{end}"));
            Ok(())
        })
        .on_fact(move |fact| {
            let text = match fact {
                Fact::TracepointId { category: "syscalls", name: "sys_enter_openat" } => "600",
                Fact::TracepointId {
                    category: "kprobes" | "kretprobes" | "uprobes" | "uretprobes", ..
                } => "1500",
                Fact::AvailableFunctionAddrs => "1000 f_one\n2000 f_two\n3000 other",
                Fact::PmuType("kprobe") if is_new => "8",
                Fact::PmuType("uprobe") if is_new => "9",
                Fact::PmuRetprobeBit(_) if is_new => "0",
                Fact::PmuFormat { unit: "uprobe", field: "ref_ctr_offset" } if is_new => "config:32-63",
                _ => return None,
            };
            Some(Ok(text.as_bytes().to_vec().into()))
        })
        .file(TARGET, std::fs::read(testkit::testdata("usdt/target")).expect("the fixture"));
    Kernel::new(scripted)
}

/// Runs what `attach.c` runs, in the same order, and gives the lines.
fn ours(is_new: bool) -> Vec<String> {
    let lines = Lines::default();
    let kernel = made_up(is_new, &lines);
    let features = Features::of(&kernel);
    let prog = kernel.prog_load(ProgLoad::default()).0.expect("loads");
    let attach = |prog_type, attach_type| Attach {
        kernel: &kernel,
        features: &features,
        prog: &prog,
        prog_type,
        attach_type,
    };
    let mut all = Vec::new();
    let mut show = |title: &str, attached: Result<Link>| {
        match attached {
            Ok(link) => link.detach().expect("detaches"),
            Err(e) => lines.lock().expect("one thread").push(format!("error {}", e.errno().0)),
        }
        all.push(format!("# {title}"));
        all.append(&mut lines.lock().expect("one thread"));
    };

    let a = attach(ProgType::KPROBE, AttachType(0));
    let k = KprobeOpts::default();
    show("kprobe", kprobe::attach(&a, "f", k));
    show("kprobe offset", kprobe::attach(&a, "f", KprobeOpts { offset: 16, ..k }));
    show("kretprobe", kprobe::attach(&a, "f", KprobeOpts { is_return: true, ..k }));
    show("kprobe cookie", kprobe::attach(&a, "f", KprobeOpts { cookie: 7, ..k }));
    show("kprobe perf", kprobe::attach(&a, "f", KprobeOpts { mode: ProbeMode::Perf, ..k }));
    show("kprobe link", kprobe::attach(&a, "f", KprobeOpts { mode: ProbeMode::Link, ..k }));
    let legacy = KprobeOpts { mode: ProbeMode::Legacy, offset: 4, ..k };
    show("kprobe legacy", kprobe::attach(&a, "f", legacy));
    let file = Path::new(TARGET);
    let (at, u) = (UprobeTarget::FileOffset(0x1a9), UprobeOpts::default());
    show("uprobe", uprobe::attach(&a, file, at, u));
    show("uprobe process", uprobe::attach(&a, file, at, UprobeOpts { pid: Some(4242), ..u }));
    let function = UprobeTarget::Function("_start");
    show("uprobe function", uprobe::attach(&a, file, function, UprobeOpts { offset: 4, ..u }));
    show("uretprobe", uprobe::attach(&a, file, at, UprobeOpts { is_return: true, ..u }));
    show("uprobe counter", uprobe::attach(&a, file, at, UprobeOpts { ref_ctr_offset: 0x1e0, ..u }));
    show("uprobe legacy", uprobe::attach(&a, file, at, UprobeOpts { mode: ProbeMode::Legacy, ..u }));

    let (a, km) = (attach(ProgType::KPROBE, AttachType::TRACE_KPROBE_MULTI), KprobeMultiOpts::default());
    let at_return = KprobeMultiOpts { is_return: true, ..km };
    let with_cookies = KprobeMultiOpts { cookies: &[7, 9], ..km };
    show("kprobe.multi pattern", kprobe::attach_multi(&a, "f_*", km));
    show("kretprobe.multi pattern", kprobe::attach_multi(&a, "f_?wo", at_return));
    show("kprobe.multi names", kprobe::attach_multi_at(&a, Probes::Syms(&["f", "g"]), with_cookies));
    let addresses = Probes::Addrs(&[0x1000, 0x2000]);
    show("kprobe.multi addresses", kprobe::attach_multi_at(&a, addresses, with_cookies));
    let a = attach(ProgType::KPROBE, AttachType::TRACE_KPROBE_SESSION);
    show("kprobe.session", kprobe::attach_multi(&a, "f_*", KprobeMultiOpts { is_session: true, ..km }));

    let (a, um) = (attach(ProgType::KPROBE, AttachType::TRACE_UPROBE_MULTI), UprobeMultiOpts::default());
    show("uprobe.multi pattern", uprobe::attach_multi(&a, file, "_sta*", um));
    let offsets = [UprobeTarget::FileOffset(0x1a9), UprobeTarget::FileOffset(0x1bc)];
    let opts = UprobeMultiOpts { pid: Some(4242), ref_ctr_offsets: &[0x1e0, 0], cookies: &[7, 9], ..um };
    show("uprobe.multi offsets", uprobe::attach_multi_at(&a, file, &offsets, opts));
    let at_return = UprobeMultiOpts { is_return: true, ..um };
    show("uretprobe.multi", uprobe::attach_multi(&a, file, "_start", at_return));
    let a = attach(ProgType::KPROBE, AttachType::TRACE_UPROBE_SESSION);
    let session = UprobeMultiOpts { is_session: true, ..um };
    show("uprobe.session", uprobe::attach_multi(&a, file, "_start", session));

    let a = attach(ProgType::TRACEPOINT, AttachType(0));
    let (category, name) = ("syscalls", "sys_enter_openat");
    show("tracepoint", tracepoint::attach(&a, category, name, TracepointOpts::default()));
    show("tracepoint cookie", tracepoint::attach(&a, category, name, TracepointOpts { cookie: 7 }));
    show("tracepoint missing", tracepoint::attach(&a, category, "none", TracepointOpts::default()));
    let a = attach(ProgType::RAW_TRACEPOINT, AttachType(0));
    show("raw_tp", tracepoint::attach_raw(&a, "sys_enter", RawTracepointOpts::default()));
    show("raw_tp cookie", tracepoint::attach_raw(&a, "sys_enter", RawTracepointOpts { cookie: 7 }));
    let (a, p) = (attach(ProgType::PERF_EVENT, AttachType(0)), PerfEventOpts::default());
    let event = || Handle::from_object(1000, ());
    show("perf_event", perf::attach(&a, event(), p));
    show("perf_event ioctl", perf::attach(&a, event(), PerfEventOpts { force_ioctl_attach: true, ..p }));
    let disabled = PerfEventOpts { dont_enable: true, cookie: 7, ..p };
    show("perf_event disabled", perf::attach(&a, event(), disabled));

    for (title, prog_type, attach_type) in [
        ("tp_btf", ProgType::TRACING, AttachType::TRACE_RAW_TP),
        ("fentry", ProgType::TRACING, AttachType::TRACE_FENTRY),
        ("fexit", ProgType::TRACING, AttachType::TRACE_FEXIT),
        ("fmod_ret", ProgType::TRACING, AttachType::MODIFY_RETURN),
        ("lsm", ProgType::LSM, AttachType::LSM_MAC),
        ("freplace", ProgType::EXT, AttachType(0)),
    ] {
        let a = attach(prog_type, attach_type);
        show(title, tracing::attach(&a, TraceOpts::default()));
        if prog_type == ProgType::TRACING {
            show(&format!("{title} cookie"), tracing::attach(&a, TraceOpts { cookie: 7 }));
        }
    }
    let object = || Handle::from_object(500, ());
    let (cgroup, map, target_prog, link) = (object(), MapFd(object()), ProgFd(object()), LinkFd(object()));
    let a = attach(ProgType::EXT, AttachType(0));
    show("freplace function", tracing::attach_freplace(&a, Some((&target_prog, TypeId(2)))));
    let a = attach(ProgType::TRACING, AttachType::TRACE_ITER);
    for (title, target) in [
        ("iter", IterTarget::All),
        ("iter map", IterTarget::Map(&map)),
        ("iter process", IterTarget::Process(4242)),
        ("iter cgroup", IterTarget::Cgroup { cgroup: &cgroup, order: 2 }),
    ] {
        show(title, tracing::attach_iter(&a, IterOpts { target }));
    }
    let opts = NetfilterOpts { pf: 2, hooknum: 1, priority: 10, defragment: true };
    let a = attach(ProgType::NETFILTER, AttachType::NETFILTER);
    show("netfilter", tracing::attach_netfilter(&a, opts));
    let at = |position, expected_revision| Order { position, expected_revision };
    let a = attach(ProgType::CGROUP_SKB, AttachType::CGROUP_INET_EGRESS);
    show("cgroup", order::attach_cgroup(&a, &cgroup, Order::default()));
    let before = at(Position::Before(Neighbour::ProgId(8)), 2);
    show("cgroup before", order::attach_cgroup(&a, &cgroup, before));
    let updated = order::attach_cgroup(&a, &cgroup, Order::default()).and_then(|link| {
        link.update_program(&prog, None)?;
        link.force_detach()?;
        Ok(link)
    });
    show("cgroup update", updated);
    let a = attach(ProgType::LSM, AttachType::LSM_CGROUP);
    show("lsm_cgroup", order::attach_cgroup(&a, &cgroup, Order::default()));
    show("netns", order::attach_netns(&attach(ProgType::SK_LOOKUP, AttachType::SK_LOOKUP), &cgroup));
    show("sockmap", order::attach_sockmap(&attach(ProgType::SK_MSG, AttachType::SK_MSG_VERDICT), &map));
    show("xdp", xdp::attach(&attach(ProgType::XDP, AttachType::XDP), 9, XdpOpts::default()));
    let a = attach(ProgType::SCHED_CLS, AttachType::TCX_INGRESS);
    show("tcx", order::attach_device(&a, "attach_tcx", &order::TCX, 9, Order::default()));
    let after = at(Position::After(Neighbour::Link(&link)), 2);
    show("tcx after", order::attach_device(&a, "attach_tcx", &order::TCX, 9, after));
    let a = attach(ProgType::SCHED_CLS, AttachType::NETKIT_PRIMARY);
    let first = at(Position::First, 0);
    show("netkit first", order::attach_device(&a, "attach_netkit", &order::NETKIT, 9, first));

    let multi = if is_new { AttachType::TRACE_UPROBE_MULTI } else { AttachType(0) };
    let a = attach(ProgType::KPROBE, multi);
    let (ids, map) = (Arc::<SpecIds>::default(), MapFd(event()));
    let maps = UsdtMaps { specs: &map, value_size: 304, max_entries: 256, by_address: &map, ids: &ids };
    let s = UsdtOpts { cookie: 7, ..UsdtOpts::default() };
    show("usdt places", usdt::attach(&a, maps, file, ("oxbpf", "places"), s));
    let one_process = UsdtOpts { pid: Some(4242), ..s };
    show("usdt counter", usdt::attach(&a, maps, file, ("oxbpf", "counted"), one_process));
    show("usdt missing", usdt::attach(&a, maps, file, ("oxbpf", "none such"), s));
    show("usdt float", usdt::attach(&a, maps, file, ("oxbpf", "float"), s));
    all
}

/// The requests under each title.
fn by_title(lines: &[String]) -> Vec<(&str, Vec<&str>)> {
    let mut found: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in lines {
        match (line.strip_prefix("# "), found.last_mut()) {
            (Some(title), _) => found.push((title, Vec::new())),
            (None, Some((_, requests))) => requests.push(line),
            (None, None) => panic!("{line}: no title"),
        }
    }
    found
}

/// Where we differ from libbpf, and why.
const DIFFERENCES: &[(bool, &str, &str)] = &[
    (false, "uprobe counter", "what a kernel lacks is EOPNOTSUPP, not EINVAL"),
    (false, "tp_btf cookie", "what a kernel lacks is EOPNOTSUPP, not EINVAL"),
    (false, "fentry cookie", "as with tp_btf"),
    (false, "fexit cookie", "as with tp_btf"),
    (false, "fmod_ret cookie", "as with tp_btf"),
    (false, "sockmap", "kernels without links of maps have attachments to them"),
    (false, "xdp", "kernels without links of interfaces have netlink"),
    (false, "usdt places", "all records are there before the first probe is, not each before its own"),
];

#[track_caller]
fn check(is_new: bool, golden: &str) {
    let golden = std::fs::read_to_string(testkit::testdata(golden)).expect("the golden");
    let golden: Vec<String> = golden.lines().map(str::to_owned).collect();
    let ours = ours(is_new);
    let (ours, golden) = (by_title(&ours), by_title(&golden));
    assert_eq!(ours.len(), golden.len());
    let mut wrong = String::new();
    for ((title, ours), (golden_title, libbpf)) in ours.iter().zip(&golden) {
        assert_eq!(title, golden_title);
        let reason = DIFFERENCES.iter().find(|d| d.0 == is_new && d.1 == *title);
        if (ours != libbpf) != reason.is_some() {
            wrong += &format!("{title}: {ours:#?}\nlibbpf: {libbpf:#?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn requests_to_a_new_kernel_are_those_of_libbpf() {
    check(true, "attach/new.libbpf.txt");
}

#[test]
fn requests_to_an_old_kernel_are_those_of_libbpf() {
    check(false, "attach/old.libbpf.txt");
}
