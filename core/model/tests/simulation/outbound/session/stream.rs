//! The stream's way over the WAN, up to a barrier.

use psync::Position;

use super::{Refusal, Session};
use crate::{inbound::Frame, journal::Behind, outbound::Fence, world::World};

/// After a fence is declared the engine's last bytes arrive within this time or never.
const LAST_BYTES_MS: u64 = 2_000;

impl World {
    /// Moves the stream, and stands at a barrier.
    pub(super) fn stream(&mut self, r: usize, session: Session) {
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        if outbound.history != session.history {
            return self.refuse(r, Refusal::Withdrawn);
        }
        let Some(at) = session.sent else {
            return;
        };
        let behind = self.journal(r).map(|journal| journal.behind(at.offset.0));
        match behind {
            Some(Behind::Item(item)) => {
                let next = Position::new(at.replid, at.offset.advanced(1));
                self.check_sent(r, next, item);
                self.send(
                    r,
                    Frame::Item {
                        after: at.offset.0,
                        item,
                    },
                );
                self.with_session(r, |session| session.sent = Some(next));
            }
            Some(Behind::Nothing) => self.stand(r, session),
            Some(Behind::Gone) | None => self.refuse(r, Refusal::Outrun),
        }
    }

    /// Everything is sent: says where the barrier is when this is it.
    fn stand(&mut self, r: usize, session: Session) {
        let now = self.now;
        let late = self.in_a_hurry();
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        let Fence::Declared(attempt, barrier) = outbound.fence else {
            return self.with_session(r, |session| session.declared = None);
        };
        let since = session.declared.unwrap_or(now);
        self.with_session(r, |session| session.declared = Some(since));
        if session.sent == Some(barrier) {
            if session.barrier_sent != Some((attempt, barrier)) {
                self.send(r, Frame::Barrier(attempt, barrier));
                self.with_session(r, |session| session.barrier_sent = Some((attempt, barrier)));
            }
        } else if now >= since + LAST_BYTES_MS || late {
            self.refuse(r, Refusal::Fenced);
        }
    }
}
