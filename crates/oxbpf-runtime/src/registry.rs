//! Objects of the embedded kernel: references by number, ids, and pins.
//!
//! An object lives as long as something refers to it: a handle of a user, a pin, a program that uses it, a map that holds it. Ids and
//! numbers only point weakly.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use oxbpf_kernel::{Handle, ObjectKind};
use oxbpf_uapi::Errno;

use crate::iter::IterStream;
use crate::links::Link;
use crate::maps::{self, Map};
use crate::perf::PerfEvent;
use crate::progs::Prog;

/// BTF that a user loaded.
#[derive(Debug)]
pub(crate) struct BtfObject {
    pub(crate) id: u32,
    pub(crate) btf: oxbpf_btf::Btf,
    /// Name of kernel BTF, "" for a program's.
    pub(crate) name: &'static str,
}

/// Anything that a handle refers to.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    Map(Arc<Map>),
    Prog(Arc<Prog>),
    Link(Arc<Link>),
    Btf(Arc<BtfObject>),
    Perf(Arc<PerfEvent>),
    Iter(Arc<IterStream>),
    /// The stream of `bpf_printk` lines.
    TraceLog,
    /// Keeps run statistics on.
    Stats,
}

impl Object {
    fn kind(&self) -> Option<(ObjectKind, u32)> {
        match self {
            Self::Map(map) => Some((ObjectKind::Map, map.id)),
            Self::Prog(prog) => Some((ObjectKind::Prog, prog.id)),
            Self::Link(link) => Some((ObjectKind::Link, link.id)),
            Self::Btf(btf) => Some((ObjectKind::Btf, btf.id)),
            Self::Perf(_) | Self::Iter(_) | Self::TraceLog | Self::Stats => None,
        }
    }

    fn downgrade(&self) -> Option<WeakObject> {
        match self {
            Self::Map(map) => Some(WeakObject::Map(Arc::downgrade(map))),
            Self::Prog(prog) => Some(WeakObject::Prog(Arc::downgrade(prog))),
            Self::Link(link) => Some(WeakObject::Link(Arc::downgrade(link))),
            Self::Btf(btf) => Some(WeakObject::Btf(Arc::downgrade(btf))),
            Self::Perf(_) | Self::Iter(_) | Self::TraceLog | Self::Stats => None,
        }
    }
}

#[derive(Debug)]
enum WeakObject {
    Map(Weak<Map>),
    Prog(Weak<Prog>),
    Link(Weak<Link>),
    Btf(Weak<BtfObject>),
}

impl WeakObject {
    fn upgrade(&self) -> Option<Object> {
        match self {
            Self::Map(map) => map.upgrade().map(Object::Map),
            Self::Prog(prog) => prog.upgrade().map(Object::Prog),
            Self::Link(link) => link.upgrade().map(Object::Link),
            Self::Btf(btf) => btf.upgrade().map(Object::Btf),
        }
    }
}

/// What user space may do to a map by a handle, as a file's mode says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Access {
    /// Anything.
    pub(crate) const FULL: Self = Self { read: true, write: true };

    /// What `BPF_F_RDONLY` and `BPF_F_WRONLY` among `flags` leave; `EINVAL` for both.
    pub(crate) fn of_flags(flags: u32) -> Result<Self, Errno> {
        match (flags & maps::flags::RDONLY != 0, flags & maps::flags::WRONLY != 0) {
            (true, true) => Err(Errno::EINVAL),
            (read_only, write_only) => Ok(Self { read: !write_only, write: !read_only }),
        }
    }
}

/// What a [`Handle`] of the embedded kernel holds.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) object: Object,
    access: Access,
    number: i32,
    registry: Weak<Registry>,
}

impl Drop for Reference {
    fn drop(&mut self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.tables().numbers.remove(&self.number);
        }
    }
}

/// All objects of one embedded kernel.
#[derive(Debug, Default)]
pub(crate) struct Registry {
    tables: Mutex<Tables>,
    /// What programs opened, by number, until they close it or somebody takes it over.
    opened: Mutex<HashMap<i32, Handle>>,
}

#[derive(Debug, Default)]
struct Tables {
    /// Objects by the numbers of their handles.
    numbers: HashMap<i32, Object>,
    next_number: i32,
    ids: HashMap<ObjectKindKey, BTreeMap<u32, WeakObject>>,
    next_id: HashMap<ObjectKindKey, u32>,
    pins: BTreeMap<PathBuf, Object>,
}

type ObjectKindKey = ObjectKind;

/// Numbers look like descriptors: small, but never those of the standard streams.
const FIRST_NUMBER: i32 = 3;

impl Registry {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new id for an object of a kind.
    pub(crate) fn new_id(&self, kind: ObjectKind) -> u32 {
        let mut tables = self.tables();
        let next = tables.next_id.entry(kind).or_insert(0);
        *next += 1;
        *next
    }

    /// A handle on an object, which also becomes visible under its id.
    pub(crate) fn handle(self: &Arc<Self>, object: Object) -> Handle {
        self.handle_for(object, Access::FULL)
    }

