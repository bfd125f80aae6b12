//! Tables and structs against listings of the BTF of running kernels, see `testdata/uapi/README.md`.

use std::collections::{BTreeMap, BTreeSet};

use oxbpf_uapi::attr::*;
use oxbpf_uapi::btf_ext::*;
use oxbpf_uapi::consts::*;
use oxbpf_uapi::ctx::*;
use oxbpf_uapi::info::*;
use oxbpf_uapi::netlink::*;
use oxbpf_uapi::perf_event::*;
use oxbpf_uapi::*;

/// What one kernel's BTF says.
#[derive(Default)]
struct Listing {
    /// Enumerators by enumeration; `-` holds those of all others.
    enums: BTreeMap<&'static str, BTreeMap<&'static str, i64>>,
    structs: BTreeMap<&'static str, Layout>,
}

#[derive(Default)]
struct Layout {
    size: usize,
    /// Name to offset and size in bytes.
    fields: BTreeMap<&'static str, (usize, usize)>,
    /// Name to offset and size in bits.
    bit_fields: BTreeMap<&'static str, (usize, usize)>,
}

const LINUX_7_2: &str = include_str!("../../../testdata/uapi/linux-7.2.txt");
const LINUX_6_18: &str = include_str!("../../../testdata/uapi/linux-6.18.txt");
const LINUX_6_12: &str = include_str!("../../../testdata/uapi/linux-6.12.txt");
const LINUX_6_1: &str = include_str!("../../../testdata/uapi/linux-6.1.txt");
const LINUX_5_10: &str = include_str!("../../../testdata/uapi/linux-5.10.txt");

fn listing(text: &'static str) -> Listing {
    let mut listing = Listing::default();
    let (mut in_enum, mut name) = (false, "");
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match (line.starts_with(' '), words.as_slice()) {
            (false, ["enum", n]) => (in_enum, name) = (true, n),
            (false, ["struct" | "union", n, size]) => {
                (in_enum, name) = (false, n);
                listing.structs.entry(n).or_default().size = size.parse().unwrap();
            }
            (true, [n, value]) if in_enum => {
                listing.enums.entry(name).or_default().insert(n, value.parse().unwrap());
            }
            (true, [n, "bit", offset, size]) => {
                let place = (offset.parse().unwrap(), size.parse().unwrap());
                listing.structs.get_mut(name).unwrap().bit_fields.insert(n, place);
            }
            (true, [n, offset, size]) => {
                let place = (offset.parse().unwrap(), size.parse().unwrap());
                listing.structs.get_mut(name).unwrap().fields.insert(n, place);
            }
            _ => panic!("{line}"),
        }
    }
    listing
}

fn release(since: &str) -> (u32, u32) {
    let (major, minor) = since.split_once('.').unwrap();
    (major.parse().unwrap(), minor.parse().unwrap())
}

/// One row of a table: number, C name, first kernel.
type Row = (i64, &'static str, &'static str);

macro_rules! rows {
    ($ty:ident) => {
        $ty::ALL
            .iter()
            .map(|v| (i64::from(v.0), v.c_name().unwrap(), v.since().unwrap()))
            .collect::<Vec<Row>>()
    };
}

/// Tables and the kernel enumeration each stands for.
fn tables() -> Vec<(&'static str, &'static str, Vec<Row>)> {
    vec![
        ("Cmd", "bpf_cmd", rows!(Cmd)),
        ("MapType", "bpf_map_type", rows!(MapType)),
        ("ProgType", "bpf_prog_type", rows!(ProgType)),
        ("AttachType", "bpf_attach_type", rows!(AttachType)),
        ("LinkType", "bpf_link_type", rows!(LinkType)),
        ("CoreReloKind", "bpf_core_relo_kind", rows!(CoreReloKind)),
        ("TaskFdType", "bpf_task_fd_type", rows!(TaskFdType)),
        ("PerfLinkType", "bpf_perf_event_type", rows!(PerfLinkType)),
        ("XdpAction", "xdp_action", rows!(XdpAction)),
        ("SkAction", "sk_action", rows!(SkAction)),
        ("TcxAction", "tcx_action_base", rows!(TcxAction)),
        ("StackBuildIdStatus", "bpf_stack_build_id_status", rows!(StackBuildIdStatus)),
        ("CgroupIterOrder", "bpf_cgroup_iter_order", rows!(CgroupIterOrder)),
        ("FuncLinkage", "btf_func_linkage", rows!(FuncLinkage)),
    ]
}

