//! Firewall rules, access policies and their assignments: `arm.md` 2.4.

use model::{AccessPolicy, AccessState, CacheRecord, FirewallRule, PolicyAssignment};
use serde_json::{Value, json};

/// A firewall rule.
pub(crate) fn rule_json(cache: &CacheRecord, rule: &FirewallRule) -> Value {
    resource(
        cache,
        "firewallRules",
        &rule.name,
        json!({"startIP": rule.start, "endIP": rule.end}),
    )
}

/// A policy of the cache's own.
pub(crate) fn policy_json(cache: &CacheRecord, policy: &AccessPolicy) -> Value {
    resource(
        cache,
        "accessPolicies",
        policy.name.as_str(),
        json!({
            "provisioningState": state(&policy.progress.state),
            "type": "Custom",
            "permissions": policy.permissions,
        }),
    )
}

/// A policy that every cache has.
pub(crate) fn built_in_json(cache: &CacheRecord, (name, permissions): (&str, &str)) -> Value {
    resource(
        cache,
        "accessPolicies",
        name,
        json!({"provisioningState": "Succeeded", "type": "BuiltIn", "permissions": permissions}),
    )
}

/// Who has a policy.
pub(crate) fn assignment_json(cache: &CacheRecord, given: &PolicyAssignment) -> Value {
    resource(
        cache,
        "accessPolicyAssignments",
        given.name.as_str(),
        json!({
            "provisioningState": state(&given.progress.state),
            "objectId": given.object_id,
            "objectIdAlias": given.alias,
            "accessPolicyName": given.policy,
        }),
    )
}

fn resource(cache: &CacheRecord, kind: &str, name: &str, properties: Value) -> Value {
    json!({
        "id": format!("{}/{kind}/{name}", cache.id),
        "name": name,
        "type": format!("Microsoft.Cache/Redis/{kind}"),
        "properties": properties,
    })
}

fn state(state: &AccessState) -> &'static str {
    match state {
        AccessState::Updating => "Updating",
        AccessState::Succeeded => "Succeeded",
        AccessState::Failed { .. } => "Failed",
    }
}
