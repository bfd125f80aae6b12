//! Elements of maps: look-ups, updates, deletions and walks, picked at random.

use oxbpf_kernel::{Kernel, MapCreate, MapDeleteElem, MapFd};
use oxbpf_uapi::{Errno, MapType};

use crate::create::good;
use crate::{Random, Transcript, both, hex, possible_cpus};

/// Operations on each map.
const OPERATIONS: usize = 2000;
/// Most elements of the maps, so that they are full at times; keys go beyond.
const ENTRIES: u32 = 8;

/// A map under test.
pub(crate) struct Subject<'k> {
    pub(crate) kernel: &'k Kernel,
    pub(crate) map: MapFd,
    pub(crate) map_type: MapType,
    pub(crate) key_size: usize,
    /// Bytes of a value as user space copies it.
    pub(crate) value_size: usize,
    /// Whether the kernel's order of keys is known.
    pub(crate) is_ordered: bool,
}

impl<'k> Subject<'k> {
    pub(crate) fn new(kernel: &'k Kernel, req: MapCreate<'_>) -> Self {
        let map = kernel.map_create(req).unwrap();
        let is_per_cpu =
            matches!(req.map_type, MapType::PERCPU_HASH | MapType::PERCPU_ARRAY | MapType::LRU_PERCPU_HASH);
        let value_size = match is_per_cpu {
            true => req.value_size.next_multiple_of(8) as usize * possible_cpus(kernel),
            false => req.value_size as usize,
        };
        let is_ordered = matches!(
            req.map_type,
            MapType::ARRAY
                | MapType::PERCPU_ARRAY
                | MapType::ARRAY_OF_MAPS
                | MapType::PROG_ARRAY
                | MapType::PERF_EVENT_ARRAY
                | MapType::LPM_TRIE
                | MapType::STACK_TRACE
        );
        Self { kernel, map, map_type: req.map_type, key_size: req.key_size as usize, value_size, is_ordered }
    }

    /// A key from a small set, some beyond an array's end.
    pub(crate) fn key(&self, random: &mut Random) -> Vec<u8> {
        let mut key = vec![0; self.key_size];
        if self.map_type == MapType::LPM_TRIE {
            let bits = random.pick(&[0, 1, 7, 8, 9, 15, 16, 24, 31, 32, 33]) as u32;
            key[..4].copy_from_slice(&bits.to_ne_bytes());
            for byte in &mut key[4..] {
                *byte = random.pick(&[0, 0x80, 0xff, 10]);
            }
            return key;
        }
        if let Some(first) = key.first_mut() {
            *first = random.below(ENTRIES as usize + 4) as u8;
        }
        key
    }

    fn value(&self, random: &mut Random) -> Vec<u8> {
        (0..self.value_size).map(|_| random.next() as u8).collect()
    }

    /// Every key, in the kernel's order if that is known.
    pub(crate) fn keys(&self) -> Result<Vec<Vec<u8>>, Errno> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        loop {
            let mut next = vec![0; self.key_size];
            match self.kernel.map_get_next_key(&self.map, keys.last().map(Vec::as_slice), &mut next) {
                Ok(()) if keys.len() < 10_000 => keys.push(next),
                Ok(()) => panic!("the walk does not end"),
                Err(Errno::ENOENT) => break,
                Err(errno) => return Err(errno),
            }
        }
        if !self.is_ordered {
            keys.sort();
        }
        Ok(keys)
    }

    /// Writes down every element.
    pub(crate) fn dump(&self, t: &mut Transcript) {
        let keys = self.keys();
        t.say("keys", keys.as_ref().map(|keys| keys.iter().map(|k| hex(k)).collect::<Vec<_>>()));
        for key in keys.unwrap_or_default() {
            let mut value = vec![0; self.value_size];
            let result = self.kernel.map_lookup_elem(&self.map, &key, &mut value, 0);
            t.say(hex(&key), result.map(|()| hex(&self.shown(&value))));
        }
    }

    /// The bytes of a value that have a meaning: what pads a CPU's value to 8 bytes is whatever was there.
    fn shown(&self, value: &[u8]) -> Vec<u8> {
        value.to_vec()
    }

    /// One operation picked at random.
    fn step(&self, random: &mut Random, t: &mut Transcript) {
        const FLAGS: &[u64] = &[0, 0, 0, 0, 0, 0, 1, 1, 2, 2, 3, 4, 5, 6, 8, 16, 1 << 32, u64::MAX];
        let (kernel, map) = (self.kernel, &self.map);
        let key = self.key(random);
        match random.below(20) {
            0..8 => {
                let (value, flags) = (self.value(random), random.pick(FLAGS));
                let result = kernel.map_update_elem(map, &key, &value, flags);
                t.say(format_args!("update {} = {} {flags:#x}", hex(&key), hex(&value)), result);
            }
            8..12 => {
                let flags = random.pick(&[0, 0, 0, 0, 0, 0, 1, 4, 8, 1 << 32]);
                let mut value = vec![0xee; self.value_size];
                let result = kernel.map_lookup_elem(map, &key, &mut value, flags);
                t.say(
                    format_args!("lookup {} {flags:#x}", hex(&key)),
                    result.map(|()| hex(&self.shown(&value))),
                );
            }
            12..15 => {
                let flags = random.pick(&[0, 0, 0, 0, 0, 1, 4]);
                let mut cmd = oxbpf_kernel::Command::MapDeleteElem(MapDeleteElem { map, key: &key, flags });
                t.say(format_args!("delete {} {flags:#x}", hex(&key)), kernel.bpf(&mut cmd).map(drop));
            }
            15..17 => {
                let flags = random.pick(&[0, 0, 0, 0, 0, 1, 4, 8]);
                let mut value = vec![0xee; self.value_size];
                let result = kernel.map_lookup_and_delete_elem(map, &key, &mut value, flags);
                t.say(
                    format_args!("take {} {flags:#x}", hex(&key)),
                    result.map(|()| hex(&self.shown(&value))),
                );
            }
            17..19 => {
                let key = (random.below(4) != 0).then_some(key);
                let mut next = vec![0xee; self.key_size];
                let result = kernel.map_get_next_key(map, key.as_deref(), &mut next);
                let next = result.map(|()| if self.is_ordered { hex(&next) } else { "a key".to_owned() });
                // After a key of a map without order there may be others or none.
                let is_said =
                    self.is_ordered || key.is_none() || matches!(result, Err(e) if e != Errno::ENOENT);
                if is_said {
                    t.say(format_args!("next of {}", key.as_deref().map_or("nothing".to_owned(), hex)), next);
                }
            }
            _ => self.dump(t),
        }
    }
}

