/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/**
 * @file
 * Objects, programs, maps and links: what loads and attaches BPF programs.
 *
 * Numbers that functions give are 0 or positive, or a negative error number that errno has too, without the sign. Pointers
 * that they give are NULL on an error, and errno says which. Option structs are made by LIBBPF_OPTS(); a pointer to
 * options may be NULL.
 */
#ifndef __LIBBPF_LIBBPF_H
#define __LIBBPF_LIBBPF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <linux/bpf.h>

#include "libbpf_common.h"
#include "libbpf_legacy.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Error numbers of the library's own, beside the system's. */
enum libbpf_errno {
	__LIBBPF_ERRNO__START = 4000,
	LIBBPF_ERRNO__LIBELF = 4000,	/**< no ELF file */
	LIBBPF_ERRNO__FORMAT = 4001,	/**< ELF, but not as BPF objects are */
	LIBBPF_ERRNO__KVERSION = 4002,	/**< kernel version wrong or missing in the object */
	LIBBPF_ERRNO__ENDIAN = 4003,	/**< another byte order */
	LIBBPF_ERRNO__INTERNAL = 4004,	/**< a mistake of the library */
	LIBBPF_ERRNO__RELOC = 4005,	/**< a relocation failed */
	LIBBPF_ERRNO__LOAD = 4006,	/**< loading failed, nobody knows why */
	LIBBPF_ERRNO__VERIFY = 4007,	/**< the verifier refused a program */
	LIBBPF_ERRNO__PROG2BIG = 4008,	/**< a program is too large */
	LIBBPF_ERRNO__KVER = 4009,	/**< made for another kernel version */
	LIBBPF_ERRNO__PROGTYPE = 4010,	/**< not for this program type */
	LIBBPF_ERRNO__WRNGPID = 4011,	/**< an answer of netlink for another process */
	LIBBPF_ERRNO__INVSEQ = 4012,	/**< an answer of netlink out of turn */
	LIBBPF_ERRNO__NLPARSE = 4013,	/**< an answer of netlink that cannot be read */
	__LIBBPF_ERRNO__END,
};

/** How much a message matters. */
enum libbpf_print_level {
	LIBBPF_WARN,
	LIBBPF_INFO,
	LIBBPF_DEBUG,
};

/** What is called with each message; the list of arguments is only valid during the call. */
typedef int (*libbpf_print_fn_t)(enum libbpf_print_level level, const char *format, va_list args);

struct bpf_insn;
struct bpf_link;
struct bpf_map;
struct bpf_object;
struct bpf_program;
struct btf;

/** Options for opening an object. */
struct bpf_object_open_opts {
	size_t sz;			/**< size of this struct */
	const char *object_name;	/**< name of the object in place of that of the file; needed for one in memory */
	bool relaxed_maps;		/**< take map definitions with unknown members */
	const char *pin_root_path;	/**< directory for maps that are pinned by name; default /sys/fs/bpf */
	__u32 :32;
	const char *kconfig;		/**< lines `CONFIG_X=value` that go before those of the kernel */
	const char *btf_custom_path;	/**< file with the kernel's types */
	char *kernel_log_buf;		/**< where logs of the kernel go; default: memory of the library's own */
	size_t kernel_log_size;		/**< bytes there */
	__u32 kernel_log_level;		/**< what the kernel logs; 0: only on errors */
	const char *bpf_token_path;	/**< bpf file system to get a token from; "": none */
	size_t :0;
};
#define bpf_object_open_opts__last_field bpf_token_path

/** Every program of an object, in the order of the file. */
#define bpf_object__for_each_program(pos, obj) \
	for ((pos) = bpf_object__next_program((obj), NULL); (pos); (pos) = bpf_object__next_program((obj), (pos)))

/** Every map of an object, in the order in which it has them. */
#define bpf_object__for_each_map(pos, obj) \
	for ((pos) = bpf_object__next_map((obj), NULL); (pos); (pos) = bpf_object__next_map((obj), (pos)))
#define bpf_map__for_each bpf_object__for_each_map

/** Options for attaching to a perf event. */
struct bpf_perf_event_opts {
	size_t sz;			/**< size of this struct */
	__u64 bpf_cookie;		/**< what bpf_get_attach_cookie() gives */
	bool force_ioctl_attach;	/**< no BPF link, even if the kernel has them */
	bool dont_enable;		/**< leave the event as it is */
	size_t :0;
};
#define bpf_perf_event_opts__last_field dont_enable

/** By which of the kernel's ways a probe is set. */
enum probe_attach_mode {
	PROBE_ATTACH_MODE_DEFAULT = 0,	/**< the best that the kernel has */
	PROBE_ATTACH_MODE_LEGACY,	/**< an event in tracefs */
	PROBE_ATTACH_MODE_PERF,		/**< a perf event */
	PROBE_ATTACH_MODE_LINK,		/**< a BPF link on a perf event */
};

/** Options for a kernel probe. */
struct bpf_kprobe_opts {
	size_t sz;			/**< size of this struct */
	__u64 bpf_cookie;		/**< what bpf_get_attach_cookie() gives */
	size_t offset;			/**< bytes from the start of the function */
	bool retprobe;			/**< when it returns */
	enum probe_attach_mode attach_mode;
	size_t :0;
};
#define bpf_kprobe_opts__last_field attach_mode

/** Options for many kernel probes. Either a pattern, or symbols, or addresses. */
struct bpf_kprobe_multi_opts {
	size_t sz;			/**< size of this struct */
	const char **syms;		/**< names of functions */
	const unsigned long *addrs;	/**< addresses of functions */
	const __u64 *cookies;		/**< a cookie for each */
	size_t cnt;			/**< how many there are */
	bool retprobe;			/**< when they return */
	bool session;			/**< both when they are entered and when they return */
	bool unique_match;		/**< the pattern has to match one function */
	size_t :0;
};
#define bpf_kprobe_multi_opts__last_field unique_match

