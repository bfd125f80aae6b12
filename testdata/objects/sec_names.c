// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Written by sec_names.py: all 116 section names, with what may follow.
#define SEC(name) __attribute__((section(name), used))

SEC("socket")
int p_socket(void *ctx)
{
	return 0;
}

SEC("sk_reuseport/migrate")
int p_sk_reuseport_migrate(void *ctx)
{
	return 0;
}

SEC("sk_reuseport")
int p_sk_reuseport(void *ctx)
{
	return 0;
}

SEC("kprobe/do_sys_openat2+0x4")
int p_kprobe(void *ctx)
{
	return 0;
}

SEC("uprobe//bin/true:main+8")
int p_uprobe(void *ctx)
{
	return 0;
}

SEC("uprobe.s//bin/true:main")
int p_uprobe_s(void *ctx)
{
	return 0;
}

SEC("kretprobe/do_sys_openat2")
int p_kretprobe(void *ctx)
{
	return 0;
}

SEC("uretprobe/libc.so.6:malloc")
int p_uretprobe(void *ctx)
{
	return 0;
}

SEC("uretprobe.s/libc.so.6:getenv@GLIBC_2.2.5")
int p_uretprobe_s(void *ctx)
{
	return 0;
}

SEC("kprobe.multi/vfs_*")
int p_kprobe_multi(void *ctx)
{
	return 0;
}

SEC("kretprobe.multi/vfs_?ead")
int p_kretprobe_multi(void *ctx)
{
	return 0;
}

SEC("kprobe.session/vfs_*")
int p_kprobe_session(void *ctx)
{
	return 0;
}

SEC("uprobe.multi//bin/true:ma*")
int p_uprobe_multi(void *ctx)
{
	return 0;
}

SEC("uretprobe.multi//bin/true:*")
int p_uretprobe_multi(void *ctx)
{
	return 0;
}

SEC("uprobe.session//bin/true:*")
int p_uprobe_session(void *ctx)
{
	return 0;
}

SEC("uprobe.multi.s//bin/true:*")
int p_uprobe_multi_s(void *ctx)
{
	return 0;
}

SEC("uretprobe.multi.s//bin/true:*")
int p_uretprobe_multi_s(void *ctx)
{
	return 0;
}

SEC("uprobe.session.s//bin/true:*")
int p_uprobe_session_s(void *ctx)
{
	return 0;
}

SEC("ksyscall/unlinkat")
int p_ksyscall(void *ctx)
{
	return 0;
}

SEC("kretsyscall/unlinkat")
int p_kretsyscall(void *ctx)
{
	return 0;
}

SEC("usdt//bin/true:provider:name")
int p_usdt(void *ctx)
{
	return 0;
}

SEC("usdt.s//bin/true:provider:name")
int p_usdt_s(void *ctx)
{
	return 0;
}

SEC("tc/ingress")
int p_tc_ingress(void *ctx)
{
	return 0;
}

SEC("tc/egress")
int p_tc_egress(void *ctx)
{
	return 0;
}

SEC("tcx/ingress")
int p_tcx_ingress(void *ctx)
{
	return 0;
}

SEC("tcx/egress")
int p_tcx_egress(void *ctx)
{
	return 0;
}

SEC("tc")
int p_tc(void *ctx)
{
	return 0;
}

SEC("classifier")
int p_classifier(void *ctx)
{
	return 0;
}

SEC("action")
int p_action(void *ctx)
{
	return 0;
}

SEC("netkit/primary")
int p_netkit_primary(void *ctx)
{
	return 0;
}

