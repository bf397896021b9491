//! Streams: entries with `XRANGE`, then each group with its consumers and what is pending.
//!
//! Left out is what engines count for themselves and do not replicate: when a consumer was last
//! seen, how long an entry has been pending, how many entries a group has read.

use std::collections::VecDeque;

use super::{Appetite, Pages, digits, length_of};
use crate::{
    Command, Digest, Reply, Unexpected,
    digest::Ordered,
    reply::{Reader, command},
};

pub(super) struct Stream {
    digest: Ordered,
    length: u64,
    appetite: Appetite,
    stage: Stage,
    /// Groups that are still to be read, by name.
    groups: VecDeque<Vec<u8>>,
}

enum Stage {
    /// From behind this entry.
    Entries(Option<Vec<u8>>),
    /// The last ID, and which groups there are.
    Groups,
    /// The consumers of the first group.
    Consumers,
    /// What they have not acknowledged, from behind this entry.
    Pending(Option<Vec<u8>>),
}

impl Stream {
    pub(super) fn new() -> Self {
        Self {
            digest: Ordered::new("stream"),
            length: 0,
            appetite: Appetite::new(),
            stage: Stage::Entries(None),
            groups: VecDeque::new(),
        }
    }

    fn group(&self) -> &[u8] {
        self.groups.front().map_or(&[], Vec::as_slice)
    }

    /// Goes to the next group; at the last one the stream has been read.
    fn next_group(&mut self) -> Option<(u64, Digest)> {
        self.stage = Stage::Consumers;
        let none_left = self.groups.is_empty();
        none_left.then(|| (self.length, self.digest.clone().end()))
    }

    fn entries(&mut self, page: Reply) -> Result<(), Unexpected> {
        let reader = Reader("XRANGE");
        let (mut entries, mut bytes, mut last) = (0, 0, None);
        for entry in reader.list(page)? {
            let [id, fields] = reader.exactly(entry)?;
            let (id, fields) = (reader.bytes(id)?, reader.list(fields)?);
            self.digest.field(&id);
            self.digest
                .number(u64::try_from(fields.len()).unwrap_or(u64::MAX));
            for field in fields {
                let field = reader.bytes(field)?;
                self.digest.field(&field);
                bytes += length_of(&field);
            }
            entries += 1;
            last = Some(id);
        }
        self.length += entries;
        let more = entries >= self.appetite.count();
        self.appetite.learn(entries, bytes);
        self.stage = match last {
            Some(last) if more => Stage::Entries(Some(last)),
            Some(_) | None => Stage::Groups,
        };
        Ok(())
    }

    fn about(&mut self, replies: Vec<Reply>) -> Result<(), Unexpected> {
        let [stream, groups] = Reader("XINFO").exactly(Reply::List(replies))?;
        let reader = Reader("XINFO STREAM");
        let last = reader.named(&mut reader.list(stream)?, "last-generated-id")?;
        self.digest.field(&reader.bytes(last)?);
        let reader = Reader("XINFO GROUPS");
        let mut found = Vec::new();
        for group in reader.list(groups)? {
            let mut fields = reader.list(group)?;
            let mut take = |name| reader.bytes(reader.named(&mut fields, name)?);
            found.push((take("name")?, take("last-delivered-id")?));
        }
        found.sort();
        self.digest
            .number(u64::try_from(found.len()).unwrap_or(u64::MAX));
        for (name, delivered) in found {
            self.digest.field(&name);
            self.digest.field(&delivered);
            self.groups.push_back(name);
        }
        Ok(())
    }

    fn consumers(&mut self, reply: Reply) -> Result<(), Unexpected> {
        let reader = Reader("XINFO CONSUMERS");
        let mut names = Vec::new();
        for consumer in reader.list(reply)? {
            let name = reader.named(&mut reader.list(consumer)?, "name")?;
            names.push(reader.bytes(name)?);
        }
        names.sort();
        self.digest
            .number(u64::try_from(names.len()).unwrap_or(u64::MAX));
        names.iter().for_each(|name| self.digest.field(name));
        self.stage = Stage::Pending(None);
        self.appetite = Appetite::new();
        Ok(())
    }

    fn pending(&mut self, page: Reply) -> Result<Option<(u64, Digest)>, Unexpected> {
        let reader = Reader("XPENDING");
        let (mut entries, mut bytes, mut last) = (0, 0, None);
        for entry in reader.list(page)? {
            let [id, consumer, _idle, deliveries] = reader.exactly(entry)?;
            let (id, consumer) = (reader.bytes(id)?, reader.bytes(consumer)?);
            self.digest.field(&id);
            self.digest.field(&consumer);
            self.digest.number(reader.count(deliveries)?);
            bytes += length_of(&id) + length_of(&consumer);
            entries += 1;
            last = Some(id);
        }
        let more = entries >= self.appetite.count();
        self.appetite.learn(entries, bytes);
        if let Some(last) = last.filter(|_| more) {
            self.stage = Stage::Pending(Some(last));
            return Ok(None);
        }
        self.digest.field(b"end of group");
        self.groups.pop_front();
        Ok(self.next_group())
    }
}

impl Pages for Stream {
    fn ask(&self, key: &[u8]) -> Vec<Command> {
        let count = digits(self.appetite.count());
        let behind = |last: &Option<Vec<u8>>| match last {
            Some(id) => [b"(", id.as_slice()].concat(),
            None => b"-".to_vec(),
        };
        match &self.stage {
            Stage::Entries(last) => {
                vec![command(&[
                    b"XRANGE",
                    key,
                    &behind(last),
                    b"+",
                    b"COUNT",
                    &count,
                ])]
            }
            Stage::Groups => vec![
                command(&[b"XINFO", b"STREAM", key]),
                command(&[b"XINFO", b"GROUPS", key]),
            ],
            Stage::Consumers => vec![command(&[b"XINFO", b"CONSUMERS", key, self.group()])],
            Stage::Pending(last) => {
                vec![command(&[
                    b"XPENDING",
                    key,
                    self.group(),
                    &behind(last),
                    b"+",
                    &count,
                ])]
            }
        }
    }

    fn take(&mut self, mut replies: Vec<Reply>) -> Result<Option<(u64, Digest)>, Unexpected> {
        match self.stage {
            Stage::Entries(_) => self.entries(replies.pop().unwrap_or(Reply::Nil))?,
            Stage::Groups => {
                self.about(replies)?;
                return Ok(self.next_group());
            }
            Stage::Consumers => self.consumers(replies.pop().unwrap_or(Reply::Nil))?,
            Stage::Pending(_) => return self.pending(replies.pop().unwrap_or(Reply::Nil)),
        }
        Ok(None)
    }
}
