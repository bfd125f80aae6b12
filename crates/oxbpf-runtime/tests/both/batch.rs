//! Many elements at once.

use oxbpf_kernel::{Command, Kernel, MapCreate, MapDeleteBatch, MapLookupBatch, MapUpdateBatch};
use oxbpf_uapi::{Errno, MapType};

use crate::create::{TYPES, good};
use crate::elements::Subject;
use crate::{Random, Transcript, both, hex};

/// What one batch read: keys and values, sorted where the kernel has no order, and the position.
pub(crate) struct Read {
    pub(crate) result: Result<(), Errno>,
    pub(crate) pairs: Vec<(String, String)>,
    pub(crate) count: u32,
    position: Vec<u8>,
}

impl Subject<'_> {
    pub(crate) fn read_batch(
        &self,
        remove: bool,
        from: Option<&[u8]>,
        count: u32,
        elem_flags: u64,
        flags: u64,
    ) -> Read {
        let (mut keys, mut values) =
            (vec![0; self.key_size * count as usize], vec![0; self.value_size * count as usize]);
        let mut position = vec![0; self.key_size.max(4)];
        let req = MapLookupBatch {
            map: &self.map,
            in_batch: from,
            out_batch: &mut position,
            keys: &mut keys,
            values: &mut values,
            count,
            elem_flags,
            flags,
        };
        let mut cmd =
            if remove { Command::MapLookupAndDeleteBatch(req) } else { Command::MapLookupBatch(req) };
        let result = self.kernel.bpf(&mut cmd).map(drop);
        let (Command::MapLookupAndDeleteBatch(req) | Command::MapLookupBatch(req)) = cmd else {
            unreachable!()
        };
        let count = req.count;
        let pairs = keys.chunks(self.key_size.max(1)).zip(values.chunks(self.value_size.max(1)));
        let mut pairs: Vec<_> =
            pairs.take(count as usize).map(|(key, value)| (hex(key), hex(value))).collect();
        if !self.is_ordered {
            pairs.sort();
        }
        Read { result, pairs, count, position }
    }

    pub(crate) fn update_batch(
        &self,
        keys: &[u8],
        values: &[u8],
        count: u32,
        elem_flags: u64,
        flags: u64,
    ) -> (Result<(), Errno>, u32) {
        let req = MapUpdateBatch { map: &self.map, keys, values, count, elem_flags, flags };
        let mut cmd = Command::MapUpdateBatch(req);
        let result = self.kernel.bpf(&mut cmd).map(drop);
        let Command::MapUpdateBatch(req) = cmd else { unreachable!() };
        (result, req.count)
    }

    fn delete_batch(&self, keys: &[u8], count: u32, elem_flags: u64, flags: u64) -> (Result<(), Errno>, u32) {
        let mut cmd =
            Command::MapDeleteBatch(MapDeleteBatch { map: &self.map, keys, count, elem_flags, flags });
        let result = self.kernel.bpf(&mut cmd).map(drop);
        let Command::MapDeleteBatch(req) = cmd else { unreachable!() };
        (result, req.count)
    }

    /// Reads everything in batches of `count`, more where the kernel says that a bucket has more.
    fn read_all(&self, remove: bool, mut count: u32) -> (Errno, Vec<(String, String)>) {
        let (mut position, mut pairs) = (None, Vec::new());
        for _ in 0..10_000 {
            let read = self.read_batch(remove, position.as_deref(), count, 0, 0);
            match read.result {
                Err(Errno::ENOSPC) => count *= 2,
                Ok(()) | Err(Errno::ENOENT) => {
                    pairs.extend(read.pairs);
                    position = Some(read.position);
                }
                Err(_) => {}
            }
            if let Err(errno) = read.result {
                if errno != Errno::ENOSPC {
                    pairs.sort();
                    return (errno, pairs);
                }
            }
        }
        panic!("reading in batches does not end");
    }
}

/// `elem_flags` and `flags` of batches.
pub(crate) const FLAGS: &[(u64, u64)] = &[(0, 0), (1, 0), (2, 0), (4, 0), (8, 0), (0, 1), (1 << 40, 0)];

fn subject(kernel: &Kernel, map_type: MapType) -> Subject<'_> {
    let max_entries = if map_type == MapType::RINGBUF { 4096 } else { 2048 };
    Subject::new(kernel, MapCreate { max_entries, ..good(map_type) })
}

