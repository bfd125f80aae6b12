//! The instruction table: every encoding of ISA v1 to v4, one row each.
//!
//! A row says which instruction an opcode is, given the fields that tell variants apart, and what each other field may hold. Decoder,
//! disassembler, assembler, interpreter and their coverage tests all go by it. Sources: `Documentation/bpf/standardization/instruction-set.rst`
//! and the field checks of `kernel/bpf/verifier.c` (v6.17).

use std::sync::LazyLock;

use oxbpf_uapi::insn::*;

/// Which `-mcpu` of LLVM first emits the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isa {
    /// The base set.
    V1,
    /// "Less than" jumps.
    V2,
    /// 32-bit arithmetic and jumps, atomics beyond add.
    V3,
    /// Signed division, sign extension, byte swap, long and conditional jumps, acquire and release.
    V4,
}

/// Bytes of a memory access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// 1 byte.
    B,
    /// 2 bytes.
    H,
    /// 4 bytes.
    W,
    /// 8 bytes.
    Dw,
}

impl Size {
    /// All four.
    pub const ALL: [Self; 4] = [Self::B, Self::H, Self::W, Self::Dw];

    /// Number of bytes.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::B => 1,
            Self::H => 2,
            Self::W => 4,
            Self::Dw => 8,
        }
    }

    /// The size bits of an opcode.
    pub const fn bits(self) -> u8 {
        match self {
            Self::B => BPF_B,
            Self::H => BPF_H,
            Self::W => BPF_W,
            Self::Dw => BPF_DW,
        }
    }
}

/// The second operand of arithmetic and jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operand {
    /// The immediate.
    Imm,
    /// The source register.
    Reg,
}

/// A binary arithmetic operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum AluOp {
    Add,
    Sub,
    Mul,
    Div,
    Sdiv,
    Or,
    And,
    Lsh,
    Rsh,
    Mod,
    Smod,
    Xor,
    Mov,
    Arsh,
}

/// A condition of a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Cond {
    Eq,
    Gt,
    Ge,
    Set,
    Ne,
    Sgt,
    Sge,
    Lt,
    Le,
    Slt,
    Sle,
}

/// What a byte-order instruction converts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// To little endian.
    Le,
    /// To big endian.
    Be,
    /// To the other one, always.
    Swap,
}

/// A read-modify-write operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Rmw {
    Add,
    Or,
    And,
    Xor,
    FetchAdd,
    FetchOr,
    FetchAnd,
    FetchXor,
    Xchg,
    CmpXchg,
}

/// What a 64-bit immediate stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Imm64 {
    /// Itself.
    Value,
    /// A map, by descriptor.
    MapFd,
    /// An address in a map's value, by descriptor and offset.
    MapValue,
    /// A kernel variable, by BTF id.
    BtfId,
    /// A function of the program.
    Func,
    /// A map, by index in the descriptor array of the load.
    MapIdx,
    /// An address in a map's value, by index and offset.
    MapIdxValue,
}

/// One instruction of the set, without its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `dst op= operand`; 64 bits wide, or 32 with the upper half cleared.
    Alu {
        /// The operation.
        op: AluOp,
        /// 64 bits.
        wide: bool,
        /// The second operand.
        src: Operand,
    },
    /// `dst = -dst`.
    Neg {
        /// 64 bits.
        wide: bool,
    },
    /// `dst = (sN)src`.
    Movsx {
        /// 8, 16 or 32.
        bits: u8,
        /// Extended to 64 bits, else to 32.
        wide: bool,
    },
    /// `dst = order(dst)`.
    End {
        /// To which order.
        to: Order,
        /// 16, 32 or 64.
        bits: u8,
    },
    /// `dst = addr_space_cast(src, …)`: an arena pointer between its two forms.
    AddrSpaceCast,
    /// `dst = imm64`, two slots.
    LdImm64(Imm64),
    /// `r0 = packet[imm]` or `packet[src + imm]`, in network order.
    LdPacket {
        /// Bytes.
        size: Size,
        /// Adds the source register.
        indirect: bool,
    },
    /// `dst = *(size *)(src + off)`.
    Ldx {
        /// Bytes.
        size: Size,
        /// Sign-extends to 64 bits.
        signed: bool,
    },
    /// `*(size *)(dst + off) = imm`.
    St(Size),
    /// `*(size *)(dst + off) = src`.
    Stx(Size),
    /// An atomic operation on `*(dst + off)` with `src`.
    Atomic {
        /// The operation.
        op: Rmw,
        /// 8 bytes, else 4.
        wide: bool,
    },
    /// `dst = load_acquire(src + off)`.
    LoadAcquire(Size),
    /// `store_release(dst + off, src)`.
    StoreRelease(Size),
    /// `if dst cond operand goto off`.
    Jmp {
        /// The condition.
        cond: Cond,
        /// Compares 64 bits, else 32.
        wide: bool,
        /// The second operand.
        src: Operand,
    },
    /// `goto off`.
    Ja,
    /// `gotol imm`.
    Gotol,
    /// `gotox dst`: to the instruction whose address is in a register.
    Gotox,
    /// `may_goto off`: leaves the loop once it ran long enough.
    MayGoto,
    /// Calls a helper function by number.
    CallHelper,
    /// Calls a function of the program.
    CallLocal,
    /// Calls a kernel function by BTF id.
    CallKfunc,
    /// Returns.
    Exit,
}

