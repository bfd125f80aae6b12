//! What the kernel says about a link.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::abi::{Abi, abi};
use crate::{AttachType, LinkType};

abi! {
    /// `struct bpf_link_info`. Linux 5.8.
    ///
    /// What follows the head depends on [`type`](Self::type) and is read with [`kind`](Self::kind).
    #[doc(alias = "bpf_link_info")]
    pub struct LinkInfo in "bpf_link_info" {
        /// What kind of link.
        pub r#type: LinkType,
        /// Id, unique while the link lives.
        pub id: u32,
        /// The program.
        pub prog_id: u32,
        /// Padding.
        pub _pad: u32,
        /// The union that follows: its first bytes are a [`LinkInfoKind`].
        pub data: [u64; 6],
    }

    /// A raw tracepoint.
    pub struct RawTracepointLinkInfo in "bpf_link_info" at "raw_tracepoint."; base 16 {
        /// Address of the buffer for the name.
        pub tp_name: u64,
        /// Bytes of that buffer; after the call, bytes of the name.
        pub tp_name_len: u32,
        /// Padding.
        pub _pad: u32,
        /// The cookie. Linux 6.17.
        pub cookie: u64,
    }

    /// A kernel function or BTF tracepoint.
    pub struct TracingLinkInfo in "bpf_link_info" at "tracing."; base 16 {
        /// How it is attached.
        pub attach_type: AttachType,
        /// Program or BTF object of the target. Linux 5.13.
        pub target_obj_id: u32,
        /// The target in that object.
        pub target_btf_id: u32,
        /// Padding.
        pub _pad: u32,
        /// The cookie. Linux 6.17.
        pub cookie: u64,
    }

    /// A cgroup.
    pub struct CgroupLinkInfo in "bpf_link_info" at "cgroup."; base 16 {
        /// Id of the cgroup.
        pub cgroup_id: u64,
        /// How it is attached.
        pub attach_type: AttachType,
        /// Padding.
        pub _pad: u32,
    }

    /// An iterator.
    pub struct IterLinkInfo in "bpf_link_info" at "iter."; base 16 {
        /// Address of the buffer for the target's name.
        pub target_name: u64,
        /// Bytes of that buffer; after the call, bytes of the name.
        pub target_name_len: u32,
        /// The map of a map iterator.
        pub map_map_id: u32,
        /// Cgroup iterators: id of the cgroup. Task iterators: thread in the low half, process in the high half
        /// (little endian).
        pub cgroup_cgroup_id | task: u64,
        /// Cgroup iterators: order of the walk.
        pub cgroup_order: u32,
        /// Padding.
        pub _pad: u32,
    }

    /// A network namespace.
    pub struct NetnsLinkInfo in "bpf_link_info" at "netns."; base 16 {
        /// Inode of the namespace.
        pub netns_ino: u32,
        /// How it is attached.
        pub attach_type: AttachType,
    }

    /// XDP on a device.
    pub struct XdpLinkInfo in "bpf_link_info" at "xdp."; base 16 {
        /// The device.
        pub ifindex: u32,
    }

    /// A registered struct_ops map.
    pub struct StructOpsLinkInfo in "bpf_link_info" at "struct_ops."; base 16 {
        /// The map.
        pub map_id: u32,
    }

    /// A netfilter hook.
    pub struct NetfilterLinkInfo in "bpf_link_info" at "netfilter."; base 16 {
        /// Protocol family, `NFPROTO_*`.
        pub pf: u32,
        /// Hook, `NF_INET_*`.
        pub hooknum: u32,
        /// Order among the hook's users, low first.
        pub priority: i32,
        /// See [`NetfilterFlags`](crate::flags::NetfilterFlags).
        pub flags: u32,
    }

    /// Many kernel functions. Linux 6.6.
    pub struct KprobeMultiLinkInfo in "bpf_link_info" at "kprobe_multi."; base 16 {
        /// Address of the buffer for kernel addresses, `u64` each.
        pub addrs: u64,
        /// Room there; after the call, functions.
        pub count: u32,
        /// See [`KprobeMultiFlags`](crate::flags::KprobeMultiFlags).
        pub flags: u32,
        /// Hits that were skipped.
        pub missed: u64,
        /// Address of the buffer for cookies, `u64` each. Linux 6.9.
        pub cookies: u64,
    }

    /// Many places of a user binary. Linux 6.8.
    pub struct UprobeMultiLinkInfo in "bpf_link_info" at "uprobe_multi."; base 16 {
        /// Address of the buffer for the path.
        pub path: u64,
        /// Address of the buffer for file offsets, `u64` each.
        pub offsets: u64,
        /// Address of the buffer for offsets of semaphores, `u64` each.
        pub ref_ctr_offsets: u64,
        /// Address of the buffer for cookies, `u64` each.
        pub cookies: u64,
        /// Bytes of the path buffer; after the call, bytes of the path.
        pub path_size: u32,
        /// Room for offsets; after the call, places.
        pub count: u32,
        /// See [`UprobeMultiFlags`](crate::flags::UprobeMultiFlags).
        pub flags: u32,
        /// Process that is watched, 0 for all.
        pub pid: u32,
    }

    /// A perf event; what follows depends on [`type`](Self::type) and is read with [`kind`](Self::kind). Linux 6.6.
    pub struct PerfEventLinkInfo in "bpf_link_info" at "perf_event."; base 16 {
        /// `BPF_PERF_EVENT_*`: 1 uprobe, 2 uretprobe, 3 kprobe, 4 kretprobe, 5 tracepoint, 6 other event.
        pub r#type: u32,
        /// Padding.
        pub _pad: u32,
        /// The union that follows: its first bytes are a [`PerfLinkKind`].
        pub data: [u64; 5],
    }

    /// A perf event that is a uprobe.
    pub struct UprobeLinkInfo in "bpf_link_info" at "perf_event.uprobe."; base 24 {
        /// Address of the buffer for the file's name.
        pub file_name: u64,
        /// Bytes of that buffer; after the call, bytes of the name.
        pub name_len: u32,
        /// Offset in the file.
        pub offset: u32,
        /// The cookie. Linux 6.9.
        pub cookie: u64,
        /// Offset of the semaphore in the file. Linux 6.16.
        pub ref_ctr_offset: u64,
    }

    /// A perf event that is a kprobe.
    pub struct KprobeLinkInfo in "bpf_link_info" at "perf_event.kprobe."; base 24 {
        /// Address of the buffer for the function's name.
        pub func_name: u64,
        /// Bytes of that buffer; after the call, bytes of the name.
        pub name_len: u32,
        /// Offset in the function.
        pub offset: u32,
        /// Kernel address.
        pub addr: u64,
        /// Hits that were skipped. Linux 6.7.
        pub missed: u64,
        /// The cookie. Linux 6.9.
        pub cookie: u64,
    }

    /// A perf event that is a tracepoint.
    pub struct TracepointLinkInfo in "bpf_link_info" at "perf_event.tracepoint."; base 24 {
        /// Address of the buffer for the name.
        pub tp_name: u64,
        /// Bytes of that buffer; after the call, bytes of the name.
        pub name_len: u32,
        /// Padding.
        pub _pad: u32,
        /// The cookie. Linux 6.9.
        pub cookie: u64,
    }

    /// Any other perf event.
    pub struct EventLinkInfo in "bpf_link_info" at "perf_event.event."; base 24 {
        /// `config` of the event.
        pub config: u64,
        /// `type` of the event.
        pub r#type: u32,
        /// Padding.
        pub _pad: u32,
        /// The cookie. Linux 6.9.
        pub cookie: u64,
    }

    /// tcx or netkit on a device.
    pub struct DeviceLinkInfo in "bpf_link_info" at "tcx.", "netkit."; base 16 {
        /// The device.
        pub ifindex: u32,
        /// How it is attached.
        pub attach_type: AttachType,
    }

    /// A socket map.
    pub struct SockmapLinkInfo in "bpf_link_info" at "sockmap."; base 16 {
        /// The map.
        pub map_id: u32,
        /// How it is attached.
        pub attach_type: AttachType,
    }
}

