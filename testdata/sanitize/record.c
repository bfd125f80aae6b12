// SPDX-License-Identifier: MIT OR Apache-2.0
// Writes what C libbpf makes of a BTF file for kernels that lack one feature each; see README.md.
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdio.h>

// Not in libbpf's headers, so this is linked with the static library of the version that the README names.
struct btf *bpf_object__sanitize_btf(struct bpf_object *obj, struct btf *btf);

static int lacks;

// Called by libbpf instead of its own, which would ask the running kernel.
bool __wrap_feat_supported(void *cache, int id)
{
	return lacks != -1 && id != lacks;
}

int main(int argc, char **argv)
{
	// Numbers of libbpf 1.8: functions, their linkage, data sections, floats, declaration tags, type tags, 64-bit
	// enums, question marks, layout; -1 for all of them.
	static const int ids[] = { 3, 5, 4, 11, 13, 14, 17, 21, 24, -1 };
	struct bpf_object *obj = bpf_object__open_file(argv[2], NULL);
	unsigned i, len;

	if (!obj)
		return 1;
	for (i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		const void *data;

		lacks = ids[i];
		data = btf__raw_data(bpf_object__sanitize_btf(obj, btf__parse(argv[1], NULL)), &len);
		fwrite(&len, 4, 1, stdout);
		fwrite(data, len, 1, stdout);
	}
	return 0;
}
