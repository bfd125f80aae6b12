//! Canonical types by hash of what they are compared by, in the order in which libbpf would try them.
//!
//! Where several candidates fit, the first one tried wins, and which is tried first is visible in the result. libbpf's
//! table has chains to whose front new entries go, and each time it grows, every chain is turned around. The order
//! among equals therefore depends on how many entries, of whatever type, came in between. This table keeps equals in
//! one list in the order that they have while the number of turns is even, and reads it backwards while it is odd.

/// No type: void is never a candidate.
const NONE: u32 = 0;

#[derive(Clone, Copy, Default)]
struct Slot {
    hash: u32,
    /// First type of the list; 0 if the slot is free.
    front: u32,
}

/// How often libbpf's table has turned its chains around. It has one for all types.
#[derive(Clone, Copy, Default)]
pub(super) struct Turns {
    entries: usize,
    capacity: usize,
    odd: bool,
}

impl Turns {
    fn add(&mut self) {
        if self.capacity == 0 || (self.entries + 1) * 4 / 3 > self.capacity {
            self.capacity = (self.capacity * 2).max(4);
            self.odd = !self.odd;
        }
        self.entries += 1;
    }

    /// Whether lists are read from the back at present.
    pub(super) fn are_odd(&self) -> bool {
        self.odd
    }
}

/// A hash table of lists of types that are equal in what they are compared by.
pub(super) struct Table {
    slots: Vec<Slot>,
    lists: usize,
    /// The types before and after each type in its list, which is a ring; of a list of one they are not set. Empty
    /// while no list has two.
    links: Vec<[u32; 2]>,
    ids: usize,
}

/// Where a list is, or would be, in the table.
#[derive(Clone, Copy)]
pub(super) struct Place {
    slot: usize,
    hash: u32,
    /// First type of the list if there is one.
    front: u32,
}

impl Table {
    /// A table for types with ids below `ids`.
    pub(super) fn new(ids: usize) -> Table {
        // Grows as needed: half of the types are duplicates as a rule, and a smaller table stays in the cache.
        let size = (ids / 4).next_power_of_two().max(16);
        Table { slots: vec![Slot::default(); size], lists: 0, links: Vec::new(), ids }
    }

    /// Looks for the list whose types `is_equal` to the one that hashes to `hash`; it is asked about one of them.
    #[inline]
    pub(super) fn find(&self, hash: u64, mut is_equal: impl FnMut(u32) -> bool) -> Place {
        let hash = (hash >> 32) as u32;
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = hash as usize & mask;
        while let Some(s) = self.slots.get(slot) {
            if s.front == NONE {
                break;
            }
            if s.hash == hash && is_equal(s.front) {
                return Place { slot, hash, front: s.front };
            }
            slot = (slot + 1) & mask;
        }
        Place { slot, hash, front: NONE }
    }

    fn link(&self, id: u32) -> [u32; 2] {
        self.links.get(id as usize).copied().unwrap_or_default()
    }

    fn back(&self, front: u32) -> u32 {
        match self.link(front)[0] {
            NONE => front,
            back => back,
        }
    }

    /// Whether some list has more than one type.
    pub(super) fn has_twins(&self) -> bool {
        !self.links.is_empty()
    }

    /// The type of the list that is tried first.
    #[inline]
    pub(super) fn first(&self, place: Place, turns: Turns) -> Option<u32> {
        let first = if turns.odd { self.back(place.front) } else { place.front };
        (place.front != NONE).then_some(first)
    }

    /// The type of the list that is tried after `id`.
    pub(super) fn after(&self, place: Place, id: u32, turns: Turns) -> Option<u32> {
        let last = if turns.odd { place.front } else { self.back(place.front) };
        (id != last).then(|| self.link(id)[usize::from(!turns.odd)])
    }

    /// Adds a type to the list at `place`, which is where it was just looked for.
    pub(super) fn insert(&mut self, place: Place, id: u32, turns: &mut Turns) {
        turns.add();
        if place.front != NONE {
            self.extend_list(place, id, turns.odd);
        } else {
            self.begin_list(place, id);
        }
    }

