//! The nouns' common grammar, and `btf`. Files under `golden` are what bpftool 7.8 shows for the same.

mod tool;

use testkit::TempDir;
use tool::noun;

/// What bpftool shows.
fn golden(name: &str) -> String {
    let path = testkit::root().join("crates/oxbpf-cli/tests/golden").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[track_caller]
fn check_same(words: &str, name: &str) {
    let ended = noun(words.split(' '));
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{words}");
    assert!(ended.out == golden(name), "`{words}` shows not what {name} has:\n{}", ended.out);
}

#[test]
fn types_of_files_are_shown_as_bpftool_shows_them() {
    check_same("btf dump file testdata/objects/btf_kinds.o", "btf_kinds.o.txt");
    check_same("bt d f testdata/objects/btf_kinds.o form raw", "btf_kinds.o.txt");
    check_same("-p btf dump file testdata/objects/btf_kinds.o", "btf_kinds.o.json");
    check_same("btf dump file testdata/objects/data_sections.be.o -j", "data_sections.be.o.json");
}

#[test]
fn single_types_are_shown_by_id() {
    let ended = noun("btf dump file testdata/objects/btf_kinds.o root_id 9 root_id 6".split(' '));
    let text = golden("btf_kinds.o.txt");
    let line = |id: &str| text.lines().find(|l| l.starts_with(id)).expect("the type").to_owned() + "\n";
    assert_eq!(ended.out, line("[9] ") + &line("[6] "));
    for (words, why) in [
        ("root_id 9 root_id 9", "duplicate root_id 9 supplied"),
        ("root_id 900000", "invalid root ID: 900000"),
        ("root_id x", "can't parse \"x\" as ROOT_ID"),
        ("format d", "expected one of 'raw'"),
        ("nonsense", "expected one of 'format', 'root_id'"),
    ] {
        let line = format!("btf dump file testdata/objects/btf_kinds.o {words}");
        let ended = noun(line.split(' '));
        assert_eq!((ended.status, ended.out.as_str()), (255, ""), "{line}");
        assert!(ended.err.starts_with("Error: ") && ended.err.contains(why), "{line}: {}", ended.err);
    }
}

#[test]
fn errors_are_json_where_json_is_wanted() {
    let ended = noun(["-j", "btf", "dump", "file", "/dev/null"]);
    assert_eq!((ended.status, ended.err.as_str()), (255, ""));
    let json: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    let error = json.get("error").and_then(|e| e.as_str()).expect("a text");
    assert!(error.starts_with("failed to load BTF from /dev/null: "), "{error}");
}

#[test]
fn help_says_the_grammar_of_each_noun() {
    let all = noun(["help"]);
    assert_eq!(all.status, 0);
    assert!(all.out.contains("OBJECT := { btf"), "{}", all.out);
    for words in [vec!["btf", "help"], vec!["btf", "h"], vec!["-h"], vec!["--help"], vec![]] {
        let ended = noun(words.clone());
        assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{words:?}");
        assert!(ended.out.starts_with("Usage: oxbpf "), "{words:?}: {}", ended.out);
        assert!(ended.out.contains("OPTIONS := { {-j|--json}"), "{words:?}: {}", ended.out);
    }
    let ended = noun(["-j", "btf", "help"]);
    assert_eq!(ended.out, "null\n");
    for (words, why) in [
        (vec!["nonsense"], "unknown object 'nonsense': expected one of 'btf'"),
        (vec!["btf", "nonsense"], "unknown command 'btf nonsense': expected one of 'show', 'dump', 'help'"),
        (vec!["--nonsense"], "unrecognized option '--nonsense'"),
        (vec!["btf", "show", "-B"], "option '-B' needs FILE"),
        (vec!["-S", "help"], "--sign needs a certificate"),
    ] {
        let ended = noun(words.clone());
        assert_eq!(ended.status, 255, "{words:?}");
        assert!(ended.err.contains(why), "{words:?}: {}", ended.err);
    }
}

#[test]
fn a_batch_file_ends_at_the_first_command_that_fails() {
    let dir = TempDir::new("batch");
    let file = dir.path().join("commands");
    let dump = "btf dump file 'testdata/objects/btf_kinds.o' root_id";
    std::fs::write(&file, format!("# two\n{dump} 9\n{dump} \\\n 6 # and\nversion\n")).expect("writes");
    let file = file.to_str().expect("text");
    let ended = noun(["batch", "file", file]);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""));
    assert!(ended.out.starts_with("[9] INT '__int128'"), "{}", ended.out);
    assert!(ended.out.ends_with("processed 3 commands\n"), "{}", ended.out);
    std::fs::write(file, format!("{dump} 9\n{dump} x\n{dump} 6\n")).expect("writes");
    let ended = noun(["-j", "batch", "file", file]);
    assert_eq!(ended.status, 255);
    let json: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    let commands = json.as_array().expect("a list");
    assert_eq!(commands.len(), 2, "{json}");
    assert_eq!(commands[0]["command"][4], "root_id");
    assert_eq!(commands[0]["output"]["types"][0]["id"], 9);
    assert_eq!(commands[1]["output"]["error"], "can't parse \"x\" as ROOT_ID");
}
