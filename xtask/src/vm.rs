//! Debian kernels under QEMU, and the privileged tests in them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{cargo, output, root, run, say, target_dir};

/// The kernels of the matrix, oldest first.
pub const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "7.2"];

/// Tests that ask something of a kernel, as packages and the targets that Cargo is to build.
const SUITES: &[(&str, &[&str])] = &[
    ("oxbpf-sys", &["--test", "live", "--test", "trace"]),
    (
        "oxbpf",
        &[
            "--lib",
            "--test",
            "attach",
            "--test",
            "live",
            "--test",
            "usdt",
            "--test",
            "struct_ops",
            "--test",
            "prepare",
            "--test",
            "sections",
            "--test",
            "net_sections",
            "--test",
            "net_faults",
            "--test",
            "maps",
            "--test",
            "in_kernel",
            "--test",
            "loader",
        ],
    ),
    ("oxbpf-runtime", &["--test", "both"]),
    ("oxbpf-cli", &["--test", "examples"]),
];

/// `[--kernel K,…] [-- COMMAND]`: runs the suites, or the command, in each kernel. Kernels are unpacked into
/// `OXBPF_KERNELS` (default `target/kernels`) on first use, which takes root rights.
///
/// # Errors
/// If a kernel cannot be had, or anything in it fails.
pub fn main(args: &[String]) -> Result<()> {
    let split = args.iter().position(|a| a == "--").unwrap_or(args.len());
    let (options, command) = args.split_at(split);
    let command = command.get(1..).unwrap_or_default().join(" ");
    let mut kernels: Vec<&str> = KERNELS.to_vec();
    match options {
        [] => {}
        [flag, list] if flag == "--kernel" => kernels = list.split(',').collect(),
        _ => bail!("usage: cargo xtask vm [--kernel 5.10,6.1] [-- COMMAND]"),
    }
    let dir = kernels_dir()?;
    run(Command::new("bash")
        .arg(root().join("xtask/scripts/kernels.sh"))
        .arg("-d")
        .arg(&dir)
        .args(&kernels))?;
    let script = if command.is_empty() { suites()? } else { command };
    // Each machine takes one core of the host, so as many run at once as there are.
    let queue = Mutex::new(kernels.into_iter());
    let failed = Mutex::new(Vec::new());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores.min(KERNELS.len()) {
            scope.spawn(|| {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                    let Some(kernel) = next else { break };
                    if let Err(error) = one(&dir, kernel, &script) {
                        say(&format!("kernel {kernel}: {error:#}"));
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(kernel);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if !failed.is_empty() {
        bail!("failed on {}", failed.join(", "));
    }
    Ok(())
}

/// How `vm.sh` says that the machine itself did not come to an end.
const MACHINE_DIED: Option<i32> = Some(125);

/// Runs the script in one kernel, and prints what it printed when it is over.
fn one(dir: &Path, kernel: &str, script: &str) -> Result<()> {
    let start = Instant::now();
    let mut attempts = 0;
    let output = loop {
        attempts += 1;
        let mut machine = Command::new("bash");
        machine.current_dir(root()).arg(root().join("xtask/scripts/vm.sh"));
        // With a thread for each processor the emulator now and then runs an instruction that the kernel is just changing.
        machine.env("VMACCEL", "tcg,thread=single");
        // Debian's 5.10 has BPF among its security modules only when told so.
        machine
            .args(["-a", "lsm=landlock,lockdown,yama,apparmor,bpf"])
            .arg("-k")
            .arg(dir.join(kernel))
            .arg(script);
        let output = machine.output().context("cannot start the virtual machine")?;
        if output.status.code() != MACHINE_DIED || attempts == 2 {
            break output;
        }
        say(&format!(
            "kernel {kernel}: the machine died, once more\n{}",
            String::from_utf8_lossy(&output.stderr)
        ));
    };
    let seconds = start.elapsed().as_secs();
    let text = [output.stdout, output.stderr].concat();
    say(&format!("==== kernel {kernel}\n{}", String::from_utf8_lossy(&text)));
    if !output.status.success() {
        bail!("FAILED after {seconds} s: {}", output.status);
    }
    say(&format!("kernel {kernel}: ok in {seconds} s"));
    Ok(())
}

fn kernels_dir() -> Result<PathBuf> {
    match std::env::var_os("OXBPF_KERNELS") {
        Some(dir) => Ok(PathBuf::from(dir)),
        None => Ok(target_dir()?.join("kernels")),
    }
}

/// Builds the suites and gives the shell text that runs each in the guest, where the host's files are visible.
fn suites() -> Result<String> {
    let mut script = String::from("cd '");
    script += &root().display().to_string();
    script += "'; fail=0; export OXBPF_COVERAGE=1 OXBPF_VM=$(uname -r | cut -d. -f1,2) OXBPF_BIN='";
    script += &target_dir()?.join("debug/oxbpf").display().to_string();
    script += "'\n";
    for (package, targets) in SUITES {
        let mut cmd = cargo();
        cmd.args(["test", "--no-run", "--message-format", "json", "--quiet", "--package", package]);
        cmd.args(*targets);
        for line in output(&mut cmd)?.lines() {
            let message: serde_json::Value = serde_json::from_str(line)?;
            let is_test = message.pointer("/profile/test").and_then(serde_json::Value::as_bool) == Some(true);
            if let (true, Some(exe)) = (is_test, message.get("executable").and_then(|e| e.as_str())) {
                script += &format!("echo '== {package}: {exe}'; '{exe}' --test-threads=2 || fail=1\n");
            }
        }
    }
    script += "exit $fail";
    Ok(script)
}
