//! What the kernel tells about links of each kind.

use std::path::Path;

use super::*;
use crate::link::{
    IterOpts, KprobeMultiOpts, KprobeOpts, Link, LinkDetails, ProbeMode, RawTracepointOpts, TracepointOpts,
    UprobeMultiOpts, UprobeOpts, UprobeTarget, kprobe, tracepoint, tracing, uprobe,
};

const KPROBE: LoadAs =
    LoadAs { prog_type: ProgType::KPROBE, attach_type: AttachType(0), attach_btf_id: 0, flags: 0 };

/// What the kernel tells, after a check of what it tells about every link.
fn details(kernel: &Kernel, link: &Link) -> LinkDetails {
    let info = link.info().expect("a BPF link");
    assert!(Link::ids(kernel).any(|id| id.expect("an id") == info.id));
    let again = Link::from_id(kernel, info.id).expect("opens").info().expect("a BPF link");
    assert_eq!(again, info);
    assert_ne!(info.prog_id, 0);
    info.details
}

#[test]
fn raw_tracepoints_and_iterators_have_names() {
    let Some(kernel) = kernel() else { return };
    let load_as = LoadAs { prog_type: ProgType::RAW_TRACEPOINT, ..LoadAs::default() };
    let probe = Probe::of_this_thread(&kernel, load_as).expect("loads");
    let link = tracepoint::attach_raw(&probe.attach(), "sys_enter", RawTracepointOpts::default());
    let found = details(&kernel, &link.expect("attaches"));
    assert_eq!(found, LinkDetails::RawTracepoint { name: "sys_enter".into(), cookie: 0 });

    let Some(id) = vmlinux_id(&kernel, "bpf_iter_task", BtfKind::FUNC) else { return skip("no iterators") };
    let attach_type = AttachType::TRACE_ITER;
    let load_as = LoadAs { prog_type: ProgType::TRACING, attach_type, attach_btf_id: id.0, flags: 0 };
    let probe = Probe::counting(&kernel, load_as, 0).expect("loads");
    let link = tracing::attach_iter(&probe.attach(), IterOpts::default()).expect("attaches");
    let expect = LinkDetails::Iter { target: "task".into(), map_id: 0, cgroup: (0, 0), task: (0, 0) };
    assert_eq!(details(&kernel, &link), expect);
}

#[test]
fn a_missing_id_is_no_link() {
    let Some(kernel) = kernel() else { return };
    let error = Link::from_id(&kernel, u32::MAX).expect_err("no such link");
    assert_eq!(error.kind(), crate::ErrorKind::NotFound);
}

/// Whether the kernel tells about perf events, which it does from Linux 6.6.
fn is_told(details: &LinkDetails) -> bool {
    let is_told = *details != LinkDetails::Other;
    if !is_told {
        skip("the kernel tells nothing about links on perf events (Linux 6.6)");
    }
    is_told
}

#[test]
fn tracepoints_and_uprobes_on_perf_events_have_names_and_offsets() {
    let Some(kernel) = kernel() else { return };
    if !Features::of(&kernel).has(crate::feature::Feature::PerfLink) {
        return skip("no links on perf events before Linux 5.15");
    }
    let load_as = LoadAs { prog_type: ProgType::TRACEPOINT, ..LoadAs::default() };
    let probe = Probe::of_this_thread(&kernel, load_as).expect("loads");
    let link =
        tracepoint::attach(&probe.attach(), "syscalls", "sys_enter_getppid", TracepointOpts::default());
    let found = details(&kernel, &link.expect("attaches"));
    if !is_told(&found) {
        return;
    }
    assert_eq!(found, LinkDetails::Tracepoint { name: "sys_enter_getppid".into(), cookie: 0 });

    // A library in an archive: its functions are at offsets of the archive.
    let dir = testkit::TempDir::new("archive");
    let archive = dir.path().join("app.apk");
    let target = std::fs::read(testkit::testdata("usdt/target")).expect("the fixture");
    let entries = [testkit::ZipEntry { name: "lib/target.so", data: &target, method: 0, flags: 0 }];
    std::fs::write(&archive, testkit::zip(&entries)).expect("writes");
    let member = format!("{}!/lib/target.so", archive.display());
    let offset = crate::syms::function_offset(&kernel, Path::new(&member), "_start").expect("an offset");
    let plain = crate::syms::function_offset(&kernel, &testkit::testdata("usdt/target"), "_start");
    assert_eq!(offset, 4096 + plain.expect("an offset"));
    let probe = Probe::of_this_thread(&kernel, KPROBE).expect("loads");
    let function = UprobeTarget::Function("_start");
    let opts = UprobeOpts { is_return: true, ..UprobeOpts::default() };
    let link = uprobe::attach(&probe.attach(), Path::new(&member), function, opts).expect("attaches");
    let LinkDetails::Uprobe { file, offset: found, is_return, .. } = details(&kernel, &link) else {
        panic!("{link:?}")
    };
    assert_eq!((Path::new(&file), u64::from(found), is_return), (archive.as_path(), offset, true));
}

