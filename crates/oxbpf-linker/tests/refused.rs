//! What cannot be linked, and how the error says why.

mod units;

use oxbpf_elf::ElfObject;
use oxbpf_linker::{LinkError, Linker};
use units::{link_set, object, set, unit};

fn refuse(name: &str) -> LinkError {
    link_set(name).expect_err(name)
}

#[track_caller]
fn check_message(name: &str, expect: &str) {
    let message = refuse(name).to_string();
    let files = set(name);
    let mut expect = expect.to_owned();
    for (i, file) in files.iter().enumerate() {
        expect = expect.replace(&format!("{{{i}}}"), file);
    }
    assert_eq!(message, expect, "{name}");
}

#[test]
fn conflicts_name_both_files_and_both_definitions() {
    check_message(
        "func_twice",
        "symbol 'f': there are two definitions, and neither is weak: defined in {1} as `int f(int a)`, and defined in {2} as `int f(int a)`",
    );
    check_message(
        "func_other_arg",
        "symbol 'f': argument 1: 'int' has 4 bytes in one, 'long' has 8 in the other: declared in {0} as `int f(int)`, and defined in {1} as `int f(long a)`",
    );
    check_message(
        "var_struct_member",
        "symbol 'x': struct 's': member 'a' in one is 'b' in the other: declared in {0} as `struct s x`, and defined in {1} as `struct s x`",
    );
    check_message(
        "var_type",
        "symbol 'x': 'int' has 4 bytes in one, 'long' has 8 in the other: declared in {0} as `int x`, and defined in {1} as `long x`",
    );
    check_message(
        "func_or_var",
        "symbol 'f': func in one is var in the other: declared in {0} as `int f(int)`, and defined in {1} as `int f`",
    );
}

#[test]
fn maps_that_differ_say_in_what() {
    for (name, what) in [
        ("map_type", "the map's type is BPF_MAP_TYPE_HASH in one and BPF_MAP_TYPE_LRU_HASH in the other"),
        ("map_entries", "max_entries is 8 in one and 9 in the other"),
        ("map_key", "key_size is 4 in one and 8 in the other"),
        ("map_value", "value_size is 8 in one and 4 in the other"),
        ("map_flags", "map_flags is 0 in one and 1 in the other"),
        ("map_pinning", "pinning is None in one and ByName in the other"),
        ("map_unknown", "its definition is broken: member 'colour' is not one of"),
        ("map_in_map_differs", "the map inside: value_size is 4 in one and 8 in the other"),
        ("map_twice", "there are two definitions, and neither is weak"),
    ] {
        let error = refuse(name);
        let LinkError::Symbol { symbol, first, second, why } = &error else { panic!("{name}: {error}") };
        assert!(why.starts_with(what), "{name}: {why}");
        assert!(symbol == "m" || symbol == "o", "{name}: {symbol}");
        assert_eq!([&*first.file, &*second.file], [&set(name)[0], &set(name)[1]], "{name}");
    }
}

#[test]
fn sections_that_cannot_become_one_are_named_with_both_files() {
    check_message(
        "license_differs",
        "section 'license' of {1} does not go with that of {0}: their contents differ",
    );
    check_message(
        "flags_differ",
        "section 'same' of {1} does not go with that of {0}: its flags is 0x3 in one and 0x6 in the other",
    );
}

#[test]
fn objects_of_two_byte_orders_are_refused() {
    let mut linker = Linker::new();
    linker.add("little.o", &object("plain.o")).unwrap();
    let error = linker.add("big.o", &object("plain.be.o")).unwrap_err();
    assert_eq!(error.to_string(), "big.o: it is Big-endian, and little.o is Little-endian");
    assert_eq!(error.errno(), oxbpf_uapi::Errno::EOPNOTSUPP);
    assert_eq!(linker.add("little.o", &object("maps_only.o")).unwrap_err(), LinkError::Broken);
    assert_eq!(linker.finish().unwrap_err(), LinkError::Broken);
}

#[test]
fn nothing_gives_nothing() {
    assert_eq!(Linker::new().finish().unwrap_err().to_string(), "the linked object: no object was added");
}

