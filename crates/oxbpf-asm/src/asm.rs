//! Text in, instructions out: LLVM's BPF assembly, and what the disassembler, the verifier and bpftool print.
//!
//! One instruction a line. A line may start with labels (`loop:`), an index (`12:`) and an opcode (`(b7)`), all optional; the rest of a
//! line after `;` or `//` is a comment. Jumps go to a label, or by a number of slots (`goto +3`, `goto pc+3`). `call` takes a helper's
//! name or number, a label, or `pc+N`; a function's address is `r2 = label ll`. A constant with `ll` after it, one that needs more than
//! 32 bits, and one behind the opcode `(18)` make a 64-bit immediate.

mod lex;

use oxbpf_uapi::insn::LD_IMM64;
use oxbpf_uapi::{HelperId, Insn};
use std::collections::HashMap;

use crate::table::{AluOp, Cond, Field, Imm64, Kind, Operand, Order, Rmw, Row, Size, row_of};
use lex::{Tok, Tokens};

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}: `{text}`")]
pub struct AsmError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What is wrong.
    pub what: String,
}

/// The operand fields of an instruction; what a kind does not use stays 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operands {
    /// Destination register.
    pub dst: u8,
    /// Source register.
    pub src: u8,
    /// Offset.
    pub off: i16,
    /// Immediate; all 64 bits count for a 64-bit one.
    pub imm: i64,
}

/// Encodes one instruction; a second slot if it is a 64-bit immediate. Fields that the row fixes are taken from it.
pub fn encode(row: &Row, ops: Operands) -> (Insn, Option<Insn>) {
    let pick = |field: Field, given: i32| match field {
        Field::Any => given,
        Field::Is(fixed) => fixed,
    };
    let (dst, src) = (pick(row.dst, ops.dst.into()) as u8, pick(row.src, ops.src.into()) as u8);
    let first =
        Insn::new(row.code, dst, src, pick(row.off, ops.off.into()) as i16, pick(row.imm, ops.imm as i32));
    let second = matches!(row.kind, Kind::LdImm64(_)).then(|| Insn::new(0, 0, 0, 0, (ops.imm >> 32) as i32));
    (first, second)
}

/// Assembles a program.
///
/// ```
/// let insns = oxbpf_asm::asm::parse("r0 = 1\nif r1 > 5 goto out\nr0 = 2\nout: exit")?;
/// assert_eq!(insns.len(), 4);
/// assert_eq!(insns[1].off, 1);
/// # Ok::<(), oxbpf_asm::asm::AsmError>(())
/// ```
///
/// # Errors
/// The first line that is no instruction, or names a label that is not there.
pub fn parse(text: &str) -> Result<Vec<Insn>, AsmError> {
    let mut lines = Vec::new();
    let mut labels = HashMap::new();
    let mut index = 0;
    for (i, text) in text.lines().enumerate() {
        let fail = |what: String| AsmError { line: i + 1, text: text.trim().to_owned(), what };
        let mut tokens = Tokens::new(text).map_err(fail)?;
        while let Some(label) = tokens.label() {
            if labels.insert(label, index).is_some() {
                return Err(fail(format!("label `{label}` is there twice")));
            }
        }
        if tokens.is_empty() {
            continue;
        }
        let parsed = line(&mut tokens).map_err(fail)?;
        if !tokens.is_empty() {
            return Err(fail(format!("unexpected {}", tokens.describe())));
        }
        lines.push((i + 1, text, index, parsed));
        index += if matches!(parsed.kind, Kind::LdImm64(_)) { 2 } else { 1 };
    }
    let mut insns = Vec::with_capacity(index);
    for (number, text, index, parsed) in lines {
        let fail = |what: String| AsmError { line: number, text: text.trim().to_owned(), what };
        let (first, second) = parsed.resolve(index, &labels).map_err(fail)?;
        insns.push(first);
        insns.extend(second);
    }
    Ok(insns)
}

/// Where a jump or call goes.
#[derive(Clone, Copy, Debug)]
enum Target<'t> {
    None,
    By(i64),
    Label(&'t str),
}

#[derive(Clone, Copy, Debug)]
struct Line<'t> {
    kind: Kind,
    ops: Operands,
    target: Target<'t>,
}

impl<'t> Line<'t> {
    fn new(kind: Kind, ops: Operands) -> Self {
        Self { kind, ops, target: Target::None }
    }

