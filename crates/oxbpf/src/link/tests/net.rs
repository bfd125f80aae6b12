//! Network interfaces, each test in a network namespace of its own, on its loopback interface (number 1).

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use oxbpf_kernel::NlMessage;
use oxbpf_uapi::LinkType;
use oxbpf_uapi::netlink::NETLINK_ROUTE;

use super::*;
use crate::error::ErrorKind;
use crate::link::{
    Link, Neighbour, Order, Position, TcHook, TcOpts, XdpMode, XdpOpts, XdpState, netlink, order, perf,
    query_xdp, tc, xdp,
};

pub(super) const LOOPBACK: u32 = 1;
const XDP_DROP: i32 = 1;
const XDP_PASS: i32 = 2;
const TC_ACT_UNSPEC: i32 = -1;
const TC_ACT_OK: i32 = 0;
const TC_ACT_SHOT: i32 = 2;

const XDP: LoadAs =
    LoadAs { prog_type: ProgType::XDP, attach_type: AttachType::XDP, attach_btf_id: 0, flags: 0 };
const TC: LoadAs =
    LoadAs { prog_type: ProgType::SCHED_CLS, attach_type: AttachType(0), attach_btf_id: 0, flags: 0 };

/// Runs `body` in a process with a network namespace of its own: this test binary again, with only the test `name`.
fn in_own_namespace(name: &str, body: impl FnOnce(&Kernel)) {
    in_namespace_of(&format!("link::tests::net::{name}"), body);
}

