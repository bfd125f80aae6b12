//! The nouns: what looks at and changes BPF objects of the system, in bpftool's grammar and with its JSON.
//!
//! A noun is a row of [`NOUNS`]; a verb is a row of its noun, with a function that reads its words from [`Args`] and shows
//! through [`Out`]. Help, batch files, abbreviations and errors are the same for all and are here.
//!
//! | Part | Has |
//! | --- | --- |
//! | [`args`] | words, keywords, numbers |
//! | [`out`], [`json`] | text and JSON |
//! | [`batch`] | many commands from a file |

mod args;
mod batch;
mod btf;
mod cgroup;
mod feature;
mod generate;
mod holders;
mod iter;
mod json;
mod link;
mod map;
mod net;
mod options;
mod out;
mod perf;
mod pin;
mod prog;
mod proto;
mod select;
mod struct_ops;
mod time;
mod token;
mod typed;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Error, Result, bail};
use oxbpf::Kernel;

use crate::failure::{self, Unread};
pub(crate) use args::Args;
use options::Options;
pub(crate) use out::Out;

/// Exit status of a command that failed, as bpftool's.
const STATUS: u8 = 255;

/// Version of C libbpf whose commands and JSON these are.
const LIBBPF_VERSION: &str = "1.8";

/// A command failed and has said so in what it shows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silent;

impl std::fmt::Display for Silent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a command failed")
    }
}

impl std::error::Error for Silent {}

/// What a verb works with.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) out: Out,
    pub(crate) options: Options,
    kernel: Option<Kernel>,
}

/// A kind of object, and what can be done with it.
#[derive(Debug)]
pub(crate) struct Noun {
    pub(crate) name: &'static str,
    /// The first one is meant when no verb is given.
    pub(crate) verbs: &'static [Verb],
    /// What the capital words of the usage stand for.
    pub(crate) terms: &'static [(&'static str, &'static str)],
}

/// Something that can be done with a kind of object.
#[derive(Debug)]
pub(crate) struct Verb {
    pub(crate) name: &'static str,
    /// Another name for it.
    pub(crate) alias: Option<&'static str>,
    /// The words that follow it.
    pub(crate) usage: &'static str,
    pub(crate) run: fn(&mut Tool, &mut Args<'_>) -> Result<()>,
}

/// The nouns, in the order in which an abbreviation finds them.
const NOUNS: &[&Noun] = &[
    &prog::NOUN,
    &btf::NOUN,
    &generate::NOUN,
    &map::NOUN,
    &link::NOUN,
    &net::NOUN,
    &cgroup::NOUN,
    &perf::NOUN,
    &iter::NOUN,
    &feature::NOUN,
    &struct_ops::NOUN,
    &token::NOUN,
];

/// Words of programs and maps, which several nouns share.
pub(crate) mod terms {
    pub(crate) const PROG: (&str, &str) =
        ("PROG", "{ id PROG_ID | pinned FILE | tag PROG_TAG | name PROG_NAME }");
    pub(crate) const MAP: (&str, &str) = ("MAP", "{ id MAP_ID | pinned FILE | name MAP_NAME }");
}

impl Tool {
    pub(crate) fn new(writer: Box<dyn Write>) -> Self {
        Self { out: Out::new(writer), options: Options::default(), kernel: None }
    }

    /// The kernel to look at: the running one, unless a test gave another.
    pub(crate) fn kernel(&mut self) -> Kernel {
        self.kernel.get_or_insert_with(oxbpf::kernel).clone()
    }

    /// Runs the command that `words` say.
    pub(crate) fn run(&mut self, words: &[OsString]) -> Result<()> {
        let mut args = Args::new(words);
        let Ok(word) = args.text("OBJECT") else { return self.help() };
        if is_word(word, "help") {
            return self.help();
        }
        if is_word(word, "batch") {
            return batch::run(self, &mut args);
        }
        if let Some(noun) = NOUNS.iter().find(|n| n.name.starts_with(word) && !word.is_empty()) {
            return self.noun(noun, &mut args);
        }
        if is_word(word, "version") {
            return self.version();
        }
        let names: Vec<_> = NOUNS.iter().map(|n| n.name).collect();
        bail!(
            "unknown object '{word}': expected one of '{}', 'run', 'batch', 'version', 'help'",
            names.join("', '")
        )
    }

    fn noun(&mut self, noun: &Noun, args: &mut Args<'_>) -> Result<()> {
        if args.is_empty() {
            return match noun.verbs.first() {
                Some(verb) => (verb.run)(self, args),
                None => self.noun_help(noun),
            };
        }
        let word = args.text("COMMAND")?;
        let found =
            noun.verbs.iter().find(|v| is_word(word, v.name) || v.alias.is_some_and(|a| is_word(word, a)));
        match found {
            Some(verb) => (verb.run)(self, args),
            None if is_word(word, "help") => self.noun_help(noun),
            None => {
                let names: Vec<_> = noun.verbs.iter().map(|v| v.name).collect();
                bail!(
                    "unknown command '{} {word}': expected one of '{}', 'help'",
                    noun.name,
                    names.join("', '")
                )
            }
        }
    }

