//! `link`, `net`, `cgroup`, `perf` and `iter`, beside bpftool on the same kernel: each says the same of the same objects, and takes
//! back what the other attached.
//!
//! Needs root, unshare(1), ip(8) and bpftool 7.6 or later: `OXBPF_BPFTOOL`, or the one in `PATH`.

#![cfg(target_os = "linux")]

mod tool;

use std::path::{Path, PathBuf};
use std::process::Command;

use oxbpf::link::{Link, NetfilterOpts, Order, PerfEventBuilder, PerfEventOpts, TcHook, TcOpts, XdpOpts};
use oxbpf::{Object, ObjectBuilder, Program, Result};
use testkit::skip_this;
use tool::oracle::{bpftool, check_same, run};

/// Whether the kernel tells flags of single programs of a control group. This bpftool shows no programs where it does not.
fn has_flags() -> bool {
    testkit::kernel_release().is_some_and(|r| r >= testkit::KernelRelease { major: 6, minor: 0 })
}

#[track_caller]
fn does(words: &str) {
    let ended = tool::noun(words.split(' '));
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{words}");
}

#[track_caller]
fn fails(words: &str, why: &str) {
    let ended = tool::noun(words.split(' '));
    assert!(ended.status == 255 && ended.err.contains(why), "{words}: {} {}", ended.status, ended.err);
}

/// The object of all sections, with some programs that are loaded.
fn load(names: &[&str]) -> Result<Object> {
    let mut open = ObjectBuilder::new().open_file(testkit::testdata("attach/net.bpf.o"))?;
    let all: Vec<String> = open.spec().programs.iter().map(|p| p.code.name.clone()).collect();
    for name in all {
        open.program_mut(&name)?.set_autoload(names.contains(&name.as_str()));
    }
    open.load()
}

/// Runs the test again in a network namespace and with a control group of its own.
fn alone(test: &str) -> Option<PathBuf> {
    if let Some(cgroup) = std::env::var_os("OXBPF_TEST_CGROUP") {
        return Some(cgroup.into());
    }
    if !testkit::require_bpf() {
        return None;
    }
    let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let root = roots.iter().map(Path::new).find(|r| r.join("cgroup.procs").exists());
    let cgroup = root.map(|r| r.join(format!("oxbpf-{test}-{}", std::process::id())));
    let Some(cgroup) = cgroup.filter(|c| std::fs::create_dir_all(c.join("below")).is_ok()) else {
        skip_this("no control groups of version 2");
        return None;
    };
    let output = Command::new("unshare")
        .args(["--net", "--"])
        .arg(std::env::current_exe().expect("a path"))
        .args(["--exact", test, "--nocapture"])
        .env("OXBPF_TEST_CGROUP", &cgroup)
        .output();
    let _ = std::fs::remove_dir(cgroup.join("below"));
    let _ = std::fs::remove_dir(&cgroup);
    let Ok(output) = output else {
        skip_this("no unshare(1)");
        return None;
    };
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if text.contains("unshare failed") {
        skip_this("no network namespaces");
        return None;
    }
    text.lines().filter_map(|l| l.strip_prefix("SKIP ")).for_each(skip_this);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    None
}

