//! Appending: bytes gather in memory until they are a block.

use std::sync::Arc;

use model::Timestamp;

use super::{Blocks, Recovered};
use crate::{DiskFile, Failure, record::Record};

/// The one who appends to a pair of files.
#[derive(Debug)]
pub(crate) struct BlockWriter<F> {
    blocks: Arc<Blocks<F>>,
    records: u64,
    sealed: u64,
    synced: u64,
    open: Vec<u8>,
    open_when: u64,
    first_when: Option<u64>,
}

impl<F: DiskFile> BlockWriter<F> {
    /// Goes on behind what was recovered.
    pub(crate) fn new(blocks: Blocks<F>, recovered: &Recovered) -> Self {
        Self {
            blocks: Arc::new(blocks),
            records: recovered.records,
            sealed: recovered.end,
            synced: recovered.end,
            open: Vec::new(),
            open_when: 0,
            first_when: recovered.first_when,
        }
    }

    /// The files.
    pub(crate) fn blocks(&self) -> &Arc<Blocks<F>> {
        &self.blocks
    }

    /// Blocks that can be read from the files.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// The place behind the last block.
    pub(crate) fn sealed(&self) -> u64 {
        self.sealed
    }

    /// Everything before this place is durable.
    pub(crate) fn synced(&self) -> u64 {
        self.synced
    }

    /// Bytes that are in no block yet.
    pub(crate) fn open_bytes(&self) -> &[u8] {
        &self.open
    }

    /// The place behind the last byte.
    pub(crate) fn end(&self) -> u64 {
        self.sealed.saturating_add(self.open.len() as u64)
    }

    /// When the first byte came, in milliseconds since the Unix epoch.
    pub(crate) fn first_when(&self) -> Option<u64> {
        let open = (!self.open.is_empty()).then_some(self.open_when);
        self.first_when.or(open)
    }

    /// Appends. After a failure a part of `bytes` may have been taken; [`BlockWriter::end`] tells.
    pub(crate) fn push(&mut self, bytes: &[u8], now: Timestamp) -> Result<(), Failure> {
        let block_bytes = self.blocks.shape.block_bytes;
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = block_bytes.saturating_sub(self.open.len());
            let (piece, behind) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            rest = behind;
            if self.open.is_empty() && piece.len() == block_bytes {
                self.write(piece, now.0)?;
                continue;
            }
            if self.open.is_empty() {
                self.open_when = now.0;
            }
            self.open.extend_from_slice(piece);
            if self.open.len() == block_bytes {
                self.seal()?;
            }
        }
        Ok(())
    }

    /// When the first of them came.
    pub(crate) fn open_when(&self) -> u64 {
        self.open_when
    }

    /// Makes a block of what is in none.
    pub(crate) fn seal(&mut self) -> Result<(), Failure> {
        if self.open.is_empty() {
            return Ok(());
        }
        let mut open = std::mem::take(&mut self.open);
        let written = self.write(&open, self.open_when);
        if written.is_ok() {
            open.clear();
        }
        self.open = open;
        written
    }

    /// Makes everything durable.
    pub(crate) fn sync(&mut self) -> Result<(), Failure> {
        self.seal()?;
        if self.synced < self.sealed {
            self.blocks.sync()?;
            self.synced = self.sealed;
        }
        Ok(())
    }

    /// Notes that another handle made everything before `place` durable.
    pub(crate) fn synced_to(&mut self, place: u64) {
        self.synced = self.synced.max(place.min(self.sealed));
    }

    fn write(&mut self, bytes: &[u8], when: u64) -> Result<(), Failure> {
        let record = Record {
            start: self.sealed,
            when,
            synced: self.synced,
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            checksum: self.blocks.shape.seed.checksum(self.sealed, bytes),
        };
        self.blocks.write_data(record.start, bytes)?;
        self.blocks.write_record(self.records, &record)?;
        self.records = self.records.saturating_add(1);
        self.sealed = record.end();
        self.first_when.get_or_insert(when);
        Ok(())
    }
}