/// Fills a map with `count` elements in one call.
fn fill(subject: &Subject<'_>, random: &mut Random, count: u32) -> (Vec<u8>, Vec<u8>, Result<(), Errno>) {
    let mut keys = Vec::new();
    for i in 0..count {
        let mut key = vec![0; subject.key_size];
        match subject.map_type {
            MapType::LPM_TRIE => {
                key[0] = 32;
                key[4..8].copy_from_slice(&i.to_be_bytes());
            }
            _ => key.iter_mut().zip(i.to_ne_bytes()).for_each(|(to, from)| *to = from),
        }
        keys.extend(key);
    }
    let values: Vec<u8> = (0..count as usize * subject.value_size).map(|_| random.next() as u8).collect();
    let (result, done) = subject.update_batch(&keys, &values, count, 0, 0);
    assert!(result.is_err() || done == count);
    (keys, values, result)
}

fn is_plain(map_type: MapType) -> bool {
    !matches!(
        map_type,
        MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS | MapType::PROG_ARRAY | MapType::PERF_EVENT_ARRAY
    )
}

#[test]
fn batches_of_every_map_type_are_the_kernels() {
    both(|kernel, t| {
        for map_type in TYPES.iter().filter(|t| is_plain(**t)) {
            let subject = subject(kernel, *map_type);
            t.say("type", map_type);
            let mut random = Random(7);
            let (keys, values, result) = fill(&subject, &mut random, 100);
            t.say("fill", result);
            for (elem_flags, flags) in FLAGS {
                let result = subject.update_batch(&keys, &values, 5, *elem_flags, *flags);
                t.say(format_args!("update with {elem_flags:#x} {flags:#x}"), result);
                for remove in [false, true] {
                    let read = subject.read_batch(remove, None, 0, *elem_flags, *flags);
                    t.say(
                        format_args!("read none with {elem_flags:#x} {flags:#x}"),
                        (read.result, read.count),
                    );
                    if (*elem_flags, *flags) != (0, 0) {
                        let read = subject.read_batch(remove, None, 200, *elem_flags, *flags);
                        t.say(
                            format_args!("read with {elem_flags:#x} {flags:#x}"),
                            (read.result, read.count, read.pairs),
                        );
                    }
                }
                let result = subject.delete_batch(&keys, 3, *elem_flags, *flags);
                t.say(format_args!("delete with {elem_flags:#x} {flags:#x}"), result);
                t.say("none", (subject.update_batch(&[], &[], 0, 0, 0), subject.delete_batch(&[], 0, 0, 0)));
            }
            subject.dump(t);
        }
    });
}

fn read_in_parts(t: &mut Transcript, subject: &Subject<'_>) {
    for count in [1, 7, 64, 99, 100, 101, 3000] {
        t.say(format_args!("all by {count}"), subject.read_all(false, count));
    }
    if subject.is_ordered {
        for count in [1, 7, 100, 2047, 2048, 2049] {
            let read = subject.read_batch(false, None, count, 0, 0);
            t.say(
                format_args!("{count} of all"),
                (read.result, read.count, hex(&read.position), &read.pairs),
            );
            let next = subject.read_batch(false, Some(&read.position), count, 0, 0);
            t.say(format_args!("{count} more"), (next.result, next.count, next.pairs));
        }
    } else {
        let read = subject.read_batch(false, None, 100, 0, 0);
        t.say("just all", (read.result, read.count, read.pairs));
        let read = subject.read_batch(false, None, 3000, 0, 0);
        t.say("more than all", (read.result, read.count, read.pairs));
        let position = vec![0xff; subject.key_size.max(4)];
        let read = subject.read_batch(false, Some(&position), 3000, 0, 0);
        t.say("from beyond", (read.result, read.count, read.pairs));
    }
}

#[test]
fn reading_in_batches_gives_every_element_once() {
    both(|kernel, t| {
        for map_type in TYPES.iter().filter(|t| is_plain(**t)) {
            let subject = subject(kernel, *map_type);
            t.say("type", map_type);
            t.say("empty", subject.read_all(false, 8));
            t.say("fill", fill(&subject, &mut Random(3), 100).2);
            read_in_parts(t, &subject);
            t.say("removed", subject.read_all(true, 16));
            t.say("then", subject.read_all(false, 3000));
        }
    });
}

#[test]
fn a_batch_stops_at_the_first_element_that_fails() {
    both(|kernel, t| {
        for map_type in
            [MapType::ARRAY, MapType::HASH, MapType::PERCPU_HASH, MapType::LPM_TRIE, MapType::PERCPU_ARRAY]
        {
            let subject = Subject::new(kernel, good(map_type));
            t.say("type", map_type);
            let (keys, values, result) = fill(&subject, &mut Random(3), 8);
            t.say("fill", result);
            let mut more = keys.clone();
            // A key too many.
            let at = if map_type == MapType::LPM_TRIE { 7 } else { 0 };
            more[5 * subject.key_size + at] = 200;
            t.say("update", subject.update_batch(&more, &values, 8, 0, 0));
            t.say("delete", subject.delete_batch(&more, 8, 0, 0));
            subject.dump(t);
        }
    });
}
