//! Types as a C header, in bpftool's frame and order.
//!
//! The order is by kind and name and not by id, so that headers of two builds of a kernel differ only where their types do.
//! bpftool leaves out the first type of that order; here it is shown.

use std::cmp::Ordering;

use anyhow::{Result, bail};
use oxbpf_btf::{Btf, CDump, DeclOpts, Type, TypeId, TypeRef};
use oxbpf_uapi::BtfKind;

use crate::tool::Tool;

/// Chains of references that are longer are cycles.
const MAX_DEPTH: u32 = 64;

const HEAD: &str = "\
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

#ifndef __ksym
#define __ksym __attribute__((section(\".ksyms\")))
#endif

#ifndef __weak
#define __weak __attribute__((weak))
#endif

#ifndef __bpf_fastcall
#if __has_attribute(bpf_fastcall)
#define __bpf_fastcall __attribute__((bpf_fastcall))
#else
#define __bpf_fastcall
#endif
#endif

";

const TAIL: &str = "\
#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
";

/// Shows `roots`, or all types and the prototypes of kernel functions.
pub(super) fn show(tool: &mut Tool, btf: &Btf, roots: &[TypeId], is_sorted: bool) -> Result<()> {
    if tool.out.is_json() {
        bail!("JSON output for C-syntax dump is not supported");
    }
    tool.out.bytes(HEAD.as_bytes());
    let mut dump = CDump::new(btf);
    let mut text = Vec::new();
    let all = match (roots.is_empty(), is_sorted) {
        (false, _) => roots.to_vec(),
        (true, true) => sorted(btf),
        (true, false) => (1..btf.type_count()).map(TypeId).collect(),
    };
    for id in all {
        dump.dump_type(id, &mut text)?;
        tool.out.bytes(&text);
        text.clear();
    }
    if roots.is_empty() {
        kfuncs(btf, &mut dump, &mut text)?;
        tool.out.bytes(&text);
    }
    tool.out.bytes(TAIL.as_bytes());
    Ok(())
}

/// Prototypes of the functions that programs may call, by name.
fn kfuncs(btf: &Btf, dump: &mut CDump<'_>, out: &mut Vec<u8>) -> Result<()> {
    let tagged = |tag: &'static str| {
        let targets = btf.types().filter_map(move |t| match t.view() {
            Type::DeclTag { target, component_idx: -1 } if t.name() == tag => btf.get(target).ok(),
            _ => None,
        });
        targets.filter(|t| t.kind() == BtfKind::FUNC)
    };
    let mut kfuncs: Vec<_> = tagged("bpf_kfunc").collect();
    let fast: Vec<_> = tagged("bpf_fastcall").map(|t| t.id()).collect();
    kfuncs.sort_by_key(|t| t.name());
    out.extend_from_slice(b"\n/* BPF kfuncs */\n#ifndef BPF_NO_KFUNC_PROTOTYPES\n");
    for t in kfuncs {
        out.extend_from_slice(b"extern ");
        if fast.contains(&t.id()) {
            out.extend_from_slice(b"__bpf_fastcall ");
        }
        dump.emit_type_decl(t.type_id(), DeclOpts { field_name: t.name(), ..DeclOpts::default() }, out)?;
        out.extend_from_slice(b" __weak __ksym;\n");
    }
    out.extend_from_slice(b"#endif\n\n");
    Ok(())
}

/// What a type is sorted by, before its contents.
struct Key<'b> {
    rank: u8,
    sort_name: &'b str,
    own_name: &'b str,
    id: TypeId,
}

fn sorted(btf: &Btf) -> Vec<TypeId> {
    let mut keys: Vec<_> = btf
        .types()
        .map(|t| Key { rank: rank(t), sort_name: sort_name(t, false, 0), own_name: t.name(), id: t.id() })
        .collect();
    let names = |k: &Key<'_>, l: &Key<'_>| {
        k.rank
            .cmp(&l.rank)
            .then_with(|| k.sort_name.cmp(l.sort_name))
            .then_with(|| k.own_name.cmp(l.own_name))
    };
    keys.sort_unstable_by(|k, l| names(k, l).then(k.id.cmp(&l.id)));
    // Few have the same names; only those are told apart by what they contain.
    for same in keys.chunk_by_mut(|k, l| names(k, l) == Ordering::Equal) {
        if same.len() > 1 {
            same.sort_by_cached_key(|k| (contents_hash(btf, k.id, true, 0), k.id));
        }
    }
    keys.iter().map(|k| k.id).collect()
}

/// The type that a reference is to.
fn target<'b>(t: TypeRef<'b>) -> Option<TypeRef<'b>> {
    let to = match t.view() {
        Type::Array { elem, .. } => elem,
        Type::TypeTag(to)
        | Type::Const(to)
        | Type::Ptr(to)
        | Type::Volatile(to)
        | Type::Restrict(to)
        | Type::Typedef(to)
        | Type::DeclTag { target: to, .. } => to,
        _ => return None,
    };
    t.btf().get(to).ok()
}

/// Constants, then scalars, structs, prototypes, the rest. What a name refers to counts.
fn rank(t: TypeRef<'_>) -> u8 {
    const LAST: u8 = 10;
    let (mut t, mut has_name) = (t, false);
    for _ in 0..MAX_DEPTH {
        has_name |= t.name_off() != 0;
        match t.view() {
            Type::Enum(_) | Type::Enum64(_) => return u8::from(has_name),
            Type::Int(..) | Type::Float { .. } => return 2,
            Type::Struct(_) | Type::Union(_) if has_name => return 3,
            Type::FuncProto(_) if has_name => return 4,
            _ if !has_name => return LAST,
            _ => match target(t) {
                Some(to) => t = to,
                None => return LAST,
            },
        }
    }
    LAST
}

/// The name of what a type is in the end; that of an anonymous enumeration is its first constant's.
fn sort_name(t: TypeRef<'_>, is_referred: bool, depth: u32) -> &str {
    match (t.view(), target(t)) {
        (Type::Enum(e) | Type::Enum64(e), _) if t.name_off() == 0 && !is_referred => {
            // The text of a view lives as long as the type's.
            e.value(0).map_or("", |v| v.name)
        }
        (_, Some(to)) if depth < MAX_DEPTH => sort_name(to, true, depth + 1),
        (_, Some(_)) => "",
        (_, None) => t.name(),
    }
}

/// bpftool's hash of what a type contains.
fn contents_hash(btf: &Btf, id: TypeId, with_members: bool, depth: u32) -> u64 {
    let add = |hash: u64, value: u64| hash.wrapping_mul(31).wrapping_add(value);
    let add_name = |hash, name: &str| if name.is_empty() { hash } else { add(hash, name_hash(name)) };
    let Ok(t) = btf.get(id) else { return 0 };
    let mut hash = add_name(0, t.name());
    if depth > MAX_DEPTH {
        return hash;
    }
    match t.view() {
        Type::Enum(e) | Type::Enum64(e) => e.values().fold(hash, |hash, v| add_name(hash, v.name)),
        Type::Struct(c) | Type::Union(c) if with_members => c.members().fold(hash, |hash, m| {
            add(add_name(hash, m.name), contents_hash(btf, m.type_id, false, depth + 1))
        }),
        view => {
            if let Type::Array { nelems, .. } = view {
                hash = add(hash, nelems.into());
            }
            match target(t) {
                Some(to) => add(hash, contents_hash(btf, to.id(), with_members, depth + 1)),
                None => hash,
            }
        }
    }
}

/// Bytes are signed there.
fn name_hash(name: &str) -> u64 {
    name.bytes().fold(0, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add_signed(i64::from(byte as i8)))
}
