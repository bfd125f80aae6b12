//! Requests about links.

use zerocopy::{FromBytes, FromZeros, Immutable, IntoBytes, KnownLayout};

use crate::AttachType;
use crate::abi::{Abi, abi};

abi! {
    /// Request of `BPF_LINK_CREATE`. Linux 5.7.
    ///
    /// The part that depends on the kind of link is [`data`](Self::data), written with [`set`](Self::set) from one of
    /// the structs that implement [`LinkKind`].
    pub struct LinkCreateAttr in "bpf_attr" at "link_create." {
        /// The program, or the struct_ops map.
        pub prog_fd | map_fd: u32,
        /// What is attached to: cgroup, map or namespace; the interface's number for XDP, tcx and netkit.
        pub target_fd | target_ifindex: u32,
        /// Where at the target.
        pub attach_type: AttachType,
        /// Flags whose meaning depends on the kind, see [`LinkCreateFlags`](crate::flags::LinkCreateFlags).
        pub flags: u32,
        /// The union that follows: its first bytes are a [`LinkKind`], the rest is zero.
        pub data: [u64; 6],
    }

    /// Tracing programs: which kernel function, by BTF.
    pub struct TracingLink in "bpf_attr" at "link_create.tracing."; base 16 {
        /// BTF id of the target, 0 to use what the program named at load.
        pub target_btf_id: u32,
        /// Padding.
        pub _pad: u32,
        /// Value that the program reads with `bpf_get_attach_cookie`. Linux 5.19.
        pub cookie: u64,
    }

    /// Iterators: what to walk.
    pub struct IterLink in "bpf_attr" at "link_create."; base 16 {
        /// Address of a [`MapIter`](super::MapIter), [`CgroupIter`](super::CgroupIter) or
        /// [`TaskIter`](super::TaskIter).
        pub iter_info: u64,
        /// Bytes at `iter_info`.
        pub iter_info_len: u32,
        /// Padding.
        pub _pad: u32,
    }

    /// Perf events: kprobe, uprobe, tracepoint, sampling. Linux 5.15.
    pub struct PerfEventLink in "bpf_attr" at "link_create.perf_event."; base 16 {
        /// Value that the program reads with `bpf_get_attach_cookie`.
        pub bpf_cookie: u64,
    }

    /// Many kernel functions at once. Linux 5.18.
    pub struct KprobeMultiLink in "bpf_attr" at "link_create.kprobe_multi."; base 16 {
        /// See [`KprobeMultiFlags`](crate::flags::KprobeMultiFlags).
        pub flags: u32,
        /// Functions.
        pub cnt: u32,
        /// Address of an array of addresses of names, or 0.
        pub syms: u64,
        /// Address of an array of kernel addresses, or 0.
        pub addrs: u64,
        /// Address of an array of cookies, or 0.
        pub cookies: u64,
    }

    /// Many places of one user binary at once. Linux 6.6.
    pub struct UprobeMultiLink in "bpf_attr" at "link_create.uprobe_multi."; base 16 {
        /// Address of the binary's path, zero-terminated.
        pub path: u64,
        /// Address of an array of file offsets.
        pub offsets: u64,
        /// Address of an array of file offsets of semaphores, or 0.
        pub ref_ctr_offsets: u64,
        /// Address of an array of cookies, or 0.
        pub cookies: u64,
        /// Places.
        pub cnt: u32,
        /// See [`UprobeMultiFlags`](crate::flags::UprobeMultiFlags).
        pub flags: u32,
        /// Process to watch, 0 for all.
        pub pid: u32,
        /// Directory that `path` starts at, with `BPF_F_UPROBE_MULTI_PATH_FD`.
        pub path_fd: u32,
    }

    /// Netfilter hooks. Linux 6.4.
    pub struct NetfilterLink in "bpf_attr" at "link_create.netfilter."; base 16 {
        /// Protocol family, `NFPROTO_*`.
        pub pf: u32,
        /// Hook, `NF_INET_*`.
        pub hooknum: u32,
        /// Order among the hook's users, low first.
        pub priority: i32,
        /// See [`NetfilterFlags`](crate::flags::NetfilterFlags).
        pub flags: u32,
    }

    /// tcx (Linux 6.6), netkit (6.7) and cgroup (6.17): place in a list of programs.
    pub struct RelativeLink in "bpf_attr" at "link_create.tcx.", "link_create.netkit.", "link_create.cgroup."; base 16 {
        /// Neighbour that `BPF_F_BEFORE` or `BPF_F_AFTER` means; an id with `BPF_F_ID`.
        pub relative_fd | relative_id: u32,
        /// Padding.
        pub _pad: u32,
        /// Revision that the list must still have; 0 for any.
        pub expected_revision: u64,
    }

    /// Many kernel functions at once for tracing programs, by BTF. Linux 7.2.
    pub struct TracingMultiLink in "bpf_attr" at "link_create.tracing_multi."; base 16 {
        /// Address of an array of BTF ids, `u32` each.
        pub ids: u64,
        /// Address of an array of cookies, or 0.
        pub cookies: u64,
        /// Functions.
        pub cnt: u32,
        /// Padding.
        pub _pad: u32,
    }

    /// Request of `BPF_LINK_UPDATE`. Linux 5.7.
    pub struct LinkUpdateAttr in "bpf_attr" at "link_update." {
        /// The link.
        pub link_fd: u32,
        /// The new program, or the new struct_ops map.
        pub new_prog_fd | new_map_fd: u32,
        /// `BPF_F_REPLACE` or nothing.
        pub flags: u32,
        /// What the link must hold now, with `BPF_F_REPLACE`.
        pub old_prog_fd | old_map_fd: u32,
    }

    /// Request of `BPF_LINK_DETACH`. Linux 5.9.
    pub struct LinkDetachAttr in "bpf_attr" at "link_detach." {
        /// The link.
        pub link_fd: u32,
    }
}

/// A struct that fills the union of [`LinkCreateAttr`].
pub trait LinkKind: Abi + FromBytes + IntoBytes + Immutable + KnownLayout {}

impl LinkKind for TracingLink {}
impl LinkKind for IterLink {}
impl LinkKind for PerfEventLink {}
impl LinkKind for KprobeMultiLink {}
impl LinkKind for UprobeMultiLink {}
impl LinkKind for NetfilterLink {}
impl LinkKind for RelativeLink {}
impl LinkKind for TracingMultiLink {}

impl LinkCreateAttr {
    /// Writes the part that depends on the kind of link; the rest of the union becomes zero.
    pub fn set<T: LinkKind>(&mut self, kind: &T) {
        const { assert!(size_of::<T>() <= size_of::<[u64; 6]>()) };
        self.data.zero();
        // Cannot fail: the size is checked above.
        let _ = kind.write_to_prefix(self.data.as_mut_bytes());
    }

    /// Reads the union as the link kind that the caller expects.
    pub fn kind<T: LinkKind>(&self) -> T {
        const { assert!(size_of::<T>() <= size_of::<[u64; 6]>()) };
        T::read_from_prefix(self.data.as_bytes()).map_or_else(|_| T::new_zeroed(), |(kind, _)| kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_a_link_kind_clears_what_was_there() {
        let mut attr = LinkCreateAttr::default();
        attr.set(&UprobeMultiLink {
            path: 1,
            offsets: 2,
            ref_ctr_offsets: 3,
            path_fd: 9,
            ..Default::default()
        });
        assert_eq!(attr.kind::<UprobeMultiLink>().path_fd, 9);
        attr.set(&PerfEventLink { bpf_cookie: 7 });
        assert_eq!(attr.data, [7, 0, 0, 0, 0, 0]);
    }
}
