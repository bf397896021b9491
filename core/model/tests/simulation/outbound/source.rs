//! Follows the geo-primary's engine into the journal, whatever the network between the regions does.

use psync::{Position, ReplicationId};

use super::{Follows, Outbound, Source};
use crate::{
    engine::{Chunk, Pipe, Snapshot},
    journal::Journal,
    outbound::Fence,
    world::World,
};

/// How long an inbound may take to say where it stands before a journal is begun without it.
const FIRST_HELLO_MS: u64 = 3_000;

/// Where to begin.
#[derive(Debug, Clone, Copy)]
enum Start {
    /// Where the journal ends.
    Resume(Position),
    /// Here, with a new journal.
    Anew(Position),
}

impl World {
    /// Goes one step further in following the engine.
    pub(crate) fn follow_source(&mut self, r: usize) {
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        let Some(source) = outbound.wanted else {
            outbound.follows = None;
            if outbound.open {
                outbound.open = false;
                outbound.stream_begins(None);
                outbound.source_empty = false;
            }
            return;
        };
        if outbound.follows.is_some() {
            return self.read_source(r, source);
        }
        self.open_journal(r);
        let now = self.now;
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        // A fenced engine follows nobody that it could tell of.
        if outbound.fence != Fence::Open && *outbound.waits_with.get_or_insert(source) == source {
            return;
        }
        outbound.waits_with = None;
        let start = match self.unmet(r) {
            Some(have) => {
                self.answer_demand(r);
                Some(Start::Anew(have))
            }
            None => self
                .outbound(r)
                .and_then(|outbound| outbound.choose_start(now)),
        };
        if let Some(start) = start {
            if let Some(outbound) = self.outbound(r) {
                outbound.give_up = None;
                outbound.fresh = None;
            }
            self.ask_source(r, source, start);
        }
    }

    /// The engine is followed, and there.
    pub(super) fn source_lives(&self, r: usize) -> bool {
        let region = &self.regions[r];
        let outbound = region
            .agent
            .as_ref()
            .and_then(|agent| agent.outbound.as_ref());
        let follows = outbound.and_then(|outbound| outbound.follows.as_ref());
        follows.is_some_and(|follows| {
            let (n, life) = follows.engine;
            let engine = region.nodes[n].engine.as_ref();
            engine.is_some_and(|engine| engine.life == life)
        })
    }

    /// Opens what an earlier run left.
    fn open_journal(&mut self, r: usize) {
        let end = self.journal(r).map(|journal| journal.end());
        if let Some(outbound) = self.outbound(r)
            && !outbound.open
        {
            outbound.open = true;
            outbound.stream_begins(end);
        }
    }

    /// Takes one chunk, or sees that the engine is not to be followed like this any more.
    fn read_source(&mut self, r: usize, source: Source) {
        let demanded = self.unmet(r).is_some();
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        if !demanded {
            outbound.answered = outbound.demand.0;
        }
        let Some(follows) = outbound.follows.as_mut() else {
            return;
        };
        if demanded || !follows.source.is_followed_like(&source) {
            outbound.follows = None;
            return;
        }
        match follows.pipe.chunks.pop_front() {
            Some(Chunk::Item(item)) => {
                if let Some(end) = &mut outbound.end {
                    end.offset = end.offset.advanced(1);
                }
                let end = outbound.end;
                if let Some(journal) = self.journal(r) {
                    journal.append(item);
                    assert_eq!(Some(journal.end()), end, "the journal has what was read");
                }
                self.fork_later(r);
            }
            Some(chunk @ (Chunk::Continue(_) | Chunk::FullSync | Chunk::Snapshot(_))) => {
                panic!("a connection that goes on has {chunk:?}")
            }
            None if follows.pipe.closed => outbound.follows = None,
            None => {}
        }
    }

    /// The history that is drained goes on under another ID once it is where that began.
    fn fork_later(&mut self, r: usize) {
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        let there = outbound.end.zip(outbound.forks_at);
        if let Some((end, fork)) = there
            && end.offset == fork.offset
        {
            outbound.forks_at = None;
            self.go_on(r, Start::Resume(end), fork.replid);
        }
    }

