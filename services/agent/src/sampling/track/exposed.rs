//! What a scrape shows of a cache: its latest figures, and what its counters came to since the agent
//! started.

use std::{collections::BTreeMap, time::Duration};

use model::{Cell, Figure, Series, ShardIndex};
use tokio::time::Instant;

/// By figure, shard, and the value of the label that some figures have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exposed {
    /// When the shard's leading node was read last.
    read: BTreeMap<u16, Instant>,
    pub(crate) latest: BTreeMap<Line, f64>,
    pub(crate) totals: BTreeMap<Line, f64>,
}

/// A figure, its shard, and the value of its label (`""` without one).
pub(crate) type Line = (Figure, u16, &'static str);

impl Exposed {
    pub(super) fn lead(&mut self, shard: ShardIndex, at: Instant) {
        self.read.insert(shard.0, at);
    }

    /// Takes a sample; those of nodes that do not lead are for the management API alone.
    pub(super) fn note(&mut self, series: Series, cell: Cell) {
        let Some(label) = series.part.label() else {
            return;
        };
        let line = (series.figure, series.shard, label);
        self.latest.insert(line, cell.average());
        *self.totals.entry(line).or_default() += cell.total;
    }

    pub(super) fn fresh(&self, age: Duration) -> Option<Self> {
        let fresh = self.read.values().any(|at| at.elapsed() <= age);
        fresh.then(|| self.clone())
    }
}
