//! `.expected` files: commands, and patterns of what they print. `examples/README.md` says how they are written.

use std::path::Path;

use crate::pattern::{Bound, Pattern, words};

/// One command and what it shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Case {
    pub(crate) example: String,
    /// Place in its file, from 1.
    pub(crate) number: usize,
    pub(crate) env: Vec<(String, String)>,
    /// The command, `oxbpf` first.
    pub(crate) words: Vec<String>,
    pub(crate) on: Vec<String>,
    pub(crate) needs: Vec<String>,
    pub(crate) exit: Exit,
    ordered: Vec<Pattern>,
    anywhere: Vec<Pattern>,
    never: Vec<Pattern>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Status(i32),
    Error,
    Any,
}

impl Default for Exit {
    fn default() -> Self {
        Self::Status(0)
    }
}

/// The cases of all files in a directory, by name.
pub(crate) fn all(dir: &Path) -> Vec<Case> {
    let mut paths: Vec<_> =
        std::fs::read_dir(dir).expect("examples").map(|e| e.expect("entry").path()).collect();
    paths.retain(|p| p.extension().is_some_and(|e| e == "expected"));
    paths.sort();
    paths.iter().flat_map(|path| parse(path)).collect()
}

fn parse(path: &Path) -> Vec<Case> {
    let example = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).expect("readable");
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines().filter(|l| !l.trim().is_empty() && !l.starts_with('#')) {
        if let Some(command) = line.strip_prefix("$ ") {
            let mut words = shell_words(command);
            let at = words.iter().position(|w| w == "oxbpf").expect("a command of oxbpf");
            let rest = words.split_off(at);
            let env =
                words.iter().filter_map(|w| w.split_once('=')).map(|(n, v)| (n.to_owned(), v.to_owned()));
            let (number, example) = (cases.len() + 1, example.clone());
            cases.push(Case { example, number, env: env.collect(), words: rest, ..Case::default() });
            continue;
        }
        let case = cases.last_mut().expect("a command comes first");
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        match line.split_once(' ') {
            Some(("on:", backends)) => case.on = list(backends),
            Some(("needs:", needs)) => case.needs = list(needs),
            Some(("exit:", "any")) => case.exit = Exit::Any,
            Some(("exit:", "error")) => case.exit = Exit::Error,
            Some(("exit:", status)) => case.exit = Exit::Status(status.parse().expect("a number")),
            Some(("not:", pattern)) => case.never.push(Pattern::new(pattern)),
            Some(("~", pattern)) => case.anywhere.push(Pattern::new(pattern)),
            _ => case.ordered.push(Pattern::new(line)),
        }
    }
    assert!(cases.iter().all(|c| !c.on.is_empty()), "{example}: a case without `on:` checks nothing");
    cases
}

/// Splits as a shell does: blanks between words, single quotes around what has blanks.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in command.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().expect("never empty").push(c),
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

impl Case {
    /// What is wrong with the output, one line a problem.
    pub(crate) fn compare(&self, output: &str) -> Vec<String> {
        let lines: Vec<_> = output.lines().map(words).collect();
        let mut problems = Vec::new();
        let mut bound = Bound::default();
        let mut at = 0;
        for want in &self.ordered {
            let found = lines.iter().enumerate().skip(at).find_map(|(i, l)| Some((i, want.find(l, &bound)?)));
            match found {
                Some((i, now)) => (at, bound) = (i + 1, now),
                None => problems.push(format!("missing: {want}")),
            }
        }
        for want in &self.anywhere {
            if !lines.iter().any(|l| want.find(l, &bound).is_some()) {
                problems.push(format!("missing: {want}"));
            }
        }
        for never in &self.never {
            if lines.iter().any(|l| never.find(l, &bound).is_some()) {
                problems.push(format!("not wanted: {never}"));
            }
        }
        problems
    }
}