type Attach = fn(&Program<'_>, &Path) -> Result<Link>;

/// Programs, and what they are attached by. What the kernel can't is left out.
const ATTACHED: &[(&str, Attach)] = &[
    ("on_xdp", |p, _| p.attach_xdp(1, XdpOpts::default())),
    ("on_tcx_ingress", |p, _| p.attach_tcx(1, Order::default())),
    ("on_tcx_egress", |p, _| p.attach_tcx(1, Order::default())),
    ("on_tc", |p, _| p.attach_tc(TcHook::egress(1), TcOpts::default())),
    ("on_sk_lookup", |p, _| p.attach_netns("/proc/self/ns/net")),
    ("on_netfilter", |p, _| {
        p.attach_netfilter(NetfilterOpts { pf: 2, hooknum: 1, priority: -128, defragment: false })
    }),
    ("on_cgroup_connect4", |p, cgroup| p.attach_cgroup(cgroup, Order::default())),
    ("on_cgroup_getsockname6", |p, cgroup| p.attach_cgroup(cgroup, Order::default())),
];

#[test]
fn links_and_attachments_are_shown_as_bpftool_shows_them() {
    let Some(cgroup) = alone("links_and_attachments_are_shown_as_bpftool_shows_them") else { return };
    let Some(bpftool) = bpftool() else { return skip_this("no bpftool 7.6") };
    assert!(run("ip", &["link", "set", "lo", "up"]).1);
    let mut kept: Vec<(Object, Link)> = Vec::new();
    for (name, attach) in ATTACHED {
        let Ok(object) = load(&[name]) else { continue };
        let attached = object.program(name).and_then(|p| attach(&p, &cgroup));
        if let Ok(link) = attached {
            kept.push((object, link));
        }
    }
    assert!(kept.len() >= 3, "{kept:?}");
    let ids: Vec<u32> = kept.iter().filter_map(|(_, link)| link.info().ok()).map(|i| i.id).collect();
    for id in ids {
        for options in ["", "-j ", "-f "] {
            check_same(&bpftool, &format!("{options}link show id {id}"));
        }
    }
    let shown = cgroup.to_str().expect("text");
    for options in ["", "-j ", "-p "] {
        check_same(&bpftool, &format!("{options}net"));
        check_same(&bpftool, &format!("{options}net show dev lo"));
        if !has_flags() {
            continue;
        }
        check_same(&bpftool, &format!("{options}cgroup show {shown}"));
        check_same(&bpftool, &format!("{options}cgroup list {shown}/below effective"));
        check_same(&bpftool, &format!("{options}cgroup tree {shown}"));
        check_same(&bpftool, &format!("{options}cgroup tree {shown} effective"));
    }
}

#[test]
fn programs_that_bpftool_sees_are_attached_and_detached() {
    let Some(cgroup) = alone("programs_that_bpftool_sees_are_attached_and_detached") else { return };
    let Some(bpftool) = bpftool() else { return skip_this("no bpftool 7.6") };
    let Some(pins) = testkit::bpffs() else { return };
    assert!(run("ip", &["link", "set", "lo", "up"]).1);
    let object = load(&["on_xdp", "on_cgroup_connect4"]).expect("loads");
    let id = |name: &str| {
        let handle = object.program(name).expect("there").fd().expect("loaded").clone();
        let mut info = oxbpf_uapi::info::ProgInfo::default();
        let bytes = zerocopy::IntoBytes::as_mut_bytes(&mut info);
        let buffers = oxbpf_kernel::InfoBuffers::None;
        let request = oxbpf_kernel::GetInfo { object: &handle, info: bytes, buffers };
        object.kernel().get_info(request).expect("info");
        info.id
    };
    let (xdp, connect) = (id("on_xdp"), id("on_cgroup_connect4"));
    let theirs = |words: &str| run(&bpftool, &words.split(' ').collect::<Vec<_>>()).0;

    does(&format!("net attach xdpgeneric id {xdp} dev lo"));
    assert!(theirs("net show dev lo").contains(&format!("generic id {xdp}")));
    fails(&format!("net attach xdpgeneric id {xdp} dev lo"), "interface xdpgeneric attach failed: ");
    does(&format!("-j net attach xdpgeneric id {xdp} dev lo overwrite"));
    does("net detach xdpgeneric dev lo");
    assert!(!theirs("net show dev lo").contains("generic"));
    fails("net detach xdp dev l0", "(did you mean `lo`?)");
    fails("net attach nonsense id 1 dev lo", "invalid net attach/detach type: nonsense");
    fails(&format!("net attach tcx_ingress id {xdp} dev lo overwrite"), "only supported for xdp types");

    let shown = cgroup.to_str().expect("text");
    does(&format!("cgroup attach {shown} connect4 id {connect} multi"));
    if has_flags() {
        check_same(&bpftool, &format!("cgroup show {shown}"));
    }
    assert!(tool::noun(["cgroup", "show", shown]).out.contains("multi"));
    does(&format!("cgroup detach {shown} cgroup_inet4_connect id {connect}"));
    assert_eq!(tool::noun(["cgroup", "show", shown]).out, "");
    assert_eq!(theirs(&format!("cgroup show {shown}")), "");
    fails(&format!("cgroup detach {shown} connect4 id {connect}"), "failed to detach program");
    fails(&format!("cgroup attach {shown} nonsense id {connect}"), "invalid attach type 'nonsense'");
    fails("cgroup show /proc/self/exe", "can't open cgroup /proc/self/exe");

    let link = object.program("on_cgroup_connect4").and_then(|p| p.attach_cgroup(&cgroup, Order::default()));
    let id = link.as_ref().expect("attaches").info().expect("a BPF link").id;
    let pin = pins.path().join("link");
    let pin = pin.to_str().expect("text");
    does(&format!("link pin id {id} {pin}"));
    check_same(&bpftool, &format!("-f link show pinned {pin}"));
    fails(&format!("link pin id {id} {pin}"), "already exists");
    does(&format!("link detach pinned {pin}"));
    assert_eq!(tool::noun(["cgroup", "show", shown]).out, "");
    assert_eq!(theirs(&format!("cgroup show {shown}")), "");
    fails("link show id 4294967295", "failed to get link with ID 4294967295: ");
    fails("link show name x", "expected one of 'id', 'pinned', got: 'name'");

    let iterator = pins.path().join("tasks");
    let iterator = iterator.to_str().expect("text");
    does(&format!("iter pin examples/tasks.bpf.o {iterator}"));
    check_same(&bpftool, &format!("-j -f link show pinned {iterator}"));
    let text = std::fs::read_to_string(iterator).expect("the iterator runs");
    assert!(!text.is_empty());
    fails("iter pin examples/tasks.bpf.o /proc/none/x", "dir '/proc/none' doesn't exist");
    fails("-n iter pin examples/tasks.bpf.o /tmp/oxbpf-none", "no BPF file system found");
}

#[test]
fn events_are_shown_with_the_descriptors_that_hold_them() {
    if !testkit::require_bpf() {
        return;
    }
    let open = ObjectBuilder::new().open_file(testkit::example("profile.bpf.o")).expect("opens");
    let Ok(object) = open.load() else { return skip_this("the sampler does not load") };
    let program = object.programs().next().expect("a program");
    let opts = PerfEventOpts { force_ioctl_attach: true, ..PerfEventOpts::default() };
    let _link = program.attach_perf_event(&PerfEventBuilder::cpu_clock().frequency(99), opts);
    let ended = tool::noun(["perf"]);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""));
    let json = tool::noun(["-j", "perf", "list"]);
    let all: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    for event in all.as_array().expect("a list") {
        assert!(event["pid"].is_u64() && event["fd"].is_u64() && event["prog_id"].is_u64(), "{event}");
    }
}

