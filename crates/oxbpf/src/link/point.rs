//! Attach points as the commands see them that need no links: `BPF_PROG_ATTACH`, `BPF_PROG_DETACH` and `BPF_PROG_QUERY`.
//!
//! What they attach stays until it is detached, whatever becomes of the process. A query shows the programs of links as
//! well.

use std::path::Path;

use oxbpf_kernel::{Handle, Kernel, MapFd, Opening, ProgAttach, ProgDetach, ProgFd, ProgQuery, Target};
use oxbpf_uapi::flags::{AttachFlags, QueryFlags};
use oxbpf_uapi::{AttachType, Cmd, Errno};

use super::attach::Attach;
use super::order::Order;
use super::{Held, Link, interface};
use crate::error::{At, Error, Frame, Result};

/// Something that has lists of programs, one for each attach type.
#[derive(Clone, Copy, Debug)]
pub enum AttachPoint<'a> {
    /// A control group of version 2, by its directory. Linux 4.10.
    Cgroup(&'a Path),
    /// A network interface, by number: tcx (Linux 6.6) and netkit (Linux 6.7).
    Interface(u32),
    /// The network namespace of the caller: flow dissectors (Linux 4.20).
    CurrentNetns,
    /// A network namespace by its file, such as `/run/netns/NAME`. It can only be asked (Linux 5.8);
    /// [`attach_netns`](crate::Program::attach_netns) makes a link there.
    Netns(&'a Path),
    /// A sockmap or sockhash. Linux 4.14, to be asked 5.16.
    Map(&'a MapFd),
    /// An infrared receiver or transmitter by its device, such as `/dev/lirc0`. Linux 4.18.
    Lirc(&'a Path),
}

/// Options of [`Program::attach_without_link`](crate::Program::attach_without_link).
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "bpf_prog_attach_opts")]
pub struct AttachOpts<'a> {
    /// Control groups: what becomes of the programs of ancestors and descendants. [`AttachFlags::ALLOW_MULTI`] is what links
    /// use.
    pub flags: AttachFlags,
    /// Place in the list. tcx, netkit, and control groups since Linux 6.16.
    pub order: Order<'a>,
    /// The program whose place to take, which must be there. Linux 5.6.
    pub replace: Option<&'a ProgFd>,
}

/// What [`query_progs`] tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_prog_query_opts")]
pub struct AttachedProgs {
    /// The programs, in the order in which they run.
    pub progs: Vec<AttachedProg>,
    /// Flags of the list.
    pub attach_flags: AttachFlags,
    /// State of the list, which every change counts up; 0 where the kernel doesn't say.
    pub revision: u64,
}

/// A program in a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttachedProg {
    /// Its id.
    pub prog_id: u32,
    /// Its own flags. Control groups since Linux 6.0.
    pub attach_flags: AttachFlags,
    /// Interfaces: id of the link that attaches it, 0 for none.
    pub link_id: u32,
    /// Interfaces: flags of that link.
    pub link_attach_flags: AttachFlags,
}

/// What keeps a place open.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    Object(Handle),
    Ifindex(u32),
    Current,
}

impl Place {
    fn target(&self) -> Target<'_> {
        match self {
            Self::Object(handle) => Target::Object(handle),
            Self::Ifindex(index) => Target::Ifindex(*index),
            Self::Current => Target::None,
        }
    }

    pub(super) fn detach(
        &self,
        kernel: &Kernel,
        prog: Option<&ProgFd>,
        attach_type: AttachType,
        order: Order<'_>,
    ) -> Result<()> {
        let (flags, relative) = order.flags_and_anchor();
        let req = ProgDetach {
            target: self.target(),
            prog,
            attach_type,
            flags: flags.bits(),
            relative,
            expected_revision: order.expected_revision,
        };
        kernel.prog_detach(req).at(|| Frame::Command(Cmd::PROG_DETACH))
    }
}

impl AttachPoint<'_> {
    fn frame(&self, kernel: &Kernel) -> Frame {
        Frame::Target(match self {
            Self::Cgroup(path) => format!("control group `{}`", path.display()),
            Self::Netns(path) => format!("network namespace `{}`", path.display()),
            Self::Lirc(path) => format!("infrared device `{}`", path.display()),
            Self::CurrentNetns => "network namespace".into(),
            Self::Map(map) => format!("map {}", map.number()),
            Self::Interface(index) => return interface::frame(kernel, *index),
        })
    }

    fn open(&self, kernel: &Kernel, to_ask: bool) -> Result<Place> {
        let what = match *self {
            Self::Interface(index) => {
                interface::expect_index(index)?;
                return Ok(Place::Ifindex(index));
            }
            Self::Map(map) => return Ok(Place::Object((**map).clone())),
            Self::Cgroup(path) => Opening::Cgroup(path),
            Self::Lirc(path) => Opening::Lirc(path),
            // The commands that change it know no other than the caller's.
            Self::CurrentNetns if !to_ask => return Ok(Place::Current),
            Self::CurrentNetns => Opening::Netns(Path::new("/proc/self/ns/net")),
            Self::Netns(path) if to_ask => Opening::Netns(path),
            Self::Netns(_) => {
                let message = "without a link only the caller's own network namespace can be changed";
                return Err(Error::invalid_input(message).with_hint("attach_netns makes a link"));
            }
        };
        Ok(Place::Object(kernel.open(what).map_err(Error::kernel)?))
    }

    fn with<T>(&self, kernel: &Kernel, to_ask: bool, run: impl FnOnce(&Place) -> Result<T>) -> Result<T> {
        let done = self.open(kernel, to_ask).and_then(|place| run(&place));
        done.map_err(|e| match (self, e.errno()) {
            (Self::Cgroup(_), Errno::EBADF) => e.with_message("it is no directory of a cgroup2 file system"),
            (Self::Interface(_), Errno::EINVAL) if !to_ask => {
                e.with_hint("tcx needs Linux 6.6 and netkit 6.7; attach_tc works on every kernel")
            }
            _ => e,
        })
        .map_err(|e| e.at(self.frame(kernel)))
    }
}

