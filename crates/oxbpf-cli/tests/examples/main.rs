//! Every example on both back ends, loaded directly and by a program: `examples/*.expected` says what `oxbpf run` shows. One test a case.
//!
//! The embedded kernel needs nothing. The Linux cases need root and what they name after `needs:`; where that is missing they are skipped, with
//! the reason on standard error.

mod case;
mod pattern;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::RwLock;

use case::{Case, Exit};
use libtest_mimic::{Arguments, Failed, Trial};

/// Behind a back end's name: the object is loaded by a program (`oxbpf run -L`).
const LOADER: &str = "-loader";

static MACHINE: RwLock<()> = RwLock::new(());

fn main() {
    let args = Arguments::from_args();
    let mut trials = Vec::new();
    for case in case::all(&root().join("examples")) {
        let by_program = case.on.iter().map(|backend| format!("{backend}{LOADER}"));
        for backend in case.on.iter().cloned().chain(by_program) {
            let case = case.clone();
            let name = format!("{}::{backend}::{}", case.example, case.number);
            trials.push(Trial::test(name.clone(), move || check(&name, &case, &backend)));
        }
    }
    libtest_mimic::run(&args, trials).exit();
}

/// The tree that has `examples/`: this one, unless `OXBPF_TEST_ROOT` names a copy.
fn root() -> PathBuf {
    if let Some(root) = std::env::var_os("OXBPF_TEST_ROOT") {
        return root.into();
    }
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

fn check(name: &str, case: &Case, backend: &str) -> Result<(), Failed> {
    let (backend, by_program) = match backend.strip_suffix(LOADER) {
        Some(backend) => (backend, true),
        None => (backend, false),
    };
    let is_linux = backend == "linux";
    if is_linux {
        if let Some(reason) = lacking(&case.needs) {
            testkit::skip(name, &reason);
            return Ok(());
        }
    }
    if is_linux && by_program && testkit::kernel_release().is_none_or(|r| (r.major, r.minor) < (5, 17)) {
        testkit::skip(name, "programs that load objects relocate them since Linux 5.17");
        return Ok(());
    }
    // Programs in the machine's kernel see, and decide for, the commands of the other cases too.
    let _turn = if is_linux { (MACHINE.write().ok(), None) } else { (None, MACHINE.read().ok()) };
    // Where a machine has both versions of control groups, the second has a directory of its own.
    let unified = Path::new("/sys/fs/cgroup/unified").exists();
    let words = case.words.iter().map(|w| match w.as_str() {
        "/sys/fs/cgroup" if unified => "/sys/fs/cgroup/unified",
        word => word,
    });
    let mut words = words.skip(1);
    let (run, object) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let tool = std::env::var_os("OXBPF_TEST_BIN").unwrap_or_else(|| env!("CARGO_BIN_EXE_oxbpf").into());
    let mut command = Command::new(tool);
    command.current_dir(root()).envs(case.env.iter().cloned()).stdin(Stdio::null());
    // Cargo's, and it would make the commands look for their libraries elsewhere first.
    command.env_remove("LD_LIBRARY_PATH");
    command.args([run, object, "--backend", backend]).args(by_program.then_some("--use-loader")).args(words);
    let output = command.output().map_err(|e| format!("cannot start oxbpf: {e}"))?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text);
    let mut problems = case.compare(&text);
    match case.exit {
        Exit::Any => {}
        Exit::Error if !output.status.success() => {}
        Exit::Status(want) if output.status.code() == Some(want) => {}
        want => problems.push(format!("exit status {:?}, not {want:?}", output.status.code())),
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(format!("{}\n$ {command:?}\n{text}", problems.join("\n")).into())
}

/// What this machine's kernel lacks for a case, if anything.
fn lacking(needs: &[String]) -> Option<String> {
    if let Some(reason) = testkit::why_no_bpf() {
        return Some(reason);
    }
    let has_kprobes = Path::new("/sys/bus/event_source/devices/kprobe").exists();
    needs.iter().find_map(|need| {
        let has = match need.as_str() {
            "kprobe" => has_kprobes,
            // A kernel that is built without the one refuses the other, and no file says so. The kernels of `cargo xtask vm` have both.
            "fentry" => has_kprobes,
            "lsm" => std::fs::read_to_string("/sys/kernel/security/lsm")
                .is_ok_and(|l| l.split(',').any(|m| m == "bpf")),
            "cgroup" => ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
                .iter()
                .any(|d| Path::new(d).join("cgroup.controllers").exists()),
            _ => return Some(format!("unknown need `{need}`")),
        };
        (!has).then(|| format!("this kernel has no {need}"))
    })
}
