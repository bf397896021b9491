//! The half of the link beside a geo-primary: what is wanted of it, and what it remembers.
//!
//! As `data/relay/src/outbound`: it follows the engine by itself into the journal (`source.rs`),
//! takes snapshots (`snapshots.rs`), and a session reads both (`session.rs`). None of the three
//! waits for another.

mod session;
mod snapshots;
mod source;

use model::{
    Epoch,
    shard::{Drained, JournalEnd},
};
use psync::Position;

use crate::{
    engine::{Engine, Pipe, Snapshot},
    journal::Journal,
    world::World,
};
pub(crate) use session::{Hello, Refusal, Session};
use snapshots::Taking;

/// What the outbound half was told of a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Fence {
    #[default]
    Open,
    Expected,
    Declared(u64, Position),
}

/// Where an engine listens: the address that clients use belongs to whoever leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Service,
    Node(usize),
}

/// What is to be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) epoch: Epoch,
    pub(crate) engine: Door,
    /// A replica that is in step, for snapshots.
    pub(crate) replica: Option<Door>,
    pub(crate) accept_empty: bool,
}

impl Source {
    fn is_followed_like(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.engine == other.engine
    }
}

/// What the engine was last seen to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) position: Position,
    before: Option<Position>,
    backlog_from: u64,
    keys: u64,
}

impl Facts {
    pub(crate) fn of(engine: &Engine) -> Self {
        let kept = u64::try_from(engine.backlog.len()).unwrap();
        let before = engine.second;
        Self {
            position: engine.position(),
            before: before.map(|(id, end)| Position::new(id, psync::Offset(end))),
            backlog_from: engine.offset - kept,
            keys: engine.data.keys,
        }
    }

    fn reaches(&self, have: Position) -> bool {
        let within = |end: Position| have.replid == end.replid && have.offset <= end.offset;
        self.backlog_from <= have.offset.0
            && (within(self.position) || self.before.is_some_and(within))
    }
}

/// A shard's outbound half in the agent's memory; its journal is on disk.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    pub(crate) wanted: Option<Source>,
    pub(crate) fence: Fence,
    /// A session belongs to one.
    generation: u64,
    facts: Option<Facts>,
    /// Where an inbound stands that the stream does not reach, and how many said so.
    demand: (u64, Option<Position>),
    answered: u64,
    /// Where the engine's present history stands, when it could not go on.
    fresh: Option<Position>,
    /// Until then a journal is not begun without having heard of an inbound.
    give_up: Option<u64>,
    /// With the engine that was fenced.
    waits_with: Option<Source>,
    pub(crate) open: bool,
    /// The last item that was read.
    pub(crate) end: Option<Position>,
    /// Changes when the history forks or begins anew.
    history: u64,
    /// The engine has said that it goes on with this history.
    confirmed: bool,
    pub(crate) follows: Option<Follows>,
    taking: Option<Taking>,
    /// A snapshot that the engine has begun to send unasked, because it could not go on.
    offer: Option<((usize, u32), Snapshot)>,
    applied: Option<u64>,
    /// An empty source was refused.
    pub(crate) source_empty: bool,
    pub(crate) session: Option<Session>,
    /// It only reads what the journal lacks; an empty one may begin there.
    pub(crate) drain: Option<Option<Position>>,
    /// The history that is drained has this ID from there on.
    forks_at: Option<Position>,
}

/// The connection to the engine.
#[derive(Debug)]
pub(crate) struct Follows {
    pub(crate) engine: (usize, u32),
    pub(crate) pipe: Pipe,
    source: Source,
}

impl Outbound {
    fn stream_begins(&mut self, end: Option<Position>) {
        self.history += 1;
        self.end = end;
        self.confirmed = false;
        self.applied = None;
    }
}

impl World {
    pub(crate) fn outbound(&mut self, r: usize) -> Option<&mut Outbound> {
        self.regions[r].agent.as_mut()?.outbound.as_mut()
    }

    fn journal(&mut self, r: usize) -> Option<&mut Journal> {
        self.regions[r].disk.journal.as_mut()
    }

