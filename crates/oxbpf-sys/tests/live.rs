//! The Linux back end on the running kernel. Each test needs the right to use bpf(2) and says so when it skips.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use oxbpf_kernel::{
    BtfLoad, Command, Fact, GetInfo, Handle, InfoBuffers, Kernel, LinkCreate, LinkKind, LinkSource, LogBuf,
    MapCreate, MapDeleteBatch, MapFd, MapLookupBatch, MapUpdateBatch, NlMessage, ObjectKind, Opening,
    PerfEventSpec, PerfRecord, PerfRequest, PerfRingConsumer, PollSet, ProgFd, ProgLoad, ProgQuery,
    ProgTestRun, Prot, RawTracepointOpen, RingConsumer, Target,
};
use oxbpf_uapi::info::{BtfInfo, MapInfo, ProgInfo};
use oxbpf_uapi::insn::*;
use oxbpf_uapi::{AttachType, Errno, HelperId, Insn, MapType, ProgType};
use zerocopy::{FromZeros, IntoBytes};

/// The running kernel; the test ends here, saying why, if bpf(2) is refused.
macro_rules! kernel_or_skip {
    () => {
        if testkit::require_bpf() { oxbpf_sys::kernel() } else { return }
    };
}

fn map(kernel: &Kernel, map_type: MapType, key_size: u32, value_size: u32, max_entries: u32) -> MapFd {
    let req = MapCreate {
        map_type,
        key_size,
        value_size,
        max_entries,
        map_name: "live test!",
        ..Default::default()
    };
    kernel.map_create(req).expect("map")
}

fn mov(dst: u8, imm: i32) -> Insn {
    Insn::new(BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, imm)
}

fn call(helper: HelperId) -> Insn {
    Insn::new(BPF_JMP | BPF_CALL, 0, 0, 0, helper.0 as i32)
}

const EXIT: Insn = Insn::new(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);

fn load_map(dst: u8, map: &MapFd) -> [Insn; 2] {
    [Insn::new(LD_IMM64, dst, BPF_PSEUDO_MAP_FD, 0, map.number()), Insn::default()]
}

fn load(kernel: &Kernel, prog_type: ProgType, insns: &[Insn]) -> ProgFd {
    let mut buf = vec![0; 1 << 16];
    let log = Some(LogBuf { level: 1, buf: &mut buf, true_size: 0 });
    let req =
        ProgLoad { prog_type, insns, license: "GPL", prog_name: "live-test", log, ..Default::default() };
    let (result, req) = kernel.prog_load(req);
    result.unwrap_or_else(|e| panic!("{e}: {}", req.log.expect("given").text()))
}

#[test]
fn elements_of_a_hash_map_come_and_go() {
    let kernel = kernel_or_skip!();
    let map = map(&kernel, MapType::HASH, 4, 8, 16);
    assert!(map.number() > 2);
    let (key, other) = (7_u32.to_ne_bytes(), 8_u32.to_ne_bytes());
    let mut value = [0; 8];
    assert_eq!(kernel.map_lookup_elem(&map, &key, &mut value, 0), Err(Errno::ENOENT));
    kernel.map_update_elem(&map, &key, &[1; 8], 0).expect("update");
    kernel.map_lookup_elem(&map, &key, &mut value, 0).expect("lookup");
    assert_eq!(value, [1; 8]);
    assert_eq!(kernel.map_update_elem(&map, &key, &[2; 8], 1), Err(Errno::EEXIST), "BPF_NOEXIST");
    let mut next = [0; 4];
    kernel.map_get_next_key(&map, None, &mut next).expect("first key");
    assert_eq!(next, key);
    assert_eq!(kernel.map_get_next_key(&map, Some(&key), &mut next), Err(Errno::ENOENT));
    kernel.map_update_elem(&map, &other, &[3; 8], 0).expect("update");
    match kernel.map_lookup_and_delete_elem(&map, &other, &mut value, 0) {
        // Before 5.14 only queues and stacks have it.
        Err(e) => assert_eq!(e, Errno::ENOTSUPP),
        Ok(()) => assert_eq!(value, [3; 8]),
    }
    kernel.map_delete_elem(&map, &key, 0).expect("delete");
    assert_eq!(kernel.map_delete_elem(&map, &key, 0), Err(Errno::ENOENT));
}

