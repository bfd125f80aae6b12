//! Programs on packets: contexts, room, loads and stores, checksums.

use oxbpf_kernel::{Kernel, ProgTestRun};
use oxbpf_uapi::ProgType;

use crate::run::Bench;
use crate::{Transcript, both, hex};

const PACKET_TYPES: [ProgType; 2] = [ProgType::XDP, ProgType::SCHED_CLS];

/// An Ethernet frame with an IPv4 and a TCP header, and data that counts.
pub(crate) fn frame(len: usize) -> Vec<u8> {
    let mut head = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    head.extend([0x45, 0, 0, 50, 0, 1, 0, 0, 64, 6, 0xb7, 0xc1, 10, 0, 0, 1, 10, 0, 0, 2]);
    head.extend([0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0x12, 0x34, 0, 0]);
    head.extend((head.len()..).map(|i| i as u8).take(len.saturating_sub(head.len())));
    head.truncate(len);
    head
}

#[test]
fn lengths_of_packets_are_checked() {
    both(|kernel, t| {
        for prog_type in [ProgType::XDP, ProgType::SCHED_CLS, ProgType::SOCKET_FILTER] {
            let prog = crate::run::load(kernel, prog_type, "r0 = 1\nexit").unwrap();
            for len in [0, 1, 13, 14, 15, 33, 34, 60, 64, 1500, 3000, 3400] {
                let data = frame(len);
                for room in [0, 10, 14, 60, 5000] {
                    let mut out = vec![0; room];
                    let data_out = (room > 0).then_some(out.as_mut_slice());
                    let req = ProgTestRun { data_in: &data, data_out, ..ProgTestRun::new(&prog) };
                    let result = kernel.prog_test_run(req).map(|ran| (ran.retval, ran.data_size_out));
                    t.say(format_args!("{prog_type} {len}, room for {room}"), (result, hex(&out)));
                }
            }
            for (last, len) in [(0xb5, 14), (0xb5, 15), (0xdd, 14), (0xdd, 33), (0xdd, 53), (0xdd, 54)] {
                let mut data = frame(len);
                (data[12], data[13]) = (if last == 0xdd { 0x86 } else { 0x88 }, last);
                let req = ProgTestRun { data_in: &data, ..ProgTestRun::new(&prog) };
                t.say(
                    format_args!("{prog_type} {last:#x} {len}"),
                    kernel.prog_test_run(req).map(|ran| ran.retval),
                );
            }
            for (what, flags, repeat, batch) in
                [("flags", 1, 0, 0), ("flag 4", 4, 0, 0), ("repeat", 0, 7, 0), ("batch", 0, 1, 3)]
            {
                let data = frame(60);
                let req = ProgTestRun {
                    data_in: &data,
                    flags,
                    repeat,
                    batch_size: batch,
                    ..ProgTestRun::new(&prog)
                };
                t.say(format_args!("{prog_type} {what}"), kernel.prog_test_run(req).map(|ran| ran.retval));
            }
        }
    });
}

#[test]
fn verdicts_and_lengths_come_back() {
    both(|kernel, t| {
        let bench = Bench::new(kernel);
        for value in [0, 1, 2, 3, 4, 5, 100, -1] {
            for prog_type in PACKET_TYPES {
                let body = format!("r0 = {value}\nexit");
                bench.say(t, &format!("{prog_type} {value}"), prog_type, &body, &frame(60), 0);
            }
        }
        let (xdp, skb) = ((0, 4, 8), (76, 80, 140));
        for (prog_type, (data, end, meta)) in PACKET_TYPES.into_iter().zip([xdp, skb]) {
            let body = format!(
                "r1 = *(u32 *)(r6 + {data})\nr2 = *(u32 *)(r6 + {end})\nr0 = r2\nr0 -= r1\nsave 0\nr3 = *(u32 *)(r6 + {meta})\nr0 = r1\nr0 -= r3\nsave 1\n\
                 r3 = r1\nr3 += 20\nif r3 > r2 goto short\nr0 = *(u8 *)(r1 + 12)\nsave 2\nr0 = *(u16 *)(r1 + 16)\nsave 3\nr4 = 0x77\n*(u8 *)(r1 + 19) = r4\n\
                 short: r0 = 2\nexit"
            );
            for len in [14, 19, 20, 21, 60, 1500] {
                bench.say(t, &format!("{prog_type} of {len}"), prog_type, &body, &frame(len), 4);
            }
        }
    });
}

