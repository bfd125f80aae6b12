//! The embedded kernel: BPF in user space, without privilege.
