//! How a cache is reached as any client reaches it: its address, who has to answer there, its
//! access key. Found at the control plane.

use std::{fmt, io, time::Duration};

use client::{
    Management, RequestError,
    status::{CacheStatus, NamedEndpoint},
};
use model::{CacheId, Secret};
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError, aio::MultiplexedConnection};
use runtime::tasks::Tasks;
use tls::{ClientStream, ServerTrust, Trust, TrustError};
use tokio::{net::TcpStream, time::timeout};

/// For the connection and the handshake together.
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// Where a cache is reached, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Reach {
    host: String,
    port: u16,
    tls: Option<ServerTrust>,
    key: Secret,
}

/// Why a cache cannot be reached, before anything is tried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreachable {
    /// The control plane does not tell.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// Nothing listens for clients.
    #[error("`{cache}` has no address that clients reach it at")]
    NoAddress {
        /// The cache.
        cache: String,
    },
    /// What the control plane says of the authority does not help.
    #[error("prepare to trust `{cache}`")]
    Trust {
        /// The cache.
        cache: String,
        /// What is wrong.
        #[source]
        source: TrustError,
    },
}

impl Reach {
    /// The direct endpoint of a cache: over TLS, and without only when nothing speaks TLS there.
    pub(crate) async fn find(api: &Management, id: &CacheId) -> Result<Self, Unreachable> {
        Self::at(api, id, CacheStatus::direct).await
    }

    /// The geo endpoint of a cache, in the same way.
    pub(crate) async fn find_geo(api: &Management, id: &CacheId) -> Result<Self, Unreachable> {
        Self::at(api, id, CacheStatus::geo).await
    }

    async fn at(
        api: &Management,
        id: &CacheId,
        which: fn(&CacheStatus) -> Option<NamedEndpoint>,
    ) -> Result<Self, Unreachable> {
        let no_address = || Unreachable::NoAddress {
            cache: id.name.to_string(),
        };
        let status = api.cache_status(id).await?.body;
        let door = which(&status).ok_or_else(no_address)?;
        let host = door.address.clone().ok_or_else(no_address)?;
        let key = api.keys(id).await?.body.primary_key;
        let (port, tls) = match door.tls() {
            Some(port) => (port, Some(expected(api, id, &door).await?)),
            None => (door.plain().ok_or_else(no_address)?, None),
        };
        Ok(Self {
            host,
            port,
            tls,
            key,
        })
    }

    /// For a workload.
    pub(crate) fn endpoint(&self) -> ledger::Endpoint {
        let endpoint = ledger::Endpoint::new(&self.host, self.port, self.key.reveal());
        match &self.tls {
            Some(tls) => endpoint.over_tls(tls.clone()),
            None => endpoint,
        }
    }

    /// Connects to one of its databases. `answers` is how long any one answer may take.
    pub(crate) async fn connect(
        &self,
        database: u16,
        answers: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        let late = |_elapsed| RedisError::from(io::Error::from(io::ErrorKind::TimedOut));
        let stream = timeout(CONNECT_LIMIT, self.dial()).await.map_err(late)??;
        let login = RedisConnectionInfo::default()
            .set_password(self.key.reveal())
            .set_db(i64::from(database));
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(answers));
        let made = MultiplexedConnection::new_with_config(&login, stream, config);
        let (connection, driver) = timeout(CONNECT_LIMIT, made).await.map_err(late)??;
        // It ends with the connection's last clone.
        Tasks::new().spawn("connection to a cache", driver);
        Ok(connection)
    }

    async fn dial(&self) -> io::Result<ClientStream> {
        let tcp = TcpStream::connect((self.host.as_str(), self.port)).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            Some(tls) => tls.connect(tcp).await,
            None => Ok(ClientStream::plain(tcp)),
        }
    }
}

/// Who has to answer at a door: whoever the deployment's authority certified for its name.
async fn expected(
    api: &Management,
    id: &CacheId,
    door: &NamedEndpoint,
) -> Result<ServerTrust, Unreachable> {
    let untrusted = |source| Unreachable::Trust {
        cache: id.name.to_string(),
        source,
    };
    let authority = api.certificate_authority().await?;
    let trust = Trust::from_pem(&authority).map_err(untrusted)?;
    trust.in_server(&door.name).map_err(untrusted)
}

/// The command that opens a cache's direct endpoint, for people to type: `keys` shows its access key,
/// `authority` the certificate that its TLS is to be trusted by. For shells that know `<(…)`.
pub(crate) fn command(status: &CacheStatus, keys: &str, authority: &str) -> Option<String> {
    let door = status.direct()?;
    let host = door.address.as_ref()?;
    let (port, tls) = match door.tls() {
        Some(port) => (port, format!(" --tls --cacert <({authority})")),
        None => (door.plain()?, String::new()),
    };
    Some(format!(
        "REDISCLI_AUTH=\"$({keys})\" redis-cli{tls} -h {host} -p {port}"
    ))
}

/// `127.0.0.1:6380`, for people.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}
