//! Instructions in, text out: the form that the kernel's verifier log and `bpftool prog dump xlated` print.
//!
//! Where that form drops a field (which map an address is of, which BTF a kernel function is in), the text here keeps it in brackets or
//! after an `@`, so that [`asm`](crate::asm) reads back what was printed.

use core::fmt;

use oxbpf_uapi::{HelperId, Insn};

use crate::decode::{DecodeError, Decoded, decode_all};
use crate::table::{AluOp, Cond, Imm64, Kind, Operand, Order, Rmw, Size};

impl AluOp {
    /// The assignment operator.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Add => "+=",
            Self::Sub => "-=",
            Self::Mul => "*=",
            Self::Div => "/=",
            Self::Sdiv => "s/=",
            Self::Or => "|=",
            Self::And => "&=",
            Self::Lsh => "<<=",
            Self::Rsh => ">>=",
            Self::Mod => "%=",
            Self::Smod => "s%=",
            Self::Xor => "^=",
            Self::Mov => "=",
            Self::Arsh => "s>>=",
        }
    }

    /// Every operation.
    pub const ALL: [Self; 14] = [
        Self::Add,
        Self::Sub,
        Self::Mul,
        Self::Div,
        Self::Sdiv,
        Self::Or,
        Self::And,
        Self::Lsh,
        Self::Rsh,
        Self::Mod,
        Self::Smod,
        Self::Xor,
        Self::Mov,
        Self::Arsh,
    ];
}

impl Cond {
    /// The comparison operator.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Set => "&",
            Self::Ne => "!=",
            Self::Sgt => "s>",
            Self::Sge => "s>=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Slt => "s<",
            Self::Sle => "s<=",
        }
    }

    /// Every condition.
    pub const ALL: [Self; 11] = [
        Self::Eq,
        Self::Gt,
        Self::Ge,
        Self::Set,
        Self::Ne,
        Self::Sgt,
        Self::Sge,
        Self::Lt,
        Self::Le,
        Self::Slt,
        Self::Sle,
    ];
}

impl Size {
    /// The C type of an access.
    pub const fn text(self, signed: bool) -> &'static str {
        match (self, signed) {
            (Self::B, false) => "u8",
            (Self::H, false) => "u16",
            (Self::W, false) => "u32",
            (Self::Dw, false) => "u64",
            (Self::B, true) => "s8",
            (Self::H, true) => "s16",
            (Self::W, true) => "s32",
            (Self::Dw, true) => "s64",
        }
    }
}

/// An instruction as text, without its address and opcode. Hexadecimal form (`{:#}`) puts the opcode in front: `(b7) r0 = 0`.
#[derive(Clone, Copy, Debug)]
pub struct Disasm(pub Decoded);

