//! Which addresses caches get: each its own loopback address on the standard port, or 127.0.0.1
//! and a port each.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
};

/// The port that clients expect (`redis-cli`'s default).
pub(crate) const SERVICE_PORT: u16 = 6379;
/// Nodes that do not hold the service address listen from here on, as the managed service numbers
/// them (`13000 + i`).
const NODE_PORTS: u16 = 13_000;

/// How caches get their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// Each cache has its own address on port 6379: `first`, and those after it in the same /16.
    Loopback {
        /// The first address to give out.
        first: Ipv4Addr,
    },
    /// Each cache has a port of 127.0.0.1 that the system picks.
    Ports,
}

/// No address can be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddressError {
    /// This system has one loopback address only.
    #[error(
        "cannot listen on {address}: this system has no such loopback address; start with `--addresses ports`"
    )]
    NoSuchAddress { address: SocketAddr },
    /// Everything is taken.
    #[error("every address from {first} on is taken on port {SERVICE_PORT}")]
    Exhausted { first: Ipv4Addr },
    /// The system refused.
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

impl Addresses {
    /// Picks a service address that nobody in `taken` has and nobody listens on.
    pub(crate) fn pick(self, taken: &BTreeSet<SocketAddr>) -> Result<SocketAddr, AddressError> {
        match self {
            Self::Ports => free_port(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            Self::Loopback { first } => {
                let [a, b, c, d] = first.octets();
                let from = u16::from_be_bytes([c, d]);
                for host in from..=u16::MAX {
                    let [c, d] = host.to_be_bytes();
                    if d == 0 || d == 255 {
                        continue;
                    }
                    let ip = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
                    let address = SocketAddr::new(ip, SERVICE_PORT);
                    if !taken.contains(&address) && is_free(address)? {
                        return Ok(address);
                    }
                }
                Err(AddressError::Exhausted { first })
            }
        }
    }

    /// Picks where a node listens that does not hold the service address.
    pub(crate) fn pick_node(
        self,
        service: SocketAddr,
        shard: u16,
        node: u8,
    ) -> Result<SocketAddr, AddressError> {
        let own = NODE_PORTS + shard * 10 + u16::from(node);
        let address = SocketAddr::new(service.ip(), own);
        match self {
            Self::Loopback { .. } if is_free(address)? => Ok(address),
            Self::Loopback { .. } | Self::Ports => free_port(service.ip()),
        }
    }
}

fn free_port(ip: IpAddr) -> Result<SocketAddr, AddressError> {
    let address = SocketAddr::new(ip, 0);
    TcpListener::bind(address)
        .and_then(|listener| listener.local_addr())
        .map_err(|source| AddressError::Listen { address, source })
}

fn is_free(address: SocketAddr) -> Result<bool, AddressError> {
    match TcpListener::bind(address) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable => {
            Err(AddressError::NoSuchAddress { address })
        }
        Err(source) => Err(AddressError::Listen { address, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_use_is_passed_over() {
        let plan = Addresses::Loopback {
            first: Ipv4Addr::new(127, 99, 7, 1),
        };
        let first = plan.pick(&BTreeSet::new()).unwrap();
        let held = TcpListener::bind(first).unwrap();
        let second = plan.pick(&BTreeSet::new()).unwrap();
        assert_ne!(first, second);
        let third = plan.pick(&BTreeSet::from([second])).unwrap();
        assert!(third != first && third != second);
        drop(held);
    }

    #[test]
    fn ports_are_picked_by_the_system() {
        let address = Addresses::Ports.pick(&BTreeSet::new()).unwrap();
        assert!(address.port() != 0 && address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
}
