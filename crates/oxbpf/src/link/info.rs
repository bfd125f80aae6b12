//! What the kernel tells about links: of each kind its own fields, with names and arrays read whole.

use oxbpf_btf::TypeId;
use oxbpf_kernel::{GetInfo, InfoBuffers, Kernel, LinkFd, ObjectKind};
use oxbpf_uapi::info::{
    CgroupLinkInfo, DeviceLinkInfo, EventLinkInfo, IterLinkInfo, KprobeLinkInfo, KprobeMultiLinkInfo,
    LinkInfo as Raw, NetfilterLinkInfo, NetnsLinkInfo, PerfEventLinkInfo, RawTracepointLinkInfo,
    SockmapLinkInfo, StructOpsLinkInfo, TracepointLinkInfo, TracingLinkInfo, UprobeLinkInfo,
    UprobeMultiLinkInfo, XdpLinkInfo,
};
use oxbpf_uapi::{AttachType, Cmd, Errno, LinkType};
use zerocopy::IntoBytes;

use super::Link;
use crate::error::{At, Frame, Result};
use crate::ids::{self, OpenId};

/// What the kernel says of a link. Linux 5.8.
#[derive(Clone, Debug, PartialEq, Eq)]
#[doc(alias = "bpf_link_info")]
pub struct LinkInfo {
    /// Kind of link.
    pub kind: LinkType,
    /// Id of the link.
    pub id: u32,
    /// Id of the program that it attaches; 0 for struct_ops.
    pub prog_id: u32,
    /// What the kind has of its own.
    pub details: LinkDetails,
}

/// What each kind of link has of its own. Fields that the kernel is too old for are 0 or empty.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkDetails {
    /// A tracepoint with its arguments as they are.
    RawTracepoint {
        /// Its name.
        name: String,
        /// The attach cookie. Linux 6.17.
        cookie: u64,
    },
    /// A function, tracepoint or LSM hook by BTF id.
    Tracing {
        /// How it is attached.
        attach_type: AttachType,
        /// Program or BTF object that has the target. Linux 5.13.
        target_obj_id: u32,
        /// The target in it. Linux 5.13.
        target_btf_id: TypeId,
        /// The attach cookie. Linux 6.17.
        cookie: u64,
    },
    /// A control group.
    Cgroup {
        /// Its id.
        cgroup_id: u64,
        /// How it is attached.
        attach_type: AttachType,
    },
    /// An iterator.
    Iter {
        /// What it walks, such as "task" or "bpf_map_elem".
        target: String,
        /// The map, 0 for other targets.
        map_id: u32,
        /// Cgroup iterators: id of the cgroup where it starts, and order of the walk; else 0. Linux 6.1.
        cgroup: (u64, u32),
        /// Task iterators: thread and process that it is restricted to, or 0. Linux 6.1.
        task: (u32, u32),
    },
    /// A network namespace.
    Netns {
        /// Its inode.
        inode: u32,
        /// How it is attached.
        attach_type: AttachType,
    },
    /// XDP on a network interface.
    Xdp {
        /// The interface, 0 if it is gone.
        ifindex: u32,
    },
    /// A registered struct_ops map.
    StructOps {
        /// The map.
        map_id: u32,
    },
    /// A netfilter hook.
    Netfilter {
        /// Protocol family.
        pf: u32,
        /// Hook, `NF_INET_*`.
        hooknum: u32,
        /// Place among the hook's users, lowest first.
        priority: i32,
        /// 1 if packets are reassembled first.
        flags: u32,
    },
    /// Many kernel functions.
    KprobeMulti {
        /// Their addresses, 0 where the kernel hides them. Linux 6.6.
        addrs: Vec<u64>,
        /// Their attach cookies. Linux 6.9.
        cookies: Vec<u64>,
        /// Whether it is at their returns.
        is_return: bool,
        /// Hits that the program was not run for. Linux 6.7.
        missed: u64,
    },
    /// Many places of a program or library. Linux 6.8.
    UprobeMulti {
        /// The file.
        path: String,
        /// Their offsets in it.
        offsets: Vec<u64>,
        /// Offsets of their counters.
        ref_ctr_offsets: Vec<u64>,
        /// Their attach cookies.
        cookies: Vec<u64>,
        /// Whether it is at functions' returns.
        is_return: bool,
        /// The process, 0 for all.
        pid: u32,
    },
    /// A kprobe on a perf event. Linux 6.6.
    Kprobe {
        /// Function, "" for a probe by address.
        function: String,
        /// Bytes behind its start.
        offset: u32,
        /// Its address, 0 if the kernel hides it.
        address: u64,
        /// Whether it is at the return.
        is_return: bool,
        /// Hits that the program was not run for. Linux 6.7.
        missed: u64,
        /// The attach cookie. Linux 6.9.
        cookie: u64,
    },
    /// A uprobe on a perf event. Linux 6.6.
    Uprobe {
        /// The file.
        file: String,
        /// Offset in it.
        offset: u32,
        /// Whether it is at a return.
        is_return: bool,
        /// The attach cookie. Linux 6.9.
        cookie: u64,
        /// Offset of its counter. Linux 6.16.
        ref_ctr_offset: u64,
    },
    /// A tracepoint on a perf event. Linux 6.6.
    Tracepoint {
        /// Its name.
        name: String,
        /// The attach cookie. Linux 6.9.
        cookie: u64,
    },
    /// Another perf event. Linux 6.6.
    PerfEvent {
        /// `perf_event_attr.type`.
        kind: u32,
        /// `perf_event_attr.config`.
        config: u64,
        /// The attach cookie. Linux 6.9.
        cookie: u64,
    },
    /// A list of TC programs of a network interface.
    Tcx {
        /// The interface, 0 if it is gone.
        ifindex: u32,
        /// Which list.
        attach_type: AttachType,
    },
    /// A netkit device.
    Netkit {
        /// The interface, 0 if it is gone.
        ifindex: u32,
        /// Which side.
        attach_type: AttachType,
    },
    /// A socket map.
    Sockmap {
        /// The map.
        map_id: u32,
        /// How it is attached.
        attach_type: AttachType,
    },
    /// Many functions by BTF id, of which the kernel tells no more. Linux 7.2.
    TracingMulti,
    /// A kind that the kernel tells nothing about, or that is newer than this library.
    Other,
}

