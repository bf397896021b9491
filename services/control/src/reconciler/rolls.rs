//! Restarts of nodes: orders that have ended, and upgrades that begin by themselves in a cache's
//! patch window.

use model::{
    CacheId, CacheRecord, CacheUid, Hindrance, Lifecycle, Newer, OperationId, PairEngines,
    RollStanding, RollWhat, hindrance, newer,
};

use super::{
    Breadth, Sight, Step,
    operations::{Verdict, of},
};
use crate::{
    observations::Seen,
    records::{OperationRecord, Outcome, Work},
    store::{Change, State, Versioned},
};

/// An agent gets so long to begin with an order, in milliseconds.
const BEGIN_MS: u64 = 60_000;

/// Upgrades whose window is open, one of a pair at a time.
pub(super) fn plan(sight: &Sight<'_>, breadth: Breadth) -> Vec<Step> {
    let mut begun: Vec<&model::LinkId> = Vec::new();
    let mut steps = Vec::new();
    for cache in breadth.of(&sight.state.caches) {
        if cache
            .link
            .as_ref()
            .is_some_and(|link| begun.contains(&link))
        {
            continue;
        }
        if let Some(step) = begin(sight, cache) {
            begun.extend(cache.link.as_ref());
            steps.push(step);
        }
    }
    steps
}

fn begin(sight: &Sight<'_>, cache: &Versioned<CacheRecord>) -> Option<Step> {
    let schedule = cache.maintenance.schedule.as_ref()?;
    let is_busy =
        cache.maintenance.order.is_some() || cache.transfer.is_some() || cache.resize.is_some();
    if is_busy || !schedule.is_open(sight.now) {
        return None;
    }
    let Newer::Ready { from, to } = upgrade_of(sight.seen, cache) else {
        return None;
    };
    // What failed once is not tried over and over.
    if cache.maintenance.has_failed(&to) || hinders(sight, cache, &to).is_some() {
        return None;
    }
    let order = cache.maintenance.given + 1;
    // The same pass gives the same name, and a pass that was too late conflicts.
    let operation = OperationId::new(name(cache, order));
    let what = RollWhat::Upgrade { to: to.clone() };
    let at = sight.now;
    let maintenance = cache
        .maintenance
        .with_order(what, at, operation.clone(), Some(from.clone()));
    let next = CacheRecord {
        maintenance,
        ..CacheRecord::clone(cache)
    };
    let op = OperationRecord {
        id: operation,
        subscription: cache.id.subscription.clone(),
        region: cache.region.clone(),
        work: Work::UpgradeEngine {
            cache: cache.id.clone(),
            uid: cache.uid.clone(),
            order,
        },
        started: at,
        outcome: Outcome::InProgress,
        failover: None,
        origin: None,
    };
    Some(Step {
        change: Change::new().replace(cache, &next).insert(&op),
        what: format!(
            "The nodes of `{}` go from {} to {} in its patch window",
            cache.id.name,
            from.told_from(&to),
            to.told_from(&from)
        ),
    })
}

/// A GUID that a cache's order has and no other: nothing here rolls dice.
fn name(cache: &CacheRecord, order: u64) -> String {
    let (high, low) = (hash(cache, order, 1), hash(cache, order, 2));
    format!(
        "{:08x}-{:04x}-5{:03x}-8{:03x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

/// FNV-1a.
fn hash(cache: &CacheRecord, order: u64, salt: u8) -> u64 {
    let order = order.to_be_bytes();
    let bytes = cache.uid.as_str().bytes().chain(order).chain([salt]);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn hinders(sight: &Sight<'_>, cache: &CacheRecord, to: &model::EngineBuild) -> Option<Hindrance> {
    let seen = sight.seen.cache(&cache.region, &cache.uid);
    let pair = pair_engines(sight.state, sight.seen, cache);
    hindrance(cache, seen, pair, to)
}

/// What the engine that is installed beside a cache is to it.
pub(crate) fn upgrade_of(seen: &Seen, cache: &CacheRecord) -> Newer {
    let observed = seen.cache(&cache.region, &cache.uid);
    let installed = seen.installed(&cache.region);
    match observed.zip(installed) {
        Some((observed, installed)) => newer(observed.builds(), &installed.build),
        None => Newer::Nothing,
    }
}

/// The other side of a cache's link, as far as its engine goes.
pub(crate) fn pair_engines<'a>(
    state: &'a State,
    seen: &'a Seen,
    cache: &CacheRecord,
) -> Option<PairEngines<'a>> {
    let link = state.link_of(cache)?;
    let member = link.other(&cache.uid);
    let other = state.cache(&member.id).filter(|it| it.uid == member.uid)?;
    Some(PairEngines {
        link,
        other,
        seen: seen.cache(&member.region, &member.uid),
        installed: seen
            .installed(&member.region)
            .map(|installed| &installed.build),
    })
}

/// What becomes of the operation of an order.
pub(super) fn ended(sight: &Sight<'_>, id: &CacheId, uid: &CacheUid, order: u64) -> Verdict {
    let gone = || Verdict::Fail(format!("the cache `{}` was deleted meanwhile", id.name));
    let Some(cache) = of(sight, id, uid) else {
        return gone();
    };
    if cache.lifecycle == Lifecycle::Deleting {
        return gone();
    }
    let given = cache.maintenance.order.as_ref();
    let Some(given) = given.filter(|given| given.order.id == order) else {
        return Verdict::Fail("it was given up".to_owned());
    };
    let after = |failed: Option<&str>| {
        let next = CacheRecord {
            maintenance: cache.maintenance.after_order(sight.now, failed),
            ..CacheRecord::clone(cache)
        };
        (cache.clone(), Box::new(next))
    };
    let seen = sight.seen.cache(&cache.region, uid);
    let fails = |why: String| {
        let (cache, next) = after(Some(&why));
        Verdict::FailWith(cache, next, why)
    };
    match seen.and_then(|seen| given.standing(seen)) {
        Some(RollStanding::Done) => {
            let (cache, next) = after(None);
            Verdict::SucceedWith(cache, next)
        }
        Some(RollStanding::Stopped { why }) => fails(why.clone()),
        Some(RollStanding::UnderWay { .. }) => Verdict::Wait,
        None if sight.now > given.at.plus_ms(BEGIN_MS) && sight.seen.silence_counts() => {
            fails(format!(
                "the agent of {} did not begin with it; check that it runs, and ask again",
                cache.region.display_name()
            ))
        }
        None => Verdict::Wait,
    }
}

#[cfg(test)]
mod tests;
