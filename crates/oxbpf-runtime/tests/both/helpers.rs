//! What helpers give programs: maps, strings, formats, loops, tail calls, rings.

use oxbpf_kernel::{Kernel, MapCreate, ProgTestRun};
use oxbpf_uapi::{Errno, MapType, ProgType};

use crate::create::good;
use crate::run::{Bench, WORDS};
use crate::{Random, Transcript, both};

const RAW: ProgType = ProgType::RAW_TRACEPOINT;

/// Puts an 8-byte number at an offset of the stack.
fn on_stack(offset: i32, value: u64) -> String {
    format!("r1 = {value:#x} ll\n*(u64 *)(r10 {offset}) = r1\n")
}

fn address(register: u8, offset: i32) -> String {
    format!("r{register} = r10\nr{register} += {offset}\n")
}

/// One helper call on map `$m`, its result in a word.
fn map_call(random: &mut Random, map_type: MapType, word: usize) -> String {
    let key = match map_type {
        // A prefix of an address.
        MapType::LPM_TRIE => {
            random.pick(&[0u64, 8, 9, 16, 32, 33]) | random.pick(&[0u64, 0x80, 0x0a80]) << 32
        }
        _ => random.below(11) as u64,
    };
    let flags = random.pick(&[0u64, 0, 0, 0, 1, 2, 3, 4, 8, 1 << 33]);
    let setup = on_stack(-8, key) + &on_stack(-16, random.next() >> 40) + "r1 = $m\n";
    let flag = format!("{flags:#x} ll");
    let is_queue = matches!(map_type, MapType::QUEUE | MapType::STACK);
    let call = match (is_queue, random.below(if map_type == MapType::PERCPU_ARRAY { 5 } else { 8 })) {
        (true, 0..3) => address(2, -16) + &format!("r3 = {flag}\ncall bpf_map_push_elem\nsave {word}"),
        (true, n) => {
            let helper = if n < 5 { "pop" } else { "peek" };
            address(2, -16)
                + &format!(
                    "call bpf_map_{helper}_elem\nsave {word}\nr0 = *(u64 *)(r10 -16)\nsave {}",
                    word + 1
                )
        }
        (false, 0..3) => {
            address(2, -8) + &address(3, -16) + &format!("r4 = {flag}\ncall bpf_map_update_elem\nsave {word}")
        }
        (false, 3..6) => {
            let read = format!("if r0 == 0 goto n{word}\nr0 = *(u64 *)(r0 + 0)\nr0 += 7\nn{word}: r8 = r0\n");
            address(2, -8) + "call bpf_map_lookup_elem\n" + &read + &format!("r0 = r8\nsave {word}")
        }
        (false, _) => address(2, -8) + &format!("call bpf_map_delete_elem\nsave {word}"),
    };
    format!("{setup}{call}\n")
}

#[test]
fn map_helpers_answer_alike() {
    both(|kernel, t| {
        for map_type in [
            MapType::HASH,
            MapType::ARRAY,
            MapType::PERCPU_HASH,
            MapType::PERCPU_ARRAY,
            MapType::LRU_HASH,
            MapType::LPM_TRIE,
            MapType::QUEUE,
            MapType::STACK,
        ] {
            let mut random = Random(21);
            for round in 0..4 {
                let mut bench = Bench::new(kernel);
                let max_entries = if map_type == MapType::LRU_HASH { 2048 } else { 4 };
                bench.map("m", MapCreate { max_entries, ..good(map_type) });
                let calls: String = (0..WORDS / 2).map(|i| map_call(&mut random, map_type, 2 * i)).collect();
                let body = calls + "r0 = 1\nexit";
                bench.say(t, &format!("{map_type} {round}"), RAW, &body, &[], WORDS);
            }
        }
    });
}

