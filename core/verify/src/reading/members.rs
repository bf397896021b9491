//! Sets with `SSCAN`, hashes with `HSCAN`.

use super::{Appetite, Pages, digits, length_of};
use crate::{
    Command, Digest, Reply, Unexpected,
    digest::Unordered,
    reply::{Reader, command},
};

pub(super) struct Members {
    words: Words,
    /// Made when the length is known.
    digest: Option<Unordered>,
    cursor: u64,
    appetite: Appetite,
}

/// How the two types differ.
#[derive(Clone, Copy)]
struct Words {
    kind: &'static str,
    length: &'static str,
    scan: &'static str,
    /// How many things in an answer make a member.
    parts: usize,
}

impl Members {
    pub(super) fn of_set() -> Self {
        Self::new(Words {
            kind: "set",
            length: "SCARD",
            scan: "SSCAN",
            parts: 1,
        })
    }

    pub(super) fn of_hash() -> Self {
        Self::new(Words {
            kind: "hash",
            length: "HLEN",
            scan: "HSCAN",
            parts: 2,
        })
    }

    fn new(words: Words) -> Self {
        Self {
            words,
            digest: None,
            cursor: 0,
            appetite: Appetite::new(),
        }
    }
}

impl Pages for Members {
    fn ask(&self, key: &[u8]) -> Vec<Command> {
        let (cursor, count) = (digits(self.cursor), digits(self.appetite.count()));
        let scan = command(&[self.words.scan.as_bytes(), key, &cursor, b"COUNT", &count]);
        let length = command(&[self.words.length.as_bytes(), key]);
        let first = self.digest.is_none().then_some(length);
        first.into_iter().chain([scan]).collect()
    }

    fn take(&mut self, replies: Vec<Reply>) -> Result<Option<(u64, Digest)>, Unexpected> {
        let reader = Reader(self.words.scan);
        let mut replies = replies.into_iter();
        let mut next = || replies.next().unwrap_or(Reply::Nil);
        let digest = match &mut self.digest {
            Some(digest) => digest,
            none => {
                let length = Reader(self.words.length).count(next())?;
                none.insert(Unordered::new(self.words.kind, length))
            }
        };
        let (cursor, found) = reader.scanned(next())?;
        let found: Result<Vec<_>, _> = found.into_iter().map(|part| reader.bytes(part)).collect();
        let (mut members, mut bytes) = (0, 0);
        for member in found?.chunks(self.words.parts) {
            let parts: Vec<&[u8]> = member.iter().map(Vec::as_slice).collect();
            digest.member(&parts);
            members += 1;
            bytes += member.iter().map(|part| length_of(part)).sum::<u64>();
        }
        self.cursor = cursor;
        if cursor == 0
            && let Some(done) = digest.end_reading()
        {
            return Ok(Some(done));
        }
        self.appetite.learn(members, bytes);
        Ok(None)
    }
}
