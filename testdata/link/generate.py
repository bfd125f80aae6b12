#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""Writes the sources of sets of objects, compiles them, links each set with C libbpf.

    generate.py RECORD      makes units.zz and libbpf.txt, with record.c compiled as RECORD

units.zz has the objects, in the container of ../corpus. libbpf.txt has a line a set: its name, the objects in their order, and
what libbpf made of them: the length and the hash of the linked object, or the number of its error.
"""
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../corpus"))
from generate import pack, unpack  # noqa: E402

INCLUDE = os.path.normpath(os.path.join(HERE, "../../examples/include"))
HEAD = '#include "vmlinux_min.h"\n#include <oxbpf/helpers.h>\n#include <oxbpf/core.h>\n'
LICENSE = 'char _license[] SEC("license") = "GPL";\n'
PROGRAM = 'SEC("tp/syscalls/sys_enter_getpid") int %s(void *ctx) { %s }\n'


def program(name, body):
    return PROGRAM % (name, body)


def map_of(name="m", kind="BPF_MAP_TYPE_HASH", key="int", value="long", entries=8, more="", extern=""):
    section = 'SEC(".maps")'
    return (f"{extern}struct {{ __uint(type, {kind}); __type(key, {key}); __type(value, {value}); "
            f"__uint(max_entries, {entries}); {more} }} {name} {section};\n")


USE_MAP = program("use_%d", "int k = 1; long *v = bpf_map_lookup_elem(&m, &k); return v ? *v : 0;")


def rules():
    """Pairs and triples, one for each rule."""
    use_f = LICENSE + "extern int f(int a);\n" + program("start", "return f(3);")
    def_f = "__attribute__((noinline)) int f(int a) { return a * %d + (int)bpf_get_smp_processor_id(); }\n"
    weak_f = "__attribute__((weak)) " + def_f
    yield "func", [use_f, def_f % 3]
    yield "func_before", [def_f % 3, use_f]
    yield "func_twice", [use_f, def_f % 3, def_f % 5]
    yield "func_missing", [use_f]
    yield "func_weak", [use_f, weak_f % 3]
    yield "func_weak_strong", [use_f, weak_f % 3, def_f % 5]
    yield "func_strong_weak", [use_f, def_f % 5, weak_f % 3]
    yield "func_weak_weak", [weak_f % 3, weak_f % 5, use_f]
    yield "func_weak_extern", [LICENSE + "extern int f(int a) __weak;\n" + program("start", "return f ? f(3) : 0;"), def_f % 3]
    yield "func_weak_extern_missing", [LICENSE + "extern int f(int a) __weak;\n" + program("start", "return f ? f(3) : 0;")]
    yield "func_more_args", [use_f, "__attribute__((noinline)) int f(int a, int b) { return a + b; }\n"]
    yield "func_other_arg", [use_f, "__attribute__((noinline)) int f(long a) { return a; }\n"]
    yield "func_other_result", [use_f, "__attribute__((noinline)) long f(int a) { return a; }\n"]
    yield "func_hidden", [use_f, "__attribute__((visibility(\"hidden\"))) " + def_f % 3]
    yield "func_hidden_extern", [LICENSE + 'extern int f(int a) __attribute__((visibility("hidden")));\n' + program("start", "return f(3);"), def_f % 3]
    yield "func_or_var", [use_f, "int f = 3;\n"]
    two = "static __attribute__((noinline)) int help(int a) { return a + %d + (int)bpf_ktime_get_ns(); }\n"
    yield "static_same_name", [LICENSE + two % 1 + program("one", "return help(1);"), two % 2 + program("two", "return help(2);"), two % 3 + program("three", "return help(3) + help(4);")]
    for name, one, other in [
        ("var", "extern int x;", "int x = 7;"), ("var_bss", "extern int x;", "int x;"), ("var_type", "extern int x;", "long x = 7;"),
        ("var_sign", "extern int x;", "unsigned x = 7;"), ("var_const", "extern const int x;", "const volatile int x = 7;"),
        ("var_array", "extern int x[];", "int x[4] = {1};"), ("var_array_size", "extern int x[2];", "int x[4] = {1};"),
        ("var_pointer_fwd", "struct s; extern struct s *x;", "struct s { int a; }; struct s *x;"),
        ("var_pointer_union", "struct s; extern struct s *x;", "union s { int a; }; union s *x;"),
        ("var_struct", "struct s { int a; long b; }; extern struct s x;", "struct s { int a; long b; }; struct s x = {1, 2};"),
        ("var_struct_name", "struct s { int a; }; extern struct s x;", "struct t { int a; }; struct t x = {1};"),
        ("var_struct_member", "struct s { int a; }; extern struct s x;", "struct s { int b; }; struct s x = {1};"),
        ("var_struct_offset", "struct s { int a; int b; }; extern struct s x;", "struct s { int a; int b __attribute__((aligned(8))); }; struct s x = {1};"),
        ("var_struct_more", "struct s { int a; }; extern struct s x;", "struct s { int a; int b; }; struct s x = {1};"),
        ("var_enum", "enum e { A = 1 }; extern enum e x;", "enum e { A = 1, B }; enum e x = 2;"),
        ("var_enum_size", "enum e { A = 1 }; extern enum e x;", "enum e { A = 1L << 40 }; enum e x = A;"),
        ("var_typedef", "typedef int t; extern t x;", "int x = 1;"), ("var_weak", "extern int x;", "int x __weak = 3;"),
        ("var_twice", "int x = 1;", "int x = 2;"), ("var_weak_strong", "int x __weak = 1;", "int x = 2;"),
        ("var_section", "extern int x;", 'int x SEC(".data.other") = 2;'), ("var_float", "extern double x;", "float x;"),
        ("var_hidden", "extern int x;", "__hidden int x = 5;"), ("var_rodata", "extern const volatile int x;", "const volatile int x = 5;"),
    ]:
        use = "" if one.startswith("int x") else program("start", "return *(volatile char *)&x;")
        yield name, [LICENSE + one + "\n" + use, other + "\n" + program("second", "return *(volatile char *)&x;")]
        yield name + "_back", [other + "\n" + program("second", "return *(volatile char *)&x;"), LICENSE + one + "\n" + use]
    for name, more in [
        ("map", {}), ("map_type", {"kind": "BPF_MAP_TYPE_LRU_HASH"}), ("map_key", {"key": "long"}), ("map_key_sign", {"key": "unsigned"}),
        ("map_value", {"value": "int"}), ("map_entries", {"entries": 9}), ("map_flags", {"more": "__uint(map_flags, 1);"}),
        ("map_pinning", {"more": "__uint(pinning, 1);"}), ("map_numa", {"more": "__uint(numa_node, 1);"}),
        ("map_unknown", {"more": "__uint(colour, 1);"}),
    ]:
        unit = LICENSE + map_of() + USE_MAP % 1
        yield name, [unit, map_of(extern="extern ", **more) + USE_MAP % 2]
        yield name + "_back", [map_of(extern="extern ", **more) + USE_MAP % 2, unit]
    yield "map_twice", [LICENSE + map_of(), map_of()]
    yield "map_weak", [LICENSE + map_of(), map_of().replace("SEC(", "__weak SEC(") + USE_MAP % 2]
    yield "map_missing", [LICENSE + map_of(extern="extern ") + USE_MAP % 1]
    yield "maps_two", [LICENSE + map_of("m") + USE_MAP % 1, map_of("n", "BPF_MAP_TYPE_ARRAY") + program("use_n", "int k = 1; return !!bpf_map_lookup_elem(&n, &k);")]
    inner = ("struct inner { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, int); __type(value, %s); __uint(max_entries, 1); } in_%d SEC(\".maps\");\n"
             "%sstruct { __uint(type, BPF_MAP_TYPE_HASH_OF_MAPS); __uint(max_entries, 4); __type(key, int); __array(values, struct inner); } o SEC(\".maps\")%s;\n")
    for name, value in (("map_in_map", "int"), ("map_in_map_differs", "long")):
        yield name, [LICENSE + inner % ("int", 1, "", " = { .values = { [1] = &in_1 } }"), inner % (value, 2, "extern ", "") + program("start", "int k = 0; return !!bpf_map_lookup_elem(&o, &k);")]
    kconfig = "extern int CONFIG_HZ __kconfig; extern int LINUX_KERNEL_VERSION __kconfig;\n"
    yield "kconfig", [LICENSE + kconfig + program("one", "return CONFIG_HZ;"), kconfig + program("two", "return CONFIG_HZ + LINUX_KERNEL_VERSION;")]
    yield "kconfig_type", [LICENSE + kconfig + program("one", "return CONFIG_HZ;"), "extern long CONFIG_HZ __kconfig;\n" + program("two", "return CONFIG_HZ;")]
    ksym = "extern const int bpf_prog_active __ksym; extern void bpf_rcu_read_lock(void) __ksym; extern void bpf_rcu_read_unlock(void) __ksym;\n"
    body = "int *p = (int *)&bpf_prog_active; bpf_rcu_read_lock(); bpf_rcu_read_unlock(); return *p;"
    yield "ksyms", [LICENSE + ksym + program("one", body), ksym + program("two", body)]
    yield "ksyms_and_kconfig", [LICENSE + ksym + program("one", body), kconfig + program("two", "return CONFIG_HZ;"), ksym + kconfig + program("three", body)]
    yield "license_differs", [LICENSE + program("one", "return 0;"), LICENSE.replace("GPL", "MIT") + program("two", "return 0;")]
    yield "license_same", [LICENSE + program("one", "return 0;"), LICENSE + program("two", "return 0;")]
    yield "license_other_name", [LICENSE + program("one", "return 0;"), LICENSE.replace("_license", "LICENSE") + program("two", "return 0;")]
    yield "flags_differ", [LICENSE + 'int a SEC("same") = 1;\n', '__attribute__((noinline)) SEC("same") int f(void *ctx) { return 0; }\n']
    yield "kinds_differ", [LICENSE + 'int a SEC(".data.q") = 1;\n', 'int b SEC(".data.q");\n']
    yield "aligned", [LICENSE + "char a = 1, b[3] = {2};\n", "long c __attribute__((aligned(64))) = 3;\n", "char d = 4;\n", "short e = 5;\n"]
    yield "strings", [LICENSE + program("one", 'bpf_printk("one %d", 1); return 0;'), program("two", 'bpf_printk("two %s", "x"); return 0;')]
    yield "core", [LICENSE + "struct own_task { int pid; } __attribute__((preserve_access_index));\n" + program("one", "struct own_task *t = (void *)bpf_get_current_task(); return t->pid;"),
                   "struct own_task { int tgid; int pid; } __attribute__((preserve_access_index));\n" + program("two", "struct own_task *t = (void *)bpf_get_current_task(); return t->pid + t->tgid;")]
    yield "same_type_kept_once", [LICENSE + "struct s { int a; struct s *next; } v1;\n", "struct s { int a; struct s *next; } v2;\n", "struct s { long b; } v3;\n"]
    ops = 'struct ops { int (*run)(void *); }; SEC("struct_ops/run") int run_%d(void *ctx) { return %d; }\nstruct ops o%d SEC(".struct_ops") = { .run = (void *)run_%d };\n'
    yield "struct_ops", [LICENSE + ops % (1, 1, 1, 1), ops % (2, 2, 2, 2)]
    yield "programs_in_one_section", [LICENSE + program("a1", "return 1;") + program("a2", "return 2;"), program("b1", "return 3;") + program("b2", "return 4;")]


def graph(seed, count):
    """`count` units that call each other, share types and maps, and have static functions of the same names."""
    rng = random.Random(seed)
    units = []
    for u in range(count):
        text = LICENSE if u == 0 or rng.random() < 0.2 else ""
        shared = sorted(rng.sample(range(12), rng.randint(1, 6)))
        for s in shared:
            text += f"struct shared_{s} {{ int a{s}; long b[{s + 1}]; struct shared_{s} *next; {'unsigned c : 3;' if s % 3 == 0 else ''} }};\n"
        text += map_of("table", extern="" if u == 0 else "extern ")
        text += f"static __attribute__((noinline)) int local(int a) {{ return a * {u + 2} + (int)bpf_get_smp_processor_id(); }}\n"
        for k in range(rng.randint(1, 3)):
            weak = "__weak " if rng.random() < 0.2 else ""
            text += f"{weak}__attribute__((noinline)) int f_{u}_{k}(struct shared_{shared[0]} *p, int n) {{ return p ? n + local({k}) : local(n); }}\n"
        text += f"struct shared_{shared[-1]} state_{u} = {{ {u} }}; int zero_{u}; const volatile int limit_{u} = {u};\n"
        calls = ""
        for target in rng.sample(range(count), min(count, rng.randint(0, 3))):
            if target != u:
                # What the target's first argument is, only that one knows.
                text += f"extern int zero_{target};\n"
                calls += f"s += zero_{target}; "
        if rng.random() < 0.4:
            text += "extern int CONFIG_HZ __kconfig;\n"
            calls += "s += CONFIG_HZ; "
        text += program(f"prog_{u}", f"int k = {u}, s = limit_{u}; long *v = bpf_map_lookup_elem(&table, &k); {calls} if (v) s += *v; return s + f_{u}_0(0, s);")
        units.append(text)
    return units


def chain(count):
    """`count` units, each of which calls the next."""
    for u in range(count):
        text = LICENSE if u == 0 else ""
        if u + 1 < count:
            text += f"extern int step_{u + 1}(int a);\n"
        call = f"step_{u + 1}(a + {u})" if u + 1 < count else "a"
        text += f"int count_{u}; __attribute__((noinline)) int step_{u}(int a) {{ count_{u} += a; return {call}; }}\n"
        if u == 0:
            text += program("start", "return step_0(1);")
        yield text


def sets():
    for name, units in rules():
        yield name, units, "bpfel"
    for name in ("func", "map", "var", "kconfig", "static_same_name", "core", "aligned"):
        yield name + ".be", dict(rules())[name], "bpfeb"
    for seed, count in enumerate([2, 2, 3, 3, 4, 5, 8, 12, 20, 40]):
        yield f"graph_{count}_{seed}", graph(seed, count), "bpfeb" if seed % 4 == 3 else "bpfel"
    yield "graph_100", graph(99, 100), "bpfel"
    yield "chain_7", list(chain(7)), "bpfel"


def fnv(data):
    h = 0xCBF29CE484222325
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return h


def main():
    record = sys.argv[1]
    with tempfile.TemporaryDirectory() as work:
        names, jobs, lines = {}, [], []
        for name, units, target in sets():
            members = []
            for text in units:
                key = (text, target)
                if key not in names:
                    names[key] = f"u{len(names)}.o"
                    jobs.append((names[key], text, target))
                members.append(names[key])
            lines.append((name, members))
        lines.append(("mixed_order", [names[k] for k in names if "int f(int a) { return a * 3" in k[0]]))

        def build(job):
            name, text, target = job
            args = ["clang-19", "-g", "-O2", "-w", "-target", target, "-mcpu=v3", "-I" + INCLUDE, f"-fdebug-prefix-map={INCLUDE}=include",
                    "-fdebug-compilation-dir=.", "-x", "c", "-c", "-", "-o", os.path.join(work, name)]
            done = subprocess.run(args, input=HEAD + text, cwd=work, capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"{name}:\n{text}\n{done.stderr}")
            subprocess.run(["llvm-strip-19", "-g", os.path.join(work, name)], check=True)

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            list(pool.map(build, jobs))
        out = []
        for name, members in lines:
            linked = os.path.join(work, "linked")
            error = subprocess.run([record, linked] + members, cwd=work, check=True, capture_output=True, text=True).stdout.strip()
            data = b"" if error else open(linked, "rb").read()
            out.append(f"{name}: {' '.join(members)}: {error or f'{len(data)} {fnv(data):016x}'}\n")
        root = os.path.normpath(os.path.join(HERE, "../.."))
        objects = sorted(f"testdata/objects/{f}" for f in os.listdir(os.path.join(HERE, "../objects")) if f.endswith(".o"))
        rng = random.Random(1)
        groups = [[o] for o in objects] + [rng.sample(objects, rng.choice([2, 2, 2, 3])) for _ in range(120)]
        for members in groups:
            linked = os.path.join(work, "linked")
            error = subprocess.run([record, linked] + members, cwd=root, check=True, capture_output=True, text=True).stdout.strip()
            data = b"" if error else open(linked, "rb").read()
            out.append(f"objects: {' '.join(members)}: {error or f'{len(data)} {fnv(data):016x}'}\n")
        corpus = unpack(open(os.path.join(HERE, "../corpus/objects.zz"), "rb").read())
        for name, data in corpus:
            open(os.path.join(work, name), "wb").write(data)
        names = [name for name, _ in corpus]
        for members in [[n] for n in names] + [rng.sample(names, rng.choice([2, 2, 3])) for _ in range(300)]:
            linked = os.path.join(work, "linked")
            # A crash of libbpf is no answer.
            done = subprocess.run([record, linked] + members, cwd=work, capture_output=True, text=True)
            if done.returncode == 0:
                error = done.stdout.strip()
                data = b"" if error else open(linked, "rb").read()
                out.append(f"corpus: {' '.join(members)}: {error or f'{len(data)} {fnv(data):016x}'}\n")
        open(os.path.join(HERE, "libbpf.txt"), "w").writelines(out)
        entries = [(n, open(os.path.join(work, n), "rb").read()) for n, _, _ in jobs]
        open(os.path.join(HERE, "units.zz"), "wb").write(pack(entries))
    print(f"{len(jobs)} objects, {len(out)} sets")


main()
