//! What a region's agent reports to the control plane.

use std::net::{IpAddr, SocketAddr};

use psync::{Offset, Position};
use serde::{Deserialize, Serialize};

use crate::{
    CacheUid, Doors, EngineVersion, Epoch, EventObserved, Receipt, Region, RoleKind, ShardIndex,
    TransferObserved,
};

/// Everything that an agent sees.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionObserved {
    /// The agent's region.
    pub region: Region,
    /// The generation that the agent acts on; 0 before the first.
    pub generation: u64,
    /// Where the other regions' inbound halves reach this agent's outbound halves.
    pub relay_address: Option<SocketAddr>,
    /// The engine that new caches get here; `None` when there is none (see `problem`).
    pub engine: Option<EngineVersion>,
    /// What keeps the agent from working, in a sentence.
    pub problem: Option<String>,
    /// The caches that have something on this host, in the order of their uid.
    pub caches: Vec<CacheObserved>,
    /// What happened lately, oldest first; repeated in the reports of some minutes.
    #[serde(default)]
    pub events: Vec<EventObserved>,
}

/// One cache.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CacheObserved {
    /// Its incarnation.
    pub uid: CacheUid,
    /// The revision of the desired state that is fully applied: nodes up, replicas in step,
    /// settings and keys set.
    pub settled_revision: u64,
    /// The epoch that the agent has adopted and persisted.
    pub epoch: Epoch,
    /// The role that the agent has adopted.
    pub role: RoleKind,
    /// Where clients connect; `None` before it listens, and when it must not.
    pub doors: Option<Doors>,
    /// The engine that its nodes run.
    pub engine: Option<EngineVersion>,
    /// By shard index.
    pub shards: Vec<ShardObserved>,
    /// What keeps the cache from its desired state, in a sentence.
    pub problem: Option<String>,
    /// What the other side of a forced failover did not have, as long as its files are kept.
    #[serde(default)]
    pub lost_writes: Vec<Receipt>,
    /// How far this side came in the latest handoff, and when.
    #[serde(default)]
    pub handoff: Option<HandoffObserved>,
    /// How far it is with the order's transfer, or how that ended.
    #[serde(default)]
    pub transfer: Option<TransferObserved>,
}

/// One side's part of a handoff, on that side's clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandoffObserved {
    /// The handoff.
    pub attempt: u64,
    /// What was done, in order.
    pub steps: Vec<HandoffStepObserved>,
}

/// A step of a handoff that is done.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct HandoffStepObserved {
    /// Which.
    pub step: HandoffStep,
    /// When it was done in the last of the shards, in milliseconds since this side began.
    pub ms: f64,
}

/// The steps of a handoff, in the order that they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HandoffStep {
    /// Geo-primary: client writes wait.
    WritesPaused,
    /// Geo-primary: everything that was taken is on its way to the other side.
    Sent,
    /// Geo-primary: the engine takes no write any more, whatever happens.
    Fenced,
    /// Geo-primary: the barrier is on its way.
    BarrierDeclared,
    /// Geo-secondary: the barrier is there.
    BarrierReceived,
    /// Geo-secondary: everything up to the barrier is applied.
    Applied,
    /// Geo-secondary: the decision is asked for.
    DecisionAsked,
    /// Geo-secondary: it is to be promoted.
    Decided,
    /// Geo-secondary: it takes writes.
    Promoted,
    /// Geo-primary: it follows the other side.
    Followed,
    /// Geo-primary: the handoff was given up, and it takes writes again.
    Resumed,
}

/// One shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardObserved {
    /// The shard.
    pub shard: ShardIndex,
    /// What it can do now.
    pub standing: ShardStanding,
    /// Where its leading node stands.
    pub position: Option<Position>,
    /// Keys in all databases.
    pub keys: u64,
    /// Memory that the engine counts as used, in bytes.
    pub used_memory: u64,
    /// Commands in a second, as the engine averages them.
    pub ops_per_second: u64,
    /// Client connections, without Godwit's own.
    pub clients: u64,
    /// Its nodes, by index.
    pub nodes: Vec<NodeObserved>,
    /// Its half of the link, when linked.
    pub link: Option<LinkObserved>,
    /// Where it took over by force in this epoch.
    #[serde(default)]
    pub fork: Option<Position>,
}

/// What a shard can do now.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ShardStanding {
    /// Its leading node starts, loads, or is being put in its place.
    Starting,
    /// It takes writes.
    Writable,
    /// It is fenced in a handoff and has declared its barrier.
    Yielded {
        /// The handoff.
        attempt: u64,
    },
    /// It follows the geo-primary and is in step.
    Following,
    /// It receives or loads a full sync.
    Syncing,
    /// It is to follow, and has no connection.
    Cut,
    /// Its leading node is alive and does not answer.
    Silent,
    /// No node and no file holds its data any more.
    Lost,
    /// It is to take the primary role and must not: it does not stand where it has to.
    Unpromotable {
        /// Where it stands and where it should.
        why: String,
    },
    /// It is to take writes and holds no lease, so it refuses them.
    Unleased,
    /// The other side took over by force: it takes no writes, and keeps what that side does not
    /// have before it follows.
    Rejoining {
        /// What it does or waits for, in a few words.
        doing: String,
    },
    /// As `Rejoining`, and some of that cannot be kept: a person has to say that it may follow.
    Unsaved {
        /// What cannot be kept, and why.
        why: String,
    },
}

