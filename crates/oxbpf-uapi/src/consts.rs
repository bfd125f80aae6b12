//! Small enumerations, results of programs, and numbers that helpers take.
//!
//! Source: `include/uapi/linux/{bpf,btf,pkt_cls,if_link}.h` of Linux 7.2.

use crate::table::table;

table! {
    /// `BTF_VAR_*`: linkage of a variable.
    pub struct VarLinkage(u32);
    STATIC = 0, "BTF_VAR_STATIC", "static", "5.2";
    GLOBAL = 1, "BTF_VAR_GLOBAL_ALLOCATED", "global", "5.2";
    EXTERN = 2, "BTF_VAR_GLOBAL_EXTERN", "extern", "5.6";
}

table! {
    /// `enum btf_func_linkage`: linkage of a function.
    pub struct FuncLinkage(u32);
    STATIC = 0, "BTF_FUNC_STATIC", "static", "5.6";
    GLOBAL = 1, "BTF_FUNC_GLOBAL", "global", "5.6";
    EXTERN = 2, "BTF_FUNC_EXTERN", "extern", "5.6";
}

table! {
    /// `enum bpf_core_relo_kind`: what a CO-RE relocation asks about the target.
    ///
    /// Short names are those of libbpf's log; the release is the kernel that relocates by itself (libbpf is older).
    pub struct CoreReloKind(u32);
    FIELD_BYTE_OFFSET = 0, "BPF_CORE_FIELD_BYTE_OFFSET", "byte_off", "5.17";
    FIELD_BYTE_SIZE = 1, "BPF_CORE_FIELD_BYTE_SIZE", "byte_sz", "5.17";
    FIELD_EXISTS = 2, "BPF_CORE_FIELD_EXISTS", "field_exists", "5.17";
    FIELD_SIGNED = 3, "BPF_CORE_FIELD_SIGNED", "signed", "5.17";
    FIELD_LSHIFT_U64 = 4, "BPF_CORE_FIELD_LSHIFT_U64", "lshift_u64", "5.17";
    FIELD_RSHIFT_U64 = 5, "BPF_CORE_FIELD_RSHIFT_U64", "rshift_u64", "5.17";
    TYPE_ID_LOCAL = 6, "BPF_CORE_TYPE_ID_LOCAL", "local_type_id", "5.17";
    TYPE_ID_TARGET = 7, "BPF_CORE_TYPE_ID_TARGET", "target_type_id", "5.17";
    TYPE_EXISTS = 8, "BPF_CORE_TYPE_EXISTS", "type_exists", "5.17";
    TYPE_SIZE = 9, "BPF_CORE_TYPE_SIZE", "type_size", "5.17";
    ENUMVAL_EXISTS = 10, "BPF_CORE_ENUMVAL_EXISTS", "enumval_exists", "5.17";
    ENUMVAL_VALUE = 11, "BPF_CORE_ENUMVAL_VALUE", "enumval_value", "5.17";
    TYPE_MATCHES = 12, "BPF_CORE_TYPE_MATCHES", "type_matches", "6.0";
}

table! {
    /// `enum bpf_task_fd_type`: what a descriptor of a process traces.
    pub struct TaskFdType(u32);
    RAW_TRACEPOINT = 0, "BPF_FD_TYPE_RAW_TRACEPOINT", "raw_tracepoint", "4.18";
    TRACEPOINT = 1, "BPF_FD_TYPE_TRACEPOINT", "tracepoint", "4.18";
    KPROBE = 2, "BPF_FD_TYPE_KPROBE", "kprobe", "4.18";
    KRETPROBE = 3, "BPF_FD_TYPE_KRETPROBE", "kretprobe", "4.18";
    UPROBE = 4, "BPF_FD_TYPE_UPROBE", "uprobe", "4.18";
    URETPROBE = 5, "BPF_FD_TYPE_URETPROBE", "uretprobe", "4.18";
}

table! {
    /// `enum bpf_perf_event_type`: what a perf event link traces.
    pub struct PerfLinkType(u32);
    UNSPEC = 0, "BPF_PERF_EVENT_UNSPEC", "unspec", "6.6";
    UPROBE = 1, "BPF_PERF_EVENT_UPROBE", "uprobe", "6.6";
    URETPROBE = 2, "BPF_PERF_EVENT_URETPROBE", "uretprobe", "6.6";
    KPROBE = 3, "BPF_PERF_EVENT_KPROBE", "kprobe", "6.6";
    KRETPROBE = 4, "BPF_PERF_EVENT_KRETPROBE", "kretprobe", "6.6";
    TRACEPOINT = 5, "BPF_PERF_EVENT_TRACEPOINT", "tracepoint", "6.6";
    EVENT = 6, "BPF_PERF_EVENT_EVENT", "event", "6.6";
}

