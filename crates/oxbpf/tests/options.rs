//! What a caller changes before a load, and what the kernel is asked then.

#[allow(dead_code, reason = "other tests use the rest")]
mod fake;

use fake::{Fake, object};
use oxbpf_btf::Type;
use oxbpf_kernel::{Command, MapFd};
use oxbpf_object::MapOrigin;
use oxbpf_uapi::Errno;

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
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
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
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
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
