//! The geo-replication metrics of every link, summed up by the minute.
//!
//! Once a second each link's latest reports are read. The open minute is in memory; closed ones go
//! to the history, where they meet what agents sampled, and stay here until they are there. A cache has the series of its role and no
//! other: what the other side would have is absent, not zero.

mod sampler;

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::Arc,
    time::Duration,
};

use model::{CacheUid, Figures, Timestamp};
use parking_lot::Mutex;
use runtime::tasks::Tasks;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::{
    history::{History, HistoryError, Spans},
    plane::Plane,
};
use sampler::Sampler;

/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);
/// Closed minutes that the history does not take are dropped from this many on.
const MOST_UNSAVED: usize = 10;
/// Minutes between two sweeps of what is too old.
const SWEEP: u64 = 10;

/// Minutes by their number since the Unix epoch.
type Minutes = BTreeMap<u64, BTreeMap<CacheUid, Figures>>;

/// The metrics that are not in the history yet.
#[derive(Default)]
pub(crate) struct GeoMetrics {
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    sampler: Sampler,
    /// The open minute last, before it those that are to be kept.
    minutes: Minutes,
}

impl GeoMetrics {
    /// All figures of a cache from the minute `from` up to `to`, without `to`: those in the history,
    /// and those here.
    pub(crate) async fn figures(
        &self,
        history: &History,
        cache: &CacheUid,
        (from, to): (u64, u64),
        now: Timestamp,
    ) -> Result<Spans, HistoryError> {
        // First what is here: a minute that moves meanwhile is met twice rather than never.
        let here: Vec<(u64, Figures)> = {
            let recent = self.recent.lock();
            let within = recent.minutes.range(from..to.max(from));
            within
                .filter_map(|(minute, caches)| Some((*minute, caches.get(cache)?.clone())))
                .collect()
        };
        let mut spans = history.figures(cache, from, to, now).await?;
        for (minute, geo) in here {
            let kept = spans.remove(&minute).unwrap_or_default();
            // What an agent told of that minute is in the history alone, and what is here may be in
            // both for a moment.
            let others = kept.iter().filter(|(series, _)| geo.get(series).is_none());
            let mut both: Figures = others.collect();
            both.merge(&geo);
            spans.insert(minute, both);
        }
        Ok(spans)
    }

    /// Reads every link once.
    fn sample(&self, plane: &Plane, now: Timestamp) {
        let state = plane.store.state();
        let seen = plane.observations.seen();
        let mut recent = self.recent.lock();
        let taken = recent.sampler.sample(&state, &seen, Instant::now());
        let open = recent.minutes.entry(now.0 / 60_000).or_default();
        for (cache, fresh) in taken {
            match open.entry(cache) {
                Entry::Occupied(mut known) => known.get_mut().merge(&fresh),
                Entry::Vacant(place) => {
                    place.insert(fresh);
                }
            }
        }
    }

    /// The minutes that are over, and with `all` the open one.
    fn closed(&self, all: bool) -> Minutes {
        let recent = self.recent.lock();
        let open = recent.minutes.keys().next_back().copied();
        let closed = recent.minutes.iter();
        closed
            .filter(|(minute, _)| all || Some(**minute) != open)
            .map(|(minute, caches)| (*minute, caches.clone()))
            .collect()
    }

    /// Moves what is over to the history.
    async fn save(&self, history: &History, all: bool) {
        for (minute, caches) in self.closed(all) {
            let left = history.add_minute(minute, caches).await;
            let mut recent = self.recent.lock();
            if left.is_empty() || recent.minutes.len() > MOST_UNSAVED {
                recent.minutes.remove(&minute);
            } else {
                recent.minutes.insert(minute, left);
            }
        }
    }
}

/// Samples until the tasks are cancelled, and then saves what there is.
pub(crate) async fn run(plane: Arc<Plane>, tasks: Tasks) {
    let mut period = interval(PERIOD);
    period.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut swept = 0;
    loop {
        tokio::select! {
            () = tasks.cancelled() => break,
            _ = period.tick() => {}
        }
        let now = plane.clock.now();
        plane.geo_metrics.sample(&plane, now);
        plane.geo_metrics.save(&plane.history, false).await;
        let minute = now.0 / 60_000;
        if minute >= swept + SWEEP {
            swept = minute;
            plane.history.prune(now).await;
            let state = plane.store.state();
            let there: BTreeSet<&CacheUid> = state.caches.iter().map(|cache| &cache.uid).collect();
            plane.latest.retain(|uid| there.contains(uid));
        }
    }
    plane.geo_metrics.save(&plane.history, true).await;
}

#[cfg(test)]
mod tests;
