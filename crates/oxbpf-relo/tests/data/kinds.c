// Types to relocate accesses.c against.
// clang-19 --target=bpf -g -O2 -c kinds.c && llvm-objcopy-19 --dump-section .BTF=kinds.btf kinds.o; bpftool btf dump file kinds.o > kinds.btf.txt
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
union inner { int x; long y; };
struct either { int i; void *p; };
enum color { RED = 1ULL << 40, GREEN = 5, BLUE = 7 };
enum wide { HUGE = 3, NEAR = 1 };
typedef struct { int y; } thing_base;
union thing___u {
	u8 byte; const volatile u16 half; struct { u64 word; } word; double dword; enum sign { MINUS = -3 } number;
	struct fwd *pointer; u8 text[3][9]; const union inner inner; struct inner2 { int x; long y; } many[9];
	int hidden[2]; struct either either; enum color color; long flag; int level; float real; u32 tail[0]; int real2;
};
struct thing {
	struct { struct { struct { int number; }; char text; }; };
	u64 half : 16; u64 level; u32 flag; u16 wide; unsigned char color;
	enum sign right; const struct fwd *next; u32 pad; u32 tail[];
};
struct number_t { int x; };
typedef u32 matrix_t[3];
typedef void (*func_t)(int, union inner *);
struct { union thing___u a; struct number_t d; func_t e; matrix_t f; enum color g; enum wide h; struct thing j; } all;
