//! A layout as text, in pahole's columns.

use core::fmt::Write as _;

use oxbpf_uapi::BtfKind;

use super::facts::Facts;
use super::{CACHE_LINE, Layout, Slot};
use crate::{Btf, BtfError, EnumView, FuncProtoView, Type, TypeId, TypeRef};

/// How deep types nest, how many names are spelled and how long the text may become: hostile types nest without end.
const MAX_DEPTH: u32 = 32;
const MAX_NAMES: u32 = 1 << 20;
const MAX_LEN: usize = 1 << 26;

pub(super) fn print(btf: &Btf, id: TypeId) -> Result<String, BtfError> {
    let mut to =
        Printer { btf, facts: Facts::new(btf), out: String::new(), cache_line: 0, depth: 0, names: 0 };
    let t = btf.get(id)?;
    let at = At { name_width: if t.kind() == BtfKind::UNION { 21 } else { 23 }, ..At::default() };
    to.composite(t, at, None, true)?;
    to.out.push_str(";\n");
    Ok(to.out)
}

/// Where in the text and in the outermost struct something is.
#[derive(Clone, Copy)]
struct At {
    indent: u32,
    /// Columns of type and name. The first shrinks with each level.
    type_width: i32,
    name_width: i32,
    /// Offset of the composite.
    base: u32,
    /// Behind a pointer, where offsets begin at 0 again.
    is_relative: bool,
    in_union: bool,
    is_first: bool,
    is_last: bool,
}

impl Default for At {
    fn default() -> Self {
        At {
            indent: 0,
            type_width: 26,
            name_width: 0,
            base: 0,
            is_relative: false,
            in_union: false,
            is_first: false,
            is_last: false,
        }
    }
}

struct Printer<'b> {
    btf: &'b Btf,
    facts: Facts<'b>,
    out: String,
    /// The last one whose beginning was told.
    cache_line: u32,
    depth: u32,
    names: u32,
}

/// What the lines at the end of a struct sum up.
#[derive(Default)]
struct Sums {
    bytes: u32,
    bits: u32,
    holes: (u32, u32),
    bit_holes: (u32, u32),
    paddings: (u32, u32),
    aligned: u32,
    aligned_holes: (u32, u32),
}

impl Sums {
    fn hole(&mut self, bytes: u32, bits: u32) {
        count(&mut self.holes, bytes);
        count(&mut self.bit_holes, bits);
    }
}

/// Counts what is not 0, and adds it up.
fn count((times, sum): &mut (u32, u32), what: u32) {
    *times += u32::from(what != 0);
    *sum = sum.saturating_add(what);
}

fn plural(n: u32) -> &'static str {
    if n == 1 { "" } else { "s" }
}

/// A width as C's `printf` takes it: a negative one pads on the other side.
fn width(w: i32) -> usize {
    w.unsigned_abs() as usize
}

impl<'b> Printer<'b> {
    fn tabs(&mut self, n: u32) {
        self.out.extend(core::iter::repeat_n('\t', n as usize));
    }

    fn comment(&mut self, indent: u32, text: core::fmt::Arguments<'_>) {
        self.tabs(indent);
        let _ = write!(self.out, "/* {text} */");
    }

