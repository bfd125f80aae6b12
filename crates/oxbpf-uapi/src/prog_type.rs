//! `enum bpf_prog_type`: what a program may do and what context it gets.
//!
//! Where the columns come from, Linux 7.2: contexts from `include/linux/bpf_types.h`, attach types and capabilities
//! from `kernel/bpf/syscall.c`, test runs from the `bpf_prog_ops` definitions. Releases are those of the commits that
//! added the value.

use crate::AttachType;
use crate::table::table;

/// The columns of a program type.
#[derive(Clone, Copy, Debug)]
pub struct ProgTypeInfo {
    /// C type that a program sees its context as; `void *` if it depends on the target.
    pub ctx: &'static str,
    /// C type of what the kernel has behind it.
    pub kernel_ctx: &'static str,
    /// Attach types that belong to it.
    pub attach_types: &'static [AttachType],
    /// Whether loading checks that the expected attach type is one of those, or 0 where there are none.
    ///
    /// Other types ignore it, or choose context fields and helpers by it.
    pub checks_attach_type: bool,
    /// Whether loading names a target by BTF id: a kernel function, a struct member, or a function of a program.
    pub takes_btf_id: bool,
    /// Whether `BPF_PROG_TEST_RUN` can run it, for some attach types at least.
    pub test_run: bool,
    /// Whether loading needs `CAP_NET_ADMIN` beside `CAP_BPF`.
    pub net_admin: bool,
    /// Whether loading needs `CAP_PERFMON` beside `CAP_BPF`.
    pub perfmon: bool,
}

const NONE: ProgTypeInfo = ProgTypeInfo {
    ctx: "void *",
    kernel_ctx: "void *",
    attach_types: &[],
    checks_attach_type: false,
    takes_btf_id: false,
    test_run: false,
    net_admin: false,
    perfmon: false,
};