    /// Serves the shard. Another epoch ends the session, and a fence of another epoch.
    pub(crate) fn serve(&mut self, r: usize, source: Source, facts: Option<Facts>) {
        let Some(agent) = self.regions[r].agent.as_mut() else {
            return;
        };
        // What is told of a shard that is not served is not kept.
        if let (Some(outbound), Some(facts)) = (&mut agent.outbound, facts) {
            outbound.facts = Some(facts);
        }
        let outbound = agent.outbound.get_or_insert_default();
        let before = outbound.wanted.map(|before| before.epoch);
        if before != Some(source.epoch) {
            outbound.fence = Fence::Open;
            outbound.generation += 1;
        }
        outbound.wanted = Some(source);
        outbound.drain = None;
    }

    /// What is served is only read, and nobody is admitted.
    pub(crate) fn only_drain(&mut self, r: usize, from: Option<Position>) {
        if let Some(outbound) = self.outbound(r) {
            outbound.drain = Some(from);
        }
    }

    /// What the planner sees of that.
    pub(crate) fn drained(&self, r: usize) -> Option<Drained> {
        let outbound = self.regions[r].agent.as_ref()?.outbound.as_ref()?;
        let from = outbound.drain?;
        let journal = self.regions[r].disk.journal.as_ref();
        let end = match journal {
            _ if !outbound.open => JournalEnd::Unknown,
            None => JournalEnd::Nowhere,
            Some(journal) => JournalEnd::At(journal.end()),
        };
        Some(Drained { from, end })
    }

    /// Serves nobody; the journal stays.
    pub(crate) fn withdraw(&mut self, r: usize) {
        if let Some(outbound) = self.outbound(r)
            && outbound.wanted.take().is_some()
        {
            outbound.generation += 1;
        }
    }

    /// Ends everything of the shard, and removes its journal.
    pub(crate) fn forget_journal(&mut self, r: usize) {
        self.end_outbound(r);
        if let Some(agent) = self.agent(r) {
            agent.outbound = None;
        }
        self.regions[r].disk.journal = None;
    }

    pub(crate) fn fence(&mut self, r: usize, fence: Fence) {
        if let Some(outbound) = self.outbound(r) {
            outbound.fence = fence;
        }
    }

    /// How far the newest session was sent the stream.
    pub(crate) fn sent(&self, r: usize) -> Option<Position> {
        let outbound = self.regions[r].agent.as_ref()?.outbound.as_ref()?;
        outbound.session?.sent
    }

    /// The engine that listens there.
    fn listens(&self, r: usize, door: Door) -> Option<(usize, &Engine)> {
        let mut nodes = self.regions[r].nodes.iter().enumerate();
        nodes.find_map(|(n, node)| {
            let engine = node.engine.as_ref()?;
            let there = match door {
                Door::Service => engine.at_service,
                Door::Node(node) => node == n && !engine.at_service,
            };
            there.then_some((n, engine))
        })
    }

    /// Does something to a journal, with which goes what nobody else has.
    pub(crate) fn harm_journal(&mut self, r: usize, harm: impl FnOnce(&mut Option<Journal>)) {
        let before = self.journaled(r);
        harm(&mut self.regions[r].disk.journal);
        let gone = before.without(self.journaled(r));
        self.ledger.forget(gone.without(self.held()));
    }

    /// The journal cannot be written: what was read last is missing, and it is opened anew.
    pub(crate) fn fail_journal(&mut self, r: usize) {
        self.close_shelf(r);
        self.tear_journal(r);
    }

    pub(crate) fn tear_journal(&mut self, r: usize) {
        let torn = self.dice.below(6);
        self.harm_journal(r, |journal| {
            if let Some(journal) = journal {
                journal.tear(torn);
            }
        });
    }

    /// What is read back is not what was written, so all of it goes.
    pub(crate) fn damage_journal(&mut self, r: usize) {
        self.close_shelf(r);
        self.harm_journal(r, |journal| *journal = None);
    }

    fn close_shelf(&mut self, r: usize) {
        if let Some(outbound) = self.outbound(r) {
            outbound.open = false;
            outbound.follows = None;
        }
    }

    /// Retention.
    pub(crate) fn trim_journal(&mut self, r: usize) {
        let held = self.journal(r).map_or(0, |journal| journal.len());
        let count = self.dice.below(held + 1);
        self.harm_journal(r, |journal| {
            if let Some(journal) = journal {
                journal.let_go(count);
            }
        });
    }
}
