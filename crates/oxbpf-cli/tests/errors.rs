//! Bad input, on both kernels: one clear message, an exit status that is not 0, and nothing left behind.

mod tool;

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use oxbpf::ObjectBuilder;
use oxbpf_kernel::ObjectKind;
use oxbpf_uapi::Errno;
use testkit::TempDir;
use tool::{Ended, backends, run};

const OPENSNOOP: &str = "examples/opensnoop.bpf.o";
const XDPCOUNT: &str = "examples/xdpcount.bpf.o";
const PACKETS: &str = "examples/packets.pcap";

/// Only one test at a time compares what is in the Linux kernel.
static LINUX: Mutex<()> = Mutex::new(());

/// Ids of the programs and links that the Linux kernel has.
fn ids() -> BTreeSet<(&'static str, u32)> {
    let kernel = oxbpf_sys::kernel();
    let mut found = BTreeSet::new();
    for (name, kind) in [("program", ObjectKind::Prog), ("link", ObjectKind::Link)] {
        let mut id = 0;
        while let Ok(Some(next)) = kernel.get_next_id(kind, id) {
            found.insert((name, next));
            id = next;
        }
    }
    found
}

/// Fails if there are programs or links that were not there before. The kernel frees them a moment after their last user is gone, and other
/// programs of the machine come and go.
#[track_caller]
fn check_nothing_is_left(before: &BTreeSet<(&'static str, u32)>) {
    let mut left: BTreeSet<_> = ids().difference(before).copied().collect();
    let started = Instant::now();
    while !left.is_empty() && started.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(5));
        let now = ids();
        left.retain(|id| now.contains(id));
    }
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// A failed run: its one message has all of `parts`.
#[track_caller]
fn check_message(args: &[&str], ended: &Ended, parts: &[&str]) {
    let Ended { status, out, err } = ended;
    let told = format!("{args:?}: exit status {status}\n{out}{err}");
    assert!((1..128).contains(status), "{told}");
    assert!(out.is_empty(), "{told}");
    let messages = err.lines().filter(|l| l.starts_with("oxbpf: ") || l.starts_with("error: ")).count();
    assert_eq!(messages, 1, "{told}");
    assert!(!err.contains("panicked") && !err.contains("warning: "), "{told}");
    for part in parts {
        assert!(err.contains(part), "no {part:?}: {told}");
    }
}

/// On one kernel: `args`, with a command that would be seen if it ran.
#[track_caller]
fn check_on(backend: &str, args: &[&str], parts: &[&str]) {
    let dir = TempDir::new("errors");
    let ran = dir.path().join("ran");
    let ran = ran.to_str().expect("text");
    let with_command = [args, &["--", "touch", ran]].concat();
    let has_source = args.iter().any(|a| *a == "--" || a.starts_with("--pcap"));
    let args = if has_source { args } else { &with_command };
    let guard = (backend == "linux").then(|| LINUX.lock().unwrap_or_else(PoisonError::into_inner));
    let before = guard.as_ref().map(|_| ids());
    check_message(args, &run(backend, args), parts);
    assert!(!Path::new(ran).exists(), "{args:?}: the command ran");
    if let Some(before) = before {
        check_nothing_is_left(&before);
    }
}

/// On both kernels.
#[track_caller]
fn check(args: &[&str], parts: &[&str]) {
    for &backend in backends() {
        check_on(backend, args, parts);
    }
}

fn write(dir: &TempDir, name: &str, bytes: &[u8]) -> String {
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    path.to_str().expect("text").to_owned()
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(testkit::root().join(path)).expect("committed")
}

fn object(name: &str) -> String {
    format!("testdata/objects/{name}.o")
}

fn rejected(name: &str) -> String {
    format!("testdata/rejected/{name}.o")
}

#[test]
fn a_file_that_is_no_object_is_named_with_the_reason() {
    let dir = TempDir::new("files");
    check(&["/nonexistent.bpf.o"], &["/nonexistent.bpf.o", "No such file or directory"]);
    check(&["examples"], &["examples", "Is a directory"]);
    check(&["/dev/zero"], &["/dev/zero", "a device"]);
    check(&["README.md"], &["README.md", "not an ELF file"]);
    let empty = write(&dir, "empty.o", b"");
    check(&[&empty], &[&empty, "empty file"]);
    let tool = tool::binary();
    check(&[&tool], &[&tool, "not for BPF", "clang --target=bpf"]);
    if !testkit::is_root() {
        let secret = write(&dir, "secret.o", b"x");
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(0o000)).expect("chmod");
        check(&[&secret], &[&secret, "Permission denied"]);
    }
}

