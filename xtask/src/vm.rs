//! Debian kernels under QEMU, and the privileged tests in them.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::{cargo, output, root, run, say, target_dir};

/// The kernels of the matrix, oldest first.
pub const KERNELS: &[&str] = &["5.10", "6.1", "6.12", "7.2"];

/// Test binaries that need a kernel, as (package, target).
const SUITES: &[(&str, &str)] = &[("oxbpf-sys", "*"), ("oxbpf", "*"), ("oxbpf-cli", "*")];

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
    let mut failed = Vec::new();
    for kernel in kernels {
        let start = Instant::now();
        let status = Command::new("bash")
            .current_dir(root())
            .arg(root().join("xtask/scripts/vm.sh"))
            .arg("-k")
            .arg(dir.join(kernel))
            // Debian's 5.10 has BPF among its security modules only when told so.
            .args(["-a", "lsm=landlock,lockdown,yama,apparmor,bpf"])
            .arg(&script)
            .status()
            .context("cannot start the virtual machine")?;
        let verdict = if status.success() { "ok" } else { "FAILED" };
        say(&format!("kernel {kernel}: {verdict} in {} s", start.elapsed().as_secs()));
        if !status.success() {
            failed.push(kernel);
        }
    }
    if !failed.is_empty() {
        bail!("failed on {}", failed.join(", "));
    }
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
    script += "'; fail=0; export OXBPF_VM=$(uname -r | cut -d. -f1,2) OXBPF_BIN='";
    script += &target_dir()?.join("debug/oxbpf").display().to_string();
    script += "'\n";
    for (package, target) in SUITES {
        let mut cmd = cargo();
        cmd.args(["test", "--no-run", "--message-format", "json", "--quiet", "--package", package]);
        if *target != "*" {
            cmd.args(["--test", target]);
        }
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
