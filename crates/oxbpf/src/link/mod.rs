//! Links: what ties a loaded program to an event, and how it is undone.
//!
//! Every `attach` method of [`Program`](crate::Program) gives a [`Link`]. A link owns the attachment:
//!
//! * **Dropping a link detaches** the program, unless the link is pinned or was [forgotten](Link::forget). An
//!   error in that is logged; [`Link::detach`] reports it.
//! * [`Link::pin`] gives the attachment a name in the bpf file system. It then outlives the link and the
//!   process, until the name is removed ([`Link::unpin`]) and the last reference is gone.
//! * [`Link::forget`] gives up ownership: the attachment stays until this process ends, and beyond that if it is one
//!   that the kernel does not tie to a file descriptor (netlink XDP, a TC filter, a legacy cgroup attachment).
//!
//! What an attachment is made of depends on the event and the kernel, which is the private `Held`: a BPF
//! link, a perf event with or without a BPF link on it, a setting made over netlink, an entry in a cgroup's
//! list, or several of these.
//!
//! | Module | Attaches to |
//! | --- | --- |
//! | `auto` | what the section name says |
//! | `tracepoint` | tracepoints by name |
//! | `tracing` | functions and hooks by BTF id: fentry, fexit, fmod_ret, tp_btf, freplace, LSM, iterators |
//! | `tracing_multi` | many functions by BTF id |
//! | `kprobe`, `uprobe` | instructions of the kernel and of programs, one or many |
//! | `usdt` | statically defined probes of programs |
//! | `probe_event` | probes as text in tracefs, for old kernels |
//! | `perf` | perf events, the base of the probes above |
//! | `info` | nothing: what the kernel tells of links, and their ids |
//! | `xdp`, `tc` | network interfaces over netlink, and XDP links |
//! | `interface` | nothing: names and numbers of network interfaces |
//! | `order` | lists of programs by link: tcx, netkit, control groups |
//! | `point` | the same and others without a link; what is attached there |
//! | `socket` | single sockets |
//! | `route` | routes |
//! | `struct_ops` | struct_ops maps |

mod attach;
mod auto;
mod info;
mod interface;
mod kprobe;
mod netlink;
mod order;
mod perf;
mod point;
mod probe_event;
mod program;
mod route;
mod section;
mod socket;
mod struct_ops;
mod tc;
#[cfg(all(test, feature = "linux"))]
pub(crate) mod tests;
mod tracepoint;
mod tracing;
mod tracing_multi;
mod uprobe;
mod usdt;
mod xdp;

use std::path::{Path, PathBuf};

use oxbpf_kernel::{Handle, Kernel, LinkFd, LinkSource, LinkUpdate, MapFd, PerfRequest, ProgFd, SocketRole};
use oxbpf_uapi::flags::AttachFlags;
use oxbpf_uapi::{AttachType, Cmd, Errno};

use crate::error::{At, Error, Frame, Result};
pub use info::{LinkDetails, LinkInfo};
pub use interface::{Interface, interface_index, interfaces};
pub use kprobe::{KprobeMultiOpts, KprobeOpts, KprobeTarget, KsyscallOpts, ProbeMode};
pub use order::{Neighbour, Order, Position};
pub use oxbpf_kernel::Probes;
pub(crate) use perf::cpu_list;
pub use perf::{PerfEventBuilder, PerfEventOpts};
pub use point::{AttachOpts, AttachPoint, AttachedProg, AttachedProgs, detach_prog, query_progs};
pub(crate) use probe_event::ProbeEvent;
pub use route::Route;
pub use tc::{TcFilter, TcHook, TcOpts, TcPoint, TcQdisc, TcShown, tc_filters};
pub use tracepoint::{RawTracepointOpts, TracepointOpts};
pub use tracing::{IterOpts, IterReader, IterTarget, NetfilterOpts, TraceOpts};
pub use tracing_multi::{TracingMultiOpts, TracingMultiTarget};
pub use uprobe::{UprobeMultiOpts, UprobeOpts, UprobeTarget};
pub(crate) use usdt::SpecIds;
pub use usdt::UsdtOpts;
pub use xdp::{
    XdpFeatures, XdpMode, XdpOpts, XdpState, detach_xdp, query_xdp, query_xdp_features, set_xdp,
    set_xdp_flags,
};

