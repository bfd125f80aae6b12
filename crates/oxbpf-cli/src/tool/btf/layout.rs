//! `btf layout`: where the members of a struct are, as text that equals pahole's, or as JSON.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use oxbpf_btf::layout::{self, Layout, Slot};
use oxbpf_btf::{Btf, TypeId};
use oxbpf_uapi::BtfKind;

use super::dump::{from_kernel, given_base, vmlinux};
use super::read::parse;
use crate::tool::{Args, Out, Tool};

pub(super) fn run(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let name = args.text("STRUCT")?;
    let btf = source(tool, args)?;
    args.end()?;
    let id = find(&btf, name)?;
    if tool.out.is_json() {
        return json(&mut tool.out, &btf, id);
    }
    tool.out.bytes(layout::print(&btf, id).with_context(|| name.to_owned())?.as_bytes());
    Ok(())
}

/// The types to look in, those of the kernel if there is no word for it.
fn source(tool: &mut Tool, args: &mut Args<'_>) -> Result<Arc<Btf>> {
    if args.is_empty() {
        return match given_base(tool)? {
            Some(base) => Ok(base),
            None => vmlinux(tool),
        };
    }
    if args.one_of(&["file", "id"])? == "id" {
        return from_kernel(tool, args.number("ID")?);
    }
    let file: &Path = args.path("FILE")?;
    let base = given_base(tool)?;
    parse(file, base).with_context(|| format!("failed to load BTF from {}", file.display()))
}

/// The struct or union with this name, or that a typedef with this name stands for.
fn find(btf: &Btf, name: &str) -> Result<TypeId> {
    let kinds = [BtfKind::STRUCT, BtfKind::UNION, BtfKind::TYPEDEF];
    let Some(id) = kinds.iter().find_map(|kind| btf.find(name, *kind)) else {
        bail!("no struct, union or typedef has the name '{name}'");
    };
    let t = btf.resolve_ref(id).with_context(|| name.to_owned())?;
    if t.composite().is_none() {
        bail!("'{name}' is no struct or union");
    }
    Ok(t.id())
}

fn json(out: &mut Out, btf: &Btf, id: TypeId) -> Result<()> {
    let (t, layout) = (btf.get(id)?, Layout::of(btf, id)?);
    out.object(|out| {
        out.string_field("name", t.name());
        out.string_field("kind", t.kind().short_name().unwrap_or("UNKNOWN"));
        out.field("size", layout.size);
        out.field("cachelines", layout.size.div_ceil(layout::CACHE_LINE));
        let sums = [
            ("hole_before", layout.hole_before),
            ("bit_hole_before", layout.bit_hole_before),
            ("padding", layout.padding),
            ("bit_padding", layout.bit_padding),
            ("alignment", layout.alignment),
        ];
        some(out, &sums);
        out.name("members").array(|out| layout.members.iter().for_each(|m| member(out, btf, m)));
    });
    Ok(())
}

fn member(out: &mut Out, btf: &Btf, slot: &Slot<'_>) {
    out.object(|out| {
        out.string_field("name", slot.member.name);
        out.string_field("type", btf.c_name(slot.member.type_id));
        out.field("type_id", slot.member.type_id.0);
        out.field("offset", slot.offset);
        out.field("size", slot.size);
        if slot.member.bit_size != 0 {
            out.field("bit", slot.bit);
            out.field("bits", slot.member.bit_size);
        }
        some(out, &[("hole", slot.hole), ("bit_hole", slot.bit_hole), ("alignment", slot.alignment)]);
    });
}

/// The fields that are not 0.
fn some(out: &mut Out, fields: &[(&str, u32)]) {
    for (name, value) in fields.iter().filter(|(_, value)| *value != 0) {
        out.field(name, value);
    }
}
