//! Some types of a BTF, and of structs and unions some members: a BTF in, a smaller one out that has only these.
//!
//! Types keep their order and get new ids; a reference to a type that was left out becomes void. That is enough to
//! relocate objects whose accesses were followed when the types were chosen.

use std::collections::{BTreeMap, BTreeSet};

use crate::fields::update_all_type_ids;
use crate::{Btf, BtfBuilder, BtfError, TypeId};

/// Types and members that are to be kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Types, each with its members' numbers if it is a struct or union.
    types: BTreeMap<TypeId, BTreeSet<u32>>,
}

impl Selection {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps a type; none of its members if it is a struct or union. Gives whether it was not kept before.
    pub fn add_type(&mut self, id: TypeId) -> bool {
        let is_new = !id.is_void() && !self.types.contains_key(&id);
        if is_new {
            self.types.insert(id, BTreeSet::new());
        }
        is_new
    }

    /// Keeps a struct or union and one of its members.
    pub fn add_member(&mut self, id: TypeId, member: u32) {
        if !id.is_void() {
            self.types.entry(id).or_default().insert(member);
        }
    }

    /// How many types are kept.
    pub fn len(&self) -> usize {
        self.types.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.types.is_empty()
    }

    /// The types that are kept, as a BTF that stands alone.
    ///
    /// # Errors
    /// `NoSuchType` and `UnknownKind` for a type that cannot be copied, `BadArgument` for a member that the format cannot
    /// express alone, `TooLong`.
    pub fn build(&self, from: &Btf) -> Result<BtfBuilder, BtfError> {
        let mut b = BtfBuilder::new();
        let mut new_ids = BTreeMap::new();
        for (&id, members) in &self.types {
            let t = from.get(id)?;
            let new = match t.composite() {
                None => b.append_type(from, id)?,
                Some(view) => {
                    let is_union = t.kind() == oxbpf_uapi::BtfKind::UNION;
                    let new = if is_union {
                        b.add_union(t.name(), t.size())
                    } else {
                        b.add_struct(t.name(), t.size())
                    }?;
                    for m in members.iter().filter_map(|i| view.member(*i as usize)) {
                        b.add_field(m.name, m.type_id, m.bit_offset, m.bit_size)?;
                    }
                    new
                }
            };
            new_ids.insert(id, new);
        }
        let BtfBuilder { types, offsets, .. } = &mut b;
        update_all_type_ids(types, offsets, |old| Ok(new_ids.get(&TypeId(old)).map_or(0, |id| id.0)))?;
        Ok(b)
    }
}
