//! Every section name of networks and control groups, on the running kernel: the program is loaded, attached by the method for
//! its type, its event is made in a network namespace and control group of the test's own, and the program has run.
//!
//! Needs root and unshare(1). With `OXBPF_COVERAGE` set there are lines as `sections.rs` has them.

#![cfg(all(feature = "linux", target_os = "linux"))]

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use oxbpf::link::{
    AttachOpts, AttachPoint, Link, NetfilterOpts, Order, Route, TcHook, TcOpts, XdpOpts, interface_index,
    set_xdp,
};
use oxbpf::{ErrorKind, Kernel, Object, ObjectBuilder, OpenObject, Program};
use oxbpf_kernel::{Anchor, MapCreate, MapFd, NlMessage, ProgAttach, ProgFd, ProgLoad, Target};
use oxbpf_uapi::flags::ProgLoadFlags;
use oxbpf_uapi::{AttachType, Insn, MapType, ProgType};

const LOOPBACK: u32 = 1;
const WAIT: Duration = Duration::from_secs(5);

fn open(only: &str) -> OpenObject {
    let bytes = std::fs::read(testkit::testdata("attach/net.bpf.o")).unwrap();
    let mut open = ObjectBuilder::new().open_memory(bytes).unwrap();
    let names: Vec<String> = open.spec().programs.iter().map(|p| p.code.name.clone()).collect();
    for name in names {
        open.program_mut(&name).unwrap().set_autoload(name == only);
    }
    open
}

fn hits(object: &Object) -> u64 {
    u64::from_ne_bytes(object.global_bytes("hits").unwrap().try_into().unwrap())
}

/// What a kernel says that can't, as a reason to skip; other errors are failures of the test.
fn reason(error: &oxbpf::Error) -> String {
    let is_refusal = matches!(
        error.kind(),
        ErrorKind::Unsupported { .. }
            | ErrorKind::PermissionDenied
            | ErrorKind::Verifier
            | ErrorKind::NotFound
    ) || [22, 524, 95, 7].contains(&error.errno().0);
    assert!(is_refusal, "{error:#}");
    let hint = if error.hint().is_empty() { String::new() } else { format!(" ({})", error.hint()) };
    format!("{error}{hint}").replace('\n', " ")
}

/// Writes down what came of a section, around the test runner's capture.
fn note(section: &str, result: &str) {
    if std::env::var_os("OXBPF_COVERAGE").is_none() {
        return;
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let kernel: Vec<&str> = release.split('.').take(2).collect();
    let line = format!("COVERAGE {} {section} {result}\n", kernel.join("."));
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// The control group of this process, as a directory.
struct Cgroup(PathBuf);

/// Two connected sockets.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = listener.accept().unwrap().0;
    server.set_read_timeout(Some(WAIT)).unwrap();
    client.set_read_timeout(Some(WAIT)).unwrap();
    (client, server)
}

/// Sends packets and makes system calls of each kind that a section is about. What a program refuses is no failure.
fn make_events() {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let (Ok(a), Ok(b)) = (UdpSocket::bind(address), UdpSocket::bind(address)) else { continue };
        b.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let to = b.local_addr().unwrap();
        let _ = a.send_to(b"hello", to);
        let _ = b.recv_from(&mut [0; 8]);
        let _ = a.connect(to);
        let _ = a.peer_addr();
        let _ = a.set_broadcast(true);
        let _ = a.broadcast();
    }
    let _ = UdpSocket::bind("0.0.0.0:0").and_then(|s| s.send_to(b"hello", "10.8.0.1:9"));
    let (mut client, mut server) = pair();
    let _ = client.write_all(b"hello");
    let _ = server.read(&mut [0; 8]);
    let dir = testkit::TempDir::new("sections");
    let (first, second) = (dir.path().join("a"), dir.path().join("b"));
    let (a, b) = (UnixDatagram::bind(&first).unwrap(), UnixDatagram::bind(&second).unwrap());
    let _ = a.send_to(b"hello", &second);
    b.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let _ = b.recv_from(&mut [0; 8]);
    let _ = a.connect(&second);
    let _ = a.peer_addr();
    let _ = a.local_addr();
    let _ = std::fs::read("/proc/sys/net/ipv4/ip_forward");
    let _ = std::fs::read("/dev/null");
}