/** Options for many user probes. Either a pattern, or symbols, or offsets. */
struct bpf_uprobe_multi_opts {
	size_t sz;				/**< size of this struct */
	const char **syms;			/**< names of functions */
	const unsigned long *offsets;		/**< offsets in the file, or from the symbols */
	const unsigned long *ref_ctr_offsets;	/**< offsets of counters */
	const __u64 *cookies;			/**< a cookie for each */
	size_t cnt;				/**< how many there are */
	bool retprobe;				/**< when they return */
	bool session;				/**< both when they are entered and when they return */
	size_t :0;
};
#define bpf_uprobe_multi_opts__last_field session

/** Options for a probe of a system call. */
struct bpf_ksyscall_opts {
	size_t sz;		/**< size of this struct */
	__u64 bpf_cookie;	/**< what bpf_get_attach_cookie() gives */
	bool retprobe;		/**< when it returns */
	size_t :0;
};
#define bpf_ksyscall_opts__last_field retprobe

/** Options for one program on many traced functions. */
struct bpf_tracing_multi_opts {
	size_t sz;		/**< size of this struct */
	const __u32 *ids;	/**< BTF ids of functions */
	const __u64 *cookies;	/**< a cookie for each */
	size_t cnt;		/**< how many there are */
	size_t :0;
};
#define bpf_tracing_multi_opts__last_field cnt

/** Options for a user probe. */
struct bpf_uprobe_opts {
	size_t sz;			/**< size of this struct */
	size_t ref_ctr_offset;		/**< file offset of a counter that the kernel raises while the probe is set */
	__u64 bpf_cookie;		/**< what bpf_get_attach_cookie() gives */
	bool retprobe;			/**< when it returns */
	const char *func_name;		/**< function from which the offset counts, perhaps `name@version` */
	enum probe_attach_mode attach_mode;
	size_t :0;
};
#define bpf_uprobe_opts__last_field attach_mode

/** Options for a statically defined probe. */
struct bpf_usdt_opts {
	size_t sz;		/**< size of this struct */
	__u64 usdt_cookie;	/**< what bpf_usdt_cookie() gives */
	size_t :0;
};
#define bpf_usdt_opts__last_field usdt_cookie

/** Options for a tracepoint. */
struct bpf_tracepoint_opts {
	size_t sz;		/**< size of this struct */
	__u64 bpf_cookie;	/**< what bpf_get_attach_cookie() gives */
};
#define bpf_tracepoint_opts__last_field bpf_cookie

/** Options for a raw tracepoint. */
struct bpf_raw_tracepoint_opts {
	size_t sz;	/**< size of this struct */
	__u64 cookie;	/**< what bpf_get_attach_cookie() gives */
	size_t :0;
};
#define bpf_raw_tracepoint_opts__last_field cookie

/** Options for a traced function. */
struct bpf_trace_opts {
	size_t sz;	/**< size of this struct */
	__u64 cookie;	/**< what bpf_get_attach_cookie() gives */
};
#define bpf_trace_opts__last_field cookie

/** Options for a hook of netfilter. */
struct bpf_netfilter_opts {
	size_t sz;	/**< size of this struct */
	__u32 pf;	/**< NFPROTO_IPV4, NFPROTO_IPV6 */
	__u32 hooknum;	/**< NF_INET_* */
	__s32 priority;	/**< lower comes first */
	__u32 flags;	/**< BPF_F_NETFILTER_IP_DEFRAG */
};
#define bpf_netfilter_opts__last_field flags

/** Options for a place among the programs of an interface. */
struct bpf_tcx_opts {
	size_t sz;			/**< size of this struct */
	__u32 flags;			/**< BPF_F_BEFORE, BPF_F_AFTER, BPF_F_REPLACE and what the relative one is */
	__u32 relative_fd;		/**< the neighbour, by descriptor */
	__u32 relative_id;		/**< the neighbour, by id */
	__u64 expected_revision;	/**< refuse if the list has another one; 0: any */
	size_t :0;
};
#define bpf_tcx_opts__last_field expected_revision

/** Options for a place among the programs of a netkit device. */
struct bpf_netkit_opts {
	size_t sz;			/**< size of this struct */
	__u32 flags;			/**< BPF_F_BEFORE, BPF_F_AFTER and what the relative one is */
	__u32 relative_fd;		/**< the neighbour, by descriptor */
	__u32 relative_id;		/**< the neighbour, by id */
	__u64 expected_revision;	/**< refuse if the list has another one; 0: any */
	size_t :0;
};
#define bpf_netkit_opts__last_field expected_revision

/** Options for a place among the programs of a control group. */
struct bpf_cgroup_opts {
	size_t sz;			/**< size of this struct */
	__u32 flags;			/**< BPF_F_BEFORE, BPF_F_AFTER and what the relative one is */
	__u32 relative_fd;		/**< the neighbour, by descriptor */
	__u32 relative_id;		/**< the neighbour, by id */
	__u64 expected_revision;	/**< refuse if the list has another one; 0: any */
	size_t :0;
};
#define bpf_cgroup_opts__last_field expected_revision

/** Options for an iterator. */
struct bpf_iter_attach_opts {
	size_t sz;				/**< size of this struct */
	union bpf_iter_link_info *link_info;	/**< what it goes through */
	__u32 link_info_len;			/**< bytes of that */
};
#define bpf_iter_attach_opts__last_field link_info_len

struct bpf_prog_assoc_struct_ops_opts;

/** Options for setting the XDP program of an interface, as older programs have them. */
struct bpf_xdp_set_link_opts {
	size_t sz;	/**< size of this struct */
	int old_fd;	/**< refuse if another one is there */
	size_t :0;
};
#define bpf_xdp_set_link_opts__last_field old_fd

/** Options for setting the XDP program of an interface. */
struct bpf_xdp_attach_opts {
	size_t sz;		/**< size of this struct */
	int old_prog_fd;	/**< refuse if another one is there */
	size_t :0;
};
#define bpf_xdp_attach_opts__last_field old_prog_fd

/** What is asked about the XDP programs of an interface: all but the size is written by the library. */
struct bpf_xdp_query_opts {
	size_t sz;		/**< size of this struct */
	__u32 prog_id;		/**< the program, if there is one only */
	__u32 drv_prog_id;	/**< that of the driver */
	__u32 hw_prog_id;	/**< that of the device */
	__u32 skb_prog_id;	/**< that of the generic mode */
	__u8 attach_mode;	/**< XDP_ATTACHED_* */
	__u64 feature_flags;	/**< NETDEV_XDP_ACT_* */
	__u32 xdp_zc_max_segs;	/**< fragments of a frame without copying */
	size_t :0;
};
#define bpf_xdp_query_opts__last_field xdp_zc_max_segs

