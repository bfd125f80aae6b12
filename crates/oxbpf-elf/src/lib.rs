//! ELF files as BPF sees them.
