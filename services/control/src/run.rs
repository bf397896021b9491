//! Puts a control plane together, and runs it.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::Router;
use futures_util::future::join_all;
use model::{CacheRecord, Region, SubscriptionId};
use runtime::{clock::Clock, dice::Dice, tasks::Tasks};
use tls::{HostNameError, HostNames, ServerNames, ServerNamesError};
use tokio::net::TcpListener;
use webhook::Endpoint;

use crate::{
    AuthorityFileError, CertificateError, Config, OpenError,
    activity::{self, Activity},
    api, ca, chronicle,
    desired::Desired,
    egress::{self, Egress},
    geo_metrics::{self, GeoMetrics},
    history::History,
    latest::Latest,
    listen::{self, Accepted, Arrival, Certificates, Doors},
    names::Names,
    notifier::{self, Webhook},
    observations::Observations,
    plane::Plane,
    reconciler,
    records::{DeploymentRecord, SubscriptionRecord, deployment},
    store::{Change, CommitError, Store},
    transfers::Transfers,
};

/// Why a control plane cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// It would serve plain HTTP to the network.
    #[error(
        "refuse to serve plain http on {address}: the management API carries keys and tokens; listen on a loopback address such as 127.0.0.1:8080, and serve others by https: `--https {address}`"
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
    /// The management API cannot be certified for the name.
    #[error("use another `--api-name`")]
    ApiName(#[from] HostNameError),
    /// There is no certificate for the management API.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
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
    /// The endpoint that is to be told of events cannot be used.
    #[error("use the webhook")]
    Webhook(#[from] webhook::BuildError),
    /// What was summed up before cannot be read.
    #[error("read what links sent so far from the history in {}", path.display())]
    History {
        /// The data directory.
        path: PathBuf,
        /// What the attempt met.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
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
    certificates: Certificates,
    /// For this machine, and for others if there is one for them.
    listeners: Vec<(TcpListener, Doors)>,
    address: SocketAddr,
    https: Option<SocketAddr>,
}

/// A control plane whose store is open, to be served on a listener of somebody else's.
pub struct Opened {
    plane: Arc<Plane>,
}

/// Opens the store, binds the address, and makes the first subscription when there is none.
/// Nothing is served before [`Control::run`].
pub async fn build(config: Config, clock: Clock, dice: Dice) -> Result<Control, BuildError> {
    let (listen, api) = (config.listen, config.api.clone());
    let mut names = HostNames::here();
    for name in &api.names {
        names.add(name)?;
    }
    let Opened { plane } = open(config, clock, dice).await?;
    let (listener, address) = bind(listen).await?;
    let other = match api.https {
        Some(https) => Some(bind(https).await?),
        None => None,
    };
    let https = other.as_ref().map(|(_, address)| *address);
    for address in [Some(address), https].into_iter().flatten() {
        // Whoever listens everywhere has to say by which names that is.
        let _is_one_host = names.add_address(address.ip());
    }
    let certificates = Certificates::new(&plane, names, api.certificate).await?;
    let mut listeners = vec![(listener, Doors::both(certificates.front()))];
    listeners.extend(other.map(|(listener, _)| {
        let doors = Doors::encrypted(certificates.front());
        (listener, doors)
    }));
    Ok(Control {
        plane,
        certificates,
        listeners,
        address,
        https,
    })
}

/// As [`build`], without an address.
pub async fn open(config: Config, clock: Clock, dice: Dice) -> Result<Opened, BuildError> {
    check(&config)?;
    let endpoint = config
        .webhook
        .as_ref()
        .map(|hook| Endpoint::new(hook.url.reveal(), &hook.secret, hook.authority.as_deref()));
    let endpoint = endpoint.transpose()?;
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
    let egress = Egress::open(&history).await;
    let egress = egress.map_err(|source| BuildError::History {
        path: config.data.clone(),
        source: Box::new(source),
    })?;
    let plane = Plane {
        store,
        observations: Observations::new(),
        desired,
        names,
        authority,
        history,
        activity: Activity::default(),
        geo_metrics: GeoMetrics::default(),
        passes: reconciler::Passes::default(),
        egress,
        latest: Latest::default(),
        failovers: chronicle::Failovers::default(),
        webhook: endpoint.map(Webhook::new),
        sign_ins: api::Attempts::default(),
        token_keys: api::Believed::default(),
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

/// Binds an address; gives the one that it came to.
async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), BuildError> {
    let failed = |source: io::Error| {
        if source.kind() == io::ErrorKind::AddrInUse {
            BuildError::InUse { address }
        } else {
            BuildError::Listen { address, source }
        }
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

impl Control {
    /// Where both APIs are served to this machine, by http and https.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where both are served by https alone, if anywhere.
    pub fn https(&self) -> Option<SocketAddr> {
        self.https
    }

    /// Serves and reconciles until `tasks` is cancelled, and ends once the requests that are in
    /// hand are answered. The store is then free for another control plane.
    pub async fn run(self, tasks: Tasks) {
        tracing::info!(address = %self.address, https = ?self.https, "The control plane serves its APIs");
        let Self {
            plane,
            certificates,
            listeners,
            ..
        } = self;
        let (following, followed) = (certificates.follow(Arc::clone(&plane)), tasks.child());
        followed.spawn("certificate of the API", following);
        let opened = Opened { plane };
        let serving = |service: Router, parts: Tasks| {
            let all = listeners.into_iter().map(move |(listener, doors)| {
                let open = move |tcp, peer| Accepted {
                    peer: Some(peer),
                    opening: doors.clone().open(tcp, peer),
                };
                listen::serve(listener, open, service.clone(), parts.clone())
            });
            join_all(all)
        };
        opened.serve(serving, tasks).await;
        followed.cancel();
    }
}

impl Opened {
    /// As [`Control::run`], without TLS.
    pub async fn run<L>(self, listener: L, tasks: Tasks)
    where
        L: axum::serve::Listener,
    {
        let serving = |service, parts| {
            let open = |io: L::Io, _address: L::Addr| Accepted {
                peer: None,
                opening: std::future::ready(Some((io, Arrival::from_here()))),
            };
            listen::serve(listener, open, service, parts)
        };
        self.serve(serving, tasks).await;
    }

    /// Serves by what `serving` makes of the service, until `tasks` is cancelled.
    async fn serve<F: Future>(self, serving: impl FnOnce(Router, Tasks) -> F, tasks: Tasks) {
        let plane = self.plane;
        let parts = tasks.child();
        let (store, history) = (plane.store.clone(), plane.history.clone());
        start(&plane, &parts);
        serving(api::service(Arc::clone(&plane)), parts.clone()).await;
        if !parts.stop(GRACE).await {
            tracing::warn!("Some work of the control plane did not end in time");
        }
        // Requests may have been answered until just now.
        activity::finish(&plane).await;
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
        "activity log",
        activity::run(Arc::clone(plane), tasks.clone()),
    );
    tasks.spawn_until_done(
        "geo metrics",
        geo_metrics::run(Arc::clone(plane), tasks.clone()),
    );
    tasks.spawn_until_done("webhook", notifier::run(Arc::clone(plane), tasks.clone()));
    tasks.spawn_until_done("egress", egress::run(Arc::clone(plane), tasks.clone()));
    let (plane, all) = (Arc::clone(plane), tasks.clone());
    tasks.spawn_until_done("long polls", async move {
        all.cancelled().await;
        plane.stopping.cancel();
    });
}

/// Derives desired state and names anew after every commit.
async fn publish(plane: Arc<Plane>) {
    let mut states = plane.store.watch();
    loop {
        let state = Arc::clone(&states.borrow_and_update());
        plane.desired.follow(&state);
        plane.names.follow(&state);
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
