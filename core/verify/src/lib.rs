//! Compares the two sides of a link, key by key, while both serve and are written to. No sockets:
//! [`Progress`] says what is to be done next, [`Reading`] what to ask of a key, [`compare`] and
//! [`Suspect`] what the answers mean.
//!
//! In: answers of engines ([`Reply`]). Out: commands, [`Difference`]s, a [`Verdict`].
//!
//! # Why keys are compared and not sums
//!
//! One could add up a digest for each hash slot on either side, and look into the slots that
//! differ. We compare each key at once instead, on both sides within moments, because
//!
//! - sums taken minutes apart differ in nearly every slot while the geo-primary is written to, and
//!   `SCAN` cannot be asked for a slot: to look into any of them everything is read again;
//! - a sum must not count a key twice that `SCAN` names twice, so every key seen must be
//!   remembered, or everything is scanned many times so that what is remembered stays small.
//!   Comparing a key twice does no harm, so nothing is remembered here, and each side is scanned once
//!   however many keys there are;
//! - a cursor of `SCAN` is a place to go on from after a restart that is never further back than
//!   the last second. It means something to one process of the engine: where another answers,
//!   the scan of that database (and no other) begins anew.
//!
//! What one sees of a key is still a digest of 128 bits ([`Facts`]), so that no value is held, told
//! or written to a file. The hash slot of a different key is told with it.
//!
//! Invariants: no command holds an engine for longer than a page of some 64 KiB (1 MiB of a large
//! string) takes, except `DUMP` of a module's type, which has no pages; a key is different only
//! when it was so in several rounds ([`Suspect`]) in each of which the geo-primary did not change
//! it and the geo-secondary had applied what the geo-primary had; a key that expires meanwhile is
//! not different; digests do not depend on encodings, on the order of what has none, on page sizes, or
//! on what an engine names twice, and are the same on every machine.
//!
//! It does not know how far the geo-secondary is (its caller waits for that), what time it is, or
//! what a value is.

#![warn(missing_docs)]
#![deny(clippy::indexing_slicing, clippy::panic, clippy::expect_used)]

mod budget;
mod compare;
mod digest;
mod facts;
mod key;
mod progress;
mod reading;
mod reply;
mod suspect;

pub use budget::Budget;
pub use compare::{Clocks, Compared, Difference, Side, compare};
pub use digest::{Digest, ParseDigestError};
pub use facts::{Facts, Kind, Measure, Seen};
pub use key::Key;
pub use progress::{Found, Options, Progress, ResumeError, Scan, Subject, Tally, Verdict, Work};
pub use reading::Reading;
pub use reply::{Command, Reply, Unexpected, scanned};
pub use suspect::{Finding, Judgement, Round, Rules, Suspect};
