//! Maps: definitions in `.maps` and data sections in, [`MapSpec`]s out.
//!
//! The order is libbpf's, whose callers index by it: `.maps` definitions by offset, data sections by section index,
//! `.kconfig`, struct_ops variables.

use std::collections::HashMap;
use std::sync::Arc;

use oxbpf_btf::{Btf, SecVar, Type, TypeId, VarLinkage};
use oxbpf_elf::{ElfObject, Section};
use oxbpf_uapi::{BtfKind, Errno, MapType};

use crate::error::{ObjectError, Place};
use crate::externs::Externs;
use crate::layout::{KCONFIG, Layout, MAPS, Role};
use crate::map_def::{self, Scope};
use crate::spec::{MapId, MapOrigin, MapSpec, StructOpsId, StructOpsSpec};

/// `BPF_F_RDONLY_PROG`: programs may not write.
const RDONLY_PROG: u32 = 1 << 7;
/// `BPF_F_MMAPABLE`: user space may map it.
const MMAPABLE: u32 = 1 << 10;
/// `BPF_F_LINK`: a struct_ops map attaches by a link.
const LINK: u32 = 1 << 13;
/// Bytes of a map name that the kernel keeps.
const MAX_NAME: usize = 15;
/// The most bytes that all data maps of an object may have together: `.bss` takes nothing in the file, so that a file
/// of a few bytes could otherwise ask for any amount of memory.
const MAX_DATA: u64 = 1 << 30;

/// The maps of an object and where they are.
#[derive(Debug, Default)]
pub(crate) struct Maps {
    pub(crate) specs: Vec<MapSpec>,
    pub(crate) struct_ops: Vec<StructOpsSpec>,
    pub(crate) tags: Vec<(MapId, String)>,
    /// Bytes of each `.maps` definition, by map.
    extents: Vec<(u32, u32)>,
    by_offset: HashMap<u32, MapId>,
    by_section: HashMap<u32, MapId>,
    pub(crate) by_name: HashMap<String, MapId>,
    pub(crate) arena: Option<MapId>,
    /// Map and section index of each struct_ops variable.
    pub(crate) struct_ops_at: Vec<(u32, MapId)>,
}

/// What maps are collected from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    pub(crate) elf: &'a ElfObject<'a>,
    pub(crate) layout: &'a Layout,
    pub(crate) btf: Option<&'a Btf>,
    pub(crate) file: &'a Arc<str>,
    /// Prefix of data maps' names.
    pub(crate) object: &'a str,
    pub(crate) relaxed: bool,
}

impl Source<'_> {
    fn fail(&self, place: Place, errno: Errno, why: impl Into<String>) -> ObjectError {
        ObjectError::new(self.file, place, errno, why)
    }
}

impl Maps {
    pub(crate) fn collect(src: Source<'_>, externs: &Externs) -> Result<Self, ObjectError> {
        let mut maps = Self::default();
        maps.definitions(src)?;
        maps.data_sections(src)?;
        if externs.kconfig_size > 0 {
            maps.internal(src, MapOrigin::Kconfig, KCONFIG, &[], externs.kconfig_size);
        }
        maps.struct_ops(src)?;
        maps.decl_tags(src);
        Ok(maps)
    }

    fn push(&mut self, map: MapSpec) -> MapId {
        let id = MapId(self.specs.len() as u32);
        self.by_name.entry(map.name.clone()).or_insert(id);
        self.specs.push(map);
        id
    }

    /// The map whose definition begins at an offset of `.maps`.
    pub(crate) fn defined_at(&self, offset: u64) -> Option<MapId> {
        self.by_offset.get(&u32::try_from(offset).ok()?).copied()
    }

    /// The map whose definition holds the bytes of a pointer at an offset of `.maps`.
    pub(crate) fn defined_around(&self, offset: u64) -> Option<MapId> {
        // BTF lists them in the order of their offsets.
        let after = self.extents.partition_point(|(start, _)| u64::from(*start) <= offset);
        let i = after.checked_sub(1)?;
        let (start, len) = self.extents.get(i)?;
        let end = u64::from(*start) + u64::from(*len);
        (offset.saturating_add(8) <= end).then_some(MapId(i as u32))
    }

