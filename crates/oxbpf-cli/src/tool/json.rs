//! A stream of JSON: values in, text out at once, so that a large dump needs no memory.
//!
//! The layout is bpftool's: no white space, or with `--pretty` four spaces a level. Text is always valid JSON: bytes that
//! are no UTF-8 become replacement characters, control characters are escaped.

use std::io::{self, Write};

/// Where a stream of JSON stands. The bytes go to the writer that each call is given.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layout {
    is_pretty: bool,
    depth: usize,
    /// Whether something is before the next value at this level.
    has_before: bool,
}

impl Layout {
    pub(crate) fn new(is_pretty: bool) -> Self {
        Self { is_pretty, ..Self::default() }
    }

    /// Whether a value is here already, at this level.
    pub(crate) fn has_value(&self) -> bool {
        self.has_before
    }

    /// Whether this level is not in any brackets.
    pub(crate) fn is_outermost(&self) -> bool {
        self.depth == 0
    }

    fn new_line(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.is_pretty {
            out.write_all(b"\n")?;
            for _ in 0..self.depth {
                out.write_all(b"    ")?;
            }
        }
        Ok(())
    }

    fn separate(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.has_before {
            out.write_all(b",")?;
        }
        self.has_before = true;
        Ok(())
    }

    pub(crate) fn open(&mut self, out: &mut dyn Write, bracket: u8) -> io::Result<()> {
        self.separate(out)?;
        out.write_all(&[bracket])?;
        self.depth += 1;
        self.has_before = false;
        Ok(())
    }

    pub(crate) fn close(&mut self, out: &mut dyn Write, bracket: u8) -> io::Result<()> {
        self.depth = self.depth.saturating_sub(1);
        if self.has_before {
            self.new_line(out)?;
        }
        out.write_all(&[bracket])?;
        self.has_before = true;
        Ok(())
    }

    pub(crate) fn name(&mut self, out: &mut dyn Write, name: &str) -> io::Result<()> {
        self.separate(out)?;
        self.new_line(out)?;
        quote(out, name)?;
        out.write_all(if self.is_pretty { b": " } else { b":" })?;
        self.has_before = false;
        Ok(())
    }

    /// A value that is written as it is: a number, `true`, `null`.
    pub(crate) fn raw(&mut self, out: &mut dyn Write, value: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.separate(out)?;
        out.write_fmt(value)
    }

    pub(crate) fn string(&mut self, out: &mut dyn Write, value: &str) -> io::Result<()> {
        self.separate(out)?;
        quote(out, value)
    }
}

fn quote(out: &mut dyn Write, text: &str) -> io::Result<()> {
    out.write_all(b"\"")?;
    let mut plain = 0;
    for (i, byte) in text.bytes().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0..0x20 => &[],
            _ => continue,
        };
        out.write_all(text.get(plain..i).unwrap_or_default().as_bytes())?;
        if escape.is_empty() {
            write!(out, "\\u{byte:04x}")?;
        } else {
            out.write_all(escape)?;
        }
        plain = i + 1;
    }
    out.write_all(text.get(plain..).unwrap_or_default().as_bytes())?;
    out.write_all(b"\"")
}
