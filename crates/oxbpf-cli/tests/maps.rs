//! `map`, on the running kernel: what bpftool 7.8 shows for the same maps is written down here, and where a bpftool is at hand
//! it is asked again.

mod tool;

use std::process::Command;

use tool::noun;

/// A directory in the bpf file system.
struct Pins(testkit::PinDir);

impl Pins {
    fn new() -> Option<Self> {
        if testkit::require_bpf() { testkit::bpffs().map(Self) } else { None }
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("text").to_owned()
    }

    /// Runs `map WORDS`, where `@name` stands for `pinned PATH`, and `^name` for the path.
    fn map(&self, words: &str) -> tool::Ended {
        noun(self.words(words).iter().map(String::as_str))
    }

    fn words(&self, words: &str) -> Vec<String> {
        let mut all = Vec::new();
        for word in words.split(' ').filter(|w| !w.is_empty()) {
            match (word.strip_prefix('@'), word.strip_prefix('^')) {
                (Some(name), _) => all.extend(["pinned".to_owned(), self.at(name)]),
                (_, Some(name)) => all.push(self.at(name)),
                _ => all.push(word.to_owned()),
            }
        }
        all
    }

    #[track_caller]
    fn ok(&self, words: &str) -> String {
        let ended = self.map(words);
        assert_eq!((ended.status, ended.err.as_str()), (0, ""), "{words}");
        ended.out
    }

    /// The text, and that of bpftool if there is one.
    #[track_caller]
    fn check(&self, words: &str, expect: &str) {
        let ended = self.map(words);
        assert_eq!(ended.out, expect, "{words}: {}", ended.err);
        let Ok(program) = std::env::var("OXBPF_BPFTOOL") else { return };
        let theirs = Command::new(program).args(self.words(words)).output().expect("bpftool runs");
        assert_eq!(String::from_utf8_lossy(&theirs.stdout), expect, "bpftool {words}");
        assert_eq!(theirs.status.success(), ended.status == 0, "{words}");
    }
}

#[test]
fn entries_of_a_hash_are_shown_as_bpftool_shows_them() {
    let Some(pins) = Pins::new() else { return };
    pins.ok("map create ^h type hash key 4 value 8 entries 100 name h_hash");
    pins.check("map dump @h", "Found 0 elements\n");
    pins.ok("map update @h key 1 0 0 0 value hex 01 02 03 04 05 06 07 0a");
    pins.check("map dump @h", "key: 01 00 00 00  value: 01 02 03 04 05 06 07 0a\nFound 1 element\n");
    pins.check("map lookup @h key 1 0 0 0", "key: 01 00 00 00  value: 01 02 03 04 05 06 07 0a\n");
    pins.check(
        "-j map lookup @h key 0x1 0 0 0",
        "{\"key\":[\"0x01\",\"0x00\",\"0x00\",\"0x00\"],\"value\":[\"0x01\",\"0x02\",\"0x03\",\"0x04\",\"0x05\",\"0x06\",\"0x07\",\"0x0a\"]}\n",
    );
    pins.check("map lookup @h key 9 0 0 0", "key:\n09 00 00 00\n\nNot found\n");
    pins.check("-j map lookup @h key 9 0 0 0", "null\n");
    pins.check("map getnext @h", "key: None\nnext key:\n01 00 00 00\n");
    pins.check("-j map getnext @h", "{\"key\":null,\"next_key\":[\"0x01\",\"0x00\",\"0x00\",\"0x00\"]}\n");
    assert_eq!(pins.ok("-j map delete @h key 1 0 0 0"), "null\n");
    pins.check("-p map dump @h", "[]\n");
    let ended = pins.map("map update @h key 1 0 0 0 value 1 1 1 1 1 1 1 1 exist");
    assert_eq!(
        (ended.status, ended.err.as_str()),
        (255, "Error: update failed: ENOENT (No such file or directory)\n")
    );
}

