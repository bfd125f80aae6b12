//! Types as Rust values: [`TypeRef`] is a cheap reference to one, [`Type`] shows what its kind holds.

use core::fmt;

use oxbpf_uapi::BtfKind;
use oxbpf_uapi::consts::FuncLinkage;
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::raw::{self, RawEnum, RawEnum64, RawMember, RawParam, RawSecVar};
use crate::{Btf, BtfError, TypeId};

/// One type of a [`Btf`]: its three header words and the bytes of its elements.
#[derive(Clone, Copy)]
pub struct TypeRef<'b> {
    btf: &'b Btf,
    id: TypeId,
    name_off: u32,
    info: u32,
    size_or_type: u32,
    tail: &'b [u8],
}

impl<'b> TypeRef<'b> {
    pub(crate) fn void(btf: &'b Btf) -> Self {
        TypeRef { btf, id: TypeId::VOID, name_off: 0, info: 0, size_or_type: 0, tail: &[] }
    }

    #[inline]
    pub(crate) fn new(btf: &'b Btf, id: TypeId, record: &'b [u8]) -> Option<Self> {
        let name_off = raw::u32_at(record, 0)?;
        let info = raw::u32_at(record, 4)?;
        let size_or_type = raw::u32_at(record, 8)?;
        Some(TypeRef { btf, id, name_off, info, size_or_type, tail: record.get(raw::TYPE_LEN..)? })
    }

    /// Its id.
    pub fn id(&self) -> TypeId {
        self.id
    }

    /// The BTF that it was got from.
    pub fn btf(&self) -> &'b Btf {
        self.btf
    }

    /// Its kind.
    #[inline]
    pub fn kind(&self) -> BtfKind {
        BtfKind((self.info >> 24) & 0x7f)
    }

    /// Its name; "" if it has none, or one that cannot be read (see [`TypeRef::try_name`]).
    #[inline]
    pub fn name(&self) -> &'b str {
        self.btf.str_at(self.name_off).unwrap_or_default()
    }

    /// Its name; "" if it has none.
    ///
    /// # Errors
    /// `NotUtf8`.
    pub fn try_name(&self) -> Result<&'b str, BtfError> {
        self.btf.str_at(self.name_off)
    }

    /// Offset of its name in the strings, 0 if it has none.
    pub fn name_off(&self) -> u32 {
        self.name_off
    }

    /// How many elements (members, enumerators, parameters, variables) it has.
    #[inline]
    pub fn vlen(&self) -> u32 {
        self.info & raw::MAX_VLEN
    }

    /// The kind flag: bit-fields are encoded (struct, union), values are signed (enum), a union (fwd), an attribute
    /// (tags).
    pub fn kind_flag(&self) -> bool {
        self.info >> 31 != 0
    }

    /// The third word as a size in bytes; has meaning for int, enum, struct, union, data section and float.
    /// For the size of any type see [`Btf::size_of`].
    pub fn size(&self) -> u32 {
        self.size_or_type
    }

    /// The third word as the id of the type that this one refers to; has meaning for pointer, typedef, the modifiers,
    /// function (its prototype), prototype (what it returns), variable and tags.
    pub fn type_id(&self) -> TypeId {
        TypeId(self.size_or_type)
    }

    /// The info word: element count, kind and kind flag as stored.
    pub fn info(&self) -> u32 {
        self.info
    }

    /// What follows the three header words, native-endian.
    pub fn tail(&self) -> &'b [u8] {
        self.tail
    }

    /// What the type holds, by its kind.
    pub fn view(&self) -> Type<'b> {
        let word = |i: usize| raw::u32_at(self.tail, 4 * i).unwrap_or_default();
        match self.kind() {
            BtfKind::VOID if self.id.is_void() => Type::Void,
            BtfKind::INT => Type::Int(IntEncoding::from_word(word(0)), self.size()),
            BtfKind::PTR => Type::Ptr(self.type_id()),
            BtfKind::ARRAY => Type::Array { elem: TypeId(word(0)), index: TypeId(word(1)), nelems: word(2) },
            BtfKind::STRUCT => Type::Struct(Composite { ty: *self }),
            BtfKind::UNION => Type::Union(Composite { ty: *self }),
            BtfKind::ENUM => Type::Enum(EnumView { ty: *self }),
            BtfKind::ENUM64 => Type::Enum64(EnumView { ty: *self }),
            BtfKind::FWD => Type::Fwd { is_union: self.kind_flag() },
            BtfKind::TYPEDEF => Type::Typedef(self.type_id()),
            BtfKind::VOLATILE => Type::Volatile(self.type_id()),
            BtfKind::CONST => Type::Const(self.type_id()),
            BtfKind::RESTRICT => Type::Restrict(self.type_id()),
            BtfKind::TYPE_TAG => Type::TypeTag(self.type_id()),
            BtfKind::FUNC => Type::Func { proto: self.type_id(), linkage: FuncLinkage(self.vlen()) },
            BtfKind::FUNC_PROTO => Type::FuncProto(FuncProtoView { ty: *self }),
            BtfKind::VAR => Type::Var { type_id: self.type_id(), linkage: VarLinkage(word(0)) },
            BtfKind::DATASEC => Type::DataSec(DataSecView { ty: *self }),
            BtfKind::FLOAT => Type::Float { size: self.size() },
            BtfKind::DECL_TAG => Type::DeclTag { target: self.type_id(), component_idx: word(0) as i32 },
            _ => Type::Unknown,
        }
    }

    /// The struct or union that this is, if it is one.
    pub fn composite(&self) -> Option<Composite<'b>> {
        matches!(self.kind(), BtfKind::STRUCT | BtfKind::UNION).then_some(Composite { ty: *self })
    }

    /// The ids that it refers to, in the order of the record; none for an unknown kind.
    pub fn type_ids(&self) -> impl Iterator<Item = u32> + use<'b> {
        let (third, tail) = (self.size_or_type, crate::fields::words(self.tail));
        crate::fields::id_words(self.info).map_while(move |i| match i {
            2 => Some(third),
            i => Some(tail.get(i.checked_sub(3)?)?.get()),
        })
    }

    /// The elements as records of type `T`; fewer than `vlen` never happens for a known kind.
    /// The ids of other types that it names.
    pub(crate) fn ids(&self) -> impl Iterator<Item = TypeId> + use<'b> {
        let (first, rest) = (self.type_id(), crate::fields::words(self.tail));
        // Word 2 is the last one of the header.
        crate::fields::id_words(self.info).map_while(move |word| match word {
            2 => Some(first),
            _ => rest.get(word.checked_sub(3)?).map(|w| TypeId(w.get())),
        })
    }

    pub(crate) fn elems<T: FromBytes + Immutable + KnownLayout + Unaligned>(&self) -> &'b [T] {
        <[T]>::ref_from_prefix_with_elems(self.tail, self.vlen() as usize).map_or(&[], |(elems, _)| elems)
    }
}

