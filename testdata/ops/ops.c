// SPDX-License-Identifier: MIT OR Apache-2.0
// Does with C libbpf what each line of a plan says, and prints a hash of the types and strings after each step:
// FNV-1a over everything behind the header of what btf__raw_data gives.
//
// Line: NAME BASE ext=EXT FIRST MORE... ; "-" stands for no BASE and no EXT. FIRST is opened if it begins with '=', else
// appended to an empty BTF like all others; one that begins with '+' has no base. Steps: append, deduplicate, reverse the order of ids, deduplicate again.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

static unsigned long long hash(unsigned long long h, const unsigned char *p, size_t n)
{
	while (n--)
		h = (h ^ *p++) * 0x100000001b3ull;
	return h;
}

static void show(struct btf *btf, struct btf_ext *ext, int err)
{
	unsigned long long h = 0xcbf29ce484222325ull;
	const unsigned char *p;
	unsigned int n;

	if (err < 0) {
		printf(" E%d", -err);
		return;
	}
	p = btf__raw_data(btf, &n);
	h = hash(h, p + *(unsigned int *)(p + 4), n - *(unsigned int *)(p + 4));
	if (ext) {
		p = btf_ext__raw_data(ext, &n);
		h = hash(h, p, n);
	}
	printf(" %016llx", h);
}

static void *file(const char *dir, const char *name, unsigned int *n)
{
	static char path[4096];
	void *p = malloc(64 << 20);
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "rb");
	if (!f) {
		perror(path);
		exit(1);
	}
	*n = fread(p, 1, 64 << 20, f);
	fclose(f);
	return p;
}

static struct btf *open_btf(const char *dir, const char *name, struct btf *base)
{
	unsigned int n;
	void *p = file(dir, name, &n);
	struct btf *btf = btf__new_split(p, n, base);

	free(p);
	if (!btf) {
		fprintf(stderr, "%s: cannot be opened\n", name);
		exit(1);
	}
	return btf;
}

static int print(enum libbpf_print_level level, const char *format, va_list args)
{
	return 0;
}

int main(int argc, char **argv)
{
	char line[1 << 16];

	libbpf_set_print(print);
	while (fgets(line, sizeof(line), stdin)) {
		char *name = strtok(line, " \n"), *base_name = strtok(NULL, " \n"), *ext_name = strtok(NULL, " \n"), *in;
		struct btf *base = strcmp(base_name, "-") ? open_btf(argv[1], base_name, NULL) : NULL, *btf = NULL, *unit;
		LIBBPF_OPTS(btf_dedup_opts, dedup);
		LIBBPF_OPTS(btf_permute_opts, permute);
		struct btf_ext *ext = NULL;
		unsigned int start, count, i, n, *map;
		int err = 0;

		if (strcmp(ext_name, "ext=-")) {
			void *p = file(argv[1], ext_name + 4, &n);

			ext = btf_ext__new(p, n);
			free(p);
		}
		while ((in = strtok(NULL, " \n"))) {
			if (*in == '=') {
				btf = open_btf(argv[1], in + 1, base);
				continue;
			}
			if (!btf)
				btf = base ? btf__new_empty_split(base) : btf__new_empty();
			unit = *in == '+' ? open_btf(argv[1], in + 1, NULL) : open_btf(argv[1], in, base);
			err = btf__add_btf(btf, unit);
			btf__free(unit);
			if (err < 0)
				break;
		}
		printf("%s", name);
		show(btf, ext, err);
		dedup.btf_ext = permute.btf_ext = ext;
		err = btf__dedup(btf, &dedup);
		show(btf, ext, err);
		if (err == 0) {
			start = base ? btf__type_cnt(base) : 1;
			count = btf__type_cnt(btf) - start;
			map = calloc(count + 1, sizeof(*map));
			for (i = 0; i < count; i++)
				map[i + !base] = start + count - 1 - i;
			err = count + !base ? btf__permute(btf, map, count + !base, &permute) : 0;
			show(btf, ext, err);
			free(map);
			show(btf, ext, btf__dedup(btf, &dedup));
		}
		printf("\n");
		btf_ext__free(ext);
		btf__free(btf);
		btf__free(base);
	}
	return 0;
}
