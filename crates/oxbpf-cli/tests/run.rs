//! How runs end and what they leave to the command: signals, time limits, exit status, closed and busy outputs.

mod tool;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value as Json;
use testkit::TempDir;
use tool::{Ended, backends, command, run, wait};

const OPENSNOOP: &str = "examples/opensnoop.bpf.o";
const HELLO: &str = "examples/hello.bpf.o";
const FLOOD: &str = "testdata/rejected/flood.o";

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(child.id() as i32).expect("a process");
    kill_process(pid, signal).expect("it runs");
}

/// Starts a run of a shell script, and waits until the script comes to `READY`.
fn started(backend: &str, options: &[&str], dir: &TempDir, script: &str) -> Child {
    let ready = dir.path().join("ready");
    let _ = std::fs::remove_file(&ready);
    let script = script.replace("READY", &format!("touch {}", ready.display()));
    let args = [options, &["--", "sh", "-c", &script]].concat();
    let child = command(backend, &args).spawn().expect("oxbpf starts");
    let since = Instant::now();
    while !ready.exists() {
        assert!(since.elapsed() < Duration::from_secs(30), "{backend}: the command does not start");
        std::thread::sleep(Duration::from_millis(2));
    }
    child
}

/// The last line on standard error tells what happened.
#[track_caller]
fn check_summary(ended: &Ended) {
    assert!(ended.err.contains(" events, ") && ended.err.contains(" lost"), "{ended:?}");
    assert!(!ended.err.contains("panicked"), "{ended:?}");
}

#[test]
fn the_exit_status_is_that_of_the_command() {
    for &backend in backends() {
        for (script, status) in
            [("exit 0", 0), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
        {
            let ended = run(backend, &[OPENSNOOP, "--", "sh", "-c", script]);
            assert_eq!(ended.status, status, "{backend} {script}: {ended:?}");
            check_summary(&ended);
        }
    }
}

#[test]
fn a_command_reads_the_input_and_writes_to_the_output_of_the_run() {
    for &backend in backends() {
        let mut child =
            command(backend, &[HELLO, "--", "cat"]).stdin(Stdio::piped()).spawn().expect("starts");
        child.stdin.take().expect("piped").write_all(b"first line\nlast line\n").expect("cat reads");
        let ended = wait(child);
        assert_eq!(ended.status, 0, "{ended:?}");
        assert!(ended.out.contains("first line\nlast line\n"), "{ended:?}");
    }
}

/// Whether the run of the tests itself ignores interrupts, which all that it starts inherit: a script's job in the background does.
fn ignores_interrupts() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("procfs");
    let ignored = status.lines().find_map(|l| l.strip_prefix("SigIgn:")).expect("signals");
    let ignored = u64::from_str_radix(ignored.trim(), 16).expect("a mask");
    let is_ignored = ignored & 1 << 1 != 0;
    if is_ignored {
        testkit::skip_this("interrupts are ignored here, as in the background of a script");
    }
    is_ignored
}

#[test]
fn a_command_gets_the_signals_that_others_get() {
    if ignores_interrupts() {
        return;
    }
    for &backend in backends() {
        // Neither blocked nor ignored, whatever the run does with its own.
        let ended = run(backend, &[HELLO, "--", "grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"]);
        let masks: Vec<_> = ended.out.lines().filter(|l| l.starts_with("Sig")).collect();
        assert_eq!(masks.len(), 2, "{ended:?}");
        for mask in masks {
            let bits =
                mask.split_whitespace().last().and_then(|b| u64::from_str_radix(b, 16).ok()).expect(mask);
            // SIGHUP 1, SIGINT 2, SIGPIPE 13, SIGTERM 15, SIGCHLD 17.
            assert_eq!(bits & (1 | 1 << 1 | 1 << 12 | 1 << 14 | 1 << 16), 0, "{backend} {mask}");
        }
    }
}

#[test]
fn an_interrupted_run_ends_its_command_and_sums_up() {
    if ignores_interrupts() {
        return;
    }
    let dir = TempDir::new("interrupted");
    for &backend in backends() {
        for (number, with) in [(2, Signal::INT), (15, Signal::TERM), (1, Signal::HUP)] {
            let child = started(backend, &[OPENSNOOP], &dir, "READY; exec sleep 100");
            let since = Instant::now();
            signal(&child, with);
            let ended = wait(child);
            check_summary(&ended);
            // On the embedded kernel all of them interrupt the command.
            let expect = if backend == "linux" { 128 + number } else { 130 };
            assert_eq!(ended.status, expect, "{backend}: {ended:?}");
            assert!(since.elapsed() < Duration::from_secs(10), "{backend}: {:?}", since.elapsed());
        }
    }
}

