// SPDX-License-Identifier: MIT OR Apache-2.0
// Makes pairs of base and split BTF and writes what C libbpf (1.5 or later) makes of them; see README.md.
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned long long state;

static unsigned below(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

static bool chance(unsigned percent)
{
	return below(100) < percent;
}

// Each answer is its length and its bytes, or the error number with the high half set.
static void put_error(int err)
{
	unsigned word = 0xffff0000 | -err;

	fwrite(&word, 4, 1, stdout);
}

static void put(struct btf *btf)
{
	unsigned len;
	const void *data = btf__raw_data(btf, &len);

	if (!data)
		exit(1);
	fwrite(&len, 4, 1, stdout);
	fwrite(data, len, 1, stdout);
}

static int any(int count)
{
	return count > 1 ? 1 + below(count - 1) : 0;
}

// Two builds of one kernel: the same seed makes the same types in both, but the second one may leave some out, change
// sizes, or have more.
static struct btf *base(unsigned types, unsigned long long seed, bool second, bool hard)
{
	static const char *const prefix[] = { "alpha", "beta", "gamma", "delta" };
	struct btf *btf = btf__new_empty();
	char name[32];
	unsigned i;

	btf__add_int(btf, "long", 8, BTF_INT_SIGNED);
	btf__add_int(btf, "char", 1, BTF_INT_CHAR);
	if (second)
		btf__add_int(btf, "unsigned long", 8, 0);
	for (i = 0; i < types; i++) {
		unsigned what, count, k, size, n;

		state = seed + i * 0x9e3779b97f4a7c15ull + 1;
		for (k = 0; k < 5; k++)
			below(2);
		what = below(18);
		snprintf(name, sizeof(name), "%s_%u", prefix[below(4)], hard && chance(30) ? i / 2 : i);
		size = 4 << below(4);
		n = below(5);
		if (second && hard) {
			state ^= 0x1234567;
			if (chance(4))
				continue;
			if (chance(8))
				size *= 2;
			if (chance(4))
				btf__add_fwd(btf, name, BTF_FWD_STRUCT);
		}
		count = btf__type_cnt(btf);
		switch (what) {
		case 0: btf__add_int(btf, name, size > 16 ? 8 : size, below(2)); break;
		case 1: btf__add_float(btf, name, size > 16 ? 8 : size); break;
		case 2: btf__add_ptr(btf, any(count)); break;
		case 3: btf__add_array(btf, 1, any(count), n); break;
		case 4: case 5: case 6:
			btf__add_struct(btf, name, size);
			for (k = 0; k < n; k++)
				btf__add_field(btf, k & 1 ? "odd" : name, any(count), 8 * k, 0);
			break;
		case 7:
			btf__add_union(btf, name, size);
			for (k = 0; k < n; k++)
				btf__add_field(btf, k & 1 ? "odd" : name, any(count), 0, 0);
			break;
		case 8:
			btf__add_struct(btf, NULL, size);
			btf__add_field(btf, "bits", 1, 0, 3);
			btf__add_field(btf, "more", any(count), 64, 0);
			break;
		case 9:
			btf__add_enum(btf, chance(70) ? name : NULL, 4);
			btf__add_enum_value(btf, "ONE", 1);
			break;
		case 10:
			btf__add_enum64(btf, chance(70) ? name : NULL, 8, chance(50));
			btf__add_enum64_value(btf, "MANY", 1ull << 40);
			break;
		case 11: btf__add_fwd(btf, name, below(2) ? BTF_FWD_STRUCT : BTF_FWD_UNION); break;
		case 12: btf__add_typedef(btf, name, any(count)); break;
		case 13: btf__add_const(btf, any(count)); break;
		case 14: btf__add_volatile(btf, any(count)); break;
		case 15: btf__add_type_tag(btf, "user", any(count)); break;
		case 16: btf__add_restrict(btf, any(count)); break;
		default:
			btf__add_func_proto(btf, any(count));
			for (k = 0; k < n; k++)
				btf__add_func_param(btf, "arg", any(count));
			if (hard)
				btf__add_func(btf, name, BTF_FUNC_GLOBAL, count);
			break;
		}
	}
	return btf;
}

static struct btf *split(struct btf *on, unsigned types, bool hard)
{
	struct btf *btf = btf__new_empty_split(on);
	char name[32];
	unsigned i, k, n;

	for (i = 0; i < types; i++) {
		unsigned count = btf__type_cnt(btf);

		snprintf(name, sizeof(name), "module_%u", i);
		n = 1 + below(4);
		switch (below(hard ? 13 : 12)) {
		case 0: btf__add_ptr(btf, any(count)); break;
		case 1: btf__add_const(btf, any(count)); break;
		case 2: btf__add_array(btf, 1, any(count), n); break;
		case 3: case 4:
			btf__add_struct(btf, name, 64);
			for (k = 0; k < n; k++)
				btf__add_field(btf, k & 1 ? "odd" : "even", any(count), 64 * k, 0);
			break;
		case 5:
			btf__add_union(btf, NULL, 64);
			btf__add_field(btf, "only", any(count), 0, 0);
			break;
		case 6: btf__add_typedef(btf, name, any(count)); break;
		case 7:
			btf__add_enum(btf, name, 4);
			btf__add_enum_value(btf, "LOCAL", i);
			break;
		case 8:
			btf__add_func_proto(btf, any(count));
			btf__add_func_param(btf, "odd", any(count));
			btf__add_func(btf, name, BTF_FUNC_STATIC, count);
			btf__add_decl_tag(btf, "kfunc", count + 1, -1);
			break;
		case 9:
			btf__add_var(btf, name, BTF_VAR_STATIC, any(count));
			btf__add_datasec(btf, ".data..percpu", 8);
			btf__add_datasec_var_info(btf, count, 0, 8);
			break;
		case 10: btf__add_type_tag(btf, "rcu", any(count)); break;
		case 11: btf__add_float(btf, name, 4); break;
		// What a module may not do: refer to a function of the kernel.
		default: btf__add_decl_tag(btf, "bad", any(count), 0); break;
		}
	}
	return btf;
}

int main(int argc, char **argv)
{
	unsigned cases = argc > 1 ? atoi(argv[1]) : 48, i;

	libbpf_set_print(NULL);
	for (i = 0; i < cases; i++) {
		unsigned long long seed = (i + 1) * 0x2545f4914f6cdd1dull;
		unsigned types = 4 + i % 40;
		bool hard = i % 3 == 2;
		struct btf *old = base(types, seed, false, hard), *new = base(types, seed, true, hard);
		struct btf *module, *distilled = NULL, *result = NULL;
		int err;

		state = seed;
		module = split(old, 3 + i % 11, hard);
		if (i % 4 == 3)
			btf__set_endianness(module, BTF_BIG_ENDIAN);
		put(old);
		put(module);
		put(new);
		err = btf__distill_base(module, &distilled, &result);
		if (err) {
			put_error(err);
			continue;
		}
		put(distilled);
		put(result);
		// btf__relocate keeps bytes that were asked for before, so it gets a result that was not looked at.
		if (btf__distill_base(module, &distilled, &result))
			return 1;
		err = btf__relocate(result, new);
		if (err)
			put_error(err);
		else
			put(result);
	}
	return 0;
}