/// Calls a helper with the context and numbers, and gives its result in word 0.
fn call(helper: &str, args: &[i64]) -> String {
    let mut text = "r1 = r6\n".to_owned();
    for (register, arg) in (2..).zip(args) {
        text += &format!("r{register} = {arg:#x} ll\n");
    }
    text + &format!("call bpf_{helper}\nsave 0\n")
}

#[test]
fn heads_and_tails_move_alike() {
    both(|kernel, t| {
        let bench = Bench::new(kernel);
        let say = |t: &mut Transcript, helper: &str, by: i64, len: usize| {
            let body = call(helper, &[by])
                + "r1 = *(u32 *)(r6 + 0)\nr2 = *(u32 *)(r6 + 4)\nr0 = r2\nr0 -= r1\nsave 1\nr3 = *(u32 *)(r6 + 8)\nr0 = r1\nr0 -= r3\nsave 2\nr0 = 2\nexit";
            bench.say(t, &format!("{helper} {by} of {len}"), ProgType::XDP, &body, &frame(len), 3);
        };
        for by in [
            0,
            1,
            -1,
            4,
            14,
            45,
            46,
            47,
            60,
            100,
            -4,
            -14,
            -100,
            -208,
            -216,
            -224,
            -256,
            -257,
            -300,
            i64::from(i32::MAX),
            -(1 << 31),
        ] {
            say(t, "xdp_adjust_head", by, 60);
        }
        for by in
            [0, 1, -1, 10, 100, -10, -45, -46, -47, -60, -100, 1000, 3000, 4000, 1 << 20, i64::from(i32::MAX)]
        {
            say(t, "xdp_adjust_tail", by, 60);
            say(t, "xdp_adjust_tail", by, 1500);
        }
        for by in [0, 1, -1, 4, -2, -4, -8, -32, -36, -64, -252, -256, -260, -1000] {
            say(t, "xdp_adjust_meta", by, 60);
        }
        // Metadata, and then a head that moves over it or takes it along.
        for (meta, head) in [(-8, -8), (-8, 8), (-32, -200), (-32, -224), (-4, 20)] {
            let body = call("xdp_adjust_meta", &[meta])
                + &call("xdp_adjust_head", &[head])
                + "r1 = *(u32 *)(r6 + 0)\nr3 = *(u32 *)(r6 + 8)\nr0 = r1\nr0 -= r3\nsave 2\nr0 = 2\nexit";
            bench.say(t, &format!("meta {meta}, head {head}"), ProgType::XDP, &body, &frame(60), 3);
        }
    });
}

#[test]
fn classifiers_change_lengths_alike() {
    both(|kernel, t| {
        let bench = Bench::new(kernel);
        let after = "r0 = *(u32 *)(r6 + 0)\nsave 1\nr1 = *(u32 *)(r6 + 76)\nr2 = *(u32 *)(r6 + 80)\nr0 = r2\nr0 -= r1\nsave 2\nr0 = 0\nexit";
        for len in [14i64, 15, 33, 34, 40, 59, 60, 61, 100, 1000, 3000, 65_535, 1 << 20, 0, 13, 1] {
            for flags in [0, 1] {
                let body = call("skb_change_tail", &[len, flags]) + after;
                bench.say(
                    t,
                    &format!("change_tail to {len} {flags}"),
                    ProgType::SCHED_CLS,
                    &body,
                    &frame(60),
                    3,
                );
            }
        }
        for by in [0i64, 1, 14, 64, 200, 1000, 5000, 1 << 16, 1 << 31] {
            for flags in [0, 1] {
                let body = call("skb_change_head", &[by, flags]) + after;
                bench.say(
                    t,
                    &format!("change_head by {by} {flags}"),
                    ProgType::SCHED_CLS,
                    &body,
                    &frame(60),
                    3,
                );
            }
        }
        for len in [0i64, 1, 14, 60, 61, 100, 1 << 20] {
            let body = call("skb_pull_data", &[len]) + after;
            bench.say(t, &format!("pull_data {len}"), ProgType::SCHED_CLS, &body, &frame(60), 3);
        }
    });
}

