//! All connections of a gateway, in the order in which they came.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    ops::Deref,
    sync::Arc,
    time::Duration,
};

use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use crate::{
    Held,
    status::Totals,
    ticket::{Standing, Through, Ticket},
};

/// Connections that have not logged in, at least; else half of all that may be there.
const STRANGERS: usize = 128;
/// How long a connection may be without a login before it makes room for another.
const YOUNG: Duration = Duration::from_secs(2);

/// The connections.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    inner: Mutex<Inner>,
    /// Somebody stopped, was held, or left.
    moved: Notify,
    pub(crate) totals: Totals,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    tickets: BTreeMap<u64, Arc<Ticket>>,
    /// Those that have not logged in.
    strangers: BTreeSet<u64>,
}

/// Whether there is room for one more.
#[derive(Debug)]
pub(crate) enum Room {
    /// There is, and it was taken.
    Taken(Entered),
    /// There are as many clients as may be.
    Full,
    /// Many have just come and not logged in yet: it has to wait.
    Later,
}

/// A connection's place in the roster; it leaves when this is dropped.
#[derive(Debug)]
pub(crate) struct Entered {
    ticket: Arc<Ticket>,
    roster: Arc<Roster>,
}

impl Roster {
    /// Lets a stranger in. When too many strangers are there, the oldest goes for it.
    pub(crate) fn enter(
        self: &Arc<Self>,
        peer: SocketAddr,
        through: Through,
        max_clients: u32,
    ) -> Room {
        let max = usize::try_from(max_clients).unwrap_or(usize::MAX);
        let mut inner = self.inner.lock();
        if inner.strangers.len() >= (max / 2).max(STRANGERS) {
            let oldest = inner.strangers.first();
            let oldest = oldest.and_then(|id| inner.tickets.get(id)).cloned();
            match oldest {
                Some(oldest) if oldest.since + YOUNG <= Instant::now() => {
                    inner.strangers.remove(&oldest.id);
                    oldest.evict();
                }
                Some(_) => return Room::Later,
                None => {}
            }
        }
        if inner.tickets.len() >= max {
            return Room::Full;
        }
        let ticket = inner.add(peer, through);
        inner.strangers.insert(ticket.id);
        Room::Taken(Entered {
            ticket,
            roster: Arc::clone(self),
        })
    }

    /// Lets somebody in for whom another region's gateway answers.
    pub(crate) fn carry_in(
        self: &Arc<Self>,
        peer: SocketAddr,
        through: Through,
        max_clients: u32,
    ) -> Option<Entered> {
        let max = usize::try_from(max_clients).unwrap_or(usize::MAX);
        let mut inner = self.inner.lock();
        (inner.tickets.len() < max).then(|| Entered {
            ticket: inner.add(peer, through),
            roster: Arc::clone(self),
        })
    }

    /// Has every connection look at its orders.
    pub(crate) fn wake_all(&self) {
        for ticket in self.inner.lock().tickets.values() {
            ticket.wake();
        }
    }

    /// Visits all connections.
    pub(crate) fn each(&self, mut visit: impl FnMut(&Ticket)) {
        for ticket in self.inner.lock().tickets.values() {
            visit(ticket);
        }
    }

    /// Has everybody counted as not held yet: they are about to be told to.
    pub(crate) fn expect_all(&self) {
        self.each(|ticket| {
            ticket.set_standing(Standing::Stopping);
        });
    }

    /// How many of those that have logged in are held, and how many are not.
    pub(crate) fn held(&self) -> Held {
        let inner = self.inner.lock();
        let mut counted = Held { held: 0, busy: 0 };
        let inside = inner
            .tickets
            .values()
            .filter(|ticket| !inner.is_stranger(ticket));
        for ticket in inside {
            match ticket.standing() {
                Standing::Held => counted.held += 1,
                Standing::Running | Standing::Stopping => counted.busy += 1,
            }
        }
        counted
    }

    /// Resolves when none of those that are there now is on its way to being held.
    pub(crate) async fn all_held(&self) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            let still = {
                let inner = self.inner.lock();
                let mut tickets = inner.tickets.values();
                tickets
                    .any(|ticket| ticket.standing() != Standing::Held && !inner.is_stranger(ticket))
            };
            if !still {
                return;
            }
            moved.await;
        }
    }

    fn leave(&self, ticket: &Ticket) {
        {
            let mut inner = self.inner.lock();
            inner.tickets.remove(&ticket.id);
            inner.strangers.remove(&ticket.id);
        }
        self.totals.note_gone(ticket);
        self.moved.notify_waiters();
    }
}

impl Inner {
    fn add(&mut self, peer: SocketAddr, through: Through) -> Arc<Ticket> {
        let id = self.next;
        self.next += 1;
        let ticket = Ticket::new(id, peer, through);
        self.tickets.insert(id, Arc::clone(&ticket));
        ticket
    }

    fn is_stranger(&self, ticket: &Ticket) -> bool {
        self.strangers.contains(&ticket.id)
    }
}

impl Entered {
    /// The connection itself.
    pub(crate) fn ticket(&self) -> Arc<Ticket> {
        Arc::clone(&self.ticket)
    }

    /// It is no stranger any more.
    pub(crate) fn logged_in(&self) {
        self.roster.inner.lock().strangers.remove(&self.ticket.id);
    }

    /// Says how far it is in being held.
    pub(crate) fn stand(&self, standing: Standing) {
        if self.ticket.set_standing(standing) {
            self.roster.moved.notify_waiters();
        }
    }
}

impl Deref for Entered {
    type Target = Ticket;

    fn deref(&self) -> &Ticket {
        &self.ticket
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.roster.leave(&self.ticket);
    }
}
