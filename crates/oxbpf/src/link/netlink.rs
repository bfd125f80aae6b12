//! Netlink messages: XDP programs on interfaces and what their drivers can do, qdiscs and BPF filters, routes with
//! programs. Requests are composed here and replies taken apart; sending is the kernel's ([`Kernel::netlink`](oxbpf_kernel::Kernel::netlink)).
//!
//! A request is a header, a struct that the message type implies, and attributes. A reply reaches this module without
//! its header. Attributes nest, and an unknown one is skipped.

use std::net::IpAddr;

use oxbpf_kernel::{Kernel, NlError, NlMessage};
use oxbpf_uapi::flags::XdpFlags;
use oxbpf_uapi::netlink::*;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Asks for the message that announces the change to come back to the sender.
const NLM_F_ECHO: u16 = 8;
/// Interfaces as AF_PACKET sees them, which is all of them.
const AF_PACKET: u8 = 17;

/// Addresses of IPv4 and IPv6, as routes name them.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

/// Sends a message of the routing family and hands out its replies.
pub(super) fn exchange(kernel: &Kernel, bytes: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<(), NlError> {
    kernel.netlink(&NlMessage { protocol: NETLINK_ROUTE, bytes }, each)
}

/// Sends a message of the routing family whose replies tell nothing.
pub(super) fn request(kernel: &Kernel, bytes: &[u8]) -> Result<(), NlError> {
    exchange(kernel, bytes, &mut |_| {})
}

/// A message under construction.
#[derive(Debug)]
struct Request {
    kind: u16,
    flags: u16,
    bytes: Vec<u8>,
}

impl Request {
    fn new(kind: u16, flags: u16, body: &(impl IntoBytes + Immutable)) -> Self {
        let mut bytes = NlMsgHdr::default().as_bytes().to_vec();
        bytes.extend_from_slice(body.as_bytes());
        Self { kind, flags: flags | NLM_F_REQUEST, bytes }
    }

    /// Appends an attribute, whose length the caller keeps far below 64 KiB.
    fn attr(&mut self, kind: u16, value: &[u8]) {
        let len = size_of::<NlAttr>() + value.len();
        debug_assert!(u16::try_from(len).is_ok());
        self.bytes.extend_from_slice(NlAttr { nla_len: len as u16, nla_type: kind }.as_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(NLMSG_ALIGNTO), 0);
    }

    /// Appends a C string with its final zero.
    fn text(&mut self, kind: u16, value: &str) {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attr(kind, &bytes);
    }

    /// Appends an attribute that is a list of attributes.
    fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) {
        let mut inner = Self { kind: 0, flags: 0, bytes: Vec::new() };
        fill(&mut inner);
        self.attr(kind | NLA_F_NESTED, &inner.bytes);
    }

    fn finish(mut self) -> Vec<u8> {
        let header = NlMsgHdr {
            nlmsg_len: self.bytes.len() as u32,
            nlmsg_type: self.kind,
            nlmsg_flags: self.flags,
            ..NlMsgHdr::default()
        };
        // The room was made by `new`.
        let written = header.write_to_prefix(&mut self.bytes);
        debug_assert!(written.is_ok());
        self.bytes
    }
}

/// Sets (`prog_fd` ≥ 0) or removes (−1) the XDP program of an interface. With `old_fd` only if that is there now.
pub(super) fn xdp_set(ifindex: u32, prog_fd: i32, flags: XdpFlags, old_fd: Option<i32>) -> Vec<u8> {
    let flags = if old_fd.is_some() { flags | XdpFlags::REPLACE } else { flags };
    let mut req = Request::new(RTM_SETLINK, NLM_F_ACK, &link_body(0, ifindex));
    req.nest(IFLA_XDP, |xdp| {
        xdp.attr(IFLA_XDP_FD, &prog_fd.to_ne_bytes());
        if !flags.is_empty() {
            xdp.attr(IFLA_XDP_FLAGS, &flags.bits().to_ne_bytes());
        }
        if let Some(old) = old_fd {
            xdp.attr(IFLA_XDP_EXPECTED_FD, &old.to_ne_bytes());
        }
    });
    req.finish()
}

