//! Tracing of real commands: programs see their system calls, their lives, and the functions that they call. As any user may.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod bench;

use std::collections::HashMap;
use std::ffi::OsString;
use std::hint::black_box;
use std::time::{Duration, Instant};

use bench::{Bench, Record, program};
use oxbpf_kernel::{LinkCreate, LinkKind, LinkSource, Target};
use oxbpf_runtime::{Runtime, RuntimeOptions, SourceError};
use oxbpf_uapi::{AttachType, BtfKind, ProgType};

const OPENAT: u64 = 257;
const RMDIR: u64 = 84;
const EXIT_GROUP: u64 = 231;

fn tgid(record: &Record) -> u32 {
    (record.words[1] >> 32) as u32
}

fn tid(record: &Record) -> u32 {
    record.words[1] as u32
}

/// Puts the name of the current thread into the text.
const COMM: &str = "r1 = r10\nr1 += -64\nr2 = 16\ncall get_current_comm";

#[test]
fn tracepoints_of_calls_have_arguments_and_results() {
    let mut bench = Bench::new();
    let read_name = "r1 = r10\nr1 += -64\nr2 = 64\nr3 = *(u64 *)(r6 + 24)\ncall probe_read_user_str\n\
                     r1 = *(u64 *)(r6 + 32)\n*(u64 *)(r10 - 80) = r1\nr1 = *(u32 *)(r6 + 8)\n*(u64 *)(r10 - 72) = r1";
    bench.tracepoint("syscalls", "sys_enter_openat", &program(1, read_name));
    let read_ret = "r1 = *(u64 *)(r6 + 16)\n*(u64 *)(r10 - 80) = r1";
    bench.tracepoint("syscalls", "sys_exit_openat", &program(2, read_ret));
    assert!(bench.run(&["cat", "/etc/hostname", "/nonexistent"]).code() == Some(1));
    let records = bench.records();
    let calls: Vec<_> = records.chunks(2).map(|pair| (&pair[0], &pair[1])).collect();
    assert!(
        calls.iter().all(|(enter, exit)| enter.words[0] == 1
            && exit.words[0] == 2
            && enter.words[1] == exit.words[1])
    );
    let result = |name: &str| {
        let (enter, exit) = calls.iter().find(|(enter, _)| enter.text == name).expect("seen");
        assert_eq!((enter.words[2], enter.words[3]), (0, OPENAT), "flags and number");
        exit.words[2] as i64
    };
    assert!(result("/etc/hostname") >= 3);
    assert_eq!(result("/nonexistent"), -2);
}

#[test]
fn raw_tracepoints_point_at_the_registers_of_the_call() {
    let mut bench = Bench::new();
    let number = "r7 = *(u64 *)(r6 + 0)\nr1 = *(u64 *)(r6 + 8)\n*(u64 *)(r10 - 80) = r1\n\
                  r1 = r10\nr1 += -72\nr2 = 8\nr3 = r7\nr3 += offset(pt_regs.orig_ax)\ncall probe_read_kernel";
    bench.raw_tracepoint("sys_enter", &program(1, number));
    let typed = "r7 = *(u64 *)(r6 + 0)\nr1 = *(u64 *)(r7 + offset(pt_regs.orig_ax))\n*(u64 *)(r10 - 80) = r1\n\
                 r1 = *(u64 *)(r6 + 8)\n*(u64 *)(r10 - 72) = r1";
    bench.tp_btf("sys_exit", &program(2, typed));
    assert!(bench.run(&["true"]).success());
    let records = bench.records();
    let enters: Vec<_> = records.iter().filter(|r| r.words[0] == 1).collect();
    assert!(enters.iter().all(|r| r.words[2] == r.words[3]), "argument and register agree: {enters:?}");
    assert_eq!(enters.last().map(|r| r.words[2]), Some(EXIT_GROUP));
    let exits: Vec<_> = records.iter().filter(|r| r.words[0] == 2).collect();
    // The child waits in a read, which has been entered before; exit_group is never left.
    assert_eq!(exits.len(), enters.len());
    assert_eq!((exits[0].words[2], exits[0].words[3]), (0, 1));
}