/** Where filters of an interface are. */
enum bpf_tc_attach_point {
	BPF_TC_INGRESS = 1 << 0,
	BPF_TC_EGRESS = 1 << 1,
	BPF_TC_CUSTOM = 1 << 2,	/**< where the parent says */
	BPF_TC_QDISC = 1 << 3,	/**< in the queueing discipline that is named */
};

/** The handle of a class, from its two numbers. */
#define BPF_TC_PARENT(major, minor) ((((major) << 16) & 0xFFFF0000U) | ((minor) & 0x0000FFFFU))

enum bpf_tc_flags {
	BPF_TC_F_REPLACE = 1 << 0,	/**< take the place of a filter with the same handle and priority */
};

/** A place for filters. */
struct bpf_tc_hook {
	size_t sz;				/**< size of this struct */
	int ifindex;				/**< the interface */
	enum bpf_tc_attach_point attach_point;
	__u32 parent;				/**< for BPF_TC_CUSTOM and BPF_TC_QDISC: BPF_TC_PARENT() */
	__u32 handle;				/**< for BPF_TC_QDISC */
	const char *qdisc;			/**< for BPF_TC_QDISC: its kind */
	size_t :0;
};
#define bpf_tc_hook__last_field qdisc

/** A filter. */
struct bpf_tc_opts {
	size_t sz;	/**< size of this struct */
	int prog_fd;	/**< the program */
	__u32 flags;	/**< BPF_TC_F_REPLACE */
	__u32 prog_id;	/**< written by the library */
	__u32 handle;	/**< 0: the kernel chooses, and the library writes which */
	__u32 priority;	/**< as the handle */
	size_t :0;
};
#define bpf_tc_opts__last_field priority

struct ring_buffer;
struct ring;
struct user_ring_buffer;

/** What is called with each sample of a ring buffer. A negative result ends the call that consumes, and is its result. */
typedef int (*ring_buffer_sample_fn)(void *ctx, void *data, size_t size);

struct ring_buffer_opts {
	size_t sz;	/**< size of this struct */
};
#define ring_buffer_opts__last_field sz

struct user_ring_buffer_opts {
	size_t sz;	/**< size of this struct */
};
#define user_ring_buffer_opts__last_field sz

struct perf_buffer;

/** What is called with each sample of a perf buffer. */
typedef void (*perf_buffer_sample_fn)(void *ctx, int cpu, void *data, __u32 size);
/** What is called with how many samples were lost. */
typedef void (*perf_buffer_lost_fn)(void *ctx, int cpu, __u64 cnt);

/** Options for a perf buffer. */
struct perf_buffer_opts {
	size_t sz;		/**< size of this struct */
	__u32 sample_period;	/**< samples after which a waiting reader is woken; default 1 */
	size_t :0;
};
#define perf_buffer_opts__last_field sample_period

/** Whether to go on with the next event. */
enum bpf_perf_event_ret {
	LIBBPF_PERF_EVENT_DONE = 0,
	LIBBPF_PERF_EVENT_ERROR = -1,
	LIBBPF_PERF_EVENT_CONT = -2,
};

struct perf_event_header;
/** What is called with each event as the kernel wrote it. */
typedef enum bpf_perf_event_ret (*perf_buffer_event_fn)(void *ctx, int cpu, struct perf_event_header *event);

/** Options for a perf buffer whose events are described by the caller. */
struct perf_buffer_raw_opts {
	size_t sz;	/**< size of this struct */
	long :0;
	long :0;
	int cpu_cnt;	/**< CPUs in the lists; 0: all */
	int *cpus;	/**< the CPUs */
	int *map_keys;	/**< the place in the map for each */
};
#define perf_buffer_raw_opts__last_field map_keys

struct perf_event_attr;
struct bpf_prog_linfo;
struct bpf_prog_info;

/** A map of a skeleton. */
struct bpf_map_skeleton {
	const char *name;
	struct bpf_map **map;
	void **mmaped;
	struct bpf_link **link;
};

/** A program of a skeleton. */
struct bpf_prog_skeleton {
	const char *name;
	struct bpf_program **prog;
	struct bpf_link **link;
};

/** What a generated header knows about an object. */
struct bpf_object_skeleton {
	size_t sz;			/**< size of this struct */
	const char *name;
	const void *data;		/**< the object file */
	size_t data_sz;
	struct bpf_object **obj;
	int map_cnt;
	int map_skel_sz;		/**< size of struct bpf_map_skeleton */
	struct bpf_map_skeleton *maps;
	int prog_cnt;
	int prog_skel_sz;		/**< size of struct bpf_prog_skeleton */
	struct bpf_prog_skeleton *progs;
};

/** A variable of a subskeleton. */
struct bpf_var_skeleton {
	const char *name;
	struct bpf_map **map;
	void **addr;
};

/** What a generated header knows about a part of an object. */
struct bpf_object_subskeleton {
	size_t sz;			/**< size of this struct */
	const struct bpf_object *obj;
	int map_cnt;
	int map_skel_sz;		/**< size of struct bpf_map_skeleton */
	struct bpf_map_skeleton *maps;
	int prog_cnt;
	int prog_skel_sz;		/**< size of struct bpf_prog_skeleton */
	struct bpf_prog_skeleton *progs;
	int var_cnt;
	int var_skel_sz;		/**< size of struct bpf_var_skeleton */
	struct bpf_var_skeleton *vars;
};

/** A loader program: all but size and gen_hash is written by the library, and belongs to the object. */
struct gen_loader_opts {
	size_t sz;		/**< size of this struct */
	const char *data;	/**< its data */
	const char *insns;	/**< its instructions */
	__u32 data_sz;
	__u32 insns_sz;
	bool gen_hash;		/**< let it check that its data are those that were signed */
};
#define gen_loader_opts__last_field gen_hash

/** Value of a kernel option. */
enum libbpf_tristate {
	TRI_NO = 0,
	TRI_YES = 1,
	TRI_MODULE = 2,
};

struct bpf_linker;

