//! `oxbpf gen`: files made of object files.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Subcommand;
use oxbpf_btf::{Btf, BtfExt, Bytes};
use oxbpf_elf::ElfObject;
use oxbpf_relo::{MinBtf, relocate_only};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

/// Make files of object files.
#[derive(Debug, Subcommand)]
enum Verb {
    /// Keep of a kernel's types what the CO-RE relocations of objects need
    #[command(name = "min_core_btf")]
    MinCoreBtf {
        /// Types: raw BTF, or an ELF file with .BTF
        input: PathBuf,
        /// Where to write them, raw
        output: PathBuf,
        /// Objects that have to be relocated with them
        #[arg(required = true)]
        objects: Vec<PathBuf>,
    },
    /// Make an object's CO-RE relocations against types from a file
    Relocate {
        /// The object
        object: PathBuf,
        /// Types: raw BTF, or an ELF file with .BTF
        #[arg(long, value_name = "FILE")]
        btf: PathBuf,
        /// Where to write the relocated object
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}

pub(crate) fn main(args: Args) -> Result<ExitCode> {
    match args.verb {
        Verb::MinCoreBtf { input, output, objects } => min_core_btf(&input, &output, &objects)?,
        Verb::Relocate { object, btf, output } => relocate(&object, &btf, &output)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn min_core_btf(input: &Path, output: &Path, objects: &[PathBuf]) -> Result<()> {
    let target = types(input)?;
    let mut min = MinBtf::new(&target);
    for path in objects {
        let object = read(path)?;
        add_object(&mut min, &object, path).with_context(|| path.display().to_string())?;
    }
    write(output, &min.build()?.to_bytes()?)
}

fn add_object(min: &mut MinBtf<'_>, object: &[u8], path: &Path) -> Result<()> {
    let elf = ElfObject::parse(object, &path.to_string_lossy())?;
    let section = |name| elf.section_by_name(name).with_context(|| format!("it has no section {name}"));
    let (btf, ext) = (section(".BTF")?.data.to_vec(), section(".BTF.ext")?.data.to_vec());
    Ok(min.add_object(&Btf::parse(btf)?, &BtfExt::parse(ext)?)?)
}

fn relocate(object: &Path, btf: &Path, output: &Path) -> Result<()> {
    let target = types(btf)?;
    let name = object.to_string_lossy();
    let done = relocate_only(&read(object)?, &name, &target).with_context(|| name.into_owned())?;
    for p in &done.poisoned {
        log::warn!("section '{}': instruction {}: {}", p.section, p.insn, p.why);
    }
    log::info!("{} relocations, {} without a match", done.relocations, done.poisoned.len());
    write(output, &done.bytes)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| path.display().to_string())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    std::fs::write(path, bytes).with_context(|| path.display().to_string())
}

/// Types from a file that is BTF or has a section of it.
fn types(path: &Path) -> Result<Btf> {
    let bytes = Bytes::from(read(path)?);
    let section = ElfObject::parse(&bytes, &path.to_string_lossy()).ok();
    let section = section.and_then(|elf| bytes.slice(elf.section_by_name(".BTF")?.range.clone()));
    Btf::parse(section.unwrap_or(bytes)).with_context(|| path.display().to_string())
}