SEC("netkit/peer")
int p_netkit_peer(void *ctx)
{
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_openat")
int p_tracepoint(void *ctx)
{
	return 0;
}

SEC("tp/sched/sched_switch")
int p_tp(void *ctx)
{
	return 0;
}

SEC("tracepoint.s/syscalls/sys_enter_openat")
int p_tracepoint_s(void *ctx)
{
	return 0;
}

SEC("tp.s/syscalls/sys_exit_openat")
int p_tp_s(void *ctx)
{
	return 0;
}

SEC("raw_tracepoint/sys_enter")
int p_raw_tracepoint(void *ctx)
{
	return 0;
}

SEC("raw_tp/sys_exit")
int p_raw_tp(void *ctx)
{
	return 0;
}

SEC("raw_tracepoint.s/sys_enter")
int p_raw_tracepoint_s(void *ctx)
{
	return 0;
}

SEC("raw_tp.s/sys_exit")
int p_raw_tp_s(void *ctx)
{
	return 0;
}

SEC("raw_tracepoint.w/bpf_test_finish")
int p_raw_tracepoint_w(void *ctx)
{
	return 0;
}

SEC("raw_tp.w/bpf_test_finish")
int p_raw_tp_w(void *ctx)
{
	return 0;
}

SEC("tp_btf/task_newtask")
int p_tp_btf(void *ctx)
{
	return 0;
}

SEC("tp_btf.s/sys_enter")
int p_tp_btf_s(void *ctx)
{
	return 0;
}

SEC("fentry/bpf_fentry_test1")
int p_fentry(void *ctx)
{
	return 0;
}

SEC("fmod_ret/bpf_modify_return_test")
int p_fmod_ret(void *ctx)
{
	return 0;
}

SEC("fexit/bpf_fentry_test1")
int p_fexit(void *ctx)
{
	return 0;
}

SEC("fentry.s/bpf_fentry_test1")
int p_fentry_s(void *ctx)
{
	return 0;
}

SEC("fmod_ret.s/bpf_fentry_test1")
int p_fmod_ret_s(void *ctx)
{
	return 0;
}

SEC("fexit.s/module:bpf_fentry_test1")
int p_fexit_s(void *ctx)
{
	return 0;
}

SEC("fsession/bpf_fentry_test1")
int p_fsession(void *ctx)
{
	return 0;
}

SEC("fsession.s/bpf_fentry_test1")
int p_fsession_s(void *ctx)
{
	return 0;
}

SEC("fsession.multi/bpf_fentry_test*")
int p_fsession_multi(void *ctx)
{
	return 0;
}

SEC("fsession.multi.s/bpf_fentry_test*")
int p_fsession_multi_s(void *ctx)
{
	return 0;
}

SEC("fentry.multi/bpf_fentry_test*")
int p_fentry_multi(void *ctx)
{
	return 0;
}

SEC("fexit.multi/module:bpf_*")
int p_fexit_multi(void *ctx)
{
	return 0;
}

SEC("fentry.multi.s/bpf_fentry_test*")
int p_fentry_multi_s(void *ctx)
{
	return 0;
}

SEC("fexit.multi.s/bpf_fentry_test*")
int p_fexit_multi_s(void *ctx)
{
	return 0;
}

SEC("freplace/plain")
int p_freplace(void *ctx)
{
	return 0;
}

SEC("lsm/file_open")
int p_lsm(void *ctx)
{
	return 0;
}

SEC("lsm.s/bprm_committed_creds")
int p_lsm_s(void *ctx)
{
	return 0;
}

SEC("lsm_cgroup/socket_bind")
int p_lsm_cgroup(void *ctx)
{
	return 0;
}

SEC("iter/task")
int p_iter(void *ctx)
{
	return 0;
}

SEC("iter.s/task_file")
int p_iter_s(void *ctx)
{
	return 0;
}

SEC("syscall")
int p_syscall(void *ctx)
{
	return 0;
}

SEC("xdp.frags/devmap")
int p_xdp_frags_devmap(void *ctx)
{
	return 0;
}

SEC("xdp/devmap")
int p_xdp_devmap(void *ctx)
{
	return 0;
}

SEC("xdp.frags/cpumap")
int p_xdp_frags_cpumap(void *ctx)
{
	return 0;
}

SEC("xdp/cpumap")
int p_xdp_cpumap(void *ctx)
{
	return 0;
}

SEC("xdp.frags")
int p_xdp_frags(void *ctx)
{
	return 0;
}

SEC("xdp")
int p_xdp(void *ctx)
{
	return 0;
}

SEC("perf_event")
int p_perf_event(void *ctx)
{
	return 0;
}

SEC("lwt_in")
int p_lwt_in(void *ctx)
{
	return 0;
}

SEC("lwt_out")
int p_lwt_out(void *ctx)
{
	return 0;
}

SEC("lwt_xmit")
int p_lwt_xmit(void *ctx)
{
	return 0;
}

SEC("lwt_seg6local")
int p_lwt_seg6local(void *ctx)
{
	return 0;
}

SEC("sockops")
int p_sockops(void *ctx)
{
	return 0;
}

SEC("sk_skb/stream_parser")
int p_sk_skb_stream_parser(void *ctx)
{
	return 0;
}

SEC("sk_skb/stream_verdict")
int p_sk_skb_stream_verdict(void *ctx)
{
	return 0;
}

SEC("sk_skb/verdict")
int p_sk_skb_verdict(void *ctx)
{
	return 0;
}

SEC("sk_skb")
int p_sk_skb(void *ctx)
{
	return 0;
}

SEC("sk_msg")
int p_sk_msg(void *ctx)
{
	return 0;
}

SEC("lirc_mode2")
int p_lirc_mode2(void *ctx)
{
	return 0;
}

SEC("flow_dissector")
int p_flow_dissector(void *ctx)
{
	return 0;
}

SEC("cgroup_skb/ingress")
int p_cgroup_skb_ingress(void *ctx)
{
	return 0;
}

SEC("cgroup_skb/egress")
int p_cgroup_skb_egress(void *ctx)
{
	return 0;
}

SEC("cgroup/skb")
int p_cgroup_skb(void *ctx)
{
	return 0;
}

SEC("cgroup/sock_create")
int p_cgroup_sock_create(void *ctx)
{
	return 0;
}

SEC("cgroup/sock_release")
int p_cgroup_sock_release(void *ctx)
{
	return 0;
}

SEC("cgroup/sock")
int p_cgroup_sock(void *ctx)
{
	return 0;
}

SEC("cgroup/post_bind4")
int p_cgroup_post_bind4(void *ctx)
{
	return 0;
}

SEC("cgroup/post_bind6")
int p_cgroup_post_bind6(void *ctx)
{
	return 0;
}

SEC("cgroup/bind4")
int p_cgroup_bind4(void *ctx)
{
	return 0;
}

SEC("cgroup/bind6")
int p_cgroup_bind6(void *ctx)
{
	return 0;
}

SEC("cgroup/connect4")
int p_cgroup_connect4(void *ctx)
{
	return 0;
}

SEC("cgroup/connect6")
int p_cgroup_connect6(void *ctx)
{
	return 0;
}

SEC("cgroup/connect_unix")
int p_cgroup_connect_unix(void *ctx)
{
	return 0;
}

SEC("cgroup/sendmsg4")
int p_cgroup_sendmsg4(void *ctx)
{
	return 0;
}

SEC("cgroup/sendmsg6")
int p_cgroup_sendmsg6(void *ctx)
{
	return 0;
}

SEC("cgroup/sendmsg_unix")
int p_cgroup_sendmsg_unix(void *ctx)
{
	return 0;
}

SEC("cgroup/recvmsg4")
int p_cgroup_recvmsg4(void *ctx)
{
	return 0;
}

SEC("cgroup/recvmsg6")
int p_cgroup_recvmsg6(void *ctx)
{
	return 0;
}

SEC("cgroup/recvmsg_unix")
int p_cgroup_recvmsg_unix(void *ctx)
{
	return 0;
}

SEC("cgroup/getpeername4")
int p_cgroup_getpeername4(void *ctx)
{
	return 0;
}

SEC("cgroup/getpeername6")
int p_cgroup_getpeername6(void *ctx)
{
	return 0;
}

SEC("cgroup/getpeername_unix")
int p_cgroup_getpeername_unix(void *ctx)
{
	return 0;
}

SEC("cgroup/getsockname4")
int p_cgroup_getsockname4(void *ctx)
{
	return 0;
}

SEC("cgroup/getsockname6")
int p_cgroup_getsockname6(void *ctx)
{
	return 0;
}

SEC("cgroup/getsockname_unix")
int p_cgroup_getsockname_unix(void *ctx)
{
	return 0;
}

SEC("cgroup/sysctl")
int p_cgroup_sysctl(void *ctx)
{
	return 0;
}

SEC("cgroup/getsockopt")
int p_cgroup_getsockopt(void *ctx)
{
	return 0;
}

SEC("cgroup/setsockopt")
int p_cgroup_setsockopt(void *ctx)
{
	return 0;
}

SEC("cgroup/dev")
int p_cgroup_dev(void *ctx)
{
	return 0;
}

SEC("struct_ops/ssthresh")
int p_struct_ops(void *ctx)
{
	return 0;
}

SEC("struct_ops.s/init")
int p_struct_ops_s(void *ctx)
{
	return 0;
}

SEC("sk_lookup")
int p_sk_lookup(void *ctx)
{
	return 0;
}

SEC("netfilter")
int p_netfilter(void *ctx)
{
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
