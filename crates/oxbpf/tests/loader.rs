//! Loader programs: what C libbpf makes of the same objects, and what kernels make of ours.
#![cfg(feature = "linux")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use oxbpf::loader::{GenError, GenHash, GenOptions, Loaded, Loader, LoaderGen, LoaderProgram, MapInput};
use oxbpf::{ObjectBuilder, OwnedMap};
use oxbpf_kernel::{Fact, GetInfo, InfoBuffers, Kernel, MapCreate, ProgFd, ProgLoad, Scripted};
use oxbpf_uapi::flags::UpdateFlags;
use oxbpf_uapi::info::ProgInfo;
use oxbpf_uapi::insn::{BPF_EXIT, BPF_JMP, BPF_JSLT, BPF_K};
use oxbpf_uapi::{Errno, Insn, MapType, ProgType};
use zerocopy::IntoBytes;

/// First instruction of the cleanup code, behind six that clear the stack and a jump over it.
const CLEANUP: usize = 7;

fn object(name: &str) -> PathBuf {
    let in_objects = testkit::testdata("objects").join(name);
    if in_objects.exists() { in_objects } else { testkit::root().join("examples").join(name) }
}

/// Names of all objects, of tests and examples.
fn objects() -> Vec<String> {
    let folders = [testkit::testdata("objects"), testkit::root().join("examples")];
    let entries = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("a folder"));
    let names = entries.map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"));
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".o")).collect();
    names.sort();
    names
}

/// The program of an object, made without asking the running kernel for anything. The goldens are of a machine with two processors, which
/// is how many entries a perf buffer without a size has.
fn generate(path: &Path, gen_hash: GenHash) -> oxbpf::Result<LoaderProgram> {
    let cpus = |what: Fact<'_>| (what == Fact::PossibleCpus).then(|| Ok(b"0-1".to_vec().into()));
    let kernel = Kernel::new(Scripted::new().on_fact(cpus));
    ObjectBuilder::new().kernel(kernel).open_file(path)?.gen_loader(gen_hash)
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3))
}

/// A line as `testdata/loader/record.c` writes it.
fn line(name: &str, program: &LoaderProgram) -> String {
    // Files without a mark are little-endian.
    let is_little = !name.contains("be.o");
    let bytes = program.insns.chunks_exact(8).map(|c| c.try_into().expect("8 bytes"));
    let insns: Vec<Insn> = bytes.map(|c| Insn::from_bytes(c, is_little)).collect();
    let start = CLEANUP as i64 + i64::from(insns[CLEANUP - 1].off);
    let symbolic = |(at, insn): (usize, &Insn)| {
        let is_check = insn.code == BPF_JMP | BPF_JSLT | BPF_K && insn.imm == 0;
        let is_back = is_check && at as i64 + 1 + i64::from(insn.off) == CLEANUP as i64;
        let insn = if is_back { Insn { off: 0, ..*insn } } else { *insn };
        insn.to_bytes(is_little)
    };
    let rest: Vec<u8> = insns.iter().enumerate().skip(start as usize).flat_map(symbolic).collect();
    let data = &program.data;
    format!("{name} {} {:016x} {} {:016x}", data.len(), fnv1a(data), rest.len() / 8, fnv1a(&rest))
}

/// Objects whose loader programs differ from libbpf's, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("kfuncs.o", "libbpf looks for names with the `___` suffix, which no kernel has"),
    (
        "maps_in_maps.o",
        "inner maps are put in when all maps are there; a missing template is not read off the stack",
    ),
];

#[test]
fn loader_programs_are_those_of_libbpf() {
    let golden = std::fs::read_to_string(testkit::testdata("loader/libbpf.txt")).expect("libbpf.txt");
    let mut seen = 0;
    for expect in golden.lines() {
        let name = expect.split(' ').next().expect("a name");
        let program = generate(&object(name), GenHash::None).unwrap_or_else(|e| panic!("{name}: {e:#}"));
        let reason = DIFFERENT.iter().find(|(n, _)| *n == name);
        let ours = line(name, &program);
        match reason {
            None => assert_eq!(ours, expect),
            Some((_, why)) => assert_ne!(ours, expect, "no longer different: {why}"),
        }
        seen += 1;
    }
    assert!(seen > 50, "{seen} objects");
}

