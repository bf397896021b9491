//! `cache/<name>`: a cache. Its name alone is the key, because it is a DNS label of the whole
//! deployment: two groups cannot both have it.

use model::{CacheId, CacheName, CacheRecord, SubscriptionId};

use super::GroupRecord;
use crate::store::{Key, Record, State, Table, Versioned};

/// The key of the cache of that name.
pub(crate) fn key(name: &CacheName) -> Key {
    Key::new(CacheRecord::PREFIX, &name.folded())
}

impl Record for CacheRecord {
    const PREFIX: &'static str = "cache/";

    fn key(&self) -> Key {
        key(&self.id.name)
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.caches
    }
}

impl State {
    /// The cache in exactly that subscription and group.
    pub(crate) fn cache(&self, id: &CacheId) -> Option<&Versioned<CacheRecord>> {
        self.caches
            .get(&key(&id.name))
            .filter(|cache| cache.id == *id)
    }

    /// The caches of a group.
    pub(crate) fn caches_in(
        &self,
        group: &GroupRecord,
    ) -> impl Iterator<Item = &Versioned<CacheRecord>> {
        let (subscription, name) = (group.subscription.clone(), group.name.clone());
        self.caches
            .iter()
            .filter(move |cache| cache.id.subscription == subscription && cache.id.group == name)
    }

    /// The caches of a subscription.
    pub(crate) fn caches_of(
        &self,
        subscription: &SubscriptionId,
    ) -> impl Iterator<Item = &Versioned<CacheRecord>> {
        self.caches
            .iter()
            .filter(move |cache| cache.id.subscription == *subscription)
    }
}
