//! Builds BTF: types are appended one by one and get the next id; strings are stored once.
//!
//! Elements (members, values, parameters, section variables) go to the type added last. References may name ids that
//! come later; [`BtfBuilder::finish`] checks them all. The bytes equal those that libbpf's `btf__add_*` functions give
//! for the same calls.

use std::sync::Arc;

use oxbpf_uapi::BtfKind;
use oxbpf_uapi::consts::FuncLinkage;

use crate::intern::StrIndex;
use crate::raw::{self, MAX_VLEN, TYPE_LEN, u32_at};
use crate::view::VarLinkage;
use crate::{Btf, BtfError, TypeId};

/// `BTF_INT_*`: how an integer is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntFlags(pub u8);

impl IntFlags {
    /// An unsigned number.
    pub const NONE: Self = Self(0);
    /// A signed number.
    pub const SIGNED: Self = Self(1);
    /// A character.
    pub const CHAR: Self = Self(2);
    /// A truth value.
    pub const BOOL: Self = Self(4);
}

/// Largest id that may be referred to.
pub(crate) const MAX_TYPES: u32 = 0x7fff_ffff;

/// BTF in the making: types are appended one by one and get the next id; strings are stored once.
///
/// Members, values, parameters and section variables go to the type added last. References may name ids that come
/// later; [`BtfBuilder::finish`] checks them all.
#[derive(Debug, Default)]
pub struct BtfBuilder {
    pub(crate) base: Option<Arc<Btf>>,
    pub(crate) types: Vec<u8>,
    /// Offset in `types` of each type.
    pub(crate) offsets: Vec<u32>,
    pub(crate) strs: Vec<u8>,
    pub(crate) index: StrIndex,
    /// Whether equal strings are stored once and none is unused, as far as the calls so far show.
    pub(crate) strs_deduped: bool,
    pub(crate) layout: Vec<u8>,
    /// Bytes of the header, if it is longer than what it must hold.
    pub(crate) hdr_len: u32,
}

impl BtfBuilder {
    /// An empty BTF that stands alone.
    #[doc(alias = "btf__new_empty")]
    pub fn new() -> Self {
        BtfBuilder { strs: vec![0], strs_deduped: true, ..Default::default() }
    }

    /// An empty BTF that adds to `base`.
    #[doc(alias = "btf__new_empty_split")]
    pub fn new_split(base: Arc<Btf>) -> Self {
        BtfBuilder { base: Some(base), strs_deduped: true, ..Default::default() }
    }

    /// Goes on from an existing BTF: same ids, same strings, same base.
    ///
    /// # Errors
    /// `BadArgument` if its header has fields that this version does not know and so could not keep right.
    pub fn from_btf(btf: &Btf) -> Result<Self, BtfError> {
        let more = btf.raw().get(raw::HEADER_LAYOUT_LEN..btf.header().hdr_len as usize).unwrap_or_default();
        check("header", more.iter().all(|b| *b == 0), "has unknown fields")?;
        Ok(BtfBuilder {
            base: btf.base().cloned(),
            types: btf.types_bytes().to_vec(),
            offsets: btf.offsets().to_vec(),
            strs: btf.own_strs().to_vec(),
            layout: btf.own_layout().to_vec(),
            strs_deduped: btf.own_strs().len() <= usize::from(btf.base().is_none()),
            hdr_len: btf.header().hdr_len,
            ..Default::default()
        })
    }

    pub(crate) fn start_id(&self) -> u32 {
        self.base.as_ref().map_or(1, |b| b.type_count())
    }

    pub(crate) fn start_str(&self) -> u32 {
        self.base.as_ref().map_or(0, |b| b.str_end())
    }

    /// One more than the last id.
    pub fn type_count(&self) -> u32 {
        self.start_id().saturating_add(self.offsets.len() as u32)
    }

