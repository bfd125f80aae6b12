//! A value's bytes as text, by its type, in the syntax of libbpf's `btf_dump__dump_type_data`.
//!
//! ```text
//! (struct point){
//!         .x = (int)1,
//!         .y = (int)2,
//! }
//! ```
//!
//! The text equals libbpf's (1.8), habits included, because tools and tests compare it:
//!
//! * Without [`DumpDataOpts::emit_zeroes`], a nested struct or union counts as zero if its first member is.
//! * After the first array of characters, all one-byte integers print as characters, and zero elements of later
//!   arrays are skipped.
//! * An enumerator of 2^31 or more in a 32-bit enumeration is not named.
//! * A value without a name in a signed enumeration is not followed by a comma and a new line.
//!
//! Where libbpf reads behind the end of the data, the bytes that are missing count as no zeroes here, and elements of arrays end there.
//!
//! To show values to people or as JSON, use [`decode`](crate::value::decode) instead, which has no such habits.

use core::fmt::Write as _;

use crate::c_name::spell;
use crate::raw::{RawMember, RawSecVar};
use crate::value::{bit_field, extend, int_from, long_double};
use crate::view::split_offset;
use crate::{Btf, BtfError, EnumView, Type, TypeId, TypeRef, VarLinkage};

/// How to write a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(alias = "btf_dump_type_data_opts")]
pub struct DumpDataOpts<'a> {
    /// On one line, without indentation. Default no.
    pub compact: bool,
    /// Leave out names of members and types. Default no.
    pub skip_names: bool,
    /// Write members that are zero too. Default no.
    pub emit_zeroes: bool,
    /// Write arrays of characters that end with NUL as strings. Default no.
    pub emit_strings: bool,
    /// Indentation of the whole, in units of `indent`. Default 0.
    pub indent_level: u32,
    /// What one level is indented by. Default a tab; at most 31 bytes of it are used.
    pub indent: &'a str,
}

impl Default for DumpDataOpts<'_> {
    fn default() -> Self {
        DumpDataOpts {
            compact: false,
            skip_names: false,
            emit_zeroes: false,
            emit_strings: false,
            indent_level: 0,
            indent: "\t",
        }
    }
}

/// Appends the value in `data` to `out` and gives the type's size in bytes.
///
/// `data` is in native byte order. If it is shorter than the type, what is there is written.
///
/// # Errors
/// `ShortValue` (`E2BIG`) if `data` ended early, with the text so far in `out`; `Unsized` and others if the type has no
/// values; `TooDeep` if they contain themselves, or would take more text than 64 kB and 1 kB for each byte of `data`.
#[doc(alias = "btf_dump__dump_type_data")]
pub fn dump_data(
    btf: &Btf,
    id: TypeId,
    data: &[u8],
    opts: &DumpDataOpts<'_>,
    out: &mut String,
) -> Result<u32, BtfError> {
    let fits = (0..=opts.indent.len().min(31)).rev().find_map(|end| opts.indent.get(..end));
    let indent = fits.unwrap_or_default();
    let mut d = Dumper {
        btf,
        data,
        opts: DumpDataOpts { indent, ..*opts },
        depth: 0,
        nesting: 0,
        budget: 4096 + data.len().saturating_mul(64),
        end: out.len().saturating_add(1 << 16).saturating_add(data.len().saturating_mul(1024)),
        out,
        in_array: false,
        array_ended: false,
        chars: false,
    };
    d.any("", id, Place { at: 0, bit: 0, width: 0 })
}

/// Where a value is: byte offset, bit offset in that byte, and width in bits if it is a bit-field, else 0.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: usize,
    bit: u32,
    width: u32,
}

struct Dumper<'b, 'o> {
    btf: &'b Btf,
    data: &'b [u8],
    opts: DumpDataOpts<'o>,
    out: &'o mut String,
    /// How many braces and brackets are open.
    depth: u32,
    /// How many calls deep, how many calls are left, and how long the text may become: hostile types can nest without
    /// end.
    nesting: u32,
    budget: usize,
    end: usize,
    /// Inside an array.
    in_array: bool,
    /// The array's characters have ended.
    array_ended: bool,
    /// An array of characters has been seen.
    chars: bool,
}

const MAX_NESTING: u32 = 64;

impl Dumper<'_, '_> {
    fn enter(&mut self, id: TypeId) -> Result<(), BtfError> {
        self.nesting += 1;
        self.budget = self.budget.saturating_sub(1);
        if self.nesting > MAX_NESTING || self.budget == 0 || self.out.len() > self.end {
            return Err(BtfError::TooDeep { id: id.0 });
        }
        Ok(())
    }

