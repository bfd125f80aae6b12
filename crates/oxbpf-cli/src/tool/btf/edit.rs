//! `btf dedup`, `distill`, `relocate`: files of types made of others.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use oxbpf_btf::{Btf, BtfBuilder};

use super::dump::given_base;
use super::read::{elf_section, parse};
use crate::tool::generate::{done, read, write};
use crate::tool::{Args, Tool};

/// All types of the files, each once.
pub(super) fn dedup(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let output = args.path("OUTPUT")?;
    let mut files: Vec<PathBuf> = vec![args.path("FILE")?.to_owned()];
    while !args.is_empty() {
        files.push(args.path("FILE")?.to_owned());
    }
    let base = given_base(tool)?;
    let mut merged = match &base {
        Some(base) => BtfBuilder::new_split(base.clone()),
        None => BtfBuilder::new(),
    };
    for file in &files {
        let name = || file.display().to_string();
        let btf = parse(file, base.clone()).with_context(name)?;
        merged.append_btf(&btf).with_context(name)?;
    }
    merged.dedup().context("cannot deduplicate")?;
    write(output, &merged.to_bytes()?)?;
    done(tool)
}

/// Split types on a base that has no more than they need.
pub(super) fn distill(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let file = args.path("FILE")?;
    let (base_output, output) = (args.path("BASE_OUTPUT")?, args.path("OUTPUT")?);
    args.end()?;
    let Some(base) = given_base(tool)? else { bail!("say with -B which types {} is on", file.display()) };
    let name = || file.display().to_string();
    let (base, split) = parse(file, Some(base)).with_context(name)?.distill_base().with_context(name)?;
    write(base_output, base.raw())?;
    write(output, split.raw())?;
    done(tool)
}

/// Split types on a distilled base, put on the whole base of another build.
pub(super) fn relocate(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let file = args.path("FILE")?;
    let output = args.path("OUTPUT")?;
    let distilled = if args.accept("base") { Some(args.path("BASE_FILE")?) } else { None };
    args.end()?;
    let Some(base) = given_base(tool)? else { bail!("say with -B which types to put {} on", file.display()) };
    let (btf, distilled) = sections(file, distilled)?;
    let btf = Btf::parse_on(btf, Some(distilled.into()), Some(&base));
    let btf = btf.with_context(|| file.display().to_string())?;
    write(output, btf.raw())?;
    done(tool)
}

/// The types of a file and their distilled base: two sections of an ELF file, or two files.
fn sections(file: &Path, distilled: Option<&Path>) -> Result<(Vec<u8>, Vec<u8>)> {
    let bytes = read(file)?;
    match distilled {
        Some(distilled) if bytes.starts_with(b"\x7fELF") => {
            Ok((elf_section(&bytes, file, ".BTF")?, read(distilled)?))
        }
        Some(distilled) => Ok((bytes, read(distilled)?)),
        None if bytes.starts_with(b"\x7fELF") => {
            Ok((elf_section(&bytes, file, ".BTF")?, elf_section(&bytes, file, ".BTF.base")?))
        }
        None => bail!("{} has no section .BTF.base: say with 'base' which file has it", file.display()),
    }
}
