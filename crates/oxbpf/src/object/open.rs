//! Objects that were read but not prepared: everything about them can still change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use oxbpf_btf::{Btf, Bytes, TypeId};
use oxbpf_kernel::{Kernel, MapFd};
use oxbpf_object::{MapId, MapOrigin, MapSpec, ObjectSpec, ProgId};
use oxbpf_uapi::MapType;
use oxbpf_uapi::flags::MapFlags;
use zerocopy::{Immutable, IntoBytes};

use super::state::Core;
use super::{Global, Object, ObjectBuilder, PreparedObject};
use crate::error::{At, Error, Frame, Result};
use crate::program::OpenProgramMut;

/// An object that has not met the kernel yet.
#[derive(Debug)]
#[doc(alias = "bpf_object")]
pub struct OpenObject(pub(crate) Core);

impl OpenObject {
    /// Opens a file with default options; see [`ObjectBuilder`].
    ///
    /// # Errors
    /// As [`ObjectBuilder::open_file`].
    pub fn open_file(path: impl AsRef<Path>) -> Result<Self> {
        ObjectBuilder::new().open_file(path)
    }

    /// Opens bytes with default options; see [`ObjectBuilder`].
    ///
    /// # Errors
    /// As [`ObjectBuilder::open_memory`].
    pub fn open_memory(bytes: impl Into<Bytes>) -> Result<Self> {
        ObjectBuilder::new().open_memory(bytes)
    }

    /// The object's name.
    #[doc(alias = "bpf_object__name")]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// The kernel that it will be loaded into.
    pub fn kernel(&self) -> &Kernel {
        &self.0.kernel
    }

    /// What the file says, with the changes made since.
    pub fn spec(&self) -> &ObjectSpec {
        &self.0.spec
    }

    /// Types of the object, `None` if it was built without `-g`.
    #[doc(alias = "bpf_object__btf")]
    pub fn btf(&self) -> Option<&Arc<Btf>> {
        self.0.spec.btf.as_ref()
    }

    /// Names and ids of the programs, in the order of the file.
    pub fn programs(&self) -> impl Iterator<Item = (ProgId, &str)> {
        self.0.spec.programs.iter().enumerate().map(|(i, p)| (ProgId(i as u32), p.code.name.as_str()))
    }

