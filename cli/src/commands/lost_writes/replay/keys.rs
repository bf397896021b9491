//! Lists of keys as agents make them: arrays of a database and a key, of a database alone for any of
//! its keys, and of nothing for any key at all, in RESP.

use bytes::{Buf as _, BytesMut};
use resp::{Touch, number};

use crate::failure::Failure;

/// Bytes of a header line without its CRLF.
const HEADER: usize = 20;

/// Reads entries out of bytes that are cut anywhere.
#[derive(Debug, Default)]
pub(super) struct KeyReader {
    buffer: BytesMut,
    /// The words of the entry that is being read, and how many are to come.
    entry: Option<(usize, Vec<Vec<u8>>)>,
    unknown: Option<u32>,
}

impl KeyReader {
    /// `unknown` is the database of entries that name none.
    pub(super) fn new(unknown: Option<u32>) -> Self {
        Self {
            unknown,
            ..Self::default()
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next entry; `None`: more bytes are needed.
    pub(super) fn next(&mut self) -> Result<Option<Touch>, Failure> {
        let (count, mut words) = match self.entry.take() {
            Some(entry) => entry,
            None => {
                let Some(count) = self.header(b'*')? else {
                    return Ok(None);
                };
                self.buffer.advance(count.1);
                (count.0, Vec::new())
            }
        };
        while words.len() < count {
            let Some(word) = self.word()? else {
                self.entry = Some((count, words));
                return Ok(None);
            };
            words.push(word);
        }
        touch(words, self.unknown).map(Some)
    }

    /// Says whether everything that was fed came out.
    pub(super) fn end(&self) -> Result<(), Failure> {
        if self.entry.is_some() || !self.buffer.is_empty() {
            return Err(unreadable());
        }
        Ok(())
    }

    fn word(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let Some((length, header)) = self.header(b'$')? else {
            return Ok(None);
        };
        let Some(word) = self.buffer.get(header..header.saturating_add(length)) else {
            return Ok(None);
        };
        let Some(end) = self.buffer.get(header + length..header + length + 2) else {
            return Ok(None);
        };
        if end != b"\r\n" {
            return Err(unreadable());
        }
        let word = word.to_vec();
        self.buffer.advance(header + length + 2);
        Ok(Some(word))
    }

    /// The number of a header line, and the bytes of the line; it stays where it is.
    fn header(&self, sign: u8) -> Result<Option<(usize, usize)>, Failure> {
        let line = self.buffer.iter().take(HEADER + 2);
        let Some(end) = line.clone().position(|byte| *byte == b'\n') else {
            return if self.buffer.len() < HEADER + 2 {
                Ok(None)
            } else {
                Err(unreadable())
            };
        };
        let number = match self.buffer.get(..end) {
            Some([first, digits @ .., b'\r']) if *first == sign => number(digits),
            Some(_) | None => None,
        };
        let number = number.and_then(|number| usize::try_from(number).ok());
        let number = number.ok_or_else(unreadable)?;
        Ok(Some((number, end + 1)))
    }
}

fn touch(words: Vec<Vec<u8>>, unknown: Option<u32>) -> Result<Touch, Failure> {
    let database = |word: &[u8]| {
        if word.is_empty() {
            return Ok(unknown);
        }
        let known = number(word).and_then(|number| u32::try_from(number).ok());
        known.map(Some).ok_or_else(unreadable)
    };
    match words.as_slice() {
        [] => Ok(Touch::Everything),
        [of] => Ok(Touch::Database(database(of)?)),
        [of, key] => Ok(Touch::Key {
            database: database(of)?,
            key: key.clone(),
        }),
        [..] => Err(unreadable()),
    }
}

fn unreadable() -> Failure {
    Failure::new("a list of keys came in a form that this version does not understand")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_read_however_the_bytes_are_cut() {
        let bytes =
            b"*2\r\n$1\r\n3\r\n$3\r\na\r\n\r\n*1\r\n$1\r\n0\r\n*0\r\n*2\r\n$0\r\n\r\n$1\r\nb\r\n";
        let expected = [
            Touch::Key {
                database: Some(3),
                key: b"a\r\n".to_vec(),
            },
            Touch::Database(Some(0)),
            Touch::Everything,
            Touch::Key {
                database: None,
                key: b"b".to_vec(),
            },
        ];
        for step in [1, 2, 7, 100] {
            let mut reader = KeyReader::new(None);
            let mut all = Vec::new();
            for piece in bytes.chunks(step) {
                reader.feed(piece);
                while let Some(touch) = reader.next().unwrap() {
                    all.push(touch);
                }
            }
            reader.end().unwrap();
            assert_eq!(all, expected, "{step}");
        }
    }

    #[test]
    fn a_broken_list_is_refused() {
        for bad in [
            &b"*3\r\n$1\r\n0\r\n$0\r\n\r\n$0\r\n\r\n"[..],
            b"*1\r\n$1\r\nx\r\n",
            b"$1\r\n",
            b"*1\r\n$1\r\n0xx",
            b"*1111111111111111111111111",
        ] {
            let mut reader = KeyReader::new(None);
            reader.feed(bad);
            assert!(reader.next().is_err(), "{bad:?}");
        }
        let mut cut = KeyReader::new(None);
        cut.feed(b"*1\r\n$1\r\n");
        assert_eq!(cut.next().unwrap(), None);
        assert!(cut.end().is_err());
    }
}
