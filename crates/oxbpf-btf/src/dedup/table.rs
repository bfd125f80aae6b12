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
    /// Last type of the list.
    back: u32,
}

/// A hash table of lists of types that are equal in what they are compared by.
pub(super) struct Table {
    slots: Vec<Slot>,
    lists: usize,
    /// The types before and after each type in its list, once any list has two.
    links: Vec<[u32; 2]>,
    ids: usize,
    turns: Turns,
}

/// How often libbpf's table has turned its chains around.
#[derive(Clone, Copy, Default)]
struct Turns {
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
}

/// Where a list is, or would be, in the table.
#[derive(Clone, Copy)]
pub(super) struct Place {
    slot: usize,
    hash: u32,
    pub(super) found: bool,
}

impl Table {
    /// A table for types with ids below `ids`.
    pub(super) fn new(ids: usize) -> Table {
        let size = ids.next_power_of_two().max(16);
        Table {
            slots: vec![Slot::default(); size],
            lists: 0,
            links: Vec::new(),
            ids,
            turns: Turns::default(),
        }
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
                return Place { slot, hash, found: true };
            }
            slot = (slot + 1) & mask;
        }
        Place { slot, hash, found: false }
    }

    /// The type of the list that is tried first.
    #[inline]
    pub(super) fn first(&self, place: Place) -> Option<u32> {
        let slot = self.slots.get(place.slot).filter(|_| place.found)?;
        Some(if self.turns.odd { slot.back } else { slot.front })
    }

    /// The type of a list that is tried after `id`.
    pub(super) fn after(&self, id: u32) -> Option<u32> {
        let link = self.links.get(id as usize)?;
        let next = link[usize::from(!self.turns.odd)];
        (next != NONE).then_some(next)
    }

    /// Whether lists are read from the back at present.
    pub(super) fn reads_backwards(&self) -> bool {
        self.turns.odd
    }

    /// Adds a type to the list at `place`, which is where it was just looked for.
    pub(super) fn insert(&mut self, mut place: Place, id: u32) {
        self.turns.add();
        if place.found {
            self.extend_list(place, id, self.turns.odd);
            return;
        }
        if (self.lists + 1) * 4 > self.slots.len() * 3 {
            place = self.find_free(place.hash);
        }
        self.put(place, id, id);
    }

    /// Begins a list.
    fn put(&mut self, place: Place, front: u32, back: u32) {
        if let Some(slot) = self.slots.get_mut(place.slot) {
            *slot = Slot { hash: place.hash, front, back };
            self.lists += 1;
        }
    }

    fn extend_list(&mut self, place: Place, id: u32, at_back: bool) {
        if self.links.is_empty() {
            self.links = vec![[NONE; 2]; self.ids];
        }
        let Some(slot) = self.slots.get_mut(place.slot) else { return };
        let end = if at_back { &mut slot.back } else { &mut slot.front };
        let old = core::mem::replace(end, id);
        if let Some(link) = self.links.get_mut(old as usize) {
            link[usize::from(at_back)] = id;
        }
        if let Some(link) = self.links.get_mut(id as usize) {
            link[usize::from(!at_back)] = old;
            link[usize::from(at_back)] = NONE;
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
                let place = self.find_free(slot.hash);
                self.put(place, slot.front, slot.back);
                continue;
            }
            let mut id = slot.front;
            while id != NONE {
                let next = self.links.get(id as usize).map_or(NONE, |l| l[1]);
                let hash = class(id).unwrap_or_default();
                let place = self.find(hash, |other| is_equal(id, other));
                if place.found {
                    self.extend_list(place, id, true);
                } else {
                    if let Some(link) = self.links.get_mut(id as usize) {
                        *link = [NONE; 2];
                    }
                    let place = self.find_free(place.hash);
                    self.put(place, id, id);
                }
                id = next;
            }
        }
    }

    /// A free slot for a new list.
    fn find_free(&mut self, hash: u32) -> Place {
        if (self.lists + 1) * 4 > self.slots.len() * 3 {
            self.grow();
        }
        self.find(u64::from(hash) << 32, |_| false)
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
            table.insert(place, id);
            let place = table.find(7 << 32, |_| true);
            let seen: Vec<u32> = core::iter::successors(table.first(place), |id| table.after(*id)).collect();
            assert_eq!(seen, chain.ids, "after {id}");
        }
    }
}
