//! The netlink messages with which XDP programs and TC filters are attached.
//!
//! A message is [`NlMsgHdr`], a family's own head ([`IfInfoMsg`], [`TcMsg`], [`GenlMsgHdr`]), and attributes: each an
//! [`NlAttr`] head and its bytes, padded to 4. All in native byte order.
//!
//! Source: `include/uapi/linux/{netlink,rtnetlink,if_link,pkt_sched,pkt_cls,genetlink,netdev}.h` of Linux 7.2;
//! offsets are tested against the BTF of running kernels.

use crate::abi::abi;

/// Messages and attributes start at multiples of this many bytes.
pub const NLMSG_ALIGNTO: usize = 4;

/// Protocol of a netlink socket for links, addresses and traffic control.
pub const NETLINK_ROUTE: u32 = 0;
/// Protocol of a netlink socket for generic netlink.
pub const NETLINK_GENERIC: u32 = 16;
/// Address family of netlink sockets.
pub const AF_NETLINK: u16 = 16;
/// Socket option level of netlink.
pub const SOL_NETLINK: i32 = 270;
/// Socket option: errors carry a text and the place.
pub const NETLINK_EXT_ACK: i32 = 11;

/// Message: error or acknowledgement, [`NlMsgErr`].
pub const NLMSG_ERROR: u16 = 2;
/// Message: end of a multi-part answer.
pub const NLMSG_DONE: u16 = 3;
/// First message number that families use; generic netlink's controller.
pub const NLMSG_MIN_TYPE: u16 = 0x10;

/// Flag: a request.
pub const NLM_F_REQUEST: u16 = 0x01;
/// Flag: one part of several.
pub const NLM_F_MULTI: u16 = 0x02;
/// Flag: an acknowledgement is wanted.
pub const NLM_F_ACK: u16 = 0x04;
/// Flag: list everything.
pub const NLM_F_DUMP: u16 = 0x300;
/// Flag: replace what exists.
pub const NLM_F_REPLACE: u16 = 0x100;
/// Flag: fail if it exists.
pub const NLM_F_EXCL: u16 = 0x200;
/// Flag: create what does not exist.
pub const NLM_F_CREATE: u16 = 0x400;
/// Flag of an error: the request is not repeated.
pub const NLM_F_CAPPED: u16 = 0x100;
/// Flag of an error: attributes follow.
pub const NLM_F_ACK_TLVS: u16 = 0x200;
/// Attribute of an error: text.
pub const NLMSGERR_ATTR_MSG: u16 = 1;
/// Attribute of an error: offset of the bad attribute.
pub const NLMSGERR_ATTR_OFFS: u16 = 2;

/// Bit of an attribute's type: its bytes are attributes.
pub const NLA_F_NESTED: u16 = 1 << 15;
/// The bits of an attribute's type that are the type.
pub const NLA_TYPE_MASK: u16 = 0x3fff;

/// Message: a link.
pub const RTM_NEWLINK: u16 = 16;
/// Message: ask for links.
pub const RTM_GETLINK: u16 = 18;
/// Message: change a link.
pub const RTM_SETLINK: u16 = 19;
/// Message: create a route.
pub const RTM_NEWROUTE: u16 = 24;
/// Message: delete a route.
pub const RTM_DELROUTE: u16 = 25;
/// Message: create a queueing discipline.
pub const RTM_NEWQDISC: u16 = 36;
/// Message: delete a queueing discipline.
pub const RTM_DELQDISC: u16 = 37;
/// Message: ask for queueing disciplines.
pub const RTM_GETQDISC: u16 = 38;
/// Message: ask for classes of a queueing discipline.
pub const RTM_GETTCLASS: u16 = 42;
/// Message: create a filter.
pub const RTM_NEWTFILTER: u16 = 44;
/// Message: delete a filter.
pub const RTM_DELTFILTER: u16 = 45;
/// Message: ask for filters.
pub const RTM_GETTFILTER: u16 = 46;

