//! The access that a relocation asks for, in one candidate type of the target.
//!
//! Members are found by name. The target may have moved a member into an anonymous struct or union, or out of one, so
//! all of those are searched; array elements are found by index.

use oxbpf_btf::{Btf, Type, TypeId, essential_name};

use crate::compat::{Stop, fields_are_compat, types_are_compat, types_match};
use crate::spec::{MAX_LEN, Spec, Step, Subject, subject};
use oxbpf_btf::CoreReloKind;

/// How many structs are looked at in one candidate before giving up, one with many members counting more; see `compat`.
const MAX_WORK: u32 = 1 << 18;

/// Fills `found` with the access in the candidate that it stands at; `false` if the candidate has no such thing.
pub(crate) fn spec_match<'b>(local: &Spec<'_>, found: &mut Spec<'b>) -> Result<bool, Stop> {
    let (btf, root) = (found.btf, found.root);
    match subject(local.kind) {
        Some(Subject::Type) if local.kind == CoreReloKind::TYPE_MATCHES => {
            types_match(local.btf, local.root, btf, root)
        }
        Some(Subject::Type) | None => types_are_compat(local.btf, local.root, btf, root),
        Some(Subject::Enumerator) => match_enumerator(local, found),
        Some(Subject::Field) => match_field(local, found),
    }
}

/// The enumerator of the same name, but for flavours.
fn match_enumerator(local: &Spec<'_>, found: &mut Spec<'_>) -> Result<bool, Stop> {
    let t = found.btf.resolve_ref(found.root)?;
    let (Type::Enum(e) | Type::Enum64(e)) = t.view() else { return Ok(false) };
    let Some(name) = local.steps.first().and_then(|s| s.name) else { return Ok(false) };
    let name = essential_name(name);
    for (i, v) in (0u32..).zip(e.values()) {
        if essential_name(v.name) == name {
            found.steps.push(Step::enumerator(t.id(), i, v.name));
            found.raw.push(i);
            return Ok(true);
        }
    }
    Ok(false)
}

fn match_field(local: &Spec<'_>, found: &mut Spec<'_>) -> Result<bool, Stop> {
    let mut at = found.root;
    let mut work = MAX_WORK;
    for (i, step) in local.steps.iter().enumerate() {
        let t = found.btf.resolve_ref(at)?;
        at = t.id();
        if step.name.is_some() {
            match match_member(local.btf, step, at, found, &mut work)? {
                Some(next) => at = next,
                None => return Ok(false),
            }
            continue;
        }
        // The first number indexes the root type itself, later ones an array.
        if i > 0 {
            let Type::Array { elem, nelems, .. } = t.view() else { return Ok(false) };
            if step.index >= nelems && !found.ends_in_flexible_array(nelems) {
                return Ok(false);
            }
            at = found.btf.resolve(elem)?;
        }
        if found.raw.len() == MAX_LEN {
            return Err(Stop::TooLong);
        }
        found.raw.push(step.index);
        found.index(at, step.index)?;
    }
    Ok(true)
}

/// Finds the member that `step` names in a struct or union and in the anonymous ones inside it, and gives its type.
fn match_member(
    local: &Btf,
    step: &Step<'_>,
    in_type: TypeId,
    found: &mut Spec<'_>,
    work: &mut u32,
) -> Result<Option<TypeId>, Stop> {
    let btf = found.btf;
    let t = btf.resolve_ref(in_type)?;
    let Some(view) = t.composite() else { return Ok(None) };
    let Some(name) = step.name else { return Ok(None) };
    *work = work.checked_sub(1 + view.len() as u32 / 16).ok_or(Stop::TooDeep)?;
    if found.raw.len() == MAX_LEN && !view.is_empty() {
        return Err(Stop::TooLong);
    }
    for (i, m) in view.named_or_anonymous(name) {
        if m.name == name {
            // Names are unique in C, so a member of another type ends the search.
            if !fields_are_compat(local, step.to, btf, m.type_id)? {
                return Ok(None);
            }
            found.bit_offset = found.bit_offset.wrapping_add(m.bit_offset);
            found.raw.push(i);
            found.steps.push(Step::member(t.id(), i, &m));
            return Ok(Some(m.type_id));
        }
        if m.name.is_empty() {
            found.bit_offset = found.bit_offset.wrapping_add(m.bit_offset);
            found.raw.push(i);
            if let Some(next) = match_member(local, step, m.type_id, found, work)? {
                return Ok(Some(next));
            }
            found.bit_offset = found.bit_offset.wrapping_sub(m.bit_offset);
            found.raw.pop();
        }
    }
    Ok(None)
}
