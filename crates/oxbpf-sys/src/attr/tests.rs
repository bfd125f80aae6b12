//! What each command looks like to the kernel: every field that is not zero, by its kernel name, with addresses resolved to
//! what they point at.

use std::cell::RefCell;
use std::fmt::Write;
use std::os::fd::{AsFd, IntoRawFd};

use oxbpf_kernel::{BtfFd, LinkFd, MapFd, ObjectKind, ProgFd, TokenFd};
use oxbpf_uapi::{AttachType, Field, Insn, ProgType};

use super::*;

type Answer = dyn FnMut(&mut [u8]) -> Result<u64, Errno>;

/// Keeps what it is given, and answers with a new descriptor or what `answer` says.
struct Capture {
    calls: RefCell<Vec<(Cmd, Vec<u8>)>>,
    answer: RefCell<Box<Answer>>,
    shape: MapShape,
}

impl Capture {
    fn new(answer: impl FnMut(&mut [u8]) -> Result<u64, Errno> + 'static) -> Self {
        let shape = MapShape::new(MapType::HASH, 4, 8, 1);
        Self { calls: RefCell::default(), answer: RefCell::new(Box::new(answer)), shape }
    }
}

impl Transport for Capture {
    unsafe fn call(&self, cmd: Cmd, attr: &mut [u8]) -> Result<u64, Errno> {
        self.calls.borrow_mut().push((cmd, attr.to_vec()));
        (self.answer.borrow_mut())(attr)
    }

    fn shape(&self, _: &Handle) -> Result<MapShape, Errno> {
        Ok(self.shape)
    }
}

/// A descriptor that is open, and its number, which differs from test run to test run.
fn handle() -> Handle {
    let file = std::fs::File::open("/dev/null").expect("open");
    Handle::from_fd(rustix::io::fcntl_dupfd_cloexec(&file, 100).expect("dup"))
}

fn new_fd(_: &mut [u8]) -> Result<u64, Errno> {
    let file = std::fs::File::open("/dev/null").expect("open");
    Ok(file.into_raw_fd() as u64)
}

/// Fields that are not zero as `name=value`, in memory order. A known descriptor is `fd:name`, a known buffer `&name`.
fn fields(fields: &[Field], base: usize, bytes: &[u8], known: &[(u64, &str)]) -> String {
    let mut out = String::new();
    for field in fields {
        let Some(value) = bytes.get(base + field.offset..base + field.end()) else { continue };
        if value.iter().all(|b| *b == 0) {
            continue;
        }
        let number = match *value {
            [a, b, c, d] => u64::from(u32::from_ne_bytes([a, b, c, d])),
            _ => value.try_into().map_or(0, u64::from_ne_bytes),
        };
        let separator = if out.is_empty() { "" } else { " " };
        match known.iter().find(|(k, _)| *k == number) {
            Some((_, name)) => write!(out, "{separator}{}={name}", field.name),
            None if value.len() > 8 => {
                write!(
                    out,
                    "{separator}{}={:?}",
                    field.name,
                    String::from_utf8_lossy(value).trim_end_matches('\0')
                )
            }
            None => write!(out, "{separator}{}={number}", field.name),
        }
        .expect("text");
    }
    out
}

/// Runs a command and checks its number, its length and its fields.
fn check<A: Abi>(cmd: &mut Command<'_>, known: &[(u64, &str)], number: Cmd, expect: &str) {
    let capture = Capture::new(new_fd);
    run(&capture, cmd).expect("run");
    let calls = capture.calls.into_inner();
    let (cmd, bytes) = calls.last().expect("a call");
    assert_eq!(*cmd, number);
    assert_eq!(bytes.len(), A::USED);
    assert_eq!(fields(A::FIELDS, 0, bytes, known), expect);
}

fn at<T>(data: &[T]) -> u64 {
    data.as_ptr() as u64
}

fn of(handle: &Handle) -> u64 {
    handle.number() as u64
}

