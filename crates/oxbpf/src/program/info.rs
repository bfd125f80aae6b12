//! What the kernel tells about a program: the fixed part, and the arrays that it points at as vectors.

use oxbpf_kernel::{GetInfo, InfoBuffers, Kernel, ProgFd};
use oxbpf_uapi::info::ProgInfo as Raw;
use oxbpf_uapi::{Cmd, Insn};
use zerocopy::{FromBytes, IntoBytes};

use crate::error::{At, Error, Frame, Result};

/// What the kernel says of a program, arrays included. An array that was not asked for, or that the kernel hides
/// (`kernel.kptr_restrict`, constants that are blinded), is empty; the counts in [`fixed`](Self::fixed) are told all the same.
#[derive(Clone, Debug, Default)]
#[doc(alias = "bpf_prog_info")]
pub struct ProgramInfo {
    /// Numbers and names. Its addresses mean nothing.
    pub fixed: Raw,
    /// Instructions as the verifier left them.
    pub xlated_insns: Vec<Insn>,
    /// Machine code of all functions, one after the other.
    pub jited_insns: Vec<u8>,
    /// Ids of the maps that it uses, bound ones included.
    pub map_ids: Vec<u32>,
    /// Kernel address of each function.
    pub jited_ksyms: Vec<u64>,
    /// Bytes of each function's machine code.
    pub jited_func_lens: Vec<u32>,
    /// `struct bpf_func_info` records, [`func_info_rec_size`](Raw::func_info_rec_size) bytes each.
    pub func_info: Vec<u8>,
    /// `struct bpf_line_info` records, [`line_info_rec_size`](Raw::line_info_rec_size) bytes each.
    pub line_info: Vec<u8>,
    /// Machine address of each line record.
    pub jited_line_info: Vec<u64>,
    /// Tag of each function.
    pub prog_tags: Vec<[u8; 8]>,
}

impl ProgramInfo {
    /// Name, up to 15 bytes; bytes that are not UTF-8 are replaced.
    pub fn name(&self) -> String {
        let name = self.fixed.name.split(|b| *b == 0).next().unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }
}

/// Which arrays of a program are asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InfoParts {
    /// Instructions as the verifier left them.
    pub xlated: bool,
    /// Machine code, with the address and length of each function.
    pub jited: bool,
    /// Ids of maps.
    pub maps: bool,
    /// Function and line records.
    pub records: bool,
    /// Machine address of each line record.
    pub jited_lines: bool,
    /// Tag of each function.
    pub tags: bool,
}

impl InfoParts {
    /// Everything.
    pub fn all() -> Self {
        Self { xlated: true, jited: true, maps: true, records: true, jited_lines: true, tags: true }
    }
}

/// How often the arrays are asked for, if the program gains maps meanwhile.
const ATTEMPTS: usize = 4;
/// The most bytes of one array. The kernel has a million instructions for a program at most.
const MOST_BYTES: usize = 256 << 20;

/// The fixed part.
pub(super) fn fixed(kernel: &Kernel, prog: &ProgFd) -> Result<Raw> {
    ask(kernel, prog, InfoBuffers::None)
}

/// The fixed part and the arrays.
pub(super) fn read(kernel: &Kernel, prog: &ProgFd, parts: InfoParts) -> Result<ProgramInfo> {
    let mut known = fixed(kernel, prog)?;
    for _ in 0..ATTEMPTS {
        let room = known;
        let answer = arrays(kernel, prog, parts, &room)?;
        if answer.fixed.nr_map_ids <= room.nr_map_ids || !parts.maps {
            return Ok(answer);
        }
        known = answer.fixed;
    }
    Err(Error::kernel(oxbpf_uapi::Errno::EAGAIN).at(Frame::Command(Cmd::OBJ_GET_INFO_BY_FD)))
}

