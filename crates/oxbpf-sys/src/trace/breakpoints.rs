//! Which addresses of which address space have a breakpoint instruction, and what was there before.
//!
//! Threads and children of vfork(2) share a space; children of fork(2) start with a copy, since their memory does, instructions
//! and all; exec(2) gives an empty one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The instruction that traps: `int3`.
pub(super) const INT3: u8 = 0xcc;

/// Names an address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SpaceId(u64);

/// Breakpoints of all spaces: address to original byte.
#[derive(Debug, Default)]
pub(super) struct Breakpoints {
    spaces: HashMap<SpaceId, BTreeMap<u64, u8>>,
    /// Addresses that had a breakpoint, which a task may have hit before it was taken away.
    removed: HashMap<SpaceId, BTreeSet<u64>>,
    next: u64,
}

impl Breakpoints {
    pub(super) fn new_space(&mut self) -> SpaceId {
        self.next += 1;
        let id = SpaceId(self.next);
        self.spaces.insert(id, BTreeMap::new());
        id
    }

    pub(super) fn copy_space(&mut self, from: SpaceId) -> SpaceId {
        let copy = self.spaces.get(&from).cloned().unwrap_or_default();
        let removed = self.removed.get(&from).cloned();
        let id = self.new_space();
        self.spaces.insert(id, copy);
        self.removed.extend(removed.map(|removed| (id, removed)));
        id
    }

    pub(super) fn drop_space(&mut self, id: SpaceId) {
        self.spaces.remove(&id);
        self.removed.remove(&id);
    }

    /// Whether there never was one in the space.
    pub(super) fn is_untouched(&self, space: SpaceId) -> bool {
        self.spaces.get(&space).is_none_or(BTreeMap::is_empty) && !self.removed.contains_key(&space)
    }

    /// Whether there was one at an address that is not there any more.
    pub(super) fn was_removed(&self, space: SpaceId, addr: u64) -> bool {
        self.removed.get(&space).is_some_and(|removed| removed.contains(&addr))
    }

    pub(super) fn original(&self, space: SpaceId, addr: u64) -> Option<u8> {
        self.spaces.get(&space)?.get(&addr).copied()
    }

    pub(super) fn insert(&mut self, space: SpaceId, addr: u64, original: u8) {
        self.spaces.entry(space).or_default().insert(addr, original);
    }

    pub(super) fn remove(&mut self, space: SpaceId, addr: u64) -> Option<u8> {
        let original = self.spaces.get_mut(&space)?.remove(&addr)?;
        self.removed.entry(space).or_default().insert(addr);
        Some(original)
    }

    pub(super) fn all(&self, space: SpaceId) -> Vec<(u64, u8)> {
        self.spaces.get(&space).into_iter().flatten().map(|(addr, byte)| (*addr, *byte)).collect()
    }

    /// Puts the original bytes into a copy of the memory at `addr`.
    pub(super) fn hide(&self, space: SpaceId, addr: u64, bytes: &mut [u8]) {
        let Some(space) = self.spaces.get(&space).filter(|s| !s.is_empty()) else { return };
        let end = addr.saturating_add(bytes.len() as u64);
        for (at, original) in space.range(addr..end) {
            let index = usize::try_from(at - addr).ok();
            if let Some(byte) = index.and_then(|i| bytes.get_mut(i)) {
                *byte = *original;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copied_space_keeps_its_breakpoints_and_goes_its_own_way() {
        let mut all = Breakpoints::default();
        let parent = all.new_space();
        all.insert(parent, 0x1000, 0x55);
        let child = all.copy_space(parent);
        assert_eq!(all.remove(parent, 0x1000), Some(0x55));
        assert_eq!(all.original(child, 0x1000), Some(0x55));
        assert_eq!(all.original(parent, 0x1000), None);
    }

    #[test]
    fn memory_reads_show_what_was_there_before() {
        let mut all = Breakpoints::default();
        let space = all.new_space();
        all.insert(space, 0x1002, 0x55);
        all.insert(space, 0x1004, 0x56);
        let mut bytes = [INT3; 4];
        all.hide(space, 0x1000, &mut bytes);
        assert_eq!(bytes, [INT3, INT3, 0x55, INT3]);
    }
}
