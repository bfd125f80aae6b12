//! Functions in the symbol tables of a file: names in, file offsets out.

use std::path::Path;

use oxbpf_kernel::Kernel;

use super::binary::{Binary, Contents};
use crate::error::{Error, Result};

/// The file offset of the function `name` in the program or library at `path`, or of a library in an archive
/// (`/data/app.apk!/lib/x.so`), where it is that in the archive.
///
/// `name` may have a version behind `@` or `@@`: `malloc@GLIBC_2.2.5`.
///
/// # Errors
/// [`NotFound`](crate::ErrorKind::NotFound) if there is no such file or function,
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) if the file is no ELF file or two functions have the name.
#[doc(alias = "elf_find_func_offset_from_file")]
pub fn function_offset(kernel: &Kernel, path: &Path, name: &str) -> Result<u64> {
    let binary = Binary::open(kernel, path)?;
    binary.contents()?.function(&binary, name)
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
    let binary = Binary::open(kernel, path)?;
    let contents = binary.contents()?;
    names.iter().map(|name| contents.function(&binary, name)).collect()
}

/// The file offsets of the functions whose names match a pattern of `*` and `?`.
///
/// # Errors
/// As [`function_offset`]; [`NotFound`](crate::ErrorKind::NotFound) if none matches.
#[doc(alias = "elf_resolve_pattern_offsets")]
pub fn matching_offsets(kernel: &Kernel, path: &Path, pattern: &str) -> Result<Vec<u64>> {
    let binary = Binary::open(kernel, path)?;
    matching(&binary.contents()?, pattern)
}

pub(crate) fn matching(contents: &Contents<'_>, pattern: &str) -> Result<Vec<u64>> {
    let found = contents.exec.funcs_by_glob(pattern);
    let offsets: Vec<u64> = found.iter().filter_map(|f| f.file_offset.checked_add(contents.start)).collect();
    if offsets.is_empty() {
        return Err(Error::not_found("no function matches"));
    }
    Ok(offsets)
}