/// Attribute of a link: name.
pub const IFLA_IFNAME: u16 = 3;
/// Attribute of a link: XDP, nested.
pub const IFLA_XDP: u16 = 43;
/// In [`IFLA_XDP`], `i32`: the program's descriptor, -1 to detach.
pub const IFLA_XDP_FD: u16 = 1;
/// In [`IFLA_XDP`], `u8`: an `XDP_ATTACHED_*` value.
pub const IFLA_XDP_ATTACHED: u16 = 2;
/// In [`IFLA_XDP`], `u32`: [`XdpFlags`](crate::flags::XdpFlags).
pub const IFLA_XDP_FLAGS: u16 = 3;
/// In [`IFLA_XDP`], `u32`: the program's id.
pub const IFLA_XDP_PROG_ID: u16 = 4;
/// In [`IFLA_XDP`], `u32`: id of the driver's program.
pub const IFLA_XDP_DRV_PROG_ID: u16 = 5;
/// In [`IFLA_XDP`], `u32`: id of the generic program.
pub const IFLA_XDP_SKB_PROG_ID: u16 = 6;
/// In [`IFLA_XDP`], `u32`: id of the device's program.
pub const IFLA_XDP_HW_PROG_ID: u16 = 7;
/// In [`IFLA_XDP`], `i32`: the program that must be attached now. Linux 5.7.
pub const IFLA_XDP_EXPECTED_FD: u16 = 8;

/// Nothing is attached.
pub const XDP_ATTACHED_NONE: u8 = 0;
/// A program in the driver.
pub const XDP_ATTACHED_DRV: u8 = 1;
/// A program in the generic stack.
pub const XDP_ATTACHED_SKB: u8 = 2;
/// A program in the device.
pub const XDP_ATTACHED_HW: u8 = 3;
/// Several programs.
pub const XDP_ATTACHED_MULTI: u8 = 4;

/// Attribute of traffic control: kind, zero-terminated, such as `clsact` or `bpf`.
pub const TCA_KIND: u16 = 1;
/// Attribute of traffic control: options of the kind, nested.
pub const TCA_OPTIONS: u16 = 2;

/// In the options of a BPF filter: actions, nested.
pub const TCA_BPF_ACT: u16 = 1;
/// In an action: kind, zero-terminated.
pub const TCA_ACT_KIND: u16 = 1;
/// In an action: options of the kind, nested.
pub const TCA_ACT_OPTIONS: u16 = 2;
/// In the options of a BPF action: what it does.
pub const TCA_ACT_BPF_PARMS: u16 = 2;
/// In the options of a BPF action, `u32`: the program's descriptor.
pub const TCA_ACT_BPF_FD: u16 = 5;
/// In the options of a BPF action: name, zero-terminated.
pub const TCA_ACT_BPF_NAME: u16 = 6;
/// In the options of a BPF action, `u32`: the program's id.
pub const TCA_ACT_BPF_ID: u16 = 9;

/// In the options of a BPF filter, `u16`: how many instructions of the old kind [`TCA_BPF_OPS`] has.
pub const TCA_BPF_OPS_LEN: u16 = 4;
/// In the options of a BPF filter: instructions of the old kind, 8 bytes each.
pub const TCA_BPF_OPS: u16 = 5;
/// In the options of a BPF filter, `u32`: the program's descriptor.
pub const TCA_BPF_FD: u16 = 6;
/// In the options of a BPF filter: name, zero-terminated.
pub const TCA_BPF_NAME: u16 = 7;
/// In the options of a BPF filter, `u32`: [`TCA_BPF_FLAG_ACT_DIRECT`].
pub const TCA_BPF_FLAGS: u16 = 8;
/// In the options of a BPF filter: the program's tag.
pub const TCA_BPF_TAG: u16 = 10;
/// In the options of a BPF filter, `u32`: the program's id.
pub const TCA_BPF_ID: u16 = 11;
/// The program's result is the verdict.
pub const TCA_BPF_FLAG_ACT_DIRECT: u32 = 1;

