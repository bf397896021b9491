//! Puts a DNS server together, and runs it.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc};

use client::Names;
use runtime::{
    clock::Clock,
    dice::Dice,
    durable::{DirectoryLock, FileError, lock_directory, make_directory},
    tasks::Tasks,
};
use tokio::{net::TcpListener, sync::watch};

use crate::{
    Config,
    follow::Follower,
    kept::{Kept, LoadError, Loaded},
    metrics::{self, Metrics, MetricsError},
    serve::{self, Bound},
    served::{Generation, Served},
    tally::Tally,
    update::Updater,
    zone::{Zone, absolute},
};

/// The file that marks a data directory as in use.
const LOCK: &str = "lock";

/// Why a DNS server cannot start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no address to answer at.
    #[error("name at least one address to answer at, such as 192.0.2.1:53")]
    NoAddress,
    /// A name server's name is not one.
    #[error("`{0}` is not the name of a name server; write one such as ns1.example.com")]
    NameServer(String),
    /// The data directory cannot be used.
    #[error("use {} as the data directory; check that it is writable", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the attempt met.
        #[source]
        source: FileError,
    },
    /// Another server has it.
    #[error("{} is in use by another `godwit dns`; stop that one, or choose another directory", path.display())]
    DirectoryInUse {
        /// The directory.
        path: PathBuf,
    },
    /// What was kept cannot be read.
    #[error("read what was kept in the data directory")]
    Kept(#[from] LoadError),
    /// Nobody could read the metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsError),
    /// The control plane cannot be asked.
    #[error(transparent)]
    Client(#[from] client::BuildError),
    /// The address is taken.
    #[error("answer at {address}: something else does already; stop it, or choose another address")]
    InUse {
        /// The address.
        address: SocketAddr,
    },
    /// The address cannot be had.
    #[error("answer at {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the attempt met.
        #[source]
        source: io::Error,
    },
}

/// A DNS server that is put together and does not answer yet.
pub struct Dns {
    bound: Vec<Bound>,
    served: Served,
    follower: Follower,
    updater: Option<Updater>,
    answers_per_second: u32,
    dice: Dice,
    tally: Arc<Tally>,
    scraped: Option<(TcpListener, SocketAddr)>,
    _lock: DirectoryLock,
}

/// Takes the addresses and reads what was served last.
pub async fn build(config: Config, clock: Clock, dice: Dice) -> Result<Dns, BuildError> {
    if config.listen.is_empty() {
        return Err(BuildError::NoAddress);
    }
    for server in &config.name_servers {
        if absolute(&server.name).is_err() {
            return Err(BuildError::NameServer(server.name.clone()));
        }
    }
    let trusted = config.authority.as_deref();
    let client = Names::trusting(&config.control, config.token.clone(), trusted)?;
    let unusable = |source| BuildError::Directory {
        path: config.data.clone(),
        source,
    };
    make_directory(&config.data).map_err(unusable)?;
    let lock = lock_directory(&config.data, LOCK).map_err(unusable)?;
    let Some(lock) = lock else {
        return Err(BuildError::DirectoryInUse { path: config.data });
    };
    let mut bound = Vec::new();
    for address in &config.listen {
        bound.push(bind(*address).await?);
    }
    let own = bound
        .iter()
        .map(|bound| bound.address.ip())
        .filter(|ip| !ip.is_unspecified());
    let scraped = match config.metrics {
        Some(address) => Some(metrics::bind(address).await?),
        None => None,
    };
    let tally = Arc::new(Tally::default());
    let kept = Kept::within(&config.data);
    let (publish, receiver) = watch::channel(None);
    let follower = Follower {
        client,
        kept,
        publish,
        servers: config.name_servers,
        own: own.collect(),
        tally: Arc::clone(&tally),
    };
    recall(&follower)?;
    let updater = config
        .update
        .map(|update| Updater::open(&config.data, update, clock, dice.clone()));
    Ok(Dns {
        bound,
        served: Served(receiver),
        follower,
        updater: updater.transpose()?,
        answers_per_second: config.answers_per_second,
        dice,
        tally,
        scraped,
        _lock: lock,
    })
}

async fn bind(address: SocketAddr) -> Result<Bound, BuildError> {
    serve::bind(address).await.map_err(|source| {
        if source.kind() == io::ErrorKind::AddrInUse {
            BuildError::InUse { address }
        } else {
            BuildError::Listen { address, source }
        }
    })
}

/// Serves what was served last.
fn recall(follower: &Follower) -> Result<(), LoadError> {
    let names = match follower.kept.load()? {
        Loaded::Nothing => return Ok(()),
        Loaded::Damaged => {
            tracing::error!(
                file = %follower.kept.path().display(),
                "The names on the disk are damaged and are not served; waiting for the control plane"
            );
            return Ok(());
        }
        Loaded::Whole(names) => names,
    };
    match Zone::new(&names, &follower.servers, &follower.own) {
        Ok(zone) => {
            tracing::info!(
                generation = names.generation,
                "Serving the names that were kept"
            );
            let kept = Arc::new(Generation { names, zone });
            follower.publish.send_replace(Some(kept));
        }
        Err(error) => {
            tracing::error!(error = %runtime::chain(&error), "The names on the disk are not served");
        }
    }
    Ok(())
}

impl Dns {
    /// Where it answers.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.bound.iter().map(|bound| bound.address).collect()
    }

    /// Where its metrics can be read.
    pub fn metrics(&self) -> Option<SocketAddr> {
        self.scraped.as_ref().map(|(_, address)| *address)
    }

    /// Answers and follows the control plane until `tasks` is cancelled.
    pub async fn run(self, tasks: Tasks) {
        for bound in self.bound {
            bound.serve(
                &tasks,
                &self.served,
                self.answers_per_second,
                &self.dice,
                &self.tally,
            );
        }
        if let Some((listener, _)) = self.scraped {
            let metrics = Metrics::new(self.tally, self.served.clone());
            tasks.spawn("generations", metrics::watch(Arc::clone(&metrics)));
            let serving = metrics::serve(metrics, listener, tasks.clone());
            tasks.spawn_until_done("metrics", serving);
        }
        let follower = self.follower;
        tasks.spawn("names", follower.run());
        if let Some(updater) = self.updater {
            tasks.spawn("dns updates", updater.run(self.served));
        }
        tasks.cancelled().await;
    }
}
