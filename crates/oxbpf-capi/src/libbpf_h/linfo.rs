//! Source lines of loaded programs.

use core::mem::offset_of;

use oxbpf_btf::{JitedLines, LineInfo, ProgLines};
use oxbpf_uapi::info::ProgInfo;

use crate::arg::{Ptr, Raw, give};
use crate::fail::Fail;
use crate::ret::{Out, Void};

/// `count` numbers at an address that a field of the info has.
fn numbers<T: zerocopy::FromBytes>(info: Raw, field: usize, count: u32) -> Vec<T> {
    let at = Raw::at(info.read::<u64>(field) as usize);
    if at.is_null() { Vec::new() } else { (0..count as usize).map(|i| at.read(i * size_of::<T>())).collect() }
}

fn new(info: Raw) -> Result<ProgLines, Fail> {
    let number = |field| info.read::<u32>(field);
    let count = number(offset_of!(ProgInfo, nr_line_info));
    let size = number(offset_of!(ProgInfo, line_info_rec_size));
    let records = Raw::at(info.read::<u64>(offset_of!(ProgInfo, line_info)) as usize);
    let len = (count as usize).checked_mul(size as usize).ok_or(Fail::INVAL)?;
    let records = records.bytes(len).filter(|r| !r.is_empty()).ok_or(Fail::INVAL)?;
    let addrs: Vec<u64> = numbers(
        info,
        offset_of!(ProgInfo, jited_line_info),
        number(offset_of!(ProgInfo, nr_jited_line_info)),
    );
    let func_addrs: Vec<u64> =
        numbers(info, offset_of!(ProgInfo, jited_ksyms), number(offset_of!(ProgInfo, nr_jited_ksyms)));
    let func_lens: Vec<u32> = numbers(
        info,
        offset_of!(ProgInfo, jited_func_lens),
        number(offset_of!(ProgInfo, nr_jited_func_lens)),
    );
    let jited = JitedLines { addrs: &addrs, func_addrs: &func_addrs, func_lens: &func_lens };
    Ok(ProgLines::new(records, size, jited)?)
}

export! {
    /// Takes the lines of a program out of what the kernel told about it.
    fn bpf_prog_linfo__new(info: Raw) -> Out<ProgLines> {
        if info.is_null() {
            return Err(Fail::INVAL);
        }
        new(info).map(give)
    }

    /// Releases the lines.
    fn bpf_prog_linfo__free(prog_linfo: Ptr<ProgLines>) -> Void {
        drop(prog_linfo.take());
        Ok(())
    }

    /// The line of an instruction.
    fn bpf_prog_linfo__lfind(prog_linfo: Ptr<ProgLines>, insn_off: u32, nr_skip: u32) -> Out<LineInfo> {
        let found = prog_linfo.get()?.find(insn_off, nr_skip as usize);
        found.map(core::ptr::from_ref).ok_or(Fail::NOENT)
    }

    /// The line of a machine address.
    fn bpf_prog_linfo__lfind_addr_func(
        prog_linfo: Ptr<ProgLines>, addr: u64, func_idx: u32, nr_skip: u32,
    ) -> Out<LineInfo> {
        let found = prog_linfo.get()?.find_addr(addr, func_idx as usize, nr_skip as usize);
        found.map(core::ptr::from_ref).ok_or(Fail::NOENT)
    }
}
