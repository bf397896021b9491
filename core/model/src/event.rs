//! What happened on a link, as people are told it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{LinkId, ShardIndex, Timestamp};

/// One event of one agent. `(boot, sequence)` names it: a report that is made twice tells it once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventObserved {
    /// Drawn when the agent's process started.
    pub boot: u64,
    /// Counts the events of that process, from 1.
    pub sequence: u64,
    /// When it happened, on the agent's clock.
    pub at: Timestamp,
    /// The link.
    pub link: LinkId,
    /// The shard, when it is one shard's.
    pub shard: Option<ShardIndex>,
    /// What happened.
    pub kind: EventKind,
    /// What exactly and why, in a sentence.
    pub text: String,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum EventKind {
    /// A full sync of the geo-secondary began; the text says why it was needed.
    FullSyncStarted,
    /// The geo-secondary has loaded it.
    FullSyncFinished,
    /// A snapshot was taken from a node of the geo-primary.
    SnapshotTaken,
    /// Bytes wait and none was applied for a while; the text says who waits for whom.
    Stalled,
    /// A stall is over.
    StallEnded,
    /// The other half went away.
    Disconnected,
    /// The other half is back.
    Connected,
    /// Somebody without the right to was turned away.
    PeerRefused,
    /// The journal failed, and the shard is not replicated until it works again.
    JournalFailed,
    /// The journal does not reach back to where the geo-secondary stands.
    JournalOutrun,
    /// Every copy of the geo-primary's data is gone.
    SourceLost,
    /// A step of a handoff is done; the text says which, and after how long.
    HandoffStep,
    /// A shard took over by force; the text says where.
    TookOver,
    /// A newer epoch is known, and no client write is taken any more.
    WritesRefused,
    /// What the other side of a forced failover does not have is on disk; the text says how much.
    LostWritesSaved,
    /// The other side of a forced failover has everything.
    NothingLost,
    /// Some of what the other side of a forced failover does not have cannot be saved.
    LostWritesUnsaved,
    /// Lost writes were discarded at a person's word.
    LostWritesDiscarded,
    /// The geo-primary holds no lease and refuses writes.
    LeaseLost,
    /// It holds one again.
    LeaseHeld,
    /// A primary's place was taken inside the region: it had died, or is restarted.
    RegionFailover,
    /// A node was restarted because somebody wanted it, or for a newer engine.
    NodeRestarted,
    /// No further node is restarted; the text says why.
    RestartsStopped,
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
