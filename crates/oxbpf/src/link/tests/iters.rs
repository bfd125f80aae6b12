//! Iterators of each kind: how many objects a run shows the program, beside how many there are.

use std::io::Read;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use oxbpf_btf::BtfBuilder;
use oxbpf_btf::IntFlags;
use oxbpf_kernel::{BtfLoad, Opening};

use super::net::in_namespace_of;
use super::*;
use crate::link::{IterOpts, IterTarget, perf, tracing};

/// A program that counts the objects of `bpf_iter_KIND`. `at` is the offset in its context of a pointer that is there with each object
/// and is not when the run ends. `None` if the kernel has no such kind.
fn counting(kernel: &Kernel, kind: &str, at: i16) -> Option<Probe> {
    let function = format!("bpf_iter_{kind}");
    let Some(id) = vmlinux_id(kernel, &function, BtfKind::FUNC) else {
        skip(&format!("{function}: not in this kernel"));
        return None;
    };
    let load_as = LoadAs {
        prog_type: ProgType::TRACING,
        attach_type: AttachType::TRACE_ITER,
        attach_btf_id: id.0,
        ..LoadAs::default()
    };
    let body = |counter: &MapFd| {
        let mut insns = vec![
            load_u64(2, 1, at),
            Insn::new(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 2, 0),
            mov(0, 0),
            EXIT,
            mov(7, 1),
        ];
        insns.extend(add_r7(counter, 0));
        insns
    };
    match Probe::load(kernel, load_as, body) {
        Ok(probe) => Some(probe),
        Err(e) => {
            skip(&format!("{function}: {e}"));
            None
        }
    }
}

/// How many objects one run shows.
#[track_caller]
fn run(probe: &Probe, target: IterTarget<'_>) -> u64 {
    let link = tracing::attach_iter(&probe.attach(), IterOpts { target }).expect("attaches");
    assert_eq!(link.info().expect("a BPF link").kind, oxbpf_uapi::LinkType::ITER);
    let before = probe.count();
    link.iter().expect("a run").read_to_end(&mut Vec::new()).expect("reads");
    probe.count() - before
}

fn map(kernel: &Kernel, map_type: MapType, max_entries: u32) -> MapFd {
    let key_size = if map_type == MapType::QUEUE { 0 } else { 4 };
    let create = MapCreate { map_type, key_size, value_size: 8, max_entries, ..MapCreate::default() };
    kernel.map_create(create).expect("a map")
}

#[test]
fn elements_of_a_map_are_shown_each_once() {
    let Some(kernel) = kernel() else { return };
    let Some(probe) = counting(&kernel, "bpf_map_elem", 16) else { return };
    for map_type in [MapType::HASH, MapType::LRU_HASH, MapType::ARRAY] {
        let elements = map(&kernel, map_type, 5);
        for key in [1_u32, 2, 4] {
            kernel.map_update_elem(&elements, &key.to_ne_bytes(), &[0; 8], 0).expect("updates");
        }
        let expect = if map_type == MapType::ARRAY { 5 } else { 3 };
        assert_eq!(run(&probe, IterTarget::Map(&elements)), expect, "{map_type}");
    }
    let no_map = tracing::attach_iter(&probe.attach(), IterOpts::default()).expect_err("whose elements?");
    assert_eq!(no_map.errno(), Errno::EBADF);
    let other = map(&kernel, MapType::QUEUE, 5);
    let target = IterTarget::Map(&other);
    let wrong = tracing::attach_iter(&probe.attach(), IterOpts { target }).expect_err("it has no keys");
    assert_eq!(wrong.errno(), Errno::EINVAL);
}

