//! Functions of executables and libraries. `tests/data/lib.c` says how the files were made.

use oxbpf_elf::{ElfErrorKind, ExecFile, glob_match};
use oxbpf_uapi::Errno;

static LIB: &[u8] = include_bytes!("data/lib.so");
static STRIPPED: &[u8] = include_bytes!("data/lib.stripped.so");
static LIB32: &[u8] = include_bytes!("data/lib32.so");
static EXEC: &[u8] = include_bytes!("data/exec");

#[track_caller]
fn offset(data: &[u8], name: &str) -> u64 {
    ExecFile::parse(data, "lib.so").unwrap().func(name).unwrap().file_offset
}

#[test]
fn dynamic_symbols_are_found_in_full_and_stripped_libraries() {
    for lib in [LIB, STRIPPED] {
        assert_eq!(offset(lib, "plain"), 0x3d8);
        assert_eq!(offset(lib, "alias"), 0x3d8);
        assert_eq!(offset(lib, "start"), 0x401);
        assert_eq!(offset(lib, "maybe"), 0x3e4);
    }
}

#[test]
fn a_name_without_version_is_the_default_version() {
    for lib in [LIB, STRIPPED] {
        assert_eq!(offset(lib, "open_it"), 0x3e0);
        assert_eq!(offset(lib, "open_it@LIB_1.0"), 0x3dc);
        assert_eq!(offset(lib, "open_it@@LIB_2.0"), 0x3e0);
        assert_eq!(offset(lib, "open_it@LIB_2.0"), 0x3e0);
        let found = ExecFile::parse(lib, "lib.so").unwrap().func("open_it@LIB_1.0").unwrap();
        assert_eq!((found.name, found.version), ("open_it", Some("LIB_1.0")));
    }
}

#[test]
fn static_functions_are_found_while_there_is_a_symbol_table() {
    assert_eq!(offset(LIB, "hidden_one"), 0x3e8);
    assert_eq!(offset(LIB, "hidden_two"), 0x3f2);
    let e = ExecFile::parse(STRIPPED, "lib.so").unwrap().func("hidden_one").unwrap_err();
    assert_eq!(e.errno(), Errno::ENOENT);
    assert_eq!(e.to_string(), "lib.so: no function 'hidden_one'");
}

#[test]
fn a_resolver_is_found_and_marked() {
    let found = ExecFile::parse(LIB, "lib.so").unwrap().func("indirect").unwrap();
    assert!(found.is_ifunc);
    assert_eq!(found.file_offset, 0x3f9);
}

#[test]
fn neither_variables_nor_parts_of_names_nor_unknown_versions_are_functions() {
    let lib = ExecFile::parse(LIB, "lib.so").unwrap();
    for name in ["data", "plai", "plainer", "lain", "open_it@LIB_3.0", "plain@", "", "@LIB_1.0"] {
        let e = lib.func(name).unwrap_err();
        assert!(matches!(e.kind(), ElfErrorKind::NoSuchSymbol { .. }), "{name}: {e}");
    }
}

#[test]
fn addresses_of_fixed_executables_become_file_offsets() {
    let exec = ExecFile::parse(EXEC, "exec").unwrap();
    let start = exec.func("start").unwrap();
    assert_eq!((start.address, start.file_offset, start.size), (0x40_0111, 0x111, 27));
    assert_eq!(exec.file_offset(0x40_0111), Some(0x111));
    assert_eq!(exec.file_offset(0x10), None);
    assert!(!exec.is_shared());
    assert_eq!(exec.build_id(), None);
}

#[test]
fn files_of_32_bits_are_read_too() {
    let lib = ExecFile::parse(LIB32, "lib32.so").unwrap();
    let (old, new) = (lib.func("open_it@LIB_1.0").unwrap(), lib.func("open_it").unwrap());
    assert_eq!((old.version, new.version), (Some("LIB_1.0"), Some("LIB_2.0")));
    assert_ne!(old.file_offset, new.file_offset);
    assert_eq!(lib.build_id(), Some(&[1, 2, 3, 4, 5, 6, 7, 8][..]));
}

#[test]
fn build_id_and_sections_are_found() {
    let lib = ExecFile::parse(STRIPPED, "lib.so").unwrap();
    assert_eq!(lib.build_id(), Some(&[1, 2, 3, 4, 5, 6, 7, 8][..]));
    assert_eq!(lib.section(".text").map(<[u8]>::len), Some(0x44));
    assert_eq!(lib.section(".nothing"), None);
    assert_eq!(lib.interpreter(), None);
    assert!(lib.is_shared());
}

#[test]
fn a_pattern_gives_each_function_once_by_its_offset() {
    let lib = ExecFile::parse(LIB, "lib.so").unwrap();
    let names = |pattern: &str| -> Vec<&str> { lib.funcs_by_glob(pattern).iter().map(|f| f.name).collect() };
    assert_eq!(names("open_*"), ["open_it", "open_it"]);
    assert_eq!(names("m?ybe"), ["maybe"]);
    assert_eq!(names("hidden_*"), ["hidden_one", "hidden_two"]);
    assert_eq!(names("*l*a*").len(), 1, "plain and alias are one place");
    assert!(names("nothing*").is_empty());
}

#[test]
fn patterns_match_as_a_shell_would() {
    let check = |name: &str, pattern: &str, expect: bool| {
        assert_eq!(glob_match(name, pattern), expect, "{name} {pattern}")
    };
    check("vfs_read", "vfs_*", true);
    check("vfs_read", "*read", true);
    check("vfs_read", "v*_*d", true);
    check("vfs_read", "vfs_?ead", true);
    check("vfs_read", "vfs_", false);
    check("vfs_read", "*x*", false);
    check("", "*", true);
    check("", "?", false);
    check("aaaaaaaaab", "*a*a*a*a*b", true);
    check(&"a".repeat(2000), &"*a".repeat(1000), true);
    check(&"a".repeat(2000), &format!("{}b", "*a".repeat(500)), false);
}

#[test]
fn what_is_no_elf_file_is_said_to_be_none() {
    let say = |data: &[u8]| ExecFile::parse(data, "f").unwrap_err().to_string();
    assert_eq!(say(b""), "f: empty file");
    assert_eq!(say(b"#!/bin/sh\n"), "f: not an ELF file (it starts with \"#!/bin/s\")");
    assert_eq!(say(&LIB[..40]), "f: truncated: 40 bytes are too few for an ELF header of 64");
    assert!(say(&LIB[..2000]).contains("section header table"), "{}", say(&LIB[..2000]));
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
}

#[test]
fn broken_files_give_errors_and_no_panics() {
    let mut rng = Rng(0x5eed);
    let mut found = 0;
    for file in [LIB, STRIPPED, LIB32, EXEC] {
        for _ in 0..2000 {
            let mut data = file.to_vec();
            for _ in 0..1 + rng.below(8) {
                let at = rng.below(data.len());
                data[at] = [0, 1, 0x7f, 0x80, 0xff, rng.below(256) as u8][rng.below(6)];
            }
            data.truncate(if rng.below(4) == 0 { rng.below(data.len()) } else { data.len() });
            let Ok(exec) = ExecFile::parse(&data, "mutant") else { continue };
            found += usize::from(exec.func("open_it@LIB_1.0").is_ok());
            let _ = (exec.func("hidden_one"), exec.funcs_by_glob("*i*"), exec.build_id(), exec.interpreter());
        }
    }
    assert!(found > 1000, "most mutants should still be readable: {found}");
}
