//! BPF objects, sound and broken.

use oxbpf_elf::{Binding, ElfObject, SymSection, SymbolKind, Visibility, reloc};

fn testdata(path: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

#[test]
fn sections_symbols_and_relocations_are_what_readelf_shows() {
    let data = testdata("testdata/objects/plain.o");
    let elf = ElfObject::parse(&data, "plain.o").unwrap();
    assert!(elf.is_little_endian());
    let rel = elf
        .sections()
        .iter()
        .find(|s| s.is_relocations() && elf.section(s.info).is_some_and(|t| t.is_exec()));
    let rel = rel.unwrap();
    let target = elf.section(rel.info).unwrap();
    assert_eq!(rel.name, format!(".rel{}", target.name));
    for r in elf.relocations(rel).unwrap() {
        assert!(matches!(r.kind, reloc::R_BPF_64_64 | reloc::R_BPF_64_32), "{r:?}");
        assert!(r.offset < target.size && r.addend.is_none());
        assert!(elf.symbol(r.symbol).is_some());
    }
    let license = elf.section_by_name("license").unwrap();
    let sym = elf
        .symbols()
        .iter()
        .find(|s| s.section == SymSection::Index(license.index) && s.kind == SymbolKind::Object);
    let sym = sym.unwrap();
    assert_eq!((sym.binding, sym.visibility, sym.size), (Binding::Global, Visibility::Default, license.size));
}

#[test]
fn both_byte_orders_and_compilers_give_the_same_symbols() {
    let names = |path: &str| {
        let data = testdata(path);
        let elf = ElfObject::parse(&data, path).unwrap();
        let is_func = |s: &&oxbpf_elf::Symbol<'_>| s.kind == SymbolKind::Func;
        let mut names: Vec<String> =
            elf.symbols().iter().filter(is_func).map(|s| s.name.to_owned()).collect();
        names.sort();
        names
    };
    let expect = names("testdata/objects/plain.o");
    assert!(!expect.is_empty());
    for other in ["plain.be.o", "plain.gcc.o", "plain.gcc_be.o"] {
        assert_eq!(names(&format!("testdata/objects/{other}")), expect, "{other}");
    }
}

/// Header fields of a 64-bit little-endian file.
mod at {
    pub(super) const CLASS: usize = 4;
    pub(super) const DATA: usize = 5;
    pub(super) const TYPE: usize = 16;
    pub(super) const MACHINE: usize = 18;
    pub(super) const SHOFF: usize = 40;
    pub(super) const SHSTRNDX: usize = 62;
}

#[track_caller]
fn check(change: impl FnOnce(&mut Vec<u8>), expect: &str) {
    let mut data = testdata("testdata/objects/plain.o");
    change(&mut data);
    let error = ElfObject::parse(&data, "x.o").unwrap_err().to_string();
    assert!(error.starts_with("x.o: ") && error.contains(expect), "{error}");
}

#[test]
fn what_is_no_bpf_object_is_told_what_it_is() {
    check(|d| d[at::MACHINE] = 62, "compiled for x86-64, not for BPF");
    check(|d| d[at::MACHINE] = 99, "compiled for machine 99, not for BPF");
    check(|d| d[at::TYPE] = 2, "an executable, not a relocatable BPF object");
    check(|d| d[at::TYPE] = 4, "a core dump");
    check(|d| d[at::CLASS] = 1, "32-bit ELF");
    check(|d| d[at::CLASS] = 9, "field EI_CLASS has unknown value 9");
    check(|d| d[at::DATA] = 7, "field EI_DATA has unknown value 7");
    check(|d| d.truncate(30), "too few for an ELF header");
    check(|d| d.truncate(500), "section header table at offset");
    check(Vec::clear, "empty file");
    check(|d| d[0] = b'X', "not an ELF file (it starts with 58 45 4c 46");
    check(|d| d[at::SHSTRNDX] = 200, "section names is missing");
    check(|d| d[at::SHOFF + 7] = 0x80, "section header table at offset 0x80");
}

#[test]
fn a_machine_of_none_is_what_old_compilers_wrote() {
    let mut data = testdata("testdata/objects/plain.o");
    data[at::MACHINE] = 0;
    assert!(ElfObject::parse(&data, "x.o").is_ok());
}

#[test]
fn a_library_is_no_bpf_object() {
    let error = ElfObject::parse(include_bytes!("data/lib.so"), "lib.so").unwrap_err();
    assert!(error.to_string().contains("compiled for x86-64"), "{error}");
}

#[test]
fn broken_sections_are_named_with_index_name_and_offset() {
    let data = testdata("testdata/objects/plain.o");
    let elf = ElfObject::parse(&data, "x.o").unwrap();
    let maps = elf.section_by_name(".maps").unwrap();
    let shoff = u64::from_le_bytes(data[at::SHOFF..at::SHOFF + 8].try_into().unwrap()) as usize;
    let header = shoff + 64 * maps.index as usize;
    let (index, start) = (maps.index, maps.range.start);
    check(
        |d| d[header + 32..header + 40].fill(0x7f),
        &format!(
            "section {index} '.maps' at offset {start:#x}, 0x7f7f7f7f7f7f7f7f bytes: its data is outside the file"
        ),
    );
    check(|d| d[header..header + 4].fill(0xff), &format!("section {index} '?'"));
}
