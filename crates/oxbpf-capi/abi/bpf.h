/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/**
 * @file
 * The commands of bpf(2), one function each.
 *
 * What they give is the command's result, or a negative error number that errno has too, without the sign. Descriptors
 * that they give are above 2 and closed on exec. Option structs are made by LIBBPF_OPTS(); a pointer to options may be NULL.
 */
#ifndef __LIBBPF_BPF_H
#define __LIBBPF_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/bpf.h>

#include "libbpf_common.h"
#include "libbpf_legacy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** A log for any command (Linux 7.2). */
struct bpf_log_opts {
	size_t sz;		/**< size of this struct */
	char *buf;		/**< where it goes */
	__u32 size;		/**< bytes there */
	__u32 level;
	__u32 true_size;	/**< written: bytes that it has, or would have */
	size_t :0;
};
#define bpf_log_opts__last_field true_size

/** Options for a new map. */
struct bpf_map_create_opts {
	size_t sz;				/**< size of this struct */
	__u32 btf_fd;				/**< types of key and value */
	__u32 btf_key_type_id;
	__u32 btf_value_type_id;
	__u32 btf_vmlinux_value_type_id;	/**< the struct of operations, for struct_ops */
	__u32 inner_map_fd;			/**< what maps of maps hold */
	__u32 map_flags;			/**< BPF_F_* */
	__u64 map_extra;			/**< depends on the type */
	__u32 numa_node;			/**< with BPF_F_NUMA_NODE */
	__u32 map_ifindex;			/**< device that has it */
	__s32 value_type_btf_obj_fd;		/**< types of the module that has the struct of operations */
	__u32 token_fd;				/**< BPF token */
	const void *excl_prog_hash;		/**< SHA-256 of the only program that may use it */
	__u32 excl_prog_hash_size;
	struct bpf_log_opts *log_opts;		/**< what the kernel has to say */
	size_t :0;
};
#define bpf_map_create_opts__last_field log_opts

/** Options for loading a program. */
struct bpf_prog_load_opts {
	size_t sz;			/**< size of this struct */
	int attempts;			/**< tries if the kernel says EAGAIN; default 5 */
	enum bpf_attach_type expected_attach_type;
	__u32 prog_btf_fd;		/**< its types */
	__u32 prog_flags;		/**< BPF_F_* */
	__u32 prog_ifindex;		/**< device that runs it */
	__u32 kern_version;		/**< for kernels before 5.0 */
	__u32 attach_btf_id;		/**< the function that it traces or replaces */
	__u32 attach_prog_fd;		/**< the program that has it */
	__u32 attach_btf_obj_fd;	/**< the module that has it */
	const int *fd_array;		/**< descriptors that instructions name by index */
	const void *func_info;
	__u32 func_info_cnt;
	__u32 func_info_rec_size;
	const void *line_info;
	__u32 line_info_cnt;
	__u32 line_info_rec_size;
	__u32 log_level;		/**< what the verifier logs; 0: only on errors */
	__u32 log_size;
	char *log_buf;			/**< where it goes */
	__u32 log_true_size;		/**< written: bytes that the log has, or would have */
	__u32 token_fd;			/**< BPF token */
	__u32 fd_array_cnt;		/**< descriptors that are bound to the program */
	size_t :0;
};
#define bpf_prog_load_opts__last_field fd_array_cnt

/** Take map definitions with unknown members. */
#define MAPS_RELAX_COMPAT 0x01
/** The largest log that every kernel takes, in bytes. */
#define BPF_LOG_BUF_SIZE (UINT32_MAX >> 8)

/** Options for loading types. */
struct bpf_btf_load_opts {
	size_t sz;		/**< size of this struct */
	char *log_buf;		/**< where the log goes */
	__u32 log_level;
	__u32 log_size;
	__u32 log_true_size;	/**< written: bytes that the log has, or would have */
	__u32 btf_flags;	/**< BPF_F_TOKEN_FD */
	__u32 token_fd;		/**< BPF token */
	size_t :0;
};
#define bpf_btf_load_opts__last_field token_fd

