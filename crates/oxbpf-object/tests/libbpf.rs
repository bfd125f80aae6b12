//! What C libbpf makes of the committed objects, and that it is the same here.
//!
//! `tests/libbpf/NAME.txt` was written by the program in `tests/oracle`, which opens and loads each object with libbpf
//! 1.8 (built from its repository) against a kernel that accepts everything. It has the maps with all their parameters
//! and a hash of their contents, the programs, the size and hash of the BTF, and for each loaded program its
//! instructions, function records and a hash of its line records. Map file descriptors are replaced by map names.
//! CO-RE relocations were made against the object's own types; instructions with one are left out here, `oxbpf-relo`
//! has tests of those.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use oxbpf_object::{
    ExtRecords, ExternKind, MapSpec, ObjectSpec, OpenOptions, Pinning, ProgId, RelocTarget, assemble, open,
};
use oxbpf_uapi::Insn;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// FNV-1a.
fn hash(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// libbpf calls custom data maps by their whole section name, though the kernel's name is cut.
fn user_name(m: &MapSpec) -> &str {
    if m.name.starts_with('.') { &m.real_name } else { &m.name }
}

/// libbpf rounds ring buffers up to a power of two of this machine's pages while opening; here that is the loader's.
fn entries(m: &MapSpec) -> u32 {
    let is_ring = matches!(m.map_type, oxbpf_uapi::MapType::RINGBUF | oxbpf_uapi::MapType::USER_RINGBUF);
    if is_ring && m.max_entries > 0 { m.max_entries.next_power_of_two().max(4096) } else { m.max_entries }
}

fn map_line(m: &MapSpec) -> String {
    let (len, sum) = if m.data.is_empty() || m.map_type == oxbpf_uapi::MapType::ARENA {
        (0, 0)
    } else {
        (m.data.len(), hash(&m.data))
    };
    let mut line = format!(
        "map {} type {} key {} value {} entries {} flags {:x} extra {:x} numa {} types {} {} pinned {} create {} data {len} {sum:016x}\n",
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
        u8::from(m.pinning == Pinning::ByName),
        u8::from(m.autocreate),
    );
    if let Some(i) = &m.inner {
        let (t, k, v, e, f) = (i.map_type.0, i.key_size, i.value_size, i.max_entries, i.map_flags);
        writeln!(line, "inner {} type {t} key {k} value {v} entries {e} flags {f:x}", i.name).unwrap();
    }
    line
}

/// What libbpf sends for one program, or `None` if that depends on a kernel (kernel symbols).
fn load_text(spec: &ObjectSpec, records: &ExtRecords<'_>, id: ProgId) -> Option<String> {
    let mut code = assemble(spec, id).unwrap();
    let ext = records.ext_info(&code).unwrap();
    let mut maps: HashMap<usize, &str> = HashMap::new();
    let map_name = |id: oxbpf_object::MapId| user_name(&spec.maps[id.0 as usize]);
    for r in &code.relocs {
        let at = r.insn as usize;
        match &r.target {
            RelocTarget::Map(id) => {
                code.insns[at] = Insn { imm: 0, ..code.insns[at].with_src(1) };
                maps.insert(at, map_name(*id));
            }
            RelocTarget::MapValue { map, offset } => {
                code.insns[at] = Insn { imm: 0, ..code.insns[at].with_src(2) };
                code.insns[at + 1].imm = *offset as i32;
                maps.insert(at, map_name(*map));
            }
            RelocTarget::ExternAddr(id) => {
                let ExternKind::Kconfig { offset, .. } = spec.externs[id.0 as usize].kind else {
                    return None;
                };
                code.insns[at] = Insn { imm: 0, ..code.insns[at].with_src(2) };
                code.insns[at + 1].imm = offset as i32;
                maps.insert(at, spec.maps.iter().find(|m| m.real_name == ".kconfig")?.name.as_str());
            }
            _ => return None,
        }
    }
    let name = &spec.programs[id.0 as usize].code.name;
    let short = name.get(..15).unwrap_or(name);
    let count = |bytes: &[u8], size: u32| bytes.len() as u32 / size.max(1);
    let (fr, lr) = (ext.func_info_rec_size, ext.line_info_rec_size);
    let (fc, lc) = (count(&ext.func_info, fr), count(&ext.line_info, lr));
    let mut text = format!("load {short} insns {} func {fc}*{fr} line {lc}*{lr}\n", code.insns.len());
    for (i, insn) in code.insns.iter().enumerate() {
        let [o0, o1] = insn.off.to_le_bytes();
        let [i0, i1, i2, i3] = insn.imm.to_le_bytes();
        let bytes = [insn.code, insn.src() << 4 | insn.dst(), o0, o1, i0, i1, i2, i3];
        write!(text, "{i:4} {:016x}", u64::from_be_bytes(bytes)).unwrap();
        match maps.get(&i) {
            Some(name) => writeln!(text, " {name}").unwrap(),
            None => text.push('\n'),
        }
    }
    for rec in ext.func_info.chunks(fr.max(1) as usize) {
        text.push_str("f ");
        for b in rec {
            write!(text, "{b:02x}").unwrap();
        }
        text.push('\n');
    }
    if !ext.line_info.is_empty() {
        writeln!(text, "l {:016x}", hash(&ext.line_info)).unwrap();
    }
    Some(text)
}

/// The blocks of a stored text, each from its first line up to the next first line.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks: Vec<String> = Vec::new();
    for line in text.lines() {
        let is_first = ["map ", "prog ", "btf ", "load ", "error "].iter().any(|p| line.starts_with(p));
        if is_first || blocks.is_empty() {
            blocks.push(String::new());
        }
        let block = blocks.last_mut().unwrap();
        block.push_str(line);
        block.push('\n');
    }
    blocks
}