#[test]
fn map_create() {
    let (inner, btf, token) = (MapFd(handle()), BtfFd(handle()), TokenFd(handle()));
    let hash = [7; 32];
    let req = MapCreate {
        map_type: MapType::HASH,
        key_size: 4,
        value_size: 8,
        max_entries: 16,
        map_flags: 1,
        inner_map: Some(&inner),
        numa_node: 2,
        map_name: "näme with.much_more",
        map_ifindex: 3,
        btf: Some(&btf),
        btf_key_type_id: 4,
        btf_value_type_id: 5,
        btf_vmlinux_value_type_id: 6,
        map_extra: 9,
        value_type_btf_obj: Some(&btf),
        token: Some(&token),
        excl_prog_hash: &hash,
    };
    let known =
        [(of(&inner), "fd:inner"), (of(&btf), "fd:btf"), (of(&token), "fd:token"), (at(&hash), "&hash")];
    let expect = "map_type=1 key_size=4 value_size=8 max_entries=16 map_flags=98305 inner_map_fd=fd:inner numa_node=2 \
                  map_name=\"n__me_with.much\" map_ifindex=3 btf_fd=fd:btf btf_key_type_id=4 btf_value_type_id=5 \
                  btf_vmlinux_value_type_id=6 map_extra=9 value_type_btf_obj_fd=fd:btf map_token_fd=fd:token \
                  excl_prog_hash=&hash excl_prog_hash_size=32";
    check::<MapCreateAttr>(&mut Command::MapCreate(req), &known, Cmd::MAP_CREATE, expect);
    let plain = MapCreate {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
        ..Default::default()
    };
    let expect = "map_type=2 key_size=4 value_size=4 max_entries=1";
    check::<MapCreateAttr>(&mut Command::MapCreate(plain), &[], Cmd::MAP_CREATE, expect);
}

#[test]
fn map_elements() {
    let map = MapFd(handle());
    let (key, mut value, mut next) = ([1; 4], [2; 8], [0; 4]);
    let known = [(of(&map), "fd:map"), (at(&key), "&key"), (at(&value), "&value"), (at(&next), "&next")];
    let check =
        |cmd: &mut Command<'_>, number, expect: &str| check::<MapElemAttr>(cmd, &known, number, expect);
    let mut cmd = Command::MapUpdateElem(MapUpdateElem { map: &map, key: &key, value: &value, flags: 4 });
    check(&mut cmd, Cmd::MAP_UPDATE_ELEM, "map_fd=fd:map key=&key value=&value flags=4");
    let mut cmd = Command::MapLookupElem(MapLookupElem { map: &map, key: &key, value: &mut value, flags: 4 });
    check(&mut cmd, Cmd::MAP_LOOKUP_ELEM, "map_fd=fd:map key=&key value=&value flags=4");
    let req = MapLookupElem { map: &map, key: &key, value: &mut value, flags: 0 };
    let mut cmd = Command::MapLookupAndDeleteElem(req);
    check(&mut cmd, Cmd::MAP_LOOKUP_AND_DELETE_ELEM, "map_fd=fd:map key=&key value=&value");
    let mut cmd = Command::MapDeleteElem(MapDeleteElem { map: &map, key: &key, flags: 4 });
    check(&mut cmd, Cmd::MAP_DELETE_ELEM, "map_fd=fd:map key=&key flags=4");
    let mut cmd = Command::MapGetNextKey(MapGetNextKey { map: &map, key: Some(&key), next_key: &mut next });
    check(&mut cmd, Cmd::MAP_GET_NEXT_KEY, "map_fd=fd:map key=&key value=&next");
    let mut cmd = Command::MapGetNextKey(MapGetNextKey { map: &map, key: None, next_key: &mut next });
    check(&mut cmd, Cmd::MAP_GET_NEXT_KEY, "map_fd=fd:map value=&next");
    check(&mut Command::MapFreeze { map: &map }, Cmd::MAP_FREEZE, "map_fd=fd:map");
}

