//! A struct's members in, [`Layout`] out: one walk that compares where a member ends with where the next one begins.
//!
//! All positions are counted in bits and in 64 bits, so that no offset of hostile BTF overflows.

use super::guess::{Guess, forced};
use super::{Layout, Slot};
use crate::{Btf, BtfError, Member, Type, TypeId};

/// Where the walk is.
#[derive(Clone, Copy, Default)]
struct Position {
    /// The first bit behind the last member.
    end: u64,
    /// The first bit behind the integer that the last member is in; the same if it is no bit-field.
    unit_end: u64,
    /// The first byte behind the last member that takes any.
    data_end: u64,
}

/// Unused bytes and bits.
#[derive(Clone, Copy, Default)]
struct Gap {
    bytes: u32,
    bits: u32,
}

pub(super) fn layout<'b>(btf: &'b Btf, id: TypeId, guess: &mut Guess<'b>) -> Result<Layout<'b>, BtfError> {
    let ty = btf.get(id)?;
    let (composite, is_union) = match ty.view() {
        Type::Struct(c) => (c, false),
        Type::Union(c) => (c, true),
        _ => return Err(BtfError::BadType { id: id.0, kind: ty.kind(), why: "is no struct or union" }),
    };
    let mut out = Layout {
        size: ty.size(),
        members: Vec::with_capacity(composite.len()),
        hole_before: 0,
        bit_hole_before: 0,
        padding: 0,
        bit_padding: 0,
        alignment: 0,
        is_packed: false,
    };
    let mut at = Position::default();
    let mut is_odd = false;
    for member in composite.members() {
        let mut slot = slot(btf, member)?;
        let natural = guess.natural(member.type_id)?;
        let begin = u64::from(member.bit_offset);
        is_odd |= member.bit_size == 0 && begin % (8 * u64::from(natural)) != 0;
        if is_union {
            let end = begin / 8 + u64::from(slot.size);
            at.data_end = at.data_end.max(end);
            out.members.push(slot);
            continue;
        }
        let gap = gap(at, &slot);
        match out.members.last_mut() {
            Some(last) => (last.hole, last.bit_hole) = (gap.bytes, gap.bits),
            None => (out.hole_before, out.bit_hole_before) = (gap.bytes, gap.bits),
        }
        if member.bit_size == 0 && slot.size > 0 {
            let since = u64::from(slot.offset).saturating_sub(at.data_end);
            // Where that is no multiple, the member is in a struct of bit-fields, and nobody asked for anything.
            let guessed = forced(narrow(since), slot.offset, natural);
            slot.alignment = if guessed > 0 && slot.offset % guessed == 0 { guessed } else { 0 };
        }
        at = after(at, &slot);
        out.members.push(slot);
    }
    let natural = guess.natural(id)?;
    let size = u64::from(out.size);
    if !is_union {
        out.padding = narrow(size.saturating_sub(at.unit_end.div_ceil(8)));
        out.bit_padding = narrow(at.unit_end.min(8 * size).saturating_sub(at.end));
    }
    if !out.members.is_empty() {
        out.alignment = forced(narrow(size.saturating_sub(at.data_end)), out.size, natural);
    }
    is_odd |= out.size % natural != 0;
    let has_hole = |m: &Slot<'_>| m.hole != 0 || m.bit_hole != 0;
    out.is_packed = is_odd && !is_union && !out.members.iter().any(has_hole);
    Ok(out)
}

/// A member's place, with nothing after it yet.
fn slot<'b>(btf: &'b Btf, member: Member<'b>) -> Result<Slot<'b>, BtfError> {
    let size = btf.size_of(member.type_id)?;
    let (offset, bit) = if member.bit_size == 0 {
        (member.bit_offset / 8, 0)
    } else {
        let unit = u64::from(size.max(1));
        // Never more than the bit offset itself.
        let offset = narrow(u64::from(member.bit_offset) / (8 * unit) * unit);
        (offset, narrow(u64::from(member.bit_offset).saturating_sub(8 * u64::from(offset))))
    };
    Ok(Slot { member, offset, bit, size, hole: 0, bit_hole: 0, alignment: 0 })
}

/// What is unused between the last member and this one. Bits are those of the integer of a bit-field on either side.
fn gap(at: Position, next: &Slot<'_>) -> Gap {
    let begin = u64::from(next.member.bit_offset);
    if begin <= at.end {
        return Gap::default();
    }
    let before = at.unit_end.clamp(at.end, begin);
    let bytes_end = if next.member.bit_size == 0 { begin } else { (8 * u64::from(next.offset)).max(before) };
    let bits = (before - at.end) + (begin - bytes_end) + (bytes_end - before) % 8;
    Gap { bytes: narrow((bytes_end - before) / 8), bits: narrow(bits) }
}

fn after(at: Position, slot: &Slot<'_>) -> Position {
    let begin = u64::from(slot.member.bit_offset);
    let (end, unit_end) = if slot.member.bit_size == 0 {
        let end = begin + 8 * u64::from(slot.size);
        (end, end)
    } else {
        let end = begin + u64::from(slot.member.bit_size);
        let own = end.max(8 * (u64::from(slot.offset) + u64::from(slot.size)));
        // A bit-field of a smaller type may be in the integer of those before it.
        (end, if begin < at.unit_end { own.max(at.unit_end) } else { own })
    };
    let data_end = if slot.size > 0 { unit_end.div_ceil(8) } else { at.data_end };
    Position { end, unit_end, data_end: data_end.max(at.data_end) }
}

/// A count that fits unless the BTF lies.
fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
