//! The example objects on the running kernel: attached as their sections say, until their links are dropped.
//!
//! Needs root; what the kernel does not let anybody attach to is skipped with its reason.

#![cfg(feature = "linux")]
#![allow(clippy::print_stderr, reason = "a skipped test says why")]

use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use oxbpf::buffer::RingBuffer;
use oxbpf::link::{IterOpts, PerfEventBuilder, PerfEventOpts};
use oxbpf::{AttachKind, ErrorKind, Object, ObjectBuilder};

fn example(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(format!("{name}.bpf.o"))
}

/// Loads an example; `None`, with the reason printed, where the kernel does not let the caller.
fn load(name: &str) -> Option<Object> {
    let _ = oxbpf_sys::raise_memlock();
    if let Some(why) = oxbpf_sys::why_not_bpf() {
        eprintln!("skipped: {why}");
        return None;
    }
    match ObjectBuilder::new().open_file(example(name)).and_then(|object| object.load()) {
        Ok(object) => Some(object),
        Err(e) if e.kind() == ErrorKind::InvalidObject => panic!("{e}"),
        Err(e) => {
            eprintln!("skipped: {name}: {e}");
            None
        }
    }
}

#[test]
fn opensnoop_tells_of_each_open_while_it_is_attached() {
    let Some(object) = load("opensnoop") else { return };
    let links = object.attach().expect("attaches");
    assert_eq!(links.len(), 2);
    let path = std::env::temp_dir().join(format!("oxbpf-no-such-file-{}", std::process::id()));
    let seen = Mutex::new(0);
    let events = object.map("events").expect("the ring buffer");
    let mut ring = RingBuffer::builder(object.kernel())
        .add(events.fd(), |event| {
            // pid, uid, ret, flags, comm of 16 bytes, file name.
            let (pid, ret) = (&event[..4], &event[8..12]);
            let name = event[32..].split(|b| *b == 0).next().unwrap_or_default();
            if name == path.as_os_str().as_bytes() && pid == std::process::id().to_ne_bytes() {
                assert_eq!(ret, (-2i32).to_ne_bytes(), "ENOENT");
                *seen.lock().expect("one thread") += 1;
            }
        })
        .and_then(|builder| builder.build())
        .expect("a ring buffer");
    assert!(std::fs::read(&path).is_err());
    let end = Instant::now() + Duration::from_secs(20);
    while *seen.lock().expect("one thread") == 0 && Instant::now() < end {
        ring.poll(Some(Duration::from_millis(100))).expect("polls");
    }
    assert_eq!(*seen.lock().expect("one thread"), 1);
    drop(links);
    assert!(std::fs::read(&path).is_err());
    ring.consume().expect("consumes");
    assert_eq!(*seen.lock().expect("one thread"), 1, "nothing is told after the links are dropped");
}

#[test]
fn examples_attach_as_their_sections_say() {
    let names = ["dispatch", "execsnoop", "fentry", "hello", "kprobe", "lsm", "rmdir", "setlocale", "shapes"];
    for name in names.into_iter().chain(["syscount", "taskwalk"]) {
        let Some(object) = load(name) else { continue };
        match object.attach() {
            Ok(links) => assert!(!links.is_empty(), "{name}"),
            Err(e) if matches!(e.kind(), ErrorKind::Unsupported { .. } | ErrorKind::PermissionDenied) => {
                eprintln!("skipped: {name}: {e}");
            }
            Err(e) => panic!("{name}: {e}"),
        }
    }
}

#[test]
fn programs_without_a_target_say_what_would_give_them_one() {
    for (name, hint) in
        [("xdpcount", "--iface"), ("tccount", "--iface"), ("cgroup", "--cgroup"), ("profile", "event")]
    {
        let Some(object) = load(name) else { continue };
        let program = object.programs().next().expect("a program");
        assert_eq!(program.attach_kind(), AttachKind::Explicit);
        let error = program.attach().expect_err("it has no target");
        let start = format!("attach program `{}` (SEC \"{}\"): ", program.name(), program.sec_name());
        assert!(error.to_string().starts_with(&start), "{error}");
        assert!(error.hint().contains(hint), "{name}: {}", error.hint());
        assert!(object.attach().expect("leaves it out").is_empty());
    }
}

#[test]
fn task_iterator_lists_this_process() {
    let Some(object) = load("tasks") else { return };
    let program = object.programs().next().expect("a program");
    let link = program.attach_iter(IterOpts::default()).expect("attaches");
    let mut text = String::new();
    link.iter().expect("a run").read_to_string(&mut text).expect("reads");
    let pid = std::process::id().to_string();
    assert!(text.lines().any(|line| line.split_whitespace().any(|word| word == pid)), "{text}");
}

#[test]
fn profile_samples_all_cpus() {
    let Some(object) = load("profile") else { return };
    let program = object.programs().next().expect("a program");
    let clock = PerfEventBuilder::cpu_clock().frequency(999);
    let link = program.attach_perf_event(&clock, PerfEventOpts::default()).expect("attaches");
    let has_samples = || {
        object
            .maps()
            .filter(|map| map.key_size() > 0 && !map.name().contains('.'))
            .any(|map| map.keys().next().is_some_and(|key| key.is_ok()))
    };
    let end = Instant::now() + Duration::from_secs(20);
    while !has_samples() && Instant::now() < end {
        std::hint::spin_loop();
    }
    assert!(has_samples());
    drop(link);
}