    /// The map of a data section.
    pub(crate) fn of_section(&self, section: u32) -> Option<MapId> {
        self.by_section.get(&section).copied()
    }

    pub(crate) fn get(&self, id: MapId) -> Option<&MapSpec> {
        self.specs.get(id.0 as usize)
    }

    /// The definitions in `.maps`.
    fn definitions(&mut self, src: Source<'_>) -> Result<(), ObjectError> {
        let Some(section) = src.layout.maps.and_then(|i| src.elf.section(i)) else { return Ok(()) };
        let in_maps = || Place::Section(MAPS.to_owned());
        let btf = src.btf.ok_or_else(|| {
            let why = "map definitions need BTF, and the file has none; compile with -g";
            src.fail(in_maps(), Errno::ENOENT, why)
        })?;
        let sec = btf.find(MAPS, BtfKind::DATASEC).and_then(|id| btf.get(id).ok());
        let Some(Type::DataSec(sec)) = sec.map(|s| s.view()) else {
            return Err(src.fail(in_maps(), Errno::ENOENT, "BTF does not describe it; compile with -g"));
        };
        for var in sec.vars() {
            let map = definition(src, btf, section, var)?;
            let offset = map.sec_offset;
            let id = self.push(map);
            self.extents.push((offset, var.size));
            self.by_offset.entry(offset).or_insert(id);
        }
        self.arena(src)
    }

    /// At most one arena, and it gets the variables of the arena's section.
    fn arena(&mut self, src: Source<'_>) -> Result<(), ObjectError> {
        let mut arenas = (0u32..).zip(&self.specs).filter(|(_, m)| m.map_type == MapType::ARENA);
        let first = arenas.next();
        if let (Some((_, a)), Some((_, b))) = (first, arenas.next()) {
            let why = format!("'{}' is an arena already, and an object can have one", a.name);
            return Err(src.fail(Place::Map(b.name.clone()), Errno::EINVAL, why));
        }
        self.arena = first.map(|(i, _)| MapId(i));
        let Some(section) = src.layout.arena.and_then(|i| src.elf.section(i)) else { return Ok(()) };
        let Some(map) = self.arena.and_then(|id| self.specs.get_mut(id.0 as usize)) else {
            let why = "its variables need a map of type BPF_MAP_TYPE_ARENA in SEC(\".maps\")";
            return Err(src.fail(Place::Section(section.name.to_owned()), Errno::ENOENT, why));
        };
        map.data = section.data.to_vec();
        Ok(())
    }

    /// `.data*`, `.rodata*` and `.bss*`.
    fn data_sections(&mut self, src: Source<'_>) -> Result<(), ObjectError> {
        let mut total = 0u64;
        for (index, role) in (0u32..).zip(&src.layout.roles) {
            let (Role::Data(origin), Some(section)) = (*role, src.elf.section(index)) else { continue };
            total = total.saturating_add(section.size);
            let too_big = || {
                let why = format!("data sections take {total} bytes; the limit is {MAX_DATA}");
                src.fail(Place::Section(section.name.to_owned()), Errno::E2BIG, why)
            };
            if total > MAX_DATA {
                return Err(too_big());
            }
            let size = u32::try_from(section.size).map_err(|_| too_big())?;
            let id = self.internal(src, origin, section.name, section.data, size);
            self.by_section.insert(index, id);
        }
        Ok(())
    }

    /// A map of one element that a data section backs.
    fn internal(
        &mut self,
        src: Source<'_>,
        origin: MapOrigin,
        section: &str,
        data: &[u8],
        size: u32,
    ) -> MapId {
        let sec = src.btf.and_then(|btf| btf.find(section, BtfKind::DATASEC)).unwrap_or(TypeId::VOID);
        let is_readonly = matches!(origin, MapOrigin::RoData | MapOrigin::Kconfig);
        let mut map = map_def::empty(&data_map_name(src.object, section), origin, section);
        map.real_name = section.to_owned();
        map.map_type = MapType::ARRAY;
        map.key_size = 4;
        map.value_size = size;
        map.max_entries = 1;
        map.map_flags = if is_readonly { RDONLY_PROG } else { 0 };
        if src.btf.is_some_and(|btf| has_visible_variable(btf, sec)) {
            map.map_flags |= MMAPABLE;
        }
        map.btf_value_type_id = sec;
        map.btf_var_id = sec;
        map.data = if data.is_empty() { vec![0; size as usize] } else { data.to_vec() };
        self.push(map)
    }

