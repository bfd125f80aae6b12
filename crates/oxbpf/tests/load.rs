//! Loading against a kernel of the test's making: what is asked of it, and what happens when it refuses.

#[allow(dead_code, reason = "other tests use the rest")]
mod fake;

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};

use fake::{Fake, number, object, write_log};
use oxbpf::{ErrorKind, Feature, Features, Kernel, OwnedMap};
use oxbpf_btf::{Btf, Type, TypeId};
use oxbpf_kernel::{Command, Fact, MapCreate};
use oxbpf_uapi::flags::{MapFlags, UpdateFlags};
use oxbpf_uapi::{Errno, HelperId, Insn, MapType, ProgType};

const OPENSNOOP: &str = "examples/opensnoop.bpf.o";
const PLAIN: &str = "testdata/objects/plain.o";

fn refuse_program(cmd: &mut Command<'_>, name: &str, log: &str) -> Option<Errno> {
    match cmd {
        Command::ProgLoad(req) if req.prog_name == name => write_log(req, log),
        _ => None,
    }
}

#[test]
fn current_kernel_sees_one_command_for_each_thing() {
    let fake = Fake::new().with_types_of(OPENSNOOP);
    let loaded = fake.builder().open_file(object(OPENSNOOP)).unwrap().load().unwrap();
    let asked = fake.asked();
    let words: Vec<&str> = asked.iter().map(|a| a.split(' ').next().unwrap()).collect();
    let expect = [
        "BTF_LOAD",
        "MAP_CREATE",
        "MAP_CREATE",
        "MAP_CREATE",
        "MAP_UPDATE_ELEM",
        "MAP_FREEZE",
        "MAP_CREATE",
        "PROG_LOAD",
        "PROG_LOAD",
    ];
    assert_eq!(words, expect, "{asked:#?}");
    assert_eq!(
        loaded.maps().map(|m| m.name().to_owned()).collect::<Vec<_>>(),
        ["start", "events", "opensnoo.rodata", "opensnoo.bss"]
    );
}

