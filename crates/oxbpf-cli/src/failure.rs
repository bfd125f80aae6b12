//! How a failed command ends: one message, the verifier's lines that matter, a hint.

use std::io::Write;

use anyhow::Error;

/// Exit status of a command that failed itself, rather than the program it ran.
pub(crate) const STATUS: u8 = 1;
/// Verifier lines shown without `-v`.
const LOG_LINES: usize = 12;

/// Writes an error to standard error.
pub(crate) fn report(error: &Error) {
    let mut text = format!("oxbpf: {}", chain(error));
    if let Some(inner) = error.downcast_ref::<oxbpf::Error>() {
        if let Some(log) = inner.verifier_log() {
            let lines: Vec<_> = log.text().lines().collect();
            let shown = if log::log_enabled!(log::Level::Info) { lines.len() } else { LOG_LINES };
            let skipped = lines.len().saturating_sub(shown);
            if skipped > 0 {
                text += &format!("\n  ({skipped} log lines before these; -v shows them)");
            }
            for line in lines.get(skipped..).unwrap_or_default() {
                text += &format!("\n  {line}");
            }
        }
        let hint = inner.hint();
        if !hint.is_empty() {
            text += &format!("\nhint: {hint}");
        }
    }
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Contexts from outer to inner, each once: an inner message that the outer one contains adds nothing.
fn chain(error: &Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let message = cause.to_string();
        if !text.contains(&message) {
            if !text.is_empty() {
                text += ": ";
            }
            text += &message;
        }
    }
    text
}
