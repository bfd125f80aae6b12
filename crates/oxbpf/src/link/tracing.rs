//! Programs that name what they attach to by BTF id when they are loaded, and iterators.

use std::io;

use oxbpf_btf::TypeId;
use oxbpf_kernel::{
    Handle, Kernel, LinkCreate, LinkKind, LinkSource, MapFd, ProgFd, RawTracepointOpen, Target,
};
use oxbpf_uapi::attr::{CgroupIter, MapIter, TaskIter};
use oxbpf_uapi::{AttachType, Cmd, Errno, ProgType};
use zerocopy::{Immutable, IntoBytes};

use super::Link;
use super::attach::Attach;
use crate::error::{At, Error, Frame, Result};

/// Options of `attach_trace`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_trace_opts")]
pub struct TraceOpts {
    /// What `bpf_get_attach_cookie` gives the program. Linux 5.19 if not 0.
    pub cookie: u64,
}

/// Options of `attach_netfilter`. Linux 6.4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[doc(alias = "bpf_netfilter_opts")]
pub struct NetfilterOpts {
    /// Protocol family, `NFPROTO_IPV4` (2) or `NFPROTO_IPV6` (10).
    pub pf: u32,
    /// Hook, `NF_INET_*`.
    pub hooknum: u32,
    /// Place among the programs of the hook, lowest first. Neither of the ends `i32::MIN` and `i32::MAX`.
    pub priority: i32,
    /// Packets are reassembled first. Linux 6.6.
    pub defragment: bool,
}

/// Options of `attach_iter`.
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "bpf_iter_attach_opts")]
pub struct IterOpts<'a> {
    /// What to walk.
    pub target: IterTarget<'a>,
}

/// What an iterator walks.
#[derive(Clone, Copy, Debug, Default)]
#[doc(alias = "bpf_iter_link_info")]
pub enum IterTarget<'a> {
    /// Everything of the program's kind.
    #[default]
    All,
    /// The elements of a map (Linux 5.9), or the sockets in it (Linux 5.10).
    Map(&'a MapFd),
    /// Control groups. Linux 6.1.
    Cgroup {
        /// Where to start, an opened cgroup.
        cgroup: &'a Handle,
        /// `BPF_CGROUP_ITER_*`: 1 itself, 2 descendants in pre-order, 3 in post-order, 4 ancestors, 5 children.
        order: u32,
    },
    /// One thread. Linux 6.1; kernels before walk all tasks.
    Thread(u32),
    /// The threads of one process. Linux 6.1; kernels before walk all tasks.
    Process(u32),
    /// The threads of one process, as pidfd_open(2) gives it. Linux 6.1; kernels before walk all tasks.
    ProcessHandle(&'a Handle),
}

/// `union bpf_iter_link_info`, all of it: the kernel wants the bytes that a target does not use to be zero.
const ITER_LINK_INFO_LEN: usize = 16;

impl IterTarget<'_> {
    fn to_bytes(self) -> Option<[u8; ITER_LINK_INFO_LEN]> {
        let fd = |handle: &Handle| handle.number() as u32;
        let task = TaskIter::default();
        Some(match self {
            Self::All => return None,
            Self::Map(map) => padded(&MapIter { map_fd: fd(map) }),
            Self::Cgroup { cgroup, order } => {
                padded(&CgroupIter { order, cgroup_fd: fd(cgroup), cgroup_id: 0 })
            }
            Self::Thread(tid) => padded(&TaskIter { tid, ..task }),
            Self::Process(pid) => padded(&TaskIter { pid, ..task }),
            Self::ProcessHandle(process) => padded(&TaskIter { pid_fd: fd(process), ..task }),
        })
    }
}

/// A member of the union, with zeros behind it.
fn padded(member: &(impl IntoBytes + Immutable)) -> [u8; ITER_LINK_INFO_LEN] {
    let mut bytes = [0; ITER_LINK_INFO_LEN];
    let written = member.write_to_prefix(&mut bytes);
    debug_assert!(written.is_ok(), "no member is longer than the union");
    bytes
}

