// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// The result of a lookup is used without a look at whether there is one.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16);
	__type(key, __u32);
	__type(value, __u64);
} counts SEC(".maps");

SEC("raw_tp/sys_enter")
int no_null_check(void *ctx)
{
	__u32 key = bpf_get_smp_processor_id() + 1000;
	__u64 *count = bpf_map_lookup_elem(&counts, &key);

	*count += 1;
	return 0;
}
