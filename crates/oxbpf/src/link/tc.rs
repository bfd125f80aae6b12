//! TC programs as BPF filters of the clsact qdisc, over netlink. The list that links attach to is in `order`.

use oxbpf_kernel::{GetInfo, InfoBuffers, Kernel, NlError, ProgFd};
use oxbpf_uapi::info::ProgInfo;
use oxbpf_uapi::netlink::{TC_H_CLSACT, TC_H_MAJ_MASK, TC_H_MIN_EGRESS, TC_H_MIN_INGRESS, TC_H_ROOT};
use oxbpf_uapi::{Cmd, Errno, ProgType};
use zerocopy::IntoBytes;

use super::attach::Attach;
use super::netlink::{self, FilterAt, Qdisc, exchange, request};
use super::{Held, Link, interface};
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
    /// Its actions that are programs, by name and id. Only filters that were added with other means have some.
    pub actions: Vec<(String, u32)>,
}

/// A qdisc of a kind of its own, such as one that a struct_ops map registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[doc(alias = "BPF_TC_QDISC")]
pub struct TcQdisc<'a> {
    /// The interface.
    pub ifindex: u32,
    /// Its kind, such as "fq" or the name in a `struct Qdisc_ops`.
    pub kind: &'a str,
    /// What it sits under: `0xffff_ffff` for the root.
    pub parent: u32,
    /// Its own number, major in the upper half; 0 lets the kernel choose.
    pub handle: u32,
}

impl TcQdisc<'_> {
    fn message(&self) -> Qdisc<'_> {
        Qdisc { ifindex: self.ifindex, kind: self.kind, parent: self.parent, handle: self.handle }
    }

    /// Creates the qdisc, and says whether it was missing.
    ///
    /// # Errors
    /// The kernel's, `ENOENT` if it has no such kind.
    #[doc(alias = "bpf_tc_hook_create")]
    pub fn create(&self, kernel: &Kernel) -> Result<bool> {
        interface::expect_index(self.ifindex)?;
        match request(kernel, &netlink::qdisc_add(self.message())) {
            Ok(()) => Ok(true),
            Err(e) if e.errno == Errno::EEXIST => Ok(false),
            Err(e) => Err(e)
                .at(|| Frame::Step("create qdisc:"))
                .map_err(|e| match e.errno() {
                    Errno::ENOENT => {
                        e.with_hint(format!("no kernel module or struct_ops map is `{}`", self.kind))
                    }
                    _ => e,
                })
                .at(|| interface::frame(kernel, self.ifindex)),
        }
    }

    /// Removes the qdisc, with its filters.
    ///
    /// # Errors
    /// The kernel's, `ENOENT` or `EINVAL` if it is not there.
    #[doc(alias = "bpf_tc_hook_destroy")]
    pub fn destroy(&self, kernel: &Kernel) -> Result<()> {
        request(kernel, &netlink::qdisc_del(self.message()))
            .at(|| Frame::Step("remove qdisc:"))
            .at(|| interface::frame(kernel, self.ifindex))
    }
}

/// What takes a filter back.
#[derive(Debug)]
pub(crate) struct Undo {
    at: FilterAt,
    made_qdisc: bool,
}

impl Undo {
    pub(super) fn run(self, kernel: &Kernel) -> Result<()> {
        let frame = || interface::frame(kernel, self.at.ifindex);
        request(kernel, &netlink::filter_del(self.at)).at(|| Frame::Step("remove TC filter:")).at(frame)?;
        if self.made_qdisc && !has_filters(kernel, self.at.ifindex).at(frame)? {
            request(kernel, &netlink::qdisc_del(netlink::clsact(self.at.ifindex)))
                .at(|| Frame::Step("remove clsact:"))
                .at(frame)?;
        }
        Ok(())
    }
}

