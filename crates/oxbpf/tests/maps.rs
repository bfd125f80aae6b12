//! Every type of map on the running kernel: what it can be asked, and what it answers.
//!
//! `docs/coverage.md` has a table of the operations that were seen to work, made from what [`every_operation_of_every_type`] prints.
#![cfg(feature = "linux")]

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::Ordering;

use oxbpf::map::prefix_key;
use oxbpf::{ErrorKind, Kernel, OwnedMap, Result};
use oxbpf_kernel::{
    BtfLoad, Command, Handle, MapCreate, MapLookupBatch, Opening, PerfEventSpec, PerfRequest, Prot, Reply,
};
use oxbpf_uapi::flags::{MapFlags, UpdateFlags};
use oxbpf_uapi::info::MapInfo;
use oxbpf_uapi::map_type::{EntriesRule, KeyRule, MapOps, MapTypeInfo, ValueRule};
use oxbpf_uapi::perf_event::{PERF_COUNT_SW_BPF_OUTPUT, PERF_SAMPLE_RAW, PERF_TYPE_SOFTWARE};
use oxbpf_uapi::{Errno, MapType};
use rustix::net::{AddressFamily, SocketType};

const ANY: UpdateFlags = UpdateFlags::empty();

fn kernel() -> Option<Kernel> {
    testkit::require_bpf().then(oxbpf::kernel)
}

fn request(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> MapCreate<'static> {
    MapCreate { map_type, key_size, value_size, max_entries, map_name: "test", ..Default::default() }
}

