//! Generated files. With `--check` nothing is written and a difference is an error.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{root, run, say};

/// Writes the C headers and the page about them, and unless `headers` is asked for alone, rebuilds the example objects and the test objects with clang-19, as their Makefiles say.
///
/// # Errors
/// If clang is missing, a build fails, or `--check` finds a difference.
pub fn main(args: &[String]) -> Result<()> {
    let check = args.iter().any(|a| a == "--check");
    crate::headers::main(check)?;
    crate::drop_in::main(check)?;
    if args.iter().any(|a| a == "headers") {
        return Ok(());
    }
    for dir in ["examples", "testdata/objects", "testdata/rejected", "testdata/usdt", "testdata/attach"] {
        let dir = root().join(dir);
        if !dir.join("Makefile").exists() {
            continue;
        }
        let before = objects(&dir)?;
        run(Command::new("make").arg("-s").arg("-B").arg("-C").arg(&dir))?;
        let after = objects(&dir)?;
        let changed: Vec<_> =
            after.iter().filter(|o| !before.contains(o)).map(|(name, _)| name.as_str()).collect();
        if check {
            for (name, bytes) in &before {
                std::fs::write(dir.join(name), bytes)?;
            }
            if !changed.is_empty() {
                bail!("{}: not what their sources give: {}", dir.display(), changed.join(", "));
            }
        }
        say(&format!("{}: {} objects, {} changed", dir.display(), after.len(), changed.len()));
    }
    Ok(())
}

fn objects(dir: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".o") {
            found.push((name, std::fs::read(entry.path())?));
        }
    }
    found.sort();
    Ok(found)
}
