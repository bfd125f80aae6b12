//! `iter`: iterators, given a name to be read by.

use anyhow::{Context, Result, bail};
use oxbpf::ObjectBuilder;
use oxbpf::link::{IterOpts, IterTarget};
use oxbpf_kernel::MapFd;

use super::pin::pin_at;
use super::select::Access;
use super::{Args, Noun, Tool, Verb, terms};

pub(super) const NOUN: Noun = Noun {
    name: "iter",
    verbs: &[Verb { name: "pin", alias: None, usage: "OBJ PATH [map MAP]", run: pin }],
    terms: &[terms::MAP],
};

fn pin(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let file = args.path("OBJ")?;
    let path = args.path("PATH")?;
    let map = if args.accept("map") { Some(MapFd(tool.map(args, Access::Read)?)) } else { None };
    args.end()?;
    let shown = file.display();
    let kernel = tool.kernel();
    let open = ObjectBuilder::new()
        .kernel(kernel)
        .open_file(file)
        .with_context(|| format!("can't open objfile {shown}"))?;
    let object = open.load().with_context(|| format!("can't load objfile {shown}"))?;
    let Some(program) = object.programs().next() else { bail!("can't find bpf program in objfile {shown}") };
    let target = map.as_ref().map_or(IterTarget::All, IterTarget::Map);
    let mut link = program
        .attach_iter(IterOpts { target })
        .with_context(|| format!("attach_iter failed for program {}", program.name()))?;
    pin_at(tool, path, |_| Ok(link.pin(path)?)).with_context(|| {
        format!("pin_iter failed for program {} to path {}", program.name(), path.display())
    })?;
    tool.out.null();
    Ok(())
}
