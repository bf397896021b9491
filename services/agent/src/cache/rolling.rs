//! An order to restart a cache's nodes, over all of its shards; and the engine that they are started
//! with.

use std::time::Duration;

use model::{EngineVersion, RollObserved, RollStanding};
use runtime::chain;

use super::{BEHIND, CALM, HOT, Worker};

impl Worker {
    /// What its leading node runs; before there is one, what it would run.
    pub(super) fn engine(&self) -> Option<EngineVersion> {
        let running = self
            .shards
            .first()
            .and_then(|shard| shard.runs(&self.store));
        let pinned = || self.store.file().engine.clone();
        let installed = || self.host.programs.installed().engine();
        let engine = running.or_else(pinned).unwrap_or_else(installed);
        Some(engine.version)
    }

    /// How the order stands.
    pub(super) fn rolling(&self) -> Option<RollObserved> {
        let order = self.order.roll.as_ref()?;
        let shares = self
            .shards
            .iter()
            .map(|shard| shard.rolling(&self.store, order));
        let shares: Vec<_> = shares.collect::<Option<_>>()?;
        let count = |part: fn(&RollObserved) -> u32| shares.iter().map(part).sum();
        let standing = |test: fn(&RollStanding) -> bool| {
            let found = shares.iter().find(|share| test(&share.standing))?;
            Some(found.standing.clone())
        };
        Some(RollObserved {
            order: order.id,
            standing: standing(|it| matches!(it, RollStanding::Stopped { .. }))
                .or_else(|| standing(|it| matches!(it, RollStanding::UnderWay { .. })))
                .unwrap_or(RollStanding::Done),
            restarted: count(|share| share.restarted),
            nodes: count(|share| share.nodes),
        })
    }

    /// How soon to look again while nodes are restarted.
    pub(super) fn rolls_in(&self) -> Duration {
        let changes_places = self.shards.iter().any(|shard| shard.changes_places());
        let rolls = self.shards.iter().any(|shard| shard.rolls());
        match (changes_places, rolls) {
            (true, _) => HOT,
            (false, true) => BEHIND,
            (false, false) => CALM,
        }
    }

    /// Notes what the nodes are started with: what they run when nobody has noted anything, and what
    /// an upgrade has brought to all of them.
    pub(super) async fn settle_engine(&mut self) -> Result<(), String> {
        for shard in &self.shards {
            shard.keep_programs().await;
        }
        let brought = self.order.roll.as_ref().and_then(|order| order.brings());
        let brought = brought.filter(|to| {
            let everywhere = |shard: &super::shard::ShardRunner| shard.runs_only(to);
            self.shards.iter().all(everywhere)
                && self.shards.iter().all(|s| s.has_rolled(&self.order))
        });
        let engine = match (brought, &self.store.file().engine) {
            (Some(to), _) => Some(to.clone()),
            (None, Some(_)) => return Ok(()),
            (None, None) => self
                .shards
                .first()
                .and_then(|shard| shard.runs(&self.store)),
        };
        let Some(engine) = engine else {
            return Ok(());
        };
        let everywhere = brought.is_some();
        let kept = self.store.change(|file| {
            file.engine = Some(engine);
            for shard in &mut file.shards {
                if everywhere {
                    shard.roll.builds.clear();
                }
            }
        });
        kept.map_err(|error| chain(&error).to_string())
    }
}