#[test]
fn numbers_are_parsed_alike() {
    const TEXTS: &[&str] = &[
        "0",
        "1",
        "-1",
        "+1",
        "007",
        "08",
        "0x1f",
        "0X1F",
        "0x",
        "0xg",
        " 12",
        "\t\n 12x",
        "12 ",
        "",
        " ",
        "-",
        "--1",
        "- 1",
        "1-",
        "a",
        "ff",
        "9223372036854775807",
        "9223372036854775808",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "99999999999999999999999",
        "0x7fffffffffffffff",
        "0xffffffffffffffff",
        "0x10000000000000000",
        "0777777777777777777777",
        "-0x10",
        "1_000",
        "3.5",
        "-0",
        "00",
        "0b11",
    ];
    both(|kernel, t| {
        let mut bench = Bench::new(kernel);
        let mut bytes = Vec::new();
        for text in TEXTS {
            let mut cell = text.as_bytes().to_vec();
            cell.resize(32, 0);
            bytes.extend(cell);
        }
        bench.constant("in", &bytes);
        for helper in ["strtol", "strtoul"] {
            for base in [0u64, 8, 10, 16, 2, 1 << 6, 10 | 1 << 32] {
                let body: String = TEXTS
                    .iter()
                    .enumerate()
                    .map(|(i, text)| {
                        let len = if i % 2 == 0 { text.len().max(1) } else { 32 };
                        format!(
                            "{}r1 = $in+{}\nr2 = {len}\nr3 = {base:#x} ll\n{}call bpf_{helper}\nsave {}\nr0 = *(u64 *)(r10 -8)\nsave {}\n",
                            on_stack(-8, 77),
                            32 * i,
                            address(4, -8),
                            2 * i,
                            2 * i + 1
                        )
                    })
                    .collect();
                let what = format!("{helper} base {base:#x}");
                bench.say(t, &what, RAW, &(body + "r0 = 0\nexit"), &[], 2 * TEXTS.len());
            }
        }
    });
}

#[test]
fn strings_compare_alike() {
    let texts = ["abc\0....", "abd\0....", "ab\0.....", "\0.......", "abcdefg\0", "\u{7f}bc\0...."];
    both(|kernel, t| {
        let mut bench = Bench::new(kernel);
        bench.constant("in", texts.concat().as_bytes());
        for one in 0..texts.len() {
            for two in 0..texts.len() {
                for len in [1, 2, 3, 4, 8] {
                    let (one, two) = (8 * one, 8 * two);
                    let body = format!(
                        "r1 = $in+{one}\nr2 = {len}\nr3 = $in+{two}\ncall bpf_strncmp\nsave 0\nr0 = 0\nexit"
                    );
                    bench.say(t, &format!("{one} {two} {len}"), RAW, &body, &[], 1);
                }
            }
        }
    });
}

/// Formats with arguments; a string argument is the address of one in map `in`.
const FORMATS: &[(&str, &[u64])] = &[
    ("plain", &[]),
    ("", &[]),
    ("%d", &[5]),
    ("%d %d %d", &[1, u64::MAX, 1 << 40 | 3]),
    ("%i|%u|%x|%X", &[u64::MAX, u64::MAX, 0xabc, 0xabc]),
    ("%ld %lu %lx %lld %llu %llx %lX", &[u64::MAX, u64::MAX, u64::MAX, 1 << 63, 1 << 63, 1 << 63, 10]),
    ("%5d|%-5d|%05d|%+d|% d", &[42, 42, 42, 42, 42]),
    ("%5d|%-5d|%05d|%+d|% d", &[u64::MAX, u64::MAX, u64::MAX, u64::MAX, u64::MAX]),
    ("%#x|%#X|%#lx|%#10x|%#010x|%-#10x|", &[255, 255, 255, 255, 255, 255]),
    ("%#x %#lx", &[0, 0]),
    ("%c%c%c", &[65, 66, 10]),
    ("[%3c][%-3c]", &[65, 66]),
    ("100%%", &[]),
    ("%%d %d", &[3]),
    ("%s", &[STRING]),
    ("%s and %s", &[STRING, STRING]),
    ("[%10s][%-10s][%2s]", &[STRING, STRING, STRING]),
    ("%pks|%s", &[STRING, 0]),
    ("%s", &[1]),
    ("%px", &[0xdead_beef]),
    ("%px|%30px|", &[0, 1 << 63]),
    ("%pi4 %pI4", &[STRING, STRING]),
    ("%pI6 %pi6", &[STRING, STRING]),
    ("%.3d", &[1]),
    ("%.3s", &[STRING]),
    ("%hd", &[1]),
    ("%hhd", &[1]),
    ("%f", &[1]),
    ("%n", &[1]),
    ("%o", &[8]),
    ("%p", &[0]),
    ("%pK", &[0]),
    ("%pz", &[0]),
    ("%pI5", &[0]),
    ("%", &[]),
    ("%d %", &[1]),
    ("%l", &[1]),
    ("%lld", &[1]),
    ("%llld", &[1]),
    ("%ll", &[1]),
    ("%d", &[]),
    ("%d", &[1, 2]),
    ("%ds", &[1]),
    ("%d%s%c", &[1, STRING, 67]),
    ("tab\tnewline\n", &[]),
    ("\u{1}", &[]),
    ("é", &[]),
    ("%s%s%s%s%s%s%s%s%s%s%s%s", &[STRING; 12]),
    ("%d%d%d%d%d%d%d%d%d%d%d%d%d", &[1; 13]),
    ("%*d", &[5, 1]),
    ("%-05d|", &[3]),
    ("%0-5d|", &[3]),
    ("%+ d|", &[3]),
    ("%99d|", &[3]),
    ("%200d|", &[3]),
];

