//! Whether a type of the object and one of the target are alike enough.
//!
//! Three questions, from loose to strict: may a field of one type be read as the other ([`fields_are_compat`]); is it
//! the same sort of type ([`types_are_compat`]); has it all that the object's type has ([`types_match`]).

use oxbpf_btf::{Btf, BtfError, Type, TypeId, TypeRef, essential_name};
use oxbpf_uapi::BtfKind;

/// Longest chain of pointers, arrays and return types that is followed.
const MAX_DEPTH: usize = 32;
/// Deepest nesting of structs and prototypes that is compared.
const MAX_LEVEL: u32 = 32;
/// How many members and parameters are looked at before giving up. Types of real kernels need some thousands; types
/// made to take exponential time would need any number.
const MAX_WORK: u32 = 1 << 20;

/// Why two types cannot be compared.
#[derive(Debug)]
pub(crate) enum Stop {
    /// One of the BTFs is broken.
    Btf(BtfError),
    /// They are nested too deep.
    TooDeep,
    /// The path is too long.
    TooLong,
}

impl From<BtfError> for Stop {
    fn from(e: BtfError) -> Self {
        match e {
            BtfError::TooDeep { .. } => Stop::TooDeep,
            e => Stop::Btf(e),
        }
    }
}

/// Whether two kinds are the same; enumerations of 32 and 64 bits count as one kind.
pub(crate) fn kinds_are_compat(a: BtfKind, b: BtfKind) -> bool {
    let is_enum = |k| matches!(k, BtfKind::ENUM | BtfKind::ENUM64);
    a == b || (is_enum(a) && is_enum(b))
}

/// Whether a field of type `a` may be relocated to one of type `b`. Qualifiers and typedefs do not count.
///
/// Any two structs or unions, any two pointers, any two floats and any two integers are compatible. Enumerations and
/// forward declarations are if their names are the same but for flavours, or one has none. Arrays are if their
/// elements are, whatever their lengths.
pub(crate) fn fields_are_compat(a: &Btf, a_id: TypeId, b: &Btf, b_id: TypeId) -> Result<bool, Stop> {
    let (mut a_id, mut b_id) = (a_id, b_id);
    for _ in 0..MAX_DEPTH {
        let (t, u) = (a.resolve_ref(a_id)?, b.resolve_ref(b_id)?);
        let is_composite = |k| matches!(k, BtfKind::STRUCT | BtfKind::UNION);
        if is_composite(t.kind()) && is_composite(u.kind()) {
            return Ok(true);
        }
        if !kinds_are_compat(t.kind(), u.kind()) {
            return Ok(false);
        }
        return Ok(match (t.view(), u.view()) {
            (Type::Ptr(_) | Type::Float { .. }, _) => true,
            (Type::Fwd { .. } | Type::Enum(_) | Type::Enum64(_), _) => {
                let (t, u) = (essential_name(t.name()), essential_name(u.name()));
                t.is_empty() || u.is_empty() || t == u
            }
            // Integers with a bit offset are an old way to write bit-fields.
            (Type::Int(x, _), Type::Int(y, _)) => x.offset == 0 && y.offset == 0,
            (Type::Array { elem: x, .. }, Type::Array { elem: y, .. }) => {
                (a_id, b_id) = (x, y);
                continue;
            }
            _ => false,
        });
    }
    Err(Stop::TooDeep)
}

/// Whether two types whose names match are the same sort of type: of one kind, down to what pointers, arrays and
/// prototypes lead to. What structs and enumerations contain does not count.
pub(crate) fn types_are_compat(a: &Btf, a_id: TypeId, b: &Btf, b_id: TypeId) -> Result<bool, Stop> {
    if !kinds_are_compat(a.get(a_id)?.kind(), b.get(b_id)?.kind()) {
        return Ok(false);
    }
    Comparison { a, b, work: MAX_WORK }.is_compat(a_id, b_id, MAX_LEVEL)
}

/// Whether a type of the target has all that the object's type of the same name has.
///
/// Structs and unions: each member by name, of a type that matches in turn; behind a pointer only kind and name count,
/// and a forward declaration will do. Integers: size and sign. Arrays: length and elements. Enumerations: size and
/// names of enumerators. Prototypes: every parameter and what they return.
pub(crate) fn types_match(a: &Btf, a_id: TypeId, b: &Btf, b_id: TypeId) -> Result<bool, Stop> {
    Comparison { a, b, work: MAX_WORK }.matches(a_id, b_id, false, MAX_LEVEL)
}

struct Comparison<'b> {
    /// The object's types.
    a: &'b Btf,
    /// The target's types.
    b: &'b Btf,
    work: u32,
}

impl<'b> Comparison<'b> {
    fn step(&mut self) -> Result<(), Stop> {
        self.work = self.work.checked_sub(1).ok_or(Stop::TooDeep)?;
        Ok(())
    }

