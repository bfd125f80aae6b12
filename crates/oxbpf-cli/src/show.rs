//! Values as people and programs read them: `name=value` text, and JSON.
//!
//! What a number means beyond its type is guessed from type and name: `__be32 saddr` and `u8 addr4[4]` are addresses, `u8 mac[6]` is one of
//! hardware, `__be16` is shown in host order. JSON has the same texts for addresses and names, and numbers elsewhere.

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use oxbpf_btf::value::{Data, Field, Value};
use oxbpf_btf::{Btf, Type, TypeId};
use serde_json::{Map, Value as Json};

/// What the bytes of a value say.
enum Leaf<'v> {
    /// A number, address, name or truth value: shown as it is.
    Plain(String),
    /// A number that JSON has too.
    Number(i128),
    Bool(bool),
    Float(f64),
    /// Characters, up to their NUL.
    Text(&'v [u8]),
}

/// A value as text.
pub(crate) fn text(btf: &Btf, value: &Value<'_>) -> String {
    let mut out = String::new();
    match &value.data {
        Data::Struct(fields) => members_text(btf, fields, &mut out),
        _ => value_text(btf, "", value, &mut out),
    }
    out
}

/// A value as JSON.
pub(crate) fn json(btf: &Btf, value: &Value<'_>) -> Json {
    value_json(btf, "", value)
}

/// Bytes whose type is not known.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 3);
    for byte in bytes {
        if !out.is_empty() {
            out.push(' ');
        }
        let _ = write!(out, "{byte:02x}");
    }
    out
}

fn members_text(btf: &Btf, fields: &[Field<'_>], out: &mut String) {
    for field in fields {
        if !out.is_empty() && !out.ends_with(['{', ' ']) {
            out.push(' ');
        }
        match (&field.value.data, field.name) {
            // Members of an anonymous struct belong to the struct around it.
            (Data::Struct(inner) | Data::Union(inner), "") => members_text(btf, inner, out),
            (_, name) => {
                out.push_str(name);
                out.push('=');
                value_text(btf, name, &field.value, out);
            }
        }
    }
}

fn value_text(btf: &Btf, name: &str, value: &Value<'_>, out: &mut String) {
    if let Some(leaf) = leaf(btf, name, value) {
        match leaf {
            Leaf::Plain(text) => out.push_str(&text),
            Leaf::Number(n) => _ = write!(out, "{n}"),
            Leaf::Bool(b) => _ = write!(out, "{b}"),
            Leaf::Float(f) => _ = write!(out, "{f}"),
            Leaf::Text(bytes) => quote(bytes, out),
        }
        return;
    }
    match &value.data {
        Data::Struct(fields) | Data::Union(fields) => {
            out.push('{');
            members_text(btf, fields, out);
            out.push('}');
        }
        Data::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(' ');
                }
                value_text(btf, name, item, out);
            }
            out.push(']');
        }
        Data::Bytes { bytes, .. } => _ = write!(out, "[{}]", hex(bytes)),
        _ => out.push_str("(none)"),
    }
}

fn value_json(btf: &Btf, name: &str, value: &Value<'_>) -> Json {
    if let Some(leaf) = leaf(btf, name, value) {
        return match leaf {
            Leaf::Plain(text) => Json::String(text),
            Leaf::Number(n) => number(n),
            Leaf::Bool(b) => Json::Bool(b),
            Leaf::Float(f) => serde_json::Number::from_f64(f).map_or(Json::Null, Json::Number),
            Leaf::Text(bytes) => Json::String(String::from_utf8_lossy(bytes).into_owned()),
        };
    }
    match &value.data {
        Data::Struct(fields) | Data::Union(fields) => {
            let mut map = Map::new();
            members_json(btf, fields, &mut map);
            Json::Object(map)
        }
        Data::Array(items) => items.iter().map(|item| value_json(btf, name, item)).collect(),
        Data::Bytes { bytes, .. } => bytes.iter().map(|b| Json::from(*b)).collect(),
        _ => Json::Null,
    }
}

fn members_json(btf: &Btf, fields: &[Field<'_>], map: &mut Map<String, Json>) {
    for field in fields {
        match (&field.value.data, field.name) {
            (Data::Struct(inner) | Data::Union(inner), "") => members_json(btf, inner, map),
            (_, name) => _ = map.insert(name.to_owned(), value_json(btf, name, &field.value)),
        }
    }
}

/// Numbers that JSON readers keep whole are numbers; larger ones are text.
fn number(n: i128) -> Json {
    match (i64::try_from(n), u64::try_from(n)) {
        (Ok(n), _) => Json::from(n),
        (_, Ok(n)) => Json::from(n),
        _ => Json::String(n.to_string()),
    }
}

fn leaf<'v>(btf: &Btf, name: &str, value: &Value<'v>) -> Option<Leaf<'v>> {
    let is_be = |ty: &str| type_names(btf, value.type_id).any(|n| n == ty);
    Some(match &value.data {
        Data::Uint(n) if is_be("__be16") => Leaf::Number(u16::from_be(*n as u16).into()),
        Data::Uint(n) if (is_be("__be32") || is_be("in_addr_t")) && !is_number(name) => {
            Leaf::Plain(Ipv4Addr::from((*n as u32).to_ne_bytes()).to_string())
        }
        Data::Uint(n) if is_be("__be32") => Leaf::Number(u32::from_be(*n as u32).into()),
        Data::Uint(n) if matches!(name, "saddr" | "daddr") && *n <= u32::MAX.into() => {
            Leaf::Plain(Ipv4Addr::from((*n as u32).to_ne_bytes()).to_string())
        }
        Data::Uint(n) => Leaf::Number(i128::try_from(*n).ok()?),
        Data::Int(n) => Leaf::Number(*n),
        Data::Bool(b) => Leaf::Bool(*b),
        Data::Char(c) if c.is_ascii_graphic() || *c == b' ' => Leaf::Plain(format!("'{}'", char::from(*c))),
        Data::Char(c) => Leaf::Number((*c).into()),
        Data::Float(f) => Leaf::Float(*f),
        Data::Ptr(p) => Leaf::Plain(format!("{p:#x}")),
        Data::Enum { name: Some(name), .. } => Leaf::Plain((*name).to_owned()),
        Data::Enum { value, .. } => Leaf::Number(*value),
        Data::Bytes { bytes, is_text: true } => {
            Leaf::Text(bytes.split(|b| *b == 0).next().unwrap_or_default())
        }
        Data::Bytes { bytes, is_text: false } => Leaf::Plain(address(name, bytes)?),
        Data::Struct(fields) | Data::Union(fields) if is_be("in6_addr") => Leaf::Plain(in6(fields)?),
        Data::Struct(_) | Data::Union(_) | Data::Array(_) | Data::None => return None,
    })
}

