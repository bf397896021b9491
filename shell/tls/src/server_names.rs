//! What a server certificate is for: every cache's host names, and addresses.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr},
};

use rcgen::SanType;

/// Addresses in one certificate, at most: two for each of an agent's caches, and one for each private endpoint.
pub const ADDRESSES: usize = 512;
/// What is left of a host name's 253 characters for the zone of `<cache>.geo.<zone>`.
const ZONE: usize = 253 - 63 - ".geo.".len();

/// Names that no server certificate is issued for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerNamesError {
    /// The zone is not one.
    #[error(
        "`{0}` is no DNS zone: use lower-case letters, digits and hyphens in labels of 1 to 63, joined by dots, {ZONE} characters in all at most"
    )]
    Zone(String),
    /// There are too many addresses.
    #[error("a server certificate holds {ADDRESSES} addresses at most, and {0} are asked for")]
    TooMany(usize),
    /// Nobody can have the address.
    #[error("{0} is no address of one host, so no certificate is issued for it")]
    Address(IpAddr),
}

/// What a server certificate is for: `*.<zone>`, `*.geo.<zone>`, `*.privatelink.<zone>`, and
/// addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerNames {
    zone: String,
    addresses: BTreeSet<IpAddr>,
}

impl ServerNames {
    /// The names of the caches of a zone, and the addresses of their doors. IPv4 addresses in
    /// IPv6's dress are taken as what they are.
    pub fn new(
        zone: &str,
        addresses: impl IntoIterator<Item = IpAddr>,
    ) -> Result<Self, ServerNamesError> {
        if !is_zone(zone) {
            return Err(ServerNamesError::Zone(zone.to_owned()));
        }
        let addresses: BTreeSet<_> = addresses
            .into_iter()
            .map(|address| address.to_canonical())
            .collect();
        if addresses.len() > ADDRESSES {
            return Err(ServerNamesError::TooMany(addresses.len()));
        }
        match addresses.iter().find(|address| !is_host(**address)) {
            Some(odd) => Err(ServerNamesError::Address(*odd)),
            None => Ok(Self {
                zone: zone.to_owned(),
                addresses,
            }),
        }
    }

    /// As many of these addresses as one certificate can be for, without those that none is for.
    #[must_use]
    pub fn certifiable(addresses: impl IntoIterator<Item = IpAddr>) -> BTreeSet<IpAddr> {
        let all: BTreeSet<_> = addresses
            .into_iter()
            .map(|address| address.to_canonical())
            .filter(|address| is_host(*address))
            .collect();
        all.into_iter().take(ADDRESSES).collect()
    }

    /// As a certificate says it.
    pub(crate) fn alternatives(&self) -> Result<Vec<SanType>, rcgen::Error> {
        let name = |name: String| Ok(SanType::DnsName(name.try_into()?));
        let mut all = vec![
            name(format!("*.{}", self.zone))?,
            name(format!("*.geo.{}", self.zone))?,
            name(format!("*.privatelink.{}", self.zone))?,
        ];
        all.extend(self.addresses.iter().copied().map(SanType::IpAddress));
        Ok(all)
    }
}

fn is_zone(zone: &str) -> bool {
    zone.len() <= ZONE && is_name(zone)
}

/// Tells a host name in lower case, of any length, from other texts.
pub(crate) fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        let bytes = label.as_bytes();
        let fits = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
        (1..=63).contains(&bytes.len())
            && bytes.iter().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    // An all-digit last label would make an address of a host name.
    let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    name.split('.').all(label) && !name.rsplit('.').next().is_some_and(numeric)
}

/// Tells whether one host can have the address.
pub(crate) fn is_host(address: IpAddr) -> bool {
    let is_everybody = match address {
        IpAddr::V4(v4) => v4 == Ipv4Addr::BROADCAST,
        IpAddr::V6(_) => false,
    };
    !address.is_unspecified() && !address.is_multicast() && !is_everybody
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_a_host_name_with_room_for_a_caches_name() {
        let long = format!("{0}.{0}.{0}", "a".repeat(61));
        for good in ["redis.godwit.internal", "a", "a-b.c1.example", &long] {
            assert!(ServerNames::new(good, []).is_ok(), "{good}");
        }
        for bad in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "A.b",
            "-a.b",
            "a-.b",
            "a_b",
            "*.a",
            "a b",
            "a\0",
            "é",
            "127.0.0.1",
            &format!("a.{long}"),
        ] {
            let refused = ServerNames::new(bad, []);
            assert_eq!(refused, Err(ServerNamesError::Zone(bad.to_owned())));
        }
    }

    #[test]
    fn addresses_are_those_of_hosts() {
        let new = |addresses: &[&str]| {
            let addresses: Vec<IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
            ServerNames::new("zone.test", addresses)
        };
        let twice = new(&["10.0.0.1", "::ffff:10.0.0.1", "::1"]).unwrap();
        assert_eq!(twice.addresses.len(), 2);
        for bad in ["0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1"] {
            assert!(matches!(
                new(&["10.0.0.1", bad]),
                Err(ServerNamesError::Address(_))
            ));
        }
        let many = (0..=512).map(|low| IpAddr::from(Ipv4Addr::from_bits(0x7f4d_0000 | low)));
        let fewer = ServerNames::certifiable(many.clone());
        assert_eq!(fewer.len(), 512);
        assert!(ServerNames::certifiable(["0.0.0.0".parse().unwrap()]).is_empty());
        let refused = ServerNames::new("zone.test", many);
        assert_eq!(refused, Err(ServerNamesError::TooMany(513)));
    }
}
