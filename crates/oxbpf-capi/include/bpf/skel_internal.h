/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/**
 * @file
 * What light skeletons are made of: a loader program is run by a few system calls, without the library.
 *
 * The attributes of those calls are described here, so that a header of any kernel will do. Fields that an older kernel
 * does not know are zero unless something needs them, and zeroes are what it accepts.
 */
#ifndef __SKEL_INTERNAL_H
#define __SKEL_INTERNAL_H

#ifdef __KERNEL__
#error "light skeletons that are part of the kernel use its own header"
#endif

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/keyctl.h>

#include "bpf.h"

#ifndef __NR_bpf
#if defined(__mips__) && defined(_ABIO32)
#define __NR_bpf 4355
#elif defined(__mips__) && defined(_ABIN32)
#define __NR_bpf 6319
#elif defined(__mips__) && defined(_ABI64)
#define __NR_bpf 5315
#endif
#endif

/** A map of a loader program's context. */
struct bpf_map_desc {
	int map_fd;			/**< written by the loader program */
	__u32 max_entries;		/**< in place of what the object says, if not 0 */
	__aligned_u64 initial_value;	/**< address of what it is to hold, if not 0 */
};

/** A program of a loader program's context. */
struct bpf_prog_desc {
	int prog_fd;	/**< written by the loader program */
};

enum {
	BPF_SKEL_KERNEL = 1ULL << 0,	/**< addresses of initial values are the kernel's */
};

/** A loader program's context begins with this; its maps and programs follow. */
struct bpf_loader_ctx {
	__u32 sz;		/**< bytes of the whole context */
	__u32 flags;		/**< BPF_SKEL_KERNEL */
	__u32 log_level;	/**< what the kernel logs */
	__u32 log_size;		/**< bytes for the log */
	__u64 log_buf;		/**< where it goes */
};

/** What is needed to run a loader program. */
struct bpf_load_and_run_opts {
	struct bpf_loader_ctx *ctx;
	const void *data;		/**< its data */
	const void *insns;		/**< its instructions */
	__u32 data_sz;
	__u32 insns_sz;
	const char *errstr;		/**< written on an error: what failed */
	void *signature;		/**< of the instructions, if they are signed */
	__u32 signature_sz;
	__s32 keyring_id;		/**< keys that it is checked with */
	void *excl_prog_hash;		/**< SHA-256 of the only program that may use the data */
	__u32 excl_prog_hash_sz;
};

/** bpf(2). Gives what the kernel does, with errno. */
static inline int skel_sys_bpf(enum bpf_cmd cmd, union bpf_attr *attr, unsigned int size)
{
	return syscall(__NR_bpf, cmd, attr, size);
}

/** Memory for a context, all zero. */
static inline void *skel_alloc(size_t size)
{
	return calloc(1, size);
}

static inline void skel_free(void *p)
{
	free(p);
}

/** Memory of `mmap_sz` bytes that begins with `val`: the initial value of a map that can be changed until it is loaded. */
static inline void *skel_prep_map_data(const void *val, size_t mmap_sz, size_t val_sz)
{
	void *memory = mmap(NULL, mmap_sz, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_SHARED, -1, 0);

	return memory == MAP_FAILED ? NULL : memcpy(memory, val, val_sz);
}