/// Stands for the address of a string.
const STRING: u64 = 0xfeed_feed_feed_feed;

/// Puts arguments on the stack, from `-8 * n`.
fn arguments(args: &[u64]) -> String {
    let mut text = String::new();
    for (i, arg) in args.iter().enumerate() {
        let at = -8 * (args.len() as i32 - i as i32);
        match *arg {
            STRING => text.push_str(&format!("r1 = $in+0\n*(u64 *)(r10 {at}) = r1\n")),
            value => text.push_str(&on_stack(at, value)),
        }
    }
    text
}

/// Where Linux refuses to load, the embedded kernel may refuse to run: the format is not known to its verifier.
fn format_outcome(bench: &Bench<'_>, body: &str) -> (Result<i64, Errno>, Vec<u8>) {
    match bench.load(RAW, body) {
        Err(errno) => (Err(errno), Vec::new()),
        Ok(prog) => {
            let words = bench.run(&prog, &[]).words;
            let text: Vec<u8> = words[1..].iter().flat_map(|w| w.to_ne_bytes()).collect();
            let end = text.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
            match words[0] as i64 {
                -22 => (Err(Errno::EINVAL), Vec::new()),
                r0 => (Ok(r0), text[..end].to_vec()),
            }
        }
    }
}

#[test]
fn formats_print_alike() {
    both(|kernel, t| {
        for (format, args) in FORMATS {
            let mut bench = Bench::new(kernel);
            bench.constant("format", &[format.as_bytes(), &[0]].concat());
            bench.constant("in", b"string of 22 characters\0");
            let len = 8 * args.len();
            let args_at = if args.is_empty() { "r4 = 0\n".to_owned() } else { address(4, -(len as i32)) };
            for size in [200, 5, 1, 0] {
                let body = format!(
                    "{}r1 = r9\nr1 += 8\nr2 = {size}\nr3 = $format+0\n{args_at}r5 = {len}\ncall bpf_snprintf\nsave 0\nr0 = 0\nexit",
                    arguments(args)
                );
                let (result, text) = format_outcome(&bench, &body);
                t.say(format_args!("{format:?} in {size}"), (result, String::from_utf8_lossy(&text)));
            }
        }
    });
}

