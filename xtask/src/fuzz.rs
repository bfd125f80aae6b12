//! Hostile input: a package of its own, outside the workspace, since libFuzzer is C++. Here its deterministic part.

use anyhow::Result;

use crate::{cargo, root, run};

/// Builds `fuzz/` without libFuzzer and runs its mutants; the arguments are passed on.
///
/// # Errors
/// If it does not build, or an input panics, hangs, or takes too much time or memory.
pub fn main(args: &[String]) -> Result<()> {
    let manifest = root().join("fuzz/Cargo.toml");
    let build = ["run", "--release", "--quiet", "--no-default-features", "--bin", "mutants"];
    run(cargo().args(build).arg("--manifest-path").arg(manifest).arg("--").args(args))
}
