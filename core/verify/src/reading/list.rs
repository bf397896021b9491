//! Lists, with `LRANGE`.

use super::{Appetite, Pages, digits, length_of};
use crate::{
    Command, Digest, Reply, Unexpected,
    digest::Ordered,
    reply::{Reader, command},
};

pub(super) struct Elements {
    digest: Ordered,
    length: u64,
    appetite: Appetite,
}

impl Elements {
    pub(super) fn new() -> Self {
        Self {
            digest: Ordered::new("list"),
            length: 0,
            appetite: Appetite::new(),
        }
    }
}

impl Pages for Elements {
    fn ask(&self, key: &[u8]) -> Vec<Command> {
        let to = self.length + self.appetite.count() - 1;
        vec![command(&[
            b"LRANGE",
            key,
            &digits(self.length),
            &digits(to),
        ])]
    }

    fn take(&mut self, replies: Vec<Reply>) -> Result<Option<(u64, Digest)>, Unexpected> {
        let reader = Reader("LRANGE");
        let [page] = reader.exactly(Reply::List(replies))?;
        let (mut elements, mut bytes) = (0, 0);
        for element in reader.list(page)? {
            let element = reader.bytes(element)?;
            self.digest.field(&element);
            elements += 1;
            bytes += length_of(&element);
        }
        self.length += elements;
        if elements < self.appetite.count() {
            return Ok(Some((self.length, self.digest.clone().end())));
        }
        self.appetite.learn(elements, bytes);
        Ok(None)
    }
}
