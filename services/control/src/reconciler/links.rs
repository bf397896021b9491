//! Links: asks each link's machine what it should become.

use model::{Advance, CacheRecord, LinkRecord, LinkSeen, Member};

use super::{Sight, Step};
use crate::{
    observations::Seen,
    store::{Change, State, Versioned},
};

pub(super) fn plan(sight: &Sight<'_>) -> Vec<Step> {
    let links = sight.state.links.iter();
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
    let names = format!(
        "`{}` and `{}`",
        link.primary.id.name, link.secondary.id.name
    );
    match link.advance(seen, sight.now) {
        Advance::Stay => None,
        Advance::Become(next) => Some(Step {
            change: Change::new().replace(link, &next),
            what: format!(
                "The link of {names} goes from {:?} to {:?} at epoch {}",
                link.phase, next.phase, next.epoch
            ),
        }),
        Advance::Remove => Some(Step {
            change: removal(sight.state, link),
            what: format!("The link of {names} is removed"),
        }),
    }
}

/// What the agents say of the two caches.
pub(crate) fn link_seen<'a>(seen: &'a Seen, link: &LinkRecord) -> LinkSeen<'a> {
    LinkSeen {
        primary: seen.cache(&link.primary.region, &link.primary.uid),
        secondary: seen.cache(&link.secondary.region, &link.secondary.uid),
        ..LinkSeen::default()
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