    fn begin_list(&mut self, mut place: Place, front: u32) {
        if (self.lists + 1) * 4 > self.slots.len() * 3 {
            self.grow();
            place = self.find(u64::from(place.hash) << 32, |_| false);
        }
        if let Some(slot) = self.slots.get_mut(place.slot) {
            *slot = Slot { hash: place.hash, front };
            self.lists += 1;
        }
    }

    fn extend_list(&mut self, place: Place, id: u32, at_back: bool) {
        if self.links.is_empty() {
            self.links = vec![[NONE; 2]; self.ids];
        }
        // In a ring the places before the first and behind the last are the same.
        let (front, back) = (place.front, self.back(place.front));
        for (of, side, to) in [(front, 0, id), (back, 1, id), (id, 0, back), (id, 1, front)] {
            if let Some(link) = self.links.get_mut(of as usize) {
                link[side] = to;
            }
        }
        if let (false, Some(slot)) = (at_back, self.slots.get_mut(place.slot)) {
            slot.front = id;
        }
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        let old = core::mem::replace(&mut self.slots, vec![Slot::default(); size]);
        for from in old.into_iter().filter(|slot| slot.front != NONE) {
            let mut at = from.hash as usize & (size - 1);
            while let Some(to) = self.slots.get_mut(at) {
                if to.front == NONE {
                    *to = from;
                    break;
                }
                at = (at + 1) & (size - 1);
            }
        }
    }

    /// Takes lists apart: types stay together if `class` gives them the same hash and they are `is_equal`. Lists for
    /// whose types `class` gives nothing stay. The order of those that stay together stays.
    pub(super) fn split_lists(
        &mut self,
        class: impl Fn(u32) -> Option<u64>,
        is_equal: impl Fn(u32, u32) -> bool,
    ) {
        let size = self.slots.len();
        let old = core::mem::replace(&mut self.slots, vec![Slot::default(); size]);
        self.lists = 0;
        for slot in old.into_iter().filter(|slot| slot.front != NONE) {
            if class(slot.front).is_none() {
                let place = self.find(u64::from(slot.hash) << 32, |_| false);
                self.begin_list(place, slot.front);
                continue;
            }
            let (mut id, back) = (slot.front, self.back(slot.front));
            loop {
                let next = self.link(id)[1];
                let hash = class(id).unwrap_or_default();
                let place = self.find(hash, |other| is_equal(id, other));
                if place.front != NONE {
                    self.extend_list(place, id, true);
                } else {
                    if let Some(link) = self.links.get_mut(id as usize) {
                        *link = [NONE; 2];
                    }
                    self.begin_list(place, id);
                }
                if id == back {
                    break;
                }
                id = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// libbpf's chain as it is: new entries in front, turned around at each growth.
    #[derive(Default)]
    struct Chain {
        ids: Vec<u32>,
        turns: Turns,
    }

    #[test]
    fn equals_are_tried_in_the_order_of_chains_that_turn_around_when_the_table_grows() {
        let mut table = Table::new(1000);
        let mut turns = Turns::default();
        let mut chain = Chain::default();
        for id in 1..1000 {
            let odd = chain.turns.odd;
            chain.turns.add();
            if chain.turns.odd != odd {
                chain.ids.reverse();
            }
            // One in seven belongs to the list that is looked at.
            let place = if id % 7 == 0 {
                chain.ids.insert(0, id);
                table.find(7 << 32, |_| true)
            } else {
                table.find(u64::from(id + 10) << 32, |_| false)
            };
            table.insert(place, id, &mut turns);
            let place = table.find(7 << 32, |_| true);
            let first = table.first(place, turns);
            let seen: Vec<u32> = core::iter::successors(first, |id| table.after(place, *id, turns)).collect();
            assert_eq!(seen, chain.ids, "after {id}");
        }
    }

    #[test]
    fn types_whose_hashes_collide_stay_apart() {
        let (mut table, mut turns) = (Table::new(300), Turns::default());
        for id in 1..300 {
            let place = table.find(0, |other| other == id);
            assert_eq!(table.first(place, turns), None);
            table.insert(place, id, &mut turns);
        }
        for id in 1..300 {
            let place = table.find(0, |other| other == id);
            assert_eq!(table.first(place, turns), Some(id));
            assert_eq!(table.after(place, id, turns), None);
        }
    }
}
