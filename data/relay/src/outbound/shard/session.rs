//! One session with an inbound, as the shard's figures know it.

use std::{net::SocketAddr, sync::Arc};

use psync::{Offset, Position};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::{Barrier, Heartbeat, Hello};

use super::{
    Shard,
    state::{SessionState, State},
};
use crate::{Phase, pulse::Pulse};

/// The newest session of a shard, or one that was: what an older one notes goes nowhere.
#[derive(Debug)]
pub(in crate::outbound) struct Session {
    pub(in crate::outbound) shard: Arc<Shard>,
    id: u64,
    pub(in crate::outbound) token: CancellationToken,
}

impl Session {
    /// Begins a session, which ends the one before it.
    pub(in crate::outbound) fn begin(shard: &Arc<Shard>, peer: SocketAddr, hello: &Hello) -> Self {
        let token = CancellationToken::new();
        let mut state = shard.state.lock();
        state.sessions += 1;
        state.traffic.reconnects = state.sessions - 1;
        let id = state.sessions;
        let before = state.session.replace(SessionState {
            token: token.clone(),
            peer,
            keys_held: hello.keys_held,
            pulse: Pulse::new(Instant::now()),
            sent: None,
            history: 0,
            received: None,
            barrier_sent: None,
            loading: false,
            applies: false,
        });
        state.enter(Phase::Connecting);
        drop(state);
        if let Some(before) = before {
            before.token.cancel();
        }
        shard.note_change();
        Self {
            shard: Arc::clone(shard),
            id,
            token,
        }
    }

    pub(in crate::outbound) fn note_change(&self) {
        self.shard.note_change();
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

    pub(in crate::outbound) fn enter(&self, phase: Phase) {
        self.with(|state, _| state.enter(phase));
        self.note_change();
    }

    /// The stream goes on at `position` of a history, and all before it is applied, or being
    /// loaded. `false`: the history is another one by now.
    pub(in crate::outbound) fn continued(
        &self,
        history: u64,
        position: Position,
        loading: bool,
    ) -> bool {
        let same = self.with(|state, session| {
            if state.history != history {
                return false;
            }
            session.sent = Some(position);
            session.history = history;
            state.counters.partial_syncs += 1;
            if loading {
                session.loading = true;
            } else {
                session.applies = true;
                state.stands_at(position.offset, Instant::now());
                state.stream();
            }
            true
        });
        self.shard.acknowledge.notify_one();
        self.note_change();
        same.unwrap_or(false)
    }

    /// A snapshot is sent from its byte `from` on; `first`: this full sync begins with it.
    pub(in crate::outbound) fn snapshot_begins(
        &self,
        from: u64,
        total_bytes: Option<u64>,
        first: bool,
    ) {
        self.with(|state, _| {
            state.counters.full_syncs_started += u64::from(first);
            state.enter(Phase::FullSync {
                moved_bytes: from,
                total_bytes,
            });
        });
        self.note_change();
    }

    pub(in crate::outbound) fn snapshot_sent(&self, bytes: u64) {
        self.with(|state, _| {
            state.counters.bytes += bytes;
            state.phase.moved(bytes);
        });
    }

    /// The snapshot is sent, and the stream of a history goes on behind it.
    pub(in crate::outbound) fn snapshot_ended(&self, history: u64, position: Position) {
        self.with(|_, session| {
            session.sent = Some(position);
            session.history = history;
            session.loading = true;
        });
        self.note_change();
    }

    /// `bytes` of the stream went to the WAN.
    pub(in crate::outbound) fn stream_sent(&self, bytes: u64) {
        self.with(|state, session| {
            state.counters.bytes += bytes;
            if let Some(sent) = &mut session.sent {
                sent.offset = sent.offset.advanced(bytes);
            }
        });
    }

    /// A frame went to the WAN.
    pub(in crate::outbound) fn framed(&self, frame: wire::FrameOutcome) {
        self.with(|state, _| {
            let traffic = &mut state.traffic;
            traffic.raw_bytes += frame.raw as u64;
            traffic.sent_bytes += frame.sent as u64;
            traffic.bypassing = frame.bypassed;
            if frame.bypassed {
                traffic.bypassed_bytes += frame.raw as u64;
            }
        });
    }

    pub(in crate::outbound) fn barrier(&self) -> Option<Barrier> {
        self.with(|_, session| session.barrier_sent).flatten()
    }

    pub(in crate::outbound) fn barrier_sent(&self, barrier: Barrier) {
        self.with(|_, session| session.barrier_sent = Some(barrier));
        self.note_change();
    }

    pub(in crate::outbound) fn sent(&self) -> Option<Position> {
        self.with(|_, session| session.sent).flatten()
    }

    pub(in crate::outbound) fn heard(&self) {
        self.with(|_, session| session.pulse.heard(Instant::now()));
    }

    pub(in crate::outbound) fn received(&self, offset: Offset) {
        self.with(|_, session| session.received = session.received.max(Some(offset)));
    }

    /// The geo-secondary says that it applied up to `offset`; an error tells what it was sent.
    pub(in crate::outbound) fn note_applied(&self, offset: Offset) -> Result<(), Option<Position>> {
        let result = self.with(|state, session| {
            if session.sent.is_none_or(|sent| sent.offset < offset) {
                return Err(session.sent);
            }
            if session.history != state.history {
                // It tells of a history that is over; so is the session, soon.
                return Ok(false);
            }
            session.applies = true;
            state.note_applied(offset, Instant::now());
            if session.loading {
                session.loading = false;
                state.counters.full_syncs_finished += 1;
                state.stream();
                return Ok(true);
            }
            Ok(false)
        });
        self.shard.acknowledge.notify_one();
        self.note_change();
        match result {
            Some(Ok(true)) => {
                let text = format!(
                    "the geo-secondary has loaded its full sync and applied up to {offset}"
                );
                self.shard.tell(model::EventKind::FullSyncFinished, text);
                Ok(())
            }
            Some(Ok(false)) | None => Ok(()),
            Some(Err(sent)) => Err(sent),
        }
    }

    pub(in crate::outbound) fn beat(&self) -> Heartbeat {
        let now = Instant::now();
        let beat = self.with(|state, session| {
            let lag = session.applies.then(|| state.lag(now)).flatten();
            session.pulse.beat(now, lag)
        });
        beat.unwrap_or_default()
    }

    pub(in crate::outbound) fn heard_beat(&self, beat: &Heartbeat) {
        self.with(|_, session| session.pulse.heard_beat(beat, Instant::now()));
    }

    /// Says why the session ends.
    pub(in crate::outbound) fn fail(&self, why: String) {
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
