# SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
"""Sources of the corpus that a seeded generator writes: calls, types of every shape, CO-RE accesses."""
import random

from families import program, source


def calls():
    """Call graphs: static, global, weak and hidden functions in .text, calls across sections, data and maps on the way."""
    for seed in range(24):
        rng = random.Random(1000 + seed)
        count = rng.randint(2, 14)
        parts = ["int counters[8] = { 1 };\nstatic volatile const int step = 3;\n",
                 'struct {\n\t__uint(type, 2);\n\t__uint(max_entries, 4);\n\t__type(key, int);\n\t__type(value, long);\n} m SEC(".maps");\n']
        links = ["static __noinline ", "__noinline ", "__noinline __weak ", "__noinline __hidden "]
        for i in range(count):
            callees = rng.sample(range(i), min(i, rng.randint(0, 3)))
            body = f"asm volatile(\"\" : \"+r\"(n));\n\tn += counters[n & {rng.choice([1, 3, 7])}];\n"
            for callee in callees:
                body += f"\tn += f{callee}(n + {rng.randint(1, 99)});\n"
            if rng.random() < 0.4:
                body += "\t{ int k = n & 3; long *v = bpf_map_lookup_elem(&m, &k); if (v) n += *v; }\n"
            if rng.random() < 0.3:
                body += f"\tn *= step + {rng.randint(1, 1 << 20)};\n"
            parts.append(f"{rng.choice(links)}int f{i}(int n)\n{{\n\t{body}\treturn n;\n}}\n")
        hooks = ["socket", "xdp", "tc", "?tc", "perf_event", "tp/a/b"]
        for i in range(rng.randint(1, 6)):
            used = rng.sample(range(count), min(count, rng.randint(1, 4)))
            parts.append(program(rng.choice(hooks), f"p{i}", "return " + " + ".join(f"f{u}({i})" for u in used) + ";"))
        yield f"calls_{seed:02}", source(*parts)


BASES = ["char", "signed char", "short", "unsigned short", "int", "unsigned", "long", "unsigned long", "long long", "__int128", "unsigned __int128", "bool",
         "float", "double", "void *", "const char *", "u64", "__be32"]


class Types:
    """Random C declarations."""

    def __init__(self, seed):
        self.rng, self.text, self.names, self.serial = random.Random(seed), [], [], 0

    def name(self, prefix):
        self.serial += 1
        return f"{prefix}{self.serial}"

    def scalar(self):
        return self.rng.choice(BASES)

    def member(self, depth):
        rng, name = self.rng, self.name("m")
        what = rng.random()
        if what < 0.18:
            return f"{rng.choice(['int', 'unsigned', 'char', 'short', 'long', 'bool', '__u64'])} {name} : 1;" if rng.random() < 0.4 else f"{rng.choice(['int', 'unsigned', 'long', '__u64'])} {name} : {rng.randint(1, 31)};"
        if what < 0.22:
            return f"{rng.choice(['int', 'long', 'char'])} : 0;"
        if what < 0.35:
            return f"{self.scalar()} {name}[{rng.choice([1, 2, 3, 7, 16])}];"
        if what < 0.40:
            return f"{self.scalar()} {name}[{rng.randint(1, 4)}][{rng.randint(1, 4)}];"
        if what < 0.50:
            qualifier = rng.choice(["const ", "volatile ", "const volatile ", ""])
            return f"{qualifier}{self.scalar()} *{rng.choice(['', 'const ', 'restrict '])}{name};"
        if what < 0.58:
            return f"{self.scalar()} (*{name})({', '.join(self.scalar() for _ in range(rng.randint(1, 4)))});"
        if what < 0.62:
            return f"int (*(*{name})(void))[{rng.randint(1, 5)}];"
        if what < 0.74 and depth < 3:
            inner = "".join(f" {self.member(depth + 1)}" for _ in range(rng.randint(1, 4)))
            kind = rng.choice(["struct", "union"])
            return f"{kind} {{{inner} int {self.name('e')}; }} {rng.choice(['', name])};"
        if what < 0.86 and self.names:
            other = rng.choice(self.names)
            return f"{other} {rng.choice(['*', '', ''])}{name};"
        if what < 0.89:
            return f"struct fwd{rng.randint(1, 3)} *{name};"
        if what < 0.92:
            return f"int __type_tag(\"user\") *{name};"
        if what < 0.95:
            return f"int {name} __decl_tag(\"tag{rng.randint(1, 3)}\");"
        if what < 0.97:
            return f"{self.scalar()} {name} __aligned({rng.choice([1, 8, 16, 32])});"
        return f"{self.scalar()} {name};"

    def compound(self):
        rng, name = self.rng, self.name("t")
        kind = rng.choice(["struct", "struct", "struct", "union"])
        members = "".join(f"\t{self.member(0)}\n" for _ in range(rng.randint(1, 9)))
        attr = rng.choice(["", "", "", "", " __packed", " __aligned(16)", ' __decl_tag("whole")'])
        self.text.append(f"{kind} {name} {{\n{members}\tint {self.name('z')};\n}}{attr};\n")
        self.names.append(f"{kind} {name}")

    def enum(self):
        rng, name = self.rng, self.name("n")
        wide = rng.random() < 0.35
        values = sorted({rng.choice([0, 1, 5, -1, 255, 1 << 20, -(1 << 31)] + ([1 << 40, -(1 << 50), (1 << 63) - 1] if wide else [])) for _ in range(rng.randint(1, 6))})
        body = "".join(f"\t{self.name('V')} = {v if v != -(1 << 31) else '-2147483647 - 1'}{'LL' if wide and abs(v) > 1 << 31 else ''},\n" for v in values)
        self.text.append(f"enum {name} {{\n{body}}};\n")
        self.names.append(f"enum {name}")

    def typedef(self):
        name = self.name("d")
        base = self.rng.choice(self.names + BASES)
        suffix = self.rng.choice(["", "", "[3]"])
        form = self.rng.choice([f"typedef {base} {name}{suffix};\n", f"typedef {base} *{name};\n", f"typedef int (*{name})({base} *, int);\n", f"typedef const {base} {name};\n"])
        self.text.append(form)
        self.names.append(name)


