//! The interpreter's loop.

use std::sync::Arc;

use oxbpf_asm::{AluOp, Cond, Rmw};
use oxbpf_uapi::HelperId;

use super::op::Op;
use super::{Call, Calls, Cpu, Flow, Frame, MAX_FRAMES, MAX_TAIL_CALLS, PacketLoad, Target};
use crate::mem::{AtomicOp, SizeLog};
use crate::program::{Inst, Program, rmw_of};
use crate::trap::{Trap, TrapKind};

/// How the loop ended.
enum End {
    Return(u64),
    /// In the outermost function of this invocation, so that its frame can be used again.
    TailCall(Arc<Program>, u64),
}

/// What a load gives that no window covers.
enum Loaded {
    /// Bytes of guest memory, to be extended as the instruction says.
    Memory(u64),
    /// What the kernel gives in their place, as it is: a context field of 4 bytes may hold a whole pointer.
    Instead(u64),
}

impl Cpu {
    /// Runs a function in the current frame, and the programs that take its place.
    pub(super) fn invoke(
        &mut self,
        program: &Arc<Program>,
        entry: usize,
        args: [u64; 5],
        calls: &mut dyn Calls,
    ) -> Result<u64, Trap> {
        let mut end = self.interpret(program, entry, args, calls)?;
        loop {
            match end {
                End::Return(value) => return Ok(value),
                End::TailCall(next, ctx) => end = self.interpret(&next, 0, [ctx, 0, 0, 0, 0], calls)?,
            }
        }
    }

    fn interpret(
        &mut self,
        program: &Arc<Program>,
        entry: usize,
        args: [u64; 5],
        calls: &mut dyn Calls,
    ) -> Result<End, Trap> {
        let mut pc = entry;
        self.steps(program, &mut pc, args, calls).map_err(|trap| trap.at(&program.name, pc.wrapping_sub(1)))
    }

