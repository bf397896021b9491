//! A shard's half of its link: wires the relay to the role, and reads what it does.

mod observed;

use std::{future::pending, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use engine::{INTERNAL_USER, Replication};
use model::{
    CacheDesired, CacheUid, EngineVersion, GeoRole, LinkObserved, Rejoin, Secret, ShardIndex,
    shard::{Drained, JournalEnd, LinkView, ShardMemory},
};
use psync::Position;
use relay::{
    Barrier, BindError, Credentials, Drain, Firewall, Inbound, InboundAround, KeptStream,
    OutboundStatus, Peer, ShardKey, Source, SourceFacts,
};
use tokio::sync::watch;

use super::{Host, node::before};
use observed::{inbound_observed, nothing, outbound_observed};

/// The link's half, as far as it is wired.
pub(super) struct LinkHalf {
    host: Arc<Host>,
    uid: CacheUid,
    shard: ShardIndex,
    key: Option<ShardKey>,
    inbound: Option<Inbound>,
    moves: Option<watch::Receiver<u64>>,
    /// Files of the geo-primary's side may be there.
    has_journal: bool,
}

/// The engines that the outbound half works with.
pub(super) struct Engines {
    /// The shard's primary.
    pub(super) primary: SocketAddr,
    /// Its replicas that are in step.
    pub(super) replicas: Vec<SocketAddr>,
    /// What the primary runs.
    pub(super) version: EngineVersion,
}

impl LinkHalf {
    pub(super) fn new(host: Arc<Host>, uid: CacheUid, shard: ShardIndex) -> Self {
        Self {
            host,
            uid,
            shard,
            key: None,
            inbound: None,
            moves: None,
            has_journal: true,
        }
    }

    /// Where the engine reaches the inbound half; it is there for as long as the cache is linked,
    /// because a fence is an inbound half that does not answer.
    pub(super) fn inbound_address(&self) -> Option<SocketAddr> {
        self.inbound.as_ref().map(Inbound::address)
    }

    /// Brings the inbound half in line with the role, before anything is planned; it follows nobody
    /// while something has to be seen to first (`holds_still`). `before` is the address that it had in an earlier run; the present one is returned.
    pub(super) async fn prepare(
        &mut self,
        desired: &CacheDesired,
        holds_still: bool,
        before: Option<SocketAddr>,
        password: &Secret,
    ) -> Result<Option<SocketAddr>, BindError> {
        let key = desired.role.link().map(|link| ShardKey {
            link: link.clone(),
            shard: self.shard,
        });
        if key != self.key {
            // What is kept belongs to the link that ends here.
            let ends = self.key.is_some();
            self.close(ends).await;
            self.key = key;
        }
        let Some(key) = &self.key else {
            return Ok(None);
        };
        if self.inbound.is_none() {
            let inbound = self.bind(key, before, password).await?;
            inbound.hold();
            self.moves = Some(inbound.subscribe());
            self.inbound = Some(inbound);
        }
        if let Some(inbound) = &self.inbound {
            match peer(desired).filter(|_| !holds_still) {
                Some(peer) => inbound.follow(peer),
                None => inbound.hold(),
            }
        }
        Ok(self.inbound_address())
    }

    async fn bind(
        &self,
        key: &ShardKey,
        before: Option<SocketAddr>,
        password: &Secret,
    ) -> Result<Inbound, BindError> {
        let tasks = &self.host.relay_tasks;
        let around = InboundAround {
            identity: self.host.identity.clone(),
            spool: self.directory().join("spool"),
            events: self.host.events.clone(),
        };
        let credentials = credentials(password);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        if let Some(address) = before {
            let (key, around) = (key.clone(), around.clone());
            let again = Inbound::bind(tasks, address, key, credentials.clone(), around).await;
            if let Ok(inbound) = again {
                return Ok(inbound);
            }
        }
        Inbound::bind(tasks, any, key.clone(), credentials, around).await
    }

    /// Where the link's files of this shard are.
    fn directory(&self) -> PathBuf {
        self.host.directory.link(&self.uid, self.shard.0)
    }

    fn journal(&self) -> PathBuf {
        self.directory().join("journal")
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

    /// Serves the other region's inbound half from these engines.
    pub(super) fn serve(
        &mut self,
        desired: &CacheDesired,
        engines: Engines,
        memory: &ShardMemory,
        password: &Secret,
    ) {
        let Some((key, source)) = self.source(desired, engines, memory, password) else {
            return;
        };
        self.has_journal = true;
        self.host.outbound.serve(key, &self.journal(), source);
    }

    /// Reads from these engines what the journal lacks, and serves nobody.
    pub(super) fn drain(
        &mut self,
        desired: &CacheDesired,
        engines: Engines,
        memory: &ShardMemory,
        password: &Secret,
    ) {
        let Some((key, source)) = self.source(desired, engines, memory, password) else {
            return;
        };
        let from = match &desired.role {
            GeoRole::Secondary {
                rejoin: Rejoin::AfterForce { forks, .. },
                ..
            } => {
                let forks = forks.as_ref();
                forks.and_then(|forks| forks.get(usize::from(self.shard.0)).copied())
            }
            GeoRole::Secondary { .. }
            | GeoRole::Alone
            | GeoRole::Primary { .. }
            | GeoRole::Yielding { .. }
            | GeoRole::Taking { .. } => None,
        };
        self.has_journal = true;
        let drain = Drain { from };
        self.host
            .outbound
            .drain(key, &self.journal(), source, drain);
    }

    /// Closes the journal, synced, for whoever reads it now.
    pub(super) async fn close_journal(&self) -> KeptStream {
        let journal = self.journal();
        if let Some(key) = &self.key {
            self.host.outbound.close(key, &journal, false).await;
        }
        self.host.outbound.kept(&journal)
    }

    pub(super) fn is_drained(&self) -> bool {
        self.outbound_status()
            .is_some_and(|status| status.drain.is_some())
    }

    fn outbound_status(&self) -> Option<OutboundStatus> {
        self.host.outbound.status(self.key.as_ref()?)
    }

    fn source(
        &self,
        desired: &CacheDesired,
        engines: Engines,
        memory: &ShardMemory,
        password: &Secret,
    ) -> Option<(ShardKey, Source)> {
        let (key, replication) = self.key.as_ref().zip(desired.replication.as_ref())?;
        let accepted = match &desired.role {
            GeoRole::Primary { accept_empty, .. } => *accept_empty,
            GeoRole::Alone
            | GeoRole::Yielding { .. }
            | GeoRole::Secondary { .. }
            | GeoRole::Taking { .. } => None,
        };
        let source = Source {
            epoch: desired.epoch,
            peer: replication.peer.clone(),
            firewall: Firewall {
                primary: desired.id.name.clone(),
                secondary: replication.peer_cache.name.clone(),
                rules: desired.door.firewall.clone(),
            },
            engine: engines.primary,
            replicas: engines.replicas,
            credentials: credentials(password),
            engine_version: engines.version,
            settings: replication.settings.clone(),
            accept_empty: accepted.or(memory.emptied) == Some(desired.epoch),
        };
        Some((key.clone(), source))
    }

    /// Tells the outbound half what its engine was seen to be.
    pub(super) fn note_source(&self, seen: &Replication, keys: u64) {
        let Some(key) = &self.key else {
            return;
        };
        let facts = SourceFacts {
            position: Position::new(seen.replid, seen.offset),
            before: before(seen),
            backlog_from: seen.backlog_from,
            keys,
        };
        self.host.outbound.note_source(key, facts);
    }

    /// Serves nobody.
    pub(super) fn withdraw(&self) {
        if let Some(key) = &self.key {
            self.host.outbound.withdraw(key);
        }
    }

    /// Removes what the geo-primary's side kept: this side follows the other one, and has all of
    /// its history from there.
    pub(super) async fn forget_journal(&mut self) {
        if let Some(key) = &self.key
            && self.has_journal
        {
            self.host.outbound.close(key, &self.journal(), true).await;
            self.has_journal = false;
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

    /// Tells the inbound half what the engine has applied.
    pub(super) fn note_applied(&self, applied: Position) {
        if let Some(inbound) = &self.inbound {
            inbound.note_applied(applied);
        }
    }

    /// Tells the inbound half how many keys of the link's data the engine holds.
    pub(super) fn note_keys(&self, keys: u64) {
        if let Some(inbound) = &self.inbound {
            inbound.note_keys(keys);
        }
    }

    /// What the planner sees.
    pub(super) fn view(&self) -> LinkView {
        let outbound = self.outbound_status();
        let barrier = self
            .inbound
            .as_ref()
            .and_then(|inbound| inbound.status().barrier);
        LinkView {
            sent: outbound.as_ref().and_then(|status| status.sent),
            lags: false,
            barrier: barrier.map(|barrier| (barrier.attempt, barrier.position)),
            held: false,
            drained: outbound.as_ref().and_then(drained),
        }
    }

    /// The inbound half follows nobody, and gives its engine nothing any more.
    pub(super) fn is_held(&self) -> bool {
        self.inbound.as_ref().is_some_and(|inbound| {
            let status = inbound.status();
            status.following.is_none() && !status.connected
        })
    }

    /// How old the oldest write is that the other side has not applied, and the round trip to it;
    /// `None` while it is not connected.
    pub(super) fn lag(&self) -> Option<(Duration, Duration)> {
        let status = self.host.outbound.status(self.key.as_ref()?)?;
        status.sent?;
        Some((status.lag?, status.round_trip.unwrap_or_default()))
    }

    /// The round trip to the other side, of the outbound half.
    pub(super) fn round_trip(&self) -> Option<Duration> {
        self.outbound_status()?.round_trip
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
                let status = self.host.outbound.status(key);
                Some(match status {
                    Some(status) => outbound_observed(status, here),
                    None => nothing("the outbound half is not serving yet".to_owned()),
                })
            }
            GeoRole::Secondary { .. } | GeoRole::Taking { .. } => {
                let status = self.inbound.as_ref()?.status();
                Some(inbound_observed(status, here))
            }
        }
    }

    /// Ends this half; with `remove`, its files go too.
    pub(super) async fn close(&mut self, remove: bool) {
        if let Some(key) = &self.key {
            self.host.outbound.close(key, &self.journal(), remove).await;
        }
        if let Some(inbound) = self.inbound.take() {
            inbound.stop().await;
        }
        if remove {
            let directory = self.directory();
            if let Err(error) = std::fs::remove_dir_all(&directory)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::error!(directory = %directory.display(), %error, "files of a link are left");
            }
        }
        self.moves = None;
        self.key = None;
        self.has_journal = true;
    }
}

fn drained(status: &OutboundStatus) -> Option<Drained> {
    let from = status.drain?.from;
    let end = match (status.read, status.journaled) {
        _ if !status.looked => JournalEnd::Unknown,
        (Some(read), Some(offset)) => JournalEnd::At(Position::new(read.replid, offset)),
        (Some(_) | None, _) => JournalEnd::Nowhere,
    };
    Some(Drained { from, end })
}

/// The outbound that a cache in this role follows.
fn peer(desired: &CacheDesired) -> Option<Peer> {
    match &desired.role {
        GeoRole::Secondary { source, .. } | GeoRole::Taking { source, .. } => Some(Peer {
            outbound: (*source)?,
            region: desired.replication.as_ref()?.peer.clone(),
            epoch: desired.epoch,
        }),
        GeoRole::Primary { .. } | GeoRole::Yielding { .. } | GeoRole::Alone => None,
    }
}

fn credentials(password: &Secret) -> Credentials {
    Credentials {
        user: INTERNAL_USER.to_owned(),
        password: password.clone(),
    }
}
