// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
/* A program for each section name of networks and control groups. A test loads one at a time and makes it run. */
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

__u64 hits;

#define PROGRAM(name, section, result)                               \
	SEC(section) int on_##name(void *ctx)                             \
	{                                                            \
		__sync_fetch_and_add(&hits, 1);                      \
		return result;                                       \
	}

PROGRAM(socket_filter, "socket", 0)
PROGRAM(sk_reuseport_migrate, "sk_reuseport/migrate", 1)
PROGRAM(sk_reuseport, "sk_reuseport", 1)

PROGRAM(tc_ingress, "tc/ingress", 0)
PROGRAM(tc_egress, "tc/egress", 0)
PROGRAM(tcx_ingress, "tcx/ingress", 0)
PROGRAM(tcx_egress, "tcx/egress", 0)
PROGRAM(tc, "tc", 0)
PROGRAM(classifier, "classifier", 0)
PROGRAM(action, "action", 0)
PROGRAM(netkit_primary, "netkit/primary", 0)
PROGRAM(netkit_peer, "netkit/peer", 0)

PROGRAM(xdp_frags_devmap, "xdp.frags/devmap", 1)
PROGRAM(xdp_devmap, "xdp/devmap", 1)
PROGRAM(xdp_frags_cpumap, "xdp.frags/cpumap", 2)
PROGRAM(xdp_cpumap, "xdp/cpumap", 2)
PROGRAM(xdp_frags, "xdp.frags", 2)
PROGRAM(xdp, "xdp", 2)

PROGRAM(lwt_in, "lwt_in", 0)
PROGRAM(lwt_out, "lwt_out", 0)
PROGRAM(lwt_xmit, "lwt_xmit", 0)
PROGRAM(lwt_seg6local, "lwt_seg6local", 0)

PROGRAM(sockops, "sockops", 1)
PROGRAM(sk_skb_stream_parser, "sk_skb/stream_parser", 5)
PROGRAM(sk_skb_stream_verdict, "sk_skb/stream_verdict", 1)
PROGRAM(sk_skb_verdict, "sk_skb/verdict", 1)
PROGRAM(sk_skb, "sk_skb", 1)
PROGRAM(sk_msg, "sk_msg", 1)
PROGRAM(lirc_mode2, "lirc_mode2", 1)
PROGRAM(flow_dissector, "flow_dissector", 0)
PROGRAM(sk_lookup, "sk_lookup", 1)
PROGRAM(netfilter, "netfilter", 1)

PROGRAM(cgroup_skb_ingress, "cgroup_skb/ingress", 1)
PROGRAM(cgroup_skb_egress, "cgroup_skb/egress", 1)
PROGRAM(cgroup_skb, "cgroup/skb", 1)
PROGRAM(cgroup_sock_create, "cgroup/sock_create", 1)
PROGRAM(cgroup_sock_release, "cgroup/sock_release", 1)
PROGRAM(cgroup_sock, "cgroup/sock", 1)
PROGRAM(cgroup_post_bind4, "cgroup/post_bind4", 1)
PROGRAM(cgroup_post_bind6, "cgroup/post_bind6", 1)
PROGRAM(cgroup_bind4, "cgroup/bind4", 1)
PROGRAM(cgroup_bind6, "cgroup/bind6", 1)
PROGRAM(cgroup_connect4, "cgroup/connect4", 1)
PROGRAM(cgroup_connect6, "cgroup/connect6", 1)
PROGRAM(cgroup_connect_unix, "cgroup/connect_unix", 1)
PROGRAM(cgroup_sendmsg4, "cgroup/sendmsg4", 1)
PROGRAM(cgroup_sendmsg6, "cgroup/sendmsg6", 1)
PROGRAM(cgroup_sendmsg_unix, "cgroup/sendmsg_unix", 1)
PROGRAM(cgroup_recvmsg4, "cgroup/recvmsg4", 1)
PROGRAM(cgroup_recvmsg6, "cgroup/recvmsg6", 1)
PROGRAM(cgroup_recvmsg_unix, "cgroup/recvmsg_unix", 1)
PROGRAM(cgroup_getpeername4, "cgroup/getpeername4", 1)
PROGRAM(cgroup_getpeername6, "cgroup/getpeername6", 1)
PROGRAM(cgroup_getpeername_unix, "cgroup/getpeername_unix", 1)
PROGRAM(cgroup_getsockname4, "cgroup/getsockname4", 1)
PROGRAM(cgroup_getsockname6, "cgroup/getsockname6", 1)
PROGRAM(cgroup_getsockname_unix, "cgroup/getsockname_unix", 1)
PROGRAM(cgroup_sysctl, "cgroup/sysctl", 1)
PROGRAM(cgroup_getsockopt, "cgroup/getsockopt", 1)
PROGRAM(cgroup_setsockopt, "cgroup/setsockopt", 1)
PROGRAM(cgroup_dev, "cgroup/dev", 1)

PROGRAM(lsm_cgroup, "lsm_cgroup/socket_bind", 1)

char LICENSE[] SEC("license") = "GPL";