    fn composite(
        &mut self,
        t: TypeRef<'b>,
        at: At,
        suffix: Option<&str>,
        stats: bool,
    ) -> Result<(), BtfError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH || self.out.len() > MAX_LEN {
            return Err(BtfError::TooDeep { id: t.id().0 });
        }
        let layout = self.facts.layout(t.id())?;
        let packed = self.facts.is_packed(t)?;
        let is_union = t.kind() == BtfKind::UNION;
        let space = if t.name().is_empty() { "" } else { " " };
        let word = if is_union { "union" } else { "struct" };
        let _ = writeln!(self.out, "{word}{space}{} {{", t.name());
        if is_union {
            self.union_members(&layout, at)?;
        } else {
            let sums = self.struct_members(&layout, at)?;
            if stats {
                self.stats(&layout, &sums, at.indent + 1);
            }
        }
        self.tabs(at.indent);
        self.out.push('}');
        if packed {
            self.out.push_str(" __attribute__((__packed__))");
        }
        if let Some(suffix) = suffix {
            let _ = write!(self.out, " {suffix}");
        }
        if !is_union && !packed && layout.alignment != 0 {
            let _ = write!(self.out, " __attribute__((__aligned__({})))", layout.alignment);
        }
        self.depth -= 1;
        Ok(())
    }

    fn union_members(&mut self, layout: &Layout<'b>, at: At) -> Result<(), BtfError> {
        let line = self.cache_line;
        let at = At { indent: at.indent + 1, in_union: true, ..at };
        for slot in &layout.members {
            self.tabs(at.indent);
            self.member(slot, at, at.base)?;
            self.out.push('\n');
            // Each of them begins where the union does.
            self.cache_line = line;
        }
        Ok(())
    }

    fn struct_members(&mut self, layout: &Layout<'b>, at: At) -> Result<Sums, BtfError> {
        let mut sums = Sums::default();
        let mut at = At { indent: at.indent + 1, ..at };
        // An empty line is before and after a group of comments.
        let mut in_comments = false;
        if layout.bit_hole_before > 0 || layout.hole_before > 0 {
            self.out.push('\n');
            in_comments = true;
            self.holes(at.indent, layout.hole_before, layout.bit_hole_before, ("", "\n"));
            sums.hole(layout.hole_before, layout.bit_hole_before);
        }
        let mut last: Option<&Slot<'_>> = None;
        let mut last_size = 0;
        for (i, slot) in layout.members.iter().enumerate() {
            if slot.alignment != 0 {
                sums.aligned += 1;
                count(&mut sums.aligned_holes, last.map_or(layout.hole_before, |l| l.hole));
            }
            if let (Some(last), true) = (last, last_size != 0) {
                self.unnamed_field(last, slot, at)?;
                if let Some(with) = combined(last, slot, last_size) {
                    self.out.push_str(if in_comments { "" } else { "\n" });
                    in_comments = true;
                    self.comment(at.indent, format_args!("Bitfield combined with {with} fields"));
                    self.out.push('\n');
                }
            }
            if core::mem::take(&mut in_comments) {
                self.out.push('\n');
            }
            (at.is_first, at.is_last) = (last.is_none(), i + 1 == layout.members.len());
            self.tabs(at.indent);
            let base = if at.is_relative { at.base } else { at.base.saturating_add(slot.offset) };
            self.member(slot, at, base)?;
            in_comments = self.after_member(slot, at.indent, &mut sums)?;
            self.out.push('\n');
            let moved = last.is_none_or(|l| l.offset != slot.offset);
            let widened = last.is_some_and(|l| l.member.bit_size == 0 && slot.member.bit_size != 0);
            if last_size == 0 || moved || widened {
                last_size = slot.size;
            }
            last = Some(slot);
        }
        Ok(sums)
    }

    /// Comments below a member; says whether there are any.
    fn after_member(&mut self, slot: &Slot<'b>, indent: u32, sums: &mut Sums) -> Result<bool, BtfError> {
        match slot.member.bit_size {
            0 => sums.bytes = sums.bytes.saturating_add(slot.size),
            bits => sums.bits = sums.bits.saturating_add(bits),
        }
        sums.hole(slot.hole, slot.bit_hole);
        let of = self.btf.get(slot.member.type_id)?;
        let padding = if of.kind() == BtfKind::STRUCT { self.facts.layout(of.id())?.padding } else { 0 };
        count(&mut sums.paddings, padding);
        let any = padding > 0 || slot.hole > 0 || slot.bit_hole > 0;
        self.out.push_str(if any { "\n" } else { "" });
        if padding > 0 {
            self.out.push('\n');
            let s = plural(padding);
            self.comment(indent, format_args!("XXX last struct has {padding} byte{s} of padding"));
        }
        self.holes(indent, slot.hole, slot.bit_hole, ("\n", ""));
        Ok(any)
    }

    fn holes(&mut self, indent: u32, bytes: u32, bits: u32, (before, after): (&str, &str)) {
        for (n, unit) in [(bits, "bit"), (bytes, "byte")] {
            if n > 0 {
                self.out.push_str(before);
                self.comment(indent, format_args!("XXX {n} {unit}{} hole, try to pack", plural(n)));
                self.out.push_str(after);
            }
        }
    }

    /// Bits between two bit-fields, which the source may have as a bit-field without a name.
    fn unnamed_field(&mut self, last: &Slot<'b>, slot: &Slot<'b>, at: At) -> Result<(), BtfError> {
        if last.bit_hole == 0 || slot.member.bit_size == 0 {
            return Ok(());
        }
        let mut bits = last.bit_hole;
        if last.offset != slot.offset {
            self.out.push('\n');
            self.comment(at.indent, format_args!("Force alignment to the next boundary:"));
            self.out.push('\n');
            bits = 0;
        }
        self.tabs(at.indent);
        self.declare(slot.member.type_id, Some(""), at)?;
        let _ = writeln!(self.out, ":{bits};");
        Ok(())
    }

    fn stats(&mut self, layout: &Layout<'_>, sums: &Sums, indent: u32) {
        self.out.push('\n');
        let mut line = |text: core::fmt::Arguments<'_>| {
            self.comment(indent, text);
            self.out.push('\n');
        };
        let ((holes, hole_bytes), (bit_holes, hole_bits)) = (sums.holes, sums.bit_holes);
        let lines = layout.size.div_ceil(CACHE_LINE);
        let members = layout.members.len();
        line(format_args!("size: {}, cachelines: {lines}, members: {members}", layout.size));
        if holes > 0 || bit_holes > 0 {
            match (sums.bytes, holes) {
                (0, _) => {}
                (bytes, 0) => line(format_args!("sum members: {bytes}")),
                (bytes, _) => {
                    line(format_args!("sum members: {bytes}, holes: {holes}, sum holes: {hole_bytes}"));
                }
            }
            match (sums.bits, bit_holes) {
                (0, _) => {}
                (bits, 0) => line(format_args!("sum bitfield members: {bits} bits ({} bytes)", bits / 8)),
                (bits, _) => line(format_args!(
                    "sum bitfield members: {bits} bits, bit holes: {bit_holes}, sum bit holes: {hole_bits} bits"
                )),
            }
        }
        if layout.padding > 0 {
            line(format_args!("padding: {}", layout.padding));
        }
        if let (n @ 1.., sum) = sums.paddings {
            line(format_args!("paddings: {n}, sum paddings: {sum}"));
        }
        if layout.bit_padding > 0 {
            line(format_args!("bit_padding: {} bits", layout.bit_padding));
        }
        match (sums.aligned, sums.aligned_holes) {
            (0, _) => {}
            (n, (0, _)) => line(format_args!("forced alignments: {n}")),
            (n, (holes, sum)) => {
                line(format_args!("forced alignments: {n}, forced holes: {holes}, sum forced holes: {sum}"));
            }
        }
        if layout.size % CACHE_LINE != 0 {
            line(format_args!("last cacheline: {} bytes", layout.size % CACHE_LINE));
        }
    }

    /// A member's declaration and, as a comment, its place. `base` is where members of an anonymous type are.
    fn member(&mut self, slot: &Slot<'b>, at: At, base: u32) -> Result<(), BtfError> {
        let offset = if at.is_relative { slot.offset } else { at.base.saturating_add(slot.offset) };
        self.cache_line_begins(offset, at.indent);
        let start = self.out.len();
        let of = self.btf.get(slot.member.type_id)?;
        let is_tagged = is_tagged(of.kind());
        let name = slot.member.name;
        let inner = At { base, ..at };
        if is_tagged {
            self.declare(of.id(), None, inner)?;
            if !name.is_empty() {
                self.out.push_str(if of.name().is_empty() { " " } else { "" });
                self.out.push_str(name);
            }
        } else {
            self.declare(of.id(), Some(name), inner)?;
        }
        if slot.member.bit_size != 0 {
            let _ = write!(self.out, ":{}", slot.member.bit_size);
        }
        let before = self.out.len();
        if slot.alignment != 0 {
            let _ = write!(self.out, " __attribute__((__aligned__({})))", slot.alignment);
        }
        let aligned = (self.out.len() - before) as i32;
        self.out.push(';');
        let pad = if is_tagged && of.name().is_empty() {
            // The text may have several lines: what is behind the last brace counts.
            let mut taken = aligned + if name.is_empty() { -1 } else { name.len() as i32 };
            if of.kind() == BtfKind::STRUCT && self.facts.is_packed(of)? {
                taken += "__attribute__((__packed__)) ".len() as i32;
            }
            width(at.type_width + at.name_width - taken - 3).max(1)
        } else {
            let printed = i32::try_from(self.out.len() - start).unwrap_or(i32::MAX);
            (at.type_width + at.name_width).saturating_sub(printed).max(1) as usize
        };
        let _ = write!(self.out, "{:pad$}/* {offset:5}", " ");
        let size = slot.size;
        let _ = match slot.member.bit_size {
            0 => write!(self.out, " {size:5} */"),
            _ => write!(self.out, ":{:2} {size:2} */", slot.bit),
        };
        Ok(())
    }

    fn cache_line_begins(&mut self, offset: u32, indent: u32) {
        let line = offset / CACHE_LINE;
        if line <= self.cache_line {
            return;
        }
        self.cache_line = line;
        let start = line * CACHE_LINE;
        let _ = write!(self.out, "/* --- cacheline {line} boundary ({start} bytes)");
        if offset != start {
            let ago = offset - start;
            let _ = write!(self.out, " was {ago} byte{} ago", plural(ago));
        }
        self.out.push_str(" --- */\n");
        self.tabs(indent);
    }

    /// A type and the name it gives, in columns. `None` leaves the name to the caller.
    fn declare(&mut self, id: TypeId, name: Option<&str>, mut at: At) -> Result<(), BtfError> {
        self.count(id)?;
        let t = self.btf.get(id)?;
        let name_or = name.unwrap_or_default();
        let width_less = |n: i32| width(at.type_width - n);
        match t.view() {
            Type::Struct(_) | Type::Union(_) if t.name().is_empty() => {
                at.type_width -= 8;
                return self.composite(t, at, name.filter(|n| !n.is_empty()), false);
            }
            Type::Enum(e) | Type::Enum64(e) if t.name().is_empty() => self.enumeration(e, at, name),
            Type::Struct(_) | Type::Fwd { is_union: false } => {
                let _ = write!(self.out, "struct {:1$} {name_or}", t.name(), width_less(7));
            }
            Type::Union(_) | Type::Fwd { is_union: true } => {
                let _ = write!(self.out, "union {:1$} {name_or}", t.name(), width_less(6));
            }
            Type::Enum(_) | Type::Enum64(_) => {
                let _ = write!(self.out, "enum {:1$} {name_or}", t.name(), width_less(5));
            }
            Type::Const(to) if !to.is_void() => {
                self.out.push_str("const ");
                at.type_width -= 6;
                self.depth += 1;
                self.declare(to, name, at)?;
                self.depth -= 1;
            }
            Type::TypeTag(to) if !to.is_void() => {
                self.depth += 1;
                self.declare(to, name, at)?;
                self.depth -= 1;
            }
            Type::Array { .. } => self.array(id, name_or, at)?,
            Type::FuncProto(p) => self.proto(p, name_or, false, at.type_width)?,
            Type::Ptr(to) => {
                let to = self.btf.get(to)?;
                match to.view() {
                    Type::FuncProto(p) => self.proto(p, name_or, true, at.type_width)?,
                    _ if is_tagged(to.kind()) && to.name().is_empty() => {
                        at.type_width -= 8;
                        at.is_relative = true;
                        self.declare(to.id(), Some(&format!("* {name_or}")), at)?;
                    }
                    _ => self.plain(id, name_or, at)?,
                }
            }
            _ => self.plain(id, name_or, at)?,
        }
        Ok(())
    }

    fn plain(&mut self, id: TypeId, name: &str, at: At) -> Result<(), BtfError> {
        let of = self.name(id)?;
        let _ = write!(self.out, "{of:0$} {name}", width(at.type_width));
        Ok(())
    }

    fn array(&mut self, id: TypeId, name: &str, at: At) -> Result<(), BtfError> {
        let mut dims = String::new();
        let mut elem = id;
        while let Type::Array { elem: of, nelems, .. } = self.btf.get(elem)?.view() {
            self.count(id)?;
            elem = of;
            let is_flexible = nelems == 0 && at.is_last && !at.is_first && !at.in_union;
            let _ = if is_flexible { write!(dims, "[]") } else { write!(dims, "[{nelems}]") };
            if let (0, Type::Const(of)) = (nelems, self.btf.get(elem)?.view()) {
                elem = of;
            }
        }
        self.depth += 1;
        self.declare(elem, Some(name), at)?;
        self.depth -= 1;
        self.out.push_str(&dims);
        Ok(())
    }

    fn enumeration(&mut self, e: EnumView<'_>, at: At, suffix: Option<&str>) {
        self.out.push_str("enum");
        if e.values().len() == 0 {
            return;
        }
        self.out.push_str(" {\n");
        let longest = e.values().map(|v| v.name.len()).max().unwrap_or(0);
        for v in e.values() {
            self.tabs(at.indent + 1);
            let _ = writeln!(self.out, "{:longest$} = {},", v.name, v.value);
        }
        self.tabs(at.indent);
        self.out.push('}');
        self.out.push_str(if e.size() == 4 { "" } else { " __attribute__((__packed__))" });
        if let Some(suffix) = suffix {
            let _ = write!(self.out, " {suffix}");
        }
    }

    fn proto(&mut self, p: FuncProtoView<'b>, name: &str, is_ptr: bool, w: i32) -> Result<(), BtfError> {
        let ret = self.name(p.ret())?;
        let star = if is_ptr { "*" } else { "" };
        let _ = write!(self.out, "{ret:0$} ({star}{name})", width(w));
        let params = self.params(p)?;
        self.out.push_str(&params);
        Ok(())
    }

    fn params(&mut self, p: FuncProtoView<'b>) -> Result<String, BtfError> {
        let mut out = String::from("(");
        let mut is_variadic = false;
        let mut is_first = true;
        for p in p.params() {
            if p.type_id.is_void() {
                is_variadic = true;
                continue;
            }
            out.push_str(if is_first { "" } else { ", " });
            is_first = false;
            let t = self.btf.get(p.type_id)?;
            let proto = match t.view() {
                Type::Ptr(to) => match self.btf.get(to)?.view() {
                    Type::FuncProto(proto) => Some(proto),
                    _ => None,
                },
                _ => None,
            };
            if let Some(proto) = proto {
                self.count(p.type_id)?;
                self.depth += 1;
                let (ret, params) = (self.name(proto.ret())?, self.params(proto)?);
                self.depth -= 1;
                let _ = write!(out, "{ret} (*{}){params}", p.name);
            } else {
                let space = if p.name.is_empty() { "" } else { " " };
                let _ = write!(out, "{}{space}{}", self.name(p.type_id)?, p.name);
            }
        }
        out.push_str(match (is_first, is_variadic) {
            (true, _) => "void)",
            (false, true) => ", ...)",
            (false, false) => ")",
        });
        Ok(out)
    }

    /// A type's name on one line.
    fn name(&mut self, id: TypeId) -> Result<String, BtfError> {
        self.count(id)?;
        self.depth += 1;
        let t = self.btf.get(id)?;
        let name = match t.view() {
            Type::Void => "void".to_owned(),
            Type::Ptr(to) if to.is_void() => "void *".to_owned(),
            Type::Ptr(to) => match self.btf.get(to)?.view() {
                Type::Const(of) if self.btf.get(of)?.kind() == BtfKind::PTR => {
                    format!("{} const *", self.name(of)?)
                }
                _ => format!("{} *", self.name(to)?),
            },
            Type::Const(of) => format!("const {} ", self.name(of)?),
            Type::Volatile(of) => format!("volatile {} ", self.name(of)?),
            Type::Restrict(of) => format!("{} restrict ", self.name(of)?),
            Type::TypeTag(of) => self.name(of)?,
            Type::Array { elem, .. } => self.name(elem)?,
            Type::FuncProto(p) => format!("{} (){}", self.name(p.ret())?, self.params(p)?),
            Type::Struct(_) | Type::Fwd { is_union: false } => format!("struct {}", t.name()),
            Type::Union(_) | Type::Fwd { is_union: true } => format!("union {}", t.name()),
            Type::Enum(_) | Type::Enum64(_) => format!("enum {}", t.name()),
            _ => t.name().to_owned(),
        };
        self.depth -= 1;
        Ok(name)
    }

    fn count(&mut self, id: TypeId) -> Result<(), BtfError> {
        self.names += 1;
        if self.depth > MAX_DEPTH || self.names > MAX_NAMES || self.out.len() > MAX_LEN {
            return Err(BtfError::TooDeep { id: id.0 });
        }
        Ok(())
    }
}

/// Whether a type of this kind has a tag: `struct tag`.
fn is_tagged(kind: BtfKind) -> bool {
    matches!(kind, BtfKind::STRUCT | BtfKind::UNION | BtfKind::ENUM | BtfKind::ENUM64 | BtfKind::FWD)
}

/// With which fields a bit-field shares bytes, if it does.
fn combined(last: &Slot<'_>, slot: &Slot<'_>, last_size: u32) -> Option<&'static str> {
    let is_back = slot.offset < last.offset;
    let is_in_it = slot.offset == last.offset && last.member.bit_size == 0 && slot.member.bit_size != 0;
    if is_back || is_in_it {
        return Some("previous");
    }
    let step = slot.offset - last.offset;
    (step > 0 && step < last_size).then_some("next")
}
