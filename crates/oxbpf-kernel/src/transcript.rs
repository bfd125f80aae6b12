//! Transcripts: what a back end was asked and what it answered, as lines of text.
//!
//! ```text
//! MAP_CREATE map_type=BPF_MAP_TYPE_HASH key_size=4 value_size=8 max_entries=16 map_name="counts" btf_fd=btf#1 -> map#1
//! PROG_LOAD prog_type=BPF_PROG_TYPE_TRACEPOINT insns=12#9f3a0b1c maps=map#1 license="GPL" -> EINVAL
//! MAP_LOOKUP_ELEM map_fd=map#1 key=[07000000] -> 0 value=[0100000000000000]
//! perf_event_open type=2 config=314 pid=-1 cpu=0 -> event#1
//! ```
//!
//! One line a request: the command without `BPF_`, fields as `name=value`, `->`, the answer, outputs as `name=value`.
//!
//! * Fields have the kernel's names and stand in the kernel's order. A field that is zero or empty is left out, which is what
//!   it means to the kernel. Flag words are hexadecimal and as the kernel gets them, other numbers decimal.
//! * A reference is `kind#n`: the n-th of its kind that was answered. One that the transcript did not see made is `?`.
//! * Up to 16 bytes are `[hex]`; more are `length#hash`, with [`short_hash`]. Text is quoted, with Rust's escapes.
//! * Instructions are `count#hash` with references taken out ([`hash_insns`]); the maps that they name follow as `maps=`, in
//!   order of first use.
//! * The answer is `0`, a number, a reference, or the name of an error.

use core::fmt;
use core::str::FromStr;

use oxbpf_uapi::insn::{BPF_PSEUDO_BTF_ID, BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE};
use oxbpf_uapi::{Errno, Insn};
use zerocopy::IntoBytes;

/// One request and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// What was called: a command without its prefix, or `mmap`, `perf_event_open`, `fact` and such.
    pub call: String,
    /// Fields of the request, values in their printed form.
    pub fields: Vec<(String, String)>,
    /// The answer in its printed form; empty if it is not known yet.
    pub reply: String,
    /// What was written into the request's buffers and output fields.
    pub outputs: Vec<(String, String)>,
}

impl Line {
    /// A request without fields and answer.
    pub fn new(call: impl Into<String>) -> Self {
        Self { call: call.into(), ..Self::default() }
    }

    /// The printed value of a field of the request.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The printed value of an output.
    pub fn output(&self, name: &str) -> Option<&str> {
        self.outputs.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The request alone, as text.
    pub fn request(&self) -> String {
        Self { call: self.call.clone(), fields: self.fields.clone(), ..Self::default() }.to_string()
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.call)?;
        for (name, value) in &self.fields {
            write!(f, " {name}={value}")?;
        }
        if !self.reply.is_empty() {
            write!(f, " -> {}", self.reply)?;
        }
        for (name, value) in &self.outputs {
            write!(f, " {name}={value}")?;
        }
        Ok(())
    }
}

/// A line of a transcript that can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscriptError {
    /// Line number, from 1.
    pub line: usize,
    /// The word that is no `name=value`.
    pub word: String,
}

impl fmt::Display for TranscriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {:?} is no name=value", self.line, self.word)
    }
}

impl core::error::Error for TranscriptError {}

/// Requests and answers in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transcript {
    /// The lines.
    pub lines: Vec<Line>,
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl FromStr for Transcript {
    type Err = TranscriptError;

    /// Reads what [`Display`](fmt::Display) prints. Empty lines and lines that begin with `#` are passed over.
    fn from_str(text: &str) -> Result<Self, TranscriptError> {
        let mut lines = Vec::new();
        for (number, text) in (1..).zip(text.lines()) {
            if text.trim().is_empty() || text.starts_with('#') {
                continue;
            }
            let mut line = Line::default();
            let mut answered = false;
            for word in words(text) {
                if line.call.is_empty() {
                    line.call = word.to_owned();
                } else if word == "->" && !answered {
                    answered = true;
                } else if answered && line.reply.is_empty() {
                    line.reply = word.to_owned();
                } else {
                    let error = || TranscriptError { line: number, word: word.to_owned() };
                    let (name, value) = word.split_once('=').ok_or_else(error)?;
                    let list = if answered { &mut line.outputs } else { &mut line.fields };
                    list.push((name.to_owned(), value.to_owned()));
                }
            }
            lines.push(line);
        }
        Ok(Self { lines })
    }
}

