//! Requests about any kind of object: pins, ids, information.

use crate::abi::abi;

abi! {
    /// Request of `BPF_OBJ_PIN` and `BPF_OBJ_GET`. Linux 4.4.
    pub struct ObjAttr in "bpf_attr" {
        /// Address of the path, zero-terminated.
        pub pathname: u64,
        /// The object to pin; 0 to open one.
        pub bpf_fd: u32,
        /// See [`ObjFlags`](crate::flags::ObjFlags).
        pub file_flags: u32,
        /// Directory that the path starts at, with `BPF_F_PATH_FD`. Linux 6.5.
        pub path_fd: i32,
        /// Padding.
        pub _pad: u32,
    }

    /// Request of the `BPF_*_GET_NEXT_ID` and `BPF_*_GET_FD_BY_ID` commands. Linux 4.13.
    pub struct GetIdAttr in "bpf_attr" {
        /// Id to go on from, or id of the object to open.
        pub id | start_id | prog_id | map_id | btf_id | link_id: u32,
        /// After the call, the next id.
        pub next_id: u32,
        /// `BPF_F_RDONLY` or `BPF_F_WRONLY` for maps.
        pub open_flags: u32,
        /// Token that allows the command, with `BPF_F_TOKEN_FD` in `open_flags`. Linux 6.18.
        pub fd_by_id_token_fd: i32,
    }

    /// Request of `BPF_OBJ_GET_INFO_BY_FD`. Linux 4.13.
    pub struct InfoByFdAttr in "bpf_attr" at "info." {
        /// The object.
        pub bpf_fd: u32,
        /// Bytes of the buffer; after the call, bytes written.
        pub info_len: u32,
        /// Address of the buffer, one of the structs in [`info`](crate::info).
        pub info: u64,
    }
}