table! {
    /// `enum bpf_prog_type`: what a program may do and what context it gets.
    pub struct ProgType(u32): ProgTypeInfo;
    UNSPEC = 0, "BPF_PROG_TYPE_UNSPEC", "unspec", "3.18" => { ..NONE };
    SOCKET_FILTER = 1, "BPF_PROG_TYPE_SOCKET_FILTER", "socket_filter", "3.19" => {
        ctx: "struct __sk_buff",
        kernel_ctx: "struct sk_buff",
        test_run: true,
        ..NONE
    };
    KPROBE = 2, "BPF_PROG_TYPE_KPROBE", "kprobe", "4.1" => {
        ctx: "bpf_user_pt_regs_t",
        kernel_ctx: "struct pt_regs",
        attach_types: &[
            AttachType::PERF_EVENT, AttachType::TRACE_KPROBE_MULTI, AttachType::TRACE_KPROBE_SESSION,
            AttachType::TRACE_UPROBE_MULTI, AttachType::TRACE_UPROBE_SESSION,
        ],
        perfmon: true,
        ..NONE
    };
    SCHED_CLS = 3, "BPF_PROG_TYPE_SCHED_CLS", "sched_cls", "4.1" => {
        ctx: "struct __sk_buff",
        kernel_ctx: "struct sk_buff",
        attach_types: &[
            AttachType::TCX_INGRESS, AttachType::TCX_EGRESS, AttachType::NETKIT_PRIMARY, AttachType::NETKIT_PEER,
        ],
        test_run: true,
        net_admin: true,
        ..NONE
    };
    SCHED_ACT = 4, "BPF_PROG_TYPE_SCHED_ACT", "sched_act", "4.1" => {
        ctx: "struct __sk_buff",
        kernel_ctx: "struct sk_buff",
        test_run: true,
        net_admin: true,
        ..NONE
    };
    TRACEPOINT = 5, "BPF_PROG_TYPE_TRACEPOINT", "tracepoint", "4.7" => {
        ctx: "__u64[]",
        kernel_ctx: "u64",
        attach_types: &[AttachType::PERF_EVENT],
        perfmon: true,
        ..NONE
    };
    XDP = 6, "BPF_PROG_TYPE_XDP", "xdp", "4.8" => {
        ctx: "struct xdp_md",
        kernel_ctx: "struct xdp_buff",
        attach_types: &[AttachType::XDP, AttachType::XDP_DEVMAP, AttachType::XDP_CPUMAP],
        test_run: true,
        net_admin: true,
        ..NONE
    };
    PERF_EVENT = 7, "BPF_PROG_TYPE_PERF_EVENT", "perf_event", "4.9" => {
        ctx: "struct bpf_perf_event_data",
        kernel_ctx: "struct bpf_perf_event_data_kern",
        attach_types: &[AttachType::PERF_EVENT],
        perfmon: true,
        ..NONE
    };
    CGROUP_SKB = 8, "BPF_PROG_TYPE_CGROUP_SKB", "cgroup_skb", "4.10" => {
        ctx: "struct __sk_buff",
        kernel_ctx: "struct sk_buff",
        attach_types: &[AttachType::CGROUP_INET_INGRESS, AttachType::CGROUP_INET_EGRESS],
        checks_attach_type: true,
        test_run: true,
        ..NONE
    };
    CGROUP_SOCK = 9, "BPF_PROG_TYPE_CGROUP_SOCK", "cgroup_sock", "4.10" => {
        ctx: "struct bpf_sock",
        kernel_ctx: "struct sock",
        attach_types: &[
            AttachType::CGROUP_INET_SOCK_CREATE, AttachType::CGROUP_INET_SOCK_RELEASE,
            AttachType::CGROUP_INET4_POST_BIND, AttachType::CGROUP_INET6_POST_BIND,
        ],
        checks_attach_type: true,
        net_admin: true,
        ..NONE
    };
    LWT_IN = 10, "BPF_PROG_TYPE_LWT_IN", "lwt_in", "4.10" => {
        ctx: "struct __sk_buff",
        kernel_ctx: "struct sk_buff",
        test_run: true,
        net_admin: true,
        ..NONE
    };
    LWT_OUT = 11, "BPF_PROG_TYPE_LWT_OUT", "lwt_out", "4.10" => {
        ctx: "struct __sk_buff",
        kernel_ctx: "struct sk_buff",
        test_run: true,
        net_admin: true,
        ..NONE
    };
    LWT_XMIT = 12, "BPF_PROG_TYPE_LWT_XMIT", "lwt_xmit", "4.10" => {
        ctx: "struct __sk_buff",
        kernel_ctx: "struct sk_buff",
        test_run: true,
        net_admin: true,
        ..NONE
    };
    SOCK_OPS = 13, "BPF_PROG_TYPE_SOCK_OPS", "sock_ops", "4.13" => {
        ctx: "struct bpf_sock_ops",
        kernel_ctx: "struct bpf_sock_ops_kern",
        attach_types: &[AttachType::CGROUP_SOCK_OPS],
        net_admin: true,
        ..NONE
    };
    SK_SKB = 14, "BPF_PROG_TYPE_SK_SKB", "sk_skb", "4.14" => {
        ctx: "struct __sk_buff",
        kernel_ctx: "struct sk_buff",
        attach_types: &[
            AttachType::SK_SKB_STREAM_PARSER, AttachType::SK_SKB_STREAM_VERDICT, AttachType::SK_SKB_VERDICT,
        ],
        net_admin: true,
        ..NONE
    };
    CGROUP_DEVICE = 15, "BPF_PROG_TYPE_CGROUP_DEVICE", "cgroup_device", "4.15" => {
        ctx: "struct bpf_cgroup_dev_ctx",
        kernel_ctx: "struct bpf_cgroup_dev_ctx",
        attach_types: &[AttachType::CGROUP_DEVICE],
        net_admin: true,
        ..NONE
    };
    SK_MSG = 16, "BPF_PROG_TYPE_SK_MSG", "sk_msg", "4.17" => {
        ctx: "struct sk_msg_md",
        kernel_ctx: "struct sk_msg",
        attach_types: &[AttachType::SK_MSG_VERDICT],
        net_admin: true,
        ..NONE
    };
    RAW_TRACEPOINT = 17, "BPF_PROG_TYPE_RAW_TRACEPOINT", "raw_tracepoint", "4.17" => {
        ctx: "struct bpf_raw_tracepoint_args",
        kernel_ctx: "u64",
        test_run: true,
        perfmon: true,
        ..NONE
    };
    CGROUP_SOCK_ADDR = 18, "BPF_PROG_TYPE_CGROUP_SOCK_ADDR", "cgroup_sock_addr", "4.17" => {
        ctx: "struct bpf_sock_addr",
        kernel_ctx: "struct bpf_sock_addr_kern",
        attach_types: &[
            AttachType::CGROUP_INET4_BIND, AttachType::CGROUP_INET6_BIND, AttachType::CGROUP_INET4_CONNECT,
            AttachType::CGROUP_INET6_CONNECT, AttachType::CGROUP_UNIX_CONNECT, AttachType::CGROUP_INET4_GETPEERNAME,
            AttachType::CGROUP_INET6_GETPEERNAME, AttachType::CGROUP_UNIX_GETPEERNAME,
            AttachType::CGROUP_INET4_GETSOCKNAME, AttachType::CGROUP_INET6_GETSOCKNAME,
            AttachType::CGROUP_UNIX_GETSOCKNAME, AttachType::CGROUP_UDP4_SENDMSG, AttachType::CGROUP_UDP6_SENDMSG,
            AttachType::CGROUP_UNIX_SENDMSG, AttachType::CGROUP_UDP4_RECVMSG, AttachType::CGROUP_UDP6_RECVMSG,
            AttachType::CGROUP_UNIX_RECVMSG,
        ],
        checks_attach_type: true,
        net_admin: true,
        ..NONE
    };
    LWT_SEG6LOCAL = 19, "BPF_PROG_TYPE_LWT_SEG6LOCAL", "lwt_seg6local", "4.18" => {
        ctx: "struct __sk_buff",
        kernel_ctx: "struct sk_buff",
        test_run: true,
        net_admin: true,
        ..NONE
    };
    LIRC_MODE2 = 20, "BPF_PROG_TYPE_LIRC_MODE2", "lirc_mode2", "4.18" => {
        ctx: "__u32",
        kernel_ctx: "u32",
        attach_types: &[AttachType::LIRC_MODE2],
        ..NONE
    };
    SK_REUSEPORT = 21, "BPF_PROG_TYPE_SK_REUSEPORT", "sk_reuseport", "4.19" => {
        ctx: "struct sk_reuseport_md",
        kernel_ctx: "struct sk_reuseport_kern",
        attach_types: &[AttachType::SK_REUSEPORT_SELECT, AttachType::SK_REUSEPORT_SELECT_OR_MIGRATE],
        checks_attach_type: true,
        ..NONE
    };
    FLOW_DISSECTOR = 22, "BPF_PROG_TYPE_FLOW_DISSECTOR", "flow_dissector", "4.20" => {
        ctx: "struct __sk_buff",
        kernel_ctx: "struct bpf_flow_dissector",
        attach_types: &[AttachType::FLOW_DISSECTOR],
        test_run: true,
        net_admin: true,
        ..NONE
    };
    CGROUP_SYSCTL = 23, "BPF_PROG_TYPE_CGROUP_SYSCTL", "cgroup_sysctl", "5.2" => {
        ctx: "struct bpf_sysctl",
        kernel_ctx: "struct bpf_sysctl_kern",
        attach_types: &[AttachType::CGROUP_SYSCTL],
        net_admin: true,
        ..NONE
    };
    RAW_TRACEPOINT_WRITABLE = 24, "BPF_PROG_TYPE_RAW_TRACEPOINT_WRITABLE", "raw_tracepoint_writable", "5.2" => {
        ctx: "struct bpf_raw_tracepoint_args",
        kernel_ctx: "u64",
        test_run: true,
        perfmon: true,
        ..NONE
    };
    CGROUP_SOCKOPT = 25, "BPF_PROG_TYPE_CGROUP_SOCKOPT", "cgroup_sockopt", "5.3" => {
        ctx: "struct bpf_sockopt",
        kernel_ctx: "struct bpf_sockopt_kern",
        attach_types: &[AttachType::CGROUP_GETSOCKOPT, AttachType::CGROUP_SETSOCKOPT],
        checks_attach_type: true,
        net_admin: true,
        ..NONE
    };
    TRACING = 26, "BPF_PROG_TYPE_TRACING", "tracing", "5.5" => {
        ctx: "void *",
        kernel_ctx: "void *",
        attach_types: &[
            AttachType::TRACE_RAW_TP, AttachType::TRACE_FENTRY, AttachType::TRACE_FEXIT, AttachType::MODIFY_RETURN,
            AttachType::TRACE_ITER, AttachType::TRACE_FSESSION, AttachType::TRACE_FENTRY_MULTI,
            AttachType::TRACE_FEXIT_MULTI, AttachType::TRACE_FSESSION_MULTI,
        ],
        checks_attach_type: true,
        takes_btf_id: true,
        test_run: true,
        perfmon: true,
        ..NONE
    };
    STRUCT_OPS = 27, "BPF_PROG_TYPE_STRUCT_OPS", "struct_ops", "5.6" => {
        ctx: "void *",
        kernel_ctx: "void *",
        attach_types: &[AttachType::STRUCT_OPS],
        takes_btf_id: true,
        perfmon: true,
        ..NONE
    };
    EXT = 28, "BPF_PROG_TYPE_EXT", "ext", "5.6" => {
        ctx: "void *",
        kernel_ctx: "void *",
        checks_attach_type: true,
        takes_btf_id: true,
        net_admin: true,
        perfmon: true,
        ..NONE
    };
    LSM = 29, "BPF_PROG_TYPE_LSM", "lsm", "5.7" => {
        ctx: "void *",
        kernel_ctx: "void *",
        attach_types: &[AttachType::LSM_MAC, AttachType::LSM_CGROUP],
        checks_attach_type: true,
        takes_btf_id: true,
        perfmon: true,
        ..NONE
    };
    SK_LOOKUP = 30, "BPF_PROG_TYPE_SK_LOOKUP", "sk_lookup", "5.9" => {
        ctx: "struct bpf_sk_lookup",
        kernel_ctx: "struct bpf_sk_lookup_kern",
        attach_types: &[AttachType::SK_LOOKUP],
        checks_attach_type: true,
        test_run: true,
        ..NONE
    };
    SYSCALL = 31, "BPF_PROG_TYPE_SYSCALL", "syscall", "5.14" => {
        ctx: "void *",
        kernel_ctx: "void *",
        checks_attach_type: true,
        test_run: true,
        ..NONE
    };
    NETFILTER = 32, "BPF_PROG_TYPE_NETFILTER", "netfilter", "6.4" => {
        ctx: "struct bpf_nf_ctx",
        kernel_ctx: "struct bpf_nf_ctx",
        attach_types: &[AttachType::NETFILTER],
        checks_attach_type: true,
        test_run: true,
        net_admin: true,
        ..NONE
    };
}

