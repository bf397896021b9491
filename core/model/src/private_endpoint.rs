//! Private endpoints: more addresses of a cache, for clients of a private network (`arm.md` 1.3,
//! `privateEndpointConnections`). Who asks for one is not always who may say yes.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::{CacheName, Door, EndpointName};

/// As many are kept for a cache.
pub const MOST_PRIVATE_ENDPOINTS: usize = 16;

/// One private endpoint of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateEndpoint {
    /// Its name; unique in its cache without regard to case.
    pub name: EndpointName,
    /// The address that it is to have, one of the host that runs the cache; `None`: its agent gives
    /// it one.
    pub address: Option<IpAddr>,
    /// The resource that whoever asked names as its own (`privateEndpoint.id`).
    pub resource: Option<String>,
    /// Whether the cache's owner lets it be.
    pub consent: Consent,
    /// Why, in the words of who decided (`description`).
    pub description: String,
    /// What has to be done for it (`actionsRequired`).
    pub actions_required: String,
}

/// Whether the owner of a cache lets a private endpoint be (`privateLinkServiceConnectionState`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Consent {
    /// Nobody has decided: it listens nowhere.
    Pending,
    /// It listens.
    Approved,
    /// It does not listen.
    Rejected,
}

/// A private endpoint at which a cache is to listen: what its gateway is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateDoor {
    /// The endpoint's name, in lower case.
    pub name: String,
    /// As in [`PrivateEndpoint`].
    pub address: Option<IpAddr>,
}

/// A private endpoint as the cache's agent sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateDoorObserved {
    /// The endpoint's name, in lower case.
    pub name: String,
    /// Where clients connect; `None` before it listens.
    pub door: Option<Door>,
    /// What keeps it from that, in a sentence.
    pub problem: Option<String>,
}

impl Consent {
    /// All of them, as the API writes them.
    pub const WORDS: [&'static str; 3] = ["Approved", "Pending", "Rejected"];

    /// As the API writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Approved => "Approved",
            Self::Pending => "Pending",
            Self::Rejected => "Rejected",
        }
    }

    /// Reads one of [`Consent::WORDS`].
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        match word {
            "Approved" => Some(Self::Approved),
            "Pending" => Some(Self::Pending),
            "Rejected" => Some(Self::Rejected),
            _ => None,
        }
    }
}

/// The endpoints that are to listen.
pub(crate) fn doors(endpoints: &[PrivateEndpoint]) -> Vec<PrivateDoor> {
    endpoints
        .iter()
        .filter(|endpoint| endpoint.consent == Consent::Approved)
        .map(|endpoint| PrivateDoor {
            name: endpoint.name.folded(),
            address: endpoint.address,
        })
        .collect()
}

/// The refusal of a private endpoint for a cache that is linked. API and command line show the same
/// words.
#[must_use]
pub fn no_endpoint_while_linked(cache: &CacheName, other: &CacheName) -> String {
    format!(
        "A private endpoint cannot be added to the cache `{cache}`, since it is linked to `{other}`. Unlink the two, add the private endpoint, then link them again."
    )
}

/// Tells an address that one host can have and listen at.
#[must_use]
pub fn is_listenable(address: IpAddr) -> bool {
    let is_everybody = matches!(address, IpAddr::V4(v4) if v4.is_broadcast());
    !address.is_unspecified() && !address.is_multicast() && !is_everybody
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(name: &str, consent: Consent) -> PrivateEndpoint {
        PrivateEndpoint {
            name: name.parse().unwrap(),
            address: None,
            resource: None,
            consent,
            description: String::new(),
            actions_required: String::new(),
        }
    }

    #[test]
    fn only_what_was_approved_listens() {
        let all = [
            endpoint("Office", Consent::Approved),
            endpoint("asked", Consent::Pending),
            endpoint("not-you", Consent::Rejected),
        ];
        let doors = doors(&all);
        assert_eq!(doors.len(), 1);
        assert_eq!(doors[0].name, "office");
    }

    #[test]
    fn consent_has_one_word_each() {
        for word in Consent::WORDS {
            assert_eq!(Consent::of(word).map(Consent::word), Some(word));
        }
        assert_eq!(Consent::of("Disconnected"), None);
    }

    #[test]
    fn nobody_listens_at_everybodys_address() {
        for good in ["127.0.0.5", "10.1.2.3", "fd00::1"] {
            assert!(is_listenable(good.parse().unwrap()), "{good}");
        }
        for bad in ["0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1"] {
            assert!(!is_listenable(bad.parse().unwrap()), "{bad}");
        }
    }
}
