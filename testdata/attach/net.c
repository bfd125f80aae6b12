// SPDX-License-Identifier: MIT OR Apache-2.0
/*
 * What C libbpf asks of a kernel to attach programs to networks and control groups: a title and the request. Messages are shown
 * without sequence number and port, and are not sent.
 *
 *     cc net.c libbpf.a -lelf -lz -o net && ./net > net.libbpf.txt
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *title;

ssize_t send(int fd, const void *message, size_t len, int flags)
{
	const unsigned char *bytes = message;

	printf("%s:", title);
	for (size_t i = 0; i < len; i++)
		if (i < 8 || i >= 16)
			printf("%s%02x", i % 4 ? "" : " ", bytes[i]);
	putchar('\n');
	errno = EPERM;
	return -1;
}

static long fake_bpf(int cmd, union bpf_attr *a)
{
	struct bpf_prog_info *info;

	switch (cmd) {
	case BPF_OBJ_GET_INFO_BY_FD:
		info = (void *)a->info.info;
		strcpy(info->name, "drop");
		info->id = 3;
		return 0;
	case BPF_PROG_ATTACH:
	case BPF_PROG_DETACH:
		printf("%s: target=%d prog=%d type=%u flags=%x replace=%d relative=%d revision=%llu\n", title,
		       a->target_fd, a->attach_bpf_fd, a->attach_type, a->attach_flags, a->replace_bpf_fd,
		       a->relative_fd, a->expected_revision);
		return 0;
	case BPF_LINK_CREATE:
		printf("%s: target=%d prog=%d type=%u flags=%x words=%u,%u,%u,%u\n", title, a->link_create.target_fd,
		       a->link_create.prog_fd, a->link_create.attach_type, a->link_create.flags,
		       a->link_create.netfilter.pf, a->link_create.netfilter.hooknum,
		       a->link_create.netfilter.priority, a->link_create.netfilter.flags);
		return 100;
	}
	errno = EINVAL;
	return -1;
}

long syscall(long number, ...)
{
	va_list args;
	long a[6];

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_bpf)
		return fake_bpf(a[0], (union bpf_attr *)a[1]);
	errno = ENOSYS;
	return -1;
}

#define RUN(name, call) (title = name, (void)(call))

int main(void)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, old, .old_prog_fd = 5);
	LIBBPF_OPTS(bpf_tc_hook, both, .ifindex = 9, .attach_point = BPF_TC_INGRESS | BPF_TC_EGRESS);
	LIBBPF_OPTS(bpf_tc_hook, in, .ifindex = 9, .attach_point = BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_hook, custom, .ifindex = 9, .attach_point = BPF_TC_CUSTOM, .parent = 0x10001);
	LIBBPF_OPTS(bpf_tc_opts, add, .prog_fd = 7, .handle = 4, .priority = 50);
	LIBBPF_OPTS(bpf_tc_opts, replace, .prog_fd = 7, .handle = 4, .priority = 50, .flags = BPF_TC_F_REPLACE);
	LIBBPF_OPTS(bpf_tc_opts, at, .handle = 4, .priority = 50);
	LIBBPF_OPTS(bpf_prog_attach_opts, exchange, .replace_prog_fd = 5, .flags = BPF_F_ALLOW_MULTI | BPF_F_REPLACE);
	LIBBPF_OPTS(bpf_prog_attach_opts, before, .flags = BPF_F_BEFORE | BPF_F_ID, .relative_id = 8,
		    .expected_revision = 2);
	LIBBPF_OPTS(bpf_prog_detach_opts, after, .flags = BPF_F_AFTER, .expected_revision = 2);
	LIBBPF_OPTS(bpf_link_create_opts, nf, .netfilter.pf = 2, .netfilter.hooknum = 1, .netfilter.priority = 10,
		    .netfilter.flags = 1);

	RUN("xdp", bpf_xdp_attach(9, 7, 0, NULL));
	RUN("xdp skb", bpf_xdp_attach(9, 7, XDP_FLAGS_SKB_MODE | XDP_FLAGS_UPDATE_IF_NOEXIST, NULL));
	RUN("xdp hw replace", bpf_xdp_attach(9, 7, XDP_FLAGS_HW_MODE, &old));
	RUN("xdp detach", bpf_xdp_detach(9, XDP_FLAGS_DRV_MODE, NULL));
	RUN("tc hook create", bpf_tc_hook_create(&both));
	RUN("tc hook destroy", bpf_tc_hook_destroy(&both));
	RUN("tc attach", bpf_tc_attach(&in, &add));
	RUN("tc attach replace", bpf_tc_attach(&in, &replace));
	RUN("tc attach custom", bpf_tc_attach(&custom, &add));
	RUN("tc detach", bpf_tc_detach(&in, &at));
	RUN("tc flush", bpf_tc_hook_destroy(&in));
	RUN("tc query", bpf_tc_query(&in, &at));
	RUN("lirc", bpf_prog_attach(7, 6, BPF_LIRC_MODE2, 0));
	RUN("lirc detach", bpf_prog_detach2(7, 6, BPF_LIRC_MODE2));
	RUN("cgroup replace", bpf_prog_attach_opts(7, 6, BPF_CGROUP_INET_EGRESS, &exchange));
	RUN("tcx before", bpf_prog_attach_opts(7, 9, 46, &before));
	RUN("tcx detach after", bpf_prog_detach_opts(7, 9, 46, &after));
	RUN("netns", bpf_link_create(7, 6, BPF_SK_LOOKUP, NULL));
	RUN("netfilter", bpf_link_create(7, 0, 45 /* BPF_NETFILTER */, &nf));
	return 0;
}
