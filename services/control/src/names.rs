//! The names of every cache and where they lead, derived from the store, and the generation of
//! that.
//!
//! The direct name of a cache leads to its own address, whatever its role. While two caches are
//! linked each has a geo name, too: that of the geo-primary leads to the address of its geo
//! listeners, the other one is an alias of it. Both follow the link's record and nothing else, so
//! they change with the decision of a handoff and never before.
//!
//! A cache with private endpoints has a third name that leads to those; while its public doors are
//! closed, its other names lead there, too.
//!
//! The generation is the store's revision at which the names last changed, so it never goes back,
//! not even when this process starts anew (then it is the present revision).

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use model::{
    CacheName, CacheRecord, Leads, Lifecycle, LinkRecord, PublishedName, PublishedNames, StoreId,
};
use tokio::sync::watch;

use crate::{
    records::{AddressRecord, address_key},
    store::State,
};

/// The names, to be watched.
pub(crate) struct Names(watch::Sender<Arc<PublishedNames>>);

impl Names {
    /// Derives them for the first time.
    pub(crate) fn new(store: &StoreId, zone: &str, ttl_seconds: u32, state: &State) -> Self {
        let first = PublishedNames {
            store: store.clone(),
            generation: state.revision,
            zone: zone.to_owned(),
            ttl_seconds,
            names: derive(state),
        };
        Self(watch::Sender::new(Arc::new(first)))
    }

    /// Derives them again, and wakes who watches when one has changed.
    pub(crate) fn refresh(&self, state: &State) {
        let names = derive(state);
        self.0.send_if_modified(|present| {
            if present.names == names || present.generation >= state.revision {
                return false;
            }
            *present = Arc::new(PublishedNames {
                generation: state.revision,
                names,
                ..PublishedNames::clone(present)
            });
            true
        });
    }

    /// Follows them.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<PublishedNames>> {
        self.0.subscribe()
    }
}

fn derive(state: &State) -> Vec<PublishedName> {
    let living = state
        .caches
        .iter()
        .filter(|cache| cache.lifecycle != Lifecycle::Deleting);
    let mut names: Vec<PublishedName> = living
        .flat_map(|cache| {
            let direct = PublishedName {
                name: cache.id.name.folded(),
                leads: by_what_is_open(state, cache, |known| known.direct),
            };
            let all = [Some(direct), geo(state, cache), private(state, cache)];
            all.into_iter().flatten()
        })
        .collect();
    names.sort_by(|a, b| a.name.cmp(&b.name));
    names
}

/// The geo name of a cache, while it is linked.
fn geo(state: &State, cache: &CacheRecord) -> Option<PublishedName> {
    let link: &LinkRecord = state.link_of(cache).filter(|link| !link.is_unlinking())?;
    let leads = if link.primary.uid == cache.uid {
        by_what_is_open(state, cache, |known| known.geo)
    } else {
        Leads::Alias(geo_name(&link.primary.id.name))
    };
    let name = geo_name(&cache.id.name);
    Some(PublishedName { name, leads })
}

fn geo_name(name: &CacheName) -> String {
    format!("{}.geo", name.folded())
}

/// The name of a cache's private endpoints, while it has one that may be used.
fn private(state: &State, cache: &CacheRecord) -> Option<PublishedName> {
    if cache.front_door().private.is_empty() {
        return None;
    }
    Some(PublishedName {
        name: format!("{}.privatelink", cache.id.name.folded()),
        leads: Leads::Addresses(private_addresses(state, cache)),
    })
}

fn private_addresses(state: &State, cache: &CacheRecord) -> Vec<IpAddr> {
    let known = state.addresses.get(&address_key(&cache.uid));
    let all = known.map(|known| known.private.values().copied());
    // Several endpoints may share an address.
    let all: BTreeSet<IpAddr> = all.into_iter().flatten().collect();
    all.into_iter().collect()
}

/// To the cache's public address; where only its private endpoints are open, to those.
fn by_what_is_open(
    state: &State,
    cache: &CacheRecord,
    which: impl FnOnce(&AddressRecord) -> Option<IpAddr>,
) -> Leads {
    if !cache.spec.is_public() && !cache.front_door().private.is_empty() {
        return Leads::Addresses(private_addresses(state, cache));
    }
    let known = state.addresses.get(&address_key(&cache.uid));
    let address = known.and_then(|known| which(known));
    Leads::Addresses(address.into_iter().collect())
}

#[cfg(test)]
impl Names {
    /// How many long polls wait for them.
    pub(crate) fn polls(&self) -> usize {
        self.0.receiver_count()
    }
}