/// Attaches where the program's BTF id says.
pub(super) fn attach(a: &Attach<'_>, opts: TraceOpts) -> Result<Link> {
    a.expect_type("attach_trace", &[ProgType::TRACING, ProgType::LSM, ProgType::EXT])?;
    let (source, kind) =
        (LinkSource::Prog(a.prog), LinkKind::Tracing { target_btf_id: 0, cookie: opts.cookie });
    let req = LinkCreate { source, target: Target::None, attach_type: a.attach_type, flags: 0, kind };
    match a.link_create(req) {
        Ok(fd) => Ok(Link::bpf(a.kernel, fd)),
        // Kernels before 6.0 link these kinds only through the older command, which has no cookie.
        Err(Errno::EINVAL) if opts.cookie == 0 && OLD_COMMAND_ATTACHES.contains(&a.attach_type) => {
            let req = RawTracepointOpen { name: None, prog: a.prog, cookie: 0 };
            let fd = a.kernel.raw_tracepoint_open(req).at(|| Frame::Command(Cmd::RAW_TRACEPOINT_OPEN))?;
            Ok(Link::bpf(a.kernel, fd))
        }
        Err(Errno::EINVAL | Errno::E2BIG) if opts.cookie != 0 => {
            Err(Error::unsupported("cookies of tracing programs", "5.19"))
        }
        Err(e) => Err(e).at(|| Frame::Command(Cmd::LINK_CREATE)),
    }
}

/// What `BPF_RAW_TRACEPOINT_OPEN` attaches without a name.
const OLD_COMMAND_ATTACHES: [AttachType; 5] = [
    AttachType::TRACE_RAW_TP,
    AttachType::LSM_MAC,
    AttachType::TRACE_FENTRY,
    AttachType::TRACE_FEXIT,
    AttachType::MODIFY_RETURN,
];

/// Puts a replacement over a function of another program.
pub(super) fn attach_freplace(a: &Attach<'_>, target: Option<(&ProgFd, TypeId)>) -> Result<Link> {
    a.expect_type("attach_freplace", &[ProgType::EXT])?;
    match target {
        None => attach(a, TraceOpts::default()),
        Some((prog, function)) => {
            a.link_to(Target::Object(prog), 0, LinkKind::Tracing { target_btf_id: function.0, cookie: 0 })
        }
    }
}

pub(super) fn attach_iter(a: &Attach<'_>, opts: IterOpts<'_>) -> Result<Link> {
    a.expect_type("attach_iter", &[ProgType::TRACING])?;
    let info = opts.target.to_bytes();
    let kind = LinkKind::Iter(info.as_ref().map_or(&[], |bytes| bytes));
    a.link_as(AttachType::TRACE_ITER, Target::None, 0, kind)
}

pub(super) fn attach_netfilter(a: &Attach<'_>, opts: NetfilterOpts) -> Result<Link> {
    a.expect_type("attach_netfilter", &[ProgType::NETFILTER])?;
    let NetfilterOpts { pf, hooknum, priority, defragment } = opts;
    let kind = LinkKind::Netfilter { pf, hooknum, priority, flags: u32::from(defragment) };
    a.link_as(AttachType::NETFILTER, Target::None, 0, kind)
}

impl Link {
    /// Starts a run of the iterator that this link describes; what the program writes is read from the reader. Each
    /// call starts from the beginning.
    ///
    /// # Errors
    /// `EINVAL` if the link is not an iterator's.
    #[doc(alias = "bpf_iter_create")]
    pub fn iter(&self) -> Result<IterReader> {
        let link = self.bpf_fd("iter")?;
        let handle = self.kernel.iter_create(link).at(|| Frame::Command(Cmd::ITER_CREATE))?;
        Ok(IterReader { kernel: self.kernel.clone(), handle })
    }
}

/// One run of an iterator, read as a byte stream until its end. The program runs as the stream is read.
#[derive(Debug)]
pub struct IterReader {
    kernel: Kernel,
    handle: Handle,
}

impl io::Read for IterReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.kernel.read(&self.handle, out) {
                Ok(len) => return Ok(len),
                // The kernel gives up after a million elements in which the program wrote nothing, and goes
                // on when asked again.
                Err(Errno::EAGAIN) if !out.is_empty() => {}
                Err(e) => return Err(io::Error::from_raw_os_error(e.0)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterator_targets_take_the_bytes_of_the_kernels_union() {
        assert_eq!(IterTarget::All.to_bytes(), None);
        let map = MapFd(Handle::from_object(7, ()));
        let mut expect = [0; 16];
        expect[..4].copy_from_slice(&7u32.to_ne_bytes());
        assert_eq!(IterTarget::Map(&map).to_bytes(), Some(expect));
        assert_eq!(IterTarget::Thread(7).to_bytes(), Some(expect));

        let process = IterTarget::Process(9).to_bytes();
        assert_eq!(process.map(|b| b[4..8].to_vec()), Some(9u32.to_ne_bytes().to_vec()));
        let cgroup = IterTarget::Cgroup { cgroup: &map, order: 2 }.to_bytes();
        assert_eq!(cgroup.map(|b| (b[0], b[4])), Some((2u32.to_ne_bytes()[0], 7u32.to_ne_bytes()[0])));
    }
}
