//! Loads and attachments of which the process is killed after each request in turn. Nothing stays behind but what was pinned, and
//! another run in the same place succeeds.
//!
//! Needs root. The process that is killed is this test again, over a back end that counts requests.

#![cfg(all(feature = "linux", target_arch = "x86_64"))]

mod through;

use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use oxbpf::link::{Link, Order, ProbeMode, UprobeOpts, UprobeTarget};
use oxbpf::{Kernel, Object, ObjectBuilder, Result};
use oxbpf_kernel::{GetInfo, InfoBuffers, ObjectKind};
use oxbpf_uapi::info::{MapInfo, ProgInfo};
use through::Through;
use zerocopy::IntoBytes;

/// The number of requests after which the process is killed.
const LIMIT: &str = "OXBPF_TEST_KILL_AFTER";
/// A directory of the process's own in the BPF file system.
const PINS: &str = "OXBPF_TEST_KILL_PINS";
/// What programs and maps are called, so that they can be told from those of other tests.
const NAME: &str = "OXBPF_TEST_KILL_NAME";

/// Linux, until a number of requests was carried out.
fn deadly(name: &'static str, limit: u32) -> Through {
    let left = AtomicU32::new(limit);
    let after = move || {
        if left.fetch_sub(1, Ordering::Relaxed) == 1 {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    };
    Through { rename: Some(name), after: Box::new(after), ..Through::default() }
}

/// What the process that is killed is told; `None` in the test itself.
fn to_be_killed() -> Option<(Kernel, PathBuf)> {
    let left = std::env::var(LIMIT).ok()?.parse().unwrap();
    let _ = oxbpf_sys::raise_memlock();
    let deadly = deadly(std::env::var(NAME).unwrap().leak(), left);
    Some((Kernel::new(deadly), std::env::var_os(PINS).unwrap().into()))
}

/// What there is of a kind that is called `name`, by id.
fn called(kernel: &Kernel, kind: ObjectKind, name: &str) -> usize {
    let mut count = 0;
    let mut id = 0;
    while let Some(next) = kernel.get_next_id(kind, id).unwrap() {
        id = next;
        let Ok(object) = kernel.get_fd_by_id(kind, id) else { continue };
        let (mut map, mut prog) = (MapInfo::default(), ProgInfo::default());
        let info = if kind == ObjectKind::Map { map.as_mut_bytes() } else { prog.as_mut_bytes() };
        let _ = kernel.get_info(GetInfo { object: &object, info, buffers: InfoBuffers::None });
        let bytes = if kind == ObjectKind::Map { map.name } else { prog.name };
        let text: Vec<u8> = bytes.iter().copied().take_while(|b| *b != 0).collect();
        count += usize::from(text == name.as_bytes());
    }
    count
}

/// Waits until there are as many as expected: the kernel frees some time after the last reference went.
#[track_caller]
fn expect_called(kernel: &Kernel, kind: ObjectKind, name: &str, expect: usize, what: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    while called(kernel, kind, name) != expect && Instant::now() < end {
        std::thread::yield_now();
    }
    assert_eq!(called(kernel, kind, name), expect, "{what}: {kind:?}");
}

fn pins(dir: &Path) -> Vec<String> {
    let names = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// Starts the test `name` again, to be killed after `limit` requests.
fn start(test: &str, name: &str, dir: &Path, limit: u32) -> Child {
    let mut process = Process::new(std::env::current_exe().unwrap());
    process.args(["--exact", test, "--nocapture"]).env(LIMIT, limit.to_string());
    process.env(PINS, dir).env(NAME, name).stdout(std::process::Stdio::null()).spawn().unwrap()
}

/// Kills a process at each of its requests, of which there are at least `least`. `check` looks at what is left each time.
fn kill_at_each_request(test: &str, least: u32, check: impl Fn(&str)) {
    if !testkit::require_bpf() {
        return;
    }
    let _ = oxbpf_sys::raise_memlock();
    let kernel = oxbpf_sys::kernel();
    let name = format!("x{}{}", std::process::id(), &test[..2]);
    for limit in 1.. {
        let Some(dir) = testkit::bpffs() else { return };
        let status = start(test, &name, dir.path(), limit).wait().unwrap();
        let what = format!("killed after request {limit}");
        let left = pins(dir.path());
        let (links, maps): (Vec<_>, Vec<_>) = left.iter().partition(|name| name.starts_with("link"));
        // A link keeps its program, and that its maps.
        expect_called(&kernel, ObjectKind::Prog, &name, links.len(), &what);
        if links.is_empty() {
            expect_called(&kernel, ObjectKind::Map, &name, maps.len(), &what);
        }
        check(&what);
        let again = start(test, &name, dir.path(), u32::MAX).wait().unwrap();
        assert!(again.success(), "{what}: another run fails");
        drop(dir);
        expect_called(&kernel, ObjectKind::Prog, &name, 0, "nothing is pinned");
        expect_called(&kernel, ObjectKind::Map, &name, 0, "nothing is pinned");
        if status.success() {
            assert!(limit > least, "there are {limit} requests");
            return;
        }
    }
}

/// An object with one program that is loaded.
fn load(kernel: &Kernel, path: &str, only: &str) -> Result<Object> {
    let mut open = ObjectBuilder::new().kernel(kernel.clone()).open_file(testkit::testdata(path))?;
    let names: Vec<String> = open.spec().programs.iter().map(|p| p.code.name.clone()).collect();
    for name in names {
        open.program_mut(&name)?.set_autoload(name == only);
    }
    open.load()
}

#[test]
fn pins_alone_outlive_a_killed_process() {
    let Some((kernel, dir)) = to_be_killed() else {
        return kill_at_each_request("pins_alone_outlive_a_killed_process", 12, |_| {});
    };
    let example = testkit::example("opensnoop.bpf.o");
    let mut open = ObjectBuilder::new().kernel(kernel.clone()).open_file(example).unwrap();
    let names: Vec<String> = open.maps().map(|(_, name)| name.to_owned()).collect();
    for name in names.iter().filter(|name| !name.contains('.')) {
        open.map_mut(name).unwrap().set_pin_path(Some(dir.join(format!("map-{name}"))));
    }
    let object = open.load().unwrap();
    for program in object.programs() {
        let path = dir.join(format!("link-{}", program.name()));
        let mut link = program.attach().unwrap();
        // Where there are no links nothing can be pinned; what is pinned already goes on.
        if link.fd().is_some() && !path.exists() {
            link.pin(&path).unwrap();
        }
    }
}

#[test]
fn control_groups_are_free_of_a_killed_process() {
    let test = "control_groups_are_free_of_a_killed_process";
    let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let Some(root) = roots.iter().map(Path::new).find(|r| r.join("cgroup.procs").exists()) else {
        return testkit::skip_this("no control groups of version 2");
    };
    let Some((kernel, _)) = to_be_killed() else {
        return kill_at_each_request(test, 3, |_| {});
    };
    let object = load(&kernel, "attach/net.bpf.o", "on_cgroup_connect4").unwrap();
    let program = object.program("on_cgroup_connect4").unwrap();
    let _link = program.attach_cgroup(root, Order::default()).unwrap();
}

/// Lines of the list of dynamic uprobes of processes that are gone.
fn orphans() -> usize {
    let Some(tracefs) = testkit::tracefs() else { return 0 };
    let text = std::fs::read_to_string(tracefs.join("uprobe_events")).unwrap_or_default();
    let owner = |line: &str| line.split_once("/oxbpf_")?.1.split('_').next()?.parse::<u32>().ok();
    text.lines().filter_map(owner).filter(|pid| !Path::new(&format!("/proc/{pid}")).exists()).count()
}

#[test]
fn definitions_of_a_killed_process_go_with_the_next_one() {
    let test = "definitions_of_a_killed_process_go_with_the_next_one";
    let Some((kernel, _)) = to_be_killed() else {
        kill_at_each_request(test, 5, |_| {});
        assert_eq!(orphans(), 0, "what a killed process had defined is still there");
        return;
    };
    let object = load(&kernel, "attach/sections.bpf.o", "uprobe").unwrap();
    let opts = UprobeOpts { mode: ProbeMode::Legacy, ..UprobeOpts::default() };
    let target = UprobeTarget::Function("getppid");
    let link: Result<Link> =
        object.program("uprobe").unwrap().attach_uprobe(Path::new("libc.so.6"), target, opts);
    if let Err(e) = link {
        assert!(matches!(e.kind(), oxbpf::ErrorKind::Unsupported { .. }), "{e:#}");
    }
}
