use oxbpf_asm::asm;

use super::*;
use crate::mem::{FaultKind, Rights};

struct Bench {
    memory: Memory,
    cpu: Cpu,
}

impl Bench {
    fn new() -> Self {
        let memory = Memory::new(1 << 20).unwrap();
        let cpu = Cpu::new(&memory).unwrap();
        Self { memory, cpu }
    }

    fn run(&mut self, text: &str, ctx: u64) -> Result<u64, Trap> {
        self.run_with(text, ctx, &mut |_: &mut Cpu, call: Call<'_>| {
            Err(Trap::refused(format!("call of {:?}", call.target)))
        })
    }

    fn run_with(&mut self, text: &str, ctx: u64, calls: &mut dyn Calls) -> Result<u64, Trap> {
        self.cpu.run(&program(text), ctx, calls)
    }
}

fn program(text: &str) -> Arc<Program> {
    Arc::new(Program::new("test", &asm::parse(text).unwrap()).unwrap())
}

#[track_caller]
fn check(text: &str, expect: u64) {
    assert_eq!(Bench::new().run(text, 7).unwrap(), expect, "{text}");
}

#[track_caller]
fn check_trap(text: &str, expect: &str) {
    assert_eq!(Bench::new().run(text, 0).unwrap_err().to_string(), expect, "{text}");
}

#[test]
fn the_context_is_in_r1() {
    check("r0 = r1\nexit", 7);
}

#[test]
fn loops_run_and_endless_ones_are_stopped() {
    check("r0 = 0\nr1 = 100\nl: r0 += r1\nr1 += -1\nif r1 != 0 goto l\nexit", 5050);
    let mut bench = Bench::new();
    bench.cpu.set_insn_limit(1000);
    let trap = bench.run("r0 = 0\nl: goto l", 0).unwrap_err();
    assert_eq!((trap.kind, trap.insn), (TrapKind::InsnLimit(1000), Some(1)));
    let trap = bench.run("call pc+1\nexit\nl: r0 = 1\ngoto l", 0).unwrap_err();
    assert_eq!(trap.kind, TrapKind::InsnLimit(1000));
}

#[test]
fn instructions_are_counted() {
    let mut bench = Bench::new();
    bench.run("r1 = 100\nl: r1 += -1\nif r1 != 0 goto l\nr0 = 0\nexit", 0).unwrap();
    assert_eq!(bench.cpu.insns_used(), 2 * 99 + 5);
}

#[test]
fn callees_keep_callers_registers_and_frames() {
    check(
        "r6 = 1\nr9 = 4\n*(u64 *)(r10 - 8) = 40\nr1 = r10\nr1 += -8\ncall add\nr0 += r6\nr0 += r9\nexit\n\
         add: r6 = 100\nr9 = 100\n*(u64 *)(r10 - 8) = 2\nr0 = *(u64 *)(r1 + 0)\nr2 = *(u64 *)(r10 - 8)\nr0 += r2\nexit",
        47,
    );
}

#[test]
fn a_frame_that_is_gone_is_out_of_reach() {
    check_trap(
        "call leak\nr0 = *(u64 *)(r0 + 0)\nexit\nleak: *(u64 *)(r10 - 8) = 1\nr0 = r10\nr0 += -8\nexit",
        "insn 1: read of 8 bytes, 1016 past the end of stack frame (512 bytes)",
    );
}

#[test]
fn a_frame_does_not_reach_into_the_next() {
    check_trap(
        "*(u64 *)(r10 + 0) = 0\nexit",
        "insn 0: write of 8 bytes, 0 past the end of stack frame (512 bytes)",
    );
    check_trap(
        "*(u8 *)(r10 - 513) = 0\nexit",
        "insn 0: write of 1 byte, 1 before the start of stack frame (512 bytes)",
    );
    check_trap(
        "call f\nexit\nf: r1 = 5\n*(u64 *)(r10 - 520) = r1\nr0 = 0\nexit",
        "insn 3: write of 8 bytes, 504 past the end of stack frame (512 bytes)",
    );
}

