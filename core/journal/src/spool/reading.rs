//! Reading a snapshot's payload.

use std::{fmt, sync::Arc};

use super::{Progress, SnapshotInfo, Spool};
use crate::{
    Disk, Failure, FsDisk,
    blocks::{BlockError, Cursor},
};

/// The snapshot could not be read there.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolReadError {
    /// It was removed, or another took its place.
    #[error("read a snapshot that was removed")]
    Removed,
    /// What is on disk is not what was written. It will not get better: remove the snapshot.
    #[error("read the snapshot: {file} is damaged at {place}: {problem}")]
    Corrupt {
        /// The file.
        file: String,
        /// The index of the block's first byte; in a file of records the record's index in bytes.
        place: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// The disk failed to read. It may work again.
    #[error("read the snapshot")]
    Failed(#[source] Arc<Failure>),
}

impl From<BlockError> for SpoolReadError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Failure(failure) => Self::Failed(Arc::new(failure)),
            BlockError::Damaged {
                file,
                place,
                problem,
            } => Self::Corrupt {
                file,
                place,
                problem,
            },
        }
    }
}

/// Reads one snapshot. A clone reads the same one at its own pace.
pub struct SpoolReader<D: Disk = FsDisk> {
    spool: Spool<D>,
    cursor: Cursor,
}

impl<D: Disk> SpoolReader<D> {
    pub(super) fn new(spool: Spool<D>) -> Self {
        Self {
            spool,
            cursor: Cursor::default(),
        }
    }

    /// The snapshot, as far as it can be read.
    #[must_use]
    pub fn info(&self) -> SnapshotInfo {
        self.spool.info()
    }

    /// Reads from index `at` and tells how many bytes it got: fewer than fit only at the end of
    /// what is written, or before a place that cannot be read. 0: nothing is there yet; it is the
    /// end when [`SnapshotInfo::complete`] was set before this call.
    ///
    /// Every block's checksum is compared first.
    pub fn read(&mut self, at: u64, buffer: &mut [u8]) -> Result<usize, SpoolReadError> {
        let inner = &self.spool.0;
        if inner.is_removed() {
            return Err(SpoolReadError::Removed);
        }
        let Progress { records, end, .. } = *inner.progress.lock();
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let place = at.saturating_add(filled as u64);
            if place >= end {
                break;
            }
            match inner.blocks.read(&mut self.cursor, records, place, rest) {
                Ok(count) => filled += count,
                Err(_told_next_time) if filled > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }
}

impl<D: Disk> Clone for SpoolReader<D> {
    fn clone(&self) -> Self {
        Self::new(self.spool.clone())
    }
}

impl<D: Disk> fmt::Debug for SpoolReader<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SpoolReader").field(&self.info()).finish()
    }
}
