use oxbpf_asm::asm;

use super::*;

/// Maps by descriptor: 1 is a hash, 2 an array of 4, 3 a program array, 4 a ring buffer, 5 read-only data `7, 0`.
struct Maps;

impl Env for Maps {
    fn map(&self, map: MapRef) -> Option<MapInfo> {
        let (map_type, value_size, max_entries) = match map {
            MapRef::Fd(1) => (MapType::HASH, 16, 10),
            MapRef::Fd(2) => (MapType::ARRAY, 8, 4),
            MapRef::Fd(3) => (MapType::PROG_ARRAY, 4, 4),
            MapRef::Fd(4) => (MapType::RINGBUF, 0, 4096),
            MapRef::Fd(5) | MapRef::Idx(0) => (MapType::ARRAY, 8, 1),
            _ => return None,
        };
        Some(MapInfo { map_type, key_size: 4, value_size, max_entries, has_special_fields: false })
    }

    fn map_const(&self, map: MapRef, offset: u32, size: u32) -> Option<u64> {
        (map == MapRef::Fd(5) && size == 4).then_some(if offset == 0 { 7 } else { 0 })
    }

    fn helper(&self, helper: HelperId) -> Result<(), String> {
        if helper == HelperId::SEND_SIGNAL { Err("no signals here".to_owned()) } else { Ok(()) }
    }
}

fn run(text: &str, prog_type: ProgType, log_level: u32) -> Result<Verdict, Rejection> {
    let insns = asm::parse(text).unwrap();
    let attach_type = AttachType(0);
    let input =
        Input { insns: &insns, prog_type, attach_type, is_gpl: true, is_sleepable: false, env: &Maps };
    verify(&input, log_level)
}

#[track_caller]
fn accept(text: &str) {
    let result = run(text, ProgType::KPROBE, 1);
    assert!(result.is_ok(), "{}", result.unwrap_err().log);
}

#[track_caller]
fn refuse(text: &str, insn: impl Into<Option<usize>>, cause: &str) {
    let rejection = run(text, ProgType::KPROBE, 0).unwrap_err();
    assert_eq!((rejection.insn, rejection.cause.as_str()), (insn.into(), cause));
}

#[test]
fn a_log_lists_instructions_and_ends_with_cause_and_counts() {
    let rejection = run("r0 = 0\nr6 = 1 ll\nr0 = r3\nexit", ProgType::XDP, 1).unwrap_err();
    assert_eq!(
        rejection.log,
        "0: (b7) r0 = 0\n1: (18) r6 = 0x1\n3: (bf) r0 = r3\nR3 !read_ok\n\
         processed 3 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0\n"
    );
    assert_eq!(rejection.errno, Errno::EACCES);
    assert_eq!(rejection.to_string(), "insn 3: R3 !read_ok");
    assert_eq!(run("r0 = 0\nexit", ProgType::XDP, 0).unwrap().log, "");
    assert!(
        run("r0 = 0\nexit", ProgType::XDP, 1)
            .unwrap()
            .log
            .starts_with("0: (b7) r0 = 0\n1: (95) exit\nprocessed 2 insns")
    );
}

#[test]
fn instructions_must_exist_with_clear_fields() {
    let check = |insn: Insn, cause: &str| {
        let insns = [insn, Insn::new(0x95, 0, 0, 0, 0)];
        let prog_type = ProgType::XDP;
        let attach_type = AttachType(0);
        let input =
            Input { insns: &insns, prog_type, attach_type, is_gpl: true, is_sleepable: false, env: &Maps };
        assert_eq!(verify(&input, 0).unwrap_err().cause, cause);
    };
    check(Insn::new(0xff, 0, 0, 0, 0), "unknown opcode ff");
    check(Insn::new(0xb7, 0, 1, 0, 0), "BPF_MOV uses reserved fields");
    check(Insn::new(0x0f, 0, 0, 0, 5), "BPF_ALU uses reserved fields");
    check(Insn::new(0x95, 1, 0, 0, 0), "BPF_EXIT uses reserved fields");
    check(Insn::new(0xb7, 12, 0, 0, 0), "R12 is invalid");
    check(Insn::new(0x18, 0, 0, 0, 0), "invalid bpf_ld_imm64 insn");
}

