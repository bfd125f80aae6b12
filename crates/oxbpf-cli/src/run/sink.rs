//! Where a run's findings go: standard output as text or JSON lines. Each finding is described once.

use std::io::{self, BufWriter, Stdout, Write};

use anyhow::{Context, Result};
use oxbpf_btf::Btf;
use oxbpf_btf::value::Value;
use serde_json::{Value as Json, json};

use super::Summary;
use crate::failure::Unread;
use crate::show;

/// Standard output, as the user wants it.
#[derive(Debug)]
pub(super) struct Sink {
    json: bool,
    out: BufWriter<Stdout>,
    /// What went wrong in a callback, to be told at the next flush.
    failed: Option<io::Error>,
}

/// A value of a map or event.
pub(super) enum Shown<'v> {
    /// With its type.
    Typed(&'v Btf, Value<'v>),
    /// Without one.
    Raw(&'v [u8]),
    /// A number, such as the id of a program.
    Number(u64),
}

impl Shown<'_> {
    fn text(&self) -> String {
        match self {
            Self::Typed(btf, value) => show::text(btf, value),
            Self::Raw(bytes) => show::hex(bytes),
            Self::Number(n) => n.to_string(),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Typed(btf, value) => show::json(btf, value),
            Self::Raw(bytes) => Json::String(show::hex(bytes)),
            Self::Number(n) => Json::from(*n),
        }
    }
}

impl Sink {
    pub(super) fn new(json: bool) -> Self {
        Self { json, out: BufWriter::new(io::stdout()), failed: None }
    }

    fn line(&mut self, text: impl FnOnce() -> String, json: impl FnOnce() -> Json) {
        if self.failed.is_some() {
            return;
        }
        let line = if self.json { json().to_string() } else { text() };
        if let Err(error) = writeln!(self.out, "{line}") {
            self.failed = Some(error);
        }
    }

    /// An event of a buffer.
    pub(super) fn event(&mut self, map: &str, value: &Shown<'_>) {
        self.line(|| value.text(), || json!({ "type": "event", "map": map, "value": value.json() }));
    }

    /// A line that a program printed.
    pub(super) fn printed(&mut self, line: &str) {
        self.line(|| line.to_owned(), || json!({ "type": "printk", "line": line }));
    }

    /// A line that an iterator wrote.
    pub(super) fn iterated(&mut self, program: &str, line: &str) {
        self.line(|| line.to_owned(), || json!({ "type": "iter", "prog": program, "line": line }));
    }

    /// The head of a map's contents.
    pub(super) fn map(&mut self, name: &str, kind: &str, entries: usize) {
        if !self.json {
            self.line(|| format!("map {name} ({kind}, {entries} entries):"), || Json::Null);
        }
    }

    /// An entry of a map.
    pub(super) fn entry(&mut self, map: &str, key: &Shown<'_>, value: &Shown<'_>) {
        self.line(
            || format!("  {}: {}", key.text(), value.text()),
            || json!({ "type": "entry", "map": map, "key": key.json(), "value": value.json() }),
        );
    }

    /// An entry of a per-CPU map: the values of CPUs that have one.
    pub(super) fn per_cpu_entry(&mut self, map: &str, key: &Shown<'_>, values: &[(usize, Shown<'_>)]) {
        self.line(
            || {
                let values: Vec<_> = values.iter().map(|(cpu, v)| format!("cpu{cpu} {}", v.text())).collect();
                format!("  {}: {}", key.text(), values.join(", "))
            },
            || {
                let values: Vec<_> =
                    values.iter().map(|(cpu, v)| json!({ "cpu": cpu, "value": v.json() })).collect();
                json!({ "type": "entry", "map": map, "key": key.json(), "values": values })
            },
        );
    }

    /// A global variable.
    pub(super) fn variable(&mut self, map: &str, name: &str, value: &Shown<'_>) {
        self.line(
            || match value.text() {
                // Structs of more than one member are easier to read with their braces.
                text if text.contains('=') => format!("  {name}={{{text}}}"),
                text => format!("  {name}={text}"),
            },
            || json!({ "type": "variable", "map": map, "name": name, "value": value.json() }),
        );
    }

    /// Writes what is buffered, and tells what failed since the last time: [`Unread`] if nobody reads.
    pub(super) fn flush(&mut self) -> Result<()> {
        let failed = self.failed.take().map_or(Ok(()), Err);
        match failed.and_then(|()| self.out.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(Unread.into()),
            result => result.context("cannot write to standard output"),
        }
    }

    /// The last words: text on standard error, JSON with the rest.
    pub(super) fn summary(&mut self, summary: &Summary) -> Result<()> {
        if self.json {
            let programs: Vec<_> = summary
                .programs
                .iter()
                .map(|p| json!({ "name": p.name, "runs": p.runs, "nanoseconds": p.nanoseconds }))
                .collect();
            self.line(String::new, || {
                json!({
                    "type": "summary",
                    "events": summary.events,
                    "lost": summary.lost,
                    "programs": programs,
                    "notes": summary.notes,
                })
            });
            return self.flush();
        }
        self.flush()?;
        let mut text = format!("oxbpf: {} events, {} lost", summary.events, summary.lost);
        for p in &summary.programs {
            let each = p.nanoseconds.checked_div(p.runs).unwrap_or(0);
            text += &format!("; {} ran {} times, {each} ns each", p.name, p.runs);
        }
        for note in &summary.notes {
            text += &format!("\noxbpf: {note}");
        }
        let _ = writeln!(io::stderr(), "{text}");
        Ok(())
    }
}
