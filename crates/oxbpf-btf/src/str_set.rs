//! A set of strings that are stored elsewhere: which of them are there already, and at which offset.

use crate::lookup::{hash_name, hash_str_at};

/// A set of strings that are stored elsewhere: a hash table of their offsets.
#[derive(Debug, Default)]
pub(crate) struct StrSet {
    /// A power of two of them. Each keeps half of its string's hash, so that growing does not read the strings again
    /// and a look-up seldom reads a wrong one.
    slots: Vec<Slot>,
    len: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Offset plus one, 0 if free.
    off: u32,
    hash: u32,
}

/// The half of a string's hash that the set keeps.
fn tag(hash: u64) -> u32 {
    (hash >> 32) as u32
}

impl StrSet {
    pub(crate) fn find(&self, strs: &[u8], s: &[u8], hash: u64) -> Option<u32> {
        self.search(strs, s, tag(hash)).ok()
    }

    /// The offset of `s`, or else the free slot where it belongs, if there is one.
    fn search(&self, strs: &[u8], s: &[u8], tag: u32) -> Result<u32, usize> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = tag as usize & mask;
        while let Some(slot) = self.slots.get(at) {
            if slot.off == 0 {
                return Err(at);
            }
            if slot.hash == tag && string_is(strs, slot.off - 1, s) {
                return Ok(slot.off - 1);
            }
            at = (at + 1) & mask;
        }
        Err(at)
    }

    /// The offset of `s`, or that at which `store` puts it if it is new.
    pub(crate) fn find_or_insert<E>(
        &mut self,
        strs: &mut Vec<u8>,
        s: &[u8],
        hash: u64,
        store: impl FnOnce(&mut Vec<u8>) -> Result<u32, E>,
    ) -> Result<u32, E> {
        self.make_room();
        match self.search(strs, s, tag(hash)) {
            Ok(off) => Ok(off),
            Err(free) => {
                let off = store(strs)?;
                self.fill(free, off, tag(hash));
                Ok(off)
            }
        }
    }

    fn fill(&mut self, free: usize, off: u32, hash: u32) {
        if let Some(slot) = self.slots.get_mut(free) {
            *slot = Slot { off: off + 1, hash };
            self.len += 1;
        }
    }

    /// Adds every string of a section; of equal ones, the first.
    pub(crate) fn insert_all(&mut self, strs: &[u8]) {
        let mut at = 0;
        while at < strs.len() {
            let (hash, len) = hash_str_at(strs, at).unwrap_or_else(|| {
                let rest = strs.get(at..).unwrap_or_default();
                let s = rest.split(|&b| b == 0).next().unwrap_or_default();
                (hash_name(s), s.len())
            });
            let s = strs.get(at..at + len).unwrap_or_default();
            self.make_room();
            if let Err(free) = self.search(strs, s, tag(hash)) {
                self.fill(free, at as u32, tag(hash));
            }
            at += len + 1;
        }
    }

    fn make_room(&mut self) {
        if self.len * 4 >= self.slots.len() * 3 {
            self.resize((self.slots.len() * 2).max(64));
        }
    }

    /// Makes room for `more` strings.
    pub(crate) fn reserve(&mut self, more: usize) {
        let size = ((self.len + more) * 4 / 3 + 1).next_power_of_two().max(64);
        if size > self.slots.len() {
            self.resize(size);
        }
    }

    fn resize(&mut self, size: usize) {
        let old = core::mem::replace(&mut self.slots, vec![Slot::default(); size]);
        for slot in old.into_iter().filter(|slot| slot.off != 0) {
            let mut at = slot.hash as usize & (size - 1);
            while let Some(to) = self.slots.get_mut(at) {
                if to.off == 0 {
                    *to = slot;
                    break;
                }
                at = (at + 1) & (size - 1);
            }
        }
    }
}

fn string_is(strs: &[u8], off: u32, s: &[u8]) -> bool {
    let rest = strs.get(off as usize..).unwrap_or_default();
    rest.get(s.len()) == Some(&0) && rest.starts_with(s)
}
