//! Completion for bash, in a bash that has nothing else.

mod tool;

use std::path::Path;
use std::process::Command;

/// What bash offers for the last of these words; `None` where there is no bash.
fn offered(words: &[&str]) -> Option<Vec<String>> {
    let binary = tool::binary();
    let dir = Path::new(&binary).parent().expect("a directory");
    let script = "source completions/oxbpf.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _oxbpf; \
                  printf '%s\\n' \"${COMPREPLY[@]}\"";
    let output = Command::new("bash")
        .args(["--norc", "-c", script, "bash", "oxbpf"])
        .args(words)
        .env("PATH", format!("{}:/usr/bin:/bin", dir.display()))
        .env_remove("LD_LIBRARY_PATH")
        .current_dir(testkit::root())
        .output();
    let Ok(output) = output else {
        testkit::skip_this("no bash");
        return None;
    };
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
    let text = String::from_utf8_lossy(&output.stdout);
    Some(text.lines().filter(|l| !l.is_empty()).map(str::to_owned).collect())
}

#[track_caller]
fn check(words: &[&str], expect: &[&str]) {
    if let Some(found) = offered(words) {
        assert_eq!(found, expect, "{words:?}");
    }
}

#[test]
fn words_are_those_of_the_help() {
    check(&["p"], &["prog", "perf"]);
    check(&["struct"], &["struct_ops"]);
    check(&["ba"], &["batch"]);
    check(&["prog", "l"], &["list", "load", "loadall"]);
    check(&["-j", "map", "p"], &["pin", "peek", "push", "pop"]);
    check(&["prog", "dump", "x"], &["xlated"]);
    check(&["prog", "dump", "xlated", "pin"], &["pinned"]);
    check(&["prog", "load", "a.o", "/p", "off"], &["offload_dev"]);
    check(&["--pre"], &["--pretty"]);
    check(&["prog", "load", "ARCHIT"], &["ARCHITECTURE.md"]);
    check(&["prog", "nonsense", "zzz"], &[]);
}