impl fmt::Debug for TypeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        write!(f, "[{}] {} '{}'", self.id, kind.short_name().unwrap_or("?"), self.name())
    }
}

/// What a type holds, by its kind. Names and sizes that all kinds share are on [`TypeRef`].
#[derive(Debug, Clone, Copy)]
pub enum Type<'b> {
    /// `void`, id 0.
    Void,
    /// An integer and its size in bytes.
    Int(IntEncoding, u32),
    /// A pointer to a type.
    Ptr(TypeId),
    /// An array of `nelems` elements.
    Array {
        /// Type of an element.
        elem: TypeId,
        /// Type of the index.
        index: TypeId,
        /// How many elements.
        nelems: u32,
    },
    /// A struct.
    Struct(Composite<'b>),
    /// A union.
    Union(Composite<'b>),
    /// An enumeration with values of at most 32 bits.
    Enum(EnumView<'b>),
    /// An enumeration with values of at most 64 bits.
    Enum64(EnumView<'b>),
    /// A forward declaration of a struct or union.
    Fwd {
        /// Of a union, not a struct.
        is_union: bool,
    },
    /// Another name for a type.
    Typedef(TypeId),
    /// `volatile` type.
    Volatile(TypeId),
    /// `const` type.
    Const(TypeId),
    /// `restrict` pointer.
    Restrict(TypeId),
    /// A tagged type; the tag is the name.
    TypeTag(TypeId),
    /// A function.
    Func {
        /// Its prototype.
        proto: TypeId,
        /// Who sees it.
        linkage: FuncLinkage,
    },
    /// A function's return and parameter types.
    FuncProto(FuncProtoView<'b>),
    /// A variable.
    Var {
        /// Its type.
        type_id: TypeId,
        /// Who sees it.
        linkage: VarLinkage,
    },
    /// An ELF section's variables.
    DataSec(DataSecView<'b>),
    /// A floating-point number.
    Float {
        /// Size in bytes.
        size: u32,
    },
    /// A tag on a declaration; the tag is the name.
    DeclTag {
        /// What is tagged.
        target: TypeId,
        /// -1 for the target itself, else the number of its member or parameter.
        component_idx: i32,
    },
    /// A kind that this version does not know.
    Unknown,
}

/// How an integer's bits are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IntEncoding {
    /// Two's complement.
    pub signed: bool,
    /// A character.
    pub char: bool,
    /// A truth value.
    pub bool: bool,
    /// First bit, 0 in all but very old BTF.
    pub offset: u32,
    /// How many bits.
    pub bits: u32,
}

impl IntEncoding {
    pub(crate) fn from_word(word: u32) -> Self {
        let flags = (word >> 24) & 0xf;
        IntEncoding {
            signed: flags & 1 != 0,
            char: flags & 2 != 0,
            bool: flags & 4 != 0,
            offset: (word >> 16) & 0xff,
            bits: word & 0xff,
        }
    }
}

/// `BTF_VAR_*`: who sees a variable. Values that this version does not know are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VarLinkage(pub u32);

impl VarLinkage {
    /// Its compilation unit only.
    pub const STATIC: Self = Self(0);
    /// Everyone, and memory for it is here.
    pub const GLOBAL_ALLOCATED: Self = Self(1);
    /// Defined elsewhere.
    pub const GLOBAL_EXTERN: Self = Self(2);
}

/// A struct or union.
#[derive(Debug, Clone, Copy)]
pub struct Composite<'b> {
    ty: TypeRef<'b>,
}

/// A member of a struct or union.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member<'b> {
    /// Name, "" for an anonymous struct or union inside.
    pub name: &'b str,
    /// Its type.
    pub type_id: TypeId,
    /// Where it begins, in bits from the start of the struct.
    pub bit_offset: u32,
    /// Its width in bits if it is a bit-field, else 0.
    pub bit_size: u32,
}

impl<'b> Composite<'b> {
    /// The type.
    pub fn ty(&self) -> TypeRef<'b> {
        self.ty
    }

    /// Size in bytes.
    pub fn size(&self) -> u32 {
        self.ty.size()
    }

    /// How many members.
    pub fn len(&self) -> usize {
        self.ty.vlen() as usize
    }

    /// Whether it has no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its members in order.
    pub fn members(&self) -> impl ExactSizeIterator<Item = Member<'b>> + DoubleEndedIterator + use<'b> {
        let ty = self.ty;
        ty.elems::<RawMember>().iter().map(move |m| member(ty, m))
    }

    /// The members that have this name or none, with their numbers. Other names are compared but not read.
    pub fn named_or_anonymous<'n>(
        &self,
        name: &'n str,
    ) -> impl Iterator<Item = (u32, Member<'b>)> + use<'b, 'n> {
        let ty = self.ty;
        let (strs, start_str) = (ty.btf.own_strs(), ty.btf.start_str());
        let is_wanted = move |m: &RawMember| match m.name_off.get().checked_sub(start_str) {
            Some(own) => match strs.get(own as usize..) {
                // The first byte tells nearly all of them apart.
                Some(rest) if rest.first() == name.as_bytes().first() => {
                    rest.get(name.len()) == Some(&0) && rest.starts_with(name.as_bytes())
                }
                Some([0, ..]) => true,
                _ => false,
            },
            None => ty.btf.str_bytes(m.name_off.get()).is_ok_and(|s| s.is_empty() || s == name.as_bytes()),
        };
        (0u32..)
            .zip(ty.elems::<RawMember>())
            .filter(move |(_, m)| is_wanted(m))
            .map(move |(i, m)| (i, member(ty, m)))
    }

    /// Member number `i`, from 0.
    pub fn member(&self, i: usize) -> Option<Member<'b>> {
        self.ty.elems::<RawMember>().get(i).map(|m| member(self.ty, m))
    }
}

