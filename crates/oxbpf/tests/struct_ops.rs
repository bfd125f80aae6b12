//! struct_ops in the running kernel: registered, swapped, changed before loading. Without the privilege each test says
//! why it is skipped.
#![cfg(feature = "linux")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use oxbpf::link::Link;
use oxbpf::{ErrorKind, Object, ObjectBuilder, OpenObject};
use oxbpf_kernel::{GetInfo, InfoBuffers};
use oxbpf_uapi::info::LinkInfo;
use oxbpf_uapi::{Errno, LinkType};
use zerocopy::IntoBytes;

/// Names of congestion controls are the machine's, so that tests of one name take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> Option<MutexGuard<'static, ()>> {
    testkit::require_bpf().then(|| TURN.lock().unwrap_or_else(PoisonError::into_inner))
}

fn open(name: &str) -> OpenObject {
    ObjectBuilder::new().open_file(testkit::root().join("testdata/objects").join(name)).unwrap()
}

/// Loads, or says why this kernel can't.
fn load(open: OpenObject) -> Option<Object> {
    match open.load() {
        Ok(object) => Some(object),
        // Small kernels have no congestion control that programs can be, and locked-down ones refuse.
        Err(e) if e.kind() == ErrorKind::NotFound || matches!(e.errno(), Errno::EPERM | Errno::ENOTSUPP) => {
            testkit::skip_this(format_args!("{e}"));
            None
        }
        Err(e) => panic!("{e:#}"),
    }
}

/// Loads maps that attach by links, where the kernel has such links (Linux 6.4).
fn load_links(open: OpenObject) -> Option<Object> {
    testkit::require_kernel(6, 4).then(|| load(open)).flatten()
}

fn attach(object: &Object, map: &str) -> Link {
    object.map(map).unwrap().attach_struct_ops().unwrap()
}

/// Whether the kernel offers a congestion control.
fn is_registered(name: &str) -> bool {
    let list = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control").unwrap();
    list.split_whitespace().any(|n| n == name)
}

/// Id of the map that a struct_ops link attaches.
fn map_of(link: &Link) -> u32 {
    let mut info = LinkInfo::default();
    let request =
        GetInfo { object: link.fd().unwrap(), info: info.as_mut_bytes(), buffers: InfoBuffers::None };
    oxbpf::kernel().get_info(request).unwrap();
    assert_eq!(info.r#type, LinkType::STRUCT_OPS);
    info.data[0] as u32
}

#[test]
fn callbacks_are_registered_as_long_as_their_link_lives() {
    let Some(_turn) = turn() else { return };
    let mut open = open("struct_ops_members.o");
    open.map_mut("second").unwrap().set_autocreate(false);
    let Some(object) = load_links(open) else { return };
    let loaded: Vec<_> = object.programs().filter(|p| p.is_loaded()).map(|p| p.name()).collect();
    // What only maps that are not created refer to is not loaded.
    assert_eq!(loaded, ["half", "avoid", "undo"]);
    assert!(!is_registered("oxbpf_next"));
    let link = attach(&object, "first");
    assert!(is_registered("oxbpf_next"));
    assert_eq!(map_of(&link), object.map("first").unwrap().info().unwrap().id);
    drop(link);
    assert!(!is_registered("oxbpf_next"));
}

#[test]
fn map_without_a_link_registers_until_its_link_is_dropped() {
    let Some(_turn) = turn() else { return };
    let mut open = open("struct_ops.o");
    open.map_mut("by_link").unwrap().set_autocreate(false);
    let Some(object) = load(open) else { return };
    let links = object.attach().unwrap();
    assert_eq!(links.len(), 1);
    assert!(is_registered("oxbpf_once"));
    assert!(links[0].fd().is_none());
    drop(links);
    assert!(!is_registered("oxbpf_once"));
}

#[test]
fn link_takes_another_map_of_the_same_struct() {
    let Some(_turn) = turn() else { return };
    let Some(object) = load_links(open("struct_ops_members.o")) else { return };
    let link = attach(&object, "first");
    let (first, second) = (object.map("first").unwrap(), object.map("second").unwrap());
    assert_eq!(map_of(&link), first.info().unwrap().id);
    link.update_map(&second).unwrap();
    assert_eq!(map_of(&link), second.info().unwrap().id);
    // And back, to a map whose value is set already.
    link.update_map(&first).unwrap();
    assert_eq!(map_of(&link), first.info().unwrap().id);
    assert!(is_registered("oxbpf_next"));
}

#[test]
fn members_can_be_changed_before_loading() {
    let Some(_turn) = turn() else { return };
    let mut open = open("struct_ops_members.o");
    for map in ["first", "second"] {
        open.map_mut(map).unwrap().set_autocreate(false);
    }
    let (half, third) = (open.program_mut("half").unwrap().id(), open.program_mut("third").unwrap().id());
    let mut ahead = open.map_mut("ahead").unwrap();
    ahead.set_autocreate(true);
    assert_eq!(ahead.struct_ops_member("no_such_number").unwrap(), 7i32.to_ne_bytes());
    ahead.set_struct_ops_member("no_such_number", &0i32).unwrap();
    ahead.set_struct_ops_member("name", b"oxbpf_changed\0\0\0").unwrap();
    ahead.set_struct_ops_program("no_such_callback", None).unwrap();
    ahead.set_struct_ops_program("ssthresh", Some(third)).unwrap();
    let Some(object) = load_links(open) else { return };
    let is_loaded = |name: &str| object.program(name).unwrap().is_loaded();
    assert!(is_loaded("third") && !is_loaded("half") && !is_loaded("future"));
    assert!(object.program("half").unwrap().id() == half);
    let link = attach(&object, "ahead");
    assert!(is_registered("oxbpf_changed"));
    assert!(!is_registered("oxbpf_ahead"));
    drop(link);
}

#[test]
fn what_the_kernel_lacks_is_named() {
    let Some(_turn) = turn() else { return };
    let mut object = open("struct_ops_members.o");
    object.map_mut("ahead").unwrap().set_autocreate(true);
    let error = object.load().unwrap_err();
    if error.kind() == ErrorKind::NotFound {
        testkit::skip!("{error}");
    }
    let line = error.to_string();
    assert!(line.contains("map `ahead`: member `no_such_number`: this kernel's struct"), "{line}");
}
