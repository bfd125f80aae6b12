//! `union bpf_attr`, command by command, with the kernel's names.

#![allow(missing_debug_implementations, reason = "the derived layouts have types of their own")]

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

macro_rules! attrs {
    ($($(#[$meta:meta])* $name:ident { $($field:ident: $ty:ty),* $(,)? })*) => {$(
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
        #[allow(missing_docs, reason = "the names are the kernel's")]
        pub struct $name { $(pub $field: $ty),* }
    )*};
}

attrs! {
    /// `BPF_MAP_CREATE`.
    MapCreate {
        map_type: u32, key_size: u32, value_size: u32, max_entries: u32, map_flags: u32, inner_map_fd: u32, numa_node: u32,
        map_name: [u8; 16], map_ifindex: u32, btf_fd: u32, btf_key_type_id: u32, btf_value_type_id: u32,
        btf_vmlinux_value_type_id: u32, map_extra: u64, value_type_btf_obj_fd: i32, map_token_fd: i32, excl_prog_hash: u64,
        excl_prog_hash_size: u32, pad: u32,
    }
    /// `BPF_MAP_*_ELEM`, `BPF_MAP_GET_NEXT_KEY`, `BPF_MAP_FREEZE`. `value` is the next key for the former.
    MapElem { map_fd: u32, pad: u32, key: u64, value: u64, flags: u64 }
    /// `BPF_MAP_*_BATCH`.
    MapBatch {
        in_batch: u64, out_batch: u64, keys: u64, values: u64, count: u32, map_fd: u32, elem_flags: u64, flags: u64,
    }
    /// `BPF_PROG_LOAD`.
    ProgLoad {
        prog_type: u32, insn_cnt: u32, insns: u64, license: u64, log_level: u32, log_size: u32, log_buf: u64,
        kern_version: u32, prog_flags: u32, prog_name: [u8; 16], prog_ifindex: u32, expected_attach_type: u32,
        prog_btf_fd: u32, func_info_rec_size: u32, func_info: u64, func_info_cnt: u32, line_info_rec_size: u32,
        line_info: u64, line_info_cnt: u32, attach_btf_id: u32, attach_fd: u32, core_relo_cnt: u32, fd_array: u64,
        core_relos: u64, core_relo_rec_size: u32, log_true_size: u32, prog_token_fd: u32, fd_array_cnt: u32,
        signature: u64, signature_size: u32, keyring_id: i32,
    }
    /// `BPF_OBJ_PIN`, `BPF_OBJ_GET`.
    Obj { pathname: u64, bpf_fd: u32, file_flags: u32, path_fd: i32, pad: u32 }
    /// `BPF_PROG_ATTACH`, `BPF_PROG_DETACH`.
    ProgAttach {
        target_fd: u32, attach_bpf_fd: u32, attach_type: u32, attach_flags: u32, replace_bpf_fd: u32, relative: u32,
        expected_revision: u64,
    }
    /// `BPF_PROG_TEST_RUN`.
    TestRun {
        prog_fd: u32, retval: u32, data_size_in: u32, data_size_out: u32, data_in: u64, data_out: u64, repeat: u32,
        duration: u32, ctx_size_in: u32, ctx_size_out: u32, ctx_in: u64, ctx_out: u64, flags: u32, cpu: u32,
        batch_size: u32, pad: u32,
    }
    /// `BPF_*_GET_NEXT_ID`, `BPF_*_GET_FD_BY_ID`.
    Id { id: u32, next_id: u32, open_flags: u32, token_fd: i32 }
    /// `BPF_OBJ_GET_INFO_BY_FD`.
    Info { bpf_fd: u32, info_len: u32, info: u64 }
    /// `BPF_PROG_QUERY`.
    Query {
        target_fd: u32, attach_type: u32, query_flags: u32, attach_flags: u32, prog_ids: u64, count: u32, pad: u32,
        prog_attach_flags: u64, link_ids: u64, link_attach_flags: u64, revision: u64,
    }
    /// `BPF_RAW_TRACEPOINT_OPEN`.
    RawTracepoint { name: u64, prog_fd: u32, pad: u32, cookie: u64 }
    /// `BPF_BTF_LOAD`.
    BtfLoad {
        btf: u64, log_buf: u64, btf_size: u32, log_size: u32, log_level: u32, log_true_size: u32, btf_flags: u32,
        token_fd: i32,
    }
    /// `BPF_TASK_FD_QUERY`.
    TaskFdQuery {
        pid: u32, fd: u32, flags: u32, buf_len: u32, buf: u64, prog_id: u32, fd_type: u32, probe_offset: u64,
        probe_addr: u64,
    }
    /// `BPF_LINK_CREATE`; `kind` is a union by attach type.
    LinkCreate { prog_fd: u32, target_fd: u32, attach_type: u32, flags: u32, kind: [u64; 6] }
    /// `BPF_LINK_UPDATE`.
    LinkUpdate { link_fd: u32, new_fd: u32, flags: u32, old_fd: u32 }
    /// One number: `BPF_LINK_DETACH`, `BPF_ENABLE_STATS`.
    One { value: u32 }
    /// Two numbers: `BPF_ITER_CREATE` (link, flags), `BPF_TOKEN_CREATE` (flags, file system).
    Two { first: u32, second: u32 }
    /// Three: `BPF_PROG_BIND_MAP` (program, map, flags), `BPF_PROG_ASSOC_STRUCT_OPS` (map, program, flags).
    Three { first: u32, second: u32, flags: u32 }
    /// `BPF_PROG_STREAM_READ_BY_FD`.
    StreamRead { stream_buf: u64, stream_buf_len: u32, stream_id: u32, prog_fd: u32, pad: u32 }
    /// `struct bpf_common_attr`.
    Common { log_buf: u64, log_size: u32, log_level: u32, log_true_size: u32, pad: u32 }
}

/// Numbers of commands.
pub mod cmd {
    #![allow(missing_docs, reason = "the names are the kernel's")]

    pub const MAP_CREATE: u32 = 0;
    pub const MAP_LOOKUP_ELEM: u32 = 1;
    pub const MAP_UPDATE_ELEM: u32 = 2;
    pub const MAP_DELETE_ELEM: u32 = 3;
    pub const MAP_GET_NEXT_KEY: u32 = 4;
    pub const PROG_LOAD: u32 = 5;
    pub const OBJ_PIN: u32 = 6;
    pub const OBJ_GET: u32 = 7;
    pub const PROG_ATTACH: u32 = 8;
    pub const PROG_DETACH: u32 = 9;
    pub const PROG_TEST_RUN: u32 = 10;
    pub const PROG_GET_NEXT_ID: u32 = 11;
    pub const MAP_GET_NEXT_ID: u32 = 12;
    pub const PROG_GET_FD_BY_ID: u32 = 13;
    pub const MAP_GET_FD_BY_ID: u32 = 14;
    pub const OBJ_GET_INFO_BY_FD: u32 = 15;
    pub const PROG_QUERY: u32 = 16;
    pub const RAW_TRACEPOINT_OPEN: u32 = 17;
    pub const BTF_LOAD: u32 = 18;
    pub const BTF_GET_FD_BY_ID: u32 = 19;
    pub const TASK_FD_QUERY: u32 = 20;
    pub const MAP_LOOKUP_AND_DELETE_ELEM: u32 = 21;
    pub const MAP_FREEZE: u32 = 22;
    pub const BTF_GET_NEXT_ID: u32 = 23;
    pub const MAP_LOOKUP_BATCH: u32 = 24;
    pub const MAP_LOOKUP_AND_DELETE_BATCH: u32 = 25;
    pub const MAP_UPDATE_BATCH: u32 = 26;
    pub const MAP_DELETE_BATCH: u32 = 27;
    pub const LINK_CREATE: u32 = 28;
    pub const LINK_UPDATE: u32 = 29;
    pub const LINK_GET_FD_BY_ID: u32 = 30;
    pub const LINK_GET_NEXT_ID: u32 = 31;
    pub const ENABLE_STATS: u32 = 32;
    pub const ITER_CREATE: u32 = 33;
    pub const LINK_DETACH: u32 = 34;
    pub const PROG_BIND_MAP: u32 = 35;
    pub const TOKEN_CREATE: u32 = 36;
    pub const PROG_STREAM_READ_BY_FD: u32 = 37;
    pub const PROG_ASSOC_STRUCT_OPS: u32 = 38;
}
