// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Where time goes: one count for each command, process and pair of stacks seen when a sampling
 * event fires. Read with `--map counts --map stacks`. Needs Linux 5.5.
 */
#include "vmlinux_min.h"
#include "filter.h"

#define DEPTH 64

struct key {
	__u32 pid;
	/* Keys of `stacks`; negative where there was no such stack to walk. */
	int kernel_stack;
	int user_stack;
	char comm[COMM_LEN];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, struct key);
	__type(value, __u64);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_STACK_TRACE);
	__uint(max_entries, 4096);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, DEPTH * sizeof(__u64));
} stacks SEC(".maps");

__u64 samples;

SEC("perf_event")
int sample(struct bpf_perf_event_data *ctx)
{
	struct key key = {};
	__u64 one = 1, *count;

	if (!comm_wanted())
		return 0;
	__sync_fetch_and_add(&samples, 1);
	key.pid = bpf_get_current_pid_tgid() >> 32;
	bpf_get_current_comm(key.comm, sizeof(key.comm));
	key.kernel_stack = (int)bpf_get_stackid(ctx, &stacks, 0);
	key.user_stack = (int)bpf_get_stackid(ctx, &stacks, BPF_F_USER_STACK);
	count = bpf_map_lookup_elem(&counts, &key);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&counts, &key, &one, BPF_NOEXIST);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
