//! What the control plane's own certificate is for: the names and addresses that it is reached by.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use rcgen::SanType;

use crate::server_names::{is_host, is_name};

/// The longest host name (RFC 1035, 2.3.4, without the root's dot).
const LONGEST: usize = 253;
/// What every control plane is called by whoever is on the same machine.
const HERE: &str = "localhost";

/// A name that no certificate is issued for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is neither a host name (letters, digits and hyphens in labels of 1 to 63, joined by dots) nor the address of one host"
)]
pub struct HostNameError(String);

/// The names and addresses of one host; `localhost` and the loopback addresses are always among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostNames {
    names: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
}

impl HostNames {
    /// `localhost` and the loopback addresses.
    #[must_use]
    pub fn here() -> Self {
        Self {
            names: BTreeSet::from([HERE.to_owned()]),
            addresses: BTreeSet::from([Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]),
        }
    }

    /// Adds a host name, in any case, or an address.
    pub fn add(&mut self, text: &str) -> Result<(), HostNameError> {
        let bad = || HostNameError(text.chars().take(LONGEST).collect());
        if let Ok(address) = text.parse::<IpAddr>() {
            return self.add_address(address).then_some(()).ok_or_else(bad);
        }
        let name = text.to_ascii_lowercase();
        if name.len() > LONGEST || !is_name(&name) {
            return Err(bad());
        }
        self.names.insert(name);
        Ok(())
    }

    /// Adds an address if it is that of one host: not `0.0.0.0`, and no multicast or broadcast.
    /// Tells whether it is.
    pub fn add_address(&mut self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        if is_host(address) {
            self.addresses.insert(address);
        }
        is_host(address)
    }

    /// As a certificate says it.
    pub(crate) fn alternatives(&self) -> Result<Vec<SanType>, rcgen::Error> {
        let name = |name: &String| Ok(SanType::DnsName(name.as_str().try_into()?));
        let mut all: Vec<_> = self.names.iter().map(name).collect::<Result<_, _>>()?;
        all.extend(self.addresses.iter().copied().map(SanType::IpAddress));
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_come_on_top_of_what_is_here() {
        let mut names = HostNames::here();
        for good in [
            "Godwit.Example.com",
            "10.0.0.1",
            "2001:db8::1",
            "cp1",
            "LOCALHOST",
        ] {
            names.add(good).unwrap();
        }
        assert_eq!(names.names.len(), 3);
        assert_eq!(names.addresses.len(), 4);
        assert!(names.names.contains("godwit.example.com"));
        assert_eq!(names.alternatives().unwrap().len(), 7);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        let mut names = HostNames::here();
        for bad in [
            "",
            ".",
            "*.example.com",
            "a b",
            "a_b",
            "-a",
            "a..b",
            "https://a",
            "a:443",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            "1.2.3",
            &"a.".repeat(200),
        ] {
            assert!(names.add(bad).is_err(), "{bad}");
        }
        assert_eq!(names, HostNames::here());
    }
}
