//! The disassembler against a kernel's text (`testdata/vm/text.txt`), and the assembler against the disassembler.

use std::fs;
use std::path::Path;

use oxbpf_asm::asm::{Operands, encode, parse};
use oxbpf_asm::{Decoded, Disasm, Field, Imm64, Kind, decode, decode_at, table};
use oxbpf_uapi::Insn;

fn kernel_text() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vm/text.txt");
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Opcode, both registers, offset, immediate, as in `0f67000000000000`.
fn insn(hex: &str) -> Insn {
    let part = |from: usize, to: usize| u32::from_str_radix(&hex[from..to], 16).unwrap();
    Insn::new(part(0, 2) as u8, part(2, 3) as u8, part(3, 4) as u8, part(4, 8) as i16, part(8, 16) as i32)
}

#[test]
fn text_is_the_kernels() {
    let text = kernel_text();
    let mut count = 0;
    for line in text.lines() {
        let (hex, expect) = line.split_once(" (").unwrap();
        let insns: Vec<Insn> = hex.split(' ').map(insn).collect();
        let expect = format!("({expect}");
        assert_eq!(format!("{:#}", Disasm(decode_at(&insns, 0).unwrap())), expect, "{hex}");
        assert_eq!(parse(&expect).unwrap_or_else(|e| panic!("{e}")), insns, "{expect}");
        count += 1;
    }
    assert!(count > 500, "only {count} lines were found");
}

#[test]
fn every_row_has_a_text_of_the_kernel_or_a_reason() {
    let text = kernel_text();
    let seen: Vec<Kind> =
        text.lines().map(|l| decode(insn(l.split(' ').next().unwrap())).unwrap().kind).collect();
    for row in table() {
        // Objects and functions have to exist, and then print as what they are; an exit has to end the program.
        let excused = matches!(row.kind, Kind::CallLocal | Kind::CallKfunc | Kind::Gotox | Kind::Exit)
            || matches!(row.kind, Kind::LdImm64(what) if what != Imm64::Value);
        assert_ne!(seen.contains(&row.kind), excused, "{:?}", row.kind);
    }
}

/// A small generator of numbers, the same every time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn edge(&mut self) -> i64 {
        let edges = [0, 1, -1, 7, i64::from(i32::MAX), i64::from(i32::MIN), i64::MAX, i64::MIN, 0xffff_ffff];
        let next = self.next();
        edges.get((next % 16) as usize).copied().unwrap_or(next as i64)
    }
}

#[test]
fn what_is_printed_assembles_to_the_same() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    for row in table() {
        for _ in 0..200 {
            let mut ops = Operands {
                dst: (numbers.next() % 11) as u8,
                src: (numbers.next() % 11) as u8,
                off: numbers.edge() as i16,
                imm: numbers.edge(),
            };
            match row.kind {
                Kind::AddrSpaceCast => ops.imm = if ops.imm & 1 == 0 { 1 } else { 0x1_0000 },
                // The upper half of these has no meaning.
                Kind::LdImm64(Imm64::MapFd | Imm64::MapIdx | Imm64::Func) => {
                    ops.imm = i64::from(ops.imm as u32)
                }
                _ => {}
            }
            let (first, second) = encode(row, ops);
            let insns: Vec<Insn> = [first].into_iter().chain(second).collect();
            let decoded = decode_at(&insns, 0).unwrap();
            assert_eq!(decoded.row, row);
            for text in [format!("{:#}", Disasm(decoded)), format!("  12: {:#} ; note", Disasm(decoded))] {
                assert_eq!(parse(&text).unwrap_or_else(|e| panic!("{e}")), insns, "{text}");
            }
        }
    }
}

#[test]
fn fields_outside_of_a_row_are_refused() {
    for row in table() {
        let (first, second) = encode(row, Operands { imm: 1, ..Operands::default() });
        let insns: Vec<Insn> = [first].into_iter().chain(second).collect();
        let decoded = decode_at(&insns, 0);
        assert_eq!(decoded.map(|d: Decoded| d.row), Ok(row));
        if row.off == Field::Is(0) {
            assert!(decode(Insn { off: 77, ..first }).is_err(), "{:?}", row.kind);
        }
        if row.imm == Field::Is(0) {
            assert!(decode(Insn { imm: 77, ..first }).is_err(), "{:?}", row.kind);
        }
        if row.dst == Field::Is(0) {
            assert!(decode(first.with_dst(1)).is_err(), "{:?}", row.kind);
        }
        if row.src == Field::Is(0) {
            assert!(decode(first.with_src(9)).is_err(), "{:?}", row.kind);
        }
        if row.dst == Field::Any {
            assert!(decode(first.with_dst(11)).is_err(), "{:?}", row.kind);
        }
    }
}

#[test]
fn rows_do_not_overlap() {
    for a in table() {
        for b in table().iter().filter(|b| b.code == a.code && b.kind != a.kind) {
            let apart = |x: Field, y: Field| matches!((x, y), (Field::Is(x), Field::Is(y)) if x != y);
            let fields = [(a.src, b.src), (a.off, b.off), (a.imm, b.imm)];
            assert!(fields.into_iter().any(|(x, y)| apart(x, y)), "{:?} and {:?}", a.kind, b.kind);
        }
    }
}
