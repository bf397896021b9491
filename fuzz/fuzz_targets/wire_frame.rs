//! Frames of the WAN protocol: see `fuzz_replay::wire_frame`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_replay::wire_frame(data));
