// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Directories that are removed, and whether that worked: a system call traced through the function
 * that serves it, whose name and calling convention differ between kernels; the loader knows both.
 * Needs Linux 5.8, x86-64.
 */
#include "vmlinux_min.h"
#include "filter.h"
#include <oxbpf/tracing.h>

struct event {
	int pid;
	int ret;
	char comm[COMM_LEN];
	char path[64];
};

struct event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, __u64);
} paths SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

SEC("ksyscall/rmdir")
int rmdir_enter(struct pt_regs *ctx)
{
	__u32 tid = (__u32)bpf_get_current_pid_tgid();
	__u64 path;

	if (!comm_wanted())
		return 0;
	path = SYSCALL_ARG(ctx, 1);
	bpf_map_update_elem(&paths, &tid, &path, BPF_ANY);
	return 0;
}

SEC("kretsyscall/rmdir")
int rmdir_return(struct pt_regs *ctx)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u32 tid = (__u32)id;
	__u64 *path = bpf_map_lookup_elem(&paths, &tid);
	struct event *e;

	if (!path)
		return 0;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		goto done;
	e->pid = (int)(id >> 32);
	e->ret = (int)PT_REGS_RC(ctx);
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	e->path[0] = 0;
	bpf_probe_read_user_str(e->path, sizeof(e->path), (const void *)*path);
	bpf_ringbuf_submit(e, 0);
done:
	bpf_map_delete_elem(&paths, &tid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
