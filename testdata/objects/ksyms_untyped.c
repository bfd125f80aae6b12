// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Kernel symbols without a type: their address is all there is. One is weak and does not exist.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

extern const void init_task __ksym;
extern const void bpf_prog_put __ksym;
extern const void oxbpf_no_such_symbol __ksym __weak;

__u64 addresses[3];

SEC("raw_tp/sys_enter")
int addresses_of(void *ctx)
{
	addresses[0] = (__u64)&init_task;
	addresses[1] = (__u64)&bpf_prog_put;
	addresses[2] = (__u64)&oxbpf_no_such_symbol;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
