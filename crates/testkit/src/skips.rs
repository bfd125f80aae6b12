//! Saying that a test did nothing, so that a person and a script both see it.

use std::fmt::Display;
use std::fs::OpenOptions;
use std::io::Write;

/// Says that a test is skipped: `SKIP test: reason` on standard error, and `test: reason` at the end of the file that
/// the environment variable `OXBPF_SKIP_LOG` names, unless it is unset or empty.
///
/// The caller returns from the test.
pub fn skip(test: &str, reason: impl Display) {
    let reason = one_line(&reason.to_string());
    // The test runner captures what the printing macros write, but not what is written to the handle itself.
    let _ = writeln!(std::io::stderr(), "SKIP {test}: {reason}");
    if let Some(path) = std::env::var_os("OXBPF_SKIP_LOG").filter(|p| !p.is_empty()) {
        // One write of one line, so that tests that run side by side do not mix.
        let log = OpenOptions::new().create(true).append(true).open(&path);
        let written = log.and_then(|mut log| log.write_all(format!("{test}: {reason}\n").as_bytes()));
        if let Err(e) = written {
            let _ = writeln!(std::io::stderr(), "OXBPF_SKIP_LOG={path:?}: {e}");
        }
    }
}

/// [`skip`] for the test that runs in this thread, which the test runner names after it.
///
/// Where tests run in the main thread, because there is only one, the test is named by the calling line.
#[track_caller]
pub fn skip_this(reason: impl Display) {
    let thread = std::thread::current();
    match thread.name() {
        Some(test) if test != "main" => skip(test, reason),
        _ => skip(&std::panic::Location::caller().to_string(), reason),
    }
}

/// Skips the running test, with a reason as for `format!`, and returns from it.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        $crate::skip_this(::std::format_args!($($reason)*));
        return;
    }};
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_one_line() {
        assert_eq!(one_line("no\n  luck "), "no luck");
    }
}
