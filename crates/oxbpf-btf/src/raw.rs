//! BTF bytes in, section ranges and one offset per type out.
//!
//! The format: a header of 24 bytes (32 with the layout section of newer kernels), then, at offsets counted from the
//! end of the header, types, an optional layout table and strings. A type is three 32-bit words (name offset, info,
//! size or referenced type) and a tail that its kind and element count (`vlen`) determine. The info word holds `vlen`
//! in bits 0–23, the kind in bits 24–30 and the kind flag in bit 31; older producers use only 16 and 5 bits of the
//! first two and leave the others zero.
//!
//! All tails of known kinds consist of 32-bit words only, which is why foreign-endian input can be swapped word by
//! word. Source of truth: `include/uapi/linux/btf.h`, v7.2.

use core::ops::Range;

use oxbpf_uapi::BtfKind;
use zerocopy::native_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::BtfError;
use crate::fields::KINDS;

/// BTF's magic number.
pub(crate) const MAGIC: u16 = 0xeb9f;
/// Bytes of the header that every version has.
pub(crate) const HEADER_LEN: usize = 24;
/// Bytes of the header with the layout section.
pub(crate) const HEADER_LAYOUT_LEN: usize = 32;
/// Bytes that every type begins with.
pub(crate) const TYPE_LEN: usize = 12;
/// The largest element count that fits the info word.
pub(crate) const MAX_VLEN: u32 = 0x00ff_ffff;
/// The last kind whose tail is known.
pub(crate) const LAST_KIND: u32 = BtfKind::ENUM64.0;

/// The BTF header: where the sections are, in bytes from the end of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs, reason = "the fields are the format's own")]
pub struct Header {
    pub version: u8,
    pub flags: u8,
    pub hdr_len: u32,
    pub type_off: u32,
    pub type_len: u32,
    pub str_off: u32,
    pub str_len: u32,
    /// 0 if the header is of the older, shorter form.
    pub layout_off: u32,
    pub layout_len: u32,
}

/// A struct or union member as stored.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawMember {
    pub(crate) name_off: U32,
    pub(crate) type_id: U32,
    pub(crate) offset: U32,
}

/// A function parameter as stored.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawParam {
    pub(crate) name_off: U32,
    pub(crate) type_id: U32,
}

/// A 32-bit enumerator as stored.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawEnum {
    pub(crate) name_off: U32,
    pub(crate) value: U32,
}

/// A 64-bit enumerator as stored.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawEnum64 {
    pub(crate) name_off: U32,
    pub(crate) lo: U32,
    pub(crate) hi: U32,
}

/// A variable of a data section as stored.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
pub(crate) struct RawSecVar {
    pub(crate) type_id: U32,
    pub(crate) offset: U32,
    pub(crate) size: U32,
}

/// Reads a native-endian word.
#[inline]
pub(crate) fn u32_at(data: &[u8], off: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*data.get(off..)?.first_chunk::<4>()?))
}

// The table of `fields.rs` as bits, so that the scan's dependency chain is two shifts instead of a table load: two bits a
// kind for the words that it always has and for those of each element, one for whether the third word is an id.
const FIXED: u64 = pack(false);
const ELEM: u64 = pack(true);
const REFERS: u32 = refers_bits();

const fn pack(elem: bool) -> u64 {
    let (mut out, mut kind) = (0, 0);
    while kind < KINDS.len() {
        let words = if elem { KINDS[kind].elem } else { KINDS[kind].fixed };
        out |= (words as u64) << (2 * kind);
        kind += 1;
    }
    out
}

const fn refers_bits() -> u32 {
    let (mut out, mut kind) = (0, 0);
    while kind < KINDS.len() {
        out |= (KINDS[kind].refers() as u32) << kind;
        kind += 1;
    }
    out
}

/// Whether the third word of a type of this kind is a type id.
pub(crate) fn refers(kind: u32) -> bool {
    kind <= LAST_KIND && (REFERS >> kind) & 1 != 0
}

/// Whether `kind` is one of the known kinds 1–19.
pub(crate) fn is_known(kind: u32) -> bool {
    kind.wrapping_sub(1) < LAST_KIND
}

/// Tail words of a known kind: those that it always has, and those of each element.
#[inline(always)]
fn tail_words(kind: u32) -> (usize, usize) {
    let shift = (2 * kind) & 63;
    (((FIXED >> shift) & 3) as usize, ((ELEM >> shift) & 3) as usize)
}

/// Bytes of one element (member, value, parameter, variable) of a known kind, 0 if it has none.
pub(crate) fn elem_len(kind: u32) -> usize {
    4 * tail_words(kind).1
}

/// One row of the layout section: how long types of a kind are.
#[derive(Debug, Clone, Copy)]
struct KindLayout {
    info: u8,
    elem: u8,
}

