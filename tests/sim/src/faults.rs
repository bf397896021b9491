//! What befalls a run, and when: drawn from its seed.

use std::time::Duration;

use rand::{RngExt as _, rngs::StdRng};

/// Something that goes wrong, or is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A host is killed, and started again after so long.
    Crash(&'static str, Duration),
    /// Two hosts do not reach each other for so long.
    Partition(&'static str, &'static str, Duration),
    /// One host does not reach another for so long.
    Mute(&'static str, &'static str, Duration),
}

/// The hosts that are killed. Engines outlive their agents.
const MORTAL: [&str; 3] = ["control", "eastus", "westus"];
/// The pairs between which the network fails.
const PAIRS: [(&str, &str); 3] = [
    ("eastus", "westus"),
    ("control", "eastus"),
    ("control", "westus"),
];

/// Faults in order of time, all within `length`.
pub(crate) fn draw(dice: &mut StdRng, length: Duration) -> Vec<(Duration, Fault)> {
    let count = dice.random_range(2..8);
    let millis = u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let mut faults: Vec<_> = (0..count)
        .map(|_| {
            let at = Duration::from_millis(dice.random_range(0..millis));
            let lasts = Duration::from_millis(dice.random_range(50..20_000));
            (at, one(dice, lasts))
        })
        .collect();
    faults.sort_by_key(|(at, _)| *at);
    faults
}

fn one(dice: &mut StdRng, lasts: Duration) -> Fault {
    let (a, b) = PAIRS[dice.random_range(0..PAIRS.len())];
    match dice.random_range(0..4) {
        0 | 1 => Fault::Crash(MORTAL[dice.random_range(0..MORTAL.len())], lasts),
        2 => Fault::Partition(a, b, lasts),
        _ if dice.random_bool(0.5) => Fault::Mute(a, b, lasts),
        _ => Fault::Mute(b, a, lasts),
    }
}
