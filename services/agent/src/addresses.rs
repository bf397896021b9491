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
    /// This host does not have the address.
    #[error("cannot listen on {address}: {}", no_such(*address))]
    NoSuchAddress { address: SocketAddr },
    /// Everything is taken.
    #[error("every address from {first} on is taken on port {TLS_PORT} or {PLAIN_PORT}")]
    Exhausted { first: Ipv4Addr },
    /// Every port is taken.
    #[error("every port of {ip} from {} to {} is taken", PICKED.start, PICKED.end)]
    NoPort { ip: IpAddr },
    /// The system refused.
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
}

fn no_such(address: SocketAddr) -> &'static str {
    if address.ip().is_loopback() {
        "this system has no such loopback address; start with `--addresses ports`"
    } else {
        "the host of the cache's region has no such address"
    }
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

impl Addresses {
    /// Picks the listeners of a private endpoint: at `wanted`, one of this host's addresses, or at one
    /// that nobody in `taken` has. Where somebody in `taken` has the address, the ports are others.
    pub(crate) fn pick_private(
        self,
        dice: &Dice,
        taken: &BTreeSet<IpAddr>,
        wanted: Option<IpAddr>,
    ) -> Result<Door, AddressError> {
        match (self, wanted) {
            (Self::Ports, None) => free_door(dice),
            (Self::Loopback { first }, None) => free_address(first, taken).map(standard),
            (Self::Loopback { .. }, Some(ip)) if !taken.contains(&ip) => {
                let door = standard(ip);
                let free = [Some(door.tls()), door.plain()].into_iter().flatten();
                for address in free {
                    if !is_free(address)? {
                        return free_door_at(dice, ip);
                    }
                }
                Ok(door)
            }
            (Self::Loopback { .. } | Self::Ports, Some(ip)) => free_door_at(dice, ip),
        }
    }
}

/// Picks where an engine listens.
pub(crate) fn pick_engine(dice: &Dice) -> Result<SocketAddr, AddressError> {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    free_port(dice, ip).map(|port| SocketAddr::new(ip, port))
}

fn standard(ip: IpAddr) -> Door {
    Door {
        ip,
        tls: TLS_PORT,
        plain: Some(PLAIN_PORT),
    }
}

fn free_door(dice: &Dice) -> Result<Door, AddressError> {
    free_door_at(dice, IpAddr::V4(Ipv4Addr::LOCALHOST))
}

fn free_door_at(dice: &Dice, ip: IpAddr) -> Result<Door, AddressError> {
    Ok(Door {
        ip,
        tls: free_port(dice, ip)?,
        plain: Some(free_port(dice, ip)?),
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
fn free_port(dice: &Dice, ip: IpAddr) -> Result<u16, AddressError> {
    let count = PICKED.end - PICKED.start;
    let begin = u16::try_from(dice.below(u64::from(count))).unwrap_or_default();
    for step in 0..count {
        let port = PICKED.start + (begin + step) % count;
        if is_free(SocketAddr::new(ip, port))? {
            return Ok(port);
        }
    }
    Err(AddressError::NoPort { ip })
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
    fn a_private_endpoint_has_the_address_that_was_wanted_or_one_that_nobody_has() {
        let dice = Dice::from_seed(4);
        let first = Ipv4Addr::new(127, 99, 9, 1);
        let wanted: IpAddr = Ipv4Addr::new(127, 99, 9, 9).into();
        let plan = Addresses::Loopback { first };
        let at = plan.pick_private(&dice, &BTreeSet::new(), Some(wanted));
        assert_eq!(at.unwrap(), standard(wanted));
        let shared = plan.pick_private(&dice, &[wanted].into(), Some(wanted));
        let shared = shared.unwrap();
        assert!(shared.ip == wanted && PICKED.contains(&shared.tls));
        let given = plan.pick_private(&dice, &[first.into()].into(), None);
        assert_eq!(
            given.unwrap(),
            standard(Ipv4Addr::new(127, 99, 9, 2).into())
        );
        let ports = Addresses::Ports.pick_private(&dice, &BTreeSet::new(), Some(wanted));
        assert_eq!(ports.unwrap().ip, wanted);
        // Set aside for documentation (RFC 5737): no host has it.
        let nowhere = "192.0.2.1".parse().ok();
        let refused = plan.pick_private(&dice, &BTreeSet::new(), nowhere);
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("has no such address"), "{refused}");
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
