#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""Objects with CO-RE relocations against the types of real kernels, and those types.

    kernels.py objects OUT                               compile and pack the objects
    kernels.py types BPFTOOL OUT NAME=VMLINUX_BTF...     minimise each kernel's types to what the objects ask for, and pack them
    kernels.py record RECORD OUT OBJECTS TYPES           what C libbpf makes of each object on each kernel; record.c compiled as RECORD

Fields that moved, were renamed, changed size or sign, became or ceased to be bit-fields, or that only some kernels have."""
import os
import re
import subprocess
import sys
import tempfile

from generate import compile_one, pack, unpack

HEAD = """typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64; typedef long long s64;
typedef _Bool bool;
#define SEC(name) __attribute__((section(name), used))
#define KERNEL __attribute__((preserve_access_index))
"""
INFO = {"exists": 2, "offset": 0, "size": 1, "signed": 3, "lshift": 4, "rshift": 5}

# Name, declarations of the local types, and what is asked for: a type, the way to a field in it, and whether that is a number.
FIELDS = [
    ("task", """struct list_head { void *next, *prev; } KERNEL;
struct kuid { u32 val; } KERNEL;
struct cred { int usage; struct kuid uid; struct kuid gid; } KERNEL;
struct signal_struct { int nr_threads; short oom_score_adj, oom_score_adj_min; bool oom_mm_hidden; u64 utime; u64 sum_sched_runtime; } KERNEL;
struct files_struct { int count; int next_fd; } KERNEL;
struct sched_entity { u64 exec_start, sum_exec_runtime, vruntime; u32 on_rq; u64 deadline; s64 vlag; } KERNEL;
struct thread_info { u64 flags; u32 status; u32 cpu; } KERNEL;
struct task_struct { struct thread_info thread_info; long state; u32 __state; void *stack; u32 flags; int on_cpu; u32 cpu; int prio; u32 policy; struct sched_entity se;
  unsigned sched_reset_on_fork : 1, sched_contributes_to_load : 1, in_execve : 1, in_iowait : 1, no_cgroup_migration : 1, use_memdelay : 1, in_memstall : 1;
  int pid, tgid; struct task_struct *real_parent, *parent, *group_leader; u64 utime, start_time, start_boottime; struct cred *cred; char comm[16]; struct files_struct *files; struct signal_struct *signal;
  u64 stack_canary; int recent_used_cpu; bool gone_for_good; u32 trc_reader_nesting; void *bpf_storage, *bpf_ctx; } KERNEL;
struct task_struct___old { long state; } KERNEL;
struct task_struct___narrow { short __state; } KERNEL;
""", [("struct task_struct", f) for f in "thread_info.flags thread_info.cpu state __state flags on_cpu cpu prio policy se.vruntime se.on_rq se.deadline se.vlag sched_reset_on_fork sched_contributes_to_load in_execve in_iowait no_cgroup_migration use_memdelay in_memstall pid tgid real_parent parent group_leader utime start_time start_boottime cred comm comm[3] files signal stack_canary recent_used_cpu gone_for_good trc_reader_nesting bpf_storage bpf_ctx".split()]
     + [("struct task_struct___old", "state"), ("struct task_struct___narrow", "__state"), ("struct cred", "uid.val"), ("struct cred", "gid"), ("struct signal_struct", "oom_score_adj"), ("struct signal_struct", "oom_mm_hidden"), ("struct signal_struct", "nr_threads"), ("struct files_struct", "next_fd")]),
    ("skb", """struct sk_buff { void *next; void *sk; char cb[48]; u32 len, data_len; u16 mac_len, hdr_len, queue_mapping; u8 cloned : 1, nohdr : 1, fclone : 2, peeked : 1, head_frag : 1, pfmemalloc : 1, pp_recycle : 1, pkt_type : 3, ignore_df : 1, nf_trace : 1, ip_summed : 2, ooo_okay : 1, l4_hash : 1, vlan_present : 1, csum_level : 2, tstamp_type : 2, mono_delivery_time : 1, decrypted : 1, slow_gro : 1, unreadable : 1;
  u32 priority; int skb_iif; u32 hash; u16 vlan_tci; u32 mark, secmark; u16 protocol, transport_header, network_header, mac_header; u32 tail, end; u8 *head, *data; u32 truesize; bool active; } KERNEL;
