//! What C holds: `struct bpf_object`, `struct bpf_program`, `struct bpf_map`.
//!
//! An object is shared (`Arc`): C has one reference, and cells of programs and maps, whose addresses never change, find it
//! through weak ones. Everything that changes is behind one lock, so that getters may run on several threads. C's
//! callbacks are never called with the lock held.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::ffi::{CString, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak,
};

use oxbpf::loader::LoaderProgram;
use oxbpf::object::state::{Core, State};
use oxbpf::{Kernel, MapId, ProgId};
use oxbpf_object::{MapOrigin, MapSpec};
use oxbpf_uapi::MapType;
use oxbpf_uapi::flags::MapFlags;

use crate::arg::Raw;
use crate::btf_h::Btf;
use crate::fail::Fail;
use crate::libbpf_h::handler::Handler;
use crate::memory::Pages;

/// The kernel that everything goes to.
pub fn kernel() -> &'static Kernel {
    static KERNEL: OnceLock<Kernel> = OnceLock::new();
    KERNEL.get_or_init(oxbpf::kernel)
}

/// Takes a lock in whatever state a panic left what is behind it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `struct bpf_object`.
#[derive(Debug)]
pub struct Object {
    core: RwLock<Core>,
    /// A load or a preparation failed: the object counts as loaded and is empty.
    pub failed: AtomicBool,
    /// In the order of the file.
    pub programs: Vec<Program>,
    /// In the order of the file.
    pub maps: Vec<Map>,
    /// Its name, as C sees it.
    pub name: CString,
    /// Its file, or its name if it has none.
    pub path: CString,
    /// Its types, once C asked for them.
    btf: OnceLock<Option<Box<Btf>>>,
    /// Where C wants a loader program in place of a load, and the program once it is made.
    pub loader: Mutex<Option<LoaderRequest>>,
    /// Where the kernel's log of all programs without a buffer of their own goes.
    pub log: (Raw, usize),
}

/// A load that is to become a program.
#[derive(Debug)]
pub struct LoaderRequest {
    /// C's options, which get addresses and sizes.
    pub opts: Raw,
    /// Whether the program is to be signed.
    pub gen_hash: bool,
    /// What the addresses lead to.
    pub program: Option<LoaderProgram>,
}

/// `struct bpf_program`.
#[derive(Debug)]
pub struct Program {
    object: Weak<Object>,
    /// Its index.
    pub id: ProgId,
    /// Function name.
    pub name: CString,
    /// What `SEC()` said.
    pub section: CString,
    /// What C registered for its section name.
    pub handler: Option<Handler>,
    /// C's buffer for the verifier's log: address and size.
    pub log_buf: AtomicUsize,
    /// Bytes of it.
    pub log_size: AtomicUsize,
}

/// `struct bpf_map`.
#[derive(Debug)]
pub struct Map {
    object: Weak<Object>,
    /// Its index.
    pub id: MapId,
    /// Name that C sees.
    pub name: CString,
    /// First contents, once C asked for the address.
    pub pages: Mutex<Option<Pages>>,
    /// What C was given as its pin path.
    pub pin_path: Mutex<Option<CString>>,
    /// The definition of inner maps, once C asked for it.
    pub inner: OnceLock<Option<Box<Map>>>,
    /// Set for the definition of another map's inner maps.
    outer: Option<MapId>,
    /// The program that alone may use it.
    pub exclusive: Mutex<Option<ProgId>>,
}

/// A string for C; what follows a zero byte is lost.
pub fn c_string(text: &str) -> CString {
    CString::new(text.split('\0').next().unwrap_or_default()).unwrap_or_default()
}

/// A path for C.
pub fn c_path(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap_or_default()
}

impl Object {
    /// Cells for an object that was opened.
    pub fn new(core: Core, handlers: &[Handler], log: (Raw, usize)) -> Arc<Self> {
        Arc::new_cyclic(|object| {
            let spec = core.spec();
            let program = |(i, p): (usize, &oxbpf_object::ProgramSpec)| Program {
                object: object.clone(),
                id: ProgId(i as u32),
                name: c_string(&p.code.name),
                section: c_string(&p.sec_name),
                handler: Handler::find(handlers, &p.sec_name, p.sec_def.is_some()),
                log_buf: AtomicUsize::new(0),
                log_size: AtomicUsize::new(0),
            };
            let map = |(i, m): (usize, &MapSpec)| Map::new(object, MapId(i as u32), None, m, &core);
            Self {
                failed: AtomicBool::new(false),
                programs: spec.programs.iter().enumerate().map(program).collect(),
                maps: spec.maps.iter().enumerate().map(map).collect(),
                name: c_string(core.name()),
                path: c_string(core.display_name()),
                btf: OnceLock::new(),
                loader: Mutex::new(None),
                log,
                core: RwLock::new(core),
            }
        })
    }

