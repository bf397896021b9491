//! Changes of what a cache is made of: its size, the number of its nodes, its persistence. What
//! cannot be done is refused before anything is changed, and again by the agent right before.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{CacheRecord, CacheSpec, EngineSettings, OperationId, Sku, Tier, engine_settings};

/// Such a change on its way, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// The operation that tells its end.
    pub operation: OperationId,
    /// The cache's revision that has it.
    pub revision: u64,
    /// What the cache was made of before, to go back to when it cannot be done.
    pub former: FormerSize,
}

impl Resize {
    /// Its nodes have to be restarted for it: the engines cannot change their number of databases while
    /// they run.
    #[must_use]
    pub fn restarts(&self, now: &CacheSpec) -> bool {
        let databases = |spec: &CacheSpec| limits(spec).map(|limits| limits.databases);
        databases(&self.former.back(now)) != databases(now)
    }
}

/// What a cache was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerSize {
    /// Tier and size.
    pub sku: Sku,
    /// Replicas of each primary.
    pub replicas: u8,
    /// `redisConfiguration` as it was set.
    pub configuration: BTreeMap<String, String>,
}

impl FormerSize {
    /// Of a specification.
    #[must_use]
    pub fn of(spec: &CacheSpec) -> Self {
        Self {
            sku: spec.sku,
            replicas: spec.replicas,
            configuration: spec.configuration.clone(),
        }
    }

    /// A specification with what there was before.
    #[must_use]
    pub fn back(&self, spec: &CacheSpec) -> CacheSpec {
        CacheSpec {
            sku: self.sku,
            replicas: self.replicas,
            configuration: self.configuration.clone(),
            ..spec.clone()
        }
    }
}

/// How far an agent is with such a change.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResizeObserved {
    /// What is being done, in a few words, as long as it moves.
    pub doing: Option<String>,
    /// The revision that is not carried out, and why: nothing of it was changed.
    pub refused: Option<(u64, String)>,
}

/// The data of a shard have no room in what it is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "it holds {} MB, and with this change there would be room for {} MB (its size less the memory that is reserved); delete or expire data first, or choose a larger size",
    megabytes(*.used),
    megabytes(*.room)
)]
pub struct DoesNotFit {
    /// Bytes that its data take.
    pub used: u64,
    /// Bytes that there would be for them.
    pub room: u64,
}

/// Shown rounded up, so that what does not fit never looks as if it did.
fn megabytes(bytes: u64) -> u64 {
    bytes.div_ceil(1 << 20)
}

/// Tells whether data that take `used` bytes have no room in an engine whose `maxmemory` goes from
/// `from` to `to` bytes.
#[must_use]
pub fn does_not_fit(used: u64, from: u64, to: u64) -> Option<DoesNotFit> {
    // What already is over its limit is not helped by a larger one being refused.
    let shrinks = to < from || from == 0;
    (shrinks && used > to).then_some(DoesNotFit { used, room: to })
}

/// A change of a cache's size that is not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResizeRefused {
    /// The tier would be a lower one.
    #[error(
        "a {from} cache cannot become {to}: tiers go upward only; create another cache and move the data there by export and import"
    )]
    Downgrade {
        /// The tier that it has.
        from: Tier,
        /// The tier that was asked for.
        to: Tier,
    },
    /// Nobody knows what the cache holds.
    #[error(
        "whether the data fit into {to} is not known, because the agent of {place} does not report; check that it runs, then try again"
    )]
    Unseen {
        /// The size that was asked for.
        to: Sku,
        /// The region.
        place: String,
    },
    /// The data have no room.
    #[error("the data of shard {shard} do not fit into {to}: {why}")]
    Full {
        /// The shard.
        shard: u16,
        /// The size that was asked for.
        to: Sku,
        /// The two numbers.
        why: DoesNotFit,
    },
}

/// Tells whether what a cache is made of changes: one such change at a time is made, and what it was
/// is remembered until the engines have taken it.
#[must_use]
pub fn resizes(before: &CacheSpec, after: &CacheSpec) -> bool {
    let shrinks = match (limits(before), limits(after)) {
        (Some(before), Some(after)) => {
            after.maxmemory_bytes < before.maxmemory_bytes || after.databases != before.databases
        }
        (None, _) | (_, None) => false,
    };
    let sized = |spec: &CacheSpec| (spec.sku, spec.replicas, spec.shards, spec.persistence());
    shrinks || sized(before) != sized(after)
}

/// Why `cache` does not become what `spec` says; `None`: it may. `used` has the bytes that each of its
/// shards holds, by index; `None`: its agent is not heard from.
#[must_use]
pub fn refused_resize(
    cache: &CacheRecord,
    spec: &CacheSpec,
    used: Option<&[u64]>,
) -> Option<ResizeRefused> {
    let (from, to) = (cache.spec.sku.tier(), spec.sku.tier());
    if to < from {
        return Some(ResizeRefused::Downgrade { from, to });
    }
    let (before, after) = (limits(&cache.spec)?, limits(spec)?);
    if after.maxmemory_bytes >= before.maxmemory_bytes {
        return None;
    }
    let Some(used) = used.filter(|used| !used.is_empty()) else {
        let place = cache.region.display_name().to_owned();
        return Some(ResizeRefused::Unseen {
            to: spec.sku,
            place,
        });
    };
    (0..).zip(used).find_map(|(shard, used)| {
        let why = does_not_fit(*used, before.maxmemory_bytes, after.maxmemory_bytes)?;
        let to = spec.sku;
        Some(ResizeRefused::Full { shard, to, why })
    })
}

