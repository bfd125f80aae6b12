//! `enum bpf_cmd`: the commands of bpf(2).
//!
//! Where the columns come from, Linux 7.2: the request is the member of `union bpf_attr` that the command reads, the
//! last field is what `kernel/bpf/syscall.c` checks to be the last that is not zero.

use crate::abi::{Abi, Field};
use crate::attr;
use crate::table::table;

/// The columns of a command.
#[derive(Clone, Copy, Debug)]
pub struct CmdInfo {
    /// The request.
    pub request: Request,
    /// The last field that the command reads; what follows in `union bpf_attr` has to be zero.
    pub last_field: &'static str,
}

/// The struct that a command takes.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    /// Its name in [`attr`].
    pub name: &'static str,
    /// Bytes.
    pub size: usize,
    /// Fields in memory order, padding included.
    pub fields: &'static [Field],
}

const fn request<T: Abi>(name: &'static str) -> Request {
    Request { name, size: size_of::<T>(), fields: T::FIELDS }
}

impl CmdInfo {
    /// Bytes of the request up to the end of the last field that the command reads.
    pub fn used(&self) -> usize {
        let is_last = |f: &&Field| f.name == self.last_field || f.aliases.contains(&self.last_field);
        self.request.fields.iter().find(is_last).map_or(self.request.size, Field::end)
    }
}