/// Longest name that the kernel gives: a path.
const NAME_LEN: usize = 4096;
/// The most functions or places of a link that are asked for; the kernel allows as many.
const MAX_PLACES: u32 = 1 << 20;
const IS_RETURN: u32 = 1;
/// `BPF_PERF_EVENT_*` of uprobes, kprobes and tracepoints; the number before is the one at a function's return.
const UPROBE: [u32; 2] = [1, 2];
const KPROBE: [u32; 2] = [3, 4];
const TRACEPOINT: u32 = 5;
const EVENT: u32 = 6;

/// Asks the kernel about a link.
pub(super) fn read(kernel: &Kernel, link: &LinkFd) -> Result<LinkInfo> {
    let mut head = Raw::default();
    let ask = |info: &mut Raw, buffers: InfoBuffers<'_>| {
        kernel.get_info(GetInfo { object: link, info: info.as_mut_bytes(), buffers })
    };
    ask(&mut head, InfoBuffers::None).at(|| Frame::Command(Cmd::OBJ_GET_INFO_BY_FD))?;
    let count = match head.r#type {
        LinkType::KPROBE_MULTI => head.kind::<KprobeMultiLinkInfo>().count,
        LinkType::UPROBE_MULTI => head.kind::<UprobeMultiLinkInfo>().count,
        _ => 0,
    };
    let count = count.min(MAX_PLACES) as usize;
    let mut text = Text { name: vec![0; NAME_LEN], addrs: vec![0; count], ..Text::default() };
    (text.cookies, text.counters) = (vec![0; count], vec![0; count]);
    let mut info = Raw::default();
    let mut answer = ask(&mut info, text.buffers());
    if matches!(answer, Err(Errno::E2BIG | Errno::EINVAL)) && count > 0 {
        // Before Linux 6.9 there are no cookies of kprobes to ask for.
        (text.cookies, info) = (Vec::new(), Raw::default());
        answer = ask(&mut info, text.buffers());
    }
    if let Err(e) = answer {
        // What the first call told is true nevertheless.
        log::debug!("names and places of link {}: {e}", head.id);
        (info, text) = (head, Text::default());
    }
    let Raw { r#type: kind, id, prog_id, .. } = info;
    Ok(LinkInfo { kind, id, prog_id, details: details(&info, text) })
}

/// What info structs point at.
#[derive(Default)]
struct Text {
    name: Vec<u8>,
    addrs: Vec<u64>,
    cookies: Vec<u64>,
    counters: Vec<u64>,
}

impl Text {
    fn buffers(&mut self) -> InfoBuffers<'_> {
        InfoBuffers::Link {
            name: &mut self.name,
            addrs: &mut self.addrs,
            cookies: &mut self.cookies,
            ref_ctr_offsets: &mut self.counters,
        }
    }

    fn name(&self) -> String {
        let name = self.name.split(|b| *b == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }
}