/// A program's attachment to an event. See the [module](self) for what dropping one does.
#[derive(Debug)]
#[must_use = "dropping a link detaches the program; keep it, pin it or forget it"]
#[doc(alias = "bpf_link")]
pub struct Link {
    kernel: Kernel,
    held: Held,
    pin_path: Option<PathBuf>,
}

/// What an attachment is made of.
#[derive(Debug)]
pub(crate) enum Held {
    /// A BPF link: closing the last reference detaches.
    Bpf(LinkFd),
    /// A perf event that runs a program, by a BPF link on it or (before Linux 5.15) by itself.
    Perf {
        /// The event.
        event: Handle,
        /// The link on it.
        link: Option<LinkFd>,
        /// The definition in tracefs that the event is of, on kernels without a perf unit for probes.
        probe: Option<ProbeEvent>,
    },
    /// Probes that share records of arguments in maps of the object.
    Usdt {
        /// The probes.
        probes: Box<Held>,
        /// The records.
        specs: usdt::Records,
    },
    /// An XDP program set over netlink.
    Xdp(xdp::Undo),
    /// A TC filter added over netlink.
    Tc(tc::Undo),
    /// An entry that `BPF_PROG_ATTACH` made.
    Prog {
        /// Cgroup, interface or map.
        place: point::Place,
        /// The program.
        prog: ProgFd,
        /// Where in the target.
        attach_type: AttachType,
    },
    /// A program of a socket.
    Socket {
        /// The socket, or rather a duplicate of its descriptor.
        socket: Handle,
        /// What the program does for it.
        role: SocketRole,
    },
    /// A route that has a program.
    Route(route::Undo),
    /// A struct_ops map that registered without a link.
    StructOps(MapFd),
    /// Several, detached in the order in which they were attached.
    Many(Vec<Held>),
    /// Nothing any more.
    Gone,
}

impl Link {
    pub(crate) fn new(kernel: &Kernel, held: Held) -> Self {
        Self { kernel: kernel.clone(), held, pin_path: None }
    }

    pub(crate) fn bpf(kernel: &Kernel, fd: LinkFd) -> Self {
        Self::new(kernel, Held::Bpf(fd))
    }

    /// Ties a definition in tracefs to the perf event that the link is.
    pub(crate) fn with_probe(mut self, event: ProbeEvent) -> Self {
        if let Held::Perf { probe, .. } = &mut self.held {
            *probe = Some(event);
        }
        self
    }

    /// Joins links into one that lives and ends as a whole. They must not be pinned.
    pub(crate) fn join(kernel: &Kernel, links: Vec<Self>) -> Self {
        let parts = links.into_iter().map(|mut link| core::mem::replace(&mut link.held, Held::Gone));
        Self::new(kernel, Held::Many(parts.collect()))
    }

    /// Opens the link that is pinned at `path`. Dropping it closes the reference and leaves the pin.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if nothing is there.
    #[doc(alias = "bpf_link__open")]
    pub fn open_pinned(kernel: &Kernel, path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let handle =
            kernel.obj_get(path, 0).at(|| Frame::Command(Cmd::OBJ_GET)).at(|| Frame::Path(path.into()))?;
        let mut link = Self::bpf(kernel, LinkFd(handle));
        link.pin_path = Some(path.into());
        Ok(link)
    }

    /// The BPF link, `None` for attachments that have none: perf events before Linux 5.15, netlink, legacy cgroup
    /// attachments, and several events in one.
    ///
    /// The attachment lives as long as any clone of the reference.
    #[doc(alias = "bpf_link__fd")]
    pub fn fd(&self) -> Option<&LinkFd> {
        match &self.held {
            Held::Bpf(fd) | Held::Perf { link: Some(fd), .. } => Some(fd),
            Held::Usdt { probes, .. } => match &**probes {
                Held::Bpf(fd) => Some(fd),
                _ => None,
            },
            _ => None,
        }
    }

