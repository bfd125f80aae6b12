//! Programs: `BPF_PROG_LOAD` checks, resolves and decodes them.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use oxbpf_btf::{CoreRelo, CoreReloKind, TypeId};
use oxbpf_kernel::{Handle, LogBuf, ObjectKind, ProgLoad};
use oxbpf_relo::{Relocator, Target};
use oxbpf_uapi::insn::{
    BPF_PSEUDO_BTF_ID, BPF_PSEUDO_FUNC, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_IDX, BPF_PSEUDO_MAP_IDX_VALUE,
    BPF_PSEUDO_MAP_VALUE,
};
use oxbpf_uapi::{AttachType, Errno, Insn, MapType, ProgType};
use oxbpf_vm::Program;

use crate::maps::MapRef;
use crate::registry::{Object, btf_of, map_of};
use crate::state::State;
use crate::{kbtf, tracepoints, verify};

/// A loaded program.
#[derive(Debug)]
pub(crate) struct Prog {
    pub(crate) id: u32,
    pub(crate) prog_type: ProgType,
    pub(crate) attach_type: AttachType,
    pub(crate) name: String,
    pub(crate) tag: [u8; 8],
    pub(crate) is_gpl: bool,
    pub(crate) insns: Vec<Insn>,
    /// What runs.
    pub(crate) program: Arc<Program>,
    /// Maps that the instructions name, and those bound since.
    pub(crate) maps: Vec<MapRef>,
    pub(crate) bound: std::sync::Mutex<Vec<MapRef>>,
    pub(crate) btf_id: u32,
    pub(crate) attach_btf_id: u32,
    /// Name of the kernel type or function that the program attaches to.
    pub(crate) attach_name: Option<String>,
    pub(crate) func_info: (Vec<u8>, u32),
    pub(crate) line_info: (Vec<u8>, u32),
    pub(crate) load_time_ns: u64,
    pub(crate) run_count: AtomicU64,
    pub(crate) run_time_ns: AtomicU64,
}

/// Program types that the embedded kernel runs.
const SERVED: &[ProgType] = &[
    ProgType::SOCKET_FILTER,
    ProgType::KPROBE,
    ProgType::SCHED_CLS,
    ProgType::SCHED_ACT,
    ProgType::TRACEPOINT,
    ProgType::XDP,
    ProgType::PERF_EVENT,
    ProgType::CGROUP_SKB,
    ProgType::RAW_TRACEPOINT,
    ProgType::RAW_TRACEPOINT_WRITABLE,
    ProgType::TRACING,
    ProgType::SYSCALL,
];

/// `BPF_PROG_LOAD`.
pub(crate) fn load(state: &State, req: &mut ProgLoad<'_>) -> Result<Handle, Errno> {
    let mut log = String::new();
    let result = check(state, req, &mut log);
    if let Some(buffer) = &mut req.log {
        let full = write_log(buffer, &log);
        if full && result.is_ok() {
            return Err(Errno::ENOSPC);
        }
    }
    Ok(state.registry.handle(Object::Prog(Arc::new(result?))))
}

/// Copies the log, NUL terminated; says whether it did not fit.
pub(crate) fn write_log(buffer: &mut LogBuf<'_>, log: &str) -> bool {
    let room = buffer.buf.len();
    buffer.true_size = u32::try_from(log.len() + 1).unwrap_or(u32::MAX);
    if room == 0 || buffer.level == 0 {
        return false;
    }
    // A log that does not fit keeps its end, where the cause is, as in Linux 6.4 and later.
    let bytes = log.as_bytes();
    let kept = bytes.get(bytes.len().saturating_sub(room - 1)..).unwrap_or_default();
    for (to, from) in buffer.buf.iter_mut().zip(kept.iter().chain([&0])) {
        *to = *from;
    }
    kept.len() < bytes.len()
}

