//! Rules of the tree that the compiler does not know. They run as tests too, so `cargo test` finds a breach.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::{cargo, output, root, say};

/// Layer of each crate: it may use crates of lower layers only, besides [`SAME_LAYER`].
const LAYERS: &[(&str, u8)] = &[
    ("oxbpf-uapi", 0),
    ("oxbpf-btf", 1),
    ("oxbpf-elf", 1),
    ("oxbpf-asm", 1),
    ("oxbpf-kernel", 2),
    ("oxbpf-object", 2),
    ("oxbpf-relo", 2),
    ("oxbpf-loader-gen", 3),
    ("oxbpf-sys", 3),
    ("oxbpf-linker", 3),
    ("oxbpf-verifier", 3),
    ("oxbpf-vm", 3),
    ("oxbpf", 4),
    ("oxbpf-runtime", 4),
    ("oxbpf-cli", 5),
    ("oxbpf-capi", 5),
];

/// Uses within a layer that the design allows.
const SAME_LAYER: &[(&str, &str)] = &[("oxbpf-elf", "oxbpf-btf")];

/// Crates that never touch a kernel, a file or a clock.
const PURE: &[&str] = &[
    "oxbpf-uapi",
    "oxbpf-btf",
    "oxbpf-elf",
    "oxbpf-asm",
    "oxbpf-object",
    "oxbpf-relo",
    "oxbpf-linker",
    "oxbpf-verifier",
];

/// Files that may hold unsafe code; ARCHITECTURE.md lists the same.
pub const UNSAFE_FILES: &[&str] = &[
    "crates/oxbpf-capi/src/arg.rs",
    "crates/oxbpf-capi/src/fd.rs",
    "crates/oxbpf-capi/src/memory.rs",
    "crates/oxbpf-capi/src/print.rs",
    "crates/oxbpf-capi/src/ret.rs",
    "crates/oxbpf-capi/src/sys.rs",
    "crates/oxbpf-kernel/src/mapping.rs",
    "crates/oxbpf-kernel/src/mapping/ring.rs",
    "crates/oxbpf-sys/src/attr.rs",
    "crates/oxbpf-sys/src/syscall.rs",
    "crates/oxbpf-vm/src/mem/cage.rs",
];

/// Files longer than this have a second idea in them; tables and generated files are exempt.
const MAX_LINES: usize = 1000;

/// Runs every check.
///
/// # Errors
/// With all breaches found.
pub fn main(_args: &[String]) -> Result<()> {
    let mut breaches = Vec::new();
    for (name, check) in CHECKS {
        let found = check()?;
        say(&format!("tidy: {name}: {}", if found.is_empty() { "clean" } else { "NOT clean" }));
        breaches.extend(found);
    }
    if breaches.is_empty() { Ok(()) } else { bail!("{}", breaches.join("\n")) }
}

/// A name, and a function that gives one line a breach.
type Check = (&'static str, fn() -> Result<Vec<String>>);

const CHECKS: &[Check] = &[
    ("dependency direction", dependency_direction),
    ("unsafe files", unsafe_files),
    ("purity", purity),
    ("file length", file_length),
    ("to-do notes", todo_notes),
    ("licence lines", licence_lines),
    ("read me", read_me),
];

fn dependency_direction() -> Result<Vec<String>> {
    let meta = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let meta: serde_json::Value = serde_json::from_str(&meta)?;
    let layers: BTreeMap<_, _> = LAYERS.iter().copied().collect();
    let mut breaches = Vec::new();
    for package in meta.get("packages").and_then(|p| p.as_array()).context("no packages")? {
        let name = package.get("name").and_then(|n| n.as_str()).context("no name")?;
        let Some(layer) = layers.get(name) else {
            if !["xtask", "testkit"].contains(&name) {
                breaches.push(format!("{name}: has no layer in xtask/src/tidy.rs"));
            }
            continue;
        };
        for dep in package.get("dependencies").and_then(|d| d.as_array()).context("no dependencies")? {
            let is_dev = dep.get("kind").and_then(|k| k.as_str()) == Some("dev");
            let dep = dep.get("name").and_then(|n| n.as_str()).context("no name")?;
            if is_dev {
                continue;
            }
            if ["testkit", "xtask"].contains(&dep) {
                breaches.push(format!("{name}: uses {dep}, which is for tests only"));
            }
            let allowed = layers.get(dep).is_none_or(|d| d < layer) || SAME_LAYER.contains(&(name, dep));
            if !allowed {
                breaches.push(format!("{name}: may not use {dep}, which is not below it"));
            }
        }
    }
    Ok(breaches)
}

fn unsafe_files() -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    let mut seen = Vec::new();
    for (path, text) in rust_files()? {
        let marker = concat!("#![allow(", "unsafe_code");
        if !text.contains(marker) {
            continue;
        }
        if !UNSAFE_FILES.contains(&path.as_str()) {
            breaches.push(format!("{path}: allows unsafe code and is not in the list"));
        }
        if !text.contains("//! # Safety") {
            breaches.push(format!("{path}: has no `# Safety` in its module documentation"));
        }
        seen.push(path);
    }
    let architecture = std::fs::read_to_string(root().join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    for file in UNSAFE_FILES {
        if !seen.iter().any(|s| s == file) {
            breaches.push(format!("{file}: is listed as unsafe and is not"));
        }
        if !architecture.contains(file) {
            breaches.push(format!("ARCHITECTURE.md does not list {file} as unsafe"));
        }
    }
    Ok(breaches)
}

fn purity() -> Result<Vec<String>> {
    let words = [
        "std::fs",
        "std::net",
        "std::process",
        "std::time::",
        "std::env::",
        "File::open",
        "libc::",
        "rustix::",
    ];
    let mut breaches = Vec::new();
    for (path, text) in rust_files()? {
        let Some(name) = PURE.iter().find(|c| path.starts_with(&format!("crates/{c}/src/"))) else {
            continue;
        };
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (number, line) in code.lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            if let Some(word) = words.iter().find(|w| line.contains(*w)) {
                breaches.push(format!("{path}:{}: {name} is pure, and this uses `{word}`", number + 1));
            }
        }
    }
    Ok(breaches)
}