    #[allow(clippy::too_many_lines)]
    fn steps(
        &mut self,
        program: &Arc<Program>,
        pc_out: &mut usize,
        args: [u64; 5],
        calls: &mut dyn Calls,
    ) -> Result<End, Trap> {
        let code = &program.code[..];
        let base = self.depth;
        let mut entry = *pc_out;
        let mut pc = entry;
        let mut r = [0u64; 16];
        r[1..6].copy_from_slice(&args);
        r[10] = self.frame_pointer();

        /// Leaves with an error; the instruction after the one at fault is noted.
        macro_rules! fail {
            ($kind:expr) => {{
                *pc_out = pc;
                return Err(Trap::from($kind));
            }};
        }
        macro_rules! try_at {
            ($result:expr) => {
                match $result {
                    Ok(value) => value,
                    Err(trap) => fail!(trap),
                }
            };
        }
        macro_rules! charge {
            ($count:expr) => {{
                let count = $count as u64;
                if self.insns_left < count {
                    self.insns_left = 0;
                    fail!(TrapKind::InsnLimit(self.insn_limit));
                }
                self.insns_left -= count;
            }};
        }
        macro_rules! goto {
            ($target:expr) => {{
                let target = $target as usize;
                if target < pc {
                    charge!(pc - target);
                }
                pc = target;
            }};
        }
        macro_rules! load {
            ($i:ident, $log:literal, $as:ty) => {{
                let src = usize::from($i.src & 15);
                let addr = r[src].wrapping_add($i.off as u64);
                r[usize::from($i.dst & 15)] = match self.windows.load::<$log>(src, addr) {
                    Some(value) => value as $as as u64,
                    None => match try_at!(self.load_slow(src, addr, $log, calls)) {
                        Loaded::Memory(value) => value as $as as u64,
                        Loaded::Instead(value) => value,
                    },
                };
            }};
        }
        macro_rules! store {
            ($i:ident, $log:literal, $value:expr) => {{
                let dst = usize::from($i.dst & 15);
                let addr = r[dst].wrapping_add($i.off as u64);
                let value = $value;
                if !self.windows.store::<$log>(dst, addr, value) {
                    try_at!(self.store_slow(dst, addr, $log, value, calls));
                }
            }};
        }
        /// The operations with two operands in four forms, then all others.
        macro_rules! dispatch {
            (
                $i:ident;
                alu { $($alu:ident: $ak:ident $ax:ident $ak32:ident $ax32:ident;)* }
                jmp { $($cond:ident: $jk:ident $jx:ident $jk32:ident $jx32:ident;)* }
                $($rest:tt)*
            ) => {
                match $i.op {
                    $(
                        Op::$ak => {
                            let d = &mut r[usize::from($i.dst & 15)];
                            *d = AluOp::$alu.eval64(*d, $i.imm);
                        }
                        Op::$ax => {
                            let s = r[usize::from($i.src & 15)];
                            let d = &mut r[usize::from($i.dst & 15)];
                            *d = AluOp::$alu.eval64(*d, s);
                        }
                        Op::$ak32 => {
                            let d = &mut r[usize::from($i.dst & 15)];
                            *d = u64::from(AluOp::$alu.eval32(*d as u32, $i.imm as u32));
                        }
                        Op::$ax32 => {
                            let s = r[usize::from($i.src & 15)] as u32;
                            let d = &mut r[usize::from($i.dst & 15)];
                            *d = u64::from(AluOp::$alu.eval32(*d as u32, s));
                        }
                    )*
                    $(
                        Op::$jk => {
                            if Cond::$cond.holds64(r[usize::from($i.dst & 15)], $i.imm) {
                                goto!($i.off);
                            }
                        }
                        Op::$jx => {
                            if Cond::$cond.holds64(r[usize::from($i.dst & 15)], r[usize::from($i.src & 15)]) {
                                goto!($i.off);
                            }
                        }
                        Op::$jk32 => {
                            if Cond::$cond.holds32(r[usize::from($i.dst & 15)] as u32, $i.imm as u32) {
                                goto!($i.off);
                            }
                        }
                        Op::$jx32 => {
                            if Cond::$cond.holds32(r[usize::from($i.dst & 15)] as u32, r[usize::from($i.src & 15)] as u32) {
                                goto!($i.off);
                            }
                        }
                    )*
                    $($rest)*
                }
            };
        }

        loop {
            let Some(i) = code.get(pc) else { fail!(TrapKind::FellOff) };
            pc += 1;
            dispatch! {
                i;
                alu {
                    Add: AddK AddX AddK32 AddX32;
                    Sub: SubK SubX SubK32 SubX32;
                    Mul: MulK MulX MulK32 MulX32;
                    Div: DivK DivX DivK32 DivX32;
                    Sdiv: SdivK SdivX SdivK32 SdivX32;
                    Or: OrK OrX OrK32 OrX32;
                    And: AndK AndX AndK32 AndX32;
                    Lsh: LshK LshX LshK32 LshX32;
                    Rsh: RshK RshX RshK32 RshX32;
                    Mod: ModK ModX ModK32 ModX32;
                    Smod: SmodK SmodX SmodK32 SmodX32;
                    Xor: XorK XorX XorK32 XorX32;
                    Mov: MovK MovX MovK32 MovX32;
                    Arsh: ArshK ArshX ArshK32 ArshX32;
                }
                jmp {
                    Eq: JeqK JeqX JeqK32 JeqX32;
                    Gt: JgtK JgtX JgtK32 JgtX32;
                    Ge: JgeK JgeX JgeK32 JgeX32;
                    Set: JsetK JsetX JsetK32 JsetX32;
                    Ne: JneK JneX JneK32 JneX32;
                    Sgt: JsgtK JsgtX JsgtK32 JsgtX32;
                    Sge: JsgeK JsgeX JsgeK32 JsgeX32;
                    Lt: JltK JltX JltK32 JltX32;
                    Le: JleK JleX JleK32 JleX32;
                    Slt: JsltK JsltX JsltK32 JsltX32;
                    Sle: JsleK JsleX JsleK32 JsleX32;
                }
                Op::Neg64 => {
                    let d = &mut r[usize::from(i.dst & 15)];
                    *d = d.wrapping_neg();
                }
                Op::Neg32 => {
                    let d = &mut r[usize::from(i.dst & 15)];
                    *d = u64::from((*d as u32).wrapping_neg());
                }
                Op::Movsx8 => r[usize::from(i.dst & 15)] = r[usize::from(i.src & 15)] as i8 as u64,
                Op::Movsx16 => r[usize::from(i.dst & 15)] = r[usize::from(i.src & 15)] as i16 as u64,
                Op::Movsx32 => r[usize::from(i.dst & 15)] = r[usize::from(i.src & 15)] as i32 as u64,
                Op::MovsxW8 => r[usize::from(i.dst & 15)] = u64::from(r[usize::from(i.src & 15)] as i8 as u32),
                Op::MovsxW16 => r[usize::from(i.dst & 15)] = u64::from(r[usize::from(i.src & 15)] as i16 as u32),
                Op::Trunc16 => r[usize::from(i.dst & 15)] &= 0xffff,
                Op::Trunc32 => r[usize::from(i.dst & 15)] &= 0xffff_ffff,
                Op::Nop => {}
                Op::Swap16 => {
                    let d = &mut r[usize::from(i.dst & 15)];
                    *d = u64::from((*d as u16).swap_bytes());
                }
                Op::Swap32 => {
                    let d = &mut r[usize::from(i.dst & 15)];
                    *d = u64::from((*d as u32).swap_bytes());
                }
                Op::Swap64 => {
                    let d = &mut r[usize::from(i.dst & 15)];
                    *d = d.swap_bytes();
                }
                Op::CastKernel => {
                    r[usize::from(i.dst & 15)] = program.to_kernel(r[usize::from(i.src & 15)]);
                }
                Op::CastUser => r[usize::from(i.dst & 15)] = program.to_user(r[usize::from(i.src & 15)]),
                Op::LdImm64 | Op::LdFunc => {
                    r[usize::from(i.dst & 15)] = i.imm;
                    pc += 1;
                }
                Op::LdAbs | Op::LdInd => {
                    let index = if i.op == Op::LdInd { r[usize::from(i.src & 15)] as i32 } else { 0 };
                    let offset = (i.imm as i32).wrapping_add(index);
                    let load = PacketLoad { ctx: r[6], offset, size: (i.imm >> 32) as u32 };
                    let value = try_at!(calls.load_packet(self, load));
                    self.windows.forget();
                    match value {
                        Some(value) => r[0] = value,
                        // Too short a packet ends the whole program, from whichever function.
                        None => fail!(TrapKind::Unwind(0)),
                    }
                }
                Op::Ldx8 => load!(i, 0, u8),
                Op::Ldx16 => load!(i, 1, u16),
                Op::Ldx32 => load!(i, 2, u32),
                Op::Ldx64 => load!(i, 3, u64),
                Op::LdxS8 => load!(i, 0, i8),
                Op::LdxS16 => load!(i, 1, i16),
                Op::LdxS32 => load!(i, 2, i32),
                Op::St8 => store!(i, 0, i.imm),
                Op::St16 => store!(i, 1, i.imm),
                Op::St32 => store!(i, 2, i.imm),
                Op::St64 => store!(i, 3, i.imm),
                Op::Stx8 => store!(i, 0, r[usize::from(i.src & 15)]),
                Op::Stx16 => store!(i, 1, r[usize::from(i.src & 15)]),
                Op::Stx32 => store!(i, 2, r[usize::from(i.src & 15)]),
                Op::Stx64 => store!(i, 3, r[usize::from(i.src & 15)]),
                Op::Atomic32 => try_at!(self.atomic(i, &mut r, 4)),
                Op::Atomic64 => try_at!(self.atomic(i, &mut r, 8)),
                Op::LoadAcquire => {
                    let addr = r[usize::from(i.src & 15)].wrapping_add(i.off as u64);
                    r[usize::from(i.dst & 15)] = match self.memory.load_acquire(addr, i.imm as u32) {
                        Ok(value) => value,
                        Err(fault) => match calls.load_fault(&fault) {
                            Some(value) => value,
                            None => fail!(fault),
                        },
                    };
                }
                Op::StoreRelease => {
                    let addr = r[usize::from(i.dst & 15)].wrapping_add(i.off as u64);
                    let value = r[usize::from(i.src & 15)];
                    try_at!(self.memory.store_release(addr, i.imm as u32, value));
                }
                Op::Ja => goto!(i.off),
                Op::Gotox => {
                    let addr = r[usize::from(i.dst & 15)];
                    match program.code_index(addr) {
                        Some(target) => goto!(target),
                        None => fail!(TrapKind::BadCodeAddress(addr)),
                    }
                }
                Op::MayGoto => {
                    if self.may_gotos == 0 {
                        goto!(i.off);
                    } else {
                        self.may_gotos -= 1;
                    }
                }
                Op::CallHelper | Op::CallKfunc => {
                    let target = match i.op {
                        Op::CallHelper => Target::Helper(HelperId(i.imm as u32)),
                        _ => Target::Kfunc { id: i.imm as u32, btf: i.off as i16 },
                    };
                    let args = [r[1], r[2], r[3], r[4], r[5]];
                    let flow = calls.call(self, Call { target, args, insn: pc - 1, program });
                    self.windows.forget();
                    match try_at!(flow) {
                        Flow::Return(value) => r[0] = value,
                        Flow::Exit(value) => fail!(TrapKind::Unwind(value)),
                        Flow::TailCall(_) if self.tail_calls >= MAX_TAIL_CALLS => r[0] = 0,
                        Flow::TailCall(next) => {
                            self.tail_calls += 1;
                            charge!(pc - entry);
                            if self.depth == base {
                                return Ok(End::TailCall(next, r[1]));
                            }
                            // In a callee the other program takes the place of that function only.
                            r[0] = try_at!(self.invoke(&next, 0, [r[1], 0, 0, 0, 0], calls));
                            (pc, entry) = self.leave(&mut r);
                        }
                    }
                }
                Op::CallLocal => {
                    if self.depth + 1 >= MAX_FRAMES {
                        fail!(TrapKind::CallDepth);
                    }
                    self.frames[self.depth] = Frame { back: pc, entry, saved: [r[6], r[7], r[8], r[9]] };
                    self.depth += 1;
                    self.show_frame();
                    r[10] = self.frame_pointer();
                    pc = i.off as usize;
                    entry = pc;
                }
                Op::Exit => {
                    charge!(pc.saturating_sub(entry));
                    if self.depth == base {
                        return Ok(End::Return(r[0]));
                    }
                    (pc, entry) = self.leave(&mut r);
                }
                Op::FellOff => fail!(TrapKind::FellOff),
            }
        }
    }