table! {
    /// `enum xdp_action`: what an XDP program wants done with the packet.
    pub struct XdpAction(u32);
    ABORTED = 0, "XDP_ABORTED", "aborted", "4.8";
    DROP = 1, "XDP_DROP", "drop", "4.8";
    PASS = 2, "XDP_PASS", "pass", "4.8";
    TX = 3, "XDP_TX", "tx", "4.8";
    REDIRECT = 4, "XDP_REDIRECT", "redirect", "4.14";
}

table! {
    /// `TC_ACT_*`: what a classifier or action wants done with the packet, read as signed.
    pub struct TcAction(i32);
    UNSPEC = -1, "TC_ACT_UNSPEC", "unspec", "4.1";
    OK = 0, "TC_ACT_OK", "ok", "4.1";
    RECLASSIFY = 1, "TC_ACT_RECLASSIFY", "reclassify", "4.1";
    SHOT = 2, "TC_ACT_SHOT", "shot", "4.1";
    PIPE = 3, "TC_ACT_PIPE", "pipe", "4.1";
    STOLEN = 4, "TC_ACT_STOLEN", "stolen", "4.1";
    QUEUED = 5, "TC_ACT_QUEUED", "queued", "4.1";
    REPEAT = 6, "TC_ACT_REPEAT", "repeat", "4.1";
    REDIRECT = 7, "TC_ACT_REDIRECT", "redirect", "4.4";
    TRAP = 8, "TC_ACT_TRAP", "trap", "4.13";
}

table! {
    /// `enum tcx_action_base`: what a program on tcx wants done with the packet, read as signed.
    pub struct TcxAction(i32);
    NEXT = -1, "TCX_NEXT", "next", "6.6";
    PASS = 0, "TCX_PASS", "pass", "6.6";
    DROP = 2, "TCX_DROP", "drop", "6.6";
    REDIRECT = 7, "TCX_REDIRECT", "redirect", "6.6";
}

table! {
    /// `enum sk_action`: what a socket program wants done.
    pub struct SkAction(u32);
    DROP = 0, "SK_DROP", "drop", "4.14";
    PASS = 1, "SK_PASS", "pass", "4.14";
}

table! {
    /// `enum bpf_stack_build_id_status`: what a frame of a stack by build id holds.
    pub struct StackBuildIdStatus(u32);
    EMPTY = 0, "BPF_STACK_BUILD_ID_EMPTY", "empty", "4.17";
    VALID = 1, "BPF_STACK_BUILD_ID_VALID", "valid", "4.17";
    IP = 2, "BPF_STACK_BUILD_ID_IP", "ip", "4.17";
}

table! {
    /// `enum bpf_cgroup_iter_order`: how a cgroup iterator walks.
    pub struct CgroupIterOrder(u32);
    UNSPEC = 0, "BPF_CGROUP_ITER_ORDER_UNSPEC", "unspec", "6.1";
    SELF_ONLY = 1, "BPF_CGROUP_ITER_SELF_ONLY", "self_only", "6.1";
    DESCENDANTS_PRE = 2, "BPF_CGROUP_ITER_DESCENDANTS_PRE", "descendants_pre", "6.1";
    DESCENDANTS_POST = 3, "BPF_CGROUP_ITER_DESCENDANTS_POST", "descendants_post", "6.1";
    ANCESTORS_UP = 4, "BPF_CGROUP_ITER_ANCESTORS_UP", "ancestors_up", "6.1";
    CHILDREN = 5, "BPF_CGROUP_ITER_CHILDREN", "children", "7.1";
}

