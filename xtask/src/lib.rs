//! Tasks of the repository. Each module is one task; `main` only picks.

pub mod bench;
pub mod capi;
pub mod capi_test;
pub mod ci;
pub mod codegen;
pub mod cross;
pub mod drop_in;
pub mod fuzz;
pub mod headers;
pub mod tidy;
pub mod vm;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The root of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Runs a command in the root and fails with its line if it fails.
///
/// # Errors
/// If it cannot be started or does not exit with 0.
pub fn run(cmd: &mut Command) -> Result<()> {
    cmd.current_dir(root());
    let line = line(cmd);
    say(&format!("+ {line}"));
    let status = cmd.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// Runs a command in the root and gives what it printed.
///
/// # Errors
/// If it cannot be started or does not exit with 0.
pub fn output(cmd: &mut Command) -> Result<String> {
    cmd.current_dir(root());
    let line = line(cmd);
    let out = cmd.output().with_context(|| format!("cannot start `{line}`"))?;
    if !out.status.success() {
        bail!("`{line}` failed: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
    }
    Ok(String::from_utf8_lossy(&out.stdout).into_owned())
}

/// The Cargo that runs this task.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The directory that Cargo builds into.
///
/// # Errors
/// If Cargo cannot tell.
pub fn target_dir() -> Result<PathBuf> {
    let meta = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let meta: serde_json::Value = serde_json::from_str(&meta)?;
    let dir =
        meta.get("target_directory").and_then(|d| d.as_str()).context("cargo metadata names no target")?;
    Ok(PathBuf::from(dir))
}

/// Prints a line for whoever runs the task.
#[allow(clippy::print_stdout, reason = "a task talks to the terminal")]
pub fn say(line: &str) {
    println!("{line}");
}

fn line(cmd: &Command) -> String {
    let words = std::iter::once(cmd.get_program()).chain(cmd.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