#[test]
fn forks_execs_and_exits_come_in_their_order() {
    let mut bench = Bench::new();
    let filename = "r7 = *(u32 *)(r6 + 8)\nr7 &= 65535\nr3 = r6\nr3 += r7\nr1 = r10\nr1 += -64\nr2 = 64\n\
                    call probe_read_kernel_str\nr1 = *(u32 *)(r6 + 12)\n*(u64 *)(r10 - 80) = r1";
    bench.tracepoint("sched", "sched_process_exec", &program(1, filename));
    let child =
        "r1 = *(u32 *)(r6 + 24)\n*(u64 *)(r10 - 72) = r1\nr1 = *(u32 *)(r6 + 44)\n*(u64 *)(r10 - 80) = r1";
    bench.tracepoint("sched", "sched_process_fork", &program(2, child));
    let exit_code = format!(
        "call get_current_task\nr3 = r0\nr3 += offset(task_struct.exit_code)\nr1 = r10\nr1 += -80\nr2 = 4\n\
         call probe_read_kernel\n{COMM}"
    );
    bench.tracepoint("sched", "sched_process_exit", &program(3, &exit_code));
    let status = bench.run(&["sh", "-c", "cat /etc/hostname >/dev/null; exit 3"]);
    assert_eq!(status.code(), Some(3));
    let records = bench.records();
    let kinds: Vec<_> = records.iter().map(|r| r.words[0]).collect();
    assert_eq!(kinds, [1, 2, 1, 3, 3]);
    let [sh, fork, cat, cat_end, sh_end] = &records[..] else { panic!("{records:?}") };
    assert!(sh.text.ends_with("/sh") && cat.text.ends_with("/cat"), "{} {}", sh.text, cat.text);
    assert_eq!(sh.words[2], u64::from(tid(sh)));
    assert_eq!((fork.words[3], fork.words[2]), (u64::from(tid(sh)), u64::from(tid(cat))));
    assert_eq!((cat_end.text.as_str(), cat_end.words[2], tgid(cat_end)), ("cat", 0, tgid(cat)));
    assert_eq!((sh_end.text.as_str(), sh_end.words[2], tgid(sh_end)), ("sh", 3 << 8, tgid(sh)));
}

#[test]
fn typed_tracepoints_lead_through_kernel_objects() {
    let mut bench = Bench::new();
    let walk = "r7 = *(u64 *)(r6 + 0)\n\
                r1 = *(u64 *)(r7 + offset(task_struct.mm))\n\
                r2 = *(u64 *)(r1 + offset(mm_struct.arg_end))\nr3 = *(u64 *)(r1 + offset(mm_struct.arg_start))\nr2 -= r3\n\
                *(u64 *)(r10 - 80) = r2\n\
                r1 = *(u64 *)(r7 + offset(task_struct.real_parent))\n\
                r2 = *(u32 *)(r1 + offset(task_struct.tgid))\n*(u64 *)(r10 - 72) = r2\n\
                r8 = *(u64 *)(r6 + 16)\nr1 = r10\nr1 += -64\nr2 = 64\nr3 = *(u64 *)(r8 + offset(linux_binprm.filename))\n\
                call probe_read_kernel_str\n\
                r1 = *(u32 *)(r8 + offset(linux_binprm.argc))\n*(u64 *)(r10 - 96) = r1";
    bench.tp_btf("sched_process_exec", &program(0, walk));
    let name = "r7 = *(u64 *)(r6 + 0)\n\
                r1 = *(u64 *)(r7 + offset(task_struct.mm))\nr1 = *(u64 *)(r1 + offset(mm_struct.exe_file))\n\
                r1 += offset(file.f_path)\nr1 = *(u64 *)(r1 + offset(path.dentry))\nr1 += offset(dentry.d_name)\n\
                r3 = *(u64 *)(r1 + offset(qstr.name))\nr1 = r10\nr1 += -64\nr2 = 64\ncall probe_read_kernel_str\n\
                r1 = *(u64 *)(r7 + offset(task_struct.cred))\nr1 = *(u32 *)(r1 + offset(cred.uid))\n*(u64 *)(r10 - 80) = r1\n\
                r1 = *(u64 *)(r6 + 8)\n*(u64 *)(r10 - 72) = r1";
    bench.tp_btf("sched_process_exit", &program(9, name));
    assert!(bench.run(&["cat", "/etc/hostname"]).success());
    let records = bench.records();
    let [exec, exit] = &records[..] else { panic!("{records:?}") };
    assert_eq!(exec.words[2], 18, "`cat`, `/etc/hostname` and the bytes that end them");
    assert_eq!(exec.words[3], u64::from(std::process::id()));
    assert_eq!(exec.words[0], 2, "arguments");
    assert!(exec.text.ends_with("/cat"), "{}", exec.text);
    let program = std::fs::canonicalize(&exec.text).expect("the file is there");
    assert_eq!(Some(exit.text.as_str()), program.file_name().and_then(|n| n.to_str()));
    assert_eq!(exit.words[2], u64::from(rustix::process::getuid().as_raw()));
    assert_eq!(exit.words[3], 1, "the last thread of its process");
}

