//! Entries of maps, with lengths that are checked before the kernel is asked.

use core::ffi::c_int;

use oxbpf_kernel::MapFd;
use oxbpf_object::MapSpec;
use oxbpf_uapi::MapType;

use crate::arg::{Ptr, Raw};
use crate::fail::Fail;
use crate::object::{Map, kernel};
use crate::ret::Int;

/// Flags of a look-up or an update that a value for one or all CPUs goes with.
const CPU: u64 = 8;
const ALL_CPUS: u64 = 16;

fn is_per_cpu(map_type: MapType) -> bool {
    matches!(
        map_type,
        MapType::PERCPU_HASH
            | MapType::LRU_PERCPU_HASH
            | MapType::PERCPU_ARRAY
            | MapType::PERCPU_CGROUP_STORAGE
    )
}

/// Refuses lengths that are not the map's.
fn check(spec: &MapSpec, key: usize, value: Option<(usize, u64)>) -> Result<(), Fail> {
    let name = &spec.name;
    if spec.key_size as usize != key {
        log::warn!("map '{name}': unexpected key size {key} provided, expected {}", spec.key_size);
        return Err(Fail::INVAL);
    }
    let Some((value, flags)) = value else { return Ok(()) };
    let one = spec.value_size as usize;
    let (expected, what) = if !is_per_cpu(spec.map_type) {
        (one, "value")
    } else if flags & (CPU | ALL_CPUS) != 0 {
        (one, "value")
    } else {
        let cpus = super::names::possible_cpus()? as usize;
        (cpus * one.next_multiple_of(8), "value")
    };
    if value != expected {
        log::warn!("map '{name}': unexpected {what} size {value} provided, expected {expected}");
        return Err(Fail::INVAL);
    }
    Ok(())
}

/// The live map, with lengths that fit it.
fn with_map(
    map: Ptr<Map>,
    key: usize,
    value: Option<(usize, u64)>,
    run: impl FnOnce(&MapFd) -> Result<(), Fail>,
) -> Result<c_int, Fail> {
    let map = map.get()?;
    let object = map.object()?;
    if object.state() < oxbpf::object::state::State::Prepared {
        log::warn!("map '{}': can't use BPF map without FD (was it created?)", map.name.to_string_lossy());
        return Err(Fail::INVAL);
    }
    let core = object.read();
    let spec = core.spec().maps.get(map.id.0 as usize).ok_or(Fail::INVAL)?;
    check(spec, key, value)?;
    run(core.map_fd(map.id).ok_or(Fail::INVAL)?)?;
    Ok(0)
}

export! {
    /// Copies the value under a key.
    fn bpf_map__lookup_elem(map: Ptr<Map>, key: Raw, key_sz: usize, value: Raw, value_sz: usize, flags: u64) -> Int {
        let mut value = value;
        with_map(map, key_sz, Some((value_sz, flags)), |fd| {
            let (key, value) = (key.bytes(key_sz).ok_or(Fail::INVAL)?, value.bytes_mut(value_sz).ok_or(Fail::INVAL)?);
            Ok(kernel().map_lookup_elem(fd, key, value, flags)?)
        })
    }

    /// Writes the value under a key.
    fn bpf_map__update_elem(map: Ptr<Map>, key: Raw, key_sz: usize, value: Raw, value_sz: usize, flags: u64) -> Int {
        with_map(map, key_sz, Some((value_sz, flags)), |fd| {
            let (key, value) = (key.bytes(key_sz).ok_or(Fail::INVAL)?, value.bytes(value_sz).ok_or(Fail::INVAL)?);
            Ok(kernel().map_update_elem(fd, key, value, flags)?)
        })
    }

    /// Removes the entry under a key.
    fn bpf_map__delete_elem(map: Ptr<Map>, key: Raw, key_sz: usize, flags: u64) -> Int {
        with_map(map, key_sz, None, |fd| {
            Ok(kernel().map_delete_elem(fd, key.bytes(key_sz).ok_or(Fail::INVAL)?, flags)?)
        })
    }

    /// Copies the value under a key and removes the entry.
    fn bpf_map__lookup_and_delete_elem(
        map: Ptr<Map>, key: Raw, key_sz: usize, value: Raw, value_sz: usize, flags: u64,
    ) -> Int {
        let mut value = value;
        with_map(map, key_sz, Some((value_sz, flags)), |fd| {
            let (key, value) = (key.bytes(key_sz).ok_or(Fail::INVAL)?, value.bytes_mut(value_sz).ok_or(Fail::INVAL)?);
            Ok(kernel().map_lookup_and_delete_elem(fd, key, value, flags)?)
        })
    }

    /// The key after one, the first for null.
    fn bpf_map__get_next_key(map: Ptr<Map>, cur_key: Raw, next_key: Raw, key_sz: usize) -> Int {
        let mut next_key = next_key;
        with_map(map, key_sz, None, |fd| {
            let current = if cur_key.is_null() { None } else { cur_key.bytes(key_sz) };
            Ok(kernel().map_get_next_key(fd, current, next_key.bytes_mut(key_sz).ok_or(Fail::INVAL)?)?)
        })
    }
}
