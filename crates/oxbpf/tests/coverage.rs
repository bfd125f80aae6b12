//! The tables of `docs/coverage.md`: what attaches, and on which kernels a test has seen it run.
//!
//! They are made from the tables in code (section names, with their types) and from `testdata/attach/results.txt`, which has a
//! line for each kernel and section: `7.2 kprobe pass`, or why not; those of maps from `testdata/maps/results.txt`, with what worked on each
//! type: `7.2 queue lookup update lookup_and_delete`. `OXBPF_BLESS=1 cargo test -p oxbpf --test coverage` writes the
//! document again after either has changed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use oxbpf_object::AttachKind;
use oxbpf_object::sec_def::{SEC_DEFS, SecDef};
use oxbpf_uapi::map_type::MapOps;
use oxbpf_uapi::{AttachType, LinkType, MapType, ProgType};

/// The kernels of the matrix. 6.18 is built without kprobes, and refuses fentry and LSM programs.
const KERNELS: [&str; 5] = ["5.10", "6.1", "6.12", "6.18", "7.2"];

/// Sections that the tests of tracing make run. The others attach to networks and control groups.
fn is_tracing(def: &SecDef) -> bool {
    def.attach != AttachKind::Explicit
        || [ProgType::PERF_EVENT, ProgType::EXT, ProgType::STRUCT_OPS, ProgType::SYSCALL]
            .contains(&def.prog_type)
}

/// Why a section has run on no kernel.
fn why_nowhere(def: &SecDef) -> Option<&'static str> {
    match def.name() {
        "syscall" => Some("run by `test_run`, there is nothing to attach it to"),
        "lirc_mode2" => {
            Some("no kernel here is built with infrared devices; the requests are compared with libbpf's")
        }
        "struct_ops" | "struct_ops.s" => Some(
            "registered as a map: `tests/struct_ops.rs` does so on each of these kernels, by links from 6.4 on",
        ),
        _ => None,
    }
}

/// What a section's program is linked by, in its newest form; `None` if there is no link for it.
fn link_type(def: &SecDef) -> Option<LinkType> {
    if !is_tracing(def) {
        return match def.prog_type {
            ProgType::XDP if def.attach_type == AttachType::XDP => Some(LinkType::XDP),
            ProgType::SCHED_CLS if def.name().starts_with("netkit") => Some(LinkType::NETKIT),
            ProgType::SCHED_CLS if def.attach_type.0 != 0 => Some(LinkType::TCX),
            ProgType::FLOW_DISSECTOR | ProgType::SK_LOOKUP => Some(LinkType::NETNS),
            ProgType::SK_SKB if def.attach_type.0 == 0 => None,
            ProgType::SK_SKB | ProgType::SK_MSG => Some(LinkType::SOCKMAP),
            ProgType::NETFILTER => Some(LinkType::NETFILTER),
            _ if def.name().starts_with("cgroup") || ["sockops", "lsm_cgroup"].contains(&def.name()) => {
                Some(LinkType::CGROUP)
            }
            _ => None,
        };
    }
    Some(match def.prog_type {
        ProgType::STRUCT_OPS => LinkType::STRUCT_OPS,
        ProgType::SYSCALL => return None,
        _ => tracing_link_type(def),
    })
}

fn tracing_link_type(def: &SecDef) -> LinkType {
    match def.attach {
        AttachKind::KprobeMulti | AttachKind::KprobeSession => LinkType::KPROBE_MULTI,
        AttachKind::UprobeMulti | AttachKind::Usdt => LinkType::UPROBE_MULTI,
        AttachKind::RawTracepoint => LinkType::RAW_TRACEPOINT,
        AttachKind::Trace | AttachKind::Lsm => LinkType::TRACING,
        AttachKind::TracingMulti => LinkType::TRACING_MULTI,
        AttachKind::Iter => LinkType::ITER,
        _ => LinkType::PERF_EVENT,
    }
}

/// The test that runs a section's program.
fn test(def: &SecDef) -> &'static str {
    match def.name() {
        "freplace" => "`sections::freplace_takes_the_place_of_a_function_until_the_link_is_dropped`",
        "syscall" => "`live` and others",
        "struct_ops" | "struct_ops.s" => "`struct_ops`",
        "lirc_mode2" => "`link::tests::wire`",
        _ if !is_tracing(def) => "`net_sections::every_section_of_networks_and_control_groups_attaches`",
        "perf_event" => "`sections::perf_event_runs_the_program_by_link_and_by_ioctl`",
        _ => "`sections::every_section_that_attaches_by_itself_runs_its_program`",
    }
}

