/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/**
 * @file
 * BTF: types, and what belongs to them.
 *
 * Numbers that functions give are 0 or positive, or a negative error number that errno has too, without the sign. Pointers
 * that they give are NULL on an error, and errno says which. Strings and types belong to the BTF that has them; a type
 * moves when types are added.
 */
#ifndef __LIBBPF_BTF_H
#define __LIBBPF_BTF_H

#include <stdarg.h>
#include <stdbool.h>
#include <linux/btf.h>
#include <linux/types.h>

#include "libbpf_common.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Names of the sections of an object file. */
#define BTF_ELF_SEC ".BTF"
#define BTF_EXT_ELF_SEC ".BTF.ext"
#define BTF_BASE_ELF_SEC ".BTF.base"
#define MAPS_ELF_SEC ".maps"

struct bpf_object;
struct btf;
struct btf_dump;
struct btf_ext;
struct btf_type;

enum btf_endianness {
	BTF_LITTLE_ENDIAN = 0,
	BTF_BIG_ENDIAN = 1,
};

/** Options for new BTF. */
struct btf_new_opts {
	size_t sz;		/**< size of this struct */
	struct btf *base_btf;	/**< whose types it goes on from */
	bool add_layout;	/**< say how large each kind is, for readers that do not know it */
	size_t :0;
};
#define btf_new_opts__last_field add_layout

/** What a forward declaration is of. */
enum btf_fwd_kind {
	BTF_FWD_STRUCT = 0,
	BTF_FWD_UNION = 1,
	BTF_FWD_ENUM = 2,
};

/** Options for removing what is there twice. */
struct btf_dedup_opts {
	size_t sz;			/**< size of this struct */
	struct btf_ext *btf_ext;	/**< records whose ids and strings follow */
	bool force_collisions;		/**< for tests: compare everything */
	size_t :0;
};
#define btf_dedup_opts__last_field force_collisions

/** Options for putting types into another order. */
struct btf_permute_opts {
	size_t sz;			/**< size of this struct */
	struct btf_ext *btf_ext;	/**< records whose ids follow */
	size_t :0;
};
#define btf_permute_opts__last_field btf_ext

struct btf_dump_opts {
	size_t sz;	/**< size of this struct */
};
#define btf_dump_opts__last_field sz

/** What is called with each piece of a dump; the list of arguments is only valid during the call. */
typedef void (*btf_dump_printf_fn_t)(void *ctx, const char *fmt, va_list args);

/** Options for a declaration. */
struct btf_dump_emit_type_decl_opts {
	size_t sz;			/**< size of this struct */
	const char *field_name;		/**< what is declared; default: nothing */
	int indent_level;		/**< tabs before each line but the first */
	bool strip_mods;		/**< without const, volatile, restrict */
	size_t :0;
};
#define btf_dump_emit_type_decl_opts__last_field strip_mods

/** Options for data. */
struct btf_dump_type_data_opts {
	size_t sz;			/**< size of this struct */
	const char *indent_str;		/**< one level; default a tab */
	int indent_level;		/**< levels to begin with */
	bool compact;			/**< all in one line */
	bool skip_names;		/**< without names of members */
	bool emit_zeroes;		/**< also what is zero */
	bool emit_strings;		/**< text of arrays of char */
	size_t :0;
};
#define btf_dump_type_data_opts__last_field emit_strings

/* Kinds that the system's header may be too old to have. */
#ifndef BTF_KIND_FUNC
#define BTF_KIND_FUNC 12
#endif
#ifndef BTF_KIND_FUNC_PROTO
#define BTF_KIND_FUNC_PROTO 13
#endif
#ifndef BTF_KIND_VAR
#define BTF_KIND_VAR 14
#endif
#ifndef BTF_KIND_DATASEC
#define BTF_KIND_DATASEC 15
#endif
#ifndef BTF_KIND_FLOAT
#define BTF_KIND_FLOAT 16
#endif
#ifndef BTF_KIND_DECL_TAG
#define BTF_KIND_DECL_TAG 17
#endif
#ifndef BTF_KIND_TYPE_TAG
#define BTF_KIND_TYPE_TAG 18
#endif
#ifndef BTF_KIND_ENUM64
#define BTF_KIND_ENUM64 19
#endif

/* The words of a type that count and classify. */

static inline __u16 btf_kind(const struct btf_type *t)
{
	return BTF_INFO_KIND(t->info);
}

static inline __u32 btf_vlen(const struct btf_type *t)
{
	return BTF_INFO_VLEN(t->info);
}

