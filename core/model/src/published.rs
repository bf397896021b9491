//! The names under which caches are reached: what the control plane tells whoever serves DNS.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::StoreId;

/// Every name of a deployment, as of one generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublishedNames {
    /// The store that they are derived from.
    pub store: StoreId,
    /// Counts changes of the names; it never goes back, not even when the control plane starts anew.
    pub generation: u64,
    /// The zone, such as `redis.example.com`.
    pub zone: String,
    /// For how long an answer may be remembered, in seconds.
    pub ttl_seconds: u32,
    /// The names, each once, in their order.
    pub names: Vec<PublishedName>,
}

/// One name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedName {
    /// The name within the zone, in lower case: `east`, or `east.geo`.
    pub name: String,
    /// Where it leads.
    #[serde(flatten)]
    pub leads: Leads,
}

/// Where a name leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Leads {
    /// To these addresses; none while no agent has told any.
    Addresses(Vec<IpAddr>),
    /// To where another name within the zone leads.
    Alias(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_the_api_shows_them() {
        let name = |name: &str, leads| PublishedName {
            name: name.to_owned(),
            leads,
        };
        let names = PublishedNames {
            store: StoreId::new("s"),
            generation: 7,
            zone: "redis.example".to_owned(),
            ttl_seconds: 5,
            names: vec![
                name(
                    "east",
                    Leads::Addresses(vec!["127.70.0.1".parse().unwrap(), "::1".parse().unwrap()]),
                ),
                name("west.geo", Leads::Alias("east.geo".to_owned())),
            ],
        };
        let text = r#"{"store":"s","generation":7,"zone":"redis.example","ttlSeconds":5,"names":[{"name":"east","addresses":["127.70.0.1","::1"]},{"name":"west.geo","alias":"east.geo"}]}"#;
        assert_eq!(serde_json::to_string(&names).unwrap(), text);
        assert_eq!(serde_json::from_str::<PublishedNames>(text).unwrap(), names);
    }
}
