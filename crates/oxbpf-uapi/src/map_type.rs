//! `enum bpf_map_type`: what a map stores and how it is reached.
//!
//! Where the columns come from, Linux 7.2: operations from the `bpf_map_ops` definitions that
//! `include/linux/bpf_types.h` names, sizes and flags from what each type checks when a map is created. Operations and
//! flags were measured too, see `testdata/uapi/maps-7.2.txt`.

use crate::flags::MapFlags;
use crate::table::table;

/// The columns of a map type.
#[derive(Clone, Copy, Debug)]
pub struct MapTypeInfo {
    /// What a key is.
    pub key: KeyRule,
    /// What a value is.
    pub value: ValueRule,
    /// What `max_entries` says.
    pub entries: EntriesRule,
    /// The commands of bpf(2) that work on its elements.
    pub ops: MapOps,
    /// The flags that creating it takes. `TOKEN_FD` and `VTYPE_BTF_OBJ_FD` aside, which every type takes.
    pub flags: MapFlags,
    /// The flags that creating it needs.
    pub required: MapFlags,
    /// Whether there is one value for each possible CPU; commands see them in a row, each rounded up to 8 bytes.
    pub per_cpu: bool,
    /// Whether its memory can be mapped into user space.
    pub mmap: Mmap,
}

/// What a key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRule {
    /// There is none; `key_size` is 0.
    None,
    /// `u32` from 0 up to `max_entries`.
    Index,
    /// Any `u32`.
    U32,
    /// Any bytes, at least one.
    Any,
    /// [`LpmTrieKeyHdr`](crate::ctx::LpmTrieKeyHdr) and the address, 5 to 260 bytes.
    Prefix,
    /// `u64` cgroup id, or [`CgroupStorageKey`](crate::ctx::CgroupStorageKey).
    Cgroup,
    /// `i32` descriptor of a socket, process, file or cgroup, whose storage it is.
    Fd,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ValueRule {
    /// There is none; `value_size` is 0.
    None,
    /// Any bytes, at least one.
    Any,
    /// `u32` descriptor on writing, id on reading.
    Fd,
    /// `u32` or `u64` descriptor of a socket on writing; with `u64`, its cookie on reading.
    Socket,
    /// `u64` addresses, or [`StackBuildId`](crate::ctx::StackBuildId) records with `BPF_F_STACK_BUILD_ID`.
    Stack,
    /// `u32` device, or [`DevmapVal`](crate::ctx::DevmapVal).
    Device,
    /// `u32` queue size, or [`CpumapVal`](crate::ctx::CpumapVal).
    Cpu,
    /// The kernel struct that describes the operations.
    StructOps,
    /// [`InsnArrayValue`](crate::ctx::InsnArrayValue).
    Insn,
}

/// What `max_entries` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntriesRule {
    /// Elements, at least one.
    Elements,
    /// Nothing; it is 0.
    Zero,
    /// One element.
    One,
    /// Bytes of data: a power of two and a multiple of the page size.
    RingBytes,
    /// Pages.
    Pages,
}

/// Whether a map's memory can be mapped into user space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mmap {
    /// Never.
    No,
    /// If it was created with `BPF_F_MMAPABLE`.
    WithFlag,
    /// Always.
    Yes,
}

/// The commands of bpf(2) that work on a map's elements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct MapOps(u16);

