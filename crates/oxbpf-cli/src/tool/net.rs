//! `net`: programs on network interfaces, flow dissectors and netfilter hooks.

use anyhow::{Context, Result, bail};
use oxbpf::link::{
    AttachPoint, Interface, Link, LinkInfo, Order, Position, TcShown, XdpMode, detach_prog, interface_index,
    interfaces, query_progs, tc_filters,
};
use oxbpf_kernel::{Anchor, Kernel, ObjectKind, ProgAttach, ProgFd, Target};
use oxbpf_uapi::flags::{AttachFlags, QueryFlags};
use oxbpf_uapi::info::ProgInfo;
use oxbpf_uapi::{AttachType, Errno, LinkType};

use super::link::netfilter;
use super::select::{ids, info, open_id, prog_name};
use super::{Args, Noun, Out, Tool, Verb, terms};

pub(super) const NOUN: Noun = Noun {
    name: "net",
    verbs: &[
        Verb { name: "show", alias: Some("list"), usage: "[dev DEVICE]", run: show },
        Verb {
            name: "attach",
            alias: None,
            usage: "ATTACH_TYPE PROG dev DEVICE [overwrite | prepend]",
            run: attach,
        },
        Verb { name: "detach", alias: None, usage: "ATTACH_TYPE dev DEVICE", run: detach },
    ],
    terms: &[
        terms::PROG,
        ("ATTACH_TYPE", "{ xdp | xdpgeneric | xdpdrv | xdpoffload | tcx_ingress | tcx_egress }"),
    ],
};

/// What `attach` and `detach` know, in the order in which an abbreviation finds them.
const KINDS: &[(&str, Kind)] = &[
    ("xdp", Kind::Xdp(XdpMode::Default)),
    ("xdpgeneric", Kind::Xdp(XdpMode::Skb)),
    ("xdpdrv", Kind::Xdp(XdpMode::Drv)),
    ("xdpoffload", Kind::Xdp(XdpMode::Hw)),
    ("tcx_ingress", Kind::Tcx(AttachType::TCX_INGRESS)),
    ("tcx_egress", Kind::Tcx(AttachType::TCX_EGRESS)),
];

#[derive(Clone, Copy)]
enum Kind {
    Xdp(XdpMode),
    Tcx(AttachType),
}

/// Lists of an interface, and what they are called.
const LISTS: &[(AttachType, &str)] = &[
    (AttachType::TCX_INGRESS, "tcx/ingress"),
    (AttachType::TCX_EGRESS, "tcx/egress"),
    (AttachType::NETKIT_PRIMARY, "netkit/primary"),
    (AttachType::NETKIT_PEER, "netkit/peer"),
];

/// `XDP_ATTACHED_*`, and the name of the mode.
const MODES: &[(u8, &str)] = &[(1, "driver"), (2, "generic"), (3, "offload")];
const SEVERAL_MODES: u8 = 4;

fn kind(args: &mut Args<'_>) -> Result<(&'static str, Kind)> {
    let word = args.text("ATTACH_TYPE")?;
    match KINDS.iter().find(|row| row.0.starts_with(word) && !word.is_empty()) {
        Some((name, kind)) => Ok((name, *kind)),
        None => bail!("invalid net attach/detach type: {word}"),
    }
}

/// `dev NAME`.
fn device(kernel: &Kernel, args: &mut Args<'_>) -> Result<u32> {
    args.one_of(&["dev"])?;
    let name = args.text("DEVICE")?;
    interface_index(kernel, name).map_err(|e| match &*e.hint() {
        "" => anyhow::anyhow!("invalid devname {name}: {e}"),
        hint => anyhow::anyhow!("invalid devname {name}: {e} ({hint})"),
    })
}

