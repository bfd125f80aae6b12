//! Structs, unions and typedefs, the types by which C names others: compared as graphs.

use super::colour::Colours;
use super::graph::{Rec, kind};
use super::table::Place;
use super::{Dedup, Hash};
use crate::BtfError;

/// Whether types of this kind are compared as graphs.
pub(super) fn is_compared(kind: u32) -> bool {
    matches!(kind, kind::STRUCT | kind::UNION | kind::TYPEDEF)
}

/// Hash of what candidates have in common: all but what they refer to, and that type's colour if types have one.
pub(super) fn hash(rec: Rec<'_>, colours: Option<&Colours>) -> u64 {
    let mut h = Hash::new();
    h.add(rec.name(), rec.info());
    if rec.kind() != kind::TYPEDEF {
        h.add(rec.target(), 0);
        rec.elems::<3>().iter().for_each(|[name, _, offset]| h.add(name.get(), offset.get()));
    }
    if let Some(colours) = colours {
        h.add_long(colours.parts(rec));
    }
    h.finish()
}

/// Whether two types are in the same list of candidates.
pub(super) fn is_equal(a: Rec<'_>, b: Rec<'_>, colours: Option<&Colours>) -> bool {
    let same = match a.kind() {
        kind::TYPEDEF => a.name() == b.name() && a.info() == b.info(),
        _ => a.same_shape(b),
    };
    same && colours.is_none_or(|c| c.parts(a) == c.parts(b))
}

impl Dedup<'_> {
    fn candidates(&self, rec: Rec<'_>) -> Place {
        let colours = self.colours.are_on().then_some(&self.colours);
        let types = self.types;
        self.table.find(hash(rec, colours), |other| is_equal(rec, types.rec(other), colours))
    }

    /// Adds a base type that is compared as a graph to the candidates.
    pub(super) fn add_base_struct(&mut self, id: u32) {
        let place = self.candidates(self.types.rec(id));
        self.table.insert(place, id);
    }

    /// Maps own structs, unions and typedefs.
    pub(super) fn dedup_structs(&mut self) -> Result<(), BtfError> {
        for id in self.types.own() {
            let rec = self.types.rec(id);
            if !is_compared(rec.kind()) || self.is_mapped(id) {
                continue;
            }
            let place = self.candidates(rec);
            let mut next = self.table.first(place);
            let mut same = None;
            let mut wasted = 0;
            while let Some(cand) = next {
                let before = self.equiv.steps;
                if self.matches(id, cand)? {
                    same = Some(cand);
                    break;
                }
                wasted += self.equiv.steps - before;
                next = self.table.after(cand);
            }
            self.set(id, same.unwrap_or(id));
            if same.is_none() {
                self.table.insert(place, id);
            }
            if wasted > 0 {
                self.waste(wasted);
            }
        }
        Ok(())
    }
}
