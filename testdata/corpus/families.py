# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""Sources of the corpus: one function a family, each yields (name, text of the source)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "objects"))
from sec_names import NAMES  # noqa: E402

HEAD = '#include "vmlinux_min.h"\n#include <oxbpf/helpers.h>\n#include <oxbpf/core.h>\n'
LICENSE = '\nchar LICENSE[] SEC("license") = "GPL";\n'


def program(section, name, body="return 0;", ctx="void *ctx"):
    return f'\nSEC("{section}")\nint {name}({ctx})\n{{\n\t{body}\n}}\n'


def source(*parts):
    return HEAD + "\n".join(parts) + LICENSE


def plain(word):
    return "".join(c if c.isalnum() else "_" for c in word)


def sections():
    """An object a section name: bare, with what may follow, off, and with what must not follow."""
    rows = [line.split() for line in NAMES.split("\n") if line]
    for index, (name, *more) in enumerate(rows):
        word = name.rstrip("+")
        parts = [program(word, "bare"), program("?" + word, "off")]
        if more:
            parts.append(program(f"{word}/{more[0]}", "full"))
            parts.append(program(f"?{word}/{more[0]}", "full_off"))
        yield f"sec_{index:03}_{plain(word)}", source(*parts)
    wrong = ["kprob/x", "kprobe//", "kprobe/", "xdp/x", "xdp.frags/", "socket1", "socket/x", "tp_btf", "tc/", "tc/x", "fentry/",
             "fentry/a:b:c", "lsm/", "iter/", "struct_ops/", "cgroup/skb1", "cgroup/none", "sk_skb/x", "uprobe/x", "usdt/x",
             "usdt/", "ksyscall/", "raw_tp/", "raw_tp.x/y", "tp/a", "tp/a/b/c", "kprobe.multi/", "??xdp", "?", "classifier/x",
             "action/x", "perf_event/x", "freplace/", "syscall/x", "netfilter/x", "sk_lookup/x", "uprobe.multi/x:y:z", "xdpp"]
    for index, section in enumerate(wrong):
        yield f"sec_odd_{index:02}_{plain(section)}", source(program(section, "odd"))


MAP_TYPES = """HASH ARRAY PROG_ARRAY PERF_EVENT_ARRAY PERCPU_HASH PERCPU_ARRAY STACK_TRACE CGROUP_ARRAY LRU_HASH LRU_PERCPU_HASH
LPM_TRIE ARRAY_OF_MAPS HASH_OF_MAPS DEVMAP SOCKMAP CPUMAP XSKMAP SOCKHASH CGROUP_STORAGE REUSEPORT_SOCKARRAY
PERCPU_CGROUP_STORAGE QUEUE STACK SK_STORAGE DEVMAP_HASH STRUCT_OPS RINGBUF INODE_STORAGE TASK_STORAGE BLOOM_FILTER
USER_RINGBUF CGRP_STORAGE ARENA INSN_ARRAY RHASH FUTURE""".split()


def map_def(name, *keys, after="", attrs=""):
    body = "\n".join(f"\t{k};" for k in keys)
    return f'\nstruct {{\n{body}\n}} {name} {attrs}SEC(".maps"){after};\n'


def use(name):
    return program("socket", "reads_" + name, f"__u64 key = 0;\n\treturn bpf_map_lookup_elem(&{name}, &key) != NULL;")


