// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Links with C libbpf: record OUT IN... ; prints nothing, or the number of the error.
#include <stdarg.h>
#include <stdio.h>
#include <bpf/libbpf.h>

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

int main(int argc, char **argv)
{
	struct bpf_linker *linker;
	int err = 0;

	libbpf_set_print(quiet);
	linker = bpf_linker__new(argv[1], NULL);
	if (!linker)
		return 1;
	for (int i = 2; i < argc && !err; i++)
		err = bpf_linker__add_file(linker, argv[i], NULL);
	if (!err)
		err = bpf_linker__finalize(linker);
	bpf_linker__free(linker);
	if (err)
		printf("%d\n", err);
	return 0;
}
