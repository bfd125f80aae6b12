//! Tracing of real commands, as any user may trace what he starts.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::hint::black_box;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use oxbpf_sys::process::StoppedChild;
use oxbpf_sys::trace::{self, TraceEvent, Tracee};
use oxbpf_uapi::Errno;

fn spawn(program: &str, args: &[&str]) -> Tracee {
    let args: Vec<OsString> = args.iter().map(Into::into).collect();
    let child = StoppedChild::spawn(program.as_ref(), &args).expect("spawn");
    Tracee::new(child).expect("trace")
}

fn next(tracee: &mut Tracee) -> TraceEvent {
    tracee.next_event(Some(Duration::from_secs(20))).expect("no error").expect("an event in time")
}

fn all_events(tracee: &mut Tracee) -> Vec<TraceEvent> {
    let mut events = Vec::new();
    loop {
        match next(tracee) {
            TraceEvent::Done => return events,
            event => events.push(event),
        }
    }
}

fn text_at(tracee: &Tracee, tid: u32, addr: u64) -> String {
    let mut buf = [0; 256];
    let len = tracee.read_some(tid, addr, &mut buf).expect("mapped");
    let text = buf[..len].split(|b| *b == 0).next().expect("a first part");
    String::from_utf8_lossy(text).into_owned()
}

#[cfg(target_arch = "x86_64")]
mod nr {
    pub(super) const READ: u64 = 0;
    pub(super) const WRITE: u64 = 1;
    pub(super) const EXECVE: u64 = 59;
    pub(super) const OPENAT: u64 = 257;
    pub(super) const EXIT_GROUP: u64 = 231;
}
#[cfg(not(target_arch = "x86_64"))]
mod nr {
    pub(super) const READ: u64 = 63;
    pub(super) const WRITE: u64 = 64;
    pub(super) const EXECVE: u64 = 221;
    pub(super) const OPENAT: u64 = 56;
    pub(super) const EXIT_GROUP: u64 = 94;
}

#[test]
fn a_command_is_seen_from_its_exec_to_its_exit() {
    let mut tracee = spawn("/bin/true", &[]);
    let pid = tracee.pid();
    let events = all_events(&mut tracee);
    let first = TraceEvent::SyscallExit { tid: pid, pid, nr: nr::READ, ret: 1 };
    assert_eq!(events.first(), Some(&first), "the end of the read that the child waited in");
    let is_execve = |e: &&TraceEvent| matches!(e, TraceEvent::SyscallEnter { nr: nr::EXECVE, .. });
    assert_eq!(events.iter().filter(is_execve).count(), 1);
    let exec = events.iter().position(|e| *e == TraceEvent::Exec { pid, old_tid: pid }).expect("exec");
    assert_eq!(events[exec + 1], TraceEvent::SyscallExit { tid: pid, pid, nr: nr::EXECVE, ret: 0 });
    let [.., last_call, exit, end] = &events[..] else { panic!("{events:?}") };
    assert!(matches!(last_call, TraceEvent::SyscallEnter { nr: nr::EXIT_GROUP, args: [0, ..], .. }));
    let status = std::process::ExitStatus::from_raw(0);
    assert_eq!(*exit, TraceEvent::Exit { tid: pid, pid, status, group_dead: true });
    assert_eq!(*end, TraceEvent::MainExited { status });
    assert_eq!(tracee.status(), Some(status));
    assert_eq!(next(&mut tracee), TraceEvent::Done);
}

