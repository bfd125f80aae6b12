//! Bytes and their type in, values out: as JSON, or in the form of JSON that text output has.
//!
//! The text form writes pointers and numbers of odd widths in hexadecimal without quotes, as bpftool does.

use oxbpf::Kernel;
use oxbpf_btf::{Btf, IntEncoding, Type, TypeId, TypeRef};
use oxbpf_kernel::ObjectKind;

use super::select::{info, name_of_function, open_id};
use super::{Out, proto};

/// Types in types.
const MAX_DEPTH: u32 = 64;

/// Shows values of some BTF's types.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typed<'a> {
    pub(crate) btf: &'a Btf,
    /// Whether it is for people to read.
    pub(crate) is_text: bool,
    /// Whether pointers to functions are numbers of this kernel's programs, as in the values of struct_ops maps.
    pub(crate) callbacks: Option<&'a Kernel>,
}

/// `len` bytes from `at` on; what is not there is zero.
fn bytes<const N: usize>(data: &[u8], at: usize, len: usize) -> [u8; N] {
    let mut out = [0; N];
    let from = data.get(at..).unwrap_or_default();
    for (to, from) in out.iter_mut().zip(from).take(len) {
        *to = *from;
    }
    out
}

impl Typed<'_> {
    /// Shows the value of type `id` that `data` begins with.
    pub(crate) fn show(self, out: &mut Out, id: TypeId, data: &[u8]) {
        self.at(out, id, 0, data, 0);
    }

    /// The value that begins `bit` bits into `data`.
    fn at(self, out: &mut Out, id: TypeId, bit: u32, data: &[u8], depth: u32) {
        let Ok(t) = self.btf.resolve_ref(id) else { return self.unknown(out, "(unknown)") };
        if depth > MAX_DEPTH {
            return self.unknown(out, "(too deep)");
        }
        match t.view() {
            Type::Void => self.unknown(out, "(unknown)"),
            Type::Int(encoding, size) => self.int(out, encoding, size, bit, data),
            Type::Struct(members) | Type::Union(members) => out.object(|out| {
                for m in members.members() {
                    let from = data.get((m.bit_offset / 8) as usize..).unwrap_or_default();
                    out.name(m.name);
                    match m.bit_size {
                        0 => self.at(out, m.type_id, m.bit_offset % 8, from, depth + 1),
                        size => self.bits(out, size, m.bit_offset % 8, from),
                    }
                }
            }),
            Type::Array { elem, nelems, .. } => self.array(out, elem, nelems, data, depth),
            Type::Enum(e) | Type::Enum64(e) => {
                let value = signed(data, t.size());
                let mask = u64::MAX >> (64 - 8 * t.size().clamp(1, 8));
                match e.values().find(|v| (v.value as u64 ^ value as u64) & mask == 0) {
                    Some(v) => out.string(v.name),
                    None => out.number(value),
                }
            }
            Type::Ptr(to) => {
                let value = u64::from_le_bytes(native(bytes(data, 0, 8)));
                if let Some(text) = self.callback(to, value) {
                    return out.string(text);
                }
                match (self.is_text, value) {
                    (false, _) => out.number(value),
                    (true, 0) => out.string("(nil)"),
                    (true, _) => out.string(format!("{value:#x}")),
                }
            }
            Type::Float { size: 4 } => self.float(out, f64::from(f32::from_ne_bytes(bytes(data, 0, 4)))),
            Type::Float { size: 8 } => self.float(out, f64::from_ne_bytes(bytes(data, 0, 8))),
            Type::Fwd { .. } => self.unknown(out, "(fwd-kind-invalid)"),
            Type::Var { type_id, .. } => out.object(|out| {
                out.name(t.name());
                self.at(out, type_id, bit, data, depth + 1);
            }),
            Type::DataSec(section) => out.object(|out| {
                out.name(t.name()).array(|out| {
                    for var in section.vars() {
                        let from = data.get(var.offset as usize..).unwrap_or_default();
                        self.at(out, var.type_id, 0, from, depth + 1);
                    }
                });
            }),
            _ => self.unknown(out, "(unsupported-kind)"),
        }
    }

    /// A callback: what it takes and gives, and the program that is called.
    fn callback(self, to: TypeId, value: u64) -> Option<String> {
        let (kernel, id) = (self.callbacks?, u32::try_from(value).ok()?);
        let t = self.btf.resolve_ref(to).ok()?;
        let Type::FuncProto(_) = t.view() else { return None };
        let proto = proto::text(self.btf, t.id())?;
        if id == 0 {
            return Some(format!("{proto} 0"));
        }
        let name = || {
            let prog = open_id(kernel, ObjectKind::Prog, id).ok()??;
            name_of_function(kernel, &prog, &info(kernel, &prog).ok()?)
        };
        let name = name().unwrap_or_else(|| "<unknown_prog_name>".to_owned());
        Some(format!("{proto} {name}/prog_id:{id}"))
    }

    fn unknown(self, out: &mut Out, text: &str) {
        if self.is_text { out.number(text) } else { out.string(text) }
    }

    fn float(self, out: &mut Out, value: f64) {
        if value.is_finite() { out.number(value) } else { out.string(value.to_string()) }
    }

    fn array(self, out: &mut Out, elem: TypeId, nelems: u32, data: &[u8], depth: u32) {
        if let Some(text) = self.text(elem, nelems, data) {
            return out.string(text);
        }
        let size = self.btf.size_of(elem).unwrap_or(0) as usize;
        // What is not in the data is not shown, however long the type says that the array is.
        let count = if size == 0 { 0 } else { (nelems as usize).min(data.len().div_ceil(size)) };
        out.array(|out| {
            for i in 0..count {
                self.at(out, elem, 0, data.get(i * size..).unwrap_or_default(), depth + 1);
            }
        });
    }

    /// The text that an array of characters holds, if it is text and ends.
    fn text(self, elem: TypeId, nelems: u32, data: &[u8]) -> Option<String> {
        let mut t = self.btf.get(elem).ok()?;
        // A typedef of char makes no text.
        for _ in 0..MAX_DEPTH {
            match t.view() {
                Type::Const(to) | Type::Volatile(to) | Type::Restrict(to) | Type::TypeTag(to) => {
                    t = self.btf.get(to).ok()?;
                }
                _ => break,
            }
        }
        let is_char = |t: TypeRef<'_>| matches!(t.view(), Type::Int(e, 1) if e.char || t.name() == "char");
        if !is_char(t) {
            return None;
        }
        let all = data.get(..(nelems as usize).min(data.len()))?;
        let text = all.get(..all.iter().position(|b| *b == 0)?)?;
        let is_printable = text.iter().all(|b| (0x20..0x7f).contains(b));
        is_printable.then(|| String::from_utf8_lossy(text).into_owned())
    }

    fn int(self, out: &mut Out, encoding: IntEncoding, size: u32, bit: u32, data: &[u8]) {
        let bits = encoding.bits;
        let start = bit + encoding.offset;
        if start != 0 || bits % 8 != 0 || !matches!(bits, 8 | 16 | 32 | 64) {
            let from = data.get((start / 8) as usize..).unwrap_or_default();
            return self.bits(out, bits, start % 8, from);
        }
        let first = data.first().copied().unwrap_or(0);
        if encoding.bool {
            out.number(first != 0);
        } else if encoding.char {
            match (first, self.is_text) {
                (0x20..0x7f, _) => out.string(char::from(first).to_string()),
                (_, true) => out.number(format_args!("{first:#x}")),
                (_, false) => out.number(format_args!("\"\\u00{first:02x}\"")),
            }
        } else if encoding.signed {
            out.number(signed(data, size));
        } else {
            out.number(signed(data, size) as u64 & (u64::MAX >> (64 - bits)));
        }
    }

    /// A number of `bits` bits that begins `start` bits into `data`, in hexadecimal.
    fn bits(self, out: &mut Out, bits: u32, start: u32, data: &[u8]) {
        let len = (start + bits).div_ceil(8) as usize;
        let raw: [u8; 32] = bytes(data, 0, len.min(32));
        let mut value = 0u128;
        for i in 0..bits.min(128) {
            let at = start + i;
            let byte = raw.get((at / 8) as usize).copied().unwrap_or(0);
            // The first bit of a big-endian number is its highest.
            let is_set = match cfg!(target_endian = "big") {
                false => byte >> (at % 8) & 1 != 0,
                true => byte >> (7 - at % 8) & 1 != 0,
            };
            let to = if cfg!(target_endian = "big") { bits.min(128) - 1 - i } else { i };
            value |= u128::from(is_set) << to;
        }
        if self.is_text {
            out.number(format_args!("{value:#x}"));
        } else {
            out.string(format!("{value:#x}"));
        }
    }
}

/// The machine's order of bytes as little-endian.
fn native(mut bytes: [u8; 8]) -> [u8; 8] {
    if cfg!(target_endian = "big") {
        bytes.reverse();
    }
    bytes
}

/// A number of `size` bytes, its sign extended.
fn signed(data: &[u8], size: u32) -> i64 {
    match size {
        1 => i8::from_ne_bytes(bytes(data, 0, 1)).into(),
        2 => i16::from_ne_bytes(bytes(data, 0, 2)).into(),
        4 => i32::from_ne_bytes(bytes(data, 0, 4)).into(),
        _ => i64::from_ne_bytes(bytes(data, 0, 8)),
    }
}
