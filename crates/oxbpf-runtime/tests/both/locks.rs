//! Values with a `struct bpf_spin_lock`: copies that take it, and programs that do.

use oxbpf_btf::{BtfBuilder, IntFlags};
use oxbpf_kernel::{BtfFd, BtfLoad, Kernel, MapCreate};
use oxbpf_uapi::{MapType, ProgType};

use crate::batch::FLAGS;
use crate::both;
use crate::create::good;
use crate::elements::Subject;
use crate::packets::frame;
use crate::run::Bench;

/// BTF of `struct value { u64 a; struct bpf_spin_lock lock; u32 b; }`, and the ids of an int and of that.
fn value_btf(kernel: &Kernel) -> (BtfFd, u32, u32) {
    let mut btf = BtfBuilder::new();
    let int = btf.add_int("unsigned int", 4, IntFlags::NONE).unwrap();
    let long = btf.add_int("unsigned long", 8, IntFlags::NONE).unwrap();
    let lock = btf.add_struct("bpf_spin_lock", 4).unwrap();
    btf.add_field("val", int, 0, 0).unwrap();
    let value = btf.add_struct("value", 16).unwrap();
    btf.add_field("a", long, 0, 0).unwrap();
    btf.add_field("lock", lock, 64, 0).unwrap();
    btf.add_field("b", int, 96, 0).unwrap();
    let bytes = btf.to_bytes().unwrap();
    let loaded = kernel.btf_load(BtfLoad { btf: &bytes, ..Default::default() }).0.unwrap();
    (loaded, int.0, value.0)
}

fn with_lock<'a>(map_type: MapType, (btf, key, value): &'a (BtfFd, u32, u32)) -> MapCreate<'a> {
    let plain = MapCreate { value_size: 16, ..good(map_type) };
    MapCreate { btf: Some(btf), btf_key_type_id: *key, btf_value_type_id: *value, ..plain }
}

#[test]
fn copies_leave_the_lock_alone() {
    both(|kernel, t| {
        let types = value_btf(kernel);
        for map_type in [MapType::ARRAY, MapType::HASH] {
            let subject = Subject::new(kernel, with_lock(map_type, &types));
            t.say("type", map_type);
            for key in [0u32, 1, 0, 2] {
                for flags in [0u64, 1, 2, 4, 5, 6, 8, 12] {
                    let value = [key as u8 + 1; 16];
                    let result = kernel.map_update_elem(&subject.map, &key.to_ne_bytes(), &value, flags);
                    t.say(format_args!("update {key} {flags}"), result);
                    let mut out = [0xee; 16];
                    let result = kernel.map_lookup_elem(&subject.map, &key.to_ne_bytes(), &mut out, flags);
                    t.say(format_args!("look-up {key} {flags}"), (result, out));
                }
            }
            let mut out = [0xee; 16];
            let result = kernel.map_lookup_and_delete_elem(&subject.map, &[0; 4], &mut out, 4);
            t.say("take", (result, out));
            subject.dump(t);
            for (elem_flags, flags) in FLAGS {
                let keys: Vec<u8> = (0..3u32).flat_map(u32::to_ne_bytes).collect();
                let result = subject.update_batch(&keys, &[7; 48], 3, *elem_flags, *flags);
                t.say(format_args!("batch with {elem_flags:#x} {flags:#x}"), result);
                let read = subject.read_batch(false, None, 100, *elem_flags, *flags);
                t.say("batch", (read.result, read.count, read.pairs));
            }
            t.say("freeze", kernel.map_freeze(&subject.map));
        }
    });
}

#[test]
fn programs_take_the_lock() {
    both(|kernel, t| {
        let types = value_btf(kernel);
        for map_type in [MapType::ARRAY, MapType::HASH] {
            let mut bench = Bench::new(kernel);
            let map = bench.map("m", with_lock(map_type, &types));
            kernel.map_update_elem(&map, &[0; 4], &[1; 16], 0).unwrap();
            let find = "r1 = 0\n*(u32 *)(r10 -4) = r1\nr2 = r10\nr2 += -4\nr1 = $m\ncall bpf_map_lookup_elem\nif r0 == 0 goto out\nr7 = r0\n";
            let body = format!(
                "{find}r1 = r7\nr1 += 8\ncall bpf_spin_lock\nr1 = *(u64 *)(r7 + 0)\nr1 += 1\n*(u64 *)(r7 + 0) = r1\nr1 = r7\nr1 += 8\ncall bpf_spin_unlock\n\
                 r0 = *(u64 *)(r7 + 0)\nsave 0\nout: r0 = 0\nexit"
            );
            for round in 0..3 {
                bench.say(t, &format!("{map_type} {round}"), ProgType::SCHED_CLS, &body, &frame(60), 1);
            }
            // The lock's bytes are nobody's.
            let touched = format!("{find}r1 = *(u32 *)(r7 + 12)\nr0 = r1\nsave 0\nout: r0 = 0\nexit");
            bench.say(t, "what is behind it", ProgType::SCHED_CLS, &touched, &frame(60), 1);
            for flags in [0, 1, 2, 4, 6] {
                let update = format!(
                    "r1 = 0\n*(u32 *)(r10 -4) = r1\nr1 = 0x55 ll\n*(u64 *)(r10 -24) = r1\n*(u64 *)(r10 -16) = r1\nr1 = $m\nr2 = r10\nr2 += -4\nr3 = r10\nr3 += -24\nr4 = {flags}\n\
                     call bpf_map_update_elem\nsave 0\nr0 = 0\nexit"
                );
                bench.say(t, &format!("update {flags}"), ProgType::SCHED_CLS, &update, &frame(60), 1);
            }
            let mut out = [0; 16];
            t.say("then", (kernel.map_lookup_elem(&map, &[0; 4], &mut out, 0), out));
        }
    });
}