#[test]
fn map_batches() {
    let map = MapFd(handle());
    let (position, mut out) = ([0; 4], [0; 4]);
    let (mut keys, mut values) = ([0; 8], [0; 16]);
    let known = [
        (of(&map), "fd:map"),
        (at(&position), "&in"),
        (at(&out), "&out"),
        (at(&keys), "&keys"),
        (at(&values), "&values"),
    ];
    let check = |cmd: &mut Command<'_>, number, expect: &str| check::<BatchAttr>(cmd, &known, number, expect);
    let all = "keys=&keys values=&values count=2 map_fd=fd:map elem_flags=4 flags=8";
    let (count, elem_flags, flags) = (2, 4, 8);
    let req = MapUpdateBatch { map: &map, keys: &keys, values: &values, count, elem_flags, flags };
    check(&mut Command::MapUpdateBatch(req), Cmd::MAP_UPDATE_BATCH, all);
    let req = MapDeleteBatch { map: &map, keys: &keys, count, elem_flags, flags };
    let expect = "keys=&keys count=2 map_fd=fd:map elem_flags=4 flags=8";
    check(&mut Command::MapDeleteBatch(req), Cmd::MAP_DELETE_BATCH, expect);
    for number in [Cmd::MAP_LOOKUP_BATCH, Cmd::MAP_LOOKUP_AND_DELETE_BATCH] {
        let req = MapLookupBatch {
            map: &map,
            in_batch: Some(&position),
            out_batch: &mut out,
            keys: &mut keys,
            values: &mut values,
            count,
            elem_flags,
            flags,
        };
        let is_plain = number == Cmd::MAP_LOOKUP_BATCH;
        let mut cmd =
            if is_plain { Command::MapLookupBatch(req) } else { Command::MapLookupAndDeleteBatch(req) };
        check(&mut cmd, number, &format!("in_batch=&in out_batch=&out {all}"));
    }
}

#[test]
fn lengths_that_do_not_fit_the_map_make_no_call() {
    let map = MapFd(handle());
    let capture = Capture::new(new_fd);
    let (mut four, mut eight) = ([0; 4], [0; 8]);
    let (keys, mut out) = ([0; 8], [0; 3]);
    let refused = |cmd: &mut Command<'_>| {
        assert_eq!(run(&capture, cmd).err(), Some(Errno::EINVAL), "{cmd:?}");
        assert!(capture.calls.borrow().is_empty());
    };
    refused(&mut Command::MapLookupElem(MapLookupElem {
        map: &map,
        key: &[0; 4],
        value: &mut four,
        flags: 0,
    }));
    refused(&mut Command::MapLookupElem(MapLookupElem {
        map: &map,
        key: &[0; 3],
        value: &mut eight,
        flags: 0,
    }));
    refused(&mut Command::MapUpdateElem(MapUpdateElem { map: &map, key: &[0; 4], value: &[0; 7], flags: 0 }));
    refused(&mut Command::MapDeleteElem(MapDeleteElem { map: &map, key: &[], flags: 0 }));
    refused(&mut Command::MapGetNextKey(MapGetNextKey { map: &map, key: None, next_key: &mut out }));
    let (elem_flags, flags) = (0, 0);
    let req = MapDeleteBatch { map: &map, keys: &keys, count: 3, elem_flags, flags };
    refused(&mut Command::MapDeleteBatch(req));
    let req = MapUpdateBatch { map: &map, keys: &keys, values: &keys, count: 2, elem_flags, flags };
    refused(&mut Command::MapUpdateBatch(req));
    let req = MapLookupBatch {
        map: &map,
        in_batch: None,
        out_batch: &mut out,
        keys: &mut eight,
        values: &mut [0; 8],
        count: 1,
        elem_flags,
        flags,
    };
    refused(&mut Command::MapLookupBatch(req));
}

#[test]
fn values_of_per_cpu_maps_are_rounded_and_many() {
    let shape = MapShape::new(MapType::PERCPU_HASH, 4, 12, 3);
    assert_eq!(shape.check_value(&[0; 48], 0), Ok(()));
    assert_eq!(shape.check_value(&[0; 47], 0), Err(Errno::EINVAL));
    assert_eq!(shape.check_value(&[0; 12], 8), Ok(()), "BPF_F_CPU");
    assert_eq!(shape.check_values(&[0; 96], 2, 0), Ok(()));
    assert_eq!(shape.check_values(&[0; 96], u32::MAX, 0), Err(Errno::EINVAL));
}

