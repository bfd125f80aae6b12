//! The C headers of `oxbpf-capi`: hand-written types from `abi/*.h`, and a declaration of each function with what the
//! Rust function says of itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::capi::{Symbol, missing, symbols};
use crate::root;

/// The headers that have functions.
const HEADERS: [&str; 4] = ["bpf.h", "btf.h", "libbpf.h", "libbpf_legacy.h"];
/// Where functions go in a file of `abi`.
const MARK: &str = "@functions@\n";
/// Width of a line, a tab counted as eight.
const WIDTH: usize = 110;

/// What a Rust function says of itself, and what kind of result it has.
#[derive(Debug, Default)]
struct Doc {
    lines: Vec<String>,
    result: String,
}

/// Every header's path and contents.
///
/// # Errors
/// If a source can't be read, or a function says nothing of itself.
pub fn all() -> Result<Vec<(PathBuf, String)>> {
    let capi = root().join("crates/oxbpf-capi");
    // What is not exported yet is not declared either.
    let missing = missing()?;
    let symbols: Vec<Symbol> = symbols()?.into_iter().filter(|s| !missing.contains(&s.name)).collect();
    let docs = docs(&capi.join("src"))?;
    let silent: Vec<_> =
        symbols.iter().filter(|s| !docs.contains_key(&s.name)).map(|s| s.name.as_str()).collect();
    if !silent.is_empty() {
        bail!("functions without documentation: {}", silent.join(", "));
    }
    let mut headers = Vec::new();
    for name in HEADERS {
        let path = capi.join("abi").join(name);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let (head, tail) = text.split_once(MARK).with_context(|| format!("{}: no {MARK}", path.display()))?;
        let mut own: Vec<&Symbol> = symbols.iter().filter(|s| s.header == name).collect();
        own.sort_by_key(|s| (group(&s.name), s.name.clone()));
        let mut out = head.to_owned();
        for symbol in own {
            out += &declaration(symbol, docs.get(&symbol.name).unwrap_or(&Doc::default()));
        }
        headers.push((capi.join("include/bpf").join(name), out + tail));
    }
    Ok(headers)
}

/// What a function is about: the part of its name before the underscores.
fn group(name: &str) -> &str {
    match name.split_once("__") {
        Some((group, _)) => group,
        // Those without an object are called by what they do; the words say enough.
        None => "",
    }
}

fn declaration(symbol: &Symbol, doc: &Doc) -> String {
    let mut out = String::from("/**\n");
    for line in &doc.lines {
        let line = line.replace('`', "").replace("[", "").replace("]", "");
        let _ = writeln!(out, "{}", format!(" * {line}").trim_end());
    }
    let pointer = symbol.declaration.split('(').next().is_some_and(|d| d.contains('*'));
    let result = match doc.result.as_str() {
        "Int" => "what is said above, or 0; a negative error number, without the sign in errno too",
        _ if doc.result.starts_with("Out") && pointer => "NULL on an error, with errno",
        _ => "",
    };
    if !result.is_empty() {
        let _ = writeln!(out, " *\n * @return {result}");
    }
    out += " */\n";
    out += &wrapped(&format!("LIBBPF_API {};", symbol.declaration));
    out += "\n\n";
    out
}

/// A declaration in lines that are not too long.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    let mut width = 0;
    for (i, part) in text.split_inclusive(", ").enumerate() {
        if i > 0 && width + part.trim_end().len() > WIDTH {
            out.truncate(out.trim_end().len());
            out += "\n\t\t\t";
            width = 24;
        }
        out += part;
        width += part.len();
    }
    out
}

/// The documentation of all exported functions.
fn docs(dir: &Path) -> Result<BTreeMap<String, Doc>> {
    let mut all = BTreeMap::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).with_context(|| dir.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                read(&text, &mut all);
            }
        }
    }
    Ok(all)
}

