//! Resources as the management API answers them, as far as a client reads them. Only names are
//! required; what a control plane leaves out is `None` or empty.

use std::collections::BTreeMap;

use model::{CacheId, CacheName, GroupName, Secret, SubscriptionId};
use serde::{Deserialize, Deserializer};

use crate::private_endpoints::PrivateEndpoint;

/// A list answer: one page.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    #[serde(default)]
    pub(crate) value: Vec<serde_json::Value>,
    #[serde(rename = "nextLink")]
    pub(crate) next_link: Option<String>,
}

/// A subscription.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its GUID.
    pub subscription_id: SubscriptionId,
    /// What it is called.
    #[serde(default, deserialize_with = "or_default")]
    pub display_name: String,
}

/// A region of the deployment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    /// The short spelling, such as `eastus`.
    pub name: String,
    /// The long spelling, such as `East US`.
    #[serde(default, deserialize_with = "or_default")]
    pub display_name: String,
}

/// A resource group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: GroupName,
    /// The region where it was made.
    #[serde(default, deserialize_with = "or_default")]
    pub location: String,
    /// Tags.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: BTreeMap<String, String>,
    /// The rest.
    #[serde(default, deserialize_with = "or_default")]
    pub properties: GroupProperties,
}

/// The rest of a resource group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GroupProperties {
    /// `Succeeded` or `Deleting`.
    pub provisioning_state: String,
}

/// A cache.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Cache {
    /// Where it stands.
    #[serde(deserialize_with = "parsed")]
    pub id: CacheId,
    /// Its name.
    pub name: CacheName,
    /// Its region, as the control plane spells it.
    #[serde(default, deserialize_with = "or_default")]
    pub location: String,
    /// Tags.
    #[serde(default, deserialize_with = "or_default")]
    pub tags: BTreeMap<String, String>,
    /// The rest.
    #[serde(default, deserialize_with = "or_default")]
    pub properties: CacheProperties,
}

/// The rest of a cache.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CacheProperties {
    /// `Succeeded`, `Creating`, `Linking`, ….
    #[serde(deserialize_with = "or_default")]
    pub provisioning_state: String,
    /// Tier and size.
    pub sku: Option<SkuBody>,
    /// The name of its direct endpoint.
    #[serde(deserialize_with = "or_default")]
    pub host_name: String,
    /// Replicas of each primary.
    pub replicas_per_primary: Option<u8>,
    /// `Enabled` or `Disabled`.
    pub public_network_access: Option<String>,
    /// Settings, as they were set and as they follow from the size.
    #[serde(deserialize_with = "or_default")]
    pub redis_configuration: BTreeMap<String, String>,
    /// Its links.
    #[serde(deserialize_with = "or_default")]
    pub linked_servers: Vec<LinkedServer>,
    /// Its private endpoints.
    #[serde(deserialize_with = "or_default")]
    pub private_endpoint_connections: Vec<PrivateEndpoint>,
}

/// `sku` of a cache.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SkuBody {
    /// The tier.
    pub name: String,
    /// `C` or `P`.
    pub family: String,
    /// The number behind the letter.
    pub capacity: u8,
}

/// An entry of a cache's `linkedServers`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LinkedServer {
    /// The resource ID of the link as this cache sees it.
    pub id: String,
}

impl LinkedServer {
    /// The name of the cache at the other end: the ID's last part.
    #[must_use]
    pub fn other(&self) -> Option<CacheName> {
        self.id.rsplit('/').next()?.parse().ok()
    }
}

/// A link, as one of its two caches sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Link {
    /// The name of the other cache.
    pub name: CacheName,
    /// The rest.
    pub properties: LinkProperties,
}

/// The rest of a link.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LinkProperties {
    /// The other cache.
    #[serde(deserialize_with = "parsed")]
    pub linked_redis_cache_id: CacheId,
    /// Its region.
    #[serde(default, deserialize_with = "or_default")]
    pub linked_redis_cache_location: String,
    /// The role of the other cache.
    pub server_role: ServerRole,
    /// The direct host name of the geo-primary.
    #[serde(default, deserialize_with = "or_default")]
    pub primary_host_name: String,
    /// The host name that leads to the geo-primary whichever cache that is.
    #[serde(default, deserialize_with = "or_default")]
    pub geo_replicated_primary_host_name: String,
    /// `Creating`, `Syncing`, `Succeeded`, `Deleting` or `Failed`.
    #[serde(default, deserialize_with = "or_default")]
    pub provisioning_state: String,
}

/// The role of the cache that a link's name names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum ServerRole {
    /// It is the geo-primary.
    Primary,
    /// It is the geo-secondary.
    Secondary,
}

/// A cache's access keys.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// The first.
    pub primary_key: Secret,
    /// The second.
    pub secondary_key: Secret,
}

/// Takes `null` for the default, as absence.
pub(crate) fn or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn parsed<'de, D: Deserializer<'de>>(from: D) -> Result<CacheId, D::Error> {
    String::deserialize(from)?
        .parse()
        .map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cache_may_say_more_and_less_than_expected() {
        let id = "/subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/g/providers/Microsoft.Cache/Redis/a";
        let bare: Cache = serde_json::from_value(json!({"id": id, "name": "a"})).unwrap();
        assert_eq!(bare.properties, CacheProperties::default());
        let full: Cache = serde_json::from_value(json!({
            "id": id, "name": "a", "location": "East US", "tags": null, "identity": {"type": "None"},
            "properties": {
                "provisioningState": "Succeeded", "accessKeys": null, "shardCount": null,
                "sku": {"name": "Premium", "family": "P", "capacity": 1},
                "linkedServers": [{"id": format!("{id}/linkedServers/b")}],
                "redisConfiguration": {"maxclients": "7500"}, "somethingNew": {"x": [1]},
            },
        }))
        .unwrap();
        assert_eq!(full.id.name.as_str(), "a");
        let other = full.properties.linked_servers[0].other().unwrap();
        assert_eq!(other.as_str(), "b");
        assert_eq!(full.properties.sku.unwrap().capacity, 1);
    }

    #[test]
    fn a_link_names_the_other_cache_and_its_role() {
        let id = "/subscriptions/5d0c4f30-0000-4000-8000-000000000001/resourceGroups/g/providers/Microsoft.Cache/Redis/b";
        let link: Link = serde_json::from_value(json!({
            "id": "…/linkedServers/b", "name": "b", "type": "Microsoft.Cache/Redis/linkedServers",
            "properties": {
                "linkedRedisCacheId": id, "linkedRedisCacheLocation": "West US",
                "serverRole": "Secondary", "primaryHostName": "a.zone",
                "geoReplicatedPrimaryHostName": "b.geo.zone", "provisioningState": "Syncing",
            },
        }))
        .unwrap();
        assert_eq!(link.properties.server_role, ServerRole::Secondary);
        assert_eq!(link.properties.linked_redis_cache_id.name, link.name);
    }
}