def maps():
    """Each map type, each key of a definition alone and in pairs, and definitions that are wrong."""
    inner = "__array(values, struct { __uint(type, 2); __uint(max_entries, 1); __type(key, __u32); __type(value, __u64); })"
    for number, word in enumerate(MAP_TYPES, 1):
        keys = [f"__uint(type, {number})", "__uint(max_entries, 4096)", "__type(key, __u32)", "__type(value, __u64)"]
        if word in ("ARRAY_OF_MAPS", "HASH_OF_MAPS"):
            keys[3] = inner
        if word in ("RINGBUF", "USER_RINGBUF"):
            keys = keys[:2]
        if word in ("QUEUE", "STACK", "BLOOM_FILTER"):
            del keys[2]
        if word == "ARENA":
            keys = [keys[0], "__uint(map_flags, 1024)", "__uint(max_entries, 8)"]
        if word == "STACK_TRACE":
            keys[3] = "__uint(value_size, 8 * 127)"
        if word.endswith(("SK_STORAGE", "INODE_STORAGE", "TASK_STORAGE", "CGRP_STORAGE")):
            keys += ["__uint(map_flags, 1)"]
            keys[1] = "__uint(max_entries, 0)"
        if word == "LPM_TRIE":
            keys = keys[:2] + ["__uint(map_flags, 1)", "__uint(key_size, 8)", "__uint(value_size, 8)"]
        # A plain map of this type crashes libbpf 1.8 when it is loaded.
        text = source(map_def("m", *keys), use("m"))
        if word != "STRUCT_OPS":
            yield f"map_{number:02}_{word.lower()}", text
        sized = [k.replace("__type(key, __u32)", "__uint(key_size, 4)").replace("__type(value, __u64)", "__uint(value_size, 8)") for k in keys]
        if sized != keys and word != "STRUCT_OPS":
            yield f"map_{number:02}_{word.lower()}_sized", source(map_def("m", *sized), use("m"))
    base = ["__uint(type, 1)", "__uint(max_entries, 3)", "__type(key, __u32)", "__type(value, struct seven)"]
    seven = "struct seven { char c[7]; };\n"
    extra = {
        "numa": ["__uint(numa_node, 1)"], "numa_zero": ["__uint(numa_node, 0)"], "flags": ["__uint(map_flags, 1)"],
        "flags_numa": ["__uint(map_flags, 1 << 2)", "__uint(numa_node, 2)"], "extra": ["__uint(map_extra, 3)"],
        "extra_long": ["__ulong(map_extra, 0x123456789abcULL)"], "entries_long": ["__ulong(max_entries, 77)"],
        "entries_too_long": ["__ulong(max_entries, 0x100000000ULL)"], "pin_none": ["__uint(pinning, 0)"],
        "pin_name": ["__uint(pinning, 1)"], "pin_bad": ["__uint(pinning, 2)"], "key_same_size": ["__uint(key_size, 4)"],
        "key_other_size": ["__uint(key_size, 8)"], "value_same_size": ["__uint(value_size, 7)"],
        "value_other_size": ["__uint(value_size, 8)"], "unknown": ["__uint(colour, 1)"], "unknown_type": ["__type(shape, int)"],
        "twice": ["__uint(max_entries, 5)"], "flags_twice": ["__uint(map_flags, 1)", "__uint(map_flags, 2)"],
        "values_on_hash": ["__array(values, struct { __uint(type, 2); })"], "type_is_int": ["int numa_node"],
        "key_not_pointer": ["int values"], "entries_pointer": ["__type(numa_node, int)"],
    }
    for word, keys in extra.items():
        if word.endswith("twice"):
            keys = [k.replace(", 5", ", 5") for k in keys]
        try_keys = base + keys
        if word.startswith("entries") and word != "entries_pointer":
            try_keys = [base[0]] + base[2:] + keys
        if word == "twice" or word == "flags_twice":
            continue
        yield f"mapkey_{word}", HEAD + seven + map_def("m", *try_keys) + use("m") + LICENSE
    for word, keys in {
        "none": [], "only_type": base[:1], "no_key": base[:2] + base[3:], "no_value": base[:3], "no_entries": [base[0]] + base[2:],
        "no_type": base[1:], "zero_type": ["__uint(type, 0)"] + base[1:], "zero_sizes": base[:2] + ["__uint(key_size, 0)", "__uint(value_size, 0)"],
        "backwards": base[::-1], "void_value": base[:3] + ["void *value"], "incomplete": base[:3] + ["__type(value, struct nowhere)"],
        "func_value": base[:3] + ["int (*value)(int)"], "array_value": base[:3] + ["__type(value, int[5])"],
        "enum_key": base[:2] + ["__type(key, enum bpf_map_type)", base[3]],
        "const_value": base[:3] + ["__type(value, const volatile int)"],
        "ptr_value": base[:3] + ["__type(value, void *)"],
    }.items():
        yield f"mapdef_{word}", HEAD + seven + "struct nowhere;\n" + map_def("m", *keys) + LICENSE
    attrs = {"weak": "__weak ", "hidden": "__hidden ", "static": "", "aligned": "__aligned(64) ", "volatile": ""}
    for word, attr in attrs.items():
        text = map_def("m", *base, attrs=attr)
        if word == "static":
            text = text.replace("\nstruct {", "\nstatic struct {")
        if word == "volatile":
            text = text.replace("\nstruct {", "\nvolatile struct {")
        yield f"mapsym_{word}", HEAD + seven + text + use("m").replace("&m,", "(void *)&m,") + LICENSE
    typedefs = "typedef struct {\n" + "".join(f"\t{k};\n" for k in base) + "} map_t;\ntypedef map_t map_tt;\n"
    yield "mapsym_typedef", HEAD + seven + typedefs + 'map_tt m SEC(".maps");\nmap_t n SEC(".maps");\n' + use("m") + LICENSE
    yield "mapsym_array", HEAD + seven + typedefs + 'map_t m[2] SEC(".maps");\n' + LICENSE
    yield "mapsym_int", HEAD + 'int m SEC(".maps");\n' + LICENSE
    yield "mapsym_union", HEAD + 'union { __uint(type, 1); } m SEC(".maps");\n' + LICENSE
    yield "mapsym_empty_section", HEAD + LICENSE
    for count in (1, 2, 17, 60):
        many = "".join(map_def(f"m{i}", f"__uint(type, {1 + i % 2})", f"__uint(max_entries, {i + 1})", "__type(key, __u32)", f"__uint(value_size, {i % 9 + 1})") for i in range(count))
        yield f"maps_many_{count:02}", source(many, *[use(f"m{i}") for i in range(0, count, 7)])
    for entries in (0, 1, 100, 4095, 4096, 4097, 12288, 65536, 1 << 30, (1 << 31) + 1):
        yield f"map_ring_{entries}", source(map_def("m", "__uint(type, 27)", f"__uint(max_entries, {entries}U)"))
    yield "map_perf_default", source(map_def("m", "__uint(type, 4)", "__uint(key_size, 4)", "__uint(value_size, 4)"))
    yield "map_perf_none", source(map_def("m", "__uint(type, 4)"))
    yield "map_long_names", source(map_def("a_name_that_is_much_longer_than_the_kernel_takes", *base[:2], "__type(key, __u32)", "__type(value, int)"),
                                   map_def("a_name_that_is_much_longer_than_the_other", *base[:2], "__type(key, __u32)", "__type(value, int)"))
    yield "map_flag_bits", source(*[map_def(f"m{b}", *base[:1], "__uint(max_entries, 2)", "__type(key, __u32)", "__type(value, int)", f"__uint(map_flags, 1 << {b})") for b in range(0, 20)])


