//! The data flow: what every instruction does to the state, and what it needs of it.
//!
//! First the states are computed by joining until nothing changes; a program has finitely many since every join only forgets. Then each
//! instruction that can be reached is checked against its state.

use oxbpf_asm::{AluOp, Cond, Decoded, Imm64, Kind, Operand, Rmw, flow};
use oxbpf_uapi::{Errno, ProgType};

use crate::calls;
use crate::state::{Object, State, Value};
use crate::structure::Program;
use crate::{Cause, Input, MapRef};

/// Bytes of a function's frame.
pub(crate) const MAX_STACK: i32 = 512;

pub(crate) fn check(input: &Input<'_>, program: &Program, each: &mut dyn FnMut(usize)) -> Result<(), Cause> {
    let flow = Flow { input, program };
    let states = flow.states();
    let mut depth = vec![0; program.functions.len()];
    for (d, state) in program.insns.iter().flatten().zip_states(&states) {
        each(d.index);
        let used = flow.check_insn(d, state).map_err(|(errno, text)| Cause::new(d.index, errno, text))?;
        if let Some(depth) = depth.get_mut(program.function_of(d.index)) {
            *depth = used.max(*depth);
        }
    }
    flow.check_stack(&depth)
}

/// Pairs instructions with their states, leaving out those without one.
trait ZipStates<'s, 'd> {
    fn zip_states(self, states: &'s [Option<State>]) -> impl Iterator<Item = (&'d Decoded, &'s State)>;
}

impl<'s, 'd, I: Iterator<Item = &'d Decoded>> ZipStates<'s, 'd> for I {
    fn zip_states(self, states: &'s [Option<State>]) -> impl Iterator<Item = (&'d Decoded, &'s State)> {
        self.filter_map(|d| Some((d, states.get(d.index)?.as_ref()?)))
    }
}

/// An error number and a message.
pub(crate) type Failure = (Errno, String);

pub(crate) fn denied<T>(text: String) -> Result<T, Failure> {
    Err((Errno::EACCES, text))
}

pub(crate) struct Flow<'a> {
    pub(crate) input: &'a Input<'a>,
    pub(crate) program: &'a Program,
}

