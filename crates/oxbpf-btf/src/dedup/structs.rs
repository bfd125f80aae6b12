//! Structs, unions and typedefs, the types by which C names others: compared as graphs.

use super::colour::Colours;
use super::graph::{Rec, Types, kind};
use super::table::Place;
use super::{Dedup, Hash};
use crate::BtfError;

/// Whether types of this kind are compared as graphs.
pub(super) fn is_compared(kind: u32) -> bool {
    matches!(kind, kind::STRUCT | kind::UNION | kind::TYPEDEF)
}

/// Hash of what candidates have in common: all but what they refer to, and of that the colour.
pub(super) fn hash(types: Types<'_>, rec: Rec<'_>, colours: &Colours) -> u64 {
    let mut h = Hash::new();
    h.add(rec.name(), rec.info());
    if rec.kind() != kind::TYPEDEF {
        h.add(rec.target(), 0);
        rec.elems::<3>().iter().for_each(|[name, _, offset]| h.add(name.get(), offset.get()));
    }
    h.add_long(colours.parts(types, rec));
    h.finish()
}

/// Whether two types are in the same list of candidates.
pub(super) fn is_equal(types: Types<'_>, a: Rec<'_>, b: Rec<'_>, colours: &Colours) -> bool {
    let same = match a.kind() {
        kind::TYPEDEF => a.name() == b.name() && a.info() == b.info(),
        _ => a.same_shape(b),
    };
    same && colours.parts(types, a) == colours.parts(types, b)
}

impl Dedup<'_> {
    fn candidates(&self, rec: Rec<'_>) -> Place {
        let (types, colours) = (self.types, &self.colours);
        self.table.find(hash(types, rec, colours), |other| is_equal(types, rec, types.rec(other), colours))
    }

    /// Adds a base type that is compared as a graph to the candidates.
    pub(super) fn add_base_struct(&mut self, id: u32) {
        let place = self.candidates(self.types.rec(id));
        self.table.insert(place, id, &mut self.turns);
    }

    /// Maps own structs, unions and typedefs.
    pub(super) fn dedup_structs(&mut self) -> Result<(), BtfError> {
        for id in self.types.own() {
            let rec = self.types.rec(id);
            if !is_compared(rec.kind()) || self.is_mapped(id) {
                continue;
            }
            let place = self.candidates(rec);
            let mut next = self.table.first(place, self.turns);
            let mut same = None;
            let mut wasted = 0;
            while let Some(cand) = next {
                let before = self.equiv.steps;
                if self.matches(id, cand)? {
                    same = Some(cand);
                    break;
                }
                wasted += self.equiv.steps - before;
                next = self.table.after(place, cand, self.turns);
            }
            self.set(id, same.unwrap_or(id));
            if same.is_none() {
                self.table.insert(place, id, &mut self.turns);
            }
            if wasted > 0 {
                self.waste(wasted);
            }
        }
        Ok(())
    }
}
