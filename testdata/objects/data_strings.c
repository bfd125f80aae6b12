// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// String literals: the compiler puts them into .rodata.str1.1, which may be merged.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

static __noinline int length(const char *text)
{
	int n = 0;

	while (n < 16 && text[n])
		n++;
	return n;
}

SEC("socket")
int strings(struct __sk_buff *skb)
{
	const char *text = skb->len > 100 ? "a long packet" : "a short packet";
	char copy[16] = "on the stack...";

	bpf_trace_printk(copy, sizeof(copy));
	bpf_printk("%s", text);
	return length(text);
}

char LICENSE[] SEC("license") = "GPL";
