//! `struct bpf_insn` and the fields of an opcode.

/// One 8-byte BPF instruction, `struct bpf_insn` bit for bit, in native byte order.
///
/// A 64-bit immediate load (`ld_imm64`) takes two of them.
#[derive(
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Default,
    zerocopy::FromBytes,
    zerocopy::IntoBytes,
    zerocopy::Immutable,
    zerocopy::KnownLayout,
)]
#[repr(C)]
pub struct Insn {
    /// Operation: class in the low three bits.
    pub code: u8,
    /// Both register numbers; a C bit-field, so which half is which depends on the byte order.
    pub regs: u8,
    /// Signed offset, in bytes for memory and in instructions for jumps.
    pub off: i16,
    /// Signed immediate.
    pub imm: i32,
}

impl Insn {
    /// Builds an instruction; `dst` and `src` are register numbers, of which the low four bits count.
    pub const fn new(code: u8, dst: u8, src: u8, off: i16, imm: i32) -> Self {
        let (dst, src) = (dst & 0xf, src & 0xf);
        let regs = if cfg!(target_endian = "little") { src << 4 | dst } else { dst << 4 | src };
        Self { code, regs, off, imm }
    }

    /// Destination register number.
    pub const fn dst(self) -> u8 {
        if cfg!(target_endian = "little") { self.regs & 0xf } else { self.regs >> 4 }
    }

    /// Source register number, or the pseudo value of a load or call.
    pub const fn src(self) -> u8 {
        if cfg!(target_endian = "little") { self.regs >> 4 } else { self.regs & 0xf }
    }

    /// The same instruction with another destination register.
    pub const fn with_dst(self, dst: u8) -> Self {
        Self::new(self.code, dst, self.src(), self.off, self.imm)
    }

    /// The same instruction with another source register or pseudo value.
    pub const fn with_src(self, src: u8) -> Self {
        Self::new(self.code, self.dst(), src, self.off, self.imm)
    }

    /// Instruction class, the low three bits of the opcode.
    pub const fn class(self) -> u8 {
        self.code & 0x07
    }

    /// Whether this is the first half of a 64-bit immediate load.
    pub const fn is_ld_imm64(self) -> bool {
        self.code == LD_IMM64
    }

    /// Whether this is a call of another function of the program (`BPF_PSEUDO_CALL`).
    pub const fn is_call_pseudo(self) -> bool {
        self.code == (BPF_JMP | BPF_CALL) && self.src() == BPF_PSEUDO_CALL
    }

    /// Reads an instruction whose fields are in the given byte order.
    pub const fn from_bytes(b: [u8; 8], little_endian: bool) -> Self {
        let (off, imm) = ([b[2], b[3]], [b[4], b[5], b[6], b[7]]);
        if little_endian {
            Self::new(b[0], b[1] & 0xf, b[1] >> 4, i16::from_le_bytes(off), i32::from_le_bytes(imm))
        } else {
            Self::new(b[0], b[1] >> 4, b[1] & 0xf, i16::from_be_bytes(off), i32::from_be_bytes(imm))
        }
    }

    /// The instruction's bytes with fields in the given byte order.
    pub const fn to_bytes(self, little_endian: bool) -> [u8; 8] {
        let (regs, off, imm) = if little_endian {
            (self.src() << 4 | self.dst(), self.off.to_le_bytes(), self.imm.to_le_bytes())
        } else {
            (self.dst() << 4 | self.src(), self.off.to_be_bytes(), self.imm.to_be_bytes())
        };
        [self.code, regs, off[0], off[1], imm[0], imm[1], imm[2], imm[3]]
    }
}

impl core::fmt::Debug for Insn {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:02x} dst={} src={} off={} imm={}", self.code, self.dst(), self.src(), self.off, self.imm)
    }
}

macro_rules! consts {
    ($($(#[$meta:meta])* $name:ident = $value:expr;)*) => {
        $($(#[$meta])* #[doc = concat!("`", stringify!($name), "`")] pub const $name: u8 = $value;)*
    };
}

consts! {
    // Classes.
    BPF_LD = 0x00; BPF_LDX = 0x01; BPF_ST = 0x02; BPF_STX = 0x03;
    BPF_ALU = 0x04; BPF_JMP = 0x05; BPF_JMP32 = 0x06; BPF_ALU64 = 0x07;
    // Sizes and modes of memory instructions.
    BPF_W = 0x00; BPF_H = 0x08; BPF_B = 0x10; BPF_DW = 0x18;
    BPF_IMM = 0x00; BPF_ABS = 0x20; BPF_IND = 0x40; BPF_MEM = 0x60; BPF_MEMSX = 0x80; BPF_ATOMIC = 0xc0;
    // Operations.
    BPF_ADD = 0x00; BPF_SUB = 0x10; BPF_MUL = 0x20; BPF_DIV = 0x30; BPF_OR = 0x40; BPF_AND = 0x50;
    BPF_LSH = 0x60; BPF_RSH = 0x70; BPF_NEG = 0x80; BPF_MOD = 0x90; BPF_XOR = 0xa0; BPF_MOV = 0xb0;
    BPF_ARSH = 0xc0; BPF_END = 0xd0;
    // Jumps.
    BPF_JA = 0x00; BPF_JEQ = 0x10; BPF_JGT = 0x20; BPF_JGE = 0x30; BPF_JSET = 0x40; BPF_JNE = 0x50;
    BPF_JSGT = 0x60; BPF_JSGE = 0x70; BPF_CALL = 0x80; BPF_EXIT = 0x90; BPF_JLT = 0xa0; BPF_JLE = 0xb0;
    BPF_JSLT = 0xc0; BPF_JSLE = 0xd0; BPF_JCOND = 0xe0;
    // Sources; byte swaps use them as direction.
    BPF_K = 0x00; BPF_X = 0x08; BPF_TO_LE = 0x00; BPF_TO_BE = 0x08;
    // Source register values of a 64-bit immediate load.
    BPF_PSEUDO_MAP_FD = 1; BPF_PSEUDO_MAP_VALUE = 2; BPF_PSEUDO_BTF_ID = 3; BPF_PSEUDO_FUNC = 4;
    BPF_PSEUDO_MAP_IDX = 5; BPF_PSEUDO_MAP_IDX_VALUE = 6;
    // Source register values of a call.
    BPF_PSEUDO_CALL = 1; BPF_PSEUDO_KFUNC_CALL = 2;
    // The opcode of a 64-bit immediate load.
    LD_IMM64 = BPF_LD | BPF_IMM | BPF_DW;
}