/// The layout section: tail lengths of kinds, by kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LayoutTable<'b>(pub(crate) &'b [u8]);

impl LayoutTable<'_> {
    fn row(self, kind: u32) -> Option<KindLayout> {
        let [info, elem, _, _] = *self.0.get(kind as usize * 4..)?.first_chunk::<4>()?;
        (info % 4 == 0 && elem % 4 == 0).then_some(KindLayout { info, elem })
    }
}

/// Where everything is in a BTF blob. Ranges are in bytes from the start of the blob.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) header: Header,
    pub(crate) types: Range<usize>,
    pub(crate) layout: Range<usize>,
    pub(crate) strs: Range<usize>,
}

/// Which byte order the magic number shows: `true` if foreign.
pub(crate) fn is_foreign(data: &[u8], what: &'static str, need: usize) -> Result<bool, BtfError> {
    let too_short = BtfError::TooShort { what, len: data.len(), need };
    if data.len() < need {
        return Err(too_short);
    }
    let magic = u16::from_ne_bytes(*data.first_chunk::<2>().ok_or(too_short)?);
    match magic {
        MAGIC => Ok(false),
        m if m.swap_bytes() == MAGIC => Ok(true),
        magic => Err(BtfError::BadMagic { magic }),
    }
}

/// Reads the header and checks that its sections are inside `data` and in order.
pub(crate) fn read_header(data: &[u8], foreign: bool) -> Result<Scan, BtfError> {
    if u32::try_from(data.len()).is_err() {
        return Err(BtfError::TooLong { len: data.len() });
    }
    let short = BtfError::TooShort { what: "BTF", len: data.len(), need: HEADER_LEN };
    let word =
        |i: usize| u32_at(data, i).map(|v| if foreign { v.swap_bytes() } else { v }).ok_or(short.clone());
    let hdr_len = word(4)?;
    if (hdr_len as usize) < HEADER_LEN || hdr_len as usize > data.len() {
        return Err(BtfError::BadHeaderLen { hdr_len, len: data.len() });
    }
    let has_layout = hdr_len as usize >= HEADER_LAYOUT_LEN;
    let header = Header {
        version: data.get(2).copied().unwrap_or_default(),
        flags: data.get(3).copied().unwrap_or_default(),
        hdr_len,
        type_off: word(8)?,
        type_len: word(12)?,
        str_off: word(16)?,
        str_len: word(20)?,
        layout_off: if has_layout { word(24)? } else { 0 },
        layout_len: if has_layout { word(28)? } else { 0 },
    };
    let bad = |section, off, len, why| BtfError::BadSection { section, off, len, why };
    let end = |off: u32, len: u32| u64::from(off) + u64::from(len);
    let left = (data.len() - hdr_len as usize) as u64;

    let h = &header;
    if end(h.str_off, h.str_len) > left {
        return Err(bad("string", h.str_off, h.str_len, "ends behind the data"));
    }
    if end(h.type_off, h.type_len) > u64::from(h.str_off) {
        return Err(bad("type", h.type_off, h.type_len, "overlaps the strings"));
    }
    if h.type_off % 4 != 0 {
        return Err(bad("type", h.type_off, h.type_len, "is not aligned to 4 bytes"));
    }
    if h.layout_len != 0 {
        let fail = |why| Err(bad("layout", h.layout_off, h.layout_len, why));
        if h.layout_off % 4 != 0 || h.layout_len % 4 != 0 {
            return fail("is not aligned to 4 bytes");
        }
        if u64::from(h.layout_off) < end(h.type_off, h.type_len) {
            return fail("overlaps the types");
        }
        if end(h.layout_off, h.layout_len) > u64::from(h.str_off) {
            return fail("overlaps the strings");
        }
    }
    // All sums are below data.len(), as just checked.
    let range = |off: u32, len: u32| {
        let start = hdr_len as usize + off as usize;
        start..start + len as usize
    };
    Ok(Scan {
        header,
        types: range(h.type_off, h.type_len),
        layout: if h.layout_len == 0 { 0..0 } else { range(h.layout_off, h.layout_len) },
        strs: range(h.str_off, h.str_len),
    })
}

/// Checks that the string section can be read without running out of it: it ends with NUL, and offset 0 is "".
pub(crate) fn check_strings(strs: &[u8], h: &Header, has_base: bool) -> Result<(), BtfError> {
    let bad = |why| Err(BtfError::BadSection { section: "string", off: h.str_off, len: h.str_len, why });
    match strs {
        [] if has_base => Ok(()),
        [] => bad("is empty"),
        [.., last] if *last != 0 => bad("does not end with NUL"),
        [first, ..] if *first != 0 && !has_base => {
            bad("does not begin with the empty string (does it need a base BTF?)")
        }
        _ => Ok(()),
    }
}

