//! The half of the link beside a geo-secondary: an engine that asked to follow, and what it is
//! given over as many connections as it takes. As `data/relay/src/inbound`.

mod feed;

use std::collections::VecDeque;

use model::Epoch;
use psync::Position;

use crate::{
    engine::{Address, Engine, Following, Item, Pipe, Snapshot},
    journal::PARTS,
    outbound::{Hello, Refusal},
    world::World,
};

/// A session of the inbound half with its engine.
#[derive(Debug)]
pub(crate) struct Geo {
    /// The engine that asked.
    engine: (usize, u32),
    have: Option<Position>,
    handed: Handed,
    /// Up to where the engine was handed the stream.
    received: Option<Position>,
    applied: Option<u64>,
    /// Where the snapshot ends that is not known to be loaded.
    loading: Option<u64>,
    /// The spool takes what arrives.
    keeps: bool,
    /// The stream stands at a barrier.
    stopped: bool,
    /// The stream goes on under another ID, of which the engine learns when it asks anew.
    renamed: bool,
    pub(crate) line: Option<Line>,
}

/// What the engine was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Handed {
    Nothing,
    /// Pieces of a snapshot.
    Part {
        id: u64,
        pieces: u32,
    },
    /// All of them, and perhaps some stream, which it has not acknowledged.
    Whole {
        id: u64,
    },
    Stream,
}

/// A connection between the halves, as the inbound half has it. What was sent before it broke may
/// still arrive.
#[derive(Debug)]
pub(crate) struct Line {
    id: u64,
    pub(crate) frames: VecDeque<Frame>,
    pub(crate) back: VecDeque<u64>,
    pub(crate) closed: bool,
    answered: bool,
    reported: Option<u64>,
}

/// What the outbound half sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Frame {
    Continue(Position),
    Head {
        id: u64,
        position: Position,
        from: u32,
    },
    Piece {
        id: u64,
        at: u32,
    },
    End(Snapshot),
    Item {
        after: u64,
        item: Item,
    },
    Barrier(u64, Position),
    Refused(Refusal),
}

/// A snapshot that is kept on disk as far as it arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spool {
    id: u64,
    position: Position,
    pieces: u32,
}

impl World {
    pub(crate) fn geo(&mut self, r: usize) -> Option<&mut Geo> {
        self.regions[r].agent.as_mut()?.geo.as_mut()
    }

    /// The connection of that name, while it works.
    pub(crate) fn line(&mut self, r: usize, id: u64) -> Option<&mut Line> {
        let line = self.geo(r)?.line.as_mut()?;
        (line.id == id && !line.closed).then_some(line)
    }

    /// An engine asks the inbound half to follow. A newer connection takes over from an older one.
    pub(crate) fn answer_engine(&mut self, r: usize, n: usize, have: Option<Position>) {
        self.end_session(r, "superseded");
        let Some(engine) = self.engine(r, n) else {
            return;
        };
        engine.input = Some(Pipe::default());
        engine.following = Following::Asked;
        let life = engine.life;
        if let Some(agent) = self.agent(r) {
            agent.geo = Some(Geo {
                engine: (n, life),
                have,
                handed: Handed::Nothing,
                received: None,
                applied: None,
                loading: None,
                keeps: false,
                stopped: false,
                renamed: false,
                line: None,
            });
        }
    }

    /// Reaches for the outbound half.
    pub(crate) fn dial(&mut self, r: usize) {
        let Some(agent) = self.regions[r].agent.as_ref() else {
            return;
        };
        let (target, keys) = (agent.target, agent.keys);
        let Some(geo) = agent.geo.as_ref().filter(|geo| geo.line.is_none()) else {
            return;
        };
        let spool = self.regions[r].disk.spool;
        let (have, partial) = geo.progress(spool);
        let there = self.outbound(1 - r).filter(|there| there.drain.is_none());
        let served = there.and_then(|outbound| outbound.wanted);
        if served.is_none_or(|source| Some(source.epoch) != target) {
            return;
        }
        let id = self.dice.roll();
        self.note(|| format!("the inbound of {r} dials as {id:x}: {have:?} {partial:?} {keys}"));
        let Some(geo) = self.geo(r) else {
            return;
        };
        geo.line = Some(Line {
            id,
            frames: VecDeque::new(),
            back: VecDeque::new(),
            closed: false,
            answered: false,
            reported: None,
        });
        let hello = Hello {
            line: id,
            epoch: target,
            have,
            partial,
            keys,
        };
        if let Some(agent) = self.agent(r) {
            agent.keys_told = keys;
        }
        self.admit(1 - r, hello);
    }

