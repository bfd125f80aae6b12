//! A type as JSON, with bpftool's members.

use std::fmt::Display;

use oxbpf_btf::{EnumView, Type, TypeRef, VarLinkage};
use oxbpf_uapi::BtfKind;
use oxbpf_uapi::consts::FuncLinkage;

use crate::tool::Out;

/// Writes one type.
pub(super) fn show(out: &mut Out, t: TypeRef<'_>) {
    out.object(|out| {
        out.field("id", t.id().0);
        let kind = if t.kind() == BtfKind::VOID { None } else { t.kind().short_name() };
        out.string_field("kind", kind.unwrap_or("UNKNOWN"));
        out.string_field("name", name(t.name()));
        members(out, t);
    });
}

fn name(name: &str) -> &str {
    if name.is_empty() { "(anon)" } else { name }
}

/// An array of `len` elements, after the number of them.
fn elements(out: &mut Out, what: &str, len: impl Display, body: impl FnOnce(&mut Out)) {
    out.field("vlen", len);
    out.name(what).array(body);
}

fn members(out: &mut Out, t: TypeRef<'_>) {
    match t.view() {
        Type::Int(e, size) => {
            out.field("size", size);
            out.field("bits_offset", e.offset);
            out.field("nr_bits", e.bits);
            let encoding = match (e.signed, e.char, e.bool) {
                (false, false, false) => "(none)",
                (true, false, false) => "SIGNED",
                (false, true, false) => "CHAR",
                (false, false, true) => "BOOL",
                _ => "UNKN",
            };
            out.string_field("encoding", encoding);
        }
        Type::Ptr(to)
        | Type::Typedef(to)
        | Type::Const(to)
        | Type::Volatile(to)
        | Type::Restrict(to)
        | Type::TypeTag(to) => out.field("type_id", to.0),
        Type::Array { elem, index, nelems } => {
            out.field("type_id", elem.0);
            out.field("index_type_id", index.0);
            out.field("nr_elems", nelems);
        }
        Type::Struct(c) | Type::Union(c) => {
            out.field("size", c.size());
            elements(out, "members", c.len(), |out| {
                for m in c.members() {
                    out.object(|out| {
                        out.string_field("name", name(m.name));
                        out.field("type_id", m.type_id.0);
                        out.field("bits_offset", m.bit_offset);
                        if m.bit_size != 0 {
                            out.field("bitfield_size", m.bit_size);
                        }
                    });
                }
            });
        }
        Type::Enum(e) | Type::Enum64(e) => values(out, e),
        Type::Fwd { is_union } => out.string_field("fwd_kind", if is_union { "union" } else { "struct" }),
        Type::Func { proto, linkage } => {
            out.field("type_id", proto.0);
            let linkage = match linkage {
                FuncLinkage::STATIC => "static",
                FuncLinkage::GLOBAL => "global",
                FuncLinkage::EXTERN => "extern",
                _ => "(unknown)",
            };
            out.string_field("linkage", linkage);
        }
        Type::FuncProto(p) => {
            out.field("ret_type_id", p.ret().0);
            elements(out, "params", p.params().len(), |out| {
                for p in p.params() {
                    out.object(|out| {
                        out.string_field("name", name(p.name));
                        out.field("type_id", p.type_id.0);
                    });
                }
            });
        }
        Type::Var { type_id, linkage } => {
            out.field("type_id", type_id.0);
            let linkage = match linkage {
                VarLinkage::STATIC => "static",
                VarLinkage::GLOBAL_ALLOCATED => "global",
                VarLinkage::GLOBAL_EXTERN => "extern",
                _ => "(unknown)",
            };
            out.string_field("linkage", linkage);
        }
        Type::DataSec(s) => {
            out.field("size", s.size());
            elements(out, "vars", s.vars().len(), |out| {
                for v in s.vars() {
                    out.object(|out| {
                        out.field("type_id", v.type_id.0);
                        out.field("offset", v.offset);
                        out.field("size", v.size);
                    });
                }
            });
        }
        Type::Float { size } => out.field("size", size),
        Type::DeclTag { target, component_idx } => {
            out.field("type_id", target.0);
            out.field("component_idx", component_idx);
        }
        Type::Void | Type::Unknown => {}
    }
}

fn values(out: &mut Out, e: EnumView<'_>) {
    out.string_field("encoding", if e.is_signed() { "SIGNED" } else { "UNSIGNED" });
    out.field("size", e.size());
    elements(out, "values", e.len(), |out| {
        for v in e.values() {
            out.object(|out| {
                out.string_field("name", name(v.name));
                out.field("val", v.value);
            });
        }
    });
}
