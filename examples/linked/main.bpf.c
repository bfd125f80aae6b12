// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The first of two files that are linked into one object: the program. What it counts with is in the other,
 * which could be a library. Needs Linux 5.6 or later (global functions).
 */
#include "vmlinux_min.h"
#include "filter.h"

extern struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 8);
	__type(key, __u32);
	__type(value, __u64);
} lengths SEC(".maps");

extern int note_length(int length);
extern __u64 longest;

SEC("tp/sched/sched_process_exec")
int on_exec(void *ctx)
{
	char comm[COMM_LEN] = {};

	if (!comm_wanted())
		return 0;
	bpf_get_current_comm(comm, sizeof(comm));
	int length = 0;
	for (int i = 0; i < COMM_LEN && comm[i]; i++)
		length++;
	int bucket = note_length(length);
	__u32 key = bucket;
	__u64 *seen = bpf_map_lookup_elem(&lengths, &key);
	bpf_printk("a name of %d: seen %d of its size", length, seen ? (int)*seen : 0);
	bpf_printk("the longest has %d", (int)longest);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
