//! One state of the search: what is on disk, in memory, in the engines and under way.

/// Shards at most.
pub(crate) const SHARDS: usize = 2;
/// The agent is about to look at a shard; otherwise it is at that step of its plan.
pub(crate) const LOOK: u8 = u8::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct State {
    /// The store: the link's record, its version, and what each side is to be.
    pub(crate) record: u16,
    pub(crate) version: u8,
    pub(crate) desired: [u16; 2],
    /// The control plane's memory: what it heard, and what it is about to commit at which version.
    pub(crate) heard: [u16; 2],
    pub(crate) planned: Option<(u8, u16)>,
    pub(crate) sides: [Side; 2],
    pub(crate) late: Late,
    pub(crate) ledger: Ledger,
    pub(crate) left: Left,
}

/// A region: its agent's disk, its agent, and its engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Side {
    pub(crate) order: u16,
    pub(crate) epoch: u8,
    pub(crate) memory: [u16; SHARDS],
    pub(crate) agent: Agent,
    pub(crate) engines: [Engine; SHARDS],
}

/// What an agent has in memory; a crash leaves the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Agent {
    /// The order that it acts on; 0 before the first look.
    pub(crate) order: u16,
    pub(crate) shard: u8,
    pub(crate) at: u8,
    pub(crate) plan: u16,
    /// What the look saw of the shards that it has passed.
    pub(crate) seen: [u16; SHARDS],
    pub(crate) ready: [Option<(u8, Place)>; SHARDS],
    /// The report that it makes.
    pub(crate) board: u16,
    pub(crate) halves: [Half; SHARDS],
}

impl Default for Agent {
    fn default() -> Self {
        Self {
            order: 0,
            shard: 0,
            at: LOOK,
            plan: 0,
            seen: [0; SHARDS],
            ready: [None; SHARDS],
            board: 0,
            halves: [Half::default(); SHARDS],
        }
    }
}

/// Both halves of a shard's link, as one agent has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Half {
    /// Outbound: the epoch that is served; 0: none.
    pub(crate) serves: u8,
    pub(crate) fence: Fence,
    /// Outbound: the other half is connected, and
    /// how far it was sent the stream.
    pub(crate) session: Option<u8>,
    /// Inbound: the epoch at which it follows; 0: it holds.
    pub(crate) target: u8,
    pub(crate) barrier: Option<(u8, Place)>,
    /// How far it is with saving what the other side of a forced failover lacks.
    pub(crate) saving: Saving,
    /// The agent believes that its pause of the engine's clients lasts.
    pub(crate) paused: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Fence {
    #[default]
    Open,
    Expected,
    Declared(u8, Place),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Saving {
    #[default]
    Idle,
    /// The outbound half reads what its journal lacks.
    Drains,
    Done,
}

/// A position: history and offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Place {
    pub(crate) history: u8,
    pub(crate) offset: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Engine {
    /// `REPLICAOF` its own inbound half; otherwise it is a primary.
    pub(crate) follows: bool,
    pub(crate) paused: bool,
    pub(crate) shut: bool,
    pub(crate) history: u8,
    /// The history before, and where it ended.
    pub(crate) before: Option<Place>,
    /// The writes that it has, in order.
    pub(crate) log: Log,
    /// It has been connected to the other side since it last led.
    pub(crate) follower: bool,
    /// It is fenced, and what the other side has not got of it is in no journal.
    pub(crate) dry: bool,
    /// Its session has ended, and what was handed to it up to here may still be applied.
    pub(crate) tail: Option<u8>,
    /// The handoff whose barrier may have been sent, until it leads or follows.
    pub(crate) declared: u8,
}

impl Engine {
    pub(crate) fn place(&self) -> Place {
        Place {
            history: self.history,
            offset: self.log.len,
        }
    }

    pub(crate) fn takes_writes(&self) -> bool {
        !self.follows && !self.paused && !self.shut
    }
}

/// Up to four writes in order; each is a number from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Log {
    writes: u16,
    pub(crate) len: u8,
}

impl Log {
    pub(crate) fn push(&mut self, write: u8) {
        self.writes |= u16::from(write) << (4 * self.len);
        self.len += 1;
    }

    pub(crate) fn at(self, offset: u8) -> u8 {
        u8::try_from((self.writes >> (4 * offset)) & 15).unwrap()
    }

    /// As a set.
    pub(crate) fn set(self) -> u8 {
        self.behind(0)
    }

    /// The writes behind an offset, as a set.
    pub(crate) fn behind(self, offset: u8) -> u8 {
        (offset..self.len).fold(0, |set, at| set | 1 << self.at(at))
    }
}

/// Messages that are held up: each arrives at any later moment, any number of times, or never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Late {
    pub(crate) reports: [u16; 2],
    pub(crate) orders: [u16; 2],
    /// A request for the decision: its handoff and barriers.
    pub(crate) request: Option<(u8, [Place; SHARDS])>,
}

/// What really happened; nobody in the model can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Ledger {
    /// Acknowledged writes of each shard, as sets.
    pub(crate) acknowledged: [u8; SHARDS],
    pub(crate) writes: u8,
    pub(crate) histories: u8,
    /// How each handoff ended.
    pub(crate) ends: [End; 4],
    /// Who is primary at each epoch, by bit.
    pub(crate) owners: u8,
    pub(crate) forced: bool,
    /// Writes that are in a receipt, as a set.
    pub(crate) saved: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum End {
    #[default]
    Open,
    Aborted,
    Promoted,
    Forced,
}

/// What may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Left {
    pub(crate) writes: u8,
    /// Failovers that a person asks for.
    pub(crate) attempts: u8,
    /// Of those, forced ones.
    pub(crate) forces: u8,
    /// Crashes of agents and of the control plane.
    pub(crate) crashes: u8,
    /// Messages that are held up.
    pub(crate) late: u8,
    /// Times that the connection between the halves breaks.
    pub(crate) cuts: u8,
}

/// Epochs, attempts and offsets are small here.
pub(crate) fn small(number: u64) -> u8 {
    number.try_into().unwrap()
}
