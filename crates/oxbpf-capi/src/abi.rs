//! Layouts of the structs in libbpf's headers that have a size field, and of the skeletons' descriptors. Pointers are `usize`, `bool` is `u8`.

use crate::opts::OptsLayout;

/// `name` is a `#[repr(C)]` struct of C's `c_name`, whose last field is `last`.
macro_rules! layouts {
    ($($name:ident = $c_name:literal { $($field:ident: $ty:ty),* } $last:ident)*) => {
        $(
            #[doc = concat!("`struct ", $c_name, "`.")]
            #[repr(C)]
            #[derive(Clone, Copy, Debug, Default)]
            #[allow(missing_docs, reason = "the names are those of C's fields")]
            pub struct $name { $(pub $field: $ty),* }

            impl OptsLayout for $name {
                const NAME: &'static str = $c_name;
                const END: usize = core::mem::offset_of!($name, $last) + end_of(|l: &$name| &l.$last);
            }
        )*

        /// C's name, size and end of the last field of each, for the test against what C's compiler says.
        #[cfg(test)]
        const ALL: &[(&str, usize, usize)] = &[$(($c_name, size_of::<$name>(), <$name as OptsLayout>::END)),*];
    };
}

/// Bytes of the field that a function picks.
const fn end_of<T, F>(_: fn(&T) -> &F) -> usize {
    size_of::<F>()
}

