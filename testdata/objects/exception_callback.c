// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A program that names the function to run when it throws.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

extern void bpf_throw(__u64 cookie) __ksym;

__noinline int on_exception(__u64 cookie)
{
	return (int)cookie + 1;
}

__decl_tag("exception_callback:on_exception") SEC("tc")
int throws(struct __sk_buff *skb)
{
	if (skb->len > 100)
		bpf_throw(7);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
