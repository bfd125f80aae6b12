//! Which runs of pages are free: next-fit, so that a freed address is used again as late as possible.

use std::collections::BTreeMap;

/// Free pages of the cage.
#[derive(Debug)]
pub(crate) struct Pages {
    /// First page → number of pages, of each free run; runs never touch.
    free: BTreeMap<u64, u64>,
    /// Where the search starts.
    cursor: u64,
}

impl Pages {
    /// Pages `first .. end` are free.
    pub(crate) fn new(first: u64, end: u64) -> Self {
        Self { free: BTreeMap::from([(first, end.saturating_sub(first))]), cursor: first }
    }

    /// Takes `count` pages followed by an unused one, and gives the first.
    pub(crate) fn take(&mut self, count: u64) -> Option<u64> {
        let with_guard = count.checked_add(1)?;
        let later = self.free.range(self.cursor..);
        let earlier = self.free.range(..self.cursor);
        let (&first, &len) = later.chain(earlier).find(|(_, len)| **len >= with_guard)?;
        self.free.remove(&first);
        if len > with_guard {
            self.free.insert(first + with_guard, len - with_guard);
        }
        self.cursor = first + with_guard;
        Some(first)
    }

    /// Gives back what [`Pages::take`] gave for `count`.
    pub(crate) fn give(&mut self, first: u64, count: u64) {
        let (mut first, mut len) = (first, count + 1);
        if let Some(next) = self.free.remove(&(first + len)) {
            len += next;
        }
        if let Some((&before, &n)) = self.free.range(..first).next_back() {
            if before + n == first {
                self.free.remove(&before);
                (first, len) = (before, len + n);
            }
        }
        self.free.insert(first, len);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freed_runs_join_and_serve_a_larger_request() {
        let mut pages = Pages::new(1, 9);
        let runs = [pages.take(1), pages.take(1), pages.take(3)];
        assert_eq!(runs, [Some(1), Some(3), Some(5)]);
        assert_eq!(pages.take(1), None);
        pages.give(1, 1);
        pages.give(5, 3);
        assert_eq!(pages.take(4), None);
        pages.give(3, 1);
        assert_eq!(pages.take(7), Some(1));
    }

    #[test]
    fn a_freed_page_is_not_used_again_at_once() {
        let mut pages = Pages::new(1, 100);
        let first = pages.take(1).unwrap();
        let second = pages.take(1).unwrap();
        pages.give(first, 1);
        let third = pages.take(1).unwrap();
        assert!(third > second, "{third} reuses {first}");
    }
}
