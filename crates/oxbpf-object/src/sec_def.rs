//! The table of `SEC()` names: what a program's section says about its type and how it attaches.
//!
//! A pattern is an exact name, or ends in `+` and then matches the bare name and `name/extra`. The first row that
//! matches wins, as in libbpf, whose rows and order these are (`src/libbpf.c`, v1.8). No name is matched by two rows
//! today, so the order is a promise for later rows.
//!
//! What follows the name and its `/` is for whoever attaches the program; it is not interpreted here.

use oxbpf_uapi::{AttachType, ProgType};

/// How a program with a section name attaches by itself. `oxbpf::link` matches on it exhaustively.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttachKind {
    /// Not by its section name alone: needs a target that the caller gives.
    Explicit,
    /// kprobe or kretprobe.
    Kprobe,
    /// kprobe.multi or kretprobe.multi.
    KprobeMulti,
    /// kprobe.session.
    KprobeSession,
    /// uprobe or uretprobe.
    Uprobe,
    /// Many uprobes.
    UprobeMulti,
    /// ksyscall or kretsyscall.
    Ksyscall,
    /// USDT.
    Usdt,
    /// Tracepoint.
    Tracepoint,
    /// Raw tracepoint.
    RawTracepoint,
    /// By the BTF id that it was loaded with: fentry, fexit, fmod_ret, tp_btf, freplace, fsession.
    Trace,
    /// Many functions by BTF id.
    TracingMulti,
    /// LSM hook.
    Lsm,
    /// Iterator.
    Iter,
}

/// Flags of a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SecFlags {
    /// Has an attach type that bpf(2) `PROG_ATTACH` takes.
    pub attachable: bool,
    /// The attach type may be left out on kernels that do not know it at load.
    pub exp_attach_type_optional: bool,
    /// Needs the BTF id of what it attaches to at load.
    pub attach_btf: bool,
    /// `BPF_F_SLEEPABLE`.
    pub sleepable: bool,
    /// `BPF_F_XDP_HAS_FRAGS`.
    pub xdp_frags: bool,
    /// Needs the USDT maps and spec.
    pub usdt: bool,
}

/// One row: a name pattern and what it means.
#[derive(Debug, PartialEq, Eq)]
pub struct SecDef {
    /// Name; ends in `+` if `name/extra` matches too.
    pub pattern: &'static str,
    /// Program type.
    pub prog_type: ProgType,
    /// Attach type.
    pub attach_type: AttachType,
    /// Flags.
    pub flags: SecFlags,
    /// How it attaches.
    pub attach: AttachKind,
}

impl SecDef {
    /// The name without the `+`.
    pub fn name(&self) -> &'static str {
        self.pattern.strip_suffix('+').unwrap_or(self.pattern)
    }

    /// Whether `name/extra` matches too.
    pub fn takes_extra(&self) -> bool {
        self.pattern.ends_with('+')
    }

    /// Whether a section name (without `?`) matches.
    pub fn matches(&self, sec_name: &str) -> bool {
        match sec_name.strip_prefix(self.name()) {
            Some("") => true,
            Some(rest) => self.takes_extra() && rest.starts_with('/'),
            None => false,
        }
    }

    /// What follows the name and its `/` in a section name that matches; `None` if nothing does.
    pub fn extra<'n>(&self, sec_name: &'n str) -> Option<&'n str> {
        sec_name.strip_prefix(self.name())?.strip_prefix('/')
    }
}

/// The row that matches a section name (without `?`).
#[doc(alias = "libbpf_prog_type_by_name")]
pub fn find(sec_name: &str) -> Option<&'static SecDef> {
    SEC_DEFS.iter().find(|def| def.matches(sec_name))
}

/// The known name that an unknown one was probably meant to be, as it would be written: "did you mean `tp/…`?"
///
/// `None` if nothing is close: more than a third of the letters would have to change.
pub fn suggest(sec_name: &str) -> Option<String> {
    let (head, extra) = match sec_name.split_once('/') {
        Some((head, extra)) => (head, Some(extra)),
        None => (sec_name, None),
    };
    let candidate = |def: &'static SecDef| {
        // Exact names may have a slash of their own; they are compared whole.
        let subject = if def.takes_extra() { head } else { sec_name };
        let distance = edit_distance(&subject.to_ascii_lowercase(), def.name());
        let limit = subject.len().max(3) / 3;
        (distance <= limit).then_some((distance, def))
    };
    let (_, def) = SEC_DEFS.iter().filter_map(candidate).min_by_key(|(distance, _)| *distance)?;
    Some(match extra {
        Some(extra) if def.takes_extra() => format!("{}/{extra}", def.name()),
        _ => def.name().to_owned(),
    })
}

