//! A replication stream: which commands stand in it, where each begins and ends, which database
//! and which keys it touches.

mod rules;
mod touches;

use std::collections::VecDeque;

use rules::{NAME_BYTES, Named, named};
use touches::{Touches, Want};

use crate::number;

/// How large commands of a stream may be, and what of them is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Words of one command, its name among them.
    pub words: u64,
    /// Bytes of one word.
    pub word_bytes: u64,
    /// Bytes of one key, which is held in memory; all other words are passed over.
    pub key_bytes: u64,
}

impl Default for StreamLimits {
    /// Everything that an engine propagates.
    fn default() -> Self {
        Self {
            words: i32::MAX.unsigned_abs().into(),
            word_bytes: 1 << 40,
            key_bytes: 512 << 20,
        }
    }
}

/// What is read out of a stream. What a command touches comes before the command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// The command that is being read touches this.
    Touch(Touch),
    /// A command is whole.
    Command(StreamCommand),
}

/// What a command may have changed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Touch {
    /// A key. A key that is moved is told once for each of its two databases.
    Key {
        /// Where it is; `None`: before the first `SELECT` of the stream.
        database: Option<u32>,
        /// Its name.
        key: Vec<u8>,
    },
    /// Any key of a database (`FLUSHDB`, `SWAPDB`).
    Database(Option<u32>),
    /// Any key at all (`FLUSHALL`).
    Everything,
}

/// A whole command. Places count bytes from the first that the reader was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamCommand {
    /// The place of its first byte.
    pub start: u64,
    /// The place behind its last byte.
    pub end: u64,
    /// What it is.
    pub kind: Kind,
    /// The database that is selected for it; behind a `SELECT` the one that it selects.
    pub database: Option<u32>,
    /// It stands between `MULTI` and `EXEC`, or is one of them.
    pub in_transaction: bool,
}

/// What a command of a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It changes data.
    Write,
    /// Not known here: it is taken for a write, and what it touches is not known.
    Unknown,
    /// It selects a database for those behind it.
    Select,
    /// A transaction begins.
    Multi,
    /// A transaction ends.
    Exec,
    /// A sign of life.
    Ping,
    /// Between engines: `REPLCONF`.
    Control,
    /// A message to subscribers, which changes nothing: `PUBLISH`.
    Message,
}

/// The bytes are not the stream of an engine, or larger than the limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StreamError {
    /// A header that is not in its one spelling.
    #[error("at byte {at} of the stream is `{found}`, not a canonical {expected}")]
    NotCanonical {
        /// The place of its first byte.
        at: u64,
        /// What should stand there.
        expected: &'static str,
        /// What stands there, in part.
        found: String,
    },
    /// A count or a length above its limit.
    #[error("at byte {at} of the stream, {what} is {found}, the limit is {limit}")]
    TooLarge {
        /// The place.
        at: u64,
        /// What was counted.
        what: &'static str,
        /// The number that was read.
        found: u64,
        /// The largest number taken.
        limit: u64,
    },
    /// A word that is not followed by CRLF.
    #[error("at byte {at} of the stream, a word does not end with CRLF")]
    MissingLineEnd {
        /// The place behind the word.
        at: u64,
    },
    /// A command that no engine propagates like this.
    #[error("the command at byte {at} of the stream is {what}")]
    OutOfPlace {
        /// The place of its first byte.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An earlier error ended this reader.
    #[error("nothing is read after an earlier error")]
    Ended,
}

/// Bytes of a header line without its LF: a sign, at most 18 digits, and CR.
const LINE_BYTES: usize = 20;

/// Reads a stream from a place between two commands. Bytes are cut anywhere and are not kept but
/// for headers, names and keys.
#[derive(Debug, Clone)]
pub struct StreamReader {
    limits: StreamLimits,
    at: u64,
    database: Option<u32>,
    in_transaction: bool,
    part: Part,
    command: Option<Partial>,
    /// The header line or the word that is being read.
    held: Vec<u8>,
    ready: VecDeque<Piece>,
    ended: bool,
}

/// A command of which some words have come.
#[derive(Debug, Clone)]
struct Partial {
    start: u64,
    words: u64,
    /// The word that is being read, or comes next; the name is 0.
    index: u64,
    named: Named,
    touches: Option<Touches>,
    /// The number behind `SELECT`.
    number: Option<u32>,
}