fn create(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> Option<OwnedMap> {
    let kernel = kernel()?;
    created(OwnedMap::create(&kernel, request(map_type, key_size, value_size, max_entries)), map_type)
}

/// `None`, with the reason told, where the kernel is too old for the type.
fn created(map: Result<OwnedMap>, map_type: MapType) -> Option<OwnedMap> {
    match map {
        Err(e) if e.errno() == Errno::EINVAL => {
            testkit::skip_this(format_args!("the kernel has no {map_type}"));
            None
        }
        map => Some(map.unwrap()),
    }
}

#[test]
fn queues_give_the_oldest_and_stacks_the_newest() {
    for (map_type, order) in [(MapType::QUEUE, [1u32, 2, 3]), (MapType::STACK, [3, 2, 1])] {
        let Some(map) = create(map_type, 0, 4, 3) else { return };
        assert_eq!(map.pop().unwrap(), None);
        for value in [1u32, 2, 3] {
            map.push(&value.to_ne_bytes(), ANY).unwrap();
        }
        assert_eq!(map.push(&[9; 4], ANY).unwrap_err().errno(), Errno::E2BIG);
        assert_eq!(map.peek().unwrap().unwrap(), order[0].to_ne_bytes());
        for value in order {
            assert_eq!(map.pop().unwrap().unwrap(), value.to_ne_bytes());
        }
        assert_eq!(map.peek().unwrap(), None);
    }
}

#[test]
fn a_full_queue_drops_its_oldest_value_if_asked_to() {
    let Some(map) = create(MapType::QUEUE, 0, 4, 2) else { return };
    for value in [1u32, 2, 3] {
        map.push(&value.to_ne_bytes(), UpdateFlags::EXIST).unwrap();
    }
    assert_eq!(map.pop().unwrap().unwrap(), 2u32.to_ne_bytes());
}

#[test]
fn a_bloom_filter_knows_what_was_added() {
    let Some(map) = create(MapType::BLOOM_FILTER, 0, 4, 100) else { return };
    for value in 0..50u32 {
        map.push(&value.to_ne_bytes(), ANY).unwrap();
    }
    assert!((0..50u32).all(|value| map.contains(&value.to_ne_bytes()).unwrap()));
    let wrong = (1000..2000u32).filter(|value| map.contains(&value.to_ne_bytes()).unwrap()).count();
    assert!(wrong < 300, "{wrong} of 1000 are taken for members");
}

#[test]
fn a_prefix_tree_gives_the_longest_prefix() {
    let Some(kernel) = kernel() else { return };
    let request =
        MapCreate { map_flags: MapFlags::NO_PREALLOC.bits(), ..request(MapType::LPM_TRIE, 8, 4, 16) };
    let map = OwnedMap::create(&kernel, request).unwrap();
    for (bits, address, value) in [(8, [10, 0, 0, 0], 1u32), (16, [10, 1, 0, 0], 2), (32, [10, 1, 2, 3], 3)] {
        map.update(&prefix_key(bits, &address).unwrap(), &value.to_ne_bytes(), ANY).unwrap();
    }
    let find = |address: [u8; 4]| {
        let value = map.lookup(&prefix_key(32, &address).unwrap(), ANY).unwrap();
        value.map(|value| u32::from_ne_bytes(value.try_into().unwrap()))
    };
    assert_eq!(find([10, 1, 2, 3]), Some(3));
    assert_eq!(find([10, 1, 2, 4]), Some(2));
    assert_eq!(find([10, 9, 9, 9]), Some(1));
    assert_eq!(find([11, 0, 0, 0]), None);
    assert!(prefix_key(33, &[0; 4]).is_err());
    assert_eq!(map.keys().count(), 3);
    assert!(map.delete(&prefix_key(16, &[10, 1, 0, 0]).unwrap()).unwrap());
    assert_eq!(find([10, 1, 2, 4]), Some(1));
}

#[test]
fn maps_in_maps_are_written_as_references_and_read_as_maps() {
    let Some(kernel) = kernel() else { return };
    let inner = OwnedMap::create(&kernel, request(MapType::HASH, 4, 8, 4)).unwrap();
    inner.typed::<u32, u64>().unwrap().insert(&1, &11).unwrap();
    for map_type in [MapType::ARRAY_OF_MAPS, MapType::HASH_OF_MAPS] {
        let request = MapCreate { inner_map: Some(inner.fd()), ..request(map_type, 4, 4, 4) };
        let outer = OwnedMap::create(&kernel, request).unwrap();
        let key = 2u32.to_ne_bytes();
        assert!(outer.lookup_map(&key).unwrap().is_none());
        outer.update_ref(&key, inner.fd(), ANY).unwrap();
        let found = outer.lookup_map(&key).unwrap().unwrap();
        assert_eq!(found.info().unwrap().id, inner.info().unwrap().id);
        assert_eq!(found.typed::<u32, u64>().unwrap().get(&1).unwrap(), Some(11));
        let other = OwnedMap::create(&kernel, self::request(MapType::HASH, 4, 16, 4)).unwrap();
        assert_eq!(outer.update_ref(&key, other.fd(), ANY).unwrap_err().errno(), Errno::EINVAL);
        assert!(outer.delete(&key).unwrap());
        assert!(outer.lookup_map(&key).unwrap().is_none());
    }
    assert!(inner.update_ref(&[0; 4], inner.fd(), ANY).is_err());
    assert!(inner.lookup_map(&[0; 4]).is_err());
}

#[test]
fn values_of_each_cpu_are_typed() {
    let Some(map) = create(MapType::PERCPU_HASH, 4, 4, 8) else { return };
    let typed = map.typed_per_cpu::<u32, u32>().unwrap();
    assert_eq!(typed.get(&1).unwrap(), None);
    let cpus = map.value_buf_len().unwrap() / 8;
    let values: Vec<u32> = (0..cpus as u32).map(|cpu| cpu + 100).collect();
    typed.insert(&1, &values, ANY).unwrap();
    assert_eq!(typed.get(&1).unwrap().unwrap(), values);
    assert!(typed.insert(&1, &vec![0; cpus + 1], ANY).is_err());
    typed.insert_all(&2, &7).unwrap();
    assert_eq!(typed.get(&2).unwrap().unwrap(), vec![7; cpus]);
    let mut all: Vec<(u32, Vec<u32>)> = typed.iter().collect::<Result<_>>().unwrap();
    all.sort_unstable();
    assert_eq!(all, [(1, values), (2, vec![7; cpus])]);
    assert!(typed.remove(&2).unwrap());
    assert!(map.typed::<u32, u32>().is_err() && map.typed_per_cpu::<u32, u64>().is_err());
    match typed.get_on(&1, 0) {
        Err(e) if e.errno() == Errno::EINVAL => testkit::skip_this("no values of single CPUs: Linux 7.0"),
        value => {
            assert_eq!(value.unwrap(), Some(100));
            typed.insert_on(&1, 0, &5).unwrap();
            assert_eq!(typed.get_on(&1, 0).unwrap(), Some(5));
            assert_eq!(typed.get_on(&1, 1 << 20).unwrap_err().errno(), Errno(34));
        }
    }
}

#[test]
fn typed_entries_are_taken_kept_and_refused() {
    let Some(map) = create(MapType::HASH, 4, 8, 70_000) else { return };
    let typed = map.typed::<u32, u64>().unwrap();
    for key in 0..3000u32 {
        typed.insert(&key, &u64::from(key * 2)).unwrap();
    }
    let all: BTreeMap<u32, u64> = typed.iter().collect::<Result<_>>().unwrap();
    assert_eq!(all.len(), 3000);
    assert!(all.iter().all(|(k, v)| u64::from(k * 2) == *v));
    assert_eq!(typed.keys().count(), 3000);
    let taken = typed.insert_with(&1, &0, UpdateFlags::NOEXIST).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    let missing = typed.insert_with(&9999, &0, UpdateFlags::EXIST).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
    match typed.take(&1) {
        Err(e) if matches!(e.kind(), ErrorKind::Unsupported { .. }) => {
            testkit::skip_this("hashes do not give and delete in one step: Linux 5.14");
        }
        value => {
            assert_eq!(value.unwrap(), Some(2));
            assert_eq!(typed.take(&1).unwrap(), None);
        }
    }
    assert!(typed.get_with(&2, UpdateFlags::LOCK).is_err(), "there is no lock in the value");
}

#[test]
fn memory_of_an_array_is_shared_with_it() {
    let Some(kernel) = kernel() else { return };
    let plain = OwnedMap::create(&kernel, request(MapType::ARRAY, 4, 12, 1000)).unwrap();
    let error = plain.share(Prot::Read).expect_err("it was not made for that");
    assert_eq!(error.to_string(), "map `test`: the array was made without BPF_F_MMAPABLE");
    let request = MapCreate { map_flags: MapFlags::MMAPABLE.bits(), ..request(MapType::ARRAY, 4, 12, 1000) };
    let map = OwnedMap::create(&kernel, request).unwrap();
    let shared = map.share(Prot::ReadWrite).unwrap();
    for index in [0u32, 1, 999] {
        shared.set(index, &[index, 2, 3]).unwrap();
        let value = map.lookup(&index.to_ne_bytes(), ANY).unwrap().unwrap();
        assert_eq!(value[..4], index.to_ne_bytes());
        shared.atomic_u32(index, 8).unwrap().fetch_add(4, Ordering::Relaxed);
        assert_eq!(map.typed::<u32, [u32; 3]>().unwrap().get(&index).unwrap(), Some([index, 2, 7]));
        assert_eq!(shared.get::<[u32; 3]>(index).unwrap(), [index, 2, 7]);
    }
    assert!(shared.get::<[u32; 3]>(1000).is_err() && shared.get::<u32>(0).is_err());
    assert!(shared.atomic_u64(0, 8).is_err(), "not inside the element");
    // Read-only memory stays so; a frozen map gives no other.
    drop(shared);
    map.freeze().unwrap();
    assert_eq!(map.update(&[0; 4], &[0; 12], ANY).unwrap_err().errno(), Errno::EPERM);
    assert!(map.share(Prot::ReadWrite).is_err());
    let shared = map.share(Prot::Read).unwrap();
    assert_eq!(shared.get::<[u32; 3]>(1).unwrap(), [1, 2, 7]);
    assert!(shared.set(1, &[0u32; 3]).is_err());
}

#[test]
fn an_array_that_is_mapped_for_writing_is_not_frozen() {
    let Some(kernel) = kernel() else { return };
    let request = MapCreate { map_flags: MapFlags::MMAPABLE.bits(), ..request(MapType::ARRAY, 4, 8, 1) };
    let map = OwnedMap::create(&kernel, request).unwrap();
    let shared = map.share(Prot::ReadWrite).unwrap();
    assert_eq!(map.freeze().unwrap_err().kind(), ErrorKind::Busy);
    drop(shared);
    map.freeze().unwrap();
}

#[test]
fn pages_of_an_arena_are_shared() {
    let Some(kernel) = kernel() else { return };
    let request = MapCreate { map_flags: MapFlags::MMAPABLE.bits(), ..request(MapType::ARENA, 0, 0, 4) };
    let Some(map) = created(OwnedMap::create(&kernel, request), MapType::ARENA) else { return };
    let shared = map.share(Prot::ReadWrite).unwrap();
    assert_eq!(shared.entries(), 4);
    shared.atomic_u64(3, 4088).unwrap().store(77, Ordering::Relaxed);
    assert_eq!(shared.atomic_u64(3, 4088).unwrap().load(Ordering::Relaxed), 77);
    assert!(shared.atomic_u64(4, 0).is_err());
}

#[test]
fn pins_come_and_go_and_may_be_opened_for_reading() {
    let Some(map) = create(MapType::HASH, 4, 4, 4) else { return };
    let Some(dir) = testkit::bpffs() else { return };
    let path = dir.path().join("map");
    map.pin(&path).unwrap();
    let again = OwnedMap::open_pinned(map.kernel(), &path).unwrap();
    assert_eq!(again.info().unwrap().id, map.info().unwrap().id);
    let read_only =
        OwnedMap::open_pinned_with(map.kernel(), &path, oxbpf_uapi::flags::ObjFlags::RDONLY).unwrap();
    assert_eq!(read_only.update(&[0; 4], &[0; 4], ANY).unwrap_err().errno(), Errno::EPERM);
    map.unpin(&path).unwrap();
    assert_eq!(map.unpin(&path).unwrap_err().kind(), ErrorKind::NotFound);
    let gone = OwnedMap::open_pinned(map.kernel(), &path).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[test]
fn a_map_for_one_program_is_refused_to_others() {
    let Some(kernel) = kernel() else { return };
    let request = MapCreate { excl_prog_hash: &[7; 32], ..request(MapType::ARRAY, 4, 8, 1) };
    let map = match OwnedMap::create(&kernel, request) {
        // Older kernels refuse fields that they do not know.
        Err(e) if matches!(e.errno(), Errno::E2BIG | Errno::EINVAL) => {
            return testkit::skip_this("no maps for one program: Linux 6.18");
        }
        map => map.unwrap(),
    };
    map.update(&[0; 4], &[1; 8], ANY).unwrap();
    let other = oxbpf_uapi::Insn::new(0x18, 1, 1, 0, map.fd().number());
    let insns = [
        other,
        oxbpf_uapi::Insn::default(),
        oxbpf_uapi::Insn::new(0xb7, 0, 0, 0, 0),
        oxbpf_uapi::Insn::new(0x95, 0, 0, 0, 0),
    ];
    let (loaded, _) = kernel.prog_load(oxbpf_kernel::ProgLoad {
        prog_type: oxbpf_uapi::ProgType::SOCKET_FILTER,
        insns: &insns,
        license: "GPL",
        ..Default::default()
    });
    assert_eq!(loaded.map(drop), Err(Errno::EACCES));
}

/// What a map of a type needs around it, made once.
struct World {
    kernel: Kernel,
    inner: OwnedMap,
    btf: oxbpf_kernel::BtfFd,
    listener: TcpListener,
    stream: TcpStream,
    event: Handle,
    cgroup: Handle,
    prog: oxbpf_kernel::ProgFd,
    own_process: Handle,
    own_file: Handle,
    /// Of a group that shares its port.
    udp: Handle,
    /// `None` on kernels without XDP sockets.
    xsk: Option<Handle>,
}

/// BTF with an int (type 1) and a struct of two of them, which storages want to know.
fn small_btf(kernel: &Kernel) -> oxbpf_kernel::BtfFd {
    let mut types = Vec::new();
    for word in [1u32, 1 << 24, 4, 1 << 24 | 32] {
        types.extend_from_slice(&word.to_ne_bytes());
    }
    let strings = b"\0int\0";
    let mut raw = Vec::new();
    raw.extend_from_slice(&0xeb9fu16.to_ne_bytes());
    raw.extend_from_slice(&[1, 0]);
    for word in [24u32, 0, types.len() as u32, types.len() as u32, strings.len() as u32] {
        raw.extend_from_slice(&word.to_ne_bytes());
    }
    raw.extend_from_slice(&types);
    raw.extend_from_slice(strings);
    kernel.btf_load(BtfLoad { btf: &raw, ..Default::default() }).0.unwrap()
}

fn handle(fd: impl AsFd) -> Handle {
    Handle::from_fd(fd.as_fd().try_clone_to_owned().unwrap())
}

fn reuseport_socket() -> Handle {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).unwrap();
    rustix::net::sockopt::set_socket_reuseport(&socket, true).unwrap();
    rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    Handle::from_fd(socket)
}

impl World {
    fn new() -> Option<Self> {
        let kernel = kernel()?;
        let inner = OwnedMap::create(&kernel, request(MapType::ARRAY, 4, 4, 1)).unwrap();
        let spec = PerfEventSpec {
            kind: PERF_TYPE_SOFTWARE,
            config: PERF_COUNT_SW_BPF_OUTPUT,
            sample_type: PERF_SAMPLE_RAW,
            ..Default::default()
        };
        let open = PerfRequest::Open { spec, pid: -1, cpu: 0, group: None };
        let event = kernel.perf_event(open).and_then(Reply::handle).unwrap();
        let insns = [oxbpf_uapi::Insn::new(0xb7, 0, 0, 0, 0), oxbpf_uapi::Insn::new(0x95, 0, 0, 0, 0)];
        let (prog, _) = kernel.prog_load(oxbpf_kernel::ProgLoad {
            prog_type: oxbpf_uapi::ProgType::SOCKET_FILTER,
            insns: &insns,
            license: "GPL",
            ..Default::default()
        });
        let places = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
        let mut places = places.into_iter().map(Path::new);
        let Some(place) = places.find(|dir| dir.join("cgroup.procs").exists()) else {
            testkit::skip_this("no control groups of version 2");
            return None;
        };
        let cgroup = kernel.open(Opening::Cgroup(place)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let me = rustix::process::pidfd_open(rustix::process::getpid(), rustix::process::PidfdFlags::empty());
        Some(Self {
            btf: small_btf(&kernel),
            inner,
            listener,
            stream,
            event,
            cgroup,
            prog: prog.unwrap(),
            own_process: handle(me.unwrap()),
            own_file: handle(OwnedFd::from(std::fs::File::open("/proc/self/exe").unwrap())),
            udp: reuseport_socket(),
            xsk: rustix::net::socket(AddressFamily::XDP, SocketType::RAW, None).ok().map(Handle::from_fd),
            kernel,
        })
    }

    /// The smallest map of a type.
    fn create(&self, map_type: MapType, info: &MapTypeInfo) -> Result<OwnedMap> {
        let key_size = match info.key {
            KeyRule::None => 0,
            KeyRule::Prefix => 8,
            KeyRule::Cgroup => 8,
            _ => 4,
        };
        let value_size = match info.value {
            ValueRule::None => 0,
            ValueRule::Stack => 8 * 16,
            ValueRule::Socket => 8,
            ValueRule::Insn => 16,
            _ => 4,
        };
        let max_entries = match info.entries {
            EntriesRule::Zero => 0,
            EntriesRule::One => 1,
            EntriesRule::RingBytes => 4096,
            EntriesRule::Pages => 2,
            _ => 4,
        };
        let is_storage = info.key == KeyRule::Fd;
        OwnedMap::create(
            &self.kernel,
            MapCreate {
                map_flags: info.required.bits(),
                inner_map: map_type.holds_maps().then_some(self.inner.fd()),
                btf: is_storage.then_some(&self.btf),
                btf_key_type_id: is_storage.into(),
                btf_value_type_id: is_storage.into(),
                ..request(map_type, key_size, value_size, max_entries)
            },
        )
    }

    /// A key and a value that can be written to a map of the type.
    fn entry(&self, map_type: MapType, info: &MapTypeInfo, map: &OwnedMap) -> (Vec<u8>, Vec<u8>) {
        let number = |handle: &Handle| handle.number().to_ne_bytes().to_vec();
        let key = match info.key {
            KeyRule::None => Vec::new(),
            KeyRule::Prefix => prefix_key(32, &[10, 0, 0, 1]).unwrap(),
            KeyRule::Cgroup => vec![0; 8],
            KeyRule::Fd => match map_type {
                MapType::SK_STORAGE => number(&self.udp),
                MapType::INODE_STORAGE => number(&self.own_file),
                MapType::TASK_STORAGE => number(&self.own_process),
                _ => number(&self.cgroup),
            },
            _ => 1u32.to_ne_bytes().to_vec(),
        };
        let value = match info.value {
            ValueRule::None => Vec::new(),
            ValueRule::Fd => match map_type {
                MapType::PROG_ARRAY => number(&self.prog),
                MapType::PERF_EVENT_ARRAY => number(&self.event),
                MapType::CGROUP_ARRAY => number(&self.cgroup),
                MapType::XSKMAP => number(self.xsk.as_ref().unwrap_or(&self.udp)),
                _ => number(self.inner.fd()),
            },
            ValueRule::Socket => {
                let fd = match map_type {
                    MapType::REUSEPORT_SOCKARRAY => self.udp.number(),
                    _ => self.stream.as_raw_fd(),
                };
                (fd as u64).to_ne_bytes().to_vec()
            }
            // The loop-back device; a queue of one packet.
            ValueRule::Device | ValueRule::Cpu => 1u32.to_ne_bytes().to_vec(),
            _ => vec![1; map.value_buf_len().unwrap()],
        };
        (key, value)
    }
}

/// What happened when an operation was tried.
fn tried<T>(result: Result<T>) -> Result<(), Errno> {
    result.map(drop).map_err(|e| e.errno())
}

/// Whether the kernel says that it has no such operation, and nothing else.
fn is_absent(errno: Errno) -> bool {
    matches!(errno, Errno::EOPNOTSUPP | Errno::ENOTSUPP | Errno::EINVAL)
}

/// Each operation of the table's on a map: what is in the table works, what is not is refused.
#[test]
fn every_operation_of_every_type() {
    let Some(world) = World::new() else { return };
    let _ = &world.listener;
    let mut missing = Vec::new();
    for map_type in MapType::ALL {
        let Some(info) = map_type.info() else { continue };
        // Values of struct_ops are kernel structs, and instruction arrays are for programs to be: both have tests of their own.
        if matches!(*map_type, MapType::UNSPEC | MapType::STRUCT_OPS | MapType::INSN_ARRAY) {
            continue;
        }
        let map = match world.create(*map_type, info) {
            // The type is younger than the kernel, or was left out of it.
            Err(e) if matches!(e.errno(), Errno::EINVAL | Errno::EPERM | Errno::E2BIG) => {
                missing.push(*map_type);
                continue;
            }
            map => map.unwrap_or_else(|e| panic!("{map_type}: {e}")),
        };
        check_info(&map, *map_type);
        let (key, value) = world.entry(*map_type, info, &map);
        let seen = operations(&map, &key, &value);
        record(*map_type, &seen);
        for (op, result) in seen {
            let allowed = info.ops.contains(op);
            match result {
                Ok(()) => assert!(allowed, "{map_type}: {op:?} is not in the table, and works"),
                // What is in the table may be younger than the type, and some need more than a map: a socket of a kind, an attached program.
                Err(e) if allowed => {
                    assert!(is_absent(e) || may_refuse(*map_type, op, e), "{map_type}: {op:?}: {e}");
                }
                Err(_) => {}
            }
        }
        check_lengths(&map, &key, &value);
    }
    if !missing.is_empty() {
        testkit::skip_this(format_args!("of some types, which the kernel lacks: {missing:?}"));
    }
}

fn check_info(map: &OwnedMap, map_type: MapType) {
    let MapInfo { r#type, key_size, value_size, max_entries, .. } = map.info().unwrap();
    assert_eq!(r#type, map_type);
    assert_eq!((key_size, value_size), (map.key_size(), map.value_size()), "{map_type}");
    assert_eq!(max_entries, map.max_entries(), "{map_type}");
}

fn operations(map: &OwnedMap, key: &[u8], value: &[u8]) -> Vec<(MapOps, Result<(), Errno>)> {
    let keys = |map: &OwnedMap| map.next_key(None).map(drop);
    let mut seen = vec![
        (MapOps::UPDATE, tried(map.update(key, value, ANY))),
        (MapOps::LOOKUP, tried(map.lookup(key, ANY))),
        (MapOps::NEXT_KEY, tried(keys(map))),
    ];
    seen.push((MapOps::LOOKUP_AND_DELETE, tried(map.lookup_and_delete(key, ANY))));
    seen.push((MapOps::DELETE, tried(map.delete(key))));
    if !key.is_empty() && !value.is_empty() {
        seen.push((MapOps::UPDATE_BATCH, tried(map.update_batch(key, value, ANY))));
        seen.push((MapOps::LOOKUP_BATCH, first_batch(map, false)));
        seen.push((MapOps::LOOKUP_AND_DELETE_BATCH, first_batch(map, true)));
        let again = map.update(key, value, ANY);
        seen.push((
            MapOps::DELETE_BATCH,
            again.and_then(|()| map.delete_batch(key)).map(drop).map_err(|e| e.errno()),
        ));
    }
    seen
}

/// One command, where [`OwnedMap::batches`] would go on without it.
fn first_batch(map: &OwnedMap, removes: bool) -> Result<(), Errno> {
    let room = map.max_entries().max(1);
    let mut keys = vec![0; map.key_size() as usize * room as usize];
    let mut values = vec![0; map.value_buf_len().unwrap() * room as usize];
    let request = MapLookupBatch {
        map: map.fd(),
        in_batch: None,
        out_batch: &mut vec![0; map.key_size().max(4) as usize],
        keys: &mut keys,
        values: &mut values,
        count: room,
        elem_flags: 0,
        flags: 0,
    };
    let mut command = match removes {
        true => Command::MapLookupAndDeleteBatch(request),
        false => Command::MapLookupBatch(request),
    };
    match map.kernel().bpf(&mut command) {
        // All there are.
        Ok(_) | Err(Errno::ENOENT) => Ok(()),
        Err(e) => Err(e),
    }
}

/// Answers that say more than "no such operation", of operations that the type has.
fn may_refuse(map_type: MapType, op: MapOps, errno: Errno) -> bool {
    match map_type {
        // The map is of no cgroup until a program is attached to one.
        MapType::CGROUP_STORAGE | MapType::PERCPU_CGROUP_STORAGE => errno == Errno::ENOENT,
        // Linux 7.2 wants the socket to have rings.
        MapType::XSKMAP => errno == Errno(105),
        // Inodes have room for values if the kernel was started with the BPF security module.
        MapType::INODE_STORAGE => errno == Errno::EBADF,
        // What a step before has removed is gone.
        _ => errno == Errno::ENOENT && op != MapOps::UPDATE,
    }
}

/// Lengths that are not the map's are refused here, not by the kernel.
fn check_lengths(map: &OwnedMap, key: &[u8], value: &[u8]) {
    let longer = |bytes: &[u8]| [bytes, &[0]].concat();
    for error in [
        map.update(&longer(key), value, ANY).err(),
        map.update(key, &longer(value), ANY).err(),
        map.lookup(&longer(key), ANY).err(),
        map.delete(&longer(key)).err(),
        map.next_key(Some(&longer(key))).err(),
    ] {
        let error = error.expect("a wrong length");
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
        assert!(error.to_string().contains("bytes, the map's have"), "{error}");
    }
}

/// Tells what worked, for the table of `docs/coverage.md`: `COVERAGE-MAP KERNEL TYPE OPERATION…` on standard error.
fn record(map_type: MapType, seen: &[(MapOps, Result<(), Errno>)]) {
    if std::env::var_os("OXBPF_COVERAGE").is_none() {
        return;
    }
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let kernel: Vec<&str> = release.split('.').take(2).collect();
    let works: Vec<String> =
        seen.iter().filter(|(_, r)| r.is_ok()).map(|(op, _)| format!("{op:?}").to_lowercase()).collect();
    let line =
        format!("COVERAGE-MAP {} {} {}\n", kernel.join("."), map_type.short_name().unwrap(), works.join(" "));
    // Around the test runner's capture.
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}
