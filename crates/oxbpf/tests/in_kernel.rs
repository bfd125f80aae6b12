//! Programs, maps and BTF of the running kernel, found by id, by pin and by descriptor.
#![cfg(feature = "linux")]

use std::collections::BTreeSet;

use oxbpf::program::{InfoParts, Stream};
use oxbpf::stats::RunTime;
use oxbpf::{ErrorKind, Object, ObjectBuilder, OpenId, OwnedMap, OwnedProgram, Result};
use oxbpf_kernel::{Kernel, MapCreate, ProgLoad};
use oxbpf_uapi::flags::{ObjFlags, TestRunFlags, UpdateFlags};
use oxbpf_uapi::{Errno, Insn, MapType, ProgType};

fn load(name: &str) -> Option<Object> {
    if !testkit::require_bpf() {
        return None;
    }
    let path = testkit::root().join("testdata/objects").join(name);
    Some(ObjectBuilder::new().open_file(path).unwrap().load().unwrap())
}

/// A program of these instructions.
fn program(kernel: &Kernel, prog_type: ProgType, insns: &[Insn]) -> Result<OwnedProgram, Errno> {
    let (prog, _) = kernel.prog_load(ProgLoad { prog_type, insns, license: "GPL", ..Default::default() });
    prog.map(|fd| OwnedProgram::new(kernel, fd))
}

const MOV64_IMM: u8 = 0xb7;
const EXIT: Insn = Insn::new(0x95, 0, 0, 0, 0);

fn array(kernel: &Kernel) -> OwnedMap {
    let request = MapCreate {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        map_name: "extra",
        ..Default::default()
    };
    OwnedMap::create(kernel, request).unwrap()
}

#[test]
fn a_program_is_the_same_by_object_by_id_and_by_pin() {
    let Some(object) = load("plain.o") else { return };
    let kernel = object.kernel();
    let of_object = object.program("count").unwrap();
    let info = of_object.info_with(InfoParts::all()).unwrap();
    let ids: Vec<u32> = OwnedProgram::ids(kernel).collect::<Result<_>>().unwrap();
    assert!(ids.is_sorted() && ids.contains(&info.fixed.id));
    let by_id = OwnedProgram::open_id(kernel, info.fixed.id).unwrap();
    let same = by_id.info_with(InfoParts::all()).unwrap();
    assert_eq!((same.name(), same.fixed.tag), (info.name(), info.fixed.tag));
    assert_eq!(same.xlated_insns, info.xlated_insns);
    assert_eq!(same.map_ids, info.map_ids);
    let Some(dir) = testkit::bpffs() else { return };
    let path = dir.path().join("count");
    by_id.pin(&path).unwrap();
    let by_pin = OwnedProgram::open_pinned(kernel, &path).unwrap();
    assert_eq!(by_pin.info().unwrap().id, info.fixed.id);
    let gone = OwnedProgram::open_id(kernel, u32::MAX).unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
    assert!(gone.to_string().starts_with("program 4294967295: BPF_PROG_GET_FD_BY_ID: "), "{gone}");
}

#[test]
fn all_that_the_kernel_has_of_a_program_is_read_whole() {
    let Some(object) = load("subprogs_static.o") else { return };
    for program in object.programs() {
        let info = program.info_with(InfoParts::all()).unwrap();
        assert_eq!(info.xlated_insns.len() * 8, info.fixed.xlated_prog_len as usize);
        assert!(info.xlated_insns.len() >= program.insns().len(), "the verifier removed what was reachable");
        assert_eq!(info.prog_tags.len(), info.fixed.nr_prog_tags as usize);
        assert_eq!(info.func_info.len(), (info.fixed.nr_func_info * info.fixed.func_info_rec_size) as usize);
        assert_eq!(info.line_info.len(), (info.fixed.nr_line_info * info.fixed.line_info_rec_size) as usize);
        assert!(!info.func_info.is_empty());
        assert_eq!(info.map_ids.len(), info.fixed.nr_map_ids as usize);
        if info.fixed.jited_prog_len > 0 && !info.jited_insns.is_empty() {
            assert_eq!(info.jited_insns.len(), info.fixed.jited_prog_len as usize);
            assert_eq!(info.jited_func_lens.len(), info.fixed.nr_jited_func_lens as usize);
            assert_eq!(info.jited_func_lens.iter().sum::<u32>(), info.fixed.jited_prog_len);
        }
        let nothing = program.info_with(InfoParts::default()).unwrap();
        assert!(
            nothing.xlated_insns.is_empty() && nothing.map_ids.is_empty() && nothing.prog_tags.is_empty()
        );
        assert_eq!(nothing.fixed.tag, info.fixed.tag);
    }
}