fn has_filters(kernel: &Kernel, ifindex: u32) -> Result<bool, NlError> {
    let mut found = false;
    for point in [TcPoint::Ingress, TcPoint::Egress] {
        exchange(kernel, &netlink::filter_dump(ifindex, point.parent()), &mut |reply| {
            found |= netlink::parse_filter(reply).is_some();
        })?;
    }
    Ok(found)
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

    fn frame(&self, kernel: &Kernel) -> Frame {
        interface::frame(kernel, self.ifindex)
    }

    fn at(&self, handle: u32, priority: u16) -> FilterAt {
        FilterAt { ifindex: self.ifindex, parent: self.point.parent(), handle, priority }
    }

    /// Creates the clsact qdisc, and says whether it was missing.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for a [parent](TcPoint::Parent) of the caller's; the kernel's.
    #[doc(alias = "bpf_tc_hook_create")]
    pub fn create(&self, kernel: &Kernel) -> Result<bool> {
        if let TcPoint::Parent(_) = self.point {
            return Err(Error::invalid_input("a qdisc other than clsact is not created here")
                .with_errno(Errno::EOPNOTSUPP)
                .with_hint("TcQdisc creates one")
                .at(self.frame(kernel)));
        }
        match request(kernel, &netlink::qdisc_add(netlink::clsact(self.ifindex))) {
            Ok(()) => Ok(true),
            Err(e) if e.errno == Errno::EEXIST => Ok(false),
            Err(e) => Err(e).at(|| Frame::Step("create clsact:")).at(|| self.frame(kernel)),
        }
    }

    /// Removes the clsact qdisc, with the filters of both directions.
    ///
    /// # Errors
    /// The kernel's, `EINVAL` if there is none.
    #[doc(alias = "bpf_tc_hook_destroy")]
    pub fn destroy(&self, kernel: &Kernel) -> Result<()> {
        request(kernel, &netlink::qdisc_del(netlink::clsact(self.ifindex)))
            .at(|| Frame::Step("remove clsact:"))
            .at(|| self.frame(kernel))
    }

    /// Removes the filters of this hook.
    ///
    /// # Errors
    /// The kernel's.
    pub fn flush(&self, kernel: &Kernel) -> Result<()> {
        request(kernel, &netlink::filter_flush(self.ifindex, self.point.parent())).at(|| self.frame(kernel))
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
            .at(|| self.frame(kernel))?;
        found.ok_or_else(|| {
            Error::not_found("the kernel said nothing about the filter").at(self.frame(kernel))
        })
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
        exchange(kernel, &bytes, &mut each).at(|| self.frame(kernel))?;
        Ok(all)
    }

    /// Adds a BPF filter for a program, for good: it stays until it is removed. The qdisc has to be there.
    ///
    /// # Errors
    /// The kernel's, `EINVAL` if there is no qdisc.
    #[doc(alias = "bpf_tc_attach")]
    pub fn attach(&self, kernel: &Kernel, prog: &ProgFd, opts: TcOpts) -> Result<TcFilter> {
        let made = add_program(kernel, prog, false, *self, opts).at(|| self.frame(kernel))?;
        let (FilterAt { handle, priority, .. }, prog_id) = made;
        Ok(TcFilter { handle, priority, prog_id, name: String::new(), actions: Vec::new() })
    }

    /// Removes a filter.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is none, `EINVAL` for a handle or priority of 0.
    #[doc(alias = "bpf_tc_detach")]
    pub fn detach(&self, kernel: &Kernel, handle: u32, priority: u16) -> Result<()> {
        if handle == 0 || priority == 0 {
            return Err(Error::invalid_input("a filter is removed by its handle and its priority")
                .at(self.frame(kernel)));
        }
        request(kernel, &netlink::filter_del(self.at(handle, priority))).at(|| self.frame(kernel))
    }
}

fn bpf_filter(reply: &[u8]) -> Option<TcFilter> {
    let filter = netlink::parse_filter(reply).filter(|f| f.kind == "bpf")?;
    let FilterAt { handle, priority, .. } = filter.at;
    let netlink::FilterReply { prog_id, name, actions, .. } = filter;
    Some(TcFilter { handle, priority, prog_id, name, actions })
}

/// A BPF filter of an interface, and what has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcShown {
    /// Kind of the class or qdisc that has the filter; "root", "clsact/ingress" or "clsact/egress" for those places.
    pub place: String,
    /// The filter.
    pub filter: TcFilter,
}