fn attach(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let (name, kind) = kind(args)?;
    let prog = ProgFd(tool.prog(args)?);
    let kernel = tool.kernel();
    let ifindex = device(&kernel, args)?;
    let option = if args.is_empty() { None } else { Some(args.one_of(&["overwrite", "prepend"])?) };
    args.end()?;
    let done = match (kind, option) {
        (Kind::Tcx(_), Some("overwrite")) => bail!("'overwrite' is only supported for xdp types"),
        (Kind::Xdp(_), Some("prepend")) => bail!("'prepend' is only supported for tcx_ingress/tcx_egress"),
        (Kind::Xdp(mode), option) => {
            oxbpf::link::set_xdp(&kernel, ifindex, mode, &prog, option.is_some()).map_err(anyhow::Error::from)
        }
        (Kind::Tcx(attach_type), option) => {
            let flags = if option.is_some() { AttachFlags::BEFORE } else { AttachFlags::empty() };
            let req = ProgAttach {
                target: Target::Ifindex(ifindex),
                prog: &prog,
                attach_type,
                flags: flags.bits(),
                replace: None,
                relative: Anchor::None,
                expected_revision: 0,
            };
            kernel.prog_attach(req).map_err(anyhow::Error::from)
        }
    };
    done.with_context(|| format!("interface {name} attach failed"))?;
    tool.out.null();
    Ok(())
}

fn detach(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let (name, kind) = kind(args)?;
    let kernel = tool.kernel();
    let ifindex = device(&kernel, args)?;
    args.end()?;
    let done = match kind {
        Kind::Xdp(mode) => oxbpf::link::detach_xdp(&kernel, ifindex, mode),
        Kind::Tcx(attach_type) => {
            // The program to go is the first, as of the command without a program.
            let order = Order { position: Position::Default, ..Order::default() };
            detach_prog(&kernel, AttachPoint::Interface(ifindex), attach_type, None, order)
        }
    };
    done.with_context(|| format!("interface {name} detach failed"))?;
    tool.out.null();
    Ok(())
}

fn show(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let kernel = tool.kernel();
    let only = if args.is_empty() { None } else { Some(device(&kernel, args)?) };
    args.end()?;
    let dissector = flow_dissector(&kernel)?;
    let mut devices = interfaces(&kernel)?;
    devices.retain(|d| only.is_none_or(|index| d.index == index));
    let links = netfilter_links(&kernel)?;
    let out = &mut tool.out;
    out.open_array();
    out.open_object();
    section(out, "xdp", |out| devices.iter().for_each(|d| show_xdp(out, d)));
    section(out, "tc", |out| devices.iter().for_each(|d| show_tc(&kernel, out, d)));
    section(out, "flow_dissector", |out| {
        if let Some(id) = dissector {
            // bpftool's JSON has a member without an object here, which no parser takes.
            out.object(|out| out.field("id", id));
            text(out, format_args!("id {id}"));
        }
    });
    section(out, "netfilter", |out| {
        for link in &links {
            out.object(|out| {
                netfilter(out, link);
                out.field("id", link.prog_id);
            });
            text(out, format_args!(" prog_id {}", link.prog_id));
        }
    });
    out.close_object();
    out.close_array();
    Ok(())
}

/// Text where it is not JSON that is wanted.
fn text(out: &mut Out, text: std::fmt::Arguments<'_>) {
    if !out.is_json() {
        out.write_fmt(text);
    }
}

fn section(out: &mut Out, name: &str, body: impl FnOnce(&mut Out)) {
    text(out, format_args!("{name}:\n"));
    out.name(name).array(body);
    text(out, format_args!("\n"));
}

/// The program that takes packets apart in this network namespace.
fn flow_dissector(kernel: &Kernel) -> Result<Option<u32>> {
    match query_progs(kernel, AttachPoint::CurrentNetns, AttachType::FLOW_DISSECTOR, QueryFlags::empty()) {
        Ok(found) => Ok(found.progs.first().map(|p| p.prog_id)),
        // Kernels that can't tell.
        Err(e) if e.errno() == Errno::EINVAL => Ok(None),
        Err(e) => Err(e).context("can't query prog"),
    }
}

fn netfilter_links(kernel: &Kernel) -> Result<Vec<LinkInfo>> {
    let mut links = Vec::new();
    // Kernels before 5.8 have no links to list.
    for id in ids(kernel, ObjectKind::Link).unwrap_or_default() {
        let found = Link::from_id(kernel, id).and_then(|link| link.info());
        links.extend(found.ok().filter(|l| l.kind == LinkType::NETFILTER));
    }
    links.sort_by_key(|l| match l.details {
        oxbpf::link::LinkDetails::Netfilter { pf, hooknum, priority, flags } => {
            (pf, hooknum, priority, flags)
        }
        _ => (0, 0, 0, 0),
    });
    Ok(links)
}

