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

#[test]
fn linked_objects_are_those_of_the_example() {
    let dir = TempDir::new("linked");
    let out = dir.path().join("app.o");
    let out = out.to_str().expect("text");
    let ended = noun(["gen", "object", out, "examples/linked/main.bpf.o", "examples/linked/lengths.bpf.o"]);
    assert_eq!((ended.status, ended.out.as_str(), ended.err.as_str()), (0, "", ""));
    let linked = std::fs::read(testkit::root().join("examples/linked.bpf.o")).expect("the example");
    assert_eq!(std::fs::read(out).expect("it was written"), linked);
}

#[test]
fn nothing_is_written_when_objects_cannot_be_linked() {
    let dir = TempDir::new("unlinked");
    let out = dir.path().join("app.o");
    let path = out.to_str().expect("text");
    let lengths = "examples/linked/lengths.bpf.o";
    let ended = noun(["gen", "object", path, lengths, lengths]);
    assert_eq!(ended.status, 255);
    let why = "symbol 'note_length': there are two definitions, and neither is weak: defined in examples/linked/lengths.bpf.o as";
    assert!(ended.err.contains(why), "{}", ended.err);
    for (words, why) in [
        (vec![path, "/nowhere.o"], "/nowhere.o: ENOENT"),
        (vec![path, "examples/Makefile"], "examples/Makefile: not an ELF file"),
        (vec![path], "expected OBJECT"),
        (vec!["/nowhere/app.o", lengths], "/nowhere/app.o: ENOENT"),
        (vec!["/dev/full", lengths], "/dev/full: ENOSPC"),
    ] {
        let ended = noun(["gen", "object"].into_iter().chain(words.iter().copied()));
        assert_eq!(ended.status, 255, "{words:?}");
        assert!(ended.err.contains(why), "{words:?}: {}", ended.err);
    }
    let left: Vec<_> = std::fs::read_dir(dir.path()).expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
    std::fs::write(&out, "before").expect("writes");
    assert_eq!(noun(["gen", "object", path, lengths, lengths]).status, 255);
    assert_eq!(std::fs::read(&out).expect("it is still there"), b"before");
}
