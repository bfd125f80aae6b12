//! Statically defined probes of `testdata/usdt/target` on the running kernel: arguments, counters, cookies, places,
//! processes.
//!
//! Needs root and x86-64; what the kernel does not let anybody attach to is skipped with its reason.

#![cfg(all(feature = "linux", target_arch = "x86_64"))]

use std::io::ErrorKind as ErrorKindOfIo;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use oxbpf::link::{Link, UsdtOpts};
use oxbpf::{ErrorKind, Feature, Features, Object, ObjectBuilder, Result};

/// The program that has the probes: of fixed addresses, and of addresses that change.
const FIXED: &str = "usdt/target";
const SHARED: &str = "usdt/target.pie";

/// An object that is loaded, and a copy of the program that no other test runs.
struct Fixture {
    object: Object,
    path: PathBuf,
    _dir: testkit::TempDir,
}

impl Fixture {
    fn new(file: &str) -> Option<Self> {
        Self::with_room_for(file, None)
    }

    fn with_room_for(file: &str, specs: Option<u32>) -> Option<Self> {
        if !testkit::require_bpf() {
            return None;
        }
        let _ = oxbpf_sys::raise_memlock();
        let mut open = ObjectBuilder::new().open_file(testkit::testdata("usdt/probes.bpf.o")).unwrap();
        if let Some(specs) = specs {
            open.map_mut("__bpf_usdt_specs").unwrap().set_max_entries(specs);
        }
        let object = open.load().unwrap();
        let dir = testkit::TempDir::new("usdt");
        let path = dir.path().join("target");
        std::fs::copy(testkit::testdata(file), &path).unwrap();
        Some(Self { object, path, _dir: dir })
    }

    /// Attaches, or says why the kernel can't.
    fn attach(&self, program: &str, probe: &str, opts: UsdtOpts) -> Option<Link> {
        match self.try_attach(program, probe, opts) {
            Ok(link) => Some(link),
            Err(e) if matches!(e.kind(), ErrorKind::Unsupported { .. }) => {
                testkit::skip_this(e);
                None
            }
            Err(e) => panic!("{e:#}"),
        }
    }

    fn try_attach(&self, program: &str, probe: &str, opts: UsdtOpts) -> Result<Link> {
        self.object.program(program).unwrap().attach_usdt(&self.path, "oxbpf", probe, opts)
    }

    /// Runs the program and gives the number of counters that it found raised.
    fn run(&self) -> i32 {
        self.start().wait().unwrap().code().unwrap()
    }

    /// Starts the program. Another thread's child may still have it open for writing, from when it was written here.
    fn start(&self) -> Child {
        let started = Instant::now();
        loop {
            match Command::new(&self.path).spawn() {
                Err(e) if e.kind() == ErrorKindOfIo::ExecutableFileBusy => {
                    assert!(started.elapsed() < Duration::from_secs(20), "{e}");
                }
                child => return child.unwrap(),
            }
        }
    }

    fn seen(&self, program: u32) -> Seen {
        Seen::of(&self.object, program)
    }

    fn has_cookies(&self) -> bool {
        Features::of(self.object.kernel()).has(Feature::BpfCookie)
    }
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
    let Some(fixture) = Fixture::new(FIXED) else { return };
    let opts = UsdtOpts { cookie: 0x1234_5678_9abc, ..UsdtOpts::default() };
    let Some(link) = fixture.attach("all", "forms", opts) else { return };
    fixture.run();
    let seen = fixture.seen(0);
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
    fixture.run();
    assert_eq!(fixture.seen(0).hits(), 1, "the program still runs");
}

#[test]
fn a_probe_without_arguments_has_none() {
    let Some(fixture) = Fixture::new(FIXED) else { return };
    let Some(_link) = fixture.attach("all", "none", UsdtOpts::default()) else { return };
    fixture.run();
    let seen = fixture.seen(0);
    assert_eq!((seen.hits(), seen.count(), seen.sizes()[0]), (1, 0, -2));
}

#[test]
fn every_place_of_a_probe_has_its_own_arguments() {
    let Some(fixture) = Fixture::new(FIXED) else { return };
    let Some(_link) = fixture.attach("first", "places", UsdtOpts::default()) else { return };
    fixture.run();
    fixture.run();
    let seen = fixture.seen(1);
    assert_eq!((seen.hits(), seen.sum()), (6, 2 * (1 + 2 + 4)));
}

