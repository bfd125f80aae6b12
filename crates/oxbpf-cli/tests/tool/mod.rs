//! The built command, run with a time limit.

#![allow(dead_code, reason = "no test binary uses all of it")]

pub(crate) mod oracle;

use std::cell::OnceCell;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Longest time that a run may take; the tests' own take a fraction of a second.
const LIMIT: Duration = Duration::from_secs(60);

/// How a run ended, and what it wrote.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Exit status as a shell gives it.
    pub(crate) status: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Kernels to test: the embedded one, and Linux where it lets this process. A test is told once that it is not.
pub(crate) fn backends() -> &'static [&'static str] {
    thread_local! {
        static LINUX: OnceCell<bool> = const { OnceCell::new() };
    }
    let linux = LINUX.with(|linux| *linux.get_or_init(testkit::require_bpf));
    if linux { &["embedded", "linux"] } else { &["embedded"] }
}

/// The command that is tested: the one that was built with the tests, or what `OXBPF_TEST_BIN` names.
pub(crate) fn binary() -> String {
    std::env::var("OXBPF_TEST_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_oxbpf").to_owned())
}

/// `oxbpf run --backend BACKEND ARGS…` in the root of the repository, with nothing to read.
pub(crate) fn command(backend: &str, args: &[&str]) -> Command {
    let mut command = bare();
    command.args(["run", "--backend", backend]).args(args);
    command
}

/// Runs `oxbpf WORDS…` to the end.
pub(crate) fn noun<'w>(words: impl IntoIterator<Item = &'w str>) -> Ended {
    wait(start(words))
}

/// Starts `oxbpf WORDS…`.
pub(crate) fn start<'w>(words: impl IntoIterator<Item = &'w str>) -> Child {
    bare().args(words).spawn().expect("oxbpf starts")
}

fn bare() -> Command {
    let mut command = Command::new(binary());
    command.current_dir(testkit::root());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Cargo's, which makes commands look for their libraries elsewhere first.
    command.env_remove("LD_LIBRARY_PATH").env("LC_ALL", "C");
    command
}

/// Runs to the end.
pub(crate) fn run(backend: &str, args: &[&str]) -> Ended {
    wait(command(backend, args).spawn().expect("oxbpf starts"))
}

/// Waits for the end, and kills what does not come to one.
pub(crate) fn wait(mut child: Child) -> Ended {
    let out = child.stdout.take().map(read);
    let err = child.stderr.take().map(read);
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        if started.elapsed() > LIMIT {
            let _ = child.kill();
            let _ = child.wait();
            let texts = [out, err].map(|t| t.map(|t| t.join().unwrap_or_default()));
            panic!("still running after {LIMIT:?}: {texts:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text =
        |t: Option<std::thread::JoinHandle<String>>| t.map_or_else(String::new, |t| t.join().expect("read"));
    let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ended { status, out: text(out), err: text(err) }
}

fn read(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
