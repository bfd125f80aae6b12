// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// A program that drains a user ring buffer: each sample of eight bytes is added up, and echoed to a ring buffer.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

struct {
	__uint(type, BPF_MAP_TYPE_USER_RINGBUF);
	__uint(max_entries, 4096);
} requests SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} replies SEC(".maps");

__u64 sum;

struct bpf_dynptr;

static long take(struct bpf_dynptr *sample, void *ctx)
{
	__u64 number = 0;

	if (bpf_dynptr_read(&number, sizeof(number), sample, 0, 0))
		return 0;
	sum += number;
	bpf_ringbuf_output(&replies, &number, sizeof(number), 0);
	return number == 99;
}

/* Returns how many samples there were; the one that is 99 ends a drain. */
SEC("syscall")
int drain(void *ctx)
{
	return bpf_user_ringbuf_drain(&requests, take, NULL, 0);
}

char LICENSE[] SEC("license") = "GPL";
