//! The gateway of one cache, as its agent holds it.

use std::{fmt, sync::Arc, time::Duration};

use model::{CacheId, Doors};
use parking_lot::Mutex;
use runtime::{lanes::Lanes, tasks::Tasks};
use tls::{FrontTls, Identity};
use tokio::time::{Instant, timeout_at};

use crate::{
    BindError, Entrance, Entry, GatewayStatus, Limits, Place, house::House, listener::Listeners,
    orders::Orders, tunnel,
};

/// One cache's gateway. A cheap handle: clones are the same gateway.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    house: Arc<House>,
    listeners: Mutex<Listeners>,
}

/// How a hold went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Connections that stand at a command boundary, or wait in a blocked command.
    pub held: u64,
    /// Connections with requests on the way for which there was no more patience.
    pub busy: u64,
}

impl Gateway {
    /// Opens the gateway of `cache`, which is [`Place::Nowhere`] and listens nowhere yet. It
    /// serves until `tasks` are cancelled or it is [closed](Gateway::close). As `identity` it goes
    /// over to the other side's gateway. Its connections are served on `lanes`.
    #[must_use]
    pub fn open(
        tasks: &Tasks,
        lanes: Lanes,
        cache: CacheId,
        identity: Identity,
        entry: Entry,
        limits: Limits,
    ) -> Self {
        let tasks = tasks.child();
        let orders = Orders::new(entry);
        let house = House::new(cache, tasks.clone(), lanes, identity, limits, orders);
        let house = Arc::new(house);
        let (ending, inner) = (tasks.clone(), Arc::clone(&house));
        tasks.spawn_until_done("gateway end", async move {
            ending.cancelled().await;
            inner.change(|orders| orders.closed = true);
        });
        Self(Arc::new(Inner {
            house,
            listeners: Mutex::default(),
        }))
    }

    /// Lets everybody who connects from now on in without a login, as with the first access key,
    /// and passes on what is refused to clients: for the engines' own test suites.
    #[cfg(feature = "testing")]
    pub fn admit_everybody(&self) {
        let everybody = &self.0.house.everybody;
        everybody.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// Listens at these doors from now on, and nowhere else: without TLS only if the entry says
    /// so, and nowhere if the entry is not public. Doors that are open already stay open. Port 0
    /// takes any, once; the doors that are returned say which. Where both doors have one address
    /// for TLS, the name that a client asks for (`….geo.…`) tells which it means.
    ///
    /// # Errors
    ///
    /// When an address cannot be listened on; what was open before stays so.
    pub fn listen(&self, doors: Doors, front: &FrontTls) -> Result<Doors, BindError> {
        let mut listeners = self.0.listeners.lock();
        listeners.open(&self.0.house, doors, front)
    }

    /// Says who may come in. It holds at once, for those who are in as well: connections whose
    /// key, user or address is not let in any more end. Doors that the entry wants opened are by
    /// the next [`Gateway::listen`]; those that it wants closed are closed.
    pub fn admit(&self, entry: Entry) {
        let house = &self.0.house;
        self.0.listeners.lock().close_for(&entry.door);
        house.change(|orders| orders.entry = Arc::new(entry));
    }

    /// Says where connections go. Connections of the geo endpoint are carried over to the new
    /// place at their next command boundary; those of the direct endpoint go on if it is the same
    /// engine, and end otherwise. A hold ends with it.
    pub fn lead(&self, place: Place) {
        self.0.house.change(|orders| {
            if *orders.place != place {
                orders.place = Arc::new(place);
                orders.moves += 1;
            }
            orders.hold = None;
        });
    }

    /// Holds all connections at a command boundary: no request is taken any more until
    /// [`Gateway::lead`] or [`Gateway::release`]. Resolves when everything that was sent is
    /// answered, but for commands that wait by themselves, or when there is no more patience; the
    /// hold goes on either way, also when nobody waits for this.
    pub async fn hold(&self, patience: Duration) -> Held {
        let house = &self.0.house;
        let until = Instant::now() + patience;
        house.change(|orders| {
            if orders.hold.is_none() {
                house.roster.expect_all();
            }
            orders.hold = Some(until);
        });
        if timeout_at(until, house.roster.all_held()).await.is_err() {
            tracing::info!(cache = %house.cache.name, "some connections did not come to a command boundary in {patience:?}");
        }
        house.roster.held()
    }

    /// Gives a hold up: all connections go on where they are.
    pub fn release(&self) {
        self.0.house.change(|orders| orders.hold = None);
    }

    /// Takes a connection of another region's gateway, which carries a client over to this cache.
    pub fn enter(&self, entrance: Entrance) {
        tunnel::enter(&self.0.house, entrance);
    }

    /// How many connections of clients are served by an engine here: those that go over to the other
    /// side's gateway are counted there.
    #[must_use]
    pub fn clients(&self) -> u64 {
        self.0.house.roster.staying() as u64
    }

    /// What it sees, and has seen.
    #[must_use]
    pub fn status(&self) -> GatewayStatus {
        let roster = &self.0.house.roster;
        let mut status = roster.totals.status();
        roster.each(|ticket| status.add(ticket));
        status
    }

    /// Closes every listener, ends every connection, and waits for that. `false`: some had not
    /// ended after `grace`.
    pub async fn close(&self, grace: Duration) -> bool {
        self.0.listeners.lock().close();
        self.0.house.tasks.stop(grace).await
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway")
            .field("cache", &self.0.house.cache)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
