// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Four programs, two of them in one section, and two sections that differ only in what follows the slash.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

SEC("tp/syscalls/sys_enter_openat")
int first(void *ctx)
{
	return 1;
}

SEC("tp/syscalls/sys_enter_close")
int alone(void *ctx)
{
	return 2;
}

SEC("tp/syscalls/sys_enter_openat")
int second(void *ctx)
{
	bpf_printk("second");
	return bpf_ktime_get_ns() & 1;
}

SEC("xdp")
int packet(struct xdp_md *ctx)
{
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "GPL";
