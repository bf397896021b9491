//! What engines answer: see `fuzz_replay::reply_frames`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_replay::reply_frames(data));
