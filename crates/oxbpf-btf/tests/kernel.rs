//! The running kernel's BTF, where there is one to read.

#![allow(clippy::print_stdout, reason = "a test that is skipped says why")]

use oxbpf_btf::{Btf, Type, text};
use oxbpf_uapi::BtfKind;

#[test]
fn the_running_kernels_types_are_read_found_and_printed() {
    let path = "/sys/kernel/btf/vmlinux";
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) => return println!("skipped: {path}: {e}"),
    };
    let btf = Btf::parse(bytes).unwrap();
    btf.validate().unwrap();
    let task = btf.find("task_struct", BtfKind::STRUCT).expect("every kernel has tasks");
    let Type::Struct(s) = btf.get(task).unwrap().view() else { panic!("{task:?} is no struct") };
    assert!(s.members().any(|m| m.name == "comm"));
    assert!(btf.size_of(task).unwrap() > 1000 && btf.align_of(task).unwrap() >= 8);
    assert!(btf.find_essential("task_struct").any(|id| id == task));
    for t in btf.types().step_by(97) {
        if !t.name().is_empty() {
            let first = btf.find(t.name(), t.kind()).unwrap();
            assert!(first <= t.id(), "{t:?} found as {first:?}");
        }
        assert!(text::show(t).to_string().starts_with(&format!("[{}] ", t.id())));
    }
}
