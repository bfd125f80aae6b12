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

@functions@
#ifdef __cplusplus
}
#endif

#endif
