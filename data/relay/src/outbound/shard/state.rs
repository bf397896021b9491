//! How a shard's stream and its session stand: figures, phases, lags, stalls.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU64,
    time::Duration,
};

use model::{Epoch, Timestamp};
use psync::{Offset, Position};
use runtime::clock::Clock;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wire::{Barrier, RefusalCode};

use crate::{
    Counters, Fence, OutboundStatus, Phase,
    lag::{LagMeter, Window},
    outbound::shelf::ShelfStats,
    pulse::Pulse,
    status::Traffic,
    stream::Reach,
};

/// Bytes that wait for so long, while none is applied, are a stall.
const STALL: Duration = Duration::from_secs(10);

/// Why a shard cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::outbound) struct Problem {
    /// The reason, as an inbound is told it.
    pub(in crate::outbound) code: RefusalCode,
    /// The sentence.
    pub(in crate::outbound) why: String,
}

#[derive(Debug)]
pub(super) struct State {
    /// Sessions begun; the last one is the one that counts.
    pub(super) sessions: u64,
    pub(super) session: Option<SessionState>,
    pub(super) phase: Phase,
    pub(super) since: Timestamp,
    pub(super) counters: Counters,
    pub(super) traffic: Traffic,
    pub(super) last_error: Option<String>,
    /// From where the agent dialled last that may follow the shard, admitted or not.
    pub(super) seen_from: Option<IpAddr>,
    pub(in crate::outbound) problem: Option<Problem>,
    /// The journal was opened to be drained, or to be served.
    pub(super) looked: Option<bool>,
    /// The stream's history; what is applied is applied of this one.
    pub(super) history: u64,
    /// What the geo-secondary's engine has applied of the present history.
    applied: Option<Offset>,
    lag: LagMeter,
    minute: Window,
    hour: Window,
    /// When something was last applied, or nothing waited.
    moved: Instant,
    stalled: Option<(Instant, String)>,
}

#[derive(Debug)]
pub(super) struct SessionState {
    pub(super) token: CancellationToken,
    pub(super) peer: SocketAddr,
    pub(super) keys_held: u64,
    pub(super) pulse: Pulse,
    pub(super) sent: Option<Position>,
    /// The history that `sent` is of.
    pub(super) history: u64,
    pub(super) received: Option<Offset>,
    pub(super) barrier_sent: Option<Barrier>,
    /// A snapshot was sent and no acknowledgement came since.
    pub(super) loading: bool,
    /// Whether anything is known to be applied in this session.
    pub(super) applies: bool,
}

/// A stall began or ended.
pub(super) enum StallNews {
    Began(String),
    Ended(String),
}

impl State {
    /// `count` names what is counted from now on.
    pub(super) fn new(now: Instant, count: u64) -> Self {
        Self {
            sessions: 0,
            session: None,
            phase: Phase::Idle,
            since: Clock.now(),
            counters: Counters::default(),
            traffic: Traffic {
                count,
                ..Traffic::default()
            },
            last_error: None,
            seen_from: None,
            problem: None,
            looked: None,
            history: 0,
            applied: None,
            lag: LagMeter::new(),
            minute: Window::of(Duration::from_secs(60)),
            hour: Window::of(Duration::from_secs(3600)),
            moved: now,
            stalled: None,
        }
    }

    pub(super) fn enter(&mut self, phase: Phase) {
        if self.phase != phase {
            self.phase = phase;
            self.since = Clock.now();
        }
    }

    pub(super) fn stream(&mut self) {
        self.last_error = None;
        self.enter(Phase::Streaming);
    }

    pub(super) fn history_begins(&mut self, history: u64) {
        self.history = history;
        self.applied = None;
        self.lag.clear();
    }

    pub(super) fn history_forks(&mut self, history: u64) {
        self.history = history;
    }

    pub(super) fn read(&mut self, end: Offset, now: Instant) {
        self.lag.read(end, now);
    }

    pub(super) fn applied(&self) -> Option<Offset> {
        self.applied
    }

    /// Everything up to `offset` is applied.
    pub(super) fn note_applied(&mut self, offset: Offset, now: Instant) {
        if self.applied < Some(offset) {
            self.moved = now;
        }
        self.applied = self.applied.max(Some(offset));
        if let Some(age) = self.lag.applied(offset, now) {
            self.minute.record(age, now);
            self.hour.record(age, now);
        }
    }

    /// What the geo-secondary holds when its session begins.
    pub(super) fn stands_at(&mut self, offset: Offset, now: Instant) {
        self.applied = Some(offset);
        self.lag.applied(offset, now);
        self.moved = now;
    }