    /// The object's state to read.
    pub fn read(&self) -> RwLockReadGuard<'_, Core> {
        self.core.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The object's state to change.
    pub fn write(&self) -> RwLockWriteGuard<'_, Core> {
        self.core.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far it has come; one whose load failed counts as loaded.
    pub fn state(&self) -> State {
        if self.failed.load(Ordering::Relaxed) { State::Loaded } else { self.read().state() }
    }

    /// Its types, `None` if it has none.
    pub fn btf(&self) -> Option<&Btf> {
        let make = || Some(Box::new(Btf::shared(self.read().spec().btf.clone()?).with_pointers(8)));
        self.btf.get_or_init(make).as_deref()
    }

    /// The program after (or before) one; `None` starts at the end of that side.
    pub fn program_beside(&self, from: Option<ProgId>, step: i32) -> Option<&Program> {
        self.programs.get(beside(from.map(|id| id.0), step, self.programs.len())?)
    }

    /// The map after (or before) one.
    pub fn map_beside(&self, from: Option<MapId>, step: i32) -> Option<&Map> {
        self.maps.get(beside(from.map(|id| id.0), step, self.maps.len())?)
    }
}

/// The index `step` away from one, or at the start of that direction.
fn beside(from: Option<u32>, step: i32, len: usize) -> Option<usize> {
    match from {
        Some(i) => usize::try_from(i64::from(i) + i64::from(step)).ok(),
        None if step > 0 => Some(0),
        None => len.checked_sub(1),
    }
}

impl Program {
    /// Its object.
    ///
    /// # Errors
    /// `EINVAL` if that is gone.
    pub fn object(&self) -> Result<Arc<Object>, Fail> {
        self.object.upgrade().ok_or(Fail::INVAL)
    }

    /// Whether it is of an object.
    pub fn is_of(&self, object: &Object) -> bool {
        core::ptr::eq(self.object.as_ptr(), object)
    }

