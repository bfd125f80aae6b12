//! Strings of a BTF in the making: each is stored once, and one that a base has is not stored at all.

use std::sync::Arc;

use crate::lookup::hash_name;
use crate::str_set::StrSet;
use crate::{Btf, BtfBuilder, BtfError};

/// Which strings a builder and its bases have.
///
/// Empty until the first string is looked for: someone who only changes types never pays for it.
#[derive(Debug, Default)]
pub(crate) struct StrIndex {
    own: Option<StrSet>,
    bases: Option<Vec<(Arc<Btf>, StrSet)>>,
}

impl StrIndex {
    /// Forgets the builder's own strings, which have changed.
    pub(crate) fn forget_own(&mut self) {
        self.own = None;
    }

    /// Takes `own` as the index of the builder's own strings.
    pub(crate) fn set_own(&mut self, own: StrSet) {
        self.own = Some(own);
    }

    fn own(&mut self, strs: &[u8]) -> &mut StrSet {
        self.own.get_or_insert_with(|| {
            let mut set = StrSet::default();
            set.insert_all(strs);
            set
        })
    }

    /// The offset of a string that one of the bases has; the lowest base goes first.
    pub(crate) fn find_in_base(&mut self, base: Option<&Arc<Btf>>, s: &[u8], hash: u64) -> Option<u32> {
        base?;
        let bases = self.bases.get_or_insert_with(|| {
            let chain = core::iter::successors(base, |b| b.base());
            let mut bases: Vec<_> = chain
                .map(|btf| {
                    let mut set = StrSet::default();
                    set.insert_all(btf.own_strs());
                    (btf.clone(), set)
                })
                .collect();
            bases.reverse();
            bases
        });
        bases.iter().find_map(|(btf, set)| Some(btf.start_str() + set.find(btf.own_strs(), s, hash)?))
    }
}

impl BtfBuilder {
    /// Stores a string, unless it or the base has it, and gives its offset. "" is 0.
    ///
    /// # Errors
    /// `BadArgument` if it has a NUL; `TooLong`.
    #[doc(alias = "btf__add_str")]
    pub fn add_str(&mut self, s: &str) -> Result<u32, BtfError> {
        if s.as_bytes().contains(&0) {
            return Err(BtfError::BadArgument { what: "string", why: "contains NUL" });
        }
        self.intern(s.as_bytes(), hash_name(s.as_bytes()))
    }

    /// The offset of a string that is already stored here or in the base.
    #[doc(alias = "btf__find_str")]
    pub fn find_str(&mut self, s: &str) -> Option<u32> {
        let s = s.as_bytes();
        if s.is_empty() {
            return Some(0);
        }
        let hash = hash_name(s);
        let start = self.start_str();
        let in_base = self.index.find_in_base(self.base.as_ref(), s, hash);
        in_base.or_else(|| Some(start + self.index.own(&self.strs).find(&self.strs, s, hash)?))
    }

    /// Makes room for `len` more bytes of strings.
    pub(crate) fn reserve_strs(&mut self, len: usize) {
        self.strs.reserve(len);
        self.index.own(&self.strs).reserve(len / 20);
    }

    /// As [`BtfBuilder::add_str`], for bytes without NUL and their hash.
    pub(crate) fn intern(&mut self, s: &[u8], hash: u64) -> Result<u32, BtfError> {
        if s.is_empty() {
            return Ok(0);
        }
        if let Some(off) = self.index.find_in_base(self.base.as_ref(), s, hash) {
            return Ok(off);
        }
        let start = self.start_str();
        let BtfBuilder { index, strs, .. } = self;
        let own = index.own(strs).find_or_insert(strs, s, hash, |strs| store(strs, start, s))?;
        Ok(start + own)
    }
}

/// Appends a string to a section that begins at offset `start`.
pub(crate) fn store(strs: &mut Vec<u8>, start: u32, s: &[u8]) -> Result<u32, BtfError> {
    let off = strs.len();
    let end = off + s.len() + 1;
    let fits = u32::try_from(end).ok().and_then(|end| start.checked_add(end));
    fits.ok_or(BtfError::TooLong { len: end })?;
    strs.extend_from_slice(s);
    strs.push(0);
    Ok(off as u32)
}