    fn resolve(self, index: usize, labels: &HashMap<&'t str, usize>) -> Result<(Insn, Option<Insn>), String> {
        let Self { mut kind, mut ops, target } = self;
        let by = match target {
            Target::None => None,
            Target::By(by) => Some(by),
            Target::Label(name) => match (labels.get(name), kind) {
                (Some(&at), _) => Some(at as i64 - index as i64 - 1),
                (None, Kind::CallLocal) => {
                    let id =
                        HelperId::from_name(name).ok_or_else(|| format!("no label or helper `{name}`"))?;
                    kind = Kind::CallHelper;
                    ops.imm = i64::from(id.0);
                    None
                }
                (None, _) => return Err(format!("no label `{name}`")),
            },
        };
        if let Some(by) = by {
            if matches!(kind, Kind::Gotol | Kind::CallLocal | Kind::LdImm64(_)) {
                let by = i32::try_from(by).map_err(|_| "target too far".to_owned())?;
                ops.imm = if kind == Kind::CallLocal || kind == Kind::Gotol {
                    by.into()
                } else {
                    i64::from(by as u32)
                };
            } else {
                ops.off = i16::try_from(by).map_err(|_| "target too far".to_owned())?;
            }
        }
        let row = row_of(kind).ok_or("no such instruction")?;
        Ok(encode(row, ops))
    }
}

type Parse<T> = Result<T, String>;

/// A register and whether it was named with `r` (64 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reg {
    number: u8,
    wide: bool,
}

fn line<'t>(t: &mut Tokens<'t>) -> Parse<Line<'t>> {
    let code = t.opcode_prefix();
    match t.peek() {
        Some(Tok::Word("exit")) => {
            t.skip();
            Ok(Line::new(Kind::Exit, Operands::default()))
        }
        Some(Tok::Word(word @ ("goto" | "gotol" | "may_goto"))) => {
            t.skip();
            let kind = match word {
                "goto" => Kind::Ja,
                "gotol" => Kind::Gotol,
                _ => Kind::MayGoto,
            };
            Ok(Line { kind, ops: Operands::default(), target: target(t)? })
        }
        Some(Tok::Word("gotox")) => {
            t.skip();
            Ok(Line::new(Kind::Gotox, Operands { dst: reg(t)?.number, ..Operands::default() }))
        }
        Some(Tok::Word("if")) => jump(t),
        Some(Tok::Word("call")) => call(t),
        Some(Tok::Word("lock")) => lock(t),
        Some(Tok::Word("store_release")) => {
            t.skip();
            t.expect("(")?;
            let (size, at) = typed_address(t)?;
            t.expect(",")?;
            let src = reg(t)?.number;
            t.expect(")")?;
            Ok(Line::new(Kind::StoreRelease(size), Operands { dst: at.0, off: at.1, src, imm: 0 }))
        }
        Some(Tok::Punct("*")) => store(t),
        _ => arithmetic(t, code),
    }
}

fn jump<'t>(t: &mut Tokens<'t>) -> Parse<Line<'t>> {
    t.skip();
    let dst = reg(t)?;
    let op = t.punct()?;
    let cond =
        Cond::ALL.into_iter().find(|c| c.text() == op).ok_or_else(|| format!("no condition `{op}`"))?;
    let mut ops = Operands { dst: dst.number, ..Operands::default() };
    let src = operand(t, dst.wide, &mut ops)?;
    t.word("goto")?;
    Ok(Line { kind: Kind::Jmp { cond, wide: dst.wide, src }, ops, target: target(t)? })
}

/// A register or a 32-bit immediate, put into its field.
fn operand(t: &mut Tokens<'_>, wide: bool, ops: &mut Operands) -> Parse<Operand> {
    if let Some(src) = maybe_reg(t) {
        if src.wide != wide {
            return Err("registers of different width".to_owned());
        }
        ops.src = src.number;
        return Ok(Operand::Reg);
    }
    ops.imm = imm32(t.int()?)?;
    Ok(Operand::Imm)
}

/// A value that an immediate field can hold, read as signed or unsigned.
fn imm32(value: i128) -> Parse<i64> {
    let as_signed = i32::try_from(value).or_else(|_| u32::try_from(value).map(|v| v as i32));
    as_signed.map(i64::from).map_err(|_| "constant needs more than 32 bits".to_owned())
}