    fn ask_source(&mut self, r: usize, source: Source, start: Start) {
        let (Start::Resume(asked) | Start::Anew(asked)) = start;
        let answered = self.listens(r, source.engine).and_then(|(n, engine)| {
            let chunks = engine.answer(Some(asked))?;
            Some(((n, engine.life), chunks))
        });
        let Some((engine, mut chunks)) = answered else {
            return;
        };
        self.note(|| format!("the outbound of {r} asks {engine:?} for {start:?}: {chunks:?}"));
        let Some(Chunk::Continue(replid)) = chunks.pop_front() else {
            if let Some(Chunk::Snapshot(snapshot)) = chunks.pop_front() {
                self.history_broke(r, start, engine, snapshot);
            }
            return;
        };
        let drains = self
            .outbound(r)
            .is_some_and(|outbound| outbound.drain.is_some());
        if drains && !chunks.is_empty() {
            self.count("lost writes read from a backlog");
        }
        let before = self.regions[r].nodes[engine.0]
            .engine
            .as_ref()
            .and_then(|engine| engine.second);
        let named = match (start, before) {
            (Start::Resume(end), Some((id, until)))
                if drains && id == end.replid && until > end.offset.0 =>
            {
                if let Some(outbound) = self.outbound(r) {
                    outbound.forks_at = Some(Position::new(replid, psync::Offset(until)));
                }
                id
            }
            _ => replid,
        };
        self.go_on(r, start, named);
        let pipe = Pipe {
            chunks,
            closed: false,
        };
        if let Some(outbound) = self.outbound(r) {
            outbound.confirmed = true;
            outbound.source_empty = false;
            outbound.follows = Some(Follows {
                engine,
                pipe,
                source,
            });
        }
        self.take_offer(r);
    }

    /// The engine cannot go on where it was asked to, and offers a snapshot.
    fn history_broke(&mut self, r: usize, start: Start, engine: (usize, u32), offer: Snapshot) {
        let Some(outbound) = self.outbound(r) else {
            return;
        };
        outbound.fresh = Some(offer.position);
        outbound.offer = Some((engine, offer));
        // What a journal holds that is only read to its end is all that there may be of it.
        if outbound.drain.is_some() {
            (outbound.fresh, outbound.offer) = (None, None);
        } else if matches!(start, Start::Resume(_)) {
            outbound.stream_begins(None);
            self.count("histories broken");
        }
    }

    fn go_on(&mut self, r: usize, start: Start, replid: ReplicationId) {
        match start {
            Start::Resume(end) if end.replid == replid => {}
            Start::Resume(_) => {
                self.count("journals forked");
                if let Some(journal) = self.journal(r) {
                    journal.fork(replid);
                }
                if let Some(outbound) = self.outbound(r) {
                    outbound.history += 1;
                    if let Some(end) = &mut outbound.end {
                        end.replid = replid;
                    }
                }
            }
            Start::Anew(asked) => {
                self.count("journals begun");
                let mut journal = Journal::begin(asked);
                if asked.replid != replid {
                    journal.fork(replid);
                }
                let end = journal.end();
                self.regions[r].disk.journal = Some(journal);
                if let Some(outbound) = self.outbound(r) {
                    outbound.stream_begins(Some(end));
                }
            }
        }
    }

    fn answer_demand(&mut self, r: usize) {
        if let Some(outbound) = self.outbound(r) {
            outbound.answered = outbound.demand.0;
        }
    }

    /// Where an inbound stands that has to be begun from: the engine's backlog reaches it, and the
    /// journal does not.
    fn unmet(&mut self, r: usize) -> Option<Position> {
        let outbound = self
            .outbound(r)
            .filter(|outbound| outbound.drain.is_none())?;
        let (count, have) = outbound.demand;
        let have = have.filter(|_| count > outbound.answered)?;
        let facts = outbound.facts.filter(|facts| facts.reaches(have));
        let located = match outbound.end {
            Some(_) => self.journal(r).and_then(|journal| journal.covers(have)),
            None => None,
        };
        (facts.is_some() && located.is_none()).then_some(have)
    }
}

impl Outbound {
    fn choose_start(&mut self, now: u64) -> Option<Start> {
        if let Some(end) = self.end {
            return Some(Start::Resume(end));
        }
        if let Some(from) = self.drain {
            let reached = |from: &Position| self.facts.is_some_and(|facts| facts.reaches(*from));
            return from.filter(reached).map(Start::Anew);
        }
        if let Some(fresh) = self.fresh {
            return Some(Start::Anew(fresh));
        }
        let give_up = *self.give_up.get_or_insert(now + FIRST_HELLO_MS);
        let facts = self.facts.filter(|_| self.demand.0 > 0 || now >= give_up)?;
        Some(Start::Anew(facts.position))
    }
}
