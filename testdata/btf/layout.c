/* SPDX-License-Identifier: MIT OR Apache-2.0 */
// What a struct's layout can have: holes, bit-fields, padding, alignment, nesting, declarators.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#define ALIGNED(n) __attribute__((aligned(n)))
#define PACKED __attribute__((packed))

struct one_byte { char a; short b; int c; char d; };
struct holes { char a; u64 b; u8 c; u16 d; u8 e; void *f; char g; };
struct no_holes { u64 a; u32 b, c; };
struct empty {};
struct line_end { char a[64]; u64 b; char c[63]; char d; char e; };
struct long_one { char a[65]; char b[65]; u64 c[40]; char last; };
struct bit_fields { u32 a : 3, b : 5; u32 : 4; u32 c : 8; u32 d; u32 e : 1; };
struct bit_next { u32 a : 7; u32 : 0; u32 b : 9; u64 c : 33; u64 d : 40; };
struct bit_shared { u8 a; u32 b : 4; u32 c : 12; u8 d; u16 e : 3; u8 f; };
struct bit_wide { u64 a : 48; u16 b; u8 c : 4; u8 d : 4; };
struct bit_only { u8 a : 1; };
enum color { RED, GREEN, BLUE };
struct bit_enum { enum color a : 2; enum color b : 3; int c : 5; };
struct PACKED packed { char a; u32 b; u64 c; };
struct PACKED packed_bits { u8 a; u32 b : 12; u32 c : 20; u16 d; };
struct PACKED packed_size { u32 a; u8 b; };
struct in_odd_place { u8 a; struct PACKED { u32 x; u8 y; } b; u16 c; };
struct aligned { u8 a; u32 b ALIGNED(16); u8 c ALIGNED(64); } ALIGNED(128);
struct aligned_end { u32 a; } ALIGNED(32);
struct padded { u64 a; u8 b; };
struct has_padded { struct padded a; u32 b; struct padded c; struct one_byte d[2]; };
struct anonymous {
	int before;
	union {
		struct { u16 low, high; };
		struct { u8 b[4]; } bytes;
		u32 whole;
		union { float f; int i; } *either;
	};
	struct { u8 tag; u64 value; } pairs[3];
	struct { char x; struct { char y; union { u64 z; u32 w; } deep; } deeper; } deep;
	struct { int *p; u8 last; } *points;
	u64 tail[8];
	union { u64 a; u8 b; } after;
};
struct enums {
	enum color color;
	enum { FEW = 1, MANY = 100 } how_many;
	enum PACKED { TINY } tiny;
	enum { ALONE };
	enum color colors[2];
};
struct arrays {
	char text[16];
	const char *names[4];
	struct padded *list[2];
	u32 none[0];
	enum color last[];
};
struct only_array { u32 n[0]; };
struct flexible { u32 n; struct { u16 a, b; } rows[]; };
struct forward;
struct declarators {
	void *any;
	const void *any_const;
	const char *const text;
	char *const *list;
	const u32 number;
	volatile int flag;
	struct forward *fwd;
	struct forward **fwds;
	int *restrict only;
	void (*call)(void);
	int (*with)(struct declarators *self, const char *text, u32, ...);
	struct padded *(*gives)(int (*inner)(char c), void (**more)(int));
	void (**table)(int n);
	int (*ops[3])(struct forward *);
	u64 (*rows)[4];
	const struct padded fixed;
	volatile struct padded moving;
	unsigned long long a_name_that_is_too_long_for_its_column;
	struct a_tag_that_is_too_long_for_its_column { char a; } with_tag;
};
union shapes {
	u8 a;
	struct { u64 x; char y; };
	struct padded p;
	char text[80];
	int list[0];
};

// pahole takes the size of a pointer from `long`.
struct all {
	long long_one;
	struct one_byte a0; struct holes a1; struct no_holes a2; struct empty a3; struct line_end a4; struct long_one a5;
	struct bit_fields b0; struct bit_next b1; struct bit_shared b2; struct bit_wide b3; struct bit_only b4;
	struct bit_enum b5; struct packed c0; struct packed_bits c1; struct packed_size c2; struct in_odd_place c3;
	struct aligned d0; struct aligned_end d1; struct has_padded d2; struct anonymous e0; struct enums e1;
	struct only_array e2; struct declarators e3; union shapes e4;
} all;
struct arrays all_arrays;
struct flexible all_flexible;
