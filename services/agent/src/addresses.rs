//! Which addresses caches get: two loopback addresses each, with the standard ports, or 127.0.0.1
//! and a port for each listener. Engines listen on 127.0.0.1, for Godwit alone.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    ops::Range,
};

use model::{Door, Doors};
use runtime::dice::Dice;

/// The port of TLS, as in the managed service.
const TLS_PORT: u16 = 6380;
/// The port without TLS.
const PLAIN_PORT: u16 = 6379;
/// Where ports are picked from that are no standard ones: below those that the system gives to
/// whoever connects, so that nobody takes one by chance while nothing listens there.
const PICKED: Range<u16> = 10_000..20_000;

/// How caches get their addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addresses {
    /// Each cache has two addresses, one for each endpoint, with ports 6380 and 6379: `first`, and
    /// those after it in the same /16.
    Loopback {
        /// The first address to give out.
        first: Ipv4Addr,
    },
    /// Each listener of a cache has a port of 127.0.0.1 that is free.
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
    #[error("every address from {first} on is taken on port {TLS_PORT} or {PLAIN_PORT}")]
    Exhausted { first: Ipv4Addr },
    /// Every port is taken.
    #[error("every port of 127.0.0.1 from {} to {} is taken", PICKED.start, PICKED.end)]
    NoPort,
    /// The system refused.
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

impl Addresses {
    /// Picks the listeners of a cache, whose addresses nobody in `taken` has and nobody listens on.
    /// `former`: where the direct door without TLS is to be, whoever listens there.
    pub(crate) fn pick_doors(
        self,
        dice: &Dice,
        taken: &BTreeSet<IpAddr>,
        former: Option<SocketAddr>,
    ) -> Result<Doors, AddressError> {
        match self {
            Self::Ports => {
                let mut direct = free_door(dice)?;
                if let Some(former) = former {
                    direct.ip = former.ip();
                    direct.plain = Some(former.port());
                }
                let geo = free_door(dice)?;
                Ok(Doors { direct, geo })
            }
            Self::Loopback { first } => {
                let mut taken = taken.clone();
                let direct = match former {
                    Some(former) => Door {
                        plain: Some(former.port()),
                        ..standard(former.ip())
                    },
                    None => standard(free_address(first, &taken)?),
                };
                taken.insert(direct.ip);
                let geo = standard(free_address(first, &taken)?);
                Ok(Doors { direct, geo })
            }
        }
    }
}

/// Picks where an engine listens.
pub(crate) fn pick_engine(dice: &Dice) -> Result<SocketAddr, AddressError> {
    free_port(dice).map(at)
}

fn standard(ip: IpAddr) -> Door {
    Door {
        ip,
        tls: TLS_PORT,
        plain: Some(PLAIN_PORT),
    }
}

fn free_door(dice: &Dice) -> Result<Door, AddressError> {
    Ok(Door {
        ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
        tls: free_port(dice)?,
        plain: Some(free_port(dice)?),
    })
}

/// An address from `first` on whose two ports are free.
fn free_address(first: Ipv4Addr, taken: &BTreeSet<IpAddr>) -> Result<IpAddr, AddressError> {
    let [a, b, c, d] = first.octets();
    for host in u16::from_be_bytes([c, d])..=u16::MAX {
        let [c, d] = host.to_be_bytes();
        if d == 0 || d == 255 {
            continue;
        }
        let ip = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
        let is_free = |port| is_free(SocketAddr::new(ip, port));
        if !taken.contains(&ip) && is_free(TLS_PORT)? && is_free(PLAIN_PORT)? {
            return Ok(ip);
        }
    }
    Err(AddressError::Exhausted { first })
}

/// Whoever picks at the same moment begins at another place.
fn free_port(dice: &Dice) -> Result<u16, AddressError> {
    let count = PICKED.end - PICKED.start;
    let begin = u16::try_from(dice.below(u64::from(count))).unwrap_or_default();
    for step in 0..count {
        let port = PICKED.start + (begin + step) % count;
        if is_free(at(port))? {
            return Ok(port);
        }
    }
    Err(AddressError::NoPort)
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
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
    fn each_endpoint_has_an_address_that_nobody_has_with_the_standard_ports() {
        let dice = Dice::from_seed(1);
        let plan = Addresses::Loopback {
            first: Ipv4Addr::new(127, 99, 7, 1),
        };
        let one = plan.pick_doors(&dice, &BTreeSet::new(), None).unwrap();
        assert_ne!(one.direct.ip, one.geo.ip);
        assert_eq!((one.direct.tls, one.geo.plain), (6380, Some(6379)));
        let held = TcpListener::bind(one.direct.tls()).unwrap();
        let two = plan.pick_doors(&dice, &[one.geo.ip].into(), None).unwrap();
        let all: BTreeSet<IpAddr> = [one, two]
            .into_iter()
            .flat_map(|doors| [doors.direct.ip, doors.geo.ip])
            .collect();
        assert_eq!(all.len(), 4);
        drop(held);
    }

    #[test]
    fn where_clients_connected_before_stays_the_direct_door_without_tls() {
        let dice = Dice::from_seed(2);
        let first = Ipv4Addr::new(127, 99, 8, 1);
        for plan in [Addresses::Loopback { first }, Addresses::Ports] {
            let former = "127.99.8.1:6379".parse().ok();
            let doors = plan.pick_doors(&dice, &BTreeSet::new(), former).unwrap();
            assert_eq!(doors.direct.plain(), former);
            assert_ne!(doors.geo.plain(), former);
        }
    }

    #[test]
    fn listeners_have_ports_that_nobody_gets_by_chance() {
        let dice = Dice::from_seed(3);
        let doors = Addresses::Ports
            .pick_doors(&dice, &BTreeSet::new(), None)
            .unwrap();
        let ports = [doors.direct.tls, doors.geo.tls].map(Some);
        let ports: BTreeSet<_> = ports
            .into_iter()
            .chain([doors.direct.plain, doors.geo.plain])
            .collect();
        assert_eq!(ports.len(), 4);
        let picked = |port: &Option<u16>| port.is_some_and(|port| PICKED.contains(&port));
        assert!(ports.iter().all(picked), "{ports:?}");
        assert_eq!(doors.geo.ip, IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
}
