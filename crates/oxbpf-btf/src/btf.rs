//! [`Btf`]: a blob of BTF with the offset of each of its types.

use core::fmt;
use core::ops::Range;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};

use crate::lookup::NameIndex;
use crate::lookup::str_len;
use crate::raw::{self, Header, LayoutTable};
use crate::scan;
use crate::view::TypeRef;
use crate::{BtfError, ByteOrder, Bytes};

/// The number of a type: 0 is void, the first type is 1. A split BTF goes on where its base ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TypeId(pub u32);

impl TypeId {
    /// The id of `void`.
    pub const VOID: TypeId = TypeId(0);

    /// Whether this is `void`.
    pub fn is_void(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", self.0)
    }
}

impl From<u32> for TypeId {
    fn from(id: u32) -> Self {
        TypeId(id)
    }
}

/// Type information: the bytes of a BTF blob in native byte order, and where each type begins.
///
/// A *split* BTF (a kernel module's) adds types to a base; ids and string offsets go on from the base's, and all
/// methods see both, unless they say "own".
pub struct Btf {
    data: Bytes,
    header: Header,
    types: Range<usize>,
    layout: Range<usize>,
    strs: Range<usize>,
    /// Offset in the type section of each own type.
    offsets: Vec<u32>,
    start_id: u32,
    start_str: u32,
    base: Option<Arc<Btf>>,
    pub(crate) order: ByteOrder,
    pub(crate) index: OnceLock<NameIndex>,
    pub(crate) flavours: OnceLock<Vec<TypeId>>,
    /// Look-ups that were made without the index.
    pub(crate) passes: AtomicU32,
    pub(crate) pointer_size: OnceLock<Option<u32>>,
}

impl Btf {
    /// Reads BTF that stands alone, in either byte order.
    ///
    /// Native bytes are used where they are; foreign-endian ones are swapped once into a copy. This finds and bounds
    /// each type, and checks names and single references; what is inside the elements of a type is checked when it is
    /// read. [`Btf::validate`] checks all of it.
    ///
    /// # Errors
    /// Broken header or sections, a type that runs past the end, an unknown kind of unknown length: `EINVAL`.
    #[doc(alias = "btf__new")]
    pub fn parse(data: impl Into<Bytes>) -> Result<Btf, BtfError> {
        Self::parse_with(data.into(), None)
    }

    /// Reads BTF whose types and strings go on from those of `base`.
    ///
    /// # Errors
    /// As [`Btf::parse`].
    #[doc(alias = "btf__new_split")]
    pub fn parse_split(data: impl Into<Bytes>, base: Arc<Btf>) -> Result<Btf, BtfError> {
        Self::parse_with(data.into(), Some(base))
    }

    fn parse_with(mut data: Bytes, base: Option<Arc<Btf>>) -> Result<Btf, BtfError> {
        let foreign = raw::is_foreign(&data, "BTF", raw::HEADER_LEN)?;
        let scan = raw::read_header(&data, foreign)?;
        if foreign {
            let mut copy = data.to_vec();
            raw::swap_in_place(&mut copy, &scan);
            data = Bytes::from(copy);
        }
        let (start_id, start_str) = base.as_ref().map_or((1, 0), |b| (b.type_count(), b.str_end()));
        let h = scan.header;
        raw::check_strings(data.get(scan.strs.clone()).unwrap_or_default(), &h, base.is_some())?;
        let str_end = start_str.checked_add(h.str_len).ok_or(BtfError::BadSection {
            section: "string",
            off: h.str_off,
            len: h.str_len,
            why: "and its base are over 4 GiB",
        })?;
        let own_layout = data.get(scan.layout.clone()).unwrap_or_default();
        let layout = match &base {
            Some(b) if own_layout.is_empty() => b.layout_table(),
            _ => LayoutTable(own_layout),
        };
        let types = data.get(scan.types.clone()).unwrap_or_default();
        let found = scan::scan_types(types, layout, start_id, str_end)?;
        if start_id.checked_add(found.offsets.len() as u32).is_none() {
            return Err(BtfError::TooLong { len: data.len() });
        }
        if let (true, Some((id, kind))) = (foreign, found.unknown) {
            return Err(BtfError::CannotSwap { id, kind });
        }
        Ok(Btf {
            data,
            header: h,
            types: scan.types,
            layout: scan.layout,
            strs: scan.strs,
            offsets: found.offsets,
            start_id,
            start_str,
            base,
            order: ByteOrder::of_input(foreign),
            index: OnceLock::new(),
            flavours: OnceLock::new(),
            passes: AtomicU32::new(0),
            pointer_size: OnceLock::new(),
        })
    }

    /// The BTF that this one adds to, if it is split.
    #[doc(alias = "btf__base_btf")]
    pub fn base(&self) -> Option<&Arc<Btf>> {
        self.base.as_ref()
    }

    /// The id of the first own type: 1, or the base's [`Btf::type_count`].
    pub fn start_id(&self) -> TypeId {
        TypeId(self.start_id)
    }

