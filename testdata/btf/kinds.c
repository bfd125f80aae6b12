/* SPDX-License-Identifier: MIT OR Apache-2.0
 * One of everything that a compiler writes into BTF. See README.md for how the .btf files are made from it. */
typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define SEC(name) __attribute__((section(name), used))
#define DECL_TAG(t) __attribute__((btf_decl_tag(t)))
#define TYPE_TAG(t) __attribute__((btf_type_tag(t)))

enum plain { PLAIN_A, PLAIN_B = 7, PLAIN_BIG = 0x80000001u };
enum negative { NEG_LOW = -5, NEG_ZERO, NEG_HIGH = 100 };
enum wide { WIDE_ONE = 1, WIDE_HUGE = 0xfedcba9876543210ull };
enum wide_negative { WIDE_NEG = -1ll, WIDE_MIN = -0x7fffffffffffffffll - 1 };
enum packed_enum { TINY_A, TINY_B } __attribute__((packed));

struct forward;
union forward_union;
struct unused { int a; };

struct ints {
	_Bool truth;
	char c;
	signed char s8;
	u8 un8;
	short s16;
	u16 un16;
	int s32;
	u32 un32;
	long long s64;
	u64 un64;
	__int128 s128;
	unsigned __int128 un128;
};

struct bits {
	u32 a : 1;
	u32 b : 7;
	int c : 5;
	u32 : 0;
	enum plain e : 4;
	u32 : 0;
	enum negative f : 8;
	u64 d : 40;
	u8 g;
};

struct packed {
	u8 a;
	u64 b;
	u16 c[3];
} __attribute__((packed));

struct inner { int x; int y; };

struct nested {
	struct inner first;
	union {
		u32 word;
		u8 bytes[4];
		struct { u16 lo, hi; };
	};
	struct inner list[2];
	int matrix[2][3];
	struct { const char *text; volatile int *count; } anon;
};

struct texts {
	char name[8];
	char tail[4];
	u8 raw[6];
	int numbers[4];
	u8 after;
	signed char more;
	int zeros[2];
};

struct enums {
	enum plain p;
	enum negative n;
	enum wide w;
	enum wide_negative wn;
	enum packed_enum t;
};

struct pointers {
	void *any;
	const char *const text;
	struct forward *fwd;
	union forward_union *ufwd;
	int (*call)(struct inner *self, u32 flags, ...);
	void (*(*table)[4])(void);
	int *restrict only;
	u64 TYPE_TAG("user") *tagged;
};

struct floats { float f; double d; };

struct tagged {
	int member DECL_TAG("a member");
} DECL_TAG("a struct");

struct all {
	struct ints ints;
	struct bits bits;
	struct packed packed;
	struct nested nested;
	struct texts texts;
	struct enums enums;
	struct pointers pointers;
	struct floats floats;
	struct tagged tagged;
};

struct all everything;
static volatile int hidden SEC(".data") = 3;
const int constant SEC(".rodata") = 4;
extern int outside __attribute__((section(".ksyms")));
extern int outside_call(struct inner *i, int how) __attribute__((section(".ksyms")));
int counter SEC("?.optional");

static __attribute__((noinline)) int local(struct inner *i, int how DECL_TAG("a parameter"))
{
	asm volatile("");
	return i->x + how + hidden;
}

__attribute__((noinline)) int global(void)
{
	asm volatile("");
	return constant + counter;
}

SEC("tp_btf/test") int prog(void *ctx)
{
	struct inner i = { everything.ints.s32, 2 };

	if (__builtin_preserve_access_index(everything.nested.first.y))
		return outside_call(&i, 1);
	return local(&i, 3) + global() + outside;
}

char _license[] SEC("license") = "GPL";
