//! Where a probe's arguments are: `-4@%edi 8@-24(%rbp) 1@$7` in, registers of `struct pt_regs` and constants out.
//!
//! An argument is `SIZE@PLACE`, size in bytes, negative if the value is signed. The place is an operand as the machine's
//! assembler writes it, since the compiler printed it there:
//!
//! | Machine | Constant | Register | Memory |
//! | --- | --- | --- | --- |
//! | x86 | `$7` | `%rdi` | `-8(%rbp)`, `(%rsp)`, `-96(%rbp,%rax,8)` |
//! | arm64 | `7` | `x4` | `[sp, 96]`, `[sp]` |
//! | arm | `#7` | `r4` | `[fp, #96]`, `[sp]` |
//! | s390x | `7` | `%r2` | `-28(%r15)` |
//! | riscv | `7` | `a1` | `-88(s0)` |
//!
//! A register is given by its offset in what the kernel hands to a program on a probe. The forms are those that libbpf
//! 1.8 takes. Not here, as there: floating-point registers, operands relative to a symbol, SIB without a base.

/// The most arguments of a probe.
pub const MAX_USDT_ARGS: usize = 12;

/// An argument of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UsdtArg {
    /// Bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// Whether it is extended by its sign.
    pub is_signed: bool,
    /// Where it is.
    pub value: UsdtValue,
}

/// Where an argument is. Registers are byte offsets in the saved registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UsdtValue {
    /// It is this number.
    Const(i64),
    /// In a register.
    Register(u16),
    /// In memory.
    Memory {
        /// Register with an address.
        base: u16,
        /// Bytes behind it.
        offset: i64,
    },
    /// In memory, by two registers.
    Indexed {
        /// Register with an address.
        base: u16,
        /// Register with an index.
        index: u16,
        /// The index counts units of 2 to this power bytes.
        shift: u8,
        /// Bytes behind that.
        offset: i64,
    },
}

/// What is wrong with an argument.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArgError {
    /// It is in no form that is known.
    #[error("argument {number} is `{text}`, which is no place that can be read")]
    Form {
        /// Which, from 0.
        number: usize,
        /// The text from there.
        text: String,
    },
    /// Its register is unknown.
    #[error("argument {number} is in `{register}`, which is no register that a probe sees")]
    Register {
        /// Which, from 0.
        number: usize,
        /// The register.
        register: String,
    },
    /// Its size is impossible.
    #[error("argument {number} has {size} bytes, where 1, 2, 4 and 8 are possible")]
    Size {
        /// Which, from 0.
        number: usize,
        /// The size.
        size: i64,
    },
    /// Its index is scaled by something else than 1, 2, 4 or 8.
    #[error("argument {number} scales its index by {scale}, where 1, 2, 4 and 8 are possible")]
    Scale {
        /// Which, from 0.
        number: usize,
        /// The scale.
        scale: i64,
    },
    /// There are too many.
    #[error("more than {MAX_USDT_ARGS} arguments")]
    TooMany,
}

/// The registers that a kernel saves for a program on a probe, and the way in which operands are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RegisterSet {
    /// A 64-bit x86 kernel.
    X86_64,
    /// A 32-bit x86 kernel.
    X86,
    /// A 64-bit Arm kernel.
    Arm64,
    /// A 32-bit Arm kernel.
    Arm,
    /// A 64-bit S/390 kernel.
    S390x,
    /// A RISC-V kernel of 64 bits.
    Riscv64,
    /// A RISC-V kernel of 32 bits.
    Riscv32,
}

impl RegisterSet {
    /// That of the machine that this is compiled for, `None` if its probes can't be read.
    pub const NATIVE: Option<Self> = if cfg!(target_arch = "x86_64") {
        Some(Self::X86_64)
    } else if cfg!(target_arch = "x86") {
        Some(Self::X86)
    } else if cfg!(target_arch = "aarch64") {
        Some(Self::Arm64)
    } else if cfg!(target_arch = "arm") {
        Some(Self::Arm)
    } else if cfg!(target_arch = "s390x") {
        Some(Self::S390x)
    } else if cfg!(target_arch = "riscv64") {
        Some(Self::Riscv64)
    } else if cfg!(target_arch = "riscv32") {
        Some(Self::Riscv32)
    } else {
        None
    };

    /// Whether probes of a file for machine `machine` (`EM_*`) can be read under this kernel: its own programs, and 32-bit
    /// x86 ones under a 64-bit kernel, which saves their registers as its own.
    pub fn reads(self, machine: u16, is_64: bool) -> bool {
        use object::elf::{EM_386, EM_AARCH64, EM_ARM, EM_RISCV, EM_S390, EM_X86_64};
        let rows = [
            (Self::X86_64, EM_X86_64, true),
            (Self::X86_64, EM_386, false),
            (Self::X86, EM_386, false),
            (Self::Arm64, EM_AARCH64, true),
            (Self::Arm, EM_ARM, false),
            (Self::S390x, EM_S390, true),
            (Self::Riscv64, EM_RISCV, true),
            (Self::Riscv32, EM_RISCV, false),
        ];
        rows.iter().any(|(set, m, bits)| *set == self && m.0 == machine && *bits == is_64)
    }

