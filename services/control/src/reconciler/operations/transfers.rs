//! Exports, imports and flushes: over when the cache's agent says so, and with them their order, which
//! holds secrets.

use model::{CacheId, CacheRecord, CacheUid, Lifecycle, TransferOutcome};

use super::{Verdict, of};
use crate::{reconciler::Sight, records::OperationRecord};

pub(super) fn judge(
    sight: &Sight<'_>,
    op: &OperationRecord,
    id: &CacheId,
    uid: &CacheUid,
) -> Verdict {
    let found = of(sight, id, uid);
    let Some(cache) = found.filter(|cache| cache.lifecycle != Lifecycle::Deleting) else {
        return Verdict::Fail(format!("the cache `{}` was deleted meanwhile", id.name));
    };
    let asked = cache.transfer.as_ref();
    if asked.is_none_or(|order| order.id != op.id) {
        return Verdict::Fail("it was given up for another".to_owned());
    }
    let seen = sight.seen.cache(&cache.region, uid);
    let seen = seen.and_then(|seen| seen.transfer.as_ref());
    let outcome = seen
        .filter(|seen| seen.id == op.id)
        .and_then(|seen| seen.outcome.as_ref());
    let over = || {
        Box::new(CacheRecord {
            transfer: None,
            ..CacheRecord::clone(cache)
        })
    };
    match outcome {
        None => Verdict::Wait,
        Some(TransferOutcome::Done(figures)) => {
            Verdict::SucceedWith(cache.clone(), over(), op.work.with_figures(figures))
        }
        Some(TransferOutcome::Failed { why }) => {
            Verdict::FailWith(cache.clone(), over(), why.clone())
        }
    }
}
