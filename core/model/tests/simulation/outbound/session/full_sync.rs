//! The snapshot's way over the WAN.

use super::{Hello, Phase, Refusal};
use crate::{
    inbound::Frame,
    journal::{Kept, PARTS},
    world::World,
};

impl World {
    /// An empty geo-primary must not wipe what the geo-secondary holds. What was seen of the engine
    /// counts when it was seen in the history that is followed now.
    pub(super) fn check_source(&mut self, r: usize, hello: Hello) {
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        let accepted = outbound.wanted.is_some_and(|source| source.accept_empty);
        let now = outbound.end.map(|end| end.replid);
        let facts = outbound.facts;
        let seen = facts.filter(|facts| Some(facts.position.replid) == now);
        let fine = hello.keys == 0 || accepted;
        match seen {
            Some(facts) if !fine && facts.keys == 0 => {
                outbound.source_empty = true;
                self.count("empty sources refused");
                self.refuse(r, Refusal::EmptySource);
            }
            None if !fine => {}
            Some(_) | None => {
                outbound.source_empty = false;
                self.enter(r, Phase::Waiting);
            }
        }
    }

    pub(super) fn offer_snapshot(&mut self, r: usize, hello: Hello) {
        let Some(kept) = self.kept_or_taken(r) else {
            return;
        };
        let partial = hello.partial.filter(|(id, _)| *id == kept.id);
        let from = partial.map_or(0, |(_, pieces)| pieces.min(kept.written));
        if from > 0 {
            self.count("full syncs gone on with");
        }
        let (id, position) = (kept.id, kept.snapshot.position);
        self.send(r, Frame::Head { id, position, from });
        self.enter(
            r,
            Phase::Sending {
                id: kept.id,
                at: from,
            },
        );
    }

    pub(super) fn send_snapshot(&mut self, r: usize, id: u64, at: u32) {
        let checks = self.dice.permille(100);
        let kept = self.journal(r).and_then(|journal| journal.snapshot);
        let Some(kept) = kept.filter(|kept| kept.id == id) else {
            return self.refuse(r, Refusal::JournalFailed);
        };
        let position = kept.snapshot.position;
        if checks
            && self
                .journal(r)
                .is_none_or(|j| j.goes_on_from(position).is_none())
        {
            return self.refuse(r, Refusal::Outrun);
        }
        if at < kept.written {
            self.send(r, Frame::Piece { id, at });
            self.enter(r, Phase::Sending { id, at: at + 1 });
        } else if kept.failed {
            self.refuse(r, Refusal::SourceLost);
        } else if at == PARTS {
            self.end_snapshot(r, kept);
        }
    }

    fn end_snapshot(&mut self, r: usize, kept: Kept) {
        let position = kept.snapshot.position;
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        let (end, history) = (outbound.end, outbound.history);
        let journal = self.journal(r).filter(|_| end.is_some());
        let Some(goes_on) = journal.and_then(|journal| journal.goes_on_from(position)) else {
            return self.refuse(r, Refusal::Outrun);
        };
        self.with_session(r, |session| {
            session.sent = Some(position);
            session.history = history;
            session.phase = Phase::Streaming;
        });
        self.send(r, Frame::End(kept.snapshot));
        if goes_on != position {
            // The geo-secondary has to hear of the new ID, which only a new request can tell it.
            self.refuse(r, Refusal::Withdrawn);
        }
    }
}
