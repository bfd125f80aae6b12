//! Types as the text spells them: a member is a type in one column and a declarator in the next.
//!
//! The spelling differs from C's in its spaces, and in that a pointer's pointer to a function is written from the inside
//! out. Parameters have no names.

use crate::measure::MAX_DEPTH;
use crate::{Btf, BtfError, FuncProtoView, Type, TypeId};

/// Longest spelling in bytes. The longest of a kernel has a few hundred.
const MAX_LEN: usize = 64 << 10;

/// A member in two columns.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) ty: String,
    pub(super) name: String,
}

/// A type without the arrays around it.
#[derive(Debug, Clone)]
pub(super) struct Peeled {
    pub(super) elem: TypeId,
    /// Elements of each dimension, outermost first.
    pub(super) dims: Vec<u32>,
    /// Whether the array itself was qualified.
    pub(super) is_const: bool,
}

pub(super) fn peel(btf: &Btf, id: TypeId) -> Result<Peeled, BtfError> {
    let mut out = Peeled { elem: id, dims: Vec::new(), is_const: false };
    for _ in 0..=MAX_DEPTH {
        match btf.get(out.elem)?.view() {
            Type::Array { elem, nelems, .. } => {
                out.dims.push(nelems);
                out.elem = elem;
            }
            Type::Const(to) if out.dims.is_empty() && matches!(btf.get(to)?.view(), Type::Array { .. }) => {
                out.is_const = true;
                out.elem = to;
            }
            _ => return Ok(out),
        }
    }
    Err(BtfError::TooDeep { id: id.0 })
}

/// `[2][3]`; an array without end, which only the last member can be, is `[]`.
pub(super) fn dims(peeled: &Peeled, may_be_endless: bool) -> String {
    match peeled.dims.as_slice() {
        [0] if may_be_endless => "[]".to_owned(),
        dims => dims.iter().map(|n| format!("[{n}]")).collect(),
    }
}

/// The two columns of a member.
pub(super) fn member(btf: &Btf, id: TypeId, name: &str, may_be_endless: bool) -> Result<Declared, BtfError> {
    let peeled = peel(btf, id)?;
    let dims = dims(&peeled, may_be_endless);
    let is_endless = may_be_endless && peeled.dims == [0];
    let mut prefix = if peeled.is_const && !is_endless { "const " } else { "" }.to_owned();
    let mut elem = peeled.elem;
    while let Type::Const(to) = btf.get(elem)?.view() {
        // A loop of these has no size, so no member has it.
        prefix += "const ";
        elem = to;
        if prefix.len() > MAX_LEN {
            return Err(BtfError::TooDeep { id: id.0 });
        }
    }
    if let Some(proto) = pointee_proto(btf, elem)? {
        let ty = format!("{prefix}{}", top(btf, proto.ret(), 1)?);
        return Ok(Declared { ty, name: format!("(*{name}){}{dims}", params(btf, proto, 1)?) });
    }
    let ty = format!("{prefix}{}", top(btf, elem, 0)?.trim_end());
    Ok(Declared { ty, name: format!("{name}{dims}") })
}

/// The prototype that a type points to, if it is a pointer to a function.
fn pointee_proto<'b>(btf: &'b Btf, id: TypeId) -> Result<Option<FuncProtoView<'b>>, BtfError> {
    let Type::Ptr(to) = btf.get(id)?.view() else { return Ok(None) };
    let Type::FuncProto(proto) = btf.get(to)?.view() else { return Ok(None) };
    Ok(Some(proto))
}

fn params(btf: &Btf, proto: FuncProtoView<'_>, depth: u32) -> Result<String, BtfError> {
    if proto.params().len() == 0 {
        return Ok("(void)".to_owned());
    }
    let mut out = String::from("(");
    for (i, p) in proto.params().enumerate() {
        if i > 0 {
            out += ", ";
        }
        if p.type_id.is_void() {
            out += "...";
        } else if let Some(inner) = pointee_proto(btf, p.type_id)? {
            out += &format!("{} (*){}", top(btf, inner.ret(), depth + 1)?, params(btf, inner, depth + 1)?);
        } else {
            out += &param(btf, p.type_id, depth + 1)?;
        }
        bounded(p.type_id, &out)?;
    }
    out += ")";
    Ok(out)
}