/// Parent of what sits at the root of a device.
pub const TC_H_ROOT: u32 = 0xffff_ffff;
/// Parent of the ingress discipline.
pub const TC_H_INGRESS: u32 = 0xffff_fff1;
/// Parent of the clsact discipline; the same number.
pub const TC_H_CLSACT: u32 = TC_H_INGRESS;
/// Low half of a filter's parent: received packets.
pub const TC_H_MIN_INGRESS: u32 = 0xfff2;
/// Low half of a filter's parent: sent packets.
pub const TC_H_MIN_EGRESS: u32 = 0xfff3;
/// The high half of a handle.
pub const TC_H_MAJ_MASK: u32 = 0xffff_0000;
/// The low half of a handle.
pub const TC_H_MIN_MASK: u32 = 0x0000_ffff;
/// Attribute of a route: destination address.
pub const RTA_DST: u16 = 1;
/// Attribute of a route, `u32`: the device that packets leave by.
pub const RTA_OIF: u16 = 4;
/// Attribute of a route: address of the next router.
pub const RTA_GATEWAY: u16 = 5;
/// Attribute of a route, `u32`: routing table.
pub const RTA_TABLE: u16 = 15;
/// Attribute of a route, `u16`: an `LWTUNNEL_ENCAP_*` value.
pub const RTA_ENCAP_TYPE: u16 = 21;
/// Attribute of a route: what the kind of tunnel needs, nested.
pub const RTA_ENCAP: u16 = 22;
/// Kind of tunnel: BPF programs. Linux 4.10.
pub const LWTUNNEL_ENCAP_BPF: u16 = 6;
/// Kind of tunnel: an action at the end of a segment of IPv6 segment routing.
pub const LWTUNNEL_ENCAP_SEG6_LOCAL: u16 = 7;
/// In [`RTA_ENCAP`] of programs: the one for received packets, nested.
pub const LWT_BPF_IN: u16 = 1;
/// In [`RTA_ENCAP`] of programs: the one for packets before they are sent, nested.
pub const LWT_BPF_OUT: u16 = 2;
/// In [`RTA_ENCAP`] of programs: the one for packets as they are sent, which may change them, nested.
pub const LWT_BPF_XMIT: u16 = 3;
/// In [`RTA_ENCAP`] of programs, `u32`: bytes that are kept free in front of a packet.
pub const LWT_BPF_XMIT_HEADROOM: u16 = 4;
/// In a program, `u32`: its descriptor.
pub const LWT_BPF_PROG_FD: u16 = 1;
/// In a program: its name, zero-terminated.
pub const LWT_BPF_PROG_NAME: u16 = 2;
/// In [`RTA_ENCAP`] of segment routing, `u32`: the action.
pub const SEG6_LOCAL_ACTION: u16 = 1;
/// In [`RTA_ENCAP`] of segment routing: the program, nested.
pub const SEG6_LOCAL_BPF: u16 = 8;
/// Action of segment routing: run a program. Linux 4.18.
pub const SEG6_LOCAL_ACTION_END_BPF: u32 = 15;
/// In a program of segment routing, `u32`: its descriptor.
pub const SEG6_LOCAL_BPF_PROG: u16 = 1;
/// In a program of segment routing: its name, zero-terminated.
pub const SEG6_LOCAL_BPF_PROG_NAME: u16 = 2;
/// The main routing table.
pub const RT_TABLE_MAIN: u32 = 254;
/// Who made a route: an administrator.
pub const RTPROT_STATIC: u8 = 4;
/// How far a route's destination is: anywhere.
pub const RT_SCOPE_UNIVERSE: u8 = 0;
/// How far a route's destination is: on the link.
pub const RT_SCOPE_LINK: u8 = 253;
/// What a route does: it leads to its destination.
pub const RTN_UNICAST: u8 = 1;

/// `ETH_P_ALL`, in host byte order: a filter for every protocol.
pub const ETH_P_ALL: u16 = 0x0003;

/// Generic netlink controller: ask for a family.
pub const CTRL_CMD_GETFAMILY: u8 = 3;
/// Attribute of a family, `u16`: its message number.
pub const CTRL_ATTR_FAMILY_ID: u16 = 1;
/// Attribute of a family: its name, zero-terminated.
pub const CTRL_ATTR_FAMILY_NAME: u16 = 2;
/// Name of the family that tells what devices can do.
pub const NETDEV_FAMILY_NAME: &str = "netdev";
/// Ask for a device. Linux 6.3.
pub const NETDEV_CMD_DEV_GET: u8 = 1;
/// Attribute of a device, `u32`: its number.
pub const NETDEV_A_DEV_IFINDEX: u16 = 1;
/// Attribute of a device, `u64`: bits of what XDP can do.
pub const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
/// Attribute of a device, `u32`: most fragments of a zero-copy packet.
pub const NETDEV_A_DEV_XDP_ZC_MAX_SEGS: u16 = 4;

