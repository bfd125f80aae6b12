//! `enum bpf_cmd`: the commands of bpf(2).

use crate::table::table;

table! {
    /// `enum bpf_cmd`: the commands of bpf(2).
    pub struct Cmd(u32);
    MAP_CREATE = 0, "BPF_MAP_CREATE", "map_create", "3.18";
    MAP_LOOKUP_ELEM = 1, "BPF_MAP_LOOKUP_ELEM", "map_lookup_elem", "3.18";
    MAP_UPDATE_ELEM = 2, "BPF_MAP_UPDATE_ELEM", "map_update_elem", "3.18";
    MAP_DELETE_ELEM = 3, "BPF_MAP_DELETE_ELEM", "map_delete_elem", "3.18";
    MAP_GET_NEXT_KEY = 4, "BPF_MAP_GET_NEXT_KEY", "map_get_next_key", "3.18";
    PROG_LOAD = 5, "BPF_PROG_LOAD", "prog_load", "3.18";
    OBJ_PIN = 6, "BPF_OBJ_PIN", "obj_pin", "4.4";
    OBJ_GET = 7, "BPF_OBJ_GET", "obj_get", "4.4";
    PROG_ATTACH = 8, "BPF_PROG_ATTACH", "prog_attach", "4.10";
    PROG_DETACH = 9, "BPF_PROG_DETACH", "prog_detach", "4.10";
    PROG_TEST_RUN = 10, "BPF_PROG_TEST_RUN", "prog_test_run", "4.12";
    PROG_GET_NEXT_ID = 11, "BPF_PROG_GET_NEXT_ID", "prog_get_next_id", "4.13";
    MAP_GET_NEXT_ID = 12, "BPF_MAP_GET_NEXT_ID", "map_get_next_id", "4.13";
    PROG_GET_FD_BY_ID = 13, "BPF_PROG_GET_FD_BY_ID", "prog_get_fd_by_id", "4.13";
    MAP_GET_FD_BY_ID = 14, "BPF_MAP_GET_FD_BY_ID", "map_get_fd_by_id", "4.13";
    OBJ_GET_INFO_BY_FD = 15, "BPF_OBJ_GET_INFO_BY_FD", "obj_get_info_by_fd", "4.13";
    PROG_QUERY = 16, "BPF_PROG_QUERY", "prog_query", "4.15";
    RAW_TRACEPOINT_OPEN = 17, "BPF_RAW_TRACEPOINT_OPEN", "raw_tracepoint_open", "4.17";
    BTF_LOAD = 18, "BPF_BTF_LOAD", "btf_load", "4.18";
    BTF_GET_FD_BY_ID = 19, "BPF_BTF_GET_FD_BY_ID", "btf_get_fd_by_id", "4.18";
    TASK_FD_QUERY = 20, "BPF_TASK_FD_QUERY", "task_fd_query", "4.18";
    MAP_LOOKUP_AND_DELETE_ELEM = 21, "BPF_MAP_LOOKUP_AND_DELETE_ELEM", "map_lookup_and_delete_elem", "4.20";
    MAP_FREEZE = 22, "BPF_MAP_FREEZE", "map_freeze", "5.2";
    BTF_GET_NEXT_ID = 23, "BPF_BTF_GET_NEXT_ID", "btf_get_next_id", "5.4";
    MAP_LOOKUP_BATCH = 24, "BPF_MAP_LOOKUP_BATCH", "map_lookup_batch", "5.6";
    MAP_LOOKUP_AND_DELETE_BATCH = 25, "BPF_MAP_LOOKUP_AND_DELETE_BATCH", "map_lookup_and_delete_batch", "5.6";
    MAP_UPDATE_BATCH = 26, "BPF_MAP_UPDATE_BATCH", "map_update_batch", "5.6";
    MAP_DELETE_BATCH = 27, "BPF_MAP_DELETE_BATCH", "map_delete_batch", "5.6";
    LINK_CREATE = 28, "BPF_LINK_CREATE", "link_create", "5.7";
    LINK_UPDATE = 29, "BPF_LINK_UPDATE", "link_update", "5.7";
    LINK_GET_FD_BY_ID = 30, "BPF_LINK_GET_FD_BY_ID", "link_get_fd_by_id", "5.8";
    LINK_GET_NEXT_ID = 31, "BPF_LINK_GET_NEXT_ID", "link_get_next_id", "5.8";
    ENABLE_STATS = 32, "BPF_ENABLE_STATS", "enable_stats", "5.8";
    ITER_CREATE = 33, "BPF_ITER_CREATE", "iter_create", "5.8";
    LINK_DETACH = 34, "BPF_LINK_DETACH", "link_detach", "5.9";
    PROG_BIND_MAP = 35, "BPF_PROG_BIND_MAP", "prog_bind_map", "5.10";
    TOKEN_CREATE = 36, "BPF_TOKEN_CREATE", "token_create", "6.9";
    PROG_STREAM_READ_BY_FD = 37, "BPF_PROG_STREAM_READ_BY_FD", "prog_stream_read_by_fd", "6.17";
    PROG_ASSOC_STRUCT_OPS = 38, "BPF_PROG_ASSOC_STRUCT_OPS", "prog_assoc_struct_ops", "7.0";
}