#[test]
fn jumps_stay_in_their_function() {
    refuse("r0 = 0\ngoto +5\nexit", 1, "jump out of range from insn 1 to 7");
    refuse("r0 = 0\ngoto -3\nexit", 1, "jump out of range from insn 1 to -1");
    refuse("if r1 == 0 goto +1\nr1 = 1 ll\nr0 = 0\nexit", 1, "jump into the middle of ldimm64 insn 1");
    refuse("call pc+2\nif r0 == 0 goto +2\nexit\nr0 = 0\nexit", 1, "jump out of range from insn 1 to 4");
    refuse("r0 = 0\ncall pc+7\nexit", 1, "call to invalid destination");
}

#[test]
fn control_does_not_run_off_the_end() {
    refuse("r0 = 0", 0, "last insn is not an exit or jmp");
    refuse("call pc+1\nr0 = 0\nr0 = 1\nexit", 1, "last insn is not an exit or jmp");
}

#[test]
fn every_instruction_is_within_reach() {
    refuse("r0 = 0\nexit\nr0 = 1\nexit", 2, "unreachable insn 2");
    accept("r0 = 0\nif r0 == 0 goto out\nr0 = 1\nout: exit");
    accept("r1 = 1\nr2 = f ll\nr3 = 0\nr4 = 0\ncall bpf_loop\nr0 = 0\nexit\nf: r0 = 0\nexit");
}

#[test]
fn a_function_that_only_the_kernel_calls_is_within_reach() {
    struct Callback(usize);
    impl Env for Callback {
        fn map(&self, _: MapRef) -> Option<MapInfo> {
            None
        }
        fn entries(&self) -> Vec<usize> {
            vec![self.0]
        }
    }
    let insns = asm::parse("r0 = 0\nexit\nr0 = r1\nexit").unwrap();
    let check = |env: &dyn Env| {
        let (prog_type, attach_type) = (ProgType::SCHED_CLS, AttachType(0));
        verify(&Input { insns: &insns, prog_type, attach_type, is_gpl: true, is_sleepable: false, env }, 0)
    };
    assert_eq!(check(&Callback(2)).unwrap().functions, [0..2, 2..4]);
    assert_eq!(check(&Callback(0)).unwrap_err().cause, "unreachable insn 2");
    assert_eq!(check(&Callback(99)).unwrap_err().cause, "unreachable insn 2");
}

#[test]
fn functions_do_not_recurse_or_nest_too_deep() {
    refuse("call pc+1\nexit\nr0 = 0\ncall pc-2\nexit", 3, "recursive call from insn 3");
    let chain = "call pc+1\nexit\n".repeat(8) + "r0 = 0\nexit";
    let rejection = run(&chain, ProgType::KPROBE, 0).unwrap_err();
    assert_eq!(rejection.cause, "the call stack of 9 frames is too deep");
    accept(&("call pc+1\nexit\n".repeat(7) + "r0 = 0\nexit"));
}

#[test]
fn loops_are_fine() {
    accept("r1 = 10\nr0 = 0\nl: r0 += r1\nr1 += -1\nif r1 != 0 goto l\nexit");
    accept("r0 = 0\nl: may_goto out\ngoto l\nout: exit");
}

