//! A shard's half of its link: wires the relay to the role, and reads what it does.

use std::{future::pending, net::SocketAddr, sync::Arc, time::Duration};

use engine::INTERNAL_USER;
use model::{
    CacheDesired, Epoch, GeoRole, LinkActivity, LinkObserved, Secret, ShardIndex, shard::LinkView,
};
use psync::Position;
use relay::{
    Barrier, BindError, Counters, Credentials, Inbound, InboundStatus, Peer, Phase, ShardKey,
    Source,
};

use tokio::sync::watch;

use super::Host;

/// The link's half, as far as it is wired.
pub(super) struct LinkHalf {
    host: Arc<Host>,
    shard: ShardIndex,
    key: Option<ShardKey>,
    inbound: Option<Inbound>,
    moves: Option<watch::Receiver<u64>>,
}

impl LinkHalf {
    pub(super) fn new(host: Arc<Host>, shard: ShardIndex) -> Self {
        Self {
            host,
            shard,
            key: None,
            inbound: None,
            moves: None,
        }
    }

    /// Where the engine reaches the inbound half; it is there for as long as the cache is linked,
    /// because a fence is an inbound half that does not answer.
    pub(super) fn inbound_address(&self) -> Option<SocketAddr> {
        self.inbound.as_ref().map(Inbound::address)
    }

    /// Brings the inbound half in line with the role, before anything is planned. `before` is the
    /// address that it had in an earlier run; the present one is returned.
    pub(super) async fn prepare(
        &mut self,
        desired: &CacheDesired,
        before: Option<SocketAddr>,
        password: &Secret,
    ) -> Result<Option<SocketAddr>, BindError> {
        let key = desired.role.link().map(|link| ShardKey {
            link: link.clone(),
            shard: self.shard,
        });
        if key != self.key {
            self.close().await;
            self.key = key;
        }
        let Some(key) = &self.key else {
            return Ok(None);
        };
        if self.inbound.is_none() {
            let credentials = credentials(password);
            let tasks = &self.host.relay_tasks;
            let any = SocketAddr::from(([127, 0, 0, 1], 0));
            let inbound = match before {
                Some(address) => {
                    match Inbound::bind(tasks, address, key.clone(), credentials.clone()).await {
                        Ok(inbound) => inbound,
                        Err(_taken) => Inbound::bind(tasks, any, key.clone(), credentials).await?,
                    }
                }
                None => Inbound::bind(tasks, any, key.clone(), credentials).await?,
            };
            inbound.hold();
            self.moves = Some(inbound.subscribe());
            self.inbound = Some(inbound);
        }
        if let Some(inbound) = &self.inbound {
            match &desired.role {
                GeoRole::Secondary {
                    source: Some(source),
                    ..
                }
                | GeoRole::Taking {
                    source: Some(source),
                    ..
                } => {
                    inbound.follow(Peer {
                        outbound: *source,
                        epoch: desired.epoch,
                    });
                }
                GeoRole::Secondary { source: None, .. }
                | GeoRole::Taking { source: None, .. }
                | GeoRole::Primary { .. }
                | GeoRole::Yielding { .. }
                | GeoRole::Alone => inbound.hold(),
            }
        }
        Ok(self.inbound_address())
    }

    /// Resolves when the inbound half moved; never while there is none.
    pub(super) async fn stirred(&mut self) {
        let moved = match &mut self.moves {
            Some(moves) => moves.changed().await.is_ok(),
            None => false,
        };
        if !moved {
            pending::<()>().await;
        }
    }

    /// Serves the other region's inbound half from this engine.
    pub(super) fn serve(&self, epoch: Epoch, engine: SocketAddr, password: &Secret) {
        if let Some(key) = &self.key {
            let source = Source {
                epoch,
                engine,
                credentials: credentials(password),
                engine_version: self.host.program.version,
            };
            self.host.outbound.serve(key.clone(), source);
        }
    }

    /// Serves nobody.
    pub(super) fn withdraw(&self) {
        if let Some(key) = &self.key {
            self.host.outbound.withdraw(key);
        }
    }

    pub(super) fn expect_fence(&self) {
        if let Some(key) = &self.key {
            self.host.outbound.fence(key, None);
        }
    }

    pub(super) fn declare(&self, attempt: u64, position: Position) {
        if let Some(key) = &self.key {
            self.host
                .outbound
                .fence(key, Some(Barrier { attempt, position }));
        }
    }

    pub(super) fn take_pause_over(&self) {
        if let Some(key) = &self.key {
            self.host.outbound.take_pause_over(key);
        }
    }

    pub(super) fn lift_fence(&self) {
        if let Some(key) = &self.key {
            self.host.outbound.unfence(key);
        }
    }

