//! The segments of a history, as they are known in memory.

use std::collections::VecDeque;

use psync::{Offset, Position};

use crate::{
    Disk, DiskFile, Failure,
    blocks::{BlockWriter, Blocks, Recovered, Shape},
    failure::Attempted as _,
    file_name::{DIRECTORY, FileName},
    segment::{BLOCK_BYTES, HEADER_BYTES, Header},
};

/// A segment that is full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Old {
    pub(crate) header: Header,
    pub(crate) end: Offset,
    pub(crate) records: u64,
    pub(crate) first_when: Option<u64>,
    pub(crate) file_bytes: u64,
}

impl Old {
    pub(crate) fn bytes(&self) -> u64 {
        self.end.since(self.header.start)
    }
}

/// All segments since the journal was begun, as far as they are still there.
#[derive(Debug)]
pub(crate) struct History<F> {
    /// Full ones, oldest first.
    old: VecDeque<Old>,
    /// Bytes of their files.
    old_file_bytes: u64,
    /// The newest one.
    pub(crate) header: Header,
    /// Appends to the newest one.
    pub(crate) writer: BlockWriter<F>,
}

impl<F: DiskFile> History<F> {
    pub(crate) fn new(old: VecDeque<Old>, header: Header, writer: BlockWriter<F>) -> Self {
        Self {
            old_file_bytes: old.iter().map(|old| old.file_bytes).sum(),
            old,
            header,
            writer,
        }
    }

    /// Full segments, oldest first.
    pub(crate) fn old(&self) -> &VecDeque<Old> {
        &self.old
    }

    /// Goes on in another segment.
    pub(crate) fn advance(&mut self, header: Header, writer: BlockWriter<F>) {
        let full = self.newest_as_old();
        self.old_file_bytes = self.old_file_bytes.saturating_add(full.file_bytes);
        self.old.push_back(full);
        self.header = header;
        self.writer = writer;
    }

    /// Forgets the oldest segment, if there is more than one.
    pub(crate) fn pop_oldest(&mut self) -> Option<Old> {
        let oldest = self.old.pop_front()?;
        self.old_file_bytes = self.old_file_bytes.saturating_sub(oldest.file_bytes);
        Some(oldest)
    }

    pub(crate) fn first(&self) -> u64 {
        self.header.first
    }

    fn headers(&self) -> impl Iterator<Item = (&Header, Offset)> {
        let old = self.old.iter().map(|old| (&old.header, old.end));
        old.chain([(&self.header, Offset(self.writer.end()))])
    }

    pub(crate) fn start(&self) -> Position {
        let oldest = self.old.front().map_or(&self.header, |old| &old.header);
        Position::new(oldest.replid, oldest.start)
    }

    pub(crate) fn end(&self) -> Position {
        Position::new(self.header.replid, Offset(self.writer.end()))
    }

    pub(crate) fn durable(&self) -> Offset {
        Offset(self.writer.synced())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.end().offset.since(self.start().offset)
    }

    pub(crate) fn count(&self) -> u64 {
        (self.old.len() as u64).saturating_add(1)
    }

    /// When the oldest byte came.
    pub(crate) fn oldest(&self) -> Option<u64> {
        let old = self.old.iter().find_map(|old| old.first_when);
        old.or_else(|| self.writer.first_when())
    }

    /// Bytes of all files.
    pub(crate) fn file_bytes(&self) -> u64 {
        let records = self.writer.records().saturating_add(1);
        let newest = self.writer.blocks().file_bytes(records, self.writer.end());
        self.old_file_bytes.saturating_add(newest)
    }

    pub(crate) fn covers(&self, position: &Position) -> bool {
        self.headers().any(|(header, end)| {
            let inside = (header.start..=end).contains(&position.offset);
            let fork = header.start == position.offset && header.before == position.replid;
            (inside && header.replid == position.replid) || (fork && !header.before.is_unset())
        })
    }

    /// As [`History::covers`], with what is still to come under the newest replication ID.
    pub(crate) fn continues(&self, position: &Position) -> bool {
        let end = self.end();
        self.covers(position) || (position.replid == end.replid && position.offset > end.offset)
    }

    /// The newest segment as an old one.
    fn newest_as_old(&self) -> Old {
        let (records, end) = (self.writer.records(), self.writer.end());
        Old {
            header: self.header,
            end: Offset(end),
            records,
            first_when: self.writer.first_when(),
            file_bytes: self.writer.blocks().file_bytes(records, end),
        }
    }
}

pub(crate) fn shape(header: &Header) -> Shape {
    Shape {
        seed: header.seed(),
        data_from: HEADER_BYTES as u64,
        start: header.start.0,
        block_bytes: BLOCK_BYTES,
    }
}

pub(crate) fn open_segment<D: Disk>(disk: &D, header: &Header) -> Result<Blocks<D::File>, Failure> {
    let stream = FileName::Stream(header.sequence).text();
    let index = FileName::Index(header.sequence).text();
    Blocks::open(disk, shape(header), stream, index)
}

/// Makes the files of a segment. With the directory's sync they are part of the journal.
pub(crate) fn make_segment<D: Disk>(
    disk: &D,
    header: &Header,
) -> Result<BlockWriter<D::File>, Failure> {
    let stream = FileName::Stream(header.sequence).text();
    let index = FileName::Index(header.sequence).text();
    let index_file = disk.create_new(&index).attempted("create", &index)?;
    index_file.sync().attempted("sync", &index)?;
    let stream_file = disk.create_new(&stream).attempted("create", &stream)?;
    stream_file
        .write_at(0, &header.encode())
        .attempted("write", &stream)?;
    stream_file.sync().attempted("sync", &stream)?;
    disk.sync_directory().attempted("sync", DIRECTORY)?;
    let blocks = Blocks::new(shape(header), (stream_file, stream), (index_file, index));
    let nothing = Recovered::empty(header.start.0);
    Ok(BlockWriter::new(blocks, &nothing))
}

/// Removes the files of a segment, as far as they are there.
pub(crate) fn remove_segment<D: Disk>(disk: &D, sequence: u64) -> Result<(), Failure> {
    remove_if_there(disk, &FileName::Stream(sequence).text())?;
    remove_if_there(disk, &FileName::Index(sequence).text())?;
    Ok(())
}

pub(crate) fn remove_if_there<D: Disk>(disk: &D, name: &str) -> Result<(), Failure> {
    match disk.remove(name) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.attempted("remove", name),
    }
}
