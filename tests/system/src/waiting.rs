//! Waiting for a condition, never for a time.

use std::{thread, time::Duration};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(20);

/// Asks until `ask` gives something; panics with `what` when it never does.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let looks = PATIENCE.as_millis() / LOOK.as_millis();
    for _ in 0..looks {
        if let Some(found) = ask() {
            return found;
        }
        thread::sleep(LOOK);
    }
    panic!("gave up after {} s: {what}", PATIENCE.as_secs())
}

/// Waits until `test` holds.
pub fn until_true(what: &str, mut test: impl FnMut() -> bool) {
    until(what, || test().then_some(()));
}
