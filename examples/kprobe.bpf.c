// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Files opened, seen from inside the kernel: a kprobe on the function behind open, openat and
 * openat2, and a kretprobe for its result. Needs Linux 5.8, x86-64; a real kernel only.
 */
#include "vmlinux_min.h"
#include "filter.h"
#include <oxbpf/core.h>
#include <oxbpf/tracing.h>

struct event {
	int pid;
	int ret;
	__u64 flags;
	char comm[COMM_LEN];
	char fname[128];
};

struct event *unused_event __attribute__((unused));

struct args {
	const char *fname;
	__u64 flags;
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

SEC("kprobe/do_sys_openat2")
int open_enter(struct pt_regs *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	struct open_how *how = (struct open_how *)PT_REGS_PARM3(ctx);
	struct args args = {};

	if (!comm_wanted())
		return 0;
	args.fname = (const char *)PT_REGS_PARM2(ctx);
	args.flags = BPF_CORE_READ(how, flags);
	bpf_map_update_elem(&start, &tid, &args, BPF_ANY);
	return 0;
}

SEC("kretprobe/do_sys_openat2")
int open_return(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = (__u32)id;
	struct args *args = bpf_map_lookup_elem(&start, &tid);
	struct event *e;

	if (!args)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		goto done;
	e->pid = (int)(id >> 32);
	e->ret = (int)PT_REGS_RC(ctx);
	e->flags = args->flags;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	e->fname[0] = 0;
	bpf_probe_read_user_str(e->fname, sizeof(e->fname), args->fname);
	bpf_ringbuf_submit(e, 0);
done:
	bpf_map_delete_elem(&start, &tid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
