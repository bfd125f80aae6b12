//! A type in, its C words in one line out, as bpftool writes what a function takes and gives.

use oxbpf_btf::{Btf, Type, TypeId};

/// Longest text, as bpftool's: longer ones are left out.
const MAX_LEN: usize = 1023;
/// Types that contain themselves end somewhere.
const MAX_NESTING: u32 = 64;

/// The words of a type; `None` if it has none.
pub(crate) fn text(btf: &Btf, id: TypeId) -> Option<String> {
    let mut text = String::new();
    write(btf, id, &mut text, 0)?;
    (!text.is_empty() && text.len() <= MAX_LEN).then_some(text)
}

fn write(btf: &Btf, id: TypeId, text: &mut String, nesting: u32) -> Option<()> {
    if nesting > MAX_NESTING || text.len() > MAX_LEN {
        return None;
    }
    if id.is_void() {
        text.push_str("void ");
        return Some(());
    }
    let t = btf.get(id).ok()?;
    let mut named = |prefix: &str| {
        text.extend([prefix, t.name(), " "]);
        Some(())
    };
    let before = match t.view() {
        Type::Int(..) | Type::Typedef(_) | Type::Float { .. } => return named(""),
        Type::Struct(_) => return named("struct "),
        Type::Union(_) => return named("union "),
        Type::Enum(_) | Type::Enum64(_) => return named("enum "),
        Type::Fwd { is_union: true } => return named("union "),
        Type::Fwd { is_union: false } => return named("struct "),
        Type::Array { elem, nelems, .. } => {
            write(btf, elem, text, nesting + 1)?;
            text.push_str(&format!("[{nelems}]"));
            return Some(());
        }
        Type::Ptr(to) => {
            write(btf, to, text, nesting + 1)?;
            text.push_str("* ");
            return Some(());
        }
        Type::Volatile(_) => "volatile ",
        Type::Const(_) => "const ",
        Type::Restrict(_) => "restrict ",
        Type::FuncProto(_) => return function(btf, id, "", text, nesting + 1),
        Type::Func { proto, .. } => return function(btf, proto, t.name(), text, nesting + 1),
        _ => return None,
    };
    text.push_str(before);
    write(btf, t.type_id(), text, nesting + 1)
}

fn function(btf: &Btf, proto: TypeId, name: &str, text: &mut String, nesting: u32) -> Option<()> {
    let Type::FuncProto(proto) = btf.get(proto).ok()?.view() else { return None };
    write(btf, proto.ret(), text, nesting)?;
    text.extend([name, "("]);
    for (i, param) in proto.params().enumerate() {
        if i > 0 {
            text.push_str(", ");
        }
        if param.type_id.is_void() {
            text.push_str("...");
            continue;
        }
        write(btf, param.type_id, text, nesting)?;
        if !param.name.is_empty() {
            text.push_str(param.name);
        } else if text.ends_with(' ') {
            text.pop();
        }
    }
    text.push(')');
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_written_in_one_line() {
        let btf = oxbpf_btf::text::parse(
            "[1] INT 'int' size=4 bits_offset=0 nr_bits=32 encoding=SIGNED\n\
             [2] STRUCT 'xdp_md' size=4 vlen=0\n\
             [3] PTR '(anon)' type_id=2\n\
             [4] CONST '(anon)' type_id=1\n\
             [5] PTR '(anon)' type_id=4\n\
             [6] FUNC_PROTO '(anon)' ret_type_id=1 vlen=3\n\t'ctx' type_id=3\n\t'(anon)' type_id=5\n\t'(anon)' type_id=0\n\
             [7] FUNC 'f' type_id=6 linkage=static\n\
             [8] FUNC_PROTO '(anon)' ret_type_id=0 vlen=0\n\
             [9] FUNC 'g' type_id=8 linkage=static\n",
        )
        .expect("types");
        assert_eq!(text(&btf, TypeId(7)).as_deref(), Some("int f(struct xdp_md * ctx, const int *, ...)"));
        assert_eq!(text(&btf, TypeId(9)).as_deref(), Some("void g()"));
        assert_eq!(text(&btf, TypeId(70)), None);
    }
}
