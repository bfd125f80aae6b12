//! Load, attach and use BPF programs.
