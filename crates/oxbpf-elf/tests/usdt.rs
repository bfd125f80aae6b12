//! Statically defined probes: notes of `testdata/usdt/target.S`, and where arguments are on each machine.

use oxbpf_elf::usdt::{ArgError, RegisterSet, SpecError, SpecLayout, UsdtArg, UsdtValue as V, parse_args};
use oxbpf_elf::{ElfErrorKind, ExecFile};
use oxbpf_uapi::Errno;

static TARGET: &[u8] = include_bytes!("../../../testdata/usdt/target");
static SHARED: &[u8] = include_bytes!("../../../testdata/usdt/target.pie");

#[track_caller]
fn check(registers: RegisterSet, text: &str, expect: &[(i8, V)]) {
    let found = parse_args(text, registers).unwrap();
    let found: Vec<_> =
        found.iter().map(|a| (if a.is_signed { -(a.size as i8) } else { a.size as i8 }, a.value)).collect();
    assert_eq!(found, expect, "{text}");
}

fn memory(base: u16, offset: i64) -> V {
    V::Memory { base, offset }
}

#[test]
fn arguments_of_x86_64_are_constants_registers_and_memory() {
    let check = |text: &str, expect: &[(i8, V)]| check(RegisterSet::X86_64, text, expect);
    check("", &[]);
    check("-4@%edi 8@%rax", &[(-4, V::Register(112)), (8, V::Register(80))]);
    check(
        "1@%r15b 2@%r8w 4@%esp -1@%sil",
        &[(1, V::Register(0)), (2, V::Register(72)), (4, V::Register(152)), (-1, V::Register(104))],
    );
    check("4@$-9 8@$71", &[(4, V::Const(-9)), (8, V::Const(71))]);
    check("-4@-1204(%rbp) 8@(%rsp)", &[(-4, memory(32, -1204)), (8, memory(152, 0))]);
    let indexed = |shift, offset| V::Indexed { base: 32, index: 80, shift, offset };
    check(
        "1@-96(%rbp,%rax,8) 1@(%rbp,%rax,4) 1@-96(%rbp,%rax) 1@(%rbp,%rax)",
        &[(1, indexed(3, -96)), (1, indexed(2, 0)), (1, indexed(0, -96)), (1, indexed(0, 0))],
    );
    // Blanks wherever C's scanf lets them pass.
    check("  -4 @ %edi   8@ -8 ( %rbp ) ", &[(-4, V::Register(112)), (8, memory(32, -8))]);
}

#[test]
fn arguments_of_other_machines_are_read_as_their_assemblers_write_them() {
    check(
        RegisterSet::X86,
        "4@%eax -2@%bx 4@8(%ebp)",
        &[(4, V::Register(24)), (-2, V::Register(0)), (4, memory(20, 8))],
    );
    check(
        RegisterSet::Arm64,
        "-4@x4 8@[sp, 96] 8@[sp] 4@5 8@x30",
        &[
            (-4, V::Register(32)),
            (8, memory(248, 96)),
            (8, memory(248, 0)),
            (4, V::Const(5)),
            (8, V::Register(240)),
        ],
    );
    check(
        RegisterSet::Arm,
        "-4@r4 4@[fp, #-96] 4@[sp] 4@#5 4@pc",
        &[
            (-4, V::Register(16)),
            (4, memory(44, -96)),
            (4, memory(52, 0)),
            (4, V::Const(5)),
            (4, V::Register(60)),
        ],
    );
    check(
        RegisterSet::S390x,
        "-8@%r0 -2@-28(%r15) 4@71",
        &[(-8, V::Register(24)), (-2, memory(144, -28)), (4, V::Const(71))],
    );
    check(
        RegisterSet::Riscv64,
        "-8@a1 8@-88(s0) 4@5 8@t6",
        &[(-8, V::Register(88)), (8, memory(64, -88)), (4, V::Const(5)), (8, V::Register(248))],
    );
    check(RegisterSet::Riscv32, "-4@a1", &[(-4, V::Register(44))]);
}

