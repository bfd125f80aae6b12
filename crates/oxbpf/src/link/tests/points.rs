//! Attach points beside links, and those that are sockets, routes and entries of maps. Network tests run in a network
//! namespace of their own.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use oxbpf_kernel::SocketRole;
use oxbpf_uapi::LinkType;
use oxbpf_uapi::flags::QueryFlags;

use super::net::{LOOPBACK, check_counts, in_namespace_of, packet_arrives};
use super::*;
use crate::error::ErrorKind;
use crate::link::{
    AttachOpts, AttachPoint, Neighbour, Order, Position, Route, TcHook, TcOpts, TcQdisc, XdpMode, XdpOpts,
    detach_prog, interface_index, interfaces, netlink, order, point, query_progs, query_xdp_features, route,
    socket, tc, tc_filters, xdp,
};

const TCX: LoadAs = LoadAs {
    prog_type: ProgType::SCHED_CLS,
    attach_type: AttachType::TCX_INGRESS,
    attach_btf_id: 0,
    flags: 0,
};
const TC_ACT_UNSPEC: i32 = -1;
const TC_ACT_OK: i32 = 0;
const TC_ACT_SHOT: i32 = 2;
const XDP_PASS: i32 = 2;

/// Runs a test of this module in a network namespace of its own.
fn in_own_namespace(name: &str, body: impl FnOnce(&Kernel)) {
    in_namespace_of(&format!("link::tests::points::{name}"), body);
}

/// Runs a command of iproute2, and says whether it could do it.
fn does(program: &str, words: &str) -> bool {
    Command::new(program).args(words.split(' ')).status().is_ok_and(|s| s.success())
}

/// A pair of interfaces v0 and v1, of which the first has the address 10.9.0.1/24.
fn veth(kernel: &Kernel) -> Option<u32> {
    let is_made = does("ip", "link add v0 type veth peer name v1")
        && ["link set v0 up", "link set v1 up", "addr add 10.9.0.1/24 dev v0"].iter().all(|w| does("ip", w));
    if !is_made {
        skip("no ip(8), or no veth devices");
        return None;
    }
    Some(interface_index(kernel, "v0").expect("it is there"))
}

/// Sends a packet to an address where nobody listens.
fn send_to(address: &str) {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    // A program may make the send fail.
    let _ = socket.send_to(b"hello", (address, 9));
}

#[test]
fn tcx_lists_change_without_links_at_the_expected_revision_only() {
    in_own_namespace("tcx_lists_change_without_links_at_the_expected_revision_only", |kernel| {
        let ok = Probe::counting(kernel, TCX, TC_ACT_OK).expect("loads");
        let (point, opts) = (AttachPoint::Interface(LOOPBACK), AttachOpts::default());
        let first = match point::attach(&ok.attach(), point, opts) {
            Ok(link) => link,
            Err(e) => return skip(&format!("tcx (Linux 6.6): {e}")),
        };
        let ask = || query_progs(kernel, point, TCX.attach_type, QueryFlags::empty()).expect("asks");
        let before = ask();
        assert_eq!((before.progs.len(), before.progs[0].link_id), (1, 0));
        let shot = Probe::counting(kernel, TCX, TC_ACT_SHOT).expect("loads");
        let at = |position, expected_revision| AttachOpts {
            order: Order { position, expected_revision },
            ..AttachOpts::default()
        };
        let ahead = Position::Before(Neighbour::ProgId(before.progs[0].prog_id));
        let stale = point::attach(&shot.attach(), point, at(ahead, before.revision + 7)).expect_err("stale");
        assert_eq!(stale.errno(), Errno::ESTALE);
        assert!(packet_arrives());
        let second = point::attach(&shot.attach(), point, at(ahead, before.revision)).expect("attaches");
        assert!(!packet_arrives());
        let link =
            order::attach_device(&ok_again(kernel).attach(), "attach_tcx", &order::TCX, 1, Order::default())
                .expect("attaches");
        let after = ask();
        assert_eq!(after.progs.len(), 3);
        assert_eq!(after.progs[1], before.progs[0]);
        assert_eq!(after.progs[2].link_id, link.info().expect("a BPF link").id);
        assert!(after.revision > before.revision);
        // The first of the list goes, whichever it is.
        let first_of_all = Order { position: Position::First, ..Order::default() };
        detach_prog(kernel, point, TCX.attach_type, None, first_of_all).expect("detaches");
        assert!(packet_arrives());
        assert_eq!(second.detach().map_err(|e| e.kind()).err(), Some(ErrorKind::NotFound));
        drop(first);
        drop(link);
        assert!(ask().progs.is_empty());
        let missing =
            point::attach(&ok.attach(), AttachPoint::Interface(4242), opts).expect_err("no interface");
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(missing.to_string().starts_with("interface `#4242`: BPF_PROG_ATTACH: ENODEV"), "{missing}");
    });
}

