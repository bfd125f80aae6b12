//! Broken objects give errors that say where, and never a panic, a hang or a huge allocation.

use oxbpf_btf::BtfBuilder;
use oxbpf_object::dump::Dump;
use oxbpf_object::{ExtRecords, ObjectSpec, OpenOptions, ProgId, assemble, open};

fn testdata(path: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

/// Numbers that are the same in each run.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    fn mutate(&mut self, data: &mut Vec<u8>) {
        for _ in 0..1 + self.below(6) {
            let at = self.below(data.len());
            match self.below(4) {
                0 => data[at] ^= 1 << self.below(8),
                1 => data[at] = [0, 1, 0x7f, 0x80, 0xff][self.below(5)],
                2 => data[at] = self.below(256) as u8,
                _ => {
                    // Something from elsewhere in the file: the most likely to look right.
                    let (from, len) = (self.below(data.len()), 1 + self.below(16));
                    for i in 0..len {
                        if let (Some(b), true) = (data.get(from + i).copied(), at + i < data.len()) {
                            data[at + i] = b;
                        }
                    }
                }
            }
        }
        if self.below(16) == 0 {
            data.truncate(self.below(data.len()).max(1));
        }
    }
}

/// Uses everything that a spec gives.
fn use_all(spec: &ObjectSpec) -> usize {
    let _ = Dump(spec).to_string();
    let Ok(records) = ExtRecords::new(spec) else { return 0 };
    let mut programs = 0;
    for i in 0..spec.programs.len() as u32 {
        let Ok(code) = assemble(spec, ProgId(i)) else { continue };
        for relo in &code.core_relocs {
            assert!(records.core_relo(relo).is_some());
            assert!((relo.insn as usize) < code.insns.len());
        }
        for relo in &code.relocs {
            assert!((relo.insn as usize) < code.insns.len());
        }
        let _ = records.ext_info(&code);
        programs += 1;
    }
    programs
}

#[test]
fn mutants_of_objects_are_read_or_refused() {
    let mut rng = Rng(0x0b0e);
    let (mut opened, mut refused, mut programs) = (0, 0, 0);
    let files = [
        "examples/opensnoop.bpf.o",
        "examples/dispatch.bpf.o",
        "testdata/objects/maps_in_maps.o",
        "testdata/objects/kconfig.o",
        "testdata/objects/kfuncs.o",
        "testdata/objects/struct_ops.o",
        "testdata/objects/call_chain.o",
        "testdata/objects/subprogs_static.be.o",
        "testdata/objects/plain.gcc.o",
    ];
    for file in files {
        let sound = testdata(file);
        for _ in 0..600 {
            let mut data = sound.clone();
            rng.mutate(&mut data);
            match open(data, &OpenOptions::new("mutant")) {
                Ok(spec) => {
                    opened += 1;
                    programs += use_all(&spec);
                }
                Err(e) => {
                    refused += 1;
                    assert!(e.to_string().starts_with("mutant: "), "{e}");
                }
            }
        }
    }
    assert!(opened > 1000 && refused > 500 && programs > 1000, "{opened} {refused} {programs}");
}

/// Changes bytes of one section of an object; `None` gives the error that the object gets.
#[track_caller]
fn check(file: &str, change: impl FnOnce(&mut Object), expect: &str) {
    let mut object = Object::read(file);
    change(&mut object);
    match open(object.data, &OpenOptions::new("x.o")) {
        Ok(spec) => panic!("opened, but should fail with: {expect}\n{}", Dump(&spec)),
        Err(e) => assert!(e.to_string().contains(expect), "{e}\nshould say: {expect}"),
    }
}

/// A little-endian object that can be changed where readelf shows a place.
struct Object {
    data: Vec<u8>,
}

impl Object {
    fn read(file: &str) -> Self {
        Self { data: testdata(file) }
    }

    fn section(&self, name: &str) -> (u32, std::ops::Range<usize>) {
        let elf = oxbpf_elf::ElfObject::parse(&self.data, "x").unwrap();
        let s = elf.section_by_name(name).unwrap_or_else(|| panic!("no section {name}"));
        (s.index, s.range.clone())
    }

    /// Place of a symbol's entry.
    fn symbol(&self, name: &str) -> usize {
        let elf = oxbpf_elf::ElfObject::parse(&self.data, "x").unwrap();
        let index = elf.symbols().iter().find(|s| s.name == name).unwrap().index as usize;
        elf.section(elf.symtab_index()).unwrap().range.start + 24 * index
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        self.data[at..at + bytes.len()].copy_from_slice(bytes);
    }
}