    /// `.struct_ops`, `.struct_ops.link` and their variants with `?`.
    fn struct_ops(&mut self, src: Source<'_>) -> Result<(), ObjectError> {
        for index in src.layout.with_role(Role::StructOps) {
            let Some(section) = src.elf.section(index) else { continue };
            let place = || Place::Section(section.name.to_owned());
            let btf = src.btf.ok_or_else(|| {
                src.fail(
                    place(),
                    Errno::ENOENT,
                    "struct_ops need BTF, and the file has none; compile with -g",
                )
            })?;
            let sec = btf.find(section.name, BtfKind::DATASEC).and_then(|id| btf.get(id).ok());
            let Some(Type::DataSec(sec)) = sec.map(|s| s.view()) else {
                return Err(src.fail(place(), Errno::EINVAL, "BTF does not describe it; compile with -g"));
            };
            for var in sec.vars() {
                let (map, ops) = struct_ops_variable(src, btf, section, var)?;
                let id = self.push(map);
                self.struct_ops_at.push((index, id));
                self.struct_ops.push(StructOpsSpec { map: id, ..ops });
            }
        }
        Ok(())
    }

    /// The struct_ops variable that holds an offset of its section.
    pub(crate) fn struct_ops_around(&self, section: u32, offset: u64) -> Option<StructOpsId> {
        let holds = |&(_, (at, id)): &(u32, &(u32, MapId))| {
            *at == section
                && self.get(*id).is_some_and(|m| {
                    let start = u64::from(m.sec_offset);
                    offset >= start && offset - start < u64::from(m.value_size)
                })
        };
        (0u32..).zip(&self.struct_ops_at).find(holds).map(|(i, _)| StructOpsId(i))
    }

    /// Declaration tags on the variables that define maps.
    fn decl_tags(&mut self, src: Source<'_>) {
        let Some(btf) = src.btf else { return };
        let by_var: HashMap<TypeId, MapId> = (0u32..)
            .zip(&self.specs)
            .filter(|(_, m)| m.origin == MapOrigin::Btf)
            .map(|(i, m)| (m.btf_var_id, MapId(i)))
            .collect();
        for t in btf.types() {
            let Type::DeclTag { target, component_idx: -1 } = t.view() else { continue };
            if let Some(map) = by_var.get(&target) {
                self.tags.push((*map, t.name().to_owned()));
            }
        }
    }
}

/// One definition in `.maps`.
fn definition(src: Source<'_>, btf: &Btf, section: &Section<'_>, at: SecVar) -> Result<MapSpec, ObjectError> {
    let var =
        btf.get(at.type_id).map_err(|e| ObjectError::btf(src.file, Place::Section(MAPS.to_owned()), e))?;
    let fail = |errno, why: String| src.fail(Place::Map(var.name().to_owned()), errno, why);
    let Type::Var { type_id, linkage } = var.view() else {
        return Err(fail(Errno::EINVAL, format!("its BTF is no variable but {var:?}")));
    };
    if var.name().is_empty() {
        return Err(fail(Errno::EINVAL, "it has no name".to_owned()));
    }
    if u64::from(at.offset) + u64::from(at.size) > section.data.len() as u64 {
        let why = format!("its {} bytes at offset {:#x} are outside '{MAPS}'", at.size, at.offset);
        return Err(fail(Errno::EINVAL, why));
    }
    if linkage != VarLinkage::GLOBAL_ALLOCATED {
        return Err(fail(Errno::EOPNOTSUPP, "a map cannot be static, hidden or extern".to_owned()));
    }
    let scope = Scope { btf, section: MAPS, relaxed: src.relaxed, is_inner: false };
    let mut map = scope.read(var.name(), type_id).map_err(|e| fail(e.errno, e.why))?;
    if btf.size_of(type_id).is_ok_and(|size| size > at.size) {
        return Err(fail(Errno::EINVAL, format!("its type is larger than its {} bytes", at.size)));
    }
    map.sec_offset = at.offset;
    map.btf_var_id = at.type_id;
    Ok(map)
}

