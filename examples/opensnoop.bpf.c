// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Who opens which file: one event for each openat() that returns.
 *
 * The name is only an address when the call starts, and whether it worked is only known when it
 * ends, so the entry program keeps the arguments by thread and the exit program makes the event.
 * Needs Linux 5.8 (ring buffer).
 */
#include "vmlinux_min.h"
#include "filter.h"

#define NAME_LEN 128

/* Filters; a loader sets them before load. The defaults let everything through. */
const volatile __u32 targ_pid = 0;
const volatile __u32 targ_uid = 0xffffffff;
const volatile bool targ_failed = false;

struct event {
	__u32 pid;
	__u32 uid;
	int ret;
	int flags;
	char comm[COMM_LEN];
	char fname[NAME_LEN];
};

/* Keeps the struct in the type information, so that a reader of the ring can decode it. */
struct event *unused_event __attribute__((unused));

struct args {
	const char *fname;
	int flags;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 10240);
	__type(key, __u32);
	__type(value, struct args);
} start SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

static __always_inline bool wanted(void)
{
	if (targ_pid && targ_pid != bpf_get_current_pid_tgid() >> 32)
		return false;
	if (targ_uid != 0xffffffff && targ_uid != (__u32)bpf_get_current_uid_gid())
		return false;
	return comm_wanted();
}

SEC("tracepoint/syscalls/sys_enter_openat")
int openat_enter(struct trace_event_raw_sys_enter *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct args args = {};

	if (!wanted())
		return 0;
	args.fname = (const char *)ctx->args[1];
	args.flags = (int)ctx->args[2];
	bpf_map_update_elem(&start, &tid, &args, BPF_ANY);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_openat")
int openat_exit(struct trace_event_raw_sys_exit *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = (__u32)id;
	struct args *args = bpf_map_lookup_elem(&start, &tid);
	int ret = (int)ctx->ret;
	struct event *e;

	if (!args)
		return 0;
	if (targ_failed && ret >= 0)
		goto done;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		goto done;
	e->pid = id >> 32;
	e->uid = (__u32)bpf_get_current_uid_gid();
	e->ret = ret;
	e->flags = args->flags;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	/* A ring record is not cleared, and a name that cannot be read must not show the last one. */
	e->fname[0] = 0;
	bpf_probe_read_user_str(e->fname, sizeof(e->fname), args->fname);
	bpf_ringbuf_submit(e, 0);
done:
	bpf_map_delete_elem(&start, &tid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
