// SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause
// Nothing but a licence.
#include "vmlinux_min.h"
#include <oxbpf/helpers.h>

char LICENSE[] SEC("license") = "GPL";
