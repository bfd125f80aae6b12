//! The objects of a scripted kernel: maps that keep elements, and others that only exist.

use core::ops::Range;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use oxbpf_uapi::attr::OBJ_NAME_LEN;
use oxbpf_uapi::info::{BtfInfo, LinkInfo, MapInfo, ProgInfo};
use oxbpf_uapi::{Errno, MapType, ProgType};
use zerocopy::IntoBytes;

use crate::{Blob, Command, GetInfo, Handle, MapCreate, Mapping, ProgLoad};

/// What a handle refers to.
pub(super) enum Object {
    Map(Box<Map>),
    Prog {
        prog_type: ProgType,
        name: [u8; OBJ_NAME_LEN],
    },
    Btf,
    Link,
    /// A file with these contents.
    File(Blob),
    Other,
}

/// A map with its elements.
pub(super) struct Map {
    map_type: MapType,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    name: [u8; OBJ_NAME_LEN],
    elements: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    memory: Mutex<Option<Mapping>>,
}

fn name(text: &str) -> [u8; OBJ_NAME_LEN] {
    let mut name = [0; OBJ_NAME_LEN];
    for (to, from) in name.iter_mut().take(OBJ_NAME_LEN - 1).zip(text.bytes()) {
        *to = from;
    }
    name
}

impl Object {
    pub(super) fn new_map(r: &MapCreate<'_>) -> Self {
        Self::Map(Box::new(Map {
            map_type: r.map_type,
            key_size: r.key_size,
            value_size: r.value_size,
            max_entries: r.max_entries,
            map_flags: r.map_flags,
            name: name(r.map_name),
            elements: Mutex::default(),
            memory: Mutex::default(),
        }))
    }

    pub(super) fn new_prog(r: &ProgLoad<'_>) -> Self {
        Self::Prog { prog_type: r.prog_type, name: name(r.prog_name) }
    }
}

impl Map {
    fn elements(&self) -> MutexGuard<'_, BTreeMap<Vec<u8>, Vec<u8>>> {
        self.elements.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every index below `max_entries` is there from the start.
    fn is_array(&self) -> bool {
        [MapType::ARRAY, MapType::PERCPU_ARRAY].contains(&self.map_type)
    }

    fn has_index(&self, key: &[u8]) -> bool {
        self.is_array() && key.try_into().is_ok_and(|key| u32::from_ne_bytes(key) < self.max_entries)
    }

    fn get(&self, key: &[u8]) -> Result<Vec<u8>, Errno> {
        match self.elements().get(key) {
            Some(value) => Ok(value.clone()),
            None if self.has_index(key) => Ok(Vec::new()),
            None => Err(Errno::ENOENT),
        }
    }
}

fn map_of(handle: &Handle) -> Result<&Map, Errno> {
    match handle.object::<Object>() {
        Some(Object::Map(map)) => Ok(map),
        Some(_) => Err(Errno::EINVAL),
        None => Err(Errno::EBADF),
    }
}

/// Copies a value out, with zeroes after what there is.
fn give(value: &[u8], out: &mut [u8]) {
    out.fill(0);
    for (to, from) in out.iter_mut().zip(value) {
        *to = *from;
    }
}

/// The commands on one element.
pub(super) fn element(cmd: &mut Command<'_>) -> Result<(), Errno> {
    const NOEXIST: u64 = 1;
    const EXIST: u64 = 2;
    match cmd {
        Command::MapLookupElem(r) => give(&map_of(r.map)?.get(r.key)?, r.value),
        Command::MapLookupAndDeleteElem(r) => {
            let map = map_of(r.map)?;
            give(&map.get(r.key)?, r.value);
            map.elements().remove(r.key);
        }
        Command::MapUpdateElem(r) => {
            let map = map_of(r.map)?;
            let mut elements = map.elements();
            let is_there = elements.contains_key(r.key) || map.has_index(r.key);
            match r.flags & 3 {
                NOEXIST if is_there => return Err(Errno::EEXIST),
                EXIST if !is_there => return Err(Errno::ENOENT),
                _ if !is_there && (map.is_array() || elements.len() as u64 >= map.max_entries.into()) => {
                    return Err(Errno::E2BIG);
                }
                _ => drop(elements.insert(r.key.to_vec(), r.value.to_vec())),
            }
        }
        Command::MapDeleteElem(r) => {
            let map = map_of(r.map)?;
            if map.is_array() {
                return Err(Errno::EINVAL);
            }
            map.elements().remove(r.key).ok_or(Errno::ENOENT)?;
        }
        Command::MapGetNextKey(r) => {
            let elements = map_of(r.map)?.elements();
            let mut keys = elements.keys();
            let next = match r.key.filter(|key| elements.contains_key(*key)) {
                Some(key) => keys.find(|k| k.as_slice() > key),
                None => keys.next(),
            };
            give(next.ok_or(Errno::ENOENT)?, r.next_key);
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(())
}

/// Memory of an object: one piece for all who ask for the same map, new memory for anything else.
pub(super) fn memory(handle: &Handle, range: Range<u64>) -> Result<Mapping, Errno> {
    let to_usize = |n: u64| usize::try_from(n).map_err(|_| Errno::ENOMEM);
    let (start, end) = (to_usize(range.start)?, to_usize(range.end)?);
    let len = end.checked_sub(start).filter(|len| *len > 0).ok_or(Errno::EINVAL)?;
    let Ok(map) = map_of(handle) else {
        return if handle.object::<Object>().is_some() { Mapping::anonymous(len) } else { Err(Errno::EBADF) };
    };
    let mut memory = map.memory.lock().unwrap_or_else(PoisonError::into_inner);
    match memory.as_ref().filter(|m| m.len() >= end) {
        Some(memory) => memory.part(start, len),
        None => {
            let new = Mapping::anonymous(end)?;
            *memory = Some(new.clone());
            new.part(start, len)
        }
    }
}

/// Fills an info struct with what is known: type, id, sizes and name. The id is the reference's number.
pub(super) fn info(r: &mut GetInfo<'_>) -> Result<u64, Errno> {
    let id = u32::try_from(r.object.number()).map_err(|_| Errno::EBADF)?;
    let mut copy = |info: &[u8]| {
        let len = info.len().min(r.info.len());
        give(info, r.info);
        len as u64
    };
    Ok(match r.object.object::<Object>() {
        Some(Object::Map(map)) => copy(
            MapInfo {
                r#type: map.map_type,
                id,
                key_size: map.key_size,
                value_size: map.value_size,
                max_entries: map.max_entries,
                map_flags: map.map_flags,
                name: map.name,
                ..Default::default()
            }
            .as_bytes(),
        ),
        Some(Object::Prog { prog_type, name }) => {
            copy(ProgInfo { r#type: *prog_type, id, name: *name, ..Default::default() }.as_bytes())
        }
        Some(Object::Btf) => copy(BtfInfo { id, ..Default::default() }.as_bytes()),
        Some(Object::Link) => copy(LinkInfo { id, ..Default::default() }.as_bytes()),
        Some(Object::File(_) | Object::Other) => return Err(Errno::EINVAL),
        None => return Err(Errno::EBADF),
    })
}