/// Splits at spaces that are not inside quotes.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text.trim();
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (mut quoted, mut escaped) = (false, false);
        let end = rest.find(|c| {
            let is_end = c == ' ' && !quoted;
            quoted ^= c == '"' && !escaped;
            escaped = c == '\\' && quoted && !escaped;
            is_end
        });
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after.trim_start();
        Some(word)
    })
}

impl Transcript {
    /// The lines that `keep` likes.
    #[must_use]
    pub fn filter(&self, mut keep: impl FnMut(&Line) -> bool) -> Self {
        Self { lines: self.lines.iter().filter(|line| keep(line)).cloned().collect() }
    }

    /// The same with references counted anew over the lines there are, so that transcripts of which different lines were left
    /// out can be compared. References to objects whose making was left out become `?`.
    #[must_use]
    pub fn renumbered(&self) -> Self {
        let mut names: Vec<(String, String)> = Vec::new();
        let mut lines = self.lines.clone();
        for line in &mut lines {
            for (_, value) in &mut line.fields {
                rename_all(value, &names);
            }
            if let Some((kind, _)) = reference(&line.reply) {
                let prefix = format!("{kind}#");
                let count = names.iter().filter(|(_, new)| new.starts_with(&prefix)).count();
                let new = format!("{prefix}{}", count + 1);
                names.retain(|(old, _)| *old != line.reply);
                names.push((core::mem::replace(&mut line.reply, new.clone()), new));
            }
            for (_, value) in &mut line.outputs {
                rename_all(value, &names);
            }
        }
        Self { lines }
    }

    /// What has to be taken out (`-`) and put in (`+`) to make `other` of this, with equal lines as they are (` `); empty if
    /// nothing.
    pub fn diff(&self, other: &Self) -> String {
        let old: Vec<String> = self.lines.iter().map(Line::to_string).collect();
        let new: Vec<String> = other.lines.iter().map(Line::to_string).collect();
        if old == new {
            return String::new();
        }
        // Lengths of the longest common subsequence of what follows each pair of positions.
        let width = new.len() + 1;
        let mut common = vec![0_usize; (old.len() + 1) * width];
        let at = |i: usize, j: usize| i * width + j;
        for i in (0..old.len()).rev() {
            for j in (0..new.len()).rev() {
                let value = if old.get(i) == new.get(j) {
                    common.get(at(i + 1, j + 1)).map_or(0, |c| c + 1)
                } else {
                    common.get(at(i + 1, j)).max(common.get(at(i, j + 1))).copied().unwrap_or(0)
                };
                if let Some(slot) = common.get_mut(at(i, j)) {
                    *slot = value;
                }
            }
        }
        let (mut i, mut j) = (0, 0);
        let mut out = String::new();
        while i < old.len() || j < new.len() {
            let (sign, text) = match (old.get(i), new.get(j)) {
                (Some(a), Some(b)) if a == b => {
                    (i, j) = (i + 1, j + 1);
                    (' ', a)
                }
                (Some(a), b) if b.is_none() || common.get(at(i + 1, j)) >= common.get(at(i, j + 1)) => {
                    i += 1;
                    ('-', a)
                }
                (_, Some(b)) => {
                    j += 1;
                    ('+', b)
                }
                _ => break,
            };
            out.push(sign);
            out.push_str(text);
            out.push('\n');
        }
        out
    }
}

