//! What each region is to run, derived from the store, and the generation of it.
//!
//! A region's generation is the store's revision at which what it is to run last changed, so it
//! never goes back, not even when this process starts anew (then it is the present revision).
//!
//! What a commit changes is derived anew and nothing else ([`affected`] says which caches that are);
//! an agent that says what it has is told no more than that either ([`Published::since`]).

mod affected;
mod published;

use std::{collections::BTreeMap, sync::Arc};

use model::{
    CacheDesired, CacheRecord, CacheUid, GeoRole, Lifecycle, Persistence, Presence, Region,
    ReplicationDesired, StoreId, engine_settings,
};
use parking_lot::Mutex;
use runtime::chain;
use tokio::sync::watch;

use crate::{
    records::{DeploymentRecord, agent_key, deployment},
    store::State,
};
pub(crate) use published::Published;

/// The desired state of every region, to be watched.
pub(crate) struct Desired {
    regions: BTreeMap<Region, watch::Sender<Arc<Published>>>,
    /// What it was derived from last.
    derived: Mutex<Arc<State>>,
}

/// What becomes of a cache: what its region is to run; `None`: nothing any more.
type Change = (CacheUid, Option<CacheDesired>);

impl Desired {
    /// Derives it for the first time.
    pub(crate) fn new(store: &StoreId, regions: &[Region], state: &Arc<State>) -> Self {
        let told = told(state);
        let publish = |region: &Region| {
            let first = Published::new(store.clone(), state.revision, told.clone());
            (region.clone(), first)
        };
        let mut published: BTreeMap<_, _> = regions.iter().map(publish).collect();
        for cache in state.caches.iter() {
            let region = published.get_mut(&cache.region);
            if let (Some(region), Some(desired)) = (region, cache_desired(state, cache)) {
                region.set(desired, state.revision);
            }
        }
        let watched = |(region, first)| (region, watch::Sender::new(Arc::new(first)));
        Self {
            regions: published.into_iter().map(watched).collect(),
            derived: Mutex::new(Arc::clone(state)),
        }
    }

    /// Follows the store to `state`, which is no older than the last one, and wakes who watches a
    /// region in which something changed.
    pub(crate) fn follow(&self, state: &Arc<State>) {
        let mut derived = self.derived.lock();
        let before = std::mem::replace(&mut *derived, Arc::clone(state));
        let told = told(state);
        let mut changes = changes(&before, state);
        for (region, published) in &self.regions {
            let of_region = changes.remove(region).unwrap_or_default();
            published.send_if_modified(|present| {
                let next = present.changed(of_region, &told, state.revision);
                next.is_some_and(|next| {
                    *present = Arc::new(next);
                    true
                })
            });
        }
    }

    /// What a region is to run, as it is published; `None` when this deployment does not have it.
    pub(crate) fn published(&self, region: &Region) -> Option<Arc<Published>> {
        let published = self.regions.get(region)?;
        Some(Arc::clone(&published.borrow()))
    }

    /// Follows a region; `None` when this deployment does not have it.
    pub(crate) fn watch(&self, region: &Region) -> Option<watch::Receiver<Arc<Published>>> {
        self.regions.get(region).map(watch::Sender::subscribe)
    }
}

/// What every region is told.
fn told(state: &State) -> DeploymentRecord {
    let record = state.deployment.get(&deployment::key());
    record.map_or_else(
        || DeploymentRecord {
            zone: String::new(),
            issuers: Vec::new(),
        },
        |record| DeploymentRecord::clone(record),
    )
}

/// What differs between two states, by region.
fn changes(before: &State, after: &State) -> BTreeMap<Region, Vec<Change>> {
    let mut changes: BTreeMap<Region, Vec<Change>> = BTreeMap::new();
    let mut change = |region: &Region, change| {
        changes.entry(region.clone()).or_default().push(change);
    };
    for key in affected::by(before, after) {
        let (old, new) = (before.caches.get(&key), after.caches.get(&key));
        let same =
            |new: &CacheRecord, old: &CacheRecord| new.uid == old.uid && new.region == old.region;
        if let Some(old) = old
            && !new.is_some_and(|new| same(new, old))
        {
            change(&old.region, (old.uid.clone(), None));
        }
        if let Some(new) = new {
            change(&new.region, (new.uid.clone(), cache_desired(after, new)));
        }
    }
    changes
}

/// What the agent of a cache is told of it. What is read here has to be named in [`affected`], or
/// agents do not hear of its changes.
fn cache_desired(state: &State, cache: &CacheRecord) -> Option<CacheDesired> {
    let settings = match engine_settings(cache.spec.sku, &cache.spec.configuration) {
        Ok(settings) => settings,
        Err(error) => {
            // Checked when it was stored; an agent leaves a cache that is not listed as it is.
            tracing::error!(cache.id = %cache.id, error = %chain(&error), "A stored cache has settings that cannot be used; it is left as it is");
            return None;
        }
    };
    let link = state.link_of(cache);
    let source = link.and_then(|link| {
        let agent = state.agents.get(&agent_key(&link.primary.region))?;
        agent.relay_address
    });
    Some(CacheDesired {
        uid: cache.uid.clone(),
        id: cache.id.clone(),
        revision: cache.revision,
        epoch: link.map_or(cache.epoch, |link| link.epoch),
        presence: match cache.lifecycle {
            Lifecycle::Deleting => Presence::Absent,
            Lifecycle::Creating
            | Lifecycle::Ready
            | Lifecycle::Updating
            | Lifecycle::Scaling
            | Lifecycle::Failed { .. } => Presence::Present,
        },
        role: link.map_or(GeoRole::Alone, |link| link.role_of(&cache.uid, source)),
        replication: link.map(|link| ReplicationDesired {
            peer: link.other(&cache.uid).region.clone(),
            peer_cache: link.other(&cache.uid).id.clone(),
            settings: link.settings.clone(),
        }),
        shards: cache.spec.shards.unwrap_or(1),
        replicas: cache.spec.replicas,
        settings,
        persistence: if link.is_some() {
            Persistence::Off
        } else {
            cache.spec.persistence()
        },
        keys: cache.keys.clone(),
        door: cache.front_door(),
        roll: cache
            .maintenance
            .order
            .as_ref()
            .map(|given| given.order.clone()),
        transfer: cache.transfer.clone(),
    })
}

#[cfg(test)]
impl Desired {
    /// How many long polls wait for a region.
    pub(crate) fn polls(&self, region: &Region) -> usize {
        self.regions[region].receiver_count()
    }

    /// All that a region is to run.
    pub(crate) fn of(&self, region: &Region) -> Option<model::RegionDesired> {
        let published = self.published(region)?;
        let text = serde_json::to_vec(&published.whole()).ok()?;
        serde_json::from_slice(&text).ok()
    }
}

#[cfg(test)]
mod tests;
