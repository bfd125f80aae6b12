//! `BPF_OBJ_GET_INFO_BY_FD`: what the embedded kernel says about its objects, in the kernel's structs.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

use oxbpf_kernel::{GetInfo, InfoBuffers};
use oxbpf_uapi::info::{
    BtfInfo, IterLinkInfo, LinkInfo, MapInfo, PerfEventLinkInfo, ProgInfo, RawTracepointLinkInfo,
    TracingLinkInfo, XdpLinkInfo,
};
use oxbpf_uapi::{Errno, LinkType};
use zerocopy::{FromZeros, Immutable, IntoBytes};

use crate::hooks::Hook;
use crate::links::Link;
use crate::maps::Map;
use crate::progs::Prog;
use crate::registry::{BtfObject, Object, object_of};
use crate::state::State;

/// Fills the struct and the buffers; gives how many bytes of the struct are known.
pub(crate) fn fill(_state: &State, req: &mut GetInfo<'_>) -> Result<usize, Errno> {
    match object_of(req.object)? {
        Object::Map(map) => copy(req.info, &map_info(map)),
        Object::Prog(prog) => {
            let info = prog_info(prog, &mut req.buffers);
            copy(req.info, &info)
        }
        Object::Btf(btf) => {
            let info = btf_info(btf, &mut req.buffers);
            copy(req.info, &info)
        }
        Object::Link(link) => {
            let info = link_info(link, &mut req.buffers);
            copy(req.info, &info)
        }
        Object::Perf(_) | Object::Iter(_) | Object::TraceLog | Object::Stats => Err(Errno::EINVAL),
    }
}

/// Copies as much of a struct as the caller has room for.
fn copy(out: &mut [u8], info: &(impl IntoBytes + Immutable)) -> Result<usize, Errno> {
    let bytes = info.as_bytes();
    let len = bytes.len().min(out.len());
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    Ok(len)
}

/// Copies what fits and gives the length of the whole.
fn put<T: Copy>(out: &mut [T], values: &[T]) -> u32 {
    for (to, from) in out.iter_mut().zip(values) {
        *to = *from;
    }
    u32::try_from(values.len()).unwrap_or(u32::MAX)
}

/// Where a buffer is; 0 for none.
fn address<T>(buffer: &[T]) -> u64 {
    if buffer.is_empty() { 0 } else { buffer.as_ptr().addr() as u64 }
}

/// Copies a text with its NUL, cut to the buffer, and gives the text's length.
fn put_text(out: &mut [u8], text: &str) -> u32 {
    if let Some(room) = out.len().checked_sub(1) {
        let bytes: Vec<u8> = text.bytes().take(room).chain([0]).collect();
        put(out, &bytes);
    }
    u32::try_from(text.len()).unwrap_or(u32::MAX)
}

fn name<const N: usize>(text: &str) -> [u8; N] {
    let mut out = [0; N];
    put_text(&mut out, text);
    out
}

fn map_info(map: &Map) -> MapInfo {
    let p = &map.params;
    let mut info = MapInfo::new_zeroed();
    info.r#type = p.map_type;
    info.id = map.id;
    info.key_size = p.key_size;
    info.value_size = p.value_size;
    info.max_entries = p.max_entries;
    info.map_flags = p.map_flags;
    info.name = name(&p.name);
    info.btf_id = p.btf_id;
    info.btf_key_type_id = p.btf_key_type_id;
    info.btf_value_type_id = p.btf_value_type_id;
    info.map_extra = p.map_extra;
    info
}

fn prog_info(prog: &Prog, buffers: &mut InfoBuffers<'_>) -> ProgInfo {
    let mut ids: Vec<u32> = prog.maps.iter().map(|m| m.id).collect();
    ids.extend(prog.bound.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|m| m.id));
    let xlated = prog.insns.as_slice().as_bytes();
    let mut info = ProgInfo::new_zeroed();
    info.r#type = prog.prog_type;
    info.id = prog.id;
    info.tag = prog.tag;
    info.xlated_prog_len = xlated.len() as u32;
    info.load_time = prog.load_time_ns;
    info.nr_map_ids = ids.len() as u32;
    info.name = name(&prog.name);
    info.gpl_compatible = prog.is_gpl.into();
    info.btf_id = prog.btf_id;
    info.func_info_rec_size = FUNC_INFO as u32;
    info.nr_func_info = records(&prog.func_info);
    info.line_info_rec_size = LINE_INFO as u32;
    info.nr_line_info = records(&prog.line_info);
    info.nr_prog_tags = 1;
    info.run_time_ns = prog.run_time_ns.load(Ordering::Relaxed);
    info.run_cnt = prog.run_count.load(Ordering::Relaxed);
    info.attach_btf_id = prog.attach_btf_id;
    info.verified_insns = prog.insns.len() as u32;
    if let InfoBuffers::Prog { xlated_insns, map_ids, func_info, line_info, prog_tags, .. } = buffers {
        put(xlated_insns, xlated);
        put(map_ids, &ids);
        put(func_info, &cut(&prog.func_info, FUNC_INFO));
        put(line_info, &cut(&prog.line_info, LINE_INFO));
        put(prog_tags, &prog.tag);
        // An address that is left says that the buffer was filled.
        info.xlated_prog_insns = address(xlated_insns);
        info.map_ids = address(map_ids);
        info.func_info = address(func_info);
        info.line_info = address(line_info);
        info.prog_tags = address(prog_tags);
    }
    info
}

