//! What is asked for of a cache, as the body of its creation or its update.

use std::collections::BTreeMap;

use model::Sku;
use serde_json::{Map, Value, json};

/// What is asked for; `None` and empty leave it to the control plane, or as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CacheChange {
    /// The region; a creation needs it.
    pub location: Option<String>,
    /// Tier and size; a creation needs it.
    pub sku: Option<Sku>,
    /// Replicas of each primary.
    pub replicas: Option<u8>,
    /// Settings that are added or changed.
    pub configuration: BTreeMap<String, String>,
    /// Listen without TLS, too.
    pub enable_non_ssl_port: Option<bool>,
    /// The lowest version of TLS.
    pub minimum_tls_version: Option<String>,
    /// Let clients connect.
    pub public_network_access: Option<bool>,
    /// Take tokens alone.
    pub disable_access_keys: Option<bool>,
    /// All tags from now on.
    pub tags: Option<BTreeMap<String, String>>,
}

impl CacheChange {
    pub(super) fn body(&self) -> Value {
        let mut properties = Map::new();
        if let Some(sku) = self.sku {
            let body = json!({
                "name": sku.tier().to_string(), "family": sku.family(), "capacity": sku.capacity(),
            });
            properties.insert("sku".to_owned(), body);
        }
        if let Some(replicas) = self.replicas {
            properties.insert("replicasPerPrimary".to_owned(), json!(replicas));
        }
        if !self.configuration.is_empty() {
            properties.insert("redisConfiguration".to_owned(), json!(self.configuration));
        }
        let access = |public| if public { "Enabled" } else { "Disabled" };
        for (name, value) in [
            (
                "enableNonSslPort",
                self.enable_non_ssl_port.map(Value::Bool),
            ),
            (
                "minimumTlsVersion",
                self.minimum_tls_version.as_deref().map(Value::from),
            ),
            (
                "publicNetworkAccess",
                self.public_network_access.map(access).map(Value::from),
            ),
            (
                "disableAccessKeyAuthentication",
                self.disable_access_keys.map(Value::Bool),
            ),
        ] {
            properties.extend(value.map(|value| (name.to_owned(), value)));
        }
        let mut body = Map::new();
        if let Some(location) = &self.location {
            body.insert("location".to_owned(), json!(location));
        }
        if let Some(tags) = &self.tags {
            body.insert("tags".to_owned(), json!(tags));
        }
        body.insert("properties".to_owned(), Value::Object(properties));
        Value::Object(body)
    }
}

#[cfg(test)]
mod tests {
    use model::Tier;

    use super::*;

    #[test]
    fn says_only_what_is_asked() {
        assert_eq!(CacheChange::default().body(), json!({"properties": {}}));
        let change = CacheChange {
            location: Some("eastus".to_owned()),
            sku: Some(Sku::new(Tier::Premium, 1).unwrap()),
            replicas: Some(1),
            configuration: BTreeMap::from([("databases".to_owned(), "4".to_owned())]),
            tags: Some(BTreeMap::new()),
            enable_non_ssl_port: Some(false),
            minimum_tls_version: Some("1.3".to_owned()),
            public_network_access: Some(true),
            disable_access_keys: Some(true),
        };
        let expected = json!({
            "location": "eastus",
            "tags": {},
            "properties": {
                "sku": {"name": "Premium", "family": "P", "capacity": 1},
                "replicasPerPrimary": 1,
                "redisConfiguration": {"databases": "4"},
                "enableNonSslPort": false,
                "minimumTlsVersion": "1.3",
                "publicNetworkAccess": "Enabled",
                "disableAccessKeyAuthentication": true,
            },
        });
        assert_eq!(change.body(), expected);
    }
}
