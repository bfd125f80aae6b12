// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* Fills a ring buffer with samples of 64 bytes each time it is run. */
#include "../../examples/include/vmlinux_min.h"
#include "../../examples/include/oxbpf/helpers.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} ring SEC(".maps");

SEC("raw_tp/sys_enter")
int fill(void *ctx)
{
	__u64 sample[8] = {};

	for (int i = 0; i < 20000; i++) {
		sample[0] = i;
		bpf_ringbuf_output(&ring, sample, sizeof(sample), 0);
	}
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