/// Bytes of the records that the kernel gives out, whatever the size of those it was given.
const FUNC_INFO: usize = 8;
const LINE_INFO: usize = 16;

fn cut((bytes, size): &(Vec<u8>, u32), known: usize) -> Vec<u8> {
    let records = bytes.chunks_exact((*size as usize).max(1));
    records.flat_map(|record| record.iter().copied().take(known)).collect()
}

fn records((bytes, size): &(Vec<u8>, u32)) -> u32 {
    (bytes.len() as u32).checked_div(*size).unwrap_or(0)
}

fn btf_info(btf: &Arc<BtfObject>, buffers: &mut InfoBuffers<'_>) -> BtfInfo {
    let mut info = BtfInfo::new_zeroed();
    info.id = btf.id;
    info.btf_size = btf.btf.raw().len() as u32;
    info.name_len = btf.name.len() as u32;
    info.kernel_btf = u32::from(!btf.name.is_empty());
    if let InfoBuffers::Btf { btf: data, name } = buffers {
        put(data, btf.btf.raw());
        put_text(name, btf.name);
    }
    info
}

fn link_info(link: &Link, buffers: &mut InfoBuffers<'_>) -> LinkInfo {
    let mut info = LinkInfo::new_zeroed();
    info.r#type = link.link_type;
    info.id = link.id;
    info.prog_id = link.prog().map_or(0, |p| p.id);
    let mut no_name = [];
    let name: &mut [u8] = if let InfoBuffers::Link { name, .. } = buffers { name } else { &mut no_name };
    let out = info.data.as_mut_bytes();
    let copied = match (link.link_type, link.hook()) {
        (LinkType::RAW_TRACEPOINT, Some(Hook::RawTracepoint(tp))) => {
            let mut raw = RawTracepointLinkInfo::new_zeroed();
            raw.tp_name_len = put_text(name, &tp) + 1;
            raw.cookie = link.cookie();
            copy(out, &raw)
        }
        (LinkType::TRACING, Some(_)) => {
            let mut tracing = TracingLinkInfo::new_zeroed();
            tracing.attach_type = link.attach_type;
            tracing.target_obj_id = crate::kbtf::OBJECT_ID;
            tracing.target_btf_id = link.prog().map_or(0, |p| p.attach_btf_id);
            tracing.cookie = link.cookie();
            copy(out, &tracing)
        }
        (LinkType::ITER, Some(Hook::Iter(target))) => {
            let mut iter = IterLinkInfo::new_zeroed();
            iter.target_name_len = put_text(name, &target) + 1;
            copy(out, &iter)
        }
        (LinkType::XDP | LinkType::TCX, Some(Hook::Xdp(ifindex) | Hook::Tc { ifindex, .. })) => {
            // Both begin with the interface; tcx has the attach type after it.
            let mut xdp = XdpLinkInfo::new_zeroed();
            xdp.ifindex = ifindex;
            let copied = copy(out, &xdp);
            if let (LinkType::TCX, Some(at)) = (link.link_type, out.get_mut(4..8)) {
                at.copy_from_slice(&link.attach_type.0.to_ne_bytes());
            }
            copied
        }
        (LinkType::PERF_EVENT, Some(hook)) => {
            let mut perf = PerfEventLinkInfo::new_zeroed();
            // `BPF_PERF_EVENT_*`.
            perf.r#type = match &hook {
                Hook::Uprobe { is_return, .. } => 1 + u32::from(*is_return),
                Hook::Kprobe { is_return, .. } => 3 + u32::from(*is_return),
                Hook::Tracepoint(_) => 5,
                _ => 6,
            };
            if let Hook::Uprobe { path: text, .. }
            | Hook::Kprobe { func: text, .. }
            | Hook::Tracepoint(text) = &hook
            {
                put_text(name, text);
            }
            copy(out, &perf)
        }
        _ => Ok(0),
    };
    debug_assert!(copied.is_ok());
    info
}
