//! Verdicts against those of a kernel (`testdata/vm/verdict.txt`).

use std::fs;
use std::path::Path;

use oxbpf_asm::asm;
use oxbpf_uapi::{AttachType, ProgType};
use oxbpf_verifier::{Env, Input, MapInfo, MapRef, verify};

struct NoMaps;

impl Env for NoMaps {
    fn map(&self, _: MapRef) -> Option<MapInfo> {
        None
    }
}

/// What this verifier lets pass and the kernel does not, with the reason. The run is stopped instead if it does harm.
const WEAKER: &[(&str, &str)] = &[
    ("written on one way", "ways are joined, so what holds on one of them only is not known"),
    ("loop without an end", "loops are not unrolled; the interpreter stops after a number of instructions"),
    ("context out of bounds", "fields of contexts are not known; the region has bounds"),
];

#[test]
fn verdicts_and_causes_are_the_kernels() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vm/verdict.txt");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (mut count, mut wrong) = (0, Vec::new());
    for case in text.split("\n\n").filter(|c| !c.trim().is_empty()) {
        let (head, rest) = case.trim().split_once('\n').unwrap();
        let (body, expect) = rest.rsplit_once("\n= ").unwrap();
        let (prog_type, name) = head.strip_prefix("# ").unwrap().split_once(' ').unwrap();
        let insns = asm::parse(body).unwrap_or_else(|e| panic!("{name}: {e}"));
        let input = Input {
            insns: &insns,
            prog_type: ProgType(prog_type.parse().unwrap()),
            attach_type: AttachType(0),
            is_gpl: true,
            is_sleepable: false,
            env: &NoMaps,
        };
        let got = match verify(&input, 1) {
            Ok(_) => "accepted".to_owned(),
            Err(rejection) => format!("{} {}", rejection.errno.0, rejection.cause),
        };
        let is_weaker = WEAKER.iter().any(|(weaker, _)| *weaker == name);
        if got != if is_weaker { "accepted" } else { expect } {
            wrong.push(format!("{name}: {got}, kernel {expect}"));
        }
        count += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count > 50, "only {count} cases were found");
}
