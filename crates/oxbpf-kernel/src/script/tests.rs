use super::*;
use crate::{BtfLoad, Kernel, LogBuf, MapCreate, ObjectKind, PerfEventSpec, ProgLoad, RecordScope, Recorder};
use oxbpf_uapi::insn::{BPF_CALL, BPF_JMP, BPF_JMP32, BPF_PSEUDO_MAP_FD, LD_IMM64};
use oxbpf_uapi::{AttachType, BtfKind, HelperId, Insn, ProgType};

const HASH: MapCreate<'_> = MapCreate {
    map_type: MapType::HASH,
    key_size: 4,
    value_size: 8,
    max_entries: 2,
    map_flags: 0,
    inner_map: None,
    numa_node: 0,
    map_name: "counts",
    map_ifindex: 0,
    btf: None,
    btf_key_type_id: 0,
    btf_value_type_id: 0,
    btf_vmlinux_value_type_id: 0,
    map_extra: 0,
    value_type_btf_obj: None,
    token: None,
    excl_prog_hash: &[],
};

#[test]
fn maps_keep_their_elements() {
    let kernel = Kernel::new(Scripted::new());
    let map = kernel.map_create(HASH).expect("map");
    let mut value = [9; 8];
    assert_eq!(kernel.map_lookup_elem(&map, &[1; 4], &mut value, 0), Err(Errno::ENOENT));
    kernel.map_update_elem(&map, &[1; 4], &[1; 8], 1).expect("update");
    kernel.map_update_elem(&map, &[2; 4], &[2; 8], 0).expect("update");
    assert_eq!(kernel.map_update_elem(&map, &[1; 4], &[1; 8], 1), Err(Errno::EEXIST));
    assert_eq!(kernel.map_update_elem(&map, &[3; 4], &[1; 8], 0), Err(Errno::E2BIG));
    let mut keys = Vec::new();
    let mut key = None;
    loop {
        let mut next = [0; 4];
        match kernel.map_get_next_key(&map, key.as_ref().map(|k: &[u8; 4]| &k[..]), &mut next) {
            Ok(()) => key = Some(next),
            Err(e) => break assert_eq!(e, Errno::ENOENT),
        }
        keys.push(next);
    }
    assert_eq!(keys, [[1; 4], [2; 4]]);
    kernel.map_lookup_and_delete_elem(&map, &[1; 4], &mut value, 0).expect("take");
    assert_eq!(value, [1; 8]);
    assert_eq!(kernel.map_delete_elem(&map, &[1; 4], 0), Err(Errno::ENOENT));
    let array = MapCreate { map_type: MapType::ARRAY, ..HASH };
    let array = kernel.map_create(array).expect("map");
    kernel.map_lookup_elem(&array, &[1, 0, 0, 0], &mut value, 0).expect("zeroes");
    assert_eq!(value, [0; 8]);
    assert_eq!(kernel.map_lookup_elem(&array, &[2, 0, 0, 0], &mut value, 0), Err(Errno::ENOENT));
}

#[test]
fn rules_answer_before_defaults() {
    let kernel = Kernel::new(
        Scripted::new()
            .fail_nth(Cmd::PROG_LOAD, 3, Errno::EINVAL)
            .fail(Cmd::MAP_FREEZE, Errno::EPERM)
            .on_fact(|fact| (fact == Fact::KernelRelease).then(|| Ok(b"1.2.3".to_vec().into()))),
    );
    let results: Vec<_> = (0..4).map(|_| kernel.prog_load(ProgLoad::default()).0.err()).collect();
    assert_eq!(results, [None, None, Some(Errno::EINVAL), None]);
    let map = kernel.map_create(HASH).expect("map");
    assert_eq!(kernel.map_freeze(&map), Err(Errno::EPERM));
    assert_eq!(&*kernel.fact(Fact::KernelRelease).expect("known"), b"1.2.3");
    assert_eq!(kernel.fact(Fact::Kallsyms).err(), Some(Errno::ENOENT));
    assert_eq!(kernel.get_next_id(ObjectKind::Map, 0), Ok(None));
}

/// BTF with types of these kinds, 12 bytes each, without members.
fn btf(infos: &[u32]) -> Vec<u8> {
    let mut out = 0xeb9f_u16.to_ne_bytes().to_vec();
    out.extend([1, 0]);
    let len = infos.len() as u32 * 12;
    for word in [24, 0, len, len, 1] {
        out.extend(u32::to_ne_bytes(word));
    }
    for info in infos {
        out.extend([[0; 4], info.to_ne_bytes(), [0; 4]].concat());
    }
    out.push(0);
    out
}