#[test]
fn keys_and_values_of_every_length_are_laid_out_as_bpftool_lays_them_out() {
    let Some(pins) = Pins::new() else { return };
    pins.ok("map create ^b type hash key 20 value 40 entries 10 name big");
    let numbers = |n: u32| (1..=n).map(|i| i.to_string()).collect::<Vec<_>>().join(" ");
    pins.ok(&format!("map update @b key {} value {}", numbers(20), numbers(40)));
    pins.check(
        "map dump @b",
        "key:\n01 02 03 04 05 06 07 08  09 0a 0b 0c 0d 0e 0f 10\n11 12 13 14\nvalue:\n\
         01 02 03 04 05 06 07 08  09 0a 0b 0c 0d 0e 0f 10\n11 12 13 14 15 16 17 18  19 1a 1b 1c 1d 1e 1f 20\n\
         21 22 23 24 25 26 27 28\nFound 1 element\n",
    );
    pins.ok("map create ^m type hash key 12 value 16 entries 10 name mid");
    pins.ok(&format!("map update @m key {} value {}", numbers(12), numbers(16)));
    pins.check(
        "map lookup @m key 1 2 3 4 5 6 7 8 9 10 11 12",
        "key: 01 02 03 04 05 06 07 08  09 0a 0b 0c\nvalue: 01 02 03 04 05 06 07 08  09 0a 0b 0c 0d 0e 0f 10\n",
    );
}

#[test]
fn queues_and_stacks_give_what_was_put_in() {
    let Some(pins) = Pins::new() else { return };
    for (kind, first) in [("queue", 7), ("stack", 8)] {
        pins.ok(&format!("map create ^{kind} type {kind} key 0 value 4 entries 4 name {kind}"));
        pins.ok(&format!("map push @{kind} value 7 0 0 0"));
        pins.ok(&format!("map enqueue @{kind} value 8 0 0 0"));
        pins.check(&format!("map peek @{kind}"), &format!("value: 0{first} 00 00 00\n"));
        assert_eq!(pins.ok(&format!("map pop @{kind}")), format!("value: 0{first} 00 00 00\n"));
        assert_eq!(pins.ok(&format!("map dequeue @{kind}")), format!("value: 0{} 00 00 00\n", 15 - first));
        let ended = pins.map(&format!("map pop @{kind}"));
        assert_eq!((ended.status, ended.out.as_str(), ended.err.as_str()), (255, "Error: empty map\n", ""));
        let ended = pins.map(&format!("-j map dump @{kind}"));
        assert_eq!(
            (ended.status, ended.out.as_str()),
            (255, "[]\n"),
            "what is on standard output stays JSON"
        );
        assert!(ended.err.contains("BPF_MAP_GET_NEXT_KEY: EINVAL"), "{}", ended.err);
        let ended = pins.map(&format!("map push @{kind} key 1 value 1 0 0 0"));
        assert!(ended.err.contains("unnecessary key"), "{}", ended.err);
    }
}

#[test]
fn values_of_each_cpu_are_shown_apart() {
    let Some(pins) = Pins::new() else { return };
    let cpus = std::fs::read_to_string("/sys/devices/system/cpu/possible").expect("it says");
    let cpus =
        cpus.trim().rsplit(['-', ',']).next().and_then(|n| n.parse::<usize>().ok()).expect("a number") + 1;
    pins.ok("map create ^p type percpu_hash key 4 value 12 entries 10 name percpu");
    pins.ok("map update @p key hex 0a 00 00 00 value hex 1 2 3 4 5 6 7 8 9 a b c");
    let lines: String =
        (0..cpus).map(|i| format!("value (CPU {i:02}): 01 02 03 04 05 06 07 08  09 0a 0b 0c\n")).collect();
    pins.check("map lookup @p key 10 0 0 0", &format!("key:\n0a 00 00 00\n{lines}"));
    let json: serde_json::Value = serde_json::from_str(&pins.ok("-j map dump @p")).expect("JSON");
    assert_eq!(json[0]["values"].as_array().expect("a list").len(), cpus);
    assert_eq!(json[0]["values"][cpus - 1]["cpu"], cpus - 1);
    assert_eq!(json[0]["values"][0]["value"][11], "0x0c");
}

