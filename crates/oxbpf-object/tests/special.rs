//! What the goldens do not show: options, names, and forms that today's compilers seldom write.

use oxbpf_object::{
    CodeId, FuncId, MapOrigin, ObjectSpec, OpenOptions, Place, ProgId, RelocTarget, assemble, open, sec_def,
};
use oxbpf_uapi::{Errno, Insn};

fn testdata(name: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/objects").join(name))
        .unwrap()
}

fn opened(name: &str) -> ObjectSpec {
    open(testdata(name), &OpenOptions::from_path(name)).unwrap()
}

#[test]
fn data_maps_are_named_after_object_and_section() {
    let names = |object: &str| -> Vec<String> {
        let spec = open(testdata("data_sections.o"), &OpenOptions::new(object)).unwrap();
        spec.maps.iter().map(|m| m.name.clone()).collect()
    };
    let custom = [".data.custom", ".data.other_sec", ".rodata.custom", ".bss.custom"];
    for (object, plain) in [
        ("x", ["x.data", "x.rodata", "x.bss"]),
        ("my_object_name", ["my_objec.data", "my_objec.rodata", "my_objec.bss"]),
        ("my-obj é", ["my_obj__.data", "my_obj__.rodata", "my_obj__.bss"]),
    ] {
        let names = names(object);
        for name in plain.iter().chain(&custom) {
            assert!(names.iter().any(|n| n == name), "{name} in {names:?}");
        }
        assert!(names.iter().all(|n| n.len() <= 15), "{names:?}");
    }
}

#[test]
fn an_object_is_called_like_its_file_up_to_the_first_dot() {
    let name = |path: &str| OpenOptions::from_path(path).name;
    assert_eq!(name("/tmp/open.bpf.o"), "open");
    assert_eq!(name("plain"), "plain");
    assert_eq!(name("dir.d/.hidden"), "");
}

#[test]
fn unknown_members_of_maps_are_skipped_if_asked() {
    let mut opts = OpenOptions::new("odd");
    let error = open(testdata("bad_map_unknown_key.o"), &opts).unwrap_err();
    assert_eq!((error.errno(), error.place()), (Errno::EOPNOTSUPP, &Place::Map("odd".to_owned())));
    opts.relaxed_maps = true;
    let spec = open(testdata("bad_map_unknown_key.o"), &opts).unwrap();
    assert_eq!(spec.maps[0].name, "odd");
}

#[test]
fn jump_tables_and_aliases_are_understood() {
    let spec = open(&include_bytes!("data/jumptable.o")[..], &OpenOptions::new("jump")).unwrap();
    assert_eq!(spec.jump_tables.len(), 24);
    let targets: Vec<&RelocTarget> = spec.programs[0].code.relocs.iter().map(|r| &r.target).collect();
    assert_eq!(targets[0], &RelocTarget::JumpTable { offset: 8, size: 16 });
    // Both names are of one place, and whichever is meant, the code is the same.
    let RelocTarget::Call(a) = targets[1] else { panic!("{targets:?}") };
    let RelocTarget::Call(b) = targets[2] else { panic!("{targets:?}") };
    assert_eq!(a, b);
    let code = assemble(&spec, ProgId(0)).unwrap();
    assert_eq!(code.funcs.len(), 2);
    assert_eq!(code.insns.len(), 6 + 2);
    assert_eq!(code.relocs.len(), 1);
}

#[test]
fn functions_are_appended_depth_first_at_their_first_call() {
    let spec = opened("call_chain.o");
    for (i, prog) in (0u32..).zip(&spec.programs) {
        let code = assemble(&spec, ProgId(i)).unwrap();
        assert_eq!(code.funcs[0].id, CodeId::Prog(ProgId(i)));
        let mut end = 0;
        for piece in &code.funcs {
            assert_eq!(piece.insn_off, end, "pieces of '{}' follow one another", prog.code.name);
            end += piece.len;
        }
        assert_eq!(end as usize, code.insns.len());
        // Every call leads to the start of a piece.
        for (at, insn) in (0i64..).zip(&code.insns).filter(|(_, insn)| insn.is_call_pseudo()) {
            let to = at + i64::from(insn.imm) + 1;
            assert!(code.funcs.iter().any(|p| i64::from(p.insn_off) == to), "call at {at} leads to {to}");
        }
    }
}

