//! Functions of user programs: getppid of the C library that this test calls.

use std::path::Path;

use super::*;
use crate::error::ErrorKind;
use crate::link::{Link, UprobeMultiOpts, UprobeOpts, UprobeTarget, uprobe};
use crate::syms;

const UPROBE: LoadAs =
    LoadAs { prog_type: ProgType::KPROBE, attach_type: AttachType(0), attach_btf_id: 0, flags: 0 };

/// The C library that this process has loaded.
fn libc_path() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("procfs");
    let found =
        maps.lines().filter_map(|line| line.split_whitespace().nth(5)).find(|path| path.contains("/libc.so"));
    if found.is_none() {
        skip("the C library is linked statically");
    }
    found.map(PathBuf::from)
}

fn attach(probe: &Probe, path: &Path, target: UprobeTarget<'_>, opts: UprobeOpts) -> Option<Link> {
    match uprobe::attach(&probe.attach(), path, target, opts) {
        Ok(link) => Some(link),
        Err(e) if matches!(e.kind(), ErrorKind::Unsupported { .. }) => {
            skip(&format!("{e}"));
            None
        }
        Err(e) => panic!("{e}"),
    }
}

#[track_caller]
fn check_counts_once(probe: &Probe, link: Link) {
    let before = probe.count();
    call_getppid();
    assert_eq!(probe.count() - before, 1, "{link:?}");
    link.detach().expect("detaches");
    call_getppid();
    assert_eq!(probe.count() - before, 1, "the program still runs");
}

#[test]
fn uprobe_runs_the_program_at_functions_offsets_and_returns() {
    let (Some(kernel), Some(libc)) = (kernel(), libc_path()) else { return };
    let probe = Probe::of_this_thread(&kernel, UPROBE).expect("loads");
    let function = UprobeTarget::Function("getppid");
    let Some(link) = attach(&probe, &libc, function, UprobeOpts::default()) else { return };
    check_counts_once(&probe, link);

    let at_return = UprobeOpts { is_return: true, ..UprobeOpts::default() };
    let this_process = UprobeOpts { pid: Some(0), ..UprobeOpts::default() };
    let process = UprobeOpts { pid: Some(std::process::id()), ..at_return };
    for opts in [at_return, this_process, process] {
        let link = attach(&probe, &libc, function, opts).expect("attaches");
        check_counts_once(&probe, link);
    }
    let offset = syms::function_offset(&kernel, &libc, "getppid").expect("an offset");
    let link =
        attach(&probe, &libc, UprobeTarget::FileOffset(offset), UprobeOpts::default()).expect("attaches");
    check_counts_once(&probe, link);
    // The same place by its bare name, in the directories of libraries.
    let name = libc.file_name().map(Path::new).expect("a name");
    let link = attach(&probe, name, function, UprobeOpts::default()).expect("attaches");
    check_counts_once(&probe, link);
}

#[test]
fn uprobe_multi_runs_the_program_at_all_functions_that_match() {
    let (Some(kernel), Some(libc)) = (kernel(), libc_path()) else { return };
    let load_as = LoadAs { attach_type: AttachType::TRACE_UPROBE_MULTI, ..UPROBE };
    let probe = Probe::of_this_thread(&kernel, load_as).expect("loads");
    let opts = UprobeMultiOpts::default();
    match uprobe::attach_multi(&probe.attach(), &libc, "getppi?", opts) {
        Ok(link) => check_counts_once(&probe, link),
        Err(e) => return skip(&format!("{e}: {}", e.hint())),
    }
    let targets = [UprobeTarget::Function("getppid"), UprobeTarget::Function("getpgrp")];
    let at_return = UprobeMultiOpts { is_return: true, cookies: &[1, 2], ..opts };
    let link = uprobe::attach_multi_at(&probe.attach(), &libc, &targets, at_return).expect("attaches");
    check_counts_once(&probe, link);
    let few = UprobeMultiOpts { cookies: &[1], ..opts };
    let error =
        uprobe::attach_multi_at(&probe.attach(), &libc, &targets, few).expect_err("a cookie is missing");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn missing_files_and_functions_are_named_in_the_error() {
    let (Some(kernel), Some(libc)) = (kernel(), libc_path()) else { return };
    let probe = Probe::of_this_thread(&kernel, UPROBE).expect("loads");
    let check = |path: &str, function: &str, kind: ErrorKind, start: &str| {
        let target = UprobeTarget::Function(function);
        let error = uprobe::attach(&probe.attach(), Path::new(path), target, UprobeOpts::default());
        let error = error.expect_err("can't be");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().starts_with(start), "{error}");
    };
    check("/no/such/file", "f", ErrorKind::NotFound, "uprobe `/no/such/file:f`: /no/such/file: ENOENT");
    check(
        "no_such_program",
        "f",
        ErrorKind::NotFound,
        "uprobe `no_such_program:f`: no `no_such_program` in ",
    );
    check("/proc/self/maps", "f", ErrorKind::InvalidInput, "uprobe `/proc/self/maps:f`: ");
    let libc = libc.to_str().expect("UTF-8");
    check(libc, "no_such_function", ErrorKind::NotFound, &format!("uprobe `{libc}:no_such_function`: "));
    check("/a.apk!/lib/b.so", "f", ErrorKind::NotFound, "uprobe `/a.apk!/lib/b.so:f`: /a.apk: ENOENT");
    let archive = format!("{libc}!/lib/b.so");
    let start = format!("uprobe `{archive}:f`: archive, at ");
    check(&archive, "f", ErrorKind::InvalidInput, &start);
    let near = uprobe::attach(
        &probe.attach(),
        Path::new(libc),
        UprobeTarget::Function("getppidd"),
        UprobeOpts::default(),
    );
    assert_eq!(near.expect_err("can't be").hint(), "did you mean `getppid`?");
}