/// Asks for an interface. The reply has what [`parse_xdp`] reads.
pub(super) fn xdp_query(ifindex: u32) -> Vec<u8> {
    Request::new(RTM_GETLINK, 0, &link_body(AF_PACKET, ifindex)).finish()
}

/// Asks for all interfaces. The replies have what [`parse_link`] and [`parse_xdp`] read.
pub(super) fn link_dump() -> Vec<u8> {
    Request::new(RTM_GETLINK, NLM_F_DUMP, &link_body(AF_PACKET, 0)).finish()
}

/// Index and name of the interface that a reply is about.
pub(super) fn parse_link(reply: &[u8]) -> Option<(u32, String)> {
    let (link, attrs) = IfInfoMsg::read_from_prefix(reply).ok()?;
    let name = Attrs(attrs).find(|a| a.0 == IFLA_IFNAME).map(|a| text(a.1))?;
    Some((link.ifi_index as u32, name))
}

/// Asks which number a family of generic netlink has. The reply has what [`parse_family`] reads.
pub(super) fn family_query(name: &str) -> Vec<u8> {
    let body = GenlMsgHdr { cmd: CTRL_CMD_GETFAMILY, version: 1, ..GenlMsgHdr::default() };
    let mut req = Request::new(NLMSG_MIN_TYPE, 0, &body);
    req.text(CTRL_ATTR_FAMILY_NAME, name);
    req.finish()
}

/// The number of a family of generic netlink.
pub(super) fn parse_family(reply: &[u8]) -> Option<u16> {
    let (_, attrs) = GenlMsgHdr::read_from_prefix(reply).ok()?;
    let value = Attrs(attrs).find(|a| a.0 == CTRL_ATTR_FAMILY_ID)?.1;
    u16::read_from_prefix(value).ok().map(|(id, _)| id)
}

/// Asks `family`, the one for devices, what an interface can do. The reply has what [`parse_features`] reads.
pub(super) fn features_query(family: u16, ifindex: u32) -> Vec<u8> {
    let body = GenlMsgHdr { cmd: NETDEV_CMD_DEV_GET, version: 1, ..GenlMsgHdr::default() };
    let mut req = Request::new(family, 0, &body);
    req.attr(NETDEV_A_DEV_IFINDEX, &ifindex.to_ne_bytes());
    req.finish()
}

/// Bits of what XDP can do on interface `ifindex`, and the most fragments of a packet that is not copied.
pub(super) fn parse_features(reply: &[u8], ifindex: u32) -> Option<(u64, u32)> {
    let (_, attrs) = GenlMsgHdr::read_from_prefix(reply).ok()?;
    let (mut is_it, mut found) = (false, (0, 0));
    for (kind, value) in Attrs(attrs) {
        match kind {
            NETDEV_A_DEV_IFINDEX => is_it = number(value) == ifindex,
            NETDEV_A_DEV_XDP_FEATURES => found.0 = u64::read_from_prefix(value).map_or(0, |(n, _)| n),
            NETDEV_A_DEV_XDP_ZC_MAX_SEGS => found.1 = number(value),
            _ => {}
        }
    }
    is_it.then_some(found)
}

/// Brings an interface up.
#[cfg(all(test, feature = "linux"))]
pub(super) fn link_up(ifindex: u32) -> Vec<u8> {
    // IFF_UP.
    let body = IfInfoMsg { ifi_flags: 1, ifi_change: 1, ..link_body(0, ifindex) };
    Request::new(RTM_SETLINK, NLM_F_ACK, &body).finish()
}