/// Objects that have no loader program, and what is said of it.
const REFUSED: &[(&str, &str)] = &[
    ("arena.o", "map `arena`: a loader program cannot have variables in an arena"),
    ("maps_all_types.o", "map `struct_ops`: a loader program cannot have struct_ops maps"),
    ("maps_every_key.o", "map `typed`: a loader program cannot have pinned maps"),
    ("struct_ops.o", "a loader program cannot have struct_ops maps"),
    ("sec_names.o", "a loader program cannot name the module of a pattern"),
];

#[test]
fn what_needs_a_kernel_that_is_there_is_refused_with_a_reason() {
    for (name, why) in REFUSED {
        let error = generate(&object(name), GenHash::None).expect_err(name);
        assert!(error.to_string().contains(why), "{name}: {error}");
        assert_eq!(error.errno(), Errno::EOPNOTSUPP, "{name}");
    }
    let custom =
        ObjectBuilder::new().kernel(Kernel::new(Scripted::new())).open_file(object("sec_names_bare.o"));
    let error = custom.and_then(|o| o.gen_loader(GenHash::None)).expect_err("no target");
    assert!(error.to_string().contains("nothing says what it attaches to"), "{error}");
}

#[test]
fn programs_do_not_depend_on_how_often_they_are_made() {
    for name in ["opensnoop.bpf.o", "core_relos.be.o"] {
        let make = || generate(&object(name), GenHash::ByProgram).expect(name);
        assert_eq!(make(), make());
    }
}

#[test]
fn a_hash_takes_the_runners_choices_away() {
    let path = object("data_sections.o");
    let [free, attested, compared] = [GenHash::None, GenHash::ByKernel, GenHash::ByProgram]
        .map(|hash| generate(&path, hash).expect("a program"));
    assert_eq!(free.data, attested.data);
    assert_eq!(free.data, compared.data);
    // 5 instructions a map for its size, 9 a data map for its contents; 33 to compare the hash and who may use the map.
    let count = |p: &LoaderProgram| p.insns.len() / 8;
    let (maps, data_maps) = (free.maps.len(), free.maps.iter().filter(|name| name.contains('.')).count());
    assert_eq!(count(&free) - count(&attested), 5 * maps + 10 * data_maps);
    assert_eq!(count(&compared) - count(&attested), 33);
    let hash = compared.data_hash();
    let words = hash.chunks_exact(4);
    let found = words.filter(|w| compared.insns.windows(4).any(|have| have == *w)).count();
    assert_eq!(found, 8, "the program has the hash of its data");
}

fn exit() -> [Insn; 2] {
    [Insn::new(0xb7, 0, 0, 0, 0), Insn::new(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)]
}

fn recorder() -> (Arc<LoaderGen>, Kernel) {
    let recorder = Arc::new(LoaderGen::new(GenOptions::default(), None));
    (recorder.clone(), Kernel::from_arc(recorder))
}

fn socket_filter<'a>(name: &'a str, insns: &'a [Insn]) -> ProgLoad<'a> {
    ProgLoad {
        prog_type: ProgType::SOCKET_FILTER,
        license: "GPL",
        prog_name: name,
        insns,
        ..ProgLoad::default()
    }
}

fn array<'a>(name: &'a str) -> MapCreate<'a> {
    MapCreate {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 2,
        map_name: name,
        ..MapCreate::default()
    }
}

#[test]
fn more_programs_or_maps_than_there_is_room_for_are_an_error() {
    let (made, kernel) = recorder();
    let insns = exit();
    let loads = || kernel.prog_load(socket_filter("p", &insns)).0.expect("kept");
    (0..126).for_each(|_| drop(loads()));
    assert_eq!(made.finish().map(|p| p.programs.len()), Ok(126));
    loads();
    assert_eq!(made.finish(), Err(GenError::TooManyPrograms { count: 127, max: 126 }));
    let (made, kernel) = recorder();
    (0..2047).for_each(|_| drop(kernel.map_create(array("m")).expect("kept")));
    assert_eq!(made.finish(), Err(GenError::TooManyMaps { count: 2047, max: 2046 }));
}

