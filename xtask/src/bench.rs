//! Benchmarks: a package of its own, outside the workspace, since its peers are C libbpf, libbpf-rs and aya.

use anyhow::Result;

use crate::{cargo, root, run};

/// Builds `bench/` and the release binaries that it measures, and passes the arguments on.
///
/// # Errors
/// If something does not build or run; never for a slow row.
pub fn main(args: &[String]) -> Result<()> {
    let manifest = root().join("bench/Cargo.toml");
    run(cargo().args(["build", "--release", "--package", "oxbpf-cli"]))?;
    run(cargo().args(["run", "--release", "--quiet", "--manifest-path"]).arg(manifest).arg("--").args(args))
}
