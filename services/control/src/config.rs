//! What a control plane is started with.

use std::{fmt, net::SocketAddr, path::PathBuf};

use model::{Region, Secret, TokenIssuer};
use runtime::crash::Points;

/// The zone of endpoint names when nobody chooses another.
pub const DEFAULT_ZONE: &str = "redis.godwit.internal";

/// For how long a name may be remembered when nobody chooses another time, in seconds.
pub const DEFAULT_TTL_SECONDS: u32 = 5;

/// How names are told to whoever serves DNS.
#[derive(Debug, Clone)]
pub struct NamesConfig {
    /// What may be shown, instead of the management token, to read the names and nothing else.
    pub token: Option<Secret>,
    /// For how long an answer may be remembered, in seconds; [`DEFAULT_TTL_SECONDS`].
    pub ttl_seconds: u32,
}

/// Somebody who is told what the activity log tells.
#[derive(Clone)]
pub struct WebhookConfig {
    /// Where; HTTPS, or HTTP on this machine. It may hold a secret itself.
    pub url: Secret,
    /// What messages are signed with.
    pub secret: Secret,
    /// The certificates (PEM) that the endpoint is verified by; `None`: those that the system trusts.
    pub authority: Option<Vec<u8>>,
}

impl fmt::Debug for WebhookConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookConfig")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// The operator's own certificate for the management API: files that are taken up again whenever they
/// change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiCertificate {
    /// The certificate and its chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// How the management API is reached by more than plain HTTP on this machine.
#[derive(Debug, Clone, Default)]
pub struct ApiConfig {
    /// Another address where both APIs are served, by https alone: any address, also one that the network
    /// reaches. Port 0 takes a free one.
    pub https: Option<SocketAddr>,
    /// Host names and addresses that it is reached by, beside those that it listens at and `localhost`.
    pub names: Vec<String>,
    /// What is shown to clients; none: a certificate of the deployment's own authority.
    pub certificate: Option<ApiCertificate>,
}

/// What a control plane is started with: read once, by the command line.
#[derive(Debug, Clone)]
pub struct Config {
    /// The directory of the store; made when it is not there.
    pub data: PathBuf,
    /// Where both APIs are served, by http and https, so on loopback only. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// How they are reached otherwise.
    pub api: ApiConfig,
    /// What a client of the management API must show.
    pub token: Secret,
    /// What an agent must show.
    pub agent_token: Secret,
    /// The DNS zone of every endpoint's name; [`DEFAULT_ZONE`].
    pub zone: String,
    /// How the names below that are told.
    pub names: NamesConfig,
    /// Whose tokens let clients in; none: access keys alone do.
    pub issuers: Vec<TokenIssuer>,
    /// The regions that caches can be in. An agent of another region is refused.
    pub regions: Vec<Region>,
    /// Who is told what the activity log tells, if anybody is.
    pub webhook: Option<WebhookConfig>,
    /// Where a test can have it die.
    pub crash: Points,
}
