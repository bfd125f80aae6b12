//! Programs that Linux refuses: the embedded kernel refuses them too, or, where its verifier does not look, stops them when they run.

use oxbpf_asm::asm;
use oxbpf_kernel::{Kernel, MapCreate, ProgFd, ProgLoad, ProgTestRun};
use oxbpf_runtime::{Runtime, RuntimeOptions};
use oxbpf_uapi::{AttachType, Errno, MapType, ProgType};

use crate::create::good;
use crate::packets::frame;
use crate::{embedded, linux};

const RAW: ProgType = ProgType::RAW_TRACEPOINT;
const TC: ProgType = ProgType::SCHED_CLS;
const XDP: ProgType = ProgType::XDP;
const FILTER: ProgType = ProgType::SOCKET_FILTER;

/// Name, type and text of programs; `$hash`, `$array` and such are maps. `!` before the name: the licence is proprietary.
const CASES: &[(&str, ProgType, &str)] = &[
    ("nothing to do", RAW, "r0 = 0\nexit"),
    ("register never written", RAW, "r0 = r3\nexit"),
    ("no result", RAW, "exit"),
    ("no end", RAW, "r0 = 0"),
    ("jump beyond the end", RAW, "r0 = 0\ngoto +3\nexit"),
    ("jump before the start", RAW, "r0 = 0\ngoto -5\nexit"),
    ("jump into a 64-bit constant", RAW, "r0 = 0\nif r0 == 0 goto +1\nr1 = 1 ll\nexit"),
    ("endless loop", RAW, "r0 = 0\ngoto -1\nexit"),
    ("instructions that are never reached", RAW, "r0 = 0\nexit\nr0 = 1\nexit"),
    ("division by the constant zero", RAW, "r0 = 1\nr0 /= 0\nexit"),
    ("remainder by the constant zero", RAW, "r0 = 1\nr0 %= 0\nexit"),
    ("division by a register that is zero", RAW, "r0 = 1\nr1 = 0\nr0 /= r1\nexit"),
    ("shift by too much", RAW, "r0 = 1\nr0 <<= 64\nexit"),
    ("32-bit shift by too much", RAW, "w0 = 1\nw0 <<= 32\nexit"),
    ("frame pointer written", RAW, "r10 = 5\nr0 = 0\nexit"),
    ("stack below its end", RAW, "r1 = 0\n*(u64 *)(r10 -520) = r1\nr0 = 0\nexit"),
    ("stack above the frame", RAW, "r1 = 0\n*(u64 *)(r10 +8) = r1\nr0 = 0\nexit"),
    ("stack at its very top", RAW, "r1 = 0\n*(u64 *)(r10 +0) = r1\nr0 = 0\nexit"),
    ("stack across its top", RAW, "r1 = 0\n*(u64 *)(r10 -4) = r1\nr0 = 0\nexit"),
    ("misaligned stack", RAW, "r1 = 0\n*(u64 *)(r10 -9) = r1\nr0 = 0\nexit"),
    ("whole stack", RAW, "r1 = 0\n*(u64 *)(r10 -512) = r1\nr0 = *(u64 *)(r10 -512)\nexit"),
    ("unknown helper", RAW, "call 9999\nr0 = 0\nexit"),
    (
        "helper of another type of program",
        RAW,
        "r2 = 0\nr3 = 0\nr4 = 0\nr5 = 0\ncall bpf_skb_store_bytes\nr0 = 0\nexit",
    ),
    ("tracing's helper in a filter", FILTER, "call bpf_get_current_uid_gid\nr0 = 0\nexit"),
    ("!a helper for GPL only", RAW, "call bpf_get_current_task\nr0 = 0\nexit"),
    ("!a helper for all", RAW, "call bpf_ktime_get_coarse_ns\nr0 = 0\nexit"),
    ("!printing", RAW, "r1 = $array_value\nr2 = 4\ncall bpf_trace_printk\nr0 = 0\nexit"),
    ("recursion", RAW, "call f\nexit\nf: call f\nexit"),
    (
        "calls too deep",
        RAW,
        "call a\nexit\na: call b\nexit\nb: call c\nexit\nc: call d\nexit\nd: call e\nexit\ne: call f\nexit\nf: call g\nexit\ng: call h\nexit\nh: r0 = 0\nexit",
    ),
    ("a function that jumps into another", RAW, "call f\nr0 = 0\nexit\nf: goto -3\nexit"),
    (
        "stacks too large together",
        RAW,
        "r1 = 0\n*(u64 *)(r10 -512) = r1\ncall f\nr0 = 0\nexit\nf: r1 = 0\n*(u64 *)(r10 -512) = r1\nr0 = 0\nexit",
    ),
    ("callee's registers", RAW, "r6 = 1\ncall f\nr0 = r6\nexit\nf: r0 = 0\nexit"),
    ("caller's registers in a callee", RAW, "r6 = 1\ncall f\nexit\nf: r0 = r6\nexit"),
    ("arguments after a call", RAW, "r2 = 1\ncall bpf_ktime_get_ns\nr0 = r2\nexit"),
    ("field of the context that may not be written", TC, "r2 = 1\n*(u32 *)(r1 + 0) = r2\nr0 = 0\nexit"),
    ("field of the context that may be written", TC, "r2 = 1\n*(u32 *)(r1 + 8) = r2\nr0 = 0\nexit"),
    ("context of a raw tracepoint written", RAW, "r2 = 1\n*(u64 *)(r1 + 0) = r2\nr0 = 0\nexit"),
    ("context beyond its end", TC, "r0 = *(u32 *)(r1 + 192)\nexit"),
    ("context before its start", TC, "r0 = *(u32 *)(r1 -4)\nexit"),
    ("context misaligned", TC, "r0 = *(u32 *)(r1 + 2)\nexit"),
    ("field of another type of program", FILTER, "r0 = *(u32 *)(r1 + 76)\nexit"),
    ("packet without a check", XDP, "r1 = *(u32 *)(r1 + 0)\nr0 = *(u8 *)(r1 + 0)\nexit"),
    (
        "packet beyond what was checked",
        XDP,
        "r2 = *(u32 *)(r1 + 4)\nr1 = *(u32 *)(r1 + 0)\nr3 = r1\nr3 += 8\nr0 = 2\nif r3 > r2 goto out\nr0 = *(u8 *)(r1 + 8)\nout: exit",
    ),
    (
        "packet with a check",
        XDP,
        "r2 = *(u32 *)(r1 + 4)\nr1 = *(u32 *)(r1 + 0)\nr3 = r1\nr3 += 8\nr0 = 2\nif r3 > r2 goto out\nr0 = *(u8 *)(r1 + 7)\nr0 = 2\nout: exit",
    ),
    (
        "pointer of a packet that was changed",
        XDP,
        "r6 = r1\nr7 = *(u32 *)(r1 + 0)\nr8 = *(u32 *)(r1 + 4)\nr3 = r7\nr3 += 8\nr0 = 2\nif r3 > r8 goto out\nr1 = r6\nr2 = 4\ncall bpf_xdp_adjust_head\nr0 = *(u8 *)(r7 + 0)\nout: exit",
    ),
    (
        "value without a check for none",
        RAW,
        "r1 = 0\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -4\nr1 = $hash\ncall bpf_map_lookup_elem\nr0 = *(u64 *)(r0 + 0)\nexit",
    ),
    (
        "value with a check",
        RAW,
        "r1 = 0\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -4\nr1 = $hash\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\nr0 = *(u64 *)(r0 + 0)\nout: exit",
    ),
    (
        "beyond a value",
        RAW,
        "r1 = 0\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -4\nr1 = $array\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\nr0 = *(u64 *)(r0 + 8)\nout: exit",
    ),
    (
        "before a value",
        RAW,
        "r1 = 0\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -4\nr1 = $array\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\nr0 = *(u64 *)(r0 -8)\nout: exit",
    ),
    (
        "index that is not bounded",
        RAW,
        "r3 = *(u64 *)(r1 + 0)\nr1 = $array_value\nr1 += r3\nr0 = *(u8 *)(r1 + 0)\nexit",
    ),
    (
        "index that is bounded",
        RAW,
        "r3 = *(u64 *)(r1 + 0)\nr3 &= 7\nr1 = $array_value\nr1 += r3\nr0 = *(u8 *)(r1 + 0)\nexit",
    ),
    (
        "a key that was not written",
        RAW,
        "r2 = r10\nr2 += -4\nr1 = $hash\ncall bpf_map_lookup_elem\nr0 = 0\nexit",
    ),
    ("a key that is a number", RAW, "r2 = 5\nr1 = $hash\ncall bpf_map_lookup_elem\nr0 = 0\nexit"),
    (
        "no map",
        RAW,
        "r1 = 0\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -4\nr1 = 0\ncall bpf_map_lookup_elem\nr0 = 0\nexit",
    ),
    ("number that is no map's", RAW, "r1 = map[fd:9999]\nr0 = 0\nexit"),
    ("pointer to a hash table's value", RAW, "r1 = map[fd:$hash_fd][0]+0\nr0 = 0\nexit"),
    ("pointer to a value of many", RAW, "r1 = map[fd:$many_fd][0]+0\nr0 = 0\nexit"),
    ("pointer beyond an array's value", RAW, "r1 = map[fd:$array_fd][0]+8\nr0 = 0\nexit"),
    (
        "look-up in a ring",
        RAW,
        "r1 = 0\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -4\nr1 = $ring\ncall bpf_map_lookup_elem\nr0 = 0\nexit",
    ),
    (
        "look-up in an array of programs",
        RAW,
        "r1 = 0\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -4\nr1 = $progs\ncall bpf_map_lookup_elem\nr0 = 0\nexit",
    ),
    (
        "pushing to a hash table",
        RAW,
        "r1 = 0\n*(u64 *)(r10 -8) = r1\nr2 = r10\nr2 += -8\nr3 = 0\nr1 = $hash\ncall bpf_map_push_elem\nr0 = 0\nexit",
    ),
    ("tail call through a hash table", RAW, "r2 = $hash\nr3 = 0\ncall bpf_tail_call\nr0 = 0\nexit"),
    (
        "output to a hash table",
        RAW,
        "r3 = 0\nr4 = r10\nr4 += -8\n*(u64 *)(r10 -8) = r3\nr5 = 8\nr2 = $hash\ncall bpf_perf_event_output\nr0 = 0\nexit",
    ),
    ("a map's first words written", RAW, "r1 = $hash\nr2 = 0\n*(u64 *)(r1 + 0) = r2\nr0 = 0\nexit"),
    (
        "a value that is for reading written",
        RAW,
        "r1 = map[fd:$constant_fd][0]+0\nr2 = 0\n*(u64 *)(r1 + 0) = r2\nr0 = 0\nexit",
    ),
    (
        "update of a map that is for reading",
        RAW,
        "r1 = 0\n*(u64 *)(r10 -8) = r1\nr2 = r10\nr2 += -8\nr3 = r2\nr4 = 0\nr1 = $constant\ncall bpf_map_update_elem\nr0 = 0\nexit",
    ),
    (
        "a record that is not handed over",
        RAW,
        "r1 = $ring\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nr0 = 0\nexit",
    ),
    (
        "a record that may not be there",
        RAW,
        "r1 = $ring\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_submit\nr0 = 0\nexit",
    ),
    (
        "a record of a size that is not known",
        RAW,
        "r2 = *(u64 *)(r1 + 0)\nr1 = $ring\nr3 = 0\ncall bpf_ringbuf_reserve\nif r0 == 0 goto out\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_submit\nout: r0 = 0\nexit",
    ),
    (
        "a record after it was handed over",
        RAW,
        "r1 = $ring\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nif r0 == 0 goto out\nr6 = r0\nr1 = r0\nr2 = 0\ncall bpf_ringbuf_submit\nr1 = 0\n*(u64 *)(r6 + 0) = r1\nout: r0 = 0\nexit",
    ),
    (
        "a record that is not one",
        RAW,
        "r1 = r10\nr1 += -8\nr2 = 0\n*(u64 *)(r10 -8) = r2\ncall bpf_ringbuf_submit\nr0 = 0\nexit",
    ),
    ("a pointer kept as a result", RAW, "r0 = r10\nexit"),
    ("arithmetic on two pointers", RAW, "r2 = r10\nr2 += r1\nr0 = 0\nexit"),
    ("pointer multiplied", RAW, "r2 = r10\nr2 *= 2\nr0 = 0\nexit"),
    ("number followed", RAW, "r1 = 4096\nr0 = *(u64 *)(r1 + 0)\nexit"),
    ("a loop with a bound", RAW, "r1 = 0\nagain: r1 += 1\nif r1 < 100 goto again\nr0 = 0\nexit"),
    ("a loop that never ends", RAW, "r1 = 0\nagain: r1 += 1\nif r1 != 0 goto again\nr0 = 0\nexit"),
    ("byte swap of a width that is none", RAW, "r0 = 0\nr0 = be16 r0\nexit"),
    ("atomic operation on a context", RAW, "r2 = 1\nlock *(u64 *)(r1 + 0) += r2\nr0 = 0\nexit"),
    (
        "atomic operation on a byte's address",
        RAW,
        "r1 = r10\nr2 = 0\n*(u64 *)(r10 -16) = r2\n*(u64 *)(r10 -8) = r2\nlock *(u64 *)(r10 -12) += r2\nr0 = 0\nexit",
    ),
    ("a packet load in a raw tracepoint", RAW, "r6 = r1\nr0 = *(u8 *)skb[0]\nexit"),
    ("a packet load without a context", FILTER, "r6 = 0\nr0 = *(u8 *)skb[0]\nexit"),
    ("a spin lock where there is none", TC, "r1 = $array_value\ncall bpf_spin_lock\nr0 = 0\nexit"),
    (
        "buffer of a negative length",
        RAW,
        "r1 = r10\nr1 += -8\nr2 = -1\nr3 = 0\ncall bpf_probe_read_kernel\nr0 = 0\nexit",
    ),
    (
        "buffer longer than the stack's part",
        RAW,
        "r1 = r10\nr1 += -8\nr2 = 16\nr3 = 0\ncall bpf_probe_read_kernel\nr0 = 0\nexit",
    ),
    (
        "text that does not end",
        RAW,
        "r1 = 0\n*(u64 *)(r10 -8) = r1\nr1 = r10\nr1 += -8\nr2 = 8\nr3 = r1\ncall bpf_strncmp\nr0 = 0\nexit",
    ),
    (
        "a record that one way forgets",
        TC,
        "r6 = *(u32 *)(r1 + 0)\nr1 = $ring\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nr7 = r0\nif r7 == 0 goto out\nif r6 == 1 goto out\nr1 = r7\nr2 = 0\ncall bpf_ringbuf_submit\nout: r0 = 0\nexit",
    ),
    (
        "a record that is asked about twice",
        TC,
        "r6 = *(u32 *)(r1 + 0)\nr1 = $ring\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nr7 = r0\nif r7 == 0 goto on\n*(u64 *)(r7 + 0) = 1\non: if r7 == 0 goto out\nr1 = r7\nr2 = 0\ncall bpf_ringbuf_submit\nout: r0 = 0\nexit",
    ),
    (
        "a record that is known by a number",
        TC,
        "r6 = *(u32 *)(r1 + 0)\nr1 = $ring\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nr7 = r0\nr8 = 0\nif r7 == 0 goto on\nr8 = 1\non: if r8 == 0 goto out\nr1 = r7\nr2 = 0\ncall bpf_ringbuf_submit\nout: r0 = 0\nexit",
    ),
    (
        "a record that a function hands over",
        TC,
        "r6 = *(u32 *)(r1 + 0)\nr1 = $ring\nr2 = 8\nr3 = 0\ncall bpf_ringbuf_reserve\nr7 = r0\nif r7 == 0 goto out\nr1 = r7\ncall give\nout: r0 = 0\nexit\ngive: r2 = 0\ncall bpf_ringbuf_discard\nr0 = 0\nexit",
    ),
    ("result out of range", ProgType::CGROUP_SKB, "r0 = 7\nexit"),
    ("result in range", ProgType::CGROUP_SKB, "r0 = 1\nexit"),
];