#[test]
fn buffers_that_are_too_short_never_reach_the_kernel() {
    let kernel = kernel_or_skip!();
    let plain = map(&kernel, MapType::ARRAY, 4, 8, 1);
    // The same map by another descriptor, whose sizes have to be asked.
    let mut info = MapInfo::new_zeroed();
    let req = GetInfo { object: &plain, info: info.as_mut_bytes(), buffers: InfoBuffers::None };
    kernel.get_info(req).expect("info");
    let by_id = MapFd(kernel.get_fd_by_id(ObjectKind::Map, info.id).expect("by id"));
    let per_cpu = map(&kernel, MapType::PERCPU_ARRAY, 4, 4, 1);
    let key = [0; 4];
    for map in [&plain, &by_id, &per_cpu] {
        assert_eq!(kernel.map_lookup_elem(map, &key, &mut [0; 7], 0), Err(Errno::EINVAL));
        assert_eq!(kernel.map_update_elem(map, &key, &[0; 7], 0), Err(Errno::EINVAL));
        assert_eq!(kernel.map_lookup_elem(map, &key[1..], &mut [0; 512], 0), Err(Errno::EINVAL));
        assert_eq!(kernel.map_get_next_key(map, None, &mut [0; 3]), Err(Errno::EINVAL));
    }
    let online = std::thread::available_parallelism().expect("count").get();
    let mut values = vec![0xff; 8 * 4096];
    kernel.map_lookup_elem(&per_cpu, &key, &mut values, 0).expect("room for all");
    assert_eq!(values[..8 * online], vec![0; 8 * online], "a value of 8 bytes for each CPU");
}

#[test]
fn batches_say_how_far_they_came() {
    let kernel = kernel_or_skip!();
    let map = map(&kernel, MapType::HASH, 4, 4, 64);
    let keys: Vec<u32> = (0..40).collect();
    let values: Vec<u32> = keys.iter().map(|k| k * 3).collect();
    let mut req = Command::MapUpdateBatch(MapUpdateBatch {
        map: &map,
        keys: keys.as_bytes(),
        values: values.as_bytes(),
        count: 40,
        elem_flags: 0,
        flags: 0,
    });
    kernel.bpf(&mut req).expect("update");
    let Command::MapUpdateBatch(req) = req else { unreachable!() };
    assert_eq!(req.count, 40);

    let (mut out_keys, mut out_values, mut position) = ([0_u32; 64], [0_u32; 64], [0; 4]);
    let mut req = Command::MapLookupBatch(MapLookupBatch {
        map: &map,
        in_batch: None,
        out_batch: &mut position,
        keys: out_keys.as_mut_bytes(),
        values: out_values.as_mut_bytes(),
        count: 64,
        elem_flags: 0,
        flags: 0,
    });
    assert_eq!(kernel.bpf(&mut req).err(), Some(Errno::ENOENT), "the end of the map");
    let Command::MapLookupBatch(req) = req else { unreachable!() };
    assert_eq!(req.count, 40);
    let mut found: Vec<_> = out_keys[..40].iter().copied().zip(out_values).collect();
    found.sort_unstable();
    assert_eq!(found, keys.iter().copied().zip(values).collect::<Vec<_>>());

    let mut req = Command::MapDeleteBatch(MapDeleteBatch {
        map: &map,
        keys: keys.as_bytes(),
        count: 39,
        elem_flags: 0,
        flags: 0,
    });
    kernel.bpf(&mut req).expect("delete");
    assert_eq!(kernel.map_lookup_elem(&map, &39_u32.to_ne_bytes(), &mut [0; 4], 0), Ok(()));
    assert_eq!(kernel.map_lookup_elem(&map, &38_u32.to_ne_bytes(), &mut [0; 4], 0), Err(Errno::ENOENT));
}

#[test]
fn a_frozen_map_is_read_only_and_mapped_memory_is_the_value() {
    let kernel = kernel_or_skip!();
    const MMAPABLE: u32 = 1 << 10;
    let req = MapCreate {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 4096,
        max_entries: 1,
        map_flags: MMAPABLE,
        ..Default::default()
    };
    let map = kernel.map_create(req).expect("map");
    let mapping = kernel.mmap(&map, 0..4096, Prot::ReadWrite).expect("mmap");
    mapping.write(5, b"through memory").expect("in range");
    let mut value = vec![0; 4096];
    kernel.map_lookup_elem(&map, &[0; 4], &mut value, 0).expect("lookup");
    assert_eq!(&value[5..19], b"through memory");
    drop(mapping);
    kernel.map_freeze(&map).expect("freeze");
    assert_eq!(kernel.map_update_elem(&map, &[0; 4], &value, 0), Err(Errno::EPERM));
    assert_eq!(kernel.mmap(&map, 0..4096, Prot::ReadWrite).err(), Some(Errno::EPERM));
    let mapping = kernel.mmap(&map, 0..4096, Prot::Read).expect("mmap");
    assert_eq!(mapping.write(0, &[1]), Err(Errno::EACCES));
}

