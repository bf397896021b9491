//! Does what the gateway says to all of its connections.

use std::sync::Arc;

use session::Boundary;
use tokio::time::Instant;

use super::Connection;
use crate::{Endpoint, orders::Orders, pump::End, sentences, status::Refusal, ticket::Standing};

impl Connection {
    /// Looks at its orders.
    pub(super) fn obey(&mut self) -> Option<End> {
        let orders = self.house.orders();
        let before = std::mem::replace(&mut self.orders, orders);
        if self.orders.closed {
            return Some(End::Closed);
        }
        if self.entered.is_evicted() {
            let why = "it did not log in, and others came";
            self.house.refused(Refusal::Slow, &self.entered.peer, why);
            return Some(End::Gone);
        }
        if !Arc::ptr_eq(&before.entry, &self.orders.entry) && !self.is_admitted(&before) {
            return self.end_with(sentences::NOT_ADMITTED);
        }
        let endpoint = self.entered.through().endpoint;
        self.pump
            .session
            .stand(&self.orders.place.standing(endpoint));
        let target = self.orders.place.target(endpoint);
        self.leaving = match (&self.opened, &target) {
            (None, _) | (Some(_), Err(_)) => None,
            (Some(opened), Ok(target)) if opened.is_at(target) => None,
            (Some(_), Ok(_)) => Some(self.leaving.unwrap_or_else(Instant::now)),
        };
        // A direct connection stays where it is, and hears from its engine what is so. One of the geo
        // endpoint waits until it is known who leads.
        let waits = target.is_err() && endpoint == Endpoint::Geo;
        self.nowhere = waits.then(|| self.nowhere.unwrap_or_else(Instant::now));
        // Whoever holds has counted it as not held.
        self.standing = if self.opening {
            Standing::Held
        } else {
            Standing::Running
        };
        self.entered.stand(self.standing);
        None
    }

    /// Tells whether it would be let in now.
    fn is_admitted(&mut self, before: &Orders) -> bool {
        let entry = &self.orders.entry;
        if !entry.admits(self.entered.peer.ip()) {
            return false;
        }
        match &self.who {
            None => true,
            Some(who) => match entry.still(&before.entry, who) {
                Some(who) => {
                    self.who = Some(who);
                    true
                }
                None => false,
            },
        }
    }

    /// Says why and ends; what is outstanding is not waited for.
    pub(super) fn end_with(&mut self, bytes: &[u8]) -> Option<End> {
        // In the place of a reply that is due it would answer the wrong request.
        if self.pump.boundary() == Boundary::Idle {
            self.pump.say(bytes);
            return Some(End::Said);
        }
        Some(End::Closed)
    }
}
