//! A type's info word in, the places of its ids and string offsets out.
//!
//! Every operation that moves types around (append, deduplicate, distil, relocate, permute) visits the same two sorts
//! of words: references to types and offsets of strings. Where they are depends on the kind alone, and this file is
//! the one place that knows; the scan's table in `scan.rs` is derived from the same rows.
//!
//! Places are word numbers from the start of the record, so that the same iterator serves for reading and for writing:
//!
//! ```
//! use oxbpf_btf::{BtfBuilder, IntFlags, fields};
//!
//! let mut b = BtfBuilder::new();
//! let int = b.add_int("int", 4, IntFlags::SIGNED)?;
//! b.add_struct("point", 8)?;
//! b.add_field("x", int, 0, 0)?;
//! b.add_field("y", int, 32, 0)?;
//! let btf = b.finish()?;
//! let point = btf.get(2.into())?;
//! assert_eq!(fields::id_words(point.info()).collect::<Vec<_>>(), [4, 7]);
//! assert_eq!(fields::str_words(point.info()).collect::<Vec<_>>(), [0, 3, 6]);
//! # Ok::<(), oxbpf_btf::BtfError>(())
//! ```
//!
//! A kind that is not known has no places: the layout section tells how long such a type is, not what is in it. Whoever
//! moves types asks [`is_known`] first.

use oxbpf_uapi::BtfKind;
use zerocopy::FromBytes;
use zerocopy::native_endian::U32;

use crate::raw::MAX_VLEN;

/// What the words of a kind's records are.
#[derive(Clone, Copy, Default)]
pub(crate) struct KindWords {
    /// Words that follow the three header words, whatever the number of elements.
    pub(crate) fixed: u8,
    /// Words of one element.
    pub(crate) elem: u8,
    /// Bit n: word n of the record is a type id.
    ids: u8,
    /// Which word of an element is a type id.
    elem_id: Option<u8>,
    /// Whether the first word of an element is a string offset.
    elem_name: bool,
}

const NONE: KindWords = KindWords { fixed: 0, elem: 0, ids: 0, elem_id: None, elem_name: false };
/// The third word is an id.
const REF: KindWords = KindWords { ids: 1 << 2, ..NONE };
/// The third word is an id, and one more word follows.
const REF_AND_WORD: KindWords = KindWords { fixed: 1, ..REF };
const MEMBERS: KindWords = KindWords { elem: 3, elem_id: Some(1), elem_name: true, ..NONE };

/// One row a kind, 0 to 19.
pub(crate) const KINDS: [KindWords; 20] = [
    NONE,                                                            // void
    KindWords { fixed: 1, ..NONE },                                  // int
    REF,                                                             // ptr
    KindWords { fixed: 3, ids: 1 << 3 | 1 << 4, ..NONE },            // array
    MEMBERS,                                                         // struct
    MEMBERS,                                                         // union
    KindWords { elem: 2, elem_name: true, ..NONE },                  // enum
    NONE,                                                            // fwd
    REF,                                                             // typedef
    REF,                                                             // volatile
    REF,                                                             // const
    REF,                                                             // restrict
    REF,                                                             // func
    KindWords { elem: 2, elem_id: Some(1), elem_name: true, ..REF }, // func_proto
    REF_AND_WORD,                                                    // var
    KindWords { elem: 3, elem_id: Some(0), ..NONE },                 // datasec
    NONE,                                                            // float
    REF_AND_WORD,                                                    // decl_tag
    REF,                                                             // type_tag
    KindWords { elem: 3, elem_name: true, ..NONE },                  // enum64
];

impl KindWords {
    /// Whether the third word is a type id.
    pub(crate) const fn refers(self) -> bool {
        self.ids & (1 << 2) != 0
    }
}

#[inline]
fn row(info: u32) -> KindWords {
    KINDS.get(((info >> 24) & 0x7f) as usize).copied().unwrap_or(NONE)
}

