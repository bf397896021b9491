//! Which caches may look different to their agents after some commits.
//!
//! Whatever `cache_desired` reads has to be named here: a cache's own record, its link, and
//! where the agent of its geo-primary is reached. What every region is told alike is compared as a
//! whole.

use std::collections::BTreeSet;

use model::{LinkRecord, Region};

use crate::{
    records::{AgentRecord, cache},
    store::{Difference, Key, State},
};

/// The keys of the caches.
pub(super) fn by(before: &State, after: &State) -> BTreeSet<Key> {
    let mut keys = BTreeSet::new();
    for Difference { old, new } in after.caches.changes_since(&before.caches) {
        keys.extend(old.or(new).map(|cache| cache::key(&cache.id.name)));
    }
    for Difference { old, new } in after.links.changes_since(&before.links) {
        let links = [old, new].into_iter().flatten();
        keys.extend(links.flat_map(|link| members(link)));
    }
    let moved = moved(before, after);
    if !moved.is_empty() {
        let links = after.links.iter();
        let theirs = links.filter(|link| moved.contains(&link.primary.region));
        keys.extend(theirs.flat_map(|link| members(link)));
    }
    keys
}

fn members(link: &LinkRecord) -> [Key; 2] {
    [&link.primary, &link.secondary].map(|member| cache::key(&member.id.name))
}

/// The regions whose agent is reached elsewhere.
fn moved(before: &State, after: &State) -> BTreeSet<Region> {
    let changes = after.agents.changes_since(&before.agents);
    let moved = changes.filter_map(|Difference { old, new }| {
        let address = |agent: &AgentRecord| agent.relay_address;
        let stays = old.map(|old| address(old)) == new.map(|new| address(new));
        let agent = new.or(old).filter(|_| !stays)?;
        Some(agent.region.clone())
    });
    moved.collect()
}
