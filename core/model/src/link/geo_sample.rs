//! What a shard's half of a link tells the geo-replication metrics. Which side tells what is the
//! managed service's rule: the other side has no such series at all.

use crate::{CacheObserved, LinkObserved, RoleKind, ShardObserved, ShardStanding};

/// One look at one shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GeoSample {
    /// The geo-primary's side.
    Primary {
        /// Stream bytes that the geo-secondary has not applied; `None` while nobody can tell.
        unsynced_bytes: Option<u64>,
    },
    /// The geo-secondary's side.
    Secondary {
        /// It is connected and in step, and what arrives is applied.
        healthy: bool,
        /// Milliseconds since anything was heard of the geo-primary; `None` without a connection.
        silent_ms: Option<u64>,
        /// Full syncs begun since its agent started.
        full_syncs_started: u64,
        /// Full syncs finished since its agent started.
        full_syncs_finished: u64,
    },
}

impl GeoSample {
    /// Reads a shard of a cache; `None` when the cache is not linked.
    #[must_use]
    pub fn of(cache: &CacheObserved, shard: &ShardObserved) -> Option<Self> {
        let half = shard.link.as_ref();
        match cache.role {
            RoleKind::Alone => None,
            RoleKind::Primary | RoleKind::Yielding => Some(Self::Primary {
                unsynced_bytes: half.and_then(unsynced),
            }),
            RoleKind::Secondary | RoleKind::Taking => Some(Self::Secondary {
                healthy: shard.standing == ShardStanding::Following
                    && half.is_some_and(|half| half.connected && half.stalled.is_none()),
                silent_ms: half
                    .filter(|half| half.connected)
                    .and_then(|half| half.silent_ms),
                full_syncs_started: half.map_or(0, |half| half.full_syncs_started),
                full_syncs_finished: half.map_or(0, |half| half.full_syncs_finished),
            }),
        }
    }
}

fn unsynced(half: &LinkObserved) -> Option<u64> {
    let stations = half.offsets.received.zip(half.offsets.applied);
    stations
        .map(|(received, applied)| received.since(applied))
        .or_else(|| half.connected.then_some(half.bytes_behind))
}

#[cfg(test)]
mod tests {
    use psync::Offset;

    use super::*;
    use crate::{CacheUid, OffsetsObserved, samples::observed};

    fn cache(role: RoleKind, standing: ShardStanding, link: Option<LinkObserved>) -> CacheObserved {
        let mut seen = observed(&CacheUid::new("c"), 1, role, standing);
        seen.shards[0].link = link;
        seen
    }

    fn of(
        role: RoleKind,
        standing: ShardStanding,
        link: Option<LinkObserved>,
    ) -> Option<GeoSample> {
        let cache = cache(role, standing, link);
        GeoSample::of(&cache, &cache.shards[0])
    }

    fn connected() -> LinkObserved {
        LinkObserved {
            connected: true,
            silent_ms: Some(40),
            full_syncs_started: 2,
            full_syncs_finished: 1,
            bytes_behind: 14,
            ..LinkObserved::default()
        }
    }

    fn secondary(healthy: bool, silent_ms: Option<u64>) -> Option<GeoSample> {
        Some(GeoSample::Secondary {
            healthy,
            silent_ms,
            full_syncs_started: 2,
            full_syncs_finished: 1,
        })
    }

    #[test]
    fn a_secondary_is_healthy_only_in_step_connected_and_moving() {
        let is = |standing, half| of(RoleKind::Secondary, standing, Some(half));
        let well = secondary(true, Some(40));
        assert_eq!(is(ShardStanding::Following, connected()), well);
        let ill = secondary(false, Some(40));
        assert_eq!(is(ShardStanding::Syncing, connected()), ill);
        let stalled = LinkObserved {
            stalled: Some("`b` does not apply".to_owned()),
            ..connected()
        };
        assert_eq!(is(ShardStanding::Following, stalled), ill);
        let cut = LinkObserved {
            connected: false,
            ..connected()
        };
        assert_eq!(is(ShardStanding::Cut, cut), secondary(false, None));
    }

    #[test]
    fn a_primary_tells_what_is_not_applied_as_far_as_anybody_knows() {
        let is = |half| of(RoleKind::Primary, ShardStanding::Writable, half);
        let unsynced_bytes = |bytes| {
            Some(GeoSample::Primary {
                unsynced_bytes: bytes,
            })
        };
        assert_eq!(is(Some(connected())), unsynced_bytes(Some(14)));
        assert_eq!(is(Some(LinkObserved::default())), unsynced_bytes(None));
        assert_eq!(is(None), unsynced_bytes(None));
        let cut = LinkObserved {
            offsets: OffsetsObserved {
                received: Some(Offset(1_000)),
                applied: Some(Offset(100)),
                ..OffsetsObserved::default()
            },
            ..LinkObserved::default()
        };
        assert_eq!(
            is(Some(cut)),
            unsynced_bytes(Some(900)),
            "known without a connection"
        );
    }

    #[test]
    fn a_cache_that_is_not_linked_tells_nothing() {
        assert_eq!(of(RoleKind::Alone, ShardStanding::Writable, None), None);
    }
}
