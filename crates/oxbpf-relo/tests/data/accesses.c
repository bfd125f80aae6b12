// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Accesses of every sort, each in a function of its own, to be relocated against the types in *.btf.txt.
// clang-19 --target=bpf -mcpu=v3 -g -O2 -c accesses.c -o accesses.o && llvm-strip-19 -g accesses.o
#define SEC(name) __attribute__((section(name), used))
#define core __attribute__((preserve_access_index))
#define info(field, kind) __builtin_preserve_field_info(field, kind)
#define type_info(type, kind) __builtin_preserve_type_info(*(type *)0, kind)
#define type_id(type, kind) __builtin_btf_type_id(*(type *)0, kind)
#define enum_value(type, name, kind) __builtin_preserve_enum_value(*(type *)name, kind)
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

struct inner { int x; long y; } core;
union either { int i; void *p; } core;
enum color { RED, GREEN = 5, BLUE___old = 7 };
enum wide { HUGE = 0x123456789abcULL, NEAR = 1 };
enum sign { MINUS = -3, PLUS = 4 };

struct thing {
	u8 byte;
	u16 half;
	u32 word;
	u64 dword;
	int number;
	void *pointer;
	char text[16];
	struct inner inner;
	struct inner many[4];
	struct {
		int hidden;
		union { int left; int right; };
	};
	union either either;
	enum color color;
	u32 flag : 3;
	int level : 7;
	u64 wide : 20;
	float real;
	struct thing *next;
	u32 tail[];
} core;

struct thing___other { u32 only_here; u32 word; } core;
struct thing___v2___final { u64 dword; } core;
struct nowhere { int a; } core;
struct pair { int a; int b; } core;
typedef struct { int c; } anon_t;
typedef int number_t;
typedef int (*func_t)(int, struct inner *);
typedef u32 matrix_t[3][5];

SEC("raw_tp/offsets") u64 load_byte(struct thing *t) { return t->byte; }
SEC("raw_tp/offsets") u64 load_half(struct thing *t) { return t->half; }
SEC("raw_tp/offsets") u64 load_word(struct thing *t) { return t->word; }
SEC("raw_tp/offsets") u64 load_dword(struct thing *t) { return t->dword; }
SEC("raw_tp/offsets") u64 load_number(struct thing *t) { return (u32)t->number; }
SEC("raw_tp/offsets") u64 load_pointer(struct thing *t) { return (u64)t->pointer; }
SEC("raw_tp/offsets") u64 load_text(struct thing *t) { return t->text[7]; }
SEC("raw_tp/offsets") u64 load_inner(struct thing *t) { return t->inner.y; }
SEC("raw_tp/offsets") u64 load_many(struct thing *t) { return t->many[2].y; }
SEC("raw_tp/offsets") u64 load_hidden(struct thing *t) { return (u32)t->hidden; }
SEC("raw_tp/offsets") u64 load_right(struct thing *t) { return (u32)t->right; }
SEC("raw_tp/offsets") u64 load_either(struct thing *t) { return (u64)t->either.p; }
SEC("raw_tp/offsets") u64 load_color(struct thing *t) { return t->color; }
SEC("raw_tp/offsets") u64 load_tail(struct thing *t) { return t->tail[9]; }
SEC("raw_tp/offsets") u64 load_root(struct thing *t) { return t[1].word; }
SEC("raw_tp/offsets") u64 load_next(struct thing *t) { return t->next->word; }
SEC("raw_tp/offsets") u64 load_flavour(struct thing___other *t) { return t->word; }
SEC("raw_tp/offsets") u64 load_flavours(struct thing___v2___final *t) { return t->dword; }
SEC("raw_tp/offsets") u64 store_word(struct thing *t) { t->word = 7; return 0; }
SEC("raw_tp/offsets") u64 store_reg(struct thing *t) { t->dword = (u64)t; return 0; }
SEC("raw_tp/offsets") u64 address(struct thing *t) { return (u64)&t->many[3].y; }
SEC("raw_tp/offsets") u64 offset(struct thing *t) { return info(t->either.i, 0); }

SEC("raw_tp/facts") u64 sizes(struct thing *t)
{
	return info(t->text, 1) + info(t->byte, 1) * 2 + info(t->many[1], 1) * 3 + info(t->flag, 1) * 5;
}
SEC("raw_tp/facts") u64 exist(struct thing *t, struct thing___other *o, struct nowhere *n)
{
	return info(t->word, 2) + info(o->only_here, 2) * 2 + info(n->a, 2) * 4 + info(t->many[3].x, 2) * 8 +
	       info(t->right, 2) * 16 + info(t->tail[3], 2) * 32;
}
SEC("raw_tp/facts") u64 is_signed(struct thing *t)
{
	return info(t->number, 3) + info(t->word, 3) * 2 + info(t->level, 3) * 4 + info(t->flag, 3) * 8 +
	       info(t->color, 3) * 16;
}
SEC("raw_tp/facts") u64 shifts(struct thing *t)
{
	return info(t->flag, 4) + info(t->flag, 5) * 3 + info(t->level, 4) * 5 + info(t->level, 5) * 7 +
	       info(t->wide, 4) * 9 + info(t->wide, 5) * 11 + info(t->half, 4) * 13 + info(t->half, 5) * 15;
}
SEC("raw_tp/facts") u64 bits(struct thing *t)
{
	return info(t->flag, 0) + info(t->level, 0) * 3 + info(t->wide, 0) * 5 + info(t->wide, 1) * 7;
}
SEC("raw_tp/facts") u64 gone(struct nowhere *n) { return n->a; }
SEC("raw_tp/facts") u64 gone_size(struct nowhere *n) { return info(n->a, 1); }

SEC("raw_tp/types") u64 type_exist(void *c)
{
	return type_info(struct thing, 0) + type_info(struct nowhere, 0) * 2 + type_info(anon_t, 0) * 4 +
	       type_info(number_t, 0) * 8 + type_info(func_t, 0) * 16 + type_info(matrix_t, 0) * 32 +
	       type_info(union either, 0) * 64 + type_info(enum color, 0) * 128;
}
SEC("raw_tp/types") u64 type_size(void *c)
{
	return type_info(struct thing, 1) + type_info(struct nowhere, 1) * 3 + type_info(matrix_t, 1) * 5;
}
SEC("raw_tp/types") u64 type_match(void *c)
{
	return type_info(struct thing, 2) + type_info(struct inner, 2) * 2 + type_info(struct pair, 2) * 4 +
	       type_info(func_t, 2) * 8 + type_info(matrix_t, 2) * 16 + type_info(enum color, 2) * 32 +
	       type_info(union either, 2) * 64 + type_info(number_t, 2) * 128;
}
SEC("raw_tp/types") u64 type_ids(void *c)
{
	return type_id(struct thing, 0) + type_id(struct thing, 1) * 3 + type_id(struct nowhere, 1) * 5;
}
SEC("raw_tp/types") u64 enums(void *c)
{
	return enum_value(enum color, GREEN, 1) + enum_value(enum color, BLUE___old, 1) * 3 +
	       enum_value(enum wide, HUGE, 1) * 5 + enum_value(enum sign, MINUS, 1) * 7;
}
SEC("raw_tp/types") u64 enums_exist(void *c)
{
	return enum_value(enum color, GREEN, 0) + enum_value(enum wide, NEAR, 0) * 2 +
	       enum_value(enum sign, PLUS, 0) * 4;
}
char LICENSE[] SEC("license") = "GPL";
