// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * How often each system call is made and how often it fails, and how long calls take, as a
 * histogram in powers of two of microseconds. Read with `--map counts --map latency`.
 * Needs Linux 5.5.
 */
#include "vmlinux_min.h"
#include "filter.h"

#define SLOTS 32

struct count {
	__u64 calls;
	__u64 errors;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct count);
} counts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SLOTS);
	__type(key, __u32);
	__type(value, __u64);
} latency SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, __u64);
} start SEC(".maps");

SEC("raw_tp/sys_enter")
int enter(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u32 nr = (__u32)ctx->args[1];
	struct count zero = {}, *count;
	__u64 now;

	if (!comm_wanted())
		return 0;
	bpf_map_update_elem(&counts, &nr, &zero, BPF_NOEXIST);
	count = bpf_map_lookup_elem(&counts, &nr);
	if (count)
		__sync_fetch_and_add(&count->calls, 1);
	now = bpf_ktime_get_ns();
	bpf_map_update_elem(&start, &tid, &now, BPF_ANY);
	return 0;
}

SEC("tp/raw_syscalls/sys_exit")
int leave(struct trace_event_raw_sys_exit *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 *began = bpf_map_lookup_elem(&start, &tid);
	__u32 nr = (__u32)ctx->id, slot = 0;
	struct count *count;
	__u64 us, *slots;

	if (!began)
		return 0;
	us = (bpf_ktime_get_ns() - *began) / 1000;
	bpf_map_delete_elem(&start, &tid);
	count = bpf_map_lookup_elem(&counts, &nr);
	if (count && ctx->ret < 0)
		__sync_fetch_and_add(&count->errors, 1);
	for (int i = 0; i < SLOTS - 1; i++) {
		if (us <= 1)
			break;
		us >>= 1;
		slot++;
	}
	slots = bpf_map_lookup_elem(&latency, &slot);
	if (slots)
		*slots += 1;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
