//! Lets a client in, or not.

use std::{sync::Arc, time::Duration};

use model::Timestamp;
use runtime::chain;
use session::{Credentials, Login, Spoken};
use tokio::time::{Instant, sleep};

use super::{Connection, opening::Unopened};
use crate::{
    Verified, entry::Who, place::Target, pump::End, sentences, status::Refusal, throttle::Budget,
    ticket::Carrier, upstream::CLIENT_USER,
};

/// The user of the access keys.
const DEFAULT_USER: &str = "default";

impl Connection {
    /// Answers `AUTH`, or `HELLO` with it.
    pub(super) async fn login(&mut self, credentials: Credentials) -> Option<End> {
        let address = self.entered.peer.ip();
        let Budget::Heard { delay } = self.house.throttle.budget(address, Instant::now()) else {
            let why = "too many failed logins from its address";
            self.house
                .refused(Refusal::Throttled, &self.entered.peer, why);
            self.pump.say(&sentences::error(sentences::THROTTLED));
            return Some(End::Said);
        };
        let checked = match credentials.user.as_deref() {
            None | Some(DEFAULT_USER) => self.check_key(&credentials),
            Some(user) => self.check_token(user, &credentials).await,
        };
        match checked {
            Ok((who, expires)) => self.let_in(who, expires).await,
            Err(why) => {
                if !matches!(credentials.user.as_deref(), None | Some(DEFAULT_USER)) {
                    self.house.roster.totals.note_refused_token();
                }
                self.house.throttle.note_failure(address, Instant::now());
                self.house.refused(Refusal::Login, &self.entered.peer, &why);
                if !delay.is_zero() {
                    tokio::select! {
                        () = sleep(delay) => {}
                        () = self.house.tasks.cancelled() => return Some(End::Closed),
                    }
                }
                let spoken = self.pump.session.refused(session::Refusal::WrongPassword);
                self.speak(spoken);
                None
            }
        }
    }

    fn check_key(&self, credentials: &Credentials) -> Result<(Who, Option<Instant>), String> {
        let entry = &self.orders.entry;
        match entry.key(credentials.secret.reveal()) {
            Some(which) => Ok((Who::Key(which), None)),
            None if entry.door.access_keys => Err("the access key is wrong".to_owned()),
            None => Err("access keys let nobody in to this cache".to_owned()),
        }
    }

    async fn check_token(
        &self,
        object_id: &str,
        credentials: &Credentials,
    ) -> Result<(Who, Option<Instant>), String> {
        let entry = Arc::clone(&self.orders.entry);
        let Some(verifier) = &entry.verifier else {
            return Err("tokens let nobody in to this cache".to_owned());
        };
        if self.entered.through().carrier != Carrier::Tls {
            return Err("tokens are taken over TLS alone".to_owned());
        }
        // Whose token is not of interest is not looked at.
        if !entry.knows(object_id) {
            return Err("the user has no access policy assignment".to_owned());
        }
        let verified = verifier
            .verify(object_id, credentials.secret.reveal())
            .await
            .map_err(|refused| chain(&refused).to_string())?;
        let Verified { object_id, expires } = verified;
        let left = remaining(self.house.clock.now(), expires);
        let user = entry
            .user(&object_id)
            .ok_or("the token is another user's")?;
        Ok((Who::User(user), Some(Instant::now() + left)))
    }

    /// Opens the engine, if that is to be done, and answers.
    async fn let_in(&mut self, who: Who, expires: Option<Instant>) -> Option<End> {
        // `RESET` leaves the engine's connection open, and nobody logged in on it.
        let another = self.opened.is_some() && self.pump.session.user() != Some(who.user());
        if self.who.is_none() {
            self.entered.logged_in();
            self.pump.logged_in();
        }
        self.entered.set_by_token(matches!(who, Who::User(_)));
        self.who = Some(who);
        self.expires = expires;
        let tunnelled = matches!(self.opened, Some(Target::Tunnel { .. }));
        if another && tunnelled {
            // The far gateway opened its engine for somebody else.
            if let Some(end) = self.carry().await {
                return Some(end);
            }
        }
        let fresh = self.opened.is_none();
        if fresh {
            match self.upstream().await {
                Ok(upstream) => self.pump.exchange(Some(upstream)),
                Err(Unopened::Told(bytes)) => {
                    self.pump.say(&bytes);
                    return Some(End::Said);
                }
                Err(Unopened::Ended(end)) => return Some(end),
            }
        }
        let password = match &self.opened {
            Some(Target::Engine { client, .. }) if another && !fresh => Some(client.clone()),
            Some(Target::Engine { .. } | Target::Tunnel { .. }) | None => None,
        };
        let user = self.who.as_ref().map_or(CLIENT_USER, Who::user).to_owned();
        let login = Login {
            user: &user,
            password: password.as_ref(),
        };
        let spoken = self.pump.session.admitted(login);
        self.speak(spoken);
        None
    }

    fn speak(&mut self, spoken: Spoken) {
        match spoken {
            Spoken::ToClient(bytes) => self.pump.say(&bytes),
            Spoken::ToEngine(bytes) => self.pump.send(&bytes),
        }
    }
}

/// The time from `now` until `then`.
fn remaining(now: Timestamp, then: Timestamp) -> Duration {
    Duration::from_millis(then.0.saturating_sub(now.0))
}
