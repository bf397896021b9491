//! What is wanted of an inbound, and how its session stands.

mod session;

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
use wire::Barrier;

use crate::{
    Counters, Events, InboundStatus, Peer, Phase, ShardKey, pulse::Pulse, status::Changes,
};
pub(super) use session::Session;

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
    /// What the outbound said when its firewall did not admit this side.
    not_admitted: Option<String>,
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
                not_admitted: None,
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
            state.not_admitted = None;
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
            not_admitted: state.not_admitted.clone(),
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
