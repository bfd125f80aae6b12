//! Skeletons: structs that generated code describes, filled in.
//!
//! Arrays are walked by the size that the caller gives for an entry, so that skeletons of older generators, whose entries
//! are shorter, work.

use core::ffi::c_int;
use core::mem::offset_of;

use oxbpf_object::MapOrigin;
use oxbpf_uapi::MapType;

use super::attach::by_section;
use super::link::Link;
use super::object::{advance_to_loaded, find_map, open_skeleton};
use crate::abi::{
    BpfMapSkeleton, BpfObjectOpenOpts, BpfObjectSkeleton, BpfObjectSubskeleton, BpfProgSkeleton,
    BpfVarSkeleton,
};
use crate::arg::{Raw, give};
use crate::fail::Fail;
use crate::object::{Map, Object, Program};
use crate::opts::Opts;
use crate::ret::{Int, Void, free};

/// The entries of an array: address, number, bytes of each.
fn entries(array: Raw, count: c_int, size: c_int) -> impl Iterator<Item = Raw> {
    let size = usize::try_from(size).unwrap_or(0);
    let count = if array.is_null() { 0 } else { usize::try_from(count).unwrap_or(0) };
    (0..count).map(move |i| array.offset(i * size))
}

/// The maps of a skeleton.
fn maps(s: Raw) -> (impl Iterator<Item = Raw>, usize) {
    type L = BpfObjectSkeleton;
    let size: c_int = s.read(offset_of!(L, map_skel_sz));
    let array = s.pointer_at(offset_of!(L, maps));
    (entries(array, s.read(offset_of!(L, map_cnt)), size), usize::try_from(size).unwrap_or(0))
}

/// The programs of a skeleton.
fn programs(s: Raw) -> impl Iterator<Item = Raw> {
    type L = BpfObjectSkeleton;
    let array = s.pointer_at(offset_of!(L, progs));
    entries(array, s.read(offset_of!(L, prog_cnt)), s.read(offset_of!(L, prog_skel_sz)))
}

/// Finds the maps that entries name.
fn fill_maps(object: &Object, entries: impl Iterator<Item = Raw>) -> Result<(), Fail> {
    for entry in entries {
        let name = entry.str_at(offset_of!(BpfMapSkeleton, name));
        let Ok(map) = find_map(object, name) else {
            let name = name.c().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            log::warn!("failed to find skeleton map '{name}'");
            return Err(Fail::SRCH);
        };
        entry.pointer_at(offset_of!(BpfMapSkeleton, map)).write_pointer(0, core::ptr::from_ref(map));
        let memory = entry.pointer_at(offset_of!(BpfMapSkeleton, mmaped));
        if !memory.is_null() && map.with(|m| m.origin)? != MapOrigin::Kconfig {
            memory.write_pointer(0, map.variables()?);
        }
    }
    Ok(())
}

/// Finds the programs that entries name.
fn fill_programs(object: &Object, entries: impl Iterator<Item = Raw>) -> Result<(), Fail> {
    for entry in entries {
        let name = entry.str_at(offset_of!(BpfProgSkeleton, name));
        let found = name.c().and_then(|name| object.programs.iter().find(|p| p.name.as_c_str() == name));
        let Some(program) = found else {
            let name = name.c().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            log::warn!("failed to find skeleton program '{name}'");
            return Err(Fail::SRCH);
        };
        entry.pointer_at(offset_of!(BpfProgSkeleton, prog)).write_pointer(0, core::ptr::from_ref(program));
    }
    Ok(())
}