    /// Takes a BPF link over that was created in another way.
    pub fn from_fd(kernel: &Kernel, fd: LinkFd) -> Self {
        Self::bpf(kernel, fd)
    }

    /// The number of the descriptor that carries the attachment: the BPF link's, or the perf event's where there is none.
    pub fn number(&self) -> Option<i32> {
        match &self.held {
            Held::Perf { event, link: None, .. } => Some(event.number()),
            Held::StructOps(map) => Some(map.number()),
            _ => self.fd().map(|fd| fd.number()),
        }
    }

    fn bpf_fd(&self, what: &'static str) -> Result<&LinkFd> {
        self.fd().ok_or_else(|| {
            let message = format!("{what}: this attachment ({}) is not a BPF link", self.held.name());
            Error::invalid_input(message).with_errno(Errno::EOPNOTSUPP)
        })
    }

    /// Detaches the program. The same as dropping the link, but errors are reported.
    ///
    /// A pinned BPF link is detached by force as by [`force_detach`](Self::force_detach), and its pin stays
    /// as the name of a link that does nothing. Any other BPF link ends when its last reference is closed,
    /// which a clone of [`fd`](Self::fd) delays.
    ///
    /// # Errors
    /// The kernel's, of the first step that failed; the other steps are done nevertheless.
    #[doc(alias = "bpf_link__destroy")]
    pub fn detach(mut self) -> Result<()> {
        if self.pin_path.is_some() {
            self.force_detach()?;
        }
        core::mem::replace(&mut self.held, Held::Gone).undo(&self.kernel)
    }

    /// Detaches the program now, whoever else holds or pins the link. The link stays open, without effect. Linux 5.9.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for kinds that cannot: those on perf events, tracing programs and multi links end when
    /// the last reference does.
    #[doc(alias = "bpf_link__detach")]
    pub fn force_detach(&self) -> Result<()> {
        let fd = self.bpf_fd("force_detach")?;
        self.kernel.link_detach(fd).at(|| Frame::Command(Cmd::LINK_DETACH)).at(|| Frame::Step("detach"))
    }

    /// Gives up ownership without detaching: the attachment stays at least until this process ends.
    ///
    /// References that carry the attachment are left open for that time, unless the link is pinned.
    #[doc(alias = "bpf_link__disconnect")]
    pub fn forget(mut self) {
        let held = core::mem::replace(&mut self.held, Held::Gone);
        // These stay without any reference, and one would keep the socket open.
        let needs_nothing = matches!(held, Held::Socket { .. } | Held::Prog { .. });
        if self.pin_path.is_none() && !needs_nothing {
            core::mem::forget(held);
        }
    }

    /// Pins the link at `path`, in a bpf file system. From then on dropping it does not detach.
    ///
    /// # Errors
    /// `EBUSY` if the link is pinned already, `EOPNOTSUPP` if it has no BPF link,
    /// [`AlreadyExists`](crate::ErrorKind::AlreadyExists) if the name is taken.
    #[doc(alias = "bpf_link__pin")]
    pub fn pin(&mut self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if let Some(pinned) = &self.pin_path {
            let message = format!("the link is pinned already, at {}", pinned.display());
            return Err(Error::invalid_input(message).with_errno(Errno::EBUSY).at(Frame::Path(path.into())));
        }
        let object = self.bpf_fd("pin").map_err(|e| e.at(Frame::Path(path.into())))?;
        self.kernel
            .obj_pin(path, object)
            .at(|| Frame::Command(Cmd::OBJ_PIN))
            .at(|| Frame::Path(path.into()))?;
        self.pin_path = Some(path.into());
        Ok(())
    }

    /// Removes the link's pin. From then on dropping it detaches.
    ///
    /// # Errors
    /// `EINVAL` if it is not pinned.
    #[doc(alias = "bpf_link__unpin")]
    pub fn unpin(&mut self) -> Result<()> {
        let Some(path) = &self.pin_path else { return Err(Error::invalid_input("the link is not pinned")) };
        self.kernel.unpin(path).at(|| Frame::Step("unpin")).at(|| Frame::Path(path.clone()))?;
        self.pin_path = None;
        Ok(())
    }