fn call<'t>(t: &mut Tokens<'t>) -> Parse<Line<'t>> {
    t.skip();
    let ops = |imm: i128| Ok::<_, String>(Operands { imm: imm32(imm)?, ..Operands::default() });
    match t.peek() {
        Some(Tok::Int(id)) => {
            t.skip();
            Ok(Line::new(Kind::CallHelper, ops(id)?))
        }
        Some(Tok::Word("pc")) => {
            Ok(Line { kind: Kind::CallLocal, ops: Operands::default(), target: target(t)? })
        }
        Some(Tok::Word("kernel")) if t.accept_words(&["kernel", "-", "function"]) => {
            t.expect("#")?;
            let mut ops = ops(t.int()?)?;
            if t.accept("@") {
                ops.off = i16::try_from(t.int()?).map_err(|_| "BTF index too large".to_owned())?;
            }
            Ok(Line::new(Kind::CallKfunc, ops))
        }
        Some(Tok::Word(name)) => {
            t.skip();
            if t.accept("#") {
                return Ok(Line::new(Kind::CallHelper, ops(t.int()?)?));
            }
            Ok(Line { kind: Kind::CallLocal, ops: Operands::default(), target: Target::Label(name) })
        }
        _ => Err(format!("expected what to call, not {}", t.describe())),
    }
}

/// `pc+3`, `+3`, or a label.
fn target<'t>(t: &mut Tokens<'t>) -> Parse<Target<'t>> {
    match t.peek() {
        Some(Tok::Word(name)) if name != "pc" => {
            t.skip();
            return Ok(Target::Label(name));
        }
        Some(Tok::Word(_)) => t.skip(),
        _ => {}
    }
    let by = i64::try_from(t.signed()?).map_err(|_| "target too far".to_owned())?;
    Ok(Target::By(by))
}

fn lock<'t>(t: &mut Tokens<'t>) -> Parse<Line<'t>> {
    t.skip();
    t.expect("*")?;
    let (size, at) = typed_address(t)?;
    let op = match t.punct()? {
        "+=" => Rmw::Add,
        "|=" => Rmw::Or,
        "&=" => Rmw::And,
        "^=" => Rmw::Xor,
        op => return Err(format!("no atomic operation `{op}`")),
    };
    let src = reg(t)?.number;
    Ok(Line::new(Kind::Atomic { op, wide: is_wide(size)? }, Operands { dst: at.0, off: at.1, src, imm: 0 }))
}

fn is_wide(size: Size) -> Parse<bool> {
    match size {
        Size::W => Ok(false),
        Size::Dw => Ok(true),
        _ => Err("atomic operations are 4 or 8 bytes".to_owned()),
    }
}

fn store<'t>(t: &mut Tokens<'t>) -> Parse<Line<'t>> {
    t.skip();
    let (size, at) = typed_address(t)?;
    t.expect("=")?;
    let mut ops = Operands { dst: at.0, off: at.1, ..Operands::default() };
    if let Some(src) = maybe_reg(t) {
        ops.src = src.number;
        return Ok(Line::new(Kind::Stx(size), ops));
    }
    ops.imm = imm32(t.int()?)?;
    Ok(Line::new(Kind::St(size), ops))
}

/// `(u32 *)(r1 + 4)`: size, register and offset.
fn typed_address(t: &mut Tokens<'_>) -> Parse<(Size, (u8, i16))> {
    let (size, signed) = pointer_type(t)?;
    if signed {
        return Err("only loads extend signs".to_owned());
    }
    Ok((size, address(t)?))
}

/// `(u32 *)`: size and signedness.
fn pointer_type(t: &mut Tokens<'_>) -> Parse<(Size, bool)> {
    t.expect("(")?;
    let Some(Tok::Word(name)) = t.peek() else {
        return Err(format!("expected a type, not {}", t.describe()));
    };
    t.skip();
    let found =
        [false, true].into_iter().flat_map(|s| Size::ALL.map(|z| (z, s))).find(|(z, s)| z.text(*s) == name);
    t.expect("*")?;
    t.expect(")")?;
    found.ok_or_else(|| format!("no access size `{name}`"))
}

/// `(r1 + 4)`: register and offset.
fn address(t: &mut Tokens<'_>) -> Parse<(u8, i16)> {
    t.expect("(")?;
    let at = bare_address(t)?;
    t.expect(")")?;
    Ok(at)
}

fn bare_address(t: &mut Tokens<'_>) -> Parse<(u8, i16)> {
    let base = reg(t)?.number;
    let signed = matches!(t.peek(), Some(Tok::Punct("+" | "-")));
    let off = if signed { t.signed()? } else { 0 };
    Ok((base, i16::try_from(off).map_err(|_| "offset needs more than 16 bits".to_owned())?))
}

fn reg(t: &mut Tokens<'_>) -> Parse<Reg> {
    maybe_reg(t).ok_or_else(|| format!("expected a register, not {}", t.describe()))
}