#[test]
fn printed_lines_have_the_same_length() {
    both(|kernel, t| {
        for (format, args) in FORMATS.iter().filter(|(_, args)| args.len() <= 3) {
            let mut bench = Bench::new(kernel);
            bench.constant("format", &[format.as_bytes(), &[0]].concat());
            bench.constant("in", b"string of 22 characters\0");
            let mut body = String::new();
            for (register, arg) in (3..).zip(*args) {
                match *arg {
                    STRING => body.push_str(&format!("r{register} = $in+0\n")),
                    value => body.push_str(&format!("r{register} = {value:#x} ll\n")),
                }
            }
            for register in 3 + args.len()..6 {
                body.push_str(&format!("r{register} = 0\n"));
            }
            let len = format.len();
            for size in [len + 1, len.max(1)] {
                let print =
                    format!("{body}r1 = $format+0\nr2 = {size}\ncall bpf_trace_printk\nsave 0\nr0 = 0\nexit");
                bench.say(t, &format!("{format:?} of {size}"), RAW, &print, &[], 1);
            }
            let len = 8 * args.len();
            let args_at = if args.is_empty() { "r3 = 0\n".to_owned() } else { address(3, -(len as i32)) };
            let print = format!(
                "{}r1 = $format+0\nr2 = {}\n{args_at}r4 = {len}\ncall bpf_trace_vprintk\nsave 0\nr0 = 0\nexit",
                arguments(args),
                format.len() + 1
            );
            bench.say(t, &format!("{format:?} from an array"), RAW, &print, &[], 1);
        }
    });
}

#[test]
fn loops_count_alike() {
    both(|kernel, t| {
        let bench = Bench::new(kernel);
        for count in [0u64, 1, 5, 1000, 1 << 23, (1 << 23) + 1, u64::from(u32::MAX), 1 << 32 | 3] {
            for stop in [0, 1, 3, 10_000_000] {
                for flags in [0, 1] {
                    if count == 1 << 23 && stop > 3 {
                        continue;
                    }
                    let body = format!(
                        "{}r1 = {count:#x} ll\nr2 = turn ll\n{}r4 = {flags}\ncall bpf_loop\nsave 0\nr0 = *(u64 *)(r10 -8)\nsave 1\nr0 = 9\nexit\n\
                         turn: r3 = *(u64 *)(r2 + 0)\nr3 += r1\n*(u64 *)(r2 + 0) = r3\nr0 = 0\nif r1 < {stop} goto over\nr0 = 1\nover: exit",
                        on_stack(-8, 100),
                        address(3, -8),
                    );
                    bench.say(
                        t,
                        &format!("{count:#x} turns, stop at {stop}, flags {flags}"),
                        RAW,
                        &body,
                        &[],
                        2,
                    );
                }
            }
        }
    });
}

#[test]
fn walks_over_maps_visit_every_element() {
    both(|kernel, t| {
        for map_type in [MapType::ARRAY, MapType::HASH, MapType::LRU_HASH, MapType::PERCPU_ARRAY] {
            for (stop, flags) in [(100, 0), (3, 0), (0, 0), (100, 1)] {
                let mut bench = Bench::new(kernel);
                let map = bench.map("m", MapCreate { max_entries: 16, ..good(map_type) });
                if map_type != MapType::PERCPU_ARRAY {
                    for i in 0..10u32 {
                        kernel.map_update_elem(&map, &i.to_ne_bytes(), &[i as u8; 8], 0).unwrap();
                    }
                }
                // The sum of keys is that of a set; with an early stop only how many is the same on every kernel.
                let body = format!(
                    "*(u64 *)(r10 -8) = r9\nr1 = $m\nr2 = each ll\nr3 = r10\nr3 += -8\nr4 = {flags}\ncall bpf_for_each_map_elem\nsave 0\nr0 = 0\nexit\n\
                     each: r4 = *(u64 *)(r4 + 0)\nr5 = *(u64 *)(r4 + 8)\nr5 += 1\n*(u64 *)(r4 + 8) = r5\nr0 = 0\nif r5 < {stop} goto over\nr0 = 1\nover: exit"
                );
                bench.say(t, &format!("{map_type} stop {stop} flags {flags}"), RAW, &body, &[], 2);
            }
        }
    });
}

