//! One map definition: a struct type whose members encode numbers and types in, a [`MapSpec`] out.
//!
//! `__uint(name, value)` of bpf_helpers.h declares a member `int (*name)[value]`: a pointer to an array with `value`
//! elements. `__type(name, type)` declares `type *name`; `__ulong(name, value)` an anonymous enumeration with one
//! enumerator; `__array(values, type)` a last member `type *values[]`. Nothing of it is ever data.

use oxbpf_btf::{Btf, BtfError, Member, Type, TypeId};
use oxbpf_uapi::{Errno, MapType};

use crate::spec::{MapOrigin, MapSpec, Pinning};

/// `ENOTSUP` as libbpf returns it.
const ENOTSUP: Errno = Errno(95);

/// What is wrong with a map's definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct BadDef {
    /// The number that libbpf returns for it.
    pub errno: Errno,
    /// The sentence; the caller knows the map's name.
    pub why: String,
}

/// Reads the definition of the map `name`, a struct type, as it is in `.maps`. Members with unknown names are refused.
///
/// # Errors
/// It is none, or says something that can't be.
pub fn map_def(btf: &Btf, name: &str, def: TypeId) -> Result<MapSpec, BadDef> {
    Scope { btf, section: ".maps", relaxed: false, is_inner: false }.read(name, def)
}

impl From<BtfError> for BadDef {
    fn from(e: BtfError) -> Self {
        Self { errno: e.errno(), why: e.to_string() }
    }
}

fn bad<T>(why: impl Into<String>) -> Result<T, BadDef> {
    Err(BadDef { errno: Errno::EINVAL, why: why.into() })
}

fn unsupported<T>(why: impl Into<String>) -> Result<T, BadDef> {
    Err(BadDef { errno: ENOTSUP, why: why.into() })
}

/// A map without any of its keys.
pub(crate) fn empty(name: &str, origin: MapOrigin, section: &str) -> MapSpec {
    MapSpec {
        name: name.to_owned(),
        real_name: name.to_owned(),
        origin,
        section: section.to_owned(),
        sec_offset: 0,
        map_type: MapType::UNSPEC,
        key_size: 0,
        value_size: 0,
        max_entries: 0,
        map_flags: 0,
        map_extra: 0,
        numa_node: 0,
        pinning: Pinning::None,
        btf_key_type_id: TypeId::VOID,
        btf_value_type_id: TypeId::VOID,
        btf_var_id: TypeId::VOID,
        inner: None,
        initial_slots: Vec::new(),
        data: Vec::new(),
        autocreate: true,
    }
}

/// Whether a map's values are other maps.
pub(crate) fn is_map_in_map(t: MapType) -> bool {
    matches!(t, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS)
}

/// Where a definition stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) btf: &'a Btf,
    pub(crate) section: &'a str,
    /// Skip members with unknown names instead of refusing them.
    pub(crate) relaxed: bool,
    /// The definition is one of an inner map.
    pub(crate) is_inner: bool,
}

