//! The front door of a cache: where clients connect, and who may come in.

mod firewall;
mod tokens;

use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::PrivateDoor;

pub use firewall::{FirewallRule, FirewallRuleError, admits, not_admitted, would_not_admit};
pub use tokens::{IssuerKeys, TokenIssuer, TokenUser};

/// Who may come in to a cache, and through which listeners: what its gateway is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrontDoor {
    /// Listen without TLS, too (`enableNonSslPort`).
    pub plain: bool,
    /// Listen otherwise than at private endpoints (`publicNetworkAccess`).
    pub public: bool,
    /// The lowest version of TLS that is spoken (`minimumTlsVersion`).
    pub minimum_tls: TlsVersion,
    /// The access keys let in (not `disableAccessKeyAuthentication`).
    pub access_keys: bool,
    /// Addresses that may connect, otherwise than by private endpoints; none: every address may.
    pub firewall: Vec<FirewallRule>,
    /// Who may come in with a token, by object ID.
    pub users: Vec<TokenUser>,
    /// Where it listens for private networks; the firewall is not asked there.
    #[serde(default)]
    pub private: Vec<PrivateDoor>,
}

impl Default for FrontDoor {
    /// A new cache's: TLS alone, both keys, every address.
    fn default() -> Self {
        Self {
            plain: false,
            public: true,
            minimum_tls: TlsVersion::V1_2,
            access_keys: true,
            firewall: Vec::new(),
            users: Vec::new(),
            private: Vec::new(),
        }
    }
}

/// A version of TLS.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub enum TlsVersion {
    /// 1.2 (RFC 5246).
    #[default]
    V1_2,
    /// 1.3 (RFC 8446).
    V1_3,
}

/// Where clients connect to a cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Doors {
    /// The direct endpoint: this cache, whatever its role.
    pub direct: Door,
    /// The geo endpoint: whichever cache of the pair is geo-primary.
    pub geo: Door,
}

/// One address with its listeners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Door {
    /// The address.
    pub ip: IpAddr,
    /// The port of TLS.
    pub tls: u16,
    /// The port without TLS, when there is one.
    pub plain: Option<u16>,
}

impl Door {
    /// Where TLS is spoken.
    #[must_use]
    pub fn tls(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.tls)
    }

    /// Where it is not.
    #[must_use]
    pub fn plain(&self) -> Option<SocketAddr> {
        self.plain.map(|port| SocketAddr::new(self.ip, port))
    }
}
