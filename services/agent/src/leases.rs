//! The leases of this region's geo-primaries, as the control plane's answers bring them.
//!
//! They live in memory alone: an agent that is started again has none, and asks for new ones. What
//! engines are told of them is each cache's worker's business.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::{CacheUid, Epoch, HeldLease, Lease, ShardIndex};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

/// Every lease that is held, and who is to know.
pub(crate) struct Leases {
    /// Moments of leases are counted from here.
    start: Instant,
    caches: Mutex<BTreeMap<CacheUid, Cache>>,
    /// Somebody waits for a lease: the next report cannot be soon enough.
    wanted: Notify,
}

#[derive(Default)]
struct Cache {
    held: HeldLease,
    /// The epoch in which a worker needs it; `None`: none does.
    needed: Option<Epoch>,
    /// Wakes that worker.
    worker: Option<Arc<Notify>>,
    /// Connections that acknowledge for it, for each shard.
    keepers: BTreeMap<ShardIndex, u32>,
}

impl Leases {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            caches: Mutex::default(),
            wanted: Notify::new(),
        }
    }

    fn since_start(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.start)
    }

    /// Takes the answer to a report that was sent at `asked`, and wakes whoever it gives a lease to
    /// that had none.
    pub(crate) fn take(&self, leases: &[Lease], asked: Instant) {
        let asked = self.since_start(asked);
        let now = self.since_start(Instant::now());
        let mut caches = self.caches.lock();
        for lease in leases {
            let cache = caches.entry(lease.cache.clone()).or_default();
            let before = cache.is_held(now);
            cache.held.renew(lease, asked);
            if cache.is_held(now) != before
                && let Some(worker) = &cache.worker
            {
                worker.notify_one();
            }
        }
    }

    /// A worker needs the cache's lease in this epoch, or needs none any more.
    pub(crate) fn need(&self, uid: &CacheUid, epoch: Option<Epoch>, worker: &Arc<Notify>) {
        let mut caches = self.caches.lock();
        let Some(epoch) = epoch else {
            caches.remove(uid);
            return;
        };
        let cache = caches.entry(uid.clone()).or_default();
        let news = cache.needed != Some(epoch);
        cache.needed = Some(epoch);
        cache.worker = Some(Arc::clone(worker));
        drop(caches);
        if news {
            self.wanted.notify_one();
        }
    }

    /// How long writes may be taken; `None`: they may not.
    pub(crate) fn left(&self, uid: &CacheUid) -> Option<Duration> {
        let now = self.since_start(Instant::now());
        let caches = self.caches.lock();
        let cache = caches.get(uid)?;
        let left = cache.held.left(cache.needed?, now);
        (!left.is_zero()).then_some(left)
    }

    /// Wakes the worker of a cache that needs one.
    pub(crate) fn wake(&self, uid: &CacheUid) {
        let caches = self.caches.lock();
        let worker = caches.get(uid).and_then(|cache| cache.worker.as_ref());
        if let Some(worker) = worker {
            worker.notify_one();
        }
    }

    /// How many connections acknowledge for a shard's engine; `None`: none is asked to.
    pub(crate) fn note_keepers(&self, uid: &CacheUid, shard: ShardIndex, count: Option<u32>) {
        if let Some(cache) = self.caches.lock().get_mut(uid) {
            match count {
                Some(count) => cache.keepers.insert(shard, count),
                None => cache.keepers.remove(&shard),
            };
        }
    }

    /// How long the lease still counts and what acknowledges for a shard; `None`: none is needed.
    pub(crate) fn figures(&self, uid: &CacheUid, shard: ShardIndex) -> Option<(Duration, u32)> {
        let left = self.left(uid).unwrap_or_default();
        let caches = self.caches.lock();
        let cache = caches.get(uid).filter(|cache| cache.needed.is_some())?;
        let keepers = cache.keepers.get(&shard).copied();
        Some((left, keepers.unwrap_or_default()))
    }

    /// Tells whether anybody here needs a lease.
    pub(crate) fn are_needed(&self) -> bool {
        self.caches
            .lock()
            .values()
            .any(|cache| cache.needed.is_some())
    }

    /// Resolves when somebody waits for one.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }
}

impl Cache {
    fn is_held(&self, now: Duration) -> bool {
        self.needed
            .is_some_and(|epoch| self.held.is_held(epoch, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(epoch: u64) -> Lease {
        Lease {
            cache: CacheUid::new("a"),
            epoch: Epoch(epoch),
            ms: 10_000,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_worker_is_woken_when_its_lease_is_there_and_counts_from_the_report() {
        let (leases, uid) = (Leases::new(), CacheUid::new("a"));
        let worker = Arc::new(Notify::new());
        leases.need(&uid, Some(Epoch(2)), &worker);
        let asked = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        leases.take(&[lease(1)], asked);
        assert_eq!(leases.left(&uid), None, "it is of another epoch");
        leases.take(&[lease(2)], asked);
        worker.notified().await;
        let left = leases.left(&uid).unwrap();
        assert!(left < Duration::from_secs(5), "{left:?}");
        tokio::time::advance(left).await;
        assert_eq!(leases.left(&uid), None);
    }

    #[tokio::test]
    async fn a_lease_that_nobody_needs_is_forgotten() {
        let (leases, uid) = (Leases::new(), CacheUid::new("a"));
        let worker = Arc::new(Notify::new());
        leases.need(&uid, Some(Epoch(1)), &worker);
        leases.take(&[lease(1)], Instant::now());
        assert!(leases.left(&uid).is_some() && leases.are_needed());
        leases.need(&uid, None, &worker);
        leases.need(&uid, Some(Epoch(1)), &worker);
        assert_eq!(leases.left(&uid), None);
    }
}
