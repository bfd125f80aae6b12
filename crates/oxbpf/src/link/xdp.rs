//! XDP programs on network interfaces.
//!
//! Since Linux 5.9 an attachment is a link; before, and where it is asked for, it is a setting of the
//! interface made over netlink that stays until somebody takes it back.

use oxbpf_kernel::{Kernel, LinkKind, NlError, NlMessage, ProgFd, Target};
use oxbpf_uapi::flags::XdpFlags;
use oxbpf_uapi::netlink::{NETDEV_FAMILY_NAME, NETLINK_GENERIC};
use oxbpf_uapi::{AttachType, Errno, ProgType};

use super::attach::Attach;
use super::netlink::{self, XdpIds};
use super::{Held, Link, interface};
use crate::error::{At, Error, Frame, Result};

/// Where in the network stack an XDP program runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[doc(alias = "XDP_FLAGS_MODES")]
pub enum XdpMode {
    /// In the driver if it can, else in the generic stack.
    #[default]
    Default,
    /// In the generic stack, after the packet's buffer is made. Every interface can.
    Skb,
    /// In the driver.
    Drv,
    /// In the device.
    Hw,
}

impl XdpMode {
    fn flags(self) -> XdpFlags {
        match self {
            Self::Default => XdpFlags::empty(),
            Self::Skb => XdpFlags::SKB_MODE,
            Self::Drv => XdpFlags::DRV_MODE,
            Self::Hw => XdpFlags::HW_MODE,
        }
    }
}

/// Options of `attach_xdp`.
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "bpf_xdp_attach_opts")]
pub struct XdpOpts<'a> {
    /// Where the program runs.
    pub mode: XdpMode,
    /// Set the program over netlink, without a link, even where the kernel has links.
    pub netlink: bool,
    /// Over netlink: the program that must be there now, which this one replaces. Linux 5.7.
    pub old_prog: Option<&'a ProgFd>,
    /// Over netlink: fail with `EBUSY` if a program is there, in place of replacing it.
    pub no_replace: bool,
}

/// XDP programs of an interface, by id; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_xdp_query_opts")]
pub struct XdpState {
    /// The program, if there is one alone.
    pub prog_id: u32,
    /// The program in the generic stack.
    pub skb_prog_id: u32,
    /// The program in the driver.
    pub drv_prog_id: u32,
    /// The program in the device.
    pub hw_prog_id: u32,
    /// `XDP_ATTACHED_*`: 0 none, 1 driver, 2 generic, 3 device, 4 several.
    pub attach_mode: u8,
}

/// What takes back an attachment made over netlink.
#[derive(Debug)]
pub(crate) struct Undo {
    ifindex: u32,
    mode: XdpMode,
    prog: ProgFd,
}

impl Undo {
    pub(super) fn run(self, kernel: &Kernel) -> Result<()> {
        let frame = || interface::frame(kernel, self.ifindex);
        let expected = Some(self.prog.number());
        match set(kernel, self.ifindex, -1, self.mode.flags(), expected) {
            // Somebody put another program in place of this one, which is theirs to take back.
            Err(e) if e.errno == Errno::EEXIST => Ok(()),
            // Before Linux 5.7 there is no way to say which program is to go.
            Err(e) if e.errno == Errno::EINVAL => {
                set(kernel, self.ifindex, -1, self.mode.flags(), None).at(frame)
            }
            result => result.at(frame),
        }
    }
}

pub(super) fn attach(a: &Attach<'_>, ifindex: u32, opts: XdpOpts<'_>) -> Result<Link> {
    a.expect_type("attach_xdp", &[ProgType::XDP])?;
    attach_interface(a, ifindex, opts).map_err(|e| e.at(interface::frame(a.kernel, ifindex)))
}

fn attach_interface(a: &Attach<'_>, ifindex: u32, opts: XdpOpts<'_>) -> Result<Link> {
    interface::expect_index(ifindex)?;
    if matches!(a.attach_type, AttachType::XDP_DEVMAP | AttachType::XDP_CPUMAP) {
        let message =
            format!("a program for {} goes into the map's entries, not on an interface", a.attach_type);
        return Err(Error::invalid_input(message));
    }
    let wants_netlink = opts.netlink || opts.old_prog.is_some() || opts.no_replace;
    if !wants_netlink {
        match a.link_as(AttachType::XDP, Target::Ifindex(ifindex), opts.mode.flags().bits(), LinkKind::Plain)
        {
            // The answer of kernels before 5.9, which have no XDP links, and of later ones for an interface that does
            // not exist; netlink tells them apart.
            Err(e) if e.errno() == Errno::EINVAL => {}
            result => return result,
        }
    }
    let mut flags = opts.mode.flags();
    if opts.no_replace {
        flags |= XdpFlags::UPDATE_IF_NOEXIST;
    }
    set(a.kernel, ifindex, a.prog.number(), flags, opts.old_prog.map(|p| p.number()))
        .at(|| Frame::Step("set XDP program:"))?;
    Ok(Link::new(a.kernel, Held::Xdp(Undo { ifindex, mode: opts.mode, prog: a.prog.clone() })))
}