INNER = "struct inner {\n\t__uint(type, BPF_MAP_TYPE_ARRAY);\n\t__uint(max_entries, 1);\n\t__type(key, __u32);\n\t__type(value, __u64);\n};\n"


def slots():
    """Maps of maps and prog arrays with declared contents."""
    for kind, word in ((12, "array"), (13, "hash")):
        for init in ("", " = { .values = { &a } }", " = { .values = { [2] = &b, [0] = &a } }", " = { .values = { [3] = (void *)0 } }", " = { .values = { &a, &a, &b } }"):
            index = len(init)
            yield f"slots_{word}_{index}", source(INNER, 'struct inner a SEC(".maps");\nstruct inner b SEC(".maps");\n',
                                                   map_def("outer", f"__uint(type, {kind})", "__uint(max_entries, 4)", "__type(key, __u32)", "__array(values, struct inner)", after=init), use("outer"))
    for keys in (["__uint(key_size, 4)", "__uint(value_size, 4)"], ["__uint(key_size, 4)"], ["__type(key, int)", "__type(value, int)"], []):
        yield f"slots_bare_{len(''.join(keys))}", source(map_def("outer", "__uint(type, 12)", "__uint(max_entries, 4)", *keys))
    yield "slots_nested", source(INNER, map_def("outer", "__uint(type, 12)", "__uint(max_entries, 4)", "__type(key, __u32)",
                                                "__array(values, struct { __uint(type, 13); __uint(max_entries, 2); __type(key, int); __array(values, struct inner); })"))
    yield "slots_inner_pinned", source(map_def("outer", "__uint(type, 12)", "__uint(max_entries, 4)", "__type(key, __u32)",
                                               "__array(values, struct { __uint(type, 1); __uint(max_entries, 2); __type(key, int); __type(value, int); __uint(pinning, 1); })"))
    yield "slots_inner_ring", source(map_def("outer", "__uint(type, 13)", "__uint(max_entries, 4)", "__type(key, __u64)",
                                             "__array(values, struct { __uint(type, 27); __uint(max_entries, 5000); })"))
    yield "slots_wrong_type", source(map_def("outer", "__uint(type, 12)", "__uint(max_entries, 4)", "__type(key, __u32)", "__array(values, int)"))
    yield "slots_wrong_value", source(INNER, map_def("outer", "__uint(type, 12)", "__uint(max_entries, 4)", "__type(key, __u32)", "__uint(value_size, 8)", "__array(values, struct inner)"))
    yield "slots_extern_to_data", source(INNER, "int number;\n", map_def("outer", "__uint(type, 12)", "__uint(max_entries, 4)", "__type(key, __u32)", "__array(values, struct inner)", after=" = { .values = { (void *)&number } }"))
    for init in ("", " = { .values = { [1] = (void *)&one } }", " = { .values = { (void *)&two, (void *)&one, [5] = (void *)&one } }"):
        yield f"slots_progs_{len(init)}", source("int one(void *ctx);\nint two(void *ctx);\n",
                                                 map_def("jumps", "__uint(type, 3)", "__uint(max_entries, 6)", "__uint(key_size, 4)", "__array(values, int (void *))", after=init),
                                                 program("socket", "one", "bpf_tail_call(ctx, &jumps, 1);\n\treturn 0;"), program("?socket", "two"), program("xdp", "three"))
    yield "slots_progs_function", source("__noinline int sub(void *ctx) { return 1; }\n", map_def("jumps", "__uint(type, 3)", "__uint(max_entries, 6)", "__uint(key_size, 4)", "__array(values, int (void *))", after=" = { .values = { (void *)&sub } }"), program("socket", "one", "return sub(ctx);"))