#[test]
fn handles_of_another_kernel_are_refused() {
    let (_made, kernel) = recorder();
    let other = Kernel::new(Scripted::new());
    let foreign = other.map_create(array("m")).expect("a map");
    let outer = MapCreate { map_type: MapType::ARRAY_OF_MAPS, inner_map: Some(&foreign), ..array("outer") };
    assert_eq!(kernel.map_create(outer).err(), Some(Errno::EBADF));
    assert_eq!(kernel.map_update_elem(&foreign, &[0; 4], &[0; 8], 0), Err(Errno::EBADF));
    assert_eq!(kernel.map_freeze(&foreign), Err(Errno::EBADF));
}

// What kernels make of it.

macro_rules! need {
    ($major:literal, $minor:literal) => {
        let _alone = alone();
        if !testkit::require_bpf() || !testkit::require_kernel($major, $minor) {
            return;
        }
    };
}

/// Held by tests that open BPF objects, so that these can be counted.
static KERNEL: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    KERNEL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Descriptors of BPF objects that this process has.
fn open_descriptors() -> usize {
    let entries = std::fs::read_dir("/proc/self/fd").expect("/proc");
    let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let is_bpf = |link: &PathBuf| {
        let link = link.to_string_lossy();
        link.starts_with("anon_inode:bpf") || link == "anon_inode:btf"
    };
    links.filter(is_bpf).count()
}

/// What a kernel tells of a map, except for its id and addresses.
fn map_facts(map: &OwnedMap) -> String {
    let i = map.info().expect("info");
    let first = match (i.r#type, i.value_size) {
        // What it starts with.
        (MapType::ARRAY, 1..=65536) if i.max_entries == 1 => map.lookup(&[0; 4], UpdateFlags::default()),
        _ => Ok(None),
    };
    let first = first.expect("a value").map(|v| fnv1a(&v));
    format!(
        "{} {} {} {} {} {:x} {:x} {} {} {first:x?}",
        map.name(),
        i.r#type,
        i.key_size,
        i.value_size,
        i.max_entries,
        i.map_flags,
        i.map_extra,
        i.btf_key_type_id,
        i.btf_value_type_id
    )
}

fn prog_info(kernel: &Kernel, prog: &ProgFd) -> ProgInfo {
    let mut info = ProgInfo::default();
    let request = GetInfo { object: prog, info: info.as_mut_bytes(), buffers: InfoBuffers::None };
    kernel.get_info(request).expect("info");
    info
}

/// A hash of a program's instructions as the verifier left them, without the ids of maps.
fn hash_of_insns(kernel: &Kernel, prog: &ProgFd) -> u64 {
    let mut bytes = vec![0; prog_info(kernel, prog).xlated_prog_len as usize];
    let mut info = ProgInfo::default();
    let buffers = InfoBuffers::Prog {
        xlated_insns: &mut bytes,
        jited_insns: &mut [],
        map_ids: &mut [],
        jited_ksyms: &mut [],
        jited_func_lens: &mut [],
        func_info: &mut [],
        line_info: &mut [],
        jited_line_info: &mut [],
        prog_tags: &mut [],
    };
    kernel.get_info(GetInfo { object: prog, info: info.as_mut_bytes(), buffers }).expect("instructions");
    let is_little = cfg!(target_endian = "little");
    let insns = bytes.chunks_exact(8).map(|c| Insn::from_bytes(c.try_into().expect("8 bytes"), is_little));
    let without_map = |insn: Insn| match insn.is_ld_imm64() && matches!(insn.src(), 1 | 2) {
        true => Insn { imm: 0, ..insn },
        false => insn,
    };
    fnv1a(&insns.flat_map(|insn| without_map(insn).to_bytes(is_little)).collect::<Vec<_>>())
}