/// A set of program types.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct ProgTypes(u64);

impl ProgTypes {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// The set of some types; values from 64 are left out.
    pub const fn of(types: &[ProgType]) -> Self {
        let (mut bits, mut i) = (0, 0);
        while i < types.len() {
            if types[i].0 < 64 {
                bits |= 1 << types[i].0;
            }
            i += 1;
        }
        Self(bits)
    }

    /// The types that are in either set.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The types of this set that are not in the other.
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the type is in the set.
    pub const fn contains(self, prog_type: ProgType) -> bool {
        prog_type.0 < 64 && self.0 & 1 << prog_type.0 != 0
    }

    /// One bit for each type, numbered by its value.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The types in ascending order.
    pub fn iter(self) -> impl Iterator<Item = ProgType> {
        (0..64).map(ProgType).filter(move |&t| self.contains(t))
    }
}

impl core::fmt::Debug for ProgTypes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Sets of program types that the helper table is written in.
pub(crate) mod sets {
    use super::{ProgType, ProgTypes};

    /// Joins sets.
    pub(crate) const fn any(sets: &[ProgTypes]) -> ProgTypes {
        let (mut all, mut i) = (ProgTypes::NONE, 0);
        while i < sets.len() {
            all = all.union(sets[i]);
            i += 1;
        }
        all
    }

