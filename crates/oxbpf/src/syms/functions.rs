//! Functions in the symbol tables of a file: names in, file offsets out.

use std::path::Path;

use oxbpf_elf::{ElfError, ElfErrorKind, ExecFile};
use oxbpf_kernel::{Blob, Fact, Kernel};

use crate::error::{At, Error, Frame, Result};

/// The file offset of the function `name` in the program or library at `path`.
///
/// `name` may have a version behind `@` or `@@`: `malloc@GLIBC_2.2.5`.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) if there is no such file or function,
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the file is no ELF file or two functions have the name.
#[doc(alias = "elf_find_func_offset_from_file")]
pub fn function_offset(kernel: &Kernel, path: &Path, name: &str) -> Result<u64> {
    let file = read(kernel, path)?;
    let exec = parse(&file, path)?;
    exec.func(name).map(|f| f.file_offset).map_err(error)
}

/// The file offsets of functions, in the order of `names`.
///
/// # Errors
/// As [`function_offset`], for the first name that is not found.
#[doc(alias = "elf_resolve_syms_offsets")]
pub fn function_offsets(kernel: &Kernel, path: &Path, names: &[&str]) -> Result<Vec<u64>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let file = read(kernel, path)?;
    let exec = parse(&file, path)?;
    names.iter().map(|name| exec.func(name).map(|f| f.file_offset).map_err(error)).collect()
}

/// The file offsets of the functions whose names match a pattern of `*` and `?`.
///
/// # Errors
/// As [`function_offset`]; [`NotFound`](crate::ErrorKind::NotFound) if none matches.
#[doc(alias = "elf_resolve_pattern_offsets")]
pub fn matching_offsets(kernel: &Kernel, path: &Path, pattern: &str) -> Result<Vec<u64>> {
    let file = read(kernel, path)?;
    let offsets: Vec<u64> =
        parse(&file, path)?.funcs_by_glob(pattern).iter().map(|f| f.file_offset).collect();
    if offsets.is_empty() {
        return Err(Error::not_found("no function matches"));
    }
    Ok(offsets)
}

fn read(kernel: &Kernel, path: &Path) -> Result<Blob> {
    kernel.fact(Fact::Binary(path)).at(|| Frame::Path(path.into()))
}

fn parse<'d>(file: &'d Blob, path: &Path) -> Result<ExecFile<'d>> {
    ExecFile::parse(file, &path.to_string_lossy()).map_err(error)
}

fn error(e: ElfError) -> Error {
    let base = match e.kind() {
        ElfErrorKind::NoSuchSymbol { .. } | ElfErrorKind::NoSymbolTable => Error::not_found(""),
        _ => Error::invalid_input(""),
    };
    // The file is named by the caller.
    base.with_errno(e.errno()).with_message(e.kind().to_string()).with_source(e)
}
