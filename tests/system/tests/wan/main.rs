//! Links over a bad WAN: cuts, outages, kills, damage and strangers. Nothing is lost, and no full
//! sync happens that need not.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod data;
mod full_sync;
mod journal;
mod kills;
mod outages;
mod slow;
mod sources;
mod strangers;

/// Whether to run at the sizes that a release is tried with (an hour or so), not at those of every
/// day.
const AT_LENGTH: bool = false;

/// One of two sizes.
const fn size(every_day: u64, at_length: u64) -> u64 {
    if AT_LENGTH { at_length } else { every_day }
}
