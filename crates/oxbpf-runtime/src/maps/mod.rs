//! Maps: what `BPF_MAP_CREATE` makes, one file a family.
//!
//! Values live in guest memory, so a program's pointer to a value is checked against that value alone. Two faces, as in the
//! kernel: a program reaches the value of its own CPU by address, user space copies values, of all CPUs for per-CPU maps.
//! Error numbers are those of `kernel/bpf/{syscall,arraymap,hashtab,ringbuf,queue_stack_maps,lpm_trie,stackmap}.c`, v6.12.

mod array;
mod fd_array;
mod hash;
mod lock;
mod lpm;
mod perf;
mod queue;
mod ring;
mod stack_trace;

use core::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use oxbpf_kernel::{Mapping, Prot};
use oxbpf_uapi::{Errno, MapType};
use oxbpf_vm::{MemError, Memory};

use crate::registry::Object;

pub(crate) use fd_array::FdArray;
pub(crate) use lock::offset_in as lock_offset;
pub(crate) use perf::{PerfArray, PerfRing};
pub(crate) use ring::Ring;
pub(crate) use stack_trace::StackTraces;

/// `BPF_F_*` flags of `BPF_MAP_CREATE`.
pub(crate) mod flags {
    pub(crate) const NO_PREALLOC: u32 = 1 << 0;
    pub(crate) const NO_COMMON_LRU: u32 = 1 << 1;
    pub(crate) const NUMA_NODE: u32 = 1 << 2;
    pub(crate) const RDONLY: u32 = 1 << 3;
    pub(crate) const WRONLY: u32 = 1 << 4;
    pub(crate) const STACK_BUILD_ID: u32 = 1 << 5;
    pub(crate) const ZERO_SEED: u32 = 1 << 6;
    pub(crate) const RDONLY_PROG: u32 = 1 << 7;
    pub(crate) const WRONLY_PROG: u32 = 1 << 8;
    pub(crate) const MMAPABLE: u32 = 1 << 10;
    pub(crate) const PRESERVE_ELEMS: u32 = 1 << 11;
    pub(crate) const INNER_MAP: u32 = 1 << 12;
    /// Who may do what, and where the memory is: every map takes these.
    pub(crate) const ACCESS: u32 = RDONLY | WRONLY | NUMA_NODE;
    /// What programs may do.
    pub(crate) const PROG_ACCESS: u32 = RDONLY_PROG | WRONLY_PROG;
}

/// `BPF_NOEXIST`, `BPF_EXIST`, `BPF_F_LOCK` of an update.
pub(crate) mod update {
    pub(crate) const NOEXIST: u64 = 1;
    pub(crate) const EXIST: u64 = 2;
    pub(crate) const LOCK: u64 = 4;
}

/// What a map is made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MapParams {
    pub(crate) map_type: MapType,
    pub(crate) key_size: u32,
    pub(crate) value_size: u32,
    pub(crate) max_entries: u32,
    pub(crate) map_flags: u32,
    pub(crate) map_extra: u64,
    pub(crate) name: String,
    pub(crate) btf_id: u32,
    pub(crate) btf_key_type_id: u32,
    pub(crate) btf_value_type_id: u32,
    /// Byte offset of the `struct bpf_spin_lock` in a value.
    pub(crate) lock: Option<u32>,
}

impl MapParams {
    /// Bytes from one value to the next, as user space sees per-CPU values and the kernel stores array elements.
    pub(crate) fn value_stride(&self) -> u32 {
        self.value_size.next_multiple_of(8)
    }

    /// Fails for a per-CPU value that is larger than the kernel's unit of per-CPU memory.
    pub(crate) fn check_per_cpu(&self) -> Result<(), Errno> {
        const MAX: u32 = 32 << 10;
        if self.map_type.is_per_cpu() && self.value_size > MAX { Err(Errno::E2BIG) } else { Ok(()) }
    }

