//! What a deterministic simulation replaces, for the thread that it runs on: the time of day, and
//! threads that may block. Nobody else is to call [`begin`].

use std::cell::Cell;

use model::Timestamp;

thread_local! {
    static NOW: Cell<Option<fn() -> Timestamp>> = const { Cell::new(None) };
}

/// From now on this thread's time of day is what `now` says, and what may block is done where it is
/// asked for, so that no other thread's pace shows.
pub fn begin(now: fn() -> Timestamp) {
    NOW.set(Some(now));
}

/// The time of day, on a thread that simulates.
pub(crate) fn now() -> Option<Timestamp> {
    NOW.get().map(|now| now())
}

/// Tells whether this thread simulates.
pub(crate) fn is_on() -> bool {
    NOW.get().is_some()
}