    fn help(&mut self) -> Result<()> {
        if self.out.is_json() {
            self.out.null();
            return Ok(());
        }
        let names: Vec<_> = NOUNS.iter().map(|n| n.name).collect();
        write!(
            self.out,
            "Usage: oxbpf [OPTIONS] OBJECT {{ COMMAND | help }}\n\
            \x20      oxbpf run OBJ [OPTIONS] [-- CMD...]\n\
            \x20      oxbpf batch file FILE\n\
            \x20      oxbpf version\n\n\
            \x20      OBJECT := {{ {} }}\n",
            names.join(" | ")
        );
        self.options_help();
        Ok(())
    }

    fn noun_help(&mut self, noun: &Noun) -> Result<()> {
        if self.out.is_json() {
            self.out.null();
            return Ok(());
        }
        let mut lead = "Usage:";
        for verb in noun.verbs {
            let names = match verb.alias {
                Some(alias) => format!("{{ {} | {alias} }}", verb.name),
                None => verb.name.to_owned(),
            };
            writeln!(self.out, "{lead} oxbpf {} {names} {}", noun.name, verb.usage);
            lead = "      ";
        }
        writeln!(self.out, "{lead} oxbpf {} help\n", noun.name);
        for (term, meaning) in noun.terms {
            writeln!(self.out, "       {term} := {meaning}");
        }
        self.options_help();
        Ok(())
    }

    fn options_help(&mut self) {
        let all: Vec<_> = options::OPTIONS.iter().map(options::Opt::usage).collect();
        writeln!(self.out, "       OPTIONS := {{ {} }}", all.join(" | "));
    }

    fn version(&mut self) -> Result<()> {
        let version = env!("CARGO_PKG_VERSION");
        // The names of bpftool's optional parts: oxbpf disassembles with code of its own.
        let features = [
            ("libbfd", false),
            ("llvm", false),
            ("crypto", false),
            ("skeletons", true),
            ("bootstrap", false),
        ];
        if self.out.is_json() {
            self.out.object(|out| {
                out.string_field("version", version);
                out.string_field("libbpf_version", LIBBPF_VERSION);
                out.name("features").object(|out| {
                    for (name, has) in features {
                        out.field(name, has);
                    }
                });
            });
            return Ok(());
        }
        let has: Vec<_> = features.iter().filter(|f| f.1).map(|f| f.0).collect();
        write!(
            self.out,
            "oxbpf v{version}\ncompatible with libbpf v{LIBBPF_VERSION}\nfeatures: {}\n",
            has.join(", ")
        );
        Ok(())
    }

    /// Says what was done, to people only.
    pub(crate) fn note(&mut self, text: std::fmt::Arguments<'_>) {
        if !self.out.is_json() {
            // There is nobody to tell that standard error is gone.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Says what went wrong: on standard error, or in the JSON.
    fn report(&mut self, error: &Error) {
        let line = failure::line(error);
        if !self.out.error(&line) {
            // There is nobody to tell that standard error is gone.
            let _ = writeln!(std::io::stderr(), "Error: {line}");
        }
    }
}

/// Whether `word` is `name` or its beginning.
fn is_word(word: &str, name: &str) -> bool {
    !word.is_empty() && name.starts_with(word)
}

/// Whether the command line is for this module: the first word that is no option is not `run`.
pub(crate) fn is_meant(words: &[OsString]) -> bool {
    options::first_word(words) != Some(OsStr::new("run"))
}

/// Runs a command line, without the program's name.
pub(crate) fn main(words: Vec<OsString>) -> ExitCode {
    let mut tool = Tool::new(Box::new(std::io::stdout()));
    let result = options::parse(words, &mut tool).and_then(|words| match words {
        Some(words) if tool.options.wants_version => tool.version().map(|()| drop(words)),
        Some(words) => tool.run(&words),
        None => tool.help(),
    });
    let is_failed = match &result {
        Err(e) if e.is::<Silent>() => true,
        Err(e) => {
            tool.report(e);
            true
        }
        Ok(()) => false,
    };
    match tool.out.finish() {
        Err(e) if e.is::<Unread>() => ExitCode::from(failure::UNREAD_STATUS),
        Err(e) => {
            failure::report(&e);
            ExitCode::from(STATUS)
        }
        Ok(()) if is_failed => ExitCode::from(STATUS),
        Ok(()) => ExitCode::SUCCESS,
    }
}
