//! The helper functions that programs call by number.
//!
//! Where the columns come from, all facts of Linux 7.2 unless said otherwise:
//! * number and name: `include/uapi/linux/bpf.h`;
//! * first kernel: the list of helpers in bcc's `docs/kernel-versions.md`;
//! * C prototype (types without parameter names): the reference text in `include/uapi/linux/bpf.h`;
//! * classes of arguments and result, GPL-only, may sleep, packet access: the `bpf_func_proto` definitions in
//!   `kernel/bpf`, `kernel/trace/bpf_trace.c` and `net/core/filter.c`;
//! * program types: measured, by loading a call of each helper as each program type and attach type with all
//!   privileges (a helper counts for a type if any attach type may call it); those of `lirc_mode2` and
//!   `bpf_override_return`, which the measured kernel was built without, from the source. GPL-only was measured too.
//!
//! Extension programs (`EXT`) are not in the sets: they may call what the program may that they replace a part of.

mod proto;

pub use proto::{Arg, ArgClass, HelperInfo, Ret, RetClass, Variant};

use crate::prog_type::sets::*;
use crate::table::table;
use proto::rows::*;

table! {
    /// The number in a helper call instruction.
    ///
    /// The short name is the C name without `bpf_`.
    pub struct HelperId(u32): HelperInfo;
    UNSPEC = 0, "bpf_unspec", "unspec", "3.18" => { proto: "void(void)", ..NONE };
    MAP_LOOKUP_ELEM = 1, "bpf_map_lookup_elem", "map_lookup_elem", "3.19" => {
        proto: "void *(struct bpf_map *, const void *)",
        ret: TO_MAP_VALUE.or_null(),
        args: &[CONST_MAP_PTR, MAP_KEY],
        pkt_access: true,
        progs: EVERY,
        ..NONE
    };
    MAP_UPDATE_ELEM = 2, "bpf_map_update_elem", "map_update_elem", "3.19" => {
        proto: "long(struct bpf_map *, const void *, const void *, u64)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, MAP_KEY, MAP_VALUE, ANYTHING],
        pkt_access: true,
        progs: EVERY,
        ..NONE
    };
    MAP_DELETE_ELEM = 3, "bpf_map_delete_elem", "map_delete_elem", "3.19" => {
        proto: "long(struct bpf_map *, const void *)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, MAP_KEY],
        pkt_access: true,
        progs: EVERY,
        ..NONE
    };
    PROBE_READ = 4, "bpf_probe_read", "probe_read", "4.1" => {
        proto: "long(void *, u32, const void *)",
        ret: INTEGER,
        args: &[MEM.uninit().write(), CONST_SIZE_OR_ZERO, ANYTHING],
        gpl_only: true,
        progs: any(&[PROBES, TRACING, LSM, SYSCALL]),
        ..NONE
    };
    KTIME_GET_NS = 5, "bpf_ktime_get_ns", "ktime_get_ns", "4.1" => {
        proto: "u64(void)",
        ret: INTEGER,
        args: &[],
        progs: EVERY,
        ..NONE
    };
    TRACE_PRINTK = 6, "bpf_trace_printk", "trace_printk", "4.1" => {
        proto: "long(const char *, u32, ...)",
        ret: INTEGER,
        args: &[MEM.rdonly(), CONST_SIZE],
        gpl_only: true,
        progs: EVERY,
        ..NONE
    };
    GET_PRANDOM_U32 = 7, "bpf_get_prandom_u32", "get_prandom_u32", "4.1" => {
        proto: "u32(void)",
        ret: INTEGER,
        args: &[],
        progs: EVERY,
        ..NONE
    };
    GET_SMP_PROCESSOR_ID = 8, "bpf_get_smp_processor_id", "get_smp_processor_id", "4.1" => {
        proto: "u32(void)",
        ret: INTEGER,
        args: &[],
        progs: BASE,
        ..NONE
    };
    SKB_STORE_BYTES = 9, "bpf_skb_store_bytes", "skb_store_bytes", "4.1" => {
        proto: "long(struct sk_buff *, u32, const void *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, MEM.rdonly(), CONST_SIZE, ANYTHING],
        progs: any(&[TC, LWT_XMIT, SK_SKB]),
        ..NONE
    };
    L3_CSUM_REPLACE = 10, "bpf_l3_csum_replace", "l3_csum_replace", "4.1" => {
        proto: "long(struct sk_buff *, u32, u64, u64, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING, ANYTHING, ANYTHING],
        progs: any(&[TC, LWT_XMIT]),
        ..NONE
    };
    L4_CSUM_REPLACE = 11, "bpf_l4_csum_replace", "l4_csum_replace", "4.1" => {
        proto: "long(struct sk_buff *, u32, u64, u64, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING, ANYTHING, ANYTHING],
        progs: any(&[TC, LWT_XMIT]),
        ..NONE
    };
    TAIL_CALL = 12, "bpf_tail_call", "tail_call", "4.2" => {
        proto: "long(void *, struct bpf_map *, u32)",
        ret: VOID,
        args: &[CTX, CONST_MAP_PTR, ANYTHING],
        progs: EVERY,
        ..NONE
    };
    CLONE_REDIRECT = 13, "bpf_clone_redirect", "clone_redirect", "4.2" => {
        proto: "long(struct sk_buff *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING],
        progs: any(&[TC, LWT_XMIT]),
        ..NONE
    };
    GET_CURRENT_PID_TGID = 14, "bpf_get_current_pid_tgid", "get_current_pid_tgid", "4.2" => {
        proto: "u64(void)",
        ret: INTEGER,
        args: &[],
        progs: BASE,
        ..NONE
    };
    GET_CURRENT_UID_GID = 15, "bpf_get_current_uid_gid", "get_current_uid_gid", "4.2" => {
        proto: "u64(void)",
        ret: INTEGER,
        args: &[],
        progs: BASE,
        ..NONE
    };
    GET_CURRENT_COMM = 16, "bpf_get_current_comm", "get_current_comm", "4.2" => {
        proto: "long(void *, u32)",
        ret: INTEGER,
        args: &[MEM.uninit().write(), CONST_SIZE],
        progs: BASE,
        ..NONE
    };
    GET_CGROUP_CLASSID = 17, "bpf_get_cgroup_classid", "get_cgroup_classid", "4.3" => {
        proto: "u32(struct sk_buff *)",
        ret: INTEGER,
        args: &[CTX],
        progs: BASE,
        variants: &[
            Variant {
                progs: any(&[
                    PROBES, CGROUP, SOCKET_FILTER, XDP, SOCK_OPS, SK_SKB, SK_MSG, SK_REUSEPORT, FLOW_DISSECTOR,
                    TRACING, STRUCT_OPS, LSM, SK_LOOKUP, SYSCALL, NETFILTER,
                ]),
                args: &[],
            },
        ],
        ..NONE
    };
    SKB_VLAN_PUSH = 18, "bpf_skb_vlan_push", "skb_vlan_push", "4.3" => {
        proto: "long(struct sk_buff *, __be16, u16)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING],
        progs: TC,
        ..NONE
    };
    SKB_VLAN_POP = 19, "bpf_skb_vlan_pop", "skb_vlan_pop", "4.3" => {
        proto: "long(struct sk_buff *)",
        ret: INTEGER,
        args: &[CTX],
        progs: TC,
        ..NONE
    };
    SKB_GET_TUNNEL_KEY = 20, "bpf_skb_get_tunnel_key", "skb_get_tunnel_key", "4.3" => {
        proto: "long(struct sk_buff *, struct bpf_tunnel_key *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, MEM.uninit().write(), CONST_SIZE, ANYTHING],
        progs: any(&[TC, LWT_XMIT]),
        ..NONE
    };
    SKB_SET_TUNNEL_KEY = 21, "bpf_skb_set_tunnel_key", "skb_set_tunnel_key", "4.3" => {
        proto: "long(struct sk_buff *, struct bpf_tunnel_key *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, MEM.rdonly(), CONST_SIZE, ANYTHING],
        progs: any(&[TC, LWT_XMIT]),
        ..NONE
    };
    PERF_EVENT_READ = 22, "bpf_perf_event_read", "perf_event_read", "4.3" => {
        proto: "u64(struct bpf_map *, u64)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, ANYTHING],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    REDIRECT = 23, "bpf_redirect", "redirect", "4.4" => {
        proto: "long(u32, u64)",
        ret: INTEGER,
        args: &[ANYTHING, ANYTHING],
        progs: any(&[TC, XDP, LWT_XMIT]),
        ..NONE
    };
    GET_ROUTE_REALM = 24, "bpf_get_route_realm", "get_route_realm", "4.4" => {
        proto: "u32(struct sk_buff *)",
        ret: INTEGER,
        args: &[CTX],
        progs: any(&[TC, LWT]),
        ..NONE
    };
    PERF_EVENT_OUTPUT = 25, "bpf_perf_event_output", "perf_event_output", "4.4" => {
        proto: "long(void *, struct bpf_map *, u64, void *, u64)",
        ret: INTEGER,
        args: &[CTX, CONST_MAP_PTR, ANYTHING, MEM.rdonly(), CONST_SIZE_OR_ZERO],
        gpl_only: true,
        progs: any(&[
            PROBES, TC, LWT, CGROUP, SOCKET_FILTER, XDP, SOCK_OPS, SK_SKB, SK_MSG, TRACING, LSM, SK_LOOKUP, SYSCALL,
        ]),
        ..NONE
    };
    SKB_LOAD_BYTES = 26, "bpf_skb_load_bytes", "skb_load_bytes", "4.5" => {
        proto: "long(const void *, u32, void *, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, MEM.uninit().write(), CONST_SIZE],
        progs: any(&[TC, LWT, SOCKET_FILTER, CGROUP_SKB, SK_SKB, SK_REUSEPORT, FLOW_DISSECTOR]),
        ..NONE
    };
    GET_STACKID = 27, "bpf_get_stackid", "get_stackid", "4.6" => {
        proto: "long(void *, struct bpf_map *, u64)",
        ret: INTEGER,
        args: &[CTX, CONST_MAP_PTR, ANYTHING],
        gpl_only: true,
        progs: any(&[PROBES, TRACING, LSM, SYSCALL]),
        ..NONE
    };
    CSUM_DIFF = 28, "bpf_csum_diff", "csum_diff", "4.6" => {
        proto: "s64(__be32 *, u32, __be32 *, u32, __wsum)",
        ret: INTEGER,
        args: &[MEM.or_null().rdonly(), CONST_SIZE_OR_ZERO, MEM.or_null().rdonly(), CONST_SIZE_OR_ZERO, ANYTHING],
        pkt_access: true,
        progs: any(&[TC, LWT, XDP]),
        ..NONE
    };
    SKB_GET_TUNNEL_OPT = 29, "bpf_skb_get_tunnel_opt", "skb_get_tunnel_opt", "4.6" => {
        proto: "long(struct sk_buff *, void *, u32)",
        ret: INTEGER,
        args: &[CTX, MEM.uninit().write(), CONST_SIZE],
        progs: any(&[TC, LWT_XMIT]),
        ..NONE
    };
    SKB_SET_TUNNEL_OPT = 30, "bpf_skb_set_tunnel_opt", "skb_set_tunnel_opt", "4.6" => {
        proto: "long(struct sk_buff *, void *, u32)",
        ret: INTEGER,
        args: &[CTX, MEM.rdonly(), CONST_SIZE],
        progs: any(&[TC, LWT_XMIT]),
        ..NONE
    };
    SKB_CHANGE_PROTO = 31, "bpf_skb_change_proto", "skb_change_proto", "4.8" => {
        proto: "long(struct sk_buff *, __be16, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING],
        progs: TC,
        ..NONE
    };
    SKB_CHANGE_TYPE = 32, "bpf_skb_change_type", "skb_change_type", "4.8" => {
        proto: "long(struct sk_buff *, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        progs: TC,
        ..NONE
    };
    SKB_UNDER_CGROUP = 33, "bpf_skb_under_cgroup", "skb_under_cgroup", "4.8" => {
        proto: "long(struct sk_buff *, struct bpf_map *, u32)",
        ret: INTEGER,
        args: &[CTX, CONST_MAP_PTR, ANYTHING],
        progs: any(&[TC, LWT]),
        ..NONE
    };
    GET_HASH_RECALC = 34, "bpf_get_hash_recalc", "get_hash_recalc", "4.8" => {
        proto: "u32(struct sk_buff *)",
        ret: INTEGER,
        args: &[CTX],
        progs: any(&[TC, LWT]),
        ..NONE
    };
    GET_CURRENT_TASK = 35, "bpf_get_current_task", "get_current_task", "4.8" => {
        proto: "u64(void)",
        ret: INTEGER,
        args: &[],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    PROBE_WRITE_USER = 36, "bpf_probe_write_user", "probe_write_user", "4.8" => {
        proto: "long(void *, const void *, u32)",
        ret: INTEGER,
        args: &[ANYTHING, MEM.rdonly(), CONST_SIZE],
        gpl_only: true,
        progs: any(&[PROBES, TRACING, LSM, SYSCALL]),
        ..NONE
    };
    CURRENT_TASK_UNDER_CGROUP = 37, "bpf_current_task_under_cgroup", "current_task_under_cgroup", "4.9" => {
        proto: "long(struct bpf_map *, u32)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, ANYTHING],
        progs: BASE,
        ..NONE
    };
    SKB_CHANGE_TAIL = 38, "bpf_skb_change_tail", "skb_change_tail", "4.9" => {
        proto: "long(struct sk_buff *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING],
        progs: any(&[TC, LWT_XMIT, SK_SKB]),
        ..NONE
    };
    SKB_PULL_DATA = 39, "bpf_skb_pull_data", "skb_pull_data", "4.9" => {
        proto: "long(struct sk_buff *, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        progs: any(&[TC, LWT_IN, LWT_OUT, LWT_XMIT, SK_SKB]),
        ..NONE
    };
    CSUM_UPDATE = 40, "bpf_csum_update", "csum_update", "4.9" => {
        proto: "s64(struct sk_buff *, __wsum)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        progs: any(&[TC, LWT_XMIT]),
        ..NONE
    };
    SET_HASH_INVALID = 41, "bpf_set_hash_invalid", "set_hash_invalid", "4.9" => {
        proto: "void(struct sk_buff *)",
        ret: INTEGER,
        args: &[CTX],
        progs: any(&[TC, LWT_XMIT]),
        ..NONE
    };
    GET_NUMA_NODE_ID = 42, "bpf_get_numa_node_id", "get_numa_node_id", "4.10" => {
        proto: "long(void)",
        ret: INTEGER,
        args: &[],
        progs: BASE,
        ..NONE
    };
    SKB_CHANGE_HEAD = 43, "bpf_skb_change_head", "skb_change_head", "4.10" => {
        proto: "long(struct sk_buff *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING],
        progs: any(&[TC, LWT_XMIT, SK_SKB]),
        ..NONE
    };
    XDP_ADJUST_HEAD = 44, "bpf_xdp_adjust_head", "xdp_adjust_head", "4.10" => {
        proto: "long(struct xdp_buff *, int)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        progs: XDP,
        ..NONE
    };
    PROBE_READ_STR = 45, "bpf_probe_read_str", "probe_read_str", "4.11" => {
        proto: "long(void *, u32, const void *)",
        ret: INTEGER,
        args: &[MEM.uninit().write(), CONST_SIZE_OR_ZERO, ANYTHING],
        gpl_only: true,
        progs: any(&[PROBES, TRACING, LSM, SYSCALL]),
        ..NONE
    };
    GET_SOCKET_COOKIE = 46, "bpf_get_socket_cookie", "get_socket_cookie", "4.12" => {
        proto: "u64(struct sock *)",
        ret: INTEGER,
        args: &[CTX],
        progs: any(&[
            TC, SOCKET_FILTER, CGROUP_SKB, CGROUP_SOCK, SOCK_OPS, SK_SKB, CGROUP_SOCK_ADDR, SK_REUSEPORT, TRACING,
            LSM, SYSCALL,
        ]),
        variants: &[Variant { progs: any(&[SK_REUSEPORT, TRACING, LSM, SYSCALL]), args: &[BTF_SOCK.or_null()] }],
        ..NONE
    };
    GET_SOCKET_UID = 47, "bpf_get_socket_uid", "get_socket_uid", "4.12" => {
        proto: "u32(struct sk_buff *)",
        ret: INTEGER,
        args: &[CTX],
        progs: any(&[TC, SOCKET_FILTER, CGROUP_SKB, SK_SKB]),
        ..NONE
    };
    SET_HASH = 48, "bpf_set_hash", "set_hash", "4.13" => {
        proto: "long(struct sk_buff *, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        progs: TC,
        ..NONE
    };
    SETSOCKOPT = 49, "bpf_setsockopt", "setsockopt", "4.13" => {
        proto: "long(void *, int, int, void *, int)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING, MEM.rdonly(), CONST_SIZE],
        progs: any(&[CGROUP_SOCK, SOCK_OPS, CGROUP_SOCK_ADDR, CGROUP_SOCKOPT, TRACING, STRUCT_OPS, LSM]),
        variants: &[
            Variant {
                progs: any(&[CGROUP_SOCKOPT, TRACING, STRUCT_OPS, LSM]),
                args: &[BTF_SOCK, ANYTHING, ANYTHING, MEM.rdonly(), CONST_SIZE],
            },
        ],
        ..NONE
    };
    SKB_ADJUST_ROOM = 50, "bpf_skb_adjust_room", "skb_adjust_room", "4.13" => {
        proto: "long(struct sk_buff *, s32, u32, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING, ANYTHING],
        progs: any(&[TC, SK_SKB]),
        ..NONE
    };
    REDIRECT_MAP = 51, "bpf_redirect_map", "redirect_map", "4.14" => {
        proto: "long(struct bpf_map *, u64, u64)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, ANYTHING, ANYTHING],
        progs: XDP,
        ..NONE
    };
    SK_REDIRECT_MAP = 52, "bpf_sk_redirect_map", "sk_redirect_map", "4.14" => {
        proto: "long(struct sk_buff *, struct bpf_map *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, CONST_MAP_PTR, ANYTHING, ANYTHING],
        progs: SK_SKB,
        ..NONE
    };
    SOCK_MAP_UPDATE = 53, "bpf_sock_map_update", "sock_map_update", "4.14" => {
        proto: "long(struct bpf_sock_ops *, struct bpf_map *, void *, u64)",
        ret: INTEGER,
        args: &[CTX, CONST_MAP_PTR, MAP_KEY, ANYTHING],
        pkt_access: true,
        progs: SOCK_OPS,
        ..NONE
    };
    XDP_ADJUST_META = 54, "bpf_xdp_adjust_meta", "xdp_adjust_meta", "4.15" => {
        proto: "long(struct xdp_buff *, int)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        progs: XDP,
        ..NONE
    };
    PERF_EVENT_READ_VALUE = 55, "bpf_perf_event_read_value", "perf_event_read_value", "4.15" => {
        proto: "long(struct bpf_map *, u64, struct bpf_perf_event_value *, u32)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, ANYTHING, MEM.uninit().write(), CONST_SIZE],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    PERF_PROG_READ_VALUE = 56, "bpf_perf_prog_read_value", "perf_prog_read_value", "4.15" => {
        proto: "long(struct bpf_perf_event_data *, struct bpf_perf_event_value *, u32)",
        ret: INTEGER,
        args: &[CTX, MEM.uninit().write(), CONST_SIZE],
        gpl_only: true,
        progs: PERF_EVENT,
        ..NONE
    };
    GETSOCKOPT = 57, "bpf_getsockopt", "getsockopt", "4.15" => {
        proto: "long(void *, int, int, void *, int)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING, MEM.uninit().write(), CONST_SIZE],
        progs: any(&[CGROUP_SOCK, SOCK_OPS, CGROUP_SOCK_ADDR, CGROUP_SOCKOPT, TRACING, STRUCT_OPS, LSM]),
        variants: &[
            Variant {
                progs: any(&[CGROUP_SOCKOPT, TRACING, STRUCT_OPS, LSM]),
                args: &[BTF_SOCK, ANYTHING, ANYTHING, MEM.uninit().write(), CONST_SIZE],
            },
        ],
        ..NONE
    };
    OVERRIDE_RETURN = 58, "bpf_override_return", "override_return", "4.16" => {
        proto: "long(struct pt_regs *, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        gpl_only: true,
        progs: KPROBE,
        ..NONE
    };
    SOCK_OPS_CB_FLAGS_SET = 59, "bpf_sock_ops_cb_flags_set", "sock_ops_cb_flags_set", "4.16" => {
        proto: "long(struct bpf_sock_ops *, int)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        progs: SOCK_OPS,
        ..NONE
    };
    MSG_REDIRECT_MAP = 60, "bpf_msg_redirect_map", "msg_redirect_map", "4.17" => {
        proto: "long(struct sk_msg_buff *, struct bpf_map *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, CONST_MAP_PTR, ANYTHING, ANYTHING],
        progs: SK_MSG,
        ..NONE
    };
    MSG_APPLY_BYTES = 61, "bpf_msg_apply_bytes", "msg_apply_bytes", "4.17" => {
        proto: "long(struct sk_msg_buff *, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        progs: SK_MSG,
        ..NONE
    };
    MSG_CORK_BYTES = 62, "bpf_msg_cork_bytes", "msg_cork_bytes", "4.17" => {
        proto: "long(struct sk_msg_buff *, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        progs: SK_MSG,
        ..NONE
    };
    MSG_PULL_DATA = 63, "bpf_msg_pull_data", "msg_pull_data", "4.17" => {
        proto: "long(struct sk_msg_buff *, u32, u32, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING, ANYTHING],
        progs: SK_MSG,
        ..NONE
    };
    BIND = 64, "bpf_bind", "bind", "4.17" => {
        proto: "long(struct bpf_sock_addr *, struct sockaddr *, int)",
        ret: INTEGER,
        args: &[CTX, MEM.rdonly(), CONST_SIZE],
        progs: CGROUP_SOCK_ADDR,
        ..NONE
    };
    XDP_ADJUST_TAIL = 65, "bpf_xdp_adjust_tail", "xdp_adjust_tail", "4.18" => {
        proto: "long(struct xdp_buff *, int)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        progs: XDP,
        ..NONE
    };
    SKB_GET_XFRM_STATE = 66, "bpf_skb_get_xfrm_state", "skb_get_xfrm_state", "4.18" => {
        proto: "long(struct sk_buff *, u32, struct bpf_xfrm_state *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, MEM.uninit().write(), CONST_SIZE, ANYTHING],
        progs: TC,
        ..NONE
    };
    GET_STACK = 67, "bpf_get_stack", "get_stack", "4.18" => {
        proto: "long(void *, void *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, MEM.uninit().write(), CONST_SIZE_OR_ZERO, ANYTHING],
        gpl_only: true,
        progs: any(&[PROBES, TRACING, LSM, SYSCALL]),
        ..NONE
    };
    SKB_LOAD_BYTES_RELATIVE = 68, "bpf_skb_load_bytes_relative", "skb_load_bytes_relative", "4.18" => {
        proto: "long(const void *, u32, void *, u32, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, MEM.uninit().write(), CONST_SIZE, ANYTHING],
        progs: any(&[TC, SOCKET_FILTER, CGROUP_SKB, SK_REUSEPORT]),
        ..NONE
    };
    FIB_LOOKUP = 69, "bpf_fib_lookup", "fib_lookup", "4.18" => {
        proto: "long(void *, struct bpf_fib_lookup *, int, u32)",
        ret: INTEGER,
        args: &[CTX, MEM.write(), CONST_SIZE, ANYTHING],
        gpl_only: true,
        progs: any(&[TC, XDP]),
        ..NONE
    };
    SOCK_HASH_UPDATE = 70, "bpf_sock_hash_update", "sock_hash_update", "4.18" => {
        proto: "long(struct bpf_sock_ops *, struct bpf_map *, void *, u64)",
        ret: INTEGER,
        args: &[CTX, CONST_MAP_PTR, MAP_KEY, ANYTHING],
        pkt_access: true,
        progs: SOCK_OPS,
        ..NONE
    };
    MSG_REDIRECT_HASH = 71, "bpf_msg_redirect_hash", "msg_redirect_hash", "4.18" => {
        proto: "long(struct sk_msg_buff *, struct bpf_map *, void *, u64)",
        ret: INTEGER,
        args: &[CTX, CONST_MAP_PTR, MAP_KEY, ANYTHING],
        progs: SK_MSG,
        ..NONE
    };
    SK_REDIRECT_HASH = 72, "bpf_sk_redirect_hash", "sk_redirect_hash", "4.18" => {
        proto: "long(struct sk_buff *, struct bpf_map *, void *, u64)",
        ret: INTEGER,
        args: &[CTX, CONST_MAP_PTR, MAP_KEY, ANYTHING],
        progs: SK_SKB,
        ..NONE
    };
    LWT_PUSH_ENCAP = 73, "bpf_lwt_push_encap", "lwt_push_encap", "4.18" => {
        proto: "long(struct sk_buff *, u32, void *, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, MEM.rdonly(), CONST_SIZE],
        progs: any(&[LWT_IN, LWT_XMIT]),
        ..NONE
    };
    LWT_SEG6_STORE_BYTES = 74, "bpf_lwt_seg6_store_bytes", "lwt_seg6_store_bytes", "4.18" => {
        proto: "long(struct sk_buff *, u32, const void *, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, MEM.rdonly(), CONST_SIZE],
        progs: LWT_SEG6LOCAL,
        ..NONE
    };
    LWT_SEG6_ADJUST_SRH = 75, "bpf_lwt_seg6_adjust_srh", "lwt_seg6_adjust_srh", "4.18" => {
        proto: "long(struct sk_buff *, u32, s32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING],
        progs: LWT_SEG6LOCAL,
        ..NONE
    };
    LWT_SEG6_ACTION = 76, "bpf_lwt_seg6_action", "lwt_seg6_action", "4.18" => {
        proto: "long(struct sk_buff *, u32, void *, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, MEM.rdonly(), CONST_SIZE],
        progs: LWT_SEG6LOCAL,
        ..NONE
    };
    RC_REPEAT = 77, "bpf_rc_repeat", "rc_repeat", "4.18" => {
        proto: "long(void *)",
        ret: INTEGER,
        args: &[CTX],
        gpl_only: true,
        progs: LIRC_MODE2,
        ..NONE
    };
    RC_KEYDOWN = 78, "bpf_rc_keydown", "rc_keydown", "4.18" => {
        proto: "long(void *, u32, u64, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING, ANYTHING],
        gpl_only: true,
        progs: LIRC_MODE2,
        ..NONE
    };
    SKB_CGROUP_ID = 79, "bpf_skb_cgroup_id", "skb_cgroup_id", "4.18" => {
        proto: "u64(struct sk_buff *)",
        ret: INTEGER,
        args: &[CTX],
        progs: any(&[TC, CGROUP_SKB]),
        ..NONE
    };
    GET_CURRENT_CGROUP_ID = 80, "bpf_get_current_cgroup_id", "get_current_cgroup_id", "4.18" => {
        proto: "u64(void)",
        ret: INTEGER,
        args: &[],
        progs: BASE,
        ..NONE
    };
    GET_LOCAL_STORAGE = 81, "bpf_get_local_storage", "get_local_storage", "4.19" => {
        proto: "void *(void *, u64)",
        ret: TO_MAP_VALUE,
        args: &[CONST_MAP_PTR, ANYTHING],
        progs: any(&[CGROUP, SOCK_OPS, LSM]),
        ..NONE
    };
    SK_SELECT_REUSEPORT = 82, "bpf_sk_select_reuseport", "sk_select_reuseport", "4.19" => {
        proto: "long(struct sk_reuseport_md *, struct bpf_map *, void *, u64)",
        ret: INTEGER,
        args: &[CTX, CONST_MAP_PTR, MAP_KEY, ANYTHING],
        progs: SK_REUSEPORT,
        ..NONE
    };
    SKB_ANCESTOR_CGROUP_ID = 83, "bpf_skb_ancestor_cgroup_id", "skb_ancestor_cgroup_id", "4.19" => {
        proto: "u64(struct sk_buff *, int)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        progs: any(&[TC, CGROUP_SKB]),
        ..NONE
    };
    SK_LOOKUP_TCP = 84, "bpf_sk_lookup_tcp", "sk_lookup_tcp", "4.20" => {
        proto: "struct bpf_sock *(void *, struct bpf_sock_tuple *, u32, u64, u64)",
        ret: TO_SOCKET.or_null(),
        args: &[CTX, MEM.rdonly(), CONST_SIZE_OR_ZERO, ANYTHING, ANYTHING],
        progs: any(&[TC, XDP, CGROUP_SKB, SK_SKB, CGROUP_SOCK_ADDR]),
        ..NONE
    };
    SK_LOOKUP_UDP = 85, "bpf_sk_lookup_udp", "sk_lookup_udp", "4.20" => {
        proto: "struct bpf_sock *(void *, struct bpf_sock_tuple *, u32, u64, u64)",
        ret: TO_SOCKET.or_null(),
        args: &[CTX, MEM.rdonly(), CONST_SIZE_OR_ZERO, ANYTHING, ANYTHING],
        progs: any(&[TC, XDP, CGROUP_SKB, SK_SKB, CGROUP_SOCK_ADDR]),
        ..NONE
    };
    SK_RELEASE = 86, "bpf_sk_release", "sk_release", "4.20" => {
        proto: "long(void *)",
        ret: INTEGER,
        args: &[BTF_SOCK.release()],
        progs: any(&[TC, XDP, CGROUP_SKB, SK_SKB, CGROUP_SOCK_ADDR, SK_LOOKUP]),
        ..NONE
    };
    MAP_PUSH_ELEM = 87, "bpf_map_push_elem", "map_push_elem", "4.20" => {
        proto: "long(struct bpf_map *, const void *, u64)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, MAP_VALUE, ANYTHING],
        pkt_access: true,
        progs: EVERY,
        ..NONE
    };
    MAP_POP_ELEM = 88, "bpf_map_pop_elem", "map_pop_elem", "4.20" => {
        proto: "long(struct bpf_map *, void *)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, MAP_VALUE.uninit().write()],
        progs: EVERY,
        ..NONE
    };
    MAP_PEEK_ELEM = 89, "bpf_map_peek_elem", "map_peek_elem", "4.20" => {
        proto: "long(struct bpf_map *, void *)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, MAP_VALUE.uninit().write()],
        progs: EVERY,
        ..NONE
    };
    MSG_PUSH_DATA = 90, "bpf_msg_push_data", "msg_push_data", "4.20" => {
        proto: "long(struct sk_msg_buff *, u32, u32, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING, ANYTHING],
        progs: SK_MSG,
        ..NONE
    };
    MSG_POP_DATA = 91, "bpf_msg_pop_data", "msg_pop_data", "5.0" => {
        proto: "long(struct sk_msg_buff *, u32, u32, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING, ANYTHING],
        progs: SK_MSG,
        ..NONE
    };
    RC_POINTER_REL = 92, "bpf_rc_pointer_rel", "rc_pointer_rel", "5.0" => {
        proto: "long(void *, s32, s32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING],
        gpl_only: true,
        progs: LIRC_MODE2,
        ..NONE
    };
    SPIN_LOCK = 93, "bpf_spin_lock", "spin_lock", "5.1" => {
        proto: "long(struct bpf_spin_lock *)",
        ret: VOID,
        args: &[SPIN_LOCK],
        progs: BASE,
        ..NONE
    };
    SPIN_UNLOCK = 94, "bpf_spin_unlock", "spin_unlock", "5.1" => {
        proto: "long(struct bpf_spin_lock *)",
        ret: VOID,
        args: &[SPIN_LOCK],
        progs: BASE,
        ..NONE
    };
    SK_FULLSOCK = 95, "bpf_sk_fullsock", "sk_fullsock", "5.1" => {
        proto: "struct bpf_sock *(struct bpf_sock *)",
        ret: TO_SOCKET.or_null(),
        args: &[SOCK_COMMON],
        progs: any(&[TC, CGROUP_SKB]),
        ..NONE
    };
    TCP_SOCK = 96, "bpf_tcp_sock", "tcp_sock", "5.1" => {
        proto: "struct bpf_tcp_sock *(struct bpf_sock *)",
        ret: TO_TCP_SOCK.or_null(),
        args: &[SOCK_COMMON],
        progs: any(&[TC, CGROUP_SKB, SOCK_OPS, CGROUP_SOCKOPT]),
        ..NONE
    };
    SKB_ECN_SET_CE = 97, "bpf_skb_ecn_set_ce", "skb_ecn_set_ce", "5.1" => {
        proto: "long(struct sk_buff *)",
        ret: INTEGER,
        args: &[CTX],
        progs: any(&[TC, CGROUP_SKB]),
        ..NONE
    };
    GET_LISTENER_SOCK = 98, "bpf_get_listener_sock", "get_listener_sock", "5.1" => {
        proto: "struct bpf_sock *(struct bpf_sock *)",
        ret: TO_SOCKET.or_null(),
        args: &[SOCK_COMMON],
        progs: any(&[TC, CGROUP_SKB]),
        ..NONE
    };
    SKC_LOOKUP_TCP = 99, "bpf_skc_lookup_tcp", "skc_lookup_tcp", "5.2" => {
        proto: "struct bpf_sock *(void *, struct bpf_sock_tuple *, u32, u64, u64)",
        ret: TO_SOCK_COMMON.or_null(),
        args: &[CTX, MEM.rdonly(), CONST_SIZE_OR_ZERO, ANYTHING, ANYTHING],
        progs: any(&[TC, XDP, CGROUP_SKB, SK_SKB, CGROUP_SOCK_ADDR]),
        ..NONE
    };
    TCP_CHECK_SYNCOOKIE = 100, "bpf_tcp_check_syncookie", "tcp_check_syncookie", "5.2" => {
        proto: "long(void *, void *, u32, struct tcphdr *, u32)",
        ret: INTEGER,
        args: &[BTF_SOCK, MEM.rdonly(), CONST_SIZE, MEM.rdonly(), CONST_SIZE],
        gpl_only: true,
        pkt_access: true,
        progs: any(&[TC, XDP]),
        ..NONE
    };
    SYSCTL_GET_NAME = 101, "bpf_sysctl_get_name", "sysctl_get_name", "5.2" => {
        proto: "long(struct bpf_sysctl *, char *, size_t, u64)",
        ret: INTEGER,
        args: &[CTX, MEM.write(), CONST_SIZE, ANYTHING],
        progs: CGROUP_SYSCTL,
        ..NONE
    };
    SYSCTL_GET_CURRENT_VALUE = 102, "bpf_sysctl_get_current_value", "sysctl_get_current_value", "5.2" => {
        proto: "long(struct bpf_sysctl *, char *, size_t)",
        ret: INTEGER,
        args: &[CTX, MEM.uninit().write(), CONST_SIZE],
        progs: CGROUP_SYSCTL,
        ..NONE
    };
    SYSCTL_GET_NEW_VALUE = 103, "bpf_sysctl_get_new_value", "sysctl_get_new_value", "5.2" => {
        proto: "long(struct bpf_sysctl *, char *, size_t)",
        ret: INTEGER,
        args: &[CTX, MEM.uninit().write(), CONST_SIZE],
        progs: CGROUP_SYSCTL,
        ..NONE
    };
    SYSCTL_SET_NEW_VALUE = 104, "bpf_sysctl_set_new_value", "sysctl_set_new_value", "5.2" => {
        proto: "long(struct bpf_sysctl *, const char *, size_t)",
        ret: INTEGER,
        args: &[CTX, MEM.rdonly(), CONST_SIZE],
        progs: CGROUP_SYSCTL,
        ..NONE
    };
    STRTOL = 105, "bpf_strtol", "strtol", "5.2" => {
        proto: "long(const char *, size_t, u64, long *)",
        ret: INTEGER,
        args: &[MEM.rdonly(), CONST_SIZE, ANYTHING, fixed(8).uninit().write().aligned()],
        progs: BASE,
        ..NONE
    };
    STRTOUL = 106, "bpf_strtoul", "strtoul", "5.2" => {
        proto: "long(const char *, size_t, u64, unsigned long *)",
        ret: INTEGER,
        args: &[MEM.rdonly(), CONST_SIZE, ANYTHING, fixed(8).uninit().write().aligned()],
        progs: BASE,
        ..NONE
    };
    SK_STORAGE_GET = 107, "bpf_sk_storage_get", "sk_storage_get", "5.2" => {
        proto: "void *(struct bpf_map *, void *, void *, u64)",
        ret: TO_MAP_VALUE.or_null(),
        args: &[CONST_MAP_PTR, BTF_SOCK, MAP_VALUE.or_null(), ANYTHING],
        progs: any(&[
            TC, CGROUP_SKB, CGROUP_SOCK, SOCK_OPS, SK_MSG, CGROUP_SOCK_ADDR, CGROUP_SOCKOPT, TRACING, STRUCT_OPS, LSM,
        ]),
        variants: &[
            Variant {
                progs: any(&[CGROUP_SOCK]),
                args: &[CONST_MAP_PTR, CTX, MAP_VALUE.or_null(), ANYTHING],
            },
            Variant {
                progs: any(&[TRACING]),
                args: &[CONST_MAP_PTR, btf("sock_common").or_null(), MAP_VALUE.or_null(), ANYTHING],
            },
        ],
        ..NONE
    };
    SK_STORAGE_DELETE = 108, "bpf_sk_storage_delete", "sk_storage_delete", "5.2" => {
        proto: "long(struct bpf_map *, void *)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, BTF_SOCK],
        progs: any(&[TC, CGROUP_SKB, SOCK_OPS, SK_MSG, CGROUP_SOCK_ADDR, CGROUP_SOCKOPT, TRACING, STRUCT_OPS, LSM]),
        variants: &[Variant { progs: any(&[TRACING]), args: &[CONST_MAP_PTR, btf("sock_common").or_null()] }],
        ..NONE
    };
    SEND_SIGNAL = 109, "bpf_send_signal", "send_signal", "5.3" => {
        proto: "long(u32)",
        ret: INTEGER,
        args: &[ANYTHING],
        progs: BASE,
        ..NONE
    };
    TCP_GEN_SYNCOOKIE = 110, "bpf_tcp_gen_syncookie", "tcp_gen_syncookie", "5.3" => {
        proto: "s64(void *, void *, u32, struct tcphdr *, u32)",
        ret: INTEGER,
        args: &[BTF_SOCK, MEM.rdonly(), CONST_SIZE, MEM.rdonly(), CONST_SIZE],
        gpl_only: true,
        pkt_access: true,
        progs: any(&[TC, XDP]),
        ..NONE
    };
    SKB_OUTPUT = 111, "bpf_skb_output", "skb_output", "5.5" => {
        proto: "long(void *, struct bpf_map *, u64, void *, u64)",
        ret: INTEGER,
        args: &[btf("sk_buff"), CONST_MAP_PTR, ANYTHING, MEM.rdonly(), CONST_SIZE_OR_ZERO],
        gpl_only: true,
        progs: any(&[TRACING, LSM, SYSCALL]),
        ..NONE
    };
    PROBE_READ_USER = 112, "bpf_probe_read_user", "probe_read_user", "5.5" => {
        proto: "long(void *, u32, const void *)",
        ret: INTEGER,
        args: &[MEM.uninit().write(), CONST_SIZE_OR_ZERO, ANYTHING],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    PROBE_READ_KERNEL = 113, "bpf_probe_read_kernel", "probe_read_kernel", "5.5" => {
        proto: "long(void *, u32, const void *)",
        ret: INTEGER,
        args: &[MEM.uninit().write(), CONST_SIZE_OR_ZERO, ANYTHING],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    PROBE_READ_USER_STR = 114, "bpf_probe_read_user_str", "probe_read_user_str", "5.5" => {
        proto: "long(void *, u32, const void *)",
        ret: INTEGER,
        args: &[MEM.uninit().write(), CONST_SIZE_OR_ZERO, ANYTHING],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    PROBE_READ_KERNEL_STR = 115, "bpf_probe_read_kernel_str", "probe_read_kernel_str", "5.5" => {
        proto: "long(void *, u32, const void *)",
        ret: INTEGER,
        args: &[MEM.uninit().write(), CONST_SIZE_OR_ZERO, ANYTHING],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    TCP_SEND_ACK = 116, "bpf_tcp_send_ack", "tcp_send_ack", "5.5" => {
        proto: "long(void *, u32)",
        ret: INTEGER,
        args: &[btf("tcp_sock"), ANYTHING],
        progs: STRUCT_OPS,
        ..NONE
    };
    SEND_SIGNAL_THREAD = 117, "bpf_send_signal_thread", "send_signal_thread", "5.5" => {
        proto: "long(u32)",
        ret: INTEGER,
        args: &[ANYTHING],
        progs: BASE,
        ..NONE
    };
    JIFFIES64 = 118, "bpf_jiffies64", "jiffies64", "5.5" => {
        proto: "u64(void)",
        ret: INTEGER,
        args: &[],
        progs: BASE,
        ..NONE
    };
    READ_BRANCH_RECORDS = 119, "bpf_read_branch_records", "read_branch_records", "5.6" => {
        proto: "long(struct bpf_perf_event_data *, void *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, MEM.or_null().write(), CONST_SIZE_OR_ZERO, ANYTHING],
        gpl_only: true,
        progs: PERF_EVENT,
        ..NONE
    };
    GET_NS_CURRENT_PID_TGID = 120, "bpf_get_ns_current_pid_tgid", "get_ns_current_pid_tgid", "5.7" => {
        proto: "long(u64, u64, struct bpf_pidns_info *, u32)",
        ret: INTEGER,
        args: &[ANYTHING, ANYTHING, MEM.uninit().write(), CONST_SIZE],
        progs: BASE,
        ..NONE
    };
    XDP_OUTPUT = 121, "bpf_xdp_output", "xdp_output", "5.6" => {
        proto: "long(void *, struct bpf_map *, u64, void *, u64)",
        ret: INTEGER,
        args: &[btf("xdp_buff"), CONST_MAP_PTR, ANYTHING, MEM.rdonly(), CONST_SIZE_OR_ZERO],
        gpl_only: true,
        progs: any(&[TRACING, LSM, SYSCALL]),
        ..NONE
    };
    GET_NETNS_COOKIE = 122, "bpf_get_netns_cookie", "get_netns_cookie", "5.7" => {
        proto: "u64(void *)",
        ret: INTEGER,
        args: &[CTX.or_null()],
        progs: any(&[TC, SOCKET_FILTER, CGROUP_SKB, CGROUP_SOCK, SOCK_OPS, SK_MSG, CGROUP_SOCK_ADDR, CGROUP_SOCKOPT]),
        ..NONE
    };
    GET_CURRENT_ANCESTOR_CGROUP_ID = 123, "bpf_get_current_ancestor_cgroup_id", "get_current_ancestor_cgroup_id", "5.6" => {
        proto: "u64(int)",
        ret: INTEGER,
        args: &[ANYTHING],
        progs: BASE,
        ..NONE
    };
    SK_ASSIGN = 124, "bpf_sk_assign", "sk_assign", "5.6" => {
        proto: "long(struct bpf_sk_lookup *, struct bpf_sock *, u64)",
        ret: INTEGER,
        args: &[CTX, BTF_SOCK, ANYTHING],
        progs: any(&[TC, SK_LOOKUP]),
        variants: &[Variant { progs: any(&[SK_LOOKUP]), args: &[CTX, SOCKET.or_null(), ANYTHING] }],
        ..NONE
    };
    KTIME_GET_BOOT_NS = 125, "bpf_ktime_get_boot_ns", "ktime_get_boot_ns", "5.8" => {
        proto: "u64(void)",
        ret: INTEGER,
        args: &[],
        progs: EVERY,
        ..NONE
    };
    SEQ_PRINTF = 126, "bpf_seq_printf", "seq_printf", "5.7" => {
        proto: "long(struct seq_file *, const char *, u32, const void *, u32)",
        ret: INTEGER,
        args: &[btf("seq_file"), MEM.rdonly(), CONST_SIZE, MEM.or_null().rdonly(), CONST_SIZE_OR_ZERO],
        gpl_only: true,
        progs: TRACING,
        ..NONE
    };
    SEQ_WRITE = 127, "bpf_seq_write", "seq_write", "5.7" => {
        proto: "long(struct seq_file *, const void *, u32)",
        ret: INTEGER,
        args: &[btf("seq_file"), MEM.rdonly(), CONST_SIZE_OR_ZERO],
        gpl_only: true,
        progs: TRACING,
        ..NONE
    };
    SK_CGROUP_ID = 128, "bpf_sk_cgroup_id", "sk_cgroup_id", "5.7" => {
        proto: "u64(void *)",
        ret: INTEGER,
        args: &[BTF_SOCK],
        progs: CGROUP_SKB,
        ..NONE
    };
    SK_ANCESTOR_CGROUP_ID = 129, "bpf_sk_ancestor_cgroup_id", "sk_ancestor_cgroup_id", "5.7" => {
        proto: "u64(void *, int)",
        ret: INTEGER,
        args: &[BTF_SOCK, ANYTHING],
        progs: CGROUP_SKB,
        ..NONE
    };
    RINGBUF_OUTPUT = 130, "bpf_ringbuf_output", "ringbuf_output", "5.8" => {
        proto: "long(void *, void *, u64, u64)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, MEM.rdonly(), CONST_SIZE_OR_ZERO, ANYTHING],
        progs: BASE,
        ..NONE
    };
    RINGBUF_RESERVE = 131, "bpf_ringbuf_reserve", "ringbuf_reserve", "5.8" => {
        proto: "void *(void *, u64, u64)",
        ret: TO_RINGBUF_MEM.or_null(),
        args: &[CONST_MAP_PTR, ALLOC_SIZE, ANYTHING],
        progs: BASE,
        ..NONE
    };
    RINGBUF_SUBMIT = 132, "bpf_ringbuf_submit", "ringbuf_submit", "5.8" => {
        proto: "void(void *, u64)",
        ret: VOID,
        args: &[RINGBUF_MEM.release(), ANYTHING],
        progs: BASE,
        ..NONE
    };
    RINGBUF_DISCARD = 133, "bpf_ringbuf_discard", "ringbuf_discard", "5.8" => {
        proto: "void(void *, u64)",
        ret: VOID,
        args: &[RINGBUF_MEM.release(), ANYTHING],
        progs: BASE,
        ..NONE
    };
    RINGBUF_QUERY = 134, "bpf_ringbuf_query", "ringbuf_query", "5.8" => {
        proto: "u64(void *, u64)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, ANYTHING],
        progs: BASE,
        ..NONE
    };
    CSUM_LEVEL = 135, "bpf_csum_level", "csum_level", "5.7" => {
        proto: "long(struct sk_buff *, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING],
        progs: any(&[TC, LWT_XMIT]),
        ..NONE
    };
    SKC_TO_TCP6_SOCK = 136, "bpf_skc_to_tcp6_sock", "skc_to_tcp6_sock", "5.9" => {
        proto: "struct tcp6_sock *(void *)",
        ret: to_btf("tcp6_sock").or_null(),
        args: &[BTF_SOCK],
        progs: SOCKETS,
        ..NONE
    };
    SKC_TO_TCP_SOCK = 137, "bpf_skc_to_tcp_sock", "skc_to_tcp_sock", "5.9" => {
        proto: "struct tcp_sock *(void *)",
        ret: to_btf("tcp_sock").or_null(),
        args: &[BTF_SOCK],
        progs: SOCKETS,
        ..NONE
    };
    SKC_TO_TCP_TIMEWAIT_SOCK = 138, "bpf_skc_to_tcp_timewait_sock", "skc_to_tcp_timewait_sock", "5.9" => {
        proto: "struct tcp_timewait_sock *(void *)",
        ret: to_btf("tcp_timewait_sock").or_null(),
        args: &[BTF_SOCK],
        progs: SOCKETS,
        ..NONE
    };
    SKC_TO_TCP_REQUEST_SOCK = 139, "bpf_skc_to_tcp_request_sock", "skc_to_tcp_request_sock", "5.9" => {
        proto: "struct tcp_request_sock *(void *)",
        ret: to_btf("tcp_request_sock").or_null(),
        args: &[BTF_SOCK],
        progs: SOCKETS,
        ..NONE
    };
    SKC_TO_UDP6_SOCK = 140, "bpf_skc_to_udp6_sock", "skc_to_udp6_sock", "5.9" => {
        proto: "struct udp6_sock *(void *)",
        ret: to_btf("udp6_sock").or_null(),
        args: &[BTF_SOCK],
        progs: SOCKETS,
        ..NONE
    };
    GET_TASK_STACK = 141, "bpf_get_task_stack", "get_task_stack", "5.9" => {
        proto: "long(struct task_struct *, void *, u32, u64)",
        ret: INTEGER,
        args: &[btf("task_struct"), MEM.uninit().write(), CONST_SIZE_OR_ZERO, ANYTHING],
        progs: BASE,
        ..NONE
    };
    LOAD_HDR_OPT = 142, "bpf_load_hdr_opt", "load_hdr_opt", "5.10" => {
        proto: "long(struct bpf_sock_ops *, void *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, MEM.write(), CONST_SIZE, ANYTHING],
        progs: SOCK_OPS,
        ..NONE
    };
    STORE_HDR_OPT = 143, "bpf_store_hdr_opt", "store_hdr_opt", "5.10" => {
        proto: "long(struct bpf_sock_ops *, const void *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, MEM.rdonly(), CONST_SIZE, ANYTHING],
        progs: SOCK_OPS,
        ..NONE
    };
    RESERVE_HDR_OPT = 144, "bpf_reserve_hdr_opt", "reserve_hdr_opt", "5.10" => {
        proto: "long(struct bpf_sock_ops *, u32, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING],
        progs: SOCK_OPS,
        ..NONE
    };
    INODE_STORAGE_GET = 145, "bpf_inode_storage_get", "inode_storage_get", "5.10" => {
        proto: "void *(struct bpf_map *, void *, void *, u64)",
        ret: TO_MAP_VALUE.or_null(),
        args: &[CONST_MAP_PTR, btf("inode").or_null(), MAP_VALUE.or_null(), ANYTHING],
        progs: LSM,
        ..NONE
    };
    INODE_STORAGE_DELETE = 146, "bpf_inode_storage_delete", "inode_storage_delete", "5.10" => {
        proto: "int(struct bpf_map *, void *)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, btf("inode").or_null()],
        progs: LSM,
        ..NONE
    };
    D_PATH = 147, "bpf_d_path", "d_path", "5.10" => {
        proto: "long(const struct path *, char *, u32)",
        ret: INTEGER,
        args: &[btf("path"), MEM.write(), CONST_SIZE_OR_ZERO],
        progs: any(&[TRACING, LSM]),
        ..NONE
    };
    COPY_FROM_USER = 148, "bpf_copy_from_user", "copy_from_user", "5.10" => {
        proto: "long(void *, u32, const void *)",
        ret: INTEGER,
        args: &[MEM.uninit().write(), CONST_SIZE_OR_ZERO, ANYTHING],
        might_sleep: true,
        progs: BASE,
        ..NONE
    };
    SNPRINTF_BTF = 149, "bpf_snprintf_btf", "snprintf_btf", "5.10" => {
        proto: "long(char *, u32, struct btf_ptr *, u32, u64)",
        ret: INTEGER,
        args: &[MEM.write(), CONST_SIZE, MEM.rdonly(), CONST_SIZE, ANYTHING],
        progs: BASE,
        ..NONE
    };
    SEQ_PRINTF_BTF = 150, "bpf_seq_printf_btf", "seq_printf_btf", "5.10" => {
        proto: "long(struct seq_file *, struct btf_ptr *, u32, u64)",
        ret: INTEGER,
        args: &[btf("seq_file"), MEM.rdonly(), CONST_SIZE_OR_ZERO, ANYTHING],
        gpl_only: true,
        progs: TRACING,
        ..NONE
    };
    SKB_CGROUP_CLASSID = 151, "bpf_skb_cgroup_classid", "skb_cgroup_classid", "5.10" => {
        proto: "u64(struct sk_buff *)",
        ret: INTEGER,
        args: &[CTX],
        progs: TC,
        ..NONE
    };
    REDIRECT_NEIGH = 152, "bpf_redirect_neigh", "redirect_neigh", "5.10" => {
        proto: "long(u32, struct bpf_redir_neigh *, int, u64)",
        ret: INTEGER,
        args: &[ANYTHING, MEM.or_null().rdonly(), CONST_SIZE_OR_ZERO, ANYTHING],
        progs: TC,
        ..NONE
    };
    PER_CPU_PTR = 153, "bpf_per_cpu_ptr", "per_cpu_ptr", "5.10" => {
        proto: "void *(const void *, u32)",
        ret: TO_MEM_OR_BTF.or_null().rdonly(),
        args: &[PERCPU_BTF, ANYTHING],
        progs: BASE,
        ..NONE
    };
    THIS_CPU_PTR = 154, "bpf_this_cpu_ptr", "this_cpu_ptr", "5.10" => {
        proto: "void *(const void *)",
        ret: TO_MEM_OR_BTF.rdonly(),
        args: &[PERCPU_BTF],
        progs: BASE,
        ..NONE
    };
    REDIRECT_PEER = 155, "bpf_redirect_peer", "redirect_peer", "5.10" => {
        proto: "long(u32, u64)",
        ret: INTEGER,
        args: &[ANYTHING, ANYTHING],
        progs: TC,
        ..NONE
    };
    TASK_STORAGE_GET = 156, "bpf_task_storage_get", "task_storage_get", "5.11" => {
        proto: "void *(struct bpf_map *, struct task_struct *, void *, u64)",
        ret: TO_MAP_VALUE.or_null(),
        args: &[CONST_MAP_PTR, btf("task_struct").or_null(), MAP_VALUE.or_null(), ANYTHING],
        progs: BASE,
        ..NONE
    };
    TASK_STORAGE_DELETE = 157, "bpf_task_storage_delete", "task_storage_delete", "5.11" => {
        proto: "long(struct bpf_map *, struct task_struct *)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, btf("task_struct").or_null()],
        progs: BASE,
        ..NONE
    };
    GET_CURRENT_TASK_BTF = 158, "bpf_get_current_task_btf", "get_current_task_btf", "5.11" => {
        proto: "struct task_struct *(void)",
        ret: to_btf("task_struct").trusted(),
        args: &[],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    BPRM_OPTS_SET = 159, "bpf_bprm_opts_set", "bprm_opts_set", "5.11" => {
        proto: "long(struct linux_binprm *, u64)",
        ret: INTEGER,
        args: &[btf("linux_binprm"), ANYTHING],
        progs: LSM,
        ..NONE
    };
    KTIME_GET_COARSE_NS = 160, "bpf_ktime_get_coarse_ns", "ktime_get_coarse_ns", "5.11" => {
        proto: "u64(void)",
        ret: INTEGER,
        args: &[],
        progs: any(&[
            TC, LWT, SOCKET_FILTER, XDP, CGROUP_SKB, CGROUP_SOCK, SOCK_OPS, SK_SKB, SK_MSG, CGROUP_SOCK_ADDR,
            SK_REUSEPORT, FLOW_DISSECTOR, CGROUP_SYSCTL, STRUCT_OPS, SK_LOOKUP,
        ]),
        ..NONE
    };
    IMA_INODE_HASH = 161, "bpf_ima_inode_hash", "ima_inode_hash", "5.11" => {
        proto: "long(struct inode *, void *, u32)",
        ret: INTEGER,
        args: &[btf("inode"), MEM.uninit().write(), CONST_SIZE],
        might_sleep: true,
        progs: LSM,
        ..NONE
    };
    SOCK_FROM_FILE = 162, "bpf_sock_from_file", "sock_from_file", "5.11" => {
        proto: "struct socket *(struct file *)",
        ret: to_btf("socket").or_null(),
        args: &[btf("file")],
        progs: any(&[TRACING, LSM, SYSCALL]),
        ..NONE
    };
    CHECK_MTU = 163, "bpf_check_mtu", "check_mtu", "5.12" => {
        proto: "long(void *, u32, u32 *, s32, u64)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, fixed(4).write().aligned(), ANYTHING, ANYTHING],
        gpl_only: true,
        progs: any(&[TC, XDP]),
        ..NONE
    };
    FOR_EACH_MAP_ELEM = 164, "bpf_for_each_map_elem", "for_each_map_elem", "5.13" => {
        proto: "long(struct bpf_map *, void *, void *, u64)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, FUNC, STACK.or_null(), ANYTHING],
        progs: BASE,
        ..NONE
    };
    SNPRINTF = 165, "bpf_snprintf", "snprintf", "5.13" => {
        proto: "long(char *, u32, const char *, u64 *, u32)",
        ret: INTEGER,
        args: &[MEM.or_null().write(), CONST_SIZE_OR_ZERO, CONST_STR, MEM.or_null().rdonly(), CONST_SIZE_OR_ZERO],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    SYS_BPF = 166, "bpf_sys_bpf", "sys_bpf", "5.14" => {
        proto: "long(u32, void *, u32)",
        ret: INTEGER,
        args: &[ANYTHING, MEM.rdonly(), CONST_SIZE],
        might_sleep: true,
        progs: SYSCALL,
        ..NONE
    };
    BTF_FIND_BY_NAME_KIND = 167, "bpf_btf_find_by_name_kind", "btf_find_by_name_kind", "5.14" => {
        proto: "long(char *, int, u32, int)",
        ret: INTEGER,
        args: &[MEM.rdonly(), CONST_SIZE, ANYTHING, ANYTHING],
        might_sleep: true,
        progs: SYSCALL,
        ..NONE
    };
    SYS_CLOSE = 168, "bpf_sys_close", "sys_close", "5.14" => {
        proto: "long(u32)",
        ret: INTEGER,
        args: &[ANYTHING],
        might_sleep: true,
        progs: SYSCALL,
        ..NONE
    };
    TIMER_INIT = 169, "bpf_timer_init", "timer_init", "5.15" => {
        proto: "long(struct bpf_timer *, struct bpf_map *, u64)",
        ret: INTEGER,
        args: &[TIMER, CONST_MAP_PTR, ANYTHING],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    TIMER_SET_CALLBACK = 170, "bpf_timer_set_callback", "timer_set_callback", "5.15" => {
        proto: "long(struct bpf_timer *, void *)",
        ret: INTEGER,
        args: &[TIMER, FUNC],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    TIMER_START = 171, "bpf_timer_start", "timer_start", "5.15" => {
        proto: "long(struct bpf_timer *, u64, u64)",
        ret: INTEGER,
        args: &[TIMER, ANYTHING, ANYTHING],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    TIMER_CANCEL = 172, "bpf_timer_cancel", "timer_cancel", "5.15" => {
        proto: "long(struct bpf_timer *)",
        ret: INTEGER,
        args: &[TIMER],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    GET_FUNC_IP = 173, "bpf_get_func_ip", "get_func_ip", "5.15" => {
        proto: "u64(void *)",
        ret: INTEGER,
        args: &[CTX],
        gpl_only: true,
        progs: any(&[PROBES, TRACING, LSM, SYSCALL]),
        ..NONE
    };
    GET_ATTACH_COOKIE = 174, "bpf_get_attach_cookie", "get_attach_cookie", "5.15" => {
        proto: "u64(void *)",
        ret: INTEGER,
        args: &[CTX],
        progs: any(&[PROBES, TRACING, LSM]),
        ..NONE
    };
    TASK_PT_REGS = 175, "bpf_task_pt_regs", "task_pt_regs", "5.15" => {
        proto: "long(struct task_struct *)",
        ret: to_btf("pt_regs"),
        args: &[btf("task_struct")],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    GET_BRANCH_SNAPSHOT = 176, "bpf_get_branch_snapshot", "get_branch_snapshot", "5.16" => {
        proto: "long(void *, u32, u64)",
        ret: INTEGER,
        args: &[MEM.uninit().write(), CONST_SIZE_OR_ZERO],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    TRACE_VPRINTK = 177, "bpf_trace_vprintk", "trace_vprintk", "5.16" => {
        proto: "long(const char *, u32, const void *, u32)",
        ret: INTEGER,
        args: &[MEM.rdonly(), CONST_SIZE, MEM.or_null().rdonly(), CONST_SIZE_OR_ZERO],
        gpl_only: true,
        progs: BASE,
        ..NONE
    };
    SKC_TO_UNIX_SOCK = 178, "bpf_skc_to_unix_sock", "skc_to_unix_sock", "5.16" => {
        proto: "struct unix_sock *(void *)",
        ret: to_btf("unix_sock").or_null(),
        args: &[BTF_SOCK],
        progs: SOCKETS,
        ..NONE
    };
    KALLSYMS_LOOKUP_NAME = 179, "bpf_kallsyms_lookup_name", "kallsyms_lookup_name", "5.16" => {
        proto: "long(const char *, int, int, u64 *)",
        ret: INTEGER,
        args: &[MEM.rdonly(), CONST_SIZE_OR_ZERO, ANYTHING, fixed(8).uninit().write().aligned()],
        progs: SYSCALL,
        ..NONE
    };
    FIND_VMA = 180, "bpf_find_vma", "find_vma", "5.17" => {
        proto: "long(struct task_struct *, u64, void *, void *, u64)",
        ret: INTEGER,
        args: &[btf("task_struct"), ANYTHING, FUNC, STACK.or_null(), ANYTHING],
        progs: BASE,
        ..NONE
    };
    LOOP = 181, "bpf_loop", "loop", "5.17" => {
        proto: "long(u32, void *, void *, u64)",
        ret: INTEGER,
        args: &[SCALAR, FUNC, STACK.or_null(), ANYTHING],
        progs: BASE,
        ..NONE
    };
    STRNCMP = 182, "bpf_strncmp", "strncmp", "5.17" => {
        proto: "long(const char *, u32, const char *)",
        ret: INTEGER,
        args: &[MEM.rdonly(), CONST_SIZE, CONST_STR],
        progs: BASE,
        ..NONE
    };
    GET_FUNC_ARG = 183, "bpf_get_func_arg", "get_func_arg", "5.17" => {
        proto: "long(void *, u32, u64 *)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, fixed(8).uninit().write().aligned()],
        progs: any(&[TRACING, LSM]),
        ..NONE
    };
    GET_FUNC_RET = 184, "bpf_get_func_ret", "get_func_ret", "5.17" => {
        proto: "long(void *, u64 *)",
        ret: INTEGER,
        args: &[CTX, fixed(8).uninit().write().aligned()],
        progs: any(&[TRACING, LSM]),
        ..NONE
    };
    GET_FUNC_ARG_CNT = 185, "bpf_get_func_arg_cnt", "get_func_arg_cnt", "5.17" => {
        proto: "long(void *)",
        ret: INTEGER,
        args: &[CTX],
        progs: any(&[TRACING, LSM]),
        ..NONE
    };
    GET_RETVAL = 186, "bpf_get_retval", "get_retval", "5.18" => {
        proto: "int(void)",
        ret: INTEGER,
        args: &[],
        progs: any(&[CGROUP_SOCK, CGROUP_DEVICE, CGROUP_SOCK_ADDR, CGROUP_SYSCTL, CGROUP_SOCKOPT, LSM]),
        ..NONE
    };
    SET_RETVAL = 187, "bpf_set_retval", "set_retval", "5.18" => {
        proto: "int(int)",
        ret: INTEGER,
        args: &[ANYTHING],
        progs: any(&[CGROUP_SOCK, CGROUP_DEVICE, CGROUP_SOCK_ADDR, CGROUP_SYSCTL, CGROUP_SOCKOPT, LSM]),
        ..NONE
    };
    XDP_GET_BUFF_LEN = 188, "bpf_xdp_get_buff_len", "xdp_get_buff_len", "5.18" => {
        proto: "u64(struct xdp_buff *)",
        ret: INTEGER,
        args: &[CTX],
        progs: any(&[XDP, TRACING, LSM, SYSCALL]),
        variants: &[Variant { progs: any(&[TRACING, LSM, SYSCALL]), args: &[btf("xdp_buff")] }],
        ..NONE
    };
    XDP_LOAD_BYTES = 189, "bpf_xdp_load_bytes", "xdp_load_bytes", "5.18" => {
        proto: "long(struct xdp_buff *, u32, void *, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, MEM.uninit().write(), CONST_SIZE],
        progs: XDP,
        ..NONE
    };
    XDP_STORE_BYTES = 190, "bpf_xdp_store_bytes", "xdp_store_bytes", "5.18" => {
        proto: "long(struct xdp_buff *, u32, void *, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, MEM.rdonly(), CONST_SIZE],
        progs: XDP,
        ..NONE
    };
    COPY_FROM_USER_TASK = 191, "bpf_copy_from_user_task", "copy_from_user_task", "5.18" => {
        proto: "long(void *, u32, const void *, struct task_struct *, u64)",
        ret: INTEGER,
        args: &[MEM.uninit().write(), CONST_SIZE_OR_ZERO, ANYTHING, btf("task_struct"), ANYTHING],
        gpl_only: true,
        might_sleep: true,
        progs: BASE,
        ..NONE
    };
    SKB_SET_TSTAMP = 192, "bpf_skb_set_tstamp", "skb_set_tstamp", "5.18" => {
        proto: "long(struct sk_buff *, u64, u32)",
        ret: INTEGER,
        args: &[CTX, ANYTHING, ANYTHING],
        progs: TC,
        ..NONE
    };
    IMA_FILE_HASH = 193, "bpf_ima_file_hash", "ima_file_hash", "5.18" => {
        proto: "long(struct file *, void *, u32)",
        ret: INTEGER,
        args: &[btf("file"), MEM.uninit().write(), CONST_SIZE],
        might_sleep: true,
        progs: LSM,
        ..NONE
    };
    KPTR_XCHG = 194, "bpf_kptr_xchg", "kptr_xchg", "5.19" => {
        proto: "void *(void *, void *)",
        ret: to_btf("").or_null(),
        args: &[KPTR_DEST, btf("").or_null().release()],
        progs: BASE,
        ..NONE
    };
    MAP_LOOKUP_PERCPU_ELEM = 195, "bpf_map_lookup_percpu_elem", "map_lookup_percpu_elem", "5.19" => {
        proto: "void *(struct bpf_map *, const void *, u32)",
        ret: TO_MAP_VALUE.or_null(),
        args: &[CONST_MAP_PTR, MAP_KEY, ANYTHING],
        pkt_access: true,
        progs: BASE,
        ..NONE
    };
    SKC_TO_MPTCP_SOCK = 196, "bpf_skc_to_mptcp_sock", "skc_to_mptcp_sock", "5.19" => {
        proto: "struct mptcp_sock *(void *)",
        ret: to_btf("mptcp_sock").or_null(),
        args: &[SOCK_COMMON],
        progs: SOCKETS,
        ..NONE
    };
    DYNPTR_FROM_MEM = 197, "bpf_dynptr_from_mem", "dynptr_from_mem", "5.19" => {
        proto: "long(void *, u64, u64, struct bpf_dynptr *)",
        ret: INTEGER,
        args: &[MEM.uninit().write(), CONST_SIZE_OR_ZERO, ANYTHING, DYNPTR.local().uninit().write()],
        progs: BASE,
        ..NONE
    };
    RINGBUF_RESERVE_DYNPTR = 198, "bpf_ringbuf_reserve_dynptr", "ringbuf_reserve_dynptr", "5.19" => {
        proto: "long(void *, u32, u64, struct bpf_dynptr *)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, ANYTHING, ANYTHING, DYNPTR.ringbuf().uninit().write()],
        progs: BASE,
        ..NONE
    };
    RINGBUF_SUBMIT_DYNPTR = 199, "bpf_ringbuf_submit_dynptr", "ringbuf_submit_dynptr", "5.19" => {
        proto: "void(struct bpf_dynptr *, u64)",
        ret: VOID,
        args: &[DYNPTR.ringbuf().release(), ANYTHING],
        progs: BASE,
        ..NONE
    };
    RINGBUF_DISCARD_DYNPTR = 200, "bpf_ringbuf_discard_dynptr", "ringbuf_discard_dynptr", "5.19" => {
        proto: "void(struct bpf_dynptr *, u64)",
        ret: VOID,
        args: &[DYNPTR.ringbuf().release(), ANYTHING],
        progs: BASE,
        ..NONE
    };
    DYNPTR_READ = 201, "bpf_dynptr_read", "dynptr_read", "5.19" => {
        proto: "long(void *, u64, const struct bpf_dynptr *, u64, u64)",
        ret: INTEGER,
        args: &[MEM.uninit().write(), CONST_SIZE_OR_ZERO, DYNPTR, ANYTHING, ANYTHING],
        progs: BASE,
        ..NONE
    };
    DYNPTR_WRITE = 202, "bpf_dynptr_write", "dynptr_write", "5.19" => {
        proto: "long(const struct bpf_dynptr *, u64, void *, u64, u64)",
        ret: INTEGER,
        args: &[DYNPTR, ANYTHING, MEM.rdonly(), CONST_SIZE_OR_ZERO, ANYTHING],
        progs: BASE,
        ..NONE
    };
    DYNPTR_DATA = 203, "bpf_dynptr_data", "dynptr_data", "5.19" => {
        proto: "void *(const struct bpf_dynptr *, u64, u64)",
        ret: TO_DYNPTR_MEM.or_null(),
        args: &[DYNPTR, ANYTHING, ALLOC_SIZE],
        progs: BASE,
        ..NONE
    };
    TCP_RAW_GEN_SYNCOOKIE_IPV4 = 204, "bpf_tcp_raw_gen_syncookie_ipv4", "tcp_raw_gen_syncookie_ipv4", "6.0" => {
        proto: "s64(struct iphdr *, struct tcphdr *, u32)",
        ret: INTEGER,
        args: &[fixed(20).rdonly(), MEM.rdonly(), CONST_SIZE_OR_ZERO],
        gpl_only: true,
        pkt_access: true,
        progs: any(&[TC, XDP]),
        ..NONE
    };
    TCP_RAW_GEN_SYNCOOKIE_IPV6 = 205, "bpf_tcp_raw_gen_syncookie_ipv6", "tcp_raw_gen_syncookie_ipv6", "6.0" => {
        proto: "s64(struct ipv6hdr *, struct tcphdr *, u32)",
        ret: INTEGER,
        args: &[fixed(40).rdonly(), MEM.rdonly(), CONST_SIZE_OR_ZERO],
        gpl_only: true,
        pkt_access: true,
        progs: any(&[TC, XDP]),
        ..NONE
    };
    TCP_RAW_CHECK_SYNCOOKIE_IPV4 = 206, "bpf_tcp_raw_check_syncookie_ipv4", "tcp_raw_check_syncookie_ipv4", "6.0" => {
        proto: "long(struct iphdr *, struct tcphdr *)",
        ret: INTEGER,
        args: &[fixed(20).rdonly(), fixed(20).rdonly()],
        gpl_only: true,
        pkt_access: true,
        progs: any(&[TC, XDP]),
        ..NONE
    };
    TCP_RAW_CHECK_SYNCOOKIE_IPV6 = 207, "bpf_tcp_raw_check_syncookie_ipv6", "tcp_raw_check_syncookie_ipv6", "6.0" => {
        proto: "long(struct ipv6hdr *, struct tcphdr *)",
        ret: INTEGER,
        args: &[fixed(40).rdonly(), fixed(20).rdonly()],
        gpl_only: true,
        pkt_access: true,
        progs: any(&[TC, XDP]),
        ..NONE
    };
    KTIME_GET_TAI_NS = 208, "bpf_ktime_get_tai_ns", "ktime_get_tai_ns", "6.1" => {
        proto: "u64(void)",
        ret: INTEGER,
        args: &[],
        progs: BASE,
        ..NONE
    };
    USER_RINGBUF_DRAIN = 209, "bpf_user_ringbuf_drain", "user_ringbuf_drain", "6.1" => {
        proto: "long(struct bpf_map *, void *, void *, u64)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, FUNC, STACK.or_null(), ANYTHING],
        progs: BASE,
        ..NONE
    };
    CGRP_STORAGE_GET = 210, "bpf_cgrp_storage_get", "cgrp_storage_get", "6.2" => {
        proto: "void *(struct bpf_map *, struct cgroup *, void *, u64)",
        ret: TO_MAP_VALUE.or_null(),
        args: &[CONST_MAP_PTR, btf("cgroup").or_null(), MAP_VALUE.or_null(), ANYTHING],
        progs: BASE,
        ..NONE
    };
    CGRP_STORAGE_DELETE = 211, "bpf_cgrp_storage_delete", "cgrp_storage_delete", "6.2" => {
        proto: "long(struct bpf_map *, struct cgroup *)",
        ret: INTEGER,
        args: &[CONST_MAP_PTR, btf("cgroup").or_null()],
        progs: BASE,
        ..NONE
    };
}