    /// Appends a type given as its words.
    pub(crate) fn push(
        &mut self,
        name_off: u32,
        info: u32,
        size_or_type: u32,
        tail: &[u32],
    ) -> Result<TypeId, BtfError> {
        let len = self.types.len();
        let too_long = BtfError::TooLong { len };
        let off = u32::try_from(len).map_err(|_| too_long.clone())?;
        let id = self.type_count();
        if id > MAX_TYPES {
            return Err(too_long);
        }
        self.offsets.push(off);
        for word in [name_off, info, size_or_type].iter().chain(tail) {
            self.types.extend_from_slice(&word.to_ne_bytes());
        }
        Ok(TypeId(id))
    }

    /// Appends an element to the last type, whose kind must be one of `kinds`.
    fn push_elem(
        &mut self,
        what: &'static str,
        kinds: &[BtfKind],
        flag: bool,
        words: &[u32],
    ) -> Result<(), BtfError> {
        let bad = |why| Err(BtfError::BadArgument { what, why });
        let Some(info) = self.last_info() else { return bad("there is no type to add it to") };
        if !kinds.contains(&BtfKind((info >> 24) & 0x7f)) {
            return bad("the last type does not take it");
        }
        if info & MAX_VLEN == MAX_VLEN {
            return bad("the last type is full");
        }
        self.set_last_info((info + 1) | u32::from(flag) << 31);
        for word in words {
            self.types.extend_from_slice(&word.to_ne_bytes());
        }
        Ok(())
    }

    fn last_info(&self) -> Option<u32> {
        u32_at(&self.types, *self.offsets.last()? as usize + 4)
    }

    fn set_last_info(&mut self, info: u32) {
        if let Some(&off) = self.offsets.last() {
            put(&mut self.types, off as usize + 4, info);
        }
    }

    /// Appends an integer of `size` bytes: 1, 2, 4, 8 or 16.
    ///
    /// # Errors
    /// `BadArgument` for an empty name, another size, or unknown flags.
    #[doc(alias = "btf__add_int")]
    pub fn add_int(&mut self, name: &str, size: u32, flags: IntFlags) -> Result<TypeId, BtfError> {
        let what = "integer";
        need_name(what, name)?;
        check(what, size.is_power_of_two() && size <= 16, "size is not 1, 2, 4, 8 or 16")?;
        check(what, flags.0 & !7 == 0, "unknown encoding")?;
        let name = self.add_str(name)?;
        self.push(name, info(BtfKind::INT, 0, false), size, &[(u32::from(flags.0) << 24) | (size * 8)])
    }

    /// Appends a floating-point type of `size` bytes: 2, 4, 8, 12 or 16.
    ///
    /// # Errors
    /// `BadArgument` for an empty name or another size.
    #[doc(alias = "btf__add_float")]
    pub fn add_float(&mut self, name: &str, size: u32) -> Result<TypeId, BtfError> {
        need_name("float", name)?;
        check("float", matches!(size, 2 | 4 | 8 | 12 | 16), "size is not 2, 4, 8, 12 or 16")?;
        let name = self.add_str(name)?;
        self.push(name, info(BtfKind::FLOAT, 0, false), size, &[])
    }

    fn add_ref(&mut self, kind: BtfKind, name: &str, to: TypeId, flag: bool) -> Result<TypeId, BtfError> {
        check("reference", to.0 <= MAX_TYPES, "no type id is that large")?;
        let name = self.add_str(name)?;
        self.push(name, info(kind, 0, flag), to.0, &[])
    }

    /// Appends a pointer to `to`.
    ///
    /// # Errors
    /// `BadArgument` for an impossible id.
    #[doc(alias = "btf__add_ptr")]
    pub fn add_ptr(&mut self, to: TypeId) -> Result<TypeId, BtfError> {
        self.add_ref(BtfKind::PTR, "", to, false)
    }

