//! Loading into the running kernel. Without the privilege each test says why it is skipped.
#![cfg(feature = "linux")]

use std::path::PathBuf;

use oxbpf::{ErrorKind, Feature, Features, Object, ObjectBuilder, OwnedMap};
use oxbpf_kernel::{MapCreate, MapFd};
use oxbpf_uapi::flags::UpdateFlags;
use oxbpf_uapi::{Errno, HelperId, MapType, ProgType};

macro_rules! need_kernel {
    () => {
        if !testkit::require_bpf() {
            return;
        }
    };
}

fn object(path: &str) -> PathBuf {
    testkit::root().join(path)
}

fn load(path: &str) -> oxbpf::Result<Object> {
    ObjectBuilder::new().open_file(object(path))?.load()
}

fn map(map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> OwnedMap {
    let request =
        MapCreate { map_type, key_size, value_size, max_entries, map_name: "test", ..Default::default() };
    OwnedMap::create(&oxbpf::kernel(), request).unwrap()
}

#[test]
fn examples_load_where_the_kernel_lets_them() {
    need_kernel!();
    for entry in std::fs::read_dir(object("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|e| e != "o") {
            continue;
        }
        match ObjectBuilder::new().open_file(&path).unwrap().load() {
            Ok(object) => {
                for program in object.programs().filter(|p| p.is_loaded()) {
                    let info = program.info().unwrap();
                    assert_eq!(info.r#type, program.prog_type());
                    assert!(info.nr_func_info > 0, "{}: no function records", program.name());
                }
            }
            // Locked-down kernels refuse programs that look at kernel functions, small ones lack hooks.
            Err(e) if matches!(e.errno(), Errno::EPERM | Errno::ESRCH | Errno::EINVAL) => {
                assert!(!e.to_string().contains("CO-RE"), "{e:#}");
                testkit::skip!("{e}");
            }
            Err(e) => panic!("{e:#}"),
        }
    }
}

#[test]
fn globals_reach_the_program_and_come_back() {
    need_kernel!();
    let mut open = ObjectBuilder::new().open_file(object("testdata/objects/plain.o")).unwrap();
    open.set_global("step", &5u32).unwrap();
    open.set_global("seen", &100u64).unwrap();
    let object = open.load().unwrap();
    let packet = [0u8; 64];
    let run = object.program("count").unwrap().test_run(|run| run.data_in = &packet).unwrap();
    assert_eq!(run.retval, 0);
    assert_eq!(object.global_bytes("seen").unwrap(), 105u64.to_ne_bytes());
    assert_eq!(object.global_bytes("step").unwrap(), 5u32.to_ne_bytes());
}

#[test]
fn hash_entries_come_and_go() {
    need_kernel!();
    let map = map(MapType::HASH, 4, 8, 16);
    let typed = map.typed::<u32, u64>().unwrap();
    assert_eq!(typed.get(&1).unwrap(), None);
    typed.insert(&1, &10).unwrap();
    typed.insert(&2, &20).unwrap();
    assert_eq!(typed.get(&1).unwrap(), Some(10));
    let mut all: Vec<_> = typed.iter().collect::<Result<_, _>>().unwrap();
    all.sort_unstable();
    assert_eq!(all, [(1, 10), (2, 20)]);
    let taken = map.update(&1u32.to_ne_bytes(), &0u64.to_ne_bytes(), UpdateFlags::NOEXIST).unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AlreadyExists);
    assert!(typed.remove(&1).unwrap());
    assert!(!typed.remove(&1).unwrap());
    assert!(map.typed::<u32, u32>().is_err());
}

#[test]
fn wrong_lengths_are_refused_before_the_kernel_sees_them() {
    need_kernel!();
    let map = map(MapType::HASH, 4, 8, 16);
    let error = map.lookup(&[0; 5], UpdateFlags::empty()).unwrap_err();
    assert_eq!(error.to_string(), "map `test`: the key has 5 bytes, the map's have 4");
    let error = map.update(&[0; 4], &[0; 4], UpdateFlags::empty()).unwrap_err();
    assert_eq!(error.to_string(), "map `test`: the value has 4 bytes, the map's have 8");
}

#[test]
fn per_cpu_values_come_one_for_each_cpu() {
    need_kernel!();
    let map = map(MapType::PERCPU_ARRAY, 4, 4, 2);
    let key = 1u32.to_ne_bytes();
    let cpus = map.lookup_per_cpu(&key, UpdateFlags::empty()).unwrap().unwrap().len();
    let values: Vec<[u8; 4]> = (0..cpus as u32).map(|i| (i + 7).to_ne_bytes()).collect();
    map.update_per_cpu(&key, &values, UpdateFlags::empty()).unwrap();
    let back = map.lookup_per_cpu(&key, UpdateFlags::empty()).unwrap().unwrap();
    assert_eq!(back, values);
    assert_eq!(map.value_buf_len().unwrap(), cpus * 8);
    assert!(map.typed::<u32, u32>().is_err());
}

fn collect(mut batches: oxbpf::map::Batches<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(batch) = batches.next().unwrap() {
        all.extend(batch.iter().map(|(k, v)| (k.to_vec(), v.to_vec())));
    }
    all
}

#[test]
fn entries_come_in_steps_whatever_the_map_and_the_kernel() {
    need_kernel!();
    // More than one step; per-CPU values; a type without batches.
    for (map_type, value_size, entries) in [
        (MapType::HASH, 1000, 1200u32),
        (MapType::ARRAY, 8, 70_000),
        (MapType::PERCPU_HASH, 12, 9000),
        (MapType::LRU_HASH, 64, 5000),
        (MapType::STACK_TRACE, 8, 4),
    ] {
        let map = map(map_type, 4, value_size, entries);
        let len = map.value_buf_len().unwrap();
        if map_type != MapType::STACK_TRACE && map_type != MapType::ARRAY {
            for i in 0..entries / 2 {
                map.update(&i.to_ne_bytes(), &vec![i as u8; len], UpdateFlags::empty()).unwrap();
            }
        }
        let mut by_step = collect(map.batches(UpdateFlags::empty()).unwrap());
        let mut one_by_one: Vec<_> = map.iter().map(|e| e.unwrap()).collect();
        assert_eq!(by_step.len(), one_by_one.len(), "{map_type}");
        by_step.sort_unstable();
        one_by_one.sort_unstable();
        assert!(by_step == one_by_one, "{map_type}");
        if matches!(map_type, MapType::HASH | MapType::PERCPU_HASH) {
            let mut drained = collect(map.drain(UpdateFlags::empty()).unwrap());
            drained.sort_unstable();
            assert!(drained == by_step, "{map_type}");
            assert_eq!(map.keys().count(), 0, "{map_type}");
        }
    }
}

#[test]
fn batches_move_all_entries() {
    need_kernel!();
    let map = map(MapType::HASH, 4, 4, 3000);
    let keys: Vec<u8> = (0..2500u32).flat_map(u32::to_ne_bytes).collect();
    assert_eq!(map.update_batch(&keys, &keys, UpdateFlags::empty()).unwrap(), 2500);
    let mut all = collect(map.batches(UpdateFlags::empty()).unwrap());
    all.sort_unstable_by_key(|(k, _)| u32::from_ne_bytes(k[..].try_into().unwrap()));
    assert_eq!(all.len(), 2500);
    assert!(all.iter().zip(0u32..).all(|((k, v), i)| k[..] == i.to_ne_bytes() && k == v));
    assert_eq!(map.delete_batch(&keys[..40]).unwrap(), 10);
    assert_eq!(collect(map.drain(UpdateFlags::empty()).unwrap()).len(), 2490);
    assert_eq!(map.keys().count(), 0);
    assert_eq!(
        map.update_batch(&keys[..6], &keys[..6], UpdateFlags::empty()).unwrap_err().kind(),
        ErrorKind::InvalidInput
    );
}

#[test]
fn queue_gives_back_what_was_pushed() {
    need_kernel!();
    let map = map(MapType::QUEUE, 0, 4, 4);
    map.update(&[], &1u32.to_ne_bytes(), UpdateFlags::empty()).unwrap();
    map.update(&[], &2u32.to_ne_bytes(), UpdateFlags::empty()).unwrap();
    let take = || map.lookup_and_delete(&[], UpdateFlags::empty()).unwrap();
    assert_eq!(take().unwrap(), 1u32.to_ne_bytes());
    assert_eq!(take().unwrap(), 2u32.to_ne_bytes());
    assert_eq!(take(), None);
}

#[test]
fn map_can_be_opened_by_its_id() {
    need_kernel!();
    let map = map(MapType::HASH, 4, 8, 16);
    let id = map.info().unwrap().id;
    let other = OwnedMap::open_id(&oxbpf::kernel(), id).unwrap();
    assert_eq!((other.name(), other.map_type(), other.max_entries()), ("test", MapType::HASH, 16));
    let same = OwnedMap::from_fd(&oxbpf::kernel(), MapFd((**other.fd()).clone())).unwrap();
    assert_eq!(same.value_size(), 8);
}

#[test]
fn rejected_program_says_why_in_one_line() {
    need_kernel!();
    // The table that the program looks into is left out, and the program reaches the call that stands in for it.
    let mut open = ObjectBuilder::new().open_file(object("testdata/objects/plain.o")).unwrap();
    open.map_mut("counts").unwrap().set_autocreate(false);
    let error = open.load().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verifier);
    let line = error.to_string();
    assert!(line.contains("BPF map 'counts' is referenced but wasn't created"), "{error:#}");
    assert_eq!(line.lines().count(), 1);
    assert!(format!("{error:#}").lines().count() > 1);
}