#[test]
fn sockets_of_a_map_are_shown_each_once() {
    let Some(kernel) = kernel() else { return };
    let Some(probe) = counting(&kernel, "sockmap", 24) else { return };
    let sockets = kernel.map_create(MapCreate {
        map_type: MapType::SOCKHASH,
        key_size: 4,
        value_size: 4,
        max_entries: 8,
        ..MapCreate::default()
    });
    let sockets = sockets.expect("a map of sockets");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connects");
    let server = listener.accept().expect("accepts").0;
    for (key, socket) in [(7_u32, &client), (9, &server)] {
        let fd = socket.as_raw_fd().to_ne_bytes();
        kernel.map_update_elem(&sockets, &key.to_ne_bytes(), &fd, 0).expect("the socket goes in");
    }
    assert_eq!(run(&probe, IterTarget::Map(&sockets)), 2);
}

#[test]
fn storage_of_sockets_is_shown_each_once() {
    let Some(kernel) = kernel() else { return };
    let Some(probe) = counting(&kernel, "bpf_sk_storage_map", 16) else { return };
    let mut types = BtfBuilder::new();
    let int = types.add_int("int", 4, IntFlags::SIGNED).expect("a type");
    let bytes = types.to_bytes().expect("types");
    let load = BtfLoad { btf: &bytes, log: None, btf_flags: 0, token: None };
    let btf = kernel.btf_load(load).0.expect("loads");
    let storage = kernel.map_create(MapCreate {
        map_type: MapType::SK_STORAGE,
        key_size: 4,
        value_size: 4,
        // BPF_F_NO_PREALLOC, without which there is no storage.
        map_flags: 1,
        btf: Some(&btf),
        btf_key_type_id: int.0,
        btf_value_type_id: int.0,
        ..MapCreate::default()
    });
    let storage = storage.expect("a map of storage");
    let sockets: Vec<UdpSocket> = (0..3).map(|_| UdpSocket::bind("127.0.0.1:0").expect("a socket")).collect();
    for socket in &sockets {
        let fd = socket.as_raw_fd().to_ne_bytes();
        kernel.map_update_elem(&storage, &fd, &[1; 4], 0).expect("the socket gets storage");
    }
    assert_eq!(run(&probe, IterTarget::Map(&storage)), 3);
}

/// A process of one thread that does nothing until it is dropped.
struct Idle(Child);

impl Idle {
    fn start() -> Self {
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut idle = Self(child.expect("cat(1) starts"));
        // What it answers shows that it is past its start.
        let (to, from) = (idle.0.stdin.as_mut(), idle.0.stdout.as_mut());
        std::io::Write::write_all(to.expect("a pipe"), b"x").expect("writes");
        from.expect("a pipe").read_exact(&mut [0]).expect("reads");
        idle
    }