    /// Fails for `BPF_F_LOCK` where values have no lock.
    pub(crate) fn check_lock(&self, flags: u64) -> Result<(), Errno> {
        if flags & update::LOCK != 0 && self.lock.is_none() { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// Checks the `elem_flags` of a batch.
    pub(crate) fn check_batch(&self, flags: u64) -> Result<(), Errno> {
        if flags & !update::LOCK != 0 { Err(Errno::EINVAL) } else { self.check_lock(flags) }
    }

    /// Fails unless only flags of `allowed` are set.
    pub(crate) fn allow_flags(&self, allowed: u32) -> Result<(), Errno> {
        if self.map_flags & !allowed == 0 { Ok(()) } else { Err(Errno::EINVAL) }
    }

    /// What programs may do with values.
    pub(crate) fn rights(&self) -> oxbpf_vm::Rights {
        match self.map_flags & flags::PROG_ACCESS {
            flags::RDONLY_PROG => oxbpf_vm::Rights::Read,
            flags::WRONLY_PROG => oxbpf_vm::Rights::Write,
            _ => oxbpf_vm::Rights::ReadWrite,
        }
    }

    /// What messages call a value of the map.
    pub(crate) fn label(&self) -> String {
        format!("map value \"{}\"", self.name)
    }

    /// The index in a 4-byte key.
    pub(crate) fn index(&self, key: &[u8]) -> Result<u32, Errno> {
        Ok(u32::from_ne_bytes(key.try_into().map_err(|_| Errno::EINVAL)?))
    }
}

/// Where maps take their memory, and how many CPUs there are.
#[derive(Clone, Debug)]
pub(crate) struct MapEnv {
    pub(crate) memory: Memory,
    pub(crate) cpus: u32,
}

/// How a family of maps is read many elements at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BatchReads {
    /// Not at all.
    None,
    /// From the key after the last one.
    ByKey,
    /// From a number, as hash tables go by buckets. Such maps can be emptied that way too.
    ByPosition,
}

/// What a family of maps does. A method that a family leaves out answers as the kernel does for a missing operation.
pub(crate) trait MapOps: Send + Sync + fmt::Debug {
    /// Guest address of the value under `key`, of one CPU for per-CPU maps.
    fn lookup(&self, _key: &[u8], _cpu: u32) -> Option<u64> {
        None
    }

