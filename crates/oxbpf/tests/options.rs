//! What a caller changes before a load, and what the kernel is asked then.

#[allow(dead_code, reason = "other tests use the rest")]
mod fake;

use std::sync::{Arc, Mutex};

use fake::{Fake, object};
use oxbpf::SecHandler;
use oxbpf_btf::Type;
use oxbpf_kernel::{Command, MapFd};
use oxbpf_object::MapOrigin;
use oxbpf_uapi::{AttachType, Errno, ProgType};

const DATA: &str = "testdata/objects/data_sections.o";
const PLAIN: &str = "testdata/objects/plain.o";

#[test]
fn section_grows_with_its_last_array() {
    let fake = Fake::new();
    let mut open = fake.builder().open_file(object("testdata/objects/data_bss_only.o")).unwrap();
    let before = open.map_mut(".bss").unwrap().spec().clone();
    let last = open.globals().into_iter().filter(|g| g.section == ".bss").max_by_key(|g| g.offset).unwrap();
    let btf = open.btf().unwrap();
    let Type::Array { elem, .. } = btf.resolve_ref(last.type_id).unwrap().view() else {
        panic!("{} is no array", last.name)
    };
    let elem = btf.size_of(elem).unwrap();
    let size = before.value_size + 3 * elem;
    open.map_mut(".bss").unwrap().set_value_size(size);
    let after = open.map_mut(".bss").unwrap().spec().clone();
    assert_eq!((after.value_size, after.data.len()), (size, size as usize));
    assert_eq!(after.btf_value_type_id, before.btf_value_type_id);
    let grown = open.global(&last.name).unwrap();
    assert_eq!(grown.size, size - last.offset);
    let btf = open.btf().unwrap();
    assert_eq!(btf.size_of(grown.type_id).unwrap(), grown.size);
    assert_eq!(btf.get(after.btf_value_type_id).unwrap().size(), size);
    // A size that no whole number of elements fills leaves the types out.
    open.map_mut(".bss").unwrap().set_value_size(size + elem - 1);
    let odd = open.map_mut(".bss").unwrap().spec().clone();
    assert!(odd.btf_value_type_id.is_void() == (elem > 1));
}

#[test]
fn initial_values_have_the_size_of_their_section() {
    let fake = Fake::new();
    let mut open = fake.builder().open_file(object(DATA)).unwrap();
    let mut data = open.map_mut(".data").unwrap();
    let bytes: Vec<u8> = data.initial_value().iter().map(|b| b ^ 1).collect();
    data.set_initial_value(&bytes).unwrap();
    assert_eq!(data.initial_value(), bytes);
    assert_eq!(data.set_initial_value(&bytes[1..]).unwrap_err().errno(), Errno::EINVAL);
    let mut open = fake.builder().open_file(object("testdata/objects/arena.o")).unwrap();
    let mut arena = open.map_mut("arena").unwrap();
    let bytes = vec![7; arena.initial_value().len()];
    arena.set_initial_value(&bytes).unwrap();
    assert_eq!(open.global_bytes("shared_number").unwrap(), [7; 4]);
    let mut open = fake.builder().open_file(object("testdata/objects/kconfig.o")).unwrap();
    let mut kconfig = open.map_mut(".kconfig").unwrap();
    assert_eq!(kconfig.spec().origin, MapOrigin::Kconfig);
    let bytes = kconfig.initial_value().to_vec();
    assert!(kconfig.set_initial_value(&bytes).is_err(), "the kernel's configuration is not the caller's");
}

#[test]
fn offloaded_map_says_its_interface() {
    let fake = Fake::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    fake.refuse(move |cmd| {
        if let Command::MapCreate(req) = cmd {
            log.lock().unwrap().push((req.map_name.to_owned(), req.map_ifindex));
        }
        None
    });
    let mut open = fake.builder().open_file(object(PLAIN)).unwrap();
    open.map_mut("counts").unwrap().set_ifindex(3);
    open.load().unwrap();
    assert!(seen.lock().unwrap().contains(&("counts".to_owned(), 3)), "{seen:?}");
}