#[test]
fn registers_are_written_before_they_are_read() {
    refuse("exit", 0, "R0 !read_ok");
    refuse("r0 = r7\nexit", 0, "R7 !read_ok");
    refuse("r0 = 0\nr2 += 1\nexit", 1, "R2 !read_ok");
    refuse("r6 = r1\ncall bpf_ktime_get_ns\nr2 = r1\nexit", 2, "R1 !read_ok");
    refuse("r0 = 0\nr10 = r0\nexit", 1, "frame pointer is read only");
    refuse("r6 = 1\ncall f\nexit\nf: r0 = r6\nexit", 3, "R6 !read_ok");
    accept("r6 = 1\ncall f\nr0 += r6\nexit\nf: r6 = 2\nr0 = r6\nexit");
}

#[test]
fn numbers_are_no_addresses() {
    refuse("r1 = 0\nr0 = *(u64 *)(r1 + 0)\nexit", 1, "R1 invalid mem access 'scalar'");
    refuse("r1 = *(u64 *)(r1 + 112)\nr0 = *(u64 *)(r1 + 0)\nexit", 1, "R1 invalid mem access 'scalar'");
    refuse("call bpf_get_current_task\n*(u64 *)(r0 + 0) = 1\nexit", 1, "R0 invalid mem access 'scalar'");
    // In a program whose context has pointers it may be one.
    assert!(run("r1 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r1 + 0)\nexit", ProgType::XDP, 0).is_ok());
}

const LOOKUP: &str = "*(u32 *)(r10 - 4) = 9\nr2 = r10\nr2 += -4\nr1 = map[fd:1]\ncall bpf_map_lookup_elem\n";

#[test]
fn looked_up_values_are_checked_before_use() {
    let lookup = |rest: &str| format!("{LOOKUP}{rest}");
    refuse(&lookup("r0 = *(u64 *)(r0 + 0)\nexit"), 6, "R0 invalid mem access 'map_value_or_null'");
    refuse(
        &lookup("r0 += 8\nexit"),
        6,
        "R0 pointer arithmetic on map_value_or_null prohibited, null-check it first",
    );
    refuse(
        &lookup("if r0 == 0 goto use\nr0 = 0\nexit\nuse: r0 = *(u64 *)(r0 + 0)\nexit"),
        9,
        "R0 invalid mem access 'scalar'",
    );
    accept(&lookup("if r0 == 0 goto out\nr0 = *(u64 *)(r0 + 8)\nout: exit"));
    accept(&lookup("r6 = r0\nif r0 != 0 goto use\nr0 = 0\nexit\nuse: r0 = *(u64 *)(r6 + 8)\nexit"));
    accept(&lookup(
        "*(u64 *)(r10 - 16) = r0\nif r0 == 0 goto out\nr1 = *(u64 *)(r10 - 16)\nr0 = *(u32 *)(r1 + 0)\nout: exit",
    ));
    refuse(
        &lookup("if r0 == 0 goto out\nr0 = *(u64 *)(r0 + 12)\nout: exit"),
        7,
        "invalid access to map value, value_size=16 off=12 size=8\nR0 min value is outside of the allowed memory range",
    );
}

#[test]
fn an_array_element_in_range_needs_no_check() {
    let text = "*(u32 *)(r10 - 4) = KEY\nr2 = r10\nr2 += -4\nr1 = map[fd:2]\ncall bpf_map_lookup_elem\nr0 = *(u64 *)(r0 + 0)\nexit";
    accept(&text.replace("KEY", "3"));
    refuse(&text.replace("KEY", "4"), 6, "R0 invalid mem access 'map_value_or_null'");
}

#[test]
fn the_frame_has_512_bytes() {
    accept("*(u64 *)(r10 - 512) = 0\nr0 = 0\nexit");
    refuse("*(u64 *)(r10 - 520) = 0\nr0 = 0\nexit", 0, "invalid write to stack R10 off=-520 size=8");
    refuse("r2 = r10\nr2 += 8\nr0 = *(u8 *)(r2 - 8)\nexit", 2, "invalid read from stack R2 off=0 size=1");
    let text = "*(u64 *)(r10 - 256) = 0\ncall f\nexit\nf: *(u64 *)(r10 - 272) = 0\nr0 = 0\nexit";
    assert_eq!(
        run(text, ProgType::XDP, 0).unwrap_err().cause,
        "combined stack size of 2 calls is 528. Too large"
    );
    accept(text);
}

