//! [`Layout`] in, text out: a line per member, comments for what is between them, sums at the end.
//!
//! Structs, unions and enumerations without a name are written out where they are used, as a member, an array's element
//! or what a pointer points to; in the last case offsets count from 0 again.

use core::fmt::{self, Write};
use std::collections::HashMap;

use super::guess::Guess;
use super::spell::{self, Peeled};
use super::{CACHE_LINE, Layout, Slot, gaps};
use crate::measure::MAX_DEPTH;
use crate::{Btf, BtfError, EnumView, Type, TypeId};

/// Longest text in bytes.
const MAX_LEN: usize = 16 << 20;
/// Columns of a tab.
const TAB: usize = 8;
/// Where a member's declarator begins, and where its comment.
const NAME_COLUMN: usize = 35;
const COMMENT_COLUMN: usize = 57;
/// The comment column of a union that is printed by itself.
const UNION_COMMENT_COLUMN: usize = 55;

/// Where a nested struct is.
#[derive(Clone, Copy)]
struct Place {
    /// Tabs before its members.
    indent: usize,
    /// What its offsets count from, in bytes.
    base: u32,
    name_column: usize,
    comment_column: usize,
    is_union: bool,
    /// Or something around it is.
    is_in_union: bool,
}

impl Place {
    /// Columns of a type. Where tabs leave less than none, a width below 0 counts as its positive.
    fn type_width(self) -> usize {
        self.name_column.abs_diff(self.indent * TAB + 1)
    }
}

struct Printer<'b> {
    btf: &'b Btf,
    guess: Guess<'b>,
    /// Bytes of padding of structs.
    paddings: HashMap<TypeId, u32>,
    out: String,
    /// The last cache line whose beginning was shown.
    line: u32,
    root: TypeId,
}

pub(super) fn print(btf: &Btf, id: TypeId) -> Result<String, BtfError> {
    let mut guess = Guess::new(btf);
    let layout = gaps::layout(btf, id, &mut guess)?;
    let ty = btf.get(id)?;
    let is_union = matches!(ty.view(), Type::Union(_));
    let mut p = Printer { btf, guess, paddings: HashMap::new(), out: String::new(), line: 0, root: id };
    let word = if is_union { "union" } else { "struct" };
    let space = if ty.name().is_empty() { "" } else { " " };
    p.put(format_args!("{word}{space}{} {{\n", ty.name()))?;
    let comment_column = if is_union { UNION_COMMENT_COLUMN } else { COMMENT_COLUMN };
    let place = Place {
        indent: 1,
        base: 0,
        name_column: NAME_COLUMN,
        comment_column,
        is_union,
        is_in_union: is_union,
    };
    p.members(&layout, place)?;
    if !is_union {
        p.sums(&layout)?;
    }
    let attributes = attributes(&layout);
    p.put(format_args!("}}{attributes};\n"))?;
    Ok(p.out)
}

/// What is guessed about a whole struct.
fn attributes(layout: &Layout<'_>) -> String {
    let packed = if layout.is_packed { " __attribute__((__packed__))" } else { "" };
    format!("{packed}{}", aligned(layout.alignment))
}

fn aligned(alignment: u32) -> String {
    if alignment == 0 { String::new() } else { format!(" __attribute__((__aligned__({alignment})))") }
}

fn plural(n: u32) -> &'static str {
    if n == 1 { "" } else { "s" }
}

impl<'b> Printer<'b> {
    fn put(&mut self, text: fmt::Arguments<'_>) -> Result<(), BtfError> {
        // Writing to a string cannot fail.
        let _ = self.out.write_fmt(text);
        if self.out.len() > MAX_LEN { Err(BtfError::TooBig { id: self.root.0 }) } else { Ok(()) }
    }

    fn tabs(&mut self, n: usize) {
        self.out.extend(core::iter::repeat_n('\t', n));
    }

    fn members(&mut self, layout: &Layout<'b>, place: Place) -> Result<(), BtfError> {
        if place.indent > MAX_DEPTH as usize {
            return Err(BtfError::TooDeep { id: self.root.0 });
        }
        let count = layout.members.len();
        let mut previous: Option<Slot<'b>> = None;
        // The end of the integer that bit-fields share.
        let mut unit_end = 0;
        for (i, slot) in layout.members.iter().enumerate() {
            if place.is_union {
                // Members of a union are beside each other: none of them moves on to the next line of the others.
                let line = self.line;
                self.member(slot, place, false)?;
                self.line = line;
                continue;
            }
            self.between(layout, previous.as_ref(), Some((slot, unit_end)), place)?;
            self.boundary(place.base.saturating_add(slot.offset), place.indent)?;
            // An array of nothing at the end has as many elements as there is memory for.
            self.member(slot, place, i > 0 && i + 1 == count && !place.is_in_union)?;
            let end = slot.offset.saturating_add(slot.size);
            unit_end = if slot.offset < unit_end { end.max(unit_end) } else { end };
            previous = Some(*slot);
        }
        if let Some(last) = &previous {
            self.between(layout, Some(last), None, place)?;
        }
        Ok(())
    }