impl Flow<'_> {
    /// The state before each instruction that can be reached.
    fn states(&self) -> Vec<Option<State>> {
        let mut states: Vec<Option<State>> = vec![None; self.program.insns.len()];
        let unknown = Value::Unknown;
        let uninit = Value::Uninit;
        let start = State::entry([Value::Ctx, uninit, uninit, uninit, uninit]);
        let entries = self.program.entries.iter().filter(|e| **e != 0);
        let mut todo: Vec<_> =
            entries.map(|e| (*e, State::entry([unknown; 5]))).chain([(0, start)]).collect();
        while let Some((index, new)) = todo.pop() {
            let Some(d) = self.program.get(index) else { continue };
            let Some(slot) = states.get_mut(index) else { continue };
            let state = match slot {
                Some(old) => {
                    if !old.join(&new) {
                        continue;
                    }
                    old.clone()
                }
                None => slot.insert(new).clone(),
            };
            match d.row.kind {
                Kind::CallLocal => {
                    // The callee sees the caller's pointers, but its own frame is another one.
                    let args = [1, 2, 3, 4, 5].map(|r| match state.get(r) {
                        Value::Frame(_) | Value::Uninit => unknown,
                        value => value,
                    });
                    todo.extend(d.target().map(|t| (t, State::entry(args))));
                }
                Kind::LdImm64(Imm64::Func) => {
                    todo.extend(d.target().map(|t| (t, State::entry([unknown; 5]))));
                }
                Kind::Gotox => {
                    let function = self.program.functions.get(self.program.function_of(index)).cloned();
                    todo.extend(function.into_iter().flatten().map(|t| (t, state.clone())));
                }
                _ => {}
            }
            self.follow(d, state, &mut todo);
        }
        states
    }

    /// Adds where control goes after `d`, with the state there.
    fn follow(&self, d: &Decoded, mut state: State, todo: &mut Vec<(usize, State)>) {
        let next = flow::next(d);
        let Kind::Jmp { cond, wide, src } = d.row.kind else {
            self.apply(d, &mut state);
            todo.extend(next.iter().map(|t| (t, state.clone())));
            return;
        };
        let left = state.get(d.insn.dst());
        let right = match src {
            Operand::Imm => Value::Scalar(Some(d.imm as u64)),
            Operand::Reg => state.get(d.insn.src()),
        };
        let decided = match (left.known(), right.known()) {
            (Some(a), Some(b)) if wide => Some(cond.holds64(a, b)),
            (Some(a), Some(b)) => Some(cond.holds32(a as u32, b as u32)),
            // An object that is there is not null.
            _ => match (is_object(left) && wide, right.known(), cond) {
                (true, Some(0), Cond::Eq) => Some(false),
                (true, Some(0), Cond::Ne) => Some(true),
                _ => None,
            },
        };
        for (target, holds) in [(next.jump, true), (next.fall_through, false)] {
            let Some(target) = target.filter(|_| decided.is_none_or(|d| d == holds)) else { continue };
            let mut state = state.clone();
            if decided.is_none() {
                state.tell_apart();
            }
            let is_equal = match cond {
                Cond::Eq => holds,
                Cond::Ne => !holds,
                _ => {
                    todo.push((target, state));
                    continue;
                }
            };
            match (left, right.known()) {
                (Value::PtrOrNull(_, call), Some(0)) if wide => state.settle(call, is_equal),
                (Value::Scalar(None), Some(n)) if wide && is_equal => {
                    state.set(d.insn.dst(), Value::Scalar(Some(n)))
                }
                _ => {}
            }
            todo.push((target, state));
        }
    }

    /// What the state is after an instruction that does not branch.
    fn apply(&self, d: &Decoded, state: &mut State) {
        let (dst, src) = (d.insn.dst(), d.insn.src());
        match d.row.kind {
            Kind::Alu { op, wide, src: operand } => {
                let right = match operand {
                    Operand::Imm => Value::Scalar(Some(d.imm as u64)),
                    Operand::Reg => state.get(src),
                };
                state.set(dst, alu(op, wide, state.get(dst), right));
            }
            Kind::Neg { wide } => {
                let value = alu(AluOp::Sub, wide, Value::Scalar(Some(0)), state.get(dst));
                state.set(dst, value);
            }
            Kind::Movsx { bits, wide } => {
                let extended = state.get(src).known().map(|n| {
                    let shift = 64 - u32::from(bits);
                    let n = ((n << shift) as i64 >> shift) as u64;
                    if wide { n } else { u64::from(n as u32) }
                });
                state.set(dst, Value::Scalar(extended));
            }
            Kind::End { .. } => state.set(dst, Value::Scalar(None)),
            Kind::AddrSpaceCast => state.set(dst, Value::Unknown),
            Kind::LdImm64(what) => state.set(dst, imm64(d, what)),
            Kind::LdPacket { .. } => {
                for reg in 1..=5 {
                    state.set(reg, Value::Uninit);
                }
                state.set(0, Value::Scalar(None));
            }
            Kind::Ldx { size, signed } => {
                let value = self.loaded(state.get(src), d.insn.off, size.bytes(), state);
                let value = match value {
                    Value::Scalar(Some(n)) if signed => {
                        let shift = 64 - 8 * size.bytes();
                        Value::Scalar(Some(((n << shift) as i64 >> shift) as u64))
                    }
                    value => value,
                };
                state.set(dst, value);
            }
            Kind::LoadAcquire(size) => {
                let value = self.loaded(state.get(src), d.insn.off, size.bytes(), state);
                state.set(dst, value);
            }
            Kind::St(size) => store(state, d, size.bytes(), Value::Scalar(Some(d.imm as u64))),
            Kind::Stx(size) | Kind::StoreRelease(size) => store(state, d, size.bytes(), state.get(src)),
            Kind::Atomic { op, wide } => {
                store(state, d, if wide { 8 } else { 4 }, Value::Unknown);
                match op {
                    Rmw::Add | Rmw::Or | Rmw::And | Rmw::Xor => {}
                    // What is exchanged in a map value may be a pointer.
                    Rmw::CmpXchg => state.set(0, Value::Unknown),
                    _ => state.set(src, Value::Unknown),
                }
            }
            Kind::CallHelper | Kind::CallLocal | Kind::CallKfunc => {
                let result = self.call_result(d, state);
                calls::hold_or_release(d, state);
                if d.row.kind != Kind::CallHelper || calls::may_write_frame(self, d, state) {
                    state.smudge_all();
                }
                for reg in 1..=5 {
                    state.set(reg, Value::Uninit);
                }
                state.set(0, result);
            }
            Kind::Jmp { .. } | Kind::Ja | Kind::Gotol | Kind::Gotox | Kind::MayGoto | Kind::Exit => {}
        }
    }

    /// What a load gives.
    fn loaded(&self, base: Value, off: i16, size: u32, state: &State) -> Value {
        let number = Value::Scalar(None);
        match base {
            Value::Frame(Some(at)) => {
                state.fill(at.saturating_add(off.into()), size as i32).unwrap_or(Value::Unknown)
            }
            Value::Ptr(Object::MapValue(map), at) => {
                let is_plain = self.input.env.map(map).is_some_and(|m| !m.has_special_fields);
                let at = at.and_then(|at| u32::try_from(at.saturating_add(off.into())).ok());
                match at.and_then(|at| self.input.env.map_const(map, at, size)) {
                    Some(n) => Value::Scalar(Some(n)),
                    None if is_plain || size < 8 => number,
                    None => Value::Unknown,
                }
            }
            Value::Ptr(Object::Mem(_), _) => number,
            // These programs get registers or raw arguments, which are numbers to the kernel.
            Value::Ctx
                if matches!(
                    self.input.prog_type,
                    ProgType::KPROBE | ProgType::TRACEPOINT | ProgType::RAW_TRACEPOINT | ProgType::PERF_EVENT
                ) =>
            {
                number
            }
            _ if size < 4 => number,
            _ => Value::Unknown,
        }
    }

    /// What an instruction needs; gives how deep it reaches into the frame.
    fn check_insn(&self, d: &Decoded, state: &State) -> Result<i32, Failure> {
        let (dst, src) = (d.insn.dst(), d.insn.src());
        let size = |size: oxbpf_asm::Size| size.bytes();
        match d.row.kind {
            Kind::Alu { op, wide, src: operand } => {
                if operand == Operand::Reg {
                    readable(state, src)?;
                } else {
                    check_immediate(op, wide, d.insn.imm)?;
                }
                if op != AluOp::Mov {
                    readable(state, dst)?;
                    if let Value::PtrOrNull(..) = state.get(dst) {
                        let ty = state.get(dst);
                        return denied(format!(
                            "R{dst} pointer arithmetic on {ty} prohibited, null-check it first"
                        ));
                    }
                }
                writable(dst)?;
                // A frame address that is kept may be written through later, so it counts as used.
                let made = match operand {
                    Operand::Imm => alu(op, wide, state.get(dst), Value::Scalar(Some(d.imm as u64))),
                    Operand::Reg => Value::Unknown,
                };
                return Ok(if let Value::Frame(Some(off)) = made { reached(off) } else { 0 });
            }
            Kind::Neg { .. } | Kind::End { .. } => {
                readable(state, dst)?;
                writable(dst)?;
            }
            Kind::Movsx { .. } | Kind::AddrSpaceCast => {
                readable(state, src)?;
                writable(dst)?;
            }
            Kind::LdImm64(what) => {
                writable(dst)?;
                self.check_imm64(d, what)?;
            }
            Kind::LdPacket { indirect, .. } => {
                if indirect {
                    readable(state, src)?;
                }
                if state.get(6) == Value::Uninit {
                    return denied("R6 !read_ok".to_owned());
                }
                if !may_load_packet(self.input.prog_type) {
                    let text = "BPF_LD_[ABS|IND] instructions not allowed for this program type";
                    return Err((Errno::EINVAL, text.to_owned()));
                }
            }
            Kind::Ldx { size: s, .. } | Kind::LoadAcquire(s) => {
                readable(state, src)?;
                writable(dst)?;
                return self.check_access(state, src, d.insn.off, size(s), false);
            }
            Kind::St(s) => {
                readable(state, dst)?;
                return self.check_access(state, dst, d.insn.off, size(s), true);
            }
            Kind::Stx(s) | Kind::StoreRelease(s) => {
                readable(state, src)?;
                readable(state, dst)?;
                return self.check_access(state, dst, d.insn.off, size(s), true);
            }
            Kind::Atomic { op, wide } => {
                readable(state, src)?;
                readable(state, dst)?;
                match op {
                    Rmw::CmpXchg => readable(state, 0)?,
                    Rmw::Add | Rmw::Or | Rmw::And | Rmw::Xor => {}
                    _ => writable(src)?,
                }
                return self.check_access(state, dst, d.insn.off, if wide { 8 } else { 4 }, true);
            }
            Kind::Jmp { src: operand, .. } => {
                readable(state, dst)?;
                if operand == Operand::Reg {
                    readable(state, src)?;
                }
            }
            Kind::Gotox => readable(state, dst)?,
            Kind::CallHelper | Kind::CallKfunc => return self.check_call(d, state),
            // What other functions hold goes to their callers.
            Kind::Exit if self.program.function_of(d.index) == 0 => {
                readable(state, 0)?;
                check_leak(state, "BPF_EXIT instruction in main prog")?;
            }
            Kind::Exit | Kind::Ja | Kind::Gotol | Kind::MayGoto | Kind::CallLocal => {}
        }
        Ok(0)
    }

    fn check_imm64(&self, d: &Decoded, what: Imm64) -> Result<(), Failure> {
        let invalid = |text: String| Err((Errno::EINVAL, text));
        let Some(map) = map_of(d, what) else { return Ok(()) };
        let Some(info) = self.input.env.map(map) else {
            return Err((Errno::EBADF, format!("fd {} is not pointing to valid bpf_map", d.insn.imm)));
        };
        let off = (d.imm >> 32) as u32;
        match what {
            Imm64::MapFd | Imm64::MapIdx if off != 0 => invalid("unrecognized bpf_ld_imm64 insn".to_owned()),
            Imm64::MapValue | Imm64::MapIdxValue if off >= info.value_size => invalid(format!(
                "invalid access to map value pointer, value_size={} off={off}",
                info.value_size
            )),
            _ => Ok(()),
        }
    }

    /// Checks a load or store through a register; gives how deep it reaches into the frame.
    pub(crate) fn check_access(
        &self,
        state: &State,
        reg: u8,
        off: i16,
        size: u32,
        write: bool,
    ) -> Result<i32, Failure> {
        let value = state.get(reg);
        let off = i32::from(off);
        let size = size as i32;
        match value {
            Value::Scalar(_) | Value::PtrOrNull(..) | Value::Func(_) => {
                denied(format!("R{reg} invalid mem access '{value}'"))
            }
            Value::MapPtr(_) if write => denied(format!("R{reg} invalid mem access '{value}'")),
            Value::Frame(Some(base)) => {
                let at = base.saturating_add(off);
                // Whatever the machine can do, stack accesses are aligned.
                if at % size != 0 {
                    return denied(format!("misaligned stack access off 0+{base}+{off} size {size}"));
                }
                if at < -MAX_STACK || at > -size {
                    let how = if write { "write to" } else { "read from" };
                    return denied(format!("invalid {how} stack R{reg} off={at} size={size}"));
                }
                Ok(reached(at))
            }
            Value::Ptr(Object::MapValue(map), Some(at)) => {
                let value_size = self.input.env.map(map).map_or(u32::MAX, |m| m.value_size);
                let at = at.saturating_add(off);
                let end = i64::from(at) + i64::from(size);
                if at < 0 || end > i64::from(value_size) {
                    let text =
                        format!("invalid access to map value, value_size={value_size} off={at} size={size}");
                    return denied(format!(
                        "{text}\nR{reg} min value is outside of the allowed memory range"
                    ));
                }
                Ok(0)
            }
            _ => Ok(0),
        }
    }

    /// Checks that the frames of every chain of calls fit in one stack, where the kernel has only one.
    fn check_stack(&self, depth: &[i32]) -> Result<(), Cause> {
        // Linux 6.13 gives the functions of these programs stacks of their own.
        let has_private_stack = matches!(
            self.input.prog_type,
            ProgType::KPROBE
                | ProgType::TRACEPOINT
                | ProgType::RAW_TRACEPOINT
                | ProgType::PERF_EVENT
                | ProgType::TRACING
        );
        if has_private_stack {
            return Ok(());
        }
        let mut calls: Vec<Vec<usize>> = vec![Vec::new(); depth.len()];
        for d in self.program.insns.iter().flatten().filter(|d| d.row.kind == Kind::CallLocal) {
            let callee = d.target().map(|t| self.program.function_of(t));
            if let (Some(list), Some(callee)) = (calls.get_mut(self.program.function_of(d.index)), callee) {
                list.push(callee);
            }
        }
        // No recursion and at most eight levels: settled by the structure. Bytes and functions of the deepest chain, leaves first.
        let mut sums: Vec<Option<(i32, usize)>> = vec![None; depth.len()];
        for _ in 0..8 {
            for (function, own) in depth.iter().enumerate() {
                let callees = calls.get(function).map(Vec::as_slice).unwrap_or_default();
                let below =
                    callees.iter().filter_map(|c| sums.get(*c).copied().flatten()).max().unwrap_or((0, 0));
                let own = ((*own).max(1) + 15) & !15;
                if let Some(slot) = sums.get_mut(function) {
                    *slot = Some((own + below.0, below.1 + 1));
                }
            }
        }
        match sums.first().copied().flatten() {
            Some((bytes, functions)) if bytes > MAX_STACK => Err(Cause::new(
                None,
                Errno::EACCES,
                format!("combined stack size of {functions} calls is {bytes}. Too large"),
            )),
            _ => Ok(()),
        }
    }

    fn call_result(&self, d: &Decoded, state: &State) -> Value {
        match d.row.kind {
            Kind::CallHelper => calls::result(self, d, state),
            _ => Value::Unknown,
        }
    }
}

