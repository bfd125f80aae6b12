//! A set of strings that are stored elsewhere: which of them are there already, and at which offset.

use crate::lookup::hash_name;

/// A set of strings that are stored elsewhere: a hash table of their offsets.
#[derive(Debug, Default)]
pub(crate) struct StrSet {
    /// Offset plus one, 0 if free; a power of two of them.
    slots: Vec<u32>,
    len: usize,
}

impl StrSet {
    pub(crate) fn find(&self, strs: &[u8], s: &[u8], hash: u64) -> Option<u32> {
        self.probe(hash).find_map(|slot| match self.slots.get(slot).copied() {
            None | Some(0) => Some(None),
            Some(off) => string_is(strs, off - 1, s).then_some(Some(off - 1)),
        })?
    }

    /// Adds the string at `off`, which is not in the set yet.
    pub(crate) fn insert(&mut self, strs: &[u8], off: u32, hash: u64) {
        if self.len * 4 >= self.slots.len() * 3 {
            self.grow(strs);
        }
        let free = self.probe(hash).find(|&slot| self.slots.get(slot) == Some(&0));
        if let Some(slot) = free.and_then(|slot| self.slots.get_mut(slot)) {
            *slot = off + 1;
            self.len += 1;
        }
    }

    /// Adds every string of a section; of equal ones, the first.
    pub(crate) fn insert_all(&mut self, strs: &[u8]) {
        let mut at = 0;
        for s in strs.split_inclusive(|&b| b == 0) {
            let name = s.strip_suffix(&[0]).unwrap_or(s);
            let hash = hash_name(name);
            if self.find(strs, name, hash).is_none() {
                self.insert(strs, at, hash);
            }
            at += s.len() as u32;
        }
    }

    fn grow(&mut self, strs: &[u8]) {
        let bigger = StrSet { slots: vec![0; (self.slots.len() * 2).max(64)], len: 0 };
        let old = core::mem::replace(self, bigger);
        for off in old.slots.into_iter().filter(|&off| off != 0) {
            let name =
                strs.get(off as usize - 1..).and_then(|s| s.split(|&b| b == 0).next()).unwrap_or_default();
            self.insert(strs, off - 1, hash_name(name));
        }
    }

    fn probe(&self, hash: u64) -> impl Iterator<Item = usize> + use<> {
        let mask = self.slots.len().wrapping_sub(1);
        let start = (hash >> 32) as usize;
        (0..self.slots.len()).map(move |i| start.wrapping_add(i) & mask)
    }
}

fn string_is(strs: &[u8], off: u32, s: &[u8]) -> bool {
    let rest = strs.get(off as usize..).unwrap_or_default();
    rest.starts_with(s) && rest.get(s.len()) == Some(&0)
}