#[test]
fn prog_load() {
    let (btf, target, token) = (BtfFd(handle()), ProgFd(handle()), TokenFd(handle()));
    let insns = [Insn::default(); 3];
    let (func_info, line_info, signature, core_relos) = ([0; 16], [0; 48], [0; 5], [0; 32]);
    let mut log = [0; 64];
    let log_at = at(&log);
    let fds = [handle(), handle()];
    let mut req = ProgLoad {
        prog_type: ProgType::KPROBE,
        insns: &insns,
        license: "GPL",
        log: Some(LogBuf { level: 5, buf: &mut log, true_size: 0 }),
        kern_version: 1,
        prog_flags: 2,
        prog_name: "name",
        prog_ifindex: 3,
        expected_attach_type: AttachType::TRACE_FENTRY,
        prog_btf: Some(&btf),
        func_info: &func_info,
        func_info_rec_size: 8,
        line_info: &line_info,
        line_info_rec_size: 16,
        attach_btf_id: 4,
        attach_target: Some(AttachTarget::Prog(&target)),
        fd_array: &fds,
        fd_array_is_bound: true,
        token: Some(&token),
        signature: &signature,
        keyring_id: -1,
        core_relos: &core_relos,
        late: oxbpf_kernel::Late::default(),
    };
    let known = [
        (of(&btf), "fd:btf"),
        (of(&target), "fd:target"),
        (of(&token), "fd:token"),
        (at(&insns), "&insns"),
        (log_at, "&log"),
        (at(&func_info), "&func_info"),
        (at(&line_info), "&line_info"),
        (at(&signature), "&signature"),
        (at(&core_relos), "&core_relos"),
    ];
    let capture = Capture::new(|attr| {
        // The licence is where the request says, and the descriptors too.
        let word = |at: usize| u64::from_ne_bytes(attr[at..at + 8].try_into().expect("8 bytes"));
        assert!(word(16) != 0 && word(120) != 0);
        // log_true_size
        attr[140..144].copy_from_slice(&77_u32.to_ne_bytes());
        new_fd(attr)
    });
    let reply = super::prog_load(&capture, &mut req).expect("load");
    assert!(reply.handle().expect("a handle").number() > 2);
    assert_eq!(req.log.as_ref().expect("given").true_size, 77);
    let calls = capture.calls.into_inner();
    let [(Cmd::PROG_LOAD, bytes)] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!(bytes.len(), ProgLoadAttr::USED);
    let text = fields(ProgLoadAttr::FIELDS, 0, bytes, &known);
    let stable: Vec<&str> =
        text.split(' ').filter(|f| !f.starts_with("license=") && !f.starts_with("fd_array=")).collect();
    let expect = "prog_type=2 insn_cnt=3 insns=&insns log_level=5 log_size=64 log_buf=&log kern_version=1 \
                  prog_flags=65538 prog_name=\"name\" prog_ifindex=3 expected_attach_type=24 prog_btf_fd=fd:btf \
                  func_info_rec_size=8 func_info=&func_info func_info_cnt=2 line_info_rec_size=16 \
                  line_info=&line_info line_info_cnt=3 attach_btf_id=4 attach_prog_fd=fd:target \
                  core_relo_cnt=2 core_relos=&core_relos core_relo_rec_size=16 prog_token_fd=fd:token fd_array_cnt=2 signature=&signature signature_size=5 keyring_id=4294967295";
    assert_eq!(stable.join(" "), expect);
}

#[test]
fn a_load_that_a_signal_interrupted_is_tried_five_times() {
    for (failures, expect) in [(4, Ok(5)), (5, Err(Errno::EAGAIN))] {
        let mut left = failures;
        let capture = Capture::new(move |attr| {
            left -= 1;
            if left >= 0 { Err(Errno::EAGAIN) } else { new_fd(attr) }
        });
        let result = run(&capture, &mut Command::ProgLoad(ProgLoad::default()));
        let calls = capture.calls.borrow().len();
        assert_eq!(result.map(|_| calls), expect);
        assert_eq!(calls, 5);
    }
}

#[test]
fn a_log_of_level_0_is_no_log() {
    let mut log = [0; 64];
    let req = BtfLoad { log: Some(LogBuf { level: 0, buf: &mut log, true_size: 0 }), ..Default::default() };
    check::<BtfLoadAttr>(&mut Command::BtfLoad(req), &[], Cmd::BTF_LOAD, "");
}