    /// Where the link is pinned.
    #[doc(alias = "bpf_link__pin_path")]
    pub fn pin_path(&self) -> Option<&Path> {
        self.pin_path.as_deref()
    }

    /// Attaches `new` in place of the program that the link attaches now, without a gap. With `old`, only if
    /// that is the program there now.
    ///
    /// XDP, cgroup, netns, tcx, netkit and iterator links can (Linux 5.7 and later).
    ///
    /// # Errors
    /// `EPERM` if `old` is not there, `EINVAL` or `EOPNOTSUPP` for kinds that cannot.
    #[doc(alias = "bpf_link__update_program")]
    pub fn update_program(&self, new: &ProgFd, old: Option<&ProgFd>) -> Result<()> {
        let link = self.bpf_fd("update_program")?;
        let flags = if old.is_some() { AttachFlags::REPLACE.bits() } else { 0 };
        let (new, old) = (LinkSource::Prog(new), old.map(LinkSource::Prog));
        self.kernel.link_update(LinkUpdate { link, new, flags, old }).at(|| Frame::Command(Cmd::LINK_UPDATE))
    }

    /// Asks the kernel about the link: kind, program, and what it is attached to. Linux 5.8.
    ///
    /// # Errors
    /// `EOPNOTSUPP` for an attachment that has no BPF link.
    #[doc(alias = "bpf_link_get_info_by_fd")]
    pub fn info(&self) -> Result<LinkInfo> {
        info::read(&self.kernel, self.bpf_fd("info")?)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let held = core::mem::replace(&mut self.held, Held::Gone);
        // A pin keeps the attachment; only the references of this process end.
        if self.pin_path.is_none() {
            if let Err(error) = held.undo(&self.kernel) {
                log::warn!("a link was dropped and its program could not be detached: {error}");
            }
        }
    }
}

impl Held {
    fn name(&self) -> &'static str {
        match self {
            Self::Bpf(_) => "a BPF link",
            Self::Perf { .. } => "a program on a perf event",
            Self::Usdt { .. } => "a program on statically defined probes",
            Self::Xdp(_) => "an XDP program set over netlink",
            Self::Tc(_) => "a TC filter",
            Self::Prog { .. } => "a program attached without a link",
            Self::Socket { .. } => "a program of a socket",
            Self::Route(_) => "a program of a route",
            Self::StructOps(_) => "a struct_ops map without a link",
            Self::Many(_) => "several events",
            Self::Gone => "nothing",
        }
    }

    /// Takes the attachment back.
    fn undo(self, kernel: &Kernel) -> Result<()> {
        match self {
            // Closing the reference is what detaches.
            Self::Bpf(_) | Self::Gone => Ok(()),
            Self::Perf { event, link, probe } => {
                let disabled = kernel
                    .perf_event(PerfRequest::Disable(&event))
                    .at(|| Frame::Syscall("PERF_EVENT_IOC_DISABLE"))
                    .map(drop);
                // A definition can't be removed while its event is open.
                drop((link, event));
                disabled.and(probe.map_or(Ok(()), |probe| probe.remove(kernel)))
            }
            Self::Usdt { probes, specs } => {
                let undone = probes.undo(kernel);
                specs.release();
                undone
            }
            Self::Xdp(undo) => undo.run(kernel),
            Self::Tc(undo) => undo.run(kernel),
            Self::Prog { place, prog, attach_type } => {
                place.detach(kernel, Some(&prog), attach_type, Order::default())
            }
            Self::Socket { socket, role } => socket::detach(kernel, &socket, role),
            Self::Route(undo) => undo.run(kernel),
            Self::StructOps(map) => {
                kernel.map_delete_elem(&map, &[0; 4], 0).at(|| Frame::Command(Cmd::MAP_DELETE_ELEM))
            }
            Self::Many(parts) => {
                let results: Vec<_> = parts.into_iter().map(|part| part.undo(kernel)).collect();
                results.into_iter().collect()
            }
        }
    }
}