impl fmt::Display for Disasm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Decoded { insn, row, imm, .. } = self.0;
        if f.alternate() {
            write!(f, "({:02x}) ", insn.code)?;
        }
        let (dst, src, off) = (insn.dst(), insn.src(), insn.off);
        let r = |wide: bool| if wide { 'r' } else { 'w' };
        match row.kind {
            Kind::Alu { op, wide, src: Operand::Imm } => {
                write!(f, "{}{dst} {} {}", r(wide), op.text(), insn.imm)
            }
            Kind::Alu { op, wide, src: Operand::Reg } => {
                write!(f, "{0}{dst} {1} {0}{src}", r(wide), op.text())
            }
            Kind::Neg { wide } => write!(f, "{0}{dst} = -{0}{dst}", r(wide)),
            Kind::Movsx { bits, wide } => write!(f, "{0}{dst} = (s{bits}){0}{src}", r(wide)),
            Kind::End { to, bits } => {
                let to = match to {
                    Order::Le => "le",
                    Order::Be => "be",
                    Order::Swap => "bswap",
                };
                write!(f, "r{dst} = {to}{bits} r{dst}")
            }
            Kind::AddrSpaceCast => {
                write!(f, "r{dst} = addr_space_cast(r{src}, {}, {})", insn.imm as u32 >> 16, insn.imm as u16)
            }
            Kind::LdImm64(what) => {
                write!(f, "r{dst} = ")?;
                imm64(f, what, imm)
            }
            Kind::LdPacket { size, indirect: false } => {
                write!(f, "r0 = *({} *)skb[{}]", size.text(false), insn.imm)
            }
            Kind::LdPacket { size, indirect: true } => {
                write!(f, "r0 = *({} *)skb[r{src} + {}]", size.text(false), insn.imm)
            }
            Kind::Ldx { size, signed } => write!(f, "r{dst} = *({} *)(r{src} {off:+})", size.text(signed)),
            Kind::St(size) => write!(f, "*({} *)(r{dst} {off:+}) = {}", size.text(false), insn.imm),
            Kind::Stx(size) => write!(f, "*({} *)(r{dst} {off:+}) = r{src}", size.text(false)),
            Kind::Atomic { op, wide } => atomic(f, op, wide, insn),
            Kind::LoadAcquire(size) => {
                write!(f, "r{dst} = load_acquire(({} *)(r{src} {off:+}))", size.text(false))
            }
            Kind::StoreRelease(size) => {
                write!(f, "store_release(({} *)(r{dst} {off:+}), r{src})", size.text(false))
            }
            Kind::Jmp { cond, wide, src: Operand::Imm } => {
                write!(f, "if {}{dst} {} {:#x} goto pc{off:+}", r(wide), cond.text(), insn.imm)
            }
            Kind::Jmp { cond, wide, src: Operand::Reg } => {
                write!(f, "if {0}{dst} {1} {0}{src} goto pc{off:+}", r(wide), cond.text())
            }
            Kind::Ja => write!(f, "goto pc{off:+}"),
            Kind::Gotol => write!(f, "gotol pc{:+}", insn.imm),
            Kind::Gotox => write!(f, "gotox r{dst}"),
            Kind::MayGoto => write!(f, "may_goto pc{off:+}"),
            Kind::CallHelper => {
                let name = u32::try_from(insn.imm).ok().and_then(|id| HelperId(id).c_name());
                write!(f, "call {}#{}", name.unwrap_or("unknown"), insn.imm)
            }
            Kind::CallLocal => write!(f, "call pc{:+}", insn.imm),
            Kind::CallKfunc if off == 0 => write!(f, "call kernel-function#{}", insn.imm),
            Kind::CallKfunc => write!(f, "call kernel-function#{}@{off}", insn.imm),
            Kind::Exit => f.write_str("exit"),
        }
    }
}

fn imm64(f: &mut fmt::Formatter<'_>, what: Imm64, imm: i64) -> fmt::Result {
    let (low, high) = (imm as i32, imm >> 32);
    match what {
        Imm64::Value => write!(f, "{imm:#x}"),
        Imm64::MapFd => write!(f, "map[fd:{low}]"),
        Imm64::MapValue => write!(f, "map[fd:{low}][0]+{}", high as u32),
        Imm64::MapIdx => write!(f, "map[idx:{low}]"),
        Imm64::MapIdxValue => write!(f, "map[idx:{low}][0]+{}", high as u32),
        Imm64::BtfId if high == 0 => write!(f, "btf[id:{low}]"),
        Imm64::BtfId => write!(f, "btf[id:{low}]@{high}"),
        Imm64::Func => write!(f, "subprog[{low:+}]"),
    }
}

fn atomic(f: &mut fmt::Formatter<'_>, op: Rmw, wide: bool, insn: Insn) -> fmt::Result {
    let (dst, src, off) = (insn.dst(), insn.src(), insn.off);
    let (size, width) = if wide { ("u64", "64") } else { ("u32", "") };
    let lock =
        |f: &mut fmt::Formatter<'_>, op: &str| write!(f, "lock *({size} *)(r{dst} {off:+}) {op} r{src}");
    let value = |f: &mut fmt::Formatter<'_>, op: &str| {
        write!(f, "r{src} = atomic{width}_{op}(({size} *)(r{dst} {off:+}), r{src})")
    };
    match op {
        Rmw::Add => lock(f, "+="),
        Rmw::Or => lock(f, "|="),
        Rmw::And => lock(f, "&="),
        Rmw::Xor => lock(f, "^="),
        Rmw::FetchAdd => value(f, "fetch_add"),
        Rmw::FetchOr => value(f, "fetch_or"),
        Rmw::FetchAnd => value(f, "fetch_and"),
        Rmw::FetchXor => value(f, "fetch_xor"),
        Rmw::Xchg => value(f, "xchg"),
        Rmw::CmpXchg => write!(f, "r0 = atomic{width}_cmpxchg(({size} *)(r{dst} {off:+}), r0, r{src})"),
    }
}

/// Gives each instruction of a program as its index and its text, as in `7: (b7) r0 = 0`. What is not an instruction is given as its
/// error.
pub fn disasm(insns: &[Insn], mut each: impl FnMut(usize, Result<Disasm, DecodeError>)) {
    for (index, decoded) in decode_all(insns) {
        each(index, decoded.map(Disasm));
    }
}
