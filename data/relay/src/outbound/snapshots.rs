//! The shard's snapshot: taken once, at the speed of the host, and used by every session that it
//! serves.

use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

use model::{EventKind, SnapshotSource};
use parking_lot::Mutex;
use psync::{Event, Position};
use runtime::chain;
use tokio::{
    net::tcp::OwnedWriteHalf,
    sync::watch,
    time::{Instant, sleep, timeout},
};

use super::{
    engine::{Answer, Engine, EngineError, SILENCE},
    shard::{Shard, withdrawn},
    shelf::{KeptSnapshot, ShelfError, SnapshotWriter},
};
use crate::Source;

/// Attempts at the replicas before the primary itself is asked.
const AT_REPLICAS: u32 = 5;
/// The first and the longest pause between two attempts: each may cost a fork.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(30));

/// How the taking of a snapshot stands. Counts, so that a wait can tell an attempt from the next.
#[derive(Debug, Clone, Default)]
pub(super) struct Taking {
    /// The snapshot that is being taken or was taken last, once its first bytes can be read.
    pub(super) kept: Option<KeptSnapshot>,
    /// Why the last attempt failed.
    pub(super) failed: Option<String>,
    busy: bool,
}

#[derive(Debug)]
pub(super) struct Snapshots {
    taking: watch::Sender<Taking>,
    /// Why the next full sync is needed, when the geo-primary's history broke.
    reason: Mutex<Option<String>>,
    /// What the geo-primary's engine has begun to send unasked.
    offer: Mutex<Option<Offer>>,
}

/// A connection to an engine that sends a snapshot.
pub(super) struct Offer {
    node: SocketAddr,
    engine: Engine,
    /// Kept open for as long as the snapshot comes.
    write: OwnedWriteHalf,
    position: Position,
}

impl Offer {
    /// A connection that was answered with a snapshot which ends at `position`.
    pub(super) fn new(
        node: SocketAddr,
        engine: Engine,
        write: OwnedWriteHalf,
        position: Position,
    ) -> Self {
        Self {
            node,
            engine,
            write,
            position,
        }
    }

    pub(super) fn position(&self) -> Position {
        self.position
    }

