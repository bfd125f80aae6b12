// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * What programs ask of the C library: each setlocale() call with what it was asked and what it
 * answered, and the memory that each thread allocated, by size. Needs Linux 5.8, x86-64.
 */
#include "vmlinux_min.h"
#include "filter.h"
#include <oxbpf/tracing.h>

struct event {
	int pid;
	int category;
	char asked[32];
	char answered[32];
	char comm[COMM_LEN];
};

struct event *unused_event __attribute__((unused));

struct call {
	int category;
	const char *locale;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, __u64);
} sizes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

SEC("uprobe/libc.so.6:setlocale")
int setlocale_enter(struct pt_regs *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct call call = {};

	if (!comm_wanted())
		return 0;
	call.category = (int)PT_REGS_PARM1(ctx);
	call.locale = (const char *)PT_REGS_PARM2(ctx);
	bpf_map_update_elem(&calls, &tid, &call, BPF_ANY);
	return 0;
}

SEC("uretprobe/libc.so.6:setlocale")
int setlocale_return(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = (__u32)id;
	struct call *call = bpf_map_lookup_elem(&calls, &tid);
	struct event *e;

	if (!call)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		goto done;
	e->pid = (int)(id >> 32);
	e->category = call->category;
	e->asked[0] = e->answered[0] = 0;
	bpf_probe_read_user_str(e->asked, sizeof(e->asked), call->locale);
	bpf_probe_read_user_str(e->answered, sizeof(e->answered), (const void *)PT_REGS_RC(ctx));
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	bpf_ringbuf_submit(e, 0);
done:
	bpf_map_delete_elem(&calls, &tid);
	return 0;
}

SEC("uprobe/libc.so.6:malloc")
int malloc_enter(struct pt_regs *ctx)
{
	__u64 size = PT_REGS_PARM1(ctx), one = 1, *count;

	if (!comm_wanted())
		return 0;
	count = bpf_map_lookup_elem(&sizes, &size);
	if (count)
		__sync_fetch_and_add(count, 1);
	else
		bpf_map_update_elem(&sizes, &size, &one, BPF_NOEXIST);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
