//! What C libbpf makes of relocations against other types, and that it is the same here.
//!
//! `tests/data/OBJECT.o` has one access per program; `tests/data/TARGET.btf.txt` are types to relocate against; and
//! `tests/data/OBJECT.TARGET.txt` has each program's instructions after libbpf 1.8 (built from its repository)
//! relocated them, loaded one by one with `btf_custom_path`, or the error number that it gave. The program that wrote
//! them is in `crates/oxbpf-object/tests/oracle`.
#![cfg(target_endian = "little")]

use std::fmt::Write as _;
use std::path::Path;

use oxbpf_btf::{Btf, text};
use oxbpf_object::{ExtRecords, ObjectSpec, OpenOptions, ProgId, assemble, open};
use oxbpf_relo::{Relocator, Target};
use oxbpf_uapi::Insn;

fn data(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

fn text_of(name: &str) -> String {
    String::from_utf8(data(name)).unwrap()
}

fn hex(insn: Insn) -> String {
    let [o0, o1] = insn.off.to_le_bytes();
    let [i0, i1, i2, i3] = insn.imm.to_le_bytes();
    let bytes = [insn.code, insn.src() << 4 | insn.dst(), o0, o1, i0, i1, i2, i3];
    format!("{:016x}", u64::from_be_bytes(bytes))
}

/// One program's text as in the stored file.
fn program(spec: &ObjectSpec, records: &ExtRecords<'_>, id: ProgId, target: &Btf) -> String {
    let name = &spec.programs[id.0 as usize].code.name;
    let mut code = assemble(spec, id).unwrap();
    let local = spec.btf.as_ref().unwrap();
    let mut relocator = Relocator::new(local, vec![Target { name: "target", btf: target }]);
    for reloc in &code.core_relocs {
        let relo = records.core_relo(reloc).unwrap();
        let before = code.insns.clone();
        if let Err(e) = relocator.relocate(&mut code.insns, reloc.insn as usize, relo) {
            assert_eq!(code.insns, before, "{name}: an error must leave the instructions as they were");
            return format!("{name} error {}\n", e.errno().0);
        }
    }
    let mut text = format!("{name}\n");
    for insn in &code.insns {
        writeln!(text, "{}", hex(*insn)).unwrap();
    }
    text
}

#[track_caller]
fn check(object: &str, target: &str) {
    let spec = open(data(&format!("{object}.o")), &OpenOptions::new(object)).unwrap();
    let records = ExtRecords::new(&spec).unwrap();
    let types = text::parse(&text_of(&format!("{target}.btf.txt"))).unwrap();
    let is: String =
        (0..spec.programs.len() as u32).map(|i| program(&spec, &records, ProgId(i), &types)).collect();
    let expect = text_of(&format!("{object}.{target}.txt"));
    let mut name = "";
    for (is, expect) in is.lines().zip(expect.lines()) {
        if !expect.chars().all(|c| c.is_ascii_hexdigit()) {
            name = expect;
        }
        assert_eq!(is, expect, "in {name} against {target}");
    }
    assert_eq!(is.lines().count(), expect.lines().count());
}

#[test]
fn fields_that_moved_and_changed_their_sizes() {
    check("accesses", "moved");
}

#[test]
fn several_flavours_in_the_target() {
    check("accesses", "flavours");
}

#[test]
fn fields_and_types_of_other_kinds() {
    check("accesses", "kinds");
}
