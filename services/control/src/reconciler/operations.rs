//! Operations: ended when what they wait for is so, or cannot be so any more.

use model::{
    CacheId, CacheRecord, CacheUid, Epoch, Lifecycle, LinkId, LinkPhase, LinkRecord, Standing,
};

mod transfers;

use super::{Sight, Step, caches::is_settled};
use crate::{
    activity, handoff,
    records::{OperationRecord, Outcome, Work, link},
    store::{Change, Versioned},
};

/// How long an ended operation can still be read, in milliseconds.
const KEPT_MS: u64 = 24 * 3_600_000;
/// A region without an engine gets so long to find one.
const NO_ENGINE_MS: u64 = 10_000;
/// An agent gets so long to be heard, and a cache to get over a problem.
const PROBLEM_MS: u64 = 60_000;
/// The engines of a cache whose agent has a change of who may come in get so long to take it.
const ACCESS_MS: u64 = 10_000;
/// A cache without a link gets so long to come up, or to take a change.
const SETTLE_MS: u64 = 180_000;

/// What becomes of an operation.
enum Verdict {
    Wait,
    Succeed,
    Fail(String),
    /// It came to that, and the cache that it is about becomes what is told.
    SucceedWith(Versioned<CacheRecord>, Box<CacheRecord>, Work),
    /// It failed, and the cache that it is about becomes what is told.
    FailWith(Versioned<CacheRecord>, Box<CacheRecord>, String),
}

pub(super) fn plan(sight: &Sight<'_>) -> Vec<Step> {
    let operations = sight.state.operations.iter();
    operations.filter_map(|op| step(sight, op)).collect()
}

fn step(sight: &Sight<'_>, op: &Versioned<OperationRecord>) -> Option<Step> {
    let ended = match op.outcome {
        Outcome::InProgress => None,
        Outcome::Succeeded { ended } | Outcome::Failed { ended, .. } => Some(ended),
    };
    if let Some(ended) = ended {
        return (sight.now > ended.plus_ms(KEPT_MS)).then(|| Step {
            change: Change::new().remove(op),
            what: format!("The operation {} is forgotten", op.id),
        });
    }
    let change = Change::new();
    // The agents' figures may be gone later.
    let failover = handoff::figures(sight.state, sight.seen, op);
    let with_figures = |ended: OperationRecord| OperationRecord {
        failover: failover.clone(),
        ..ended
    };
    let (change, ended, what) = match judge(sight, op) {
        Verdict::Wait => return None,
        Verdict::Succeed => {
            let ended = with_figures(op.succeeded(sight.now));
            (change, ended, "succeeded".to_owned())
        }
        Verdict::Fail(why) => {
            let what = format!("failed: {why}");
            let failed = with_figures(op.failed(sight.now, why));
            (change, failed, what)
        }
        Verdict::SucceedWith(cache, becomes, work) => {
            let done = OperationRecord {
                work,
                ..op.succeeded(sight.now)
            };
            let change = change.replace(&cache, &becomes);
            (change, done, "succeeded".to_owned())
        }
        Verdict::FailWith(cache, becomes, why) => {
            let what = format!("failed: {why}");
            let change = change.replace(&cache, &becomes);
            (change, op.failed(sight.now, why), what)
        }
    };
    let change = change.replace(op, &ended);
    let change = match activity::ended(&ended) {
        Some(record) => change.tell(&record),
        None => change,
    };
    Some(Step {
        change,
        what: format!("The operation {} {what}", op.id),
    })
}

