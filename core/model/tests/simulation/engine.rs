//! A model of one engine process: what it holds, whom it follows, and how it answers `PSYNC`.
//!
//! What it does is what valkey 8 and redis 7 do (`replication.c`): `REPLICAOF` keeps the data and
//! the right to resume, `REPLICAOF NO ONE` begins a new history that continues the old one, a
//! replica without its own upstream serves nobody, and a full sync replaces everything at once.

use std::collections::VecDeque;

use model::shard::{Gate, NodeFacts, Upstream};
use psync::{Offset, Position, ReplicationId};

use crate::dice::mix;

/// The most writes that a run makes.
pub(crate) const WRITES: usize = 256;

/// A set of writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Writes(u128, u128);

impl Writes {
    pub(crate) fn insert(&mut self, write: usize) {
        if write < WRITES / 2 {
            self.0 |= 1 << write;
        } else {
            self.1 |= 1 << (write - WRITES / 2);
        }
    }

    fn has(self, write: usize) -> bool {
        let mut one = Self::default();
        one.insert(write);
        one.without(self).is_empty()
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0, self.1 | other.1)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0, self.1 & !other.1)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0 && self.1 == 0
    }

    pub(crate) fn list(self) -> Vec<usize> {
        (0..WRITES).filter(|write| self.has(*write)).collect()
    }
}

/// A data set: which writes it has, and a digest of their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Data {
    pub(crate) writes: Writes,
    pub(crate) keys: u64,
    pub(crate) digest: u64,
    /// It is what a cache held before it was linked as the secondary: to be erased.
    pub(crate) foreign: bool,
}

impl Data {
    pub(crate) fn put(&mut self, write: usize) {
        self.writes.insert(write);
        self.keys += 1;
        self.digest = mix(self.digest ^ mix(u64::try_from(write).unwrap() + 1));
    }
}

/// One unit of stream; each counts one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item {
    Write(usize),
    /// Removes everything.
    Flush,
    Ping,
}

/// A data set with the position that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) position: Position,
    pub(crate) data: Data,
}

/// What a primary sends to a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Chunk {
    Continue(ReplicationId),
    FullSync,
    Snapshot(Snapshot),
    Item(Item),
}

/// A connection's bytes under way. What was sent before it broke may still arrive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pipe {
    pub(crate) chunks: VecDeque<Chunk>,
    pub(crate) closed: bool,
}

/// Whom an engine was told to follow, by address: one that is not in use any more is somebody
/// unknown to the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Address {
    Inbound(u32),
    Node { node: usize, at_service: bool },
}

/// The state of the connection to the upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Following {
    Down,
    Asked,
    Syncing,
    Up,
}

#[derive(Debug, Clone)]
pub(crate) struct Engine {
    /// Tells one process from the next in the same place.
    pub(crate) life: u32,
    pub(crate) upstream: Option<Address>,
    pub(crate) following: Following,
    pub(crate) input: Option<Pipe>,
    pub(crate) replid: ReplicationId,
    /// The history before, and where it ended.
    pub(crate) second: Option<(ReplicationId, u64)>,
    pub(crate) offset: u64,
    /// The last items, up to `offset`.
    pub(crate) backlog: VecDeque<Item>,
    pub(crate) data: Data,
    /// It asks to continue where it stands; otherwise for everything.
    pub(crate) resumable: bool,
    pub(crate) loading: Option<Snapshot>,
    pub(crate) paused_until: u64,
    pub(crate) pings: bool,
    pub(crate) gate: Gate,
    pub(crate) at_service: bool,
    /// Stopped by a signal: alive, and nothing moves.
    pub(crate) silent: bool,
    /// It was a primary since it last heard of an upstream.
    pub(crate) originates: bool,
}

impl Engine {
    pub(crate) fn new(life: u32, replid: ReplicationId, upstream: Option<Address>) -> Self {
        Self {
            life,
            upstream,
            following: Following::Down,
            input: None,
            replid,
            second: None,
            offset: 0,
            backlog: VecDeque::new(),
            data: Data::default(),
            resumable: false,
            loading: None,
            paused_until: 0,
            pings: true,
            gate: Gate::Open,
            at_service: false,
            silent: false,
            originates: upstream.is_none(),
        }
    }

