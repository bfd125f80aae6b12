use super::*;
use crate::{Disasm, decode_at};

#[track_caller]
fn check(text: &str, expect: &str) {
    let insns = parse(text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(format!("{:#}", Disasm(decode_at(&insns, 0).unwrap())), expect, "{text}");
}

#[track_caller]
fn refuse(text: &str, expect: &str) {
    assert_eq!(parse(text).unwrap_err().to_string(), expect);
}

#[test]
fn the_forms_of_llvm_are_read() {
    check("r1 = *(u32 *)(r2 + 4)", "(61) r1 = *(u32 *)(r2 +4)");
    check("*(u8*)(r10-1) = w3", "(73) *(u8 *)(r10 -1) = r3");
    check("r1 = 5 ll", "(18) r1 = 0x5");
    check("r1 = 0xdeadbeefcafe", "(18) r1 = 0xdeadbeefcafe");
    check("w0 = cmpxchg32_32(r1 + 8, w0, w2)", "(c3) r0 = atomic_cmpxchg((u32 *)(r1 +8), r0, r2)");
    check("r2 = xchg_64(r1 + 0, r2)", "(db) r2 = atomic64_xchg((u64 *)(r1 +0), r2)");
    check("r3 = atomic_fetch_or((u64 *)(r1 - 8), r3)", "(db) r3 = atomic64_fetch_or((u64 *)(r1 -8), r3)");
    check("if w1 s> -1 goto +2", "(66) if w1 s> 0xffffffff goto pc+2");
    check("goto -1", "(05) goto pc-1");
    check("call 1", "(85) call bpf_map_lookup_elem#1");
    check("call bpf_ktime_get_ns", "(85) call bpf_ktime_get_ns#5");
    check("r0 = *(u16 *)skb[r7]", "(48) r0 = *(u16 *)skb[r7 + 0]");
    check("r0 = -r0", "(87) r0 = -r0");
    check("r0 = -5", "(b7) r0 = -5");
    check("r0 = r1 // comment", "(bf) r0 = r1");
}

#[test]
fn labels_are_counted_in_slots() {
    let insns = parse("start: r1 = 1 ll\nif r1 == 0 goto start\n\nfirst: second: goto second\ncall start\nr2 = first ll\nexit").unwrap();
    assert_eq!(insns[2].off, -3);
    assert_eq!(insns[3].off, -1);
    assert_eq!((insns[4].imm, insns[4].src()), (-5, 1));
    assert_eq!((insns[5].imm, insns[5].src()), (-3, 4));
}

#[test]
fn what_is_no_instruction_is_refused_with_its_line() {
    refuse("r0 = 0\nr1 = r", "line 2: no value `r`: `r1 = r`");
    refuse("goto away", "line 1: no label `away`: `goto away`");
    refuse("call away", "line 1: no label or helper `away`: `call away`");
    refuse("a:\na: exit", "line 2: label `a` is there twice: `a: exit`");
    refuse("r11 = 0", "line 1: expected a register, not `r11`: `r11 = 0`");
    refuse("r1 = w2", "line 1: registers of different width: `r1 = w2`");
    refuse("r1 += 0x1ffffffff", "line 1: constant needs more than 32 bits: `r1 += 0x1ffffffff`");
    refuse(
        "r1 = *(u64 *)(r2 + 40000)",
        "line 1: offset needs more than 16 bits: `r1 = *(u64 *)(r2 + 40000)`",
    );
    refuse("exit now", "line 1: unexpected `now`: `exit now`");
    refuse(
        "lock *(u8 *)(r1 + 0) += r2",
        "line 1: atomic operations are 4 or 8 bytes: `lock *(u8 *)(r1 + 0) += r2`",
    );
    refuse("r1 = !", "line 1: unexpected `!`: `r1 = !`");
}

#[test]
fn odd_text_never_panics() {
    let words = [
        "r1",
        "=",
        "*(u64 *)",
        "(",
        ")",
        "skb[",
        "goto",
        "+",
        "-",
        "0x",
        "99999999999999999999999999",
        "call",
        "map[",
        "if",
        ":",
        "ll",
        "\u{e9}",
    ];
    for a in words {
        for b in words {
            for c in words {
                let _ = parse(&format!("{a}{b} {c}"));
                let _ = parse(&format!("r1 = {a} {b}{c}"));
            }
        }
    }
}
