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

/**
 * Opens BTF by id.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_btf_get_fd_by_id(__u32 id);

/**
 * Opens BTF by id, with options.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_btf_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts);

/**
 * What the kernel knows about BTF.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_btf_get_info_by_fd(int btf_fd, struct bpf_btf_info *info, __u32 *info_len);

/**
 * The id of the BTF after one.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_btf_get_next_id(__u32 start_id, __u32 *next_id);

/**
 * Loads BTF.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_btf_load(const void *btf_data, size_t btf_size, struct bpf_btf_load_opts *opts);

/**
 * Counts run time and runs as long as the descriptor that this gives is open.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_enable_stats(int type);

/**
 * Opens an iterator.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_iter_create(int link_fd);

/**
 * Creates a link.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link_create(int prog_fd, int target_fd, enum bpf_attach_type attach_type,
			const struct bpf_link_create_opts *opts);

/**
 * Detaches by force.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link_detach(int link_fd);

/**
 * Opens a link by id.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link_get_fd_by_id(__u32 id);

/**
 * Opens a link by id, with options.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts);

/**
 * What the kernel knows about a link.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link_get_info_by_fd(int link_fd, struct bpf_link_info *info, __u32 *info_len);

/**
 * The id of the link after one.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link_get_next_id(__u32 start_id, __u32 *next_id);

/**
 * Attaches another program or map in place of a link's.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link_update(int link_fd, int new_prog_fd, const struct bpf_link_update_opts *opts);

/**
 * Creates a map.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_create(enum bpf_map_type map_type, const char *map_name, __u32 key_size,
			__u32 value_size, __u32 max_entries, const struct bpf_map_create_opts *opts);

/**
 * Removes many entries.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_delete_batch(int fd, const void *keys, __u32 *count,
			const struct bpf_map_batch_opts *opts);

/**
 * Removes the entry under a key.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_delete_elem(int fd, const void *key);

/**
 * Removes the entry under a key, with flags.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_delete_elem_flags(int fd, const void *key, __u64 flags);

/**
 * Makes a map read-only for user space.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_freeze(int fd);

/**
 * Opens a map by id.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_get_fd_by_id(__u32 id);

/**
 * Opens a map by id, with options.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts);

/**
 * What the kernel knows about a map.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_get_info_by_fd(int map_fd, struct bpf_map_info *info, __u32 *info_len);

/**
 * The id of the map after one.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_get_next_id(__u32 start_id, __u32 *next_id);

/**
 * The key after one, the first for null.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_get_next_key(int fd, const void *key, void *next_key);

/**
 * Copies many entries and removes them.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_lookup_and_delete_batch(int fd, void *in_batch, void *out_batch, void *keys,
			void *values, __u32 *count, const struct bpf_map_batch_opts *opts);

/**
 * Copies the value under a key and removes the entry.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_lookup_and_delete_elem(int fd, const void *key, void *value);

/**
 * Copies the value under a key and removes the entry, with flags.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_lookup_and_delete_elem_flags(int fd, const void *key, void *value, __u64 flags);

/**
 * Copies many entries.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_lookup_batch(int fd, void *in_batch, void *out_batch, void *keys, void *values,
			__u32 *count, const struct bpf_map_batch_opts *opts);

/**
 * Copies the value under a key.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_lookup_elem(int fd, const void *key, void *value);

/**
 * Copies the value under a key, with flags.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_lookup_elem_flags(int fd, const void *key, void *value, __u64 flags);

/**
 * Writes many entries.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_update_batch(int fd, const void *keys, const void *values, __u32 *count,
			const struct bpf_map_batch_opts *opts);

/**
 * Writes the value under a key.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map_update_elem(int fd, const void *key, const void *value, __u64 flags);

/**
 * Opens a pinned object.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_obj_get(const char *pathname);

/**
 * What the kernel knows about an object.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_obj_get_info_by_fd(int bpf_fd, void *info, __u32 *info_len);

/**
 * Opens a pinned object, with options.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_obj_get_opts(const char *pathname, const struct bpf_obj_get_opts *opts);

/**
 * Pins an object.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_obj_pin(int fd, const char *pathname);

/**
 * Pins an object, with options.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_obj_pin_opts(int fd, const char *pathname, const struct bpf_obj_pin_opts *opts);

/**
 * Ties a program to a struct_ops map.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_assoc_struct_ops(int prog_fd, int map_fd,
			struct bpf_prog_assoc_struct_ops_opts *opts);

/**
 * Attaches a program without a link.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_attach(int prog_fd, int attachable_fd, enum bpf_attach_type type, unsigned int flags);

/**
 * Attaches a program without a link, with options.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_attach_opts(int prog_fd, int target, enum bpf_attach_type type,
			const struct bpf_prog_attach_opts *opts);

/**
 * Keeps a map for as long as a program lives.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_bind_map(int prog_fd, int map_fd, const struct bpf_prog_bind_opts *opts);

/**
 * Detaches whatever is attached without a link.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_detach(int attachable_fd, enum bpf_attach_type type);

/**
 * Detaches a program that was attached without a link.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_detach2(int prog_fd, int attachable_fd, enum bpf_attach_type type);

/**
 * Detaches a program that was attached without a link, with options.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_detach_opts(int prog_fd, int target, enum bpf_attach_type type,
			const struct bpf_prog_detach_opts *opts);

/**
 * Opens a program by id.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_get_fd_by_id(__u32 id);

/**
 * Opens a program by id, with options.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_get_fd_by_id_opts(__u32 id, const struct bpf_get_fd_by_id_opts *opts);

/**
 * What the kernel knows about a program.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_get_info_by_fd(int prog_fd, struct bpf_prog_info *info, __u32 *info_len);

/**
 * The id of the program after one.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_get_next_id(__u32 start_id, __u32 *next_id);

/**
 * Loads a program. With a log buffer and level 0 the log is of a second try, if the first fails.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_load(enum bpf_prog_type prog_type, const char *prog_name, const char *license,
			const struct bpf_insn *insns, size_t insn_cnt, struct bpf_prog_load_opts *opts);

/**
 * The programs at an attach point.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_query(int target_fd, enum bpf_attach_type type, __u32 query_flags,
			__u32 *attach_flags, __u32 *prog_ids, __u32 *prog_cnt);

/**
 * The programs and links at an attach point.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_query_opts(int target, enum bpf_attach_type type, struct bpf_prog_query_opts *opts);

/**
 * Reads what a program wrote to a stream; gives the bytes read.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_stream_read(int prog_fd, __u32 stream_id, void *buf, __u32 buf_len,
			struct bpf_prog_stream_read_opts *opts);

/**
 * Runs a program on data and context.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_prog_test_run_opts(int prog_fd, struct bpf_test_run_opts *opts);

/**
 * Attaches a program to a raw tracepoint, or where its BTF says.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_raw_tracepoint_open(const char *name, int prog_fd);

/**
 * Attaches a program to a raw tracepoint, with options.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_raw_tracepoint_open_opts(int prog_fd, struct bpf_raw_tp_opts *opts);

/**
 * What a descriptor of a process has to do with BPF.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_task_fd_query(int pid, int fd, __u32 flags, char *buf, __u32 *buf_len, __u32 *prog_id,
			__u32 *fd_type, __u64 *probe_offset, __u64 *probe_addr);

/**
 * Gets a token of a bpf file system.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_token_create(int bpffs_fd, struct bpf_token_create_opts *opts);

/**
 * Sets what the limit of locked memory is raised to on kernels that need it, 0 for nothing. −EBUSY after it was.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int libbpf_set_memlock_rlim(size_t memlock_bytes);

#ifdef __cplusplus
}
#endif

#endif
