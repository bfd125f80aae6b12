//! One line of assembly in, its tokens out.

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tok<'t> {
    Word(&'t str),
    Int(i128),
    Punct(&'t str),
}

/// Longest first, so that `s>>=` is not read as `s`, `>>=`.
const PUNCT: [&str; 40] = [
    "s>>=", "<<=", ">>=", "s>=", "s<=", "s/=", "s%=", "+=", "-=", "*=", "/=", "|=", "&=", "%=", "^=", "==",
    "!=", ">=", "<=", "s>", "s<", "=", ">", "<", "&", "+", "-", "*", "(", ")", "[", "]", ",", ":", "#", "@",
    "/", "|", "%", "^",
];

/// The tokens of a line, taken from the front.
#[derive(Debug)]
pub(super) struct Tokens<'t> {
    tokens: Vec<Tok<'t>>,
    at: usize,
}

impl<'t> Tokens<'t> {
    pub(super) fn new(line: &'t str) -> Result<Self, String> {
        let line = line.split(';').next().unwrap_or_default();
        let line = line.split("//").next().unwrap_or_default();
        let mut tokens = Vec::new();
        let mut rest = line.trim();
        while let Some(first) = rest.chars().next() {
            let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '$';
            let len = if let Some(punct) = PUNCT.iter().find(|p| rest.starts_with(**p)) {
                tokens.push(Tok::Punct(punct));
                punct.len()
            } else if is_word(first) {
                let len = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let (word, _) = rest.split_at(len);
                tokens.push(if first.is_ascii_digit() { number(word)? } else { Tok::Word(word) });
                len
            } else {
                return Err(format!("unexpected `{first}`"));
            };
            rest = rest.get(len..).unwrap_or_default().trim_start();
        }
        Ok(Self { tokens, at: 0 })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.peek().is_none()
    }

    pub(super) fn peek(&self) -> Option<Tok<'t>> {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<Tok<'t>> {
        self.tokens.get(self.at + ahead).copied()
    }

    pub(super) fn skip(&mut self) {
        self.at += 1;
    }

    /// What comes next, for a message.
    pub(super) fn describe(&self) -> String {
        match self.peek() {
            None => "the end of the line".to_owned(),
            Some(Tok::Word(text) | Tok::Punct(text)) => format!("`{text}`"),
            Some(Tok::Int(value)) => format!("`{value}`"),
        }
    }

    /// Takes `name:`; an index (`12:`) is skipped on the way.
    pub(super) fn label(&mut self) -> Option<&'t str> {
        while let (Some(first), Some(Tok::Punct(":"))) = (self.peek(), self.peek_at(1)) {
            self.at += 2;
            if let Tok::Word(name) = first {
                return Some(name);
            }
        }
        None
    }

    /// Takes `(b7)`. The digits are hexadecimal, so they may have been read as a word or a decimal number.
    pub(super) fn opcode_prefix(&mut self) -> Option<u8> {
        let (Some(Tok::Punct("(")), Some(code), Some(Tok::Punct(")"))) =
            (self.peek(), self.peek_at(1), self.peek_at(2))
        else {
            return None;
        };
        let code = match code {
            Tok::Word(word) => u8::from_str_radix(word, 16).ok()?,
            Tok::Int(value) => u8::from_str_radix(&value.to_string(), 16).ok()?,
            Tok::Punct(_) => return None,
        };
        self.at += 3;
        Some(code)
    }

    pub(super) fn accept(&mut self, punct: &str) -> bool {
        let is = self.peek() == Some(Tok::Punct(punct));
        self.at += usize::from(is);
        is
    }

    pub(super) fn expect(&mut self, punct: &str) -> Result<(), String> {
        if self.accept(punct) { Ok(()) } else { Err(format!("expected `{punct}`, not {}", self.describe())) }
    }

    /// Takes a sequence of words and signs, or nothing.
    pub(super) fn accept_words(&mut self, words: &[&str]) -> bool {
        let found = words
            .iter()
            .enumerate()
            .all(|(i, w)| matches!(self.peek_at(i), Some(Tok::Word(text) | Tok::Punct(text)) if text == *w));
        self.at += if found { words.len() } else { 0 };
        found
    }

    pub(super) fn word(&mut self, word: &str) -> Result<(), String> {
        if self.accept_words(&[word]) {
            Ok(())
        } else {
            Err(format!("expected `{word}`, not {}", self.describe()))
        }
    }

    pub(super) fn take_word(&mut self) -> Result<&'t str, String> {
        match self.peek() {
            Some(Tok::Word(word)) => {
                self.at += 1;
                Ok(word)
            }
            _ => Err(format!("expected a word, not {}", self.describe())),
        }
    }

    pub(super) fn punct(&mut self) -> Result<&'t str, String> {
        match self.peek() {
            Some(Tok::Punct(punct)) => {
                self.at += 1;
                Ok(punct)
            }
            _ => Err(format!("expected an operator, not {}", self.describe())),
        }
    }

    /// A constant, negative or not.
    pub(super) fn int(&mut self) -> Result<i128, String> {
        let negative = self.accept("-");
        match self.peek() {
            Some(Tok::Int(value)) => {
                self.at += 1;
                Ok(if negative { -value } else { value })
            }
            _ => Err(format!("expected a constant, not {}", self.describe())),
        }
    }

    /// A constant with a sign, or none.
    pub(super) fn signed(&mut self) -> Result<i128, String> {
        self.accept("+");
        self.int()
    }
}

/// A constant; or a word that starts with a digit, which only an opcode in hexadecimal is (`0f`).
fn number(word: &str) -> Result<Tok<'_>, String> {
    match int(word) {
        Ok(value) => Ok(Tok::Int(value)),
        Err(_) if word.len() == 2 && word.bytes().all(|b| b.is_ascii_hexdigit()) => Ok(Tok::Word(word)),
        Err(what) => Err(what),
    }
}

fn int(word: &str) -> Result<i128, String> {
    let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(hex) => (hex, 16),
        None => (word, 10),
    };
    i128::from_str_radix(digits, radix).map_err(|_| format!("no number `{word}`"))
}