#[test]
fn calls_go_eight_functions_deep_and_no_further() {
    let chain = |n: usize| {
        let mut text = String::new();
        for _ in 1..n {
            text.push_str("call pc+1\nexit\n");
        }
        text + "r0 = 9\nexit"
    };
    check(&chain(8), 9);
    check_trap(&chain(9), "insn 14: more than 8 functions deep");
}

#[test]
fn jumps_go_far_and_through_registers() {
    check("gotol l\nr0 = 1\nexit\nl: r0 = 2\nexit", 2);
    let program = Program::new("x", &asm::parse("r0 = 1\ngotox r1\nr0 = 2\nexit").unwrap()).unwrap();
    let (exit, outside) = (program.code_addr(3), program.code_addr(4));
    let (program, mut cpu) = (Arc::new(program), Bench::new().cpu);
    let none = &mut |_: &mut Cpu, _: Call<'_>| Ok(Flow::Return(0));
    assert_eq!(cpu.run(&program, exit, none), Ok(1));
    assert_eq!(cpu.run(&program, outside, none).unwrap_err().kind, TrapKind::BadCodeAddress(outside));
}

#[test]
fn may_goto_leaves_a_loop_in_the_end() {
    check("r0 = 0\nl: r0 += 1\nmay_goto out\ngoto l\nout: exit", u64::from(MAX_MAY_GOTO) + 1);
}

#[test]
fn memory_faults_end_the_program_with_their_place() {
    check_trap("r1 = 0\nr2 = 0\nr0 = *(u64 *)(r1 + 0)\nexit", "insn 2: read of 8 bytes at 0x0: null pointer");
    check_trap(
        "r1 = 0x123400000000 ll\n*(u16 *)(r1 + 8) = 1\nexit",
        "insn 2: write of 2 bytes at 0x123400000008: no object there",
    );
    check_trap(
        "r1 = r10\nr1 += -12\nr2 = 1\nlock *(u64 *)(r1 + 0) += r2\nexit",
        &format!("insn 3: write of 8 bytes at {:#x}: not aligned", Bench::new().cpu.frame_pointer() - 12),
    );
}

#[test]
fn rights_hold_for_programs() {
    let mut bench = Bench::new();
    let region = bench.memory.alloc(RegionSpec::new(16, "consts").rights(Rights::Read)).unwrap();
    region.write(8, &5u64.to_ne_bytes()).unwrap();
    assert_eq!(bench.run("r0 = *(u64 *)(r1 + 8)\nexit", region.addr()), Ok(5));
    let trap = bench.run("r0 = *(u64 *)(r1 + 8)\n*(u64 *)(r1 + 8) = 6\nexit", region.addr()).unwrap_err();
    assert!(matches!(trap.kind, TrapKind::Fault(Fault { kind: FaultKind::Rights { .. }, .. })), "{trap}");
    region.set_rights(Rights::ReadWrite);
    assert_eq!(bench.run("*(u64 *)(r1 + 8) = 6\nr0 = *(u64 *)(r1 + 8)\nexit", region.addr()), Ok(6));
}

#[test]
fn what_a_helper_takes_away_is_gone_at_once() {
    let mut bench = Bench::new();
    let region = bench.memory.alloc(RegionSpec::new(64, "packet")).unwrap();
    let shrink = &mut |_: &mut Cpu, _: Call<'_>| {
        region.set_len(4).map_err(|e| Trap::refused(e.to_string()))?;
        Ok(Flow::Return(0))
    };
    let text = "r6 = r1\nr0 = *(u64 *)(r6 + 8)\ncall 1\nr0 = *(u64 *)(r6 + 8)\nexit";
    let trap = bench.run_with(text, region.addr(), shrink).unwrap_err();
    assert_eq!(trap.to_string(), "insn 3: read of 8 bytes, 4 past the end of packet (4 bytes)");
}