    /// A program by its function name.
    ///
    /// # Errors
    /// `NotFound` with the names that there are.
    #[doc(alias = "bpf_object__find_program_by_name")]
    pub fn program_mut(&mut self, name: &str) -> Result<OpenProgramMut<'_>> {
        let id = self.0.find_program(name)?;
        Ok(OpenProgramMut { core: &mut self.0, id })
    }

    /// A program by its id, `None` if there is none.
    pub fn program_at_mut(&mut self, id: ProgId) -> Option<OpenProgramMut<'_>> {
        self.0.program(id)?;
        Some(OpenProgramMut { core: &mut self.0, id })
    }

    /// Names and ids of the maps, data sections included.
    pub fn maps(&self) -> impl Iterator<Item = (MapId, &str)> {
        self.0.spec.maps.iter().enumerate().map(|(i, m)| (MapId(i as u32), m.real_name.as_str()))
    }

    /// A map by its name in the source (sections for data maps: ".rodata") or in the kernel.
    ///
    /// # Errors
    /// `NotFound` with the names that there are.
    #[doc(alias = "bpf_object__find_map_by_name")]
    pub fn map_mut(&mut self, name: &str) -> Result<OpenMapMut<'_>> {
        let id = self.0.find_map(name)?;
        Ok(OpenMapMut { core: &mut self.0, id })
    }

    /// A map by its id, `None` if there is none.
    pub fn map_at_mut(&mut self, id: MapId) -> Option<OpenMapMut<'_>> {
        self.0.map(id)?;
        Some(OpenMapMut { core: &mut self.0, id })
    }

    /// The global variables of the object, section by section.
    pub fn globals(&self) -> Vec<Global> {
        self.0.globals()
    }

    /// Where a global variable lies and what type it has.
    ///
    /// # Errors
    /// `NotFound` with the nearest name.
    pub fn global(&self, name: &str) -> Result<Global> {
        self.0.global(name)
    }

    /// The bytes that a global variable starts with.
    ///
    /// # Errors
    /// As [`OpenObject::global`].
    pub fn global_bytes(&self, name: &str) -> Result<&[u8]> {
        self.0.initial_global(name)
    }

    /// Sets what a global variable starts with; `const volatile` ones keep it.
    ///
    /// `value` has the variable's size in bytes: `set_global("targ_pid", &1234u32)`, or `&bytes[..]` for any type.
    ///
    /// # Errors
    /// `NotFound` with the nearest name; `InvalidInput` if the size is not the variable's.
    pub fn set_global<T: IntoBytes + Immutable + ?Sized>(&mut self, name: &str, value: &T) -> Result<()> {
        self.0.set_initial_global(name, value.as_bytes())
    }

    /// Creates the maps and relocates the code, but loads no program yet.
    ///
    /// # Errors
    /// As [`OpenObject::load`], without the verifier's. Everything is undone.
    #[doc(alias = "bpf_object__prepare")]
    pub fn prepare(mut self) -> Result<PreparedObject> {
        let frame = self.0.frame();
        self.0.prepare().at(|| frame)?;
        Ok(PreparedObject(self.0))
    }

    /// Creates the maps and loads the programs.
    ///
    /// # Errors
    /// `Verifier` with the log when a program is rejected; `NotFound` for an extern or a function that the kernel does not have;
    /// `Unsupported` for what this kernel is too old for; `PermissionDenied`. Everything is undone.
    #[doc(alias = "bpf_object__load")]
    pub fn load(self) -> Result<Object> {
        self.prepare()?.load()
    }
}

/// A map of an object that has not met the kernel yet.
#[derive(Debug)]
pub struct OpenMapMut<'o> {
    pub(crate) core: &'o mut Core,
    pub(crate) id: MapId,
}

