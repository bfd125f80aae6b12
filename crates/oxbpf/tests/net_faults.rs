//! Attachments to networks and control groups of which one request fails: each in turn, for several reasons. Whatever fails, the
//! error says what of, nothing stays attached and no descriptor stays open.
//!
//! Needs root, unshare(1) and ip(8). The kernel is the running one; requests are refused before they reach it.

#![cfg(all(feature = "linux", target_os = "linux"))]

mod through;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use oxbpf::link::{
    AttachOpts, AttachPoint, Link, NetfilterOpts, Order, Route, TcHook, TcOpts, XdpOpts, query_progs,
    query_xdp,
};
use oxbpf::{Kernel, Object, ObjectBuilder, Program, Result};
use oxbpf_kernel::{MapCreate, MapFd};
use oxbpf_uapi::flags::QueryFlags;
use oxbpf_uapi::{AttachType, Errno, MapType};
use through::Through;

const LOOPBACK: u32 = 1;

/// What an attachment is made to.
struct Place {
    cgroup: PathBuf,
    sockets: MapFd,
}

type Attach = fn(&Program<'_>, &Place) -> Result<Link>;

/// Programs, what they are attached by, and what each error names.
const KINDS: &[(&str, &str, Attach)] = &[
    ("on_xdp", "interface `lo`", |p, _| p.attach_xdp(LOOPBACK, XdpOpts::default())),
    ("on_xdp", "interface `lo`", |p, _| {
        p.attach_xdp(LOOPBACK, XdpOpts { netlink: true, ..XdpOpts::default() })
    }),
    ("on_tc", "interface `lo`", |p, _| p.attach_tc(TcHook::ingress(LOOPBACK), TcOpts::default())),
    ("on_action", "interface `lo`", |p, _| p.attach_tc(TcHook::egress(LOOPBACK), TcOpts::default())),
    ("on_tcx_ingress", "interface `lo`", |p, _| p.attach_tcx(LOOPBACK, Order::default())),
    ("on_tcx_ingress", "interface `lo`", |p, _| {
        p.attach_without_link(AttachPoint::Interface(LOOPBACK), AttachOpts::default())
    }),
    ("on_lwt_in", "route to 10.8.0.1/32", |p, _| {
        p.attach_route(Route {
            destination: "10.8.0.1".parse().unwrap(),
            prefix_len: 32,
            gateway: None,
            ifindex: LOOPBACK,
            table: 0,
            headroom: 0,
            replace: false,
        })
    }),
    ("on_sk_lookup", "/proc/self/ns/net", |p, _| p.attach_netns("/proc/self/ns/net")),
    ("on_flow_dissector", "", |p, _| p.attach_without_link(AttachPoint::CurrentNetns, AttachOpts::default())),
    ("on_netfilter", "", |p, _| {
        p.attach_netfilter(NetfilterOpts { pf: 2, hooknum: 1, priority: -128, defragment: false })
    }),
    ("on_sk_msg", "", |p, place| p.attach_sockmap(&place.sockets)),
    ("on_cgroup_connect4", "oxbpf-faults", |p, place| p.attach_cgroup(&place.cgroup, Order::default())),
    ("on_cgroup_connect4", "oxbpf-faults", |p, place| {
        p.attach_without_link(AttachPoint::Cgroup(&place.cgroup), AttachOpts::default())
    }),
];

/// What is attached to the places of this process, as text.
fn attached(kernel: &Kernel, place: &Place) -> String {
    // Filters of a place without a qdisc are an error.
    let filters = [TcHook::ingress(LOOPBACK), TcHook::egress(LOOPBACK)].map(|hook| hook.filters(kernel));
    let filters = filters.map(|f| f.map_err(|e| e.errno()));
    let routes = std::fs::read_to_string("/proc/net/route").unwrap();
    let mut text = format!("{:?} {filters:?} {routes}", query_xdp(kernel, LOOPBACK));
    for (point, attach_type) in [
        (AttachPoint::Interface(LOOPBACK), AttachType::TCX_INGRESS),
        (AttachPoint::CurrentNetns, AttachType::SK_LOOKUP),
        (AttachPoint::CurrentNetns, AttachType::FLOW_DISSECTOR),
        (AttachPoint::Cgroup(&place.cgroup), AttachType::CGROUP_INET4_CONNECT),
        (AttachPoint::Map(&place.sockets), AttachType::SK_MSG_VERDICT),
    ] {
        // The revision of a list counts what has been.
        let found = query_progs(kernel, point, attach_type, QueryFlags::empty());
        text += &format!("{attach_type}: {:?}\n", found.map(|f| f.progs).map_err(|e| e.errno()));
    }
    text
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Loads one program over a back end of which the request fails that `failing` counts down to.
fn load(kernel: &Kernel, name: &str) -> Result<Object> {
    let object = testkit::testdata("attach/net.bpf.o");
    let mut open = ObjectBuilder::new().kernel(kernel.clone()).open_file(object)?;
    let all: Vec<String> = open.spec().programs.iter().map(|p| p.code.name.clone()).collect();
    for other in all {
        open.program_mut(&other)?.set_autoload(other == name);
    }
    open.load()
}

/// Attaches with one request after the other refused, until none is left that could be. Gives how many were.
fn refuse_each(name: &str, named: &str, attach: Attach, errno: Errno, place: &Place) -> Option<u32> {
    let plain = oxbpf_sys::kernel();
    // 0 refuses none.
    let countdown = Arc::new(AtomicU32::new(0));
    let counter = countdown.clone();
    let before = move || {
        let left = counter.load(Ordering::Relaxed);
        counter.store(left.saturating_sub(1), Ordering::Relaxed);
        (left == 1).then_some(errno)
    };
    let kernel = Kernel::new(Through { before: Box::new(before), ..Through::default() });
    let object = match load(&kernel, name) {
        Ok(object) => object,
        Err(e) => {
            testkit::skip_this(format_args!("{name}: {e}"));
            return None;
        }
    };
    let program = object.program(name).unwrap();
    // What is found out once stays open.
    match attach(&program, place) {
        Ok(link) => link.detach().unwrap(),
        Err(e) => {
            testkit::skip_this(format_args!("{name}: {e}"));
            return None;
        }
    }
    let (was_attached, was_open) = (attached(&plain, place), open_descriptors());
    for request in 1.. {
        countdown.store(request, Ordering::Relaxed);
        let result = attach(&program, place);
        let is_past = countdown.swap(0, Ordering::Relaxed) > 0;
        let what = format!("{name}: request {request}: {errno}");
        match result {
            // What is only asked to say more in an error may be refused too.
            Err(e) => {
                let text = e.to_string();
                let start = format!("attach program `{name}` (SEC \"");
                assert!(text.starts_with(&start) && text.contains(named), "{what}: {text}");
                assert_eq!(e.errno(), errno, "{what}: {text}");
            }
            Ok(link) => link.detach().unwrap(),
        }
        assert_eq!(attached(&plain, place), was_attached, "{what}");
        assert_eq!(open_descriptors(), was_open, "{what}: descriptors stay open");
        if is_past {
            return Some(request - 1);
        }
    }
    None
}

#[test]
fn a_request_that_fails_leaves_nothing_attached_and_nothing_open() {
    let test = "a_request_that_fails_leaves_nothing_attached_and_nothing_open";
    if !testkit::require_bpf() {
        return;
    }
    let Some(cgroup) = std::env::var_os("OXBPF_TEST_CGROUP") else { return alone(test) };
    let _ = oxbpf_sys::raise_memlock();
    if !Command::new("ip").args(["link", "set", "lo", "up"]).status().is_ok_and(|s| s.success()) {
        return testkit::skip_this("no ip(8)");
    }
    let sockets = oxbpf_sys::kernel().map_create(MapCreate {
        map_type: MapType::SOCKMAP,
        key_size: 4,
        value_size: 4,
        max_entries: 2,
        ..MapCreate::default()
    });
    let place = Place { cgroup: cgroup.into(), sockets: sockets.unwrap() };
    let mut refused = 0;
    for (name, named, attach) in KINDS {
        for errno in [Errno::EPERM, Errno::EMFILE, Errno::EINTR] {
            let Some(requests) = refuse_each(name, named, *attach, errno, &place) else { continue };
            assert!(requests > 0, "{name}");
            refused += requests;
        }
    }
    assert!(refused >= 20, "{refused} requests");
}

/// Runs a test in a network namespace and with a control group of its own.
fn alone(test: &str) {
    let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let Some(root) = roots.iter().map(Path::new).find(|r| r.join("cgroup.procs").exists()) else {
        return testkit::skip_this("no control groups of version 2");
    };
    let cgroup = root.join(format!("oxbpf-faults-{}", std::process::id()));
    if let Err(e) = std::fs::create_dir(&cgroup) {
        return testkit::skip_this(format_args!("{}: {e}", cgroup.display()));
    }
    let output = Command::new("unshare")
        .args(["--net", "--"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env("OXBPF_TEST_CGROUP", &cgroup)
        .output();
    let _ = std::fs::remove_dir(&cgroup);
    let Ok(output) = output else { return testkit::skip_this("no unshare(1)") };
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if text.contains("unshare failed") {
        return testkit::skip_this("no network namespaces");
    }
    for line in text.lines().filter(|l| l.starts_with("SKIP ")) {
        // Around the test runner's capture.
        std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
