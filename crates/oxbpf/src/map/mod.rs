//! Maps in a kernel: look up, update, delete, iterate, pin.
//!
//! [`Map`] is a map of an object; [`OwnedMap`] stands alone (opened from a pin, by id, or created) and has the same
//! methods. Keys and values are bytes of the map's sizes, checked before any call; [`TypedMap`] gives them types.

mod batch;
mod by_type;
mod ops;
mod shape;
mod shared;
mod typed;

use core::fmt;
use std::path::{Path, PathBuf};

use oxbpf_btf::TypeId;
use oxbpf_kernel::{Kernel, MapCreate, MapFd, Mapping, ObjectKind, Prot};
use oxbpf_object::{MapId, MapOrigin, MapSpec};
use oxbpf_uapi::Cmd;
use oxbpf_uapi::MapType;
use oxbpf_uapi::flags::ObjFlags;
use oxbpf_uapi::info::MapInfo;

use crate::error::{At, Error, Frame, Result};
use crate::ids::{self, OpenId};
use crate::object::state::MapRow;

pub use batch::{Batch, Batches};
pub use by_type::prefix_key;
pub use ops::Keys;
pub(crate) use shape::MapShape;
pub use shape::possible_cpus;
pub use shared::SharedMap;
pub use typed::{TypedMap, TypedPerCpuMap};

/// A map with a reference of its own. Dropping it closes the reference.
#[derive(Clone)]
pub struct OwnedMap {
    kernel: Kernel,
    fd: MapFd,
    shape: MapShape,
}

impl OwnedMap {
    pub(crate) fn new(kernel: Kernel, fd: MapFd, shape: MapShape) -> Self {
        Self { kernel, fd, shape }
    }

    /// Creates a map that belongs to no object.
    ///
    /// # Errors
    /// The kernel's for `BPF_MAP_CREATE`.
    #[doc(alias = "bpf_map_create")]
    pub fn create(kernel: &Kernel, request: MapCreate<'_>) -> Result<Self> {
        let shape = MapShape::of_request(&request);
        let frame = || Frame::Map(request.map_name.to_owned());
        let fd = kernel.map_create(request).at(|| Frame::Command(Cmd::MAP_CREATE)).at(frame)?;
        Ok(Self::new(kernel.clone(), fd, shape))
    }

    /// Opens the map that is pinned at `path`.
    ///
    /// # Errors
    /// `NotFound` if nothing is there.
    #[doc(alias = "bpf_obj_get")]
    pub fn open_pinned(kernel: &Kernel, path: impl AsRef<Path>) -> Result<Self> {
        Self::open_pinned_with(kernel, path, ObjFlags::empty())
    }

    /// Opens the map that is pinned at `path` for reading or writing only (`RDONLY`, `WRONLY`).
    ///
    /// # Errors
    /// `NotFound` if nothing is there; `PermissionDenied` if the file's mode does not allow it.
    #[doc(alias = "bpf_obj_get_opts")]
    pub fn open_pinned_with(kernel: &Kernel, path: impl AsRef<Path>, flags: ObjFlags) -> Result<Self> {
        let path = path.as_ref();
        let at = || Frame::Path(path.into());
        let handle = kernel.obj_get(path, flags.bits()).at(|| Frame::Command(Cmd::OBJ_GET)).at(at)?;
        Self::from_fd(kernel, MapFd(handle)).at(at)
    }

    /// Opens the map with a kernel id. Linux 4.13; needs CAP_SYS_ADMIN.
    ///
    /// # Errors
    /// `NotFound` if no map has the id.
    #[doc(alias = "bpf_map_get_fd_by_id")]
    pub fn open_id(kernel: &Kernel, id: u32) -> Result<Self> {
        Self::open_id_with(kernel, id, OpenId::default())
    }

