//! Whether two files mean the same by a symbol: the types of its declarations, or the definitions of a map.
//!
//! A definition and a declaration may differ where C lets them: a pointer's struct may be known in one file and only
//! declared in the other, arrays may differ in length, arguments in their names.

use std::collections::HashSet;

use oxbpf_btf::{Btf, BtfError, Type, TypeId, TypeRef};
use oxbpf_object::{MapSpec, map_def};

use crate::input::is_seen;

/// Comparisons after which types count as too large to be the same.
const MAX_STEPS: usize = 1 << 18;
/// Structs in structs.
const MAX_DEPTH: usize = 128;

/// What differs, in words; `Ok` if nothing does.
type Verdict = Result<(), String>;

/// Compares types of two files.
struct Compare<'a> {
    one: &'a Btf,
    other: &'a Btf,
    /// Pairs that were compared or are being compared.
    seen: HashSet<(TypeId, TypeId, bool)>,
}

fn broken(e: BtfError) -> String {
    format!("its type is broken: {e}")
}

fn kind_name(t: TypeRef<'_>) -> String {
    t.kind().short_name().unwrap_or("unknown").to_lowercase()
}

impl Compare<'_> {
    fn types(&mut self, a: TypeId, b: TypeId, exact: bool, depth: usize) -> Verdict {
        let (mut a, mut b, mut exact) = (a, b, exact);
        loop {
            let one = self.one.resolve_ref(a).map_err(broken)?;
            let other = self.other.resolve_ref(b).map_err(broken)?;
            if !self.seen.insert((one.id(), other.id(), exact)) {
                return Ok(());
            }
            if self.seen.len() > MAX_STEPS || depth > MAX_DEPTH {
                return Err("its type is too large to be compared".into());
            }
            let (x, y) = (one.view(), other.view());
            if !exact && matches!(x, Type::Fwd { .. }) != matches!(y, Type::Fwd { .. }) {
                return forward(one, other);
            }
            if one.kind() != other.kind() {
                return Err(format!("{} in one is {} in the other", kind_name(one), kind_name(other)));
            }
            let named = matches!(
                x,
                Type::Struct(_)
                    | Type::Union(_)
                    | Type::Enum(_)
                    | Type::Enum64(_)
                    | Type::Fwd { .. }
                    | Type::Func { .. }
                    | Type::Var { .. }
            );
            if named && one.name() != other.name() {
                return Err(format!(
                    "{} '{}' in one is '{}' in the other",
                    kind_name(one),
                    one.name(),
                    other.name()
                ));
            }
            (a, b) = match (x, y) {
                (Type::Void, _) | (Type::Fwd { .. }, _) => return Ok(()),
                (Type::Int(..) | Type::Float { .. } | Type::Enum(_) | Type::Enum64(_), _) => {
                    if one.size() == other.size() {
                        return Ok(());
                    }
                    return Err(format!(
                        "'{}' has {} bytes in one, '{}' has {} in the other",
                        one.name(),
                        one.size(),
                        other.name(),
                        other.size()
                    ));
                }
                (Type::Ptr(a), Type::Ptr(b)) => {
                    exact = false;
                    (a, b)
                }
                (Type::Array { elem: a, .. }, Type::Array { elem: b, .. }) => (a, b),
                (Type::Func { proto: a, .. }, Type::Func { proto: b, .. })
                | (Type::Var { type_id: a, .. }, Type::Var { type_id: b, .. }) => {
                    if is_seen(x) != is_seen(y) {
                        return Err("it is static in one".into());
                    }
                    (a, b)
                }
                (Type::Struct(_) | Type::Union(_), _) if !exact => return Ok(()),
                (Type::Struct(x) | Type::Union(x), Type::Struct(y) | Type::Union(y)) => {
                    return self.members(x, y, depth);
                }
                (Type::FuncProto(x), Type::FuncProto(y)) => {
                    let (n, m) = (x.params().len(), y.params().len());
                    if n != m {
                        return Err(format!("it has {n} arguments in one and {m} in the other"));
                    }
                    for (i, (a, b)) in x.params().zip(y.params()).enumerate() {
                        self.types(a.type_id, b.type_id, exact, depth + 1)
                            .map_err(|why| format!("argument {}: {why}", i + 1))?;
                    }
                    (x.ret(), y.ret())
                }
                _ => return Err(format!("a type of kind {} cannot be compared", kind_name(one))),
            };
        }
    }

    fn members(
        &mut self,
        one: oxbpf_btf::Composite<'_>,
        other: oxbpf_btf::Composite<'_>,
        depth: usize,
    ) -> Verdict {
        let of = |what: &str| format!("struct '{}': {what}", one.ty().name());
        if one.len() != other.len() {
            return Err(of(&format!("{} members in one, {} in the other", one.len(), other.len())));
        }
        for (a, b) in one.members().zip(other.members()) {
            if a.name != b.name {
                return Err(of(&format!("member '{}' in one is '{}' in the other", a.name, b.name)));
            }
            if (a.bit_offset, a.bit_size) != (b.bit_offset, b.bit_size) {
                return Err(of(&format!("member '{}' is at another place", a.name)));
            }
            self.types(a.type_id, b.type_id, true, depth + 1)
                .map_err(|why| of(&format!("member '{}': {why}", a.name)))?;
        }
        Ok(())
    }
}

