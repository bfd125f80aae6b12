//! Benchmarks: a package of its own, outside the workspace, since its peers are C libbpf, libbpf-rs and aya.

use anyhow::Result;

use crate::{cargo, root, run, target_dir};

/// Builds `bench/` and the release binary that it measures, and passes the arguments on. All are linked statically. Takes Debian's libelf-dev and zlib1g-dev.
///
/// # Errors
/// If something does not build or run; never for a slow row.
pub fn main(args: &[String]) -> Result<()> {
    const TARGET: &str = "x86_64-unknown-linux-gnu";
    let dir = root().join("bench");
    let flags = ("RUSTFLAGS", "-C target-feature=+crt-static");
    run(cargo().args(["build", "--release", "--package", "oxbpf-cli"]))?;
    // With a target, the flags are not those of build scripts and macros.
    let build = ["build", "--release", "--bins", "--target", TARGET, "--manifest-path"];
    // Where Debian has libelf.a and libz.a, which C libbpf wants.
    let libraries = ("LIBBPF_SYS_LIBRARY_PATH", "/usr/lib/x86_64-linux-gnu");
    run(cargo().args(build).arg(dir.join("Cargo.toml")).env(flags.0, flags.1).env(libraries.0, libraries.1))?;
    let binary = target_dir()?.join("release/oxbpf");
    let target = match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => std::path::PathBuf::from(target),
        None => dir.join("target"),
    };
    let bench = target.join(TARGET).join("release/oxbpf-bench");
    run(std::process::Command::new(bench).args(args).env("OXBPF_RELEASE_BINARY", binary))
}
