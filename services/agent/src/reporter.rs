//! Tells the control plane what is seen: at once when something changed that it may act on, and
//! twice a second in any case.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use model::{
    CacheObserved, CacheUid, EventKind, EventObserved, LinkId, RegionObserved, ShardIndex,
};
use parking_lot::Mutex;
use relay::Event;
use runtime::{chain, clock::Clock, tasks::Tasks};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep, timeout},
};

use crate::{cache::Host, lost_writes::Errands};

/// An answer that takes longer comes too late for a lease: the shortest one leaves not even four
/// seconds, and there has to be time to ask again.
const LEASE_LIMIT: Duration = Duration::from_millis(1_500);
/// An answer that takes longer is as good as lost.
const LIMIT: Duration = Duration::from_secs(10);

/// How long a report may be old.
const PERIOD: Duration = Duration::from_millis(500);

/// Events that are repeated in each report.
const EVENTS: usize = 64;

/// Where the workers pin up what they see.
pub(crate) struct Board {
    /// Names this run of the agent.
    boot: u64,
    seen: Mutex<Seen>,
    changed: Notify,
}

#[derive(Default)]
struct Seen {
    generation: u64,
    problem: Option<String>,
    caches: BTreeMap<CacheUid, CacheObserved>,
    events: VecDeque<EventObserved>,
    told: u64,
}

impl Board {
    pub(crate) fn new(boot: u64) -> Self {
        Self {
            boot,
            seen: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Keeps an event for the next reports.
    pub(crate) fn tell(&self, event: Event) {
        let Event { key, kind, text } = event;
        self.tell_of(key.link, Some(key.shard), kind, text);
    }

    /// As [`Board::tell`], of something that need not be one shard's.
    pub(crate) fn tell_of(
        &self,
        link: LinkId,
        shard: Option<ShardIndex>,
        kind: EventKind,
        text: String,
    ) {
        let mut seen = self.seen.lock();
        seen.told += 1;
        let sequence = seen.told;
        seen.events.push_back(EventObserved {
            boot: self.boot,
            sequence,
            at: Clock.now(),
            link,
            shard,
            kind,
            text,
        });
        while seen.events.len() > EVENTS {
            seen.events.pop_front();
        }
        drop(seen);
        // Whoever is in a handoff has better things to do; they go with the next report.
        if kind != EventKind::HandoffStep {
            self.changed.notify_one();
        }
    }

    /// What the kept events are of.
    #[cfg(test)]
    pub(crate) fn told(&self) -> Vec<EventKind> {
        let seen = self.seen.lock();
        seen.events.iter().map(|event| event.kind).collect()
    }

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

    /// The generation, what is wrong with the agent, and every cache.
    pub(crate) fn read(&self) -> (u64, Option<String>, Vec<CacheObserved>) {
        let seen = self.seen.lock();
        let caches = seen.caches.values().cloned().collect();
        (seen.generation, seen.problem.clone(), caches)
    }

    /// The addresses where clients connect to the caches.
    pub(crate) fn doors(&self) -> Vec<IpAddr> {
        let seen = self.seen.lock();
        let doors = seen.caches.values().filter_map(|cache| cache.doors);
        let private = seen.caches.values().flat_map(|cache| &cache.private_doors);
        let private = private.filter_map(|endpoint| endpoint.door);
        doors
            .flat_map(|doors| [doors.direct.ip, doors.geo.ip])
            .chain(private.map(|door| door.ip))
            .collect()
    }

    /// Tells whether some of them are private endpoints.
    pub(crate) fn has_private_doors(&self) -> bool {
        let seen = self.seen.lock();
        let mut private = seen.caches.values().flat_map(|cache| &cache.private_doors);
        private.any(|endpoint| endpoint.door.is_some())
    }

    fn snapshot(&self, host: &Host) -> RegionObserved {
        let seen = self.seen.lock();
        RegionObserved {
            region: host.region.clone(),
            generation: seen.generation,
            relay_address: Some(host.advertised),
            engine: Some(host.programs.installed().version),
            installed: Some(host.programs.observed()),
            problem: seen.problem.clone(),
            caches: seen.caches.values().cloned().collect(),
            events: seen.events.iter().cloned().collect(),
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
        || before.doors != after.doors
        || before.problem != after.problem
        || before.lost_writes != after.lost_writes
        || before.resize != after.resize
        || before.roll != after.roll
        || shards(before) != shards(after)
}

/// Keeps what the relay tells, for ever.
pub(crate) async fn keep_events(host: Arc<Host>, mut happenings: mpsc::Receiver<Event>) {
    while let Some(event) = happenings.recv().await {
        host.board.tell(event);
    }
}

/// Reports for ever.
pub(crate) async fn run(host: Arc<Host>, tasks: Tasks) {
    let errands = Errands::new(&host, &tasks);
    let mut silent = false;
    loop {
        let report = host.board.snapshot(&host);
        let asked = Instant::now();
        let answered = timeout(patience(&host), host.client.report(&report)).await;
        match answered {
            Ok(Ok(answer)) => {
                host.leases.take(&answer.leases, asked);
                errands.take(answer.asked);
                silent = false;
            }
            Ok(Err(error)) => {
                why_silent(&mut silent, &chain(&error).to_string());
                sleep(PERIOD).await;
                continue;
            }
            Err(_elapsed) => {
                why_silent(&mut silent, "it took too long");
                continue;
            }
        }
        // A change while the report was under way is kept by the notification.
        tokio::select! {
            () = sleep(PERIOD) => {}
            () = host.board.changed.notified() => {}
            () = host.leases.wanted() => {}
        }
    }
}

fn patience(host: &Host) -> Duration {
    if host.leases.are_needed() {
        LEASE_LIMIT
    } else {
        LIMIT
    }
}

/// Logs why reports do not arrive, once.
fn why_silent(silent: &mut bool, why: &str) {
    if !*silent {
        tracing::debug!(why, "the report did not arrive");
    }
    *silent = true;
}