/// Changes foreign-endian bytes to native order in place; `scan` is what [`read_header`] gave for them.
pub(crate) fn swap_in_place(data: &mut [u8], scan: &Scan) {
    let header_words = if scan.header.hdr_len as usize >= HEADER_LAYOUT_LEN { 4..32 } else { 4..24 };
    if let Some(magic) = data.get_mut(..2) {
        magic.reverse();
    }
    for range in [header_words, scan.types.clone()] {
        for word in data.get_mut(range).unwrap_or_default().chunks_exact_mut(4) {
            word.reverse();
        }
    }
    for row in data.get_mut(scan.layout.clone()).unwrap_or_default().chunks_exact_mut(4) {
        if let [_, _, flags @ ..] = row {
            flags.reverse();
        }
    }
}

/// What the scan over the types found.
#[derive(Debug)]
pub(crate) struct Offsets {
    /// Offset in the type section of each type.
    pub(crate) offsets: Vec<u32>,
    /// The first type of a kind above the known ones, as (id, kind).
    pub(crate) unknown: Option<(u32, u32)>,
}

/// Finds where each type begins. The first has id `start_id`; name offsets must be below `str_end`.
///
/// Also checks name offsets and single references of all types, since both words are at hand here; elements are
/// checked when they are read.
pub(crate) fn scan_types(
    types: &[u8],
    layout: LayoutTable<'_>,
    start_id: u32,
    str_end: u32,
) -> Result<Offsets, BtfError> {
    // A kernel's types take 25 bytes on average, so this is nearly always enough; small types make it grow.
    let mut offsets = Vec::with_capacity(types.len() / 20 + 1);
    let mut unknown = None;
    let (mut off, mut max_name, mut max_ref) = (0usize, 0u32, 0u32);
    while let Some(head) = types.get(off..).and_then(|t| t.first_chunk::<TYPE_LEN>()) {
        let [n0, n1, n2, n3, i0, i1, i2, i3, t0, t1, t2, t3] = *head;
        let info = u32::from_ne_bytes([i0, i1, i2, i3]);
        let kind = (info >> 24) & 0x7f;
        // Only the last type can run past the end; that is noticed below.
        offsets.push(off as u32);
        max_name = max_name.max(u32::from_ne_bytes([n0, n1, n2, n3]));
        if is_known(kind) {
            let refers = 0u32.wrapping_sub((REFERS >> kind) & 1);
            max_ref = max_ref.max(u32::from_ne_bytes([t0, t1, t2, t3]) & refers);
            let (fixed, elem) = tail_words(kind);
            // Most types have no tail. Betting on it lets the processor go on with the next type before it has read
            // the length of this one, which is a third of the time.
            off += if fixed | elem == 0 {
                TYPE_LEN
            } else {
                TYPE_LEN + 4 * (fixed + (info & MAX_VLEN) as usize * elem)
            };
        } else {
            let id = start_id.saturating_add(offsets.len() as u32 - 1);
            let row = layout.row(kind).ok_or(BtfError::UnknownKind { id, offset: off as u32, kind })?;
            unknown.get_or_insert((id, kind));
            let elems = ((info & MAX_VLEN) as usize).saturating_mul(row.elem as usize);
            off = off.saturating_add(TYPE_LEN + row.info as usize).saturating_add(elems);
        }
    }
    let last_id = start_id.saturating_add((offsets.len() as u32).saturating_sub(1));
    if off != types.len() {
        let (id, offset) = match offsets.last() {
            Some(last) if off > types.len() => (last_id, *last),
            _ => (start_id.saturating_add(offsets.len() as u32), off as u32),
        };
        let need = if off > types.len() { off as u64 - u64::from(offset) } else { TYPE_LEN as u64 };
        return Err(BtfError::Truncated { id, offset, need, have: types.len() as u64 - u64::from(offset) });
    }
    if offsets.len() < offsets.capacity() / 2 {
        offsets.shrink_to_fit();
    }
    if max_name >= str_end.max(1) || (!offsets.is_empty() && max_ref > last_id) {
        return Err(first_bad_word(types, &offsets, start_id, last_id, str_end));
    }
    Ok(Offsets { offsets, unknown })
}

/// Names the first type with a bad name offset or reference, given that there is one.
#[cold]
fn first_bad_word(types: &[u8], offsets: &[u32], start_id: u32, last_id: u32, str_end: u32) -> BtfError {
    for (id, &off) in (start_id..).zip(offsets) {
        let word = |i: usize| u32_at(types, off as usize + i).unwrap_or_default();
        let (name_off, kind, target) = (word(0), (word(4) >> 24) & 0x7f, word(8));
        if name_off >= str_end.max(1) {
            return BtfError::BadStringOffset { offset: name_off, size: str_end };
        }
        if refers(kind) && target > last_id {
            return BtfError::BadReference { id, target };
        }
    }
    BtfError::BadSection { section: "type", off: 0, len: types.len() as u32, why: "is inconsistent" }
}