    /// A line or directory entry of procfs each.
    fn count(&self, what: &str) -> u64 {
        let path = format!("/proc/{}/{what}", self.0.id());
        let count = match std::fs::read_dir(&path) {
            Ok(entries) => entries.count(),
            Err(_) => {
                let text = std::fs::read_to_string(&path).expect("procfs");
                // The page of old system calls is no area of the process.
                text.lines().filter(|line| !line.ends_with("[vsyscall]")).count()
            }
        };
        count as u64
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn threads_files_and_memory_of_one_process_are_those_of_procfs() {
    let Some(kernel) = kernel() else { return };
    let idle = Idle::start();
    for (kind, at, what) in [("task", 8, "task"), ("task_file", 24, "fd"), ("task_vma", 16, "maps")] {
        let Some(probe) = counting(&kernel, kind, at) else { continue };
        assert!(run(&probe, IterTarget::All) > idle.count(what), "{kind}: other processes are shown too");
        // KERNEL_VERSION(6, 1, 0): kernels before do not look at what a task iterator is asked for.
        if perf::number_fact(&kernel, Fact::KernelVersion).expect("a number") < 0x6_01_00 {
            return skip("iterators over one process need Linux 6.1");
        }
        assert_eq!(run(&probe, IterTarget::Thread(i32::MAX as u32)), 0, "{kind}: there is no such thread");
        let pid = idle.0.id();
        let handle = kernel.open(Opening::Process(pid)).expect("opens");
        for target in [IterTarget::Thread(pid), IterTarget::Process(pid), IterTarget::ProcessHandle(&handle)]
        {
            assert_eq!(run(&probe, target), idle.count(what), "{kind} {target:?}");
        }
    }
}

#[test]
fn control_groups_are_shown_in_the_order_that_was_asked_for() {
    let Some(kernel) = kernel() else { return };
    let Some(probe) = counting(&kernel, "cgroup", 8) else { return };
    let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let Some(root) = roots.iter().map(Path::new).find(|r| r.join("cgroup.procs").exists()) else {
        return skip("no control groups of version 2");
    };
    let top = root.join(format!("oxbpf-iter-{}", std::process::id()));
    let all = [top.clone(), top.join("a"), top.join("b"), top.join("a/c")];
    for group in &all {
        if let Err(e) = std::fs::create_dir(group) {
            return skip(&format!("{}: {e}", group.display()));
        }
    }
    let (group, deep) = (kernel.open(Opening::Cgroup(&top)), kernel.open(Opening::Cgroup(&all[3])));
    let (group, deep) = (group.expect("opens"), deep.expect("opens"));
    let shown = |cgroup, order| {
        let target = IterTarget::Cgroup { cgroup, order };
        tracing::attach_iter(&probe.attach(), IterOpts { target }).map(|_| run(&probe, target))
    };
    let counts: Vec<_> = [1, 2, 3].iter().map(|order| shown(&group, *order).map_err(|e| e.errno())).collect();
    let up = (shown(&group, 4), shown(&deep, 4));
    let children = shown(&group, 5);
    let wrong = shown(&group, 99);
    drop((group, deep));
    all.iter().rev().for_each(|group| std::fs::remove_dir(group).expect("removes"));
    assert_eq!(counts, [Ok(1), Ok(4), Ok(4)]);
    assert_eq!(up.1.expect("attaches"), up.0.expect("attaches") + 2);
    match children {
        Ok(count) => assert_eq!(count, 2),
        Err(e) => assert_eq!(e.errno(), Errno::EINVAL, "before Linux 6.18: {e}"),
    }
    assert_eq!(wrong.map_err(|e| e.errno()), Err(Errno::EINVAL));
}

#[test]
fn objects_of_the_kernel_are_shown() {
    let Some(kernel) = kernel() else { return };
    let _elements = map(&kernel, MapType::HASH, 5);
    // At least: a program of this test, its map and link; the symbols and caches that every kernel has.
    for (kind, least) in
        [("bpf_map", 2), ("bpf_prog", 1), ("bpf_link", 1), ("ksym", 1000), ("kmem_cache", 10)]
    {
        let Some(probe) = counting(&kernel, kind, 8) else { continue };
        let count = run(&probe, IterTarget::All);
        assert!(count >= least, "{kind}: {count}");
    }
}

#[test]
fn sockets_and_routes_of_the_namespace_are_shown() {
    in_namespace_of("link::tests::iters::sockets_and_routes_of_the_namespace_are_shown", |kernel| {
        let at_first: Vec<_> = SOCKETS.iter().map(|kind| shown(kernel, kind)).collect();
        let _tcp = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let _udp = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").expect("a socket"));
        let dir = testkit::TempDir::new("iters");
        let _unix = std::os::unix::net::UnixDatagram::bind(dir.path().join("a")).expect("a socket");
        let then: Vec<_> = SOCKETS.iter().map(|kind| shown(kernel, kind)).collect();
        for ((kind, before), after) in SOCKETS.iter().zip(at_first).zip(then) {
            let (Some(before), Some(after)) = (before, after) else { continue };
            assert_eq!(after - before, kind.1, "{}", kind.0);
        }
        for kind in ["netlink", "ipv6_route"] {
            assert!(shown(kernel, &(kind, 0)).is_none_or(|count| count > 0), "{kind}");
        }
    });
}

/// Kinds of sockets, and how many the test makes.
const SOCKETS: [(&str, u64); 3] = [("tcp", 1), ("udp", 2), ("unix", 1)];

fn shown(kernel: &Kernel, (kind, _): &(&str, u64)) -> Option<u64> {
    counting(kernel, kind, 8).map(|probe| run(&probe, IterTarget::All))
}
