//! Files of a journal: see `fuzz_replay::journal_open`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_replay::journal_open(data));
