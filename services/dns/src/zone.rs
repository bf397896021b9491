//! A zone: what is known of each name in it, and what a question for a name finds.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use hickory_proto::{ProtoError, rr::Name};
use model::{Leads, PublishedNames};

use crate::NameServer;

/// The label below the zone under which its own name server is found when nobody names another:
/// two labels deep, where no cache's name can be.
const OWN_NAME_SERVER: [&str; 2] = ["a", "ns"];

/// Why names cannot be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ZoneError {
    /// The zone's name is not one.
    #[error("use `{zone}` as the name of a zone; choose one such as redis.example.com")]
    Zone {
        /// The name.
        zone: String,
        /// What is wrong with it.
        #[source]
        source: ProtoError,
    },
    /// The zone would be the root.
    #[error("serve the root of all names as a zone; choose a zone such as redis.example.com")]
    Root,
    /// A name server's name is not one.
    #[error("use `{name}` as the name of a name server; choose one such as ns1.example.com")]
    NameServer {
        /// The name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: ProtoError,
    },
}

/// The labels of a name below the zone's, as they are on the wire but for the last one and in lower
/// case: what names are looked up by, whatever bytes a question has in its labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Relative(Vec<u8>);

impl Relative {
    fn of<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut bytes = Vec::new();
        for label in labels {
            // A label has 63 bytes at most.
            bytes.push(u8::try_from(label.len()).unwrap_or(u8::MAX));
            bytes.extend(label.iter().map(u8::to_ascii_lowercase));
        }
        Self(bytes)
    }

    /// The name one label further up; `None` for the zone's own.
    fn parent(&self) -> Option<Self> {
        let length = usize::from(*self.0.first()?);
        Some(Self(self.0.get(length + 1..)?.to_vec()))
    }
}

/// What there is at a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// Nothing but names further down (an empty non-terminal, RFC 8020).
    Between,
    /// The top of the zone: SOA and NS.
    Top,
    /// Addresses, perhaps none yet.
    Addresses {
        /// A.
        v4: Vec<Ipv4Addr>,
        /// AAAA.
        v6: Vec<Ipv6Addr>,
    },
    /// CNAME to this name of the zone, first label first.
    Alias(Vec<String>),
}

impl Node {
    fn addresses(all: &[IpAddr]) -> Self {
        let v4 = all.iter().filter_map(|ip| match ip {
            IpAddr::V4(ip) => Some(*ip),
            IpAddr::V6(_) => None,
        });
        let v6 = all.iter().filter_map(|ip| match ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(ip) => Some(*ip),
        });
        Self::Addresses {
            v4: v4.collect(),
            v6: v6.collect(),
        }
    }
}

/// A name of a name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    /// Below the zone: these labels, first label first.
    Within(Vec<String>),
    /// Somewhere else.
    Elsewhere(Name),
}

/// A zone at one generation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone {
    /// Its name, in lower case.
    pub(crate) origin: Name,
    /// Of the names that are served.
    pub(crate) generation: u64,
    /// For how long answers may be remembered, in seconds; negative ones, too.
    pub(crate) ttl: u32,
    /// Its name servers, at least one.
    pub(crate) servers: Vec<Server>,
    nodes: BTreeMap<Relative, Node>,
}

impl Zone {
    /// Makes the zone of published names. `servers` are its name servers; without any it has one
    /// of its own, at `own`.
    pub(crate) fn new(
        names: &PublishedNames,
        servers: &[NameServer],
        own: &[IpAddr],
    ) -> Result<Self, ZoneError> {
        let origin = absolute(&names.zone).map_err(|source| ZoneError::Zone {
            zone: names.zone.clone(),
            source,
        })?;
        if origin.is_root() {
            return Err(ZoneError::Root);
        }
        let mut zone = Self {
            origin,
            generation: names.generation,
            ttl: names.ttl_seconds,
            servers: Vec::new(),
            nodes: BTreeMap::from([(Relative::default(), Node::Top)]),
        };
        for name in &names.names {
            let node = match &name.leads {
                Leads::Addresses(all) => Node::addresses(all),
                Leads::Alias(other) => Node::Alias(labels(other)),
            };
            if zone.fits(&name.name) {
                zone.insert(&labels(&name.name), node);
            } else {
                tracing::error!(
                    name = name.name,
                    zone = names.zone,
                    "A name is too long for DNS within this zone, and is left out; choose a shorter zone"
                );
            }
        }
        if servers.is_empty() {
            let own_name = OWN_NAME_SERVER.map(str::to_owned).to_vec();
            zone.insert(&own_name, Node::addresses(own));
            zone.servers.push(Server::Within(own_name));
        }
        for server in servers {
            zone.add_server(server)?;
        }
        Ok(zone)
    }

    fn add_server(&mut self, server: &NameServer) -> Result<(), ZoneError> {
        let name = absolute(&server.name).map_err(|source| ZoneError::NameServer {
            name: server.name.clone(),
            source,
        })?;
        let Some(within) = self.relative(&name) else {
            self.servers.push(Server::Elsewhere(name));
            return Ok(());
        };
        let depth = name.iter().len() - self.origin.iter().len();
        let labels: Vec<String> = name
            .iter()
            .take(depth)
            .map(|label| String::from_utf8_lossy(label).into_owned())
            .collect();
        // A cache of that name keeps it.
        if !matches!(
            self.nodes.get(&within),
            Some(Node::Addresses { .. } | Node::Alias(_) | Node::Top)
        ) {
            self.insert(&labels, Node::addresses(&server.addresses));
        }
        self.servers.push(Server::Within(labels));
        Ok(())
    }

    fn fits(&self, name: &str) -> bool {
        let whole = labels(name)
            .iter()
            .rev()
            .try_fold(self.origin.clone(), |below, label| {
                below.prepend_label(label.as_bytes())
            });
        whole.is_ok()
    }

    fn insert(&mut self, labels: &[String], node: Node) {
        let key = Relative::of(labels.iter().map(String::as_bytes));
        let mut above = key.parent();
        while let Some(name) = above {
            above = name.parent();
            if let Entry::Vacant(vacant) = self.nodes.entry(name) {
                vacant.insert(Node::Between);
            }
        }
        self.nodes.insert(key, node);
    }

    /// The part of a name that is below the zone's; `None`: it is not in the zone.
    pub(crate) fn relative(&self, name: &Name) -> Option<Relative> {
        if !self.origin.zone_of(name) {
            return None;
        }
        let depth = name.iter().len().checked_sub(self.origin.iter().len())?;
        Some(Relative::of(name.iter().take(depth)))
    }

    /// What there is at a name; `None`: nothing there and nothing further down.
    pub(crate) fn node(&self, name: &Relative) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// What an alias leads to.
    pub(crate) fn target(&self, labels: &[String]) -> Option<&Node> {
        self.nodes
            .get(&Relative::of(labels.iter().map(String::as_bytes)))
    }

    /// The SOA's serial: the generation, in as many bits as it has (RFC 1982).
    #[expect(
        clippy::cast_possible_truncation,
        reason = "serials are counted modulo 2^32"
    )]
    pub(crate) fn serial(&self) -> u32 {
        self.generation as u32
    }
}

fn labels(name: &str) -> Vec<String> {
    name.split('.').map(str::to_owned).collect()
}

/// A name that somebody wrote, with or without the last dot.
pub(crate) fn absolute(text: &str) -> Result<Name, ProtoError> {
    let mut name = Name::from_ascii(text)?.to_lowercase();
    name.set_fqdn(true);
    Ok(name)
}

#[cfg(test)]
pub(crate) mod tests;
