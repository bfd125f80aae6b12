//! The interpreter against answers of a running kernel (`testdata/vm`).

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use oxbpf_asm::{Imm64, Kind, asm, decode_all, table};
use oxbpf_uapi::HelperId;
use oxbpf_vm::{Call, Calls, Cpu, Flow, Memory, PacketLoad, Program, RegionSpec, Target, Trap};

fn data(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/vm").join(name);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// One program of `run.txt`: its name, its text, and lines `a b = x y`.
fn programs(text: &str) -> impl Iterator<Item = (&str, String, Vec<[u64; 4]>)> {
    text.split("\n\n").filter(|block| !block.trim().is_empty()).map(|block| {
        let (name, body) = block.trim_start().split_once('\n').unwrap();
        let (cases, lines): (Vec<_>, Vec<_>) = body.lines().partition(|l| l.starts_with('>'));
        let number = |word: &str| u64::from_str_radix(word.trim_start_matches("0x"), 16).unwrap();
        let cases = cases.iter().map(|case| {
            let words: Vec<&str> = case.split([' ', '=', '>']).filter(|w| !w.is_empty()).collect();
            [number(words[0]), number(words[1]), number(words[2]), number(words[3])]
        });
        (name, lines.join("\n"), cases.collect())
    })
}

#[test]
fn every_answer_is_the_kernels() {
    let memory = Memory::new(1 << 20).unwrap();
    let mut cpu = Cpu::new(&memory).unwrap();
    let ctx = memory.alloc(RegionSpec::new(32, "context")).unwrap();
    let text = data("run.txt");
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, body, cases) in programs(&text) {
        let insns = asm::parse(&body).unwrap_or_else(|e| panic!("{name}: {e}"));
        let program = Arc::new(Program::new(name, &insns).unwrap_or_else(|e| panic!("{name}: {e}")));
        for [a, b, x, y] in cases {
            ctx.zero(0, 32).unwrap();
            ctx.store_uint(0, 8, a).unwrap();
            ctx.store_uint(8, 8, b).unwrap();
            let refuse = &mut |_: &mut Cpu, call: Call<'_>| Err(Trap::refused(format!("{:?}", call.target)));
            let r0 = cpu.run(&program, ctx.addr(), refuse).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(r0, 0, "{name}");
            let got = (ctx.load_uint(16, 8).unwrap(), ctx.load_uint(24, 8).unwrap());
            count += 1;
            if got != (x, y) {
                wrong.push(format!("{name}: {a:#x} {b:#x}: {:#x} {:#x}, kernel {x:#x} {y:#x}", got.0, got.1));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {count} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(count > 8000, "only {count} cases were found");
}

/// A kernel with a packet.
struct Packet(Vec<u8>);

impl Calls for Packet {
    fn call(&mut self, _: &mut Cpu, _: Call<'_>) -> Result<Flow, Trap> {
        Err(Trap::refused("no helpers"))
    }

    fn load_packet(&mut self, _: &mut Cpu, load: PacketLoad) -> Result<Option<u64>, Trap> {
        let bytes =
            usize::try_from(load.offset).ok().and_then(|at| self.0.get(at..)?.get(..load.size as usize));
        Ok(bytes.map(|b| b.iter().fold(0, |value, byte| value << 8 | u64::from(*byte))))
    }
}

#[test]
fn packet_loads_are_the_kernels() {
    let memory = Memory::new(1 << 20).unwrap();
    let mut cpu = Cpu::new(&memory).unwrap();
    let text = data("packet.txt");
    let (head, cases) = text.split_once('\n').unwrap();
    let hex = head.strip_prefix("# packet ").unwrap().as_bytes();
    let bytes = hex.chunks(2).map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap());
    // Packets of this program type have no Ethernet header in front, and test runs give the low 32 bits.
    let mut packet = Packet(bytes.skip(14).collect());
    for case in cases.lines() {
        let (body, expect) = case.split_once(" => ").unwrap();
        let insns = asm::parse(&body.replace(" | ", "\n")).unwrap();
        let program = Arc::new(Program::new(body, &insns).unwrap());
        let r0 = cpu.run(&program, 0, &mut packet).unwrap();
        assert_eq!(format!("{:#x}", r0 as u32), expect, "{body}");
    }
}

/// Why a row has no answer of a kernel.
fn reason(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::LdImm64(Imm64::Value | Imm64::Func) | Kind::CallLocal => None,
        Kind::LdImm64(_) => Some("resolved by the loader, not run"),
        Kind::AddrSpaceCast => Some("needs an arena; exec::tests::arena_pointers_are_cast_both_ways"),
        Kind::Gotox => {
            Some("the kernel has it from 6.19 on; exec::tests::jumps_go_far_and_through_registers")
        }
        Kind::CallHelper | Kind::CallKfunc => {
            Some("the answer is the helper's; exec::tests::helpers_and_kernel_functions_get_their_arguments")
        }
        _ => None,
    }
}

#[test]
fn every_row_of_the_table_has_an_answer_of_a_kernel_or_a_reason() {
    let mut seen = HashSet::new();
    let (runs, packets) = (data("run.txt"), data("packet.txt"));
    let bodies = programs(&runs).map(|(_, body, _)| body);
    let packets = packets.lines().skip(1).map(|l| l.split(" => ").next().unwrap().replace(" | ", "\n"));
    for body in bodies.chain(packets).chain([CALLBACK.to_owned()]) {
        let insns = asm::parse(&body).unwrap();
        seen.extend(decode_all(&insns).map(|(_, d)| d.unwrap().row.kind));
    }
    for row in table() {
        assert_ne!(
            seen.contains(&row.kind),
            reason(row.kind).is_some(),
            "{:?}: {:?}",
            row.kind,
            reason(row.kind)
        );
    }
}

/// Adds up 0 to 9 in a callback.
const CALLBACK: &str = "*(u64 *)(r10 - 8) = 0\nr2 = body ll\nr3 = r10\nr3 += -8\nr0 = *(u64 *)(r10 - 8)\nexit\n\
                        body: r3 = *(u64 *)(r2 + 0)\nr3 += r1\n*(u64 *)(r2 + 0) = r3\nr0 = 0\nexit";

#[test]
fn a_function_runs_on_its_own_by_its_address() {
    let memory = Memory::new(1 << 20).unwrap();
    let mut cpu = Cpu::new(&memory).unwrap();
    let sum = memory.alloc(RegionSpec::new(8, "sum")).unwrap();
    let program = Arc::new(Program::new("callback", &asm::parse(CALLBACK).unwrap()).unwrap());
    let body = program.code_addr(7);
    let none = &mut |_: &mut Cpu, call: Call<'_>| {
        assert_ne!(call.target, Target::Helper(HelperId::UNSPEC));
        Err(Trap::refused("no helpers"))
    };
    for i in 0..10 {
        assert_eq!(cpu.run_callback(&program, body, [i, sum.addr(), 0, 0, 0], none), Ok(0));
    }
    assert_eq!(sum.load_uint(0, 8).unwrap(), 45);
    assert!(cpu.run_callback(&program, body + 8 * 100, [0; 5], none).is_err());
}