def types():
    """Objects whose types have every kind and shape."""
    for seed in range(60):
        t = Types(7000 + seed)
        for _ in range(t.rng.randint(3, 16)):
            t.rng.choice([t.compound, t.compound, t.enum, t.typedef])()
        kinds = [n for n in t.names]
        uses = "".join(f"{n} *use{i};\n" for i, n in enumerate(kinds))
        takes = "".join(f"__noinline int take{i}({n} *p, int q) {{ asm volatile(\"\" : \"+r\"(q)); return q; }}\n" for i, n in enumerate(kinds[:4]))
        yield f"types_{seed:02}", source("".join(t.text), uses, takes, program("socket", "p", "return " + (" + ".join(f"take{i}(0, {i})" for i in range(len(kinds[:4]))) or "0") + ";"))


# What traps.c has: struct (union), path from a pointer to it, and what the path leads to.
FIELDS = {
    "struct trap": ["a", "moved", "nested.x", "nested.y", "inner.deep[2].value", "array[3]", "matrix[1][2]", "anon_a", "anon_b", "ptr", "named.one", "bytes[5]", "gone", "nested.gone",
                    "shrunk", "grown", "sign", "unsign", "array[9]", "flex[2]", "one[3]", "kind", "fn", "to_ptr", "float_now"],
    "struct trap_bits": ["b1", "b3", "b7", "b12", "s5", "s17", "wide", "moved", "was_bits", "now_bits", "whole", "gone"],
    "union trap_union": ["as_int", "as_long", "as_bytes[3]", "as_struct.x", "gone"],
    "struct trap_many": ["value", "other"],
    "struct trap_renamed___old": ["before"], "struct trap_renamed___new": ["after"], "struct trap_flavour___v1": ["x"], "struct trap_flavour___v2": ["y"],
    "struct trap_missing": ["x"], "struct trap_empty": ["x"], "trap_typedef": ["a"], "struct trap_dup": ["x", "y"],
}
LOCAL = """
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct trap_nested { long x; int y; int gone; };
struct trap_inner { struct { short pad; int value; } deep[4]; };
enum trap_kind { TRAP_A = 1, TRAP_B = 2, TRAP_GONE = 3, TRAP_MOVED = 4 };
enum trap_wide { TRAP_WIDE = 0x100000000ULL, TRAP_WIDE_GONE = 0x200000000ULL };
enum trap_kind___f { TRAP_B___f = 9 };
enum trap_signed { TRAP_NEGATIVE = -5, TRAP_LARGE = 7 };
struct trap {
	int a; int moved; struct trap_nested nested; struct trap_inner inner; int array[4]; int matrix[2][3];
	struct { int anon_a; union { int anon_b; long anon_c; }; };
	struct trap *ptr; struct { int one; } named; char bytes[8]; int gone; long shrunk; short grown; int sign; int unsign; int one[1];
	enum trap_kind kind; int (*fn)(int); int to_ptr; int float_now; int flex[];
};
struct trap_bits { int b1 : 1; unsigned b3 : 3; unsigned b7 : 7; unsigned b12 : 12; int s5 : 5; int s17 : 17; __u64 wide : 40; unsigned moved : 6; unsigned was_bits : 8; unsigned now_bits; unsigned char whole; unsigned gone : 3; };
union trap_union { int as_int; long as_long; char as_bytes[8]; struct trap_nested as_struct; int gone; };
struct trap_many { int value; int other; };
struct trap_renamed___old { int before; };
struct trap_renamed___new { int after; };
struct trap_flavour___v1 { int x; };
struct trap_flavour___v2 { long y; };
struct trap_missing { int x; };
struct trap_empty { int x; };
struct trap_dup { int x; int y; };
typedef struct trap trap_typedef;
#pragma clang attribute pop
typedef int (*trap_fn)(int, long);
typedef unsigned char trap_byte;
typedef struct { int anonymous; } trap_anon;
struct trap_same { int a; long b; };
struct trap_fewer { int a; };
struct trap_other { long a; };
union trap_uni { int a; char b[4]; };
struct trap_ptrs { struct trap_same *p; void *v; };
"""
TYPES = ["struct trap", "struct trap_bits", "union trap_union", "enum trap_kind", "enum trap_wide", "struct trap_missing", "trap_typedef", "trap_fn", "trap_byte", "trap_anon",
         "struct trap_same", "struct trap_fewer", "struct trap_other", "union trap_uni", "struct trap_ptrs", "struct trap_many", "struct trap_flavour___v1", "enum trap_signed", "int", "struct trap_dup"]
