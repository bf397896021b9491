//! What a primary sends: see `fuzz_replay::psync_replica_side`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_replay::psync_replica_side(data));