    /// Appends an array of `nelems` elements.
    ///
    /// # Errors
    /// `BadArgument` for an impossible id.
    #[doc(alias = "btf__add_array")]
    pub fn add_array(&mut self, index: TypeId, elem: TypeId, nelems: u32) -> Result<TypeId, BtfError> {
        check("array", index.0 <= MAX_TYPES && elem.0 <= MAX_TYPES, "no type id is that large")?;
        self.push(0, info(BtfKind::ARRAY, 0, false), 0, &[elem.0, index.0, nelems])
    }

    /// Appends a struct of `size` bytes without members; "" for an anonymous one.
    ///
    /// # Errors
    /// `BadArgument` for a name with NUL.
    #[doc(alias = "btf__add_struct")]
    pub fn add_struct(&mut self, name: &str, size: u32) -> Result<TypeId, BtfError> {
        let name = self.add_str(name)?;
        self.push(name, info(BtfKind::STRUCT, 0, false), size, &[])
    }

    /// Appends a union of `size` bytes without members; "" for an anonymous one.
    ///
    /// # Errors
    /// `BadArgument` for a name with NUL.
    #[doc(alias = "btf__add_union")]
    pub fn add_union(&mut self, name: &str, size: u32) -> Result<TypeId, BtfError> {
        let name = self.add_str(name)?;
        self.push(name, info(BtfKind::UNION, 0, false), size, &[])
    }

    /// Appends a member to the struct or union added last. `bit_size` is 0 unless it is a bit-field.
    ///
    /// # Errors
    /// `BadArgument` if the last type is no struct or union, a bit-field is wider than 255 bits or begins above bit
    /// 2^24, or a union's member is not at 0.
    #[doc(alias = "btf__add_field")]
    pub fn add_field(
        &mut self,
        name: &str,
        ty: TypeId,
        bit_offset: u32,
        bit_size: u32,
    ) -> Result<(), BtfError> {
        let what = "member";
        check(what, ty.0 <= MAX_TYPES, "no type id is that large")?;
        let is_bit_field = bit_size != 0 || bit_offset % 8 != 0;
        let last = self.last_info().unwrap_or_default();
        if is_bit_field {
            check(what, (1..=255).contains(&bit_size), "width of a bit-field is not 1 to 255")?;
        }
        if is_bit_field || last >> 31 != 0 {
            check(what, bit_offset <= 0x00ff_ffff, "too far for a struct with bit-fields")?;
        }
        if is_bit_field && last >> 31 == 0 {
            check(
                what,
                !self.last_has_far_member(),
                "a member before it is too far for a struct with bit-fields",
            )?;
        }
        let is_union = (last >> 24) & 0x7f == BtfKind::UNION.0;
        check(what, !is_union || bit_offset == 0, "a union's member begins at 0")?;
        let name = self.add_str(name)?;
        let words = [name, ty.0, bit_offset | bit_size << 24];
        self.push_elem(what, &[BtfKind::STRUCT, BtfKind::UNION], is_bit_field, &words)
    }

    /// Whether the last type has a member whose offset does not fit beside a bit-field width.
    fn last_has_far_member(&self) -> bool {
        let start = self.offsets.last().map_or(0, |&off| off as usize + TYPE_LEN);
        let members = self.types.get(start..).unwrap_or_default().chunks_exact(12);
        members.into_iter().any(|m| u32_at(m, 8).is_some_and(|off| off > 0x00ff_ffff))
    }

    fn add_enum_kind(
        &mut self,
        kind: BtfKind,
        name: &str,
        size: u32,
        signed: bool,
    ) -> Result<TypeId, BtfError> {
        check("enum", size.is_power_of_two() && size <= 8, "size is not 1, 2, 4 or 8")?;
        let name = self.add_str(name)?;
        self.push(name, info(kind, 0, signed), size, &[])
    }

    /// Appends an enumeration of `size` bytes (1, 2, 4, 8) without values. It becomes signed with its first negative
    /// value.
    ///
    /// # Errors
    /// `BadArgument` for another size.
    #[doc(alias = "btf__add_enum")]
    pub fn add_enum(&mut self, name: &str, size: u32) -> Result<TypeId, BtfError> {
        self.add_enum_kind(BtfKind::ENUM, name, size, false)
    }