abi! {
    /// `struct sockaddr_nl`: address of a netlink socket.
    #[doc(alias = "sockaddr_nl")]
    pub struct SockaddrNl in "sockaddr_nl" {
        /// [`AF_NETLINK`].
        pub nl_family: u16,
        /// Padding.
        pub _nl_pad | nl_pad: u16,
        /// Port; 0 is the kernel.
        pub nl_pid: u32,
        /// Groups to listen to.
        pub nl_groups: u32,
    }

    /// `struct nlmsghdr`: the head of a message.
    #[doc(alias = "nlmsghdr")]
    pub struct NlMsgHdr in "nlmsghdr" {
        /// Bytes of the message, this head included.
        pub nlmsg_len: u32,
        /// What the message is.
        pub nlmsg_type: u16,
        /// `NLM_F_*` bits.
        pub nlmsg_flags: u16,
        /// Number that the answer repeats.
        pub nlmsg_seq: u32,
        /// Port of the sender.
        pub nlmsg_pid: u32,
    }

    /// `struct nlmsgerr`: the body of an error or acknowledgement; the request may follow.
    #[doc(alias = "nlmsgerr")]
    pub struct NlMsgErr in "nlmsgerr" {
        /// 0, or a negative error number.
        pub error: i32,
        /// Head of the request.
        pub msg: NlMsgHdr,
    }

    /// `struct nlattr`: the head of an attribute.
    #[doc(alias = "nlattr")]
    pub struct NlAttr in "nlattr" {
        /// Bytes of the attribute, this head included, padding not.
        pub nla_len: u16,
        /// What the attribute is.
        pub nla_type: u16,
    }

    /// `struct ifinfomsg`: the head of a message about a link.
    #[doc(alias = "ifinfomsg")]
    pub struct IfInfoMsg in "ifinfomsg" {
        /// Address family, 0 for any.
        pub ifi_family: u8,
        /// Padding.
        pub __ifi_pad: u8,
        /// Kind of hardware.
        pub ifi_type: u16,
        /// The device.
        pub ifi_index: i32,
        /// Its flags.
        pub ifi_flags: u32,
        /// Which flags change.
        pub ifi_change: u32,
    }

    /// `struct tcmsg`: the head of a message about traffic control.
    #[doc(alias = "tcmsg")]
    pub struct TcMsg in "tcmsg" {
        /// Address family, 0 for any.
        pub tcm_family: u8,
        /// Padding.
        pub _tcm_pad1 | tcm__pad1: u8,
        /// Padding.
        pub _tcm_pad2 | tcm__pad2: u16,
        /// The device.
        pub tcm_ifindex: i32,
        /// Handle of the discipline or filter.
        pub tcm_handle: u32,
        /// Handle of what it sits under.
        pub tcm_parent: u32,
        /// Filters: priority in the high half, protocol in network byte order in the low.
        pub tcm_info: u32,
    }

    /// `struct rtmsg`: the head of a message about a route.
    #[doc(alias = "rtmsg")]
    pub struct RtMsg in "rtmsg" {
        /// Address family.
        pub rtm_family: u8,
        /// Bits of the destination that count.
        pub rtm_dst_len: u8,
        /// Bits of the source that count.
        pub rtm_src_len: u8,
        /// Type of service.
        pub rtm_tos: u8,
        /// Routing table, if its number is below 256.
        pub rtm_table: u8,
        /// Who made the route.
        pub rtm_protocol: u8,
        /// How far the destination is.
        pub rtm_scope: u8,
        /// What the route does.
        pub rtm_type: u8,
        /// `RTM_F_*` bits.
        pub rtm_flags: u32,
    }

    /// `struct genlmsghdr`: the head of a generic netlink message.
    #[doc(alias = "genlmsghdr")]
    pub struct GenlMsgHdr in "genlmsghdr" {
        /// The family's command.
        pub cmd: u8,
        /// The family's version.
        pub version: u8,
        /// Padding.
        pub _reserved | reserved: u16,
    }
}