#[test]
fn maps_of_maps_show_ids_and_skip_empty_places() {
    let Some(pins) = Pins::new() else { return };
    pins.ok("map create ^i type array key 4 value 4 entries 1 name inner");
    pins.ok("map create ^o type array_of_maps key 4 value 4 entries 3 name outer inner_map pinned ^i");
    pins.ok("map update @o key 1 0 0 0 value pinned ^i");
    let shown: serde_json::Value = serde_json::from_str(&pins.ok("-j map show @i")).expect("JSON");
    let id = shown["id"].as_u64().expect("a number");
    pins.check("map dump @o", &format!("key: 01 00 00 00  inner_map_id: {id} \nFound 1 element\n"));
    let json: serde_json::Value = serde_json::from_str(&pins.ok("-j map dump @o")).expect("JSON");
    assert_eq!(json[0]["inner_map_id"], id);
    assert_eq!(json.as_array().expect("a list").len(), 1);
    pins.ok("map create ^p type prog_array key 4 value 4 entries 3 name progs");
    pins.check("map dump @p", "Found 0 elements\n");
}

#[test]
fn a_map_is_described_as_bpftool_describes_it() {
    let Some(pins) = Pins::new() else { return };
    pins.ok("map create ^a type array key 4 value 4 entries 3 name arr flags 0");
    pins.ok("map freeze @a");
    let json: serde_json::Value = serde_json::from_str(&pins.ok("-jf map show @a")).expect("JSON");
    let id = json["id"].as_u64().expect("a number");
    for (key, value) in [
        ("type", "array".into()),
        ("name", "arr".into()),
        ("flags", 0.into()),
        ("bytes_key", 4.into()),
        ("bytes_value", 4.into()),
        ("max_entries", 3.into()),
        ("frozen", serde_json::Value::from(1)),
    ] {
        assert_eq!(json[key], value, "{key}");
    }
    assert_eq!(json["pinned"][0], pins.at("a"));
    let memlock = json["bytes_memlock"].as_u64().expect("a number");
    pins.check(
        &format!("map show id {id}"),
        &format!("{id}: array  name arr  flags 0x0\n\tkey 4B  value 4B  max_entries 3  memlock {memlock}B\n\tfrozen\n"),
    );
    let ended = pins.map("map update @a key 0 0 0 0 value 1 0 0 0");
    assert_eq!(ended.err, "Error: update failed: EPERM (Operation not permitted)\n");
    assert!(
        pins.ok("map list").contains(&format!("\n{id}: array  name arr  flags 0x0\n"))
            || pins.ok("map").starts_with(&format!("{id}: "))
    );
    assert_eq!(pins.ok(&format!("map pin id {id} ^again")), "");
    assert_eq!(pins.ok("map show @again"), pins.ok("map show @a"));
}

#[test]
fn values_with_types_are_shown_by_them() {
    let Some(pins) = Pins::new() else { return };
    let object = oxbpf::ObjectBuilder::new()
        .open_file(testkit::root().join("examples/syscount.bpf.o"))
        .expect("it opens");
    let object = object.prepare().expect("maps are created");
    let counts = object.map("counts").expect("a map");
    counts.pin(pins.at("counts")).expect("a pin");
    counts
        .update(&7u32.to_ne_bytes(), &[1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0], Default::default())
        .expect("an entry");
    let text = pins.ok("map dump @counts");
    pins.check("map dump @counts", &text);
    let json: serde_json::Value = serde_json::from_str(&text).expect("text by types is JSON here");
    assert_eq!(json[0]["key"], 7);
    let names: Vec<_> = json[0]["value"].as_object().expect("a struct").keys().cloned().collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let formatted: serde_json::Value = serde_json::from_str(&pins.ok("-j map dump @counts")).expect("JSON");
    assert_eq!(formatted[0]["formatted"]["key"], 7);
    assert_eq!(formatted[0]["formatted"]["value"], json[0]["value"]);
    assert_eq!(formatted[0]["value"][8], "0x02");
    let lookup = pins.ok("map lookup @counts key 7 0 0 0");
    pins.check("map lookup @counts key 7 0 0 0", &lookup);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&lookup).expect("JSON"), json[0]);
}

