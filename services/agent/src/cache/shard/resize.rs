//! Changes of a shard's size: what does not fit is not done, and what is done is told while it moves.

use std::time::Duration;

use engine::Node;
use model::{CacheDesired, does_not_fit};
use runtime::chain;
use tokio::time::Instant;

use super::ShardRunner;
use crate::cache::{node::Slot, store::CacheStore};

/// What has not moved for so long does not move.
const STUCK: Duration = Duration::from_secs(60);

/// A change as this run of the agent carries it out.
#[derive(Default)]
pub(super) struct ShardResize {
    /// The revision that is not carried out, and why.
    refused: Option<(u64, String)>,
    /// What is being done, and since when nothing of it moved.
    doing: Option<(String, Instant)>,
    /// By what it is told that something moved.
    marks: Vec<u64>,
}

impl ShardRunner {
    /// Tells whether the engines may take the order's settings: not when the data would have no room
    /// in them, which is looked at right before.
    pub(super) async fn may_apply(
        &mut self,
        store: &CacheStore,
        desired: &CacheDesired,
    ) -> Result<bool, String> {
        if let Some((revision, why)) = &self.resize.refused {
            if *revision == desired.revision {
                return Err(why.clone());
            }
            self.resize.refused = None;
        }
        let file = store.shard(self.shard);
        let leader = usize::from(file.memory.leader);
        if file.applied.get(leader) == Some(&desired.revision) {
            return Ok(true);
        }
        // The others follow what the leading node may do.
        let slot = self.slots.get(leader).filter(|slot| slot.answers());
        let Some(node) = slot.and_then(|slot| slot.node.clone()) else {
            return Ok(false);
        };
        match self.look_at_room(&node, desired).await? {
            None => Ok(true),
            Some(why) => {
                tracing::warn!(cache.id = %desired.id.name, shard = %self.shard, why, "a change is not carried out");
                self.resize.refused = Some((desired.revision, why.clone()));
                Err(why)
            }
        }
    }

    async fn look_at_room(
        &self,
        node: &Node,
        desired: &CacheDesired,
    ) -> Result<Option<String>, String> {
        let info = node
            .info()
            .await
            .map_err(|error| chain(&error).to_string())?;
        let used = info.used_memory.saturating_sub(info.uncounted_memory);
        let room = desired.settings.maxmemory_bytes;
        let refused = does_not_fit(used, info.maxmemory, room);
        Ok(refused.map(|why| format!("the data of shard {} do not fit: {why}", self.shard)))
    }

    /// What is not carried out: nothing of it was changed.
    pub(in crate::cache) fn refused(&self) -> Option<(u64, String)> {
        self.resize.refused.clone()
    }

    /// What is being done, unless it has not moved for long.
    pub(in crate::cache) fn doing(&self) -> Option<String> {
        let (doing, since) = self.resize.doing.as_ref()?;
        (since.elapsed() < STUCK).then(|| doing.clone())
    }

    /// Sees whether anything moved since the last look.
    pub(super) fn note_progress(&mut self, desired: &CacheDesired) {
        let marks: Vec<u64> = self.slots.iter().flat_map(mark).collect();
        let writes = |slot: &Slot| {
            let disk = slot.figures.on_disk;
            slot.figures.loading || disk.saving || disk.rewriting
        };
        // An engine that loads or writes its data set tells nothing of how far it is.
        let moved = self.moved || marks != self.resize.marks || self.slots.iter().any(writes);
        self.resize.marks = marks;
        let since = match &self.resize.doing {
            Some((_, since)) if !moved => *since,
            Some(_) | None => Instant::now(),
        };
        self.resize.doing = Some((self.activity(desired), since));
    }

    /// What the shard waits for, in a few words.
    fn activity(&self, desired: &CacheDesired) -> String {
        let wanted = usize::from(desired.replicas) + 1;
        let nodes = self.slots.iter().enumerate();
        for (index, slot) in nodes.filter(|(_, slot)| slot.node.is_some()) {
            let disk = slot.figures.on_disk;
            if !slot.answers() || slot.figures.loading || !slot.is_connected() {
                return format!("node {index} to be filled with the data");
            }
            if !slot.is_fed() {
                return format!("node {index} to be in step");
            }
            if disk.rewriting {
                return format!("the append-only file of node {index} to be written");
            }
            if disk.saving {
                return "a snapshot to be written".to_owned();
            }
        }
        let running = self.slots.iter().filter(|slot| slot.node.is_some());
        if running.count() < wanted {
            return "nodes to be started".to_owned();
        }
        "the engines to take the change".to_owned()
    }
}

/// What of a node changes while it is being filled, or writes.
fn mark(slot: &Slot) -> [u64; 3] {
    let disk = slot.figures.on_disk;
    let flags = [
        slot.figures.loading,
        slot.is_connected(),
        slot.is_fed(),
        disk.saving,
        disk.appends,
        disk.rewriting,
    ];
    let flags = flags.iter().fold(0, |all, flag| all * 2 + u64::from(*flag));
    let filled = if slot.is_fed() {
        0
    } else {
        slot.figures.used_memory
    };
    [u64::from(slot.pid().unwrap_or_default()), flags, filled]
}
