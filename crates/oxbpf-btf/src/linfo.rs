//! What the kernel says about a loaded program's lines in, the source line of an instruction or a machine address out.
//!
//! The kernel gives one record a line, in the order of instructions, and for a compiled program the machine address of
//! each. The addresses ascend within a function only: functions are placed anywhere. So a look-up by address names the
//! function, by its number among those that the kernel lists.

use core::ops::Range;

use crate::raw::u32_at;
use crate::{BtfError, LineInfo};

/// The source lines of a loaded program, by instruction and by machine address.
#[derive(Debug, Clone)]
#[doc(alias = "bpf_prog_linfo")]
pub struct ProgLines {
    /// Instructions are counted from the start of the program.
    lines: Vec<LineInfo>,
    /// Machine address of each line; empty if not known.
    addrs: Vec<u64>,
    /// The lines of each compiled function.
    funcs: Vec<Range<usize>>,
}

/// Where a program's machine code is, as the kernel tells it.
#[derive(Debug, Clone, Copy, Default)]
pub struct JitedLines<'a> {
    /// Machine address of each line (`jited_line_info`).
    pub addrs: &'a [u64],
    /// Address of each function (`jited_ksyms`).
    pub func_addrs: &'a [u64],
    /// Bytes of each function (`jited_func_lens`).
    pub func_lens: &'a [u32],
}

impl ProgLines {
    /// Takes the records that the kernel gives, `rec_size` bytes each, and the machine addresses if it gives those too.
    /// Without them, or if their number is not that of the lines, look-ups by address find nothing.
    ///
    /// # Errors
    /// `BadLines` without a record, for records shorter than an instruction's number, and for addresses that do not
    /// ascend within a function, do not begin with the first one, or do not reach all functions.
    #[doc(alias = "bpf_prog_linfo__new")]
    pub fn new(records: &[u8], rec_size: u32, jited: JitedLines<'_>) -> Result<ProgLines, BtfError> {
        if rec_size < 4 {
            return Err(BtfError::BadLines { why: "records are shorter than their first field" });
        }
        let line = |rec: &[u8]| {
            let word = |i: usize| u32_at(rec, 4 * i).unwrap_or_default();
            LineInfo { insn_off: word(0), file_name_off: word(1), line_off: word(2), line_col: word(3) }
        };
        let lines: Vec<LineInfo> = records.chunks_exact(rec_size as usize).map(line).collect();
        if lines.is_empty() {
            return Err(BtfError::BadLines { why: "there are none" });
        }
        let JitedLines { addrs, func_addrs, func_lens } = jited;
        if func_addrs.is_empty() || addrs.len() != lines.len() || func_lens.len() != func_addrs.len() {
            return Ok(ProgLines { lines, addrs: Vec::new(), funcs: Vec::new() });
        }
        let funcs = split_by_func(jited)?;
        Ok(ProgLines { lines, addrs: addrs.to_vec(), funcs })
    }

    /// The line of instruction number `insn`: of the lines but the first `skip`, the last one that begins at it or
    /// before. `None` if the first of them begins behind it, or there is none.
    #[doc(alias = "bpf_prog_linfo__lfind")]
    pub fn find(&self, insn: u32, skip: usize) -> Option<&LineInfo> {
        self.lines.get(skip..)?.iter().take_while(|line| line.insn_off <= insn).last()
    }

    /// The line of a machine address in function number `func`, without the first `skip` lines of that function.
    #[doc(alias = "bpf_prog_linfo__lfind_addr_func")]
    pub fn find_addr(&self, addr: u64, func: usize, skip: usize) -> Option<&LineInfo> {
        let range = self.funcs.get(func)?;
        let addrs = self.addrs.get(range.clone())?.get(skip..)?;
        let before = addrs.iter().take_while(|at| **at <= addr).count().checked_sub(1)?;
        self.lines.get(range.start + skip + before)
    }

    /// All lines.
    pub fn lines(&self) -> &[LineInfo] {
        &self.lines
    }
}

/// Which lines each function has: those from the one at its address up to the next function's.
fn split_by_func(jited: JitedLines<'_>) -> Result<Vec<Range<usize>>, BtfError> {
    let bad = |why| Err(BtfError::BadLines { why });
    let JitedLines { addrs, func_addrs, func_lens } = jited;
    if addrs.first() != func_addrs.first() {
        return bad("the first is not at the first function's address");
    }
    let mut starts = vec![0];
    let mut pairs = (1..).zip(addrs.iter().zip(addrs.iter().skip(1)));
    // What is behind the start of the last function is not looked at.
    while starts.len() < func_addrs.len() {
        let Some((i, (last, addr))) = pairs.next() else { return bad("not all functions have one") };
        let f = starts.len();
        let (Some(at), Some(before), Some(len)) =
            (func_addrs.get(f), func_addrs.get(f - 1), func_lens.get(f - 1))
        else {
            return bad("not all functions have one");
        };
        if addr == at {
            if last.wrapping_sub(*before).wrapping_add(1) > u64::from(*len) {
                return bad("a line is behind its function's end");
            }
            starts.push(i);
        } else if addr <= last {
            return bad("addresses do not ascend within a function");
        }
    }
    let ends = starts.iter().copied().skip(1).chain([addrs.len()]);
    Ok(starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect())
}