#[test]
fn every_exit_belongs_to_its_entry() {
    let mut tracee = spawn("sh", &["-c", "cat /etc/hostname >/dev/null; exit 3"]);
    let mut inside: HashMap<u32, u64> = HashMap::new();
    let mut opened = Vec::new();
    let mut seen = HashSet::new();
    loop {
        match next(&mut tracee) {
            TraceEvent::SyscallEnter { tid, nr, args, .. } => {
                assert_eq!(inside.insert(tid, nr), None);
                if nr == nr::OPENAT {
                    opened.push(text_at(&tracee, tid, args[1]));
                }
            }
            TraceEvent::SyscallExit { tid, nr, .. } => {
                // The first of the command and of each child belongs to an entry before tracing.
                let entered = inside.remove(&tid);
                assert!(entered == Some(nr) || (entered.is_none() && seen.insert(tid)), "{tid}: {nr}");
            }
            TraceEvent::Done => break,
            _ => {}
        }
    }
    assert!(opened.iter().any(|path| path == "/etc/hostname"), "{opened:?}");
    assert_eq!(tracee.status().and_then(|s| s.code()), Some(3));
}

#[test]
fn forks_are_told_before_their_children_do_anything() {
    let mut tracee = spawn("sh", &["-c", "(true; exit 4); (sleep 0.01; true) & wait; echo end >/dev/null"]);
    let mut known = vec![tracee.pid()];
    let mut ended = 0;
    for event in all_events(&mut tracee) {
        match event {
            TraceEvent::Fork { parent, child, child_pid, is_thread, .. } => {
                assert!(known.contains(&parent));
                assert!(!is_thread && child == child_pid);
                known.push(child);
            }
            TraceEvent::SyscallEnter { tid, .. } | TraceEvent::SyscallExit { tid, .. } => {
                assert!(known.contains(&tid));
            }
            TraceEvent::Exit { group_dead, .. } => {
                assert!(group_dead);
                ended += 1;
            }
            _ => {}
        }
    }
    assert!(known.len() >= 3, "{known:?}");
    assert_eq!(ended, known.len());
    assert_eq!(tracee.status().and_then(|s| s.code()), Some(0));
}

#[test]
fn signals_reach_the_command() {
    let mut tracee = spawn("sh", &["-c", "trap 'exit 7' USR1; kill -USR1 $$; exit 8"]);
    let events = all_events(&mut tracee);
    let pid = tracee.pid();
    assert!(events.contains(&TraceEvent::Signal { tid: pid, pid, signal: libc::SIGUSR1 }));
    assert_eq!(tracee.status().and_then(|s| s.code()), Some(7));

    let mut tracee = spawn("sh", &["-c", "kill -KILL $$"]);
    all_events(&mut tracee);
    assert_eq!(tracee.status().and_then(|s| s.signal()), Some(libc::SIGKILL));
}

#[test]
fn a_stopped_command_goes_on_after_sigcont() {
    let script = "(sleep 0.05; kill -CONT $$) & kill -STOP $$; exit 5";
    let mut tracee = spawn("sh", &["-c", script]);
    tracee.trace_syscalls(false);
    let events = all_events(&mut tracee);
    assert!(!events.iter().any(|e| matches!(e, TraceEvent::SyscallEnter { .. })), "not asked for");
    assert_eq!(tracee.status().and_then(|s| s.code()), Some(5));
}

#[test]
fn waiting_ends_at_the_timeout() {
    let mut tracee = spawn("sleep", &["30"]);
    let pid = tracee.pid();
    loop {
        match tracee.next_event(Some(Duration::from_millis(30))).expect("no error") {
            Some(TraceEvent::Done) => panic!("sleep ended"),
            Some(_) => {}
            None => break,
        }
    }
    drop(tracee);
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "dropping kills and reaps");
}

#[test]
fn a_file_that_is_no_program_is_told_with_its_error() {
    let path = std::env::temp_dir().join(format!("oxbpf-trace-noexec-{}", std::process::id()));
    std::fs::write(&path, "neither ELF nor script").expect("write");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&path, mode).expect("chmod");
    let mut tracee = spawn(path.to_str().expect("UTF-8"), &[]);
    all_events(&mut tracee);
    let error = tracee.exec_result().expect_err("no program");
    assert_eq!(error.raw_os_error(), Some(libc::ENOEXEC));
    assert_eq!(tracee.status().and_then(|s| s.code()), Some(127));
    std::fs::remove_file(path).expect("remove");
}

