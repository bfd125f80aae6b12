//! Generated types and relocations, and that C libbpf makes the same of them.
//!
//! `tests/data/generated.txt` has for some seeds each relocation's instruction before and after libbpf 1.8 relocated it,
//! or the error number that it gave; `tests/data/generated.c` wrote it. With `OXBPF_RELO_CASES=FILE` the cases of seeds
//! 0 to `OXBPF_RELO_COUNT` are written for that program, and with `OXBPF_RELO_ANSWERS=FILE` other answers are compared.
#![cfg(target_endian = "little")]

mod generate;

use std::path::Path;

use generate::{Case, case};
use oxbpf_btf::CoreRelo;
use oxbpf_relo::{POISON, Relocator, Target};
use oxbpf_uapi::Insn;

fn parse(hex: &str) -> Vec<Insn> {
    let byte = |i: usize| u8::from_str_radix(&hex[i..i + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
    bytes.chunks_exact(8).map(|b| Insn::from_bytes(b.try_into().unwrap(), true)).collect()
}

fn write_cases(path: &str, count: u64) {
    let mut out = Vec::new();
    for seed in 0..count {
        let case = case(seed);
        out.extend((seed as u32).to_le_bytes());
        let module = case.module.as_ref().map_or(&[][..], |m| m.raw());
        for btf in [case.local.raw(), case.target.raw(), module] {
            out.extend((btf.len() as u32).to_le_bytes());
            out.extend(btf);
        }
        out.extend((case.sites.len() as u32).to_le_bytes());
        for s in &case.sites {
            for w in [s.type_id.0, s.kind.0, s.code.into(), s.flags.into(), s.access.len() as u32] {
                out.extend(w.to_le_bytes());
            }
            out.extend(s.access.as_bytes());
        }
    }
    std::fs::write(path, out).unwrap();
}

/// Compares a case with libbpf's answers, and counts how many relocations were patched, poisoned and refused.
fn compare(case: &Case, seed: u64, answers: &[&str], seen: &mut [usize; 3], differ: &mut Vec<String>) {
    let targets = vec![Target { name: "vmlinux", btf: &case.target }];
    let modules = || case.module.iter().map(|btf| Target { name: "module", btf }).collect();
    let mut relocator = Relocator::new(&case.local, targets).with_modules(modules);
    assert_eq!(answers.len(), case.sites.len());
    for (i, (site, answer)) in case.sites.iter().zip(answers).enumerate() {
        let (before, after) = answer.split_once(' ').unwrap();
        let mut insns = parse(before);
        let relo = CoreRelo { insn_off: 0, type_id: site.type_id, access_str: &site.access, kind: site.kind };
        let ours = relocator.relocate(&mut insns, 0, &relo);
        let (is, expect) = match after.parse::<i32>() {
            Ok(errno) if after.starts_with('-') => {
                seen[2] += 1;
                assert!(ours.is_ok() || insns == parse(before), "an error leaves instructions as they were");
                (ours.as_ref().map_err(|e| -e.errno().0).err(), Some(errno))
            }
            _ => {
                seen[usize::from(insns[0].imm == POISON)] += 1;
                (ours.as_ref().map_err(|e| -e.errno().0).err(), None)
            }
        };
        if is != expect || (is.is_none() && insns != parse(after)) {
            differ.push(format!("seed {seed}, relocation {i}: {site:?}: {answer}: {ours:?} {insns:?}"));
        }
    }
}

#[test]
fn generated_types_are_relocated_as_libbpf_does() {
    if let Ok(path) = std::env::var("OXBPF_RELO_CASES") {
        let count = std::env::var("OXBPF_RELO_COUNT").map_or(60, |n| n.parse().unwrap());
        return write_cases(&path, count);
    }
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/generated.txt");
    let path = std::env::var_os("OXBPF_RELO_ANSWERS").map_or(stored, Into::into);
    let text = std::fs::read_to_string(path).unwrap();
    let (mut seen, mut differ) = ([0; 3], Vec::new());
    for part in text.split("case ").skip(1) {
        let (seed, answers) = part.split_once('\n').unwrap();
        let seed = seed.parse().unwrap();
        compare(&case(seed), seed, &answers.lines().collect::<Vec<_>>(), &mut seen, &mut differ);
    }
    assert!(differ.is_empty(), "{} differ: {:#?}", differ.len(), &differ[..differ.len().min(5)]);
    // Of each outcome there are enough to mean something.
    assert!(seen[0] > 300 && seen[1] > 100 && seen[2] > 50, "{seen:?}");
}