/// Declares plain numbers with their C names.
macro_rules! numbers {
    ($($(#[$meta:meta])* $name:ident: $ty:ty = $value:expr;)*) => {
        $($(#[$meta])* pub const $name: $ty = $value;)*
    };
}

numbers! {
    /// Create or replace the element.
    BPF_ANY: u64 = 0;
    /// Only create the element.
    BPF_NOEXIST: u64 = 1;
    /// Only replace the element.
    BPF_EXIST: u64 = 2;
    /// Take the spin lock in the value.
    BPF_F_LOCK: u64 = 4;

    /// The part of a flag word that is a CPU or an index.
    BPF_F_INDEX_MASK: u64 = 0xffff_ffff;
    /// "This CPU" in the place of an index.
    BPF_F_CURRENT_CPU: u64 = BPF_F_INDEX_MASK;
    /// The part of `bpf_perf_event_output` flags that says how many packet bytes to append.
    BPF_F_CTXLEN_MASK: u64 = 0xf_ffff << 32;
    /// "This network namespace" for the socket lookups.
    BPF_F_CURRENT_NETNS: i64 = -1;

    /// The part of a stack helper's flags that says how many frames to skip.
    BPF_F_SKIP_FIELD_MASK: u64 = 0xff;
    /// The user stack instead of the kernel's.
    BPF_F_USER_STACK: u64 = 1 << 8;
    /// `bpf_get_stackid`: same hash is same stack.
    BPF_F_FAST_STACK_CMP: u64 = 1 << 9;
    /// `bpf_get_stackid`: a new stack takes the place of another with its hash.
    BPF_F_REUSE_STACKID: u64 = 1 << 10;
    /// `bpf_get_stack`: build id and offset instead of addresses.
    BPF_F_USER_BUILD_ID: u64 = 1 << 11;

    /// `bpf_skb_store_bytes`: recompute the checksum.
    BPF_F_RECOMPUTE_CSUM: u64 = 1 << 0;
    /// `bpf_skb_store_bytes`: forget the packet's hash.
    BPF_F_INVALIDATE_HASH: u64 = 1 << 1;
    /// The part of a checksum helper's flags that is a field's size.
    BPF_F_HDR_FIELD_MASK: u64 = 0xf;
    /// `bpf_l4_csum_replace`: the checksum covers a pseudo header.
    BPF_F_PSEUDO_HDR: u64 = 1 << 4;
    /// `bpf_l4_csum_replace`: leave a checksum of 0 alone.
    BPF_F_MARK_MANGLED_0: u64 = 1 << 5;
    /// `bpf_l4_csum_replace`: a result of 0 becomes all ones.
    BPF_F_MARK_ENFORCE: u64 = 1 << 6;
    /// `bpf_l4_csum_replace`: the packet is IPv6.
    BPF_F_IPV6: u64 = 1 << 7;

    /// Tunnel helpers: the key is IPv6.
    BPF_F_TUNINFO_IPV6: u64 = 1 << 0;
    /// `bpf_skb_set_tunnel_key`: no checksum.
    BPF_F_ZERO_CSUM_TX: u64 = 1 << 1;
    /// `bpf_skb_set_tunnel_key`: do not fragment.
    BPF_F_DONT_FRAGMENT: u64 = 1 << 2;
    /// `bpf_skb_set_tunnel_key`: with a sequence number.
    BPF_F_SEQ_NUMBER: u64 = 1 << 3;
    /// `bpf_skb_set_tunnel_key`: without the key.
    BPF_F_NO_TUNNEL_KEY: u64 = 1 << 4;
    /// `bpf_skb_get_tunnel_key`: flags instead of the label.
    BPF_F_TUNINFO_FLAGS: u64 = 1 << 4;

    /// `bpf_skb_adjust_room`: leave segment sizes alone.
    BPF_F_ADJ_ROOM_FIXED_GSO: u64 = 1 << 0;
    /// `bpf_skb_adjust_room`: an IPv4 header is added.
    BPF_F_ADJ_ROOM_ENCAP_L3_IPV4: u64 = 1 << 1;
    /// `bpf_skb_adjust_room`: an IPv6 header is added.
    BPF_F_ADJ_ROOM_ENCAP_L3_IPV6: u64 = 1 << 2;
    /// `bpf_skb_adjust_room`: a GRE header is added.
    BPF_F_ADJ_ROOM_ENCAP_L4_GRE: u64 = 1 << 3;
    /// `bpf_skb_adjust_room`: a UDP header is added.
    BPF_F_ADJ_ROOM_ENCAP_L4_UDP: u64 = 1 << 4;
    /// `bpf_skb_adjust_room`: keep the checksum's state.
    BPF_F_ADJ_ROOM_NO_CSUM_RESET: u64 = 1 << 5;
    /// `bpf_skb_adjust_room`: an Ethernet header is added.
    BPF_F_ADJ_ROOM_ENCAP_L2_ETH: u64 = 1 << 6;
    /// `bpf_skb_adjust_room`: an IPv4 header is removed.
    BPF_F_ADJ_ROOM_DECAP_L3_IPV4: u64 = 1 << 7;
    /// `bpf_skb_adjust_room`: an IPv6 header is removed.
    BPF_F_ADJ_ROOM_DECAP_L3_IPV6: u64 = 1 << 8;
    /// The size of an added layer 2 header, before the shift.
    BPF_ADJ_ROOM_ENCAP_L2_MASK: u64 = 0xff;
    /// Where that size is.
    BPF_ADJ_ROOM_ENCAP_L2_SHIFT: u32 = 56;
    /// `bpf_skb_adjust_room`: after the network header.
    BPF_ADJ_ROOM_NET: u32 = 0;
    /// `bpf_skb_adjust_room`: after the link header.
    BPF_ADJ_ROOM_MAC: u32 = 1;

    /// `bpf_redirect`: into the device's receive path; also `bpf_clone_redirect`.
    BPF_F_INGRESS: u64 = 1 << 0;
    /// `bpf_redirect_map`: to every device of the map.
    BPF_F_BROADCAST: u64 = 1 << 3;
    /// `bpf_redirect_map`: but not where the packet came from.
    BPF_F_EXCLUDE_INGRESS: u64 = 1 << 4;

    /// `bpf_csum_level`: ask.
    BPF_CSUM_LEVEL_QUERY: u64 = 0;
    /// `bpf_csum_level`: one more.
    BPF_CSUM_LEVEL_INC: u64 = 1;
    /// `bpf_csum_level`: one less.
    BPF_CSUM_LEVEL_DEC: u64 = 2;
    /// `bpf_csum_level`: none.
    BPF_CSUM_LEVEL_RESET: u64 = 3;

    /// `bpf_skb_load_bytes_relative`: from the link header.
    BPF_HDR_START_MAC: u32 = 0;
    /// `bpf_skb_load_bytes_relative`: from the network header.
    BPF_HDR_START_NET: u32 = 1;

    /// Storage helpers: create what is missing.
    BPF_LOCAL_STORAGE_GET_F_CREATE: u64 = 1 << 0;
    /// `bpf_read_branch_records`: only the size.
    BPF_F_GET_BRANCH_RECORDS_SIZE: u64 = 1 << 0;
    /// `bpf_sysctl_get_name`: only the last part.
    BPF_F_SYSCTL_BASE_NAME: u64 = 1 << 0;
    /// `bpf_sk_assign` in a socket lookup: replace an earlier choice.
    BPF_SK_LOOKUP_F_REPLACE: u64 = 1 << 0;
    /// `bpf_sk_assign` in a socket lookup: no load balancing.
    BPF_SK_LOOKUP_F_NO_REUSEPORT: u64 = 1 << 1;
    /// `bpf_bprm_opts_set`: a secure execution.
    BPF_F_BPRM_SECUREEXEC: u64 = 1 << 0;
    /// `bpf_check_mtu`: segments too.
    BPF_MTU_CHK_SEGS: u64 = 1 << 0;

    /// `bpf_fib_lookup`: skip policy rules.
    BPF_FIB_LOOKUP_DIRECT: u32 = 1 << 0;
    /// `bpf_fib_lookup`: as for a packet that leaves.
    BPF_FIB_LOOKUP_OUTPUT: u32 = 1 << 1;
    /// `bpf_fib_lookup`: without the neighbour.
    BPF_FIB_LOOKUP_SKIP_NEIGH: u32 = 1 << 2;
    /// `bpf_fib_lookup`: in the given table.
    BPF_FIB_LOOKUP_TBID: u32 = 1 << 3;
    /// `bpf_fib_lookup`: choose the source address.
    BPF_FIB_LOOKUP_SRC: u32 = 1 << 4;
    /// `bpf_fib_lookup`: with the given mark.
    BPF_FIB_LOOKUP_MARK: u32 = 1 << 5;

    /// A program's standard output, for `BPF_PROG_STREAM_READ_BY_FD`.
    BPF_STREAM_STDOUT: u32 = 1;
    /// A program's standard error.
    BPF_STREAM_STDERR: u32 = 2;

    /// `BPF_ENABLE_STATS`: run time and run count.
    BPF_STATS_RUN_TIME: u32 = 0;
    /// A bit of the command number: the fourth argument of bpf(2) is a
    /// [`CommonAttr`](crate::attr::CommonAttr). Linux 7.2.
    BPF_COMMON_ATTRS: u32 = 1 << 16;
    /// Bytes of a build id in a stack.
    BPF_BUILD_ID_SIZE: usize = 20;
    /// Bytes of a program's tag.
    BPF_TAG_SIZE: usize = 8;

    /// Most nested tail calls.
    MAX_TAIL_CALL_CNT: u32 = 33;
    /// Bytes of stack that a program has, all its functions together.
    MAX_BPF_STACK: usize = 512;
    /// Most frames of nested calls.
    MAX_CALL_FRAMES: usize = 8;
    /// Bytes of a task's name, the final zero included.
    TASK_COMM_LEN: usize = 16;
    /// Deepest stack that the stack helpers record, unless the system says otherwise.
    PERF_MAX_STACK_DEPTH: usize = 127;
}