#[test]
fn two_attachments_to_one_probe_have_cookies_of_their_own() {
    let Some(fixture) = Fixture::new(FIXED) else { return };
    if !fixture.has_cookies() {
        // Kernels without cookies tell places apart by address, so an object can be on each once.
        let Some(_link) = fixture.attach("first", "places", UsdtOpts::default()) else { return };
        let error = fixture.try_attach("second", "places", UsdtOpts::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(error.hint().contains("5.15"), "{}", error.hint());
        return;
    }
    let opts = |cookie| UsdtOpts { cookie, ..UsdtOpts::default() };
    let Some(first) = fixture.attach("first", "places", opts(7)) else { return };
    let Some(second) = fixture.attach("second", "places", opts(9)) else { return };
    fixture.run();
    let seen = [fixture.seen(1), fixture.seen(2)];
    assert_eq!(seen.each_ref().map(|s| (s.hits(), s.sum(), s.cookie())), [(3, 7, 7), (3, 7, 9)]);
    drop(first);
    // Another thread's child has a copy of its descriptor until it becomes another program.
    let started = Instant::now();
    loop {
        let hits = fixture.seen(1).hits();
        fixture.run();
        if fixture.seen(1).hits() == hits {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "still attached");
    }
    // The ids that the first gave back are used again, and the second's are left alone.
    let before = [fixture.seen(1), fixture.seen(2)];
    let Some(_third) = fixture.attach("first", "fast", opts(11)) else { return };
    fixture.run();
    let after = [fixture.seen(1), fixture.seen(2)];
    let told =
        |i: usize| (after[i].hits() - before[i].hits(), after[i].sum() - before[i].sum(), after[i].cookie());
    assert_eq!([told(0), told(1)], [(1, 17, 11), (3, 7, 9)]);
    drop(second);
}

#[test]
fn counters_are_raised_while_somebody_listens() {
    let Some(fixture) = Fixture::new(FIXED) else { return };
    assert_eq!(fixture.run(), 0);
    let Some(one) = fixture.attach("first", "counted", UsdtOpts::default()) else { return };
    assert_eq!(fixture.run(), 1);
    let Some(two) = fixture.attach("second", "counted_too", UsdtOpts::default()) else { return };
    assert_eq!(fixture.run(), 2);
    let seen = [fixture.seen(1), fixture.seen(2)];
    assert_eq!(seen.each_ref().map(|s| (s.hits(), s.sum())), [(2, 22), (1, 13)]);
    drop((one, two));
    // Another thread's child has copies of the descriptors until it becomes another program.
    let started = Instant::now();
    while fixture.run() != 0 {
        assert!(started.elapsed() < Duration::from_secs(20), "still counted");
    }
}

#[test]
fn a_probe_on_a_long_nop_is_hit_once() {
    let Some(fixture) = Fixture::new(FIXED) else { return };
    let Some(_link) = fixture.attach("first", "fast", UsdtOpts::default()) else { return };
    for _ in 0..3 {
        fixture.run();
    }
    let seen = fixture.seen(1);
    assert_eq!((seen.hits(), seen.sum()), (3, 51));
}

#[test]
fn files_whose_addresses_change_are_probed_in_all_processes() {
    let Some(fixture) = Fixture::new(SHARED) else { return };
    let attached = fixture.try_attach("first", "places", UsdtOpts::default());
    if !fixture.has_cookies() {
        let error = attached.unwrap_err();
        assert_eq!(
            error.kind(),
            ErrorKind::Unsupported { feature: "probes of libraries in all processes", since: "5.15" }
        );
        return;
    }
    let _link = attached.unwrap();
    let mut children: Vec<_> = (0..4).map(|_| fixture.start()).collect();
    for child in &mut children {
        child.wait().unwrap();
    }
    assert_eq!((fixture.seen(1).hits(), fixture.seen(1).sum()), (12, 28));
}

#[test]
fn only_the_process_that_is_asked_for_is_probed() {
    let Some(fixture) = Fixture::new(FIXED) else { return };
    // A process that has the file in memory and waits: stopped before its first instruction by ptrace would need more rights, so
    // the shell is the process, and its program the file.
    let script = format!("read line; exec '{}'", fixture.path.display());
    let mut child = Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
    let opts = UsdtOpts { pid: Some(child.id()), ..UsdtOpts::default() };
    let Some(_link) = fixture.attach("first", "places", opts) else {
        child.kill().unwrap();
        child.wait().unwrap();
        return;
    };
    fixture.run();
    assert_eq!(fixture.seen(1).hits(), 0);
    drop(child.stdin.take());
    child.wait().unwrap();
    assert_eq!(fixture.seen(1).hits(), 3);
}

#[test]
fn errors_say_what_is_wrong_with_a_probe() {
    let Some(fixture) = Fixture::new(FIXED) else { return };
    let check = |path: &Path, probe: &str, kind: ErrorKind, text: &str| {
        let program = fixture.object.program("first").unwrap();
        let error = program.attach_usdt(path, "oxbpf", probe, UsdtOpts::default()).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        let place = format!("probe `{}:oxbpf:{probe}`", path.display());
        assert_eq!(error.to_string(), format!("attach program `first` (SEC \"usdt\"): {place}: {text}"));
        String::from(error.hint())
    };
    let hint = check(&fixture.path, "place", ErrorKind::NotFound, "no probe 'oxbpf:place'");
    assert_eq!(hint, "did you mean `oxbpf:places`?");
    let unreadable = ErrorKind::Unsupported { feature: "the arguments of this probe", since: "" };
    let text = "arguments `8@%xmm0`: argument 0 is in `xmm0`, which is no register that a probe sees";
    check(&fixture.path, "float", unreadable, text);
    let text = "not an ELF file (it starts with \"// SPDX-\")";
    check(&testkit::testdata("usdt/probes.bpf.c"), "forms", ErrorKind::InvalidInput, text);
    let text = "it is a program for another kind of machine";
    check(&testkit::testdata("usdt/probes.bpf.o"), "forms", ErrorKind::InvalidInput, text);
}

#[test]
fn a_full_map_of_arguments_is_an_error_that_says_what_to_change() {
    let Some(fixture) = Fixture::with_room_for(FIXED, Some(1)) else { return };
    for _ in 0..3 {
        let error = fixture.try_attach("first", "places", UsdtOpts::default()).unwrap_err();
        assert_eq!(error.errno().0, 7, "E2BIG: {error}");
        assert!(error.hint().contains("BPF_USDT_MAX_SPEC_CNT"), "{}", error.hint());
    }
    // What the failures had taken is free again.
    let Some(_link) = fixture.attach("first", "none", UsdtOpts::default()) else { return };
}
