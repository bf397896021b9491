//! The journal of one shard of a link.

mod append;
mod begin;
mod discard;
mod open;
mod read;
mod segments;
mod sync;
mod trim;

use std::{collections::BTreeMap, fmt, sync::Arc};

use model::{Retention, Timestamp};
use psync::{Framing, Offset, Position};

pub use append::AppendError;
pub use begin::{BeginError, ForkError};
pub use discard::DiscardError;
pub use open::{Dropped, OpenError, Recovery};
pub use read::ReadError;
pub use sync::{SyncDone, SyncError, SyncWork};
pub use trim::{ReaderId, TrimError, Trimmed};

use crate::{
    BeginSnapshotError, Disk, FsDisk, Limits, RemoveSnapshotError, SnapshotId, SnapshotInfo, Spool,
    SpoolReader, SpoolWriter, Stopped,
    failure::Poison,
    limits::Gauge,
    spool::{self, NewSpool},
};
use read::Reading;
use segments::History;

pub(crate) use segments::remove_if_there;

/// A shard's stream and at most one snapshot, in one directory.
///
/// Its methods block on the disk; [`Journal::append`] and [`Journal::read`] for about a write and
/// a read of their bytes, everything else perhaps for a sync.
pub struct Journal<D: Disk = FsDisk> {
    disk: Arc<D>,
    limits: Limits,
    gauge: Gauge,
    /// `None`: nothing was begun.
    history: Option<History<D::File>>,
    /// The number of the next segment.
    next_sequence: u64,
    snapshot: Option<Spool<D>>,
    pins: BTreeMap<ReaderId, Offset>,
    trimmed: Trimmed,
    reading: Reading<D::File>,
    poison: Poison,
}

/// What is to be seen of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Stream bytes held.
    pub bytes: u64,
    /// Segments they are in.
    pub segments: u64,
    /// How long ago the oldest of them came, in milliseconds; `None` when there is none.
    pub oldest_ms: Option<u64>,
    /// Bytes of the snapshot.
    pub snapshot_bytes: u64,
    /// The stream is durable up to here; `None` without a history.
    pub durable: Option<Offset>,
}

impl<D: Disk> Journal<D> {
    /// Tells whether no history was begun.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.history.is_none()
    }

    /// The position before the oldest byte that is held.
    #[must_use]
    pub fn start(&self) -> Option<Position> {
        self.history.as_ref().map(History::start)
    }

    /// The position of the newest byte that is held.
    #[must_use]
    pub fn end(&self) -> Option<Position> {
        self.history.as_ref().map(History::end)
    }

    /// What is durable: after a power cut at least this much is there.
    #[must_use]
    pub fn durable(&self) -> Option<Offset> {
        self.history.as_ref().map(History::durable)
    }

    /// Tells whether the stream behind a position is held, and if so under which position to go
    /// on: the same offset, with the newest replication ID.
    ///
    /// An older replication ID counts up to where it was exchanged, the newest from there on.
    #[must_use]
    pub fn covers(&self, position: &Position) -> Option<Position> {
        let history = self.history.as_ref()?;
        let newest = history.end().replid;
        history
            .covers(position)
            .then(|| Position::new(newest, position.offset))
    }

    /// What is held, and for how long.
    #[must_use]
    pub fn stats(&self, now: Timestamp) -> Stats {
        let snapshot_bytes = self.snapshot().map_or(0, |info| info.bytes);
        match &self.history {
            None => Stats {
                snapshot_bytes,
                ..Stats::default()
            },
            Some(history) => Stats {
                bytes: history.bytes(),
                segments: history.count(),
                oldest_ms: history.oldest().map(|when| now.0.saturating_sub(when)),
                snapshot_bytes,
                durable: Some(history.durable()),
            },
        }
    }

    /// Changes how much is kept. [`Journal::trim`] carries it out.
    pub fn set_retention(&mut self, retention: Retention) {
        self.limits.retention = retention;
    }

    /// Begins the spool of a snapshot in place of any other. The snapshot ends at `position`,
    /// from where the stream is held or is going to be.
    ///
    /// The writer works without the journal; what is written can be read at once.
    pub fn begin_snapshot(
        &mut self,
        id: SnapshotId,
        position: Position,
        framing: Framing,
    ) -> Result<SpoolWriter<D>, BeginSnapshotError> {
        self.poison.check()?;
        let history = self.history.as_ref().ok_or(BeginSnapshotError::NotBegun)?;
        if !history.continues(&position) {
            return Err(BeginSnapshotError::NotHeld {
                position,
                start: history.start(),
            });
        }
        let owner = history.first();
        self.remove_snapshots()?;
        let made = SpoolWriter::make(NewSpool {
            disk: Arc::clone(&self.disk),
            room: self.gauge.room(),
            usage: Arc::clone(self.gauge.usage()),
            owner,
            id,
            position,
            framing,
        });
        let writer = made.map_err(|failure| self.poison.stop(failure))?;
        self.snapshot = Some(writer.spool());
        Ok(writer)
    }

    /// The snapshot, as far as it is written.
    #[must_use]
    pub fn snapshot(&self) -> Option<SnapshotInfo> {
        self.snapshot.as_ref().map(Spool::info)
    }

    /// Reads the snapshot, without the journal.
    #[must_use]
    pub fn snapshot_reader(&self) -> Option<SpoolReader<D>> {
        self.snapshot.as_ref().map(Spool::reader)
    }

    /// Removes the snapshot. Whoever writes or reads it gets an error.
    pub fn drop_snapshot(&mut self) -> Result<(), RemoveSnapshotError> {
        self.poison.check()?;
        self.remove_snapshots()?;
        Ok(())
    }

    fn remove_snapshots(&mut self) -> Result<(), Stopped> {
        let removed = spool::remove_all(&*self.disk, self.snapshot.take());
        removed.map_err(|failure| self.poison.stop(failure))
    }
}

impl<D: Disk> fmt::Debug for Journal<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("start", &self.start())
            .field("end", &self.end())
            .field("durable", &self.durable())
            .finish_non_exhaustive()
    }
}
