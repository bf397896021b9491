//! The end of a shard's engines.

use std::time::Duration;

use engine::StopHow;
use model::{CacheDesired, Persistence, shard::Kept};
use runtime::chain;

use super::{DISCARD_GRACE, ShardRunner, keeping::wanted, node_index};
use crate::cache::store::CacheStore;

/// How long a leader may take to save its data set at an orderly stop.
pub(super) const SAVE_GRACE: Duration = Duration::from_secs(240);

impl ShardRunner {
    /// Stops in order: the leader saves its data set first, while whoever follows it still can.
    /// With a whole append-only file nothing need be saved: it has everything, and is loaded next.
    pub(in crate::cache) async fn stop(&mut self, store: &mut CacheStore, order: &CacheDesired) {
        let memory = store.shard(self.shard).memory;
        let leader = usize::from(memory.leader);
        let node = memory.leader;
        let has_file = memory.kept == Some(Kept::AppendOnly { node }) && memory.saved.is_none();
        self.let_lease_go();
        if has_file {
            self.stop_appending(leader).await;
        }
        if let Some(node) = self.slots.get_mut(leader).and_then(|slot| slot.node.take()) {
            match node.stop(StopHow::SaveSnapshot, SAVE_GRACE).await {
                Ok(stopped) if stopped.snapshot_saved => {
                    if let Persistence::Snapshots { .. } = wanted(order) {
                        self.keep_last_snapshot(leader);
                    }
                    let saved = node_index(leader);
                    let kept = store.change_shard(self.shard, |file| file.memory.saved = saved);
                    if let Err(error) = kept {
                        tracing::error!(error = %chain(&error), "the saved data set cannot be noted");
                    }
                }
                Ok(_) => tracing::error!("an engine stopped without saving its data set"),
                Err(error) => tracing::error!(error = %chain(&error), "an engine does not stop"),
            }
        }
        self.discard(false).await;
    }

    async fn stop_appending(&mut self, leader: usize) {
        let slot = self.slots.get_mut(leader);
        if let Some(node) = slot.and_then(|slot| slot.node.take())
            && let Err(error) = node.stop(StopHow::KeepAppendOnly, SAVE_GRACE).await
        {
            tracing::error!(error = %chain(&error), "an engine does not stop");
        }
    }

    /// Stops what runs without saving, and ends the link's half; `remove`: with its files.
    pub(in crate::cache) async fn discard(&mut self, remove: bool) {
        // What is not saved yet is saved by the next run.
        self.saving = None;
        for slot in &mut self.slots {
            if let Some(node) = slot.node.take()
                && let Err(error) = node.stop(StopHow::Discard, DISCARD_GRACE).await
            {
                tracing::error!(error = %chain(&error), "an engine does not stop");
            }
        }
        self.link.close(remove).await;
    }
}
