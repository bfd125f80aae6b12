//! The probes: each asks for the smallest thing that only a kernel with the feature grants.

use std::path::Path;

use oxbpf_btf::{BtfBuilder, BtfError, FuncLinkage, IntFlags, TypeId, VarLinkage};
use oxbpf_kernel::{
    BtfFd, BtfLoad, Fact, GetInfo, Handle, InfoBuffers, Kernel, LinkCreate, LinkKind, LinkSource, LogBuf,
    MapCreate, MapFd, ProgFd, ProgLoad, Target,
};
use oxbpf_uapi::flags::MapFlags;
use oxbpf_uapi::info::BtfInfo;
use oxbpf_uapi::insn::{
    BPF_ADD, BPF_ALU64, BPF_CALL, BPF_DW, BPF_EXIT, BPF_JA, BPF_JEQ, BPF_JLT, BPF_JMP, BPF_JMP32, BPF_JNE,
    BPF_K, BPF_MEM, BPF_MOV, BPF_PSEUDO_CALL, BPF_PSEUDO_MAP_VALUE, BPF_ST, BPF_SUB, BPF_X, LD_IMM64,
};
use oxbpf_uapi::{AttachType, Errno, HelperId, Insn, MapType, ProgType};
use zerocopy::IntoBytes;

use super::Feature;

type Answer = Result<bool, Errno>;