    macro_rules! singles {
        ($($name:ident)*) => {
            $(pub(crate) const $name: ProgTypes = ProgTypes::of(&[ProgType::$name]);)*
            /// Every type but extensions, which have the helpers of their target.
            pub(crate) const EVERY: ProgTypes = any(&[$($name),*]).union(TC);
        };
    }

    singles! {
        SOCKET_FILTER KPROBE TRACEPOINT XDP PERF_EVENT CGROUP_SKB CGROUP_SOCK LWT_IN LWT_OUT LWT_XMIT SOCK_OPS SK_SKB
        CGROUP_DEVICE SK_MSG RAW_TRACEPOINT CGROUP_SOCK_ADDR LWT_SEG6LOCAL LIRC_MODE2 SK_REUSEPORT FLOW_DISSECTOR
        CGROUP_SYSCTL RAW_TRACEPOINT_WRITABLE CGROUP_SOCKOPT TRACING STRUCT_OPS LSM SK_LOOKUP SYSCALL NETFILTER
    }

    /// What most helpers without a context are open to.
    pub(crate) const BASE: ProgTypes = EVERY.without(LIRC_MODE2);
    /// Traffic control.
    pub(crate) const TC: ProgTypes = ProgTypes::of(&[ProgType::SCHED_CLS, ProgType::SCHED_ACT]);
    /// Light-weight tunnels.
    pub(crate) const LWT: ProgTypes = any(&[LWT_IN, LWT_OUT, LWT_XMIT, LWT_SEG6LOCAL]);
    /// Probes and tracepoints without BTF.
    pub(crate) const PROBES: ProgTypes =
        any(&[KPROBE, TRACEPOINT, PERF_EVENT, RAW_TRACEPOINT, RAW_TRACEPOINT_WRITABLE]);
    /// Hooks of cgroups that any device or socket access runs.
    pub(crate) const CGROUP: ProgTypes =
        any(&[CGROUP_SKB, CGROUP_SOCK, CGROUP_DEVICE, CGROUP_SOCK_ADDR, CGROUP_SYSCTL, CGROUP_SOCKOPT]);
    /// What may turn one socket type into another.
    pub(crate) const SOCKETS: ProgTypes = any(&[
        SOCKET_FILTER,
        TC,
        XDP,
        CGROUP_SKB,
        LWT,
        SOCK_OPS,
        SK_SKB,
        SK_MSG,
        CGROUP_SOCK_ADDR,
        FLOW_DISSECTOR,
        TRACING,
        LSM,
        SK_LOOKUP,
        SYSCALL,
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_from_a_newer_kernel_are_in_no_set() {
        assert!(!ProgTypes::of(&[ProgType(70)]).contains(ProgType(70)));
        assert!(!sets::EVERY.contains(ProgType(33)) && !sets::EVERY.contains(ProgType::EXT));
        assert_eq!(sets::EVERY.iter().count(), 31);
        assert_eq!(ProgTypes::of(&[ProgType::XDP]).iter().collect::<Vec<_>>(), [ProgType::XDP]);
    }

    #[test]
    fn attach_types_and_program_types_agree() {
        for prog in ProgType::ALL {
            for attach in prog.info().unwrap().attach_types {
                if *attach != AttachType::PERF_EVENT {
                    assert_eq!(attach.info().unwrap().prog_type, Some(*prog), "{attach}");
                }
            }
        }
    }
}
