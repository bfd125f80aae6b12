//! Preparing in the running kernel: jump tables, arenas, tokens. Without the privilege each test says why it is skipped.
#![cfg(feature = "linux")]

use oxbpf::{Feature, Features, Object, ObjectBuilder, OpenObject};
use oxbpf_uapi::Errno;

fn open(name: &str) -> OpenObject {
    ObjectBuilder::new().open_file(testkit::root().join("testdata/objects").join(name)).unwrap()
}

fn run(object: &Object, program: &str, context: &[u8]) -> u32 {
    object.program(program).unwrap().test_run(|run| run.ctx_in = context).unwrap().retval
}

#[test]
fn indirect_jumps_lead_where_the_switch_says() {
    if !testkit::require_bpf() || !testkit::require_kernel(7, 0) {
        return;
    }
    let object = open("jump_tables.o").load().unwrap();
    let shared = [10, 7, 99, 3, 42, 17, 28, 6];
    let own = [2, 3, 5, 7, 19, 23, 27, 9];
    for (i, (shared_value, own)) in shared.into_iter().zip(own).enumerate() {
        let context = (i as u32).to_ne_bytes();
        assert_eq!(run(&object, "jump", &context), own * 1000 + shared_value, "{i}");
        let other = 6usize.checked_sub(i).map_or(6, |other| shared[other]);
        assert_eq!(run(&object, "jump_twice", &context), shared_value * 1000 + other, "{i}");
    }
}

#[test]
fn indirect_jumps_of_an_old_kernel_say_what_they_need() {
    if !testkit::require_bpf() {
        return;
    }
    if testkit::kernel_release() >= testkit::KernelRelease::parse("6.19") {
        testkit::skip!("this kernel has them");
    }
    let error = open("jump_tables.o").load().unwrap_err();
    assert_eq!(error.errno(), Errno::EINVAL);
    assert_eq!(error.hint(), "indirect jumps need Linux 6.19 or newer");
    assert!(error.to_string().contains("map `.jumptables`: BPF_MAP_CREATE"), "{error}");
}

#[test]
fn variables_of_an_arena_are_at_its_fixed_place() {
    if !testkit::require_bpf() || !testkit::require_kernel(6, 9) {
        return;
    }
    let object = match open("arena.o").load() {
        Ok(object) => object,
        Err(e) if e.errno() == Errno::EPERM => testkit::skip!("{e}"),
        Err(e) => panic!("{e:#}"),
    };
    assert_eq!(run(&object, "touch", &[]), 6);
    assert_eq!(run(&object, "touch", &[]), 7);
    let memory = object.map("arena").unwrap().mapping().unwrap();
    assert_eq!(memory.as_ptr().addr(), 1 << 44);
    // Kernels without full offsets have them at the start, others on the last page.
    let is_at_end = Features::of(&oxbpf::kernel()).has(Feature::LdImm64FullRangeOff);
    let start = if is_at_end { memory.len() - page_size() } else { 0 };
    let mut number = [0; 4];
    memory.read(start, &mut number).unwrap();
    assert_eq!(i32::from_ne_bytes(number), 7);
    // A second one can't be at the same place.
    let error = open("arena.o").load().unwrap_err();
    assert_eq!(error.errno(), Errno::EEXIST, "{error}");
    assert_eq!(error.hint(), "something is mapped at 0x100000000000 already");
}

fn page_size() -> usize {
    let page = oxbpf::kernel().fact(oxbpf_kernel::Fact::PageSize).unwrap();
    String::from_utf8_lossy(&page).parse().unwrap()
}

#[test]
fn token_that_was_asked_for_by_name_must_be_there() {
    if !testkit::require_bpf() {
        return;
    }
    let load = |path: &str| {
        let builder = ObjectBuilder::new().bpf_token_path(path);
        builder.open_file(testkit::root().join("testdata/objects/plain.o")).unwrap().load()
    };
    assert_eq!(load("/no/such/place").unwrap_err().errno(), Errno::ENOENT);
    assert!(load("/proc").is_err(), "no bpf file system");
    assert!(load("").is_ok(), "tokens are declined");
}
