//! Waiting for a condition, never for a time.

use std::{thread, time::Duration};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// Asks until `ask` gives something; panics with `what` when it never does.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    within(PATIENCE, what, ask)
}

/// As [`until`], for what takes longer by its nature.
pub fn within<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let looks = patience.as_millis() / LOOK.as_millis();
    for _ in 0..looks {
        if let Some(found) = ask() {
            return found;
        }
        thread::sleep(LOOK);
    }
    panic!("gave up after {} s: {what}", patience.as_secs())
}

/// Waits until `test` holds.
pub fn until_true(what: &str, mut test: impl FnMut() -> bool) {
    until(what, || test().then_some(()));
}