#[test]
fn bytes_are_loaded_and_stored_alike() {
    both(|kernel, t| {
        let bench = Bench::new(kernel);
        let places = [
            (0i64, 1),
            (0, 60),
            (59, 1),
            (60, 1),
            (59, 2),
            (12, 2),
            (-1, 1),
            (1 << 16, 1),
            (65_535, 1),
            (1 << 31, 4),
            (3, 64),
        ];
        for (offset, len) in places {
            for (prog_type, helper) in [
                (ProgType::XDP, "xdp_load_bytes"),
                (ProgType::SCHED_CLS, "skb_load_bytes"),
                (ProgType::SOCKET_FILTER, "skb_load_bytes"),
            ] {
                let body = format!(
                    "r0 = -1\nsave 1\nsave 2\nr1 = r6\nr2 = {offset:#x} ll\nr3 = r9\nr3 += 8\nr4 = {len}\ncall bpf_{helper}\nsave 0\nr0 = 0\nexit"
                );
                bench.say(
                    t,
                    &format!("{prog_type} load {len} at {offset}"),
                    prog_type,
                    &body,
                    &frame(60),
                    10,
                );
            }
            for start in [0, 1, 2] {
                let body = format!(
                    "r1 = r6\nr2 = {offset:#x} ll\nr3 = r9\nr3 += 8\nr4 = {len}\nr5 = {start}\ncall bpf_skb_load_bytes_relative\nsave 0\nr0 = 0\nexit"
                );
                bench.say(
                    t,
                    &format!("load {len} at {offset} from {start}"),
                    ProgType::SCHED_CLS,
                    &body,
                    &frame(60),
                    10,
                );
            }
            let data = "r1 = 0x1122334455667788 ll\n*(u64 *)(r9 + 8) = r1\n*(u64 *)(r9 + 16) = r1\n";
            let xdp = format!(
                "{data}r1 = r6\nr2 = {offset:#x} ll\nr3 = r9\nr3 += 8\nr4 = {len}\ncall bpf_xdp_store_bytes\nsave 0\nr0 = 2\nexit"
            );
            bench.say(t, &format!("xdp store {len} at {offset}"), ProgType::XDP, &xdp, &frame(60), 1);
            for flags in [0, 1, 2, 3, 4, 1 << 20] {
                let body = format!(
                    "{data}r1 = r6\nr2 = {offset:#x} ll\nr3 = r9\nr3 += 8\nr4 = {len}\nr5 = {flags}\ncall bpf_skb_store_bytes\nsave 0\nr0 = 0\nexit"
                );
                bench.say(
                    t,
                    &format!("store {len} at {offset} {flags}"),
                    ProgType::SCHED_CLS,
                    &body,
                    &frame(60),
                    1,
                );
            }
        }
        for len in [14, 60, 1500] {
            bench.say(
                t,
                "length",
                ProgType::XDP,
                "r1 = r6\ncall bpf_xdp_get_buff_len\nsave 0\nr0 = 2\nexit",
                &frame(len),
                1,
            );
        }
    });
}

#[test]
fn old_packet_loads_read_alike() {
    both(|kernel, t| {
        let bench = Bench::new(kernel);
        for prog_type in [ProgType::SCHED_CLS, ProgType::SOCKET_FILTER] {
            for size in ["u8", "u16", "u32"] {
                for offset in [0, 13, 45, 57, 60, -1, -4096, -0x10_0000, -0x20_0000, -0x20_0000 + 12] {
                    let absolute =
                        format!("r0 = -1\nsave 0\nr0 = *({size} *)skb[{offset}]\nsave 0\nr0 = 1\nexit");
                    bench.say(
                        t,
                        &format!("{prog_type} {size} at {offset}"),
                        prog_type,
                        &absolute,
                        &frame(60),
                        1,
                    );
                    let indirect = format!(
                        "r7 = 3\nr0 = -1\nsave 0\nr0 = *({size} *)skb[r7 + {offset}]\nsave 0\nr0 = 1\nexit"
                    );
                    bench.say(
                        t,
                        &format!("{prog_type} {size} at 3 + {offset}"),
                        prog_type,
                        &indirect,
                        &frame(60),
                        1,
                    );
                }
            }
        }
    });
}