    /// One more than the last id; counts `void` and the base's types.
    #[doc(alias = "btf__type_cnt")]
    pub fn type_count(&self) -> u32 {
        self.start_id.saturating_add(self.offsets.len() as u32)
    }

    /// The own bytes, header included, in native byte order.
    pub fn raw(&self) -> &[u8] {
        &self.data
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether [`Btf::byte_order`] is not this machine's; for BTF that was just read: whether the input was foreign.
    pub fn is_foreign_endian(&self) -> bool {
        self.order != ByteOrder::NATIVE
    }

    /// The type with this id, own or of the base.
    ///
    /// # Errors
    /// `NoSuchType` if `id` is not below [`Btf::type_count`].
    #[doc(alias = "btf__type_by_id")]
    #[inline]
    pub fn get(&self, id: TypeId) -> Result<TypeRef<'_>, BtfError> {
        let mut of = self;
        while id.0 < of.start_id {
            match &of.base {
                Some(base) => of = base,
                None => return Ok(TypeRef::void(self)),
            }
        }
        let none = || BtfError::NoSuchType { id: id.0, count: self.type_count() };
        let i = (id.0 - of.start_id) as usize;
        let start = *of.offsets.get(i).ok_or_else(none)? as usize;
        let rest = of.types_bytes().get(start..).ok_or_else(none)?;
        let len = of.offsets.get(i + 1).map_or(rest.len(), |next| (*next as usize).saturating_sub(start));
        TypeRef::new(self, id, rest.get(..len).ok_or_else(none)?).ok_or_else(none)
    }

    /// All types from id 1, the base's first.
    pub fn types(&self) -> impl Iterator<Item = TypeRef<'_>> {
        // Almost always one: vmlinux, or an object.
        let mut chain: Vec<&Btf> = core::iter::successors(Some(self), |b| b.base().map(|b| &**b)).collect();
        chain.reverse();
        chain.into_iter().flat_map(|of| self.types_of(of))
    }

    /// The types that are not the base's.
    pub fn own_types(&self) -> impl Iterator<Item = TypeRef<'_>> {
        self.types_of(self)
    }

    /// The own types of `of`, which is this or one of its bases, seen from here.
    fn types_of<'b>(&'b self, of: &'b Btf) -> impl Iterator<Item = TypeRef<'b>> {
        let bytes = of.types_bytes();
        let mut offsets = of.offsets.iter().map(|o| *o as usize);
        let mut start = offsets.next();
        let mut id = of.start_id;
        core::iter::from_fn(move || {
            let from = start?;
            start = offsets.next();
            let record = bytes.get(from..start.unwrap_or(bytes.len()))?;
            let t = TypeRef::new(self, TypeId(id), record);
            id += 1;
            t
        })
    }

    /// The string at an offset, counted from the start of the lowest base's strings.
    ///
    /// # Errors
    /// `BadStringOffset` outside the strings, `NotUtf8`.
    #[doc(alias = "btf__str_by_offset")]
    #[inline]
    pub fn str_at(&self, off: u32) -> Result<&str, BtfError> {
        core::str::from_utf8(self.str_bytes(off)?).map_err(|_| BtfError::NotUtf8 { offset: off })
    }

    /// The bytes of the string at an offset, without the NUL.
    ///
    /// # Errors
    /// `BadStringOffset` outside the strings.
    #[inline]
    pub fn str_bytes(&self, off: u32) -> Result<&[u8], BtfError> {
        let mut of = self;
        while off < of.start_str {
            match &of.base {
                Some(base) => of = base,
                None => break,
            }
        }
        off.checked_sub(of.start_str)
            .and_then(|own| of.own_strs().get(own as usize..))
            .and_then(|s| s.get(..str_len(s)?))
            .ok_or(BtfError::BadStringOffset { offset: off, size: self.str_end() })
    }

    /// Bytes of strings, the base's included; every valid string offset is below.
    pub(crate) fn str_end(&self) -> u32 {
        self.start_str.saturating_add(self.header.str_len)
    }

    /// The first string offset that is not the base's.
    pub(crate) fn start_str(&self) -> u32 {
        self.start_str
    }

    /// The own string section.
    pub(crate) fn own_strs(&self) -> &[u8] {
        self.data.get(self.strs.clone()).unwrap_or_default()
    }

    /// The own layout section, empty if there is none.
    pub(crate) fn own_layout(&self) -> &[u8] {
        self.data.get(self.layout.clone()).unwrap_or_default()
    }

    /// The own type section.
    pub(crate) fn types_bytes(&self) -> &[u8] {
        self.data.get(self.types.clone()).unwrap_or_default()
    }

    /// Offset in the own type section of each own type.
    pub(crate) fn offsets(&self) -> &[u32] {
        &self.offsets
    }

    fn layout_table(&self) -> LayoutTable<'_> {
        let own = self.own_layout();
        match &self.base {
            Some(base) if own.is_empty() => base.layout_table(),
            _ => LayoutTable(own),
        }
    }
}

impl fmt::Debug for Btf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Btf")
            .field("bytes", &self.data.len())
            .field("start_id", &self.start_id)
            .field("type_count", &self.type_count())
            .field("is_split", &self.base.is_some())
            .finish()
    }
}
