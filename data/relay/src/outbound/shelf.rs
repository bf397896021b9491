//! A shard's journal on its shelf: opened, written, read and closed on threads that may block.

mod error;
mod snapshot;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use journal::{FsDisk, Journal, Limits, OpenError, ReadError, Recovery, Stats, Trimmed};
use model::{Retention, Timestamp};
use parking_lot::Mutex;
use psync::{Offset, Position, ReplicationId};
use runtime::{chain, clock::Clock};
use tokio::{sync::watch, task::spawn_blocking};

use crate::{
    kept::{KeptStream, Slot},
    room::room,
    stream::Unwritten,
};
pub(super) use error::ShelfError;
pub(super) use snapshot::{KeptSnapshot, SnapshotWriter};

/// A journal's place. It is closed to begin with.
#[derive(Debug)]
pub(super) struct Shelf {
    directory: PathBuf,
    retention: Mutex<Retention>,
    /// Locked by whoever works with the journal. An act that nobody waits for any more finds it
    /// closed, or finds the journal where it left it: acts say where they belong.
    slot: Slot,
    is_open: AtomicBool,
    /// Counts closings: an opening that began before one comes too late.
    closed: Arc<AtomicU64>,
    /// What was read is not what was written; the journal has to be begun anew.
    damaged: watch::Sender<Option<String>>,
    stats: Mutex<ShelfStats>,
}

/// What can be seen of a journal.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ShelfStats {
    pub(super) bytes: u64,
    pub(super) oldest: Option<Duration>,
    pub(super) snapshot_bytes: u64,
}

/// An opened journal.
pub(super) struct Opened {
    /// Where its stream ends; `None` when it is empty.
    pub(super) end: Option<Position>,
    /// What people should know of what was found, in a sentence.
    pub(super) report: Option<String>,
}

/// What writing came to.
pub(super) struct Appended {
    /// Where the journal ends.
    pub(super) end: Position,
    /// What had to be let go for want of room, in a sentence.
    pub(super) lost: Option<String>,
}

/// What reading back came to.
pub(super) enum ReadBack {
    /// Bytes, at least one.
    Bytes(Vec<u8>),
    /// They are not kept any more.
    Gone { start: Position },
}

