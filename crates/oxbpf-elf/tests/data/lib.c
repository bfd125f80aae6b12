// A small library with versions, a weak function, an alias, an indirect function and static ones.
// gcc -O1 -nostdlib -shared -fPIC -Wl,--version-script=lib.map,--build-id=0x0102030405060708,-z,noseparate-code -o lib.so lib.c
// strip -o lib.stripped.so lib.so; the same with -m32 as lib32.so; without -shared -fPIC and with -no-pie -e start as exec
__asm__(".symver old_open, open_it@LIB_1.0");
__asm__(".symver new_open, open_it@@LIB_2.0");
int old_open(int x) { return x + 1; }
int new_open(int x) { return x + 2; }
int plain(int x) { return x * 3; }
int alias(int x) __attribute__((alias("plain")));
__attribute__((weak)) int maybe(int x) { return x * 5; }
static __attribute__((noinline, used)) int hidden_one(int x) { return x * 7; }
static __attribute__((noinline, used)) int hidden_two(int x) { return x * 11; }
static void *choose(void) { return plain; }
int indirect(int x) __attribute__((ifunc("choose")));
int start(void) { return hidden_one(2) + hidden_two(3); }
int data = 4;
