//! The agent: learns what its region is to run, keeps it on disk, and has a worker for each cache.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use engine::{EngineProgram, FindError};
use model::{CacheUid, Presence, RegionDesired};
use relay::{BindError, Event, Events, Outbound};
use runtime::{
    chain,
    dice::Dice,
    durable::{self, DirectoryLock, FileError},
    tasks::Tasks,
};
use tls::{FrontError, FrontTls};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

use crate::{
    Config,
    cache::{self, Fronts, Host},
    certificate::{self, Wanted},
    identity::Keeper,
    leases::Leases,
    lost_writes::Stores,
    metrics::{self, Metrics, MetricsError},
    reporter::{self, Board},
    state::{AgentFile, Directory, StateError},
    switchboard,
};

/// How long the control plane may hold an answer back while nothing changes.
const LONG_POLL: Duration = Duration::from_secs(20);
/// How long the control plane may take to answer an agent that starts.
const FIRST_ANSWER: Duration = Duration::from_secs(3);
/// How long an orderly stop may take: every leader saves its data set.
const STOP_GRACE: Duration = Duration::from_secs(300);

/// An agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no engine to run.
    #[error("find an engine")]
    Engine(#[from] FindError),
    /// The directory cannot be used.
    #[error("use {path} as the agent's directory; check that it is writable and has room")]
    Directory {
        /// The directory.
        path: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Another agent works in the directory.
    #[error("{0} is in use by another agent; stop it, or choose another directory")]
    InUse(String),
    /// The outbound halves cannot listen.
    #[error("listen for the other regions' agents")]
    Relay(#[from] BindError),
    /// Nobody could read the metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// Clients cannot be served by TLS.
    #[error("serve clients by TLS")]
    Front(#[from] FrontError),
    /// The control plane's address cannot be used.
    #[error("reach the control plane")]
    Client(#[from] client::BuildError),
}

/// An agent with everything bound, ready to run.
pub struct Agent {
    host: Arc<Host>,
    file: AgentFile,
    tasks: Tasks,
    relay_tasks: Tasks,
    metrics: Arc<Metrics>,
    scraped: Option<(TcpListener, SocketAddr)>,
    happenings: mpsc::Receiver<Event>,
    _lock: DirectoryLock,
}

impl Agent {
    /// Finds the engine, opens the directory, takes up the certificate, and binds the relay.
    pub async fn build(config: Config, dice: Dice, tasks: Tasks) -> Result<Self, BuildError> {
        let directory_error =
            |source: Box<dyn std::error::Error + Send + Sync>| BuildError::Directory {
                path: config.data.display().to_string(),
                source,
            };
        let program = engine::find(&config.engine, &config.search).await?;
        let (directory, lock) = open(&config.data)?;
        let mut file = directory
            .read_agent()
            .map_err(|error| directory_error(error.into()))?;
        let relay_tasks = Tasks::new();
        let scraped = match config.metrics {
            Some(address) => Some(metrics::bind(address).await?),
            None => None,
        };
        let client = config.client()?;
        let store = file.desired.as_ref().map(|desired| desired.store.clone());
        let mut keeper = Keeper::open(&directory, &config.region, store, client.clone())
            .map_err(|error| directory_error(error.into()))?;
        keeper.settle().await;
        let identity = keeper.identity();
        relay_tasks.spawn("certificate", keeper.run());
        let front = FrontTls::new()?;
        let shown = certificate::Keeper::open(
            config.certificate,
            &directory,
            &config.region,
            client.clone(),
            front.clone(),
        );
        let shown = shown.await.map_err(|error| directory_error(error.into()))?;
        let zone = file.desired.as_ref().map(|desired| desired.zone.clone());
        let (events, happenings) = Events::new();
        let listen = |address| {
            let (identity, events) = (identity.clone(), events.clone());
            Outbound::bind(&relay_tasks, address, identity, events, dice.clone())
        };
        let outbound = bind(listen, file.relay, config.relay).await?;
        outbound.allow_full_syncs(config.full_syncs);
        let fronts = open_fronts(&directory, front, &outbound, &relay_tasks)
            .map_err(|error| directory_error(error.into()))?;
        file.relay = Some(outbound.address());
        directory
            .write_agent(&file)
            .map_err(|error| directory_error(error.into()))?;
        let boot = dice.number();
        let lost = Stores::new(directory.clone());
        let host = Host {
            region: config.region,
            addresses: config.addresses,
            program,
            directory,
            advertised: config.advertise.unwrap_or_else(|| outbound.address()),
            outbound,
            identity,
            zone: watch::Sender::new(zone.unwrap_or_default()),
            events,
            client,
            dice,
            board: Board::new(boot),
            leases: Arc::new(Leases::new()),
            relay_tasks: relay_tasks.clone(),
            lost,
            fronts,
            transfers: config.transfers,
            crash: config.crash,
        };
        let host = Arc::new(host);
        relay_tasks.spawn("certificate for clients", show(shown, Arc::clone(&host)));
        Ok(Self {
            metrics: Metrics::new(Arc::clone(&host)),
            scraped,
            host,
            file,
            tasks,
            relay_tasks,
            happenings,
            _lock: lock,
        })
    }

    /// The engine that it runs.
    #[must_use]
    pub fn engine(&self) -> &EngineProgram {
        &self.host.program
    }

    /// Where the other regions' agents reach it.
    #[must_use]
    pub fn relay(&self) -> SocketAddr {
        self.host.outbound.address()
    }

    /// Where its metrics can be read.
    #[must_use]
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.scraped.as_ref().map(|(_, address)| *address)
    }

    /// Runs until the tasks are cancelled, then stops every engine in order.
    pub async fn run(mut self) {
        self.host.crash.pass("Run", runtime::crash::When::Before);
        self.stop_strangers().await;
        let happenings = std::mem::replace(&mut self.happenings, mpsc::channel(1).1);
        let workers_tasks = Tasks::new();
        let mut workers = BTreeMap::new();
        self.hear_first().await;
        if let Some(desired) = self.file.desired.clone() {
            self.host.board.acts_on(desired.generation);
            self.employ(&mut workers, &workers_tasks, &desired);
        }
        let reports = Tasks::new();
        let reporting = reporter::run(Arc::clone(&self.host), reports.clone());
        reports.spawn("report", reporting);
        if let Some((listener, _)) = self.scraped.take() {
            reports.spawn("who was heard", metrics::watch(Arc::clone(&self.metrics)));
            let serving = metrics::serve(Arc::clone(&self.metrics), listener, reports.clone());
            reports.spawn_until_done("metrics", serving);
        }
        let keeping = reporter::keep_events(Arc::clone(&self.host), happenings);
        reports.spawn("events", keeping);
        let tasks = self.tasks.clone();
        tokio::select! {
            () = tasks.cancelled() => {}
            () = self.obey(&mut workers, &workers_tasks) => {}
        }
        tracing::info!("stopping the engines");
        if !workers_tasks.stop(STOP_GRACE).await {
            tracing::error!("some engines did not stop in {} s", STOP_GRACE.as_secs());
        }
        reports.stop(Duration::from_secs(1)).await;
        self.relay_tasks.stop(Duration::from_secs(5)).await;
    }

    /// Asks the control plane once before anything is done: much may have happened since the last
    /// run, and a geo-primary that lost its role meanwhile must not take a write. Engines that run
    /// go on. When nobody answers in time, what is on disk has to do.
    async fn hear_first(&mut self) {
        if self.file.desired.is_none() {
            return;
        }
        let region = &self.host.region;
        let asked = self.host.client.desired(region, None, Duration::ZERO);
        let desired = match timeout(FIRST_ANSWER, asked).await {
            Ok(Ok(Some(desired))) => desired,
            Ok(Ok(None)) => return,
            Ok(Err(error)) => {
                tracing::warn!(error = %chain(&error), "the control plane does not answer; starting with the last desired state");
                return;
            }
            Err(_elapsed) => {
                tracing::warn!(
                    "the control plane does not answer in time; starting with the last desired state"
                );
                return;
            }
        };
        if let Err(why) = self.adopt(&desired) {
            tracing::error!("{why}");
            self.host.board.set_problem(Some(why));
        }
    }

    /// Stops engines of an earlier run that no cache of this directory owns any more.
    async fn stop_strangers(&self) {
        let known = self.host.directory.caches().unwrap_or_default();
        let desired: Vec<&CacheUid> = match &self.file.desired {
            Some(desired) => desired.caches.iter().map(|cache| &cache.uid).collect(),
            None => Vec::new(),
        };
        for orphan in engine::find_orphans(self.host.directory.root()) {
            let owned = known.iter().any(|uid| {
                desired.contains(&uid)
                    && orphan.directory.starts_with(self.host.directory.cache(uid))
            });
            if owned {
                continue;
            }
            tracing::warn!(
                pid = orphan.pid,
                directory = %orphan.directory.display(),
                "stopping an engine that belongs to no cache"
            );
            if let Err(error) = engine::stop_orphan(&orphan, Duration::from_secs(10)).await {
                tracing::error!(error = %chain(&error), "an engine of an earlier run is left");
            }
        }
    }

    /// Follows the control plane for ever.
    async fn obey(
        &mut self,
        workers: &mut BTreeMap<CacheUid, watch::Sender<cache::Order>>,
        tasks: &Tasks,
    ) {
        let mut failures = 0_u32;
        loop {
            let after = self.file.desired.as_ref().map(|desired| desired.generation);
            let asked = self
                .host
                .client
                .desired(&self.host.region, after, LONG_POLL)
                .await;
            let desired = match asked {
                Ok(desired) => desired,
                Err(error) => {
                    if failures == 0 {
                        tracing::warn!(
                            error = %chain(&error),
                            "the control plane does not answer; going on with the last desired state"
                        );
                    }
                    failures = failures.saturating_add(1);
                    sleep(Duration::from_millis(100 * u64::from(failures.min(20)))).await;
                    continue;
                }
            };
            if failures > 0 {
                tracing::info!("the control plane answers again");
                failures = 0;
            }
            let Some(desired) = desired else { continue };
            if let Err(why) = self.adopt(&desired) {
                tracing::error!("{why}");
                self.host.board.set_problem(Some(why));
                sleep(Duration::from_secs(1)).await;
                continue;
            }
            self.host.board.set_problem(None);
            self.employ(workers, tasks, &desired);
            self.host.board.acts_on(desired.generation);
        }
    }

    /// Takes a desired state over, on disk first; refuses another store's and an older one.
    fn adopt(&mut self, desired: &RegionDesired) -> Result<(), String> {
        if let Some(known) = &self.file.desired {
            if known.store != desired.store {
                return Err(format!(
                    "this agent belongs to the control plane with store {}, and was told what to do by one with store {}; give the old store back, or start the agent with an empty directory",
                    known.store, desired.store
                ));
            }
            if desired.generation < known.generation {
                return Err(format!(
                    "the control plane went back from generation {} to {}; its store was restored from an old copy",
                    known.generation, desired.generation
                ));
            }
        }
        let mut file = self.file.clone();
        file.desired = Some(desired.clone());
        let kept = self.host.directory.write_agent(&file);
        kept.map_err(|error: StateError| {
            format!(
                "cannot keep the desired state on disk, so nothing is changed: {}",
                chain(&error)
            )
        })?;
        self.file = file;
        Ok(())
    }

    /// Gives each cache's worker its order; starts the workers that are missing.
    fn employ(
        &self,
        workers: &mut BTreeMap<CacheUid, watch::Sender<cache::Order>>,
        tasks: &Tasks,
        desired: &RegionDesired,
    ) {
        self.metrics.learn(desired);
        self.host.zone.send_replace(desired.zone.clone());
        self.host.fronts.believe(&desired.issuers);
        workers.retain(|_, order| !order.is_closed());
        for wanted in &desired.caches {
            if let Some(order) = workers.get(&wanted.uid) {
                order.send_if_modified(|now| {
                    let changed = *now != *wanted;
                    if changed {
                        *now = wanted.clone();
                    }
                    changed
                });
                continue;
            }
            let has_files = self.host.directory.cache(&wanted.uid).exists();
            if wanted.presence == Presence::Absent && !has_files {
                continue;
            }
            let (send, receive) = watch::channel(wanted.clone());
            workers.insert(wanted.uid.clone(), send);
            let worker = cache::run(Arc::clone(&self.host), receive, tasks.clone());
            tasks.spawn_until_done("cache", worker);
        }
    }
}

/// Opens the agent's directory, and keeps other agents out of it.
fn open(data: &Path) -> Result<(Directory, DirectoryLock), BuildError> {
    let path = data.display().to_string();
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| BuildError::Directory {
        path: path.clone(),
        source,
    };
    let directory = Directory::open(data).map_err(|error| failed(error.into()))?;
    let lock = durable::lock_directory(directory.root(), "lock")
        .map_err(|error: FileError| failed(error.into()))?;
    match lock {
        Some(lock) => Ok((directory, lock)),
        None => Err(BuildError::InUse(path)),
    }
}

/// Binds the relay where it was before, so that the other agents find it; else anew.
async fn bind<L: Future<Output = Result<Outbound, BindError>>>(
    listen: impl Fn(SocketAddr) -> L,
    before: Option<SocketAddr>,
    anew: SocketAddr,
) -> Result<Outbound, BindError> {
    if let Some(before) = before {
        match listen(before).await {
            Ok(outbound) => return Ok(outbound),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "the relay moves to another port");
            }
        }
    }
    listen(anew).await
}

/// The front doors, and the way to them for other regions' gateways.
fn open_fronts(
    directory: &Directory,
    front: FrontTls,
    outbound: &Outbound,
    tasks: &Tasks,
) -> Result<Fronts, StateError> {
    let fronts = Fronts::open(directory, front, tasks)?;
    let (to_gateways, from_gateways) = mpsc::channel(switchboard::WAITING);
    outbound.hand_gateways_to(to_gateways);
    let switchboard = Arc::clone(&fronts.switchboard);
    let switching = switchboard::run(switchboard, from_gateways, tasks.clone());
    tasks.spawn("switchboard", switching);
    Ok(fronts)
}

/// Shows clients a certificate that names the doors of the caches.
async fn show(keeper: certificate::Keeper, host: Arc<Host>) {
    let wanted = || Wanted::new(&host.identity, &host.zone.borrow(), host.board.doors());
    keeper.run(wanted).await;
}
