//! Creating maps: specs in, maps in the kernel with their first contents out.
//!
//! What older kernels refuse (BTF ids, names, shared memory of arrays) is tried first and given up when the kernel says
//! no, so that a current kernel sees one call for each map.

use oxbpf_kernel::{BtfFd, Fact, Kernel, MapCreate, MapFd, Mapping, Prot};
use oxbpf_object::{InitialSlot, MapOrigin, MapSpec, ProgId};
use oxbpf_uapi::flags::MapFlags;
use oxbpf_uapi::{Cmd, Errno, MapType};

use super::pin::pin;
use super::state::{Core, MapRow};
use crate::error::{At, Error, Frame, Result};
use crate::feature::{Feature, Features};
use crate::map::{MapShape, OwnedMap, possible_cpus};

/// Types whose key and value the kernel does not want to know the BTF of.
const WITHOUT_BTF: &[MapType] = &[
    MapType::PERF_EVENT_ARRAY,
    MapType::CGROUP_ARRAY,
    MapType::STACK_TRACE,
    MapType::ARRAY_OF_MAPS,
    MapType::HASH_OF_MAPS,
    MapType::DEVMAP,
    MapType::DEVMAP_HASH,
    MapType::CPUMAP,
    MapType::XSKMAP,
    MapType::SOCKMAP,
    MapType::SOCKHASH,
    MapType::QUEUE,
    MapType::STACK,
    MapType::ARENA,
];

/// Page sizes of Linux, in bytes.
const PAGE_SIZES: [u32; 3] = [4096, 16384, 65536];

impl Core {
    pub(super) fn create_maps(&mut self) -> Result<()> {
        for i in 0..self.spec.maps.len() {
            let frame = self.spec.maps.get(i).map(|m| Frame::Map(m.real_name.clone()));
            self.create_map(i)
                .map_err(|e| frame.into_iter().fold(e, Error::at))
                .at(|| Frame::Step("create"))?;
        }
        for i in 0..self.spec.maps.len() {
            self.fill_map_slots(i)?;
        }
        Ok(())
    }