/// What a section's program was attached by, and what makes it run.
struct Attached {
    _link: Option<Link>,
    /// Objects that the attachment needs.
    _keeps: Vec<oxbpf_kernel::Handle>,
    event: Event,
}

enum Event {
    /// [`make_events`].
    Usual,
    /// One of its own.
    Own(Box<dyn Fn()>),
}

impl Event {
    /// Makes the event.
    fn make(&self) {
        match self {
            Event::Usual => make_events(),
            Event::Own(event) => event(),
        }
    }
}

fn usual(link: Link) -> Attached {
    Attached { _link: Some(link), _keeps: Vec::new(), event: Event::Usual }
}

fn own(link: Link, event: impl Fn() + 'static) -> Attached {
    Attached { _link: Some(link), _keeps: Vec::new(), event: Event::Own(Box::new(event)) }
}

fn map(kernel: &Kernel, map_type: MapType, value_size: u32) -> MapFd {
    let create = MapCreate { map_type, key_size: 4, value_size, max_entries: 2, ..MapCreate::default() };
    kernel.map_create(create).unwrap()
}

/// Puts the program into an entry of a map, to which another program sends all packets of the loopback interface.
fn in_map(
    kernel: &Kernel,
    map_type: MapType,
    first: u32,
    prog: &ProgFd,
    flags: u32,
) -> oxbpf::Result<Attached> {
    let map = map(kernel, map_type, 8);
    let value = [first.to_ne_bytes(), prog.number().to_ne_bytes()].concat();
    kernel.map_update_elem(&map, &[0; 4], &value, 0).map_err(oxbpf::Error::kernel)?;
    let load = Insn::new(0x18, 1, 1, 0, map.number());
    // r1 = map; r2 = 0; r3 = 0; return bpf_redirect_map(r1, r2, r3).
    let insns = [
        load,
        Insn::default(),
        Insn::new(0xb7, 2, 0, 0, 0),
        Insn::new(0xb7, 3, 0, 0, 0),
        Insn::new(0x85, 0, 0, 0, 51),
        Insn::new(0x95, 0, 0, 0, 0),
    ];
    let load = ProgLoad {
        prog_type: ProgType::XDP,
        insns: &insns,
        license: "GPL",
        prog_flags: flags,
        ..ProgLoad::default()
    };
    let outer = kernel.prog_load(load).0.map_err(oxbpf::Error::kernel)?;
    set_xdp(kernel, LOOPBACK, oxbpf::link::XdpMode::Default, &outer, true)?;
    // What the map's program passes comes back, on another processor; what it drops does not.
    let patience = if map_type == MapType::CPUMAP { WAIT } else { Duration::from_millis(100) };
    let event = move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(patience)).unwrap();
        socket.send_to(b"hello", socket.local_addr().unwrap()).unwrap();
        let _ = socket.recv(&mut [0; 8]);
    };
    let keeps = vec![(*map).clone(), (*outer).clone()];
    Ok(Attached { _link: None, _keeps: keeps, event: Event::Own(Box::new(event)) })
}

/// Adds a netkit pair, of which the first device is `nkt`, and brings both up, each with an address of its own.
fn netkit(kernel: &Kernel) -> oxbpf::Result<u32> {
    if interface_index(kernel, "nkt").is_err() {
        // RTM_NEWLINK of an interface with IFLA_IFNAME and IFLA_LINKINFO { IFLA_INFO_KIND }.
        let mut bytes = vec![0; 16 + 16];
        let mut attr = |kind: u16, value: &[u8]| {
            bytes.extend_from_slice(&(value.len() as u16 + 4).to_ne_bytes());
            bytes.extend_from_slice(&kind.to_ne_bytes());
            bytes.extend_from_slice(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        };
        attr(3, b"nkt\0");
        let kind = [&11_u16.to_ne_bytes()[..], &1_u16.to_ne_bytes(), b"netkit\0\0"].concat();
        attr(18 | 1 << 15, &kind);
        let len = bytes.len() as u32;
        bytes[..4].copy_from_slice(&len.to_ne_bytes());
        bytes[4..6].copy_from_slice(&16_u16.to_ne_bytes());
        bytes[6..8].copy_from_slice(&0x605_u16.to_ne_bytes());
        kernel
            .netlink(&NlMessage { protocol: 0, bytes: &bytes }, &mut |_| {})
            .map_err(|e| oxbpf::Error::kernel(e.errno).with_message("netkit needs Linux 6.7"))?;
        for device in oxbpf::link::interfaces(kernel)?.iter().filter(|i| i.name.starts_with("nk")) {
            let network = if device.name == "nkt" { 0 } else { 1 };
            ip(&format!("link set {} up", device.name));
            ip(&format!("addr add 10.7.{network}.1/24 dev {}", device.name));
        }
    }
    interface_index(kernel, "nkt")
}

fn ip(words: &str) {
    assert!(Command::new("ip").args(words.split(' ')).status().is_ok_and(|s| s.success()), "ip {words}");
}

/// Puts sockets into a map of the program, and gives the event of data that passes.
fn through_sockets(kernel: &Kernel, sockets: &MapFd) -> impl Fn() + 'static {
    let (kernel, sockets) = (kernel.clone(), sockets.clone());
    move || {
        let (mut from, mut to) = pair();
        for (key, socket) in [(0_u32, &from), (1, &to)] {
            let fd = socket.as_raw_fd().to_ne_bytes();
            kernel.map_update_elem(&sockets, &key.to_ne_bytes(), &fd, 0).unwrap();
        }
        from.write_all(b"hello").unwrap();
        // What a program redirects or drops does not come.
        to.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let _ = to.read(&mut [0; 8]);
    }
}

