/* SPDX-License-Identifier: LGPL-2.1 OR BSD-2-Clause */
/* The version of libbpf's interface that these headers have. */
#ifndef __LIBBPF_VERSION_H
#define __LIBBPF_VERSION_H

#define LIBBPF_MAJOR_VERSION 1
#define LIBBPF_MINOR_VERSION 8

#endif