    /// Asks a node for a snapshot.
    async fn ask(shard: &Shard, source: &Source, attempt: u32) -> Result<Self, EngineError> {
        let node = node_to_ask(source, attempt);
        let (engine, write, answer) =
            Engine::open(node, &source.handshake(shard.shown_as, None)).await?;
        let position = match answer {
            Answer::FullSync(position) | Answer::Continued(position) => position,
        };
        Ok(Self::new(node, engine, write, position))
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Offer")
            .field("node", &self.node)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
enum TakeError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Shelf(#[from] ShelfError),
    #[error("{node} is at {found}, and the journal goes from {start} to {end}")]
    Elsewhere {
        node: SocketAddr,
        found: Position,
        start: Position,
        end: Position,
    },
    #[error("there is no stream to go on with behind a snapshot")]
    NoStream,
    #[error("{}", withdrawn().why)]
    Withdrawn,
}

impl Snapshots {
    pub(super) fn new() -> Self {
        Self {
            taking: watch::Sender::new(Taking::default()),
            reason: Mutex::default(),
            offer: Mutex::default(),
        }
    }

    pub(super) fn taking(&self) -> watch::Receiver<Taking> {
        self.taking.subscribe()
    }

    /// What was kept belongs to another history.
    pub(super) fn forget(&self) {
        self.taking.send_modify(|taking| taking.kept = None);
    }

    pub(super) fn history_broke(&self, why: String) {
        *self.reason.lock() = Some(why);
        self.forget();
    }

    /// An engine sends a snapshot; it is taken once its history is followed.
    pub(super) fn offered(&self, offer: Offer) {
        *self.offer.lock() = Some(offer);
    }

    /// Why a full sync is needed, other than by what the geo-secondary says of itself.
    pub(super) fn take_reason(&self) -> Option<String> {
        self.reason.lock().take()
    }
}

/// Gives the snapshot that is kept while the journal reaches back to it, and begins to take one
/// otherwise. `None`: it is being taken and cannot be read yet.
pub(super) async fn kept_or_taken(shard: &Arc<Shard>) -> Result<Option<KeptSnapshot>, ShelfError> {
    let known = shard.snapshots.taking.borrow().kept.clone();
    let kept = match known {
        Some(kept) => Some(kept),
        None => shard.shelf.kept_snapshot().await?,
    };
    let reach = shard.stream.reach();
    if let (Some(kept), Some(end)) = (kept, reach.end)
        && reach.confirmed
        && !kept.has_failed()
        && shard
            .shelf
            .goes_on_from(kept.position, end)
            .await?
            .is_some()
    {
        shard
            .snapshots
            .taking
            .send_modify(|taking| taking.kept = Some(kept.clone()));
        return Ok(Some(kept));
    }
    begin_taking(shard);
    Ok(None)
}

/// The engine's present history is followed: takes the snapshot that it sent unasked, if it is one
/// of this history.
pub(super) fn take_offer(shard: &Arc<Shard>) {
    let reach = shard.stream.reach();
    let fits = |offer: &mut Offer| {
        reach
            .end
            .is_some_and(|end| offer.position.replid == end.replid)
    };
    let mut offer = shard.snapshots.offer.lock();
    if offer.as_mut().is_some_and(fits) {
        drop(offer);
        begin_taking(shard);
    } else {
        *offer = None;
    }
}

fn begin_taking(shard: &Arc<Shard>) {
    let begins = shard.snapshots.taking.send_if_modified(|taking| {
        let begins = !taking.busy;
        if begins {
            *taking = Taking {
                busy: true,
                ..Taking::default()
            };
        }
        begins
    });
    if begins {
        let taker = take_until_done(Arc::clone(shard));
        shard.tasks.spawn("snapshot", taker);
    }
}

/// Tries until a snapshot is whole or the shard is not served any more.
async fn take_until_done(shard: Arc<Shard>) {
    let (mut pause, longest) = PAUSES;
    let mut attempt = 0;
    loop {
        let error = match take(&shard, attempt).await {
            Ok(()) => break,
            Err(TakeError::Withdrawn) => break,
            Err(error) => error,
        };
        let why = chain(&error).to_string();
        tracing::warn!(link = %shard.key.link, shard = %shard.key.shard, why, "cannot take a snapshot yet");
        shard.snapshots.taking.send_modify(|taking| {
            taking.kept = None;
            taking.failed = Some(why);
        });
        attempt += 1;
        sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
    shard
        .snapshots
        .taking
        .send_modify(|taking| taking.busy = false);
}

async fn take(shard: &Arc<Shard>, attempt: u32) -> Result<(), TakeError> {
    let offered = shard.snapshots.offer.lock().take();
    let began = Instant::now();
    let Offer {
        node,
        mut engine,
        write,
        position,
    } = match offered {
        Some(offer) => offer,
        None => {
            followed(shard).await;
            let source = shard.wanted().borrow().source.clone();
            let source = source.ok_or(TakeError::Withdrawn)?;
            Offer::ask(shard, &source, attempt).await?
        }
    };
    let Some(end) = shard.stream.reach().end else {
        return Err(TakeError::NoStream);
    };
    if shard.shelf.goes_on_from(position, end).await?.is_none() {
        let start = shard.shelf.start().await?.unwrap_or(end);
        return Err(TakeError::Elsewhere {
            node,
            found: position,
            start,
            end,
        });
    }
    let mut writer: Option<SnapshotWriter> = None;
    let mut total: u64 = 0;
    loop {
        // Everything that was read, then more.
        loop {
            match engine.next_event()? {
                Some(Event::SnapshotBegins(framing)) => {
                    let (begun, kept) = shard
                        .shelf
                        .begin_snapshot(position, framing, &shard.dice)
                        .await?;
                    writer = Some(begun);
                    shard.snapshots.taking.send_modify(|taking| {
                        taking.kept = Some(kept);
                        taking.failed = None;
                    });
                }
                Some(Event::SnapshotBytes(bytes)) => {
                    if let Some(writer) = &mut writer {
                        total += bytes.len() as u64;
                        writer.append(bytes.to_vec()).await?;
                    }
                }
                Some(Event::SnapshotEnds) => {
                    if let Some(writer) = writer.take() {
                        writer.complete().await?;
                    }
                    drop(write);
                    let text = format!(
                        "{total} bytes from {node} in {} ms, up to {position}",
                        began.elapsed().as_millis()
                    );
                    shard.tell(EventKind::SnapshotTaken, text);
                    return Ok(());
                }
                Some(Event::StreamBytes(_) | Event::Continued(_) | Event::FullSync(_)) => {}
                None => break,
            }
        }
        let filled = timeout(SILENCE, engine.fill()).await;
        filled.unwrap_or_else(|_elapsed| Err(engine.silent(SILENCE)))?;
    }
}

/// Resolves once there is a stream that can go on behind a snapshot: asking for one costs a fork.
async fn followed(shard: &Shard) {
    let mut moved = shard.stream.subscribe();
    let confirmed = |_: &u64| shard.stream.reach().confirmed;
    let _gone = moved.wait_for(confirmed).await;
}

/// A replica in turn, while the link wants one and there is one that can; the primary otherwise.
fn node_to_ask(source: &Source, attempt: u32) -> SocketAddr {
    let primary = source.engine;
    match source.settings.source {
        SnapshotSource::Replica if attempt < AT_REPLICAS => {
            let count = source.replicas.len().max(1);
            let turn = usize::try_from(attempt).unwrap_or(0) % count;
            source.replicas.get(turn).copied().unwrap_or(primary)
        }
        SnapshotSource::Replica | SnapshotSource::Primary => primary,
    }
}