/** Options for many entries at once. */
struct bpf_map_batch_opts {
	size_t sz;		/**< size of this struct */
	__u64 elem_flags;	/**< for each entry, as of a single one */
	__u64 flags;
};
#define bpf_map_batch_opts__last_field flags

/** Options for pinning. */
struct bpf_obj_pin_opts {
	size_t sz;		/**< size of this struct */
	__u32 file_flags;	/**< BPF_F_PATH_FD */
	int path_fd;		/**< the directory that the path is relative to */
	size_t :0;
};
#define bpf_obj_pin_opts__last_field path_fd

/** Options for opening a pin. */
struct bpf_obj_get_opts {
	size_t sz;		/**< size of this struct */
	__u32 file_flags;	/**< BPF_F_RDONLY, BPF_F_WRONLY, BPF_F_PATH_FD */
	int path_fd;		/**< the directory that the path is relative to */
	size_t :0;
};
#define bpf_obj_get_opts__last_field path_fd

/** Options for attaching without a link. */
struct bpf_prog_attach_opts {
	size_t sz;			/**< size of this struct */
	__u32 flags;			/**< BPF_F_* */
	union {
		int replace_prog_fd;
		int replace_fd;		/**< the program whose place it takes */
	};
	int relative_fd;		/**< the neighbour, by descriptor */
	__u32 relative_id;		/**< the neighbour, by id */
	__u64 expected_revision;	/**< refuse if the list has another one; 0: any */
	size_t :0;
};
#define bpf_prog_attach_opts__last_field expected_revision

/** Options for detaching. */
struct bpf_prog_detach_opts {
	size_t sz;			/**< size of this struct */
	__u32 flags;			/**< BPF_F_* */
	int relative_fd;		/**< the neighbour, by descriptor */
	__u32 relative_id;		/**< the neighbour, by id */
	__u64 expected_revision;	/**< refuse if the list has another one; 0: any */
	size_t :0;
};
#define bpf_prog_detach_opts__last_field expected_revision

union bpf_iter_link_info;

/** Options for a new link; which member of the union counts follows from the attach type. */
struct bpf_link_create_opts {
	size_t sz;				/**< size of this struct */
	__u32 flags;
	union bpf_iter_link_info *iter_info;	/**< what an iterator goes through */
	__u32 iter_info_len;
	__u32 target_btf_id;			/**< the function of the target program */
	union {
		struct {
			__u64 bpf_cookie;
		} perf_event;
		struct {
			__u32 flags;
			__u32 cnt;
			const char **syms;
			const unsigned long *addrs;
			const __u64 *cookies;
		} kprobe_multi;
		struct {
			__u32 flags;
			__u32 cnt;
			const char *path;
			const unsigned long *offsets;
			const unsigned long *ref_ctr_offsets;
			const __u64 *cookies;
			__u32 pid;
			__u32 path_fd;
		} uprobe_multi;
		struct {
			__u64 cookie;
		} tracing;
		struct {
			__u32 pf;
			__u32 hooknum;
			__s32 priority;
			__u32 flags;
		} netfilter;
		struct {
			__u32 relative_fd;
			__u32 relative_id;
			__u64 expected_revision;
		} tcx;
		struct {
			__u32 relative_fd;
			__u32 relative_id;
			__u64 expected_revision;
		} netkit;
		struct {
			__u32 relative_fd;
			__u32 relative_id;
			__u64 expected_revision;
		} cgroup;
		struct {
			const __u32 *ids;
			const __u64 *cookies;
			__u32 cnt;
		} tracing_multi;
	};
	size_t :0;
};
#define bpf_link_create_opts__last_field uprobe_multi.path_fd

/** Options for changing a link. */
struct bpf_link_update_opts {
	size_t sz;		/**< size of this struct */
	__u32 flags;		/**< BPF_F_REPLACE */
	__u32 old_prog_fd;	/**< refuse if it has another program */
	__u32 old_map_fd;	/**< refuse if it has another map */
};
#define bpf_link_update_opts__last_field old_map_fd