/// A program that sees all data of the sockets of a map.
fn to_map<'a>(sockets: &'a MapFd, prog: &'a ProgFd, attach_type: AttachType) -> ProgAttach<'a> {
    ProgAttach {
        target: Target::Object(sockets),
        prog,
        attach_type,
        flags: 0,
        replace: None,
        relative: Anchor::None,
        expected_revision: 0,
    }
}

/// A classifier of received packets that hashes their addresses anew, for which the kernel takes them apart.
fn hashing() -> oxbpf::Result<(Object, Link)> {
    let mut prepared = open("on_tc").prepare()?;
    // r6 = r1; bpf_set_hash_invalid(r1); bpf_get_hash_recalc(r6); return TC_ACT_OK.
    let insns = [
        Insn::new(0xbf, 6, 1, 0, 0),
        Insn::new(0x85, 0, 0, 0, 41),
        Insn::new(0xbf, 1, 6, 0, 0),
        Insn::new(0x85, 0, 0, 0, 34),
        Insn::new(0xb7, 0, 0, 0, 0),
        Insn::new(0x95, 0, 0, 0, 0),
    ];
    prepared.set_insns("on_tc", &insns)?;
    let object = prepared.load()?;
    let link = object.program("on_tc")?.attach_tc(TcHook::ingress(LOOPBACK), TcOpts::default())?;
    Ok((object, link))
}

/// Sends a packet from `v0` to `v1` with the segment that the route to `fc00::1` ends, and one more after it.
fn through_segment() -> impl Fn() + 'static {
    ip("link set v1 address 02:00:00:00:00:01");
    ip("-6 addr replace fd00::2/64 dev v0 nodad");
    ip("-6 neigh replace fc00::1 lladdr 02:00:00:00:00:01 dev v0 nud permanent");
    ip("-6 route replace fc00::/64 dev v0");
    ip("-6 route replace fd01::5/128 encap seg6 mode encap segs fc00::1,fc00::6 dev v0");
    || drop(UdpSocket::bind("[::]:0").and_then(|s| s.send_to(b"hello", "[fd01::5]:9")))
}

