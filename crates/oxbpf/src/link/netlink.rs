//! Netlink messages of the routing family: XDP programs on interfaces, qdiscs and BPF filters. Requests are composed
//! here and replies taken apart; sending is the kernel's ([`Kernel::netlink`](oxbpf_kernel::Kernel::netlink)).
//!
//! A request is a header, a struct that the message type implies, and attributes. A reply reaches this module without
//! its header. Attributes nest, and an unknown one is skipped.

use oxbpf_uapi::flags::XdpFlags;
use oxbpf_uapi::netlink::{
    ETH_P_ALL, IFLA_XDP, IFLA_XDP_ATTACHED, IFLA_XDP_DRV_PROG_ID, IFLA_XDP_EXPECTED_FD, IFLA_XDP_FD,
    IFLA_XDP_FLAGS, IFLA_XDP_HW_PROG_ID, IFLA_XDP_PROG_ID, IFLA_XDP_SKB_PROG_ID, IfInfoMsg, NLA_F_NESTED,
    NLA_TYPE_MASK, NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE, NLM_F_REQUEST,
    NLMSG_ALIGNTO, NlAttr, NlMsgHdr, RTM_DELQDISC, RTM_DELTFILTER, RTM_GETLINK, RTM_GETTFILTER, RTM_NEWQDISC,
    RTM_NEWTFILTER, RTM_SETLINK, TC_H_CLSACT, TC_H_MAJ_MASK, TCA_BPF_FD, TCA_BPF_FLAG_ACT_DIRECT,
    TCA_BPF_FLAGS, TCA_BPF_ID, TCA_BPF_NAME, TCA_KIND, TCA_OPTIONS, TcMsg,
};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Asks for the message that announces the change to come back to the sender.
const NLM_F_ECHO: u16 = 8;
/// Interfaces as AF_PACKET sees them, which is all of them.
const AF_PACKET: u8 = 17;

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

/// Brings an interface up.
#[cfg(all(test, feature = "linux"))]
pub(super) fn link_up(ifindex: u32) -> Vec<u8> {
    // IFF_UP.
    let body = IfInfoMsg { ifi_flags: 1, ifi_change: 1, ..link_body(0, ifindex) };
    Request::new(RTM_SETLINK, NLM_F_ACK, &body).finish()
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

/// Adds the clsact qdisc to an interface; `EEXIST` if it, or an ingress qdisc, is there.
pub(super) fn clsact_add(ifindex: u32) -> Vec<u8> {
    clsact(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, ifindex)
}

/// Removes the clsact qdisc from an interface, with all its filters.
pub(super) fn clsact_del(ifindex: u32) -> Vec<u8> {
    clsact(RTM_DELQDISC, 0, ifindex)
}

fn clsact(kind: u16, flags: u16, ifindex: u32) -> Vec<u8> {
    let body = TcMsg {
        tcm_ifindex: ifindex as i32,
        tcm_parent: TC_H_CLSACT,
        tcm_handle: TC_H_CLSACT & TC_H_MAJ_MASK,
        ..TcMsg::default()
    };
    let mut req = Request::new(kind, flags | NLM_F_ACK, &body);
    req.text(TCA_KIND, "clsact");
    req.finish()
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
    let mut filter = FilterReply { at, kind: String::new(), prog_id: 0, name: String::new() };
    for (kind, value) in Attrs(attrs) {
        match kind {
            TCA_KIND => filter.kind = text(value),
            TCA_OPTIONS => {
                for (kind, value) in Attrs(value) {
                    match kind {
                        TCA_BPF_ID => filter.prog_id = number(value),
                        TCA_BPF_NAME => filter.name = text(value),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    (!filter.kind.is_empty()).then_some(filter)
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
        let expect = FilterReply { at, kind: "bpf".into(), prog_id: 0, name: "drop:[3]".into() };
        assert_eq!(parse_filter(rest), Some(expect));
        let (body, _) = TcMsg::read_from_prefix(rest).unwrap();
        assert_eq!(body.tcm_info & 0xffff, u32::from(3u16.to_be()), "protocol in network byte order");
    }

    #[test]
    fn clsact_sits_at_its_own_parent() {
        let bytes = clsact_add(2);
        let (kind, _, rest) = split(&bytes);
        let (body, attrs) = TcMsg::read_from_prefix(rest).unwrap();
        assert_eq!((kind, body.tcm_parent, body.tcm_handle), (RTM_NEWQDISC, 0xffff_fff1, 0xffff_0000));
        assert_eq!(Attrs(attrs).next(), Some((TCA_KIND, &b"clsact\0"[..])));
    }

    #[test]
    fn cut_and_broken_replies_end_without_harm() {
        let at = FilterAt { ifindex: 9, parent: 1, handle: 4, priority: 50 };
        let whole = filter_add(at, 11, "name", false);
        let reply = &whole[16..];
        for len in 0..reply.len() {
            let _ = parse_filter(&reply[..len]);
            let _ = parse_xdp(&reply[..len], 9);
        }
        for at in 0..reply.len() {
            for value in [0, 1, 3, 0xff] {
                let mut broken = reply.to_vec();
                broken[at] = value;
                let _ = parse_filter(&broken);
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
