//! Opens and loads an object, and prints what CPU time that took outside of bpf(2): C libbpf.

#[path = "../bpf_clock.rs"]
mod bpf_clock;

use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use std::ptr;

fn main() {
    let path = CString::new(std::env::args_os().nth(1).unwrap_or_default().into_vec()).expect("a path");
    // SAFETY: the calls are made in the order that libbpf documents, on a pointer that it gave and that was checked.
    bpf_clock::print(|| unsafe {
        let object = libbpf_sys::bpf_object__open_file(path.as_ptr(), ptr::null());
        assert!(!object.is_null());
        assert_eq!(libbpf_sys::bpf_object__load(object), 0);
        libbpf_sys::bpf_object__close(object);
    });
}