#[test]
fn map_of_maps_takes_another_template_once() {
    let fake = Fake::new();
    let kernel = oxbpf::Kernel::new(fake.clone());
    let inner = || {
        let request = oxbpf_kernel::MapCreate {
            map_type: oxbpf_uapi::MapType::ARRAY,
            key_size: 4,
            value_size: 4,
            max_entries: 1,
            map_name: "template",
            ..Default::default()
        };
        MapFd((*kernel.map_create(request).unwrap()).clone())
    };
    let mut open = fake.builder().open_file(object("testdata/objects/maps_in_maps.o")).unwrap();
    let outer = open.spec().maps.iter().find(|m| m.inner.is_some()).unwrap().name.clone();
    let fd = inner();
    let number = fd.number();
    open.map_mut(&outer).unwrap().set_inner_map_fd(fd).unwrap();
    assert!(open.map_mut(&outer).unwrap().set_inner_map_fd(inner()).is_err());
    let name = outer.clone();
    fake.refuse(move |cmd| {
        if let Command::MapCreate(req) = cmd {
            if req.map_name == name {
                assert_eq!(req.inner_map.map(MapFd::number), Some(number));
            }
        }
        None
    });
    open.load().unwrap();
    let mut open = fake.builder().open_file(object(PLAIN)).unwrap();
    assert!(open.map_mut("counts").unwrap().set_inner_map_fd(inner()).is_err());
}

#[test]
fn program_is_loaded_again_with_other_options() {
    let fake = Fake::new();
    let loaded = fake.builder().open_file(object(PLAIN)).unwrap().load().unwrap();
    let program = loaded.program("count").unwrap();
    let before = fake.asked_for("PROG_LOAD").len();
    let live = fake.live();
    let copy = program.load_copy(|load| load.prog_name = "copy").unwrap();
    assert_eq!(fake.asked_for("PROG_LOAD").len(), before + 1);
    assert_eq!(fake.0.programs.lock().unwrap()["copy"], program.insns());
    assert_eq!(fake.live(), live + 1);
    drop(copy);
    assert_eq!(fake.live(), live);
}

#[test]
fn relocated_instructions_can_be_replaced() {
    let fake = Fake::new();
    let mut prepared = fake.builder().open_file(object(PLAIN)).unwrap().prepare().unwrap();
    let mut insns = prepared.program("count").unwrap().insns().to_vec();
    let last = insns.len() - 1;
    insns.insert(last, oxbpf_uapi::Insn::new(0xb7, 0, 0, 0, 7));
    prepared.set_insns("count", &insns).unwrap();
    assert!(prepared.set_insns("count", &[]).is_err());
    assert!(prepared.set_insns("cuont", &insns).unwrap_err().to_string().contains("count"));
    prepared.load().unwrap();
    assert_eq!(fake.0.programs.lock().unwrap()["count"], insns);
}

#[test]
fn token_goes_with_every_request_that_takes_one() {
    let fake = Fake::new().with_bpffs();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    fake.refuse(move |cmd| {
        let token = match cmd {
            Command::MapCreate(req) => req.token.is_some(),
            Command::BtfLoad(req) => req.token.is_some(),
            Command::ProgLoad(req) => req.token.is_some(),
            _ => return None,
        };
        log.lock().unwrap().push((cmd.cmd(), token));
        None
    });
    let builder = fake.builder().bpf_token_path("/delegated");
    let loaded = builder.open_file(object(PLAIN)).unwrap().load().unwrap();
    assert!(seen.lock().unwrap().len() >= 4);
    assert!(seen.lock().unwrap().iter().all(|(_, token)| *token), "{seen:?}");
    drop(loaded);
    assert_eq!(fake.live(), 0);
    // Features are found out for the token, not for who has none.
    seen.lock().unwrap().clear();
    fake.builder().bpf_token_path("").open_file(object(PLAIN)).unwrap().load().unwrap();
    assert!(seen.lock().unwrap().iter().all(|(_, token)| !*token), "{seen:?}");
}