table! {
    /// `enum bpf_cmd`: the commands of bpf(2).
    pub struct Cmd(u32): CmdInfo;
    MAP_CREATE = 0, "BPF_MAP_CREATE", "map_create", "3.18" => {
        request: request::<attr::MapCreateAttr>("MapCreateAttr"), last_field: "excl_prog_hash_size"
    };
    MAP_LOOKUP_ELEM = 1, "BPF_MAP_LOOKUP_ELEM", "map_lookup_elem", "3.18" => {
        request: request::<attr::MapElemAttr>("MapElemAttr"), last_field: "flags"
    };
    MAP_UPDATE_ELEM = 2, "BPF_MAP_UPDATE_ELEM", "map_update_elem", "3.18" => {
        request: request::<attr::MapElemAttr>("MapElemAttr"), last_field: "flags"
    };
    MAP_DELETE_ELEM = 3, "BPF_MAP_DELETE_ELEM", "map_delete_elem", "3.18" => {
        request: request::<attr::MapElemAttr>("MapElemAttr"), last_field: "key"
    };
    MAP_GET_NEXT_KEY = 4, "BPF_MAP_GET_NEXT_KEY", "map_get_next_key", "3.18" => {
        request: request::<attr::MapElemAttr>("MapElemAttr"), last_field: "next_key"
    };
    PROG_LOAD = 5, "BPF_PROG_LOAD", "prog_load", "3.18" => {
        request: request::<attr::ProgLoadAttr>("ProgLoadAttr"), last_field: "keyring_id"
    };
    OBJ_PIN = 6, "BPF_OBJ_PIN", "obj_pin", "4.4" => {
        request: request::<attr::ObjAttr>("ObjAttr"), last_field: "path_fd"
    };
    OBJ_GET = 7, "BPF_OBJ_GET", "obj_get", "4.4" => {
        request: request::<attr::ObjAttr>("ObjAttr"), last_field: "path_fd"
    };
    PROG_ATTACH = 8, "BPF_PROG_ATTACH", "prog_attach", "4.10" => {
        request: request::<attr::ProgAttachAttr>("ProgAttachAttr"), last_field: "expected_revision"
    };
    PROG_DETACH = 9, "BPF_PROG_DETACH", "prog_detach", "4.10" => {
        request: request::<attr::ProgAttachAttr>("ProgAttachAttr"), last_field: "expected_revision"
    };
    PROG_TEST_RUN = 10, "BPF_PROG_TEST_RUN", "prog_test_run", "4.12" => {
        request: request::<attr::TestRunAttr>("TestRunAttr"), last_field: "batch_size"
    };
    PROG_GET_NEXT_ID = 11, "BPF_PROG_GET_NEXT_ID", "prog_get_next_id", "4.13" => {
        request: request::<attr::GetIdAttr>("GetIdAttr"), last_field: "next_id"
    };
    MAP_GET_NEXT_ID = 12, "BPF_MAP_GET_NEXT_ID", "map_get_next_id", "4.13" => {
        request: request::<attr::GetIdAttr>("GetIdAttr"), last_field: "next_id"
    };
    PROG_GET_FD_BY_ID = 13, "BPF_PROG_GET_FD_BY_ID", "prog_get_fd_by_id", "4.13" => {
        request: request::<attr::GetIdAttr>("GetIdAttr"), last_field: "prog_id"
    };
    MAP_GET_FD_BY_ID = 14, "BPF_MAP_GET_FD_BY_ID", "map_get_fd_by_id", "4.13" => {
        request: request::<attr::GetIdAttr>("GetIdAttr"), last_field: "open_flags"
    };
    OBJ_GET_INFO_BY_FD = 15, "BPF_OBJ_GET_INFO_BY_FD", "obj_get_info_by_fd", "4.13" => {
        request: request::<attr::InfoByFdAttr>("InfoByFdAttr"), last_field: "info"
    };
    PROG_QUERY = 16, "BPF_PROG_QUERY", "prog_query", "4.15" => {
        request: request::<attr::QueryAttr>("QueryAttr"), last_field: "revision"
    };
    RAW_TRACEPOINT_OPEN = 17, "BPF_RAW_TRACEPOINT_OPEN", "raw_tracepoint_open", "4.17" => {
        request: request::<attr::RawTracepointOpenAttr>("RawTracepointOpenAttr"), last_field: "cookie"
    };
    BTF_LOAD = 18, "BPF_BTF_LOAD", "btf_load", "4.18" => {
        request: request::<attr::BtfLoadAttr>("BtfLoadAttr"), last_field: "btf_token_fd"
    };
    BTF_GET_FD_BY_ID = 19, "BPF_BTF_GET_FD_BY_ID", "btf_get_fd_by_id", "4.18" => {
        request: request::<attr::GetIdAttr>("GetIdAttr"), last_field: "fd_by_id_token_fd"
    };
    TASK_FD_QUERY = 20, "BPF_TASK_FD_QUERY", "task_fd_query", "4.18" => {
        request: request::<attr::TaskFdQueryAttr>("TaskFdQueryAttr"), last_field: "probe_addr"
    };
    MAP_LOOKUP_AND_DELETE_ELEM = 21, "BPF_MAP_LOOKUP_AND_DELETE_ELEM", "map_lookup_and_delete_elem", "4.20" => {
        request: request::<attr::MapElemAttr>("MapElemAttr"), last_field: "flags"
    };
    MAP_FREEZE = 22, "BPF_MAP_FREEZE", "map_freeze", "5.2" => {
        request: request::<attr::MapElemAttr>("MapElemAttr"), last_field: "map_fd"
    };
    BTF_GET_NEXT_ID = 23, "BPF_BTF_GET_NEXT_ID", "btf_get_next_id", "5.4" => {
        request: request::<attr::GetIdAttr>("GetIdAttr"), last_field: "next_id"
    };
    MAP_LOOKUP_BATCH = 24, "BPF_MAP_LOOKUP_BATCH", "map_lookup_batch", "5.6" => {
        request: request::<attr::BatchAttr>("BatchAttr"), last_field: "flags"
    };
    MAP_LOOKUP_AND_DELETE_BATCH = 25, "BPF_MAP_LOOKUP_AND_DELETE_BATCH", "map_lookup_and_delete_batch", "5.6" => {
        request: request::<attr::BatchAttr>("BatchAttr"), last_field: "flags"
    };
    MAP_UPDATE_BATCH = 26, "BPF_MAP_UPDATE_BATCH", "map_update_batch", "5.6" => {
        request: request::<attr::BatchAttr>("BatchAttr"), last_field: "flags"
    };
    MAP_DELETE_BATCH = 27, "BPF_MAP_DELETE_BATCH", "map_delete_batch", "5.6" => {
        request: request::<attr::BatchAttr>("BatchAttr"), last_field: "flags"
    };
    LINK_CREATE = 28, "BPF_LINK_CREATE", "link_create", "5.7" => {
        request: request::<attr::LinkCreateAttr>("LinkCreateAttr"), last_field: "data"
    };
    LINK_UPDATE = 29, "BPF_LINK_UPDATE", "link_update", "5.7" => {
        request: request::<attr::LinkUpdateAttr>("LinkUpdateAttr"), last_field: "old_prog_fd"
    };
    LINK_GET_FD_BY_ID = 30, "BPF_LINK_GET_FD_BY_ID", "link_get_fd_by_id", "5.8" => {
        request: request::<attr::GetIdAttr>("GetIdAttr"), last_field: "link_id"
    };
    LINK_GET_NEXT_ID = 31, "BPF_LINK_GET_NEXT_ID", "link_get_next_id", "5.8" => {
        request: request::<attr::GetIdAttr>("GetIdAttr"), last_field: "next_id"
    };
    ENABLE_STATS = 32, "BPF_ENABLE_STATS", "enable_stats", "5.8" => {
        request: request::<attr::EnableStatsAttr>("EnableStatsAttr"), last_field: "type"
    };
    ITER_CREATE = 33, "BPF_ITER_CREATE", "iter_create", "5.8" => {
        request: request::<attr::IterCreateAttr>("IterCreateAttr"), last_field: "flags"
    };
    LINK_DETACH = 34, "BPF_LINK_DETACH", "link_detach", "5.9" => {
        request: request::<attr::LinkDetachAttr>("LinkDetachAttr"), last_field: "link_fd"
    };
    PROG_BIND_MAP = 35, "BPF_PROG_BIND_MAP", "prog_bind_map", "5.10" => {
        request: request::<attr::ProgBindMapAttr>("ProgBindMapAttr"), last_field: "flags"
    };
    TOKEN_CREATE = 36, "BPF_TOKEN_CREATE", "token_create", "6.9" => {
        request: request::<attr::TokenCreateAttr>("TokenCreateAttr"), last_field: "bpffs_fd"
    };
    PROG_STREAM_READ_BY_FD = 37, "BPF_PROG_STREAM_READ_BY_FD", "prog_stream_read_by_fd", "6.17" => {
        request: request::<attr::StreamReadAttr>("StreamReadAttr"), last_field: "prog_fd"
    };
    PROG_ASSOC_STRUCT_OPS = 38, "BPF_PROG_ASSOC_STRUCT_OPS", "prog_assoc_struct_ops", "7.0" => {
        request: request::<attr::AssocStructOpsAttr>("AssocStructOpsAttr"), last_field: "flags"
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_fields_are_fields_of_the_request() {
        for cmd in Cmd::ALL {
            let info = cmd.info().unwrap();
            let known = info
                .request
                .fields
                .iter()
                .any(|f| f.name == info.last_field || f.aliases.contains(&info.last_field));
            assert!(known, "{cmd}: {} has no {}", info.request.name, info.last_field);
            assert!(info.request.size <= attr::ATTR_SIZE, "{cmd}");
        }
        assert_eq!(Cmd::MAP_FREEZE.info().unwrap().used(), 4);
        assert_eq!(Cmd::PROG_LOAD.info().unwrap().used(), 168);
    }
}