/// How many letters must be changed, added, removed or swapped with their neighbour to turn one name into the other.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    // Section names are at most a few dozen letters; a longer one is no misspelling, and would cost time.
    if a.len() > 64 {
        return usize::MAX;
    }
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let get = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let mut best =
                (get(&last, j + 1) + 1).min(get(&row, j) + 1).min(get(&last, j) + usize::from(x != y));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(get(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

macro_rules! attach_type {
    (-) => {
        AttachType(0)
    };
    ($name:ident) => {
        AttachType::$name
    };
}

macro_rules! sec_defs {
    ($($pattern:literal $prog:ident $attach:tt [$($flag:ident)*] $kind:ident;)*) => {
        /// All rows, in the order in which they are tried.
        ///
        /// | Section | Program type | Attach type | Flags | Attaches as |
        /// | --- | --- | --- | --- | --- |
        $(#[doc = concat!(
            "| `", $pattern, "` | ", stringify!($prog), " | ", stringify!($attach), " | ",
            $(stringify!($flag), " ",)* "| ", stringify!($kind), " |"
        )])*
        pub static SEC_DEFS: &[SecDef] = &[$(SecDef {
            pattern: $pattern,
            prog_type: ProgType::$prog,
            attach_type: attach_type!($attach),
            flags: SecFlags { $($flag: true,)* ..NO_FLAGS },
            attach: AttachKind::$kind,
        }),*];
    };
}

const NO_FLAGS: SecFlags = SecFlags {
    attachable: false,
    exp_attach_type_optional: false,
    attach_btf: false,
    sleepable: false,
    xdp_frags: false,
    usdt: false,
};