fn ok_again(kernel: &Kernel) -> Probe {
    Probe::counting(kernel, TCX, TC_ACT_UNSPEC).expect("loads")
}

#[test]
fn netkit_program_sees_packets_that_its_device_sends() {
    in_own_namespace("netkit_program_sees_packets_that_its_device_sends", |kernel| {
        if let Err(e) = netlink::request(kernel, &netlink::link_add("netkit", "nk")) {
            return skip(&format!("netkit (Linux 6.7): {e}"));
        }
        let all = interfaces(kernel).expect("a list");
        for device in all.iter().filter(|i| i.index != LOOPBACK && i.name.starts_with("nk")) {
            netlink::request(kernel, &netlink::link_up(device.index)).expect("goes up");
        }
        if !does("ip", "addr add 10.7.0.1/24 dev nk") {
            return skip("no ip(8)");
        }
        let index = interface_index(kernel, "nk").expect("it is there");
        let load_as = LoadAs { attach_type: AttachType::NETKIT_PRIMARY, ..TCX };
        // NETKIT_PASS.
        let probe = Probe::counting(kernel, load_as, 0).expect("loads");
        let attach =
            |order| order::attach_device(&probe.attach(), "attach_netkit", &order::NETKIT, index, order);
        let link = attach(Order::default()).expect("attaches");
        assert_eq!(link.info().expect("a BPF link").kind, LinkType::NETKIT);
        send_to("10.7.0.2");
        let count = probe.count();
        assert!(count > 0);
        let found =
            query_progs(kernel, AttachPoint::Interface(index), load_as.attach_type, QueryFlags::empty());
        assert_eq!(found.expect("asks").progs.len(), 1);
        link.detach().expect("detaches");
        let count = probe.count();
        send_to("10.7.0.2");
        assert_eq!(probe.count(), count);
    });
}

#[test]
fn interfaces_are_found_by_name_and_a_near_miss_is_proposed() {
    in_own_namespace("interfaces_are_found_by_name_and_a_near_miss_is_proposed", |kernel| {
        let Some(index) = veth(kernel) else { return };
        let all = interfaces(kernel).expect("a list");
        let names: Vec<_> = all.iter().map(|i| i.name.as_str()).filter(|n| n.len() == 2).collect();
        assert!(["lo", "v0", "v1"].iter().all(|n| names.contains(n)), "{all:?}");
        assert_eq!(all.iter().find(|i| i.name == "v0").map(|i| i.index), Some(index));
        let error = interface_index(kernel, "v00").expect_err("no such name");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.to_string(), "interface `v00`: there is no such network interface");
        assert_eq!(error.hint(), "did you mean `v0`?");
        let busy =
            Probe::counting(kernel, LoadAs { prog_type: ProgType::XDP, ..LoadAs::default() }, XDP_PASS);
        let busy = busy.expect("loads");
        let hw = XdpOpts { mode: XdpMode::Hw, ..XdpOpts::default() };
        let error = xdp::attach(&busy.attach(), index, hw).expect_err("no hardware");
        assert!(error.to_string().starts_with("interface `v0`: "), "{error}");
        let features = query_xdp_features(kernel, index).expect("asks");
        // NETDEV_XDP_ACT_BASIC and NETDEV_XDP_ACT_REDIRECT since Linux 6.3.
        assert!(features.flags == 0 || features.flags & 3 == 3, "{features:?}");
        assert_eq!(
            query_xdp_features(kernel, 4242).map_or_else(|e| e.kind(), |_| ErrorKind::NotFound),
            ErrorKind::NotFound
        );
    });
}

