//! BTF as text: the form that `bpftool btf dump file X` prints, and the way back.
//!
//! ```text
//! [1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
//! [2] STRUCT 'point' size=8 vlen=2
//!         'x' type_id=1 bits_offset=0
//!         'y' type_id=1 bits_offset=32
//! ```
//!
//! Printing equals bpftool's (7.1 to 7.7) byte for byte, if names are UTF-8. Reading back gives BTF that prints the
//! same. Not in the text, so lost on the way: which strings the section holds besides names, the kind flag of a struct
//! without bit-fields and of tags, and linkages that have no name. For fixtures, reading skips empty lines and lines
//! that begin with `#`.

use core::fmt::{self, Write as _};
use std::sync::Arc;

use oxbpf_uapi::BtfKind;

use crate::builder::info;
use crate::{Btf, BtfBuilder, BtfError, Type, TypeRef};

/// All own types as text, one after the other, each ending with a newline.
pub fn print(btf: &Btf) -> String {
    let mut out = String::with_capacity(btf.raw().len() * 2);
    for t in btf.own_types() {
        // Writing to a string does not fail.
        let _ = writeln!(out, "{}", show(t));
    }
    out
}

/// One type as text, without the newline at its end.
pub fn show(t: TypeRef<'_>) -> impl fmt::Display {
    Show(t)
}

struct Show<'b>(TypeRef<'b>);

/// Encodings, linkages: the words of the text form, by value.
const ENCODINGS: [(u32, &str); 5] = [(0, "(none)"), (1, "SIGNED"), (2, "CHAR"), (4, "BOOL"), (3, "UNKN")];
const LINKAGES: [(u32, &str); 3] = [(0, "static"), (1, "global"), (2, "extern")];

impl fmt::Display for Show<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = self.0;
        let btf = t.btf();
        write!(f, "[{}] {} '{}'", t.id(), kind_name(t.kind()), name_at(btf, t.name_off()))?;
        match t.view() {
            Type::Int(e, size) => {
                let flags = u32::from(e.signed) | u32::from(e.char) << 1 | u32::from(e.bool) << 2;
                let encoding = word_of(&ENCODINGS, flags).unwrap_or("UNKN");
                let (offset, bits) = (e.offset, e.bits);
                write!(f, " size={size} bits_offset={offset} nr_bits={bits} encoding={encoding}")?;
            }
            Type::Ptr(to)
            | Type::Typedef(to)
            | Type::Const(to)
            | Type::Volatile(to)
            | Type::Restrict(to)
            | Type::TypeTag(to) => write!(f, " type_id={to}")?,
            Type::Array { elem, index, nelems } => {
                write!(f, " type_id={elem} index_type_id={index} nr_elems={nelems}")?;
            }
            Type::Struct(c) | Type::Union(c) => {
                write!(f, " size={} vlen={}", c.size(), c.len())?;
                for (m, raw) in c.members().zip(t.elems::<crate::raw::RawMember>()) {
                    let name = name_at(btf, raw.name_off.get());
                    write!(f, "\n\t'{name}' type_id={} bits_offset={}", m.type_id, m.bit_offset)?;
                    if m.bit_size != 0 {
                        write!(f, " bitfield_size={}", m.bit_size)?;
                    }
                }
            }
            Type::Enum(e) => {
                let encoding = if e.is_signed() { "SIGNED" } else { "UNSIGNED" };
                write!(f, " encoding={encoding} size={} vlen={}", e.size(), e.len())?;
                for (v, raw) in e.values().zip(t.elems::<crate::raw::RawEnum>()) {
                    write!(f, "\n\t'{}' val={}", name_at(btf, raw.name_off.get()), v.value)?;
                }
            }
            Type::Enum64(e) => {
                let (encoding, suffix) = if e.is_signed() { ("SIGNED", "LL") } else { ("UNSIGNED", "ULL") };
                write!(f, " encoding={encoding} size={} vlen={}", e.size(), e.len())?;
                for (v, raw) in e.values().zip(t.elems::<crate::raw::RawEnum64>()) {
                    write!(f, "\n\t'{}' val={}{suffix}", name_at(btf, raw.name_off.get()), v.value)?;
                }
            }
            Type::Fwd { is_union } => write!(f, " fwd_kind={}", if is_union { "union" } else { "struct" })?,
            Type::Func { proto, linkage } => {
                write!(
                    f,
                    " type_id={proto} linkage={}",
                    word_of(&LINKAGES, linkage.0).unwrap_or("(unknown)")
                )?;
            }
            Type::FuncProto(p) => {
                write!(f, " ret_type_id={} vlen={}", p.ret(), p.params().len())?;
                for (p, raw) in p.params().zip(t.elems::<crate::raw::RawParam>()) {
                    write!(f, "\n\t'{}' type_id={}", name_at(btf, raw.name_off.get()), p.type_id)?;
                }
            }
            Type::Var { type_id, linkage } => {
                write!(
                    f,
                    " type_id={type_id}, linkage={}",
                    word_of(&LINKAGES, linkage.0).unwrap_or("(unknown)")
                )?;
            }
            Type::DataSec(s) => {
                write!(f, " size={} vlen={}", s.size(), s.vars().len())?;
                for v in s.vars() {
                    write!(f, "\n\ttype_id={} offset={} size={}", v.type_id, v.offset, v.size)?;
                    if let Ok(var) = btf.get(v.type_id) {
                        write!(f, " ({} '{}')", kind_name(var.kind()), name_at(btf, var.name_off()))?;
                    }
                }
            }
            Type::Float { size } => write!(f, " size={size}")?,
            Type::DeclTag { target, component_idx } => {
                write!(f, " type_id={target} component_idx={component_idx}")?
            }
            Type::Void | Type::Unknown => {}
        }
        Ok(())
    }
}

