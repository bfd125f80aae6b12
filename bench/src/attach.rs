//! Attaching and detaching, by kind of link: CPU time of the thread, the kernel's part included. Waiting for grace periods is no
//! part of it. What the running kernel cannot is left out.
//!
//! Network interfaces are those of a namespace of the row's own.

use std::ffi::CString;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use libbpf_sys as c;
use oxbpf::link::{Link, Order, UprobeMultiOpts, XdpOpts};
use oxbpf::{Object, ObjectBuilder, Program};

use crate::{Row, Target, alternate};

const ROUNDS: usize = 60;
const LOOPBACK: u32 = 1;


/// A row: its name, what it does, object and program, and how each of the two attaches and detaches.
struct Kind {
    name: &'static str,
    what: &'static str,
    object: &'static str,
    program: &'static str,
    ours: fn(&Program<'_>) -> oxbpf::Result<Link>,
    /// A null pointer if it fails.
    theirs: unsafe fn(*mut c::bpf_program) -> *mut c::bpf_link,
}

const TRACING: &str = "../testdata/attach/sections.bpf.o";
const NETWORKS: &str = "../testdata/attach/net.bpf.o";

pub(crate) const ROWS: &[&str] = &[
    "attach_tracepoint",
    "attach_raw_tp",
    "attach_tp_btf",
    "attach_fentry",
    "attach_kprobe",
    "attach_kprobe_multi",
    "attach_uprobe",
    "attach_uprobes",
    "attach_iter",
    "attach_xdp",
    "attach_tcx",
    "attach_cgroup",
];

const KINDS: &[Kind] = &[
    by_section("attach_tracepoint", "attach and detach a tracepoint", "tracepoint"),
    by_section("attach_raw_tp", "attach and detach a raw tracepoint", "raw_tp"),
    by_section("attach_tp_btf", "attach and detach a typed tracepoint", "tp_btf"),
    by_section("attach_fentry", "attach and detach fentry", "fentry"),
    by_section("attach_kprobe", "attach and detach a kprobe", "kprobe"),
    Kind {
        name: "attach_kprobe_multi",
        what: "attach and detach kprobes on functions t*",
        object: TRACING,
        program: "kprobe_multi",
        ours: |p| p.attach_kprobe_multi("t*", Default::default()),
        // SAFETY: the program is loaded, and the pattern is a literal.
        theirs: |p| unsafe { c::bpf_program__attach_kprobe_multi_opts(p, c"t*".as_ptr(), std::ptr::null()) },
    },
    by_section("attach_uprobe", "attach and detach a uprobe of the C library", "uprobe"),
    Kind {
        name: "attach_uprobes",
        what: "attach and detach uprobes on functions str* of the C library",
        object: TRACING,
        program: "uprobe_multi",
        ours: |p| p.attach_uprobe_multi(Path::new("libc.so.6"), "str*", UprobeMultiOpts::default()),
        // SAFETY: the program is loaded, and the texts are literals.
        theirs: |p| unsafe {
            c::bpf_program__attach_uprobe_multi(p, -1, c"libc.so.6".as_ptr(), c"str*".as_ptr(), std::ptr::null())
        },
    },
    by_section("attach_iter", "attach and detach an iterator", "iter"),
    Kind {
        name: "attach_xdp",
        what: "attach and detach XDP by link",
        object: NETWORKS,
        program: "on_xdp",
        ours: |p| p.attach_xdp(LOOPBACK, XdpOpts::default()),
        // SAFETY: the program is loaded.
        theirs: |p| unsafe { c::bpf_program__attach_xdp(p, LOOPBACK as i32) },
    },
    Kind {
        name: "attach_tcx",
        what: "attach and detach tcx",
        object: NETWORKS,
        program: "on_tcx_ingress",
        ours: |p| p.attach_tcx(LOOPBACK, Order::default()),
        // SAFETY: the program is loaded.
        theirs: |p| unsafe { c::bpf_program__attach_tcx(p, LOOPBACK as i32, std::ptr::null()) },
    },
    Kind {
        name: "attach_cgroup",
        what: "attach and detach a control group's program, whose directory is opened too",
        object: NETWORKS,
        program: "on_cgroup_connect4",
        ours: |p| p.attach_cgroup(cgroups(), Order::default()),
        theirs: |p| {
            let Ok(group) = std::fs::File::open(cgroups()) else { return std::ptr::null_mut() };
            // SAFETY: the program is loaded; the descriptor is open through the call.
            unsafe { c::bpf_program__attach_cgroup(p, std::os::fd::AsRawFd::as_raw_fd(&group)) }
        },
    },
];

const fn by_section(name: &'static str, what: &'static str, program: &'static str) -> Kind {
    // SAFETY: the program is loaded.
    Kind { name, what, object: TRACING, program, ours: |p| p.attach(), theirs: |p| unsafe { c::bpf_program__attach(p) } }
}

/// Where control groups of version 2 are.
fn cgroups() -> &'static Path {
    let unified = Path::new("/sys/fs/cgroup/unified");
    if unified.exists() { unified } else { Path::new("/sys/fs/cgroup") }
}

