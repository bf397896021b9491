//! Commands: arrays of bulk strings, and inline words as a person types them.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::number;

/// How large a command may be.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Words of one command, its name among them.
    pub args: usize,
    /// Bytes of one word.
    pub word_bytes: usize,
    /// Bytes of all words together.
    pub command_bytes: usize,
    /// Bytes of an inline command, and of a header line.
    pub line_bytes: usize,
}

/// What stands in the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// An empty line, which the engines send as a sign of life.
    Newline,
    /// A command: its name and its arguments, at least one word.
    Command(Vec<Bytes>),
}

/// The bytes are not a command in canonical form, or larger than the limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A header or an inline command does not end in time.
    #[error("a line has more than {limit} bytes")]
    LineTooLong {
        /// The longest line taken.
        limit: usize,
    },
    /// A header that is not in its one spelling.
    #[error("`{found}` is not a canonical {expected}")]
    NotCanonical {
        /// What should stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// A count or a length above its limit.
    #[error("{what} is {found}, the limit is {limit}")]
    TooLarge {
        /// What was counted.
        what: &'static str,
        /// The number that was read.
        found: u64,
        /// The largest number taken.
        limit: usize,
    },
    /// A word that is not followed by CRLF.
    #[error("a word of {length} bytes does not end with CRLF")]
    MissingLineEnd {
        /// The announced length of the word.
        length: usize,
    },
    /// An earlier error ended this decoder.
    #[error("nothing is read after an earlier error")]
    Ended,
}

/// A command of which some words have come.
#[derive(Debug, Clone)]
struct Partial {
    missing: usize,
    words: Vec<Bytes>,
    bytes: usize,
    /// The announced length of the word that is being read.
    word: Option<usize>,
}

/// Reads commands out of bytes that are cut anywhere. Feed bytes, then take items until there is
/// none: between two feeds it keeps at most one command that is not whole.
#[derive(Debug, Clone)]
pub struct CommandDecoder {
    limits: Limits,
    buffer: BytesMut,
    partial: Option<Partial>,
    ended: bool,
}

impl CommandDecoder {
    /// Makes a decoder with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: BytesMut::new(),
            partial: None,
            ended: false,
        }
    }

    /// Adds bytes behind those that came before.
    pub fn feed(&mut self, bytes: &[u8]) {
        if !self.ended {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// Takes the next item. `Ok(None)`: more bytes are needed.
    pub fn next_item(&mut self) -> Result<Option<Item>, DecodeError> {
        if self.ended {
            return Err(DecodeError::Ended);
        }
        let result = self.advance();
        if result.is_err() {
            self.ended = true;
            self.buffer.clear();
            self.partial = None;
        }
        result
    }

    fn advance(&mut self) -> Result<Option<Item>, DecodeError> {
        let mut partial = match self.partial.take() {
            Some(partial) => partial,
            None => {
                let Some(line) = self.take_line()? else {
                    return Ok(None);
                };
                match line.first() {
                    Some(b'*') => self.begin(&line)?,
                    Some(_) | None => return inline(&line).map(Some),
                }
            }
        };
        while partial.missing > 0 {
            if !self.read_word(&mut partial)? {
                self.partial = Some(partial);
                return Ok(None);
            }
        }
        Ok(Some(Item::Command(partial.words)))
    }

    fn begin(&self, line: &[u8]) -> Result<Partial, DecodeError> {
        let missing = header(line, b'*', "array header (`*<count>` and CRLF)")?;
        let missing = within("the number of words", missing, self.limits.args)?;
        if missing == 0 {
            return Err(not_canonical("command (it has no words)", line));
        }
        Ok(Partial {
            missing,
            words: Vec::with_capacity(missing.min(16)),
            bytes: 0,
            word: None,
        })
    }

    /// Reads as much of the next word as there is; `true` once it is whole.
    fn read_word(&mut self, partial: &mut Partial) -> Result<bool, DecodeError> {
        let length = match partial.word {
            Some(length) => length,
            None => {
                let Some(line) = self.take_line()? else {
                    return Ok(false);
                };
                let length = header(&line, b'$', "word header (`$<length>` and CRLF)")?;
                let length = within("the length of a word", length, self.limits.word_bytes)?;
                let all = partial.bytes + length;
                let counted = u64::try_from(all).unwrap_or(u64::MAX);
                within("the size of a command", counted, self.limits.command_bytes)?;
                partial.bytes = all;
                *partial.word.insert(length)
            }
        };
        if self.buffer.len() < length + 2 {
            return Ok(false);
        }
        let word = self.buffer.split_to(length).freeze();
        if !self.buffer.starts_with(b"\r\n") {
            return Err(DecodeError::MissingLineEnd { length });
        }
        self.buffer.advance(2);
        partial.words.push(word);
        partial.missing -= 1;
        partial.word = None;
        Ok(true)
    }

    /// Takes a line without its LF.
    fn take_line(&mut self) -> Result<Option<Bytes>, DecodeError> {
        let limit = self.limits.line_bytes;
        let end = self.buffer.iter().take(limit + 2).position(|b| *b == b'\n');
        let Some(end) = end else {
            if self.buffer.len() >= limit + 2 {
                return Err(DecodeError::LineTooLong { limit });
            }
            return Ok(None);
        };
        let line = self.buffer.split_to(end).freeze();
        self.buffer.advance(1);
        Ok(Some(line))
    }
}

fn header(line: &[u8], sign: u8, expected: &'static str) -> Result<u64, DecodeError> {
    let digits = match line {
        [first, digits @ .., b'\r'] if *first == sign => digits,
        _ => return Err(not_canonical(expected, line)),
    };
    number(digits).ok_or_else(|| not_canonical(expected, line))
}

fn within(what: &'static str, found: u64, limit: usize) -> Result<usize, DecodeError> {
    match usize::try_from(found) {
        Ok(small) if small <= limit => Ok(small),
        Ok(_) | Err(_) => Err(DecodeError::TooLarge { what, found, limit }),
    }
}

/// Words apart by spaces; nothing that would need quoting, so that there is one reading.
fn inline(line: &[u8]) -> Result<Item, DecodeError> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let plain = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'"' | b'\'' | b'\\');
    if !line.iter().all(plain) {
        return Err(not_canonical("inline command", line));
    }
    let words: Vec<Bytes> = line
        .split(|byte| *byte == b' ')
        .filter(|word| !word.is_empty())
        .map(Bytes::copy_from_slice)
        .collect();
    if words.is_empty() {
        return Ok(Item::Newline);
    }
    Ok(Item::Command(words))
}

fn not_canonical(expected: &'static str, line: &[u8]) -> DecodeError {
    let found = line
        .iter()
        .take(60)
        .flat_map(|byte| byte.escape_ascii())
        .map(char::from)
        .collect();
    DecodeError::NotCanonical { expected, found }
}

#[cfg(test)]
mod tests;
