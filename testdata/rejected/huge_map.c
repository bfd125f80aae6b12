// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A map that no machine has the memory for.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 0xfffffff0);
	__type(key, __u32);
	__type(value, char[4096]);
} huge SEC(".maps");

SEC("raw_tp/sys_enter")
int uses_huge(void *ctx)
{
	__u32 key = 0;

	bpf_map_lookup_elem(&huge, &key);
	return 0;
}