/// What the embedded kernel accepts and Linux does not, with the reason: types and values of registers are not followed, the run is stopped
/// instead, or does no harm since all it can reach is its own.
const WEAKER: &[(&str, Then, &str)] = &[
    (
        "field of the context that may not be written",
        Harmless,
        "fields are not known; what is written there is not read",
    ),
    ("context of a raw tracepoint written", Stopped, "the context is there to read"),
    ("context beyond its end", Stopped, "the context has bounds"),
    ("context before its start", Stopped, "the context has bounds"),
    ("context misaligned", Harmless, "bytes of two fields are read"),
    ("field of another type of program", Harmless, "all programs on packets have the same fields"),
    ("packet without a check", Harmless, "the packet has bounds, and is long enough"),
    ("packet beyond what was checked", Harmless, "the packet has bounds, and is long enough"),
    ("pointer of a packet that was changed", Stopped, "the packet has new bounds"),
    ("index that is not bounded", Stopped, "the value has bounds"),
    ("look-up in a ring", Harmless, "nothing is found"),
    ("look-up in an array of programs", Harmless, "nothing is found"),
    ("a value that is for reading written", Stopped, "the value is there to read"),
    ("update of a map that is for reading", Stopped, "the helper refuses"),
    ("a record of a size that is not known", Harmless, "none is that large"),
    ("a record after it was handed over", Stopped, "it can be written until it is handed over"),
    ("arithmetic on two pointers", Harmless, "the number is not followed"),
    ("pointer multiplied", Harmless, "the number is not followed"),
    ("a loop that never ends", Stopped, "instructions are counted"),
    ("atomic operation on a context", Stopped, "the context is there to read"),
    ("a packet load without a context", Harmless, "the packet is the program's, whatever r6 is"),
    ("a spin lock where there is none", Harmless, "the value has room for one"),
    ("text that does not end", Harmless, "both texts end where the length says"),
    ("result out of range", Harmless, "nothing asks for it"),
];

