//! Opening: what an earlier process left, checked and put in order.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{
    Journal, Trimmed,
    read::Reading,
    segments::{History, Old, open_segment, remove_segment, shape},
};
use crate::{
    Disk, DiskFile, Failure, Found, Limits, ReopenError, Spool, Unfinished,
    blocks::{BlockError, BlockWriter, Blocks, Tail, recover},
    failure::{Attempted as _, Poison},
    file_name::{DIRECTORY, FileName},
    limits::{Gauge, Usage},
    segment::{HEADER_BYTES, Header, NoHeader},
    spool::reopen,
};

/// What opening found that was not in order, and put in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Bytes at the end of the stream that were not whole blocks. They were cut off.
    pub torn_bytes: u64,
    /// What was removed.
    pub dropped: Vec<Dropped>,
}

/// Something that was removed when a journal or a spool was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// A segment or a snapshot.
    pub what: String,
    /// The reason.
    pub why: &'static str,
}

/// The journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// What is on disk is not what was written. Discard it and begin anew: see
    /// [`Journal::discard`].
    #[error("open the journal: {file} is damaged at {place}: {problem}")]
    Corrupt {
        /// The file.
        file: String,
        /// The offset before the block; 0 for a header.
        place: u64,
        /// What is wrong.
        problem: &'static str,
    },
    /// A later version wrote it: use that one, or discard it.
    #[error(
        "open the journal: {file} has format version {version}, which this version of Godwit does not know"
    )]
    Newer {
        /// The file.
        file: String,
        /// Its version.
        version: u16,
    },
    /// The disk failed.
    #[error("open the journal")]
    Failed(#[source] Arc<Failure>),
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        Self::Failed(Arc::new(failure))
    }
}

impl From<BlockError> for OpenError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Failure(failure) => failure.into(),
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

impl From<ReopenError> for OpenError {
    fn from(error: ReopenError) -> Self {
        match error {
            ReopenError::Newer { file, version } => Self::Newer { file, version },
            ReopenError::Failed(failure) => Self::Failed(failure),
        }
    }
}

impl<D: Disk> Journal<D> {
    /// Opens the journal in a directory, or makes an empty one. Nobody else may have it open.
    ///
    /// Headers and indexes are checked whole, and the blocks that may be torn. Blocks that were
    /// durable are verified when they are read.
    pub fn open(disk: D, limits: Limits) -> Result<(Self, Recovery), OpenError> {
        let mut recovery = Recovery::default();
        let history = find_history(&disk, &mut recovery)?;
        disk.sync_directory().attempted("sync", DIRECTORY)?;
        let disk = Arc::new(disk);
        let usage = Arc::<Usage>::default();
        let snapshot = find_snapshot(&disk, limits, &usage, history.as_ref(), &mut recovery)?;
        let newest = history.as_ref().map_or(0, |h| h.header.sequence);
        let journal = Self {
            disk,
            limits,
            gauge: Gauge::new(limits.room, usage),
            history,
            next_sequence: newest.saturating_add(1),
            snapshot,
            pins: BTreeMap::new(),
            trimmed: Trimmed::default(),
            reading: Reading::default(),
            poison: Poison::default(),
        };
        journal.count_usage();
        Ok((journal, recovery))
    }
}

/// Which of a segment's files are there.
#[derive(Debug, Clone, Copy, Default)]
struct Halves {
    stream: bool,
    index: bool,
}

fn find_history<D: Disk>(
    disk: &D,
    recovery: &mut Recovery,
) -> Result<Option<History<D::File>>, OpenError> {
    let mut found = list_segments(disk)?;
    let mut drop_segment = |sequence: u64, why: &'static str| {
        remove_segment(disk, sequence)?;
        let what = format!("segment {sequence:016x}");
        recovery.dropped.push(Dropped { what, why });
        Ok::<_, Failure>(())
    };
    // The newest may be the beginning of one that was never used.
    if let Some((sequence, halves)) = found.last_key_value().map(|(n, h)| (*n, *h))
        && is_unused(disk, sequence, halves)?
    {
        drop_segment(sequence, "it was not made to its end")?;
        found.remove(&sequence);
    }
    let Some((newest, _)) = found.last_key_value().map(|(n, h)| (*n, *h)) else {
        return Ok(None);
    };
    let header = read_header(disk, newest)?;
    // Before the history was begun.
    let kept = found.split_off(&header.first);
    for sequence in found.into_keys() {
        drop_segment(sequence, "its history was forgotten")?;
    }
    let mut found = kept;
    // The oldest may be half removed.
    if let Some((oldest, halves)) = found.first_key_value().map(|(n, h)| (*n, *h))
        && oldest != newest
        && !(halves.stream && halves.index)
    {
        drop_segment(oldest, "it was being removed")?;
        found.remove(&oldest);
    }
    found.remove(&newest);
    let mut old: VecDeque<Old> = VecDeque::new();
    for (sequence, halves) in found {
        let header = follow(read_header(disk, sequence)?, old.back(), header.first)?;
        if !halves.index {
            return Err(missing(FileName::Index(sequence)));
        }
        let blocks = open_segment(disk, &header)?;
        let recovered = recover(&blocks, Tail::Whole)?;
        old.push_back(Old {
            header,
            end: psync::Offset(recovered.end),
            records: recovered.records,
            first_when: recovered.first_when,
            file_bytes: blocks.file_bytes(recovered.records, recovered.end),
        });
    }
    let header = follow(header, old.back(), header.first)?;
    let blocks = reopen_newest(disk, &header)?;
    let recovered = recover(&blocks, Tail::MayBeTorn)?;
    recovery.torn_bytes = recovered.torn_bytes;
    let writer = BlockWriter::new(blocks, &recovered);
    Ok(Some(History::new(old, header, writer)))
}

