//! Look-up of a few names at once: one pass over the types, without the index.
//!
//! The index of `lookup` pays for itself after some look-ups. A process that loads one object asks once, for the names
//! of the object's types; then it is cheaper to look at the first bytes of each type's name, which rules out nearly all
//! of them, and to compare the rest. Flavours (`task_struct___old`) are found on the way.

use crate::lookup::essential_name;
use crate::{Btf, TypeId, raw};

/// Bytes of a name that the filter looks at. Shorter names are ruled out by first byte and length.
const LEAD: usize = 8;
/// Bits of the filter.
const FILTER_BITS: u32 = 12;

/// Names that are looked for, by their first bytes.
struct Wanted<'n> {
    names: &'n [&'n str],
    /// Bits for the first 8 bytes of names with as many.
    filter: Vec<bool>,
    /// Names by the same number, as a chain: index of the first name plus one.
    heads: Vec<u32>,
    next: Vec<u32>,
    /// Names of fewer bytes.
    short: Vec<u32>,
    /// By first byte: bit n is set if a name of n bytes, under 8, begins with it.
    short_lens: [u8; 256],
}

#[inline(always)]
fn slot(lead: u64) -> usize {
    (lead.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - FILTER_BITS)) as usize
}

impl<'n> Wanted<'n> {
    fn new(names: &'n [&'n str]) -> Self {
        let mut wanted = Self {
            names,
            filter: vec![false; 1 << FILTER_BITS],
            heads: vec![0; 1 << FILTER_BITS],
            next: vec![0; names.len()],
            short: Vec::new(),
            short_lens: [0; 256],
        };
        for (i, name) in (0u32..).zip(names) {
            match name.as_bytes().first_chunk::<LEAD>() {
                Some(lead) => {
                    let slot = slot(u64::from_ne_bytes(*lead));
                    if let (Some(bit), Some(head), Some(next)) = (
                        wanted.filter.get_mut(slot),
                        wanted.heads.get_mut(slot),
                        wanted.next.get_mut(i as usize),
                    ) {
                        *bit = true;
                        *next = core::mem::replace(head, i + 1);
                    }
                }
                None => {
                    let lens =
                        name.as_bytes().first().and_then(|b| wanted.short_lens.get_mut(usize::from(*b)));
                    if let Some(lens) = lens {
                        *lens |= 1 << name.len();
                        wanted.short.push(i);
                    }
                }
            }
        }
        wanted
    }

    /// Whether a name that begins with these bytes may be one of them.
    #[inline(always)]
    fn may_have(&self, lead: &[u8; LEAD]) -> bool {
        if self.filter.get(slot(u64::from_ne_bytes(*lead))) == Some(&true) {
            return true;
        }
        let [first, ..] = *lead;
        let mut lens = self.short_lens.get(usize::from(first)).copied().unwrap_or_default();
        while lens != 0 {
            // A short name ends there, or goes on with a flavour.
            if matches!(lead.get(lens.trailing_zeros() as usize), Some(0 | b'_')) {
                return true;
            }
            lens &= lens - 1;
        }
        false
    }

    /// The wanted names that `name` is, but for its flavour.
    fn matching(&self, name: &[u8]) -> impl Iterator<Item = u32> + use<'_, 'n> {
        let name = core::str::from_utf8(name).map(essential_name).unwrap_or_default();
        let lead = name.as_bytes().first_chunk::<LEAD>();
        let mut at = lead.and_then(|l| self.heads.get(slot(u64::from_ne_bytes(*l)))).copied().unwrap_or(0);
        let chain = core::iter::from_fn(move || {
            let this = at.checked_sub(1)?;
            at = self.next.get(this as usize).copied().unwrap_or(0);
            Some(this)
        });
        let short: &[u32] = if lead.is_none() { &self.short } else { &[] };
        let all = chain.chain(short.iter().copied());
        all.filter(move |i| self.names.get(*i as usize).is_some_and(|n| *n == name))
            .collect::<Vec<_>>()
            .into_iter()
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
