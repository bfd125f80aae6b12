/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/*
 * The filter that the tracing examples share: only commands of one name. A kernel shows every
 * process to a tracing program, so `--set targ_comm=cat` leaves the lines that a test can expect.
 */
#ifndef FILTER_H
#define FILTER_H

#include <oxbpf/helpers.h>

#define COMM_LEN 16

/* Set by a loader before load; empty lets every command through. */
const volatile char targ_comm[COMM_LEN] = "";

static __always_inline bool comm_wanted(void)
{
	char comm[COMM_LEN] = {};

	if (!targ_comm[0])
		return true;
	bpf_get_current_comm(comm, sizeof(comm));
	for (int i = 0; i < COMM_LEN; i++) {
		if (comm[i] != targ_comm[i])
			return false;
		if (!comm[i])
			break;
	}
	return true;
}

#endif
