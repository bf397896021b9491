//! Takes a connection from one engine to another, and sees to those whose engine is gone.

use session::{Login, Uncarriable};

use super::{Connection, opening::Unopened};
use crate::{
    Endpoint,
    entry::Who,
    place::Target,
    pump::End,
    upstream::{CLIENT_USER, answers},
};

/// Bytes of answers that are made at once for requests whose outcome is not known.
const ANSWERS: usize = 64 << 10;

impl Connection {
    /// Goes on at the engine that it is to have. It stands at a command boundary, or what it waits
    /// for is not waited for.
    pub(super) async fn carry(&mut self) -> Option<End> {
        if self.entered.through().endpoint == Endpoint::Direct && !self.stays_in_the_cache() {
            return Some(End::Said);
        }
        if let Some(end) = self.answer_lost().await {
            return Some(end);
        }
        let carried = match self.pump.session.carry() {
            Ok(carried) => carried,
            Err(Uncarriable::Busy(_)) => return Some(End::Closed),
            Err(reason) => {
                self.pump.say(&reason.line());
                return Some(End::Said);
            }
        };
        self.opened = None;
        match self.upstream().await {
            Ok(upstream) => self.pump.exchange(Some(upstream)),
            Err(Unopened::Told(bytes)) => {
                self.pump.say(&bytes);
                return Some(End::Said);
            }
            Err(Unopened::Ended(end)) => return Some(end),
        }
        let user = self.who.as_ref().map_or(CLIENT_USER, Who::user);
        let login = Login {
            user,
            password: None,
        };
        let session = &mut self.pump.session;
        let build_up = session.enter(login, &carried);
        let notice = session.moved();
        self.pump.send(&build_up);
        self.pump.say(&notice);
        self.house.roster.totals.note_carried();
        None
    }

    /// The engine's connection is over.
    pub(super) async fn engine_ended(&mut self, orderly: bool) -> Option<End> {
        if self.pump.is_over() {
            return Some(End::Said);
        }
        if self.pump.is_within_reply() {
            return Some(End::Closed);
        }
        let expected = self.orders.hold.is_some() || self.leaving.is_some() || self.is_moved();
        let direct = self.entered.through().endpoint == Endpoint::Direct;
        if direct || (!expected && orderly && self.is_alive().await) {
            // The engine wanted it so: `CLIENT KILL`, or one of its limits.
            return Some(self.answer_lost().await.unwrap_or(End::Said));
        }
        self.carry().await
    }

    /// What was sent is not waited for any more.
    pub(super) async fn give_up(&mut self) -> Option<End> {
        if self.pump.is_within_reply() {
            return Some(End::Closed);
        }
        self.carry().await
    }

    /// Answers what was sent and is not answered: nothing of it is sent again.
    async fn answer_lost(&mut self) -> Option<End> {
        let unknown = self.pump.session.outstanding();
        self.house.roster.totals.note_unknown(unknown);
        // Whatever the engine still says belongs to nobody.
        self.pump.exchange(None);
        self.pump.forget_request();
        loop {
            let answers = self.pump.session.lost(ANSWERS);
            if answers.is_empty() {
                return None;
            }
            self.pump.say(&answers);
            // A long pipeline has many answers.
            if let Some(end) = self.drained().await {
                return Some(end);
            }
        }
    }

    /// Its engine gave its place to another one of the same cache, and is still there: it goes along,
    /// as if nothing had happened but what another client could have done.
    fn stays_in_the_cache(&self) -> bool {
        let target = self.orders.place.target(Endpoint::Direct);
        let both = (&self.opened, target);
        matches!(
            both,
            (Some(Target::Engine { .. }), Ok(Target::Engine { .. }))
        )
    }

    fn is_moved(&self) -> bool {
        let upstream = self.pump.upstream();
        upstream.is_some_and(|upstream| upstream.heard().moved)
    }

    /// Tells whether the engine is there, although it has ended the connection. The far gateway
    /// has looked before it ends a tunnel in order.
    async fn is_alive(&self) -> bool {
        match &self.opened {
            Some(Target::Engine { engine, .. }) => answers(*engine).await,
            Some(Target::Tunnel { .. }) => true,
            None => false,
        }
    }
}