    /// Writes a value with its name and type, unless it is zero.
    fn any(&mut self, name: &str, id: TypeId, place: Place) -> Result<u32, BtfError> {
        self.enter(id)?;
        let size = self.check_size(id, place)?;
        if !self.is_skipped(id, place)? {
            self.prefix();
            if !self.opts.skip_names {
                if !name.is_empty() {
                    let _ = write!(self.out, ".{name} = ");
                }
                self.cast(id, true);
            }
            self.value(id, place)?;
        }
        self.nesting -= 1;
        Ok(size)
    }

    /// The value's size in bytes, if `data` has all of it. Structs and arrays may be cut short.
    fn check_size(&self, id: TypeId, place: Place) -> Result<u32, BtfError> {
        let short = |need| BtfError::ShortValue { id: id.0, need, have: self.data.len() };
        let left = self.data.len().checked_sub(place.at);
        if place.width != 0 {
            let bytes = (place.bit + place.width).div_ceil(8);
            return if left.is_some_and(|l| l >= bytes as usize) { Ok(bytes) } else { Err(short(bytes)) };
        }
        let size = match self.btf.size_of(id) {
            Err(BtfError::TooBig { .. }) => u32::MAX,
            size => size?,
        };
        if size >= i32::MAX as u32 {
            return Err(bad_size(self.btf.get(id)?));
        }
        let whole = matches!(
            self.btf.resolve_ref(id)?.view(),
            Type::Int(..) | Type::Float { .. } | Type::Ptr(_) | Type::Enum(_) | Type::Enum64(_)
        );
        if whole && left.is_none_or(|l| l < size as usize) {
            return Err(short(size));
        }
        Ok(size)
    }

    /// Whether the value is not to be written because it is zero.
    fn is_skipped(&mut self, id: TypeId, place: Place) -> Result<bool, BtfError> {
        if self.opts.emit_zeroes || self.depth == 0 || (self.in_array && !self.chars) {
            return Ok(false);
        }
        self.enter(id)?;
        let t = self.btf.resolve_ref(id)?;
        let zero = match t.view() {
            Type::Int(..) if place.width != 0 => self.bits(t, place)? == 0,
            Type::Int(..) | Type::Float { .. } => self.is_zero(t, t.size(), place.at)?,
            Type::Ptr(_) => self.is_zero(t, self.btf.pointer_size(), place.at)?,
            Type::Array { elem, nelems, .. } => self.is_array_zero(elem, nelems, place)?,
            Type::Struct(_) | Type::Union(_) => match t.elems::<RawMember>().first() {
                Some(m) => {
                    let (at, width) = member_place(t, m, place.at);
                    self.is_skipped(TypeId(m.type_id.get()), Place { width, ..at })?
                }
                None => true,
            },
            Type::Enum(e) | Type::Enum64(e) => {
                self.enum_value(e, place.at)? == 0 && self.is_there(place.at, e.size())
            }
            _ => false,
        };
        self.nesting -= 1;
        Ok(zero)
    }