bitflags::bitflags! {
    impl MapOps: u16 {
        /// `BPF_MAP_LOOKUP_ELEM`; queues and stacks peek, bloom filters test.
        const LOOKUP = 1 << 0;
        /// `BPF_MAP_UPDATE_ELEM`; queues and stacks push.
        const UPDATE = 1 << 1;
        /// `BPF_MAP_DELETE_ELEM`.
        const DELETE = 1 << 2;
        /// `BPF_MAP_GET_NEXT_KEY`.
        const NEXT_KEY = 1 << 3;
        /// `BPF_MAP_LOOKUP_AND_DELETE_ELEM`; queues and stacks pop.
        const LOOKUP_AND_DELETE = 1 << 4;
        /// `BPF_MAP_LOOKUP_BATCH`.
        const LOOKUP_BATCH = 1 << 5;
        /// `BPF_MAP_LOOKUP_AND_DELETE_BATCH`.
        const LOOKUP_AND_DELETE_BATCH = 1 << 6;
        /// `BPF_MAP_UPDATE_BATCH`.
        const UPDATE_BATCH = 1 << 7;
        /// `BPF_MAP_DELETE_BATCH`.
        const DELETE_BATCH = 1 << 8;
    }
}

impl core::fmt::Debug for MapOps {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        bitflags::parser::to_writer(self, f)
    }
}

const LOOKUP: MapOps = MapOps::LOOKUP;
const UPDATE: MapOps = MapOps::UPDATE;
const DELETE: MapOps = MapOps::DELETE;
const KEYS: MapOps = MapOps::NEXT_KEY;
/// The four basic commands.
const BASIC: MapOps = LOOKUP.union(UPDATE).union(DELETE).union(KEYS);
/// Everything.
const ALL: MapOps = MapOps::all();
const READ_WRITE_BATCH: MapOps = MapOps::LOOKUP_BATCH.union(MapOps::UPDATE_BATCH);

const NUMA: MapFlags = MapFlags::NUMA_NODE;
/// Rights of user space.
const USER: MapFlags = MapFlags::RDONLY.union(MapFlags::WRONLY);
/// Rights of user space and programs.
const ACCESS: MapFlags = USER.union(MapFlags::RDONLY_PROG).union(MapFlags::WRONLY_PROG);
const HASH_FLAGS: MapFlags = MapFlags::NO_PREALLOC.union(NUMA).union(ACCESS).union(MapFlags::ZERO_SEED);
const LRU_FLAGS: MapFlags = MapFlags::NO_COMMON_LRU.union(NUMA).union(ACCESS).union(MapFlags::ZERO_SEED);
const STORAGE_FLAGS: MapFlags = MapFlags::NO_PREALLOC.union(MapFlags::CLONE);

const PLAIN: MapTypeInfo = MapTypeInfo {
    key: KeyRule::None,
    value: ValueRule::Any,
    entries: EntriesRule::Elements,
    ops: MapOps::empty(),
    flags: MapFlags::empty(),
    required: MapFlags::empty(),
    per_cpu: false,
    mmap: Mmap::No,
};

/// A hash table.
const TABLE: MapTypeInfo = MapTypeInfo { key: KeyRule::Any, ops: ALL, flags: HASH_FLAGS, ..PLAIN };
/// An array of numbered elements.
const NUMBERED: MapTypeInfo =
    MapTypeInfo { key: KeyRule::Index, ops: BASIC, flags: NUMA.union(ACCESS), ..PLAIN };
/// Values that belong to a kernel object.
const STORAGE: MapTypeInfo = MapTypeInfo {
    key: KeyRule::Fd,
    entries: EntriesRule::Zero,
    ops: LOOKUP.union(UPDATE).union(DELETE),
    flags: STORAGE_FLAGS,
    required: MapFlags::NO_PREALLOC,
    ..PLAIN
};
/// A ring of records.
const RING: MapTypeInfo = MapTypeInfo {
    value: ValueRule::None,
    entries: EntriesRule::RingBytes,
    flags: NUMA,
    mmap: Mmap::Yes,
    ..PLAIN
};

