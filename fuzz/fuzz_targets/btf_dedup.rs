//! `cargo fuzz run btf_dedup`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oxbpf_fuzz::targets::btf_dedup(data));
