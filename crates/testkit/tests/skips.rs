//! A skip is seen where the test runner captures output, and is counted.

use std::process::Command;

/// Run by the other test, in a process of its own; on its own it only skips where the machine cannot do more.
#[test]
fn skips_itself() {
    if std::env::var_os("TESTKIT_SKIP").is_none() {
        return;
    }
    #[allow(clippy::print_stdout, reason = "the runner has to capture this, and nothing else")]
    {
        println!("captured");
    }
    testkit::skip!("no {} here", "such thing");
}

#[test]
fn skips_are_seen_and_counted() {
    let dir = testkit::TempDir::new("skips");
    let log = dir.path().join("log");
    let run = |threads| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "skips_itself", "--test-threads", threads])
            .env("TESTKIT_SKIP", "1")
            .env("OXBPF_SKIP_LOG", &log)
            .output()
            .unwrap();
        assert!(output.status.success());
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (stdout, stderr) = run("2");
    assert!(!stdout.contains("captured"), "{stdout}");
    assert_eq!(stderr, "SKIP skips_itself: no such thing here\n");
    let (_, stderr) = run("1");
    assert!(stderr.starts_with("SKIP ") && stderr.ends_with(": no such thing here\n"), "{stderr}");
    assert_eq!(std::fs::read_to_string(&log).unwrap().lines().count(), 2);
}
