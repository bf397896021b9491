//! Tokens: see `fuzz_replay::tokens_of_anybody`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_replay::tokens_of_anybody(data));
