//! BTF bytes in, section ranges and the lengths of types out.
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

/// Whether the third word of a type of this kind is a type id.
pub(crate) fn refers(kind: u32) -> bool {
    KINDS.get(kind as usize).is_some_and(|k| k.refers())
}

/// Whether `kind` is one of the known kinds 1–19.
#[inline]
pub(crate) const fn is_known(kind: u32) -> bool {
    kind.wrapping_sub(1) < LAST_KIND
}

/// Bytes of one element (member, value, parameter, variable) of a known kind, 0 if it has none.
pub(crate) fn elem_len(kind: u32) -> usize {
    KINDS.get(kind as usize).map_or(0, |k| 4 * usize::from(k.elem))
}

/// One row of the layout section: how long types of a kind are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KindLayout {
    pub(crate) info: u8,
    pub(crate) elem: u8,
}

/// The layout section: tail lengths of kinds, by kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LayoutTable<'b>(pub(crate) &'b [u8]);

impl LayoutTable<'_> {
    pub(crate) fn row(self, kind: u32) -> Option<KindLayout> {
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
