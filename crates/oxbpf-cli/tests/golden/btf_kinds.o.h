#ifndef __VMLINUX_H__
#define __VMLINUX_H__

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute push (__attribute__((preserve_access_index)), apply_to = record)
#endif

#ifndef __ksym
#define __ksym __attribute__((section(".ksyms")))
#endif

#ifndef __weak
#define __weak __attribute__((weak))
#endif

#ifndef __bpf_fastcall
#if __has_attribute(bpf_fastcall)
#define __bpf_fastcall __attribute__((bpf_fastcall))
#else
#define __bpf_fastcall
#endif
#endif

enum small {
	SMALL_NEGATIVE = -3,
	SMALL_ONE = 1,
};

enum large {
	LARGE = 9223372036854775808ULL,
};

typedef unsigned char __u8;

union declared_union;

struct declared_only;

typedef int (*callback_t)(struct declared_only *, const char *, ...);

struct kinds {
	_Bool boolean;
	char character;
	signed char schar;
	long: 64;
	__int128 wide;
	float single;
	double twice;
	volatile const int qualified;
	int * restrict restricted;
	enum small small;
	enum large large;
	union {
		int as_int;
		__u8 as_bytes[4];
	};
	union declared_union *forward_union;
	callback_t callback;
	int matrix[2][3];
	unsigned int bits: 3;
	int signed_bits: 5;
	int: 24;
	unsigned int more_bits: 1;
	struct kinds *self;
	int __attribute__((btf_type_tag("user"))) *tagged;
	int flexible[0];
	long: 64;
};

typedef struct kinds kinds_t;


/* BPF kfuncs */
#ifndef BPF_NO_KFUNC_PROTOTYPES
#endif

#ifndef BPF_NO_PRESERVE_ACCESS_INDEX
#pragma clang attribute pop
#endif

#endif /* __VMLINUX_H__ */
