// Types to relocate accesses.c against.
// clang-19 --target=bpf -g -O2 -c moved.c && llvm-objcopy-19 --dump-section .BTF=moved.btf moved.o; bpftool btf dump file moved.o > moved.btf.txt
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
struct inner { long pad; long y; short x; };
union either { long pad; void *p; int i; };
enum color { RED, PINK, GREEN = 9, BLUE = 12 };
enum wide { NEAR = 2, HUGE = 0xabcdef012345ULL };
enum sign { PLUS = 40, MINUS = -30 };
struct thing {
	struct thing *next;
	union { struct { u32 half; u64 word; }; long other; };
	u32 dword;
	long number;
	unsigned long pointer;
	char text[4];
	struct { struct { u8 byte; }; };
	struct inner many[3];
	struct inner inner;
	int right;
	u64 space[4];
	struct { struct { int left; }; int hidden; };
	union either either;
	enum color color;
	u32 before : 5;
	u32 flag : 6;
	u32 level : 5;
	u64 first : 30;
	u64 wide : 33;
	double real;
	u32 tail[12];
};
struct pair { int b; };
typedef struct { long c; long d; } anon_t;
typedef long number_t;
typedef int (*func_t)(int, struct inner *, int);
typedef u32 matrix_t[3][6];
struct { struct thing a; struct pair b; anon_t c; number_t d; func_t e; matrix_t f; enum color g; enum wide h; enum sign i; } all;