#[test]
fn what_can_not_be_read_is_said_with_the_argument() {
    let check = |registers, text: &str, expect: ArgError| {
        assert_eq!(parse_args(text, registers).unwrap_err(), expect, "{text}");
    };
    let form = |number, text: &str| ArgError::Form { number, text: text.to_owned() };
    let register = |number, register: &str| ArgError::Register { number, register: register.to_owned() };
    let x86 = RegisterSet::X86_64;
    check(x86, "8@%xmm0", register(0, "xmm0"));
    check(x86, "8@%rax 4@foo(%rip)", form(1, "4@foo(%rip)"));
    check(x86, "8@(,%rax,8)", form(0, "8@(,%rax,8)"));
    check(x86, "8f@%rax", form(0, "8f@%rax"));
    check(x86, "3@%rax", ArgError::Size { number: 0, size: 3 });
    check(x86, "0@%rax", ArgError::Size { number: 0, size: 0 });
    check(x86, "-9223372036854775808@%rax", ArgError::Size { number: 0, size: i64::MIN });
    check(x86, "8@(%rax,%rbx,3)", ArgError::Scale { number: 0, scale: 3 });
    check(x86, "8@$99999999999999999999", form(0, "8@$99999999999999999999"));
    check(x86, &"8@%rax ".repeat(13), ArgError::TooMany);
    check(RegisterSet::X86, "4@%rax", register(0, "rax"));
    check(RegisterSet::Arm64, "8@x31", register(0, "x31"));
    check(RegisterSet::Arm64, "8@[x0, x1]", form(0, "8@[x0, x1]"));
    check(RegisterSet::Arm64, "8@x+1", register(0, "x"));
    check(RegisterSet::S390x, "8@%r16", register(0, "r16"));
    check(RegisterSet::S390x, "8@%f0", register(0, "f0"));
    check(RegisterSet::Riscv64, "8@x1", register(0, "x1"));
}

#[test]
fn specs_have_the_bytes_of_the_header() {
    let arg = |size, is_signed, value| UsdtArg { size, is_signed, value };
    let args = [
        arg(4, true, V::Indexed { base: 0x1234, index: 0xabc, shift: 2, offset: 0x1122_3344_5566_7788 }),
        arg(8, false, V::Register(80)),
    ];
    let little = SpecLayout::V2.encode_for(&args, 0x0102, false).unwrap();
    assert_eq!(little.len(), 304);
    assert_eq!(little[..18], *b"\x88\x77\x66\x55\x44\x33\x22\x11\x03\0\xbc\x2a\0\0\x34\x12\x01\x20");
    assert_eq!(little[24..42], *b"\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\x50\0\0\0");
    assert_eq!(little[288..304], *b"\x02\x01\0\0\0\0\0\0\x02\0\0\0\0\0\0\0");
    let big = SpecLayout::V2.encode_for(&args, 0x0102, true).unwrap();
    assert_eq!(big[..18], *b"\x11\x22\x33\x44\x55\x66\x77\x88\0\0\xab\xc2\x03\0\x12\x34\x01\x20");
    assert_eq!(big[288..304], *b"\0\0\0\0\0\0\x01\x02\0\x02\0\0\0\0\0\0");

    let old = SpecLayout::V1.encode_for(&args[1..], 7, false).unwrap();
    assert_eq!(old.len(), 208);
    assert_eq!(old[..16], *b"\0\0\0\0\0\0\0\0\x01\0\0\0\x50\0\0\0");
    assert_eq!(old[192..202], *b"\x07\0\0\0\0\0\0\0\x01\0");
    assert_eq!(SpecLayout::V1.encode(&args, 0), Err(SpecError::Indexed { number: 0 }));
    assert_eq!(SpecLayout::V2.encode(&[args[1]; 13], 0), Err(SpecError::TooMany));
    assert_eq!(SpecLayout::of_value_size(304), Some(SpecLayout::V2));
    assert_eq!(SpecLayout::of_value_size(208), Some(SpecLayout::V1));
    assert_eq!(SpecLayout::of_value_size(303), None);
}

