//! The commands of a receipt as they come out of its bytes, with the database and the transaction
//! that each belongs to.

use bytes::{Buf as _, Bytes};
use resp::{
    CommandDecoder, DecodeError, Item, Kind, Limits, Piece, StreamCommand, StreamError,
    StreamLimits, StreamReader, Touch,
};

use crate::failure::Failure;

/// What the engines take of one command.
const LIMITS: Limits = Limits {
    args: 16 << 20,
    word_bytes: 1 << 30,
    command_bytes: 2 << 30,
    line_bytes: 32,
};

/// A command that writes, or the bounds of a transaction. A unit is what is applied whole or not
/// at all: a transaction, or a command outside of one. Units are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A transaction begins.
    Multi { unit: u64 },
    /// A command that writes.
    Write(Write),
    /// A transaction ends.
    Exec { unit: u64 },
}

/// A command that writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) unit: u64,
    /// `None`: nothing before it said which.
    pub(super) database: Option<u32>,
    /// It stands between `MULTI` and `EXEC`.
    pub(super) inside: bool,
    /// What it touches can be told from its words.
    pub(super) known: bool,
    pub(super) touches: Vec<Touch>,
    pub(super) words: Vec<Bytes>,
}

/// Reads [`Found`] out of bytes that are cut anywhere: one reader finds out what commands are and
/// what they touch, the other keeps their words.
#[derive(Debug)]
pub(super) struct Reader {
    stream: StreamReader,
    decoder: CommandDecoder,
    rest: Bytes,
    touches: Vec<Touch>,
    unit: u64,
}

impl Reader {
    /// `database` is that of the commands before which nothing says which.
    pub(super) fn new(database: Option<u32>) -> Self {
        Self {
            stream: StreamReader::new(StreamLimits::default(), database),
            decoder: CommandDecoder::new(LIMITS),
            rest: Bytes::new(),
            touches: Vec::new(),
            unit: 0,
        }
    }

    /// Takes the next bytes; those before them have to be used up.
    pub(super) fn feed(&mut self, bytes: Bytes) {
        self.decoder.feed(&bytes);
        self.rest = bytes;
    }

    /// The next of them; `None`: more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<Found>, Failure> {
        loop {
            let mut input = &self.rest[..];
            let piece = self.stream.next(&mut input);
            let taken = self.rest.len() - input.len();
            self.rest.advance(taken);
            match piece.map_err(|error| out_of_stream(&error))? {
                None => return Ok(None),
                Some(Piece::Touch(touch)) => self.touches.push(touch),
                Some(Piece::Command(command)) => {
                    let words = self.words()?;
                    let touches = std::mem::take(&mut self.touches);
                    if let Some(found) = self.understand(command, touches, words) {
                        return Ok(Some(found));
                    }
                }
            }
        }
    }

    /// Says whether everything that was fed came out. Gives the transaction that has not ended.
    pub(super) fn end(&self) -> Result<Option<u64>, Failure> {
        if self.stream.whole_to() != self.stream.at() {
            return Err(unreadable("they end in the middle of a command"));
        }
        Ok(self.stream.in_transaction().then_some(self.unit))
    }

    fn words(&mut self) -> Result<Vec<Bytes>, Failure> {
        match self
            .decoder
            .next_item()
            .map_err(|error| undecoded(&error))?
        {
            Some(Item::Command(words)) => Ok(words),
            Some(Item::Newline) | None => Err(unreadable("a command is not in its one form")),
        }
    }

    fn understand(
        &mut self,
        command: StreamCommand,
        touches: Vec<Touch>,
        words: Vec<Bytes>,
    ) -> Option<Found> {
        let unit = self.unit;
        match command.kind {
            // Signs of life, and messages to subscribers: nobody is to get them a second time.
            Kind::Select | Kind::Ping | Kind::Control | Kind::Message => None,
            Kind::Multi => Some(Found::Multi { unit }),
            Kind::Exec => {
                self.unit += 1;
                Some(Found::Exec { unit })
            }
            Kind::Write | Kind::Unknown => {
                if !command.in_transaction {
                    self.unit += 1;
                }
                Some(Found::Write(Write {
                    unit,
                    database: command.database,
                    inside: command.in_transaction,
                    known: command.kind == Kind::Write,
                    touches,
                    words,
                }))
            }
        }
    }
}

