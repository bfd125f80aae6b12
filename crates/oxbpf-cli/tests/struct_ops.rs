//! `struct_ops` and `token`, beside bpftool on the same kernel.
//!
//! Needs root, Linux 6.4 for links of struct_ops, and bpftool 7.6 or later: `OXBPF_BPFTOOL`, or the one in `PATH`. Where bpftool is
//! wrong, we differ:
//!
//! | Command | bpftool | oxbpf |
//! | --- | --- | --- |
//! | `struct_ops show|dump` of a module's struct | looks its type up among the kernel's own | among the module's |

#![cfg(target_os = "linux")]

mod tool;

use testkit::{KernelRelease, skip_this};
use tool::noun;
use tool::oracle::{bpftool, check_same};

#[track_caller]
fn fails(words: &str, why: &str) {
    let ended = noun(words.split(' '));
    assert!(ended.status == 255 && ended.err.contains(why), "{words}: {} {}", ended.status, ended.err);
}

#[test]
fn callbacks_are_registered_shown_and_taken_back() {
    if !testkit::require_bpf() {
        return;
    }
    if testkit::kernel_release().is_none_or(|r| r < (KernelRelease { major: 6, minor: 4 })) {
        return skip_this("no links of struct_ops");
    }
    let root = std::path::Path::new("/sys/fs/bpf");
    if !oxbpf_sys::mounts::is_bpffs(root) {
        return skip_this("no bpf file system");
    }
    let dir = root.join(format!("oxbpf-struct-ops-{}", std::process::id()));
    let dir_name = dir.to_str().expect("text").to_owned();
    let ended = noun(["struct_ops", "register", "testdata/objects/struct_ops.o", &dir_name]);
    let link = dir.join("by_link");
    let is_pinned = link.exists();
    let _ = std::fs::remove_file(&link);
    let _ = std::fs::remove_dir(&dir);
    // The kernel may have been built without what the object stands in for.
    if ended.err.contains("EOPNOTSUPP") || ended.err.contains("ENOTSUPP") {
        return skip_this("the kernel registers none");
    }
    assert_eq!((ended.status, ended.out.as_str()), (0, ""), "{}", ended.err);
    assert!(is_pinned && ended.err.contains("Registered tcp_congestion_ops at_once id "), "{}", ended.err);

    if let Some(bpftool) = bpftool() {
        for words in [
            "struct_ops show name at_once",
            "-j struct_ops show name at_once",
            "struct_ops dump name at_once",
        ] {
            check_same(&bpftool, words);
        }
        check_same(&bpftool, "-j struct_ops dump name at_once");
    }
    let ended = noun("-j struct_ops dump name at_once".split(' '));
    let json: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    let data = &json[1]["bpf_struct_ops_tcp_congestion_ops"]["data"];
    assert_eq!(data["name"], "oxbpf_once");
    assert!(data["ssthresh"].as_str().is_some_and(|s| s.contains(" ssthresh/prog_id:")), "{data}");

    let ended = noun("struct_ops unregister name at_once".split(' '));
    assert_eq!((ended.status, ended.out.as_str()), (0, ""), "{}", ended.err);
    assert!(ended.err.starts_with("Unregistered tcp_congestion_ops at_once id "), "{}", ended.err);
    fails("struct_ops show name at_once", "no struct_ops found for at_once");
    for (words, why) in [
        ("struct_ops show id 4294967295", "can't get map by id (4294967295)"),
        ("struct_ops unregister", "expected 'id' or 'name'"),
        ("struct_ops register examples/xdpcount.bpf.o", "no struct_ops found in"),
        ("struct_ops register examples/xdpcount.bpf.o /no/such/place", "parent dir '/no/such' doesn't exist"),
    ] {
        fails(words, why);
    }
}

#[test]
fn delegations_are_shown_as_bpftool_shows_them() {
    let Some(bpftool) = bpftool() else { return skip_this("no bpftool 7.6") };
    check_same(&bpftool, "token show");
    check_same(&bpftool, "-j token list");
    fails("token show x", "unexpected argument 'x'");
}