/// Puts addresses of variables where a subskeleton wants them.
fn fill_variables(object: &Object, s: Raw) -> Result<(), Fail> {
    type L = BpfObjectSubskeleton;
    let array = s.pointer_at(offset_of!(L, vars));
    for entry in entries(array, s.read(offset_of!(L, var_cnt)), s.read(offset_of!(L, var_skel_sz))) {
        let name = entry.str_at(offset_of!(BpfVarSkeleton, name));
        let name = name.get()?;
        let map = entry.pointer_at(offset_of!(BpfVarSkeleton, map)).object_at::<Map>(0);
        let map = map.get()?;
        let section = map.with(|m| m.btf_value_type_id)?;
        let offset = {
            let core = object.read();
            let types = core.spec().btf.clone().ok_or(Fail::INVAL)?;
            let oxbpf_btf::Type::DataSec(section) = types.get(section)?.view() else {
                log::warn!("type for map '{}' is not a datasec", map.name.to_string_lossy());
                return Err(Fail::INVAL);
            };
            let named = |v: &oxbpf_btf::SecVar| types.get(v.type_id).is_ok_and(|t| t.name() == name);
            section.vars().find(named).map(|v| v.offset as usize)
        };
        if let Some(offset) = offset {
            let place = entry.pointer_at(offset_of!(BpfVarSkeleton, addr));
            place.write_pointer(0, map.variables()?.wrapping_add(offset));
        }
    }
    Ok(())
}

/// Attaches programs, and then struct_ops maps.
fn attach(s: Raw) -> Result<(), Fail> {
    for entry in programs(s) {
        let program = entry.pointer_at(offset_of!(BpfProgSkeleton, prog)).object_at::<Program>(0);
        let (program, link) = (program.get()?, entry.pointer_at(offset_of!(BpfProgSkeleton, link)));
        let is_wanted = program.with(|p| Ok(p.autoload() && p.autoattach()))?;
        if !is_wanted || link.object_at::<Link>(0).opt().is_some() {
            continue;
        }
        let can_attach = match &program.handler {
            Some(handler) => handler.attach.is_some(),
            None => program.with(|p| Ok(p.attach_kind() != oxbpf::AttachKind::Explicit))?,
        };
        if !can_attach {
            continue;
        }
        let made = by_section(program).inspect_err(|fail| {
            let (name, errno) = (program.name.to_string_lossy(), oxbpf_uapi::Errno(fail.0));
            log::warn!("prog '{name}': failed to auto-attach: -{errno:?}");
        })?;
        if let Some(made) = made {
            link.write_pointer(0, made);
        }
    }
    let (entries, size) = maps(s);
    for entry in entries {
        let map = entry.pointer_at(offset_of!(BpfMapSkeleton, map)).object_at::<Map>(0);
        let map = map.get()?;
        let is_struct_ops = map.with(|m| m.autocreate && m.map_type == MapType::STRUCT_OPS)?;
        let wants = map.object()?.read().map_autoattach(map.id);
        if !is_struct_ops || !wants {
            continue;
        }
        let name = map.name.to_string_lossy();
        if size < offset_of!(BpfMapSkeleton, link) + size_of::<usize>() {
            log::warn!("map '{name}': BPF skeleton version is old, skipping map auto-attachment...");
            continue;
        }
        let link = entry.pointer_at(offset_of!(BpfMapSkeleton, link));
        if link.is_null() {
            log::warn!("map '{name}': BPF map skeleton link is uninitialized");
            continue;
        }
        if link.object_at::<Link>(0).opt().is_none() {
            link.write_pointer(0, map.live(|m| Ok(give(Link::new(m.attach_struct_ops()?))))?);
        }
    }
    Ok(())
}

/// Ends links and clears their places.
fn detach(s: Raw) {
    let end = |place: Raw| {
        if let Some(Err(fail)) = place.object_at::<Link>(0).take().map(|link| link.end()) {
            log::warn!("a link could not be ended: -{:?}", oxbpf_uapi::Errno(fail.0));
        }
        place.write_pointer(0, core::ptr::null::<Link>());
    };
    for entry in programs(s) {
        end(entry.pointer_at(offset_of!(BpfProgSkeleton, link)));
    }
    let (entries, size) = maps(s);
    if size >= offset_of!(BpfMapSkeleton, link) + size_of::<usize>() {
        for entry in entries {
            end(entry.pointer_at(offset_of!(BpfMapSkeleton, link)));
        }
    }
}

