//! An agent that does as it is told, without engines: it takes desired state as it comes, and
//! reports all that it has.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use client::Agents;
use model::{
    CacheDesired, CacheObserved, Door, Doors, EngineKind, EngineVersion, GeoRole, LinkActivity,
    LinkObserved, NodeObserved, Presence, Region, RegionDesired, RegionObserved, ResizeObserved,
    ShardIndex, ShardObserved, ShardStanding,
};
use parking_lot::Mutex;
use psync::{Offset, Position};
use runtime::tasks::Tasks;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// As real agents do.
const PERIOD: Duration = Duration::from_millis(500);
const LONG_POLL: Duration = Duration::from_secs(20);

/// A handle to an agent; clones are the same.
#[derive(Clone)]
pub(super) struct Agent {
    region: Region,
    shared: Arc<Shared>,
}

struct Shared {
    client: Agents,
    known: Mutex<Option<RegionDesired>>,
    /// The names of the caches that it is told of.
    names: watch::Sender<BTreeSet<String>>,
    /// How long the control plane took for each report since somebody last looked.
    reports: Mutex<Vec<Duration>>,
    /// Bytes of the last report.
    bytes: Mutex<usize>,
    /// While caches are made by the thousand it reports less often than a real one.
    patient: watch::Sender<bool>,
}

impl Agent {
    pub(super) fn start(client: Agents, region: Region, tasks: &Tasks) -> Self {
        let agent = Self {
            region,
            shared: Arc::new(Shared {
                client,
                known: Mutex::new(None),
                names: watch::Sender::new(BTreeSet::new()),
                reports: Mutex::default(),
                bytes: Mutex::default(),
                patient: watch::Sender::new(false),
            }),
        };
        tasks.spawn("desired", agent.clone().obey());
        tasks.spawn("report", agent.clone().report());
        agent
    }

    /// Has it report every two seconds instead of at once and twice a second.
    pub(super) fn be_patient(&self, patient: bool) {
        self.shared.patient.send_replace(patient);
    }

    /// Waits until it is told of a cache of that name.
    pub(super) async fn hears_of(&self, name: &str) -> anyhow::Result<()> {
        let mut names = self.shared.names.subscribe();
        names.wait_for(|names| names.contains(name)).await?;
        Ok(())
    }

    /// How long each report took since the last look, and the bytes of the last one.
    pub(super) fn reports(&self) -> (Vec<Duration>, usize) {
        let times = std::mem::take(&mut *self.shared.reports.lock());
        (times, *self.shared.bytes.lock())
    }

    async fn obey(self) {
        loop {
            let known = self.shared.known.lock().clone();
            let asked = match &known {
                Some(known) => {
                    let client = &self.shared.client;
                    client.desired_after(&self.region, known, LONG_POLL).await
                }
                None => {
                    self.shared
                        .client
                        .desired(&self.region, None, LONG_POLL)
                        .await
                }
            };
            match asked {
                Ok(Some(desired)) => {
                    let present = desired.caches.iter();
                    let present = present.filter(|cache| cache.presence == Presence::Present);
                    let names = present.map(|cache| cache.id.name.to_string()).collect();
                    *self.shared.known.lock() = Some(desired);
                    self.shared.names.send_replace(names);
                }
                Ok(None) => {}
                // It is being started again.
                Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    }

    async fn report(self) {
        let mut news = self.shared.names.subscribe();
        let mut patient = self.shared.patient.subscribe();
        loop {
            news.borrow_and_update();
            let report = self.observed();
            let begun = Instant::now();
            if self.shared.client.report(&report).await.is_ok() {
                self.shared.reports.lock().push(begun.elapsed());
            } else {
                sleep(PERIOD).await;
            }
            if *patient.borrow_and_update() {
                sleep(PERIOD * 4).await;
                continue;
            }
            tokio::select! {
                () = sleep(PERIOD) => {}
                _ = news.changed() => {}
                _ = patient.changed() => {}
            }
        }
    }

    fn observed(&self) -> RegionObserved {
        let known = self.shared.known.lock();
        let caches = known.iter().flat_map(|desired| &desired.caches);
        let there = caches.filter(|cache| cache.presence == Presence::Present);
        let report = RegionObserved {
            region: self.region.clone(),
            generation: known.as_ref().map_or(0, |desired| desired.generation),
            relay_address: Some(([127, 0, 0, 1], 7_000).into()),
            engine: Some(ENGINE),
            problem: None,
            caches: there.map(observed).collect(),
            events: Vec::new(),
            installed: None,
        };
        let bytes = serde_json::to_vec(&report).map_or(0, |bytes| bytes.len());
        *self.shared.bytes.lock() = bytes;
        report
    }
}

const ENGINE: EngineVersion = EngineVersion {
    kind: EngineKind::Valkey,
    major: 8,
    minor: 0,
    patch: 1,
};

fn observed(cache: &CacheDesired) -> CacheObserved {
    let standing = match &cache.role {
        GeoRole::Alone | GeoRole::Primary { .. } => ShardStanding::Writable,
        GeoRole::Yielding { attempt, .. } => ShardStanding::Yielded { attempt: *attempt },
        GeoRole::Secondary { .. } | GeoRole::Taking { .. } => ShardStanding::Following,
    };
    let half = LinkObserved {
        connected: true,
        activity: LinkActivity::Streaming,
        lag_ms: Some(0.5),
        round_trip_ms: Some(1.0),
        full_syncs_started: 1,
        full_syncs_finished: 1,
        silent_ms: Some(3),
        ..LinkObserved::default()
    };
    let node = |index: u8| NodeObserved {
        index,
        pid: Some(1_000),
        address: Some(([127, 0, 0, 1], 20_000).into()),
        leads: index == 0,
        in_step: true,
        build: None,
    };
    let position = Position::new(
        REPLID.parse().unwrap_or_else(|_| unreachable!("it is one")),
        Offset(1_000),
    );
    CacheObserved {
        uid: cache.uid.clone(),
        settled_revision: cache.revision,
        epoch: cache.epoch,
        role: cache.role.kind(),
        doors: Some(doors()),
        engine: Some(ENGINE),
        shards: vec![ShardObserved {
            shard: ShardIndex(0),
            standing,
            position: Some(position),
            keys: 7,
            used_memory: 1_000_000,
            ops_per_second: 0,
            clients: 1,
            nodes: (0..=cache.replicas).map(node).collect(),
            link: cache.role.link().map(|_| half),
            fork: None,
        }],
        problem: None,
        lost_writes: Vec::new(),
        handoff: None,
        private_doors: Vec::new(),
        resize: ResizeObserved::default(),
        persistence: Vec::new(),
        roll: None,
        transfer: None,
    }
}

const REPLID: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

fn doors() -> Doors {
    let door = |tls| Door {
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        tls,
        plain: Some(tls + 1),
    };
    Doors {
        direct: door(30_000),
        geo: door(30_002),
    }
}
