//! Why nothing in the target matches a relocation: where each candidate differs, what it has that is near, and how both
//! sides are laid out.

use std::fmt;

use oxbpf_btf::{Btf, Composite, Type, TypeId, TypeRef, essential_name};

use crate::compat::{fields_are_compat, kinds_are_compat};
use crate::relocator::Target;
use crate::spec::{Spec, kind_word};

/// Members that a layout shows on either side of the one that is asked for.
const AROUND: usize = 3;
/// How deep members that moved are looked for.
const DEPTH: u32 = 3;
/// How many members are looked at for that.
const MAX_LOOKS: u32 = 20_000;

/// Why a relocation was poisoned. `{}` is one line; `{:#}` adds the layouts of both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    pub(crate) spec: String,
    pub(crate) reasons: Vec<String>,
    pub(crate) layouts: Vec<String>,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.spec, self.reasons.join("; "))?;
        if f.alternate() {
            for layout in &self.layouts {
                write!(f, "\n{layout}")?;
            }
        }
        Ok(())
    }
}

/// What one candidate lacks; adds the reason and the two layouts.
pub(crate) fn candidate(local: &Spec<'_>, target: Target<'_>, id: TypeId, to: &mut Explanation) {
    let path = label(target.btf, id);
    let place = format!("{path} [{id}] of {}", target.name);
    let mut at = id;
    for (i, step) in local.steps.iter().enumerate() {
        let Ok(t) = target.btf.resolve_ref(at) else { break };
        match (step.name, t.view()) {
            (Some(name), Type::Enum(e) | Type::Enum64(e)) => {
                let mut why = format!("{place} has no enumerator '{name}'");
                if let Some(near) = nearest(essential_name(name), e.values().map(|v| v.name)) {
                    why += &format!(" (near: '{near}')");
                }
                return to.reasons.push(why);
            }
            (Some(name), Type::Struct(view) | Type::Union(view)) => match find(target.btf, view, name) {
                Some(member) => {
                    let wanted = member_of(local.btf, step.type_id, step.index);
                    let is_compat = wanted.is_some_and(|w| {
                        fields_are_compat(local.btf, w, target.btf, member).unwrap_or(false)
                    });
                    if !is_compat {
                        let ours = wanted.map_or_else(|| "?".to_owned(), |w| label(local.btf, w));
                        let theirs = label(target.btf, member);
                        to.reasons.push(format!("'{name}' of {place} is {theirs}, here {ours}"));
                        layouts(local, step.type_id, step.index, target, t, name, to);
                        return;
                    }
                    at = member;
                }
                None => {
                    let inside = if t.id() == id { place.clone() } else { label(target.btf, t.id()) };
                    let mut why = format!("{inside} has no member '{name}'");
                    if let Some(moved) = moved(target.btf, view, name) {
                        why += &format!(" (it is in '.{moved}')");
                    } else if let Some(near) = nearest(name, names(target.btf, view).iter().map(|n| &**n)) {
                        why += &format!(" (near: '{near}')");
                    }
                    to.reasons.push(why);
                    layouts(local, step.type_id, step.index, target, t, name, to);
                    return;
                }
            },
            (Some(name), _) => {
                let what = label(target.btf, t.id());
                return to.reasons.push(format!("what has '{name}' here is {what} in {place}"));
            }
            (None, Type::Array { elem, nelems, .. }) if i > 0 => {
                if step.index >= nelems {
                    let n = step.index;
                    return to
                        .reasons
                        .push(format!("an array in {place} has {nelems} elements, none with number {n}"));
                }
                at = elem;
            }
            (None, _) if i > 0 => {
                return to.reasons.push(format!("what is an array here is none in {place}"));
            }
            (None, _) => {}
        }
    }
    to.reasons.push(format!("{place} is another sort of type"));
}

/// No type has the name; says which are near.
pub(crate) fn nothing(local: &Btf, id: TypeId, target: Option<Target<'_>>, to: &mut Explanation) {
    let Ok(t) = local.get(id) else { return };
    let name = essential_name(t.name());
    let mut why = format!("no target has a type '{name}'");
    if let Some(target) = target {
        let alike = target.btf.types().filter(|c| kinds_are_compat(c.kind(), t.kind()));
        if let Some(near) = nearest(name, alike.map(|c| c.name()).filter(|n| !n.is_empty())) {
            why += &format!(" (near: '{near}')");
        }
    }
    to.reasons.push(why);
}

/// The type that a member has, looking into anonymous members.
fn find(btf: &Btf, view: Composite<'_>, name: &str) -> Option<TypeId> {
    let mut looks = MAX_LOOKS;
    let mut left = vec![view];
    while let Some(view) = left.pop() {
        for (_, m) in view.named_or_anonymous(name) {
            looks = looks.checked_sub(1)?;
            if m.name == name {
                return Some(m.type_id);
            }
            left.extend(btf.resolve_ref(m.type_id).ok().and_then(|t| t.composite()));
        }
    }
    None
}

