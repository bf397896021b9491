//! From where agents dial each other, and whether firewalls let them.
//!
//! An agent's address is whatever the other side's outbound sees, behind whichever translation there
//! is between the two. Where it was never seen, because only the geo-secondary's side dials, the
//! address at which it says to be reached is the best guess.

use std::{collections::BTreeMap, net::IpAddr};

use model::{
    CacheRecord, LinkRecord, Region, RegionObserved, admits, not_admitted, would_not_admit,
};

use crate::{records::agent_key, store::State};

/// From where the agent of `of` dials the one of `at`, as far as that is known.
pub(crate) fn dials_from(state: &State, at: &Region, of: &Region) -> Option<IpAddr> {
    let seen = state.agents.get(&agent_key(at));
    let seen = seen.and_then(|agent| agent.peers.get(of).copied());
    seen.or_else(|| {
        let said = state.agents.get(&agent_key(of))?.relay_address?;
        (!said.ip().is_unspecified()).then(|| said.ip().to_canonical())
    })
}

/// From where a report says that other regions' agents dialled, on top of what was known. One that
/// is seen in several places stays where it was known to be.
pub(crate) fn peers_seen(
    state: &State,
    known: &BTreeMap<Region, IpAddr>,
    report: &RegionObserved,
) -> BTreeMap<Region, IpAddr> {
    let links = state.links.iter();
    let followers: BTreeMap<_, _> = links
        .map(|link| (&link.primary.uid, &link.secondary.region))
        .collect();
    let mut seen: BTreeMap<Region, Vec<IpAddr>> = BTreeMap::new();
    for cache in &report.caches {
        let Some(region) = followers.get(&cache.uid) else {
            continue;
        };
        let halves = cache.shards.iter().filter_map(|shard| shard.link.as_ref());
        let addresses = halves.filter_map(|half| half.peer_address);
        for address in addresses {
            seen.entry(Region::clone(region)).or_default().push(address);
        }
    }
    let mut peers = known.clone();
    for (region, addresses) in seen {
        let same = peers
            .get(&region)
            .is_some_and(|known| addresses.contains(known));
        if let (Some(first), false) = (addresses.into_iter().min(), same) {
            peers.insert(region, first);
        }
    }
    peers
}

/// What the firewalls of two caches would keep apart: now, and after a failover.
pub(crate) fn warnings(
    state: &State,
    primary: &CacheRecord,
    secondary: &CacheRecord,
) -> Vec<String> {
    let barred = |at: &CacheRecord, of: &CacheRecord| {
        let address = dials_from(state, &at.region, &of.region)?;
        (!admits(&at.access.firewall, address)).then_some(address)
    };
    let (p, s) = (&primary.id.name, &secondary.id.name);
    let now = barred(primary, secondary).map(|address| not_admitted(p, address, s));
    let later = barred(secondary, primary).map(|address| would_not_admit(s, address, p));
    now.into_iter().chain(later).collect()
}

/// The same of two linked caches; what holds already is told as the link's health.
pub(crate) fn warnings_of(state: &State, link: &LinkRecord) -> Vec<String> {
    let sides = (
        state.cache(&link.primary.id),
        state.cache(&link.secondary.id),
    );
    let (Some(primary), Some(secondary)) = sides else {
        return Vec::new();
    };
    warnings(state, primary, secondary)
}

#[cfg(test)]
mod tests;
