//! Caches: those on their way that have arrived, and those that are gone.

use model::{CacheObserved, CacheRecord, GivenOrder, Lifecycle, RollStanding, ShardStanding};

use super::{Breadth, Sight, Step};
use crate::{
    records::address_key,
    store::{Change, Versioned},
};

pub(super) fn plan(sight: &Sight<'_>, breadth: Breadth) -> Vec<Step> {
    let caches = breadth.of(&sight.state.caches);
    caches.filter_map(|cache| step(sight, cache)).collect()
}

fn step(sight: &Sight<'_>, cache: &Versioned<CacheRecord>) -> Option<Step> {
    match cache.lifecycle {
        Lifecycle::Ready => settle_access(sight, cache),
        Lifecycle::Deleting => gone(sight, cache).then(|| Step {
            change: removal(sight, cache),
            what: format!("The cache `{}` is deleted", cache.id.name),
        }),
        Lifecycle::Creating
        | Lifecycle::Updating
        | Lifecycle::Scaling
        | Lifecycle::Failed { .. } => {
            let seen = sight.seen.cache(&cache.region, &cache.uid)?;
            let maintenance = match resize_order(cache) {
                None => cache.maintenance.clone(),
                Some(order) => match order.standing(seen) {
                    Some(RollStanding::Done) => cache.maintenance.after_order(sight.now, None),
                    Some(RollStanding::UnderWay { .. } | RollStanding::Stopped { .. }) | None => {
                        return None;
                    }
                },
            };
            let ready = CacheRecord {
                lifecycle: Lifecycle::Ready,
                resize: None,
                maintenance,
                ..CacheRecord::clone(cache)
            };
            is_settled(cache, seen).then(|| Step {
                change: Change::new().replace(cache, &ready),
                what: format!("The cache `{}` is ready", cache.id.name),
            })
        }
    }
}

/// The order to restart nodes that a change of what the cache is made of has given.
pub(super) fn resize_order(cache: &CacheRecord) -> Option<&GivenOrder> {
    let resize = cache.resize.as_ref()?;
    let order = cache.maintenance.order.as_ref();
    order.filter(|order| order.operation == resize.operation)
}

/// Changes of who may come in that the engines have, or refuse.
fn settle_access(sight: &Sight<'_>, cache: &Versioned<CacheRecord>) -> Option<Step> {
    let seen = sight.seen.cache(&cache.region, &cache.uid)?;
    let settled = CacheRecord {
        access: cache
            .access
            .settled(seen.settled_revision, seen.problem.as_deref())?,
        ..CacheRecord::clone(cache)
    };
    Some(Step {
        change: Change::new().replace(cache, &settled),
        what: format!("The engines of `{}` have said who comes in", cache.id.name),
    })
}

/// Tells whether what was asked for is what runs.
pub(crate) fn is_settled(cache: &CacheRecord, seen: &CacheObserved) -> bool {
    seen.settled_revision >= cache.revision
        && seen.all_shards(|standing| {
            matches!(standing, ShardStanding::Writable | ShardStanding::Following)
        })
}

/// The agent acts on a state in which the cache is to be absent, and does not have it.
fn gone(sight: &Sight<'_>, cache: &Versioned<CacheRecord>) -> bool {
    let agent = sight.seen.region(&cache.region);
    agent.is_some_and(|agent| {
        agent.report.generation >= cache.version() && agent.cache(&cache.uid).is_none()
    })
}

/// The cache goes, and with it where it was reached.
fn removal(sight: &Sight<'_>, cache: &Versioned<CacheRecord>) -> Change {
    let change = Change::new().remove(cache);
    match sight.state.addresses.get(&address_key(&cache.uid)) {
        Some(known) => change.remove(known),
        None => change,
    }
}
