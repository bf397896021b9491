//! Making the stream durable, with or without holding the journal meanwhile.

use std::sync::Arc;

use psync::Offset;

use super::{Journal, segments};
use crate::{Disk, Failure, Stopped, segment::Header};

/// The stream could not be made durable.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The disk failed, now or before.
    #[error("sync the journal")]
    Stopped(#[from] Stopped),
}

/// A sync that can be carried out without the journal. See [`Journal::prepare_sync`].
#[derive(Debug)]
pub struct SyncWork<D: Disk> {
    disk: Arc<D>,
    header: Header,
    end: u64,
}

/// A sync that was carried out.
#[derive(Debug)]
pub struct SyncDone {
    header: Header,
    end: u64,
    result: Result<(), Failure>,
}

impl<D: Disk> SyncWork<D> {
    /// Carries it out: this blocks for as long as the disk takes.
    #[must_use]
    pub fn run(self) -> SyncDone {
        // Own handles: a failure to write is told once to each handle, and the journal's must
        // keep theirs for when they are synced at the segment's end.
        let opened = segments::open_segment(&*self.disk, &self.header);
        SyncDone {
            header: self.header,
            end: self.end,
            result: opened.and_then(|blocks| blocks.sync()),
        }
    }
}

impl<D: Disk> Journal<D> {
    /// Makes everything that was appended durable, and tells how far that is.
    pub fn seal_and_sync(&mut self) -> Result<Option<Offset>, SyncError> {
        self.poison.check()?;
        if let Some(history) = &mut self.history {
            let synced = history.writer.sync();
            synced.map_err(|failure| self.poison.stop(failure))?;
            self.count_usage();
        }
        Ok(self.durable())
    }

    /// Begins a sync whose waiting is done in [`SyncWork::run`], while others append and read.
    /// `Ok(None)`: everything is durable.
    pub fn prepare_sync(&mut self) -> Result<Option<SyncWork<D>>, SyncError> {
        self.poison.check()?;
        let Some(history) = &mut self.history else {
            return Ok(None);
        };
        let sealed = history.writer.seal();
        sealed.map_err(|failure| self.poison.stop(failure))?;
        let end = history.writer.sealed();
        let work = (history.writer.synced() < end).then(|| SyncWork {
            disk: Arc::clone(&self.disk),
            header: history.header,
            end,
        });
        Ok(work)
    }

    /// Ends a sync, and tells how far the stream is durable.
    pub fn finish_sync(&mut self, done: SyncDone) -> Result<Option<Offset>, SyncError> {
        self.poison.check()?;
        if let Some(history) = &mut self.history
            // A segment that is not the newest any more was synced when it ended.
            && history.header == done.header
        {
            let result = done.result;
            result.map_err(|failure| self.poison.stop(failure))?;
            history.writer.synced_to(done.end);
        }
        Ok(self.durable())
    }
}