#[test]
fn names_that_others_chose_make_no_invalid_json() {
    let Some(cgroup) = alone("names_that_others_chose_make_no_invalid_json") else { return };
    let Some(pins) = testkit::bpffs() else { return };
    // What a name may have: anything but a slash and NUL, in a control group a new line, and of an interface white space.
    let (device, name) = ("a\"b\\c\u{1}\u{7f}\u{e9}", "x \"y\"\\\t\u{1}\u{7f}\u{e9}{}[],:");
    let made = run("ip", &["link", "add", device, "type", "veth", "peer", "name", "v1"]).1;
    if !(made && run("ip", &["link", "set", device, "up"]).1) {
        return skip_this("no veth devices");
    }
    let group = cgroup.join(name);
    std::fs::create_dir(&group).expect("a control group");
    let shown = check_names(&group, device, name, pins.path());
    std::fs::remove_dir(&group).expect("removes");
    // Whatever a name has in it is told as it is.
    for (what, json) in shown {
        let text = json.to_string();
        let name = serde_json::Value::from(if what.starts_with("net") { device } else { name }).to_string();
        assert!(text.contains(name.trim_matches('"')), "{what}: {text}");
    }
}

/// Attaches to an interface and a control group, pins, and gives what is shown of that as JSON.
fn check_names(group: &Path, device: &str, name: &str, pins: &Path) -> Vec<(String, serde_json::Value)> {
    let object = load(&["on_xdp", "on_cgroup_connect4"]).expect("loads");
    let xdp = object.program("on_xdp").expect("there");
    let index = oxbpf::link::interface_index(object.kernel(), device).expect("the interface");
    let _xdp = xdp.attach_xdp(index, XdpOpts::default()).expect("attaches");
    let connect = object.program("on_cgroup_connect4").expect("there");
    let mut link = connect.attach_cgroup(group, Order::default()).expect("attaches");
    let pin = pins.join(name);
    link.pin(&pin).expect("pins");
    let (id, group) = (link.info().expect("a BPF link").id.to_string(), group.to_str().expect("text"));
    let top = Path::new(group).parent().and_then(Path::to_str).expect("text");
    let commands: [&[&str]; 4] = [
        &["net", "show"],
        &["net", "show", "dev", device],
        &["cgroup", "tree", top],
        &["link", "show", "id", &id, "-f"],
    ];
    let mut shown = Vec::new();
    for words in commands {
        for option in ["-j", "-p"] {
            let ended = tool::noun([option].into_iter().chain(words.iter().copied()));
            assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{words:?}");
            let json =
                serde_json::from_str(&ended.out).unwrap_or_else(|e| panic!("{words:?}: {e}: {}", ended.out));
            shown.push((words.join(" "), json));
        }
    }
    shown
}