/// What a kernel tells of a program.
fn prog_facts(kernel: &Kernel, name: &str, prog: &ProgFd) -> String {
    let i = prog_info(kernel, prog);
    format!(
        "{name} {} {:016x} {} {} {} {}",
        i.r#type,
        hash_of_insns(kernel, prog),
        i.xlated_prog_len,
        i.nr_func_info,
        i.nr_line_info,
        i.attach_btf_id
    )
}

fn facts_of(kernel: &Kernel, loaded: &Loaded) -> Vec<String> {
    let maps = loaded.maps().iter().map(map_facts);
    let progs = loaded.programs().iter().map(|(name, fd)| prog_facts(kernel, name, fd));
    maps.chain(progs).collect()
}

/// Objects whose maps and programs differ from those of a direct load, and why.
const LOADED_DIFFERENT: &[(&str, &str)] = &[(
    "jump_tables.o",
    "the tables are maps that the runner gets too, and what is loaded of them are addresses",
)];

/// Objects that the running kernel loads, and their loader programs do not, and why.
const ONLY_DIRECT: &[(&str, &str)] = &[
    ("plain.gcc.o", "BTF of gcc that the kernel refuses is left out of a direct load"),
    ("ksyms_typed.o", "addresses in the kernel"),
];

#[test]
fn kernels_end_with_what_a_direct_load_ends_with() {
    need!(5, 17);
    let kernel = oxbpf::kernel();
    let mut same = 0;
    for name in objects() {
        let Ok(program) = generate(&object(&name), GenHash::None) else { continue };
        let before = open_descriptors();
        let direct = ObjectBuilder::new().open_file(object(&name)).and_then(|o| o.load());
        let ran = Loader::new(&kernel, &program).run();
        match (&direct, &ran) {
            (Ok(direct), Ok(ran)) => {
                let maps = direct.maps().map(|m| map_facts(&m));
                let progs = direct.programs().filter(|p| p.is_loaded());
                let progs = progs.map(|p| prog_facts(&kernel, p.name(), p.fd().expect("loaded")));
                let expect: Vec<String> = maps.chain(progs).collect();
                let facts = facts_of(&kernel, ran);
                match LOADED_DIFFERENT.iter().find(|(n, _)| *n == name) {
                    None => assert_eq!(facts, expect, "{name}"),
                    Some((_, why)) => assert_ne!(facts, expect, "{name}: no longer different: {why}"),
                }
                same += 1;
            }
            (Err(_), Err(_)) => {}
            (Ok(_), Err(e)) => {
                assert!(
                    ONLY_DIRECT.iter().any(|(n, _)| *n == name),
                    "{name}: only a direct load works: {e:#}"
                );
            }
            (Err(e), Ok(_)) => panic!("{name}: only the loader program works: {e:#}"),
        }
        drop((direct, ran));
        assert_eq!(open_descriptors(), before, "{name}: descriptors are left open");
    }
    assert!(same > 20, "{same} objects");
}

#[test]
fn the_runner_chooses_sizes_and_contents_unless_there_is_a_hash() {
    need!(5, 14);
    let kernel = oxbpf::kernel();
    let hashes: &[GenHash] = match testkit::require_kernel(6, 18) {
        true => &[GenHash::None, GenHash::ByKernel],
        false => &[GenHash::None],
    };
    for gen_hash in hashes {
        let program = generate(&object("maps_only.o"), *gen_hash).expect("a program");
        let sized = MapInput { max_entries: Some(77), initial_value: None };
        let ran = Loader::new(&kernel, &program).map(0, sized).and_then(Loader::run).expect("it runs");
        assert_eq!(ran.maps()[0].max_entries() == 77, *gen_hash == GenHash::None, "{gen_hash:?}");

        let program = generate(&object("data_sections.o"), *gen_hash).expect("a program");
        let direct = Loader::new(&kernel, &program).run().expect("it runs");
        let at = program.maps.iter().position(|name| name.ends_with(".rodata")).expect("a data map");
        let first = |ran: &Loaded| {
            ran.maps()[at].lookup(&[0; 4], UpdateFlags::default()).expect("read").expect("a value")
        };
        let mut value = first(&direct);
        value[0] ^= 0xff;
        let chosen = MapInput { max_entries: None, initial_value: Some(&value) };
        let ran = Loader::new(&kernel, &program).map(at, chosen).and_then(Loader::run).expect("it runs");
        assert_eq!(first(&ran) == value, *gen_hash == GenHash::None, "{gen_hash:?}");
    }
    let program = generate(&object("maps_only.o"), GenHash::None).expect("a program");
    let error = Loader::new(&kernel, &program).map(2, MapInput::default()).expect_err("two maps");
    assert!(error.to_string().contains("it creates 2 maps"), "{error}");
}