#[test]
fn what_is_no_object_is_refused_with_its_name() {
    for (bytes, why) in [
        (&b""[..], "empty file"),
        (b"#!/bin/sh\n", "not an ELF file (it starts with \"#!/bin/s\")"),
        (b"\x7fELF\x02\x01\x01", "truncated: 7 bytes are too few"),
    ] {
        let error = Linker::new().add("x", bytes).unwrap_err().to_string();
        assert!(error.starts_with(&format!("x: {why}")), "{error}");
    }
    let host = std::fs::read("/proc/self/exe").unwrap_or_default();
    if !host.is_empty() {
        assert!(Linker::new().add("exe", &host).unwrap_err().to_string().starts_with("exe: "));
    }
}

#[test]
fn objects_that_are_cut_off_anywhere_are_refused() {
    let whole = object("linked_a.o");
    for length in 0..whole.len() {
        let mut linker = Linker::new();
        // The section headers are last, so any cut takes some away.
        linker.add("cut.o", &whole[..length]).expect_err("it is not all there");
    }
}

/// Where section `name` has its header, and where its bytes are.
fn places(bytes: &[u8], name: &str) -> (usize, usize) {
    let elf = ElfObject::parse(bytes, "it").unwrap();
    let section = elf.section_by_name(name).unwrap();
    let table = u64::from_le_bytes(bytes[40..48].try_into().unwrap()) as usize;
    (table + 64 * section.index as usize, section.range.start)
}

#[test]
fn broken_sections_are_named() {
    let good = object("plain.o");
    let patched = |at: usize, value: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + value.len()].copy_from_slice(value);
        Linker::new().add("it", &bytes).unwrap_err().to_string()
    };
    let rel = ".reltp/syscalls/sys_enter_openat";
    let elf = ElfObject::parse(&good, "it").unwrap();
    let rel = elf.sections().iter().find(|s| s.kind == 9 && !s.name.contains("BTF")).map_or(rel, |s| s.name);
    let (header, data) = places(&good, rel);
    for (at, value, why) in [
        (header + 40, &[99u8, 0, 0, 0][..], "section 99 is not the symbol table"),
        (header + 44, &[99, 0, 0, 0], "section 99, which it is for, does not exist"),
        (header + 56, &[8], "its entries are not of a relocation's size"),
        (data, &[1], "relocation 0: offset 0x1 of"),
        (data, &[0, 0, 0, 7], "relocation 0: offset 0x7000000 of"),
        (data + 8, &[77], "relocation 0 has the unknown type 77"),
        (data + 12, &[0xff, 0xff], "relocation 0: symbol 65535 does not exist"),
    ] {
        let message = patched(at, value);
        assert!(message.starts_with("it: section ") && message.contains(why), "{why}: {message}");
    }
    let (header, _) = places(&good, ".maps");
    assert!(patched(header + 48, &[3]).contains("its alignment 3 is no power of two"));
    assert!(patched(header + 48, &[0, 0, 0, 0x40]).contains("more than 65536 is refused"));
    assert!(patched(header + 4, &[7]).contains("has the type 0x7, which cannot be linked"));
}

#[test]
fn globals_without_types_are_refused() {
    let error = Linker::new().add("it", &object("plain.nobtf.o")).unwrap_err();
    assert_eq!(error.to_string(), "it: global symbol 'count', but the file has no types (compile with -g)");
}

#[test]
fn a_linked_object_links_again_to_the_same_bytes() {
    for name in ["graph_8_6", "ksyms_and_kconfig", "map_in_map", "func_missing", "struct_ops"] {
        let once = link_set(name).unwrap();
        let mut linker = Linker::new();
        linker.add("once", &once).unwrap();
        let twice = linker.finish().unwrap();
        // Strings of types that were one too many are gone the second time.
        assert!(twice.len() <= once.len(), "{name}");
        let mut linker = Linker::new();
        linker.add("twice", &twice).unwrap();
        assert_eq!(linker.finish().unwrap(), twice, "{name}");
    }
}

#[test]
fn the_order_of_symbols_follows_that_of_the_objects_and_nothing_else() {
    let [a, b] = &set("func")[..] else { panic!("a pair") };
    let link = |names: [&str; 2]| {
        let mut linker = Linker::new();
        for name in names {
            linker.add(name, &unit(name)).unwrap();
        }
        linker.finish().unwrap()
    };
    assert_eq!(link([a, b]), link([a, b]));
    assert_ne!(link([a, b]), link([b, a]));
    let (mut one, mut other) = (Linker::new(), Linker::new());
    one.add("here", &unit(a)).unwrap();
    other.add("/some/where/else", &unit(a)).unwrap();
    assert_eq!(one.finish().unwrap(), other.finish().unwrap(), "names of files leave no trace");
}