def data():
    """Data sections of every name, size, alignment and linkage."""
    names = [".data", ".rodata", ".bss", ".data.custom", ".rodata.custom", ".bss.custom", ".data.a.b", ".rodata.cst16x", ".data.with_a_very_long_name_indeed",
             ".rodata.x", ".data.", ".bss.z1", ".datafoo", ".rodatafoo", ".bssfoo", ".mine", "data", ".eh_frame2", ".rel", "discard.x"]
    for name in names:
        is_bss, is_const = name.startswith(".bss"), name.startswith(".rodata")
        init = "" if is_bss else " = 7"
        const = "const volatile " if is_const else ""
        text = f'{const}int number SEC("{name}"){init};\n{const}__u64 wide SEC("{name}"){init};\n{const}char c SEC("{name}"){init};\n'
        yield f"data_{plain(name)}", source(text, program("socket", "reads", "return number + wide + c;"))
    for size in (1, 3, 4095, 4096, 4097, 100000):
        yield f"data_size_{size}", source(f"char bytes[{size}];\nchar filled[{size}] = {{ 1 }};\nconst volatile char kept[{size}] = {{ 2 }};\n",
                                          program("socket", "reads", f"__u32 i = (__u64)ctx % {size};\n\treturn bytes[i] + filled[i] + kept[i];"))
    yield "data_linkage", source("static volatile int s = 1;\nint g = 2;\n__hidden int h = 3;\n__weak int w = 4;\n__weak __hidden int wh = 5;\nstatic volatile int sb;\nint gb;\n__hidden int hb;\n__weak int wb;\n",
                                 program("socket", "reads", "return s + g + h + w + wh + sb + gb + hb + wb;"))
    yield "data_pointers", source("int target = 5;\nint *pointer = &target;\nconst char *text = \"hello\";\n", program("socket", "reads", "return *pointer + *text;"))
    yield "data_function_pointer", source("static __noinline int f(int x) { return x; }\nint (*volatile p)(int) = f;\n", program("socket", "reads", "return p != 0;"))
    yield "data_strings", source(program("socket", "reads", 'bpf_printk("one %d", 1);\n\tbpf_printk("two %d %s", 2, "three");\n\treturn 0;'))
    yield "data_struct", source("struct s { int a; char b[3]; struct { __u64 c; } d; } value = { 1, \"ab\", { 3 } };\nstruct s zero;\nconst struct s table[4] = { [2] = { 9 } };\n",
                                program("socket", "reads", "__u32 i = (__u64)ctx & 3;\n\treturn value.a + zero.a + table[i].a;"))
    yield "data_aligned", source("char a __aligned(64) = 1;\nchar b __aligned(256) = 2;\nchar c __aligned(128);\n", program("socket", "reads", "return a + b + c;"))
    yield "data_unused", source("int unused = 1;\nint unused_zero;\nconst int unused_const = 3;\n", program("socket", "nothing"))
    yield "data_no_program", source("int number = 1;\n")
    yield "data_tls", source("int number = 1;\n", program("socket", "reads", "return *(volatile short *)((char *)&number + 2);"))
    yield "data_beyond", source("int numbers[4] = { 1 };\n", program("socket", "reads", "return *(volatile int *)((char *)numbers - 4) + *(volatile int *)(numbers + 9);"))
    yield "data_common", source("int common_a, common_b[5];\n", program("socket", "reads", "return common_a + common_b[2];"))
    yield "data_switch", source(program("socket", "reads", "switch ((__u64)ctx & 7) { case 0: return 12; case 1: return 99; case 2: return 4; case 3: return 77; case 5: return 3; default: return 1; }"))


def licences():
    """Licence and version sections."""
    one = program("socket", "p")
    for word, text in {
        "none": "", "empty": 'char L[] SEC("license") = "";', "long": 'char L[] SEC("license") = "' + "G" * 200 + '";', "two": 'char L[] SEC("license") = "GPL";\nchar M[] SEC("license") = "MIT";',
        "no_end": 'char L[3] SEC("license") = "GPL";', "mid": 'char L[] SEC("license") = "Dual MIT/GPL";', "static": 'static volatile char L[] SEC("license") = "GPL";',
        "int": 'int L SEC("license") = 0x4c5047;', "version": 'char L[] SEC("license") = "GPL";\nint V SEC("version") = 0x50400;', "version_short": 'short V SEC("version") = 5;',
        "version_long": '__u64 V SEC("version") = 5;', "version_fffffffe": 'int V SEC("version") = 0xfffffffe;', "bss": 'char L[4] SEC("license");',
    }.items():
        yield f"license_{word}", HEAD + text + one


KCONFIG = 'struct pair { int a, b; };\n'


