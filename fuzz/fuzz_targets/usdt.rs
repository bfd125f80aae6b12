//! `cargo fuzz run usdt`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| oxbpf_fuzz::targets::usdt(data));