#[test]
fn branches_that_constants_decide_are_not_followed() {
    let poison = "r1 = CONST\nif r1 == 0 goto out\ncall 195896080\nout: r0 = 0\nexit";
    accept(&poison.replace("CONST", "0"));
    refuse(&poison.replace("CONST", "1"), 2, "invalid func unknown#195896080");
    let rodata = "r1 = map[fd:5][0]+OFF\nr1 = *(u32 *)(r1 + 0)\nif r1 == 0 goto out\ncall 195896080\nout: r0 = 0\nexit";
    accept(&rodata.replace("OFF", "4"));
    refuse(&rodata.replace("OFF", "0"), 4, "invalid func unknown#195896080");
    let spilled = "*(u32 *)(r10 - 8) = 0\nr1 = *(u32 *)(r10 - 8)\nif w1 == 0 goto out\ncall 195896080\nout: r0 = 0\nexit";
    accept(spilled);
}

#[test]
fn helpers_are_for_some_program_types_and_licences() {
    refuse("call 999999\nexit", 0, "invalid func unknown#999999");
    refuse("call 0\nexit", 0, "program of this type cannot use helper bpf_unspec#0");
    refuse(
        "r2 = 0\ncall bpf_xdp_adjust_head\nexit",
        1,
        "program of this type cannot use helper bpf_xdp_adjust_head#44",
    );
    refuse("r1 = 5\ncall bpf_send_signal\nexit", 1, "no signals here");
    let text = "r1 = r10\nr1 += -8\nr2 = 8\nr3 = 0\ncall bpf_probe_read_kernel\nr0 = 0\nexit";
    accept(text);
    let insns = asm::parse(text).unwrap();
    let (prog_type, attach_type) = (ProgType::KPROBE, AttachType(0));
    let input =
        Input { insns: &insns, prog_type, attach_type, is_gpl: false, is_sleepable: false, env: &Maps };
    let rejection = verify(&input, 0).unwrap_err();
    assert_eq!(rejection.cause, "cannot call GPL-restricted function from non-GPL compatible program");
}

#[test]
fn arguments_are_what_a_helper_takes() {
    refuse(
        "r1 = 0\nr2 = r10\nr2 += -4\ncall bpf_map_lookup_elem\nexit",
        3,
        "R1 type=scalar expected=map_ptr",
    );
    refuse("r1 = map[fd:1]\ncall bpf_map_lookup_elem\nexit", 2, "R2 !read_ok");
    refuse(
        "r1 = map[fd:1]\nr2 = 5\ncall bpf_map_lookup_elem\nexit",
        3,
        "R2 type=scalar expected=fp, pkt, pkt_meta, map_key, map_value, mem, ringbuf_mem, buf, trusted_ptr_",
    );
    refuse(
        "r2 = map[fd:1]\nr3 = 0\ncall bpf_tail_call\nr0 = 0\nexit",
        3,
        "cannot pass map_type 1 into func bpf_tail_call#12",
    );
    accept("r2 = map[fd:3]\nr3 = 0\ncall bpf_tail_call\nr0 = 0\nexit");
    refuse(
        "r1 = map[fd:1]\nr2 = r10\nr2 += -2147483634\ncall bpf_map_lookup_elem\nr0 = 0\nexit",
        4,
        "invalid read from stack R2 off=-2147483634 size=0",
    );
    refuse("r1 = map[fd:9]\nr0 = 0\nexit", 0, "fd 9 is not pointing to valid bpf_map");
}

