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
//! | `run … data_out FILE` | writes the data twice | writes it |
//! | `loadall` of an object with programs that are not loaded | fails | leaves them out |
//! | `-L load OBJ PATH` | pins nothing | pins what the loader program loaded |

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

/// A directory in a bpf file system, removed at the end.
struct PinDir(std::path::PathBuf);

impl PinDir {
    fn new(name: &str) -> Option<Self> {
        let root = std::path::Path::new("/sys/fs/bpf");
        let dir = root.join(format!("oxbpf-{name}-{}", std::process::id()));
        if !testkit::require_bpf() {
            return None;
        }
        if !oxbpf_sys::mounts::is_bpffs(root) || std::fs::create_dir(&dir).is_err() {
            skip_this("no bpf file system");
            return None;
        }
        Some(Self(dir))
    }

    fn at(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_owned()
    }

    fn names(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.join(name)).expect("a directory");
        let mut names: Vec<_> =
            entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for PinDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[track_caller]
fn does(words: &str) {
    let ended = noun(words.split(' '));
    assert_eq!((ended.status, ended.out.as_str(), ended.err.as_str()), (0, "", ""), "{words}");
}

#[test]
fn programs_are_loaded_pinned_and_run_as_with_bpftool() {
    let Some(dir) = PinDir::new("load") else { return };
    let (object, prog, maps) = ("examples/xdpcount.bpf.o", dir.at("prog"), dir.at("maps"));
    does(&format!("prog load {object} {prog} pinmaps {maps}"));
    let names = dir.names("maps");
    assert!(names.contains(&"by_protocol".to_owned()), "{names:?}");
    let again = dir.at("again");
    does(&format!("prog pin pinned {prog} {again}"));
    fails(&format!("prog pin pinned {prog} {again}"), "already exists");
    // A second program that uses a map of the first.
    let second = dir.at("second");
    does(&format!("prog load {object} {second} map name by_protocol pinned {maps}/by_protocol"));
    let show = |noun_words: &str| -> serde_json::Value {
        let ended = noun(format!("-j {noun_words}").split(' '));
        serde_json::from_str(&ended.out).unwrap_or_else(|e| panic!("{noun_words}: {e}: {}", ended.out))
    };
    let map = show(&format!("map show pinned {maps}/by_protocol"))["id"].clone();
    for path in [&prog, &second] {
        let ids = show(&format!("prog show pinned {path}"))["map_ids"].clone();
        assert!(ids.as_array().expect("maps").contains(&map), "{path}: {ids} {map}");
    }
    assert_eq!(
        show(&format!("prog show pinned {prog}"))["id"],
        show(&format!("prog show pinned {again}"))["id"]
    );

    let data = testkit::TempDir::new("prog-run");
    let file = |name: &str| data.path().join(name).to_str().expect("text").to_owned();
    let packet: Vec<u8> = (0..60).collect();
    std::fs::write(file("in"), &packet).expect("writes");
    let words = format!("prog run pinned {prog} data_in {} data_out - repeat 2", file("in"));
    let run_words = |words: &str| noun(words.split(' '));
    let (ended, json) = (run_words(&words), run_words(&format!("-j {words}")));
    assert!(ended.out.starts_with("0000000\t0001 0203 0405 0607 "), "{}", ended.out);
    assert!(ended.out.contains("\nReturn value: 2, duration (average): "), "{}", ended.out);
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!((&json["data_out"][59], &json["retval"]), (&59.into(), &2.into()));
    if let Some(bpftool) = bpftool() {
        let words: Vec<&str> = words.split(' ').collect();
        let until_duration = |text: &str| text.split("duration").next().map(str::to_owned);
        assert_eq!(until_duration(&ended.out), until_duration(&run(&bpftool, &words).0));
        let words = [&["-j"], &words[..]].concat();
        let theirs: serde_json::Value = serde_json::from_str(&run(&bpftool, &words).0).expect("JSON");
        assert_eq!((&json["data_out"], &json["retval"]), (&theirs["data_out"], &theirs["retval"]));
    }
    let ended = run_words(&format!("prog run pinned {prog} data_in {} data_out {}", file("in"), file("out")));
    assert!(ended.out.starts_with("Return value: 2, duration: "), "{}", ended.out);
    assert_eq!(std::fs::read(file("out")).expect("written"), packet);
    for (words, why) in [
        (format!("pinned {prog}"), "expected 'data_in' or 'ctx_in'"),
        (format!("pinned {prog} data_in - ctx_in -"), "cannot use standard input for both"),
        (format!("pinned {prog} data_ x"), "ambiguous prefix: 'data_' could be"),
        (format!("pinned {prog} data_in {}", file("none")), "No such file"),
        (format!("pinned {prog} repeat many"), "can't parse \"many\" as repeat number"),
    ] {
        fails(&format!("prog run {words}"), why);
    }
}

#[test]
fn what_a_program_says_of_itself_is_shown() {
    let Some(dir) = PinDir::new("metadata") else { return };
    let prog = dir.at("prog");
    does(&format!("prog load crates/oxbpf-cli/tests/objects/metadata.bpf.o {prog}"));
    let ended = noun(format!("prog show pinned {prog}").split(' '));
    let expect = "\tmetadata:\n\t\tauthor = \"someone\"\n\t\tlevel = 7\n\t\tpair = {\"a\":1,\"b\":\"xy\"}\n";
    assert!(ended.out.ends_with(expect), "{}", ended.out);
    let ended = noun(format!("-j prog show pinned {prog}").split(' '));
    let json: serde_json::Value = serde_json::from_str(&ended.out).expect("JSON");
    let expect = serde_json::json!({ "author": "someone", "level": 7, "pair": { "a": 1, "b": "xy" } });
    assert_eq!(json["metadata"], expect);
    if let Some(bpftool) = bpftool() {
        check_same(&bpftool, &format!("prog show pinned {prog}"));
        check_same(&bpftool, &format!("-j prog show pinned {prog}"));
    }
}

#[test]
fn a_load_that_fails_leaves_nothing_behind() {
    let Some(dir) = PinDir::new("undo") else { return };
    let object = "testdata/objects/call_chain.o";
    does(&format!("prog loadall {object} {}", dir.at("all")));
    assert!(!dir.names("all").is_empty());
    for (words, why) in [
        ("examples/xdpcount.bpf.o DIR/x map name nope id 1", "can't get map by id (1)"),
        ("examples/xdpcount.bpf.o DIR/x type nonsense", "unknown program type 'nonsense'"),
        ("examples/xdpcount.bpf.o DIR/x type xdp type xdp", "program type already specified"),
        ("examples/xdpcount.bpf.o DIR/x offload_dev lo xdpmeta_dev lo", "mutually exclusive"),
        (
            "examples/xdpcount.bpf.o DIR/x xdpmeta_dev no-such-device",
            "unrecognized netdevice 'no-such-device'",
        ),
        ("examples/xdpcount.bpf.o DIR/x pinmaps DIR/no/maps", "parent dir"),
        ("examples/xdpcount.bpf.o DIR/no/x", "doesn't exist"),
        ("testdata/objects/maps_only.o DIR/x", "object file doesn't contain any bpf program"),
        ("/dev/null DIR/x", "failed to open object file /dev/null"),
        ("examples/xdpcount.bpf.o", "expected PATH, and nothing follows"),
    ] {
        fails(&format!("prog load {}", words.replace("DIR", &dir.at(""))), why);
        assert_eq!(dir.names(""), ["all"], "{words}");
    }
    let (object, all) = ("testdata/objects/call_chain.o", dir.at("all"));
    fails(&format!("prog loadall {object} {all}"), "already exists");
    assert!(!dir.names("all").is_empty(), "what another load pinned stays");
}

#[test]
fn autoattach_pins_links_and_what_cannot_attach_itself() {
    let Some(dir) = PinDir::new("autoattach") else { return };
    if testkit::kernel_release().is_none_or(|r| r < (testkit::KernelRelease { major: 5, minor: 15 })) {
        return skip_this("no links of perf events");
    }
    let (hello, xdp) = (dir.at("hello"), dir.at("xdp"));
    does(&format!("prog load examples/hello.bpf.o {hello} autoattach"));
    let ended = noun(format!("link show pinned {hello}").split(' '));
    assert!(ended.status == 0 && ended.out.contains("prog "), "{} {}", ended.out, ended.err);
    let ended = noun(format!("prog load examples/xdpcount.bpf.o {xdp} autoattach").split(' '));
    assert!(ended.status == 0 && ended.err.contains("falling back to pinning"), "{}", ended.err);
    assert_eq!(noun(format!("prog show pinned {xdp}").split(' ')).status, 0);
}

#[test]
fn the_trace_log_ends_with_a_signal() {
    if !testkit::require_bpf() {
        return;
    }
    for (word, start, end) in [(None, "", ""), (Some("-j"), "[", "]\n")] {
        let child = tool::start(word.into_iter().chain(["prog", "tracelog"]));
        let pid = rustix::process::Pid::from_child(&child);
        // A signal that comes before it is waited for ends the process.
        let is_waiting = || {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let mask =
                status.lines().find_map(|l| u64::from_str_radix(l.strip_prefix("SigBlk:")?.trim(), 16).ok());
            // Gone is waited for below.
            mask.is_none_or(|mask| mask & 2 != 0)
        };
        while !is_waiting() {
            std::thread::yield_now();
        }
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it runs");
        let ended = tool::wait(child);
        assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{word:?}: {}", ended.out);
        assert!(ended.out.starts_with(start) && ended.out.ends_with(end), "{}", ended.out);
    }
    fails("prog tracelog nonsense id 1", "expected one of 'stdout', 'stderr'");
    fails("prog attach id 4294967295 msg_verdict id 1", "can't get prog by id");
}