def kconfig():
    """Configuration values of each type, right and wrong; the text that they are read from is in record.c."""
    types = ["bool", "char", "signed char", "unsigned char", "short", "unsigned short", "int", "unsigned int", "long", "unsigned long", "__u64", "__s64",
             "enum libbpf_tristate", "char[8]", "char[2]", "__u8[4]", "float", "struct pair", "int[3]", "void *", "const int", "volatile __u32", "__int128", "enum bpf_map_type"]
    values = ["YES", "MOD", "NO", "NUM", "HEX", "NEG", "BIG", "STR", "GONE"]
    for index, kind in enumerate(types):
        base, _, array = kind.partition("[")
        array = "[" + array if array else ""
        for weak in ("", " __weak"):
            decl = "".join(f"extern {base} CONFIG_T_{v}{array} __kconfig{weak};\n" for v in (values if weak else values[:1]))
            used = " + ".join(f"(__u64)&CONFIG_T_{v}" for v in (values if weak else values[:1]))
            yield f"kconfig_{index:02}_{plain(kind)}{'_weak' if weak else ''}", source(KCONFIG, decl, program("socket", "reads", f"return {used};"))
        for value in values[1:4]:
            if index < 15:
                yield f"kconfig_{index:02}_{plain(kind)}_{value.lower()}", source(KCONFIG, f"extern {base} CONFIG_T_{value}{array} __kconfig;\n", program("socket", "reads", f"return (__u64)&CONFIG_T_{value};"))
    for word, decl in {
        "version": "extern int LINUX_KERNEL_VERSION __kconfig;", "version_long": "extern long LINUX_KERNEL_VERSION __kconfig;", "version_char": "extern char LINUX_KERNEL_VERSION __kconfig;",
        "unknown": "extern int LINUX_HAS_COLOURS __kconfig;", "unknown_weak": "extern int LINUX_HAS_COLOURS __kconfig __weak;", "other": "extern int SOMETHING __kconfig __weak;",
        "cookie": "extern bool LINUX_HAS_BPF_COOKIE __kconfig;", "wrapper": "extern bool LINUX_HAS_SYSCALL_WRAPPER __kconfig;", "cookie_int": "extern int LINUX_HAS_BPF_COOKIE __kconfig;",
    }.items():
        name = decl.split(" __kconfig")[0].split()[-1]
        yield f"kconfig_virtual_{word}", source(decl, program("socket", "reads", f"return {name} + (__u64)&{name};"))


def ksyms():
    """Kernel symbols, typed and not, and kernel functions, of the types in traps.c."""
    call = program("tp_btf/trap_event", "calls", "{};\n\treturn 0;")
    decls = {
        "untyped": ("extern const void trap_address __ksym;", "(void)0;\n\treturn (__u64)&trap_address"),
        "untyped_weak": ("extern const void no_such_address __ksym __weak;", "return (__u64)&no_such_address"),
        "untyped_gone": ("extern const void no_such_address __ksym;", "return (__u64)&no_such_address"),
        "untyped_twice": ("extern const void trap_twice __ksym;", "return (__u64)&trap_twice"),
        "var": ("extern const int trap_number __ksym;", "return *(volatile int *)&trap_number"),
        "var_other_size": ("extern const long trap_number __ksym;", "return (__u64)&trap_number"),
        "var_other_kind": ("extern const struct task_struct trap_number __ksym;", "return (__u64)&trap_number"),
        "var_struct": ("struct trap_state { int cpu; };\nextern const struct trap_state trap_state __ksym;", "return (__u64)&trap_state"),
        "var_gone": ("extern const int no_such_number __ksym;", "return (__u64)&no_such_number"),
        "var_weak": ("extern const int no_such_number __ksym __weak;", "return &no_such_number != NULL"),
        "func": ("extern int trap_kfunc(int x) __ksym;", "return trap_kfunc(1)"),
        "func_flavour": ("extern int trap_kfunc___other(int x) __ksym;", "return trap_kfunc___other(1)"),
        "func_weak": ("extern int no_such_kfunc(int x) __ksym __weak;", "return no_such_kfunc ? no_such_kfunc(1) : 2"),
        "func_weak_there": ("extern int trap_kfunc(int x) __ksym __weak;", "return trap_kfunc ? trap_kfunc(1) : 2"),
        "func_weak_call": ("extern int no_such_kfunc(int x) __ksym __weak;", "return no_such_kfunc(1)"),
        "func_gone": ("extern int no_such_kfunc(int x) __ksym;", "return no_such_kfunc(1)"),
        "func_other_args": ("extern int trap_kfunc(int x, int y) __ksym;", "return trap_kfunc(1, 2)"),
        "func_other_type": ("extern void trap_kfunc(void *x) __ksym;", "trap_kfunc(ctx)"),
        "func_other_pointer": ("struct other;\nextern int trap_kfunc_ptr(struct other *x) __ksym;", "return trap_kfunc_ptr(ctx)"),
        "func_ptr": ("extern int trap_kfunc_ptr(struct task_struct *x) __ksym;", "return trap_kfunc_ptr(ctx)"),
        "func_static": ("extern int trap_static_kfunc(int x) __ksym;", "return trap_static_kfunc(3)"),
        "func_address": ("extern int trap_kfunc(int x) __ksym;", "return (__u64)&trap_kfunc"),
        "mixed": ("extern int trap_kfunc(int x) __ksym;\nextern const int trap_number __ksym;\nextern const void trap_address __ksym;\nextern int no_such_kfunc(int x) __ksym __weak;",
                  "return trap_kfunc(1) + (__u64)&trap_number + (__u64)&trap_address + (no_such_kfunc != NULL)"),
    }
    for word, (decl, body) in decls.items():
        text = call.replace("{}", body)
        yield f"ksym_{word}", source(decl, text)
    yield "ksym_no_section", source("extern int trap_kfunc(int x);\n", call.replace("{}", "return trap_kfunc(1)"))
    yield "ksym_other_section", source('extern int number SEC(".other");\n'.replace(", used", ""), call.replace("{}", "return number")).replace('SEC(".other")', '__attribute__((section(".other")))')
    yield "ksym_in_function", source("extern int trap_kfunc(int x) __ksym;\nextern int LINUX_KERNEL_VERSION __kconfig;\nstatic __noinline int sub(int x) { return trap_kfunc(x) + LINUX_KERNEL_VERSION; }\n", call.replace("{}", "return sub(1)"), program("?tp_btf/trap_event", "more", "return sub(2);"))


