//! `VAR=VALUE`: text into the bytes of a global variable, by its type.
//!
//! `VAR` may go into members and elements: `config.level`, `ports[2]`. Values: numbers (decimal, `0x`, `0b`, `0o`, `'c'`), `true` and `false`,
//! names of enumerators, text for character arrays, addresses for `__be32`, 4, 6 and 16 bytes, and lists `1,2,3` for arrays.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, anyhow, bail, ensure};
use oxbpf_btf::{Btf, Type, TypeId};

/// A place in a variable: what is there, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    type_id: TypeId,
    /// From the start of the variable.
    bit_offset: u64,
    /// Width of a bit-field, else 0.
    bits: u32,
}

/// Splits `VAR=VALUE` into the variable's name, the path into it, and the value.
pub(crate) fn split(assignment: &str) -> Result<(&str, &str, &str)> {
    let (place, value) = assignment.split_once('=').context("not VAR=VALUE")?;
    let end = place.find(['.', '[']).unwrap_or(place.len());
    let (name, path) = place.split_at(end);
    ensure!(!name.is_empty(), "it names no variable");
    Ok((name, path, value))
}

/// Writes a value into a variable's bytes.
pub(crate) fn assign(btf: &Btf, type_id: TypeId, path: &str, value: &str, bytes: &mut [u8]) -> Result<()> {
    let place = walk(btf, Place { type_id, bit_offset: 0, bits: 0 }, path)?;
    write(btf, place, value, bytes)
        .with_context(|| format!("`{value}` is no {}", describe(btf, place.type_id)))
}

/// Follows `.member` and `[index]`.
fn walk(btf: &Btf, mut place: Place, mut path: &str) -> Result<Place> {
    while !path.is_empty() {
        let id = btf.resolve(place.type_id)?;
        if let Some(rest) = path.strip_prefix('.') {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, rest) = rest.split_at(end);
            let found = member(btf, id, name, 0)?;
            let (type_id, offset, bits) = found.with_context(|| format!("no member `{name}`"))?;
            place = Place { type_id, bit_offset: place.bit_offset + offset, bits };
            path = rest;
        } else if let Some((index, rest)) = path.strip_prefix('[').and_then(|r| r.split_once(']')) {
            let Type::Array { elem, nelems, .. } = btf.get(id)?.view() else {
                bail!("`{path}`: not an array")
            };
            let index: u32 = index.parse().with_context(|| format!("`{index}` is no index"))?;
            ensure!(index < nelems, "index {index} is past the end of an array of {nelems}");
            let offset = u64::from(btf.size_of(elem)?) * 8 * u64::from(index);
            place = Place { type_id: elem, bit_offset: place.bit_offset + offset, bits: 0 };
            path = rest;
        } else {
            bail!("`{path}` is neither .MEMBER nor [INDEX]");
        }
    }
    Ok(place)
}

/// Type, bit offset and width of a member, also of anonymous structs inside.
fn member(btf: &Btf, id: TypeId, name: &str, depth: u32) -> Result<Option<(TypeId, u64, u32)>> {
    let Some(composite) = btf.get(id)?.composite() else { return Ok(None) };
    for m in composite.members() {
        if m.name == name {
            return Ok(Some((m.type_id, m.bit_offset.into(), m.bit_size)));
        }
        if m.name.is_empty() && depth < 16 {
            let inner = btf.resolve(m.type_id)?;
            if let Some((ty, offset, bits)) = member(btf, inner, name, depth + 1)? {
                return Ok(Some((ty, offset + u64::from(m.bit_offset), bits)));
            }
        }
    }
    Ok(None)
}

fn write(btf: &Btf, place: Place, text: &str, bytes: &mut [u8]) -> Result<()> {
    let id = btf.resolve(place.type_id)?;
    let ty = btf.get(id)?;
    match ty.view() {
        Type::Int(encoding, size) => {
            let is_bool = encoding.bool;
            let number = match text {
                "true" | "on" | "yes" if is_bool => 1,
                "false" | "off" | "no" if is_bool => 0,
                _ if size == 4 && text.parse::<Ipv4Addr>().is_ok() => {
                    i128::from(u32::from_ne_bytes(text.parse::<Ipv4Addr>()?.octets()))
                }
                _ => number(text)?,
            };
            ensure!(!is_bool || (0..=1).contains(&number), "a truth value is true or false");
            put(bytes, place, size, number, encoding.signed)
        }
        Type::Ptr(_) => put(bytes, place, btf.pointer_size(), number(text)?, false),
        Type::Enum(e) => enumerator(
            btf,
            e.values().map(|v| (v.name, v.value)),
            text,
            place,
            e.size(),
            e.is_signed(),
            bytes,
        ),
        Type::Enum64(e) => enumerator(
            btf,
            e.values().map(|v| (v.name, v.value)),
            text,
            place,
            e.size(),
            e.is_signed(),
            bytes,
        ),
        Type::Float { size: 4 } => place_bytes(bytes, place, &text.parse::<f32>()?.to_ne_bytes()),
        Type::Float { size: 8 } => place_bytes(bytes, place, &text.parse::<f64>()?.to_ne_bytes()),
        Type::Array { elem, nelems, .. } => array(btf, place, elem, nelems, text, bytes),
        _ => bail!("set its members one by one: VAR.MEMBER=VALUE"),
    }
}

