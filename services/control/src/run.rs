//! Puts a control plane together, and runs it.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use model::{CacheRecord, Region, SubscriptionId};
use runtime::{clock::Clock, dice::Dice, tasks::Tasks};
use tls::{ServerNames, ServerNamesError};
use tokio::net::TcpListener;

use crate::{
    AuthorityFileError, Config, OpenError, api, ca, chronicle,
    desired::Desired,
    geo_metrics::{self, GeoMetrics},
    history::History,
    latest::Latest,
    names::Names,
    observations::Observations,
    plane::Plane,
    reconciler,
    records::{DeploymentRecord, SubscriptionRecord, deployment},
    store::{Change, CommitError, State, Store},
    transfers::Transfers,
};

/// Why a control plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// It would serve plain HTTP to the network.
    #[error(
        "refuse to listen on {address}: the management API is plain http and carries keys and tokens; use a loopback address such as 127.0.0.1:8080, with a TLS proxy before it if others must reach it"
    )]
    NotLoopback {
        /// The address that was asked for.
        address: SocketAddr,
    },
    /// A token is empty or the two are one.
    #[error("refuse to start: {0}")]
    Token(&'static str),
    /// The zone cannot stand in host names and certificates.
    #[error("use another zone")]
    Zone(#[from] ServerNamesError),
    /// There are no regions, or a cache is in one that is not among them.
    #[error("{0}")]
    Regions(String),
    /// The address is taken.
    #[error(
        "listen on {address}: something else listens there already; stop it, or choose another address"
    )]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be had.
    #[error("listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the attempt met.
        #[source]
        source: io::Error,
    },
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The certificate authority cannot be read or made.
    #[error(transparent)]
    Authority(#[from] AuthorityFileError),
    /// What it is started with cannot be stored.
    #[error("store the first subscription and what every region is told in {}", path.display())]
    Settings {
        /// The data directory.
        path: PathBuf,
        /// What the attempt met.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// How long the end of the control plane waits for its own tasks.
const GRACE: Duration = Duration::from_secs(5);

/// A control plane that is bound and ready to run.
pub struct Control {
    plane: Arc<Plane>,
    listener: TcpListener,
    address: SocketAddr,
}

/// A control plane whose store is open, to be served on a listener of somebody else's.
pub struct Opened {
    plane: Arc<Plane>,
}

/// Opens the store, binds the address, and makes the first subscription when there is none.
/// Nothing is served before [`Control::run`].
pub async fn build(config: Config, clock: Clock, dice: Dice) -> Result<Control, BuildError> {
    let listen = config.listen;
    let Opened { plane } = open(config, clock, dice).await?;
    let listener = bind(listen).await?;
    let address = listener.local_addr().map_err(|source| BuildError::Listen {
        address: listen,
        source,
    })?;
    Ok(Control {
        plane,
        listener,
        address,
    })
}

/// As [`build`], without an address.
pub async fn open(config: Config, clock: Clock, dice: Dice) -> Result<Opened, BuildError> {
    check(&config)?;
    ServerNames::new(&config.zone, [])?;
    let store = Store::open_watched(&config.data, &dice, config.crash.clone()).await?;
    let failed = |source: CommitError| BuildError::Settings {
        path: config.data.clone(),
        source: Box::new(source),
    };
    first_subscription(&store, &dice).await.map_err(failed)?;
    let told = DeploymentRecord {
        zone: config.zone.clone(),
        issuers: config.issuers,
    };
    remember(&store, &told).await.map_err(failed)?;
    check_regions(&config.regions, store.state().caches.iter().map(|c| &**c))?;
    let authority = ca::open(&config.data, store.id(), clock.now())?;
    let desired = Desired::new(store.id(), &config.regions, &store.state());
    let names = Names::new(
        store.id(),
        &config.zone,
        config.names.ttl_seconds,
        &store.state(),
    );
    let history = History::open(&config.data, &dice).await?;
    let plane = Plane {
        store,
        observations: Observations::new(),
        desired,
        names,
        authority,
        history,
        geo_metrics: GeoMetrics::default(),
        latest: Latest::default(),
        failovers: chronicle::Failovers::default(),
        transfers: Transfers::new(),
        clock,
        dice,
        token: config.token,
        agent_token: config.agent_token,
        names_token: config.names.token,
        zone: config.zone,
        regions: config.regions,
        stopping: Tasks::new(),
    };
    Ok(Opened {
        plane: Arc::new(plane),
    })
}

fn check(config: &Config) -> Result<(), BuildError> {
    if !config.listen.ip().is_loopback() {
        return Err(BuildError::NotLoopback {
            address: config.listen,
        });
    }
    if config.token.reveal().is_empty() || config.agent_token.reveal().is_empty() {
        return Err(BuildError::Token("a token is empty; generate one"));
    }
    if let Some(names) = &config.names.token
        && (names.reveal().is_empty() || *names == config.token || *names == config.agent_token)
    {
        return Err(BuildError::Token(
            "the token for names is empty or another one's; generate one for it alone",
        ));
    }
    if config.token == config.agent_token {
        return Err(BuildError::Token(
            "agents and clients have the same token; give them different ones",
        ));
    }
    Ok(())
}

fn check_regions<'a>(
    regions: &[Region],
    caches: impl Iterator<Item = &'a CacheRecord>,
) -> Result<(), BuildError> {
    if regions.is_empty() {
        let why = "there is no region; name at least one, such as `eastus`";
        return Err(BuildError::Regions(why.to_owned()));
    }
    let mut caches = caches;
    match caches.find(|cache| !regions.contains(&cache.region)) {
        None => Ok(()),
        Some(cache) => Err(BuildError::Regions(format!(
            "the cache `{}` is in the region `{}`, which is not among the regions of this start; add it",
            cache.id.name, cache.region
        ))),
    }
}

async fn first_subscription(store: &Store, dice: &Dice) -> Result<(), CommitError> {
    if store.state().subscriptions.iter().next().is_some() {
        return Ok(());
    }
    let record = SubscriptionRecord {
        id: guid(dice),
        display_name: "Godwit".to_owned(),
        tenant: dice.guid(),
    };
    store.commit(Change::new().insert(&record)).await?;
    Ok(())
}

/// Stores what every region is told, when that is news.
async fn remember(store: &Store, told: &DeploymentRecord) -> Result<(), CommitError> {
    let state = store.state();
    let change = match state.deployment.get(&deployment::key()) {
        Some(old) if **old == *told => return Ok(()),
        Some(old) => Change::new().replace(old, told),
        None => Change::new().insert(told),
    };
    store.commit(change).await?;
    Ok(())
}

fn guid(dice: &Dice) -> SubscriptionId {
    dice.guid().parse().expect("dice roll valid GUIDs")
}

async fn bind(address: SocketAddr) -> Result<TcpListener, BuildError> {
    TcpListener::bind(address).await.map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            BuildError::InUse { address }
        } else {
            BuildError::Listen { address, source }
        }
    })
}

