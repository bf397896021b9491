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
//! not even when this process starts anew (then it is the present revision). Only the names of the
//! caches that a commit is about are derived anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use imbl::OrdMap;
use model::{
    CacheName, CacheRecord, CacheUid, Leads, Lifecycle, LinkRecord, PublishedName, PublishedNames,
    StoreId,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{
    records::{AddressRecord, address_key, cache},
    store::{Difference, Key, State},
};

/// The names, to be watched.
pub(crate) struct Names {
    store: StoreId,
    zone: String,
    ttl_seconds: u32,
    published: watch::Sender<Arc<Published>>,
    derived: Mutex<Derived>,
}

/// Every name at one generation.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) generation: u64,
    /// By the key of their cache.
    names: OrdMap<Key, Arc<Vec<PublishedName>>>,
}

/// What the names were derived from last.
struct Derived {
    state: Arc<State>,
    /// The keys of the caches, by what their addresses are known under.
    by_uid: BTreeMap<CacheUid, Key>,
}

impl Names {
    /// Derives them for the first time.
    pub(crate) fn new(store: &StoreId, zone: &str, ttl_seconds: u32, state: &Arc<State>) -> Self {
        let keyed = |cache: &CacheRecord| cache::key(&cache.id.name);
        let caches = state.caches.iter();
        let names = caches.map(|cache| (keyed(cache), Arc::new(derive(state, cache))));
        let first = Published {
            generation: state.revision,
            names: names.collect(),
        };
        let by_uid = state.caches.iter();
        let by_uid = by_uid.map(|cache| (cache.uid.clone(), keyed(cache)));
        Self {
            store: store.clone(),
            zone: zone.to_owned(),
            ttl_seconds,
            published: watch::Sender::new(Arc::new(first)),
            derived: Mutex::new(Derived {
                state: Arc::clone(state),
                by_uid: by_uid.collect(),
            }),
        }
    }

    /// Follows the store to `state`, which is no older than the last one, and wakes who watches when
    /// a name has changed.
    pub(crate) fn follow(&self, state: &Arc<State>) {
        let affected = self.derived.lock().follow(state);
        self.published.send_if_modified(|present| {
            let mut names = present.names.clone();
            let mut differs = false;
            for key in affected {
                let cache = state.caches.get(&key);
                let fresh = cache.map_or_else(Vec::new, |cache| derive(state, cache));
                let known = names.get(&key).map_or(&[][..], |known| known.as_slice());
                if known == fresh {
                    continue;
                }
                differs = true;
                if fresh.is_empty() {
                    names.remove(&key);
                } else {
                    names.insert(key, Arc::new(fresh));
                }
            }
            if differs {
                let generation = state.revision;
                *present = Arc::new(Published { generation, names });
            }
            differs
        });
    }

    /// Follows them.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Published>> {
        self.published.subscribe()
    }

    /// All of them, as they are told.
    pub(crate) fn shown(&self, published: &Published) -> PublishedNames {
        let names = published.names.values();
        let mut names: Vec<_> = names.flat_map(|names| names.iter().cloned()).collect();
        names.sort_by(|a, b| a.name.cmp(&b.name));
        PublishedNames {
            store: self.store.clone(),
            generation: published.generation,
            zone: self.zone.clone(),
            ttl_seconds: self.ttl_seconds,
            names,
        }
    }
}

impl Derived {
    /// Gives the caches whose names may lead elsewhere now: their own record, their link or where
    /// they are reached was written.
    fn follow(&mut self, state: &Arc<State>) -> BTreeSet<Key> {
        let before = std::mem::replace(&mut self.state, Arc::clone(state));
        let mut keys = BTreeSet::new();
        for Difference { old, new } in state.caches.changes_since(&before.caches) {
            if let Some(old) = old {
                self.by_uid.remove(&old.uid);
            }
            if let Some(new) = new {
                let key = cache::key(&new.id.name);
                self.by_uid.insert(new.uid.clone(), key);
            }
            keys.extend(old.or(new).map(|cache| cache::key(&cache.id.name)));
        }
        for Difference { old, new } in state.links.changes_since(&before.links) {
            for link in [old, new].into_iter().flatten() {
                let members = [&link.primary, &link.secondary];
                keys.extend(members.map(|member| cache::key(&member.id.name)));
            }
        }
        for Difference { old, new } in state.addresses.changes_since(&before.addresses) {
            let uid = old.or(new).map(|known| &known.uid);
            keys.extend(uid.and_then(|uid| self.by_uid.get(uid).cloned()));
        }
        keys
    }
}

/// The names of a cache. Of what is read here [`Derived::follow`] has to know.
fn derive(state: &State, cache: &CacheRecord) -> Vec<PublishedName> {
    if cache.lifecycle == Lifecycle::Deleting {
        return Vec::new();
    }
    let direct = PublishedName {
        name: cache.id.name.folded(),
        leads: by_what_is_open(state, cache, |known| known.direct),
    };
    let all = [Some(direct), geo(state, cache), private(state, cache)];
    all.into_iter().flatten().collect()
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
        self.published.receiver_count()
    }
}

#[cfg(test)]
mod tests;
