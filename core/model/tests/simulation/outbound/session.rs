//! One session with the inbound half: the sending side.

mod full_sync;
mod locate;
mod stream;

use psync::{Offset, Position};

use crate::{
    inbound::{Frame, Target},
    world::World,
};

/// Frames that the network holds.
const WAN: usize = 8;

/// What an inbound says when it has dialled.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hello {
    pub(crate) line: u64,
    pub(crate) epoch: Target,
    pub(crate) have: Option<Position>,
    /// A snapshot, and the pieces of it that arrived.
    pub(crate) partial: Option<(u64, u32)>,
    pub(crate) keys: u64,
}

/// The newest session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Session {
    hello: Hello,
    generation: u64,
    phase: Phase,
    pub(crate) sent: Option<Position>,
    /// The history that `sent` is of.
    history: u64,
    barrier_sent: Option<(u64, Position)>,
    declared: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Looks where the stream goes on; `asked`: for a stream, in this history.
    Locating { since: u64, asked: Option<u64> },
    /// Makes sure that the geo-primary is not an empty one.
    Checking,
    /// Waits for a snapshot that can be read.
    Waiting,
    /// Sends one.
    Sending { id: u64, at: u32 },
    /// Sends the stream.
    Streaming,
}

impl Session {
    /// A full sync is decided, and not sent yet.
    pub(crate) fn gives_snapshot(&self) -> bool {
        match self.phase {
            Phase::Locating { .. } | Phase::Streaming => false,
            Phase::Checking | Phase::Waiting | Phase::Sending { .. } => true,
        }
    }
}

/// Why the outbound half ends a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Superseded,
    Withdrawn,
    JournalFailed,
    SourceLost,
    Fenced,
    EmptySource,
    Outrun,
}

impl Refusal {
    /// An engine that loads a snapshot need not begin again.
    pub(crate) fn may_resume(self) -> bool {
        match self {
            Self::Superseded | Self::Withdrawn | Self::JournalFailed | Self::SourceLost => true,
            Self::Fenced | Self::EmptySource | Self::Outrun => false,
        }
    }
}

impl World {
    /// An inbound of the right epoch is there.
    pub(crate) fn admit(&mut self, r: usize, hello: Hello) {
        self.refuse(r, Refusal::Superseded);
        let since = self.now;
        if let Some(outbound) = self.outbound(r) {
            outbound.session = Some(Session {
                hello,
                generation: outbound.generation,
                phase: Phase::Locating { since, asked: None },
                sent: None,
                history: 0,
                barrier_sent: None,
                declared: None,
            });
        }
    }

    /// Ends the session, and says why.
    fn refuse(&mut self, r: usize, why: Refusal) {
        self.send(r, Frame::Refused(why));
        self.end_outbound(r);
    }

    /// The outbound half lets its session go.
    pub(crate) fn end_outbound(&mut self, r: usize) {
        let session = self
            .outbound(r)
            .and_then(|outbound| outbound.session.take());
        if let Some(session) = session
            && let Some(line) = self.line(1 - r, session.hello.line)
        {
            line.closed = true;
        }
    }

    fn send(&mut self, r: usize, frame: Frame) {
        let session = self.outbound(r).and_then(|outbound| outbound.session);
        if let Some(session) = session
            && let Some(line) = self.line(1 - r, session.hello.line)
        {
            line.frames.push_back(frame);
        }
    }

    /// The sending side goes one step further. One whose network is gone does not notice at once.
    pub(crate) fn pump(&mut self, r: usize) {
        let Some(session) = self.outbound(r).and_then(|outbound| outbound.session) else {
            return;
        };
        let queue = self
            .line(1 - r, session.hello.line)
            .map(|line| line.frames.len());
        let notices = self.dice.permille(300);
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        if queue.is_none() && notices {
            outbound.session = None;
            return;
        }
        if queue.is_some_and(|queue| queue >= WAN) {
            return;
        }
        if session.generation != outbound.generation {
            return self.refuse(r, Refusal::Withdrawn);
        }
        if !outbound.open {
            return self.refuse(r, Refusal::JournalFailed);
        }
        let served = outbound.wanted.map(|source| source.epoch);
        assert_eq!(
            served, session.hello.epoch,
            "{r} serves an inbound of its epoch"
        );
        match session.phase {
            Phase::Locating { since, asked } => self.locate(r, session.hello, since, asked),
            Phase::Checking => self.check_source(r, session.hello),
            Phase::Waiting => self.offer_snapshot(r, session.hello),
            Phase::Sending { id, at } => self.send_snapshot(r, id, at),
            Phase::Streaming => self.stream(r, session),
        }
    }

    fn enter(&mut self, r: usize, phase: Phase) {
        self.with_session(r, |session| session.phase = phase);
    }

    fn with_session(&mut self, r: usize, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self
            .outbound(r)
            .and_then(|outbound| outbound.session.as_mut())
        {
            change(session);
        }
    }

    /// A wait is longer than what happens during it.
    fn in_a_hurry(&mut self) -> bool {
        !self.calm && self.dice.permille(30)
    }

    /// Takes what the inbound half reports, and passes it on to the geo-primary.
    pub(crate) fn hear_inbound(&mut self, r: usize) {
        let Some(session) = self.outbound(r).and_then(|outbound| outbound.session) else {
            return;
        };
        let line = self.line(1 - r, session.hello.line);
        if let Some(applied) = line.and_then(|line| line.back.pop_front()) {
            let sent = session.sent.map(|sent| sent.offset);
            assert!(
                Some(Offset(applied)) <= sent,
                "{applied} is applied, sent was {sent:?}"
            );
            let Some(outbound) = self.outbound(r) else {
                return;
            };
            // Of a history that is over, nothing counts.
            if outbound.history == session.history {
                let before = outbound.applied.unwrap_or_default();
                self.stands_at(r, before.max(applied));
            }
        }
    }

    fn stands_at(&mut self, r: usize, applied: u64) {
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        outbound.applied = Some(applied);
        let acknowledged = outbound.end.zip(outbound.applied);
        if let Some((end, applied)) = acknowledged {
            self.check_acknowledged(r, Position::new(end.replid, Offset(applied)));
        }
    }
}