#[test]
fn an_old_release_refuses_what_came_later() {
    let old = |major, minor| Kernel::new(Scripted::new().release(major, minor));
    let map = |kernel: &Kernel, map_type| kernel.map_create(MapCreate { map_type, ..HASH }).err();
    assert_eq!(map(&old(5, 8), MapType::RINGBUF), None);
    assert_eq!(map(&old(5, 7), MapType::RINGBUF), Some(Errno::EINVAL));
    assert_eq!(map(&old(4, 14), MapType::HASH), Some(Errno::E2BIG), "names came in 4.15");

    let load = |kernel: &Kernel, insns: &[Insn]| {
        let req = ProgLoad { prog_type: ProgType::KPROBE, insns, ..Default::default() };
        kernel.prog_load(req).0.err()
    };
    let call = [Insn::new(BPF_JMP | BPF_CALL, 0, 0, 0, HelperId::RINGBUF_OUTPUT.0 as i32)];
    assert_eq!(load(&old(5, 8), &call), None);
    assert_eq!(load(&old(5, 7), &call), Some(Errno::EINVAL));
    let jmp32 = [Insn::new(BPF_JMP32, 0, 0, 0, 0)];
    assert_eq!(load(&old(5, 0), &jmp32), Some(Errno::EINVAL));
    // The second half of a load is no instruction.
    let constant = [Insn::new(LD_IMM64, 0, 0, 0, 0), Insn::new(BPF_JMP32, 0, 0, 0, 0)];
    assert_eq!(load(&old(5, 0), &constant), None);

    let func_proto = BtfKind::FUNC_PROTO.0 << 24;
    let load_btf = |kernel: &Kernel, infos: &[u32]| {
        let mut log = [0; 64];
        let log = Some(LogBuf { level: 1, buf: &mut log, true_size: 0 });
        let btf = btf(infos);
        let (result, req) = kernel.btf_load(BtfLoad { btf: &btf, log, ..Default::default() });
        (result.err(), req.log.expect("given").text())
    };
    assert_eq!(load_btf(&old(5, 0), &[func_proto, BtfKind::FUNC.0 << 24]).0, None);
    let (error, log) = load_btf(&old(4, 20), &[BtfKind::PTR.0 << 24, BtfKind::FUNC.0 << 24]);
    assert_eq!((error, log.starts_with("[2] 12 ")), (Some(Errno::EINVAL), true), "{log}");
    assert_eq!(load_btf(&old(5, 5), &[BtfKind::FUNC.0 << 24 | 1]).0, Some(Errno::EINVAL), "global linkage");
    assert_eq!(load_btf(&old(5, 6), &[BtfKind::FUNC.0 << 24 | 1]).0, None);
    let no_links = old(5, 6).bpf(&mut Command::GetNextId { kind: ObjectKind::Link, start: 0 });
    assert_eq!(no_links.err(), Some(Errno::EINVAL));
}

/// A little of everything that a loader does.
fn session(kernel: &Kernel) -> Result<(), Errno> {
    let map = kernel.map_create(HASH)?;
    kernel.map_update_elem(&map, &[7, 0, 0, 0], &[1; 8], 0)?;
    let mut value = [0; 8];
    kernel.map_lookup_elem(&map, &[7, 0, 0, 0], &mut value, 0)?;
    assert_eq!(value, [1; 8]);
    let insns = [Insn::new(LD_IMM64, 1, BPF_PSEUDO_MAP_FD, 0, map.number()), Insn::default()];
    let mut buf = [0; 64];
    let log = Some(LogBuf { level: 1, buf: &mut buf, true_size: 0 });
    let attach = AttachType::TRACE_FENTRY;
    let req = ProgLoad {
        prog_type: ProgType::TRACING,
        insns: &insns,
        license: "GPL \"quoted\"",
        prog_name: "p",
        expected_attach_type: attach,
        log,
        ..Default::default()
    };
    let prog = kernel.prog_load(req).0?;
    let progs = MapCreate { map_type: MapType::PROG_ARRAY, value_size: 4, map_name: "jumps", ..HASH };
    let progs = kernel.map_create(progs)?;
    kernel.map_update_elem(&progs, &[0; 4], &prog.number().to_ne_bytes(), 0)?;
    kernel.obj_pin(Path::new("/sys/fs/bpf/a b"), &map)?;
    let spec = PerfEventSpec { kind: 2, config: 5, disabled: true, ..Default::default() };
    let event = kernel.perf_event(PerfRequest::Open { spec, pid: -1, cpu: 0, group: None })?.handle()?;
    kernel.perf_event(PerfRequest::SetBpf { event: &event, prog: &prog })?;
    Ok(())
}

