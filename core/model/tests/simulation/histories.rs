//! What every position of every history is, whoever says so: the bytes before it, and the data.
//!
//! A history that goes on from another shares everything up to where it does. Two engines, or an
//! engine and a session, that differ anywhere have been spliced.

use std::collections::BTreeMap;

use psync::{Position, ReplicationId};

use crate::{
    engine::{Item, Writes},
    world::World,
};

#[derive(Debug, Default)]
pub(crate) struct Histories(Vec<History>);

#[derive(Debug, Default)]
struct History {
    /// The history before, and where this one goes on from it.
    fork: Option<(usize, u64)>,
    items: BTreeMap<u64, Item>,
    digests: BTreeMap<u64, u64>,
    /// How far a region's engines ever came under this ID.
    reached: [Option<u64>; 2],
}

impl Histories {
    /// A replication ID that nobody had before.
    pub(crate) fn begin(&mut self, fork: Option<Position>) -> ReplicationId {
        let fork = fork.map(|fork| (number(fork.replid), fork.offset.0));
        let id = format!("{:040x}", self.0.len());
        self.0.push(History {
            fork,
            ..History::default()
        });
        id.parse().unwrap()
    }

    /// The history in which a position came about, and its offset.
    fn origin(&self, position: Position) -> (usize, u64) {
        let (mut at, offset) = (number(position.replid), position.offset.0);
        while let Some((before, end)) = self.0[at].fork
            && offset <= end
        {
            at = before;
        }
        (at, offset)
    }

    /// What is `here` was `there` before.
    fn has(&self, here: Position, there: Position) -> bool {
        let same = Position::new(here.replid, there.offset);
        there.offset <= here.offset && self.origin(same) == self.origin(there)
    }

    /// Somebody removed everything on the way to `there` from where it shares a history with `here`.
    pub(crate) fn flushed(&self, here: Position, there: Position) -> bool {
        let mut at = there;
        while at.offset.0 > 0 && !self.has(here, at) {
            let (history, offset) = self.origin(at);
            if self.0[history].items.get(&offset) == Some(&Item::Flush) {
                return true;
            }
            at.offset.0 -= 1;
        }
        false
    }

    /// The writes that make up what is there at a position.
    pub(crate) fn writes_at(&self, position: Position) -> Writes {
        let mut writes = Writes::default();
        let (mut at, mut end) = (number(position.replid), position.offset.0);
        loop {
            let begins = self.0[at].fork.map_or(0, |(_, end)| end);
            if begins < end {
                let items = self.0[at].items.range(begins + 1..=end);
                for (_, item) in items.rev() {
                    match item {
                        Item::Write(write) => writes.insert(*write),
                        Item::Flush => return writes,
                        Item::Ping => {}
                    }
                }
            }
            let Some((before, fork)) = self.0[at].fork else {
                return writes;
            };
            (at, end) = (before, fork.min(end));
        }
    }

    /// Where `there` left the history of a position's replication ID; `None`: it is no part of it.
    pub(crate) fn left(&self, there: ReplicationId, history: ReplicationId) -> Option<u64> {
        let mut at = number(there);
        while let Some((before, end)) = self.0[at].fork {
            if before == number(history) {
                return Some(end);
            }
            at = before;
        }
        None
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    fn has_reached(&self, r: usize, position: Position) -> bool {
        let (mut at, offset) = (number(position.replid), Some(position.offset.0));
        loop {
            let history = &self.0[at];
            if history.reached[r] >= offset {
                return true;
            }
            match history.fork {
                Some((before, end)) if offset <= Some(end) => at = before,
                Some(_) | None => return false,
            }
        }
    }
}

fn number(replid: ReplicationId) -> usize {
    let digits = replid.as_str().as_bytes().iter().rev().take(8).rev();
    let value = |digit: u8| {
        u32::from(digit)
            .checked_sub(87)
            .unwrap_or_else(|| u32::from(digit) - 48)
    };
    let number = digits.fold(0, |number, digit| number * 16 + value(*digit));
    usize::try_from(number).unwrap()
}

impl World {
    /// An engine's next unit of stream is the one that everybody else has there.
    pub(crate) fn check_emitted(&mut self, r: usize, n: usize, at: Position, item: Item) {
        let (history, offset) = self.ledger.histories.origin(at);
        let items = &mut self.ledger.histories.0[history].items;
        let known = *items.entry(offset).or_insert(item);
        assert_eq!(known, item, "{r}.{n} emits what is not at {at}");
    }

    /// A session sends what an engine emitted.
    pub(crate) fn check_sent(&mut self, r: usize, at: Position, item: Item) {
        let (history, offset) = self.ledger.histories.origin(at);
        let known = self.ledger.histories.0[history].items.get(&offset);
        assert_eq!(
            known,
            Some(&item),
            "the outbound of {r} sends what is not at {at}"
        );
    }

    /// A full sync is only for those to whom the journal does not reach back.
    pub(crate) fn check_full_sync(&self, r: usize, have: Option<Position>) {
        let journal = self.regions[r].disk.journal.as_ref();
        let (Some(journal), Some(have)) = (journal, have) else {
            return;
        };
        let end = journal.end();
        let within = journal.start() <= have.offset.0 && have.offset <= end.offset;
        assert!(
            have.replid != end.replid || !within,
            "{have} needs a full sync of {r}, whose journal goes up to {end}"
        );
    }

    /// Equal positions are equal data, for ever and everywhere.
    pub(crate) fn check_history(&mut self, r: usize, n: usize) {
        let Some(engine) = self.engine(r, n) else {
            return;
        };
        let (at, digest) = (engine.position(), engine.data.digest);
        let histories = &mut self.ledger.histories;
        let (history, offset) = histories.origin(at);
        let known = *histories.0[history].digests.entry(offset).or_insert(digest);
        assert_eq!(known, digest, "{r}.{n} differs from others at {at}");
        let reached = &mut histories.0[number(at.replid)].reached[r];
        *reached = (*reached).max(Some(at.offset.0));
    }

    /// What the geo-primary is told to be applied was applied by the other region.
    pub(crate) fn check_acknowledged(&mut self, r: usize, at: Position) {
        let known = self.ledger.histories.has_reached(1 - r, at);
        assert!(known, "the geo-primary of {r} is told that {at} is applied");
    }
}
