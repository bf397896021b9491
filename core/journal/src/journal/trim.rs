//! What is kept and what is removed.

use model::Retention;
use psync::Offset;

use super::{Journal, segments};
use crate::{
    Disk, Failure, SnapshotId, Spool, Stopped, failure::Attempted as _, file_name::DIRECTORY,
};

/// Somebody who reads the stream, named by the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReaderId(pub u64);

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trimmed {
    /// Segments.
    pub segments: u64,
    /// Their stream bytes.
    pub bytes: u64,
    /// Readers that needed some of them.
    pub readers: Vec<ReaderId>,
    /// The snapshot that was removed with them, because the stream does not go on from it.
    pub snapshot: Option<SnapshotId>,
}

impl Trimmed {
    /// Tells whether nothing was removed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What retention does not cover could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum TrimError {
    /// The disk failed, now or before.
    #[error("remove what the journal need not keep")]
    Stopped(#[from] Stopped),
}

impl<D: Disk> Journal<D> {
    /// Notes that a reader needs everything behind `after`. Retention and lack of room remove it
    /// all the same; [`Trimmed::readers`] tells.
    pub fn pin(&mut self, reader: ReaderId, after: Offset) {
        self.pins.insert(reader, after);
    }

    /// Forgets a reader.
    pub fn unpin(&mut self, reader: ReaderId) {
        self.pins.remove(&reader);
    }

    /// Applies retention, and tells everything that was removed since the last call: full
    /// segments, oldest first, when retention does not cover them or when there was no room.
    pub fn trim(&mut self) -> Result<Trimmed, TrimError> {
        self.poison.check()?;
        let applied = self.apply_retention();
        applied.map_err(|failure| self.poison.stop(failure))?;
        Ok(std::mem::take(&mut self.trimmed))
    }

    pub(super) fn apply_retention(&mut self) -> Result<(), Failure> {
        let Retention::Bytes(keep) = self.limits.retention else {
            return Ok(());
        };
        while let Some(history) = &self.history
            && let Some(oldest) = history.old().front()
            // After a power cut, too, that much is there.
            && history.durable().since(oldest.end) >= keep
        {
            self.drop_oldest()?;
        }
        Ok(())
    }

    /// Removes the oldest segment; `false`: there is only the newest.
    pub(super) fn drop_oldest(&mut self) -> Result<bool, Failure> {
        let Some(history) = &mut self.history else {
            return Ok(false);
        };
        let Some(oldest) = history.pop_oldest() else {
            return Ok(false);
        };
        let trimmed = &mut self.trimmed;
        trimmed.segments = trimmed.segments.saturating_add(1);
        trimmed.bytes = trimmed.bytes.saturating_add(oldest.bytes());
        for (reader, after) in &self.pins {
            if *after < oldest.end && !trimmed.readers.contains(reader) {
                trimmed.readers.push(*reader);
            }
        }
        let passed = self.take_passed();
        segments::remove_segment(&*self.disk, oldest.header.sequence)?;
        if let Some(spool) = passed {
            spool.remove_files()?;
        }
        // One at a time: after a crash those that are there follow each other.
        self.disk.sync_directory().attempted("sync", DIRECTORY)?;
        self.gauge.end_lease();
        self.count_usage();
        Ok(true)
    }

    /// Takes back a snapshot that the stream does not go on from any more.
    pub(super) fn take_passed(&mut self) -> Option<Spool<D>> {
        let history = self.history.as_ref()?;
        let passed = self
            .snapshot
            .take_if(|spool| !history.continues(&spool.info().position))?;
        self.trimmed.snapshot = Some(passed.info().id);
        Some(passed)
    }
}
