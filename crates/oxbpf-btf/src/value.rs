//! A value's bytes as a tree, by its type: what events and map entries are shown from.
//!
//! ```
//! use oxbpf_btf::{text, value, TypeId};
//! use oxbpf_btf::value::Data;
//!
//! let btf = text::parse(
//!     "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n\
//!      [2] STRUCT 'point' size=8 vlen=2\n\
//!      \t'x' type_id=1 bits_offset=0\n\
//!      \t'y' type_id=1 bits_offset=32\n",
//! )?;
//! let bytes = [7i32.to_ne_bytes(), (-1i32).to_ne_bytes()].concat();
//! let point = value::decode(&btf, TypeId(2), &bytes)?;
//! let Data::Struct(fields) = &point.data else { panic!("not a struct") };
//! assert_eq!((fields[0].name, &fields[1].value.data), ("x", &Data::Int(-1)));
//! # Ok::<(), oxbpf_btf::BtfError>(())
//! ```

use crate::{Btf, BtfError, EnumView, IntEncoding, Type, TypeId, TypeRef};

/// A value and its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Value<'b> {
    /// The type as declared: a typedef or a qualified type is kept, so that `__be32` can be told from `__u32`.
    pub type_id: TypeId,
    /// Where the value is, in bits from the start of the whole.
    pub bit_offset: u64,
    /// What is there.
    pub data: Data<'b>,
}

/// What a value is.
#[derive(Debug, Clone, PartialEq)]
pub enum Data<'b> {
    /// A signed integer.
    Int(i128),
    /// An unsigned integer.
    Uint(u128),
    /// A truth value; any byte but 0 is true.
    Bool(bool),
    /// A single character.
    Char(u8),
    /// A floating-point number. `long double` is rounded.
    Float(f64),
    /// An address; what is there is not read.
    Ptr(u64),
    /// An enumeration.
    Enum {
        /// The name of the value, if it has one.
        name: Option<&'b str>,
        /// The value.
        value: i128,
    },
    /// A struct's members in order.
    Struct(Vec<Field<'b>>),
    /// A union's members: the same bytes seen in different ways.
    Union(Vec<Field<'b>>),
    /// An array of anything but one-byte integers.
    Array(Vec<Value<'b>>),
    /// An array of one-byte integers.
    Bytes {
        /// All of them.
        bytes: &'b [u8],
        /// Whether they are characters rather than numbers.
        is_text: bool,
    },
    /// A type without values (a function, a forward declaration), or void.
    None,
}

/// A member of a struct or union, or a variable of a section.
#[derive(Debug, Clone, PartialEq)]
pub struct Field<'b> {
    /// Its name, "" for an anonymous struct or union.
    pub name: &'b str,
    /// Its value.
    pub value: Value<'b>,
}

/// Reads the value of type `id` from `data`, which is in native byte order. Bytes behind the type's are ignored.
///
/// A data section gives a struct of its variables.
///
/// # Errors
/// `ShortValue` if the type is larger than `data`; `TooDeep` for types that contain themselves, or so many parts that
/// the tree would be far larger than the data; what is wrong with the type.
pub fn decode<'b>(btf: &'b Btf, id: TypeId, data: &'b [u8]) -> Result<Value<'b>, BtfError> {
    let need = btf.size_of(id)?;
    if data.len() < need as usize {
        return Err(BtfError::ShortValue { id: id.0, need, have: data.len() });
    }
    Decoder { btf, data, root: id, nesting: 0, budget: 4096 + data.len().saturating_mul(64) }.value(id, 0, 0)
}

struct Decoder<'b> {
    btf: &'b Btf,
    data: &'b [u8],
    root: TypeId,
    nesting: u32,
    budget: usize,
}

const MAX_NESTING: u32 = 64;

