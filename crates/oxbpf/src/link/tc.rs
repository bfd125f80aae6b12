//! TC programs as BPF filters of the clsact qdisc, over netlink. The list that links attach to is in `order`.

use oxbpf_kernel::{GetInfo, InfoBuffers, Kernel, NlMessage};
use oxbpf_uapi::info::ProgInfo;
use oxbpf_uapi::netlink::{NETLINK_ROUTE, TC_H_CLSACT, TC_H_MAJ_MASK, TC_H_MIN_EGRESS, TC_H_MIN_INGRESS};
use oxbpf_uapi::{Cmd, Errno, ProgType};
use zerocopy::IntoBytes;

use super::attach::Attach;
use super::netlink::{self, FilterAt};
use super::{Held, Link};
use crate::error::{At, Error, Frame, Result};

/// Where filters of an interface are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "bpf_tc_hook")]
pub struct TcHook {
    /// The interface.
    pub ifindex: u32,
    /// Which packets.
    pub point: TcPoint,
}

/// Which packets a filter sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "bpf_tc_attach_point")]
pub enum TcPoint {
    /// Received packets, by the clsact qdisc.
    Ingress,
    /// Sent packets, by the clsact qdisc.
    Egress,
    /// Packets of a qdisc or class of the caller's, by its handle.
    Parent(u32),
}

impl TcPoint {
    fn parent(self) -> u32 {
        match self {
            Self::Ingress => (TC_H_CLSACT & TC_H_MAJ_MASK) | TC_H_MIN_INGRESS,
            Self::Egress => (TC_H_CLSACT & TC_H_MAJ_MASK) | TC_H_MIN_EGRESS,
            Self::Parent(handle) => handle,
        }
    }
}

/// Options of `attach_tc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_tc_opts")]
pub struct TcOpts {
    /// Handle of the filter; 0 lets the kernel choose.
    pub handle: u32,
    /// Priority of the filter, lowest first; 0 lets the kernel choose.
    pub priority: u16,
    /// Take the place of the program of the filter that is there.
    pub replace: bool,
    /// Leave it to the caller to create the clsact qdisc ([`TcHook::create`]). Otherwise it is created where
    /// it is missing, and removed with the link if it has no more filters then.
    pub no_qdisc: bool,
}

/// A BPF filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcFilter {
    /// Its handle.
    pub handle: u32,
    /// Its priority.
    pub priority: u16,
    /// Id of its program.
    pub prog_id: u32,
    /// Its name, which for filters of this crate and libbpf is `program:[id]`.
    pub name: String,
}

/// What takes a filter back.
#[derive(Debug)]
pub(crate) struct Undo {
    at: FilterAt,
    made_qdisc: bool,
}

impl Undo {
    pub(super) fn run(self, kernel: &Kernel) -> Result<()> {
        let frame = || Frame::Interface(format!("#{}", self.at.ifindex));
        request(kernel, &netlink::filter_del(self.at)).at(|| Frame::Step("remove TC filter:")).at(frame)?;
        if self.made_qdisc && !has_filters(kernel, self.at.ifindex).at(frame)? {
            request(kernel, &netlink::clsact_del(self.at.ifindex))
                .at(|| Frame::Step("remove clsact:"))
                .at(frame)?;
        }
        Ok(())
    }
}

fn has_filters(kernel: &Kernel, ifindex: u32) -> Result<bool, Errno> {
    let mut found = false;
    for point in [TcPoint::Ingress, TcPoint::Egress] {
        exchange(kernel, &netlink::filter_dump(ifindex, point.parent()), &mut |reply| {
            found |= netlink::parse_filter(reply).is_some();
        })?;
    }
    Ok(found)
}

