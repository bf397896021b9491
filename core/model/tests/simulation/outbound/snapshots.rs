//! The shard's snapshot: taken on a connection of its own, and used for as long as the journal
//! reaches back to it.

use super::Door;
use crate::{
    engine::{Chunk, Snapshot},
    journal::{Kept, PARTS},
    world::World,
};

/// Attempts at the replica before the primary is asked.
const AT_REPLICA: u32 = 5;

/// A snapshot that is being taken.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Taking {
    attempt: u32,
    /// The engine that sends it, and its name.
    from: Option<((usize, u32), u64)>,
}

impl Taking {
    fn failed(self) -> Self {
        Self {
            attempt: self.attempt + 1,
            from: None,
        }
    }
}

impl World {
    /// The snapshot that sessions may use; without one, one is begun to be taken.
    pub(super) fn kept_or_taken(&mut self, r: usize) -> Option<Kept> {
        let outbound = self.outbound(r)?;
        let follows = outbound.confirmed && outbound.end.is_some();
        let journal = self.journal(r)?;
        let kept = journal.snapshot.filter(|kept| {
            let goes_on = journal.goes_on_from(kept.snapshot.position).is_some();
            follows && !kept.failed && goes_on
        });
        if kept.is_none() {
            self.outbound(r)?.taking.get_or_insert_default();
        }
        kept
    }

    /// The engine's present history is followed: takes the snapshot that it sends unasked, if it is
    /// one of this history.
    pub(super) fn take_offer(&mut self, r: usize) {
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        let here = outbound.end.map(|end| end.replid);
        match outbound.offer {
            Some((_, offer)) if Some(offer.position.replid) == here => {
                outbound.taking.get_or_insert_default();
            }
            Some(_) | None => outbound.offer = None,
        }
    }

    /// Goes one step further in taking a snapshot.
    pub(crate) fn take_snapshot(&mut self, r: usize) {
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        let (wanted, Some(taking)) = (outbound.wanted, outbound.taking) else {
            return;
        };
        let next = match (wanted, taking.from) {
            (None, _) => None,
            (Some(_), None) if outbound.offer.is_none() && !outbound.confirmed => return,
            (Some(source), None) => {
                let at_replica = source.replica.filter(|_| taking.attempt < AT_REPLICA);
                let offer = outbound.offer.take();
                let whence = match (offer, at_replica) {
                    (Some(_), _) => "snapshots from an offer",
                    (None, Some(_)) => "snapshots from a replica",
                    (None, None) => "snapshots from a primary",
                };
                let door = at_replica.unwrap_or(source.engine);
                let sent = offer.or_else(|| self.ask_snapshot(r, door));
                let from = sent.and_then(|(from, snapshot)| self.begin_snapshot(r, from, snapshot));
                Some(match from {
                    Some(_) => {
                        self.count(whence);
                        Taking { from, ..taking }
                    }
                    None => taking.failed(),
                })
            }
            (Some(_), Some((engine, id))) => self.go_on_taking(r, taking, engine, id),
        };
        if let Some(outbound) = self.outbound(r) {
            outbound.taking = next;
        }
    }

    fn ask_snapshot(&self, r: usize, door: Door) -> Option<((usize, u32), Snapshot)> {
        let (n, engine) = self.listens(r, door)?;
        match engine.answer(None)?.pop_back()? {
            Chunk::Snapshot(snapshot) => Some(((n, engine.life), snapshot)),
            Chunk::Continue(_) | Chunk::FullSync | Chunk::Item(_) => None,
        }
    }

    fn begin_snapshot(
        &mut self,
        r: usize,
        from: (usize, u32),
        snapshot: Snapshot,
    ) -> Option<((usize, u32), u64)> {
        // The stream has to go on from there.
        self.outbound(r).filter(|outbound| outbound.open)?.end?;
        let id = self.dice.roll();
        let position = snapshot.position;
        let journal = self.journal(r)?;
        journal.goes_on_from(position)?;
        journal.snapshot = Some(Kept {
            id,
            snapshot,
            written: 0,
            failed: false,
        });
        self.note(|| format!("the outbound of {r} takes {id:x} at {position} from {from:?}"));
        Some((from, id))
    }

    fn go_on_taking(
        &mut self,
        r: usize,
        taking: Taking,
        (n, life): (usize, u32),
        id: u64,
    ) -> Option<Taking> {
        let engine = self.regions[r].nodes[n].engine.as_ref();
        let sends = engine.is_some_and(|engine| engine.life == life);
        let silent = engine.is_some_and(|engine| engine.silent);
        let open = self.outbound(r).is_some_and(|outbound| outbound.open);
        let journal = self.journal(r).filter(|_| open);
        let kept = journal.and_then(|journal| journal.snapshot.as_mut());
        // What was begun is removed with its history.
        let Some(kept) = kept.filter(|kept| kept.id == id && !kept.failed) else {
            return Some(taking.failed());
        };
        if !sends {
            kept.failed = true;
            return Some(taking.failed());
        }
        kept.written += u32::from(!silent);
        (kept.written < PARTS).then_some(taking)
    }

    /// An engine lets whoever takes its snapshot go.
    pub(crate) fn drop_taker(&mut self, r: usize, engine: (usize, u32)) {
        let taking = self.outbound(r).and_then(|outbound| outbound.taking);
        if let Some((from, id)) = taking.and_then(|taking| taking.from)
            && from == engine
            && let Some(journal) = self.journal(r)
            && let Some(kept) = journal.snapshot.as_mut()
            && kept.id == id
        {
            kept.failed = true;
        }
    }
}