impl<'b> Decoder<'b> {
    /// The value at bit `at`; `width` is that of a bit-field, else 0.
    fn value(&mut self, id: TypeId, at: u64, width: u32) -> Result<Value<'b>, BtfError> {
        self.nesting += 1;
        self.budget = self.budget.saturating_sub(1);
        if self.nesting > MAX_NESTING || self.budget == 0 {
            return Err(BtfError::TooDeep { id: self.root.0 });
        }
        let t = self.btf.resolve_ref(id)?;
        let data = self.data(t, at, width)?;
        self.nesting -= 1;
        Ok(Value { type_id: id, bit_offset: at, data })
    }

    fn data(&mut self, t: TypeRef<'b>, at: u64, width: u32) -> Result<Data<'b>, BtfError> {
        Ok(match t.view() {
            Type::Int(e, size) => self.int(t, e, size, at, width)?,
            Type::Enum(e) | Type::Enum64(e) => self.enumerator(e, at, width)?,
            Type::Float { size } => match size {
                4 => Data::Float(f64::from(f32::from_ne_bytes(self.array(t, at)?))),
                8 => Data::Float(f64::from_ne_bytes(self.array(t, at)?)),
                16 => Data::Float(long_double(self.array(t, at)?)),
                _ => return Err(odd_size(t)),
            },
            Type::Ptr(_) => Data::Ptr(match self.btf.pointer_size() {
                4 => u64::from(u32::from_ne_bytes(self.array(t, at)?)),
                _ => u64::from_ne_bytes(self.array(t, at)?),
            }),
            Type::Array { elem, nelems, .. } => self.elements(t, elem, nelems, at)?,
            Type::Struct(c) | Type::Union(c) => {
                let mut fields = Vec::new();
                for m in c.members() {
                    let value = self.value(m.type_id, at + u64::from(m.bit_offset), m.bit_size)?;
                    fields.push(Field { name: m.name, value });
                }
                if matches!(t.view(), Type::Union(_)) { Data::Union(fields) } else { Data::Struct(fields) }
            }
            Type::DataSec(s) => {
                let mut fields = Vec::new();
                for v in s.vars() {
                    let name = self.btf.get(v.type_id)?.name();
                    let value = self.value(v.type_id, at + 8 * u64::from(v.offset), 0)?;
                    fields.push(Field { name, value });
                }
                Data::Struct(fields)
            }
            Type::Var { type_id, .. } => self.value(type_id, at, width)?.data,
            _ => Data::None,
        })
    }

    fn int(
        &self,
        t: TypeRef<'b>,
        e: IntEncoding,
        size: u32,
        at: u64,
        width: u32,
    ) -> Result<Data<'b>, BtfError> {
        if size == 16 && width == 0 {
            let bits = self.array(t, at)?;
            return Ok(if e.signed {
                Data::Int(i128::from_ne_bytes(bits))
            } else {
                Data::Uint(u128::from_ne_bytes(bits))
            });
        }
        let value = self.integer(t, size, e.signed, at, width)?;
        Ok(if e.bool {
            Data::Bool(value != 0)
        } else if size == 1 && width == 0 && is_text(t) {
            Data::Char(value as u8)
        } else if e.signed {
            Data::Int(value)
        } else {
            Data::Uint(value as u128)
        })
    }

    fn enumerator(&self, e: EnumView<'b>, at: u64, width: u32) -> Result<Data<'b>, BtfError> {
        let value = self.integer(e.ty(), e.size(), e.is_signed(), at, width)?;
        // Only the bits that both have are compared, so that `0xffffffff` names the same value as -1.
        let bits = if width != 0 { width } else { 8 * e.size().min(8) };
        let named = e.values().find(|v| extend(v.value as u64, bits, e.is_signed()) == value);
        Ok(Data::Enum { name: named.map(|v| v.name), value })
    }

    fn integer(
        &self,
        t: TypeRef<'b>,
        size: u32,
        signed: bool,
        at: u64,
        width: u32,
    ) -> Result<i128, BtfError> {
        if width == 0 {
            let bytes = self.slice(t, at, size as usize)?;
            return int_from(bytes, size, signed).ok_or(odd_size(t));
        }
        if width > 64 {
            return Err(odd_size(t));
        }
        let bit = (at % 8) as u32;
        let bytes = self.slice(t, at - u64::from(bit), (bit + width).div_ceil(8) as usize)?;
        let mut padded = [0; 16];
        for (to, from) in padded.iter_mut().zip(bytes) {
            *to = *from;
        }
        Ok(extend(bit_field(&padded, bit, width), width, signed))
    }

    fn elements(&mut self, t: TypeRef<'b>, elem: TypeId, nelems: u32, at: u64) -> Result<Data<'b>, BtfError> {
        let size = self.btf.size_of(elem)?;
        let elem_type = self.btf.resolve_ref(elem)?;
        if size == 1 && matches!(elem_type.view(), Type::Int(e, _) if !e.bool) {
            let bytes = self.slice(t, at, nelems as usize)?;
            return Ok(Data::Bytes { bytes, is_text: is_text(elem_type) });
        }
        let mut values = Vec::new();
        for i in 0..u64::from(nelems) {
            let at = (8 * i).checked_mul(u64::from(size)).and_then(|off| at.checked_add(off));
            values.push(self.value(elem, at.ok_or(BtfError::TooBig { id: t.id().0 })?, 0)?);
        }
        Ok(Data::Array(values))
    }

    /// `len` bytes at bit `at`, which must be the start of a byte.
    fn slice(&self, t: TypeRef<'b>, at: u64, len: usize) -> Result<&'b [u8], BtfError> {
        if at % 8 != 0 {
            return Err(BtfError::BadType {
                id: t.id().0,
                kind: t.kind(),
                why: "its value begins inside a byte",
            });
        }
        let short = || BtfError::ShortValue { id: t.id().0, need: len as u32, have: self.data.len() };
        let start = usize::try_from(at / 8).map_err(|_| short())?;
        self.data.get(start..).and_then(|d| d.get(..len)).ok_or_else(short)
    }

    fn array<const N: usize>(&self, t: TypeRef<'b>, at: u64) -> Result<[u8; N], BtfError> {
        self.slice(t, at, N)?.first_chunk().copied().ok_or(odd_size(t))
    }
}

fn odd_size(t: TypeRef<'_>) -> BtfError {
    BtfError::BadType { id: t.id().0, kind: t.kind(), why: "a value of this size cannot be read" }
}

/// Whether an integer type holds characters. Compilers do not set the encoding for it, so the name tells.
fn is_text(t: TypeRef<'_>) -> bool {
    matches!(t.view(), Type::Int(e, 1) if e.char || t.name() == "char")
}

/// The native-endian integer in the first `size` bytes: 1, 2, 4 or 8.
pub(crate) fn int_from(bytes: &[u8], size: u32, signed: bool) -> Option<i128> {
    let bits = match size {
        1 => u64::from(*bytes.first()?),
        2 => u64::from(u16::from_ne_bytes(*bytes.first_chunk()?)),
        4 => u64::from(u32::from_ne_bytes(*bytes.first_chunk()?)),
        8 => u64::from_ne_bytes(*bytes.first_chunk()?),
        _ => return None,
    };
    Some(extend(bits, 8 * size, signed))
}

/// The number in the lowest `width` bits (1 to 64).
pub(crate) fn extend(bits: u64, width: u32, signed: bool) -> i128 {
    let unused = 64 - width.clamp(1, 64);
    let top = bits << unused;
    if signed { i128::from((top as i64) >> unused) } else { i128::from(top >> unused) }
}

/// The `width` (at most 64) bits that begin `bit` (at most 7) bits into native-endian `bytes`: from the least
/// significant bit on little-endian machines, from the most significant one on others.
pub(crate) fn bit_field(bytes: &[u8; 16], bit: u32, width: u32) -> u64 {
    let all = u128::from_ne_bytes(*bytes);
    let shifted = if cfg!(target_endian = "little") { all >> bit } else { all >> (128 - bit - width) };
    (shifted as u64) & u64::MAX.checked_shr(64 - width).unwrap_or_default()
}

/// A C `long double` of 16 bytes, rounded: x87's 80 bits on x86, IEEE 754's 128 elsewhere.
pub(crate) fn long_double(bytes: [u8; 16]) -> f64 {
    let bits = u128::from_ne_bytes(bytes);
    let is_x87 = cfg!(any(target_arch = "x86", target_arch = "x86_64"));
    // Sign and exponent are laid out alike; x87 has 64 bits of mantissa, its leading one among them.
    let (head, mantissa, mantissa_bits) = if is_x87 {
        ((bits >> 64) as u32, bits as u64, 63)
    } else {
        ((bits >> 112) as u32, (bits >> 64) as u64 & 0xffff_ffff_ffff, 48)
    };
    let exponent = (head & 0x7fff) as i32;
    let magnitude = match (exponent, mantissa) {
        (0x7fff, m) if m & ((1 << mantissa_bits) - 1) == 0 => f64::INFINITY,
        (0x7fff, _) => f64::NAN,
        (0, 0) => 0.0,
        (_, m) => {
            let lead = if is_x87 { 0.0 } else { 1.0 };
            let fraction = m as f64 / (1u64 << mantissa_bits) as f64;
            (lead + fraction) * 2f64.powi(exponent - 0x3fff)
        }
    };
    if head & 0x8000 != 0 { -magnitude } else { magnitude }
}