fn arrays(kernel: &Kernel, prog: &ProgFd, parts: InfoParts, room: &Raw) -> Result<ProgramInfo> {
    let (records, jited_lines) = (parts.records, parts.jited_lines);
    let mut xlated: Vec<u8> = zeros(parts.xlated, room.xlated_prog_len, 1)?;
    let mut out = ProgramInfo {
        jited_insns: zeros(parts.jited, room.jited_prog_len, 1)?,
        map_ids: zeros(parts.maps, room.nr_map_ids, 1)?,
        jited_ksyms: zeros(parts.jited, room.nr_jited_ksyms, 1)?,
        jited_func_lens: zeros(parts.jited, room.nr_jited_func_lens, 1)?,
        func_info: zeros(records, room.nr_func_info, FUNC_INFO)?,
        line_info: zeros(records, room.nr_line_info, LINE_INFO)?,
        jited_line_info: zeros(jited_lines, room.nr_jited_line_info, 1)?,
        ..ProgramInfo::default()
    };
    let mut tags: Vec<u8> = zeros(parts.tags, room.nr_prog_tags, size_of::<[u8; 8]>())?;
    let info = ask(
        kernel,
        prog,
        InfoBuffers::Prog {
            xlated_insns: &mut xlated,
            jited_insns: &mut out.jited_insns,
            map_ids: &mut out.map_ids,
            jited_ksyms: &mut out.jited_ksyms,
            jited_func_lens: &mut out.jited_func_lens,
            func_info: &mut out.func_info,
            line_info: &mut out.line_info,
            jited_line_info: &mut out.jited_line_info,
            prog_tags: &mut tags,
        },
    )?;
    // The kernel takes the address away of what it hides, and tells how much there is, not how much it wrote.
    keep(&mut xlated, info.xlated_prog_insns, info.xlated_prog_len, 1);
    keep(&mut out.jited_insns, info.jited_prog_insns, info.jited_prog_len, 1);
    keep(&mut out.map_ids, info.map_ids, info.nr_map_ids, 1);
    keep(&mut out.jited_ksyms, info.jited_ksyms, info.nr_jited_ksyms, 1);
    keep(&mut out.jited_func_lens, info.jited_func_lens, info.nr_jited_func_lens, 1);
    keep(&mut out.func_info, info.func_info, info.nr_func_info, FUNC_INFO);
    keep(&mut out.line_info, info.line_info, info.nr_line_info, LINE_INFO);
    keep(&mut out.jited_line_info, info.jited_line_info, info.nr_jited_line_info, 1);
    keep(&mut tags, info.prog_tags, info.nr_prog_tags, size_of::<[u8; 8]>());
    out.xlated_insns =
        xlated.chunks_exact(size_of::<Insn>()).filter_map(|i| Insn::read_from_bytes(i).ok()).collect();
    out.prog_tags = tags.chunks_exact(8).filter_map(|tag| tag.try_into().ok()).collect();
    out.fixed = info;
    Ok(out)
}

/// Bytes of a record as they are asked for.
const FUNC_INFO: usize = 8;
const LINE_INFO: usize = 16;

/// Room for `count` records of `size` items each.
fn zeros<T: Clone + Default>(is_wanted: bool, count: u32, size: usize) -> Result<Vec<T>> {
    let items = (count as usize).saturating_mul(size);
    if !is_wanted {
        return Ok(Vec::new());
    }
    if items.saturating_mul(size_of::<T>()) > MOST_BYTES {
        return Err(Error::invalid_input(format!("the kernel tells of {items} items in one array")));
    }
    Ok(vec![T::default(); items])
}

fn keep<T>(items: &mut Vec<T>, address: u64, count: u32, size: usize) {
    let count = if address == 0 { 0 } else { count };
    items.truncate((count as usize).saturating_mul(size));
}

fn ask(kernel: &Kernel, prog: &ProgFd, buffers: InfoBuffers<'_>) -> Result<Raw> {
    let mut info = Raw::default();
    let request = GetInfo { object: prog, info: info.as_mut_bytes(), buffers };
    kernel.get_info(request).at(|| Frame::Command(Cmd::OBJ_GET_INFO_BY_FD))?;
    Ok(info)
}