#[test]
fn filters_of_qdiscs_of_any_kind_are_listed() {
    in_own_namespace("filters_of_qdiscs_of_any_kind_are_listed", |kernel| {
        let kind = LoadAs { attach_type: AttachType(0), ..TCX };
        let probe = Probe::counting(kernel, kind, TC_ACT_OK).expect("loads");
        let root = TcQdisc { ifindex: LOOPBACK, kind: "prio", parent: 0xffff_ffff, handle: 0x10000 };
        match root.create(kernel) {
            Ok(true) => {}
            other => return skip(&format!("no qdisc prio: {other:?}")),
        }
        assert!(!root.create(kernel).expect("it is there"));
        let missing = TcQdisc { kind: "nonesuch", handle: 0x20000, parent: 0x10001, ..root };
        assert_eq!(missing.create(kernel).map_err(|e| e.kind()).err(), Some(ErrorKind::NotFound));
        let custom = TcHook { ifindex: LOOPBACK, point: crate::link::TcPoint::Parent(root.handle) };
        assert_eq!(custom.create(kernel).map_err(|e| e.errno()).err(), Some(Errno::EOPNOTSUPP));
        let opts = TcOpts { handle: 1, priority: 7, ..TcOpts::default() };
        let link = tc::attach(&probe.attach(), custom, opts).expect("attaches");
        let ingress = tc::attach(&probe.attach(), TcHook::ingress(LOOPBACK), opts).expect("attaches");
        let shown = tc_filters(kernel, LOOPBACK).expect("a list");
        let places: Vec<_> = shown.iter().map(|s| (s.place.as_str(), s.filter.priority)).collect();
        assert!(places.contains(&("prio", 7)) && places.contains(&("clsact/ingress", 7)), "{places:?}");
        drop(ingress);
        check_counts(&probe, link);
        root.destroy(kernel).expect("destroys");
        assert!(root.destroy(kernel).is_err());
    });
}

#[test]
fn socket_filter_cuts_what_a_socket_receives() {
    let Some(kernel) = kernel() else { return };
    let load_as = LoadAs { prog_type: ProgType::SOCKET_FILTER, ..LoadAs::default() };
    // The program keeps no byte of a packet.
    let probe = Probe::counting(&kernel, load_as, 0).expect("loads");
    let receiver = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    receiver.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let arrives = || {
        let to = receiver.local_addr().expect("an address");
        UdpSocket::bind("127.0.0.1:0").expect("a socket").send_to(b"hello", to).expect("sends");
        receiver.recv(&mut [0; 8]).is_ok()
    };
    let duplicate =
        || oxbpf_kernel::Handle::from_fd(receiver.as_fd().try_clone_to_owned().expect("a descriptor"));
    let link = socket::attach(&probe.attach(), duplicate(), SocketRole::Filter).expect("attaches");
    assert!(link.fd().is_none());
    assert!(!arrives());
    assert!(probe.count() > 0);
    link.detach().expect("detaches");
    assert!(arrives());
    let kept = socket::attach(&probe.attach(), duplicate(), SocketRole::Filter).expect("attaches");
    kept.forget();
    assert!(!arrives(), "the program stays with the socket");
    let wrong = socket::attach(&probe.attach(), duplicate(), SocketRole::Reuseport).expect_err("no group");
    assert_eq!(wrong.errno(), Errno::EINVAL);
}

