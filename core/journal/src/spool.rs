//! The spool of a snapshot: its payload on disk, readable while it is still being written.

mod meta;
mod reading;
mod reopen;
mod writing;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use parking_lot::Mutex;
use psync::{Framing, Position};

pub use reading::{SpoolReadError, SpoolReader};
pub use reopen::{Found, ReopenError, Reopened, Unfinished};
pub use writing::{CompleteError, CreateError, SpoolAppendError, SpoolSyncError, SpoolWriter};

pub(crate) use reopen::reopen;
pub(crate) use writing::{NewSpool, remove_all};

use crate::{
    Disk, Failure, FsDisk, Stopped,
    blocks::Blocks,
    failure::Attempted as _,
    file_name::{DIRECTORY, FileName},
    limits::Usage,
};
use meta::Meta;

/// One snapshot, from its first byte to its removal: drawn by the caller for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SnapshotId(pub u64);

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A snapshot, as far as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// Which one.
    pub id: SnapshotId,
    /// Where it ends: the stream goes on from there.
    pub position: Position,
    /// How its end is told.
    pub framing: Framing,
    /// Bytes of the payload that can be read; a mark belongs to it.
    pub bytes: u64,
    /// The payload is whole.
    pub complete: bool,
}

/// No snapshot could be begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginSnapshotError {
    /// The journal has no history that the snapshot could be part of.
    #[error("begin a snapshot in a journal that was not begun")]
    NotBegun,
    /// The stream does not go on from the snapshot.
    #[error("begin a snapshot that ends at {position}: the journal begins at {start}")]
    NotHeld {
        /// Where it would end.
        position: Position,
        /// What the journal holds.
        start: Position,
    },
    /// The disk failed, now or before.
    #[error("begin a snapshot")]
    Stopped(#[from] Stopped),
}

/// The snapshot could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveSnapshotError {
    /// The disk failed, now or before.
    #[error("remove the snapshot")]
    Stopped(#[from] Stopped),
}

/// A snapshot on disk. Clones are the same one.
pub struct Spool<D: Disk = FsDisk>(Arc<Inner<D>>);

struct Inner<D: Disk> {
    disk: Arc<D>,
    /// As it was when the snapshot was begun.
    meta: Meta,
    blocks: Arc<Blocks<D::File>>,
    usage: Arc<Usage>,
    progress: Mutex<Progress>,
    /// Held while names are made or removed.
    names: Mutex<()>,
    removed: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct Progress {
    records: u64,
    end: u64,
    complete: bool,
}

impl<D: Disk> Spool<D> {
    /// What is there.
    #[must_use]
    pub fn info(&self) -> SnapshotInfo {
        self.0.info()
    }

    /// Reads it, from any thread, also while it is written.
    #[must_use]
    pub fn reader(&self) -> SpoolReader<D> {
        SpoolReader::new(self.clone())
    }

    /// Removes it. Whoever still writes or reads it gets an error.
    pub fn remove(&self) -> Result<(), RemoveSnapshotError> {
        let removed = self.remove_files();
        removed.map_err(|failure| Stopped::Now(Arc::new(failure)))?;
        Ok(())
    }

    pub(crate) fn remove_files(&self) -> Result<(), Failure> {
        let inner = &self.0;
        let _names = inner.names.lock();
        inner.mark_removed();
        remove_names(&*inner.disk, inner.meta.id)?;
        inner.disk.sync_directory().attempted("sync", DIRECTORY)?;
        Ok(())
    }
}

impl<D: Disk> Inner<D> {
    fn info(&self) -> SnapshotInfo {
        let Progress { end, complete, .. } = *self.progress.lock();
        SnapshotInfo {
            id: self.meta.id,
            position: self.meta.position,
            framing: self.meta.framing,
            bytes: end,
            complete,
        }
    }

    /// From here on nobody writes or reads it.
    fn mark_removed(&self) {
        let _progress = self.progress.lock();
        if !self.removed.swap(true, Ordering::SeqCst) {
            self.usage.set_snapshot(0);
        }
    }

    fn is_removed(&self) -> bool {
        self.removed.load(Ordering::SeqCst)
    }

    /// Tells readers how far they may read, and others how much there is.
    fn advance(&self, records: u64, end: u64) {
        let mut progress = self.progress.lock();
        progress.records = records;
        progress.end = end;
        if !self.is_removed() {
            let bytes = self.blocks.file_bytes(records, end);
            self.usage.set_snapshot(bytes);
        }
    }
}

impl<D: Disk> Clone for Spool<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Disk> fmt::Debug for Spool<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spool").field(&self.info()).finish()
    }
}

/// Removes the files of a snapshot, as far as they are there.
fn remove_names<D: Disk>(disk: &D, id: SnapshotId) -> Result<(), Failure> {
    for name in [
        FileName::Meta(id.0),
        FileName::NewMeta(id.0),
        FileName::Payload(id.0),
        FileName::Blocks(id.0),
    ] {
        crate::journal::remove_if_there(disk, &name.text())?;
    }
    Ok(())
}
