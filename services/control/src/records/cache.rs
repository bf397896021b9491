//! `cache/<name>`: a cache. Its name alone is the key, because it is a DNS label of the whole
//! deployment: two groups cannot both have it.

use model::{CacheId, CacheName, CacheRecord, Lifecycle};

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

    fn is_at_rest(&self) -> bool {
        self.lifecycle == Lifecycle::Ready
            && self.access.is_settled()
            && self.resize.is_none()
            && self.maintenance.order.is_none()
            && self.transfer.is_none()
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
        let caches = self.caches.iter();
        caches.filter(move |cache| cache.id.is_in(&subscription, &name))
    }

    /// The caches behind the one of that name, in the order of their names; all of them without one.
    pub(crate) fn caches_behind(
        &self,
        name: Option<&str>,
    ) -> impl Iterator<Item = &Versioned<CacheRecord>> {
        self.caches.list(Key::new(CacheRecord::PREFIX, ""), name)
    }
}
