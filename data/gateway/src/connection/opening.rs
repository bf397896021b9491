//! Opens an engine for a connection, here or through the other side's gateway.

use std::{
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use runtime::chain;
use tokio::time::{Instant, sleep_until, timeout};

use super::Connection;
use crate::{
    entry::Who,
    house::House,
    place::Target,
    pump::End,
    sentences,
    ticket::Standing,
    tunnel::{self, RefusalCode, TunnelError},
    upstream::{OpenError, Upstream, is_full, open_engine},
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
    /// A connection to where the connection goes now. While there is nowhere to go, or nobody
    /// answers, it waits; and while everybody is held, in any case.
    pub(super) async fn upstream(&mut self) -> Result<Upstream, Unopened> {
        self.opening = true;
        self.note(Standing::Held);
        let opened = self.find_upstream().await;
        self.opening = false;
        self.note(Standing::Running);
        opened
    }

    async fn find_upstream(&mut self) -> Result<Upstream, Unopened> {
        let mut patience = None;
        let mut pause = FIRST;
        loop {
            let endpoint = self.entered.through().endpoint;
            let target = self.orders.place.target(endpoint).map_err(str::to_owned);
            let why = match target {
                _ if self.orders.hold.is_some() => {
                    patience = None;
                    "the cache is about to be led from elsewhere".to_owned()
                }
                Err(why) => why,
                Ok(target) => {
                    let opened = self.attempt(&target).await?;
                    self.look()?;
                    match opened {
                        // It may have been told elsewhere to meanwhile.
                        Ok(upstream) if self.is_still(&target) => {
                            let tunnelled = matches!(upstream, Upstream::Tunnel(_));
                            self.entered.set_tunnelled(tunnelled);
                            self.opened = Some(target);
                            self.leaving = None;
                            self.told_held = 0;
                            return Ok(upstream);
                        }
                        Ok(_) => continue,
                        Err(Failed::Over(bytes)) => return Err(Unopened::Told(bytes)),
                        Err(Failed::Again(why)) => why,
                    }
                }
            };
            let now = Instant::now();
            let end = *patience.get_or_insert(now + self.house.limits.nowhere);
            if now >= end && self.orders.hold.is_none() {
                return Err(Unopened::Told(sentences::loading(&why)));
            }
            self.rest(now + pause).await?;
            self.look()?;
            pause = (pause * 2).min(LONGEST);
        }
    }

    /// Waits until `then`, or until there is something to look at.
    async fn rest(&mut self, then: Instant) -> Result<(), Unopened> {
        let ticket = self.entered.ticket();
        let changed = poll_fn(move |cx| {
            if ticket.poll_changed(cx) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let rested = async {
            tokio::select! {
                () = sleep_until(then) => {}
                () = changed => {}
            }
        };
        self.meanwhile(rested).await
    }

    /// Does something while the client reads what is there for it, and may go away.
    async fn meanwhile<T>(&mut self, something: impl Future<Output = T>) -> Result<T, Unopened> {
        let mut something = pin!(something);
        let tasks = self.house.tasks.clone();
        let meanwhile = poll_fn(|cx| match self.pump.poll_client(cx, &self.entered) {
            Poll::Ready(end) => Poll::Ready(Err(Unopened::Ended(end))),
            Poll::Pending => something.as_mut().poll(cx).map(Ok),
        });
        tokio::select! {
            done = meanwhile => done,
            () = tasks.cancelled() => Err(Unopened::Ended(End::Closed)),
        }
    }

    /// Has the client read all that is there for it, for as long as a client may take.
    pub(super) async fn drained(&mut self) -> Option<End> {
        let tasks = self.house.tasks.clone();
        let drained = poll_fn(|cx| match self.pump.drain_client(cx) {
            Ok(true) => Poll::Ready(None),
            Ok(false) => Poll::Pending,
            Err(_gone) => Poll::Ready(Some(End::Gone)),
        });
        tokio::select! {
            drained = timeout(self.house.limits.stalled, drained) => {
                drained.unwrap_or(Some(End::Gone))
            }
            () = tasks.cancelled() => Some(End::Closed),
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

    /// Tries to open a connection.
    async fn attempt(&mut self, target: &Target) -> Result<Result<Upstream, Failed>, Unopened> {
        let Some(who) = self.who.clone() else {
            return Err(Unopened::Ended(End::Closed));
        };
        let (house, client) = (Arc::clone(&self.house), self.entered.peer);
        self.meanwhile(attempt(&house, &who, client, target)).await
    }
}

async fn attempt(
    house: &House,
    who: &Who,
    client: SocketAddr,
    target: &Target,
) -> Result<Upstream, Failed> {
    match target {
        Target::Engine {
            engine,
            client: password,
        } => {
            let opened = open_engine(*engine, who, password).await;
            opened.map(Upstream::Engine).map_err(|error| {
                let why = chain(&error).to_string();
                tracing::debug!(cache = %house.cache.name, why, "cannot open the engine");
                match error {
                    OpenError::Unreachable { .. } => {
                        Failed::Again("the cache's engine does not answer".to_owned())
                    }
                    OpenError::Refused { answer, .. } => refused(who, &answer),
                }
            })
        }
        Target::Tunnel {
            region,
            relay,
            cache,
        } => {
            let identity = &house.identity;
            let opened = tunnel::open(identity, region, *relay, cache, who, client).await;
            let opened = opened.map(|tunnel| Upstream::Tunnel(Box::new(tunnel)));
            opened.map_err(|error| {
                    let why = chain(&error).to_string();
                    tracing::debug!(cache = %house.cache.name, why, "cannot go over to the geo-primary");
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

/// The engine does not know the user or the password, which an agent sets up.
fn refused(who: &Who, answer: &str) -> Failed {
    if is_full(answer) {
        return Failed::Over(sentences::MAX_CLIENTS.to_vec());
    }
    match who {
        Who::Key(_) => Failed::Again("the cache's engine is being set up".to_owned()),
        Who::User(_) => Failed::Again("the token's user is being set up at the engine".to_owned()),
    }
}
