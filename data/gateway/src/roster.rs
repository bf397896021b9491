//! All connections of a gateway, in the order in which they came.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
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
    /// Those that have logged in and are not held.
    running: AtomicUsize,
    /// There is none any more.
    all_held: Notify,
    /// Those that go over to the other side's gateway.
    tunnelled: AtomicUsize,
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
        private: Option<Arc<str>>,
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
        let ticket = inner.add(peer, through, private);
        self.totals.note_created(through.carrier);
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
        if inner.tickets.len() >= max {
            return None;
        }
        let entered = Entered {
            ticket: inner.add(peer, through, None),
            roster: Arc::clone(self),
        };
        self.totals.note_created(through.carrier);
        drop(inner);
        entered.logged_in();
        Some(entered)
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
        for ticket in self.inner.lock().tickets.values() {
            self.stand(ticket, Standing::Stopping);
        }
    }

    /// How many there are that do not go over to the other side's gateway.
    pub(crate) fn staying(&self) -> usize {
        let all = self.inner.lock().tickets.len();
        all.saturating_sub(self.tunnelled.load(Ordering::Relaxed))
    }

    fn tunnel(&self, ticket: &Ticket, tunnelled: bool) {
        match (ticket.set_tunnelled(tunnelled), tunnelled) {
            (false, true) => {
                self.tunnelled.fetch_add(1, Ordering::Relaxed);
            }
            (true, false) => {
                self.tunnelled.fetch_sub(1, Ordering::Relaxed);
            }
            (true, true) | (false, false) => {}
        }
    }

    fn stand(&self, ticket: &Ticket, standing: Standing) {
        let before = ticket.set_standing(standing);
        if !ticket.is_inside() {
            return;
        }
        match (before == Standing::Held, standing == Standing::Held) {
            (true, false) => {
                self.running.fetch_add(1, Ordering::AcqRel);
            }
            (false, true) => self.one_less(),
            (true, true) | (false, false) => {}
        }
    }

    fn one_less(&self) {
        if self.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.all_held.notify_waiters();
        }
    }

    /// How many of those that have logged in are held, and how many are not.
    pub(crate) fn held(&self) -> Held {
        let inner = self.inner.lock();
        let mut counted = Held { held: 0, busy: 0 };
        let inside = inner.tickets.values().filter(|ticket| ticket.is_inside());
        for ticket in inside {
            match ticket.standing() {
                Standing::Held => counted.held += 1,
                Standing::Running | Standing::Stopping => counted.busy += 1,
            }
        }
        counted
    }

    /// Resolves when nobody who has logged in is on the way to being held.
    pub(crate) async fn all_held(&self) {
        loop {
            let held = self.all_held.notified();
            tokio::pin!(held);
            held.as_mut().enable();
            if self.running.load(Ordering::Acquire) == 0 {
                return;
            }
            held.await;
        }
    }

    fn leave(&self, ticket: &Ticket) {
        {
            let mut inner = self.inner.lock();
            inner.tickets.remove(&ticket.id);
            inner.strangers.remove(&ticket.id);
        }
        self.tunnel(ticket, false);
        self.totals.note_gone(ticket);
        // Nobody has to wait for it any more.
        self.stand(ticket, Standing::Held);
    }
}

impl Inner {
    fn add(
        &mut self,
        peer: SocketAddr,
        through: Through,
        private: Option<Arc<str>>,
    ) -> Arc<Ticket> {
        let id = self.next;
        self.next += 1;
        let ticket = Ticket::new(id, peer, through, private);
        self.tickets.insert(id, Arc::clone(&ticket));
        ticket
    }
}

impl Entered {
    /// The connection itself.
    pub(crate) fn ticket(&self) -> Arc<Ticket> {
        Arc::clone(&self.ticket)
    }

    /// It is no stranger any more.
    pub(crate) fn logged_in(&self) {
        let roster = &self.roster;
        let mut inner = roster.inner.lock();
        inner.strangers.remove(&self.ticket.id);
        if !self.ticket.set_inside() && self.ticket.standing() != Standing::Held {
            roster.running.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// It goes over to the other side's gateway, or does not any more.
    pub(crate) fn set_tunnelled(&self, tunnelled: bool) {
        self.roster.tunnel(&self.ticket, tunnelled);
    }

    /// Says how far it is in being held.
    pub(crate) fn stand(&self, standing: Standing) {
        self.roster.stand(&self.ticket, standing);
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::{Endpoint, ticket::Carrier};

    const THROUGH: Through = Through {
        endpoint: Endpoint::Geo,
        carrier: Carrier::Plain,
    };

    fn enter(roster: &Arc<Roster>, max: u32) -> Option<Entered> {
        match roster.enter(([192, 0, 2, 1], 1).into(), THROUGH, None, max) {
            Room::Taken(entered) => Some(entered),
            Room::Full | Room::Later => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_stranger_makes_room_and_no_young_one() {
        let roster = Arc::new(Roster::default());
        let inside = enter(&roster, 1000).unwrap();
        inside.logged_in();
        let most = 500;
        let strangers: Vec<_> = (0..most).map(|_| enter(&roster, 1000).unwrap()).collect();
        assert!(enter(&roster, 1000).is_none(), "all of them have just come");
        tokio::time::advance(YOUNG).await;
        let late = enter(&roster, 1000).unwrap();
        let evicted: Vec<_> = strangers.iter().map(|each| each.is_evicted()).collect();
        assert!(evicted[0] && !evicted[1..].contains(&true));
        assert!(!inside.is_evicted() && !late.is_evicted());
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_as_many_as_may_be() {
        let roster = Arc::new(Roster::default());
        let two: Vec<_> = (0..2).map(|_| enter(&roster, 2).unwrap()).collect();
        let third = roster.enter(two[0].peer, THROUGH, None, 2);
        assert!(matches!(third, Room::Full));
        assert!(roster.carry_in(two[0].peer, THROUGH, 2).is_none());
        drop(two);
        assert!(
            roster
                .carry_in(([192, 0, 2, 1], 1).into(), THROUGH, 2)
                .is_some()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn all_are_held_when_the_last_one_is_or_leaves() {
        let roster = Arc::new(Roster::default());
        let _stranger = enter(&roster, 9).unwrap();
        roster.all_held().await;
        let (one, two) = (enter(&roster, 9).unwrap(), enter(&roster, 9).unwrap());
        one.logged_in();
        two.logged_in();
        roster.expect_all();
        let mut all = Box::pin(roster.all_held());
        assert!((&mut all).now_or_never().is_none());
        one.stand(Standing::Held);
        one.stand(Standing::Held);
        assert!((&mut all).now_or_never().is_none());
        assert_eq!(roster.held(), Held { held: 1, busy: 1 });
        drop(two);
        all.await;
        one.stand(Standing::Running);
        assert!(roster.all_held().now_or_never().is_none());
        drop(one);
        roster.all_held().await;
    }
}