/// Runs the operations on a map.
fn check(req: MapCreate<'static>, seed: u64) {
    both(|kernel, t| {
        let subject = Subject::new(kernel, req);
        let mut random = Random(seed);
        (0..OPERATIONS).for_each(|_| subject.step(&mut random, t));
        subject.dump(t);
    });
}

#[test]
fn arrays_do_as_the_kernels() {
    check(good(MapType::ARRAY), 1);
    check(MapCreate { value_size: 3, ..good(MapType::ARRAY) }, 2);
    check(MapCreate { value_size: 13, max_entries: 5, ..good(MapType::PERCPU_ARRAY) }, 3);
    check(good(MapType::PERCPU_ARRAY), 4);
}

#[test]
fn hash_tables_do_as_the_kernels() {
    check(good(MapType::HASH), 1);
    check(MapCreate { key_size: 7, value_size: 3, map_flags: 1, ..good(MapType::HASH) }, 2);
    check(good(MapType::PERCPU_HASH), 3);
    check(MapCreate { value_size: 5, map_flags: 1, ..good(MapType::PERCPU_HASH) }, 4);
}

/// With so many entries nothing is evicted.
#[test]
fn lru_hash_tables_do_as_the_kernels_until_they_are_full() {
    check(MapCreate { max_entries: 2048, ..good(MapType::LRU_HASH) }, 1);
    check(MapCreate { max_entries: 2048, map_flags: 2, ..good(MapType::LRU_HASH) }, 2);
    check(MapCreate { max_entries: 2048, ..good(MapType::LRU_PERCPU_HASH) }, 3);
}

#[test]
fn lpm_tries_do_as_the_kernels() {
    check(good(MapType::LPM_TRIE), 1);
    check(MapCreate { max_entries: 100, ..good(MapType::LPM_TRIE) }, 2);
    check(MapCreate { key_size: 7, value_size: 1, ..good(MapType::LPM_TRIE) }, 3);
}

#[test]
fn queues_and_stacks_do_as_the_kernels() {
    check(good(MapType::QUEUE), 1);
    check(good(MapType::STACK), 2);
    check(MapCreate { value_size: 3, max_entries: 1, ..good(MapType::QUEUE) }, 3);
}

#[test]
fn maps_without_elements_of_user_space_do_as_the_kernels() {
    check(good(MapType::RINGBUF), 1);
    check(good(MapType::STACK_TRACE), 2);
}

#[test]
fn a_lru_hash_table_that_is_full_takes_more() {
    both(|kernel, t| {
        let req = MapCreate { max_entries: 100, ..good(MapType::LRU_HASH) };
        let map = kernel.map_create(req).unwrap();
        for i in 0..1000u32 {
            let result = kernel.map_update_elem(&map, &i.to_ne_bytes(), &[1; 8], 1);
            t.say(i, result);
        }
        // The newest is never the one that goes.
        let mut value = [0; 8];
        t.say("newest", kernel.map_lookup_elem(&map, &999u32.to_ne_bytes(), &mut value, 0));
        t.say("oldest", kernel.map_lookup_elem(&map, &0u32.to_ne_bytes(), &mut value, 0));
    });
}

#[test]
fn access_flags_and_freezing_deny_the_same() {
    both(|kernel, t| {
        for map_type in
            [MapType::ARRAY, MapType::HASH, MapType::LPM_TRIE, MapType::QUEUE, MapType::PERCPU_ARRAY]
        {
            for (flags, freeze) in
                [(8, false), (16, false), (0, true), (0x80, true), (8, true), (0x100, false)]
            {
                let good = good(map_type);
                let subject = Subject::new(kernel, MapCreate { map_flags: good.map_flags | flags, ..good });
                t.say("map", (map_type, flags, freeze));
                let mut random = Random(5);
                if freeze {
                    (0..10).for_each(|_| subject.step(&mut random, t));
                    t.say("freeze", kernel.map_freeze(&subject.map));
                    t.say("freeze again", kernel.map_freeze(&subject.map));
                }
                (0..60).for_each(|_| subject.step(&mut random, t));
            }
        }
        for map_type in
            [MapType::RINGBUF, MapType::PROG_ARRAY, MapType::STACK_TRACE, MapType::PERF_EVENT_ARRAY]
        {
            let map = kernel.map_create(good(map_type)).unwrap();
            t.say(format_args!("freeze {map_type}"), kernel.map_freeze(&map));
        }
    });
}