#[test]
fn probes_are_found_with_their_places_and_counters() {
    for (file, data) in [("target", TARGET), ("target.pie", SHARED)] {
        let exec = ExecFile::parse(data, file).unwrap();
        let notes = exec.usdt_notes().unwrap();
        assert_eq!(notes.len(), 9);
        assert!(notes.iter().all(|n| n.provider == "oxbpf"));
        let places = exec.usdt_probes("oxbpf", "places").unwrap();
        assert_eq!(places.iter().map(|p| p.args).collect::<Vec<_>>(), ["8@%rdi", "8@%rsi", "8@%rdi"]);
        for probe in &places {
            assert_eq!(data[probe.file_offset as usize], 0x90, "a nop");
            assert_eq!(exec.file_offset(probe.address), Some(probe.file_offset));
            assert!(!probe.has_long_nop && probe.semaphore_offset == 0);
        }
        assert!(exec.usdt_probes("oxbpf", "fast").unwrap()[0].has_long_nop);
        let counters: Vec<u64> = ["counted", "counted_too"]
            .map(|name| exec.usdt_probes("oxbpf", name).unwrap()[0].semaphore_offset)
            .into();
        assert_eq!(counters[1], counters[0] + 2);
        let missing = exec.usdt_probes("oxbpf", "place").unwrap_err();
        assert!(matches!(missing.kind(), ElfErrorKind::NoSuchProbe { .. }));
        assert_eq!(missing.errno(), Errno::ENOENT);
    }
}

#[test]
fn a_file_without_probes_says_so() {
    let exec = ExecFile::parse(include_bytes!("data/lib.so"), "lib.so").unwrap();
    assert_eq!(
        exec.usdt_notes().unwrap_err().to_string(),
        "lib.so: no statically defined probes (section .note.stapsdt)"
    );
}

/// A file with these bytes as its notes: the contents of `target`'s section, replaced.
fn with_notes(notes: &[u8]) -> Vec<u8> {
    let mut data = TARGET.to_vec();
    let section = ExecFile::parse(TARGET, "target").unwrap().section(".note.stapsdt").unwrap();
    let at = TARGET.windows(section.len()).position(|w| w == section).unwrap();
    assert!(notes.len() <= section.len());
    data[at..at + notes.len()].copy_from_slice(notes);
    // The section's size is in its header: the number occurs once.
    let size = (section.len() as u64).to_le_bytes();
    let place = data.windows(16).position(|w| w[..8] == (at as u64).to_le_bytes() && w[8..] == size).unwrap();
    data[place + 8..place + 16].copy_from_slice(&(notes.len() as u64).to_le_bytes());
    data
}

/// A note of owner `stapsdt`.
fn note(kind: u32, contents: &[u8]) -> Vec<u8> {
    let head = [8, contents.len() as u32, kind].map(u32::to_le_bytes).concat();
    let mut note = [&head[..], b"stapsdt\0", contents].concat();
    note.resize(note.len().next_multiple_of(4), 0);
    note
}