fn maybe_reg(t: &mut Tokens<'_>) -> Option<Reg> {
    let Some(Tok::Word(word)) = t.peek() else { return None };
    let wide = word.starts_with('r');
    let number = word.strip_prefix(['r', 'w'])?;
    let number = number.parse().ok().filter(|n| *n <= 10 && !number.starts_with('+'))?;
    t.skip();
    Some(Reg { number, wide })
}

fn arithmetic<'t>(t: &mut Tokens<'t>, code: Option<u8>) -> Parse<Line<'t>> {
    let dst = reg(t)?;
    let text = t.punct()?;
    let op =
        AluOp::ALL.into_iter().find(|op| op.text() == text).ok_or_else(|| format!("no operator `{text}`"))?;
    if op == AluOp::Mov {
        return assign(t, dst, code);
    }
    let mut ops = Operands { dst: dst.number, ..Operands::default() };
    let src = operand(t, dst.wide, &mut ops)?;
    Ok(Line::new(Kind::Alu { op, wide: dst.wide, src }, ops))
}

/// What is right of `rN =`.
fn assign<'t>(t: &mut Tokens<'t>, dst: Reg, code: Option<u8>) -> Parse<Line<'t>> {
    let ops = Operands { dst: dst.number, ..Operands::default() };
    let wide = dst.wide;
    if t.accept("*") {
        return load(t, ops);
    }
    if t.accept("(") {
        let bits = match t.take_word()? {
            "s8" => 8,
            "s16" => 16,
            "s32" => 32,
            other => return Err(format!("no sign extension `{other}`")),
        };
        t.expect(")")?;
        return Ok(Line::new(Kind::Movsx { bits, wide }, Operands { src: reg(t)?.number, ..ops }));
    }
    if matches!(t.peek(), Some(Tok::Punct("-")))
        && t.peek_at(1).is_some_and(|tok| matches!(tok, Tok::Word(_)))
    {
        t.skip();
        let src = reg(t)?;
        return if src == dst {
            Ok(Line::new(Kind::Neg { wide }, ops))
        } else {
            Err("negates another register".to_owned())
        };
    }
    if let Some(src) = maybe_reg(t) {
        if src.wide != wide {
            return Err("registers of different width".to_owned());
        }
        let kind = Kind::Alu { op: AluOp::Mov, wide, src: Operand::Reg };
        return Ok(Line::new(kind, Operands { src: src.number, ..ops }));
    }
    if let Some(Tok::Word(word)) = t.peek() {
        t.skip();
        return named(t, dst, word);
    }
    let value = t.int()?;
    if t.accept_words(&["ll"]) || code == Some(LD_IMM64) || (wide && imm32(value).is_err()) {
        let imm = i64::try_from(value).or_else(|_| u64::try_from(value).map(|v| v as i64));
        let imm = imm.map_err(|_| "constant needs more than 64 bits".to_owned())?;
        return Ok(Line::new(Kind::LdImm64(Imm64::Value), Operands { imm, ..ops }));
    }
    let kind = Kind::Alu { op: AluOp::Mov, wide, src: Operand::Imm };
    Ok(Line::new(kind, Operands { imm: imm32(value)?, ..ops }))
}

/// `*(u32 *)(r1 + 4)` or `*(u8 *)skb[12]`, after the star.
fn load<'t>(t: &mut Tokens<'t>, ops: Operands) -> Parse<Line<'t>> {
    let (size, signed) = pointer_type(t)?;
    if !t.accept_words(&["skb"]) {
        let (src, off) = address(t)?;
        return Ok(Line::new(Kind::Ldx { size, signed }, Operands { src, off, ..ops }));
    }
    t.expect("[")?;
    let mut ops = Operands::default();
    let indirect = match maybe_reg(t) {
        Some(base) => {
            ops.src = base.number;
            true
        }
        None => false,
    };
    ops.imm = imm32(if indirect && matches!(t.peek(), Some(Tok::Punct("]"))) { 0 } else { t.signed()? })?;
    t.expect("]")?;
    Ok(Line::new(Kind::LdPacket { size, indirect }, ops))
}

