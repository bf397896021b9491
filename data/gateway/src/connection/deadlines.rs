//! What a connection may take its time for, and how long.

use tokio::time::Instant;

use super::Connection;
use crate::{
    limits::{BEFORE_LOGIN_BYTES, FAREWELL},
    place::Place,
    pump::End,
    sentences,
    status::Refusal,
};

impl Connection {
    /// When a time is over next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let limits = &self.house.limits;
        let login = self.who.is_none().then(|| self.begun + limits.login);
        let transaction = self
            .transaction_end()
            .filter(|at| self.pump.session.is_in_transaction() && *at > Instant::now());
        let moving = self.leaving.filter(|_| self.orders.hold.is_none());
        let frame = self.pump.partial_since().filter(|_| self.stopped.is_none());
        let idle = limits.idle.filter(|_| self.is_idle());
        let all = [
            login,
            transaction,
            moving.map(|since| since + limits.moving),
            self.nowhere
                .filter(|_| self.orders.hold.is_none())
                .map(|since| since + limits.nowhere),
            frame.map(|since| since + limits.frame),
            self.pump.stalled_since.map(|since| since + limits.stalled),
            idle.map(|idle| self.pump.active + idle),
            self.expires,
            self.pump.closing_since().map(|since| since + FAREWELL),
        ];
        all.into_iter().flatten().min()
    }

    /// A time is over: which one?
    pub(super) async fn late(&mut self) -> Option<End> {
        let limits = self.house.limits;
        let now = Instant::now();
        let over = |since: Option<Instant>, time| since.is_some_and(|since| since + time <= now);
        let slow = if self.who.is_none() && over(Some(self.begun), limits.login) {
            Some("it did not log in in time")
        } else if self.stopped.is_none() && over(self.pump.partial_since(), limits.frame) {
            Some("its request did not come to its end in time")
        } else if self.is_too_much() {
            Some("it sent too much before it logged in")
        } else if over(self.pump.stalled_since, limits.stalled) {
            Some("it did not read what was there for it")
        } else {
            None
        };
        if let Some(why) = slow {
            self.house.refused(Refusal::Slow, &self.entered.peer, why);
            return Some(End::Gone);
        }
        if self.expires.is_some_and(|at| at <= now) {
            self.house.roster.totals.note_expired_token();
            return self.end_with(sentences::EXPIRED);
        }
        if over(self.pump.closing_since(), FAREWELL) {
            return self.pump.close_now();
        }
        let idle = limits.idle.filter(|_| self.is_idle());
        if idle.is_some_and(|idle| self.pump.active + idle <= now) {
            return Some(End::Said);
        }
        if self.orders.hold.is_none() && over(self.nowhere, limits.nowhere) {
            let why = match &*self.orders.place {
                Place::Nowhere { why } => sentences::loading(why),
                Place::Here { .. } | Place::There { .. } | Place::Syncing { .. } => Vec::new(),
            };
            return self.end_with(&why);
        }
        if self.orders.hold.is_none() && over(self.leaving, limits.moving) {
            return self.give_up().await;
        }
        None
    }

    /// Tells whether nothing is asked, waited for or listened to.
    fn is_idle(&self) -> bool {
        let session = &self.pump.session;
        self.stopped.is_none() && session.is_idle() && !session.is_listening()
    }

    /// Tells whether a client that has not logged in has sent too much.
    pub(super) fn is_too_much(&self) -> bool {
        self.who.is_none() && self.pump.received > BEFORE_LOGIN_BYTES
    }
}