/// Adds an interface of a kind, with names of the kernel's choice for it and its peer, if it has one.
#[cfg(all(test, feature = "linux"))]
pub(super) fn link_add(kind: &str, name: &str) -> Vec<u8> {
    // IFLA_LINKINFO and, in it, IFLA_INFO_KIND.
    let mut req = Request::new(16, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, &link_body(0, 0));
    req.text(IFLA_IFNAME, name);
    req.nest(18, |info| info.text(1, kind));
    req.finish()
}

fn link_body(family: u8, ifindex: u32) -> IfInfoMsg {
    IfInfoMsg { ifi_family: family, ifi_index: ifindex as i32, ..IfInfoMsg::default() }
}

/// Ids of the XDP programs of an interface, 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct XdpIds {
    /// `XDP_ATTACHED_*`.
    pub(super) attached: u8,
    pub(super) prog: u32,
    pub(super) skb: u32,
    pub(super) drv: u32,
    pub(super) hw: u32,
}

/// Reads the XDP part of a reply about interface `ifindex`; `None` if the reply is about another.
pub(super) fn parse_xdp(reply: &[u8], ifindex: u32) -> Option<XdpIds> {
    let (link, attrs) = IfInfoMsg::read_from_prefix(reply).ok()?;
    if link.ifi_index as u32 != ifindex {
        return None;
    }
    let mut ids = XdpIds::default();
    for (kind, value) in Attrs(attrs).filter(|a| a.0 == IFLA_XDP).flat_map(|a| Attrs(a.1)) {
        match kind {
            IFLA_XDP_ATTACHED => ids.attached = value.first().copied().unwrap_or(0),
            IFLA_XDP_PROG_ID => ids.prog = number(value),
            IFLA_XDP_SKB_PROG_ID => ids.skb = number(value),
            IFLA_XDP_DRV_PROG_ID => ids.drv = number(value),
            IFLA_XDP_HW_PROG_ID => ids.hw = number(value),
            _ => {}
        }
    }
    Some(ids)
}

/// A qdisc: its kind, and where it sits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Qdisc<'a> {
    pub(super) ifindex: u32,
    pub(super) kind: &'a str,
    pub(super) parent: u32,
    pub(super) handle: u32,
}

/// The clsact qdisc of an interface.
pub(super) fn clsact(ifindex: u32) -> Qdisc<'static> {
    Qdisc { ifindex, kind: "clsact", parent: TC_H_CLSACT, handle: TC_H_CLSACT & TC_H_MAJ_MASK }
}

/// Adds a qdisc to an interface; `EEXIST` if one is there.
pub(super) fn qdisc_add(qdisc: Qdisc<'_>) -> Vec<u8> {
    qdisc_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, qdisc)
}

/// Removes a qdisc from an interface, with all its filters.
pub(super) fn qdisc_del(qdisc: Qdisc<'_>) -> Vec<u8> {
    qdisc_message(RTM_DELQDISC, 0, qdisc)
}

fn qdisc_message(message: u16, flags: u16, qdisc: Qdisc<'_>) -> Vec<u8> {
    let Qdisc { ifindex, kind, parent, handle } = qdisc;
    let body =
        TcMsg { tcm_ifindex: ifindex as i32, tcm_parent: parent, tcm_handle: handle, ..TcMsg::default() };
    let mut req = Request::new(message, flags | NLM_F_ACK, &body);
    req.text(TCA_KIND, kind);
    req.finish()
}

/// Asks for the classes of an interface's qdiscs. The replies have what [`parse_filter`] reads.
pub(super) fn class_dump(ifindex: u32) -> Vec<u8> {
    let body = TcMsg { tcm_ifindex: ifindex as i32, ..TcMsg::default() };
    Request::new(RTM_GETTCLASS, NLM_F_DUMP, &body).finish()
}

