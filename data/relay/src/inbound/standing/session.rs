//! One connection of the engine, as the inbound's figures know it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use psync::{Offset, Position};
use tokio::{sync::Notify, time::Instant};
use tokio_util::sync::CancellationToken;
use wire::{Barrier, Heartbeat};

use super::{SessionState, Standing, State};
use crate::{Phase, pulse::Pulse};

/// One connection of the engine, from its request to follow. When a newer one begins, what an
/// older one notes goes nowhere.
#[derive(Debug)]
pub(in crate::inbound) struct Session {
    pub(in crate::inbound) standing: Arc<Standing>,
    id: u64,
    pub(in crate::inbound) token: CancellationToken,
    /// As in the state.
    pub(in crate::inbound) applied_more: Arc<Notify>,
}

impl Session {
    /// Begins a session, which ends the one before it.
    pub(in crate::inbound) fn begin(standing: &Arc<Standing>, engine: SocketAddr) -> Self {
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

    pub(in crate::inbound) fn note_change(&self) {
        self.standing.changes.note();
    }

    pub(in crate::inbound) fn enter(&self, phase: Phase) {
        self.with(|state, _| state.enter(phase));
        self.note_change();
    }

    /// Connected to an outbound, or not any more.
    pub(in crate::inbound) fn connected(&self, connected: bool) {
        let pulse = connected.then(|| Pulse::new(Instant::now()));
        self.with(|_, session| session.pulse = pulse);
        self.note_change();
    }

    /// What the outbound said of its firewall; `None`: it admits this side, or nobody knows.
    pub(in crate::inbound) fn barred(&self, why: Option<&str>) {
        let news = self.with(|state, _| {
            let news = state.not_admitted.as_deref() != why;
            state.not_admitted = why.map(str::to_owned);
            news
        });
        if news == Some(true) {
            self.note_change();
        }
    }

    /// Dials: unless a snapshot waits for its next byte, that is all there is to say.
    pub(in crate::inbound) fn reaches_for_the_outbound(&self) {
        self.with(|state, _| match state.phase {
            Phase::FullSync { .. } => {}
            Phase::Idle | Phase::Waiting | Phase::Connecting | Phase::Streaming => {
                state.enter(Phase::Connecting);
            }
        });
        self.note_change();
    }

    /// The stream goes on at `position`, and all before it is applied.
    pub(in crate::inbound) fn continued(&self, position: Position) {
        self.with(|state, session| {
            state.barrier = None;
            session.received = Some(position);
            session.applied = Some(position.offset);
            state.counters.partial_syncs += 1;
            state.stream();
        });
        self.note_change();
    }

    pub(in crate::inbound) fn snapshot_begins(&self, total_bytes: Option<u64>) {
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
    pub(in crate::inbound) fn snapshot_goes_on(&self, bytes: u64, total_bytes: Option<u64>) {
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
    pub(in crate::inbound) fn loads(&self) {
        self.with(|state, session| {
            state.last_error = None;
            if session.applied.is_some() {
                state.stream();
            }
        });
        self.note_change();
    }

    /// Bytes of the snapshot were handed over that had arrived before.
    pub(in crate::inbound) fn snapshot_kept(&self, bytes: u64) {
        self.with(|state, _| state.phase.moved(bytes));
    }

    pub(in crate::inbound) fn snapshot_received(&self, bytes: u64) {
        self.with(|state, _| {
            state.counters.bytes += bytes;
            state.phase.moved(bytes);
        });
    }

    pub(in crate::inbound) fn snapshot_ended(&self, position: Position) {
        self.with(|_, session| {
            session.received = Some(position);
            session.loading = Some(position.offset);
        });
        self.note_change();
    }

    pub(in crate::inbound) fn stream_received(&self, bytes: u64) {
        self.with(|state, session| {
            state.counters.bytes += bytes;
            if let Some(received) = &mut session.received {
                received.offset = received.offset.advanced(bytes);
            }
        });
    }

    pub(in crate::inbound) fn barrier(&self, barrier: Barrier) {
        self.with(|state, _| state.barrier = Some(barrier));
        self.note_change();
    }

    pub(in crate::inbound) fn received(&self) -> Option<Position> {
        self.with(|_, session| session.received).flatten()
    }

    pub(in crate::inbound) fn applied(&self) -> Option<Offset> {
        self.with(|_, session| session.applied).flatten()
    }

    /// The engine acknowledges `offset`; an error tells what it was sent.
    pub(in crate::inbound) fn acknowledged(&self, offset: Offset) -> Result<(), Position> {
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

    pub(in crate::inbound) fn beat(&self) -> Heartbeat {
        let now = Instant::now();
        let beat = self.with(|_, session| session.pulse.as_ref().map(|p| p.beat(now, None)));
        beat.flatten().unwrap_or_default()
    }

    pub(in crate::inbound) fn heard(&self) {
        self.with(|_, session| {
            if let Some(pulse) = &mut session.pulse {
                pulse.heard(Instant::now());
            }
        });
    }

    pub(in crate::inbound) fn heard_beat(&self, beat: &Heartbeat) {
        self.with(|_, session| {
            if let Some(pulse) = &mut session.pulse {
                pulse.heard_beat(beat, Instant::now());
            }
            session.lag = beat.lag.map(Duration::from_micros);
        });
    }

    /// Says why there is no stream, and whether it is the engine's doing.
    pub(in crate::inbound) fn fail(&self, why: String, engines: bool) {
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