const SNOOP: &str = "examples/opensnoop.bpf.o";
const ENTER: &str = "tracepoint/syscalls/sys_enter_openat";

#[test]
fn a_program_outside_its_section_is_named() {
    check(
        SNOOP,
        |o| o.put(o.symbol("openat_enter") + 16, &[0xff, 0xff]),
        &format!("section '{ENTER}': 'openat_enter': its 65535 bytes"),
    );
    check(SNOOP, |o| o.put(o.symbol("openat_enter") + 16, &[7, 0]), "are not whole instructions of 8 bytes");
}

#[test]
fn a_relocation_names_section_instruction_and_symbol() {
    let rel = format!(".rel{ENTER}");
    check(
        SNOOP,
        |o| o.put(o.section(&rel).1.start, &[0x38]),
        &format!(
            "section '{ENTER}': 'openat_enter': instruction 7: relocation against 'targ_pid': R_BPF_64_64 applies to"
        ),
    );
    check(
        SNOOP,
        |o| o.put(o.section(&rel).1.start, &[0x31]),
        &format!("section '{rel}': offset 0x31: relocation against 'targ_pid': there is no instruction"),
    );
    check(
        SNOOP,
        |o| o.put(o.section(&rel).1.start + 12, &[0xff]),
        "relocation against '#255': there is no such symbol",
    );
    check(
        SNOOP,
        |o| o.put(o.section(ENTER).1.start + 8 * 135 + 4, &[4]),
        "no map definition begins at offset 0x4 of '.maps'",
    );
    check(
        SNOOP,
        |o| {
            let license = o.section("license").0 as u8;
            o.put(o.symbol("targ_pid") + 6, &[license])
        },
        "section 'license' holds neither maps, nor data, nor code",
    );
}

#[test]
fn calls_must_reach_the_start_of_a_function() {
    let file = "testdata/objects/subprogs_static.o";
    let object = Object::read(file);
    let elf = oxbpf_elf::ElfObject::parse(&object.data, "x").unwrap();
    let call = elf.sections().iter().filter(|s| s.is_relocations()).find_map(|s| {
        let target = elf.section(s.info).filter(|t| t.is_exec())?;
        let rels = elf.relocations(s).unwrap();
        let rel = rels.iter().find(|r| r.kind == oxbpf_elf::reloc::R_BPF_64_32)?;
        Some(target.range.start + rel.offset as usize)
    });
    let imm = call.unwrap() + 4;
    check(file, |o| o.put(imm, &[o.data[imm].wrapping_add(2)]), "no function begins at offset");
    check(file, |o| o.put(imm, &[0xff, 0xff, 0xff, 0x7f]), "no function begins at offset");
}

#[test]
fn sections_that_claim_too_much_are_refused() {
    check(
        SNOOP,
        |o| {
            // .bss takes nothing in the file, so its size can claim anything.
            let (index, _) = o.section(".bss");
            let shoff = u64::from_le_bytes(o.data[40..48].try_into().unwrap()) as usize;
            o.put(shoff + 64 * index as usize + 32, &[0, 0, 0, 0, 0x10]);
        },
        "section '.bss'",
    );
}

#[test]
fn code_that_is_not_in_the_file_does_not_count() {
    check(
        SNOOP,
        |o| {
            let (index, _) = o.section(".bss");
            let header =
                u64::from_le_bytes(o.data[40..48].try_into().unwrap()) as usize + 64 * index as usize;
            o.put(header + 8, &[7]);
            o.put(header + 32, &[0xff; 8]);
        },
        "section '.bss': 18446744073709551615 bytes are too many",
    );
}

#[test]
fn map_definitions_need_types() {
    check(
        "testdata/objects/plain.gcc_nobtf.o",
        |_| {},
        "section '.maps': map definitions need BTF, and the file has none; compile with -g",
    );
    check(SNOOP, |o| o.put(o.section(".BTF").1.start, &[0, 0]), "section '.BTF': ");
}

#[test]
fn an_empty_type_section_is_no_reason_to_fail() {
    // An object without maps or externs can do without BTF.
    let mut object = Object::read("testdata/objects/isa.v1.o");
    let range = object.section(".BTF").1;
    let empty = BtfBuilder::new().finish().unwrap();
    object.put(range.start, &empty.raw()[..24]);
    object.put(range.start, &[0, 0]);
    let spec = open(object.data, &OpenOptions::new("x")).unwrap();
    assert!(spec.btf.is_none() && !spec.programs.is_empty());
}