fn set(
    kernel: &Kernel,
    ifindex: u32,
    prog_fd: i32,
    flags: XdpFlags,
    old_fd: Option<i32>,
) -> Result<(), NlError> {
    netlink::request(kernel, &netlink::xdp_set(ifindex, prog_fd, flags, old_fd))
}

/// Asks which XDP programs an interface has.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) if there is no such interface.
#[doc(alias = "bpf_xdp_query")]
pub fn query_xdp(kernel: &Kernel, ifindex: u32) -> Result<XdpState> {
    let bytes = netlink::xdp_query(ifindex);
    let mut found: Option<XdpIds> = None;
    let mut each = |reply: &[u8]| found = found.or(netlink::parse_xdp(reply, ifindex));
    let frame = || interface::frame(kernel, ifindex);
    netlink::exchange(kernel, &bytes, &mut each).at(frame)?;
    let ids = found.ok_or_else(|| Error::not_found("the kernel said nothing about it").at(frame()))?;
    Ok(ids.into())
}

impl From<XdpIds> for XdpState {
    fn from(ids: XdpIds) -> Self {
        Self {
            prog_id: ids.prog,
            skb_prog_id: ids.skb,
            drv_prog_id: ids.drv,
            hw_prog_id: ids.hw,
            attach_mode: ids.attached,
        }
    }
}

/// What XDP can do on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XdpFeatures {
    /// `NETDEV_XDP_ACT_*` bits: 1 programs, 2 redirect, 4 being redirected to, 8 zero copy, 16 offload, 32 fragments, 64 being
    /// redirected to with fragments.
    pub flags: u64,
    /// Most fragments of a packet that is not copied.
    pub zc_max_segs: u32,
}

/// Asks what XDP can do on an interface. Linux 6.3; what kernels before can do they don't tell, and all bits are 0.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) if there is no such interface.
#[doc(alias = "bpf_xdp_query")]
pub fn query_xdp_features(kernel: &Kernel, ifindex: u32) -> Result<XdpFeatures> {
    let frame = || interface::frame(kernel, ifindex);
    let ask = |bytes: &[u8], each: &mut dyn FnMut(&[u8])| {
        kernel.netlink(&NlMessage { protocol: NETLINK_GENERIC, bytes }, each)
    };
    let mut family = None;
    let query = netlink::family_query(NETDEV_FAMILY_NAME);
    match ask(&query, &mut |reply| family = family.or(netlink::parse_family(reply))) {
        Err(e) if e.errno == Errno::ENOENT => return Ok(XdpFeatures::default()),
        result => result.at(frame)?,
    }
    let family = family.ok_or_else(|| Error::not_found("the kernel said nothing").at(frame()))?;
    let mut found = None;
    let query = netlink::features_query(family, ifindex);
    ask(&query, &mut |reply| found = found.or(netlink::parse_features(reply, ifindex))).at(frame)?;
    let (flags, zc_max_segs) =
        found.ok_or_else(|| Error::not_found("the kernel said nothing about it").at(frame()))?;
    Ok(XdpFeatures { flags, zc_max_segs })
}

/// Sets the XDP program of an interface over netlink, for good: it stays until it is removed. Without `replaces`, a program that
/// is there is an error (`EBUSY`).
///
/// # Errors
/// The kernel's.
#[doc(alias = "bpf_xdp_attach")]
pub fn set_xdp(kernel: &Kernel, ifindex: u32, mode: XdpMode, prog: &ProgFd, replaces: bool) -> Result<()> {
    let only_new = if replaces { XdpFlags::empty() } else { XdpFlags::UPDATE_IF_NOEXIST };
    set(kernel, ifindex, prog.number(), mode.flags() | only_new, None)
        .at(|| interface::frame(kernel, ifindex))
}

/// Removes whatever XDP program an interface has in a mode, unless a link holds it (`EBUSY`).
///
/// # Errors
/// The kernel's.
#[doc(alias = "bpf_xdp_detach")]
pub fn detach_xdp(kernel: &Kernel, ifindex: u32, mode: XdpMode) -> Result<()> {
    set(kernel, ifindex, -1, mode.flags(), None).at(|| interface::frame(kernel, ifindex))
}

/// Sets or removes the XDP program of an interface over netlink, as flags say: what [`set_xdp`] and [`detach_xdp`] do, for
/// callers that have `XDP_FLAGS_*` and numbers of descriptors. −1 for no program; with `old`, only in its place.
///
/// # Errors
/// The kernel's.
#[doc(alias = "bpf_xdp_attach")]
pub fn set_xdp_flags(
    kernel: &Kernel,
    ifindex: u32,
    prog: i32,
    flags: XdpFlags,
    old: Option<i32>,
) -> Result<()> {
    set(kernel, ifindex, prog, flags, old).at(|| interface::frame(kernel, ifindex))
}
