//! Private endpoints of a cache, as the management API answers them.

use std::net::IpAddr;

use serde::Deserialize;

use crate::resources::or_default;

/// A private endpoint: an address of the cache for clients of a private network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PrivateEndpoint {
    /// Its name.
    pub name: String,
    /// The rest.
    #[serde(default, deserialize_with = "or_default")]
    pub properties: PrivateEndpointProperties,
}

/// The rest of a private endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PrivateEndpointProperties {
    /// `Creating`, `Succeeded` or `Failed`.
    #[serde(deserialize_with = "or_default")]
    pub provisioning_state: String,
    /// Whether it may be.
    #[serde(deserialize_with = "or_default")]
    pub private_link_service_connection_state: ConnectionState,
    /// The name under which clients reach it.
    #[serde(deserialize_with = "or_default")]
    pub host_name: String,
    /// Its address, once it has one.
    pub address: Option<IpAddr>,
    /// The port of TLS, while it listens.
    pub tls_port: Option<u16>,
    /// The port without TLS, while it listens there.
    pub plain_port: Option<u16>,
    /// What keeps it from listening.
    pub problem: Option<String>,
}

/// Whether a private endpoint may be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConnectionState {
    /// `Pending`, `Approved` or `Rejected`.
    #[serde(deserialize_with = "or_default")]
    pub status: String,
    /// Why.
    #[serde(deserialize_with = "or_default")]
    pub description: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn endpoints_may_say_more_and_less_than_expected() {
        let full: PrivateEndpoint = serde_json::from_value(json!({
            "id": "…", "name": "office", "properties": {
                "provisioningState": "Succeeded", "address": "10.0.0.9", "tlsPort": 6380,
                "privateLinkServiceConnectionState": {"status": "Approved", "new": 1},
            },
        }))
        .unwrap();
        let of = &full.properties;
        assert_eq!(of.private_link_service_connection_state.status, "Approved");
        assert_eq!((of.tls_port, of.plain_port), (Some(6380), None));
        let bare: PrivateEndpoint = serde_json::from_value(json!({"name": "a"})).unwrap();
        assert_eq!(bare.properties, PrivateEndpointProperties::default());
    }
}
