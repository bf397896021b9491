//! What each region is to run, derived from the store, and the generation of it.
//!
//! A region's generation is the store's revision at which what it is to run last changed, so it
//! never goes back, not even when this process starts anew (then it is the present revision).

use std::{collections::BTreeMap, sync::Arc};

use model::{
    CacheDesired, CacheRecord, GeoRole, Lifecycle, Presence, Region, RegionDesired,
    ReplicationDesired, StoreId, engine_settings,
};
use runtime::chain;
use tokio::sync::watch;

use crate::{
    records::{DeploymentRecord, agent_key, deployment},
    store::State,
};

/// The desired state of every region, to be watched.
pub(crate) struct Desired {
    regions: BTreeMap<Region, watch::Sender<Arc<RegionDesired>>>,
}

impl Desired {
    /// Derives it for the first time.
    pub(crate) fn new(store: &StoreId, regions: &[Region], state: &State) -> Self {
        let mut derived = derive(state);
        let DeploymentRecord { zone, issuers } = told(state);
        let publish = |region: &Region| {
            let first = RegionDesired {
                store: store.clone(),
                generation: state.revision,
                zone: zone.clone(),
                issuers: issuers.clone(),
                caches: derived.remove(region).unwrap_or_default(),
            };
            (region.clone(), watch::Sender::new(Arc::new(first)))
        };
        Self {
            regions: regions.iter().map(publish).collect(),
        }
    }

    /// Derives it again, and wakes who watches a region in which something changed.
    pub(crate) fn refresh(&self, state: &State) {
        let mut derived = derive(state);
        let DeploymentRecord { zone, issuers } = told(state);
        for (region, published) in &self.regions {
            let caches = derived.remove(region).unwrap_or_default();
            published.send_if_modified(|present| {
                let same =
                    present.caches == caches && present.zone == zone && present.issuers == issuers;
                if same || present.generation >= state.revision {
                    return false;
                }
                *present = Arc::new(RegionDesired {
                    store: present.store.clone(),
                    generation: state.revision,
                    zone: zone.clone(),
                    issuers: issuers.clone(),
                    caches,
                });
                true
            });
        }
    }

    /// What a region is to run, as it is published; `None` when this deployment does not have it.
    pub(crate) fn of(&self, region: &Region) -> Option<Arc<RegionDesired>> {
        let published = self.regions.get(region)?;
        Some(Arc::clone(&published.borrow()))
    }

    /// Follows a region; `None` when this deployment does not have it.
    pub(crate) fn watch(&self, region: &Region) -> Option<watch::Receiver<Arc<RegionDesired>>> {
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

fn derive(state: &State) -> BTreeMap<Region, Vec<CacheDesired>> {
    let mut regions: BTreeMap<Region, Vec<CacheDesired>> = BTreeMap::new();
    for cache in state.caches.iter() {
        if let Some(desired) = cache_desired(state, cache) {
            regions
                .entry(cache.region.clone())
                .or_default()
                .push(desired);
        }
    }
    for caches in regions.values_mut() {
        caches.sort_by(|a, b| a.uid.cmp(&b.uid));
    }
    regions
}

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
        keys: cache.keys.clone(),
        door: cache.front_door(),
        transfer: cache.transfer.clone(),
    })
}

#[cfg(test)]
impl Desired {
    /// How many long polls wait for a region.
    pub(crate) fn polls(&self, region: &Region) -> usize {
        self.regions[region].receiver_count()
    }
}
