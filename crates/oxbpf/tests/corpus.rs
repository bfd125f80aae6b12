//! What becomes of each object of `testdata/corpus`, beside what C libbpf makes of it: the error of opening, programs and maps, what
//! two simulated kernels are asked while it is loaded, and how that ends; its types as C, beside what bpftool writes; and what else
//! becomes of its types. And the same of objects that are relocated against the types of real kernels.
//!
//! `testdata/corpus/record.c` has the same rules for the kernels' answers, and writes the same text.

#[allow(dead_code, reason = "other tests use the rest")]
mod fake;

#[path = "corpus/btf.rs"]
mod btf;
#[path = "corpus/kernels.rs"]
mod kernels;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::Read as _;
use std::sync::{Arc, Mutex};

use fake::{Fake, State};
use libtest_mimic::{Arguments, Failed, Trial};
use oxbpf::{ObjectBuilder, OpenObject};
use oxbpf_kernel::{Command, Fact, MapCreate, MapUpdateElem, ProgLoad};
use oxbpf_object::{MapOrigin, MapSpec, Pinning};
use oxbpf_uapi::insn::{BPF_PSEUDO_MAP_FD, BPF_PSEUDO_MAP_VALUE};
use oxbpf_uapi::{Errno, Insn, MapType};
use zerocopy::IntoBytes;

/// Objects that differ, by their names up to the first dot or the start of them: what is compared, and the reason.
const DIFFERENCES: &[(&str, &str, &str)] = &[
    ("exception_static", "open", "libbpf refuses it when loaded, and only where the kernel has tags"),
    ("exception_hidden", "open", "libbpf refuses it when loaded, and only where the kernel has tags"),
    ("exception_gone", "open", "libbpf refuses it when loaded, and only where the kernel has tags"),
    ("exception_program", "open", "libbpf refuses it when loaded, and only where the kernel has tags"),
    ("exception_empty", "open", "libbpf refuses it when loaded, and only where the kernel has tags"),
    ("func_*_in_section", "open", "libbpf takes no function beside programs; here it is one more program"),
    ("prog_static", "open", "libbpf takes no static programs"),
    ("prog_asm_overlap", "open", "two programs at one place have no order"),
    ("prog_asm_overlap", "new", "two programs at one place have no order"),
    ("prog_asm_overlap", "old", "two programs at one place have no order"),
    ("sec_054_fexit_multi", "new", "a module that is not there is noticed before programs are loaded"),
    ("sec_054_fexit_multi", "old", "a module that is not there is noticed before programs are loaded"),
    ("slots_array_23", "new", "slots are filled when all maps are there"),
    ("slots_array_23", "old", "slots are filled when all maps are there"),
    ("slots_hash_23", "new", "slots are filled when all maps are there"),
    ("slots_hash_23", "old", "slots are filled when all maps are there"),
    ("tag_ctx_kp", "old", "the type of the context is added before the prototype, not after: ids differ"),
    ("tag_ctx_rtp", "old", "the type of the context is added before the prototype, not after: ids differ"),
    ("tag_ctx_pe", "old", "the type of the context is added before the prototype, not after: ids differ"),
    ("tag_ctx_xdp", "old", "the type of the context is added before the prototype, not after: ids differ"),
    ("tag_ctx_tc", "old", "the type of the context is added before the prototype, not after: ids differ"),
    ("tag_ctx_sk", "old", "the type of the context is added before the prototype, not after: ids differ"),
    ("tag_ctx_cg", "old", "the type of the context is added before the prototype, not after: ids differ"),
    ("tag_ctx_rw", "old", "the type of the context is added before the prototype, not after: ids differ"),
    ("tag_ctx_lo", "old", "the type of the context is added before the prototype, not after: ids differ"),
    ("tag_ctx_so2", "old", "the type of the context is added before the prototype, not after: ids differ"),
    (
        "exception_global",
        "old",
        "libbpf leaves the callback out where the kernel has no tags; no such kernel can throw",
    ),
    (
        "exception_weak",
        "old",
        "libbpf leaves the callback out where the kernel has no tags; no such kernel can throw",
    ),
    (
        "exception_shared",
        "old",
        "libbpf leaves the callback out where the kernel has no tags; no such kernel can throw",
    ),
    ("arena_extra", "new", "the fake kernel has no memory at an address that is asked for"),
    ("arena_small", "open", "refused when loaded, since pages have the size that the kernel says"),
    ("types_*.gcc", "open", "refused by libbpf too, but only when loaded"),
];