    /// Appends a value to the enumeration added last.
    ///
    /// # Errors
    /// `BadArgument` for an empty name, a value that fits neither `i32` nor `u32`, or another last type.
    #[doc(alias = "btf__add_enum_value")]
    pub fn add_enum_value(&mut self, name: &str, value: i64) -> Result<(), BtfError> {
        let what = "enumerator";
        need_name(what, name)?;
        check(what, (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&value), "value is over 32 bits")?;
        let name = self.add_str(name)?;
        self.push_elem(what, &[BtfKind::ENUM], value < 0, &[name, value as u32])
    }

    /// Appends an enumeration of 64-bit values, `size` bytes (1, 2, 4, 8), without values.
    ///
    /// # Errors
    /// `BadArgument` for another size.
    #[doc(alias = "btf__add_enum64")]
    pub fn add_enum64(&mut self, name: &str, size: u32, signed: bool) -> Result<TypeId, BtfError> {
        self.add_enum_kind(BtfKind::ENUM64, name, size, signed)
    }

    /// Appends a value to the 64-bit enumeration added last; a negative one as its two's complement.
    ///
    /// # Errors
    /// `BadArgument` for an empty name or another last type.
    #[doc(alias = "btf__add_enum64_value")]
    pub fn add_enum64_value(&mut self, name: &str, value: u64) -> Result<(), BtfError> {
        need_name("enumerator", name)?;
        let name = self.add_str(name)?;
        self.push_elem("enumerator", &[BtfKind::ENUM64], false, &[name, value as u32, (value >> 32) as u32])
    }

    /// Appends a forward declaration of a struct or union.
    ///
    /// # Errors
    /// `BadArgument` for an empty name.
    #[doc(alias = "btf__add_fwd")]
    pub fn add_fwd(&mut self, name: &str, is_union: bool) -> Result<TypeId, BtfError> {
        need_name("forward declaration", name)?;
        self.add_ref(BtfKind::FWD, name, TypeId::VOID, is_union)
    }

    /// Appends another name for `to`.
    ///
    /// # Errors
    /// `BadArgument` for an empty name or an impossible id.
    #[doc(alias = "btf__add_typedef")]
    pub fn add_typedef(&mut self, name: &str, to: TypeId) -> Result<TypeId, BtfError> {
        need_name("typedef", name)?;
        self.add_ref(BtfKind::TYPEDEF, name, to, false)
    }

    /// Appends `volatile` `to`.
    ///
    /// # Errors
    /// `BadArgument` for an impossible id.
    #[doc(alias = "btf__add_volatile")]
    pub fn add_volatile(&mut self, to: TypeId) -> Result<TypeId, BtfError> {
        self.add_ref(BtfKind::VOLATILE, "", to, false)
    }

    /// Appends `const` `to`.
    ///
    /// # Errors
    /// `BadArgument` for an impossible id.
    #[doc(alias = "btf__add_const")]
    pub fn add_const(&mut self, to: TypeId) -> Result<TypeId, BtfError> {
        self.add_ref(BtfKind::CONST, "", to, false)
    }

    /// Appends `restrict` `to`.
    ///
    /// # Errors
    /// `BadArgument` for an impossible id.
    #[doc(alias = "btf__add_restrict")]
    pub fn add_restrict(&mut self, to: TypeId) -> Result<TypeId, BtfError> {
        self.add_ref(BtfKind::RESTRICT, "", to, false)
    }

    /// Appends `to` with a type tag.
    ///
    /// # Errors
    /// `BadArgument` for an empty tag or an impossible id.
    #[doc(alias = "btf__add_type_tag")]
    pub fn add_type_tag(&mut self, tag: &str, to: TypeId) -> Result<TypeId, BtfError> {
        need_name("type tag", tag)?;
        self.add_ref(BtfKind::TYPE_TAG, tag, to, false)
    }

