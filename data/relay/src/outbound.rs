//! The half beside the geo-primaries: answers inbounds, follows engines for them.

mod engine;
mod keepers;
mod opening;
mod permits;
mod pump;
mod session;
mod shard;
mod shelf;
mod snapshots;
mod source;

use std::{
    collections::BTreeMap, net::SocketAddr, num::NonZeroUsize, path::Path, sync::Arc,
    time::Duration,
};

use model::{EventKind, Region};
use parking_lot::Mutex;
use psync::Position;
use runtime::{chain, dice::Dice, tasks::Tasks};
use tls::{Identity, Protocol, TlsError, TlsStream};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc, watch},
    time::timeout,
};
use wire::{Barrier, RefusalCode};

use crate::{
    BindError, Events, KeptStream, OutboundStatus, ShardKey, Source, SourceFacts, socket,
    status::Changes,
};
pub use keepers::{Keepers, Kept, Permission};
use permits::Permits;
use shard::{Around, Shard};
use shelf::remove;

/// Connections open at a time: every shard of an agent's links, and strangers.
const CONNECTIONS: usize = 1024;
/// Time for a shard's tasks to end, and for its journal to be synced.
const STOP: Duration = Duration::from_secs(20);

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

/// How a journal is completed that nobody is served from any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// Where it may begin if it is empty: where the other side took over. `None`: not known yet.
    pub from: Option<Position>,
}

/// A connection of another region's gateway, which carries a client over.
#[derive(Debug)]
pub struct FromGateway {
    /// The connection.
    pub stream: TlsStream,
    /// The region whose agent it is.
    pub region: Region,
}

/// One per agent. A cheap handle: clones are the same outbound.
#[derive(Debug, Clone)]
pub struct Outbound(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    identity: Identity,
    shards: Mutex<BTreeMap<ShardKey, Arc<Shard>>>,
    gateways: Mutex<Option<mpsc::Sender<FromGateway>>>,
    around: Around,
}

impl Outbound {
    /// Listens for inbounds, which prove to be agents to `identity`; port 0 takes any. It serves
    /// until `tasks` are cancelled. What happens is told to `events`.
    pub async fn bind(
        tasks: &Tasks,
        address: SocketAddr,
        identity: Identity,
        events: Events,
        dice: Dice,
    ) -> Result<Self, BindError> {
        let (listener, address) = socket::listen("inbounds", address).await?;
        let outbound = Self(Arc::new(Inner {
            identity,
            shards: Mutex::default(),
            gateways: Mutex::default(),
            around: Around {
                tasks: tasks.clone(),
                dice,
                shown_as: address,
                events,
                permits: Permits::new(),
                changes: Changes::new(),
            },
        }));
        let accepting = outbound.clone().accept(tasks.clone(), listener);
        tasks.spawn("outbound accept", accepting);
        Ok(outbound)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.around.shown_as
    }

    /// Hands connections of other regions' gateways over from now on. They come through the same
    /// port, and say within TLS that they are none of a link's. While the queue is full, they wait.
    pub fn hand_gateways_to(&self, taker: mpsc::Sender<FromGateway>) {
        *self.0.gateways.lock() = Some(taker);
    }

    /// How many full syncs may go to one region at the same time; 1 unless said otherwise, before
    /// anything is served.
    pub fn allow_full_syncs(&self, at_once: NonZeroUsize) {
        self.0.around.permits.allow(at_once);
    }

    /// Serves a shard from its geo-primary's engines, with the journal in `directory`. The same
    /// source again changes nothing; one with another epoch or peer ends the shard's session, and a
    /// fence of another epoch; another engine is followed in the place of the one before; another
    /// firewall ends the session that it does not admit.
    pub fn serve(&self, key: ShardKey, directory: &Path, source: Source) {
        self.want(key, directory, source, None);
    }

    /// Reads from the shard's engines what the journal in `directory` lacks, and admits nobody: the
    /// other side has taken over by force. Nothing that is in the journal is let go for it; only an
    /// empty journal is begun, at `drain.from`.
    pub fn drain(&self, key: ShardKey, directory: &Path, source: Source, drain: Drain) {
        self.want(key, directory, source, Some(drain));
    }

    fn want(&self, key: ShardKey, directory: &Path, source: Source, drain: Option<Drain>) {
        let mut shards = self.0.shards.lock();
        if let Some(shard) = shards.get(&key) {
            shard.serve(source, drain);
        } else {
            let around = &self.0.around;
            let shard = Shard::new(key.clone(), around, directory.to_owned(), source, drain);
            let shard = Arc::new(shard);
            let following = source::run(Arc::clone(&shard));
            shard.tasks.spawn_until_done("outbound source", following);
            let watching = Arc::clone(&shard).watch();
            shard.tasks.spawn("outbound watch", watching);
            shards.insert(key, shard);
        }
        drop(shards);
        self.0.around.changes.note();
    }

