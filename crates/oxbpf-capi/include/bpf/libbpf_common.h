/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* What the other headers share: exports, deprecation, option structs. */
#ifndef __LIBBPF_LIBBPF_COMMON_H
#define __LIBBPF_LIBBPF_COMMON_H

#include <string.h>
#include "libbpf_version.h"

#ifndef LIBBPF_API
#define LIBBPF_API __attribute__((visibility("default")))
#endif

#define LIBBPF_DEPRECATED(msg) __attribute__((deprecated(msg)))

/* Warns from the given version on. Versions that the macro knows are those below. */
#define LIBBPF_DEPRECATED_SINCE(major, minor, msg) \
	__LIBBPF_CONCAT(__LIBBPF_MARK_DEPRECATED_##major, _##minor)(LIBBPF_DEPRECATED("libbpf v" #major "." #minor "+: " msg))

#define __LIBBPF_CONCAT(a, b) a##b

#define __LIBBPF_CURRENT_VERSION_GEQ(major, minor) \
	(LIBBPF_MAJOR_VERSION > (major) || (LIBBPF_MAJOR_VERSION == (major) && LIBBPF_MINOR_VERSION >= (minor)))

#if __LIBBPF_CURRENT_VERSION_GEQ(1, 0)
#define __LIBBPF_MARK_DEPRECATED_1_0(X) X
#else
#define __LIBBPF_MARK_DEPRECATED_1_0(X)
#endif

/*
 * Declares the option struct NAME of TYPE on the stack: all zero, padding too, its size set, and then the fields that
 * are given as `.field = value`. The padding counts, since the library refuses bytes that it does not know unless they
 * are zero.
 */
#define LIBBPF_OPTS(TYPE, NAME, ...)                                        \
	struct TYPE NAME = ({                                               \
		memset(&NAME, 0, sizeof(struct TYPE));                      \
		(struct TYPE) { .sz = sizeof(struct TYPE), __VA_ARGS__ };   \
	})

/* Makes an option struct that exists what LIBBPF_OPTS would make it. */
#define LIBBPF_OPTS_RESET(NAME, ...)                                        \
	do {                                                                \
		__typeof__(NAME) __opts_value = ({                          \
			memset(&__opts_value, 0, sizeof(NAME));             \
			(__typeof__(NAME)) { .sz = sizeof(NAME), __VA_ARGS__ }; \
		});                                                         \
		memcpy(&NAME, &__opts_value, sizeof(NAME));                 \
	} while (0)

#endif
