//! Minimal BTF and objects relocated as files, against what bpftool and the relocator make of the same.
#![cfg(target_endian = "little")]

use std::path::Path;

use oxbpf_btf::{Btf, CoreReloKind, text};
use oxbpf_elf::ElfObject;
use oxbpf_object::{ExtRecords, ObjectSpec, OpenOptions, ProgId, assemble, open};
use oxbpf_relo::{MinBtf, MinBtfError, Outcome, Relocator, Target, relocate_only};
use oxbpf_uapi::Insn;

fn data(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

fn target(name: &str) -> Btf {
    text::parse(&String::from_utf8(data(&format!("{name}.btf.txt"))).unwrap()).unwrap()
}

fn accesses() -> ObjectSpec {
    open(data("accesses.o"), &OpenOptions::new("accesses")).unwrap()
}

fn minimal(spec: &ObjectSpec, target: &Btf) -> Result<Btf, MinBtfError> {
    let mut min = MinBtf::new(target);
    min.add_object(spec.btf.as_ref().unwrap(), spec.btf_ext.as_ref().unwrap())?;
    Ok(min.build()?.finish()?)
}

/// Each program's instructions, or its error number; ids of the target's types, which depend on how many there are, as 0.
fn relocated(spec: &ObjectSpec, target: &Btf) -> Vec<Result<Vec<Insn>, i32>> {
    let records = ExtRecords::new(spec).unwrap();
    let program = |i: u32| {
        let mut code = assemble(spec, ProgId(i)).unwrap();
        let mut relocator =
            Relocator::new(spec.btf.as_ref().unwrap(), vec![Target { name: "target", btf: target }]);
        for reloc in &code.core_relocs {
            let relo = records.core_relo(reloc).unwrap();
            let outcome = relocator.relocate(&mut code.insns, reloc.insn as usize, relo);
            let outcome = outcome.map_err(|e| e.errno().0)?;
            if relo.kind == CoreReloKind::TYPE_ID_TARGET && outcome != Outcome::Poisoned {
                code.insns[reloc.insn as usize].imm = i32::from(code.insns[reloc.insn as usize].imm != 0);
            }
        }
        Ok(code.insns)
    };
    (0..spec.programs.len() as u32).map(program).collect()
}

#[test]
fn minimal_btf_is_bpftools_byte_for_byte() {
    // Written by `bpftool gen min_core_btf TARGET.btf accesses.TARGET.min.btf accesses.o`, bpftool 7.1.
    for name in ["moved", "kinds"] {
        let is = minimal(&accesses(), &Btf::parse(data(&format!("{name}.btf"))).unwrap()).unwrap();
        assert!(is.raw() == data(&format!("accesses.{name}.min.btf")), "{name}:\n{}", text::print(&is));
    }
}

#[test]
fn minimal_btf_of_ambiguous_types_is_refused_as_by_bpftool() {
    let error = minimal(&accesses(), &target("flavours")).unwrap_err();
    assert!(error.to_string().starts_with("section 'raw_tp/"), "{error}");
    assert!(error.to_string().contains("ambiguous"), "{error}");
}

#[test]
fn objects_are_relocated_alike_against_minimal_btf() {
    let spec = accesses();
    for name in ["moved", "kinds"] {
        let full = target(name);
        let small = minimal(&spec, &full).unwrap();
        assert!(small.raw().len() < full.raw().len());
        assert_eq!(relocated(&spec, &small), relocated(&spec, &full), "{name}");
    }
}

#[test]
fn a_relocated_file_holds_what_the_relocator_makes() {
    for name in ["moved", "kinds"] {
        let target = target(name);
        let done = relocate_only(&data("accesses.o"), "accesses.o", &target).unwrap();
        let (before, after) = (accesses(), open(done.bytes.clone(), &OpenOptions::new("accesses")).unwrap());
        assert_eq!(done.bytes.len(), data("accesses.o").len());
        let records = ExtRecords::new(&before).unwrap();
        let mut relocator =
            Relocator::new(before.btf.as_ref().unwrap(), vec![Target { name: "target", btf: &target }]);
        let mut poisoned = 0;
        for (i, program) in (0u32..).zip(&after.programs) {
            assert!(program.code.core_relocs.is_empty(), "relocations are not made twice");
            let mut code = assemble(&before, ProgId(i)).unwrap();
            for reloc in &code.core_relocs {
                let relo = records.core_relo(reloc).unwrap();
                let outcome = relocator.relocate(&mut code.insns, reloc.insn as usize, relo).unwrap();
                poisoned += usize::from(outcome == Outcome::Poisoned);
            }
            assert_eq!(program.code.insns, code.insns, "{}", program.code.name);
        }
        assert_eq!(done.poisoned.len(), poisoned, "{:?}", done.poisoned);
        let again = relocate_only(&done.bytes, "accesses.o", &target).unwrap();
        assert_eq!((again.relocations, again.bytes == done.bytes), (0, true));
    }
}

#[test]
fn a_relocated_file_keeps_its_byte_order() {
    let object = |suffix: &str| {
        let path = testkit::testdata("objects").join(format!("core_relos{suffix}.o"));
        let bytes = std::fs::read(path).unwrap();
        let done = relocate_only(&bytes, "core_relos", &target("moved")).unwrap();
        let elf = ElfObject::parse(&done.bytes, "core_relos").unwrap();
        let order = elf.is_little_endian();
        let sections = elf.sections().iter().filter(|s| s.is_exec());
        let insns = sections.flat_map(|s| s.data.chunks_exact(8)).map(|c| {
            let insn = Insn::from_bytes(c.try_into().unwrap(), order);
            // Where a bit-field's shifts begin depends on the byte order, and so does what is compiled.
            insn.code
        });
        let poisoned: Vec<_> = done.poisoned.iter().map(|p| (p.section.clone(), p.insn)).collect();
        (done.relocations, poisoned, insns.collect::<Vec<_>>(), order)
    };
    let (little, big) = (object(""), object(".be"));
    assert!(little.3 && !big.3 && little.0 > 0);
    assert_eq!((little.0, little.1, little.2), (big.0, big.1, big.2));
}

#[test]
fn files_that_are_no_objects_are_refused() {
    let target = target("moved");
    let error = relocate_only(b"\x7fELF", "x.o", &target).unwrap_err();
    assert!(error.to_string().contains("x.o"), "{error}");
    let mut rng = 7u64;
    let good = data("accesses.o");
    let mut refused = 0;
    for _ in 0..400 {
        let mut bytes = good.clone();
        for _ in 0..4 {
            rng = rng.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (rng >> 33) as usize % bytes.len();
            bytes[at] = (rng >> 20) as u8;
        }
        refused += usize::from(relocate_only(&bytes, "x.o", &target).is_err());
    }
    assert!(refused > 20, "{refused}");
}