fn file_length() -> Result<Vec<String>> {
    let exempt = |path: &str| {
        let name = path.rsplit('/').next().unwrap_or_default();
        name.contains("table") || path.contains("/generated/") || path.starts_with("crates/oxbpf-uapi/")
    };
    let long = rust_files()?.into_iter().filter(|(p, t)| !exempt(p) && t.lines().count() > MAX_LINES);
    Ok(long.map(|(p, t)| format!("{p}: {} lines, more than {MAX_LINES}", t.lines().count())).collect())
}

fn todo_notes() -> Result<Vec<String>> {
    let words = [concat!("TO", "DO"), concat!("XX", "X"), concat!("HA", "CK")];
    let mut breaches = Vec::new();
    for (path, text) in rust_files()? {
        for (number, line) in text.lines().enumerate() {
            let comment = line.split_once("//").map_or("", |(_, c)| c);
            if words.iter().any(|w| comment.split(|c: char| !c.is_alphabetic()).any(|x| x == *w)) {
                breaches.push(format!("{path}:{}: a note without an owner", number + 1));
            }
        }
    }
    Ok(breaches)
}

/// C and BPF sources carry their own licence line, since they are not under the licence of the Rust code.
fn licence_lines() -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for path in files(&["examples", "testdata"])? {
        let is_c = path.extension().is_some_and(|e| e == "c" || e == "h");
        let text = if is_c { std::fs::read_to_string(&path)? } else { continue };
        if !text.lines().take(3).any(|l| l.contains("SPDX-License-Identifier")) {
            breaches.push(format!("{}: no SPDX-License-Identifier", path.display()));
        }
    }
    Ok(breaches)
}

/// The program that the read me shows is the one that is built.
fn read_me() -> Result<Vec<String>> {
    let read_me = std::fs::read_to_string(root().join("README.md"))?;
    let example = std::fs::read_to_string(root().join("examples/opensnoop.rs"))?;
    let shown = read_me.contains(&format!("```rust\n{example}```"));
    Ok(if shown {
        Vec::new()
    } else {
        vec!["README.md does not show examples/opensnoop.rs as it is".to_owned()]
    })
}

pub(crate) fn rust_files() -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for path in files(&["crates", "xtask", "bench", "examples"])? {
        if path.extension().is_some_and(|e| e == "rs") {
            let name = path.strip_prefix(root()).unwrap_or(&path).display().to_string();
            found.push((name, std::fs::read_to_string(&path)?));
        }
    }
    Ok(found)
}

fn files(dirs: &[&str]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut queue: Vec<PathBuf> = dirs.iter().map(|d| root().join(d)).filter(|d| d.exists()).collect();
    while let Some(dir) = queue.pop() {
        for entry in std::fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
            let path = entry?.path();
            match path.is_dir() {
                true if path.file_name() == Some(Path::new("target").as_os_str()) => {}
                true => queue.push(path),
                false => found.push(path),
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) {
        let (_, check) = CHECKS.iter().find(|c| c.0 == name).unwrap();
        let breaches = check().unwrap();
        assert!(breaches.is_empty(), "{}", breaches.join("\n"));
    }

    #[test]
    fn crates_use_only_lower_layers() {
        check("dependency direction");
    }

    #[test]
    fn unsafe_code_is_only_where_listed() {
        check("unsafe files");
    }

    #[test]
    fn pure_crates_touch_nothing_outside() {
        check("purity");
    }

    #[test]
    fn files_have_one_idea() {
        check("file length");
    }

    #[test]
    fn notes_have_owners() {
        check("to-do notes");
    }

    #[test]
    fn the_read_me_shows_the_example() {
        check("read me");
    }

    #[test]
    fn c_sources_name_their_licence() {
        check("licence lines");
    }
}