/// What came of each section on each kernel: `pass`, or the reason why not.
struct Results(BTreeMap<(String, String), String>);

impl Results {
    fn read() -> Self {
        let text = std::fs::read_to_string(testkit::testdata("attach/results.txt")).unwrap();
        let line = |line: &str| {
            let (kernel, rest) = line.split_once(' ').unwrap();
            let (section, result) = rest.split_once(' ').unwrap();
            ((kernel.to_owned(), section.to_owned()), result.to_owned())
        };
        Self(text.lines().map(line).collect())
    }

    /// Whether a section's program has run.
    fn passes(&self, kernel: &str, section: &str) -> bool {
        self.0.get(&(kernel.to_owned(), section.to_owned())).is_some_and(|r| r == "pass")
    }

    /// One cell a kernel: whether a section of these has run there.
    fn cells(&self, sections: &[&SecDef]) -> String {
        let cell = |kernel: &&str| {
            if sections.iter().any(|def| self.passes(kernel, def.name())) {
                "yes"
            } else if sections.iter().all(|def| why_nowhere(def).is_some()) {
                "see below"
            } else {
                "no"
            }
        };
        KERNELS.iter().map(cell).collect::<Vec<_>>().join(" | ")
    }
}

fn heading(out: &mut String, title: &str, columns: &[&str]) {
    let columns: Vec<&str> = columns.iter().chain(&KERNELS).copied().collect();
    writeln!(out, "\n## {title}\n\n| {} |", columns.join(" | ")).unwrap();
    writeln!(out, "|{}", " --- |".repeat(columns.len())).unwrap();
}

/// A table whose rows are groups of sections with the same key.
fn grouped(out: &mut String, results: &Results, title: &str, key: impl Fn(&SecDef) -> String) {
    let all: Vec<&SecDef> = SEC_DEFS.iter().collect();
    let mut seen = BTreeSet::new();
    heading(out, title, &[title.trim_end_matches('s'), "Sections"]);
    for def in &all {
        let key_of_row = key(def);
        if key_of_row == "-" || !seen.insert(key_of_row.clone()) {
            continue;
        }
        let group: Vec<&SecDef> = all.iter().copied().filter(|d| key(d) == key_of_row).collect();
        let names: Vec<String> = group.iter().map(|d| format!("`{}`", d.name())).collect();
        writeln!(out, "| {key_of_row} | {} | {} |", names.join(" "), results.cells(&group)).unwrap();
    }
}

fn document(results: &Results) -> String {
    let mut out = String::from(
        "# What attaches, and where it was seen to run\n\n\
         Made by `crates/oxbpf/tests/coverage.rs` from the tables in code and the results of `cargo xtask vm`. A `yes` is a test that\n\
         loaded a program, attached it as its section says, made the event, saw the program's effect, detached it and saw no more of it.\n\n\
         5.10, 6.1, 6.12 and 7.2 are Debian's kernels in a virtual machine. 6.18 is built without kprobes and refuses fentry and LSM\n\
         programs. `testdata/attach/results.txt` has the reason for each `no`; nearly always the kernel is too old.\n",
    );
    heading(&mut out, "Section names", &["Section", "Program type", "Attach type", "Test"]);
    for def in SEC_DEFS {
        let attach_type = if def.attach_type.0 == 0 { "-".to_owned() } else { def.attach_type.to_string() };
        let cells = results.cells(&[def]);
        writeln!(out, "| `{}` | {} | {attach_type} | {} | {cells} |", def.name(), def.prog_type, test(def))
            .unwrap();
    }
    grouped(&mut out, results, "Program types", |def| def.prog_type.to_string());
    grouped(&mut out, results, "Attach types", |def| match def.attach_type.0 {
        0 => "-".to_owned(),
        _ => def.attach_type.to_string(),
    });
    grouped(&mut out, results, "Link types", |def| {
        link_type(def).map_or_else(|| "-".to_owned(), |t| t.to_string())
    });
    maps(&mut out, &MapResults::read());
    out += "\n## Without a kernel\n\n";
    for def in SEC_DEFS {
        if let Some(why) = why_nowhere(def) {
            writeln!(out, "- `{}`: {why}.", def.name()).unwrap();
        }
    }
    out += "- Offload to devices (`XdpMode::Hw`, `ifindex` of programs and maps): no machine here has such a device; the\n  \
            requests are compared with libbpf's.\n";
    out
}