#[test]
fn failed_co_re_relocation_is_named_when_it_is_reached() {
    need_kernel!();
    let error = load("testdata/objects/core_relos.o").unwrap_err();
    if error.kind() != ErrorKind::Verifier {
        testkit::skip!("{error}");
    }
    assert!(error.to_string().contains("failed to resolve CO-RE relocation"), "{error:#}");
    assert!(error.to_string().contains("oxbpf_sample"), "{error:#}");
}

#[test]
fn features_agree_with_the_kernels_age() {
    need_kernel!();
    let kernel = oxbpf::kernel();
    let release = kernel.fact(oxbpf_kernel::Fact::KernelRelease).unwrap();
    let release = String::from_utf8_lossy(&release).into_owned();
    let number = |text: &str| {
        let mut parts = text.split(['.', '-']).map_while(|p| p.parse::<u32>().ok());
        Some((parts.next()?, parts.next()?))
    };
    let running = number(&release).unwrap();
    let features = Features::of(&kernel);
    // Configuration and lockdown decide about these, not only age.
    // The uprobe call of 7.2 refuses with another number (EPROTO), which libbpf 1.8 takes for a kernel without it too.
    let conditional = [
        Feature::UprobeMultiLink,
        Feature::SyscallWrapper,
        Feature::ModuleBtf,
        Feature::PerfLink,
        Feature::UprobeSyscall,
    ];
    for feature in Feature::ALL {
        let is_old_enough = number(feature.since()).is_some_and(|since| since <= running);
        if is_old_enough && !conditional.contains(feature) {
            assert!(
                features.has(*feature),
                "{release} lacks {feature}, which Linux has since {}",
                feature.since()
            );
        }
    }
}

