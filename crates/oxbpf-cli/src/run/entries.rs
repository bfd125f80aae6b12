//! A map's contents, by the types of its keys and values.

use anyhow::Result;
use oxbpf::Map;
use oxbpf_btf::value::{Data, decode};
use oxbpf_btf::{Btf, Type, TypeId};
use oxbpf_uapi::MapType;

use super::sink::{Shown, Sink};

/// Map types whose contents cannot be listed.
const UNLISTED: &[MapType] =
    &[MapType::RINGBUF, MapType::USER_RINGBUF, MapType::QUEUE, MapType::STACK, MapType::BLOOM_FILTER];
/// Map types whose values stand for other objects.
const REFERENCES: &[MapType] =
    &[MapType::PROG_ARRAY, MapType::ARRAY_OF_MAPS, MapType::HASH_OF_MAPS, MapType::PERF_EVENT_ARRAY];

/// Writes all entries.
pub(super) fn show(map: &Map<'_>, btf: Option<&Btf>, sink: &mut Sink) -> Result<()> {
    let kind = map.map_type().short_name().map_or_else(|| map.map_type().to_string(), str::to_owned);
    if UNLISTED.contains(&map.map_type()) {
        sink.map(map.name(), &kind, 0);
        return Ok(());
    }
    let section = btf.filter(|b| is_section(b, map.btf_value_type_id()));
    let mut rows = Vec::new();
    for key in map.keys() {
        let key = key?;
        if map.is_per_cpu() {
            let values = map.lookup_per_cpu(&key, Default::default())?;
            rows.extend(values.map(|values| (key, values)));
        } else if let Ok(Some(value)) = map.lookup(&key, Default::default()) {
            // Entries of an array of programs or events may be empty, and others may go between listing and reading.
            rows.push((key, vec![value]));
        }
    }
    if section.is_none() {
        sink.map(map.name(), &kind, rows.len());
    }
    for (key, values) in &rows {
        if let (Some(btf), [value]) = (section, values.as_slice()) {
            show_variables(map, btf, value, sink)?;
            continue;
        }
        let key = shown(btf, map.btf_key_type_id(), key, map.key_size() == 4);
        let is_reference = REFERENCES.contains(&map.map_type());
        if !map.is_per_cpu() {
            for value in values {
                sink.entry(map.real_name(), &key, &shown(btf, map.btf_value_type_id(), value, is_reference));
            }
            continue;
        }
        let written: Vec<_> =
            values.iter().enumerate().filter(|(cpu, v)| *cpu == 0 || v.iter().any(|b| *b != 0)).collect();
        let first_is_idle =
            written.len() > 1 && written.first().is_some_and(|(_, v)| v.iter().all(|b| *b == 0));
        let values: Vec<_> = written
            .into_iter()
            .skip(usize::from(first_is_idle))
            .map(|(cpu, v)| (cpu, shown(btf, map.btf_value_type_id(), v, false)))
            .collect();
        sink.per_cpu_entry(map.real_name(), &key, &values);
    }
    Ok(())
}

fn is_section(btf: &Btf, id: TypeId) -> bool {
    btf.get(id).is_ok_and(|t| matches!(t.view(), Type::DataSec(_)))
}

/// A data section's variables, one a line.
fn show_variables(map: &Map<'_>, btf: &Btf, bytes: &[u8], sink: &mut Sink) -> Result<()> {
    let section = decode(btf, map.btf_value_type_id(), bytes)?;
    let Data::Struct(variables) = section.data else { return Ok(()) };
    sink.map(map.name(), "variables", variables.len());
    for variable in variables {
        let value = Shown::Typed(btf, variable.value);
        sink.variable(map.real_name(), variable.name, &value);
    }
    Ok(())
}

/// Bytes by their type if it is known and fits.
fn shown<'v>(btf: Option<&'v Btf>, id: TypeId, bytes: &'v [u8], is_number: bool) -> Shown<'v> {
    let typed =
        btf.filter(|_| id != TypeId(0)).and_then(|btf| Some(Shown::Typed(btf, decode(btf, id, bytes).ok()?)));
    let number =
        || bytes.try_into().ok().filter(|_| is_number).map(|b| Shown::Number(u32::from_ne_bytes(b).into()));
    typed.or_else(number).unwrap_or(Shown::Raw(bytes))
}
