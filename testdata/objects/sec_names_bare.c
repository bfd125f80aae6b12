// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Written by sec_names.py: the section names that take more, without it.
#define SEC(name) __attribute__((section(name), used))

SEC("kprobe")
int p_kprobe(void *ctx)
{
	return 0;
}

SEC("uprobe")
int p_uprobe(void *ctx)
{
	return 0;
}

SEC("uprobe.s")
int p_uprobe_s(void *ctx)
{
	return 0;
}

SEC("kretprobe")
int p_kretprobe(void *ctx)
{
	return 0;
}

SEC("uretprobe")
int p_uretprobe(void *ctx)
{
	return 0;
}

SEC("uretprobe.s")
int p_uretprobe_s(void *ctx)
{
	return 0;
}

SEC("kprobe.multi")
int p_kprobe_multi(void *ctx)
{
	return 0;
}

SEC("kretprobe.multi")
int p_kretprobe_multi(void *ctx)
{
	return 0;
}

SEC("kprobe.session")
int p_kprobe_session(void *ctx)
{
	return 0;
}

SEC("uprobe.multi")
int p_uprobe_multi(void *ctx)
{
	return 0;
}

SEC("uretprobe.multi")
int p_uretprobe_multi(void *ctx)
{
	return 0;
}

SEC("uprobe.session")
int p_uprobe_session(void *ctx)
{
	return 0;
}

SEC("uprobe.multi.s")
int p_uprobe_multi_s(void *ctx)
{
	return 0;
}

SEC("uretprobe.multi.s")
int p_uretprobe_multi_s(void *ctx)
{
	return 0;
}

SEC("uprobe.session.s")
int p_uprobe_session_s(void *ctx)
{
	return 0;
}

SEC("ksyscall")
int p_ksyscall(void *ctx)
{
	return 0;
}

SEC("kretsyscall")
int p_kretsyscall(void *ctx)
{
	return 0;
}

SEC("usdt")
int p_usdt(void *ctx)
{
	return 0;
}

SEC("usdt.s")
int p_usdt_s(void *ctx)
{
	return 0;
}

SEC("tracepoint")
int p_tracepoint(void *ctx)
{
	return 0;
}

SEC("tp")
int p_tp(void *ctx)
{
	return 0;
}

SEC("tracepoint.s")
int p_tracepoint_s(void *ctx)
{
	return 0;
}

SEC("tp.s")
int p_tp_s(void *ctx)
{
	return 0;
}

SEC("raw_tracepoint")
int p_raw_tracepoint(void *ctx)
{
	return 0;
}

SEC("raw_tp")
int p_raw_tp(void *ctx)
{
	return 0;
}

SEC("raw_tracepoint.s")
int p_raw_tracepoint_s(void *ctx)
{
	return 0;
}

SEC("raw_tp.s")
int p_raw_tp_s(void *ctx)
{
	return 0;
}

SEC("raw_tracepoint.w")
int p_raw_tracepoint_w(void *ctx)
{
	return 0;
}

SEC("raw_tp.w")
int p_raw_tp_w(void *ctx)
{
	return 0;
}

SEC("tp_btf")
int p_tp_btf(void *ctx)
{
	return 0;
}

SEC("tp_btf.s")
int p_tp_btf_s(void *ctx)
{
	return 0;
}

SEC("fentry")
int p_fentry(void *ctx)
{
	return 0;
}

SEC("fmod_ret")
int p_fmod_ret(void *ctx)
{
	return 0;
}

SEC("fexit")
int p_fexit(void *ctx)
{
	return 0;
}

SEC("fentry.s")
int p_fentry_s(void *ctx)
{
	return 0;
}

SEC("fmod_ret.s")
int p_fmod_ret_s(void *ctx)
{
	return 0;
}

SEC("fexit.s")
int p_fexit_s(void *ctx)
{
	return 0;
}

SEC("fsession")
int p_fsession(void *ctx)
{
	return 0;
}

SEC("fsession.s")
int p_fsession_s(void *ctx)
{
	return 0;
}

SEC("fsession.multi")
int p_fsession_multi(void *ctx)
{
	return 0;
}

SEC("fsession.multi.s")
int p_fsession_multi_s(void *ctx)
{
	return 0;
}

SEC("fentry.multi")
int p_fentry_multi(void *ctx)
{
	return 0;
}

SEC("fexit.multi")
int p_fexit_multi(void *ctx)
{
	return 0;
}

SEC("fentry.multi.s")
int p_fentry_multi_s(void *ctx)
{
	return 0;
}

SEC("fexit.multi.s")
int p_fexit_multi_s(void *ctx)
{
	return 0;
}

SEC("freplace")
int p_freplace(void *ctx)
{
	return 0;
}

SEC("lsm")
int p_lsm(void *ctx)
{
	return 0;
}

SEC("lsm.s")
int p_lsm_s(void *ctx)
{
	return 0;
}

SEC("lsm_cgroup")
int p_lsm_cgroup(void *ctx)
{
	return 0;
}

SEC("iter")
int p_iter(void *ctx)
{
	return 0;
}

SEC("iter.s")
int p_iter_s(void *ctx)
{
	return 0;
}

SEC("struct_ops")
int p_struct_ops(void *ctx)
{
	return 0;
}

SEC("struct_ops.s")
int p_struct_ops_s(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
