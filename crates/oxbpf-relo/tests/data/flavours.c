// Types to relocate accesses.c against.
// clang-19 --target=bpf -g -O2 -c flavours.c && llvm-objcopy-19 --dump-section .BTF=flavours.btf flavours.o; bpftool btf dump file flavours.o > flavours.btf.txt
typedef unsigned char u8; typedef unsigned short u16; typedef unsigned int u32; typedef unsigned long long u64;
struct inner { int x; long y; };
struct inner___old { int x; long y; };
union either { int i; void *p; };
enum color { RED, GREEN = 5, BLUE = 7 };
enum color___more { RED_, GREEN___now = 6 };
enum wide { HUGE___big = 0x123456789abcULL, NEAR___er = 1 };
enum sign { MINUS = -3, PLUS = 4 };
struct thing { u8 byte; u16 half; u32 word; u64 dword; int number; struct inner inner; };
struct thing___a { u8 byte; u16 pad; u16 half; u32 word; long pad2; u64 dword; short number; struct inner___old inner; };
struct thing___b { u32 tail[4]; void *pointer; u8 byte; };
struct nowhere;
struct pair { int a; int b; int c; };
typedef int number_t;
typedef int number_t___2;
typedef int (*func_t)(int, struct inner *);
typedef u32 matrix_t[3][5];
struct { struct thing a; struct pair b; number_t d; func_t e; matrix_t f; enum color g; enum wide h; enum sign i; struct thing___a j; struct thing___b k; struct nowhere *l; enum color___more m; number_t___2 n; union either o; } all;
