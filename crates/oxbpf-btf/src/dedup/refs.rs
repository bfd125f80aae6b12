//! Types that are told apart by what they refer to, once that is settled: pointers, modifiers, arrays, prototypes,
//! functions, tags.
//!
//! Each is settled after the types that it refers to. In C any cycle goes through a struct, union or typedef, and those
//! are settled already; a cycle that does not is an error.

use super::graph::{Rec, kind};
use super::table::Place;
use super::{Dedup, Hash, IN_PROGRESS, UNSET};
use crate::{BtfError, fields};

impl Dedup<'_> {
    /// Adds a base type that is told apart by what it refers to to the candidates.
    pub(super) fn add_base_ref(&mut self, id: u32) {
        let place = self.find_ref(id);
        self.refs.insert(place, id, &mut self.turns);
    }

    /// The type that `id`, named by a type of its own side, stands for. The base is not changed, so what a base type
    /// refers to stays what it is.
    #[inline]
    fn settled(&self, of: u32, id: u32) -> u32 {
        if of < self.types.start_id { id } else { self.resolve(id) }
    }

    fn hash_ref(&self, id: u32) -> u64 {
        let rec = self.types.rec(id);
        let mut h = Hash::new();
        h.add(rec.name(), rec.info());
        match rec.kind() {
            kind::ARRAY => {
                h.add(rec.target(), rec.word(5));
                h.add(self.settled(id, rec.word(3)), self.settled(id, rec.word(4)));
            }
            kind::FUNC_PROTO => {
                h.add(self.settled(id, rec.target()), 0);
                for [name, ty] in rec.elems::<2>() {
                    h.add(name.get(), self.settled(id, ty.get()));
                }
            }
            kind::DECL_TAG => h.add(self.settled(id, rec.target()), rec.word(3)),
            _ => h.add(self.settled(id, rec.target()), 0),
        }
        h.finish()
    }

    fn find_ref(&self, id: u32) -> Place {
        let rec = self.types.rec(id);
        self.refs.find(self.hash_ref(id), |other| self.is_same_ref(id, rec, other))
    }

    fn is_same_ref(&self, id: u32, rec: Rec<'_>, other: u32) -> bool {
        let b = self.types.rec(other);
        if rec.name() != b.name() || rec.info() != b.info() {
            return false;
        }
        let same = |x, y| self.settled(id, x) == self.settled(other, y);
        match rec.kind() {
            kind::ARRAY => {
                rec.target() == b.target()
                    && rec.word(5) == b.word(5)
                    && same(rec.word(3), b.word(3))
                    && same(rec.word(4), b.word(4))
            }
            kind::FUNC_PROTO => {
                let params = rec.elems::<2>().iter().zip(b.elems::<2>());
                same(rec.target(), b.target())
                    && params
                        .into_iter()
                        .all(|([n1, t1], [n2, t2])| n1.get() == n2.get() && same(t1.get(), t2.get()))
            }
            kind::DECL_TAG => rec.word(3) == b.word(3) && same(rec.target(), b.target()),
            _ => same(rec.target(), b.target()),
        }
    }

    /// Maps all own types that are left.
    pub(super) fn dedup_refs(&mut self) -> Result<(), BtfError> {
        let mut stack: Vec<(u32, fields::Words)> = Vec::new();
        for id in self.types.own() {
            if self.map_of(id) != UNSET {
                continue;
            }
            self.set(id, IN_PROGRESS);
            stack.push((id, self.parts_in_order(id)));
            while let Some((id, words)) = stack.last_mut() {
                let id = *id;
                let rec = self.types.rec(id);
                let Some(word) = words.next() else {
                    stack.pop();
                    self.settle(id);
                    continue;
                };
                let part = rec.word(word);
                match self.map_of(part) {
                    UNSET => {
                        self.set(part, IN_PROGRESS);
                        stack.push((part, self.parts_in_order(part)));
                    }
                    IN_PROGRESS => return Err(BtfError::TooDeep { id: part }),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn parts_in_order(&self, id: u32) -> fields::Words {
        fields::id_words(self.types.rec(id).info())
    }

    fn settle(&mut self, id: u32) {
        if let Some(same) = self.guess(id) {
            self.set(id, same);
            return;
        }
        let place = self.find_ref(id);
        let same = self.refs.first(place, self.turns);
        self.set(id, same.unwrap_or(id));
        if same.is_none() {
            self.refs.insert(place, id, &mut self.turns);
        }
    }

    /// The type that `id` equals, if it is the one behind that which the type before `id` equals. Units repeat whole
    /// runs of types, and this takes no look-up.
    fn guess(&self, id: u32) -> Option<u32> {
        let same = self.map_of(id.wrapping_sub(1)).wrapping_add(1);
        // Among several equal types of a base it matters which one is tried first.
        let is_settled = same != id && self.map.get(same as usize) == Some(&same) && !self.refs.has_twins();
        (is_settled && self.is_same_ref(id, self.types.rec(id), same)).then_some(same)
    }
}