/// What happens when such a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Stopped,
    Harmless,
}
use Then::{Harmless, Stopped};

/// What both refuse, with another error number.
const OTHERWISE: &[(&str, &str)] = &[
    ("recursion", "Linux follows the calls until they are too deep"),
    ("buffer of a negative length", "Linux reads the stack's bounds first"),
];

fn maps(kernel: &Kernel) -> Vec<(&'static str, String, oxbpf_kernel::MapFd)> {
    let map = |req| kernel.map_create(req).unwrap();
    let one = MapCreate { max_entries: 1, ..good(MapType::ARRAY) };
    let all = [
        ("hash", map(good(MapType::HASH))),
        ("array", map(one)),
        ("ring", map(good(MapType::RINGBUF))),
        ("many", map(good(MapType::ARRAY))),
        ("progs", map(good(MapType::PROG_ARRAY))),
        ("constant", map(MapCreate { map_flags: 0x80, ..one })),
    ];
    let mut names = Vec::new();
    for (name, map) in all {
        let number = map.number();
        names.push((name, format!("map[fd:{number}]"), map));
    }
    names
}

fn load(kernel: &Kernel, case: &(&str, ProgType, &str)) -> Result<(ProgFd, impl Sized + use<>), Errno> {
    let (name, prog_type, text) = *case;
    let maps = maps(kernel);
    let mut text = text.to_owned();
    for (map, reference, handle) in &maps {
        text = text.replace(&format!("${map}_fd"), &handle.number().to_string());
        text = text.replace(&format!("${map}_value"), &format!("{reference}[0]+0"));
        text = text.replace(&format!("${map}"), reference);
    }
    let insns = asm::parse(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
    let license = if name.starts_with('!') { "Proprietary" } else { "GPL" };
    let expected_attach_type =
        if prog_type == ProgType::CGROUP_SKB { AttachType::CGROUP_INET_EGRESS } else { AttachType(0) };
    let req = ProgLoad { prog_type, insns: &insns, license, expected_attach_type, ..Default::default() };
    kernel.prog_load(req).0.map(|prog| (prog, maps))
}

#[test]
fn what_linux_refuses_is_refused_or_listed() {
    let (ours, linux) = (embedded().kernel(), linux());
    let mut wrong = Vec::new();
    for case in CASES {
        let (name, ..) = case;
        let got = load(&ours, case).map(drop);
        let Some(linux) = &linux else { continue };
        let expect = load(linux, case).map(drop);
        let is_weaker = WEAKER.iter().any(|(weaker, ..)| weaker == name);
        let is_right = match OTHERWISE.iter().any(|(other, _)| other == name) {
            true => got.is_err() && expect.is_err(),
            false if is_weaker => got.is_ok() && expect.is_err(),
            false => got == expect,
        };
        if !is_right {
            wrong.push(format!("{name}: embedded {got:?}, Linux {expect:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(CASES.len() > 80);
}

#[test]
fn what_only_linux_refuses_is_stopped_or_does_no_harm() {
    let packet = frame(60);
    let mut wrong = Vec::new();
    for (name, then, reason) in WEAKER {
        let case = CASES.iter().find(|case| case.0 == *name).unwrap_or_else(|| panic!("{name} is no case"));
        let runtime =
            Runtime::new(RuntimeOptions { insn_limit: 1 << 20, ..RuntimeOptions::default() }).unwrap();
        let kernel = runtime.kernel();
        let (prog, _maps) = load(&kernel, case).unwrap_or_else(|e| panic!("{name}: {e}"));
        let (data_in, ctx_in): (&[u8], &[u8]) =
            if case.1 == RAW { (&[], &[0xff; 96]) } else { (&packet, &[]) };
        let ran = kernel.prog_test_run(ProgTestRun { data_in, ctx_in, ..ProgTestRun::new(&prog) });
        let stopped = if runtime.traps().is_empty() { Harmless } else { Stopped };
        if ran.is_err() || stopped != *then {
            wrong.push(format!("{name}: {stopped:?}, though {reason}; {:?}", runtime.traps()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
