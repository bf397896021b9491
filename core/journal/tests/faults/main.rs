//! The journal on a disk that fails: power cuts, failed writes and syncs, damaged files, no room.

#![expect(
    clippy::unwrap_used,
    clippy::unwrap_in_result,
    reason = "a test may panic"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "offsets of tests are small"
)]

mod damage;
mod disk;
mod failures;
mod power;
mod random;
mod room;
mod script;
