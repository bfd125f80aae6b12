// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Every kind of type information that a compiler emits, reachable from one program's argument.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct declared_only;
union declared_union;

enum small {
	SMALL_NEGATIVE = -3,
	SMALL_ONE = 1,
};

enum large {
	LARGE = 0x8000000000000000ULL,
};

typedef int (*callback_t)(struct declared_only *, const char *, ...);

struct kinds {
	_Bool boolean;
	char character;
	signed char schar;
	__int128 wide;
	float single;
	double twice;
	const volatile int qualified;
	int *restrict restricted;
	enum small small;
	enum large large;
	union {
		int as_int;
		__u8 as_bytes[4];
	};
	union declared_union *forward_union;
	callback_t callback;
	int matrix[2][3];
	unsigned bits : 3;
	int signed_bits : 5;
	int : 0;
	unsigned more_bits : 1;
	struct kinds *self;
	int __type_tag("user") *tagged;
	int flexible[] __decl_tag("tagged_member");
} __decl_tag("tagged_struct");

typedef struct kinds kinds_t __decl_tag("tagged_typedef");

const volatile int variable __decl_tag("tagged_variable") = 1;
static kinds_t *volatile kept;

SEC("raw_tp/sys_enter")
int look(kinds_t *kinds __decl_tag("tagged_argument"))
{
	kept = kinds;
	return variable + (kept != NULL);
}

char LICENSE[] SEC("license") = "GPL";