    fn is_compat(&mut self, a_id: TypeId, b_id: TypeId, level: u32) -> Result<bool, Stop> {
        let (mut a_id, mut b_id) = (a_id, b_id);
        for _ in 0..MAX_DEPTH {
            self.step()?;
            let (t, u) = (self.a.resolve_ref(a_id)?, self.b.resolve_ref(b_id)?);
            if !kinds_are_compat(t.kind(), u.kind()) {
                return Ok(false);
            }
            match (t.view(), u.view()) {
                (
                    Type::Void
                    | Type::Struct(_)
                    | Type::Union(_)
                    | Type::Enum(_)
                    | Type::Enum64(_)
                    | Type::Fwd { .. },
                    _,
                ) => return Ok(true),
                (Type::Int(x, _), Type::Int(y, _)) => return Ok(x.offset == 0 && y.offset == 0),
                (Type::Ptr(x), Type::Ptr(y)) => (a_id, b_id) = (x, y),
                (Type::Array { elem: x, .. }, Type::Array { elem: y, .. }) => (a_id, b_id) = (x, y),
                (Type::FuncProto(x), Type::FuncProto(y)) => {
                    if x.params().len() != y.params().len() {
                        return Ok(false);
                    }
                    for (p, q) in x.params().zip(y.params()) {
                        let level = level.checked_sub(1).ok_or(Stop::TooDeep)?;
                        if !self.is_compat(p.type_id, q.type_id, level)? {
                            return Ok(false);
                        }
                    }
                    (a_id, b_id) = (x.ret(), y.ret());
                }
                _ => return Ok(false),
            }
        }
        Err(Stop::TooDeep)
    }

    fn matches(&mut self, a_id: TypeId, b_id: TypeId, behind_ptr: bool, level: u32) -> Result<bool, Stop> {
        if level == 0 {
            return Err(Stop::TooDeep);
        }
        let (mut a_id, mut b_id, mut behind_ptr) = (a_id, b_id, behind_ptr);
        for _ in 0..MAX_DEPTH {
            self.step()?;
            let (t, u) = (self.a.resolve_ref(a_id)?, self.b.resolve_ref(b_id)?);
            if !names_match(t.name(), u.name()) {
                return Ok(false);
            }
            match (t.view(), u.view()) {
                (Type::Void, Type::Void) => return Ok(true),
                (Type::Fwd { is_union: x }, Type::Fwd { is_union: y }) => return Ok(x == y),
                (Type::Fwd { is_union }, Type::Struct(_)) => return Ok(behind_ptr && !is_union),
                (Type::Fwd { is_union }, Type::Union(_)) => return Ok(behind_ptr && is_union),
                (Type::Struct(_), Type::Fwd { is_union }) => return Ok(behind_ptr && !is_union),
                (Type::Union(_), Type::Fwd { is_union }) => return Ok(behind_ptr && is_union),
                (Type::Struct(_), Type::Struct(_)) | (Type::Union(_), Type::Union(_)) => {
                    return if behind_ptr { Ok(true) } else { self.members_match(t, u, level) };
                }
                (Type::Enum(_) | Type::Enum64(_), Type::Enum(_) | Type::Enum64(_)) => {
                    return self.enumerators_match(t, u);
                }
                (Type::Int(x, x_size), Type::Int(y, y_size)) => {
                    return Ok(x_size == y_size && x.signed == y.signed);
                }
                (Type::Ptr(x), Type::Ptr(y)) => {
                    behind_ptr = true;
                    (a_id, b_id) = (x, y);
                }
                (Type::Array { elem: x, nelems: m, .. }, Type::Array { elem: y, nelems: n, .. })
                    if m == n =>
                {
                    (a_id, b_id) = (x, y);
                }
                (Type::FuncProto(x), Type::FuncProto(y)) => {
                    if x.params().len() != y.params().len() {
                        return Ok(false);
                    }
                    for (p, q) in x.params().zip(y.params()) {
                        if !self.matches(p.type_id, q.type_id, behind_ptr, level - 1)? {
                            return Ok(false);
                        }
                    }
                    (a_id, b_id) = (x.ret(), y.ret());
                }
                _ => return Ok(false),
            }
        }
        Err(Stop::TooDeep)
    }

    fn members_match(&mut self, t: TypeRef<'b>, u: TypeRef<'b>, level: u32) -> Result<bool, Stop> {
        let (Some(t), Some(u)) = (t.composite(), u.composite()) else { return Ok(false) };
        if t.len() > u.len() {
            return Ok(false);
        }
        for m in t.members() {
            let mut found = false;
            for n in u.members() {
                self.step()?;
                if names_match(m.name, n.name) && self.matches(m.type_id, n.type_id, false, level - 1)? {
                    found = true;
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn enumerators_match(&mut self, t: TypeRef<'b>, u: TypeRef<'b>) -> Result<bool, Stop> {
        let view = |t: TypeRef<'b>| match t.view() {
            Type::Enum(e) | Type::Enum64(e) => Some(e),
            _ => None,
        };
        let (Some(x), Some(y)) = (view(t), view(u)) else { return Ok(false) };
        if x.size() != y.size() || x.len() > y.len() {
            return Ok(false);
        }
        for v in x.values() {
            let mut found = false;
            for w in y.values() {
                self.step()?;
                if names_match(v.name, w.name) {
                    found = true;
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Whether two names are the same but for flavours; no name matches only no name.
fn names_match(a: &str, b: &str) -> bool {
    essential_name(a) == essential_name(b)
}