/// The same for a test of another module, by its whole path.
pub(super) fn in_namespace_of(test: &str, body: impl FnOnce(&Kernel)) {
    let Some(kernel) = kernel() else { return };
    if std::env::var_os("OXBPF_TEST_NAMESPACE").is_some() {
        let up = netlink::link_up(LOOPBACK);
        kernel
            .netlink(&NlMessage { protocol: NETLINK_ROUTE, bytes: &up }, &mut |_| {})
            .expect("loopback goes up");
        return body(&kernel);
    }
    let program = std::env::current_exe().expect("a path");
    let output = Command::new("unshare")
        .args(["--net", "--"])
        .arg(program)
        .args(["--exact", test, "--nocapture"])
        .env("OXBPF_TEST_NAMESPACE", "1")
        .output();
    let Ok(output) = output else { return skip("no unshare(1)") };
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    if text.contains("unshare failed") {
        return skip("no network namespaces");
    }
    text.lines().filter(|l| l.starts_with("skipped: ")).for_each(|l| eprintln!("{l}"));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Sends a packet to itself and says whether it arrived.
pub(super) fn packet_arrives() -> bool {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let to = socket.local_addr().expect("an address");
    // A filter on the way out may make the send itself fail.
    socket.send_to(b"hello", to).is_ok() && socket.recv(&mut [0; 8]).is_ok()
}

/// Packets are counted while the link lives, and not after.
#[track_caller]
pub(super) fn check_counts(probe: &Probe, link: Link) {
    let before = probe.count();
    assert!(packet_arrives());
    let during = probe.count();
    assert!(during > before, "the program did not run: {link:?}");
    link.detach().expect("detaches");
    assert!(packet_arrives());
    assert_eq!(probe.count(), during, "the program still runs");
}

#[test]
fn xdp_link_sees_packets_and_drops_them() {
    in_own_namespace("xdp_link_sees_packets_and_drops_them", |kernel| {
        let pass = Probe::counting(kernel, XDP, XDP_PASS).expect("loads");
        let link = xdp::attach(&pass.attach(), LOOPBACK, XdpOpts::default()).expect("attaches");
        let info = link.info().expect("a BPF link");
        assert_eq!(info.kind, LinkType::XDP);
        let state = query_xdp(kernel, LOOPBACK).expect("state");
        assert_eq!(state.prog_id, info.prog_id);
        assert_eq!(
            (state.skb_prog_id, state.attach_mode),
            (info.prog_id, 2),
            "loopback has only the generic mode"
        );
        check_counts(&pass, link);
        assert_eq!(query_xdp(kernel, LOOPBACK).expect("state").prog_id, 0);

        let drop_all = Probe::counting(kernel, XDP, XDP_DROP).expect("loads");
        let skb = XdpOpts { mode: XdpMode::Skb, ..XdpOpts::default() };
        let link = xdp::attach(&drop_all.attach(), LOOPBACK, skb).expect("attaches");
        assert!(!packet_arrives());
        let other =
            xdp::attach(&pass.attach(), LOOPBACK, XdpOpts::default()).expect_err("the place is taken");
        assert_eq!(other.kind(), ErrorKind::Busy);
        // Another program takes the place in the link.
        link.update_program(pass.attach().prog, Some(drop_all.attach().prog)).expect("updates");
        assert!(packet_arrives());
        let wrong = link.update_program(pass.attach().prog, Some(drop_all.attach().prog));
        assert_eq!(wrong.map_err(|e| e.errno()).err(), Some(Errno::EPERM));
        check_counts(&pass, link);
    });
}

#[test]
fn xdp_over_netlink_is_taken_back_by_its_link_only() {
    in_own_namespace("xdp_over_netlink_is_taken_back_by_its_link_only", |kernel| {
        let netlink = XdpOpts { netlink: true, ..XdpOpts::default() };
        let pass = Probe::counting(kernel, XDP, XDP_PASS).expect("loads");
        let link = xdp::attach(&pass.attach(), LOOPBACK, netlink).expect("attaches");
        assert!(link.fd().is_none());
        assert_eq!(link.info().map_err(|e| e.errno()).err(), Some(Errno::EOPNOTSUPP));
        check_counts(&pass, link);

        let first = xdp::attach(&pass.attach(), LOOPBACK, netlink).expect("attaches");
        let taken = xdp::attach(&pass.attach(), LOOPBACK, XdpOpts { no_replace: true, ..netlink });
        assert_eq!(taken.map_err(|e| e.kind()).err(), Some(ErrorKind::Busy));
        let other = Probe::counting(kernel, XDP, XDP_PASS).expect("loads");
        let replace = XdpOpts { old_prog: Some(pass.attach().prog), ..netlink };
        let second = xdp::attach(&other.attach(), LOOPBACK, replace).expect("replaces");
        // The program of the first link is gone, so that there is nothing of it to take back.
        drop(first);
        check_counts(&other, second);

        let kept = xdp::attach(&pass.attach(), LOOPBACK, netlink).expect("attaches");
        kept.forget();
        assert_ne!(query_xdp(kernel, LOOPBACK).expect("state").prog_id, 0);
        crate::link::detach_xdp(kernel, LOOPBACK, XdpMode::Default).expect("detaches");
        assert_eq!(query_xdp(kernel, LOOPBACK).expect("state").prog_id, 0);
    });
}

#[test]
fn xdp_on_an_interface_that_does_not_exist_is_not_found() {
    in_own_namespace("xdp_on_an_interface_that_does_not_exist_is_not_found", |kernel| {
        let probe = Probe::counting(kernel, XDP, XDP_PASS).expect("loads");
        let error = xdp::attach(&probe.attach(), 4242, XdpOpts::default()).expect_err("no such interface");
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().starts_with("interface `#4242`: set XDP program: ENODEV"), "{error}");
        assert_eq!(query_xdp(kernel, 4242).map_err(|e| e.kind()).err(), Some(ErrorKind::NotFound));
        let driver = XdpOpts { mode: XdpMode::Drv, ..XdpOpts::default() };
        let error = xdp::attach(&probe.attach(), LOOPBACK, driver).expect_err("loopback has no driver mode");
        assert_eq!(error.errno(), Errno::EOPNOTSUPP);
    });
}

#[test]
fn tc_filter_runs_at_ingress_and_egress_and_leaves_nothing_behind() {
    in_own_namespace("tc_filter_runs_at_ingress_and_egress_and_leaves_nothing_behind", |kernel| {
        for hook in [TcHook::ingress(LOOPBACK), TcHook::egress(LOOPBACK)] {
            let probe = Probe::counting(kernel, TC, TC_ACT_OK).expect("loads");
            let opts = TcOpts { handle: 3, priority: 50, ..TcOpts::default() };
            let link = tc::attach(&probe.attach(), hook, opts).expect("attaches");
            assert_eq!(link.tc_filter(), Some((3, 50)));
            let filter = hook.query(kernel, 3, 50).expect("the filter");
            assert_eq!(filter.name, format!("probe:[{}]", filter.prog_id));
            assert_eq!(hook.filters(kernel).expect("filters"), [filter]);
            check_counts(&probe, link);
            let missing = hook.query(kernel, 3, 50).expect_err("the qdisc is gone");
            assert_eq!(missing.errno(), Errno::EINVAL);
        }
    });
}

