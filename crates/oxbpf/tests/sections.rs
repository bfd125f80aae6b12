//! Every section name of tracing that attaches by itself, on the running kernel: the program is loaded, attached as its section says,
//! its event is made, and the program has run.
//!
//! Needs root and x86-64. With `OXBPF_COVERAGE` set there is a line a section on standard error, `COVERAGE KERNEL SECTION pass` or
//! `… skip: REASON`: those of `cargo xtask vm` are kept in `testdata/attach/results.txt`, from which `tests/coverage.rs` makes
//! the table in `docs/coverage.md`.

#![cfg(all(feature = "linux", target_arch = "x86_64"))]

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use oxbpf::link::{IterOpts, Link, PerfEventBuilder, PerfEventOpts};
use oxbpf::{AttachKind, ErrorKind, Object, ObjectBuilder, OpenObject, Result};
use oxbpf_kernel::ProgFd;

const OBJECT: &str = "attach/sections.bpf.o";

/// The object with one program that is loaded. `usdt` is the path of a program with probes.
fn open(only: &str, usdt: &Path) -> OpenObject {
    let mut bytes = std::fs::read(testkit::testdata(OBJECT)).unwrap();
    let path = usdt.to_str().unwrap().as_bytes();
    let mark = [b'#'; 80];
    let mut from = 0;
    while let Some(at) = bytes[from..].windows(mark.len()).position(|w| w == mark) {
        let place = &mut bytes[from + at..from + at + mark.len()];
        place.fill(b'/');
        place[mark.len() - path.len()..].copy_from_slice(path);
        from += at + mark.len();
    }
    let mut open = ObjectBuilder::new().open_memory(bytes).unwrap();
    let names: Vec<String> = open.spec().programs.iter().map(|p| p.code.name.clone()).collect();
    for name in names {
        open.program_mut(&name).unwrap().set_autoload(name == only);
    }
    let thread = std::fs::read_link("/proc/thread-self").unwrap();
    let tid: i32 = thread.file_name().unwrap().to_str().unwrap().parse().unwrap();
    open.set_global("tid", &tid).unwrap();
    open
}

fn hits(object: &Object) -> u64 {
    u64::from_ne_bytes(object.global_bytes("hits").unwrap().try_into().unwrap())
}

/// What a kernel says that can't, as a reason to skip; other errors are failures of the test.
fn reason(error: &oxbpf::Error) -> Option<String> {
    let is_refusal = matches!(
        error.kind(),
        ErrorKind::Unsupported { .. }
            | ErrorKind::PermissionDenied
            | ErrorKind::Verifier
            | ErrorKind::NotFound
    ) || [22, 524, 95].contains(&error.errno().0);
    let hint = if error.hint().is_empty() { String::new() } else { format!(" ({})", error.hint()) };
    is_refusal.then(|| format!("{error}{hint}"))
}

/// Makes every event that a section of the object is about.
fn make_events(usdt: &Path, link: Option<&Link>, object: &Object) {
    drop(std::fs::read("/proc/self/comm"));
    std::hint::black_box(std::os::unix::process::parent_id());
    Command::new(usdt).status().unwrap();
    if let Some(iter) = link.and_then(|l| l.iter().ok()) {
        let mut iter = iter;
        iter.read_to_end(&mut Vec::new()).unwrap();
    }
    // The end of a test run has a tracepoint of its own.
    let insns = [oxbpf_uapi::Insn::new(0xb7, 0, 0, 0, 0), oxbpf_uapi::Insn::new(0x95, 0, 0, 0, 0)];
    let request = oxbpf_kernel::ProgLoad {
        prog_type: oxbpf_uapi::ProgType::SOCKET_FILTER,
        insns: &insns,
        license: "GPL",
        ..Default::default()
    };
    let prog: ProgFd = object.kernel().prog_load(request).0.unwrap();
    let mut run = oxbpf_kernel::ProgTestRun::new(&prog);
    run.data_in = &[0; 64];
    object.kernel().prog_test_run(run).unwrap();
}

