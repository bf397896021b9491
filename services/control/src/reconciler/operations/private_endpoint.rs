//! Private endpoints: an operation ends when the agent listens as it was decided, or cannot.

use model::{CacheId, CacheUid, Consent, Lifecycle};

use super::{ACCESS_MS, PROBLEM_MS, Sight, Verdict, of};
use crate::{records::OperationRecord, view::private_door};

pub(super) fn judge(
    sight: &Sight<'_>,
    op: &OperationRecord,
    id: &CacheId,
    uid: &CacheUid,
    name: &str,
) -> Verdict {
    let cache = of(sight, id, uid).filter(|cache| cache.lifecycle != Lifecycle::Deleting);
    let Some(cache) = cache else {
        return Verdict::Fail(format!("the cache `{}` was deleted meanwhile", id.name));
    };
    let mut all = cache.private_endpoints.iter();
    let Some(endpoint) = all.find(|endpoint| endpoint.name.folded() == name) else {
        return Verdict::Fail(format!(
            "the private endpoint `{name}` was deleted meanwhile"
        ));
    };
    let past = |ms| sight.now > op.started.plus_ms(ms);
    let Some(agent) = sight.seen.region(&cache.region) else {
        let late = past(PROBLEM_MS) && sight.seen.silence_counts();
        return if late {
            let place = cache.region.display_name();
            Verdict::Fail(format!(
                "the agent of {place} does not report; start it, and the private endpoint follows by itself"
            ))
        } else {
            Verdict::Wait
        };
    };
    let seen = private_door(agent.cache(uid), endpoint);
    let listens = seen.is_some_and(|seen| seen.door.is_some());
    match endpoint.consent {
        Consent::Approved if listens => Verdict::Succeed,
        Consent::Approved => match seen.and_then(|seen| seen.problem.clone()) {
            Some(why) if past(ACCESS_MS) => Verdict::Fail(why),
            Some(_) | None => Verdict::Wait,
        },
        Consent::Pending | Consent::Rejected if listens => Verdict::Wait,
        Consent::Pending | Consent::Rejected => Verdict::Succeed,
    }
}