fn kind_name(kind: BtfKind) -> &'static str {
    match kind {
        BtfKind::VOID => "UNKNOWN",
        kind => kind.short_name().unwrap_or("UNKNOWN"),
    }
}

fn name_at(btf: &Btf, off: u32) -> std::borrow::Cow<'_, str> {
    if off == 0 {
        return "(anon)".into();
    }
    match btf.str_bytes(off) {
        Ok(bytes) => String::from_utf8_lossy(bytes),
        Err(_) => "(invalid)".into(),
    }
}

fn word_of(table: &[(u32, &'static str)], value: u32) -> Option<&'static str> {
    table.iter().find(|row| row.0 == value).map(|row| row.1)
}

/// Reads text back into BTF. Ids must count up from 1.
///
/// # Errors
/// `BadText` with the line number; what [`BtfBuilder::finish`] finds.
pub fn parse(text: &str) -> Result<Btf, BtfError> {
    read(text, BtfBuilder::new())
}

/// Reads text back into a split BTF. Ids must count up from the base's [`Btf::type_count`].
///
/// # Errors
/// As [`parse`].
pub fn parse_split(text: &str, base: Arc<Btf>) -> Result<Btf, BtfError> {
    read(text, BtfBuilder::new_split(base))
}

fn read(text: &str, mut to: BtfBuilder) -> Result<Btf, BtfError> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(i, l)| (i + 1, l))
        .filter(|(_, l)| !l.trim().is_empty() && !l.starts_with('#'))
        .peekable();
    while let Some((number, head)) = lines.next() {
        let at = |why: String| BtfError::BadText { line: number, why };
        let head = Line::head(head).map_err(at)?;
        if head.id != to.type_count() {
            return Err(at(format!("id {} where {} is next", head.id, to.type_count())));
        }
        let mut elems = Vec::new();
        while let Some((number, line)) = lines.next_if(|(_, l)| l.starts_with(char::is_whitespace)) {
            elems.push((number, line.trim_start()));
        }
        read_type(&mut to, &head, &elems, number)?;
    }
    to.finish()
}

/// The first line of a type, or the line of an element: a name and fields.
struct Line<'t> {
    id: u32,
    kind: BtfKind,
    name: &'t str,
    fields: &'t str,
}

impl<'t> Line<'t> {
    fn head(line: &'t str) -> Result<Self, String> {
        let (id, rest) =
            line.strip_prefix('[').and_then(|l| l.split_once("] ")).ok_or("no `[id]` at its start")?;
        let id = id.parse().map_err(|_| format!("`{id}` is no id"))?;
        let (kind, rest) = rest.split_once(' ').ok_or("no kind")?;
        let kind =
            BtfKind::from_name(kind).filter(|k| !k.eq(&BtfKind::VOID)).ok_or(format!("no kind `{kind}`"))?;
        let (name, fields) = name_and_fields(rest)?;
        Ok(Line { id, kind, name, fields })
    }

    fn elem(line: &'t str) -> Result<Self, String> {
        // A section's variables have no name of their own.
        let (name, fields) = if line.starts_with('\'') { name_and_fields(line)? } else { ("", line) };
        Ok(Line { id: 0, kind: BtfKind::VOID, name, fields })
    }

    fn get(&self, key: &str) -> Option<&'t str> {
        let mut words = self.fields.split([' ', ',']);
        words.find_map(|w| w.split_once('=').filter(|(k, _)| *k == key)).map(|(_, value)| value)
    }

    fn word(&self, key: &str) -> Result<&'t str, String> {
        self.get(key).ok_or_else(|| format!("no `{key}=`"))
    }

    fn number(&self, key: &str) -> Result<u32, String> {
        let value = self.word(key)?;
        value.parse().map_err(|_| format!("`{key}={value}` is no 32-bit number"))
    }

    fn one_of(&self, key: &str, table: &[(u32, &str)]) -> Result<u32, String> {
        let value = self.word(key)?;
        table
            .iter()
            .find(|row| row.1 == value)
            .map(|row| row.0)
            .ok_or_else(|| format!("`{key}={value}` is unknown"))
    }
}

/// Splits `'name' fields`. The name may contain anything but a newline, so its end is the last quote.
fn name_and_fields(text: &str) -> Result<(&str, &str), String> {
    let quoted = text.strip_prefix('\'').ok_or("no quoted name")?;
    let (name, fields) = match quoted.rsplit_once("' ") {
        Some(parts) => parts,
        None => (quoted.strip_suffix('\'').ok_or("the name has no closing quote")?, ""),
    };
    Ok((if name == "(anon)" { "" } else { name }, fields))
}