    /// A program's update: of its own CPU for per-CPU maps.
    fn update(&self, _key: &[u8], _value: &[u8], _flags: u64, _cpu: u32) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn delete(&self, _key: &[u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    fn next_key(&self, _key: Option<&[u8]>, _next: &mut [u8]) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Copies the value of all CPUs out, as user space reads it.
    fn read(&self, _key: &[u8], _out: &mut [u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    /// How many elements are read at once.
    fn batch_reads(&self) -> BatchReads {
        BatchReads::None
    }

    /// The first key at a position or after it, and its position.
    fn key_from(&self, _position: u32) -> Option<(u32, Vec<u8>)> {
        None
    }

    /// What an update is checked for before its value is looked at, for values that are objects.
    fn check_write(&self, _key: &[u8], _flags: u64) -> Result<(), Errno> {
        Ok(())
    }

    /// Writes the value of all CPUs, as user space does.
    fn write(&self, _key: &[u8], _value: &[u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Writes a value that is an object, as user space does for arrays of programs, maps and events.
    fn write_object(&self, _key: &[u8], _object: Object, _flags: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// Copies the value out and removes it.
    fn take(&self, _key: &[u8], _out: &mut [u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::ENOTSUPP)
    }

    fn push(&self, _value: &[u8], _flags: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// Copies the next value of a queue or stack out; `remove` takes it away.
    fn pop(&self, _out: &mut [u8], _remove: bool) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }

    /// Guest address of byte `offset` of the only value, for `ld_imm64` of globals.
    fn value_addr(&self, _offset: u32) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }

    /// Shares the memory with user space.
    fn mmap(&self, _offset: u64, _len: u64, _prot: Prot) -> Result<Mapping, Errno> {
        Err(Errno::EOPNOTSUPP)
    }

    /// Whether a reader that waits has something to read; `None` for maps that nobody waits for.
    fn is_readable(&self) -> Option<bool> {
        None
    }

    fn as_ring(&self) -> Option<&Ring> {
        None
    }

    fn as_fd_array(&self) -> Option<&FdArray> {
        None
    }

    fn as_perf_array(&self) -> Option<&PerfArray> {
        None
    }

    fn as_stack_traces(&self) -> Option<&StackTraces> {
        None
    }
}

/// A map of the embedded kernel.
#[derive(Debug)]
pub(crate) struct Map {
    pub(crate) id: u32,
    pub(crate) params: MapParams,
    pub(crate) ops: Box<dyn MapOps>,
    pub(crate) frozen: AtomicBool,
    pub(crate) user_writes: AtomicU64,
}

/// Makes the storage of a map.
type Factory = fn(&MapParams, &MapEnv, Option<&MapParams>) -> Result<Box<dyn MapOps>, Errno>;

/// Map types that the embedded kernel has.
const FACTORIES: &[(MapType, Factory)] = &[
    (MapType::HASH, hash::create),
    (MapType::ARRAY, array::create),
    (MapType::PROG_ARRAY, fd_array::create),
    (MapType::PERF_EVENT_ARRAY, perf::create),
    (MapType::PERCPU_HASH, hash::create),
    (MapType::PERCPU_ARRAY, array::create),
    (MapType::STACK_TRACE, stack_trace::create),
    (MapType::LRU_HASH, hash::create),
    (MapType::LRU_PERCPU_HASH, hash::create),
    (MapType::LPM_TRIE, lpm::create),
    (MapType::ARRAY_OF_MAPS, fd_array::create),
    (MapType::HASH_OF_MAPS, fd_array::create_hash),
    (MapType::QUEUE, queue::create),
    (MapType::STACK, queue::create),
    (MapType::RINGBUF, ring::create),
];

/// Map types that can be created, for messages.
pub(crate) fn served() -> impl Iterator<Item = MapType> {
    FACTORIES.iter().map(|f| f.0)
}

impl Map {
    pub(crate) fn create(
        id: u32,
        params: MapParams,
        env: &MapEnv,
        inner: Option<MapParams>,
    ) -> Result<Self, Errno> {
        let Some((_, factory)) = FACTORIES.iter().find(|f| f.0 == params.map_type) else {
            return Err(Errno::EINVAL);
        };
        if params.map_flags & flags::PROG_ACCESS == flags::PROG_ACCESS {
            return Err(Errno::EINVAL);
        }
        let ops = factory(&params, env, inner.as_ref())?;
        // What user space may do belongs to the handle.
        let map_flags = params.map_flags & !(flags::RDONLY | flags::WRONLY);
        let params = MapParams { map_flags, ..params };
        Ok(Self { id, params, ops, frozen: AtomicBool::new(false), user_writes: AtomicU64::new(0) })
    }

    /// Value that stands for the map in a register: unique, and no address of guest memory.
    pub(crate) fn address(&self) -> u64 {
        address_of(self.id)
    }

    pub(crate) fn is_per_cpu(&self) -> bool {
        self.params.map_type.is_per_cpu()
    }

    /// Bytes of a value as user space copies it.
    pub(crate) fn user_value_len(&self, cpus: u32) -> usize {
        match self.params.map_type {
            t if t.is_per_cpu() => self.params.value_stride() as usize * cpus as usize,
            t if t.holds_refs() => 4,
            _ => self.params.value_size as usize,
        }
    }
}

/// Register values of maps lie in a range of their own.
const MAP_BASE: u64 = 0xffff_c900_0000_0000;

pub(crate) fn address_of(id: u32) -> u64 {
    MAP_BASE + (u64::from(id) << 12)
}

/// The id of the map that a register value stands for.
pub(crate) fn id_of(address: u64) -> Option<u32> {
    let offset = address.checked_sub(MAP_BASE)?;
    (offset % 4096 == 0).then(|| u32::try_from(offset >> 12).ok())?
}

/// The error number of a failed allocation.
pub(crate) fn mem_errno(error: &MemError) -> Errno {
    match error {
        MemError::BadSize(_) => Errno::EINVAL,
        _ => Errno::ENOMEM,
    }
}

/// Checks the flags of an update against whether the entry exists.
pub(crate) fn check_update(flags: u64, exists: bool) -> Result<(), Errno> {
    match flags & !update::LOCK {
        0 => Ok(()),
        update::NOEXIST if exists => Err(Errno::EEXIST),
        update::NOEXIST => Ok(()),
        update::EXIST if !exists => Err(Errno::ENOENT),
        update::EXIST => Ok(()),
        _ => Err(Errno::EINVAL),
    }
}

/// Shares a map's object.
pub(crate) type MapRef = Arc<Map>;