export! {
    /// Opens the object of a skeleton and finds its maps and programs.
    fn bpf_object__open_skeleton(s: Raw, opts: Opts<BpfObjectOpenOpts>) -> Int {
        type L = BpfObjectSkeleton;
        let name = s.str_at(offset_of!(L, name));
        let data = s.pointer_at(offset_of!(L, data));
        let bytes = data.bytes(s.read(offset_of!(L, data_sz))).filter(|b| !b.is_empty()).ok_or(Fail::INVAL)?;
        let object = open_skeleton(bytes, name.opt()?, opts).inspect_err(|fail| {
            let (name, errno) = (name.c().unwrap_or_default().to_string_lossy(), oxbpf_uapi::Errno(fail.0));
            log::warn!("failed to initialize skeleton BPF object '{name}': -{errno:?}");
        })?;
        s.pointer_at(offset_of!(L, obj)).write_pointer(0, crate::arg::give_shared(object.clone()));
        fill_maps(&object, maps(s).0)?;
        fill_programs(&object, programs(s))?;
        Ok(0)
    }

    /// Finds what a subskeleton names in an object that is open.
    fn bpf_object__open_subskeleton(s: Raw) -> Int {
        type L = BpfObjectSubskeleton;
        let object = s.object_at::<Object>(offset_of!(L, obj));
        let object = object.get()?;
        if object.btf().is_none() {
            log::warn!("subskeletons require BTF at runtime (object {})", object.name.to_string_lossy());
            return Err(Fail::NOENT);
        }
        let array = s.pointer_at(offset_of!(L, maps));
        fill_maps(object, entries(array, s.read(offset_of!(L, map_cnt)), s.read(offset_of!(L, map_skel_sz))))?;
        let array = s.pointer_at(offset_of!(L, progs));
        fill_programs(object, entries(array, s.read(offset_of!(L, prog_cnt)), s.read(offset_of!(L, prog_skel_sz))))?;
        fill_variables(object, s)?;
        Ok(0)
    }

    /// Loads the object of a skeleton; its memory is that of the maps from then on.
    fn bpf_object__load_skeleton(s: Raw) -> Int {
        type L = BpfObjectSkeleton;
        let object = s.pointer_at(offset_of!(L, obj)).object_at::<Object>(0);
        advance_to_loaded(object.get()?).inspect_err(|fail| {
            let name = s.str_at(offset_of!(L, name));
            let (name, errno) = (name.c().unwrap_or_default().to_string_lossy(), oxbpf_uapi::Errno(fail.0));
            log::warn!("failed to load BPF skeleton '{name}': -{errno:?}");
        })?;
        for entry in maps(s).0 {
            let map = entry.pointer_at(offset_of!(BpfMapSkeleton, map)).object_at::<Map>(0);
            let memory = entry.pointer_at(offset_of!(BpfMapSkeleton, mmaped));
            if !memory.is_null() {
                memory.write_pointer(0, map.get()?.variables()?);
            }
        }
        Ok(0)
    }

    /// Attaches the programs and struct_ops maps of a skeleton that say where.
    fn bpf_object__attach_skeleton(s: Raw) -> Int {
        attach(s)?;
        Ok(0)
    }

    /// Detaches what a skeleton has attached.
    fn bpf_object__detach_skeleton(s: Raw) -> Void {
        detach(s);
        Ok(())
    }

    /// Detaches and closes everything of a skeleton, and frees it.
    fn bpf_object__destroy_skeleton(s: Raw) -> Void {
        type L = BpfObjectSkeleton;
        if s.is_null() {
            return Ok(());
        }
        detach(s);
        let place = s.pointer_at(offset_of!(L, obj));
        if !place.is_null() {
            drop(place.object_at::<Object>(0).take_shared());
        }
        for part in [s.pointer_at(offset_of!(L, maps)), s.pointer_at(offset_of!(L, progs)), s] {
            free(part);
        }
        Ok(())
    }

    /// Frees a subskeleton.
    fn bpf_object__destroy_subskeleton(s: Raw) -> Void {
        type L = BpfObjectSubskeleton;
        if s.is_null() {
            return Ok(());
        }
        let parts = [offset_of!(L, maps), offset_of!(L, progs), offset_of!(L, vars)];
        for part in parts.map(|at| s.pointer_at(at)) {
            free(part);
        }
        free(s);
        Ok(())
    }
}
