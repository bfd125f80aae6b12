//! `oxbpf gen`.

mod tool;

use testkit::TempDir;
use tool::noun;

fn data(name: &str) -> String {
    let path = testkit::root().join("crates/oxbpf-relo/tests/data").join(name);
    path.to_str().unwrap().to_owned()
}

#[test]
fn min_core_btf_writes_what_bpftool_writes() {
    let dir = TempDir::new("generate");
    let out = dir.path().join("min.btf");
    let ended = noun(["gen", "min_core_btf", &data("moved.btf"), out.to_str().unwrap(), &data("accesses.o")]);
    assert_eq!((ended.status, ended.out.as_str(), ended.err.as_str()), (0, "", ""));
    assert!(std::fs::read(out).unwrap() == std::fs::read(data("accesses.moved.min.btf")).unwrap());
}

#[test]
fn relocate_writes_the_object_and_says_what_has_no_match() {
    let dir = TempDir::new("generate");
    let out = dir.path().join("accesses.o");
    let path = out.to_str().unwrap();
    let ended = noun(["gen", "relocate", &data("accesses.o"), path, "btf", &data("kinds.btf")]);
    assert_eq!((ended.status, ended.out.as_str()), (0, ""));
    assert!(ended.err.contains("no match among") || ended.err.contains("has no"), "{}", ended.err);
    let (before, after) = (std::fs::read(data("accesses.o")).unwrap(), std::fs::read(&out).unwrap());
    assert!(before.len() == after.len() && before != after);
    // What is relocated has nothing left to relocate.
    let again = noun(["gen", "relocate", path, path, "btf", &data("kinds.btf")]);
    assert_eq!((again.status, again.err.as_str()), (0, ""));
    assert!(std::fs::read(&out).unwrap() == after);
}

#[test]
fn wrong_files_are_named() {
    let missing = noun(["gen", "min_core_btf", &data("none.btf"), "/dev/null", &data("accesses.o")]);
    assert_eq!(missing.status, 255);
    assert!(missing.err.contains("none.btf"), "{}", missing.err);
    let swapped = noun(["gen", "min_core_btf", &data("moved.btf"), "/dev/null", &data("moved.btf")]);
    assert!(swapped.err.contains("moved.btf"), "{}", swapped.err);
}
