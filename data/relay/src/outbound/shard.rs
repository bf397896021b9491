//! A shard that is served: what is wanted of it, and how its session stands.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use model::Timestamp;
use parking_lot::Mutex;
use psync::{Offset, Position};
use runtime::clock::Clock;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use wire::{Barrier, Heartbeat, Hello, Refusal, RefusalCode};

use crate::{
    Counters, Fence, OutboundStatus, Phase, ShardKey, Source, lag::LagMeter, pulse::Pulse,
    status::Changes,
};

/// What the agent wants. A session belongs to one generation.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) generation: u64,
    pub(super) source: Option<Arc<Source>>,
    pub(super) fence: Fence,
    /// Counts requests to take a pause of clients over.
    pub(super) takeovers: u64,
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) key: ShardKey,
    address: SocketAddr,
    wanted: watch::Sender<Wanted>,
    state: Mutex<State>,
    changes: Changes,
}

#[derive(Debug)]
struct State {
    /// Sessions begun; the last one is the one that counts.
    sessions: u64,
    session: Option<SessionState>,
    phase: Phase,
    since: Timestamp,
    counters: Counters,
    last_error: Option<String>,
}

#[derive(Debug)]
struct SessionState {
    token: CancellationToken,
    peer: SocketAddr,
    keys_held: u64,
    pulse: Pulse,
    lag: LagMeter,
    sent: Option<Position>,
    received: Option<Offset>,
    applied: Option<Offset>,
    barrier_sent: Option<Barrier>,
    /// A snapshot was sent and no acknowledgement came since.
    loading: bool,
}

impl Shard {
    /// `address` is where the outbound listens.
    pub(super) fn new(
        key: ShardKey,
        address: SocketAddr,
        source: Source,
        changes: Changes,
    ) -> Self {
        Self {
            key,
            address,
            wanted: watch::Sender::new(Wanted {
                generation: 0,
                source: Some(Arc::new(source)),
                fence: Fence::Open,
                takeovers: 0,
            }),
            state: Mutex::new(State {
                sessions: 0,
                session: None,
                phase: Phase::Idle,
                since: Clock.now(),
                counters: Counters::default(),
                last_error: None,
            }),
            changes,
        }
    }

    pub(super) fn serve(&self, source: Source) {
        self.wanted.send_if_modified(|wanted| {
            let before = wanted.source.as_deref();
            if before == Some(&source) {
                return false;
            }
            if before.is_none_or(|before| before.epoch != source.epoch) {
                wanted.fence = Fence::Open;
            }
            wanted.generation += 1;
            wanted.source = Some(Arc::new(source));
            true
        });
    }

    pub(super) fn withdraw(&self) {
        self.wanted.send_modify(|wanted| {
            wanted.generation += 1;
            wanted.source = None;
        });
    }

    pub(super) fn set_fence(&self, fence: Fence) {
        self.wanted.send_if_modified(|wanted| {
            let changed = wanted.fence != fence;
            wanted.fence = fence;
            changed
        });
    }

    pub(super) fn take_pause_over(&self) {
        self.wanted.send_modify(|wanted| wanted.takeovers += 1);
    }

    pub(super) fn wanted(&self) -> watch::Receiver<Wanted> {
        self.wanted.subscribe()
    }

    /// Checks a hello against what is served; what is wanted as it was at that moment.
    pub(super) fn admit(&self, hello: &Hello) -> Result<Wanted, Refusal> {
        let wanted = self.wanted.borrow().clone();
        let Some(source) = &wanted.source else {
            return Err(withdrawn());
        };
        if source.epoch != hello.epoch {
            let why = format!(
                "this side serves the link at epoch {}, yours follows it at epoch {}; the side with the lower epoch has to learn of the role change",
                source.epoch, hello.epoch
            );
            return Err(Refusal::new(RefusalCode::WrongEpoch, why));
        }
        Ok(wanted)
    }

    pub(super) fn status(&self) -> OutboundStatus {
        let now = Instant::now();
        let wanted = self.wanted.borrow().clone();
        let state = self.state.lock();
        let session = state.session.as_ref();
        OutboundStatus {
            epoch: wanted.source.map(|source| source.epoch).unwrap_or_default(),
            peer: session.map(|s| s.peer),
            phase: state.phase,
            since: state.since,
            sent: session.and_then(|s| s.sent),
            received: session.and_then(|s| s.received),
            applied: session.and_then(|s| s.applied),
            fence: wanted.fence,
            barrier_sent: session.and_then(|s| s.barrier_sent),
            lag: session.and_then(|s| s.lag(now)),
            round_trip: session.and_then(|s| s.pulse.round_trip()),
            silent: session.map(|s| s.pulse.silent(now)),
            keys_held: session.map(|s| s.keys_held),
            counters: state.counters,
            last_error: state.last_error.clone(),
        }
    }
}

impl SessionState {
    fn lag(&self, now: Instant) -> Option<Duration> {
        self.applied.map(|_known| self.lag.lag(now))
    }
}

pub(super) fn withdrawn() -> Refusal {
    let why = "the agent beside the geo-primary withdrew or changed the shard; it is asked again";
    Refusal::new(RefusalCode::Withdrawn, why)
}

/// The newest session of a shard, or one that was: what an older one notes goes nowhere.
#[derive(Debug)]
pub(super) struct Session {
    shard: Arc<Shard>,
    id: u64,
    pub(super) token: CancellationToken,
    /// Where the outbound listens, which the geo-primary shows as its replica's address.
    pub(super) local_address: SocketAddr,
    /// Wakes when there is more to acknowledge to the geo-primary.
    pub(super) acknowledge: Notify,
}

