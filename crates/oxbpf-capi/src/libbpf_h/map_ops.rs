//! Entries of maps, with lengths that are checked before the kernel is asked.

use core::ffi::c_int;

use oxbpf_object::MapSpec;
use oxbpf_uapi::MapType;

use crate::arg::{Ptr, Raw};
use crate::bpf_h::attr::cmd;
use crate::bpf_h::map::elem;
use crate::fail::Fail;
use crate::object::Map;
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
    if !is_per_cpu(spec.map_type) || flags & (CPU | ALL_CPUS) != 0 {
        if value != one {
            log::warn!("map '{name}': unexpected value size {value} provided, expected {one}");
            return Err(Fail::INVAL);
        }
        return Ok(());
    }
    let (cpus, each) = (super::names::possible_cpus()? as usize, one.next_multiple_of(8));
    let all = cpus.saturating_mul(each);
    if value != all {
        log::warn!(
            "map '{name}': unexpected value size {value} provided for per-CPU map, expected {cpus} * {each} = {all}"
        );
        return Err(Fail::INVAL);
    }
    Ok(())
}

/// The live map, with lengths that fit it.
fn with_map(
    map: Ptr<Map>,
    key: usize,
    value: Option<(usize, u64)>,
    run: impl FnOnce(c_int) -> Result<c_int, Fail>,
) -> Result<c_int, Fail> {
    let map = map.get()?;
    let object = map.object()?;
    if !map.is_created()? {
        return Err(Fail::NOENT);
    }
    let core = object.read();
    let Some(fd) = core.map_fd(map.id) else {
        log::warn!("map '{}': can't use BPF map without FD (was it created?)", map.name.to_string_lossy());
        return Err(Fail::INVAL);
    };
    let spec = core.spec().maps.get(map.id.0 as usize).ok_or(Fail::INVAL)?;
    check(spec, key, value)?;
    run(fd.number())
}

export! {
    /// Copies the value under a key.
    fn bpf_map__lookup_elem(map: Ptr<Map>, key: Raw, key_sz: usize, value: Raw, value_sz: usize, flags: u64) -> Int {
        with_map(map, key_sz, Some((value_sz, flags)), |fd| elem(cmd::MAP_LOOKUP_ELEM, fd, key, value, flags))
    }

    /// Writes the value under a key.
    fn bpf_map__update_elem(map: Ptr<Map>, key: Raw, key_sz: usize, value: Raw, value_sz: usize, flags: u64) -> Int {
        with_map(map, key_sz, Some((value_sz, flags)), |fd| elem(cmd::MAP_UPDATE_ELEM, fd, key, value, flags))
    }

    /// Removes the entry under a key.
    fn bpf_map__delete_elem(map: Ptr<Map>, key: Raw, key_sz: usize, flags: u64) -> Int {
        with_map(map, key_sz, None, |fd| elem(cmd::MAP_DELETE_ELEM, fd, key, Raw::null(), flags))
    }

    /// Copies the value under a key and removes the entry.
    fn bpf_map__lookup_and_delete_elem(
        map: Ptr<Map>, key: Raw, key_sz: usize, value: Raw, value_sz: usize, flags: u64,
    ) -> Int {
        let run = |fd| elem(cmd::MAP_LOOKUP_AND_DELETE_ELEM, fd, key, value, flags);
        with_map(map, key_sz, Some((value_sz, flags)), run)
    }

    /// The key after one, the first for null.
    fn bpf_map__get_next_key(map: Ptr<Map>, cur_key: Raw, next_key: Raw, key_sz: usize) -> Int {
        with_map(map, key_sz, None, |fd| elem(cmd::MAP_GET_NEXT_KEY, fd, cur_key, next_key, 0))
    }
}