#[test]
fn a_truncated_object_is_an_error_at_every_length() {
    let dir = TempDir::new("truncated");
    let whole = read(OPENSNOOP);
    let mut lengths: Vec<_> = (0..whole.len()).step_by(whole.len() / 40).collect();
    lengths.extend([1, 4, 16, 51, 52, 63, 64, 65, whole.len() - 64, whole.len() - 1]);
    for length in lengths {
        let path = write(&dir, "short.o", &whole[..length]);
        check_on("embedded", &[&path], &["short.o: "]);
    }
}

#[test]
fn an_object_for_other_machines_is_refused() {
    for name in ["plain.be", "plain.gcc_be", "kconfig.be"] {
        check(&[&object(name)], &[name, "other byte order"]);
    }
}

#[test]
fn an_object_that_says_what_cannot_be_is_refused_by_section_map_or_symbol() {
    check(&[&object("plain.gcc_nobtf")], &["section '.maps'", "BTF", "-g"]);
    check(&[&object("bad_legacy_maps")], &["section 'maps'", "no longer supported", ".maps"]);
    check(&[&object("bad_map_unknown_key")], &["map 'odd'", "member 'colour'", "max_entries"]);
    check(&[&object("bad_section_unknown")], &["program `lost`", "no_such_section/x", "hint: "]);
    check(&[&object("bad_extern_data")], &["extern 'defined_elsewhere'", "__ksym"]);
    check(&[&object("bad_extern_function")], &["extern 'defined_elsewhere'", "__kconfig"]);
    check(&[&object("bad_kconfig_type")], &["extern 'CONFIG_PAIR'", "its type"]);
    check(&[&object("linked_a")], &["extern 'shared_function'"]);
    check(&[&object("maps_only")], &["maps_only.o", "no program to attach"]);
    check(&[&object("empty")], &["empty.o", "no program to attach"]);
    check(&[&object("license_missing")], &["program `plain`", "SEC(\"socket\")", "target"]);
}

#[test]
fn an_extern_that_nothing_sets_is_named() {
    check(&[&object("kconfig")], &["kconfig.o", "extern `CONFIG_", "kernel configuration", "hint: "]);
    check_on("embedded", &[&object("ksyms_typed")], &["extern `bpf_prog_active`", "hint: declare it __weak"]);
    check_on("embedded", &[&object("kfuncs")], &["extern `bpf_task_from_pid`", "hint: "]);
    check(
        &[&object("core_relos")],
        &["program `all_kinds`", "oxbpf_sample.parts[2].first", "no target has a type"],
    );
}

#[test]
fn a_rejected_program_is_named_with_the_lines_of_the_verifier_and_a_hint() {
    check(
        &[&rejected("no_null_check")],
        &[
            "no_null_check.o",
            "program `no_null_check` (SEC \"raw_tp/sys_enter\")",
            "R0 invalid mem access 'map_value_or_null'",
            "\n  8: (79) r1 = *(u64 *)(r0 +0)",
            "hint: compare the result of bpf_map_lookup_elem with NULL",
        ],
    );
    if backends().contains(&"linux") {
        check_on(
            "linux",
            &[&rejected("out_of_bounds")],
            &["math between map_value", "hint: compare the index"],
        );
        check_on("linux", &[&rejected("unreleased")], &["hint: every path has to release"]);
        check_on("linux", &[&rejected("endless")], &["program `endless`"]);
    }
}

