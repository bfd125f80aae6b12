//! What is asked of the kernel while an object is loaded, beside what C libbpf asks for the same object.
//!
//! The commands that make maps and programs have to be the same, in the same order, with the same fields. C libbpf asks
//! more, and [`essential`] takes out what differs for a reason.

#[allow(dead_code, reason = "other tests use the rest")]
mod fake;

use std::sync::{Arc, Mutex};

use fake::{Fake, object};
use oxbpf_kernel::{Command, LinkSource, Target};
use oxbpf_uapi::Insn;
use oxbpf_uapi::insn::{BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE};
use zerocopy::IntoBytes;

/// Commands without those whose presence differs for a reason:
///
/// * Feature probes. libbpf finds out what the kernel can do before it asks for it; oxbpf asks for it, and finds out only if
///   the kernel refuses. So a current kernel sees no probes from oxbpf at all.
/// * The first write of a data map. libbpf writes all of them; oxbpf leaves out zeroes, which is what the kernel has put
///   there.
/// * `PROG_BIND_MAP` of read-only data. libbpf binds it to every program; the verifier has done that for programs whose
///   instructions refer to the map, so oxbpf binds it to the others.
/// * The walk over the ids of all BTF objects, by which libbpf finds those of modules when a type is not in vmlinux. oxbpf asks for
///   the names of modules first, and there are none here.
///
/// Names are compared as far as the kernel keeps them, which the back end cuts, and a perf event array of as many entries as
/// CPUs without their number.
fn essential(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for line in lines {
        let line = match line.split(' ').collect::<Vec<_>>()[..] {
            ["PROG_LOAD", kind, name, ref rest @ ..] => {
                format!("PROG_LOAD {kind} {} {}", &name[..name.len().min(15)], rest.join(" "))
            }
            ["MAP_CREATE", "PERF_EVENT_ARRAY", name, key, value, _, ref rest @ ..] => {
                format!("MAP_CREATE PERF_EVENT_ARRAY {name} {key} {value} CPUS {}", rest.join(" "))
            }
            _ => line,
        };
        let words: Vec<&str> = line.split(' ').collect();
        let is_probe = match words[..] {
            ["PROG_LOAD", _, name, ..] => ["-", "libbpf_nametest", "det_arg_ctx"].contains(&name),
            ["MAP_CREATE", _, name, ..] => name.starts_with("libbpf_"),
            ["BTF_LOAD", size] => size.parse::<u32>().unwrap() < 200,
            _ => false,
        };
        let is_first_write = line == "MAP_UPDATE_ELEM"
            && out.last().is_some_and(|last| last.starts_with("MAP_CREATE ARRAY ") && last.contains('.'));
        let is_walk = ["BTF_GET_NEXT_ID", "BTF_GET_FD_BY_ID", "OBJ_GET_INFO_BY_FD"].contains(&line.as_str());
        if !is_probe && !is_first_write && !is_walk && line != "PROG_BIND_MAP" {
            out.push(line);
        }
    }
    out
}

#[track_caller]
fn check(name: &str) {
    let path = format!("examples/{name}.bpf.o");
    let fake = Fake::new().with_types_of(&path);
    fake.builder().open_file(object(&path)).unwrap().load().unwrap();
    let ours = fake.0.transcript.lock().unwrap().clone();
    let libbpf = std::fs::read_to_string(object(&format!("testdata/load/{name}.libbpf.txt"))).unwrap();
    assert!(ours.len() < libbpf.lines().count() / 2, "{name}: {} commands", ours.len());
    assert_eq!(essential(ours.into_iter()), essential(libbpf.lines().map(str::to_owned)));
}

#[test]
fn commands_for_tracepoints_agree_with_libbpf() {
    check("hello");
    check("opensnoop");
    check("execsnoop");
    check("syscount");
}

#[test]
fn commands_for_probes_agree_with_libbpf() {
    check("setlocale");
    check("kprobe");
    check("rmdir");
}

#[test]
fn commands_for_kernel_types_agree_with_libbpf() {
    check("tasks");
    check("taskwalk");
}

#[test]
fn commands_for_kernel_functions_agree_with_libbpf() {
    check("fentry");
    check("lsm");
}

#[test]
fn commands_for_tail_calls_agree_with_libbpf() {
    check("dispatch");
}