#[test]
fn helpers_and_kernel_functions_get_their_arguments() {
    let mut seen = Vec::new();
    let record = &mut |_: &mut Cpu, call: Call<'_>| {
        seen.push((call.target, call.args, call.insn));
        Ok(Flow::Return(u64::MAX))
    };
    let text = "r1 = 1\nr2 = 2\nr3 = 3\nr4 = 4\nr5 = 5\ncall 6\ncall kernel-function#77@2\nexit";
    assert_eq!(Bench::new().run_with(text, 0, record), Ok(u64::MAX));
    assert_eq!(
        seen,
        [
            (Target::Helper(HelperId::TRACE_PRINTK), [1, 2, 3, 4, 5], 5),
            (Target::Kfunc { id: 77, btf: 2 }, [1, 2, 3, 4, 5], 6)
        ]
    );
}

#[test]
fn a_refused_call_ends_the_program_with_the_reason() {
    let trap = Bench::new().run("r0 = 0\ncall 5\nexit", 0).unwrap_err();
    assert_eq!(trap.to_string(), "insn 1: call of Helper(bpf_ktime_get_ns)");
    assert_eq!(trap.program.as_deref(), Some("test"));
}

/// A kernel with `bpf_loop` as helper 181 and one that ends the run as helper 1.
struct Loops;

impl Calls for Loops {
    fn call(&mut self, cpu: &mut Cpu, call: Call<'_>) -> Result<Flow, Trap> {
        let [count, func, ctx, ..] = call.args;
        match call.target {
            Target::Helper(HelperId::LOOP) => {
                for i in 0..count {
                    if cpu.call_function(call.program, func, [i, ctx, 0, 0, 0], self)? != 0 {
                        return Ok(Flow::Return(i + 1));
                    }
                }
                Ok(Flow::Return(count))
            }
            Target::Helper(HelperId::MAP_LOOKUP_ELEM) => Ok(Flow::Exit(count)),
            _ => Err(Trap::refused("no such helper")),
        }
    }

    fn load_packet(&mut self, _: &mut Cpu, load: PacketLoad) -> Result<Option<u64>, Trap> {
        Ok((load.offset < 100).then_some(u64::from(load.size) << 32 | load.offset as u64))
    }

    fn load_fault(&mut self, fault: &Fault) -> Option<u64> {
        (fault.addr == 0x10).then_some(0)
    }
}

#[test]
fn callbacks_share_the_callers_frame_and_nest() {
    let text = "*(u64 *)(r10 - 8) = 0\nr1 = 10\nr2 = outer ll\nr3 = r10\nr3 += -8\ncall 181\nr0 = *(u64 *)(r10 - 8)\nexit\n\
                outer: r6 = r2\nr1 = 3\nr3 = r2\nr2 = inner ll\ncall 181\nr0 = *(u64 *)(r6 + 0)\nr0 >>= 4\nexit\n\
                inner: r1 = *(u64 *)(r2 + 0)\nr1 += 1\n*(u64 *)(r2 + 0) = r1\nr0 = 0\nexit";
    assert_eq!(Bench::new().run_with(text, 0, &mut Loops), Ok(18));
}

#[test]
fn a_callback_at_a_bad_address_is_refused() {
    let trap = Bench::new().run_with("r1 = 1\nr2 = 64\ncall 181\nexit", 0, &mut Loops).unwrap_err();
    assert_eq!(trap.to_string(), "insn 2: 0x40 is no instruction of this program");
}

#[test]
fn a_trap_in_a_callback_names_the_instruction_in_it() {
    let text = "r1 = 1\nr2 = f ll\ncall 181\nexit\nf: r0 = 0\nr0 = *(u8 *)(r0 + 0)\nexit";
    let trap = Bench::new().run_with(text, 0, &mut Loops).unwrap_err();
    assert_eq!(trap.to_string(), "insn 6: read of 1 byte at 0x0: null pointer");
}

#[test]
fn an_exception_leaves_all_functions() {
    let text = "r1 = 1\nr2 = f ll\ncall 181\nr0 = 1\nexit\nf: call pc+1\nexit\nr1 = 33\ncall 1\nr0 = 2\nexit";
    assert_eq!(Bench::new().run_with(text, 0, &mut Loops), Ok(33));
}