    fn is_array_zero(&mut self, elem: TypeId, nelems: u32, place: Place) -> Result<bool, BtfError> {
        let size = self.btf.size_of(elem)? as usize;
        let is_char = size == 1 && matches!(self.btf.resolve_ref(elem)?.view(), Type::Int(..));
        if is_char && nelems > 0 && self.byte(place.at) == 0 {
            return Ok(true);
        }
        for i in 0..nelems as usize {
            let at = i.checked_mul(size).and_then(|off| place.at.checked_add(off)).unwrap_or(usize::MAX);
            if at >= self.data.len() {
                break;
            }
            if !self.is_skipped(elem, Place { at, width: 0, ..place })? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn is_zero(&self, t: TypeRef<'_>, size: u32, at: usize) -> Result<bool, BtfError> {
        if !(1..=16).contains(&size) {
            return Err(bad_size(t));
        }
        Ok(self.is_there(at, size) && (0..size as usize).all(|i| self.byte(at.saturating_add(i)) == 0))
    }

    /// Whether all bytes of a value are there. What is not is no zero.
    fn is_there(&self, at: usize, size: u32) -> bool {
        at.checked_add(size as usize).is_some_and(|end| end <= self.data.len())
    }

    fn value(&mut self, id: TypeId, place: Place) -> Result<(), BtfError> {
        let t = self.btf.resolve_ref(id)?;
        match t.view() {
            Type::Int(..) if place.width != 0 => {
                let bits = self.bits(t, place)?;
                self.item(format_args!("0x{bits:x}"));
                Ok(())
            }
            Type::Int(e, size) => self.int(t, e.signed, size, place.at),
            Type::Float { size } => self.float(t, size, place.at),
            Type::Ptr(_) => self.pointer(place.at),
            Type::Array { elem, nelems, .. } => self.array(t, elem, nelems, place.at),
            Type::Struct(_) | Type::Union(_) => self.composite(t, place.at),
            Type::Enum(e) | Type::Enum64(e) => {
                let value = if place.width != 0 {
                    // The bits are read as an enumeration of the full width.
                    extend(self.bits(t, place)?, 8 * t.size(), e.is_signed())
                } else {
                    self.enum_value(e, place.at)?
                };
                self.enumerator(e, value);
                Ok(())
            }
            Type::Var { type_id, linkage } => {
                let word = match linkage {
                    VarLinkage::STATIC => "static ",
                    VarLinkage::GLOBAL_EXTERN => "extern ",
                    _ => "",
                };
                self.out.push_str(word);
                self.cast(type_id, false);
                let _ = write!(self.out, " {} = ", t.name());
                self.any("", type_id, Place { at: place.at, bit: 0, width: 0 }).map(drop)
            }
            Type::DataSec(_) => {
                self.item(format_args!("SEC(\"{}\") ", t.name()));
                for v in t.elems::<RawSecVar>() {
                    let at = place.at.saturating_add(v.offset.get() as usize);
                    self.any("", TypeId(v.type_id.get()), Place { at, bit: 0, width: 0 })?;
                    self.out.push(';');
                }
                Ok(())
            }
            _ => {
                let _ = write!(self.out, "<unsupported kind:{}>", t.kind().0);
                Err(BtfError::NoValue { id: t.id().0, kind: t.kind() })
            }
        }
    }

    fn int(&mut self, t: TypeRef<'_>, signed: bool, size: u32, at: usize) -> Result<(), BtfError> {
        let bytes = self.bytes::<16>(at);
        if size == 1 && self.chars {
            let [c, ..] = bytes;
            match c {
                _ if self.array_ended => return Ok(()),
                0 => {
                    self.item(format_args!("'\\0'"));
                    self.array_ended = true;
                    return Ok(());
                }
                b' '..=b'~' => {
                    self.item(format_args!("'{}'", c as char));
                    return Ok(());
                }
                _ => {}
            }
        }
        if size == 16 {
            let value = u128::from_ne_bytes(bytes);
            self.item(format_args!("0x{value:x}"));
            return Ok(());
        }
        let value = int_from(&bytes, size, signed).ok_or(bad_size(t))?;
        self.item(format_args!("{value}"));
        Ok(())
    }

    fn float(&mut self, t: TypeRef<'_>, size: u32, at: usize) -> Result<(), BtfError> {
        let value = match size {
            4 => f64::from(f32::from_ne_bytes(self.bytes(at))),
            8 => f64::from_ne_bytes(self.bytes(at)),
            16 => long_double(self.bytes(at)),
            _ => return Err(bad_size(t)),
        };
        let minus = if value.is_sign_negative() { "-" } else { "" };
        if value.is_nan() {
            self.item(format_args!("{minus}nan"));
        } else {
            self.item(format_args!("{value:.6}"));
        }
        Ok(())
    }

    fn pointer(&mut self, at: usize) -> Result<(), BtfError> {
        let size = self.btf.pointer_size();
        let value = if size == 4 {
            u64::from(u32::from_ne_bytes(self.bytes(at)))
        } else {
            u64::from_ne_bytes(self.bytes(at))
        };
        // libbpf leaves an aligned pointer of its own size to `%p` of the C library.
        if value == 0 && size as usize == size_of::<usize>() && at % size_of::<usize>() == 0 {
            self.item(format_args!("(nil)"));
        } else {
            self.item(format_args!("0x{value:x}"));
        }
        Ok(())
    }

    fn array(&mut self, t: TypeRef<'_>, elem: TypeId, nelems: u32, at: usize) -> Result<(), BtfError> {
        let size = self.btf.size_of(elem)? as usize;
        if size == 0 {
            return Err(bad_size(t));
        }
        if size == 1 && matches!(self.btf.resolve_ref(elem)?.view(), Type::Int(..)) {
            if self.opts.emit_strings && self.string(nelems, at) {
                return Ok(());
            }
            self.chars = true;
        }
        self.open('[');
        let outer = (self.in_array, self.array_ended);
        (self.in_array, self.array_ended) = (true, false);
        for i in 0..nelems as usize {
            let at = i.checked_mul(size).and_then(|off| at.checked_add(off)).unwrap_or(usize::MAX);
            if self.array_ended || at >= self.data.len() {
                break;
            }
            let nesting = self.nesting;
            match self.any("", elem, Place { at, bit: 0, width: 0 }) {
                Err(e @ BtfError::TooDeep { .. }) => return Err(e),
                // What an element lacks is missing from the text; its neighbours are shown.
                _ => self.nesting = nesting,
            }
        }
        (self.in_array, self.array_ended) = outer;
        self.close(']');
        Ok(())
    }

    /// Writes the array as a string if it has a NUL; says whether it did.
    fn string(&mut self, nelems: u32, at: usize) -> bool {
        let bytes = self.data.get(at..).unwrap_or_default();
        let bytes = bytes.get(..nelems as usize).unwrap_or(bytes);
        let Some(end) = bytes.iter().position(|b| *b == 0) else { return false };
        self.prefix();
        self.out.push('"');
        for &b in bytes.get(..end).unwrap_or_default() {
            if matches!(b, b' '..=b'~') {
                self.out.push(b as char);
            } else {
                let _ = write!(self.out, "\\x{b:02x}");
            }
        }
        self.out.push('"');
        true
    }

    fn composite(&mut self, t: TypeRef<'_>, at: usize) -> Result<(), BtfError> {
        self.open('{');
        for m in t.elems::<RawMember>() {
            let name = self.btf.str_at(m.name_off.get()).unwrap_or_default();
            let (place, width) = member_place(t, m, at);
            self.any(name, TypeId(m.type_id.get()), Place { width, ..place })?;
        }
        self.close('}');
        Ok(())
    }

    fn enumerator(&mut self, e: EnumView<'_>, value: i128) {
        let is_64 = e.ty().kind() == oxbpf_uapi::BtfKind::ENUM64;
        // 32-bit enumerators are compared as signed, 64-bit ones by their bits.
        let same = |v: i128| if is_64 { v as u64 == value as u64 } else { i128::from(v as i32) == value };
        if let Some(v) = e.values().find(|v| same(v.value)) {
            self.item(format_args!("{}", v.name));
            return;
        }
        match (is_64, e.is_signed()) {
            (true, false) => self.item(format_args!("{}ULL", value as u64)),
            (false, false) => self.item(format_args!("{}", value as u32)),
            (true, true) => {
                let _ = write!(self.out, "{value}LL");
            }
            (false, true) => {
                let _ = write!(self.out, "{}", value as i32);
            }
        }
    }

    fn enum_value(&self, e: EnumView<'_>, at: usize) -> Result<i128, BtfError> {
        let bytes = self.bytes::<16>(at);
        int_from(&bytes, e.size(), e.is_signed()).ok_or(bad_size(e.ty()))
    }

    fn bits(&self, t: TypeRef<'_>, place: Place) -> Result<u64, BtfError> {
        let bytes = (place.bit + place.width).div_ceil(8);
        if self.data.len().checked_sub(place.at).is_none_or(|left| left < bytes as usize) {
            return Err(BtfError::ShortValue { id: t.id().0, need: bytes, have: self.data.len() });
        }
        if t.size() > 8 || place.width > 64 {
            return Err(bad_size(t));
        }
        Ok(bit_field(&self.bytes::<16>(place.at), place.bit, place.width))
    }

    fn byte(&self, at: usize) -> u8 {
        self.data.get(at).copied().unwrap_or_default()
    }

    /// `N` bytes from `at` on; zeroes behind the end.
    fn bytes<const N: usize>(&self, at: usize) -> [u8; N] {
        core::array::from_fn(|i| at.checked_add(i).map_or(0, |at| self.byte(at)))
    }

    fn cast(&mut self, id: TypeId, parens: bool) {
        if self.in_array
            || self.btf.get(id).is_ok_and(|t| matches!(t.view(), Type::Var { .. } | Type::DataSec(_)))
        {
            return;
        }
        let name = spell(self.btf, id, "", true);
        if parens {
            let _ = write!(self.out, "({name})");
        } else {
            self.out.push_str(&name);
        }
    }

    fn open(&mut self, bracket: char) {
        self.depth += 1;
        self.out.push(bracket);
        self.newline();
    }

    fn close(&mut self, bracket: char) {
        self.depth -= 1;
        self.prefix();
        self.item(format_args!("{bracket}"));
    }

    fn item(&mut self, text: core::fmt::Arguments<'_>) {
        let _ = self.out.write_fmt(text);
        if self.depth > 0 {
            self.out.push(',');
        }
        self.newline();
    }

    fn newline(&mut self) {
        if !self.opts.compact && self.depth > 0 {
            self.out.push('\n');
        }
    }

    fn prefix(&mut self) {
        if !self.opts.compact {
            for _ in 0..self.opts.indent_level.saturating_add(self.depth) {
                self.out.push_str(self.opts.indent);
            }
        }
    }
}

fn bad_size(t: TypeRef<'_>) -> BtfError {
    BtfError::BadType { id: t.id().0, kind: t.kind(), why: "a value of this size cannot be shown" }
}

/// Where a member is, given where its struct is; and its width if it is a bit-field.
fn member_place(t: TypeRef<'_>, m: &RawMember, at: usize) -> (Place, u32) {
    let (bits, width) = split_offset(t.kind_flag(), m.offset.get());
    (Place { at: at.saturating_add(bits as usize / 8), bit: bits % 8, width: 0 }, width)
}
