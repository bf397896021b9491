//! Changes of what a cache is made of that its agent does not carry out.

use model::{CacheRecord, Lifecycle};

use super::Sight;
use crate::records::OperationRecord;

/// The agent has found, right before, that it cannot be done: the cache becomes what it was.
pub(super) fn refused(
    sight: &Sight<'_>,
    op: &OperationRecord,
    cache: &CacheRecord,
) -> Option<(CacheRecord, String)> {
    let resize = cache.resize.as_ref().filter(|of| of.operation == op.id)?;
    let seen = sight.seen.cache(&cache.region, &cache.uid)?;
    let (revision, why) = seen.resize.refused.as_ref()?;
    if *revision < resize.revision {
        return None;
    }
    let back = CacheRecord {
        spec: resize.former.back(&cache.spec),
        lifecycle: Lifecycle::Updating,
        resize: None,
        revision: cache.revision + 1,
        ..cache.clone()
    };
    Some((back, format!("nothing was changed: {why}")))
}