#[test]
fn tc_filters_of_others_keep_the_qdisc() {
    in_own_namespace("tc_filters_of_others_keep_the_qdisc", |kernel| {
        let hook = TcHook::ingress(LOOPBACK);
        let probe = Probe::counting(kernel, TC, TC_ACT_UNSPEC).expect("loads");
        let first = tc::attach(&probe.attach(), hook, TcOpts::default()).expect("attaches");
        let second = tc::attach(&probe.attach(), hook, TcOpts::default()).expect("attaches");
        assert_ne!(first.tc_filter(), second.tc_filter(), "the kernel chose");
        let (handle, priority) = second.tc_filter().expect("a filter");
        drop(first);
        assert_eq!(hook.filters(kernel).expect("filters").len(), 1);

        let shot = Probe::counting(kernel, TC, TC_ACT_SHOT).expect("loads");
        let opts = TcOpts { handle, priority, ..TcOpts::default() };
        let taken = tc::attach(&shot.attach(), hook, opts).expect_err("the place is taken");
        assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
        let replaced = tc::attach(&shot.attach(), hook, TcOpts { replace: true, ..opts }).expect("replaces");
        assert!(!packet_arrives());
        second.forget();
        drop(replaced);
        assert!(packet_arrives());
        assert!(!hook.create(kernel).expect("creates"), "the second link did not make the qdisc and left it");
        hook.destroy(kernel).expect("destroys");
        assert!(hook.create(kernel).expect("creates"));
    });
}

#[test]
fn tcx_programs_run_in_the_order_that_was_asked_for() {
    in_own_namespace("tcx_programs_run_in_the_order_that_was_asked_for", |kernel| {
        let load_as = LoadAs { attach_type: AttachType::TCX_INGRESS, ..TC };
        let next = Probe::counting(kernel, load_as, TC_ACT_UNSPEC).expect("loads");
        let attach = |probe: &Probe, position: Position<'_>| {
            let order = Order { position, ..Order::default() };
            order::attach_device(&probe.attach(), "attach_tcx", &order::TCX, LOOPBACK, order)
        };
        let link = match attach(&next, Position::Default) {
            Ok(link) => link,
            Err(e) => return skip(&format!("tcx (Linux 6.6): {e}")),
        };
        assert_eq!(link.info().expect("a BPF link").kind, LinkType::TCX);
        let shot = Probe::counting(kernel, load_as, TC_ACT_SHOT).expect("loads");
        let neighbour = Neighbour::Link(link.fd().expect("a BPF link"));
        let before = attach(&shot, Position::Before(neighbour)).expect("attaches");
        assert!(!packet_arrives());
        assert_eq!((next.count(), shot.count()), (0, 1), "the later program does not run");
        drop(before);
        let after = attach(&shot, Position::After(neighbour)).expect("attaches");
        assert!(!packet_arrives());
        assert_eq!((next.count(), shot.count()), (1, 2));
        drop(after);
        let id = link.info().expect("a BPF link").id;
        let after = attach(&shot, Position::Before(Neighbour::LinkId(id))).expect("attaches");
        assert!(!packet_arrives());
        assert_eq!((next.count(), shot.count()), (1, 3));
        drop(after);
        check_counts(&next, link);

        let wrong = Probe::counting(kernel, TC, TC_ACT_OK).expect("loads");
        let error = attach(&wrong, Position::Default).expect_err("not loaded for tcx");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    });
}