VALUES = [("enum trap_kind", "TRAP_A"), ("enum trap_kind", "TRAP_B"), ("enum trap_kind", "TRAP_GONE"), ("enum trap_kind", "TRAP_MOVED"), ("enum trap_wide", "TRAP_WIDE"),
          ("enum trap_wide", "TRAP_WIDE_GONE"), ("enum trap_signed", "TRAP_NEGATIVE"), ("enum trap_signed", "TRAP_LARGE"), ("enum trap_kind___f", "TRAP_B___f")]
NO_NUMBER = ["ptr", "fn", "to_ptr", "float_now", "named.one", "kind"]
FIELD_KINDS = {"offset": 0, "size": 1, "exists": 2, "signed": 3, "lshift": 4, "rshift": 5}


def core():
    """CO-RE relocations against traps.c: a program for each question, so that each can fail alone."""
    def wrap(name, body):
        return program(f"?raw_tp/{name}", name, body)

    bits = {"struct trap_bits"}
    for word, number in FIELD_KINDS.items():
        for index, (owner, fields) in enumerate(FIELDS.items()):
            parts = []
            for field in fields:
                if word == "signed" and field in NO_NUMBER:
                    continue
                plain = "".join(c if c.isalnum() else "_" for c in field)
                parts.append(program("raw_tp/x", f"f_{plain}", f"return __builtin_preserve_field_info((({owner} *)ctx)->{field}, {number});"))
            yield f"core_{word}_{index:02}", source(LOCAL, *parts)
    for index, (owner, fields) in enumerate(FIELDS.items()):
        if owner in bits:
            continue
        parts = [program("raw_tp/x", "d_" + "".join(c if c.isalnum() else "_" for c in f), f"return (__u64)(*(volatile typeof((({owner} *)ctx)->{f}) *)__builtin_preserve_access_index(&(({owner} *)ctx)->{f}) != 0);") for f in fields if f not in ("flex[2]",)]
        yield f"core_direct_{index:02}", source(LOCAL, *parts)
    for word, form in {"exists": "__builtin_preserve_type_info(*(typeof({t}) *)0, 0)", "size": "__builtin_preserve_type_info(*(typeof({t}) *)0, 1)", "matches": "__builtin_preserve_type_info(*(typeof({t}) *)0, 2)",
                       "local": "__builtin_btf_type_id(*(typeof({t}) *)0, 0)", "target": "__builtin_btf_type_id(*(typeof({t}) *)0, 1)"}.items():
        for half in range(2):
            kinds = [t for t in TYPES[half::2] if t != "int"]
            yield f"core_type_{word}_{half}", source(LOCAL, *[program("raw_tp/x", f"t{i}", f"return {form.format(t=t)};") for i, t in enumerate(kinds)])
    for word, number in (("exists", 0), ("value", 1)):
        for index, (owner, value) in enumerate(VALUES):
            yield f"core_enum_{word}_{index}", source(LOCAL, program("raw_tp/x", "e", f"return __builtin_preserve_enum_value(*(typeof({owner}) *){value}, {number});"))
    for field in FIELDS["struct trap_bits"]:
        read = f"BPF_CORE_READ_BITFIELD((struct trap_bits *)ctx, {field})"
        yield f"core_bits_{field}", source(LOCAL, program("raw_tp/x", "b", f"return {read};"))
    for seed in range(12):
        rng = random.Random(300 + seed)
        parts = []
        for i in range(rng.randint(2, 6)):
            terms = []
            for _ in range(rng.randint(1, 5)):
                owner = rng.choice(["struct trap", "struct trap", "union trap_union", "struct trap_bits"])
                field = rng.choice(FIELDS[owner])
                # Clang has no answer to the sign of what is no number.
                number = rng.randint(0, 2) if field in NO_NUMBER else rng.randint(0, 5)
                terms.append(f"__builtin_preserve_field_info((({owner} *)ctx)->{field}, {number})")
            owner, value = rng.choice(VALUES)
            terms.append(f"__builtin_preserve_enum_value(*(typeof({owner}) *){value}, {rng.randint(0, 1)})")
            parts.append(f"static __noinline __u64 sub{i}(void *ctx) {{ return {' + '.join(terms)}; }}\n" + program(rng.choice(["raw_tp/x", "?raw_tp/x", "tp/a/b"]), f"p{i}", f"return sub{rng.randint(0, i)}(ctx) + sub{i}(ctx);"))
        yield f"core_mixed_{seed:02}", source(LOCAL, *parts)


FAMILIES = [calls, types, core]
