//! What the leading engine is told of the cache's lease, and what acknowledges for it.

use std::{sync::Arc, time::Duration};

use engine::{EngineRole, INTERNAL_USER};
use model::{CacheDesired, shard::Gate};
use psync::Position;
use relay::{Credentials, Keepers, Kept};
use tokio::time::Instant;

use super::ShardRunner;
use crate::cache::{lease::Right, node::keepers_needed, store::CacheStore};

/// A primary that took writes without a lease goes on for so long when one is first asked for, so
/// that the change is not noticed.
const GRACE: Duration = Duration::from_secs(2);

/// The lease as a shard follows it.
#[derive(Default)]
pub(super) struct ShardLease {
    keepers: Option<Keepers>,
    /// Since when this run of the agent knows that one is needed.
    since: Option<Instant>,
}

impl ShardRunner {
    /// Has the leading engine acknowledged to while the lease is held. Gives what the planner is to
    /// know: `None`, no lease is asked for; otherwise whether writes may be taken with it.
    pub(super) fn follow_lease(
        &mut self,
        store: &CacheStore,
        desired: &CacheDesired,
        right: Right,
    ) -> Option<bool> {
        if right == Right::Unneeded {
            self.lease = ShardLease::default();
            self.host.leases.note_keepers(&self.uid, self.shard, None);
            return None;
        }
        let since = *self.lease.since.get_or_insert_with(Instant::now);
        let count = keepers_needed(u32::from(desired.replicas));
        let kept = self.kept(store, count);
        let leads = kept.is_some();
        let keepers = self.keepers();
        keepers.keep(kept.filter(|_| right != Right::Missing));
        let online = keepers.online();
        let figure = Some(online);
        self.host.leases.note_keepers(&self.uid, self.shard, figure);
        let gate = self.leading_gate(store);
        let counted = online >= count || gate == Some(Gate::Leased);
        if right != Right::Missing && counted {
            return Some(true);
        }
        let begins = leads && gate == Some(Gate::Open) && since.elapsed() < GRACE;
        (!begins).then_some(false)
    }

    /// Nothing acknowledges any more; the engine's stop would wait for it.
    pub(super) fn let_lease_go(&mut self) {
        self.lease = ShardLease::default();
    }

    fn keepers(&mut self) -> &mut Keepers {
        let (host, uid) = (&self.host, &self.uid);
        self.lease.keepers.get_or_insert_with(|| {
            let (leases, of) = (Arc::clone(&host.leases), uid.clone());
            let permission = Arc::new(move || Some(Instant::now() + leases.left(&of)?));
            let (leases, of) = (Arc::clone(&host.leases), uid.clone());
            let changed = move || leases.wake(&of);
            let shown_as = host.outbound.address();
            Keepers::new(&host.relay_tasks, shown_as, permission, changed)
        })
    }

    fn leading_gate(&self, store: &CacheStore) -> Option<Gate> {
        let leader = store.shard(self.shard).memory.leader;
        self.slots.get(usize::from(leader))?.gate()
    }

    /// The leading engine, when it is a primary that others can follow without a full sync.
    fn kept(&self, store: &CacheStore, count: u32) -> Option<Kept> {
        let leader = store.shard(self.shard).memory.leader;
        let slot = self.slots.get(usize::from(leader))?;
        let seen = slot.replication().filter(|_| slot.is_connected())?;
        let primary = match seen.role {
            EngineRole::Primary => true,
            EngineRole::Replica { .. } => false,
        };
        let has_backlog = seen.backlog_from.is_some();
        (primary && has_backlog).then_some(())?;
        Some(Kept {
            engine: slot.address()?,
            position: Position::new(seen.replid, seen.offset),
            credentials: Credentials {
                user: INTERNAL_USER.to_owned(),
                password: store.file().internal.clone(),
            },
            version: slot.engine()?.version,
            count,
        })
    }
}