/// A struct that the union of [`LinkInfo`] may hold.
pub trait LinkInfoKind: Abi + FromBytes + IntoBytes + Immutable + KnownLayout {}

/// A struct that the union of [`PerfEventLinkInfo`] may hold.
pub trait PerfLinkKind: Abi + FromBytes + IntoBytes + Immutable + KnownLayout {}

macro_rules! kinds {
    ($kind:ident for $holder:ident [$len:literal]: $($ty:ident),*) => {
        $(impl $kind for $ty {})*

        impl $holder {
            /// Reads the union as the kind that the type says.
            pub fn kind<T: $kind>(&self) -> T {
                const { assert!(size_of::<T>() <= size_of::<[u64; $len]>()) };
                T::read_from_prefix(self.data.as_bytes()).map_or_else(|_| T::new_zeroed(), |(kind, _)| kind)
            }

            /// Writes the union, to give the kernel room for names and arrays; the rest becomes zero.
            pub fn set<T: $kind>(&mut self, kind: &T) {
                const { assert!(size_of::<T>() <= size_of::<[u64; $len]>()) };
                self.data.zero();
                // Cannot fail: the size is checked above.
                let _ = kind.write_to_prefix(self.data.as_mut_bytes());
            }
        }
    };
}

kinds! {
    LinkInfoKind for LinkInfo [6]:
    RawTracepointLinkInfo, TracingLinkInfo, CgroupLinkInfo, IterLinkInfo, NetnsLinkInfo, XdpLinkInfo, StructOpsLinkInfo,
    NetfilterLinkInfo, KprobeMultiLinkInfo, UprobeMultiLinkInfo, PerfEventLinkInfo, DeviceLinkInfo, SockmapLinkInfo
}

kinds! {
    PerfLinkKind for PerfEventLinkInfo [5]: UprobeLinkInfo, KprobeLinkInfo, TracepointLinkInfo, EventLinkInfo
}
