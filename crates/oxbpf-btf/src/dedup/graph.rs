//! All types, base and own, by id: what the phases of deduplication read.

use zerocopy::native_endian::U32;
use zerocopy::{FromBytes, IntoBytes};

use crate::fields;
use crate::raw::{self, MAX_VLEN, TYPE_LEN};
use crate::{Btf, BtfBuilder, BtfError};

pub(super) mod kind {
    //! Kind numbers, for `match`.
    use oxbpf_uapi::BtfKind;

    pub(in crate::dedup) const INT: u32 = BtfKind::INT.0;
    pub(in crate::dedup) const PTR: u32 = BtfKind::PTR.0;
    pub(in crate::dedup) const ARRAY: u32 = BtfKind::ARRAY.0;
    pub(in crate::dedup) const STRUCT: u32 = BtfKind::STRUCT.0;
    pub(in crate::dedup) const UNION: u32 = BtfKind::UNION.0;
    pub(in crate::dedup) const ENUM: u32 = BtfKind::ENUM.0;
    pub(in crate::dedup) const FWD: u32 = BtfKind::FWD.0;
    pub(in crate::dedup) const TYPEDEF: u32 = BtfKind::TYPEDEF.0;
    pub(in crate::dedup) const VOLATILE: u32 = BtfKind::VOLATILE.0;
    pub(in crate::dedup) const CONST: u32 = BtfKind::CONST.0;
    pub(in crate::dedup) const RESTRICT: u32 = BtfKind::RESTRICT.0;
    pub(in crate::dedup) const FUNC: u32 = BtfKind::FUNC.0;
    pub(in crate::dedup) const FUNC_PROTO: u32 = BtfKind::FUNC_PROTO.0;
    pub(in crate::dedup) const VAR: u32 = BtfKind::VAR.0;
    pub(in crate::dedup) const DATASEC: u32 = BtfKind::DATASEC.0;
    pub(in crate::dedup) const FLOAT: u32 = BtfKind::FLOAT.0;
    pub(in crate::dedup) const DECL_TAG: u32 = BtfKind::DECL_TAG.0;
    pub(in crate::dedup) const TYPE_TAG: u32 = BtfKind::TYPE_TAG.0;
    pub(in crate::dedup) const ENUM64: u32 = BtfKind::ENUM64.0;
}

/// Type data in which each type is found by its id.
pub(super) struct Graph {
    /// The type sections of the base chain and of the builder, one behind the other.
    pub(super) data: Vec<u8>,
    /// Number of the word in `data` at which each type begins; that of void is behind the end.
    pub(super) at: Vec<u32>,
    /// Ids from here on are own types.
    pub(super) start_id: u32,
}

impl Graph {
    /// Takes the type data out of `b`; [`Graph::give_back`] puts it back.
    pub(super) fn take(b: &mut BtfBuilder) -> Graph {
        let mut data = Vec::new();
        let mut at = vec![0];
        let mut chain: Vec<&Btf> =
            core::iter::successors(b.base.as_deref(), |b| b.base().map(|b| &**b)).collect();
        chain.reverse();
        let start_id = b.start_id();
        at.reserve(start_id as usize + b.offsets.len());
        for btf in chain {
            let start = data.len() as u32;
            at.extend(btf.offsets().iter().map(|off| (start + off) / 4));
            data.extend_from_slice(btf.types_bytes());
        }
        let start = data.len() as u32;
        at.extend(b.offsets.iter().map(|off| (start + off) / 4));
        if data.is_empty() {
            data = core::mem::take(&mut b.types);
        } else {
            data.append(&mut b.types);
        }
        if let Some(void) = at.first_mut() {
            *void = (data.len() / 4) as u32;
        }
        data.extend_from_slice(&[0; TYPE_LEN]);
        Graph { data, at, start_id }
    }

    /// The builder's own type data as it was taken.
    pub(super) fn give_back(mut self, b: &mut BtfBuilder) {
        self.data.truncate(self.data.len().saturating_sub(TYPE_LEN));
        let own = self.at.get(self.start_id as usize).map_or(self.data.len(), |at| *at as usize * 4);
        b.types = if own == 0 { self.data } else { self.data.split_off(own.min(self.data.len())) };
    }

    pub(super) fn types(&self) -> Types<'_> {
        Types { words: fields::words(&self.data), at: &self.at, start_id: self.start_id }
    }

    /// Checks that all types are of known kinds.
    pub(super) fn check(&self) -> Result<(), BtfError> {
        let types = self.types();
        for id in 1..types.count() {
            let kind = types.kind(id);
            if !raw::is_known(kind) {
                let offset = self.at.get(id as usize).map_or(0, |at| at.wrapping_mul(4));
                return Err(BtfError::UnknownKind { id, offset, kind });
            }
        }
        Ok(())
    }
}

/// A view of a [`Graph`]. An id that no type has reads as void; the last phase rejects it.
#[derive(Clone, Copy)]
pub(super) struct Types<'g> {
    words: &'g [U32],
    at: &'g [u32],
    pub(super) start_id: u32,
}

impl<'g> Types<'g> {
    /// One more than the last id.
    pub(super) fn count(self) -> u32 {
        self.at.len() as u32
    }