impl OpenMapMut<'_> {
    /// Its id in the object.
    pub fn id(&self) -> MapId {
        self.id
    }

    /// What will be created.
    pub fn spec(&self) -> &MapSpec {
        // The id was checked when this was made, and maps are never removed.
        &self.core.spec.maps[self.id.0 as usize]
    }

    fn spec_mut(&mut self) -> &mut MapSpec {
        &mut self.core.spec.maps[self.id.0 as usize]
    }

    fn row_mut(&mut self) -> &mut super::state::MapRow {
        &mut self.core.maps[self.id.0 as usize]
    }

    fn is_data(&self) -> bool {
        !matches!(self.spec().origin, MapOrigin::Btf | MapOrigin::StructOps)
    }

    /// Changes the type.
    #[doc(alias = "bpf_map__set_type")]
    pub fn set_type(&mut self, map_type: MapType) -> &mut Self {
        self.spec_mut().map_type = map_type;
        self
    }

    /// Changes the key size in bytes. The key's BTF type no longer applies then.
    #[doc(alias = "bpf_map__set_key_size")]
    pub fn set_key_size(&mut self, bytes: u32) -> &mut Self {
        let spec = self.spec_mut();
        if spec.key_size != bytes {
            spec.key_size = bytes;
            spec.btf_key_type_id = TypeId::VOID;
            spec.btf_value_type_id = TypeId::VOID;
        }
        self
    }

    /// Changes the value size in bytes. A data map grows with zeroes or is cut, and its last variable with it, if that is an array whose
    /// elements the new size fits; in all other cases the value's BTF type no longer applies.
    #[doc(alias = "bpf_map__set_value_size")]
    pub fn set_value_size(&mut self, bytes: u32) -> &mut Self {
        if self.spec().value_size == bytes {
            return self;
        }
        let is_typed = self.is_data() && self.core.resize_section(self.id, bytes);
        let is_data = self.is_data();
        let spec = self.spec_mut();
        spec.value_size = bytes;
        if is_data {
            spec.data.resize(bytes as usize, 0);
        }
        if !is_typed {
            spec.btf_key_type_id = TypeId::VOID;
            spec.btf_value_type_id = TypeId::VOID;
        }
        self
    }

    /// Network interface that the map is offloaded to, 0 for none.
    #[doc(alias = "bpf_map__set_ifindex")]
    pub fn set_ifindex(&mut self, ifindex: u32) -> &mut Self {
        self.row_mut().ifindex = ifindex;
        self
    }

    /// The map that tells a map of maps what its inner maps look like, in place of the definition's.
    ///
    /// # Errors
    /// `InvalidInput` if this is no map of maps, or has been given one before.
    #[doc(alias = "bpf_map__set_inner_map_fd")]
    pub fn set_inner_map_fd(&mut self, fd: MapFd) -> Result<&mut Self> {
        let is_outer = self.spec().map_type.holds_maps();
        if !is_outer || self.row_mut().inner.is_some() {
            let why = if is_outer { "it has an inner map already" } else { "it is no map of maps" };
            return Err(Error::invalid_input(why).at(Frame::Map(self.spec().real_name.clone())));
        }
        self.spec_mut().inner = None;
        self.row_mut().inner = Some(fd);
        Ok(self)
    }

    /// Changes the number of entries: bytes for ring buffers, pages for arenas.
    #[doc(alias = "bpf_map__set_max_entries")]
    pub fn set_max_entries(&mut self, count: u32) -> &mut Self {
        self.spec_mut().max_entries = count;
        self
    }

    /// Changes the `BPF_F_*` flags.
    #[doc(alias = "bpf_map__set_map_flags")]
    pub fn set_map_flags(&mut self, flags: MapFlags) -> &mut Self {
        self.spec_mut().map_flags = flags.bits();
        self
    }

    /// Changes the type-specific extra value.
    #[doc(alias = "bpf_map__set_map_extra")]
    pub fn set_map_extra(&mut self, extra: u64) -> &mut Self {
        self.spec_mut().map_extra = extra;
        self
    }

    /// Changes the NUMA node; it applies with `MapFlags::NUMA_NODE`.
    #[doc(alias = "bpf_map__set_numa_node")]
    pub fn set_numa_node(&mut self, node: u32) -> &mut Self {
        self.spec_mut().numa_node = node;
        self
    }

    /// Whether to create it. Programs that use a map which is not created fail to load where they reach it.
    #[doc(alias = "bpf_map__set_autocreate")]
    pub fn set_autocreate(&mut self, autocreate: bool) -> &mut Self {
        self.spec_mut().autocreate = autocreate;
        self
    }

    /// Whether attaching the whole object attaches it. Only struct_ops maps attach.
    #[doc(alias = "bpf_map__set_autoattach")]
    pub fn set_autoattach(&mut self, autoattach: bool) -> &mut Self {
        self.row_mut().autoattach = autoattach;
        self
    }

    /// Where to pin it: loading uses the map that is pinned there, if its shape fits, or pins the new one. `None` takes the
    /// definition's request for a pin back.
    #[doc(alias = "bpf_map__set_pin_path")]
    pub fn set_pin_path(&mut self, path: Option<PathBuf>) -> &mut Self {
        self.row_mut().pin_path = path;
        self
    }

    /// Uses a map that exists in place of a new one. Its shape replaces the definition's.
    ///
    /// # Errors
    /// The kernel's, when it can't tell the shape of `fd`.
    #[doc(alias = "bpf_map__reuse_fd")]
    pub fn reuse_fd(&mut self, fd: MapFd) -> Result<&mut Self> {
        let shape = crate::map::MapShape::read(&self.core.kernel, &fd)
            .at(|| Frame::Map(self.spec().real_name.clone()))?;
        let spec = self.spec_mut();
        spec.map_type = shape.map_type;
        spec.key_size = shape.key_size;
        spec.value_size = shape.value_size;
        spec.max_entries = shape.max_entries;
        spec.map_flags = shape.map_flags;
        spec.map_extra = shape.map_extra;
        spec.name = shape.name;
        spec.btf_key_type_id = TypeId(shape.btf_key_type_id);
        spec.btf_value_type_id = TypeId(shape.btf_value_type_id);
        self.row_mut().reused = Some(fd);
        Ok(self)
    }

    /// The bytes that a data map starts with, or a struct_ops variable in the object's own layout; empty for other maps.
    #[doc(alias = "bpf_map__initial_value")]
    pub fn initial_value(&self) -> &[u8] {
        match self.core.struct_ops_of(self.id) {
            Some(spec) => &spec.data,
            None => &self.spec().data,
        }
    }

    /// The bytes of a member of a struct_ops variable.
    ///
    /// # Errors
    /// `NotFound` with the nearest member; `InvalidInput` for other maps.
    pub fn struct_ops_member(&self, member: &str) -> Result<&[u8]> {
        let frame = || Frame::Map(self.spec().real_name.clone());
        let (range, _) = self.core.struct_ops_member(self.id, member).at(frame)?;
        let data = self.core.struct_ops_of(self.id).and_then(|s| s.data.get(range));
        data.ok_or_else(|| Error::invalid_object("the member lies outside of the variable").at(frame()))
    }

    /// Sets a member of a struct_ops variable that is no function pointer: `set_struct_ops_member("flags", &1u32)`.
    ///
    /// # Errors
    /// `NotFound` with the nearest member; `InvalidInput` if the size is not the member's, or for other maps.
    pub fn set_struct_ops_member<T: IntoBytes + Immutable + ?Sized>(
        &mut self,
        member: &str,
        value: &T,
    ) -> Result<&mut Self> {
        let name = self.spec().real_name.clone();
        let (range, _) = self.core.struct_ops_member(self.id, member).at(|| Frame::Map(name.clone()))?;
        let bytes = value.as_bytes();
        if bytes.len() != range.len() {
            let why = format!("the value has {} bytes, member `{member}` {}", bytes.len(), range.len());
            return Err(Error::invalid_input(why).at(Frame::Map(name)));
        }
        let spec = self.core.spec.struct_ops.iter_mut().find(|s| s.map == self.id);
        let place = spec.and_then(|s| s.data.get_mut(range));
        let outside = || Error::invalid_object("the member lies outside of the variable");
        place.ok_or_else(outside).at(|| Frame::Map(name))?.copy_from_slice(bytes);
        Ok(self)
    }

    /// Makes a program the callback of a member of a struct_ops variable; `None` leaves the callback out. A program that is replaced
    /// is not loaded, unless another variable refers to it.
    ///
    /// # Errors
    /// `NotFound` with the nearest member; `InvalidInput` if the member is no function pointer or the program no struct_ops
    /// callback.
    pub fn set_struct_ops_program(&mut self, member: &str, program: Option<ProgId>) -> Result<&mut Self> {
        let name = self.spec().real_name.clone();
        self.core.set_struct_ops_program(self.id, member, program).at(|| Frame::Map(name))?;
        Ok(self)
    }

    /// Sets the bytes that a data map starts with.
    ///
    /// # Errors
    /// `InvalidInput` if the map is neither a data map nor an arena with variables, or the size is not that of what it has now.
    #[doc(alias = "bpf_map__set_initial_value")]
    pub fn set_initial_value(&mut self, bytes: &[u8]) -> Result<&mut Self> {
        let name = self.spec().real_name.clone();
        let (have, want) = (bytes.len(), self.spec().data.len());
        if have != want || want == 0 || self.spec().origin == MapOrigin::Kconfig {
            let why = if want == 0 || have == want {
                "only data sections have an initial value".to_owned()
            } else {
                format!("the initial value has {have} bytes, the section {want}")
            };
            return Err(Error::invalid_input(why).at(Frame::Map(name)));
        }
        self.spec_mut().data.copy_from_slice(bytes);
        Ok(self)
    }
}