#[test]
fn probes_of_calls_have_the_registers_behind_a_pointer() {
    let mut bench = Bench::new();
    let path = "r3 = *(u64 *)(r6 + offset(pt_regs.di))\nr3 += offset(pt_regs.di)\nr1 = r10\nr1 += -80\nr2 = 8\n\
                call probe_read_kernel\nr3 = *(u64 *)(r10 - 80)\nr1 = r10\nr1 += -64\nr2 = 64\ncall probe_read_user_str\n\
                r1 = r6\ncall get_func_ip\n*(u64 *)(r10 - 72) = r0";
    bench.kprobe("__x64_sys_rmdir", false, &program(1, path));
    let ret = "r1 = *(u64 *)(r6 + offset(pt_regs.ax))\n*(u64 *)(r10 - 80) = r1";
    bench.kprobe("__x64_sys_rmdir", true, &program(2, ret));
    assert!(!bench.run(&["rmdir", "/nonexistent"]).success());
    let records = bench.records();
    let [enter, exit] = &records[..] else { panic!("{records:?}") };
    assert_eq!((enter.words[0], enter.text.as_str()), (1, "/nonexistent"));
    let symbols = bench.kernel.fact(oxbpf_kernel::Fact::Kallsyms).expect("symbols").to_vec();
    let line = format!("{:x} T __x64_sys_rmdir", enter.words[3]);
    assert!(String::from_utf8(symbols).expect("text").lines().any(|l| l == line), "{line}: call {RMDIR}");
    assert_eq!((exit.words[0], exit.words[2] as i64), (2, -2));
}

/// File and offset in it of a function of this program.
fn place_of(function: u64) -> (String, u64) {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let hex = |text: &str| u64::from_str_radix(text, 16).expect("hexadecimal");
    let place = maps.lines().find_map(|line| {
        let words: Vec<_> = line.split_ascii_whitespace().collect();
        let (start, end) = words[0].split_once('-').expect("a range");
        let is_inside = (hex(start)..hex(end)).contains(&function);
        is_inside.then(|| (words[5].to_owned(), function - hex(start) + hex(words[2])))
    });
    place.expect("mapped")
}

/// Calls itself, so that its returns come in another order than its entries.
#[inline(never)]
extern "C" fn descend(depth: u64, sum: u64) -> u64 {
    if depth == 0 {
        return black_box(sum);
    }
    black_box(descend(depth - 1, sum + depth)) + 1
}

