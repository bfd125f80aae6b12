// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/*
 * Refuses to open files of one name, and reports each decision: a security hook. Needs Linux 5.8 built
 * with BPF LSM and booted with "bpf" in its list of security modules; a real kernel only.
 */
#include "vmlinux_min.h"
#include "filter.h"
#include <oxbpf/core.h>
#include <oxbpf/tracing.h>

#define NAME_LEN 32
#define EPERM 1

/* The last part of the path to refuse; empty refuses none. Only for commands that pass targ_comm. */
const volatile char deny_name[NAME_LEN] = "";

enum decision {
	ALLOWED,
	DENIED,
};

struct event {
	int pid;
	enum decision decision;
	char comm[COMM_LEN];
	char name[NAME_LEN];
};

struct event *unused_event __attribute__((unused));

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 * 1024);
} events SEC(".maps");

static __always_inline bool refused(const char *name)
{
	if (!deny_name[0])
		return false;
	for (int i = 0; i < NAME_LEN; i++) {
		if (name[i] != deny_name[i])
			return false;
		if (!name[i])
			break;
	}
	return true;
}

SEC("lsm/file_open")
int BPF_PROG(file_open, struct file *file, int ret)
{
	struct dentry *dentry;
	struct event *e;
	char name[NAME_LEN] = {};

	/* What another module decided before stands. */
	if (ret || !comm_wanted())
		return ret;
	dentry = BPF_CORE_READ(file, f_path.dentry);
	bpf_probe_read_kernel_str(name, sizeof(name), BPF_CORE_READ(dentry, d_name.name));
	if (refused(name))
		ret = -EPERM;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return ret;
	e->pid = (int)(bpf_get_current_pid_tgid() >> 32);
	e->decision = ret ? DENIED : ALLOWED;
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	__builtin_memcpy(e->name, name, sizeof(name));
	bpf_ringbuf_submit(e, 0);
	return ret;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