fn unreadable(what: &str) -> Failure {
    Failure::new(format!("the lost writes cannot be read: {what}"))
}

/// What was found may be a value, and is not shown.
fn out_of_stream(error: &StreamError) -> Failure {
    match error {
        StreamError::NotCanonical { at, expected, .. } => {
            unreadable(&format!("at byte {at} is no canonical {expected}"))
        }
        StreamError::TooLarge { .. }
        | StreamError::MissingLineEnd { .. }
        | StreamError::OutOfPlace { .. }
        | StreamError::Ended => unreadable(&error.to_string()),
    }
}

fn undecoded(error: &DecodeError) -> Failure {
    unreadable(match error {
        DecodeError::LineTooLong { .. } => "a header is too long",
        DecodeError::NotCanonical { .. } => "a header is not in its canonical form",
        DecodeError::TooLarge { .. } => "a command is too large",
        DecodeError::MissingLineEnd { .. } => "a word does not end where it should",
        DecodeError::Ended => "they were unreadable before",
    })
}

#[cfg(test)]
mod tests {
    use super::{super::tests::file, *};

    fn read(bytes: &[u8], step: usize) -> Vec<Found> {
        let mut reader = Reader::new(None);
        let mut all = Vec::new();
        for piece in bytes.chunks(step) {
            reader.feed(Bytes::copy_from_slice(piece));
            while let Some(found) = reader.next().unwrap() {
                all.push(found);
            }
        }
        assert_eq!(reader.end().unwrap(), None);
        all
    }

    #[test]
    fn databases_and_transactions_are_followed_however_the_bytes_are_cut() {
        let bytes = file(&[
            "SET unknown 1",
            "SELECT 3",
            "SET a 1",
            "PING",
            "MULTI",
            "SET b 1",
            "SELECT 4",
            "DEL c",
            "EXEC",
            "publish news x",
            "SET d 1",
        ]);
        let all = read(&bytes, usize::MAX);
        assert_eq!(all, read(&bytes, 1));
        let told: Vec<_> = all
            .iter()
            .map(|found| match found {
                Found::Multi { unit } => format!("{unit} multi"),
                Found::Exec { unit } => format!("{unit} exec"),
                Found::Write(write) => {
                    let key = String::from_utf8_lossy(&write.words[1]).into_owned();
                    format!("{} {key} {:?} {}", write.unit, write.database, write.inside)
                }
            })
            .collect();
        let expected = [
            "0 unknown None false",
            "1 a Some(3) false",
            "2 multi",
            "2 b Some(3) true",
            "2 c Some(4) true",
            "2 exec",
            "3 d Some(4) false",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn an_end_in_the_middle_is_noticed() {
        let bytes = file(&["SET a 1", "SET b hunter2"]);
        let mut reader = Reader::new(None);
        reader.feed(Bytes::copy_from_slice(&bytes[..bytes.len() - 1]));
        assert!(reader.next().unwrap().is_some() && reader.next().unwrap().is_none());
        assert!(reader.end().is_err());
        let mut reader = Reader::new(None);
        reader.feed(file(&["SET a 1", "MULTI", "SET b 1"]).into());
        while reader.next().unwrap().is_some() {}
        assert_eq!(reader.end().unwrap(), Some(1));
    }

    #[test]
    fn what_cannot_be_read_is_not_shown() {
        let mut reader = Reader::new(None);
        reader.feed(Bytes::from_static(b"*1\r\nhunter2\r\n"));
        let error = reader.next().unwrap_err().to_string();
        assert!(
            error.contains("cannot be read") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