    /// Opens the map with a kernel id for reading or writing only, or with the rights of a token.
    ///
    /// # Errors
    /// As [`open_id`](Self::open_id).
    #[doc(alias = "bpf_map_get_fd_by_id_opts")]
    pub fn open_id_with(kernel: &Kernel, id: u32, how: OpenId<'_>) -> Result<Self> {
        Self::from_fd(kernel, MapFd(ids::open(kernel, ObjectKind::Map, id, how)?))
    }

    /// The ids of all maps of the kernel, ascending. One may be gone when it is opened. Linux 4.13.
    #[doc(alias = "bpf_map_get_next_id")]
    pub fn ids(kernel: &Kernel) -> impl Iterator<Item = Result<u32>> + use<> {
        ids::all(kernel, ObjectKind::Map)
    }

    /// Takes over a reference; asks the kernel what the map looks like.
    ///
    /// # Errors
    /// The kernel's, when `fd` is not a map.
    pub fn from_fd(kernel: &Kernel, fd: MapFd) -> Result<Self> {
        let shape = MapShape::read(kernel, &fd)?;
        Ok(Self::new(kernel.clone(), fd, shape))
    }

    /// The kernel that has the map.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The reference.
    #[doc(alias = "bpf_map__fd")]
    pub fn fd(&self) -> &MapFd {
        &self.fd
    }

    /// Name in the kernel, at most 15 bytes.
    #[doc(alias = "bpf_map__name")]
    pub fn name(&self) -> &str {
        &self.shape.name
    }

    /// Type.
    #[doc(alias = "bpf_map__type")]
    pub fn map_type(&self) -> MapType {
        self.shape.map_type
    }

    /// Bytes of a key.
    #[doc(alias = "bpf_map__key_size")]
    pub fn key_size(&self) -> u32 {
        self.shape.key_size
    }

    /// Bytes of one value; see [`value_buf_len`](Self::value_buf_len) for what a look-up gives.
    #[doc(alias = "bpf_map__value_size")]
    pub fn value_size(&self) -> u32 {
        self.shape.value_size
    }

    /// Most entries it can have; bytes of a ring buffer, pages of an arena.
    #[doc(alias = "bpf_map__max_entries")]
    pub fn max_entries(&self) -> u32 {
        self.shape.max_entries
    }

    /// `BPF_F_*` flags.
    #[doc(alias = "bpf_map__map_flags")]
    pub fn map_flags(&self) -> u32 {
        self.shape.map_flags
    }

    /// Type-specific extra value.
    #[doc(alias = "bpf_map__map_extra")]
    pub fn map_extra(&self) -> u64 {
        self.shape.map_extra
    }

    /// What the kernel knows about the map now. Linux 4.13.
    ///
    /// # Errors
    /// The kernel's.
    #[doc(alias = "bpf_map_get_info_by_fd")]
    pub fn info(&self) -> Result<MapInfo> {
        shape::read_info(&self.kernel, &self.fd).at(|| self.frame())
    }

    /// Gives the map a name in a bpf file system. Missing directories are made.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is taken.
    #[doc(alias = "bpf_map__pin")]
    pub fn pin(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        crate::object::pin(&self.kernel, path, &self.fd).at(|| self.frame())
    }

    /// Removes a name that [`pin`](Self::pin) gave. The map lives on.
    ///
    /// # Errors
    /// `NotFound` if there is no such name.
    #[doc(alias = "bpf_map__unpin")]
    pub fn unpin(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        self.kernel.unpin(path).at(|| Frame::Path(path.into())).at(|| self.frame())
    }

    /// Maps `len` bytes of the map's memory from `offset`: arrays with `BPF_F_MMAPABLE` (Linux 5.5), arenas.
    ///
    /// # Errors
    /// `EINVAL` or `ENOTSUPP` if the map has no memory to share.
    pub fn mmap(&self, offset: u64, len: u64, prot: Prot) -> Result<Mapping> {
        let range = offset..offset.saturating_add(len);
        self.kernel.mmap(&self.fd, range, prot).at(|| Frame::Syscall("mmap")).at(|| self.frame())
    }