impl Shelf {
    pub(super) fn new(directory: PathBuf, retention: Retention) -> Self {
        Self {
            directory,
            retention: Mutex::new(retention),
            slot: Slot::default(),
            is_open: AtomicBool::new(false),
            closed: Arc::default(),
            damaged: watch::Sender::new(None),
            stats: Mutex::default(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::SeqCst)
    }

    /// What the journal keeps, for somebody who reads it beside the shard.
    pub(super) fn kept(&self) -> KeptStream {
        KeptStream::of(self.directory.clone(), Arc::clone(&self.slot))
    }

    pub(super) fn is_in(&self, directory: &Path) -> bool {
        self.directory == directory
    }

    /// How much is kept, from the next write on.
    pub(super) fn set_retention(&self, retention: Retention) {
        *self.retention.lock() = retention;
    }

    /// Opens what is there. A journal that is damaged is removed: what it held can only be had from
    /// the engines now.
    pub(super) async fn open(&self) -> Result<Opened, ShelfError> {
        let damaged = self.damaged.send_replace(None);
        self.open_as(move |directory, limits| open(directory, limits, damaged))
            .await
    }

    /// Opens what is there, unless it is damaged: then it stays as it is, since nobody else may have
    /// what is in it.
    pub(super) async fn open_intact(&self) -> Result<Option<Opened>, ShelfError> {
        match self.open_as(open_intact).await {
            Ok(opened) => Ok(Some(opened)),
            Err(ShelfError::Open(OpenError::Corrupt { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn open_as(
        &self,
        act: impl FnOnce(PathBuf, Limits) -> Result<(Journal, Option<String>), ShelfError>
        + Send
        + 'static,
    ) -> Result<Opened, ShelfError> {
        let directory = self.directory.clone();
        let limits = Limits {
            retention: *self.retention.lock(),
            ..Limits::default()
        };
        let (slot, closed) = (Arc::clone(&self.slot), Arc::clone(&self.closed));
        let before = closed.load(Ordering::SeqCst);
        let opened = blocking(move || {
            // Held meanwhile: who closes waits, and nobody opens the same files twice.
            let mut slot = slot.lock();
            if closed.load(Ordering::SeqCst) != before {
                return Err(ShelfError::Closed);
            }
            let (journal, report) = act(directory, limits)?;
            let end = journal.end();
            *slot = Some(journal);
            Ok(Opened { end, report })
        });
        let opened = opened.await?;
        self.is_open.store(true, Ordering::SeqCst);
        Ok(opened)
    }

    /// Syncs and closes; what cannot be synced was told when it was written.
    pub(super) async fn close(&self) {
        self.is_open.store(false, Ordering::SeqCst);
        self.closed.fetch_add(1, Ordering::SeqCst);
        let slot = Arc::clone(&self.slot);
        let closed = blocking(move || {
            let Some(mut journal) = slot.lock().take() else {
                return Ok(());
            };
            if let Err(error) = journal.seal_and_sync() {
                tracing::warn!(error = %chain(&error), "the end of a journal may not be durable");
            }
            Ok(())
        });
        let _told = closed.await;
    }

    /// Begins a history; whatever was there is gone.
    pub(super) async fn begin(&self, position: Position) -> Result<(), ShelfError> {
        self.with(move |journal| Ok(journal.begin(position)?)).await
    }

    /// The history goes on under another ID.
    pub(super) async fn fork(&self, replid: ReplicationId) -> Result<(), ShelfError> {
        self.with(move |journal| Ok(journal.fork(replid)?)).await
    }

    /// Writes what the journal does not have yet, and lets go of what need not be kept.
    pub(super) async fn append(&self, unwritten: Unwritten) -> Result<Appended, ShelfError> {
        let retention = *self.retention.lock();
        let now = Clock.now();
        let (appended, stats) = self
            .with(move |journal| {
                append(journal, &unwritten, now)?;
                journal.set_retention(retention);
                let trimmed = journal.trim()?;
                let appended = Appended {
                    end: journal.end().unwrap_or(unwritten.after),
                    lost: told(&trimmed, retention),
                };
                Ok((appended, journal.stats(now)))
            })
            .await?;
        *self.stats.lock() = stats.into();
        Ok(appended)
    }

    /// Makes what was written durable, without holding up who writes or reads.
    pub(super) async fn sync(&self) -> Result<(), ShelfError> {
        let Some(work) = self.with(|journal| Ok(journal.prepare_sync()?)).await? else {
            return Ok(());
        };
        let done = blocking(move || Ok(work.run())).await?;
        self.with(move |journal| Ok(journal.finish_sync(done)?))
            .await?;
        Ok(())
    }

    pub(super) async fn end(&self) -> Result<Option<Position>, ShelfError> {
        self.with(|journal| Ok(journal.end())).await
    }

    pub(super) async fn start(&self) -> Result<Option<Position>, ShelfError> {
        self.with(|journal| Ok(journal.start())).await
    }

    /// Where to go on for somebody who stands at `have`, when the stream has come to `end`, part of
    /// which is in memory alone.
    pub(super) async fn locate(
        &self,
        have: Position,
        end: Position,
    ) -> Result<Option<Position>, ShelfError> {
        let covered = self.with(move |journal| {
            let in_memory = journal.end().is_some_and(|written| {
                have.replid == end.replid
                    && written.offset <= have.offset
                    && have.offset <= end.offset
            });
            let there = journal.covers(&have);
            Ok(there.or_else(|| in_memory.then_some(have)))
        });
        covered.await
    }

    /// As [`Shelf::locate`], for a snapshot: the stream may be about to come to where it ends.
    pub(super) async fn goes_on_from(
        &self,
        snapshot: Position,
        end: Position,
    ) -> Result<Option<Position>, ShelfError> {
        if snapshot.replid == end.replid && snapshot.offset > end.offset {
            return Ok(Some(snapshot));
        }
        self.locate(snapshot, end).await
    }

    /// Up to `limit` bytes behind `after`, which are known to be written.
    pub(super) async fn read(
        &self,
        after: Offset,
        buffer: Vec<u8>,
        limit: usize,
    ) -> Result<ReadBack, ShelfError> {
        let read = self.with(move |journal| {
            let mut buffer = buffer;
            buffer.resize(limit, 0);
            match journal.read(after, &mut buffer) {
                Ok(count) => {
                    buffer.truncate(count);
                    Ok(ReadBack::Bytes(buffer))
                }
                Err(ReadError::Gone { start, .. }) => Ok(ReadBack::Gone { start }),
                Err(error) => Err(error.into()),
            }
        });
        let read = read.await;
        if let Err(ShelfError::Read(error @ ReadError::Corrupt { .. })) = &read {
            let why = chain(error).to_string();
            self.damaged.send_replace(Some(why));
        }
        read
    }

    /// Resolves when what was read turned out to be damaged.
    pub(super) async fn damage(&self) -> ShelfError {
        let mut damaged = self.damaged.subscribe();
        let found = damaged.wait_for(Option::is_some).await;
        match found.map(|found| found.clone()) {
            Ok(Some(why)) => ShelfError::Damaged { why },
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    pub(super) fn stats(&self) -> ShelfStats {
        if !self.is_open() {
            return ShelfStats::default();
        }
        // While it works, what was known before has to do.
        if let Some(slot) = self.slot.try_lock()
            && let Some(journal) = &*slot
        {
            *self.stats.lock() = journal.stats(Clock.now()).into();
        }
        *self.stats.lock()
    }

    async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Journal) -> Result<T, ShelfError> + Send + 'static,
    ) -> Result<T, ShelfError> {
        let slot = Arc::clone(&self.slot);
        blocking(move || match &mut *slot.lock() {
            Some(journal) => act(journal),
            None => Err(ShelfError::Closed),
        })
        .await
    }
}

impl From<Stats> for ShelfStats {
    fn from(stats: Stats) -> Self {
        Self {
            bytes: stats.bytes,
            oldest: stats.oldest_ms.map(Duration::from_millis),
            snapshot_bytes: stats.snapshot_bytes,
        }
    }
}

/// A write that was given up may have been done all the same, so that it is done by place: what the
/// journal has is left out.
fn append(journal: &mut Journal, unwritten: &Unwritten, now: Timestamp) -> Result<(), ShelfError> {
    let place = unwritten.after;
    let end = journal.end().unwrap_or(place);
    if end.replid != place.replid || end.offset < place.offset {
        return Err(ShelfError::Elsewhere { place, end });
    }
    let mut there = usize::try_from(end.offset.since(place.offset)).unwrap_or(usize::MAX);
    for bytes in &unwritten.batch {
        let known = there.min(bytes.len());
        there -= known;
        let new = bytes.get(known..).unwrap_or_default();
        if !new.is_empty() {
            journal.append(new, now)?;
        }
    }
    Ok(())
}

/// Removes a journal's directory.
pub(super) async fn remove(directory: PathBuf) {
    let removed = blocking(move || {
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::error!(directory = %directory.display(), error = %chain(&error), "a journal's files are left");
            }
            Ok(()) | Err(_) => {}
        }
        Ok(())
    });
    let _told = removed.await;
}

async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, ShelfError> + Send + 'static,
) -> Result<T, ShelfError> {
    // It fails when the runtime ends, and then nobody waits.
    spawn_blocking(act)
        .await
        .map_err(|_ends| ShelfError::Closed)?
}

fn disk(directory: PathBuf, limits: Limits) -> Result<(FsDisk, Limits), ShelfError> {
    let limits = Limits {
        room: room(&directory),
        ..limits
    };
    match FsDisk::new(&directory) {
        Ok(disk) => Ok((disk, limits)),
        Err(source) => Err(ShelfError::Directory { directory, source }),
    }
}

fn open_intact(
    directory: PathBuf,
    limits: Limits,
) -> Result<(Journal, Option<String>), ShelfError> {
    let (disk, limits) = disk(directory, limits)?;
    let (journal, found) = Journal::open(disk, limits)?;
    Ok((journal, report(&found)))
}

fn open(
    directory: PathBuf,
    limits: Limits,
    damaged: Option<String>,
) -> Result<(Journal, Option<String>), ShelfError> {
    let (disk, limits) = disk(directory, limits)?;
    let anew =
        "; it is begun anew, and a full sync follows unless the engine's backlog reaches back";
    if let Some(why) = damaged {
        Journal::discard(&disk)?;
        let (journal, _nothing) = Journal::open(disk, limits)?;
        return Ok((journal, Some(format!("{why}{anew}"))));
    }
    match Journal::open(disk.clone(), limits) {
        Ok((journal, found)) => Ok((journal, report(&found))),
        Err(error @ OpenError::Corrupt { .. }) => {
            Journal::discard(&disk)?;
            let (journal, _nothing) = Journal::open(disk, limits)?;
            Ok((journal, Some(format!("{}{anew}", chain(&error)))))
        }
        Err(error) => Err(error.into()),
    }
}

/// What is worth an event: a torn tail is what every unclean stop leaves.
fn report(found: &Recovery) -> Option<String> {
    if found.torn_bytes > 0 {
        tracing::info!(
            bytes = found.torn_bytes,
            "cut off the torn end of a journal"
        );
    }
    let lost: Vec<String> = found
        .dropped
        .iter()
        .map(|dropped| format!("{} ({})", dropped.what, dropped.why))
        .collect();
    if !lost.is_empty() {
        tracing::info!(what = lost.join(", "), "removed what an earlier run left");
    }
    None
}

fn told(trimmed: &Trimmed, retention: Retention) -> Option<String> {
    match retention {
        Retention::Unlimited if trimmed.bytes > 0 => Some(format!(
            "the disk is nearly full, so {} bytes of the journal were let go; make room, or set a size for the journal",
            trimmed.bytes
        )),
        Retention::Unlimited | Retention::Bytes(_) => None,
    }
}
