//! How a failed command ends: one message, the verifier's lines that matter, a hint.

use std::fmt;
use std::io::Write;

use anyhow::Error;

use crate::log;

/// Exit status of a command that failed itself, rather than the program it ran.
pub(crate) const STATUS: u8 = 1;
/// Exit status where nobody reads the output any more, as a shell gives it for a command that `SIGPIPE` ended.
pub(crate) const UNREAD_STATUS: u8 = 128 + 13;
/// Verifier lines shown without `-v`.
const LOG_LINES: usize = 12;

/// Nobody reads standard output any more. That is no failure to talk about: `| head` does it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unread;

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads standard output")
    }
}

impl std::error::Error for Unread {}

/// What the user can do, as the outermost context of an error. Not part of its message.
#[derive(Clone, Debug)]
pub(crate) struct Hint(pub(crate) String);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes an error to standard error.
pub(crate) fn report(error: &Error) {
    let text = message(error, &log::held(), ::log::log_enabled!(::log::Level::Info));
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// An error in one line.
pub(crate) fn line(error: &Error) -> String {
    chain(error)
}

/// The message, with the reasons that the embedded kernel gave, and the whole log of the verifier where `verbose`.
fn message(error: &Error, reasons: &[String], verbose: bool) -> String {
    let inner = error.downcast_ref::<oxbpf::Error>();
    let mut text = format!("oxbpf: {}", chain(error));
    for reason in reasons {
        if !text.contains(reason) {
            text += &format!("\n  {reason}");
        }
    }
    if let Some(log) = inner.and_then(oxbpf::Error::verifier_log) {
        let lines: Vec<_> = log.text().lines().filter(|l| !l.trim().is_empty()).collect();
        let skipped = if verbose { 0 } else { lines.len().saturating_sub(LOG_LINES) };
        // A log of one line is in the message already.
        let lines = if lines.len() > 1 { lines.get(skipped..).unwrap_or_default() } else { &[] };
        if skipped > 0 {
            text += &format!("\n  ({skipped} log lines before these; -v shows them)");
        }
        for line in lines {
            text += &format!("\n  {line}");
        }
    }
    let hint = match (error.downcast_ref::<Hint>(), inner) {
        (Some(hint), _) => hint.0.clone(),
        (None, Some(inner)) => inner.hint().into_owned(),
        (None, None) => String::new(),
    };
    if !hint.is_empty() {
        text += &format!("\nhint: {hint}");
    }
    text
}

/// Contexts from outer to inner, each once: an inner message that the outer one contains adds nothing.
fn chain(error: &Error) -> String {
    let mut text = String::new();
    for cause in error.chain().skip(usize::from(error.is::<Hint>())) {
        // The other form of the one line says how to get the log, which is shown below it.
        let message = match cause.downcast_ref::<oxbpf::Error>() {
            Some(error) => format!("{error:#}").lines().next().unwrap_or_default().to_owned(),
            None => cause.to_string(),
        };
        if !text.contains(&message) {
            if !text.is_empty() {
                text += ": ";
            }
            text += &message;
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;
    use oxbpf::Frame;
    use oxbpf::error::VerifierLog;

    fn rejected(log: &str) -> oxbpf::Error {
        let error = oxbpf::Error::kernel(oxbpf_uapi::Errno::EACCES).with_kind(oxbpf::ErrorKind::Verifier);
        error.at(Frame::Verifier(VerifierLog::new(log))).at(Frame::Object("a.o".into()))
    }

    fn failed(error: oxbpf::Error) -> Error {
        Err::<(), _>(error).context("outer").unwrap_err()
    }

    #[test]
    fn a_log_is_cut_to_its_end_unless_all_is_wanted() {
        let lines: Vec<_> = (0..20).map(|i| format!("{i}: (b7) r0 = 0\n")).collect();
        let error = failed(rejected(&format!("{}R1 is bad\n", lines.concat())));
        let short = message(&error, &[], false);
        assert!(short.starts_with("oxbpf: outer: a.o: EACCES: R1 is bad\n  (9 log lines before"), "{short}");
        assert!(short.ends_with("\n  R1 is bad"), "{short}");
        let long = message(&error, &[], true);
        assert_eq!(long.lines().count(), 22, "{long}");
        assert!(!short.contains("{:#}") && !long.contains("{:#}"));
    }

    #[test]
    fn a_log_of_one_line_is_said_once() {
        let error = failed(rejected("no such thing\n"));
        assert_eq!(message(&error, &[], false), "oxbpf: outer: a.o: EACCES: no such thing");
    }

    #[test]
    fn reasons_and_hints_follow_the_message() {
        let error = failed(oxbpf::Error::kernel(oxbpf_uapi::Errno::EINVAL)).context(Hint("do this".into()));
        let text = message(&error, &["because".into()], false);
        assert_eq!(text, "oxbpf: outer: EINVAL (Invalid argument)\n  because\nhint: do this");
    }
}