fn read_type(
    to: &mut BtfBuilder,
    head: &Line<'_>,
    elems: &[(usize, &str)],
    line: usize,
) -> Result<(), BtfError> {
    let at = |why: String| BtfError::BadText { line, why };
    let name = to.add_str(head.name)?;
    let mut vlen = 0;
    let mut flag = false;
    let mut tail = Vec::new();
    let third = match head.kind {
        BtfKind::INT => {
            let encoding = head.one_of("encoding", &ENCODINGS).map_err(at)?;
            let (offset, bits) =
                (head.number("bits_offset").map_err(at)?, head.number("nr_bits").map_err(at)?);
            tail.push(encoding << 24 | (offset & 0xff) << 16 | bits & 0xff);
            "size"
        }
        BtfKind::ARRAY => {
            for key in ["type_id", "index_type_id", "nr_elems"] {
                tail.push(head.number(key).map_err(at)?);
            }
            ""
        }
        BtfKind::FWD => {
            flag = head.one_of("fwd_kind", &[(0, "struct"), (1, "union")]).map_err(at)? == 1;
            ""
        }
        BtfKind::FUNC => {
            vlen = head.one_of("linkage", &LINKAGES).map_err(at)?;
            "type_id"
        }
        BtfKind::VAR => {
            tail.push(head.one_of("linkage", &LINKAGES).map_err(at)?);
            "type_id"
        }
        BtfKind::DECL_TAG => {
            let idx = head.word("component_idx").map_err(at)?;
            let idx: i32 = idx.parse().map_err(|_| at(format!("`component_idx={idx}` is no number")))?;
            tail.push(idx as u32);
            "type_id"
        }
        BtfKind::ENUM | BtfKind::ENUM64 => {
            // bpftool before 7.1 does not say, and then they are unsigned.
            flag = head.get("encoding").is_some_and(|e| e == "SIGNED");
            "size"
        }
        BtfKind::FUNC_PROTO => "ret_type_id",
        BtfKind::STRUCT | BtfKind::UNION | BtfKind::DATASEC | BtfKind::FLOAT => "size",
        _ => "type_id",
    };
    let third = if third.is_empty() { 0 } else { head.number(third).map_err(at)? };
    if let Some(expected) = head.get("vlen") {
        vlen = elems.len() as u32;
        if expected.parse() != Ok(vlen) {
            return Err(at(format!("`vlen={expected}`, but {vlen} lines follow")));
        }
    } else if !elems.is_empty() {
        return Err(at("this kind has no lines below it".into()));
    }
    let lines = elems.iter().map(|(number, line)| (*number, Line::elem(line)));
    let elems: Vec<(usize, Line<'_>)> = lines
        .map(|(line, elem)| elem.map(|elem| (line, elem)).map_err(|why| BtfError::BadText { line, why }))
        .collect::<Result<_, _>>()?;
    flag |= elems.iter().any(|(_, e)| e.get("bitfield_size").is_some());
    for (line, elem) in &elems {
        read_elem(to, head.kind, flag, elem, &mut tail)
            .map_err(|why| BtfError::BadText { line: *line, why })?;
    }
    to.push(name, info(head.kind, vlen, flag), third, &tail)?;
    Ok(())
}

/// Appends the words of an element.
fn read_elem(
    to: &mut BtfBuilder,
    kind: BtfKind,
    flag: bool,
    elem: &Line<'_>,
    words: &mut Vec<u32>,
) -> Result<(), String> {
    if kind == BtfKind::DATASEC {
        words.extend([elem.number("type_id")?, elem.number("offset")?, elem.number("size")?]);
        return Ok(());
    }
    words.push(to.add_str(elem.name).map_err(|e| e.to_string())?);
    match kind {
        BtfKind::ENUM | BtfKind::ENUM64 => {
            let text = elem.word("val")?;
            let digits = text.trim_end_matches("LL").trim_end_matches('U');
            let value: i128 = digits.parse().map_err(|_| format!("`val={text}` is no number"))?;
            let bits = if kind == BtfKind::ENUM64 { 64 } else { 32 };
            if !(-(1i128 << (bits - 1))..1 << bits).contains(&value) {
                return Err(format!("`val={text}` is over {bits} bits"));
            }
            words.push(value as u32);
            if kind == BtfKind::ENUM64 {
                words.push((value >> 32) as u32);
            }
        }
        BtfKind::FUNC_PROTO => words.push(elem.number("type_id")?),
        _ => {
            let width = if elem.get("bitfield_size").is_some() { elem.number("bitfield_size")? } else { 0 };
            let offset = elem.number("bits_offset")?;
            if flag && (offset > 0x00ff_ffff || width > 255) {
                return Err("too far or too wide for a struct with bit-fields".into());
            }
            words.extend([elem.number("type_id")?, offset | width << 24]);
        }
    }
    Ok(())
}
