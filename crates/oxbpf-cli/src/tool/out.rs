//! What a command shows, as text or as JSON.
//!
//! Verbs write without asking whether it worked: the first failure is kept, and [`Out::finish`] reports it. A long loop
//! asks [`Out::is_broken`] whether to go on.

use std::fmt::{self, Display};
use std::io::{self, BufWriter, Write};

use anyhow::Result;

use super::json::Layout;
use crate::failure::Unread;

/// Standard output, or a buffer in tests.
pub(crate) struct Out {
    writer: BufWriter<Box<dyn Write>>,
    json: Option<Layout>,
    is_typed_text: bool,
    failure: Option<io::Error>,
}

impl Out {
    pub(crate) fn new(writer: Box<dyn Write>) -> Self {
        Self {
            writer: BufWriter::with_capacity(1 << 16, writer),
            json: None,
            is_typed_text: false,
            failure: None,
        }
    }

    /// From here on JSON.
    pub(crate) fn set_json(&mut self, is_pretty: bool) {
        self.json = Some(Layout::new(is_pretty));
    }

    /// Whether values are to be shown as JSON. Verbs that show something have both forms.
    pub(crate) fn is_json(&self) -> bool {
        self.json.is_some()
    }

    /// Whether nobody will see what is written from now on.
    pub(crate) fn is_broken(&self) -> bool {
        self.failure.is_some()
    }

    fn keep<T>(&mut self, result: io::Result<T>) {
        if let (Err(e), None) = (result, &self.failure) {
            self.failure = Some(e);
        }
    }

    fn with_json(&mut self, write: impl FnOnce(&mut Layout, &mut dyn Write) -> io::Result<()>) {
        if self.failure.is_none() {
            if let Some(json) = &mut self.json {
                let result = write(json, &mut self.writer);
                self.keep(result);
            }
        }
    }

    /// Plain text; what `write!(out, …)` calls.
    pub(crate) fn write_fmt(&mut self, text: fmt::Arguments<'_>) {
        if self.failure.is_none() {
            let result = self.writer.write_fmt(text);
            self.keep(result);
        }
    }

    /// Bytes as they are.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.failure.is_none() {
            let result = self.writer.write_all(bytes);
            self.keep(result);
        }
    }

    /// `{`: members follow, until [`close_object`](Self::close_object).
    pub(crate) fn open_object(&mut self) {
        self.with_json(|json, w| json.open(w, b'{'));
    }

    /// `}`.
    pub(crate) fn close_object(&mut self) {
        self.with_json(|json, w| json.close(w, b'}'));
    }

    /// `[`: elements follow, until [`close_array`](Self::close_array).
    pub(crate) fn open_array(&mut self) {
        self.with_json(|json, w| json.open(w, b'['));
    }

    /// `]`.
    pub(crate) fn close_array(&mut self) {
        self.with_json(|json, w| json.close(w, b']'));
    }

    /// `{ … }`, whose members `body` writes.
    pub(crate) fn object<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        self.open_object();
        let result = body(self);
        self.close_object();
        result
    }

    /// `[ … ]`, whose elements `body` writes.
    pub(crate) fn array<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        self.open_array();
        let result = body(self);
        self.close_array();
        result
    }

    /// `[ … ]` if there may be several of what `body` shows, else what it shows alone.
    pub(crate) fn list_if<T>(&mut self, is_list: bool, body: impl FnOnce(&mut Self) -> T) -> T {
        if is_list { self.array(body) } else { body(self) }
    }

    /// Text output in the form of JSON, for values that are shown by their types; if `is_typed` does not hold, as it is.
    pub(crate) fn typed_text_if<T>(&mut self, is_typed: bool, body: impl FnOnce(&mut Self) -> T) -> T {
        if !is_typed {
            return body(self);
        }
        self.json = Some(Layout::new(true));
        self.is_typed_text = true;
        let result = body(self);
        self.json = None;
        self.is_typed_text = false;
        self.bytes(b"\n");
        result
    }

    /// A value in text output, in the form of JSON in one line.
    pub(crate) fn typed_word(&mut self, body: impl FnOnce(&mut Self)) {
        (self.json, self.is_typed_text) = (Some(Layout::new(false)), true);
        body(self);
        (self.json, self.is_typed_text) = (None, false);
    }

    /// Whether JSON is the form of text output.
    pub(crate) fn is_typed_text(&self) -> bool {
        self.is_typed_text
    }

    /// The name of the member whose value comes next.
    pub(crate) fn name(&mut self, name: &str) -> &mut Self {
        self.with_json(|json, w| json.name(w, name));
        self
    }

    /// An error, where a value was to come: an object in JSON, if nothing is there yet. Gives whether it was shown; in an
    /// output that is complete without it, it was not.
    pub(crate) fn error(&mut self, text: &str) -> bool {
        let Some(json) = &self.json else { return false };
        match (json.has_value(), json.is_outermost()) {
            (false, _) => self.object(|out| out.string_field("error", text)),
            (true, false) => self.string_field("error", text),
            (true, true) => return false,
        }
        true
    }

    /// A string.
    pub(crate) fn string(&mut self, value: impl AsRef<str>) {
        self.with_json(|json, w| json.string(w, value.as_ref()));
    }

    /// A number or truth value.
    pub(crate) fn number(&mut self, value: impl Display) {
        self.with_json(|json, w| json.raw(w, format_args!("{value}")));
    }

    /// `null`.
    pub(crate) fn null(&mut self) {
        self.number("null");
    }

    /// A member with a string.
    pub(crate) fn string_field(&mut self, name: &str, value: impl AsRef<str>) {
        self.name(name).string(value);
    }

    /// A member with a number or truth value.
    pub(crate) fn field(&mut self, name: &str, value: impl Display) {
        self.name(name).number(value);
    }

    /// Writes out what there is, for those who wait for it.
    pub(crate) fn flush(&mut self) {
        let flushed = self.writer.flush();
        self.keep(flushed);
    }

    /// Writes everything out.
    ///
    /// # Errors
    /// The first failure of any write; [`Unread`] if the reader has gone.
    pub(crate) fn finish(&mut self) -> Result<()> {
        if self.json.is_some() {
            self.bytes(b"\n");
        }
        self.flush();
        match self.failure.take() {
            None => Ok(()),
            Some(e) if e.kind() == io::ErrorKind::BrokenPipe => Err(Unread.into()),
            Some(e) => Err(anyhow::Error::from(e).context("standard output")),
        }
    }
}

impl fmt::Debug for Out {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out")
            .field("json", &self.json)
            .field("failure", &self.failure)
            .finish_non_exhaustive()
    }
}
