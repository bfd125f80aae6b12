// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Maps as structs of numbers in section "maps", the form of before 2019.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct bpf_map_def {
	unsigned int type;
	unsigned int key_size;
	unsigned int value_size;
	unsigned int max_entries;
	unsigned int map_flags;
};

struct bpf_map_def SEC("maps") old = {
	.type = BPF_MAP_TYPE_ARRAY,
	.key_size = 4,
	.value_size = 8,
	.max_entries = 2,
};

SEC("socket")
int plain(struct __sk_buff *skb)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&old, &zero) != NULL;
}

char LICENSE[] SEC("license") = "GPL";
