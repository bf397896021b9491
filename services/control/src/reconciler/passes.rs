//! How long passes take, for `/metrics`.

use std::time::Duration;

use parking_lot::Mutex;

use super::Breadth;

/// The passes since the start.
#[derive(Default)]
pub(crate) struct Passes(Mutex<Counted>);

#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    restless: Took,
    everything: Took,
}

/// Passes of one breadth: looking and planning, without the commits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Took {
    /// How many there were.
    pub(crate) passes: u64,
    /// How long all of them took.
    pub(crate) total: Duration,
}

impl Passes {
    pub(super) fn took(&self, breadth: Breadth, time: Duration) {
        let mut counted = self.0.lock();
        let took = match breadth {
            Breadth::Restless => &mut counted.restless,
            Breadth::Everything => &mut counted.everything,
        };
        took.passes += 1;
        took.total += time;
    }

    /// What was counted, by a word for the breadth.
    pub(crate) fn counted(&self) -> [(&'static str, Took); 2] {
        let counted = *self.0.lock();
        [
            ("restless", counted.restless),
            ("everything", counted.everything),
        ]
    }
}
