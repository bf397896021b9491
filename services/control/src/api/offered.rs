//! `GET /providers/Microsoft.Cache/operations`: everything that can be done, by the names under which
//! roles and the activity log know it.

use axum::response::Response;
use serde_json::json;

use super::answer;

/// The provider itself: name, and what to call it.
const PROVIDER: &[(&str, &str)] = &[
    (
        "register/action",
        "Register the provider with a subscription",
    ),
    (
        "checknameavailability/action",
        "Check whether a name is free",
    ),
    ("operations/read", "List what can be done"),
    (
        "locations/asyncOperations/read",
        "See how far an operation is",
    ),
    (
        "locations/operationresults/read",
        "See what an operation came to",
    ),
];

/// Caches.
const CACHES: &[(&str, &str)] = &[
    ("redis/write", "Create or change a cache"),
    ("redis/read", "Read a cache"),
    ("redis/delete", "Delete a cache"),
    ("redis/listKeys/action", "Read the access keys of a cache"),
    ("redis/regenerateKey/action", "Make a new access key"),
    (
        "redis/patchSchedules/read",
        "Read when a cache may be patched",
    ),
    (
        "redis/patchSchedules/write",
        "Say when a cache may be patched",
    ),
    (
        "redis/patchSchedules/delete",
        "Let a cache be patched at any time",
    ),
    ("redis/forceReboot/action", "Restart nodes of a cache"),
    (
        "redis/upgradeEngine/action",
        "Exchange the engine of a cache",
    ),
    (
        "redis/listUpgradeNotifications/read",
        "List upgrades of a cache",
    ),
    ("redis/export/action", "Export the data of a cache"),
    ("redis/import/action", "Import data into a cache"),
    ("redis/flush/action", "Remove all data of a cache"),
    (
        "redis/runtimeStatus/read",
        "See what runs of a cache right now",
    ),
    (
        "redis/writtenSince/read",
        "List the keys written since a position",
    ),
    (
        "redis/lostWrites/read",
        "Read writes that a forced failover left behind",
    ),
    (
        "redis/lostWrites/delete",
        "Discard writes that a forced failover left behind",
    ),
    (
        "redis/metricDefinitions/read",
        "List the metrics of a cache",
    ),
];

/// Links.
const LINKS: &[(&str, &str)] = &[
    (
        "redis/linkCandidates/read",
        "List the caches that a cache can be linked with",
    ),
    ("redis/linkedServers/write", "Link two caches, or fail over"),
    ("redis/linkedServers/read", "Read a link"),
    ("redis/linkedServers/delete", "Unlink two caches"),
    (
        "redis/linkedServers/runtimeStatus/read",
        "See how a link is right now",
    ),
    (
        "redis/linkedServers/events/read",
        "Read what happened on a link",
    ),
    (
        "redis/linkedServers/egress/read",
        "Read what a link sent, and what it costs",
    ),
    (
        "redis/linkedServers/lostWrites/read",
        "List writes that a forced failover left behind",
    ),
    (
        "redis/linkedServers/replicationSettings/read",
        "Read how a link moves its bytes",
    ),
    (
        "redis/linkedServers/replicationSettings/write",
        "Change how a link moves its bytes",
    ),
    (
        "redis/linkedServers/failoverPreflight/action",
        "Check what a failover would come to",
    ),
    (
        "redis/linkedServers/acceptEmptySource/action",
        "Let an empty geo-primary go on",
    ),
    (
        "redis/linkedServers/acceptUnsaved/action",
        "Go on without writes that cannot be kept",
    ),
    (
        "redis/linkedServers/acknowledgeAutoFailover/action",
        "Take note of a failover that happened by itself",
    ),
];

/// Who may come in.
const ACCESS: &[(&str, &str)] = &[
    (
        "redis/firewallRules/write",
        "Create or change a firewall rule",
    ),
    ("redis/firewallRules/read", "Read a firewall rule"),
    ("redis/firewallRules/delete", "Delete a firewall rule"),
    (
        "redis/accessPolicies/write",
        "Create or change an access policy",
    ),
    ("redis/accessPolicies/read", "Read an access policy"),
    ("redis/accessPolicies/delete", "Delete an access policy"),
    (
        "redis/accessPolicyAssignments/write",
        "Give an access policy to somebody",
    ),
    (
        "redis/accessPolicyAssignments/read",
        "Read who has an access policy",
    ),
    (
        "redis/accessPolicyAssignments/delete",
        "Take an access policy away",
    ),
    (
        "redis/privateLinkResources/read",
        "Read what private endpoints may be of",
    ),
    (
        "redis/privateEndpointConnections/write",
        "Add, approve or reject a private endpoint",
    ),
    (
        "redis/privateEndpointConnections/read",
        "Read a private endpoint",
    ),
    (
        "redis/privateEndpointConnections/delete",
        "Remove a private endpoint",
    ),
];

pub(super) async fn operations() -> Response {
    let all = [
        ("Cache provider", PROVIDER),
        ("Redis cache", CACHES),
        ("Link", LINKS),
        ("Access", ACCESS),
    ];
    let shown = all.iter().flat_map(|(resource, operations)| {
        operations.iter().map(move |(name, what)| {
            json!({
                "name": format!("Microsoft.Cache/{name}"),
                "isDataAction": false,
                "origin": "user,system",
                "display": {
                    "provider": "Microsoft Cache", "resource": resource, "operation": what,
                    "description": what,
                },
            })
        })
    });
    answer::list(shown.collect())
}
