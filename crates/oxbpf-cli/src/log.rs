//! Log records of the libraries, on standard error.

use std::io::Write;

use log::{LevelFilter, Log, Metadata, Record};

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        let level = match record.level() {
            log::Level::Error => "error: ",
            log::Level::Warn => "warning: ",
            log::Level::Info | log::Level::Debug | log::Level::Trace => "",
        };
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
