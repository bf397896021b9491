//! What happened, in the order that it happened: the same seed gives the same lines.

use std::{fmt, sync::Arc, time::Duration};

use parking_lot::Mutex;

/// A shared, growing account of a run.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    /// Adds a line, with the simulated time. Hosts have one.
    pub(crate) fn note(&self, line: fmt::Arguments<'_>) {
        self.note_at(turmoil::sim_elapsed().unwrap_or_default(), line);
    }

    /// Adds a line of somebody who stands beside the hosts.
    pub(crate) fn note_at(&self, at: Duration, line: fmt::Arguments<'_>) {
        self.0.lock().push(format!("{:>9} {line}", at.as_millis()));
    }

    /// All lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}
