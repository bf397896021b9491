//! What clients send: see `fuzz_replay::request_frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_replay::request_frames(data));