    /// Offset of a register among the saved ones, by the name that operands have for it.
    pub fn offset(self, name: &str) -> Option<u16> {
        let by_name = |table: &[(&str, u16)]| table.iter().find(|row| row.0 == name).map(|row| row.1);
        let numbered = |prefix: &str, count: u16| {
            let digits = name.strip_prefix(prefix)?;
            let is_plain = digits == "0" || !digits.starts_with(['0', '+']);
            digits.parse::<u16>().ok().filter(|n| is_plain && *n < count)
        };
        match self {
            Self::X86_64 => X86.iter().find(|row| row.names.contains(&name)).map(|row| row.at_64),
            Self::X86 => X86
                .iter()
                .find(|row| row.names.get(1..).is_some_and(|names| names.contains(&name)))
                .and_then(|row| row.at_32),
            // `struct user_pt_regs`: x0 to x30, sp.
            Self::Arm64 if name == "sp" => Some(31 * 8),
            Self::Arm64 => numbered("x", 31).map(|n| n * 8),
            Self::Arm => by_name(&[("fp", 44), ("ip", 48), ("sp", 52), ("lr", 56), ("pc", 60)])
                .or_else(|| numbered("r", 11).map(|n| n * 4)),
            // `user_pt_regs`: one word, the status word of two, r0 to r15.
            Self::S390x => numbered("r", 16).map(|n| 24 + n * 8),
            Self::Riscv64 => RISCV.iter().position(|r| *r == name).map(|i| (i as u16 + 1) * 8),
            Self::Riscv32 => RISCV.iter().position(|r| *r == name).map(|i| (i as u16 + 1) * 4),
        }
    }
}