#[test]
fn packet_loads_go_to_the_kernel_and_a_short_packet_ends_the_program() {
    assert_eq!(Bench::new().run_with("r0 = *(u16 *)skb[12]\nexit", 0, &mut Loops), Ok(2 << 32 | 12));
    assert_eq!(
        Bench::new().run_with("r7 = -3\nr0 = *(u8 *)skb[r7 + 5]\nexit", 0, &mut Loops),
        Ok(1 << 32 | 2)
    );
    let text = "call pc+2\nr0 = 1\nexit\nr0 = *(u32 *)skb[100]\nexit";
    assert_eq!(Bench::new().run_with(text, 0, &mut Loops), Ok(0));
    check_trap("r0 = *(u32 *)skb[0]\nexit", "insn 0: packet load without a packet");
}

#[test]
fn a_kernel_may_answer_loads_that_fault() {
    assert_eq!(Bench::new().run_with("r1 = 0\nr0 = 5\nr0 = *(u64 *)(r1 + 16)\nexit", 0, &mut Loops), Ok(0));
    assert_eq!(
        Bench::new().run_with("r1 = 0\nr0 = load_acquire((u64 *)(r1 + 16))\nexit", 0, &mut Loops),
        Ok(0)
    );
    assert!(Bench::new().run_with("r1 = 0\nr0 = *(u64 *)(r1 + 8)\nexit", 0, &mut Loops).is_err());
}

/// Calls of helper 12 go to these programs in order, then fail.
fn tail(programs: Vec<Arc<Program>>) -> impl FnMut(&mut Cpu, Call<'_>) -> Result<Flow, Trap> {
    let mut programs = programs.into_iter();
    move |_, _| Ok(programs.next().map_or(Flow::Return(0), Flow::TailCall))
}

#[test]
fn a_tail_call_takes_the_place_of_the_program() {
    let next = program("r0 = r1\nr0 += 1\nexit");
    assert_eq!(Bench::new().run_with("call 12\nr0 = 0\nexit", 41, &mut tail(vec![next])), Ok(42));
    assert_eq!(Bench::new().run_with("call 12\nr0 = 3\nexit", 41, &mut tail(vec![])), Ok(3));
}

#[test]
fn a_tail_call_in_a_callee_returns_to_its_caller() {
    let next = program("r6 = 0\n*(u64 *)(r10 - 8) = 0\nr0 = 5\nexit");
    let text = "r6 = 2\n*(u64 *)(r10 - 8) = 30\ncall f\nr0 += r6\nr1 = *(u64 *)(r10 - 8)\nr0 += r1\nexit\nf: call 12\nr0 = 100\nexit";
    assert_eq!(Bench::new().run_with(text, 0, &mut tail(vec![next])), Ok(37));
}

#[test]
fn tail_calls_end_after_thirty_three() {
    let next = program("*(u64 *)(r10 - 8) = 0\ncall 12\nr0 = 77\nexit");
    let mut count = 0;
    let endless = &mut |_: &mut Cpu, _: Call<'_>| {
        count += 1;
        Ok(Flow::TailCall(next.clone()))
    };
    assert_eq!(Bench::new().run_with("call 12\nr0 = 1\nexit", 0, endless), Ok(77));
    assert_eq!(count, 34);
}

