//! One client's connection, from its first byte to its last.

mod carry;
mod deadlines;
mod farewell;
mod login;
mod obey;
mod opening;

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use session::{Boundary, Policy, Session};
use tls::FrontStream;
use tokio::time::Instant;

use crate::{
    alarm::Alarm,
    entry::Who,
    house::House,
    orders::Orders,
    place::Target,
    pump::{End, Event, Gate, Pump},
    roster::Entered,
    ticket::Standing,
    upstream::Upstream,
};

/// Serves a client until its connection ends.
pub(crate) async fn serve(house: Arc<House>, entered: Entered, stream: FrontStream) {
    let mut connection = Connection::new(house, entered, stream);
    let end = connection.run().await;
    Box::pin(connection.finish(end)).await;
}

struct Connection {
    house: Arc<House>,
    entered: Entered,
    orders: Arc<Orders>,
    pump: Pump,
    alarm: Alarm,
    /// When it came.
    begun: Instant,
    who: Option<Who>,
    /// When the token ends that it came in with.
    expires: Option<Instant>,
    /// Where its engine is.
    opened: Option<Target>,
    /// Its engine is not the one that it is to have; since when.
    leaving: Option<Instant>,
    /// It is one of the geo endpoint, which leads nowhere; since when.
    nowhere: Option<Instant>,
    /// No request is taken; since when.
    stopped: Option<Instant>,
    standing: Standing,
    /// It has no engine, and waits for one.
    opening: bool,
    /// For which time the gateway at the other end of the tunnel knows that it is held.
    told_held: u32,
}

/// What the connection's task is to see to.
#[derive(Debug)]
enum Step {
    /// Its orders changed.
    Orders,
    Pump(Event),
    /// It stands at a boundary and is to go elsewhere.
    Move,
    /// A time is over.
    Late,
}

impl Connection {
    fn new(house: Arc<House>, entered: Entered, stream: FrontStream) -> Self {
        let orders = house.orders();
        let policy = Policy {
            login_required: true,
            standing: orders.place.standing(entered.through().endpoint),
        };
        let connection = Self {
            pump: Pump::new(stream, Session::new(&policy)),
            alarm: Alarm::default(),
            begun: entered.since,
            who: None,
            expires: None,
            opened: None,
            leaving: None,
            nowhere: None,
            stopped: None,
            standing: Standing::Running,
            opening: false,
            told_held: 0,
            house,
            entered,
            orders,
        };
        #[cfg(feature = "testing")]
        let connection = connection.for_everybody();
        connection
    }

    /// Has it begin as after a login, where everybody is to be in.
    #[cfg(feature = "testing")]
    fn for_everybody(mut self) -> Self {
        if !self
            .house
            .everybody
            .load(std::sync::atomic::Ordering::Relaxed)
        {
            return self;
        }
        let endpoint = self.entered.through().endpoint;
        let policy = Policy {
            login_required: false,
            standing: self.orders.place.standing(endpoint),
        };
        self.pump.session = Session::new(&policy);
        self.pump.session.administrate();
        self.pump.engine_wanted = true;
        self.pump.logged_in();
        self.entered.logged_in();
        self.who = Some(Who::Key(crate::entry::Which::Primary));
        self
    }

    async fn run(&mut self) -> End {
        loop {
            let step = poll_fn(|cx| self.poll(cx)).await;
            let ended = match step {
                Step::Orders => self.obey(),
                Step::Late => Box::pin(self.late()).await,
                Step::Pump(Event::End(end)) => Some(end),
                Step::Pump(Event::Login(credentials)) => Box::pin(self.login(credentials)).await,
                Step::Pump(Event::EngineEnded { orderly }) => {
                    Box::pin(self.engine_ended(orderly)).await
                }
                Step::Move => Box::pin(self.carry()).await,
            };
            if let Some(end) = ended {
                return end;
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Step> {
        if self.entered.poll_changed(cx) {
            return Poll::Ready(Step::Orders);
        }
        loop {
            let gate = self.gate();
            if let Poll::Ready(event) = self.pump.poll(cx, gate, &self.entered) {
                return Poll::Ready(Step::Pump(event));
            }
            // The gateway at the other end of a tunnel may just have said something.
            if self.gate() == gate {
                break;
            }
        }
        if self.stand(cx) {
            return Poll::Ready(Step::Move);
        }
        if self.is_too_much() {
            return Poll::Ready(Step::Late);
        }
        let next = self.next_deadline();
        if self.alarm.poll(cx, next) {
            return Poll::Ready(Step::Late);
        }
        Poll::Pending
    }

    /// Which requests may be taken.
    fn gate(&mut self) -> Gate {
        let heard = self.pump.upstream().map(Upstream::heard);
        let heard = heard.unwrap_or_default();
        let stop = self.orders.hold.is_some()
            || self.leaving.is_some()
            || self.nowhere.is_some()
            || heard.hold
            || heard.moved;
        if !stop {
            self.stopped = None;
            return Gate::Open;
        }
        self.stopped.get_or_insert_with(Instant::now);
        if self.transaction_end() > Some(Instant::now()) {
            Gate::Transaction
        } else {
            Gate::Shut
        }
    }

    /// Until when a transaction that is open may come to its end, while no other request is taken.
    fn transaction_end(&self) -> Option<Instant> {
        let end = self.stopped? + self.house.limits.transaction;
        Some(self.orders.hold.map_or(end, |patience| patience.min(end)))
    }

    /// Says how far it is in being held. `true`: it is to go elsewhere, now.
    fn stand(&mut self, cx: &mut Context<'_>) -> bool {
        if self.stopped.is_none() {
            self.note(Standing::Running);
            return false;
        }
        let waits =
            self.pump.session.is_in_transaction() && self.transaction_end() > Some(Instant::now());
        let settled = match self.pump.boundary() {
            Boundary::Idle => !waits,
            Boundary::Blocked => true,
            Boundary::Busy => false,
        };
        if !settled {
            self.note(Standing::Stopping);
            return false;
        }
        self.note(Standing::Held);
        let moved = self.pump.upstream().is_some_and(|up| up.heard().moved);
        if self.orders.hold.is_none() && (self.leaving.is_some() || moved) {
            return true;
        }
        if let Some(Upstream::Tunnel(tunnel)) = self.pump.upstream_mut() {
            let heard = tunnel.heard();
            if heard.hold && heard.holds != self.told_held {
                self.told_held = heard.holds;
                tunnel.say_held(heard.holds);
                self.pump.flush_engine(cx);
            }
        }
        false
    }

    fn note(&mut self, standing: Standing) {
        if self.standing != standing {
            self.standing = standing;
            self.entered.stand(standing);
        }
    }
}