    /// Appends `to` with an attribute that is not a tag.
    ///
    /// # Errors
    /// As [`BtfBuilder::add_type_tag`].
    #[doc(alias = "btf__add_type_attr")]
    pub fn add_type_attr(&mut self, attr: &str, to: TypeId) -> Result<TypeId, BtfError> {
        need_name("type attribute", attr)?;
        self.add_ref(BtfKind::TYPE_TAG, attr, to, true)
    }

    /// Appends a tag on a declaration. `component_idx` is -1 for `target` itself, else the number of its member or
    /// parameter.
    ///
    /// # Errors
    /// `BadArgument` for an empty tag, an impossible id, or a component below -1.
    #[doc(alias = "btf__add_decl_tag")]
    pub fn add_decl_tag(
        &mut self,
        tag: &str,
        target: TypeId,
        component_idx: i32,
    ) -> Result<TypeId, BtfError> {
        self.add_decl(tag, target, component_idx, false)
    }

    /// Appends an attribute that is not a tag on a declaration.
    ///
    /// # Errors
    /// As [`BtfBuilder::add_decl_tag`].
    #[doc(alias = "btf__add_decl_attr")]
    pub fn add_decl_attr(
        &mut self,
        attr: &str,
        target: TypeId,
        component_idx: i32,
    ) -> Result<TypeId, BtfError> {
        self.add_decl(attr, target, component_idx, true)
    }

    fn add_decl(&mut self, tag: &str, target: TypeId, idx: i32, is_attr: bool) -> Result<TypeId, BtfError> {
        let what = "declaration tag";
        need_name(what, tag)?;
        check(what, idx >= -1, "component number is below -1")?;
        check(what, target.0 <= MAX_TYPES, "no type id is that large")?;
        let tag = self.add_str(tag)?;
        self.push(tag, info(BtfKind::DECL_TAG, 0, is_attr), target.0, &[idx as u32])
    }

    /// Appends a function with the prototype `proto`.
    ///
    /// # Errors
    /// `BadArgument` for an empty name, an impossible id, or an unknown linkage.
    #[doc(alias = "btf__add_func")]
    pub fn add_func(&mut self, name: &str, linkage: FuncLinkage, proto: TypeId) -> Result<TypeId, BtfError> {
        let what = "function";
        need_name(what, name)?;
        check(what, linkage.0 <= FuncLinkage::EXTERN.0, "unknown linkage")?;
        check(what, proto.0 <= MAX_TYPES, "no type id is that large")?;
        let name = self.add_str(name)?;
        self.push(name, info(BtfKind::FUNC, linkage.0, false), proto.0, &[])
    }

    /// Appends a prototype without parameters that returns `ret`.
    ///
    /// # Errors
    /// `BadArgument` for an impossible id.
    #[doc(alias = "btf__add_func_proto")]
    pub fn add_func_proto(&mut self, ret: TypeId) -> Result<TypeId, BtfError> {
        self.add_ref(BtfKind::FUNC_PROTO, "", ret, false)
    }

    /// Appends a parameter to the prototype added last; "" and void for `...`.
    ///
    /// # Errors
    /// `BadArgument` for an impossible id or another last type.
    #[doc(alias = "btf__add_func_param")]
    pub fn add_func_param(&mut self, name: &str, ty: TypeId) -> Result<(), BtfError> {
        check("parameter", ty.0 <= MAX_TYPES, "no type id is that large")?;
        let name = self.add_str(name)?;
        self.push_elem("parameter", &[BtfKind::FUNC_PROTO], false, &[name, ty.0])
    }