/// Attaches a program by the method for its type.
fn attach(kernel: &Kernel, cgroup: &Cgroup, program: &Program<'_>, section: &str) -> oxbpf::Result<Attached> {
    let prog = program.fd()?;
    let frags = if section.starts_with("xdp.frags") { ProgLoadFlags::XDP_HAS_FRAGS.bits() } else { 0 };
    match program.prog_type() {
        ProgType::SOCKET_FILTER => {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            let link = program.attach_socket(&socket)?;
            let to = socket.local_addr().unwrap();
            Ok(own(link, move || drop(UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"hello", to))))
        }
        ProgType::SK_REUSEPORT => {
            use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};
            let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
            sockopt::set_socket_reuseport(&socket, true).unwrap();
            bind(&socket, &std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
            let socket = UdpSocket::from(socket);
            let link = program.attach_reuseport(&socket)?;
            let to = socket.local_addr().unwrap();
            Ok(own(link, move || drop(UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"hello", to))))
        }
        ProgType::SCHED_CLS => match program.expected_attach_type() {
            AttachType::NETKIT_PRIMARY | AttachType::NETKIT_PEER => {
                let link = program.attach_netkit(netkit(kernel)?, Order::default())?;
                // What goes out through a device is seen by that device's program.
                let to = if section.ends_with("peer") { "10.7.1.2:9" } else { "10.7.0.2:9" };
                Ok(own(link, move || drop(UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"hello", to))))
            }
            AttachType::TCX_INGRESS | AttachType::TCX_EGRESS => {
                match program.attach_tcx(LOOPBACK, Order::default()) {
                    // `tc/…` is for a filter where there are no lists.
                    Err(_) if section.starts_with("tc/") => {
                        program.attach_tc(TcHook::ingress(LOOPBACK), TcOpts::default()).map(usual)
                    }
                    result => result.map(usual),
                }
            }
            _ => program.attach_tc(TcHook::ingress(LOOPBACK), TcOpts::default()).map(usual),
        },
        ProgType::SCHED_ACT => program.attach_tc(TcHook::ingress(LOOPBACK), TcOpts::default()).map(usual),
        // Programs that know of fragments go together with others that do.
        ProgType::XDP => match program.expected_attach_type() {
            AttachType::XDP_CPUMAP => in_map(kernel, MapType::CPUMAP, 64, prog, frags),
            AttachType::XDP_DEVMAP => {
                in_map(kernel, MapType::DEVMAP, interface_index(kernel, "v0")?, prog, frags)
            }
            _ => program.attach_xdp(LOOPBACK, XdpOpts::default()).map(usual),
        },
        ProgType::LWT_IN | ProgType::LWT_OUT | ProgType::LWT_XMIT | ProgType::LWT_SEG6LOCAL => {
            let is_segment = program.prog_type() == ProgType::LWT_SEG6LOCAL;
            let is_received = program.prog_type() == ProgType::LWT_IN;
            let v4 = IpAddr::V4(Ipv4Addr::new(10, 8, 0, 1));
            let link = program.attach_route(Route {
                destination: if is_segment { "fc00::1".parse().unwrap() } else { v4 },
                prefix_len: if is_segment { 128 } else { 32 },
                gateway: None,
                ifindex: if is_received { LOOPBACK } else { interface_index(kernel, "v0")? },
                table: 0,
                headroom: 0,
                replace: false,
            })?;
            Ok(if is_segment { own(link, through_segment()) } else { usual(link) })
        }
        ProgType::SK_SKB | ProgType::SK_MSG => {
            let sockets = map(kernel, MapType::SOCKMAP, 4);
            let event = through_sockets(kernel, &sockets);
            if section == "sk_skb" {
                // The section does not say which of the two it is.
                let req = to_map(&sockets, prog, AttachType::SK_SKB_STREAM_VERDICT);
                kernel.prog_attach(req).map_err(oxbpf::Error::kernel)?;
                return Ok(Attached {
                    _link: None,
                    _keeps: vec![(*sockets).clone()],
                    event: Event::Own(Box::new(event)),
                });
            }
            let link = program.attach_sockmap(&sockets)?;
            if section == "sk_skb/stream_parser" {
                // A parser runs only where a verdict does: one that drops all, since passing on makes Linux 5.10 wait for
                // itself in sk_psock_skb_ingress_enqueue().
                let insns = [Insn::new(0xb7, 0, 0, 0, 0), Insn::new(0x95, 0, 0, 0, 0)];
                let prog_type = ProgType::SK_SKB;
                let load = ProgLoad { prog_type, insns: &insns, license: "GPL", ..ProgLoad::default() };
                let verdict = kernel.prog_load(load).0.map_err(oxbpf::Error::kernel)?;
                let req = to_map(&sockets, &verdict, AttachType::SK_SKB_STREAM_VERDICT);
                kernel.prog_attach(req).map_err(oxbpf::Error::kernel)?;
            }
            let mut attached = own(link, event);
            attached._keeps.push((*sockets).clone());
            Ok(attached)
        }
        ProgType::LIRC_MODE2 => program.attach_lirc("/dev/lirc0").map(usual),
        ProgType::FLOW_DISSECTOR => {
            let (classifier, filter) = hashing()?;
            let link = program.attach_netns("/proc/self/ns/net")?;
            Ok(own(link, move || {
                let _kept = (&classifier, &filter);
                make_events();
            }))
        }
        ProgType::SK_LOOKUP => program.attach_netns("/proc/self/ns/net").map(usual),
        ProgType::NETFILTER => {
            // NFPROTO_IPV4, NF_INET_LOCAL_IN.
            let opts = NetfilterOpts { pf: 2, hooknum: 1, priority: -128, defragment: false };
            program.attach_netfilter(opts).map(usual)
        }
        _ => match program.attach_cgroup(&cgroup.0, Order::default()) {
            // Before Linux 5.7 there are no links.
            Err(e) if e.errno().0 == 22 && section != "lsm_cgroup" => {
                let point = AttachPoint::Cgroup(&cgroup.0);
                program.attach_without_link(point, AttachOpts::default()).map(usual)
            }
            result => result.map(usual),
        },
    }
}