fn details(info: &Raw, text: Text) -> LinkDetails {
    match info.r#type {
        LinkType::RAW_TRACEPOINT => LinkDetails::RawTracepoint {
            name: text.name(),
            cookie: info.kind::<RawTracepointLinkInfo>().cookie,
        },
        LinkType::TRACING => {
            let TracingLinkInfo { attach_type, target_obj_id, target_btf_id, cookie, .. } = info.kind();
            LinkDetails::Tracing { attach_type, target_obj_id, target_btf_id: TypeId(target_btf_id), cookie }
        }
        LinkType::CGROUP => {
            let CgroupLinkInfo { cgroup_id, attach_type, .. } = info.kind();
            LinkDetails::Cgroup { cgroup_id, attach_type }
        }
        LinkType::ITER => iter(info, &text),
        LinkType::NETNS => {
            let NetnsLinkInfo { netns_ino, attach_type } = info.kind();
            LinkDetails::Netns { inode: netns_ino, attach_type }
        }
        LinkType::XDP => LinkDetails::Xdp { ifindex: info.kind::<XdpLinkInfo>().ifindex },
        LinkType::STRUCT_OPS => LinkDetails::StructOps { map_id: info.kind::<StructOpsLinkInfo>().map_id },
        LinkType::NETFILTER => {
            let NetfilterLinkInfo { pf, hooknum, priority, flags } = info.kind();
            LinkDetails::Netfilter { pf, hooknum, priority, flags }
        }
        LinkType::KPROBE_MULTI => {
            let KprobeMultiLinkInfo { flags, missed, .. } = info.kind();
            let is_return = flags & IS_RETURN != 0;
            LinkDetails::KprobeMulti { addrs: text.addrs, cookies: text.cookies, is_return, missed }
        }
        LinkType::UPROBE_MULTI => {
            let UprobeMultiLinkInfo { flags, pid, .. } = info.kind();
            LinkDetails::UprobeMulti {
                path: text.name(),
                offsets: text.addrs,
                ref_ctr_offsets: text.counters,
                cookies: text.cookies,
                is_return: flags & IS_RETURN != 0,
                pid,
            }
        }
        LinkType::PERF_EVENT => perf_event(&info.kind(), &text),
        LinkType::TCX | LinkType::NETKIT => {
            let DeviceLinkInfo { ifindex, attach_type } = info.kind();
            match info.r#type {
                LinkType::TCX => LinkDetails::Tcx { ifindex, attach_type },
                _ => LinkDetails::Netkit { ifindex, attach_type },
            }
        }
        LinkType::SOCKMAP => {
            let SockmapLinkInfo { map_id, attach_type } = info.kind();
            LinkDetails::Sockmap { map_id, attach_type }
        }
        LinkType::TRACING_MULTI => LinkDetails::TracingMulti,
        _ => LinkDetails::Other,
    }
}

/// Cgroup and task iterators share a field, so the target tells which it is.
fn iter(info: &Raw, text: &Text) -> LinkDetails {
    let raw: IterLinkInfo = info.kind();
    let target = text.name();
    let word = raw.cgroup_cgroup_id;
    let [t0, t1, t2, t3, p0, p1, p2, p3] = word.to_ne_bytes();
    let thread_and_process = (u32::from_ne_bytes([t0, t1, t2, t3]), u32::from_ne_bytes([p0, p1, p2, p3]));
    let (cgroup, task) = match target.as_str() {
        "cgroup" => ((word, raw.cgroup_order), (0, 0)),
        name if name.starts_with("task") => ((0, 0), thread_and_process),
        _ => ((0, 0), (0, 0)),
    };
    LinkDetails::Iter { target, map_id: raw.map_map_id, cgroup, task }
}

fn perf_event(info: &PerfEventLinkInfo, text: &Text) -> LinkDetails {
    match info.r#type {
        kind if UPROBE.contains(&kind) => {
            let UprobeLinkInfo { offset, cookie, ref_ctr_offset, .. } = info.kind();
            let is_return = kind == UPROBE[1];
            LinkDetails::Uprobe { file: text.name(), offset, is_return, cookie, ref_ctr_offset }
        }
        kind if KPROBE.contains(&kind) => {
            let KprobeLinkInfo { offset, addr, missed, cookie, .. } = info.kind();
            let (function, is_return) = (text.name(), kind == KPROBE[1]);
            LinkDetails::Kprobe { function, offset, address: addr, is_return, missed, cookie }
        }
        TRACEPOINT => {
            LinkDetails::Tracepoint { name: text.name(), cookie: info.kind::<TracepointLinkInfo>().cookie }
        }
        EVENT => {
            let EventLinkInfo { config, r#type, cookie, .. } = info.kind();
            LinkDetails::PerfEvent { kind: r#type, config, cookie }
        }
        _ => LinkDetails::Other,
    }
}

impl Link {
    /// Opens a link by its id: another reference, which keeps the attachment in place while it lives.
    ///
    /// # Errors
    /// [`NotFound`](crate::ErrorKind::NotFound) if there is none, or no longer. Linux 5.8.
    #[doc(alias = "bpf_link_get_fd_by_id")]
    pub fn from_id(kernel: &Kernel, id: u32) -> Result<Self> {
        Self::open_id_with(kernel, id, OpenId::default())
    }

    /// As [`from_id`](Self::from_id), with the rights of a token.
    ///
    /// # Errors
    /// As there.
    #[doc(alias = "bpf_link_get_fd_by_id_opts")]
    pub fn open_id_with(kernel: &Kernel, id: u32, how: OpenId<'_>) -> Result<Self> {
        Ok(Self::bpf(kernel, LinkFd(ids::open(kernel, ObjectKind::Link, id, how)?)))
    }

    /// The ids of all links of the kernel, ascending. One may be gone when it is opened. Linux 5.8.
    #[doc(alias = "bpf_link_get_next_id")]
    pub fn ids(kernel: &Kernel) -> impl Iterator<Item = Result<u32>> + use<> {
        ids::all(kernel, ObjectKind::Link)
    }
}
