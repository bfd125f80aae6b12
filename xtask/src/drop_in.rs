//! `docs/drop-in.md`: each function of libbpf, with its version node, the tests that call it and the programs that use it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context, Result, bail};

use crate::capi::{Symbol, missing, symbols};
use crate::{root, say};

/// Where the table goes in the page.
const MARK: &str = "<!-- table -->\n";

/// Writes the page's table, or with `check` fails if it is not what it should be.
///
/// # Errors
/// If a source can't be read, or the page is not up to date.
pub fn main(check: bool) -> Result<()> {
    let path = root().join("docs/drop-in.md");
    let page = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let head = page.split_once(MARK).with_context(|| format!("{}: no {MARK}", path.display()))?.0;
    let new = format!("{head}{MARK}{}", table()?);
    if new != page && check {
        bail!("docs/drop-in.md is not up to date: cargo xtask codegen headers");
    }
    std::fs::write(&path, new)?;
    say("docs/drop-in.md: written");
    Ok(())
}

fn table() -> Result<String> {
    let (symbols, missing) = (symbols()?, missing()?);
    let (tests, clients) = (tests()?, clients()?);
    let mut out =
        String::from("\n| Function | Node | Header | Tests | Clients |\n| --- | --- | --- | --- | --- |\n");
    for Symbol { name, node, header, .. } in &symbols {
        let calling: Vec<&str> =
            tests.iter().filter(|(_, text)| calls(text, name)).map(|(test, _)| test.as_str()).collect();
        let using = clients.get(name.as_str()).map(|c| c.join(", ")).unwrap_or_default();
        let node = if missing.contains(name) { "not there yet" } else { node.trim_start_matches("LIBBPF_") };
        let _ = writeln!(out, "| `{name}` | {node} | {header} | {} | {using} |", calling.join(", "));
    }
    Ok(out)
}

/// Whether a C program calls a function.
fn calls(text: &str, name: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + name.len()..).and_then(|t| t.chars().next());
        !before.is_some_and(is_word) && after == Some('(')
    })
}

/// Name and text of the tests in C.
fn tests() -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("crates/oxbpf-capi/tests/c"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "c") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            found.push((name, std::fs::read_to_string(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

/// The programs that use each function, as `abi/clients.tsv` has them: program, functions.
fn clients() -> Result<BTreeMap<String, Vec<String>>> {
    let path = root().join("crates/oxbpf-capi/abi/clients.tsv");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let mut clients: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let Some((client, functions)) = line.split_once('\t') else { continue };
        for function in functions.split(' ') {
            clients.entry(function.to_owned()).or_default().push(client.to_owned());
        }
    }
    Ok(clients)
}