#[test]
fn handlers_of_sections_decide_in_their_order() {
    let unknown = "testdata/objects/bad_section_unknown.o";
    let fake = Fake::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let handler = |name: &'static str, handler: SecHandler| {
        let (at_setup, at_load, at_attach) = (seen.clone(), seen.clone(), seen.clone());
        handler
            .setup(move |program| {
                at_setup.lock().unwrap().push(format!("{name}: setup {}", program.name()));
                program.set_flags(8);
                Ok(())
            })
            .prepare(move |spec, load| {
                at_load.lock().unwrap().push(format!("{name}: load {} {}", spec.sec_name, load.prog_flags));
                load.kern_version = 7;
                Ok(())
            })
            .attach(move |program| {
                at_attach.lock().unwrap().push(format!("{name}: attach {:?}", program.extra()));
                Ok(None)
            })
    };
    let section = fake.builder().open_file(object(unknown)).unwrap().spec().programs[0].sec_name.clone();
    let head = section.split('/').next().unwrap().to_owned();
    let fallback = handler("fallback", SecHandler::fallback(ProgType::XDP, AttachType::XDP));
    let prefix = handler("prefix", SecHandler::new(&format!("{head}+"), ProgType::XDP, AttachType::XDP));
    let exact = handler("exact", SecHandler::new(&section, ProgType::TRACEPOINT, AttachType::default()));
    let none = SecHandler::new("nobody+", ProgType::XDP, AttachType::XDP);
    let run = |handlers: Vec<SecHandler>| {
        seen.lock().unwrap().clear();
        let builder = handlers.into_iter().fold(fake.builder(), |b, h| b.sec_handler(h));
        let loaded = builder.open_file(object(unknown)).unwrap().load().unwrap();
        assert!(loaded.attach().unwrap().is_empty());
        let program = loaded.programs().next().unwrap();
        assert_eq!(program.attach().unwrap_err().errno(), Errno::EOPNOTSUPP);
        let by: Vec<String> =
            seen.lock().unwrap().iter().map(|l| l.split(':').next().unwrap().to_owned()).collect();
        assert_eq!(by.len(), 4, "{by:?}");
        (by[0].clone(), program.prog_type())
    };
    assert_eq!(run(vec![fallback.clone()]), ("fallback".to_owned(), ProgType::XDP));
    assert_eq!(run(vec![fallback.clone(), none, prefix.clone()]), ("prefix".to_owned(), ProgType::XDP));
    assert_eq!(run(vec![exact, prefix]), ("exact".to_owned(), ProgType::TRACEPOINT));
    // A name of the library's own table is not for a fallback, but for a handler that matches it.
    let hello = "examples/hello.bpf.o";
    let open = fake.builder().sec_handler(fallback).open_file(object(hello)).unwrap();
    assert_eq!(open.spec().programs[0].prog_type, ProgType::TRACEPOINT);
    let taken = SecHandler::new("tp+", ProgType::KPROBE, AttachType::default());
    let open = fake.builder().sec_handler(taken).open_file(object(hello)).unwrap();
    assert_eq!(open.spec().programs[0].prog_type, ProgType::KPROBE);
    // Setting up may refuse.
    let refuses = SecHandler::new("tp+", ProgType::KPROBE, AttachType::default()).setup(|program| {
        program.set_autoload(false).spec().code.name.parse::<u32>().map(drop).map_err(|_| refusal())
    });
    let error = fake.builder().sec_handler(refuses).open_file(object(hello)).unwrap_err();
    assert!(error.to_string().contains("hello.bpf.o: program `"), "{error}");
}

/// An error of some sort.
fn refusal() -> oxbpf::Error {
    let fake = Fake::new();
    fake.builder().open_file(object("no/such/file")).unwrap_err()
}

#[test]
fn missing_kernel_function_comes_with_a_near_miss() {
    let fake = Fake::new();
    let path = object("testdata/objects/kfuncs.o");
    let open = fake.builder().open_file(&path).unwrap();
    let name = open.spec().externs.iter().find(|e| !e.is_weak).unwrap().name.clone();
    let mut types = oxbpf_btf::BtfBuilder::new();
    let proto = types.add_func_proto(oxbpf_btf::TypeId::VOID).unwrap();
    types.add_func(&format!("{name}x"), oxbpf_btf::FuncLinkage::STATIC, proto).unwrap();
    fake.fact(oxbpf_kernel::Fact::VmlinuxBtf, types.to_bytes().unwrap());
    let error = open.load().unwrap_err();
    assert_eq!(error.errno(), Errno::EINVAL);
    assert!(error.to_string().contains(&format!("extern `{name}`")), "{error}");
    assert!(error.hint().starts_with(&format!("did you mean `{name}x`?")), "{}", error.hint());
}
