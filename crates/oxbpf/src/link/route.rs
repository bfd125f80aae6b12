//! Programs of routes: lightweight tunnels that are programs, and programs at the end of a segment of IPv6 segment
//! routing. The program is part of the route, which is added and removed with it.

use std::net::IpAddr;

use oxbpf_kernel::{GetInfo, InfoBuffers, Kernel};
use oxbpf_uapi::info::ProgInfo;
use oxbpf_uapi::netlink::{LWT_BPF_IN, LWT_BPF_OUT, LWT_BPF_XMIT, RT_TABLE_MAIN};
use oxbpf_uapi::{Cmd, Errno, ProgType};
use zerocopy::IntoBytes;

use super::attach::Attach;
use super::netlink::{self, RouteAt, RouteProgs};
use super::{Held, Link, interface};
use crate::error::{At, Error, Frame, Result};

/// A route for a program. Packets to its destination pass through the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where packets go that take the route.
    pub destination: IpAddr,
    /// Bits of `destination` that count: 32 or 128 for one host, 0 for everything.
    pub prefix_len: u8,
    /// The next router, `None` if the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// The interface by which packets leave.
    pub ifindex: u32,
    /// Number of the routing table, 0 for the main one.
    pub table: u32,
    /// Transmitting programs: bytes to keep free in front of packets, for headers that the program adds.
    pub headroom: u32,
    /// Take the place of the route to the destination that is there.
    pub replace: bool,
}

/// Where each type of program is in a route.
const PLACES: [(ProgType, u16); 3] =
    [(ProgType::LWT_IN, LWT_BPF_IN), (ProgType::LWT_OUT, LWT_BPF_OUT), (ProgType::LWT_XMIT, LWT_BPF_XMIT)];

/// What removes a route.
#[derive(Debug)]
pub(crate) struct Undo(RouteAt);

impl Undo {
    pub(super) fn run(self, kernel: &Kernel) -> Result<()> {
        match netlink::request(kernel, &netlink::route_del(self.0)) {
            // It is gone, perhaps with its interface.
            Err(e) if matches!(e.errno, Errno::ESRCH | Errno::ENODEV) => Ok(()),
            result => result.at(|| Frame::Step("remove route:")).at(|| frame(self.0)),
        }
    }
}

fn frame(at: RouteAt) -> Frame {
    Frame::Target(format!("route to {}/{}", at.destination, at.prefix_len))
}

pub(super) fn attach(a: &Attach<'_>, route: Route) -> Result<Link> {
    let types = [ProgType::LWT_IN, ProgType::LWT_OUT, ProgType::LWT_XMIT, ProgType::LWT_SEG6LOCAL];
    a.expect_type("attach_route", &types)?;
    let table = if route.table == 0 { RT_TABLE_MAIN } else { route.table };
    let Route { destination, prefix_len, gateway, ifindex, .. } = route;
    let at = RouteAt { destination, prefix_len, gateway, ifindex, table };
    add(a, route, at).at(|| frame(at))?;
    Ok(Link::new(a.kernel, Held::Route(Undo(at))))
}

fn add(a: &Attach<'_>, route: Route, at: RouteAt) -> Result<()> {
    interface::expect_index(route.ifindex)?;
    let bits = if route.destination.is_ipv4() { 32 } else { 128 };
    if route.prefix_len > bits {
        return Err(Error::invalid_input(format!("an address has {bits} bits")));
    }
    if route.gateway.is_some_and(|g| g.is_ipv4() != route.destination.is_ipv4()) {
        return Err(Error::invalid_input("destination and router are of different families"));
    }
    let (name, fd) = (prog_name(a)?, a.prog.number());
    let bytes = match PLACES.iter().find(|row| row.0 == a.prog_type) {
        Some((_, place)) => {
            let progs = [(*place, fd, name.as_str())];
            netlink::route_add(at, RouteProgs::Lwt(&progs, route.headroom), route.replace)
        }
        None => netlink::route_add(at, RouteProgs::Seg6(fd, &name), route.replace),
    };
    netlink::request(a.kernel, &bytes)
        .at(|| Frame::Step("add route:"))
        .map_err(|e| match e.errno() {
            Errno::EOPNOTSUPP => e.with_hint("the kernel has to be built with LWTUNNEL_BPF or IPV6_SEG6_BPF"),
            _ => e,
        })
        .at(|| interface::frame(a.kernel, route.ifindex))
}

/// What the route calls the program.
fn prog_name(a: &Attach<'_>) -> Result<String> {
    let mut info = ProgInfo::default();
    a.kernel
        .get_info(GetInfo { object: a.prog, info: info.as_mut_bytes(), buffers: InfoBuffers::None })
        .at(|| Frame::Command(Cmd::OBJ_GET_INFO_BY_FD))?;
    let name = info.name.split(|b| *b == 0).next().unwrap_or_default();
    Ok(format!("{}:[{}]", String::from_utf8_lossy(name), info.id))
}