#[test]
fn a_loader_program_says_what_it_cannot_have_and_what_failed() {
    check(&[&object("struct_ops"), "-L"], &["struct_ops.o", "a loader program cannot have struct_ops maps"]);
    check(&[&object("arena"), "-L"], &["map `arena`", "a loader program cannot have variables in an arena"]);
    check(
        &[&rejected("no_null_check"), "-L"],
        &[
            "no_null_check.o",
            "program `no_null_check` (SEC \"raw_tp/sys_enter\")",
            "R0 invalid mem access 'map_value_or_null'",
        ],
    );
    let signed = |key, certificate| [OPENSNOOP, "-L", "--sign-key", key, "--sign-cert", certificate];
    let [key, certificate, ec] = ["key.pem", "cert.der", "ec.pem"].map(|f| format!("testdata/sign/{f}"));
    check(&signed(&ec, &certificate), &["ec.pem", "the private key is no RSA key"]);
    check(&signed(&key, &key), &["key.pem", "the certificate is no X.509 in DER or PEM"]);
    check(&signed("/no/key", &certificate), &["/no/key", "No such file"]);
}

#[test]
fn the_whole_log_is_shown_when_asked_for() {
    let args = [&*rejected("no_null_check"), "-v", "--", "true"];
    for &backend in backends() {
        let ended = run(backend, &args);
        assert!(ended.err.contains("\n  0: (85) call bpf_get_smp_processor_id#8"), "{}", ended.err);
        assert!(!ended.err.contains("log lines before these"), "{}", ended.err);
    }
}

#[test]
fn a_map_that_is_pinned_before_another_step_fails_is_unpinned() {
    let pin = Path::new("/sys/fs/bpf/oxbpf_test_pinned");
    check(&[&rejected("pinned")], &["pinned.o", "program `pinned`"]);
    assert!(!pin.exists());
}

#[test]
fn a_map_that_is_pinned_before_attaching_fails_is_unpinned_unless_it_was_pinned_before() {
    let pin = Path::new("/sys/fs/bpf/oxbpf_test_unattached");
    let object = rejected("unattached");
    let parts = ["unattached.o", "program `unattached`", "sys_enter_no_such_call"];
    check(&[&object], &parts);
    assert!(!pin.exists());
    if backends().contains(&"linux") {
        // Its program goes at once, since other tests look for programs that stay; the pin keeps the map.
        let file = testkit::root().join(&object);
        drop(ObjectBuilder::new().kernel(oxbpf_sys::kernel()).open_file(file).unwrap().load().unwrap());
        check_on("linux", &[&object], &parts);
        assert!(pin.exists());
        std::fs::remove_file(pin).unwrap();
    }
}

#[test]
fn a_map_that_is_too_big_is_named_with_its_size() {
    let parts = ["huge_map.o", "map `huge`", "4294967280 entries", "hint: make max_entries smaller"];
    check(&[&rejected("huge_map")], &parts);
}

#[test]
fn what_the_embedded_kernel_does_not_serve_is_an_error_that_says_what_it_serves() {
    let served = ["hint: the embedded kernel runs", "syscalls/*", "--backend linux"];
    let cases = [("fentry", "do_sys_openat2"), ("kprobe", "do_sys_openat2"), ("lsm", "file_open")];
    for (example, target) in cases {
        let path = format!("examples/{example}.bpf.o");
        check_on("embedded", &[&path], &[&[&*path, "program `", target], &served[..]].concat());
    }
    check_on("embedded", &["examples/cgroup.bpf.o"], &["program `connect4`", "not served", "raw_tracepoint"]);
    check_on("embedded", &[&object("arena")], &["map `arena`", "not served by the embedded kernel"]);
}

#[test]
fn a_program_without_a_target_says_which_option_gives_it_one() {
    check(&[XDPCOUNT], &[XDPCOUNT, "program `xdp_count` (SEC \"xdp\")", "--iface NAME"]);
    check(&["examples/tccount.bpf.o"], &["program `ingress`", "--iface NAME"]);
    check_on("embedded", &[XDPCOUNT, "--iface", "lo"], &["--iface", "--pcap FILE"]);
    if backends().contains(&"linux") {
        check_on("linux", &["examples/cgroup.bpf.o"], &["program `connect4`", "--cgroup PATH"]);
        check_on("linux", &[XDPCOUNT, "--iface", "nonesuch0"], &["no network interface `nonesuch0`"]);
        let cgroup = |path| ["examples/cgroup.bpf.o", "--cgroup", path];
        check_on("linux", &cgroup("/nonexistent"), &["control group `/nonexistent`", "No such file"]);
        check_on("linux", &cgroup("/tmp"), &["control group `/tmp`", "cgroup2"]);
        check_on("linux", &cgroup("/etc/passwd"), &["control group `/etc/passwd`"]);
        check_on(
            "linux",
            &["examples/profile.bpf.o", "--pid", "99999999"],
            &["program `sample`", "No such process"],
        );
    }
}