/// Asks for the qdiscs of an interface. The replies have what [`parse_filter`] reads.
pub(super) fn qdisc_dump(ifindex: u32) -> Vec<u8> {
    let body = TcMsg { tcm_ifindex: ifindex as i32, ..TcMsg::default() };
    Request::new(RTM_GETQDISC, NLM_F_DUMP, &body).finish()
}

/// Where a filter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FilterAt {
    pub(super) ifindex: u32,
    /// Qdisc or class that has the filter.
    pub(super) parent: u32,
    /// Handle of the filter, 0 to let the kernel choose.
    pub(super) handle: u32,
    /// Priority, 0 to let the kernel choose.
    pub(super) priority: u16,
}

impl FilterAt {
    fn body(self) -> TcMsg {
        TcMsg {
            tcm_ifindex: self.ifindex as i32,
            tcm_handle: self.handle,
            tcm_parent: self.parent,
            tcm_info: u32::from(self.priority) << 16 | u32::from(ETH_P_ALL.to_be()),
            ..TcMsg::default()
        }
    }
}

/// Adds a BPF filter whose program's result is the verdict, or with `replace` puts the program in place of the one of
/// the filter that is there. The reply has what [`parse_filter`] reads.
pub(super) fn filter_add(at: FilterAt, prog_fd: i32, name: &str, replace: bool) -> Vec<u8> {
    let exclusive = if replace { NLM_F_REPLACE } else { NLM_F_EXCL };
    let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_ECHO | exclusive;
    let mut req = Request::new(RTM_NEWTFILTER, flags, &at.body());
    req.text(TCA_KIND, "bpf");
    req.nest(TCA_OPTIONS, |options| {
        options.attr(TCA_BPF_FD, &prog_fd.to_ne_bytes());
        options.text(TCA_BPF_NAME, name);
        options.attr(TCA_BPF_FLAGS, &TCA_BPF_FLAG_ACT_DIRECT.to_ne_bytes());
    });
    req.finish()
}

/// Adds a filter that takes every packet and has the program as its action, whose result is the verdict. The reply has what
/// [`parse_filter`] reads.
pub(super) fn action_add(at: FilterAt, prog_fd: i32, name: &str, replace: bool) -> Vec<u8> {
    let exclusive = if replace { NLM_F_REPLACE } else { NLM_F_EXCL };
    let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_ECHO | exclusive;
    let mut req = Request::new(RTM_NEWTFILTER, flags, &at.body());
    req.text(TCA_KIND, "bpf");
    req.nest(TCA_OPTIONS, |options| {
        options.nest(TCA_BPF_ACT, |actions| {
            // Actions are numbered from 1.
            actions.nest(1, |action| {
                action.text(TCA_ACT_KIND, "bpf");
                action.nest(TCA_ACT_OPTIONS, |options| {
                    options.attr(TCA_ACT_BPF_PARMS, &ACTION_PARMS);
                    options.attr(TCA_ACT_BPF_FD, &prog_fd.to_ne_bytes());
                    options.text(TCA_ACT_BPF_NAME, name);
                });
            });
        });
        options.attr(TCA_BPF_OPS_LEN, &1_u16.to_ne_bytes());
        options.attr(TCA_BPF_OPS, &TAKE_ALL);
    });
    req.finish()
}

/// `struct tc_act_bpf`: a new action, without a verdict of its own besides the program's.
const ACTION_PARMS: [u8; 20] = [0; 20];
/// An instruction of the old kind that takes the whole packet: code `BPF_RET | BPF_K` in 16 bits, two jumps, a number. Its
/// bytes are the same in both byte orders but for the code.
const TAKE_ALL: [u8; 8] = {
    let [a, b] = 6_u16.to_ne_bytes();
    [a, b, 0, 0, 0xff, 0xff, 0xff, 0xff]
};

/// Removes a filter.
pub(super) fn filter_del(at: FilterAt) -> Vec<u8> {
    let mut req = Request::new(RTM_DELTFILTER, NLM_F_ACK, &at.body());
    req.text(TCA_KIND, "bpf");
    req.finish()
}