const CHILD_VARIABLE: &str = "OXBPF_RUNTIME_TEST_CHILD";
const DEPTH: u64 = 5;
const THREADS: u64 = 3;
const TURNS: u64 = 100;

/// What the command of the tests below does: this test, in a process that has the variable set.
#[test]
fn child_of_the_function_tests() {
    let Some(kind) = std::env::var_os(CHILD_VARIABLE) else { return };
    if kind == "threads" {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| std::thread::spawn(|| (0..TURNS).map(|_| descend(DEPTH, 0)).sum::<u64>()))
            .collect();
        for thread in threads {
            assert_eq!(thread.join().expect("no panic"), TURNS * (15 + DEPTH));
        }
        return;
    }
    assert_eq!(descend(DEPTH, 0), 15 + DEPTH);
}

/// The command that runs `child_of_the_function_tests`.
fn child_command(kind: &str) -> [String; 3] {
    let exe = std::env::current_exe().expect("own path");
    let exe = exe.to_str().expect("UTF-8");
    // The harness in the child would print into our output.
    let script =
        format!("{CHILD_VARIABLE}={kind} exec '{exe}' --exact child_of_the_function_tests >/dev/null 2>&1");
    ["sh".to_owned(), "-c".to_owned(), script]
}

fn descend_bench() -> Bench {
    let mut bench = Bench::new();
    let (path, offset) = place_of((descend as *const ()).expose_provenance() as u64);
    let entry = "r1 = *(u64 *)(r6 + offset(pt_regs.di))\n*(u64 *)(r10 - 80) = r1\n\
                 r1 = r6\ncall get_attach_cookie\n*(u64 *)(r10 - 72) = r0";
    bench.uprobe(&path, offset, false, 77, &program(1, entry));
    let ret = "r1 = *(u64 *)(r6 + offset(pt_regs.ax))\n*(u64 *)(r10 - 80) = r1\n\
               r1 = r6\ncall get_attach_cookie\n*(u64 *)(r10 - 72) = r0";
    bench.uprobe(&path, offset, true, 78, &program(2, ret));
    bench
}

#[test]
fn returns_of_a_recursive_function_are_told_innermost_first() {
    let mut bench = descend_bench();
    assert!(bench.run(&child_command("once").each_ref().map(String::as_str)).success());
    let seen: Vec<_> = bench.records().iter().map(|r| (r.words[0], r.words[2], r.words[3])).collect();
    let entries = (0..=DEPTH).rev().map(|depth| (1, depth, 77));
    let returns = (0..=DEPTH).map(|depth| (2, 15 + depth, 78));
    assert_eq!(seen, entries.chain(returns).collect::<Vec<_>>());
}

#[test]
fn functions_are_seen_in_every_thread_every_time() {
    let mut bench = descend_bench();
    assert!(bench.run(&child_command("threads").each_ref().map(String::as_str)).success());
    let mut counts: HashMap<u32, (u64, u64)> = HashMap::new();
    for record in bench.records() {
        let (entries, returns) = counts.entry(tid(&record)).or_default();
        *if record.words[0] == 1 { entries } else { returns } += 1;
    }
    let each = TURNS * (DEPTH + 1);
    assert_eq!(counts.into_values().collect::<Vec<_>>(), vec![(each, each); THREADS as usize]);
}

