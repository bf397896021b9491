//! A model of the outbound half's disk: the stream as far as it is kept, where its history forked,
//! and a snapshot beside it. As `core/journal`, without segments and checksums.

use std::collections::VecDeque;

use psync::{Offset, Position, ReplicationId};

use crate::engine::{Item, Snapshot, Writes};

/// Pieces in which every snapshot is taken and sent.
pub(crate) const PARTS: u32 = 3;

#[derive(Debug, Clone)]
pub(crate) struct Journal {
    /// The offset before the oldest item.
    start: u64,
    items: VecDeque<Item>,
    /// Replication IDs, oldest first, and from where each counts.
    ids: Vec<(ReplicationId, u64)>,
    pub(crate) snapshot: Option<Kept>,
}

/// The snapshot beside the stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kept {
    pub(crate) id: u64,
    pub(crate) snapshot: Snapshot,
    /// Pieces that can be read.
    pub(crate) written: u32,
    /// It will never be whole.
    pub(crate) failed: bool,
}

/// What there is behind an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behind {
    Item(Item),
    Nothing,
    Gone,
}

impl Journal {
    pub(crate) fn begin(at: Position) -> Self {
        Self {
            start: at.offset.0,
            items: VecDeque::new(),
            ids: vec![(at.replid, at.offset.0)],
            snapshot: None,
        }
    }

    pub(crate) fn end(&self) -> Position {
        let (newest, _) = self.newest();
        Position::new(newest, Offset(self.start + length(&self.items)))
    }

    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    fn newest(&self) -> (ReplicationId, u64) {
        self.ids.last().copied().unwrap()
    }

    pub(crate) fn fork(&mut self, replid: ReplicationId) {
        let end = self.end().offset.0;
        self.ids.push((replid, end));
    }

    pub(crate) fn append(&mut self, item: Item) {
        self.items.push_back(item);
    }

    /// Where to go on for somebody who stands there. An ID counts up to where it was exchanged, and
    /// back to the start: whoever is told of a new one behind the fork stands there under the new ID.
    pub(crate) fn covers(&self, have: Position) -> Option<Position> {
        let end = self.end();
        let until = self.ids.iter().skip(1).map(|(_, from)| *from);
        let mut spans = self.ids.iter().zip(until.chain([end.offset.0]));
        let there = have.offset.0;
        spans
            .any(|((id, _), until)| *id == have.replid && self.start <= there && there <= until)
            .then(|| Position::new(end.replid, have.offset))
    }

    /// As [`Journal::covers`], with what is still to come.
    pub(crate) fn goes_on_from(&self, have: Position) -> Option<Position> {
        let end = self.end();
        let ahead = have.replid == end.replid && have.offset > end.offset;
        ahead.then_some(have).or_else(|| self.covers(have))
    }

    pub(crate) fn behind(&self, offset: u64) -> Behind {
        match offset.checked_sub(self.start) {
            None => Behind::Gone,
            Some(at) => {
                let item = self.items.get(usize::try_from(at).unwrap());
                item.map_or(Behind::Nothing, |item| Behind::Item(*item))
            }
        }
    }

    /// Retention: the oldest items go, and the snapshot when the stream does not go on from it.
    pub(crate) fn let_go(&mut self, count: usize) {
        let count = count.min(self.items.len());
        self.items.drain(..count);
        self.start += u64::try_from(count).unwrap();
        let start = self.start;
        let passed = self.ids.iter().skip(1).filter(|(_, from)| *from < start);
        let passed = passed.count();
        self.ids.drain(..passed);
        self.check_snapshot();
    }

    /// The process dies: what was not written yet is missing. A fork is durable with everything
    /// before it.
    pub(crate) fn tear(&mut self, count: usize) {
        let (_, fork) = self.newest();
        let durable = usize::try_from(fork.max(self.start) - self.start).unwrap();
        let kept = self.items.len().saturating_sub(count).max(durable);
        self.items.truncate(kept);
        if self.snapshot.is_some_and(|kept| kept.written < PARTS) {
            self.snapshot = None;
        }
        self.check_snapshot();
    }

    fn check_snapshot(&mut self) {
        let kept = self.snapshot.take();
        self.snapshot = kept.filter(|kept| self.goes_on_from(kept.snapshot.position).is_some());
    }

    /// What it could bring to somebody who has nothing, or who is at its start.
    pub(crate) fn writes(&self) -> Writes {
        let mut writes = Writes::default();
        if let Some(kept) = self.snapshot.filter(|kept| kept.written == PARTS) {
            writes = kept.snapshot.data.writes;
        }
        for item in &self.items {
            match item {
                Item::Write(write) => writes.insert(*write),
                Item::Flush | Item::Ping => {}
            }
        }
        writes
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}

fn length(items: &VecDeque<Item>) -> u64 {
    u64::try_from(items.len()).unwrap()
}