/// Types that a kernel has only with an option, or that it only grants for something to attach to.
const CONDITIONAL_PROGS: &[ProgType] = &[
    ProgType::LIRC_MODE2,
    ProgType::LSM,
    ProgType::TRACING,
    ProgType::EXT,
    ProgType::STRUCT_OPS,
    ProgType::NETFILTER,
];

/// Helpers that the kernel knows for a type and then refuses in every program of it, with words of another check. Probes, C
/// libbpf's too, take them for present.
const REFUSED_LATER: &[(ProgType, HelperId)] = &[
    (ProgType::LWT_SEG6LOCAL, HelperId::SKB_PULL_DATA),
    (ProgType::SYSCALL, HelperId::SK_STORAGE_GET),
    (ProgType::SYSCALL, HelperId::SK_STORAGE_DELETE),
    (ProgType::SYSCALL, HelperId::D_PATH),
];

#[test]
fn types_and_helpers_are_those_of_the_kernels_age() {
    need_kernel!();
    let kernel = oxbpf::kernel();
    let features = Features::of(&kernel);
    let running = testkit::kernel_release().expect("a release");
    let is_old_enough = |since: &str| {
        let (major, minor) = since.split_once('.').expect("a release");
        let number = |text: &str| text.parse::<u32>().expect("a number");
        (number(major), number(minor)) <= (running.major, running.minor)
    };
    for t in ProgType::ALL.iter().filter(|t| **t != ProgType::UNSPEC && !CONDITIONAL_PROGS.contains(t)) {
        let since = t.since().expect("a release");
        assert_eq!(features.has_prog_type(*t).unwrap(), is_old_enough(since), "{t}, {since}");
    }
    for t in MapType::ALL.iter().filter(|t| **t != MapType::UNSPEC) {
        let since = t.since().expect("a release");
        assert_eq!(features.has_map_type(*t).unwrap(), is_old_enough(since), "{t}, {since}");
    }
    let mut asked = 0;
    let mut wrong = Vec::new();
    for t in ProgType::ALL {
        for helper in HelperId::ALL.iter().filter(|h| h.0 != 0 && **h != HelperId::TRACE_PRINTK) {
            let Ok(has) = features.has_helper(*t, *helper) else { continue };
            asked += 1;
            let name = helper.c_name().unwrap();
            if has && !helper.allowed_in(*t) && !REFUSED_LATER.contains(&(*t, *helper)) {
                wrong.push(format!("{t} {name}"));
            }
            assert!(!has || is_old_enough(helper.since().unwrap()), "{name} is newer than {running:?}");
        }
    }
    assert!(wrong.is_empty(), "the kernel allows more than the table: {wrong:#?}");
    assert!(asked > 3000, "{asked}");
    for helper in [HelperId::MAP_LOOKUP_ELEM, HelperId::KTIME_GET_NS, HelperId::GET_PRANDOM_U32] {
        assert!(features.has_helper(ProgType::XDP, helper).unwrap(), "{helper}");
    }
    assert!(!features.has_helper(ProgType::XDP, HelperId::OVERRIDE_RETURN).unwrap());
    let error = features.has_helper(ProgType::TRACING, HelperId::MAP_LOOKUP_ELEM).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
    assert!(
        features.has_prog_type(ProgType(4000)).is_err() && features.has_map_type(MapType::UNSPEC).is_err()
    );
}