fn path(object: &str) -> String {
    format!("{}/{object}", env!("CARGO_MANIFEST_DIR"))
}

fn load(kind: &Kind) -> oxbpf::Result<Object> {
    let mut open = ObjectBuilder::new().kernel(oxbpf_sys::kernel()).open_file(path(kind.object))?;
    let names: Vec<String> = open.spec().programs.iter().map(|p| p.code.name.clone()).collect();
    for name in names {
        open.program_mut(&name)?.set_autoload(name == kind.program);
    }
    open.load()
}

/// The same in libbpf; the object stays open.
fn load_c(kind: &Kind) -> Result<*mut c::bpf_program> {
    let (path, wanted) = (CString::new(path(kind.object))?, CString::new(kind.program)?);
    // SAFETY: the path is a text; no options.
    let object = unsafe { c::bpf_object__open_file(path.as_ptr(), std::ptr::null()) };
    ensure!(!object.is_null(), "libbpf does not open {}", kind.object);
    let mut program = std::ptr::null_mut();
    loop {
        // SAFETY: the object is open, and the program is null or one of it.
        program = unsafe { c::bpf_object__next_program(object, program) };
        if program.is_null() {
            break;
        }
        // SAFETY: the program is one of an open object, which is not loaded.
        unsafe {
            let name = std::ffi::CStr::from_ptr(c::bpf_program__name(program));
            c::bpf_program__set_autoload(program, name == wanted.as_c_str());
        }
    }
    // SAFETY: the object is open and not loaded.
    ensure!(unsafe { c::bpf_object__load(object) } == 0, "libbpf does not load {}", kind.program);
    // SAFETY: the object is open, the name a text.
    Ok(unsafe { c::bpf_object__find_program_by_name(object, wanted.as_ptr()) })
}

/// Microseconds of CPU time of this thread.
fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let now = || {
        let mut t = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: a live variable.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut t) };
        t.tv_sec as f64 * 1e6 + t.tv_nsec as f64 / 1e3
    };
    let start = now();
    work()?;
    Ok(now() - start)
}

fn row(kind: &Kind) -> Result<Option<Row>> {
    let object = match load(kind) {
        Ok(object) => object,
        Err(e) => {
            eprintln!("{}: left out: {e}", kind.name);
            return Ok(None);
        }
    };
    let program = object.program(kind.program)?;
    if let Err(e) = (kind.ours)(&program) {
        eprintln!("{}: left out: {e}", kind.name);
        return Ok(None);
    }
    let theirs = load_c(kind)?;
    let mut ours_once = || timed(|| Ok((kind.ours)(&program)?.detach()?));
    let mut theirs_once = || {
        timed(|| {
            // SAFETY: the program is loaded, and the link is destroyed once.
            unsafe {
                let link = (kind.theirs)(theirs);
                ensure!(!link.is_null(), "libbpf does not attach {}", kind.program);
                ensure!(c::bpf_link__destroy(link) == 0, "libbpf does not detach {}", kind.program);
            }
            Ok(())
        })
    };
    let figures = alternate(ROUNDS, &mut [("oxbpf", &mut ours_once), ("libbpf", &mut theirs_once)])?;
    let target = Target::Ratio("libbpf", 1.05);
    Ok(Some(Row { name: kind.name, what: kind.what, unit: "µs", figures, target }))
}

pub(crate) fn rows() -> Result<Vec<Row>> {
    // In a thread of its own, since the namespace is that thread's for good.
    let all = || {
        // SAFETY: a system call without pointers.
        ensure!(unsafe { libc::unshare(libc::CLONE_NEWNET) } == 0, "no network namespace: {}", std::io::Error::last_os_error());
        let rows: Result<Vec<_>> = KINDS.iter().map(row).collect();
        Ok(rows?.into_iter().flatten().collect())
    };
    std::thread::spawn(all).join().ok().context("a row panicked")?
}