sec_defs! {
    "socket"                  SOCKET_FILTER           -                              [] Explicit;
    "sk_reuseport/migrate"    SK_REUSEPORT            SK_REUSEPORT_SELECT_OR_MIGRATE [attachable] Explicit;
    "sk_reuseport"            SK_REUSEPORT            SK_REUSEPORT_SELECT            [attachable] Explicit;
    "kprobe+"                 KPROBE                  -                              [] Kprobe;
    "uprobe+"                 KPROBE                  -                              [] Uprobe;
    "uprobe.s+"               KPROBE                  -                              [sleepable] Uprobe;
    "kretprobe+"              KPROBE                  -                              [] Kprobe;
    "uretprobe+"              KPROBE                  -                              [] Uprobe;
    "uretprobe.s+"            KPROBE                  -                              [sleepable] Uprobe;
    "kprobe.multi+"           KPROBE                  TRACE_KPROBE_MULTI             [] KprobeMulti;
    "kretprobe.multi+"        KPROBE                  TRACE_KPROBE_MULTI             [] KprobeMulti;
    "kprobe.session+"         KPROBE                  TRACE_KPROBE_SESSION           [] KprobeSession;
    "uprobe.multi+"           KPROBE                  TRACE_UPROBE_MULTI             [] UprobeMulti;
    "uretprobe.multi+"        KPROBE                  TRACE_UPROBE_MULTI             [] UprobeMulti;
    "uprobe.session+"         KPROBE                  TRACE_UPROBE_SESSION           [] UprobeMulti;
    "uprobe.multi.s+"         KPROBE                  TRACE_UPROBE_MULTI             [sleepable] UprobeMulti;
    "uretprobe.multi.s+"      KPROBE                  TRACE_UPROBE_MULTI             [sleepable] UprobeMulti;
    "uprobe.session.s+"       KPROBE                  TRACE_UPROBE_SESSION           [sleepable] UprobeMulti;
    "ksyscall+"               KPROBE                  -                              [] Ksyscall;
    "kretsyscall+"            KPROBE                  -                              [] Ksyscall;
    "usdt+"                   KPROBE                  -                              [usdt] Usdt;
    "usdt.s+"                 KPROBE                  -                              [usdt sleepable] Usdt;
    "tc/ingress"              SCHED_CLS               TCX_INGRESS                    [] Explicit;
    "tc/egress"               SCHED_CLS               TCX_EGRESS                     [] Explicit;
    "tcx/ingress"             SCHED_CLS               TCX_INGRESS                    [] Explicit;
    "tcx/egress"              SCHED_CLS               TCX_EGRESS                     [] Explicit;
    "tc"                      SCHED_CLS               -                              [] Explicit;
    "classifier"              SCHED_CLS               -                              [] Explicit;
    "action"                  SCHED_ACT               -                              [] Explicit;
    "netkit/primary"          SCHED_CLS               NETKIT_PRIMARY                 [] Explicit;
    "netkit/peer"             SCHED_CLS               NETKIT_PEER                    [] Explicit;
    "tracepoint+"             TRACEPOINT              -                              [] Tracepoint;
    "tp+"                     TRACEPOINT              -                              [] Tracepoint;
    "tracepoint.s+"           TRACEPOINT              -                              [sleepable] Tracepoint;
    "tp.s+"                   TRACEPOINT              -                              [sleepable] Tracepoint;
    "raw_tracepoint+"         RAW_TRACEPOINT          -                              [] RawTracepoint;
    "raw_tp+"                 RAW_TRACEPOINT          -                              [] RawTracepoint;
    "raw_tracepoint.s+"       RAW_TRACEPOINT          -                              [sleepable] RawTracepoint;
    "raw_tp.s+"               RAW_TRACEPOINT          -                              [sleepable] RawTracepoint;
    "raw_tracepoint.w+"       RAW_TRACEPOINT_WRITABLE -                              [] RawTracepoint;
    "raw_tp.w+"               RAW_TRACEPOINT_WRITABLE -                              [] RawTracepoint;
    "tp_btf+"                 TRACING                 TRACE_RAW_TP                   [attach_btf] Trace;
    "tp_btf.s+"               TRACING                 TRACE_RAW_TP                   [attach_btf sleepable] Trace;
    "fentry+"                 TRACING                 TRACE_FENTRY                   [attach_btf] Trace;
    "fmod_ret+"               TRACING                 MODIFY_RETURN                  [attach_btf] Trace;
    "fexit+"                  TRACING                 TRACE_FEXIT                    [attach_btf] Trace;
    "fentry.s+"               TRACING                 TRACE_FENTRY                   [attach_btf sleepable] Trace;
    "fmod_ret.s+"             TRACING                 MODIFY_RETURN                  [attach_btf sleepable] Trace;
    "fexit.s+"                TRACING                 TRACE_FEXIT                    [attach_btf sleepable] Trace;
    "fsession+"               TRACING                 TRACE_FSESSION                 [attach_btf] Trace;
    "fsession.s+"             TRACING                 TRACE_FSESSION                 [attach_btf sleepable] Trace;
    "fsession.multi+"         TRACING                 TRACE_FSESSION_MULTI           [] TracingMulti;
    "fsession.multi.s+"       TRACING                 TRACE_FSESSION_MULTI           [sleepable] TracingMulti;
    "fentry.multi+"           TRACING                 TRACE_FENTRY_MULTI             [] TracingMulti;
    "fexit.multi+"            TRACING                 TRACE_FEXIT_MULTI              [] TracingMulti;
    "fentry.multi.s+"         TRACING                 TRACE_FENTRY_MULTI             [sleepable] TracingMulti;
    "fexit.multi.s+"          TRACING                 TRACE_FEXIT_MULTI              [sleepable] TracingMulti;
    "freplace+"               EXT                     -                              [attach_btf] Trace;
    "lsm+"                    LSM                     LSM_MAC                        [attach_btf] Lsm;
    "lsm.s+"                  LSM                     LSM_MAC                        [attach_btf sleepable] Lsm;
    "lsm_cgroup+"             LSM                     LSM_CGROUP                     [attach_btf] Explicit;
    "iter+"                   TRACING                 TRACE_ITER                     [attach_btf] Iter;
    "iter.s+"                 TRACING                 TRACE_ITER                     [attach_btf sleepable] Iter;
    "syscall"                 SYSCALL                 -                              [sleepable] Explicit;
    "xdp.frags/devmap"        XDP                     XDP_DEVMAP                     [xdp_frags] Explicit;
    "xdp/devmap"              XDP                     XDP_DEVMAP                     [attachable] Explicit;
    "xdp.frags/cpumap"        XDP                     XDP_CPUMAP                     [xdp_frags] Explicit;
    "xdp/cpumap"              XDP                     XDP_CPUMAP                     [attachable] Explicit;
    "xdp.frags"               XDP                     XDP                            [xdp_frags] Explicit;
    "xdp"                     XDP                     XDP                            [attachable exp_attach_type_optional] Explicit;
    "perf_event"              PERF_EVENT              -                              [] Explicit;
    "lwt_in"                  LWT_IN                  -                              [] Explicit;
    "lwt_out"                 LWT_OUT                 -                              [] Explicit;
    "lwt_xmit"                LWT_XMIT                -                              [] Explicit;
    "lwt_seg6local"           LWT_SEG6LOCAL           -                              [] Explicit;
    "sockops"                 SOCK_OPS                CGROUP_SOCK_OPS                [attachable exp_attach_type_optional] Explicit;
    "sk_skb/stream_parser"    SK_SKB                  SK_SKB_STREAM_PARSER           [attachable exp_attach_type_optional] Explicit;
    "sk_skb/stream_verdict"   SK_SKB                  SK_SKB_STREAM_VERDICT          [attachable exp_attach_type_optional] Explicit;
    "sk_skb/verdict"          SK_SKB                  SK_SKB_VERDICT                 [attachable exp_attach_type_optional] Explicit;
    "sk_skb"                  SK_SKB                  -                              [] Explicit;
    "sk_msg"                  SK_MSG                  SK_MSG_VERDICT                 [attachable exp_attach_type_optional] Explicit;
    "lirc_mode2"              LIRC_MODE2              LIRC_MODE2                     [attachable exp_attach_type_optional] Explicit;
    "flow_dissector"          FLOW_DISSECTOR          FLOW_DISSECTOR                 [attachable exp_attach_type_optional] Explicit;
    "cgroup_skb/ingress"      CGROUP_SKB              CGROUP_INET_INGRESS            [attachable exp_attach_type_optional] Explicit;
    "cgroup_skb/egress"       CGROUP_SKB              CGROUP_INET_EGRESS             [attachable exp_attach_type_optional] Explicit;
    "cgroup/skb"              CGROUP_SKB              -                              [] Explicit;
    "cgroup/sock_create"      CGROUP_SOCK             CGROUP_INET_SOCK_CREATE        [attachable] Explicit;
    "cgroup/sock_release"     CGROUP_SOCK             CGROUP_INET_SOCK_RELEASE       [attachable] Explicit;
    "cgroup/sock"             CGROUP_SOCK             CGROUP_INET_SOCK_CREATE        [attachable exp_attach_type_optional] Explicit;
    "cgroup/post_bind4"       CGROUP_SOCK             CGROUP_INET4_POST_BIND         [attachable] Explicit;
    "cgroup/post_bind6"       CGROUP_SOCK             CGROUP_INET6_POST_BIND         [attachable] Explicit;
    "cgroup/bind4"            CGROUP_SOCK_ADDR        CGROUP_INET4_BIND              [attachable] Explicit;
    "cgroup/bind6"            CGROUP_SOCK_ADDR        CGROUP_INET6_BIND              [attachable] Explicit;
    "cgroup/connect4"         CGROUP_SOCK_ADDR        CGROUP_INET4_CONNECT           [attachable] Explicit;
    "cgroup/connect6"         CGROUP_SOCK_ADDR        CGROUP_INET6_CONNECT           [attachable] Explicit;
    "cgroup/connect_unix"     CGROUP_SOCK_ADDR        CGROUP_UNIX_CONNECT            [attachable] Explicit;
    "cgroup/sendmsg4"         CGROUP_SOCK_ADDR        CGROUP_UDP4_SENDMSG            [attachable] Explicit;
    "cgroup/sendmsg6"         CGROUP_SOCK_ADDR        CGROUP_UDP6_SENDMSG            [attachable] Explicit;
    "cgroup/sendmsg_unix"     CGROUP_SOCK_ADDR        CGROUP_UNIX_SENDMSG            [attachable] Explicit;
    "cgroup/recvmsg4"         CGROUP_SOCK_ADDR        CGROUP_UDP4_RECVMSG            [attachable] Explicit;
    "cgroup/recvmsg6"         CGROUP_SOCK_ADDR        CGROUP_UDP6_RECVMSG            [attachable] Explicit;
    "cgroup/recvmsg_unix"     CGROUP_SOCK_ADDR        CGROUP_UNIX_RECVMSG            [attachable] Explicit;
    "cgroup/getpeername4"     CGROUP_SOCK_ADDR        CGROUP_INET4_GETPEERNAME       [attachable] Explicit;
    "cgroup/getpeername6"     CGROUP_SOCK_ADDR        CGROUP_INET6_GETPEERNAME       [attachable] Explicit;
    "cgroup/getpeername_unix" CGROUP_SOCK_ADDR        CGROUP_UNIX_GETPEERNAME        [attachable] Explicit;
    "cgroup/getsockname4"     CGROUP_SOCK_ADDR        CGROUP_INET4_GETSOCKNAME       [attachable] Explicit;
    "cgroup/getsockname6"     CGROUP_SOCK_ADDR        CGROUP_INET6_GETSOCKNAME       [attachable] Explicit;
    "cgroup/getsockname_unix" CGROUP_SOCK_ADDR        CGROUP_UNIX_GETSOCKNAME        [attachable] Explicit;
    "cgroup/sysctl"           CGROUP_SYSCTL           CGROUP_SYSCTL                  [attachable] Explicit;
    "cgroup/getsockopt"       CGROUP_SOCKOPT          CGROUP_GETSOCKOPT              [attachable] Explicit;
    "cgroup/setsockopt"       CGROUP_SOCKOPT          CGROUP_SETSOCKOPT              [attachable] Explicit;
    "cgroup/dev"              CGROUP_DEVICE           CGROUP_DEVICE                  [attachable exp_attach_type_optional] Explicit;
    "struct_ops+"             STRUCT_OPS              -                              [] Explicit;
    "struct_ops.s+"           STRUCT_OPS              -                              [sleepable] Explicit;
    "sk_lookup"               SK_LOOKUP               SK_LOOKUP                      [attachable] Explicit;
    "netfilter"               NETFILTER               NETFILTER                      [] Explicit;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_116_rows_and_each_is_found_by_its_own_name() {
        assert_eq!(SEC_DEFS.len(), 116);
        for def in SEC_DEFS {
            assert_eq!(find(def.name()).map(|d| d.pattern), Some(def.pattern));
            assert_eq!(def.extra(def.name()), None);
        }
    }

    #[test]
    fn extra_is_taken_by_rows_with_a_plus_only() {
        for def in SEC_DEFS {
            let long = format!("{}/some/where", def.name());
            if def.takes_extra() {
                assert_eq!(find(&long).map(|d| d.pattern), Some(def.pattern));
                assert_eq!(def.extra(&long), Some("some/where"));
            } else {
                assert!(!def.matches(&long), "{long}");
            }
            assert!(!def.matches(&format!("{}x", def.name())));
            assert!(!def.matches(&def.name()[1..]));
        }
    }

    #[test]
    fn no_name_is_matched_by_two_rows() {
        for def in SEC_DEFS {
            let rows = SEC_DEFS.iter().filter(|d| d.matches(def.name())).count();
            assert_eq!(rows, 1, "{}", def.pattern);
        }
    }

    #[test]
    fn half_of_the_rows_attach_by_their_name() {
        let auto = SEC_DEFS.iter().filter(|d| d.attach != AttachKind::Explicit).count();
        assert_eq!(auto, 50);
        for def in SEC_DEFS.iter().filter(|d| d.attach != AttachKind::Explicit) {
            assert!(def.takes_extra(), "{} attaches by itself, so it must take a target", def.pattern);
        }
    }

    #[test]
    fn rows_say_what_libbpf_says() {
        let def = find("fentry.s/do_unlinkat").unwrap();
        assert_eq!((def.prog_type, def.attach_type), (ProgType::TRACING, AttachType::TRACE_FENTRY));
        assert!(def.flags.attach_btf && def.flags.sleepable && !def.flags.attachable);
        let def = find("xdp").unwrap();
        assert_eq!((def.prog_type, def.attach_type), (ProgType::XDP, AttachType::XDP));
        assert!(def.flags.attachable && def.flags.exp_attach_type_optional);
        assert_eq!(find("kprobe/").unwrap().extra("kprobe/"), Some(""));
        assert!(find("xdp/extra").is_none());
    }

    #[test]
    fn misspelt_names_get_a_suggestion() {
        let check = |name: &str, expect: Option<&str>| assert_eq!(suggest(name).as_deref(), expect, "{name}");
        check("trace_point/sched/sched_switch", Some("tracepoint/sched/sched_switch"));
        check("kporbe/do_exit", Some("kprobe/do_exit"));
        check("XDP", Some("xdp"));
        check("cgroup/conect4", Some("cgroup/connect4"));
        check("fexit_s/x", Some("fexit.s/x"));
        check("something_else_entirely", None);
        check(&"x".repeat(10_000), None);
    }
}