#[test]
fn attaching_to_a_running_process_lets_it_live_afterwards() {
    let mut child = std::process::Command::new("cat")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("spawn");
    // `cat` is in its read when the pipe has been emptied, which a line going round shows.
    let (mut stdin, mut stdout) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let mut line = [0; 3];
    std::io::Write::write_all(&mut stdin, b"hi\n").expect("write");
    std::io::Read::read_exact(&mut stdout, &mut line).expect("read");

    let mut tracee = Tracee::attach(child.id()).expect("attach");
    std::io::Write::write_all(&mut stdin, b"ho\n").expect("write");
    loop {
        if let TraceEvent::SyscallEnter { nr: nr::WRITE, args, tid, .. } = next(&mut tracee) {
            assert_eq!(text_at(&tracee, tid, args[1])[..3], *"ho\n");
            break;
        }
    }
    tracee.detach();
    std::io::Read::read_exact(&mut stdout, &mut line).expect("read");
    assert_eq!(&line, b"ho\n");
    drop(stdin);
    assert!(child.wait().expect("wait").success());
}

#[test]
fn memory_that_is_not_there_is_a_fault_and_what_is_before_it_is_read() {
    let mut tracee = spawn("/bin/true", &[]);
    let (tid, path) = loop {
        if let TraceEvent::SyscallEnter { nr: nr::EXECVE, tid, args, .. } = next(&mut tracee) {
            break (tid, args[0]);
        }
    };
    assert_eq!(text_at(&tracee, tid, path), "/bin/true");
    assert_eq!(tracee.read(tid, 0x10, &mut [0; 8]), Err(Errno::EFAULT));
    assert_eq!(tracee.write(tid, 0x10, &[0; 8]), Err(Errno::EFAULT));
    let text_of_this_program = (spawn as *const ()).expose_provenance() as u64;
    assert_eq!(tracee.write(tid, text_of_this_program, &[0]), Err(Errno::EFAULT), "code is read-only");
}

/// The function that the breakpoint tests stop at; the child process has it too, being the same program.
#[inline(never)]
extern "C" fn stop_here(turn: u64, sum: u64) -> u64 {
    black_box(turn) + black_box(sum)
}

const CHILD_VARIABLE: &str = "OXBPF_TRACE_TEST_CHILD";
const THREADS: u64 = 4;
const TURNS: u64 = 200;

/// What the child of the tests below does: this test, in a process that has the variable set.
#[test]
fn child_of_the_breakpoint_tests() {
    let Some(kind) = std::env::var_os(CHILD_VARIABLE) else { return };
    if kind == "fork" {
        // The child of the shell has its own memory; `stop_here` is only in this program, so it starts itself again.
        assert_eq!(stop_here(1, 2), 3);
        let status = std::process::Command::new(std::env::current_exe().expect("own path"))
            .args(["--exact", "child_of_the_breakpoint_tests"])
            .env(CHILD_VARIABLE, "once")
            .stdout(std::process::Stdio::null())
            .status()
            .expect("spawn");
        assert!(status.success());
        assert_eq!(stop_here(3, 4), 7);
        return;
    }
    if kind == "once" {
        assert_eq!(stop_here(5, 6), 11);
        return;
    }
    let threads: Vec<_> = (0..THREADS)
        .map(|_| std::thread::spawn(|| (0..TURNS).fold(0, |sum, turn| stop_here(turn, sum))))
        .collect();
    for thread in threads {
        assert_eq!(thread.join().expect("no panic"), TURNS * (TURNS - 1) / 2);
    }
}

/// First address of the program's own file in a process.
fn base_of(pid: u32) -> u64 {
    let exe = std::fs::read_link(format!("/proc/{pid}/exe")).expect("exe");
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("maps");
    let line = maps.lines().find(|l| l.ends_with(exe.to_str().expect("UTF-8"))).expect("mapped");
    u64::from_str_radix(line.split('-').next().expect("range"), 16).expect("hex")
}