/// Takes the functions of `export!` blocks, and of those that C calls directly, out of a source.
fn read(text: &str, all: &mut BTreeMap<String, Doc>) {
    let mut lines = Vec::new();
    let mut at = text.lines();
    while let Some(line) = at.next() {
        let line = line.trim();
        if let Some(doc) = line.strip_prefix("///") {
            lines.push(doc.strip_prefix(' ').unwrap_or(doc).to_owned());
            continue;
        }
        if line.starts_with("#[") {
            continue;
        }
        let function = line.split_once("fn ").filter(|(before, _)| {
            before.split_whitespace().all(|w| matches!(w, "pub" | "unsafe" | "extern" | "\"C\""))
        });
        if let Some((_, rest)) = function {
            let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            let mut head = rest.to_owned();
            while !head.contains('{') {
                let Some(more) = at.next() else { break };
                head += more.trim();
            }
            let result =
                head.rsplit_once("->").map_or("", |(_, r)| r.split('{').next().unwrap_or_default().trim());
            let doc = Doc { lines: without_errors(&lines), result: result.to_owned() };
            if !doc.lines.is_empty() {
                all.entry(name).or_insert(doc);
            }
        }
        lines.clear();
    }
}

/// Documentation with its section of errors as plain text.
fn without_errors(lines: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in lines {
        match line.as_str() {
            "# Errors" => {
                out.push("Errors:".into());
            }
            _ => out.push(line.clone()),
        }
    }
    out
}

/// Writes the headers, or with `check` says which are not as they should be.
///
/// # Errors
/// As [`all`]; if a file can't be written; with `check`, a difference.
pub fn main(check: bool) -> Result<()> {
    let mut stale = Vec::new();
    for (path, text) in all()? {
        let current = std::fs::read_to_string(&path).unwrap_or_default();
        if current == text {
            continue;
        }
        if check {
            stale.push(path.display().to_string());
        } else {
            std::fs::write(&path, text).with_context(|| path.display().to_string())?;
        }
    }
    if stale.is_empty() {
        Ok(())
    } else {
        bail!("not what `cargo xtask codegen` makes: {}", stale.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::process::Command;

    use super::*;

    const ALL: &str = "#include <bpf/libbpf.h>\n#include <bpf/bpf.h>\n#include <bpf/btf.h>\n#include <bpf/skel_internal.h>\n";

    #[test]
    fn headers_say_what_the_functions_say() {
        main(true).expect("the committed headers are current");
    }

    /// Compiles `source` with the headers; what the compiler says if it does not.
    fn compile(compiler: &str, language: &str, source: &str) -> Option<Result<(), String>> {
        let dir = std::env::temp_dir().join(format!("oxbpf-headers-{}-{language}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let path = dir.join("all.c");
        std::fs::write(&path, source).expect("writes");
        let include = root().join("crates/oxbpf-capi/include");
        let mut command = Command::new(compiler);
        command.args(["-x", language, "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]);
        let ended = command.arg("-I").arg(include).arg(&path).output();
        let _ = std::fs::remove_dir_all(&dir);
        let Ok(ended) = ended else {
            // The compiler is no part of what oxbpf needs.
            crate::say(&format!("SKIP: no {compiler}"));
            return None;
        };
        Some(if ended.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&ended.stderr).into_owned())
        })
    }

    #[test]
    fn headers_declare_what_the_table_has_with_the_layouts_of_libbpf() {
        let mut source = ALL.to_owned();
        let missing = missing().expect("the list");
        for symbol in symbols().expect("the table").iter().filter(|s| !missing.contains(&s.name)) {
            // A pointer of the declared type takes the function's address only if the header says the same.
            let pointer = symbol.declaration.replacen(
                &format!("{}(", symbol.name),
                &format!("(*p_{})(", symbol.name),
                1,
            );
            let _ = writeln!(source, "{pointer} = {};", symbol.name);
        }
        let layout =
            std::fs::read_to_string(root().join("crates/oxbpf-capi/abi/opts_layout.tsv")).expect("the table");
        let mut structs = 0;
        for row in layout.lines().skip(1) {
            let [name, size, end, ..] = row.split('\t').collect::<Vec<_>>()[..] else { panic!("{row}") };
            let _ = writeln!(source, "_Static_assert(sizeof(struct {name}) == {size}, \"{name}\");");
            structs += 1;
            // Skeletons have a size and no last field.
            if end == "-" {
                continue;
            }
            let field = format!("{name}__last_field");
            let _ = writeln!(
                source,
                "_Static_assert(offsetof(struct {name}, {field}) + sizeof(((struct {name} *)0)->{field}) == {end}, \"{name}\");"
            );
        }
        assert!(structs > 40, "{structs}");
        if let Some(Err(why)) = compile("cc", "c", &source) {
            panic!("{why}");
        }
    }

    #[test]
    fn headers_are_cxx_too() {
        if let Some(Err(why)) = compile("c++", "c++", ALL) {
            panic!("{why}");
        }
    }
}