/// All BPF filters of an interface: those of its classes and qdiscs, and of the places that every interface has.
///
/// # Errors
/// The kernel's.
pub fn tc_filters(kernel: &Kernel, ifindex: u32) -> Result<Vec<TcShown>> {
    let mut places = Vec::new();
    let mut add = |reply: &[u8], is_qdisc: bool| {
        let found = netlink::parse_filter(reply).filter(|f| f.at.ifindex == ifindex);
        let is_other = |kind: &str, handle| !is_qdisc || (kind != "clsact" && handle != 0);
        places.extend(found.filter(|f| is_other(&f.kind, f.at.handle)).map(|f| (f.kind, f.at.handle)));
    };
    let frame = || interface::frame(kernel, ifindex);
    exchange(kernel, &netlink::class_dump(ifindex), &mut |reply| add(reply, false)).at(frame)?;
    exchange(kernel, &netlink::qdisc_dump(ifindex), &mut |reply| add(reply, true)).at(frame)?;
    let fixed = [
        ("root", TC_H_ROOT),
        ("clsact/ingress", TcPoint::Ingress.parent()),
        ("clsact/egress", TcPoint::Egress.parent()),
    ];
    places.extend(fixed.map(|(name, parent)| (name.to_owned(), parent)));
    let mut all = Vec::new();
    for (place, parent) in places {
        let mut each = |reply: &[u8]| {
            let is_filter = netlink::parse_filter(reply).is_some_and(|f| f.has_options);
            let filter = bpf_filter(reply).filter(|_| is_filter);
            all.extend(filter.map(|filter| TcShown { place: place.clone(), filter }));
        };
        match exchange(kernel, &netlink::filter_dump(ifindex, parent), &mut each) {
            // A place without a qdisc has no filters either.
            Err(e) if matches!(e.errno, Errno::EINVAL | Errno::ENOENT | Errno::EOPNOTSUPP) => {}
            result => result.at(frame)?,
        }
    }
    Ok(all)
}

pub(super) fn attach(a: &Attach<'_>, hook: TcHook, opts: TcOpts) -> Result<Link> {
    a.expect_type("attach_tc", &[ProgType::SCHED_CLS, ProgType::SCHED_ACT])?;
    interface::expect_index(hook.ifindex)?;
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
            Err(e.at(Frame::Step("add TC filter:")).at(hook.frame(a.kernel)))
        }
    }
}

fn add_filter(a: &Attach<'_>, hook: TcHook, opts: TcOpts) -> Result<FilterAt> {
    let is_action = a.prog_type == ProgType::SCHED_ACT;
    add_program(a.kernel, a.prog, is_action, hook, opts).map(|(at, _)| at)
}

/// Adds a filter for a program, and gives where it is and the program's id.
fn add_program(
    kernel: &Kernel,
    prog: &ProgFd,
    is_action: bool,
    hook: TcHook,
    opts: TcOpts,
) -> Result<(FilterAt, u32)> {
    let mut info = ProgInfo::default();
    kernel
        .get_info(GetInfo { object: prog, info: info.as_mut_bytes(), buffers: InfoBuffers::None })
        .at(|| Frame::Command(Cmd::OBJ_GET_INFO_BY_FD))?;
    let prog_name = info.name.split(|b| *b == 0).next().unwrap_or_default();
    let name = format!("{}:[{}]", String::from_utf8_lossy(prog_name), info.id);
    let mut made = None;
    let (at, fd) = (hook.at(opts.handle, opts.priority), prog.number());
    let bytes = match is_action {
        true => netlink::action_add(at, fd, &name, opts.replace),
        false => netlink::filter_add(at, fd, &name, opts.replace),
    };
    exchange(kernel, &bytes, &mut |reply| made = made.or(netlink::parse_filter(reply).map(|f| f.at)))
        .map_err(Error::netlink)?;
    let at = made.ok_or_else(|| Error::not_found("the kernel did not say which filter it made"))?;
    Ok((at, info.id))
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