/// A program's text without what CO-RE may change.
fn mask(text: &str, core: impl Iterator<Item = usize>) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    for insn in core {
        // The first line is the header. A 64-bit load has its value in two instructions.
        lines[insn + 1] = "core";
        if lines[insn + 2].ends_with(" 0000000000000000") || lines[insn + 2].contains(" 00000000") {
            lines[insn + 2] = "core";
        }
    }
    lines.join("\n")
}

fn same_lines(is: &str, expect: &str, what: &str) {
    for (i, (is, expect)) in is.lines().zip(expect.lines()).enumerate() {
        assert_eq!(is, expect, "line {i} of {what}");
    }
    assert_eq!(is.lines().count(), expect.lines().count(), "{what}");
}

fn check(name: &str, expect: &str) -> usize {
    let dir = if name.contains(".bpf.") { "examples" } else { "testdata/objects" };
    let data = std::fs::read(root().join(dir).join(name)).unwrap();
    let spec = match open(data, &OpenOptions::from_path(name)) {
        Ok(spec) => spec,
        Err(e) => {
            assert_eq!(format!("error {}\n", e.errno().0), expect, "{name}: {e}");
            return 1;
        }
    };
    let records = ExtRecords::new(&spec).unwrap();
    let starting = |prefix: &str| -> Vec<String> {
        blocks(expect).into_iter().filter(|b| b.starts_with(prefix)).collect()
    };
    let maps: Vec<String> = spec.maps.iter().map(map_line).collect();
    same_lines(&maps.concat(), &starting("map ").concat(), &format!("maps of {name}"));
    let progs: Vec<String> = spec
        .programs
        .iter()
        .map(|p| {
            format!(
                "prog {} sec {} type {} attach {} autoload {} insns {}\n",
                p.code.name,
                p.sec_name,
                p.prog_type.0,
                p.expected_attach_type.0,
                u8::from(p.autoload),
                p.code.insns.len(),
            )
        })
        .collect();
    same_lines(&progs.concat(), &starting("prog ").concat(), &format!("programs of {name}"));
    if let Some(expect) = starting("btf ").first() {
        let raw = spec.btf.as_ref().unwrap().raw();
        assert_eq!(&format!("btf {} {:016x}\n", raw.len(), hash(raw)), expect, "BTF of {name}");
    }
    let loads = starting("load ");
    let mut loaded = spec.programs.iter().enumerate().filter(|(_, p)| p.autoload);
    let mut compared = 0;
    for load in &loads {
        let (i, p) = loaded.next().unwrap();
        let Some(text) = load_text(&spec, &records, ProgId(i as u32)) else { continue };
        let core = assemble(&spec, ProgId(i as u32)).unwrap().core_relocs;
        let masked = |text: &str| mask(text, core.iter().map(|r| r.insn as usize));
        same_lines(&masked(&text), &masked(load), &format!("program {} of {name}", p.code.name));
        compared += 1;
    }
    compared
}

#[test]
#[cfg(target_endian = "little")]
fn specs_and_programs_are_what_libbpf_makes_of_the_same_objects() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libbpf");
    let mut compared = 0;
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let name = path.file_stem().unwrap().to_str().unwrap();
        compared += check(name, &std::fs::read_to_string(&path).unwrap());
    }
    assert!(compared >= 60, "only {compared} programs compared");
}