#[test]
fn walks_may_delete_what_they_see() {
    both(|kernel, t| {
        let mut bench = Bench::new(kernel);
        let map = bench.map("m", MapCreate { max_entries: 16, ..good(MapType::HASH) });
        for i in 0..10u32 {
            kernel.map_update_elem(&map, &i.to_ne_bytes(), &[i as u8; 8], 0).unwrap();
        }
        let body = "r1 = $m\nr2 = each ll\nr3 = 0\nr4 = 0\ncall bpf_for_each_map_elem\nsave 0\nr0 = 0\nexit\n\
                    each: r6 = *(u32 *)(r2 + 0)\n*(u32 *)(r10 -4) = r6\nr2 = r10\nr2 += -4\ncall bpf_map_delete_elem\nr0 = 0\nexit";
        bench.say(t, "delete all", RAW, body, &[], 1);
        t.say("what is left", kernel.map_get_next_key(&map, None, &mut [0; 4]));
    });
}

#[test]
fn tail_calls_end_alike() {
    both(|kernel, t| {
        let mut bench = Bench::new(kernel);
        let progs = bench.map("progs", good(MapType::PROG_ARRAY));
        // Counts its runs in word 0 and calls itself.
        let again = "r1 = *(u64 *)(r9 + 0)\nr1 += 1\n*(u64 *)(r9 + 0) = r1\nr1 = r6\nr2 = $progs\nr3 = 0\ncall bpf_tail_call\nr0 = 5\nexit";
        let prog = bench.load(RAW, again).unwrap();
        kernel.map_update_elem(&progs, &[0; 4], &prog.number().to_ne_bytes(), 0).unwrap();
        bench.say(t, "itself", RAW, again, &[], 1);
        let leaf = bench.load(RAW, "r0 = 8\nsave 1\nr0 = 3\nexit").unwrap();
        kernel.map_update_elem(&progs, &1u32.to_ne_bytes(), &leaf.number().to_ne_bytes(), 0).unwrap();
        for index in [1u64, 2, 7, 8, 100, 1 << 32 | 1, u64::MAX] {
            let body = format!("r1 = r6\nr2 = $progs\nr3 = {index:#x} ll\ncall bpf_tail_call\nr0 = 6\nexit");
            bench.say(t, &format!("index {index:#x}"), RAW, &body, &[], 2);
        }
        let from_function =
            "r1 = r6\ncall f\nr0 += 100\nexit\nf: r2 = $progs\nr3 = 1\ncall bpf_tail_call\nr0 = 6\nexit";
        bench.say(t, "from a function", RAW, from_function, &[], 2);
        // Another type of program does not get in, and what was put in first decides the type.
        let other = crate::run::load(kernel, ProgType::XDP, "r0 = 2\nexit").unwrap();
        t.say(
            "another type",
            kernel.map_update_elem(&progs, &[2, 0, 0, 0], &other.number().to_ne_bytes(), 0),
        );
        let xdp = bench
            .load(ProgType::XDP, "r1 = r6\nr2 = $progs\nr3 = 1\ncall bpf_tail_call\nr0 = 6\nexit")
            .map(drop);
        t.say("another type's user", xdp);
    });
}

#[test]
fn rings_fill_up_alike() {
    both(|kernel, t| {
        for (size, len) in
            [(4096u32, 8u64), (4096, 1000), (4096, 1), (4096, 4088), (4096, 4089), (4096, 4080), (8192, 4096)]
        {
            let mut bench = Bench::new(kernel);
            bench.map("ring", MapCreate { max_entries: size, ..good(MapType::RINGBUF) });
            let query = |first: usize| -> String {
                (0..5)
                    .map(|i| format!("r1 = $ring\nr2 = {i}\ncall bpf_ringbuf_query\nsave {}\n", first + i))
                    .collect()
            };
            let mut body = String::new();
            for i in 0..6 {
                let end = ["submit", "discard"][i % 2];
                body += &format!(
                    "r1 = $ring\nr2 = {len}\nr3 = 0\ncall bpf_ringbuf_reserve\nr8 = r0\nr0 = 0\nif r8 == 0 goto none{i}\n\
                     *(u8 *)(r8 + 0) = {i}\nr1 = r8\nr2 = {}\ncall bpf_ringbuf_{end}\nr0 = 1\nnone{i}: save {i}\n",
                    i % 3
                );
            }
            body += &query(10);
            for i in 0..4 {
                body += &format!(
                    "r1 = $ring\nr2 = r9\nr3 = {}\nr4 = {i}\ncall bpf_ringbuf_output\nsave {}\n",
                    len.min(1000),
                    20 + i
                );
            }
            body += &format!(
                "r1 = $ring\nr2 = r9\nr3 = 8\nr4 = 4\ncall bpf_ringbuf_output\nsave 30\n{}r0 = 0\nexit",
                query(32)
            );
            let what = format!("{len} in {size}");
            let prog = bench.load(RAW, &body).unwrap();
            for round in 0..30 {
                let outcome = bench.run(&prog, &[]);
                t.say(format_args!("{what}, {round}"), (outcome.result, &outcome.words[..40]));
            }
        }
    });
}

