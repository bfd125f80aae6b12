//! Test fixtures, oracles and skips of oxbpf's own tests.
