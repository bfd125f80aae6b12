//! Log records of the libraries, on standard error.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Stderr;

/// Why the embedded kernel refused what the loader asked, while that may still end the run: then it belongs to the error's message.
static HELD: Mutex<Option<Vec<String>>> = Mutex::new(None);

impl Log for Stderr {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            Level::Info | Level::Debug | Level::Trace => "",
        };
        if record.level() == Level::Warn && record.target().starts_with("oxbpf_runtime") {
            if let Some(held) = &mut *HELD.lock().unwrap_or_else(PoisonError::into_inner) {
                held.push(record.args().to_string());
                return;
            }
        }
        // There is nobody to tell that standard error is gone.
        let _ = writeln!(std::io::stderr(), "{level}{}", record.args());
    }

    fn flush(&self) {}
}

/// Shows warnings; with `-v` facts too, with `-vv` every step, with `-vvv` everything.
pub(crate) fn init(verbose: u8) {
    let level = match verbose {
        0 => LevelFilter::Warn,
        1 => LevelFilter::Info,
        2 => LevelFilter::Debug,
        _ => LevelFilter::Trace,
    };
    if log::set_logger(&Stderr).is_ok() {
        log::set_max_level(level);
    }
}

/// Keeps the embedded kernel's warnings from now on.
pub(crate) fn hold() {
    *HELD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
}

/// The warnings that were kept; later ones are shown at once.
pub(crate) fn held() -> Vec<String> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
}

/// Shows the warnings that were kept: nothing came of them.
pub(crate) fn release() {
    for warning in held() {
        log::warn!("{warning}");
    }
}