impl Scope<'_> {
    /// Reads a definition, a struct type.
    pub(crate) fn read(self, name: &str, def: TypeId) -> Result<MapSpec, BadDef> {
        let t = self.btf.resolve_ref(def)?;
        let Type::Struct(view) = t.view() else {
            return bad(format!("its definition is no struct but {t:?}"));
        };
        let mut map = empty(name, MapOrigin::Btf, self.section);
        let (mut key_size, mut value_size) = (None, None);
        let last = view.len().saturating_sub(1);
        for (i, m) in view.members().enumerate() {
            match m.name {
                "type" => map.map_type = MapType(self.number(m)?),
                "max_entries" => map.max_entries = self.number(m)?,
                "map_flags" => map.map_flags = self.number(m)?,
                "numa_node" => map.numa_node = self.number(m)?,
                "map_extra" => map.map_extra = self.long(m)?,
                "key_size" => agree(&mut key_size, self.number(m)?, "key_size")?,
                "value_size" => agree(&mut value_size, self.number(m)?, "value_size")?,
                "key" => {
                    let size;
                    (map.btf_key_type_id, size) = self.pointee(m)?;
                    agree(&mut key_size, size, "key")?;
                }
                "value" => {
                    let size;
                    (map.btf_value_type_id, size) = self.pointee(m)?;
                    agree(&mut value_size, size, "value")?;
                }
                "values" if i != last => return bad("'values' must be the last member"),
                "values" => {
                    self.values(m, &mut map)?;
                    agree(&mut value_size, 4, "values")?;
                }
                "pinning" if self.is_inner => return bad("an inner map cannot be pinned"),
                "pinning" => {
                    map.pinning = match self.number(m)? {
                        0 => Pinning::None,
                        1 => Pinning::ByName,
                        other => {
                            return bad(format!(
                                "pinning is LIBBPF_PIN_NONE (0) or LIBBPF_PIN_BY_NAME (1), not {other}"
                            ));
                        }
                    };
                }
                other if self.relaxed => {
                    log::debug!("map '{name}': member '{other}' is not known and is skipped")
                }
                other => return unsupported(format!("member '{other}' is not one of {KEYS}")),
            }
        }
        if map.map_type == MapType::UNSPEC {
            return bad("it has no type; add __uint(type, BPF_MAP_TYPE_…)");
        }
        map.key_size = key_size.unwrap_or(0);
        map.value_size = value_size.unwrap_or(0);
        Ok(map)
    }

    /// The value of a `__uint()` member.
    fn number(self, m: Member<'_>) -> Result<u32, BadDef> {
        let t = self.btf.resolve_ref(m.type_id)?;
        let Type::Ptr(to) = t.view() else {
            return bad(format!("'{}' is no number but {t:?}; write __uint({}, …)", m.name, m.name));
        };
        let array = self.btf.get(to)?;
        let Type::Array { nelems, .. } = array.view() else {
            return bad(format!(
                "'{}' is no number but a pointer to {array:?}; write __uint({}, …)",
                m.name, m.name
            ));
        };
        Ok(nelems)
    }

    /// The value of a `__uint()` or `__ulong()` member.
    fn long(self, m: Member<'_>) -> Result<u64, BadDef> {
        let t = self.btf.resolve_ref(m.type_id)?;
        let (Type::Enum(e) | Type::Enum64(e)) = t.view() else {
            return self.number(m).map(u64::from);
        };
        match (e.value(0), e.len()) {
            // A 32-bit value is sign-extended, a 64-bit one taken as its bits.
            (Some(v), 1) => Ok(v.value as u64),
            _ => bad(format!(
                "'{}' is an enumeration of {} values, not of one; write __ulong({}, …)",
                m.name,
                e.len(),
                m.name
            )),
        }
    }

    /// Type and size of what a `__type()` member points to.
    fn pointee(self, m: Member<'_>) -> Result<(TypeId, u32), BadDef> {
        let t = self.btf.get(m.type_id)?;
        let Type::Ptr(to) = t.view() else {
            return bad(format!("'{}' is no type but {t:?}; write __type({}, …)", m.name, m.name));
        };
        Ok((to, self.btf.size_of(to)?))
    }

    /// The `values` member: inner maps, or programs of a program array.
    fn values(self, m: Member<'_>, map: &mut MapSpec) -> Result<(), BadDef> {
        if self.is_inner {
            return unsupported("inner maps that hold maps themselves are not supported");
        }
        let is_prog_array = map.map_type == MapType::PROG_ARRAY;
        if !is_prog_array && !is_map_in_map(map.map_type) {
            return unsupported(format!(
                "'values' needs a map of maps or a program array, not {}",
                map.map_type
            ));
        }
        let t = self.btf.get(m.type_id)?;
        let Type::Array { elem, nelems: 0, .. } = t.view() else {
            return bad(format!("'values' is no array without a size but {t:?}; write __array(values, …)"));
        };
        let t = self.btf.resolve_ref(elem)?;
        let Type::Ptr(to) = t.view() else {
            return bad(format!("'values' holds no pointers but {t:?}"));
        };
        let t = self.btf.resolve_ref(to)?;
        match t.view() {
            Type::FuncProto(_) if is_prog_array => Ok(()),
            Type::Struct(_) if !is_prog_array => {
                let scope = Self { is_inner: true, ..self };
                let inner = scope.read(&format!("{}.inner", map.name), t.id());
                let inner = inner.map_err(|e| BadDef { why: format!("inner map: {}", e.why), ..e })?;
                map.inner = Some(Box::new(inner));
                Ok(())
            }
            _ if is_prog_array => bad(format!("'values' of a program array points to no function but {t:?}")),
            _ => bad(format!("'values' points to no map definition but {t:?}")),
        }
    }
}

const KEYS: &str =
    "type, max_entries, map_flags, numa_node, key, key_size, value, value_size, values, pinning, map_extra";

/// Keys and values may be declared by type and by size, if both say the same. A size of 0 says nothing.
fn agree(known: &mut Option<u32>, size: u32, member: &str) -> Result<(), BadDef> {
    match *known {
        Some(before) if before != 0 && before != size => {
            bad(format!("'{member}' takes {size} bytes, but the definition said {before} before"))
        }
        _ => {
            *known = Some(size);
            Ok(())
        }
    }
}