/// Whether a value is certainly an address, and not null. A kernel struct's may be null even where no check is asked for.
fn is_object(value: Value) -> bool {
    match value {
        Value::Ctx | Value::Frame(_) => true,
        Value::Ptr(object, _) => object != Object::Btf,
        _ => false,
    }
}

/// How many bytes of the frame an offset from its end reaches.
pub(crate) fn reached(off: i32) -> i32 {
    off.min(0).unsigned_abs().min(MAX_STACK as u32) as i32
}

pub(crate) fn readable(state: &State, reg: u8) -> Result<(), Failure> {
    if state.get(reg) == Value::Uninit { denied(format!("R{reg} !read_ok")) } else { Ok(()) }
}

/// Refuses to end with a record that nothing gives back.
pub(crate) fn check_leak(state: &State, end: &str) -> Result<(), Failure> {
    match state.leaked() {
        None => Ok(()),
        Some(call) => {
            let text = format!("Unreleased reference id={} alloc_insn={call}", call + 1);
            Err((Errno::EINVAL, format!("{text}\n{end} would lead to reference leak")))
        }
    }
}

fn writable(reg: u8) -> Result<(), Failure> {
    if reg == 10 { denied("frame pointer is read only".to_owned()) } else { Ok(()) }
}

fn check_immediate(op: AluOp, wide: bool, imm: i32) -> Result<(), Failure> {
    let invalid = |text: String| Err((Errno::EINVAL, text));
    match op {
        AluOp::Div | AluOp::Sdiv | AluOp::Mod | AluOp::Smod if imm == 0 => invalid("div by zero".to_owned()),
        AluOp::Lsh | AluOp::Rsh | AluOp::Arsh if !(0..if wide { 64 } else { 32 }).contains(&imm) => {
            invalid(format!("invalid shift {imm}"))
        }
        _ => Ok(()),
    }
}