/** Puts the map itself where its initial value was. */
static inline void *skel_finalize_map_data(__u64 *init_val, size_t mmap_sz, int flags, int fd)
{
	void *memory = mmap((void *)(unsigned long)*init_val, mmap_sz, flags, MAP_FIXED | MAP_SHARED, fd, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static inline void skel_free_map_data(void *p, __u64 addr, size_t sz)
{
	(void)addr;
	munmap(p, sz);
}

/** Closes a descriptor, unless it is none. */
static inline int skel_closenz(int fd)
{
	return fd > 0 ? close(fd) : -EINVAL;
}

/* The attributes of commands, as far as they are used. */

struct __skel_map_create {
	__u32 map_type, key_size, value_size, max_entries, map_flags, inner_map_fd, numa_node;
	char map_name[16];
	__u32 map_ifindex, btf_fd, btf_key_type_id, btf_value_type_id, btf_vmlinux_value_type_id;
	__aligned_u64 map_extra;
	__s32 value_type_btf_obj_fd, map_token_fd;
	__aligned_u64 excl_prog_hash;
	__u32 excl_prog_hash_size;
} __attribute__((packed, aligned(8)));

struct __skel_map_elem {
	__u32 map_fd;
	__aligned_u64 key, value, flags;
};

struct __skel_prog_load {
	__u32 prog_type, insn_cnt;
	__aligned_u64 insns, license;
	__u32 log_level, log_size;
	__aligned_u64 log_buf;
	__u32 kern_version, prog_flags;
	char prog_name[16];
	__u32 prog_ifindex, expected_attach_type, prog_btf_fd, func_info_rec_size;
	__aligned_u64 func_info;
	__u32 func_info_cnt, line_info_rec_size;
	__aligned_u64 line_info;
	__u32 line_info_cnt, attach_btf_id, attach_prog_fd, core_relo_cnt;
	__aligned_u64 fd_array, core_relos;
	__u32 core_relo_rec_size, log_true_size;
	__s32 prog_token_fd;
	__u32 fd_array_cnt;
	__aligned_u64 signature;
	__u32 signature_size;
	__s32 keyring_id;
};

struct __skel_test_run {
	__u32 prog_fd, retval, data_size_in, data_size_out;
	__aligned_u64 data_in, data_out;
	__u32 repeat, duration, ctx_size_in, ctx_size_out;
	__aligned_u64 ctx_in, ctx_out;
};

struct __skel_raw_tracepoint {
	__aligned_u64 name;
	__u32 prog_fd;
};

struct __skel_link_create {
	__u32 prog_fd, target_fd, attach_type, flags;
};

#define __SKEL_BPF(cmd, attr) skel_sys_bpf((cmd), (union bpf_attr *)(void *)&(attr), sizeof(attr))
#define __SKEL_ADDRESS(p) ((__u64)(unsigned long)(p))

static inline int skel_map_create(enum bpf_map_type map_type, const char *map_name, __u32 key_size, __u32 value_size,
				  __u32 max_entries, const void *excl_prog_hash, __u32 excl_prog_hash_sz)
{
	struct __skel_map_create attr;
	size_t len = strlen(map_name);

	memset(&attr, 0, sizeof(attr));
	attr.map_type = map_type;
	attr.key_size = key_size;
	attr.value_size = value_size;
	attr.max_entries = max_entries;
	memcpy(attr.map_name, map_name, len < sizeof(attr.map_name) ? len : sizeof(attr.map_name) - 1);
	attr.excl_prog_hash = __SKEL_ADDRESS(excl_prog_hash);
	attr.excl_prog_hash_size = excl_prog_hash_sz;
	return __SKEL_BPF(BPF_MAP_CREATE, attr);
}

static inline int skel_map_update_elem(int fd, const void *key, const void *value, __u64 flags)
{
	struct __skel_map_elem attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = fd;
	attr.key = __SKEL_ADDRESS(key);
	attr.value = __SKEL_ADDRESS(value);
	attr.flags = flags;
	return __SKEL_BPF(BPF_MAP_UPDATE_ELEM, attr);
}

static inline int skel_map_delete_elem(int fd, const void *key)
{
	struct __skel_map_elem attr;

	memset(&attr, 0, sizeof(attr));
	attr.map_fd = fd;
	attr.key = __SKEL_ADDRESS(key);
	return __SKEL_BPF(BPF_MAP_DELETE_ELEM, attr);
}

static inline int skel_map_get_fd_by_id(__u32 id)
{
	__u32 attr[3] = { id, 0, 0 };

	return __SKEL_BPF(BPF_MAP_GET_FD_BY_ID, attr);
}

static inline int skel_map_freeze(int fd)
{
	__u32 attr[1] = { (__u32)fd };

	return __SKEL_BPF(BPF_MAP_FREEZE, attr);
}

static inline int skel_raw_tracepoint_open(const char *name, int prog_fd)
{
	struct __skel_raw_tracepoint attr;

	memset(&attr, 0, sizeof(attr));
	attr.name = __SKEL_ADDRESS(name);
	attr.prog_fd = prog_fd;
	return __SKEL_BPF(BPF_RAW_TRACEPOINT_OPEN, attr);
}

static inline int skel_link_create(int prog_fd, int target_fd, enum bpf_attach_type attach_type)
{
	struct __skel_link_create attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_fd = prog_fd;
	attr.target_fd = target_fd;
	attr.attach_type = attach_type;
	return __SKEL_BPF(BPF_LINK_CREATE, attr);
}

/* Loads the loader program, whose first descriptor is the map of its data. */
static inline int __skel_load_loader(struct bpf_load_and_run_opts *opts, int *map_fd)
{
	struct __skel_prog_load attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_type = BPF_PROG_TYPE_SYSCALL;
	attr.insns = __SKEL_ADDRESS(opts->insns);
	attr.insn_cnt = opts->insns_sz / sizeof(struct bpf_insn);
	attr.license = __SKEL_ADDRESS("Dual BSD/GPL");
	attr.log_level = opts->ctx->log_level;
	attr.log_size = opts->ctx->log_size;
	attr.log_buf = opts->ctx->log_buf;
	attr.prog_flags = BPF_F_SLEEPABLE;
	strcpy(attr.prog_name, "__loader.prog");
	attr.fd_array = __SKEL_ADDRESS(map_fd);
	attr.keyring_id = opts->keyring_id;
	if (opts->signature) {
		attr.signature = __SKEL_ADDRESS(opts->signature);
		attr.signature_size = opts->signature_sz;
		/* What is signed is bound to the data that it checks. */
		attr.fd_array_cnt = 1;
	}
	return __SKEL_BPF(BPF_PROG_LOAD, attr);
}

/* Runs the loader program. Gives a negative error number, and in `errstr` whose it is. */
static inline int __skel_run_loader(struct bpf_load_and_run_opts *opts, int prog_fd)
{
	struct __skel_test_run attr;

	memset(&attr, 0, sizeof(attr));
	attr.prog_fd = prog_fd;
	attr.ctx_in = __SKEL_ADDRESS(opts->ctx);
	attr.ctx_size_in = opts->ctx->sz;
	if (__SKEL_BPF(BPF_PROG_TEST_RUN, attr) < 0) {
		opts->errstr = "failed to execute loader prog";
		return -errno;
	}
	if ((int)attr.retval < 0) {
		opts->errstr = "error returned by loader prog";
		errno = -(int)attr.retval;
		return (int)attr.retval;
	}
	return 0;
}

/**
 * Loads what a loader program loads: descriptors of its maps and programs are in the context afterwards.
 *
 * @return 0, or a negative error number; `errstr` says what failed.
 */
static inline int bpf_load_and_run(struct bpf_load_and_run_opts *opts)
{
	int key = 0, prog_fd = -1, err;
	int map_fd = skel_map_create(BPF_MAP_TYPE_ARRAY, "__loader.map", sizeof(key), opts->data_sz, 1,
				     opts->excl_prog_hash, opts->excl_prog_hash_sz);

	opts->errstr = "failed to create loader map";
	if (map_fd < 0)
		goto failed;
	opts->errstr = "failed to update loader map";
	if (skel_map_update_elem(map_fd, &key, opts->data, 0) < 0)
		goto failed;
	opts->errstr = "failed to freeze map";
	if (skel_map_freeze(map_fd) < 0)
		goto failed;
	opts->errstr = "failed to load loader prog";
	prog_fd = __skel_load_loader(opts, &map_fd);
	if (prog_fd < 0)
		goto failed;
	opts->errstr = NULL;
	err = __skel_run_loader(opts, prog_fd);
	goto done;
failed:
	err = -errno;
done:
	if (prog_fd >= 0)
		close(prog_fd);
	if (map_fd >= 0)
		close(map_fd);
	return err;
}

#endif
