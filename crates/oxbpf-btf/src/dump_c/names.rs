//! How often each name has been used.

use crate::Btf;

/// Counts of names, by their text: a table of (string offset, count), probed from the text's hash.
#[derive(Debug, Default)]
pub(super) struct NameCounts {
    /// A power of two of slots, at most three quarters of them used; a count of 0 is a free one.
    slots: Vec<Slot>,
    used: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: u32,
    name_off: u32,
    count: u32,
}

impl NameCounts {
    /// With room for so many names, more or less.
    pub(super) fn with_capacity(names: usize) -> Self {
        Self { slots: vec![Slot::default(); (names * 4 / 3).next_power_of_two()], used: 0 }
    }

    /// Counts one more use of the name at an offset, and gives how many there are now.
    pub(super) fn count(&mut self, btf: &Btf, name_off: u32) -> u32 {
        if self.used * 4 >= self.slots.len() * 3 {
            self.grow();
        }
        let (name, hash) = btf.hashed_str(name_off);
        // The high half: the low bits of a product are weak.
        let hash = (hash >> 32) as u32;
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            // In range by the mask; the table is never full.
            let Some(slot) = self.slots.get_mut(at) else { return 1 };
            if slot.count == 0 {
                *slot = Slot { hash, name_off, count: 1 };
                self.used += 1;
                return 1;
            }
            let is_same = slot.hash == hash
                && (slot.name_off == name_off || btf.str_bytes(slot.name_off).is_ok_and(|s| s == name));
            if is_same {
                slot.count = slot.count.saturating_add(1);
                return slot.count;
            }
            at = (at + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 4).max(1024);
        let old = core::mem::replace(&mut self.slots, vec![Slot::default(); size]);
        let mask = size - 1;
        for slot in old.into_iter().filter(|s| s.count != 0) {
            let mut at = slot.hash as usize & mask;
            while self.slots.get(at).is_some_and(|s| s.count != 0) {
                at = (at + 1) & mask;
            }
            if let Some(free) = self.slots.get_mut(at) {
                *free = slot;
            }
        }
    }
}