/// The names of a type and of what it is a typedef of.
fn type_names(btf: &Btf, id: TypeId) -> impl Iterator<Item = &str> {
    let mut next = Some(id);
    // Bounded: a chain of types that never ends is an error of the BTF, found elsewhere.
    (0..32).map_while(move |_| {
        let ty = btf.get(next?).ok()?;
        next = match ty.view() {
            Type::Typedef(to) | Type::Const(to) | Type::Volatile(to) | Type::Restrict(to) => Some(to),
            _ => None,
        };
        Some(ty.name())
    })
}

/// Names of 32-bit fields in network order that are no addresses.
fn is_number(name: &str) -> bool {
    ["seq", "ack", "id", "spi", "len", "size", "mark", "flow"]
        .iter()
        .any(|w| name.split('_').any(|p| p == *w))
}

/// An address in bytes, if its name says that it is one.
fn address(name: &str, bytes: &[u8]) -> Option<String> {
    let name = name.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| name.contains(w));
    match bytes.len() {
        4 if has(&["addr", "ip"]) => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string()),
        16 if has(&["addr", "ip"]) => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string()),
        6 if has(&["mac", "addr", "h_source", "h_dest"]) => {
            Some(bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(":"))
        }
        _ => None,
    }
}

/// `struct in6_addr`: a union of the same 16 bytes in three forms.
fn in6(fields: &[Field<'_>]) -> Option<String> {
    fields.iter().find_map(|f| match &f.value.data {
        Data::Bytes { bytes, .. } => Some(Ipv6Addr::from(<[u8; 16]>::try_from(*bytes).ok()?).to_string()),
        Data::Struct(inner) | Data::Union(inner) => in6(inner),
        _ => None,
    })
}

/// Text as it is if it is one plain word, else in quotes with escapes.
fn quote(bytes: &[u8], out: &mut String) {
    let is_word =
        !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_graphic() && !b"\"'=,{}[]\\".contains(b));
    let text = String::from_utf8_lossy(bytes);
    if is_word {
        out.push_str(&text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxbpf_btf::value::decode;

    const TYPES: &str = "\
[1] INT 'unsigned int' size=4 bits_offset=0 nr_bits=32 encoding=(none)
[2] TYPEDEF '__be32' type_id=1
[3] INT 'char' size=1 bits_offset=0 nr_bits=8 encoding=CHAR
[4] INT 'unsigned char' size=1 bits_offset=0 nr_bits=8 encoding=(none)
[5] ARRAY '(anon)' type_id=3 index_type_id=1 nr_elems=8
[6] ARRAY '(anon)' type_id=4 index_type_id=1 nr_elems=6
[7] STRUCT '(anon)' size=4 vlen=1
\t'inner' type_id=1 bits_offset=0
[8] STRUCT 'event' size=26 vlen=5
\t'saddr' type_id=2 bits_offset=0
\t'seq' type_id=2 bits_offset=32
\t'text' type_id=5 bits_offset=64
\t'mac' type_id=6 bits_offset=128
\t'(anon)' type_id=7 bits_offset=176
";

    fn check(text_field: &[u8; 8], line: &str, object: &str) {
        let btf = oxbpf_btf::text::parse(TYPES).unwrap();
        let mut bytes = vec![10, 0, 0, 1, 0, 0, 1, 0];
        bytes.extend(text_field);
        bytes.extend([2, 0, 0, 0, 0, 255]);
        bytes.extend(7u32.to_ne_bytes());
        let value = decode(&btf, TypeId(8), &bytes).unwrap();
        assert_eq!(text(&btf, &value), line);
        assert_eq!(json(&btf, &value).to_string(), object);
    }

    #[test]
    fn events_read_as_a_person_reads_them() {
        check(
            b"cat\0\0\0\0\0",
            "saddr=10.0.0.1 seq=256 text=cat mac=02:00:00:00:00:ff inner=7",
            r#"{"saddr":"10.0.0.1","seq":256,"text":"cat","mac":"02:00:00:00:00:ff","inner":7}"#,
        );
    }

    #[test]
    fn text_with_odd_characters_is_quoted() {
        check(
            b"a \"b\n\x01\0x",
            r#"saddr=10.0.0.1 seq=256 text="a \"b\n\u{1}" mac=02:00:00:00:00:ff inner=7"#,
            r#"{"saddr":"10.0.0.1","seq":256,"text":"a \"b\n\u0001","mac":"02:00:00:00:00:ff","inner":7}"#,
        );
    }
}
