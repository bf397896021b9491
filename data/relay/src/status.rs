//! What can be seen of the two halves.

use std::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use model::{Epoch, Timestamp};
use psync::{Offset, Position};
use tokio::sync::watch;
use wire::Barrier;

use crate::{
    LagSpread, Peer,
    outbound::{Drain, Fence},
};

/// What a half is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// Nobody is connected.
    #[default]
    Idle,
    /// Inbound: the engine asked to follow and is kept waiting, because of [`crate::Inbound::hold`].
    /// Outbound: the other half is kept waiting, because of a fence without a barrier.
    Waiting,
    /// Reaches for the other half, or for the engine behind it.
    Connecting,
    /// Moves a snapshot, or waits until the geo-secondary's engine has loaded it.
    FullSync {
        /// Bytes of the snapshot moved.
        moved_bytes: u64,
        /// All bytes of it, when the primary told beforehand.
        total_bytes: Option<u64>,
    },
    /// Moves the stream, or stands at a barrier.
    Streaming,
}

/// Counted since the shard was first served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Full syncs that began.
    pub full_syncs_started: u64,
    /// Full syncs that the geo-secondary's engine has loaded.
    pub full_syncs_finished: u64,
    /// Sessions that went on where the last one ended.
    pub partial_syncs: u64,
    /// Snapshot and stream bytes moved.
    pub bytes: u64,
}

/// What went over the connection between the regions since the shard was first served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Names these counts: drawn at random when the shard was first served.
    pub count: u64,
    /// Snapshot and stream bytes, before compression.
    pub raw_bytes: u64,
    /// Bytes of the frames that carried them.
    pub sent_bytes: u64,
    /// Of `raw_bytes`, those that went uncompressed because compression saved too little.
    pub bypassed_bytes: u64,
    /// The last frame was one of those.
    pub bypassing: bool,
    /// Sessions after the first.
    pub reconnects: u64,
    /// Times that bytes waited and none was applied for 10 s.
    pub stalls: u64,
}

/// The outbound half of a shard. Values of a session are `None` when there is no session; what is
/// read, journaled and applied is known without one.
#[derive(Debug, Clone)]
pub struct OutboundStatus {
    /// The epoch that is served.
    pub epoch: Epoch,
    /// The inbound that is connected.
    pub peer: Option<SocketAddr>,
    /// From where the agent dialled last that may follow the shard, admitted or not.
    pub seen_from: Option<IpAddr>,
    /// The firewall does not admit that address: the sentence that says so.
    pub not_admitted: Option<String>,
    /// What happens now.
    pub phase: Phase,
    /// Since when the phase is what it is (progress within a full sync is no change).
    pub since: Timestamp,
    /// The last stream byte read from the geo-primary's engine.
    pub read: Option<Position>,
    /// How far the journal is written.
    pub journaled: Option<Offset>,
    /// It is only read to its end, and nobody is admitted.
    pub drain: Option<Drain>,
    /// The journal was opened for what is wanted now, so that `journaled` tells all of it.
    pub looked: bool,
    /// The last stream byte handed to the WAN; `None` while a snapshot moves.
    pub sent: Option<Position>,
    /// How far the inbound has handed the stream to its engine (reported twice a second).
    pub received: Option<Offset>,
    /// How far the geo-secondary's engine has applied the stream.
    pub applied: Option<Offset>,
    /// The fence, as asked for.
    pub fence: Fence,
    /// The barrier that was sent in this session.
    pub barrier_sent: Option<Barrier>,
    /// Age of the oldest byte that is not known to be applied. An engine acknowledges once a
    /// second, or when asked to; between that only [`crate::Inbound::note_applied`] makes it finer.
    pub lag: Option<Duration>,
    /// Lags of the last minute.
    pub last_minute: Option<LagSpread>,
    /// Lags of the last hour.
    pub last_hour: Option<LagSpread>,
    /// Bytes wait and none was applied for 10 s: who waits for whom.
    pub stalled: Option<String>,
    /// Round trip between the halves, bytes that wait on the way included.
    pub round_trip: Option<Duration>,
    /// Time since anything was heard of the inbound.
    pub silent: Option<Duration>,
    /// Keys that the geo-secondary said it holds.
    pub keys_held: Option<u64>,
    /// What happened so far.
    pub counters: Counters,
    /// What went over the connection so far.
    pub traffic: Traffic,
    /// Stream bytes in the journal.
    pub journal_bytes: u64,
    /// Age of the oldest of them.
    pub journal_oldest: Option<Duration>,
    /// Bytes of the snapshot that is kept, or being taken.
    pub snapshot_bytes: u64,
    /// Stream bytes that were read and wait for the journal.
    pub queued_bytes: u64,
    /// The geo-primary is empty, its history is another one, and the geo-secondary holds data: a
    /// person has to say what counts.
    pub source_empty: bool,
    /// Why there is no stream, in a sentence; `None` once it flows.
    pub last_error: Option<String>,
}

/// The inbound half of a shard. Values of a session are `None` when there is no session.
#[derive(Debug, Clone)]
pub struct InboundStatus {
    /// The outbound that is to be followed; `None` while held.
    pub following: Option<Peer>,
    /// The engine that is connected.
    pub engine: Option<SocketAddr>,
    /// Connected to the outbound.
    pub connected: bool,
    /// The geo-primary's firewall does not admit this side: the sentence that says so.
    pub not_admitted: Option<String>,
    /// What happens now.
    pub phase: Phase,
    /// Since when the phase is what it is (progress within a full sync is no change).
    pub since: Timestamp,
    /// The last stream byte handed to the engine; `None` while a snapshot moves.
    pub received: Option<Position>,
    /// How far the engine has applied the stream.
    pub applied: Option<Offset>,
    /// The barrier that arrived. It stays after the session's end, until the next session begins
    /// or the target changes.
    pub barrier: Option<Barrier>,
    /// The lag as the outbound measures it.
    pub lag: Option<Duration>,
    /// Round trip between the halves, bytes that wait on the way included.
    pub round_trip: Option<Duration>,
    /// Time since anything was heard of the outbound.
    pub silent: Option<Duration>,
    /// What happened so far.
    pub counters: Counters,
    /// Why there is no stream, in a sentence; `None` once it flows.
    pub last_error: Option<String>,
}

/// Wakes whoever watches a half.
#[derive(Debug, Clone)]
pub(crate) struct Changes(watch::Sender<u64>);

impl Changes {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(0))
    }

    pub(crate) fn note(&self) {
        self.0.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.subscribe()
    }
}

impl Phase {
    /// `bytes` more of a snapshot were moved.
    pub(crate) fn moved(&mut self, bytes: u64) {
        match self {
            Self::FullSync { moved_bytes, .. } => *moved_bytes = moved_bytes.saturating_add(bytes),
            Self::Idle | Self::Waiting | Self::Connecting | Self::Streaming => {}
        }
    }
}