const KCONFIG: &str = "CONFIG_T_YES=y\nCONFIG_T_MOD=m\nCONFIG_T_NO=n\nCONFIG_T_NUM=123\nCONFIG_T_HEX=0xdead\n\
    CONFIG_T_NEG=-5\nCONFIG_T_BIG=0xfedcba9876543210\nCONFIG_T_STR=\"text here\"\n";
const KALLSYMS: &str = "ffffffff81000000 T _text\nffffffff81001230 D trap_address\nffffffff81001240 t trap_twice\n\
    ffffffff81001250 t trap_twice\n";

/// Entries of a container; `testdata/corpus/generate.py` says how they are packed.
fn unpack(name: &str) -> Vec<(String, Vec<u8>)> {
    let packed = std::fs::read(testkit::testdata("corpus").join(name)).unwrap();
    let mut raw = Vec::new();
    flate2::read::ZlibDecoder::new(&packed[..]).read_to_end(&mut raw).unwrap();
    let mut rest = &raw[..];
    let mut part = || {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (part, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        rest = after;
        Some(part.to_vec())
    };
    let mut entries = Vec::new();
    while let Some(name) = part() {
        entries.push((String::from_utf8(name).unwrap(), part().unwrap()));
    }
    entries
}

fn hash_more(hash: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(hash, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// FNV-1a of 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    hash_more(0xcbf2_9ce4_8422_2325, bytes)
}

/// libbpf calls custom data maps by their whole section name, though the kernel's name is cut.
fn user_name(m: &MapSpec) -> &str {
    if m.name.starts_with('.') { &m.real_name } else { &m.name }
}

/// libbpf rounds ring buffers up to a power of two of this machine's pages while opening; here that is the loader's.
fn entries(m: &MapSpec) -> u32 {
    let is_ring = matches!(m.map_type, MapType::RINGBUF | MapType::USER_RINGBUF);
    if is_ring && m.max_entries > 0 && m.max_entries <= 1 << 31 {
        m.max_entries.next_power_of_two().max(4096)
    } else {
        m.max_entries
    }
}

fn map_line(m: &MapSpec) -> String {
    let pin = if m.pinning == Pinning::ByName { format!("/pins/{}", m.name) } else { "-".into() };
    let is_internal = !matches!(m.origin, MapOrigin::Btf | MapOrigin::StructOps);
    let mut line = format!(
        "map {} type {} key {} value {} entries {} flags {:x} extra {:x} numa {} types {} {} create {} pin {pin} internal {}",
        user_name(m),
        m.map_type.0,
        m.key_size,
        m.value_size,
        entries(m),
        m.map_flags,
        m.map_extra,
        m.numa_node,
        m.btf_key_type_id,
        m.btf_value_type_id,
        u8::from(m.autocreate),
        u8::from(is_internal),
    );
    if is_internal && m.map_type == MapType::ARRAY {
        write!(line, " data {} {:016x}", m.data.len(), hash(&m.data)).unwrap();
    }
    if let Some(i) = &m.inner {
        let (t, k, v, e, f) = (i.map_type.0, i.key_size, i.value_size, entries(i), i.map_flags);
        let (extra, numa) = (i.map_extra, i.numa_node);
        write!(line, " inner type {t} key {k} value {v} entries {e} flags {f:x} extra {extra:x} numa {numa}")
            .unwrap();
    }
    line
}

fn open_lines(open: &OpenObject) -> Vec<String> {
    let program = |p: &oxbpf_object::ProgramSpec| {
        format!(
            "program {} sec {} type {} attach {} autoload {} insns {}",
            p.code.name,
            p.sec_name,
            p.prog_type.0,
            p.expected_attach_type.0,
            u8::from(p.autoload),
            p.code.insns.len()
        )
    };
    let spec = open.spec();
    spec.programs.iter().map(program).chain(spec.maps.iter().map(map_line)).collect()
}

fn builder(fake: &Fake) -> ObjectBuilder {
    fake.builder().kconfig(KCONFIG)
}

/// Linux 5.4's types: none after DATASEC, no function that says its linkage.
fn is_btf_too_new(bytes: &[u8]) -> bool {
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
    let (header, types, types_len, strings) = (word(4), word(8), word(12), word(16));
    let (mut at, end) = ((header + types) as usize, (header + types + types_len) as usize);
    while at < end {
        let (name, info) = (word(at), word(at + 4));
        let (kind, vlen) = (info >> 24 & 0x1f, (info & 0xffff) as usize);
        if kind > 15 || (kind == 12 && vlen != 0) {
            return true;
        }
        if kind == 15 && bytes[(header + strings + name) as usize] == b'?' {
            return true;
        }
        at += 12
            + match kind {
                1 | 14 => 4,
                3 => 12,
                4 | 5 | 15 => 12 * vlen,
                6 | 13 => 8 * vlen,
                _ => 0,
            };
    }
    false
}

/// Whether Linux 5.4 would not do it.
fn is_too_new(cmd: &Command<'_>) -> bool {
    match cmd {
        Command::BtfLoad(r) => is_btf_too_new(r.btf),
        Command::MapCreate(r) => {
            r.map_type > MapType::SK_STORAGE || r.map_flags & 1 << 10 != 0 || r.map_extra != 0
        }
        Command::ProgLoad(r) => {
            let is_helper = |i: &&Insn| i.code == 0x85 && i.src() == 0;
            r.insns.iter().filter(is_helper).any(|i| i.imm > 111) || r.prog_type.0 > 26
        }
        other => other.cmd().0 > 23,
    }
}

fn dash(name: &str) -> &str {
    if name.is_empty() { "-" } else { name }
}

/// Cut as the kernel keeps names.
fn short(name: &str) -> String {
    name.chars().take(15).collect()
}

fn map_create_line(names: &HashMap<i32, String>, r: &MapCreate<'_>) -> String {
    format!(
        "MAP_CREATE {} type {} key {} value {} entries {} flags {:x} extra {:x} numa {} types {} {} {} inner {} kernel {}",
        short(r.map_name),
        r.map_type.0,
        r.key_size,
        r.value_size,
        r.max_entries,
        r.all_flags(),
        r.map_extra,
        r.numa_node,
        r.btf_key_type_id,
        r.btf_value_type_id,
        if r.btf.is_some() { "btf" } else { "-" },
        r.inner_map.map_or("-", |m| dash(&names[&m.number()])),
        r.btf_vmlinux_value_type_id
    )
}

fn map_update_line(state: &State, r: &MapUpdateElem<'_>) -> Option<String> {
    let names = state.names.lock().unwrap();
    let name = &names[&r.map.number()];
    let map_type = state.map_type(r.map.number());
    let is_reference =
        [MapType::PROG_ARRAY, MapType::ARRAY_OF_MAPS, MapType::HASH_OF_MAPS].contains(&map_type);
    Some(match (is_reference, r.value) {
        (true, value) => {
            let number = |bytes: &[u8]| u32::from_ne_bytes(bytes[..4].try_into().unwrap());
            format!("MAP_UPDATE {name} {} = {}", number(r.key), names[&(number(value) as i32)])
        }
        (false, value) if value.iter().all(|b| *b == 0) => return None,
        (false, value) => format!("MAP_UPDATE {name} {} {:016x}", value.len(), hash(value)),
    })
}

/// FNV-1a of the instructions, with the names of maps in place of their descriptors.
fn hash_insns(names: &HashMap<i32, String>, insns: &[Insn]) -> u64 {
    insns.iter().fold(0xcbf2_9ce4_8422_2325, |h, insn| {
        if insn.is_ld_imm64() && matches!(insn.src(), BPF_PSEUDO_MAP_FD | BPF_PSEUDO_MAP_VALUE) {
            let name = names.get(&insn.imm).map_or("?", String::as_str);
            hash_more(hash_more(h, name.as_bytes()), Insn { imm: 0, ..*insn }.as_bytes())
        } else {
            hash_more(h, insn.as_bytes())
        }
    })
}

fn prog_load_line(names: &HashMap<i32, String>, r: &ProgLoad<'_>) -> String {
    let count = |bytes: &[u8], size: u32| bytes.len().checked_div(size as usize).unwrap_or(0);
    format!(
        "PROG_LOAD {} type {} attach {} flags {:x} target {} license {} btf {} insns {} {:016x} funcs {} {:016x} lines {} {:016x}",
        short(r.prog_name),
        r.prog_type.0,
        r.expected_attach_type.0,
        r.all_flags(),
        r.attach_btf_id,
        dash(r.license),
        u8::from(r.prog_btf.is_some()),
        r.insns.len(),
        hash_insns(names, r.insns),
        count(r.func_info, r.func_info_rec_size),
        hash(r.func_info),
        count(r.line_info, r.line_info_rec_size),
        hash(r.line_info)
    )
}

/// The line of a command, nothing for one that the recorder leaves out: questions about features, and what is no part of a load.
fn command_line(state: &State, cmd: &Command<'_>) -> Option<String> {
    let is_probe = |name: &str| name.is_empty() || name.starts_with("oxbpf_") || name == "det_arg_ctx";
    let names = || state.names.lock().unwrap();
    Some(match cmd {
        Command::MapCreate(r) => (!is_probe(r.map_name)).then(|| map_create_line(&names(), r))?,
        Command::ProgLoad(r) => (!is_probe(r.prog_name)).then(|| prog_load_line(&names(), r))?,
        Command::MapUpdateElem(r) => map_update_line(state, r)?,
        Command::BtfLoad(r) if r.btf.len() > 240 => format!("BTF_LOAD {} {:016x}", r.btf.len(), hash(r.btf)),
        Command::MapFreeze { map } => format!("MAP_FREEZE {}", names()[&map.number()]),
        Command::ObjPin(r) => format!("OBJ_PIN {} {}", names()[&r.object.number()], r.path.display()),
        _ => return None,
    })
}

/// What the kernel is asked while the object is loaded, and how that ends. `open` opens it.
fn load_lines(types: &[u8], is_old: bool, open: impl Fn(&Fake) -> oxbpf::Result<OpenObject>) -> Vec<String> {
    let fake = Fake::new();
    fake.fact(Fact::VmlinuxBtf, types);
    fake.fact(Fact::Kallsyms, KALLSYMS);
    fake.fact(Fact::KernelConfig, "");
    fake.fact(Fact::Modules, "");
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (log, state) = (lines.clone(), Arc::downgrade(&fake.0));
    fake.refuse(move |cmd| {
        if is_old && is_too_new(cmd) {
            return Some(Errno::EINVAL);
        }
        log.lock().unwrap().extend(command_line(&state.upgrade().unwrap(), cmd));
        None
    });
    let loaded = open(&fake).and_then(OpenObject::load);
    let result = loaded.as_ref().err().map_or(0, |e| e.errno().0);
    let mut lines = lines.lock().unwrap().clone();
    lines.push(format!("result {result}"));
    lines
}

static TRAPS: std::sync::LazyLock<Vec<u8>> =
    std::sync::LazyLock::new(|| std::fs::read(testkit::testdata("corpus/traps.btf")).unwrap());

fn open(fake: &Fake, object: &[u8], name: &str) -> oxbpf::Result<OpenObject> {
    builder(fake).object_name(name).open_memory(object.to_vec())
}

/// Parts of a text of libbpf's: of opening, of loading into the new kernel, of loading into the old one.
fn parts(text: &str) -> Vec<Vec<String>> {
    let mut parts = vec![Vec::new()];
    for line in text.lines() {
        if line.starts_with("load ") {
            parts.push(Vec::new());
        } else {
            parts.last_mut().unwrap().push(line.to_owned());
        }
    }
    parts
}

/// First lines that differ.
fn difference(part: &str, ours: &[String], libbpf: &[String]) -> Option<String> {
    let at = (0..ours.len().max(libbpf.len())).find(|i| ours.get(*i) != libbpf.get(*i))?;
    let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_default();
    Some(format!("{part}\n  libbpf: {}\n  ours:   {}", line(libbpf), line(ours)))
}

/// Whether a name is that of a row, in which a star stands for anything.
fn is_row_of(row: &str, name: &str) -> bool {
    match row.split_once('*') {
        Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.contains(end)),
        None => name.split('.').next() == Some(row),
    }
}

fn compare(wrong: &mut Vec<String>, name: &str, part: &str, ours: &[String], libbpf: &[String]) {
    let known = DIFFERENCES.iter().find(|(row, in_part, _)| *in_part == part && is_row_of(row, name));
    match (difference(part, ours, libbpf), known) {
        (Some(difference), None) => wrong.push(difference),
        // Variants may agree: those of the other byte order are not loaded.
        (None, Some((_, _, reason))) if name.matches('.').count() == 1 => {
            wrong.push(format!("{part}: the same, which is said to differ: {reason}"))
        }
        _ => {}
    }
}

fn check(name: &str, object: &[u8], libbpf: &str) -> Result<(), Failed> {
    // The answers are those of a little-endian machine, which loads other objects than a big-endian one.
    if cfg!(target_endian = "big") {
        return Ok(());
    }
    let libbpf = parts(libbpf);
    let stem = name.split('.').next().unwrap();
    let opened = open(&Fake::new(), object, stem);
    let mut lines = vec![format!("open {}", opened.as_ref().err().map_or(0, |e| e.errno().0))];
    lines.extend(opened.iter().flat_map(open_lines));
    let mut wrong = Vec::new();
    compare(&mut wrong, name, "open", &lines, &libbpf[0]);
    if lines[0] == "open 0" {
        for (part, kernel) in libbpf[1..].iter().zip(["new", "old"]) {
            let lines = load_lines(&TRAPS, kernel == "old", |fake| open(fake, object, stem));
            compare(&mut wrong, name, kernel, &lines, part);
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// The types as C, as bpftool writes them.
fn check_types(name: &str, object: &[u8], bpftool: &str, libbpf: &str) -> Result<(), Failed> {
    let elf = oxbpf_elf::ElfObject::parse(object, "object").unwrap();
    let btf = oxbpf_btf::Btf::parse(elf.section_by_name(".BTF").unwrap().data.to_vec()).unwrap();
    let text = btf.dump_c().unwrap();
    let ours = format!("{} {:016x}", text.len(), hash(&text));
    if ours != bpftool {
        return Err(format!("types as C\n  bpftool: {bpftool}\n  ours:    {ours}").into());
    }
    if cfg!(target_endian = "big") {
        return Ok(());
    }
    let ext = elf.section_by_name(".BTF.ext").map(|s| s.data);
    let ours = btf::line(elf.section_by_name(".BTF").unwrap().data, ext);
    btf::difference(name, &ours, libbpf).map_or(Ok(()), |difference| Err(difference.into()))
}

fn main() {
    let args = Arguments::from_args();
    let answers: HashMap<String, Vec<u8>> = unpack("libbpf.zz").into_iter().collect();
    let types = String::from_utf8(unpack("types.zz").swap_remove(0).1).unwrap();
    let types: HashMap<&str, &str> = types.lines().filter_map(|line| line.split_once(' ')).collect();
    let btf = String::from_utf8(unpack("btf.zz").swap_remove(0).1).unwrap();
    let btf: HashMap<&str, &str> = btf.lines().filter_map(|line| line.split_once(' ')).collect();
    let trial = |(name, object): (String, Vec<u8>)| {
        let libbpf = String::from_utf8(answers[&name].clone()).unwrap();
        let c = types[name.as_str()].to_owned();
        let btf = btf[name.as_str()].to_owned();
        let case = name.clone();
        Trial::test(name, move || {
            check(&case, &object, &libbpf).and_then(|()| check_types(&case, &object, &c, &btf))
        })
    };
    let mut trials: Vec<Trial> = unpack("objects.zz").into_iter().map(trial).collect();
    assert!(trials.len() >= 1000, "{} objects", trials.len());
    trials.extend(kernels::trials());
    libtest_mimic::run(&args, trials).exit();
}
