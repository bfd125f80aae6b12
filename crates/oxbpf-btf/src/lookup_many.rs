//! Look-up of a few names at once: one pass over the types, without the index.
//!
//! The index of `lookup` pays for itself after some look-ups. A process that loads one object asks once, for the names
//! of the object's types; then it is cheaper to look at the first bytes of each type's name, which rules out nearly all
//! of them, and to compare the rest. Flavours (`task_struct___old`) are found on the way.

use crate::lookup::essential_name;
use crate::{Btf, TypeId, raw};

/// Bytes of a name that the filter looks at.
const LEAD: usize = 8;
/// Bits of the filter.
const FILTER_BITS: u32 = 12;

/// Names that are looked for, by their first bytes.
struct Wanted<'n> {
    names: &'n [&'n str],
    /// Whether names are over within the bytes that the filter looks at.
    any_short: bool,
    /// Bits for the leads of names.
    filter: Box<[bool; 1 << FILTER_BITS]>,
    /// Names by the same number, as a chain: index of the first name plus one.
    heads: Vec<u32>,
    next: Vec<u32>,
}

/// The first bytes of a name, as a number whose lowest byte is the first: 0 where the name is over.
fn lead_of(name: &[u8]) -> u64 {
    let mut lead = [0; LEAD];
    lead.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
    u64::from_le_bytes(lead)
}

/// The same from the first bytes of a NUL-terminated name: what is behind the NUL is cleared.
#[inline(always)]
fn cut(w: u64) -> u64 {
    let zeros = w.wrapping_sub(0x0101_0101_0101_0101) & !w & 0x8080_8080_8080_8080;
    // What is below the lowest mark, which is right; those above it may be wrong.
    w & (zeros.wrapping_sub(1) & !zeros)
}

/// Whether three underscores are in a row: there, a flavour's suffix may cut the name short.
#[inline(always)]
fn has_run(lead: u64) -> bool {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let w = lead ^ 0x5f5f_5f5f_5f5f_5f5f;
    let marks = !(((w & LOW) + LOW) | w | LOW);
    marks & (marks >> 8) & (marks >> 16) != 0
}

#[inline(always)]
fn slot(lead: u64) -> usize {
    (lead.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS)) as usize
}

impl<'n> Wanted<'n> {
    fn new(names: &'n [&'n str]) -> Self {
        let mut wanted = Self {
            names,
            any_short: names.iter().any(|n| n.len() < LEAD),
            filter: Box::new([false; 1 << FILTER_BITS]),
            heads: vec![0; 1 << FILTER_BITS],
            next: vec![0; names.len()],
        };
        for (i, name) in (0u32..).zip(names).filter(|(_, name)| !name.is_empty()) {
            let slot = slot(lead_of(name.as_bytes()));
            if let (Some(head), Some(next)) = (wanted.heads.get_mut(slot), wanted.next.get_mut(i as usize)) {
                *next = core::mem::replace(head, i + 1);
            }
            wanted.admit(lead_of(name.as_bytes()));
            // The lead may end in the suffix's first or second underscore.
            if matches!(name.len(), 6 | 7) {
                wanted.admit(lead_of(&[name.as_bytes(), b"__"].concat()));
            }
        }
        wanted
    }

    fn admit(&mut self, lead: u64) {
        if let Some(bit) = self.filter.get_mut(slot(lead)) {
            *bit = true;
        }
    }

    /// Whether a name that begins with these bytes may be one of them. Nothing here depends on how long the name is, which
    /// cannot be predicted.
    #[inline(always)]
    fn may_have(&self, bytes: &[u8; LEAD]) -> bool {
        let lead = u64::from_le_bytes(*bytes);
        let is_in = |lead| self.filter.get(slot(lead)) == Some(&true);
        match self.any_short {
            true => is_in(cut(lead)) | has_run(lead),
            false => is_in(lead),
        }
    }

    /// The wanted names that `name` is, but for its flavour.
    fn matching(&self, name: &[u8]) -> impl Iterator<Item = u32> + use<'_, 'n> {
        let name = core::str::from_utf8(name).map(essential_name).unwrap_or_default();
        let mut at = self.heads.get(slot(lead_of(name.as_bytes()))).copied().unwrap_or(0);
        let chain = core::iter::from_fn(move || {
            let this = at.checked_sub(1)?;
            at = self.next.get(this as usize).copied().unwrap_or(0);
            Some(this)
        });
        let found = chain.filter(|i| self.names.get(*i as usize).is_some_and(|n| *n == name));
        found.collect::<Vec<_>>().into_iter()
    }
}

impl Btf {
    /// As [`Btf::find_essential`] for many names at once, among the own types only: for each name the types that have
    /// it but for flavours, in ascending order of their ids.
    ///
    /// Takes one pass over the types, or the index if it is there or some passes have been made.
    pub fn find_essential_own(&self, names: &[&str]) -> Vec<Vec<TypeId>> {
        let mut found = vec![Vec::new(); names.len()];
        if self.is_indexed() {
            for (name, found) in names.iter().zip(&mut found) {
                self.collect_own_essential(name, found);
            }
            return found;
        }
        let wanted = Wanted::new(names);
        let (types, strs, start_str) = (self.types_bytes(), self.own_strs(), self.start_str());
        for (id, &off) in (self.start_id().0..).zip(self.offsets()) {
            let name_off = raw::u32_at(types, off as usize).unwrap_or_default();
            // Types without a name are not left out first: which ones these are cannot be predicted, and the filter does it.
            // Names in the base and the last bytes of the strings take the slow way.
            let lead = name_off
                .checked_sub(start_str)
                .and_then(|own| strs.get(own as usize..)?.first_chunk::<LEAD>());
            if lead.is_some_and(|lead| !wanted.may_have(lead)) {
                continue;
            }
            for i in wanted.matching(self.str_bytes(name_off).unwrap_or_default()) {
                if let Some(list) = found.get_mut(i as usize) {
                    list.push(TypeId(id));
                }
            }
        }
        found
    }
}
