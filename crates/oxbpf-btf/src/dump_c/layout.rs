//! What to write so that a compiler puts members where they are: padding, and whether a struct is packed.

use super::CDump;
use crate::decl::{Spell, put_number};
use crate::raw::RawMember;
use crate::view::split_offset;
use crate::{Btf, Type, TypeId, TypeRef};

/// Deepest nesting for which an alignment is found.
const MAX_DEPTH: u32 = 64;

/// What a layout needs to know of a type.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// In bytes, 0 for what has no size.
    pub(super) size: u32,
    /// In bytes, 0 for what has none, such as void.
    pub(super) align: u32,
    /// A struct that a compiler would lay out otherwise unless told to pack it.
    pub(super) is_packed: bool,
}

/// Sizes and alignments of types, each found once.
#[derive(Debug)]
pub(super) struct Shapes<'b> {
    btf: &'b Btf,
    /// By id; a size of [`UNKNOWN`] and any alignment, before it is known.
    known: Vec<(u32, u8)>,
}

const UNKNOWN: u32 = u32::MAX;
/// The bit of a kept alignment that says packed.
const PACKED: u8 = 0x80;

impl<'b> Shapes<'b> {
    pub(super) fn new(btf: &'b Btf) -> Self {
        Self { btf, known: vec![(UNKNOWN, 0); btf.type_count() as usize] }
    }

    pub(super) fn of(&mut self, id: TypeId) -> Shape {
        self.within(id, 0)
    }

    fn within(&mut self, id: TypeId, depth: u32) -> Shape {
        let none = Shape { size: 0, align: 0, is_packed: false };
        match self.known.get(id.0 as usize) {
            Some((UNKNOWN, _)) if depth <= MAX_DEPTH => {}
            Some((UNKNOWN, _)) | None => return none,
            Some((size, align)) => {
                let (align, is_packed) = (u32::from(align & !PACKED), align & PACKED != 0);
                return Shape { size: *size, align, is_packed };
            }
        }
        let Ok(t) = self.btf.get(id) else { return none };
        // Until it is known: what contains itself has neither.
        self.keep(id, none);
        let word = self.btf.pointer_size();
        let (align, is_packed) = match t.view() {
            Type::Int(_, size) | Type::Float { size } => (size.min(word), false),
            Type::Enum(_) | Type::Enum64(_) => (t.size().min(word), false),
            Type::Ptr(_) => (word, false),
            Type::Typedef(to)
            | Type::Const(to)
            | Type::Volatile(to)
            | Type::Restrict(to)
            | Type::TypeTag(to) => (self.within(to, depth + 1).align, false),
            Type::Array { elem, .. } => (self.within(elem, depth + 1).align, false),
            Type::Struct(_) | Type::Union(_) => self.composite(t, depth),
            _ => (0, false),
        };
        let shape = Shape { size: self.btf.size_of(id).unwrap_or(0), align, is_packed };
        self.keep(id, shape);
        shape
    }

    fn keep(&mut self, id: TypeId, shape: Shape) {
        if let Some(known) = self.known.get_mut(id.0 as usize) {
            // Alignments are at most a pointer's size.
            *known =
                (shape.size.min(UNKNOWN - 1), shape.align as u8 | if shape.is_packed { PACKED } else { 0 });
        }
    }

    /// The largest alignment of a member, or 1 if a member or the size does not keep to it; and whether that is so.
    fn composite(&mut self, t: TypeRef<'b>, depth: u32) -> (u32, bool) {
        let (mut max, mut is_packed, mut has_none) = (1, false, false);
        for m in t.elems::<RawMember>() {
            let align = self.within(TypeId(m.type_id.get()), depth + 1).align;
            // The first of both decides about the alignment.
            has_none |= align == 0 && !is_packed;
            is_packed |= !is_aligned(t, m, align);
            max = max.max(align);
        }
        is_packed |= t.size() % max != 0;
        let align = match (has_none, is_packed) {
            (true, _) => 0,
            (_, true) => 1,
            _ => max,
        };
        (align, is_packed)
    }
}

/// Whether a member is a bit-field, or at a multiple of its alignment.
fn is_aligned(t: TypeRef<'_>, m: &RawMember, align: u32) -> bool {
    let (offset, bits) = split_offset(t.kind_flag(), m.offset.get());
    bits != 0 || align == 0 || u64::from(offset) % (8 * u64::from(align)) == 0
}

/// The first multiple of `unit` from `at` on.
fn round_up(at: i64, unit: i64) -> i64 {
    let unit = unit.max(1);
    (at + unit - 1) / unit * unit
}

impl CDump<'_> {
    /// Fills the bits from `at` to `next`, where a member begins whose alignment is `next_align` bytes, as far as a compiler would not
    /// leave them out by itself.
    pub(super) fn padding(&mut self, at: i64, next: i64, next_align: u32, in_bit_field: bool, level: u32) {
        if at >= next {
            return;
        }
        let word = i64::from(self.btf.pointer_size()) * 8;
        let units: [(&[u8], i64); 4] = [(b"long", word), (b"int", 32), (b"short", 16), (b"char", 8)];
        // The largest type at a multiple of whose size the gap can be entered.
        let fits = units.iter().find(|u| round_up(at, u.1) <= next);
        let (mut name, mut bits) = *fits.unwrap_or(&units[3]);
        let entry = round_up(at, bits);
        let mut at = at;
        if entry > at && entry <= next {
            // A compiler gets there by itself if the member wants that alignment, or if the first full unit after it
            // would not fit before.
            let is_explicit = in_bit_field
                || (entry == next && round_up(at, i64::from(next_align) * 8) != entry)
                || (entry != next && next - entry <= entry - at);
            if is_explicit {
                self.pad(name, if in_bit_field { entry - at } else { 0 }, level);
            }
            at = entry;
        }
        while at < next {
            let left = (next - at).min(bits);
            if left < bits {
                // The smallest type that has as many bits.
                if let Some(unit) = units.iter().rev().find(|u| u.1 >= left) {
                    (name, bits) = *unit;
                }
            }
            if !self.step() {
                return;
            }
            self.pad(name, left, level);
            at += left;
        }
    }

    fn pad(&mut self, name: &[u8], bits: i64, level: u32) {
        self.new_line(level);
        self.put(name);
        self.put(b": ");
        put_number(self.out(), bits.unsigned_abs());
        self.put(b";");
    }
}