#[test]
fn btf_load() {
    let token = TokenFd(handle());
    let (data, mut log) = ([0; 24], [0; 64]);
    let known = [(of(&token), "fd:token"), (at(&data), "&data"), (at(&log), "&log")];
    let log = Some(LogBuf { level: 1, buf: &mut log, true_size: 0 });
    let req = BtfLoad { btf: &data, log, btf_flags: 0, token: Some(&token) };
    let expect = "btf=&data btf_log_buf=&log btf_size=24 btf_log_size=64 btf_log_level=1 btf_flags=65536 \
                  btf_token_fd=fd:token";
    check::<BtfLoadAttr>(&mut Command::BtfLoad(req), &known, Cmd::BTF_LOAD, expect);
}

#[test]
fn objects_and_ids() {
    let (object, dir, token) = (handle(), handle(), TokenFd(handle()));
    let known = [(of(&object), "fd:object"), (of(&dir), "fd:dir"), (of(&token), "fd:token")];
    let path = Path::new("/sys/fs/bpf/x");
    let capture = Capture::new(new_fd);
    let pin = ObjPin { path, object: &object, file_flags: 8, dir: Some(&dir) };
    run(&capture, &mut Command::ObjPin(pin)).expect("pin");
    run(&capture, &mut Command::ObjGet(ObjGet { path, file_flags: 8, dir: None })).expect("get");
    let calls = capture.calls.into_inner();
    let text = |i: usize| fields(ObjAttr::FIELDS, 0, &calls[i].1, &known);
    assert!(text(0).ends_with(" bpf_fd=fd:object file_flags=16392 path_fd=fd:dir"), "{}", text(0));
    assert!(text(1).ends_with(" file_flags=8"), "{}", text(1));

    let req = GetFdById { kind: ObjectKind::Map, id: 5, open_flags: 8, token: Some(&token) };
    let expect = "id=5 open_flags=65544 fd_by_id_token_fd=fd:token";
    check::<GetIdAttr>(&mut Command::GetFdById(req), &known, Cmd::MAP_GET_FD_BY_ID, expect);
    let mut cmd = Command::GetNextId { kind: ObjectKind::Link, start: 6 };
    check::<GetIdAttr>(&mut cmd, &known, Cmd::LINK_GET_NEXT_ID, "id=6");
    let capture = Capture::new(|attr| {
        attr[4] = 9;
        Ok(0)
    });
    let reply = run(&capture, &mut cmd).expect("run");
    assert_eq!(reply.value(), Ok(u64::from(u32::from_ne_bytes([9, 0, 0, 0]))));
}

#[test]
fn attach_detach_and_query() {
    let (cgroup, prog, other) = (handle(), ProgFd(handle()), ProgFd(handle()));
    let known = [(of(&cgroup), "fd:cgroup"), (of(&prog), "fd:prog"), (of(&other), "fd:other")];
    let req = ProgAttach {
        target: Target::Object(&cgroup),
        prog: &prog,
        attach_type: AttachType::CGROUP_INET_EGRESS,
        flags: 2,
        replace: Some(&other),
        relative: Anchor::Id(12),
        expected_revision: 3,
    };
    let expect = "target_fd=fd:cgroup attach_bpf_fd=fd:prog attach_type=1 attach_flags=38 replace_bpf_fd=fd:other \
                  relative_fd=12 expected_revision=3";
    check::<ProgAttachAttr>(&mut Command::ProgAttach(req), &known, Cmd::PROG_ATTACH, expect);
    let req = ProgDetach {
        target: Target::Ifindex(7),
        prog: None,
        attach_type: AttachType::TCX_INGRESS,
        flags: 0,
        relative: Anchor::Object(&other),
        expected_revision: 0,
    };
    let expect = "target_fd=7 attach_type=46 relative_fd=fd:other";
    check::<ProgAttachAttr>(&mut Command::ProgDetach(req), &known, Cmd::PROG_DETACH, expect);

    let (mut ids, mut flags) = ([0; 2], [0; 2]);
    let known = [(of(&cgroup), "fd:cgroup"), (at(&ids), "&ids"), (at(&flags), "&flags")];
    let mut cmd = Command::ProgQuery(ProgQuery {
        target: Target::Object(&cgroup),
        attach_type: AttachType::CGROUP_INET_EGRESS,
        query_flags: 1,
        prog_ids: &mut ids,
        prog_attach_flags: &mut flags,
        link_ids: &mut [],
        link_attach_flags: &mut [],
        attach_flags: 0,
        count: 0,
        revision: 0,
    });
    let expect =
        "target_fd=fd:cgroup attach_type=1 query_flags=1 prog_ids=&ids count=2 prog_attach_flags=&flags";
    check::<QueryAttr>(&mut cmd, &known, Cmd::PROG_QUERY, expect);
    let Command::ProgQuery(req) = cmd else { panic!() };
    let short = ProgQuery { prog_attach_flags: &mut [0], ..req };
    assert_eq!(run(&Capture::new(new_fd), &mut Command::ProgQuery(short)).err(), Some(Errno::EINVAL));
}

