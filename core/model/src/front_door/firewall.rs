//! Firewall rules: ranges of addresses that may connect (`arm.md` 6.7).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::CacheName;

/// Addresses that may connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallRule {
    /// The rule's name; unique in its cache without regard to case.
    pub name: String,
    /// The first address (`startIP`).
    pub start: IpAddr,
    /// The last one (`endIP`).
    pub end: IpAddr,
}

/// A range that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FirewallRuleError {
    /// One address is IPv4, the other IPv6.
    #[error(
        "{start} and {end} are of different kinds; use two IPv4 addresses or two IPv6 addresses"
    )]
    Mixed {
        /// The first address.
        start: IpAddr,
        /// The last one.
        end: IpAddr,
    },
    /// The end lies before the start.
    #[error("{end} lies before {start}; give the lower address first")]
    Backwards {
        /// The first address.
        start: IpAddr,
        /// The last one.
        end: IpAddr,
    },
}

impl FirewallRule {
    /// Makes a rule. An IPv6 address that maps an IPv4 one is that IPv4 address.
    pub fn new(
        name: impl Into<String>,
        start: IpAddr,
        end: IpAddr,
    ) -> Result<Self, FirewallRuleError> {
        let (start, end) = (start.to_canonical(), end.to_canonical());
        if start.is_ipv4() != end.is_ipv4() {
            return Err(FirewallRuleError::Mixed { start, end });
        }
        if end < start {
            return Err(FirewallRuleError::Backwards { start, end });
        }
        Ok(Self {
            name: name.into(),
            start,
            end,
        })
    }

    /// Tells whether an address is in the range, both ends included.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.start.is_ipv4() && self.start <= address && address <= self.end
    }
}

/// Tells whether an address may connect: no rule admits everybody.
#[must_use]
pub fn admits(rules: &[FirewallRule], address: IpAddr) -> bool {
    rules.is_empty() || rules.iter().any(|rule| rule.contains(address))
}

/// Says that the geo-primary's rules keep out the agent beside its geo-secondary, and what to do.
/// Relay, API and command line show the same words.
#[must_use]
pub fn not_admitted(primary: &CacheName, address: IpAddr, secondary: &CacheName) -> String {
    let address = address.to_canonical();
    format!(
        "the firewall of `{primary}` does not admit {address}, from which `{secondary}` follows; add a rule for it"
    )
}

/// The same of roles that two caches do not have yet.
#[must_use]
pub fn would_not_admit(primary: &CacheName, address: IpAddr, secondary: &CacheName) -> String {
    let address = address.to_canonical();
    format!(
        "the firewall of `{primary}` does not admit {address}, from which `{secondary}` would follow; add a rule for it"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn rule(start: &str, end: &str) -> FirewallRule {
        FirewallRule::new("r", ip(start), ip(end)).unwrap()
    }

    #[test]
    fn both_ends_belong_to_the_range_and_their_neighbours_do_not() {
        let rules = [rule("10.0.1.250", "10.0.2.5"), rule("::2", "::2")];
        for inside in ["10.0.1.250", "10.0.1.255", "10.0.2.0", "10.0.2.5", "::2"] {
            assert!(admits(&rules, ip(inside)), "{inside}");
        }
        for outside in ["10.0.1.249", "10.0.2.6", "::1", "::3", "9.255.255.255"] {
            assert!(!admits(&rules, ip(outside)), "{outside}");
        }
    }

    #[test]
    fn a_mapped_address_is_the_one_that_it_maps() {
        assert!(rule("10.0.0.1", "10.0.0.9").contains(ip("::ffff:10.0.0.5")));
        assert!(rule("::ffff:10.0.0.1", "10.0.0.9").contains(ip("10.0.0.5")));
        assert!(!rule("10.0.0.1", "10.0.0.9").contains(ip("::a00:5")));
    }

    #[test]
    fn without_a_rule_everybody_may_and_zero_to_all_ones_is_everybody_of_a_kind() {
        assert!(admits(&[], ip("192.0.2.1")));
        let all = [rule("0.0.0.0", "255.255.255.255")];
        assert!(admits(&all, ip("192.0.2.1")) && !admits(&all, ip("2001:db8::1")));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let refused = |start, end| FirewallRule::new("r", ip(start), ip(end)).unwrap_err();
        assert!(matches!(
            refused("10.0.0.2", "10.0.0.1"),
            FirewallRuleError::Backwards { .. }
        ));
        assert!(matches!(
            refused("10.0.0.2", "::1"),
            FirewallRuleError::Mixed { .. }
        ));
    }
}
