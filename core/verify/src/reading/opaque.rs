//! Types of modules, which only `DUMP` hands out.

use super::{Pages, length_of};
use crate::{
    Command, Digest, Reply, Unexpected,
    digest::Ordered,
    reply::{Reader, command},
};

/// The format's version (2 bytes) and a checksum over everything (8): they differ between
/// versions of one engine.
const TRAILER: usize = 10;

pub(super) struct Dumped;

impl Pages for Dumped {
    fn ask(&self, key: &[u8]) -> Vec<Command> {
        vec![command(&[b"DUMP", key])]
    }

    fn take(&mut self, replies: Vec<Reply>) -> Result<Option<(u64, Digest)>, Unexpected> {
        let reader = Reader("DUMP");
        let [dump] = reader.exactly(Reply::List(replies))?;
        // Nothing: it was deleted meanwhile.
        let dump = if dump == Reply::Nil {
            Vec::new()
        } else {
            reader.bytes(dump)?
        };
        let length = dump.len().saturating_sub(TRAILER);
        let payload = dump.get(..length).unwrap_or_default();
        let mut digest = Ordered::new("dump");
        digest.field(payload);
        Ok(Some((length_of(payload), digest.end())))
    }
}