struct bpf_linker_opts {
	size_t sz;	/**< size of this struct */
};
#define bpf_linker_opts__last_field sz

struct bpf_linker_file_opts {
	size_t sz;	/**< size of this struct */
};
#define bpf_linker_file_opts__last_field sz

struct bpf_prog_load_opts;

/** Called when a program of a section has been found; may change it. */
typedef int (*libbpf_prog_setup_fn_t)(struct bpf_program *prog, long cookie);
/** Called before a program is loaded; may change how. */
typedef int (*libbpf_prog_prepare_load_fn_t)(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie);
/** Called by bpf_program__attach(); writes the link, or NULL if there is nothing to attach. */
typedef int (*libbpf_prog_attach_fn_t)(const struct bpf_program *prog, long cookie, struct bpf_link **link);

/** What is done with programs of a section. */
struct libbpf_prog_handler_opts {
	size_t sz;	/**< size of this struct */
	long cookie;	/**< given to each function */
	libbpf_prog_setup_fn_t prog_setup_fn;
	libbpf_prog_prepare_load_fn_t prog_prepare_load_fn;
	libbpf_prog_attach_fn_t prog_attach_fn;
};
#define libbpf_prog_handler_opts__last_field prog_attach_fn

/**
 * Adds a filter; its handle, priority and program id are put into the options.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_tc_attach(const struct bpf_tc_hook *hook, struct bpf_tc_opts *opts);

/**
 * Removes a filter by handle and priority.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_tc_detach(const struct bpf_tc_hook *hook, const struct bpf_tc_opts *opts);

/**
 * Creates the qdisc that filters of a hook need; −EEXIST if it is there.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_tc_hook_create(struct bpf_tc_hook *hook);

/**
 * Removes the filters of a hook, or for both directions the qdisc.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_tc_hook_destroy(struct bpf_tc_hook *hook);

/**
 * Asks about a filter by handle and priority; its program id is put into the options.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_tc_query(const struct bpf_tc_hook *hook, struct bpf_tc_opts *opts);

/**
 * Sets the XDP program of an interface, or removes it: prog_fd is −1 then.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_xdp_attach(int ifindex, int prog_fd, __u32 flags, const struct bpf_xdp_attach_opts *opts);

/**
 * Removes the XDP program of an interface.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_xdp_detach(int ifindex, __u32 flags, const struct bpf_xdp_attach_opts *opts);

/**
 * Which XDP programs an interface has, and what it can do.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_xdp_query(int ifindex, int flags, struct bpf_xdp_query_opts *opts);

/**
 * The id of an interface's XDP program in a mode.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_xdp_query_id(int ifindex, int flags, __u32 *prog_id);

/**
 * The attach type of programs in a section of that name, if they can be attached without a link.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int libbpf_attach_type_by_name(const char *name, enum bpf_attach_type *attach_type);

/**
 * The name of an attach type, null for an unknown one.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *libbpf_bpf_attach_type_str(enum bpf_attach_type t);

/**
 * The name of a link type, null for an unknown one.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *libbpf_bpf_link_type_str(enum bpf_link_type t);

/**
 * The name of a map type, null for an unknown one.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *libbpf_bpf_map_type_str(enum bpf_map_type t);

/**
 * The name of a program type, null for an unknown one.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *libbpf_bpf_prog_type_str(enum bpf_prog_type t);

/**
 * The BTF id of what programs of an attach type call by that name.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int libbpf_find_vmlinux_btf_id(const char *name, enum bpf_attach_type attach_type);

/**
 * The major version.
 */
LIBBPF_API __u32 libbpf_major_version(void);

/**
 * The minor version.
 */
LIBBPF_API __u32 libbpf_minor_version(void);

/**
 * The number of CPUs that there can be.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int libbpf_num_possible_cpus(void);

/**
 * 1 if programs of a type may call a helper, 0 if not.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int libbpf_probe_bpf_helper(enum bpf_prog_type prog_type, enum bpf_func_id helper_id,
			const void *opts);

/**
 * 1 if the kernel has a map type, 0 if not.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int libbpf_probe_bpf_map_type(enum bpf_map_type map_type, const void *opts);

/**
 * 1 if the kernel has a program type, 0 if not.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int libbpf_probe_bpf_prog_type(enum bpf_prog_type prog_type, const void *opts);

/**
 * The types of programs in a section of that name.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int libbpf_prog_type_by_name(const char *name, enum bpf_prog_type *prog_type,
			enum bpf_attach_type *expected_attach_type);

/**
 * Registers what programs of a section name are; gives a positive id.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int libbpf_register_prog_handler(const char *sec, enum bpf_prog_type prog_type,
			enum bpf_attach_type exp_attach_type, const struct libbpf_prog_handler_opts *opts);

/**
 * Makes print the callback for messages, null for none, and gives the one before.
 */
LIBBPF_API libbpf_print_fn_t libbpf_set_print(libbpf_print_fn_t fn);

/**
 * Writes what an error number means into buf, cut to its size.
 *
 * −EINVAL for no buffer, ERANGE (−ERANGE for the library's own numbers) if it was cut, −ENOENT for a number that means nothing.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int libbpf_strerror(int err, char *buf, size_t size);

/**
 * Takes a registration back.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int libbpf_unregister_prog_handler(int handler_id);

/**
 * The version.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *libbpf_version_string(void);

/**
 * Detaches the program, unless the link is pinned or disconnected, and releases it.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link__destroy(struct bpf_link *link);

/**
 * Detaches by force, whoever else holds or pins the link.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link__detach(struct bpf_link *link);

/**
 * Releasing the link will leave the program attached.
 */
LIBBPF_API void bpf_link__disconnect(struct bpf_link *link);