/// One struct_ops variable as a map, and as itself.
fn struct_ops_variable(
    src: Source<'_>,
    btf: &Btf,
    section: &Section<'_>,
    at: SecVar,
) -> Result<(MapSpec, StructOpsSpec), ObjectError> {
    let in_section = |e| ObjectError::btf(src.file, Place::Section(section.name.to_owned()), e);
    let var = btf.get(at.type_id).map_err(in_section)?;
    let fail = |errno, why: String| src.fail(Place::StructOps(var.name().to_owned()), errno, why);
    let Type::Var { type_id, .. } = var.view() else {
        return Err(fail(Errno::EINVAL, format!("its BTF is no variable but {var:?}")));
    };
    let t = btf.resolve_ref(type_id).map_err(in_section)?;
    let Type::Struct(view) = t.view() else {
        return Err(fail(Errno::EINVAL, format!("its type is no struct but {t:?}")));
    };
    if t.name().is_empty() {
        return Err(fail(Errno(95), "its type has no name, so the kernel's cannot be found".to_owned()));
    }
    let size = view.size();
    let data = (at.offset as usize)
        .checked_add(size as usize)
        .and_then(|end| section.data.get(at.offset as usize..end))
        .ok_or_else(|| {
            fail(
                Errno::EINVAL,
                format!("its {size} bytes at offset {:#x} are outside the section", at.offset),
            )
        })?;
    let (plain, autocreate) = match section.name.strip_prefix('?') {
        Some(plain) => (plain, false),
        None => (section.name, true),
    };
    let is_link = plain == ".struct_ops.link";
    let mut map = map_def::empty(var.name(), MapOrigin::StructOps, section.name);
    map.sec_offset = at.offset;
    map.map_type = MapType::STRUCT_OPS;
    map.key_size = 4;
    map.value_size = size;
    map.max_entries = 1;
    map.map_flags = if is_link { LINK } else { 0 };
    map.btf_value_type_id = t.id();
    map.btf_var_id = at.type_id;
    map.autocreate = autocreate;
    let ops = StructOpsSpec {
        name: var.name().to_owned(),
        type_id: t.id(),
        type_name: t.name().to_owned(),
        map: MapId(0),
        data: data.to_vec(),
        progs: Vec::new(),
        is_link,
    };
    Ok((map, ops))
}

/// Only maps with a variable that others may see are worth mapping into user space.
fn has_visible_variable(btf: &Btf, sec: TypeId) -> bool {
    let Ok(Type::DataSec(sec)) = btf.get(sec).map(|t| t.view()) else { return false };
    sec.vars().any(|v| {
        matches!(btf.get(v.type_id).map(|t| t.view()), Ok(Type::Var { linkage, .. }) if linkage != VarLinkage::STATIC)
    })
}

/// Name of a data map in the kernel, of at most 15 bytes.
///
/// `.data`, `.rodata`, `.bss` and `.kconfig` are prefixed with the object's name, cut so that 7 bytes are left for the
/// section's name even if it is shorter. A section with a second dot (`.data.cache`) goes by its own name, cut at the
/// end. What is no letter, digit, `_` or `.` becomes `_`.
pub(crate) fn data_map_name(object: &str, section: &str) -> String {
    let suffix = section.len().clamp(7, MAX_NAME);
    let is_custom = section.get(1..).is_some_and(|rest| rest.contains('.'));
    let prefix = if is_custom { 0 } else { MAX_NAME - suffix };
    let clean =
        |b: u8| if b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.') { char::from(b) } else { '_' };
    object.bytes().take(prefix).chain(section.bytes().take(suffix)).map(clean).collect()
}
