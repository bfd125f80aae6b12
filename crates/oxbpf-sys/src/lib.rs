//! The Linux back end of oxbpf.
