//! `btf dump`: types, as text, JSON or C.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow, bail};
use oxbpf_btf::{Btf, BtfBuilder, TypeId, text};
use oxbpf_uapi::Errno;
use oxbpf_uapi::info::{MapInfo, ProgInfo};

use super::read::parse;
use super::{c, json};
use crate::tool::select::info;
use crate::tool::{Args, Tool};

const SYSFS: &str = "/sys/kernel/btf/";
const SYSFS_VMLINUX: &str = "/sys/kernel/btf/vmlinux";

/// What to show.
struct Wanted {
    btf: Arc<Btf>,
    /// Only these types; all where empty.
    roots: Vec<TypeId>,
    /// Whether the source said which types, so that `root_id` can't.
    has_roots: bool,
}

pub(super) fn run(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let mut wanted = source(tool, args)?;
    let (mut is_c, mut is_sorted) = (false, true);
    while !args.is_empty() {
        match args.one_of(&["format", "root_id", "unsorted"])? {
            "format" => is_c = args.one_of(&["raw", "c"])? == "c",
            "unsorted" => is_sorted = false,
            _ => add_root(&mut wanted, args.number("ROOT_ID")?)?,
        }
    }
    for root in &wanted.roots {
        if wanted.btf.get(*root).is_err() {
            bail!("invalid root ID: {}", root.0);
        }
    }
    if is_c {
        return c::show(tool, &wanted.btf, &wanted.roots, is_sorted);
    }
    raw(tool, &wanted);
    Ok(())
}

fn add_root(wanted: &mut Wanted, root: u32) -> Result<()> {
    if wanted.has_roots {
        bail!("cannot use root_id with other type filtering");
    }
    if wanted.roots.contains(&TypeId(root)) {
        bail!("duplicate root_id {root} supplied");
    }
    wanted.roots.push(TypeId(root));
    Ok(())
}

fn raw(tool: &mut Tool, wanted: &Wanted) {
    let out = &mut tool.out;
    let btf = &wanted.btf;
    let roots = wanted.roots.iter().filter_map(|id| btf.get(*id).ok());
    let all = btf.own_types().take(if wanted.roots.is_empty() { usize::MAX } else { 0 });
    let mut types = roots.chain(all);
    if out.is_json() {
        out.object(|out| out.name("types").array(|out| types.for_each(|t| json::show(out, t))));
        return;
    }
    while let (Some(t), false) = (types.next(), out.is_broken()) {
        writeln!(out, "{}", text::show(t));
    }
}

fn source(tool: &mut Tool, args: &mut Args<'_>) -> Result<Wanted> {
    let whole = |btf| Wanted { btf, roots: Vec::new(), has_roots: false };
    match args.one_of(&["id", "prog", "map", "file"])? {
        "id" => from_kernel(tool, args.number("ID")?).map(whole),
        "prog" => {
            let prog = tool.prog(args)?;
            let info: ProgInfo = info(&tool.kernel(), &prog)?;
            from_kernel(tool, info.btf_id).map(whole)
        }
        "map" => {
            let map = tool.map(args, crate::tool::select::Access::Read)?;
            let info: MapInfo = info(&tool.kernel(), &map)?;
            let (key, value) = (TypeId(info.btf_key_type_id), TypeId(info.btf_value_type_id));
            let roots = if args.accept("key") {
                vec![key]
            } else if args.accept("value") {
                vec![value]
            } else if args.accept("all") {
                vec![]
            } else {
                // Without a word both are meant.
                let _ = args.accept("kv");
                vec![key, value]
            };
            let btf = from_kernel(tool, info.btf_id)?;
            Ok(Wanted { btf, has_roots: !roots.is_empty(), roots })
        }
        _ => files(tool, args).map(whole),
    }
}

/// The types that the user gave as base.
pub(super) fn given_base(tool: &Tool) -> Result<Option<Arc<Btf>>> {
    match &tool.options.base_btf {
        Some(path) => parse(path, None).map(Some).with_context(|| format!("base BTF '{}'", path.display())),
        None => Ok(None),
    }
}

/// The types of the kernel itself.
pub(super) fn vmlinux(tool: &mut Tool) -> Result<Arc<Btf>> {
    Ok(oxbpf::btf::vmlinux(&tool.kernel())?)
}

/// BTF of the kernel by id. That of a module is on top of vmlinux, or of the base that the user gave.
pub(super) fn from_kernel(tool: &mut Tool, id: u32) -> Result<Arc<Btf>> {
    let kernel = tool.kernel();
    let found = match given_base(tool)? {
        Some(base) => oxbpf::btf::by_id_on(&kernel, id, base),
        None => oxbpf::btf::by_id(&kernel, id),
    };
    match found {
        Err(e) if e.errno() == Errno::ENOENT => bail!("get btf by id ({id}): No such file or directory"),
        found => found.map(Arc::new).with_context(|| format!("get btf by id ({id})")),
    }
}

/// One file, or several on one base made one.
fn files(tool: &mut Tool, args: &mut Args<'_>) -> Result<Arc<Btf>> {
    let mut files: Vec<PathBuf> = vec![args.path("FILE")?.to_owned()];
    while args.accept("file") {
        files.push(args.path("FILE")?.to_owned());
    }
    // That one is the base of the others.
    let mut split: Vec<_> = files.iter().filter(|f| *f != Path::new(SYSFS_VMLINUX)).collect();
    let mut base = given_base(tool)?;
    if base.is_none() && split.iter().any(|f| f.starts_with(SYSFS)) {
        base = Some(vmlinux(tool)?);
    }
    if split.is_empty() {
        split = files.iter().take(1).collect();
    }
    if let [one] = split[..] {
        return parse(one, base).with_context(|| format!("failed to load BTF from {}", one.display()));
    }
    let base = base.ok_or_else(|| {
        anyhow!("base BTF is required when merging multiple BTF files; use -B/--base-btf or use sysfs paths")
    })?;
    let mut merged = BtfBuilder::new_split(base.clone());
    for file in split {
        let name = file.display();
        let btf =
            parse(file, Some(base.clone())).with_context(|| format!("failed to load BTF from {name}"))?;
        merged.append_btf(&btf).with_context(|| format!("failed to merge BTF from {name}"))?;
    }
    merged.dedup().context("failed to dedup combined BTF")?;
    merged.finish().map(Arc::new).context("failed to dedup combined BTF")
}