/// Removes all filters of a parent.
pub(super) fn filter_flush(ifindex: u32, parent: u32) -> Vec<u8> {
    let body = TcMsg { tcm_ifindex: ifindex as i32, tcm_parent: parent, ..TcMsg::default() };
    Request::new(RTM_DELTFILTER, NLM_F_ACK, &body).finish()
}

/// Asks for one filter. The reply has what [`parse_filter`] reads.
pub(super) fn filter_get(at: FilterAt) -> Vec<u8> {
    let mut req = Request::new(RTM_GETTFILTER, 0, &at.body());
    req.text(TCA_KIND, "bpf");
    req.finish()
}

/// Asks for all filters of a parent, of any kind, one a reply.
pub(super) fn filter_dump(ifindex: u32, parent: u32) -> Vec<u8> {
    let body = TcMsg { tcm_ifindex: ifindex as i32, tcm_parent: parent, ..TcMsg::default() };
    Request::new(RTM_GETTFILTER, NLM_F_DUMP, &body).finish()
}

/// Where a route leads, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RouteAt {
    pub(super) destination: IpAddr,
    pub(super) prefix_len: u8,
    pub(super) gateway: Option<IpAddr>,
    pub(super) ifindex: u32,
    pub(super) table: u32,
}

/// The programs of a route, each with its name.
#[derive(Clone, Copy, Debug)]
pub(super) enum RouteProgs<'a> {
    /// Programs at these places (`LWT_BPF_IN`, …), and bytes to keep free in front of packets.
    Lwt(&'a [(u16, i32, &'a str)], u32),
    /// The program at the end of a segment.
    Seg6(i32, &'a str),
}

impl RouteAt {
    fn message(self, kind: u16, flags: u16) -> Request {
        let family = if self.destination.is_ipv4() { AF_INET } else { AF_INET6 };
        // Without a router the destination of IPv4 is on the link.
        let is_local = self.destination.is_ipv4() && self.gateway.is_none();
        let body = RtMsg {
            rtm_family: family,
            rtm_dst_len: self.prefix_len,
            rtm_table: u8::try_from(self.table).unwrap_or(0),
            rtm_protocol: RTPROT_STATIC,
            rtm_scope: if is_local { RT_SCOPE_LINK } else { RT_SCOPE_UNIVERSE },
            rtm_type: RTN_UNICAST,
            ..RtMsg::default()
        };
        let mut req = Request::new(kind, flags | NLM_F_ACK, &body);
        let address = |req: &mut Request, kind, address| match address {
            IpAddr::V4(a) => req.attr(kind, &a.octets()),
            IpAddr::V6(a) => req.attr(kind, &a.octets()),
        };
        address(&mut req, RTA_DST, self.destination);
        if let Some(gateway) = self.gateway {
            address(&mut req, RTA_GATEWAY, gateway);
        }
        req.attr(RTA_OIF, &self.ifindex.to_ne_bytes());
        req.attr(RTA_TABLE, &self.table.to_ne_bytes());
        req
    }
}

