// A program that says something of itself: clang -g -O2 -target bpf -c metadata.bpf.c, and llvm-strip -g of the result.
#define SEC(n) __attribute__((section(n), used))
volatile const char bpf_metadata_author[] SEC(".rodata") = "someone";
volatile const int bpf_metadata_level SEC(".rodata") = 7;
volatile const struct { int a; char b[4]; } bpf_metadata_pair SEC(".rodata") = { 1, "xy" };
volatile const int other SEC(".rodata") = 3;
SEC("xdp") int prog(void *ctx) { return other + bpf_metadata_level + bpf_metadata_author[0] + bpf_metadata_pair.a; }
char LICENSE[] SEC("license") = "GPL";
