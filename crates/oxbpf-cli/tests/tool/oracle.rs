//! bpftool on the same kernel, and how its output is compared with ours.

use std::process::Command;

/// What a command wrote to standard output, and whether it succeeded.
pub(crate) fn run(program: &str, words: &[&str]) -> (String, bool) {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C").env_remove("LD_LIBRARY_PATH");
    let output = command.args(words).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
}

/// A bpftool that shows what this one shows.
pub(crate) fn bpftool() -> Option<String> {
    let program = std::env::var("OXBPF_BPFTOOL").unwrap_or_else(|_| "bpftool".into());
    let output = Command::new(&program).arg("version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.lines().next()?.split('v').next_back()?.to_owned();
    let mut numbers = version.split('.').map(|n| n.parse::<u32>().unwrap_or(0));
    ((numbers.next()?, numbers.next()?) >= (7, 6)).then_some(program)
}

/// Text without who holds objects open: bpftool asks a program for that, which not every kernel loads, and counts this process as
/// we don't count ourselves.
fn without_holders(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines().filter(|l| !l.starts_with("\tpids ") && !l.starts_with("\tbpf_cookie ")) {
        out += line;
        out += "\n";
    }
    while let Some(at) = out.find(",\"pids\":[") {
        let end = out[at..].find("}]").expect("the end of the list") + at + 2;
        out.replace_range(at..end, "");
    }
    out
}

#[track_caller]
pub(crate) fn check_same(bpftool: &str, words: &str) {
    let words: Vec<&str> = words.split(' ').collect();
    let (theirs, _) = run(bpftool, &words);
    let (ours, is_ok) = run(&super::binary(), &words);
    assert!(is_ok, "{words:?}: {ours}");
    assert_eq!(without_holders(&ours), without_holders(&theirs), "{words:?}");
}