    /// Reads something of the program.
    ///
    /// # Errors
    /// `EINVAL` if the object is gone, and those of `get`.
    pub fn with<T>(&self, get: impl FnOnce(oxbpf::Program<'_>) -> Result<T, Fail>) -> Result<T, Fail> {
        let object = self.object()?;
        let core = object.read();
        get(core.program_at(self.id).ok_or(Fail::INVAL)?)
    }

    /// Changes the program, unless it was loaded.
    ///
    /// # Errors
    /// `late` if its object was loaded.
    pub fn change(&self, late: Fail, change: impl FnOnce(oxbpf::OpenProgramMut<'_>)) -> Result<(), Fail> {
        let object = self.object()?;
        if object.state() >= State::Loaded {
            return Err(late);
        }
        change(object.write().program_at_mut(self.id).ok_or(Fail::INVAL)?);
        Ok(())
    }

    /// C's buffer for the verifier's log.
    pub fn log_buffer(&self) -> (Raw, usize) {
        let address = self.log_buf.load(Ordering::Relaxed);
        (Raw::at(address), self.log_size.load(Ordering::Relaxed))
    }
}

impl Map {
    fn new(object: &Weak<Object>, id: MapId, outer: Option<MapId>, spec: &MapSpec, core: &Core) -> Self {
        // C knows ".data.x" and its like by their sections, and the four plain sections by what the kernel calls them.
        let has_own_section = |plain: &str| spec.real_name != plain;
        let is_real = match spec.origin {
            MapOrigin::Data => has_own_section(".data"),
            MapOrigin::RoData => has_own_section(".rodata"),
            _ => false,
        };
        let name = if is_real { &spec.real_name } else { &spec.name };
        let pin_path = if outer.is_none() { core.map_pin_path(id) } else { None };
        Self {
            object: object.clone(),
            id,
            name: c_string(name),
            pages: Mutex::new(None),
            pin_path: Mutex::new(pin_path.map(c_path)),
            inner: OnceLock::new(),
            outer,
            exclusive: Mutex::new(None),
        }
    }

    /// Its object.
    ///
    /// # Errors
    /// `EINVAL` if that is gone.
    pub fn object(&self) -> Result<Arc<Object>, Fail> {
        self.object.upgrade().ok_or(Fail::INVAL)
    }

    /// Whether it is of an object.
    pub fn is_of(&self, object: &Object) -> bool {
        core::ptr::eq(self.object.as_ptr(), object)
    }

    /// Whether it is the definition of another map's inner maps.
    pub fn is_inner(&self) -> bool {
        self.outer.is_some()
    }

    /// Reads something of the definition.
    ///
    /// # Errors
    /// `EINVAL` if the object is gone.
    pub fn with<T>(&self, get: impl FnOnce(&MapSpec) -> T) -> Result<T, Fail> {
        let object = self.object()?;
        let core = object.read();
        let index = self.outer.unwrap_or(self.id).0 as usize;
        let spec = core.spec().maps.get(index).ok_or(Fail::INVAL)?;
        match self.outer {
            None => Ok(get(spec)),
            Some(_) => Ok(get(spec.inner.as_deref().ok_or(Fail::INVAL)?)),
        }
    }

    /// Whether it is there, or will be one that is.
    ///
    /// # Errors
    /// `EINVAL` if the object is gone.
    pub fn is_created(&self) -> Result<bool, Fail> {
        let object = self.object()?;
        Ok(object.state() >= State::Prepared || (!self.is_inner() && object.read().map_is_reused(self.id)))
    }

    /// Changes the definition, unless the map was created.
    ///
    /// # Errors
    /// `EBUSY` if it was.
    pub fn change<T>(
        &self,
        change: impl FnOnce(oxbpf::OpenMapMut<'_>) -> Result<T, Fail>,
    ) -> Result<T, Fail> {
        if self.is_created()? {
            return Err(Fail::BUSY);
        }
        if self.is_inner() {
            return Err(Fail::OPNOTSUPP);
        }
        let object = self.object()?;
        change(object.write().map_at_mut(self.id).ok_or(Fail::INVAL)?)
    }

    /// The definition of its inner maps.
    pub fn inner(&self) -> Option<&Map> {
        let make = || {
            let object = self.object().ok()?;
            let core = object.read();
            let spec = core.spec().maps.get(self.id.0 as usize)?.inner.as_deref()?;
            Some(Box::new(Self::new(&self.object, self.id, Some(self.id), spec, &core)))
        };
        self.inner.get_or_init(make).as_deref()
    }

    /// Puts a map that exists in place of its first contents. `false` if it has no memory to share, so that these mean nothing
    /// any more.
    pub fn share(&self, core: &Core, pages: &Pages) -> bool {
        let Some(live) = core.map_at(self.id) else { return true };
        if live.map_type() != MapType::ARRAY {
            return true;
        }
        if live.map_flags() & MapFlags::MMAPABLE.bits() == 0 {
            return false;
        }
        let is_writable = live.map_flags() & MapFlags::RDONLY_PROG.bits() == 0;
        let Some(fd) = live.fd().fd() else { return true };
        if let Err(fail) = pages.replace(fd, is_writable) {
            log::warn!("map '{}': failed to re-mmap() map: {}", self.name.to_string_lossy(), fail.0);
        }
        true
    }

    /// Its pin path as a path.
    pub fn pin_path(&self) -> Option<PathBuf> {
        let path = lock(&self.pin_path);
        path.as_ref().map(|path| PathBuf::from(OsStr::from_bytes(path.to_bytes())))
    }

    /// The address and size of its first contents, `None` for a map that has none.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn initial_value(&self) -> Result<Option<(*const u8, usize)>, Fail> {
        let mut pages = lock(&self.pages);
        if pages.is_none() {
            let object = self.object()?;
            let core = object.read();
            let mut data = core.initial_value(self.id).to_vec();
            if self.is_inner() || data.is_empty() {
                return Ok(None);
            }
            // What can't be shared with the map would go on without it.
            let is_apart = |live: oxbpf::Map<'_>| {
                live.map_type() == MapType::ARRAY && live.map_flags() & MapFlags::MMAPABLE.bits() == 0
            };
            if core.map_at(self.id).is_some_and(is_apart) {
                return Ok(None);
            }
            // Callbacks of struct_ops variables are addresses of programs, which C may change.
            let variable = core.spec().struct_ops.iter().find(|s| s.map == self.id);
            for (offset, id) in variable.map(|s| s.progs.as_slice()).unwrap_or_default() {
                let program = object.programs.get(id.0 as usize).ok_or(Fail::INVAL)?;
                let place = data.get_mut(*offset as usize..).and_then(|d| d.first_chunk_mut());
                *place.ok_or(Fail::INVAL)? = core::ptr::from_ref(program).expose_provenance().to_ne_bytes();
            }
            let new = Pages::new(&data)?;
            self.share(&core, &new);
            *pages = Some(new);
        }
        Ok(pages.as_ref().map(|p| (p.address(), p.size())))
    }
}
