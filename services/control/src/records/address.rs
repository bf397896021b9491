//! `address/<uid>`: where clients reach a cache, as its agent last said.

use std::{collections::BTreeMap, net::IpAddr};

use model::{CacheObserved, CacheRecord, CacheUid, Region, RegionObserved};
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
    /// The direct endpoint's address; `None`: it has listened at private endpoints alone so far.
    pub(crate) direct: Option<IpAddr>,
    /// The geo endpoint's.
    pub(crate) geo: Option<IpAddr>,
    /// The addresses of private endpoints that listen, by the endpoints' names.
    #[serde(default)]
    pub(crate) private: BTreeMap<String, IpAddr>,
}

/// The key of a cache's addresses.
pub(crate) fn key(uid: &CacheUid) -> Key {
    Key::new(AddressRecord::PREFIX, uid.as_str())
}

impl AddressRecord {
    /// What is known of a cache by now. What its agent does not tell at present stays as it was told
    /// before, but for private endpoints that are not to be there any more.
    fn now(cache: &CacheRecord, observed: &CacheObserved, before: Option<&Self>) -> Option<Self> {
        let told = observed.private_doors.iter();
        let told = told.filter_map(|endpoint| Some((endpoint.name.clone(), endpoint.door?.ip)));
        let mut private = before
            .map(|before| before.private.clone())
            .unwrap_or_default();
        private.extend(told);
        let wanted = cache.front_door().private;
        private.retain(|name, _| wanted.iter().any(|door| door.name == *name));
        let was = |of: fn(&Self) -> Option<IpAddr>| before.and_then(of);
        let doors = observed.doors;
        let direct = doors.map(|doors| doors.direct.ip);
        let geo = doors.map(|doors| doors.geo.ip);
        let now = Self {
            uid: cache.uid.clone(),
            region: cache.region.clone(),
            direct: direct.or_else(|| was(|before| before.direct)),
            geo: geo.or_else(|| was(|before| before.geo)),
            private,
        };
        (now.direct.is_some() || !now.private.is_empty()).then_some(now)
    }

    /// Tells whether what is told of a cache may differ from what is known of it: a look at the cache's
    /// record tells then.
    fn may_be_news(known: Option<&Self>, observed: &CacheObserved) -> bool {
        let private = observed.private_doors.iter();
        let mut private = private.filter_map(|one| Some((one.name.as_str(), one.door?.ip)));
        let Some(known) = known else {
            return observed.doors.is_some() || private.next().is_some();
        };
        let other = |was: Option<IpAddr>, now: Option<IpAddr>| now.is_some() && was != now;
        let doors = observed.doors;
        let told: BTreeMap<&str, IpAddr> = private.collect();
        let kept = known.private.iter().map(|(name, ip)| (name.as_str(), *ip));
        other(known.direct, doors.map(|doors| doors.direct.ip))
            || other(known.geo, doors.map(|doors| doors.geo.ip))
            || !kept.eq(told)
    }

    /// What a report changes: addresses that are news, and those of caches that are gone.
    pub(crate) fn changes(state: &State, report: &RegionObserved) -> Option<Change> {
        // Each cache has one at most; while they are no more than caches, none is missed.
        let some_are_of_nobody = state.addresses.len() > state.caches.len();
        let any_news = report.caches.iter().any(|observed| {
            let known = state.addresses.get(&key(&observed.uid));
            Self::may_be_news(known.map(|known| &**known), observed)
        });
        if !any_news && !some_are_of_nobody {
            return None;
        }
        let here = state
            .caches
            .iter()
            .filter(|cache| cache.region == report.region);
        let living: BTreeMap<&CacheUid, &CacheRecord> =
            here.map(|cache| (&cache.uid, &**cache)).collect();
        let mut change = Change::new();
        let mut any = false;
        for observed in &report.caches {
            let Some(cache) = living.get(&observed.uid) else {
                continue;
            };
            let old = state.addresses.get(&key(&cache.uid));
            let Some(new) = Self::now(cache, observed, old.map(|old| &**old)) else {
                continue;
            };
            change = match old {
                Some(old) if **old == new => continue,
                Some(old) => change.replace(old, &new),
                None => change.insert(&new),
            };
            any = true;
        }
        for old in state.addresses.iter() {
            if old.region == report.region && !living.contains_key(&old.uid) {
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