#[test]
fn reuseport_program_picks_a_socket_of_the_group() {
    let Some(kernel) = kernel() else { return };
    for attach_type in [AttachType::SK_REUSEPORT_SELECT, AttachType::SK_REUSEPORT_SELECT_OR_MIGRATE] {
        let load_as = LoadAs { prog_type: ProgType::SK_REUSEPORT, attach_type, ..LoadAs::default() };
        // SK_DROP.
        let Ok(probe) = Probe::counting(&kernel, load_as, 0) else {
            return skip("no migration of connections (Linux 5.14)");
        };
        let receiver =
            rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::DGRAM, None);
        let receiver = receiver.expect("a socket");
        rustix::net::sockopt::set_socket_reuseport(&receiver, true).expect("sets");
        let any = std::net::SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        rustix::net::bind(&receiver, &any).expect("binds");
        let receiver = UdpSocket::from(receiver);
        receiver.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        let arrives = || {
            let to = receiver.local_addr().expect("an address");
            UdpSocket::bind("127.0.0.1:0").expect("a socket").send_to(b"hello", to).expect("sends");
            receiver.recv(&mut [0; 8]).is_ok()
        };
        let duplicate =
            oxbpf_kernel::Handle::from_fd(receiver.as_fd().try_clone_to_owned().expect("a descriptor"));
        let link = socket::attach(&probe.attach(), duplicate, SocketRole::Reuseport).expect("attaches");
        assert!(!arrives());
        assert!(probe.count() > 0);
        link.detach().expect("detaches");
        assert!(arrives());
    }
}