#[test]
fn hostile_notes_are_errors_that_say_where() {
    let check = |notes: &[u8], expect: &str| {
        let data = with_notes(notes);
        let result = ExecFile::parse(&data, "f").unwrap().usdt_notes();
        match expect {
            "" => assert!(result.is_ok(), "{result:?}"),
            text => {
                let error = result.unwrap_err();
                assert_eq!(error.to_string(), format!("f: note at {text}"));
                assert_eq!(error.errno(), Errno::EINVAL);
            }
        }
    };
    let addresses = [0; 24];
    let good = note(3, &[&addresses[..], b"p\0n\0\0"].concat());
    check(&good, "");
    check(&[], "");
    check(b"\x04\0\0\0\0\0\0\0\x01\0\0\0GNU\0", "");
    check(&good[..11], "0x0 of .note.stapsdt: its head is cut off");
    check(&good[..40], "0x0 of .note.stapsdt: it is cut off");
    check(b"\xff\xff\xff\xff\0\0\0\0\x03\0\0\0", "0x0 of .note.stapsdt: it is cut off");
    check(b"\x08\0\0\0\xff\xff\xff\xff\x03\0\0\0stapsdt\0", "0x0 of .note.stapsdt: it is cut off");
    let second = |bad: Vec<u8>| [good.clone(), bad].concat();
    let at = format!("{:#x} of .note.stapsdt: ", good.len());
    let check_second = |contents: &[u8], why: &str| check(&second(note(3, contents)), &format!("{at}{why}"));
    check(&second(note(4, &addresses)), &format!("{at}its type is not that of a probe"));
    check_second(&addresses[..23], "its addresses are cut off");
    check_second(&addresses, "it has no provider");
    check_second(&[&addresses[..], b"p"].concat(), "a string in it has no end");
    check_second(&[&addresses[..], b"p\0"].concat(), "it has no name");
    check_second(&[&addresses[..], b"p\0\0\0"].concat(), "its name is empty");
    check_second(&[&addresses[..], b"p\0n\0"].concat(), "it does not say where its arguments are");
    check_second(&[&addresses[..], b"\xff\0n\0\0"].concat(), "a string in it is not UTF-8");
}

#[test]
fn probes_that_are_nowhere_are_errors() {
    let check = |location: u64, semaphore: u64, why: &str| {
        let addresses = [location, 0, semaphore].map(u64::to_le_bytes).concat();
        let data = with_notes(&note(3, &[&addresses[..], b"p\0n\0\0"].concat()));
        let error = ExecFile::parse(&data, "f").unwrap().usdt_probes("p", "n").unwrap_err();
        assert!(error.to_string().starts_with(&format!("f: probe 'p:n': {why}")), "{error}");
        assert_eq!(error.errno(), Errno::ESRCH);
    };
    let good = ExecFile::parse(TARGET, "target").unwrap().usdt_probes("oxbpf", "none").unwrap()[0].address;
    check(0x10, 0, "its place is in no segment that is loaded");
    check(0x20_0010, 0, "its place is in a segment without code");
    check(good, 0x10, "its counter is in no segment that is loaded");
    check(good, good, "its counter is in a segment of code");
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
fn mutated_files_and_arguments_give_errors_and_no_panics() {
    let mut rng = Rng(0x05d7);
    let mut found = 0;
    for file in [TARGET, SHARED] {
        let section = ExecFile::parse(file, "f").unwrap().section(".note.stapsdt").unwrap();
        let notes_at = file.windows(section.len()).position(|w| w == section).unwrap();
        for round in 0..3000 {
            let mut data = file.to_vec();
            for _ in 0..1 + rng.below(6) {
                let at =
                    if round % 2 == 0 { rng.below(data.len()) } else { notes_at + rng.below(section.len()) };
                data[at] = [0, 1, 0x7f, 0x80, 0xff, rng.below(256) as u8][rng.below(6)];
            }
            data.truncate(if rng.below(8) == 0 { rng.below(data.len()) } else { data.len() });
            let Ok(exec) = ExecFile::parse(&data, "mutant") else { continue };
            let Ok(probes) = exec.usdt_probes("oxbpf", "places") else { continue };
            for probe in &probes {
                found += usize::from(parse_args(probe.args, RegisterSet::X86_64).is_ok());
            }
        }
    }
    assert!(found > 3000, "most mutants should still be readable: {found}");
    let forms = b"-4@%edi 8@-8(%rbp,%rax,8) 4@$7 8@[sp, #96] -8@a1 ";
    let sets =
        [RegisterSet::X86_64, RegisterSet::Arm64, RegisterSet::Arm, RegisterSet::S390x, RegisterSet::Riscv64];
    for _ in 0..20_000 {
        let text: Vec<u8> = (0..rng.below(30)).map(|_| forms[rng.below(forms.len())]).collect();
        let set = sets[rng.below(sets.len())];
        if let Ok(args) = parse_args(std::str::from_utf8(&text).unwrap(), set) {
            assert!(SpecLayout::V2.encode(&args, 0).is_ok());
        }
    }
}
