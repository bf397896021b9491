//! Bytes in blocks: a data file, and an index file with a checked record for each block.

mod reading;
mod recovery;
mod writing;

pub(crate) use reading::{Cursor, copy};
pub(crate) use recovery::{Recovered, Tail, recover};
pub(crate) use writing::BlockWriter;

use crate::{
    Disk, DiskFile, Failure,
    failure::Attempted as _,
    record::{RECORD_BYTES, Record, Seed},
};

const RECORD: u64 = RECORD_BYTES as u64;

/// What is fixed about a pair of files.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// What their checksums depend on.
    pub(crate) seed: Seed,
    /// Bytes of the data file before the first block.
    pub(crate) data_from: u64,
    /// The place of the first byte.
    pub(crate) start: u64,
    /// Bytes of a block, at most.
    pub(crate) block_bytes: usize,
}

impl Shape {
    /// Where in the data file a place is.
    fn data_at(&self, place: u64) -> u64 {
        self.data_from
            .saturating_add(place.saturating_sub(self.start))
    }
}

/// The two files, open.
#[derive(Debug)]
pub(crate) struct Blocks<F> {
    shape: Shape,
    data: F,
    data_name: String,
    index: F,
    index_name: String,
}

/// Blocks could not be read.
#[derive(Debug)]
pub(crate) enum BlockError {
    /// The disk failed.
    Failure(Failure),
    /// The disk gave something else than what was written.
    Damaged {
        file: String,
        place: u64,
        problem: &'static str,
    },
}

impl From<Failure> for BlockError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl<F: DiskFile> Blocks<F> {
    pub(crate) fn new(shape: Shape, data: (F, String), index: (F, String)) -> Self {
        Self {
            shape,
            data: data.0,
            data_name: data.1,
            index: index.0,
            index_name: index.1,
        }
    }

    pub(crate) fn open<D: Disk<File = F>>(
        disk: &D,
        shape: Shape,
        data: String,
        index: String,
    ) -> Result<Self, Failure> {
        let data_file = disk.open(&data).attempted("open", &data)?;
        let index_file = disk.open(&index).attempted("open", &index)?;
        Ok(Self::new(shape, (data_file, data), (index_file, index)))
    }

    /// Makes what was written durable.
    pub(crate) fn sync(&self) -> Result<(), Failure> {
        self.data.sync().attempted("sync", &self.data_name)?;
        self.index.sync().attempted("sync", &self.index_name)?;
        Ok(())
    }

    /// Bytes of both files, for so many blocks that end at a place.
    pub(crate) fn file_bytes(&self, records: u64, end: u64) -> u64 {
        let records = records.saturating_mul(RECORD);
        self.shape.data_at(end).saturating_add(records)
    }

    fn damaged_data(&self, place: u64, problem: &'static str) -> BlockError {
        let file = self.data_name.clone();
        BlockError::Damaged {
            file,
            place,
            problem,
        }
    }

    fn damaged_index(&self, place: u64, problem: &'static str) -> BlockError {
        let file = self.index_name.clone();
        BlockError::Damaged {
            file,
            place,
            problem,
        }
    }

    fn write_data(&self, place: u64, bytes: &[u8]) -> Result<(), Failure> {
        let at = self.shape.data_at(place);
        self.data
            .write_at(at, bytes)
            .attempted("write", &self.data_name)
    }

    fn write_record(&self, number: u64, record: &Record) -> Result<(), Failure> {
        let bytes = record.encode(self.shape.seed);
        self.index
            .write_at(number.saturating_mul(RECORD), &bytes)
            .attempted("write", &self.index_name)
    }

    /// Takes a record that fits these files.
    fn decode(&self, bytes: &[u8; RECORD_BYTES]) -> Option<Record> {
        let record = Record::decode(bytes, self.shape.seed)?;
        let fits = usize::try_from(record.length).is_ok_and(|n| n <= self.shape.block_bytes);
        (fits && record.start >= self.shape.start).then_some(record)
    }

    /// Reads a block into a buffer of its length, and compares its checksum.
    fn read_block(&self, record: &Record, into: &mut [u8]) -> Result<(), BlockError> {
        let at = self.shape.data_at(record.start);
        let count = self
            .data
            .read_at(at, into)
            .attempted("read", &self.data_name)?;
        if count < into.len() {
            return Err(self.damaged_data(record.start, "the file ends within a block"));
        }
        if self.shape.seed.checksum(record.start, into) != record.checksum {
            return Err(self.damaged_data(record.start, "a block has another checksum"));
        }
        Ok(())
    }
}
