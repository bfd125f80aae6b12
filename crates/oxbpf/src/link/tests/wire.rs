//! Messages and commands with which programs are attached to networks and control groups, beside those of C libbpf:
//! `testdata/attach/net.c` says how the golden was made. Devices that no machine here has are tested so: XDP in hardware, and infrared
//! receivers.

use std::path::Path;
use std::sync::{Arc, Mutex};

use oxbpf_kernel::{Anchor, Command, Handle, LinkKind, Reply, Scripted, Target};

use super::*;
use crate::link::{
    AttachOpts, AttachPoint, Neighbour, NetfilterOpts, Order, Position, TcHook, TcOpts, TcPoint, XdpMode,
    XdpOpts, detach_prog, detach_xdp, order, point, set_xdp, tc, tracing, xdp,
};

/// Descriptors, as the golden has them.
const PROG: i32 = 7;
const OLD: i32 = 5;
const TARGET: i32 = 6;

type Line = Arc<Mutex<Option<String>>>;

fn target(target: &Target<'_>) -> i32 {
    match target {
        Target::Object(handle) => handle.number(),
        Target::Ifindex(index) => *index as i32,
        Target::None => 0,
    }
}

fn anchor(anchor: &Anchor<'_>) -> i64 {
    match anchor {
        Anchor::None => 0,
        Anchor::Object(handle) => handle.number().into(),
        Anchor::Id(id) => (*id).into(),
    }
}

/// A command as `net.c` writes it.
fn command(cmd: &Command<'_>) -> Option<String> {
    Some(match cmd {
        Command::ProgAttach(r) => format!(
            "target={} prog={} type={} flags={:x} replace={} relative={} revision={}",
            target(&r.target),
            r.prog.number(),
            r.attach_type.0,
            r.all_flags(),
            r.replace.map_or(0, |p| p.number()),
            anchor(&r.relative),
            r.expected_revision
        ),
        Command::ProgDetach(r) => format!(
            "target={} prog={} type={} flags={:x} replace=0 relative={} revision={}",
            target(&r.target),
            r.prog.map_or(0, |p| p.number()),
            r.attach_type.0,
            r.all_flags(),
            anchor(&r.relative),
            r.expected_revision
        ),
        Command::LinkCreate(r) => {
            let (target, flags) = (target(&r.target), r.all_flags());
            let words = match r.kind {
                LinkKind::Netfilter { pf, hooknum, priority, flags } => {
                    format!("{pf},{hooknum},{priority},{flags}")
                }
                _ => "0,0,0,0".into(),
            };
            format!("target={target} prog={PROG} type={} flags={flags:x} words={words}", r.attach_type.0)
        }
        _ => return None,
    })
}

/// A message as `net.c` writes it: the sequence number and the port are left out.
fn message(bytes: &[u8]) -> String {
    let words = bytes.chunks(4).enumerate().filter(|(i, _)| !(2..4).contains(i));
    let hex = |word: &[u8]| word.iter().map(|b| format!("{b:02x}")).collect::<String>();
    words.map(|(_, word)| hex(word)).collect::<Vec<_>>().join(" ")
}

/// A kernel that writes down the first request and refuses it, but for `BPF_OBJ_GET_INFO_BY_FD`.
fn recording(line: &Line) -> Kernel {
    let (commands, messages) = (line.clone(), line.clone());
    let keep = |line: &Line, text: String| {
        line.lock().expect("one thread").get_or_insert(text);
    };
    Kernel::new(
        Scripted::new()
            .on(move |cmd| {
                if let Command::GetInfo(r) = cmd {
                    use zerocopy::IntoBytes;
                    let mut info = oxbpf_uapi::info::ProgInfo { id: 3, ..Default::default() };
                    info.name[..4].copy_from_slice(b"drop");
                    let len = r.info.len().min(info.as_bytes().len());
                    r.info[..len].copy_from_slice(&info.as_bytes()[..len]);
                    return Some(Ok(Reply::Value(len as u64)));
                }
                keep(&commands, command(cmd)?);
                Some(Err(Errno::EPERM))
            })
            .on_netlink(move |msg, _| {
                // What asks for a name of an interface follows a refusal.
                keep(&messages, message(msg.bytes));
                Some(Err(Errno::EPERM))
            }),
    )
}