/// Kind and number of a printed reference.
pub(crate) fn reference(text: &str) -> Option<(&str, u32)> {
    let (kind, number) = text.split_once('#')?;
    let is_kind = kind.starts_with(|c: char| c.is_ascii_lowercase());
    if is_kind { Some((kind, number.parse().ok()?)) } else { None }
}

/// Renames the references in a value, which may be a list with commas.
fn rename_all(value: &mut String, names: &[(String, String)]) {
    if !value.split(',').any(|part| reference(part).is_some()) {
        return;
    }
    let new: Vec<&str> = value
        .split(',')
        .map(|part| match names.iter().find(|(old, _)| old == part) {
            Some((_, new)) => new,
            None if reference(part).is_some() => "?",
            None => part,
        })
        .collect();
    *value = new.join(",");
}

/// A hash of 32 bits as 8 hexadecimal digits: FNV-1a of 64 bits, both halves xored.
pub fn short_hash(bytes: &[u8]) -> String {
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3));
    format!("{:08x}", (hash ^ hash >> 32) as u32)
}

/// Bytes in their printed form.
pub fn bytes_text(bytes: &[u8]) -> String {
    use fmt::Write;
    if bytes.len() > 16 {
        return format!("{}#{}", bytes.len(), short_hash(bytes));
    }
    full_bytes_text(bytes, String::new(), |out, b| write!(out, "{b:02x}"))
}

fn full_bytes_text(bytes: &[u8], mut out: String, each: impl Fn(&mut String, u8) -> fmt::Result) -> String {
    out.push('[');
    for byte in bytes {
        // Writing to a string does not fail.
        let _ = each(&mut out, *byte);
    }
    out.push(']');
    out
}

/// Bytes as hexadecimal digits in brackets, however many.
pub(crate) fn hex_text(bytes: &[u8]) -> String {
    use fmt::Write;
    full_bytes_text(bytes, String::new(), |out, b| write!(out, "{b:02x}"))
}

/// The bytes of `[hex]`.
pub(crate) fn parse_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix('[')?.strip_suffix(']')?.as_bytes();
    let digit = |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect()
}

/// Instructions in their printed form, `count#hash`, and the numbers of the maps that they name, in order of first use.
///
/// Before hashing, the descriptors in 64-bit immediate loads (of maps, map values and the BTF of variables) become zero, so that
/// equal programs have equal hashes in every process.
pub fn hash_insns(insns: &[Insn]) -> (String, Vec<i32>) {
    let mut plain = insns.to_vec();
    let mut maps = Vec::new();
    let mut i = 0;
    while let Some(insn) = plain.get_mut(i) {
        i += 1;
        if !insn.is_ld_imm64() {
            continue;
        }
        match insn.src() {
            BPF_PSEUDO_MAP_FD | BPF_PSEUDO_MAP_VALUE => {
                let map = core::mem::take(&mut insn.imm);
                if !maps.contains(&map) {
                    maps.push(map);
                }
            }
            BPF_PSEUDO_BTF_ID => {
                if let Some(second) = plain.get_mut(i) {
                    second.imm = 0;
                }
            }
            _ => {}
        }
        i += 1;
    }
    (format!("{}#{}", plain.len(), short_hash(plain.as_bytes())), maps)
}

/// The number of an error by its name.
pub(crate) fn errno_by_name(name: &str) -> Option<Errno> {
    let number = name.strip_prefix("errno").and_then(|n| n.parse().ok());
    number.map(Errno).or_else(|| (1..600).map(Errno).find(|e| e.name() == Some(name)))
}