#[test]
fn events_are_output_alike() {
    both(|kernel, t| {
        let mut bench = Bench::new(kernel);
        bench.map("events", good(MapType::PERF_EVENT_ARRAY));
        for flags in [0u64, 1, 7, 8, 100, 0xffff_ffff, 1 << 32, 1 << 52, 1 << 63, 1 << 63 | 3] {
            let body = format!(
                "r1 = r6\nr2 = $events\nr3 = {flags:#x} ll\nr4 = r9\nr5 = 16\ncall bpf_perf_event_output\nsave 0\nr0 = 0\nexit"
            );
            bench.say(t, &format!("no event, {flags:#x}"), RAW, &body, &[], 1);
            bench.say(t, &format!("no event, packet, {flags:#x}"), ProgType::SCHED_CLS, &body, &[0; 64], 1);
        }
    });
}

#[test]
fn clocks_go_forward_and_tasks_are_this_one() {
    both(|kernel, t| {
        let bench = Bench::new(kernel);
        for clock in
            ["ktime_get_ns", "ktime_get_boot_ns", "ktime_get_tai_ns", "ktime_get_coarse_ns", "jiffies64"]
        {
            let body = format!(
                "call bpf_{clock}\nr7 = r0\ncall bpf_{clock}\nr8 = r0\nr0 = 0\nif r7 > r8 goto back\nr0 = 1\nback: save 0\nr0 = 0\nexit"
            );
            bench.say(t, clock, RAW, &body, &[], 1);
        }
        let ids = "call bpf_get_current_pid_tgid\nr0 >>= 32\nsave 0\ncall bpf_get_current_uid_gid\nsave 1\ncall bpf_get_numa_node_id\nsave 2\nr0 = 0\nexit";
        bench.say(t, "ids", RAW, ids, &[], 3);
        for size in [1, 4, 15, 16, 20] {
            let comm =
                format!("r1 = r9\nr1 += 8\nr2 = {size}\ncall bpf_get_current_comm\nsave 0\nr0 = 0\nexit");
            bench.say(t, &format!("comm in {size}"), RAW, &comm, &[], 1);
        }
    });
}

#[test]
fn probes_read_what_there_is() {
    both(|kernel, t| {
        let mut bench = Bench::new(kernel);
        bench.constant("in", b"kernel string\0more\0");
        for helper in [
            "probe_read_kernel",
            "probe_read_kernel_str",
            "probe_read_user",
            "probe_read_user_str",
            "probe_read",
            "probe_read_str",
        ] {
            for size in [0, 1, 5, 14, 19, 40] {
                for address in ["$in+0", "0 ll", "1 ll", "0xffff000000000000 ll"] {
                    // What lies beyond the map's value is not the same.
                    if address == "$in+0" && size > 19 && !helper.ends_with("str") {
                        continue;
                    }
                    let body = format!(
                        "r0 = -1\nsave 1\nsave 2\nsave 3\nsave 4\nsave 5\nr1 = r9\nr1 += 8\nr2 = {size}\nr3 = {address}\ncall bpf_{helper}\nsave 0\nr0 = 0\nexit"
                    );
                    // User space's helpers on a kernel address and the reverse, too.
                    bench.say(t, &format!("{helper} {size} at {address}"), RAW, &body, &[], 6);
                }
            }
        }
    });
}