#[test]
fn a_program_runs_on_data_and_gives_its_result() {
    let kernel = kernel_or_skip!();
    // r0 = skb->len
    let len = Insn::new(BPF_LDX | BPF_MEM | BPF_W, 0, 1, 0, 0);
    let prog = load(&kernel, ProgType::SOCKET_FILTER, &[len, EXIT]);
    let packet = [0; 60];
    let mut out = [0xff; 100];
    let req =
        ProgTestRun { data_in: &packet, data_out: Some(&mut out), repeat: 3, ..ProgTestRun::new(&prog) };
    let req = kernel.prog_test_run(req).expect("run");
    assert_eq!(
        (req.retval, req.data_size_out),
        (60 - 14, 60),
        "the Ethernet header is pulled before a filter"
    );
    assert_eq!(out[59..61], [0, 0xff]);

    let (mut info, mut insns) = (ProgInfo::new_zeroed(), [0_u8; 64]);
    let buffers = InfoBuffers::Prog {
        xlated_insns: &mut insns,
        jited_insns: &mut [],
        map_ids: &mut [],
        jited_ksyms: &mut [],
        jited_func_lens: &mut [],
        func_info: &mut [],
        line_info: &mut [],
        jited_line_info: &mut [],
        prog_tags: &mut [],
    };
    kernel.get_info(GetInfo { object: &prog, info: info.as_mut_bytes(), buffers }).expect("info");
    assert_eq!(info.r#type, ProgType::SOCKET_FILTER);
    assert_eq!(&info.name[..10], b"live_test\0", "a character that the kernel refuses");
    assert_eq!(info.xlated_prog_len % 8, 0);
    assert_eq!(insns[info.xlated_prog_len as usize - 8..][..8], [BPF_JMP | BPF_EXIT, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn a_refused_program_comes_with_the_verifiers_words() {
    let kernel = kernel_or_skip!();
    let mut buf = vec![0; 1 << 12];
    let log = Some(LogBuf { level: 1, buf: &mut buf, true_size: 0 });
    let req = ProgLoad {
        prog_type: ProgType::SOCKET_FILTER,
        insns: &[EXIT],
        license: "GPL",
        log,
        ..Default::default()
    };
    let (result, req) = kernel.prog_load(req);
    assert_eq!(result.err(), Some(Errno::EACCES));
    let log = req.log.expect("given");
    assert!(log.text().contains("R0 !read_ok"), "{}", log.text());
    assert!(log.true_size == 0 || log.true_size as usize == log.text().len() + 1);

    let mut short = [0; 16];
    let log = Some(LogBuf { level: 1, buf: &mut short, true_size: 0 });
    let req = ProgLoad {
        prog_type: ProgType::SOCKET_FILTER,
        insns: &[EXIT],
        license: "GPL",
        log,
        ..Default::default()
    };
    let (result, _) = kernel.prog_load(req);
    // Before 6.4 a log has at least 128 bytes.
    assert!(matches!(result, Err(Errno::ENOSPC | Errno::EINVAL)), "the log did not fit: {result:?}");
}

/// BTF of one type: `int`.
fn btf_of_int() -> Vec<u8> {
    let strings = b"\0int\0";
    let mut btf = Vec::new();
    btf.extend_from_slice(&0xeb9f_u16.to_ne_bytes());
    btf.extend_from_slice(&[1, 0]);
    for word in [24_u32, 0, 16, 16, strings.len() as u32, 1, 1 << 24, 4, 1 << 24 | 32] {
        btf.extend_from_slice(&word.to_ne_bytes());
    }
    btf.extend_from_slice(strings);
    btf
}

#[test]
fn btf_that_is_loaded_comes_back_by_its_id() {
    let kernel = kernel_or_skip!();
    let data = btf_of_int();
    let (result, _) = kernel.btf_load(BtfLoad { btf: &data, ..Default::default() });
    let btf = result.expect("load");
    let (mut info, mut back, mut name) = (BtfInfo::new_zeroed(), vec![0; data.len()], [0xff; 16]);
    let buffers = InfoBuffers::Btf { btf: &mut back, name: &mut name };
    kernel.get_info(GetInfo { object: &btf, info: info.as_mut_bytes(), buffers }).expect("info");
    assert_eq!(back, data);
    assert_eq!(name[0], 0, "only the kernel's own BTF has a name");
    let again = kernel.get_fd_by_id(ObjectKind::Btf, info.id).expect("by id");
    assert_ne!(again.number(), btf.number());
    assert_eq!(kernel.get_next_id(ObjectKind::Btf, info.id - 1), Ok(Some(info.id)));

    let mut log = [0; 512];
    let log = Some(LogBuf { level: 1, buf: &mut log, true_size: 0 });
    let mut broken = data.clone();
    // An integer of 32 bits in 3 bytes.
    broken[24 + 8] = 3;
    let (result, req) = kernel.btf_load(BtfLoad { btf: &broken, log, ..Default::default() });
    assert_eq!(result.err(), Some(Errno::EINVAL));
    assert!(!req.log.expect("given").text().is_empty());
}

#[test]
fn a_pinned_map_is_the_same_map() {
    let kernel = kernel_or_skip!();
    let Some(bpffs) = oxbpf_sys::mounts::bpffs() else {
        testkit::skip!("no BPF file system at /sys/fs/bpf");
    };
    let path: PathBuf = bpffs.join(format!("oxbpf-live-{}", std::process::id()));
    let map = map(&kernel, MapType::ARRAY, 4, 4, 1);
    kernel.obj_pin(&path, &map).expect("pin");
    assert_eq!(kernel.obj_pin(&path, &map), Err(Errno::EEXIST));
    let again = MapFd(kernel.obj_get(&path, 0).expect("get"));
    kernel.map_update_elem(&again, &[0; 4], &[5; 4], 0).expect("update");
    let mut value = [0; 4];
    kernel.map_lookup_elem(&map, &[0; 4], &mut value, 0).expect("lookup");
    assert_eq!(value, [5; 4]);
    kernel.unpin(&path).expect("unpin");
    assert_eq!(kernel.obj_get(&path, 0).err(), Some(Errno::ENOENT));
    assert_eq!(kernel.obj_get(Path::new("/nul\0"), 0).err(), Some(Errno::EINVAL));
    assert!(!oxbpf_sys::mounts::is_bpffs(Path::new("/proc")));
}

/// A raw tracepoint program that writes an 8-byte number to the ring at each system call of this process.
fn ring_writer(ring: &MapFd, process: u32) -> Vec<Insn> {
    let store = |dst, src, off| Insn::new(BPF_STX | BPF_MEM | BPF_DW, dst, src, off, 0);
    let mut insns = vec![
        call(HelperId::GET_CURRENT_PID_TGID),
        Insn::new(BPF_ALU64 | BPF_RSH | BPF_K, 0, 0, 0, 32),
        // if r0 != process goto the end
        Insn::new(BPF_JMP | BPF_JNE | BPF_K, 0, 0, 9, process as i32),
        call(HelperId::KTIME_GET_NS),
        store(10, 0, -8),
    ];
    insns.extend(load_map(1, ring));
    insns.extend([
        Insn::new(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
        Insn::new(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -8),
        mov(3, 8),
        mov(4, 0),
        call(HelperId::RINGBUF_OUTPUT),
        mov(0, 0),
        EXIT,
    ]);
    insns
}

#[test]
fn what_a_program_writes_arrives_through_the_ring_and_wraps() {
    let kernel = kernel_or_skip!();
    let ring = map(&kernel, MapType::RINGBUF, 0, 0, 4096);
    let prog = load(&kernel, ProgType::RAW_TRACEPOINT, &ring_writer(&ring, std::process::id()));
    let mut consumer = RingConsumer::map(&kernel, &ring, 4096).expect("mmap");
    let mut set = PollSet::new();
    set.add((*ring).clone(), 42);
    assert_eq!(kernel.poll(&mut set, Some(Duration::ZERO)), Ok(0));

    let req = RawTracepointOpen { name: Some("sys_enter"), prog: &prog, cookie: 0 };
    let link = match kernel.raw_tracepoint_open(req) {
        Ok(link) => link,
        Err(e) => {
            testkit::skip!("raw tracepoint: {e}");
        }
    };
    let mut last = 0;
    let mut bytes = 0;
    // Three times around the ring.
    while bytes < 3 * 4096 {
        assert_eq!(kernel.poll(&mut set, Some(Duration::from_secs(5))), Ok(1));
        assert_eq!(set.ready(), [42]);
        consumer.drain(usize::MAX, &mut |sample| {
            let time = u64::from_ne_bytes(sample.try_into().expect("8 bytes"));
            assert!(time != 0);
            last = last.max(time);
            bytes += sample.len() + 8;
            ControlFlow::Continue(())
        });
    }
    drop(link);
    consumer.drain(usize::MAX, &mut |_| ControlFlow::Continue(()));
    assert_eq!(consumer.avail(), 0, "nothing comes after the link is gone");
    assert!(!consumer.is_corrupt());
    assert!(consumer.consumer_pos() >= 3 * 4096);
}

#[test]
fn a_perf_event_counts_and_its_ring_takes_samples_of_programs() {
    let kernel = kernel_or_skip!();
    const SOFTWARE: u32 = 1;
    const BPF_OUTPUT: u64 = 10;
    const SAMPLE_RAW: u64 = 1 << 10;
    let spec = PerfEventSpec {
        kind: SOFTWARE,
        config: BPF_OUTPUT,
        sample_type: SAMPLE_RAW,
        sample_period: 1,
        wakeup_events: 1,
        ..Default::default()
    };
    let events = map(&kernel, MapType::PERF_EVENT_ARRAY, 4, 4, 1);
    let open = PerfRequest::Open { spec, pid: -1, cpu: 0, group: None };
    let event = kernel.perf_event(open).and_then(|r| r.handle()).expect("perf_event_open");
    assert!(event.number() > 2);
    let mut consumer = PerfRingConsumer::map(&kernel, &event, 1).expect("mmap");
    kernel.perf_event(PerfRequest::Enable(&event)).expect("enable");
    kernel.map_update_elem(&events, &[0; 4], &event.number().to_ne_bytes(), 0).expect("update");

    // perf_event_output(ctx, events, 0, stack, 16), run on CPU 0.
    let store = |off, imm| Insn::new(BPF_ST | BPF_MEM | BPF_DW, 10, 0, off, imm);
    let mut insns = vec![store(-16, 1), store(-8, 2)];
    insns.extend(load_map(2, &events));
    insns.extend([
        mov(3, 0),
        Insn::new(BPF_ALU64 | BPF_MOV | BPF_X, 4, 10, 0, 0),
        Insn::new(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, -16),
        mov(5, 16),
        call(HelperId::PERF_EVENT_OUTPUT),
        EXIT,
    ]);
    let prog = load(&kernel, ProgType::RAW_TRACEPOINT, &insns);
    const RUN_ON_CPU: u32 = 1;
    let args = [0_u64; 2];
    let run = || {
        let req = ProgTestRun { ctx_in: args.as_bytes(), flags: RUN_ON_CPU, ..ProgTestRun::new(&prog) };
        kernel.prog_test_run(req).expect("run").retval
    };
    let mut samples = 0;
    for _ in 0..500 {
        assert_eq!(run(), 0);
        let mut each = |record: PerfRecord<'_>| {
            let PerfRecord::Sample(data) = record else { panic!("{record:?}") };
            assert_eq!(data[..16], *[1_u64, 2].as_bytes());
            samples += 1;
            ControlFlow::Continue(())
        };
        consumer.drain(&mut each).expect("drain");
    }
    assert_eq!(samples, 500, "several times around the ring");
    while run() == 0 {}
    kernel.perf_event(PerfRequest::Disable(&event)).expect("disable");
}

#[test]
fn programs_on_an_event_are_told_by_their_ids() {
    let kernel = kernel_or_skip!();
    let what = Fact::TracepointId { category: "sched", name: "sched_switch" };
    let Ok(id) = kernel.fact(what) else {
        testkit::skip!("no tracefs");
    };
    let id: u64 = std::str::from_utf8(&id).expect("text").parse().expect("number");
    const TRACEPOINT: u32 = 2;
    let spec = PerfEventSpec { kind: TRACEPOINT, config: id, sample_period: 1, ..Default::default() };
    let open = PerfRequest::Open { spec, pid: -1, cpu: 0, group: None };
    let event = kernel.perf_event(open).and_then(|r| r.handle()).expect("perf_event_open");
    let prog = load(&kernel, ProgType::TRACEPOINT, &[mov(0, 0), EXIT]);
    kernel.perf_event(PerfRequest::SetBpf { event: &event, prog: &prog }).expect("set");
    kernel.perf_event(PerfRequest::Enable(&event)).expect("enable");
    let mut ids = [0; 4];
    let count = kernel.perf_event(PerfRequest::QueryBpf { event: &event, ids: &mut ids });
    let count = count.and_then(|r| r.value()).expect("query");
    let mut info = ProgInfo::new_zeroed();
    let req = GetInfo { object: &prog, info: info.as_mut_bytes(), buffers: InfoBuffers::None };
    kernel.get_info(req).expect("info");
    assert!(ids[..count as usize].contains(&info.id), "{} not in {ids:?}", info.id);
}

#[test]
fn iterators_are_read_to_their_end() {
    let kernel = kernel_or_skip!();
    let Ok(btf) = kernel.fact(Fact::VmlinuxBtf) else {
        testkit::skip!("the kernel has no BTF");
    };
    assert_eq!(btf[..2], 0xeb9f_u16.to_ne_bytes());
    // The id of bpf_iter_task's function is not worth a BTF reader here: any iterator will do that loads.
    let text = std::process::Command::new("bpftool")
        .args(["btf", "dump", "file", "/sys/kernel/btf/vmlinux"])
        .output();
    let Ok(text) = text else {
        testkit::skip!("no bpftool to find a type id");
    };
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    let line = text.lines().find(|l| l.contains("FUNC 'bpf_iter_bpf_map'"));
    let Some(id) = line.and_then(|l| l.strip_prefix('[')?.split(']').next()?.parse().ok()) else {
        testkit::skip!("no map iterator in the kernel");
    };
    let insns = [mov(0, 0), EXIT];
    let req = ProgLoad {
        prog_type: ProgType::TRACING,
        insns: &insns,
        license: "GPL",
        expected_attach_type: AttachType::TRACE_ITER,
        attach_btf_id: id,
        ..Default::default()
    };
    let prog = kernel.prog_load(req).0.expect("load");
    let link = kernel.link_create(LinkCreate {
        source: LinkSource::Prog(&prog),
        target: Target::None,
        attach_type: AttachType::TRACE_ITER,
        flags: 0,
        kind: LinkKind::Plain,
    });
    let link = link.expect("link");
    let iter = kernel.iter_create(&link).expect("iter");
    assert_eq!(kernel.read(&iter, &mut [0; 64]), Ok(0), "the program writes nothing");
    let mut name = [0xff; 16];
    let mut info = [0_u8; 64];
    let buffers =
        InfoBuffers::Link { name: &mut name, addrs: &mut [], cookies: &mut [], ref_ctr_offsets: &mut [] };
    kernel.get_info(GetInfo { object: &link, info: &mut info, buffers }).expect("info");
    assert_eq!(&name[..8], b"bpf_map\0");
}

#[test]
fn programs_of_a_cgroup_are_listed() {
    let kernel = kernel_or_skip!();
    let mounts = std::fs::read_to_string("/proc/self/mounts").expect("mounts");
    let mut fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let Some(mount) = fields.find(|fields| fields.get(2) == Some(&"cgroup2")) else {
        testkit::skip!("no cgroup2 file system");
    };
    let dir = Path::new(mount[1]).join(format!("oxbpf-live-{}", std::process::id()));
    if let Err(e) = std::fs::create_dir(&dir) {
        testkit::skip!("{}: {e}", dir.display());
    }
    let attached = kernel.open(Opening::Cgroup(&dir)).and_then(|cgroup| {
        let prog = load(&kernel, ProgType::CGROUP_SKB, &[mov(0, 1), EXIT]);
        let link = kernel.link_create(LinkCreate {
            source: LinkSource::Prog(&prog),
            target: Target::Object(&cgroup),
            attach_type: AttachType::CGROUP_INET_EGRESS,
            flags: 0,
            kind: LinkKind::Plain,
        })?;
        let mut ids = [0; 4];
        let req = kernel.prog_query(ProgQuery {
            target: Target::Object(&cgroup),
            attach_type: AttachType::CGROUP_INET_EGRESS,
            query_flags: 0,
            prog_ids: &mut ids,
            prog_attach_flags: &mut [],
            link_ids: &mut [],
            link_attach_flags: &mut [],
            attach_flags: 0,
            count: 0,
            revision: 0,
        })?;
        let count = req.count;
        kernel.link_detach(&link)?;
        Ok((count, ids[0]))
    });
    std::fs::remove_dir(&dir).expect("remove");
    match attached {
        Ok((count, id)) => assert!(count == 1 && id != 0),
        Err(e) => testkit::skip_this(e),
    }
}

/// A netlink attribute, padded to 4 bytes.
fn attr(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut out = ((value.len() + 4) as u16).to_ne_bytes().to_vec();
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(value);
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// A message about a link: header, `ifinfomsg`, attributes.
fn link_message(kind: u16, flags: u16, index: u32, attrs: &[u8]) -> Vec<u8> {
    let mut out = ((16 + 16 + attrs.len()) as u32).to_ne_bytes().to_vec();
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&index.to_ne_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(attrs);
    out
}

/// The value of the first attribute of a kind.
fn find_attr(mut attrs: &[u8], kind: u16) -> Option<&[u8]> {
    while attrs.len() >= 4 {
        let len = usize::from(u16::from_ne_bytes([attrs[0], attrs[1]]));
        if u16::from_ne_bytes([attrs[2], attrs[3]]) & 0x3fff == kind {
            return attrs.get(4..len);
        }
        attrs = attrs.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    None
}

#[test]
fn xdp_is_attached_by_netlink_to_an_interface_of_a_new_namespace() {
    let kernel = kernel_or_skip!();
    // The namespace is this thread's, which ends with the test.
    #[allow(deprecated, reason = "only unsharing the descriptor table needs care")]
    if let Err(e) = rustix::thread::unshare(rustix::thread::UnshareFlags::NEWNET) {
        testkit::skip!("unshare: {e}");
    }
    const ROUTE: u32 = 0;
    let (newlink, getlink, setlink) = (16, 18, 19);
    let (request, dump, create, excl) = (0x1, 0x300, 0x400, 0x200);
    let send = |bytes: &[u8], each: &mut dyn FnMut(&[u8])| {
        kernel.netlink(&NlMessage { protocol: ROUTE, bytes }, each)
    };

    let loopback = kernel.fact(Fact::InterfaceIndex("lo")).expect("index");
    assert_eq!(&*loopback, b"1");
    assert_eq!(kernel.fact(Fact::InterfaceIndex("none-such")).err(), Some(Errno::ENODEV));

    // Two veth ends, since a kernel may lack the dummy device.
    let peer = [vec![0; 16], attr(3, b"ox1\0")].concat();
    let info = [attr(1, b"veth"), attr(2, &attr(1, &peer))].concat();
    let attrs = [attr(3, b"ox0\0"), attr(18, &info)].concat();
    let message = link_message(newlink, request | create | excl, 0, &attrs);
    if let Err(e) = send(&message, &mut |_| ()) {
        testkit::skip!("veth: {e}");
    }
    assert_eq!(
        send(&message, &mut |_| ()).map_err(|e| e.errno),
        Err(Errno::EEXIST),
        "a refusal is the answer"
    );
    let index = kernel.fact(Fact::InterfaceIndex("ox0")).expect("index");
    let index: u32 = std::str::from_utf8(&index).expect("text").parse().expect("number");

    let mut links = 0;
    send(&link_message(getlink, request | dump, 0, &[]), &mut |_| links += 1).expect("dump");
    assert!(links >= 3, "lo and two ends, got {links}");

    const PASS: i32 = 2;
    let prog = load(&kernel, ProgType::XDP, &[mov(0, PASS), EXIT]);
    const SKB_MODE: u32 = 1 << 1;
    let xdp = |fd: i32| attr(43, &[attr(1, &fd.to_ne_bytes()), attr(3, &SKB_MODE.to_ne_bytes())].concat());
    send(&link_message(setlink, request, index, &xdp(prog.number())), &mut |_| ()).expect("attach");
    let attached = |kernel: &Kernel| {
        let mut payload = Vec::new();
        let bytes = link_message(getlink, request, index, &[]);
        kernel
            .netlink(&NlMessage { protocol: ROUTE, bytes: &bytes }, &mut |p| payload = p.to_vec())
            .expect("get");
        let xdp = find_attr(&payload[16..], 43).expect("XDP");
        find_attr(xdp, 2).expect("mode")[0]
    };
    assert_eq!(attached(&kernel), 2, "in generic mode");
    send(&link_message(setlink, request, index, &xdp(-1)), &mut |_| ()).expect("detach");
    assert_eq!(attached(&kernel), 0);
    let refused = send(&link_message(setlink, request, index, &xdp(9999)), &mut |_| ());
    assert_eq!(refused.map_err(|e| e.errno), Err(Errno::EBADF));

    // The same by a link.
    let link = kernel.link_create(LinkCreate {
        source: LinkSource::Prog(&prog),
        target: Target::Ifindex(index),
        attach_type: AttachType::XDP,
        flags: SKB_MODE,
        kind: LinkKind::Plain,
    });
    drop(link.expect("link"));
    assert_eq!(attached(&kernel), 0);
}

#[test]
fn facts_of_this_machine_have_their_documented_form() {
    let kernel = oxbpf_sys::kernel();
    let text = |what| kernel.fact(what).map(|b| String::from_utf8_lossy(&b).into_owned());
    let release = text(Fact::KernelRelease).expect("release");
    let version: u32 = text(Fact::KernelVersion).expect("version").parse().expect("decimal");
    assert!(
        release.starts_with(&format!("{}.{}", version >> 16, version >> 8 & 0xff)),
        "{release} {version:#x}"
    );
    assert!(text(Fact::PossibleCpus).expect("CPUs").starts_with('0'));
    assert!(text(Fact::OnlineCpus).expect("CPUs").starts_with(|c: char| c.is_ascii_digit()));
    assert!(text(Fact::ProcessMaps(std::process::id())).expect("maps").contains("[stack]"));
    let symbols = text(Fact::Kallsyms).expect("kallsyms");
    assert_eq!(symbols.lines().next().expect("a line").split(' ').count(), 3);
    assert_eq!(text(Fact::ModuleBtf("no_such_module")).err(), Some(Errno::ENOENT));
    if let Ok(config) = text(Fact::KernelConfig) {
        assert!(config.contains("\nCONFIG_"), "text");
    }
    if let Ok(depth) = text(Fact::MaxStackDepth) {
        assert!(depth.parse::<u32>().is_ok());
    }
    if let Ok(bit) = text(Fact::PmuRetprobeBit("uprobe")) {
        assert_eq!(bit, "0");
        assert!(text(Fact::PmuType("uprobe")).expect("type").parse::<u32>().is_ok());
    }
    if let Ok(format) = text(Fact::TracepointFormat { category: "sched", name: "sched_switch" }) {
        assert!(format.starts_with("name: sched_switch\n"));
    }
}

#[test]
fn files_are_read_where_they_are_looked_at() {
    let kernel = oxbpf_sys::kernel();
    let own = kernel.open(Opening::Binary(Path::new("/proc/self/exe"))).expect("own file");
    let mut start = [0; 4];
    assert_eq!(kernel.read_at(&own, 0, &mut start), Ok(4));
    assert_eq!(start, *b"\x7fELF");
    let len = kernel.file_len(&own).expect("a length");
    assert_eq!(kernel.read_at(&own, len - 1, &mut start), Ok(1));
    assert_eq!(kernel.read_at(&own, len, &mut start), Ok(0));
    assert_eq!(kernel.open(Opening::Binary(Path::new("/"))).err(), Some(Errno::EINVAL));
    assert_eq!(kernel.open(Opening::Binary(Path::new("/no/such/file"))).err(), Some(Errno::ENOENT));
}

#[test]
fn handles_of_processes_and_namespaces_are_descriptors() {
    let kernel = oxbpf_sys::kernel();
    let netns = kernel.open(Opening::Netns(Path::new("/proc/self/ns/net"))).expect("namespace");
    assert!(netns.fd().is_some());
    assert!(kernel.open(Opening::Process(std::process::id())).is_ok());
    assert_eq!(kernel.open(Opening::Process(0)).err(), Some(Errno::ESRCH));
    assert_eq!(kernel.open(Opening::Cgroup(Path::new("/proc/self/exe"))).err(), Some(Errno::ENOTDIR));
    let object = Handle::from_object(7, ());
    assert_eq!(kernel.read(&object, &mut [0; 4]), Err(Errno::EBADF), "of another back end");
}