pub(super) const EXIT: Insn = Insn::new(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
/// `return 0`.
pub(super) const RETURN_0: [Insn; 2] = [Insn::new(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0), EXIT];

pub(super) const fn call(helper: HelperId) -> Insn {
    Insn::new(BPF_JMP | BPF_CALL, 0, 0, 0, helper.0 as i32)
}

/// What a request that the kernel refused says about a feature, unless the refusal has nothing to do with it.
pub(super) fn accepted<T>(result: Result<T, Errno>) -> Answer {
    match result {
        Ok(_) => Ok(true),
        Err(e @ (Errno::EPERM | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE)) => Err(e),
        Err(_) => Ok(false),
    }
}

fn load(
    kernel: &Kernel,
    prog_type: ProgType,
    insns: &[Insn],
    request: ProgLoad<'_>,
) -> Result<ProgFd, Errno> {
    let request = ProgLoad { prog_type, insns, license: "GPL", ..request };
    kernel.prog_load(request).0
}

fn array(kernel: &Kernel, name: &str, value_size: u32, map_flags: MapFlags) -> Result<MapFd, Errno> {
    kernel.map_create(MapCreate {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size,
        max_entries: 1,
        map_flags: map_flags.bits(),
        map_name: name,
        ..MapCreate::default()
    })
}

pub(super) fn prog_name(kernel: &Kernel) -> Answer {
    let request = ProgLoad { prog_name: "oxbpf_nametest", ..ProgLoad::default() };
    accepted(load(kernel, ProgType::SOCKET_FILTER, &RETURN_0, request))
}

pub(super) fn global_data(kernel: &Kernel) -> Answer {
    // The map goes without a name: names may be a feature that is missing.
    let map = array(kernel, "", 32, MapFlags::empty())?;
    let [mov, exit] = RETURN_0;
    let insns = [
        Insn::new(LD_IMM64, 1, BPF_PSEUDO_MAP_VALUE, 0, map.number()),
        Insn::new(0, 0, 0, 0, 16),
        Insn::new(BPF_ST | BPF_MEM | BPF_DW, 1, 0, 0, 42),
        mov,
        exit,
    ];
    accepted(load(kernel, ProgType::SOCKET_FILTER, &insns, ProgLoad::default()))
}

/// Loads the BTF that `build` makes.
pub(super) fn load_btf(
    kernel: &Kernel,
    build: impl FnOnce(&mut BtfBuilder) -> Result<(), BtfError>,
) -> Result<BtfFd, Errno> {
    let mut builder = BtfBuilder::new();
    build(&mut builder).map_err(|e| e.errno())?;
    let bytes = builder.to_bytes().map_err(|e| e.errno())?;
    kernel.btf_load(BtfLoad { btf: &bytes, ..BtfLoad::default() }).0
}

fn int(b: &mut BtfBuilder) -> Result<TypeId, BtfError> {
    b.add_int("int", 4, IntFlags::SIGNED)
}

fn just_int(kernel: &Kernel) -> Result<BtfFd, Errno> {
    load_btf(kernel, |b| int(b).map(drop))
}

pub(super) fn btf(kernel: &Kernel) -> Answer {
    accepted(just_int(kernel))
}

fn btf_func_with(kernel: &Kernel, linkage: FuncLinkage) -> Answer {
    accepted(load_btf(kernel, |b| {
        let int = int(b)?;
        let proto = b.add_func_proto(TypeId::VOID)?;
        b.add_func_param("a", int)?;
        b.add_func("x", linkage, proto).map(drop)
    }))
}

pub(super) fn btf_func(kernel: &Kernel) -> Answer {
    btf_func_with(kernel, FuncLinkage::STATIC)
}

pub(super) fn btf_global_func(kernel: &Kernel) -> Answer {
    btf_func_with(kernel, FuncLinkage::GLOBAL)
}

fn btf_datasec_called(kernel: &Kernel, name: &str) -> Answer {
    accepted(load_btf(kernel, |b| {
        let int = int(b)?;
        let var = b.add_var("x", VarLinkage::STATIC, int)?;
        b.add_datasec(name, 4)?;
        b.add_datasec_var(var, 0, 4)
    }))
}

pub(super) fn btf_datasec(kernel: &Kernel) -> Answer {
    btf_datasec_called(kernel, ".data")
}

pub(super) fn btf_qmark_datasec(kernel: &Kernel) -> Answer {
    btf_datasec_called(kernel, "?.data")
}

pub(super) fn btf_float(kernel: &Kernel) -> Answer {
    accepted(load_btf(kernel, |b| b.add_float("float", 4).map(drop)))
}

pub(super) fn btf_decl_tag(kernel: &Kernel) -> Answer {
    accepted(load_btf(kernel, |b| {
        let int = int(b)?;
        let var = b.add_var("x", VarLinkage::STATIC, int)?;
        b.add_decl_tag("tag", var, -1).map(drop)
    }))
}

pub(super) fn btf_type_tag(kernel: &Kernel) -> Answer {
    accepted(load_btf(kernel, |b| {
        let int = int(b)?;
        let tag = b.add_type_tag("tag", int)?;
        b.add_ptr(tag).map(drop)
    }))
}

pub(super) fn btf_enum64(kernel: &Kernel) -> Answer {
    accepted(load_btf(kernel, |b| b.add_enum64("enum64", 8, false).map(drop)))
}

pub(super) fn btf_layout(kernel: &Kernel) -> Answer {
    // A header of 32 bytes whose last two fields place a table of (element size, tail size, flags) by kind between
    // types and strings: void and INT.
    const TYPES: [u32; 4] = [1, 1 << 24, 4, 1 << 24 | 32];
    const LAYOUT: [u8; 8] = [0, 0, 0, 0, 4, 0, 0, 0];
    const STRINGS: &[u8; 5] = b"\0int\0";
    let header: [u32; 8] = [0x0001_eb9f, 32, 0, 16, 16 + 8, STRINGS.len() as u32, 16, 8];
    let header = if cfg!(target_endian = "big") {
        let [_, rest @ ..] = header;
        let mut all = [0xeb9f_0100, 0, 0, 0, 0, 0, 0, 0];
        all[1..].copy_from_slice(&rest);
        all
    } else {
        header
    };
    let bytes = [header.as_bytes(), TYPES.as_bytes(), &LAYOUT, STRINGS].concat();
    accepted(kernel.btf_load(BtfLoad { btf: &bytes, ..BtfLoad::default() }).0)
}

pub(super) fn array_mmap(kernel: &Kernel) -> Answer {
    accepted(array(kernel, "", 4, MapFlags::MMAPABLE))
}

pub(super) fn exp_attach_type(kernel: &Kernel) -> Answer {
    let request =
        ProgLoad { expected_attach_type: AttachType::CGROUP_INET_SOCK_CREATE, ..ProgLoad::default() };
    accepted(load(kernel, ProgType::CGROUP_SOCK, &RETURN_0, request))
}

pub(super) fn probe_read_kernel(kernel: &Kernel) -> Answer {
    let insns = [
        Insn::new(BPF_ALU64 | BPF_MOV | BPF_X, 1, 10, 0, 0),
        Insn::new(BPF_ALU64 | BPF_ADD | BPF_K, 1, 0, 0, -8),
        Insn::new(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 8),
        Insn::new(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, 0),
        call(HelperId::PROBE_READ_KERNEL),
        EXIT,
    ];
    accepted(load(kernel, ProgType::TRACEPOINT, &insns, ProgLoad::default()))
}

pub(super) fn prog_bind_map(kernel: &Kernel) -> Answer {
    let map = array(kernel, "", 32, MapFlags::empty())?;
    let prog = load(kernel, ProgType::SOCKET_FILTER, &RETURN_0, ProgLoad::default())?;
    let request = oxbpf_kernel::ProgBindMap { prog: &prog, map: &map, flags: 0 };
    accepted(kernel.bpf(&mut oxbpf_kernel::Command::ProgBindMap(request)))
}

pub(super) fn module_btf(kernel: &Kernel) -> Answer {
    // Kernels got the name field of BTF info together with BTF of modules.
    let Ok(fd) = just_int(kernel) else { return Ok(false) };
    let mut info = BtfInfo::default();
    let mut name = [0; 16];
    let buffers = InfoBuffers::Btf { btf: &mut [], name: &mut name };
    accepted(kernel.get_info(GetInfo { object: &fd, info: info.as_mut_bytes(), buffers }))
}

/// Asks for a link and says how the kernel refused. The request must be one that no kernel grants.
fn refusal(
    kernel: &Kernel,
    prog: &ProgFd,
    attach_type: AttachType,
    target: Target<'_>,
    kind: LinkKind<'_>,
) -> Option<Errno> {
    let source = LinkSource::Prog(prog);
    kernel.link_create(LinkCreate { source, target, attach_type, flags: 0, kind }).err()
}

pub(super) fn perf_link(kernel: &Kernel) -> Answer {
    let prog = load(kernel, ProgType::TRACEPOINT, &RETURN_0, ProgLoad::default())?;
    // A descriptor that is open nowhere: a kernel with these links looks it up, any other refuses the attach type first.
    let nothing = Handle::from_object(-1, ());
    let target = Target::Object(&nothing);
    let refusal = refusal(kernel, &prog, AttachType::PERF_EVENT, target, LinkKind::Plain);
    Ok(refusal == Some(Errno::EBADF))
}

pub(super) fn bpf_cookie(kernel: &Kernel) -> Answer {
    let insns = [call(HelperId::GET_ATTACH_COOKIE), EXIT];
    accepted(load(kernel, ProgType::TRACEPOINT, &insns, ProgLoad::default()))
}

pub(super) fn memcg_account(kernel: &Kernel) -> Answer {
    // The helper came in the release that changed the accounting.
    let insns = [call(HelperId::KTIME_GET_COARSE_NS), EXIT];
    accepted(load(kernel, ProgType::SOCKET_FILTER, &insns, ProgLoad::default()))
}

pub(super) fn syscall_wrapper(kernel: &Kernel) -> Answer {
    // A kernel with wrappers has `__ARCH_sys_bpf`; one without has `sys_bpf`, and both may have the inner functions.
    let symbols = kernel.fact(Fact::Kallsyms)?;
    let name = |line: &[u8]| line.split(|b| *b == b' ').nth(2).map(<[u8]>::to_vec);
    let is_wrapper = |name: &[u8]| {
        name.starts_with(b"__")
            && name.ends_with(b"_sys_bpf")
            && name != b"__se_sys_bpf"
            && name != b"__do_sys_bpf"
    };
    // Only lines that can match are taken apart: there are some 200,000.
    let mut lines = symbols.split(|b| *b == b'\n').filter(|line| line.ends_with(b"_sys_bpf"));
    Ok(lines.any(|line| name(line).is_some_and(|n| is_wrapper(&n))))
}

pub(super) fn uprobe_multi_link(kernel: &Kernel) -> Answer {
    let attach_type = AttachType::TRACE_UPROBE_MULTI;
    let request = ProgLoad { expected_attach_type: attach_type, ..ProgLoad::default() };
    let prog = load(kernel, ProgType::KPROBE, &RETURN_0, request)?;
    // `/` is no file that probes can be in.
    let ask = |pid| {
        let kind = LinkKind::UprobeMulti {
            flags: 0,
            path: Path::new("/"),
            offsets: &[0],
            ref_ctr_offsets: &[],
            cookies: &[],
            pid,
            path_fd: None,
        };
        refusal(kernel, &prog, attach_type, Target::None, kind)
    };
    // The first kernels took the process for a thread. Those that do it right refuse an impossible process before they
    // look at the file.
    Ok(ask(0) == Some(Errno::EBADF) && ask(u32::MAX) == Some(Errno::EINVAL))
}

pub(super) fn arg_ctx_tag(kernel: &Kernel) -> Answer {
    let mut ids = [TypeId::VOID; 2];
    let btf = load_btf(kernel, |b| {
        let int = int(b)?;
        let pointer = b.add_ptr(TypeId::VOID)?;
        let main = b.add_func_proto(int)?;
        b.add_func_param("a", pointer)?;
        ids[0] = b.add_func("a", FuncLinkage::GLOBAL, main)?;
        let sub = b.add_func_proto(int)?;
        b.add_func_param("b", pointer)?;
        ids[1] = b.add_func("b", FuncLinkage::GLOBAL, sub)?;
        b.add_decl_tag("arg:ctx", ids[1], 0).map(drop)
    });
    let Ok(btf) = btf else { return Ok(false) };
    // The function asks for a context by calling a helper that wants one; without the tag its argument is only memory.
    let insns =
        [Insn::new(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, 1), EXIT, call(HelperId::GET_FUNC_IP), EXIT];
    let funcs: [u32; 4] = [0, ids[0].0, 2, ids[1].0];
    let request = ProgLoad {
        prog_name: "det_arg_ctx",
        prog_btf: Some(&btf),
        func_info: funcs.as_bytes(),
        func_info_rec_size: 8,
        ..ProgLoad::default()
    };
    accepted(load(kernel, ProgType::KPROBE, &insns, request))
}

pub(super) fn ld_imm64_full_range_off(kernel: &Kernel) -> Answer {
    let map = array(kernel, "", 1, MapFlags::empty())?;
    let insns =
        [Insn::new(LD_IMM64, 1, BPF_PSEUDO_MAP_VALUE, 0, map.number()), Insn::new(0, 0, 0, 0, 1 << 30), EXIT];
    // No kernel grants that, and the complaint tells which limit it is.
    let mut text = vec![0; 4096];
    let log = Some(LogBuf { level: 1, buf: &mut text, true_size: 0 });
    let request = ProgLoad {
        prog_type: ProgType::SOCKET_FILTER,
        insns: &insns,
        license: "GPL",
        log,
        ..ProgLoad::default()
    };
    let (result, request) = kernel.prog_load(request);
    if let Err(e @ (Errno::EPERM | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE)) = result {
        return Err(e);
    }
    let log = request.log.map(|log| log.text()).unwrap_or_default();
    Ok(log.contains("invalid access to map value pointer"))
}

pub(super) fn uprobe_syscall(kernel: &Kernel) -> Answer {
    Ok(kernel.fact(Fact::UprobeSyscall).is_ok())
}

pub(super) fn common_attrs(kernel: &Kernel) -> Answer {
    Ok(kernel.fact(Fact::CommonAttrs).is_ok())
}

const fn mov(value: i32) -> Insn {
    Insn::new(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, value)
}

/// A program that only a kernel with the feature loads; `None` for features that no single program shows.
pub(super) fn isa_probe(feature: Feature) -> Option<Vec<Insn>> {
    let insns = match feature {
        Feature::LargePrograms => {
            let mut insns = vec![mov(1); 4096];
            insns.push(EXIT);
            insns
        }
        // 10 times round.
        Feature::BoundedLoops => vec![
            mov(10),
            Insn::new(BPF_ALU64 | BPF_SUB | BPF_K, 0, 0, 0, 1),
            Insn::new(BPF_JMP | BPF_JNE | BPF_K, 0, 0, -2, 0),
            EXIT,
        ],
        Feature::IsaV2 => vec![mov(0), Insn::new(BPF_JMP | BPF_JLT | BPF_K, 0, 0, 1, 0), mov(1), EXIT],
        Feature::IsaV3 => vec![mov(0), Insn::new(BPF_JMP32 | BPF_JLT | BPF_K, 0, 0, 1, 0), mov(1), EXIT],
        // The jump whose distance is in the immediate.
        Feature::IsaV4 => vec![
            mov(0),
            Insn::new(BPF_JMP32 | BPF_JEQ | BPF_K, 0, 0, 1, 1),
            Insn::new(BPF_JMP32 | BPF_JA, 0, 0, 0, 1),
            mov(1),
            EXIT,
        ],
        _ => return None,
    };
    Some(insns)
}

pub(super) fn runs_on(kernel: &Kernel, insns: &[Insn], ifindex: u32) -> Answer {
    let request = ProgLoad { prog_ifindex: ifindex, ..ProgLoad::default() };
    accepted(load(kernel, ProgType::SOCKET_FILTER, insns, request))
}

fn isa(kernel: &Kernel, feature: Feature) -> Answer {
    runs_on(kernel, &isa_probe(feature).unwrap_or_default(), 0)
}

pub(super) fn large_programs(kernel: &Kernel) -> Answer {
    isa(kernel, Feature::LargePrograms)
}

pub(super) fn bounded_loops(kernel: &Kernel) -> Answer {
    isa(kernel, Feature::BoundedLoops)
}

pub(super) fn isa_v2(kernel: &Kernel) -> Answer {
    isa(kernel, Feature::IsaV2)
}

pub(super) fn isa_v3(kernel: &Kernel) -> Answer {
    isa(kernel, Feature::IsaV3)
}

pub(super) fn isa_v4(kernel: &Kernel) -> Answer {
    isa(kernel, Feature::IsaV4)
}