    pub(crate) fn position(&self) -> Position {
        Position::new(self.replid, Offset(self.offset))
    }

    /// It executes a client's write that reaches it.
    pub(crate) fn accepts_writes(&self, now: u64) -> bool {
        self.at_service
            && self.upstream.is_none()
            && self.gate == Gate::Open
            && !self.silent
            && self.loading.is_none()
            && now >= self.paused_until
    }

    pub(crate) fn append(&mut self, item: Item, backlog: usize) {
        self.offset += 1;
        self.backlog.push_back(item);
        while self.backlog.len() > backlog {
            self.backlog.pop_front();
        }
        match item {
            Item::Write(write) => self.data.put(write),
            Item::Flush => {
                self.data = Data {
                    digest: mix(self.data.digest),
                    ..Data::default()
                };
            }
            Item::Ping => {}
        }
    }

    /// The answer to `PSYNC`; none while it cannot serve.
    pub(crate) fn answer(&self, have: Option<Position>) -> Option<VecDeque<Chunk>> {
        let upstream_down = self.upstream.is_some() && self.following != Following::Up;
        if self.silent || self.loading.is_some() || upstream_down {
            return None;
        }
        let resumes = have.filter(|have| {
            let known = have.replid == self.replid
                || self
                    .second
                    .is_some_and(|(id, end)| id == have.replid && have.offset.0 <= end);
            let kept = u64::try_from(self.backlog.len()).unwrap();
            known && have.offset.0 <= self.offset && have.offset.0 + kept >= self.offset
        });
        Some(match resumes {
            Some(have) => {
                let missing = usize::try_from(self.offset - have.offset.0).unwrap();
                let tail = self.backlog.iter().skip(self.backlog.len() - missing);
                std::iter::once(Chunk::Continue(self.replid))
                    .chain(tail.map(|item| Chunk::Item(*item)))
                    .collect()
            }
            None => VecDeque::from([
                Chunk::FullSync,
                Chunk::Snapshot(Snapshot {
                    position: self.position(),
                    data: self.data,
                }),
            ]),
        })
    }

    /// `REPLICAOF`; false when nothing changes.
    pub(crate) fn follow(&mut self, address: Address) -> bool {
        if self.upstream == Some(address) {
            return false;
        }
        if self.upstream.is_none() {
            self.resumable = true;
        }
        self.upstream = Some(address);
        self.following = Following::Down;
        self.input = None;
        self.pings = true;
        true
    }

    /// `REPLICAOF NO ONE`; false when nothing changes.
    pub(crate) fn stand_alone(&mut self, replid: ReplicationId) -> bool {
        if self.upstream.is_none() {
            return false;
        }
        self.upstream = None;
        self.following = Following::Down;
        self.input = None;
        self.second = Some((self.replid, self.offset));
        self.replid = replid;
        self.resumable = false;
        self.originates = true;
        true
    }

    pub(crate) fn facts(&self, upstream: Option<Upstream>, paused: bool) -> NodeFacts {
        let loading = self.loading.is_some();
        NodeFacts {
            upstream,
            link_up: self.following == Following::Up && !loading,
            syncing: self.following == Following::Syncing,
            loading,
            position: self.position(),
            before: self.second.map(|(id, end)| Position::new(id, Offset(end))),
            backlog_from: Some(Offset(
                self.offset - u64::try_from(self.backlog.len()).unwrap(),
            )),
            keys: self.data.keys,
            at_service_address: self.at_service,
            paused,
            gate: self.gate,
        }
    }

    /// Every write that it has and is not about to lose to a full sync.
    pub(crate) fn kept(&self) -> Writes {
        let announced = self.input.as_ref().is_some_and(|input| {
            let full = |chunk: &Chunk| matches!(chunk, Chunk::FullSync | Chunk::Snapshot(_));
            input.chunks.iter().any(full)
        });
        let syncs = self.upstream.is_some() && (announced || !self.resumable);
        if syncs {
            Writes::default()
        } else {
            self.held()
        }
    }

    /// Every write that it has, or is about to have.
    pub(crate) fn held(&self) -> Writes {
        let loading = self.loading.map(|snapshot| snapshot.data.writes);
        self.data.writes.with(loading.unwrap_or_default())
    }
}