    /// Makes the map read-only for user space, for ever. Linux 5.2.
    ///
    /// # Errors
    /// `Busy` while it is mapped for writing.
    #[doc(alias = "bpf_map_freeze")]
    pub fn freeze(&self) -> Result<()> {
        self.kernel.map_freeze(&self.fd).at(|| Frame::Command(Cmd::MAP_FREEZE)).at(|| self.frame())
    }

    /// Gives keys and values types.
    ///
    /// # Errors
    /// `InvalidInput` if `K` or `V` has not the map's size, or the map has a value for each CPU.
    pub fn typed<K, V>(&self) -> Result<TypedMap<'_, K, V>> {
        TypedMap::new(self)
    }

    /// Gives keys and the values of each CPU types.
    ///
    /// # Errors
    /// `InvalidInput` if `K` or `V` has not the map's size, or the map has no value for each CPU.
    pub fn typed_per_cpu<K, V>(&self) -> Result<TypedPerCpuMap<'_, K, V>> {
        TypedPerCpuMap::new(self)
    }

    pub(crate) fn frame(&self) -> Frame {
        Frame::Map(self.shape.name.clone())
    }
}

impl fmt::Debug for OwnedMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedMap").field("fd", &self.fd).field("shape", &self.shape).finish()
    }
}

/// A map of a loaded object. Has all methods of [`OwnedMap`], and knows what the object says about it.
#[derive(Clone, Copy, Debug)]
#[doc(alias = "bpf_map")]
pub struct Map<'o> {
    pub(crate) spec: &'o MapSpec,
    pub(crate) row: &'o MapRow,
    pub(crate) map: &'o OwnedMap,
    pub(crate) id: MapId,
}

impl<'o> Map<'o> {
    /// Its id in the object.
    pub fn id(&self) -> MapId {
        self.id
    }

    /// Name in the source; the section for data maps (".rodata").
    pub fn real_name(&self) -> &'o str {
        &self.spec.real_name
    }

    /// What part of the file it came from.
    pub fn origin(&self) -> MapOrigin {
        self.spec.origin
    }

    /// BTF type of the key in the object's BTF, void if unknown.
    #[doc(alias = "bpf_map__btf_key_type_id")]
    pub fn btf_key_type_id(&self) -> TypeId {
        self.spec.btf_key_type_id
    }

    /// BTF type of the value in the object's BTF, void if unknown.
    #[doc(alias = "bpf_map__btf_value_type_id")]
    pub fn btf_value_type_id(&self) -> TypeId {
        self.spec.btf_value_type_id
    }

    /// Memory of a data map, `None` for other maps or on kernels that can't map arrays (before Linux 5.5).
    pub fn mapping(&self) -> Option<&'o Mapping> {
        self.row.mapping.as_ref()
    }

    /// Where the object pinned it.
    #[doc(alias = "bpf_map__pin_path")]
    pub fn pin_path(&self) -> Option<&'o PathBuf> {
        self.row.pin_path.as_ref().filter(|_| self.row.is_pinned)
    }

    /// Whether attaching the whole object attaches it. Only struct_ops maps attach.
    #[doc(alias = "bpf_map__autoattach")]
    pub fn autoattach(&self) -> bool {
        self.row.autoattach
    }

    /// The map with a reference that outlives the object.
    pub fn to_owned(&self) -> OwnedMap {
        self.map.clone()
    }
}

impl core::ops::Deref for Map<'_> {
    type Target = OwnedMap;

    fn deref(&self) -> &OwnedMap {
        self.map
    }
}

impl crate::object::state::Core {
    pub(crate) fn live_map(&self, name: &str) -> Result<Map<'_>> {
        let id = self.find_map(name)?;
        let found = self.map(id).and_then(|(spec, row)| Some(Map { spec, row, map: row.live.as_ref()?, id }));
        found.ok_or_else(|| {
            Error::not_found("it was not created: autocreate is off").at(Frame::Map(name.to_owned()))
        })
    }
}