#[test]
fn functions_of_libraries_are_seen_in_children_too() {
    let mut bench = Bench::new();
    // The library that this program uses is the one that the shell uses.
    let maps = std::fs::read_to_string("/proc/self/maps").expect("maps");
    let libc =
        maps.lines().find(|l| l.contains("/libc.so.6") && l.contains(" r-xp ")).expect("a dynamic libc");
    let path = libc.split_ascii_whitespace().last().expect("path");
    let bytes = std::fs::read(path).expect("readable");
    let elf = oxbpf_elf::ExecFile::parse(&bytes, path).expect("ELF");
    let malloc = elf.func("malloc").expect("malloc").file_offset;
    bench.uprobe(path, malloc, false, 0, &program(1, COMM));
    let ret = format!("r1 = *(u64 *)(r6 + offset(pt_regs.ax))\n*(u64 *)(r10 - 80) = r1\n{COMM}");
    bench.uprobe(path, malloc, true, 0, &program(2, &ret));
    assert_eq!(
        bench
            .run(&["sh", "-c", "cat /etc/hostname >/dev/null; (cat /etc/hostname >/dev/null); exit 4"])
            .code(),
        Some(4)
    );
    let records = bench.records();
    let count = |kind, comm: &str| records.iter().filter(|r| r.words[0] == kind && r.text == comm).count();
    for comm in ["sh", "cat"] {
        assert!(count(1, comm) > 0, "{comm} allocates");
        assert_eq!(count(1, comm), count(2, comm));
    }
    assert!(records.iter().all(|r| r.words[0] == 1 || r.words[2] != 0), "no allocation fails");
}

#[test]
fn a_clock_samples_what_runs() {
    let mut bench = Bench::new();
    let ip = format!(
        "r1 = *(u64 *)(r6 + 128)\n*(u64 *)(r10 - 80) = r1\nr1 = *(u64 *)(r6 + 168)\n*(u64 *)(r10 - 72) = r1\n{COMM}"
    );
    bench.clock(2_000_000, &program(1, &ip));
    let script = "i=0; while [ $i -lt 150000 ]; do i=$((i+1)); done";
    assert!(bench.run(&["sh", "-c", script]).success());
    let busy = bench.records();
    let in_shell =
        busy.iter().filter(|r| r.text == "sh" && r.words[2] != 0 && r.words[3] == 2_000_000).count();
    assert!(in_shell >= 5, "{in_shell} of {} samples", busy.len());
    // A thread that sleeps stands at one instruction all the time.
    assert!(bench.run(&["sleep", "0.3"]).success());
    let mut places: HashMap<u64, u32> = HashMap::new();
    for record in bench.records().iter().filter(|r| r.text == "sleep") {
        *places.entry(record.words[2]).or_default() += 1;
    }
    let most = places.values().max().copied().unwrap_or(0);
    assert!(most <= 30, "{most} of the 150 samples that a thread would get while it sleeps");
}

#[test]
fn iterators_go_through_the_traced_tasks() {
    let bench = Bench::new();
    let id = bench.btf_id("bpf_iter_task", BtfKind::FUNC);
    let text = "r6 = *(u64 *)(r1 + 0)\nr7 = *(u64 *)(r1 + 8)\nif r7 == 0 goto out\n\
                r1 = *(u32 *)(r7 + offset(task_struct.pid))\n*(u32 *)(r10 - 8) = r1\n\
                r1 = *(u64 *)(r7 + offset(task_struct.real_parent))\nr1 = *(u32 *)(r1 + offset(task_struct.pid))\n*(u32 *)(r10 - 4) = r1\n\
                r1 = *(u64 *)(r6 + 0)\nr2 = r10\nr2 += -8\nr3 = 8\ncall seq_write\nout: r0 = 0\nexit";
    let prog = bench.load(ProgType::TRACING, AttachType::TRACE_ITER, id, text);
    let link = LinkCreate {
        source: LinkSource::Prog(&prog),
        target: Target::None,
        attach_type: AttachType::TRACE_ITER,
        flags: 0,
        kind: LinkKind::Plain,
    };
    let link = bench.kernel.link_create(link).expect("link");
    let read = || {
        let iter = bench.kernel.iter_create(&link).expect("iterator");
        let mut out = [0; 64];
        let len = bench.kernel.read(&iter, &mut out).expect("read");
        out[..len].chunks(4).map(|w| u32::from_ne_bytes(w.try_into().expect("4 bytes"))).collect::<Vec<_>>()
    };
    assert_eq!(read(), []);
    let source = bench.runtime.spawn(&["true".into()]).expect("spawn");
    assert_eq!(read(), [source.pid(), std::process::id()]);
    source.run().expect("run");
    assert_eq!(read(), []);
}

