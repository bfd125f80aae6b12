//! `cargo xtask capi-test`: programs in C against `libbpf.so.1`, theirs and ours.
//!
//! Each program of `crates/oxbpf-capi/tests/c` is compiled with the headers of `cargo xtask capi`, run with its
//! library, and what it prints is compared with `NAME.expected`, which is what it printed with C libbpf. `--record DIR`
//! runs them with the C libbpf in a directory and writes those files. `--lib DIR` tests a library that is there.
//! With `--clients`, programs of the distribution that use libbpf are run with ours as well.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{capi, root, say, target_dir};

/// Name, arguments (`EXAMPLES` stands for the examples' directory, `OBJECTS` for the objects in it), whether it needs root.
const TESTS: &[(&str, &[&str], bool)] = &[
    ("types", &["EXAMPLES/opensnoop.bpf.o"], false),
    ("objects", &["OBJECTS"], false),
    ("load", &["EXAMPLES"], true),
];

/// Programs of the distribution: name, arguments, and a word that they print when they work.
const CLIENTS: &[(&str, &[&str], &str)] = &[
    ("pahole", &["-C", "list_head", "/sys/kernel/btf/vmlinux"], "struct list_head {"),
    ("pahole", &["--sizes", "/sys/kernel/btf/vmlinux"], "task_struct"),
    ("ip", &["-V"], "libbpf"),
    ("tc", &["-V"], "libbpf"),
    ("xdp-loader", &["status"], "CURRENT XDP PROGRAM STATUS"),
    ("bpftrace", &["-e", "BEGIN { printf(\"hello %d\\n\", 6 * 7); exit(); }"], "hello 42"),
    (
        "bpftrace",
        &[
            "-c",
            "/bin/true",
            "-e",
            "tracepoint:sched:sched_process_exec /pid == cpid/ { printf(\"ran %s\\n\", str(args->filename)); exit(); }",
        ],
        "ran /bin/true",
    ),
];

/// Runs the programs.
///
/// # Errors
/// If one can't be compiled or prints something else.
pub fn main(args: &[String]) -> Result<()> {
    let value = |name: &str| {
        let at = args.iter().position(|a| a == name);
        at.map(|at| args.get(at + 1).map(PathBuf::from).with_context(|| format!("{name} needs a directory")))
            .transpose()
    };
    let work = target_dir()?.join("capi-test");
    std::fs::create_dir_all(&work)?;
    let (record, lib) = (value("--record")?, value("--lib")?);
    let lib = match (&record, lib) {
        (Some(theirs), _) => theirs.clone(),
        (None, Some(lib)) => lib,
        (None, None) => {
            let out = work.join("out");
            capi::main(&["--out".to_owned(), out.display().to_string()])?;
            out.join("lib")
        }
    };
    let is_root = crate::output(Command::new("id").arg("-u"))?.trim() == "0";
    let mut failed = Vec::new();
    for (name, args, needs_root) in TESTS {
        if *needs_root && !is_root {
            say(&format!("capi-test: {name}: skipped, it needs root"));
            continue;
        }
        let printed = run(name, &arguments(args)?, &lib, &work)?;
        let path = source(name).with_extension("expected");
        if record.is_some() {
            std::fs::write(&path, &printed)?;
            say(&format!("capi-test: {name}: {} lines recorded", printed.lines().count()));
            continue;
        }
        let expected = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        match difference(&expected, &printed) {
            None => say(&format!("capi-test: {name}: {} lines as C libbpf's", expected.lines().count())),
            Some(text) => failed.push(format!("{name}: {text}")),
        }
    }
    if args.iter().any(|a| a == "--clients") {
        failed.extend(clients(&lib)?);
    }
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("\n")) }
}

fn source(name: &str) -> PathBuf {
    root().join(format!("crates/oxbpf-capi/tests/c/{name}.c"))
}

/// Arguments with names of directories and files in their places.
fn arguments(args: &[&str]) -> Result<Vec<String>> {
    let examples = root().join("examples");
    let mut all = Vec::new();
    for arg in args {
        if *arg == "OBJECTS" {
            let mut objects: Vec<String> = std::fs::read_dir(&examples)?
                .filter_map(|e| Some(e.ok()?.path().display().to_string()))
                .filter(|p| p.ends_with(".bpf.o"))
                .collect();
            objects.sort();
            all.extend(objects);
        } else {
            all.push(arg.replace("EXAMPLES", &examples.display().to_string()));
        }
    }
    Ok(all)
}

/// Compiles a program with our headers and runs it with a library; gives what it printed.
fn run(name: &str, args: &[String], lib: &Path, work: &Path) -> Result<String> {
    let binary = work.join(name);
    let mut cc = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    cc.args(["-Wall", "-Wno-format-truncation", "-I"]).arg(root().join("crates/oxbpf-capi/include"));
    cc.arg(source(name)).arg("-o").arg(&binary).arg("-L").arg(lib).arg("-lbpf");
    crate::run(&mut cc)?;
    let out = Command::new(&binary).args(args).env("LD_LIBRARY_PATH", lib).current_dir(root()).output()?;
    if !out.status.success() {
        bail!("{name}: {}\n{}", out.status, String::from_utf8_lossy(&out.stderr));
    }
    // Paths of this machine are no part of an answer.
    Ok(String::from_utf8_lossy(&out.stdout).replace(&root().display().to_string(), "ROOT"))
}

/// The first lines that differ.
fn difference(expected: &str, printed: &str) -> Option<String> {
    let pairs = expected.lines().zip(printed.lines()).enumerate();
    let differing: Vec<_> = pairs.filter(|(_, (a, b))| a != b).collect();
    let (had, has) = (expected.lines().count(), printed.lines().count());
    if differing.is_empty() && had == has {
        return None;
    }
    let lines: Vec<String> =
        differing.iter().take(10).map(|(i, (a, b))| format!("line {}:\n-{a}\n+{b}", i + 1)).collect();
    Some(format!("{} of {had} lines differ, {has} printed\n{}", differing.len(), lines.join("\n")))
}

/// Runs clients that are installed.
fn clients(lib: &Path) -> Result<Vec<String>> {
    let mut failed = Vec::new();
    for (name, args, word) in CLIENTS {
        let run = Command::new(name).args(*args).env("LD_LIBRARY_PATH", lib).output();
        let Ok(out) = run else {
            say(&format!("capi-test: {name}: not installed"));
            continue;
        };
        let text =
            format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        if text.contains(word) {
            say(&format!("capi-test: {name} {}: works", args.first().unwrap_or(&"")));
        } else {
            failed.push(format!("{name} {}: no `{word}` in\n{text}", args.join(" ")));
        }
    }
    Ok(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_is_in_the_list_with_what_it_is_to_print() {
        let dir = root().join("crates/oxbpf-capi/tests/c");
        let names = std::fs::read_dir(dir).expect("reads").filter_map(|e| Some(e.ok()?.path()));
        for path in names.filter(|p| p.extension().is_some_and(|e| e == "c")) {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let is_listed = TESTS.iter().any(|t| t.0 == name);
            assert_eq!(is_listed, path.with_extension("expected").exists(), "{name}");
        }
    }

    #[test]
    fn a_difference_names_its_line() {
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
        assert!(difference("a\nb\n", "a\nc\n").is_some_and(|d| d.contains("line 2:\n-b\n+c")));
        assert!(difference("a\nb\n", "a\n").is_some_and(|d| d.contains("0 of 2 lines differ, 1 printed")));
    }
}
