//! Finds where the stream goes on for what the geo-secondary holds.

use psync::Position;

use super::{Hello, Phase, Refusal};
use crate::{inbound::Frame, outbound::Fence, world::World};

/// How long the geo-primary's side may take to come to where the geo-secondary already is.
const CATCH_UP_MS: u64 = 30_000;
/// How long the engine may take to be seen in its present history.
const SEEN_MS: u64 = 3_000;

impl World {
    /// When it goes on nowhere, a full sync is needed; that is never found out from what an earlier
    /// run left, only once the engine has said what its history is.
    pub(super) fn locate(&mut self, r: usize, hello: Hello, since: u64, asked: Option<u64>) {
        let lives = self.source_lives(r);
        let (waited, late) = (self.now - since, self.in_a_hurry());
        let covered = self.journal(r).zip(hello.have);
        let covered = covered.and_then(|(journal, have)| journal.covers(have));
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        let (history, fence, confirmed) = (outbound.history, outbound.fence, outbound.confirmed);
        // What was seen of an engine in another history says nothing of this one.
        let now = outbound.end.filter(|_| confirmed).map(|end| end.replid);
        let known = outbound.facts;
        let known = known.filter(|facts| now.is_none_or(|now| facts.position.replid == now));
        let reaches = hello
            .have
            .filter(|have| known.is_some_and(|facts| facts.reaches(*have)));
        let unseen = hello.have.is_some() && known.is_none();
        let unanswered = outbound.answered < outbound.demand.0;
        let Some(end) = outbound.end else {
            if asked != Some(history) && fence == Fence::Open {
                self.demand_stream(r, hello.have, since, history);
            }
            return;
        };
        if let Some(position) = covered {
            self.send(r, Frame::Continue(position));
            self.with_session(r, |session| {
                session.sent = Some(position);
                session.history = history;
                session.phase = Phase::Streaming;
            });
            // A snapshot that the geo-secondary still loads is not applied.
            if hello.partial.is_none() {
                self.stands_at(r, position.offset.0);
            }
            return;
        }
        let ahead = hello
            .have
            .is_some_and(|have| have.replid == end.replid && have.offset > end.offset);
        let waits = match fence {
            Fence::Declared(..) => return self.refuse(r, Refusal::Fenced),
            Fence::Expected => true,
            Fence::Open => {
                let catches_up = waited < CATCH_UP_MS && !late || unanswered;
                // Who holds a whole copy keeps it while the engine that may have more is away.
                let away = hello.have.is_some() && !lives;
                !confirmed
                    || away
                    || (ahead || reaches.is_some()) && catches_up
                    || unseen && waited < SEEN_MS && !late
            }
        };
        if !waits {
            self.check_full_sync(r, hello.have);
            return self.enter(r, Phase::Checking);
        }
        if reaches.is_some() && !ahead && asked != Some(history) {
            self.demand_stream(r, hello.have, since, history);
        }
    }

    fn demand_stream(&mut self, r: usize, have: Option<Position>, since: u64, history: u64) {
        if let Some(outbound) = self.outbound(r) {
            outbound.demand = (outbound.demand.0 + 1, have);
        }
        let asked = Some(history);
        self.enter(r, Phase::Locating { since, asked });
    }
}