/// What we ask for under each title of the golden.
fn ours(title: &str) -> String {
    let line = Line::default();
    let kernel = recording(&line);
    let features = Features::of(&kernel);
    let object = |number| Handle::from_object(number, ());
    let (prog, old) = (ProgFd(object(PROG)), ProgFd(object(OLD)));
    let as_type = |prog_type, attach_type| Attach {
        kernel: &kernel,
        features: &features,
        prog: &prog,
        prog_type,
        attach_type,
    };
    let (cls, lirc) =
        (as_type(ProgType::SCHED_CLS, AttachType(0)), as_type(ProgType::LIRC_MODE2, AttachType::LIRC_MODE2));
    let tcx = as_type(ProgType::SCHED_CLS, AttachType::TCX_INGRESS);
    let hook = TcHook::ingress(9);
    let custom = TcHook { ifindex: 9, point: TcPoint::Parent(0x10001) };
    let add = TcOpts { handle: 4, priority: 50, no_qdisc: true, ..TcOpts::default() };
    let place = point::Place::Object(object(TARGET));
    let at_target = |a: &Attach<'_>, opts| point::attach_at(a, place.clone(), opts).map(drop);
    let (first, detach) = (AttachOpts::default(), Order { position: Position::Last, expected_revision: 2 });
    let done = match title {
        "xdp" => set_xdp(&kernel, 9, XdpMode::Default, &prog, true),
        "xdp skb" => set_xdp(&kernel, 9, XdpMode::Skb, &prog, false),
        "xdp hw replace" => {
            let a = as_type(ProgType::XDP, AttachType::XDP);
            let opts = XdpOpts { mode: XdpMode::Hw, old_prog: Some(&old), ..XdpOpts::default() };
            xdp::attach(&a, 9, opts).map(drop)
        }
        "xdp detach" => detach_xdp(&kernel, 9, XdpMode::Drv),
        "tc hook create" => hook.create(&kernel).map(drop),
        "tc hook destroy" => hook.destroy(&kernel),
        "tc attach" => tc::attach(&cls, hook, add).map(drop),
        "tc attach replace" => tc::attach(&cls, hook, TcOpts { replace: true, ..add }).map(drop),
        "tc attach custom" => tc::attach(&cls, custom, add).map(drop),
        "tc detach" => hook.detach(&kernel, 4, 50),
        "tc flush" => hook.flush(&kernel),
        "tc query" => hook.query(&kernel, 4, 50).map(drop),
        "lirc" => at_target(&lirc, first),
        "lirc detach" => place.detach(&kernel, Some(&prog), AttachType::LIRC_MODE2, Order::default()),
        "cgroup replace" => {
            let a = as_type(ProgType::CGROUP_SKB, AttachType::CGROUP_INET_EGRESS);
            let flags = oxbpf_uapi::flags::AttachFlags::ALLOW_MULTI;
            at_target(&a, AttachOpts { flags, replace: Some(&old), ..first })
        }
        "tcx before" => {
            let position = Position::Before(Neighbour::ProgId(8));
            let order = Order { position, expected_revision: 2 };
            point::attach(&tcx, AttachPoint::Interface(9), AttachOpts { order, ..first }).map(drop)
        }
        "tcx detach after" => {
            detach_prog(&kernel, AttachPoint::Interface(9), AttachType::TCX_INGRESS, Some(&prog), detach)
        }
        "netns" => {
            let a = as_type(ProgType::SK_LOOKUP, AttachType::SK_LOOKUP);
            order::attach_netns(&a, &object(TARGET)).map(drop)
        }
        "netfilter" => {
            let opts = NetfilterOpts { pf: 2, hooknum: 1, priority: 10, defragment: true };
            tracing::attach_netfilter(&as_type(ProgType::NETFILTER, AttachType::NETFILTER), opts).map(drop)
        }
        _ => panic!("{title}: not here"),
    };
    assert_eq!(done.map_err(|e| e.errno()), Err(Errno::EPERM), "{title}");
    line.lock().expect("one thread").take().expect("a request")
}

#[test]
fn requests_for_networks_are_those_of_libbpf() {
    let golden = std::fs::read_to_string(testkit::testdata("attach/net.libbpf.txt")).expect("the golden");
    for line in golden.lines() {
        let (title, libbpf) = line.split_once(": ").expect("a title");
        assert_eq!(ours(title), libbpf, "{title}");
    }
    assert_eq!(golden.lines().count(), 19);
}

#[test]
fn an_infrared_device_is_opened_by_its_path() {
    let line = Line::default();
    let kernel = recording(&line);
    let features = Features::of(&kernel);
    let prog = ProgFd(Handle::from_object(PROG, ()));
    let (prog_type, attach_type) = (ProgType::LIRC_MODE2, AttachType::LIRC_MODE2);
    let a = Attach { kernel: &kernel, features: &features, prog: &prog, prog_type, attach_type };
    let error = point::attach(&a, AttachPoint::Lirc(Path::new("/dev/lirc0")), AttachOpts::default());
    let error = error.expect_err("it is refused");
    assert!(error.to_string().starts_with("infrared device `/dev/lirc0`: BPF_PROG_ATTACH: EPERM"), "{error}");
}