fn check(state: &State, req: &ProgLoad<'_>, log: &mut String) -> Result<Prog, Errno> {
    if !req.core_relos.is_empty() {
        let insns = relocate(req, log)?;
        let relocated = ProgLoad {
            prog_type: req.prog_type,
            insns: &insns,
            license: req.license,
            log: None,
            prog_flags: req.prog_flags,
            prog_name: req.prog_name,
            expected_attach_type: req.expected_attach_type,
            prog_btf: req.prog_btf,
            func_info: req.func_info,
            func_info_rec_size: req.func_info_rec_size,
            line_info: req.line_info,
            line_info_rec_size: req.line_info_rec_size,
            attach_btf_id: req.attach_btf_id,
            fd_array: req.fd_array,
            fd_array_is_bound: req.fd_array_is_bound,
            ..ProgLoad::default()
        };
        return check(state, &relocated, log);
    }
    if !SERVED.contains(&req.prog_type) {
        let served: Vec<_> = SERVED.iter().filter_map(|t| t.short_name()).collect();
        refuse(
            log,
            &format!(
                "{} programs are not served by the embedded kernel; it has {}",
                req.prog_type,
                served.join(", ")
            ),
        );
        return Err(Errno::EINVAL);
    }
    if req.insns.is_empty() {
        return Err(Errno::E2BIG);
    }
    if !req.signature.is_empty() {
        refuse(log, "signatures are not verified by the embedded kernel");
        return Err(Errno::EOPNOTSUPP);
    }
    let attach_name = attach_name(req, log)?;
    let mut maps = Vec::new();
    let resolved = resolve(state, req, &mut maps, log)?;
    let is_gpl = is_gpl_compatible(req.license);
    verify::verify(state, req, is_gpl, log)?;
    let is_stranger = |map: &MapRef| {
        map.ops.as_fd_array().is_some_and(|array| {
            map.params.map_type == MapType::PROG_ARRAY
                && !array.admits(req.prog_type, req.expected_attach_type)
        })
    };
    if maps.iter().any(is_stranger) {
        return Err(Errno::EINVAL);
    }
    let program = Program::new(req.prog_name, &resolved).map_err(|e| {
        refuse(log, &e.to_string());
        Errno::EINVAL
    })?;
    let btf_id = req.prog_btf.map(|btf| btf_of(btf)).transpose()?.map_or(0, |b| b.id);
    Ok(Prog {
        id: state.registry.new_id(ObjectKind::Prog),
        prog_type: req.prog_type,
        attach_type: req.expected_attach_type,
        name: req.prog_name.chars().take(15).collect(),
        tag: tag(req.insns),
        is_gpl,
        insns: req.insns.to_vec(),
        program: Arc::new(program),
        maps,
        bound: std::sync::Mutex::default(),
        btf_id,
        attach_btf_id: req.attach_btf_id,
        attach_name,
        func_info: (req.func_info.to_vec(), req.func_info_rec_size),
        line_info: (req.line_info.to_vec(), req.line_info_rec_size),
        load_time_ns: u64::try_from(Instant::now().duration_since(state.started).as_nanos())
            .unwrap_or(u64::MAX),
        run_count: AtomicU64::new(0),
        run_time_ns: AtomicU64::new(0),
    })
}

/// Makes the CO-RE relocations that came with a load.
fn relocate(req: &ProgLoad<'_>, log: &mut String) -> Result<Vec<Insn>, Errno> {
    let btf = btf_of(req.prog_btf.ok_or(Errno::EINVAL)?)?;
    let mut relocator = Relocator::new(&btf.btf, vec![Target { name: "vmlinux", btf: kbtf::btf() }]);
    let mut insns = req.insns.to_vec();
    for record in req.core_relos.chunks_exact(16) {
        let word = |i: usize| {
            record.get(4 * i..).and_then(|r| r.first_chunk()).map_or(0, |w| u32::from_ne_bytes(*w))
        };
        let [insn_off, type_id, access_str_off, kind] = [0, 1, 2, 3].map(word);
        let access_str = btf.btf.str_at(access_str_off).map_err(|_| Errno::EINVAL)?;
        let relo = CoreRelo { insn_off, type_id: TypeId(type_id), access_str, kind: CoreReloKind(kind) };
        let done = relocator.relocate(&mut insns, insn_off as usize / 8, &relo);
        done.map_err(|e| {
            refuse(log, &format!("relo at insn {}: {e}", insn_off / 8));
            Errno::EINVAL
        })?;
    }
    Ok(insns)
}

fn refuse(log: &mut String, why: &str) {
    log.push_str(why);
    log.push('\n');
}