/// A register of x86.
struct X86Register {
    /// Names of its 64, 32, 16 and 8 bits.
    names: [&'static str; 4],
    at_64: u16,
    at_32: Option<u16>,
}

const fn x86(names: [&'static str; 4], at_64: u16, at_32: u16) -> X86Register {
    X86Register { names, at_64, at_32: Some(at_32) }
}

const fn x86_new(names: [&'static str; 4], at_64: u16) -> X86Register {
    X86Register { names, at_64, at_32: None }
}

/// The registers of x86 with their places in both forms of `struct pt_regs`.
const X86: &[X86Register] = &[
    x86(["rip", "eip", "-", "-"], 128, 48),
    x86(["rax", "eax", "ax", "al"], 80, 24),
    x86(["rbx", "ebx", "bx", "bl"], 40, 0),
    x86(["rcx", "ecx", "cx", "cl"], 88, 4),
    x86(["rdx", "edx", "dx", "dl"], 96, 8),
    x86(["rsi", "esi", "si", "sil"], 104, 12),
    x86(["rdi", "edi", "di", "dil"], 112, 16),
    x86(["rbp", "ebp", "bp", "bpl"], 32, 20),
    x86(["rsp", "esp", "sp", "spl"], 152, 60),
    x86_new(["r8", "r8d", "r8w", "r8b"], 72),
    x86_new(["r9", "r9d", "r9w", "r9b"], 64),
    x86_new(["r10", "r10d", "r10w", "r10b"], 56),
    x86_new(["r11", "r11d", "r11w", "r11b"], 48),
    x86_new(["r12", "r12d", "r12w", "r12b"], 24),
    x86_new(["r13", "r13d", "r13w", "r13b"], 16),
    x86_new(["r14", "r14d", "r14w", "r14b"], 8),
    x86_new(["r15", "r15d", "r15w", "r15b"], 0),
];

/// `struct user_regs_struct` of RISC-V, behind the program counter.
const RISCV: [&str; 31] = [
    "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7",
    "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];

/// Reads where arguments are.
///
/// # Errors
/// Which argument is wrong, and how.
pub fn parse_args(text: &str, registers: RegisterSet) -> Result<Vec<UsdtArg>, ArgError> {
    let mut args = Vec::new();
    let mut scan = Scan(text.trim_ascii_start());
    while !scan.0.is_empty() {
        if args.len() == MAX_USDT_ARGS {
            return Err(ArgError::TooMany);
        }
        args.push(arg(&mut scan, args.len(), registers)?);
        scan.space();
    }
    Ok(args)
}

/// Bytes of an argument that an error shows.
const SHOWN: usize = 64;

fn arg(scan: &mut Scan<'_>, number: usize, registers: RegisterSet) -> Result<UsdtArg, ArgError> {
    let text = scan.0;
    let form = || ArgError::Form { number, text: text.chars().take(SHOWN).collect() };
    let size = scan.number().filter(|_| scan.token("@")).ok_or_else(form)?;
    let place = match registers {
        RegisterSet::X86_64 | RegisterSet::X86 => x86_place(scan),
        RegisterSet::Arm64 => arm_place(scan, ""),
        RegisterSet::Arm => arm_place(scan, "#"),
        RegisterSet::S390x => plain_place(scan, "%"),
        RegisterSet::Riscv64 | RegisterSet::Riscv32 => plain_place(scan, ""),
    };
    let place = place.ok_or_else(form)?;
    let at = |name: &str| {
        registers.offset(name).ok_or_else(|| ArgError::Register { number, register: name.to_owned() })
    };
    let value = match place {
        Place::Const(value) => UsdtValue::Const(value),
        Place::Register(name) => UsdtValue::Register(at(name)?),
        Place::Memory(name, offset) => UsdtValue::Memory { base: at(name)?, offset },
        Place::Indexed(base, index, scale, offset) => {
            let shift = match scale {
                1 => 0,
                2 => 1,
                4 => 2,
                8 => 3,
                scale => return Err(ArgError::Scale { number, scale }),
            };
            UsdtValue::Indexed { base: at(base)?, index: at(index)?, shift, offset }
        }
    };
    match size.unsigned_abs() {
        bytes @ (1 | 2 | 4 | 8) => Ok(UsdtArg { size: bytes as u8, is_signed: size < 0, value }),
        _ => Err(ArgError::Size { number, size }),
    }
}

/// An operand with its registers by name.
enum Place<'t> {
    Const(i64),
    Register(&'t str),
    Memory(&'t str, i64),
    Indexed(&'t str, &'t str, i64, i64),
}

fn x86_place<'t>(scan: &mut Scan<'t>) -> Option<Place<'t>> {
    if scan.token("$") {
        return scan.number().map(Place::Const);
    }
    if scan.token("%") {
        return scan.name().map(Place::Register);
    }
    let offset = if scan.starts_with("(") { 0 } else { scan.number()? };
    let base = scan.between("(", "%")?;
    if scan.token(")") {
        return Some(Place::Memory(base, offset));
    }
    let index = scan.between(",", "%")?;
    let scale = if scan.token(",") { scan.number()? } else { 1 };
    scan.token(")").then_some(Place::Indexed(base, index, scale, offset))
}

/// Operands of both Arms; `mark` is what numbers begin with.
fn arm_place<'t>(scan: &mut Scan<'t>, mark: &str) -> Option<Place<'t>> {
    if scan.token("[") {
        let base = scan.name()?;
        let offset = if scan.token(",") { scan.marked(mark)? } else { 0 };
        return scan.token("]").then_some(Place::Memory(base, offset));
    }
    if let Some(value) = scan.marked(mark) {
        return Some(Place::Const(value));
    }
    scan.name().map(Place::Register)
}

/// Operands of S/390 and RISC-V; `mark` is what registers begin with.
fn plain_place<'t>(scan: &mut Scan<'t>, mark: &str) -> Option<Place<'t>> {
    if let Some(number) = scan.number() {
        if !scan.starts_with("(") {
            return Some(Place::Const(number));
        }
        let base = scan.between("(", mark)?;
        return scan.token(")").then_some(Place::Memory(base, number));
    }
    scan.token(mark).then_some(())?;
    scan.name().map(Place::Register)
}

/// What is left of a text. Blanks between tokens are allowed.
struct Scan<'t>(&'t str);

impl<'t> Scan<'t> {
    fn space(&mut self) {
        self.0 = self.0.trim_ascii_start();
    }

    fn starts_with(&mut self, token: &str) -> bool {
        self.space();
        self.0.starts_with(token)
    }

    fn token(&mut self, token: &str) -> bool {
        self.space();
        match self.0.strip_prefix(token) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    /// A decimal number, which is left alone if there is none.
    fn number(&mut self) -> Option<i64> {
        self.space();
        let sign = usize::from(self.0.starts_with(['-', '+']));
        let digits = self.0.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at_checked(sign + digits)?;
        let value = number.parse().ok()?;
        self.0 = rest;
        Some(value)
    }

    fn marked(&mut self, mark: &str) -> Option<i64> {
        let before = self.0;
        let found = if self.token(mark) { self.number() } else { None };
        if found.is_none() {
            self.0 = before;
        }
        found
    }

    /// A name of letters and digits.
    fn name(&mut self) -> Option<&'t str> {
        self.space();
        let len = self.0.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let (name, rest) = self.0.split_at_checked(len).filter(|_| len > 0)?;
        self.0 = rest;
        Some(name)
    }

    /// A name behind two tokens.
    fn between(&mut self, first: &str, second: &str) -> Option<&'t str> {
        (self.token(first) && self.token(second)).then_some(())?;
        self.name()
    }
}