/// A parameter's type: `const` of a pointer comes first here too.
fn param(btf: &Btf, id: TypeId, depth: u32) -> Result<String, BtfError> {
    match btf.get(id)?.view() {
        Type::Const(to) if matches!(btf.get(to)?.view(), Type::Ptr(_)) => {
            Ok(format!("const {} ", inside(btf, to, depth)?))
        }
        _ => inside(btf, id, depth),
    }
}

/// A type that stands alone: `const` comes first even for a pointer.
fn top(btf: &Btf, id: TypeId, depth: u32) -> Result<String, BtfError> {
    within(depth, id)?;
    match btf.get(id)?.view() {
        Type::Const(to) => Ok(format!("const {}", top(btf, to, depth + 1)?)),
        Type::Volatile(to) => Ok(format!("volatile {}", top(btf, to, depth + 1)?)),
        _ => inside(btf, id, depth),
    }
}

/// A type that something points to.
fn inside(btf: &Btf, id: TypeId, depth: u32) -> Result<String, BtfError> {
    within(depth, id)?;
    let t = btf.get(id)?;
    let tagged = |word: &str| match t.name() {
        "" => format!("{word} {{...}}"),
        name => format!("{word} {name}"),
    };
    let out = match t.view() {
        Type::Void => "void".to_owned(),
        Type::Struct(_) | Type::Fwd { is_union: false } => tagged("struct"),
        Type::Union(_) | Type::Fwd { is_union: true } => tagged("union"),
        Type::Enum(_) | Type::Enum64(_) => tagged("enum"),
        Type::Const(to) => qualified(btf, "const", to, depth)?,
        Type::Volatile(to) => qualified(btf, "volatile", to, depth)?,
        Type::Restrict(to) => qualified(btf, "restrict", to, depth)?,
        Type::TypeTag(to) => inside(btf, to, depth + 1)?,
        Type::Array { elem, .. } => inside(btf, elem, depth + 1)?,
        Type::Ptr(to) => {
            let target = inside(btf, to, depth + 1)?;
            // A qualified pointer ends with a space already.
            let space = if is_qualified_pointer(btf, to)? { "" } else { " " };
            format!("{target}{space}*")
        }
        Type::FuncProto(proto) => {
            format!("{} (){}", top(btf, proto.ret(), depth + 1)?, params(btf, proto, depth + 1)?)
        }
        _ => t.name().to_owned(),
    };
    bounded(id, &out)?;
    Ok(out)
}

/// `X * const ` for a pointer, `const X ` for anything else.
fn qualified(btf: &Btf, word: &str, to: TypeId, depth: u32) -> Result<String, BtfError> {
    let target = inside(btf, to, depth + 1)?;
    Ok(match btf.get(to)?.view() {
        Type::Ptr(_) => format!("{target} {word} "),
        _ => format!("{word} {target} "),
    })
}

fn is_qualified_pointer(btf: &Btf, id: TypeId) -> Result<bool, BtfError> {
    Ok(match btf.get(id)?.view() {
        Type::Const(to) | Type::Volatile(to) | Type::Restrict(to) => {
            matches!(btf.get(to)?.view(), Type::Ptr(_))
        }
        _ => false,
    })
}

fn within(depth: u32, id: TypeId) -> Result<(), BtfError> {
    if depth > MAX_DEPTH { Err(BtfError::TooDeep { id: id.0 }) } else { Ok(()) }
}

fn bounded(id: TypeId, text: &str) -> Result<(), BtfError> {
    if text.len() > MAX_LEN { Err(BtfError::TooDeep { id: id.0 }) } else { Ok(()) }
}
