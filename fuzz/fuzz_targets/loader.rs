//! `cargo fuzz run loader`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oxbpf_fuzz::targets::loader(data));
