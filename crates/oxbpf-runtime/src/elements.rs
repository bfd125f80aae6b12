//! Commands on the elements of maps: one at a time, or many.
//!
//! What is checked, and in which order, is that of `kernel/bpf/syscall.c`, v6.18; what is particular to a map type is in [`crate::maps`].

use std::sync::atomic::Ordering;

use oxbpf_kernel::{
    MapDeleteBatch, MapDeleteElem, MapFd, MapGetNextKey, MapLookupBatch, MapLookupElem, MapUpdateBatch,
    MapUpdateElem,
};
use oxbpf_uapi::{Errno, MapType};

use crate::maps::{self, BatchReads, Map, MapRef};
use crate::registry::{map_of, readable_map, writable_map};
use crate::state::State;

fn check_key(map: &Map, key: &[u8]) -> Result<(), Errno> {
    if key.len() == map.params.key_size as usize { Ok(()) } else { Err(Errno::EINVAL) }
}

/// The part of a user's buffer that one value takes.
fn value_part<'b>(state: &State, map: &Map, value: &'b mut [u8]) -> Result<&'b mut [u8], Errno> {
    value.get_mut(..map.user_value_len(state.cpus)).ok_or(Errno::EINVAL)
}

/// Fails unless `flags` are none, or the one that a value's lock is taken with.
fn only_lock(flags: u64) -> Result<(), Errno> {
    if flags & !maps::update::LOCK == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// `BPF_MAP_LOOKUP_ELEM`.
pub(crate) fn lookup(state: &State, req: &mut MapLookupElem<'_>) -> Result<(), Errno> {
    only_lock(req.flags)?;
    let map = readable_map(req.map)?;
    map.params.check_lock(req.flags)?;
    check_key(map, req.key)?;
    map.ops.read(req.key, value_part(state, map, req.value)?, req.flags)
}

/// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`.
pub(crate) fn take(state: &State, req: &mut MapLookupElem<'_>) -> Result<(), Errno> {
    only_lock(req.flags)?;
    let map = readable_map(req.map).and(writable_map(req.map))?;
    map.params.check_lock(req.flags)?;
    check_key(map, req.key)?;
    map.ops.take(req.key, value_part(state, map, req.value)?, req.flags)
}

/// `BPF_MAP_UPDATE_ELEM`.
pub(crate) fn update(state: &State, req: &MapUpdateElem<'_>) -> Result<(), Errno> {
    let map = writable_map(req.map)?;
    map.params.check_lock(req.flags)?;
    update_one(state, map, req.key, req.value, req.flags)
}

fn update_one(state: &State, map: &MapRef, key: &[u8], value: &[u8], flags: u64) -> Result<(), Errno> {
    check_key(map, key)?;
    let value = value.get(..map.user_value_len(state.cpus)).ok_or(Errno::EINVAL)?;
    map.user_writes.fetch_add(1, Ordering::Relaxed);
    if map.params.map_type.holds_refs() {
        map.ops.check_write(key, flags)?;
        let number = value.try_into().map(i32::from_ne_bytes).map_err(|_| Errno::EINVAL)?;
        return map.ops.write_object(key, state.registry.by_number(number)?, flags);
    }
    map.ops.write(key, value, flags)
}

/// `BPF_MAP_DELETE_ELEM`.
pub(crate) fn delete(req: &MapDeleteElem<'_>) -> Result<(), Errno> {
    if req.flags != 0 {
        return Err(Errno::EINVAL);
    }
    let map = writable_map(req.map)?;
    check_key(map, req.key)?;
    map.ops.delete(req.key)
}

/// `BPF_MAP_GET_NEXT_KEY`.
pub(crate) fn next_key(req: &mut MapGetNextKey<'_>) -> Result<(), Errno> {
    let map = readable_map(req.map)?;
    req.key.map_or(Ok(()), |key| check_key(map, key))?;
    map.ops.next_key(req.key, req.next_key)
}

/// `BPF_MAP_FREEZE`.
pub(crate) fn freeze(map: &MapFd) -> Result<(), Errno> {
    if map_of(map)?.params.lock.is_some() {
        return Err(Errno::ENOTSUPP);
    }
    writable_map(map)?.frozen.store(true, Ordering::Release);
    Ok(())
}

/// Room for one key or value of a batch.
fn part(all: &mut [u8], index: usize, len: usize) -> Result<&mut [u8], Errno> {
    all.get_mut(index * len..(index + 1) * len).ok_or(Errno::EFAULT)
}

/// `BPF_MAP_LOOKUP_BATCH` and `BPF_MAP_LOOKUP_AND_DELETE_BATCH`.
pub(crate) fn lookup_batch(state: &State, req: &mut MapLookupBatch<'_>, remove: bool) -> Result<(), Errno> {
    let map = readable_map(req.map)?;
    if remove {
        writable_map(req.map)?;
    }
    match map.ops.batch_reads() {
        BatchReads::None => Err(Errno::ENOTSUPP),
        BatchReads::ByKey if remove => Err(Errno::ENOTSUPP),
        BatchReads::ByKey => {
            map.params.check_batch(req.elem_flags)?;
            lookup_by_key(state, map, req)
        }
        BatchReads::ByPosition => {
            map.params.check_batch(req.elem_flags)?;
            if req.flags != 0 {
                return Err(Errno::EINVAL);
            }
            lookup_by_position(state, map, req, remove)
        }
    }
}

/// The position is the last key that was given out.
fn lookup_by_key(state: &State, map: &MapRef, req: &mut MapLookupBatch<'_>) -> Result<(), Errno> {
    let room = std::mem::take(&mut req.count) as usize;
    let (key_len, value_len) = (map.params.key_size as usize, map.user_value_len(state.cpus));
    let mut last = match req.in_batch {
        Some(position) => Some(position.get(..key_len).ok_or(Errno::EINVAL)?.to_vec()),
        None => None,
    };
    let mut result = Ok(());
    while (req.count as usize) < room {
        let (mut key, at) = (vec![0; key_len], req.count as usize);
        result = map.ops.next_key(last.as_deref(), &mut key);
        if result.is_err() {
            break;
        }
        // An element that went away meanwhile is passed over.
        if map.ops.read(&key, part(req.values, at, value_len)?, req.elem_flags).is_ok() {
            part(req.keys, at, key_len)?.copy_from_slice(&key);
            req.count += 1;
        }
        last = Some(key);
    }
    if let (Some(position), 1..) = (last, req.count) {
        req.out_batch.get_mut(..key_len).ok_or(Errno::EFAULT)?.copy_from_slice(&position);
    }
    result
}

/// The position is a number, which deletions do not move; `ENOENT` says that nothing is left.
fn lookup_by_position(
    state: &State,
    map: &MapRef,
    req: &mut MapLookupBatch<'_>,
    remove: bool,
) -> Result<(), Errno> {
    if req.count == 0 {
        return Ok(());
    }
    let room = std::mem::take(&mut req.count) as usize;
    let (key_len, value_len) = (map.params.key_size as usize, map.user_value_len(state.cpus));
    let mut position = match req.in_batch.map(<[u8]>::first_chunk::<4>) {
        Some(position) => u32::from_ne_bytes(*position.ok_or(Errno::EINVAL)?),
        None => 0,
    };
    let mut result = Err(Errno::ENOENT);
    while let Some((at, key)) = map.ops.key_from(position) {
        let done = req.count as usize;
        if done == room {
            result = Ok(());
            break;
        }
        let value = part(req.values, done, value_len)?;
        let read = match remove {
            true => map.ops.take(&key, value, req.elem_flags),
            false => map.ops.read(&key, value, req.elem_flags),
        };
        if read.is_ok() {
            part(req.keys, done, key_len)?.copy_from_slice(&key);
            req.count += 1;
        }
        position = at.saturating_add(1);
    }
    req.out_batch.get_mut(..4).ok_or(Errno::EFAULT)?.copy_from_slice(&position.to_ne_bytes());
    result
}

/// `BPF_MAP_UPDATE_BATCH`.
pub(crate) fn update_batch(state: &State, req: &mut MapUpdateBatch<'_>) -> Result<(), Errno> {
    let map = writable_map(req.map)?;
    if map.ops.batch_reads() == BatchReads::None {
        return Err(Errno::ENOTSUPP);
    }
    map.params.check_batch(req.elem_flags)?;
    let (key_len, value_len) = (map.params.key_size as usize, map.user_value_len(state.cpus));
    let total = std::mem::take(&mut req.count) as usize;
    for i in 0..total {
        let key = req.keys.get(i * key_len..(i + 1) * key_len).ok_or(Errno::EFAULT)?;
        let value = req.values.get(i * value_len..(i + 1) * value_len).ok_or(Errno::EFAULT)?;
        update_one(state, map, key, value, req.elem_flags)?;
        req.count += 1;
    }
    Ok(())
}

/// `BPF_MAP_DELETE_BATCH`.
pub(crate) fn delete_batch(req: &mut MapDeleteBatch<'_>) -> Result<(), Errno> {
    let map = writable_map(req.map)?;
    let is_array =
        matches!(map.params.map_type, MapType::ARRAY | MapType::PERCPU_ARRAY | MapType::ARRAY_OF_MAPS);
    if is_array || map.ops.batch_reads() == BatchReads::None {
        return Err(Errno::ENOTSUPP);
    }
    map.params.check_batch(req.elem_flags)?;
    let key_len = map.params.key_size as usize;
    let total = std::mem::take(&mut req.count) as usize;
    for i in 0..total {
        map.ops.delete(req.keys.get(i * key_len..(i + 1) * key_len).ok_or(Errno::EFAULT)?)?;
        req.count += 1;
    }
    Ok(())
}