#[test]
fn maps_that_describe_a_program_live_as_long_as_it() {
    let Some(object) = load("plain.o") else { return };
    let kernel = object.kernel();
    let program = object.program("count").unwrap().to_owned().unwrap();
    let before = program.info_with(InfoParts::all()).unwrap().map_ids;
    let map = array(kernel);
    let id = map.info().unwrap().id;
    program.bind_map(map.fd()).unwrap();
    drop(map);
    let after = program.info_with(InfoParts::all()).unwrap().map_ids;
    assert_eq!(after.len(), before.len() + 1);
    assert!(after.contains(&id));
    let map = OwnedMap::open_id(kernel, id).unwrap();
    assert_eq!((map.name(), map.map_type()), ("extra", MapType::ARRAY));
    assert!(OwnedMap::ids(kernel).any(|known| known.unwrap() == id));
    drop((program, object, map));
}

#[test]
fn maps_opened_for_reading_are_not_written() {
    if !testkit::require_bpf() {
        return;
    }
    let kernel = oxbpf::kernel();
    let map = array(&kernel);
    let (key, value) = (0u32.to_ne_bytes(), 7u64.to_ne_bytes());
    map.update(&key, &value, UpdateFlags::empty()).unwrap();
    let how = OpenId { flags: ObjFlags::RDONLY, ..OpenId::default() };
    let read_only = OwnedMap::open_id_with(&kernel, map.info().unwrap().id, how).unwrap();
    assert_eq!(read_only.lookup(&key, UpdateFlags::empty()).unwrap().unwrap(), value);
    let error = read_only.update(&key, &value, UpdateFlags::empty()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
}

#[test]
fn runs_are_counted_while_statistics_are_on() {
    let Some(object) = load("plain.o") else { return };
    let program = object.program("count").unwrap();
    let stats = match RunTime::enable(object.kernel()) {
        Ok(stats) => stats,
        Err(e) if e.errno() == Errno::EINVAL => return testkit::skip_this("no BPF_ENABLE_STATS: Linux 5.8"),
        Err(e) => panic!("{e}"),
    };
    let packet = [0; 64];
    program.test_run(|run| (run.data_in, run.repeat) = (&packet, 100)).unwrap();
    let info = program.info().unwrap();
    assert_eq!(info.run_cnt, 100);
    assert!(info.run_time_ns > 0);
    drop(stats);
}

#[test]
fn a_test_run_takes_and_gives_data_and_context() {
    if !testkit::require_bpf() {
        return;
    }
    let kernel = oxbpf::kernel();
    // Answers with the mark of the packet, and sets another: r0 = mark; mark = 9.
    let insns =
        [Insn::new(0x61, 0, 1, 8, 0), Insn::new(MOV64_IMM, 2, 0, 0, 9), Insn::new(0x63, 1, 2, 8, 0), EXIT];
    let program = program(&kernel, ProgType::SCHED_CLS, &insns).unwrap();
    let packet = [0xab; 64];
    let mut skb = [0u8; 192];
    skb[8..12].copy_from_slice(&5u32.to_ne_bytes());
    let (mut data, mut ctx) = ([0; 32], [0; 192]);
    let run = program.test_run(|run| {
        (run.data_in, run.ctx_in) = (&packet, &skb);
        run.ctx_out = Some(&mut ctx);
    });
    let run = match run {
        // Contexts grow: older kernels want what they do not know to be absent, not zero, at the end only.
        Err(e) if e.errno() == Errno::E2BIG => return testkit::skip_this("its __sk_buff is shorter"),
        run => run.unwrap(),
    };
    assert_eq!((run.retval, run.data_size_out), (5, 64));
    assert_eq!(ctx[8..12], 9u32.to_ne_bytes());
    // Room for half of the packet: what fits is there, the length is the whole one, the call says ENOSPC.
    let short = program.test_run(|run| (run.data_in, run.data_out) = (&packet, Some(&mut data[..])));
    assert_eq!(short.unwrap_err().errno(), Errno::ENOSPC);
    assert_eq!(data, packet[..32]);
    let too_short = program.test_run(|run| run.data_in = &packet[..13]).unwrap_err();
    assert_eq!(too_short.errno(), Errno::EINVAL);
}

#[test]
fn packets_of_live_frames_go_where_the_program_says() {
    if !testkit::require_bpf() {
        return;
    }
    let kernel = oxbpf::kernel();
    const XDP_DROP: i32 = 1;
    let drop_all = program(&kernel, ProgType::XDP, &[Insn::new(MOV64_IMM, 0, 0, 0, XDP_DROP), EXIT]).unwrap();
    let stats = RunTime::enable(&kernel).unwrap();
    let packet = [0; 64];
    let run = drop_all.test_run(|run| {
        (run.data_in, run.repeat, run.batch_size) = (&packet, 1000, 16);
        run.flags = TestRunFlags::XDP_LIVE_FRAMES.bits();
    });
    match run {
        Err(e) if e.errno() == Errno::EINVAL => testkit::skip_this("no live frames: Linux 5.18"),
        run => {
            // The result is that of no packet in particular; each of them was run.
            assert_eq!(run.unwrap().retval, 0);
            assert_eq!(drop_all.info().unwrap().run_cnt, 1000);
        }
    }
    drop(stats);
}

#[test]
fn a_raw_tracepoint_runs_on_the_cpu_that_is_named() {
    if !testkit::require_bpf() {
        return;
    }
    // r0 = the CPU.
    const GET_SMP_PROCESSOR_ID: i32 = 8;
    let insns = [Insn::new(0x85, 0, 0, 0, GET_SMP_PROCESSOR_ID), EXIT];
    let kernel = oxbpf::kernel();
    let program = program(&kernel, ProgType::RAW_TRACEPOINT, &insns).unwrap();
    let cpus = std::thread::available_parallelism().unwrap().get() as u32;
    for cpu in 0..cpus {
        let run = program.test_run(|run| (run.cpu, run.flags) = (cpu, TestRunFlags::RUN_ON_CPU.bits()));
        match run {
            // This process may run on other CPUs than the first ones.
            Err(e) if e.errno() == Errno::ENXIO => continue,
            run => assert_eq!(run.unwrap().retval, cpu),
        }
    }
    let none = program.test_run(|run| (run.cpu, run.flags) = (1 << 20, TestRunFlags::RUN_ON_CPU.bits()));
    assert_eq!(none.unwrap_err().errno(), Errno::ENXIO);
}

#[test]
fn what_the_kernel_says_of_a_program_is_in_its_stream() {
    if !testkit::require_bpf() {
        return;
    }
    let kernel = oxbpf::kernel();
    let quiet = program(&kernel, ProgType::SOCKET_FILTER, &[Insn::new(MOV64_IMM, 0, 0, 0, 0), EXIT]).unwrap();
    match quiet.read_stream_to_end(Stream::Stdout) {
        Err(e) if e.errno() == Errno::EINVAL => {
            return testkit::skip_this("programs have no streams: Linux 6.17");
        }
        text => assert_eq!(text.unwrap(), b""),
    }
    // Loops until the kernel has enough of it, and says so.
    let may_goto = Insn::new(0xe5, 0, 0, 1, 0);
    let back = Insn::new(0x05, 0, 0, -2, 0);
    let endless = [Insn::new(MOV64_IMM, 0, 0, 0, 0), may_goto, back, EXIT];
    let endless = program(&kernel, ProgType::SOCKET_FILTER, &endless).unwrap();
    endless.test_run(|run| run.data_in = &[0; 64]).unwrap();
    let mut first = [0; 10];
    let read = endless.read_stream(Stream::Stderr, &mut first).unwrap();
    let rest = endless.read_stream_to_end(Stream::Stderr).unwrap();
    let text = String::from_utf8([&first[..read], &rest].concat()).unwrap();
    if text.is_empty() {
        // Linux 6.18 has streams and ends the loop without a word, as do machines whose compiler counts rounds in place of time.
        return testkit::skip_this("the kernel does not report loops that it ends");
    }
    assert!(text.contains("Timeout detected for may_goto instruction"), "{text:?}");
    assert_eq!(read, 10);
    assert_eq!(endless.read_stream_to_end(Stream::Stderr).unwrap(), b"", "what was read is gone");
}

#[test]
fn types_of_the_kernel_have_ids_and_names() {
    let Some(object) = load("plain.o") else { return };
    let kernel = object.kernel();
    let ids: BTreeSet<u32> = oxbpf::btf::ids(kernel).collect::<Result<_>>().unwrap();
    let own = object.program("count").unwrap().info().unwrap().btf_id;
    assert!(ids.contains(&own));
    let btf = oxbpf::btf::open_id(kernel, own, OpenId::default()).unwrap();
    let (info, name) = oxbpf::btf::info(kernel, &btf).unwrap();
    assert_eq!((info.id, info.kernel_btf, name.as_str()), (own, 0, ""));
    assert!(info.btf_size > 0);
    let types = oxbpf::btf::by_id(kernel, own).unwrap();
    assert_eq!(types.raw().len(), info.btf_size as usize);
}

#[test]
fn there_is_no_token_for_the_first_user_namespace() {
    let Some(dir) = testkit::bpffs() else { return };
    let root = dir.path().parent().unwrap();
    let error = oxbpf::token::Token::create(&oxbpf::kernel(), root).expect_err("nothing is delegated");
    assert!(
        matches!(error.errno(), Errno::ENOENT | Errno::EOPNOTSUPP | Errno::EINVAL | Errno::EPERM),
        "{error}"
    );
    assert!(!error.hint().is_empty());
}
