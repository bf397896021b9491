//! How long a geo-primary has been away, and how far behind its geo-secondary was then.
//!
//! All by this process's monotonic clock and by when reports arrived. What was before its start, or
//! while it was not running itself, counts as nobody's absence.

use std::{collections::BTreeMap, time::Duration};

use model::{
    Away, CacheObserved, CacheUid, Epoch, LinkRecord, RegionObserved, RoleKind, ShardObserved,
    ShardStanding,
};
use tokio::time::Instant;

use super::{Seen, whole_ms};

/// A cache that no report has named for so long is forgotten.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3_600);

/// What is remembered of a cache's reports.
#[derive(Debug, Clone, Copy)]
pub(super) struct Track {
    heard: Instant,
    /// When it was last heard to take writes in every shard, or to wait fenced in a handoff.
    up: Option<Up>,
    lag: Option<LagHeard>,
}

#[derive(Debug, Clone, Copy)]
struct Up {
    at: Instant,
    /// For how long altogether nobody had listened by then.
    deaf: Duration,
}

/// The lag of the shard that lagged most, when all of them told theirs.
#[derive(Debug, Clone, Copy)]
struct LagHeard {
    epoch: Epoch,
    ms: f64,
    at: Instant,
}

/// What is known once this report is taken in.
pub(super) fn follow(
    before: Option<&BTreeMap<CacheUid, Track>>,
    report: &RegionObserved,
    now: Instant,
    deaf: Duration,
) -> BTreeMap<CacheUid, Track> {
    let mut tracks = before.cloned().unwrap_or_default();
    tracks.retain(|_, track| now.saturating_duration_since(track.heard) < KEPT);
    for cache in &report.caches {
        let known = tracks.get(&cache.uid).copied();
        let is_up = cache.all_shards(|standing| {
            matches!(
                standing,
                ShardStanding::Writable | ShardStanding::Yielded { .. }
            )
        });
        let told = lag(cache).map(|ms| LagHeard {
            epoch: cache.epoch,
            ms,
            at: now,
        });
        let track = Track {
            heard: now,
            up: is_up
                .then_some(Up { at: now, deaf })
                .or_else(|| known.and_then(|known| known.up)),
            lag: told.or_else(|| known.and_then(|known| known.lag)),
        };
        tracks.insert(cache.uid.clone(), track);
    }
    tracks
}

/// The lag that a report of one side tells. A geo-secondary repeats what it was told, which is worth
/// something for as long as it is connected.
fn lag(cache: &CacheObserved) -> Option<f64> {
    let of = |shard: &ShardObserved| {
        let half = shard.link.as_ref()?;
        let counts = match cache.role {
            RoleKind::Alone => false,
            RoleKind::Primary | RoleKind::Yielding => true,
            RoleKind::Secondary | RoleKind::Taking => {
                half.connected && shard.standing == ShardStanding::Following
            }
        };
        half.lag_ms.filter(|_| counts)
    };
    let all: Option<Vec<f64>> = cache.shards.iter().map(of).collect();
    all?.into_iter().reduce(f64::max)
}

impl Seen {
    /// What is known of a link's geo-primary beyond its latest report.
    pub(crate) fn away(&self, link: &LinkRecord) -> Away {
        let track = |member: &model::Member| {
            let heard = self.last(&member.region)?;
            heard.tracks.get(&member.uid)
        };
        let (primary, secondary) = (track(&link.primary), track(&link.secondary));
        let up = primary.and_then(|track| track.up);
        let (since, deaf) = up.map_or((self.started, Duration::ZERO), |up| (up.at, up.deaf));
        let silent = self.now.saturating_duration_since(since);
        let own = self.deaf.saturating_sub(deaf);
        Away {
            down_ms: whole_ms(silent.saturating_sub(own)),
            lease_left_ms: rounded_up(self.granted.left(link)),
            last_lag_ms: up.and_then(|up| {
                let told = [primary, secondary].map(|track| track?.lag);
                let told = told.into_iter().flatten();
                let told = told.filter(|told| told.epoch == link.epoch);
                last_lag(told.chain(self.caught_up(link)), up.at)
            }),
        }
    }
}

impl Seen {
    /// The geo-secondary has applied all that the geo-primary had by its latest report: there was no
    /// lag then, even if none has ever been measured, as on a link that nobody has written to yet.
    fn caught_up(&self, link: &LinkRecord) -> Option<LagHeard> {
        let last = |member: &model::Member| {
            let heard = self.last(&member.region)?;
            let cache = heard.cache(&member.uid)?;
            (cache.epoch == link.epoch).then_some((heard.at, &cache.shards))
        };
        let ((at, ours), (_, theirs)) = (last(&link.primary)?, last(&link.secondary)?);
        let is_there = |(ours, theirs): (&ShardObserved, &ShardObserved)| {
            let positions = ours.position.zip(theirs.position);
            positions.is_some_and(|(ours, theirs)| {
                ours.replid == theirs.replid && theirs.offset >= ours.offset
            })
        };
        let all = ours.len() == theirs.len() && ours.iter().zip(theirs).all(is_there);
        (all && !ours.is_empty()).then_some(LagHeard {
            epoch: link.epoch,
            ms: 0.0,
            at,
        })
    }
}

/// The shortest lag that is sure. The geo-primary may have taken writes for as long as it was heard
/// to after each was told, and none of them need have arrived.
fn last_lag(told: impl Iterator<Item = LagHeard>, up: Instant) -> Option<u64> {
    let sure = told.map(|told| {
        let went_on = up.saturating_duration_since(told.at);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a lag is not negative, and what does not fit is a very long one"
        )]
        let lag = told.ms.ceil() as u64;
        lag.saturating_add(rounded_up(went_on))
    });
    sure.min()
}

/// Whole milliseconds, never fewer than there are: 0 means that nothing is left.
fn rounded_up(duration: Duration) -> u64 {
    let exact = duration.subsec_nanos().is_multiple_of(1_000_000);
    whole_ms(duration) + u64::from(!exact)
}
