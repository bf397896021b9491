//! What the agents report, in memory, with the moment it arrived. Nothing of it is stored: an
//! agent says it again.

mod away;
mod leases;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use away::Track;
use leases::Granted;
pub(crate) use leases::{Grants, Leading};
use model::{CacheObserved, CacheUid, EngineVersion, InstalledEngine, Region, RegionObserved};
use parking_lot::{Mutex, RwLock};
use tokio::{sync::watch, time::Instant};

/// An agent that has been silent for longer is not heard from.
pub(crate) const FRESH: Duration = Duration::from_secs(5);
/// When nobody listened for longer, because this process was stopped or had no time, the silence
/// before was its own.
const DEAF: Duration = Duration::from_secs(3);

/// The latest report of every agent.
pub(crate) struct Observations {
    started: Instant,
    regions: RwLock<BTreeMap<Region, Arc<Heard>>>,
    arrivals: watch::Sender<u64>,
    listening: Mutex<Listening>,
    /// The leases that answers have granted.
    pub(crate) grants: Grants,
}

#[derive(Clone, Copy)]
struct Listening {
    last: Instant,
    /// For how long altogether nobody did.
    deaf: Duration,
}

/// One report.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) report: RegionObserved,
    by_uid: BTreeMap<CacheUid, usize>,
    tracks: BTreeMap<CacheUid, Track>,
}

impl Heard {
    pub(crate) fn cache(&self, uid: &CacheUid) -> Option<&CacheObserved> {
        self.report.caches.get(*self.by_uid.get(uid)?)
    }
}

impl Observations {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            regions: RwLock::default(),
            arrivals: watch::Sender::new(0),
            listening: Mutex::new(Listening {
                last: now,
                deaf: Duration::ZERO,
            }),
            grants: Grants::new(),
        }
    }

    /// Takes a report in the place of the region's last one.
    pub(crate) fn hear(&self, report: RegionObserved) {
        self.hear_at(report, Instant::now());
    }

    fn hear_at(&self, report: RegionObserved, now: Instant) {
        let deaf = self.listen_at(now);
        let uids = report.caches.iter().map(|cache| cache.uid.clone());
        let by_uid = uids.zip(0..).collect();
        let region = report.region.clone();
        {
            let mut regions = self.regions.write();
            let before = regions.get(&region).map(|heard| &heard.tracks);
            let heard = Heard {
                at: now,
                by_uid,
                tracks: away::follow(before, &report, now, deaf),
                report,
            };
            regions.insert(region, Arc::new(heard));
        }
        self.arrivals.send_modify(|count| *count += 1);
    }

    /// Says that reports are being listened to: whoever decides by somebody's silence says so over
    /// and over, and before it looks.
    pub(crate) fn listen(&self) {
        self.listen_at(Instant::now());
    }

    /// Gives for how long altogether nobody listened.
    fn listen_at(&self, now: Instant) -> Duration {
        let mut listening = self.listening.lock();
        let gap = now.saturating_duration_since(listening.last);
        if gap > DEAF {
            listening.deaf += gap;
        }
        listening.last = listening.last.max(now);
        listening.deaf
    }

    /// Wakes when a report has arrived.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.arrivals.subscribe()
    }

    /// What has been reported by now.
    pub(crate) fn seen(&self) -> Seen {
        self.seen_at(Instant::now())
    }

    fn seen_at(&self, now: Instant) -> Seen {
        let granted = self.grants.picture();
        Seen {
            regions: self.regions.read().clone(),
            now,
            listened: now.saturating_duration_since(self.started),
            started: self.started,
            deaf: self.listening.lock().deaf,
            granted,
        }
    }
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The reports as of one moment.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    regions: BTreeMap<Region, Arc<Heard>>,
    now: Instant,
    listened: Duration,
    started: Instant,
    deaf: Duration,
    granted: Granted,
}

impl Seen {
    /// The report of a region's agent; `None` when it is not heard from.
    pub(crate) fn region(&self, region: &Region) -> Option<&Heard> {
        let heard = self.regions.get(region)?;
        (self.age(heard) <= FRESH).then_some(heard)
    }

    /// The latest report, however old.
    pub(crate) fn last(&self, region: &Region) -> Option<&Heard> {
        self.regions.get(region).map(AsRef::as_ref)
    }

    /// The latest report of every region, however old.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Heard> {
        self.regions.values().map(AsRef::as_ref)
    }

    /// How old a report is.
    pub(crate) fn age(&self, heard: &Heard) -> Duration {
        self.now.saturating_duration_since(heard.at)
    }

    /// What the agent of `region` says of a cache; `None` when it is not heard from or does not
    /// have it.
    pub(crate) fn cache(&self, region: &Region, uid: &CacheUid) -> Option<&CacheObserved> {
        self.region(region)?.cache(uid)
    }

    /// The engine of a cache, or the one it would get.
    pub(crate) fn engine(&self, region: &Region, uid: &CacheUid) -> Option<EngineVersion> {
        let heard = self.region(region)?;
        let of_cache = heard.cache(uid).and_then(|cache| cache.engine);
        of_cache.or(heard.report.engine)
    }

    /// The engine program that is installed in a region.
    pub(crate) fn installed(&self, region: &Region) -> Option<&InstalledEngine> {
        self.region(region)?.report.installed.as_ref()
    }

    /// Tells whether there was time for every living agent to report. Before that, silence says
    /// nothing.
    pub(crate) fn silence_counts(&self) -> bool {
        self.listened > FRESH
    }
}

#[cfg(test)]
impl Observations {
    /// Forgets a region's reports, as if its agent had been silent for long.
    pub(crate) fn forget(&self, region: &Region) {
        self.regions.write().remove(region);
    }

    /// Has a region's agent silent for longer than counts as heard from, without a wait.
    pub(crate) fn age(&self, region: &Region) {
        let mut regions = self.regions.write();
        if let Some(heard) = regions.get_mut(region) {
            let long_ago = heard.at.checked_sub(FRESH * 2).unwrap();
            *heard = Arc::new(Heard {
                at: long_ago,
                report: heard.report.clone(),
                by_uid: heard.by_uid.clone(),
                tracks: heard.tracks.clone(),
            });
        }
    }
}

#[cfg(test)]
impl Seen {
    /// `early`, and long after it `late`, which has just arrived; no lease is left.
    pub(crate) fn apart(early: RegionObserved, late: RegionObserved, between: Duration) -> Self {
        let observations = Observations::new();
        let now = observations.started + between;
        observations.hear_at(early, observations.started);
        let mut listened = observations.started;
        while listened < now {
            listened += DEAF;
            observations.listen_at(listened.min(now));
        }
        observations.hear_at(late, now);
        Self {
            granted: Granted::nothing(),
            ..observations.seen_at(now)
        }
    }

    /// These reports, as if they had just arrived and this process had long been listening.
    pub(crate) fn just_now(reports: Vec<RegionObserved>) -> Self {
        let observations = Observations::new();
        for report in reports {
            observations.hear(report);
        }
        Self {
            listened: FRESH * 2,
            granted: Granted::nothing(),
            ..observations.seen()
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