/**
 * The link's descriptor.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link__fd(const struct bpf_link *link);

/**
 * Opens a pinned link.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link *bpf_link__open(const char *path);

/**
 * Pins the link.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link__pin(struct bpf_link *link, const char *path);

/**
 * Where the link is pinned, null for nowhere.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *bpf_link__pin_path(const struct bpf_link *link);

/**
 * Removes the link's pin.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link__unpin(struct bpf_link *link);

/**
 * Attaches another struct_ops map in place of the link's.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link__update_map(struct bpf_link *link, const struct bpf_map *map);

/**
 * Attaches another program in place of the link's.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_link__update_program(struct bpf_link *link, struct bpf_program *prog);

/**
 * Adds an object in memory.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_linker__add_buf(struct bpf_linker *linker, void *buf, size_t buf_sz,
			const struct bpf_linker_file_opts *opts);

/**
 * Adds an object that is open.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_linker__add_fd(struct bpf_linker *linker, int fd, const struct bpf_linker_file_opts *opts);

/**
 * Adds an object file.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_linker__add_file(struct bpf_linker *linker, const char *filename,
			const struct bpf_linker_file_opts *opts);

/**
 * Writes the result.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_linker__finalize(struct bpf_linker *linker);

/**
 * Ends the linking. A file that nothing was written to is left empty.
 */
LIBBPF_API void bpf_linker__free(struct bpf_linker *linker);

/**
 * Links into a new file.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_linker *bpf_linker__new(const char *filename, struct bpf_linker_opts *opts);

/**
 * Links into a file that is open; the descriptor stays C's.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_linker *bpf_linker__new_fd(int fd, struct bpf_linker_opts *opts);

/**
 * Registers a struct_ops map's callbacks.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link *bpf_map__attach_struct_ops(const struct bpf_map *map);

/**
 * Whether attaching a skeleton attaches it.
 */
LIBBPF_API bool bpf_map__autoattach(const struct bpf_map *map);

/**
 * Whether loading creates it.
 */
LIBBPF_API bool bpf_map__autocreate(const struct bpf_map *map);

/**
 * BTF type of the key, 0 if unknown.
 */
LIBBPF_API __u32 bpf_map__btf_key_type_id(const struct bpf_map *map);

/**
 * BTF type of the value, 0 if unknown.
 */
LIBBPF_API __u32 bpf_map__btf_value_type_id(const struct bpf_map *map);

/**
 * Removes the entry under a key.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__delete_elem(const struct bpf_map *map, const void *key, size_t key_sz, __u64 flags);

/**
 * The program that alone may use the map, null for all.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_program *bpf_map__exclusive_program(struct bpf_map *map);

/**
 * The map's descriptor, −1 before it exists.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__fd(const struct bpf_map *map);

/**
 * The key after one, the first for null.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__get_next_key(const struct bpf_map *map, const void *cur_key, void *next_key,
			size_t key_sz);

/**
 * Network interface that it is offloaded to.
 */
LIBBPF_API __u32 bpf_map__ifindex(const struct bpf_map *map);

/**
 * The first contents of a data map, or the memory of the map itself once it exists.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API void *bpf_map__initial_value(const struct bpf_map *map, size_t *psize);

/**
 * The definition of its inner maps, null if there is none.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_map *bpf_map__inner_map(struct bpf_map *map);

/**
 * Whether it stands for a section of data or configuration.
 */
LIBBPF_API bool bpf_map__is_internal(const struct bpf_map *map);

/**
 * Whether it is pinned.
 */
LIBBPF_API bool bpf_map__is_pinned(const struct bpf_map *map);

/**
 * Bytes of a key.
 */
LIBBPF_API __u32 bpf_map__key_size(const struct bpf_map *map);

/**
 * Copies the value under a key and removes the entry.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__lookup_and_delete_elem(const struct bpf_map *map, const void *key, size_t key_sz,
			void *value, size_t value_sz, __u64 flags);

/**
 * Copies the value under a key.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__lookup_elem(const struct bpf_map *map, const void *key, size_t key_sz, void *value,
			size_t value_sz, __u64 flags);

/**
 * Its type-specific extra value.
 */
LIBBPF_API __u64 bpf_map__map_extra(const struct bpf_map *map);

/**
 * Its BPF_F_* flags.
 */
LIBBPF_API __u32 bpf_map__map_flags(const struct bpf_map *map);

/**
 * Most entries it can have.
 */
LIBBPF_API __u32 bpf_map__max_entries(const struct bpf_map *map);

/**
 * The map's name.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *bpf_map__name(const struct bpf_map *map);

/**
 * Its NUMA node.
 */
LIBBPF_API __u32 bpf_map__numa_node(const struct bpf_map *map);

/**
 * Pins the map at a path, or at its pin path.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__pin(struct bpf_map *map, const char *path);

/**
 * Where it is pinned or is to be pinned, null for nowhere.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *bpf_map__pin_path(const struct bpf_map *map);

/**
 * Uses a map that exists in place of a new one; the descriptor stays C's.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__reuse_fd(struct bpf_map *map, int fd);

/**
 * Sets whether attaching a skeleton attaches it; only struct_ops maps can be attached.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_autoattach(struct bpf_map *map, bool autoattach);

/**
 * Sets whether loading creates it.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_autocreate(struct bpf_map *map, bool autocreate);

/**
 * Sets the interface that it is offloaded to.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_ifindex(struct bpf_map *map, __u32 ifindex);

/**
 * Copies the first contents of a data map.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_initial_value(struct bpf_map *map, const void *data, size_t size);

/**
 * The map that tells a map of maps what its inner maps look like; the descriptor stays C's.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_inner_map_fd(struct bpf_map *map, int fd);

/**
 * Sets the bytes of a key.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_key_size(struct bpf_map *map, __u32 size);

/**
 * Sets its extra value.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_map_extra(struct bpf_map *map, __u64 map_extra);

/**
 * Sets its flags.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_map_flags(struct bpf_map *map, __u32 flags);

/**
 * Sets the most entries it can have.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_max_entries(struct bpf_map *map, __u32 max_entries);

/**
 * Sets its NUMA node.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_numa_node(struct bpf_map *map, __u32 numa_node);

/**
 * Sets where loading pins it; null for nowhere.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_pin_path(struct bpf_map *map, const char *path);

/**
 * Sets its type.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_type(struct bpf_map *map, enum bpf_map_type type);

/**
 * Sets the bytes of a value; memory of a data map grows or shrinks.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__set_value_size(struct bpf_map *map, __u32 size);

/**
 * Its type.
 */
LIBBPF_API enum bpf_map_type bpf_map__type(const struct bpf_map *map);