#[test]
fn program_without_co_re_asks_nothing_about_the_system() {
    let fake = Fake::new();
    fake.builder().open_file(object("examples/hello.bpf.o")).unwrap().load().unwrap();
    assert_eq!(*fake.0.facts_asked.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn everything_is_released_when_a_program_is_rejected() {
    let fake = Fake::new().with_types_of(OPENSNOOP);
    fake.refuse(|cmd| {
        refuse_program(cmd, "openat_exit", "R1 invalid mem access 'scalar'\nprocessed 3 insns\n")
    });
    let mut open = fake.builder().open_file(object(OPENSNOOP)).unwrap();
    open.map_mut("start").unwrap().set_pin_path(Some("/pins/start".into()));
    let error = open.load().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verifier);
    assert_eq!(error.errno(), Errno::EACCES);
    let text = error.to_string();
    let tail = "load program `openat_exit` (SEC \"tracepoint/syscalls/sys_exit_openat\"): BPF_PROG_LOAD: EACCES: \
                R1 invalid mem access 'scalar' (2 log lines, show with {:#})";
    assert!(text.ends_with(tail), "{text}");
    assert!(format!("{error:#}").ends_with("processed 3 insns"));
    assert_eq!(fake.live(), 0);
    assert_eq!(fake.pinned(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn everything_is_released_when_the_object_goes() {
    let fake = Fake::new().with_types_of(OPENSNOOP);
    let loaded = fake.builder().open_file(object(OPENSNOOP)).unwrap().load().unwrap();
    assert_eq!(fake.live(), 1 + 4 + 2);
    drop(loaded);
    assert_eq!(fake.live(), 0);
}

#[test]
fn program_is_loaded_without_a_log_and_once_more_with_one() {
    let fake = Fake::new();
    fake.refuse(|cmd| refuse_program(cmd, "count", "why\n"));
    fake.builder().open_file(object(PLAIN)).unwrap().load().unwrap_err();
    assert_eq!(
        fake.asked_for("PROG_LOAD count"),
        ["PROG_LOAD count 0 btf", "PROG_LOAD count 0 btf log16777216"]
    );
}

#[test]
fn log_buffer_grows_to_what_the_kernel_needs() {
    let fake = Fake::new();
    let log = format!("{}because\n", "0: (b7) r0 = 0\n".repeat(2 << 20));
    let want = log.len() + 1;
    fake.refuse(move |cmd| refuse_program(cmd, "count", &log));
    let error = fake.builder().open_file(object(PLAIN)).unwrap().load().unwrap_err();
    assert_eq!(error.errno(), Errno::EACCES);
    assert_eq!(error.verifier_log().unwrap().summary(), Some("because"));
    assert_eq!(
        fake.asked_for("PROG_LOAD count").last().unwrap(),
        &format!("PROG_LOAD count 0 btf log{want}")
    );
}

#[test]
fn global_is_set_by_name_and_size() {
    let fake = Fake::new();
    let mut open = fake.builder().open_file(object(PLAIN)).unwrap();
    open.set_global("step", &7u32).unwrap();
    assert_eq!(open.global_bytes("step").unwrap(), 7u32.to_ne_bytes());
    let wrong = open.set_global("step", &7u64).unwrap_err();
    assert_eq!(wrong.to_string(), "global `step`: the value has 8 bytes, the variable 4");
    let unknown = open.set_global("stepp", &7u32).unwrap_err();
    assert_eq!(unknown.to_string(), "no global variable `stepp`; did you mean `step`?");
    let loaded = open.load().unwrap();
    let rodata = fake.map("plain.rodata");
    assert!(rodata.is_frozen);
    assert_eq!(number::<u32>(&rodata.entries[&0u32.to_ne_bytes()[..]], 0), 7);
    assert_eq!(loaded.global_bytes("step").unwrap(), 7u32.to_ne_bytes());
    assert_eq!(loaded.global_bytes("seen").unwrap(), 1u64.to_ne_bytes());
    let seen = loaded.global("seen").unwrap();
    assert_eq!((seen.section.as_str(), seen.size, seen.is_read_only), (".data", 8, false));
}

#[test]
fn kernel_without_btf_gets_maps_and_programs_without_types() {
    let fake = Fake::new();
    fake.refuse(|cmd| matches!(cmd, Command::BtfLoad(_)).then_some(Errno::EINVAL));
    fake.builder().open_file(object(PLAIN)).unwrap().load().unwrap();
    assert_eq!(fake.asked_for("MAP_CREATE counts"), ["MAP_CREATE counts 16 0"]);
    assert_eq!(fake.asked_for("PROG_LOAD count"), ["PROG_LOAD count 0"]);
}

#[test]
fn kernel_that_refuses_newer_btf_gets_it_reduced() {
    let fake = Fake::new();
    // Global functions: FUNC (kind 12) with linkage 1.
    fake.refuse(|cmd| {
        let Command::BtfLoad(req) = cmd else { return None };
        let has_global = req.btf.chunks_exact(4).any(|w| w == (12u32 << 24 | 1).to_ne_bytes());
        has_global.then_some(Errno::EINVAL)
    });
    fake.builder().open_file(object("testdata/objects/subprogs_global.o")).unwrap().load().unwrap();
    assert!(fake.asked_for("PROG_LOAD caller").iter().all(|a| a == "PROG_LOAD caller 0 btf"));
    assert!(fake.asked_for("BTF_LOAD").len() > 2);
}

#[test]
fn kernel_without_names_gets_none() {
    let fake = Fake::new();
    fake.refuse(|cmd| match cmd {
        Command::MapCreate(req) if !req.map_name.is_empty() => Some(Errno::EINVAL),
        Command::ProgLoad(req) if !req.prog_name.is_empty() => Some(Errno::EINVAL),
        _ => None,
    });
    let loaded = fake.builder().open_file(object(PLAIN)).unwrap().load().unwrap();
    assert!(loaded.program("count").unwrap().is_loaded());
    // The program was tried with its name, the feature asked for, and the program loaded without.
    let last = fake.asked_for("PROG_LOAD").pop().unwrap();
    assert_eq!(last, "PROG_LOAD  0 btf");
}

#[test]
fn kernel_that_cannot_share_arrays_gets_plain_ones() {
    let fake = Fake::new();
    let mmapable = MapFlags::MMAPABLE.bits();
    fake.refuse(move |cmd| match cmd {
        Command::MapCreate(req) if req.map_flags & mmapable != 0 => Some(Errno::EINVAL),
        _ => None,
    });
    fake.builder().open_file(object(PLAIN)).unwrap().load().unwrap();
    assert_eq!(fake.map("plain.data").info.map_flags & mmapable, 0);
}

#[test]
fn attach_type_is_left_out_where_it_is_optional_and_unknown() {
    let fake = Fake::new();
    fake.refuse(|cmd| match cmd {
        Command::ProgLoad(req) if req.expected_attach_type.0 != 0 => Some(Errno::E2BIG),
        _ => None,
    });
    let loaded = fake.builder().open_file(object("examples/xdpcount.bpf.o")).unwrap().load().unwrap();
    assert!(loaded.program("xdp_count").unwrap().is_loaded());
}

#[test]
fn old_kernel_reads_memory_with_the_old_helper() {
    let fake = Fake::new().with_types_of(OPENSNOOP);
    const OLD: i32 = 45;
    let is_new = |i: &Insn| i.code == 0x85 && i.src() == 0 && (112..=115).contains(&i.imm);
    fake.refuse(move |cmd| match cmd {
        Command::ProgLoad(req) if req.insns.iter().any(is_new) => Some(Errno::EINVAL),
        _ => None,
    });
    fake.builder().open_file(object(OPENSNOOP)).unwrap().load().unwrap();
    let programs = fake.0.programs.lock().unwrap();
    assert!(
        programs["openat_exit"]
            .iter()
            .chain(&programs["openat_enter"])
            .any(|i| i.code == 0x85 && i.imm == OLD)
    );
}

#[test]
fn feature_is_probed_once_for_all_objects_of_a_kernel() {
    let fake = Fake::new();
    let kernel = Kernel::new(fake.clone());
    let (one, other) = (Features::of(&kernel), Features::of(&kernel.clone()));
    assert!(one.has(Feature::ProgName));
    assert!(other.has(Feature::ProgName));
    assert_eq!(fake.asked().len(), 1);
    assert_eq!(Feature::PerfLink.since(), "5.15");
}

#[test]
fn refusal_for_lack_of_privilege_leaves_a_feature_absent() {
    let fake = Fake::new();
    fake.refuse(|_| Some(Errno::EPERM));
    let features = Features::of(&Kernel::new(fake));
    assert!(Feature::ALL.iter().all(|f| !features.has(*f)));
}

#[test]
fn types_are_asked_for_once_and_refusals_for_lack_of_rights_are_no_answer() {
    let fake = Fake::new();
    let rule = fake.clone();
    let refuse = Arc::new(AtomicBool::new(true));
    let refuses = refuse.clone();
    rule.refuse(move |_| refuses.load(Ordering::Relaxed).then_some(Errno::EPERM));
    let features = Features::apart(&Kernel::new(fake.clone()));
    assert_eq!(features.has_prog_type(ProgType::XDP).unwrap_err().errno(), Errno::EPERM);
    assert_eq!(features.has_map_type(MapType::HASH).unwrap_err().errno(), Errno::EPERM);
    assert_eq!(features.has_helper(ProgType::XDP, HelperId::REDIRECT).unwrap_err().errno(), Errno::EPERM);
    refuse.store(false, Ordering::Relaxed);
    let before = fake.asked().len();
    for _ in 0..2 {
        assert!(features.has_prog_type(ProgType::XDP).unwrap());
        assert!(features.has_map_type(MapType::HASH_OF_MAPS).unwrap());
        assert!(features.has_helper(ProgType::XDP, HelperId::REDIRECT).unwrap());
        // A kernel that loads a tracing program for a type that is no function did not look.
        assert!(!features.has_prog_type(ProgType::TRACING).unwrap());
    }
    // The map of maps needs one inside.
    assert_eq!(fake.asked().len() - before, 5, "{:?}", fake.asked());
    assert_eq!(fake.live(), 0, "what was made for the answer is gone");
}

#[test]
fn poisoned_map_is_named_in_the_log() {
    let fake = Fake::new();
    fake.refuse(|cmd| match cmd {
        Command::ProgLoad(req) => {
            let at = req.insns.iter().position(|i| i.code == 0x85 && i.imm >= 2_001_000_000)?;
            let number = req.insns[at].imm;
            write_log(
                req,
                &format!(
                    "{at}: (85) call unknown#{number}\ninvalid func unknown#{number}\nprocessed 9 insns\n"
                ),
            )
        }
        _ => None,
    });
    let mut open = fake.builder().open_file(object(PLAIN)).unwrap();
    open.map_mut("counts").unwrap().set_autocreate(false);
    let error = open.load().unwrap_err();
    let log = error.verifier_log().unwrap();
    assert_eq!(log.summary(), Some("BPF map 'counts' is referenced but wasn't created"));
    assert!(log.text().contains(": <invalid BPF map reference>\n"), "{}", log.text());
}

#[test]
fn program_with_question_mark_is_loaded_only_when_asked_for() {
    let path = object("testdata/objects/autoload_off.o");
    let fake = Fake::new();
    let loaded = fake.builder().open_file(&path).unwrap().load().unwrap();
    let is_loaded = |name| loaded.program(name).unwrap().is_loaded();
    assert_eq!([is_loaded("on"), is_loaded("off"), is_loaded("off_xdp")], [true, false, false]);
    let error = loaded.program("off").unwrap().fd().unwrap_err();
    assert!(error.to_string().ends_with("the program is not loaded: autoload is off"), "{error}");

    let mut open = fake.builder().open_file(&path).unwrap();
    open.program_mut("off").unwrap().set_autoload(true);
    open.program_mut("on").unwrap().set_autoload(false);
    let loaded = open.load().unwrap();
    assert!(loaded.program("off").unwrap().is_loaded() && !loaded.program("on").unwrap().is_loaded());
}

#[test]
fn map_is_created_as_it_was_changed() {
    let fake = Fake::new();
    let mut open = fake.builder().open_file(object(PLAIN)).unwrap();
    let mut map = open.map_mut("counts").unwrap();
    map.set_max_entries(99)
        .set_type(MapType::LRU_HASH)
        .set_map_flags(MapFlags::NO_COMMON_LRU)
        .set_key_size(8);
    let loaded = open.load().unwrap();
    let info = fake.map("counts").info;
    assert_eq!((info.r#type, info.max_entries, info.key_size), (MapType::LRU_HASH, 99, 8));
    assert_eq!(info.map_flags, MapFlags::NO_COMMON_LRU.bits());
    assert_eq!(loaded.map("counts").unwrap().max_entries(), 99);
}

#[test]
fn sizes_left_to_the_loader_are_filled_in() {
    let fake = Fake::new();
    let mut open = fake.builder().open_file(object(PLAIN)).unwrap();
    open.map_mut("counts").unwrap().set_type(MapType::RINGBUF).set_max_entries(5000);
    open.load().unwrap();
    assert_eq!(fake.map("counts").info.max_entries, 8192);
    let mut open = fake.builder().open_file(object(PLAIN)).unwrap();
    open.map_mut("counts").unwrap().set_type(MapType::PERF_EVENT_ARRAY).set_max_entries(0);
    open.load().unwrap();
    assert_eq!(fake.map("counts").info.max_entries, 4, "as many as there may be CPUs");
}

#[test]
fn program_array_is_filled_when_its_programs_are_loaded() {
    let fake = Fake::new();
    let loaded =
        fake.builder().open_file(object("testdata/objects/maps_prog_array.o")).unwrap().load().unwrap();
    let slot = |index: u32| fake.map("filled").entries.get(&index.to_ne_bytes()[..]).cloned();
    let number = |name| loaded.program(name).unwrap().fd().unwrap().number().to_ne_bytes().to_vec();
    assert_eq!(slot(0), Some(number("target_a")));
    assert_eq!(slot(3), Some(number("target_b")));
    assert_eq!(slot(1), None);
}

const CONFIG: &str = "CONFIG_BPF_SYSCALL=y\nCONFIG_MODULES=m\nCONFIG_PRINTK=y\n# CONFIG_X is not set\nCONFIG_HZ=250\n\
                      CONFIG_NR_CPUS=64\nCONFIG_PHYSICAL_START=0x1000000\n\
                      CONFIG_ILLEGAL_POINTER_VALUE=0xdead000000000000\nCONFIG_DEFAULT_HOSTNAME=\"(none)\"\n\
                      CONFIG_LOG_BUF_SHIFT=17\n";

#[test]
fn configuration_externs_get_their_values() {
    let fake = Fake::new();
    fake.fact(Fact::KernelConfig, CONFIG);
    fake.fact(Fact::Kallsyms, "ffffffff81000000 T __x64_sys_bpf\n");
    let builder = fake.builder().kconfig("CONFIG_HZ=1000\n");
    let open = builder.open_file(object("testdata/objects/kconfig.o")).unwrap();
    let offset = |name: &str| {
        let spec = open.spec().externs.iter().find(|e| e.name == name).unwrap();
        match spec.kind {
            oxbpf_object::ExternKind::Kconfig { offset, .. } => offset as usize,
            _ => panic!("{name}"),
        }
    };
    let names = [
        "CONFIG_HZ",
        "CONFIG_MODULES",
        "CONFIG_DEFAULT_HOSTNAME",
        "CONFIG_OXBPF_MISSING",
        "LINUX_KERNEL_VERSION",
    ];
    let [hz, modules, host, missing, version] = names.map(offset);
    let wrapper = offset("LINUX_HAS_SYSCALL_WRAPPER");
    open.load().unwrap();
    let kconfig = fake.map("kconfig.kconfig");
    let value = &kconfig.entries[&0u32.to_ne_bytes()[..]];
    assert_eq!(number::<i32>(value, hz), 1000, "the caller's text wins");
    assert_eq!(number::<u32>(value, modules), 2);
    assert_eq!(&value[host..host + 7], b"(none)\0");
    assert_eq!(value[missing], 0);
    assert_eq!(number::<u32>(value, version), 393_216);
    assert_eq!(value[wrapper], 1);
    assert!(kconfig.is_frozen);
}

#[test]
fn missing_configuration_value_is_named() {
    let fake = Fake::new();
    fake.fact(Fact::KernelConfig, CONFIG.replace("CONFIG_NR_CPUS=64\n", ""));
    fake.fact(Fact::Kallsyms, "");
    let error = fake.builder().open_file(object("testdata/objects/kconfig.o")).unwrap().load().unwrap_err();
    let text = error.to_string();
    assert!(text.ends_with("extern `CONFIG_NR_CPUS`: the kernel configuration does not set it"), "{text}");
    assert!(error.hint().contains("__weak"));
    assert_eq!(fake.live(), 0);
}

#[test]
fn symbols_become_addresses_and_weak_ones_zero() {
    let fake = Fake::new();
    fake.fact(Fact::Kallsyms, "ffffffff82000010 D init_task\nffffffff81000020 T bpf_prog_put\n");
    fake.builder().open_file(object("testdata/objects/ksyms_untyped.o")).unwrap().load().unwrap();
    let programs = fake.0.programs.lock().unwrap();
    let mut loads: Vec<u64> = programs["addresses_of"]
        .windows(2)
        .filter(|w| w[0].is_ld_imm64() && w[0].src() == 0)
        .map(|w| u64::from(w[1].imm as u32) << 32 | u64::from(w[0].imm as u32))
        .collect();
    loads.sort_unstable();
    assert_eq!(loads, [0, 0xffff_ffff_8100_0020, 0xffff_ffff_8200_0010]);
}

#[test]
fn pinned_map_is_used_by_the_next_load_if_its_shape_fits() {
    let fake = Fake::new();
    let open = || {
        let mut open = fake.builder().open_file(object(PLAIN)).unwrap();
        open.map_mut("counts").unwrap().set_pin_path(Some("/pins/counts".into()));
        open
    };
    let first = open().load().unwrap();
    let second = open().load().unwrap();
    let number = |o: &oxbpf::Object| o.map("counts").unwrap().fd().number();
    assert_eq!(number(&first), number(&second));
    assert_eq!(second.map("counts").unwrap().pin_path().unwrap().to_str(), Some("/pins/counts"));

    let mut other = open();
    other.map_mut("counts").unwrap().set_max_entries(17);
    let error = other.load().unwrap_err().to_string();
    assert!(
        error.ends_with("/pins/counts: the map that is pinned there has number of entries 16, this one 17"),
        "{error}"
    );
    assert_eq!(fake.pinned().len(), 1, "the pin of the first load stays");
}

#[test]
fn only_the_pins_that_a_load_made_are_undone() {
    let fake = Fake::new();
    let open = || {
        let mut open = fake.builder().open_file(object(PLAIN)).unwrap();
        open.map_mut("counts").unwrap().set_pin_path(Some("/pins/counts".into()));
        open
    };
    let mut first = open().load().unwrap();
    let mut second = open().load().unwrap();
    second.undo_pins();
    assert_eq!(fake.pinned().len(), 1, "the second load found the pin there");
    first.undo_pins();
    assert_eq!(fake.pinned().len(), 0);
    first.unpin_maps().unwrap();
}

#[test]
fn map_and_program_names_are_suggested() {
    let fake = Fake::new();
    let mut open = fake.builder().open_file(object(OPENSNOOP)).unwrap();
    let error = open.map_mut("event").unwrap_err();
    assert_eq!(error.to_string(), "no map `event` in the object; did you mean `events`?");
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = open.program_mut("nothing_like_it").unwrap_err().to_string();
    assert_eq!(error, "no program `nothing_like_it` in the object, which has openat_enter, openat_exit");
}

#[test]
fn section_that_no_type_has_is_refused_with_a_suggestion() {
    let fake = Fake::new();
    let open = fake.builder().open_file(object("testdata/objects/bad_section_unknown.o")).unwrap();
    let error = open.load().unwrap_err();
    assert_eq!(error.errno(), Errno::EINVAL);
    assert!(error.to_string().contains("does not say what type of program it is"), "{error}");
}

#[test]
fn object_of_the_other_byte_order_is_refused_before_anything_is_created() {
    let fake = Fake::new();
    let error = fake.builder().open_file(object("testdata/objects/plain.be.o")).unwrap().load().unwrap_err();
    assert_eq!(error.errno(), Errno(4003));
    assert_eq!(fake.asked(), Vec::<String>::new());
}

#[test]
fn file_that_is_not_there_is_named() {
    let error = Fake::new().builder().open_file("/nowhere/x.o").unwrap_err();
    assert_eq!(error.to_string(), "open /nowhere/x.o: ENOENT (No such file or directory)");
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn co_re_needs_the_kernels_types_and_says_so() {
    let fake = Fake::new();
    let error = fake.builder().open_file(object("examples/taskwalk.bpf.o")).unwrap().load().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }), "{error}");
    assert!(error.hint().contains("CONFIG_DEBUG_INFO_BTF"));
    assert_eq!(fake.live(), 0);
}

#[test]
fn tagged_context_gets_the_type_that_old_kernels_look_for() {
    let fake = Fake::new();
    let records = Arc::new(Mutex::new(Vec::new()));
    let (btf, funcs) = (Arc::new(Mutex::new(Vec::new())), records.clone());
    let loaded_btf = btf.clone();
    fake.refuse(move |cmd| match cmd {
        Command::BtfLoad(req) => {
            *loaded_btf.lock().unwrap() = req.btf.to_vec();
            None
        }
        Command::ProgLoad(req) if req.prog_name == "det_arg_ctx" => Some(Errno::EINVAL),
        Command::ProgLoad(req) => {
            *funcs.lock().unwrap() = req.func_info.to_vec();
            None
        }
        _ => None,
    });
    let mut open = fake.builder().open_file(object("testdata/objects/arg_tags.o")).unwrap();
    open.program_mut("on_tracepoint").unwrap().set_autoload(false);
    let before = open.btf().unwrap().type_count();
    open.load().unwrap();

    let btf = Btf::parse(btf.lock().unwrap().clone()).unwrap();
    let records = records.lock().unwrap();
    let func = TypeId(number::<u32>(&records, 12));
    assert!(func.0 >= before, "the function's record refers to an added type");
    let Type::FuncProto(proto) = btf.get(btf.get(func).unwrap().type_id()).unwrap().view() else { panic!() };
    let pointer = proto.params().next().unwrap().type_id;
    let context = btf.get(btf.get(pointer).unwrap().type_id()).unwrap();
    assert_eq!(context.name(), "bpf_perf_event_data");
}

#[test]
fn what_was_drained_is_given_before_a_later_step_fails() {
    let fake = Fake::new();
    let step = Arc::new(AtomicI32::new(0));
    let steps = step.clone();
    fake.refuse(move |cmd| match cmd {
        Command::MapLookupAndDeleteBatch(req) => match steps.fetch_add(1, Ordering::Relaxed) {
            0 => {
                req.keys[..4].copy_from_slice(&7u32.to_ne_bytes());
                req.values[..4].copy_from_slice(&8u32.to_ne_bytes());
                req.count = 1;
                None
            }
            _ => Some(Errno::EFAULT),
        },
        _ => None,
    });
    let request = MapCreate {
        map_type: MapType::HASH,
        key_size: 4,
        value_size: 4,
        max_entries: 9,
        ..Default::default()
    };
    let map = OwnedMap::create(&Kernel::new(fake), request).unwrap();
    let mut batches = map.drain(UpdateFlags::empty()).unwrap();
    let first: Vec<_> =
        batches.next().unwrap().unwrap().iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
    assert_eq!(first, [(7u32.to_ne_bytes().to_vec(), 8u32.to_ne_bytes().to_vec())]);
    assert_eq!(batches.next().unwrap_err().errno(), Errno::EFAULT);
    assert!(batches.next().unwrap().is_none(), "there is nothing after an error");
    assert_eq!(step.load(Ordering::Relaxed), 2);
}
