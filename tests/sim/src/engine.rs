//! A model of an engine, on a host of its own that outlives its agent: a history of numbered writes,
//! the fences that the real ones have, and the same answers.
//!
//! A unit of its stream is one offset long. It keeps its whole history, so that its offset is the
//! number of its units. Moments are counted from the beginning of the run.

use std::{collections::BTreeSet, time::Duration};

use psync::{Offset, Position, ReplicationId};
use serde::{Deserialize, Serialize};

/// One unit of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    Write(u64),
    Ping,
}

/// The engine's answer to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Written {
    Yes,
    /// It waits for the end of a pause, and is given up by the client: it was not done.
    Paused,
    /// A replica, or a primary without enough good replicas.
    Refused,
}

/// What an agent sees of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Info {
    pub(crate) follows: bool,
    pub(crate) link_up: bool,
    pub(crate) position: Position,
    pub(crate) before: Option<Position>,
    pub(crate) keys: u64,
    /// `min-replicas-to-write`, as a gate.
    pub(crate) gate: GateSetting,
}

/// `min-replicas-to-write`: none, one more than there are, more than there can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum GateSetting {
    Open,
    Leased,
    Shut,
}

/// `min-replicas-max-lag`, with the second that is rounded down and the one between two looks.
const MAX_LAG: Duration = Duration::from_secs(4);

/// A running engine.
#[derive(Debug, Clone)]
pub(crate) struct Engine {
    replid: ReplicationId,
    before: Option<Position>,
    units: Vec<Unit>,
    follows: bool,
    /// The feed that it takes units from, while it is connected.
    feed: Option<u64>,
    paused_until: Option<Duration>,
    gate: GateSetting,
    acknowledged: Option<Duration>,
}

impl Engine {
    pub(crate) fn new(replid: ReplicationId, follows: bool) -> Self {
        Self {
            replid,
            before: None,
            units: Vec::new(),
            follows,
            feed: None,
            paused_until: None,
            gate: GateSetting::Open,
            acknowledged: None,
        }
    }

    pub(crate) fn position(&self) -> Position {
        Position::new(self.replid, Offset(self.units.len() as u64))
    }

    pub(crate) fn info(&self) -> Info {
        Info {
            follows: self.follows,
            link_up: self.feed.is_some(),
            position: self.position(),
            before: self.before,
            keys: self.held().len() as u64,
            gate: self.gate,
        }
    }

    /// The writes that it has.
    pub(crate) fn held(&self) -> BTreeSet<u64> {
        writes(&self.units)
    }

    /// The writes behind an offset.
    pub(crate) fn held_behind(&self, offset: Offset) -> BTreeSet<u64> {
        let from = usize::try_from(offset.0).unwrap_or(usize::MAX);
        writes(self.units.get(from..).unwrap_or_default())
    }

    /// Tells whether a client's write would be taken.
    pub(crate) fn takes_writes(&self, now: Duration) -> bool {
        let good = match self.gate {
            GateSetting::Open => true,
            GateSetting::Leased => self.acknowledged.is_some_and(|at| now - at < MAX_LAG),
            GateSetting::Shut => false,
        };
        !self.follows && good && self.paused_until.is_none_or(|until| until <= now)
    }

    pub(crate) fn write(&mut self, write: u64, now: Duration) -> Written {
        if self.takes_writes(now) {
            self.units.push(Unit::Write(write));
            return Written::Yes;
        }
        let paused = self.paused_until.is_some_and(|until| until > now);
        if paused && !self.follows {
            Written::Paused
        } else {
            Written::Refused
        }
    }

    /// A primary pings its replicas, unless an agent asked it not to.
    pub(crate) fn ping(&mut self, now: Duration) {
        if !self.follows && self.paused_until.is_none_or(|until| until <= now) {
            self.units.push(Unit::Ping);
        }
    }

    pub(crate) fn pause(&mut self, until: Option<Duration>) {
        self.paused_until = until;
    }

    pub(crate) fn set_gate(&mut self, gate: GateSetting) {
        self.gate = gate;
    }

    /// A replica connection of the agent's own acknowledges.
    pub(crate) fn acknowledge(&mut self, now: Duration) {
        self.acknowledged = Some(now);
    }

    pub(crate) fn follow(&mut self) {
        if !self.follows {
            self.follows = true;
            self.feed = None;
        }
    }

    /// `REPLICAOF NO ONE`: a history of its own begins here.
    pub(crate) fn stand_alone(&mut self, replid: ReplicationId) {
        if self.follows {
            self.before = Some(self.position());
            self.replid = replid;
            self.follows = false;
            self.feed = None;
        }
    }

    /// Where somebody who stands at `have` goes on in this history, if it does.
    pub(crate) fn continues(&self, have: Position) -> Option<Position> {
        let here = self.position();
        let same = have.replid == here.replid && have.offset <= here.offset;
        let earlier = self
            .before
            .is_some_and(|fork| have.replid == fork.replid && have.offset <= fork.offset);
        (same || earlier).then(|| Position::new(here.replid, have.offset))
    }

    /// Units behind an offset.
    pub(crate) fn units_behind(&self, offset: Offset) -> Vec<Unit> {
        let from = usize::try_from(offset.0).unwrap_or(usize::MAX);
        self.units.get(from..).unwrap_or_default().to_vec()
    }

    /// A feed goes on from where the engine is, or replaces what it has.
    pub(crate) fn begin_feed(
        &mut self,
        feed: u64,
        from: Position,
        whole: Option<Vec<Unit>>,
    ) -> bool {
        if !self.follows {
            return false;
        }
        match whole {
            Some(units) => {
                self.units = units;
                self.before = None;
            }
            None if from.offset != self.position().offset => return false,
            None if from.replid != self.replid => self.before = Some(self.position()),
            None => {}
        }
        self.replid = from.replid;
        self.feed = Some(feed);
        true
    }

    pub(crate) fn take(&mut self, feed: u64, units: &[Unit]) -> bool {
        let takes = self.follows && self.feed == Some(feed);
        if takes {
            self.units.extend_from_slice(units);
        }
        takes
    }

    pub(crate) fn end_feed(&mut self, feed: u64) {
        if self.feed == Some(feed) {
            self.feed = None;
        }
    }
}

fn writes(units: &[Unit]) -> BTreeSet<u64> {
    let written = units.iter().filter_map(|unit| match unit {
        Unit::Write(write) => Some(*write),
        Unit::Ping => None,
    });
    written.collect()
}
