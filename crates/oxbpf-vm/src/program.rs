//! Instructions in, a form that the interpreter can run without looking at them again out.
//!
//! One slot stays one slot, so indices are those of the program as it was loaded. Registers and opcodes are checked, jump targets made
//! absolute and checked, byte orders resolved for this machine.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use oxbpf_asm::{DecodeError, Decoded, Imm64, Kind, Operand, Order, Rmw, decode_at};
use oxbpf_uapi::Insn;

use crate::exec::op::{Op, alu_op, jmp_op, ld_packet_op, ldx_op, st_op, stx_op};

/// Why a program cannot be run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProgramError {
    /// It has no instructions, or more than [`Program::MAX_INSNS`].
    #[error("a program of {0} instructions")]
    Length(usize),
    /// Not an instruction.
    #[error("insn {insn}: {why}")]
    Decode {
        /// Index of the slot.
        insn: usize,
        /// Why.
        why: DecodeError,
    },
    /// A jump or call to outside of the program or into a 64-bit immediate.
    #[error("insn {insn}: target {target} is no instruction of the program")]
    Target {
        /// Index of the slot.
        insn: usize,
        /// Where it goes.
        target: i64,
    },
    /// A 64-bit immediate that still stands for a map or a kernel variable.
    #[error("insn {insn}: the 64-bit immediate is not resolved")]
    Unresolved {
        /// Index of the slot.
        insn: usize,
    },
}

/// Where an arena is for each side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arena {
    /// Guest address of its first byte.
    pub kernel: u64,
    /// Address of its first byte in user space; the low 32 bits are 0.
    pub user: u64,
}

/// A program ready to run: its main function and all others it calls.
#[derive(Debug)]
pub struct Program {
    pub(crate) name: Arc<str>,
    pub(crate) code: Box<[Inst]>,
    pub(crate) arena: Option<Arena>,
    code_base: u64,
}

/// One slot. Fields hold what the operation needs: `off` is an absolute index for jumps and calls, a byte offset for memory.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Inst {
    pub(crate) imm: u64,
    pub(crate) off: i32,
    pub(crate) op: Op,
    pub(crate) dst: u8,
    pub(crate) src: u8,
}

/// Guest addresses of code start here. Each program has its own range, so that an address of one means nothing to another.
const CODE_BASE: u64 = 0xffff_c000_0000_0000;
/// Bytes from one program's range to the next; an instruction has 8.
const CODE_PITCH: u64 = 8 * (Program::MAX_INSNS as u64 + 1).next_power_of_two();

static NEXT_CODE: AtomicU64 = AtomicU64::new(0);

impl Program {
    /// The most instructions a program may have, as for a privileged load.
    pub const MAX_INSNS: usize = 1_000_000;

    /// Decodes a program. Calls and function addresses are relative, as loaded (`BPF_PSEUDO_CALL`, `BPF_PSEUDO_FUNC`); every other 64-bit
    /// immediate is resolved by the caller to the value that the program shall see, with a source field of 0.
    ///
    /// # Errors
    /// The first slot that cannot be run.
    pub fn new(name: impl Into<Arc<str>>, insns: &[Insn]) -> Result<Self, ProgramError> {
        if insns.is_empty() || insns.len() > Self::MAX_INSNS {
            return Err(ProgramError::Length(insns.len()));
        }
        // Ranges are used again after 2^23 programs; then a stale address may name an instruction of a newer program.
        let id = NEXT_CODE.fetch_add(1, Ordering::Relaxed) % (1 << 23);
        let code_base = CODE_BASE + id * CODE_PITCH;
        let mut code = Vec::with_capacity(insns.len());
        while code.len() < insns.len() {
            let index = code.len();
            let decoded = decode_at(insns, index).map_err(|why| ProgramError::Decode { insn: index, why })?;
            code.push(lower(&decoded, code_base)?);
            // Nothing jumps to a second slot and nothing falls into it; if something did, it would stop there.
            code.resize(index + decoded.slots(), Inst { imm: 0, off: 0, op: Op::FellOff, dst: 0, src: 0 });
        }
        check_targets(&code)?;
        Ok(Self { name: name.into(), code: code.into(), arena: None, code_base })
    }

    /// The same with an arena, which casts between address spaces go by.
    #[must_use]
    pub fn with_arena(self, arena: Arena) -> Self {
        Self { arena: Some(arena), ..self }
    }

    /// Name, for messages.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Number of slots.
    pub fn len(&self) -> usize {
        self.code.len()
    }

    /// Whether there are no instructions (never: such a program is refused).
    pub fn is_empty(&self) -> bool {
        self.code.is_empty()
    }

    /// The address of instruction `index` as the program sees it: the value of a function pointer or of a jump table's entry.
    pub fn code_addr(&self, index: usize) -> u64 {
        self.code_base + 8 * index as u64
    }

    /// The instruction that a code address names; `None` if it is not one of this program's.
    pub fn code_index(&self, addr: u64) -> Option<usize> {
        let off = addr.checked_sub(self.code_base).filter(|off| off % 8 == 0)?;
        let index = usize::try_from(off / 8).ok()?;
        self.code.get(index).filter(|i| i.op != Op::FellOff).map(|_| index)
    }
}

