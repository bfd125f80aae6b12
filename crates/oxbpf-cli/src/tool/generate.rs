//! `oxbpf gen`: files made of object files.

use std::path::Path;

use anyhow::{Context, Result, bail};
use oxbpf::Linker;
use oxbpf_btf::{Btf, BtfExt, Bytes};
use oxbpf_elf::ElfObject;
use oxbpf_relo::{MinBtf, relocate_only};

use super::{Args, Noun, Tool, Verb};

pub(super) const NOUN: Noun = Noun {
    name: "gen",
    verbs: &[
        Verb { name: "object", alias: None, usage: "OUTPUT OBJECT [OBJECT...]", run: object },
        Verb {
            name: "min_core_btf",
            alias: None,
            usage: "INPUT OUTPUT OBJECT [OBJECT...]",
            run: min_core_btf,
        },
        Verb { name: "relocate", alias: None, usage: "OBJECT OUTPUT btf INPUT", run: relocate },
    ],
    terms: &[
        ("INPUT", "types of a kernel: a file with raw BTF, or an ELF file with .BTF"),
        ("OBJECT", "a BPF object file"),
    ],
};

/// Links objects into one.
fn object(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let output = args.path("OUTPUT")?;
    let mut linker = Linker::new();
    let mut next = args.path("OBJECT")?;
    loop {
        linker.add_file(next).context("failed to link")?;
        if args.is_empty() {
            break;
        }
        next = args.path("OBJECT")?;
    }
    linker.write_file(output).context("failed to link")?;
    done(tool)
}

/// Keeps of a kernel's types what the CO-RE relocations of objects need.
fn min_core_btf(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let (input, output) = (args.path("INPUT")?, args.path("OUTPUT")?);
    let first = args.path("OBJECT")?;
    let target = types(input)?;
    let mut min = MinBtf::new(&target);
    let mut next = Some(first);
    while let Some(path) = next {
        add_object(&mut min, &read(path)?, path).with_context(|| path.display().to_string())?;
        next = if args.is_empty() { None } else { Some(args.path("OBJECT")?) };
    }
    write(output, &min.build()?.to_bytes()?)?;
    done(tool)
}

/// Makes an object's CO-RE relocations against types from a file.
fn relocate(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    let (object, output) = (args.path("OBJECT")?, args.path("OUTPUT")?);
    if !args.accept("btf") {
        bail!("expected 'btf' and a file of types, got '{}'", args.peek());
    }
    let target = types(args.path("INPUT")?)?;
    args.end()?;
    let name = object.to_string_lossy();
    let relocated = relocate_only(&read(object)?, &name, &target).with_context(|| name.into_owned())?;
    for p in &relocated.poisoned {
        log::warn!("section '{}': instruction {}: {}", p.section, p.insn, p.why);
    }
    log::info!("{} relocations, {} without a match", relocated.relocations, relocated.poisoned.len());
    write(output, &relocated.bytes)?;
    done(tool)
}

pub(super) fn done(tool: &mut Tool) -> Result<()> {
    if tool.out.is_json() {
        tool.out.null();
    }
    Ok(())
}

fn add_object(min: &mut MinBtf<'_>, object: &[u8], path: &Path) -> Result<()> {
    let elf = ElfObject::parse(object, &path.to_string_lossy())?;
    let section = |name| elf.section_by_name(name).with_context(|| format!("it has no section {name}"));
    let (btf, ext) = (section(".BTF")?.data.to_vec(), section(".BTF.ext")?.data.to_vec());
    Ok(min.add_object(&Btf::parse(btf)?, &BtfExt::parse(ext)?)?)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let is_new = !path.exists();
    std::fs::write(path, bytes).with_context(|| {
        if is_new {
            // Half a file is worse than none.
            let _ = std::fs::remove_file(path);
        }
        path.display().to_string()
    })
}

/// Types from a file that is BTF or has a section of it.
fn types(path: &Path) -> Result<Btf> {
    let bytes = Bytes::from(read(path)?);
    let section = ElfObject::parse(&bytes, &path.to_string_lossy()).ok();
    let section = section.and_then(|elf| bytes.slice(elf.section_by_name(".BTF")?.range.clone()));
    Btf::parse(section.unwrap_or(bytes)).with_context(|| path.display().to_string())
}