#[test]
fn a_static_function_in_a_programs_section_is_a_function() {
    let spec = opened("bad_program_static.o");
    assert_eq!(spec.programs.len(), 1);
    assert_eq!(spec.functions[0].code.section, "xdp");
    assert!(!spec.functions[0].is_global);
    let calls = spec.programs[0].code.relocs.iter().any(|r| r.target == RelocTarget::Call(FuncId(0)));
    let code = assemble(&spec, ProgId(0)).unwrap();
    assert_eq!(code.funcs.len(), if calls { 2 } else { 1 });
}

#[test]
fn programs_that_do_not_exist_cannot_be_assembled() {
    let spec = opened("plain.o");
    let error = assemble(&spec, ProgId(99)).unwrap_err();
    assert_eq!(error.errno(), Errno::EINVAL);
}

#[test]
fn an_arena_has_its_variables_as_contents() {
    let spec = opened("arena.o");
    let arena = spec.maps.iter().find(|m| m.map_type == oxbpf_uapi::MapType::ARENA).unwrap();
    assert_eq!(arena.origin, MapOrigin::Btf);
    assert!(spec.maps.iter().all(|m| m.section != ".addr_space.1"));
}

#[test]
fn both_byte_orders_give_the_same_instructions() {
    for name in ["plain", "data_sections", "subprogs_static", "core_relos", "maps_every_key", "struct_ops"] {
        let little = opened(&format!("{name}.o"));
        let big = opened(&format!("{name}.be.o"));
        assert_ne!(little.is_foreign_endian, big.is_foreign_endian);
        assert_eq!(little.programs.len(), big.programs.len(), "{name}");
        for (a, b) in little.programs.iter().zip(&big.programs) {
            assert_eq!(a.code.name, b.code.name);
            assert_eq!((a.prog_type, a.attach), (b.prog_type, b.attach));
            // The compiler may choose other instructions for loads of parts of a word, so only calls are compared.
            let calls = |insns: &[Insn]| insns.iter().filter(|i| i.code == 0x85).count();
            assert_eq!(calls(&a.code.insns), calls(&b.code.insns), "{name}: {}", a.code.name);
            let targets = |c: &oxbpf_object::Code| {
                c.relocs.iter().filter(|r| !matches!(r.target, RelocTarget::MapValue { .. })).count()
            };
            assert_eq!(targets(&a.code), targets(&b.code), "{name}: {}", a.code.name);
        }
        let maps = |s: &ObjectSpec| -> Vec<_> {
            s.maps
                .iter()
                .map(|m| (m.map_type, m.key_size, m.value_size, m.max_entries, m.map_flags))
                .collect()
        };
        assert_eq!(maps(&little), maps(&big), "{name}");
    }
}

#[test]
fn opening_twice_gives_the_same() {
    for name in ["plain.o", "kconfig.o", "maps_in_maps.o", "kfuncs.o"] {
        assert_eq!(format!("{:?}", opened(name)), format!("{:?}", opened(name)));
    }
}

#[test]
fn every_section_name_of_the_table_opens_as_its_row_says() {
    let spec = opened("sec_names.o");
    let mut seen: Vec<&str> = spec.programs.iter().filter_map(|p| p.sec_def).map(|d| d.pattern).collect();
    seen.sort_unstable();
    seen.dedup();
    let missing: Vec<&str> =
        sec_def::SEC_DEFS.iter().map(|d| d.pattern).filter(|p| !seen.contains(p)).collect();
    assert!(missing.is_empty(), "no program has {missing:?}");
    for p in &spec.programs {
        let def = p.sec_def.unwrap();
        assert_eq!(
            (p.prog_type, p.expected_attach_type, p.flags, p.attach),
            (def.prog_type, def.attach_type, def.flags, def.attach)
        );
    }
}
