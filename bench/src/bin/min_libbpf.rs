//! Opens, loads and attaches one tracepoint program, and exits: C libbpf, as a C program would call it.

use std::ffi::CString;
use std::os::unix::ffi::OsStringExt;
use std::ptr;

fn main() {
    let path = CString::new(std::env::args_os().nth(1).unwrap_or_default().into_vec()).expect("a path");
    // SAFETY: the calls are made in the order that libbpf documents, on pointers that it gave and that were checked.
    unsafe {
        let object = libbpf_sys::bpf_object__open_file(path.as_ptr(), ptr::null());
        assert!(!object.is_null());
        assert_eq!(libbpf_sys::bpf_object__load(object), 0);
        let program = libbpf_sys::bpf_object__next_program(object, ptr::null_mut());
        let link = libbpf_sys::bpf_program__attach(program);
        assert!(!link.is_null());
        libbpf_sys::bpf_link__destroy(link);
        libbpf_sys::bpf_object__close(object);
    }
}
