//! Finding out what a pair of files holds.

use super::{BlockError, Blocks, RECORD};
use crate::{DiskFile, Failure, failure::Attempted as _, record::RECORD_BYTES};

/// Records that are read at once.
const BATCH: usize = 1024;

/// What the end of the files may look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// They were synced, and nothing was written since.
    Whole,
    /// They were being written.
    MayBeTorn,
}

/// What is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Blocks.
    pub(crate) records: u64,
    /// The place behind the last one.
    pub(crate) end: u64,
    /// When the first byte came.
    pub(crate) first_when: Option<u64>,
    /// Bytes of data that were cut off.
    pub(crate) torn_bytes: u64,
}

impl Recovered {
    /// Nothing, in new files.
    pub(crate) fn empty(start: u64) -> Self {
        Self {
            records: 0,
            end: start,
            first_when: None,
            torn_bytes: 0,
        }
    }
}

/// What the index says, before any data is looked at.
struct Scan {
    found: Recovered,
    /// The highest place that any record says was durable.
    synced: u64,
    /// Something follows the good records.
    more: bool,
}

/// Checks the index, and what may be torn of the data. A torn tail is cut off, and what stands
/// before it is made durable; damage before a place that was durable is an error.
pub(crate) fn recover<F: DiskFile>(
    blocks: &Blocks<F>,
    tail: Tail,
) -> Result<Recovered, BlockError> {
    let data_length = blocks
        .data
        .length()
        .attempted("measure", &blocks.data_name)?;
    let index_length = blocks
        .index
        .length()
        .attempted("measure", &blocks.index_name)?;
    let scan = scan(blocks, index_length, data_length)?;
    let end = scan.found.end;
    match tail {
        Tail::Whole if scan.more => {
            Err(blocks.damaged_index(end, "a record is not one of this file"))
        }
        Tail::Whole if blocks.shape.data_at(end) != data_length => {
            Err(blocks.damaged_data(end, "the file does not end with its last block"))
        }
        Tail::Whole => Ok(scan.found),
        Tail::MayBeTorn if end < scan.synced => {
            Err(blocks.damaged_index(end, "a block that was durable is not there"))
        }
        Tail::MayBeTorn => {
            let kept = rewrite(blocks, &scan)?;
            let torn_bytes = cut(blocks, &kept, data_length)?;
            Ok(Recovered { torn_bytes, ..kept })
        }
    }
}

fn scan<F: DiskFile>(
    blocks: &Blocks<F>,
    index_length: u64,
    data_length: u64,
) -> Result<Scan, Failure> {
    let start = blocks.shape.start;
    let mut found = Recovered::empty(start);
    let mut synced = start;
    let mut more = !index_length.is_multiple_of(RECORD);
    let mut broken = false;
    let mut batch = vec![0; BATCH * RECORD_BYTES];
    let mut at = 0;
    loop {
        let count = blocks
            .index
            .read_at(at, &mut batch)
            .attempted("read", &blocks.index_name)?;
        let (records, _partial) = batch.get(..count).unwrap_or_default().as_chunks();
        for bytes in records {
            let record = blocks.decode(bytes);
            synced = synced.max(record.map_or(0, |record| record.synced));
            match record {
                Some(record)
                    if !broken
                        && record.start == found.end
                        && blocks.shape.data_at(record.end()) <= data_length =>
                {
                    found.records = found.records.saturating_add(1);
                    found.end = record.end();
                    found.first_when.get_or_insert(record.when);
                }
                Some(_) | None => broken = true,
            }
        }
        if count < batch.len() {
            more |= broken;
            return Ok(Scan {
                found,
                synced,
                more,
            });
        }
        at = at.saturating_add(count as u64);
    }
}

/// Verifies the blocks that no record calls durable, and writes those that are whole again: they
/// may be in memory only, and left for written by a sync that failed.
fn rewrite<F: DiskFile>(blocks: &Blocks<F>, scan: &Scan) -> Result<Recovered, BlockError> {
    let mut kept = scan.found;
    if scan.synced >= scan.found.end {
        return Ok(kept);
    }
    let (first, record) = blocks.find(scan.found.records, scan.found.records, scan.synced)?;
    kept.records = first;
    kept.end = record.start;
    let mut block = Vec::new();
    for number in first..scan.found.records {
        let record = blocks.record(number)?;
        block.resize(usize::try_from(record.length).unwrap_or(usize::MAX), 0);
        match blocks.read_block(&record, &mut block) {
            Ok(()) => {}
            Err(BlockError::Damaged { .. }) if kept.end >= scan.synced => break,
            Err(error) => return Err(error),
        }
        blocks.write_data(record.start, &block)?;
        blocks.write_record(number, &record)?;
        kept.records = number.saturating_add(1);
        kept.end = record.end();
    }
    if kept.records == 0 {
        kept.first_when = None;
    }
    Ok(kept)
}

fn cut<F: DiskFile>(
    blocks: &Blocks<F>,
    kept: &Recovered,
    data_length: u64,
) -> Result<u64, Failure> {
    let index_end = kept.records.saturating_mul(RECORD);
    let data_end = blocks.shape.data_at(kept.end);
    blocks
        .index
        .truncate(index_end)
        .attempted("truncate", &blocks.index_name)?;
    blocks
        .data
        .truncate(data_end)
        .attempted("truncate", &blocks.data_name)?;
    blocks.sync()?;
    Ok(data_length.saturating_sub(data_end))
}