/// A struct or union in one file, and its mere name in the other.
fn forward(one: TypeRef<'_>, other: TypeRef<'_>) -> Verdict {
    if one.name() != other.name() {
        return Err(format!("type '{}' in one is '{}' in the other", one.name(), other.name()));
    }
    match (one.view(), other.view()) {
        (Type::Fwd { is_union: false }, Type::Struct(_))
        | (Type::Struct(_), Type::Fwd { is_union: false }) => Ok(()),
        (Type::Fwd { is_union: true }, Type::Union(_)) | (Type::Union(_), Type::Fwd { is_union: true }) => {
            Ok(())
        }
        _ => Err(format!(
            "'{}' is a {} in one and a {} in the other",
            one.name(),
            kind_name(one),
            kind_name(other)
        )),
    }
}

/// A type of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Typed<'a> {
    pub(crate) btf: &'a Btf,
    pub(crate) id: TypeId,
}

/// Compares two variables or functions of one name.
pub(crate) fn symbols(one: Typed<'_>, other: Typed<'_>) -> Verdict {
    let mut compare = Compare { one: one.btf, other: other.btf, seen: HashSet::new() };
    compare.types(one.id, other.id, true, 0)
}

/// Compares two definitions of one map.
pub(crate) fn maps(name: &str, one: Typed<'_>, other: Typed<'_>) -> Verdict {
    let read = |t: Typed<'_>| {
        let var = t.btf.get(t.id).map_err(broken)?;
        let Type::Var { type_id, .. } = var.view() else { return Err("it is no map definition".to_owned()) };
        map_def(t.btf, name, type_id).map_err(|e| format!("its definition is broken: {e}"))
    };
    map_specs(one.btf, &read(one)?, other.btf, &read(other)?)
}

fn map_specs(one_btf: &Btf, one: &MapSpec, other_btf: &Btf, other: &MapSpec) -> Verdict {
    let differ = |what: &str, a: String, b: String| Err(format!("{what} is {a} in one and {b} in the other"));
    if one.map_type != other.map_type {
        return differ("the map's type", one.map_type.to_string(), other.map_type.to_string());
    }
    let numbers = [
        ("key_size", one.key_size, other.key_size),
        ("value_size", one.value_size, other.value_size),
        ("max_entries", one.max_entries, other.max_entries),
        ("map_flags", one.map_flags, other.map_flags),
        ("numa_node", one.numa_node, other.numa_node),
    ];
    for (what, a, b) in numbers {
        if a != b {
            return differ(what, a.to_string(), b.to_string());
        }
    }
    if one.map_extra != other.map_extra {
        return differ("map_extra", one.map_extra.to_string(), other.map_extra.to_string());
    }
    if one.pinning != other.pinning {
        return differ("pinning", format!("{:?}", one.pinning), format!("{:?}", other.pinning));
    }
    let types = [
        ("key", one.btf_key_type_id, other.btf_key_type_id),
        ("value", one.btf_value_type_id, other.btf_value_type_id),
    ];
    for (what, a, b) in types {
        if a.is_void() != b.is_void() {
            return Err(format!("its {what} has a type in one only"));
        }
        let mut compare = Compare { one: one_btf, other: other_btf, seen: HashSet::new() };
        compare.types(a, b, true, 0).map_err(|why| format!("its {what}: {why}"))?;
    }
    match (&one.inner, &other.inner) {
        (None, None) => Ok(()),
        (Some(a), Some(b)) => {
            map_specs(one_btf, a, other_btf, b).map_err(|why| format!("the map inside: {why}"))
        }
        _ => Err("it has a map inside in one only".into()),
    }
}
