//! What is wanted of an inbound, and how its session stands.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use model::{EventKind, Timestamp};
use parking_lot::Mutex;
use psync::{Offset, Position};
use runtime::clock::Clock;
use tls::Identity;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use wire::{Barrier, Heartbeat};

use crate::{Counters, Events, InboundStatus, Peer, Phase, ShardKey, pulse::Pulse, status::Changes};

/// Before a full sync that follows one which the engine gave up: the first pause, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// An inbound's state, shared by its handle and its connections.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) key: ShardKey,
    pub(super) identity: Identity,
    /// Where a snapshot that arrives is kept, so that a restart need not have it sent again.
    pub(super) spool: PathBuf,
    events: Events,
    target: watch::Sender<Option<Peer>>,
    state: Mutex<State>,
    changes: Changes,
}

#[derive(Debug)]
struct State {
    sessions: u64,
    session: Option<SessionState>,
    keys: u64,
    phase: Phase,
    since: Timestamp,
    barrier: Option<Barrier>,
    counters: Counters,
    /// Full syncs that the engine gave up, one after the other.
    given_up: u32,
    last_error: Option<String>,
}

/// The newest connection of an engine that asked to follow.
#[derive(Debug)]
struct SessionState {
    token: CancellationToken,
    engine: SocketAddr,
    /// Wakes when there is more to report as applied.
    applied_more: Arc<Notify>,
    /// Present while connected to an outbound.
    pulse: Option<Pulse>,
    lag: Option<Duration>,
    received: Option<Position>,
    applied: Option<Offset>,
    /// Where the snapshot ends that was handed over and is not known to be loaded.
    loading: Option<Offset>,
}

impl Standing {
    pub(super) fn new(key: ShardKey, identity: Identity, spool: PathBuf, events: Events) -> Self {
        Self {
            key,
            identity,
            spool,
            events,
            target: watch::Sender::new(None),
            state: Mutex::new(State {
                sessions: 0,
                session: None,
                keys: 0,
                phase: Phase::Idle,
                since: Clock.now(),
                barrier: None,
                counters: Counters::default(),
                given_up: 0,
                last_error: None,
            }),
            changes: Changes::new(),
        }
    }

    pub(super) fn set_target(&self, peer: Option<Peer>) {
        let mut changed = false;
        self.target.send_if_modified(|target| {
            changed = *target != peer;
            *target = peer;
            changed
        });
        if changed {
            let mut state = self.state.lock();
            state.barrier = None;
            state.given_up = 0;
            drop(state);
            self.changes.note();
        }
    }

    /// How long a full sync is put off after the engine gave up those before it.
    pub(super) fn pause_before_full_sync(&self) -> Option<Duration> {
        let doublings = self.state.lock().given_up.checked_sub(1)?;
        let pause = FIRST_PAUSE.saturating_mul(1 << doublings.min(10));
        Some(pause.min(LONGEST_PAUSE))
    }

    pub(super) fn tell_once(&self, kind: EventKind, text: String) {
        self.events.tell_once(&self.key, kind, text);
    }

    pub(super) fn target(&self) -> watch::Receiver<Option<Peer>> {
        self.target.subscribe()
    }

    pub(super) fn note_keys(&self, keys: u64) {
        self.state.lock().keys = keys;
    }

    pub(super) fn keys(&self) -> u64 {
        self.state.lock().keys
    }

