// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A loop without an end.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

char LICENSE[] SEC("license") = "GPL";

volatile __u64 turns;

SEC("raw_tp/sys_enter")
int endless(void *ctx)
{
	for (;;)
		turns++;
	return 0;
}
