//! Sessions of clients: see `fuzz_replay::session_machine`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_replay::session_machine(data));