fn lower(d: &Decoded, code_base: u64) -> Result<Inst, ProgramError> {
    let insn = d.insn;
    let inst = |op| Inst { imm: d.imm as u64, off: insn.off.into(), op, dst: insn.dst(), src: insn.src() };
    let jump = |op| {
        let target = d.raw_target().unwrap_or(-1);
        let off = i32::try_from(target).map_err(|_| ProgramError::Target { insn: d.index, target })?;
        Ok(Inst { off, ..inst(op) })
    };
    let with = |op, imm: u64| Inst { imm, ..inst(op) };
    Ok(match d.row.kind {
        Kind::Alu { op, wide, src } => {
            let imm = if wide { d.imm as u64 } else { u64::from(insn.imm as u32) };
            with(alu_op(op, wide, src == Operand::Reg), imm)
        }
        Kind::Neg { wide } => inst(if wide { Op::Neg64 } else { Op::Neg32 }),
        Kind::Movsx { bits, wide } => inst(match (bits, wide) {
            (8, true) => Op::Movsx8,
            (16, true) => Op::Movsx16,
            (32, true) => Op::Movsx32,
            (8, false) => Op::MovsxW8,
            _ => Op::MovsxW16,
        }),
        Kind::End { to, bits } => {
            let native = if cfg!(target_endian = "little") { Order::Le } else { Order::Be };
            inst(match (to == native, bits) {
                (true, 16) => Op::Trunc16,
                (true, 32) => Op::Trunc32,
                (true, _) => Op::Nop,
                (false, 16) => Op::Swap16,
                (false, 32) => Op::Swap32,
                (false, _) => Op::Swap64,
            })
        }
        Kind::AddrSpaceCast => inst(if insn.imm == 1 { Op::CastKernel } else { Op::CastUser }),
        Kind::LdImm64(Imm64::Value) => inst(Op::LdImm64),
        Kind::LdImm64(Imm64::Func) => {
            let target = jump(Op::LdFunc)?;
            // A target that is out of range is refused once all are known.
            Inst { imm: code_base.wrapping_add_signed(8 * i64::from(target.off)), ..target }
        }
        Kind::LdImm64(_) => return Err(ProgramError::Unresolved { insn: d.index }),
        Kind::LdPacket { size, indirect } => {
            with(ld_packet_op(indirect), u64::from(insn.imm as u32) | u64::from(size.bytes()) << 32)
        }
        Kind::Ldx { size, signed } => inst(ldx_op(size, signed)),
        Kind::St(size) => inst(st_op(size)),
        Kind::Stx(size) => inst(stx_op(size)),
        Kind::Atomic { op, wide } => with(if wide { Op::Atomic64 } else { Op::Atomic32 }, rmw_code(op)),
        Kind::LoadAcquire(size) => with(Op::LoadAcquire, size.bytes().into()),
        Kind::StoreRelease(size) => with(Op::StoreRelease, size.bytes().into()),
        Kind::Jmp { cond, wide, src } => {
            let imm = if wide { d.imm as u64 } else { u64::from(insn.imm as u32) };
            Inst { imm, ..jump(jmp_op(cond, wide, src == Operand::Reg))? }
        }
        Kind::Ja | Kind::Gotol => jump(Op::Ja)?,
        Kind::Gotox => inst(Op::Gotox),
        Kind::MayGoto => jump(Op::MayGoto)?,
        Kind::CallHelper => inst(Op::CallHelper),
        Kind::CallLocal => jump(Op::CallLocal)?,
        Kind::CallKfunc => inst(Op::CallKfunc),
        Kind::Exit => inst(Op::Exit),
    })
}

/// A read-modify-write as the interpreter's immediate; [`rmw_of`] reads it back.
fn rmw_code(op: Rmw) -> u64 {
    RMWS.iter().position(|o| *o == op).unwrap_or_default() as u64
}

/// The operation of an immediate that [`rmw_code`] made.
pub(crate) fn rmw_of(code: u64) -> Rmw {
    RMWS.get(code as usize).copied().unwrap_or(Rmw::Add)
}

const RMWS: [Rmw; 10] = [
    Rmw::Add,
    Rmw::Or,
    Rmw::And,
    Rmw::Xor,
    Rmw::FetchAdd,
    Rmw::FetchOr,
    Rmw::FetchAnd,
    Rmw::FetchXor,
    Rmw::Xchg,
    Rmw::CmpXchg,
];

fn check_targets(code: &[Inst]) -> Result<(), ProgramError> {
    for (insn, inst) in code.iter().enumerate() {
        let Some(target) = inst.op.has_target().then_some(inst.off) else { continue };
        let lands =
            usize::try_from(target).ok().and_then(|t| code.get(t)).is_some_and(|i| i.op != Op::FellOff);
        if !lands {
            return Err(ProgramError::Target { insn, target: target.into() });
        }
    }
    Ok(())
}
