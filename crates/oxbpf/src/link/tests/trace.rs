//! Tracepoints, functions of the kernel, samplers, iterators.

use std::io::Read;
use std::time::{Duration, Instant};

use super::*;
use crate::error::ErrorKind;
use crate::link::{
    IterOpts, IterTarget, KprobeMultiOpts, KprobeOpts, KsyscallOpts, Link, PerfEventBuilder, PerfEventOpts,
    ProbeMode, Probes, RawTracepointOpts, TraceOpts, TracepointOpts, kprobe, perf, tracepoint, tracing,
};

const TRACEPOINT: LoadAs =
    LoadAs { prog_type: ProgType::TRACEPOINT, attach_type: AttachType(0), attach_btf_id: 0, flags: 0 };
const KPROBE: LoadAs =
    LoadAs { prog_type: ProgType::KPROBE, attach_type: AttachType(0), attach_btf_id: 0, flags: 0 };

/// The event is seen while the link lives, and not after.
#[track_caller]
fn check_lifetime(probe: &Probe, link: Link, trigger: impl Fn()) {
    let before = probe.count();
    trigger();
    assert!(probe.count() > before, "the program did not run: {link:?}");
    link.detach().expect("detaches");
    let after = probe.count();
    trigger();
    assert_eq!(probe.count(), after, "the program still runs");
}

#[test]
fn tracepoint_runs_the_program_until_the_link_is_dropped() {
    let Some(kernel) = kernel() else { return };
    let probe = Probe::of_this_thread(&kernel, TRACEPOINT).expect("loads");
    let link =
        tracepoint::attach(&probe.attach(), "syscalls", "sys_enter_getppid", TracepointOpts::default());
    check_lifetime(&probe, link.expect("attaches"), call_getppid);
}

#[test]
fn tracepoint_runs_the_program_without_a_bpf_link() {
    let Some(kernel) = kernel() else { return };
    let probe = Probe::of_this_thread(&kernel, TRACEPOINT).expect("loads");
    let id =
        perf::number_fact(&kernel, Fact::TracepointId { category: "syscalls", name: "sys_enter_getppid" });
    let spec = oxbpf_kernel::PerfEventSpec { kind: 2, config: id.expect("an id"), ..Default::default() };
    let event = perf::open(&kernel, spec, -1, 0).expect("opens");
    let opts = PerfEventOpts { force_ioctl_attach: true, ..PerfEventOpts::default() };
    let link = perf::attach(&probe.attach(), event, opts).expect("attaches");
    assert!(link.fd().is_none());
    check_lifetime(&probe, link, call_getppid);
}

#[test]
fn cookie_reaches_the_program() {
    let Some(kernel) = kernel() else { return };
    if !Features::of(&kernel).has(crate::feature::Feature::BpfCookie) {
        return skip("no cookies before Linux 5.15");
    }
    let thread = thread_id();
    let probe = Probe::load(&kernel, TRACEPOINT, |counter| {
        let mut insns = only_thread(thread);
        insns.extend([mov_reg(1, 6), call(HelperId::GET_ATTACH_COOKIE), mov_reg(7, 0)]);
        insns.extend(add_r7(counter, 0));
        insns
    });
    let probe = probe.expect("loads");
    let opts = TracepointOpts { cookie: 0x1234_5678_9abc };
    let link = tracepoint::attach(&probe.attach(), "syscalls", "sys_enter_getppid", opts).expect("attaches");
    call_getppid();
    drop(link);
    assert_eq!(probe.count(), 0x1234_5678_9abc);
}

#[test]
fn raw_tracepoint_runs_the_program_until_the_link_is_dropped() {
    let Some(kernel) = kernel() else { return };
    let load_as = LoadAs { prog_type: ProgType::RAW_TRACEPOINT, ..LoadAs::default() };
    let probe = Probe::of_this_thread(&kernel, load_as).expect("loads");
    let link = tracepoint::attach_raw(&probe.attach(), "sys_enter", RawTracepointOpts::default());
    check_lifetime(&probe, link.expect("attaches"), call_getppid);
}

