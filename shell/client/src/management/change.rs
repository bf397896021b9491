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
        };
        let expected = json!({
            "location": "eastus",
            "tags": {},
            "properties": {
                "sku": {"name": "Premium", "family": "P", "capacity": 1},
                "replicasPerPrimary": 1,
                "redisConfiguration": {"databases": "4"},
            },
        });
        assert_eq!(change.body(), expected);
    }
}
