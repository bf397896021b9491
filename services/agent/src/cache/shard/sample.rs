//! Passes on what metrics are made of.

use model::ShardStanding;

use super::{ShardRunner, node_index};
use crate::{
    cache::{front::Front, store::CacheStore},
    sampling::Place,
};

impl ShardRunner {
    /// Passes on what the last look read of the nodes. Clients are counted together with the node
    /// that leads: the gateway has them all there.
    pub(super) fn sample(&mut self, store: &CacheStore, front: &Front) {
        let leader = usize::from(store.shard(self.shard).memory.leader);
        let sampling = &self.host.sampling;
        for (index, slot) in self.slots.iter_mut().enumerate() {
            let Some(node) = node_index(index) else {
                continue;
            };
            let Some((sample, answers)) = slot.take_sample() else {
                continue;
            };
            let place = Place {
                shard: self.shard,
                node,
                leads: index == leader,
            };
            if place.leads {
                sampling.note_clients(&self.uid, place, &front.status(), sample.at);
            }
            sampling.note_node(&self.uid, place, &sample, answers);
        }
    }

    /// Passes on who leads, and whether the data are gone.
    pub(super) fn note_standing(&self, store: &CacheStore) {
        let place = Place {
            shard: self.shard,
            node: store.shard(self.shard).memory.leader,
            leads: true,
        };
        let lost = self.observed.standing == ShardStanding::Lost;
        self.host.sampling.note_standing(&self.uid, place, lost);
    }
}
