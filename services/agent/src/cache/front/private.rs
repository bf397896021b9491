//! The private endpoints of a cache: where they listen, kept as long as they are to be there.

use std::{collections::BTreeMap, sync::Arc};

use gateway::{Gateway, PrivateListener};
use model::{CacheUid, Door, FrontDoor, PrivateDoor, PrivateDoorObserved};
use runtime::chain;

use super::{
    Host,
    reserved::{self, Reserved},
};
use crate::cache::store::CacheStore;

/// Where a cache listens for private networks.
#[derive(Default)]
pub(super) struct PrivateDoors {
    /// What was asked for when all of it could be done: the endpoints, and without TLS, too.
    asked: Option<(Vec<PrivateDoor>, bool)>,
    observed: Vec<PrivateDoorObserved>,
    /// Ports without TLS that are closed, kept from everybody else.
    reserved: Vec<Reserved>,
}

impl PrivateDoors {
    /// The endpoints that are to listen, in the order of their names.
    pub(super) fn observed(&self) -> &[PrivateDoorObserved] {
        &self.observed
    }

    /// Listens at the endpoints of `door` and at no others. One that cannot be had keeps none of the
    /// others back; it is tried again at every call.
    pub(super) fn listen(
        &mut self,
        host: &Host,
        gateway: &Gateway,
        door: &FrontDoor,
        store: &mut CacheStore,
        uid: &CacheUid,
    ) -> Result<(), String> {
        let wanted = (door.private.clone(), door.plain);
        if self.asked.as_ref() == Some(&wanted) {
            return Ok(());
        }
        self.asked = None;
        self.reserved.clear();
        let mut picked = pick(host, door, store);
        let listeners: Vec<PrivateListener> = picked
            .iter()
            .filter_map(|(endpoint, door)| {
                let name = Arc::from(endpoint.name.as_str());
                Some((name, *door.as_ref().ok()?))
            })
            .collect();
        let opened = gateway.listen_privately(&listeners, &host.fronts.tls);
        let could = picked.iter_mut().filter(|(_, door)| door.is_ok());
        for ((_, door), opened) in could.zip(opened) {
            if let Err(error) = opened {
                *door = Err(chain(&error).to_string());
            }
        }
        let good = picked
            .iter()
            .filter_map(|(endpoint, door)| Some((endpoint.name.clone(), *door.as_ref().ok()?)));
        let good: BTreeMap<String, Door> = good.collect();
        keep(host, door, store, uid, &good)?;
        self.observe(picked, door.plain, uid);
        if !door.plain {
            let closed = good.values().filter_map(Door::plain);
            self.reserved = closed.filter_map(reserved::reserve).collect();
        }
        if good.len() == wanted.0.len() {
            self.asked = Some(wanted);
        }
        Ok(())
    }

    /// Tells what is news.
    fn observe(
        &mut self,
        picked: Vec<(PrivateDoor, Result<Door, String>)>,
        plain: bool,
        uid: &CacheUid,
    ) {
        let before = std::mem::take(&mut self.observed);
        for (endpoint, found) in picked {
            let name = endpoint.name;
            let now = match found {
                Ok(door) => PrivateDoorObserved {
                    name,
                    door: Some(Door {
                        plain: door.plain.filter(|_| plain),
                        ..door
                    }),
                    problem: None,
                },
                Err(why) => PrivateDoorObserved {
                    name,
                    door: None,
                    problem: Some(why),
                },
            };
            if !before.contains(&now) {
                match (&now.door, &now.problem) {
                    (Some(door), _) => {
                        tracing::info!(cache = %uid, endpoint = now.name, address = %door.tls(), "a private endpoint is open");
                    }
                    (None, Some(why)) => {
                        tracing::warn!(cache = %uid, endpoint = now.name, "a private endpoint cannot be opened: {why}");
                    }
                    (None, None) => {}
                }
            }
            self.observed.push(now);
        }
    }
}

/// Where each endpoint is to listen: where it did, or at a place that is picked now.
fn pick(
    host: &Host,
    door: &FrontDoor,
    store: &CacheStore,
) -> Vec<(PrivateDoor, Result<Door, String>)> {
    let mut taken = host.fronts.addresses();
    let mut picked: Vec<(PrivateDoor, Result<Door, String>)> = Vec::new();
    for endpoint in &door.private {
        let kept = store.file().private.get(&endpoint.name).copied();
        let kept = kept.filter(|kept| endpoint.address.is_none_or(|at| at == kept.ip));
        let found = match kept {
            Some(kept) => Ok(kept),
            None => host
                .addresses
                .pick_private(&host.dice, &taken, endpoint.address)
                .map_err(|error| chain(&error).to_string()),
        };
        taken.extend(found.as_ref().ok().map(|door| door.ip));
        picked.push((endpoint.clone(), found));
    }
    picked
}

/// Writes down where endpoints listen for the first time, and forgets those that are gone. One
/// that cannot be had at present keeps its place.
fn keep(
    host: &Host,
    door: &FrontDoor,
    store: &mut CacheStore,
    uid: &CacheUid,
    good: &BTreeMap<String, Door>,
) -> Result<(), String> {
    let kept = store.change(|file| {
        file.private
            .retain(|name, _| door.private.iter().any(|wanted| wanted.name == *name));
        file.private.extend(good.clone());
    });
    kept.map_err(|error| chain(&error).to_string())?;
    let addresses = store.file().private.values().map(|door| door.ip).collect();
    host.fronts.private.lock().insert(uid.clone(), addresses);
    Ok(())
}
