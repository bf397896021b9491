//! Copies commands out of the stream, and takes down what they touch.

use std::{collections::BTreeMap, path::Path};

use model::Timestamp;
use psync::Offset;
use relay::KeptStream;
use resp::{Kind, Piece, StreamCommand, StreamLimits, StreamReader};
use runtime::{chain, durable::FileError};

use super::{SaveError, join, missing_bytes, survey::Range};
use crate::lost_writes::{
    boundary, kept_commands::KeptCommands, key_sorter::KeySorter, saving::Watch,
};

/// Bytes that are read at once.
const BATCH: usize = 1 << 20;

/// Copying that goes on.
pub(super) struct Copying {
    file: KeptCommands,
    sorter: KeySorter,
    selected: Option<u32>,
    tally: Tally,
}

/// What was copied, not durable yet.
pub(super) struct Copied {
    pub(super) file: KeptCommands,
    pub(super) sorter: KeySorter,
    pub(super) commands: u64,
    pub(super) transactions: u64,
    pub(super) databases: BTreeMap<Option<u32>, Loss>,
    pub(super) first: Option<Timestamp>,
    pub(super) last: Option<Timestamp>,
    /// What could not be read, and why.
    pub(super) missing: Option<String>,
}

/// The loss in one database.
#[derive(Debug, Default)]
pub(super) struct Loss {
    pub(super) commands: u64,
    pub(super) keys: u64,
}

#[derive(Debug, Default)]
struct Tally {
    commands: u64,
    transactions: u64,
    databases: BTreeMap<Option<u32>, Loss>,
    /// Where the first write begins, and where the last one ends.
    first: Option<Offset>,
    last: Option<Offset>,
}

impl Copying {
    pub(super) fn begin(
        path: &Path,
        directory: &Path,
        selected: Option<u32>,
    ) -> Result<Self, FileError> {
        Ok(Self {
            file: KeptCommands::create(path, selected)?,
            sorter: KeySorter::new(directory.to_owned()),
            selected,
            tally: Tally::default(),
        })
    }

    /// Copies a range, as far as it can be read.
    pub(super) fn copy(
        mut self,
        stream: &mut KeptStream,
        range: &Range,
        watch: &Watch,
        accept_missing: bool,
    ) -> Result<Copied, SaveError> {
        let mut missing = None;
        let mut start = Some(range.start);
        if !range.begins_at_fork && accept_missing {
            let go_on = || watch.go_on();
            start = boundary::find(stream, range.start, range.to.offset, &go_on)?;
            match start {
                Some(found) if found == range.start => {}
                end => {
                    let end = end.unwrap_or(range.to.offset);
                    let why = "they are the rest of a command that began before";
                    missing =
                        (end > range.start).then(|| missing_bytes(range.start, Some(end), why));
                }
            }
        }
        if let Some(start) = start {
            let unread = self.copy_from(stream, start, range, watch)?;
            missing = join(missing, unread);
        }
        let came = |at: Option<Offset>, stream: &mut KeptStream| match at {
            // It was read a moment ago.
            Some(at) => stream.when(at).ok().flatten(),
            None => None,
        };
        let last = self.tally.last.map(|end| Offset(end.0.saturating_sub(1)));
        Ok(Copied {
            first: came(self.tally.first, stream),
            last: came(last, stream),
            file: self.file,
            sorter: self.sorter,
            commands: self.tally.commands,
            transactions: self.tally.transactions,
            databases: self.tally.databases,
            missing,
        })
    }

    /// Tells what could not be read, and why.
    fn copy_from(
        &mut self,
        stream: &mut KeptStream,
        start: Offset,
        range: &Range,
        watch: &Watch,
    ) -> Result<Option<String>, SaveError> {
        let end = range.to.offset;
        let mut reader = StreamReader::new(StreamLimits::default(), self.selected);
        let mut buffer = vec![0; BATCH];
        let mut at = start;
        while at < end {
            watch.go_on()?;
            let wanted = usize::try_from(end.since(at)).unwrap_or(BATCH).min(BATCH);
            let count = match stream.read(at, buffer.get_mut(..wanted).unwrap_or_default()) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.is_damage() || error.is_gone() => {
                    let whole = start.advanced(reader.whole_to());
                    let why = chain(&error).to_string();
                    return Ok(Some(missing_bytes(whole, Some(end), &why)));
                }
                Err(error) => return Err(error.into()),
            };
            let mut rest = buffer.get(..count).unwrap_or_default();
            loop {
                let before = rest;
                let piece = reader.next(&mut rest);
                let taken = before.len().saturating_sub(rest.len());
                match piece {
                    Ok(piece) => {
                        self.file.push(before.get(..taken).unwrap_or_default())?;
                        match piece {
                            Some(Piece::Touch(touch)) => self.sorter.add(touch)?,
                            Some(Piece::Command(command)) => self.take(&command, start)?,
                            None => break,
                        }
                    }
                    Err(error) => {
                        let whole = start.advanced(reader.whole_to());
                        let why = format!("they do not read as commands; {error}");
                        return Ok(Some(missing_bytes(whole, Some(end), &why)));
                    }
                }
            }
            at = at.advanced(count as u64);
            watch.tell(at.since(range.start), end.since(range.start));
        }
        Ok(None)
    }

    fn take(&mut self, command: &StreamCommand, start: Offset) -> Result<(), FileError> {
        match command.kind {
            Kind::Write | Kind::Unknown => {
                self.tally.commands += 1;
                let loss = self.tally.databases.entry(command.database).or_default();
                loss.commands += 1;
                let began = start.advanced(command.start);
                self.tally.first.get_or_insert(began);
                self.tally.last = Some(start.advanced(command.end));
            }
            Kind::Exec => self.tally.transactions += u64::from(command.in_transaction),
            Kind::Select | Kind::Multi => {}
            // Signs of life, and messages that nobody waits for any more.
            Kind::Ping | Kind::Control | Kind::Message => return self.file.take_back(),
        }
        self.file.keep();
        Ok(())
    }
}