pub(super) fn attach(a: &Attach<'_>, point: AttachPoint<'_>, opts: AttachOpts<'_>) -> Result<Link> {
    point.with(a.kernel, false, |place| attach_at(a, place.clone(), opts))
}

/// Attaches where the place is open already.
pub(super) fn attach_at(a: &Attach<'_>, place: Place, opts: AttachOpts<'_>) -> Result<Link> {
    let (flags, relative) = opts.order.flags_and_anchor();
    let req = ProgAttach {
        target: place.target(),
        prog: a.prog,
        attach_type: a.attach_type,
        flags: (opts.flags | flags).bits(),
        replace: opts.replace,
        relative,
        expected_revision: opts.order.expected_revision,
    };
    a.kernel.prog_attach(req).at(|| Frame::Command(Cmd::PROG_ATTACH))?;
    Ok(Link::new(a.kernel, Held::Prog { place, prog: a.prog.clone(), attach_type: a.attach_type }))
}

/// Detaches what a command without a link attached: `prog`, or without one the program that `order` names, or the only one.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) if it is not there; `ESTALE` if the list does not have the expected revision.
#[doc(alias = "bpf_prog_detach_opts")]
#[doc(alias = "bpf_prog_detach2")]
#[doc(alias = "bpf_prog_detach")]
pub fn detach_prog(
    kernel: &Kernel,
    point: AttachPoint<'_>,
    attach_type: AttachType,
    prog: Option<&ProgFd>,
    order: Order<'_>,
) -> Result<()> {
    point.with(kernel, false, |place| place.detach(kernel, prog, attach_type, order))
}

/// Asks which programs an attach point has: its own, or with [`QueryFlags::EFFECTIVE`] those that run for a control
/// group, inherited ones included.
///
/// # Errors
/// `EINVAL` for an attach type that the point or the kernel does not have.
#[doc(alias = "bpf_prog_query_opts")]
#[doc(alias = "bpf_prog_query")]
pub fn query_progs(
    kernel: &Kernel,
    point: AttachPoint<'_>,
    attach_type: AttachType,
    flags: QueryFlags,
) -> Result<AttachedProgs> {
    point.with(kernel, true, |place| query(kernel, place, attach_type, flags))
}

/// How many programs are asked for at first, and at most.
const FIRST_ROOM: usize = 64;
const MOST_ROOM: usize = 1 << 16;

fn query(
    kernel: &Kernel,
    place: &Place,
    attach_type: AttachType,
    flags: QueryFlags,
) -> Result<AttachedProgs> {
    let has_links = matches!(place, Place::Ifindex(_));
    // Inherited programs have no flags of their own, and the kernel minds being asked.
    let mut has_flags = !flags.contains(QueryFlags::EFFECTIVE);
    let mut room = FIRST_ROOM;
    loop {
        let vec = |is_wanted: bool| vec![0; if is_wanted { room } else { 0 }];
        let (mut ids, mut own, mut links, mut link_flags) =
            (vec(true), vec(has_flags), vec(has_links), vec(has_links));
        let answer = kernel.prog_query(ProgQuery {
            target: place.target(),
            attach_type,
            query_flags: flags.bits(),
            prog_ids: &mut ids,
            prog_attach_flags: &mut own,
            link_ids: &mut links,
            link_attach_flags: &mut link_flags,
            attach_flags: 0,
            count: 0,
            revision: 0,
        });
        let (count, attach_flags, revision) = match answer {
            Ok(req) => (req.count as usize, req.attach_flags, req.revision),
            Err(Errno::ENOSPC) if room < MOST_ROOM => {
                room *= 4;
                continue;
            }
            // Kernels before 6.0 know no flags of single programs.
            Err(Errno::EINVAL | Errno::E2BIG) if has_flags && !has_links => {
                has_flags = false;
                continue;
            }
            Err(e) => return Err(e).at(|| Frame::Command(Cmd::PROG_QUERY)),
        };
        let at = |list: &[u32], i| list.get(i).copied().unwrap_or(0);
        let prog = |(i, prog_id): (usize, &u32)| AttachedProg {
            prog_id: *prog_id,
            attach_flags: AttachFlags::from_bits_retain(at(&own, i)),
            link_id: at(&links, i),
            link_attach_flags: AttachFlags::from_bits_retain(at(&link_flags, i)),
        };
        let progs = ids.iter().take(count).enumerate().map(prog).collect();
        let attach_flags = AttachFlags::from_bits_retain(attach_flags);
        return Ok(AttachedProgs { progs, attach_flags, revision });
    }
}