#[test]
fn multi_links_list_their_places_and_cookies() {
    let Some(kernel) = kernel() else { return };
    let load_as = LoadAs { attach_type: AttachType::TRACE_UPROBE_MULTI, ..KPROBE };
    let probe = Probe::of_this_thread(&kernel, load_as).expect("loads");
    let path = testkit::testdata("usdt/target");
    let targets = [UprobeTarget::Function("_start"), UprobeTarget::FileOffset(0x1a9)];
    let opts = UprobeMultiOpts { cookies: &[7, 9], ..UprobeMultiOpts::default() };
    let link = match uprobe::attach_multi_at(&probe.attach(), &path, &targets, opts) {
        Ok(link) => link,
        Err(e) => return skip(&format!("{e}")),
    };
    match details(&kernel, &link) {
        LinkDetails::UprobeMulti { path: found, offsets, cookies, is_return, pid, .. } => {
            assert_eq!(Path::new(&found), path.canonicalize().expect("a path"));
            assert_eq!((offsets[1], cookies, is_return, pid), (0x1a9, vec![7, 9], false, 0));
        }
        LinkDetails::Other => skip("the kernel tells nothing about uprobe multi links (Linux 6.8)"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn kprobes_are_told_by_function() {
    let Some(kernel) = kernel() else { return };
    let probe = Probe::of_this_thread(&kernel, KPROBE).expect("loads");
    let opts = KprobeOpts { mode: ProbeMode::Link, is_return: true, ..KprobeOpts::default() };
    match kprobe::attach(&probe.attach(), "do_exit", opts) {
        Ok(link) => {
            let found = details(&kernel, &link);
            if is_told(&found) {
                let is_it = matches!(&found, LinkDetails::Kprobe { function, is_return: true, offset: 0, .. }
                    if function == "do_exit");
                assert!(is_it, "{found:?}");
            }
        }
        Err(e) => skip(&format!("{e}")),
    }
    let load_as = LoadAs { attach_type: AttachType::TRACE_KPROBE_MULTI, ..KPROBE };
    let Ok(probe) = Probe::of_this_thread(&kernel, load_as) else { return skip("no kprobe multi links") };
    let names = crate::link::Probes::Syms(&["do_exit"]);
    let opts = KprobeMultiOpts { cookies: &[7], ..KprobeMultiOpts::default() };
    match kprobe::attach_multi_at(&probe.attach(), names, opts) {
        Ok(link) => match details(&kernel, &link) {
            LinkDetails::KprobeMulti { addrs, cookies, is_return, .. } => {
                // Before Linux 6.6 nothing is told, and before 6.9 no cookies.
                assert!(addrs.len() <= 1 && (cookies.is_empty() || cookies == [7]), "{addrs:x?} {cookies:?}");
                assert!(!is_return);
            }
            other => panic!("{other:?}"),
        },
        Err(e) => skip(&format!("{e}")),
    }
}