fn raw_run(kernel: &Kernel, t: &mut Transcript, what: &str, change: impl Fn(&mut ProgTestRun<'_>)) {
    let bench = Bench::new(kernel);
    let body = "r0 = *(u64 *)(r6 + 0)\nsave 0\nr0 = *(u64 *)(r6 + 88)\nsave 1\nr0 = *(u64 *)(r6 + 0)\nexit";
    let prog = bench.load(RAW, body).unwrap();
    let mut req = ProgTestRun::new(&prog);
    change(&mut req);
    let result = kernel.prog_test_run(req);
    t.say(what, result.map(|ran| (ran.retval, ran.data_size_out, ran.ctx_size_out)));
}

#[test]
fn test_runs_of_raw_tracepoints_check_their_parameters() {
    static CONTEXT: [u8; 200] = [7; 200];
    both(|kernel, t| {
        // A context that is shorter than what the program reads is refused by Linux when the run begins, and trapped here when it is
        // read.
        for len in [96, 97, 104, 200] {
            raw_run(kernel, t, &format!("context of {len}"), |req| req.ctx_in = &CONTEXT[..len]);
        }
        for flags in [1, 2, 3, 4] {
            for cpu in [0, 1, 10_000] {
                raw_run(kernel, t, &format!("flags {flags} cpu {cpu}"), |req| {
                    (req.flags, req.cpu, req.ctx_in) = (flags, cpu, &CONTEXT[..96]);
                });
            }
        }
        raw_run(kernel, t, "cpu without its flag", |req| (req.cpu, req.ctx_in) = (1, &CONTEXT[..96]));
        raw_run(kernel, t, "data", |req| (req.data_in, req.ctx_in) = (&CONTEXT, &CONTEXT[..96]));
        raw_run(kernel, t, "repeat", |req| (req.repeat, req.ctx_in) = (5, &CONTEXT[..96]));
        raw_run(kernel, t, "batch", |req| (req.batch_size, req.ctx_in) = (5, &CONTEXT[..96]));
        for (name, prog_type) in [
            ("kprobe", ProgType::KPROBE),
            ("tracepoint", ProgType::TRACEPOINT),
            ("perf", ProgType::PERF_EVENT),
        ] {
            let prog = crate::run::load(kernel, prog_type, "r0 = 0\nexit").unwrap();
            t.say(name, kernel.prog_test_run(ProgTestRun::new(&prog)).map(drop));
        }
    });
}

#[test]
fn test_runs_of_syscall_programs_check_their_parameters() {
    both(|kernel, t| {
        let insns =
            oxbpf_asm::asm::parse("r2 = *(u32 *)(r1 + 0)\nr2 += 1\n*(u32 *)(r1 + 4) = r2\nr0 = 3\nexit")
                .unwrap();
        let req = oxbpf_kernel::ProgLoad {
            prog_type: ProgType::SYSCALL,
            insns: &insns,
            license: "GPL",
            prog_flags: 1 << 4,
            ..Default::default()
        };
        let prog = kernel.prog_load(req).0.unwrap();
        // Linux has no output context: it writes to where the input came from. Here `ctx_out` receives it.
        for len in [8, 16, 1000, 65_536, 100_000] {
            let context = vec![9; len];
            let req = ProgTestRun { ctx_in: &context, ..ProgTestRun::new(&prog) };
            t.say(format_args!("{len} in"), kernel.prog_test_run(req).map(|ran| ran.retval));
        }
        let run = |t: &mut Transcript, what: &str, change: &dyn Fn(&mut ProgTestRun<'_>)| {
            let mut req = ProgTestRun { ctx_in: &[9; 8], ..ProgTestRun::new(&prog) };
            change(&mut req);
            t.say(what, kernel.prog_test_run(req).map(|ran| ran.retval));
        };
        run(t, "flags", &|req| req.flags = 1);
        run(t, "repeat", &|req| req.repeat = 2);
        run(t, "cpu", &|req| req.cpu = 1);
        run(t, "data", &|req| req.data_in = &[0; 20]);
    });
}
