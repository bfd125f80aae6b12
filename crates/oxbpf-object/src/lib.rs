//! A BPF ELF object and its BTF in, a pure ObjectSpec out.
