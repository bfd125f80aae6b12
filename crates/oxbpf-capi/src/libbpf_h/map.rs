//! Maps of objects: what they are, how they are created, where they are pinned.

use core::ffi::c_int;
use std::path::PathBuf;

use oxbpf_kernel::MapFd;
use oxbpf_object::MapOrigin;
use oxbpf_uapi::MapType;
use oxbpf_uapi::flags::MapFlags;

use super::link::Link;
use crate::arg::{Ptr, Put, Raw, Str, give};
use crate::fail::Fail;
use crate::fd;
use crate::object::{Map, Program, c_path, lock};
use crate::ret::{Int, Out, Val};

impl Map {
    /// The descriptor.
    ///
    /// # Errors
    /// `EPERM`, which is −1, if there is none yet.
    pub fn fd(&self) -> Result<c_int, Fail> {
        let object = self.object()?;
        let core = object.read();
        Ok(core.map_fd(self.id).filter(|_| !self.is_inner()).map_or(-1, |fd| fd.number()))
    }

    /// Reads something of the map that was created.
    ///
    /// # Errors
    /// `ENOENT` if it was not.
    pub fn live<T>(&self, get: impl FnOnce(oxbpf::Map<'_>) -> Result<T, Fail>) -> Result<T, Fail> {
        let object = self.object()?;
        let core = object.read();
        get(core.map_at(self.id).ok_or(Fail::NOENT)?)
    }

    /// The one path that is meant, by argument or by what the map has.
    fn one_path(&self, path: Option<PathBuf>) -> Result<PathBuf, Fail> {
        match (self.pin_path(), path) {
            (Some(own), Some(other)) if own != other => {
                let name = self.name.to_string_lossy();
                log::warn!(
                    "map '{name}' already has pin path '{}' different from '{}'",
                    own.display(),
                    other.display()
                );
                Err(Fail::INVAL)
            }
            (Some(own), _) => Ok(own),
            (None, Some(path)) => Ok(path),
            (None, None) => {
                log::warn!("missing a path to pin map '{}' at", self.name.to_string_lossy());
                Err(Fail::INVAL)
            }
        }
    }

    /// Pins it, unless it is pinned there.
    ///
    /// # Errors
    /// `EINVAL` without a path, with two, or before the map exists; `EEXIST` if it is pinned elsewhere; the kernel's.
    pub fn pin(&self, path: Option<PathBuf>) -> Result<(), Fail> {
        if self.fd()? < 0 {
            log::warn!(
                "map '{}': can't pin BPF map without FD (was it created?)",
                self.name.to_string_lossy()
            );
            return Err(Fail::INVAL);
        }
        let (object, had_path) = (self.object()?, self.pin_path().is_some());
        let path = self.one_path(path)?;
        let mut core = object.write();
        if core.map_is_pinned(self.id) {
            return if had_path { Ok(()) } else { Err(Fail(libc::EEXIST)) };
        }
        core.pin_map_at(self.id, path.clone())?;
        *lock(&self.pin_path) = Some(c_path(&path));
        Ok(())
    }

    /// Removes its pin.
    ///
    /// # Errors
    /// `EINVAL` without a path or with two; the file system's.
    pub fn unpin(&self, path: Option<PathBuf>) -> Result<(), Fail> {
        let path = self.one_path(path)?;
        Ok(self.object()?.write().unpin_map_at(self.id, &path)?)
    }

    fn set_value_size(&self, size: u32) -> Result<c_int, Fail> {
        let mut pages = lock(&self.pages);
        let kept = pages.take();
        self.change(|mut map| {
            let spec = map.spec();
            let is_data = !spec.data.is_empty() && spec.origin != MapOrigin::StructOps;
            if is_data && spec.map_type != MapType::ARRAY {
                return Err(Fail::OPNOTSUPP);
            }
            if let Some(kept) = kept.as_ref().filter(|_| is_data) {
                let mut data = kept.copy();
                data.resize(spec.data.len(), 0);
                map.set_initial_value(&data)?;
            }
            map.set_value_size(size);
            Ok(0)
        })
        // C asks for the address anew, and finds what it wrote at the old one.
        .inspect_err(|_| *pages = kept)
    }
}

export! {
    /// The map's descriptor, −1 before it exists.
    fn bpf_map__fd(map: Ptr<Map>) -> Int {
        map.get()?.fd()
    }

    /// The map's name.
    fn bpf_map__name(map: Ptr<Map>) -> Out<i8> {
        Ok(map.get()?.name.as_ptr().cast())
    }

    /// Its type.
    fn bpf_map__type(map: Ptr<Map>) -> Val<u32> {
        map.get()?.with(|m| m.map_type.0)
    }

    /// Sets its type.
    fn bpf_map__set_type(map: Ptr<Map>, map_type: u32) -> Int {
        map.get()?.change(|mut m| { m.set_type(MapType(map_type)); Ok(0) })
    }

    /// Bytes of a key.
    fn bpf_map__key_size(map: Ptr<Map>) -> Val<u32> {
        map.get()?.with(|m| m.key_size)
    }

    /// Sets the bytes of a key.
    fn bpf_map__set_key_size(map: Ptr<Map>, size: u32) -> Int {
        map.get()?.change(|mut m| { m.set_key_size(size); Ok(0) })
    }

    /// Bytes of a value.
    fn bpf_map__value_size(map: Ptr<Map>) -> Val<u32> {
        map.get()?.with(|m| m.value_size)
    }

    /// Sets the bytes of a value; memory of a data map grows or shrinks.
    fn bpf_map__set_value_size(map: Ptr<Map>, size: u32) -> Int {
        map.get()?.set_value_size(size)
    }

    /// Most entries it can have.
    fn bpf_map__max_entries(map: Ptr<Map>) -> Val<u32> {
        map.get()?.with(|m| m.max_entries)
    }

    /// Sets the most entries it can have.
    fn bpf_map__set_max_entries(map: Ptr<Map>, max_entries: u32) -> Int {
        map.get()?.change(|mut m| {
            let is_ring = matches!(m.spec().map_type, MapType::RINGBUF | MapType::USER_RINGBUF);
            m.set_max_entries(if is_ring { ring_size(max_entries) } else { max_entries });
            Ok(0)
        })
    }

    /// Its `BPF_F_*` flags.
    fn bpf_map__map_flags(map: Ptr<Map>) -> Val<u32> {
        map.get()?.with(|m| m.map_flags)
    }

    /// Sets its flags.
    fn bpf_map__set_map_flags(map: Ptr<Map>, flags: u32) -> Int {
        map.get()?.change(|mut m| { m.set_map_flags(MapFlags::from_bits_retain(flags)); Ok(0) })
    }

    /// Its type-specific extra value.
    fn bpf_map__map_extra(map: Ptr<Map>) -> Val<u64> {
        map.get()?.with(|m| m.map_extra)
    }

    /// Sets its extra value.
    fn bpf_map__set_map_extra(map: Ptr<Map>, map_extra: u64) -> Int {
        map.get()?.change(|mut m| { m.set_map_extra(map_extra); Ok(0) })
    }

    /// Its NUMA node.
    fn bpf_map__numa_node(map: Ptr<Map>) -> Val<u32> {
        map.get()?.with(|m| m.numa_node)
    }

    /// Sets its NUMA node.
    fn bpf_map__set_numa_node(map: Ptr<Map>, numa_node: u32) -> Int {
        map.get()?.change(|mut m| { m.set_numa_node(numa_node); Ok(0) })
    }

    /// Network interface that it is offloaded to.
    fn bpf_map__ifindex(map: Ptr<Map>) -> Val<u32> {
        let map = map.get()?;
        let object = map.object()?;
        let core = object.read();
        Ok(core.map_ifindex(map.id))
    }

    /// Sets the interface that it is offloaded to.
    fn bpf_map__set_ifindex(map: Ptr<Map>, ifindex: u32) -> Int {
        map.get()?.change(|mut m| { m.set_ifindex(ifindex); Ok(0) })
    }

    /// BTF type of the key, 0 if unknown.
    fn bpf_map__btf_key_type_id(map: Ptr<Map>) -> Val<u32> {
        map.opt().map_or(Ok(0), |map| map.with(|m| m.btf_key_type_id.0))
    }

    /// BTF type of the value, 0 if unknown.
    fn bpf_map__btf_value_type_id(map: Ptr<Map>) -> Val<u32> {
        map.opt().map_or(Ok(0), |map| map.with(|m| m.btf_value_type_id.0))
    }

    /// Whether it stands for a section of data or configuration.
    fn bpf_map__is_internal(map: Ptr<Map>) -> Val<bool> {
        map.get()?.with(|m| !matches!(m.origin, MapOrigin::Btf | MapOrigin::StructOps))
    }

    /// Whether loading creates it.
    fn bpf_map__autocreate(map: Ptr<Map>) -> Val<bool> {
        map.get()?.with(|m| m.autocreate)
    }

    /// Sets whether loading creates it.
    fn bpf_map__set_autocreate(map: Ptr<Map>, autocreate: bool) -> Int {
        map.get()?.change(|mut m| { m.set_autocreate(autocreate); Ok(0) })
    }

    /// Whether attaching a skeleton attaches it.
    fn bpf_map__autoattach(map: Ptr<Map>) -> Val<bool> {
        let map = map.get()?;
        let object = map.object()?;
        let core = object.read();
        let is_struct_ops = map.with(|m| m.map_type)? == MapType::STRUCT_OPS;
        Ok(is_struct_ops && core.map_autoattach(map.id))
    }

    /// Sets whether attaching a skeleton attaches it; only struct_ops maps can be attached.
    fn bpf_map__set_autoattach(map: Ptr<Map>, autoattach: bool) -> Int {
        let map = map.get()?;
        if map.with(|m| m.map_type)? != MapType::STRUCT_OPS {
            return Err(Fail::INVAL);
        }
        let object = map.object()?;
        object.write().map_at_mut(map.id).ok_or(Fail::INVAL)?.set_autoattach(autoattach);
        Ok(0)
    }

    /// Uses a map that exists in place of a new one; the descriptor stays C's.
    fn bpf_map__reuse_fd(map: Ptr<Map>, fd: c_int) -> Int {
        let map = map.get()?;
        let own = MapFd(fd::duplicate(fd)?);
        if map.is_inner() {
            return Err(Fail::OPNOTSUPP);
        }
        let object = map.object()?;
        object.write().map_at_mut(map.id).ok_or(Fail::INVAL)?.reuse_fd(own)?;
        Ok(0)
    }

    /// The map that tells a map of maps what its inner maps look like; the descriptor stays C's.
    fn bpf_map__set_inner_map_fd(map: Ptr<Map>, fd: c_int) -> Int {
        let map = map.get()?;
        let own = MapFd(fd::duplicate(fd)?);
        let object = map.object()?;
        object.write().map_at_mut(map.id).ok_or(Fail::INVAL)?.set_inner_map_fd(own)?;
        Ok(0)
    }

    /// The definition of its inner maps, null if there is none.
    fn bpf_map__inner_map(map: Ptr<Map>) -> Out<Map> {
        let map = map.get()?;
        let is_outer = map.with(|m| matches!(m.map_type, MapType::ARRAY_OF_MAPS | MapType::HASH_OF_MAPS))?;
        if !is_outer || map.is_inner() {
            return Err(Fail::INVAL);
        }
        Ok(map.inner().map_or(core::ptr::null(), core::ptr::from_ref))
    }

    /// Copies the first contents of a data map.
    fn bpf_map__set_initial_value(map: Ptr<Map>, data: Raw, size: usize) -> Int {
        let map = map.get()?;
        if map.is_created()? {
            return Err(Fail::BUSY);
        }
        let is_settable = map.with(|m| !matches!(m.origin, MapOrigin::Kconfig | MapOrigin::StructOps))?;
        let (_, have) = map.initial_value()?.filter(|_| is_settable).ok_or(Fail::INVAL)?;
        if size != have {
            return Err(Fail::INVAL);
        }
        let data = data.bytes(size).ok_or(Fail::INVAL)?;
        if let Some(pages) = lock(&map.pages).as_ref() {
            pages.fill(data);
        }
        Ok(0)
    }

    /// The first contents of a data map, or the memory of the map itself once it exists.
    fn bpf_map__initial_value(map: Ptr<Map>, psize: Put<usize>) -> Out<u8> {
        let map = map.get()?;
        let Some((address, size)) = map.initial_value()? else { return Ok(core::ptr::null()) };
        psize.set(size);
        Ok(match map.arena_start()? {
            Some(start) => start,
            None => address,
        })
    }

    /// Pins the map at a path, or at its pin path.
    fn bpf_map__pin(map: Ptr<Map>, path: Str) -> Int {
        map.get()?.pin(path.opt_path().map(Into::into)).map(|()| 0)
    }

    /// Removes the map's pin.
    fn bpf_map__unpin(map: Ptr<Map>, path: Str) -> Int {
        map.get()?.unpin(path.opt_path().map(Into::into)).map(|()| 0)
    }

    /// Sets where loading pins it; null for nowhere.
    fn bpf_map__set_pin_path(map: Ptr<Map>, path: Str) -> Int {
        let map = map.get()?;
        if !map.is_inner() {
            let object = map.object()?;
            let path = path.opt_path().map(Into::into);
            object.write().map_at_mut(map.id).ok_or(Fail::INVAL)?.set_pin_path(path);
        }
        *lock(&map.pin_path) = path.c().map(ToOwned::to_owned);
        Ok(0)
    }

    /// Where it is pinned or is to be pinned, null for nowhere.
    fn bpf_map__pin_path(map: Ptr<Map>) -> Out<i8> {
        pin_path(map.get()?)
    }

    /// As `bpf_map__pin_path`.
    fn bpf_map__get_pin_path(map: Ptr<Map>) -> Out<i8> {
        pin_path(map.get()?)
    }

    /// Whether it is pinned.
    fn bpf_map__is_pinned(map: Ptr<Map>) -> Val<bool> {
        let map = map.get()?;
        let object = map.object()?;
        let core = object.read();
        Ok(core.map_is_pinned(map.id))
    }

    /// Registers a struct_ops map's callbacks.
    fn bpf_map__attach_struct_ops(map: Ptr<Map>) -> Out<Link> {
        map.get()?.live(|m| Ok(give(Link::new(m.attach_struct_ops()?))))
    }

    /// The program that alone may use the map, null for all.
    fn bpf_map__exclusive_program(map: Ptr<Map>) -> Out<Program> {
        let map = map.get()?;
        let id = *lock(&map.exclusive);
        let object = map.object()?;
        let program = id.and_then(|id| object.programs.get(id.0 as usize));
        Ok(program.map_or(core::ptr::null(), core::ptr::from_ref))
    }
}

/// Bytes of a ring: a power of two and a multiple of the page size.
fn ring_size(bytes: u32) -> u32 {
    let page = u32::try_from(crate::memory::page_size()).unwrap_or(4096);
    match bytes {
        0 => 0,
        bytes => bytes.max(page).checked_next_power_of_two().unwrap_or(bytes),
    }
}

fn pin_path(map: &Map) -> Result<*const i8, Fail> {
    Ok(lock(&map.pin_path).as_ref().map_or(core::ptr::null(), |path| path.as_ptr().cast()))
}

impl Map {
    /// Where an arena is in this process, `None` for other maps and before it exists.
    fn arena_start(&self) -> Result<Option<*const u8>, Fail> {
        let object = self.object()?;
        let core = object.read();
        let is_arena = core.spec().maps.get(self.id.0 as usize).is_some_and(|m| m.map_type == MapType::ARENA);
        let memory = core.map_memory(self.id).filter(|_| is_arena);
        Ok(memory.map(|(mapping, _)| mapping.as_ptr().cast_const()))
    }

    /// Where the variables of a data map or an arena are, for skeletons.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn variables(&self) -> Result<*const u8, Fail> {
        let object = self.object()?;
        let core = object.read();
        let is_arena = core.spec().maps.get(self.id.0 as usize).is_some_and(|m| m.map_type == MapType::ARENA);
        if let Some((mapping, offset)) = core.map_memory(self.id).filter(|_| is_arena) {
            return Ok(mapping.as_ptr().wrapping_add(offset as usize).cast_const());
        }
        drop(core);
        Ok(self.initial_value()?.map_or(core::ptr::null(), |(address, _)| address))
    }
}