impl Session {
    /// Begins a session, which ends the one before it.
    pub(super) fn begin(shard: &Arc<Shard>, peer: SocketAddr, hello: &Hello) -> Self {
        let token = CancellationToken::new();
        let mut state = shard.state.lock();
        state.sessions += 1;
        let id = state.sessions;
        let before = state.session.replace(SessionState {
            token: token.clone(),
            peer,
            keys_held: hello.keys_held,
            pulse: Pulse::new(Instant::now()),
            lag: LagMeter::new(),
            sent: None,
            received: None,
            applied: None,
            barrier_sent: None,
            loading: false,
        });
        state.enter(Phase::Connecting);
        drop(state);
        if let Some(before) = before {
            before.token.cancel();
        }
        shard.changes.note();
        Self {
            shard: Arc::clone(shard),
            id,
            token,
            local_address: shard.address,
            acknowledge: Notify::new(),
        }
    }

    pub(super) fn note_change(&self) {
        self.shard.changes.note();
    }

    fn with<T>(&self, act: impl FnOnce(&mut State, &mut SessionState) -> T) -> Option<T> {
        let mut state = self.shard.state.lock();
        if state.sessions != self.id {
            return None;
        }
        let mut session = state.session.take()?;
        let result = act(&mut state, &mut session);
        state.session = Some(session);
        Some(result)
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.with(|state, _| state.enter(phase));
        self.note_change();
    }

    /// The stream goes on at `position`, and all before it is applied.
    pub(super) fn continued(&self, position: Position) {
        self.with(|state, session| {
            session.sent = Some(position);
            session.applied = Some(position.offset);
            state.counters.partial_syncs += 1;
            state.stream();
        });
        self.note_change();
    }

    pub(super) fn full_sync_begins(&self) {
        self.with(|state, _| {
            state.counters.full_syncs_started += 1;
            state.enter(Phase::FullSync {
                moved_bytes: 0,
                total_bytes: None,
            });
        });
        self.note_change();
    }

    pub(super) fn snapshot_begins(&self, total_bytes: Option<u64>) {
        self.with(|state, _| {
            state.phase = Phase::FullSync {
                moved_bytes: 0,
                total_bytes,
            };
        });
        self.note_change();
    }

    pub(super) fn snapshot_sent(&self, bytes: u64) {
        self.with(|state, _| {
            state.counters.bytes += bytes;
            state.phase.moved(bytes);
        });
    }

    pub(super) fn snapshot_ended(&self, position: Position) {
        self.with(|_, session| {
            session.sent = Some(position);
            session.loading = true;
        });
        self.acknowledge.notify_one();
        self.note_change();
    }

    /// `bytes` of the stream went to the WAN, and were read at `now`.
    pub(super) fn stream_sent(&self, bytes: u64, now: Instant) {
        self.with(|state, session| {
            state.counters.bytes += bytes;
            if let Some(sent) = &mut session.sent {
                sent.offset = sent.offset.advanced(bytes);
                session.lag.read(sent.offset, now);
            }
        });
    }

    pub(super) fn barrier(&self) -> Option<Barrier> {
        self.with(|_, session| session.barrier_sent).flatten()
    }

    pub(super) fn barrier_sent(&self, barrier: Barrier) {
        self.with(|_, session| session.barrier_sent = Some(barrier));
        self.note_change();
    }

    pub(super) fn sent(&self) -> Option<Position> {
        self.with(|_, session| session.sent).flatten()
    }

    /// What may be acknowledged to the geo-primary: nothing (0) before anything is applied.
    pub(super) fn applied(&self) -> Offset {
        let applied = self.with(|_, session| session.applied).flatten();
        applied.unwrap_or_default()
    }

    pub(super) fn heard(&self) {
        self.with(|_, session| session.pulse.heard(Instant::now()));
    }

    pub(super) fn received(&self, offset: Offset) {
        self.with(|_, session| session.received = session.received.max(Some(offset)));
    }

    /// The geo-secondary says that it applied up to `offset`; an error tells what it was sent.
    pub(super) fn note_applied(&self, offset: Offset) -> Result<(), Option<Position>> {
        let result = self.with(|state, session| {
            if session.sent.is_none_or(|sent| sent.offset < offset) {
                return Err(session.sent);
            }
            if session.applied.is_some_and(|before| before > offset) {
                return Ok(());
            }
            session.applied = Some(offset);
            session.lag.applied(offset);
            if session.loading {
                session.loading = false;
                state.counters.full_syncs_finished += 1;
                state.stream();
            }
            Ok(())
        });
        self.acknowledge.notify_one();
        self.note_change();
        result.unwrap_or(Ok(()))
    }

    pub(super) fn beat(&self) -> Heartbeat {
        let now = Instant::now();
        let beat = self.with(|_, session| session.pulse.beat(now, session.lag(now)));
        beat.unwrap_or_default()
    }

    pub(super) fn heard_beat(&self, beat: &Heartbeat) {
        self.with(|_, session| session.pulse.heard_beat(beat, Instant::now()));
    }

    /// Says why the session ends.
    pub(super) fn fail(&self, why: String) {
        let mut state = self.shard.state.lock();
        if state.sessions == self.id {
            state.last_error = Some(why);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = self.shard.state.lock();
        if state.sessions == self.id {
            state.session = None;
            state.enter(Phase::Idle);
        }
        drop(state);
        self.note_change();
    }
}

impl State {
    fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.since = Clock.now();
        }
    }

    fn stream(&mut self) {
        self.last_error = None;
        self.enter(Phase::Streaming);
    }
}