/**
 * Removes the map's pin.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__unpin(struct bpf_map *map, const char *path);

/**
 * Writes the value under a key.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_map__update_elem(const struct bpf_map *map, const void *key, size_t key_sz,
			const void *value, size_t value_sz, __u64 flags);

/**
 * Bytes of a value.
 */
LIBBPF_API __u32 bpf_map__value_size(const struct bpf_map *map);

/**
 * Attaches the programs and struct_ops maps of a skeleton that say where.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__attach_skeleton(struct bpf_object_skeleton *s);

/**
 * The object's types, which live as long as it.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *bpf_object__btf(const struct bpf_object *obj);

/**
 * The descriptor of the object's types, −1 if the kernel has none.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__btf_fd(const struct bpf_object *obj);

/**
 * Releases the object; what is pinned or attached stays.
 */
LIBBPF_API void bpf_object__close(struct bpf_object *obj);

/**
 * Detaches and closes everything of a skeleton, and frees it.
 */
LIBBPF_API void bpf_object__destroy_skeleton(struct bpf_object_skeleton *s);

/**
 * Frees a subskeleton.
 */
LIBBPF_API void bpf_object__destroy_subskeleton(struct bpf_object_subskeleton *s);

/**
 * Detaches what a skeleton has attached.
 */
LIBBPF_API void bpf_object__detach_skeleton(struct bpf_object_skeleton *s);

/**
 * The map of that name: what C calls it, or a data section.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_map * bpf_object__find_map_by_name(const struct bpf_object *obj, const char *name);

/**
 * The descriptor of the map of that name.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__find_map_fd_by_name(const struct bpf_object *obj, const char *name);

/**
 * The program of that function name.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_program * bpf_object__find_program_by_name(const struct bpf_object *obj,
			const char *name);

/**
 * Loading will make a program that loads the object, whose bytes the options tell and which live as long as the object.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__gen_loader(struct bpf_object *obj, struct gen_loader_opts *opts);

/**
 * The version that the object says it is for.
 */
LIBBPF_API unsigned int bpf_object__kversion(const struct bpf_object *obj);

/**
 * Creates maps and loads programs.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__load(struct bpf_object *obj);

/**
 * Loads the object of a skeleton; its memory is that of the maps from then on.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__load_skeleton(struct bpf_object_skeleton *s);

/**
 * The object's name.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *bpf_object__name(const struct bpf_object *obj);

/**
 * The map after one, the first for null.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_map * bpf_object__next_map(const struct bpf_object *obj, const struct bpf_map *map);

/**
 * The program after one, the first for null.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_program * bpf_object__next_program(const struct bpf_object *obj,
			struct bpf_program *prog);

/**
 * Opens an object file with default options.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_object *bpf_object__open(const char *path);

/**
 * Opens an object file.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_object * bpf_object__open_file(const char *path,
			const struct bpf_object_open_opts *opts);

/**
 * Opens an object in memory, which is copied.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_object * bpf_object__open_mem(const void *obj_buf, size_t obj_buf_sz,
			const struct bpf_object_open_opts *opts);

/**
 * Opens the object of a skeleton and finds its maps and programs.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__open_skeleton(struct bpf_object_skeleton *s,
			const struct bpf_object_open_opts *opts);

/**
 * Finds what a subskeleton names in an object that is open.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__open_subskeleton(struct bpf_object_subskeleton *s);

/**
 * Pins maps and programs.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__pin(struct bpf_object *object, const char *path);

/**
 * Pins maps in a directory, or without one those that have a pin path.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__pin_maps(struct bpf_object *obj, const char *path);

/**
 * Pins programs in a directory.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__pin_programs(struct bpf_object *obj, const char *path);

/**
 * Creates maps and relocates programs.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__prepare(struct bpf_object *obj);

/**
 * The map before one, the last for null.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_map * bpf_object__prev_map(const struct bpf_object *obj, const struct bpf_map *map);

/**
 * The program before one, the last for null.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_program * bpf_object__prev_program(const struct bpf_object *obj,
			struct bpf_program *prog);

/**
 * Sets the version that programs are loaded for.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__set_kversion(struct bpf_object *obj, __u32 kern_version);

/**
 * The descriptor of the BPF token, −1 if there is none.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__token_fd(const struct bpf_object *obj);

/**
 * Removes the pins of maps and programs.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__unpin(struct bpf_object *object, const char *path);

/**
 * Removes the pins of maps.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__unpin_maps(struct bpf_object *obj, const char *path);

/**
 * Removes the pins of programs.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_object__unpin_programs(struct bpf_object *obj, const char *path);

/**
 * Releases the lines.
 */
LIBBPF_API void bpf_prog_linfo__free(struct bpf_prog_linfo *prog_linfo);