/// An error in its printed form.
pub(crate) fn errno_text(e: Errno) -> String {
    e.name().map_or_else(|| format!("errno{}", e.0), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use oxbpf_uapi::insn::LD_IMM64;

    const TEXT: &str = "\
MAP_CREATE map_type=BPF_MAP_TYPE_HASH map_name=\"a b\\\" -> c\" -> map#1
PROG_LOAD insns=2#00000000 maps=map#1,map#1 -> EINVAL
MAP_LOOKUP_ELEM map_fd=map#1 key=[01] -> 0 value=[02]
";

    fn parse(text: &str) -> Transcript {
        text.parse().expect("a transcript")
    }

    #[test]
    fn what_is_printed_is_what_was_read() {
        let transcript = parse(TEXT);
        assert_eq!(transcript.to_string(), TEXT);
        let line = &transcript.lines[0];
        assert_eq!(line.field("map_name"), Some("\"a b\\\" -> c\""));
        assert_eq!(line.reply, "map#1");
        assert_eq!(transcript.lines[2].output("value"), Some("[02]"));
        assert_eq!(parse("# comment\n\nX\n").to_string(), "X\n");
    }

    #[test]
    fn a_word_that_is_no_field_is_named_with_its_line() {
        let error = "A -> 0\n\nB c=1 d -> 0".parse::<Transcript>().expect_err("no field");
        assert_eq!(error, TranscriptError { line: 3, word: "d".into() });
    }

    #[test]
    fn differences_are_lines_taken_out_and_put_in() {
        let (a, b) = (parse("A -> 0\nB -> 0\nC -> 0\n"), parse("A -> 0\nX -> 1\nC -> 0\nD -> 0\n"));
        assert_eq!(a.diff(&a), "");
        assert_eq!(a.diff(&b), " A -> 0\n-B -> 0\n+X -> 1\n C -> 0\n+D -> 0\n");
        assert_eq!(Transcript::default().diff(&parse("A -> 0")), "+A -> 0\n");
    }

    #[test]
    fn references_are_counted_over_the_lines_that_are_left() {
        let text =
            "M -> map#1\nM -> map#2\nP maps=map#2,map#1 -> prog#1\nU map_fd=map#2 value=3#00000001 -> 0\n";
        let left = parse(text).filter(|line| line.reply != "map#1").renumbered();
        assert_eq!(
            left.to_string(),
            "M -> map#1\nP maps=map#1,? -> prog#1\nU map_fd=map#1 value=3#00000001 -> 0\n"
        );
    }

    #[test]
    fn programs_that_differ_in_descriptors_only_have_one_hash() {
        let load = |src, imm| [Insn::new(LD_IMM64, 1, src, 0, imm), Insn::new(0, 0, 0, 0, 8)];
        let program =
            |map: i32, value: i32| [load(BPF_PSEUDO_MAP_FD, map), load(BPF_PSEUDO_MAP_VALUE, value)].concat();
        assert_eq!(hash_insns(&program(5, 6)), (hash_insns(&program(7, 7)).0, vec![5, 6]));
        assert_eq!(hash_insns(&program(7, 7)).1, [7]);
        assert_ne!(hash_insns(&load(0, 5)).0, hash_insns(&load(0, 6)).0, "a constant is not a descriptor");
    }

    #[test]
    fn bytes_are_readable_while_they_are_few() {
        assert_eq!(bytes_text(&[1, 0xab]), "[01ab]");
        assert_eq!(bytes_text(&[0; 17]), format!("17#{}", short_hash(&[0; 17])));
        assert_eq!(parse_hex("[01ab]"), Some(vec![1, 0xab]));
        assert_eq!(parse_hex("[01a]"), None);
        // FNV-1a of nothing is its offset.
        assert_eq!(short_hash(&[]), format!("{:08x}", 0xcbf2_9ce4_u32 ^ 0x8422_2325));
    }

    #[test]
    fn every_error_name_leads_back_to_its_number() {
        for number in (1..140).chain([524, 700]) {
            assert_eq!(errno_by_name(&errno_text(Errno(number))), Some(Errno(number)));
        }
        assert_eq!(errno_by_name("ENONSENSE"), None);
    }
}