    pub(super) fn note_applied(&self, position: Position) {
        let mut state = self.state.lock();
        let Some(mut session) = state.session.take() else {
            return;
        };
        let moved = session.received.is_some_and(|received| {
            received.replid == position.replid && position.offset <= received.offset
        }) && state.applied(&mut session, position.offset);
        state.session = Some(session);
        drop(state);
        if moved {
            self.changes.note();
        }
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    pub(super) fn status(&self) -> InboundStatus {
        let now = Instant::now();
        let following = self.target.borrow().clone();
        let state = self.state.lock();
        let session = state.session.as_ref();
        let pulse = session.and_then(|s| s.pulse.as_ref());
        InboundStatus {
            following,
            engine: session.map(|s| s.engine),
            connected: pulse.is_some(),
            phase: state.phase,
            since: state.since,
            received: session.and_then(|s| s.received),
            applied: session.and_then(|s| s.applied),
            barrier: state.barrier,
            lag: session.and_then(|s| s.lag),
            round_trip: pulse.and_then(Pulse::round_trip),
            silent: pulse.map(|pulse| pulse.silent(now)),
            counters: state.counters,
            last_error: state.last_error.clone(),
        }
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

    /// The engine has applied up to `offset`, which it was sent. `true`: that is news.
    fn applied(&mut self, session: &mut SessionState, offset: Offset) -> bool {
        if session.loading.is_some_and(|end| offset < end)
            || session.applied.is_some_and(|before| offset <= before)
        {
            return false;
        }
        session.applied = Some(offset);
        if session.loading.take().is_some() {
            self.counters.full_syncs_finished += 1;
            self.given_up = 0;
            self.stream();
        }
        session.applied_more.notify_one();
        true
    }
}

/// One connection of the engine, from its request to follow. When a newer one begins, what an
/// older one notes goes nowhere.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) standing: Arc<Standing>,
    id: u64,
    pub(super) token: CancellationToken,
    /// As in the state.
    pub(super) applied_more: Arc<Notify>,
}

impl Session {
    /// Begins a session, which ends the one before it.
    pub(super) fn begin(standing: &Arc<Standing>, engine: SocketAddr) -> Self {
        let (token, applied_more) = (CancellationToken::new(), Arc::new(Notify::new()));
        let mut state = standing.state.lock();
        state.sessions += 1;
        let id = state.sessions;
        let before = state.session.replace(SessionState {
            token: token.clone(),
            engine,
            applied_more: Arc::clone(&applied_more),
            pulse: None,
            lag: None,
            received: None,
            applied: None,
            loading: None,
        });
        state.enter(Phase::Waiting);
        drop(state);
        if let Some(before) = before {
            before.token.cancel();
        }
        standing.changes.note();
        Self {
            standing: Arc::clone(standing),
            id,
            token,
            applied_more,
        }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State, &mut SessionState) -> T) -> Option<T> {
        let mut state = self.standing.state.lock();
        if state.sessions != self.id {
            return None;
        }
        let mut session = state.session.take()?;
        let result = act(&mut state, &mut session);
        state.session = Some(session);
        Some(result)
    }

    pub(super) fn note_change(&self) {
        self.standing.changes.note();
    }

    pub(super) fn enter(&self, phase: Phase) {
        self.with(|state, _| state.enter(phase));
        self.note_change();
    }

    /// Connected to an outbound, or not any more.
    pub(super) fn connected(&self, connected: bool) {
        let pulse = connected.then(|| Pulse::new(Instant::now()));
        self.with(|_, session| session.pulse = pulse);
        self.note_change();
    }

    /// Dials: unless a snapshot waits for its next byte, that is all there is to say.
    pub(super) fn reaches_for_the_outbound(&self) {
        self.with(|state, _| match state.phase {
            Phase::FullSync { .. } => {}
            Phase::Idle | Phase::Waiting | Phase::Connecting | Phase::Streaming => {
                state.enter(Phase::Connecting);
            }
        });
        self.note_change();
    }

    /// The stream goes on at `position`, and all before it is applied.
    pub(super) fn continued(&self, position: Position) {
        self.with(|state, session| {
            state.barrier = None;
            session.received = Some(position);
            session.applied = Some(position.offset);
            state.counters.partial_syncs += 1;
            state.stream();
        });
        self.note_change();
    }

    pub(super) fn snapshot_begins(&self, total_bytes: Option<u64>) {
        self.with(|state, _| {
            state.barrier = None;
            state.counters.full_syncs_started += 1;
            state.enter(Phase::FullSync {
                moved_bytes: 0,
                total_bytes,
            });
        });
        self.note_change();
    }

