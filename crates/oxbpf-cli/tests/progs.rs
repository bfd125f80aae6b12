//! `prog`, beside bpftool on the same kernel: each says the same of the same programs.
//!
//! Needs root and bpftool 7.6 or later: `OXBPF_BPFTOOL`, or the one in `PATH`. Where bpftool is wrong, we differ:
//!
//! | Command | bpftool | oxbpf |
//! | --- | --- | --- |
//! | `dump xlated … visual` of a function that is called | prototype and lines of the main function | its own |
//! | `dump xlated … visual`, `exit` in the middle | an edge to the next node | an edge to the exit |
//! | `dump xlated … visual`, `gotol` | an edge to the next instruction | an edge to its target |
//! | `dump jited … file` | fails where it was built without a disassembler | writes the file |

#![cfg(target_os = "linux")]

mod tool;

use oxbpf::{Object, ObjectBuilder};
use testkit::skip_this;
use tool::noun;
use tool::oracle::{bpftool, check_same, run};

/// Objects whose programs most kernels load: all kinds of instructions, sub-programs, callbacks, maps and globals.
const OBJECTS: &[&str] =
    &["testdata/objects/call_chain.o", "testdata/objects/callbacks.o", "testdata/objects/data_sections.o"];

fn load(file: &str) -> Option<Object> {
    ObjectBuilder::new().open_file(testkit::root().join(file)).and_then(oxbpf::OpenObject::load).ok()
}

#[track_caller]
fn fails(words: &str, why: &str) {
    let ended = noun(words.split(' '));
    assert!(ended.status == 255 && ended.err.contains(why), "{words}: {} {}", ended.status, ended.err);
}

/// Ids of an object's programs.
fn ids(object: &Object) -> Vec<u32> {
    object.programs().filter_map(|p| p.info().ok()).map(|i| i.id).collect()
}

#[test]
fn programs_are_shown_as_bpftool_shows_them() {
    if !testkit::require_bpf() {
        return;
    }
    let Some(bpftool) = bpftool() else { return skip_this("no bpftool 7.6") };
    let objects: Vec<_> = OBJECTS.iter().filter_map(|f| load(f)).collect();
    let ids: Vec<u32> = objects.iter().flat_map(ids).collect();
    assert!(!ids.is_empty(), "no object was loaded");
    for id in &ids {
        check_same(&bpftool, &format!("prog show id {id}"));
        check_same(&bpftool, &format!("-fj prog list id {id}"));
    }
    let (json, _) = run(&bpftool, &["-j", "prog", "show", "id", &ids[0].to_string()]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let word = |name: &str| json[name].as_str().expect("a text").to_owned();
    check_same(&bpftool, &format!("prog show tag {}", word("tag")));
    check_same(&bpftool, &format!("-j p s name {}", word("name")));
    fails(&format!("prog show id {} 2", ids[0]), "unexpected argument '2'");
    for (words, why) in [
        ("prog show id 4294967295", "can't get prog by id (4294967295)"),
        ("prog show tag 12", "can't parse tag '12'"),
        ("prog show nonsense", "expected one of 'id', 'tag', 'name', 'pinned'"),
    ] {
        fails(words, why);
    }
}

#[test]
fn instructions_are_dumped_as_bpftool_dumps_them() {
    if !testkit::require_bpf() {
        return;
    }
    let Some(bpftool) = bpftool() else { return skip_this("no bpftool 7.6") };
    let objects: Vec<_> = OBJECTS.iter().filter_map(|f| load(f)).collect();
    let ids: Vec<u32> = objects.iter().flat_map(ids).collect();
    assert!(!ids.is_empty(), "no object was loaded");
    for id in ids {
        check_same(&bpftool, &format!("prog dump xlated id {id}"));
        check_same(&bpftool, &format!("prog dump xlated id {id} opcodes linum"));
        check_same(&bpftool, &format!("-j prog dump xlated id {id} opcodes linum"));
        let (text, _) = run(&bpftool, &["prog", "dump", "xlated", "id", &id.to_string()]);
        // In what is called, bpftool shows the lines of the main function.
        if !text.contains("call pc") && !text.contains("subprog[") {
            check_same(&bpftool, &format!("prog dump xlated id {id} visual opcodes linum"));
        }
    }
}

#[test]
fn code_is_written_to_files() {
    if !testkit::require_bpf() {
        return;
    }
    let object = OBJECTS.iter().find_map(|f| load(f)).expect("an object is loaded");
    let info = object.programs().next().expect("a program").info().expect("its info");
    let dir = testkit::TempDir::new("prog-dump");
    let file = dir.path().join("code").to_str().expect("text").to_owned();
    for (code, len) in [("xlated", info.xlated_prog_len), ("jited", info.jited_prog_len)] {
        let ended = noun(format!("-j prog dump {code} id {} file {file}", info.id).split(' '));
        if len == 0 {
            assert!(ended.out.contains("error retrieving jit dump"), "{}", ended.out);
            continue;
        }
        assert_eq!((ended.status, ended.out.as_str()), (0, "null\n"), "{code}: {}", ended.err);
        assert_eq!(std::fs::read(&file).expect("written").len(), len as usize, "{code}");
    }
    for (words, why) in [
        ("xlated id 1 file x linum", "'file' is not compatible with"),
        ("jited", "nothing follows"),
        ("nonsense id 1", "expected one of 'xlated', 'jited', got: 'nonsense'"),
    ] {
        fails(&format!("prog dump {words}").replace("id 1", &format!("id {}", info.id)), why);
    }
    let ended = noun(format!("-j prog dump xlated id {} visual", info.id).split(' '));
    assert_eq!(ended.out, "{\"error\":\"'visual' is not compatible with JSON output\"}\n");
}