table! {
    /// `enum bpf_map_type`: what a map stores and how it is reached.
    pub struct MapType(u32): MapTypeInfo;
    UNSPEC = 0, "BPF_MAP_TYPE_UNSPEC", "unspec", "3.18" => { ..PLAIN };
    HASH = 1, "BPF_MAP_TYPE_HASH", "hash", "3.19" => { ..TABLE };
    ARRAY = 2, "BPF_MAP_TYPE_ARRAY", "array", "3.19" => {
        ops: LOOKUP.union(UPDATE).union(KEYS).union(READ_WRITE_BATCH),
        flags: NUMA.union(ACCESS).union(MapFlags::MMAPABLE).union(MapFlags::INNER_MAP),
        mmap: Mmap::WithFlag,
        ..NUMBERED
    };
    PROG_ARRAY = 3, "BPF_MAP_TYPE_PROG_ARRAY", "prog_array", "4.2" => {
        value: ValueRule::Fd,
        flags: NUMA.union(USER),
        ..NUMBERED
    };
    PERF_EVENT_ARRAY = 4, "BPF_MAP_TYPE_PERF_EVENT_ARRAY", "perf_event_array", "4.3" => {
        value: ValueRule::Fd,
        ops: UPDATE.union(DELETE).union(KEYS),
        flags: NUMA.union(USER).union(MapFlags::PRESERVE_ELEMS),
        ..NUMBERED
    };
    PERCPU_HASH = 5, "BPF_MAP_TYPE_PERCPU_HASH", "percpu_hash", "4.6" => {
        flags: HASH_FLAGS.difference(NUMA),
        per_cpu: true,
        ..TABLE
    };
    PERCPU_ARRAY = 6, "BPF_MAP_TYPE_PERCPU_ARRAY", "percpu_array", "4.6" => {
        ops: LOOKUP.union(UPDATE).union(KEYS).union(READ_WRITE_BATCH),
        flags: ACCESS,
        per_cpu: true,
        ..NUMBERED
    };
    STACK_TRACE = 7, "BPF_MAP_TYPE_STACK_TRACE", "stack_trace", "4.6" => {
        key: KeyRule::U32,
        value: ValueRule::Stack,
        ops: LOOKUP.union(DELETE).union(KEYS).union(MapOps::LOOKUP_AND_DELETE),
        flags: NUMA.union(USER).union(MapFlags::STACK_BUILD_ID),
        ..PLAIN
    };
    CGROUP_ARRAY = 8, "BPF_MAP_TYPE_CGROUP_ARRAY", "cgroup_array", "4.8" => {
        value: ValueRule::Fd,
        ops: UPDATE.union(DELETE).union(KEYS),
        flags: NUMA.union(USER),
        ..NUMBERED
    };
    LRU_HASH = 9, "BPF_MAP_TYPE_LRU_HASH", "lru_hash", "4.10" => { flags: LRU_FLAGS, ..TABLE };
    LRU_PERCPU_HASH = 10, "BPF_MAP_TYPE_LRU_PERCPU_HASH", "lru_percpu_hash", "4.10" => {
        flags: LRU_FLAGS.difference(NUMA),
        per_cpu: true,
        ..TABLE
    };
    LPM_TRIE = 11, "BPF_MAP_TYPE_LPM_TRIE", "lpm_trie", "4.11" => {
        key: KeyRule::Prefix,
        ops: BASIC.union(READ_WRITE_BATCH).union(MapOps::DELETE_BATCH),
        flags: MapFlags::NO_PREALLOC.union(NUMA).union(ACCESS),
        required: MapFlags::NO_PREALLOC,
        ..PLAIN
    };
    ARRAY_OF_MAPS = 12, "BPF_MAP_TYPE_ARRAY_OF_MAPS", "array_of_maps", "4.12" => {
        value: ValueRule::Fd,
        ops: BASIC.union(READ_WRITE_BATCH),
        flags: NUMA.union(USER),
        ..NUMBERED
    };
    HASH_OF_MAPS = 13, "BPF_MAP_TYPE_HASH_OF_MAPS", "hash_of_maps", "4.12" => {
        value: ValueRule::Fd,
        ops: ALL.difference(MapOps::LOOKUP_AND_DELETE),
        ..TABLE
    };
    DEVMAP = 14, "BPF_MAP_TYPE_DEVMAP", "devmap", "4.14" => {
        value: ValueRule::Device,
        flags: NUMA.union(USER),
        ..NUMBERED
    };
    SOCKMAP = 15, "BPF_MAP_TYPE_SOCKMAP", "sockmap", "4.14" => {
        value: ValueRule::Socket,
        flags: NUMA.union(USER),
        ..NUMBERED
    };
    CPUMAP = 16, "BPF_MAP_TYPE_CPUMAP", "cpumap", "4.15" => { value: ValueRule::Cpu, flags: NUMA, ..NUMBERED };
    XSKMAP = 17, "BPF_MAP_TYPE_XSKMAP", "xskmap", "4.18" => {
        value: ValueRule::Fd,
        ops: UPDATE.union(DELETE).union(KEYS),
        flags: NUMA.union(USER),
        ..NUMBERED
    };
    SOCKHASH = 18, "BPF_MAP_TYPE_SOCKHASH", "sockhash", "4.18" => {
        key: KeyRule::Any,
        value: ValueRule::Socket,
        ops: BASIC,
        flags: NUMA.union(USER),
        ..PLAIN
    };
    CGROUP_STORAGE = 19, "BPF_MAP_TYPE_CGROUP_STORAGE", "cgroup_storage", "4.19" => {
        key: KeyRule::Cgroup,
        entries: EntriesRule::Zero,
        ops: LOOKUP.union(UPDATE).union(KEYS),
        flags: NUMA.union(ACCESS),
        ..PLAIN
    };
    REUSEPORT_SOCKARRAY = 20, "BPF_MAP_TYPE_REUSEPORT_SOCKARRAY", "reuseport_sockarray", "4.19" => {
        value: ValueRule::Socket,
        ..NUMBERED
    };
    PERCPU_CGROUP_STORAGE = 21, "BPF_MAP_TYPE_PERCPU_CGROUP_STORAGE", "percpu_cgroup_storage", "4.20" => {
        key: KeyRule::Cgroup,
        entries: EntriesRule::Zero,
        ops: LOOKUP.union(UPDATE).union(KEYS),
        flags: NUMA.union(ACCESS),
        per_cpu: true,
        ..PLAIN
    };
    QUEUE = 22, "BPF_MAP_TYPE_QUEUE", "queue", "4.20" => {
        ops: LOOKUP.union(UPDATE).union(MapOps::LOOKUP_AND_DELETE),
        flags: NUMA.union(ACCESS),
        ..PLAIN
    };
    STACK = 23, "BPF_MAP_TYPE_STACK", "stack", "4.20" => {
        ops: LOOKUP.union(UPDATE).union(MapOps::LOOKUP_AND_DELETE),
        flags: NUMA.union(ACCESS),
        ..PLAIN
    };
    SK_STORAGE = 24, "BPF_MAP_TYPE_SK_STORAGE", "sk_storage", "5.2" => { ..STORAGE };
    DEVMAP_HASH = 25, "BPF_MAP_TYPE_DEVMAP_HASH", "devmap_hash", "5.4" => {
        key: KeyRule::U32,
        value: ValueRule::Device,
        flags: NUMA.union(USER),
        ..NUMBERED
    };
    STRUCT_OPS = 26, "BPF_MAP_TYPE_STRUCT_OPS", "struct_ops", "5.6" => {
        value: ValueRule::StructOps,
        entries: EntriesRule::One,
        flags: MapFlags::LINK,
        ..NUMBERED
    };
    RINGBUF = 27, "BPF_MAP_TYPE_RINGBUF", "ringbuf", "5.8" => { flags: NUMA.union(MapFlags::RB_OVERWRITE), ..RING };
    INODE_STORAGE = 28, "BPF_MAP_TYPE_INODE_STORAGE", "inode_storage", "5.10" => { ..STORAGE };
    TASK_STORAGE = 29, "BPF_MAP_TYPE_TASK_STORAGE", "task_storage", "5.11" => { ..STORAGE };
    BLOOM_FILTER = 30, "BPF_MAP_TYPE_BLOOM_FILTER", "bloom_filter", "5.16" => {
        ops: LOOKUP.union(UPDATE),
        flags: NUMA.union(ACCESS).union(MapFlags::ZERO_SEED),
        ..PLAIN
    };
    USER_RINGBUF = 31, "BPF_MAP_TYPE_USER_RINGBUF", "user_ringbuf", "6.1" => { ..RING };
    CGRP_STORAGE = 32, "BPF_MAP_TYPE_CGRP_STORAGE", "cgrp_storage", "6.2" => { ..STORAGE };
    ARENA = 33, "BPF_MAP_TYPE_ARENA", "arena", "6.9" => {
        value: ValueRule::None,
        entries: EntriesRule::Pages,
        flags: MapFlags::MMAPABLE.union(MapFlags::SEGV_ON_FAULT).union(MapFlags::NO_USER_CONV),
        required: MapFlags::MMAPABLE,
        mmap: Mmap::Yes,
        ..PLAIN
    };
    INSN_ARRAY = 34, "BPF_MAP_TYPE_INSN_ARRAY", "insn_array", "6.19" => {
        value: ValueRule::Insn,
        ops: LOOKUP.union(UPDATE).union(KEYS),
        flags: MapFlags::empty(),
        ..NUMBERED
    };
    RHASH = 35, "BPF_MAP_TYPE_RHASH", "rhash", "7.2" => {
        flags: MapFlags::NO_PREALLOC.union(NUMA).union(ACCESS),
        required: MapFlags::NO_PREALLOC,
        ..TABLE
    };
}