#[test]
fn programs_and_maps_are_put_into_the_maps_that_declare_them() {
    need!(5, 17);
    let kernel = oxbpf::kernel();
    let program = generate(&object("dispatch.bpf.o"), GenHash::None).expect("a program");
    let ran = Loader::new(&kernel, &program).run().expect("it runs");
    let slots = ran.maps().iter().find(|m| m.map_type() == MapType::PROG_ARRAY).expect("a program array");
    let ids: Vec<_> = ran.programs().iter().map(|(_, fd)| prog_info(&kernel, fd).id).collect();
    let found: Vec<u32> = (0..slots.max_entries())
        .filter_map(|i| slots.lookup(&i.to_ne_bytes(), UpdateFlags::default()).expect("read"))
        .map(|v| u32::from_ne_bytes(v[..4].try_into().expect("an id")))
        .collect();
    assert!(!found.is_empty() && found.iter().all(|id| ids.contains(id)), "{found:?} of {ids:?}");

    let (made, recorder) = recorder();
    let inner = recorder.map_create(array("inner")).expect("kept");
    let template = recorder.map_create(array("template")).expect("kept");
    let outer = MapCreate {
        map_type: MapType::ARRAY_OF_MAPS,
        value_size: 4,
        inner_map: Some(&template),
        ..array("outer")
    };
    let outer = recorder.map_create(outer).expect("kept");
    recorder.map_update_elem(&outer, &1u32.to_ne_bytes(), &inner.number().to_ne_bytes(), 0).expect("kept");
    let program = made.finish().expect("a program");
    assert_eq!(program.maps, ["inner", "outer"]);
    let ran = Loader::new(&kernel, &program).run().expect("it runs");
    let id = ran.maps()[1].lookup(&1u32.to_ne_bytes(), UpdateFlags::default()).expect("read").expect("a map");
    assert_eq!(id, ran.maps()[0].info().expect("info").id.to_ne_bytes());
}

#[test]
fn cleaning_up_is_reached_from_afar() {
    need!(5, 14);
    let before = open_descriptors();
    for (name_of_last, expect) in [("last", None), ("no/name", Some(Errno::EINVAL))] {
        let (made, kernel) = recorder();
        (0..899).for_each(|_| drop(kernel.map_create(array("m")).expect("kept")));
        let insns = exit();
        kernel.prog_load(socket_filter("p", &insns)).0.expect("kept");
        kernel.map_create(array(name_of_last)).expect("kept");
        let program = made.finish().expect("a program");
        assert!(program.insns.len() / 8 > 30_000 / 2, "{}", program.insns.len() / 8);
        let kernel = oxbpf::kernel();
        let ran = Loader::new(&kernel, &program).run();
        match expect {
            None => assert_eq!(ran.expect("it runs").maps().len(), 900),
            Some(errno) => assert_eq!(ran.expect_err("a bad name").errno(), errno),
        }
        assert_eq!(open_descriptors(), before, "{name_of_last}");
    }
}

#[test]
fn the_log_of_a_refused_program_is_in_the_error() {
    need!(5, 14);
    let before = open_descriptors();
    let (made, kernel) = recorder();
    kernel.map_create(array("m")).expect("kept");
    // Reads a register that was never set.
    let insns = [Insn::new(0xbf, 0, 3, 0, 0), Insn::new(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)];
    kernel.prog_load(socket_filter("p", &insns)).0.expect("kept");
    let program = made.finish().expect("a program");
    let error = Loader::new(&oxbpf::kernel(), &program).run().expect_err("refused");
    assert!(error.to_string().contains("program `p`: BPF_PROG_LOAD: EACCES: R3 !read_ok"), "{error}");
    assert_eq!(open_descriptors(), before);
}