static inline bool btf_kflag(const struct btf_type *t)
{
	return BTF_INFO_KFLAG(t->info);
}

static inline bool btf_is_void(const struct btf_type *t)
{
	return btf_kind(t) == 0;
}

#define __BTF_IS(name, KIND)                                   \
	static inline bool btf_is_##name(const struct btf_type *t) \
	{                                                      \
		return btf_kind(t) == BTF_KIND_##KIND;         \
	}
__BTF_IS(int, INT)
__BTF_IS(ptr, PTR)
__BTF_IS(array, ARRAY)
__BTF_IS(struct, STRUCT)
__BTF_IS(union, UNION)
__BTF_IS(enum, ENUM)
__BTF_IS(enum64, ENUM64)
__BTF_IS(fwd, FWD)
__BTF_IS(typedef, TYPEDEF)
__BTF_IS(volatile, VOLATILE)
__BTF_IS(const, CONST)
__BTF_IS(restrict, RESTRICT)
__BTF_IS(func, FUNC)
__BTF_IS(func_proto, FUNC_PROTO)
__BTF_IS(var, VAR)
__BTF_IS(datasec, DATASEC)
__BTF_IS(float, FLOAT)
__BTF_IS(decl_tag, DECL_TAG)
__BTF_IS(type_tag, TYPE_TAG)
#undef __BTF_IS

static inline bool btf_is_composite(const struct btf_type *t)
{
	return btf_is_struct(t) || btf_is_union(t);
}

/** Whether it changes how another type is used: const, volatile, restrict, a tag. */
static inline bool btf_is_mod(const struct btf_type *t)
{
	return btf_is_const(t) || btf_is_volatile(t) || btf_is_restrict(t) || btf_is_type_tag(t);
}

static inline bool btf_is_any_enum(const struct btf_type *t)
{
	return btf_is_enum(t) || btf_is_enum64(t);
}

/** Whether CO-RE may take one for the other by their kinds. */
static inline bool btf_kind_core_compat(const struct btf_type *t1, const struct btf_type *t2)
{
	return (btf_is_any_enum(t1) && btf_is_any_enum(t2)) || btf_kind(t1) == btf_kind(t2);
}

/* What follows a type, by its kind. */

#define __BTF_TAIL(name, type)                                         \
	static inline struct type *name(const struct btf_type *t)      \
	{                                                              \
		return (struct type *)(t + 1);                         \
	}
struct btf_decl_tag;
struct btf_enum64;
__BTF_TAIL(btf_array, btf_array)
__BTF_TAIL(btf_enum, btf_enum)
__BTF_TAIL(btf_enum64, btf_enum64)
__BTF_TAIL(btf_members, btf_member)
__BTF_TAIL(btf_params, btf_param)
__BTF_TAIL(btf_var, btf_var)
__BTF_TAIL(btf_var_secinfos, btf_var_secinfo)
__BTF_TAIL(btf_decl_tag, btf_decl_tag)
#undef __BTF_TAIL

static inline __u8 btf_int_encoding(const struct btf_type *t)
{
	return BTF_INT_ENCODING(*(const __u32 *)(t + 1));
}

static inline __u8 btf_int_offset(const struct btf_type *t)
{
	return BTF_INT_OFFSET(*(const __u32 *)(t + 1));
}

static inline __u8 btf_int_bits(const struct btf_type *t)
{
	return BTF_INT_BITS(*(const __u32 *)(t + 1));
}

/** A value of 64 bits: its words are the name, the low half, the high half. */
static inline __u64 btf_enum64_value(const struct btf_enum64 *e)
{
	const __u32 *words = (const __u32 *)e;

	return words[1] | (__u64)words[2] << 32;
}

/** Where a member begins, in bits from the start of its struct. */
static inline __u32 btf_member_bit_offset(const struct btf_type *t, __u32 member_idx)
{
	__u32 where = btf_members(t)[member_idx].offset;

	return btf_kflag(t) ? BTF_MEMBER_BIT_OFFSET(where) : where;
}

/** The width of a bit-field in bits; 0 of any other member. */
static inline __u32 btf_member_bitfield_size(const struct btf_type *t, __u32 member_idx)
{
	__u32 where = btf_members(t)[member_idx].offset;

	return btf_kflag(t) ? BTF_MEMBER_BITFIELD_SIZE(where) : 0;
}

@functions@
#ifdef __cplusplus
}
#endif

#endif
