//! What is reported of a shard.

use model::{
    CacheDesired, NodeObserved, ShardObserved, ShardStanding,
    shard::{Stance, fork_of},
};
use psync::Position;

use super::{ShardRunner, node_index};
use crate::cache::{node::Slot, store::CacheStore};

impl ShardRunner {
    pub(super) fn describe(
        &mut self,
        store: &CacheStore,
        desired: &CacheDesired,
        standing: &ShardStanding,
        clients: u64,
    ) {
        let leader = usize::from(store.shard(self.shard).memory.leader);
        let nodes = self.slots.iter().enumerate().filter_map(|(index, slot)| {
            slot.replication()?;
            let leads = index == leader;
            Some(NodeObserved {
                index: node_index(index)?,
                pid: slot.pid(),
                address: slot.address(),
                leads,
                in_step: if leads {
                    slot.is_connected()
                } else {
                    slot.is_fed()
                },
                build: slot.engine(),
            })
        });
        let nodes = nodes.collect();
        let first = self.slots.get(leader);
        let position = first
            .and_then(Slot::replication)
            .map(|seen| Position::new(seen.replid, seen.offset))
            .filter(|_| *standing != ShardStanding::Lost);
        let figures = first.map(|slot| slot.figures).unwrap_or_default();
        self.observed = ShardObserved {
            shard: self.shard,
            standing: standing.clone(),
            position,
            keys: figures.keys,
            used_memory: figures.used_memory,
            ops_per_second: figures.ops_per_second,
            clients,
            nodes,
            link: self.link.observed(&desired.role, position),
            fork: fork_of(&desired.role, &store.shard(self.shard).memory),
        };
    }

    /// Every wanted node is up with the order's settings and users, and the replicas are in step.
    pub(in crate::cache) fn is_settled(&self, store: &CacheStore, desired: &CacheDesired) -> bool {
        let file = store.shard(self.shard);
        let wanted = usize::from(desired.replicas) + 1;
        let leader_follows = file.memory.stance == Stance::Follower;
        let in_step = |node: &NodeObserved| node.in_step || (node.leads && leader_follows);
        let shown = &self.observed.nodes;
        let applied = |node: &NodeObserved| {
            let index = usize::from(node.index);
            let slot = self.slots.get(index);
            let admits = slot.is_some_and(|slot| slot.admits(&desired.door.users));
            let has = slot.and_then(Slot::databases);
            let sized = has == Some(desired.settings.databases);
            admits && sized && file.applied.get(index) == Some(&desired.revision)
        };
        let nodes =
            shown.len() == wanted && shown.iter().all(|node| in_step(node) && applied(node));
        nodes && self.keeps(&file.memory, desired)
    }
}