fn enumerator<'b>(
    _btf: &Btf,
    values: impl Iterator<Item = (&'b str, i128)>,
    text: &str,
    place: Place,
    size: u32,
    signed: bool,
    bytes: &mut [u8],
) -> Result<()> {
    let mut names = Vec::new();
    for (name, value) in values {
        if name == text {
            return put(bytes, place, size, value, signed);
        }
        names.push(name);
    }
    let value = number(text).map_err(|_| anyhow!("it has {}", names.join(", ")))?;
    put(bytes, place, size, value, signed)
}

fn array(btf: &Btf, place: Place, elem: TypeId, nelems: u32, text: &str, bytes: &mut [u8]) -> Result<()> {
    let elem_type = btf.get(btf.resolve(elem)?)?;
    if let Type::Int(encoding, 1) = elem_type.view() {
        let len = nelems as usize;
        let address: Option<Vec<u8>> = match nelems {
            4 => text.parse::<Ipv4Addr>().ok().map(|a| a.octets().to_vec()),
            16 => text.parse::<Ipv6Addr>().ok().map(|a| a.octets().to_vec()),
            6 => mac(text),
            _ => None,
        };
        let is_text = encoding.char
            || elem_type.name().ends_with("char") && encoding.signed
            || elem_type.name() == "char";
        let mut value = match address {
            Some(address) => address,
            None if is_text => text.as_bytes().to_vec(),
            None => return list(btf, place, elem, nelems, text, bytes),
        };
        ensure!(value.len() <= len, "{} characters do not fit into {len}", value.len());
        value.resize(len, 0);
        return place_bytes(bytes, place, &value);
    }
    list(btf, place, elem, nelems, text, bytes)
}

fn list(btf: &Btf, place: Place, elem: TypeId, nelems: u32, text: &str, bytes: &mut [u8]) -> Result<()> {
    let items: Vec<_> = text.split(',').collect();
    ensure!(items.len() <= nelems as usize, "{} values for an array of {nelems}", items.len());
    let step = u64::from(btf.size_of(elem)?) * 8;
    for (i, item) in items.iter().enumerate() {
        let at = Place { type_id: elem, bit_offset: place.bit_offset + step * i as u64, bits: 0 };
        write(btf, at, item.trim(), bytes)?;
    }
    Ok(())
}

fn mac(text: &str) -> Option<Vec<u8>> {
    let parts: Option<Vec<u8>> = text.split(':').map(|p| u8::from_str_radix(p, 16).ok()).collect();
    parts.filter(|p| p.len() == 6)
}

/// A number in C notation, or a character.
fn number(text: &str) -> Result<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let character = digits.strip_prefix('\'').and_then(|t| t.strip_suffix('\'')).filter(|t| t.len() == 1);
    let value = match (character, digits.get(..2), digits.get(2..)) {
        (Some(c), ..) => c.bytes().next().map_or(0, i128::from),
        (_, Some("0x" | "0X"), Some(rest)) => i128::from_str_radix(rest, 16)?,
        (_, Some("0b"), Some(rest)) => i128::from_str_radix(rest, 2)?,
        (_, Some("0o"), Some(rest)) => i128::from_str_radix(rest, 8)?,
        _ if digits.starts_with(|c: char| c.is_ascii_digit()) => digits.parse()?,
        _ => bail!("not a number"),
    };
    Ok(if negative { -value } else { value })
}

/// Writes an integer, which must fit.
fn put(bytes: &mut [u8], place: Place, size: u32, value: i128, signed: bool) -> Result<()> {
    let bits = if place.bits > 0 { place.bits } else { size * 8 };
    let (min, max) = match signed {
        true => (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1),
        false => (0, (1i128 << bits) - 1),
    };
    ensure!((min..=max).contains(&value), "it goes from {min} to {max}");
    if place.bits == 0 {
        let raw = if cfg!(target_endian = "little") { value.to_le_bytes() } else { value.to_be_bytes() };
        let size = size as usize;
        let part = if cfg!(target_endian = "little") { raw.get(..size) } else { raw.get(16 - size..) };
        return place_bytes(bytes, place, part.context("an integer of more than 16 bytes")?);
    }
    for i in 0..bits {
        let bit = place.bit_offset + u64::from(i);
        // Bit-fields are numbered from the end that the byte order starts at.
        let shift = if cfg!(target_endian = "little") { i } else { bits - 1 - i };
        let is_set = value >> shift & 1 != 0;
        let in_byte = if cfg!(target_endian = "little") { bit % 8 } else { 7 - bit % 8 };
        let byte = bytes.get_mut(usize::try_from(bit / 8)?).context("past the end of the variable")?;
        *byte = *byte & !(1 << in_byte) | u8::from(is_set) << in_byte;
    }
    Ok(())
}

