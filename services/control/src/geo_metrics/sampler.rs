//! One look at every link, and what has to be remembered from one look to the next.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use model::{
    CacheUid, Cell, Figure, Figures, GeoSample, LinkId, LinkRecord, Member, Series, ShardObserved,
};
use tokio::time::Instant;

use crate::{observations::Seen, reconciler::link_seen, store::State};

/// What is remembered of each shard of each cache that is or was a geo-secondary.
#[derive(Default)]
pub(super) struct Sampler {
    tracks: BTreeMap<(CacheUid, u16), Track>,
    /// The links that were there at the first look.
    old: Option<BTreeSet<LinkId>>,
}

#[derive(Clone, Copy)]
struct Track {
    /// When anything of the geo-primary last reached the geo-secondary.
    heard: Instant,
    /// Full syncs begun and finished that are counted; `None`: how many there were is not known.
    counted: Option<(u64, u64)>,
}

impl Sampler {
    /// Reads the latest reports of every link.
    pub(super) fn sample(
        &mut self,
        state: &State,
        seen: &Seen,
        now: Instant,
    ) -> BTreeMap<CacheUid, Figures> {
        let mut taken = BTreeMap::new();
        let mut members = BTreeSet::new();
        let ids = || state.links.iter().map(|link| link.id.clone()).collect();
        let old = self.old.get_or_insert_with(ids);
        for link in state.links.iter().filter(|link| !link.is_unlinking()) {
            members.extend([&link.primary.uid, &link.secondary.uid]);
            let shards = state
                .cache(&link.secondary.id)
                .map_or(1, |cache| cache.spec.shards.unwrap_or(1));
            taken.insert(link.primary.uid.clone(), unsynced(seen, link, shards));
            let mut minute = Figures::default();
            for shard in 0..shards {
                let key = (link.secondary.uid.clone(), shard);
                let known = self.tracks.get(&key).copied();
                let known = known.unwrap_or_else(|| Track {
                    heard: now,
                    counted: (!old.contains(&link.id)).then_some((0, 0)),
                });
                let track = follow(seen, &link.secondary, shard, known, now, &mut minute);
                self.tracks.insert(key, track);
            }
            taken.insert(link.secondary.uid.clone(), minute);
        }
        self.tracks.retain(|(uid, _), _| members.contains(uid));
        taken.retain(|_, minute| !minute.is_empty());
        taken
    }
}

/// What the geo-primary's side shows.
fn unsynced(seen: &Seen, link: &LinkRecord, shards: u16) -> Figures {
    let mut minute = Figures::default();
    let sides = link_seen(seen, link);
    let Some(cache) = sides.primary else {
        return minute;
    };
    for shard in 0..shards {
        let at = usize::from(shard);
        let Some(here) = cache.shards.get(at) else {
            continue;
        };
        let Some(GeoSample::Primary { unsynced_bytes }) = GeoSample::of(cache, here) else {
            continue;
        };
        let there = sides.secondary.and_then(|cache| cache.shards.get(at));
        if let Some(bytes) = unsynced_bytes.or_else(|| apart(here, there?)) {
            let series = Series::of_shard(Figure::GeoDataSyncOffset, shard);
            minute.add(series, Cell::whole(bytes));
        }
    }
    minute
}

/// How far the two engines are apart, when the halves cannot tell.
fn apart(here: &ShardObserved, there: &ShardObserved) -> Option<u64> {
    let (here, there) = (here.position?, there.position?);
    (here.replid == there.replid).then(|| here.offset.since(there.offset))
}

/// What the geo-secondary's side shows. Where the agent does not report, nobody can call its side
/// healthy; right after a start its silence says nothing yet, and neither does this.
fn follow(
    seen: &Seen,
    member: &Member,
    shard: u16,
    known: Track,
    now: Instant,
    minute: &mut Figures,
) -> Track {
    let cache = seen.cache(&member.region, &member.uid);
    if cache.is_none() && !seen.silence_counts() {
        return known;
    }
    let sample = cache.and_then(|cache| {
        let shard = cache.shards.get(usize::from(shard))?;
        GeoSample::of(cache, shard)
    });
    let (healthy, silent_ms, count) = match sample {
        Some(GeoSample::Secondary {
            healthy,
            silent_ms,
            full_syncs_started,
            full_syncs_finished,
        }) => (
            healthy,
            silent_ms,
            Some((full_syncs_started, full_syncs_finished)),
        ),
        Some(GeoSample::Primary { .. }) | None => (false, None, None),
    };
    let last = silent_ms.and_then(|ms| now.checked_sub(Duration::from_millis(ms)));
    let track = Track {
        heard: last.map_or(known.heard, |last| last.max(known.heard)),
        counted: count.or(known.counted),
    };
    let lag = now.saturating_duration_since(track.heard).as_secs_f64();
    let (started, finished) = match (known.counted, count) {
        (Some(before), Some(after)) => (since(before.0, after.0), since(before.1, after.1)),
        // What was counted before the first look happened before it.
        (_, _) => (0, 0),
    };
    let health = if healthy { 1.0 } else { 0.0 };
    for (figure, cell) in [
        (Figure::GeoHealthy, Cell::one(health)),
        (Figure::GeoConnectivityLag, Cell::one(lag)),
        (Figure::GeoFullSyncStarted, Cell::events(started)),
        (Figure::GeoFullSyncFinished, Cell::events(finished)),
    ] {
        minute.add(Series::of_shard(figure, shard), cell);
    }
    track
}

/// How much a counter grew. One that went back began anew with its agent.
fn since(before: u64, after: u64) -> u64 {
    after.checked_sub(before).unwrap_or(after)
}
