//! The words of a command, read from left to right. A keyword may be cut short: `bpftool p s` is `prog show`.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use anyhow::{Result, anyhow, bail};

/// The words that are left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Args<'a> {
    words: &'a [OsString],
}

/// Whether `word` is `keyword` or its beginning.
fn is_prefix(word: &OsStr, keyword: &str) -> bool {
    word.to_str().is_some_and(|w| !w.is_empty() && keyword.starts_with(w))
}

impl<'a> Args<'a> {
    pub(crate) fn new(words: &'a [OsString]) -> Self {
        Self { words }
    }

    /// Whether all words have been read.
    pub(crate) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The next word as the user wrote it, for messages; empty at the end.
    pub(crate) fn peek(&self) -> String {
        self.words.first().map(|w| w.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Whether the next word is `keyword` or its beginning.
    pub(crate) fn is_next(&self, keyword: &str) -> bool {
        self.words.first().is_some_and(|w| is_prefix(w, keyword))
    }

    /// Whether the next word is exactly `keyword`, or begins it and nothing longer is meant.
    pub(crate) fn accept(&mut self, keyword: &str) -> bool {
        let found = self.is_next(keyword);
        if found {
            self.words = self.words.get(1..).unwrap_or_default();
        }
        found
    }

    /// The next word, whatever it is.
    ///
    /// # Errors
    /// At the end, naming `what` was wanted.
    pub(crate) fn os(&mut self, what: &str) -> Result<&'a OsStr> {
        let Some((first, rest)) = self.words.split_first() else {
            bail!("expected {what}, and nothing follows")
        };
        self.words = rest;
        Ok(first)
    }

    /// The next word as text.
    ///
    /// # Errors
    /// As [`os`](Self::os), and if it is no UTF-8.
    pub(crate) fn text(&mut self, what: &str) -> Result<&'a str> {
        let word = self.os(what)?;
        word.to_str().ok_or_else(|| anyhow!("expected {what}, got bytes that are no text: {word:?}"))
    }

    /// The next word as a path.
    ///
    /// # Errors
    /// As [`os`](Self::os).
    pub(crate) fn path(&mut self, what: &str) -> Result<&'a Path> {
        self.os(what).map(Path::new)
    }

    /// The next word as a number: decimal, `0x…` or `0…`.
    ///
    /// # Errors
    /// As [`text`](Self::text), and if it is no number or does not fit.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self, what: &str) -> Result<T> {
        let word = self.text(what)?;
        let value = parse_number(word).ok_or_else(|| anyhow!("can't parse {word:?} as {what}"))?;
        T::try_from(value).map_err(|_| anyhow!("{what} {word} is too large"))
    }

    /// Which of `keywords` the next word is or begins.
    ///
    /// # Errors
    /// At the end; if it is none of them, or may be several.
    pub(crate) fn one_of(&mut self, keywords: &[&'static str]) -> Result<&'static str> {
        let expected = || format!("'{}'", keywords.join("', '"));
        let Some(word) = self.words.first() else { bail!("expected {}, and nothing follows", expected()) };
        let shown = word.to_string_lossy();
        let found: Vec<_> = match keywords.iter().find(|k| word == **k) {
            Some(exact) => vec![*exact],
            None => keywords.iter().filter(|k| is_prefix(word, k)).copied().collect(),
        };
        match found[..] {
            [one] => {
                self.words = self.words.get(1..).unwrap_or_default();
                Ok(one)
            }
            [] => bail!("expected one of {}, got: '{shown}'", expected()),
            [..] => bail!("ambiguous prefix: '{shown}' could be '{}'", found.join("' or '")),
        }
    }

    /// All words are read.
    ///
    /// # Errors
    /// If some are left.
    pub(crate) fn end(&self) -> Result<()> {
        if self.is_empty() { Ok(()) } else { bail!("unexpected argument '{}'", self.peek()) }
    }
}

/// A number as C writes it.
pub(crate) fn parse_number(word: &str) -> Option<u64> {
    let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None if word.len() > 1 && word.starts_with('0') => (word.get(1..)?, 8),
        None => (word, 10),
    };
    // `from_str_radix` would take a sign.
    if digits.starts_with(['+', '-']) { None } else { u64::from_str_radix(digits, radix).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with<T>(line: &str, read: impl FnOnce(&mut Args<'_>) -> T) -> T {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        read(&mut Args::new(&words))
    }

    #[test]
    fn keywords_may_be_cut_short_unless_that_is_ambiguous() {
        let keywords = ["pinned", "pinmaps", "type"];
        assert_eq!(with("t", |a| a.one_of(&keywords).ok()), Some("type"));
        assert_eq!(with("pinm", |a| a.one_of(&keywords).ok()), Some("pinmaps"));
        let error = with("pin", |a| a.one_of(&keywords)).expect_err("two begin so").to_string();
        assert_eq!(error, "ambiguous prefix: 'pin' could be 'pinned' or 'pinmaps'");
        let error = with("x", |a| a.one_of(&keywords)).expect_err("none").to_string();
        assert_eq!(error, "expected one of 'pinned', 'pinmaps', 'type', got: 'x'");
        assert!(with("", |a| a.one_of(&keywords)).is_err());
    }

    #[test]
    fn numbers_are_written_as_in_c() {
        for (word, number) in
            [("0", 0), ("10", 10), ("0x10", 16), ("010", 8), ("18446744073709551615", u64::MAX)]
        {
            assert_eq!(parse_number(word), Some(number), "{word}");
        }
        for word in ["", "0x", "-1", "+1", "0x-1", "1a", "09", "18446744073709551616"] {
            assert_eq!(parse_number(word), None, "{word:?}");
        }
        let error = with("256", |a| a.number::<u8>("CPU")).expect_err("too large").to_string();
        assert_eq!(error, "CPU 256 is too large");
    }

    #[test]
    fn words_that_are_left_over_are_an_error() {
        with("id 7 x", |a| {
            assert!(a.accept("id") && !a.accept("id"));
            assert_eq!(a.number::<u32>("id").ok(), Some(7));
            assert_eq!(a.end().expect_err("a word").to_string(), "unexpected argument 'x'");
        });
    }
}