#[test]
fn what_is_detached_is_not_run_any_more() {
    let mut bench = descend_bench();
    bench.raw_tracepoint("sys_enter", &program(3, ""));
    bench.detach();
    assert!(bench.run(&child_command("once").each_ref().map(String::as_str)).success());
    assert_eq!(bench.records(), []);
}

#[test]
fn probes_can_be_detached_while_threads_hit_them() {
    let mut bench = descend_bench();
    let runtime = bench.runtime.clone();
    let tracing = std::thread::spawn(move || {
        let argv = child_command("threads").map(OsString::from);
        runtime.spawn(&argv).expect("spawn").run().expect("run")
    });
    let mut seen = 0;
    while seen < 50 {
        seen += bench.records().len() as u64;
    }
    bench.detach();
    assert!(tracing.join().expect("no panic").success());
    seen += bench.records().len() as u64;
    assert!(seen < THREADS * TURNS * (DEPTH + 1) * 2, "{seen}");
}

#[test]
fn a_command_ends_when_it_is_told_to() {
    let bench = Bench::new();
    let source = bench.runtime.spawn(&["sleep".into(), "60".into()]).expect("spawn");
    let stopper = source.stopper();
    let started = Instant::now();
    let stopping = std::thread::spawn(move || stopper.stop());
    let status = source.run().expect("run");
    assert!(!status.success());
    assert!(started.elapsed() < Duration::from_secs(20));
    stopping.join().expect("no panic");
}

#[test]
fn a_command_that_does_not_want_to_end_is_killed() {
    let mut bench = Bench::new();
    bench.tracepoint("sched", "sched_process_exit", &program(1, COMM));
    let script = "trap '' INT TERM; sleep 60; sleep 60";
    let source = bench.runtime.spawn(&["sh".into(), "-c".into(), script.into()]).expect("spawn");
    let (stopper, pid) = (source.stopper(), source.pid());
    let stopping = std::thread::spawn(move || {
        // When the shell ignores both signals.
        let ignored = |text: String| {
            let mask = text.lines().find_map(|l| l.strip_prefix("SigIgn:"))?.trim().to_owned();
            Some(u64::from_str_radix(&mask, 16).ok()? & 0x4002 == 0x4002)
        };
        while !std::fs::read_to_string(format!("/proc/{pid}/status")).ok().and_then(ignored).expect("alive") {
            std::thread::yield_now();
        }
        stopper.stop();
    });
    let started = Instant::now();
    let status = source.run().expect("run");
    stopping.join().expect("no panic");
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    assert!(started.elapsed() < Duration::from_secs(20));
    assert!(bench.records().iter().any(|r| r.text == "sh"), "programs see the end");
}

#[test]
fn commands_that_cannot_run_are_errors() {
    let runtime = Runtime::new(RuntimeOptions::default()).expect("memory");
    let spawn = |argv: &[&str]| runtime.spawn(&argv.iter().map(OsString::from).collect::<Vec<_>>());
    assert!(matches!(spawn(&[]), Err(SourceError::NoCommand)));
    let error = spawn(&["no-such-command-here"]).expect_err("no command");
    assert!(matches!(&error, SourceError::Command(e) if e.kind() == std::io::ErrorKind::NotFound), "{error}");
    let path = std::env::temp_dir().join(format!("oxbpf-runtime-noexec-{}", std::process::id()));
    std::fs::write(&path, "neither ELF nor script").expect("write");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("chmod");
    let error = spawn(&[path.to_str().expect("UTF-8")]).expect("spawn").run().expect_err("no program");
    assert!(matches!(&error, SourceError::Command(e) if e.raw_os_error() == Some(8)), "{error}");
    std::fs::remove_file(path).expect("remove");
}