fn exchange(kernel: &Kernel, bytes: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<(), Errno> {
    kernel.netlink(&NlMessage { protocol: NETLINK_ROUTE, bytes }, each)
}

fn request(kernel: &Kernel, bytes: &[u8]) -> Result<(), Errno> {
    exchange(kernel, bytes, &mut |_| {})
}

impl TcHook {
    /// Received packets of an interface.
    pub fn ingress(ifindex: u32) -> Self {
        Self { ifindex, point: TcPoint::Ingress }
    }

    /// Sent packets of an interface.
    pub fn egress(ifindex: u32) -> Self {
        Self { ifindex, point: TcPoint::Egress }
    }

    fn frame(&self) -> Frame {
        Frame::Interface(format!("#{}", self.ifindex))
    }

    fn at(&self, handle: u32, priority: u16) -> FilterAt {
        FilterAt { ifindex: self.ifindex, parent: self.point.parent(), handle, priority }
    }

    /// Creates the clsact qdisc, and says whether it was missing.
    ///
    /// # Errors
    /// `EINVAL` for a [parent](TcPoint::Parent) of the caller's; the kernel's.
    #[doc(alias = "bpf_tc_hook_create")]
    pub fn create(&self, kernel: &Kernel) -> Result<bool> {
        if let TcPoint::Parent(_) = self.point {
            return Err(
                Error::invalid_input("a qdisc other than clsact is not created here").at(self.frame())
            );
        }
        match request(kernel, &netlink::clsact_add(self.ifindex)) {
            Ok(()) => Ok(true),
            Err(Errno::EEXIST) => Ok(false),
            Err(e) => Err(e).at(|| Frame::Step("create clsact:")).at(|| self.frame()),
        }
    }

    /// Removes the clsact qdisc, with the filters of both directions.
    ///
    /// # Errors
    /// The kernel's, `EINVAL` if there is none.
    #[doc(alias = "bpf_tc_hook_destroy")]
    pub fn destroy(&self, kernel: &Kernel) -> Result<()> {
        request(kernel, &netlink::clsact_del(self.ifindex))
            .at(|| Frame::Step("remove clsact:"))
            .at(|| self.frame())
    }

    /// Removes the filters of this hook.
    ///
    /// # Errors
    /// The kernel's.
    pub fn flush(&self, kernel: &Kernel) -> Result<()> {
        request(kernel, &netlink::filter_flush(self.ifindex, self.point.parent())).at(|| self.frame())
    }

    /// The BPF filter with this handle and priority.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is none.
    #[doc(alias = "bpf_tc_query")]
    pub fn query(&self, kernel: &Kernel, handle: u32, priority: u16) -> Result<TcFilter> {
        let mut found = None;
        let bytes = netlink::filter_get(self.at(handle, priority));
        exchange(kernel, &bytes, &mut |reply| found = found.take().or(bpf_filter(reply)))
            .at(|| self.frame())?;
        found.ok_or_else(|| Error::not_found("the kernel said nothing about the filter").at(self.frame()))
    }

    /// The BPF filters of this hook, in the order in which they run.
    ///
    /// # Errors
    /// The kernel's, `EINVAL` if there is no qdisc.
    pub fn filters(&self, kernel: &Kernel) -> Result<Vec<TcFilter>> {
        let mut all = Vec::new();
        let bytes = netlink::filter_dump(self.ifindex, self.point.parent());
        // Each priority is announced by a reply without a program before its filters.
        let mut each = |reply: &[u8]| all.extend(bpf_filter(reply).filter(|f| f.prog_id != 0));
        exchange(kernel, &bytes, &mut each).at(|| self.frame())?;
        Ok(all)
    }

    /// Removes a filter.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is none, `EINVAL` for a handle or priority of 0.
    #[doc(alias = "bpf_tc_detach")]
    pub fn detach(&self, kernel: &Kernel, handle: u32, priority: u16) -> Result<()> {
        if handle == 0 || priority == 0 {
            return Err(
                Error::invalid_input("a filter is removed by its handle and its priority").at(self.frame())
            );
        }
        request(kernel, &netlink::filter_del(self.at(handle, priority))).at(|| self.frame())
    }
}

fn bpf_filter(reply: &[u8]) -> Option<TcFilter> {
    let filter = netlink::parse_filter(reply).filter(|f| f.kind == "bpf")?;
    let FilterAt { handle, priority, .. } = filter.at;
    Some(TcFilter { handle, priority, prog_id: filter.prog_id, name: filter.name })
}

pub(super) fn attach(a: &Attach<'_>, hook: TcHook, opts: TcOpts) -> Result<Link> {
    a.expect_type("attach_tc", &[ProgType::SCHED_CLS, ProgType::SCHED_ACT])?;
    if hook.ifindex == 0 {
        return Err(Error::invalid_input("there is no network interface 0"));
    }
    let has_own_qdisc = matches!(hook.point, TcPoint::Ingress | TcPoint::Egress);
    let made_qdisc = has_own_qdisc && !opts.no_qdisc && hook.create(a.kernel)?;
    let result = add_filter(a, hook, opts);
    match result {
        Ok(at) => Ok(Link::new(a.kernel, Held::Tc(Undo { at, made_qdisc }))),
        Err(e) => {
            if made_qdisc {
                if let Err(undo) = hook.destroy(a.kernel) {
                    log::warn!("{undo}");
                }
            }
            Err(e.at(Frame::Step("add TC filter:")).at(hook.frame()))
        }
    }
}

fn add_filter(a: &Attach<'_>, hook: TcHook, opts: TcOpts) -> Result<FilterAt> {
    let mut info = ProgInfo::default();
    a.kernel
        .get_info(GetInfo { object: a.prog, info: info.as_mut_bytes(), buffers: InfoBuffers::None })
        .at(|| Frame::Command(Cmd::OBJ_GET_INFO_BY_FD))?;
    let prog_name = info.name.split(|b| *b == 0).next().unwrap_or_default();
    let name = format!("{}:[{}]", String::from_utf8_lossy(prog_name), info.id);
    let mut made = None;
    let bytes =
        netlink::filter_add(hook.at(opts.handle, opts.priority), a.prog.number(), &name, opts.replace);
    exchange(a.kernel, &bytes, &mut |reply| made = made.or(netlink::parse_filter(reply).map(|f| f.at)))
        .map_err(Error::kernel)?;
    made.ok_or_else(|| Error::not_found("the kernel did not say which filter it made"))
}

impl Link {
    /// The filter that [`Program::attach_tc`](crate::Program) added, as (handle, priority).
    pub fn tc_filter(&self) -> Option<(u32, u16)> {
        match &self.held {
            Held::Tc(undo) => Some((undo.at.handle, undo.at.priority)),
            _ => None,
        }
    }
}
