//! Opens an engine for a connection, here or through the other side's gateway.

use std::{future::poll_fn, sync::Arc, task::Poll, time::Duration};

use runtime::chain;
use tokio::time::{Instant, sleep_until};

use super::Connection;
use crate::{
    entry::Who,
    place::Target,
    pump::End,
    sentences,
    tunnel::{self, RefusalCode, TunnelError},
    upstream::{OpenError, Upstream, open_engine},
};

/// The first pause before another try; each is twice as long as the one before.
const FIRST: Duration = Duration::from_millis(20);
/// The longest.
const LONGEST: Duration = Duration::from_millis(500);

/// Why there is no engine.
#[derive(Debug)]
pub(super) enum Unopened {
    /// The client is told this, and its connection ends.
    Told(Vec<u8>),
    /// The connection is over for another reason.
    Ended(End),
}

/// One try that failed.
enum Failed {
    /// Another one may succeed.
    Again(String),
    /// None will.
    Over(Vec<u8>),
}

impl Connection {
    /// Opens the engine for the next request.
    pub(super) async fn open(&mut self) -> Option<End> {
        match self.upstream().await {
            Ok(upstream) => {
                self.pump.exchange(Some(upstream));
                None
            }
            Err(Unopened::Told(bytes)) => {
                self.pump.say(&bytes);
                Some(End::Said)
            }
            Err(Unopened::Ended(end)) => Some(end),
        }
    }

    /// A connection to where the connection goes now. While there is nowhere to go, or nobody
    /// answers, it waits.
    pub(super) async fn upstream(&mut self) -> Result<Upstream, Unopened> {
        let patience = Instant::now() + self.house.limits.nowhere;
        let mut pause = FIRST;
        loop {
            let endpoint = self.entered.through().endpoint;
            let target = self.orders.place.target(endpoint).map_err(str::to_owned);
            let why = match target {
                Err(why) => why,
                Ok(target) => {
                    let opened = self.attempt(&target).await;
                    self.look()?;
                    match opened {
                        // It may have been told elsewhere to meanwhile.
                        Ok(upstream) if self.is_still(&target) => {
                            let tunnelled = matches!(upstream, Upstream::Tunnel(_));
                            self.entered.set_tunnelled(tunnelled);
                            self.opened = Some(target);
                            self.leaving = None;
                            return Ok(upstream);
                        }
                        Ok(_) => continue,
                        Err(Failed::Over(bytes)) => return Err(Unopened::Told(bytes)),
                        Err(Failed::Again(why)) => why,
                    }
                }
            };
            let now = Instant::now();
            if now >= patience {
                return Err(Unopened::Told(sentences::loading(&why)));
            }
            tokio::select! {
                () = sleep_until((now + pause).min(patience)) => {}
                () = changed(self) => {}
            }
            self.look()?;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Looks at its orders in the middle of something.
    fn look(&mut self) -> Result<(), Unopened> {
        let ended = if Arc::ptr_eq(&self.orders, &self.house.orders()) {
            self.entered.is_evicted().then_some(End::Gone)
        } else {
            self.obey()
        };
        ended.map_or(Ok(()), |end| Err(Unopened::Ended(end)))
    }

    fn is_still(&self, opened: &Target) -> bool {
        let endpoint = self.entered.through().endpoint;
        let now = self.orders.place.target(endpoint);
        now.is_ok_and(|now| now.is_at(opened))
    }

    async fn attempt(&self, target: &Target) -> Result<Upstream, Failed> {
        let Some(who) = &self.who else {
            return Err(Failed::Over(Vec::new()));
        };
        match target {
            Target::Engine { engine, client } => {
                let opened = open_engine(*engine, who, client).await;
                opened.map(Upstream::Engine).map_err(|error| {
                    let why = chain(&error).to_string();
                    tracing::debug!(cache = %self.house.cache.name, why, "cannot open the engine");
                    match error {
                        OpenError::Unreachable { .. } => {
                            Failed::Again("the cache's engine does not answer".to_owned())
                        }
                        OpenError::Refused { .. } => refused(who),
                    }
                })
            }
            Target::Tunnel {
                region,
                relay,
                cache,
            } => {
                let identity = &self.house.identity;
                let client = self.entered.peer;
                let opened = tunnel::open(identity, region, *relay, cache, who, client).await;
                let opened = opened.map(|tunnel| Upstream::Tunnel(Box::new(tunnel)));
                opened.map_err(|error| {
                    let why = chain(&error).to_string();
                    tracing::debug!(cache = %self.house.cache.name, why, "cannot go over to the geo-primary");
                    match error {
                        TunnelError::Refused { refused, .. } => match refused.code {
                            RefusalCode::NotNow => Failed::Again(refused.why),
                            RefusalCode::NotAdmitted => {
                                Failed::Over(sentences::not_permitted(&refused.why))
                            }
                            RefusalCode::Clients => {
                                Failed::Over(sentences::MAX_CLIENTS.to_vec())
                            }
                        },
                        TunnelError::Unreachable { .. }
                        | TunnelError::Late { .. }
                        | TunnelError::Identity { .. }
                        | TunnelError::Words { .. } => {
                            Failed::Again("the geo-primary cannot be reached".to_owned())
                        }
                    }
                })
            }
        }
    }
}

/// The engine does not know the user or the password, which an agent sets up.
fn refused(who: &Who) -> Failed {
    match who {
        Who::Key(_) => Failed::Again("the cache's engine is being set up".to_owned()),
        Who::User(_) => Failed::Again("the token's user is being set up at the engine".to_owned()),
    }
}

/// Resolves when there is something to look at.
async fn changed(connection: &Connection) {
    poll_fn(|cx| {
        if connection.entered.poll_changed(cx) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}
