//! The half beside a geo-secondary: a primary to its engine, a client to an outbound.

mod dialer;
mod door;
mod feed;
mod report;
mod session;
mod spool;
mod standing;

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use psync::{Login, Position};
use runtime::{chain, tasks::Tasks};
use tls::Identity;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    time::sleep,
};

use crate::{BindError, Credentials, Events, InboundStatus, Peer, ShardKey, socket};
use standing::Standing;

/// Connections open at a time: the engine's, its next one, and strangers that know no password.
const CONNECTIONS: usize = 16;
/// Time for the tasks to end.
const STOP: Duration = Duration::from_secs(10);

/// What an inbound works with.
#[derive(Debug, Clone)]
pub struct InboundAround {
    /// Who it is to the outbound.
    pub identity: Identity,
    /// The directory for a snapshot that arrives; made when it is needed.
    pub spool: PathBuf,
    /// Where events go.
    pub events: Events,
}

/// One per shard of a geo-secondary. A cheap handle: clones are the same inbound.
#[derive(Debug, Clone)]
pub struct Inbound(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    login: Login,
    tasks: Tasks,
    standing: Arc<Standing>,
}

impl Inbound {
    /// Listens for the shard's engine, which logs in with `credentials`; port 0 takes any. It shows
    /// `identity` to the outbound, keeps a snapshot that arrives in the directory `spool`, and
    /// begins in [`Inbound::hold`] and serves until stopped or until `tasks` are cancelled.
    pub async fn bind(
        tasks: &Tasks,
        address: SocketAddr,
        key: ShardKey,
        credentials: Credentials,
        around: InboundAround,
    ) -> Result<Self, BindError> {
        let (listener, address) = socket::listen("the geo-secondary's engine", address).await?;
        let inbound = Self(Arc::new(Inner {
            address,
            login: credentials.login(),
            tasks: tasks.child(),
            standing: Arc::new(Standing::new(
                key,
                around.identity,
                around.spool,
                around.events,
            )),
        }));
        let accepting = inbound.clone().accept(listener);
        inbound.0.tasks.spawn("inbound accept", accepting);
        Ok(inbound)
    }

    /// Where it listens: what the engine is told to replicate from.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Lets the engine connect, and keeps its request to follow waiting. A session that runs ends.
    pub fn hold(&self) {
        self.0.standing.set_target(None);
    }

    /// Follows a geo-primary through its outbound, dialling until it answers. The same peer again
    /// changes nothing; another one ends a session that runs.
    pub fn follow(&self, peer: Peer) {
        self.0.standing.set_target(Some(peer));
    }

    /// Tells what the engine's `INFO replication` shows as applied. It counts when it is of the
    /// history that is followed and goes beyond what is known; otherwise it is left alone.
    pub fn note_applied(&self, position: Position) {
        self.0.standing.note_applied(position);
    }

    /// Tells how many keys the engine holds, for the next hello.
    pub fn note_keys(&self, keys: u64) {
        self.0.standing.note_keys(keys);
    }

    /// What happens now.
    #[must_use]
    pub fn status(&self) -> InboundStatus {
        self.0.standing.status()
    }

    /// Wakes whenever the status changed; positions that run wake a few times in a hundredth of a
    /// second at most.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.standing.subscribe()
    }

    /// Ends all connections and stops listening.
    pub async fn stop(&self) {
        if !self.0.tasks.stop(STOP).await {
            tracing::error!(address = %self.0.address, "an inbound did not stop in {STOP:?}");
        }
    }

    async fn accept(self, listener: TcpListener) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, engine)) => {
                    let login = self.0.login.clone();
                    let standing = Arc::clone(&self.0.standing);
                    self.0.tasks.spawn("inbound session", async move {
                        door::answer(&standing, login, stream, engine).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "cannot accept an engine");
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}