/// Names of all members, those of anonymous ones too.
fn names(btf: &Btf, view: Composite<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let mut left = vec![view];
    while let Some(view) = left.pop() {
        for m in view.members() {
            if found.len() + left.len() > MAX_LOOKS as usize {
                return found;
            }
            if m.name.is_empty() {
                left.extend(btf.resolve_ref(m.type_id).ok().and_then(|t| t.composite()));
            } else {
                found.push(m.name.to_owned());
            }
        }
    }
    found
}

/// The path of a member of this name in a struct that is a member.
fn moved(btf: &Btf, view: Composite<'_>, name: &str) -> Option<String> {
    let mut looks = MAX_LOOKS;
    let mut left = vec![(view, String::new(), 0)];
    while let Some((view, path, depth)) = left.pop() {
        for m in view.members() {
            looks = looks.checked_sub(1)?;
            if depth > 0 && m.name == name {
                return Some(format!("{path}{name}"));
            }
            let inner = btf.resolve_ref(m.type_id).ok().and_then(|t| t.composite());
            if let (Some(inner), true) = (inner, depth < DEPTH) {
                let path = if m.name.is_empty() { path.clone() } else { format!("{path}{}.", m.name) };
                left.push((inner, path, depth + 1));
            }
        }
    }
    None
}

fn member_of(btf: &Btf, id: TypeId, index: u32) -> Option<TypeId> {
    Some(btf.get(id).ok()?.composite()?.member(index as usize)?.type_id)
}

/// A type as C would name it, more or less.
fn label(btf: &Btf, id: TypeId) -> String {
    let mut suffix = String::new();
    let mut at = id;
    for _ in 0..8 {
        let Ok(t) = btf.resolve_ref(at) else { break };
        match t.view() {
            Type::Ptr(to) => (at, suffix) = (to, format!("*{suffix}")),
            Type::Array { elem, nelems, .. } => (at, suffix) = (elem, format!("[{nelems}]{suffix}")),
            _ => {
                let name = match (t.view(), t.name()) {
                    (Type::Void, _) => "void".to_owned(),
                    (Type::Int(..) | Type::Float { .. }, name) => name.to_owned(),
                    (_, "") => format!("{} <anon>", kind_word(&t)),
                    (_, name) => format!("{} {name}", kind_word(&t)),
                };
                let space = if suffix.is_empty() { "" } else { " " };
                return format!("{name}{space}{suffix}");
            }
        }
    }
    format!("[{id}]")
}

/// Adds the layout of the local struct around a member, and that of the target's.
fn layouts(
    local: &Spec<'_>,
    local_id: TypeId,
    index: u32,
    target: Target<'_>,
    theirs: TypeRef<'_>,
    name: &str,
    to: &mut Explanation,
) {
    if let Ok(ours) = local.btf.get(local_id) {
        to.layouts.extend(layout("the object", ours, index as usize));
    }
    let view = theirs.composite();
    let near = view.and_then(|v| {
        let exact = v.members().position(|m| m.name == name);
        exact.or_else(|| {
            let near = nearest(name, v.members().map(|m| m.name))?;
            v.members().position(|m| m.name == near)
        })
    });
    to.layouts.extend(layout(target.name, theirs, near.unwrap_or(index as usize)));
}

fn layout(whose: &str, t: TypeRef<'_>, around: usize) -> Option<String> {
    let view = t.composite()?;
    let around = around.min(view.len().saturating_sub(1));
    let from = around.saturating_sub(AROUND);
    let mut text = format!("  {} of {whose}, {} bytes:", label(t.btf(), t.id()), view.size());
    if from > 0 {
        text += "\n    ...";
    }
    for (i, m) in view.members().enumerate().skip(from).take(2 * AROUND + 1) {
        let mark = if i == around { '>' } else { ' ' };
        let name = if m.name.is_empty() { "<anon>" } else { m.name };
        let bits = match (m.bit_size, m.bit_offset % 8) {
            (0, 0) => String::new(),
            (size, bit) => format!(" bit {bit}, {size} bits"),
        };
        text += &format!("\n  {mark} {:>6}{bits}  {name}: {}", m.bit_offset / 8, label(t.btf(), m.type_id));
    }
    if from + 2 * AROUND + 1 < view.len() {
        text += "\n    ...";
    }
    Some(text)
}

/// The nearest name, if one differs in no more than a third of its letters.
pub(crate) fn nearest<'n>(wanted: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (wanted.len() / 3).max(1);
    let close = names.filter(|n| n.len().abs_diff(wanted.len()) <= limit && *n != wanted && !n.is_empty());
    close.map(|n| (distance(wanted, n), n)).filter(|(d, _)| *d <= limit).min().map(|(_, n)| n)
}

/// Edit distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (j, cell) in row.iter_mut().enumerate() {
            let Some(y) = j.checked_sub(1).and_then(|j| b.as_bytes().get(j)) else {
                *cell = i + 1;
                continue;
            };
            let best = (*cell + 1).min(left + 1).min(diagonal + usize::from(x != *y));
            diagonal = *cell;
            *cell = best;
            left = best;
        }
    }
    row.last().copied().unwrap_or_default()
}
