// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Externs from the kernel's configuration, of every type: bool, tristate, char, integers, strings, weak ones, and the
// virtual ones that no configuration file has.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

extern bool CONFIG_BPF_SYSCALL __kconfig;
extern enum libbpf_tristate CONFIG_MODULES __kconfig;
extern char CONFIG_PRINTK __kconfig;
extern signed char CONFIG_SCHAR_WEAK __kconfig __weak;
extern short CONFIG_SHORT_WEAK __kconfig __weak;
extern int CONFIG_HZ __kconfig;
extern unsigned int CONFIG_NR_CPUS __kconfig;
extern unsigned long CONFIG_PHYSICAL_START __kconfig;
extern __u64 CONFIG_ILLEGAL_POINTER_VALUE __kconfig;
extern char CONFIG_DEFAULT_HOSTNAME[16] __kconfig;
extern char CONFIG_EMPTY_WEAK[8] __kconfig __weak;
extern bool CONFIG_OXBPF_MISSING __kconfig __weak;
extern const int CONFIG_LOG_BUF_SHIFT __kconfig;
extern int LINUX_KERNEL_VERSION __kconfig;
extern bool LINUX_HAS_SYSCALL_WRAPPER __kconfig __weak;
extern bool LINUX_HAS_BPF_COOKIE __kconfig __weak;

__u64 sum;

SEC("socket")
int read_config(struct __sk_buff *skb)
{
	sum = CONFIG_BPF_SYSCALL + CONFIG_MODULES + CONFIG_PRINTK + CONFIG_SCHAR_WEAK + CONFIG_SHORT_WEAK + CONFIG_HZ +
	      CONFIG_NR_CPUS + CONFIG_PHYSICAL_START + CONFIG_ILLEGAL_POINTER_VALUE + CONFIG_DEFAULT_HOSTNAME[0] +
	      CONFIG_EMPTY_WEAK[1] + CONFIG_OXBPF_MISSING + CONFIG_LOG_BUF_SHIFT + LINUX_KERNEL_VERSION +
	      LINUX_HAS_SYSCALL_WRAPPER + LINUX_HAS_BPF_COOKIE;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