#[test]
fn xdp_runs_in_the_driver_of_a_veth_pair() {
    in_own_namespace("xdp_runs_in_the_driver_of_a_veth_pair", |kernel| {
        let made =
            Command::new("ip").args(["link", "add", "v0", "type", "veth", "peer", "name", "v1"]).status();
        if !made.is_ok_and(|status| status.success()) {
            return skip("no ip(8), or no veth devices");
        }
        let index = perf::number_fact(kernel, Fact::InterfaceIndex("v0")).expect("a number") as u32;
        let probe = Probe::counting(kernel, XDP, XDP_PASS).expect("loads");
        for netlink in [false, true] {
            let driver = XdpOpts { mode: XdpMode::Drv, netlink, ..XdpOpts::default() };
            let link = xdp::attach(&probe.attach(), index, driver).expect("attaches");
            let state = query_xdp(kernel, index).expect("state");
            assert_eq!((state.attach_mode, state.drv_prog_id), (1, state.prog_id));
            link.detach().expect("detaches");
            assert_eq!(query_xdp(kernel, index).expect("state"), XdpState::default());
        }
    });
}

#[test]
fn sk_lookup_program_sees_packets_of_its_namespace() {
    in_own_namespace("sk_lookup_program_sees_packets_of_its_namespace", |kernel| {
        let load_as = LoadAs {
            prog_type: ProgType::SK_LOOKUP,
            attach_type: AttachType::SK_LOOKUP,
            ..LoadAs::default()
        };
        // SK_PASS.
        let probe = Probe::counting(kernel, load_as, 1).expect("loads");
        let file = std::path::Path::new("/proc/self/ns/net");
        let netns = kernel.open(oxbpf_kernel::Opening::Netns(file)).expect("opens");
        let link = order::attach_netns(&probe.attach(), &netns).expect("attaches");
        assert_eq!(link.info().expect("a BPF link").kind, LinkType::NETNS);
        check_counts(&probe, link);
    });
}

#[test]
fn sk_msg_program_runs_for_sockets_of_its_map() {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;

    let Some(kernel) = kernel() else { return };
    let load_as =
        LoadAs { prog_type: ProgType::SK_MSG, attach_type: AttachType::SK_MSG_VERDICT, ..LoadAs::default() };
    // SK_PASS.
    let probe = Probe::counting(&kernel, load_as, 1).expect("loads");
    let sockets = kernel.map_create(MapCreate {
        map_type: MapType::SOCKMAP,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        ..MapCreate::default()
    });
    let sockets = sockets.expect("a sockmap");
    let link = order::attach_sockmap(&probe.attach(), &sockets).expect("attaches");
    // Sends through a new socket that is in the map, and says how often the program ran.
    let send = || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = listener.local_addr().expect("an address");
        let mut client = std::net::TcpStream::connect(address).expect("connects");
        let (mut server, _) = listener.accept().expect("accepts");
        let fd = client.as_raw_fd().to_ne_bytes();
        kernel.map_update_elem(&sockets, &[0; 4], &fd, 0).expect("the socket goes into the map");
        let before = probe.count();
        client.write_all(b"hello").expect("writes");
        server.read_exact(&mut [0; 5]).expect("reads");
        probe.count() - before
    };
    assert_eq!(send(), 1);
    link.detach().expect("detaches");
    assert_eq!(send(), 0);
}

#[test]
fn netfilter_program_sees_packets() {
    in_own_namespace("netfilter_program_sees_packets", |kernel| {
        let load_as = LoadAs {
            prog_type: ProgType::NETFILTER,
            attach_type: AttachType::NETFILTER,
            ..LoadAs::default()
        };
        // NF_ACCEPT.
        let Ok(probe) = Probe::counting(kernel, load_as, 1) else {
            return skip("no netfilter programs (Linux 6.4)");
        };
        // NFPROTO_IPV4, NF_INET_LOCAL_IN.
        let opts = crate::link::NetfilterOpts { pf: 2, hooknum: 1, priority: -128, defragment: false };
        match crate::link::tracing::attach_netfilter(&probe.attach(), opts) {
            Ok(link) => check_counts(&probe, link),
            Err(e) => return skip(&format!("netfilter: {e}")),
        }
        // NF_DROP.
        let dropping = Probe::counting(kernel, load_as, 0).expect("loads");
        let link = crate::link::tracing::attach_netfilter(&dropping.attach(), opts).expect("attaches");
        assert!(!packet_arrives());
        drop(link);
        assert!(packet_arrives());
    });
}
