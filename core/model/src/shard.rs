//! How one shard gets from what it is to what it should be: a pure planner for the agent.
//!
//! In go the desired role, what the agent remembers on disk, and what it sees of the shard's nodes
//! and of its half of the link. Out come the next steps, in order, and the standing to report. The
//! agent carries the steps out, looks again, and asks again; a step that fails is simply planned
//! again. Whatever must not be forgotten is a [`Step::Remember`] before the step that relies on it.
//!
//! Invariants kept here:
//! - A node is started empty only when the shard was never founded, when the cache is alone and no
//!   node holds data, when it is to be a replica, or by the control plane's word (`accept_empty`),
//!   which counts once.
//! - A shard is called lost only when nothing that is under way can bring its data back.
//! - Whenever the outbound half may have been told of a fence, the stance says so.
//! - A replica is promoted only as the dead leader's heir, at its barrier, to take back a fence of
//!   its own, when the link ends, when a role is given back (`Standing::AsFound`), or by force; and
//!   to be read, with its gate shut.
//! - A fence whose barrier may have been sent is lifted only by a new desired role.
//! - Where a shard took over by force is on disk before it takes a write there.
//! - What the other side of a forced failover lacks is saved before anything follows that side.
//! - A data set from outside takes the place of the shard's own as a whole, in one write to the disk.

mod installing;
mod leadership;
mod plan;
mod rejoin;
mod saving;

pub use installing::{Installed, Staged, has_installed};
pub use plan::{fork_of, plan};
pub use rejoin::holds_still;
pub use saving::{Drained, JournalEnd, Saving};

use psync::{Backlog, Offset, Position, ReplicationId};
use serde::{Deserialize, Serialize};

use crate::{Epoch, GeoRole, ShardIndex, ShardStanding};

/// What an agent keeps on disk about a shard.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct ShardMemory {
    /// The node that is the shard's primary (or, on a geo-secondary, its first node).
    pub leader: u8,
    /// A node was started once: from then on an absent data set is a lost one.
    pub founded: bool,
    /// What the leader was last told to be.
    pub stance: Stance,
    /// The leader's replication IDs, the present one first, then the one before it.
    pub lineage: Vec<ReplicationId>,
    /// The leader was told to begin a history whose ID is not in `lineage` yet.
    #[serde(default)]
    pub unsettled: bool,
    /// The node whose directory holds the snapshot of an orderly stop, not loaded yet.
    pub saved: Option<u8>,
    /// The last epoch whose word to start empty (`accept_empty`) is used up: a leader was up.
    #[serde(default)]
    pub emptied: Option<Epoch>,
    /// Where it took over by force, and at which epoch.
    #[serde(default)]
    pub fork: Option<(Epoch, Position)>,
    /// The last epoch at which the other side took over by force and that this shard has seen to:
    /// what the other side does not have is kept.
    #[serde(default)]
    pub rejoined: Option<Epoch>,
    /// The last data set from outside that took the place of its own.
    #[serde(default)]
    pub installed: Option<Installed>,
}

impl ShardMemory {
    /// What an agent that is started again takes from its disk. The one before it may have declared
    /// the barrier of a fence, and ended before it wrote that down.
    #[must_use]
    pub fn recalled(mut self) -> Self {
        if let Stance::Fenced { declared, .. } = &mut self.stance {
            *declared = true;
        }
        self
    }
}

/// What a shard's leader was last told to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Stance {
    /// To take writes.
    #[default]
    Primary,
    /// To take none, in a handoff: from now on, or as soon as the other side is nearly in step.
    Fenced {
        /// The handoff.
        attempt: u64,
        /// The barrier may have been sent: only the control plane can say what comes next. What is
        /// on disk says so later than it is: see [`ShardMemory::recalled`].
        declared: bool,
    },
    /// To follow the other region.
    Follower,
}

/// Whom a node follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Upstream {
    /// The inbound half of the link.
    Inbound,
    /// Another node of the shard.
    Node(u8),
    /// Somebody unknown: an address of an earlier run.
    Elsewhere,
}

/// What is seen of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeView {
    /// No process.
    Down,
    /// A process that does not answer.
    Silent,
    /// A process that answers.
    Up(NodeFacts),
}

/// A node's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct NodeFacts {
    /// Whom it follows; `None`: it is a primary.
    pub upstream: Option<Upstream>,
    /// Connected to what it follows, and past any full sync.
    pub link_up: bool,
    /// Receiving a full sync.
    pub syncing: bool,
    /// Loading a snapshot into memory.
    pub loading: bool,
    /// Where it stands.
    pub position: Position,
    /// The last byte of the history before the present one, when it knows one.
    pub before: Option<Position>,
    /// The last byte before those that its backlog has; `None` without a backlog.
    pub backlog_from: Option<Offset>,
    /// Keys in all databases.
    pub keys: u64,
    /// It listens where the cache's clients connect.
    pub at_service_address: bool,
    /// Its writes are paused by this agent.
    pub paused: bool,
    /// Which client writes it takes.
    pub gate: Gate,
}

