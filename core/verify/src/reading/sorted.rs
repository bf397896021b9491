//! Sorted sets, with `ZRANGE … WITHSCORES`.

use super::{Appetite, Pages, digits, length_of};
use crate::{
    Command, Digest, Reply, Unexpected,
    digest::Ordered,
    reply::{Reader, command},
};

pub(super) struct Ranked {
    digest: Ordered,
    length: u64,
    appetite: Appetite,
}

impl Ranked {
    pub(super) fn new() -> Self {
        Self {
            digest: Ordered::new("sorted set"),
            length: 0,
            appetite: Appetite::new(),
        }
    }
}

impl Pages for Ranked {
    fn ask(&self, key: &[u8]) -> Vec<Command> {
        let (from, to) = (self.length, self.length + self.appetite.count() - 1);
        vec![command(&[
            b"ZRANGE",
            key,
            &digits(from),
            &digits(to),
            b"WITHSCORES",
        ])]
    }

    fn take(&mut self, replies: Vec<Reply>) -> Result<Option<(u64, Digest)>, Unexpected> {
        let reader = Reader("ZRANGE");
        let [page] = reader.exactly(Reply::List(replies))?;
        let (mut members, mut bytes) = (0, 0);
        let mut page = reader.list(page)?.into_iter();
        while let (Some(member), Some(score)) = (page.next(), page.next()) {
            let member = reader.bytes(member)?;
            self.digest.field(&member);
            self.digest
                .number(score_bits(&reader.bytes(score)?).ok_or_else(|| reader.not("a score"))?);
            members += 1;
            bytes += length_of(&member);
        }
        self.length += members;
        if members < self.appetite.count() {
            return Ok(Some((self.length, self.digest.clone().end())));
        }
        self.appetite.learn(members, bytes);
        Ok(None)
    }
}

/// The score itself: engines write one number in several ways (`0.1` and `0.10000000000000001`),
/// and a zero loses its sign in the compact encoding.
fn score_bits(text: &[u8]) -> Option<u64> {
    let score: f64 = str::from_utf8(text).ok()?.parse().ok()?;
    let score = if score == 0.0 { 0.0 } else { score };
    Some(score.to_bits())
}
