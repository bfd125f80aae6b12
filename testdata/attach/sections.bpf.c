// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* A program for each section name of tracing that attaches by itself. A test loads one at a time and makes it run. */
#include "vmlinux_min.h"
#include <oxbpf/usdt.bpf.h>

/* The thread whose events count. */
int tid;
__u64 hits;

static __always_inline int hit(void)
{
	if ((int)bpf_get_current_pid_tgid() == tid)
		hits++;
	return 0;
}

#define PROGRAM(name, section)                                       \
	SEC(section) int name(void *ctx)                             \
	{                                                            \
		return hit();                                        \
	}

PROGRAM(kprobe, "kprobe/__x64_sys_openat")
PROGRAM(kretprobe, "kretprobe/__x64_sys_openat")
PROGRAM(kprobe_multi, "kprobe.multi/__x64_sys_opena?")
PROGRAM(kretprobe_multi, "kretprobe.multi/__x64_sys_opena?")
PROGRAM(kprobe_session, "kprobe.session/__x64_sys_openat")
PROGRAM(ksyscall, "ksyscall/openat")
PROGRAM(kretsyscall, "kretsyscall/openat")

PROGRAM(uprobe, "uprobe/libc.so.6:getppid")
PROGRAM(uprobe_s, "uprobe.s/libc.so.6:getppid")
PROGRAM(uretprobe, "uretprobe/libc.so.6:getppid")
PROGRAM(uretprobe_s, "uretprobe.s/libc.so.6:getppid")
PROGRAM(uprobe_multi, "uprobe.multi/libc.so.6:getppi?")
PROGRAM(uprobe_multi_s, "uprobe.multi.s/libc.so.6:getppi?")
PROGRAM(uretprobe_multi, "uretprobe.multi/libc.so.6:getppi?")
PROGRAM(uretprobe_multi_s, "uretprobe.multi.s/libc.so.6:getppi?")
PROGRAM(uprobe_session, "uprobe.session/libc.so.6:getppi?")
PROGRAM(uprobe_session_s, "uprobe.session.s/libc.so.6:getppi?")

/* The test writes the path of its program over the signs, with as many slashes in front as are needed. */
#define FILE "################################################################################"
#define USDT_PROGRAM(name, section)                                  \
	SEC(section) int name(struct pt_regs *ctx)                   \
	{                                                            \
		hits += bpf_usdt_arg_cnt(ctx) == 0;                  \
		return 0;                                            \
	}
USDT_PROGRAM(usdt, "usdt/" FILE ":oxbpf:none")
USDT_PROGRAM(usdt_s, "usdt.s/" FILE ":oxbpf:none")

PROGRAM(tracepoint, "tracepoint/syscalls/sys_enter_openat")
PROGRAM(tp, "tp/syscalls/sys_enter_openat")
PROGRAM(tracepoint_s, "tracepoint.s/syscalls/sys_enter_openat")
PROGRAM(tp_s, "tp.s/syscalls/sys_enter_openat")
PROGRAM(raw_tracepoint, "raw_tracepoint/sys_enter")
PROGRAM(raw_tp, "raw_tp/sys_enter")
PROGRAM(raw_tracepoint_s, "raw_tracepoint.s/sys_enter")
PROGRAM(raw_tp_s, "raw_tp.s/sys_enter")
/* The only one in every kernel with a buffer that a program may write to: at the end of a test run. */
PROGRAM(raw_tracepoint_w, "raw_tracepoint.w/bpf_test_finish")
PROGRAM(raw_tp_w, "raw_tp.w/bpf_test_finish")
PROGRAM(tp_btf, "tp_btf/sys_enter")
PROGRAM(tp_btf_s, "tp_btf.s/sys_enter")

PROGRAM(fentry, "fentry/__x64_sys_openat")
PROGRAM(fentry_s, "fentry.s/__x64_sys_openat")
PROGRAM(fexit, "fexit/__x64_sys_openat")
PROGRAM(fexit_s, "fexit.s/__x64_sys_openat")
PROGRAM(fmod_ret, "fmod_ret/security_file_open")
PROGRAM(fmod_ret_s, "fmod_ret.s/__x64_sys_openat")
PROGRAM(fsession, "fsession/__x64_sys_openat")
PROGRAM(fsession_s, "fsession.s/__x64_sys_openat")
PROGRAM(fentry_multi, "fentry.multi/__x64_sys_opena?")
PROGRAM(fentry_multi_s, "fentry.multi.s/__x64_sys_opena?")
PROGRAM(fexit_multi, "fexit.multi/__x64_sys_opena?")
PROGRAM(fexit_multi_s, "fexit.multi.s/__x64_sys_opena?")
PROGRAM(fsession_multi, "fsession.multi/__x64_sys_opena?")
PROGRAM(fsession_multi_s, "fsession.multi.s/__x64_sys_opena?")

PROGRAM(lsm, "lsm/file_open")
PROGRAM(lsm_s, "lsm.s/file_open")

SEC("iter/task") int iter(void *ctx)
{
	hits++;
	return 0;
}

SEC("iter.s/task") int iter_s(void *ctx)
{
	hits++;
	return 0;
}

/* Does what `verdict` says, which `freplace` puts itself over. */
__noinline int verdict(int x)
{
	barrier_var(x);
	return x;
}

SEC("tp/syscalls/sys_enter_openat") int replaced(void *ctx)
{
	if ((int)bpf_get_current_pid_tgid() == tid)
		hits += verdict(1);
	return 0;
}

SEC("freplace/verdict") int freplace(int x)
{
	return 1000;
}

SEC("perf_event") int sampler(void *ctx)
{
	hits++;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
