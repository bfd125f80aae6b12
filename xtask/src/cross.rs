//! Other architectures and the oldest supported Rust, in a Debian 13 root under `target/debian13`.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{cargo, root, run};

/// `ARCH CARGO-ARGS…`: runs Cargo of Rust 1.85 for `amd64`, `arm64`, `armhf`, `riscv64`, `s390x` or `ppc64el`.
///
/// # Errors
/// If the root cannot be made (it needs root rights and debootstrap) or Cargo fails.
pub fn main(args: &[String]) -> Result<()> {
    let [arch, rest @ ..] = args else { bail!("which architecture?") };
    run(cargo().args(["fetch", "--locked"]))?;
    run(Command::new("bash").arg(root().join("xtask/scripts/cross.sh")).args([arch, "cargo"]).args(rest))
}