    fn create_map(&mut self, i: usize) -> Result<()> {
        let Some(spec) = self.spec.maps.get(i) else { return Ok(()) };
        if !spec.autocreate {
            log::debug!("map '{}': not created, autocreate is off", spec.real_name);
            return Ok(());
        }
        self.adjust_map(i)?;
        let mut is_race = false;
        loop {
            self.use_or_create(i)?;
            let Some(row) = self.maps.get_mut(i) else { return Ok(()) };
            let (Some(path), Some(live)) = (&row.pin_path, &row.live) else { return Ok(()) };
            if row.is_pinned {
                return Ok(());
            }
            match pin(&self.kernel, path, live.fd()) {
                Ok(()) => {
                    (row.is_pinned, row.is_pinned_by_load) = (true, true);
                    return Ok(());
                }
                // Someone else pinned theirs in the meantime.
                Err(e) if e.errno() == Errno::EEXIST && !is_race => {
                    is_race = true;
                    (row.live, row.mapping) = (None, None);
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn use_or_create(&mut self, i: usize) -> Result<()> {
        let is_given = self.maps.get(i).is_some_and(|r| r.reused.is_some());
        if !is_given {
            self.reuse_pinned(i)?;
        }
        let (Some(spec), Some(row)) = (self.spec.maps.get_mut(i), self.maps.get_mut(i)) else {
            return Ok(());
        };
        if let Some(fd) = &row.reused {
            let shape = shape_of(spec);
            row.live = Some(OwnedMap::new(self.kernel.clone(), fd.clone(), shape));
            return Ok(());
        }
        let fd = create(&self.kernel, &self.features, self.btf_fd.as_ref(), spec, row)?;
        log::debug!("map '{}': created as {fd:?}", spec.real_name);
        let live = OwnedMap::new(self.kernel.clone(), fd, shape_of(spec));
        if spec.map_type == MapType::ARENA {
            (row.mapping, row.data_offset) = open_arena(&live, &self.features, spec)?;
        } else {
            row.mapping = fill(&live, spec)?;
        }
        row.live = Some(live);
        Ok(())
    }

    /// Completes what a definition leaves to the loader.
    fn adjust_map(&mut self, i: usize) -> Result<()> {
        let kernel = self.kernel.clone();
        let Some(spec) = self.spec.maps.get_mut(i) else { return Ok(()) };
        adjust(&kernel, spec)?;
        match &mut spec.inner {
            Some(inner) => adjust(&kernel, inner),
            None => Ok(()),
        }
    }

    /// Puts the inner maps into a map of maps that declares them.
    fn fill_map_slots(&mut self, i: usize) -> Result<()> {
        let (Some(spec), Some(row)) = (self.spec.maps.get(i), self.maps.get(i)) else { return Ok(()) };
        let Some(live) = row.live.as_ref().filter(|_| row.reused.is_none()) else { return Ok(()) };
        for (index, slot) in &spec.initial_slots {
            let InitialSlot::Map(inner) = slot else { continue };
            let inner = self.maps.get(inner.0 as usize).and_then(|r| r.live.as_ref());
            let missing = || Error::invalid_object("an inner map that it declares was not created");
            let inner = inner.ok_or_else(missing).at(|| Frame::Map(spec.real_name.clone()))?;
            live.update(&index.to_ne_bytes(), &inner.fd().number().to_ne_bytes(), Default::default())?;
        }
        Ok(())
    }

    /// Puts the programs into a program array that declares them. They must be loaded.
    pub(super) fn fill_prog_slots(&mut self) -> Result<()> {
        for (spec, row) in self.spec.maps.iter().zip(&self.maps) {
            let Some(live) = row.live.as_ref().filter(|_| row.reused.is_none()) else { continue };
            for (index, slot) in &spec.initial_slots {
                let InitialSlot::Prog(ProgId(prog)) = slot else { continue };
                let prog = self.programs.get(*prog as usize).and_then(|r| r.fd.as_ref());
                let missing = || {
                    Error::invalid_object("a program that it declares was not loaded")
                        .with_errno(Errno::EBADF)
                };
                let prog = prog.ok_or_else(missing).at(|| Frame::Map(spec.real_name.clone()))?;
                live.update(&index.to_ne_bytes(), &prog.number().to_ne_bytes(), Default::default())?;
            }
        }
        Ok(())
    }
}

fn adjust(kernel: &Kernel, spec: &mut MapSpec) -> Result<()> {
    match spec.map_type {
        MapType::PERF_EVENT_ARRAY if spec.max_entries == 0 => spec.max_entries = possible_cpus(kernel)?,
        MapType::RINGBUF | MapType::USER_RINGBUF => {
            spec.max_entries = ring_size(spec.max_entries, PAGE_SIZES[0]);
        }
        _ => {}
    }
    if WITHOUT_BTF.contains(&spec.map_type) {
        (spec.btf_key_type_id.0, spec.btf_value_type_id.0) = (0, 0);
    }
    Ok(())
}

/// A size that the kernel takes for a ring buffer: a power of two that is a multiple of the page size, and at least what was asked for.
/// 0 and what can't be rounded up are left for the kernel to refuse.
fn ring_size(bytes: u32, page: u32) -> u32 {
    if bytes == 0 {
        return 0;
    }
    bytes.max(page).checked_next_power_of_two().unwrap_or(bytes)
}

pub(super) fn shape_of(spec: &MapSpec) -> MapShape {
    MapShape {
        name: spec.name.clone(),
        map_type: spec.map_type,
        key_size: spec.key_size,
        value_size: spec.value_size,
        max_entries: spec.max_entries,
        map_flags: spec.map_flags,
        map_extra: spec.map_extra,
        btf_key_type_id: spec.btf_key_type_id.0,
        btf_value_type_id: spec.btf_value_type_id.0,
    }
}

/// Creates one map. What the kernel can do without is taken out of `spec` when the kernel refuses it.
fn create(
    kernel: &Kernel,
    features: &Features,
    btf: Option<&BtfFd>,
    spec: &mut MapSpec,
    row: &MapRow,
) -> Result<MapFd> {
    let struct_ops = row.kernel_value.as_ref();
    let inner = match spec.inner.as_deref_mut() {
        Some(inner) => {
            let name = inner.real_name.clone();
            Some(
                create(kernel, features, btf, inner, &MapRow::default())
                    .at(|| Frame::Map(name))
                    .at(|| Frame::Step("create inner"))?,
            )
        }
        None => None,
    };
    let mut request = MapCreate {
        map_type: spec.map_type,
        key_size: spec.key_size,
        value_size: spec.value_size,
        max_entries: spec.max_entries,
        map_flags: spec.map_flags,
        numa_node: spec.numa_node,
        map_extra: spec.map_extra,
        map_name: &spec.name,
        inner_map: inner.as_ref().or(row.inner.as_ref()),
        map_ifindex: row.ifindex,
        ..MapCreate::default()
    };
    if let Some(btf) = btf {
        let (key, value) = (spec.btf_key_type_id.0, spec.btf_value_type_id.0);
        // libbpf gives the BTF of the object to every map that may have types, and the kernel keeps it for queries.
        if !WITHOUT_BTF.contains(&spec.map_type) {
            request = MapCreate { btf: Some(btf), btf_key_type_id: key, btf_value_type_id: value, ..request };
        }
    }
    if let Some(value) = struct_ops {
        // The value's type is the kernel's. The object's BTF goes with it for queries.
        request = MapCreate {
            btf_value_type_id: 0,
            btf_vmlinux_value_type_id: value.value_type.0,
            value_type_btf_obj: value.module.as_ref(),
            ..request
        };
    }
    let result = retry(kernel, features, &mut request);
    let done = (request.map_flags, request.max_entries, request.btf_key_type_id, request.btf_value_type_id);
    (spec.map_flags, spec.max_entries, spec.btf_key_type_id.0) = (done.0, done.1, done.2);
    if struct_ops.is_none() {
        spec.btf_value_type_id.0 = done.3;
    }
    result.map_err(|e| explain(features, spec, e))
}

/// Tries a request, and then with less and less of what an older kernel may not know.
fn retry(kernel: &Kernel, features: &Features, request: &mut MapCreate<'_>) -> Result<MapFd, Errno> {
    let mut result = kernel.map_create(*request);
    if is_final(&result) {
        return result;
    }
    let mmapable = MapFlags::MMAPABLE.bits();
    let is_array = request.map_type == MapType::ARRAY;
    if is_array && request.map_flags & mmapable != 0 && !features.has(Feature::ArrayMmap) {
        request.map_flags &= !mmapable;
        result = kernel.map_create(*request);
    }
    if !is_final(&result) && !request.map_name.is_empty() && !features.has(Feature::ProgName) {
        request.map_name = "";
        result = kernel.map_create(*request);
    }
    // After what a probe can say, so that a kernel that refuses something else still gets the types.
    if !is_final(&result) && (request.btf_key_type_id != 0 || request.btf_value_type_id != 0) {
        log::debug!("map '{}': {:?}, trying without BTF", request.map_name, result.as_ref().err());
        *request = MapCreate { btf: None, btf_key_type_id: 0, btf_value_type_id: 0, ..*request };
        result = kernel.map_create(*request);
    }
    if matches!(request.map_type, MapType::RINGBUF | MapType::USER_RINGBUF) {
        for page in PAGE_SIZES {
            let bytes = ring_size(request.max_entries, page);
            if matches!(result, Err(Errno::EINVAL)) && bytes != request.max_entries {
                request.max_entries = bytes;
                result = kernel.map_create(*request);
            }
        }
    }
    result
}

/// Whether asking for less can't help.
fn is_final(result: &Result<MapFd, Errno>) -> bool {
    !matches!(result, Err(e) if !matches!(*e, Errno::EPERM | Errno::EACCES | Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE))
}

fn explain(features: &Features, spec: &MapSpec, errno: Errno) -> Error {
    let is_data =
        matches!(spec.origin, MapOrigin::Data | MapOrigin::RoData | MapOrigin::Bss | MapOrigin::Kconfig);
    let error = match errno {
        Errno::EINVAL if is_data && !features.has(Feature::GlobalData) => {
            Error::unsupported(Feature::GlobalData.name(), Feature::GlobalData.since())
        }
        Errno::EINVAL => {
            let MapSpec { map_type, key_size, value_size, max_entries, map_flags, .. } = spec;
            let flags = MapFlags::from_bits_retain(*map_flags);
            let message = format!(
                "the kernel refuses {map_type} with key size {key_size}, value size {value_size}, {max_entries} entries, flags {flags}"
            );
            let error = Error::kernel(errno).with_message(message);
            match map_type.since() {
                Some(since) => error.with_hint(format!("{map_type} needs Linux {since} or newer")),
                None => error,
            }
        }
        Errno::ENOMEM | Errno::E2BIG => {
            let (entries, size) = (spec.max_entries, u64::from(spec.key_size) + u64::from(spec.value_size));
            let message = format!("the kernel has no memory for {entries} entries of {size} bytes");
            Error::kernel(errno).with_message(message).with_hint("make max_entries smaller")
        }
        _ => Error::kernel(errno),
    };
    error.at(Frame::Command(Cmd::MAP_CREATE))
}

/// Writes the first contents of a data map, and shares its memory where that is of use.
fn fill(live: &OwnedMap, spec: &MapSpec) -> Result<Option<Mapping>> {
    let is_shared = spec.map_flags & MapFlags::MMAPABLE.bits() != 0;
    match spec.origin {
        MapOrigin::Data | MapOrigin::Bss => {
            let mapping = if is_shared { share(live, spec.data.len()) } else { None };
            match &mapping {
                Some(mapping) => mapping.write(0, &spec.data).at(|| Frame::Syscall("mmap"))?,
                None => write_first(live, &spec.data)?,
            }
            Ok(mapping)
        }
        MapOrigin::RoData | MapOrigin::Kconfig => {
            write_first(live, &spec.data)?;
            // Before 5.2 maps can't be frozen; such kernels do not track what a read-only map holds either.
            match live.kernel().map_freeze(live.fd()) {
                Err(Errno::EINVAL) => log::debug!("map '{}': the kernel can't freeze it", spec.real_name),
                frozen => frozen.at(|| Frame::Command(Cmd::MAP_FREEZE))?,
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Maps an arena into this process, where its addresses are those that programs use, and puts the object's variables in. Gives the
/// memory, and where in it they begin.
fn open_arena(live: &OwnedMap, features: &Features, spec: &MapSpec) -> Result<(Option<Mapping>, u64)> {
    if live.kernel().is_deferred() && spec.data.is_empty() {
        return Ok((None, 0));
    }
    let page = page_size(live.kernel());
    let len = u64::from(spec.max_entries).saturating_mul(page);
    let mapping = match spec.map_extra {
        0 => live.mmap(0, len, Prot::ReadWrite)?,
        address => {
            let mapped = live.kernel().mmap_at(live.fd(), address, 0..len, Prot::ReadWrite);
            mapped.at(|| Frame::Syscall("mmap")).map_err(|e| match e.errno() {
                Errno::EEXIST => e.with_hint(format!("something is mapped at {address:#x} already")),
                _ => e,
            })?
        }
    };
    if spec.data.is_empty() {
        return Ok((Some(mapping), 0));
    }
    let room = (spec.data.len() as u64).checked_next_multiple_of(page).filter(|room| *room <= len);
    let Some(room) = room else {
        let why = format!("its variables take {} bytes, it has {len}", spec.data.len());
        return Err(Error::invalid_object(why).with_hint("make max_entries (pages) larger"));
    };
    // At the end they leave the addresses next to the start free, where null pointers with an offset lead.
    let offset = if features.has(Feature::LdImm64FullRangeOff) { len - room } else { 0 };
    mapping.write(offset as usize, &spec.data).at(|| Frame::Syscall("mmap"))?;
    Ok((Some(mapping), offset))
}

/// Bytes of a page; back ends that do not say have small ones.
fn page_size(kernel: &Kernel) -> u64 {
    let text = kernel.fact(Fact::PageSize).ok();
    let number = text.and_then(|text| String::from_utf8_lossy(&text).trim().parse().ok());
    number.unwrap_or(u64::from(PAGE_SIZES[0]))
}

fn write_first(live: &OwnedMap, data: &[u8]) -> Result<()> {
    // A loader program has a place for contents that its runner chooses.
    if !live.kernel().is_deferred() && data.iter().all(|b| *b == 0) {
        return Ok(());
    }
    live.update(&0u32.to_ne_bytes(), data, Default::default())
}

/// Shares the memory of a map that a loader program created and filled: what [`create`] and [`fill`] give for one of the loader's own.
pub(super) fn share_created(
    live: &OwnedMap,
    features: &Features,
    spec: &MapSpec,
) -> Result<(Option<Mapping>, u64)> {
    match spec.origin {
        _ if spec.map_type == MapType::ARENA => open_arena(live, features, spec),
        MapOrigin::Data | MapOrigin::Bss if spec.map_flags & MapFlags::MMAPABLE.bits() != 0 => {
            Ok((share(live, spec.data.len()), 0))
        }
        _ => Ok((None, 0)),
    }
}

/// Shares a data map's memory; a back end that can't is no reason to fail.
fn share(live: &OwnedMap, len: usize) -> Option<Mapping> {
    let page = PAGE_SIZES[0] as usize;
    let len = len.checked_next_multiple_of(page)? as u64;
    match live.kernel().mmap(live.fd(), 0..len, Prot::ReadWrite) {
        Ok(mapping) => Some(mapping),
        Err(e) => {
            log::debug!("map '{}': its memory can't be shared: {e}", live.name());
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ring_sizes_are_powers_of_two_of_at_least_a_page() {
        for (asked, given) in
            [(0, 0), (1, 4096), (4096, 4096), (4097, 8192), (256 << 10, 256 << 10), (300_000, 524_288)]
        {
            assert_eq!(ring_size(asked, 4096), given, "{asked}");
        }
        assert_eq!(ring_size(u32::MAX, 4096), u32::MAX);
    }
}