impl MapType {
    /// Whether the commands work on the map's elements; `true` for a type that this version does not know, so that
    /// the kernel decides.
    pub fn allows(self, ops: MapOps) -> bool {
        self.info().is_none_or(|i| i.ops.contains(ops))
    }

    /// Whether there is one value for each possible CPU.
    pub fn is_per_cpu(self) -> bool {
        self.info().is_some_and(|i| i.per_cpu)
    }

    /// Whether values are references to other objects, which commands write as descriptors and read as ids.
    pub fn holds_refs(self) -> bool {
        self.info().is_some_and(|i| i.value == ValueRule::Fd)
    }

    /// Whether values are descriptors when they are written: of other objects, or of sockets.
    pub fn holds_descriptors(self) -> bool {
        self.info().is_some_and(|i| matches!(i.value, ValueRule::Fd | ValueRule::Socket))
    }

    /// Whether values are references to maps.
    pub fn holds_maps(self) -> bool {
        matches!(self, Self::ARRAY_OF_MAPS | Self::HASH_OF_MAPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_follow_what_the_kernel_checks() {
        assert!(MapType::HASH.allows(ALL));
        assert!(!MapType::ARRAY.allows(MapOps::DELETE));
        assert!(!MapType::RINGBUF.allows(MapOps::LOOKUP));
        assert!(MapType(1000).allows(ALL), "the kernel decides about types it knows and we do not");
        assert!(MapType::XSKMAP.holds_refs() && !MapType::SOCKMAP.holds_refs());
        assert!(MapType::PERCPU_ARRAY.is_per_cpu() && !MapType::ARRAY.is_per_cpu());
        assert_eq!(MapType::LPM_TRIE.info().unwrap().required, MapFlags::NO_PREALLOC);
        assert!(!MapType::LRU_HASH.info().unwrap().flags.contains(MapFlags::NO_PREALLOC));
    }

    #[test]
    fn what_is_needed_is_allowed() {
        for t in MapType::ALL {
            let info = t.info().unwrap();
            assert!(info.flags.contains(info.required), "{t}");
            assert_eq!(
                info.mmap == Mmap::WithFlag,
                info.flags.contains(MapFlags::MMAPABLE) && *t != MapType::ARENA,
                "{t}"
            );
        }
    }
}