    /// Ids of the types that are not the base's.
    pub(super) fn own(self) -> core::ops::Range<u32> {
        self.start_id..self.count()
    }

    /// The type's words and, behind them, those of the types that follow.
    #[inline(always)]
    pub(super) fn rec(self, id: u32) -> Rec<'g> {
        let at = self.at.get(id as usize).or(self.at.first()).map_or(usize::MAX, |at| *at as usize);
        Rec(self.words.get(at..).unwrap_or_default())
    }

    #[inline(always)]
    pub(super) fn kind(self, id: u32) -> u32 {
        self.rec(id).kind()
    }

    #[inline(always)]
    pub(super) fn is_fwd(self, id: u32) -> bool {
        self.kind(id) == kind::FWD
    }
}

/// The words of a type.
#[derive(Clone, Copy)]
pub(super) struct Rec<'g>(&'g [U32]);

impl<'g> Rec<'g> {
    #[inline(always)]
    pub(super) fn word(self, i: usize) -> u32 {
        self.0.get(i).map_or(0, |w| w.get())
    }

    #[inline(always)]
    pub(super) fn name(self) -> u32 {
        self.word(0)
    }

    #[inline(always)]
    pub(super) fn info(self) -> u32 {
        self.word(1)
    }

    #[inline(always)]
    pub(super) fn kind(self) -> u32 {
        (self.info() >> 24) & 0x7f
    }

    #[inline(always)]
    pub(super) fn kind_flag(self) -> bool {
        self.info() >> 31 != 0
    }

    /// The third word.
    #[inline(always)]
    pub(super) fn target(self) -> u32 {
        self.word(2)
    }

    #[inline(always)]
    pub(super) fn vlen(self) -> usize {
        (self.info() & MAX_VLEN) as usize
    }

    /// How many words it has.
    #[inline]
    pub(super) fn len(self) -> usize {
        let words = fields::KINDS.get(self.kind() as usize).copied().unwrap_or_default();
        3 + usize::from(words.fixed) + self.vlen() * usize::from(words.elem)
    }

    /// Its words and no more.
    #[inline]
    pub(super) fn own_words(self) -> &'g [U32] {
        self.0.get(..self.len()).unwrap_or_default()
    }

    /// The elements, `N` words each.
    #[inline(always)]
    pub(super) fn elems<const N: usize>(self) -> &'g [[U32; N]] {
        let tail = self.0.get(3..).unwrap_or_default().as_bytes();
        <[[U32; N]]>::ref_from_prefix_with_elems(tail, self.vlen()).map_or(&[], |(elems, _)| elems)
    }

    /// Whether the three header words are the same.
    #[inline(always)]
    pub(super) fn same_head(self, other: Rec<'_>) -> bool {
        self.name() == other.name() && self.info() == other.info() && self.target() == other.target()
    }

    /// The kind of type that this forward declaration declares.
    pub(super) fn declares(self) -> u32 {
        if self.kind_flag() { kind::UNION } else { kind::STRUCT }
    }

    /// Whether this is an enumeration of either width.
    pub(super) fn is_enum(self) -> bool {
        matches!(self.kind(), kind::ENUM | kind::ENUM64)
    }

    /// Whether this is an enumeration without values, which stands for a declaration.
    pub(super) fn is_enum_fwd(self) -> bool {
        self.is_enum() && self.vlen() == 0
    }

    /// Whether two integers, or two declaration tags, are the same.
    pub(super) fn same_head_and_word(self, other: Rec<'_>) -> bool {
        self.same_head(other) && self.word(3) == other.word(3)
    }

    /// Whether two enumerations are the same.
    pub(super) fn same_enum(self, other: Rec<'_>) -> bool {
        if !self.same_head(other) {
            return false;
        }
        let words = self.vlen() * if self.kind() == kind::ENUM { 2 } else { 3 };
        self.0.get(3..3 + words) == other.0.get(3..3 + words)
    }

    /// Whether two enumerations are the same, as far as a declaration tells.
    pub(super) fn compatible_enum(self, other: Rec<'_>) -> bool {
        if !self.is_enum_fwd() && !other.is_enum_fwd() {
            return self.same_enum(other);
        }
        // A declaration may differ from its definition in size and width.
        self.name() == other.name() && self.is_enum() && other.is_enum()
    }

    /// Whether two structs or unions are the same but for the types of their members.
    pub(super) fn same_shape(self, other: Rec<'_>) -> bool {
        self.same_head(other)
            && self
                .elems::<3>()
                .iter()
                .zip(other.elems::<3>())
                .all(|([n1, _, o1], [n2, _, o2])| n1.get() == n2.get() && o1.get() == o2.get())
    }

    /// Whether two arrays are the same but for their types.
    pub(super) fn compatible_array(self, other: Rec<'_>) -> bool {
        self.same_head(other) && self.word(5) == other.word(5)
    }

    /// Whether two prototypes are the same but for their types.
    pub(super) fn compatible_proto(self, other: Rec<'_>) -> bool {
        self.name() == other.name()
            && self.info() == other.info()
            && self.elems::<2>().iter().zip(other.elems::<2>()).all(|([n1, _], [n2, _])| n1.get() == n2.get())
    }
}