    /// Tells the inbound half what the engine has applied and how many keys it holds.
    pub(super) fn note(&self, applied: Position, keys: u64) {
        if let Some(inbound) = &self.inbound {
            inbound.note_applied(applied);
            inbound.note_keys(keys);
        }
    }

    /// What the planner sees.
    pub(super) fn view(&self) -> LinkView {
        let sent = self
            .key
            .as_ref()
            .and_then(|key| self.host.outbound.status(key));
        let barrier = self
            .inbound
            .as_ref()
            .and_then(|inbound| inbound.status().barrier);
        LinkView {
            sent: sent.and_then(|status| status.sent),
            barrier: barrier.map(|barrier| (barrier.attempt, barrier.position)),
        }
    }

    /// Bytes that arrived and are not applied.
    pub(super) fn waiting_bytes(&self, applied: Position) -> u64 {
        let received = self
            .inbound
            .as_ref()
            .and_then(|inbound| inbound.status().received);
        let same = received.filter(|received| received.replid == applied.replid);
        same.map_or(0, |received| received.offset.since(applied.offset))
    }

    /// What is reported of this half.
    pub(super) fn observed(&self, role: &GeoRole, here: Option<Position>) -> Option<LinkObserved> {
        let key = self.key.as_ref()?;
        match role {
            GeoRole::Alone => None,
            GeoRole::Primary { .. } | GeoRole::Yielding { .. } => {
                Some(self.outbound_observed(key, here))
            }
            GeoRole::Secondary { .. } | GeoRole::Taking { .. } => {
                let status = self.inbound.as_ref()?.status();
                Some(inbound_observed(status, here))
            }
        }
    }

    fn outbound_observed(&self, key: &ShardKey, here: Option<Position>) -> LinkObserved {
        let Some(status) = self.host.outbound.status(key) else {
            return nothing("the outbound half is not serving yet".to_owned());
        };
        let connected = status.peer.is_some();
        let applied = status.applied.filter(|_| connected);
        let behind = match (here, applied) {
            (Some(here), Some(applied)) => here.offset.since(applied),
            (_, _) => 0,
        };
        Seen {
            connected,
            phase: status.phase,
            behind,
            lag: status.lag,
            round_trip: status.round_trip,
            silent: status.silent,
            counters: status.counters,
            last_error: status.last_error,
        }
        .into_observed()
    }

    /// Ends this half.
    pub(super) async fn close(&mut self) {
        self.withdraw();
        if let Some(inbound) = self.inbound.take() {
            inbound.stop().await;
        }
        self.moves = None;
        self.key = None;
    }
}

fn inbound_observed(status: InboundStatus, here: Option<Position>) -> LinkObserved {
    let behind = match (status.received, here) {
        (Some(received), Some(here)) if received.replid == here.replid => {
            received.offset.since(here.offset)
        }
        (_, _) => 0,
    };
    Seen {
        connected: status.connected,
        phase: status.phase,
        behind,
        lag: status.lag,
        round_trip: status.round_trip,
        silent: status.silent,
        counters: status.counters,
        last_error: status.last_error,
    }
    .into_observed()
}

/// What both halves tell of themselves.
struct Seen {
    connected: bool,
    phase: Phase,
    behind: u64,
    lag: Option<Duration>,
    round_trip: Option<Duration>,
    silent: Option<Duration>,
    counters: Counters,
    last_error: Option<String>,
}

impl Seen {
    fn into_observed(self) -> LinkObserved {
        LinkObserved {
            connected: self.connected,
            activity: match self.phase {
                Phase::Idle | Phase::Waiting | Phase::Connecting => LinkActivity::Waiting,
                Phase::FullSync {
                    moved_bytes,
                    total_bytes,
                } => LinkActivity::FullSync {
                    bytes: moved_bytes,
                    total: total_bytes,
                },
                Phase::Streaming => LinkActivity::Streaming,
            },
            bytes_behind: self.behind,
            lag_ms: self.lag.map(millis),
            round_trip_ms: self.round_trip.map(millis),
            full_syncs_started: self.counters.full_syncs_started,
            full_syncs_finished: self.counters.full_syncs_finished,
            partial_syncs: self.counters.partial_syncs,
            silent_ms: self.silent.map(whole_millis),
            last_error: self.last_error,
            ..LinkObserved::default()
        }
    }
}

/// An outbound half that does not exist yet.
fn nothing(why: String) -> LinkObserved {
    Seen {
        connected: false,
        phase: Phase::Idle,
        behind: 0,
        lag: None,
        round_trip: None,
        silent: None,
        counters: Counters::default(),
        last_error: Some(why),
    }
    .into_observed()
}

fn credentials(password: &Secret) -> Credentials {
    Credentials {
        user: INTERNAL_USER.to_owned(),
        password: password.clone(),
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