OPS = """#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct trap_ops {
%s};
#pragma clang attribute pop
"""


def struct_ops():
    """Structs of callbacks against trap_ops of traps.c."""
    full = ["int (*first)(int x);", "void (*second)(struct task_struct *task, int n);", "int (*third)(void);", "char name[16];", "__u32 flags;", "__u64 wide;"]
    prog = program("struct_ops/first", "first") + program("struct_ops.s/second", "second") + program("?struct_ops", "third")
    cases = {
        "full": (full, ".first = (void *)first, .second = (void *)second, .name = \"full\", .flags = 3, .wide = 4"),
        "some": (full[:1] + full[3:], ".first = (void *)first, .name = \"some\""),
        "order": (full[::-1], ".first = (void *)first, .third = (void *)third, .wide = 9"),
        "more_zero": (full + ["int (*later)(int x);", "int number;"], ".first = (void *)first"),
        "more_set": (full + ["int number;"], ".first = (void *)first, .number = 1"),
        "more_prog": (full + ["int (*later)(int x);"], ".later = (void *)first"),
        "smaller": (full[:4] + ["__u8 flags;"], ".first = (void *)first"),
        "larger": (full[:4] + ["__u64 flags;"], ".first = (void *)first"),
        "other_kind": (["int first;"], ".first = 2"),
        "null": (full, ""),
        "shared": (full, ".first = (void *)first, .third = (void *)first"),
        "autoload_only": (full, ".third = (void *)third"),
    }
    for word, (members, init) in cases.items():
        decl = OPS % "".join(f"\t{m}\n" for m in members)
        for section in (".struct_ops", ".struct_ops.link", "?.struct_ops", "?.struct_ops.link"):
            short = {".struct_ops": "", ".struct_ops.link": "_link", "?.struct_ops": "_off", "?.struct_ops.link": "_link_off"}[section]
            if short in ("_off", "_link_off") and word not in ("full", "more_set", "null"):
                continue
            yield f"ops_{word}{short}", source(decl, prog, f'SEC("{section}")\nstruct trap_ops ops = {{ {init} }};\n')
    decl = OPS % "".join(f"\t{m}\n" for m in full)
    yield "ops_two", source(decl, prog, 'SEC(".struct_ops")\nstruct trap_ops one = { .first = (void *)first };\nSEC(".struct_ops.link")\nstruct trap_ops two = { .first = (void *)first, .second = (void *)second };\n')
    yield "ops_gone", source(decl.replace("trap_ops", "no_such_ops"), prog, 'SEC(".struct_ops")\nstruct no_such_ops one = { .first = (void *)first };\n')
    yield "ops_no_value", source(decl.replace("trap_ops", "trap_bare_ops"), prog, 'SEC(".struct_ops")\nstruct trap_bare_ops one = { .first = (void *)first };\n')
    yield "ops_flavour", source(decl.replace("trap_ops", "trap_ops___v1"), prog, 'SEC(".struct_ops")\nstruct trap_ops___v1 one = { .first = (void *)first };\n')
    yield "ops_unused_program", source(decl, prog + program("struct_ops/none", "none"), 'SEC(".struct_ops")\nstruct trap_ops one = { .first = (void *)first };\n')
    yield "ops_wrong_program", source(decl, program("socket", "first"), 'SEC(".struct_ops")\nstruct trap_ops one = { .first = (void *)first };\n')
    yield "ops_not_function", source(decl, "int number;\n", prog, 'SEC(".struct_ops")\nstruct trap_ops one = { .first = (void *)&number };\n')
    yield "ops_not_struct", source('SEC(".struct_ops")\nint one = 1;\n', prog)


