//! `enum bpf_link_type`: what a link ties a program to.

use crate::table::table;

table! {
    /// `enum bpf_link_type`: what a link ties a program to.
    pub struct LinkType(u32), prefix "BPF_LINK_TYPE_";
    UNSPEC = 0, "unspec", "3.18";
    RAW_TRACEPOINT = 1, "raw_tracepoint", "5.8";
    TRACING = 2, "tracing", "5.8";
    CGROUP = 3, "cgroup", "5.8";
    ITER = 4, "iter", "5.8";
    NETNS = 5, "netns", "5.8";
    XDP = 6, "xdp", "5.9";
    PERF_EVENT = 7, "perf_event", "5.15";
    KPROBE_MULTI = 8, "kprobe_multi", "5.18";
    STRUCT_OPS = 9, "struct_ops", "6.4";
    NETFILTER = 10, "netfilter", "6.4";
    TCX = 11, "tcx", "6.6";
    UPROBE_MULTI = 12, "uprobe_multi", "6.6";
    NETKIT = 13, "netkit", "6.7";
    SOCKMAP = 14, "sockmap", "6.10";
    TRACING_MULTI = 15, "tracing_multi", "7.2";
}