/// Whether the places of this kind's ids and string offsets are known.
pub fn is_known(kind: BtfKind) -> bool {
    crate::raw::is_known(kind.0)
}

/// The kind of a record, which begins with its three header words.
pub fn kind(record: &[u8]) -> BtfKind {
    BtfKind((crate::raw::u32_at(record, 4).unwrap_or_default() >> 24) & 0x7f)
}

/// Word numbers within a type record, ascending.
#[derive(Debug, Clone)]
pub struct Words {
    /// Bit n: word n is next.
    head: u8,
    /// The next word in an element.
    at: u32,
    step: u32,
    left: u32,
}

impl Iterator for Words {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        if self.head != 0 {
            let word = self.head.trailing_zeros();
            self.head &= self.head - 1;
            return Some(word as usize);
        }
        self.left = self.left.checked_sub(1)?;
        let word = self.at;
        self.at += self.step;
        Some(word as usize)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = self.head.count_ones() as usize + self.left as usize;
        (n, Some(n))
    }
}

impl ExactSizeIterator for Words {}

/// Where the ids of other types are in a record with this info word, as word numbers.
///
/// In the order in which libbpf visits them. Only known kinds have any, so they are all inside of a record that was
/// parsed.
#[doc(alias = "btf_field_iter_init")]
#[inline]
pub fn id_words(info: u32) -> Words {
    let row = row(info);
    match row.elem_id {
        Some(i) => elems(row, info, row.ids, u32::from(i)),
        None => Words { head: row.ids, at: 0, step: 0, left: 0 },
    }
}

/// Where the string offsets are in a record with this info word, as word numbers: the type's name, then its elements'.
#[doc(alias = "btf_field_iter_init")]
#[inline]
pub fn str_words(info: u32) -> Words {
    let row = row(info);
    let head = u8::from(is_known(BtfKind((info >> 24) & 0x7f)));
    match row.elem_name {
        true => elems(row, info, head, 0),
        false => Words { head, at: 0, step: 0, left: 0 },
    }
}

#[inline]
fn elems(row: KindWords, info: u32, head: u8, i: u32) -> Words {
    let (fixed, step) = (u32::from(row.fixed), u32::from(row.elem));
    Words { head, at: 3 + fixed + i, step, left: info & MAX_VLEN }
}

/// The ids that a record names; the record begins with its three header words.
pub fn type_ids(record: &[u8]) -> impl Iterator<Item = u32> {
    values(record, id_words)
}

/// The string offsets that a record names; the record begins with its three header words.
pub fn str_offs(record: &[u8]) -> impl Iterator<Item = u32> {
    values(record, str_words)
}

fn values(record: &[u8], places: fn(u32) -> Words) -> impl Iterator<Item = u32> {
    let words = <[U32]>::ref_from_prefix_with_elems(record, record.len() / 4).map_or(&[][..], |(w, _)| w);
    let info = words.get(1).map_or(0, |w| w.get());
    places(info).map_while(move |i| Some(words.get(i)?.get()))
}

/// Gives each id that a record names to `change` and stores what it returns. Stops at the first error.
///
/// # Errors
/// What `change` returns.
pub fn update_type_ids<E>(record: &mut [u8], change: impl FnMut(u32) -> Result<u32, E>) -> Result<(), E> {
    update(record, id_words, change)
}

/// Gives each string offset that a record names to `change` and stores what it returns. Stops at the first error.
///
/// # Errors
/// What `change` returns.
pub fn update_str_offs<E>(record: &mut [u8], change: impl FnMut(u32) -> Result<u32, E>) -> Result<(), E> {
    update(record, str_words, change)
}

/// Applies [`update_type_ids`] to each record of a type section.
pub(crate) fn update_all_type_ids<E>(
    types: &mut [u8],
    offsets: &[u32],
    mut change: impl FnMut(u32) -> Result<u32, E>,
) -> Result<(), E> {
    offsets
        .iter()
        .try_for_each(|&off| update_type_ids(types.get_mut(off as usize..).unwrap_or_default(), &mut change))
}