    /// A snapshot goes on from this byte.
    pub(super) fn snapshot_goes_on(&self, bytes: u64, total_bytes: Option<u64>) {
        self.with(|state, _| {
            state.last_error = None;
            state.enter(Phase::FullSync {
                moved_bytes: bytes,
                total_bytes,
            });
        });
        self.note_change();
    }

    /// The outbound is back while the engine loads.
    pub(super) fn loads(&self) {
        self.with(|state, session| {
            state.last_error = None;
            if session.applied.is_some() {
                state.stream();
            }
        });
        self.note_change();
    }

    /// Bytes of the snapshot were handed over that had arrived before.
    pub(super) fn snapshot_kept(&self, bytes: u64) {
        self.with(|state, _| state.phase.moved(bytes));
    }

    pub(super) fn snapshot_received(&self, bytes: u64) {
        self.with(|state, _| {
            state.counters.bytes += bytes;
            state.phase.moved(bytes);
        });
    }

    pub(super) fn snapshot_ended(&self, position: Position) {
        self.with(|_, session| {
            session.received = Some(position);
            session.loading = Some(position.offset);
        });
        self.note_change();
    }

    pub(super) fn stream_received(&self, bytes: u64) {
        self.with(|state, session| {
            state.counters.bytes += bytes;
            if let Some(received) = &mut session.received {
                received.offset = received.offset.advanced(bytes);
            }
        });
    }

    pub(super) fn barrier(&self, barrier: Barrier) {
        self.with(|state, _| state.barrier = Some(barrier));
        self.note_change();
    }

    pub(super) fn received(&self) -> Option<Position> {
        self.with(|_, session| session.received).flatten()
    }

    pub(super) fn applied(&self) -> Option<Offset> {
        self.with(|_, session| session.applied).flatten()
    }

    /// The engine acknowledges `offset`; an error tells what it was sent.
    pub(super) fn acknowledged(&self, offset: Offset) -> Result<(), Position> {
        let result = self.with(|state, session| match session.received {
            // A snapshot is not whole yet, so nothing of this session is applied.
            None => Ok(false),
            Some(received) if received.offset < offset => Err(received),
            Some(_) => Ok(state.applied(session, offset)),
        });
        match result {
            Some(Ok(true)) => {
                self.note_change();
                Ok(())
            }
            Some(Ok(false)) | None => Ok(()),
            Some(Err(received)) => Err(received),
        }
    }

    pub(super) fn beat(&self) -> Heartbeat {
        let now = Instant::now();
        let beat = self.with(|_, session| session.pulse.as_ref().map(|p| p.beat(now, None)));
        beat.flatten().unwrap_or_default()
    }

    pub(super) fn heard(&self) {
        self.with(|_, session| {
            if let Some(pulse) = &mut session.pulse {
                pulse.heard(Instant::now());
            }
        });
    }

    pub(super) fn heard_beat(&self, beat: &Heartbeat) {
        self.with(|_, session| {
            if let Some(pulse) = &mut session.pulse {
                pulse.heard_beat(beat, Instant::now());
            }
            session.lag = beat.lag.map(Duration::from_micros);
        });
    }

    /// Says why there is no stream, and whether it is the engine's doing.
    pub(super) fn fail(&self, why: String, engines: bool) {
        self.with(|state, _| {
            state.last_error = Some(why);
            match state.phase {
                Phase::FullSync { .. } if engines => {
                    state.given_up += 1;
                    state.last_error = Some(format!(
                        "the geo-secondary's engine gave up a full sync ({} in a row); its log says why, check that both engines have the same version and enough memory",
                        state.given_up
                    ));
                }
                Phase::FullSync { .. }
                | Phase::Idle
                | Phase::Waiting
                | Phase::Connecting
                | Phase::Streaming => {}
            }
        });
        self.note_change();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let mut state = self.standing.state.lock();
        if state.sessions == self.id {
            state.session = None;
            state.enter(Phase::Idle);
        }
        drop(state);
        self.note_change();
    }
}
