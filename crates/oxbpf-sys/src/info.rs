//! Info structs: writes where the buffers are, and how long, into the struct that the kernel reads before it fills it.
//!
//! A kernel only looks at addresses inside the length that it is told, so a slot that does not fit in the caller's
//! struct is an error here.

use core::mem::offset_of;

use oxbpf_kernel::InfoBuffers;
use oxbpf_uapi::info::{
    BtfInfo, IterLinkInfo, KprobeMultiLinkInfo, MapInfo, PerfEventLinkInfo, ProgInfo, TracepointLinkInfo,
    UprobeMultiLinkInfo,
};
use oxbpf_uapi::{Abi, Errno, LinkType};

use crate::attr::output;

/// Where an info struct has the address of a buffer and its length or count, in bytes from the start.
#[derive(Clone, Copy)]
struct Slot {
    addr: usize,
    len: usize,
}

/// The slot of two fields of a struct, which itself starts at the struct's base.
macro_rules! slot {
    ($ty:ident: $addr:ident, $len:ident) => {
        Slot { addr: $ty::BASE + offset_of!($ty, $addr), len: $ty::BASE + offset_of!($ty, $len) }
    };
}

/// Offset of the kind of perf event in a link's info; 0 says that the kernel has nothing to tell.
const PERF_KIND: usize = PerfEventLinkInfo::BASE + offset_of!(PerfEventLinkInfo, r#type);

/// Writes addresses and lengths of `buffers` into `info`. `known` is the info struct of a link as a first call without
/// buffers gave it, which says what the union is.
pub(crate) fn point_at_buffers(
    info: &mut [u8],
    buffers: &mut InfoBuffers<'_>,
    known: &[u8],
) -> Result<(), Errno> {
    match buffers {
        InfoBuffers::None => Ok(()),
        InfoBuffers::Map { hash } => point(info, slot!(MapInfo: hash, hash_size), hash, 1),
        InfoBuffers::Prog {
            xlated_insns,
            jited_insns,
            map_ids,
            jited_ksyms,
            jited_func_lens,
            func_info,
            line_info,
            jited_line_info,
            prog_tags,
        } => {
            point(info, slot!(ProgInfo: xlated_prog_insns, xlated_prog_len), xlated_insns, 1)?;
            point(info, slot!(ProgInfo: jited_prog_insns, jited_prog_len), jited_insns, 1)?;
            point(info, slot!(ProgInfo: map_ids, nr_map_ids), map_ids, 1)?;
            point(info, slot!(ProgInfo: jited_ksyms, nr_jited_ksyms), jited_ksyms, 1)?;
            point(info, slot!(ProgInfo: jited_func_lens, nr_jited_func_lens), jited_func_lens, 1)?;
            point_records(
                info,
                slot!(ProgInfo: func_info, nr_func_info),
                offset_of!(ProgInfo, func_info_rec_size),
                func_info,
                8,
            )?;
            point_records(
                info,
                slot!(ProgInfo: line_info, nr_line_info),
                offset_of!(ProgInfo, line_info_rec_size),
                line_info,
                16,
            )?;
            point(info, slot!(ProgInfo: jited_line_info, nr_jited_line_info), jited_line_info, 1)?;
            if !jited_line_info.is_empty() {
                put(info, offset_of!(ProgInfo, jited_line_info_rec_size), &8_u32.to_ne_bytes())?;
            }
            point(info, slot!(ProgInfo: prog_tags, nr_prog_tags), prog_tags, 8)
        }
        InfoBuffers::Btf { btf, name } => {
            point(info, slot!(BtfInfo: btf, btf_size), btf, 1)?;
            point(info, slot!(BtfInfo: name, name_len), name, 1)
        }
        InfoBuffers::Link { name, addrs, cookies, ref_ctr_offsets } => match LinkType(word(known, 0)) {
            // Both have the name in the same place.
            LinkType::RAW_TRACEPOINT | LinkType::ITER => {
                point(info, slot!(IterLinkInfo: target_name, target_name_len), name, 1)
            }
            LinkType::PERF_EVENT if word(known, PERF_KIND) != 0 => {
                point(info, slot!(TracepointLinkInfo: tp_name, name_len), name, 1)
            }
            LinkType::KPROBE_MULTI => {
                same_count(addrs, cookies)?;
                point(info, slot!(KprobeMultiLinkInfo: addrs, count), addrs, 1)?;
                point(info, slot!(KprobeMultiLinkInfo: cookies, count), cookies, 1)
            }
            LinkType::UPROBE_MULTI => {
                same_count(addrs, cookies)?;
                same_count(addrs, ref_ctr_offsets)?;
                point(info, slot!(UprobeMultiLinkInfo: path, path_size), name, 1)?;
                point(info, slot!(UprobeMultiLinkInfo: offsets, count), addrs, 1)?;
                point(info, slot!(UprobeMultiLinkInfo: cookies, count), cookies, 1)?;
                point(info, slot!(UprobeMultiLinkInfo: ref_ctr_offsets, count), ref_ctr_offsets, 1)
            }
            _ => Ok(()),
        },
    }
}

/// Parallel arrays share one count field.
fn same_count(a: &[u64], b: &[u64]) -> Result<(), Errno> {
    if b.is_empty() || a.len() == b.len() { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Writes a slot; the length counts units of `unit` items. An empty buffer leaves it zero.
fn point<T>(info: &mut [u8], slot: Slot, buf: &mut [T], unit: usize) -> Result<(), Errno> {
    if buf.is_empty() {
        return Ok(());
    }
    let len = u32::try_from(buf.len() / unit).map_err(|_| Errno::E2BIG)?;
    put(info, slot.len, &len.to_ne_bytes())?;
    put(info, slot.addr, &output(buf).to_ne_bytes())
}

/// Writes a slot for records and says how large they are, which the kernel wants to agree with.
fn point_records(
    info: &mut [u8],
    slot: Slot,
    size_at: usize,
    buf: &mut [u8],
    size: u32,
) -> Result<(), Errno> {
    if buf.is_empty() {
        return Ok(());
    }
    put(info, size_at, &size.to_ne_bytes())?;
    point(info, slot, buf, size as usize)
}

fn put(info: &mut [u8], at: usize, bytes: &[u8]) -> Result<(), Errno> {
    info.get_mut(at..at + bytes.len()).ok_or(Errno::EINVAL)?.copy_from_slice(bytes);
    Ok(())
}

fn word(info: &[u8], at: usize) -> u32 {
    info.get(at..at + 4).and_then(|b| b.try_into().ok()).map_or(0, u32::from_ne_bytes)
}
