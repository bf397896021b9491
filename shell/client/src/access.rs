//! Who may come in to a cache, as the management API answers it.

use std::net::IpAddr;

use serde::Deserialize;

use crate::resources::or_default;

/// A firewall rule: a range of addresses that may connect.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FirewallRule {
    /// Its name.
    pub name: String,
    /// The range.
    pub properties: AddressRange,
}

/// The addresses of a firewall rule, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct AddressRange {
    /// The first.
    #[serde(rename = "startIP")]
    pub start: IpAddr,
    /// The last.
    #[serde(rename = "endIP")]
    pub end: IpAddr,
}

/// An access policy: what somebody may do who comes in with a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AccessPolicy {
    /// Its name.
    pub name: String,
    /// The rest.
    #[serde(default, deserialize_with = "or_default")]
    pub properties: PolicyProperties,
}

/// The rest of an access policy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyProperties {
    /// `Updating`, `Succeeded` or `Failed`.
    #[serde(deserialize_with = "or_default")]
    pub provisioning_state: String,
    /// `BuiltIn` or `Custom`.
    #[serde(rename = "type", deserialize_with = "or_default")]
    pub kind: String,
    /// What it permits, in the engines' ACL words.
    #[serde(deserialize_with = "or_default")]
    pub permissions: String,
}

/// An access policy assignment: who has which policy.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PolicyAssignment {
    /// Its name.
    pub name: String,
    /// The rest.
    #[serde(default, deserialize_with = "or_default")]
    pub properties: AssignmentProperties,
}

/// The rest of an access policy assignment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AssignmentProperties {
    /// `Updating`, `Succeeded` or `Failed`.
    #[serde(deserialize_with = "or_default")]
    pub provisioning_state: String,
    /// Who: a GUID.
    #[serde(deserialize_with = "or_default")]
    pub object_id: String,
    /// What people call them.
    #[serde(deserialize_with = "or_default")]
    pub object_id_alias: String,
    /// The policy.
    #[serde(deserialize_with = "or_default")]
    pub access_policy_name: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn resources_may_say_more_and_less_than_expected() {
        let rule: FirewallRule = serde_json::from_value(json!({
            "id": "…", "name": "r", "type": "Microsoft.Cache/Redis/firewallRules",
            "properties": {"startIP": "2001:db8::1", "endIP": "2001:db8::2"},
        }))
        .unwrap();
        assert_eq!(rule.properties.end.to_string(), "2001:db8::2");
        let policy: AccessPolicy = serde_json::from_value(json!({
            "name": "p", "properties": {"type": "BuiltIn", "permissions": "+get", "new": 1},
        }))
        .unwrap();
        assert_eq!(policy.properties.kind, "BuiltIn");
        let bare: PolicyAssignment = serde_json::from_value(json!({"name": "a"})).unwrap();
        assert_eq!(bare.properties, AssignmentProperties::default());
    }
}
