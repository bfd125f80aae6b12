//! All that the kernel tells about a program: the fixed part, and behind it instructions, code, addresses and records.

use std::sync::Arc;

use anyhow::{Context, Result};
use oxbpf::Kernel;
use oxbpf_btf::{Btf, JitedLines, ProgLines, TypeId};
use oxbpf_kernel::{GetInfo, Handle, InfoBuffers};
use oxbpf_uapi::Insn;
use oxbpf_uapi::btf_ext::FuncInfo;
use oxbpf_uapi::info::ProgInfo;
use zerocopy::{FromBytes, IntoBytes};

use crate::tool::select::info;

/// Which code to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// What the verifier made of the instructions.
    Xlated,
    /// Machine code.
    Jited,
}

/// A program with its code.
#[derive(Debug, Default)]
pub(super) struct Details {
    pub(super) info: ProgInfo,
    /// Of the kind that was asked for; empty if the kernel does not show it.
    pub(super) code: Vec<u8>,
    /// Addresses of the functions' machine code.
    pub(super) addresses: Vec<u64>,
    /// First instruction and type of each function.
    pub(super) functions: Vec<(usize, TypeId)>,
    pub(super) lines: Option<ProgLines>,
    pub(super) btf: Option<Arc<Btf>>,
}

/// Bytes of the records that are asked for.
const LINE_LEN: usize = 16;

impl Details {
    /// Asks for a program.
    ///
    /// # Errors
    /// The kernel's; if it has no BTF that it told of.
    pub(super) fn of(kernel: &Kernel, prog: &Handle, code: Code) -> Result<Self> {
        let first: ProgInfo = info(kernel, prog)?;
        let len = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        let mut xlated = vec![0; if code == Code::Xlated { len(first.xlated_prog_len) } else { 0 }];
        let mut jited = vec![0; if code == Code::Jited { len(first.jited_prog_len) } else { 0 }];
        let mut addresses = vec![0; len(first.nr_jited_ksyms)];
        let mut lengths = vec![0; len(first.nr_jited_func_lens)];
        let mut functions = vec![0; len(first.nr_func_info).saturating_mul(size_of::<FuncInfo>())];
        let mut lines = vec![0; len(first.nr_line_info).saturating_mul(LINE_LEN)];
        let mut line_addresses = vec![0; len(first.nr_jited_line_info)];
        let buffers = InfoBuffers::Prog {
            xlated_insns: &mut xlated,
            jited_insns: &mut jited,
            map_ids: &mut [],
            jited_ksyms: &mut addresses,
            jited_func_lens: &mut lengths,
            func_info: &mut functions,
            line_info: &mut lines,
            jited_line_info: &mut line_addresses,
            prog_tags: &mut [],
        };
        let mut info = ProgInfo::default();
        kernel
            .get_info(GetInfo { object: prog, info: info.as_mut_bytes(), buffers })
            .context("can't get prog info")?;
        // A kernel that hides a part takes its address out.
        let code = match code {
            Code::Xlated if info.xlated_prog_insns != 0 => xlated,
            Code::Jited if info.jited_prog_insns != 0 => jited,
            _ => Vec::new(),
        };
        if info.jited_ksyms == 0 {
            addresses.clear();
        }
        let btf = match info.btf_id {
            0 => None,
            id => Some(Arc::new(oxbpf::btf::by_id(kernel, id).context("failed to get btf")?)),
        };
        let record = |bytes: &[u8]| FuncInfo::read_from_bytes(bytes).ok();
        let functions = functions.chunks_exact(size_of::<FuncInfo>()).filter_map(record);
        let functions = functions.map(|f| (len(f.insn_off), TypeId(f.type_id))).collect();
        let jited = JitedLines { addrs: &line_addresses, func_addrs: &addresses, func_lens: &lengths };
        let lines = match lines.is_empty() {
            true => None,
            false => ProgLines::new(&lines, LINE_LEN as u32, jited)
                .inspect_err(|e| log::warn!("error in processing bpf_line_info, continue without it: {e}"))
                .ok(),
        };
        Ok(Self { info, code, addresses, functions, lines, btf })
    }

    /// The code as instructions.
    pub(super) fn insns(&self) -> Vec<Insn> {
        self.code.chunks_exact(size_of::<Insn>()).filter_map(|b| Insn::read_from_bytes(b).ok()).collect()
    }
}

/// Ids of the maps that a program uses.
pub(super) fn map_ids(kernel: &Kernel, prog: &Handle, count: u32) -> Vec<u32> {
    let mut ids = vec![0; usize::try_from(count).unwrap_or(0)];
    let mut info = ProgInfo::default();
    let buffers = InfoBuffers::Prog {
        xlated_insns: &mut [],
        jited_insns: &mut [],
        map_ids: &mut ids,
        jited_ksyms: &mut [],
        jited_func_lens: &mut [],
        func_info: &mut [],
        line_info: &mut [],
        jited_line_info: &mut [],
        prog_tags: &mut [],
    };
    let result = kernel.get_info(GetInfo { object: prog, info: info.as_mut_bytes(), buffers });
    ids.truncate(usize::try_from(info.nr_map_ids).unwrap_or(0));
    if result.is_ok() { ids } else { Vec::new() }
}
