#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| footlight_fuzz_bodies::tcp_frames(data));