/**
 * The line of an instruction.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const struct bpf_line_info * bpf_prog_linfo__lfind(const struct bpf_prog_linfo *prog_linfo,
			__u32 insn_off, __u32 nr_skip);

/**
 * The line of a machine address.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const struct bpf_line_info * bpf_prog_linfo__lfind_addr_func(const struct bpf_prog_linfo *prog_linfo,
			__u64 addr, __u32 func_idx, __u32 nr_skip);

/**
 * Takes the lines of a program out of what the kernel told about it.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_prog_linfo * bpf_prog_linfo__new(const struct bpf_prog_info *info);

/**
 * Ties the program to a struct_ops map.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__assoc_struct_ops(struct bpf_program *prog, struct bpf_map *map,
			struct bpf_prog_assoc_struct_ops_opts *opts);

/**
 * Attaches as the section name, or C's handler of it, says.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach(const struct bpf_program *prog);

/**
 * Attaches to a control group.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_cgroup(const struct bpf_program *prog, int cgroup_fd);

/**
 * Attaches to a control group, with options.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_cgroup_opts(const struct bpf_program *prog, int cgroup_fd,
			const struct bpf_cgroup_opts *opts);

/**
 * Puts the program over a function of another program.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_freplace(const struct bpf_program *prog, int target_fd,
			const char *attach_func_name);

/**
 * Makes the program an iterator.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_iter(const struct bpf_program *prog,
			const struct bpf_iter_attach_opts *opts);

/**
 * Attaches to a function's start or return.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_kprobe(const struct bpf_program *prog, bool retprobe,
			const char *func_name);

/**
 * Attaches to all functions that match a pattern, or to those of the options.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_kprobe_multi_opts(const struct bpf_program *prog,
			const char *pattern, const struct bpf_kprobe_multi_opts *opts);

/**
 * Attaches to a function, with options.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_kprobe_opts(const struct bpf_program *prog,
			const char *func_name, const struct bpf_kprobe_opts *opts);

/**
 * Attaches to the kernel's function for a system call.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_ksyscall(const struct bpf_program *prog,
			const char *syscall_name, const struct bpf_ksyscall_opts *opts);

/**
 * Attaches to the LSM hook that the program was loaded for.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_lsm(const struct bpf_program *prog);

/**
 * Attaches to a netfilter hook.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_netfilter(const struct bpf_program *prog,
			const struct bpf_netfilter_opts *opts);

/**
 * Attaches to a netkit device.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_netkit(const struct bpf_program *prog, int ifindex,
			const struct bpf_netkit_opts *opts);

/**
 * Attaches to a network namespace.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_netns(const struct bpf_program *prog, int netns_fd);

/**
 * Attaches to a perf event, whose descriptor the link owns from then on.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_perf_event(const struct bpf_program *prog, int pfd);

/**
 * Attaches to a perf event, with options.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_perf_event_opts(const struct bpf_program *prog, int pfd,
			const struct bpf_perf_event_opts *opts);

/**
 * Attaches to a tracepoint with its arguments as they are.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_raw_tracepoint(const struct bpf_program *prog,
			const char *tp_name);

/**
 * Attaches to a tracepoint with its arguments as they are, with options.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_raw_tracepoint_opts(const struct bpf_program *prog,
			const char *tp_name, struct bpf_raw_tracepoint_opts *opts);

/**
 * Attaches to a sockmap.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_sockmap(const struct bpf_program *prog, int map_fd);

/**
 * Attaches to a network interface's list of programs.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_tcx(const struct bpf_program *prog, int ifindex,
			const struct bpf_tcx_opts *opts);

/**
 * Attaches to what the program was loaded for by BTF id.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_trace(const struct bpf_program *prog);

/**
 * Attaches to what the program was loaded for by BTF id, with options.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_trace_opts(const struct bpf_program *prog,
			const struct bpf_trace_opts *opts);

/**
 * Attaches to a tracepoint.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_tracepoint(const struct bpf_program *prog,
			const char *tp_category, const char *tp_name);

/**
 * Attaches to a tracepoint, with options.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_tracepoint_opts(const struct bpf_program *prog,
			const char *tp_category, const char *tp_name, const struct bpf_tracepoint_opts *opts);

/**
 * Attaches to many functions by BTF id.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_tracing_multi(const struct bpf_program *prog,
			const char *pattern, const struct bpf_tracing_multi_opts *opts);

/**
 * Attaches to an offset of a program or library.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_uprobe(const struct bpf_program *prog, bool retprobe,
			pid_t pid, const char *binary_path, size_t func_offset);

/**
 * Attaches to all functions of a program or library that match a pattern, or to those of the options.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_uprobe_multi(const struct bpf_program *prog, pid_t pid,
			const char *binary_path, const char *func_pattern,
			const struct bpf_uprobe_multi_opts *opts);

/**
 * Attaches to a function or offset of a program or library, with options.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_uprobe_opts(const struct bpf_program *prog, pid_t pid,
			const char *binary_path, size_t func_offset, const struct bpf_uprobe_opts *opts);

/**
 * Attaches to all places of a statically defined probe.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_usdt(const struct bpf_program *prog, pid_t pid,
			const char *binary_path, const char *usdt_provider, const char *usdt_name,
			const struct bpf_usdt_opts *opts);

/**
 * Attaches to a network interface.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_link * bpf_program__attach_xdp(const struct bpf_program *prog, int ifindex);

/**
 * Whether attaching a skeleton attaches it.
 */
LIBBPF_API bool bpf_program__autoattach(const struct bpf_program *prog);

/**
 * Whether loading the object loads it.
 */
LIBBPF_API bool bpf_program__autoload(const struct bpf_program *prog);

/**
 * Loads the program once more, with other options; the descriptor is C's.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__clone(struct bpf_program *prog, const struct bpf_prog_load_opts *opts);

/**
 * The attach type that it is loaded for.
 */
LIBBPF_API enum bpf_attach_type bpf_program__expected_attach_type(const struct bpf_program *prog);

/**
 * The program's descriptor, −ENOENT before it is loaded.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__fd(const struct bpf_program *prog);

/**
 * BPF_F_* flags that are added to the load.
 */
LIBBPF_API __u32 bpf_program__flags(const struct bpf_program *prog);

/**
 * Function records as the kernel got them, null if it got none.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_func_info *bpf_program__func_info(const struct bpf_program *prog);

/**
 * The number of function records.
 */
LIBBPF_API __u32 bpf_program__func_info_cnt(const struct bpf_program *prog);

/**
 * The number of its instructions.
 */
LIBBPF_API size_t bpf_program__insn_cnt(const struct bpf_program *prog);

/**
 * Its instructions: as the kernel gets them once the object is prepared.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const struct bpf_insn *bpf_program__insns(const struct bpf_program *prog);

/**
 * Line records as the kernel got them, null if it got none.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct bpf_line_info *bpf_program__line_info(const struct bpf_program *prog);

/**
 * The number of line records.
 */
LIBBPF_API __u32 bpf_program__line_info_cnt(const struct bpf_program *prog);

/**
 * The buffer that was set for the verifier's log.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *bpf_program__log_buf(const struct bpf_program *prog, size_t *log_size);

/**
 * Verbosity of the verifier for this program.
 */
LIBBPF_API __u32 bpf_program__log_level(const struct bpf_program *prog);

/**
 * The function's name.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *bpf_program__name(const struct bpf_program *prog);

/**
 * Pins the program.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__pin(struct bpf_program *prog, const char *path);

/**
 * What SEC() said.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *bpf_program__section_name(const struct bpf_program *prog);

/**
 * Sets what a program of a BTF-based type attaches to; the descriptor stays C's.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__set_attach_target(struct bpf_program *prog, int attach_prog_fd,
			const char *attach_func_name);

/**
 * Sets whether attaching a skeleton attaches it.
 */
