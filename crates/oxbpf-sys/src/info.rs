//! Info structs: writes where the buffers are, and how long, into the struct that the kernel reads before it fills it.
//!
//! A kernel only looks at addresses inside the length that it is told, so a slot that does not fit in the caller's
//! struct is an error here.

use oxbpf_kernel::InfoBuffers;
use oxbpf_uapi::{Errno, LinkType};

use crate::attr::output;

/// Where an info struct has the address of a buffer and its length or count, in bytes from the start.
#[derive(Clone, Copy)]
struct Slot {
    addr: usize,
    len: usize,
}

/// `struct bpf_prog_info`.
mod prog {
    use super::Slot;

    pub(super) const JITED_INSNS: Slot = Slot { addr: 24, len: 16 };
    pub(super) const XLATED_INSNS: Slot = Slot { addr: 32, len: 20 };
    pub(super) const MAP_IDS: Slot = Slot { addr: 56, len: 52 };
    pub(super) const JITED_KSYMS: Slot = Slot { addr: 112, len: 104 };
    pub(super) const JITED_FUNC_LENS: Slot = Slot { addr: 120, len: 108 };
    pub(super) const FUNC_INFO: Slot = Slot { addr: 136, len: 144 };
    pub(super) const LINE_INFO: Slot = Slot { addr: 152, len: 148 };
    pub(super) const JITED_LINE_INFO: Slot = Slot { addr: 160, len: 168 };
    pub(super) const PROG_TAGS: Slot = Slot { addr: 184, len: 180 };
    pub(super) const FUNC_INFO_REC_SIZE: usize = 132;
    pub(super) const LINE_INFO_REC_SIZE: usize = 172;
    pub(super) const JITED_LINE_INFO_REC_SIZE: usize = 176;
}

/// `struct bpf_btf_info`.
mod btf {
    use super::Slot;

    pub(super) const BTF: Slot = Slot { addr: 0, len: 8 };
    pub(super) const NAME: Slot = Slot { addr: 16, len: 24 };
}

/// `struct bpf_link_info`: each kind has its own member of the union at 16.
mod link {
    use super::Slot;

    /// Raw tracepoints and iterators.
    pub(super) const NAME: Slot = Slot { addr: 16, len: 24 };
    /// Perf events, whatever the event is.
    pub(super) const PERF_NAME: Slot = Slot { addr: 24, len: 32 };
    pub(super) const KPROBE_ADDRS: Slot = Slot { addr: 16, len: 24 };
    pub(super) const KPROBE_COOKIES: Slot = Slot { addr: 40, len: 24 };
    pub(super) const UPROBE_PATH: Slot = Slot { addr: 16, len: 48 };
    pub(super) const UPROBE_OFFSETS: Slot = Slot { addr: 24, len: 52 };
    pub(super) const UPROBE_REF_CTR_OFFSETS: Slot = Slot { addr: 32, len: 52 };
    pub(super) const UPROBE_COOKIES: Slot = Slot { addr: 40, len: 52 };
    /// Offset of the kind of perf event; 0 says that the kernel has nothing to tell.
    pub(super) const PERF_KIND: usize = 16;
}

/// Writes addresses and lengths of `buffers` into `info`. `known` is the info struct of a link as a first call without
/// buffers gave it, which says what the union is.
pub(crate) fn point_at_buffers(
    info: &mut [u8],
    buffers: &mut InfoBuffers<'_>,
    known: &[u8],
) -> Result<(), Errno> {
    match buffers {
        InfoBuffers::None => Ok(()),
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
            point(info, prog::XLATED_INSNS, xlated_insns, 1)?;
            point(info, prog::JITED_INSNS, jited_insns, 1)?;
            point(info, prog::MAP_IDS, map_ids, 1)?;
            point(info, prog::JITED_KSYMS, jited_ksyms, 1)?;
            point(info, prog::JITED_FUNC_LENS, jited_func_lens, 1)?;
            point_records(info, prog::FUNC_INFO, prog::FUNC_INFO_REC_SIZE, func_info, 8)?;
            point_records(info, prog::LINE_INFO, prog::LINE_INFO_REC_SIZE, line_info, 16)?;
            point(info, prog::JITED_LINE_INFO, jited_line_info, 1)?;
            if !jited_line_info.is_empty() {
                put(info, prog::JITED_LINE_INFO_REC_SIZE, &8_u32.to_ne_bytes())?;
            }
            point(info, prog::PROG_TAGS, prog_tags, 8)
        }
        InfoBuffers::Btf { btf, name } => {
            point(info, btf::BTF, btf, 1)?;
            point(info, btf::NAME, name, 1)
        }
        InfoBuffers::Link { name, addrs, cookies, ref_ctr_offsets } => match LinkType(word(known, 0)) {
            LinkType::RAW_TRACEPOINT | LinkType::ITER => point(info, link::NAME, name, 1),
            LinkType::PERF_EVENT if word(known, link::PERF_KIND) != 0 => {
                point(info, link::PERF_NAME, name, 1)
            }
            LinkType::KPROBE_MULTI => {
                same_count(addrs, cookies)?;
                point(info, link::KPROBE_ADDRS, addrs, 1)?;
                point(info, link::KPROBE_COOKIES, cookies, 1)
            }
            LinkType::UPROBE_MULTI => {
                same_count(addrs, cookies)?;
                same_count(addrs, ref_ctr_offsets)?;
                point(info, link::UPROBE_PATH, name, 1)?;
                point(info, link::UPROBE_OFFSETS, addrs, 1)?;
                point(info, link::UPROBE_COOKIES, cookies, 1)?;
                point(info, link::UPROBE_REF_CTR_OFFSETS, ref_ctr_offsets, 1)
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
