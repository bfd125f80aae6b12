//! Slots in, functions of well-formed instructions that can all be reached out.

use core::ops::Range;

use oxbpf_asm::{DecodeError, Decoded, Imm64, Kind, decode_all, flow};
use oxbpf_uapi::Errno;

use crate::{Cause, Input, MAX_INSNS};

/// A program whose structure is sound.
#[derive(Debug)]
pub(crate) struct Program {
    /// Per slot, its instruction; `None` for the second slot of a 64-bit immediate.
    pub(crate) insns: Vec<Option<Decoded>>,
    /// In order; the first is the main one.
    pub(crate) functions: Vec<Range<usize>>,
    /// Starts of functions that the kernel calls.
    pub(crate) entries: Vec<usize>,
}

impl Program {
    pub(crate) fn get(&self, index: usize) -> Option<&Decoded> {
        self.insns.get(index)?.as_ref()
    }

    /// Number of the function that an instruction is in.
    pub(crate) fn function_of(&self, index: usize) -> usize {
        self.functions.partition_point(|f| f.start <= index).saturating_sub(1)
    }
}

/// Most functions that may be active at once.
const MAX_FRAMES: usize = 8;

pub(crate) fn check(input: &Input<'_>) -> Result<Program, Cause> {
    if input.insns.is_empty() || input.insns.len() > MAX_INSNS {
        return Err(Cause::new(
            None,
            Errno::E2BIG,
            format!("program of {} insns (limit {MAX_INSNS})", input.insns.len()),
        ));
    }
    let mut insns = vec![None; input.insns.len()];
    for (index, decoded) in decode_all(input.insns) {
        let decoded = decoded.map_err(|e| bad_insn(index, e))?;
        if let Some(slot) = insns.get_mut(index) {
            *slot = Some(decoded);
        }
    }
    let mut entries = input.env.entries();
    entries.retain(|e| insns.get(*e).is_some_and(Option::is_some));
    entries.push(0);
    let program = Program { functions: functions(input, &entries), insns, entries };
    targets(&program)?;
    reach(&program)?;
    call_graph(&program)?;
    Ok(program)
}

/// The functions that calls and function addresses make, cut further where the kernel enters.
fn functions(input: &Input<'_>, entries: &[usize]) -> Vec<Range<usize>> {
    let called = flow::functions(input.insns);
    let mut starts: Vec<usize> = called.iter().map(|f| f.start).chain(entries.iter().copied()).collect();
    starts.sort_unstable();
    starts.dedup();
    let ends = starts.iter().skip(1).copied().chain([input.insns.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

fn bad_insn(index: usize, error: DecodeError) -> Cause {
    let errno = if matches!(error, DecodeError::UnknownOpcode(_) | DecodeError::ReservedField(_)) {
        Errno::EINVAL
    } else {
        Errno::EACCES
    };
    Cause::new(index, errno, error.to_string())
}

/// Jumps stay in their function, calls and function addresses land on instructions, functions do not run into the next.
fn targets(program: &Program) -> Result<(), Cause> {
    for d in program.insns.iter().flatten() {
        let fail = |text: String| Err(Cause::new(d.index, Errno::EINVAL, text));
        let Some(raw) = d.raw_target() else { continue };
        let target = d.target().filter(|t| *t < program.insns.len());
        let is_call = matches!(d.row.kind, Kind::CallLocal | Kind::LdImm64(Imm64::Func));
        let Some(target) = target else {
            return fail(if is_call {
                "call to invalid destination".to_owned()
            } else {
                format!("jump out of range from insn {} to {raw}", d.index)
            });
        };
        if is_call && program.get(target).is_none() {
            return fail("call to invalid destination".to_owned());
        }
        if !is_call && program.function_of(target) != program.function_of(d.index) {
            return fail(format!("jump out of range from insn {} to {target}", d.index));
        }
    }
    for function in &program.functions {
        let last = program.insns.get(function.clone()).unwrap_or_default().iter().flatten().next_back();
        let ends =
            last.is_some_and(|d| matches!(d.row.kind, Kind::Exit | Kind::Ja | Kind::Gotol | Kind::Gotox));
        if !ends {
            return Err(Cause::new(last.map(|d| d.index), Errno::EINVAL, "last insn is not an exit or jmp"));
        }
    }
    Ok(())
}

/// Every instruction can be reached, taking every branch to be possible, and nothing reaches the second slot of one.
fn reach(program: &Program) -> Result<(), Cause> {
    // Where a jump through a register goes is up to a table in a map, so anything in its function may be a target.
    let mut seen = vec![false; program.insns.len()];
    let mut todo = program.entries.clone();
    while let Some(index) = todo.pop() {
        match seen.get_mut(index) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        let Some(d) = program.get(index) else { continue };
        todo.extend(flow::next(d).iter());
        match d.row.kind {
            Kind::CallLocal | Kind::LdImm64(Imm64::Func) => todo.extend(d.target()),
            Kind::Gotox => {
                todo.extend(program.functions.get(program.function_of(index)).cloned().into_iter().flatten())
            }
            _ => {}
        }
    }
    for d in program.insns.iter().flatten() {
        let is_seen = |index: usize| seen.get(index) == Some(&true);
        let fail = |text: String| Err(Cause::new(d.index, Errno::EINVAL, text));
        if !is_seen(d.index) {
            return fail(format!("unreachable insn {}", d.index));
        }
        if d.slots() == 2 && is_seen(d.index + 1) {
            return fail(format!("jump into the middle of ldimm64 insn {}", d.index));
        }
    }
    Ok(())
}

/// Functions do not call themselves, directly or through others, and do not nest deeper than there are frames.
fn call_graph(program: &Program) -> Result<(), Cause> {
    let mut calls: Vec<Vec<(usize, usize)>> = vec![Vec::new(); program.functions.len()];
    for d in program.insns.iter().flatten().filter(|d| d.row.kind == Kind::CallLocal) {
        let (from, to) = (program.function_of(d.index), d.target().map(|t| program.function_of(t)));
        if let (Some(list), Some(to)) = (calls.get_mut(from), to) {
            list.push((d.index, to));
        }
    }
    // Depth first; a function on the way here that is called again recurses. Heights are those of finished functions.
    let mut height: Vec<Option<usize>> = vec![None; calls.len()];
    for root in 0..calls.len() {
        let mut way = vec![(root, 0)];
        while let Some(&mut (function, ref mut next)) = way.last_mut() {
            let callees = calls.get(function).map(Vec::as_slice).unwrap_or_default();
            let Some(&(insn, callee)) = callees.get(*next) else {
                let below =
                    callees.iter().filter_map(|(_, c)| height.get(*c).copied().flatten()).max().unwrap_or(0);
                if let Some(slot) = height.get_mut(function) {
                    *slot = Some(below + 1);
                }
                way.pop();
                continue;
            };
            *next += 1;
            if way.iter().any(|(f, _)| *f == callee) {
                return Err(Cause::new(insn, Errno::EINVAL, format!("recursive call from insn {insn}")));
            }
            if height.get(callee) == Some(&None) {
                way.push((callee, 0));
            }
        }
    }
    let frames = height.first().copied().flatten().unwrap_or(1);
    if frames > MAX_FRAMES {
        return Err(Cause::new(None, Errno::E2BIG, format!("the call stack of {frames} frames is too deep")));
    }
    Ok(())
}
