//! User ring buffers on the running kernel: what is written here, a program drains there.
#![cfg(feature = "linux")]

use std::sync::Mutex;
use std::time::Duration;

use oxbpf::buffer::{RingBuffer, UserRingBuffer};
use oxbpf::{ErrorKind, Object, ObjectBuilder, OwnedMap};
use oxbpf_kernel::MapCreate;
use oxbpf_uapi::{Errno, MapType};

/// The object with the ring; `None`, with the reason told, where the kernel has no such maps.
fn object() -> Option<Object> {
    if !testkit::require_bpf() {
        return None;
    }
    let request = MapCreate { map_type: MapType::USER_RINGBUF, max_entries: 4096, ..Default::default() };
    if let Err(e) = oxbpf::kernel().map_create(request) {
        assert_eq!(e, Errno::EINVAL);
        testkit::skip_this("the kernel has no user ring buffers: Linux 6.1");
        return None;
    }
    let path = testkit::root().join("testdata/objects/user_ring.o");
    Some(ObjectBuilder::new().open_file(path).unwrap().load().unwrap())
}

/// Runs the program that drains the user ring; answers how many samples it took.
fn drain(object: &Object) -> i32 {
    let run = object.program("drain").unwrap().test_run(|_| {}).unwrap();
    run.retval as i32
}

#[test]
fn a_program_drains_what_a_user_ring_was_given_in_order() {
    let Some(object) = object() else { return };
    let replies = Mutex::new(Vec::new());
    let mut echo = RingBuffer::builder(object.kernel())
        .add(object.map("replies").unwrap().fd(), |sample| {
            replies.lock().unwrap().push(u64::from_ne_bytes(sample.try_into().unwrap()));
        })
        .and_then(|builder| builder.build())
        .unwrap();
    let ring = UserRingBuffer::new(object.kernel(), object.map("requests").unwrap().fd()).unwrap();
    assert_eq!(ring.size(), 4096);
    assert_eq!(drain(&object), 0);
    // 16 bytes a sample: ten times round the ring.
    for round in 0..16u64 {
        for i in 0..200 {
            let number = 1000 + round * 200 + i;
            ring.send(&number).unwrap();
        }
        assert_eq!(drain(&object), 200);
        echo.consume().unwrap();
    }
    drop(echo);
    assert_eq!(replies.into_inner().unwrap(), (1000..1000 + 16 * 200).collect::<Vec<_>>());
}

#[test]
fn samples_that_are_dropped_or_held_are_not_drained() {
    let Some(object) = object() else { return };
    let ring = UserRingBuffer::new(object.kernel(), object.map("requests").unwrap().fd()).unwrap();
    let (one, mut two, three) =
        (ring.reserve(8).unwrap(), ring.reserve(8).unwrap(), ring.reserve(8).unwrap());
    two.write(0, &2u64.to_ne_bytes()).unwrap();
    let error = two.write(1, &[0; 8]).expect_err("it has 8 bytes");
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    two.submit();
    drop(three);
    assert_eq!(drain(&object), 0, "the first one is neither submitted nor discarded");
    one.discard();
    assert_eq!(drain(&object), 1);
    assert_eq!(object.global_bytes("sum").unwrap(), 2u64.to_ne_bytes());
    // The sample 99 ends a drain, and is taken.
    for number in [1u64, 99, 5] {
        ring.send(&number).unwrap();
    }
    assert_eq!((drain(&object), drain(&object)), (2, 1));
}

#[test]
fn a_full_user_ring_says_so_and_waits_for_the_program() {
    let Some(object) = object() else { return };
    let ring = UserRingBuffer::new(object.kernel(), object.map("requests").unwrap().fd()).unwrap();
    assert_eq!(ring.reserve(4089).expect_err("header and sample do not fit").errno(), Errno::E2BIG);
    for _ in 0..128 {
        ring.reserve(24).unwrap().submit();
    }
    assert_eq!(ring.reserve(8).expect_err("full").errno(), Errno::ENOSPC);
    let error = ring.reserve_blocking(8, Some(Duration::from_millis(1))).expect_err("nobody drains");
    assert_eq!(error.errno(), Errno::ENOSPC);
    assert!(error.to_string().starts_with("map `requests`: no room for a sample of 8 bytes"), "{error}");
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(drain(&object), 128));
        // More than what a single drained sample would leave.
        ring.reserve_blocking(1000, None).unwrap().submit();
    });
    assert_eq!(drain(&object), 1);
}

#[test]
fn user_rings_are_made_of_user_ring_maps_only() {
    if !testkit::require_bpf() {
        return;
    }
    let request = MapCreate {
        map_type: MapType::ARRAY,
        key_size: 4,
        value_size: 8,
        max_entries: 1,
        map_name: "test",
        ..Default::default()
    };
    let array = OwnedMap::create(&oxbpf::kernel(), request).unwrap();
    let error = UserRingBuffer::new(&oxbpf::kernel(), array.fd()).expect_err("an array");
    assert!(error.to_string().starts_with("map `test`: a user ring buffer reads "), "{error}");
}