/// What is right of `rN =` when it starts with a name.
fn named<'t>(t: &mut Tokens<'t>, dst: Reg, word: &'t str) -> Parse<Line<'t>> {
    let ops = Operands { dst: dst.number, ..Operands::default() };
    for (prefix, to) in [("bswap", Order::Swap), ("be", Order::Be), ("le", Order::Le)] {
        let bits = match word.strip_prefix(prefix) {
            Some("16") => 16,
            Some("32") => 32,
            Some("64") => 64,
            _ => continue,
        };
        let src = reg(t)?;
        return if src == dst {
            Ok(Line::new(Kind::End { to, bits }, ops))
        } else {
            Err("swaps another register".to_owned())
        };
    }
    match word {
        "load_acquire" => {
            t.expect("(")?;
            let (size, (src, off)) = typed_address(t)?;
            t.expect(")")?;
            Ok(Line::new(Kind::LoadAcquire(size), Operands { src, off, ..ops }))
        }
        "addr_space_cast" => {
            t.expect("(")?;
            let src = reg(t)?.number;
            t.expect(",")?;
            let to = t.int()?;
            t.expect(",")?;
            let imm = imm32(to << 16 | t.int()?)?;
            t.expect(")")?;
            Ok(Line::new(Kind::AddrSpaceCast, Operands { src, imm, ..ops }))
        }
        "map" | "btf" | "subprog" => object(t, ops, word),
        _ if t.accept("(") => atomic(t, dst, word),
        _ if t.accept_words(&["ll"]) => {
            Ok(Line { kind: Kind::LdImm64(Imm64::Func), ops, target: Target::Label(word) })
        }
        _ => Err(format!("no value `{word}`")),
    }
}

/// `map[fd:5]`, `map[idx:5][0]+8`, `btf[id:7]`, `subprog[+3]`: 64-bit immediates that stand for something.
fn object<'t>(t: &mut Tokens<'t>, ops: Operands, word: &str) -> Parse<Line<'t>> {
    t.expect("[")?;
    if word == "subprog" {
        let by = i64::try_from(t.signed()?).map_err(|_| "target too far".to_owned())?;
        t.expect("]")?;
        return Ok(Line { kind: Kind::LdImm64(Imm64::Func), ops, target: Target::By(by) });
    }
    let by = t.take_word()?;
    t.expect(":")?;
    let low = imm32(t.int()?)?;
    t.expect("]")?;
    let mut kind = match (word, by) {
        ("map", "fd") => Imm64::MapFd,
        ("map", "idx") => Imm64::MapIdx,
        ("btf", "id") => Imm64::BtfId,
        _ => return Err(format!("no `{by}` of a {word}")),
    };
    let mut high = 0;
    if kind == Imm64::BtfId && t.accept("@") {
        high = imm32(t.int()?)?;
    } else if t.accept("[") {
        t.int()?;
        t.expect("]")?;
        high = imm32(if matches!(t.peek(), Some(Tok::Punct("+"))) { t.signed()? } else { 0 })?;
        kind = if kind == Imm64::MapFd { Imm64::MapValue } else { Imm64::MapIdxValue };
    }
    let imm = high << 32 | i64::from(low as u32);
    Ok(Line::new(Kind::LdImm64(kind), Operands { imm, ..ops }))
}

/// `atomic64_fetch_add((u64 *)(r1 + 0), r2)` of the kernel, `cmpxchg_64(r1 + 0, r0, r2)` of LLVM, after the parenthesis.
fn atomic<'t>(t: &mut Tokens<'t>, dst: Reg, word: &str) -> Parse<Line<'t>> {
    let llvm = match word {
        "xchg_64" => Some((Rmw::Xchg, true)),
        "xchg32_32" => Some((Rmw::Xchg, false)),
        "cmpxchg_64" => Some((Rmw::CmpXchg, true)),
        "cmpxchg32_32" => Some((Rmw::CmpXchg, false)),
        _ => None,
    };
    let (op, wide, (base, off)) = match llvm {
        Some((op, wide)) => (op, wide, bare_address(t)?),
        None => {
            let name = word.strip_prefix("atomic64_").or_else(|| word.strip_prefix("atomic_"));
            let op = match name {
                Some("fetch_add") => Rmw::FetchAdd,
                Some("fetch_or") => Rmw::FetchOr,
                Some("fetch_and") => Rmw::FetchAnd,
                Some("fetch_xor") => Rmw::FetchXor,
                Some("xchg") => Rmw::Xchg,
                Some("cmpxchg") => Rmw::CmpXchg,
                _ => return Err(format!("no value `{word}(`")),
            };
            let (size, at) = typed_address(t)?;
            (op, is_wide(size)?, at)
        }
    };
    t.expect(",")?;
    if op == Rmw::CmpXchg {
        let expected = reg(t)?.number;
        t.expect(",")?;
        if dst.number != 0 || expected != 0 {
            return Err("compare and exchange uses r0".to_owned());
        }
    }
    let src = reg(t)?.number;
    t.expect(")")?;
    if op != Rmw::CmpXchg && src != dst.number {
        return Err("the old value goes to the source register".to_owned());
    }
    Ok(Line::new(Kind::Atomic { op, wide }, Operands { dst: base, off, src, imm: 0 }))
}

#[cfg(test)]
mod tests;