fn list_segments<D: Disk>(disk: &D) -> Result<BTreeMap<u64, Halves>, Failure> {
    let mut found = BTreeMap::<u64, Halves>::new();
    for name in disk.list().attempted("list", DIRECTORY)? {
        match FileName::parse(&name) {
            Some(FileName::Stream(sequence)) => found.entry(sequence).or_default().stream = true,
            Some(FileName::Index(sequence)) => found.entry(sequence).or_default().index = true,
            Some(
                FileName::Payload(_)
                | FileName::Blocks(_)
                | FileName::Meta(_)
                | FileName::NewMeta(_),
            )
            | None => {}
        }
    }
    Ok(found)
}

/// Tells whether a segment was never appended to and is not whole: its making was cut short. A
/// segment's header and names are durable before its first block.
fn is_unused<D: Disk>(disk: &D, sequence: u64, halves: Halves) -> Result<bool, OpenError> {
    let index = FileName::Index(sequence).text();
    if halves.index {
        let file = disk.open(&index).attempted("open", &index)?;
        if file.length().attempted("measure", &index)? > 0 {
            return Ok(false);
        }
    }
    if !halves.stream {
        return Ok(true);
    }
    let stream = FileName::Stream(sequence).text();
    let file = disk.open(&stream).attempted("open", &stream)?;
    if file.length().attempted("measure", &stream)? > HEADER_BYTES as u64 {
        return Ok(false);
    }
    match read_header(disk, sequence) {
        Ok(_) => Ok(!halves.index),
        Err(OpenError::Corrupt { .. }) => Ok(true),
        Err(error @ (OpenError::Newer { .. } | OpenError::Failed(_))) => Err(error),
    }
}

fn read_header<D: Disk>(disk: &D, sequence: u64) -> Result<Header, OpenError> {
    let name = FileName::Stream(sequence).text();
    let corrupt = |problem| OpenError::Corrupt {
        file: name.clone(),
        place: 0,
        problem,
    };
    let file = match disk.open(&name) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(missing(FileName::Stream(sequence)));
        }
        result => result.attempted("open", &name)?,
    };
    let mut bytes = [0; HEADER_BYTES];
    let count = file.read_at(0, &mut bytes).attempted("read", &name)?;
    let header = match Header::decode(bytes.get(..count).unwrap_or_default()) {
        Ok(header) => header,
        Err(NoHeader::Bad) => return Err(corrupt("the header is damaged")),
        Err(NoHeader::Newer(version)) => {
            return Err(OpenError::Newer {
                file: name,
                version,
            });
        }
    };
    if header.sequence != sequence || header.first > sequence {
        return Err(corrupt("the header is another segment's"));
    }
    Ok(header)
}

fn missing(file: FileName) -> OpenError {
    OpenError::Corrupt {
        file: file.text(),
        place: 0,
        problem: "the file is missing",
    }
}

/// Checks that a segment continues the one before it.
fn follow(header: Header, before: Option<&Old>, first: u64) -> Result<Header, OpenError> {
    let follows = before.is_none_or(|before| {
        before.header.sequence.checked_add(1) == Some(header.sequence)
            && before.end == header.start
            && before.header.replid == header.before
    });
    if header.first != first || !follows {
        return Err(OpenError::Corrupt {
            file: FileName::Stream(header.sequence).text(),
            place: header.start.0,
            problem: "the segment does not continue the one before it",
        });
    }
    Ok(header)
}

fn reopen_newest<D: Disk>(disk: &D, header: &Header) -> Result<Blocks<D::File>, OpenError> {
    let stream = FileName::Stream(header.sequence).text();
    let index = FileName::Index(header.sequence).text();
    let stream_file = disk.open(&stream).attempted("open", &stream)?;
    let index_file = match disk.open(&index) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(missing(FileName::Index(header.sequence)));
        }
        result => result.attempted("open", &index)?,
    };
    // It may be in memory only, and left for written by a sync that failed.
    let written = stream_file.write_at(0, &header.encode());
    written.attempted("write", &stream)?;
    let blocks = Blocks::new(shape(header), (stream_file, stream), (index_file, index));
    Ok(blocks)
}

/// Finds the snapshot that belongs to the history and from which its stream goes on.
fn find_snapshot<D: Disk>(
    disk: &Arc<D>,
    limits: Limits,
    usage: &Arc<Usage>,
    history: Option<&History<D::File>>,
    recovery: &mut Recovery,
) -> Result<Option<Spool<D>>, OpenError> {
    let owner = history.map_or(0, History::first);
    let reopened = reopen(
        Arc::clone(disk),
        limits.room,
        Arc::clone(usage),
        owner,
        Unfinished::Remove,
    )?;
    recovery.dropped.extend(reopened.dropped);
    let spool = match reopened.found {
        Some(Found::Whole(spool)) => spool,
        Some(Found::Part(_)) | None => return Ok(None),
    };
    let info = spool.info();
    if history.is_some_and(|history| history.continues(&info.position)) {
        return Ok(Some(spool));
    }
    spool.remove_files()?;
    recovery.dropped.push(Dropped {
        what: format!("snapshot {}", info.id),
        why: "the stream does not go on from it",
    });
    Ok(None)
}
