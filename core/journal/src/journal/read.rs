//! Reading the stream.

use std::sync::Arc;

use model::Timestamp;
use psync::{Offset, Position};

use super::{
    Journal,
    segments::{History, open_segment},
};
use crate::{
    Disk, Failure,
    blocks::{BlockError, Blocks, Cursor, copy},
};

/// The stream could not be read there.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReadError {
    /// There is no history to read.
    #[error("read a journal that was not begun")]
    NotBegun,
    /// It was removed: retention or lack of room passed by.
    #[error("read the journal behind {after}: it begins at {start}")]
    Gone {
        /// What was asked for.
        after: Offset,
        /// What is there.
        start: Position,
    },
    /// It has not come.
    #[error("read the journal behind {after}: it ends at {end}")]
    Ahead {
        /// What was asked for.
        after: Offset,
        /// What is there.
        end: Position,
    },
    /// What is on disk is not what was written. It will not get better: begin anew.
    #[error("read the journal: {file} is damaged at {place}: {problem}")]
    Corrupt {
        /// The file.
        file: String,
        /// The offset before the block; in an index file the record's index in bytes.
        place: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// The disk failed to read. It may work again.
    #[error("read the journal")]
    Failed(#[source] Arc<Failure>),
}

impl From<BlockError> for ReadError {
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

/// What readers keep between two reads.
#[derive(Debug)]
pub(super) struct Reading<F> {
    cursor: Cursor,
    /// The last full segment that was read.
    old: Option<(u64, Blocks<F>)>,
}

impl<F> Default for Reading<F> {
    fn default() -> Self {
        Self {
            cursor: Cursor::default(),
            old: None,
        }
    }
}

impl<F> Reading<F> {
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl<D: Disk> Journal<D> {
    /// Reads bytes behind an offset and tells how many it got: fewer than fit only at the end of
    /// what is held, or before a place that cannot be read, and 0 only at the end. Every block's
    /// checksum is compared first.
    pub fn read(&mut self, after: Offset, buffer: &mut [u8]) -> Result<usize, ReadError> {
        let history = self.history.as_ref().ok_or(ReadError::NotBegun)?;
        let (start, end) = (history.start(), history.end());
        if after < start.offset {
            return Err(ReadError::Gone { after, start });
        }
        if after > end.offset {
            return Err(ReadError::Ahead { after, end });
        }
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let place = after.advanced(filled as u64);
            match read_some(&self.disk, history, &mut self.reading, place, rest) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(_told_next_time) if filled > 0 => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(filled)
    }
}

impl<D: Disk> Journal<D> {
    /// When the byte behind an offset came: it, or a byte of the same block before it. `None`: it
    /// has not come.
    pub fn when(&self, after: Offset) -> Result<Option<Timestamp>, ReadError> {
        let history = self.history.as_ref().ok_or(ReadError::NotBegun)?;
        let (start, end) = (history.start(), history.end());
        if after < start.offset {
            return Err(ReadError::Gone { after, start });
        }
        if after >= end.offset {
            return Ok(None);
        }
        let writer = &history.writer;
        if after.0 >= writer.sealed() {
            return Ok(Some(Timestamp(writer.open_when())));
        }
        let found = if after >= history.header.start {
            writer.blocks().when(writer.records(), after.0)?
        } else {
            let number = history.old().partition_point(|old| old.end <= after);
            let Some(segment) = history.old().get(number) else {
                return Ok(None);
            };
            let blocks = open_segment(&*self.disk, &segment.header);
            let blocks = blocks.map_err(BlockError::from)?;
            blocks.when(segment.records, after.0)?
        };
        Ok(Some(Timestamp(found)))
    }
}

/// Reads from one block, or from what is in none yet; 0: the end.
fn read_some<D: Disk>(
    disk: &Arc<D>,
    history: &History<D::File>,
    reading: &mut Reading<D::File>,
    place: Offset,
    buffer: &mut [u8],
) -> Result<usize, BlockError> {
    let writer = &history.writer;
    if let Some(behind) = place.0.checked_sub(writer.sealed()) {
        let behind = usize::try_from(behind).unwrap_or(usize::MAX);
        let open = writer.open_bytes().get(behind..).unwrap_or_default();
        return Ok(copy(open, buffer));
    }
    let Reading { cursor, old } = reading;
    if place >= history.header.start {
        let blocks = writer.blocks();
        return blocks.read(cursor, writer.records(), place.0, buffer);
    }
    let number = history.old().partition_point(|old| old.end <= place);
    let Some(segment) = history.old().get(number) else {
        return Ok(0);
    };
    let sequence = segment.header.sequence;
    if old.as_ref().is_none_or(|(held, _)| *held != sequence) {
        *old = Some((sequence, open_segment(&**disk, &segment.header)?));
    }
    match old {
        Some((_, blocks)) => blocks.read(cursor, segment.records, place.0, buffer),
        None => Ok(0),
    }
}