    /// A handle that allows only so much.
    pub(crate) fn handle_for(self: &Arc<Self>, object: Object, access: Access) -> Handle {
        let mut tables = self.tables();
        let mut number = tables.next_number.max(FIRST_NUMBER);
        while tables.numbers.contains_key(&number) {
            number = number.checked_add(1).unwrap_or(FIRST_NUMBER);
        }
        tables.next_number = number.checked_add(1).unwrap_or(FIRST_NUMBER);
        tables.numbers.insert(number, object.clone());
        if let (Some((kind, id)), Some(weak)) = (object.kind(), object.downgrade()) {
            tables.ids.entry(kind).or_default().insert(id, weak);
        }
        drop(tables);
        Handle::from_object(number, Reference { object, access, number, registry: Arc::downgrade(self) })
    }

    /// Keeps what a program opened, and gives its number.
    pub(crate) fn keep_opened(&self, handle: Handle) -> i32 {
        let number = handle.number();
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).insert(number, handle);
        number
    }

    /// Takes what a program opened.
    pub(crate) fn take_opened(&self, number: i32) -> Result<Handle, Errno> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).remove(&number).ok_or(Errno::EBADF)
    }

    /// The object that a number stands for.
    pub(crate) fn by_number(&self, number: i32) -> Result<Object, Errno> {
        self.tables().numbers.get(&number).cloned().ok_or(Errno::EBADF)
    }

    /// The object of a kind with an id.
    pub(crate) fn by_id(&self, kind: ObjectKind, id: u32) -> Result<Object, Errno> {
        let tables = self.tables();
        let found = tables.ids.get(&kind).and_then(|ids| ids.get(&id)).and_then(WeakObject::upgrade);
        found.ok_or(Errno::ENOENT)
    }

    /// The id after `start` of an object that still lives.
    pub(crate) fn next_id(&self, kind: ObjectKind, start: u32) -> Result<u32, Errno> {
        let first = start.checked_add(1).filter(|_| start < i32::MAX as u32).ok_or(Errno::EINVAL)?;
        let mut tables = self.tables();
        let ids = tables.ids.get_mut(&kind).ok_or(Errno::ENOENT)?;
        ids.retain(|_, object| object.upgrade().is_some());
        ids.range(first..).next().map(|(id, _)| *id).ok_or(Errno::ENOENT)
    }

    /// Names an object. The path is only a key: nothing appears in a file system.
    pub(crate) fn pin(&self, path: &Path, object: Object) -> Result<(), Errno> {
        if object.kind().is_none() {
            return Err(Errno::EINVAL);
        }
        let mut tables = self.tables();
        if tables.pins.contains_key(path) {
            return Err(Errno::EEXIST);
        }
        tables.pins.insert(path.to_path_buf(), object);
        Ok(())
    }

    /// The object that a path names.
    pub(crate) fn pinned(&self, path: &Path) -> Result<Object, Errno> {
        self.tables().pins.get(path).cloned().ok_or(Errno::ENOENT)
    }

    /// Takes a name away.
    pub(crate) fn unpin(&self, path: &Path) -> Result<(), Errno> {
        // The object is dropped after the lock, since dropping a link takes other locks.
        let object = self.tables().pins.remove(path);
        object.map(drop).ok_or(Errno::ENOENT)
    }
}

/// The object of a handle of the embedded kernel.
pub(crate) fn object_of(handle: &Handle) -> Result<&Object, Errno> {
    handle.object::<Reference>().map(|r| &r.object).ok_or(Errno::EBADF)
}

/// The map of a handle that user space may read by.
pub(crate) fn readable_map(handle: &Handle) -> Result<&Arc<Map>, Errno> {
    let map = map_of(handle)?;
    if handle.object::<Reference>().is_some_and(|r| r.access.read) { Ok(map) } else { Err(Errno::EPERM) }
}

/// The map of a handle that user space may write by, unless the map is frozen.
pub(crate) fn writable_map(handle: &Handle) -> Result<&Arc<Map>, Errno> {
    let map = map_of(handle)?;
    let may_write = handle.object::<Reference>().is_some_and(|r| r.access.write);
    if may_write && !map.frozen.load(Ordering::Acquire) { Ok(map) } else { Err(Errno::EPERM) }
}

macro_rules! accessors {
    ($($(#[$meta:meta])* $name:ident, $variant:ident, $ty:ty;)*) => {$(
        $(#[$meta])*
        pub(crate) fn $name(handle: &Handle) -> Result<&$ty, Errno> {
            match object_of(handle)? {
                Object::$variant(object) => Ok(object),
                _ => Err(Errno::EINVAL),
            }
        }
    )*};
}

accessors! {
    /// The map of a handle.
    map_of, Map, Arc<Map>;
    /// The program of a handle.
    prog_of, Prog, Arc<Prog>;
    /// The link of a handle.
    link_of, Link, Arc<Link>;
    /// The BTF of a handle.
    btf_of, Btf, Arc<BtfObject>;
    /// The perf event of a handle.
    perf_of, Perf, Arc<PerfEvent>;
}
