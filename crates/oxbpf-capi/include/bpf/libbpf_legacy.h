/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/**
 * @file
 * What programs that were written for libbpf before 1.0 use.
 */
#ifndef __LIBBPF_LEGACY_BPF_H
#define __LIBBPF_LEGACY_BPF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/bpf.h>

#include "libbpf_common.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Behaviour that once had to be asked for. It is all there now, whatever is asked. */
enum libbpf_strict_mode {
	LIBBPF_STRICT_ALL = 0xffffffff,
	LIBBPF_STRICT_NONE = 0x00,
	LIBBPF_STRICT_CLEAN_PTRS = 0x01,
	LIBBPF_STRICT_DIRECT_ERRS = 0x02,
	LIBBPF_STRICT_SEC_NAME = 0x04,
	LIBBPF_STRICT_NO_OBJECT_LIST = 0x08,
	LIBBPF_STRICT_AUTO_RLIMIT_MEMLOCK = 0x10,
	LIBBPF_STRICT_MAP_DEFINITIONS = 0x20,
	__LIBBPF_STRICT_LAST,
};

/** Another name for LIBBPF_OPTS. */
#define DECLARE_LIBBPF_OPTS LIBBPF_OPTS

struct bpf_map;
struct bpf_program;
struct btf;
struct btf_ext;

/**
 * The kernel's types.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API struct btf *libbpf_find_kernel_btf(void);

/**
 * The error of a pointer that a function gave: 0 for one that is good, −errno for null, or what is encoded in it.
 */
LIBBPF_API long libbpf_get_error(const void *ptr);

/**
 * Does nothing: there is only one mode.
 *
 * @return what is said above, or 0; a negative error number, without the sign in errno too
 */
LIBBPF_API int libbpf_set_strict_mode(enum libbpf_strict_mode mode);

/**
 * As bpf_map__pin_path.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const char *bpf_map__get_pin_path(const struct bpf_map *map);

/**
 * As bpf_program__expected_attach_type.
 */
LIBBPF_API enum bpf_attach_type bpf_program__get_expected_attach_type(const struct bpf_program *prog);

/**
 * As bpf_program__type.
 */
LIBBPF_API enum bpf_prog_type bpf_program__get_type(const struct bpf_program *prog);

/**
 * As btf__raw_data.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const void *btf__get_raw_data(const struct btf *btf, __u32 *size);

/**
 * As btf_ext__raw_data.
 *
 * @return NULL on an error, with errno
 */
LIBBPF_API const void *btf_ext__get_raw_data(const struct btf_ext *btf_ext, __u32 *size);

#ifdef __cplusplus
}
#endif

#endif
