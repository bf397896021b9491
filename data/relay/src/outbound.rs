//! The half beside the geo-primaries: answers inbounds, follows engines for them.

mod engine;
mod opening;
mod pump;
mod session;
mod shard;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use runtime::{chain, tasks::Tasks};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
};
use wire::{Barrier, RefusalCode};

use crate::{BindError, OutboundStatus, ShardKey, Source, socket, status::Changes};
use shard::Shard;

/// Connections open at a time: every shard of an agent's links, and strangers.
const CONNECTIONS: usize = 1024;

/// What an outbound knows about the engine's fence in a handoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fence {
    /// None: without its engine a session ends.
    #[default]
    Open,
    /// The engine is about to drop its replicas; sessions stay open without it.
    Expected,
    /// The engine is fenced at this barrier, and nothing but the barrier is served.
    Declared(Barrier),
}

/// One per agent. A cheap handle: clones are the same outbound.
#[derive(Debug, Clone)]
pub struct Outbound(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    address: SocketAddr,
    shards: Mutex<BTreeMap<ShardKey, Arc<Shard>>>,
    changes: Changes,
}

impl Outbound {
    /// Listens for inbounds; port 0 takes any. It serves until `tasks` are cancelled.
    pub async fn bind(tasks: &Tasks, address: SocketAddr) -> Result<Self, BindError> {
        let (listener, address) = socket::listen("inbounds", address).await?;
        let outbound = Self(Arc::new(Inner {
            address,
            shards: Mutex::default(),
            changes: Changes::new(),
        }));
        let accepting = outbound.clone().accept(tasks.clone(), listener);
        tasks.spawn("outbound accept", accepting);
        Ok(outbound)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Serves a shard from its geo-primary's engine. The same source again changes nothing; another
    /// one ends the shard's session, and a fence of another epoch.
    pub fn serve(&self, key: ShardKey, source: Source) {
        let mut shards = self.0.shards.lock();
        if let Some(shard) = shards.get(&key) {
            shard.serve(source);
        } else {
            let shard = Shard::new(key.clone(), self.0.address, source, self.0.changes.clone());
            shards.insert(key, Arc::new(shard));
        }
        drop(shards);
        self.0.changes.note();
    }

    /// Ends the shard's session and forgets the shard.
    pub fn withdraw(&self, key: &ShardKey) {
        let shard = self.0.shards.lock().remove(key);
        if let Some(shard) = shard {
            shard.withdraw();
            self.0.changes.note();
        }
    }

    /// Tells of a fence. `None`, before the engine is fenced: it will drop its replicas, the
    /// session is to stay open without it. `Some`, once the fence is verified: a session that was
    /// sent exactly the barrier's position is told so, and so is one that comes later and holds
    /// exactly that; every other one is refused. A shard that is not served is left alone.
    pub fn fence(&self, key: &ShardKey, barrier: Option<Barrier>) {
        let fence = barrier.map_or(Fence::Expected, Fence::Declared);
        self.set_fence(key, fence);
    }

    /// Undoes [`Outbound::fence`]: sessions without their engine end, and the next ones follow it
    /// again.
    pub fn unfence(&self, key: &ShardKey) {
        self.set_fence(key, Fence::Open);
    }

    /// Has the geo-primary's engine end whichever pause of clients there is, and pause writes for
    /// some seconds instead. While a client's `CLIENT PAUSE … ALL` lasts, an engine answers nobody;
    /// the connection of the shard's session is the one that it still obeys. Without a session
    /// nothing happens.
    pub fn take_pause_over(&self, key: &ShardKey) {
        if let Some(shard) = self.shard(key) {
            shard.take_pause_over();
        }
    }

    /// What happens on a shard; `None` when it is not served.
    #[must_use]
    pub fn status(&self, key: &ShardKey) -> Option<OutboundStatus> {
        self.shard(key).map(|shard| shard.status())
    }

    /// Wakes whenever the status of a shard changed; positions that run wake a few times in a
    /// hundredth of a second at most.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn set_fence(&self, key: &ShardKey, fence: Fence) {
        if let Some(shard) = self.shard(key) {
            shard.set_fence(fence);
            self.0.changes.note();
        }
    }

    fn shard(&self, key: &ShardKey) -> Option<Arc<Shard>> {
        self.0.shards.lock().get(key).cloned()
    }

    async fn accept(self, tasks: Tasks, listener: TcpListener) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                return;
            };
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let outbound = self.clone();
                    tasks.spawn("outbound session", async move {
                        outbound.answer(stream, peer).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "cannot accept an inbound");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    async fn answer(&self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = socket::prepare(&stream) {
            tracing::debug!(%peer, error = %chain(&error), "an inbound went away");
            return;
        }
        let (read, write) = stream.into_split();
        let mut greeting = match opening::greeting(read, write).await {
            Ok(greeting) => greeting,
            Err(error) => {
                tracing::debug!(%peer, error = %chain(&error), "no inbound on this connection");
                return;
            }
        };
        let hello = &greeting.hello;
        let key = ShardKey {
            link: hello.link.clone(),
            shard: hello.shard,
        };
        let refusal = match self.shard(&key) {
            Some(shard) => match shard.admit(hello) {
                Ok(source) => {
                    session::run(&shard, source, peer, greeting).await;
                    return;
                }
                Err(refusal) => refusal,
            },
            None => wire::Refusal::new(
                RefusalCode::UnknownShard,
                format!(
                    "{key} is not served here; the link may be gone, or not set up on this side yet"
                ),
            ),
        };
        tracing::info!(%peer, link = %key.link, shard = %key.shard, why = refusal.why, "refused an inbound");
        opening::refuse(&mut greeting.writer, refusal).await;
    }
}
