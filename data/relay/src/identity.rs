//! Who talks to whom: shards, sources, peers and their credentials.

use std::{fmt, net::SocketAddr};

use model::{EngineVersion, Epoch, LinkId, Secret, ShardIndex};
use psync::Login;

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

/// The geo-primary's engine of a shard, and the epoch under which it is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The link's epoch; an inbound with another one is refused.
    pub epoch: Epoch,
    /// Where the engine listens.
    pub engine: SocketAddr,
    /// As whom to follow it.
    pub credentials: Credentials,
    /// The version of the engines of the link.
    pub engine_version: EngineVersion,
}

/// The outbound that an inbound dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Where it listens.
    pub outbound: SocketAddr,
    /// The link's epoch, as this side knows it.
    pub epoch: Epoch,
}
