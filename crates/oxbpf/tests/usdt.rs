//! Statically defined probes of `testdata/usdt/target` on the running kernel: arguments, counters, cookies, places,
//! processes.
//!
//! Needs root and x86-64; what the kernel does not let anybody attach to is skipped with its reason.

#![cfg(all(feature = "linux", target_arch = "x86_64"))]

use std::path::PathBuf;
use std::process::{Command, Stdio};

use oxbpf::link::{Link, UsdtOpts};
use oxbpf::{ErrorKind, Feature, Features, Object, ObjectBuilder, Result};

/// The program that has the probes: of fixed addresses, and of addresses that change.
const FIXED: &str = "usdt/target";
const SHARED: &str = "usdt/target.pie";

fn load() -> Option<Object> {
    if !testkit::require_bpf() {
        return None;
    }
    let _ = oxbpf_sys::raise_memlock();
    Some(ObjectBuilder::new().open_file(testkit::testdata("usdt/probes.bpf.o")).unwrap().load().unwrap())
}

fn target(name: &str) -> PathBuf {
    testkit::testdata(name)
}

/// Attaches, or says why the kernel can't.
fn attach(object: &Object, program: &str, file: &str, probe: &str, opts: UsdtOpts) -> Option<Link> {
    match try_attach(object, program, file, probe, opts) {
        Ok(link) => Some(link),
        Err(e) if matches!(e.kind(), ErrorKind::Unsupported { .. }) => {
            testkit::skip_this(e);
            None
        }
        Err(e) => panic!("{e:#}"),
    }
}

fn try_attach(object: &Object, program: &str, file: &str, probe: &str, opts: UsdtOpts) -> Result<Link> {
    object.program(program).unwrap().attach_usdt(target(file), "oxbpf", probe, opts)
}

/// Runs the program and gives the number of counters that it found raised.
fn run(file: &str) -> i32 {
    Command::new(target(file)).status().unwrap().code().unwrap()
}

/// What a program of the object has written down.
#[derive(Debug)]
struct Seen(Vec<i64>);

impl Seen {
    fn of(object: &Object, program: u32) -> Self {
        let value = object.map("seen").unwrap().lookup(&program.to_ne_bytes(), Default::default()).unwrap();
        Self(value.unwrap().chunks(8).map(|w| i64::from_ne_bytes(w.try_into().unwrap())).collect())
    }

    fn hits(&self) -> i64 {
        self.0[0]
    }

    fn cookie(&self) -> i64 {
        self.0[1]
    }

    fn count(&self) -> i64 {
        self.0[2]
    }

    fn sum(&self) -> i64 {
        self.0[3]
    }

    fn args(&self) -> &[i64] {
        &self.0[4..16]
    }

    fn sizes(&self) -> &[i64] {
        &self.0[16..28]
    }

    fn beyond(&self) -> i64 {
        self.0[28]
    }
}

#[test]
fn arguments_of_every_form_reach_the_program() {
    let Some(object) = load() else { return };
    let opts = UsdtOpts { cookie: 0x1234_5678_9abc, ..UsdtOpts::default() };
    let Some(link) = attach(&object, "all", FIXED, "forms", opts) else { return };
    run(FIXED);
    let seen = Seen::of(&object, 0);
    assert_eq!((seen.hits(), seen.cookie(), seen.count()), (1, 0x1234_5678_9abc, 12));
    let expect = [
        0x1234_5678_9abc_def0,
        -7,
        -0x80,
        -0x80,
        0x80,
        71,
        -9,
        0x1122_3344_5566_7788,
        -2,
        // words[2 * 8 - 8] and the low half of words[1].
        -2,
        0xffff_fffe,
        -5,
    ];
    assert_eq!(seen.args(), expect);
    assert_eq!(seen.sizes(), [8, 4, 2, 1, 1, 4, 8, 8, 4, 8, 4, 8]);
    assert_eq!(seen.beyond(), -2, "ENOENT");
    link.detach().unwrap();
    run(FIXED);
    assert_eq!(Seen::of(&object, 0).hits(), 1, "the program still runs");
}

#[test]
fn a_probe_without_arguments_has_none() {
    let Some(object) = load() else { return };
    let Some(_link) = attach(&object, "all", FIXED, "none", UsdtOpts::default()) else { return };
    run(FIXED);
    let seen = Seen::of(&object, 0);
    assert_eq!((seen.hits(), seen.count(), seen.sizes()[0]), (1, 0, -2));
}

#[test]
fn every_place_of_a_probe_has_its_own_arguments() {
    let Some(object) = load() else { return };
    let Some(_link) = attach(&object, "first", FIXED, "places", UsdtOpts::default()) else { return };
    run(FIXED);
    run(FIXED);
    let seen = Seen::of(&object, 1);
    assert_eq!((seen.hits(), seen.sum()), (6, 2 * (1 + 2 + 4)));
}

