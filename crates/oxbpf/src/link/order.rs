//! Lists of programs that run one after another: tcx and netkit devices, control groups; and the other attach points
//! that are one object: network namespaces and sockmaps.
//!
//! Since Linux 6.6 (tcx), 6.7 (netkit) and 6.16 (control groups) a program can choose its place in the list.

use oxbpf_kernel::{Anchor, Handle, LinkFd, LinkKind, MapFd, ProgFd, Target};
use oxbpf_uapi::flags::AttachFlags;
use oxbpf_uapi::{AttachType, Errno, ProgType};

use super::attach::Attach;
use super::point::{self, AttachOpts, Place};
use super::{Link, interface};
use crate::error::{Error, Result};

/// Where in a list of programs to attach, and in which state of the list. The default is the end of any list.
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "bpf_tcx_opts")]
#[doc(alias = "bpf_netkit_opts")]
#[doc(alias = "bpf_cgroup_opts")]
pub struct Order<'a> {
    /// The place.
    pub position: Position<'a>,
    /// Attach only if the list has this revision, as a query gives it; 0 for any.
    pub expected_revision: u64,
}

/// A place in a list of programs.
#[derive(Clone, Copy, Debug, Default)]
pub enum Position<'a> {
    /// The kernel's choice: the end.
    #[default]
    Default,
    /// Before all others.
    First,
    /// After all others.
    Last,
    /// Right before a neighbour.
    Before(Neighbour<'a>),
    /// Right after a neighbour.
    After(Neighbour<'a>),
}

/// A program in a list, by itself or by the link that attaches it.
#[derive(Clone, Copy, Debug)]
pub enum Neighbour<'a> {
    /// A program.
    Prog(&'a ProgFd),
    /// A program, by id.
    ProgId(u32),
    /// A link.
    Link(&'a LinkFd),
    /// A link, by id.
    LinkId(u32),
}

impl<'a> Order<'a> {
    fn flags_and_kind(self) -> (AttachFlags, LinkKind<'a>) {
        let (flags, relative) = self.flags_and_anchor();
        (flags, LinkKind::Ordered { relative, expected_revision: self.expected_revision })
    }

    /// The bits that say the place, and the neighbour.
    pub(super) fn flags_and_anchor(self) -> (AttachFlags, Anchor<'a>) {
        let (place, neighbour) = match self.position {
            Position::Default => (AttachFlags::empty(), None),
            Position::First => (AttachFlags::BEFORE, None),
            Position::Last => (AttachFlags::AFTER, None),
            Position::Before(n) => (AttachFlags::BEFORE, Some(n)),
            Position::After(n) => (AttachFlags::AFTER, Some(n)),
        };
        let (how, relative) = match neighbour {
            None => (AttachFlags::empty(), Anchor::None),
            Some(Neighbour::Prog(prog)) => (AttachFlags::empty(), Anchor::Object(prog)),
            Some(Neighbour::Link(link)) => (AttachFlags::LINK, Anchor::Object(link)),
            Some(Neighbour::ProgId(id)) => (AttachFlags::ID, Anchor::Id(id)),
            Some(Neighbour::LinkId(id)) => (AttachFlags::ID | AttachFlags::LINK, Anchor::Id(id)),
        };
        (place | how, relative)
    }
}

/// Links the program to a device's list of tcx or netkit programs; which one and which direction is the attach type.
pub(super) fn attach_device(
    a: &Attach<'_>,
    method: &str,
    types: &[AttachType],
    ifindex: u32,
    order: Order<'_>,
) -> Result<Link> {
    a.expect_type(method, &[ProgType::SCHED_CLS])?;
    if !types.contains(&a.attach_type) {
        let sections: Vec<_> = types.iter().map(ToString::to_string).collect();
        let message = format!(
            "{method} needs a program that was loaded for {}, and this one was loaded for {}",
            sections.join(" or "),
            a.attach_type
        );
        return Err(Error::invalid_input(message));
    }
    interface::expect_index(ifindex)?;
    let (flags, kind) = order.flags_and_kind();
    let linked = a.link_to(Target::Ifindex(ifindex), flags.bits(), kind);
    linked.map_err(|e| {
        let error = match e.errno() {
            Errno::EINVAL => {
                e.with_hint("tcx needs Linux 6.6 and netkit 6.7; attach_tc works on every kernel")
            }
            _ => e,
        };
        error.at(interface::frame(a.kernel, ifindex))
    })
}

pub(super) const TCX: [AttachType; 2] = [AttachType::TCX_INGRESS, AttachType::TCX_EGRESS];
pub(super) const NETKIT: [AttachType; 2] = [AttachType::NETKIT_PRIMARY, AttachType::NETKIT_PEER];

/// Program types that attach to control groups.
const CGROUP_TYPES: [ProgType; 9] = [
    ProgType::CGROUP_SKB,
    ProgType::CGROUP_SOCK,
    ProgType::CGROUP_SOCK_ADDR,
    ProgType::CGROUP_SOCKOPT,
    ProgType::CGROUP_SYSCTL,
    ProgType::CGROUP_DEVICE,
    ProgType::SOCK_OPS,
    ProgType::LSM,
    ProgType::FLOW_DISSECTOR,
];

pub(super) fn attach_cgroup(a: &Attach<'_>, cgroup: &Handle, order: Order<'_>) -> Result<Link> {
    a.expect_type("attach_cgroup", &CGROUP_TYPES)?;
    let (flags, kind) = order.flags_and_kind();
    a.link_to(Target::Object(cgroup), flags.bits(), kind)
}

pub(super) fn attach_netns(a: &Attach<'_>, netns: &Handle) -> Result<Link> {
    a.expect_type("attach_netns", &[ProgType::FLOW_DISSECTOR, ProgType::SK_LOOKUP])?;
    a.link_to(Target::Object(netns), 0, LinkKind::Plain)
}

/// Links to a sockmap; kernels before 6.10, which can't, get the attachment without a link.
pub(super) fn attach_sockmap(a: &Attach<'_>, map: &MapFd) -> Result<Link> {
    a.expect_type("attach_sockmap", &[ProgType::SK_SKB, ProgType::SK_MSG])?;
    match a.link_to(Target::Object(map), 0, LinkKind::Plain) {
        Err(e) if e.errno() == Errno::EINVAL => {
            point::attach_at(a, Place::Object((**map).clone()), AttachOpts::default())
        }
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(position: Position<'_>, flags: AttachFlags, anchor: &str) {
        let (got, kind) = Order { position, expected_revision: 3 }.flags_and_kind();
        assert_eq!(got, flags);
        let LinkKind::Ordered { relative, expected_revision: 3 } = kind else { panic!("{kind:?}") };
        assert_eq!(format!("{relative:?}"), anchor);
    }

    #[test]
    fn places_become_the_kernels_flags() {
        let prog = ProgFd(Handle::from_object(5, ()));
        check(Position::Default, AttachFlags::empty(), "None");
        check(Position::First, AttachFlags::BEFORE, "None");
        check(Position::Before(Neighbour::Prog(&prog)), AttachFlags::BEFORE, "Object(#5)");
        let by_link_id = AttachFlags::AFTER | AttachFlags::ID | AttachFlags::LINK;
        check(Position::After(Neighbour::LinkId(9)), by_link_id, "Id(9)");
    }
}
