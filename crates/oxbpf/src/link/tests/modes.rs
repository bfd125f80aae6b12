//! Ways to put probes in place: tracefs, addresses, BTF ids; and that a failure on the way leaves nothing behind.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, Ordering};

use oxbpf_kernel::{Command, Handle, PerfRequest, Reply, Scripted};

use super::*;
use crate::error::ErrorKind;
use crate::kallsyms::Kallsyms;
use crate::link::usdt::{self, SpecIds, UsdtMaps, UsdtOpts};
use crate::link::{
    KprobeOpts, Link, ProbeMode, TracingMultiOpts, TracingMultiTarget, UprobeOpts, UprobeTarget, kprobe,
    tracing_multi, uprobe,
};

const KPROBE: LoadAs =
    LoadAs { prog_type: ProgType::KPROBE, attach_type: AttachType(0), attach_btf_id: 0, flags: 0 };

/// Lines of a list of dynamic events that this process defined.
fn defined(list: &str) -> usize {
    let Some(tracefs) = testkit::tracefs() else { return 0 };
    let text = std::fs::read_to_string(tracefs.join(list)).unwrap_or_default();
    text.lines().filter(|line| line.contains(&format!("/oxbpf_{}_", std::process::id()))).count()
}

#[track_caller]
fn check_runs(probe: &Probe, link: Link, trigger: impl Fn()) {
    let before = probe.count();
    trigger();
    assert!(probe.count() > before, "the program did not run: {link:?}");
    link.detach().expect("detaches");
    let after = probe.count();
    trigger();
    assert_eq!(probe.count(), after, "the program still runs");
}

#[test]
fn probes_by_tracefs_run_the_program_and_leave_no_definition() {
    let Some(kernel) = kernel() else { return };
    let probe = Probe::of_this_thread(&kernel, KPROBE).expect("loads");
    let open_a_file = || drop(std::fs::read("/proc/self/comm"));
    for is_return in [false, true] {
        let opts = KprobeOpts { mode: ProbeMode::Legacy, is_return, ..KprobeOpts::default() };
        match kprobe::attach(&probe.attach(), "do_sys_openat2", opts) {
            Ok(link) => {
                assert!(link.fd().is_none() && defined("kprobe_events") >= 1);
                check_runs(&probe, link, open_a_file);
            }
            Err(e) if matches!(e.kind(), ErrorKind::Unsupported { .. }) => skip(&format!("{e}")),
            Err(e) => panic!("{e:#}"),
        }
        let opts = UprobeOpts { mode: ProbeMode::Legacy, is_return, ..UprobeOpts::default() };
        let libc = Path::new("libc.so.6");
        match uprobe::attach(&probe.attach(), libc, UprobeTarget::Function("getppid"), opts) {
            Ok(link) => {
                assert!(link.fd().is_none() && defined("uprobe_events") >= 1);
                check_runs(&probe, link, call_getppid);
            }
            Err(e) if matches!(e.kind(), ErrorKind::Unsupported { .. }) => skip(&format!("{e}")),
            Err(e) => panic!("{e:#}"),
        }
    }
    assert_eq!((defined("kprobe_events"), defined("uprobe_events")), (0, 0));
}

#[test]
fn kprobe_goes_to_an_address() {
    let Some(kernel) = kernel() else { return };
    let symbols = Kallsyms::read(&kernel).expect("symbols");
    let Some(address) = symbols.find("do_sys_openat2").map(|s| s.address).filter(|a| *a != 0) else {
        return skip("the kernel hides addresses");
    };
    let probe = Probe::of_this_thread(&kernel, KPROBE).expect("loads");
    match kprobe::attach(&probe.attach(), address, KprobeOpts::default()) {
        Ok(link) => check_runs(&probe, link, || drop(std::fs::read("/proc/self/comm"))),
        Err(e) if matches!(e.kind(), ErrorKind::Unsupported { .. }) => skip(&format!("{e}")),
        Err(e) => panic!("{e:#}"),
    }
}

#[test]
fn tracing_multi_goes_to_btf_ids_with_cookies() {
    let Some(kernel) = kernel() else { return };
    let Some(id) = vmlinux_id(&kernel, "do_sys_openat2", BtfKind::FUNC) else {
        return skip("no such function");
    };
    let load_as = LoadAs {
        prog_type: ProgType::TRACING,
        attach_type: AttachType::TRACE_FENTRY_MULTI,
        ..LoadAs::default()
    };
    let Ok(probe) = Probe::of_this_thread(&kernel, load_as) else {
        return skip("no tracing multi links (Linux 7.2)");
    };
    let one = [id];
    let ids = TracingMultiTarget::Ids(&one);
    let opts = TracingMultiOpts { cookies: &[7] };
    let link = tracing_multi::attach(&probe.attach(), false, ids, opts).expect("attaches");
    check_runs(&probe, link, || drop(std::fs::read("/proc/self/comm")));
    let pattern = TracingMultiTarget::Pattern("no_such_func*");
    let missing = tracing_multi::attach(&probe.attach(), false, pattern, TracingMultiOpts::default());
    assert_eq!(missing.map_err(|e| e.kind()).err(), Some(ErrorKind::NotFound));
    let module = TracingMultiTarget::Pattern("no_such_module:f*");
    let missing = tracing_multi::attach(&probe.attach(), false, module, TracingMultiOpts::default());
    assert_eq!(missing.map_err(|e| e.kind()).err(), Some(ErrorKind::NotFound));
}