/** A test run as older programs describe it; no function takes it any more. */
struct bpf_prog_test_run_attr {
	int prog_fd;
	int repeat;
	const void *data_in;
	__u32 data_size_in;
	void *data_out;
	__u32 data_size_out;
	__u32 retval;
	__u32 duration;
	const void *ctx_in;
	__u32 ctx_size_in;
	void *ctx_out;
	__u32 ctx_size_out;
};

/** Options for opening by id. */
struct bpf_get_fd_by_id_opts {
	size_t sz;		/**< size of this struct */
	__u32 open_flags;	/**< BPF_F_RDONLY, BPF_F_WRONLY: maps only */
	__u32 token_fd;		/**< BPF token */
	size_t :0;
};
#define bpf_get_fd_by_id_opts__last_field token_fd

/** Options for asking what is attached. */
struct bpf_prog_query_opts {
	size_t sz;			/**< size of this struct */
	__u32 query_flags;		/**< BPF_F_QUERY_EFFECTIVE */
	__u32 attach_flags;		/**< written */
	__u32 *prog_ids;		/**< written, by the kernel */
	union {
		__u32 prog_cnt;
		__u32 count;		/**< room in the lists; written: how many there are */
	};
	__u32 *prog_attach_flags;	/**< written, by the kernel */
	__u32 *link_ids;		/**< written, by the kernel */
	__u32 *link_attach_flags;	/**< written, by the kernel */
	__u64 revision;			/**< written */
	size_t :0;
};
#define bpf_prog_query_opts__last_field revision

/** Options for opening a raw tracepoint. */
struct bpf_raw_tp_opts {
	size_t sz;		/**< size of this struct */
	const char *tp_name;	/**< its name */
	__u64 cookie;		/**< what bpf_get_attach_cookie() gives */
	size_t :0;
};
#define bpf_raw_tp_opts__last_field cookie

#ifndef __cplusplus
enum bpf_stats_type;
#endif

/** Options for tying a map to a program. */
struct bpf_prog_bind_opts {
	size_t sz;	/**< size of this struct */
	__u32 flags;
};
#define bpf_prog_bind_opts__last_field flags

/** A test run. */
struct bpf_test_run_opts {
	size_t sz;		/**< size of this struct */
	const void *data_in;	/**< the packet */
	void *data_out;		/**< where the packet goes afterwards */
	__u32 data_size_in;
	__u32 data_size_out;	/**< room; written: bytes that there are */
	const void *ctx_in;	/**< the context */
	void *ctx_out;		/**< where the context goes afterwards */
	__u32 ctx_size_in;
	__u32 ctx_size_out;	/**< room; written: bytes that there are */
	__u32 retval;		/**< written: what the program returned */
	int repeat;		/**< how often; default once */
	__u32 duration;		/**< written: nanoseconds of a run */
	__u32 flags;		/**< BPF_F_TEST_* */
	__u32 cpu;		/**< with BPF_F_TEST_RUN_ON_CPU */
	__u32 batch_size;	/**< live frames at once */
};
#define bpf_test_run_opts__last_field batch_size

/** Options for a BPF token. */
struct bpf_token_create_opts {
	size_t sz;	/**< size of this struct */
	__u32 flags;
	size_t :0;
};
#define bpf_token_create_opts__last_field flags

/** Options for reading what a program has written. */
struct bpf_prog_stream_read_opts {
	size_t sz;	/**< size of this struct */
	size_t :0;
};
#define bpf_prog_stream_read_opts__last_field sz

/** Options for tying a program to a struct of operations. */
struct bpf_prog_assoc_struct_ops_opts {
	size_t sz;	/**< size of this struct */
	__u32 flags;
	size_t :0;
};
#define bpf_prog_assoc_struct_ops_opts__last_field flags

@functions@
#ifdef __cplusplus
}
#endif

#endif
