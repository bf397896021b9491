//! The stream that a shard's journal keeps, for whoever reads it beside the relay: while the shard
//! is served, and when nobody serves it any more.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use journal::{FsDisk, Journal, Limits, OpenError, ReadError};
use model::Timestamp;
use parking_lot::Mutex;
use psync::{Offset, Position};

/// What a journal keeps could not be read.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// There is no journal.
    #[error("there is no journal in {}", directory.display())]
    Absent {
        /// Where it would be.
        directory: PathBuf,
    },
    /// The directory cannot be used.
    #[error("use the journal's directory {}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It cannot be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read there.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl KeptError {
    /// Tells whether what is on disk is not what was written, which will not get better. Otherwise
    /// it may work again later.
    #[must_use]
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Open(OpenError::Corrupt { .. }) | Self::Read(ReadError::Corrupt { .. })
        )
    }

    /// Tells whether what was asked for was let go: retention or lack of room passed by.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Read(ReadError::Gone { .. }))
    }
}

/// Where the journal of a shard is while it is open.
pub(crate) type Slot = Arc<Mutex<Option<Journal>>>;

/// What one journal keeps. Its methods block on the disk.
///
/// While the relay has the journal open it is read through it; otherwise it is opened here, which
/// cuts a torn tail off and changes nothing else. Of a shard that was never served in this process,
/// nobody may begin to serve while this is in use.
#[derive(Debug)]
pub struct KeptStream {
    directory: PathBuf,
    slot: Slot,
    /// Opened here, when the slot was empty.
    own: Option<Journal>,
}

impl KeptStream {
    /// Of the journal in a directory that nobody serves.
    #[must_use]
    pub fn unserved(directory: &Path) -> Self {
        Self::of(directory.to_owned(), Slot::default())
    }

    pub(crate) fn of(directory: PathBuf, slot: Slot) -> Self {
        Self {
            directory,
            slot,
            own: None,
        }
    }

    /// The positions before the oldest and of the newest byte that is kept; `None` when no history
    /// was begun.
    pub fn span(&mut self) -> Result<Option<(Position, Position)>, KeptError> {
        self.with(|journal| Ok(journal.start().zip(journal.end())))
    }

    /// Tells whether the stream behind a position is kept, and under which position it goes on: the
    /// same offset, with the newest replication ID.
    pub fn covers(&mut self, position: &Position) -> Result<Option<Position>, KeptError> {
        self.with(|journal| Ok(journal.covers(position)))
    }

    /// Reads bytes behind an offset and tells how many; 0 only at the end. Every block's checksum
    /// is compared first.
    pub fn read(&mut self, after: Offset, buffer: &mut [u8]) -> Result<usize, KeptError> {
        self.with(|journal| journal.read(after, buffer))
    }

    /// When the byte behind an offset was read from the engine: it, or one of the same block, of
    /// at most 64 KiB and about a second, before it. `None`: it has not come.
    pub fn when(&mut self, after: Offset) -> Result<Option<Timestamp>, KeptError> {
        self.with(|journal| journal.when(after))
    }

    fn with<T>(
        &mut self,
        act: impl FnOnce(&mut Journal) -> Result<T, ReadError>,
    ) -> Result<T, KeptError> {
        // Held meanwhile: who serves the shard opens and closes the journal under it.
        let mut slot = self.slot.lock();
        if let Some(journal) = &mut *slot {
            // It may be written from now on, of which the other one would know nothing.
            self.own = None;
            return Ok(act(journal)?);
        }
        let journal = match &mut self.own {
            Some(journal) => journal,
            own @ None => own.insert(open(&self.directory)?),
        };
        Ok(act(journal)?)
    }
}

fn open(directory: &Path) -> Result<Journal, KeptError> {
    let directory = directory.to_owned();
    // Opening would make it.
    if !directory.is_dir() {
        return Err(KeptError::Absent { directory });
    }
    let disk = match FsDisk::new(&directory) {
        Ok(disk) => disk,
        Err(source) => return Err(KeptError::Directory { directory, source }),
    };
    let (journal, found) = Journal::open(disk, Limits::default())?;
    if found.torn_bytes > 0 {
        let bytes = found.torn_bytes;
        tracing::info!(bytes, "cut off the torn end of a journal");
    }
    Ok(journal)
}