layouts! {
    BpfObjectOpenOpts = "bpf_object_open_opts" { sz: usize, object_name: usize, relaxed_maps: u8, pin_root_path: usize, reserved: u32, kconfig: usize, btf_custom_path: usize, kernel_log_buf: usize, kernel_log_size: usize, kernel_log_level: u32, bpf_token_path: usize } bpf_token_path
    BpfPerfEventOpts = "bpf_perf_event_opts" { sz: usize, bpf_cookie: u64, force_ioctl_attach: u8, dont_enable: u8 } dont_enable
    BpfKprobeOpts = "bpf_kprobe_opts" { sz: usize, bpf_cookie: u64, offset: usize, retprobe: u8, attach_mode: u32 } attach_mode
    BpfKprobeMultiOpts = "bpf_kprobe_multi_opts" { sz: usize, syms: usize, addrs: usize, cookies: usize, cnt: usize, retprobe: u8, session: u8, unique_match: u8 } unique_match
    BpfUprobeMultiOpts = "bpf_uprobe_multi_opts" { sz: usize, syms: usize, offsets: usize, ref_ctr_offsets: usize, cookies: usize, cnt: usize, retprobe: u8, session: u8 } session
    BpfKsyscallOpts = "bpf_ksyscall_opts" { sz: usize, bpf_cookie: u64, retprobe: u8 } retprobe
    BpfTracingMultiOpts = "bpf_tracing_multi_opts" { sz: usize, ids: usize, cookies: usize, cnt: usize } cnt
    BpfUprobeOpts = "bpf_uprobe_opts" { sz: usize, ref_ctr_offset: usize, bpf_cookie: u64, retprobe: u8, func_name: usize, attach_mode: u32 } attach_mode
    BpfUsdtOpts = "bpf_usdt_opts" { sz: usize, usdt_cookie: u64 } usdt_cookie
    BpfTracepointOpts = "bpf_tracepoint_opts" { sz: usize, bpf_cookie: u64 } bpf_cookie
    BpfRawTracepointOpts = "bpf_raw_tracepoint_opts" { sz: usize, cookie: u64 } cookie
    BpfTraceOpts = "bpf_trace_opts" { sz: usize, cookie: u64 } cookie
    BpfNetfilterOpts = "bpf_netfilter_opts" { sz: usize, pf: u32, hooknum: u32, priority: i32, flags: u32 } flags
    BpfTcxOpts = "bpf_tcx_opts" { sz: usize, flags: u32, relative_fd: u32, relative_id: u32, expected_revision: u64 } expected_revision
    BpfNetkitOpts = "bpf_netkit_opts" { sz: usize, flags: u32, relative_fd: u32, relative_id: u32, expected_revision: u64 } expected_revision
    BpfCgroupOpts = "bpf_cgroup_opts" { sz: usize, flags: u32, relative_fd: u32, relative_id: u32, expected_revision: u64 } expected_revision
    BpfIterAttachOpts = "bpf_iter_attach_opts" { sz: usize, link_info: usize, link_info_len: u32 } link_info_len
    BpfXdpSetLinkOpts = "bpf_xdp_set_link_opts" { sz: usize, old_fd: i32 } old_fd
    BpfXdpAttachOpts = "bpf_xdp_attach_opts" { sz: usize, old_prog_fd: i32 } old_prog_fd
    BpfXdpQueryOpts = "bpf_xdp_query_opts" { sz: usize, prog_id: u32, drv_prog_id: u32, hw_prog_id: u32, skb_prog_id: u32, attach_mode: u8, feature_flags: u64, xdp_zc_max_segs: u32 } xdp_zc_max_segs
    BpfTcHook = "bpf_tc_hook" { sz: usize, ifindex: i32, attach_point: u32, parent: u32, handle: u32, qdisc: usize } qdisc
    BpfTcOpts = "bpf_tc_opts" { sz: usize, prog_fd: i32, flags: u32, prog_id: u32, handle: u32, priority: u32 } priority
    RingBufferOpts = "ring_buffer_opts" { sz: usize } sz
    UserRingBufferOpts = "user_ring_buffer_opts" { sz: usize } sz
    PerfBufferOpts = "perf_buffer_opts" { sz: usize, sample_period: u32 } sample_period
    PerfBufferRawOpts = "perf_buffer_raw_opts" { sz: usize, cpu_cnt: i32, cpus: usize, map_keys: usize } map_keys
    GenLoaderOpts = "gen_loader_opts" { sz: usize, data: usize, insns: usize, data_sz: u32, insns_sz: u32, gen_hash: u8 } gen_hash
    BpfLinkerOpts = "bpf_linker_opts" { sz: usize } sz
    BpfLinkerFileOpts = "bpf_linker_file_opts" { sz: usize } sz
    LibbpfProgHandlerOpts = "libbpf_prog_handler_opts" { sz: usize, cookie: isize, prog_setup_fn: usize, prog_prepare_load_fn: usize, prog_attach_fn: usize } prog_attach_fn
    BpfLogOpts = "bpf_log_opts" { sz: usize, buf: usize, size: u32, level: u32, true_size: u32 } true_size
    BpfMapCreateOpts = "bpf_map_create_opts" { sz: usize, btf_fd: u32, btf_key_type_id: u32, btf_value_type_id: u32, btf_vmlinux_value_type_id: u32, inner_map_fd: u32, map_flags: u32, map_extra: u64, numa_node: u32, map_ifindex: u32, value_type_btf_obj_fd: i32, token_fd: u32, excl_prog_hash: usize, excl_prog_hash_size: u32, log_opts: usize } log_opts
    BpfProgLoadOpts = "bpf_prog_load_opts" { sz: usize, attempts: i32, expected_attach_type: u32, prog_btf_fd: u32, prog_flags: u32, prog_ifindex: u32, kern_version: u32, attach_btf_id: u32, attach_prog_fd: u32, attach_btf_obj_fd: u32, fd_array: usize, func_info: usize, func_info_cnt: u32, func_info_rec_size: u32, line_info: usize, line_info_cnt: u32, line_info_rec_size: u32, log_level: u32, log_size: u32, log_buf: usize, log_true_size: u32, token_fd: u32, fd_array_cnt: u32 } fd_array_cnt
    BpfBtfLoadOpts = "bpf_btf_load_opts" { sz: usize, log_buf: usize, log_level: u32, log_size: u32, log_true_size: u32, btf_flags: u32, token_fd: u32 } token_fd
    BpfMapBatchOpts = "bpf_map_batch_opts" { sz: usize, elem_flags: u64, flags: u64 } flags
    BpfObjPinOpts = "bpf_obj_pin_opts" { sz: usize, file_flags: u32, path_fd: i32 } path_fd
    BpfObjGetOpts = "bpf_obj_get_opts" { sz: usize, file_flags: u32, path_fd: i32 } path_fd
    BpfProgAttachOpts = "bpf_prog_attach_opts" { sz: usize, flags: u32, replace_fd: u32, relative_fd: i32, relative_id: u32, expected_revision: u64 } expected_revision
    BpfProgDetachOpts = "bpf_prog_detach_opts" { sz: usize, flags: u32, relative_fd: i32, relative_id: u32, expected_revision: u64 } expected_revision
    BpfLinkCreateOpts = "bpf_link_create_opts" { sz: usize, flags: u32, iter_info: usize, iter_info_len: u32, target_btf_id: u32, kind: [u64; 6] } kind
    BpfLinkUpdateOpts = "bpf_link_update_opts" { sz: usize, flags: u32, old_prog_fd: u32, old_map_fd: u32 } old_map_fd
    BpfGetFdByIdOpts = "bpf_get_fd_by_id_opts" { sz: usize, open_flags: u32, token_fd: u32 } token_fd
    BpfProgQueryOpts = "bpf_prog_query_opts" { sz: usize, query_flags: u32, attach_flags: u32, prog_ids: usize, count: u32, prog_attach_flags: usize, link_ids: usize, link_attach_flags: usize, revision: u64 } revision
    BpfRawTpOpts = "bpf_raw_tp_opts" { sz: usize, tp_name: usize, cookie: u64 } cookie
    BpfProgBindOpts = "bpf_prog_bind_opts" { sz: usize, flags: u32 } flags
    BpfTestRunOpts = "bpf_test_run_opts" { sz: usize, data_in: usize, data_out: usize, data_size_in: u32, data_size_out: u32, ctx_in: usize, ctx_out: usize, ctx_size_in: u32, ctx_size_out: u32, retval: u32, repeat: i32, duration: u32, flags: u32, cpu: u32, batch_size: u32 } batch_size
    BpfTokenCreateOpts = "bpf_token_create_opts" { sz: usize, flags: u32 } flags
    BpfProgStreamReadOpts = "bpf_prog_stream_read_opts" { sz: usize } sz
    BpfProgAssocStructOpsOpts = "bpf_prog_assoc_struct_ops_opts" { sz: usize, flags: u32 } flags
    BtfNewOpts = "btf_new_opts" { sz: usize, base_btf: usize, add_layout: u8 } add_layout
    BtfDedupOpts = "btf_dedup_opts" { sz: usize, btf_ext: usize, force_collisions: u8 } force_collisions
    BtfPermuteOpts = "btf_permute_opts" { sz: usize, btf_ext: usize } btf_ext
    BtfDumpOpts = "btf_dump_opts" { sz: usize } sz
    BtfDumpEmitTypeDeclOpts = "btf_dump_emit_type_decl_opts" { sz: usize, field_name: usize, indent_level: i32, strip_mods: u8 } strip_mods
    BtfDumpTypeDataOpts = "btf_dump_type_data_opts" { sz: usize, indent_str: usize, indent_level: i32, compact: u8, skip_names: u8, emit_zeroes: u8, emit_strings: u8 } emit_strings
    BpfMapSkeleton = "bpf_map_skeleton" { name: usize, map: usize, mmaped: usize, link: usize } link
    BpfProgSkeleton = "bpf_prog_skeleton" { name: usize, prog: usize, link: usize } link
    BpfVarSkeleton = "bpf_var_skeleton" { name: usize, map: usize, addr: usize } addr
    BpfObjectSkeleton = "bpf_object_skeleton" { sz: usize, name: usize, data: usize, data_sz: usize, obj: usize, map_cnt: i32, map_skel_sz: i32, maps: usize, prog_cnt: i32, prog_skel_sz: i32, progs: usize } progs
    BpfObjectSubskeleton = "bpf_object_subskeleton" { sz: usize, obj: usize, map_cnt: i32, map_skel_sz: i32, maps: usize, prog_cnt: i32, prog_skel_sz: i32, progs: usize, var_cnt: i32, var_skel_sz: i32, vars: usize } vars
}

/// Where the attach options of `bpf_link_create` end, which its caller may cut short by the kind of link.
pub const LINK_CREATE_KIND: usize = core::mem::offset_of!(BpfLinkCreateOpts, kind);

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_ends_are_those_of_the_headers() {
        let table = include_str!("../abi/opts_layout.tsv");
        let mut checked = 0;
        for row in table.lines().skip(1) {
            let columns: Vec<&str> = row.split('\t').collect();
            let [name, size, end] = columns[..] else { panic!("{row}") };
            let (_, our_size, our_end) = ALL.iter().find(|l| l.0 == name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(our_size.to_string(), size, "{name}");
            if end != "-" {
                assert_eq!(our_end.to_string(), end, "{name}");
            }
            checked += 1;
        }
        assert_eq!(checked, ALL.len());
    }
}