#[test]
fn options_that_no_program_has_a_use_for_are_refused() {
    check_on("embedded", &[OPENSNOOP, "--pid", "1"], &["--pid", "only the command that it runs"]);
    check(&[OPENSNOOP, "--cgroup", "/sys/fs/cgroup"], &["--cgroup", "no program"]);
    if backends().contains(&"linux") {
        check_on("linux", &[OPENSNOOP, "--iface", "lo"], &["--iface", "no program"]);
        check_on("linux", &[OPENSNOOP, "--pid", "1"], &["--pid", "no program"]);
    }
}

#[test]
fn a_command_that_cannot_run_is_named_with_the_reason() {
    let dir = TempDir::new("commands");
    let executable = |name: &str, text: &str| {
        let path = write(&dir, name, text.as_bytes());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("chmod");
        path
    };
    let neither = executable("neither", "neither ELF nor script");
    let no_interpreter = executable("no_interpreter", "#!/no/such/interpreter\n");
    let plain = write(&dir, "plain", b"#!/bin/sh\n");
    for (command, why) in [
        ("no-such-command-here", "no such command"),
        ("./no-such-command-here", "no such command"),
        ("", "no such command"),
        ("/tmp", "it is a directory"),
        (&plain, "may not be executed"),
        (&neither, "no program of this machine"),
        (&no_interpreter, "the interpreter that it names does not exist"),
    ] {
        check(&[OPENSNOOP, "--", command], &[&format!("cannot run `{command}`"), why]);
    }
    check_on("embedded", &[OPENSNOOP, "--"], &["give one after `--`"]);
}

#[test]
fn an_assignment_that_does_not_fit_is_repeated_with_the_reason() {
    for (assignment, why) in [
        ("targ_comm", "not VAR=VALUE"),
        ("=1", "names no variable"),
        ("nosuch_thing=1", "no global variable `nosuch_thing`; there are "),
        ("targ_com=cat", "did you mean `targ_comm`?"),
        ("targ_failed=7", "`7` is no bool"),
        ("targ_comm=much longer than sixteen", "do not fit into 16"),
        ("targ_pid=x", "not a number"),
        ("targ_pid=", "not a number"),
        ("targ_pid=99999999999999", "it goes from 0 to 4294967295"),
        ("targ_pid=99999999999999999999999999999999999999999999", "number too large"),
        ("targ_pid[0]=1", "not an array"),
        ("targ_comm[16]=1", "past the end of an array of 16"),
        ("targ_comm[x]=1", "`x` is no index"),
        ("targ_comm[=1", "neither .MEMBER nor [INDEX]"),
        ("targ_comm.x=1", "no member `x`"),
    ] {
        check(&[OPENSNOOP, "--set", assignment], &[OPENSNOOP, &format!("--set {assignment}"), why]);
    }
}

#[test]
fn names_that_the_object_does_not_have_come_with_those_that_it_has() {
    check(&[OPENSNOOP, "--prog", "nosuch"], &[OPENSNOOP, "no program `nosuch`", "openat_enter, openat_exit"]);
    check(&[OPENSNOOP, "--map", "nosuch"], &[OPENSNOOP, "no map `nosuch`", "start, events"]);
    for (event, why) in [
        ("events", "not MAP=STRUCT"),
        ("nosuch=event", "no ring or perf buffer `nosuch`; it has events"),
        ("start=event", "no ring or perf buffer `start`; it has events"),
        ("events=nosuch", "no struct `nosuch`"),
        ("events=", "no struct ``"),
    ] {
        check(&[OPENSNOOP, "--event", event], &[OPENSNOOP, &format!("--event {event}"), why]);
    }
}