#[test]
fn prog_test_run() {
    let prog = ProgFd(handle());
    let (data, ctx, mut out, mut ctx_out) = ([0; 60], [0; 16], [0; 70], [0; 17]);
    let known = [
        (of(&prog), "fd:prog"),
        (at(&data), "&data"),
        (at(&ctx), "&ctx"),
        (at(&out), "&out"),
        (at(&ctx_out), "&ctx_out"),
    ];
    let req = ProgTestRun {
        data_in: &data,
        data_out: Some(&mut out),
        ctx_in: &ctx,
        ctx_out: Some(&mut ctx_out),
        repeat: 2,
        flags: 3,
        cpu: 4,
        batch_size: 5,
        ..ProgTestRun::new(&prog)
    };
    let capture = Capture::new(new_fd);
    run(&capture, &mut Command::ProgTestRun(req)).expect("run");
    let calls = capture.calls.into_inner();
    let (cmd, bytes) = calls.last().expect("a call");
    assert_eq!((*cmd, bytes.len()), (Cmd::PROG_TEST_RUN, TestRunAttr::USED));
    let sent = fields(TestRunAttr::FIELDS, 0, bytes, &known);
    // The kernel may write to the input context, so it gets a copy: an address that is not known here.
    let (before, after) = sent.split_once("ctx_in=").expect("ctx_in");
    let (copy, after) = after.split_once(' ').expect("a field after it");
    assert!(copy.parse::<u64>().is_ok_and(|address| address != 0), "{copy}");
    let expect = "prog_fd=fd:prog data_size_in=60 data_size_out=70 data_in=&data data_out=&out repeat=2 \
                  ctx_size_in=16 ctx_size_out=17 ";
    assert_eq!((before, after), (expect, "ctx_out=&ctx_out flags=3 cpu=4 batch_size=5"));
}