#[test]
fn a_command_that_handles_the_interrupt_has_the_last_word() {
    if ignores_interrupts() {
        return;
    }
    let dir = TempDir::new("handler");
    for &backend in backends() {
        let child = started(
            backend,
            &[OPENSNOOP],
            &dir,
            "trap 'echo bye; exit 5' INT; READY; while :; do sleep 0.05; done",
        );
        signal(&child, Signal::INT);
        let ended = wait(child);
        assert_eq!(ended.status, 5, "{backend}: {ended:?}");
        assert!(ended.out.contains("bye\n"), "{ended:?}");
        check_summary(&ended);
    }
}

#[test]
fn a_command_that_ignores_signals_is_killed() {
    let dir = TempDir::new("stubborn");
    for &backend in backends() {
        let script = "trap '' INT TERM HUP; READY; while :; do sleep 0.05; done";
        let child = started(backend, &[OPENSNOOP], &dir, script);
        signal(&child, Signal::INT);
        let ended = wait(child);
        assert_eq!(ended.status, 137, "{backend}: {ended:?}");
        check_summary(&ended);
    }
}

#[test]
fn a_run_ends_when_its_time_is_over() {
    for &backend in backends() {
        let since = Instant::now();
        let ended = run(backend, &[OPENSNOOP, "--duration", "300ms", "--", "sleep", "100"]);
        assert_eq!(ended.status, 0, "{backend}: {ended:?}");
        check_summary(&ended);
        assert!((300..20_000).contains(&since.elapsed().as_millis()), "{:?}", since.elapsed());
    }
}

#[test]
fn a_command_that_is_done_earlier_does_not_wait_for_the_time() {
    for &backend in backends() {
        let ended = run(backend, &[OPENSNOOP, "--duration", "1h", "--", "sh", "-c", "exit 3"]);
        assert_eq!(ended.status, 3, "{backend}: {ended:?}");
    }
}

#[test]
fn without_a_command_a_run_goes_on_until_it_is_interrupted() {
    if !backends().contains(&"linux") {
        return;
    }
    let args = [OPENSNOOP, "--set", "targ_comm=oxbpf-test-cat"];
    let mut child = command("linux", &args).spawn().expect("starts");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(child.try_wait().expect("a child"), None);
    signal(&child, Signal::INT);
    let ended = wait(child);
    assert_eq!(ended.status, 0, "{ended:?}");
    check_summary(&ended);
    // Iterators have nothing to wait for.
    let ended = run("linux", &["examples/tasks.bpf.o"]);
    assert!(ended.status == 0 && ended.out.contains("ppid"), "{ended:?}");
}

#[test]
fn maps_are_shown_at_intervals_and_at_the_end() {
    for &backend in backends() {
        let options = ["examples/syscount.bpf.o", "--map", "counts", "--interval", "50ms"];
        let ended = run(backend, &[&options[..], &["--", "sleep", "0.6"]].concat());
        let shown = ended.out.lines().filter(|l| l.starts_with("map counts (")).count();
        assert!((3..=13).contains(&shown), "{backend}: {shown} times");
    }
}

#[test]
fn an_output_that_nobody_reads_ends_the_run_quietly() {
    for &backend in backends() {
        for json in [false, true] {
            // The command does not write to the closed pipe itself.
            let quiet = "exec cat /dev/zero > /dev/null";
            let options = [FLOOD, "--set", "comm=cat", "--set", "each=200"];
            let json: &[&str] = if json { &["--json"] } else { &[] };
            let args = [&options, json, &["--", "sh", "-c", quiet]].concat();
            let mut child = command(backend, &args).spawn().expect("starts");
            let out = child.stdout.take().expect("piped");
            let mut first = String::new();
            BufReader::with_capacity(64, out).read_line(&mut first).expect("a line");
            assert!(!first.is_empty());
            let since = Instant::now();
            let ended = wait(child);
            assert_eq!((ended.status, &*ended.err), (141, ""), "{backend}");
            assert!(since.elapsed() < Duration::from_secs(20));
        }
    }
}

#[test]
fn an_output_that_takes_nothing_is_an_error() {
    for &backend in backends() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a device");
        let child = command(backend, &[HELLO, "--", "true"]).stdout(full).spawn().expect("starts");
        let ended = wait(child);
        assert_eq!(ended.status, 1, "{ended:?}");
        assert!(ended.err.contains("cannot write to standard output: No space left"), "{ended:?}");
    }
}