    /// The network between the regions breaks: some of what was sent still arrives, and the
    /// outbound half does not notice at once.
    pub(crate) fn cut(&mut self, r: usize) {
        let arrive = self.dice.roll();
        if let Some(line) = self.geo(r).and_then(|geo| geo.line.as_mut()) {
            let length = u64::try_from(line.frames.len()).unwrap() + 1;
            let arrive = usize::try_from(arrive % length).unwrap();
            line.frames.truncate(arrive);
            line.closed = true;
        }
    }

    /// The connection to the outbound half is gone.
    fn lost_line(&mut self, r: usize, why: &str, may_resume: bool) {
        let Some(geo) = self.geo(r) else {
            return;
        };
        let answered = geo.line.take().is_some_and(|line| line.answered);
        if answered && !(may_resume && geo.is_loading()) {
            self.end_session(r, why);
        }
    }

    /// Another peer is to be followed, or none.
    pub(crate) fn retarget(&mut self, r: usize) {
        if let Some(line) = self.geo(r).and_then(|geo| geo.line.as_mut()) {
            line.closed = true;
            line.frames.clear();
            self.lost_line(r, "retargeted", false);
        }
    }

    /// The inbound half looks at its engine: that it is there, and what it has applied.
    pub(crate) fn tend(&mut self, r: usize) {
        let inbound = self.regions[r].inbound;
        let Some((n, life)) = self.geo(r).map(|geo| geo.engine) else {
            return;
        };
        let follows = |engine: &Engine| {
            engine.life == life
                && engine.upstream == Some(Address::Inbound(inbound))
                && engine.following != Following::Down
        };
        let Some(engine) = self.engine(r, n).filter(|engine| follows(engine)) else {
            return self.end_session(r, "the engine went away");
        };
        let up = engine.following == Following::Up && engine.loading.is_none();
        let here = engine.position();
        let Some(geo) = self.geo(r).filter(|_| up) else {
            return;
        };
        let Some(received) = geo.received else {
            return;
        };
        assert!(
            here.replid == received.replid && here.offset <= received.offset,
            "{r}.{n} is at {here}, and was sent {received}"
        );
        let loaded = geo.loading.is_none_or(|end| end <= here.offset.0);
        if loaded && geo.applied < Some(here.offset.0) {
            geo.applied = Some(here.offset.0);
            geo.loading = None;
        }
        if geo.renamed && geo.applied.is_some() {
            self.end_session(r, "the history goes on under another ID");
        }
    }

    /// Tells the outbound half what is applied.
    pub(crate) fn report_applied(&mut self, r: usize) {
        let Some(geo) = self.geo(r) else {
            return;
        };
        let Some(line) = geo.line.as_mut().filter(|line| line.answered) else {
            return;
        };
        if let Some(applied) = geo.applied
            && line.reported != Some(applied)
        {
            line.reported = Some(applied);
            line.back.push_back(applied);
        }
    }

    /// Ends the session of the inbound half of `r`; its engine still takes what was handed over.
    pub(crate) fn end_session(&mut self, r: usize, why: &str) {
        let Some(agent) = self.regions[r].agent.as_mut() else {
            return;
        };
        let Some(geo) = agent.geo.take() else { return };
        self.note(|| format!("the session of {r} ends: {why}"));
        let (n, life) = geo.engine;
        let inbound = Address::Inbound(self.regions[r].inbound);
        let engine = self.engine(r, n);
        let engine = engine.filter(|e| e.life == life && e.upstream == Some(inbound));
        if let Some(pipe) = engine.and_then(|engine| engine.input.as_mut()) {
            pipe.closed = true;
        }
    }
}

impl Geo {
    /// What the outbound half is told.
    fn progress(&self, spool: Option<Spool>) -> (Option<Position>, Option<(u64, u32)>) {
        match self.handed {
            Handed::Nothing => {
                // An engine that is in the snapshot's history has had it.
                let had = |kept: &Spool| {
                    let history = self.have.map(|have| have.replid);
                    history == Some(kept.position.replid)
                };
                let kept = spool.filter(|kept| !had(kept) && kept.pieces > 0);
                (self.have, kept.map(|kept| (kept.id, kept.pieces)))
            }
            Handed::Part { id, pieces } => (None, Some((id, pieces))),
            Handed::Whole { id } => (self.received, Some((id, PARTS))),
            Handed::Stream => (self.received, None),
        }
    }

    /// The engine would have to begin again if it were let go.
    fn is_loading(&self) -> bool {
        match self.handed {
            Handed::Part { .. } => true,
            Handed::Whole { .. } => self.applied.is_none(),
            Handed::Nothing | Handed::Stream => false,
        }
    }

    /// A snapshot is under way.
    pub(crate) fn awaits_snapshot(&self) -> bool {
        let announced = |frame: &Frame| matches!(frame, Frame::Head { .. });
        let line = self.line.as_ref();
        self.is_loading() || line.is_some_and(|line| line.frames.iter().any(announced))
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.line.is_some()
    }
}

/// The epoch at which an inbound half follows the other region.
pub(crate) type Target = Option<Epoch>;