    /// Tells what the shard's engine was seen to be; of a shard that is not served nothing is kept.
    pub fn note_source(&self, key: &ShardKey, facts: SourceFacts) {
        if let Some(shard) = self.shard(key) {
            shard.note_source(facts);
        }
    }

    /// Ends the shard's session and lets its engine go; the journal stays for the next time that
    /// the shard is served.
    pub fn withdraw(&self, key: &ShardKey) {
        if let Some(shard) = self.shard(key) {
            shard.withdraw();
            self.0.around.changes.note();
        }
    }

    /// Ends everything of a shard, its journal synced; with `remove`, the files in `directory` are
    /// removed as well.
    pub async fn close(&self, key: &ShardKey, directory: &Path, remove_files: bool) {
        let shard = self.0.shards.lock().remove(key);
        if let Some(shard) = shard {
            shard.withdraw();
            if !shard.tasks.stop(STOP).await {
                tracing::error!(link = %key.link, shard = %key.shard, "an outbound shard did not stop in {STOP:?}");
                return;
            }
            self.0.around.changes.note();
        }
        if remove_files {
            remove(directory.to_owned()).await;
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
        self.shard(key)?.status()
    }

    /// What the journal in `directory` keeps, whether its shard is served or not.
    #[must_use]
    pub fn kept(&self, directory: &Path) -> KeptStream {
        let shards = self.0.shards.lock();
        let served = shards.values().find(|shard| shard.shelf.is_in(directory));
        served.map_or_else(
            || KeptStream::unserved(directory),
            |shard| shard.shelf.kept(),
        )
    }

    /// Resolves with the position up to which the journal in `directory` is written, once that is
    /// everything that was read from the engine so far; `None` when nobody serves it, or when it
    /// does not come to that in time.
    pub async fn caught_up(&self, directory: &Path, patience: Duration) -> Option<Position> {
        let shard = {
            let shards = self.0.shards.lock();
            let served = shards.values().find(|shard| shard.shelf.is_in(directory));
            served.map(Arc::clone)
        }?;
        let mut moved = shard.stream.subscribe();
        let read = shard.stream.reach().end?.offset;
        let written = async {
            loop {
                moved.mark_unchanged();
                let reach = shard.stream.reach();
                match reach.end {
                    Some(end) if reach.journaled >= read && shard.shelf.is_open() => {
                        return Some(Position::new(end.replid, reach.journaled));
                    }
                    Some(_) => {}
                    None => return None,
                }
                moved.changed().await.ok()?;
            }
        };
        timeout(patience, written).await.ok().flatten()
    }

    /// Wakes whenever the status of a shard changed; positions that run wake a few times in a
    /// hundredth of a second at most.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.around.changes.subscribe()
    }

    fn set_fence(&self, key: &ShardKey, fence: Fence) {
        if let Some(shard) = self.shard(key) {
            shard.set_fence(fence);
            self.0.around.changes.note();
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
        let (stream, who) = match self.0.identity.accept(stream).await {
            Ok(accepted) => accepted,
            Err(error) => return self.refused(peer, &error),
        };
        match who.protocol {
            Protocol::Relay => {}
            Protocol::Gateway => return self.hand_over(stream, who.region).await,
        }
        let (read, write) = tokio::io::split(stream);
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
            Some(shard) => match shard.admit(hello, &who.region, peer.ip()) {
                Ok(source) => {
                    session::run(&shard, source, peer, greeting).await;
                    return;
                }
                Err(refusal) => {
                    let events = &self.0.around.events;
                    if refusal.code == RefusalCode::WrongPeer {
                        let text = format!("refused {peer}: {}", refusal.why);
                        events.tell_once(&key, EventKind::PeerRefused, text);
                    }
                    if refusal.code == RefusalCode::NotAdmitted {
                        // It dials several times a second; the event is the line about it.
                        events.tell_once(&key, EventKind::PeerRefused, refusal.why.clone());
                        opening::refuse(&mut greeting.writer, refusal).await;
                        return;
                    }
                    refusal
                }
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

    /// A connection of another region's gateway is none of the links'.
    async fn hand_over(&self, stream: TlsStream, region: Region) {
        let taker = self.0.gateways.lock().clone();
        let Some(taker) = taker else {
            tracing::warn!(%region, "another region's gateway came, and there is none here");
            return;
        };
        let from = FromGateway { stream, region };
        if taker.send(from).await.is_err() {
            tracing::debug!("another region's gateway came while this agent ends");
        }
    }

    /// Somebody could not prove to be an agent. Which shard was meant is not known, so every link's
    /// people are told when it looked like an agent at all.
    fn refused(&self, peer: SocketAddr, error: &TlsError) {
        let why = chain(error).to_string();
        tracing::debug!(%peer, why, "no agent on this connection");
        if error.presented().is_none() {
            return;
        }
        let text = format!("refused {}: {why}", peer.ip());
        for key in self.0.shards.lock().keys() {
            let events = &self.0.around.events;
            events.tell_once(key, EventKind::PeerRefused, text.clone());
        }
    }
}
