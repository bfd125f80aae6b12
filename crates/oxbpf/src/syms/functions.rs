//! Functions in the symbol tables of a file.

use std::path::Path;

use oxbpf_kernel::Kernel;

use crate::error::{Error, Result};

/// x
pub fn function_offset(_kernel: &Kernel, _path: &Path, _name: &str) -> Result<u64> {
    Err(Error::not_found(""))
}
/// x
pub fn function_offsets(_kernel: &Kernel, _path: &Path, _name: &[&str]) -> Result<Vec<u64>> {
    Err(Error::not_found(""))
}
/// x
pub fn matching_offsets(_kernel: &Kernel, _path: &Path, _name: &str) -> Result<Vec<u64>> {
    Err(Error::not_found(""))
}
