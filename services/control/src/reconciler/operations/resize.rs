//! Changes of what a cache is made of that its agent does not carry out.

use model::{CacheRecord, Lifecycle, RollStanding};

use crate::{
    reconciler::{Sight, caches::resize_order},
    records::OperationRecord,
};

/// The agent has found, right before, that it cannot be done: the cache becomes what it was. Or nodes
/// that were to be restarted for it were not.
pub(super) fn refused(
    sight: &Sight<'_>,
    op: &OperationRecord,
    cache: &CacheRecord,
) -> Option<(CacheRecord, String)> {
    let resize = cache.resize.as_ref().filter(|of| of.operation == op.id)?;
    let seen = sight.seen.cache(&cache.region, &cache.uid)?;
    let order = resize_order(cache);
    let ended = |failed: &str| match order {
        Some(_) => cache.maintenance.after_order(sight.now, Some(failed)),
        None => cache.maintenance.clone(),
    };
    if let Some(RollStanding::Stopped { why }) = order.and_then(|order| order.standing(seen)) {
        let failed = CacheRecord {
            lifecycle: Lifecycle::Failed { why: why.clone() },
            maintenance: ended(why),
            ..cache.clone()
        };
        return Some((failed, format!("not every node was restarted: {why}")));
    }
    let (revision, why) = seen.resize.refused.as_ref()?;
    if *revision < resize.revision {
        return None;
    }
    let back = CacheRecord {
        spec: resize.former.back(&cache.spec),
        lifecycle: Lifecycle::Updating,
        resize: None,
        maintenance: ended(why),
        revision: cache.revision + 1,
        ..cache.clone()
    };
    Some((back, format!("nothing was changed: {why}")))
}
