// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A static function in a section of programs.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

SEC("xdp")
static __noinline int in_the_same_section(struct xdp_md *ctx)
{
	return ctx->ingress_ifindex + 7;
}

SEC("xdp")
int caller(struct xdp_md *ctx)
{
	return in_the_same_section(ctx);
}

char LICENSE[] SEC("license") = "GPL";
