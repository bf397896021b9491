//! What a region's agent reports to the control plane.

use std::net::SocketAddr;

use psync::{Offset, Position};
use serde::{Deserialize, Serialize};

use crate::{CacheUid, EngineVersion, Epoch, EventObserved, Region, RoleKind, ShardIndex};

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
    /// Where clients reach the cache.
    pub endpoint: Option<SocketAddr>,
    /// The engine that its nodes run.
    pub engine: Option<EngineVersion>,
    /// By shard index.
    pub shards: Vec<ShardObserved>,
    /// What keeps the cache from its desired state, in a sentence.
    pub problem: Option<String>,
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
}

/// What a shard can do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
