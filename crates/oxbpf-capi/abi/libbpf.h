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

@functions@
#ifdef __cplusplus
}
#endif

#endif
