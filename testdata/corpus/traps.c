// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// The kernel that the corpus is loaded into, as types: what programs attach to and call, and a trap for each rule of CO-RE. Members
// are moved, renamed, retyped, missing and split over bit-fields that differ; some names have more than one type.
// `make traps.btf` takes the BTF out of the object.
typedef unsigned char __u8;
typedef unsigned int __u32;
typedef unsigned long long __u64;

struct trap_nested { char before[3]; int y; long x; };
struct trap_inner { long more; struct { long pad; short value; int other; } deep[3]; };
enum trap_kind { TRAP_MOVED = 44, TRAP_A = 11, TRAP_B = 2 };
enum trap_wide { TRAP_SMALL = 1, TRAP_WIDE = 0x300000000ULL };
enum trap_signed { TRAP_NEGATIVE = -77, TRAP_LARGE = 7 };
struct trap {
	long first;
	struct { int skipped; union { struct { long moved; }; char raw[24]; }; };
	int array[8];
	struct trap_nested nested;
	struct trap_inner inner;
	int matrix[3][3];
	struct { long extra; union { struct { int anon_b; }; struct { int hole; int anon_a; }; }; };
	struct { long zero; int one; } named;
	struct trap *ptr;
	char bytes[6];
	short shrunk;
	long grown;
	unsigned sign;
	int unsign;
	int one[4];
	enum trap_kind kind;
	int (*fn)(int);
	int *to_ptr;
	float float_now;
	int a;
	int flex[];
};
struct trap_bits {
	unsigned pad : 3;
	int b1 : 1;
	unsigned b3 : 4;
	unsigned b7 : 7;
	unsigned b12 : 13;
	int s5 : 6;
	int s17 : 20;
	__u64 wide : 50;
	unsigned hole : 11;
	unsigned moved : 6;
	unsigned char was_bits;
	unsigned now_bits : 21;
	unsigned char whole;
};
union trap_union { long as_long; int as_int; char as_bytes[16]; struct trap_nested as_struct; };
struct trap_renamed { int before_that; int after; };
struct trap_flavour { long y; int x; };
struct trap_empty {};
typedef struct { long b; int a; } trap_typedef;
typedef int (*trap_fn)(int, long);
typedef signed char trap_byte;
typedef struct { int anonymous; } trap_anon;
struct trap_same { int more; int a; long b; };
struct trap_fewer { int b; };
struct trap_other { int a; };
union trap_uni { char b[9]; int a; };
struct trap_ptrs { struct trap_same *p; void *v; };
/* Two types that answer to one name and to flavours, with the member in one place … */
struct trap_dup { int x; int y; };
struct trap_dup___2 { int x; long z; int y; };
/* … and three where it is in different ones. */
struct trap_many { int value; int other; };
struct trap_many___b { long moved; int value; int other; };

struct task_struct { int pid; int tgid; struct task_struct *parent; };
struct trap_ops { int (*first)(int x); long hole; void (*second)(struct task_struct *task, int n); char name[16]; int (*third)(void); __u32 flags; __u64 wide; };
struct bpf_struct_ops_common_value { int refcnt; int state; };
struct bpf_struct_ops_trap_ops { struct bpf_struct_ops_common_value common; struct trap_ops data __attribute__((aligned(64))); };
struct trap_bare_ops { int (*first)(int x); };
struct trap_state { int cpu; long more; };
struct bpf_iter__task { void *meta; struct task_struct *task; };
struct bpf_iter__task_file { void *meta; struct task_struct *task; };

__attribute__((section(".data..percpu"))) int trap_number;
__attribute__((section(".data..percpu"))) struct trap_state trap_state;

typedef void (*btf_trace_trap_event)(void *, struct task_struct *task, __u64 flags);
typedef void (*btf_trace_task_newtask)(void *, struct task_struct *task, __u64 flags);
typedef void (*btf_trace_sys_enter)(void *, void *regs, long id);
btf_trace_trap_event *keep_1;
btf_trace_task_newtask *keep_2;
btf_trace_sys_enter *keep_3;
trap_typedef *keep_4;
trap_fn *keep_5;
trap_byte *keep_6;
trap_anon *keep_7;
enum trap_kind *keep_8;
enum trap_wide *keep_9;
enum trap_signed *keep_10;
#define KEEP(n, type) type *keep_##n
KEEP(20, struct trap);
KEEP(21, struct trap_bits);
KEEP(22, union trap_union);
KEEP(23, struct trap_renamed);
KEEP(24, struct trap_flavour);
KEEP(25, struct trap_empty);
KEEP(26, struct trap_same);
KEEP(27, struct trap_fewer);
KEEP(28, struct trap_other);
KEEP(29, union trap_uni);
KEEP(30, struct trap_ptrs);
KEEP(31, struct trap_dup);
KEEP(32, struct trap_dup___2);
KEEP(33, struct trap_many);
KEEP(34, struct trap_many___b);
KEEP(35, struct bpf_struct_ops_trap_ops);
KEEP(36, struct trap_bare_ops);
KEEP(37, struct bpf_iter__task);
KEEP(38, struct bpf_iter__task_file);

#define FUNC(ret, name, args) ret name args { return (ret)0; }
FUNC(int, trap_kfunc, (int x))
FUNC(int, trap_kfunc_ptr, (struct task_struct *x))
FUNC(int, trap_target, (int x))
FUNC(int, bpf_lsm_trap_hook, (void *file))
FUNC(int, bpf_lsm_file_open, (void *file))
FUNC(int, bpf_lsm_bprm_committed_creds, (void *bprm))
FUNC(int, bpf_lsm_socket_bind, (void *sock))
FUNC(int, bpf_iter_task, (void *meta, struct task_struct *task))
FUNC(int, bpf_iter_task_file, (void *meta, struct task_struct *task))
FUNC(int, bpf_fentry_test1, (int a))
FUNC(int, bpf_modify_return_test, (int a, int *b))
FUNC(void, bpf_throw, (__u64 cookie))
static __attribute__((noinline)) int trap_static_kfunc(int x) { asm volatile("" : "+r"(x)); return x; }
int trap_calls_static(int x) { return trap_static_kfunc(x); }