/// Adds a route with programs; `EEXIST` if there is one to that destination.
pub(super) fn route_add(at: RouteAt, progs: RouteProgs<'_>, replace: bool) -> Vec<u8> {
    let exclusive = if replace { NLM_F_REPLACE } else { NLM_F_EXCL };
    let mut req = at.message(RTM_NEWROUTE, NLM_F_CREATE | exclusive);
    let prog = |req: &mut Request, kind, (fd_kind, name_kind), fd: i32, name| {
        req.nest(kind, |req| {
            req.attr(fd_kind, &fd.to_ne_bytes());
            req.text(name_kind, name);
        });
    };
    match progs {
        RouteProgs::Lwt(progs, headroom) => {
            req.attr(RTA_ENCAP_TYPE, &LWTUNNEL_ENCAP_BPF.to_ne_bytes());
            req.nest(RTA_ENCAP, |req| {
                for (place, fd, name) in progs {
                    prog(req, *place, (LWT_BPF_PROG_FD, LWT_BPF_PROG_NAME), *fd, name);
                }
                if headroom != 0 {
                    req.attr(LWT_BPF_XMIT_HEADROOM, &headroom.to_ne_bytes());
                }
            });
        }
        RouteProgs::Seg6(fd, name) => {
            req.attr(RTA_ENCAP_TYPE, &LWTUNNEL_ENCAP_SEG6_LOCAL.to_ne_bytes());
            req.nest(RTA_ENCAP, |req| {
                req.attr(SEG6_LOCAL_ACTION, &SEG6_LOCAL_ACTION_END_BPF.to_ne_bytes());
                prog(req, SEG6_LOCAL_BPF, (SEG6_LOCAL_BPF_PROG, SEG6_LOCAL_BPF_PROG_NAME), fd, name);
            });
        }
    }
    req.finish()
}

/// Removes a route.
pub(super) fn route_del(at: RouteAt) -> Vec<u8> {
    at.message(RTM_DELROUTE, 0).finish()
}

/// What a reply says about a filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FilterReply {
    pub(super) at: FilterAt,
    /// "bpf" for those of this module.
    pub(super) kind: String,
    /// Id of the program, 0 if the reply has none.
    pub(super) prog_id: u32,
    /// Name that the filter was added with.
    pub(super) name: String,
    /// Whether it is a filter, and not only the announcement of those of its priority.
    pub(super) has_options: bool,
    /// Actions that are programs, by name and id.
    pub(super) actions: Vec<(String, u32)>,
}

