//! Patterns of lines, compared by words.

use std::fmt;

/// What `{pid}` stands for, once it was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bound {
    pid: Option<String>,
}

/// One line of a `.expected` file.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: String,
    words: Vec<Word>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Word {
    /// Any number of words.
    Gap,
    /// Parts that follow one another.
    Parts(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Int,
    Pid,
    Str,
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "_./:-".contains(c)
}

/// The words of a line: runs of letters, digits and `_ . / : -`, without a `:` at either end.
pub(crate) fn words(line: &str) -> Vec<String> {
    let runs = line.split(|c| !is_word(c)).map(|w| w.trim_matches(':'));
    runs.filter(|w| !w.is_empty()).map(str::to_owned).collect()
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        // Places are put into characters that no pattern has, so that they are parts of words.
        let marked =
            text.replace("{int}", "\u{e000}").replace("{pid}", "\u{e001}").replace("{str}", "\u{e002}");
        let is_place = |c| ('\u{e000}'..='\u{e002}').contains(&c);
        let runs = marked
            .split(|c| !is_word(c) && !is_place(c))
            .map(|w| w.trim_matches(':'))
            .filter(|w| !w.is_empty());
        let word = |run: &str| match run {
            "..." => Word::Gap,
            run => Word::Parts(parts(run)),
        };
        Self { text: text.to_owned(), words: runs.map(word).collect() }
    }

    /// Finds the pattern anywhere in a line; gives what is bound then.
    pub(crate) fn find(&self, line: &[String], bound: &Bound) -> Option<Bound> {
        (0..line.len()).find_map(|start| run(&self.words, line.get(start..)?, bound))
    }
}

fn parts(run: &str) -> Vec<Part> {
    let mut found = Vec::new();
    for c in run.chars() {
        match (c, found.last_mut()) {
            ('\u{e000}', _) => found.push(Part::Int),
            ('\u{e001}', _) => found.push(Part::Pid),
            ('\u{e002}', _) => found.push(Part::Str),
            (c, Some(Part::Literal(text))) => text.push(c),
            (c, _) => found.push(Part::Literal(c.to_string())),
        }
    }
    found
}

/// Words in a row from the line's first on.
fn run(want: &[Word], have: &[String], bound: &Bound) -> Option<Bound> {
    match want {
        [] => Some(bound.clone()),
        [Word::Gap, rest @ ..] => (0..=have.len()).find_map(|i| run(rest, have.get(i..)?, bound)),
        [Word::Parts(parts), rest @ ..] => {
            let (first, after) = have.split_first()?;
            let now = part(parts, first, bound)?;
            run(rest, after, &now)
        }
    }
}

fn part(want: &[Part], have: &str, bound: &Bound) -> Option<Bound> {
    let Some((first, rest)) = want.split_first() else { return have.is_empty().then(|| bound.clone()) };
    let split = |end: usize| have.is_char_boundary(end).then(|| have.split_at(end));
    match first {
        Part::Literal(text) => part(rest, have.strip_prefix(text.as_str())?, bound),
        Part::Str => (0..=have.len()).filter_map(split).find_map(|(_, after)| part(rest, after, bound)),
        Part::Int => (1..=have.len())
            .filter_map(split)
            .filter(|(number, _)| is_int(number))
            .find_map(|(_, after)| part(rest, after, bound)),
        Part::Pid => (1..=have.len()).filter_map(split).find_map(|(number, after)| {
            let is_pid = number.bytes().all(|b| b.is_ascii_digit());
            let is_same = bound.pid.as_deref().is_none_or(|pid| pid == number);
            let now = Bound { pid: Some(number.to_owned()) };
            if is_pid && is_same { part(rest, after, &now) } else { None }
        }),
    }
}

fn is_int(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    match digits.strip_prefix("0x") {
        Some(hex) => !hex.is_empty() && hex.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()),
    }
}
