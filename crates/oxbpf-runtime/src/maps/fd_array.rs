//! Arrays and hash tables whose values are other objects: programs, maps.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use oxbpf_uapi::{AttachType, Errno, MapType, ProgType};

use super::{BatchReads, MapEnv, MapOps, MapParams, check_update, flags};
use crate::registry::Object;

/// Objects by key. An array is a table whose keys are its indices.
#[derive(Debug)]
pub(crate) struct FdArray {
    params: MapParams,
    /// What inner maps must look like.
    inner: Option<MapParams>,
    is_array: bool,
    entries: Mutex<BTreeMap<Box<[u8]>, Object>>,
    /// What programs of an array have in common: the first one's, which stays when the array is empty again.
    owner: OnceLock<(ProgType, AttachType)>,
}

pub(super) fn create(
    p: &MapParams,
    _env: &MapEnv,
    inner: Option<&MapParams>,
) -> Result<Box<dyn MapOps>, Errno> {
    if p.max_entries == 0 || p.key_size != 4 || p.value_size != 4 {
        return Err(Errno::EINVAL);
    }
    p.allow_flags(flags::ACCESS)?;
    make(p, inner, true)
}

pub(super) fn create_hash(
    p: &MapParams,
    _env: &MapEnv,
    inner: Option<&MapParams>,
) -> Result<Box<dyn MapOps>, Errno> {
    if p.max_entries == 0 || p.key_size == 0 || p.value_size != 4 {
        return Err(Errno::EINVAL);
    }
    p.allow_flags(flags::ACCESS | flags::PROG_ACCESS | flags::NO_PREALLOC | flags::ZERO_SEED)?;
    if u64::from(p.key_size) + 4 >= super::hash::MAX_ELEMENT {
        return Err(Errno::E2BIG);
    }
    make(p, inner, false)
}

fn make(p: &MapParams, inner: Option<&MapParams>, is_array: bool) -> Result<Box<dyn MapOps>, Errno> {
    match inner.map(|i| i.map_type) {
        None if p.map_type.holds_maps() => return Err(Errno::EINVAL),
        // One level of nesting is all there is.
        Some(MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS) => return Err(Errno::EINVAL),
        Some(MapType::PROG_ARRAY) => return Err(Errno::ENOTSUPP),
        _ => {}
    }
    Ok(Box::new(FdArray {
        params: p.clone(),
        inner: inner.cloned(),
        is_array,
        entries: Mutex::default(),
        owner: OnceLock::new(),
    }))
}

impl FdArray {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<Box<[u8]>, Object>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object under a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Object> {
        self.entries().get(key).cloned()
    }

    /// Whether a program may be in the array, or use it; the first one decides that for all.
    pub(crate) fn admits(&self, prog_type: ProgType, attach_type: AttachType) -> bool {
        *self.owner.get_or_init(|| (prog_type, attach_type)) == (prog_type, attach_type)
    }

    fn check_inner(&self, map: &MapParams) -> Result<(), Errno> {
        let Some(want) = &self.inner else { return Err(Errno::EINVAL) };
        let is_array = matches!(map.map_type, MapType::ARRAY | MapType::PERCPU_ARRAY);
        let same = map.map_type == want.map_type
            && map.key_size == want.key_size
            && map.value_size == want.value_size
            && map.map_flags == want.map_flags
            && (!is_array || want.map_flags & flags::INNER_MAP != 0 || map.max_entries == want.max_entries);
        if same { Ok(()) } else { Err(Errno::EINVAL) }
    }
}

impl MapOps for FdArray {
    /// The register value of an inner map.
    fn lookup(&self, key: &[u8], _cpu: u32) -> Option<u64> {
        match self.get(key)? {
            Object::Map(map) => Some(map.address()),
            _ => None,
        }
    }

    fn delete(&self, key: &[u8]) -> Result<(), Errno> {
        if self.is_array && self.params.index(key)? >= self.params.max_entries {
            return Err(Errno::E2BIG);
        }
        self.entries().remove(key).map(drop).ok_or(Errno::ENOENT)
    }

    fn next_key(&self, key: Option<&[u8]>, next: &mut [u8]) -> Result<(), Errno> {
        if self.is_array {
            let index = key.and_then(|k| self.params.index(k).ok()).filter(|i| *i < self.params.max_entries);
            return super::array::next_index(index, self.params.max_entries, next);
        }
        let entries = self.entries();
        let known = key.filter(|k| entries.contains_key(*k));
        let following = match known {
            Some(key) => entries.keys().find(|k| ***k > *key),
            None => entries.keys().next(),
        };
        let following = following.ok_or(Errno::ENOENT)?;
        next.get_mut(..following.len()).ok_or(Errno::EINVAL)?.copy_from_slice(following);
        Ok(())
    }

    /// User space reads ids.
    fn read(&self, key: &[u8], out: &mut [u8], _flags: u64) -> Result<(), Errno> {
        let id = match self.get(key).ok_or(Errno::ENOENT)? {
            Object::Map(map) => map.id,
            Object::Prog(prog) => prog.id,
            _ => return Err(Errno::EOPNOTSUPP),
        };
        out.get_mut(..4).ok_or(Errno::EINVAL)?.copy_from_slice(&id.to_ne_bytes());
        Ok(())
    }

    fn batch_reads(&self) -> BatchReads {
        match self.params.map_type {
            MapType::ARRAY_OF_MAPS => BatchReads::ByKey,
            MapType::HASH_OF_MAPS => BatchReads::ByPosition,
            _ => BatchReads::None,
        }
    }

    /// Positions are ranks among the keys.
    fn key_from(&self, position: u32) -> Option<(u32, Vec<u8>)> {
        self.entries().keys().nth(position as usize).map(|key| (position, key.to_vec()))
    }

    fn check_write(&self, key: &[u8], flags: u64) -> Result<(), Errno> {
        if !self.is_array {
            return Ok(());
        }
        check_index(&self.params, key, flags)
    }

    fn write_object(&self, key: &[u8], object: Object, flags: u64) -> Result<(), Errno> {
        match (&object, self.params.map_type) {
            (Object::Prog(prog), MapType::PROG_ARRAY) if self.admits(prog.prog_type, prog.attach_type) => {}
            (Object::Map(map), MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS) => {
                self.check_inner(&map.params)?
            }
            _ => return Err(Errno::EINVAL),
        }
        let mut entries = self.entries();
        let exists = entries.contains_key(key);
        check_update(flags, exists)?;
        if !exists && entries.len() >= self.params.max_entries as usize {
            return Err(Errno::E2BIG);
        }
        entries.insert(key.into(), object);
        Ok(())
    }

    fn as_fd_array(&self) -> Option<&FdArray> {
        Some(self)
    }
}

/// What an array of objects checks before it looks at the object.
pub(super) fn check_index(params: &MapParams, key: &[u8], flags: u64) -> Result<(), Errno> {
    if flags != 0 {
        return Err(Errno::EINVAL);
    }
    if params.index(key)? < params.max_entries { Ok(()) } else { Err(Errno::E2BIG) }
}