#[test]
fn routes_with_programs_run_them_and_go_with_their_link() {
    in_own_namespace("routes_with_programs_run_them_and_go_with_their_link", |kernel| {
        let Some(index) = veth(kernel) else { return };
        let route = |ifindex, last| Route {
            destination: IpAddr::V4(Ipv4Addr::new(10, 8, 0, last)),
            prefix_len: 32,
            gateway: None,
            ifindex,
            table: 0,
            headroom: 0,
            replace: false,
        };
        for (prog_type, ifindex, last) in
            [(ProgType::LWT_IN, LOOPBACK, 1), (ProgType::LWT_OUT, index, 2), (ProgType::LWT_XMIT, index, 3)]
        {
            // BPF_OK.
            let probe = Probe::counting(kernel, LoadAs { prog_type, ..LoadAs::default() }, 0).expect("loads");
            let to = format!("10.8.0.{last}");
            let link = match route::attach(&probe.attach(), route(ifindex, last)) {
                Ok(link) => link,
                Err(e) if e.errno() == Errno::EOPNOTSUPP => {
                    return skip(&format!("lightweight tunnels: {e}"));
                }
                Err(e) => panic!("{e:#}"),
            };
            send_to(&to);
            let count = probe.count();
            assert!(count > 0, "{prog_type}: the program did not run");
            let taken = route::attach(&probe.attach(), route(ifindex, last)).expect_err("there is a route");
            assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
            link.detach().expect("removes the route");
            send_to(&to);
            assert_eq!(probe.count(), count, "{prog_type}: the program still runs");
        }
        let probe = Probe::counting(kernel, LoadAs { prog_type: ProgType::LWT_XMIT, ..LoadAs::default() }, 0);
        let error = route::attach(&probe.expect("loads").attach(), route(4242, 4)).expect_err("no interface");
        assert!(
            error.to_string().starts_with("route to 10.8.0.4/32: interface `#4242`: add route: "),
            "{error}"
        );
        let wrong = Route { prefix_len: 33, ..route(index, 4) };
        let probe = Probe::counting(kernel, LoadAs { prog_type: ProgType::LWT_XMIT, ..LoadAs::default() }, 0);
        let error = route::attach(&probe.expect("loads").attach(), wrong).expect_err("too many bits");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn segment_routing_program_is_in_its_route_until_the_link_is_dropped() {
    in_own_namespace("segment_routing_program_is_in_its_route_until_the_link_is_dropped", |kernel| {
        let Some(index) = veth(kernel) else { return };
        let load_as = LoadAs { prog_type: ProgType::LWT_SEG6LOCAL, ..LoadAs::default() };
        // BPF_DROP.
        let probe = Probe::counting(kernel, load_as, 2).expect("loads");
        let segment: IpAddr = "fc00::1".parse().expect("an address");
        let route = Route {
            destination: segment,
            prefix_len: 128,
            gateway: None,
            ifindex: index,
            table: 0,
            headroom: 0,
            replace: false,
        };
        let link = match route::attach(&probe.attach(), route) {
            Ok(link) => link,
            Err(e) => return skip(&format!("segment routing: {e}")),
        };
        let shown = || {
            let output = Command::new("ip").args(["-6", "route", "show", "fc00::1"]).output();
            output.ok().map(|o| String::from_utf8_lossy(&o.stdout).into_owned())
        };
        let Some(text) = shown() else { return skip("no ip(8)") };
        assert!(text.contains("action End.BPF endpoint probe:["), "{text}");
        link.detach().expect("removes the route");
        assert_eq!(shown().as_deref(), Some(""));
    });
}

#[test]
fn cpumap_and_devmap_entries_run_their_programs() {
    in_own_namespace("cpumap_and_devmap_entries_run_their_programs", |kernel| {
        let Some(index) = veth(kernel) else { return };
        let as_xdp = |attach_type| LoadAs { prog_type: ProgType::XDP, attach_type, ..LoadAs::default() };
        for (map_type, attach_type, first) in [
            (MapType::CPUMAP, AttachType::XDP_CPUMAP, 64_u32),
            (MapType::DEVMAP, AttachType::XDP_DEVMAP, index),
        ] {
            // XDP_PASS for the first, XDP_DROP for the second.
            let result = if map_type == MapType::CPUMAP { XDP_PASS } else { 1 };
            let inner = Probe::counting(kernel, as_xdp(attach_type), result).expect("loads");
            let error = xdp::attach(&inner.attach(), LOOPBACK, XdpOpts::default());
            assert_eq!(error.map_err(|e| e.kind()).err(), Some(ErrorKind::InvalidInput));
            let map = kernel.map_create(MapCreate {
                map_type,
                key_size: 4,
                value_size: 8,
                max_entries: 1,
                ..MapCreate::default()
            });
            let map = map.expect("a map");
            let fd = inner.prog.as_ref().expect("loaded").number();
            let value = [first.to_ne_bytes(), fd.to_ne_bytes()].concat();
            kernel.map_update_elem(&map, &[0; 4], &value, 0).expect("the entry takes the program");
            let outer = Probe::load(kernel, as_xdp(AttachType::XDP), |_| {
                let mut insns = load_map(1, &map).to_vec();
                insns.extend([mov(2, 0), mov(3, 0), call(HelperId::REDIRECT_MAP), EXIT]);
                insns
            });
            let outer = outer.expect("loads");
            let link = match xdp::attach(&outer.attach(), LOOPBACK, XdpOpts::default()) {
                Ok(link) => link,
                Err(e) => return skip(&format!("{attach_type} programs of generic XDP (Linux 5.15): {e}")),
            };
            let arrived = packet_arrives();
            link.detach().expect("detaches");
            if inner.count() == 0 {
                return skip(&format!("{attach_type} programs of generic XDP (Linux 5.15)"));
            }
            assert_eq!(arrived, result == XDP_PASS, "{attach_type}");
        }
    });
}

#[test]
fn flow_dissector_takes_packets_apart_by_link_and_without() {
    in_own_namespace("flow_dissector_takes_packets_apart_by_link_and_without", |kernel| {
        let load_as = LoadAs {
            prog_type: ProgType::FLOW_DISSECTOR,
            attach_type: AttachType::FLOW_DISSECTOR,
            ..LoadAs::default()
        };
        // BPF_OK.
        let probe = Probe::counting(kernel, load_as, 0).expect("loads");
        // A hash of the packet's addresses takes the packet apart.
        let hashing = Probe::load(kernel, LoadAs { attach_type: AttachType(0), ..TCX }, |_| {
            vec![
                mov_reg(6, 1),
                call(HelperId::SET_HASH_INVALID),
                mov_reg(1, 6),
                call(HelperId::GET_HASH_RECALC),
                mov(0, TC_ACT_OK),
                EXIT,
            ]
        });
        let hashing = hashing.expect("loads");
        let _hashing = tc::attach(&hashing.attach(), TcHook::ingress(LOOPBACK), TcOpts::default());
        let netns = Path::new("/proc/self/ns/net");
        let handle = kernel.open(oxbpf_kernel::Opening::Netns(netns)).expect("opens");
        let ids = || {
            let ask = |point| query_progs(kernel, point, load_as.attach_type, QueryFlags::empty());
            let current = ask(AttachPoint::CurrentNetns).expect("asks");
            assert_eq!(ask(AttachPoint::Netns(netns)).expect("asks"), current);
            current.progs.len()
        };
        let link = order::attach_netns(&probe.attach(), &handle).expect("attaches");
        assert_eq!((link.info().expect("a BPF link").kind, ids()), (LinkType::NETNS, 1));
        check_counts(&probe, link);
        assert_eq!(ids(), 0);
        let opts = AttachOpts::default();
        let without = point::attach(&probe.attach(), AttachPoint::CurrentNetns, opts).expect("attaches");
        assert_eq!(ids(), 1);
        check_counts(&probe, without);
        let named =
            point::attach(&probe.attach(), AttachPoint::Netns(netns), opts).expect_err("only by link");
        assert_eq!(named.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn sk_skb_program_redirects_a_stream_to_another_socket_of_the_map() {
    let Some(kernel) = kernel() else { return };
    let sockets = kernel.map_create(MapCreate {
        map_type: MapType::SOCKMAP,
        key_size: 4,
        value_size: 4,
        max_entries: 2,
        ..MapCreate::default()
    });
    let sockets = sockets.expect("a sockmap");
    let pair = || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connects");
        (client, listener.accept().expect("accepts").0)
    };
    for attach_type in [AttachType::SK_SKB_STREAM_VERDICT, AttachType::SK_SKB_VERDICT] {
        let load_as = LoadAs { prog_type: ProgType::SK_SKB, attach_type, ..LoadAs::default() };
        // Sends what the first socket receives out through the second.
        let redirect = Probe::load(&kernel, load_as, |_| {
            let mut insns = vec![mov_reg(6, 1)];
            insns.extend(load_map(2, &sockets));
            insns.extend([mov_reg(1, 6), mov(3, 1), mov(4, 0), call(HelperId::SK_REDIRECT_MAP), EXIT]);
            insns
        });
        let redirect = redirect.expect("loads");
        let link = match order::attach_sockmap(&redirect.attach(), &sockets) {
            Ok(link) => link,
            Err(e) => return skip(&format!("{attach_type} (Linux 5.13): {e}")),
        };
        if let Some(fd) = link.fd() {
            assert!(fd.number() >= 0);
            assert_eq!(link.info().expect("a BPF link").kind, LinkType::SOCKMAP);
        }
        let ((mut from, first), (second, mut to)) = (pair(), pair());
        for (key, socket) in [(0_u32, &first), (1, &second)] {
            let fd = socket.as_raw_fd().to_ne_bytes();
            kernel
                .map_update_elem(&sockets, &key.to_ne_bytes(), &fd, 0)
                .expect("the socket goes into the map");
        }
        from.write_all(b"hello").expect("writes");
        to.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
        let mut got = [0; 5];
        to.read_exact(&mut got).expect("the data comes out of the other socket");
        assert_eq!(&got, b"hello");
        let point = AttachPoint::Map(&sockets);
        match query_progs(&kernel, point, attach_type, QueryFlags::empty()) {
            Ok(found) => assert_eq!(found.progs.len(), 1),
            Err(e) => assert_eq!(e.errno(), Errno::EINVAL, "before Linux 5.16: {e}"),
        }
        link.detach().expect("detaches");
    }
}

#[test]
fn what_no_machine_has_is_refused_with_its_name() {
    let Some(kernel) = kernel() else { return };
    let load_as = LoadAs { prog_type: ProgType::LIRC_MODE2, ..LoadAs::default() };
    let Ok(probe) = Probe::counting(&kernel, load_as, 1) else { return skip("no infrared programs") };
    let device = AttachPoint::Lirc(Path::new("/dev/lirc-none"));
    let error = point::attach(&probe.attach(), device, AttachOpts::default()).expect_err("no device");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().starts_with("infrared device `/dev/lirc-none`: ENOENT"), "{error}");
}
