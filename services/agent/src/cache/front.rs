//! The cache's front door: its gateway, where it listens, who may come in, and where connections
//! go.

mod place;
mod reserved;
mod verify;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
    time::Duration,
};

use gateway::{Entry, Gateway, GatewayStatus, Limits, Place, Verify};
use model::{AccessKeys, CacheDesired, CacheUid, Doors, FrontDoor, Secret, TokenIssuer};
use parking_lot::Mutex;
use runtime::{chain, lanes::Lanes, tasks::Tasks};
use tls::FrontTls;
use tokens::Verifier;
use tokio::time::Instant;

use super::{Host, store::CacheStore};
use crate::{
    state::{Directory, StateError},
    switchboard::Switchboard,
};

use verify::Issuers;

pub(super) use place::{Decision, Seen, place};
use reserved::Reserved;

/// How long a handoff waits for connections to come to a command boundary before writes are paused:
/// what is still under way then waits in the engine, and is refused there if it writes. As a rule it
/// takes a millisecond or two. As long as the gateway gives an open transaction; a command that runs
/// for longer does not hold a handoff up.
const HOLD: Duration = Duration::from_millis(250);
/// How long it waits at most, as long as connections go on coming to one: then it is the machine
/// that is busy.
const LONGEST: Duration = Duration::from_millis(500);
/// Connections that come through another region's gateway are told over the network, answered what they
/// had asked, and say so.
const ROUND_TRIPS: u32 = 2;
/// How far away another region's gateway may be for its connections to be waited for.
const FAR: Duration = Duration::from_millis(400);
/// How long connections may take to end when the cache stops.
const GRACE: Duration = Duration::from_secs(2);

/// What the front doors of an agent's caches hold in common.
pub(crate) struct Fronts {
    /// Server certificates for clients.
    pub(crate) tls: FrontTls,
    /// Where clients' connections are served.
    lanes: Lanes,
    /// Whose tokens are believed.
    issuers: Verifier,
    /// The same, as gateways ask.
    verify: Arc<dyn Verify>,
    /// Which gateway a connection of another region's is for.
    pub(crate) switchboard: Arc<Switchboard>,
    /// The doors of every cache, whether they are open or not.
    doors: Mutex<BTreeMap<CacheUid, Doors>>,
}

impl Fronts {
    /// For the caches of this directory, whose addresses are not given to others.
    pub(crate) fn open(
        directory: &Directory,
        tls: FrontTls,
        lanes: Lanes,
        tasks: &Tasks,
    ) -> Result<Self, StateError> {
        let mut doors = BTreeMap::new();
        for uid in directory.caches()? {
            // A file that cannot be used is told of by its cache's worker.
            let file = directory.read_cache(&uid, || Secret::new(""));
            if let Ok(Some(file)) = file
                && let Some(kept) = file.doors
            {
                doors.insert(uid, kept);
            }
        }
        let issuers = Verifier::new(&[], tasks.child());
        Ok(Self {
            tls,
            lanes,
            verify: Arc::new(Issuers(issuers.clone())),
            issuers,
            switchboard: Arc::default(),
            doors: Mutex::new(doors),
        })
    }

    /// Believes the tokens of these issuers, and of no others.
    pub(crate) fn believe(&self, issuers: &[TokenIssuer]) {
        self.issuers.replace(issuers);
    }

    /// The addresses of all doors.
    pub(crate) fn addresses(&self) -> BTreeSet<IpAddr> {
        let doors = self.doors.lock();
        let each = doors.values();
        each.flat_map(|doors| [doors.direct.ip, doors.geo.ip])
            .collect()
    }
}

/// Who may come in, as the gateway was told last.
#[derive(PartialEq, Eq)]
struct Told {
    keys: AccessKeys,
    door: FrontDoor,
    max_clients: u32,
}

/// One cache's front door.
pub(super) struct Front {
    host: Arc<Host>,
    gateway: Gateway,
    told: Told,
    /// Picked, and never listened on.
    picked: Option<Doors>,
    /// As they are open.
    open: Option<Doors>,
    /// What the listeners were last asked to be: without TLS, and at all.
    asked: Option<(bool, bool)>,
    /// Ports of doors that are closed, kept from everybody else.
    reserved: Vec<Reserved>,
    place: Option<Place>,
    /// Connections are held for a handoff.
    holds: bool,
}

impl Front {
    /// Opens the gateway; it listens nowhere, and leads nowhere.
    pub(super) fn open(host: &Arc<Host>, order: &CacheDesired) -> Self {
        let told = told(order);
        let gateway = Gateway::open(
            &host.relay_tasks,
            host.fronts.lanes.clone(),
            order.id.clone(),
            host.identity.clone(),
            entry(host, &told),
            Limits::default(),
        );
        let switchboard = &host.fronts.switchboard;
        switchboard.plug(order.uid.clone(), order.id.clone(), gateway.clone());
        Self {
            host: Arc::clone(host),
            gateway,
            told,
            picked: None,
            open: None,
            asked: None,
            reserved: Vec::new(),
            place: None,
            holds: false,
        }
    }