/// The operations of a map type that worked on each kernel: `7.2 hash lookup update …` a line.
struct MapResults(BTreeMap<(String, String), Vec<String>>);

/// Map types whose operations are tested elsewhere.
const MAPS_ELSEWHERE: [(MapType, &str); 2] = [
    (MapType::STRUCT_OPS, "`tests/struct_ops.rs`"),
    (MapType::INSN_ARRAY, "objects with jump tables, in the corpus"),
];

impl MapResults {
    fn read() -> Self {
        let text = std::fs::read_to_string(testkit::testdata("maps/results.txt")).unwrap();
        let line = |line: &str| {
            let mut words = line.split_whitespace().map(str::to_owned);
            let key = (words.next()?, words.next()?);
            Some((key, words.collect()))
        };
        Self(text.lines().filter_map(line).collect())
    }

    fn works(&self, kernel: &str, map_type: &str, op: &str) -> bool {
        let key = (kernel.to_owned(), map_type.to_owned());
        self.0.get(&key).is_some_and(|ops| ops.iter().any(|o| o == op))
    }

    /// The first kernel from which on it works.
    fn since(&self, map_type: &str, op: &str) -> Option<&'static str> {
        let works = |kernel: &&&str| self.works(kernel, map_type, op);
        KERNELS.iter().rev().take_while(works).last().copied()
    }
}

fn maps(out: &mut String, results: &MapResults) {
    *out += "\n## Maps\n\n\
             The first of the kernels above on which each command was seen to work on each type of map, and on all after it\n\
             (`maps::every_operation_of_every_type`); `-` is refused. `testdata/maps/results.txt` has all that worked. An empty row is a type\n\
             whose memory is shared in place of commands.\n\n";
    let ops = MapOps::all().iter_names().map(|(name, _)| name.to_lowercase());
    let ops: Vec<String> = ops.collect();
    writeln!(out, "| Map type | {} |", ops.join(" | ").replace('_', " ")).unwrap();
    writeln!(out, "| --- |{}", " --- |".repeat(ops.len())).unwrap();
    for map_type in MapType::ALL.iter().filter(|t| **t != MapType::UNSPEC) {
        if MAPS_ELSEWHERE.iter().any(|(elsewhere, _)| elsewhere == map_type) {
            continue;
        }
        let name = map_type.short_name().unwrap();
        let cells: Vec<&str> = ops.iter().map(|op| results.since(name, op).unwrap_or("-")).collect();
        writeln!(out, "| `{name}` | {} |", cells.join(" | ")).unwrap();
    }
    out.push('\n');
    for (map_type, place) in MAPS_ELSEWHERE {
        writeln!(out, "- `{}`: {place}.", map_type.short_name().unwrap()).unwrap();
    }
    *out += "- `cgroup_storage`, `percpu_cgroup_storage`: updates need a program that is attached to a control group.\n\
             - `xskmap`: Linux 7.2 takes sockets with rings only, which the test does not make.\n";
}

#[test]
fn every_type_of_map_was_made_on_a_kernel() {
    let results = MapResults::read();
    for map_type in MapType::ALL.iter().filter(|t| **t != MapType::UNSPEC) {
        let name = map_type.short_name().unwrap();
        let is_elsewhere = MAPS_ELSEWHERE.iter().any(|(elsewhere, _)| elsewhere == map_type);
        let somewhere = KERNELS.iter().any(|k| results.0.contains_key(&((*k).to_owned(), name.to_owned())));
        assert!(somewhere != is_elsewhere, "{name}");
    }
}

#[test]
fn every_section_has_run_on_a_kernel_or_says_why_not() {
    let results = Results::read();
    for def in SEC_DEFS.iter().filter(|def| why_nowhere(def).is_none()) {
        let somewhere = KERNELS.iter().any(|kernel| results.passes(kernel, def.name()));
        assert!(somewhere, "{} has run on no kernel", def.name());
        for kernel in KERNELS {
            let key = (kernel.to_owned(), def.name().to_owned());
            assert!(results.0.contains_key(&key), "{}: nothing is known about {kernel}", def.name());
        }
    }
}

#[test]
fn the_document_is_what_the_tables_and_results_say() {
    let path = testkit::root().join("docs/coverage.md");
    let expect = document(&Results::read());
    if std::env::var_os("OXBPF_BLESS").is_some() {
        std::fs::write(&path, &expect).unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == expect, "docs/coverage.md is out of date: run this test with OXBPF_BLESS=1");
}
