// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * The same as kprobe.bpf.c through the kernel's trampolines: arguments by type, and at the end of
 * the function both its arguments and its result, so that nothing has to be kept in between.
 * Needs Linux 5.8 with type information; a real kernel only.
 */
#include "vmlinux_min.h"
#include "filter.h"
#include <oxbpf/tracing.h>

struct event {
	int pid;
	int ret;
	__u64 flags;
	char comm[COMM_LEN];
	char fname[128];
};

struct event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} events SEC(".maps");

__u64 entered;

SEC("fentry/do_sys_openat2")
int BPF_PROG(open_enter, int dfd, const char *fname)
{
	if (comm_wanted())
		__sync_fetch_and_add(&entered, 1);
	return 0;
}

SEC("fexit/do_sys_openat2")
int BPF_PROG(open_exit, int dfd, const char *fname, struct open_how *how, long ret)
{
	struct event *e;

	if (!comm_wanted())
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return 0;
	e->pid = (int)(bpf_get_current_pid_tgid() >> 32);
	e->ret = (int)ret;
	e->flags = how->flags;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	e->fname[0] = 0;
	bpf_probe_read_user_str(e->fname, sizeof(e->fname), fname);
	bpf_ringbuf_submit(e, 0);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