fn may_load_packet(prog_type: ProgType) -> bool {
    matches!(
        prog_type,
        ProgType::SOCKET_FILTER | ProgType::SCHED_CLS | ProgType::SCHED_ACT | ProgType::CGROUP_SKB
    )
}

/// The map that a 64-bit immediate names.
fn map_of(d: &Decoded, what: Imm64) -> Option<MapRef> {
    match what {
        Imm64::MapFd | Imm64::MapValue => Some(MapRef::Fd(d.insn.imm)),
        Imm64::MapIdx | Imm64::MapIdxValue => Some(MapRef::Idx(d.insn.imm)),
        Imm64::Value | Imm64::BtfId | Imm64::Func => None,
    }
}

fn imm64(d: &Decoded, what: Imm64) -> Value {
    match (what, map_of(d, what)) {
        (Imm64::MapFd | Imm64::MapIdx, Some(map)) => Value::MapPtr(map),
        (_, Some(map)) => Value::Ptr(Object::MapValue(map), i32::try_from(d.imm >> 32).ok()),
        (Imm64::Value, None) => Value::Scalar(Some(d.imm as u64)),
        (Imm64::Func, None) => d.target().map_or(Value::Unknown, Value::Func),
        _ => Value::Unknown,
    }
}

/// What arithmetic makes of two values.
fn alu(op: AluOp, wide: bool, left: Value, right: Value) -> Value {
    let moved = |off: Option<i32>, by: Value, back: bool| {
        let by = by.known().and_then(|n| i32::try_from(n as i64).ok())?;
        if back { off?.checked_sub(by) } else { off?.checked_add(by) }
    };
    match (op, left, right) {
        (AluOp::Mov, _, value) if wide => value,
        (AluOp::Mov, _, Value::Scalar(n)) => Value::Scalar(n.map(|n| n & 0xffff_ffff)),
        (AluOp::Mov, ..) => Value::Unknown,
        (_, Value::Scalar(Some(a)), Value::Scalar(Some(b))) => {
            Value::Scalar(Some(if wide { op.eval64(a, b) } else { u64::from(op.eval32(a as u32, b as u32)) }))
        }
        (_, Value::Scalar(_), Value::Scalar(_)) => Value::Scalar(None),
        (AluOp::Add | AluOp::Sub, Value::Frame(off), by @ Value::Scalar(_)) if wide => {
            Value::Frame(moved(off, by, op == AluOp::Sub))
        }
        (AluOp::Add | AluOp::Sub, Value::Ptr(object, off), by @ Value::Scalar(_)) if wide => {
            Value::Ptr(object, moved(off, by, op == AluOp::Sub))
        }
        (AluOp::Add, by @ Value::Scalar(_), Value::Frame(off)) if wide => Value::Frame(moved(off, by, false)),
        (AluOp::Add, by @ Value::Scalar(_), Value::Ptr(object, off)) if wide => {
            Value::Ptr(object, moved(off, by, false))
        }
        _ => Value::Unknown,
    }
}

fn store(state: &mut State, d: &Decoded, size: u32, value: Value) {
    match state.get(d.insn.dst()) {
        Value::Frame(Some(at)) => state.spill(at.saturating_add(d.insn.off.into()), size as i32, value),
        // It may be anywhere in the frame; what is certainly elsewhere leaves it alone.
        Value::Frame(None) | Value::Unknown => state.smudge_all(),
        _ => {}
    }
}