    /// Goes back to the caller: gives where it goes on and where it started.
    fn leave(&mut self, r: &mut [u64; 16]) -> (usize, usize) {
        self.depth -= 1;
        let frame = self.frames[self.depth];
        r[6..10].copy_from_slice(&frame.saved);
        self.show_frame();
        r[10] = self.frame_pointer();
        (frame.back, frame.entry)
    }

    /// A load that no window covers.
    #[cold]
    #[inline(never)]
    fn load_slow(
        &mut self,
        reg: usize,
        addr: u64,
        log: SizeLog,
        calls: &mut dyn Calls,
    ) -> Result<Loaded, Trap> {
        match self.memory.check(addr, 1 << log, false) {
            Ok(span) => {
                self.windows.remember(reg, span.off, span.len, span.rights);
                Ok(Loaded::Memory(self.memory.load(addr, log)?))
            }
            Err(fault) => calls.load_fault(&fault).map(Loaded::Instead).ok_or_else(|| fault.into()),
        }
    }

    /// A store that no window covers.
    #[cold]
    #[inline(never)]
    fn store_slow(
        &mut self,
        reg: usize,
        addr: u64,
        log: SizeLog,
        value: u64,
        calls: &mut dyn Calls,
    ) -> Result<(), Trap> {
        match self.memory.check(addr, 1 << log, true) {
            Ok(span) => {
                self.windows.remember(reg, span.off, span.len, span.rights);
                Ok(self.memory.store(addr, log, value)?)
            }
            Err(fault) if calls.store_fault(&fault, value) => Ok(()),
            Err(fault) => Err(fault.into()),
        }
    }

