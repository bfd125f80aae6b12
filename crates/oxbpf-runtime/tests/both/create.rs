//! `BPF_MAP_CREATE` with good and bad parameters.

use oxbpf_kernel::{Kernel, MapCreate};
use oxbpf_uapi::MapType;

use crate::{Random, Transcript, both};

/// Map types that the embedded kernel has.
pub(crate) const TYPES: &[MapType] = &[
    MapType::HASH,
    MapType::ARRAY,
    MapType::PROG_ARRAY,
    MapType::PERF_EVENT_ARRAY,
    MapType::PERCPU_HASH,
    MapType::PERCPU_ARRAY,
    MapType::STACK_TRACE,
    MapType::LRU_HASH,
    MapType::LRU_PERCPU_HASH,
    MapType::LPM_TRIE,
    MapType::ARRAY_OF_MAPS,
    MapType::HASH_OF_MAPS,
    MapType::QUEUE,
    MapType::STACK,
    MapType::RINGBUF,
];

/// Parameters that a map of a type can be created with.
pub(crate) fn good(map_type: MapType) -> MapCreate<'static> {
    let (key_size, value_size, max_entries, map_flags) = match map_type {
        MapType::RINGBUF => (0, 0, 4096, 0),
        MapType::QUEUE | MapType::STACK => (0, 8, 8, 0),
        MapType::LPM_TRIE => (8, 8, 8, 1),
        MapType::STACK_TRACE => (4, 64, 8, 0),
        MapType::PROG_ARRAY | MapType::PERF_EVENT_ARRAY | MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS => {
            (4, 4, 8, 0)
        }
        _ => (4, 8, 8, 0),
    };
    MapCreate { map_type, key_size, value_size, max_entries, map_flags, map_name: "m", ..Default::default() }
}

const KEY_SIZES: &[u32] =
    &[0, 1, 2, 3, 4, 5, 8, 16, 200, 260, 261, 512, 513, 4096, 1 << 22, 1 << 31, u32::MAX];
const VALUE_SIZES: &[u32] =
    &[0, 1, 3, 4, 5, 7, 8, 16, 64, 1016, 1024, 4096, 32768, 32776, 1 << 19, (1 << 22) + 8, 1 << 31, u32::MAX];
const ENTRIES: &[u32] = &[0, 1, 2, 3, 7, 8, 100, 4095, 4096, 8192, 12288];

/// Bits of the flags; not that of stacks by build id, which are not served, nor those that are set by fields (type's BTF, token).
const FLAG_BITS: &[u32] = &[0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 17, 18, 19];

/// Creates a map and says how that went.
fn create(kernel: &Kernel, t: &mut Transcript, req: MapCreate<'_>) {
    let what = format!(
        "{} key {} value {} entries {} flags {:#x} extra {:#x} inner {}",
        req.map_type,
        req.key_size,
        req.value_size,
        req.max_entries,
        req.map_flags,
        req.map_extra,
        req.inner_map.is_some()
    );
    t.say(what, kernel.map_create(req).map(drop));
}

