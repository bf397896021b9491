//! Links: asks each link's machine what it should become.

use model::{Advance, Away, CacheRecord, Fencing, LinkRecord, LinkSeen, Member};

use super::{Breadth, Sight, Step};
use crate::{
    observations::Seen,
    store::{Change, State, Versioned},
};

pub(super) fn plan(sight: &Sight<'_>, breadth: Breadth) -> Vec<Step> {
    let links = breadth.of(&sight.state.links);
    links.filter_map(|link| step(sight, link)).collect()
}

fn step(sight: &Sight<'_>, link: &Versioned<LinkRecord>) -> Option<Step> {
    let seen = link_seen(sight.seen, link);
    // Right after a start, an agent that has not reported is not an agent that is gone.
    if link.is_unlinking() && !sight.seen.silence_counts() {
        let unheard = |member: &Member| sight.seen.region(&member.region).is_none();
        if unheard(&link.primary) || unheard(&link.secondary) {
            return None;
        }
    }
    let names = || {
        let (p, s) = (&link.primary.id.name, &link.secondary.id.name);
        format!("`{p}` and `{s}`")
    };
    match link.advance(seen, sight.now) {
        Advance::Stay => settle_leases(sight, link),
        Advance::Become(next) => Some(Step {
            change: Change::new().replace(link, &next),
            what: format!(
                "The link of {} goes from {:?} to {:?} at epoch {}",
                names(),
                link.phase,
                next.phase,
                next.epoch
            ),
        }),
        Advance::Remove => Some(Step {
            change: removal(sight.state, link),
            what: format!("The link of {} is removed", names()),
        }),
    }
}

/// What was written down of leases and counts no more: that an older and longer one may be out, and
/// that the geo-primary's agent may not know that it needs one.
fn settle_leases(sight: &Sight<'_>, link: &Versioned<LinkRecord>) -> Option<Step> {
    // A link that never had leases has nothing to forget.
    let longest_is_over =
        sight.leases.is_over(link) && link.longest_lease() > link.settings.lease_seconds;
    let told = link.lease_untold && knows_of_leases(sight, link);
    if !longest_is_over && !told {
        return None;
    }
    let mut next = LinkRecord::clone(link);
    if longest_is_over {
        next.longest_lease = link.settings.lease_seconds;
    }
    if told {
        next.lease_untold = false;
    }
    Some(Step {
        change: Change::new().replace(link, &next),
        what: format!(
            "The leases of `{}` are as they are set",
            link.primary.id.name
        ),
    })
}

/// The geo-primary's agent acts on a generation in which its cache needs leases.
fn knows_of_leases(sight: &Sight<'_>, link: &LinkRecord) -> bool {
    let member = &link.primary;
    let (Some(heard), Some(published)) = (
        sight.seen.region(&member.region),
        sight.desired.published(&member.region),
    ) else {
        return false;
    };
    let wanted = published.cache(&member.uid);
    let replication = wanted.and_then(|cache| cache.replication.as_ref());
    replication.is_some_and(|link| link.settings.fencing == Fencing::Lease)
        && heard.report.generation >= published.generation()
}

/// What the agents say of the two caches.
pub(crate) fn link_seen<'a>(seen: &'a Seen, link: &LinkRecord) -> LinkSeen<'a> {
    LinkSeen {
        primary: seen.cache(&link.primary.region, &link.primary.uid),
        secondary: seen.cache(&link.secondary.region, &link.secondary.uid),
        // Without leases none is left, and nothing happens by itself.
        away: match link.settings.fencing {
            Fencing::None => Away::default(),
            Fencing::Lease => seen.away(link),
        },
    }
}

/// Removes the link and frees both caches, which keep its epoch, at once.
fn removal(state: &State, link: &Versioned<LinkRecord>) -> Change {
    let mut change = Change::new().remove(link);
    for member in [&link.primary, &link.secondary] {
        let Some(cache) = state.cache(&member.id) else {
            continue;
        };
        if cache.link.as_ref() == Some(&link.id) {
            let free = CacheRecord {
                link: None,
                epoch: cache.epoch.max(link.epoch),
                ..CacheRecord::clone(cache)
            };
            change = change.replace(cache, &free);
        }
    }
    change
}
