//! Checks that a BPF program is well formed before it runs.
