//! `cargo xtask TASK`.

use anyhow::{Result, bail};
use xtask::{bench, capi, capi_test, ci, codegen, cross, fuzz, say, tidy, vm};

/// Name, arguments, what it does, function.
type Task = (&'static str, &'static str, &'static str, fn(&[String]) -> Result<()>);

const TASKS: &[Task] = &[
    ("ci", "[fast]", "everything that must be clean before a change lands", ci::main),
    ("tidy", "", "check the tree's own rules", tidy::main),
    (
        "vm",
        "[--kernel K,…] [-- COMMAND]",
        "run the privileged tests, or a command, in Debian kernels",
        vm::main,
    ),
    ("cross", "ARCH CARGO-ARGS…", "build or test for another architecture or the oldest Rust", cross::main),
    ("bench", "[--json] [FILTER]", "compare with C libbpf, libbpf-rs and aya", bench::main),
    (
        "capi",
        "--out DIR | [--destdir D] --prefix P [--libdir L]",
        "libbpf.so.1, libbpf.a, libbpf.pc and headers, for programs that use libbpf",
        capi::main,
    ),
    (
        "capi-test",
        "[--lib DIR] [--clients] [--record DIR]",
        "programs in C with our libbpf.so.1: they print what they print with C libbpf",
        capi_test::main,
    ),
    (
        "fuzz",
        "[--seed S] [--count N] [--target T] [--seconds X] [--huge]",
        "210,000 damaged inputs: no panic, no hang, bounded memory",
        fuzz::main,
    ),
    ("codegen", "[--check]", "rebuild what is generated: example objects, documents", codegen::main),
];

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let Some(name) = args.next() else {
        usage();
        return Ok(());
    };
    let rest: Vec<String> = args.collect();
    match TASKS.iter().find(|t| t.0 == name) {
        Some((.., task)) => task(&rest),
        None => {
            usage();
            bail!("there is no task `{name}`")
        }
    }
}

fn usage() {
    say("cargo xtask TASK");
    for (name, args, what, _) in TASKS {
        say(&format!("  {:<38} {what}", format!("{name} {args}")));
    }
}
