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
        ("format d", "expected one of 'raw', 'c', got: 'd'"),
        ("nonsense", "expected one of 'format', 'root_id', 'unsorted'"),
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
    assert!(all.out.contains("OBJECT := { prog"), "{}", all.out);
    for words in [vec!["btf", "help"], vec!["btf", "h"], vec!["-h"], vec!["--help"], vec![]] {
        let ended = noun(words.clone());
        assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{words:?}");
        assert!(ended.out.starts_with("Usage: oxbpf "), "{words:?}: {}", ended.out);
        assert!(ended.out.contains("OPTIONS := { {-j|--json}"), "{words:?}: {}", ended.out);
    }
    let ended = noun(["-j", "btf", "help"]);
    assert_eq!(ended.out, "null\n");
    for (words, why) in [
        (vec!["nonsense"], "unknown object 'nonsense': expected one of 'prog', "),
        (
            vec!["btf", "nonsense"],
            "unknown command 'btf nonsense': expected one of 'show', 'dump', 'dedup', 'distill', 'relocate', 'layout', 'help'",
        ),
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

#[test]
fn types_as_c_are_what_bpftool_writes() {
    check_same("btf dump file testdata/objects/btf_kinds.o format c unsorted", "btf_kinds.o.h");
    let hashes = golden("c.txt");
    let mut count = 0;
    for line in hashes.lines().filter(|l| !l.starts_with(['#', 'v'])) {
        let [file, length, hash] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        check_c(file, length, hash);
        count += 1;
    }
    assert_eq!(count, 85);
}

#[test]
fn the_types_of_this_kernel_as_c_are_what_bpftool_writes() {
    let path = "/sys/kernel/btf/vmlinux";
    let Ok(btf) = std::fs::read(path) else { return testkit::skip_this("no BTF of the kernel") };
    let name = format!("vmlinux:{}:{:016x} ", btf.len(), fnv(&btf));
    let hashes = golden("c.txt");
    let Some(line) = hashes.lines().find_map(|l| l.strip_prefix(&name)) else {
        return testkit::skip_this("the kernel is not one of those whose header is known");
    };
    let (length, hash) = line.split_once(' ').expect("two words");
    check_c(path, length, hash);
}

#[track_caller]
fn check_c(file: &str, length: &str, hash: &str) {
    let ended = noun(["btf", "dump", "file", file, "format", "c", "unsorted"]);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{file}");
    let found = (ended.out.len().to_string(), format!("{:016x}", fnv(ended.out.as_bytes())));
    assert_eq!((found.0.as_str(), found.1.as_str()), (length, hash), "{file}");
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

/// The lines of a header, in any order: sorting must move whole definitions only.
fn definitions(text: &str) -> Vec<&str> {
    let mut all: Vec<_> = text.split("\n\n").map(str::trim).collect();
    all.sort_unstable();
    all
}

#[test]
fn the_sorted_header_has_the_same_definitions() {
    let sorted = noun("btf dump file testdata/objects/btf_kinds.o format c".split(' '));
    let unsorted = golden("btf_kinds.o.h");
    assert_ne!(sorted.out, unsorted);
    assert_eq!(definitions(&sorted.out), definitions(&unsorted));
    let ended = noun("-j btf dump file testdata/objects/btf_kinds.o format c".split(' '));
    assert_eq!(ended.out, "{\"error\":\"JSON output for C-syntax dump is not supported\"}\n");
}

/// Runs a command that shows nothing.
#[track_caller]
fn check_quiet(words: &[&str]) {
    let ended = noun(words.iter().copied());
    assert_eq!((ended.status, ended.out.as_str(), ended.err.as_str()), (0, "", ""), "{words:?}");
}

/// The text of the types in a file, on a base.
fn dumped(file: &str, base: Option<&str>) -> String {
    let words = ["btf", "dump", "file", file].into_iter().chain(base.map(|_| "-B")).chain(base);
    let ended = noun(words);
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{file}");
    ended.out
}

#[test]
fn types_are_merged_distilled_and_relocated() {
    let dir = TempDir::new("btf-edit");
    let path = |name: &str| dir.path().join(name).to_str().expect("text").to_owned();
    let (base, split) = (path("base"), path("split"));
    let (one, two) = ("testdata/objects/btf_kinds.o", "testdata/objects/data_sections.o");
    check_quiet(&["btf", "dedup", &base, one, two, one]);
    let types = dumped(&base, None);
    assert_eq!(types.matches("STRUCT 'kinds' ").count(), 1, "{types}");
    assert!(types.matches("INT 'int' ").count() == 1 && types.contains("STRUCT '__sk_buff'"), "{types}");

    // What libbpf made of generated types: base, types split on it, another base, the distilled base, the types on that, and
    // those on the other base.
    let stored = std::fs::read(testkit::root().join("testdata/split/libbpf.bin")).expect("test data");
    let (mut rest, mut files) = (&stored[..], Vec::new());
    for name in ["base", "split", "other", "small_base", "small", "moved"] {
        let (length, after) = rest.split_first_chunk::<4>().expect("a length");
        let (bytes, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        std::fs::write(path(name), bytes).expect("writes");
        (rest, files) = (after, [files, vec![bytes]].concat());
    }
    let made = [path("made_base"), path("made")];
    check_quiet(&["btf", "distill", &split, &made[0], &made[1], "-B", &base]);
    let written = made.each_ref().map(|f| std::fs::read(f).expect("written"));
    assert!(written[0] == files[3] && written[1] == files[4], "not what libbpf makes");
    let (back, other) = (path("back"), path("other"));
    check_quiet(&["btf", "relocate", &made[1], &back, "base", &made[0], "-B", &other]);
    assert_eq!(dumped(&back, Some(&other)), dumped(&path("moved"), Some(&other)));
    let (small_base, small) = (&made[0], &made[1]);
    let empty = path("empty");
    check_quiet(&["btf", "dedup", &empty, "testdata/objects/empty.o"]);
    for (words, why) in [
        (
            vec!["btf", "relocate", small, &back, "base", small_base, "-B", &empty],
            "no type of the base matches",
        ),
        (vec!["btf", "relocate", small, &back, "-B", &base], "has no section .BTF.base"),
        (vec!["btf", "distill", &split, small_base, small], "say with -B which types"),
        (vec!["btf", "dedup", "/no/such/place", one], "/no/such/place"),
        (vec!["btf", "dedup", &back, "/dev/null"], "/dev/null: "),
    ] {
        let ended = noun(words.iter().copied());
        assert_eq!(ended.status, 255, "{words:?}");
        assert!(ended.err.starts_with("Error: ") && ended.err.contains(why), "{words:?}: {}", ended.err);
    }
}

#[test]
fn names_are_listed_as_bpftool_lists_them() {
    let mut shown = String::new();
    for group in ["prog_types", "map_types", "attach_types", "link_types", "helpers"] {
        for first in ["feature", "-j feature"] {
            let words = format!("{first} list_builtins {group}");
            let ended = noun(words.split(' '));
            assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{words}");
            shown += &ended.out;
        }
    }
    assert!(shown == golden("builtins.txt"), "not what builtins.txt has:\n{shown}");
    for (words, why) in [
        ("feature list_builtins", "nothing follows"),
        ("feature list_builtins nonsense", "got: 'nonsense'"),
        ("feature list_builtins helpers x", "unexpected argument 'x'"),
    ] {
        let ended = noun(words.split(' '));
        assert_eq!(ended.status, 255, "{words}");
        assert!(ended.err.contains(why), "{words}: {}", ended.err);
    }
}

#[test]
fn what_dump_shows_is_read_as_types_again() {
    let dir = TempDir::new("btf-read");
    let path = dir.path().join("types").to_str().expect("text").to_owned();
    for object in ["testdata/objects/btf_kinds.o", "testdata/objects/data_sections.o"] {
        let text = dumped(object, None);
        for form in [&["btf", "dump", "file", object][..], &["-j", "btf", "dump", "file", object]] {
            std::fs::write(&path, noun(form.iter().copied()).out).expect("writes");
            assert_eq!(dumped(&path, None), text, "{form:?}");
        }
        std::fs::write(&path, noun(["-p", "btf", "dump", "file", object]).out).expect("writes");
        assert_eq!(dumped(&path, None), text, "{object}");
    }
    for (json, why) in [
        ("{", "EOF while parsing"),
        ("{}", "it has no array `types`"),
        ("{\"types\":[{\"id\":1,\"kind\":\"PTR\",\"name\":\"a\\n[2]\",\"type_id\":0}]}", "has a line end"),
        ("{\"types\":[{\"id\":1,\"kind\":\"INT\",\"name\":\"int\"}]}", "line 1: no `encoding=`"),
        ("[1] STRUCT", "line 1: "),
    ] {
        std::fs::write(&path, json).expect("writes");
        let ended = noun(["btf", "dump", "file", &path]);
        assert!(ended.status == 255 && ended.err.contains(why), "{json}: {}", ended.err);
    }
}

#[test]
fn the_layout_of_a_struct_is_shown_as_pahole_shows_it_and_as_json() {
    let file = "testdata/btf/layout.bpfel.btf";
    let ended = noun(["btf", "layout", "holes", "file", file]);
    let golden = std::fs::read_to_string(testkit::root().join("testdata/btf/layout.txt")).expect("test data");
    assert!(golden.contains(&ended.out) && ended.out.starts_with("struct holes {\n"), "{}", ended.out);
    let ended = noun(["-j", "btf", "layout", "bit_fields", "file", file]);
    let json: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    assert_eq!((&json["kind"], &json["size"]), (&"STRUCT".into(), &12.into()));
    let expect = serde_json::json!({
        "name": "b", "type": "u32", "type_id": json["members"][1]["type_id"], "offset": 0, "size": 4, "bit": 3, "bits": 5,
        "bit_hole": 4
    });
    assert_eq!(json["members"][1], expect);
    for (words, why) in [
        (&["nothing", "file", file][..], "no struct, union or typedef has the name 'nothing'"),
        (&["u32", "file", file], "'u32' is no struct or union"),
        (&["holes", "prog", "1"], "expected one of 'file', 'id'"),
    ] {
        let ended = noun(["btf", "layout"].iter().chain(words).copied());
        assert!(ended.status == 255 && ended.err.contains(why), "{words:?}: {}", ended.err);
    }
}

/// What `feature probe` says with these words, as a rights-less caller may not ask.
fn probe(words: &str) -> Option<String> {
    if !testkit::require_bpf() {
        return None;
    }
    let ended = noun(words.split(' '));
    assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{words}");
    Some(ended.out)
}

#[test]
fn probed_features_are_the_same_in_every_form() {
    let Some(json) = probe("-j feature probe") else { return };
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let text = probe("feature probe kernel").expect("asked once");
    let macros = probe("feature probe macros prefix X_").expect("asked once");
    let names = |group: &str| noun(["feature", "list_builtins", group]).out;
    for (group, word) in [("prog_types", "program_type"), ("map_types", "map_type")] {
        for name in names(group).lines().skip(1) {
            let suffix = &group[..group.len() - 1];
            let section = if word == "map_type" { "map_types" } else { "program_types" };
            let has = json[section][format!("have_{name}_{suffix}")].as_bool().expect("an answer");
            let not = if has { "" } else { "NOT " };
            assert!(text.contains(&format!("\neBPF {word} {name} is {not}available\n")), "{name}");
            let no = if has { "" } else { "NO_" };
            let line = format!("#define X_{no}HAVE_{}_{}\n", name.to_uppercase(), suffix.to_uppercase());
            assert!(macros.contains(&line), "{line}");
        }
    }
    let helpers = json["helpers"]["xdp_available_helpers"].as_array().expect("a list");
    assert!(helpers.iter().any(|h| h == "bpf_redirect_map"), "{helpers:?}");
    assert!(!helpers.iter().any(|h| h == "bpf_trace_printk"), "only with `full`");
    assert!(macros.contains("#define X_BPF__PROG_TYPE_xdp__HELPER_bpf_redirect_map 1\n"));
    assert!(macros.contains("#define X_BPF__PROG_TYPE_xdp__HELPER_bpf_override_return 0\n"));
    assert!(!macros.contains("Scanning") && !macros.contains("JIT"));
    let full = probe("-j feature probe full").expect("asked once");
    assert!(full.contains("\"bpf_trace_printk\""));
    let device = probe("-j feature probe dev lo").expect("asked once");
    let device: serde_json::Value = serde_json::from_str(&device).expect("JSON");
    assert_eq!(
        device["program_types"]["have_xdp_prog_type"], false,
        "the loopback device runs nothing itself"
    );
    assert_eq!(device["program_types"].as_object().expect("a section").len(), 2);
    assert!(device.get("system_config").is_none());
}

#[test]
fn probing_without_rights_finds_less_and_gives_the_rights_back() {
    let Some(text) = probe("feature probe unprivileged") else { return };
    if std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").is_ok_and(|v| v.trim() != "0") {
        assert!(text.contains("\neBPF program_type socket_filter is NOT available\n"), "{text}");
    }
    assert!(text.contains("\neBPF program_type xdp is NOT available\n"), "{text}");
    let dir = TempDir::new("rights");
    let file = dir.path().join("commands");
    std::fs::write(&file, "feature probe unprivileged\nfeature probe\n").expect("writes");
    let out = noun(["batch", "file", file.to_str().expect("text")]).out;
    assert!(out.contains("\neBPF program_type xdp is available\n"), "{out}");
}

#[test]
fn words_after_probe_are_checked() {
    for (words, why) in [
        ("prefix X", "'prefix' is only used after 'macros'"),
        ("macros prefix X prefix Y", "'prefix' already defined"),
        ("macros prefix", "expected PREFIX, and nothing follows"),
        ("kernel kernel", "component to probe already specified"),
        ("dev no-such-device", "unrecognized netdevice 'no-such-device'"),
        (
            "nonsense",
            "expected one of 'kernel', 'dev', 'full', 'macros', 'prefix', 'unprivileged', got: 'nonsense'",
        ),
    ] {
        let line = format!("feature probe {words}");
        let ended = noun(line.split(' '));
        assert_eq!((ended.status, ended.out.as_str()), (255, ""), "{line}");
        assert!(ended.err.contains(why), "{line}: {}", ended.err);
    }
}