fn judge(sight: &Sight<'_>, op: &OperationRecord) -> Verdict {
    match &op.work {
        Work::CreateCache { cache, uid } | Work::UpdateCache { cache, uid } => {
            settling(sight, op, cache, uid)
        }
        Work::ChangeAccess {
            cache,
            uid,
            revision,
        } => changing_access(sight, op, cache, uid, *revision),
        Work::DeleteCache { cache, uid } => match of(sight, cache, uid) {
            None => Verdict::Succeed,
            Some(_) => Verdict::Wait,
        },
        Work::DeleteGroup { group } => match sight.state.group(&op.subscription, group) {
            Some(group) if group.deleting => Verdict::Wait,
            Some(_) | None => Verdict::Succeed,
        },
        Work::CreateLink { link, epoch } => creating_link(sight, link, *epoch),
        Work::FailOver {
            link,
            to,
            from_epoch,
            attempt,
            forced,
        } => failing_over(
            sight,
            link,
            &Failover {
                to,
                from: *from_epoch,
                attempt: *attempt,
                forced: *forced,
            },
        ),
        Work::Unlink { link: id } => match sight.state.links.get(&link::key(id)) {
            None => Verdict::Succeed,
            Some(_) => Verdict::Wait,
        },
        Work::Export { cache, uid, .. }
        | Work::Import { cache, uid, .. }
        | Work::Flush { cache, uid } => transfers::judge(sight, op, cache, uid),
    }
}

fn of<'a>(
    sight: &Sight<'a>,
    cache: &CacheId,
    uid: &CacheUid,
) -> Option<&'a Versioned<CacheRecord>> {
    let state = sight.state;
    state.cache(cache).filter(|cache| cache.uid == *uid)
}

fn settling(sight: &Sight<'_>, op: &OperationRecord, id: &CacheId, uid: &CacheUid) -> Verdict {
    let Some(cache) = of(sight, id, uid) else {
        return Verdict::Fail(format!("the cache `{}` was deleted meanwhile", id.name));
    };
    match &cache.lifecycle {
        Lifecycle::Ready => Verdict::Succeed,
        Lifecycle::Deleting => Verdict::Fail(format!("the cache `{}` is being deleted", id.name)),
        Lifecycle::Failed { why } => Verdict::Fail(why.clone()),
        Lifecycle::Creating | Lifecycle::Updating | Lifecycle::Scaling => {
            match hopeless(sight, op, cache) {
                Some(why) => {
                    let failed = CacheRecord {
                        lifecycle: Lifecycle::Failed { why: why.clone() },
                        ..CacheRecord::clone(cache)
                    };
                    Verdict::FailWith(cache.clone(), Box::new(failed), why)
                }
                None => Verdict::Wait,
            }
        }
    }
}

/// Waits until the engines have a revision. What they refuse, the agent tells as its problem.
fn changing_access(
    sight: &Sight<'_>,
    op: &OperationRecord,
    id: &CacheId,
    uid: &CacheUid,
    revision: u64,
) -> Verdict {
    let Some(cache) = of(sight, id, uid).filter(|cache| cache.lifecycle != Lifecycle::Deleting)
    else {
        return Verdict::Fail(format!("the cache `{}` was deleted meanwhile", id.name));
    };
    let seen = sight.seen.cache(&cache.region, uid);
    let problem = seen.and_then(|seen| seen.problem.clone());
    let is_refused = cache.access.is_refused(revision, problem.as_deref());
    let is_settled = seen.is_some_and(|seen| seen.settled_revision >= revision);
    if is_settled && !is_refused {
        return Verdict::Succeed;
    }
    let is_late = sight.now > op.started.plus_ms(ACCESS_MS);
    let refused = problem.filter(|_| is_late || is_settled);
    let Some(why) = refused.or_else(|| hopeless(sight, op, cache)) else {
        return Verdict::Wait;
    };
    let given_up = CacheRecord {
        access: cache.access.failed(revision, &why),
        ..CacheRecord::clone(cache)
    };
    Verdict::FailWith(cache.clone(), Box::new(given_up), why)
}

