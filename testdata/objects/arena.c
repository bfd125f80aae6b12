// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Global variables in the arena's address space, and an arena map.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

#define __arena __attribute__((address_space(1)))
#define __arena_global __attribute__((address_space(1))) SEC(".addr_space.1")

struct {
	__uint(type, 33);
	__uint(map_flags, 1 << 10);
	__uint(max_entries, 16);
	__ulong(map_extra, 0x1ULL << 44);
} arena SEC(".maps");

int __arena_global shared_number = 5;
__u64 __arena_global shared_table[10];

SEC("syscall")
int touch(void *ctx)
{
	shared_number += 1;
	shared_table[shared_number % 10] = (__u64)&arena;
	return shared_number;
}

char LICENSE[] SEC("license") = "GPL";
