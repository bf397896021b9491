//! How far the cache is with a change of what it is made of, as it is reported.

use model::{Persistence, PersistenceObserved, ResizeObserved};

use super::{Worker, shard::ShardRunner};

impl Worker {
    /// What is being done, as long as it moves, and what is not.
    pub(super) fn resize(&self, settled: bool) -> ResizeObserved {
        let shards = &self.shards;
        ResizeObserved {
            doing: (!settled)
                .then(|| shards.iter().find_map(ShardRunner::doing))
                .flatten(),
            refused: shards.iter().find_map(ShardRunner::refused),
        }
    }

    /// What persistence has on disk, or ends.
    pub(super) fn persistence(&self) -> Vec<PersistenceObserved> {
        let kept = self.shards.iter().map(ShardRunner::kept_on_disk);
        let kept: Vec<_> = kept.collect();
        let none = |shard: &PersistenceObserved| shard.in_force == Persistence::Off;
        let asked = self.order.persistence != Persistence::Off;
        if asked || !kept.iter().all(none) {
            kept
        } else {
            Vec::new()
        }
    }
}
