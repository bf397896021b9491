//! Tells the control plane what is seen: at once when something changed that it may act on, and
//! twice a second in any case.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::{CacheObserved, CacheUid, RegionObserved};
use parking_lot::Mutex;
use runtime::chain;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use crate::cache::Host;

/// How long a report may be old.
const PERIOD: Duration = Duration::from_millis(500);

/// Where the workers pin up what they see.
#[derive(Default)]
pub(crate) struct Board {
    seen: Mutex<Seen>,
    changed: Notify,
}

#[derive(Default)]
struct Seen {
    generation: u64,
    problem: Option<String>,
    caches: BTreeMap<CacheUid, CacheObserved>,
}

impl Board {
    /// The generation that every worker has its order from.
    pub(crate) fn acts_on(&self, generation: u64) {
        self.seen.lock().generation = generation;
        self.changed.notify_one();
    }

    pub(crate) fn set_problem(&self, problem: Option<String>) {
        self.seen.lock().problem = problem;
    }

    pub(crate) fn pin(&self, observed: CacheObserved) {
        let news = {
            let mut seen = self.seen.lock();
            let before = seen.caches.get(&observed.uid);
            let news = before.is_none_or(|before| is_news(before, &observed));
            seen.caches.insert(observed.uid.clone(), observed);
            news
        };
        if news {
            self.changed.notify_one();
        }
    }

    pub(crate) fn unpin(&self, uid: &CacheUid) {
        self.seen.lock().caches.remove(uid);
        self.changed.notify_one();
    }

    fn snapshot(&self, host: &Host) -> RegionObserved {
        let seen = self.seen.lock();
        RegionObserved {
            region: host.region.clone(),
            generation: seen.generation,
            relay_address: Some(host.outbound.address()),
            engine: Some(host.program.version),
            problem: seen.problem.clone(),
            caches: seen.caches.values().cloned().collect(),
            events: Vec::new(),
        }
    }
}

/// Tells changes that the control plane may act on from figures that move all the time.
fn is_news(before: &CacheObserved, after: &CacheObserved) -> bool {
    let shards = |cache: &CacheObserved| {
        cache
            .shards
            .iter()
            .map(|shard| {
                let link = shard.link.as_ref();
                let finished = link.map(|link| (link.connected, link.full_syncs_finished));
                (
                    shard.standing.clone(),
                    shard.keys == 0,
                    shard.nodes.clone(),
                    finished,
                )
            })
            .collect::<Vec<_>>()
    };
    (before.settled_revision, before.epoch, before.role)
        != (after.settled_revision, after.epoch, after.role)
        || before.endpoint != after.endpoint
        || before.problem != after.problem
        || shards(before) != shards(after)
}

/// Reports for ever.
pub(crate) async fn run(host: Arc<Host>) {
    let mut silent = false;
    loop {
        let report = host.board.snapshot(&host);
        match host.client.report(&report).await {
            Ok(()) => silent = false,
            Err(error) => {
                if !silent {
                    tracing::debug!(error = %chain(&error), "the report did not arrive");
                }
                silent = true;
                sleep(PERIOD).await;
                continue;
            }
        }
        // A change while the report was under way is kept by the notification.
        let waited = timeout(PERIOD, host.board.changed.notified()).await;
        drop(waited);
    }
}