#[test]
fn missing_tracepoints_are_named_in_the_error() {
    let Some(kernel) = kernel() else { return };
    let probe = Probe::of_this_thread(&kernel, TRACEPOINT).expect("loads");
    let error =
        tracepoint::attach(&probe.attach(), "syscalls", "sys_enter_nothing", TracepointOpts::default());
    let error = error.expect_err("no such tracepoint");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert_eq!(error.to_string(), "tracepoint `syscalls/sys_enter_nothing`: there is no such tracepoint");

    let load_as = LoadAs { prog_type: ProgType::RAW_TRACEPOINT, ..LoadAs::default() };
    let probe = Probe::of_this_thread(&kernel, load_as).expect("loads");
    let error = tracepoint::attach_raw(&probe.attach(), "nothing", RawTracepointOpts::default());
    assert_eq!(error.map_err(|e| e.kind()).err(), Some(ErrorKind::NotFound));
    let error = kprobe::attach(&probe.attach(), "vfs_read", KprobeOpts::default()).expect_err("another type");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

/// Loads a program for something that BTF names; `None`, with the reason printed, if the kernel does not let it.
fn load_by_btf(kernel: &Kernel, load_as: LoadAs, name: &str, kind: BtfKind) -> Option<Probe> {
    let Some(id) = vmlinux_id(kernel, name, kind) else {
        skip(&format!("no {name} in the kernel's BTF"));
        return None;
    };
    match Probe::of_this_thread(kernel, LoadAs { attach_btf_id: id.0, ..load_as }) {
        Ok(probe) => Some(probe),
        Err(e) => {
            skip(&format!("loading for {name}: {e}"));
            None
        }
    }
}

#[test]
fn tp_btf_runs_the_program_until_the_link_is_dropped() {
    let Some(kernel) = kernel() else { return };
    let load_as =
        LoadAs { prog_type: ProgType::TRACING, attach_type: AttachType::TRACE_RAW_TP, ..LoadAs::default() };
    let Some(probe) = load_by_btf(&kernel, load_as, "btf_trace_sys_enter", BtfKind::TYPEDEF) else { return };
    let link = tracing::attach(&probe.attach(), TraceOpts::default()).expect("attaches");
    check_lifetime(&probe, link, call_getppid);
}

/// Function of the kernel behind getppid(2), as BTF and ftrace call it: its other names are aliases.
const GETPPID: &str = "__do_sys_getppid";

/// Another name of [`GETPPID`], that the entry table has.
fn getppid_function() -> String {
    kprobe::SYSCALL_PREFIX.map_or("__se_sys_getppid".into(), |prefix| format!("__{prefix}_sys_getppid"))
}

#[test]
fn fentry_and_fexit_run_the_program_until_the_link_is_dropped() {
    let Some(kernel) = kernel() else { return };
    for attach_type in [AttachType::TRACE_FENTRY, AttachType::TRACE_FEXIT] {
        let load_as = LoadAs { prog_type: ProgType::TRACING, attach_type, ..LoadAs::default() };
        let Some(probe) = load_by_btf(&kernel, load_as, GETPPID, BtfKind::FUNC) else { return };
        match tracing::attach(&probe.attach(), TraceOpts::default()) {
            Ok(link) => check_lifetime(&probe, link, call_getppid),
            Err(e) => return skip(&format!("{attach_type}: {e}")),
        }
    }
}

#[test]
fn lsm_hook_runs_the_program_until_the_link_is_dropped() {
    let Some(kernel) = kernel() else { return };
    let active = std::fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
    if !active.trim().split(',').any(|lsm| lsm == "bpf") {
        return skip("the bpf LSM is not active (boot with lsm=...,bpf)");
    }
    let load_as = LoadAs { prog_type: ProgType::LSM, attach_type: AttachType::LSM_MAC, ..LoadAs::default() };
    let Some(probe) = load_by_btf(&kernel, load_as, "bpf_lsm_file_open", BtfKind::FUNC) else { return };
    match tracing::attach(&probe.attach(), TraceOpts::default()) {
        Ok(link) => check_lifetime(&probe, link, || drop(std::fs::read("/proc/self/comm"))),
        Err(e) => skip(&format!("LSM: {e}")),
    }
}

/// Whether the kernel lets anybody put kprobes; prints why not.
fn has_kprobes(kernel: &Kernel) -> bool {
    let probe = Probe::of_this_thread(kernel, KPROBE).expect("loads");
    match kprobe::attach(&probe.attach(), &getppid_function(), KprobeOpts::default()) {
        Ok(_) => true,
        Err(e) => {
            skip(&format!("{e}"));
            false
        }
    }
}

#[test]
fn kprobe_runs_the_program_at_entry_offset_and_return() {
    let Some(kernel) = kernel() else { return };
    if !has_kprobes(&kernel) {
        return;
    }
    let probe = Probe::of_this_thread(&kernel, KPROBE).expect("loads");
    let at_return = KprobeOpts { is_return: true, ..KprobeOpts::default() };
    let by_ioctl = KprobeOpts { mode: ProbeMode::Perf, ..KprobeOpts::default() };
    for opts in [KprobeOpts::default(), at_return, by_ioctl] {
        let link = kprobe::attach(&probe.attach(), &getppid_function(), opts).expect("attaches");
        check_lifetime(&probe, link, call_getppid);
    }
    let link = kprobe::attach_syscall(&probe.attach(), "getppid", KsyscallOpts::default()).expect("attaches");
    check_lifetime(&probe, link, call_getppid);
    let at_return = KsyscallOpts { is_return: true, ..KsyscallOpts::default() };
    let link = kprobe::attach_syscall(&probe.attach(), "getppid", at_return).expect("attaches");
    check_lifetime(&probe, link, call_getppid);
}

#[test]
fn kprobe_on_a_missing_function_is_named_in_the_error() {
    let Some(kernel) = kernel() else { return };
    if !has_kprobes(&kernel) {
        return;
    }
    let probe = Probe::of_this_thread(&kernel, KPROBE).expect("loads");
    let error =
        kprobe::attach(&probe.attach(), "no_such_function", KprobeOpts::default()).expect_err("missing");
    assert!(error.to_string().starts_with("kprobe `no_such_function`: perf_event_open: "), "{error}");
    assert!(error.hint().contains("kallsyms"), "{}", error.hint());
    let bad = KprobeOpts { is_return: true, offset: 4, ..KprobeOpts::default() };
    let error =
        kprobe::attach(&probe.attach(), &getppid_function(), bad).expect_err("a return has no offset");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn kprobe_multi_runs_the_program_at_all_functions_that_match() {
    let Some(kernel) = kernel() else { return };
    let load_as = LoadAs { attach_type: AttachType::TRACE_KPROBE_MULTI, ..KPROBE };
    let Ok(probe) = Probe::of_this_thread(&kernel, load_as) else { return skip("no kprobe multi links") };
    let function = getppid_function();
    let by_name = kprobe::attach_multi(&probe.attach(), &function, KprobeMultiOpts::default());
    let link = match by_name {
        Ok(link) => link,
        Err(e) => return skip(&format!("{e}")),
    };
    check_lifetime(&probe, link, call_getppid);
    let at_return = KprobeMultiOpts { is_return: true, ..KprobeMultiOpts::default() };
    let unique = KprobeMultiOpts { unique_match: true, ..KprobeMultiOpts::default() };
    for opts in [KprobeMultiOpts::default(), at_return, unique] {
        let link = kprobe::attach_multi(&probe.attach(), "__do_sys_getpp*", opts).expect("attaches");
        check_lifetime(&probe, link, call_getppid);
    }
    let functions: [&str; 1] = [&function];
    let names = Probes::Syms(&functions);
    let with_cookie = KprobeMultiOpts { cookies: &[7], ..KprobeMultiOpts::default() };
    let link = kprobe::attach_multi_at(&probe.attach(), names, with_cookie).expect("attaches");
    check_lifetime(&probe, link, call_getppid);

    let missing = kprobe::attach_multi(&probe.attach(), "no_such_func*", KprobeMultiOpts::default());
    assert_eq!(missing.map_err(|e| e.kind()).err(), Some(ErrorKind::NotFound));
    let missing = kprobe::attach_multi(&probe.attach(), "no_such_function", KprobeMultiOpts::default());
    assert_eq!(missing.map_err(|e| e.kind()).err(), Some(ErrorKind::NotFound));
    let many = kprobe::attach_multi(&probe.attach(), "vfs_*", unique).expect_err("many match");
    assert_eq!(many.kind(), ErrorKind::InvalidInput);
}

#[test]
fn kprobe_session_runs_the_program_at_entry_and_return() {
    let Some(kernel) = kernel() else { return };
    let load_as = LoadAs { attach_type: AttachType::TRACE_KPROBE_SESSION, ..KPROBE };
    let Ok(probe) = Probe::of_this_thread(&kernel, load_as) else { return skip("no kprobe sessions") };
    let opts = KprobeMultiOpts { is_session: true, ..KprobeMultiOpts::default() };
    let link = match kprobe::attach_multi(&probe.attach(), &getppid_function(), opts) {
        Ok(link) => link,
        Err(e) => return skip(&format!("{e}")),
    };
    let before = probe.count();
    call_getppid();
    assert_eq!(probe.count() - before, 2);
    drop(link);
}

/// Samples arrive while the link lives, and not after.
#[track_caller]
fn check_samples(probe: &Probe, event: &PerfEventBuilder) {
    let link = perf::attach_each(&probe.attach(), event, PerfEventOpts::default()).expect("attaches");
    let (before, end) = (probe.count(), Instant::now() + Duration::from_secs(20));
    while probe.count() < before + 3 && Instant::now() < end {
        std::hint::spin_loop();
    }
    assert!(probe.count() >= before + 3, "no samples of {event:?}");
    drop(link);
    let after = probe.count();
    let end = Instant::now() + Duration::from_millis(30);
    while Instant::now() < end {}
    assert_eq!(probe.count(), after, "the samples go on");
}

#[test]
fn cpu_clock_samples_run_the_program() {
    let Some(kernel) = kernel() else { return };
    let load_as = LoadAs { prog_type: ProgType::PERF_EVENT, ..LoadAs::default() };
    let this_thread = Probe::of_this_thread(&kernel, load_as).expect("loads");
    check_samples(&this_thread, &PerfEventBuilder::cpu_clock().frequency(1000));
    check_samples(&this_thread, &PerfEventBuilder::cpu_clock().period(500_000).pid(0));
    let all = Probe::counting(&kernel, load_as, 0).expect("loads");
    check_samples(&all, &PerfEventBuilder::cpu_clock().frequency(1000).cpus([0]));
}

#[test]
fn iterator_writes_for_each_task_and_for_one() {
    let Some(kernel) = kernel() else { return };
    let Some(id) = vmlinux_id(&kernel, "bpf_iter_task", BtfKind::FUNC) else {
        return skip("no task iterator");
    };
    let load_as = LoadAs {
        prog_type: ProgType::TRACING,
        attach_type: AttachType::TRACE_ITER,
        attach_btf_id: id.0,
        ..LoadAs::default()
    };
    // One letter for each task: `bpf_seq_write(ctx->meta->seq, "x", 1)`.
    let body = |_: &MapFd| {
        vec![
            load_u64(2, 1, 8),
            Insn::new(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 2, 0),
            mov(0, 0),
            EXIT,
            load_u64(1, 1, 0),
            load_u64(1, 1, 0),
            store_u64(-8, i32::from(b'x')),
            mov_reg(2, 10),
            add(2, -8),
            mov(3, 1),
            call(HelperId::SEQ_WRITE),
            mov(0, 0),
            EXIT,
        ]
    };
    let probe = match Probe::load(&kernel, load_as, body) {
        Ok(probe) => probe,
        Err(e) => return skip(&format!("task iterator: {e}")),
    };
    let link = tracing::attach_iter(&probe.attach(), IterOpts::default()).expect("attaches");
    let mut all = String::new();
    link.iter().expect("a run").read_to_string(&mut all).expect("reads");
    assert!(all.len() > 1 && all.bytes().all(|b| b == b'x'), "{all}");
    let mut again = String::new();
    link.iter().expect("a run").read_to_string(&mut again).expect("reads");
    assert!(!again.is_empty(), "each run starts from the beginning");

    // KERNEL_VERSION(6, 1, 0): kernels before do not look at what a task iterator is asked for.
    if perf::number_fact(&kernel, Fact::KernelVersion).expect("a number") < 0x6_01_00 {
        return skip("iterators over one thread need Linux 6.1");
    }
    let target = IterTarget::Thread(thread_id() as u32);
    let link = tracing::attach_iter(&probe.attach(), IterOpts { target }).expect("attaches");
    let mut one = String::new();
    link.iter().expect("a run").read_to_string(&mut one).expect("reads");
    assert_eq!(one, "x");
}

#[test]
fn links_of_other_kinds_are_no_iterators() {
    let Some(kernel) = kernel() else { return };
    let load_as = LoadAs { prog_type: ProgType::RAW_TRACEPOINT, ..LoadAs::default() };
    let probe = Probe::of_this_thread(&kernel, load_as).expect("loads");
    let link =
        tracepoint::attach_raw(&probe.attach(), "sys_enter", RawTracepointOpts::default()).expect("attaches");
    assert_eq!(link.iter().map_err(|e| e.errno()).err(), Some(Errno::EINVAL));
}
