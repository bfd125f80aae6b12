//! Options that all nouns share. As with getopt, they may stand anywhere before `--`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::Tool;

/// What the options say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) wants_version: bool,
    wants_help: bool,
    is_json: bool,
    is_pretty: bool,
    /// Show where objects are pinned.
    pub(crate) shows_pins: bool,
    /// Accept map definitions with attributes that are not known.
    pub(crate) relaxed_maps: bool,
    /// Do not mount a bpf file system where there is none.
    pub(crate) no_mount: bool,
    /// Show the verifier's log.
    pub(crate) debug: bool,
    /// Load by a loader program.
    pub(crate) use_loader: bool,
    /// Sign the loader program.
    pub(crate) sign: bool,
    pub(crate) private_key: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    /// Types that split BTF is read on top of.
    pub(crate) base_btf: Option<PathBuf>,
}

/// An option's names, and what it does.
#[derive(Debug)]
pub(super) struct Opt {
    short: char,
    long: Option<&'static str>,
    set: Set,
}

#[derive(Debug)]
enum Set {
    Flag(fn(&mut Options)),
    Path(&'static str, fn(&mut Options, PathBuf)),
}

use Set::{Flag, Path};

pub(super) const OPTIONS: &[Opt] = &[
    Opt { short: 'j', long: Some("json"), set: Flag(|o| o.is_json = true) },
    Opt { short: 'p', long: Some("pretty"), set: Flag(|o| (o.is_json, o.is_pretty) = (true, true)) },
    Opt { short: 'd', long: Some("debug"), set: Flag(|o| o.debug = true) },
    Opt { short: 'f', long: Some("bpffs"), set: Flag(|o| o.shows_pins = true) },
    Opt { short: 'm', long: Some("mapcompat"), set: Flag(|o| o.relaxed_maps = true) },
    Opt { short: 'n', long: Some("nomount"), set: Flag(|o| o.no_mount = true) },
    Opt { short: 'L', long: Some("use-loader"), set: Flag(|o| o.use_loader = true) },
    Opt { short: 'S', long: Some("sign"), set: Flag(|o| (o.sign, o.use_loader) = (true, true)) },
    Opt { short: 'k', long: None, set: Path("KEY", |o, p| o.private_key = Some(p)) },
    Opt { short: 'i', long: None, set: Path("CERT", |o, p| o.certificate = Some(p)) },
    Opt { short: 'B', long: Some("base-btf"), set: Path("FILE", |o, p| o.base_btf = Some(p)) },
    // Accepted and without effect, as in bpftool.
    Opt { short: 'l', long: Some("legacy"), set: Flag(|_| ()) },
    Opt { short: 'V', long: Some("version"), set: Flag(|o| o.wants_version = true) },
    Opt { short: 'h', long: Some("help"), set: Flag(|o| o.wants_help = true) },
];

impl Opt {
    /// As help shows it.
    pub(super) fn usage(&self) -> String {
        let names = match self.long {
            Some(long) => format!("{{-{}|--{long}}}", self.short),
            None => format!("-{}", self.short),
        };
        match self.set {
            Flag(_) => names,
            Path(what, _) => format!("{names} {what}"),
        }
    }
}

fn short(c: char) -> Option<&'static Opt> {
    OPTIONS.iter().find(|o| o.short == c)
}

/// The option that a word `--NAME` or `--NAME=VALUE` means, which may be cut short, and the value.
fn long(word: &str) -> Option<(&'static Opt, Option<&str>)> {
    let (name, value) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    let is_named = |o: &&Opt| o.long.is_some_and(|l| l == name);
    let begins = |o: &&Opt| !name.is_empty() && o.long.is_some_and(|l| l.starts_with(name));
    let found = OPTIONS.iter().find(is_named).or_else(|| OPTIONS.iter().find(begins))?;
    Some((found, value))
}

/// The first word that is no option, nor the value of one.
pub(super) fn first_word(words: &[OsString]) -> Option<&OsStr> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(text) = word.to_str() else { return Some(word) };
        match text.strip_prefix('-') {
            None | Some("") => return Some(word),
            Some("-") => return words.next().map(OsString::as_os_str),
            Some(option) => {
                let takes_next = match option.strip_prefix('-') {
                    Some(name) => long(name).is_some_and(|(o, v)| matches!(o.set, Path(..)) && v.is_none()),
                    None => option.chars().last().and_then(short).is_some_and(|o| matches!(o.set, Path(..))),
                };
                if takes_next {
                    words.next();
                }
            }
        }
    }
    None
}

/// Takes the options out of a command line; `None` if it asks for help.
///
/// # Errors
/// For an option that does not exist or lacks its value.
pub(super) fn parse(words: Vec<OsString>, tool: &mut Tool) -> Result<Option<Vec<OsString>>> {
    let (options, result) = read(words);
    // JSON first, so that an error comes as it was asked for.
    if options.is_json {
        tool.out.set_json(options.is_pretty);
    }
    crate::log::init(if options.debug { 2 } else { 0 });
    let words = result?;
    let (has_key, has_certificate) = (options.private_key.is_some(), options.certificate.is_some());
    if options.sign && !(has_key && has_certificate) {
        bail!("--sign needs a certificate (-i CERT) and a private key (-k KEY)");
    }
    if !options.sign && (has_key || has_certificate) {
        bail!("-i CERT and -k KEY are only used with --sign");
    }
    let wants_help = options.wants_help;
    tool.options = options;
    Ok(if wants_help { None } else { Some(words) })
}

fn read(words: Vec<OsString>) -> (Options, Result<Vec<OsString>>) {
    let mut options = Options::default();
    let mut rest = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let text = word.to_str().unwrap_or_default();
        if text == "--" {
            rest.extend(words);
            break;
        }
        let result = if let Some(name) = text.strip_prefix("--") {
            match long(name) {
                Some((opt, value)) => apply(opt, value.map(OsString::from), &mut words, &mut options),
                None => Err(anyhow::anyhow!("unrecognized option '{text}'")),
            }
        } else if text.len() > 1 && text.starts_with('-') {
            cluster(text, &mut words, &mut options)
        } else {
            rest.push(word);
            continue;
        };
        if let Err(e) = result {
            return (options, Err(e));
        }
    }
    (options, Ok(rest))
}

/// `-jp`, `-B FILE`, `-BFILE`.
fn cluster(text: &str, words: &mut impl Iterator<Item = OsString>, options: &mut Options) -> Result<()> {
    let mut letters = text.trim_start_matches('-').chars();
    while let Some(letter) = letters.next() {
        let Some(opt) = short(letter) else { bail!("unrecognized option '{text}'") };
        if matches!(opt.set, Path(..)) {
            let value = Some(letters.as_str()).filter(|v| !v.is_empty());
            return apply(opt, value.map(OsString::from), words, options);
        }
        apply(opt, None, words, options)?;
    }
    Ok(())
}

fn apply(
    opt: &Opt,
    value: Option<OsString>,
    words: &mut impl Iterator<Item = OsString>,
    options: &mut Options,
) -> Result<()> {
    match (&opt.set, value) {
        (Flag(set), None) => set(options),
        (Flag(_), Some(_)) => bail!("option '{}' takes no value", opt.usage()),
        (Path(what, set), value) => match value.or_else(|| words.next()) {
            Some(value) => set(options, value.into()),
            None => bail!("option '-{}' needs {what}", opt.short),
        },
    }
    Ok(())
}