#[test]
fn small_commands() {
    let (prog, map, link, dir) = (ProgFd(handle()), MapFd(handle()), LinkFd(handle()), handle());
    let mut buf = [0; 20];
    let known = [
        (of(&prog), "fd:prog"),
        (of(&map), "fd:map"),
        (of(&link), "fd:link"),
        (of(&dir), "fd:dir"),
        (at(&buf), "&buf"),
    ];
    let mut cmd = Command::RawTracepointOpen(RawTracepointOpen { name: None, prog: &prog, cookie: 8 });
    let expect = "prog_fd=fd:prog cookie=8";
    check::<RawTracepointOpenAttr>(&mut cmd, &known, Cmd::RAW_TRACEPOINT_OPEN, expect);
    check::<EnableStatsAttr>(&mut Command::EnableStats { kind: 1 }, &known, Cmd::ENABLE_STATS, "type=1");
    let mut cmd = Command::IterCreate { link: &link, flags: 0 };
    check::<IterCreateAttr>(&mut cmd, &known, Cmd::ITER_CREATE, "link_fd=fd:link");
    let mut cmd = Command::LinkDetach { link: &link };
    check::<LinkDetachAttr>(&mut cmd, &known, Cmd::LINK_DETACH, "link_fd=fd:link");
    let mut cmd = Command::ProgBindMap(oxbpf_kernel::ProgBindMap { prog: &prog, map: &map, flags: 1 });
    check::<ProgBindMapAttr>(&mut cmd, &known, Cmd::PROG_BIND_MAP, "prog_fd=fd:prog map_fd=fd:map flags=1");
    let mut cmd = Command::TokenCreate { bpffs: &dir, flags: 1 };
    check::<TokenCreateAttr>(&mut cmd, &known, Cmd::TOKEN_CREATE, "flags=1 bpffs_fd=fd:dir");
    let mut cmd = Command::AssocStructOps { prog: &prog, map: &map, flags: 0 };
    check::<AssocStructOpsAttr>(
        &mut cmd,
        &known,
        Cmd::PROG_ASSOC_STRUCT_OPS,
        "map_fd=fd:map prog_fd=fd:prog",
    );
    let mut cmd = Command::StreamRead(StreamRead { prog: &prog, stream_id: 2, buf: &mut buf });
    let expect = "stream_buf=&buf stream_buf_len=20 stream_id=2 prog_fd=fd:prog";
    check::<StreamReadAttr>(&mut cmd, &known, Cmd::PROG_STREAM_READ_BY_FD, expect);
    let mut cmd = Command::TaskFdQuery(TaskFdQuery {
        pid: 1,
        fd: 2,
        flags: 3,
        buf: &mut buf,
        buf_len: 0,
        prog_id: 0,
        fd_type: 0,
        probe_offset: 0,
        probe_addr: 0,
    });
    check::<TaskFdQueryAttr>(&mut cmd, &known, Cmd::TASK_FD_QUERY, "pid=1 fd=2 flags=3 buf_len=20 buf=&buf");
    let mut info = [9; 32];
    let info_at = at(&info);
    let mut cmd = Command::GetInfo(GetInfo { object: &prog, info: &mut info, buffers: InfoBuffers::None });
    let known = [(of(&prog), "fd:prog"), (info_at, "&info")];
    check::<InfoByFdAttr>(&mut cmd, &known, Cmd::OBJ_GET_INFO_BY_FD, "bpf_fd=fd:prog info_len=32 info=&info");
    let Command::GetInfo(req) = cmd else { panic!() };
    assert_eq!(req.info, [0; 32], "nothing of what was there reaches the kernel");
}

/// Checks the fixed part of a link, and the part of its kind.
fn check_link<K: Abi>(kind: LinkKind<'_>, known: &[(u64, &str)], expect: &str) -> String {
    let (prog, target) = (ProgFd(handle()), handle());
    let capture = Capture::new(new_fd);
    let req = LinkCreate {
        source: LinkSource::Prog(&prog),
        target: Target::Object(&target),
        attach_type: AttachType::TRACE_KPROBE_MULTI,
        flags: 1,
        kind,
    };
    run(&capture, &mut Command::LinkCreate(req)).expect("link");
    let calls = capture.calls.into_inner();
    let [(Cmd::LINK_CREATE, bytes)] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!(bytes.len(), 64);
    let fixed: Vec<Field> = LinkCreateAttr::FIELDS.iter().copied().filter(|f| f.name != "data").collect();
    let fixed = fields(&fixed, 0, bytes, &[(of(&prog), "fd:prog"), (of(&target), "fd:target")]);
    assert!(fixed.starts_with("prog_fd=fd:prog target_fd=fd:target attach_type=42 flags="), "{fixed}");
    let text = fields(K::FIELDS, K::BASE, bytes, known);
    let without_texts: Vec<&str> =
        text.split(' ').filter(|f| !f.starts_with("path=") && !f.starts_with("syms=")).collect();
    assert_eq!(without_texts.join(" "), expect);
    text
}

