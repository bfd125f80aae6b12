//! Types that refer to no other: integers, floats, forward declarations, enumerations.
//!
//! The first of equal ones stays. Enumerations have declarations too: one without values. A declaration gives way to
//! any enumeration of its name, and a definition takes the place of the declarations of its name that are tried before
//! its equal is found, of all if it has none.

use super::graph::{Types, kind};
use super::table::{Place, Table, Turns};
use super::{Dedup, Hash, IdMap};

/// The enumerations of one name.
#[derive(Default)]
struct Named {
    /// Where in the order of the name's types the first and the last one are, and which they are.
    front: (i32, u32),
    back: (i32, u32),
    /// Declarations and where they are in the order.
    fwds: Vec<(i32, u32)>,
}

/// Enumerations by name, in the order in which they are tried.
pub(super) struct Enums {
    names: IdMap<Named>,
    /// Where each enumeration is in the order of those of its name.
    order: Vec<i32>,
}

impl Enums {
    pub(super) fn new(ids: usize) -> Self {
        Enums { names: IdMap::default(), order: vec![0; ids] }
    }

    /// Adds one to those of its name. It was just added to the table.
    fn add(&mut self, types: Types<'_>, turns: Turns, id: u32) {
        let rec = types.rec(id);
        let mut named = self.names.get_mut(&rec.name());
        let pos = match &mut named {
            None => 0,
            Some(n) if turns.are_odd() => n.back.0.saturating_add(1),
            Some(n) => n.front.0.saturating_sub(1),
        };
        let named = match named {
            Some(n) => n,
            None => {
                let new = Named { front: (0, id), back: (0, id), fwds: Vec::new() };
                self.names.entry(rec.name()).or_insert(new)
            }
        };
        if pos < named.front.0 {
            named.front = (pos, id);
        }
        if pos > named.back.0 {
            named.back = (pos, id);
        }
        if rec.is_enum_fwd() {
            named.fwds.push((pos, id));
        }
        if let Some(at) = self.order.get_mut(id as usize) {
            *at = pos;
        }
    }

    /// The enumeration of this name that is tried first.
    fn first(&self, name: u32, turns: Turns) -> Option<u32> {
        let named = self.names.get(&name)?;
        Some(if turns.are_odd() { named.back.1 } else { named.front.1 })
    }

    /// Lets the definition `id` take the place of declarations of its name.
    fn define(&self, types: Types<'_>, turns: Turns, id: u32, equal: Option<u32>, map: &mut [u32]) {
        let Some(named) = self.names.get(&types.rec(id).name()) else { return };
        let end = equal.and_then(|e| self.order.get(e as usize).copied());
        for &(pos, fwd) in &named.fwds {
            let is_tried = match end {
                None => true,
                Some(end) if turns.are_odd() => pos > end,
                Some(end) => pos < end,
            };
            if let (true, Some(to)) = (is_tried, map.get_mut(fwd as usize)) {
                *to = id;
            }
        }
    }
}

fn hash(types: Types<'_>, id: u32) -> u64 {
    let rec = types.rec(id);
    let mut h = Hash::new();
    h.add(rec.name(), rec.info());
    h.add(rec.target(), if rec.kind() == kind::INT { rec.word(3) } else { 0 });
    match rec.kind() {
        kind::ENUM => rec.elems::<2>().iter().for_each(|[n, v]| h.add(n.get(), v.get())),
        kind::ENUM64 => rec.elems::<3>().iter().for_each(|[n, lo, hi]| {
            h.add(n.get(), lo.get());
            h.add(hi.get(), 0);
        }),
        _ => {}
    }
    h.finish()
}

fn find(types: Types<'_>, table: &Table, id: u32) -> Place {
    let rec = types.rec(id);
    table.find(hash(types, id), |other| {
        let other = types.rec(other);
        match rec.kind() {
            kind::INT => rec.same_head_and_word(other),
            kind::ENUM | kind::ENUM64 => rec.same_enum(other),
            _ => rec.same_head(other),
        }
    })
}

/// Whether types of this kind refer to no other.
pub(super) fn is_primitive(kind: u32) -> bool {
    matches!(kind, kind::INT | kind::FLOAT | kind::FWD | kind::ENUM | kind::ENUM64)
}

impl Dedup<'_> {
    /// Adds a base type that refers to no other to the candidates.
    pub(super) fn add_base_prim(&mut self, enums: &mut Enums, id: u32) {
        let place = find(self.types, &self.table, id);
        self.add_prim(enums, place, id);
    }

    fn add_prim(&mut self, enums: &mut Enums, place: Place, id: u32) {
        self.table.insert(place, id, &mut self.turns);
        if self.types.rec(id).is_enum() {
            enums.add(self.types, self.turns, id);
        }
    }

    /// Maps the own types that refer to no other.
    pub(super) fn dedup_prims(&mut self, enums: &mut Enums) {
        let types = self.types;
        for id in types.own() {
            let rec = types.rec(id);
            if !is_primitive(rec.kind()) {
                continue;
            }
            let place = find(types, &self.table, id);
            let mut same = self.table.first(place, self.turns);
            if rec.is_enum_fwd() {
                same = enums.first(rec.name(), self.turns);
            } else if rec.is_enum() {
                enums.define(types, self.turns, id, same, &mut self.map);
            }
            self.set(id, same.unwrap_or(id));
            if same.is_none() {
                self.add_prim(enums, place, id);
            }
        }
    }
}