fn member<'b>(ty: TypeRef<'b>, m: &RawMember) -> Member<'b> {
    let (bit_offset, bit_size) = split_offset(ty.kind_flag(), m.offset.get());
    Member {
        name: ty.btf.str_at(m.name_off.get()).unwrap_or_default(),
        type_id: TypeId(m.type_id.get()),
        bit_offset,
        bit_size,
    }
}

/// A member's offset word as (bit offset, bit-field width).
#[inline]
pub(crate) fn split_offset(kind_flag: bool, word: u32) -> (u32, u32) {
    if kind_flag { (word & 0x00ff_ffff, word >> 24) } else { (word, 0) }
}

/// An enumeration.
#[derive(Debug, Clone, Copy)]
pub struct EnumView<'b> {
    ty: TypeRef<'b>,
}

/// A named value of an enumeration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnumValue<'b> {
    /// Name.
    pub name: &'b str,
    /// Value, wide enough for both `i64` and `u64`.
    pub value: i128,
}

impl<'b> EnumView<'b> {
    /// The type.
    pub fn ty(&self) -> TypeRef<'b> {
        self.ty
    }

    /// Size in bytes.
    pub fn size(&self) -> u32 {
        self.ty.size()
    }

    /// Whether values are signed.
    pub fn is_signed(&self) -> bool {
        self.ty.kind_flag()
    }

    /// How many named values.
    pub fn len(&self) -> usize {
        self.ty.vlen() as usize
    }

    /// Whether it has no named values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its named values in order.
    pub fn values(&self) -> impl ExactSizeIterator<Item = EnumValue<'b>> + use<'b> {
        let ty = self.ty;
        (0..self.len()).map(move |i| enum_value(ty, i).unwrap_or(EnumValue { name: "", value: 0 }))
    }

    /// Named value number `i`, from 0.
    pub fn value(&self, i: usize) -> Option<EnumValue<'b>> {
        enum_value(self.ty, i)
    }
}