/// What is being read.
#[derive(Debug, Clone, Copy)]
enum Part {
    /// `*<count>` or `$<length>`.
    Line,
    /// So many more bytes of a word, which are kept or not.
    Word { left: u64, keep: bool },
    /// CR and LF behind a word, which is kept or not.
    End { keep: bool, cr: bool },
}

impl StreamReader {
    /// Begins where a command does. `database` is what was selected there, when that is known.
    #[must_use]
    pub fn new(limits: StreamLimits, database: Option<u32>) -> Self {
        Self {
            limits,
            at: 0,
            database,
            in_transaction: false,
            part: Part::Line,
            command: None,
            held: Vec::new(),
            ready: VecDeque::new(),
            ended: false,
        }
    }

    /// Takes bytes off the front of `input` until there is a piece. `Ok(None)`: the input is used
    /// up.
    pub fn next(&mut self, input: &mut &[u8]) -> Result<Option<Piece>, StreamError> {
        if self.ended {
            return Err(StreamError::Ended);
        }
        let result = self.advance(input);
        self.ended = result.is_err();
        result
    }

    /// Bytes taken so far.
    #[must_use]
    pub fn at(&self) -> u64 {
        self.at
    }

    /// Where the command begins that is not whole yet; the reader's place when there is none.
    #[must_use]
    pub fn whole_to(&self) -> u64 {
        self.command.as_ref().map_or_else(
            || self.at.saturating_sub(self.held.len() as u64),
            |command| command.start,
        )
    }

    /// The database that is selected.
    #[must_use]
    pub fn database(&self) -> Option<u32> {
        self.database
    }