fn limits(spec: &CacheSpec) -> Option<EngineSettings> {
    engine_settings(spec.sku, &spec.configuration).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::cache;

    const GB: u64 = 1 << 30;

    fn sized(tier: Tier, capacity: i64) -> CacheRecord {
        let mut made = cache("c", "eastus");
        made.spec.sku = Sku::new(tier, capacity).unwrap();
        made
    }

    fn asked(from: (Tier, i64), to: (Tier, i64), used: Option<&[u64]>) -> Option<ResizeRefused> {
        let from = sized(from.0, from.1);
        refused_resize(&from, &sized(to.0, to.1).spec, used)
    }

    #[test]
    fn tiers_go_upward_only() {
        let tiers = [Tier::Basic, Tier::Standard, Tier::Premium];
        for (i, from) in tiers.into_iter().enumerate() {
            for (j, to) in tiers.into_iter().enumerate() {
                let refused = asked((from, 1), (to, 1), Some(&[0]));
                let down = matches!(refused, Some(ResizeRefused::Downgrade { .. }));
                assert_eq!(down, j < i, "{from} to {to}: {refused:?}");
            }
        }
    }

    #[test]
    fn growing_asks_nobody() {
        let premium = |n| (Tier::Premium, n);
        assert_eq!(asked(premium(1), premium(2), None), None);
        assert_eq!(asked((Tier::Basic, 0), (Tier::Standard, 0), None), None);
    }

    #[test]
    fn shrinking_needs_room_for_what_is_there_beside_the_reserved_memory() {
        let premium = |n| (Tier::Premium, n);
        let refused = |used: Option<&[u64]>| asked(premium(2), premium(1), used);
        assert_eq!(refused(Some(&[5 * GB])), None);
        let full = refused(Some(&[GB, 6 * GB])).unwrap();
        assert!(matches!(full, ResizeRefused::Full { shard: 1, .. }));
        let words = full.to_string();
        assert!(
            words.contains("6144 MB") && words.contains("5502 MB"),
            "{words}"
        );
        assert!(words.contains("Premium P1"), "{words}");
        for unseen in [refused(None), refused(Some(&[]))] {
            assert!(matches!(unseen, Some(ResizeRefused::Unseen { .. })));
        }
    }

    #[test]
    fn less_memory_for_data_counts_as_a_change_of_size() {
        let before = cache("c", "eastus").spec;
        let with = |key: &str, value: &str| {
            let mut after = before.clone();
            after.configuration.insert(key.to_owned(), value.to_owned());
            after
        };
        assert!(!resizes(&before, &with("maxmemory-policy", "allkeys-lru")));
        assert!(!resizes(&before, &with("maxmemory-reserved", "100")));
        assert!(resizes(&before, &with("maxmemory-reserved", "2000")));
        assert!(resizes(&before, &with("aof-backup-enabled", "true")));
        assert!(resizes(&with("rdb-backup-enabled", "true"), &before));
        let more = CacheSpec {
            replicas: 2,
            ..before.clone()
        };
        assert!(resizes(&before, &more));
    }

    #[test]
    fn the_limit_itself_still_fits() {
        assert_eq!(does_not_fit(10, 20, 10), None);
        assert!(does_not_fit(11, 20, 10).is_some());
        assert_eq!(does_not_fit(30, 20, 20), None);
        assert_eq!(does_not_fit(30, 20, 40), None);
    }

    #[test]
    fn more_databases_need_a_restart() {
        let resize = |from: (Tier, i64)| Resize {
            operation: OperationId::new("o"),
            revision: 2,
            former: FormerSize::of(&sized(from.0, from.1).spec),
        };
        let premium = |n| (Tier::Premium, n);
        assert!(resize(premium(1)).restarts(&sized(Tier::Premium, 2).spec));
        assert!(!resize((Tier::Standard, 3)).restarts(&sized(Tier::Premium, 1).spec));
        let mut chosen = sized(Tier::Premium, 2).spec;
        chosen
            .configuration
            .insert("databases".to_owned(), "16".to_owned());
        let mut resize = resize(premium(1));
        resize.former.configuration = chosen.configuration.clone();
        assert!(!resize.restarts(&chosen));
    }

    #[test]
    fn what_there_was_comes_back_without_the_rest() {
        let before = sized(Tier::Premium, 2);
        let former = FormerSize::of(&before.spec);
        let mut now = sized(Tier::Premium, 1).spec;
        now.tags.insert("team".to_owned(), "web".to_owned());
        let back = former.back(&now);
        assert_eq!((back.sku, back.tags.len()), (before.spec.sku, 1));
    }
}