#[test]
fn fields_of_contexts_read_alike() {
    /// `struct __sk_buff` by name, offset and size.
    const SKB: &[(&str, u32, u32)] = &[
        ("len", 0, 4),
        ("pkt_type", 4, 4),
        ("mark", 8, 4),
        ("queue_mapping", 12, 4),
        ("protocol", 16, 4),
        ("vlan_present", 20, 4),
        ("vlan_tci", 24, 4),
        ("vlan_proto", 28, 4),
        ("priority", 32, 4),
        ("ingress_ifindex", 36, 4),
        ("ifindex", 40, 4),
        ("tc_index", 44, 4),
        ("cb0", 48, 4),
        ("cb4", 64, 4),
        ("hash", 68, 4),
        ("tc_classid", 72, 4),
        ("napi_id", 84, 4),
        ("tstamp", 152, 8),
        ("wire_len", 160, 4),
        ("gso_segs", 164, 4),
        ("gso_size", 176, 4),
        ("tstamp_type", 180, 1),
        ("hwtstamp", 184, 8),
    ];
    both(|kernel, t| {
        let bench = Bench::new(kernel);
        for (name, offset, size) in SKB {
            let load = format!("r0 = *(u{} *)(r6 + {offset})\nsave 0\nr0 = 0\nexit", size * 8);
            bench.say(t, name, ProgType::SCHED_CLS, &load, &frame(60), 1);
            let store = format!("r1 = 0x55\n*(u{} *)(r6 + {offset}) = r1\n{load}", size * 8);
            // What may not be written is the verifier's matter, see `verdicts`.
            if ["mark", "priority", "tc_index", "cb0", "cb4", "tstamp"].contains(name) {
                bench.say(t, &format!("{name} written"), ProgType::SCHED_CLS, &store, &frame(60), 1);
            }
            for (narrow, at) in [(1, 0), (1, 3), (2, 0), (2, 2)] {
                if narrow < *size && ["mark", "priority", "ifindex", "cb0", "hash", "tc_index"].contains(name)
                {
                    let load =
                        format!("r0 = *(u{} *)(r6 + {})\nsave 0\nr0 = 0\nexit", narrow * 8, offset + at);
                    bench.say(
                        t,
                        &format!("{name}, {narrow} bytes at {at}"),
                        ProgType::SCHED_CLS,
                        &load,
                        &frame(60),
                        1,
                    );
                }
            }
        }
        for (name, offset) in [("ingress_ifindex", 12), ("rx_queue_index", 16)] {
            let load = format!("r0 = *(u32 *)(r6 + {offset})\nsave 0\nr0 = 2\nexit");
            bench.say(t, name, ProgType::XDP, &load, &frame(60), 1);
        }
    });
}

#[test]
fn checksums_are_updated_alike() {
    both(|kernel, t| {
        let bench = Bench::new(kernel);
        for helper in ["l3_csum_replace", "l4_csum_replace"] {
            for offset in [24i64, 50, 25, 59, 0x1_0000] {
                for (from, to) in [
                    (0i64, 0),
                    (0x0a00_0001, 0x0a00_0063),
                    (0, 0xffff),
                    (0x1234, 0),
                    (0xffff_ffff, 1),
                    (0, 0x1_2345),
                ] {
                    for flags in [0i64, 1, 2, 4, 5, 8, 0x12, 0x14, 0x10, 0x22, 0x24, 0x62, 0x44, 0x80, 0x100]
                    {
                        // Linux warns of its caller there, in its log.
                        if from != 0 && flags & 0xf == 0 {
                            continue;
                        }
                        let body = call(helper, &[offset, from, to, flags]) + "r0 = 0\nexit";
                        let what = format!("{helper} at {offset}, {from:#x} to {to:#x}, {flags:#x}");
                        bench.say(t, &what, ProgType::SCHED_CLS, &body, &frame(60), 1);
                    }
                }
            }
        }
    });
}

#[test]
fn checksum_differences_are_alike() {
    both(|kernel, t| {
        let mut bench = Bench::new(kernel);
        let bytes: Vec<u8> = (0..64u8).map(|i| i.wrapping_mul(37) ^ 0xa5).chain([0xff; 64]).collect();
        bench.constant("in", &bytes);
        for prog_type in PACKET_TYPES {
            for (from, from_len) in [(0, 0), (0, 4), (0, 8), (64, 4), (4, 64), (0, 3)] {
                for (to, to_len) in [(0, 0), (8, 4), (16, 20), (64, 64), (0, 5)] {
                    for seed in [0u64, 1, 0xffff, 0x1_0000, 0xffff_ffff, 0x1_0000_0001, u64::MAX] {
                        let pointer =
                            |at: i32, len: i32| if len == 0 { "0".to_owned() } else { format!("$in+{at}") };
                        let body = format!(
                            "r1 = {}\nr2 = {from_len}\nr3 = {}\nr4 = {to_len}\nr5 = {seed:#x} ll\ncall bpf_csum_diff\nsave 0\nr0 = 2\nexit",
                            pointer(from, from_len),
                            pointer(to, to_len)
                        );
                        let what = format!("{prog_type} {from}+{from_len} {to}+{to_len} {seed:#x}");
                        bench.say(t, &what, prog_type, &body, &frame(60), 1);
                    }
                }
            }
        }
    });
}