/// A kernel that counts its objects and definitions, and fails the request with number `fail`.
fn counting(fail: u32, is_new: bool, live: &Arc<AtomicI32>, asked: &Arc<AtomicU32>) -> Kernel {
    struct Counted(Arc<AtomicI32>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
    fn object(live: &Arc<AtomicI32>) -> Reply {
        live.fetch_add(1, Ordering::Relaxed);
        Reply::Handle(Handle::from_object(900, Counted(live.clone())))
    }
    let fails = move |asked: &AtomicU32| asked.fetch_add(1, Ordering::Relaxed) + 1 == fail;
    let (a, b, c) = (asked.clone(), asked.clone(), asked.clone());
    let (x, y, z) = (live.clone(), live.clone(), live.clone());
    let scripted = Scripted::new()
        .on(move |cmd| match cmd {
            Command::ProgLoad(r) if !is_new => {
                let has_cookie = r.insns.iter().any(|i| i.imm == HelperId::GET_ATTACH_COOKIE.0 as i32);
                has_cookie.then_some(Err(Errno::EINVAL))
            }
            Command::LinkCreate(r) => match r.target {
                oxbpf_kernel::Target::Object(target) if target.number() < 0 => {
                    Some(Err(if is_new { Errno::EBADF } else { Errno::EINVAL }))
                }
                _ if fails(&a) => Some(Err(Errno::ENOSPC)),
                _ => Some(Ok(object(&x))),
            },
            Command::MapUpdateElem(_) => Some(if fails(&a) { Err(Errno::EAGAIN) } else { Ok(Reply::Done) }),
            Command::MapDeleteElem(_) => Some(Ok(Reply::Done)),
            _ => None,
        })
        .on_perf(move |req| match req {
            PerfRequest::Disable(_) => None,
            _ if fails(&b) => Some(Err(Errno::EMFILE)),
            PerfRequest::Open { .. } => Some(Ok(object(&y))),
            _ => None,
        })
        .on_define_event(move |_, line| {
            if line.starts_with('-') {
                z.fetch_sub(1, Ordering::Relaxed);
                return Ok(());
            }
            if fails(&c) {
                return Err(Errno::EINTR);
            }
            z.fetch_add(1, Ordering::Relaxed);
            Ok(())
        })
        .on_fact(move |fact| {
            let text = match fact {
                Fact::TracepointId { category, .. } if category.ends_with("probes") => "1500",
                Fact::PmuType(_) if is_new => "8",
                Fact::PmuRetprobeBit(_) if is_new => "0",
                _ => return None,
            };
            Some(Ok(text.as_bytes().to_vec().into()))
        })
        .file("/target", std::fs::read(testkit::testdata("usdt/target")).expect("the fixture"));
    Kernel::new(scripted)
}

#[test]
fn a_failure_at_any_request_leaves_nothing_attached_or_defined() {
    type Attaching = fn(&Attach<'_>, UsdtMaps<'_>) -> crate::Result<Link>;
    let kinds: [(&str, Attaching); 3] = [
        ("kprobe `f`: ", |a, _| kprobe::attach(a, "f", KprobeOpts::default())),
        ("uprobe `/target:0x160`: ", |a, _| {
            uprobe::attach(a, Path::new("/target"), UprobeTarget::FileOffset(0x160), UprobeOpts::default())
        }),
        ("probe `/target:oxbpf:places`: ", |a, maps| {
            usdt::attach(a, maps, Path::new("/target"), ("oxbpf", "places"), UsdtOpts::default())
        }),
    ];
    for (name, attach) in kinds {
        for is_new in [false, true] {
            let (mut fail, mut failed) = (1, 0);
            loop {
                let (live, asked) = (Arc::new(AtomicI32::new(0)), Arc::new(AtomicU32::new(0)));
                let kernel = counting(fail, is_new, &live, &asked);
                let features = Features::of(&kernel);
                let prog = kernel.prog_load(ProgLoad::default()).0.expect("loads");
                let (prog_type, attach_type) = (ProgType::KPROBE, AttachType(0));
                let a = Attach { kernel: &kernel, features: &features, prog: &prog, prog_type, attach_type };
                let (ids, map) = (Arc::<SpecIds>::default(), MapFd(Handle::from_object(901, ())));
                let maps =
                    UsdtMaps { specs: &map, value_size: 304, max_entries: 2, by_address: &map, ids: &ids };
                let result = attach(&a, maps);
                let is_ok = result.is_ok();
                if let Err(e) = &result {
                    assert!(
                        e.errno() != Errno(0) && e.to_string().contains(name.trim_end_matches("dt")),
                        "{e}"
                    );
                    failed += 1;
                }
                drop(result);
                assert_eq!(live.load(Ordering::Relaxed), 0, "{name}, new {is_new}, request {fail} failed");
                // Every id is free again: there are two, and another attachment takes both.
                if name.starts_with("probe") && !is_ok {
                    assert!(attach(&a, maps).is_ok(), "{name}, new {is_new}, request {fail} failed");
                }
                if is_ok {
                    break;
                }
                fail += 1;
            }
            assert!(failed >= 3, "{name}: {failed} requests");
        }
    }
}