#[test]
fn every_line_of_json_is_an_object() {
    for &backend in backends() {
        let count = "while read -r line; do :; done < /proc/self/status";
        let args = [
            FLOOD,
            "--json",
            "--set",
            "comm=sh",
            "--map",
            "flood.bss",
            "--map",
            "events",
            "--",
            "sh",
            "-c",
            count,
        ];
        let ended = run(backend, &args);
        assert_eq!(ended.status, 0, "{ended:?}");
        let lines: Vec<Json> = ended
            .out
            .lines()
            .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{e}: {l:?}")))
            .collect();
        let kind = |line: &Json| line["type"].as_str().expect("a type").to_owned();
        let events: Vec<_> = lines.iter().filter(|l| kind(l) == "event").collect();
        assert!(events.len() > 100, "{backend}: {}", events.len());
        for event in &events {
            let value = &event["value"];
            assert!(value["number"].is_u64() && value["text"].is_string(), "{event}");
            assert!(value["ratio"].is_f64() || value["ratio"].is_null(), "{event}");
        }
        let summary = lines.last().expect("a summary");
        assert_eq!(kind(summary), "summary");
        assert_eq!(summary["events"].as_u64(), Some(events.len() as u64));
        let variables: Vec<_> = lines.iter().filter(|l| kind(l) == "variable").collect();
        assert!(variables.iter().any(|v| v["name"] == "number"), "{backend}");
    }
}

#[test]
fn json_of_other_examples_is_objects_too() {
    let cases: [&[&str]; 3] = [
        &["examples/shapes.bpf.o", "--set", "targ_comm=true", "--", "true"],
        &[HELLO, "--set", "targ_comm=true", "--", "true"],
        &["examples/tasks.bpf.o", "--", "true"],
    ];
    for &backend in backends() {
        for args in cases {
            let ended = run(backend, &[&["--json"], args].concat());
            assert!(ended.out.lines().count() > 1, "{backend} {args:?}: {ended:?}");
            for line in ended.out.lines() {
                let value: Json = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line:?}"));
                assert!(value.is_object(), "{line}");
            }
        }
    }
}

#[test]
fn a_flood_of_events_neither_hangs_nor_stops_the_user() {
    let dir = TempDir::new("flood");
    for &backend in backends() {
        let options = [FLOOD, "--set", "comm=cat", "--set", "each=256"];
        let mut child = started(backend, &options, &dir, "READY; exec cat /dev/zero > /dev/null");
        let mut out = child.stdout.take().expect("piped");
        let count = Arc::new(AtomicU64::new(0));
        let counter = count.clone();
        let reader = std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(n @ 1..) = out.read(&mut buffer) {
                let lines = buffer[..n].iter().filter(|b| **b == b'\n').count();
                counter.fetch_add(lines as u64, Ordering::Relaxed);
            }
        });
        let since = Instant::now();
        while count.load(Ordering::Relaxed) < 5000 {
            assert!(since.elapsed() < Duration::from_secs(60), "{backend}: no events");
            std::thread::sleep(Duration::from_millis(2));
        }
        let since = Instant::now();
        signal(&child, Signal::INT);
        let ended = wait(child);
        assert!(since.elapsed() < Duration::from_secs(50), "{backend}: {:?}", since.elapsed());
        reader.join().expect("no panic");
        let lines = count.load(Ordering::Relaxed);
        assert!(
            ended.err.contains(&format!("oxbpf: {lines} events")),
            "{backend}: {lines} lines, {}",
            ended.err
        );
    }
}

#[test]
fn more_is_said_when_asked_for() {
    for &backend in backends() {
        let said = |option: &[&str]| run(backend, &[option, &[OPENSNOOP, "--", "true"]].concat()).err;
        let (none, steps) = (said(&[]), said(&["-vv"]));
        assert_eq!(none.lines().count(), 1, "{none}");
        assert!(steps.lines().count() > 5, "{steps}");
        assert!(steps.lines().all(|l| l.len() < 4000), "{steps}");
        assert!(!said(&["-v"]).contains("warning"), "{backend}");
    }
}

#[test]
fn the_choice_of_the_kernel_is_one_line() {
    let ended = run("auto", &[OPENSNOOP, "--", "true"]);
    let lines: Vec<_> = ended.err.lines().filter(|l| l.starts_with("oxbpf: running on ")).collect();
    let expect = if testkit::why_no_bpf().is_none() { "Linux: " } else { "the embedded kernel: " };
    assert_eq!(lines.len(), 1, "{ended:?}");
    assert!(lines[0].contains(expect), "{lines:?}");
    assert_eq!(ended.status, 0, "{ended:?}");
}