/// Enumerators that count the others, that are bits beside the numbers, or that are old names of others.
fn is_row(name: &str) -> bool {
    !name.starts_with("__")
        && !name.contains("MAX_")
        && !matches!(
            name,
            "BPF_COMMON_ATTRS"
                | "BPF_PROG_RUN"
                | "BPF_MAP_TYPE_CGROUP_STORAGE_DEPRECATED"
                | "BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE_DEPRECATED"
        )
}

/// Every value that the kernel has is a row with its number, and every row up to that kernel is a value.
fn check_tables(kernel: (u32, u32), listing: &Listing) {
    let mut wrong = Vec::new();
    for (table, name, rows) in tables() {
        let Some(kernel_enum) = listing.enums.get(name) else {
            if rows.iter().any(|r| release(r.2) <= kernel) {
                wrong.push(format!("{table}: the kernel has no enum {name}"));
            }
            continue;
        };
        for (&c_name, &value) in kernel_enum.iter().filter(|(n, _)| is_row(n)) {
            match rows.iter().find(|r| r.1 == c_name) {
                Some(row) if row.0 == value => {}
                Some(row) => wrong.push(format!("{table}: {c_name} is {value}, the row says {}", row.0)),
                None => {
                    let row = format!(
                        "NAME = {value}, \"{c_name}\", \"short_name\", \"{}.{}\";",
                        kernel.0, kernel.1
                    );
                    wrong.push(format!("{table}: add a row: {row}"));
                }
            }
        }
        for &(value, c_name, since) in &rows {
            if release(since) <= kernel && !kernel_enum.contains_key(c_name) {
                wrong.push(format!(
                    "{table}: {c_name} = {value} is not in Linux {}.{}, row says {since}",
                    kernel.0, kernel.1
                ));
            }
            if release(since) > kernel && kernel_enum.contains_key(c_name) {
                wrong.push(format!(
                    "{table}: {c_name} = {value} is in Linux {}.{} already, row says {since}",
                    kernel.0, kernel.1
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tables_are_those_of_linux_7_2() {
    check_tables((7, 2), &listing(LINUX_7_2));
}

#[test]
fn tables_are_those_of_linux_6_18() {
    check_tables((6, 18), &listing(LINUX_6_18));
}

#[test]
fn older_kernels_have_the_rows_that_say_so() {
    check_tables((6, 12), &listing(LINUX_6_12));
    check_tables((6, 1), &listing(LINUX_6_1));
    check_tables((5, 10), &listing(LINUX_5_10));
}

#[test]
fn a_missing_row_is_named() {
    let mut listing = listing(LINUX_7_2);
    listing.enums.get_mut("bpf_map_type").unwrap().insert("BPF_MAP_TYPE_NEXT", 36);
    let panic = std::panic::catch_unwind(|| check_tables((7, 2), &listing)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(
        text.contains(r#"MapType: add a row: NAME = 36, "BPF_MAP_TYPE_NEXT", "short_name", "7.2";"#),
        "{text}"
    );
}

#[test]
fn helpers_and_btf_kinds_are_those_of_the_kernels() {
    let kernels = [
        (LINUX_7_2, (7, 2)),
        (LINUX_6_18, (6, 18)),
        (LINUX_6_12, (6, 12)),
        (LINUX_6_1, (6, 1)),
        (LINUX_5_10, (5, 10)),
    ];
    for (text, kernel) in kernels {
        let listing = listing(text);
        let theirs: BTreeMap<String, i64> = listing.enums["bpf_func_id"]
            .iter()
            .filter(|(n, _)| !n.starts_with("__"))
            .map(|(n, v)| (n.replacen("BPF_FUNC_", "bpf_", 1), *v))
            .collect();
        let ours = |rows: Vec<Row>| -> BTreeMap<String, i64> {
            rows.into_iter().filter(|r| release(r.2) <= kernel).map(|r| (r.1.to_owned(), r.0)).collect()
        };
        assert_eq!(ours(rows!(HelperId)), theirs);
        // Older kernels have the kinds as macros, which BTF does not list.
        let Some(others) = listing.enums.get("-").filter(|e| e.contains_key("BTF_KIND_INT")) else {
            assert!(kernel < (6, 0), "{kernel:?} lists no BTF kinds");
            continue;
        };
        let theirs: BTreeMap<String, i64> = others
            .iter()
            .filter(|(n, _)| n.starts_with("BTF_KIND_") && !n.ends_with("_MAX"))
            .map(|(n, v)| (n.replace("BTF_KIND_UNKN", "BTF_KIND_VOID"), *v))
            .collect();
        assert_eq!(ours(rows!(BtfKind)), theirs);
    }
}

/// Flags and numbers: value by C name, for all that the kernel has as enumerators.
fn check_values(listing: &Listing, values: &[(&str, u64)]) -> usize {
    let mut known = 0;
    for &(name, value) in values {
        if let Some(&theirs) = listing.enums["-"].get(name) {
            // Enumerators are 32 bits wide or 64; which sign they have is chance.
            let same = theirs as u64 == value || theirs as u32 as u64 == value;
            assert!(same, "{name} is {theirs}, not {value}");
            known += 1;
        }
    }
    known
}

#[test]
fn flags_and_numbers_are_the_kernels() {
    let listing = listing(LINUX_7_2);
    macro_rules! flag_values {
        ($($ty:ident)*) => {
            [$(flags::$ty::C_NAMES.iter().map(|&(n, b)| (n, u64::from(b))).collect::<Vec<_>>()),*].concat()
        };
    }
    let flags = flag_values!(MapFlags UpdateFlags KprobeMultiFlags UprobeMultiFlags StackFlags RingbufFlags);
    assert_eq!(check_values(&listing, &flags), flags.len(), "some flag is no enumerator");

    macro_rules! values {
        ($($name:ident)*) => { [$((stringify!($name), $name as u64)),*] };
    }
    let numbers = values! {
        BPF_ANY BPF_NOEXIST BPF_EXIST BPF_F_LOCK BPF_F_INDEX_MASK BPF_F_CURRENT_CPU BPF_F_CTXLEN_MASK
        BPF_F_CURRENT_NETNS BPF_F_SKIP_FIELD_MASK BPF_F_USER_STACK BPF_F_FAST_STACK_CMP BPF_F_REUSE_STACKID
        BPF_F_USER_BUILD_ID BPF_F_RECOMPUTE_CSUM BPF_F_INVALIDATE_HASH BPF_F_HDR_FIELD_MASK BPF_F_PSEUDO_HDR
        BPF_F_MARK_MANGLED_0 BPF_F_MARK_ENFORCE BPF_F_IPV6 BPF_F_TUNINFO_IPV6 BPF_F_ZERO_CSUM_TX BPF_F_DONT_FRAGMENT
        BPF_F_SEQ_NUMBER BPF_F_NO_TUNNEL_KEY BPF_F_TUNINFO_FLAGS BPF_F_ADJ_ROOM_FIXED_GSO BPF_F_ADJ_ROOM_ENCAP_L3_IPV4
        BPF_F_ADJ_ROOM_ENCAP_L3_IPV6 BPF_F_ADJ_ROOM_ENCAP_L4_GRE BPF_F_ADJ_ROOM_ENCAP_L4_UDP
        BPF_F_ADJ_ROOM_NO_CSUM_RESET BPF_F_ADJ_ROOM_ENCAP_L2_ETH BPF_F_ADJ_ROOM_DECAP_L3_IPV4
        BPF_F_ADJ_ROOM_DECAP_L3_IPV6 BPF_ADJ_ROOM_ENCAP_L2_MASK BPF_ADJ_ROOM_ENCAP_L2_SHIFT BPF_ADJ_ROOM_NET
        BPF_ADJ_ROOM_MAC BPF_F_INGRESS BPF_F_BROADCAST BPF_F_EXCLUDE_INGRESS BPF_CSUM_LEVEL_QUERY BPF_CSUM_LEVEL_INC
        BPF_CSUM_LEVEL_DEC BPF_CSUM_LEVEL_RESET BPF_HDR_START_MAC BPF_HDR_START_NET BPF_LOCAL_STORAGE_GET_F_CREATE
        BPF_F_GET_BRANCH_RECORDS_SIZE BPF_F_SYSCTL_BASE_NAME BPF_SK_LOOKUP_F_REPLACE BPF_SK_LOOKUP_F_NO_REUSEPORT
        BPF_F_BPRM_SECUREEXEC BPF_MTU_CHK_SEGS BPF_FIB_LOOKUP_DIRECT BPF_FIB_LOOKUP_OUTPUT BPF_FIB_LOOKUP_SKIP_NEIGH
        BPF_FIB_LOOKUP_TBID BPF_FIB_LOOKUP_SRC BPF_FIB_LOOKUP_MARK BPF_STATS_RUN_TIME
        PERF_TYPE_HARDWARE PERF_TYPE_SOFTWARE PERF_TYPE_TRACEPOINT PERF_TYPE_HW_CACHE PERF_TYPE_RAW
        PERF_TYPE_BREAKPOINT PERF_COUNT_HW_CPU_CYCLES PERF_COUNT_HW_INSTRUCTIONS PERF_COUNT_HW_CACHE_REFERENCES
        PERF_COUNT_HW_CACHE_MISSES PERF_COUNT_HW_BRANCH_INSTRUCTIONS PERF_COUNT_HW_BRANCH_MISSES
        PERF_COUNT_SW_CPU_CLOCK PERF_COUNT_SW_TASK_CLOCK PERF_COUNT_SW_PAGE_FAULTS PERF_COUNT_SW_CONTEXT_SWITCHES
        PERF_COUNT_SW_DUMMY PERF_COUNT_SW_BPF_OUTPUT PERF_SAMPLE_IP PERF_SAMPLE_TID PERF_SAMPLE_TIME
        PERF_SAMPLE_CALLCHAIN PERF_SAMPLE_CPU PERF_SAMPLE_PERIOD PERF_SAMPLE_RAW PERF_RECORD_LOST PERF_RECORD_SAMPLE
        RTM_NEWLINK RTM_GETLINK RTM_SETLINK RTM_NEWQDISC RTM_DELQDISC RTM_GETQDISC RTM_NEWTFILTER RTM_DELTFILTER
        RTM_GETTFILTER NLMSGERR_ATTR_MSG NLMSGERR_ATTR_OFFS IFLA_XDP IFLA_XDP_FD IFLA_XDP_ATTACHED IFLA_XDP_FLAGS
        IFLA_XDP_PROG_ID IFLA_XDP_DRV_PROG_ID IFLA_XDP_SKB_PROG_ID IFLA_XDP_HW_PROG_ID IFLA_XDP_EXPECTED_FD
        XDP_ATTACHED_NONE XDP_ATTACHED_DRV XDP_ATTACHED_SKB XDP_ATTACHED_HW XDP_ATTACHED_MULTI TCA_KIND TCA_OPTIONS
        CTRL_CMD_GETFAMILY CTRL_ATTR_FAMILY_ID CTRL_ATTR_FAMILY_NAME NETDEV_CMD_DEV_GET NETDEV_A_DEV_IFINDEX
        NETDEV_A_DEV_XDP_FEATURES NETDEV_A_DEV_XDP_ZC_MAX_SEGS
    };
    let missing: Vec<_> = numbers.iter().filter(|(n, _)| !listing.enums["-"].contains_key(n)).collect();
    assert!(missing.is_empty(), "{missing:?}");
    check_values(&listing, &numbers);
    let ring = [
        ("BPF_RINGBUF_BUSY_BIT", u64::from(ring::BUSY_BIT)),
        ("BPF_RINGBUF_DISCARD_BIT", u64::from(ring::DISCARD_BIT)),
        ("BPF_RINGBUF_HDR_SZ", ring::HEADER_LEN as u64),
        ("BPF_RB_AVAIL_DATA", ring::AVAIL_DATA),
        ("BPF_RB_RING_SIZE", ring::RING_SIZE),
        ("BPF_RB_CONS_POS", ring::CONS_POS),
        ("BPF_RB_PROD_POS", ring::PROD_POS),
        ("BPF_RB_OVERWRITE_POS", ring::OVERWRITE_POS),
    ];
    assert_eq!(check_values(&listing, &ring), ring.len());
    assert_eq!(listing.enums["bpf_cmd"]["BPF_COMMON_ATTRS"], i64::from(BPF_COMMON_ATTRS));
}

/// A Rust struct and what it says of itself.
struct Struct {
    rust: &'static str,
    c_name: &'static str,
    members: &'static [&'static str],
    base: usize,
    size: usize,
    fields: &'static [Field],
}

macro_rules! structs {
    ($($ty:ident)*) => {
        vec![$(Struct {
            rust: stringify!($ty),
            c_name: <$ty as Abi>::C_NAME,
            members: <$ty as Abi>::MEMBERS,
            base: <$ty as Abi>::BASE,
            size: size_of::<$ty>(),
            fields: <$ty as Abi>::FIELDS,
        }),*]
    };
}

fn structs() -> Vec<Struct> {
    structs! {
        MapCreateAttr MapElemAttr BatchAttr ProgLoadAttr ObjAttr ProgAttachAttr TestRunAttr GetIdAttr InfoByFdAttr
        QueryAttr RawTracepointOpenAttr BtfLoadAttr TaskFdQueryAttr LinkCreateAttr TracingLink IterLink PerfEventLink
        KprobeMultiLink UprobeMultiLink NetfilterLink RelativeLink TracingMultiLink LinkUpdateAttr LinkDetachAttr
        EnableStatsAttr IterCreateAttr ProgBindMapAttr TokenCreateAttr StreamReadAttr AssocStructOpsAttr CommonAttr
        MapIter CgroupIter TaskIter
        MapInfo ProgInfo BtfInfo TokenInfo LinkInfo RawTracepointLinkInfo TracingLinkInfo CgroupLinkInfo IterLinkInfo
        NetnsLinkInfo XdpLinkInfo StructOpsLinkInfo NetfilterLinkInfo KprobeMultiLinkInfo UprobeMultiLinkInfo
        PerfEventLinkInfo UprobeLinkInfo KprobeLinkInfo TracepointLinkInfo EventLinkInfo DeviceLinkInfo SockmapLinkInfo
        BtfHeader BtfHeaderLayout BtfType BtfArray BtfMember BtfEnum BtfEnum64 BtfParam BtfVar BtfVarSecinfo BtfDeclTag
        FuncInfo LineInfo CoreRelo
        XdpMd SkBuff PtRegsX86_64 PerfEventDataX86_64 PerfEventValue Sock SockAddr SockOps SkMsgMd SkReuseportMd
        SkLookup CgroupDevCtx Sysctl Sockopt NfCtx FlowKeys TcpSock SockTuple4 SockTuple6 FibLookup RedirNeigh
        TunnelKey XfrmState StackBuildId PidnsInfo BtfPtr DevmapVal CpumapVal LpmTrieKeyHdr CgroupStorageKey
        InsnArrayValue SpinLock Timer Dynptr
        PerfEventAttr EventHeader QueryBpf SockaddrNl NlMsgHdr NlMsgErr NlAttr IfInfoMsg TcMsg GenlMsgHdr
    }
}

/// The kernel's fields that one of ours is, or holds, at the same place: by name, by alias, or as a part of either.
fn claimed<'l>(s: &Struct, field: &Field, layout: &'l Layout) -> Vec<&'l str> {
    let start = s.base + field.offset;
    let within =
        |offset: usize, size: usize| start * 8 <= offset && offset + size <= (start + field.size) * 8;
    let bytes = layout.fields.iter().map(|(n, &(o, z))| (*n, o * 8, z * 8));
    let bits = layout.bit_fields.iter().map(|(n, &(o, z))| (*n, o, z));
    bytes
        .chain(bits)
        .filter(|&(name, offset, size)| {
            s.members.iter().any(|m| {
                let Some(rest) = name.strip_prefix(m) else { return false };
                let names = std::iter::once(&field.name).chain(field.aliases);
                names.into_iter().any(|n| {
                    // `bpf_prog.fd` is listed here as `bpf_prog_fd`, `task.tid` as a part of `task`.
                    rest == *n || rest.replace('.', "_") == *n || rest.starts_with(&format!("{n}."))
                }) && within(offset, size)
            })
        })
        .map(|(name, ..)| name)
        .collect()
}

/// Names that stand for several fields of the kernel, or for a union whose parts are structs of their own.
fn is_area(s: &Struct, field: &Field) -> bool {
    field.name == "data" && matches!(s.rust, "LinkCreateAttr" | "LinkInfo" | "PerfEventLinkInfo")
        || field.name == "flags" && s.rust == "PerfEventAttr"
}

#[test]
fn every_field_is_where_the_kernel_has_it() {
    let listing = listing(LINUX_7_2);
    let mut wrong = Vec::new();
    for s in structs() {
        let Some(layout) = listing.structs.get(s.c_name) else {
            wrong.push(format!("{}: the kernel has no {}", s.rust, s.c_name));
            continue;
        };
        for field in s.fields.iter().filter(|f| !f.is_padding() && !is_area(&s, f)) {
            let claimed = claimed(&s, field, layout);
            let exact = claimed.iter().any(|n| {
                layout.fields.get(n).is_some_and(|&(o, z)| o == s.base + field.offset && z == field.size)
            });
            let bits = claimed.iter().any(|n| layout.bit_fields.contains_key(n));
            let parts = claimed.iter().any(|n| n.contains('.'));
            if !(exact || bits || parts) {
                wrong.push(format!(
                    "{}.{} is not at {} in {}",
                    s.rust,
                    field.name,
                    s.base + field.offset,
                    s.c_name
                ));
            }
        }
        let whole = s.members == [""] && s.base == 0 && s.c_name != "bpf_attr" && s.rust != "BtfHeader";
        if whole && s.size != layout.size {
            wrong.push(format!("{} has {} bytes, {} has {}", s.rust, s.size, s.c_name, layout.size));
        }
        let end = s.fields.last().map_or(0, Field::end);
        assert_eq!(end, s.size, "{} ends in bytes that no field names", s.rust);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_field_of_the_kernel_has_a_place() {
    let structs = structs();
    for text in [LINUX_7_2, LINUX_6_18] {
        let listing = listing(text);
        let mut wrong = Vec::new();
        for (name, layout) in &listing.structs {
            let ours: Vec<&Struct> = structs.iter().filter(|s| s.c_name == *name).collect();
            if ours.is_empty() {
                assert!(matches!(*name, "bpf_insn" | "perf_event_mmap_page"), "no struct stands for {name}");
                continue;
            }
            let claimed: BTreeSet<&str> =
                ours.iter().flat_map(|s| s.fields.iter().flat_map(|f| claimed(s, f, layout))).collect();
            let all = layout.fields.keys().chain(layout.bit_fields.keys());
            wrong.extend(
                all.filter(|f| !claimed.contains(*f) && !is_elsewhere(name, f))
                    .map(|f| format!("{name}.{f}")),
            );
        }
        assert!(wrong.is_empty(), "no field stands for {}", wrong.join(" "));
    }
}

/// Fields that are reached in another way.
fn is_elsewhere(c_name: &str, field: &str) -> bool {
    match c_name {
        // Bits of `PerfAttrFlags`, which another test compares, and of `aux_action`.
        "perf_event_attr" => {
            PerfAttrFlags::C_NAMES.iter().any(|f| f.0 == field)
                || field.starts_with("aux_")
                || matches!(field, "precise_ip" | "__reserved_1" | "__reserved_3")
        }
        // The same bytes as `TracingLink::target_btf_id`.
        "bpf_attr" => field == "link_create.target_btf_id",
        // The same bytes as `csx` and `ssx`.
        "pt_regs" => matches!(field, "cs" | "ss" | "fred_cs" | "fred_ss"),
        // The same bytes as `ipv6_src`.
        "bpf_flow_keys" => matches!(field, "ipv4_src" | "ipv4_dst"),
        // An array without a length after the head.
        "perf_event_query_bpf" => field == "ids",
        // Spans two fields of ours.
        "bpf_fib_lookup" => field == "tbid",
        _ => false,
    }
}

#[test]
fn perf_flags_are_the_bit_fields() {
    let listing = listing(LINUX_7_2);
    let layout = &listing.structs["perf_event_attr"];
    let start = 8 * std::mem::offset_of!(PerfEventAttr, flags);
    for &(name, bits) in PerfAttrFlags::C_NAMES {
        let (offset, size) = layout.bit_fields[name];
        assert_eq!((size, 1 << (offset - start)), (1, bits), "{name}");
    }
    let page = &listing.structs["perf_event_mmap_page"].fields;
    assert_eq!(page["data_head"], (mmap_page::DATA_HEAD, 8));
    assert_eq!(page["data_tail"], (mmap_page::DATA_TAIL, 8));
    assert_eq!(page["data_offset"], (mmap_page::DATA_OFFSET, 8));
    assert_eq!(page["data_size"], (mmap_page::DATA_SIZE, 8));
}

#[test]
fn instructions_have_the_kernels_layout() {
    let listing = listing(LINUX_7_2);
    let layout = &listing.structs["bpf_insn"];
    assert_eq!(layout.size, size_of::<Insn>());
    assert_eq!(layout.fields["off"], (std::mem::offset_of!(Insn, off), 2));
    assert_eq!(layout.fields["imm"], (std::mem::offset_of!(Insn, imm), 4));
    assert_eq!((layout.bit_fields["dst_reg"], layout.bit_fields["src_reg"]), ((8, 4), (12, 4)));
    assert_eq!(listing.structs["bpf_attr"].size, ATTR_SIZE);
}

#[test]
fn short_names_are_what_libbpf_prints() {
    let mut seen = 0;
    for line in
        include_str!("../../../testdata/uapi/libbpf-names.txt").lines().filter(|l| !l.starts_with('#'))
    {
        let [table, value, name] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let value: u32 = value.parse().unwrap();
        let ours = match table {
            "map" => MapType(value).short_name(),
            "prog" => ProgType(value).short_name(),
            "attach" => AttachType(value).short_name(),
            "link" => LinkType(value).short_name(),
            _ => panic!("{line}"),
        };
        assert_eq!(ours, Some(name), "{line}");
        seen += 1;
    }
    assert!(seen > 140, "{seen}");
}

#[test]
fn helpers_are_allowed_where_the_kernel_allows_them() {
    let mut wrong = Vec::new();
    let lines =
        include_str!("../../../testdata/uapi/helpers-7.2.txt").lines().filter(|l| !l.starts_with('#'));
    for line in lines.clone() {
        let [id, licence, types] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let id = HelperId(id.parse().unwrap());
        let info = id.info().unwrap();
        let theirs: BTreeSet<u32> = types.split(',').filter_map(|t| t.parse().ok()).collect();
        let mut ours: BTreeSet<u32> = info.progs.iter().map(|t| t.0).collect();
        // The measured kernel has neither infrared remotes nor this helper.
        ours.remove(&ProgType::LIRC_MODE2.0);
        if id == HelperId::OVERRIDE_RETURN {
            ours.remove(&ProgType::KPROBE.0);
        }
        if ours != theirs {
            wrong.push(format!("{id}: table {ours:?}, kernel {theirs:?}"));
        }
        match licence {
            "gpl" if !info.gpl_only => wrong.push(format!("{id} is GPL-only")),
            "any" if info.gpl_only => wrong.push(format!("{id} is not GPL-only")),
            _ => {}
        }
    }
    assert_eq!(lines.count(), 211);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn maps_take_the_flags_and_commands_that_the_kernel_takes() {
    use oxbpf_uapi::flags::MapFlags;
    use oxbpf_uapi::map_type::MapOps;

    const OPS: [MapOps; 9] = [
        MapOps::LOOKUP,
        MapOps::UPDATE,
        MapOps::DELETE,
        MapOps::NEXT_KEY,
        MapOps::LOOKUP_AND_DELETE,
        MapOps::LOOKUP_BATCH,
        MapOps::LOOKUP_AND_DELETE_BATCH,
        MapOps::UPDATE_BATCH,
        MapOps::DELETE_BATCH,
    ];
    let mut wrong = Vec::new();
    let lines = include_str!("../../../testdata/uapi/maps-7.2.txt").lines().filter(|l| !l.starts_with('#'));
    for line in lines.clone() {
        let numbers: Vec<u32> = line.split(' ').map(|n| n.parse().unwrap()).collect();
        let [map_type, flags, required, ref errors @ ..] = numbers[..] else { panic!("{line}") };
        let map_type = MapType(map_type);
        let info = map_type.info().unwrap();
        if (info.flags.bits(), info.required.bits()) != (flags, required) {
            let (flags, required) = (MapFlags::from_bits_retain(flags), MapFlags::from_bits_retain(required));
            wrong.push(format!("{map_type}: takes {flags} and needs {required}"));
        }
        assert_eq!(errors.len(), OPS.len());
        for (op, &error) in OPS.into_iter().zip(errors) {
            let element_at_fault = match op {
                MapOps::UPDATE_BATCH => matches!(map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS),
                MapOps::DELETE => map_type == MapType::SOCKMAP,
                _ => false,
            };
            let works = !matches!(error, 95 | 524) && (error != 22 || element_at_fault);
            if info.ops.contains(op) != works {
                wrong.push(format!("{map_type}: {op:?} gives {error}"));
            }
        }
    }
    assert_eq!(lines.count(), MapType::ALL.len() - 2);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
