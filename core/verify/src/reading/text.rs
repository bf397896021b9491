//! Strings, with `GETRANGE`.

use super::{Pages, digits, length_of};
use crate::{
    Command, Digest, Reply, Unexpected,
    digest::Ordered,
    reply::{Reader, command},
};

/// Bytes of the first page: most strings are shorter.
const FIRST: u64 = 4 << 10;
/// Bytes of later pages, which grow to it.
const MOST: u64 = 1 << 20;

pub(super) struct Text {
    digest: Ordered,
    length: u64,
    page: u64,
}

impl Text {
    pub(super) fn new() -> Self {
        Self {
            digest: Ordered::new("string"),
            length: 0,
            page: FIRST,
        }
    }
}

impl Pages for Text {
    fn ask(&self, key: &[u8]) -> Vec<Command> {
        let to = self.length + self.page - 1;
        vec![command(&[
            b"GETRANGE",
            key,
            &digits(self.length),
            &digits(to),
        ])]
    }

    fn take(&mut self, replies: Vec<Reply>) -> Result<Option<(u64, Digest)>, Unexpected> {
        let reader = Reader("GETRANGE");
        let [page] = reader.exactly(Reply::List(replies))?;
        let mut page = reader.bytes(page)?;
        let found = length_of(&page);
        if self.length == 0 {
            forget_estimate(&mut page);
        }
        self.digest.more(&page);
        self.length += found;
        if found < self.page {
            return Ok(Some((self.length, self.digest.clone().end())));
        }
        self.page = (self.page * 4).min(MOST);
        Ok(None)
    }
}

/// A HyperLogLog keeps the last answer of `PFCOUNT` in its head, and every engine its own:
/// a geo-secondary that is asked writes it there too. It follows from the rest.
fn forget_estimate(start: &mut [u8]) {
    if let [b'H', b'Y', b'L', b'L', 0 | 1, 0, 0, 0, rest @ ..] = start
        && let Some(estimate) = rest.get_mut(..8)
    {
        estimate.fill(0);
    }
}
