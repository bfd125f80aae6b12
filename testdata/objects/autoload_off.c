// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A question mark before a section's name: the program is there, but loaded only when asked for.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

SEC("?tp/syscalls/sys_enter_openat")
int off(void *ctx)
{
	return 0;
}

SEC("tp/syscalls/sys_enter_openat")
int on(void *ctx)
{
	return 0;
}

SEC("?xdp")
int off_xdp(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