    /// Appends a variable.
    ///
    /// # Errors
    /// `BadArgument` for an empty name, an impossible id, or an unknown linkage.
    #[doc(alias = "btf__add_var")]
    pub fn add_var(&mut self, name: &str, linkage: VarLinkage, ty: TypeId) -> Result<TypeId, BtfError> {
        let what = "variable";
        need_name(what, name)?;
        check(what, linkage.0 <= VarLinkage::GLOBAL_EXTERN.0, "unknown linkage")?;
        check(what, ty.0 <= MAX_TYPES, "no type id is that large")?;
        let name = self.add_str(name)?;
        self.push(name, info(BtfKind::VAR, 0, false), ty.0, &[linkage.0])
    }

    /// Appends a data section of `size` bytes without variables.
    ///
    /// # Errors
    /// `BadArgument` for an empty name.
    #[doc(alias = "btf__add_datasec")]
    pub fn add_datasec(&mut self, name: &str, size: u32) -> Result<TypeId, BtfError> {
        need_name("data section", name)?;
        let name = self.add_str(name)?;
        self.push(name, info(BtfKind::DATASEC, 0, false), size, &[])
    }

    /// Appends a variable to the data section added last.
    ///
    /// # Errors
    /// `BadArgument` for an impossible id or another last type.
    #[doc(alias = "btf__add_datasec_var_info")]
    pub fn add_datasec_var(&mut self, var: TypeId, offset: u32, size: u32) -> Result<(), BtfError> {
        check("section variable", var.0 <= MAX_TYPES, "no type id is that large")?;
        self.push_elem("section variable", &[BtfKind::DATASEC], false, &[var.0, offset, size])
    }

    /// The bytes: header, types, layout if the BTF this began from has one, strings.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, BtfError> {
        let total = self.types.len() + self.layout.len() + self.strs.len();
        let short = if self.layout.is_empty() { raw::HEADER_LEN } else { raw::HEADER_LAYOUT_LEN };
        let hdr_len = short.max(self.hdr_len as usize);
        u32::try_from(total + hdr_len).map_err(|_| BtfError::TooLong { len: total + hdr_len })?;
        let (types, layout, strs) =
            (self.types.len() as u32, self.layout.len() as u32, self.strs.len() as u32);
        let mut out = Vec::with_capacity(total + hdr_len);
        out.extend_from_slice(&raw::MAGIC.to_ne_bytes());
        out.extend_from_slice(&[1, 0]);
        let layout_off = if layout == 0 { 0 } else { types };
        let words = [hdr_len as u32, 0, types, types + layout, strs, layout_off, layout];
        for word in words.iter().take(hdr_len / 4 - 1) {
            out.extend_from_slice(&word.to_ne_bytes());
        }
        // What is behind the fields of this version is zero.
        out.resize(hdr_len, 0);
        out.extend_from_slice(&self.types);
        out.extend_from_slice(&self.layout);
        out.extend_from_slice(&self.strs);
        Ok(out)
    }

    /// The finished BTF.
    ///
    /// # Errors
    /// `BadReference` if a type refers to one that was never added, `TooLong`, and what [`Btf::validate`] finds.
    pub fn finish(self) -> Result<Btf, BtfError> {
        let bytes = self.to_bytes()?;
        let btf = match self.base {
            Some(base) => Btf::parse_split(bytes, base)?,
            None => Btf::parse(bytes)?,
        };
        btf.validate()?;
        Ok(btf)
    }
}

pub(crate) fn put(data: &mut [u8], off: usize, word: u32) {
    if let Some(to) = data.get_mut(off..).and_then(|d| d.first_chunk_mut::<4>()) {
        *to = word.to_ne_bytes();
    }
}

pub(crate) fn info(kind: BtfKind, vlen: u32, flag: bool) -> u32 {
    u32::from(flag) << 31 | kind.0 << 24 | vlen
}

fn check(what: &'static str, holds: bool, why: &'static str) -> Result<(), BtfError> {
    if holds { Ok(()) } else { Err(BtfError::BadArgument { what, why }) }
}

fn need_name(what: &'static str, name: &str) -> Result<(), BtfError> {
    check(what, !name.is_empty(), "needs a name")
}
