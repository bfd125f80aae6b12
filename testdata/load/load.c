// SPDX-License-Identifier: MIT OR Apache-2.0
// Loads each object that it is given with C libbpf; run under strace it shows what libbpf asks of the kernel.
#include <bpf/libbpf.h>

int main(int argc, char **argv)
{
	struct bpf_object *obj = bpf_object__open_file(argv[1], NULL);

	return !obj || bpf_object__load(obj);
}
