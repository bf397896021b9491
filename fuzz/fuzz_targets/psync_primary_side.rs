//! What a replica sends: see `fuzz_replay::psync_primary_side`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_replay::psync_primary_side(data));
