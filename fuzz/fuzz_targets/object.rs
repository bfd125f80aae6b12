//! `cargo fuzz run object`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oxbpf_fuzz::targets::object(data));