impl Control {
    /// Where both APIs are served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves and reconciles until `tasks` is cancelled, and ends once the requests that are in
    /// hand are answered. The store is then free for another control plane.
    pub async fn run(self, tasks: Tasks) {
        tracing::info!(address = %self.address, "The control plane serves its APIs");
        let opened = Opened { plane: self.plane };
        opened.run(self.listener, tasks).await;
    }
}

impl Opened {
    /// As [`Control::run`].
    pub async fn run<L>(self, listener: L, tasks: Tasks)
    where
        L: axum::serve::Listener,
        L::Addr: std::fmt::Debug,
    {
        let plane = self.plane;
        let parts = tasks.child();
        let (store, history) = (plane.store.clone(), plane.history.clone());
        start(&plane, &parts);
        let service = api::service(plane);
        let stopping = parts.clone();
        let served = axum::serve(listener, service)
            .with_graceful_shutdown(async move { stopping.cancelled().await })
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "Failed to serve the management API");
        }
        if !parts.stop(GRACE).await {
            tracing::warn!("Some work of the control plane did not end in time");
        }
        history.close().await;
        store.close().await;
    }
}

/// Starts everything but the listener.
pub(crate) fn start(plane: &Arc<Plane>, tasks: &Tasks) {
    tasks.spawn("desired state", publish(Arc::clone(plane)));
    tasks.spawn("reconciler", reconciler::run(Arc::clone(plane)));
    let states = plane.store.watch();
    tasks.spawn("chronicle", chronicle::run(Arc::clone(plane), states));
    tasks.spawn_until_done(
        "geo metrics",
        geo_metrics::run(Arc::clone(plane), tasks.clone()),
    );
    let (plane, all) = (Arc::clone(plane), tasks.clone());
    tasks.spawn_until_done("long polls", async move {
        all.cancelled().await;
        plane.stopping.cancel();
    });
}

/// Derives desired state and names anew after every commit that can change them.
async fn publish(plane: Arc<Plane>) {
    let mut states = plane.store.watch();
    let mut derived: Option<Arc<State>> = None;
    loop {
        let state = Arc::clone(&states.borrow_and_update());
        let before = derived.as_ref();
        if !before.is_some_and(|before| before.same_for_agents(&state)) {
            plane.desired.refresh(&state);
        }
        if !before.is_some_and(|before| before.same_for_names(&state)) {
            plane.names.refresh(&state);
        }
        derived = Some(state);
        if states.changed().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
impl Control {
    /// The parts, without the listener.
    pub(crate) fn into_plane(self) -> Arc<Plane> {
        self.plane
    }
}

#[cfg(test)]
mod tests;