    /// The comments between two members, with an empty line before the first and, but for the last member, after them.
    fn between(
        &mut self,
        layout: &Layout<'b>,
        before: Option<&Slot<'b>>,
        next: Option<(&Slot<'b>, u32)>,
        place: Place,
    ) -> Result<(), BtfError> {
        let mut lines: Vec<String> = Vec::new();
        if let Some(padding) = before.map(|b| self.padding_of(b)).transpose()?.filter(|&p| p > 0) {
            lines.push(format!("/* XXX last struct has {padding} byte{} of padding */", plural(padding)));
        }
        if let Some((next, unit_end)) = next {
            let (hole, bit_hole) = match before {
                Some(b) => (b.hole, b.bit_hole),
                None => (layout.hole_before, layout.bit_hole_before),
            };
            self.holes(hole, bit_hole, (before, unit_end), next, place, &mut lines)?;
        }
        if lines.is_empty() {
            return Ok(());
        }
        self.put(format_args!("\n"))?;
        for line in lines {
            if !line.is_empty() {
                self.tabs(place.indent);
            }
            self.put(format_args!("{line}\n"))?;
        }
        if next.is_some() { self.put(format_args!("\n")) } else { Ok(()) }
    }

    fn holes(
        &mut self,
        hole: u32,
        bit_hole: u32,
        (before, unit_end): (Option<&Slot<'b>>, u32),
        next: &Slot<'b>,
        place: Place,
        lines: &mut Vec<String>,
    ) -> Result<(), BtfError> {
        let after_bits = before.is_some_and(|b| b.member.bit_size != 0);
        let is_bits = next.member.bit_size != 0;
        if bit_hole > 0 {
            lines.push(format!("/* XXX {bit_hole} bit{} hole, try to pack */", plural(bit_hole)));
        }
        if hole > 0 {
            lines.push(format!("/* XXX {hole} byte{} hole, try to pack */", plural(hole)));
        }
        if let (Some(before), true) = (before, bit_hole > 0 && after_bits && is_bits) {
            let is_same = before.offset == next.offset;
            if !is_same {
                lines.push(String::new());
                lines.push("/* Force alignment to the next boundary: */".to_owned());
            }
            let ty = spell::member(self.btf, next.member.type_id, "", false)?.ty;
            let width = if is_same { bit_hole } else { 0 };
            lines.push(format!("{ty:0$} :{width};", place.type_width()));
        }
        if let Some(before) = before {
            if is_bits && !after_bits && next.offset < unit_end {
                lines.push("/* Bitfield combined with previous fields */".to_owned());
            }
            let own_end = before.offset.saturating_add(before.size);
            let end = if is_bits { unit_end } else { own_end };
            if after_bits && next.offset > before.offset && next.offset < end {
                lines.push("/* Bitfield combined with next fields */".to_owned());
            }
        }
        Ok(())
    }

    /// Says that a cache line began since the last member.
    fn boundary(&mut self, offset: u32, indent: usize) -> Result<(), BtfError> {
        let line = offset / CACHE_LINE;
        if line <= self.line {
            return Ok(());
        }
        self.line = line;
        self.tabs(indent);
        let begin = line * CACHE_LINE;
        let ago = match offset % CACHE_LINE {
            0 => String::new(),
            ago => format!(" was {ago} byte{} ago", plural(ago)),
        };
        self.put(format_args!("/* --- cacheline {line} boundary ({begin} bytes){ago} --- */\n"))
    }

    /// Bytes of padding at the end of a member's type, if that is a struct by its own name.
    fn padding_of(&mut self, slot: &Slot<'b>) -> Result<u32, BtfError> {
        let ty = self.btf.get(slot.member.type_id)?;
        match ty.view() {
            Type::Struct(_) => {}
            _ => return Ok(0),
        }
        // Once for each type: hostile BTF can have as many members of a struct as that has members.
        if let Some(&padding) = self.paddings.get(&ty.id()) {
            return Ok(padding);
        }
        let padding = gaps::layout(self.btf, ty.id(), &mut self.guess)?.padding;
        self.paddings.insert(ty.id(), padding);
        Ok(padding)
    }

    fn member(&mut self, slot: &Slot<'b>, place: Place, may_be_endless: bool) -> Result<(), BtfError> {
        let mut peeled = spell::peel(self.btf, slot.member.type_id)?;
        let mut qualifier = "";
        if let Type::Const(to) = self.btf.get(peeled.elem)?.view() {
            let target = self.btf.get(to)?;
            if target.composite().is_some() && target.name().is_empty() {
                (qualifier, peeled.elem) = ("const ", to);
            }
        }
        let name = slot.member.name;
        let inner = match self.btf.get(peeled.elem)?.view() {
            Type::Ptr(to) => Some(to),
            _ => None,
        };
        let of = inner.unwrap_or(peeled.elem);
        let is_anonymous = self.btf.get(of)?.name().is_empty();
        match self.btf.get(of)?.view() {
            Type::Struct(_) | Type::Union(_) if is_anonymous => {
                self.tabs(place.indent);
                self.put(format_args!("{qualifier}"))?;
                self.nested(slot, of, inner.is_some(), &peeled, place, may_be_endless)
            }
            Type::Enum(e) | Type::Enum64(e) if is_anonymous && inner.is_none() && peeled.dims.is_empty() => {
                self.enumeration(e, slot, place)
            }
            _ => {
                let start = self.out.len();
                self.tabs(place.indent);
                let declared = spell::member(self.btf, slot.member.type_id, name, may_be_endless)?;
                let width = place.type_width();
                self.put(format_args!("{:width$} {}", declared.ty, declared.name))?;
                if slot.member.bit_size > 0 {
                    self.put(format_args!(":{}", slot.member.bit_size))?;
                }
                let aligned = aligned(slot.alignment);
                self.put(format_args!("{aligned};"))?;
                self.place(slot, place, start, 0)
            }
        }
    }

    /// A struct or union without a name, in full, from behind its indentation on.
    fn nested(
        &mut self,
        slot: &Slot<'b>,
        id: TypeId,
        is_pointer: bool,
        peeled: &Peeled,
        place: Place,
        may_be_endless: bool,
    ) -> Result<(), BtfError> {
        let layout = gaps::layout(self.btf, id, &mut self.guess)?;
        let is_union = matches!(self.btf.get(id)?.view(), Type::Union(_));
        self.put(format_args!("{} {{\n", if is_union { "union" } else { "struct" }))?;
        let mut inner = Place {
            indent: place.indent + 1,
            base: place.base.saturating_add(slot.offset),
            is_union,
            is_in_union: place.is_in_union || is_union,
            ..place
        };
        if is_pointer {
            inner.base = 0;
            inner.name_column = inner.name_column.saturating_sub(TAB);
            inner.comment_column = inner.comment_column.saturating_sub(TAB);
        }
        let line = self.line;
        self.members(&layout, inner)?;
        if is_pointer {
            self.line = line;
        }
        let start = self.out.len();
        self.tabs(place.indent);
        let attributes = attributes(&layout);
        self.put(format_args!("}}{attributes}"))?;
        let name = slot.member.name;
        let dims = spell::dims(peeled, may_be_endless);
        let star = if is_pointer { "* " } else { "" };
        let space = if name.is_empty() { "" } else { " " };
        let aligned_member = aligned(slot.alignment);
        self.put(format_args!("{space}{star}{name}{dims}{aligned_member};"))?;
        if is_pointer || !peeled.dims.is_empty() {
            return self.comment(slot, place);
        }
        // The alignment of the struct itself is not counted for the column.
        self.place(slot, place, start, aligned(layout.alignment).len())
    }

    /// An enumeration without a name, in full.
    fn enumeration(&mut self, e: EnumView<'b>, slot: &Slot<'b>, place: Place) -> Result<(), BtfError> {
        self.tabs(place.indent);
        self.put(format_args!("enum {{\n"))?;
        let width = e.values().map(|v| v.name.len()).max().unwrap_or(0);
        for v in e.values() {
            self.tabs(place.indent + 1);
            self.put(format_args!("{:width$} = {},\n", v.name, v.value))?;
        }
        let start = self.out.len();
        self.tabs(place.indent);
        let packed = if e.size() < 4 { " __attribute__((__packed__))" } else { "" };
        let space = if slot.member.name.is_empty() { "" } else { " " };
        self.put(format_args!("}}{packed}{space}{}", slot.member.name))?;
        let before_bits = self.out.len();
        if slot.member.bit_size > 0 {
            self.put(format_args!(":{}", slot.member.bit_size))?;
        }
        // Neither the attribute nor the width is counted for the column.
        let uncounted = packed.len() + self.out.len().saturating_sub(before_bits);
        let aligned = aligned(slot.alignment);
        self.put(format_args!("{aligned};"))?;
        self.place(slot, place, start, uncounted)
    }

    /// Fills the line that begins at `start` up to the comment's column, and writes where the member is. `uncounted`
    /// bytes of the line do not count.
    fn place(
        &mut self,
        slot: &Slot<'b>,
        place: Place,
        start: usize,
        uncounted: usize,
    ) -> Result<(), BtfError> {
        let width = self.out.get(start..).unwrap_or_default().len() + place.indent * (TAB - 1);
        let fill = place.comment_column.saturating_sub(1 + width.saturating_sub(uncounted));
        self.put(format_args!("{:fill$}", ""))?;
        self.comment(slot, place)
    }

    fn comment(&mut self, slot: &Slot<'b>, place: Place) -> Result<(), BtfError> {
        let (offset, size) = (place.base.saturating_add(slot.offset), slot.size);
        if slot.member.bit_size > 0 {
            self.put(format_args!(" /* {offset:5}:{:2} {size:2} */\n", slot.bit))
        } else {
            self.put(format_args!(" /* {offset:5} {size:5} */\n"))
        }
    }

    fn sums(&mut self, layout: &Layout<'b>) -> Result<(), BtfError> {
        let mut lines = Vec::new();
        let size = layout.size;
        let lines_used = size.div_ceil(CACHE_LINE);
        let mut sums = Sums::default();
        sums.hole(layout.hole_before, layout.bit_hole_before);
        for slot in &layout.members {
            sums.hole(slot.hole, slot.bit_hole);
            sums.member(slot);
            let padding = self.padding_of(slot)?;
            if padding > 0 {
                sums.paddings += 1;
                sums.padding_bytes += u64::from(padding);
            }
        }
        let before = core::iter::once(layout.hole_before).chain(layout.members.iter().map(|m| m.hole));
        for (slot, hole) in layout.members.iter().zip(before).filter(|(s, _)| s.alignment > 0) {
            sums.forced += 1;
            if hole > 0 && slot.alignment > 0 {
                sums.forced_holes += 1;
                sums.forced_bytes += u64::from(hole);
            }
        }
        lines.push(format!("size: {size}, cachelines: {lines_used}, members: {}", layout.members.len()));
        sums.lines(&mut lines);
        if layout.padding > 0 {
            lines.push(format!("padding: {}", layout.padding));
        }
        if sums.paddings > 0 {
            lines.push(format!("paddings: {}, sum paddings: {}", sums.paddings, sums.padding_bytes));
        }
        if layout.bit_padding > 0 {
            lines.push(format!("bit_padding: {} bits", layout.bit_padding));
        }
        sums.forced_line(&mut lines);
        if size % CACHE_LINE != 0 {
            lines.push(format!("last cacheline: {} bytes", size % CACHE_LINE));
        }
        self.put(format_args!("\n"))?;
        for line in lines {
            self.put(format_args!("\t/* {line} */\n"))?;
        }
        Ok(())
    }
}

/// What the lines behind the members count.
#[derive(Debug, Default)]
struct Sums {
    bytes: u64,
    bits: u64,
    holes: u32,
    hole_bytes: u64,
    bit_holes: u32,
    hole_bits: u64,
    paddings: u32,
    padding_bytes: u64,
    forced: u32,
    forced_holes: u32,
    forced_bytes: u64,
}

impl Sums {
    fn hole(&mut self, bytes: u32, bits: u32) {
        self.holes += u32::from(bytes > 0);
        self.hole_bytes += u64::from(bytes);
        self.bit_holes += u32::from(bits > 0);
        self.hole_bits += u64::from(bits);
    }

    fn member(&mut self, slot: &Slot<'_>) {
        match slot.member.bit_size {
            0 => self.bytes += u64::from(slot.size),
            bits => self.bits += u64::from(bits),
        }
    }

    /// The sums of members are of interest only where there are holes.
    fn lines(&self, lines: &mut Vec<String>) {
        let Self { bytes, bits, holes, hole_bytes, bit_holes, hole_bits, .. } = self;
        if *holes > 0 {
            lines.push(format!("sum members: {bytes}, holes: {holes}, sum holes: {hole_bytes}"));
        } else if *bit_holes > 0 && *bytes > 0 {
            lines.push(format!("sum members: {bytes}"));
        }
        if *bit_holes > 0 {
            lines.push(format!(
                "sum bitfield members: {bits} bits, bit holes: {bit_holes}, sum bit holes: {hole_bits} bits"
            ));
        } else if *holes > 0 && *bits > 0 {
            lines.push(format!("sum bitfield members: {bits} bits ({} bytes)", bits / 8));
        }
    }

    fn forced_line(&self, lines: &mut Vec<String>) {
        let Self { forced, forced_holes, forced_bytes, .. } = self;
        match (forced, forced_holes) {
            (0, _) => {}
            (_, 0) => lines.push(format!("forced alignments: {forced}")),
            _ => lines.push(format!(
                "forced alignments: {forced}, forced holes: {forced_holes}, sum forced holes: {forced_bytes}"
            )),
        }
    }
}
