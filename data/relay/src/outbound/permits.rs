//! Turns for full syncs: few at a time between two regions, so that each is over sooner.

use std::{
    collections::BTreeMap,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use model::Region;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The turns of an outbound. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Permits(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Full syncs that are sent to one region at the same time.
    at_once: AtomicUsize,
    regions: Mutex<BTreeMap<Region, Arc<Semaphore>>>,
}

impl Permits {
    /// One at a time.
    pub(super) fn new() -> Self {
        Self(Arc::new(Inner {
            at_once: AtomicUsize::new(1),
            regions: Mutex::default(),
        }))
    }

    /// So many at a time, for regions that were not asked about yet.
    pub(super) fn allow(&self, at_once: NonZeroUsize) {
        self.0.at_once.store(at_once.get(), Ordering::Relaxed);
    }

    /// Waits for a turn; it ends when what is returned is dropped.
    pub(super) async fn turn(&self, peer: &Region) -> Option<OwnedSemaphorePermit> {
        let turns = {
            let at_once = self.0.at_once.load(Ordering::Relaxed);
            let mut regions = self.0.regions.lock();
            let turns = regions
                .entry(peer.clone())
                .or_insert_with(|| Arc::new(Semaphore::new(at_once)));
            Arc::clone(turns)
        };
        // They are never closed.
        turns.acquire_owned().await.ok()
    }
}