#[test]
fn ring_buffer_records_are_checked_and_submitted() {
    let text = "r1 = map[fd:4]\nr2 = 16\nr3 = 0\ncall bpf_ringbuf_reserve\nCHECK*(u64 *)(r0 + 0) = 1\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_submit\nout: r0 = 0\nexit";
    accept(&text.replace("CHECK", "if r0 == 0 goto out\n"));
    refuse(&text.replace("CHECK", ""), 5, "R0 invalid mem access 'ringbuf_mem_or_null'");
}

#[test]
fn ring_buffer_records_are_given_back_before_the_end() {
    // r6 says which way is taken, and r7 is the record.
    let with = |rest: &str| {
        let reserve = "r9 = r1\nr6 = *(u32 *)(r1 + 0)\nr1 = map[fd:4]\nr2 = 16\nr3 = 0\ncall bpf_ringbuf_reserve\nr7 = r0";
        format!("{reserve}\n{rest}\nout: r0 = 0\nexit")
    };
    let leak = "Unreleased reference id=7 alloc_insn=6\nBPF_EXIT instruction in main prog would lead to reference leak";
    let submit = "r1 = r7\nr2 = 0\ncall bpf_ringbuf_submit\n";
    let discard = "r1 = r7\nr2 = 0\ncall bpf_ringbuf_discard\n";
    accept(&with(&format!("if r7 == 0 goto out\n{submit}")));
    accept(&with(&format!("if r7 == 0 goto out\nif r6 == 1 goto other\n{submit}goto out\nother: {discard}")));
    refuse(&with("if r7 == 0 goto out\nr8 = 0"), 11, leak);
    refuse(&with(""), 9, leak);
    // One way forgets.
    refuse(&with(&format!("if r7 == 0 goto out\nif r6 == 1 goto out\n{submit}")), 14, leak);
    // The same question twice has the same answer.
    accept(&with(&format!("if r7 == 0 goto on\n*(u64 *)(r7 + 0) = 1\non: if r7 == 0 goto out\n{submit}")));
    accept(&with(&format!("r8 = 0\nif r7 == 0 goto on\nr8 = 1\non: r9 = 0\nif r8 == 0 goto out\n{submit}")));
    refuse(
        &with("if r7 == 0 goto out\nr1 = r9\nr2 = map[fd:3]\nr3 = 0\ncall bpf_tail_call"),
        13,
        "Unreleased reference id=7 alloc_insn=6\ntail_call would lead to reference leak",
    );
}

#[test]
fn offsets_do_not_overflow() {
    refuse("r10 += 5\nexit", 0, "frame pointer is read only");
    refuse(
        "r2 = r10\nr2 += 2147483647\nr0 = *(u8 *)(r2 + 32767)\nexit",
        2,
        "invalid read from stack R2 off=2147483647 size=1",
    );
    refuse(
        "r2 = r10\nr2 += -2147483648\n*(u8 *)(r2 - 32768) = 1\nexit",
        2,
        "invalid write to stack R2 off=-2147483648 size=1",
    );
}

#[test]
fn nothing_makes_the_checks_panic() {
    // Every opcode with odd fields, in odd places.
    for code in 0..=255u8 {
        for (dst, src, off, imm) in
            [(0, 0, 0, 0), (10, 10, -1, -1), (15, 3, i16::MIN, i32::MIN), (1, 1, i16::MAX, i32::MAX)]
        {
            let odd = Insn::new(code, dst, src, off, imm);
            for insns in
                [vec![odd], vec![odd; 3], vec![Insn::new(0xb7, 0, 0, 0, 0), odd, Insn::new(0x95, 0, 0, 0, 0)]]
            {
                let (prog_type, attach_type) = (ProgType::SCHED_CLS, AttachType(0));
                let input = Input {
                    insns: &insns,
                    prog_type,
                    attach_type,
                    is_gpl: true,
                    is_sleepable: true,
                    env: &Maps,
                };
                let _ = verify(&input, 1);
            }
        }
    }
}