fn update<E>(
    record: &mut [u8],
    places: fn(u32) -> Words,
    mut change: impl FnMut(u32) -> Result<u32, E>,
) -> Result<(), E> {
    let words = words_mut(record);
    let info = words.get(1).map_or(0, |w| w.get());
    for i in places(info) {
        if let Some(word) = words.get_mut(i) {
            word.set(change(word.get())?);
        }
    }
    Ok(())
}

/// Type data as words; all records are whole words long.
pub(crate) fn words_mut(data: &mut [u8]) -> &mut [U32] {
    let count = data.len() / 4;
    <[U32]>::mut_from_prefix_with_elems(data, count).map_or(&mut [], |(w, _)| w)
}

/// Type data as words; all records are whole words long.
pub(crate) fn words(data: &[u8]) -> &[U32] {
    <[U32]>::ref_from_prefix_with_elems(data, data.len() / 4).map_or(&[], |(w, _)| w)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::info;

    #[test]
    fn each_kind_has_its_ids_and_strings_where_the_format_says() {
        let check = |kind, vlen, ids: &[usize], strs: &[usize]| {
            let info = info(kind, vlen, true);
            assert_eq!(id_words(info).collect::<Vec<_>>(), ids, "ids of {kind}");
            assert_eq!(str_words(info).collect::<Vec<_>>(), strs, "strings of {kind}");
        };
        check(BtfKind::VOID, 0, &[], &[]);
        check(BtfKind::INT, 0, &[], &[0]);
        check(BtfKind::PTR, 0, &[2], &[0]);
        check(BtfKind::ARRAY, 0, &[3, 4], &[0]);
        check(BtfKind::STRUCT, 2, &[4, 7], &[0, 3, 6]);
        check(BtfKind::UNION, 1, &[4], &[0, 3]);
        check(BtfKind::ENUM, 2, &[], &[0, 3, 5]);
        check(BtfKind::FWD, 0, &[], &[0]);
        check(BtfKind::TYPEDEF, 0, &[2], &[0]);
        check(BtfKind::VOLATILE, 0, &[2], &[0]);
        check(BtfKind::CONST, 0, &[2], &[0]);
        check(BtfKind::RESTRICT, 0, &[2], &[0]);
        // A function's count is its linkage.
        check(BtfKind::FUNC, 1, &[2], &[0]);
        check(BtfKind::FUNC_PROTO, 2, &[2, 4, 6], &[0, 3, 5]);
        check(BtfKind::VAR, 0, &[2], &[0]);
        check(BtfKind::DATASEC, 2, &[3, 6], &[0]);
        check(BtfKind::FLOAT, 0, &[], &[0]);
        check(BtfKind::DECL_TAG, 0, &[2], &[0]);
        check(BtfKind::TYPE_TAG, 0, &[2], &[0]);
        check(BtfKind::ENUM64, 2, &[], &[0, 3, 6]);
        check(BtfKind(20), 3, &[], &[]);
        check(BtfKind(127), 3, &[], &[]);
    }

    #[test]
    fn a_record_that_is_too_short_is_read_as_far_as_it_goes() {
        let mut record = Vec::new();
        for word in [1, info(BtfKind::STRUCT, 1000, false), 4, 5, 6, 0] {
            record.extend_from_slice(&u32::to_ne_bytes(word));
        }
        assert_eq!(type_ids(&record).collect::<Vec<_>>(), [6]);
        assert_eq!(str_offs(&record).collect::<Vec<_>>(), [1, 5]);
        update_type_ids(&mut record, |id| Ok::<_, ()>(id + 1)).unwrap();
        assert_eq!(type_ids(&record).collect::<Vec<_>>(), [7]);
        assert_eq!(update_str_offs(&mut record, Err), Err(1));
    }
}