#[test]
fn a_broken_capture_is_named_with_the_place() {
    let dir = TempDir::new("captures");
    let good = read(PACKETS);
    let changed = |name: &str, at: usize, bytes: &[u8]| {
        let mut all = good.clone();
        all[at..at + bytes.len()].copy_from_slice(bytes);
        write(&dir, name, &all)
    };
    for (path, why) in [
        ("/nonexistent.pcap".to_owned(), "No such file or directory"),
        ("examples".to_owned(), "Is a directory"),
        ("README.md".to_owned(), "neither pcap nor pcapng"),
        (write(&dir, "empty", b""), "empty file"),
        (write(&dir, "truncated", &good[..100]), "ends in the middle of a record"),
        (write(&dir, "head", &good[..10]), "offset"),
        (changed("raw", 20, &[101]), "only Ethernet"),
        (changed("huge", 32, &[255, 255, 255, 127]), "a record of 2147483647 bytes"),
    ] {
        check_on("embedded", &[XDPCOUNT, "--pcap", &path], &[&path, why]);
    }
}

#[test]
fn a_capture_that_cannot_be_written_is_named() {
    let dir = TempDir::new("outputs");
    let to = |path| [XDPCOUNT, "--pcap", PACKETS, "--pcap-out", path];
    check_on("embedded", &to("/nonexistent/x"), &["/nonexistent/x", "No such file or directory"]);
    check_on("embedded", &to("/dev/full"), &["/dev/full", "No space left"]);
    check_on("embedded", &to("examples"), &["examples", "Is a directory"]);
    let both = write(&dir, "both.pcap", &read(PACKETS));
    check_on(
        "embedded",
        &[XDPCOUNT, "--pcap", &both, "--pcap-out", &both],
        &["both.pcap", "that --pcap reads"],
    );
    assert_eq!(std::fs::read(&both).expect("still there"), read(PACKETS));
}

#[test]
fn a_capture_is_for_packet_programs_on_the_embedded_kernel_and_without_a_command() {
    check_on("embedded", &[OPENSNOOP, "--pcap", PACKETS], &["--pcap", "no program"]);
    check_on("embedded", &[XDPCOUNT, "--pcap", PACKETS, "--", "true"], &["two sources of events"]);
    if backends().contains(&"linux") {
        check_on("linux", &[XDPCOUNT, "--pcap", PACKETS], &["--pcap", "embedded kernel only"]);
    }
    check_on("embedded", &[XDPCOUNT, "--pcap-out", "/tmp/x"], &["--pcap <FILE>"]);
}

#[test]
fn times_that_are_none_are_refused() {
    for (option, time) in
        [("--duration", "2weeks"), ("--duration", "x"), ("--duration", "1e30"), ("--interval", "1s1s")]
    {
        check_on("embedded", &[OPENSNOOP, "--map", "start", option, time], &[option, time]);
    }
    check_on("embedded", &[OPENSNOOP, "--interval", "1s"], &["--map"]);
}

/// Where this machine's Linux has no kprobes, or does not let even root attach to functions, that is what the message says.
#[test]
fn a_kernel_that_refuses_functions_to_root_is_not_asked_for_more_rights() {
    if !backends().contains(&"linux") {
        return;
    }
    let ended = run("linux", &["examples/fentry.bpf.o", "--", "true"]);
    let refused = format!("EPERM ({})", "Operation not permitted");
    match ended.status {
        0 => testkit::skip!("this kernel lets root attach to functions"),
        _ if !ended.err.contains(&refused) => testkit::skip!("not refused but failed: {}", ended.err),
        _ => assert!(ended.err.contains("hint: other BPF programs may be loaded"), "{}", ended.err),
    }
    assert_eq!(Errno::EPERM.to_string(), refused);
}

#[test]
fn every_object_of_the_repository_ends_without_a_panic() {
    let mut paths: Vec<PathBuf> = Vec::new();
    for dir in ["testdata/objects", "testdata/rejected"] {
        let entries = std::fs::read_dir(testkit::root().join(dir)).expect("committed");
        paths.extend(entries.map(|e| e.expect("entry").path()));
    }
    paths.retain(|p| p.extension().is_some_and(|e| e == "o") && !p.ends_with("endless.o"));
    for path in &paths {
        let ended = run("embedded", &[path.to_str().expect("text"), "--", "true"]);
        let told = format!("{}: {}\n{}", path.display(), ended.status, ended.err);
        assert!(ended.status <= 1 && !ended.err.contains("panicked"), "{told}");
        // A run that is not refused ends with its summary.
        assert!(ended.status == 1 || ended.err.contains(" events, "), "{told}");
    }
}
