#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""Writes sec_names.c (a program for each section name, with what may follow the slash) and
sec_names_bare.c (those that take such a part, without it). Usage: sec_names.py FULL BARE"""
import re
import sys

# A trailing "+" says that the name may be followed by "/" and the part in the second column.
NAMES = """
socket
sk_reuseport/migrate
sk_reuseport
kprobe+                 do_sys_openat2+0x4
uprobe+                 /bin/true:main+8
uprobe.s+               /bin/true:main
kretprobe+              do_sys_openat2
uretprobe+              libc.so.6:malloc
uretprobe.s+            libc.so.6:getenv@GLIBC_2.2.5
kprobe.multi+           vfs_*
kretprobe.multi+        vfs_?ead
kprobe.session+         vfs_*
uprobe.multi+           /bin/true:ma*
uretprobe.multi+        /bin/true:*
uprobe.session+         /bin/true:*
uprobe.multi.s+         /bin/true:*
uretprobe.multi.s+      /bin/true:*
uprobe.session.s+       /bin/true:*
ksyscall+               unlinkat
kretsyscall+            unlinkat
usdt+                   /bin/true:provider:name
usdt.s+                 /bin/true:provider:name
tc/ingress
tc/egress
tcx/ingress
tcx/egress
tc
classifier
action
netkit/primary
netkit/peer
tracepoint+             syscalls/sys_enter_openat
tp+                     sched/sched_switch
tracepoint.s+           syscalls/sys_enter_openat
tp.s+                   syscalls/sys_exit_openat
raw_tracepoint+         sys_enter
raw_tp+                 sys_exit
raw_tracepoint.s+       sys_enter
raw_tp.s+               sys_exit
raw_tracepoint.w+       bpf_test_finish
raw_tp.w+               bpf_test_finish
tp_btf+                 task_newtask
tp_btf.s+               sys_enter
fentry+                 bpf_fentry_test1
fmod_ret+               bpf_modify_return_test
fexit+                  bpf_fentry_test1
fentry.s+               bpf_fentry_test1
fmod_ret.s+             bpf_fentry_test1
fexit.s+                module:bpf_fentry_test1
fsession+               bpf_fentry_test1
fsession.s+             bpf_fentry_test1
fsession.multi+         bpf_fentry_test*
fsession.multi.s+       bpf_fentry_test*
fentry.multi+           bpf_fentry_test*
fexit.multi+            module:bpf_*
fentry.multi.s+         bpf_fentry_test*
fexit.multi.s+          bpf_fentry_test*
freplace+               plain
lsm+                    file_open
lsm.s+                  bprm_committed_creds
lsm_cgroup+             socket_bind
iter+                   task
iter.s+                 task_file
syscall
xdp.frags/devmap
xdp/devmap
xdp.frags/cpumap
xdp/cpumap
xdp.frags
xdp
perf_event
lwt_in
lwt_out
lwt_xmit
lwt_seg6local
sockops
sk_skb/stream_parser
sk_skb/stream_verdict
sk_skb/verdict
sk_skb
sk_msg
lirc_mode2
flow_dissector
cgroup_skb/ingress
cgroup_skb/egress
cgroup/skb
cgroup/sock_create
cgroup/sock_release
cgroup/sock
cgroup/post_bind4
cgroup/post_bind6
cgroup/bind4
cgroup/bind6
cgroup/connect4
cgroup/connect6
cgroup/connect_unix
cgroup/sendmsg4
cgroup/sendmsg6
cgroup/sendmsg_unix
cgroup/recvmsg4
cgroup/recvmsg6
cgroup/recvmsg_unix
cgroup/getpeername4
cgroup/getpeername6
cgroup/getpeername_unix
cgroup/getsockname4
cgroup/getsockname6
cgroup/getsockname_unix
cgroup/sysctl
cgroup/getsockopt
cgroup/setsockopt
cgroup/dev
struct_ops+             ssthresh
struct_ops.s+           init
sk_lookup
netfilter
"""

HEAD = """// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Written by sec_names.py: {what}.
#define SEC(name) __attribute__((section(name), used))
"""
PROGRAM = """
SEC("{section}")
int {name}(void *ctx)
{{
	return 0;
}}
"""
TAIL = """
char LICENSE[] SEC("license") = "GPL";
"""


def main():
    rows = [line.split() for line in NAMES.split("\n") if line]
    assert len(rows) == 116, len(rows)
    full = HEAD.format(what="all 116 section names, with what may follow")
    bare = HEAD.format(what="the section names that take more, without it")
    for name, *more in rows:
        section = name.rstrip("+")
        function = "p_" + re.sub(r"[/.]", "_", section)
        full += PROGRAM.format(section="/".join([section, *more]), name=function)
        if more:
            bare += PROGRAM.format(section=section, name=function)
    for path, text in zip(sys.argv[1:], (full, bare)):
        with open(path, "w") as out:
            out.write(text + TAIL)


if __name__ == "__main__":
    main()
