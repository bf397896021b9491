//! Turns for full syncs: few at a time between two regions, so that each is over sooner.

use std::{collections::BTreeMap, sync::Arc};

use model::Region;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Full syncs that one agent sends to one region at the same time.
const AT_ONCE: usize = 1;

/// The turns of an outbound. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Permits(Arc<Mutex<BTreeMap<Region, Arc<Semaphore>>>>);

impl Permits {
    /// Waits for a turn; it ends when what is returned is dropped.
    pub(super) async fn turn(&self, peer: &Region) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let mut regions = self.0.lock();
            let turns = regions
                .entry(peer.clone())
                .or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE)));
            Arc::clone(turns)
        };
        // They are never closed.
        turns.acquire_owned().await.ok()
    }
}