fn place_bytes(bytes: &mut [u8], place: Place, value: &[u8]) -> Result<()> {
    let start = usize::try_from(place.bit_offset / 8)?;
    let out = bytes.get_mut(start..).and_then(|b| b.get_mut(..value.len()));
    out.context("past the end of the variable")?.copy_from_slice(value);
    Ok(())
}

/// What a type is called in messages.
fn describe(btf: &Btf, id: TypeId) -> String {
    let Ok(ty) = btf.get(id) else { return "value".to_owned() };
    match ty.view() {
        Type::Const(to) | Type::Volatile(to) | Type::Restrict(to) => describe(btf, to),
        Type::Array { elem, nelems, .. } => format!("{}[{nelems}]", describe(btf, elem)),
        Type::Enum(_) | Type::Enum64(_) if !ty.name().is_empty() => format!("enum {}", ty.name()),
        _ if ty.name().is_empty() => "value of its type".to_owned(),
        _ => ty.name().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: &str = "\
[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED
[2] INT 'unsigned int' size=4 bits_offset=0 nr_bits=32 encoding=(none)
[3] INT '_Bool' size=1 bits_offset=0 nr_bits=8 encoding=BOOL
[4] INT 'char' size=1 bits_offset=0 nr_bits=8 encoding=SIGNED
[5] ARRAY '(anon)' type_id=4 index_type_id=1 nr_elems=4
[6] ENUM 'colour' encoding=UNSIGNED size=4 vlen=2
\t'RED' val=0
\t'GREEN' val=5
[7] STRUCT 'config' size=8 vlen=3
\t'level' type_id=1 bits_offset=0
\t'flag' type_id=2 bits_offset=32 bitfield_size=1
\t'mode' type_id=2 bits_offset=33 bitfield_size=3
[8] ARRAY '(anon)' type_id=2 index_type_id=1 nr_elems=2
[9] VOLATILE '(anon)' type_id=2
[10] CONST '(anon)' type_id=9
";

    fn check(id: u32, path: &str, value: &str, expect: Result<&[u8], &str>) {
        let btf = oxbpf_btf::text::parse(TYPES).unwrap();
        let size = btf.size_of(TypeId(id)).unwrap() as usize;
        let mut bytes = vec![0; size];
        let result = assign(&btf, TypeId(id), path, value, &mut bytes).map(|()| bytes);
        match (result, expect) {
            (Ok(bytes), Ok(expect)) => assert_eq!(bytes, expect, "{value}"),
            (Err(error), Err(expect)) => assert_eq!(format!("{error:#}"), expect),
            (got, expect) => panic!("{value}: got {got:?}, expected {expect:?}"),
        }
    }

    #[test]
    fn numbers_fit_their_type() {
        check(1, "", "-2", Ok(&(-2i32).to_ne_bytes()));
        check(10, "", "0xff", Ok(&255u32.to_ne_bytes()));
        check(2, "", "-1", Err("`-1` is no unsigned int: it goes from 0 to 4294967295"));
        check(2, "", "x", Err("`x` is no unsigned int: not a number"));
        check(2, "", "10.0.0.1", Ok(&[10, 0, 0, 1]));
    }

    #[test]
    fn names_and_truth_values_are_known() {
        check(3, "", "true", Ok(&[1]));
        check(3, "", "2", Err("`2` is no _Bool: a truth value is true or false"));
        check(6, "", "GREEN", Ok(&5u32.to_ne_bytes()));
        check(6, "", "BLUE", Err("`BLUE` is no enum colour: it has RED, GREEN"));
    }

    #[test]
    fn arrays_take_text_and_lists() {
        check(5, "", "cat", Ok(b"cat\0"));
        check(5, "", "horse", Err("`horse` is no char[4]: 5 characters do not fit into 4"));
        check(8, "", "1, 2", Ok(&[1u32.to_ne_bytes(), 2u32.to_ne_bytes()].concat()));
        check(8, "[1]", "7", Ok(&[0u32.to_ne_bytes(), 7u32.to_ne_bytes()].concat()));
        check(8, "[2]", "7", Err("index 2 is past the end of an array of 2"));
    }

    #[test]
    fn members_are_reached_by_name() {
        check(7, ".level", "3", Ok(&[3i32.to_ne_bytes(), [0; 4]].concat()));
        check(7, ".nope", "3", Err("no member `nope`"));
        if cfg!(target_endian = "little") {
            check(7, ".mode", "5", Ok(&[0, 0, 0, 0, 0b1010, 0, 0, 0]));
        }
        check(7, ".mode", "8", Err("`8` is no unsigned int: it goes from 0 to 7"));
    }

    #[test]
    fn assignments_split_at_the_first_equals_sign() {
        assert_eq!(split("a.b[1]=c=d").unwrap(), ("a", ".b[1]", "c=d"));
        assert!(split("a").is_err());
        assert!(split("=1").is_err());
    }
}
