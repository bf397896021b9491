//! Who talks to whom: shards, sources, peers and their credentials.

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use model::{
    CacheName, EngineVersion, Epoch, FirewallRule, LinkId, Region, ReplicationSettings, Secret,
    ShardIndex, admits, not_admitted,
};
use psync::{Backlog, Handshake, Login, Offset, Position};
use wire::{Refusal, RefusalCode};

/// One shard of one link.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShardKey {
    /// The link.
    pub link: LinkId,
    /// The shard.
    pub shard: ShardIndex,
}

impl fmt::Display for ShardKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {} of link {}", self.shard, self.link)
    }
}

/// A replication user and its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    /// The password.
    pub password: Secret,
}

impl Credentials {
    pub(crate) fn login(&self) -> Login {
        Login::new(self.user.as_str(), self.password.reveal())
    }
}

/// From where a geo-primary may be followed, and what people call the two caches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firewall {
    /// The geo-primary.
    pub primary: CacheName,
    /// The geo-secondary.
    pub secondary: CacheName,
    /// The geo-primary's rules; none: from everywhere.
    pub rules: Vec<FirewallRule>,
}

impl Firewall {
    /// Why an inbound is refused that dials from there; `None`: it is admitted.
    pub(crate) fn refusal(&self, address: IpAddr) -> Option<Refusal> {
        if admits(&self.rules, address) {
            return None;
        }
        let why = not_admitted(&self.primary, address, &self.secondary);
        Some(Refusal::new(RefusalCode::NotAdmitted, why))
    }
}

/// The geo-primary's engines of a shard, the epoch under which they are, and how to serve them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The link's epoch; an inbound with another one is refused.
    pub epoch: Epoch,
    /// The region of the geo-secondary; an agent of another one is refused.
    pub peer: Region,
    /// From where that agent may dial. Another firewall holds at once, and cuts off whom it does not
    /// admit.
    pub firewall: Firewall,
    /// Where the shard's primary listens.
    pub engine: SocketAddr,
    /// Where its replicas listen that are in step, for snapshots.
    pub replicas: Vec<SocketAddr>,
    /// As whom to follow them.
    pub credentials: Credentials,
    /// The version of the engines of the link.
    pub engine_version: EngineVersion,
    /// The link's settings.
    pub settings: ReplicationSettings,
    /// A person's word, or the control plane's, that an empty geo-primary may replace what the
    /// geo-secondary holds.
    pub accept_empty: bool,
}

impl Source {
    /// Tells whether sessions of the one may go on with the other.
    pub(crate) fn serves_the_same(&self, other: &Self) -> bool {
        self.epoch == other.epoch && self.peer == other.peer
    }

    /// What the outbound half says of itself to the engines.
    pub(crate) fn handshake(&self, shown_as: SocketAddr, have: Option<Position>) -> Handshake {
        handshake(&self.credentials, self.engine_version, shown_as, have)
    }

    /// Tells whether both are followed over the same connection.
    pub(crate) fn is_followed_like(&self, other: &Self) -> bool {
        self.serves_the_same(other)
            && self.engine == other.engine
            && self.credentials == other.credentials
    }
}

/// What a replica says of itself that the engine shows at `shown_as`.
pub(crate) fn handshake(
    credentials: &Credentials,
    version: EngineVersion,
    shown_as: SocketAddr,
    have: Option<Position>,
) -> Handshake {
    Handshake {
        login: Some(credentials.login()),
        address: shown_as.ip(),
        port: shown_as.port(),
        version: format!("{}.{}.{}", version.major, version.minor, version.patch),
        have,
        snapshot_only: false,
    }
}

/// What the geo-primary's engine was last seen to be (`INFO replication`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SourceFacts {
    /// Where it stands.
    pub position: Position,
    /// The last byte of the history before the present one, when it knows one.
    pub before: Option<Position>,
    /// The last byte before those that its backlog has; `None` without a backlog.
    pub backlog_from: Option<Offset>,
    /// Keys in all its databases.
    pub keys: u64,
}

impl SourceFacts {
    /// Tells whether the engine, as it was seen, would let a replica go on behind `have`.
    pub(crate) fn reaches(&self, have: &Position) -> bool {
        let backlog = Backlog {
            position: self.position,
            before: self.before,
            from: self.backlog_from,
        };
        backlog.reaches(have)
    }
}

/// The outbound that an inbound dials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where it listens.
    pub outbound: SocketAddr,
    /// The region whose agent it is to be.
    pub region: Region,
    /// The link's epoch, as this side knows it.
    pub epoch: Epoch,
}