#[test]
fn redirects_return_alike() {
    both(|kernel, t| {
        let bench = Bench::new(kernel);
        for prog_type in PACKET_TYPES {
            for (ifindex, flags) in [(1, 0u64), (1, 1), (1, 2), (1, 3), (0, 0), (9999, 0), (1, 1 << 40)] {
                // The answer is kept and not returned, so that nothing is sent.
                let body =
                    format!("r1 = {ifindex}\nr2 = {flags:#x} ll\ncall bpf_redirect\nsave 0\nr0 = 2\nexit");
                bench.say(t, &format!("{prog_type} to {ifindex} {flags}"), prog_type, &body, &frame(60), 1);
            }
        }
    });
}

/// Runs with a context given and one asked for.
fn with_context(
    kernel: &Kernel,
    t: &mut Transcript,
    what: &str,
    prog_type: ProgType,
    text: &str,
    context: &[u8],
    room: usize,
) {
    let prog = crate::run::load(kernel, prog_type, text).unwrap();
    let (data, mut out) = (frame(60), vec![0; room]);
    let ctx_out = (room > 0).then_some(out.as_mut_slice());
    let req = ProgTestRun { data_in: &data, ctx_in: context, ctx_out, ..ProgTestRun::new(&prog) };
    let result = kernel.prog_test_run(req).map(|ran| (ran.retval, ran.ctx_size_out));
    t.say(what, (result, hex(&out)));
}

#[test]
fn contexts_go_in_and_out_alike() {
    both(|kernel, t| {
        let skb = "r0 = *(u32 *)(r1 + 8)\nr2 = 7\n*(u32 *)(r1 + 48) = r2\n*(u32 *)(r1 + 32) = r2\nexit";
        let mut context = [0u8; 192];
        with_context(kernel, t, "nothing in", ProgType::SCHED_CLS, skb, &[], 192);
        for (at, name) in [
            (0, "len"),
            (4, "pkt_type"),
            (8, "mark"),
            (12, "queue_mapping"),
            (16, "protocol"),
            (20, "vlan_present"),
            (32, "priority"),
            (36, "ingress_ifindex"),
            (40, "ifindex"),
            (44, "tc_index"),
            (48, "cb"),
            (64, "cb4"),
            (68, "hash"),
            (72, "tc_classid"),
            (76, "data"),
            (140, "data_meta"),
            (152, "tstamp"),
            (160, "wire_len"),
            (164, "gso_segs"),
            (176, "gso_size"),
            (184, "hwtstamp"),
        ] {
            context[at] = 1;
            with_context(kernel, t, name, ProgType::SCHED_CLS, skb, &context, 192);
            context[at] = 0;
        }
        let stamp = "r2 = 0x123456789 ll\n*(u64 *)(r1 + 152) = r2\nr0 = 0\nexit";
        with_context(kernel, t, "tstamp written", ProgType::SCHED_CLS, stamp, &[], 192);
        context[152] = 1;
        with_context(kernel, t, "tstamp in and written", ProgType::SCHED_CLS, stamp, &context, 192);
        for len in [1, 12, 76, 100, 192, 200] {
            let context = vec![0; len];
            with_context(kernel, t, &format!("{len} in"), ProgType::SCHED_CLS, skb, &context, 192);
            with_context(kernel, t, &format!("room for {len}"), ProgType::SCHED_CLS, skb, &[], len);
        }
        let xdp = "r0 = *(u32 *)(r1 + 4)\nr2 = *(u32 *)(r1 + 0)\nr0 -= r2\nexit";
        let words = |words: [u32; 6]| words.iter().flat_map(|w| w.to_ne_bytes()).collect::<Vec<u8>>();
        for context in [
            [0, 60, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0],
            [4, 60, 0, 0, 0, 0],
            [3, 60, 0, 0, 0, 0],
            [0, 59, 0, 0, 0, 0],
            [8, 60, 4, 0, 0, 0],
            [0, 60, 0, 1, 0, 0],
            [0, 60, 0, 0, 1, 0],
            [0, 60, 0, 0, 0, 1],
        ] {
            with_context(kernel, t, &format!("xdp {context:?}"), ProgType::XDP, xdp, &words(context), 24);
        }
        for len in [4, 12, 20, 24, 28] {
            let mut context = words([0, 60, 0, 0, 0, 0]);
            context.resize(len, 0);
            with_context(kernel, t, &format!("xdp {len} in"), ProgType::XDP, xdp, &context, 24);
            with_context(kernel, t, &format!("xdp room for {len}"), ProgType::XDP, xdp, &[], len);
        }
    });
}
