#!/usr/bin/env python3
"""Turns `strace -f -v -e trace=bpf` of a program into the lines that tests compare.

One line a command: what it does and the fields that say so. Addresses and descriptors are left out."""
import re
import sys

for text in sys.stdin:
    m = re.search(r"bpf\(BPF_(\w+), \{?(.*)\}?, \d+\)\s+= (-?\d+)", text)
    if not m:
        continue
    cmd, fields, result = m.groups()
    def field(name, default="0"):
        found = re.search(r"\b%s=(\"[^\"]*\"|[^,}]+)" % name, fields)
        return found.group(1).strip('"') if found else default
    def flags(name):
        known = {"BPF_F_NO_PREALLOC": 1, "BPF_F_RDONLY_PROG": 128, "BPF_F_MMAPABLE": 1024, "BPF_F_XDP_HAS_FRAGS": 32,
                 "BPF_F_SLEEPABLE": 16}
        return sum(known[f] if f in known else int(f, 0) for f in field(name).split("|"))
    if cmd == "MAP_CREATE":
        kind = field("map_type").replace("BPF_MAP_TYPE_", "")
        has_btf = "btf" if field("btf_fd") != "0" else "-"
        print("MAP_CREATE", kind, field("map_name") or "-", field("key_size"), field("value_size"), field("max_entries"),
              "%x" % flags("map_flags"), has_btf, field("btf_key_type_id"), field("btf_value_type_id"))
    elif cmd == "PROG_LOAD":
        kind = field("prog_type").replace("BPF_PROG_TYPE_", "")
        print("PROG_LOAD", kind, field("prog_name") or "-", field("insn_cnt"), "%x" % flags("prog_flags"), field("func_info_cnt"),
              field("line_info_cnt"), field("license").replace(" ", "_"))
    elif cmd == "BTF_LOAD":
        print("BTF_LOAD", field("btf_size"))
    else:
        print(cmd)