    /// Tells whether a transaction has begun and not ended.
    #[must_use]
    pub fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Piece>, StreamError> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Ok(Some(piece));
            }
            if input.is_empty() {
                return Ok(None);
            }
            match self.part {
                Part::Line => self.read_line(input)?,
                Part::Word { left, keep } => self.read_word(input, left, keep),
                Part::End { keep, cr } => self.read_end(input, keep, cr)?,
            }
        }
    }

    fn take<'a>(&mut self, input: &mut &'a [u8], count: usize) -> &'a [u8] {
        let (now, rest) = input.split_at_checked(count).unwrap_or((input, &[]));
        *input = rest;
        self.at = self.at.saturating_add(now.len() as u64);
        now
    }

    fn read_line(&mut self, input: &mut &[u8]) -> Result<(), StreamError> {
        let (sign, expected) = match self.command {
            None => (b'*', "array header (`*<count>` and CRLF)"),
            Some(_) => (b'$', "word header (`$<length>` and CRLF)"),
        };
        // What is told of a bad line must not depend on how much of it is there.
        let begins = !self.held.is_empty() || input.first() == Some(&sign);
        let room = if begins { LINE_BYTES + 1 } else { 1 };
        let room = room.saturating_sub(self.held.len());
        let end = input.iter().take(room).position(|byte| *byte == b'\n');
        let now = self.take(input, end.map_or(room, |end| end + 1));
        self.held.extend_from_slice(now);
        if begins && end.is_none() && self.held.len() <= LINE_BYTES {
            return Ok(());
        }
        let start = self.at.saturating_sub(self.held.len() as u64);
        let found = match self.held.as_slice() {
            [first, digits @ .., b'\r', b'\n'] if *first == sign => number(digits),
            _ => None,
        };
        let Some(found) = found else {
            let found = self.held.escape_ascii().to_string();
            return Err(StreamError::NotCanonical {
                at: start,
                expected,
                found,
            });
        };
        self.held.clear();
        match &self.command {
            None => self.begin(start, found),
            Some(_) => self.begin_word(start, found),
        }
    }

    fn begin(&mut self, start: u64, words: u64) -> Result<(), StreamError> {
        within(start, "the number of words", words, self.limits.words)?;
        if words == 0 {
            let what = "without words";
            return Err(StreamError::OutOfPlace { at: start, what });
        }
        self.command = Some(Partial {
            start,
            words,
            index: 0,
            named: Named::Unknown,
            touches: None,
            number: None,
        });
        Ok(())
    }

    fn begin_word(&mut self, at: u64, length: u64) -> Result<(), StreamError> {
        within(at, "the length of a word", length, self.limits.word_bytes)?;
        let short = length <= NAME_BYTES as u64;
        let keep = match self.command.as_ref().map(Partial::want) {
            Some(Want::Key) => {
                within(at, "the length of a key", length, self.limits.key_bytes)?;
                true
            }
            Some(Want::Short) => short,
            Some(Want::Pass) | None => false,
        };
        self.part = match length {
            0 => Part::End { keep, cr: false },
            left => Part::Word { left, keep },
        };
        Ok(())
    }

    fn read_word(&mut self, input: &mut &[u8], left: u64, keep: bool) {
        let now = self.take(input, usize::try_from(left).unwrap_or(usize::MAX));
        if keep {
            self.held.extend_from_slice(now);
        }
        self.part = match left.saturating_sub(now.len() as u64) {
            0 => Part::End { keep, cr: false },
            left => Part::Word { left, keep },
        };
    }

    fn read_end(&mut self, input: &mut &[u8], keep: bool, cr: bool) -> Result<(), StreamError> {
        let at = self.at;
        match self.take(input, 1) {
            b"\r" if !cr => self.part = Part::End { keep, cr: true },
            b"\n" if cr => {
                self.part = Part::Line;
                let word = std::mem::take(&mut self.held);
                self.end_word(keep.then_some(&word));
                self.held = word;
                self.held.clear();
                return self.end_if_whole();
            }
            _ => return Err(StreamError::MissingLineEnd { at }),
        }
        Ok(())
    }

    fn end_word(&mut self, word: Option<&Vec<u8>>) {
        let database = self.database;
        let Some(command) = &mut self.command else {
            return;
        };
        let index = command.index;
        command.index = index.saturating_add(1);
        if index == 0 {
            command.named = word.map_or(Named::Unknown, |name| named(name));
            if let Named::Write(rule) = command.named {
                command.touches = Some(Touches::new(rule, command.words, database));
            }
            return;
        }
        if command.named == Named::Select && index == 1 {
            let number = word.and_then(|word| number(word));
            command.number = number.and_then(|number| u32::try_from(number).ok());
        }
        let Some(touches) = &mut command.touches else {
            return;
        };
        match word {
            Some(word) => {
                let touch = touches.take(index, word);
                self.ready.extend(touch.map(Piece::Touch));
            }
            None => touches.pass(index),
        }
    }

    fn end_if_whole(&mut self) -> Result<(), StreamError> {
        let Some(command) = self
            .command
            .take_if(|command| command.index == command.words)
        else {
            return Ok(());
        };
        let start = command.start;
        let out_of_place = |what| StreamError::OutOfPlace { at: start, what };
        let mut in_transaction = self.in_transaction;
        let kind = match command.named {
            Named::Select => {
                let alone = command.words == 2;
                let selected = command.number.filter(|_| alone);
                let selected = selected.ok_or_else(|| out_of_place("a SELECT of no database"))?;
                self.database = Some(selected);
                Kind::Select
            }
            Named::Multi if self.in_transaction => {
                return Err(out_of_place("a MULTI within a transaction"));
            }
            Named::Multi => {
                (self.in_transaction, in_transaction) = (true, true);
                Kind::Multi
            }
            Named::Exec => {
                self.in_transaction = false;
                Kind::Exec
            }
            Named::Ping => Kind::Ping,
            Named::Control => Kind::Control,
            Named::Message => Kind::Message,
            Named::Write(_) => Kind::Write,
            Named::Unknown => Kind::Unknown,
        };
        if let Some(touches) = command.touches {
            self.ready
                .extend(touches.end().into_iter().map(Piece::Touch));
        }
        self.ready.push_back(Piece::Command(StreamCommand {
            start,
            end: self.at,
            kind,
            database: self.database,
            in_transaction,
        }));
        Ok(())
    }
}

impl Partial {
    fn want(&self) -> Want {
        match (self.index, self.named, &self.touches) {
            (0, ..) | (1, Named::Select, _) => Want::Short,
            (_, _, Some(touches)) => touches.want(self.index),
            (_, _, None) => Want::Pass,
        }
    }
}

fn within(at: u64, what: &'static str, found: u64, limit: u64) -> Result<(), StreamError> {
    if found <= limit {
        return Ok(());
    }
    Err(StreamError::TooLarge {
        at,
        what,
        found,
        limit,
    })
}

#[cfg(test)]
mod tests;