#[test]
fn commands_for_networking_agree_with_libbpf() {
    check("xdpcount");
    check("tccount");
    check("cgroup");
}

#[test]
fn commands_for_sampling_agree_with_libbpf() {
    check("profile");
}

#[test]
fn commands_for_sections_of_strings_agree_with_libbpf() {
    check("shapes");
}

/// A command that concerns links of structs of callbacks, as `testdata/attach/attach.c` writes it.
fn struct_ops_line(cmd: &Command<'_>) -> Option<String> {
    Some(match cmd {
        Command::MapUpdateElem(r) => {
            format!("MAP_UPDATE_ELEM key={} flags={:x}", u32::from_ne_bytes(r.key.try_into().ok()?), r.flags)
        }
        Command::MapDeleteElem(r) => {
            format!("MAP_DELETE_ELEM key={}", u32::from_ne_bytes(r.key.try_into().ok()?))
        }
        Command::LinkCreate(r) => {
            assert!(matches!(r.source, LinkSource::Map(_)) && matches!(r.target, Target::None));
            format!(
                "LINK_CREATE attach_type={} flags={:x} target=0 btf_id=0 cookie=0",
                r.attach_type.0, r.flags
            )
        }
        Command::LinkUpdate(r) => {
            assert!(matches!(r.new, LinkSource::Map(_)));
            format!("LINK_UPDATE flags={:x} old={}", r.flags, u8::from(r.old.is_some()))
        }
        _ => return None,
    })
}

#[test]
fn requests_of_struct_ops_are_those_of_libbpf() {
    let path = "testdata/objects/struct_ops.o";
    let fake = Fake::new().with_struct_ops_of(path);
    let loaded = fake.builder().open_file(object(path)).unwrap().load().unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let lines = asked.clone();
    fake.refuse(move |cmd| {
        lines.lock().unwrap().extend(struct_ops_line(cmd));
        None
    });
    let title = |title: &str| asked.lock().unwrap().push(format!("# {title}"));
    title("struct_ops");
    loaded.map("at_once").unwrap().attach_struct_ops().unwrap().detach().unwrap();
    title("struct_ops.link");
    loaded.map("by_link").unwrap().attach_struct_ops().unwrap().detach().unwrap();
    title("struct_ops.link update");
    let map = loaded.map("by_link").unwrap();
    map.attach_struct_ops().unwrap().update_map(&map).unwrap();
    let libbpf = std::fs::read_to_string(object("testdata/attach/ops.libbpf.txt")).unwrap();
    assert_eq!(*asked.lock().unwrap(), libbpf.lines().collect::<Vec<_>>());
}

/// FNV-1a over the instructions, with the descriptors of maps as zero.
fn hash(insns: &[Insn]) -> u64 {
    let is_map = |i: &Insn| i.is_ld_imm64() && matches!(i.src(), BPF_PSEUDO_MAP_FD | BPF_PSEUDO_MAP_VALUE);
    let insns = insns.iter().map(|i| if is_map(i) { Insn { imm: 0, ..*i } } else { *i });
    insns.fold(0xcbf2_9ce4_8422_2325, |hash, insn| {
        insn.as_bytes()
            .iter()
            .fold(hash, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
    })
}

#[test]
#[cfg(target_endian = "little")]
fn programs_are_instruction_for_instruction_those_of_libbpf() {
    let text = std::fs::read_to_string(object("testdata/load/insns.libbpf.txt")).unwrap();
    let file_of = |line: &str| line.split(' ').next().unwrap().to_owned();
    let mut files: Vec<String> = text.lines().map(file_of).collect();
    files.dedup();
    for file in files {
        let expect: Vec<&str> = text.lines().filter(|l| file_of(l) == file).collect();
        let fake = Fake::new();
        let loaded =
            fake.builder().open_file(object(&format!("testdata/objects/{file}"))).unwrap().load().unwrap();
        let programs = loaded.programs().filter(|p| p.is_loaded());
        let line = |p: oxbpf::Program<'_>| {
            format!("{file} {} {} {:016x}", p.name(), p.insns().len(), hash(p.insns()))
        };
        assert_eq!(programs.map(line).collect::<Vec<_>>(), expect);
    }
}