""", [("struct sk_buff", f) for f in "next sk cb cb[5] len data_len mac_len hdr_len queue_mapping cloned nohdr fclone peeked head_frag pfmemalloc pp_recycle pkt_type ignore_df nf_trace ip_summed ooo_okay l4_hash vlan_present csum_level tstamp_type mono_delivery_time decrypted slow_gro unreadable priority skb_iif hash vlan_tci mark secmark protocol transport_header network_header mac_header tail end head data truesize active".split()]),
    ("sock", """struct sock_common { u16 skc_family, skc_num, skc_dport; u8 skc_state, skc_reuse : 4, skc_reuseport : 1, skc_ipv6only : 1; u32 skc_daddr, skc_rcv_saddr; int skc_bound_dev_if; u64 skc_cookie; } KERNEL;
struct sock { struct sock_common __sk_common; int sk_rcvbuf, sk_sndbuf; u32 sk_mark, sk_priority; u16 sk_type, sk_protocol, sk_gso_max_segs; u8 sk_userlocks : 4, sk_kern_sock : 1, sk_no_check_tx : 1, sk_padding : 1, sk_shutdown; u32 sk_max_ack_backlog; void *sk_bpf_storage; u32 sk_txhash; u64 sk_rx_dst_cookie; u32 sk_tsflags; } KERNEL;
struct inet_sock { struct sock sk; u16 inet_sport; u8 recverr : 1, is_icsk : 1, freebind : 1, hdrincl : 1; u64 inet_flags; u8 tos; } KERNEL;
struct tcp_sock { u16 tcp_header_len; u32 snd_una, snd_cwnd, snd_ssthresh, srtt_us, rcv_nxt, segs_in, delivered; u8 nonagle : 4, thin_lto : 1, recvmsg_inq : 1, repair : 1, frto : 1, is_sack_reneg : 1, fastopen_connect : 1, ecn_flags, bpf_sock_ops_cb_flags; u64 tcp_clock_cache, bytes_received; } KERNEL;
""", [("struct sock", f) for f in "__sk_common.skc_family __sk_common.skc_num __sk_common.skc_dport __sk_common.skc_state __sk_common.skc_reuse __sk_common.skc_reuseport __sk_common.skc_ipv6only __sk_common.skc_daddr __sk_common.skc_rcv_saddr sk_rcvbuf sk_sndbuf sk_mark sk_priority sk_type sk_protocol sk_gso_max_segs sk_userlocks sk_kern_sock sk_no_check_tx sk_padding sk_shutdown sk_max_ack_backlog sk_bpf_storage sk_txhash sk_rx_dst_cookie sk_tsflags".split()]
     + [("struct inet_sock", f) for f in "sk.sk_mark inet_sport recverr is_icsk freebind hdrincl inet_flags tos".split()] + [("struct tcp_sock", f) for f in "tcp_header_len snd_una snd_cwnd snd_ssthresh srtt_us rcv_nxt segs_in delivered nonagle thin_lto recvmsg_inq repair frto is_sack_reneg fastopen_connect ecn_flags bpf_sock_ops_cb_flags tcp_clock_cache bytes_received".split()]),
    ("files", """struct qstr { u64 hash_len; u8 *name; } KERNEL;
