//! Shared, immutable bytes: whoever owns the memory (a vector, a file mapping, a larger file) is kept alive by it.

use core::fmt;
use core::ops::Range;
use std::sync::Arc;

/// Immutable bytes with a shared owner; cloning and slicing never copy them.
///
/// The owner may be a `Vec<u8>`, a static slice, or anything that gives out the same bytes each time it is asked, such
/// as a read-only file mapping ([`Bytes::from_owner`]).
#[derive(Clone)]
pub struct Bytes {
    owner: Owner,
    range: Range<usize>,
}

#[derive(Clone)]
enum Owner {
    Static(&'static [u8]),
    Vec(Arc<Vec<u8>>),
    Dyn(Arc<dyn AsRef<[u8]> + Send + Sync>),
}

impl Owner {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Owner::Static(s) => s,
            Owner::Vec(v) => v,
            Owner::Dyn(d) => (**d).as_ref(),
        }
    }
}

impl Bytes {
    /// The bytes of `owner`, kept alive as long as this value or a clone of it.
    pub fn from_owner(owner: Arc<dyn AsRef<[u8]> + Send + Sync>) -> Self {
        let len = (*owner).as_ref().len();
        Bytes { owner: Owner::Dyn(owner), range: 0..len }
    }

    /// A part of these bytes with the same owner; `None` if `range` is not inside.
    pub fn slice(&self, range: Range<usize>) -> Option<Bytes> {
        self.as_slice().get(range.clone())?;
        let start = self.range.start.checked_add(range.start)?;
        let end = self.range.start.checked_add(range.end)?;
        Some(Bytes { owner: self.owner.clone(), range: start..end })
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        // An owner that gives fewer bytes than before breaks its promise; then nothing is given.
        self.owner.bytes().get(self.range.clone()).unwrap_or_default()
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl core::ops::Deref for Bytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(v: Vec<u8>) -> Self {
        let range = 0..v.len();
        Bytes { owner: Owner::Vec(Arc::new(v)), range }
    }
}

impl From<&'static [u8]> for Bytes {
    fn from(s: &'static [u8]) -> Self {
        Bytes { owner: Owner::Static(s), range: 0..s.len() }
    }
}

impl<const N: usize> From<&'static [u8; N]> for Bytes {
    fn from(s: &'static [u8; N]) -> Self {
        Bytes::from(s.as_slice())
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Bytes::from(&[][..])
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bytes({} bytes)", self.range.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_share_the_owner_and_stay_inside_it() {
        let all = Bytes::from(vec![1, 2, 3, 4, 5]);
        let mid = all.slice(1..4).unwrap();
        assert_eq!(&*mid, &[2, 3, 4]);
        assert_eq!(&*mid.slice(1..3).unwrap(), &[3, 4]);
        assert!(mid.slice(2..4).is_none());
        assert!(mid.slice(usize::MAX - 1..usize::MAX).is_none());
    }
}