#[test]
fn one_bad_parameter_gives_the_kernels_error() {
    both(|kernel, t| {
        let inner = kernel.map_create(good(MapType::HASH)).unwrap();
        for map_type in TYPES {
            let holds_maps = matches!(*map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS);
            let good = MapCreate { inner_map: holds_maps.then_some(&inner), ..good(*map_type) };
            create(kernel, t, good);
            KEY_SIZES
                .iter()
                .for_each(|key_size| create(kernel, t, MapCreate { key_size: *key_size, ..good }));
            for value_size in VALUE_SIZES {
                create(kernel, t, MapCreate { value_size: *value_size, ..good });
            }
            for max_entries in ENTRIES {
                create(kernel, t, MapCreate { max_entries: *max_entries, ..good });
            }
            for bit in FLAG_BITS.iter().copied().chain(20..32) {
                create(kernel, t, MapCreate { map_flags: good.map_flags | 1 << bit, ..good });
                create(kernel, t, MapCreate { map_flags: good.map_flags ^ 1 << bit, map_extra: 1, ..good });
            }
            create(kernel, t, MapCreate { map_flags: good.map_flags | 0x18, ..good });
            create(kernel, t, MapCreate { map_flags: good.map_flags | 0x180, ..good });
            create(kernel, t, MapCreate { map_extra: 5, ..good });
            create(kernel, t, MapCreate { numa_node: 1, ..good });
            create(kernel, t, MapCreate { numa_node: 0, map_flags: good.map_flags | 4, ..good });
            create(kernel, t, MapCreate { numa_node: 99, map_flags: good.map_flags | 4, ..good });
            create(kernel, t, MapCreate { map_ifindex: 999, ..good });
            create(kernel, t, MapCreate { btf_key_type_id: 1, ..good });
            create(kernel, t, MapCreate { btf_value_type_id: 1, ..good });
            create(kernel, t, MapCreate { btf_vmlinux_value_type_id: 1, ..good });
            create(kernel, t, MapCreate { inner_map: (!holds_maps).then_some(&inner), ..good });
        }
    });
}

#[test]
fn parameters_picked_at_random_give_the_kernels_error() {
    both(|kernel, t| {
        let inner = kernel.map_create(good(MapType::ARRAY)).unwrap();
        let mut random = Random(1);
        for map_type in TYPES.iter().cycle().take(TYPES.len() * 150) {
            let mut req = good(*map_type);
            // Small sizes most of the time, since a bad one hides the rest.
            if random.below(2) == 0 {
                req.key_size = random.pick(KEY_SIZES);
            }
            if random.below(2) == 0 {
                req.value_size = random.pick(VALUE_SIZES);
            }
            if random.below(2) == 0 {
                req.max_entries = random.pick(ENTRIES);
            }
            for _ in 0..random.below(3) {
                req.map_flags ^= 1 << random.pick(FLAG_BITS);
            }
            // Per-CPU values of many entries take the kernel long to allocate.
            if req.value_size > 1 << 15 && req.max_entries > 8 {
                req.max_entries = 8;
            }
            if matches!(*map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS) == (random.below(16) != 0)
            {
                req.inner_map = Some(&inner);
            }
            create(kernel, t, req);
        }
    });
}

#[test]
fn what_maps_of_maps_may_hold() {
    both(|kernel, t| {
        for outer in [MapType::ARRAY_OF_MAPS, MapType::HASH_OF_MAPS] {
            for inner_type in TYPES {
                if matches!(*inner_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS) {
                    continue;
                }
                let inner = kernel.map_create(good(*inner_type)).unwrap();
                let result = kernel.map_create(MapCreate { inner_map: Some(&inner), ..good(outer) });
                t.say(format_args!("{outer} of {inner_type}"), result.map(drop));
            }
            let array = kernel.map_create(good(MapType::ARRAY)).unwrap();
            let nested = kernel.map_create(MapCreate { inner_map: Some(&array), ..good(outer) }).unwrap();
            let result = kernel.map_create(MapCreate { inner_map: Some(&nested), ..good(outer) });
            t.say(format_args!("{outer} of maps of maps"), result.map(drop));
        }
    });
}

#[test]
fn maps_that_are_too_large_are_refused_alike() {
    both(|kernel, t| {
        for map_type in TYPES {
            if *map_type == MapType::RINGBUF {
                // Sizes that are no power of two, or no multiple of the page.
                for max_entries in [1 << 11, 4096 * 3, u32::MAX, (1 << 31) + 4096] {
                    create(kernel, t, MapCreate { max_entries, ..good(*map_type) });
                }
            }
            if matches!(*map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS) {
                continue;
            }
            for (value_size, max_entries) in [(1 << 31, 1 << 31), (u32::MAX, u32::MAX), (1 << 30, 1 << 31)] {
                create(kernel, t, MapCreate { value_size, max_entries, ..good(*map_type) });
            }
        }
    });
}