struct super_block { u32 s_dev; u64 s_flags, s_magic; char s_id[32]; } KERNEL;
struct inode { u16 i_mode; u32 i_flags; struct super_block *i_sb; u64 i_ino; s64 i_size; u8 i_blkbits; u32 i_generation; u64 i_mtime_sec; } KERNEL;
struct dentry { u32 d_flags; struct dentry *d_parent; struct qstr d_name; struct inode *d_inode; u8 d_iname[32]; } KERNEL;
struct path { void *mnt; struct dentry *dentry; } KERNEL;
struct file { struct path f_path; struct inode *f_inode; u64 f_version; u32 f_flags, f_mode; s64 f_pos; u64 f_count, f_ref, f_iocb_flags; } KERNEL;
struct mm_struct { u64 mmap_base, task_size, total_vm, start_code, arg_start, arg_end, env_start; int map_count; u64 rss_stat; void *exe_file, *mmap, *pgd; } KERNEL;
struct vm_area_struct { u64 vm_start, vm_end, vm_flags, vm_pgoff; void *vm_next, *vm_file; } KERNEL;
struct kernfs_node { struct kernfs_node *parent, *__parent; u64 id; u16 flags, mode; char *name; } KERNEL;
struct kernfs_node___union { union { u64 id; struct { u32 ino, generation; }; } id; } KERNEL;
""", [("struct inode", f) for f in "i_mode i_flags i_sb i_ino i_size i_blkbits i_generation i_mtime_sec".split()] + [("struct super_block", f) for f in "s_dev s_flags s_magic s_id[4]".split()] + [("struct dentry", f) for f in "d_flags d_parent d_name.name d_name.hash_len d_inode d_iname".split()]
     + [("struct file", f) for f in "f_path.dentry f_path f_inode f_version f_flags f_mode f_pos f_count f_ref f_iocb_flags".split()] + [("struct mm_struct", f) for f in "mmap_base task_size total_vm start_code arg_start arg_end env_start map_count rss_stat exe_file mmap pgd".split()]
     + [("struct vm_area_struct", f) for f in "vm_start vm_end vm_flags vm_pgoff vm_next vm_file".split()] + [("struct kernfs_node", f) for f in "parent __parent id flags mode name".split()] + [("struct kernfs_node___union", "id.id"), ("struct kernfs_node___union", "id.ino")]),
    ("block", """struct block_device { u32 bd_dev; u8 bd_partno; bool bd_read_only; u64 bd_start_sect; } KERNEL;
