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
    up: Option<Instant>,
    lag: Option<LagHeard>,
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
                .then_some(now)
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
        let since = up.map_or(self.listening, |up| up.max(self.listening));
        Away {
            down_ms: whole_ms(self.now.saturating_duration_since(since)),
            lease_left_ms: rounded_up(self.granted.left(link)),
            last_lag_ms: last_lag([primary, secondary], up, link.epoch),
        }
    }

    /// How long ago the geo-primary was last heard to take writes; `None`: not since this process
    /// listens.
    pub(crate) fn last_up(&self, link: &LinkRecord) -> Option<u64> {
        let heard = self.last(&link.primary.region)?;
        let up = heard.tracks.get(&link.primary.uid)?.up?;
        Some(whole_ms(self.now.saturating_duration_since(up)))
    }
}

/// The latest lag that either side told in this epoch. The geo-primary may have taken writes for as
/// long as it was heard to after that, and none of them need have arrived.
fn last_lag(sides: [Option<&Track>; 2], up: Option<Instant>, epoch: Epoch) -> Option<u64> {
    let told = sides.into_iter().filter_map(|track| track?.lag);
    let told = told.filter(|told| told.epoch == epoch);
    let latest = told.max_by_key(|told| told.at)?;
    let went_on = up?.saturating_duration_since(latest.at);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a lag is not negative, and what does not fit is a very long one"
    )]
    let lag = latest.ms.ceil() as u64;
    Some(lag.saturating_add(rounded_up(went_on)))
}

/// Whole milliseconds, never fewer than there are: 0 means that nothing is left.
fn rounded_up(duration: Duration) -> u64 {
    let exact = duration.subsec_nanos().is_multiple_of(1_000_000);
    whole_ms(duration) + u64::from(!exact)
}
