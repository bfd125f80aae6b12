//! Where the files are that tests read.

use std::path::{Path, PathBuf};

/// The repository's root: the directory that has `crates/`, or what `OXBPF_TEST_ROOT` names.
pub fn root() -> PathBuf {
    if let Some(root) = std::env::var_os("OXBPF_TEST_ROOT").filter(|r| !r.is_empty()) {
        return root.into();
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// A file of `testdata/`.
pub fn testdata(path: impl AsRef<Path>) -> PathBuf {
    root().join("testdata").join(path)
}

/// A file of `examples/`.
pub fn example(path: impl AsRef<Path>) -> PathBuf {
    root().join("examples").join(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixtures_are_found() {
        assert!(testdata("uapi/linux-7.2.txt").is_file());
        assert!(example("README.md").is_file());
    }
}