    fn atomic(&mut self, i: &Inst, r: &mut [u64; 16], size: u32) -> Result<(), Trap> {
        let addr = r[usize::from(i.dst & 15)].wrapping_add(i.off as u64);
        let operand = r[usize::from(i.src & 15)];
        let rmw = rmw_of(i.imm);
        let op = match rmw {
            Rmw::Add | Rmw::FetchAdd => AtomicOp::Add,
            Rmw::Or | Rmw::FetchOr => AtomicOp::Or,
            Rmw::And | Rmw::FetchAnd => AtomicOp::And,
            Rmw::Xor | Rmw::FetchXor => AtomicOp::Xor,
            Rmw::Xchg => AtomicOp::Xchg,
            Rmw::CmpXchg => AtomicOp::CmpXchg,
        };
        let old = self.memory.atomic(addr, size, op, operand, r[0])?;
        match rmw {
            Rmw::Add | Rmw::Or | Rmw::And | Rmw::Xor => {}
            Rmw::CmpXchg => r[0] = old,
            _ => r[usize::from(i.src & 15)] = old,
        }
        Ok(())
    }
}

impl Program {
    /// An arena pointer as the program may follow it. A null pointer stays one.
    fn to_kernel(&self, value: u64) -> u64 {
        match (self.arena, value & 0xffff_ffff) {
            (Some(arena), low) if low != 0 => arena.kernel.wrapping_add(low),
            (_, low) => low,
        }
    }

    /// An arena pointer as user space may follow it. A null pointer stays one.
    fn to_user(&self, value: u64) -> u64 {
        let Some(arena) = self.arena else { return value & 0xffff_ffff };
        // What came from `to_kernel` has the arena's base added; a value fresh from memory is an offset already.
        let offset = value.checked_sub(arena.kernel).filter(|off| *off <= 0xffff_ffff).unwrap_or(value);
        match offset & 0xffff_ffff {
            0 => 0,
            low => arena.user | low,
        }
    }
}