/// Writes down what came of a section, around the test runner's capture.
fn note(section: &str, result: &str) {
    if std::env::var_os("OXBPF_COVERAGE").is_none() {
        return;
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let kernel: Vec<&str> = release.split('.').take(2).collect();
    let line = format!("COVERAGE {} {section} {}\n", kernel.join("."), result.replace('\n', " "));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// Loads and attaches a program, makes its event, and gives why not if the kernel can't.
fn try_section(name: &str, usdt: &Path) -> std::result::Result<(), String> {
    let attempt = |result: Result<Object>| match result {
        Ok(object) => Ok(object),
        Err(e) => Err(reason(&e).unwrap_or_else(|| panic!("{name}: {e:#}"))),
    };
    let object = attempt(open(name, usdt).load())?;
    let program = object.program(name).unwrap();
    let attached = match program.attach_kind() {
        AttachKind::Iter => program.attach_iter(IterOpts::default()),
        _ => program.attach(),
    };
    let link = match attached {
        Ok(link) => link,
        Err(e) => return Err(reason(&e).unwrap_or_else(|| panic!("{name}: {e:#}"))),
    };
    make_events(usdt, Some(&link), &object);
    assert!(hits(&object) > 0, "{name}: the program did not run");
    link.detach().unwrap();
    let before = hits(&object);
    make_events(usdt, None, &object);
    assert_eq!(hits(&object), before, "{name}: the program still runs");
    Ok(())
}

/// A copy of the program with probes, which no other test runs.
fn usdt_program() -> (testkit::TempDir, PathBuf) {
    let dir = testkit::TempDir::new("sections");
    let path = dir.path().join("target");
    std::fs::copy(testkit::testdata("usdt/target"), &path).unwrap();
    (dir, path)
}

#[test]
fn every_section_that_attaches_by_itself_runs_its_program() {
    if !testkit::require_bpf() {
        return;
    }
    let _ = oxbpf_sys::raise_memlock();
    let (_dir, usdt) = usdt_program();
    let sections: Vec<(String, String)> = open("", &usdt)
        .spec()
        .programs
        .iter()
        .filter(|p| !["replaced", "freplace", "sampler"].contains(&p.code.name.as_str()))
        .map(|p| (p.code.name.clone(), p.sec_name.split('/').next().unwrap_or_default().to_owned()))
        .collect();
    assert_eq!(sections.len(), 49, "all but freplace, which needs a program to be put over");
    for (name, section) in sections {
        match try_section(&name, &usdt) {
            Ok(()) => note(&section, "pass"),
            Err(why) => {
                testkit::skip_this(format_args!("{section}: {why}"));
                note(&section, &format!("skip: {why}"));
            }
        }
    }
}

#[test]
fn freplace_takes_the_place_of_a_function_until_the_link_is_dropped() {
    if !testkit::require_bpf() {
        return;
    }
    let _ = oxbpf_sys::raise_memlock();
    let (_dir, usdt) = usdt_program();
    let target = match open("replaced", &usdt).load() {
        Ok(target) => target,
        Err(e) => return testkit::skip_this(e),
    };
    let _tracepoint = target.program("replaced").unwrap().attach().unwrap();
    // Other processes add theirs, so the least of several counts.
    let run = || {
        let once = |_| {
            let before = hits(&target);
            drop(std::fs::read("/proc/self/comm"));
            hits(&target) - before
        };
        (0..20).map(once).min().unwrap()
    };
    assert!((1..1000).contains(&run()));
    let mut replacement = open("freplace", &usdt);
    let prog = target.program("replaced").unwrap().fd().unwrap().clone();
    replacement.program_mut("freplace").unwrap().set_attach_target(Some(prog), None);
    let attached = replacement.load().and_then(|object| object.program("freplace")?.attach());
    let link = match attached {
        Ok(link) => link,
        Err(e) => {
            let why = reason(&e).unwrap_or_else(|| panic!("{e:#}"));
            note("freplace", &format!("skip: {why}"));
            return testkit::skip_this(why);
        }
    };
    assert!(run() >= 1000);
    drop(link);
    // A child that another test has just forked may keep the link a little longer.
    let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while run() >= 1000 && std::time::Instant::now() < end {
        std::thread::yield_now();
    }
    assert!((1..1000).contains(&run()));
    note("freplace", "pass");
}

#[test]
fn perf_event_runs_the_program_by_link_and_by_ioctl() {
    if !testkit::require_bpf() {
        return;
    }
    let _ = oxbpf_sys::raise_memlock();
    let (_dir, usdt) = usdt_program();
    let object = open("sampler", &usdt).load().unwrap();
    for force_ioctl_attach in [false, true] {
        let before = hits(&object);
        let opts = PerfEventOpts { force_ioctl_attach, ..PerfEventOpts::default() };
        let clock = PerfEventBuilder::cpu_clock().frequency(999);
        let _link = object.program("sampler").unwrap().attach_perf_event(&clock, opts).unwrap();
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while hits(&object) == before && std::time::Instant::now() < end {
            std::hint::spin_loop();
        }
        assert!(hits(&object) > before);
    }
    note("perf_event", "pass");
}

#[test]
fn software_events_without_the_kernel_run_the_program() {
    if !testkit::require_bpf() {
        return;
    }
    let _ = oxbpf_sys::raise_memlock();
    let (_dir, usdt) = usdt_program();
    let object = open("sampler", &usdt).load().unwrap();
    // PERF_COUNT_SW_PAGE_FAULTS, each, of this thread, in user space.
    let faults = PerfEventBuilder::software(2).period(1).pid(0);
    let faults = faults.flags(oxbpf_uapi::perf_event::PerfAttrFlags::EXCLUDE_KERNEL);
    let program = object.program("sampler").unwrap();
    let _link = program.attach_perf_event(&faults, PerfEventOpts::default()).unwrap();
    let before = hits(&object);
    let mut pages = vec![0u8; 32 << 20];
    for page in pages.chunks_mut(4096) {
        page[0] = std::hint::black_box(1);
    }
    std::hint::black_box(&pages);
    assert!(hits(&object) > before, "no page fault was seen");
}