/// What a field of an instruction may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// An operand: any value, for a register 0 to 10.
    Any,
    /// This value, which is 0 where the field has no use.
    Is(i32),
}

impl Field {
    /// Whether the field may hold `value`.
    pub fn allows(self, value: i32) -> bool {
        match self {
            Self::Any => true,
            Self::Is(v) => v == value,
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The opcode.
    pub code: u8,
    /// The instruction.
    pub kind: Kind,
    /// The destination register.
    pub dst: Field,
    /// The source register, or a pseudo value.
    pub src: Field,
    /// The offset.
    pub off: Field,
    /// The immediate.
    pub imm: Field,
    /// When it came.
    pub isa: Isa,
}

const NO: Field = Field::Is(0);

impl Row {
    const fn new(code: u8, kind: Kind, isa: Isa) -> Self {
        Self { code, kind, dst: NO, src: NO, off: NO, imm: NO, isa }
    }

    const fn dst(self) -> Self {
        Self { dst: Field::Any, ..self }
    }

    const fn src(self, src: Field) -> Self {
        Self { src, ..self }
    }

    const fn off(self, off: Field) -> Self {
        Self { off, ..self }
    }

    const fn imm(self, imm: Field) -> Self {
        Self { imm, ..self }
    }

    /// The same with the second operand in its field.
    const fn operand(self, src: Operand) -> Self {
        match src {
            Operand::Imm => self.imm(Field::Any),
            Operand::Reg => self.src(Field::Any),
        }
    }
}

/// Binary arithmetic: operation bits, operation, value of the offset field, version of the 64-bit form.
const ALU: [(u8, AluOp, i32, Isa); 14] = [
    (BPF_ADD, AluOp::Add, 0, Isa::V1),
    (BPF_SUB, AluOp::Sub, 0, Isa::V1),
    (BPF_MUL, AluOp::Mul, 0, Isa::V1),
    (BPF_DIV, AluOp::Div, 0, Isa::V1),
    (BPF_DIV, AluOp::Sdiv, 1, Isa::V4),
    (BPF_OR, AluOp::Or, 0, Isa::V1),
    (BPF_AND, AluOp::And, 0, Isa::V1),
    (BPF_LSH, AluOp::Lsh, 0, Isa::V1),
    (BPF_RSH, AluOp::Rsh, 0, Isa::V1),
    (BPF_MOD, AluOp::Mod, 0, Isa::V1),
    (BPF_MOD, AluOp::Smod, 1, Isa::V4),
    (BPF_XOR, AluOp::Xor, 0, Isa::V1),
    (BPF_MOV, AluOp::Mov, 0, Isa::V1),
    (BPF_ARSH, AluOp::Arsh, 0, Isa::V1),
];

/// Conditional jumps: operation bits, condition, version of the 64-bit form.
const JMP: [(u8, Cond, Isa); 11] = [
    (BPF_JEQ, Cond::Eq, Isa::V1),
    (BPF_JGT, Cond::Gt, Isa::V1),
    (BPF_JGE, Cond::Ge, Isa::V1),
    (BPF_JSET, Cond::Set, Isa::V1),
    (BPF_JNE, Cond::Ne, Isa::V1),
    (BPF_JSGT, Cond::Sgt, Isa::V1),
    (BPF_JSGE, Cond::Sge, Isa::V1),
    (BPF_JLT, Cond::Lt, Isa::V2),
    (BPF_JLE, Cond::Le, Isa::V2),
    (BPF_JSLT, Cond::Slt, Isa::V2),
    (BPF_JSLE, Cond::Sle, Isa::V2),
];

/// Atomic operations: immediate, operation, version.
const RMW: [(i32, Rmw, Isa); 10] = [
    (0x00, Rmw::Add, Isa::V1),
    (0x40, Rmw::Or, Isa::V3),
    (0x50, Rmw::And, Isa::V3),
    (0xa0, Rmw::Xor, Isa::V3),
    (0x01, Rmw::FetchAdd, Isa::V3),
    (0x41, Rmw::FetchOr, Isa::V3),
    (0x51, Rmw::FetchAnd, Isa::V3),
    (0xa1, Rmw::FetchXor, Isa::V3),
    (0xe1, Rmw::Xchg, Isa::V3),
    (0xf1, Rmw::CmpXchg, Isa::V3),
];

/// Immediate of an acquiring load among the atomic opcodes.
const BPF_LOAD_ACQ: i32 = 0x100;
/// Immediate of a releasing store among the atomic opcodes.
const BPF_STORE_REL: i32 = 0x110;
/// Offset of a move that casts between address spaces.
const BPF_ADDR_SPACE_CAST: i32 = 1;

/// 64-bit immediates: pseudo value of the source field, meaning.
const IMM64: [(u8, Imm64); 7] = [
    (0, Imm64::Value),
    (BPF_PSEUDO_MAP_FD, Imm64::MapFd),
    (BPF_PSEUDO_MAP_VALUE, Imm64::MapValue),
    (BPF_PSEUDO_BTF_ID, Imm64::BtfId),
    (BPF_PSEUDO_FUNC, Imm64::Func),
    (BPF_PSEUDO_MAP_IDX, Imm64::MapIdx),
    (BPF_PSEUDO_MAP_IDX_VALUE, Imm64::MapIdxValue),
];

fn alu_rows(rows: &mut Vec<Row>) {
    for (class, wide) in [(BPF_ALU64, true), (BPF_ALU, false)] {
        let isa = |v1: Isa| if wide { v1 } else { v1.max(Isa::V3) };
        for (bits, op, off, since) in ALU {
            for (from, src) in [(BPF_K, Operand::Imm), (BPF_X, Operand::Reg)] {
                let row = Row::new(class | bits | from, Kind::Alu { op, wide, src }, isa(since));
                rows.push(row.dst().off(Field::Is(off)).operand(src));
            }
        }
        rows.push(Row::new(class | BPF_NEG, Kind::Neg { wide }, isa(Isa::V1)).dst());
        let widths: &[u8] = if wide { &[8, 16, 32] } else { &[8, 16] };
        for &bits in widths {
            let row = Row::new(class | BPF_MOV | BPF_X, Kind::Movsx { bits, wide }, Isa::V4);
            rows.push(row.dst().src(Field::Any).off(Field::Is(bits.into())));
        }
    }
    for bits in [16, 32, 64] {
        let ends = [
            (BPF_ALU | BPF_END | BPF_TO_LE, Order::Le, Isa::V1),
            (BPF_ALU | BPF_END | BPF_TO_BE, Order::Be, Isa::V1),
            (BPF_ALU64 | BPF_END, Order::Swap, Isa::V4),
        ];
        for (code, to, isa) in ends {
            rows.push(Row::new(code, Kind::End { to, bits }, isa).dst().imm(Field::Is(bits.into())));
        }
    }
    let cast = Row::new(BPF_ALU64 | BPF_MOV | BPF_X, Kind::AddrSpaceCast, Isa::V4).dst().src(Field::Any);
    rows.push(cast.off(Field::Is(BPF_ADDR_SPACE_CAST)).imm(Field::Any));
}

fn memory_rows(rows: &mut Vec<Row>) {
    for (src, what) in IMM64 {
        rows.push(
            Row::new(LD_IMM64, Kind::LdImm64(what), Isa::V1).dst().src(Field::Is(src.into())).imm(Field::Any),
        );
    }
    for size in Size::ALL {
        let bits = size.bits();
        let at = |code: u8, kind, isa| Row::new(code | bits, kind, isa).off(Field::Any);
        rows.push(at(BPF_LDX | BPF_MEM, Kind::Ldx { size, signed: false }, Isa::V1).dst().src(Field::Any));
        rows.push(at(BPF_ST | BPF_MEM, Kind::St(size), Isa::V1).dst().imm(Field::Any));
        rows.push(at(BPF_STX | BPF_MEM, Kind::Stx(size), Isa::V1).dst().src(Field::Any));
        let atomic =
            |kind, imm| at(BPF_STX | BPF_ATOMIC, kind, Isa::V4).dst().src(Field::Any).imm(Field::Is(imm));
        rows.push(atomic(Kind::LoadAcquire(size), BPF_LOAD_ACQ));
        rows.push(atomic(Kind::StoreRelease(size), BPF_STORE_REL));
        if size != Size::Dw {
            rows.push(
                at(BPF_LDX | BPF_MEMSX, Kind::Ldx { size, signed: true }, Isa::V4).dst().src(Field::Any),
            );
            for (mode, indirect) in [(BPF_ABS, false), (BPF_IND, true)] {
                let row = Row::new(BPF_LD | mode | bits, Kind::LdPacket { size, indirect }, Isa::V1);
                rows.push(row.src(if indirect { Field::Any } else { NO }).imm(Field::Any));
            }
        }
        if matches!(size, Size::W | Size::Dw) {
            let wide = size == Size::Dw;
            for (imm, op, isa) in RMW {
                rows.push(Row { isa, ..atomic(Kind::Atomic { op, wide }, imm) });
            }
        }
    }
}

fn jump_rows(rows: &mut Vec<Row>) {
    for (class, wide) in [(BPF_JMP, true), (BPF_JMP32, false)] {
        for (bits, cond, since) in JMP {
            for (from, src) in [(BPF_K, Operand::Imm), (BPF_X, Operand::Reg)] {
                let isa = if wide { since } else { Isa::V3 };
                let row = Row::new(class | bits | from, Kind::Jmp { cond, wide, src }, isa);
                rows.push(row.dst().off(Field::Any).operand(src));
            }
        }
    }
    let call = |kind, src: u8| {
        Row::new(BPF_JMP | BPF_CALL, kind, Isa::V1).src(Field::Is(src.into())).imm(Field::Any)
    };
    rows.extend([
        Row::new(BPF_JMP | BPF_JA, Kind::Ja, Isa::V1).off(Field::Any),
        Row::new(BPF_JMP32 | BPF_JA, Kind::Gotol, Isa::V4).imm(Field::Any),
        Row::new(BPF_JMP | BPF_JA | BPF_X, Kind::Gotox, Isa::V4).dst(),
        Row::new(BPF_JMP | BPF_JCOND, Kind::MayGoto, Isa::V4).off(Field::Any),
        call(Kind::CallHelper, 0),
        call(Kind::CallLocal, BPF_PSEUDO_CALL),
        // The offset says which of the load's BTF descriptors the id is in.
        call(Kind::CallKfunc, BPF_PSEUDO_KFUNC_CALL).off(Field::Any),
        Row::new(BPF_JMP | BPF_EXIT, Kind::Exit, Isa::V1),
    ]);
}

struct Table {
    /// Sorted by opcode.
    rows: Vec<Row>,
    /// Per opcode: its first row and how many it has.
    by_code: [(u16, u16); 256],
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let mut rows = Vec::new();
    alu_rows(&mut rows);
    memory_rows(&mut rows);
    jump_rows(&mut rows);
    rows.sort_by_key(|r| r.code);
    let mut by_code = [(0, 0); 256];
    for (i, row) in rows.iter().enumerate() {
        let entry = &mut by_code[usize::from(row.code)];
        if entry.1 == 0 {
            entry.0 = i as u16;
        }
        entry.1 += 1;
    }
    Table { rows, by_code }
});

/// Every row, in the order of opcodes.
pub fn table() -> &'static [Row] {
    &TABLE.rows
}

/// The rows of one opcode; empty for an unknown one.
pub fn rows_of(code: u8) -> &'static [Row] {
    let (first, count) = TABLE.by_code[usize::from(code)];
    TABLE.rows.get(usize::from(first)..usize::from(first + count)).unwrap_or_default()
}

/// The row of an instruction kind.
pub fn row_of(kind: Kind) -> Option<&'static Row> {
    TABLE.rows.iter().find(|r| r.kind == kind)
}