    /// Lets those in whom the order lets in, from this moment on.
    pub(super) fn admit(&mut self, order: &CacheDesired) {
        let wanted = told(order);
        if wanted != self.told {
            self.gateway.admit(entry(&self.host, &wanted));
            self.told = wanted;
        }
    }

    /// Listens where and how the cache is to, picking the addresses when it has none.
    pub(super) fn listen(&mut self, store: &mut CacheStore, uid: &CacheUid) -> Result<(), String> {
        let wanted = (self.told.door.plain, self.told.door.public);
        if self.asked == Some(wanted) {
            return Ok(());
        }
        let doors = match store.file().doors.or(self.picked) {
            Some(doors) => doors,
            None => self.pick(store)?,
        };
        self.reserved.clear();
        match self.gateway.listen(doors, &self.host.fronts.tls) {
            Ok(open) => {
                self.reserved = reserved::closed(doors, wanted.0, wanted.1);
                let kept = store.change(|file| file.doors = Some(doors));
                kept.map_err(|error| chain(&error).to_string())?;
                self.host.fronts.doors.lock().insert(uid.clone(), doors);
                tracing::info!(cache = %uid, direct = %open.direct.tls(), geo = %open.geo.tls(), plain = wanted.0, public = wanted.1, "the doors are open");
                self.open = wanted.1.then_some(open);
                self.asked = Some(wanted);
                Ok(())
            }
            Err(error) => {
                // What nobody was told of may be exchanged for another.
                self.picked = None;
                Err(chain(&error).to_string())
            }
        }
    }

    fn pick(&mut self, store: &CacheStore) -> Result<Doors, String> {
        let taken = self.host.fronts.addresses();
        let picked = self
            .host
            .addresses
            .pick_doors(&self.host.dice, &taken, store.file().former);
        let picked = picked.map_err(|error| chain(&error).to_string())?;
        self.picked = Some(picked);
        Ok(picked)
    }

    /// Where clients connect.
    pub(super) fn doors(&self) -> Option<Doors> {
        self.open
    }

    /// What the gateway counts.
    pub(super) fn status(&self) -> GatewayStatus {
        self.gateway.status()
    }

    /// Connections of clients that an engine here serves.
    pub(super) fn clients(&self) -> u64 {
        self.gateway.clients()
    }

    /// The place that was told last.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Connections are held.
    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    /// Does what was decided. A hold ends when connections go somewhere.
    pub(super) async fn follow(&mut self, decision: Decision) {
        match decision {
            Decision::Stay => {}
            Decision::Wait if self.holds => {}
            Decision::Wait => {
                tracing::debug!("connections wait");
                self.gateway.hold(Duration::ZERO).await;
                self.holds = true;
            }
            Decision::Go(place) => {
                if self.place.as_ref() == Some(&*place) && !self.holds {
                    return;
                }
                tracing::debug!(?place, "connections go");
                self.gateway.lead(Place::clone(&place));
                self.place = Some(*place);
                self.holds = false;
            }
        }
    }

    /// Has connections wait at a command boundary, until they are led somewhere. The other region is a
    /// `round_trip` away.
    pub(super) async fn hold(&mut self, round_trip: Duration) {
        let began = Instant::now();
        let patience = HOLD + round_trip.min(FAR) * ROUND_TRIPS;
        let mut held = self.gateway.hold(patience).await;
        // On a busy machine they take longer, and come one after the other.
        while held.busy > 0 && began.elapsed() < LONGEST {
            let before = held.busy;
            held = self.gateway.hold(patience).await;
            if held.busy >= before {
                break;
            }
        }
        self.holds = true;
        tracing::debug!(held = held.held, busy = held.busy, took = ?began.elapsed(), "connections are held");
    }

    /// Ends every connection and stops listening.
    pub(super) async fn close(&mut self, order: &CacheDesired) {
        let fronts = &self.host.fronts;
        fronts.switchboard.unplug(&order.uid);
        if !self.gateway.close(GRACE).await {
            tracing::warn!(cache.id = %order.id.name, "some connections did not end in time");
        }
        self.open = None;
        self.asked = None;
    }

    /// The cache is gone, and its addresses may be given to another.
    pub(super) fn forget(&self, uid: &CacheUid) {
        self.host.fronts.doors.lock().remove(uid);
    }
}

fn told(order: &CacheDesired) -> Told {
    Told {
        keys: order.keys.clone(),
        door: order.door.clone(),
        max_clients: order.settings.maxclients,
    }
}

fn entry(host: &Host, told: &Told) -> Entry {
    Entry {
        keys: told.keys.clone(),
        door: told.door.clone(),
        verifier: Some(Arc::clone(&host.fronts.verify)),
        max_clients: told.max_clients,
    }
}