struct bio { struct block_device *bi_bdev; void *bi_disk; u32 bi_opf; u16 bi_flags, bi_vcnt; u8 bi_status, bi_partno; } KERNEL;
struct request { void *q; u32 cmd_flags; u32 rq_flags; int tag; u32 __data_len; u64 __sector, start_time_ns; struct bio *bio; void *rq_disk, *part; u16 nr_phys_segments, write_hint; int state; } KERNEL;
struct bpf_prog { u16 pages; u16 jited : 1, jit_requested : 1, gpl_compatible : 1, cb_access : 1, dst_needed : 1, is_func : 1, kprobe_override : 1, has_callchain_buf : 1, call_get_stack : 1, call_get_func_ip : 1, sleepable : 1; int type; u32 len, jited_len; u8 tag[8]; void *aux; } KERNEL;
struct bpf_map { void *ops; int map_type; u32 key_size, value_size, max_entries, map_flags, id; int numa_node; bool bypass_spec_v1, frozen; u64 map_extra; char name[16]; s64 elem_count, writecnt; } KERNEL;
struct net_device { char name[16]; int ifindex; u32 flags, mtu; u64 features; u8 threaded : 1, netns_local : 1; u32 num_tx_queues; void *xdp_prog; } KERNEL;
struct page { u64 flags; u64 private; int _refcount; } KERNEL;
struct cgroup { int level, max_depth; void *kn; u64 flags; } KERNEL;
""", [("struct block_device", f) for f in "bd_dev bd_partno bd_read_only bd_start_sect".split()] + [("struct bio", f) for f in "bi_bdev bi_disk bi_opf bi_flags bi_vcnt bi_status bi_partno".split()] + [("struct request", f) for f in "q cmd_flags rq_flags tag __data_len __sector start_time_ns bio rq_disk part nr_phys_segments write_hint state".split()]
     + [("struct bpf_prog", f) for f in "pages jited jit_requested gpl_compatible cb_access dst_needed is_func kprobe_override has_callchain_buf call_get_stack call_get_func_ip sleepable type len jited_len tag aux".split()] + [("struct bpf_map", f) for f in "ops map_type key_size value_size max_entries map_flags id numa_node bypass_spec_v1 frozen map_extra name elem_count writecnt".split()]
     + [("struct net_device", f) for f in "name name[2] ifindex flags mtu features threaded netns_local num_tx_queues xdp_prog".split()] + [("struct page", f) for f in "flags private _refcount".split()] + [("struct cgroup", f) for f in "level max_depth kn flags".split()]),
]
TYPES = ["struct task_struct", "struct bpf_ringbuf", "struct bpf_arena", "struct bpf_iter_num", "struct maple_tree", "struct trace_event_raw_sys_enter", "struct folio", "struct pt_regs", "struct user_pt_regs", "struct bpf_tcx_link", "struct io_uring_cmd", "struct nowhere", "union bpf_attr", "struct lruvec", "struct rq"]
VALUES = [("bpf_map_type", "BPF_MAP_TYPE_RINGBUF"), ("bpf_map_type", "BPF_MAP_TYPE_ARENA"), ("bpf_prog_type", "BPF_PROG_TYPE_SYSCALL"), ("bpf_prog_type", "BPF_PROG_TYPE_NETFILTER"), ("bpf_attach_type", "BPF_TCX_INGRESS"), ("bpf_attach_type", "BPF_TRACE_KPROBE_SESSION"),
          ("bpf_func_id", "BPF_FUNC_ringbuf_output"), ("bpf_func_id", "BPF_FUNC_user_ringbuf_drain"), ("bpf_func_id", "BPF_FUNC_get_func_ip"), ("pid_type", "PIDTYPE_SID"), ("tcp_ca_state", "TCP_CA_Loss"), ("node_stat_item", "NR_FILE_PAGES"), ("vm_event_item", "PGFAULT"), ("cgroup_subsys_id", "memory_cgrp_id"), ("cgroup_subsys_id", "cpu_cgrp_id"),
          ("zone_stat_item", "NR_FREE_PAGES"), ("migratetype", "MIGRATE_CMA"), ("nowhere", "NOTHING_AT_ALL"), ("req_op", "REQ_OP_WRITE"), ("skb_drop_reason", "SKB_DROP_REASON_NO_SOCKET"), ("bpf_reg_type", "PTR_TO_ARENA"), ("bpf_reg_type", "SCALAR_VALUE")]


def program(name, body):
    return f'SEC("raw_tp/x") int {name}(void *ctx) {{ return (int)({body}); }}\n'


def plain(field):
    return "".join(c if c.isalnum() else "_" for c in field)


def sources():
    license = 'char LICENSE[] SEC("license") = "GPL";\n'
    for name, declarations, fields in FIELDS:
        for word, number in INFO.items():
            asked = [(o, f) for o, f in fields if word in ("exists", "offset", "size") or (is_number(declarations, f) and "[" not in f)]
            yield f"{name}_{word}", HEAD + declarations + "".join(program(f"p{i}_{plain(f)}"[:40], f"__builtin_preserve_field_info((({o} *)ctx)->{f}, {number})") for i, (o, f) in enumerate(asked)) + license
        # Bit-fields have no address.
        whole = [(o, f) for o, f in fields if is_number(declarations, f) and not re.search(rf"\b{re.escape(f.split('.')[-1])} : ", declarations)]
        yield f"{name}_read", HEAD + declarations + "".join(program(f"r{i}_{plain(f)}"[:40], f"*(volatile typeof((({o} *)ctx)->{f}) *)&(({o} *)ctx)->{f}") for i, (o, f) in enumerate(whole)) + license
        yield f"{name}_address", HEAD + declarations + program("all", " ^ ".join(f"(u64)__builtin_preserve_access_index(&(({o} *)ctx)->{f})" for o, f in whole)) + license
    opaque = "".join(f"{t} {{ int pid; }};\n" for t in TYPES)
    for word, form in {"exists": "__builtin_preserve_type_info(*({t} *)0, 0)", "size": "__builtin_preserve_type_info(*({t} *)0, 1)", "matches": "__builtin_preserve_type_info(*({t} *)0, 2)", "target": "__builtin_btf_type_id(*({t} *)0, 1)"}.items():
        yield f"types_{word}", HEAD + opaque + "".join(program(f"t{i}", form.format(t=t)) for i, t in enumerate(TYPES)) + license
    owners = {o: [v for p, v in VALUES if p == o] for o, _ in VALUES}
    enums = "".join(f"enum {o} {{ {', '.join(f'{v} = {77 + i}' for i, v in enumerate(vs))} }};\n" for o, vs in owners.items())
    for word, number in (("exists", 0), ("value", 1)):
        yield f"values_{word}", HEAD + enums + "".join(program(f"v{i}", f"__builtin_preserve_enum_value(*(enum {o} *){v}, {number})") for i, (o, v) in enumerate(VALUES)) + license


def is_number(declarations, field):
    """Clang and libbpf know sign and shifts of nothing else, and not of elements of arrays."""
    last = field.split(".")[-1]
    word = re.escape(last.split("[")[0])
    if "[" in last:
        return True
    return not re.search(rf"\*{word}\b|\b{word}\[|struct \w+ {word}\b|\}} {word};", declarations)


def write_all(entries, folder):
    for name, contents in entries:
        with open(os.path.join(folder, name), "wb") as file:
            file.write(contents)
    return [os.path.join(folder, name) for name, _ in entries]


def objects(out):
    entries = []
    with tempfile.TemporaryDirectory() as work:
        for index, (name, text) in enumerate(sources()):
            with open(os.path.join(work, name + ".c"), "w") as file:
                file.write(text)
            _, contents, message = compile_one(work, (name, text, (("v3", "v4", "v1", "v2")[index % 4], "-O2", "bpfel")))
            if contents is None:
                sys.exit(f"{name}: {message}")
            entries.append((name + ".o", contents))
    open(out, "wb").write(pack(entries))
    print(len(entries), "objects")


def types(bpftool, out, kernels):
    here = os.path.dirname(os.path.abspath(__file__))
    entries = []
    with tempfile.TemporaryDirectory() as work:
        paths = write_all(unpack(open(os.path.join(here, "kernels.objects.zz"), "rb").read()), work)
        for kernel in kernels:
            name, vmlinux = kernel.split("=", 1)
            small = os.path.join(work, "small")
            subprocess.run([bpftool, "gen", "min_core_btf", vmlinux, small, *paths], check=True)
            entries.append((name, open(small, "rb").read()))
    open(out, "wb").write(pack(entries))
    print({name: len(contents) for name, contents in entries})


def record(recorder, out, objects, kernels):
    lines = []
    with tempfile.TemporaryDirectory() as work:
        paths = write_all(unpack(open(objects, "rb").read()), work)
        for kernel in write_all(unpack(open(kernels, "rb").read()), work):
            for path in paths:
                text = subprocess.run([recorder, "new", kernel, path], capture_output=True, text=True, check=True).stdout
                loads = text.split("load new\n", 1)[1]
                lines.append(f"== {os.path.basename(kernel)} {os.path.basename(path)}\n{loads}")
    open(out, "wb").write(pack([("kernels.txt", "".join(lines).encode())]))
    print(len(lines), "loads")


if __name__ == "__main__":
    verb, *rest = sys.argv[1:]
    {"objects": objects, "types": lambda bpftool, out, *kernels: types(bpftool, out, kernels), "record": record}[verb](*rest)
