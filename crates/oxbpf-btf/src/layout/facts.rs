//! Offsets, holes, guessed alignment and packing, each computed once per type.

use std::collections::HashMap;
use std::rc::Rc;

use oxbpf_uapi::BtfKind;

use super::{CACHE_LINE, Layout, Slot};
use crate::{Btf, BtfError, Member, Type, TypeId, TypeRef};

/// How far references are followed, and structs are followed into structs.
const MAX_DEPTH: u32 = 32;

/// What is known of the types of one BTF.
pub(super) struct Facts<'b> {
    btf: &'b Btf,
    layouts: HashMap<u32, Rc<Layout<'b>>>,
    natural: HashMap<u32, u32>,
    packed: HashMap<u32, bool>,
}

impl<'b> Facts<'b> {
    pub(super) fn new(btf: &'b Btf) -> Self {
        Facts { btf, layouts: HashMap::new(), natural: HashMap::new(), packed: HashMap::new() }
    }

    /// The type without typedefs, qualifiers and tags.
    pub(super) fn strip(&self, id: TypeId) -> Result<TypeRef<'b>, BtfError> {
        let mut t = self.btf.get(id)?;
        for _ in 0..MAX_DEPTH {
            t = match t.view() {
                Type::Typedef(to)
                | Type::Const(to)
                | Type::Volatile(to)
                | Type::Restrict(to)
                | Type::TypeTag(to) => self.btf.get(to)?,
                _ => return Ok(t),
            };
        }
        Err(BtfError::TooDeep { id: id.0 })
    }

    pub(super) fn layout(&mut self, id: TypeId) -> Result<Rc<Layout<'b>>, BtfError> {
        if let Some(known) = self.layouts.get(&id.0) {
            return Ok(known.clone());
        }
        let t = self.btf.get(id)?;
        let Some(composite) = t.composite() else {
            return Err(BtfError::BadType { id: id.0, kind: t.kind(), why: "not a struct or union" });
        };
        let mut end = 0;
        let mut members = Vec::with_capacity(composite.len());
        for m in composite.members() {
            members.push(self.slot(m, &mut end)?);
        }
        let natural = self.natural(t, 0)?;
        let mut layout = Layout {
            size: t.size(),
            members,
            hole_before: 0,
            bit_hole_before: 0,
            padding: 0,
            bit_padding: 0,
            alignment: forced_alignment(t.size(), natural, end),
        };
        if t.kind() == BtfKind::STRUCT {
            find_holes(&mut layout);
        }
        let layout = Rc::new(layout);
        self.layouts.insert(id.0, layout.clone());
        Ok(layout)
    }

    /// `end` is where the member before it ends, then where this one does.
    fn slot(&mut self, member: Member<'b>, end: &mut u32) -> Result<Slot<'b>, BtfError> {
        let t = self.strip(member.type_id)?;
        let size = self.size(t)?;
        let mut slot =
            Slot { offset: member.bit_offset / 8, bit: 0, size, hole: 0, bit_hole: 0, alignment: 0, member };
        if size == 0 {
            return Ok(slot);
        }
        if member.bit_size != 0 && matches!(t.kind(), BtfKind::INT | BtfKind::ENUM | BtfKind::ENUM64) {
            // Bit-fields are in integers at multiples of their size, packed or not.
            let bits = u64::from(size) * 8;
            let start = u64::from(member.bit_offset) / bits * bits;
            slot.offset = (start / 8) as u32;
            slot.bit = (u64::from(member.bit_offset) - start) as u32;
        }
        slot.alignment = forced_alignment(slot.offset, self.natural(t, 0)?, *end);
        *end = slot.offset.saturating_add(size);
        Ok(slot)
    }

    fn size(&self, t: TypeRef<'b>) -> Result<u32, BtfError> {
        match t.view() {
            Type::Int(e, _) => Ok(e.bits.div_ceil(8)),
            Type::Void | Type::Fwd { .. } | Type::FuncProto(_) | Type::Func { .. } => Ok(0),
            _ => self.btf.size_of(t.id()),
        }
    }

    /// The alignment that the type's parts ask for; 1 where nothing does.
    fn natural(&mut self, t: TypeRef<'b>, depth: u32) -> Result<u32, BtfError> {
        if depth > MAX_DEPTH {
            return Err(BtfError::TooDeep { id: t.id().0 });
        }
        let align = match t.view() {
            Type::Ptr(_) => self.btf.pointer_size(),
            Type::Int(..) | Type::Float { .. } => self.size(t)?,
            Type::Enum(_) | Type::Enum64(_) => t.size(),
            Type::Array { elem, .. } => {
                let elem = self.strip(elem)?;
                self.natural(elem, depth + 1)?
            }
            Type::Struct(c) | Type::Union(c) => {
                if let Some(known) = self.natural.get(&t.id().0) {
                    return Ok(*known);
                }
                let mut most = 1;
                for m in c.members() {
                    let of = self.strip(m.type_id)?;
                    most = most.max(self.natural(of, depth + 1)?);
                }
                self.natural.insert(t.id().0, most);
                most
            }
            _ => 1,
        };
        Ok(align.max(1))
    }

    /// Whether a struct is packed, as far as can be told. A union isn't, but it tells of structs in it.
    pub(super) fn is_packed(&mut self, t: TypeRef<'b>) -> Result<bool, BtfError> {
        if let Some(known) = self.packed.get(&t.id().0) {
            return Ok(*known);
        }
        let layout = self.layout(t.id())?;
        let is_struct = t.kind() == BtfKind::STRUCT;
        let has_gaps =
            layout.hole_before != 0 || layout.padding != 0 || layout.members.iter().any(|m| m.hole != 0);
        let packed = if is_struct && !has_gaps {
            self.is_at_odd_places(&layout)?
        } else {
            self.pack_odd_structs(&layout, is_struct)?;
            false
        };
        self.packed.insert(t.id().0, packed);
        Ok(packed)
    }

    fn is_at_odd_places(&mut self, layout: &Layout<'b>) -> Result<bool, BtfError> {
        let mut most = 1;
        for m in &layout.members {
            let of = self.strip(m.member.type_id)?;
            let natural = self.natural(of, 0)?;
            if m.offset % natural != 0 {
                return Ok(true);
            }
            most = most.max(natural);
        }
        Ok(layout.size % most != 0)
    }

    /// A struct that is where its natural alignment would not let it be is packed, whatever it looks like.
    fn pack_odd_structs(&mut self, layout: &Layout<'b>, in_struct: bool) -> Result<(), BtfError> {
        for m in &layout.members {
            let of = self.strip(m.member.type_id)?;
            if of.kind() != BtfKind::STRUCT {
                continue;
            }
            let place = if in_struct { m.offset } else { layout.size };
            if place % self.natural(of, 0)? != 0 {
                self.packed.insert(of.id().0, true);
            }
        }
        Ok(())
    }
}

