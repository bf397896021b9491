//! What one region is to run, as it is published.

use std::sync::Arc;

use imbl::OrdMap;
use model::{CacheDesired, CacheUid, StoreId, TokenIssuer};
use serde::Serialize;

use super::Change;
use crate::records::DeploymentRecord;

/// What one region is to run. Cheap to clone; a clone never changes.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    store: StoreId,
    generation: u64,
    told: DeploymentRecord,
    caches: OrdMap<CacheUid, Entry>,
    /// Who has an older generation than this one is told everything: something changed that is no
    /// change of a cache that is listed, or it may have been told by another version of Godwit.
    whole_since: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    /// The generation at which it last changed.
    since: u64,
    desired: Arc<CacheDesired>,
}

/// All of it: `model::RegionDesired`, as it is written.
#[derive(Debug, Serialize)]
pub(crate) struct Whole<'a> {
    store: &'a StoreId,
    generation: u64,
    zone: &'a str,
    issuers: &'a [TokenIssuer],
    caches: Vec<&'a CacheDesired>,
}

/// What changed: `model::RegionChanges`, as it is written.
#[derive(Debug, Serialize)]
pub(crate) struct Changes<'a> {
    store: &'a StoreId,
    generation: u64,
    since: u64,
    caches: Vec<&'a CacheDesired>,
}

impl Published {
    /// A region that has nothing to run.
    pub(super) fn new(store: StoreId, generation: u64, told: DeploymentRecord) -> Self {
        Self {
            store,
            generation,
            told,
            caches: OrdMap::new(),
            whole_since: generation + 1,
        }
    }

    /// Puts a cache in its place.
    pub(super) fn set(&mut self, desired: CacheDesired, since: u64) {
        let desired = Arc::new(desired);
        self.caches
            .insert(desired.uid.clone(), Entry { since, desired });
    }

    /// The same after these changes, as generation `revision`; `None` when nothing differs.
    pub(super) fn changed(
        &self,
        changes: Vec<Change>,
        told: &DeploymentRecord,
        revision: u64,
    ) -> Option<Self> {
        let mut next = self.clone();
        let mut differs = false;
        if self.told != *told {
            next.told = told.clone();
            next.whole_since = revision;
            differs = true;
        }
        for (uid, desired) in changes {
            let known = next.caches.get(&uid);
            if known.map(|known| &*known.desired) == desired.as_ref() {
                continue;
            }
            differs = true;
            match desired {
                Some(desired) => next.set(desired, revision),
                None => {
                    next.caches.remove(&uid);
                    next.whole_since = revision;
                }
            }
        }
        next.generation = revision;
        differs.then_some(next)
    }

    /// The store's revision at which it last changed.
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// One cache.
    pub(crate) fn cache(&self, uid: &CacheUid) -> Option<&CacheDesired> {
        Some(&self.caches.get(uid)?.desired)
    }

    /// All of it.
    pub(crate) fn whole(&self) -> Whole<'_> {
        Whole {
            store: &self.store,
            generation: self.generation,
            zone: &self.told.zone,
            issuers: &self.told.issuers,
            caches: self.caches.values().map(|entry| &*entry.desired).collect(),
        }
    }

    /// What differs from generation `known`; `None` when that cannot be told as changes of caches.
    pub(crate) fn since(&self, known: u64) -> Option<Changes<'_>> {
        let newer = self.caches.values().filter(|entry| entry.since > known);
        (known >= self.whole_since).then(|| Changes {
            store: &self.store,
            generation: self.generation,
            since: known,
            caches: newer.map(|entry| &*entry.desired).collect(),
        })
    }
}