const SESSION: &str = r##"MAP_CREATE map_type=BPF_MAP_TYPE_HASH key_size=4 value_size=8 max_entries=2 map_name="counts" -> map#1
MAP_UPDATE_ELEM map_fd=map#1 key=[07000000] value=[0101010101010101] -> 0
MAP_LOOKUP_ELEM map_fd=map#1 key=[07000000] -> 0 value=[0101010101010101]
PROG_LOAD prog_type=BPF_PROG_TYPE_TRACING insns=2#HASH maps=map#1 license="GPL \"quoted\"" log_level=1 log_size=64 prog_name="p" expected_attach_type=BPF_TRACE_FENTRY -> prog#1
MAP_CREATE map_type=BPF_MAP_TYPE_PROG_ARRAY key_size=4 value_size=4 max_entries=2 map_name="jumps" -> map#2
MAP_UPDATE_ELEM map_fd=map#2 key=[00000000] value=prog#1 -> 0
OBJ_PIN pathname="/sys/fs/bpf/a b" bpf_fd=map#1 -> 0
perf_event_open type=2 config=5 disabled=1 pid=-1 cpu=0 -> event#1
PERF_EVENT_IOC_SET_BPF fd=event#1 prog_fd=prog#1 -> 0
"##;

fn recorded() -> Transcript {
    let recorder = Recorder::new(Scripted::new()).scope(RecordScope::All);
    let log = recorder.log();
    session(&Kernel::new(recorder)).expect("session");
    log.transcript()
}

#[test]
fn a_session_is_written_down_in_the_documented_form() {
    let insns = [Insn::new(LD_IMM64, 1, BPF_PSEUDO_MAP_FD, 0, 0), Insn::default()];
    let hash = crate::transcript::hash_insns(&insns).0;
    assert_eq!(recorded().to_string(), SESSION.replace("2#HASH", &hash));
    let recorder = Recorder::new(Scripted::new());
    let log = recorder.log();
    session(&Kernel::new(recorder)).expect("session");
    assert!(!log.transcript().to_string().contains("perf_event_open"), "only bpf(2) unless asked");
}

#[test]
fn a_recorded_session_replays() {
    let transcript = recorded();
    let text: Transcript = transcript.to_string().parse().expect("a transcript");
    assert_eq!(text, transcript);
    let (scripted, replay) = Scripted::replay(text);
    session(&Kernel::new(scripted)).expect("the same answers");
    assert_eq!(replay.finish(), Ok(()));
}

#[test]
fn a_replay_says_what_was_different() {
    let mut transcript = recorded();
    let (scripted, replay) = Scripted::replay(transcript.clone());
    let kernel = Kernel::new(scripted);
    kernel.map_create(HASH).expect("as recorded");
    assert!(
        replay.finish().expect_err("more to come").starts_with("line 2 was not asked for: MAP_UPDATE_ELEM")
    );
    let other = kernel.map_create(HASH).expect_err("not as recorded");
    assert_eq!(other, Errno::EPROTO);
    let difference = replay.finish().expect_err("different");
    assert!(difference.starts_with("line 2: expected MAP_UPDATE_ELEM"), "{difference}");

    transcript.lines[3].reply = "EACCES".into();
    transcript.lines.truncate(4);
    let (scripted, replay) = Scripted::replay(transcript);
    assert_eq!(session(&Kernel::new(scripted)), Err(Errno::EACCES));
    assert_eq!(replay.finish(), Ok(()));
}

#[test]
fn logs_come_back_from_a_full_recording() {
    let inner = Scripted::new().on(|cmd| {
        let Command::ProgLoad(r) = cmd else { return None };
        let log = r.log.as_mut()?;
        log.buf[..6].copy_from_slice(b"R0 !ok");
        log.true_size = 7;
        Some(Err(Errno::EACCES))
    });
    let load = |kernel: &Kernel| {
        let mut buf = [0; 64];
        let log = Some(LogBuf { level: 1, buf: &mut buf, true_size: 0 });
        let (result, req) = kernel.prog_load(ProgLoad { log, ..Default::default() });
        let log = req.log.expect("given");
        (result.err(), log.text(), log.true_size)
    };
    let recorder = Recorder::new(inner).full_outputs();
    let log = recorder.log();
    let expect = (Some(Errno::EACCES), "R0 !ok".to_owned(), 7);
    assert_eq!(load(&Kernel::new(recorder)), expect);
    let (scripted, _) = Scripted::replay(log.transcript());
    // An error ends a replayed request before its outputs matter, unless they are a log.
    assert_eq!(load(&Kernel::new(scripted)), expect);
}

#[test]
fn memory_of_a_map_is_one_for_all_who_map_it() {
    let kernel = Kernel::new(Scripted::new());
    let map = kernel.map_create(HASH).expect("map");
    let page = rustix::param::page_size() as u64;
    let one = kernel.mmap(&map, 0..page, Prot::ReadWrite).expect("mmap");
    let two = kernel.mmap(&map, 0..page, Prot::ReadWrite).expect("mmap");
    one.write(3, b"shared").expect("in range");
    let mut seen = [0; 6];
    two.read(3, &mut seen).expect("in range");
    assert_eq!(&seen, b"shared");
}
