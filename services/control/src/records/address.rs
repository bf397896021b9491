//! `address/<uid>`: where clients reach a cache, as its agent last said.

use std::{collections::BTreeSet, net::IpAddr};

use model::{CacheUid, Doors, Region, RegionObserved};
use serde::{Deserialize, Serialize};

use crate::store::{Change, Key, Record, State, Table};

/// The addresses of a cache. An agent that starts has none to tell yet, and one that does not
/// report tells nothing; the names lead there all the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AddressRecord {
    /// The cache.
    pub(crate) uid: CacheUid,
    /// The region whose agent said so.
    pub(crate) region: Region,
    /// The direct endpoint's address.
    pub(crate) direct: IpAddr,
    /// The geo endpoint's.
    pub(crate) geo: IpAddr,
}

/// The key of a cache's addresses.
pub(crate) fn key(uid: &CacheUid) -> Key {
    Key::new(AddressRecord::PREFIX, uid.as_str())
}

impl AddressRecord {
    fn new(uid: &CacheUid, region: &Region, doors: &Doors) -> Self {
        Self {
            uid: uid.clone(),
            region: region.clone(),
            direct: doors.direct.ip,
            geo: doors.geo.ip,
        }
    }

    /// What a report changes: addresses that are news, and those of caches that are gone.
    pub(crate) fn changes(state: &State, report: &RegionObserved) -> Option<Change> {
        let told = report.caches.iter().filter_map(|cache| {
            let doors = cache.doors?;
            Some(Self::new(&cache.uid, &report.region, &doors))
        });
        let news: Vec<Self> = told
            .filter(|new| {
                let known = state.addresses.get(&new.key());
                known.is_none_or(|known| **known != *new)
            })
            .collect();
        // Each cache has one at most; while they are no more than caches, none is missed.
        let some_are_of_nobody = state.addresses.len() > state.caches.len();
        if news.is_empty() && !some_are_of_nobody {
            return None;
        }
        let here = state.caches.iter();
        let here = here.filter(|cache| cache.region == report.region);
        let living: BTreeSet<&CacheUid> = here.map(|cache| &cache.uid).collect();
        let mut change = Change::new();
        let mut any = false;
        for new in news.iter().filter(|new| living.contains(&new.uid)) {
            change = match state.addresses.get(&new.key()) {
                Some(old) => change.replace(old, new),
                None => change.insert(new),
            };
            any = true;
        }
        for old in state.addresses.iter() {
            if old.region == report.region && !living.contains(&old.uid) {
                change = change.remove(old);
                any = true;
            }
        }
        any.then_some(change)
    }
}

impl Record for AddressRecord {
    const PREFIX: &'static str = "address/";

    fn key(&self) -> Key {
        key(&self.uid)
    }

    fn table_mut(state: &mut State) -> &mut Table<Self> {
        &mut state.addresses
    }

    fn is_at_rest(&self) -> bool {
        true
    }
}