LIBBPF_API void bpf_program__set_autoattach(struct bpf_program *prog, bool autoattach);

/**
 * Sets whether loading the object loads it.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__set_autoload(struct bpf_program *prog, bool autoload);

/**
 * Sets the attach type that it is loaded for.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__set_expected_attach_type(struct bpf_program *prog, enum bpf_attach_type type);

/**
 * Sets flags that are added to the load.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__set_flags(struct bpf_program *prog, __u32 flags);

/**
 * Sets the interface that it is offloaded or bound to.
 */
LIBBPF_API void bpf_program__set_ifindex(struct bpf_program *prog, __u32 ifindex);

/**
 * Replaces its instructions.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__set_insns(struct bpf_program *prog, struct bpf_insn *new_insns,
			size_t new_insn_cnt);

/**
 * Sets a buffer for the verifier's log, which has to stay until the object is loaded.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__set_log_buf(struct bpf_program *prog, char *log_buf, size_t log_size);

/**
 * Sets the verbosity of the verifier for this program.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__set_log_level(struct bpf_program *prog, __u32 log_level);

/**
 * Sets its type; its section name then no longer says how to attach it.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__set_type(struct bpf_program *prog, enum bpf_prog_type type);

/**
 * Its type.
 */
LIBBPF_API enum bpf_prog_type bpf_program__type(const struct bpf_program *prog);

/**
 * Lets go of a loaded program.
 */
LIBBPF_API void bpf_program__unload(struct bpf_program *prog);

/**
 * Removes the program's pin.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int bpf_program__unpin(struct bpf_program *prog, const char *path);

/**
 * The memory of a ring: its header page, and behind it the bytes of data that buf_size says.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int perf_buffer__buffer(struct perf_buffer *pb, int buf_idx, void **buf, size_t *buf_size);

/**
 * The number of rings.
 */
LIBBPF_API size_t perf_buffer__buffer_cnt(const struct perf_buffer *pb);

/**
 * The descriptor of a ring's event.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int perf_buffer__buffer_fd(const struct perf_buffer *pb, size_t buf_idx);

/**
 * Hands the records that there are to the callbacks.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int perf_buffer__consume(struct perf_buffer *pb);

/**
 * Hands the records of one ring to the callbacks.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int perf_buffer__consume_buffer(struct perf_buffer *pb, size_t buf_idx);

/**
 * The descriptor to wait on.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int perf_buffer__epoll_fd(const struct perf_buffer *pb);

/**
 * Stops reading.
 */
LIBBPF_API void perf_buffer__free(struct perf_buffer *pb);

/**
 * Reads a perf event array, a ring for each CPU.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct perf_buffer * perf_buffer__new(int map_fd, size_t page_cnt, perf_buffer_sample_fn sample_cb,
			perf_buffer_lost_fn lost_cb, void *ctx, const struct perf_buffer_opts *opts);

/**
 * Reads a perf event array with events of C's own.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct perf_buffer * perf_buffer__new_raw(int map_fd, size_t page_cnt,
			struct perf_event_attr *attr, perf_buffer_event_fn event_cb, void *ctx,
			const struct perf_buffer_raw_opts *opts);

/**
 * Waits for records and hands them to the callbacks; gives the number of rings that had some.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int perf_buffer__poll(struct perf_buffer *pb, int timeout_ms);

/**
 * Bytes that wait to be consumed.
 */
LIBBPF_API size_t ring__avail_data_size(const struct ring *r);

/**
 * Hands the samples of the ring to its callback.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int ring__consume(struct ring *r);

/**
 * Hands at most n samples of the ring to its callback.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int ring__consume_n(struct ring *r, size_t n);

/**
 * Bytes consumed.
 */
LIBBPF_API unsigned long ring__consumer_pos(const struct ring *r);

/**
 * The map's descriptor.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int ring__map_fd(const struct ring *r);

/**
 * Bytes produced.
 */
LIBBPF_API unsigned long ring__producer_pos(const struct ring *r);

/**
 * Bytes that the ring holds.
 */
LIBBPF_API size_t ring__size(const struct ring *r);

/**
 * Reads another map as well.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int ring_buffer__add(struct ring_buffer *rb, int map_fd, ring_buffer_sample_fn sample_cb,
			void *ctx);

/**
 * Hands the samples that there are to the callbacks; gives how many that were.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int ring_buffer__consume(struct ring_buffer *rb);

/**
 * Hands at most n samples to the callbacks; gives how many that were.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int ring_buffer__consume_n(struct ring_buffer *rb, size_t n);

/**
 * The descriptor to wait on.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int ring_buffer__epoll_fd(const struct ring_buffer *rb);

/**
 * Stops reading.
 */
LIBBPF_API void ring_buffer__free(struct ring_buffer *rb);

/**
 * Reads a ring buffer map.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct ring_buffer * ring_buffer__new(int map_fd, ring_buffer_sample_fn sample_cb, void *ctx,
			const struct ring_buffer_opts *opts);

/**
 * Waits for samples and hands them to the callbacks; gives how many that were.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int ring_buffer__poll(struct ring_buffer *rb, int timeout_ms);

/**
 * The ring of the map that was added as number idx.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct ring *ring_buffer__ring(struct ring_buffer *rb, unsigned int idx);

/**
 * Gives the room of a sample back.
 */
LIBBPF_API void user_ring_buffer__discard(struct user_ring_buffer *rb, void *sample);

/**
 * Stops writing.
 */
LIBBPF_API void user_ring_buffer__free(struct user_ring_buffer *rb);

/**
 * Writes a user ring buffer map.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct user_ring_buffer * user_ring_buffer__new(int map_fd,
			const struct user_ring_buffer_opts *opts);

/**
 * Makes room for a sample.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API void *user_ring_buffer__reserve(struct user_ring_buffer *rb, __u32 size);

/**
 * Makes room for a sample, waiting for the program to make it.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API void *user_ring_buffer__reserve_blocking(struct user_ring_buffer *rb, __u32 size, int timeout_ms);

/**
 * Lets the program have a sample.
 */
LIBBPF_API void user_ring_buffer__submit(struct user_ring_buffer *rb, void *sample);

#ifdef __cplusplus
}
#endif

#endif