def extras():
    """Tags, exceptions, arenas, functions of every linkage, packet loads, odd symbols."""
    tags = ["ctx", "nonnull", "trusted", "nullable", "arena", "untrusted", "none"]
    hooks = {"kprobe/f": "kp", "tp/a/b": "tp", "raw_tp/x": "rtp", "perf_event": "pe", "xdp": "xdp", "tc": "tc", "socket": "sk", "cgroup/skb": "cg", "tp_btf/trap_event": "tb", "iter/task": "it",
             "fentry/trap_target": "fe", "lsm/trap_hook": "ls", "syscall": "sy", "raw_tp.w/x": "rw", "struct_ops/x": "so", "sk_lookup": "lo", "sockops": "so2", "freplace/x": "fr"}
    for section, short in hooks.items():
        yield f"tag_ctx_{short}", source('__noinline __weak int sub(void *ctx __decl_tag("arg:ctx"), int n) { asm volatile("" : "+r"(ctx), "+r"(n)); return n + (ctx != NULL); }\n', program(section, "p", "return sub(ctx, 1);"), program("?xdp", "q", "return sub(ctx, 2);"))
    for tag in tags[1:]:
        yield f"tag_{tag}", source(f'__noinline __weak int sub(struct task_struct *t __decl_tag("arg:{tag}")) {{ asm volatile("" : "+r"(t)); return t != NULL; }}\n', program("tp_btf/trap_event", "p", "return sub(ctx);"))
    throw = "extern void bpf_throw(__u64 cookie) __ksym;\n"
    callback = "{}__noinline int handler(__u64 cookie) {{ return (int)cookie + 1; }}\n"
    for word, link, name in (("global", "", "handler"), ("static", "static ", "handler"), ("weak", "__weak ", "handler"), ("hidden", "__hidden ", "handler"), ("gone", "", "nobody"), ("program", "", "p"), ("empty", "", "")):
        keep = "" if link != "static " else "volatile __u64 keep;\n"
        body = "bpf_throw(7);\n\treturn 0;" if link != "static " else "bpf_throw(7);\n\treturn handler(1);"
        yield f"exception_{word}", source(throw, callback.format(link), keep, f'__decl_tag("exception_callback:{name}")' + program("tc", "p", body))
    yield "exception_twice", source(throw, callback.format(""), '__decl_tag("exception_callback:handler") __decl_tag("exception_callback:other")' + program("tc", "p", "bpf_throw(1);\n\treturn 0;"))
    yield "exception_shared", source(throw, callback.format(""), '__decl_tag("exception_callback:handler")' + program("tc", "p", "bpf_throw(1);\n\treturn 0;"), '__decl_tag("exception_callback:handler")' + program("xdp", "q", "bpf_throw(2);\n\treturn 0;"))
    for word, link in (("global", "__noinline "), ("static", "static __noinline "), ("weak", "__noinline __weak "), ("hidden", "__noinline __hidden "), ("weak_hidden", "__noinline __weak __hidden "), ("inline", "static inline ")):
        yield f"func_{word}", source(f'{link}int sub(int n) {{ asm volatile("" : "+r"(n)); return n * 3; }}\n', program("socket", "p", "return sub(1) + sub(2);"), program("xdp", "q", "return sub(3);"))
        yield f"func_{word}_in_section", source(f'{link}SEC("socket") int sub(void *n) {{ asm volatile("" : "+r"(n)); return n != NULL; }}\n', program("socket", "p", "return sub(ctx);"))
    yield "func_unused", source("__noinline int unused(int n) { return n; }\nstatic int unused_static(int n) { return n; }\n", program("socket", "p"))
    yield "func_recursive", source("static __noinline int sub(int n) { return n > 3 ? n : sub(n + 1) + 1; }\n", program("socket", "p", "return sub((__u64)ctx);"))
    yield "func_mutual", source("static int b(int n);\nstatic __noinline int a(int n) { return n > 9 ? n : b(n + 1) * 2; }\nstatic __noinline int b(int n) { return n > 9 ? n : a(n + 2) * 3; }\n", program("socket", "p", "return a((__u64)ctx);"))
    yield "func_prog_calls_prog", source("int q(void *ctx);\n", program("socket", "p", "return q(ctx);"), program("xdp", "q", "return (__u64)ctx;"))
    yield "func_extern_gone", source("int elsewhere(int n);\n", program("socket", "p", "return elsewhere(1);"))
    yield "func_callback", source("static int each(__u32 i, void *x) { return i > 5; }\nstatic int other(__u32 i, void *x) { *(int *)x = i; return 0; }\n", program("socket", "p", "int n = 0;\n\tbpf_loop(10, each, &n, 0);\n\tbpf_loop(3, other, &n, 0);\n\treturn n;"), program("xdp", "q", "int n = 0;\n\treturn bpf_loop(10, other, &n, 0) + n;"))
    yield "func_callback_global", source("__noinline int each(__u32 i, void *x) { return i > 5; }\n", program("socket", "p", "int n = 0;\n\treturn bpf_loop(10, each, &n, 0);"))
    yield "func_callback_calls", source("static __noinline int deep(int n) { asm volatile(\"\" : \"+r\"(n)); return n; }\nstatic int each(__u32 i, void *x) { return deep(i); }\n", program("socket", "p", "int n = 0;\n\treturn bpf_loop(10, each, &n, 0);"))
    yield "func_no_program", source("__noinline int sub(int n) { return n; }\n")
    yield "func_text_only", HEAD + "__noinline int sub(int n) { return n; }\n"
    yield "func_names", source(program("socket", "a_program_name_of_more_than_fifteen_characters"), program("socket", "a_program_name_of_more_than_fifteen_others"))
    yield "prog_static", source('static SEC("socket") int p(void *ctx) { return 0; }\n')
    yield "prog_weak", source('__weak SEC("socket") int p(void *ctx) { return 0; }\n')
    yield "prog_hidden", source('__hidden SEC("socket") int p(void *ctx) { return 0; }\n')
    yield "prog_many", source(*[program(s, f"p{i}", f"return {i};") for i, s in enumerate(["socket", "xdp", "tc", "socket", "?xdp", "kprobe/a", "tp/a/b"] * 6)])
    yield "prog_probe_read", source(program("raw_tp/x", "p", "int n = 0;\n\tbpf_probe_read_kernel(&n, 4, ctx);\n\tbpf_probe_read_user(&n, 4, ctx);\n\tbpf_probe_read_kernel_str(&n, 4, ctx);\n\tbpf_probe_read_user_str(&n, 4, ctx);\n\tbpf_probe_read(&n, 4, ctx);\n\treturn n;"))
    yield "prog_map_fd_math", source(map_def("m", "__uint(type, 2)", "__uint(max_entries, 1)", "__type(key, int)", "__type(value, int)"), program("socket", "p", "return (__u64)&m + ((__u64)&m >> 3);"))
    yield "prog_map_offset", source(map_def("m", "__uint(type, 2)", "__uint(max_entries, 1)", "__type(key, int)", "__type(value, int)"), program("socket", "p", "return bpf_map_lookup_elem((char *)&m + 8, &ctx) != NULL;"))
    yield "prog_only_license", HEAD + LICENSE
    yield "prog_asm", source('asm(".section socket,\\"ax\\"\\n.globl raw\\n.type raw,@function\\nraw:\\nr0 = 0\\nexit\\n.size raw, .-raw\\n");\n')
    yield "prog_asm_tail", source('asm(".section socket,\\"ax\\"\\n.globl raw\\n.type raw,@function\\nraw:\\nr0 = 0\\nexit\\n.size raw, .-raw\\nr0 = 1\\nexit\\n");\n')
    yield "prog_asm_no_size", source('asm(".section socket,\\"ax\\"\\n.globl raw\\n.type raw,@function\\nraw:\\nr0 = 0\\nexit\\n");\n')
    yield "prog_asm_no_type", source('asm(".section socket,\\"ax\\"\\n.globl raw\\nraw:\\nr0 = 0\\nexit\\n.size raw, .-raw\\n");\n')
    yield "prog_asm_overlap", source('asm(".section socket,\\"ax\\"\\n.globl raw\\n.globl other\\n.type raw,@function\\n.type other,@function\\nraw:\\nother:\\nr0 = 0\\nexit\\n.size raw, .-raw\\n.size other, .-other\\n");\n')
    yield "prog_packet_loads", source('unsigned long long load_byte(void *skb, unsigned long long off) asm("llvm.bpf.load.byte");\n', program("socket", "p", "return load_byte(ctx, 14);"))
    yield "arena_only", source(map_def("arena", "__uint(type, 33)", "__uint(map_flags, 1024)", "__uint(max_entries, 4)"), program("syscall", "p", "return (__u64)&arena;"))
    arena = '__attribute__((address_space(1))) SEC(".addr_space.1")'
    for word, keys in (("globals", ["__uint(max_entries, 4)"]), ("extra", ["__uint(max_entries, 4)", "__ulong(map_extra, 1ULL << 44)"]), ("small", ["__uint(max_entries, 1)"])):
        yield f"arena_{word}", source(map_def("arena", "__uint(type, 33)", "__uint(map_flags, 1024)", *keys), f"int {arena} number = 5;\n__u64 {arena} table[{700 if word == 'small' else 10}];\n", program("syscall", "p", "number += table[number & 7] + (__u64)&arena;\n\treturn number;"))
    yield "arena_none", source(f"int {arena} number = 5;\n", program("syscall", "p", "return number;"))
    yield "arena_two", source(map_def("a", "__uint(type, 33)", "__uint(map_flags, 1024)", "__uint(max_entries, 4)"), map_def("b", "__uint(type, 33)", "__uint(map_flags, 1024)", "__uint(max_entries, 4)"), program("syscall", "p", "return (__u64)&a + (__u64)&b;"))


FAMILIES = [sections, maps, slots, data, licences, kconfig, ksyms, struct_ops, extras]