impl NodeFacts {
    /// Tells whether a replica could go on behind `have`, if this were a primary.
    #[must_use]
    pub fn reaches(&self, have: &Position) -> bool {
        let backlog = Backlog {
            position: self.position,
            before: self.before,
            from: self.backlog_from,
        };
        backlog.reaches(have)
    }
}

/// Which client writes a primary takes (`min-replicas-to-write`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Gate {
    /// All.
    #[default]
    Open,
    /// All, for as long as the agent keeps acknowledging like a replica.
    Leased,
    /// None.
    Shut,
}

/// What is seen of the shard's half of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct LinkView {
    /// Outbound: how far the connected other half has been sent the stream.
    pub sent: Option<Position>,
    /// Outbound: the other side has so much to apply that a pause would be a long one.
    pub lags: bool,
    /// Inbound: the barrier that arrived, with its handoff.
    pub barrier: Option<(u64, Position)>,
    /// Inbound: it followed nobody any more before the nodes were looked at, so that a leader whose
    /// link is down has all that it will ever get.
    pub held: bool,
    /// Outbound: it reads what its journal lacks, and serves nobody.
    pub drained: Option<Drained>,
}

/// Everything that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The shard.
    pub shard: ShardIndex,
    /// What the cache is to be.
    pub role: &'a GeoRole,
    /// Replicas of the shard's primary.
    pub replicas: u8,
    /// What the agent remembers.
    pub memory: &'a ShardMemory,
    /// The nodes, by index; one that was never made is `Down`.
    pub nodes: &'a [NodeView],
    /// The shard's half of the link.
    pub link: LinkView,
    /// The agent holds the lease that the link asks a geo-primary for; `None`: none is asked for.
    pub lease: Option<bool>,
    /// How far the agent is with saving what the other side of the latest forced failover lacks.
    pub saving: Saving<'a>,
    /// A node beside these that has loaded the data set that is to take the place of the shard's.
    pub staged: Option<Staged<'a>>,
}

/// One thing to do. Each is safe to do twice.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Write to disk, durably, before anything else.
    Remember(ShardMemory),
    /// Start a node's process.
    Start {
        /// The node.
        node: u8,
        /// Whom it follows from the start.
        upstream: Option<Upstream>,
        /// Load the snapshot of the last orderly stop; otherwise it starts empty.
        saved: bool,
        /// Listen where clients connect.
        at_service_address: bool,
    },
    /// Stop a node that is not wanted any more, and remove its files.
    Retire {
        /// The node.
        node: u8,
    },
    /// Take a staged node among the nodes, as the leader, and listen where it does: what it holds is
    /// the shard's data set from the moment that this memory is on disk.
    Install {
        /// The node.
        node: u8,
        /// What to write, together with where it listens.
        memory: ShardMemory,
    },
    /// `REPLICAOF` somebody.
    Follow {
        /// The node.
        node: u8,
        /// Whom.
        upstream: Upstream,
    },
    /// `REPLICAOF NO ONE`.
    StandAlone {
        /// The node.
        node: u8,
    },
    /// Listen where clients connect.
    TakeServiceAddress {
        /// The node.
        node: u8,
    },
    /// Pause client writes.
    Pause {
        /// The node.
        node: u8,
    },
    /// Take over whichever pause a client asked for: while one of all commands lasts, the engine
    /// answers nobody, and cannot be fenced.
    TakePauseOver {
        /// The node.
        node: u8,
    },
    /// Set which client writes a node takes.
    SetGate {
        /// The node.
        node: u8,
        /// Which.
        gate: Gate,
    },
    /// Let clients go on.
    Resume {
        /// The node.
        node: u8,
    },
    /// Tell the outbound half that its engine is about to drop it, and to keep the other half.
    ExpectFence,
    /// Give the outbound half the barrier to send.
    DeclareBarrier {
        /// The handoff.
        attempt: u64,
        /// The final position.
        position: Position,
    },
    /// Tell the outbound half that there is no fence.
    LiftFence,
    /// Have the outbound half read what its journal lacks, from the leader, and serve nobody.
    Drain,
    /// Close the journal, and save what it holds behind a position.
    SaveLost {
        /// The epoch at which the other side took over.
        at: Epoch,
        /// Where it took over.
        from: Position,
        /// Where the shard's last engine stands; `None`: there is none.
        to: Option<Position>,
        /// A person has said to go on with what there is.
        incomplete: bool,
    },
}

/// What to do next, and what to report meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Plan {
    /// In this order; the first failure ends it.
    pub steps: Vec<Step>,
    /// What the shard can do now.
    pub standing: ShardStanding,
    /// The barrier that is applied, with its handoff: the shard is ready to be promoted.
    pub ready: Option<(u64, Position)>,
}

#[cfg(test)]
mod tests;