/// What a program of a tracing type attaches to, checked against what there is.
fn attach_name(req: &ProgLoad<'_>, log: &mut String) -> Result<Option<String>, Errno> {
    if req.prog_type != ProgType::TRACING {
        return if req.attach_btf_id == 0 { Ok(None) } else { Err(Errno::EINVAL) };
    }
    if req.attach_btf_id == 0 {
        refuse(log, "Tracing programs must provide btf_id");
        return Err(Errno::EINVAL);
    }
    let target = kbtf::btf().get(TypeId(req.attach_btf_id)).map_err(|_| Errno::EINVAL)?;
    let name = target.name().to_owned();
    let is_served = match req.expected_attach_type {
        AttachType::TRACE_RAW_TP => name.strip_prefix("btf_trace_").is_some_and(tracepoints::has_raw),
        AttachType::TRACE_ITER => name.starts_with("bpf_iter_"),
        _ => false,
    };
    if !is_served {
        let raw = tracepoints::raw_names();
        refuse(
            log,
            &format!(
                "{} on `{name}` is not served by the embedded kernel; it has tp_btf on {raw}, and iter/task",
                req.expected_attach_type
            ),
        );
        return Err(Errno::EINVAL);
    }
    Ok(Some(name))
}

/// Replaces what 64-bit immediates stand for by the values that the program sees.
fn resolve(
    state: &State,
    req: &ProgLoad<'_>,
    maps: &mut Vec<MapRef>,
    log: &mut String,
) -> Result<Vec<Insn>, Errno> {
    let mut insns = req.insns.to_vec();
    let mut at = 0;
    while let Some(first) = insns.get(at).copied() {
        if !first.is_ld_imm64() {
            at += 1;
            continue;
        }
        let Some(second) = insns.get(at + 1).copied() else { break };
        let value = match first.src() {
            0 | BPF_PSEUDO_FUNC => None,
            BPF_PSEUDO_MAP_FD => Some(use_map(state, first.imm, maps)?.address()),
            BPF_PSEUDO_MAP_VALUE => Some(use_map(state, first.imm, maps)?.ops.value_addr(second.imm as u32)?),
            BPF_PSEUDO_MAP_IDX => Some(indexed_map(req, first.imm, maps)?.address()),
            BPF_PSEUDO_MAP_IDX_VALUE => {
                Some(indexed_map(req, first.imm, maps)?.ops.value_addr(second.imm as u32)?)
            }
            BPF_PSEUDO_BTF_ID => match kbtf::var_address(TypeId(first.imm as u32)) {
                Some(address) => Some(address),
                None => {
                    refuse(log, &format!("{at}: ldimm64: kernel variable {} is not served", first.imm));
                    return Err(Errno::EINVAL);
                }
            },
            _ => {
                refuse(log, &format!("{at}: unrecognized bpf_ld_imm64 insn"));
                return Err(Errno::EINVAL);
            }
        };
        if let (Some(value), Some([low, high])) = (value, insns.get_mut(at..at + 2)) {
            *low = Insn::new(first.code, first.dst(), 0, 0, value as u32 as i32);
            *high = Insn::new(0, 0, 0, 0, (value >> 32) as u32 as i32);
        }
        at += 2;
    }
    for handle in req.fd_array {
        if let (true, Ok(map)) = (req.fd_array_is_bound, map_of(handle)) {
            keep(maps, map);
        }
    }
    Ok(insns)
}

fn use_map(state: &State, number: i32, maps: &mut Vec<MapRef>) -> Result<MapRef, Errno> {
    match state.registry.by_number(number)? {
        Object::Map(map) => Ok(keep(maps, &map)),
        _ => Err(Errno::EINVAL),
    }
}

fn indexed_map(req: &ProgLoad<'_>, index: i32, maps: &mut Vec<MapRef>) -> Result<MapRef, Errno> {
    let index = usize::try_from(index).map_err(|_| Errno::EINVAL)?;
    Ok(keep(maps, map_of(req.fd_array.get(index).ok_or(Errno::EPROTO)?)?))
}

fn keep(maps: &mut Vec<MapRef>, map: &MapRef) -> MapRef {
    if !maps.iter().any(|m| m.id == map.id) {
        maps.push(map.clone());
    }
    map.clone()
}

/// Licences that may call GPL-only helpers (`include/linux/license.h`).
pub(crate) fn is_gpl_compatible(license: &str) -> bool {
    const COMPATIBLE: &[&str] =
        &["GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"];
    COMPATIBLE.contains(&license)
}

/// A hash of the instructions, so that equal programs have equal tags. It is not the kernel's SHA.
fn tag(insns: &[Insn]) -> [u8; 8] {
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for insn in insns {
        // Numbers of maps differ from load to load and do not count, as in the kernel.
        let imm = if insn.is_ld_imm64() && insn.src() != 0 { 0 } else { insn.imm };
        let word = u64::from(insn.code) | u64::from(insn.regs) << 8 | u64::from(insn.off as u16) << 16;
        for part in [word, u64::from(imm as u32)] {
            hash = (hash ^ part).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash.to_ne_bytes()
}
