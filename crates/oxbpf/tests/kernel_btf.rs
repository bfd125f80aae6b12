//! Types of the running kernel: read once, shared, the same by every way to them. One test: it counts the process's memory.

#![cfg(feature = "linux")]

use std::sync::Arc;

use oxbpf::btf;
use oxbpf_uapi::BtfKind;

/// Bytes that the process has allocated or mapped privately, as the kernel counts them.
fn private() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|l| l.strip_prefix("RssAnon:")).unwrap();
    1024 * line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
}

#[test]
fn types_of_the_kernel_are_read_once_and_shared_while_they_are_used() {
    let kernel = oxbpf::kernel();
    let before = private();
    let first = match btf::vmlinux(&kernel) {
        Ok(btf) => btf,
        Err(e) => return testkit::skip_this(format!("no types of the kernel: {e}")),
    };
    let opened = private() - before;
    let second = btf::vmlinux(&oxbpf::kernel()).unwrap();
    assert!(Arc::ptr_eq(&first, &second), "another handle of the kernel, the same types");
    assert!(first.find("task_struct", BtfKind::STRUCT).is_some());
    let indexed = private() - before;
    // Mapped, or read into memory where the kernel does not map it; then 4 bytes a type, and 6 for the index.
    let read = if opened < first.raw().len() as u64 { 0 } else { first.raw().len() as u64 };
    assert!(opened <= read + (1 << 20), "{opened} bytes for {} types", first.type_count());
    assert!(indexed <= read + (3 << 20), "{indexed} bytes with the index");
    assert!(btf::module(&kernel, "no_such_module").is_err());
    match btf::by_id(&kernel, 1) {
        // The first BTF object of a kernel is vmlinux.
        Ok(by_id) => assert_eq!(by_id.raw(), first.raw()),
        Err(e) => testkit::skip_this(format!("BTF by id: {e}")),
    }
    let weak = Arc::downgrade(&first);
    drop((first, second));
    assert!(weak.upgrade().is_none(), "nobody uses it any more");
}