/// Why a cache will not come up or take a change without somebody's help.
fn hopeless(sight: &Sight<'_>, op: &OperationRecord, cache: &CacheRecord) -> Option<String> {
    let past = |ms| sight.now > op.started.plus_ms(ms);
    let place = cache.region.display_name();
    let Some(agent) = sight.seen.region(&cache.region) else {
        return (past(PROBLEM_MS) && sight.seen.silence_counts()).then(|| {
            format!(
                "the agent of {place} does not report; start it, and the cache goes on by itself"
            )
        });
    };
    let seen = agent.cache(&cache.uid);
    if agent.report.engine.is_none() && seen.is_none_or(|seen| seen.engine.is_none()) {
        let problem = agent.report.problem.as_deref();
        let why = problem.unwrap_or("it has not found valkey-server or redis-server");
        return past(NO_ENGINE_MS).then(|| format!("the agent of {place} has no engine: {why}"));
    }
    // A full sync takes as long as it takes.
    if cache.link.is_some() || seen.is_some_and(|seen| is_settled(cache, seen)) {
        return None;
    }
    let problem = seen.and_then(|seen| seen.problem.clone());
    match problem.or_else(|| agent.report.problem.clone()) {
        Some(problem) => past(PROBLEM_MS).then_some(problem),
        None => past(SETTLE_MS).then(|| {
            format!(
                "the engines of `{}` in {place} did not come up in time; see the agent's log",
                cache.id.name
            )
        }),
    }
}

fn creating_link(sight: &Sight<'_>, id: &LinkId, epoch: Epoch) -> Verdict {
    let Some(link) = sight.state.links.get(&link::key(id)) else {
        return Verdict::Fail("the link was removed before it was in step".to_owned());
    };
    if link.epoch > epoch && !link.is_unlinking() {
        return Verdict::Succeed;
    }
    match link.phase {
        LinkPhase::Creating | LinkPhase::Syncing => Verdict::Wait,
        LinkPhase::Linked
        | LinkPhase::HandingOff { .. }
        | LinkPhase::Forcing { .. }
        | LinkPhase::Promoting => Verdict::Succeed,
        LinkPhase::UnlinkingPrimary | LinkPhase::UnlinkingSecondary => {
            Verdict::Fail("the link was removed before it was in step".to_owned())
        }
    }
}

/// What a failover's operation waits for.
struct Failover<'a> {
    to: &'a CacheUid,
    from: Epoch,
    attempt: Option<u64>,
    forced: bool,
}

fn failing_over(sight: &Sight<'_>, id: &LinkId, op: &Failover<'_>) -> Verdict {
    let Some(link) = sight.state.links.get(&link::key(id)) else {
        return Verdict::Fail("the link was removed during the failover".to_owned());
    };
    if let (Some(attempt), Some((aborted, why))) = (op.attempt, &link.last_abort)
        && *aborted == attempt
    {
        return Verdict::Fail(format!(
            "the failover was given up, and nothing changed: {why}"
        ));
    }
    if link.is_unlinking() {
        return Verdict::Fail("the link was removed during the failover".to_owned());
    }
    if link.epoch == op.from {
        // Another one took its place, and came to nothing as well.
        let replaced = op.attempt.is_some_and(|attempt| attempt < link.attempt);
        return if replaced && link.phase == LinkPhase::Linked {
            Verdict::Fail(
                "the failover was given up for a later one, and nothing changed".to_owned(),
            )
        } else {
            Verdict::Wait
        };
    }
    if link.primary.uid != *op.to {
        return gone_back(link, op.attempt);
    }
    match link.phase {
        LinkPhase::Linked | LinkPhase::HandingOff { .. } | LinkPhase::Forcing { .. } => {
            Verdict::Succeed
        }
        // The other side may be gone for good: what was asked for is that this one takes writes.
        LinkPhase::Creating | LinkPhase::Syncing if op.forced => Verdict::Succeed,
        LinkPhase::Creating | LinkPhase::Syncing | LinkPhase::Promoting => Verdict::Wait,
        LinkPhase::UnlinkingPrimary | LinkPhase::UnlinkingSecondary => Verdict::Wait,
    }
}

/// The primary is the old one again: by a later failover, or because this one came to nothing.
fn gone_back(link: &LinkRecord, attempt: Option<u64>) -> Verdict {
    match &link.standing {
        Standing::AtBarrier { attempt: later, .. } if Some(*later) != attempt => Verdict::Succeed,
        Standing::Forced { .. } => Verdict::Succeed,
        Standing::AtBarrier { .. } | Standing::Founder | Standing::AsFound => {
            Verdict::Fail(format!(
                "`{}` lost its data before it was promoted, so `{}` has the primary role again; nothing that it took is lost",
                link.secondary.id.name, link.primary.id.name
            ))
        }
    }
}
