// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A map that asks to be pinned, and a program that loads and then has nothing to attach to.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, OXBPF_PIN_BY_NAME);
} oxbpf_test_unattached SEC(".maps");

SEC("tp/syscalls/sys_enter_no_such_call")
int unattached(void *ctx)
{
	__u32 key = 0;

	return !!bpf_map_lookup_elem(&oxbpf_test_unattached, &key);
}