    /// The age of the oldest byte that is not applied; `None` before anything is known to be.
    pub(super) fn lag(&self, now: Instant) -> Option<Duration> {
        self.applied.map(|_known| self.lag.lag(now))
    }

    /// Looks whether bytes wait and none is applied; a sample of their age goes to the windows.
    pub(super) fn look(
        &mut self,
        reach: Reach,
        rate: Option<NonZeroU64>,
        fenced: bool,
        now: Instant,
    ) -> Option<StallNews> {
        let end = reach.end?;
        let waiting = self.applied.map_or(0, |applied| end.offset.since(applied));
        if waiting == 0 || fenced || matches!(self.phase, Phase::FullSync { .. }) {
            self.moved = now;
        } else if let Some(lag) = self.lag(now).filter(|lag| !lag.is_zero()) {
            self.minute.record(lag, now);
            self.hour.record(lag, now);
        }
        let still = now.saturating_duration_since(self.moved);
        match &self.stalled {
            None if still >= STALL => {
                let why = self.why_stalled(end, waiting, rate);
                self.traffic.stalls += 1;
                self.stalled = Some((self.moved, why.clone()));
                Some(StallNews::Began(why))
            }
            Some((since, _)) if still < STALL => {
                let lasted = now.saturating_duration_since(*since).as_secs();
                self.stalled = None;
                Some(StallNews::Ended(format!(
                    "bytes are applied again after {lasted} s"
                )))
            }
            Some((since, _)) => {
                let why = self.why_stalled(end, waiting, rate);
                self.stalled = Some((*since, why));
                None
            }
            None => None,
        }
    }

    fn why_stalled(&self, end: Position, waiting: u64, rate: Option<NonZeroU64>) -> String {
        let Some(session) = &self.session else {
            let why = self.last_error.as_deref().unwrap_or("it does not dial");
            return format!(
                "{waiting} bytes wait for the geo-secondary's agent, which is not connected ({why})"
            );
        };
        let sent = session.sent.map(|sent| sent.offset).unwrap_or_default();
        let unsent = end.offset.since(sent);
        let received = session.received.unwrap_or_default();
        let applied = self.applied.unwrap_or_default();
        match (rate, received > applied) {
            (Some(rate), _) if unsent > 0 => format!(
                "{unsent} bytes wait to be sent, and the link's limit is {rate} bytes a second"
            ),
            (_, true) => format!(
                "{} bytes have arrived, and the geo-secondary's engine does not apply them; look for a long command or a stopped process there",
                received.since(applied)
            ),
            (None, false) if unsent > 0 => format!(
                "{unsent} bytes wait to be sent, and the network between the regions does not take them"
            ),
            (_, false) => format!(
                "{} bytes are sent, and the geo-secondary's agent has not received them; the network between the regions holds them",
                sent.since(applied)
            ),
        }
    }

    pub(super) fn status(
        &self,
        epoch: Epoch,
        fence: Fence,
        reach: Reach,
        stats: ShelfStats,
        now: Instant,
    ) -> OutboundStatus {
        let session = self.session.as_ref();
        let queued = reach.end.map_or(0, |end| end.offset.since(reach.journaled));
        OutboundStatus {
            epoch,
            peer: session.map(|s| s.peer),
            seen_from: self.seen_from,
            not_admitted: None,
            phase: self.phase,
            since: self.since,
            read: reach.end,
            journaled: reach.end.map(|_| reach.journaled),
            drain: None,
            looked: false,
            sent: session.and_then(|s| s.sent),
            received: session.and_then(|s| s.received),
            applied: self.applied,
            fence,
            barrier_sent: session.and_then(|s| s.barrier_sent),
            lag: self.lag(now),
            last_minute: self.minute.spread(now),
            last_hour: self.hour.spread(now),
            stalled: self.stalled.as_ref().map(|(_, why)| why.clone()),
            round_trip: session.and_then(|s| s.pulse.round_trip()),
            silent: session.map(|s| s.pulse.silent(now)),
            keys_held: session.map(|s| s.keys_held),
            counters: self.counters,
            traffic: self.traffic,
            journal_bytes: stats.bytes,
            journal_oldest: stats.oldest,
            snapshot_bytes: stats.snapshot_bytes,
            queued_bytes: queued,
            source_empty: self
                .problem
                .as_ref()
                .is_some_and(|problem| problem.code == RefusalCode::EmptySource),
            last_error: self
                .problem
                .as_ref()
                .map(|problem| problem.why.clone())
                .or_else(|| self.last_error.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