/// The alignment that explains a gap between `end` and `at` better than `natural` does, else 0.
fn forced_alignment(at: u32, natural: u32, end: u32) -> u32 {
    let gap = match at.checked_sub(end) {
        Some(gap) if gap > 0 && at % 2 == 0 => gap,
        _ => return 0,
    };
    // The least power of two that the gap is smaller than.
    let least = gap.checked_add(1).and_then(u32::checked_next_power_of_two).unwrap_or(0);
    if least <= natural {
        0
    } else if least < CACHE_LINE && at % CACHE_LINE == 0 {
        // Most likely what the source says.
        CACHE_LINE
    } else {
        least
    }
}

/// Bits up to which something has been seen, and the integer whose bits are being taken.
struct Cursor {
    seen: i64,
    in_bit_field: bool,
    field_end: i64,
    field_size: i64,
}

fn find_holes(layout: &mut Layout<'_>) {
    let total = i64::from(layout.size) * 8;
    let mut cursor = Cursor { seen: 0, in_bit_field: false, field_end: total, field_size: 0 };
    let mut before = (0, 0);
    let mut last: Option<&mut Slot<'_>> = None;
    for slot in &mut layout.members {
        let gap = cursor.pass(slot);
        match &mut last {
            Some(last) => (last.hole, last.bit_hole) = gap,
            None => before = gap,
        }
        last = Some(slot);
    }
    (layout.hole_before, layout.bit_hole_before) = before;
    if cursor.in_bit_field {
        let end = total.min(cursor.field_end);
        layout.bit_padding = clamp(end - cursor.seen);
        cursor.seen = end;
    }
    layout.padding = clamp(i64::from(layout.size) - cursor.seen / 8);
}

impl Cursor {
    /// Goes on to the end of the member; gives the bytes and bits left out before it.
    fn pass(&mut self, slot: &Slot<'_>) -> (u32, u32) {
        let start = i64::from(slot.member.bit_offset);
        let width = i64::from(slot.member.bit_size);
        let size = i64::from(slot.size) * 8;
        let mut bits = 0;
        if self.in_bit_field {
            let end = start.min(self.field_end);
            bits = end - self.seen;
            self.seen = end;
        }
        if width == 0 {
            let bytes = start / 8 - self.seen / 8;
            let end = start + size;
            *self = Cursor { seen: end, in_bit_field: false, field_end: end, field_size: 0 };
            return (clamp(bytes), clamp(bits));
        }
        let mut bytes = 0;
        let aligned = i64::from(slot.offset) * 8;
        if self.seen < aligned && aligned <= start {
            bytes = i64::from(slot.offset) - self.seen / 8;
            self.seen = aligned;
        }
        bits += start - self.seen;
        self.seen = start + width;
        self.in_bit_field = true;
        if self.seen > self.field_end || size > self.field_size {
            self.field_size = size;
            self.field_end = aligned + size;
            // One that began in the integer before ends in the next.
            if self.seen > self.field_end {
                self.field_end += size;
            }
        }
        (clamp(bytes), clamp(bits))
    }
}

/// Members that overlap leave no room.
fn clamp(room: i64) -> u32 {
    u32::try_from(room).unwrap_or(0)
}