#[test]
fn words_are_checked_before_the_kernel_is_asked() {
    let Some(pins) = Pins::new() else { return };
    pins.ok("map create ^h type hash key 4 value 8 entries 100 name h");
    for (words, why) in [
        ("map lookup @h key 1 0 0", "key expected 4 bytes got 3"),
        ("map lookup @h key 1 0 0 x", "error parsing byte: x"),
        ("map lookup @h key 1 0 0 256", "error parsing byte: 256"),
        ("map lookup @h key hex 1 0 0 1ff", "error parsing byte: 1ff"),
        ("map lookup @h", "did not find key"),
        ("map lookup @h key 1 0 0 0 key 1 0 0 0", "duplicate key"),
        ("map lookup @h key 1 0 0 0 value 1", "expected one of 'key', got: 'value'"),
        ("map update @h key 1 0 0 0", "did not find value"),
        (
            "map update @h key 1 0 0 0 value 1 1 1 1 1 1 1 1 any exist",
            "flags specified multiple times: exist",
        ),
        ("map create ^x type hash key 4 value 4 entries 1", "map name not specified"),
        ("map create ^x type nothing", "unrecognized map type: nothing"),
        ("map create ^x type hash type array", "map type already specified"),
        ("map create ^x type hash key 0 value 4 entries 1 name x", "map create failed: EINVAL"),
        ("map create ^h type hash key 4 value 4 entries 1 name x", "already exists"),
        ("map dump id 4294967295", "can't get map by id (4294967295)"),
        ("map dump name no-such-map", "no map has that name or tag"),
        ("map dump", "expected 'id', 'pinned', 'name', and nothing follows"),
    ] {
        let ended = pins.map(words);
        assert_eq!((ended.status, ended.out.as_str()), (255, ""), "{words}");
        assert!(ended.err.contains(why), "{words}: {}", ended.err);
    }
    assert!(!pins.0.path().join("x").exists());
}

#[test]
fn a_large_map_is_shown_in_order_without_being_kept() {
    let Some(pins) = Pins::new() else { return };
    pins.ok("map create ^a type array key 4 value 8 entries 100000 name large");
    let text = pins.ok("map dump @a");
    assert_eq!(text.lines().count(), 100_001);
    assert!(text.ends_with("key: 9f 86 01 00  value: 00 00 00 00 00 00 00 00\nFound 100000 elements\n"));
    let json: serde_json::Value = serde_json::from_str(&pins.ok("-j map dump @a")).expect("JSON");
    assert_eq!(json.as_array().expect("a list").len(), 100_000);
}

#[test]
fn what_programs_write_is_shown_until_a_signal_comes() {
    use std::io::{BufRead, BufReader};
    let Some(pins) = Pins::new() else { return };
    let path = testkit::root().join("examples/execsnoop.bpf.o");
    let object = oxbpf::ObjectBuilder::new().open_file(path).expect("it opens").load().expect("it loads");
    object.map("events").expect("a map").pin(pins.at("events")).expect("a pin");
    for options in ["", "-j"] {
        // Programs are attached once the reader's events are in the map.
        let words = pins.words(&format!("{options} map event_pipe @events"));
        let mut child = Command::new(tool::binary())
            .args(words)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("oxbpf starts");
        let kernel = object.kernel();
        let map = object.map("events").expect("a map").to_owned();
        let mut reader = BufReader::new(child.stdout.take().expect("a pipe"));
        let links = object.attach().expect("it attaches");
        let mut text = String::new();
        // The reader may not be there yet, so that a first event may be lost; some event comes.
        while text.lines().count() < 2 && !text.contains("\"timestamp\"") {
            assert!(Command::new("true").status().expect("it runs").success());
            if map.keys().count() > 0 && has_input(&reader) {
                let read = match options {
                    "" => reader.read_line(&mut text).expect("text"),
                    _ => {
                        let bytes = reader.fill_buf().expect("text").to_vec();
                        text += &String::from_utf8_lossy(&bytes);
                        reader.consume(bytes.len());
                        bytes.len()
                    }
                };
                assert!(read > 0, "it goes on");
            }
        }
        drop(links);
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is there");
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut reader, &mut rest).expect("text");
        assert!(child.wait().expect("it ends").success());
        text += &rest;
        if options.is_empty() {
            assert!(text.starts_with("== @") && text.contains(" CPU: "), "{text}");
        } else {
            let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(json[0]["type"], 9, "a sample");
            assert!(json[0]["data"].as_array().expect("bytes").len() > 16);
            assert!(json[0]["timestamp"].as_u64().expect("a number") > 0);
        }
        assert_eq!(kernel.name(), "linux");
    }
}

/// Whether something can be read without waiting.
fn has_input(reader: &std::io::BufReader<std::process::ChildStdout>) -> bool {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut fds = [PollFd::new(reader.get_ref(), PollFlags::IN)];
    !reader.buffer().is_empty()
        || poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 50_000_000 })).is_ok_and(|n| n > 0)
}