fn spawn_self(kind: &str) -> Tracee {
    let exe = std::env::current_exe().expect("own path");
    // The harness in the child would print into our output.
    let script =
        format!("{CHILD_VARIABLE}={kind} exec \"$0\" --exact child_of_the_breakpoint_tests >/dev/null 2>&1");
    spawn("sh", &["-c", &script, exe.to_str().expect("UTF-8")])
}

fn address_in(pid: u32) -> u64 {
    (stop_here as *const ()).expose_provenance() as u64 - base_of(std::process::id()) + base_of(pid)
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_breakpoint_stops_every_thread_every_time() {
    for traces_syscalls in [true, false] {
        let mut tracee = spawn_self("threads");
        tracee.trace_syscalls(traces_syscalls);
        let (mut execs, mut hits, mut sum_of_turns, mut addr) = (0, 0, 0, 0);
        let mut tids = Vec::new();
        loop {
            match next(&mut tracee) {
                // The shell, then this program.
                TraceEvent::Exec { pid, .. } => {
                    execs += 1;
                    if execs == 2 {
                        addr = address_in(pid);
                        tracee.insert_breakpoint(pid, addr).expect("insert");
                        let mut code = [0; 1];
                        tracee.read(pid, addr, &mut code).expect("mapped");
                        assert_ne!(code, [0xcc], "reads do not show it");
                    }
                }
                TraceEvent::Breakpoint { tid, addr: at, .. } => {
                    assert_eq!(at, addr);
                    let regs = tracee.regs(tid).expect("stopped");
                    assert_eq!(regs.ip, addr);
                    sum_of_turns += regs.di;
                    hits += 1;
                    tids.push(tid);
                }
                TraceEvent::Done => break,
                _ => {}
            }
        }
        tids.sort_unstable();
        tids.dedup();
        assert_eq!(tracee.status().and_then(|s| s.code()), Some(0));
        assert_eq!(hits, THREADS * TURNS);
        assert_eq!(sum_of_turns, THREADS * TURNS * (TURNS - 1) / 2);
        assert_eq!(tids.len() as u64, THREADS);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_breakpoint_is_gone_after_removal_and_not_in_another_program() {
    let mut tracee = spawn_self("fork");
    tracee.trace_syscalls(false);
    let (mut execs, mut hits) = (0, 0);
    loop {
        match next(&mut tracee) {
            TraceEvent::Exec { pid, .. } => {
                execs += 1;
                if execs == 2 {
                    tracee.insert_breakpoint(pid, address_in(pid)).expect("insert");
                }
            }
            TraceEvent::Breakpoint { tid, pid, addr } => {
                hits += 1;
                assert_eq!(tracee.regs(tid).expect("stopped").di, if hits == 1 { 1 } else { 3 });
                if hits == 2 {
                    tracee.remove_breakpoint(pid, addr).expect("remove");
                }
            }
            TraceEvent::Done => break,
            _ => {}
        }
    }
    assert_eq!(hits, 2, "before and after the child, not in it");
    assert_eq!(execs, 3);
    assert_eq!(tracee.status().and_then(|s| s.code()), Some(0));
}

/// Threads of a process that stand still for their tracer.
#[cfg(target_arch = "x86_64")]
fn stopped_threads(pid: u32) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).expect("alive");
    let is_stopped = |path: &Path| {
        let stat = std::fs::read_to_string(path.join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('t'))
    };
    threads.filter(|entry| entry.as_ref().is_ok_and(|e| is_stopped(&e.path()))).count()
}

#[cfg(target_arch = "x86_64")]
#[test]
fn threads_that_hit_a_breakpoint_while_it_is_removed_go_on() {
    for _ in 0..5 {
        let mut tracee = spawn_self("threads");
        tracee.trace_syscalls(false);
        let (mut execs, mut hits) = (0, 0);
        loop {
            match next(&mut tracee) {
                TraceEvent::Exec { pid, .. } => {
                    execs += 1;
                    if execs == 2 {
                        tracee.insert_breakpoint(pid, address_in(pid)).expect("insert");
                    }
                }
                TraceEvent::Breakpoint { tid, pid, addr } => {
                    hits += 1;
                    if hits == 50 {
                        while stopped_threads(pid) < 2 {
                            std::thread::yield_now();
                        }
                        tracee.remove_breakpoint(tid, addr).expect("remove");
                    }
                }
                TraceEvent::Done => break,
                event => assert!(!matches!(event, TraceEvent::Signal { .. }), "{event:?}"),
            }
        }
        assert_eq!(tracee.status().and_then(|s| s.code()), Some(0));
        assert!(hits >= 50);
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn registers_that_are_set_are_what_the_task_goes_on_with() {
    let mut tracee = spawn_self("once");
    tracee.trace_syscalls(false);
    let mut execs = 0;
    loop {
        match next(&mut tracee) {
            TraceEvent::Exec { pid, .. } => {
                execs += 1;
                if execs == 2 {
                    tracee.insert_breakpoint(pid, address_in(pid)).expect("insert");
                }
            }
            TraceEvent::Breakpoint { tid, .. } => {
                let mut regs = tracee.regs(tid).expect("stopped");
                regs.di = 100;
                tracee.set_regs(tid, &regs).expect("stopped");
            }
            TraceEvent::Done => break,
            _ => {}
        }
    }
    // The child asserts that 5 + 6 is 11, and now it is not.
    assert_eq!(tracee.status().and_then(|s| s.code()), Some(101));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_task_that_runs_can_be_looked_at_and_runs_on() {
    let mut tracee = spawn("sh", &["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; exit 6"]);
    tracee.trace_syscalls(false);
    let pid = tracee.pid();
    let mut looks = 0;
    loop {
        match tracee.next_event(Some(Duration::from_millis(1))).expect("no error") {
            Some(TraceEvent::Done) => break,
            Some(_) => {}
            None => {
                if tracee.interrupt(pid) == Ok(true) {
                    assert_ne!(tracee.regs(pid).expect("stopped").ip, 0);
                    assert_eq!(tracee.interrupt(pid), Ok(false), "it is stopped already");
                    looks += 1;
                }
            }
        }
    }
    assert!(looks > 0);
    assert_eq!(tracee.status().and_then(|s| s.code()), Some(6));
}

#[test]
fn memory_is_reached_without_the_tracer_at_hand() {
    let mut tracee = spawn("/bin/true", &[]);
    let (tid, path, sp) = loop {
        if let TraceEvent::SyscallEnter { nr: nr::EXECVE, tid, args, sp, .. } = next(&mut tracee) {
            break (tid, args[0], sp);
        }
    };
    let mut bytes = [0; 9];
    assert_eq!(trace::read_memory(tid, path, &mut bytes), Ok(9));
    assert_eq!(&bytes, b"/bin/true");
    trace::write_memory(tid, sp - 64, &[7; 8]).expect("a stack is writable");
    let mut bytes = [0; 8];
    assert_eq!(trace::read_memory(tid, sp - 64, &mut bytes), Ok(8));
    assert_eq!(bytes, [7; 8]);
    assert_eq!(trace::read_memory(tid, 0x10, &mut bytes), Err(Errno::EFAULT));
    assert_eq!(trace::write_memory(tid, 0x10, &bytes), Err(Errno::EFAULT));
}

#[test]
fn reads_are_counted_by_number() {
    let mut tracee = spawn("cat", &["/etc/hostname"]);
    let is_read = |e: &&TraceEvent| matches!(e, TraceEvent::SyscallExit { nr: nr::READ, ret: 1.., .. });
    assert!(all_events(&mut tracee).iter().filter(is_read).count() >= 1);
}

#[test]
fn a_child_can_be_traced_by_another_thread_than_its_parent() {
    let child = StoppedChild::spawn("/bin/true".as_ref(), &[]).expect("spawn");
    let tracer = std::thread::spawn(move || {
        let mut tracee = Tracee::new(child).expect("trace");
        all_events(&mut tracee).len()
    });
    assert!(tracer.join().expect("no panic") > 4);
}
