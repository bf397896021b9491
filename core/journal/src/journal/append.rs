//! Appending to the stream.

use model::Timestamp;

use super::Journal;
use crate::{
    Disk, Lack, Stopped,
    record::RECORD_BYTES,
    segment::{BLOCK_BYTES, BLOCKS, HEADER_BYTES},
};

/// Nothing more could be appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// There is no history to append to.
    #[error("append to a journal that was not begun")]
    NotBegun,
    /// There is no room, and nothing old to remove. Nothing was written: try again when there is.
    #[error("append {wanted} bytes to the journal: {lack}")]
    Full {
        /// Bytes that were to be appended.
        wanted: u64,
        /// What there is too little of.
        lack: Lack,
    },
    /// A write failed, now or before. A part of the bytes may have been taken.
    #[error("append to the journal")]
    Stopped(#[from] Stopped),
}

impl AppendError {
    /// Tells whether there is too little room: it may work again later, after
    /// [`AppendError::Stopped`] with a journal that is opened anew.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::NotBegun => false,
            Self::Full { .. } => true,
            Self::Stopped(stopped) => stopped.failure().is_disk_full(),
        }
    }
}

impl<D: Disk> Journal<D> {
    /// Appends bytes of the stream. They can be read at once, and are durable after
    /// [`Journal::seal_and_sync`].
    ///
    /// When a segment is full, the next is begun and retention applied; when room is short,
    /// oldest segments are removed. [`Journal::trim`] tells what was.
    pub fn append(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), AppendError> {
        self.poison.check()?;
        if self.history.is_none() {
            return Err(AppendError::NotBegun);
        }
        self.make_room(bytes.len() as u64)?;
        let segment_bytes = self.limits.segment();
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some(history) = &mut self.history else {
                return Err(AppendError::NotBegun);
            };
            let held = history.writer.end().saturating_sub(history.header.start.0);
            let room = segment_bytes.saturating_sub(held);
            if room == 0 || history.writer.records() >= BLOCKS {
                self.roll(None)
                    .map_err(|failure| self.poison.stop(failure))?;
                continue;
            }
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            let (piece, behind) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            let pushed = history.writer.push(piece, now);
            pushed.map_err(|failure| self.poison.stop(failure))?;
            rest = behind;
        }
        self.count_usage();
        Ok(())
    }

    /// Removes oldest segments until `wanted` bytes fit.
    fn make_room(&mut self, wanted: u64) -> Result<(), AppendError> {
        let segments = wanted / self.limits.segment() + 1;
        let records = wanted / BLOCK_BYTES as u64 + 2 + segments;
        let bytes = wanted
            .saturating_add(records.saturating_mul(RECORD_BYTES as u64))
            .saturating_add(segments.saturating_mul(HEADER_BYTES as u64));
        loop {
            let taken = self.gauge.take(&*self.disk, bytes);
            let Some(lack) = taken.map_err(|failure| self.poison.stop(failure))? else {
                return Ok(());
            };
            let dropped = self.drop_oldest();
            if !dropped.map_err(|failure| self.poison.stop(failure))? {
                return Err(AppendError::Full { wanted, lack });
            }
        }
    }
}