#[test]
fn link_create() {
    let (other, file) = (ProgFd(handle()), handle());
    let (info, addrs, cookies, offsets, refs) = ([0_u8; 16], [1_u64, 2], [3_u64, 4], [5_u64, 6], [7_u64, 8]);
    let ids = [1_u32, 2];
    let known = [
        (of(&other), "fd:other"),
        (of(&file), "fd:file"),
        (at(&info), "&info"),
        (at(&addrs), "&addrs"),
        (at(&cookies), "&cookies"),
        (at(&offsets), "&offsets"),
        (at(&refs), "&refs"),
        (at(&ids), "&ids"),
    ];
    let kind = LinkKind::Tracing { target_btf_id: 5, cookie: 6 };
    check_link::<TracingLink>(kind, &known, "target_btf_id=5 cookie=6");
    check_link::<IterLink>(LinkKind::Iter(&info), &known, "iter_info=&info iter_info_len=16");
    check_link::<PerfEventLink>(LinkKind::PerfEvent { bpf_cookie: 9 }, &known, "bpf_cookie=9");
    let kind = LinkKind::KprobeMulti { flags: 1, probes: Probes::Addrs(&addrs), cookies: &cookies };
    check_link::<KprobeMultiLink>(kind, &known, "flags=1 cnt=2 addrs=&addrs cookies=&cookies");
    let kind = LinkKind::KprobeMulti { flags: 0, probes: Probes::Syms(&["a", "b", "c"]), cookies: &[] };
    let text = check_link::<KprobeMultiLink>(kind, &known, "cnt=3");
    assert!(text.contains("syms="));
    let kind = LinkKind::UprobeMulti {
        flags: 1,
        path: Path::new("/bin/x"),
        offsets: &offsets,
        ref_ctr_offsets: &refs,
        cookies: &cookies,
        pid: 11,
        path_fd: Some(&file),
    };
    let expect =
        "offsets=&offsets ref_ctr_offsets=&refs cookies=&cookies cnt=2 flags=3 pid=11 path_fd=fd:file";
    let text = check_link::<UprobeMultiLink>(kind, &known, expect);
    assert!(text.starts_with("path="));
    let kind = LinkKind::Netfilter { pf: 2, hooknum: 1, priority: -1, flags: 1 };
    check_link::<NetfilterLink>(kind, &known, "pf=2 hooknum=1 priority=4294967295 flags=1");
    let kind = LinkKind::Ordered { relative: Anchor::Object(&other), expected_revision: 4 };
    check_link::<RelativeLink>(kind, &known, "relative_fd=fd:other expected_revision=4");
    let kind = LinkKind::TracingMulti { ids: &ids, cookies: &cookies };
    check_link::<TracingMultiLink>(kind, &known, "ids=&ids cookies=&cookies cnt=2");
}

#[test]
fn parallel_arrays_of_different_length_are_refused() {
    let prog = ProgFd(handle());
    let kind = LinkKind::KprobeMulti { flags: 0, probes: Probes::Syms(&["a"]), cookies: &[1, 2] };
    let attach_type = AttachType::TRACE_KPROBE_MULTI;
    let source = LinkSource::Prog(&prog);
    let req = LinkCreate { source, target: Target::None, attach_type, flags: 0, kind };
    assert_eq!(run(&Capture::new(new_fd), &mut Command::LinkCreate(req)).err(), Some(Errno::EINVAL));
}

#[test]
fn link_update() {
    let (link, prog, map) = (LinkFd(handle()), ProgFd(handle()), MapFd(handle()));
    let known = [(of(&link), "fd:link"), (of(&prog), "fd:prog"), (of(&map), "fd:map")];
    let (new, old) = (LinkSource::Prog(&prog), LinkSource::Map(&map));
    let req = LinkUpdate { link: &link, new, flags: 0, old: Some(old) };
    let expect = "link_fd=fd:link new_prog_fd=fd:prog flags=4 old_prog_fd=fd:map";
    check::<LinkUpdateAttr>(&mut Command::LinkUpdate(req), &known, Cmd::LINK_UPDATE, expect);
}

#[test]
fn new_objects_stay_clear_of_the_standard_streams() {
    // A child process with closed streams would show it too; here the number alone is what the code looks at.
    let capture = Capture::new(|_| {
        let file = std::fs::File::open("/dev/null").expect("open");
        Ok(file.into_raw_fd() as u64)
    });
    let reply = run(&capture, &mut Command::EnableStats { kind: 0 }).expect("run");
    let handle = reply.handle().expect("a handle");
    assert!(handle.number() >= FIRST_GOOD_FD);
    assert!(rustix::io::fcntl_getfd(handle.fd().expect("a descriptor").as_fd()).is_ok());
}

#[test]
fn a_handle_of_another_back_end_is_a_bad_descriptor() {
    let map = MapFd(Handle::from_object(5, ()));
    let capture = Capture::new(|attr| {
        assert_eq!(attr[..4], [0xff; 4]);
        Err(Errno::EBADF)
    });
    assert_eq!(run(&capture, &mut Command::MapFreeze { map: &map }).err(), Some(Errno::EBADF));
}
