//! What whoever sends clients to the shard's leading engine has to know of it.

use std::{net::SocketAddr, time::Duration};

use engine::EngineRole;
use model::{
    CacheDesired, GeoRole,
    rolling::RollStep,
    shard::{Gate, Step, holds_still},
};

use super::ShardRunner;
use crate::cache::store::CacheStore;

/// The shard's leading engine, as it was last seen.
pub(in crate::cache) struct Leading {
    /// Where it listens, while it runs and listens where the leading one is to.
    pub(in crate::cache) engine: Option<SocketAddr>,
    /// It takes clients' writes, or nobody knows.
    pub(in crate::cache) may_write: bool,
    /// It was promoted just now, and takes writes.
    pub(in crate::cache) took_over: bool,
}

impl ShardRunner {
    pub(in crate::cache) fn leading(&self, store: &CacheStore, desired: &CacheDesired) -> Leading {
        let file = store.shard(self.shard);
        let slot = self.slots.get(usize::from(file.memory.leader));
        let slot = slot.filter(|slot| slot.node.is_some());
        let address = slot.and_then(|slot| slot.address());
        let may_write = slot.is_some_and(|slot| match slot.replication() {
            Some(seen) => match seen.role {
                EngineRole::Primary => slot.gate() != Some(Gate::Shut),
                EngineRole::Replica { .. } => false,
            },
            // A process that is found is one of before; one that is started is started as a
            // replica.
            None => holds_still(&desired.role, &file.memory),
        });
        Leading {
            engine: address.filter(|_| address == store.file().service),
            may_write,
            took_over: self.took_over,
        }
    }

    /// The steps of the plan, which are all done, have made the leader a primary that takes writes.
    pub(super) fn takes_over(
        &self,
        store: &CacheStore,
        desired: &CacheDesired,
        steps: &[RollStep],
    ) -> bool {
        let may = match &desired.role {
            GeoRole::Alone | GeoRole::Primary { .. } => true,
            GeoRole::Yielding { .. } | GeoRole::Secondary { .. } | GeoRole::Taking { .. } => false,
        };
        let leader = store.shard(self.shard).memory.leader;
        let promoted = steps.contains(&RollStep::Usual(Step::StandAlone { node: leader }));
        let slot = self.slots.get(usize::from(leader));
        let open = slot.is_some_and(|slot| slot.gate() != Some(Gate::Shut));
        may && promoted && open
    }

    /// To the other side and back, as far as it is known.
    pub(super) fn round_trip(&self) -> Duration {
        self.link.round_trip().unwrap_or_default()
    }
}
