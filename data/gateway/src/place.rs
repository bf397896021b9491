//! Where a cache's connections go.

use std::net::SocketAddr;

use model::{CacheId, Region, Secret};

/// Where a cache's connections go at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// This side is the geo-primary, or the cache is not linked: all connections go to its leading
    /// engine.
    Here {
        /// Where the engine listens.
        engine: SocketAddr,
        /// The password that opens it.
        client: Secret,
        /// It takes writes.
        writable: bool,
    },
    /// The other side is the geo-primary. Connections on the direct endpoint go to this side's
    /// engine, which is read-only; those on the geo endpoint go over to the other side's gateway.
    There {
        /// Where this side's engine listens.
        engine: SocketAddr,
        /// The password that opens it.
        client: Secret,
        /// The other side's region: its agent alone is talked to.
        region: Region,
        /// Where that agent listens for the others.
        relay: SocketAddr,
        /// The cache over there.
        cache: CacheId,
    },
    /// As `There`, and this side's engine is being filled: the direct endpoint says so to
    /// everything.
    Syncing {
        /// Where this side's engine listens.
        engine: SocketAddr,
        /// The password that opens it.
        client: Secret,
        /// The other side's region.
        region: Region,
        /// Where its agent listens for the others.
        relay: SocketAddr,
        /// The cache over there.
        cache: CacheId,
        /// The geo-primary's name, which the sentence gives to clients.
        geo_primary_name: String,
    },
    /// Nobody leads at the moment.
    Nowhere {
        /// Why, in a sentence for clients.
        why: String,
    },
}

/// Which of a cache's two names a client used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Endpoint {
    /// The cache's own: this cache, whatever its role.
    Direct,
    /// The pair's: whichever cache is the geo-primary.
    Geo,
}

/// Where one connection goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// To an engine beside this gateway.
    Engine { engine: SocketAddr, client: Secret },
    /// To the other side's gateway.
    Tunnel {
        region: Region,
        relay: SocketAddr,
        cache: CacheId,
    },
}

impl Target {
    /// Whether a connection that was opened for the one is good for the other: another password
    /// does not end what the one before has opened.
    pub(crate) fn is_at(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Engine { engine: one, .. }, Self::Engine { engine: two, .. }) => one == two,
            (Self::Tunnel { .. }, Self::Tunnel { .. }) => self == other,
            (Self::Engine { .. }, Self::Tunnel { .. })
            | (Self::Tunnel { .. }, Self::Engine { .. }) => false,
        }
    }
}

impl Place {
    /// Where a connection of an endpoint goes. The error says why it goes nowhere.
    pub(crate) fn target(&self, endpoint: Endpoint) -> Result<Target, &str> {
        match (self, endpoint) {
            (Self::Here { engine, client, .. }, Endpoint::Direct | Endpoint::Geo)
            | (
                Self::There { engine, client, .. } | Self::Syncing { engine, client, .. },
                Endpoint::Direct,
            ) => Ok(Target::Engine {
                engine: *engine,
                client: client.clone(),
            }),
            (
                Self::There {
                    region,
                    relay,
                    cache,
                    ..
                }
                | Self::Syncing {
                    region,
                    relay,
                    cache,
                    ..
                },
                Endpoint::Geo,
            ) => Ok(Target::Tunnel {
                region: region.clone(),
                relay: *relay,
                cache: cache.clone(),
            }),
            (Self::Nowhere { why }, Endpoint::Direct | Endpoint::Geo) => Err(why),
        }
    }

    /// What a connection of an endpoint finds there.
    pub(crate) fn standing(&self, endpoint: Endpoint) -> session::Standing {
        match (self, endpoint) {
            (
                Self::Syncing {
                    geo_primary_name, ..
                },
                Endpoint::Direct,
            ) => session::Standing::Syncing {
                geo_primary: geo_primary_name.clone(),
            },
            (Self::Syncing { .. }, Endpoint::Geo)
            | (Self::Here { .. } | Self::There { .. } | Self::Nowhere { .. }, _) => {
                session::Standing::Serving
            }
        }
    }
}
