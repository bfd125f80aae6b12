//! Alignments that BTF does not record, from where things are.
//!
//! A compiler puts a member at the next multiple of its *natural* alignment: that of the largest number or pointer in
//! it. A gap that is at least that long has another reason, and what is left is that someone asked for more. What was
//! asked for is at least the next power of two above the gap's length, and a cache line is the most likely wish where
//! the offset allows one.

use std::collections::HashMap;

use crate::layout::CACHE_LINE;
use crate::measure::MAX_DEPTH;
use crate::{Btf, BtfError, Type, TypeId};

/// Natural alignments, each struct's found once.
#[derive(Debug)]
pub(super) struct Guess<'b> {
    btf: &'b Btf,
    known: HashMap<u32, u32>,
}

impl<'b> Guess<'b> {
    pub(super) fn new(btf: &'b Btf) -> Self {
        Self { btf, known: HashMap::new() }
    }

    /// The natural alignment of a type in bytes, at least 1.
    pub(super) fn natural(&mut self, id: TypeId) -> Result<u32, BtfError> {
        self.natural_within(id, 0)
    }

    fn natural_within(&mut self, id: TypeId, depth: u32) -> Result<u32, BtfError> {
        if depth > MAX_DEPTH {
            return Err(BtfError::TooDeep { id: id.0 });
        }
        let t = self.btf.get(id)?;
        match t.view() {
            Type::Int(..) | Type::Enum(_) | Type::Enum64(_) | Type::Float { .. } => Ok(t.size().max(1)),
            Type::Ptr(_) => Ok(self.btf.pointer_size()),
            Type::Typedef(to)
            | Type::Const(to)
            | Type::Volatile(to)
            | Type::Restrict(to)
            | Type::TypeTag(to)
            | Type::Array { elem: to, .. } => self.natural_within(to, depth + 1),
            Type::Struct(c) | Type::Union(c) => {
                if let Some(&align) = self.known.get(&id.0) {
                    return Ok(align);
                }
                let mut max = 1;
                for m in c.members() {
                    max = max.max(self.natural_within(m.type_id, depth + 1)?);
                }
                self.known.insert(id.0, max);
                Ok(max)
            }
            _ => Ok(1),
        }
    }
}

/// The alignment in bytes that explains `gap` unused bytes before `at`, where `natural` does not; 0 if no explanation is needed.
pub(super) fn forced(gap: u32, at: u32, natural: u32) -> u32 {
    if gap == 0 || gap < natural {
        return 0;
    }
    let Some(least) = gap.checked_add(1).and_then(u32::checked_next_power_of_two) else { return 0 };
    if least < CACHE_LINE && at % CACHE_LINE == 0 { CACHE_LINE } else { least }
}
