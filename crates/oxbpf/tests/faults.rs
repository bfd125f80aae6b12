//! Loads in which one request fails: each in turn, with every object of a list. Whatever fails, nothing stays open or
//! pinned.

#[allow(dead_code, reason = "other tests use the rest")]
mod fake;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fake::{Fake, object};
use oxbpf_uapi::Errno;

/// Loads with the request number `failing` refused. Gives how many requests there were, and whether the load went well.
fn load(path: &str, failing: usize, errno: Errno) -> (usize, bool) {
    let fake = Fake::new().with_struct_ops_of(path);
    let count = Arc::new(AtomicUsize::new(0));
    let counter = count.clone();
    fake.refuse(move |_| (counter.fetch_add(1, Ordering::Relaxed) == failing).then_some(errno));
    let mut open = fake.builder().open_file(object(path)).unwrap();
    let names: Vec<String> = open.maps().map(|(_, name)| name.to_owned()).collect();
    for name in names.iter().filter(|name| !name.starts_with('.')) {
        open.map_mut(name).unwrap().set_pin_path(Some(format!("/pins/{name}").into()));
    }
    let result = open.load();
    let is_loaded = result.is_ok();
    if !is_loaded {
        assert!(fake.pinned().is_empty(), "{path}: request {failing}: {:?} stay pinned", fake.pinned());
    }
    drop(result);
    // What is pinned stays open by its pin.
    let open = fake.live() - fake.pinned().len();
    assert_eq!(open, 0, "{path}: request {failing}: {open} references stay open");
    (count.load(Ordering::Relaxed), is_loaded)
}

#[track_caller]
fn check(path: &str) {
    let (requests, is_loaded) = load(path, usize::MAX, Errno::EIO);
    assert!(is_loaded, "{path}");
    for errno in [Errno::EIO, Errno::EPERM, Errno::EINVAL, Errno::ENOSPC, Errno::E2BIG] {
        for failing in 0..requests {
            load(path, failing, errno);
        }
    }
    // The first request is for BTF or a map, and a load without rights to it fails.
    assert!((0..requests).any(|failing| !load(path, failing, Errno::EPERM).1), "{path}");
}

#[test]
fn nothing_is_left_of_tracing_objects() {
    check("examples/opensnoop.bpf.o");
    check("examples/execsnoop.bpf.o");
}

#[test]
fn nothing_is_left_of_maps_and_globals() {
    check("testdata/objects/plain.o");
    check("testdata/objects/data_sections.o");
    check("testdata/objects/maps_prog_array.o");
}

#[test]
fn nothing_is_left_of_maps_of_maps() {
    check("testdata/objects/maps_in_maps.o");
}

#[test]
fn nothing_is_left_of_struct_ops() {
    check("testdata/objects/struct_ops.o");
}

#[test]
fn nothing_is_left_of_jump_tables() {
    check("testdata/objects/jump_tables.o");
}