/// One engine process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeObserved {
    /// Its index in the shard.
    pub index: u8,
    /// Its process, when it runs.
    pub pid: Option<u32>,
    /// Where it listens.
    pub address: Option<SocketAddr>,
    /// It is the shard's primary (or the first node of a geo-secondary's shard).
    pub leads: bool,
    /// It is up and, if it is a replica, connected to what it follows.
    pub in_step: bool,
}

/// A shard's half of a link.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct LinkObserved {
    /// Connected to the other half.
    pub connected: bool,
    /// What the half is doing.
    pub activity: LinkActivity,
    /// Stream bytes that the other side has not applied (geo-primary) or that are received and
    /// not applied (geo-secondary).
    pub bytes_behind: u64,
    /// Age of the oldest byte that is not applied, in milliseconds, on the outbound's clock.
    pub lag_ms: Option<f64>,
    /// Round trip between the halves, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// Full syncs begun since the agent started.
    pub full_syncs_started: u64,
    /// Full syncs finished since the agent started.
    pub full_syncs_finished: u64,
    /// Partial resyncs since the agent started.
    pub partial_syncs: u64,
    /// Milliseconds since the last byte or heartbeat from the other half.
    pub silent_ms: Option<u64>,
    /// What went wrong last, in a sentence.
    pub last_error: Option<String>,
    /// The geo-primary's firewall keeps the geo-secondary's agent out: the sentence that says so.
    #[serde(default)]
    pub not_admitted: Option<String>,
    /// From where the other half dialled last, as this side sees it (geo-primary's side).
    #[serde(default)]
    pub peer_address: Option<IpAddr>,
    /// How far the stream has come at each station (geo-primary's side; the geo-secondary's side
    /// tells `shipped` and `applied` of what reached it).
    #[serde(default)]
    pub offsets: OffsetsObserved,
    /// Lags of the last minute (geo-primary's side).
    #[serde(default)]
    pub last_minute: Option<LagObserved>,
    /// Lags of the last hour (geo-primary's side).
    #[serde(default)]
    pub last_hour: Option<LagObserved>,
    /// Bytes wait and none was applied for 10 s: who waits for whom, in a sentence.
    #[serde(default)]
    pub stalled: Option<String>,
    /// The geo-primary is empty, its history is another one, and the geo-secondary holds data: a
    /// person has to say what counts (geo-primary's side).
    #[serde(default)]
    pub source_empty: bool,
    /// What the connection between the regions carried (the sending side counts).
    #[serde(default)]
    pub wire: WireObserved,
    /// The journal (geo-primary's side).
    #[serde(default)]
    pub journal: Option<JournalObserved>,
}

/// Stream offsets of a shard's link, from the geo-primary's engine to the geo-secondary's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OffsetsObserved {
    /// Read from the geo-primary's engine.
    pub received: Option<Offset>,
    /// Written to the journal.
    pub journaled: Option<Offset>,
    /// Handed to the network.
    pub shipped: Option<Offset>,
    /// Applied by the geo-secondary's engine.
    pub applied: Option<Offset>,
}

/// How old writes were when the geo-secondary had applied them, in milliseconds on the outbound's
/// clock.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LagObserved {
    /// Half of them were younger.
    pub p50_ms: f64,
    /// 99 of 100 were younger.
    pub p99_ms: f64,
    /// The oldest.
    pub max_ms: f64,
}

/// What one half put on the connection between the regions, since its agent started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WireObserved {
    /// Names these counts: drawn at random when they began at 0, so that whoever sums them up knows
    /// when they begin anew. 0: an agent of before does not name them.
    #[serde(default)]
    pub count: u64,
    /// Snapshot and stream bytes, before compression.
    pub raw_bytes: u64,
    /// Bytes of frames that carried them, as they were handed to TLS.
    pub sent_bytes: u64,
    /// Of `raw_bytes`, what went uncompressed because compression saved too little.
    pub bypassed_bytes: u64,
    /// That is so right now.
    pub bypassing: bool,
    /// Connections that ended and were made again.
    pub reconnects: u64,
    /// Times that bytes waited and none was applied for 10 s.
    pub stalls: u64,
}

/// A shard's journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JournalObserved {
    /// Stream bytes kept.
    pub bytes: u64,
    /// Age of the oldest of them, in milliseconds.
    pub oldest_ms: Option<u64>,
    /// Bytes of the snapshot kept, or being taken.
    pub snapshot_bytes: u64,
    /// Stream bytes read and not yet written.
    pub queued_bytes: u64,
}

/// What a half of a link is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LinkActivity {
    /// Waits for the other half.
    #[default]
    Waiting,
    /// Moves a snapshot.
    FullSync {
        /// Bytes so far.
        bytes: u64,
        /// All bytes, where the engine tells beforehand.
        total: Option<u64>,
    },
    /// Moves the stream.
    Streaming,
}

impl CacheObserved {
    /// Tells whether every shard's standing passes `test`; false when there are none.
    #[must_use]
    pub fn all_shards(&self, test: impl Fn(&ShardStanding) -> bool) -> bool {
        !self.shards.is_empty() && self.shards.iter().all(|shard| test(&shard.standing))
    }
}
