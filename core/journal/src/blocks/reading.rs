//! Reading blocks at any place; nothing is handed out before its block's checksum was compared.

use super::{BlockError, Blocks, RECORD};
use crate::{
    DiskFile,
    failure::Attempted as _,
    record::{RECORD_BYTES, Record},
};

/// Where a reader is: its last block, and the number of the one behind it.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    next: u64,
    start: u64,
    block: Vec<u8>,
}

impl Cursor {
    fn copy(&self, place: u64, buffer: &mut [u8]) -> usize {
        let at = place
            .checked_sub(self.start)
            .and_then(|at| usize::try_from(at).ok());
        let held = at.and_then(|at| self.block.get(at..)).unwrap_or_default();
        copy(held, buffer)
    }
}

/// Copies as much as there is, or as fits.
pub(crate) fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let count = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..count), from.get(..count)) {
        to.copy_from_slice(from);
    }
    count
}

impl<F: DiskFile> Blocks<F> {
    /// Reads bytes of one block, from `place` on; `records` blocks are there to be read.
    pub(crate) fn read(
        &self,
        cursor: &mut Cursor,
        records: u64,
        place: u64,
        buffer: &mut [u8],
    ) -> Result<usize, BlockError> {
        let cached = cursor.copy(place, buffer);
        if cached > 0 {
            return Ok(cached);
        }
        let (number, record) = self.find(cursor.next, records, place)?;
        cursor.next = number.saturating_add(1);
        let length = usize::try_from(record.length).unwrap_or(usize::MAX);
        if record.start == place
            && let Some(whole) = buffer.get_mut(..length)
        {
            self.read_block(&record, whole)?;
            return Ok(length);
        }
        cursor.start = record.start;
        cursor.block.resize(length, 0);
        let read = self.read_block(&record, &mut cursor.block);
        if read.is_err() {
            cursor.block.clear();
        }
        read?;
        Ok(cursor.copy(place, buffer))
    }

    /// When the first byte of the block came that holds a place.
    pub(crate) fn when(&self, records: u64, place: u64) -> Result<u64, BlockError> {
        Ok(self.find(records, records, place)?.1.when)
    }

    /// Finds the block that holds a place; most often it is the one that the reader expects.
    pub(super) fn find(
        &self,
        expected: u64,
        records: u64,
        place: u64,
    ) -> Result<(u64, Record), BlockError> {
        if expected < records
            && let Ok(record) = self.record(expected)
            && record.holds(place)
        {
            return Ok((expected, record));
        }
        let (mut low, mut high) = (0, records);
        while low < high {
            let middle = low.midpoint(high);
            let record = self.record(middle)?;
            if record.holds(place) {
                return Ok((middle, record));
            }
            if place < record.start {
                high = middle;
            } else {
                low = middle.saturating_add(1);
            }
        }
        Err(self.damaged_index(place, "no record has the block"))
    }

    pub(super) fn record(&self, number: u64) -> Result<Record, BlockError> {
        let mut bytes = [0; RECORD_BYTES];
        let at = number.saturating_mul(RECORD);
        let count = self
            .index
            .read_at(at, &mut bytes)
            .attempted("read", &self.index_name)?;
        let record = (count == RECORD_BYTES).then(|| self.decode(&bytes));
        record
            .flatten()
            .ok_or_else(|| self.damaged_index(at, "a record is not one of this file"))
    }
}