fn enum_value(ty: TypeRef<'_>, i: usize) -> Option<EnumValue<'_>> {
    let (name_off, value) = raw_enum_value(ty, i)?;
    Some(EnumValue { name: ty.btf.str_at(name_off).unwrap_or_default(), value })
}

/// Where the name of value number `i` is, and the value.
pub(crate) fn raw_enum_value(ty: TypeRef<'_>, i: usize) -> Option<(u32, i128)> {
    let signed = ty.kind_flag();
    let (name_off, value) = if ty.kind() == BtfKind::ENUM64 {
        let e = ty.elems::<RawEnum64>().get(i)?;
        let bits = u64::from(e.hi.get()) << 32 | u64::from(e.lo.get());
        (e.name_off, if signed { i128::from(bits as i64) } else { i128::from(bits) })
    } else {
        let e = ty.elems::<RawEnum>().get(i)?;
        let bits = e.value.get();
        (e.name_off, if signed { i128::from(bits as i32) } else { i128::from(bits) })
    };
    Some((name_off.get(), value))
}

/// A function prototype.
#[derive(Debug, Clone, Copy)]
pub struct FuncProtoView<'b> {
    ty: TypeRef<'b>,
}

/// A parameter of a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'b> {
    /// Name, "" if not known.
    pub name: &'b str,
    /// Its type; void for the `...` of a variadic function.
    pub type_id: TypeId,
}

impl<'b> FuncProtoView<'b> {
    /// The type.
    pub fn ty(&self) -> TypeRef<'b> {
        self.ty
    }

    /// What the function returns.
    pub fn ret(&self) -> TypeId {
        self.ty.type_id()
    }

    /// Its parameters in order; a last one that is void and nameless stands for `...`.
    pub fn params(&self) -> impl ExactSizeIterator<Item = Param<'b>> + use<'b> {
        let btf = self.ty.btf;
        self.ty.elems::<RawParam>().iter().map(move |p| Param {
            name: btf.str_at(p.name_off.get()).unwrap_or_default(),
            type_id: TypeId(p.type_id.get()),
        })
    }

    /// Whether it ends with `...`.
    pub fn is_variadic(&self) -> bool {
        self.ty.elems::<RawParam>().last().is_some_and(|p| p.type_id.get() == 0)
    }
}

/// The variables of an ELF section.
#[derive(Debug, Clone, Copy)]
pub struct DataSecView<'b> {
    ty: TypeRef<'b>,
}

/// Where a variable is in its section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecVar {
    /// The variable ([`Type::Var`], or [`Type::Func`] for extern functions).
    pub type_id: TypeId,
    /// Bytes from the start of the section.
    pub offset: u32,
    /// Size in bytes.
    pub size: u32,
}

impl<'b> DataSecView<'b> {
    /// The type.
    pub fn ty(&self) -> TypeRef<'b> {
        self.ty
    }

    /// Size of the section in bytes; compilers leave 0 here.
    pub fn size(&self) -> u32 {
        self.ty.size()
    }

    /// Its variables in order.
    pub fn vars(&self) -> impl ExactSizeIterator<Item = SecVar> + use<'b> {
        self.ty.elems::<RawSecVar>().iter().map(|v| SecVar {
            type_id: TypeId(v.type_id.get()),
            offset: v.offset.get(),
            size: v.size.get(),
        })
    }
}
