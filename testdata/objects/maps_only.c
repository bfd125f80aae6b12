// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Maps and data without a program.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

int value = 9;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4);
	__type(key, __u64);
	__type(value, __u32);
} table SEC(".maps");

char LICENSE[] SEC("license") = "GPL";