/// The head of an entry: which interface.
fn device_fields(out: &mut Out, device: &Interface) {
    out.string_field("devname", &device.name);
    out.field("ifindex", device.index);
    text(out, format_args!("{}({})", device.name, device.index));
}

fn show_xdp(out: &mut Out, device: &Interface) {
    let xdp = &device.xdp;
    let mode = |out: &mut Out, name: &str, id: u32| {
        out.string_field("mode", name);
        out.field("id", id);
        text(out, format_args!(" {name} id {id}"));
    };
    if xdp.attach_mode == 0 {
        return;
    }
    out.object(|out| {
        device_fields(out, device);
        if xdp.attach_mode == SEVERAL_MODES {
            let all =
                [("generic", xdp.skb_prog_id), ("driver", xdp.drv_prog_id), ("offload", xdp.hw_prog_id)];
            out.name("multi_attachments").array(|out| {
                for (name, id) in all.into_iter().filter(|m| m.1 != 0) {
                    out.object(|out| mode(out, name, id));
                }
            });
        } else if let Some((_, name)) = MODES.iter().find(|row| row.0 == xdp.attach_mode) {
            mode(out, name, xdp.prog_id);
        }
    });
    text(out, format_args!("\n"));
}

fn show_tc(kernel: &Kernel, out: &mut Out, device: &Interface) {
    for (attach_type, name) in LISTS {
        let point = AttachPoint::Interface(device.index);
        // A device that has no such list, or a kernel without them, has no programs in it.
        let Ok(found) = query_progs(kernel, point, *attach_type, QueryFlags::empty()) else { continue };
        for prog in found.progs {
            out.object(|out| {
                device_fields(out, device);
                out.string_field("kind", name);
                text(out, format_args!(" {name}"));
                if let Some(name) = name_of(kernel, prog.prog_id) {
                    out.string_field("name", &name);
                    text(out, format_args!(" {name}"));
                }
                out.field("prog_id", prog.prog_id);
                text(out, format_args!(" prog_id {} ", prog.prog_id));
                flags(out, "prog_flags", prog.attach_flags);
                out.field("link_id", prog.link_id);
                if prog.link_id != 0 {
                    text(out, format_args!("link_id {} ", prog.link_id));
                }
                if out.is_json() || prog.link_id != 0 {
                    flags(out, "link_flags", prog.link_attach_flags);
                }
            });
            text(out, format_args!("\n"));
        }
    }
    for shown in tc_filters(kernel, device.index).unwrap_or_default() {
        show_filter(out, device, &shown);
    }
}

/// The bits of flags, each as a number of its own.
fn flags(out: &mut Out, name: &str, flags: AttachFlags) {
    let bits: Vec<u32> = (0..32).map(|bit| 1 << bit).filter(|bit| flags.bits() & bit != 0).collect();
    out.name(name).array(|out| bits.iter().for_each(|bit| out.number(bit)));
    if !bits.is_empty() {
        text(out, format_args!("{name} "));
        bits.iter().for_each(|bit| text(out, format_args!("{bit} ")));
    }
}

fn name_of(kernel: &Kernel, id: u32) -> Option<String> {
    let prog = open_id(kernel, ObjectKind::Prog, id).ok()??;
    let found = info::<ProgInfo>(kernel, &prog).ok()?;
    Some(prog_name(kernel, &prog, &found)).filter(|name| !name.is_empty())
}

fn show_filter(out: &mut Out, device: &Interface, shown: &TcShown) {
    let TcShown { place, filter } = shown;
    out.object(|out| {
        device_fields(out, device);
        out.string_field("kind", place);
        text(out, format_args!(" {place}"));
        if !filter.name.is_empty() {
            out.string_field("name", &filter.name);
            text(out, format_args!(" {}", filter.name));
        }
        if filter.prog_id != 0 {
            out.field("id", filter.prog_id);
            text(out, format_args!(" id {}", filter.prog_id));
        }
        if !filter.actions.is_empty() {
            text(out, format_args!(" act ["));
            out.name("act").array(|out| {
                for (name, id) in &filter.actions {
                    text(out, format_args!("{{{name} id {id}}}"));
                    out.object(|out| {
                        out.string_field("name", name);
                        out.field("id", id);
                    });
                }
            });
            text(out, format_args!("] "));
        }
    });
    text(out, format_args!("\n"));
}