#[test]
fn two_attachments_to_one_probe_have_cookies_of_their_own() {
    let Some(object) = load() else { return };
    if !Features::of(object.kernel()).has(Feature::BpfCookie) {
        // Kernels without cookies tell places apart by address, so an object can be on each once.
        let Some(_link) = attach(&object, "first", FIXED, "places", UsdtOpts::default()) else { return };
        let error = try_attach(&object, "second", FIXED, "places", UsdtOpts::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(error.hint().contains("5.15"), "{}", error.hint());
        return;
    }
    let opts = |cookie| UsdtOpts { cookie, ..UsdtOpts::default() };
    let Some(first) = attach(&object, "first", FIXED, "places", opts(7)) else { return };
    let Some(second) = attach(&object, "second", FIXED, "places", opts(9)) else { return };
    run(FIXED);
    let seen = [Seen::of(&object, 1), Seen::of(&object, 2)];
    assert_eq!(seen.each_ref().map(|s| (s.hits(), s.sum(), s.cookie())), [(3, 7, 7), (3, 7, 9)]);
    drop(first);
    // The ids that the first gave back are used again, and the second's are left alone.
    let Some(_third) = attach(&object, "first", FIXED, "fast", opts(11)) else { return };
    run(FIXED);
    let seen = [Seen::of(&object, 1), Seen::of(&object, 2)];
    assert_eq!(seen.each_ref().map(|s| (s.hits(), s.sum(), s.cookie())), [(4, 24, 11), (6, 14, 9)]);
    drop(second);
}

#[test]
fn counters_are_raised_while_somebody_listens() {
    let Some(object) = load() else { return };
    assert_eq!(run(FIXED), 0);
    let Some(one) = attach(&object, "first", FIXED, "counted", UsdtOpts::default()) else { return };
    assert_eq!(run(FIXED), 1);
    let Some(two) = attach(&object, "second", FIXED, "counted_too", UsdtOpts::default()) else { return };
    assert_eq!(run(FIXED), 2);
    let seen = [Seen::of(&object, 1), Seen::of(&object, 2)];
    assert_eq!(seen.each_ref().map(|s| (s.hits(), s.sum())), [(2, 22), (1, 13)]);
    drop((one, two));
    assert_eq!(run(FIXED), 0);
}

#[test]
fn a_probe_on_a_long_nop_is_hit_once() {
    let Some(object) = load() else { return };
    let Some(_link) = attach(&object, "first", FIXED, "fast", UsdtOpts::default()) else { return };
    for _ in 0..3 {
        run(FIXED);
    }
    let seen = Seen::of(&object, 1);
    assert_eq!((seen.hits(), seen.sum()), (3, 51));
}

#[test]
fn files_whose_addresses_change_are_probed_in_all_processes() {
    let Some(object) = load() else { return };
    let attached = try_attach(&object, "first", SHARED, "places", UsdtOpts::default());
    if !Features::of(object.kernel()).has(Feature::BpfCookie) {
        let error = attached.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Unsupported { feature: "probes of libraries in all processes", since: "5.15" }
        );
        return;
    }
    let _link = attached.unwrap();
    let mut children: Vec<_> = (0..4).map(|_| Command::new(target(SHARED)).spawn().unwrap()).collect();
    for child in &mut children {
        child.wait().unwrap();
    }
    assert_eq!((Seen::of(&object, 1).hits(), Seen::of(&object, 1).sum()), (12, 28));
}

#[test]
fn only_the_process_that_is_asked_for_is_probed() {
    let Some(object) = load() else { return };
    // A process that has the file in memory and waits: stopped before its first instruction by ptrace would need more rights, so
    // the shell is the process, and its program the file.
    let script = format!("read line; exec '{}'", target(FIXED).display());
    let mut child = Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let opts = UsdtOpts { pid: Some(child.id()), ..UsdtOpts::default() };
    let Some(_link) = attach(&object, "first", FIXED, "places", opts) else {
        child.kill().unwrap();
        child.wait().unwrap();
        return;
    };
    run(FIXED);
    assert_eq!(Seen::of(&object, 1).hits(), 0);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(Seen::of(&object, 1).hits(), 3);
}

#[test]
fn errors_say_what_is_wrong_with_a_probe() {
    let Some(object) = load() else { return };
    let check = |file: &str, probe: &str, kind: ErrorKind, text: &str| {
        let error = try_attach(&object, "first", file, probe, UsdtOpts::default()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let start = format!(
            "attach program `first` (SEC \"usdt\"): probe `{}:oxbpf:{probe}`: ",
            target(file).display()
        );
        assert_eq!(error.to_string().strip_prefix(&start), Some(text), "{error}");
        String::from(error.hint())
    };
    let hint = check(FIXED, "place", ErrorKind::NotFound, "no probe 'oxbpf:place'");
    assert_eq!(hint, "did you mean `oxbpf:places`?");
    let unreadable = ErrorKind::Unsupported { feature: "the arguments of this probe", since: "" };
    check(
        FIXED,
        "float",
        unreadable,
        "arguments `8@%xmm0`: argument 0 is in `xmm0`, which is no register that a probe sees",
    );
    let text = "not an ELF file (it starts with \"// SPDX-\")";
    check("usdt/probes.bpf.c", "forms", ErrorKind::InvalidInput, text);
    let text = "it is a program for another kind of machine";
    check("usdt/probes.bpf.o", "forms", ErrorKind::InvalidInput, text);
}

#[test]
fn a_full_map_of_arguments_is_an_error_that_says_what_to_change() {
    if !testkit::require_bpf() {
        return;
    }
    let mut open = ObjectBuilder::new().open_file(testkit::testdata("usdt/probes.bpf.o")).unwrap();
    open.map_mut("__bpf_usdt_specs").unwrap().set_max_entries(1);
    let object = open.load().unwrap();
    for _ in 0..3 {
        let error = try_attach(&object, "first", FIXED, "places", UsdtOpts::default()).unwrap_err();
        assert_eq!(error.errno().0, 7, "E2BIG: {error}");
        assert!(error.hint().contains("BPF_USDT_MAX_SPEC_CNT"), "{}", error.hint());
    }
    // What the failures had taken is free again.
    let Some(_link) = attach(&object, "first", FIXED, "none", UsdtOpts::default()) else { return };
}