#[test]
fn arena_pointers_are_cast_both_ways() {
    let mut bench = Bench::new();
    let region = bench.memory.alloc(RegionSpec::new(8192, "arena")).unwrap();
    region.write(4096, &11u64.to_ne_bytes()).unwrap();
    let (kernel, user) = (region.addr(), 0x7f12_0000_0000);
    let run = |bench: &mut Bench, text: &str, ctx| {
        let program = Program::new("arena", &asm::parse(text).unwrap()).unwrap();
        let program = Arc::new(program.with_arena(crate::Arena { kernel, user }));
        bench.cpu.run(&program, ctx, &mut |_: &mut Cpu, _: Call<'_>| Ok(Flow::Return(0)))
    };
    let follow = "r1 = addr_space_cast(r1, 0, 1)\nr0 = *(u64 *)(r1 + 0)\nexit";
    assert_eq!(run(&mut bench, follow, user | 4096), Ok(11));
    let back = "r1 = addr_space_cast(r1, 0, 1)\nr0 = addr_space_cast(r1, 1, 0)\nexit";
    assert_eq!(run(&mut bench, back, user | 4096), Ok(user | 4096));
    assert_eq!(run(&mut bench, back, 0), Ok(0));
}

#[test]
fn programs_that_cannot_run_are_refused_with_the_instruction() {
    let refuse = |text: &str| Program::new("x", &asm::parse(text).unwrap()).unwrap_err().to_string();
    assert_eq!(refuse("r0 = 0\ngoto +5\nexit"), "insn 1: target 7 is no instruction of the program");
    assert_eq!(refuse("r0 = 0\ngoto -5\nexit"), "insn 1: target -3 is no instruction of the program");
    assert_eq!(refuse("goto +1\nr1 = 1 ll\nexit"), "insn 0: target 2 is no instruction of the program");
    assert_eq!(refuse("r1 = map[fd:3]\nexit"), "insn 0: the 64-bit immediate is not resolved");
    assert_eq!(refuse("r0 = 0\ncall pc+9"), "insn 1: target 11 is no instruction of the program");
    assert_eq!(Program::new("x", &[]).unwrap_err(), crate::ProgramError::Length(0));
    check_trap("r0 = 0", "insn 0: ran past the last instruction");
}

/// A small generator of numbers, the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }
}

/// A kernel whose helpers do something with each of their arguments.
struct Careless;

impl Calls for Careless {
    fn call(&mut self, cpu: &mut Cpu, call: Call<'_>) -> Result<Flow, Trap> {
        let [a, b, c, ..] = call.args;
        match call.insn % 5 {
            0 => cpu.call_function(call.program, a, [b, c, a, b, c], self).map(Flow::Return),
            1 => Ok(Flow::TailCall(call.program.clone())),
            2 => cpu.memory().write(a, &b.to_ne_bytes()).map(|()| Flow::Return(a)).map_err(Trap::from),
            3 => Ok(Flow::Exit(a)),
            _ => Ok(Flow::Return(cpu.frame_pointer())),
        }
    }

    fn load_packet(&mut self, _: &mut Cpu, load: PacketLoad) -> Result<Option<u64>, Trap> {
        Ok((load.offset != 0).then_some(load.ctx))
    }

    fn load_fault(&mut self, fault: &Fault) -> Option<u64> {
        (fault.addr % 3 == 0).then_some(fault.addr)
    }

    fn store_fault(&mut self, fault: &Fault, _: u64) -> bool {
        fault.addr % 3 == 0
    }
}

#[test]
fn programs_of_random_instructions_end_without_harm() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut bench = Bench::new();
    bench.cpu.set_insn_limit(2000);
    let ctx = bench.memory.alloc(RegionSpec::array(4, 64, 24, "context")).unwrap();
    let (mut ran, mut returned) = (0, 0);
    for _ in 0..20_000 {
        let mut insns = Vec::new();
        let len = 3 + numbers.below(20);
        while insns.len() < len {
            let table = oxbpf_asm::table();
            let row = &table[numbers.below(table.len())];
            let edges = [0, 1, 8, -8, -16, 64, i64::from(i32::MIN), 0x7fff_ffff_ffff, 3, -1];
            let ops = asm::Operands {
                dst: numbers.below(11) as u8,
                src: numbers.below(11) as u8,
                off: if numbers.below(2) == 0 {
                    numbers.below(9) as i16 - 4
                } else {
                    edges[numbers.below(10)] as i16
                },
                imm: if numbers.below(2) == 0 {
                    numbers.below(9) as i64 - 4
                } else {
                    edges[numbers.below(10)]
                },
            };
            let (first, second) = asm::encode(row, ops);
            insns.push(first);
            insns.extend(second);
        }
        insns.push(oxbpf_uapi::Insn::new(0x95, 0, 0, 0, 0));
        let Ok(program) = Program::new("random", &insns) else { continue };
        ran += 1;
        returned += usize::from(bench.cpu.run(&Arc::new(program), ctx.addr(), &mut Careless).is_ok());
    }
    assert!(ran > 2000 && returned > 200 && returned < ran, "{ran} ran, {returned} returned");
}
