//! What links do: pins, forgetting, control groups, legacy attachments.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use oxbpf_uapi::LinkType;
use oxbpf_uapi::flags::{AttachFlags, QueryFlags};

use super::*;
use crate::error::ErrorKind;
use crate::link::{
    AttachOpts, AttachPoint, Link, Order, RawTracepointOpts, detach_prog, order, point, query_progs,
    tracepoint,
};

const RAW_TRACEPOINT: LoadAs =
    LoadAs { prog_type: ProgType::RAW_TRACEPOINT, attach_type: AttachType(0), attach_btf_id: 0, flags: 0 };

fn raw_tracepoint(kernel: &Kernel) -> (Probe, Link) {
    let probe = Probe::of_this_thread(kernel, RAW_TRACEPOINT).expect("loads");
    let link =
        tracepoint::attach_raw(&probe.attach(), "sys_enter", RawTracepointOpts::default()).expect("attaches");
    (probe, link)
}

fn runs(probe: &Probe) -> bool {
    let before = probe.count();
    call_getppid();
    probe.count() > before
}

#[test]
fn pinned_link_outlives_its_handle_until_it_is_unpinned() {
    let Some(kernel) = kernel() else { return };
    let Some(path) = pin_path("pinned-link") else { return };
    let (mut probe, mut link) = raw_tracepoint(&kernel);
    let info = link.info().expect("a BPF link");
    assert_eq!(info.kind, LinkType::RAW_TRACEPOINT);
    link.pin(&path).expect("pins");
    assert_eq!(link.pin_path(), Some(path.as_path()));
    assert_eq!(link.pin(&path).map_err(|e| e.errno()), Err(Errno::EBUSY));
    drop(link);
    probe.close_program();
    assert!(runs(&probe));

    let mut link = Link::open_pinned(&kernel, &path).expect("opens");
    assert_eq!(link.info().expect("a BPF link").id, info.id);
    link.unpin().expect("unpins");
    assert_eq!(link.pin_path(), None);
    assert!(!path.exists());
    assert!(runs(&probe));
    assert_eq!(link.unpin().map_err(|e| e.kind()), Err(ErrorKind::InvalidInput));
    drop(link);
    // Before Linux 6.10 the kernel lets the last reference go some time after the pin.
    let end = Instant::now() + Duration::from_secs(20);
    while runs(&probe) && Instant::now() < end {}
    assert!(!runs(&probe));
    let missing = Link::open_pinned(&kernel, &path).expect_err("the pin is gone");
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn forgotten_link_goes_on_without_its_handle() {
    let Some(kernel) = kernel() else { return };
    let (mut probe, link) = raw_tracepoint(&kernel);
    let id = link.info().expect("a BPF link").id;
    link.forget();
    probe.close_program();
    assert!(runs(&probe));
    assert!(kernel.get_fd_by_id(oxbpf_kernel::ObjectKind::Link, id).is_ok());
}

#[test]
fn links_that_can_not_be_detached_by_force_say_so() {
    let Some(kernel) = kernel() else { return };
    let (probe, link) = raw_tracepoint(&kernel);
    assert_eq!(link.force_detach().map_err(|e| e.errno()), Err(Errno::EOPNOTSUPP));
    assert!(runs(&probe));
}

/// A new control group of version 2, `None` if the machine has none.
struct Cgroup(PathBuf);

impl Cgroup {
    fn make(name: &str) -> Option<Self> {
        let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let root = roots.iter().map(Path::new).find(|r| r.join("cgroup.procs").exists());
        let Some(root) = root else {
            skip("no control groups of version 2");
            return None;
        };
        let path = root.join(format!("oxbpf-{name}-{}", std::process::id()));
        match std::fs::create_dir(&path) {
            Ok(()) => Some(Self(path)),
            Err(e) => {
                skip(&format!("{}: {e}", path.display()));
                None
            }
        }
    }

    /// Makes a socket in a process of the group, and says whether that was allowed.
    fn socket_is_allowed(&self) -> bool {
        let enter = "echo $$ > \"$1/cgroup.procs\" && exec \"$2\" --exact link::tests::links::make_a_socket";
        let program = std::env::current_exe().expect("a path");
        let status = Command::new("/bin/sh")
            .args(["-c", enter, "sh"])
            .arg(&self.0)
            .arg(program)
            .env("OXBPF_TEST_SOCKET", "1")
            .output()
            .expect("a shell");
        status.status.success()
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

/// In a process of `socket_is_allowed`, fails if sockets are refused; otherwise sees that they are not.
#[test]
fn make_a_socket() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0");
    if std::env::var_os("OXBPF_TEST_SOCKET").is_some() {
        assert!(socket.is_ok(), "{socket:?}");
    }
}

const CGROUP_SOCK: LoadAs = LoadAs {
    prog_type: ProgType::CGROUP_SOCK,
    attach_type: AttachType::CGROUP_INET_SOCK_CREATE,
    attach_btf_id: 0,
    flags: 0,
};

#[test]
fn cgroup_link_refuses_sockets_until_it_is_dropped() {
    let Some(kernel) = kernel() else { return };
    let Some(cgroup) = Cgroup::make("link") else { return };
    assert!(cgroup.socket_is_allowed());
    let deny = Probe::counting(&kernel, CGROUP_SOCK, 0).expect("loads");
    let handle = kernel.open(oxbpf_kernel::Opening::Cgroup(&cgroup.0)).expect("opens");
    let link = order::attach_cgroup(&deny.attach(), &handle, Order::default()).expect("attaches");
    assert_eq!(link.info().expect("a BPF link").kind, LinkType::CGROUP);
    assert!(!cgroup.socket_is_allowed());
    assert!(deny.count() > 0);

    let allow = Probe::counting(&kernel, CGROUP_SOCK, 1).expect("loads");
    link.update_program(allow.attach().prog, None).expect("updates");
    assert!(cgroup.socket_is_allowed());
    link.update_program(deny.attach().prog, Some(allow.attach().prog)).expect("updates");
    assert!(!cgroup.socket_is_allowed());
    link.force_detach().expect("detaches");
    assert!(cgroup.socket_is_allowed());
    drop(link);

    let link = order::attach_cgroup(&deny.attach(), &handle, Order::default()).expect("attaches");
    assert!(!cgroup.socket_is_allowed());
    drop(link);
    assert!(cgroup.socket_is_allowed());
}

#[test]
fn cgroup_attachment_without_a_link_is_taken_back() {
    let Some(kernel) = kernel() else { return };
    let Some(cgroup) = Cgroup::make("legacy") else { return };
    let deny = Probe::counting(&kernel, CGROUP_SOCK, 0).expect("loads");
    let point = AttachPoint::Cgroup(&cgroup.0);
    let multi = AttachOpts { flags: AttachFlags::ALLOW_MULTI, ..AttachOpts::default() };
    let link = point::attach(&deny.attach(), point, multi).expect("attaches");
    assert!(link.fd().is_none());
    assert!(!cgroup.socket_is_allowed());
    let ask = |flags| {
        let found = query_progs(&kernel, point, CGROUP_SOCK.attach_type, flags).expect("asks");
        (found.progs.iter().map(|p| p.prog_id).collect::<Vec<_>>(), found.attach_flags)
    };
    let (ids, flags) = ask(QueryFlags::empty());
    assert_eq!((ids.len(), flags), (1, AttachFlags::ALLOW_MULTI));
    assert_eq!(ask(QueryFlags::EFFECTIVE).0, ids);

    let allow = Probe::counting(&kernel, CGROUP_SOCK, 1).expect("loads");
    let replace = AttachOpts { replace: deny.prog.as_ref(), ..multi };
    let other = point::attach(&allow.attach(), point, replace).expect("replaces");
    assert!(cgroup.socket_is_allowed() && allow.count() > 0);
    assert_ne!(ask(QueryFlags::empty()).0, ids);
    let absent = point::attach(&deny.attach(), point, replace).expect_err("it is not there to be replaced");
    assert_eq!(absent.kind(), ErrorKind::NotFound);
    // What it attached is not there any more.
    assert_eq!(link.detach().map_err(|e| e.kind()).err(), Some(ErrorKind::NotFound));
    other.detach().expect("detaches");
    assert!(ask(QueryFlags::empty()).0.is_empty());

    let kept = point::attach(&deny.attach(), point, multi).expect("attaches");
    kept.forget();
    assert!(!cgroup.socket_is_allowed());
    let prog = deny.prog.as_ref();
    detach_prog(&kernel, point, CGROUP_SOCK.attach_type, prog, Order::default()).expect("detaches");
    assert!(cgroup.socket_is_allowed());
    let none = Path::new("/proc/self");
    let error = point::attach(&deny.attach(), AttachPoint::Cgroup(none), multi).expect_err("no cgroup");
    let text =
        "control group `/proc/self`: BPF_PROG_ATTACH: it is no directory of a cgroup2 file system: EBADF";
    assert_eq!(error.to_string(), text);
}