#[test]
fn data_that_were_changed_are_refused_by_the_program() {
    need!(6, 18);
    let kernel = oxbpf::kernel();
    let program = generate(&object("data_sections.o"), GenHash::ByProgram).expect("a program");
    Loader::new(&kernel, &program).run().expect("it runs");
    let mut changed = program.clone();
    // A place for a module's descriptor, which this object has no use for.
    changed.data[1000] ^= 1;
    let error = Loader::new(&kernel, &changed).run().expect_err("refused");
    assert_eq!(error.errno(), Errno::EINVAL);
    assert!(error.to_string().contains("data are not those that it was generated with"), "{error}");
}

#[cfg(feature = "sign")]
mod signed {
    use super::*;
    use oxbpf::loader::{SESSION_KEYRING, Signature, Signer, hash_verifier};

    fn signer() -> Signer {
        let read = |name: &str| std::fs::read(testkit::testdata("sign").join(name)).expect(name);
        let key = String::from_utf8(read("key.pem")).expect("text");
        Signer::new(&key, &read("cert.der")).expect("a signer")
    }

    #[test]
    fn a_signed_program_runs_and_a_changed_one_does_not() {
        need!(6, 18);
        let kernel = oxbpf::kernel();
        let signer = signer();
        if let Err(e) = oxbpf_sys::add_certificate(c"oxbpf test", signer.certificate(), SESSION_KEYRING) {
            testkit::skip!("no certificates in keyrings: {e}");
        }
        let path = object("data_sections.o");
        let way = hash_verifier(&kernel).expect("BTF");
        let program = generate(&path, way).expect("a program");
        let bytes = signer.sign(&program).expect("a signature");
        let run = |program: &LoaderProgram, bytes: &[u8], keyring_id| {
            let before = open_descriptors();
            let ran = Loader::new(&kernel, program).signature(Signature { bytes, keyring_id }).run();
            let result = ran.map(|ran| ran.maps().len());
            assert_eq!(open_descriptors(), before);
            result
        };
        match run(&program, &bytes, SESSION_KEYRING) {
            Ok(maps) => assert_eq!(maps, program.maps.len()),
            Err(e) if e.errno() == Errno::EOPNOTSUPP => testkit::skip!("{e}"),
            Err(e) => panic!("{e:#}"),
        }

        let refused = |program: &LoaderProgram, bytes: &[u8], keyring| {
            let error = run(program, bytes, keyring).expect_err("refused");
            (error.errno(), error.to_string())
        };
        let mut changed = program.clone();
        // The last instruction but one: what the program returns.
        let at = changed.insns.len() - 12;
        changed.insns[at] ^= 1;
        let (errno, text) = refused(&changed, &bytes, SESSION_KEYRING);
        assert_eq!(errno, Errno::EKEYREJECTED);
        assert!(text.contains("the signature does not hold for this program"), "{text}");

        let mut changed = program.clone();
        changed.data[1000] ^= 1;
        let (errno, _) = refused(&changed, &bytes, SESSION_KEYRING);
        let expect = if way == GenHash::ByProgram { Errno::EINVAL } else { Errno::EKEYREJECTED };
        assert_eq!(errno, expect);

        let mut changed = bytes.clone();
        *changed.last_mut().expect("bytes") ^= 1;
        assert_eq!(refused(&program, &changed, SESSION_KEYRING).0, Errno::EKEYREJECTED);
        let (errno, text) = refused(&program, &bytes[..100], SESSION_KEYRING);
        assert_eq!(errno, Errno::EBADMSG);
        assert!(text.contains("the signature is not PKCS#7 in DER"), "{text}");
        // The system's own keys.
        let (errno, text) = refused(&program, &bytes, 0);
        assert_eq!(errno, Errno::ENOKEY);
        assert!(text.contains("the keyring has no key for the signature"), "{text}");
    }
}
