//! Many commands from a file: one a line, `#` begins a comment, `\` at the end of a line continues it, quotes keep spaces.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result, bail};

use super::{Args, Silent, Tool};

/// Longest command, continuation lines included, in bytes.
const MAX_COMMAND: usize = 65536;

/// `batch file FILE`, where `-` is standard input. Ends at the first command that fails.
pub(super) fn run(tool: &mut Tool, args: &mut Args<'_>) -> Result<()> {
    args.one_of(&["file"])?;
    let path = args.path("FILE")?;
    args.end()?;
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).with_context(|| path.display().to_string())?)
    };
    let count = tool.with_array(|tool| commands(tool, BufReader::new(source)))?;
    if !tool.out.is_json() {
        writeln!(tool.out, "processed {count} commands");
    }
    Ok(())
}

impl Tool {
    /// In JSON, `body` between brackets.
    fn with_array<T>(&mut self, body: impl FnOnce(&mut Self) -> T) -> T {
        self.out.open_array();
        let result = body(self);
        self.out.close_array();
        result
    }
}

fn commands(tool: &mut Tool, mut source: impl BufRead) -> Result<usize> {
    let mut count = 0;
    while let Some(command) = next_command(&mut source, count)? {
        let words = split(&command).with_context(|| format!("command {count}"))?;
        if words.is_empty() {
            continue;
        }
        tool.out.open_object();
        tool.out.name("command").array(|out| words.iter().for_each(|w| out.string(w.to_string_lossy())));
        tool.out.name("output");
        let result = tool.run(&words);
        if let Some(e) = result.as_ref().err().filter(|e| !e.is::<Silent>()) {
            tool.report(e);
        }
        tool.out.close_object();
        if result.is_err() {
            return Err(Silent.into());
        }
        count += 1;
    }
    Ok(count)
}

/// The next line with those that continue it, without comments; `None` at the end.
fn next_command(source: &mut impl BufRead, number: usize) -> Result<Option<String>> {
    let mut command = String::new();
    loop {
        let mut line = Vec::new();
        let room = (MAX_COMMAND - command.len()) as u64;
        let read = source.by_ref().take(room + 1).read_until(b'\n', &mut line).context("batch file")?;
        if read == 0 {
            return match command.is_empty() {
                true => Ok(None),
                false => bail!("missing continuation line on command {number}"),
            };
        }
        if read as u64 > room {
            bail!("command {number} is longer than {MAX_COMMAND} bytes");
        }
        let line = String::from_utf8(line).with_context(|| format!("command {number} is no UTF-8"))?;
        let (line, has_comment) = match line.split_once('#') {
            Some((code, _)) => (code, true),
            None => (line.trim_end_matches('\n'), false),
        };
        match line.strip_suffix('\\') {
            Some(start) if !has_comment => {
                command.push_str(start);
                // So that an empty start is not taken for the end of the file.
                command.push(' ');
            }
            _ => {
                command.push_str(line);
                return Ok(Some(command));
            }
        }
    }
}

/// A command's words.
fn split(command: &str) -> Result<Vec<OsString>> {
    let mut words = Vec::new();
    let mut rest = command.trim_start();
    while let Some(first) = rest.chars().next() {
        let (word, after) = if matches!(first, '\'' | '"') {
            let quoted = rest.get(1..).unwrap_or_default();
            let Some(parts) = quoted.split_once(first) else { bail!("unterminated quoted string") };
            parts
        } else {
            rest.split_once(|c: char| c.is_ascii_whitespace()).unwrap_or((rest, ""))
        };
        words.push(OsString::from(word));
        rest = after.trim_start();
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_continue_and_comments_end_them() {
        let text = "prog show # all\n\n# nothing\nmap \\\n  show\nlink show";
        let mut source = text.as_bytes();
        let mut commands = Vec::new();
        while let Some(command) = next_command(&mut source, 0).expect("well formed") {
            let words = split(&command).expect("well formed");
            if !words.is_empty() {
                commands.push(words);
            }
        }
        assert_eq!(commands, [["prog", "show"], ["map", "show"], ["link", "show"]]);
    }

    #[test]
    fn what_does_not_end_is_an_error() {
        assert!(
            next_command(&mut "prog \\\n".as_bytes(), 3).expect_err("ends").to_string().contains("command 3")
        );
        assert!(split("map 'a b").is_err());
        assert_eq!(split("map 'a b' \"c d\" e").expect("well formed"), ["map", "a b", "c d", "e"]);
        let long = "x".repeat(MAX_COMMAND + 1);
        assert!(next_command(&mut long.as_bytes(), 0).is_err());
        assert!(next_command(&mut &b"\xff\n"[..], 0).is_err());
    }
}
