//! A file of types in, BTF out: raw bytes, an ELF file, or what `btf dump` showed, as text or as JSON.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use oxbpf_btf::{Btf, text};
use serde_json::{Map, Value};

/// The types of a file, whichever of the forms it has.
pub(super) fn parse(path: &Path, base: Option<Arc<Btf>>) -> Result<Arc<Btf>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    // BTF begins with 0x9f or 0xeb, so with none of these.
    let btf = match bytes.first() {
        Some(b'{') => from_text(&to_text(&serde_json::from_slice(&bytes)?)?, base)?,
        Some(b'[') => from_text(core::str::from_utf8(&bytes)?, base)?,
        _ => {
            let bytes =
                if bytes.starts_with(b"\x7fELF") { elf_section(&bytes, path, ".BTF")? } else { bytes };
            match base {
                Some(base) => Btf::parse_split(bytes, base)?,
                None => Btf::parse(bytes)?,
            }
        }
    };
    Ok(Arc::new(btf))
}

pub(super) fn elf_section(bytes: &[u8], path: &Path, name: &str) -> Result<Vec<u8>> {
    let file = oxbpf_elf::ExecFile::parse(bytes, &path.display().to_string())?;
    Ok(file.section(name).with_context(|| format!("it has no section {name}"))?.to_vec())
}

fn from_text(text: &str, base: Option<Arc<Btf>>) -> Result<Btf> {
    Ok(match base {
        Some(base) => text::parse_split(text, base)?,
        None => text::parse(text)?,
    })
}

/// The JSON form as the text form: both have the same words, JSON as members of objects, and the elements of a type as
/// objects in its one array.
fn to_text(json: &Value) -> Result<String> {
    let types = json.get("types").and_then(Value::as_array).context("it has no array `types`")?;
    let mut out = String::new();
    for t in types {
        let t = t.as_object().context("an element of `types` is no object")?;
        let id = t.get("id").and_then(Value::as_u64).context("a type has no `id`")?;
        let line = |out: &mut String| -> Result<()> {
            let kind = t.get("kind").and_then(Value::as_str).context("no `kind`")?;
            write!(out, "[{id}] {} ", one_line(kind)?)?;
            fields(out, t)?;
            for elem in t.values().filter_map(Value::as_array).flatten() {
                out.push('\t');
                fields(out, elem.as_object().context("an element is no object")?)?;
            }
            Ok(())
        };
        line(&mut out).with_context(|| format!("type [{id}]"))?;
    }
    Ok(out)
}

/// The name in quotes, and the numbers and words, to the end of the line.
fn fields(out: &mut String, from: &Map<String, Value>) -> Result<()> {
    if let Some(name) = from.get("name").and_then(Value::as_str) {
        write!(out, "'{}'", one_line(name)?)?;
    }
    for (key, value) in from.iter().filter(|(key, _)| !matches!(key.as_str(), "id" | "kind" | "name")) {
        match value {
            Value::Number(n) => write!(out, " {key}={n}")?,
            Value::String(s) => write!(out, " {key}={}", one_line(s)?)?,
            _ => {}
        }
    }
    out.push('\n');
    Ok(())
}

/// A text that cannot be taken for the next line.
fn one_line(text: &str) -> Result<&str> {
    if text.contains(['\n', '\r']) {
        bail!("{text:?} has a line end");
    }
    Ok(text)
}