/// Reads a reply about a filter, `None` if it is not one.
pub(super) fn parse_filter(reply: &[u8]) -> Option<FilterReply> {
    let (body, attrs) = TcMsg::read_from_prefix(reply).ok()?;
    let at = FilterAt {
        ifindex: body.tcm_ifindex as u32,
        parent: body.tcm_parent,
        handle: body.tcm_handle,
        priority: (body.tcm_info >> 16) as u16,
    };
    let mut filter = FilterReply {
        at,
        kind: String::new(),
        prog_id: 0,
        name: String::new(),
        has_options: false,
        actions: Vec::new(),
    };
    for (kind, value) in Attrs(attrs) {
        match kind {
            TCA_KIND => filter.kind = text(value),
            TCA_OPTIONS => {
                filter.has_options = true;
                for (kind, value) in Attrs(value) {
                    match kind {
                        TCA_BPF_ID => filter.prog_id = number(value),
                        TCA_BPF_NAME => filter.name = text(value),
                        TCA_BPF_ACT => {
                            filter.actions = Attrs(value).filter_map(|a| bpf_action(a.1)).collect();
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    (!filter.kind.is_empty()).then_some(filter)
}

/// Name and program of an action that is a program.
fn bpf_action(action: &[u8]) -> Option<(String, u32)> {
    let find = |list, wanted| Attrs(list).find(|a| a.0 == wanted).map(|a| a.1);
    let options = find(action, TCA_ACT_OPTIONS)?;
    let is_bpf = text(find(action, TCA_ACT_KIND)?) == "bpf" && find(options, TCA_ACT_BPF_PARMS).is_some();
    let name = find(options, TCA_ACT_BPF_NAME).map(text).unwrap_or_default();
    is_bpf.then(|| (name, find(options, TCA_ACT_BPF_ID).map_or(0, number)))
}

/// The attributes of a list, as (type, value). Ends where a length makes no sense.
#[derive(Clone, Debug)]
struct Attrs<'a>(&'a [u8]);

impl<'a> Iterator for Attrs<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (head, _) = NlAttr::read_from_prefix(self.0).ok()?;
        let len = usize::from(head.nla_len);
        let value = self.0.get(size_of::<NlAttr>()..len)?;
        self.0 = self.0.get(len.next_multiple_of(NLMSG_ALIGNTO)..).unwrap_or_default();
        Some((head.nla_type & NLA_TYPE_MASK, value))
    }
}

fn number(value: &[u8]) -> u32 {
    u32::read_from_prefix(value).map_or(0, |(n, _)| n)
}

fn text(value: &[u8]) -> String {
    let end = value.iter().position(|b| *b == 0).unwrap_or(value.len());
    String::from_utf8_lossy(value.get(..end).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Header fields and the rest of a message.
    fn split(bytes: &[u8]) -> (u16, u16, &[u8]) {
        let (header, rest) = NlMsgHdr::read_from_prefix(bytes).unwrap();
        assert_eq!(header.nlmsg_len as usize, bytes.len(), "the length counts the header");
        assert_eq!(bytes.len() % 4, 0);
        (header.nlmsg_type, header.nlmsg_flags, rest)
    }

    #[test]
    fn xdp_request_nests_descriptor_flags_and_expected_program() {
        let bytes = xdp_set(3, 7, XdpFlags::SKB_MODE, Some(5));
        let (kind, flags, rest) = split(&bytes);
        assert_eq!((kind, flags), (RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK));
        let (link, attrs) = IfInfoMsg::read_from_prefix(rest).unwrap();
        assert_eq!(link.ifi_index, 3);
        assert_eq!(attrs[2..4], (IFLA_XDP | NLA_F_NESTED).to_ne_bytes(), "the nested bit is set");
        let xdp: Vec<_> = Attrs(attrs).flat_map(|a| Attrs(a.1)).map(|(k, v)| (k, number(v))).collect();
        let all_flags = (XdpFlags::SKB_MODE | XdpFlags::REPLACE).bits();
        assert_eq!(xdp, [(IFLA_XDP_FD, 7), (IFLA_XDP_FLAGS, all_flags), (IFLA_XDP_EXPECTED_FD, 5)]);
    }

    #[test]
    fn xdp_request_without_flags_has_only_the_descriptor() {
        let bytes = xdp_set(3, -1, XdpFlags::empty(), None);
        let (_, _, rest) = split(&bytes);
        let xdp: Vec<_> = Attrs(&rest[16..]).flat_map(|a| Attrs(a.1)).map(|(k, v)| (k, number(v))).collect();
        assert_eq!(xdp, [(IFLA_XDP_FD, u32::MAX)]);
    }

    #[test]
    fn filter_request_and_reply_have_the_same_place() {
        let at = FilterAt { ifindex: 9, parent: TC_H_CLSACT, handle: 4, priority: 50 };
        let bytes = filter_add(at, 11, "drop:[3]", false);
        let (kind, flags, rest) = split(&bytes);
        assert_eq!(kind, RTM_NEWTFILTER);
        assert_eq!(flags, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_ECHO | NLM_F_EXCL);
        // A reply has the same form, with the program's id in place of the descriptor.
        let expect = FilterReply {
            at,
            kind: "bpf".into(),
            prog_id: 0,
            name: "drop:[3]".into(),
            has_options: true,
            actions: Vec::new(),
        };
        assert_eq!(parse_filter(rest), Some(expect));
        let (body, _) = TcMsg::read_from_prefix(rest).unwrap();
        assert_eq!(body.tcm_info & 0xffff, u32::from(3u16.to_be()), "protocol in network byte order");
    }

    #[test]
    fn actions_of_a_filter_are_read_back() {
        let at = FilterAt { ifindex: 9, parent: TC_H_CLSACT, handle: 4, priority: 50 };
        let bytes = action_add(at, 11, "act:[3]", false);
        let filter = parse_filter(&bytes[16..]).expect("a filter");
        // A reply has the program's id as well.
        assert_eq!((filter.kind.as_str(), filter.actions), ("bpf", vec![("act:[3]".to_owned(), 0)]));
    }

    #[test]
    fn what_an_interface_can_do_is_read_for_that_interface_only() {
        let mut req = Request::new(0, 0, &GenlMsgHdr::default());
        req.attr(NETDEV_A_DEV_IFINDEX, &9u32.to_ne_bytes());
        req.attr(NETDEV_A_DEV_XDP_FEATURES, &0x23_u64.to_ne_bytes());
        req.attr(NETDEV_A_DEV_XDP_ZC_MAX_SEGS, &4u32.to_ne_bytes());
        let bytes = req.finish();
        assert_eq!(parse_features(&bytes[16..], 9), Some((0x23, 4)));
        assert_eq!(parse_features(&bytes[16..], 8), None);
    }

    #[test]
    fn clsact_sits_at_its_own_parent() {
        let bytes = qdisc_add(clsact(2));
        let (kind, _, rest) = split(&bytes);
        let (body, attrs) = TcMsg::read_from_prefix(rest).unwrap();
        assert_eq!((kind, body.tcm_parent, body.tcm_handle), (RTM_NEWQDISC, 0xffff_fff1, 0xffff_0000));
        assert_eq!(Attrs(attrs).next(), Some((TCA_KIND, &b"clsact\0"[..])));
    }

    #[test]
    fn cut_and_broken_replies_end_without_harm() {
        let at = FilterAt { ifindex: 9, parent: 1, handle: 4, priority: 50 };
        let read_all = |reply: &[u8]| {
            // Each takes bytes of any message, and all of them end.
            let filter = parse_filter(reply).map_or(0, |f| f.kind.len() + f.name.len() + f.actions.len());
            let link = parse_link(reply).map_or(0, |l| l.1.len());
            let numbers = (parse_xdp(reply, 9), parse_family(reply), parse_features(reply, 9));
            assert!(filter + link <= 2 * reply.len(), "{numbers:?}");
        };
        let interface = {
            let mut req = Request::new(0, 0, &link_body(0, 9));
            req.text(IFLA_IFNAME, "eth0");
            req.nest(IFLA_XDP, |xdp| xdp.attr(IFLA_XDP_PROG_ID, &77u32.to_ne_bytes()));
            req.finish()
        };
        for whole in [
            filter_add(at, 11, "name", false),
            action_add(at, 11, "name", false),
            interface,
            features_query(20, 9),
            family_query("netdev"),
        ] {
            let reply = &whole[16..];
            for len in 0..=reply.len() {
                read_all(&reply[..len]);
            }
            for at in 0..reply.len() {
                for value in 0..=0xff {
                    let mut broken = reply.to_vec();
                    broken[at] = value;
                    read_all(&broken);
                }
            }
        }
        assert_eq!(Attrs(&[3, 0, 1, 0, 0, 0, 0, 0]).next(), None, "shorter than its own head");
        assert_eq!(Attrs(&[9, 0, 1, 0, 0, 0, 0, 0]).next(), None, "longer than the list");
    }

    #[test]
    fn xdp_reply_has_the_ids_of_each_mode() {
        let mut req = Request::new(0, 0, &link_body(0, 4));
        req.text(3, "eth0");
        req.nest(IFLA_XDP, |xdp| {
            xdp.attr(IFLA_XDP_ATTACHED, &[2]);
            xdp.attr(IFLA_XDP_PROG_ID, &77u32.to_ne_bytes());
            xdp.attr(IFLA_XDP_SKB_PROG_ID, &77u32.to_ne_bytes());
        });
        let bytes = req.finish();
        let expect = XdpIds { attached: 2, prog: 77, skb: 77, ..XdpIds::default() };
        assert_eq!(parse_xdp(&bytes[16..], 4), Some(expect));
        assert_eq!(parse_xdp(&bytes[16..], 5), None);
    }
}