/// Loads and attaches a program, makes its event, and says what came of it.
fn try_section(cgroup: &Cgroup, name: &str, section: &str) -> String {
    let object = match open(name).load() {
        Ok(object) => object,
        Err(e) => return format!("skip: {}", reason(&e)),
    };
    let kernel = object.kernel().clone();
    let program = object.program(name).unwrap();
    let attached = match attach(&kernel, cgroup, &program, section) {
        Ok(attached) => attached,
        Err(e) => return format!("skip: {}", reason(&e)),
    };
    attached.event.make();
    let _ = oxbpf::link::detach_xdp(&kernel, LOOPBACK, oxbpf::link::XdpMode::Default);
    let is_link = attached._link.is_some();
    if !is_link && hits(&object) == 0 {
        return "skip: generic XDP runs no programs of maps before Linux 5.15".into();
    }
    assert!(hits(&object) > 0, "{section}: the program did not run");
    let Attached { _link, _keeps, event } = attached;
    drop(_link);
    if is_link {
        let before = hits(&object);
        event.make();
        assert_eq!(hits(&object), before, "{section}: the program still runs");
    }
    "pass".into()
}

/// Runs the test again in a network namespace and a control group of its own; `true` where that is this process.
fn is_alone(test: &str) -> Option<Cgroup> {
    if let Some(cgroup) = std::env::var_os("OXBPF_TEST_CGROUP") {
        return Some(Cgroup(cgroup.into()));
    }
    let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let Some(root) = roots.iter().map(Path::new).find(|r| r.join("cgroup.procs").exists()) else {
        testkit::skip_this("no control groups of version 2");
        return None;
    };
    let cgroup = root.join(format!("oxbpf-sections-{}", std::process::id()));
    if let Err(e) = std::fs::create_dir(&cgroup) {
        testkit::skip_this(format_args!("{}: {e}", cgroup.display()));
        return None;
    }
    let enter = "echo $$ > \"$1/cgroup.procs\" && exec unshare --net -- \"$2\" --exact \"$3\" --nocapture";
    let output = Command::new("/bin/sh")
        .args(["-c", enter, "sh"])
        .arg(&cgroup)
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env("OXBPF_TEST_CGROUP", &cgroup)
        .output()
        .unwrap();
    let _ = std::fs::remove_dir(&cgroup);
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if text.contains("unshare failed") {
        testkit::skip_this("no network namespaces");
        return None;
    }
    for line in text.lines().filter(|l| l.starts_with("COVERAGE ") || l.starts_with("SKIP ")) {
        std::io::stderr().write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    None
}

#[test]
fn every_section_of_networks_and_control_groups_attaches() {
    if !testkit::require_bpf() {
        return;
    }
    let Some(cgroup) = is_alone("every_section_of_networks_and_control_groups_attaches") else { return };
    let _ = oxbpf_sys::raise_memlock();
    let has_devices =
        ["link set lo up", "link add v0 type veth peer name v1", "link set v0 up", "link set v1 up"]
            .iter()
            .all(|w| Command::new("ip").args(w.split(' ')).status().is_ok_and(|s| s.success()));
    if !has_devices {
        return testkit::skip_this("no ip(8), or no veth devices");
    }
    let sections: Vec<(String, String)> =
        open("").spec().programs.iter().map(|p| (p.code.name.clone(), p.sec_name.clone())).collect();
    assert_eq!(sections.len(), 62);
    for (name, section) in sections {
        let section = section.split_once("/socket_bind").map_or(section.as_str(), |(s, _)| s);
        let result = try_section(&cgroup, &name, section);
        if result.starts_with("skip") {
            testkit::skip_this(format_args!("{section}: {result}"));
        }
        note(section, &result);
    }
}
